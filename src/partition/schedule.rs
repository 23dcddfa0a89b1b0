//! What is due: a bounded window over index rows (timers, lease ends, jobs without a lease) and the start timers.
//!
//! The rows are the truth, memory is a window: all entries due before the horizon are here, later ones are read when time
//! comes near. Memory does not grow with waiting instances. Jobs that wait for a worker may be very many, so they are kept
//! only for topics on offer; for others it is enough to tell once that there is work.

use super::transaction::StartKey;
use super::{Due, DueWhat, Notice, Output};
use crate::base::id::{InstanceId, TokenId};
use crate::base::limits::SCHEDULE_WINDOW_MAX;
use crate::base::planted;
use crate::base::time::Timestamp;
use crate::engine::index::{Common, IndexKey, IndexRow};
use crate::engine::job::JobKind;
use std::collections::{BTreeMap, BTreeSet};

/// How far ahead a window reaches when few entries are due.
const SPAN_MS: i64 = 3_600_000;
/// The next window is read when its time is so near.
const MARGIN_MS: i64 = 60_000;

#[derive(Debug, Default)]
pub(super) struct Schedule {
    window: BTreeSet<Due>,
    /// Everything due before is in the window.
    horizon: Option<Timestamp>,
    /// A window is being read: what is committed meanwhile must not be missed.
    asked: Option<Asked>,
    ready: BTreeMap<String, Ready>,
    starts: BTreeSet<(Timestamp, StartKey)>,
    wake: Option<Timestamp>,
}

#[derive(Debug)]
struct Asked {
    until: Timestamp,
    since: Timestamp,
    topics: Vec<String>,
}

/// Jobs that a topic on offer may have now, oldest first.
#[derive(Debug, Default)]
struct Ready {
    jobs: BTreeSet<(Timestamp, InstanceId, TokenId, JobKind)>,
    /// There may be more in the rows than here.
    more: bool,
}

/// When a row asks for attention, if ever: the schedule's only rule, the same for rows read and rows written.
pub fn due_of(common: &Common, key: &IndexKey, row: &IndexRow) -> Option<Due> {
    match (key, row) {
        (IndexKey::Timer(id), IndexRow::Timer(timer)) if !common.suspended => {
            Some(Due { at: timer.due, what: DueWhat::Timer(common.instance, *id) })
        }
        (IndexKey::Job(token), IndexRow::Job(job)) if !job.incident => match job.until {
            Some(until) => Some(Due { at: until, what: DueWhat::LeaseEnd(common.instance, *token, job.lease_no) }),
            None if common.suspended || job.retries.is_some_and(|left| left <= 0) => None,
            None => {
                let what = DueWhat::JobReady(common.instance, *token, job.kind, job.topic.clone());
                Some(Due { at: job.due, what })
            }
        },
        (
            IndexKey::Job(_)
            | IndexKey::UserTask(_)
            | IndexKey::Candidate(..)
            | IndexKey::Timer(_)
            | IndexKey::Subscription(_)
            | IndexKey::Incident(_)
            | IndexKey::Variable(..),
            _,
        ) => None,
    }
}

impl Due {
    /// Waits for a worker, where everything else is done by the partition itself.
    pub(super) fn wanted_topic(&self) -> Option<&str> {
        match &self.what {
            DueWhat::JobReady(_, _, JobKind::Continuation, _) => None,
            DueWhat::JobReady(_, _, JobKind::External | JobKind::Decision | JobKind::Script, topic) => Some(topic),
            DueWhat::Timer(..) | DueWhat::LeaseEnd(..) | DueWhat::Start(..) => None,
        }
    }

    pub(super) fn instance(&self) -> Option<InstanceId> {
        match &self.what {
            DueWhat::Timer(instance, _) | DueWhat::LeaseEnd(instance, ..) | DueWhat::JobReady(instance, ..) => {
                Some(*instance)
            }
            DueWhat::Start(..) => None,
        }
    }
}

impl Schedule {
    /// A row was written; it is in the store now.
    pub(super) fn add(&mut self, due: Due, now: Timestamp) {
        if due.at <= now
            && let Some(topic) = due.wanted_topic()
        {
            if let (DueWhat::JobReady(instance, token, kind, _), Some(ready)) = (&due.what, self.ready.get_mut(topic)) {
                ready.add((due.at, *instance, *token, *kind));
            }
            return;
        }
        if planted::is("back-off-never-re-armed") && due.wanted_topic().is_some() {
            return;
        }
        let reach = self.horizon.max(self.asked.as_ref().map(|asked| asked.until));
        if reach.is_none_or(|reach| due.at >= reach) {
            return;
        }
        self.window.insert(due);
        self.shrink();
    }

    /// A row was changed or deleted, or its moment is over.
    pub(super) fn remove(&mut self, due: &Due) {
        self.window.remove(due);
        if let DueWhat::JobReady(instance, token, kind, topic) = &due.what
            && let Some(ready) = self.ready.get_mut(topic)
        {
            ready.jobs.remove(&(due.at, *instance, *token, *kind));
        }
        if let DueWhat::Start(key) = &due.what {
            self.starts.remove(&(due.at, key.clone()));
        }
    }

    /// Beyond its bound the window reaches less far; the rows keep the rest.
    fn shrink(&mut self) {
        while self.window.len() > SCHEDULE_WINDOW_MAX {
            let last = self.window.pop_last().expect("more than the bound");
            self.horizon = self.horizon.map(|horizon| horizon.min(last.at));
        }
    }

    pub(super) fn loaded(&mut self, entries: Vec<Due>, until: Timestamp, now: Timestamp) {
        let Some(asked) = self.asked.take() else {
            return;
        }; // a doubled answer
        let is_backlog = |due: &&Due| due.at < asked.since && due.wanted_topic().is_some();
        let backlog = entries.iter().filter(is_backlog).count();
        let last = entries.iter().filter(|due| !is_backlog(due)).map(|due| due.at).max();
        self.horizon = Some(match last {
            Some(last) if entries.len() - backlog >= SCHEDULE_WINDOW_MAX => last.min(until),
            Some(_) | None => until,
        });
        for topic in &asked.topics {
            if let Some(ready) = self.ready.get_mut(topic) {
                ready.more = backlog >= SCHEDULE_WINDOW_MAX;
            }
        }
        for due in entries {
            match (&due.what, due.wanted_topic().and_then(|topic| self.ready.get_mut(topic))) {
                (DueWhat::JobReady(instance, token, kind, _), Some(ready)) if due.at <= now => {
                    ready.add((due.at, *instance, *token, *kind));
                }
                (DueWhat::Start(..), _) => {} // the catalog has them
                (DueWhat::LeaseEnd(..), _) if planted::is("in-flight-kept-in-memory") => {}
                (DueWhat::JobReady(..), _) if planted::is("back-off-never-re-armed") && due.at > now => {}
                (DueWhat::Timer(..) | DueWhat::LeaseEnd(..) | DueWhat::JobReady(..), _) => {
                    self.window.insert(due);
                }
            }
        }
        self.shrink();
    }

    /// The start timers of the catalog, all of them: they are as few as models.
    pub(super) fn set_starts(&mut self, starts: impl Iterator<Item = (Timestamp, StartKey)>) {
        self.starts = starts.collect();
    }

    /// A topic came on offer for the first time: its waiting jobs are in the rows.
    pub(super) fn offered(&mut self, topic: &str) {
        if !self.ready.contains_key(topic) {
            self.ready.insert(topic.to_owned(), Ready { jobs: BTreeSet::new(), more: true });
        }
    }

    /// Jobs whose pause has ended go to those that want them; told once where nobody has asked yet.
    pub(super) fn promote(&mut self, now: Timestamp) -> Vec<Notice> {
        let mut told = Vec::new();
        let is_due = |due: &&Due| due.at <= now;
        let ended: Vec<Due> =
            self.window.iter().take_while(is_due).filter(|due| due.wanted_topic().is_some()).cloned().collect();
        for due in ended {
            self.window.remove(&due);
            let DueWhat::JobReady(instance, token, kind, topic) = due.what else {
                continue;
            };
            if let Some(ready) = self.ready.get_mut(&topic) {
                ready.add((due.at, instance, token, kind));
            }
            let notice = Notice::JobOpen { topic, kind };
            if !told.contains(&notice) {
                told.push(notice);
            }
        }
        told
    }

    /// What the partition itself has to do now, earliest first.
    pub(super) fn due(&self, now: Timestamp) -> impl Iterator<Item = Due> {
        let starts = self
            .starts
            .iter()
            .take_while(move |(at, ..)| *at <= now)
            .map(|(at, key)| Due { at: *at, what: DueWhat::Start(key.clone()) });
        starts.chain(self.window.iter().take_while(move |due| due.at <= now).cloned())
    }

    /// Waiting jobs of a topic, oldest first.
    pub(super) fn ready(&self, topic: &str) -> impl Iterator<Item = Due> {
        self.ready.get(topic).into_iter().flat_map(move |ready| {
            ready.jobs.iter().map(move |(at, instance, token, kind)| Due {
                at: *at,
                what: DueWhat::JobReady(*instance, *token, *kind, topic.to_owned()),
            })
        })
    }

    /// Asks for the next window when its time is near, or when topics with free slots may have more jobs in the rows.
    pub(super) fn ask(&mut self, now: Timestamp, free: impl Fn(&str) -> bool) -> Option<Output> {
        if self.asked.is_some() {
            return None;
        }
        let runs_out = self.window.len() < SCHEDULE_WINDOW_MAX / 2
            && self.horizon.is_none_or(|horizon| horizon <= now.plus_ms(MARGIN_MS));
        let wanted = self.ready.iter().filter(|(topic, ready)| ready.more && ready.jobs.is_empty() && free(topic));
        let topics: Vec<String> = wanted.map(|(topic, _)| topic.clone()).collect();
        if !runs_out && topics.is_empty() {
            return None;
        }
        let until = self.horizon.unwrap_or(now).max(now.plus_ms(SPAN_MS));
        self.asked = Some(Asked { until, since: now, topics: topics.clone() });
        Some(Output::LoadSchedule { until, since: now, topics })
    }

    /// The moment at which something has to be done, when it differs from what was said last.
    pub(super) fn wake(&mut self, now: Timestamp) -> Option<Output> {
        let near = (self.window.len() < SCHEDULE_WINDOW_MAX / 2)
            .then(|| self.horizon.map(|at| at.plus_ms(-MARGIN_MS)))
            .flatten();
        let first = self.window.first().map(|due| due.at);
        let start = self.starts.first().map(|(at, ..)| *at);
        let next = [near, first, start].into_iter().flatten().filter(|at| *at > now).min();
        if next == self.wake {
            return None;
        }
        if planted::is("wake-up-lost") {
            return None;
        }
        self.wake = next;
        next.map(Output::WakeAt)
    }
}

impl Ready {
    fn add(&mut self, job: (Timestamp, InstanceId, TokenId, JobKind)) {
        if self.jobs.len() < SCHEDULE_WINDOW_MAX {
            self.jobs.insert(job);
        } else {
            self.more = true;
        }
    }
}
