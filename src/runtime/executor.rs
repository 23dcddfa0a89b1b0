//! The executor: does the jobs that this process takes. Handlers by topic, decisions, scripts beyond their inline budget,
//! continuations. Bounded slots, a heartbeat for every lease, one result for every run.

use crate::base::id::{InstanceId, TokenId};
use crate::base::limits::LEASE_DEFAULT_MS;
use crate::base::variable::Variables;
use crate::engine::command::{Command, Failure, Rejection};
use crate::engine::job::{Claim, JobKind};
use crate::handlers::{Job, Outcome, Policy, Registry, job};
use crate::partition::view::JobView;
use crate::partition::{Notice, Offer, Work};
use crate::runtime::clock::{Clock, Guard};
use crate::runtime::internal;
use crate::runtime::node::{Node, SubmitError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

/// Jobs of one topic at a time.
const SLOTS_PER_TOPIC: usize = 64;
/// Jobs of all topics at a time; a leased job waits for its turn with its lease alive.
const SLOTS: usize = 128;
/// Pause before a result is submitted again that the engine could not take yet.
const AGAIN: Duration = Duration::from_millis(200);
/// Topics of the engine's own work.
const OWN_TOPICS: [&str; 3] = ["continuation", "dmn", "rhai"];

type Running = (InstanceId, TokenId, i64);

pub(super) struct Executor {
    registry: Arc<Registry>,
    installation: String,
    holder: String,
    clock: Arc<dyn Clock>,
    slots: Arc<Semaphore>,
    running: Mutex<State>,
    /// Topics of which every partition is told anew what is free.
    untold: Mutex<BTreeSet<String>>,
    announce: Notify,
    tasks: TaskTracker,
}

#[derive(Default)]
struct State {
    jobs: BTreeMap<Running, (String, CancellationToken)>,
    /// Topics without a free slot: no partition may lease a job of theirs until half of the slots are free again.
    closed: BTreeSet<String>,
}

impl State {
    fn busy(&self, topic: &str) -> usize {
        self.jobs.values().filter(|(running, _)| running == topic).count()
    }

    /// Whether the topic has closed or opened with this.
    fn turns(&mut self, topic: &str) -> bool {
        match self.busy(topic) {
            busy if busy >= SLOTS_PER_TOPIC => self.closed.insert(topic.to_owned()),
            busy if busy <= SLOTS_PER_TOPIC / 2 => self.closed.remove(topic),
            _ => false,
        }
    }
}

impl Executor {
    pub(super) fn new(registry: Arc<Registry>, installation: String, holder: String, clock: Arc<dyn Clock>) -> Self {
        let (slots, tasks) = (Arc::new(Semaphore::new(SLOTS)), TaskTracker::new());
        let (running, untold, announce) = (Mutex::default(), Mutex::default(), Notify::new());
        Self { registry, installation, holder, clock, slots, running, untold, announce, tasks }
    }

    /// What this process takes at all.
    pub(super) fn offers(&self) -> Vec<Offer> {
        let topics = self.registry.topics().chain(OWN_TOPICS);
        topics.map(|topic| self.offer(topic)).collect()
    }

    fn offer(&self, topic: &str) -> Offer {
        let slots = SLOTS_PER_TOPIC.saturating_sub(self.lock().busy(topic));
        Offer { holder: self.holder.clone(), topic: topic.to_owned(), slots, lease_ms: LEASE_DEFAULT_MS }
    }

    /// What one that has done its job makes room for. Without room nothing is said: that every partition hears of from
    /// [`Self::announce`], in an order in which the last word is true.
    fn room(&self, topic: &str) -> Option<Offer> {
        Some(self.offer(topic)).filter(|offer| offer.slots > 0)
    }

    fn tell(&self, topic: &str) {
        self.untold.lock().unwrap_or_else(PoisonError::into_inner).insert(topic.to_owned());
        self.announce.notify_one();
    }

    /// Tells every partition of topics that have closed or opened, one after the other, until the node stops.
    pub(super) async fn announce(&self, node: &Node) {
        loop {
            tokio::select! {
                () = self.announce.notified() => {}
                () = node.stopped() => return,
            }
            let topics = std::mem::take(&mut *self.untold.lock().unwrap_or_else(PoisonError::into_inner));
            for topic in topics {
                node.offer_everywhere(&self.offer(&topic)).await;
            }
        }
    }

    /// A job was leased to this process.
    pub(super) fn start(self: &Arc<Self>, node: Node, notice: Notice, guard: Guard) {
        let Notice::Run { instance, token, lease_no, topic, view, .. } = notice else { return };
        let cancelled = CancellationToken::new();
        let turns = {
            let mut state = self.lock();
            state.jobs.insert((instance, token, lease_no), (topic.clone(), cancelled.clone()));
            state.turns(&topic)
        };
        if turns {
            // Every partition was told of all free slots: now that there are none, each must know.
            self.tell(&topic);
        }
        let executor = Arc::clone(self);
        self.tasks.spawn(async move {
            let held = guard;
            let begun = Instant::now();
            let command = executor.work(&node, instance, token, *view, cancelled).await;
            let (result, took) = (ending(command.as_ref()), begun.elapsed());
            node.metrics().job(&topic, result, took);
            let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            tracing::info!(instance.id = instance.0, job.topic = topic, result, duration_ms, "a job was done");
            let turns = {
                let mut state = executor.lock();
                state.jobs.remove(&(instance, token, lease_no));
                state.turns(&topic)
            };
            if turns {
                executor.tell(&topic);
            }
            match (command, executor.room(&topic)) {
                (Some(command), _) => executor.hand_in(&node, instance, command, &topic).await,
                (None, Some(offer)) => node.offer(instance.partition(), offer).await,
                (None, None) => {}
            }
            drop(held);
        });
    }

    pub(super) fn runs(&self, instance: InstanceId, token: TokenId, lease_no: i64) -> bool {
        self.lock().jobs.contains_key(&(instance, token, lease_no))
    }

    pub(super) fn abort(&self, instance: InstanceId, token: TokenId, lease_no: i64) {
        if let Some((_, cancelled)) = self.lock().jobs.get(&(instance, token, lease_no)) {
            cancelled.cancel();
        }
    }

    /// Stops what runs and waits for it; leases are given back by the node.
    pub(super) async fn shutdown(&self) {
        for (_, cancelled) in self.lock().jobs.values() {
            cancelled.cancel();
        }
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Does one job; none: it was cancelled, and nobody waits for its result.
    async fn work(
        &self,
        node: &Node,
        instance: InstanceId,
        token: TokenId,
        view: JobView,
        cancelled: CancellationToken,
    ) -> Option<Command> {
        let claim = Claim { holder: self.holder.clone(), lease_no: Some(view.lease_no) };
        if view.kind != JobKind::External {
            return Some(internal::run(node, instance, token, claim, view, self.clock.now()).await);
        }
        let handler = self.registry.get(&view.topic)?;
        let clock = Arc::clone(&self.clock);
        let cx = self.registry.cx(Arc::new(move || clock.now()), cancelled.clone());
        let maps_outputs = view.maps_outputs;
        let (topic, job) = (view.topic.clone(), self.job(instance, token, view));
        let at_most_once = handler.policy(&job) == Policy::AtMostOnce;
        let work = async {
            // Waits for its turn with its lease alive.
            let _slot = self.slots.acquire().await;
            // In a task of its own: a handler that panics fails its job only, and ends with the lease.
            let run = AbortOnDropHandle::new(tokio::spawn(async move { handler.run(job, cx).await }));
            run.await.unwrap_or_else(|error| {
                tracing::error!(job.topic = topic, "a handler broke off: {error}");
                Outcome::Retry { after: None, reason: format!("the handler of topic {topic} broke off") }
            })
        };
        let outcome = tokio::select! {
            outcome = work => outcome,
            () = self.heartbeat(node, instance, token, &claim) => Outcome::Fail("the lease was lost".into()),
        };
        if cancelled.is_cancelled() && !at_most_once && !matches!(outcome, Outcome::Complete(_)) {
            return Some(Command::ReleaseJob { token, claim: Some(claim) });
        }
        Some(command(token, claim, outcome, maps_outputs))
    }

    /// Keeps the lease alive; ends when it is lost. Leases run by real time for those who hold them.
    async fn heartbeat(&self, node: &Node, instance: InstanceId, token: TokenId, claim: &Claim) {
        let beat = Duration::from_millis(u64::try_from(LEASE_DEFAULT_MS / 3).unwrap_or(20_000));
        loop {
            tokio::time::sleep(beat).await;
            let until = self.clock.now().plus_ms(LEASE_DEFAULT_MS);
            let command = Command::ExtendLease { token, claim: claim.clone(), until };
            if let Err(SubmitError::Rejected(_)) = node.submit(Work::Instance { instance, command }, None, None).await {
                return;
            }
        }
    }

    /// A result is submitted until the engine has taken or refused it. The free slot goes along: the next job is leased in
    /// the same commit.
    async fn hand_in(&self, node: &Node, instance: InstanceId, command: Command, topic: &str) {
        let mut command = command;
        loop {
            let work = Work::Instance { instance, command: command.clone() };
            match node.submit_with(work, None, None, self.room(topic)).await {
                Ok(_) => return,
                Err(SubmitError::Rejected(rejection)) => {
                    tracing::debug!(instance.id = instance.0, "a job's result was refused: {rejection}");
                    match refused(&command, &rejection) {
                        Some(failed) => command = failed,
                        None => return,
                    }
                }
                Err(_) if !node.is_stopped() => tokio::time::sleep(AGAIN).await,
                Err(_) => return,
            }
        }
    }

    /// Whether a job that began must not begin again: its element says so, or its handler by its inputs.
    pub(super) fn is_at_most_once(&self, instance: InstanceId, token: TokenId, view: JobView) -> bool {
        let handler = self.registry.get(&view.topic).filter(|_| view.kind == JobKind::External);
        handler.is_some_and(|handler| handler.policy(&self.job(instance, token, view)) == Policy::AtMostOnce)
    }

    fn job(&self, instance: InstanceId, token: TokenId, view: JobView) -> Job {
        let key = job::key(&self.installation, &view.tenant, instance, token, &view.element);
        Job {
            instance,
            token,
            element: view.element,
            topic: view.topic,
            tenant: view.tenant,
            process_key: view.definition.key.clone(),
            business_key: view.business_key,
            lease_no: view.lease_no,
            attempt: view.attempt,
            key,
            variables: view.variables,
            properties: view.properties,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A result that cannot be taken for what it holds fails its job: nobody else would tell of it.
fn refused(command: &Command, rejection: &Rejection) -> Option<Command> {
    let (Command::CompleteJob { token, claim, .. } | Command::ThrowError { token, claim: Some(claim), .. }) = command
    else {
        return None;
    };
    if !matches!(rejection, Rejection::InvalidInput(_) | Rejection::LimitExceeded { .. }) {
        return None;
    }
    let failure = Failure {
        message: format!("what came of it cannot be kept: {rejection}"),
        details: None,
        retries: Some(0),
        after_ms: None,
        by_handler: true,
        unknown_outcome: false,
    };
    Some(Command::FailJob { token: *token, claim: claim.clone(), failure })
}

/// How a job ended, in one word.
fn ending(command: Option<&Command>) -> &'static str {
    match command {
        None => "cancelled",
        Some(Command::ThrowError { .. }) => "error",
        Some(Command::FailJob { failure, .. }) if failure.unknown_outcome => "unknown",
        Some(Command::FailJob { .. }) => "failed",
        Some(Command::ReleaseJob { .. }) => "released",
        Some(_) => "completed",
    }
}

/// A handler's outcome in the engine's words.
fn command(token: TokenId, claim: Claim, outcome: Outcome, maps_outputs: bool) -> Command {
    let failed = |message: String, retries, after_ms, unknown_outcome| Failure {
        message,
        details: None,
        retries,
        after_ms,
        by_handler: true,
        unknown_outcome,
    };
    match outcome {
        Outcome::Complete(results) if maps_outputs => {
            Command::CompleteJob { token, claim, variables: Variables::new(), local: results, decisions: Vec::new() }
        }
        Outcome::Complete(results) => {
            Command::CompleteJob { token, claim, variables: results, local: Variables::new(), decisions: Vec::new() }
        }
        Outcome::Error(error) => Command::ThrowError {
            token,
            claim: Some(claim),
            code: error.code,
            message: error.message,
            variables: error.variables,
        },
        Outcome::Retry { after, reason } => {
            let after = after.and_then(|after| i64::try_from(after.as_millis()).ok());
            Command::FailJob { token, claim, failure: failed(reason, None, after, false) }
        }
        Outcome::Fail(reason) => Command::FailJob { token, claim, failure: failed(reason, Some(0), None, false) },
        Outcome::Unknown(reason) => Command::FailJob { token, claim, failure: failed(reason, None, None, true) },
    }
}
