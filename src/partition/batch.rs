//! Group commit: runs waiting commands one after the other and collects what they change into one transaction.
//!
//! What a command sets in motion inside the partition (a called process's start and end, the lease of a job that an offer
//! waits for) runs before its reply, in the same batch. A batch that turns out to lack an instance, or in which a command
//! panics, is abandoned whole: nothing of it was stored, so it runs again without the hindrance. Replay is the undo.

use super::cache::{Found, Resident};
use super::catalog::Catalog;
use super::dispatch::Grant;
use super::effect::FollowUp;
use super::machine::{Inquiry, Item, Job, Partition, Refusal};
use super::parcel::Parcel;
use super::plan::Needs;
use super::report::Report;
use super::transaction::{AnswerRow, LetterRow, Record, StartKey, StartRow, Transaction};
use super::write::{self, Written};
use super::{Due, LetterId, Notice, ParcelId, Reply, Request, RequestId, Which, Work};
use crate::base::id::{DefinitionId, InstanceId, TokenId};
use crate::base::limits::{BATCH_BYTES_MAX, BATCH_COMMANDS_MAX};
use crate::base::mark::seen;
use crate::base::planted;
use crate::base::time::Timestamp;
use crate::engine::command::{Answer, Command, Create, Rejection};
use crate::engine::definition::ProcessDefinition;
use crate::engine::event::Event;
use crate::engine::execute::{self, execute};
use crate::engine::instance::Instance;
use serde_json::Value;
use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

pub(super) struct Batch<'p> {
    pub(super) p: &'p mut Partition,
    pub(super) now: Timestamp,
    pub(super) tx: Transaction,
    pub(super) notices: Vec<Notice>,
    touched: Vec<InstanceId>,
    replies: Vec<(RequestId, Result<Reply, Rejection>)>,
    /// Reports that found their job gone: the history knows whether they are repeats.
    doubtful: Vec<Request>,
    pub(super) grants: Vec<Grant>,
    /// Due entries whose moment is over, whatever came of it.
    pub(super) spent: Vec<Due>,
    catalog_before: Option<Catalog>,
    pub(super) follow: VecDeque<FollowUp>,
    pub(super) followed: usize,
    item: usize,
    in_hand: Option<InstanceId>,
    commands: usize,
    bytes: usize,
}

/// All that a batch gave. What it wrote is void until the store has said so.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) tx: Transaction,
    pub(super) done: usize,
    pub(super) replies: Vec<(RequestId, Result<Reply, Rejection>)>,
    pub(super) doubtful: Vec<Request>,
    pub(super) notices: Vec<Notice>,
    pub(super) touched: Vec<InstanceId>,
    pub(super) grants: Vec<Grant>,
    pub(super) spent: Vec<Due>,
    /// New or changed ones; a failed batch forgets them.
    pub(super) definitions: Vec<DefinitionId>,
    pub(super) catalog_before: Option<Catalog>,
    pub(super) letters: Vec<LetterRow>,
    pub(super) letters_gone: Vec<LetterId>,
    pub(super) parcels_gone: Vec<ParcelId>,
    pub(super) written: Written,
}

/// Why a batch comes to nothing this time.
#[derive(Debug)]
pub(super) enum Abandon {
    Need(Needs),
    Refuse { item: usize, why: Refusal },
}

impl<'p> Batch<'p> {
    pub(super) fn run(p: &'p mut Partition, items: &[Item]) -> Result<Outcome, Abandon> {
        let tx = Transaction { fence: p.next_fence(), ..Transaction::default() };
        let mut batch = Self {
            now: p.clock,
            p,
            tx,
            notices: Vec::new(),
            touched: Vec::new(),
            replies: Vec::with_capacity(items.len()),
            doubtful: Vec::new(),
            grants: Vec::new(),
            spent: Vec::new(),
            catalog_before: None,
            follow: VecDeque::new(),
            followed: 0,
            item: 0,
            in_hand: None,
            commands: 0,
            bytes: 0,
        };
        match batch.run_items(items) {
            Ok((done, written)) => Ok(batch.into_outcome(done, written)),
            Err(abandon) => {
                batch.undo();
                Err(abandon)
            }
        }
    }

    fn run_items(&mut self, items: &[Item]) -> Result<(usize, Written), Abandon> {
        let mut done = 0;
        for (ix, item) in items.iter().enumerate() {
            if ix > 0 && (self.commands >= BATCH_COMMANDS_MAX || self.bytes >= BATCH_BYTES_MAX) {
                break;
            }
            (self.item, self.followed) = (ix, 0);
            or_defect(ix, || self.run_item(item))?;
            done = ix + 1;
        }
        if self.tx.records.is_empty() && !self.tx.parcels_gone.is_empty() {
            self.record_plain("inbox"); // what changes nothing else is taken out all the same
        }
        let mut written = Written::default();
        for id in &self.touched {
            let resident = self.p.cache.get_mut(*id).expect("a touched instance is resident");
            let before = resident.bytes();
            let item = resident.changed_by.expect("a touched instance was changed");
            or_defect(item, || {
                write::instance(resident, &mut self.tx, &mut written, self.now)
                    .map_err(|why| Abandon::Refuse { item, why })
            })?;
            resident.weighed();
            let after = resident.bytes();
            self.p.cache.resized(before, after);
        }
        Ok((done, written))
    }

    fn into_outcome(self, done: usize, written: Written) -> Outcome {
        Outcome {
            tx: self.tx,
            done,
            replies: self.replies,
            doubtful: self.doubtful,
            notices: self.notices,
            touched: self.touched,
            grants: self.grants,
            spent: self.spent,
            definitions: Vec::new(),
            letters: Vec::new(),
            letters_gone: Vec::new(),
            parcels_gone: Vec::new(),
            catalog_before: self.catalog_before,
            written,
        }
    }

    fn undo(mut self) {
        // The one in hand, if its command panicked, and all that took part.
        for id in self.touched.into_iter().chain(self.in_hand) {
            self.p.cache.remove(id);
        }
        for grant in &self.grants {
            self.p.dispatch.give_back(grant);
        }
        if let Some(catalog) = self.catalog_before.take() {
            self.p.catalog = catalog;
        }
        for row in &self.tx.definitions {
            self.p.cache.forget_definition(row.id);
        }
        self.p.keys.roll_back();
    }

    fn run_item(&mut self, item: &Item) -> Result<(), Abandon> {
        match (&item.job, &item.refuse) {
            (Job::Request(request), refusal) => {
                let result = match (refusal, &item.inquiry) {
                    (Some(why), _) => self.refuse(request, why)?,
                    (None, Inquiry::Repeats(answer)) => Some(Ok(Reply::Done(answer.clone()))),
                    (None, Inquiry::NotAsked) => self.request(request, false)?,
                    (None, Inquiry::KnowsNothing) => self.request(request, true)?,
                };
                if let Some(result) = result {
                    self.reply(request, result);
                }
            }
            (Job::Due(due), Some(why)) => {
                self.spent.push(due.clone());
                if let (Some(instance), Refusal::Defect(_) | Refusal::TooLarge { .. } | Refusal::Data(_)) =
                    (due.instance(), why)
                {
                    self.raise(instance, self.token_of(due), why)?;
                }
            }
            (Job::Due(due), None) => self.due(due)?,
            (Job::Parcel { id, parcel, .. }, Some(why)) => self.refuse_parcel(*id, parcel, why)?,
            (Job::Parcel { id, parcel, .. }, None) => self.open(*id, parcel)?,
        }
        self.run_follow_ups()
    }

    fn reply(&mut self, request: &Request, result: Result<Reply, Rejection>) {
        if let (Some((key, digest)), Ok(reply)) = (&request.key, &result)
            && !matches!(reply, Reply::Repeated(_))
            && !(planted::is("message-without-unique-key") && is_message(&request.work))
        {
            let row = AnswerRow { key: key.clone(), digest: digest.clone(), answer: reply.to_json(), at: self.now };
            self.p.keys.answered(&row);
            self.tx.answers.push(row);
        }
        match self.p.inbox.askers.get(&request.id).cloned() {
            Some(asker) => self.answer_asker(asker, &result),
            None => self.replies.push((request.id, result)),
        }
    }

    /// `None`: the reply waits for what the history says.
    fn request(&mut self, request: &Request, inquired: bool) -> Result<Option<Result<Reply, Rejection>>, Abandon> {
        if let Some((key, digest)) = &request.key
            && let Some(repeated) = self.p.keys.look(key, digest).reply()
        {
            seen!("repeat-under-a-key");
            return Ok(Some(repeated));
        }
        let user = request.user.as_deref();
        let result = match &request.work {
            Work::Instance { instance, command } => {
                let report = Report::of(command);
                let result = self.execute(*instance, command.clone(), user)?;
                if let (Err(Rejection::LeaseLost { .. } | Rejection::TokenNotWaiting(_)), Some(report)) =
                    (&result, report)
                {
                    if !inquired && report.claim.lease_no.is_some() {
                        self.doubtful.push(request.clone());
                        return Ok(None);
                    }
                    self.keep_evidence(*instance, command.name(), report);
                }
                result.map(Reply::Done)
            }
            Work::Start { definition, create } => self.start(definition, create.clone(), user)?.map(Reply::Started),
            Work::Lease { candidates, holder, until, max } => Ok(self.lease_some(candidates, holder, *until, *max)?),
            Work::Deliver { letter, to, rest } => self.deliver(*letter, to, rest)?,
            Work::Say(letter) => Ok(self.say(letter)),
            Work::Deploy(bundle) => self.deploy(bundle),
            Work::KeepEvaluation(evaluation) => Ok(self.keep_evaluation(evaluation, user)),
            Work::DeleteDeployment { deployment } => self.delete_deployment(*deployment)?,
            Work::SuspendDefinition { definition, suspended, instances } => {
                self.suspend_definition(*definition, *suspended, instances)?
            }
        };
        Ok(Some(result))
    }

    /// Runs one command on one instance, and takes in what it gives.
    pub(super) fn execute(
        &mut self,
        id: InstanceId,
        command: Command,
        user: Option<&str>,
    ) -> Result<Result<Answer, Rejection>, Abandon> {
        let ours = id.partition() == self.tx.fence.partition
            && id < InstanceId::new(self.tx.fence.partition, self.tx.fence.next_id);
        let resident = match self.p.cache.find(id, &command) {
            Found::Resident(resident) => resident,
            Found::Refused(rejection) => return Ok(Err(rejection)),
            Found::Unknown if !ours => return Ok(Err(Rejection::InstanceNotFound(id))),
            Found::Unknown => return Err(Abandon::Need(Needs::instance(id))),
        };
        let (partition, next_id) = (self.tx.fence.partition, &mut self.tx.fence.next_id);
        let mut new_id = || {
            *next_id += 1;
            InstanceId::new(partition, *next_id - 1)
        };
        let cause = command.name();
        let mut cx = execute::Context { now: self.now, new_id: &mut new_id, user: user.map(str::to_owned) };
        self.in_hand = Some(id);
        let heard = matches!(command, Command::DeliverSignal { .. });
        let marked = heard && resident.instance.head.business_key.as_deref() == Some("poison");
        assert!(!(planted::is("poison") && (marked || user == Some("poison"))), "a poisoned command");
        let ran = execute(&mut resident.instance, command, &mut cx);
        self.in_hand = None;
        let outcome = match ran {
            Ok(outcome) => outcome,
            Err(rejection) => return Ok(Err(rejection)),
        };
        self.commands += 1;
        if resident.changed_by.replace(self.item).is_none() {
            self.touched.push(id);
        }
        self.bytes += resident.weigh() + weight(&outcome.events);
        if resident.past.is_empty() {
            resident.past = outcome.past;
        } else {
            resident.past.extend(outcome.past);
        }
        self.record(Some(id), cause, outcome.events);
        for effect in outcome.effects {
            self.effect(id, effect);
        }
        Ok(Ok(outcome.answer))
    }

    pub(super) fn startable(&self, id: DefinitionId) -> Result<DefinitionId, Rejection> {
        match self.p.catalog.row(id) {
            Some(row) if row.suspended => Err(Rejection::DefinitionSuspended(id)),
            Some(_) => Ok(id),
            None => Err(Rejection::DefinitionNotFound(id.to_string())),
        }
    }

    pub(super) fn start(
        &mut self,
        which: &Which,
        create: Create,
        user: Option<&str>,
    ) -> Result<Result<InstanceId, Rejection>, Abandon> {
        let id = match self.p.catalog.resolve(which).and_then(|id| self.startable(id)) {
            Ok(id) => id,
            Err(rejection) => return Ok(Err(rejection)),
        };
        let Some(definition) = self.definition(id)? else {
            return Ok(Err(Rejection::DefinitionNotFound(id.to_string())));
        };
        let instance = self.new_id();
        Ok(self.create(instance, definition, create, user)?.map(|()| instance))
    }

    pub(super) fn create(
        &mut self,
        id: InstanceId,
        definition: Arc<ProcessDefinition>,
        create: Create,
        user: Option<&str>,
    ) -> Result<Result<(), Rejection>, Abandon> {
        let fresh = Instance::new(id, definition, self.now);
        self.p.cache.insert(id, Resident::new(fresh));
        let result = self.execute(id, Command::CreateInstance(Box::new(create)), user)?;
        if result.is_err() {
            self.p.cache.remove(id);
        }
        Ok(result.map(|_| ()))
    }

    fn lease_some(
        &mut self,
        candidates: &[(InstanceId, TokenId)],
        holder: &str,
        until: Timestamp,
        max: usize,
    ) -> Result<Reply, Abandon> {
        let mut leased = Vec::new();
        for (instance, token) in candidates {
            if leased.len() >= max {
                break;
            }
            let command = Command::LeaseJob { token: *token, holder: holder.to_owned(), until };
            if let Ok(Answer { lease_no: Some(lease_no), .. }) = self.execute(*instance, command, None)? {
                leased.push((*instance, *token, lease_no));
            }
        }
        Ok(Reply::Leased(leased))
    }

    fn suspend_definition(
        &mut self,
        definition: DefinitionId,
        suspended: bool,
        instances: &[InstanceId],
    ) -> Result<Result<Reply, Rejection>, Abandon> {
        self.keep_catalog();
        let Some(row) = self.p.catalog.set_suspended(definition, suspended) else {
            return Ok(Err(Rejection::DefinitionNotFound(definition.to_string())));
        };
        self.tx.definitions.push(row);
        self.record_plain(if suspended { "suspend-definition" } else { "resume-definition" });
        self.tell_catalog();
        for instance in instances {
            let command = if suspended { Command::Suspend } else { Command::Resume };
            if instance.partition() == self.tx.fence.partition {
                // One that has ended meanwhile has nothing to suspend.
                let _ = self.execute(*instance, command, None)?;
            } else {
                let parcel = Parcel::Command { instance: *instance, command: Box::new(command) };
                self.parcel(instance.partition(), &parcel);
            }
        }
        Ok(Ok(Reply::Done(Answer::default())))
    }

    /// A result that came too late changes nothing, but that it came is kept.
    fn keep_evidence(&mut self, instance: InstanceId, cause: &'static str, report: Report<'_>) {
        if self.p.cache.get(instance).is_some() {
            seen!("late-result-kept");
            self.record(Some(instance), cause, vec![report.refused()]);
        }
    }
}

// The transaction as it grows.
impl Batch<'_> {
    pub(super) fn new_id(&mut self) -> InstanceId {
        self.tx.fence.next_id += 1;
        InstanceId::new(self.tx.fence.partition, self.tx.fence.next_id - 1)
    }

    pub(super) fn record(&mut self, instance: Option<InstanceId>, cause: &'static str, events: Vec<Event>) {
        self.tx.fence.position += 1;
        self.tx.records.push(Record { position: self.tx.fence.position, instance, at: self.now, cause, events });
    }

    /// For what concerns no instance.
    pub(super) fn record_plain(&mut self, cause: &'static str) {
        self.record(None, cause, Vec::new());
    }

    pub(super) fn catalog(&mut self) -> &mut Catalog {
        &mut self.p.catalog
    }

    /// Before the first change, so that a failed batch can be undone.
    pub(super) fn keep_catalog(&mut self) {
        if self.catalog_before.is_none() {
            self.catalog_before = Some(self.p.catalog.clone());
        }
    }

    pub(super) fn definition(&mut self, id: DefinitionId) -> Result<Option<Arc<ProcessDefinition>>, Abandon> {
        match self.p.cache.definition(id) {
            Some(known) => Ok(known.cloned()),
            None => Err(Abandon::Need(Needs::definition(id))),
        }
    }

    pub(super) fn learn(&mut self, definition: Arc<ProcessDefinition>) {
        self.p.cache.learn_definition(definition.id, Some(definition));
    }

    pub(super) fn forget(&mut self, id: DefinitionId) {
        self.p.cache.forget_definition(id);
    }

    pub(super) fn put_start(&mut self, start: StartRow) {
        self.tx.starts_gone.retain(|gone| *gone != start.key);
        self.tx.starts.retain(|row| row.key != start.key);
        self.tx.starts.push(start);
    }

    pub(super) fn drop_start(&mut self, key: StartKey) {
        self.tx.starts.retain(|row| row.key != key);
        self.tx.starts_gone.push(key);
    }
}

fn is_message(work: &Work) -> bool {
    matches!(work, Work::Instance { command: Command::DeliverMessage { .. }, .. })
}

/// Runs a part of the batch; a panic in it is a defect of ours at that item, and the batch runs again without it.
fn or_defect<T>(item: usize, part: impl FnOnce() -> Result<T, Abandon>) -> Result<T, Abandon> {
    catch_unwind(AssertUnwindSafe(part))
        .unwrap_or_else(|panic| Err(Abandon::Refuse { item, why: Refusal::Defect(message_of(panic.as_ref())) }))
}

/// Roughly the bytes that events bring, so that a batch stays within its bound. No recursion: depth is data.
fn weight(events: &[Event]) -> usize {
    let mut bytes = events.len() * 64;
    let mut pending: Vec<&Value> = Vec::new();
    for event in events {
        if let Event::VariableSet { value, .. } = event {
            pending.push(&value.value);
        }
    }
    while let Some(value) = pending.pop() {
        bytes += 8;
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
            Value::String(text) => bytes += text.len(),
            Value::Array(items) => pending.extend(items),
            Value::Object(map) => {
                bytes += map.keys().map(String::len).sum::<usize>();
                pending.extend(map.values());
            }
        }
    }
    bytes
}

fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without words".into())
}
