//! What every element file uses.

pub(super) use super::{Behavior, CaughtVariables};
pub(super) use crate::base::diagnostic::Findings;
pub(super) use crate::engine::compile::Source;
pub(super) use crate::engine::incident::{BpmnError, Fault};
pub(super) use crate::engine::instance::Wait;
pub(super) use crate::engine::lifecycle::{Next, Outgoing};
pub(super) use crate::engine::step::{At, Step};
pub(super) use crate::engine::subscription::{self, TriggerSource};
pub(super) use crate::script::Compiled;
