//! Event-based gateway: waits for the first of the events behind it.
//!
//! BPMN 2.0.2, 13.4.4: "the choice of the branch to be taken is deferred until one of the subsequent Tasks or Events
//! completes. The first to complete causes all other branches to be withdrawn". Gateways that start a process follow.

use super::prelude::*;
use super::{Element, IntermediateCatchEvent, ReceiveTask};
use std::sync::Arc;

#[derive(Debug)]
pub struct EventBasedGateway;

impl EventBasedGateway {
    pub(super) fn parse(source: &Source<'_, '_>, found: &mut Findings) -> Self {
        source.refuse_if_true(
            "instantiate",
            "an event-based gateway that starts a process does not run yet; use message start events",
            found,
        );
        if source.el.attribute("eventGatewayType") == Some("Parallel") {
            let words = "a parallel event-based gateway does not run yet";
            found.error(source.position(), source.id_opt(), "parallel-event-gateway", words);
        }
        if source.outgoing().len() < 2 {
            let words = "an event-based gateway needs two or more outgoing flows to choose from";
            found.error(source.position(), source.id_opt(), "event-gateway-flows", words);
        }
        for flow in source.outgoing() {
            if flow.has_condition {
                let words = "a flow out of an event-based gateway has no condition: the event decides";
                found.error(flow.position, Some(&flow.id), "event-gateway-condition", words);
            }
            if !matches!(flow.target_kind.as_str(), "intermediateCatchEvent" | "receiveTask") {
                let words = format!(
                    "an event-based gateway leads to {:?}, a {}; only intermediate catch events and receive tasks may follow it",
                    flow.target, flow.target_kind
                );
                found.error(flow.position, Some(&flow.id), "event-gateway-target", words);
            }
        }
        Self
    }
}

impl Behavior for EventBasedGateway {
    fn enter(&self, step: &mut Step, at: At) -> Next {
        let process = Arc::clone(step.process());
        let events: Vec<_> = process.node(at.node).outgoing.iter().map(|flow| process.target(*flow)).collect();
        let mut ready = Vec::new();
        for event in events {
            let source = match &process.node(event).element {
                Element::IntermediateCatchEvent(IntermediateCatchEvent { trigger }) => trigger.as_ref(),
                Element::ReceiveTask(task) => ReceiveTask::message(task),
                _checked_at_deployment => None,
            };
            if let Some(source) = source {
                match subscription::evaluate(step, at, source) {
                    Ok(triggers) => ready.extend(triggers.into_iter().map(|trigger| (event, trigger))),
                    Err(fault) => return Next::Fault(fault),
                }
            }
        }
        for (event, trigger) in ready {
            step.arm_for(at, event, trigger);
        }
        Next::Wait(Wait::Trigger)
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::testing::check;

    #[test]
    fn the_first_event_wins_and_withdraws_the_others() {
        check(
            "start > race[M:message go > A:user > e1:end | T:timer PT1H > B:user > e2:end]",
            "start; message go; advance PT1H",
            "start race* M A*",
        );
    }
}
