//! A node: one process of the engine with its database. Everything above talks to this.
//!
//! [`Node::submit`] hands work to the partition's driver and waits for its answer, which comes after the commit. Reads go to
//! the store. The catalogue of compiled definitions and decisions is a cache over the stored files.

use crate::base::id::{DefinitionId, InstanceId, TokenId};
use crate::engine::command::{Answer, Command, Failure, Rejection};
use crate::engine::definition::ProcessDefinition;
use crate::engine::document;
use crate::engine::instance::Instance;
use crate::engine::job::Claim;
use crate::handlers::Registry;
use crate::partition::transaction::CommandKey;
use crate::partition::view::job_view;
use crate::partition::{Notice, Offer, Reply, Work};
use crate::runtime::clock::{Clock, Guard};
use crate::runtime::decide::Known;
use crate::runtime::driver::{Driver, Message, PARTITION, Submission};
use crate::runtime::executor::Executor;
use crate::runtime::waiters::Waiters;
use crate::store::{Store, StoreError};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Commands that wait for the driver; more are answered "busy" with a time to come again.
const QUEUE_COMMANDS_MAX: usize = 4_096;
/// Changes that a slow listener may fall behind before it has to read everything again.
const EVENTS_MAX: usize = 4_096;
/// Compiled definitions kept.
const DEFINITIONS_MAX: usize = 1_000;

#[derive(Clone)]
pub struct Node(Arc<Inner>);

struct Inner {
    queue: mpsc::Sender<Message>,
    store: Store,
    clock: Arc<dyn Clock>,
    executor: Arc<Executor>,
    waiters: Waiters,
    events: broadcast::Sender<Notice>,
    definitions: Mutex<BTreeMap<DefinitionId, Arc<ProcessDefinition>>>,
    decisions: Mutex<BTreeMap<DefinitionId, Arc<Known>>>,
    /// The end has begun: who waits is answered, nobody begins to wait.
    closing: CancellationToken,
    stopped: CancellationToken,
    driver: Mutex<Option<tokio::task::JoinHandle<()>>>,
}

pub struct Config {
    pub store: Store,
    pub clock: Arc<dyn Clock>,
    pub registry: Arc<Registry>,
    /// Names this node among others and after a restart; leases of its handlers carry it.
    pub name: String,
    /// Names the installation to the outside, part of every idempotency key.
    pub installation: String,
}

#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    #[error(transparent)]
    Rejected(#[from] Rejection),
    #[error("too many commands wait; come again in a second")]
    Busy,
    #[error("the engine has stopped, or its database was taken over")]
    Away,
}

impl Node {
    /// Takes the database and begins. Jobs that an earlier life of this node held are given back first.
    pub async fn start(config: Config) -> Result<Self, StoreError> {
        let Config { store, clock, registry, name, installation } = config;
        let holder = format!("transhume:{name}");
        let opened = store.open_partition(PARTITION, &holder, clock.now()).await?;
        let (queue, inbox) = mpsc::channel(QUEUE_COMMANDS_MAX);
        let executor = Arc::new(Executor::new(registry, installation, holder.clone(), Arc::clone(&clock)));
        let (events, _) = broadcast::channel(EVENTS_MAX);
        let node = Self(Arc::new(Inner {
            queue,
            store: store.clone(),
            clock: Arc::clone(&clock),
            executor,
            waiters: Waiters::default(),
            events,
            definitions: Mutex::default(),
            decisions: Mutex::default(),
            closing: CancellationToken::new(),
            stopped: CancellationToken::new(),
            driver: Mutex::default(),
        }));
        let outlet = node.clone();
        let driver = Driver::new(store, clock, inbox, Box::new(move |notice, guard| outlet.hear(notice, guard)));
        let held = node.0.clock.guard();
        let watched = node.clone();
        let task = tokio::spawn(async move {
            driver.run(opened).await;
            watched.close();
            watched.0.stopped.cancel();
        });
        *node.0.driver.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
        node.take_back(&holder).await?;
        for offer in node.0.executor.offers() {
            node.offer(offer).await;
        }
        drop(held);
        Ok(node)
    }

    pub fn store(&self) -> &Store {
        &self.0.store
    }

    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    pub fn is_stopped(&self) -> bool {
        self.0.stopped.is_cancelled()
    }

    /// Ends when the node has stopped, also when another process has taken its database.
    pub async fn stopped(&self) {
        self.0.stopped.cancelled().await;
    }

    pub fn is_closing(&self) -> bool {
        self.0.closing.is_cancelled()
    }

    /// The end has begun: who waits for jobs is answered now, not at the end of its time.
    pub fn close(&self) {
        self.0.closing.cancel();
        self.0.waiters.wake_all();
    }

    /// What changes, as it is committed.
    pub fn events(&self) -> broadcast::Receiver<Notice> {
        self.0.events.subscribe()
    }

    /// Those who wait for jobs of a topic.
    pub fn waiters(&self) -> &Waiters {
        &self.0.waiters
    }

    /// Hands work to the partition; the answer comes after its commit. Not cancelled by dropping the future: the command
    /// then stands without anyone to hear.
    pub async fn submit(
        &self,
        work: Work,
        key: Option<(CommandKey, String)>,
        user: Option<String>,
    ) -> Result<Reply, SubmitError> {
        self.submit_with(work, key, user, None).await
    }

    /// The same; with it comes what this process takes from now on.
    pub(super) async fn submit_with(
        &self,
        work: Work,
        key: Option<(CommandKey, String)>,
        user: Option<String>,
        offer: Option<Offer>,
    ) -> Result<Reply, SubmitError> {
        let (reply, answer) = oneshot::channel();
        let guard = self.0.clock.guard();
        let submission = Box::new(Submission { work, key, user, reply, offer, guard });
        match self.0.queue.try_send(Message::Submit(submission)) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => return Err(SubmitError::Busy),
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(SubmitError::Away),
        }
        match answer.await {
            Ok(result) => Ok(result?),
            Err(_) => Err(SubmitError::Away),
        }
    }

    pub async fn command(&self, instance: InstanceId, command: Command) -> Result<Answer, SubmitError> {
        let reply = self.submit(Work::Instance { instance, command }, None, None).await?;
        Ok(reply.done().unwrap_or_default())
    }

    /// Tells the partition how many jobs of a topic this process takes now.
    pub(super) async fn offer(&self, offer: Offer) {
        let guard = self.0.clock.guard();
        // A closed queue: the node has stopped, and nothing is offered any more.
        let _stopped = self.0.queue.send(Message::Offer(offer, guard)).await;
    }

    /// A compiled definition, from the cache or the stored file.
    pub async fn definition(&self, id: DefinitionId) -> Result<Option<Arc<ProcessDefinition>>, StoreError> {
        let known = lock(&self.0.definitions).get(&id).cloned();
        if known.is_some() {
            return Ok(known);
        }
        let loaded = self.0.store.definition(id).await?;
        if let Some(definition) = &loaded {
            keep(&mut lock(&self.0.definitions), id, Arc::clone(definition));
        }
        Ok(loaded)
    }

    /// The decisions of a deployed file.
    pub(super) fn known_decision(&self, id: DefinitionId) -> Option<Arc<Known>> {
        lock(&self.0.decisions).get(&id).cloned()
    }

    pub(super) fn keep_decision(&self, id: DefinitionId, model: Arc<Known>) {
        keep(&mut lock(&self.0.decisions), id, model);
    }

    /// A live instance as it is stored; none if there is none, or it has ended.
    pub async fn instance(&self, id: InstanceId) -> Result<Option<Instance>, StoreError> {
        let stored = self.0.store.instances(&[id]).await?.pop();
        let Some(stored) = stored.filter(|stored| !stored.state.is_ended()) else { return Ok(None) };
        let Some(definition) = self.definition(stored.definition).await? else { return Ok(None) };
        let read = document::decode(stored.id, &stored.body, &stored.scopes, definition);
        read.map(Some).map_err(|error| StoreError::Unreadable(error.to_string()))
    }

    /// Gives leases back, answers who waits, and stops. What is not done then goes on at the next start.
    pub async fn shutdown(&self) {
        self.close();
        self.0.executor.shutdown().await;
        self.0.stopped.cancel();
        let task = lock(&self.0.driver).take();
        if let Some(task) = task {
            task.abort();
            let _ended = task.await;
        }
        self.0.store.close().await;
    }

    /// Called by the driver after each commit, in order.
    fn hear(&self, notice: Notice, guard: Guard) {
        match &notice {
            Notice::Run { .. } => return self.0.executor.start(self.clone(), notice, guard),
            Notice::Abort { instance, token, lease_no } => self.0.executor.abort(*instance, *token, *lease_no),
            Notice::JobOpen { topic, .. } => self.0.waiters.wake(topic),
            Notice::Letter { id, letter } => {
                let (node, id, letter) = (self.clone(), *id, letter.clone());
                tokio::spawn(async move {
                    let _held = guard;
                    node.deliver(id, &letter).await;
                });
            }
            Notice::Changed { .. } | Notice::Deployed { .. } => {}
        }
        // Nobody listens: nothing to tell.
        let _listeners = self.0.events.send(notice);
    }

    /// Jobs that an earlier life of this node held: no one works on them any more. What must not be done twice becomes an
    /// incident, anything else is free again at once and costs nothing.
    async fn take_back(&self, holder: &str) -> Result<(), StoreError> {
        for (instance, token, lease_no) in self.0.store.held_jobs(holder).await? {
            let claim = Claim { holder: holder.to_owned(), lease_no: Some(lease_no) };
            let command = if self.is_at_most_once(instance, token).await? {
                let message =
                    "the engine stopped while this was being done: whether it took effect is not known".to_owned();
                let failure = Failure {
                    message,
                    details: None,
                    retries: None,
                    after_ms: None,
                    by_handler: true,
                    unknown_outcome: true,
                };
                Command::FailJob { token, claim, failure }
            } else {
                Command::ReleaseJob { token, claim: Some(claim) }
            };
            if let Err(error) = self.command(instance, command).await {
                tracing::info!(instance.id = instance.0, "a job of an earlier life was not given back: {error}");
            }
        }
        Ok(())
    }

    async fn is_at_most_once(&self, instance: InstanceId, token: TokenId) -> Result<bool, StoreError> {
        let Some(stored) = self.instance(instance).await? else { return Ok(false) };
        let view = job_view(&stored, token);
        Ok(view.is_some_and(|view| self.0.executor.is_at_most_once(instance, token, view)))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Old versions are used rarely: the lowest id goes first.
fn keep<T>(cache: &mut BTreeMap<DefinitionId, T>, id: DefinitionId, value: T) {
    cache.insert(id, value);
    while cache.len() > DEFINITIONS_MAX {
        cache.pop_first();
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("stopped", &self.is_stopped()).finish_non_exhaustive()
    }
}
