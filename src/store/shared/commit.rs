//! Interprets transactions: the fences first, then each table in a few statements, then one commit.
//!
//! What several partitions have ready at the same time is written together: statements cost more than rows, and a commit
//! costs more than both. Nobody waits for company: whoever finds a writer at rest takes along what waits by then.
//! If they fail together, each is tried alone.
//!
//! A commit that reports an error may have committed. Then a fresh connection raises the epoch, which waits for the old
//! transaction's lock, and looks for the batch's own history row.

use super::super as database;
use super::bind::{self, Binder};
use super::plan::Plan;
use super::tx::Tx;
use super::writers::Lent;
use super::{Bind, Database, arguments, locked};
use crate::base::id::{InstanceId, PartitionId};
use crate::base::planted;
use crate::partition::CommitError;
use crate::partition::transaction::{Fence, IndexKey, IndexRow, IndexWrite, PastRow, PastWrite, Record, Transaction};
use crate::store::error::StoreError;
use crate::store::table::{self, Mode, Table};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// A transaction that waits for a writer.
#[derive(Debug)]
pub(super) struct Waiting {
    transaction: Arc<Transaction>,
    answer: oneshot::Sender<Result<(), CommitError>>,
}

/// A transaction at work: under the epoch that is in force for its partition.
struct Mine {
    transaction: Arc<Transaction>,
    epoch: i64,
    answer: oneshot::Sender<Result<(), CommitError>>,
}

/// How far a commit came when it failed.
enum Reached {
    /// The database has not heard of a commit: nothing is stored.
    Before(StoreError),
    /// It was asked to commit and did not say yes.
    Commit(StoreError),
}

impl Database {
    pub(in crate::store) async fn commit(&self, transaction: Arc<Transaction>) -> Result<(), CommitError> {
        let (answer, mut answered) = oneshot::channel();
        locked(&self.waiting).push(Waiting { transaction: Arc::clone(&transaction), answer });
        let answer = tokio::select! { biased;
            answer = &mut answered => Some(answer),
            mut writer = self.lend() => {
                let waiting = std::mem::take(&mut *locked(&self.waiting));
                self.write_all(&mut writer, waiting).await;
                None
            }
        };
        let answer = match answer {
            Some(answer) => answer,
            None => answered.await,
        };
        match answer {
            Ok(answer) => answer,
            // Whoever wrote it along was cancelled.
            Err(_) => match self.epoch_of(&transaction.fence) {
                Some(epoch) => {
                    self.settle(&mut self.lend().await, &transaction.fence, epoch).await?;
                    self.stored(&transaction.fence);
                    Ok(())
                }
                None => Err(CommitError::Fenced),
            },
        }
    }

    /// Whether nobody has taken the partition since it was opened here.
    pub(in crate::store) async fn owns(&self, partition: PartitionId) -> Result<bool, StoreError> {
        let Some(epoch) = locked(&self.owned).get(&partition.0).map(|owned| owned.now) else {
            return Ok(false);
        };
        let rows: Vec<(i64,)> =
            self.fetch("SELECT epoch FROM partition WHERE id = $1".into(), vec![Bind::Int(partition.0)]).await?;
        Ok(rows == [(epoch,)])
    }

    /// The epoch under which this may be written; none where the partition is no longer of the one who was told it.
    fn epoch_of(&self, fence: &Fence) -> Option<i64> {
        locked(&self.owned).get(&fence.partition.0).filter(|owned| owned.told == fence.epoch).map(|owned| owned.now)
    }

    /// The same, where this batch is the next.
    fn next_epoch_of(&self, transaction: &Transaction) -> Option<i64> {
        let fence = &transaction.fence;
        let before = fence.position - i64::try_from(transaction.records.len()).expect("a batch is bounded");
        let is_next = locked(&self.owned).get(&fence.partition.0).is_some_and(|owned| owned.position == before);
        self.epoch_of(fence).filter(|_| is_next)
    }

    async fn write_all(&self, writer: &mut Lent<'_>, waiting: Vec<Waiting>) {
        let mut mine = Vec::with_capacity(waiting.len());
        for Waiting { transaction, answer } in waiting.into_iter().filter(|waiting| !waiting.answer.is_closed()) {
            match self.next_epoch_of(&transaction) {
                Some(epoch) => mine.push(Mine { transaction, epoch, answer }),
                None => tell(answer, Err(CommitError::Fenced)),
            }
        }
        if mine.is_empty() {
            return;
        }
        // In one order, so that two writers never wait for each other.
        mine.sort_by_key(|one| one.transaction.fence.partition);
        let written = self.write_together(writer, &mine).await;
        self.heard(writer, &written);
        match written {
            Ok(()) => mine.into_iter().for_each(|one| self.written(one)),
            Err(Reached::Before(error)) if mine.len() > 1 && is_of_one(&error) => {
                tracing::debug!(%error, "what was written together is written one by one");
                for one in mine {
                    self.write_alone(writer, one).await;
                }
            }
            Err(reached) => {
                for one in mine {
                    self.recover(writer, one, &reached).await;
                }
            }
        }
    }

    /// A full disk, or a session that does not answer, is not only this batch's matter.
    fn heard(&self, writer: &Lent<'_>, written: &Result<(), Reached>) {
        let error = match written {
            Ok(()) => None,
            Err(Reached::Before(error) | Reached::Commit(error)) => Some(error),
        };
        self.noticed(error);
        if let Some(StoreError::Deadline(_)) = error {
            database::doubt(&self.options, writer.turn);
        }
    }

    async fn write_alone(&self, writer: &mut Lent<'_>, mut one: Mine) {
        // A look at an earlier one may have raised it.
        match self.epoch_of(&one.transaction.fence) {
            Some(epoch) => one.epoch = epoch,
            None => return tell(one.answer, Err(CommitError::Fenced)),
        }
        let written = self.write_together(writer, std::slice::from_ref(&one)).await;
        self.heard(writer, &written);
        match written {
            Ok(()) => self.written(one),
            Err(reached) => self.recover(writer, one, &reached).await,
        }
    }

    fn written(&self, one: Mine) {
        self.stored(&one.transaction.fence);
        tell(one.answer, Ok(()));
    }

    /// The next batch begins behind this one.
    fn stored(&self, fence: &Fence) {
        if let Some(owned) = locked(&self.owned).get_mut(&fence.partition.0)
            && owned.told == fence.epoch
        {
            owned.position = fence.position;
        }
    }

    async fn recover(&self, writer: &mut Lent<'_>, one: Mine, reached: &Reached) {
        let failure = match reached {
            Reached::Before(StoreError::Fenced) => CommitError::Fenced,
            Reached::Before(StoreError::Refused(why)) => CommitError::Refused(why.clone()),
            Reached::Before(error) => {
                tracing::warn!(%error, "a batch was not written");
                CommitError::Failed
            }
            Reached::Commit(error) => {
                tracing::warn!(%error, "a commit was not confirmed; looking whether it is there");
                match self.settle(writer, &one.transaction.fence, one.epoch).await {
                    Ok(()) => return self.written(one),
                    Err(failure) => failure,
                }
            }
        };
        tell(one.answer, Err(failure));
    }

    async fn write_together(&self, writer: &mut Lent<'_>, all: &[Mine]) -> Result<(), Reached> {
        let mut connection = writer.borrow(&self.options).await.map_err(Reached::Before)?;
        writer.counted.clear();
        let mut tx = Tx::begin(&mut connection).await.map_err(Reached::Before)?;
        let ours = are_ours(&mut tx, all).await.map_err(Reached::Before)?;
        if !ours && !planted::is("row-count-of-the-fence-ignored") {
            return Err(Reached::Before(StoreError::Fenced));
        }
        let transactions: Vec<&Transaction> = all.iter().map(|one| &*one.transaction).collect();
        let writer = &mut **writer;
        let mut statements = plan(&transactions).statements(&mut writer.texts);
        let mut next = statements.next();
        while let Some(statement) = next {
            *writer.counted.entry(statement.table).or_default() += 1;
            // the database's thread works on this one while the next is made here
            let (done, following) = tokio::join!(biased; tx.run(statement), async { statements.next() });
            if !planted::is("going-on-after-a-failed-statement") {
                done.map_err(Reached::Before)?;
            }
            next = following;
        }
        drop(statements);
        for deployment in transactions.iter().flat_map(|transaction| &transaction.deployments_gone) {
            forget(&mut tx, deployment.0).await.map_err(Reached::Before)?;
        }
        tx.commit().await.map_err(Reached::Commit)?;
        writer.connection = Some(connection);
        Ok(())
    }

    /// Waits for the database as long as it takes: without its answer neither yes nor no would be true.
    async fn settle(&self, writer: &mut Lent<'_>, fence: &Fence, epoch: i64) -> Result<(), CommitError> {
        let mut pause = Duration::from_millis(50);
        loop {
            match self.look(writer, fence, epoch).await {
                Ok(Some(true)) => return Ok(()),
                Ok(Some(false)) => return Err(CommitError::Failed),
                Ok(None) => return Err(CommitError::Fenced),
                Err(error) => {
                    if matches!(error, StoreError::Deadline(_)) {
                        database::doubt(&self.options, writer.turn);
                    }
                    tracing::warn!(%error, "the database does not say whether the last batch is stored");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(2));
                }
            }
        }
    }

    /// Whether the batch is stored; `None`: the partition is no longer ours.
    async fn look(&self, writer: &mut Lent<'_>, fence: &Fence, epoch: i64) -> Result<Option<bool>, StoreError> {
        let partition = fence.partition.0;
        let Some(owner) = locked(&self.owned).get(&partition).map(|owned| owned.owner.clone()) else {
            return Ok(None);
        };
        let mut connection = writer.borrow(&self.options).await?;
        let mut tx = Tx::begin(&mut connection).await?;
        // Ours under its last name, or under this batch's: an earlier look may have raised it without our hearing of it. The
        // batch is in no other life's name, so that a life of the same name is never taken for this one.
        let raise = "UPDATE partition SET epoch = epoch + 1, owner = $4 WHERE id = $1 AND \
                     ((owner = $2 AND epoch = $3) OR (owner = $4 AND epoch > $3))";
        let tag = format!("{} {}", owner.split(' ').next().unwrap_or_default(), fence.batch);
        let keys = vec![Bind::Int(partition), Bind::Text(owner), Bind::Int(epoch), Bind::Text(tag.clone())];
        if tx.execute(raise.into(), arguments(keys)).await? == 0 {
            return Ok(None);
        }
        let row = "SELECT position FROM history WHERE partition = $1 AND position = $2 AND batch = $3";
        let keys = vec![Bind::Int(partition), Bind::Int(fence.position), Bind::Int(fence.batch)];
        let there = tx.found(row.into(), arguments(keys)).await?;
        let now = tx
            .number("SELECT epoch FROM partition WHERE id = $1".into(), arguments(vec![Bind::Int(partition)]))
            .await?;
        tx.commit().await?;
        writer.connection = Some(connection);
        if let Some(owned) = locked(&self.owned).get_mut(&partition)
            && owned.told == fence.epoch
        {
            owned.now = now;
            owned.owner = tag;
        }
        Ok(Some(there))
    }
}

/// Holds the fence rows until the commit, if they are all under these epochs.
async fn are_ours(tx: &mut Tx<'_>, all: &[Mine]) -> Result<bool, StoreError> {
    let marks: Vec<String> = (0..all.len()).map(|ix| format!("(${}, ${})", 2 * ix + 1, 2 * ix + 2)).collect();
    let text = format!(
        "SELECT id FROM partition WHERE (id, epoch) IN (VALUES {}) ORDER BY id{}",
        marks.join(", "),
        super::super::FOR_UPDATE
    );
    let keys = all.iter().flat_map(|one| [Bind::Int(one.transaction.fence.partition.0), Bind::Int(one.epoch)]);
    Ok(tx.rows(text.into(), arguments(keys.collect())).await? == all.len())
}

/// The fault of one of those that were written together, not of the database.
fn is_of_one(error: &StoreError) -> bool {
    !matches!(error, StoreError::Away(_) | StoreError::Deadline(_) | StoreError::Full { .. })
}

fn tell(answer: oneshot::Sender<Result<(), CommitError>>, result: Result<(), CommitError>) {
    // Whoever asked may have gone.
    let _gone = answer.send(result);
}

type All<'a> = [&'a Transaction];

/// The rows of one kind, of all of them.
fn of<'a, R>(all: &All<'a>, rows: impl Fn(&'a Transaction) -> &'a [R]) -> Vec<&'a R> {
    all.iter().flat_map(|transaction| rows(transaction)).collect()
}

/// The same, each with the fence of its transaction.
fn fenced<'a, R>(all: &All<'a>, rows: impl Fn(&'a Transaction) -> &'a [R]) -> Vec<(&'a Fence, &'a R)> {
    let rows = &rows;
    all.iter().flat_map(|transaction| rows(transaction).iter().map(|row| (&transaction.fence, row))).collect()
}

fn plan<'a>(all: &All<'a>) -> Plan<'a> {
    let mut plan = Plan::default();
    plan.add(Mode::Upsert, &table::DEPLOYMENT, of(all, |t| &t.deployments), bind::deployment);
    plan.add(Mode::Upsert, &table::RESOURCE, of(all, |t| &t.resources), bind::resource);
    plan.add(Mode::Upsert, &table::DEFINITION, of(all, |t| &t.definitions), bind::definition);
    plan.add(Mode::Delete, &table::START_EVENT, of(all, |t| &t.starts_gone), bind::start_key);
    plan.add(Mode::Upsert, &table::START_EVENT, of(all, |t| &t.starts), bind::start);
    plan.add(Mode::Delete, &table::LETTER, fenced(all, |t| &t.letters_gone), |b, (fence, id)| {
        bind::letter_key(b, fence, *id);
    });
    plan.add(Mode::Insert, &table::LETTER, fenced(all, |t| &t.letters), |b, (fence, row)| {
        bind::letter(b, fence, row);
    });
    plan.add(Mode::Delete, &table::INBOX, fenced(all, |t| &t.parcels_gone), |b, (fence, id)| {
        bind::parcel_key(b, fence.partition, *id);
    });
    plan.add(Mode::Insert, &table::INBOX, of(all, |t| &t.parcels), bind::parcel);
    plan.add(Mode::Insert, &table::OUTCOME, of(all, |t| &t.outcomes), bind::outcome);
    plan.add(Mode::Upsert, &table::INSTANCE, of(all, |t| &t.instances), bind::instance);
    plan.add(Mode::Delete, &table::SCOPE, of(all, |t| &t.scopes_gone), |b, key| bind::scope_key(b, *key));
    plan.add(Mode::Upsert, &table::SCOPE, of(all, |t| &t.scopes), bind::scope);
    index_gone(&mut plan, all);
    index(&mut plan, all);
    past(&mut plan, all);
    plan.add(Mode::Upsert, &table::COMMAND_KEY, of(all, |t| &t.answers), bind::answer);
    plan.add(Mode::Insert, &table::HISTORY, fenced(all, |t| &t.records), |b, (fence, row)| record(b, fence, row));
    plan
}

/// Rows that go, table by table. They go before new ones come: a key may come again.
fn index_gone<'a>(plan: &mut Plan<'a>, all: &All<'a>) {
    let mut tables: [Vec<&'a (InstanceId, IndexKey)>; 7] = Default::default();
    for key in all.iter().flat_map(|transaction| &transaction.index_gone) {
        tables[place(&key.1)].push(key);
    }
    for (rows, table) in tables.into_iter().zip(INDEX_TABLES) {
        plan.add(Mode::Delete, table, rows, |b, (instance, key)| bind::index_key(b, *instance, key));
    }
}

fn index<'a>(plan: &mut Plan<'a>, all: &All<'a>) {
    let mut tables: [Vec<&'a IndexWrite>; 7] = Default::default();
    for write in all.iter().flat_map(|transaction| &transaction.index) {
        tables[place(&write.key)].push(write);
    }
    for (rows, table) in tables.into_iter().zip(INDEX_TABLES) {
        plan.add(Mode::Upsert, table, rows, |b, write| {
            bind::index_key(b, write.common.instance, &write.key);
            match &write.row {
                IndexRow::Job(row) => bind::job(b, &write.common, row),
                IndexRow::UserTask(row) => bind::user_task(b, &write.common, row),
                IndexRow::Candidate => {}
                IndexRow::Timer(row) => bind::timer(b, &write.common, row),
                IndexRow::Subscription(row) => bind::subscription(b, &write.common, row),
                IndexRow::Incident(row) => bind::incident(b, &write.common, row),
                IndexRow::Variable(row) => bind::variable(b, &write.common, row),
            }
        });
    }
}

const INDEX_TABLES: [&Table; 7] = [
    &table::JOB,
    &table::USER_TASK,
    &table::CANDIDATE,
    &table::TIMER,
    &table::SUBSCRIPTION,
    &table::INCIDENT,
    &table::VARIABLE,
];

fn place(key: &IndexKey) -> usize {
    match key {
        IndexKey::Job(_) => 0,
        IndexKey::UserTask(_) => 1,
        IndexKey::Candidate(..) => 2,
        IndexKey::Timer(_) => 3,
        IndexKey::Subscription(_) => 4,
        IndexKey::Incident(_) => 5,
        IndexKey::Variable(..) => 6,
    }
}

fn past<'a>(plan: &mut Plan<'a>, all: &All<'a>) {
    let mut tables: [Vec<&'a PastWrite>; 5] = Default::default();
    for write in all.iter().flat_map(|transaction| &transaction.past) {
        let place = match &write.row {
            PastRow::Activity(_) => 0,
            PastRow::Task(_) => 1,
            PastRow::Variable(_) => 2,
            PastRow::Incident(_) => 3,
            PastRow::Decision(_) => 4,
        };
        tables[place].push(write);
    }
    let all =
        [&table::PAST_ACTIVITY, &table::PAST_TASK, &table::PAST_VARIABLE, &table::PAST_INCIDENT, &table::PAST_DECISION];
    for (rows, table) in tables.into_iter().zip(all) {
        plan.add(Mode::Upsert, table, rows, |b, write| {
            bind::past_key(b, write.common.instance, &write.key);
            match &write.row {
                PastRow::Activity(row) => bind::past_activity(b, &write.common, row),
                PastRow::Task(row) => bind::past_task(b, &write.common, row),
                PastRow::Variable(row) => bind::past_variable(b, &write.common, row),
                PastRow::Incident(row) => bind::past_incident(b, &write.common, row),
                PastRow::Decision(row) => bind::past_decision(b, &write.common, row),
            }
        });
    }
}

/// The last record carries what the next owner begins with.
fn record(b: &mut Binder, fence: &Fence, record: &Record) {
    let last = record.position == fence.position;
    b.int(fence.partition.0);
    b.int(record.position);
    b.int(fence.batch);
    b.int_or(record.instance.map(|instance| instance.0));
    b.int(record.at.0);
    b.text(record.cause);
    b.text(&serde_json::to_string(&record.events).expect("events are JSON"));
    b.int_or(last.then_some(fence.next_id));
    b.int_or(last.then_some(fence.clock.0));
}

async fn forget(tx: &mut Tx<'_>, deployment: i64) -> Result<(), StoreError> {
    let texts = [
        "DELETE FROM start_event WHERE definition IN (SELECT id FROM definition WHERE deployment = $1)",
        "DELETE FROM definition WHERE deployment = $1",
        "DELETE FROM resource WHERE deployment = $1",
        "DELETE FROM deployment WHERE id = $1",
    ];
    for text in texts {
        tx.execute(text.into(), arguments(vec![Bind::Int(deployment)])).await?;
    }
    Ok(())
}
