//! FEEL in models, for which this floor only keeps the place: the evaluator stands beside it in `decision` and is
//! installed from above, once per process.

use super::{CompileError, EvaluationError, Surroundings};
use crate::base::limits::EXPRESSION_BYTES_MAX;
use crate::base::time::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, OnceLock};

pub trait FeelCompiler: Send + Sync {
    fn compile(&self, text: &str) -> Result<Arc<dyn FeelExpression>, CompileError>;
}

pub trait FeelExpression: Debug + Send + Sync {
    fn evaluate(
        &self,
        variables: &BTreeMap<String, Value>,
        now: Timestamp,
    ) -> Result<Value, EvaluationError>;
}

static COMPILER: OnceLock<Box<dyn FeelCompiler>> = OnceLock::new();

/// Makes FEEL known; a second call changes nothing.
pub fn install_feel(compiler: Box<dyn FeelCompiler>) {
    // The first one stands: models compiled by it may be in use.
    drop(COMPILER.set(compiler));
}

pub(super) fn compile(text: &str) -> Result<Arc<dyn FeelExpression>, CompileError> {
    if text.len() > EXPRESSION_BYTES_MAX {
        return Err(CompileError::new(
            format!(
                "an expression may have {EXPRESSION_BYTES_MAX} bytes, this one has {}",
                text.len()
            ),
            None,
        ));
    }
    match COMPILER.get() {
        Some(compiler) => compiler.compile(text),
        None => Err(CompileError::new(
            "FEEL is not available here: write the expression as ${…} or in Rhai",
            None,
        )),
    }
}

/// Hands over the variables whose names stand in the text; FEEL's names may have blanks in them.
pub(super) fn evaluate(
    expression: &dyn FeelExpression,
    text: &str,
    around: &dyn Surroundings,
) -> Result<Value, EvaluationError> {
    let named = around
        .names()
        .into_iter()
        .filter(|name| text.contains(name.as_str()));
    let variables = named.filter_map(|name| around.variable(&name).map(|value| (name, value)));
    expression.evaluate(&variables.collect(), around.now())
}
