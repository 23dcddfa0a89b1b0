//! Exclusive gateway: takes the first outgoing flow whose condition holds, else the default flow.
//!
//! BPMN 2.0.2, 13.4.2: "each token arriving at any incoming Sequence Flows activates the gateway and is routed to exactly
//! one of the outgoing Sequence Flows". None true and no default: the standard throws; here an incident, so that a person
//! can mend the data and go on.

use super::prelude::*;
use crate::engine::lifecycle::no_flow;
use std::sync::Arc;

#[derive(Debug)]
pub struct ExclusiveGateway;

impl ExclusiveGateway {
    pub(super) fn parse(source: &Source<'_, '_>, found: &mut Findings) -> Self {
        if source.outgoing().len() > 1 {
            for flow in source.outgoing().iter().filter(|flow| !flow.has_condition && !flow.is_default) {
                let words = "this flow has no condition, so it is always taken and later flows never are: give it a condition, or make it \
                             the default";
                found.warn(flow.position, Some(&flow.id), "flow-without-condition", words);
            }
        }
        Self
    }
}

impl Behavior for ExclusiveGateway {
    fn enter(&self, step: &mut Step, at: At) -> Next {
        self.choose(step, at)
    }

    fn choose(&self, step: &mut Step, at: At) -> Next {
        let process = Arc::clone(step.process());
        let node = process.node(at.node);
        for ix in node.outgoing.iter().filter(|ix| !process.flow(**ix).is_default) {
            match process.flow(*ix).condition.as_ref().map_or(Ok(true), |condition| step.holds(at, condition)) {
                Ok(true) => return Next::Leave(Outgoing::One(*ix)),
                Ok(false) => {}
                Err(fault) => return Next::Fault(fault),
            }
        }
        match node.outgoing.iter().find(|ix| process.flow(**ix).is_default) {
            Some(default) => Next::Leave(Outgoing::One(*default)),
            None if node.outgoing.is_empty() => Next::Leave(Outgoing::All),
            None => Next::Fault(no_flow(node.outgoing.len())),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::testing::check;

    #[test]
    fn the_first_true_condition_wins() {
        check("start > xor[a: x > 1 > A:user | b: x > 0 > B:user | C:user]", "start {x: 2}", "start xor A*");
    }

    #[test]
    fn no_flow_to_take_is_an_incident_that_can_be_mended() {
        check(
            "start > xor[a: x > 1 > A:user | b: x > 3 > B:user]",
            "start {x: 0}; set {x: 2}; retry xor",
            "start xor! xor A*",
        );
    }
}
