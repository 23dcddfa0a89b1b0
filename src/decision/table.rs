//! Decision tables, evaluated by our own rules over dsntk's expressions.
//!
//! DMN 1.5, 8.2: rules match where every input entry holds; the hit policy says what comes of several. Our own, because the
//! evaluator's tables answer null both for "no rule matched" and for "more than one did", do not say which rules
//! matched, and evaluate a table without declared inputs over nothing.

use super::dmn::{Cell, Clause, Output};
use super::value::{self, Kind};
use super::{DecisionError, feel};
use crate::base::feel::FeelError;
use dsntk_feel::context::FeelContext;
use dsntk_feel::values::Value as Feel;
use dsntk_feel::{Evaluator, FeelScope, Name};
use dsntk_feel_parser::AstNode;
use serde_json::Value;
use std::collections::BTreeMap;

pub(super) type Row = BTreeMap<String, Value>;

/// A table as it stands in the model.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) policy: Policy,
    pub(super) inputs: Vec<Clause>,
    pub(super) outputs: Vec<Output>,
    pub(super) rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) id: Option<String>,
    pub(super) inputs: Vec<Cell>,
    pub(super) outputs: Vec<Cell>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Policy {
    Unique,
    Any,
    First,
    Priority,
    RuleOrder,
    OutputOrder,
    Collect(Aggregation),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aggregation {
    List,
    Sum,
    Min,
    Max,
    Count,
}

impl Policy {
    /// By the attributes `hitPolicy` and `aggregation`.
    pub(super) fn named(policy: Option<&str>, aggregation: Option<&str>) -> Option<Policy> {
        Some(match policy.map(str::trim) {
            None | Some("" | "UNIQUE") => Policy::Unique,
            Some("ANY") => Policy::Any,
            Some("FIRST") => Policy::First,
            Some("PRIORITY") => Policy::Priority,
            Some("RULE ORDER") => Policy::RuleOrder,
            Some("OUTPUT ORDER") => Policy::OutputOrder,
            Some("COLLECT") => Policy::Collect(match aggregation.map(str::trim) {
                None | Some("" | "LIST") => Aggregation::List,
                Some("SUM") => Aggregation::Sum,
                Some("MIN") => Aggregation::Min,
                Some("MAX") => Aggregation::Max,
                Some("COUNT") => Aggregation::Count,
                Some(_) => return None,
            }),
            Some(_) => return None,
        })
    }
}

/// A table ready to be evaluated.
pub(super) struct Table {
    policy: Policy,
    inputs: Vec<Input>,
    outputs: Vec<Column>,
    rules: Vec<PreparedRule>,
}

struct Input {
    expression: Evaluator,
    text: String,
    kind: Kind,
    allowed: Option<Test>,
}

struct Column {
    name: String,
    /// In order of priority.
    values: Option<Evaluator>,
    default: Option<Evaluator>,
}

struct PreparedRule {
    /// `None` holds always.
    tests: Vec<Option<Test>>,
    outputs: Vec<Option<Entry>>,
}

struct Entry {
    evaluator: Evaluator,
    /// The text, where it is nothing but a name.
    lone_name: Option<String>,
}

struct Test {
    holds: Evaluator,
    /// The text asks about `?` itself, so it is a condition rather than a value to compare with.
    asks: bool,
}

/// A rule that matched, by its number counted from 1, and its outputs.
pub(super) type Match = (usize, Vec<Feel>);

/// What a decision came to.
pub(super) struct Hits {
    pub(super) rows: Vec<Row>,
    /// Of a table the rules that made the rows.
    pub(super) rules: Vec<Match>,
    /// Of a table the values of its columns.
    pub(super) inputs: Vec<Feel>,
    pub(super) value: Feel,
}

impl Table {
    /// Reads every cell; reports all that cannot be read.
    pub(super) fn prepare(source: &Source, scope: &FeelScope, report: impl FnMut(&Cell, FeelError)) -> Option<Table> {
        let mut cells = Cells { scope, report, failed: false };
        let inputs = source.inputs.iter().map(|clause| Input {
            expression: cells.expression(&clause.expression).unwrap_or_else(nothing),
            text: plain_text(&clause.expression).to_owned(),
            kind: clause.kind,
            allowed: clause.allowed.as_ref().and_then(|cell| cells.test(cell)),
        });
        let inputs = inputs.collect();
        let outputs = source.outputs.iter().map(|output| Column {
            name: output.name.clone(),
            values: output.values.as_ref().and_then(|cell| cells.values(cell)),
            default: output.default.as_ref().and_then(|cell| cells.expression(cell)),
        });
        let outputs = outputs.collect();
        let rules = source.rules.iter().map(|rule| PreparedRule {
            tests: rule.inputs.iter().map(|cell| cells.test(cell)).collect(),
            outputs: rule.outputs.iter().map(|cell| cells.entry(cell)).collect(),
        });
        let rules = rules.collect();
        let table = Table { policy: source.policy, inputs, outputs, rules };
        (!cells.failed).then_some(table)
    }

    pub(super) fn evaluate(&self, scope: &FeelScope) -> Result<Hits, DecisionError> {
        let inputs = self.inputs(scope)?;
        let mut matched = Vec::new();
        for (at, rule) in self.rules.iter().enumerate() {
            if rule.matches(&inputs, scope) {
                matched.push((at + 1, self.outputs_of(at, rule, scope)?));
                if self.policy == Policy::First {
                    break;
                }
            }
        }
        Ok(Hits { inputs, ..self.decide(matched, scope)? })
    }

    fn outputs_of(&self, at: usize, rule: &PreparedRule, scope: &FeelScope) -> Result<Vec<Feel>, DecisionError> {
        let cells = rule.outputs.iter().zip(&self.outputs);
        let values = cells.map(|(cell, column)| match cell {
            // A text without its quotes, most often.
            Some(Entry { lone_name: Some(name), .. }) if !is_set(name, scope) => Err(DecisionError::Failed(format!(
                "rule {}, output \"{}\": there is no variable \"{name}\"; a text stands in quotes",
                at + 1,
                column.name
            ))),
            Some(cell) => Ok((cell.evaluator)(scope)),
            None => Ok(Feel::Null(None)),
        });
        values.collect()
    }

    fn inputs(&self, scope: &FeelScope) -> Result<Vec<Feel>, DecisionError> {
        let inputs = self.inputs.iter().map(|input| {
            // A lone name that nobody has set is a slip of the pen, not a null.
            if is_variable(&input.text) && !is_set(&input.text, scope) {
                return Err(DecisionError::MissingVariable(input.text.clone()));
            }
            let value = value::typed((input.expression)(scope), input.kind);
            match &input.allowed {
                Some(allowed) if !value.is_null() && !allowed.holds(&value, scope) => {
                    Err(DecisionError::Failed(format!("{value} is not among the allowed values of \"{}\"", input.text)))
                }
                _ => Ok(value),
            }
        });
        inputs.collect()
    }

    fn decide(&self, matched: Vec<Match>, scope: &FeelScope) -> Result<Hits, DecisionError> {
        if matched.is_empty() {
            return self.default_row(scope);
        }
        let rules: Vec<usize> = matched.iter().map(|(rule, _)| *rule).collect();
        match self.policy {
            Policy::Unique if rules.len() > 1 => Err(DecisionError::Failed(format!(
                "hit policy UNIQUE: the rules {} match at once; make them disjoint, or take another policy",
                listed(&rules)
            ))),
            Policy::Any if matched.iter().any(|(_, outputs)| *outputs != matched[0].1) => Err(DecisionError::Failed(
                format!("hit policy ANY: the rules {} match with different results; they must agree", listed(&rules)),
            )),
            Policy::Unique | Policy::First | Policy::Any => self.single(&matched[0].1.clone(), matched),
            Policy::Priority => {
                let first = self.by_priority(matched, scope).swap_remove(0);
                self.single(&first.1.clone(), vec![first])
            }
            Policy::RuleOrder | Policy::Collect(Aggregation::List) => self.list(matched),
            Policy::OutputOrder => self.list(self.by_priority(matched, scope)),
            Policy::Collect(aggregation) => self.aggregate(aggregation, matched),
        }
    }

    fn single(&self, outputs: &[Feel], rules: Vec<Match>) -> Result<Hits, DecisionError> {
        let row = self.row(rules.first().map(|(rule, _)| *rule), outputs)?;
        Ok(Hits { rows: vec![row], rules, inputs: vec![], value: self.value(outputs) })
    }

    fn list(&self, matched: Vec<Match>) -> Result<Hits, DecisionError> {
        let rows = matched.iter().map(|(rule, outputs)| self.row(Some(*rule), outputs));
        Ok(Hits {
            rows: rows.collect::<Result<_, _>>()?,
            value: Feel::List(matched.iter().map(|(_, outputs)| self.value(outputs)).collect()),
            rules: matched,
            inputs: vec![],
        })
    }

    fn aggregate(&self, aggregation: Aggregation, matched: Vec<Match>) -> Result<Hits, DecisionError> {
        let values = matched.iter().filter_map(|(_, outputs)| outputs.first().cloned());
        let values: Vec<Feel> = values.collect();
        let result = match aggregation {
            Aggregation::Count => Feel::Number(values.len().into()),
            Aggregation::Sum => dsntk_feel_evaluator::evaluate_sum(values),
            Aggregation::Min => dsntk_feel_evaluator::evaluate_min(values),
            Aggregation::Max => dsntk_feel_evaluator::evaluate_max(values),
            Aggregation::List => Feel::List(values),
        };
        if let Feel::Null(Some(reason)) = &result {
            let rules: Vec<usize> = matched.iter().map(|(rule, _)| *rule).collect();
            let rules = listed(&rules);
            return Err(DecisionError::Failed(format!(
                "COLLECT cannot aggregate the outputs of the rules {rules}: {reason}"
            )));
        }
        self.single(std::slice::from_ref(&result), matched)
    }

    fn default_row(&self, scope: &FeelScope) -> Result<Hits, DecisionError> {
        if self.outputs.iter().all(|column| column.default.is_none()) {
            return Ok(Hits { rows: vec![], rules: vec![], inputs: vec![], value: Feel::Null(None) });
        }
        let outputs = self.outputs.iter().map(|column| match &column.default {
            Some(default) => default(scope),
            None => Feel::Null(None),
        });
        let outputs: Vec<Feel> = outputs.collect();
        match self.policy {
            Policy::RuleOrder | Policy::OutputOrder | Policy::Collect(Aggregation::List) => {
                Ok(Hits { value: Feel::List(vec![self.value(&outputs)]), ..self.single(&outputs, vec![])? })
            }
            _ => self.single(&outputs, vec![]),
        }
    }

    /// Rules in the order that the lists of output values give, the first column first.
    fn by_priority(&self, mut matched: Vec<Match>, scope: &FeelScope) -> Vec<Match> {
        let orders = self.outputs.iter().map(|column| match column.values.as_ref().map(|values| values(scope)) {
            Some(Feel::ExpressionList(values) | Feel::List(values)) => values,
            Some(single) => vec![single],
            None => vec![],
        });
        let orders: Vec<Vec<Feel>> = orders.collect();
        let place = |outputs: &[Feel]| -> Vec<usize> {
            let places = outputs.iter().zip(&orders);
            places.map(|(value, order)| order.iter().position(|v| v == value).unwrap_or(usize::MAX)).collect()
        };
        matched.sort_by_key(|(_, outputs)| place(outputs));
        matched
    }

    fn row(&self, rule: Option<usize>, outputs: &[Feel]) -> Result<Row, DecisionError> {
        let entries = self.outputs.iter().zip(outputs);
        let entries = entries.map(|(column, value)| match value::to_json(value) {
            Ok(value) => Ok((column.name.clone(), value)),
            Err(error) => {
                let rule = rule.map_or_else(|| "default".into(), |rule| format!("rule {rule}"));
                Err(DecisionError::Failed(format!("{rule}, output \"{}\": {error}", column.name)))
            }
        });
        entries.collect()
    }

    /// What other decisions see: the value of a single output, else a context.
    fn value(&self, outputs: &[Feel]) -> Feel {
        match outputs {
            [single] => single.clone(),
            several => {
                let mut context = FeelContext::default();
                for (column, value) in self.outputs.iter().zip(several) {
                    context.set_entry(&Name::from(column.name.as_str()), value.clone());
                }
                Feel::Context(context)
            }
        }
    }
}

impl PreparedRule {
    fn matches(&self, inputs: &[Feel], scope: &FeelScope) -> bool {
        let mut cells = self.tests.iter().zip(inputs);
        cells.all(|(test, input)| test.as_ref().is_none_or(|test| test.holds(input, scope)))
    }
}

impl Test {
    fn holds(&self, input: &Feel, scope: &FeelScope) -> bool {
        let mut context = FeelContext::default();
        context.set_entry(&Name::from("?"), input.clone());
        scope.push(context);
        let holds = (self.holds)(scope);
        scope.pop();
        match holds {
            Feel::ExpressionList(any) if self.asks => any.iter().any(Feel::is_true),
            other => other.is_true(),
        }
    }
}

/// Reads the cells of one table.
struct Cells<'a, R> {
    scope: &'a FeelScope,
    report: R,
    failed: bool,
}

impl<R: FnMut(&Cell, FeelError)> Cells<'_, R> {
    /// An empty cell gives nothing.
    fn expression(&mut self, cell: &Cell) -> Option<Evaluator> {
        let text = cell.text.trim();
        match text.is_empty() {
            true => None,
            false => self.keep(cell, feel::prepare(self.scope, text)),
        }
    }

    fn entry(&mut self, cell: &Cell) -> Option<Entry> {
        let text = plain_text(cell);
        let lone_name = is_variable(text).then(|| text.to_owned());
        self.expression(cell).map(|evaluator| Entry { evaluator, lone_name })
    }

    /// A cell of tests; an empty one, or `-`, holds always.
    fn test(&mut self, cell: &Cell) -> Option<Test> {
        let text = cell.text.trim();
        if text.is_empty() || text == "-" {
            return None;
        }
        let asks = asks_about_itself(text);
        let tests = self.keep(cell, feel::tests(self.scope, text))?;
        let tests = match asks {
            true => tests,
            false => AstNode::In(Box::new(AstNode::Name(Name::from("?"))), Box::new(tests)),
        };
        Some(Test { holds: dsntk_feel_evaluator::prepare(&tests), asks })
    }

    fn values(&mut self, cell: &Cell) -> Option<Evaluator> {
        let tests = self.keep(cell, feel::tests(self.scope, &cell.text))?;
        Some(dsntk_feel_evaluator::prepare(&tests))
    }

    fn keep<T>(&mut self, cell: &Cell, read: Result<T, FeelError>) -> Option<T> {
        match read {
            Ok(read) => Some(read),
            Err(error) => {
                self.failed = true;
                (self.report)(cell, error);
                None
            }
        }
    }
}

fn asks_about_itself(text: &str) -> bool {
    text.split('"').step_by(2).any(|outside| outside.contains('?'))
}

fn plain_text(cell: &Cell) -> &str {
    cell.text.trim().trim_start_matches('=').trim()
}

/// Whether a text is nothing but the name of a variable.
fn is_variable(text: &str) -> bool {
    super::names::is_word(text) && !["null", "true", "false"].contains(&text)
}

/// Functions are values as well.
fn is_set(name: &str, scope: &FeelScope) -> bool {
    scope.get_value(&Name::from(name)).is_some() || super::functions::is_built_in(name)
}

fn nothing() -> Evaluator {
    Box::new(|_| Feel::Null(None))
}

fn listed(rules: &[usize]) -> String {
    rules.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}
