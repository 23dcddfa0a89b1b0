//! BPMN errors and escalations: from the activity that throws outwards to the nearest event that catches.
//!
//! BPMN 2.0.2, 10.5.6 and 13.5.3: an error interrupts the activity on whose boundary it is caught. Nobody catches: the
//! standard leaves it open; here an incident at the thrower, never a silent end. From a called process it goes on at the
//! call activity.

use crate::base::id::{ElementId, InstanceId, LocalId, ROOT_SCOPE, ScopeId, TokenId};
use crate::base::mark::seen;
use crate::base::variable::{Variable, Variables};
use crate::engine::cancel;
use crate::engine::command::{CallResult, Effect, Rejection};
use crate::engine::definition::NodeIx;
use crate::engine::elements::CaughtVariables;
use crate::engine::event::{Event, JobEnd};
use crate::engine::event_sub_process;
use crate::engine::incident::{BpmnError, Fault, IncidentKind};
use crate::engine::instance::{InstanceState, OF_SCOPE, ScopeKind, Stage, Subscription, Wait};
use crate::engine::listener;
use crate::engine::step::{At, Step};
use crate::engine::subscription::{TriggerSource, disarm_all, place_fired};
use serde_json::Value;
use std::sync::Arc;

/// What goes outwards until something catches it.
#[derive(Clone, Copy)]
enum Thrown<'a> {
    Error(&'a str),
    Escalation(&'a str),
}

impl Thrown<'_> {
    /// Whether an event waits for this, under its own code (`exactly`) or under any.
    fn fits(self, source: &TriggerSource, exactly: bool) -> bool {
        source.parts().iter().any(|source| {
            let (code, wanted) = match (self, source) {
                (Self::Error(code), TriggerSource::Error { code: wanted })
                | (Self::Escalation(code), TriggerSource::Escalation { code: wanted }) => (code, wanted),
                _others => return false,
            };
            if exactly { wanted.as_deref() == Some(code) } else { wanted.is_none() }
        })
    }
}

enum Catcher {
    Boundary {
        host: At,
        event: NodeIx,
    },
    /// The start of an event sub-process in this scope.
    EventSubProcess(ScopeId, LocalId),
    /// The process that called this one decides.
    Caller,
    Nobody,
}

impl Catcher {
    fn event(&self, step: &Step) -> Option<ElementId> {
        match self {
            Self::Boundary { event, .. } => Some(step.element_id(*event)),
            Self::EventSubProcess(scope, id) => {
                step.scope(*scope).subscriptions.get(id).map(|armed| step.element_id(armed.catches))
            }
            Self::Caller | Self::Nobody => None,
        }
    }
}

pub(super) fn throw(step: &mut Step, at: At, error: BpmnError) {
    let catcher = find(step, at, Thrown::Error(&error.code));
    let caught_by = catcher.event(step);
    step.events.push(Event::ErrorThrown { token: at.token, code: error.code.clone(), caught_by });
    if !matches!(catcher, Catcher::Nobody) {
        listener::deleted(step, at);
    }
    match catcher {
        Catcher::Boundary { host, event } => {
            step.close_work(at, JobEnd::Error);
            cancel::cancel(step, host);
            let placed = place_fired(step, host.scope, (event, None), error.variables, Variables::new());
            tell(step, placed, (event, error.code, error.message));
        }
        Catcher::EventSubProcess(scope, id) => {
            step.close_work(at, JobEnd::Error);
            let (placed, start) = begin_event_sub_process(step, scope, id, error.variables);
            tell(step, placed, (start, error.code, error.message));
        }
        Catcher::Caller => return_error(step, at, error),
        Catcher::Nobody => {
            let message = match &error.message {
                Some(message) => format!("no event catches the error {}: {message}", error.code),
                None => format!("no event catches the error {}", error.code),
            };
            seen!("uncaught-error");
            step.raise(at, Fault::new(IncidentKind::UncaughtError, message));
        }
    }
}

/// BPMN 2.0.2, 10.5.6: an escalation is caught as an error is, but need not interrupt; nobody catches: "the thrower goes
/// on". The thrower may be gone afterwards.
pub(super) fn escalate(step: &mut Step, at: At, code: String, variables: Variables) {
    let catcher = find(step, at, Thrown::Escalation(&code));
    let caught_by = catcher.event(step);
    step.events.push(Event::Escalated { token: at.token, code: code.clone(), caught_by });
    match catcher {
        Catcher::Boundary { host, event } => {
            if step.process.node(event).element.boundary().is_some_and(|boundary| boundary.interrupting) {
                cancel::cancel(step, host);
            }
            let placed = place_fired(step, host.scope, (event, None), variables, Variables::new());
            tell(step, placed, (event, code, None));
        }
        Catcher::EventSubProcess(scope, id) => {
            let (placed, start) = begin_event_sub_process(step, scope, id, variables);
            tell(step, placed, (start, code, None));
        }
        Catcher::Caller => {
            let caller = step.head().caller.expect("found: called");
            step.effects.push(Effect::EscalateToCaller { caller, code });
        }
        Catcher::Nobody => seen!("escalation-unheard"),
    }
}

/// An exact code before a catch-all, the nearest activity first; of one activity its boundary events before the event
/// sub-processes of the scope around it.
fn find(step: &Step, at: At, thrown: Thrown<'_>) -> Catcher {
    let process = Arc::clone(&step.process);
    let mut current = Some(at);
    while let Some(host) = current {
        let scope = step.scope(host.scope);
        // Boundary events of a multi-instance belong to its body, which owns the inner scopes.
        if scope.kind != ScopeKind::Inner {
            let catching = |exactly: bool| {
                let boundary = |event: &NodeIx| process.node(*event).element.boundary();
                let fits = |event: &NodeIx| boundary(event).is_some_and(|found| thrown.fits(&found.trigger, exactly));
                process.node(host.node).boundary.iter().copied().find(fits)
            };
            if let Some(event) = catching(true).or_else(|| catching(false)) {
                return Catcher::Boundary { host, event };
            }
            if let Some(id) = armed_start(step, host.scope, thrown) {
                return Catcher::EventSubProcess(host.scope, id);
            }
        }
        current = scope.owner.and_then(|owner| step.at(owner));
    }
    if step.head().caller.is_some() { Catcher::Caller } else { Catcher::Nobody }
}

/// The start event of an event sub-process that waits in this scope, and still does.
fn armed_start(step: &Step, scope: ScopeId, thrown: Thrown<'_>) -> Option<LocalId> {
    let fits = |armed: &Subscription, exactly: bool| {
        let start = step.process.node(armed.catches).element.start();
        let source = start.and_then(|start| start.trigger.as_ref());
        armed.owner == OF_SCOPE && source.is_some_and(|source| thrown.fits(source, exactly))
    };
    let catching = |exactly: bool| {
        step.scope(scope).subscriptions.iter().find(|(_, armed)| fits(armed, exactly)).map(|(id, _)| *id)
    };
    catching(true).or_else(|| catching(false))
}

/// Its token, and the start event that caught.
fn begin_event_sub_process(step: &mut Step, scope: ScopeId, id: LocalId, variables: Variables) -> (At, NodeIx) {
    let armed = step.scope(scope).subscriptions[&id].clone();
    (event_sub_process::begin(step, scope, &armed, variables, Variables::new()), armed.catches)
}

/// Gives what was caught to the variables that the catching event names.
fn tell(step: &mut Step, at: At, (event, code, message): (NodeIx, String, Option<String>)) {
    let process = Arc::clone(&step.process);
    let element = &process.node(event).element;
    let facts = element.boundary().map(|event| &event.caught).or_else(|| element.start().map(|event| &event.caught));
    let Some(CaughtVariables { code: code_variable, message: message_variable }) = facts else { return };
    for (name, value) in [(code_variable, Some(code)), (message_variable, message)] {
        if let Some(name) = name {
            step.set_outward(at.scope, name, Variable::from(value.map_or(Value::Null, Value::String)));
        }
    }
}

/// This instance ends; its caller's activity throws.
fn return_error(step: &mut Step, at: At, error: BpmnError) {
    seen!("error-to-caller");
    let caller = step.head().caller.expect("checked: called");
    step.close_work(at, JobEnd::Error);
    end_all(step);
    listener::process_is_ended(step);
    step.instance.head.reason = Some(format!("error {}", error.code));
    step.set_state(InstanceState::Terminated);
    step.events.push(Event::ScopeClosed { scope: ROOT_SCOPE });
    let BpmnError { code, message, variables } = error;
    step.effects.push(Effect::ReturnToCaller { caller, result: CallResult::Error { code, message, variables } });
}

/// Cancels every token of the process, and what it waits for itself.
pub(super) fn end_all(step: &mut Step) {
    disarm_all(step, ROOT_SCOPE, OF_SCOPE);
    let tokens: Vec<_> = step.instance.root().tokens.keys().copied().collect();
    for token in tokens {
        if let Some(at) = step.at(token) {
            cancel::cancel(step, at);
        }
    }
}

/// A called process ended in an error: its call activity throws in turn, at the stage in which it waited.
pub(super) fn rethrow(step: &mut Step, at: At, error: BpmnError) {
    step.set_stage(at, Stage::Active);
    throw(step, at, error);
}

/// A called process escalates beyond its border: its call activity is the thrower here.
pub(super) fn escalated(step: &mut Step, token: TokenId, called: InstanceId, code: String) -> Result<(), Rejection> {
    let at = step.at(token).ok_or(Rejection::TokenNotWaiting(token))?;
    if step.token(at).wait != Wait::Called(called) {
        return Err(Rejection::TokenNotWaiting(token));
    }
    escalate(step, at, code, Variables::new());
    Ok(())
}
