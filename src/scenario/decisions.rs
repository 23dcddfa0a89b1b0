//! What a case expects of decisions: the rules that matched, and values, as the stored history has them.

use crate::partition::transaction::Told;
use crate::scenario::expect::same;
use crate::scenario::file::Decided;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// All differences from what is kept, oldest first; none if the expectation holds.
pub(super) fn differences(wanted: &BTreeMap<String, Decided>, kept: &[(String, Told)]) -> Vec<String> {
    let mut found = Vec::new();
    for (decision, wanted) in wanted {
        let Some((_, told)) = kept.iter().rev().find(|(key, _)| key == decision) else {
            found.push(format!("decisions: {decision} was not evaluated"));
            continue;
        };
        if let Some(rules) = &wanted.rules
            && *rules != told.rules()
        {
            found.push(format!("decisions: {decision}: expected the rules {rules:?}, seen {:?}", told.rules()));
        }
        let inputs = |name: &str| told.inputs.iter().find(|input| input.name == name).map(|input| &input.kept.value);
        let outputs =
            |name: &str| told.outputs.iter().find(|output| output.variable == name).map(|output| &output.kept.value);
        values(&mut found, decision, "input", &wanted.inputs, inputs);
        values(&mut found, decision, "output", &wanted.outputs, outputs);
    }
    found
}

fn values<'t>(
    found: &mut Vec<String>,
    decision: &str,
    what: &str,
    wanted: &Map<String, Value>,
    kept: impl Fn(&str) -> Option<&'t Value>,
) {
    for (name, wanted) in wanted {
        let real = kept(name);
        if !real.is_some_and(|real| same(real, wanted)) {
            let real = real.map_or("absent".to_owned(), Value::to_string);
            found.push(format!("decisions: {decision}: {what} {name} expected {wanted}, is {real}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::partition::transaction::{Kept, ToldInput, ToldOutput};
    use serde_json::json;

    #[test]
    fn each_difference_is_told() {
        let kept = |value: Value| Kept { value, cut_from: None };
        let input = ToldInput { id: None, name: "n".into(), kept: kept(json!(1)) };
        let output = ToldOutput {
            id: None,
            label: None,
            rule: None,
            number: Some(2),
            variable: "fee".into(),
            kept: kept(json!("x")),
        };
        let last = Told { inputs: vec![input], outputs: vec![output], collected: None };
        let kept = [("d".to_owned(), Told::default()), ("d".to_owned(), last)];
        let of = |wanted: Value| {
            let wanted = serde_json::from_value(json!({"d": wanted})).expect("an expectation");
            differences(&wanted, &kept)
        };
        assert_eq!(of(json!({"rules": [2], "inputs": {"n": 1.0}, "outputs": {"fee": "x"}})), Vec::<String>::new());
        assert_eq!(of(json!({"rules": []})), ["decisions: d: expected the rules [], seen [2]"]);
        assert_eq!(of(json!({"inputs": {"n": 2}})), ["decisions: d: input n expected 2, is 1"]);
        assert_eq!(of(json!({"outputs": {"f": 2}})), ["decisions: d: output f expected 2, is absent"]);
        let other = BTreeMap::from([("e".to_owned(), Decided::default())]);
        assert_eq!(differences(&other, &kept), ["decisions: e was not evaluated"]);
    }
}
