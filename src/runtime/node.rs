//! A node: one process of the engine with its database. Everything above talks to this.
//!
//! [`Node::submit`] hands work to the driver of its partition, here or at another node, and waits for its answer, which comes
//! after the commit. Reads go to the store. The catalogue of compiled definitions and decisions is a cache over the stored files.

use crate::base::id::{DefinitionId, InstanceId, PartitionId, TokenId};
use crate::engine::command::{Command, Failure, Rejection};
use crate::engine::definition::ProcessDefinition;
use crate::engine::document;
use crate::engine::instance::Instance;
use crate::engine::job::Claim;
use crate::handlers::Registry;
use crate::partition::view::job_view;
use crate::partition::{Inlines, Notice};
use crate::runtime::clock::{Clock, Guard};
use crate::runtime::cluster::{Cluster, Told};
use crate::runtime::decide::Known;
use crate::runtime::executor::Executor;
use crate::runtime::metrics::Metrics;
use crate::runtime::partitions::Partitions;
use crate::runtime::waiters::Waiters;
use crate::store::{HeldJob, Member, Store, StoreError};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

/// Before a node's name in the leases of its handlers.
const HOLDER: &str = "transhume:";
/// Changes that a slow listener may fall behind before it has to read everything again.
const EVENTS_MAX: usize = 4_096;
/// Compiled definitions kept.
const DEFINITIONS_MAX: usize = 1_000;

#[derive(Clone)]
pub struct Node(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) member: Member,
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) executor: Arc<Executor>,
    pub(super) inline: Arc<Inlines>,
    pub(super) waiters: Waiters,
    pub(super) metrics: Metrics,
    events: broadcast::Sender<Notice>,
    definitions: Mutex<BTreeMap<DefinitionId, Arc<ProcessDefinition>>>,
    decisions: Mutex<BTreeMap<DefinitionId, Arc<Known>>>,
    pub(super) partitions: Partitions,
    pub(super) cluster: Cluster,
    /// The end has begun: who waits is answered, nobody begins to wait.
    pub(super) closing: CancellationToken,
    pub(super) stopped: CancellationToken,
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
    #[error("no answer came in time: whether it was done is not known")]
    Unanswered,
    /// `shared`: the disk of a database server, and not this machine's own.
    #[error("the disk of the database is full")]
    Full { shared: bool },
}

impl Node {
    /// Takes its partitions and begins. Jobs that an earlier life of this node held are given back first.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn start(config: Config) -> Result<Self, StoreError> {
        Self::start_with(config, Inlines::new()).await
    }

    /// The same; it does this work inside the engine's own steps, stored with them in one commit. Only for what has no effect
    /// outside: what has is a handler of the registry.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn start_with(config: Config, inline: Inlines) -> Result<Self, StoreError> {
        let Config { store, clock, registry, name, installation } = config;
        let partitions = store.divide().await?;
        let holder = format!("{HOLDER}{name}");
        let executor = Executor::new(registry, installation, holder, Arc::clone(&clock));
        let (events, _) = broadcast::channel(EVENTS_MAX);
        let node = Self(Arc::new(Inner {
            member: Member { name, life: life() },
            store,
            clock,
            executor: Arc::new(executor),
            inline: Arc::new(inline),
            waiters: Waiters::default(),
            metrics: Metrics::default(),
            events,
            definitions: Mutex::default(),
            decisions: Mutex::default(),
            partitions: Partitions::new(partitions),
            cluster: Cluster::default(),
            closing: CancellationToken::new(),
            stopped: CancellationToken::new(),
        }));
        let (held, announcing) = (node.0.clock.guard(), node.clone());
        tokio::spawn(async move { announcing.0.executor.announce(&announcing).await });
        node.join().await?;
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

    /// The partitions that this node runs now.
    pub fn partitions(&self) -> Vec<PartitionId> {
        self.0.partitions.ids()
    }

    pub fn is_closing(&self) -> bool {
        self.0.closing.is_cancelled()
    }

    /// Ends when the end has begun.
    pub async fn closing(&self) {
        self.0.closing.cancelled().await;
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

    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// All metrics as a scraper reads them.
    pub async fn metrics_text(&self) -> String {
        let waiting = self.0.partitions.queues().iter().map(|queue| queue.max_capacity() - queue.capacity()).sum();
        self.0.metrics.text(self, waiting).await
    }

    /// Whether it takes work: it has its partitions and is not about to stop.
    pub fn is_working(&self) -> bool {
        !self.is_stopped() && !self.is_closing() && !self.partitions().is_empty()
    }

    /// Those who wait for jobs of a topic.
    pub fn waiters(&self) -> &Waiters {
        &self.0.waiters
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

    /// Gives leases and partitions back, answers who waits, and stops. What is not done then goes on at the next start, or at
    /// another node.
    pub async fn shutdown(&self) {
        self.close();
        self.0.executor.shutdown().await;
        self.leave().await;
        self.0.stopped.cancel();
        self.0.store.close().await;
    }

    /// Called by a driver after each commit, in order.
    pub(super) fn hear(&self, notice: Notice, guard: Guard) {
        match &notice {
            Notice::Run { .. } => return self.0.executor.start(self.clone(), notice, guard),
            Notice::Abort { instance, token, lease_no } => self.0.executor.abort(*instance, *token, *lease_no),
            Notice::JobOpen { topic, .. } => {
                self.0.waiters.wake(topic);
                self.0.cluster.tell(Told::Job(topic.clone()));
            }
            Notice::Posted { to } => return self.look_into(*to),
            Notice::Answered { node } => return self.answered(node),
            Notice::Unreadable { why } => return tracing::error!("{why}"),
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

    /// Jobs of a partition that nobody works on any more: held by an earlier life of this node, or by a node that is gone. What
    /// must not be done twice becomes an incident, anything else is free again at once and costs nothing.
    pub(super) async fn take_back(&self, partition: PartitionId, alive: &[String]) -> Result<(), StoreError> {
        for HeldJob { instance, token, lease_no, holder } in self.0.store.held_jobs(partition, HOLDER).await? {
            let node = holder.trim_start_matches(HOLDER);
            let is_own = node == self.0.member.name;
            let works = if is_own {
                self.0.executor.runs(instance, token, lease_no)
            } else {
                alive.iter().any(|name| name == node)
            };
            if works {
                continue;
            }
            let claim = Claim { holder, lease_no: Some(lease_no) };
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

/// Names this process among those that had or will have its node's name.
fn life() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{}-{}", std::process::id(), since.as_nanos())
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
