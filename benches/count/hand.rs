//! A partition driven by hand on a store: batch by batch, each part counted and timed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use stats_alloc::Region;
use transhume::base::id::{InstanceId, PartitionId, TokenId};
use transhume::base::variable::Variables;
use transhume::engine::command::Command;
use transhume::engine::job::Claim;
use transhume::partition::transaction::{IndexKey, PastRow, Transaction};
use transhume::partition::{Input, Notice, Offer, Output, Partition, Reply, Request, Work, first_partition};
use transhume::runtime::clock::system;
use transhume::store::Store;

use crate::ALLOCATOR;
use crate::load::Failure;
use crate::load::clients::Workload;
use crate::load::engine::{LEASED, bundle, in_step, starting};

const HOLDER: &str = "by-hand";
const LEASE_MS: i64 = 600_000;

pub(crate) struct Hand {
    partition: Partition,
    store: Store,
    requests: u64,
    sequence: u64,
    pub(crate) counts: Counts,
}

/// Time and allocations of one part.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Part {
    pub(crate) took: Duration,
    pub(crate) allocations: usize,
    pub(crate) allocated: usize,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) commands: usize,
    pub(crate) batches: usize,
    pub(crate) statements: BTreeMap<&'static str, usize>,
    pub(crate) rows: BTreeMap<&'static str, usize>,
    /// Of documents and of events as they are stored.
    pub(crate) document_bytes: usize,
    pub(crate) event_bytes: usize,
    /// The partition: the engine's run, documents, index and history rows.
    pub(crate) run: Part,
    /// `Store::commit`: statements are bound, the database works, the commit is confirmed.
    pub(crate) commit: Part,
    /// Reads for the partition, such as instances that it does not have in memory.
    pub(crate) load: Part,
}

/// What came out of a batch.
#[derive(Default)]
struct Came {
    replies: Vec<Reply>,
    /// Jobs that were leased to the offer of this process.
    jobs: Vec<(InstanceId, TokenId, i64)>,
}

impl Hand {
    pub(crate) async fn on(database: &str, model: &str) -> Result<Self, Failure> {
        let store = Store::open(database).await?;
        let partition = first_partition();
        store.divide().await?;
        let opened = store.open_partition(partition, HOLDER, system().now()).await?;
        let (requests, sequence, counts) = (0, 0, Counts::default());
        let mut hand = Self {
            partition: Partition::with_inline(partition, Arc::new(in_step())),
            store,
            requests,
            sequence,
            counts,
        };
        hand.partition.handle(opened, system().now());
        hand.batch(vec![Work::Deploy(Box::new(bundle(model, "")?))]).await?;
        Ok(hand)
    }

    pub(crate) fn forget(&mut self) {
        self.counts = Counts::default();
    }

    pub(crate) async fn close(self) {
        self.store.close().await;
    }

    /// So many instances from their start to their end, all of them in the same batches.
    pub(crate) async fn round(&mut self, workload: Workload, instances: usize) -> Result<(), Failure> {
        let handled = workload.handled();
        if workload.is_leased() {
            // All jobs of the batch are leased as they open.
            let slots = instances * handled as usize;
            let (holder, topic) = (HOLDER.to_owned(), LEASED.to_owned());
            self.partition.handle(Input::Offer(Offer { holder, topic, slots, lease_ms: LEASE_MS }), system().now());
        }
        let mut starts = Vec::new();
        for _ in 0..instances {
            self.sequence += 1;
            starts.push(starting(workload.model(), "", self.sequence, None));
        }
        let came = self.batch(starts).await?;
        let started: Vec<InstanceId> = came
            .replies
            .iter()
            .map(|reply| match reply {
                Reply::Started(instance) => Ok(*instance),
                other => Err(format!("a start is answered by {other:?}")),
            })
            .collect::<Result<_, _>>()?;
        match workload {
            Workload::W1L | Workload::W2L => self.complete(came.jobs).await,
            Workload::W1 | Workload::W2 | Workload::W3 => Ok(()),
            Workload::W4 => {
                let token = TokenId(self.first_token(started[0]).await?);
                let complete = |instance| Work::Instance {
                    instance,
                    command: Command::CompleteUserTask { token, variables: Variables::new() },
                };
                self.batch(started.into_iter().map(complete).collect()).await.map(drop)
            }
            Workload::W5 => self.steps(started).await,
        }
    }

    /// Ten times: lease the open task of each instance in one command, then complete each.
    async fn steps(&mut self, started: Vec<InstanceId>) -> Result<(), Failure> {
        for _ in 0..10 {
            let token = TokenId(self.first_token(started[0]).await?);
            let candidates = started.iter().map(|instance| (*instance, token)).collect();
            let until = system().now().plus_ms(LEASE_MS);
            let came = self
                .batch(vec![Work::Lease { candidates, holder: HOLDER.to_owned(), until, max: started.len() }])
                .await?;
            let Some(Reply::Leased(leased)) = came.replies.into_iter().next() else {
                return Err("nothing leased".into());
            };
            self.complete(leased).await?;
        }
        Ok(())
    }

    async fn complete(&mut self, jobs: Vec<(InstanceId, TokenId, i64)>) -> Result<(), Failure> {
        let complete = |(instance, token, lease_no)| {
            let claim = Claim { holder: HOLDER.to_owned(), lease_no: Some(lease_no) };
            let (variables, local, decisions) = (Variables::new(), Variables::new(), Vec::new());
            Work::Instance { instance, command: Command::CompleteJob { token, claim, variables, local, decisions } }
        };
        self.batch(jobs.into_iter().map(complete).collect()).await.map(drop)
    }

    /// The token that waits, as the store has it: the same in each instance of a model.
    async fn first_token(&self, instance: InstanceId) -> Result<u32, Failure> {
        let stored = self.store.instances(&[instance]).await?.pop().ok_or("the instance is not stored")?;
        let Some(definition) = self.store.definition(stored.definition).await? else {
            return Err("its definition is not stored".into());
        };
        let read = transhume::engine::document::decode(stored.id, &stored.body, &stored.scopes, definition);
        let live = read.map_err(|error| error.to_string())?;
        Ok(live.root().tokens.keys().next().ok_or("nothing waits")?.0)
    }

    /// Works that wait together; until the partition rests.
    async fn batch(&mut self, works: Vec<Work>) -> Result<Came, Failure> {
        self.counts.commands += works.len();
        let mut came = Came::default();
        let begun = Meter::begin();
        for work in works {
            self.requests += 1;
            let request = Request { id: self.requests, key: None, user: None, work };
            self.partition.handle(Input::Submit(request), system().now());
        }
        begun.end(&mut self.counts.run);
        loop {
            let begun = Meter::begin();
            let output = self.partition.poll();
            begun.end(&mut self.counts.run);
            let Some(output) = output else { return Ok(came) };
            if let Some(input) = self.interpret(output, &mut came).await? {
                let begun = Meter::begin();
                self.partition.handle(input, system().now());
                begun.end(&mut self.counts.run);
            }
        }
    }

    async fn interpret(&mut self, output: Output, came: &mut Came) -> Result<Option<Input>, Failure> {
        match output {
            Output::Commit(transaction) => {
                let transaction = Arc::new(transaction);
                let begun = Meter::begin();
                self.store.commit(Arc::clone(&transaction)).await.map_err(|error| format!("a commit: {error:?}"))?;
                begun.end(&mut self.counts.commit);
                self.counts.add(&transaction);
                for (table, statements) in self.store.counted().await {
                    *self.counts.statements.entry(table).or_default() += statements;
                }
                Ok(Some(Input::Committed { batch: transaction.fence.batch }))
            }
            Output::Reply { result, .. } => {
                came.replies.push(result?);
                Ok(None)
            }
            Output::Effect(Notice::Run { instance, token, lease_no, .. }) => {
                came.jobs.push((instance, token, lease_no));
                Ok(None)
            }
            Output::StepDown => Err("another process has the database".into()),
            Output::Effect(_) | Output::WakeAt(_) => Ok(None),
            asked @ (Output::Load { .. }
            | Output::LoadDefinition(_)
            | Output::LoadClosed { .. }
            | Output::LoadSchedule { .. }
            | Output::LoadInbox
            | Output::LoadCatalog { .. }) => {
                let begun = Meter::begin();
                let answer = self.store.answer(PartitionId(0), &asked).await?;
                begun.end(&mut self.counts.load);
                Ok(answer)
            }
        }
    }
}

/// Time and allocations since a moment.
struct Meter {
    region: Region<'static, std::alloc::System>,
    at: Instant,
}

impl Meter {
    fn begin() -> Self {
        Self { region: Region::new(&ALLOCATOR), at: Instant::now() }
    }

    fn end(self, part: &mut Part) {
        part.took += self.at.elapsed();
        let change = self.region.change();
        part.allocations += change.allocations + change.reallocations;
        part.allocated += change.bytes_allocated;
    }
}

impl Counts {
    fn add(&mut self, transaction: &Transaction) {
        self.batches += 1;
        let rows = &mut self.rows;
        let mut add = |table, count: usize| {
            if count > 0 {
                *rows.entry(table).or_default() += count;
            }
        };
        add("process_instance", transaction.instances.len());
        add("scope", transaction.scopes.len() + transaction.scopes_gone.len());
        add("history", transaction.records.len());
        add("command_key", transaction.answers.len());
        add("inbox", transaction.parcels.len() + transaction.parcels_gone.len());
        for key in transaction.index.iter().map(|row| &row.key).chain(transaction.index_gone.iter().map(|row| &row.1)) {
            add(index_table(key), 1);
        }
        for row in &transaction.past {
            add(past_table(&row.row), 1);
        }
        let instances: usize = transaction.instances.iter().map(|row| row.body.len()).sum();
        let scopes: usize = transaction.scopes.iter().map(|row| row.body.len()).sum();
        self.document_bytes += instances + scopes;
        let events = |events| serde_json::to_string(events).map_or(0, |text| text.len());
        self.event_bytes += transaction.records.iter().map(|record| events(&record.events)).sum::<usize>();
    }
}

fn index_table(key: &IndexKey) -> &'static str {
    match key {
        IndexKey::Job(_) => "job",
        IndexKey::UserTask(_) => "user_task",
        IndexKey::Candidate(..) => "candidate",
        IndexKey::Timer(_) => "timer",
        IndexKey::Subscription(_) => "subscription",
        IndexKey::Incident(_) => "incident",
        IndexKey::Variable(..) => "variable",
    }
}

fn past_table(row: &PastRow) -> &'static str {
    match row {
        PastRow::Activity(_) => "past_activity",
        PastRow::Task(_) => "past_task",
        PastRow::Variable(_) => "past_variable",
        PastRow::Incident(_) => "past_incident",
        PastRow::Decision(_) => "past_decision",
    }
}
