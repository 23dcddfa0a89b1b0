//! Work that is done outside the run: leases, results, failures, retries, and the end of called processes.
//!
//! `architecture.md` 12: a result counts only under the current lease number, even shortly after its end while nobody else
//! took the job; an older one is refused and stays in the history as evidence.

use crate::base::id::{InstanceId, TokenId};
use crate::base::limits::{ATTEMPTS_DEFAULT, EXPIRIES_MAX};
use crate::base::mark::seen;
use crate::base::planted;
use crate::base::time::{TimerKind, Timestamp, first_due};
use crate::base::variable::{Variable, Variables};
use crate::engine::command::{CallResult, Effect, Failure, Rejection};
use crate::engine::decided::Decided;
use crate::engine::definition::Looping;
use crate::engine::definition::RetryCycle;
use crate::engine::elements::{Behavior, Element};
use crate::engine::event::{Event, JobEnd};
use crate::engine::incident::{BpmnError, Fault, IncidentKind};
use crate::engine::instance::{InstanceState, ScopeKind, Stage, Wait};
use crate::engine::job::{Claim, Job, JobError, JobKind, Lease};
use crate::engine::lifecycle::{self, Cause, Next, Work};
use crate::engine::step::{At, Step};
use crate::engine::{multi_instance, report, standard_loop, throw, variables};
use serde_json::Value;
use std::sync::Arc;

/// Where a called process's data waits while its output mapping cannot be evaluated.
const RETURNED: &str = "transhume.returned";
const POLICY: &str = "transhume.policy";
const AT_MOST_ONCE: &str = "at_most_once";

pub(super) fn lease(step: &mut Step, token: TokenId, holder: String, until: Timestamp) -> Result<(), Rejection> {
    let at = waiting_job(step, token)?;
    let now = step.now;
    let once = step.process.node(at.node).properties.get(POLICY).is_some_and(|policy| policy == AT_MOST_ONCE);
    let job = step.job_mut(at);
    // A lease that is over is taken from its holder here, unless its end is more than an expiry: see `expire`.
    let held = |lease: &&Lease| lease.until > now || once || job.expiries + 1 >= EXPIRIES_MAX;
    if let Some(lease) = job.lease.as_ref().filter(held) {
        return Err(Rejection::AlreadyLeased(lease.holder.clone()));
    }
    if job.due > now || job.retries.is_some_and(|left| left <= 0) {
        return Err(Rejection::TokenNotWaiting(token));
    }
    // A lease that ended without a word, and whose end was not noticed yet.
    let expired = job.lease.take().is_some();
    if expired {
        seen!("lease-taken-over");
        job.expiries += 1;
    }
    job.lease_no += 1;
    job.lease = Some(Lease { holder: holder.clone(), until });
    let (lease_no, expiries) = (job.lease_no, job.expiries);
    if expired {
        step.events.push(Event::LeaseExpired { token, lease_no: lease_no - 1, expiries });
    }
    step.events.push(Event::JobLeased { token, lease_no, holder, until });
    step.answer.lease_no = Some(lease_no);
    Ok(())
}

pub(super) fn extend(step: &mut Step, token: TokenId, claim: &Claim, until: Timestamp) -> Result<(), Rejection> {
    let at = claimed(step, token, claim)?;
    let now = step.now;
    let job = step.job_mut(at);
    let lease_no = job.lease_no;
    match &mut job.lease {
        Some(lease) if lease.until > now => lease.until = until,
        Some(_) | None => return Err(lost(job, claim)),
    }
    step.events.push(Event::LeaseExtended { token, lease_no, until });
    step.answer.lease_no = Some(lease_no);
    Ok(())
}

pub(super) fn release(step: &mut Step, token: TokenId, claim: Option<&Claim>) -> Result<(), Rejection> {
    let at = match claim {
        Some(claim) => claimed(step, token, claim)?,
        None => waiting_job(step, token)?,
    };
    let job = step.job_mut(at);
    let lease_no = job.lease_no;
    if job.lease.take().is_some() {
        let topic = job.topic.clone();
        step.events.push(Event::LeaseReleased { token, lease_no });
        step.effects.push(Effect::JobOpened { token, topic });
    }
    Ok(())
}

/// A lease ended without a word: it costs one of `EXPIRIES_MAX`, so that a worker that always dies ends in an incident.
pub(super) fn expire(step: &mut Step, token: TokenId, lease_no: i64) -> Result<(), Rejection> {
    let at = waiting_job(step, token)?;
    let now = step.now;
    let policy = step.process.node(at.node).properties.get(POLICY).cloned();
    let job = step.job_mut(at);
    let over = job.lease.as_ref().is_some_and(|lease| lease.until <= now);
    if job.lease_no != lease_no || !over {
        return Err(Rejection::TokenNotWaiting(token));
    }
    let lease = job.lease.take();
    if !planted::is("expiry-never-counted") {
        job.expiries += 1;
    }
    let (expiries, topic) = (job.expiries, job.topic.clone());
    step.events.push(Event::LeaseExpired { token, lease_no, expiries });
    let holder = lease.map(|lease| lease.holder).unwrap_or_default();
    if policy.as_deref() == Some(AT_MOST_ONCE) {
        let message = format!(
            "{holder} was given the job and said nothing until its lease ended: whether it took effect is not known"
        );
        step.raise(at, Fault::new(IncidentKind::UnknownOutcome, message));
    } else if expiries >= EXPIRIES_MAX {
        seen!("always-dying-worker");
        let message = format!("{expiries} leases ended without a word, the last one of {holder}");
        step.raise(at, Fault::new(failed_kind(step, at), message));
    } else {
        step.effects.push(Effect::JobOpened { token, topic });
    }
    Ok(())
}

pub(super) fn complete(
    step: &mut Step,
    token: TokenId,
    claim: &Claim,
    given: Variables,
    local: Variables,
    decisions: Vec<Decided>,
) -> Result<(), Rejection> {
    let at = claimed(step, token, claim)?;
    step.note_decisions(at, decisions);
    if step.job_mut(at).kind == JobKind::Continuation {
        step.close_work(at, JobEnd::Completed);
        if step.head().state == InstanceState::Active {
            lifecycle::continued(step, at);
        }
        return Ok(());
    }
    variables::set_results(step, at, given, local);
    match report::error(step, at, claim) {
        Ok(None) => done(step, at),
        Ok(Some(error)) => report::throw(step, at, error),
        Err(fault) => {
            step.job_mut(at).lease = None;
            step.raise(at, fault);
        }
    }
    Ok(())
}

/// A job or user task is done: its token leaves, or rests in `Leaving` while the instance is suspended.
pub(super) fn done(step: &mut Step, at: At) {
    step.close_work(at, JobEnd::Completed);
    step.set_stage(at, Stage::Leaving);
    if step.head().state == InstanceState::Active {
        step.agenda.push(Work::Resume { token: at.token, cause: Cause::WorkDone });
    } else {
        seen!("done-while-suspended");
    }
}

pub(super) fn fail(step: &mut Step, token: TokenId, claim: &Claim, failure: Failure) -> Result<(), Rejection> {
    let at = claimed(step, token, claim)?;
    let cycle = step.process.node(at.node).retry.clone();
    let now = step.now;
    let failures = step.job_mut(at).failures;
    let (left, pause) = match (failure.retries, failure.after_ms) {
        (Some(left), after) => (left.max(0), after.unwrap_or(0)),
        (None, after) => {
            let left = step.job_mut(at).retries;
            let (left, pause) = by_cycle(step, at, cycle.as_ref(), left, failures, failure.by_handler);
            (left, after.unwrap_or(pause))
        }
    };
    let job = step.job_mut(at);
    let lease_no = job.lease_no;
    job.failures += 1;
    job.retries = Some(left);
    job.lease = None;
    job.due = now.plus_ms(pause.max(0));
    let details = failure.details.or_else(|| job.error.take().and_then(|earlier| earlier.details));
    job.error = Some(JobError { message: failure.message.clone(), details });
    let (due, topic) = (job.due, job.topic.clone());
    step.events.push(Event::JobFailed { token, lease_no, message: failure.message.clone(), retries: left, due });
    // A rule that cannot be asked does not hide the failure itself (Camunda 7).
    if let Ok(Some(error)) = report::error(step, at, claim) {
        report::throw(step, at, error);
        return Ok(());
    }
    if failure.unknown_outcome {
        step.raise(at, Fault::new(IncidentKind::UnknownOutcome, failure.message));
    } else if left == 0 {
        step.raise(at, Fault::new(failed_kind(step, at), failure.message));
    } else {
        step.effects.push(Effect::JobOpened { token, topic });
    }
    Ok(())
}

/// Attempts left and the pause before the next, when the worker did not say: the element's cycle; without one a REST
/// worker's failure leaves none (Camunda 7), a handler has `ATTEMPTS_DEFAULT` attempts with growing pauses.
fn by_cycle(
    step: &mut Step,
    at: At,
    cycle: Option<&RetryCycle>,
    left: Option<i64>,
    failures: u32,
    by_handler: bool,
) -> (i64, i64) {
    let now = step.now;
    let span = |text: &str| first_due(TimerKind::Duration, text, now).map_or(0, |(due, _)| due.0 - now.0);
    let evaluated = match cycle {
        Some(RetryCycle::Expression(text)) => crate::engine::compile::retry_expression(text)
            .and_then(|expression| step.text(at, &expression).ok().flatten())
            .and_then(|text| crate::engine::compile::retry_cycle(&text).ok()),
        Some(cycle) => Some(cycle.clone()),
        None => None,
    };
    let nth = usize::try_from(failures).unwrap_or(usize::MAX);
    let (left, pause) = match evaluated {
        Some(RetryCycle::Times { attempts, pause }) => (left.unwrap_or(attempts) - 1, span(&pause)),
        Some(RetryCycle::Pauses(pauses)) => {
            let total = i64::try_from(pauses.len()).unwrap_or(i64::MAX) + 1;
            (left.unwrap_or(total) - 1, pauses.get(nth).or(pauses.last()).map_or(0, |pause| span(pause)))
        }
        Some(RetryCycle::Expression(_)) | None if by_handler => {
            (left.unwrap_or(ATTEMPTS_DEFAULT) - 1, backoff(at.token, failures))
        }
        Some(RetryCycle::Expression(_)) | None => (0, 0),
    };
    (left.max(0), pause)
}

/// Ten seconds, growing fourfold, spread by the token so that neighbours do not come back at once.
fn backoff(token: TokenId, failures: u32) -> i64 {
    let base = 10_000_i64.saturating_mul(4_i64.saturating_pow(failures.min(6)));
    base + i64::from(token.0 % 16) * base / 64
}

pub(super) fn throw_error(
    step: &mut Step,
    token: TokenId,
    claim: Option<&Claim>,
    error: BpmnError,
) -> Result<(), Rejection> {
    let at = match claim {
        Some(claim) => claimed(step, token, claim)?,
        None => {
            let at = step.at(token).ok_or(Rejection::TokenNotWaiting(token))?;
            match step.token(at).wait {
                Wait::UserTask(_) | Wait::Job(_) => at,
                Wait::Nothing | Wait::Join | Wait::Trigger | Wait::Scope(_) | Wait::Called(_) | Wait::Incident(_) => {
                    return Err(Rejection::TokenNotWaiting(token));
                }
            }
        }
    };
    if let Wait::Job(job) = &mut step.token_mut(at).wait {
        job.lease = None;
    }
    throw::throw(step, at, error);
    Ok(())
}

pub(super) fn set_retries(
    step: &mut Step,
    token: TokenId,
    retries: i64,
    due: Option<Timestamp>,
) -> Result<(), Rejection> {
    if retries < 0 {
        return Err(Rejection::InvalidInput("retries must not be negative".into()));
    }
    let at = step.at(token).ok_or(Rejection::TokenNotWaiting(token))?;
    let stands_for_job = match &step.token(at).wait {
        Wait::Job(_) => false,
        Wait::Incident(incident) if matches!(incident.held.as_deref(), Some(Wait::Job(_))) => true,
        Wait::Incident(_)
        | Wait::Nothing
        | Wait::Join
        | Wait::UserTask(_)
        | Wait::Trigger
        | Wait::Scope(_)
        | Wait::Called(_) => {
            return Err(Rejection::TokenNotWaiting(token));
        }
    };
    let now = step.now;
    let job = step.job_mut(at);
    job.retries = Some(retries);
    job.expiries = 0;
    job.due = due.unwrap_or(job.due).max(Timestamp(0));
    if retries > 0 && due.is_none() && stands_for_job {
        job.due = job.due.min(now);
    }
    let topic = job.topic.clone();
    step.events.push(Event::RetriesSet { token, retries });
    if retries > 0 {
        if stands_for_job {
            step.settle(at, false);
        }
        step.effects.push(Effect::JobOpened { token, topic });
    } else if !stands_for_job {
        let kind = failed_kind(step, at);
        step.raise(at, Fault::new(kind, "the retries were set to 0"));
    }
    Ok(())
}

pub(super) fn set_priority(step: &mut Step, token: TokenId, priority: i64) -> Result<(), Rejection> {
    let at = step.at(token).ok_or(Rejection::TokenNotWaiting(token))?;
    match &step.token(at).wait {
        Wait::Job(_) => step.job_mut(at).priority = priority,
        Wait::Incident(incident) if matches!(incident.held.as_deref(), Some(Wait::Job(_))) => {
            step.job_mut(at).priority = priority
        }
        Wait::Incident(_)
        | Wait::Nothing
        | Wait::Join
        | Wait::UserTask(_)
        | Wait::Trigger
        | Wait::Scope(_)
        | Wait::Called(_) => {
            return Err(Rejection::TokenNotWaiting(token));
        }
    }
    Ok(())
}

/// Resolving re-enters the stored stage: there is no second way to execute.
pub(super) fn resolve(step: &mut Step, token: TokenId) -> Result<(), Rejection> {
    let at = step.at(token).ok_or(Rejection::TokenNotWaiting(token))?;
    if !matches!(step.token(at).wait, Wait::Incident(_)) {
        return Err(Rejection::TokenNotWaiting(token));
    }
    step.settle(at, false);
    let stage = step.token(at).stage;
    match step.token(at).wait.clone() {
        Wait::Job(job) => {
            let now = step.now;
            let fresh = step.job_mut(at);
            if fresh.retries.is_some_and(|left| left <= 0) {
                fresh.retries = Some(1);
            }
            fresh.expiries = 0;
            fresh.lease = None;
            fresh.due = now;
            step.effects.push(Effect::JobOpened { token, topic: job.topic });
        }
        Wait::Scope(body) if step.scope(body).kind == ScopeKind::Body => match step.process.node(at.node).looping {
            Some(Looping::Standard(_)) => standard_loop::next(step, at, body),
            Some(Looping::Multi(_)) | None => multi_instance::recheck(step, at, body),
        },
        // An ad-hoc sub-process asks its condition again.
        Wait::Scope(scope) => step.agenda.push(Work::ScopeDone(scope)),
        Wait::Nothing => match stage {
            Stage::Entering => step.agenda.push(Work::Enter { token, admitted: true }),
            Stage::Leaving | Stage::Mapped => lifecycle::leave_again(step, at, false),
            Stage::Active => again(step, at),
        },
        Wait::UserTask(_) | Wait::Join | Wait::Trigger | Wait::Called(_) | Wait::Incident(_) => {}
    }
    Ok(())
}

/// A token that failed between its work and its leaving: map a returned process's data again, else do the work again. Its
/// boundary events are armed still.
fn again(step: &mut Step, at: At) {
    let own = step.token(at).own;
    let returned = own.and_then(|own| step.scope(own).variables.get(RETURNED).cloned());
    match (own, returned) {
        (Some(own), Some(returned)) => {
            step.remove_variable(own, RETURNED);
            take_returned(step, at, crate::base::variable::from_json(returned.value));
        }
        (Some(_) | None, _) => {
            let process = Arc::clone(&step.process);
            let next = match variables::map_input(step, at) {
                Ok(()) => process.node(at.node).element.enter(step, at),
                Err(fault) => Next::Fault(fault),
            };
            lifecycle::apply(step, at, next, Vec::new());
        }
    }
}

pub(super) fn returned(
    step: &mut Step,
    token: TokenId,
    called: InstanceId,
    result: CallResult,
) -> Result<(), Rejection> {
    let at = step.at(token).ok_or(Rejection::TokenNotWaiting(token))?;
    if step.token(at).wait != Wait::Called(called) {
        return Err(Rejection::TokenNotWaiting(token));
    }
    step.note_activity(at, None, false);
    step.wait_for(at, Wait::Nothing);
    match result {
        CallResult::Completed(variables) => take_returned(step, at, variables),
        CallResult::Error { code, message, variables } => {
            throw::rethrow(step, at, BpmnError { code, message, variables })
        }
        CallResult::Failed(message) => step.raise(at, Fault::new(IncidentKind::Call, message)),
    }
    Ok(())
}

fn take_returned(step: &mut Step, at: At, called: Variables) {
    let process = Arc::clone(&step.process);
    let Element::CallActivity(activity) = &process.node(at.node).element else {
        unreachable!("only a call activity waits for a call")
    };
    match variables::map_out(step, at, &activity.outputs, &called) {
        Ok(()) => {
            step.set_stage(at, Stage::Leaving);
            if step.head().state == InstanceState::Active {
                step.agenda.push(Work::Resume { token: at.token, cause: Cause::Returned });
            }
        }
        Err(fault) => {
            seen!("returned-data-kept");
            let kept = called.into_iter().map(|(name, variable)| (name, variable.value)).collect();
            let own = step.own_scope(at);
            step.set_variable(own, RETURNED, Variable::from(Value::Object(kept)));
            step.raise(at, fault);
        }
    }
}

fn failed_kind(step: &Step, at: At) -> IncidentKind {
    match &step.token(at).wait {
        Wait::Job(Job { kind: JobKind::External, .. }) => IncidentKind::FailedExternalTask,
        Wait::Job(_)
        | Wait::Nothing
        | Wait::Join
        | Wait::UserTask(_)
        | Wait::Trigger
        | Wait::Scope(_)
        | Wait::Called(_)
        | Wait::Incident(_) => IncidentKind::FailedJob,
    }
}

fn waiting_job(step: &Step, token: TokenId) -> Result<At, Rejection> {
    let at = step.at(token).ok_or(Rejection::TokenNotWaiting(token))?;
    match step.token(at).wait {
        Wait::Job(_) => Ok(at),
        Wait::Nothing
        | Wait::Join
        | Wait::UserTask(_)
        | Wait::Trigger
        | Wait::Scope(_)
        | Wait::Called(_)
        | Wait::Incident(_) => Err(Rejection::TokenNotWaiting(token)),
    }
}

/// A report of the current holder, by number or by name.
fn claimed(step: &mut Step, token: TokenId, claim: &Claim) -> Result<At, Rejection> {
    let at = waiting_job(step, token)?;
    let job = step.job_mut(at);
    let by_number =
        planted::is("lease-number-not-compared") || claim.lease_no.is_none_or(|number| number == job.lease_no);
    let by_name = job.lease.as_ref().is_some_and(|lease| lease.holder == claim.holder);
    if by_number && by_name { Ok(at) } else { Err(lost(job, claim)) }
}

fn lost(job: &Job, claim: &Claim) -> Rejection {
    Rejection::LeaseLost {
        holder: job.lease.as_ref().map(|lease| lease.holder.clone()),
        lease_no: job.lease_no,
        from: claim.holder.clone(),
    }
}
