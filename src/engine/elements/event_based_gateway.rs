//! Event-based gateway: waits for the first of the events behind it.
//!
//! BPMN 2.0.2, 13.4.4: "the choice of the branch to be taken is deferred until one of the subsequent Tasks or Events
//! completes. The first to complete causes all other branches to be withdrawn". One that instantiates starts a process at its
//! events (10.6.6): at any of them, or, parallel, at the first, and waits for the others.

use super::prelude::*;
use super::{Element, IntermediateCatchEvent, ReceiveTask};
use std::sync::Arc;

#[derive(Debug)]
pub struct EventBasedGateway {
    /// Its events start a process: each one, or all of them together.
    pub instantiates: bool,
    parallel: bool,
}

impl EventBasedGateway {
    pub(super) fn parse(source: &Source<'_, '_>, found: &mut Findings) -> Self {
        let instantiates = source.el.attribute("instantiate") == Some("true");
        let parallel = source.el.attribute("eventGatewayType") == Some("Parallel");
        if instantiates {
            source.check_instantiating(found);
        }
        if parallel && !instantiates {
            let words = "a parallel event-based gateway starts a process: set instantiate=\"true\", or wait in parallel \
                         branches behind a parallel gateway";
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
        Self { instantiates, parallel }
    }

    pub(crate) fn instantiates_parallel(&self) -> bool {
        self.instantiates && self.parallel
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
