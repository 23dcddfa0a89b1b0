//! Complex gateway: goes on when its activation condition holds, and waits for the rest before it begins anew.
//!
//! BPMN 2.0.2, 13.4.5: waiting for start, "it waits for the activationExpression to become true … a token is consumed from
//! each incoming Sequence Flow that has a token"; outgoing flows whose condition holds get one, else the default flow.
//! Waiting for reset, it "waits for a token on each of those incoming Sequence Flow from which it has not yet received a
//! token in the first phase unless such a token is not expected"; then only flows whose condition holds get a token: one
//! without a condition had its token in the first phase. Conditions see `activationCount` and `waitingForStart`.

use super::prelude::*;
use crate::base::id::TokenId;
use crate::engine::compile::expression;
use crate::engine::definition::FlowIx;
use crate::engine::instance::Stage;
use crate::engine::lifecycle::no_flow;
use serde_json::Value;
use std::sync::Arc;

/// Its own variable while it waits for reset: the flows whose tokens it has consumed.
const CONSUMED: &str = "transhume.consumed";
const COUNT: &str = "activationCount";
const STARTS: &str = "waitingForStart";

#[derive(Debug)]
pub struct ComplexGateway {
    activation: Option<Compiled>,
}

impl ComplexGateway {
    pub(super) fn parse(source: &Source<'_, '_>, found: &mut Findings) -> Self {
        let activation = source.bpmn_child("activationCondition").map(|el| expression(el, source.id_opt(), found));
        if activation.is_none() && source.incoming_count() > 1 {
            let words = "this complex gateway joins flows and does not say when: give it an activationCondition, such as \
                         ${activationCount >= 2}";
            found.error(source.position(), source.id_opt(), "complex-gateway-condition", words);
        }
        Self { activation }
    }

    /// The token of this gateway that has begun and waits for reset.
    fn begun(step: &Step, at: At) -> Option<TokenId> {
        step.waiting_at(at).find(|token| step.token(At { token: *token, ..at }).stage == Stage::Active)
    }

    /// Waiting for start: one token of each flow that has some is consumed, if the condition holds.
    fn start(&self, step: &mut Step, at: At) -> Next {
        let process = Arc::clone(step.process());
        let incoming = &process.node(at.node).incoming;
        let parked = step.parked(at);
        let own = step.token(at).via;
        let first = |flow: &FlowIx| {
            let oldest = parked.get(flow).and_then(|tokens| tokens.first().copied());
            Some((*flow, if own == Some(*flow) { at.token } else { oldest? }))
        };
        let here: Vec<(FlowIx, TokenId)> = incoming.iter().filter_map(first).collect();
        let count: usize = parked.values().map(Vec::len).sum();
        let facts = [(COUNT, Value::from(count)), (STARTS, Value::Bool(true))];
        match self.activation.as_ref().map_or(Ok(true), |activation| step.holds_knowing(at, activation, &facts)) {
            Ok(true) => {}
            Ok(false) => return Next::Wait(Wait::Join),
            Err(fault) => return Next::Fault(fault),
        }
        let flows = match chosen(step, at, &facts, true) {
            Ok(flows) => flows,
            Err(fault) => return Next::Fault(fault),
        };
        for (_, token) in here.iter().filter(|(_, token)| *token != at.token) {
            step.join(At { token: *token, ..at });
        }
        if incoming.len() < 2 {
            return Next::Leave(Outgoing::These(flows));
        }
        let consumed = here.iter().map(|(flow, _)| Value::String(process.flow(*flow).id.to_string())).collect();
        step.set_own(at, CONSUMED, Value::Array(consumed));
        Next::Begin(flows)
    }

    /// Waiting for reset: everything that can still come is here.
    pub(crate) fn reset_if_ready(&self, step: &mut Step, at: At) -> Option<Next> {
        let process = Arc::clone(step.process());
        let consumed = consumed(step, at);
        let had = |flow: &FlowIx| consumed.iter().any(|id| **id == *process.flow(*flow).id);
        let (had, rest): (Vec<FlowIx>, Vec<FlowIx>) = process.node(at.node).incoming.iter().partition(|flow| had(flow));
        if step.awaits(at, &had) {
            return None;
        }
        let parked = step.parked(at);
        let other = |flow: &FlowIx| parked.get(flow)?.iter().find(|token| **token != at.token).copied();
        for token in rest.iter().filter_map(other) {
            step.join(At { token, ..at });
        }
        Some(self.choose(step, at))
    }
}

impl Behavior for ComplexGateway {
    fn enter(&self, step: &mut Step, at: At) -> Next {
        match Self::begun(step, at) {
            Some(_) => Next::Wait(Wait::Join),
            None => self.start(step, at),
        }
    }

    /// The flows of the reset; of a gateway that joins nothing those of the start, which is all it has.
    fn choose(&self, step: &mut Step, at: At) -> Next {
        let start = step.process().node(at.node).incoming.len() < 2;
        let facts = [(COUNT, Value::from(usize::from(start))), (STARTS, Value::Bool(start))];
        match chosen(step, at, &facts, start) {
            Ok(flows) => Next::Leave(Outgoing::These(flows)),
            Err(fault) => Next::Fault(fault),
        }
    }
}

fn consumed(step: &Step, at: At) -> Vec<String> {
    let own = step.token(at).own.and_then(|own| step.scope(own).variables.get(CONSUMED).cloned());
    match own.map(|variable| variable.value) {
        Some(Value::Array(flows)) => flows.into_iter().filter_map(|id| id.as_str().map(str::to_owned)).collect(),
        Some(_) | None => Vec::new(),
    }
}

/// At the start flows without a condition count as true, and the default flow stands in; at the reset neither.
fn chosen(step: &mut Step, at: At, facts: &[(&str, Value)], start: bool) -> Result<Vec<FlowIx>, Fault> {
    let process = Arc::clone(step.process());
    let outgoing = &process.node(at.node).outgoing;
    let mut flows = Vec::new();
    for ix in outgoing.iter().filter(|ix| !process.flow(**ix).is_default) {
        let holds = match &process.flow(*ix).condition {
            Some(condition) => step.holds_knowing(at, condition, facts)?,
            None => start,
        };
        flows.extend(holds.then_some(*ix));
    }
    if start && flows.is_empty() {
        flows.extend(outgoing.iter().copied().filter(|ix| process.flow(*ix).is_default));
        if flows.is_empty() && !outgoing.is_empty() {
            return Err(no_flow(outgoing.len()));
        }
    }
    Ok(flows)
}

#[cfg(test)]
mod tests {
    use crate::engine::testing::{check_xml, within};

    const SOME: &str = r#"<startEvent id="s"/><sequenceFlow id="f0" sourceRef="s" targetRef="fork"/><parallelGateway id="fork"/>
        <sequenceFlow id="f1" sourceRef="fork" targetRef="A"/><userTask id="A"/><sequenceFlow id="f2" sourceRef="A" targetRef="G"/>
        <sequenceFlow id="f3" sourceRef="fork" targetRef="B"/><userTask id="B"/><sequenceFlow id="f4" sourceRef="B" targetRef="G"/>
        <complexGateway id="G"><activationCondition>${activationCount &gt;= ENOUGH}</activationCondition></complexGateway>
        <sequenceFlow id="f5" sourceRef="G" targetRef="C"/><userTask id="C"/>"#;

    #[test]
    fn one_is_enough_and_the_other_resets_it() {
        let xml = within(&SOME.replace("ENOUGH", "1"));
        check_xml(&xml, "start; complete A; complete B; complete C", "s fork A* B* G C* G .completed");
    }

    #[test]
    fn it_waits_until_its_condition_holds() {
        let xml = within(&SOME.replace("ENOUGH", "2"));
        check_xml(&xml, "start; complete A; complete B", "s fork A* B* G G C*");
    }
}
