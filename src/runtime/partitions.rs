//! The partitions that this node runs: a driver for each, with its queue.

use crate::base::id::PartitionId;
use crate::base::limits::PARTITION_LEASE_MS;
use crate::runtime::driver::{Driver, Ended, Message, Tenure};
use crate::runtime::node::Node;
use crate::store::StoreError;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Commands that wait for a driver; more are answered "busy" with a time to come again.
const QUEUE_COMMANDS_MAX: usize = 4_096;
/// New instances that go to one partition before the next has its turn: they share a commit.
const STARTS_IN_A_ROW: usize = 64;
/// A driver that does not come to its end, because its database is away, is left behind.
const STOP_DEADLINE: Duration = Duration::from_secs(5);

pub(super) struct Partitions {
    /// How many the database is divided into.
    pub(super) all: i64,
    running: RwLock<BTreeMap<PartitionId, Running>>,
    starts: AtomicUsize,
}

struct Running {
    queue: mpsc::Sender<Message>,
    tenure: Arc<Tenure>,
    task: JoinHandle<()>,
}

impl Partitions {
    pub(super) fn new(all: i64) -> Self {
        Self { all, running: RwLock::default(), starts: AtomicUsize::new(0) }
    }

    pub(super) fn queue(&self, partition: PartitionId) -> Option<mpsc::Sender<Message>> {
        self.read().get(&partition).map(|running| running.queue.clone())
    }

    pub(super) fn queues(&self) -> Vec<mpsc::Sender<Message>> {
        self.read().values().map(|running| running.queue.clone()).collect()
    }

    /// The database has said to a question of this moment that it is still this node's.
    pub(super) fn confirmed(&self, partition: PartitionId, asked: Instant) {
        if let Some(running) = self.read().get(&partition) {
            running.tenure.confirmed(asked);
        }
    }

    pub(super) fn ids(&self) -> Vec<PartitionId> {
        self.read().keys().copied().collect()
    }

    /// Where the next new instance goes: they take turns.
    pub(super) fn next(&self) -> PartitionId {
        let turn = self.starts.fetch_add(1, Ordering::Relaxed) / STARTS_IN_A_ROW;
        let running = self.read();
        match running.len() {
            0 => PartitionId(i64::try_from(turn).unwrap_or_default().rem_euclid(self.all)),
            count => *running.keys().nth(turn % count).expect("within their number"),
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<PartitionId, Running>> {
        self.running.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<PartitionId, Running>> {
        self.running.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Node {
    /// Takes a partition: whoever had it before can no longer write.
    pub(super) async fn open_partition(&self, partition: PartitionId, alive: &[String]) -> Result<(), StoreError> {
        let (until, tenure) = (self.clock().now().plus_ms(PARTITION_LEASE_MS), Arc::new(Tenure::new(Instant::now())));
        let opened = self.store().open_partition(partition, &self.0.member.name, until).await?;
        let (queue, inbox) = mpsc::channel(QUEUE_COMMANDS_MAX);
        let outlet = self.clone();
        let outlet = Box::new(move |notice, guard| outlet.hear(notice, guard));
        let mut driver = Driver::new(
            partition,
            self.store().clone(),
            self.clock().clone(),
            inbox,
            outlet,
            Arc::clone(&tenure),
            Arc::clone(&self.0.inline),
        );
        driver.metrics = self.0.metrics.clone();
        let node = self.clone();
        let task = tokio::spawn(async move {
            let ended = driver.run(opened).await;
            node.ended(partition, ended);
        });
        self.0.partitions.write().insert(partition, Running { queue, tenure, task });
        let taken_back = self.take_back(partition, alive).await;
        // Whatever came of that: without offers no job of the partition would be done here.
        for offer in self.0.executor.offers() {
            self.offer(partition, offer).await;
        }
        taken_back
    }

    /// Lets a driver finish what it has taken. Whatever comes from now on finds the partition elsewhere.
    pub(super) async fn close_partition(&self, partition: PartitionId) {
        let running = self.0.partitions.write().remove(&partition);
        let Some(Running { queue, task, .. }) = running else { return };
        // A closed queue: it has stopped already.
        let _stopped = queue.send(Message::Stop).await;
        let abort = task.abort_handle();
        if tokio::time::timeout(STOP_DEADLINE, task).await.is_err() {
            abort.abort();
        }
    }

    fn ended(&self, partition: PartitionId, ended: Ended) {
        if ended.fenced {
            self.0.partitions.write().remove(&partition);
            if !self.store().is_shared() {
                tracing::error!("another process has taken this database: this one stops");
                self.close();
                self.0.stopped.cancel();
            }
        }
        for submission in ended.left {
            self.hand_on(partition, submission);
        }
    }
}
