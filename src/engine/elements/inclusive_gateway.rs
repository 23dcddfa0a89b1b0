//! Inclusive gateway: splits to every flow whose condition holds; joins what can still arrive.
//!
//! BPMN 2.0.2, 13.4.3: the join is activated if at least one incoming flow has a token, and "for every directed path formed
//! by sequence flow that (i) starts with a Sequence Flow f of the diagram that has a token, (ii) ends with an incoming
//! Sequence Flow of the inclusive gateway that has no token, and (iii) does not visit the Inclusive Gateway, there is also
//! a directed path that starts with f, ends with an incoming Sequence Flow of the gateway that has a token, and does not
//! visit the gateway". The sets of (ii) and (iii) are made at deployment; the question is asked when everything rests.

use super::prelude::*;
use crate::engine::lifecycle::no_flow;
use std::sync::Arc;

#[derive(Debug)]
pub struct InclusiveGateway;

impl InclusiveGateway {
    pub(super) fn parse(_source: &Source<'_, '_>, _found: &mut Findings) -> Self {
        Self
    }

    /// Takes one token of each incoming flow that has some, if nothing more can arrive on the empty ones.
    pub(crate) fn fire_if_ready(&self, step: &mut Step, at: At) -> Option<Next> {
        if step.awaits(at, &[]) {
            return None;
        }
        let parked = step.parked(at);
        let first = parked.values().filter_map(|tokens| tokens.first().copied());
        for token in first.filter(|token| *token != at.token) {
            step.join(At { token, ..at });
        }
        Some(self.choose(step, at))
    }
}

impl Behavior for InclusiveGateway {
    fn enter(&self, step: &mut Step, at: At) -> Next {
        let process = Arc::clone(step.process());
        if process.node(at.node).incoming.len() < 2 { self.choose(step, at) } else { Next::Wait(Wait::Join) }
    }

    fn choose(&self, step: &mut Step, at: At) -> Next {
        let process = Arc::clone(step.process());
        let node = process.node(at.node);
        let mut flows = Vec::new();
        for ix in node.outgoing.iter().filter(|ix| !process.flow(**ix).is_default) {
            match process.flow(*ix).condition.as_ref().map_or(Ok(true), |condition| step.holds(at, condition)) {
                Ok(true) => flows.push(*ix),
                Ok(false) => {}
                Err(fault) => return Next::Fault(fault),
            }
        }
        if flows.is_empty() {
            flows.extend(node.outgoing.iter().copied().filter(|ix| process.flow(*ix).is_default));
        }
        if flows.is_empty() && !node.outgoing.is_empty() {
            return Next::Fault(no_flow(node.outgoing.len()));
        }
        Next::Leave(Outgoing::These(flows))
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::testing::check;

    #[test]
    fn it_takes_every_flow_that_holds_and_joins_what_was_taken() {
        check(
            "start > or[a: x > 0 > A:user | b: x > 1 > B:user | C:user] > D:user > end",
            "start {x: 2}; complete A; complete B",
            "start or A* B* or/ or/ D*",
        );
    }

    #[test]
    fn the_default_flow_is_taken_when_nothing_holds() {
        check(
            "start > or[a: x > 0 > A:user | b: x > 1 > B:user | C:user] > D:user > end",
            "start {x: 0}; complete C",
            "start or C* or/ D*",
        );
    }
}
