//! BPMN errors: from the activity that throws outwards to the nearest event that catches.
//!
//! BPMN 2.0.2, 10.5.6 and 13.5.3: an error interrupts the activity on whose boundary it is caught. Nobody catches: the
//! standard leaves it open; here an incident at the thrower, never a silent end. From a called process it goes on at the
//! call activity.

use crate::base::variable::Variable;
use crate::engine::command::{CallResult, Effect};
use crate::engine::definition::NodeIx;
use crate::engine::event::{Event, JobEnd};
use crate::engine::incident::{BpmnError, Fault, IncidentKind};
use crate::engine::instance::{InstanceState, ScopeKind, Stage};
use crate::engine::lifecycle;
use crate::engine::step::{At, Step};
use crate::engine::subscription::{TriggerSource, place_fired};
use serde_json::Value;
use std::sync::Arc;

enum Catcher {
    Boundary {
        host: At,
        event: NodeIx,
    },
    /// The process that called this one decides.
    Caller,
    Nobody,
}

pub(super) fn throw(step: &mut Step, at: At, error: BpmnError) {
    let catcher = find(step, at, &error.code);
    let caught_by = match &catcher {
        Catcher::Boundary { event, .. } => Some(step.element_id(*event)),
        Catcher::Caller | Catcher::Nobody => None,
    };
    step.events.push(Event::ErrorThrown { token: at.token, code: error.code.clone(), caught_by });
    match catcher {
        Catcher::Boundary { host, event } => catch(step, at, host, event, error),
        Catcher::Caller => return_error(step, at, error),
        Catcher::Nobody => {
            let message = match &error.message {
                Some(message) => format!("no event catches the error {}: {message}", error.code),
                None => format!("no event catches the error {}", error.code),
            };
            step.raise(at, Fault::new(IncidentKind::UncaughtError, message));
        }
    }
}

/// An exact code before a catch-all, the nearest activity first.
fn find(step: &Step, at: At, code: &str) -> Catcher {
    let process = Arc::clone(&step.process);
    let mut current = Some(at);
    while let Some(host) = current {
        let scope = step.scope(host.scope);
        // Boundary events of a multi-instance belong to its body, which owns the inner scopes.
        if scope.kind != ScopeKind::Inner {
            let catching = |wanted: Option<&str>| {
                process.node(host.node).boundary.iter().copied().find(|event| {
                    process.node(*event).element.boundary().is_some_and(|boundary| {
                        matches!(&boundary.trigger, TriggerSource::Error { code } if code.as_deref() == wanted)
                    })
                })
            };
            if let Some(event) = catching(Some(code)).or_else(|| catching(None)) {
                return Catcher::Boundary { host, event };
            }
        }
        current = scope.owner.and_then(|owner| step.at(owner));
    }
    if step.head().caller.is_some() { Catcher::Caller } else { Catcher::Nobody }
}

fn catch(step: &mut Step, thrower: At, host: At, event: NodeIx, error: BpmnError) {
    step.close_work(thrower, JobEnd::Error);
    let process = Arc::clone(&step.process);
    lifecycle::cancel(step, host);
    let at = place_fired(step, host.scope, (event, None), error.variables, crate::base::variable::Variables::new());
    if let Some(boundary) = process.node(event).element.boundary() {
        let facts =
            [(&boundary.error_code_variable, Some(error.code)), (&boundary.error_message_variable, error.message)];
        for (name, value) in facts {
            if let Some(name) = name {
                let value = value.map_or(Value::Null, Value::String);
                step.set_outward(at.scope, name, Variable::from(value));
            }
        }
    }
}

/// This instance ends; its caller's activity throws.
fn return_error(step: &mut Step, at: At, error: BpmnError) {
    let caller = step.head().caller.expect("checked: called");
    step.close_work(at, JobEnd::Error);
    end_all(step);
    step.instance.head.reason = Some(format!("error {}", error.code));
    step.set_state(InstanceState::Terminated);
    step.events.push(Event::ScopeClosed { scope: crate::base::id::ROOT_SCOPE });
    let BpmnError { code, message, variables } = error;
    step.effects.push(Effect::ReturnToCaller { caller, result: CallResult::Error { code, message, variables } });
}

/// Cancels every token of the process.
pub(super) fn end_all(step: &mut Step) {
    let tokens: Vec<_> = step.instance.root().tokens.keys().copied().collect();
    for token in tokens {
        if let Some(at) = step.at(token) {
            lifecycle::cancel(step, at);
        }
    }
}

/// A called process ended in an error: its call activity throws in turn, at the stage in which it waited.
pub(super) fn rethrow(step: &mut Step, at: At, error: BpmnError) {
    step.set_stage(at, Stage::Active);
    throw(step, at, error);
}
