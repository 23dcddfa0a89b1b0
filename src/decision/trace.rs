//! What a history keeps of a decision: each one on the way to the result with its inputs, the rules that matched and
//! their outputs, and its value.

use super::dmn::Output;
use super::table::{Aggregation, Policy, Source};
use super::value;
use dsntk_feel::values::Value as Feel;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One decision that was evaluated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluated {
    pub decision: String,
    pub name: String,
    /// Of another file, which is imported: its place among those that the model was read with.
    pub other: Option<usize>,
    /// Of a table one for each column, else none.
    pub inputs: Vec<InputValue>,
    /// The rules of a table that made the result, in its order.
    pub rules: Vec<RuleHit>,
    /// A table; else an expression, which has neither inputs nor rules.
    pub is_table: bool,
    /// What the result is called in other decisions.
    pub variable: String,
    /// The result is one value over all rules: COLLECT with SUM, MIN, MAX or COUNT.
    pub collected: bool,
    /// The result as other decisions see it; where COLLECT aggregates, the aggregate.
    pub value: Value,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InputValue {
    /// Of the column, where the file has one.
    pub id: Option<String>,
    /// The column's label, else its expression.
    pub name: String,
    pub value: Value,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleHit {
    /// Counted from 1.
    pub number: usize,
    pub id: Option<String>,
    pub outputs: Vec<OutputValue>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutputValue {
    pub id: Option<String>,
    /// The column's label, else its name.
    pub label: String,
    pub name: String,
    pub value: Value,
}

pub(super) fn is_collected(source: &Source) -> bool {
    matches!(source.policy, Policy::Collect(kind) if kind != Aggregation::List)
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

#[cfg(test)]
mod tests {
    use crate::base::time::Timestamp;
    use crate::decision::{DecisionModel, Evaluated};
    use serde_json::{Value, json};
    use std::collections::BTreeMap;

    /// The table's rules: inputs `n` and `kind`, outputs `level` and `rate`.
    const RULES: [(&str, &str, &str, &str); 4] = [
        ("> 10", "-", "\"low\"", "1"),
        ("> 20", "\"a\"", "\"high\"", "2.5"),
        ("> 30", "not(\"b\")", "\"low\"", "1"),
        ("> 40", "-", "\"high\"", "4"),
    ];

    fn table(policy: &str, outputs: usize) -> String {
        let columns = [
            ("level", "<outputValues><text>\"high\",\"low\"</text></outputValues>", "\"none\""),
            ("rate", "<outputValues><text>4,2.5,1</text></outputValues>", "0"),
        ];
        // The single output is the number, which all policies can do with.
        let columns = &columns[2 - outputs..];
        let columns: String = columns
            .iter()
            .map(|(name, values, default)| {
                format!(
                    "<output id=\"o_{name}\" name=\"{name}\">{values}<defaultOutputEntry><text>{default}</text></defaultOutputEntry></output>"
                )
            })
            .collect();
        let entry = |kind: &str, text: &str| format!("<{kind}><text>{}</text></{kind}>", text.replace('>', "&gt;"));
        let rules = RULES.iter().enumerate().map(|(at, (n, kind, level, rate))| {
            let outputs: String = [level, rate][2 - outputs..].iter().map(|text| entry("outputEntry", text)).collect();
            format!("<rule id=\"r{}\">{}{}{outputs}</rule>", at + 1, entry("inputEntry", n), entry("inputEntry", kind))
        });
        format!(
            "<decisionTable {policy}><input id=\"i_n\" label=\"Number\"><inputExpression><text>n</text></inputExpression></input>\
             <input id=\"i_kind\"><inputExpression><text>kind</text></inputExpression></input>{columns}{}</decisionTable>",
            rules.collect::<String>()
        )
    }

    /// A decision over `n` and `kind`; with business knowledge it is for the evaluator of whole models.
    fn model(content: &str, knowledge: bool) -> DecisionModel {
        let (function, required) = match knowledge {
            true => (
                "<businessKnowledgeModel id=\"b\" name=\"b\"><variable name=\"b\"/><encapsulatedLogic><literalExpression><text>1</text>\
                 </literalExpression></encapsulatedLogic></businessKnowledgeModel>",
                "<knowledgeRequirement><requiredKnowledge href=\"#b\"/></knowledgeRequirement>",
            ),
            false => ("", ""),
        };
        let inputs = "<inputData id=\"n\" name=\"n\"/><inputData id=\"kind\" name=\"kind\"/>";
        let required = format!(
            "<informationRequirement><requiredInput href=\"#n\"/></informationRequirement>\
             <informationRequirement><requiredInput href=\"#kind\"/></informationRequirement>{required}"
        );
        let file = format!(
            "<definitions xmlns=\"https://www.omg.org/spec/DMN/20191111/MODEL/\" id=\"f\" name=\"f\" namespace=\"urn:f\">{inputs}{function}\
             {}</definitions>",
            content.replace("REQUIRED", &required)
        );
        DecisionModel::parse(file.as_bytes()).unwrap_or_else(|found| panic!("{found:#?}\n{file}"))
    }

    fn decision(policy: &str, outputs: usize) -> String {
        format!(
            "<decision id=\"d\" name=\"Level\"><variable name=\"level of it\"/>REQUIRED{}</decision>",
            table(policy, outputs)
        )
    }

    fn around(n: i64, kind: &str) -> BTreeMap<String, Value> {
        [("n".into(), json!(n)), ("kind".into(), json!(kind))].into()
    }

    /// The policy, how many outputs, the input, then the value and the rules that made it.
    type Case = (&'static str, usize, (i64, &'static str), Value, Vec<usize>);

    fn cases() -> Vec<Case> {
        let low = json!({"level": "low", "rate": 1});
        let high = json!({"level": "high", "rate": 2.5});
        let top = json!({"level": "high", "rate": 4});
        let none = json!({"level": "none", "rate": 0});
        vec![
            ("", 2, (15, "b"), low.clone(), vec![1]),
            ("hitPolicy=\"UNIQUE\"", 1, (15, "b"), json!(1), vec![1]),
            ("hitPolicy=\"UNIQUE\"", 2, (5, "b"), none.clone(), vec![]),
            ("hitPolicy=\"ANY\"", 2, (35, "c"), low.clone(), vec![1, 3]),
            ("hitPolicy=\"FIRST\"", 2, (45, "a"), low.clone(), vec![1]),
            ("hitPolicy=\"PRIORITY\"", 2, (45, "a"), top.clone(), vec![4]),
            ("hitPolicy=\"PRIORITY\"", 1, (35, "a"), json!(2.5), vec![2]),
            ("hitPolicy=\"PRIORITY\"", 2, (5, "a"), none, vec![]),
            ("hitPolicy=\"RULE ORDER\"", 2, (25, "a"), json!([low, high]), vec![1, 2]),
            ("hitPolicy=\"OUTPUT ORDER\"", 2, (45, "a"), json!([top, high, low, low]), vec![4, 2, 1, 3]),
            ("hitPolicy=\"OUTPUT ORDER\"", 1, (25, "a"), json!([2.5, 1]), vec![2, 1]),
            ("hitPolicy=\"COLLECT\"", 2, (25, "a"), json!([low, high]), vec![1, 2]),
            ("hitPolicy=\"COLLECT\"", 1, (45, "b"), json!([1, 4]), vec![1, 4]),
            ("hitPolicy=\"COLLECT\" aggregation=\"SUM\"", 1, (45, "a"), json!(8.5), vec![1, 2, 3, 4]),
            ("hitPolicy=\"COLLECT\" aggregation=\"MIN\"", 1, (45, "a"), json!(1), vec![1, 2, 3, 4]),
            ("hitPolicy=\"COLLECT\" aggregation=\"MAX\"", 1, (25, "a"), json!(2.5), vec![1, 2]),
            ("hitPolicy=\"COLLECT\" aggregation=\"COUNT\"", 1, (25, "a"), json!(2), vec![1, 2]),
        ]
    }

    #[test]
    fn each_hit_policy_tells_its_rules_in_both_evaluators() {
        for (policy, outputs, (n, kind), value, rules) in cases() {
            for knowledge in [false, true] {
                let told = format!("{policy} of {outputs} with {n}, {kind}, knowledge: {knowledge}");
                let result = model(&decision(policy, outputs), knowledge).evaluate("d", &around(n, kind), Timestamp(0));
                let result = result.unwrap_or_else(|error| panic!("{told}: {error}"));
                assert_eq!((&result.value, &result.rules), (&value, &rules), "{told}");
                let [only] = result.evaluated.as_slice() else { panic!("{told}: {result:#?}") };
                assert_eq!(only.rules.iter().map(|rule| rule.number).collect::<Vec<_>>(), rules, "{told}");
                assert_eq!(only.value, value, "{told}");
                assert_eq!(only.collected, policy.contains("aggregation"), "{told}");
            }
        }
    }

    #[test]
    fn inputs_and_outputs_are_told_with_their_columns() {
        for knowledge in [false, true] {
            let result = model(&decision("hitPolicy=\"RULE ORDER\"", 2), knowledge).evaluate(
                "d",
                &around(25, "a"),
                Timestamp(0),
            );
            let told = json!(result.unwrap().evaluated);
            let output = |name: &str, value: Value| json!({"id": format!("o_{name}"), "label": name, "name": name, "value": value});
            let wanted = json!([{
                "decision": "d", "name": "Level", "other": null,
                "inputs": [{"id": "i_n", "name": "Number", "value": 25}, {"id": "i_kind", "name": "kind", "value": "a"}],
                "rules": [
                    {"number": 1, "id": "r1", "outputs": [output("level", json!("low")), output("rate", json!(1))]},
                    {"number": 2, "id": "r2", "outputs": [output("level", json!("high")), output("rate", json!(2.5))]},
                ],
                "is_table": true, "variable": "level of it", "collected": false,
                "value": [{"level": "low", "rate": 1}, {"level": "high", "rate": 2.5}],
            }]);
            assert_eq!(told, wanted, "knowledge: {knowledge}");
        }
    }

    /// `d` is required by `twice` and by `last`, which requires both.
    fn graph(policy: &str) -> String {
        let needs =
            |id: &str| format!("<informationRequirement><requiredDecision href=\"#{id}\"/></informationRequirement>");
        let literal = |text: &str| format!("<literalExpression><text>{text}</text></literalExpression>");
        format!(
            "{}<decision id=\"twice\" name=\"Twice\"><variable name=\"twice\"/>REQUIRED{}{}</decision>\
             <decision id=\"last\" name=\"Last\"><variable name=\"last\"/>REQUIRED{}{}{}</decision>",
            decision(policy, 1).replace("level of it", "rate"),
            needs("d"),
            literal("rate * 2"),
            needs("d"),
            needs("twice"),
            literal("twice + rate")
        )
    }

    #[test]
    fn required_decisions_are_told_once_before_those_that_require_them() {
        for knowledge in [false, true] {
            let result = model(&graph("hitPolicy=\"FIRST\""), knowledge)
                .evaluate("last", &around(25, "a"), Timestamp(0))
                .unwrap();
            let told = |one: &Evaluated| (one.decision.clone(), one.rules.len(), one.value.clone());
            let told: Vec<_> = result.evaluated.iter().map(told).collect();
            let wanted = [("d", 1, json!(1)), ("twice", 0, json!(2)), ("last", 0, json!(3))];
            assert_eq!(told, wanted.map(|(id, rules, value)| (id.to_owned(), rules, value)), "knowledge: {knowledge}");
        }
    }

    #[test]
    fn an_error_names_the_decision_and_the_rule() {
        let fails = |content: &str, id: &str, n: i64| {
            model(content, false).evaluate(id, &around(n, "a"), Timestamp(0)).unwrap_err().to_string()
        };
        let unique = fails(&graph(""), "last", 25);
        assert!(unique.starts_with("decision \"Level\": hit policy UNIQUE: the rules 1, 2 match at once"), "{unique}");
        let any = fails(&decision("hitPolicy=\"ANY\"", 2), "d", 25);
        assert!(
            any.starts_with("decision \"Level\": hit policy ANY: the rules 1, 2 match with different results"),
            "{any}"
        );
        let word = fails(
            &decision("hitPolicy=\"RULE ORDER\"", 2)
                .replace("\"high\"</text></outputEntry>", "high</text></outputEntry>"),
            "d",
            25,
        );
        assert!(
            word.starts_with("decision \"Level\": rule 2, output \"level\": there is no variable \"high\""),
            "{word}"
        );
        let sum =
            decision("hitPolicy=\"COLLECT\" aggregation=\"SUM\"", 1).replace("<text>2.5</text>", "<text>\"a\"</text>");
        let sum = fails(&sum, "d", 25);
        assert!(sum.starts_with("decision \"Level\": COLLECT cannot aggregate the outputs of the rules 1, 2"), "{sum}");
    }
}
