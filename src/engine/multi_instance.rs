//! Multi-instance activities: the body token waits for a body scope, each inner instance has a scope of its own.
//!
//! BPMN 2.0.2, 13.3.7: "the number of instances is determined once"; after each inner completion the completion condition
//! is evaluated, and if it holds the remaining instances are cancelled. Variables as in Camunda 7: `nrOfInstances`,
//! `nrOfActiveInstances`, `nrOfCompletedInstances`, `nrOfTerminatedInstances` in the body, `loopCounter` (from 0) and the element variable in each
//! instance.

use crate::base::id::ScopeId;
use crate::base::limits::MULTI_INSTANCE_MAX;
use crate::engine::cancel::cancel;
use crate::engine::compensation;
use crate::engine::definition::{Collection, Each, Looping, MultiInstance, Process};
use crate::engine::elements::tells;
use crate::engine::incident::{Fault, IncidentKind};
use crate::engine::instance::{ScopeKind, Stage, Wait};
use crate::engine::lifecycle::{self, Cause, Next, Work, start_token};
use crate::engine::step::{At, Step};
use crate::engine::subscription;
use serde_json::Value;
use std::sync::Arc;

/// The body's own variable that keeps the collection of a sequential multi-instance.
const ITEMS: &str = "transhume.items";
/// What an instance gave, by its number.
const ITEM: &str = "transhume.item.";

/// Opens the body: counts the instances once, arms the boundary events, starts all instances or the first.
pub(super) fn open(step: &mut Step, at: At) {
    match prepare(step, at) {
        Ok((count, items, armed)) => {
            let body = step.open_scope(ScopeKind::Body, Some(step.variable_scope(at)), Some(at.token), Some(at.node));
            step.set_variable(body, "nrOfInstances", count.into());
            step.set_variable(body, "nrOfCompletedInstances", 0.into());
            step.set_variable(body, "nrOfTerminatedInstances", 0.into());
            step.set_stage(at, Stage::Active);
            step.set_wait(at, Wait::Scope(body));
            for subscription in armed {
                step.arm(at.scope, subscription);
            }
            if count == 0 {
                return done(step, at, body);
            }
            let process = Arc::clone(&step.process);
            let looping = repeated(&process, at);
            let at_once = if looping.sequential { 1 } else { count };
            step.set_variable(body, "nrOfActiveInstances", at_once.into());
            if looping.sequential
                && let Some(items) = &items
            {
                step.set_variable(body, ITEMS, Value::Array(items.clone()).into());
            }
            for index in 0..at_once {
                start_inner(step, at, body, index, items.as_ref().map(|items| items[index].clone()));
            }
        }
        Err(fault) => step.raise(at, fault),
    }
}

fn repeated(process: &Process, at: At) -> &MultiInstance {
    match &process.node(at.node).looping {
        Some(Looping::Multi(looping)) => looping,
        Some(Looping::Standard(_)) | None => unreachable!("checked: this activity has many instances"),
    }
}

type Prepared = (usize, Option<Vec<Value>>, Vec<crate::engine::instance::Subscription>);

fn prepare(step: &mut Step, at: At) -> Result<Prepared, Fault> {
    let process = Arc::clone(&step.process);
    let looping = repeated(&process, at);
    let armed = subscription::prepare(step, at)?;
    let (count, items) = match (&looping.collection, &looping.cardinality) {
        (Some(collection), _) => {
            let (value, source) = match collection {
                Collection::Expression(expression) => (step.value(at, expression)?, expression.source()),
                Collection::Variable(name) => {
                    let from = step.variable_scope(at);
                    let found = step.look_up(from, name).map(|(_, variable)| variable.value.clone());
                    (found.unwrap_or(Value::Null), name.as_str())
                }
            };
            match value {
                Value::Array(items) => (items.len(), Some(items)),
                other => {
                    return Err(Fault::expression(format!("{source}: the collection must be a list, this is {other}")));
                }
            }
        }
        (None, Some(cardinality)) => (count_of(step.value(at, cardinality)?, cardinality.source())?, None),
        (None, None) => {
            unreachable!("compiled: a multi-instance has a collection or a cardinality")
        }
    };
    if count > MULTI_INSTANCE_MAX {
        return Err(Fault::new(
            IncidentKind::Limit,
            format!("{count} instances are beyond the limit of {MULTI_INSTANCE_MAX}"),
        ));
    }
    Ok((count, items, armed))
}

fn count_of(value: Value, source: &str) -> Result<usize, Fault> {
    let number = match &value {
        Value::String(text) => text.trim().parse().ok(),
        Value::Number(number) => number.as_f64().filter(|n| n.fract() == 0.0),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be a whole number in range"
    )]
    match number.filter(|n: &f64| (0.0..=1e9).contains(n)) {
        Some(number) => Ok(number as usize),
        None => Err(Fault::expression(format!(
            "{source}: the number of instances must be a whole number from 0, this is {value}"
        ))),
    }
}

fn start_inner(step: &mut Step, at: At, body: ScopeId, index: usize, item: Option<Value>) {
    let process = Arc::clone(&step.process);
    let looping = repeated(&process, at);
    let inner = step.open_scope(ScopeKind::Inner, Some(body), Some(at.token), Some(at.node));
    step.set_variable(inner, "loopCounter", index.into());
    // Its own, so that instances do not write over one another's.
    if let Some(output) = &looping.output {
        step.set_variable(inner, &output.item, Value::Null.into());
    }
    if let (Some(name), Some(item)) = (&looping.element_variable, item) {
        step.set_variable(inner, name, item.into());
    }
    start_token(step, inner, at.node, None);
}

/// An inner instance's token has left: look at the completion condition, then start the next or end the body.
pub(super) fn inner_done(step: &mut Step, inner: ScopeId) {
    let scope = step.scope(inner);
    let (body, owner) =
        (scope.parent.expect("an inner scope has a body"), scope.owner.expect("an inner scope has an owner"));
    let Some(at) = step.at(owner) else { return };
    let process = Arc::clone(&step.process);
    let looping = repeated(&process, at);
    let total = counted(step, body, "nrOfInstances");
    let completed = counted(step, body, "nrOfCompletedInstances") + 1;
    step.set_variable(body, "nrOfCompletedInstances", completed.into());
    let active = step.instance.places.inner_count(body).saturating_sub(1);
    step.set_variable(body, "nrOfActiveInstances", active.into());
    collect(step, body, inner, looping);
    let ready = completion_holds(step, at, inner, looping);
    let told = throws(step, at, inner, completed, looping);
    compensation::close_inner(step, body, inner);
    match told {
        Err(fault) => return step.raise(at, fault),
        Ok(told) => {
            for what in told {
                // What catches one may end the activity.
                if step.at(owner).is_some() && step.instance.scopes.contains_key(&body) {
                    lifecycle::tell(step, at, what);
                }
            }
        }
    }
    if step.at(owner).is_none() || !step.instance.scopes.contains_key(&body) {
        return;
    }
    match ready {
        Err(fault) => return step.raise(at, fault),
        Ok(true) => {
            cancel_inner(step, body);
            return done(step, at, body);
        }
        Ok(false) => {}
    }
    if completed >= total {
        done(step, at, body);
    } else if looping.sequential && active == 0 {
        let item = match step.look_up(body, ITEMS) {
            Some((_, items)) => items.value.get(completed).cloned(),
            None => None,
        };
        step.set_variable(body, "nrOfActiveInstances", 1.into());
        start_inner(step, at, body, completed, item);
    }
}

/// Keeps what an instance gives, under its number.
fn collect(step: &mut Step, body: ScopeId, inner: ScopeId, looping: &MultiInstance) {
    let Some(output) = &looping.output else { return };
    let item = step.look_up(inner, &output.item).map_or(Value::Null, |(_, variable)| variable.value.clone());
    let index = counted(step, inner, "loopCounter");
    step.set_variable(body, &format!("{ITEM}{index}"), item.into());
}

/// The list of what the instances gave, in their order.
fn gather(step: &mut Step, at: At, body: ScopeId) {
    let process = Arc::clone(&step.process);
    let Some(output) = &repeated(&process, at).output else { return };
    let kept = &step.scope(body).variables;
    let item = |index: usize| kept.get(&format!("{ITEM}{index}")).map_or(Value::Null, |item| item.value.clone());
    let list = (0..counted(step, body, "nrOfInstances")).map(item).collect();
    let around = step.variable_scope(at);
    step.set_outward(around, &output.list, Value::Array(list).into());
}

/// BPMN 2.0.2, 10.3.8 (behavior): the events that this completion throws.
fn throws(
    step: &mut Step,
    at: At,
    inner: ScopeId,
    completed: usize,
    looping: &MultiInstance,
) -> Result<Vec<Next>, Fault> {
    let mut told = Vec::new();
    for event in &looping.events {
        let now = match &event.each {
            Each::Instance => true,
            Each::First => completed == 1,
            Each::Condition(condition) => step.holds_from(inner, at, condition)?,
        };
        if now {
            match tells(step, at, &event.throws) {
                Next::Fault(fault) => return Err(fault),
                what => told.push(what),
            }
        }
    }
    Ok(told)
}

/// Evaluated where the variables of the instance that has just ended are still seen.
fn completion_holds(step: &mut Step, at: At, inner: ScopeId, looping: &MultiInstance) -> Result<bool, Fault> {
    match &looping.completion {
        Some(condition) => step.holds_from(inner, at, condition),
        None => Ok(false),
    }
}

/// Goes on after the completion condition could not be evaluated and its incident was resolved.
pub(super) fn recheck(step: &mut Step, at: At, body: ScopeId) {
    let process = Arc::clone(&step.process);
    let looping = repeated(&process, at);
    let ready = match &looping.completion {
        Some(condition) => step.holds_from(body, at, condition),
        None => Ok(false),
    };
    let completed = counted(step, body, "nrOfCompletedInstances");
    match ready {
        Err(fault) => step.raise(at, fault),
        Ok(true) => {
            cancel_inner(step, body);
            done(step, at, body);
        }
        Ok(false) if completed >= counted(step, body, "nrOfInstances") => done(step, at, body),
        Ok(false) if looping.sequential && step.instance.places.inner_count(body) == 0 => {
            step.set_variable(body, "nrOfActiveInstances", 1.into());
            let item = step.look_up(body, ITEMS).and_then(|(_, items)| items.value.get(completed).cloned());
            start_inner(step, at, body, completed, item);
        }
        Ok(false) => {}
    }
}

fn done(step: &mut Step, at: At, body: ScopeId) {
    gather(step, at, body);
    compensation::hand_up(step, body, at);
    step.close_scope(body);
    step.wake(at);
    step.agenda.push(Work::Resume { token: at.token, cause: Cause::ScopeDone });
}

fn cancel_inner(step: &mut Step, body: ScopeId) {
    let terminated = step.instance.places.inner_count(body);
    step.set_variable(body, "nrOfTerminatedInstances", terminated.into());
    step.set_variable(body, "nrOfActiveInstances", 0.into());
    for inner in inner_scopes(step, body) {
        let tokens: Vec<At> =
            step.scope(inner).tokens.iter().map(|(token, t)| At { node: t.at, token: *token, scope: inner }).collect();
        for at in tokens {
            cancel(step, at);
        }
        step.close_scope(inner);
    }
}

pub(super) fn inner_scopes(step: &Step, body: ScopeId) -> Vec<ScopeId> {
    step.instance.places.inner(body).collect()
}

fn counted(step: &Step, body: ScopeId, name: &str) -> usize {
    let value = step.scope(body).variables.get(name).and_then(|v| v.value.as_u64());
    usize::try_from(value.unwrap_or(0)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use crate::engine::testing::{check_xml, within};

    const TWO: &str = r#"<startEvent id="s"/><sequenceFlow id="f1" sourceRef="s" targetRef="A"/>
        <userTask id="A"><extensionElements><camunda:inputOutput><camunda:outputParameter name="last">${who}</camunda:outputParameter></camunda:inputOutput></extensionElements>
        <multiInstanceLoopCharacteristics isSequential="SEQUENTIAL" camunda:collection="${people}" camunda:elementVariable="who"/></userTask>
        <sequenceFlow id="f2" sourceRef="A" targetRef="e"/><endEvent id="e"/>"#;

    #[test]
    fn parallel_instances_begin_together_and_each_maps_its_own_output() {
        let xml = within(&TWO.replace("SEQUENTIAL", "false"));
        check_xml(&xml, "start {people: [1,2]}; complete A; complete A", "s A* A* A* e .completed");
    }

    #[test]
    fn sequential_instances_follow_one_another() {
        let xml = within(&TWO.replace("SEQUENTIAL", "true"));
        check_xml(&xml, "start {people: [1,2]}; complete A; complete A", "s A* A* A* e .completed");
    }

    #[test]
    fn nobody_to_ask_is_passed() {
        let xml = within(&TWO.replace("SEQUENTIAL", "false"));
        check_xml(&xml, "start {people: []}", "s A e .completed");
    }
}
