//! JUEL: `${…}` in models, a subset of the Unified Expression Language over JSON values.
//!
//! The subset is written down in the reference of the dialect: literals, arithmetic, comparison, logic, `empty`, choice,
//! paths, a fixed list of functions and methods, no assignment, no reflection. Where text stands around `${…}` the
//! result is a text.

mod evaluator;
mod lexer;
mod method;
mod moment;
mod operator;
mod parser;
#[cfg(test)]
mod tests;
mod tree;

use super::{CompileError, EvaluationError, Surroundings};
use crate::base::limits::{EXPRESSION_BYTES_MAX, VARIABLE_BYTES_MAX};
use crate::script::change::Changes;
use evaluator::Evaluator;
use serde_json::Value;
use tree::Expr;

/// A text with expressions in it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    Expression(Expr),
}

pub(crate) fn compile(text: &str) -> Result<Template, CompileError> {
    if text.len() > EXPRESSION_BYTES_MAX && has_expression(text) {
        return Err(CompileError::new(
            format!("an expression may have {EXPRESSION_BYTES_MAX} bytes, this one has {}", text.len()),
            None,
        ));
    }
    let chars: Vec<char> = text.chars().collect();
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let next = chars.get(at + 1);
        if matches!(c, '$' | '#') && next == Some(&'{') {
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            let (expr, behind) = parser::parse(&chars, at + 2)?;
            parts.push(Part::Expression(expr));
            at = behind;
        } else if c == '\\' && matches!(next, Some('$' | '#')) && chars.get(at + 2) == Some(&'{') {
            plain.extend(&chars[at + 1..at + 3]);
            at += 3;
        } else {
            plain.push(c);
            at += 1;
        }
    }
    if !plain.is_empty() || parts.is_empty() {
        parts.push(Part::Text(plain));
    }
    Ok(Template { parts: without_margin(parts) })
}

/// Pretty-printed models put line breaks around a lone expression; they do not make it a text.
fn without_margin(parts: Vec<Part>) -> Vec<Part> {
    let is_margin = |part: &Part| matches!(part, Part::Text(text) if text.trim().is_empty());
    let expressions = parts.iter().filter(|part| matches!(part, Part::Expression(_))).count();
    if expressions != 1 || parts.iter().any(|part| matches!(part, Part::Text(_)) && !is_margin(part)) {
        return parts;
    }
    parts.into_iter().filter(|part| !is_margin(part)).collect()
}

fn has_expression(text: &str) -> bool {
    text.contains("${") || text.contains("#{")
}

impl Template {
    /// The text, if there is no expression in it.
    pub(crate) fn into_literal(self) -> Result<String, Template> {
        match <[Part; 1]>::try_from(self.parts) {
            Ok([Part::Text(text)]) => Ok(text),
            Ok([part]) => Err(Template { parts: vec![part] }),
            Err(parts) => Err(Template { parts }),
        }
    }

    pub(crate) fn evaluate(&self, around: &mut dyn Surroundings) -> Result<Value, EvaluationError> {
        let mut changes = Changes::new(around);
        let value = self.value(&mut Evaluator::new(&mut changes))?;
        changes.apply();
        Ok(value)
    }

    fn value(&self, evaluator: &mut Evaluator<'_, '_>) -> Result<Value, EvaluationError> {
        if let [Part::Expression(expr)] = self.parts.as_slice() {
            return evaluator.evaluate(expr);
        }
        let mut whole = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => whole.push_str(text),
                Part::Expression(expr) => whole.push_str(&operator::text(&evaluator.evaluate(expr)?)),
            }
            if whole.len() > VARIABLE_BYTES_MAX {
                return Err(too_long());
            }
        }
        Ok(Value::String(whole))
    }
}

fn too_long() -> EvaluationError {
    EvaluationError::Budget(format!("the text would exceed {VARIABLE_BYTES_MAX} bytes"))
}
