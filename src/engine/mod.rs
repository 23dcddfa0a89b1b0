//! Floor 3: BPMN, sans-IO.
