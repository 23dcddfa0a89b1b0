//! Data in and out of an activity: input and output mappings, results of jobs and tasks, data of called processes.
//!
//! Camunda 7's rules: an input parameter makes a local variable; an output parameter sets the nearest variable of its name
//! outside the activity, else one of the process; a result without a mapping does the same.

use crate::base::id::{ROOT_SCOPE, ScopeId};
use crate::base::limits::{EXPRESSION_DEPTH_MAX, JSON_DEPTH_MAX, VARIABLE_BYTES_MAX};
use crate::base::variable::{Variable, Variables};
use crate::engine::definition::{DataMapping, Parameter, ParameterValue};
use crate::engine::expression::Plain;
use crate::engine::incident::{Fault, IncidentKind};
use crate::engine::step::{At, Step};
use serde_json::{Map, Value};
use std::sync::Arc;

pub(super) fn map_input(step: &mut Step, at: At) -> Result<(), Fault> {
    let process = Arc::clone(&step.process);
    let inputs = &process.node(at.node).mappings.inputs;
    if inputs.is_empty() {
        return Ok(());
    }
    let own = step.own_scope(at);
    for Parameter { name, value } in inputs {
        let variable = copied_or_evaluated(step, at, value)?;
        step.set_variable(own, name, variable);
    }
    Ok(())
}

pub(super) fn map_output(step: &mut Step, at: At) -> Result<(), Fault> {
    let process = Arc::clone(&step.process);
    let outputs = &process.node(at.node).mappings.outputs;
    if outputs.is_empty() {
        return Ok(());
    }
    let outside = outside_of(step, at);
    for Parameter { name, value } in outputs {
        let variable = copied_or_evaluated(step, at, value)?;
        step.set_outward(outside, name, variable);
    }
    Ok(())
}

/// Results of work: outwards from the activity, and `local` into its own scope.
pub(super) fn set_results(step: &mut Step, at: At, variables: Variables, local: Variables) {
    if !local.is_empty() {
        let own = step.own_scope(at);
        for (name, variable) in local {
            step.set_variable(own, &name, variable);
        }
    }
    let scope = step.variable_scope(at);
    for (name, variable) in variables {
        step.set_outward(scope, &name, variable);
    }
}

/// What a call activity hands to the called process.
pub(super) fn map_in(step: &mut Step, at: At, mappings: &[DataMapping]) -> Result<Variables, Fault> {
    let mut given = Variables::new();
    for mapping in mappings {
        match mapping {
            DataMapping::All { local } => given.extend(visible(step, at, *local)),
            DataMapping::Source { source, target, .. } => {
                let from = step.variable_scope(at);
                let value = step.look_up(from, source).map_or_else(Variable::default, |(_, variable)| variable.clone());
                given.insert(target.clone(), value);
            }
            DataMapping::Expression { expression, target, .. } => {
                let value = step.value(at, expression)?;
                given.insert(target.clone(), value.into());
            }
        }
    }
    Ok(given)
}

/// What a call activity takes from the called process at its end.
pub(super) fn map_out(step: &mut Step, at: At, mappings: &[DataMapping], called: &Variables) -> Result<(), Fault> {
    for mapping in mappings {
        let (taken, to_local): (Vec<(String, Variable)>, bool) = match mapping {
            DataMapping::All { local } => {
                (called.iter().map(|(name, value)| (name.clone(), value.clone())).collect(), *local)
            }
            DataMapping::Source { source, target, local } => {
                (vec![(target.clone(), called.get(source).cloned().unwrap_or_default())], *local)
            }
            DataMapping::Expression { expression, target, local } => {
                let mut plain = Plain { variables: called, definition: None, now: step.now, token: None };
                let value = expression
                    .evaluate(&mut plain)
                    .map_err(|e| Fault::expression(format!("{}: {e}", expression.source())))?;
                (vec![(target.clone(), value.into())], *local)
            }
        };
        let own = if to_local { Some(step.own_scope(at)) } else { None };
        for (name, value) in taken {
            match own {
                Some(own) => step.set_variable(own, &name, value),
                None => {
                    let scope = step.variable_scope(at);
                    step.set_outward(scope, &name, value);
                }
            }
        }
    }
    Ok(())
}

/// All variables a token sees, the nearest of each name.
pub(super) fn visible(step: &Step, at: At, local_only: bool) -> Variables {
    let mut seen = Variables::new();
    let mut current = Some(step.variable_scope(at));
    while let Some(id) = current {
        let scope = step.scope(id);
        for (name, value) in &scope.variables {
            seen.entry(name.clone()).or_insert_with(|| value.clone());
        }
        current = if local_only { None } else { scope.parent };
    }
    seen
}

/// Where output parameters go: the scope around the activity's own variables.
fn outside_of(step: &Step, at: At) -> ScopeId {
    match step.token(at).own {
        Some(own) => step.scope(own).parent.unwrap_or(ROOT_SCOPE),
        None => at.scope,
    }
}

/// A parameter `${name}` keeps the variable's type (Date, File); anything else is evaluated.
fn copied_or_evaluated(step: &mut Step, at: At, value: &ParameterValue) -> Result<Variable, Fault> {
    if let ParameterValue::Variable(name) = value {
        let from = step.variable_scope(at);
        return Ok(step.look_up(from, name).map_or_else(Variable::default, |(_, variable)| variable.clone()));
    }
    if let ParameterValue::Expression(expression) = value {
        let name = expression.source().trim().strip_prefix("${").and_then(|rest| rest.strip_suffix('}')).map(str::trim);
        let from = step.variable_scope(at);
        if let Some((_, variable)) = name.and_then(|name| step.look_up(from, name)) {
            return Ok(variable.clone());
        }
    }
    let value = evaluate(step, at, value, 0)?;
    if beyond_limits(&value) {
        let words = format!(
            "a parameter would nest deeper than {JSON_DEPTH_MAX} levels or exceed {VARIABLE_BYTES_MAX} bytes; keep the data outside"
        );
        return Err(Fault::new(IncidentKind::Limit, words));
    }
    Ok(value.into())
}

/// Lists of lists grow with each pass of a loop: what could not be read back from the store is not stored.
fn beyond_limits(value: &Value) -> bool {
    let (mut pending, mut bytes) = (vec![(value, 1)], 0);
    while let Some((value, depth)) = pending.pop() {
        bytes += 8;
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
            Value::String(text) => bytes += text.len(),
            Value::Array(items) => pending.extend(items.iter().map(|item| (item, depth + 1))),
            Value::Object(map) => {
                bytes += map.keys().map(String::len).sum::<usize>();
                pending.extend(map.values().map(|item| (item, depth + 1)));
            }
        }
        if depth > JSON_DEPTH_MAX || bytes > VARIABLE_BYTES_MAX {
            return true;
        }
    }
    false
}

fn evaluate(step: &mut Step, at: At, value: &ParameterValue, depth: usize) -> Result<Value, Fault> {
    if depth > EXPRESSION_DEPTH_MAX {
        return Err(Fault::expression("the parameter is nested too deeply"));
    }
    match value {
        ParameterValue::Expression(expression) => match expression.is_literal() {
            Some(text) => Ok(Value::String(text.to_owned())),
            None => step.value(at, expression),
        },
        ParameterValue::Variable(name) => {
            let from = step.variable_scope(at);
            Ok(step.look_up(from, name).map_or(Value::Null, |(_, variable)| variable.value.clone()))
        }
        ParameterValue::Script(script) => step.run_script(at, script).map_err(|e| Fault::expression(e.to_string())),
        ParameterValue::List(items) => {
            let values: Result<Vec<Value>, Fault> =
                items.iter().map(|item| evaluate(step, at, item, depth + 1)).collect();
            values.map(Value::Array)
        }
        ParameterValue::Map(entries) => {
            let mut map = Map::new();
            for (key, item) in entries {
                map.insert(key.clone(), evaluate(step, at, item, depth + 1)?);
            }
            Ok(Value::Object(map))
        }
    }
}
