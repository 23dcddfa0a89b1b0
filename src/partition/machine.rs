//! The partition itself: what each input does, and when the next batch runs.
//!
//! A batch forms when the outputs are drained, so what was handed in before shares one commit: a lone command commits at
//! once, load makes batches grow. At most one commit is in flight; what is needed for the next batch is loaded meanwhile.

use super::batch::{Abandon, Batch, Outcome};
use super::cache::Cache;
use super::catalog::Catalog;
use super::dispatch::Dispatch;
use super::inbox::Inbox;
use super::inline::Inlines;
use super::keys::Keys;
use super::letter::{self, Letter, LetterId};
use super::parcel::{Parcel, ParcelId};
use super::plan::Needs;
use super::schedule::Schedule;
use super::transaction::{CommandKey, Fence, Transaction};
use super::{CommitError, Due, Input, Notice, Output, Request, first_partition};
use crate::base::id::{DefinitionId, InstanceId, PartitionId};
use crate::base::mark::seen;
use crate::base::planted;
use crate::base::time::Timestamp;
use crate::engine::command::{Answer, Rejection};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

#[derive(Debug)]
pub struct Partition {
    life: Life,
    /// As of the last commit.
    pub(super) fence: Fence,
    /// Never goes back, whatever the caller's clock does.
    pub(super) clock: Timestamp,
    pub(super) cache: Cache,
    pub(super) catalog: Catalog,
    pub(super) schedule: Schedule,
    pub(super) dispatch: Dispatch,
    pub(super) keys: Keys,
    pub(super) inline: Arc<Inlines>,
    pub(super) queue: VecDeque<Item>,
    /// Due work that met a defect or a limit: handled once, then dropped.
    pub(super) spoilt: BTreeMap<Due, Refusal>,
    /// Reports that wait for what the history knows of their job.
    pub(super) doubtful: Vec<Request>,
    /// What a batch turned out to lack; none runs before it is here.
    pub(super) lacking: Needs,
    /// What is stored and not delivered.
    pub(super) letters: BTreeMap<LetterId, Letter>,
    pub(super) inbox: Inbox,
    /// So many items run one by one: the database refused what they gave together.
    alone: usize,
    /// How many there are beside this one, and this one.
    pub(super) partitions: i64,
    pub(super) in_flight: Option<InFlight>,
    batches: i64,
    pub(super) out: VecDeque<Output>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    New,
    Open,
    /// Another owner has taken over; nothing is answered any more.
    Down,
}

#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) job: Job,
    pub(super) refuse: Option<Refusal>,
    pub(super) inquiry: Inquiry,
}

/// What the history says of a report that found its job gone.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Inquiry {
    NotAsked,
    KnowsNothing,
    /// It was accepted before, with this answer.
    Repeats(Answer),
}

#[derive(Clone, Debug)]
pub(super) enum Job {
    Request(Request),
    Due(Due),
    Parcel {
        id: ParcelId,
        parcel: Parcel,
        /// The reading of what is deployed that it waits for.
        catalog: u64,
    },
}

impl Item {
    pub(super) fn new(job: Job) -> Self {
        Self { job, refuse: None, inquiry: Inquiry::NotAsked }
    }
}

/// Why an item is not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Defect(String),
    TooLarge {
        what: &'static str,
        limit: usize,
    },
    /// The database does not take what it gives.
    Data(String),
    /// Not even an incident can be written.
    Silent,
}

impl Refusal {
    pub(super) fn rejection(&self) -> Rejection {
        match self {
            Self::Defect(message) => Rejection::Defect(message.clone()),
            Self::TooLarge { what, limit } => Rejection::LimitExceeded { what: (*what).into(), limit: *limit },
            Self::Data(why) => Rejection::InvalidInput(format!("the database does not take the data: {why}")),
            Self::Silent => Rejection::Defect("it could not even be recorded at the instance".into()),
        }
    }
}

/// A batch that is being stored: kept whole, to be released or run again.
#[derive(Debug)]
pub(super) struct InFlight {
    items: Vec<Item>,
    pub(super) fence: Fence,
    outcome: Outcome,
}

impl Partition {
    /// Waits for `Opened`.
    pub fn new(id: PartitionId) -> Self {
        Self {
            life: Life::New,
            fence: Fence { partition: id, ..Fence::default() },
            clock: Timestamp::default(),
            cache: Cache::default(),
            catalog: Catalog::default(),
            schedule: Schedule::default(),
            dispatch: Dispatch::default(),
            keys: Keys::default(),
            queue: VecDeque::new(),
            spoilt: BTreeMap::new(),
            doubtful: Vec::new(),
            lacking: Needs::default(),
            letters: BTreeMap::new(),
            inbox: Inbox::default(),
            alone: 0,
            partitions: 1,
            inline: Arc::default(),
            in_flight: None,
            batches: 0,
            out: VecDeque::new(),
        }
    }

    pub fn handle(&mut self, input: Input, now: Timestamp) {
        self.clock = self.clock.max(now);
        match input {
            Input::Opened { epoch, position, next_id, clock, definitions, starts, letters, partitions } => {
                self.clock = self.clock.max(clock);
                let partition = self.fence.partition;
                self.fence = Fence { partition, epoch, batch: 0, position, next_id: next_id.max(1), clock };
                self.catalog = Catalog::new(definitions, starts);
                self.partitions = partitions;
                self.cache.share(partitions);
                self.watch_starts();
                self.inbox.look();
                if !planted::is("letter-lost") {
                    self.out.extend(letter::notices(&letters).map(Output::Effect));
                }
                self.letters = letters.into_iter().map(|row| (row.id, row.letter)).collect();
                self.life = Life::Open;
            }
            Input::Submit(request) => self.enter(request),
            Input::Look => self.inbox.look(),
            Input::Parcels(rows) => self.parcels(rows),
            Input::Catalog { ask, definitions, starts } => {
                self.catalog = Catalog::new(definitions, starts);
                self.inbox.catalog_came(ask);
            }
            Input::Offer(offer) => {
                self.schedule.offered(&offer.topic);
                self.dispatch.offer(offer);
            }
            Input::Loaded { instances, missing, answers, unanswered } => {
                for stored in instances {
                    if let Some(definition) = self.cache.loaded(stored) {
                        self.ask_definition(definition);
                    }
                }
                for id in missing {
                    self.cache.missing(id);
                }
                self.keys.loaded(answers, &unanswered);
            }
            Input::Definition(definition) => self.cache.learn_definition(definition.id, Some(definition)),
            Input::NoDefinition(id) => self.cache.learn_definition(id, None),
            Input::Closed { instance, token, lease_no, how } => self.closed(instance, token, lease_no, how),
            Input::Scheduled { entries, until } => self.schedule.loaded(entries, until, self.clock),
            Input::Epoch(epoch) => {
                self.fence.epoch = epoch;
                if let Some(flight) = &mut self.in_flight {
                    flight.fence.epoch = epoch;
                }
            }
            Input::Committed { batch } => self.committed(batch),
            Input::CommitFailed { batch, error } => self.commit_failed(batch, error),
            Input::Wake => {}
        }
    }

    /// The next word out; none: everything rests until the next input.
    pub fn poll(&mut self) -> Option<Output> {
        if self.out.is_empty() {
            self.advance();
        }
        self.out.pop_front()
    }

    pub(super) fn enter(&mut self, request: Request) {
        if let Some((key, _)) = &request.key {
            self.keys.enter(key, request.id);
        }
        self.queue.push_back(Item::new(Job::Request(request)));
    }

    /// Start timers fire at the first partition, which hands the instances round.
    fn watch_starts(&mut self) {
        if self.fence.partition == first_partition() {
            self.schedule.set_starts(self.catalog.start_timers());
        }
    }

    pub fn id(&self) -> PartitionId {
        self.fence.partition
    }

    pub(super) fn next_fence(&self) -> Fence {
        Fence { clock: self.clock, ..self.fence.clone() }
    }

    fn advance(&mut self) {
        if self.life != Life::Open {
            return;
        }
        self.out.extend(self.schedule.promote(self.clock).into_iter().map(Output::Effect));
        self.out.extend(self.inbox.ask());
        // Ends: each round takes items from the queue or marks one that hindered it, or nothing is ready.
        while self.in_flight.is_none() && self.run_batch() {}
        if self.in_flight.is_some() {
            let mut needs = Needs::default();
            self.ready_requests(&mut needs);
            self.ask(needs);
        }
        let Self { schedule, dispatch, .. } = self;
        let asked = schedule.ask(self.clock, |topic| dispatch.free(topic) > 0);
        self.out.extend(asked);
        self.out.extend(self.schedule.wake(self.clock));
    }

    /// Runs one batch of what is ready, user commands first; false when nothing is.
    fn run_batch(&mut self) -> bool {
        if self.still_lacks() {
            return false;
        }
        let mut needs = Needs::default();
        let mut items = self.plan(&mut needs);
        self.ask(needs);
        if self.alone > 0 && !items.is_empty() {
            self.alone -= 1;
            self.put_back(items.split_off(1));
        }
        if items.is_empty() {
            return false;
        }
        match Batch::run(self, &items) {
            Ok(outcome) => {
                self.take_back(items, outcome);
                true
            }
            Err(Abandon::Need(needs)) => {
                seen!("batch-lacks-an-instance");
                self.put_back(items);
                self.lacking = needs.clone();
                self.ask(needs);
                true
            }
            Err(Abandon::Refuse { item, why }) => {
                seen!("batch-refuses-an-item");
                let mut items = items;
                let refused = &mut items[item];
                refused.refuse = Some(if refused.refuse.is_some() { Refusal::Silent } else { why });
                self.put_back(items);
                true
            }
        }
    }

    fn ask_definition(&mut self, id: DefinitionId) {
        if self.cache.ask_definition(id) {
            self.out.push_back(Output::LoadDefinition(id));
        }
    }

    fn ask(&mut self, needs: Needs) {
        for definition in needs.definitions {
            self.ask_definition(definition);
        }
        let instances: Vec<InstanceId> = needs.instances.into_iter().filter(|id| self.cache.ask(*id)).collect();
        let keys: Vec<CommandKey> = needs.keys.into_iter().filter(|key| self.keys.ask(key)).collect();
        if !instances.is_empty() || !keys.is_empty() {
            self.out.push_back(Output::Load { instances, keys });
        }
    }

    /// A batch has run: what it did not come to waits again, and its transaction goes out. Without changes there is nothing
    /// to store and it is done.
    fn take_back(&mut self, mut items: Vec<Item>, outcome: Outcome) {
        self.put_back(items.split_off(outcome.done));
        if outcome.tx.records.is_empty() {
            self.release(&items, outcome);
            return;
        }
        self.batches += 1;
        let mut outcome = outcome;
        let mut tx = std::mem::take(&mut outcome.tx);
        // Unique over all owners: an ambiguous commit is recognised by it.
        tx.fence.batch = (tx.fence.epoch << 32) | self.batches;
        let fence = tx.fence.clone();
        outcome.definitions = tx.definitions.iter().map(|row| row.id).collect();
        outcome.letters.clone_from(&tx.letters);
        outcome.letters_gone.clone_from(&tx.letters_gone);
        outcome.parcels_gone.clone_from(&tx.parcels_gone);
        outcome.notices.extend(told_elsewhere(&tx));
        if planted::is("effect-before-commit") {
            self.out.extend(outcome.notices.drain(..).map(Output::Effect));
        }
        self.out.push_back(Output::Commit(tx));
        self.in_flight = Some(InFlight { items, fence, outcome });
    }

    /// To the front, in the order in which they were taken.
    fn put_back(&mut self, items: Vec<Item>) {
        for item in items.into_iter().rev() {
            match item.job {
                Job::Request(_) => self.queue.push_front(item),
                Job::Parcel { .. } => self.queue.push_front(item),
                // Due work never left the schedule.
                Job::Due(due) => {
                    if let Some(why) = item.refuse {
                        self.spoilt.insert(due, why);
                    }
                }
            }
        }
    }

    fn committed(&mut self, batch: i64) {
        if self.in_flight.as_ref().is_none_or(|flight| flight.fence.batch != batch) {
            return; // a doubled answer
        }
        let InFlight { items, fence, outcome } = self.in_flight.take().expect("just seen");
        self.fence = fence;
        self.release(&items, outcome);
    }

    /// What was decided is stored: replies and effects leave, memory follows the rows.
    fn release(&mut self, items: &[Item], outcome: Outcome) {
        for due in outcome.spent.iter().chain(&outcome.written.dues_gone) {
            self.schedule.remove(due);
        }
        for due in outcome.written.dues {
            self.schedule.add(due, self.clock);
        }
        if outcome.catalog_before.is_some() {
            self.watch_starts();
        }
        self.inbox.taken_out(&outcome.parcels_gone);
        for gone in &outcome.letters_gone {
            self.letters.remove(gone);
        }
        self.out.extend(letter::notices(&outcome.letters).map(Output::Effect));
        self.letters.extend(outcome.letters.into_iter().map(|row| (row.id, row.letter)));
        self.cache.committed(&outcome.touched);
        self.keys.commit();
        for grant in &outcome.grants {
            self.dispatch.told(grant);
        }
        self.leave_keys(items, &outcome.doubtful);
        for (request, result) in outcome.replies {
            self.out.push_back(Output::Reply { request, result });
        }
        self.out.extend(outcome.notices.into_iter().chain(outcome.written.notices).map(Output::Effect));
        for request in outcome.doubtful {
            self.inquire(request);
        }
    }

    /// Answered requests need their keys' slots no more.
    fn leave_keys(&mut self, items: &[Item], doubtful: &[Request]) {
        for item in items {
            if let Job::Request(Request { id, key: Some((key, _)), .. }) = &item.job
                && !doubtful.iter().any(|request| request.id == *id)
            {
                self.keys.leave(key, *id);
            }
        }
    }

    /// One of these gives what the database does not take: they run one by one, and it is refused.
    fn single_out(&mut self, items: &mut [Item], why: String) {
        if let [item] = items {
            item.refuse = Some(if item.refuse.is_some() { Refusal::Silent } else { Refusal::Data(why) });
        } else {
            self.alone = items.len();
        }
    }

    fn commit_failed(&mut self, batch: i64, error: CommitError) {
        if self.in_flight.as_ref().is_none_or(|flight| flight.fence.batch != batch) {
            return; // a doubled answer
        }
        match error {
            CommitError::Fenced => {
                seen!("fenced");
                self.life = Life::Down;
                self.out.push_back(Output::StepDown);
            }
            CommitError::Failed | CommitError::Refused(_) => {
                seen!("commit-failed");
                let InFlight { mut items, outcome, .. } = self.in_flight.take().expect("just seen");
                if let CommitError::Refused(why) = error {
                    self.single_out(&mut items, why);
                }
                self.cache.clear();
                for definition in outcome.definitions {
                    self.cache.forget_definition(definition);
                }
                if let Some(catalog) = outcome.catalog_before {
                    self.catalog = catalog;
                }
                for grant in &outcome.grants {
                    self.dispatch.give_back(grant);
                }
                self.keys.roll_back();
                self.put_back(items);
            }
        }
    }
}

/// Whom a transaction has something for: other partitions, and nodes that asked.
fn told_elsewhere(tx: &Transaction) -> impl Iterator<Item = Notice> + use<> {
    let partitions: BTreeSet<PartitionId> = tx.parcels.iter().map(|row| row.to).collect();
    let nodes: BTreeSet<String> = tx.outcomes.iter().map(|row| row.node.clone()).collect();
    let posted = partitions.into_iter().map(|to| Notice::Posted { to });
    posted.chain(nodes.into_iter().map(|node| Notice::Answered { node }))
}
