//! Where work goes: to the partition that it concerns, which this node runs, or another. Then it goes by that partition's inbox,
//! and its answer comes back by this node's outcomes.

use crate::base::id::{InstanceId, PartitionId, TokenId};
use crate::engine::command::{Answer, Command};
use crate::partition::transaction::{CommandKey, ParcelRow};
use crate::partition::{Asked, Offer, Parcel, Reply, Work, first_partition};
use crate::runtime::cluster::Told;
use crate::runtime::driver::{self, Message, Submission};
use crate::runtime::metrics;
use crate::runtime::node::{Node, SubmitError};
use crate::runtime::partitions::Partitions;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How long an answer may take, here or at another node: a dead one's partitions have a new owner by then, and nobody waits
/// without end for a database that is away.
const ANSWER_DEADLINE: Duration = Duration::from_secs(15);
/// A deployment is answered when every partition knows of it, or after this time.
const KNOWN_DEADLINE: Duration = Duration::from_secs(5);
/// How often who waits looks whether the disk is full.
const FULL_PAUSE: Duration = Duration::from_millis(250);
const KNOWN_PAUSE: Duration = Duration::from_millis(2);
/// Between a key and the partition to which a part of its request went.
const PART: char = '\u{1f}';

type Key = (CommandKey, String);
type Jobs = Vec<(InstanceId, TokenId, i64)>;

impl Node {
    /// Hands work to its partition; the answer comes after its commit. Not cancelled by dropping the future: the command
    /// then stands without anyone to hear.
    ///
    /// # Errors
    /// It was refused, and nothing has changed; or it could not be handed over or answered: then whether it was done is not known,
    /// and a repeat under the same key does it once.
    pub async fn submit(&self, work: Work, key: Option<Key>, user: Option<String>) -> Result<Reply, SubmitError> {
        self.submit_with(work, key, user, None).await
    }

    pub async fn command(&self, instance: InstanceId, command: Command) -> Result<Answer, SubmitError> {
        let reply = self.submit(Work::Instance { instance, command }, None, None).await?;
        Ok(reply.done().unwrap_or_default())
    }

    /// The same; with it comes what this process takes from now on.
    pub(super) async fn submit_with(
        &self,
        work: Work,
        key: Option<Key>,
        user: Option<String>,
        offer: Option<Offer>,
    ) -> Result<Reply, SubmitError> {
        let kind = metrics::kind(&work);
        let result = self.place(work, key, user, offer).await;
        self.0.metrics.command(kind, &result);
        result
    }

    async fn place(
        &self,
        work: Work,
        key: Option<Key>,
        user: Option<String>,
        offer: Option<Offer>,
    ) -> Result<Reply, SubmitError> {
        self.has_room()?;
        if let Work::Lease { candidates, holder, until, max } = work {
            let wanted = Wanted { holder, until, user };
            return self.lease(candidates, wanted, max, key).await;
        }
        let concerns_all = concerns_all(&work);
        let to = self.0.partitions.of(&work, key.as_ref());
        let reply = self.submit_to(to, work, key, user, offer).await?;
        if concerns_all {
            self.known_everywhere().await;
        }
        Ok(reply)
    }

    async fn submit_to(
        &self,
        to: PartitionId,
        work: Work,
        key: Option<Key>,
        user: Option<String>,
        offer: Option<Offer>,
    ) -> Result<Reply, SubmitError> {
        let (reply, answer) = oneshot::channel();
        let guard = self.clock().guard();
        let submission = Box::new(Submission { work, key, user, reply, offer, guard });
        let refused = match self.0.partitions.queue(to) {
            Some(queue) => match queue.try_send(Message::Submit(submission)) {
                Ok(()) => {
                    return match tokio::time::timeout(ANSWER_DEADLINE, self.heard(answer)).await {
                        Ok(answer) => answer,
                        Err(_) => Err(SubmitError::Unanswered),
                    };
                }
                Err(mpsc::error::TrySendError::Full(_)) => return Err(SubmitError::Busy),
                Err(mpsc::error::TrySendError::Closed(message)) => message,
            },
            None => Message::Submit(submission),
        };
        let Message::Submit(submission) = refused else { return Err(SubmitError::Away) };
        let Submission { work, key, user, .. } = *submission;
        self.ask(to, work, key, user).await
    }

    /// A full disk is told to those who wait: what they asked for stands, and is done when there is room.
    async fn heard(&self, mut answer: oneshot::Receiver<driver::Answer>) -> Result<Reply, SubmitError> {
        loop {
            tokio::select! {
                answer = &mut answer => return answer.map_err(|_| SubmitError::Away)?.map_err(SubmitError::from),
                () = tokio::time::sleep(FULL_PAUSE) => self.has_room()?,
            }
        }
    }

    /// Nothing new is taken, and no job leased, before a write goes through again.
    fn has_room(&self) -> Result<(), SubmitError> {
        match self.store().is_full() {
            true => Err(SubmitError::Full { shared: self.store().is_shared() }),
            false => Ok(()),
        }
    }

    /// Tells a partition how many jobs of a topic this process takes now.
    pub(super) async fn offer(&self, partition: PartitionId, offer: Offer) {
        let guard = self.clock().guard();
        if let Some(queue) = self.0.partitions.queue(partition) {
            // A closed queue: the partition has gone elsewhere, and nothing is offered there.
            let _stopped = queue.send(Message::Offer(offer, guard)).await;
        }
    }

    /// The same to every partition of this node.
    pub(super) async fn offer_everywhere(&self, offer: &Offer) {
        for partition in self.0.partitions.ids() {
            self.offer(partition, offer.clone()).await;
        }
    }

    /// What a driver that has stopped did not take any more.
    pub(super) fn hand_on(&self, to: PartitionId, submission: Submission) {
        let node = self.clone();
        tokio::spawn(async move {
            let Submission { work, key, user, reply, guard, .. } = submission;
            let answer = node.submit_to(to, work, key, user, None).await;
            drop(guard);
            let answer: driver::Answer = match answer {
                Ok(answer) => Ok(answer),
                Err(SubmitError::Rejected(rejection)) => Err(rejection),
                Err(SubmitError::Busy | SubmitError::Away | SubmitError::Unanswered | SubmitError::Full { .. }) => {
                    return;
                }
            };
            // Whoever asked may have gone; the command stands all the same.
            let _gone = reply.send(answer);
        });
    }

    /// By the inbox of a partition that another node runs.
    async fn ask(
        &self,
        to: PartitionId,
        work: Work,
        key: Option<Key>,
        user: Option<String>,
    ) -> Result<Reply, SubmitError> {
        if !self.store().is_shared() || self.is_stopped() {
            return Err(SubmitError::Away);
        }
        let (number, answer) = self.0.cluster.expect_answer();
        let asked = Asked { node: self.0.member.name.clone(), number, key, user, work };
        let body = Parcel::Request(Box::new(asked)).to_json();
        let row = ParcelRow { to, id: -number, at: self.clock().now(), body };
        if let Err(error) = self.store().post(&row).await {
            tracing::warn!(partition.id = to.0, "a request could not be handed on: {error}");
            self.0.cluster.forget_answer(number);
            return Err(SubmitError::Unanswered);
        }
        self.0.cluster.tell(Told::Parcel(to));
        match tokio::time::timeout(ANSWER_DEADLINE, answer).await {
            Ok(Ok(answer)) => Ok(answer?),
            Ok(Err(_)) => Err(SubmitError::Away),
            Err(_) => {
                self.0.cluster.forget_answer(number);
                // Taken back before anybody opened it: then it is sure that nothing was done.
                match self.store().withdraw(to, row.id).await {
                    Ok(true) => Err(SubmitError::Away),
                    Ok(false) | Err(_) => Err(SubmitError::Unanswered),
                }
            }
        }
    }

    /// Waits until the other partitions have heard what the first one has told them.
    async fn known_everywhere(&self) {
        if self.0.partitions.all == 1 {
            return;
        }
        let wait = async {
            let mut last = self.store().last_posted(first_partition(), None).await?;
            while last.is_some() {
                tokio::time::sleep(KNOWN_PAUSE).await;
                last = self.store().last_posted(first_partition(), last).await?;
            }
            Ok::<(), crate::store::StoreError>(())
        };
        match tokio::time::timeout(KNOWN_DEADLINE, wait).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!("whether every partition knows of a change is not known: {error}"),
            Err(_) => tracing::warn!("not every partition knows of a change yet: one has no owner"),
        }
    }

    /// Leases of jobs in several partitions: each gives those that it can, until there are enough.
    async fn lease(
        &self,
        candidates: Vec<(InstanceId, TokenId)>,
        wanted: Wanted,
        max: usize,
        key: Option<Key>,
    ) -> Result<Reply, SubmitError> {
        if self.0.partitions.all == 1 {
            return self.submit_to(first_partition(), wanted.work(candidates, max), key, wanted.user, None).await;
        }
        if let Some((key, digest)) = &key
            && let Some(repeated) = self.leased_before(key, digest).await?
        {
            return Ok(repeated);
        }
        let mut leased = Jobs::new();
        let mut rest = candidates.into_iter();
        while leased.len() < max {
            let some: Vec<_> = rest.by_ref().take(max - leased.len()).collect();
            if some.is_empty() {
                break;
            }
            let parts = by_partition(some).into_iter().map(|(to, candidates)| {
                let count = candidates.len();
                let key = key.clone().map(|key| part_of(key, to));
                self.submit_to(to, wanted.work(candidates, count), key, wanted.user.clone(), None)
            });
            for reply in futures_util::future::join_all(parts).await {
                leased.extend(reply?.leased().unwrap_or_default());
            }
            if key.is_some() {
                break; // what a key stands for has been done once
            }
        }
        Ok(Reply::Leased(leased))
    }

    /// What a request under this key has leased, in whichever partitions.
    async fn leased_before(&self, key: &CommandKey, digest: &str) -> Result<Option<Reply>, SubmitError> {
        let all =
            (0..self.0.partitions.all).map(|partition| part_of((key.clone(), String::new()), PartitionId(partition)).0);
        let answers = self.store().kept_answers(&all.collect::<Vec<_>>()).await;
        let answers = answers.map_err(|error| {
            tracing::warn!("whether a key was used is not known: {error}");
            SubmitError::Away
        })?;
        if answers.is_empty() {
            return Ok(None);
        }
        if answers.iter().any(|answer| answer.digest != digest) {
            return Err(crate::engine::command::Rejection::KeyReused.into());
        }
        let jobs = answers.iter().filter_map(|answer| Reply::kept_leases(&answer.answer)).flatten();
        Ok(Some(Reply::Leased(jobs.collect())))
    }
}

/// What a lease is asked with.
struct Wanted {
    holder: String,
    until: crate::base::time::Timestamp,
    user: Option<String>,
}

impl Wanted {
    fn work(&self, candidates: Vec<(InstanceId, TokenId)>, max: usize) -> Work {
        Work::Lease { candidates, holder: self.holder.clone(), until: self.until, max }
    }
}

impl Partitions {
    /// Where a piece of work belongs. With a key always to the same, so that a repeat meets the first.
    fn of(&self, work: &Work, key: Option<&Key>) -> PartitionId {
        match work {
            Work::Instance { instance, .. } => instance.partition(),
            Work::Deliver { letter, .. } => InstanceId(*letter).partition(),
            Work::Deploy(_) | Work::DeleteDeployment { .. } | Work::SuspendDefinition { .. } => first_partition(),
            Work::Start { .. } | Work::Say(_) | Work::KeepEvaluation(_) | Work::Lease { .. } => match key {
                Some((key, _)) if self.all > 1 => PartitionId(home(key).rem_euclid(self.all)),
                Some(_) | None => self.next(),
            },
        }
    }
}

/// What every partition must know of.
fn concerns_all(work: &Work) -> bool {
    match work {
        Work::Deploy(_) | Work::DeleteDeployment { .. } | Work::SuspendDefinition { .. } => true,
        Work::Instance { .. }
        | Work::Start { .. }
        | Work::Lease { .. }
        | Work::Deliver { .. }
        | Work::Say(_)
        | Work::KeepEvaluation(_) => false,
    }
}

/// The same on every node and in every version: FNV-1a over the key's parts.
fn home(key: &CommandKey) -> i64 {
    let parts = [&key.tenant, &key.route, &key.key].map(String::as_bytes).join(&0);
    let hash = parts
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
    i64::try_from(hash >> 1).expect("63 bits")
}

fn part_of((key, digest): Key, partition: PartitionId) -> Key {
    (CommandKey { key: format!("{}{PART}{}", key.key, partition.0), ..key }, digest)
}

fn by_partition(candidates: Vec<(InstanceId, TokenId)>) -> BTreeMap<PartitionId, Vec<(InstanceId, TokenId)>> {
    let mut parts: BTreeMap<PartitionId, Vec<(InstanceId, TokenId)>> = BTreeMap::new();
    for (instance, token) in candidates {
        parts.entry(instance.partition()).or_default().push((instance, token));
    }
    parts
}
