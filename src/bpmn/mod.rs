//! Floor 2: names of BPMN and of the extension vocabulary.
