//! Decisions with boxed expressions, business knowledge or own types, evaluated by dsntk's evaluator of whole models.
//!
//! It sees declared inputs only, so a table over an undeclared one is refused; and functions run without a limit on
//! recursion, so those that could call themselves are refused by `knowledge`.

use super::canonical::{self, Canonical};
use super::dmn::{Decision, Imported, Logic, Model, Service};
use super::shape::{self, Shape};
use super::table::{Policy, Row, Source};
use super::trace::{self, Evaluated, RuleHit};
use super::value;
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
    /// The file itself, then those that it imports.
    files: Vec<File>,
    /// Inputs, and decisions that a service takes for such, with dates in them.
    times: Vec<(Name, Shape)>,
}

struct File {
    model: Canonical,
    /// Of an imported file its place among those that could be.
    place: Option<usize>,
    entries: BTreeMap<String, Entry>,
}

struct Entry {
    name: String,
    variable: String,
    /// The number of the file, and the decision in it.
    requires: Vec<(usize, String)>,
    table: Option<Source>,
}

impl Standard {
    /// Nothing where no decision needs it and no service can be had, or where something is wrong.
    pub(super) fn prepare(
        document: &Document,
        imported: &[(usize, Document)],
        model: &Model,
        decisions: &[&Decision],
        found: &mut Findings,
    ) -> Option<Standard> {
        let at = decisions.first().map(|decision| decision.at).or(model.services.first().map(|service| service.at))?;
        // Where only a service needs it, what it cannot evaluate takes the service away and leaves the decisions.
        let mut of_services = Findings::default();
        let found = if decisions.is_empty() { &mut of_services } else { found };
        knowledge::check(document, imported, model, found);
        for decision in required(decisions, model) {
            check_inputs(decision, model, found);
            check_imported(decision, model, found);
        }
        if found.has_errors() {
            return None;
        }
        let files = files(document, imported, model);
        // What is imported comes before what imports it.
        let definitions: Result<Vec<_>, _> =
            files.iter().skip(1).chain(&files[..1]).map(|file| dsntk_model::parse(&file.model.text)).collect();
        let evaluator = match definitions.and_then(|definitions| ModelEvaluator::new(&definitions)) {
            Ok(evaluator) => evaluator,
            Err(error) => {
                found.error(at, None, "dmn", format!("the model cannot be evaluated: {error}"));
                return None;
            }
        };
        let variables = model.inputs.values().chain(model.decisions.iter().map(|decision| &decision.variable));
        let own = variables.map(|variable| (document, variable));
        let theirs = imported.iter().zip(&model.imported);
        let theirs = theirs.flat_map(|((_, other), file)| file.model.inputs.values().map(move |input| (other, input)));
        let times = own.chain(theirs).filter_map(|(file, variable)| {
            Some((Name::from(variable.name.as_str()), shape::of(file, &variable.type_ref)?))
        });
        Some(Standard { files, times: times.collect(), evaluator })
    }
}

fn files(document: &Document, imported: &[(usize, Document)], model: &Model) -> Vec<File> {
    let services = model.services.iter().filter(|service| is_declared(service, model)).map(|service| {
        let (name, variable) = (service.name.clone(), service.variable.name.clone());
        (service.id.clone(), Entry { name, variable, requires: vec![], table: None })
    });
    let own = entries(model, 0, model).chain(services).collect();
    let theirs = imported.iter().zip(&model.imported).enumerate().map(|(at, ((place, other), file))| File {
        model: canonical::write(other.root()),
        place: Some(*place),
        entries: entries(&file.model, at + 1, model).collect(),
    });
    let own = File { model: canonical::write(document.root()), place: None, entries: own };
    [own].into_iter().chain(theirs).collect()
}

/// The decisions of the file of this number, which is `whole` itself or one that it imports.
fn entries<'m>(file: &'m Model, number: usize, whole: &'m Model) -> impl Iterator<Item = (String, Entry)> + 'm {
    let number_of = |namespace: &str| whole.imported.iter().position(|file| file.namespace == namespace);
    file.decisions.iter().map(move |decision| {
        let imported =
            decision.imported.iter().filter_map(|one| Some((number_of(&one.namespace)? + 1, one.id.clone())));
        let entry = Entry {
            name: decision.name.clone(),
            variable: decision.variable.name.clone(),
            requires: imported.chain(decision.decisions.iter().map(|id| (number, id.clone()))).collect(),
            table: match &decision.logic {
                Logic::Table(source) => Some(source.clone()),
                Logic::Literal(_) | Logic::Boxed | Logic::Nothing => None,
            },
        };
        (decision.id.clone(), entry)
    })
}

impl Decisions for Standard {
    fn evaluate(&self, id: &str, variables: FeelContext, _now: Timestamp) -> Result<DecisionResult, DecisionError> {
        let entry = self.files[0].entries.get(id).ok_or_else(|| DecisionError::Unknown(id.into()))?;
        let mut context = variables;
        for (name, shape) in &self.times {
            if let Some(value) = context.get_entry(name).cloned() {
                context.set_entry(name, shape::read(value, shape));
            }
        }
        let result = self.invoke(&self.files[0], &entry.name, &context);
        let rows = match (&result, &entry.table) {
            (Feel::Null(Some(reason)), _) if reason == NO_RULE => vec![],
            (Feel::Null(Some(reason)), _) => {
                let error = DecisionError::Failed(format!("the decision has no result: {reason}"));
                return Err(error.of(&entry.name));
            }
            (result, Some(table)) => rows(result, table).map_err(|error| error.of(&entry.name))?,
            (result, None) => {
                let value = value::to_json(result).map_err(|error| DecisionError::from(error).of(&entry.name))?;
                vec![Row::from([(entry.variable.clone(), value)])]
            }
        };
        let evaluated = self.told(id, &context);
        let rules = evaluated.last().map(|last| last.rules.iter().map(|rule| rule.number).collect());
        Ok(DecisionResult { rows, rules: rules.unwrap_or_default(), value: value::to_json(&result)?, evaluated })
    }
}

impl Standard {
    /// Whether it has this decision or service.
    pub(super) fn has(&self, id: &str) -> bool {
        self.files[0].entries.contains_key(id)
    }

    fn invoke(&self, file: &File, name: &str, context: &FeelContext) -> Feel {
        self.evaluator.evaluate_invocable(&file.model.namespace, &file.model.name, name, context)
    }

    /// What the decision and those that it requires came to, each after what it requires.
    fn told(&self, id: &str, context: &FeelContext) -> Vec<Evaluated> {
        let mut order: Vec<(usize, &str)> = Vec::new();
        let mut open = vec![((0, id), false)];
        while let Some((one, is_ready)) = open.pop() {
            match self.files[one.0].entries.get(one.1) {
                _ if order.contains(&one) => {}
                Some(_) if is_ready => order.push(one),
                Some(entry) => {
                    open.push((one, true));
                    let required = entry.requires.iter().rev();
                    open.extend(required.map(|(file, id)| ((*file, id.as_str()), false)));
                }
                None => {}
            }
        }
        order.into_iter().filter_map(|(file, id)| self.told_one(&self.files[file], id, context)).collect()
    }

    fn told_one(&self, file: &File, id: &str, context: &FeelContext) -> Option<Evaluated> {
        let entry = file.entries.get(id)?;
        let value = self.invoke(file, &entry.name, context);
        let (inputs, rules) = match &entry.table {
            Some(source) => {
                let inputs = match self.invoke(file, &canonical::inputs_of(id), context) {
                    Feel::List(values) => values.iter().map(trace::told).collect(),
                    _ => vec![],
                };
                let matched = match self.invoke(file, &canonical::rules_of(id), context) {
                    Feel::List(rules) => rules.iter().filter_map(|rule| hit(rule, source)).collect(),
                    _ => vec![],
                };
                (trace::inputs(source, inputs), told_rules(matched, source, &value))
            }
            None => (vec![], vec![]),
        };
        Some(Evaluated {
            decision: id.into(),
            name: entry.name.clone(),
            other: file.place,
            inputs,
            rules,
            is_table: entry.table.is_some(),
            variable: entry.variable.clone(),
            collected: entry.table.as_ref().is_some_and(trace::is_collected),
            value: trace::told(&value),
        })
    }
}

/// A row of the shadow that tells the rules.
fn hit(rule: &Feel, source: &Source) -> Option<(usize, Vec<Feel>)> {
    let Feel::Context(rule) = rule else {
        return None;
    };
    let entry = |name: &str| rule.get_entry(&Name::from(name)).cloned();
    let number = entry("rule")?.to_string().parse().ok()?;
    let outputs = (0..source.outputs.len()).map(|at| entry(&format!("o{at}")).unwrap_or(Feel::Null(None)));
    Some((number, outputs.collect()))
}

/// Those of the matching rules that made the value, in its order.
fn told_rules(matched: Vec<(usize, Vec<Feel>)>, source: &Source, value: &Feel) -> Vec<RuleHit> {
    let is_row = |outputs: &[Feel], row: &Feel| match (outputs, row) {
        ([single], row) => single == row,
        (several, Feel::Context(row)) => {
            let columns = source.outputs.iter().zip(several);
            columns.into_iter().all(|(column, value)| row.get_entry(&Name::from(column.name.as_str())) == Some(value))
        }
        _ => false,
    };
    let mut matched = matched;
    match (source.policy, value) {
        (Policy::First, _) => matched.truncate(1),
        (Policy::Priority, row) => {
            matched.retain(|(_, outputs)| is_row(outputs, row));
            matched.truncate(1);
        }
        (Policy::OutputOrder, Feel::List(rows)) => {
            matched.sort_by_key(|(_, outputs)| rows.iter().position(|row| is_row(outputs, row)));
        }
        _ => {}
    }
    let told = matched.into_iter();
    told.map(|(number, outputs)| trace::rule(source, number, outputs.iter().map(trace::told).collect())).collect()
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

/// Whether the tables of a service see nothing but declared inputs.
fn is_declared(service: &Service, model: &Model) -> bool {
    let inside = model.decisions.iter().filter(|decision| service.decisions.contains(&decision.id));
    let mut found = Findings::default();
    let inside: Vec<&Decision> = inside.collect();
    required(&inside, model).into_iter().for_each(|decision| check_inputs(decision, model, &mut found));
    !found.has_errors()
}

/// The decisions with all that they require.
fn required<'m>(decisions: &[&'m Decision], model: &'m Model) -> Vec<&'m Decision> {
    let mut all: Vec<&Decision> = Vec::new();
    let mut open = decisions.to_vec();
    while let Some(decision) = open.pop() {
        if all.iter().all(|known| known.id != decision.id) {
            all.push(decision);
            open.extend(model.decisions.iter().filter(|other| decision.decisions.contains(&other.id)));
        }
    }
    all
}

/// What a decision takes from other files is held to the same, where it is used.
fn check_imported(decision: &Decision, model: &Model, found: &mut Findings) {
    let mut open: Vec<Imported> = decision.imported.clone();
    let mut seen: Vec<(String, String)> = Vec::new();
    while let Some(Imported { namespace, id }) = open.pop() {
        let Some((file, imported)) = model.of_import(&namespace).and_then(|file| Some((file, file.decision(&id)?)))
        else {
            continue;
        };
        if seen.contains(&(namespace.clone(), id.clone())) {
            continue;
        }
        let mut theirs = Findings::default();
        check_inputs(imported, file, &mut theirs);
        for finding in theirs.errors() {
            let message = format!("the imported decision \"{}\": {}", imported.name, finding.message);
            found.error(decision.at, Some(&decision.id), "dmn-import", message);
        }
        let of_file = |id: &String| Imported { namespace: namespace.clone(), id: id.clone() };
        open.extend(imported.decisions.iter().map(of_file).chain(imported.imported.iter().cloned()));
        seen.push((namespace, id));
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
