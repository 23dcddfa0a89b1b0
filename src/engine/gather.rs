//! Where tokens wait for one another beyond a plain join: start quantities, inclusive joins, complex gateways.

use crate::base::id::{ScopeId, TokenId};
use crate::engine::definition::{FlowIx, NodeIx};
use crate::engine::elements::Element;
use crate::engine::event::Event;
use crate::engine::instance::{InstanceState, Stage, Token, Wait};
use crate::engine::lifecycle::{Work, apply, start_token};
use crate::engine::step::{At, Step};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A gateway gives tokens and stays, to wait for the rest.
pub(super) fn begin(step: &mut Step, at: At, flows: Vec<FlowIx>) {
    step.set_stage(at, Stage::Active);
    step.set_wait(at, Wait::Join);
    give(step, at, flows);
}

/// These flows get a token, and the one that gives them stays.
pub(super) fn give(step: &mut Step, at: At, flows: Vec<FlowIx>) {
    let process = Arc::clone(&step.process);
    step.events.push(Event::WentOn { token: at.token, at: step.element_id(at.node) });
    for flow in flows {
        step.take(flow);
        start_token(step, at.scope, process.target(flow), Some(flow));
    }
}

/// Whether a token waits for others of its kind before it may enter: a start quantity. The last one takes the others with it.
pub(super) fn waits_for_others(step: &mut Step, at: At, quantity: usize) -> bool {
    let same = |token: &Token| token.at == at.node && token.wait == Wait::Join && token.stage == Stage::Entering;
    let waiting = step.scope(at.scope).tokens.iter().filter(|(_, token)| same(token)).map(|(id, _)| *id);
    let others: Vec<TokenId> = waiting.take(quantity - 1).collect();
    if others.len() < quantity - 1 {
        step.set_wait(at, Wait::Join);
        return true;
    }
    for token in others {
        step.join(At { token, ..at });
    }
    false
}

/// Tokens that a complex gateway has left over are the first of its next turn.
fn begin_anew(step: &mut Step, at: At) {
    let left =
        step.scope(at.scope).tokens.iter().find(|(_, t)| t.at == at.node && t.wait == Wait::Join).map(|(id, _)| *id);
    if let Some(token) = left {
        step.token_mut(At { token, ..at }).wait = Wait::Nothing;
        step.agenda.push(Work::Enter { token, admitted: true });
    }
}

/// Asks inclusive and complex joins again once everything rests; true if one of them fired.
pub(super) fn recheck(step: &mut Step) -> bool {
    if step.process.reach.is_empty() || step.head().state != InstanceState::Active {
        return false;
    }
    // One token speaks for all that wait in a join; in a complex gateway the one that has begun.
    let mut speakers: BTreeMap<(ScopeId, NodeIx), At> = BTreeMap::new();
    for (scope, id, token) in step.instance.tokens().filter(|(_, _, token)| token.wait == Wait::Join) {
        let at = At { node: token.at, token: id, scope };
        let speaker = speakers.entry((scope, token.at)).or_insert(at);
        if token.stage == Stage::Active {
            *speaker = at;
        }
    }
    let parked: Vec<At> = speakers.into_values().collect();
    let process = Arc::clone(&step.process);
    for at in parked {
        if step.at(at.token).is_none() {
            continue;
        }
        let next = match &process.node(at.node).element {
            Element::InclusiveGateway(gateway) => gateway.fire_if_ready(step, at),
            Element::ComplexGateway(gateway) => gateway.reset_if_ready(step, at),
            _other => None,
        };
        if let Some(next) = next {
            step.token_mut(at).wait = Wait::Nothing;
            // It has joined: should its choice fail, only the choice is made again.
            step.set_stage(at, Stage::Leaving);
            apply(step, at, next, Vec::new());
            if matches!(process.node(at.node).element, Element::ComplexGateway(_)) {
                begin_anew(step, at);
            }
            return true;
        }
    }
    false
}
