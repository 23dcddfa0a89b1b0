//! Interprets a transaction: the fence first, then each table in a few statements, then one commit.
//!
//! A commit that reports an error may have committed. Then a fresh connection raises the epoch, which waits for the old
//! transaction's lock, and looks for the batch's own history row.

use super::super::{FOR_UPDATE, Options};
use super::bind::{self, Binder};
use super::plan::Plan;
use super::tx::Tx;
use super::{Bind, Database, Writer, arguments};
use crate::base::id::{InstanceId, PartitionId};
use crate::base::planted;
use crate::partition::CommitError;
use crate::partition::transaction::{Fence, IndexKey, IndexRow, IndexWrite, PastRow, PastWrite, Record, Transaction};
use crate::store::error::StoreError;
use crate::store::table::{self, Mode, Table};
use std::time::Duration;

/// How far a commit came when it failed.
enum Reached {
    /// The database has not heard of a commit: nothing is stored.
    Before(StoreError),
    /// It was asked to commit and did not say yes.
    Commit(StoreError),
}

impl Database {
    pub(in crate::store) async fn commit(&self, transaction: &Transaction) -> Result<(), CommitError> {
        let fence = &transaction.fence;
        let writer = self.writer(fence.partition);
        let mut writer = writer.lock().await;
        let before = fence.position - i64::try_from(transaction.records.len()).expect("a batch is bounded");
        let epoch = match writer.owned.get(&fence.partition.0) {
            Some(owned) if owned.told == fence.epoch && owned.position == before => owned.now,
            Some(_) | None => return Err(CommitError::Fenced),
        };
        let written = writer.write(&self.options, transaction, epoch).await;
        let result = match written {
            Ok(()) => Ok(()),
            Err(reached) => writer.recover(&self.options, fence, epoch, reached).await,
        };
        if let (Ok(()), Some(owned)) = (&result, writer.owned.get_mut(&fence.partition.0)) {
            owned.position = fence.position;
        }
        result
    }
}

impl Database {
    /// Whether nobody has taken the partition since it was opened here.
    pub(in crate::store) async fn owns(&self, partition: PartitionId) -> Result<bool, StoreError> {
        let writer = self.writer(partition);
        let Some(epoch) = writer.lock().await.owned.get(&partition.0).map(|owned| owned.now) else {
            return Ok(false);
        };
        let rows: Vec<(i64,)> =
            self.fetch("SELECT epoch FROM partition WHERE id = $1".into(), vec![Bind::Int(partition.0)]).await?;
        Ok(rows == [(epoch,)])
    }
}

impl Writer {
    async fn recover(
        &mut self,
        options: &Options,
        fence: &Fence,
        epoch: i64,
        reached: Reached,
    ) -> Result<(), CommitError> {
        match reached {
            Reached::Before(StoreError::Fenced) => Err(CommitError::Fenced),
            Reached::Before(StoreError::Refused(why)) => Err(CommitError::Refused(why)),
            Reached::Before(error) => {
                tracing::warn!(%error, "a batch was not written");
                Err(CommitError::Failed)
            }
            Reached::Commit(error) => {
                tracing::warn!(%error, "a commit was not confirmed; looking whether it is there");
                self.settle(options, fence, epoch).await
            }
        }
    }

    async fn write(&mut self, options: &Options, transaction: &Transaction, epoch: i64) -> Result<(), Reached> {
        let mut connection = self.borrow(options).await.map_err(Reached::Before)?;
        self.counted.clear();
        let mut tx = Tx::begin(&mut connection).await.map_err(Reached::Before)?;
        let fence = format!("SELECT id FROM partition WHERE id = $1 AND epoch = $2{FOR_UPDATE}");
        let keys = vec![Bind::Int(transaction.fence.partition.0), Bind::Int(epoch)];
        let owned = tx.found(fence.into(), arguments(keys)).await.map_err(Reached::Before)?;
        if !owned && !planted::is("row-count-of-the-fence-ignored") {
            return Err(Reached::Before(StoreError::Fenced));
        }
        let mut statements = plan(transaction).statements(&mut self.texts);
        let mut next = statements.next();
        while let Some(statement) = next {
            *self.counted.entry(statement.table).or_default() += 1;
            // the database's thread works on this one while the next is made here
            let (done, following) = tokio::join!(biased; tx.run(statement), async { statements.next() });
            if !planted::is("going-on-after-a-failed-statement") {
                done.map_err(Reached::Before)?;
            }
            next = following;
        }
        drop(statements);
        for deployment in &transaction.deployments_gone {
            forget(&mut tx, deployment.0).await.map_err(Reached::Before)?;
        }
        tx.commit().await.map_err(Reached::Commit)?;
        self.connection = Some(connection);
        Ok(())
    }

    /// Waits for the database as long as it takes: without its answer neither yes nor no would be true.
    async fn settle(&mut self, options: &Options, fence: &Fence, epoch: i64) -> Result<(), CommitError> {
        let mut pause = Duration::from_millis(50);
        loop {
            match self.look(options, fence, epoch).await {
                Ok(Some(true)) => return Ok(()),
                Ok(Some(false)) => return Err(CommitError::Failed),
                Ok(None) => return Err(CommitError::Fenced),
                Err(error) => {
                    tracing::warn!(%error, "the database does not say whether the last batch is stored");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(2));
                }
            }
        }
    }

    /// Whether the batch is stored; `None`: the partition is no longer ours.
    async fn look(&mut self, options: &Options, fence: &Fence, epoch: i64) -> Result<Option<bool>, StoreError> {
        let partition = fence.partition.0;
        let owned = self.owned.get(&partition).ok_or(StoreError::Fenced)?;
        let owner = owned.owner.clone();
        let mut connection = self.borrow(options).await?;
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
        self.connection = Some(connection);
        if let Some(owned) = self.owned.get_mut(&partition) {
            owned.now = now;
            owned.owner = tag;
        }
        Ok(Some(there))
    }
}

fn plan(transaction: &Transaction) -> Plan<'_> {
    let mut plan = Plan::default();
    plan.add(Mode::Upsert, &table::DEPLOYMENT, &transaction.deployments, bind::deployment);
    plan.add(Mode::Upsert, &table::RESOURCE, &transaction.resources, bind::resource);
    plan.add(Mode::Upsert, &table::DEFINITION, &transaction.definitions, bind::definition);
    plan.add(Mode::Delete, &table::START_EVENT, &transaction.starts_gone, bind::start_key);
    plan.add(Mode::Upsert, &table::START_EVENT, &transaction.starts, bind::start);
    plan.add(Mode::Delete, &table::LETTER, &transaction.letters_gone, |b, id| {
        bind::letter_key(b, &transaction.fence, *id);
    });
    plan.add(Mode::Insert, &table::LETTER, &transaction.letters, |b, row| bind::letter(b, &transaction.fence, row));
    plan.add(Mode::Delete, &table::INBOX, &transaction.parcels_gone, |b, id| {
        bind::parcel_key(b, transaction.fence.partition, *id);
    });
    plan.add(Mode::Insert, &table::INBOX, &transaction.parcels, bind::parcel);
    plan.add(Mode::Insert, &table::OUTCOME, &transaction.outcomes, bind::outcome);
    plan.add(Mode::Upsert, &table::INSTANCE, &transaction.instances, bind::instance);
    plan.add(Mode::Delete, &table::SCOPE, &transaction.scopes_gone, |b, key| bind::scope_key(b, *key));
    plan.add(Mode::Upsert, &table::SCOPE, &transaction.scopes, bind::scope);
    index_gone(&mut plan, &transaction.index_gone);
    index(&mut plan, &transaction.index);
    past(&mut plan, &transaction.past);
    plan.add(Mode::Upsert, &table::COMMAND_KEY, &transaction.answers, bind::answer);
    plan.add(Mode::Insert, &table::HISTORY, &transaction.records, |b, row| record(b, &transaction.fence, row));
    plan
}

/// Rows that go, table by table. They go before new ones come: a key may come again.
fn index_gone<'a>(plan: &mut Plan<'a>, gone: &'a [(InstanceId, IndexKey)]) {
    let mut tables: [Vec<&'a (InstanceId, IndexKey)>; 7] = Default::default();
    for key in gone {
        tables[place(&key.1)].push(key);
    }
    for (rows, table) in tables.into_iter().zip(INDEX_TABLES) {
        plan.pick(Mode::Delete, table, rows, |b, (instance, key)| bind::index_key(b, *instance, key));
    }
}

fn index<'a>(plan: &mut Plan<'a>, writes: &'a [IndexWrite]) {
    let mut tables: [Vec<&'a IndexWrite>; 7] = Default::default();
    for write in writes {
        tables[place(&write.key)].push(write);
    }
    for (rows, table) in tables.into_iter().zip(INDEX_TABLES) {
        plan.pick(Mode::Upsert, table, rows, |b, write| {
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

fn past<'a>(plan: &mut Plan<'a>, writes: &'a [PastWrite]) {
    let mut tables: [Vec<&'a PastWrite>; 5] = Default::default();
    for write in writes {
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
        plan.pick(Mode::Upsert, table, rows, |b, write| {
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
