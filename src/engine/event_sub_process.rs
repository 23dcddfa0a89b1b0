//! Event sub-processes: armed while the scope around them is open; a token comes to them by their start event only.
//!
//! BPMN 2.0.2, 10.3.5 and 13.3.4: "an Event Sub-Process becomes active when its Start Event gets triggered"; with an
//! interrupting start event "it interrupts the Process or Sub-Process which contains it", else it runs beside it. What one
//! throws goes outwards from there: an interrupted scope catches nothing more, another may, even by the same start event.

use crate::base::id::ScopeId;
use crate::base::variable::Variables;
use crate::engine::cancel;
use crate::engine::definition::NodeIx;
use crate::engine::elements::Behavior;
use crate::engine::incident::Fault;
use crate::engine::instance::{OF_SCOPE, Stage, Subscription};
use crate::engine::lifecycle;
use crate::engine::listener;
use crate::engine::step::{At, Step};
use crate::engine::subscription::{TriggerSource, disarm_all, evaluate_from};
use crate::engine::variables::set_results;
use std::sync::Arc;

/// Evaluates what the event sub-processes of a process (`None`) or sub-process wait for, seen from around it: a failing
/// expression has no effect.
pub(super) fn prepare(
    step: &mut Step,
    container: Option<NodeIx>,
    (scope, at): (ScopeId, Option<At>),
) -> Result<Vec<Subscription>, Fault> {
    let process = Arc::clone(&step.process);
    let mut prepared = Vec::new();
    for start in process.event_starts(container) {
        if let Some(event) = process.node(*start).element.start()
            && let Some(source) = event.trigger.as_ref().filter(|source| !matches!(source, TriggerSource::Compensation))
        {
            for trigger in evaluate_from(step, scope, at, source)? {
                let (catches, interrupting, since) = (*start, event.interrupting, step.now);
                prepared.push(Subscription { owner: OF_SCOPE, catches, trigger, interrupting, since });
            }
        }
    }
    Ok(prepared)
}

/// The event of one has happened (checked and recorded before): it begins, beside or instead of the rest of its scope.
/// Gives its token; the data that came along is there before anything in it.
pub(super) fn begin(
    step: &mut Step,
    scope: ScopeId,
    subscription: &Subscription,
    variables: Variables,
    local: Variables,
) -> At {
    let process = Arc::clone(&step.process);
    let start = process.node(subscription.catches);
    let node = start.parent.expect("compiled: an event sub-process is around its start event");
    if subscription.interrupting {
        interrupt(step, scope);
    }
    let at = step.place(scope, node, None);
    step.set_stage(at, Stage::Active);
    set_results(step, at, variables, local);
    let next = match listener::start(step, at) {
        Ok(()) => process.node(node).element.enter(step, at),
        Err(trouble) => trouble.into(),
    };
    lifecycle::apply(step, at, next, Vec::new());
    at
}

/// Everything in the scope ends, and nothing else may begin in it but what interrupted it.
fn interrupt(step: &mut Step, scope: ScopeId) {
    let tokens: Vec<_> = step.scope(scope).tokens.keys().copied().collect();
    for token in tokens {
        if let Some(at) = step.at(token) {
            cancel::cancel(step, at);
        }
    }
    disarm_all(step, scope, OF_SCOPE);
}
