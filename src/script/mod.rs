//! Expressions and scripts of models: JUEL, Rhai and FEEL behind one compiled form.
//!
//! Compiled at deployment, evaluated in the engine's run. Nothing here reads a clock, waits, or knows scopes: what an
//! expression sees and changes comes through [`Surroundings`]. Changes are collected and applied only when the whole
//! evaluation has succeeded, so a failed one has changed nothing.

mod change;
mod dynamic;
pub(crate) mod edit;
mod feel;
mod juel;
mod sandbox;
pub mod task;

use crate::base::feel::FeelExpression;
use crate::base::time::Timestamp;
use serde_json::Value;
use std::sync::Arc;

pub use edit::TaskEdit;
pub use feel::install_feel;
pub use sandbox::Budget;

/// What an expression or script can see and change; the engine implements it over scopes.
pub trait Surroundings {
    fn variable(&self, name: &str) -> Option<Value>;
    /// Changes the variable in the nearest scope that holds it, else makes it in the process scope.
    fn set_variable(&mut self, name: &str, value: Value);
    /// The names of all visible variables.
    fn names(&self) -> Vec<String>;
    fn now(&self) -> Timestamp;
    fn fact(&self, fact: Fact) -> Option<String>;
    /// Whether a user task waits here that can be changed.
    fn may_edit_task(&self) -> bool {
        false
    }
    /// Changes the user task; only where it may.
    fn edit_task(&mut self, _edit: TaskEdit) {}
}

/// What an expression may ask about where it stands and who acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fact {
    InstanceId,
    /// The activation that evaluates; the instance's id for the process itself.
    ExecutionId,
    BusinessKey,
    DefinitionId,
    ActivityId,
    ActivityName,
    TenantId,
    /// What a listener hears: `start`, `end`, `take`, `create`, …
    EventName,
    /// The sequence flow that is taken, in a listener of it.
    TransitionId,
    /// Absent outside a user task: there `task` is an ordinary variable.
    TaskId,
    Assignee,
    /// Who is signed in.
    User,
    /// The groups of who is signed in, as a comma list.
    Groups,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    Juel,
    Rhai,
    Feel,
}

impl Language {
    /// The language that a `language` or `scriptFormat` attribute names; absent means JUEL.
    pub fn named(name: Option<&str>) -> Option<Language> {
        let name = match name {
            Some(name) => name.trim(),
            None => return Some(Language::Juel),
        };
        if name.is_empty() || name.eq_ignore_ascii_case("juel") {
            Some(Language::Juel)
        } else if name.eq_ignore_ascii_case("rhai") {
            Some(Language::Rhai)
        } else if name.eq_ignore_ascii_case("feel") {
            Some(Language::Feel)
        } else {
            None
        }
    }
}

/// Why a text is no expression, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CompileError {
    pub message: String,
    /// Characters from the beginning of the text.
    pub offset: Option<usize>,
}

impl CompileError {
    pub fn new(message: impl Into<String>, offset: Option<usize>) -> Self {
        Self { message: message.into(), offset }
    }
}

/// Why an expression gives no value; the text says what to do.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum EvaluationError {
    #[error("there is no variable \"{0}\" here: set it before, or ask with execution.hasVariable('{0}')")]
    UnknownVariable(String),
    #[error("{0}")]
    Type(String),
    #[error("too much work for one expression: {0}")]
    Budget(String),
    #[error("{0}")]
    Failed(String),
}

/// One compiled expression of any language; cheap to clone.
#[derive(Clone, Debug)]
pub struct Compiled(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    source: String,
    program: Program,
}

#[derive(Debug)]
enum Program {
    Literal(String),
    Juel(juel::Template),
    Rhai(sandbox::Program),
    Feel(Arc<dyn FeelExpression>),
}

impl Compiled {
    pub fn compile(language: Language, text: &str) -> Result<Compiled, CompileError> {
        let program = match language {
            Language::Juel => {
                let template = juel::compile(text)?;
                match template.into_literal() {
                    Ok(literal) => Program::Literal(literal),
                    Err(template) => Program::Juel(template),
                }
            }
            Language::Rhai => Program::Rhai(sandbox::Program::compile(text)?),
            Language::Feel => Program::Feel(feel::compile(text)?),
        };
        Ok(Self::new(text, program))
    }

    /// A text that stands for itself.
    pub fn literal(text: &str) -> Compiled {
        Self::new(text, Program::Literal(text.to_owned()))
    }

    /// The text, if there is nothing in it to evaluate.
    pub fn is_literal(&self) -> Option<&str> {
        match &self.0.program {
            Program::Literal(text) => Some(text),
            Program::Juel(_) | Program::Rhai(_) | Program::Feel(_) => None,
        }
    }

    /// The text as the modeller wrote it.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    pub fn evaluate(&self, around: &mut dyn Surroundings) -> Result<Value, EvaluationError> {
        match &self.0.program {
            Program::Literal(text) => Ok(Value::String(text.clone())),
            Program::Juel(template) => template.evaluate(around),
            Program::Rhai(program) => Ok(program.run(Budget::Inline, around)?),
            Program::Feel(expression) => feel::evaluate(expression.as_ref(), &self.0.source, around),
        }
    }

    /// Evaluates to a Boolean; anything else is an error, never taken for false.
    pub fn condition(&self, around: &mut dyn Surroundings) -> Result<bool, EvaluationError> {
        match self.evaluate(around)? {
            Value::Bool(holds) => Ok(holds),
            other => Err(EvaluationError::Type(format!(
                "a condition must give true or false, this one gave {}",
                describe(&other)
            ))),
        }
    }

    fn new(source: &str, program: Program) -> Self {
        Self(Arc::new(Inner { source: source.to_owned(), program }))
    }
}

/// A value in the words of an error message: its kind, and itself if it is short.
pub(crate) fn describe(value: &Value) -> String {
    const SHOWN_MAX: usize = 40;
    let kind = match value {
        Value::Null => return "null".into(),
        Value::Bool(_) => "the Boolean",
        Value::Number(_) => "the number",
        Value::String(_) => "the text",
        Value::Array(list) => return format!("a list of {}", list.len()),
        Value::Object(map) => return format!("a map of {}", map.len()),
    };
    let text = value.to_string();
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{kind} {}…", &text[..end]),
        None => format!("{kind} {text}"),
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use std::collections::BTreeMap;

    /// Surroundings for tests: a map of variables and fixed facts.
    pub(crate) struct Fixed {
        pub(crate) variables: BTreeMap<String, Value>,
        pub(crate) in_task: bool,
        pub(crate) edits: Vec<TaskEdit>,
    }

    impl Fixed {
        pub(crate) fn new(variables: Value) -> Self {
            let Value::Object(map) = variables else { panic!("variables are an object") };
            Self { variables: map.into_iter().collect(), in_task: false, edits: Vec::new() }
        }
    }

    impl Surroundings for Fixed {
        fn variable(&self, name: &str) -> Option<Value> {
            self.variables.get(name).cloned()
        }

        fn set_variable(&mut self, name: &str, value: Value) {
            self.variables.insert(name.into(), value);
        }

        fn names(&self) -> Vec<String> {
            self.variables.keys().cloned().collect()
        }

        fn now(&self) -> Timestamp {
            Timestamp(1_795_341_600_000) // 2026-11-22T10:00:00Z
        }

        fn fact(&self, fact: Fact) -> Option<String> {
            let text = match fact {
                Fact::InstanceId => "17",
                Fact::ExecutionId => "17:3",
                Fact::BusinessKey => "wave-1",
                Fact::DefinitionId => "p:1:5",
                Fact::ActivityId => "check",
                Fact::ActivityName => "Check it",
                Fact::TenantId | Fact::EventName | Fact::TransitionId => return None,
                Fact::TaskId => return self.in_task.then(|| "17:9".into()),
                Fact::Assignee => return self.in_task.then(|| "mary".into()),
                Fact::User => "demo",
                Fact::Groups => "leads,staff",
            };
            Some(text.into())
        }

        fn may_edit_task(&self) -> bool {
            self.in_task
        }

        fn edit_task(&mut self, edit: TaskEdit) {
            self.edits.push(edit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::Fixed;
    use super::*;
    use serde_json::json;

    #[test]
    fn a_text_without_expression_is_itself() {
        let text = Compiled::compile(Language::Juel, "PT5M $x # 100 %").unwrap();
        assert_eq!(text.is_literal(), Some("PT5M $x # 100 %"));
        assert_eq!(text.evaluate(&mut Fixed::new(json!({}))), Ok(json!("PT5M $x # 100 %")));
    }

    #[test]
    fn a_condition_must_be_a_boolean() {
        let condition = Compiled::compile(Language::Juel, "${x}").unwrap();
        assert_eq!(condition.condition(&mut Fixed::new(json!({"x": true}))), Ok(true));
        let error = condition.condition(&mut Fixed::new(json!({"x": "true"}))).unwrap_err();
        assert_eq!(error.to_string(), "a condition must give true or false, this one gave the text \"true\"");
        assert!(condition.condition(&mut Fixed::new(json!({"x": null}))).is_err());
        let rhai = Compiled::compile(Language::Rhai, "x > 3 && y == ()").unwrap();
        assert_eq!(rhai.condition(&mut Fixed::new(json!({"x": 4, "y": null}))), Ok(true));
    }

    #[test]
    fn languages_by_their_names() {
        assert_eq!(Language::named(None), Some(Language::Juel));
        assert_eq!(Language::named(Some("Rhai")), Some(Language::Rhai));
        assert_eq!(Language::named(Some("feel")), Some(Language::Feel));
        assert_eq!(Language::named(Some("groovy")), None);
    }
}
