//! Parallel gateway: waits for one token on each incoming flow, then puts one on each outgoing flow.
//!
//! BPMN 2.0.2, 13.4.1: "the Parallel Gateway is activated if there is at least one token on each incoming Sequence Flow. It
//! consumes exactly one token from each incoming Sequence Flow and produces exactly one token at each outgoing Sequence
//! Flow". Excess tokens stay for the next activation. Joins count per flow, never per token.

use super::prelude::*;
use crate::base::planted;
use std::sync::Arc;

#[derive(Debug)]
pub struct ParallelGateway;

impl ParallelGateway {
    pub(super) fn parse(_source: &Source<'_, '_>, _found: &mut Findings) -> Self {
        Self
    }
}

impl Behavior for ParallelGateway {
    fn enter(&self, step: &mut Step, at: At) -> Next {
        let process = Arc::clone(step.process());
        if process.node(at.node).incoming.len() < 2 {
            return Next::Leave(Outgoing::Every);
        }
        let ready =
            if planted::is("join-counts-tokens") { step.any_parked(at) } else { step.one_parked_per_incoming(at) };
        let Some(others) = ready else {
            return Next::Wait(Wait::Join);
        };
        for token in others.into_iter().filter(|token| *token != at.token) {
            step.join(At { token, ..at });
        }
        Next::Leave(Outgoing::Every)
    }

    fn choose(&self, _step: &mut Step, _at: At) -> Next {
        Next::Leave(Outgoing::Every)
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::testing::check;

    #[test]
    fn it_forks_and_joins() {
        check(
            "start > and[A:user | B:user] > C:user > end",
            "start; complete A; complete B",
            "start and A* B* and/ and/ C*",
        );
    }
}
