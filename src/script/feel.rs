//! FEEL in models, for which this floor only keeps the place: the evaluator stands beside it in `decision` and is
//! installed from above, once per process, with `install_feel(decision::feel::evaluator())`.

use super::{CompileError, EvaluationError, Surroundings};
use crate::base::feel::{Feel, FeelError, FeelExpression};
use serde_json::Value;
use std::sync::{Arc, OnceLock};

static FEEL: OnceLock<Arc<dyn Feel>> = OnceLock::new();

/// Makes FEEL known. The first evaluator stands, because models compiled by it may be in use.
pub fn install_feel(feel: Arc<dyn Feel>) {
    FEEL.get_or_init(|| feel);
}

pub(super) fn compile(text: &str) -> Result<Arc<dyn FeelExpression>, CompileError> {
    match FEEL.get() {
        Some(feel) => feel.compile(text).map_err(|error| CompileError::new(error.to_string(), None)),
        None => Err(CompileError::new("FEEL is not available here: write the expression as ${…} or in Rhai", None)),
    }
}

/// Hands over the variables whose names stand in the text; FEEL's names may have blanks in them.
pub(super) fn evaluate(
    expression: &dyn FeelExpression,
    text: &str,
    around: &dyn Surroundings,
) -> Result<Value, EvaluationError> {
    let named = around.names().into_iter().filter(|name| text.contains(name.as_str()));
    let variables = named.filter_map(|name| around.variable(&name).map(|value| (name, value)));
    expression.evaluate(&variables.collect(), around.now()).map_err(|error| match error {
        FeelError::Limit(what) => EvaluationError::Budget(what),
        FeelError::Syntax(what) | FeelError::Failed(what) => EvaluationError::Failed(what),
    })
}
