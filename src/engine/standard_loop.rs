//! Standard loops: the body token waits for a body scope, in which one inner instance follows another.
//!
//! BPMN 2.0.2, 13.3.6: "a Loop Activity … executes the inner Activity as long as the loopCondition evaluates to true"; with
//! testBefore the condition is asked before the first time too; loopMaximum bounds how often. `loopCounter`, from 0, is a
//! variable of the body.

use crate::base::id::ScopeId;
use crate::engine::compensation;
use crate::engine::definition::{Looping, StandardLoop};
use crate::engine::instance::{ScopeKind, Stage, Wait};
use crate::engine::lifecycle::{Cause, Work, start_token};
use crate::engine::step::{At, Step};
use crate::engine::subscription;
use std::sync::Arc;

const COUNTER: &str = "loopCounter";

pub(super) fn open(step: &mut Step, at: At) {
    let armed = match subscription::prepare(step, at) {
        Ok(armed) => armed,
        Err(fault) => return step.raise(at, fault),
    };
    let body = step.open_scope(ScopeKind::Body, Some(step.variable_scope(at)), Some(at.token), Some(at.node));
    step.set_stage(at, Stage::Active);
    step.set_wait(at, Wait::Scope(body));
    for subscription in armed {
        step.arm(at.scope, subscription);
    }
    next(step, at, body);
}

/// An inner instance's token has left.
pub(super) fn inner_done(step: &mut Step, inner: ScopeId) {
    let scope = step.scope(inner);
    let (body, owner) =
        (scope.parent.expect("an inner scope has a body"), scope.owner.expect("an inner scope has an owner"));
    compensation::close_inner(step, body, inner);
    if let Some(at) = step.at(owner) {
        next(step, at, body);
    }
}

/// Begins another instance, or leaves. A condition that fails is an incident; resolved, it is asked again.
pub(super) fn next(step: &mut Step, at: At, body: ScopeId) {
    let process = Arc::clone(&step.process);
    let Some(Looping::Standard(StandardLoop { test_before, maximum, condition })) = &process.node(at.node).looping
    else {
        unreachable!("checked: this activity loops")
    };
    let counter = step.scope(body).variables.get(COUNTER).and_then(|counter| counter.value.as_u64());
    let done = counter.map_or(0, |counter| usize::try_from(counter).unwrap_or(usize::MAX).saturating_add(1));
    let goes_on = match condition {
        _full if maximum.is_some_and(|maximum| done >= maximum) => Ok(false),
        Some(condition) if done > 0 || *test_before => step.holds_from(body, at, condition),
        Some(_) | None => Ok(true),
    };
    match goes_on {
        Err(fault) => step.raise(at, fault),
        Ok(true) => {
            step.set_variable(body, COUNTER, done.into());
            let inner = step.open_scope(ScopeKind::Inner, Some(body), Some(at.token), Some(at.node));
            start_token(step, inner, at.node, None);
        }
        Ok(false) => {
            compensation::hand_up(step, body, at);
            step.close_scope(body);
            step.wake(at);
            step.agenda.push(Work::Resume { token: at.token, cause: Cause::ScopeDone });
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::testing::{check_xml, within};

    fn model(attributes: &str, condition: &str) -> String {
        within(&format!(
            r#"<startEvent id="s"/><sequenceFlow id="f1" sourceRef="s" targetRef="A"/>
            <userTask id="A"><standardLoopCharacteristics {attributes}>{condition}</standardLoopCharacteristics></userTask>
            <sequenceFlow id="f2" sourceRef="A" targetRef="e"/><endEvent id="e"/>"#
        ))
    }

    const MORE: &str = "<loopCondition>${more}</loopCondition>";

    #[test]
    fn it_is_done_once_at_least() {
        let xml = model("", MORE);
        check_xml(&xml, "start {more: false}; complete A", "s A* A* e .completed");
        check_xml(&xml, "start {more: true}; complete A; complete A {more: false}", "s A* A* A* e .completed");
    }

    #[test]
    fn tested_before_it_may_not_be_done_at_all() {
        check_xml(&model("testBefore=\"true\"", MORE), "start {more: false}", "s A e .completed");
    }

    #[test]
    fn its_maximum_ends_it() {
        let xml = model("loopMaximum=\"2\"", MORE);
        check_xml(&xml, "start {more: true}; complete A; complete A", "s A* A* A* e .completed");
    }
}
