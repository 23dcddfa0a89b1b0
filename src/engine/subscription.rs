//! Armed events: evaluate what they wait for, arm them with their token, and what happens when one fires.

use crate::base::id::{LocalId, ScopeId, TokenId};
use crate::base::mark::seen;
use crate::base::time::{TimerKind, first_due, next_due};
use crate::base::variable::Variables;
use crate::engine::cancel;
use crate::engine::command::{Effect, Rejection};
use crate::engine::condition::Condition;
use crate::engine::definition::{FlowIx, NodeIx};
use crate::engine::elements::Element;
use crate::engine::event::Event;
use crate::engine::event_sub_process;
use crate::engine::expression::as_text;
use crate::engine::incident::Fault;
use crate::engine::instance::{OF_SCOPE, Stage, Subscription, Trigger, Wait};
use crate::engine::lifecycle::{self, Cause, Signal, Work};
use crate::engine::listener;
use crate::engine::step::{At, Step};
use crate::engine::variables;
use crate::script::Compiled;
use std::sync::Arc;

/// What an event node waits for, as the model says it.
#[derive(Debug)]
pub enum TriggerSource {
    Timer {
        kind: TimerKind,
        text: Compiled,
    },
    Message {
        name: Compiled,
    },
    Error {
        code: Option<String>,
    },
    Escalation {
        code: Option<String>,
    },
    Signal {
        name: Compiled,
    },
    Condition(Condition),
    /// A cancel boundary event.
    Cancel,
    /// Any of these, or all of them.
    Multiple {
        parts: Vec<TriggerSource>,
        parallel: bool,
    },
    /// At a boundary: undoes its activity. At the start of an event sub-process: undoes the sub-process around it.
    Compensation,
}

impl TriggerSource {
    /// Each trigger of its own.
    pub fn parts(&self) -> &[Self] {
        match self {
            Self::Multiple { parts, .. } => parts,
            single => std::slice::from_ref(single),
        }
    }

    /// All of its triggers have to come.
    pub fn is_parallel(&self) -> bool {
        matches!(self, Self::Multiple { parallel: true, .. })
    }

    /// It waits for this signal and for nothing else.
    pub fn waits_for_signal(&self, name: &str) -> bool {
        matches!(self, Self::Signal { name: wanted } if wanted.is_literal() == Some(name))
    }

    pub fn is_conditional(&self) -> bool {
        self.parts().iter().any(|part| matches!(part, Self::Condition(_)))
    }
}

/// Evaluates the boundary events of an activity before it begins, so that a failing expression has no effect.
pub(super) fn prepare(step: &mut Step, at: At) -> Result<Vec<Subscription>, Fault> {
    let process = Arc::clone(&step.process);
    let mut prepared = Vec::new();
    for node in &process.node(at.node).boundary {
        if let Some(event) = process.node(*node).element.boundary()
            && !matches!(event.trigger, TriggerSource::Compensation)
        {
            for trigger in evaluate(step, at, &event.trigger)? {
                prepared.push(Subscription {
                    owner: at.token,
                    catches: *node,
                    trigger,
                    interrupting: event.interrupting,
                    since: step.now,
                });
            }
        }
    }
    if let Element::UserTaskElement(task) = &process.node(at.node).element {
        let (scope, since) = (step.variable_scope(at), step.now);
        for (part, timeout) in task.timeouts.iter().enumerate() {
            let trigger = evaluate_part(step, (scope, Some(at)), &timeout.timer, part)?;
            prepared.push(Subscription { owner: at.token, catches: at.node, trigger, interrupting: false, since });
        }
    }
    Ok(prepared)
}

pub(crate) fn evaluate(step: &mut Step, at: At, source: &TriggerSource) -> Result<Vec<Trigger>, Fault> {
    let scope = step.variable_scope(at);
    evaluate_from(step, scope, Some(at), source)
}

/// As seen from a scope, with or without a token.
pub(super) fn evaluate_from(
    step: &mut Step,
    scope: ScopeId,
    at: Option<At>,
    source: &TriggerSource,
) -> Result<Vec<Trigger>, Fault> {
    let parts = source.parts().iter().enumerate();
    parts.map(|(part, source)| evaluate_part(step, (scope, at), source, part)).collect()
}

fn evaluate_part(
    step: &mut Step,
    (scope, at): (ScopeId, Option<At>),
    source: &TriggerSource,
    part: usize,
) -> Result<Trigger, Fault> {
    match source {
        TriggerSource::Timer { kind, text } => {
            let value = as_text(step.value_from(scope, at, text)?).unwrap_or_default();
            let (due, cycle) =
                first_due(*kind, &value, step.now).map_err(|e| Fault::expression(format!("timer {value:?}: {e}")))?;
            Ok(Trigger::Timer { due, cycle, part })
        }
        TriggerSource::Message { name } => match as_text(step.value_from(scope, at, name)?) {
            Some(name) => Ok(Trigger::Message { name }),
            None => Err(Fault::expression("the message's name is null")),
        },
        TriggerSource::Error { code } => Ok(Trigger::Error { code: code.clone() }),
        TriggerSource::Signal { name } => match as_text(step.value_from(scope, at, name)?) {
            Some(name) => Ok(Trigger::Signal { name }),
            None => Err(Fault::expression("the signal's name is null")),
        },
        TriggerSource::Escalation { code } => Ok(Trigger::Escalation { code: code.clone() }),
        TriggerSource::Condition(_) => Ok(Trigger::Condition { held: false, ask: true, part }),
        TriggerSource::Cancel => Ok(Trigger::Cancel),
        TriggerSource::Compensation | TriggerSource::Multiple { .. } => unreachable!("compiled: nothing to arm"),
    }
}

/// Arms what a catching node waits for, owned by the token that waits.
pub(crate) fn arm(step: &mut Step, at: At, catches: NodeIx, source: &TriggerSource) -> Result<(), Fault> {
    let since = step.now;
    for trigger in evaluate(step, at, source)? {
        step.arm(at.scope, Subscription { owner: at.token, catches, trigger, interrupting: true, since });
    }
    Ok(())
}

pub(super) fn disarm_all(step: &mut Step, scope: ScopeId, owner: TokenId) {
    if crate::base::planted::is("cancelled-scope-keeps-its-subscription") {
        return;
    }
    let Some(open) = step.instance.scopes.get(&scope) else { return };
    let armed: Vec<LocalId> = open.subscriptions.iter().filter(|(_, s)| s.owner == owner).map(|(id, _)| *id).collect();
    for id in armed {
        step.disarm(scope, id);
    }
}

/// Checks whether a timer may fire: still armed, and due as it was when it was read.
pub(super) fn check_timer(
    step: &Step,
    id: LocalId,
    due: Option<crate::base::time::Timestamp>,
) -> Result<(), Rejection> {
    let fits = |armed: &crate::base::time::Timestamp| due.is_none_or(|due| due == *armed && due <= step.now);
    check(step, id, |trigger| matches!(trigger, Trigger::Timer { due: armed, .. } if fits(armed)))
}

pub(super) fn check_message(step: &Step, id: LocalId, name: &str) -> Result<(), Rejection> {
    check(step, id, |trigger| matches!(trigger, Trigger::Message { name: armed } if armed == name))
}

pub(super) fn check_signal(step: &Step, id: LocalId, name: &str) -> Result<(), Rejection> {
    check(step, id, |trigger| matches!(trigger, Trigger::Signal { name: armed } if armed == name))
}

pub(super) fn check_condition(step: &Step, id: LocalId) -> Result<(), Rejection> {
    check(step, id, |trigger| matches!(trigger, Trigger::Condition { .. }))
}

fn check(step: &Step, id: LocalId, fits: impl Fn(&Trigger) -> bool) -> Result<(), Rejection> {
    let armed = step.instance.subscription(id).filter(|(_, armed)| fits(&armed.trigger));
    armed.map(|_| ()).ok_or(Rejection::NotArmed(id))
}

/// BPMN 2.0.2, 10.5.4: "a Signal is for general communication": everybody who waits for it here and now gets it; those in
/// other instances after the commit. The thrower may be gone afterwards.
pub(super) fn broadcast(step: &mut Step, at: At, signal: Signal) {
    let Signal { name, business_key, variables } = signal;
    step.events.push(Event::SignalThrown { token: at.token, name: name.clone() });
    let mut waiting: Vec<LocalId> = step
        .instance
        .scopes
        .values()
        .flat_map(|scope| scope.subscriptions.iter())
        .filter(|(_, armed)| matches!(&armed.trigger, Trigger::Signal { name: wanted } if *wanted == name))
        .map(|(id, _)| *id)
        .collect();
    if crate::base::planted::is("signal-lost") {
        waiting.pop();
    }
    for id in waiting {
        // One of them may have ended another.
        if step.instance.subscription(id).is_some() {
            fire(step, id, variables.clone(), Variables::new());
        }
    }
    step.effects.push(Effect::BroadcastSignal { name, business_key, variables });
}

/// Lets an armed event happen (checked before): the token that waits goes on, or a token leaves the boundary.
pub(super) fn fire(step: &mut Step, id: LocalId, variables: Variables, local: Variables) {
    let (scope, subscription) =
        step.instance.subscription(id).map(|(scope, s)| (scope, s.clone())).expect("checked: armed");
    step.fired(id, &subscription);
    if waits_for_more(step, scope, id, &subscription) {
        let owner = step.at(subscription.owner);
        let view = owner.map_or(scope, |owner| step.variable_scope(owner));
        for (name, variable) in variables.into_iter().chain(local) {
            step.set_outward(view, &name, variable);
        }
        return step.disarm(scope, id);
    }
    if subscription.owner == OF_SCOPE {
        if !subscription.interrupting {
            rearm_or_disarm(step, scope, id, &subscription);
        }
        event_sub_process::begin(step, scope, &subscription, variables, local);
        return;
    }
    let owner = step.at(subscription.owner).expect("a subscription's owner is live");
    let is_gateway = matches!(step.process.node(owner.node).element, Element::EventBasedGateway(_));
    if let (true, Trigger::Timer { part, .. }) = (hears_time(step, &subscription, owner), &subscription.trigger) {
        rearm_or_disarm(step, scope, id, &subscription);
        return listener::timed_out(step, owner, *part);
    }
    let was_waited_for = subscription.catches == owner.node || is_gateway;
    if was_waited_for && matches!(step.token(owner).wait, Wait::Incident(_)) {
        step.settle(owner, true);
    }
    if subscription.catches == owner.node {
        variables::set_results(step, owner, variables, local);
        disarm_all(step, scope, owner.token);
        step.wake(owner);
        step.agenda.push(Work::Resume { token: owner.token, cause: Cause::Fired });
        return;
    }
    let mut via = None;
    if is_gateway {
        disarm_all(step, scope, owner.token);
        step.consume(owner);
        let process = Arc::clone(&step.process);
        let outgoing = &process.node(owner.node).outgoing;
        via = outgoing.iter().copied().find(|flow| process.target(*flow) == subscription.catches);
        if let Some(flow) = via {
            step.take(flow);
        }
    } else if subscription.interrupting {
        cancel::cancel(step, owner);
    } else {
        rearm_or_disarm(step, scope, id, &subscription);
    }
    place_fired(step, scope, (subscription.catches, via), variables, local);
}

/// A timeout listener of the user task that waits.
fn hears_time(step: &Step, subscription: &Subscription, owner: At) -> bool {
    subscription.catches == owner.node && matches!(step.process.node(owner.node).element, Element::UserTaskElement(_))
}

/// A token at an event that has just happened.
pub(crate) fn place_fired(
    step: &mut Step,
    scope: ScopeId,
    (node, via): (NodeIx, Option<FlowIx>),
    variables: Variables,
    local: Variables,
) -> At {
    let at = step.place(scope, node, via);
    variables::set_results(step, at, variables, local);
    let flow: Vec<FlowIx> = via.into_iter().collect();
    if let Err(trouble) = listener::take(step, at, &flow).and_then(|()| listener::start(step, at)) {
        // The event has happened: what is mended goes on behind it.
        step.set_stage(at, Stage::Leaving);
        lifecycle::apply(step, at, trouble.into(), Vec::new());
        return at;
    }
    // Of an event behind a gateway the save point would lie before its waiting, which is over.
    let element = &step.process.node(node).element;
    let begins = element.boundary().is_some() || element.start().is_some();
    if step.process.node(node).async_before && begins {
        step.set_stage(at, Stage::Active);
        lifecycle::continue_later(step, at);
        return at;
    }
    step.agenda.push(Work::Resume { token: at.token, cause: Cause::Fired });
    at
}

/// Of an event that waits for all its triggers others are still to come.
fn waits_for_more(step: &Step, scope: ScopeId, id: LocalId, subscription: &Subscription) -> bool {
    let source = step.process.node(subscription.catches).element.trigger();
    let same = |other: &Subscription| (other.owner, other.catches) == (subscription.owner, subscription.catches);
    source.is_some_and(TriggerSource::is_parallel)
        && step.scope(scope).subscriptions.iter().any(|(other, armed)| *other != id && same(armed))
}

/// All triggers of an event that does not interrupt have come: it waits for all of them anew.
fn arm_anew(step: &mut Step, scope: ScopeId, id: LocalId, subscription: &Subscription) {
    seen!("all-triggers-anew");
    step.disarm(scope, id);
    let process = Arc::clone(&step.process);
    let Some(source) = process.node(subscription.catches).element.trigger() else { return };
    let owner = step.at(subscription.owner);
    let view = owner.map_or(scope, |owner| step.variable_scope(owner));
    match evaluate_from(step, view, owner, source) {
        Ok(triggers) => {
            for trigger in triggers {
                let since = step.now;
                step.arm(scope, Subscription { trigger, since, ..subscription.clone() });
            }
        }
        // It was evaluated before: its variables have changed since.
        Err(fault) => {
            if let Some(at) = owner.or_else(|| step.scope(scope).owner.and_then(|owner| step.at(owner))) {
                step.raise(at, fault);
            }
        }
    }
}

/// A message may come again; a cycle has a next time; any other timer has fired once.
fn rearm_or_disarm(step: &mut Step, scope: ScopeId, id: LocalId, subscription: &Subscription) {
    if step.process.node(subscription.catches).element.trigger().is_some_and(TriggerSource::is_parallel) {
        return arm_anew(step, scope, id, subscription);
    }
    let Trigger::Timer { cycle, part, .. } = &subscription.trigger else {
        return;
    };
    let catch_up =
        step.process.node(subscription.catches).properties.get("transhume.catchUp").is_some_and(|v| v == "true");
    let next = cycle.as_ref().and_then(|cycle| next_due(cycle, step.now, catch_up).ok().flatten());
    match next {
        Some((due, cycle)) => step.rearm(scope, id, Trigger::Timer { due, cycle: Some(cycle), part: *part }),
        None => step.disarm(scope, id),
    }
}
