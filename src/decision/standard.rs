//! Decisions with boxed expressions, business knowledge or own types, evaluated by dsntk's evaluator of whole models.
//!
//! It sees declared inputs only, so a table over an undeclared one is refused; and functions run without a limit on
//! recursion, so those that could call themselves are refused by `knowledge`.

use super::canonical::{self, Canonical};
use super::dmn::{Decision, Logic, Model};
use super::table::{Policy, Row, Source};
use super::value::{self, Kind};
use super::{DecisionError, DecisionResult, Decisions, knowledge, names};
use crate::base::diagnostic::Findings;
use crate::base::time::Timestamp;
use crate::xml::Document;
use dsntk_feel::Name;
use dsntk_feel::context::FeelContext;
use dsntk_feel::values::Value as Feel;
use dsntk_model_evaluator::ModelEvaluator;
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
        let at = decisions.first().map(|decision| decision.at).or(model.services.first().map(|service| service.at))?;
        knowledge::check(document, model, found);
        decisions.iter().for_each(|decision| check_inputs(decision, model, found));
        if found.has_errors() {
            return None;
        }
        let canonical = canonical::write(document.root());
        let definitions = dsntk_model::parse(&canonical.text);
        let evaluator = match definitions.and_then(|definitions| ModelEvaluator::new(&[definitions])) {
            Ok(evaluator) => evaluator,
            Err(error) => {
                found.error(at, None, "dmn", format!("the model cannot be evaluated: {error}"));
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
        let services = model.services.iter().map(|service| {
            let entry = Entry { name: service.name.clone(), variable: service.variable.name.clone(), table: None };
            (service.id.clone(), entry)
        });
        let entries = entries.chain(services);
        let times = model.inputs.values().filter_map(|input| Some((input.name.clone(), input.kind()?)));
        Some(Standard { decisions: entries.collect(), times: times.collect(), evaluator, model: canonical })
    }
}

impl Decisions for Standard {
    fn evaluate(&self, id: &str, variables: FeelContext, _now: Timestamp) -> Result<DecisionResult, DecisionError> {
        let entry = self.decisions.get(id).ok_or_else(|| DecisionError::Unknown(id.into()))?;
        let mut context = variables;
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
        Ok(DecisionResult { rows, rules: vec![], value: value::to_json(&result)? })
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
