//! Several nodes on one database: each says that it lives, takes its fair share of the partitions, gives up what is beyond it, and
//! takes over what a dead one has left.

use crate::base::id::PartitionId;
use crate::runtime::driver::{Answer, Message};
use crate::runtime::node::Node;
use crate::store::{Listener, StoreError};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::{Notify, oneshot};

/// A node says that it lives, and looks whether there is anything for it that it was not told of.
const BEAT: Duration = Duration::from_secs(1);
/// After the connection on which nodes tell each other was lost.
const LISTEN_AGAIN: Duration = Duration::from_millis(500);
/// Words of one notification.
const WORDS_MAX: usize = 64;

/// What this node knows of others, and what it has to tell them.
#[derive(Default)]
pub(super) struct Cluster {
    alive: AtomicUsize,
    untold: Mutex<BTreeSet<Told>>,
    tell: Notify,
    /// A partition may be had now.
    round: Notify,
    /// Held while partitions are taken or given up: none is taken while the node leaves.
    turn: tokio::sync::Mutex<()>,
    answers: Mutex<Answers>,
}

#[derive(Default)]
struct Answers {
    last: i64,
    expected: BTreeMap<i64, oneshot::Sender<Answer>>,
}

/// A word to other nodes. One that is lost costs the time until the next beat.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Told {
    /// Something is in the inbox of this partition.
    Parcel(PartitionId),
    /// A request of this node is answered.
    Outcome(String),
    /// A job of this topic can be had.
    Job(String),
    /// A partition has no owner.
    Free,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parcel(partition) => write!(f, "parcel {}", partition.0),
            Self::Outcome(node) => write!(f, "outcome {node}"),
            Self::Job(topic) => write!(f, "job {topic}"),
            Self::Free => f.write_str("free"),
        }
    }
}

impl Told {
    /// None: a word of a newer program.
    fn read(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(' ').unwrap_or((text, ""));
        match kind {
            "parcel" => rest.parse().ok().map(|id| Self::Parcel(PartitionId(id))),
            "outcome" => Some(Self::Outcome(rest.to_owned())),
            "job" => Some(Self::Job(rest.to_owned())),
            "free" => Some(Self::Free),
            _ => None,
        }
    }
}

impl Cluster {
    fn is_alone(&self) -> bool {
        self.alive.load(Ordering::Relaxed) < 2
    }

    /// Said to others soon, if there are any.
    pub(super) fn tell(&self, word: Told) {
        if !self.is_alone() {
            self.lock_untold().insert(word);
            self.tell.notify_one();
        }
    }

    /// The number of a request that goes to another node, and where its answer comes.
    pub(super) fn expect_answer(&self) -> (i64, oneshot::Receiver<Answer>) {
        let (sender, receiver) = oneshot::channel();
        let mut answers = self.lock_answers();
        // Numbers of an earlier life of this node are below: its answers are nobody's.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(since.as_micros()).unwrap_or_default() << 8;
        answers.last = (answers.last + 1).max(now | i64::from(std::process::id() & 0xff));
        let number = answers.last;
        answers.expected.insert(number, sender);
        (number, receiver)
    }

    pub(super) fn forget_answer(&self, number: i64) {
        self.lock_answers().expected.remove(&number);
    }

    fn expects_answers(&self) -> bool {
        !self.lock_answers().expected.is_empty()
    }

    fn lock_untold(&self) -> MutexGuard<'_, BTreeSet<Told>> {
        self.untold.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Node {
    /// Takes its partitions. Where there may be other nodes, it shares with them from now on.
    pub(super) async fn join(&self) -> Result<(), StoreError> {
        if !self.store().is_shared() {
            // More than one, where it was filled from a backup of a shared database.
            for partition in (0..self.0.partitions.all).map(PartitionId) {
                self.open_partition(partition, &[]).await?;
            }
            return Ok(());
        }
        self.store().join(&self.0.member).await?;
        let listener = self.store().listen().await?;
        self.round().await?;
        tokio::spawn(self.clone().live());
        tokio::spawn(self.clone().tell_others());
        if let Some(listener) = listener {
            tokio::spawn(self.clone().hear_others(listener));
        }
        Ok(())
    }

    /// Gives everything back, so that others have it at once.
    pub(super) async fn leave(&self) {
        let _turn = self.0.cluster.turn.lock().await;
        for partition in self.0.partitions.ids() {
            self.give_up(partition).await;
        }
        if self.store().is_shared()
            && let Err(error) = self.store().leave(&self.0.member).await
        {
            tracing::warn!("this node could not say that it leaves: {error}");
        }
    }

    async fn give_up(&self, partition: PartitionId) {
        self.close_partition(partition).await;
        if !self.store().is_shared() {
            return;
        }
        match self.store().release(&self.0.member, partition).await {
            Ok(()) if !self.0.cluster.is_alone() => {
                let _hint = self.store().tell(&[Told::Free.to_string()]).await;
            }
            Ok(()) => {}
            Err(error) => tracing::warn!(partition.id = partition.0, "a partition is not given back: {error}"),
        }
    }

    async fn live(self) {
        while !self.is_closing() {
            tokio::select! {
                () = tokio::time::sleep(BEAT) => {}
                () = self.0.cluster.round.notified() => {}
                () = self.0.closing.cancelled() => return,
            }
            match self.round().await {
                Ok(()) => self.look_around().await,
                Err(error) => tracing::warn!("this node could not say that it lives: {error}"),
            }
        }
    }

    /// Says that it lives, and takes or gives up partitions.
    async fn round(&self) -> Result<(), StoreError> {
        let _turn = self.0.cluster.turn.lock().await;
        let asked = Instant::now();
        if self.is_closing() {
            return Ok(());
        }
        let Some(beat) = self.store().beat(&self.0.member).await? else {
            tracing::error!("another process has taken the name {:?}: this one stops", self.0.member.name);
            self.close();
            for partition in self.0.partitions.ids() {
                self.close_partition(partition).await;
            }
            self.0.stopped.cancel();
            return Ok(());
        };
        self.clock().tie(beat.now);
        self.0.cluster.alive.store(beat.alive.len(), Ordering::Relaxed);
        let (own, taken): (Vec<PartitionId>, _) =
            self.0.partitions.ids().into_iter().partition(|partition| beat.own.contains(partition));
        for partition in &own {
            self.0.partitions.confirmed(*partition, asked);
        }
        for partition in taken {
            tracing::warn!(partition.id = partition.0, "another node has taken a partition of this one");
            self.close_partition(partition).await;
        }
        let all = usize::try_from(self.0.partitions.all).unwrap_or(1);
        let share = all.div_ceil(beat.alive.len().max(1));
        for partition in own.iter().skip(share) {
            tracing::info!(partition.id = partition.0, "this node gives a partition to another");
            self.give_up(*partition).await;
        }
        if own.len() < share && (beat.free > 0 || beat.own.len() > own.len()) && !self.is_closing() {
            let claimed = self.store().claim(&self.0.member, &own, share - own.len()).await?;
            let opened = claimed.iter().map(|partition| self.open_partition(*partition, &beat.alive));
            for opened in futures_util::future::join_all(opened).await {
                opened?;
            }
        }
        Ok(())
    }

    /// What this node may not have been told of.
    async fn look_around(&self) {
        for queue in self.0.partitions.queues() {
            let _full = queue.try_send(Message::Look);
        }
        if self.0.cluster.expects_answers() {
            self.read_outcomes().await;
        }
        if !self.0.cluster.is_alone() {
            self.waiters().wake_all();
        }
    }

    async fn tell_others(self) {
        while !self.is_stopped() {
            tokio::select! {
                () = self.0.cluster.tell.notified() => {}
                () = self.0.stopped.cancelled() => return,
            }
            let words: Vec<String> =
                std::mem::take(&mut *self.0.cluster.lock_untold()).iter().map(Told::to_string).collect();
            for words in words.chunks(WORDS_MAX) {
                if let Err(error) = self.store().tell(words).await {
                    tracing::debug!("other nodes are not told: {error}");
                }
            }
        }
    }

    async fn hear_others(self, mut listener: Listener) {
        while !self.is_stopped() {
            let heard = tokio::select! {
                heard = listener.next() => heard,
                () = self.0.stopped.cancelled() => return,
            };
            match heard {
                Ok(Some(word)) => self.told(&word),
                Ok(None) => self.look_around().await,
                Err(error) => {
                    tracing::debug!("other nodes are not heard: {error}");
                    tokio::time::sleep(LISTEN_AGAIN).await;
                }
            }
        }
    }

    fn told(&self, word: &str) {
        match Told::read(word) {
            Some(Told::Parcel(partition)) => self.look_here(partition),
            Some(Told::Outcome(node)) if node == self.0.member.name => self.answered(&node),
            Some(Told::Job(topic)) => self.waiters().wake(&topic),
            Some(Told::Free) => self.0.cluster.round.notify_one(),
            Some(Told::Outcome(_)) | None => {}
        }
    }

    /// Something is in the inbox of a partition, of this node or of another.
    pub(super) fn look_into(&self, partition: PartitionId) {
        if self.0.partitions.queue(partition).is_some() {
            self.look_here(partition);
        } else {
            self.0.cluster.tell(Told::Parcel(partition));
        }
    }

    fn look_here(&self, partition: PartitionId) {
        if let Some(queue) = self.0.partitions.queue(partition) {
            // A full queue: the next beat looks again.
            let _full = queue.try_send(Message::Look);
        }
    }

    /// A request of a node has its answer.
    pub(super) fn answered(&self, node: &str) {
        if node == self.0.member.name {
            let own = self.clone();
            tokio::spawn(async move { own.read_outcomes().await });
        } else {
            self.0.cluster.tell(Told::Outcome(node.to_owned()));
        }
    }

    async fn read_outcomes(&self) {
        let outcomes = match self.store().outcomes(&self.0.member.name).await {
            Ok(outcomes) => outcomes,
            Err(error) => return tracing::warn!("answers of other nodes cannot be read: {error}"),
        };
        for (number, body) in outcomes {
            let expected = self.0.cluster.lock_answers().expected.remove(&number);
            match (expected, serde_json::from_str(&body)) {
                (Some(sender), Ok(answer)) => _ = sender.send(answer),
                (Some(_), Err(error)) => tracing::error!("the answer to request {number} cannot be read: {error}"),
                // Nobody waits for it any more.
                (None, _) => {}
            }
        }
    }
}
