//! Floor 2: names of BPMN and of the extension vocabulary.

pub mod extension;
pub mod names;
