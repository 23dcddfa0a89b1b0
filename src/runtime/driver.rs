//! The driver: interprets a partition's words with the store. One task owns the partition; no disconnect cancels it.
//!
//! Wait for one input, take all that wait, let the partition run, write what it asks for, repeat: a lone command commits
//! at once, load makes batches grow. The database being away is waited for here; callers see "away" meanwhile.

use crate::base::id::PartitionId;
use crate::base::limits::{BATCH_COMMANDS_MAX, PARTITION_LEASE_MS};
use crate::base::planted;
use crate::base::time::Timestamp;
use crate::engine::command::Rejection;
use crate::partition::{
    CommitError, Inlines, Input, Notice, Offer, Output, Partition, Reply, Request, RequestId, Work,
};
use crate::runtime::clock::{Clock, Guard};
use crate::runtime::metrics::Metrics;
use crate::store::Store;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// The store is asked again after this pause while it is away.
const AWAY_PAUSE: Duration = Duration::from_millis(250);
/// Three quarters of the lease: what is said now arrives before it is over.
const TENURE: Duration = Duration::from_millis(PARTITION_LEASE_MS as u64 * 3 / 4);

pub(super) type Answer = Result<Reply, Rejection>;

pub(super) enum Message {
    Submit(Box<Submission>),
    Offer(Offer, Guard),
    /// Something may have come into the inbox.
    Look,
    /// Ends when everything that was taken is done.
    Stop,
}

/// How a driver ended.
#[derive(Default)]
pub(super) struct Ended {
    /// Another owner has taken the partition.
    pub(super) fenced: bool,
    /// What was not taken any more.
    pub(super) left: Vec<Submission>,
}

pub(super) struct Submission {
    pub(super) work: Work,
    pub(super) key: Option<(crate::partition::transaction::CommandKey, String)>,
    pub(super) user: Option<String>,
    pub(super) reply: oneshot::Sender<Answer>,
    /// Made with the work: a handler that has done its job has room for the next.
    pub(super) offer: Option<Offer>,
    pub(super) guard: Guard,
}

/// Takes what leaves the partition after a commit; each notice comes with a guard of its own.
pub(super) type Outlet = Box<dyn Fn(Notice, Guard) + Send + Sync>;

pub(super) struct Driver {
    partition: Partition,
    store: Store,
    clock: Arc<dyn Clock>,
    inbox: mpsc::Receiver<Message>,
    outlet: Outlet,
    replies: BTreeMap<RequestId, oneshot::Sender<Answer>>,
    next_request: RequestId,
    wake_at: Option<Timestamp>,
    /// Held from an input to its last output.
    guards: Vec<Guard>,
    stepped_down: bool,
    stopping: bool,
    pub(super) metrics: Metrics,
    tenure: Arc<Tenure>,
    /// The database has said since the last inputs that the partition is still this node's.
    sure: bool,
}

/// Until when the partition is surely this node's, by its lease: an answer that changed nothing is fenced by no commit, and one who has lost
/// the partition without knowing it must not say what is no longer so.
#[derive(Debug)]
pub(super) struct Tenure(Mutex<Instant>);

impl Tenure {
    pub(super) fn new(since: Instant) -> Self {
        Self(Mutex::new(since))
    }

    /// The lease was renewed by a statement that was sent at this moment.
    pub(super) fn confirmed(&self, asked: Instant) {
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *since = (*since).max(asked);
    }

    /// Nobody can have taken it yet.
    fn is_sure(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).elapsed() < TENURE
    }
}

impl Driver {
    pub(super) fn new(
        partition: PartitionId,
        store: Store,
        clock: Arc<dyn Clock>,
        inbox: mpsc::Receiver<Message>,
        outlet: Outlet,
        tenure: Arc<Tenure>,
        inline: Arc<Inlines>,
    ) -> Self {
        Self {
            partition: Partition::with_inline(partition, inline),
            store,
            clock,
            inbox,
            outlet,
            replies: BTreeMap::new(),
            next_request: 0,
            wake_at: None,
            guards: Vec::new(),
            stepped_down: false,
            stopping: false,
            metrics: Metrics::default(),
            tenure,
            sure: false,
        }
    }

    /// Runs until it is stopped, every sender is gone, or another owner has taken the partition.
    pub(super) async fn run(mut self, opened: Input) -> Ended {
        self.work(opened).await;
        self.inbox.close();
        let mut ended = Ended { fenced: self.stepped_down, left: Vec::new() };
        while let Ok(message) = self.inbox.try_recv() {
            if let Message::Submit(submission) = message {
                ended.left.push(*submission);
            }
        }
        ended
    }

    async fn work(&mut self, opened: Input) {
        self.guards.push(self.clock.guard());
        self.partition.handle(opened, self.clock.now());
        self.pump().await;
        while !self.stepped_down && !self.stopping {
            let due = self.wake_at;
            let clock = Arc::clone(&self.clock);
            let wake = async move {
                match due {
                    Some(at) => clock.sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                message = self.inbox.recv() => match message {
                    Some(message) => {
                        // Whoever the last commit has just answered may have its next word ready: it shares this commit.
                        tokio::task::yield_now().await;
                        self.take_all(message);
                    }
                    None => return,
                },
                guard = wake => {
                    self.wake_at = None;
                    self.guards.push(guard);
                    self.partition.handle(Input::Wake, self.clock.now());
                }
            }
            self.pump().await;
        }
    }

    /// One input has come: take every other that waits, up to a batch.
    fn take_all(&mut self, first: Message) {
        self.take(first);
        for _ in 1..BATCH_COMMANDS_MAX {
            if self.stopping {
                return;
            }
            match self.inbox.try_recv() {
                Ok(message) => self.take(message),
                Err(_) => return,
            }
        }
    }

    fn take(&mut self, message: Message) {
        let now = self.clock.now();
        match message {
            Message::Submit(submission) => {
                let Submission { work, key, user, reply, offer, guard } = *submission;
                self.guards.push(guard);
                self.next_request += 1;
                let id = self.next_request;
                self.replies.insert(id, reply);
                self.partition.handle(Input::Submit(Request { id, key, user, work }), now);
                if let Some(offer) = offer {
                    self.partition.handle(Input::Offer(offer), now);
                }
            }
            Message::Offer(offer, guard) => {
                self.guards.push(guard);
                self.partition.handle(Input::Offer(offer), now);
            }
            Message::Look => self.partition.handle(Input::Look, now),
            Message::Stop => self.stopping = true,
        }
    }

    async fn pump(&mut self) {
        self.sure = false;
        while let Some(output) = self.partition.poll() {
            let is_commit = matches!(output, Output::Commit(_));
            self.interpret(output).await;
            let goes_on = !self.stepped_down && !self.stopping;
            if is_commit && goes_on && !planted::is("due-before-commands") {
                self.take_waiting();
            }
        }
        self.guards.clear();
    }

    /// While much is due, one batch follows another: what has come meanwhile is in the next one, not behind the last.
    fn take_waiting(&mut self) {
        if let Ok(message) = self.inbox.try_recv() {
            // What is asked now must be so now, and the database has spoken before.
            self.sure = false;
            self.take_all(message);
        }
    }

    async fn interpret(&mut self, output: Output) {
        match output {
            asked @ (Output::Load { .. }
            | Output::LoadDefinition(_)
            | Output::LoadClosed { .. }
            | Output::LoadInbox
            | Output::LoadCatalog { .. }
            | Output::LoadSchedule { .. }) => {
                if let Some(answer) = self.ask(&asked).await {
                    self.partition.handle(answer, self.clock.now());
                }
            }
            Output::Commit(transaction) => {
                let batch = transaction.fence.batch;
                let begun = Instant::now();
                let transaction = Arc::new(transaction);
                let stored = self.store.commit(Arc::clone(&transaction)).await;
                self.metrics.committed(&transaction, begun.elapsed(), stored.is_ok());
                let input = match stored {
                    Ok(()) => {
                        self.sure = true;
                        Input::Committed { batch }
                    }
                    Err(error) => {
                        if error == CommitError::Failed {
                            tracing::warn!("a commit failed; it runs again");
                            tokio::time::sleep(AWAY_PAUSE).await;
                        }
                        Input::CommitFailed { batch, error }
                    }
                };
                self.partition.handle(input, self.clock.now());
            }
            Output::Reply { request, result } => {
                if !self.is_owner().await {
                    self.stepped_down = true;
                    self.replies.clear();
                    return;
                }
                if let Some(reply) = self.replies.remove(&request) {
                    // Whoever asked may have gone; the command stands all the same.
                    let _gone = reply.send(result);
                }
            }
            Output::Effect(notice) => (self.outlet)(notice, self.clock.guard()),
            Output::WakeAt(at) => self.wake_at = Some(at),
            Output::StepDown => {
                tracing::warn!(partition.id = self.partition.id().0, "another process has taken this partition");
                self.stepped_down = true;
            }
        }
    }

    /// Whether what the partition says is so at some time since the requests at hand came.
    async fn is_owner(&mut self) -> bool {
        while self.store.is_shared() && !self.sure && !self.tenure.is_sure() {
            match self.store.owns(self.partition.id()).await {
                Ok(true) => self.sure = true,
                Ok(false) => return false,
                Err(error) => {
                    tracing::warn!("the store does not answer: {error}");
                    tokio::time::sleep(AWAY_PAUSE).await;
                }
            }
        }
        true
    }

    /// Asks until the store answers.
    async fn ask(&self, question: &Output) -> Option<Input> {
        loop {
            match self.store.answer(self.partition.id(), question).await {
                Ok(answer) => return answer,
                Err(error) => {
                    tracing::warn!("the store does not answer: {error}");
                    tokio::time::sleep(AWAY_PAUSE).await;
                }
            }
        }
    }
}
