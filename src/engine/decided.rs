//! What the history keeps of decisions: a row for each that was evaluated, also for those that the asked one requires.

use crate::base::id::{DefinitionId, ElementId, LocalId, TokenId};
use crate::base::limits::DECISION_VALUE_BYTES_MAX;
use crate::base::time::Timestamp;
use crate::decision::{Evaluated, RuleHit};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A decision that was evaluated, and the deployed version that it is of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decided {
    pub definition: DefinitionId,
    pub version: u32,
    pub evaluated: Evaluated,
}

#[derive(Clone, Debug, PartialEq)]
pub struct PastDecision {
    /// The task that asked; none asked for an evaluation by itself.
    pub task: Option<(TokenId, ElementId)>,
    /// Who asked for an evaluation by itself.
    pub evaluator: Option<String>,
    pub definition: DefinitionId,
    pub key: String,
    pub version: u32,
    pub name: String,
    /// The decision that was asked for, unless it is this one.
    pub asked: Option<LocalId>,
    pub at: Timestamp,
    pub told: Told,
}

/// The values of one evaluation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Told {
    pub inputs: Vec<ToldInput>,
    pub outputs: Vec<ToldOutput>,
    /// What COLLECT with SUM, MIN, MAX or COUNT made of the outputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collected: Option<Value>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToldInput {
    pub id: Option<String>,
    pub name: String,
    #[serde(flatten)]
    pub kept: Kept,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToldOutput {
    pub id: Option<String>,
    pub label: Option<String>,
    /// Of a table: the rule, by its id and its number counted from 1.
    pub rule: Option<String>,
    pub number: Option<usize>,
    pub variable: String,
    #[serde(flatten)]
    pub kept: Kept,
}

impl Told {
    /// The rules that made the result, by their numbers, in its order.
    pub fn rules(&self) -> Vec<usize> {
        let mut rules: Vec<usize> = self.outputs.iter().filter_map(|output| output.number).collect();
        rules.dedup();
        rules
    }
}

/// A value, or the beginning of one that is too large to be kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    pub value: Value,
    /// The bytes of the whole value as JSON, where `value` is its beginning with a mark at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut_from: Option<usize>,
}

impl Kept {
    pub fn of(value: Value) -> Self {
        let text = match &value {
            Value::String(text) => text.clone(),
            Value::Null | Value::Bool(_) | Value::Number(_) => return Self { value, cut_from: None },
            Value::Array(_) | Value::Object(_) => value.to_string(),
        };
        if text.len() <= DECISION_VALUE_BYTES_MAX {
            return Self { value, cut_from: None };
        }
        let end = text.floor_char_boundary(DECISION_VALUE_BYTES_MAX);
        let cut = format!("{}… (cut: the whole has {} bytes)", &text[..end], text.len());
        Self { value: Value::String(cut), cut_from: Some(text.len()) }
    }
}

/// Who asked for an evaluation, and when.
#[derive(Clone, Debug)]
pub struct Asked {
    pub task: Option<(TokenId, ElementId)>,
    pub evaluator: Option<String>,
    pub at: Timestamp,
}

/// The rows of one evaluation, whose last decision is the one that was asked for; `fresh` numbers them.
pub fn rows(decided: Vec<Decided>, asked: &Asked, mut fresh: impl FnMut() -> LocalId) -> Vec<(LocalId, PastDecision)> {
    let ids: Vec<LocalId> = decided.iter().map(|_| fresh()).collect();
    let last = ids.last().copied();
    let row = |(id, Decided { definition, version, evaluated }): (LocalId, Decided)| {
        let told = told(&evaluated);
        let row = PastDecision {
            task: asked.task.clone(),
            evaluator: asked.evaluator.clone(),
            definition,
            key: evaluated.decision,
            version,
            name: evaluated.name,
            asked: last.filter(|last| *last != id),
            at: asked.at,
            told,
        };
        (id, row)
    };
    ids.iter().copied().zip(decided).map(row).collect()
}

fn told(evaluated: &Evaluated) -> Told {
    let inputs = evaluated.inputs.iter().map(|input| ToldInput {
        id: input.id.clone(),
        name: input.name.clone(),
        kept: Kept::of(input.value.clone()),
    });
    Told {
        inputs: inputs.collect(),
        outputs: match evaluated.is_table {
            true => evaluated.rules.iter().flat_map(outputs).collect(),
            false => vec![value(evaluated)],
        },
        collected: evaluated.collected.then(|| evaluated.value.clone()),
    }
}

fn outputs(rule: &RuleHit) -> impl Iterator<Item = ToldOutput> {
    rule.outputs.iter().map(|output| ToldOutput {
        id: output.id.clone(),
        label: Some(output.label.clone()),
        rule: rule.id.clone(),
        number: Some(rule.number),
        variable: output.name.clone(),
        kept: Kept::of(output.value.clone()),
    })
}

/// What an expression gives is its one output.
fn value(evaluated: &Evaluated) -> ToldOutput {
    let variable = evaluated.variable.clone();
    ToldOutput { id: None, label: None, rule: None, number: None, variable, kept: Kept::of(evaluated.value.clone()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_too_large_is_cut_and_says_so() {
        let most = "ü".repeat(DECISION_VALUE_BYTES_MAX / 2);
        assert_eq!(Kept::of(json!(most)), Kept { value: json!(most), cut_from: None });
        let more = format!("a{most}");
        let cut = Kept::of(json!(more));
        assert_eq!(cut.cut_from, Some(DECISION_VALUE_BYTES_MAX + 1));
        let text = cut.value.as_str().unwrap();
        assert!(text.starts_with("aü") && text.ends_with("ü… (cut: the whole has 4097 bytes)"), "{text}");
        assert!(text.len() < DECISION_VALUE_BYTES_MAX + 64);
        let list = Kept::of(json!([more, 1]));
        assert!(list.value.as_str().is_some_and(|text| text.starts_with("[\"aü")), "a list is cut as its text");
        assert!(list.cut_from.is_some());
        assert_eq!(Kept::of(json!({"a": [1, null]})).value, json!({"a": [1, null]}));
    }

    #[test]
    fn values_are_read_back() {
        let kept = Kept::of(json!("x".repeat(5_000)));
        let input = ToldInput { id: Some("i".into()), name: "n".into(), kept: kept.clone() };
        let output = ToldOutput {
            id: None,
            label: Some("l".into()),
            rule: Some("r".into()),
            number: Some(2),
            variable: "v".into(),
            kept: Kept::of(Value::Null),
        };
        let told = Told { inputs: vec![input], outputs: vec![output], collected: Some(json!(3)) };
        let text = serde_json::to_string(&told).unwrap();
        assert_eq!(serde_json::from_str::<Told>(&text).unwrap(), told);
    }
}
