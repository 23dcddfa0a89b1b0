//! What the engine asks of a FEEL evaluator. The words live on this floor because `script`, which compiles the
//! expressions of models, and `decision`, which has the evaluator, stand side by side.

use super::time::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

pub trait Feel: Send + Sync {
    fn compile(&self, text: &str) -> Result<Arc<dyn FeelExpression>, FeelError>;
}

/// A compiled expression.
pub trait FeelExpression: Debug + Send + Sync {
    /// `now` is what `now()` and `today()` give.
    fn evaluate(&self, variables: &BTreeMap<String, Value>, now: Timestamp) -> Result<Value, FeelError>;
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FeelError {
    #[error("{0}")]
    Syntax(String),
    /// Beyond a limit of size, depth or time.
    #[error("{0}")]
    Limit(String),
    #[error("{0}")]
    Failed(String),
}
