//! Decisions as modelers write them, tables and literal expressions, over the variables in scope.
//!
//! A declared input is a variable of its name, read as its type. A required decision is known by the name of its variable
//! and, as Camunda's modeler has it, its outputs by theirs.

use super::dmn::{Cell, Decision, Logic, Model, Named};
use super::table::{Hits, Row, Source, Table};
use super::trace::{self, Evaluated};
use super::value::{self, Kind};
use super::{DecisionError, DecisionResult, Decisions, feel, functions};
use crate::base::diagnostic::Findings;
use crate::base::feel::FeelError;
use crate::base::time::Timestamp;
use dsntk_feel::context::FeelContext;
use dsntk_feel::values::Value as Feel;
use dsntk_feel::{Evaluator, FeelType, Name};
use std::collections::BTreeMap;
use std::str::FromStr;

pub(super) struct Plain {
    decisions: BTreeMap<String, Prepared>,
}

struct Prepared {
    name: String,
    variable: Named,
    /// The table as it stands, for what is told of it.
    table: Option<Source>,
    inputs: Vec<Named>,
    requires: Vec<String>,
    logic: PreparedLogic,
}

enum PreparedLogic {
    Table(Table),
    Literal(Evaluator),
}

/// The decisions that need nothing but their own text: with all that they require, tables and literal expressions of
/// the standard's own types.
pub(super) fn is_plain(decision: &Decision, model: &Model) -> bool {
    let own = |decision: &Decision| {
        let inputs = decision.inputs.iter().filter_map(|id| model.inputs.get(id));
        !decision.needs_knowledge
            && matches!(decision.logic, Logic::Table(_) | Logic::Literal(_))
            && inputs.chain([&decision.variable]).all(|named| named.kind().is_some())
    };
    let mut open = vec![decision];
    let mut seen = Vec::new();
    while let Some(decision) = open.pop() {
        if seen.contains(&&decision.id) {
            continue;
        }
        seen.push(&decision.id);
        if !own(decision) {
            return false;
        }
        open.extend(model.decisions.iter().filter(|other| decision.decisions.contains(&other.id)));
    }
    true
}

impl Plain {
    pub(super) fn prepare(model: &Model, found: &mut Findings) -> Plain {
        let plain = model.decisions.iter().filter(|decision| is_plain(decision, model));
        let decisions = plain.filter_map(|decision| {
            let logic = logic(decision, model, found)?;
            let inputs = decision.inputs.iter().filter_map(|id| model.inputs.get(id).cloned());
            let table = match &decision.logic {
                Logic::Table(source) => Some(source.clone()),
                Logic::Literal(_) | Logic::Boxed | Logic::Nothing => None,
            };
            let prepared = Prepared {
                name: decision.name.clone(),
                table,
                variable: decision.variable.clone(),
                inputs: inputs.collect(),
                requires: decision.decisions.clone(),
                logic,
            };
            Some((decision.id.clone(), prepared))
        });
        Plain { decisions: decisions.collect() }
    }
}

fn logic(decision: &Decision, model: &Model, found: &mut Findings) -> Option<PreparedLogic> {
    let scope = value::library_scope();
    scope.push(declared(decision, model));
    let mut report = |cell: &Cell, error: FeelError| {
        found.error(cell.at, Some(&decision.id), "feel", error.to_string());
    };
    match &decision.logic {
        Logic::Table(source) => Table::prepare(source, &scope, report).map(PreparedLogic::Table),
        Logic::Literal(cell) => match feel::prepare(&scope, &cell.text) {
            Ok(evaluator) => Some(PreparedLogic::Literal(evaluator)),
            Err(error) => {
                report(cell, error);
                None
            }
        },
        Logic::Boxed | Logic::Nothing => None,
    }
}

/// Names that are declared, for parsing: they may have blanks in them.
fn declared(decision: &Decision, model: &Model) -> FeelContext {
    let mut known = FeelContext::default();
    // What bears the name of a built-in function anywhere in the file may stand in its place when a function is called.
    let variables = model.inputs.values().chain(model.decisions.iter().map(|other| &other.variable));
    let outputs = model.decisions.iter().flat_map(|other| match &other.logic {
        Logic::Table(source) => source.outputs.as_slice(),
        Logic::Literal(_) | Logic::Boxed | Logic::Nothing => &[],
    });
    let all = variables.map(|named| &named.name).chain(outputs.map(|output| &output.name));
    for name in all.filter(|name| functions::is_built_in(name)) {
        known.set_null(Name::from(name.as_str()));
    }
    for input in decision.inputs.iter().filter_map(|id| model.inputs.get(id)) {
        known.set_null(Name::from(input.name.as_str()));
    }
    for required in model.decisions.iter().filter(|other| decision.decisions.contains(&other.id)) {
        known.set_null(Name::from(required.variable.name.as_str()));
        if let Logic::Table(source) = &required.logic {
            for output in &source.outputs {
                known.set_null(Name::from(output.name.as_str()));
            }
        }
    }
    known
}

impl Decisions for Plain {
    fn evaluate(&self, id: &str, variables: FeelContext, now: Timestamp) -> Result<DecisionResult, DecisionError> {
        let run = Run { decisions: &self.decisions, variables, now };
        let mut decided = Decided::default();
        let hits = run.decide(id, &mut decided)?;
        Ok(DecisionResult {
            value: value::to_json(&hits.value)?,
            rows: hits.rows,
            rules: hits.rules.iter().map(|(rule, _)| *rule).collect(),
            evaluated: decided.told,
        })
    }
}

struct Run<'a> {
    decisions: &'a BTreeMap<String, Prepared>,
    variables: FeelContext,
    now: Timestamp,
}

/// What the decisions on the way came to.
#[derive(Default)]
struct Decided {
    /// With the row, where there is just one.
    results: BTreeMap<String, (Feel, Option<Row>)>,
    told: Vec<Evaluated>,
}

impl Run<'_> {
    /// Recursion is bounded: requirements make no circle, and their number has a limit.
    fn decide(&self, id: &str, decided: &mut Decided) -> Result<Hits, DecisionError> {
        let decision = self.decisions.get(id).ok_or_else(|| DecisionError::Unknown(id.into()))?;
        for required in &decision.requires {
            if !decided.results.contains_key(required) {
                let hits = self.decide(required, decided)?;
                let row = match hits.rows.as_slice() {
                    [row] => Some(row.clone()),
                    _ => None,
                };
                decided.results.insert(required.clone(), (hits.value, row));
            }
        }
        let hits = self.own(decision, decided).map_err(|error| error.of(&decision.name))?;
        decided.told.push(decision.told(id, &hits));
        Ok(hits)
    }

    fn own(&self, decision: &Prepared, decided: &Decided) -> Result<Hits, DecisionError> {
        let scope = value::scope(self.now, self.variables.clone())?;
        scope.push(self.inputs(decision, decided));
        match &decision.logic {
            PreparedLogic::Table(table) => {
                let hits = table.evaluate(&scope)?;
                // A table may give several values of the type.
                let list = decision.variable.feel_type().map(|wanted| FeelType::List(Box::new(wanted)));
                match list.is_some_and(|list| hits.value.is_conformant(&list)) {
                    true => Ok(hits),
                    false => checked(&hits.value, &decision.variable).map(|_| hits),
                }
            }
            PreparedLogic::Literal(evaluator) => {
                literal(checked(&evaluator(&scope), &decision.variable)?, &decision.variable)
            }
        }
    }

    fn inputs(&self, decision: &Prepared, decided: &Decided) -> FeelContext {
        let mut context = FeelContext::default();
        for input in &decision.inputs {
            let name = Name::from(input.name.as_str());
            // A declared input without a value is null, as the standard has it.
            let value = self.variables.get_entry(&name).cloned().unwrap_or(Feel::Null(None));
            context.set_entry(&name, value::typed(value, input.kind().unwrap_or(Kind::Any)));
        }
        for id in &decision.requires {
            let (Some(prepared), Some((value, row))) = (self.decisions.get(id), decided.results.get(id)) else {
                continue;
            };
            for (name, value) in row.iter().flatten() {
                context.set_entry(&Name::from(name.as_str()), value::from_json(value));
            }
            context.set_entry(&Name::from(prepared.variable.name.as_str()), value.clone());
        }
        context
    }
}

impl Prepared {
    fn told(&self, id: &str, hits: &Hits) -> Evaluated {
        let (inputs, rules) = match &self.table {
            Some(source) => (
                trace::inputs(source, hits.inputs.iter().map(trace::told).collect()),
                hits.rules
                    .iter()
                    .map(|(number, outputs)| trace::rule(source, *number, outputs.iter().map(trace::told).collect()))
                    .collect(),
            ),
            None => (vec![], vec![]),
        };
        Evaluated {
            decision: id.into(),
            name: self.name.clone(),
            other: None,
            inputs,
            rules,
            is_table: self.table.is_some(),
            variable: self.variable.name.clone(),
            collected: self.table.as_ref().is_some_and(trace::is_collected),
            value: trace::told(&hits.value),
        }
    }
}

fn literal(value: Feel, variable: &Named) -> Result<Hits, DecisionError> {
    let rows = match &value {
        // No value of a variable, but other decisions may call it.
        Feel::FunctionDefinition(..) | Feel::BuiltInFunction(_) => vec![],
        value => vec![Row::from([(variable.name.clone(), value::to_json(value)?)])],
    };
    Ok(Hits { rows, rules: vec![], inputs: vec![], value })
}

/// The value as one of the declared type, such as the element of a list of one; a value of another type is an error,
/// where the standard would make it null.
fn checked(value: &Feel, variable: &Named) -> Result<Feel, DecisionError> {
    let Some(wanted) = variable.feel_type() else {
        return Ok(value.clone());
    };
    if value.is_null() || value.is_conformant(&wanted) {
        return Ok(value.clone());
    }
    match value.coerced(&wanted) {
        Feel::Null(_) => Err(DecisionError::Failed(format!(
            "the decision gives {value}, which is not of its declared type {}",
            variable.type_ref
        ))),
        coerced => Ok(coerced),
    }
}

impl Named {
    /// The type that a value is held to.
    fn feel_type(&self) -> Option<FeelType> {
        if self.kind().is_none_or(|kind| matches!(kind, Kind::Any | Kind::Duration)) {
            return None;
        }
        let name = Kind::standard_name(&self.type_ref);
        FeelType::from_str(if name == "dateTime" { "date and time" } else { name }).ok()
    }
}
