//! What a history keeps of a decision: each one on the way to the result with its inputs, the rules that matched and
//! their outputs, and its value.

use super::dmn::Output;
use super::table::Source;
use super::value;
use dsntk_feel::values::Value as Feel;
use serde::Serialize;
use serde_json::Value;

/// One decision that was evaluated.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluated {
    pub decision: String,
    pub name: String,
    /// Of a table one for each column, else none.
    pub inputs: Vec<InputValue>,
    /// The rules of a table that made the result, in its order.
    pub rules: Vec<RuleHit>,
    /// The result as other decisions see it; where COLLECT aggregates, the aggregate.
    pub value: Value,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InputValue {
    /// Of the column, where the file has one.
    pub id: Option<String>,
    /// The column's label, else its expression.
    pub name: String,
    pub value: Value,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuleHit {
    /// Counted from 1.
    pub number: usize,
    pub id: Option<String>,
    pub outputs: Vec<OutputValue>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OutputValue {
    pub id: Option<String>,
    /// The column's label, else its name.
    pub label: String,
    pub name: String,
    pub value: Value,
}

/// Values as they are told; what is no value, such as a function, as its text.
pub(super) fn told(value: &Feel) -> Value {
    value::to_json(value).unwrap_or_else(|_| Value::String(value.to_string()))
}

pub(super) fn inputs(source: &Source, values: Vec<Value>) -> Vec<InputValue> {
    let columns = source.inputs.iter().zip(values);
    let told = columns.map(|(clause, value)| InputValue {
        id: clause.id.clone(),
        name: clause.label.clone().unwrap_or_else(|| clause.expression.text.trim().to_owned()),
        value,
    });
    told.collect()
}

/// A rule by its number, with its outputs in the order of the columns.
pub(super) fn rule(source: &Source, number: usize, values: Vec<Value>) -> RuleHit {
    let output = |(column, value): (&Output, Value)| OutputValue {
        id: column.id.clone(),
        label: column.label.clone().unwrap_or_else(|| column.name.clone()),
        name: column.name.clone(),
        value,
    };
    let id = number.checked_sub(1).and_then(|at| source.rules.get(at)).and_then(|rule| rule.id.clone());
    RuleHit { number, id, outputs: source.outputs.iter().zip(values).map(output).collect() }
}
