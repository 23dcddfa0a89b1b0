//! The life of a token, written once for all elements: enter, wait, leave, cancel; and the agenda that drives it.
//!
//! BPMN 2.0.2, 13.3.2 (life cycle of an activity) and 13.2 (tokens). An element decides (`Next`), this file acts.
//! A run is bounded: after `AGENDA_STEPS_MAX` steps only tokens that are about to enter may be left; they are found again
//! in the stored state, so the run goes on by `Continue` in the next commit, as it would after a crash.

use crate::base::id::{ROOT_SCOPE, ScopeId, TokenId};
use crate::base::limits::RUN_STEPS_MAX;
use crate::base::mark::seen;
use crate::base::variable::Variables;
pub(crate) use crate::engine::agenda::{Agenda, Work};
use crate::engine::definition::{FlowIx, Looping, NodeIx};
use crate::engine::elements::Behavior;
use crate::engine::event::JobEnd;
use crate::engine::incident::{BpmnError, Fault, IncidentKind};
use crate::engine::instance::{InstanceState, OF_SCOPE, ScopeKind, Stage, Wait};
use crate::engine::job::JobKind;
use crate::engine::listener::{self, Moment, Trouble};
use crate::engine::step::{At, Step, new_job};
use crate::engine::{
    cancel, compensation, condition, gather, multi_instance, standard_loop, subscription, throw, variables,
};
use std::sync::Arc;

/// What an element decides.
#[derive(Debug)]
pub(crate) enum Next {
    Wait(Wait),
    Leave(Outgoing),
    /// These flows get a token, and its own waits for the rest (complex gateway).
    Begin(Vec<FlowIx>),
    Throw(BpmnError),
    Fault(Fault),
    /// Tells those around of this code, then leaves, if it is still there.
    Escalate(String),
    /// Throws this signal, then leaves, if it is still there.
    Broadcast(Signal),
    /// Undoes what was completed around it, or one activity; then leaves, or goes on at once and is done with that.
    Compensate {
        activity: Option<NodeIx>,
        waits: bool,
    },
    /// Several triggers: these first, then the last, if the token is still there.
    Also(Vec<Next>, Box<Next>),
    /// Ends every other token of the scope.
    Terminate,
    /// Undoes and leaves the transaction around it.
    CancelTransaction,
    /// The transaction around it is undone.
    TransactionCancelled,
}

/// A signal as it is thrown, with the data that it takes along.
#[derive(Debug)]
pub(crate) struct Signal {
    pub(crate) name: String,
    /// Of processes that it starts.
    pub(crate) business_key: Option<String>,
    pub(crate) variables: Variables,
}

/// Which sequence flows get a token.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outgoing {
    /// Those without condition, those whose condition holds; the default flow if no condition holds.
    All,
    /// Every one, conditions or not (parallel gateway).
    Every,
    One(FlowIx),
    These(Vec<FlowIx>),
    /// None: the token goes on at the catching link event.
    Link,
}

/// What ended a token's wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    Fired,
    WorkDone,
    ScopeDone,
    Returned,
}

/// Runs the agenda until everything rests, or the run is long enough for one commit.
pub(super) fn run(step: &mut Step) {
    step.instance.head.continues = false;
    loop {
        condition::ask_armed(step);
        while let Some(work) = step.agenda.next() {
            step.instance.head.steps += 1;
            match work {
                Work::Enter { token, admitted } => enter(step, token, admitted),
                Work::Resume { token, cause } => resume(step, token, cause),
                Work::Leave { token, outgoing, admitted } => leave(step, token, outgoing, admitted),
                Work::ScopeDone(scope) => scope_done(step, scope),
            }
            condition::ask_armed(step);
        }
        if !step.agenda.is_empty() {
            seen!("bounded-run");
            step.instance.head.continues = true;
            return;
        }
        if !gather::recheck(step) && !condition::ask(step) {
            return;
        }
    }
}

/// Puts every token that rests only because a run was bounded, or the instance suspended, back on the agenda.
pub(super) fn rebuild_agenda(step: &mut Step) {
    let mut resting: Vec<(TokenId, Stage)> = step
        .instance
        .tokens()
        .filter(|(_, _, token)| token.wait == Wait::Nothing)
        .map(|(_, id, token)| (id, token.stage))
        .collect();
    resting.sort_unstable_by_key(|(id, _)| *id);
    for (token, stage) in resting {
        match stage {
            Stage::Entering => step.agenda.push(Work::Enter { token, admitted: false }),
            Stage::Active => step.agenda.push(Work::Resume { token, cause: Cause::WorkDone }),
            Stage::Leaving | Stage::Mapped => {
                if let Some(at) = step.at(token) {
                    leave_again(step, at, false);
                }
            }
        }
    }
}

/// Places a token and lets it enter its element.
pub(super) fn start_token(step: &mut Step, scope: ScopeId, node: NodeIx, via: Option<FlowIx>) {
    let at = step.place(scope, node, via);
    step.agenda.push(Work::Enter { token: at.token, admitted: false });
}

fn enter(step: &mut Step, token: TokenId, admitted: bool) {
    let Some(at) = step.at(token) else { return };
    let process = Arc::clone(&step.process);
    let node = process.node(at.node);
    if step.head().steps > RUN_STEPS_MAX {
        let message = format!("{RUN_STEPS_MAX} steps without a wait: the model loops for ever");
        return step.raise(at, Fault::new(IncidentKind::Limit, message));
    }
    let inner = step.scope(at.scope).kind == ScopeKind::Inner;
    if node.quantities.0 > 1 && !inner && !admitted && gather::waits_for_others(step, at, node.quantities.0) {
        return;
    }
    if node.save_points(inner).0 && !admitted {
        return continue_later(step, at);
    }
    match &node.looping {
        Some(Looping::Multi(_)) if !inner => return multi_instance::open(step, at),
        Some(Looping::Standard(_)) if !inner => return standard_loop::open(step, at),
        Some(_) | None => {}
    }
    let armed = if inner { Ok(Vec::new()) } else { subscription::prepare(step, at) };
    let next = armed.and_then(|armed| variables::map_input(step, at).map(|()| armed));
    match next {
        Ok(armed) => {
            let next = match listener::start(step, at) {
                Ok(()) => {
                    let next = node.element.enter(step, at);
                    begun(step, at, next)
                }
                Err(trouble) => trouble.into(),
            };
            apply(step, at, next, armed);
        }
        Err(fault) => step.raise(at, fault),
    }
}

/// An end event that is left by what it throws is not left otherwise: its end is heard before.
fn begun(step: &mut Step, at: At, next: Next) -> Next {
    let last = if let Next::Also(_, last) = &next { last } else { &next };
    let ends =
        step.process.node(at.node).kind == "endEvent" && matches!(last, Next::Throw(_) | Next::CancelTransaction);
    match if ends { listener::end(step, at) } else { Ok(()) } {
        Ok(()) => next,
        Err(trouble) => trouble.into(),
    }
}

fn resume(step: &mut Step, token: TokenId, cause: Cause) {
    let Some(at) = step.at(token) else { return };
    let process = Arc::clone(&step.process);
    let next = process.node(at.node).element.resume(step, at, cause);
    apply(step, at, next, Vec::new());
}

pub(super) fn apply(step: &mut Step, at: At, next: Next, armed: Vec<crate::engine::instance::Subscription>) {
    match next {
        Next::Wait(wait) => {
            if wait != Wait::Join {
                step.set_stage(at, Stage::Active);
            }
            let is_task = matches!(wait, Wait::UserTask(_));
            step.set_wait(at, wait);
            armed.into_iter().for_each(|subscription| _ = step.arm(at.scope, subscription));
            if is_task && let Err(trouble) = listener::created(step, at) {
                not_created(step, at, trouble.into());
            }
        }
        Next::Leave(outgoing) => step.agenda.push(Work::Leave { token: at.token, outgoing, admitted: false }),
        Next::Begin(flows) => match listener::take(step, at, &flows) {
            Ok(()) => gather::begin(step, at, flows),
            Err(trouble) => apply(step, at, trouble.into(), Vec::new()),
        },
        Next::Throw(error) => throw::throw(step, at, error),
        Next::Fault(fault) => step.raise(at, fault),
        Next::Escalate(_) | Next::Broadcast(_) => {
            tell(step, at, next);
            thrown(step, at);
        }
        Next::Also(others, last) => {
            for other in others {
                if step.at(at.token).is_some() {
                    tell(step, at, other);
                }
            }
            if step.at(at.token).is_some() {
                apply(step, at, *last, armed);
            }
        }
        Next::Compensate { activity, waits } => compensate(step, at, activity, waits),
        Next::Terminate => match ends(step, at) {
            Ok(()) => cancel::terminate(step, at),
            Err(fault) => step.raise(at, fault),
        },
        Next::CancelTransaction => cancel::cancel_transaction(step, at),
        Next::TransactionCancelled => cancel::transaction_cancelled(step, at),
    }
}

/// A user task whose listeners failed as it was made: it is made anew when that is mended.
fn not_created(step: &mut Step, at: At, next: Next) {
    if matches!(next, Next::Fault(_)) {
        subscription::disarm_all(step, at.scope, at.token);
        step.close_work(at, JobEnd::Cancelled);
        step.set_stage(at, Stage::Entering);
    }
    apply(step, at, next, Vec::new());
}

/// Listeners of an end event that ends what is around it, and of the process if that is it.
fn ends(step: &mut Step, at: At) -> Result<(), Fault> {
    listener::end(step, at).map_err(Trouble::within_its_end)?;
    let whole = step.scope(at.scope).kind == ScopeKind::Process;
    if whole { listener::of_process(step, Some(at), Moment::End) } else { Ok(()) }
}

/// Tells others, without moving the token.
pub(super) fn tell(step: &mut Step, at: At, what: Next) {
    match what {
        Next::Escalate(code) => throw::escalate(step, at, code, Variables::new()),
        Next::Broadcast(signal) => subscription::broadcast(step, at, signal),
        other => unreachable!("compiled: only these are thrown beside others, not {other:?}"),
    }
}

fn compensate(step: &mut Step, at: At, activity: Option<NodeIx>, waits: bool) {
    let onward = if waits { Ok(Vec::new()) } else { chosen(step, at, Outgoing::All) };
    let onward = onward.map_err(Trouble::Fault).and_then(|flows| listener::take(step, at, &flows).map(|()| flows));
    match onward {
        Err(trouble) => apply(step, at, trouble.into(), Vec::new()),
        Ok(_) if compensation::throw(step, at, activity).is_none() => thrown(step, at),
        Ok(flows) if !waits => gather::go_on(step, at, flows),
        Ok(_) => {}
    }
}

/// Goes on behind a throwing event, unless what it threw has ended it.
fn thrown(step: &mut Step, at: At) {
    if step.at(at.token).is_some() {
        step.agenda.push(Work::Leave { token: at.token, outgoing: Outgoing::All, admitted: false });
    }
}

/// Leaves a node: the only way out of an element, whatever its kind.
fn leave(step: &mut Step, token: TokenId, outgoing: Outgoing, admitted: bool) {
    let Some(at) = step.at(token) else { return };
    let process = Arc::clone(&step.process);
    let node = process.node(at.node);
    let inner = step.scope(at.scope).kind == ScopeKind::Inner;
    if !admitted {
        if step.token(at).stage != Stage::Mapped {
            step.set_stage(at, Stage::Leaving);
            // Mappings of a multi-instance activity belong to each instance, not to its body.
            let body = node.looping.is_some() && !inner;
            if !body && let Err(trouble) = listener::end(step, at) {
                return apply(step, at, trouble.into(), Vec::new());
            }
            if !body && let Err(fault) = variables::map_output(step, at) {
                return step.raise(at, fault);
            }
            step.set_stage(at, Stage::Mapped);
        }
        if node.save_points(inner).1 {
            // Its work is done: no boundary event may interrupt it any more.
            subscription::disarm_all(step, at.scope, token);
            return continue_later(step, at);
        }
    }
    let link = (outgoing == Outgoing::Link).then(|| process.links.get(&at.node).copied()).flatten();
    let flows = if inner { Ok(Vec::new()) } else { chosen(step, at, outgoing) };
    let flows = match flows {
        Ok(flows) => flows,
        Err(fault) => return step.raise(at, fault),
    };
    let is_last =
        flows.is_empty() && link.is_none() && at.scope == ROOT_SCOPE && step.scope(ROOT_SCOPE).tokens.len() == 1;
    let heard = listener::take(step, at, &flows).and_then(|()| match is_last {
        true => listener::of_process(step, Some(at), Moment::End).map_err(Trouble::Fault),
        false => Ok(()),
    });
    if let Err(trouble) = heard {
        return apply(step, at, trouble.into(), Vec::new());
    }
    if node.kind == "endEvent" && at.scope == ROOT_SCOPE {
        step.instance.head.end_element = Some(node.id.clone());
    }
    compensation::note(step, at);
    subscription::disarm_all(step, at.scope, token);
    step.consume(at);
    for flow in flows {
        for _ in 0..node.quantities.1 {
            step.take(flow);
            start_token(step, at.scope, process.target(flow), Some(flow));
        }
    }
    if let Some(target) = link {
        start_token(step, at.scope, target, None);
    }
    step.agenda.push(Work::ScopeDone(at.scope));
}

/// BPMN 2.0.2, 13.3.1: conditional flows out of an activity, and its default flow.
fn chosen(step: &mut Step, at: At, outgoing: Outgoing) -> Result<Vec<FlowIx>, Fault> {
    let process = Arc::clone(&step.process);
    let node = process.node(at.node);
    match outgoing {
        Outgoing::Every => Ok(node.outgoing.clone()),
        Outgoing::Link => Ok(Vec::new()),
        Outgoing::One(flow) => Ok(vec![flow]),
        Outgoing::These(flows) => Ok(flows),
        Outgoing::All => {
            let (mut flows, mut default, mut any_condition, mut any_true) = (Vec::new(), None, false, false);
            for ix in &node.outgoing {
                let flow = process.flow(*ix);
                if flow.is_default {
                    default = Some(*ix);
                } else if let Some(condition) = &flow.condition {
                    any_condition = true;
                    if step.holds(at, condition)? {
                        any_true = true;
                        flows.push(*ix);
                    }
                } else {
                    flows.push(*ix);
                }
            }
            if !any_true && let Some(default) = default {
                flows.push(default);
            }
            if flows.is_empty() && any_condition {
                return Err(no_flow(node.outgoing.len()));
            }
            Ok(flows)
        }
    }
}

pub(crate) fn no_flow(count: usize) -> Fault {
    Fault::new(
        IncidentKind::NoFlow,
        format!(
            "none of the {count} outgoing sequence flows can be taken: no condition holds and there is no default flow"
        ),
    )
}

/// A save point: the token is committed here and goes on as a job of its own.
pub(super) fn continue_later(step: &mut Step, at: At) {
    let priority = step.job_priority(at);
    let job = new_job(JobKind::Continuation, "continuation".into(), priority, step.now);
    step.set_wait(at, Wait::Job(job));
}

/// Goes on behind a save point.
pub(super) fn continued(step: &mut Step, at: At) {
    let token = at.token;
    match step.token(at).stage {
        Stage::Entering => step.agenda.push(Work::Enter { token, admitted: true }),
        Stage::Active => step.agenda.push(Work::Resume { token, cause: Cause::WorkDone }),
        Stage::Leaving | Stage::Mapped => leave_again(step, at, true),
    }
}

/// Leaves after a pause between deciding and leaving: gateways choose again, since their choice is not stored.
pub(super) fn leave_again(step: &mut Step, at: At, admitted: bool) {
    let process = Arc::clone(&step.process);
    match process.node(at.node).element.choose(step, at) {
        Next::Leave(outgoing) => step.agenda.push(Work::Leave { token: at.token, outgoing, admitted }),
        other @ (Next::Wait(_)
        | Next::Begin(_)
        | Next::Throw(_)
        | Next::Fault(_)
        | Next::Escalate(_)
        | Next::Also(..)
        | Next::Broadcast(_)
        | Next::Compensate { .. }
        | Next::Terminate
        | Next::CancelTransaction
        | Next::TransactionCancelled) => apply(step, at, other, Vec::new()),
    }
}

/// Whether there is more to do in a scope; an ad-hoc sub-process asks its condition.
fn goes_on(step: &mut Step, id: ScopeId) -> bool {
    let scope = step.scope(id);
    let process = Arc::clone(&step.process);
    let ad_hoc =
        scope.at.filter(|_| scope.kind == ScopeKind::SubProcess).and_then(|node| process.node(node).element.ad_hoc());
    let (Some(ad_hoc), Some(at)) = (ad_hoc, scope.owner.and_then(|owner| step.at(owner))) else {
        return !scope.tokens.is_empty();
    };
    match ad_hoc.is_done(step, id, at) {
        Ok(done) => !done,
        Err(fault) => {
            step.raise(at, fault);
            true
        }
    }
}

/// A scope without tokens is done: a query over what is there, never a counter.
fn scope_done(step: &mut Step, id: ScopeId) {
    let open = step.instance.scopes.contains_key(&id) && !step.head().state.is_ended();
    if !open || goes_on(step, id) {
        return;
    }
    let Some(scope) = step.instance.scopes.get(&id) else { return };
    let owner = scope.owner;
    match scope.kind {
        ScopeKind::Process => cancel::end_instance(step, InstanceState::Completed),
        ScopeKind::SubProcess => {
            let token = owner.expect("a sub-process has an owner");
            if compensation::keeps(step, id) {
                subscription::disarm_all(step, id, OF_SCOPE);
                step.keep(id, Some(token));
            } else {
                step.close_scope(id);
            }
            if let Some(at) = step.at(token) {
                step.wake(at);
            }
            step.agenda.push(Work::Resume { token, cause: Cause::ScopeDone });
        }
        ScopeKind::Inner => {
            let node = scope.at.expect("an inner scope has an activity");
            match step.process.node(node).looping {
                Some(Looping::Standard(_)) => standard_loop::inner_done(step, id),
                Some(Looping::Multi(_)) | None => multi_instance::inner_done(step, id),
            }
        }
        ScopeKind::Compensation => compensation::next(step, id),
        ScopeKind::Body | ScopeKind::Activity | ScopeKind::Kept => {}
    }
}
