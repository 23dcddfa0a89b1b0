//! Where tokens wait for one another beyond a plain join: start quantities, inclusive joins, complex gateways.

use crate::base::id::{ScopeId, TokenId};
use crate::base::mark::seen;
use crate::base::planted;
use crate::engine::definition::{FlowIx, NodeIx, Process};
use crate::engine::elements::Element;
use crate::engine::event::Event;
use crate::engine::instance::{InstanceState, Stage, Wait};
use crate::engine::lifecycle::{Work, apply, start_token};
use crate::engine::places::Places;
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
    let mut others: Vec<TokenId> = step.instance.places.waiting(at.scope, at.node).map(|(_, token)| token).collect();
    others.sort_unstable();
    others.truncate(quantity - 1);
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
    let left = step.instance.places.waiting(at.scope, at.node).map(|(_, token)| token).min();
    if let Some(token) = left {
        seen!("complex-gateway-begins-anew");
        step.wait_for(At { token, ..at }, Wait::Nothing);
        step.agenda.push(Work::Enter { token, admitted: true });
    }
}

/// Asks inclusive and complex joins again once everything rests, those of scopes in which something has changed; true if
/// one of them fired.
pub(super) fn recheck(step: &mut Step) -> bool {
    if step.process.reach.is_empty() || step.head().state != InstanceState::Active {
        return false;
    }
    let scopes: Vec<ScopeId> = if step.instance.places.asked {
        step.instance.dirty.iter().copied().collect()
    } else {
        step.instance.scopes.keys().copied().collect()
    };
    for scope in scopes {
        let mut from = NodeIx::new(0);
        while let Some(node) = step.instance.places.next_waiting(scope, from) {
            if fire_if_ready(step, scope, node) {
                return true;
            }
            from = NodeIx::new(node.index() + 1);
        }
    }
    step.instance.places.asked = true;
    false
}

fn fire_if_ready(step: &mut Step, scope: ScopeId, node: NodeIx) -> bool {
    let process = Arc::clone(&step.process);
    let mut here = step.instance.places.waiting(scope, node).map(|(_, token)| At { node, token, scope });
    // One token speaks for all that wait in a join; in a complex gateway the one that has begun.
    let speaker = match &process.node(node).element {
        Element::InclusiveGateway(_) => here.next(),
        Element::ComplexGateway(_) => here.find(|at| step.token(*at).stage == Stage::Active),
        _other => None,
    };
    drop(here);
    let Some(at) = speaker else { return false };
    let next = match &process.node(node).element {
        Element::InclusiveGateway(gateway) => gateway.fire_if_ready(step, at),
        Element::ComplexGateway(gateway) => gateway.reset_if_ready(step, at),
        _other => None,
    };
    let Some(next) = next else { return false };
    step.wait_for(at, Wait::Nothing);
    // It has joined: should its choice fail, only the choice is made again.
    step.set_stage(at, Stage::Leaving);
    apply(step, at, next, Vec::new());
    if matches!(process.node(node).element, Element::ComplexGateway(_)) {
        begin_anew(step, at);
    }
    true
}

/// BPMN 2.0.2, 13.4.3: whether a token may still come on an incoming flow of a join that is not full, and cannot come on one
/// that is. Looks first where it found one last.
pub(super) fn awaits(step: &mut Step, at: At, is_full: impl Fn(&Places, FlowIx) -> bool) -> bool {
    let process = Arc::clone(&step.process);
    let Some(reach) = process.reach.get(&at.node) else { return false };
    let incoming = &process.node(at.node).incoming;
    let places = &step.instance.places;
    let full = |flow: FlowIx| is_full(places, flow);
    // A token at the join that has not been let in yet (a save point, an incident) arrives on the flow it came by.
    let arrives = |token: TokenId| {
        let token = step.token(At { token, ..at });
        token.stage == Stage::Entering && token.via.is_some_and(|flow| !full(flow))
    };
    if places.moving(at.scope, at.node).any(arrives) {
        return true;
    }
    let misses = |node: NodeIx| {
        node != at.node
            && reach.misses(node, |position| full(incoming[position]))
            && !(planted::is("inclusive-join-ignores-loop") && in_a_loop(&process, node))
            && goes_on_from(step, at.scope, node)
    };
    let first = places.hint(at.scope, at.node);
    let behind = around(places, at.scope, first, usize::MAX).find(|node| misses(*node));
    let found = behind.or_else(|| around(places, at.scope, 0, first).find(|node| misses(*node)));
    if let Some(node) = found {
        step.instance.places.set_hint(at.scope, at.node, node.index());
    }
    found.is_some()
}

/// Nodes with tokens, from one on and before another.
fn around(places: &Places, scope: ScopeId, from: usize, before: usize) -> impl Iterator<Item = NodeIx> {
    let next = move |from: usize| places.next_node(scope, NodeIx::new(from)).filter(|node| node.index() < before);
    std::iter::successors(next(from), move |node| next(node.index() + 1))
}

/// A token there has not gone on yet. One that has lies on no flow: a complex gateway's that waits for reset (13.4.5: the
/// token "is consumed" when it begins), a throwing event's that did not wait for what it threw.
fn goes_on_from(step: &Step, scope: ScopeId, node: NodeIx) -> bool {
    let places = &step.instance.places;
    let mut all = places.moving(scope, node).chain(places.waiting(scope, node).map(|(_, token)| token));
    all.any(|token| !has_gone_on(step, At { node, token, scope }))
}

/// Its own variable, once it has given its tokens and stays.
const WENT_ON: &str = "transhume.wentOn";

pub(crate) fn has_gone_on(step: &Step, at: At) -> bool {
    let token = step.token(at);
    let begun = token.wait == Wait::Join && token.stage == Stage::Active;
    begun || token.own.is_some_and(|own| step.scope(own).variables.contains_key(WENT_ON))
}

/// Gives its tokens before what it threw is done; leaving, it gives none.
pub(super) fn go_on(step: &mut Step, at: At, flows: Vec<FlowIx>) {
    step.set_own(at, WENT_ON, true.into());
    give(step, at, flows);
}

fn in_a_loop(process: &Process, node: NodeIx) -> bool {
    let mut next = process.graph.neighbors(node);
    next.any(|next| petgraph::algo::has_path_connecting(&process.graph, next, node, None))
}

// What waits in a join.
impl Step<'_> {
    /// One token per incoming flow of `at`'s node in its scope, its own or one that waits, oldest first; none while a flow is
    /// empty. Looks first at the flow that was empty last.
    pub(crate) fn one_parked_per_incoming(&mut self, at: At) -> Option<Vec<TokenId>> {
        let process = Arc::clone(&self.process);
        let incoming = &process.node(at.node).incoming;
        let own = self.token(at).via;
        let places = &mut self.instance.places;
        let first = |places: &Places, flow: FlowIx| {
            let oldest = places.waiting_on(at.scope, at.node, flow).next();
            oldest.or_else(|| (own == Some(flow)).then_some(at.token))
        };
        let hint = places.hint(at.scope, at.node);
        let mut order = (hint..incoming.len()).chain(0..hint.min(incoming.len()));
        if let Some(empty) = order.find(|position| first(places, incoming[*position]).is_none()) {
            places.set_hint(at.scope, at.node, empty);
            return None;
        }
        incoming.iter().map(|flow| first(places, *flow)).collect()
    }

    /// Tokens that wait in `at`'s join, its own among them, by the flow that they came by, oldest first; none that is
    /// about to leave.
    pub(crate) fn parked(&self, at: At) -> BTreeMap<FlowIx, Vec<TokenId>> {
        let mut parked: BTreeMap<FlowIx, Vec<TokenId>> = BTreeMap::new();
        for (flow, token) in self.instance.places.waiting(at.scope, at.node) {
            parked.entry(flow).or_default().push(token);
        }
        let token = self.token(at);
        if let Some(flow) = token.via.filter(|_| token.wait != Wait::Join) {
            let here = parked.entry(flow).or_default();
            here.push(at.token);
            here.sort_unstable();
        }
        parked
    }
}
