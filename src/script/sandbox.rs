//! Rhai with limits: two engines, built once, and the run of a compiled script.
//!
//! Inline, a run is part of the engine's run: it ends by operations alone and reads no clock. Natives that take a callback
//! (`filter`, `sort(|a, b| …)`, …) do work that operations do not count, so a script that calls one does not run inline at
//! all; it asks for the full budget, which has a deadline too. The same goes for whatever exceeds the inline budget.
//! Nothing dynamic can get at such a native: `eval`, `Fn("name")` and `import` are not part of the language here, so its
//! name stands in the text.

use super::change::Changes;
use super::dynamic::{self, NotJson, Writer};
use super::{CompileError, EvaluationError, Fact, Surroundings};
use crate::base::limits::{
    SCRIPT_ARRAY_MAX, SCRIPT_BYTES_MAX, SCRIPT_DEADLINE_MS, SCRIPT_INLINE_ARRAY_MAX, SCRIPT_INLINE_OPERATIONS_MAX,
    SCRIPT_INLINE_STRING_MAX, SCRIPT_MAP_MAX, SCRIPT_OPERATIONS_MAX, SCRIPT_STRING_MAX,
};
use functions::{BpmnError, Running};
use rhai::packages::{
    ArithmeticPackage, BasicArrayPackage, BasicIteratorPackage, BasicMapPackage, BasicMathPackage, BasicStringPackage,
    LogicPackage, Package,
};
use rhai::{AST, Dynamic, Engine, EvalAltResult, OptimizationLevel, Position, Scope};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

mod functions;
#[cfg(test)]
mod tests;
mod whole;

/// How much a script may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// In the engine's run: operations only, no clock.
    Inline,
    /// Off the partition's thread: more of all, with a deadline.
    Full,
}

/// A compiled script.
#[derive(Clone, Debug)]
pub(super) struct Program {
    ast: AST,
    /// Every word of the text; variables that are not among them need not be handed over.
    words: BTreeSet<String>,
    takes_callbacks: bool,
}

/// Why a run gives no value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum RunError {
    Bpmn { code: String, message: Option<String> },
    OverBudget(String),
    UnknownVariable(String),
    Failed(String),
}

impl Program {
    pub(super) fn compile(text: &str) -> Result<Program, CompileError> {
        if text.len() > SCRIPT_BYTES_MAX {
            return Err(CompileError::new(
                format!("a script may have {SCRIPT_BYTES_MAX} bytes, this one has {}", text.len()),
                None,
            ));
        }
        let ast = engine(Budget::Full)
            .compile(text)
            .map_err(|error| CompileError::new(error.err_type().to_string(), offset(text, error.position())))?;
        Ok(Program {
            ast,
            words: words(text).map(|(word, _)| word.to_owned()).collect(),
            takes_callbacks: takes_callbacks(text),
        })
    }

    /// Runs on a copy of the variables that the text names; changes are applied when all has gone well.
    pub(super) fn run(&self, budget: Budget, around: &mut dyn Surroundings) -> Result<Value, RunError> {
        if budget == Budget::Inline && self.takes_callbacks {
            return Err(RunError::OverBudget("it calls functions that take callbacks".into()));
        }
        let before = self.variables(around);
        if budget == Budget::Inline {
            fits_inline(&before)?;
        }
        let mut scope = Scope::new();
        if self.words.contains("execution") {
            scope.push_constant_dynamic("execution", dynamic::from_json(facts(around)));
        }
        let in_task = around.fact(Fact::TaskId).is_some();
        if in_task && self.words.contains("task") {
            scope.push_constant_dynamic("task", dynamic::from_json(task_facts(around)));
        }
        let first = scope.len();
        for (name, value) in &before {
            scope.push_dynamic(name.as_str(), dynamic::from_json(value.clone()));
        }
        // Built before the deadline runs.
        let engine = engine(budget);
        let running = Running::begin(self.snapshot(around), around.now(), deadline(budget), native_work(budget));
        let outcome = engine.eval_ast_with_scope::<Dynamic>(&mut scope, &self.ast);
        let (written, edits) = running.end();
        let result = outcome.map_err(|error| failure(&error))?;

        let mut writer = Writer::new();
        let value = writer.write(&result)?;
        let mut changes = Changes::new(around);
        for (name, value) in written {
            changes.set(&name, value);
        }
        // Newest first; the script's own `let` lie above the variables.
        let after: Vec<&Dynamic> = scope.iter_raw().map(|(_, _, value)| value).collect();
        for ((name, before), after) in before.iter().zip(after.iter().rev().skip(first)) {
            if !dynamic::is_same(before, after) {
                changes.set(name, writer.write(after)?);
            }
        }
        for (kind, value) in edits {
            changes.edit(kind, &value).map_err(|error| RunError::Failed(error.to_string()))?;
        }
        changes.apply();
        Ok(value)
    }

    fn variables(&self, around: &dyn Surroundings) -> BTreeMap<String, Value> {
        let in_task = around.fact(Fact::TaskId).is_some();
        let own = |word: &str| word == "execution" || (in_task && word == "task");
        let named = self.words.iter().filter(|word| !own(word));
        named.filter_map(|name| Some((name.clone(), around.variable(name)?))).collect()
    }

    /// All variables, if the script may ask for them by a name that it makes up.
    fn snapshot(&self, around: &dyn Surroundings) -> BTreeMap<String, Value> {
        if !["get_variable", "has_variable"].iter().any(|asks| self.words.contains(*asks)) {
            return BTreeMap::new();
        }
        let names = around.names().into_iter();
        names.filter_map(|name| around.variable(&name).map(|value| (name, value))).collect()
    }
}

/// Natives work on whole values without counting, so inline their size is bounded before the run.
fn fits_inline(variables: &BTreeMap<String, Value>) -> Result<(), RunError> {
    for (name, value) in variables {
        let (texts, elements, entries) = dynamic::sizes(value);
        if texts > SCRIPT_INLINE_STRING_MAX || elements > SCRIPT_INLINE_ARRAY_MAX || entries > SCRIPT_MAP_MAX {
            return Err(RunError::OverBudget(format!("the variable {name} is large")));
        }
    }
    Ok(())
}

fn facts(around: &dyn Surroundings) -> Value {
    let fact = |fact| around.fact(fact).map_or(Value::Null, Value::String);
    json!({
        "id": fact(Fact::ExecutionId),
        "processInstanceId": fact(Fact::InstanceId),
        "processBusinessKey": fact(Fact::BusinessKey),
        "processDefinitionId": fact(Fact::DefinitionId),
        "currentActivityId": fact(Fact::ActivityId),
        "currentActivityName": fact(Fact::ActivityName),
        "tenantId": fact(Fact::TenantId),
        "eventName": fact(Fact::EventName),
        "currentTransitionId": fact(Fact::TransitionId),
    })
}

fn task_facts(around: &dyn Surroundings) -> Value {
    let fact = |fact| around.fact(fact).map_or(Value::Null, Value::String);
    json!({
        "id": fact(Fact::TaskId),
        "name": fact(Fact::ActivityName),
        "assignee": fact(Fact::Assignee),
        "taskDefinitionKey": fact(Fact::ActivityId),
        "eventName": fact(Fact::EventName),
    })
}

fn deadline(budget: Budget) -> Option<Instant> {
    match budget {
        Budget::Inline => None,
        Budget::Full => Some(Instant::now() + Duration::from_millis(SCRIPT_DEADLINE_MS)),
    }
}

fn operations(budget: Budget) -> u64 {
    match budget {
        Budget::Inline => SCRIPT_INLINE_OPERATIONS_MAX,
        Budget::Full => SCRIPT_OPERATIONS_MAX,
    }
}

/// What the natives of this module may do in all: elements touched, or stretches of text.
fn native_work(budget: Budget) -> usize {
    const PER_OPERATION: u64 = 8;
    usize::try_from(operations(budget) * PER_OPERATION).unwrap_or(usize::MAX)
}

fn engine(budget: Budget) -> &'static Engine {
    static INLINE: OnceLock<Engine> = OnceLock::new();
    static FULL: OnceLock<Engine> = OnceLock::new();
    match budget {
        Budget::Inline => INLINE.get_or_init(|| build(budget)),
        Budget::Full => FULL.get_or_init(|| build(budget)),
    }
}

fn build(budget: Budget) -> Engine {
    let mut engine = Engine::new_raw();
    // Not the core package (`sleep`), not time (a clock), not the extended texts (an unbounded `replace`).
    engine
        .register_global_module(ArithmeticPackage::new().as_shared_module())
        .register_global_module(LogicPackage::new().as_shared_module())
        .register_global_module(BasicIteratorPackage::new().as_shared_module())
        .register_global_module(BasicStringPackage::new().as_shared_module())
        .register_global_module(BasicMathPackage::new().as_shared_module())
        .register_global_module(BasicArrayPackage::new().as_shared_module())
        .register_global_module(BasicMapPackage::new().as_shared_module());
    functions::register(&mut engine);
    whole::register(&mut engine);
    for symbol in ["eval", "Fn", "import", "export"] {
        engine.disable_symbol(symbol);
    }
    let (string, array) = match budget {
        Budget::Inline => (SCRIPT_INLINE_STRING_MAX, SCRIPT_INLINE_ARRAY_MAX),
        Budget::Full => (SCRIPT_STRING_MAX, SCRIPT_ARRAY_MAX),
    };
    engine
        .set_max_operations(operations(budget))
        .set_max_string_size(string)
        .set_max_array_size(array)
        .set_max_map_size(SCRIPT_MAP_MAX)
        .set_max_call_levels(32)
        .set_max_expr_depths(64, 32)
        .set_max_variables(256)
        .set_max_functions(32)
        .set_max_modules(0)
        // What is counted is what the designer wrote.
        .set_optimization_level(OptimizationLevel::None)
        .on_print(|_| {})
        .on_debug(|_, _, _| {});
    if budget == Budget::Full {
        engine.on_progress(|_| functions::is_overdue().then_some(Dynamic::UNIT));
    }
    engine
}

fn failure(error: &EvalAltResult) -> RunError {
    match error.unwrap_inner() {
        EvalAltResult::ErrorTooManyOperations(_) => RunError::OverBudget("too many operations".into()),
        EvalAltResult::ErrorDataTooLarge(what, _) => RunError::OverBudget(format!("{what} is too large")),
        EvalAltResult::ErrorTerminated(_, _) => RunError::OverBudget(format!("more than {SCRIPT_DEADLINE_MS} ms")),
        EvalAltResult::ErrorStackOverflow(_) => RunError::OverBudget("functions call too deep".into()),
        EvalAltResult::ErrorVariableNotFound(name, _) => RunError::UnknownVariable(name.clone()),
        EvalAltResult::ErrorRuntime(thrown, _) => match thrown.read_lock::<BpmnError>() {
            Some(error) => RunError::Bpmn {
                code: error.code.to_string(),
                message: error.message.as_ref().map(ToString::to_string),
            },
            None => RunError::Failed(error.to_string()),
        },
        _ => RunError::Failed(error.to_string()),
    }
}

impl From<NotJson> for RunError {
    fn from(error: NotJson) -> Self {
        match error {
            NotJson::TooLarge => RunError::OverBudget("a value is too large or nests too deep".into()),
            NotJson::Kind(what) => RunError::Failed(what),
        }
    }
}

impl From<RunError> for EvaluationError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Bpmn { code, .. } => {
                EvaluationError::Failed(format!("the expression throws the BPMN error {code}: only a script task can"))
            }
            RunError::OverBudget(what) => EvaluationError::Budget(what),
            RunError::UnknownVariable(name) => EvaluationError::UnknownVariable(name),
            RunError::Failed(what) => EvaluationError::Failed(what),
        }
    }
}

/// Natives that call back into the script, from Rhai's array and map packages.
const CALLBACK_TAKERS: [&str; 18] = [
    "all",
    "dedup",
    "drain",
    "filter",
    "find",
    "find_map",
    "for_each",
    "index_of",
    "map",
    "order",
    "order_by",
    "reduce",
    "reduce_rev",
    "retain",
    "some",
    "sort",
    "sort_by",
    "zip",
];

/// Whether the text calls one of them with arguments; a comment between name and bracket counts as a call. Without
/// arguments they call nothing, but for `dedup`, which compares by calls.
fn takes_callbacks(text: &str) -> bool {
    words(text).any(|(word, behind)| {
        let mut rest = text[behind..].trim_start().chars();
        match rest.next() {
            Some('(') if word == "dedup" => true,
            Some('(') => !rest.as_str().trim_start().starts_with(')') && CALLBACK_TAKERS.contains(&word),
            Some('/') => CALLBACK_TAKERS.contains(&word),
            _ => false,
        }
    })
}

/// The words of a text, with where each ends; more than its names, but all of these.
fn words(text: &str) -> impl Iterator<Item = (&str, usize)> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(move |c| !is_word(c)).filter(|word| !word.is_empty()).map(move |word| {
        let begin = word.as_ptr() as usize - text.as_ptr() as usize;
        (word, begin + word.len())
    })
}

fn offset(text: &str, at: Position) -> Option<usize> {
    let line = at.line()?;
    let before: usize = text.split_inclusive('\n').take(line - 1).map(|line| line.chars().count()).sum();
    Some(before + at.position().map_or(0, |column| column - 1))
}
