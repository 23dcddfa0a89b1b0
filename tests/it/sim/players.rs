//! Those outside the engine: clients that repeat until they are answered, workers that finish, fail, throw or die, senders
//! of messages, and an operator who mends incidents. They see durable rows only, and they keep book of every answer.

use super::model::{Act, Model};
use super::rng::Rng;
use std::collections::{BTreeMap, BTreeSet};
use transhume::base::id::{ElementId, InstanceId, LocalId, TokenId};
use transhume::base::time::Timestamp;
use transhume::base::variable::{Variable, Variables};
use transhume::engine::command::{Command, Failure, Rejection};
use transhume::engine::event::Event;
use transhume::engine::index::{IndexKey, IndexRow, JobRow};
use transhume::engine::instance::InstanceState;
use transhume::engine::job::{Claim, JobKind};
use transhume::partition::memory::Memory;
use transhume::partition::transaction::CommandKey;
use transhume::partition::{Offer, Reply, Request, RequestId, Work};
use transhume::verify::invariants::Answered;

pub(super) struct Players {
    requests: RequestId,
    /// Sent and not answered.
    open: BTreeMap<RequestId, Call>,
    /// Root instances: key and, once told, id.
    pub(super) starts: Vec<Option<InstanceId>>,
    leases: BTreeMap<(InstanceId, TokenId), Lease>,
    /// Leases whose holders were silent or have been replaced; they may still speak.
    stale: Vec<(InstanceId, TokenId, Lease)>,
    pub(super) delivered: BTreeSet<(InstanceId, LocalId)>,
    /// Non-interrupting events that have happened, by the instance and host that they were armed for.
    pub(super) happened: BTreeSet<(InstanceId, TokenId)>,
    /// What each call came to, by its mark.
    book: BTreeMap<String, Answered>,
    pub(super) suspended: BTreeSet<InstanceId>,
    pub(super) deployed: bool,
    pub(super) calm: bool,
}

#[derive(Clone, Debug)]
struct Call {
    what: What,
    mark: Option<String>,
}

#[derive(Clone, Debug)]
enum What {
    Deploy,
    Start(usize),
    Lease { holder: String },
    Report { instance: InstanceId, token: TokenId, lease_no: i64 },
    Message(InstanceId, LocalId),
    Task(InstanceId, TokenId),
    Other,
}

#[derive(Clone, Debug)]
struct Lease {
    lease_no: i64,
    holder: String,
    element: ElementId,
}

impl Players {
    pub(super) fn new(starts: usize) -> Self {
        Self {
            requests: 0,
            open: BTreeMap::new(),
            starts: vec![None; starts],
            leases: BTreeMap::new(),
            stale: Vec::new(),
            delivered: BTreeSet::new(),
            happened: BTreeSet::new(),
            book: BTreeMap::new(),
            suspended: BTreeSet::new(),
            deployed: false,
            calm: false,
        }
    }

    /// The node is gone, and with it every answer that was not given.
    pub(super) fn cut_off(&mut self) {
        for call in std::mem::take(&mut self.open).into_values() {
            if let Some(mark) = call.mark {
                self.note(mark, Answered::Nothing);
            }
        }
    }

    pub(super) fn book(&self) -> impl Iterator<Item = (&str, Answered)> {
        self.book.iter().map(|(mark, answered)| (mark.as_str(), *answered))
    }

    pub(super) fn all_started(&self) -> bool {
        self.starts.iter().all(Option::is_some)
    }

    /// An acceptance counts for ever; a refusal only while nothing else is known.
    fn note(&mut self, mark: String, answered: Answered) {
        let known = self.book.entry(mark).or_insert(answered);
        *known = match (*known, answered) {
            (Answered::Accepted, _) | (_, Answered::Accepted) => Answered::Accepted,
            (Answered::Nothing, _) | (_, Answered::Nothing) => Answered::Nothing,
            (Answered::Refused, Answered::Refused) => Answered::Refused,
        };
    }

    fn request(&mut self, what: What, key: Option<String>, mark: Option<String>, work: Work) -> Request {
        self.requests += 1;
        self.open.insert(self.requests, Call { what, mark });
        let key = key.map(|key| (CommandKey { tenant: String::new(), route: "sim".into(), key }, "digest".to_owned()));
        Request { id: self.requests, key, user: None, work }
    }

    /// A request whose answer nobody needs.
    pub(super) fn other(&mut self, work: Work) -> Request {
        self.request(What::Other, None, None, work)
    }

    /// The next requests; what is already under way is not sent again, unless the caller is impatient.
    pub(super) fn act(
        &mut self,
        rng: &mut Rng,
        memory: &Memory,
        model: &Model,
        deploy: &Work,
        now: Timestamp,
    ) -> Vec<Request> {
        let mut requests = Vec::new();
        if !self.deployed {
            if !self.open.values().any(|call| matches!(call.what, What::Deploy)) {
                requests.push(self.request(What::Deploy, Some("deploy".into()), None, deploy.clone()));
            }
            return requests;
        }
        for ix in 0..self.starts.len() {
            let waits = self.open.values().any(|call| matches!(call.what, What::Start(of) if of == ix));
            if self.starts[ix].is_none() && (!waits || (!self.calm && rng.one_in(20))) && rng.one_in(3) {
                let key = format!("start-{ix}");
                requests.push(self.request(What::Start(ix), Some(key), None, model.start()));
            }
        }
        let mut candidates = Vec::new();
        for ((instance, key), (_, row)) in &memory.index {
            if matches!(key, IndexKey::Variable(..)) || !rng.one_in(3) {
                continue;
            }
            let busy = self.open.values().any(|call| call.is_about(*instance, key));
            if busy && (self.calm || !rng.one_in(20)) {
                continue;
            }
            match (key, row) {
                (IndexKey::Job(token), IndexRow::Job(job)) if self.may_lease(model, *instance, *token, job, now) => {
                    candidates.push((*instance, *token));
                }
                _row => requests.extend(self.at_row(rng, model, *instance, key, row, now)),
            }
        }
        requests.extend(self.lease(rng, candidates, now));
        requests.extend(self.trouble(rng, memory, model));
        requests
    }

    /// What a row asks for: work to go on with, a task, a message, an incident.
    fn at_row(
        &mut self,
        rng: &mut Rng,
        model: &Model,
        instance: InstanceId,
        key: &IndexKey,
        row: &IndexRow,
        now: Timestamp,
    ) -> Vec<Request> {
        match (key, row) {
            (IndexKey::Job(token), IndexRow::Job(job)) if job.kind == JobKind::External => {
                self.work_on(rng, model, instance, *token, job, now)
            }
            (IndexKey::UserTask(token), IndexRow::UserTask(task))
                if self.may_act(model, instance, *token, &task.element) =>
            {
                let key = format!("task-{instance}-{token}");
                let (mark, variables) = self.marked(&key);
                let command = Command::CompleteUserTask { token: *token, variables };
                let work = Work::Instance { instance, command };
                vec![self.request(What::Task(instance, *token), Some(key), Some(mark), work)]
            }
            (IndexKey::Subscription(id), IndexRow::Subscription(waits)) => {
                let wanted = model.delivered.iter().any(|event| *event == *waits.element);
                let known = self.delivered.contains(&(instance, *id));
                if wanted && !known { vec![self.deliver(instance, *id, &waits.name)] } else { Vec::new() }
            }
            (IndexKey::Incident(_), IndexRow::Incident(incident)) => {
                let mends = model.mends().map(|set| Command::SetVariables { scope: None, set, remove: vec![] });
                let commands = mends.into_iter().chain([Command::ResolveIncident { token: incident.token }]);
                commands.map(|command| self.of(instance, command)).collect()
            }
            _row => Vec::new(),
        }
    }

    /// A word without an answer that matters.
    pub(super) fn of(&mut self, instance: InstanceId, command: Command) -> Request {
        self.request(What::Other, None, None, Work::Instance { instance, command })
    }

    fn marked(&self, key: &str) -> (String, Variables) {
        let mark = format!("mark-{key}");
        let number = i64::try_from(self.requests).expect("few requests");
        (mark.clone(), Variables::from([(mark, Variable::from(number))]))
    }

    fn may_act(&self, model: &Model, instance: InstanceId, token: TokenId, element: &ElementId) -> bool {
        match model.acts.get(element.as_str()) {
            Some(Act::Complete | Act::Throw(_)) => true,
            Some(Act::After(_)) => self.happened.contains(&(instance, token)),
            Some(Act::Never) | None => false,
        }
    }

    fn may_lease(&self, model: &Model, instance: InstanceId, token: TokenId, job: &JobRow, now: Timestamp) -> bool {
        let free = job.holder.is_none() || job.until.is_some_and(|until| until <= now);
        free && !job.incident && job.due <= now && self.may_act(model, instance, token, &job.element)
    }

    fn lease(&mut self, rng: &mut Rng, candidates: Vec<(InstanceId, TokenId)>, now: Timestamp) -> Option<Request> {
        if candidates.is_empty() {
            return None;
        }
        let holder = format!("w{}", rng.below(3));
        let until = now.plus_ms(20_000 + rng.ms(60_000));
        let work = Work::Lease { candidates, holder: holder.clone(), until, max: 1 + rng.below(3) };
        Some(self.request(What::Lease { holder }, None, None, work))
    }

    /// What the holder of a lease does next: finish, throw, fail, beat, or nothing.
    fn work_on(
        &mut self,
        rng: &mut Rng,
        model: &Model,
        instance: InstanceId,
        token: TokenId,
        job: &JobRow,
        now: Timestamp,
    ) -> Vec<Request> {
        let Some(lease) = self.leases.get(&(instance, token)).filter(|lease| lease.lease_no == job.lease_no).cloned()
        else {
            return Vec::new(); // its answer was lost: the lease will end without a word
        };
        if job.holder.as_ref() != Some(&lease.holder) || !self.may_act(model, instance, token, &job.element) {
            return Vec::new();
        }
        let lease_no = lease.lease_no;
        let claim = Claim { holder: lease.holder.clone(), lease_no: Some(lease_no) };
        let chance = if self.calm { 10 } else { rng.below(14) };
        match chance {
            0 => {
                self.leases.remove(&(instance, token)); // the worker dies
                self.stale.push((instance, token, lease));
                Vec::new()
            }
            1 => {
                let failure = Failure {
                    message: "it did not work".into(),
                    details: None,
                    retries: Some(i64::try_from(rng.below(3)).expect("small")),
                    after_ms: Some(rng.ms(30_000)),
                    by_handler: false,
                    unknown_outcome: false,
                };
                vec![self.report(instance, token, lease_no, None, Command::FailJob { token, claim, failure })]
            }
            2 => {
                let until = now.plus_ms(rng.ms(60_000));
                vec![self.report(instance, token, lease_no, None, Command::ExtendLease { token, claim, until })]
            }
            3 => vec![self.report(instance, token, lease_no, None, Command::ReleaseJob { token, claim: Some(claim) })],
            finish => {
                let first = self.finish(model, instance, token, claim.clone(), &job.element);
                let second = (finish == 4).then(|| self.finish(model, instance, token, claim, &job.element));
                std::iter::once(first).chain(second).collect()
            }
        }
    }

    fn finish(
        &mut self,
        model: &Model,
        instance: InstanceId,
        token: TokenId,
        claim: Claim,
        element: &ElementId,
    ) -> Request {
        let lease_no = claim.lease_no.expect("workers name their lease");
        let (mark, variables) = self.marked(&format!("job-{instance}-{token}-{lease_no}"));
        let command = match model.acts.get(element.as_str()) {
            Some(Act::Throw(code)) => {
                let code = (*code).to_owned();
                Command::ThrowError { token, claim: Some(claim), code, message: None, variables }
            }
            Some(Act::Complete | Act::Never | Act::After(_)) | None => {
                Command::CompleteJob { token, claim, variables, local: Variables::new(), decisions: Vec::new() }
            }
        };
        self.report(instance, token, lease_no, Some(mark), command)
    }

    fn report(
        &mut self,
        instance: InstanceId,
        token: TokenId,
        lease_no: i64,
        mark: Option<String>,
        command: Command,
    ) -> Request {
        self.request(What::Report { instance, token, lease_no }, None, mark, Work::Instance { instance, command })
    }

    fn deliver(&mut self, instance: InstanceId, subscription: LocalId, name: &str) -> Request {
        let key = format!("message-{instance}-{subscription}");
        let (mark, variables) = self.marked(&key);
        let local = Variables::new();
        let command = Command::DeliverMessage { subscription, name: name.to_owned(), variables, local };
        self.request(What::Message(instance, subscription), Some(key), Some(mark), Work::Instance { instance, command })
    }

    /// What nobody should do, and what happens all the same.
    fn trouble(&mut self, rng: &mut Rng, memory: &Memory, model: &Model) -> Vec<Request> {
        let mut requests = Vec::new();
        if self.calm {
            for instance in self.suspended.clone() {
                requests.push(self.of(instance, Command::Resume));
            }
            self.suspended.retain(|id| memory.instances[id].head.state == InstanceState::Suspended);
            return requests;
        }
        let live: Vec<InstanceId> =
            memory.instances.values().filter(|row| !row.head.state.is_ended()).map(|row| row.head.id).collect();
        if rng.one_in(25) && !self.stale.is_empty() {
            let (instance, token, Lease { lease_no, holder, element }) = rng.pick(&self.stale).clone();
            let claim = Claim { holder, lease_no: Some(lease_no) };
            requests.push(self.finish(model, instance, token, claim, &element));
        }
        if live.is_empty() {
            return requests;
        }
        let instance = *rng.pick(&live);
        if rng.one_in(60) {
            let (mark, set) = self.marked(&format!("poison-{}", self.requests));
            let command = Command::SetVariables { scope: None, set, remove: vec![] };
            let poison = self.request(What::Other, None, Some(mark), Work::Instance { instance, command });
            requests.push(Request { user: Some("poison".into()), ..poison });
        }
        if rng.one_in(60) {
            self.suspended.insert(instance);
            requests.push(self.of(instance, Command::Suspend));
        } else if rng.one_in(8) {
            for instance in std::mem::take(&mut self.suspended) {
                requests.push(self.of(instance, Command::Resume));
                self.suspended.insert(instance);
            }
        }
        requests
    }

    pub(super) fn offer(&self, rng: &mut Rng) -> Offer {
        Offer {
            holder: format!("w{}", rng.below(3)),
            topic: "work".into(),
            slots: rng.below(4),
            lease_ms: 20_000 + rng.ms(60_000),
        }
    }

    pub(super) fn leased(
        &mut self,
        memory: &Memory,
        instance: InstanceId,
        token: TokenId,
        lease_no: i64,
        holder: String,
    ) {
        let Some((_, IndexRow::Job(job))) = memory.index.get(&(instance, IndexKey::Job(token))) else { return };
        let element = job.element.clone();
        if let Some(before) = self.leases.insert((instance, token), Lease { lease_no, holder, element }) {
            self.stale.push((instance, token, before));
        }
    }

    /// Takes an answer; it must be durable when it is given.
    pub(super) fn answered(
        &mut self,
        memory: &Memory,
        request: RequestId,
        result: Result<Reply, Rejection>,
    ) -> Result<(), String> {
        let Some(Call { what, mark }) = self.open.remove(&request) else {
            return Ok(()); // of a node that was given up
        };
        if let (What::Report { instance, token, lease_no }, Some(_), Ok(_)) = (&what, &mark, &result) {
            is_closed(memory, *instance, *token, *lease_no)?;
        }
        if let Some(mark) = mark {
            let answered = match &result {
                Ok(_) => Answered::Accepted,
                Err(_) => Answered::Refused,
            };
            self.note(mark, answered);
        }
        match (what, result) {
            (What::Deploy, Ok(_)) => {
                self.deployed = true;
                if memory.definitions.is_empty() {
                    Err("a deployment was answered and is not there".into())
                } else {
                    Ok(())
                }
            }
            (What::Start(ix), Ok(reply)) => self.started(memory, ix, &reply),
            (What::Lease { holder }, Ok(Reply::Leased(jobs))) => {
                for (instance, token, lease_no) in jobs {
                    is_leased(memory, instance, token, lease_no, &holder)?;
                    self.leased(memory, instance, token, lease_no, holder.clone());
                }
                Ok(())
            }
            (What::Message(instance, subscription), Ok(_)) => {
                self.delivered.insert((instance, subscription));
                Ok(())
            }
            (What::Deploy | What::Start(_), Err(rejection)) => Err(format!("refused: {rejection}")),
            (What::Lease { .. } | What::Report { .. } | What::Message(..) | What::Task(..) | What::Other, _) => Ok(()),
        }
    }

    fn started(&mut self, memory: &Memory, ix: usize, reply: &Reply) -> Result<(), String> {
        let id = match reply {
            Reply::Started(id) => *id,
            Reply::Repeated(answer) => {
                let answer: serde_json::Value = serde_json::from_str(answer).map_err(|error| error.to_string())?;
                let id = answer["started"].as_str().and_then(|id| id.parse().ok());
                id.ok_or_else(|| format!("a repeated start was answered {answer}"))?
            }
            other => return Err(format!("a start was answered {other:?}")),
        };
        if !memory.instances.contains_key(&id) {
            return Err(format!("instance {id} was answered and is not there"));
        }
        match self.starts[ix].replace(id) {
            Some(before) if before != id => Err(format!("one key started {before} and {id}")),
            Some(_) | None => Ok(()),
        }
    }
}

impl Call {
    fn is_about(&self, instance: InstanceId, key: &IndexKey) -> bool {
        match (&self.what, key) {
            (What::Report { instance: of, token, .. }, IndexKey::Job(job)) => (*of, token) == (instance, job),
            (What::Message(of, id), IndexKey::Subscription(subscription)) => (*of, id) == (instance, subscription),
            (What::Task(of, task), IndexKey::UserTask(token)) => (*of, task) == (instance, token),
            _other => false,
        }
    }
}

/// A lease that is told must be stored.
pub(super) fn is_leased(
    memory: &Memory,
    instance: InstanceId,
    token: TokenId,
    lease_no: i64,
    holder: &str,
) -> Result<(), String> {
    let told = memory.records_of(instance).flat_map(|record| &record.events).any(|event| {
        let Event::JobLeased { token: leased, lease_no: under, holder: by, .. } = event else {
            return false;
        };
        (*leased, *under, by.as_str()) == (token, lease_no, holder)
    });
    if told { Ok(()) } else { Err(format!("lease {lease_no} of token {instance}:{token} was told and is not stored")) }
}

/// A result that is accepted ended its job under its own lease, not under another's.
fn is_closed(memory: &Memory, instance: InstanceId, token: TokenId, lease_no: i64) -> Result<(), String> {
    let closed = memory.records_of(instance).flat_map(|record| &record.events).any(|event| {
        matches!(event, Event::JobClosed { token: of, lease_no: under, .. } if (*of, *under) == (token, lease_no))
    });
    if closed {
        return Ok(());
    }
    Err(format!("a result under lease {lease_no} of token {instance}:{token} was accepted, but another lease counted"))
}
