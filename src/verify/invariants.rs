//! What must hold of rows and records at any time, in any harness and on a live database.

use super::game::Game;
use super::{Told, Violation};
use crate::base::id::{InstanceId, LocalId, TokenId};
use crate::base::limits::EXPIRIES_MAX;
use crate::base::time::Timestamp;
use crate::engine::event::{Event, JobEnd};
use crate::engine::index::{CONTINUE, Index, IndexKey, index};
use crate::engine::instance::{Head, Instance, InstanceState, OF_SCOPE, Wait};
use std::collections::BTreeMap;

const LAYER: &str = "invariants";

fn violation(rule: &'static str, instance: Option<InstanceId>, what: String) -> Violation {
    Violation { rule, layer: LAYER, instance, what }
}

/// I2: the stored rows are those of the stored state, and each stands for exactly one token that waits for it.
pub fn rows(instance: &Instance, stored: &Index) -> Result<(), Violation> {
    let wrong = |what: String| violation("I2", Some(instance.id()), what);
    let mut wanted = Index::new();
    for scope in instance.scopes.keys() {
        wanted.extend(index(instance, *scope));
    }
    if let Some(key) = wanted.keys().find(|key| stored.get(*key) != wanted.get(*key)) {
        return Err(wrong(format!("row {key:?} is {:?}, but the state says {:?}", stored.get(key), wanted[key])));
    }
    if let Some(key) = stored.keys().find(|key| !wanted.contains_key(*key)) {
        return Err(wrong(format!("row {key:?} stands for nothing")));
    }
    match stored.keys().find(|key| !has_its_token(instance, key)) {
        Some(key) => Err(wrong(format!("row {key:?} has no token that waits for it"))),
        None => waits(instance).map_err(wrong),
    }
}

fn has_its_token(instance: &Instance, key: &IndexKey) -> bool {
    let waits = |token: TokenId, like: fn(&Wait) -> bool| {
        instance.find(token).is_some_and(|(_, token)| match &token.wait {
            Wait::Incident(incident) => incident.held.as_deref().is_some_and(like),
            wait => like(wait),
        })
    };
    match key {
        IndexKey::Job(CONTINUE) => instance.head.continues,
        IndexKey::Job(token) => waits(*token, |wait| matches!(wait, Wait::Job(_))),
        IndexKey::UserTask(token) | IndexKey::Candidate(token, ..) => {
            waits(*token, |wait| matches!(wait, Wait::UserTask(_)))
        }
        IndexKey::Timer(id) | IndexKey::Subscription(id) => instance
            .subscription(*id)
            .is_some_and(|(_, armed)| armed.owner == OF_SCOPE || instance.find(armed.owner).is_some()),
        IndexKey::Incident(id) => {
            let stands = |wait: &Wait| matches!(wait, Wait::Incident(incident) if incident.id == *id);
            instance.tokens().filter(|(_, _, token)| stands(&token.wait)).count() == 1
        }
        IndexKey::Variable(scope, _) => instance.scopes.contains_key(scope),
    }
}

/// A token that waits for a scope is waited for by it.
fn waits(instance: &Instance) -> Result<(), String> {
    for (_, id, token) in instance.tokens() {
        if let Wait::Scope(scope) = token.wait
            && instance.scopes.get(&scope).is_none_or(|scope| scope.owner != Some(id))
        {
            return Err(format!("token {id} waits for scope {scope}, which is not its own"));
        }
    }
    Ok(())
}

/// I1 and I5: the tokens that the history leaves alive are those that are stored.
pub fn marking(instance: &Instance, game: &Game) -> Result<(), Violation> {
    let process = &instance.definition.process;
    let stored: BTreeMap<_, _> =
        instance.tokens().map(|(scope, id, token)| (id, (scope, process.node(token.at).id.clone()))).collect();
    let told = game.marking();
    if stored == told {
        return Ok(());
    }
    Err(violation("I5", Some(instance.id()), format!("stored tokens {stored:?}, but the history tells {told:?}")))
}

/// I4: what an ended instance may still have: its head and its history.
pub fn ended(id: InstanceId, state: InstanceState, body: &str, rows: usize, scopes: usize) -> Result<(), Violation> {
    if !state.is_ended() || (body.is_empty() && rows == 0 && scopes == 0) {
        return Ok(());
    }
    let what = format!("ended, but with {} bytes of state, {rows} index rows, {scopes} scopes", body.len());
    Err(violation("I4", Some(id), what))
}

/// I4: no called instance lives longer than its caller.
pub fn family<'a>(heads: impl Iterator<Item = &'a Head> + Clone) -> Result<(), Violation> {
    let states: BTreeMap<InstanceId, _> = heads.clone().map(|head| (head.id, head.state)).collect();
    for head in heads.filter(|head| !head.state.is_ended()) {
        if let Some(caller) = head.caller
            && states.get(&caller.instance).is_none_or(|state| state.is_ended())
        {
            return Err(violation("I4", Some(head.id), format!("its caller {} has ended", caller.instance)));
        }
    }
    Ok(())
}

/// I5: the line of records, without gap, double, or a step back in time.
#[derive(Debug, Default)]
pub struct Line {
    position: i64,
    at: Timestamp,
}

impl Line {
    pub fn next(&mut self, told: &Told<'_>) -> Result<(), Violation> {
        let expected = self.position + 1;
        if told.position != expected {
            let what = format!("position {} follows {}", told.position, self.position);
            return Err(violation("I5", told.instance, what));
        }
        if told.at < self.at {
            let what = format!("at position {expected} the clock went back from {:?} to {:?}", self.at, told.at);
            return Err(violation("I5", told.instance, what));
        }
        (self.position, self.at) = (told.position, told.at);
        Ok(())
    }
}

/// I6 to I9: the book of leases, completions and timers, kept from the records alone.
#[derive(Debug, Default)]
pub struct Ledger {
    jobs: BTreeMap<(InstanceId, TokenId), Job>,
    timers: BTreeMap<(InstanceId, LocalId), Timestamp>,
}

#[derive(Debug, Default)]
struct Job {
    open: bool,
    lease_no: i64,
    /// Until when it is held.
    held: Option<Timestamp>,
    expiries: i64,
}

impl Ledger {
    pub fn tell(&mut self, told: &Told<'_>) -> Result<(), Violation> {
        let Some(instance) = told.instance else { return Ok(()) };
        for event in told.events {
            self.enter(instance, told.at, event).map_err(|(rule, what)| {
                violation(rule, Some(instance), format!("{what} (position {})", told.position))
            })?;
        }
        Ok(())
    }

    /// I9: timers that should have fired long ago.
    pub fn overdue(&self, now: Timestamp, grace_ms: i64) -> impl Iterator<Item = (InstanceId, Timestamp)> {
        let late = move |due: &Timestamp| due.plus_ms(grace_ms) < now;
        self.timers.iter().filter(move |(_, due)| late(due)).map(|((instance, _), due)| (*instance, *due))
    }

    fn enter(&mut self, instance: InstanceId, at: Timestamp, event: &Event) -> Result<(), (&'static str, String)> {
        match event {
            Event::JobOpened { .. }
            | Event::JobLeased { .. }
            | Event::LeaseExtended { .. }
            | Event::LeaseReleased { .. }
            | Event::LeaseExpired { .. }
            | Event::JobFailed { .. }
            | Event::RetriesSet { .. }
            | Event::IncidentResolved { .. }
            | Event::JobClosed { .. } => self.of_job(instance, at, event),
            Event::Armed { .. } | Event::Fired { .. } | Event::Disarmed { .. } => self.of_timer(instance, at, event),
            Event::InstanceEnded { .. } => {
                self.timers.retain(|(of, _), _| *of != instance);
                self.jobs.retain(|(of, _), _| *of != instance);
                Ok(())
            }
            Event::InstanceCreated { .. }
            | Event::TokenEntered { .. }
            | Event::TokenLeft { .. }
            | Event::TokenJoined { .. }
            | Event::TokenCancelled { .. }
            | Event::FlowTaken { .. }
            | Event::ScopeOpened { .. }
            | Event::ScopeClosed { .. }
            | Event::WentOn { .. }
            | Event::ScopeChanged { .. }
            | Event::Compensable { .. }
            | Event::CompensationThrown { .. }
            | Event::Compensated { .. }
            | Event::TransactionCancelled { .. }
            | Event::VariableSet { .. }
            | Event::VariableRemoved { .. }
            | Event::ResultRefused { .. }
            | Event::UserTaskCreated { .. }
            | Event::UserTaskChanged { .. }
            | Event::UserTaskClosed { .. }
            | Event::Called { .. }
            | Event::ErrorThrown { .. }
            | Event::Escalated { .. }
            | Event::SignalThrown { .. }
            | Event::DecisionEvaluated { .. }
            | Event::IncidentRaised { .. }
            | Event::ListenerFailed { .. }
            | Event::InstanceSuspended
            | Event::InstanceResumed => Ok(()),
        }
    }

    fn of_job(&mut self, instance: InstanceId, at: Timestamp, event: &Event) -> Result<(), (&'static str, String)> {
        match event {
            Event::JobOpened { token, .. } => {
                // The numbers go on: a later job of the token must not be taken for an earlier one.
                let job = self.jobs.entry((instance, *token)).or_default();
                *job = Job { open: true, lease_no: job.lease_no, ..Job::default() };
            }
            Event::JobLeased { token, lease_no, until, .. } => {
                self.job(instance, *token)?.lease(*lease_no, *until, at)?;
            }
            Event::LeaseExtended { token, lease_no, until } => {
                let job = self.job(instance, *token)?;
                job.current(*lease_no, "extended")?;
                job.held = Some(*until);
            }
            Event::LeaseReleased { token, lease_no } | Event::JobFailed { token, lease_no, .. } => {
                let job = self.job(instance, *token)?;
                job.current(*lease_no, "given back")?;
                job.held = None;
            }
            Event::LeaseExpired { token, lease_no, expiries } => {
                self.job(instance, *token)?.expire(*lease_no, *expiries, at)?;
            }
            Event::RetriesSet { token, .. } => {
                if let Some(job) = self.jobs.get_mut(&(instance, *token)) {
                    job.expiries = 0;
                }
            }
            // The job begins anew; whoever held it has lost it.
            Event::IncidentResolved { token, .. } => {
                if let Some(job) = self.jobs.get_mut(&(instance, *token)) {
                    (job.expiries, job.held) = (0, None);
                }
            }
            Event::JobClosed { token, lease_no, how } => {
                let job = self.job(instance, *token)?;
                if *how == JobEnd::Completed {
                    job.current(*lease_no, "completed")?;
                }
                (job.open, job.held) = (false, None);
            }
            other => unreachable!("not of a job: {other:?}"),
        }
        Ok(())
    }

    fn of_timer(&mut self, instance: InstanceId, at: Timestamp, event: &Event) -> Result<(), (&'static str, String)> {
        match event {
            Event::Armed { id, due: Some(due), .. } => {
                self.timers.insert((instance, *id), *due);
            }
            Event::Fired { id, due: Some(due), .. } => match self.timers.remove(&(instance, *id)) {
                Some(armed) if armed == *due && *due <= at => {}
                Some(armed) => {
                    return Err(("I9", format!("timer {id}, due {armed:?}, fired for {due:?} at {at:?}")));
                }
                None => return Err(("I9", format!("timer {id} fired twice"))),
            },
            Event::Disarmed { id, .. } => {
                self.timers.remove(&(instance, *id));
            }
            _message_or_error => {}
        }
        Ok(())
    }

    fn job(&mut self, instance: InstanceId, token: TokenId) -> Result<&mut Job, (&'static str, String)> {
        let absent = || ("I6", format!("token {token} has no open job, or had it completed before"));
        self.jobs.get_mut(&(instance, token)).filter(|job| job.open).ok_or_else(absent)
    }
}

impl Job {
    fn lease(&mut self, lease_no: i64, until: Timestamp, at: Timestamp) -> Result<(), (&'static str, String)> {
        if lease_no != self.lease_no + 1 {
            return Err(("I7", format!("lease {lease_no} follows {}", self.lease_no)));
        }
        if let Some(held) = self.held.replace(until) {
            return Err(("I7", format!("leased at {at:?} though held until {held:?}")));
        }
        self.lease_no = lease_no;
        Ok(())
    }

    fn current(&self, lease_no: i64, what: &str) -> Result<(), (&'static str, String)> {
        if lease_no == self.lease_no && self.held.is_some() {
            return Ok(());
        }
        Err(("I6", format!("{what} under lease {lease_no}, while lease {} counts", self.lease_no)))
    }

    /// A lease that ended without a word costs exactly one.
    fn expire(&mut self, lease_no: i64, expiries: i64, at: Timestamp) -> Result<(), (&'static str, String)> {
        self.current(lease_no, "expired")?;
        if self.held.take().is_some_and(|until| until > at) {
            return Err(("I7", format!("lease {lease_no} was ended before its time")));
        }
        self.expiries += 1;
        if expiries != self.expiries || expiries > EXPIRIES_MAX {
            return Err(("I7", format!("{} leases ended without a word, {expiries} were counted", self.expiries)));
        }
        Ok(())
    }
}

/// How a client's call was answered; each call left a mark that is its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    Accepted,
    Refused,
    /// No answer: wholly present or wholly absent.
    Nothing,
}

/// I10: an accepted call is present once, a refused one is not.
pub fn answers<'a>(
    calls: impl Iterator<Item = (&'a str, Answered)>,
    marks: &BTreeMap<String, usize>,
) -> Result<(), Violation> {
    for (mark, answered) in calls {
        let times = marks.get(mark).copied().unwrap_or(0);
        let fits = match answered {
            Answered::Accepted => times == 1,
            Answered::Refused => times == 0,
            Answered::Nothing => times <= 1,
        };
        if !fits {
            return Err(violation(
                "I10",
                None,
                format!("call {mark} was answered {answered:?} and is there {times} times"),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(position: i64, at: i64, events: &[Event]) -> Told<'_> {
        Told { position, instance: Some(InstanceId(1)), at: Timestamp(at), cause: "test", events }
    }

    #[test]
    fn a_gap_and_a_step_back_in_time_are_seen() {
        let mut line = Line::default();
        assert!(line.next(&told(1, 5, &[])).is_ok());
        assert_eq!(line.next(&told(3, 6, &[])).unwrap_err().rule, "I5");
        assert_eq!(line.next(&told(2, 4, &[])).unwrap_err().rule, "I5");
    }

    #[test]
    fn a_completion_under_an_old_lease_is_seen() {
        let token = TokenId(1);
        let lease = |lease_no, until| Event::JobLeased { token, lease_no, holder: "w".into(), until: Timestamp(until) };
        let opened = Event::JobOpened { token, topic: "t".into(), kind: crate::engine::job::JobKind::External };
        let closed = |lease_no| Event::JobClosed { token, lease_no, how: JobEnd::Completed };
        let mut ledger = Ledger::default();
        assert!(ledger.tell(&told(1, 0, &[opened, lease(1, 10)])).is_ok());
        let expired = Event::LeaseExpired { token, lease_no: 1, expiries: 1 };
        assert!(ledger.tell(&told(2, 10, &[expired, lease(2, 20)])).is_ok());
        assert_eq!(ledger.tell(&told(3, 11, &[closed(1)])).unwrap_err().rule, "I6");
        assert!(ledger.tell(&told(4, 12, &[closed(2)])).is_ok());
        assert_eq!(ledger.tell(&told(5, 13, &[closed(2)])).unwrap_err().rule, "I6");
    }

    #[test]
    fn an_early_and_a_doubled_timer_are_seen() {
        let id = LocalId(4);
        let due = Some(Timestamp(100));
        let at = crate::base::id::ElementId::from("t");
        let armed = Event::Armed { id, owner: TokenId(1), scope: None, at: at.clone(), due };
        let fired = Event::Fired { id, at, due };
        let mut ledger = Ledger::default();
        assert!(ledger.tell(&told(1, 0, std::slice::from_ref(&armed))).is_ok());
        assert_eq!(ledger.overdue(Timestamp(200), 50).count(), 1);
        assert!(ledger.tell(&told(2, 99, std::slice::from_ref(&fired))).is_err());
        assert!(ledger.tell(&told(3, 100, &[armed, fired.clone()])).is_ok());
        assert_eq!(ledger.tell(&told(4, 101, &[fired])).unwrap_err().rule, "I9");
    }

    #[test]
    fn answers_are_compared_with_what_is_there() {
        let marks = BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 2)]);
        assert!(answers([("a", Answered::Accepted), ("c", Answered::Refused)].into_iter(), &marks).is_ok());
        assert!(answers([("b", Answered::Accepted)].into_iter(), &marks).is_err());
        assert!(answers([("a", Answered::Refused)].into_iter(), &marks).is_err());
        assert!(answers([("c", Answered::Accepted)].into_iter(), &marks).is_err());
    }
}
