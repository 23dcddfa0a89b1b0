//! Decisions with boxed expressions, business knowledge or own types, evaluated by dsntk's evaluator of whole models.
//!
//! It sees declared inputs only, so a table over an undeclared one is refused; and functions run without a limit on
//! recursion, so they are allowed in business knowledge alone, whose requirements make no circle.

use super::canonical::{self, Canonical};
use super::dmn::{Decision, Logic, Model};
use super::table::{Policy, Row, Source};
use super::value::{self, Kind};
use super::{DecisionError, DecisionResult, Decisions, feel, names};
use crate::base::diagnostic::Findings;
use crate::base::feel::FeelError;
use crate::base::time::Timestamp;
use crate::xml::{Document, ElementRef};
use dsntk_feel::context::FeelContext;
use dsntk_feel::values::Value as Feel;
use dsntk_feel::{FeelScope, Name};
use dsntk_model_evaluator::ModelEvaluator;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the evaluator says where no rule of a table matches.
const NO_RULE: &str = "no rules matched, no output value defined";

pub(super) struct Standard {
    evaluator: Arc<ModelEvaluator>,
    model: Canonical,
    decisions: BTreeMap<String, Entry>,
    /// Inputs that are read as a type of time.
    times: Vec<(String, Kind)>,
}

struct Entry {
    name: String,
    variable: String,
    table: Option<Source>,
}

impl Standard {
    /// Nothing where no decision needs it, or where something is wrong.
    pub(super) fn prepare(
        document: &Document,
        model: &Model,
        decisions: &[&Decision],
        found: &mut Findings,
    ) -> Option<Standard> {
        let first = decisions.first()?;
        check_functions(document.root(), found);
        check_texts(document, found);
        decisions.iter().for_each(|decision| check_inputs(decision, model, found));
        if found.has_errors() {
            return None;
        }
        let canonical = canonical::write(document.root());
        let definitions = dsntk_model::parse(&canonical.text);
        let evaluator = match definitions.and_then(|definitions| ModelEvaluator::new(&[definitions])) {
            Ok(evaluator) => evaluator,
            Err(error) => {
                found.error(first.at, Some(&first.id), "dmn", format!("the model cannot be evaluated: {error}"));
                return None;
            }
        };
        let entries = decisions.iter().map(|decision| {
            let table = match &decision.logic {
                Logic::Table(source) => Some(source.clone()),
                Logic::Literal(_) | Logic::Boxed | Logic::Nothing => None,
            };
            let entry = Entry { name: decision.name.clone(), variable: decision.variable.name.clone(), table };
            (decision.id.clone(), entry)
        });
        let times = model.inputs.values().filter_map(|input| Some((input.name.clone(), input.kind()?)));
        Some(Standard { decisions: entries.collect(), times: times.collect(), evaluator, model: canonical })
    }
}

impl Decisions for Standard {
    fn evaluate(
        &self,
        id: &str,
        variables: &BTreeMap<String, Value>,
        _now: Timestamp,
    ) -> Result<DecisionResult, DecisionError> {
        let entry = self.decisions.get(id).ok_or_else(|| DecisionError::Unknown(id.into()))?;
        let mut context = value::context(variables);
        for (name, kind) in &self.times {
            let name = Name::from(name.as_str());
            if let Some(text) = context.get_entry(&name) {
                let read = value::typed(text.clone(), *kind);
                context.set_entry(&name, read);
            }
        }
        let result = self.evaluator.evaluate_invocable(&self.model.namespace, &self.model.name, &entry.name, &context);
        let result = match result {
            Feel::Null(Some(reason)) if reason == NO_RULE => return Ok(DecisionResult::default()),
            Feel::Null(Some(reason)) => {
                return Err(DecisionError::Failed(format!("the decision has no result: {reason}")));
            }
            other => other,
        };
        let rows = match &entry.table {
            Some(table) => rows(&result, table)?,
            None => vec![Row::from([(entry.variable.clone(), value::to_json(&result)?)])],
        };
        Ok(DecisionResult { rows, rules: vec![] })
    }
}

/// The rows of a table from its value.
fn rows(result: &Feel, table: &Source) -> Result<Vec<Row>, DecisionError> {
    let many = matches!(
        table.policy,
        Policy::RuleOrder | Policy::OutputOrder | Policy::Collect(super::table::Aggregation::List)
    );
    let row = |value: &Feel| -> Result<Row, DecisionError> {
        match (table.outputs.as_slice(), value) {
            ([single], value) => Ok(Row::from([(single.name.clone(), value::to_json(value)?)])),
            (_, Feel::Context(context)) => {
                context.iter().map(|(name, value)| Ok((name.to_string(), value::to_json(value)?))).collect()
            }
            (_, other) => Err(DecisionError::Failed(format!("the table gives {other} instead of a row"))),
        }
    };
    match result {
        Feel::List(list) if many => list.iter().map(row).collect(),
        single => Ok(vec![row(single)?]),
    }
}

/// A function that is named in a context could call itself; one in business knowledge cannot.
fn check_functions(root: ElementRef<'_>, found: &mut Findings) {
    for function in root.descendants().filter(|element| element.name() == "functionDefinition") {
        let message = "functions can be defined as business knowledge models only: move it into one";
        found.error(function.position(), None, "dmn-function", message);
    }
}

/// Every text is checked by the guards. A text that cannot be read here, because it needs names that only the model's
/// own scope has, may at least define no function; the evaluator reads it again.
fn check_texts(document: &Document, found: &mut Findings) {
    let scope = FeelScope::default();
    let mut known = FeelContext::default();
    let texts = document.elements().filter(|element| element.name() == "text");
    let texts: Vec<(ElementRef<'_>, String)> = texts.map(|element| (element, element.text().into_owned())).collect();
    for name in document.elements().filter_map(|element| element.attribute("name")) {
        known.set_null(Name::from(name));
    }
    scope.push(known);
    for (element, text) in &texts {
        let owner = element.ancestors().find(|ancestor| ancestor.name() == "decision");
        let owner = owner.and_then(|decision| decision.attribute("id"));
        let words = names::words(text);
        let read = feel::expression(&scope, text).or_else(|error| match error {
            FeelError::Syntax(_) => feel::tests(&scope, text),
            FeelError::Limit(_) | FeelError::Failed(_) => Err(error),
        });
        match read {
            Err(FeelError::Syntax(_)) if !words.contains(&"function") => {}
            Err(error) => found.error(element.position(), owner, "feel", error.to_string()),
            Ok(_) => {}
        }
        if ["now", "today"].iter().any(|clock| words.contains(clock) && text.contains(&format!("{clock}("))) {
            let message = "now() and today() are not known in boxed expressions and business knowledge: take the time as an input";
            found.error(element.position(), owner, "feel", message);
        }
    }
}

/// A table over an undeclared input would be evaluated over null.
fn check_inputs(decision: &Decision, model: &Model, found: &mut Findings) {
    let Logic::Table(table) = &decision.logic else {
        return;
    };
    let inputs = decision.inputs.iter().filter_map(|id| model.inputs.get(id)).map(|input| &input.name);
    let required = model.decisions.iter().filter(|other| decision.decisions.contains(&other.id));
    let declared: Vec<&String> = inputs.chain(required.map(|required| &required.variable.name)).collect();
    for clause in &table.inputs {
        let text = clause.expression.text.trim();
        if names::is_word(text) && declared.iter().all(|name| *name != text) {
            let message = format!("\"{text}\" is not declared: draw it as input data and connect it with the decision");
            found.error(clause.expression.at, Some(&decision.id), "dmn-input", message);
        }
    }
}
