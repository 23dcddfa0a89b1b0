//! Collects the changes of one evaluation and applies them at its end: all or none.

use super::edit::EditKind;
use super::{EvaluationError, Fact, Surroundings, TaskEdit};
use crate::base::time::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

pub(crate) struct Changes<'a> {
    around: &'a mut dyn Surroundings,
    made: BTreeMap<String, Value>,
    edits: Vec<TaskEdit>,
}

impl<'a> Changes<'a> {
    pub(crate) fn new(around: &'a mut dyn Surroundings) -> Self {
        Self { around, made: BTreeMap::new(), edits: Vec::new() }
    }

    pub(crate) fn variable(&self, name: &str) -> Option<Value> {
        match self.made.get(name) {
            Some(value) => Some(value.clone()),
            None => self.around.variable(name),
        }
    }

    pub(crate) fn set(&mut self, name: &str, value: Value) {
        self.made.insert(name.to_owned(), value);
    }

    /// A change of the user task that this stands in.
    pub(crate) fn edit(&mut self, kind: EditKind, value: &Value) -> Result<(), EvaluationError> {
        if !self.around.may_edit_task() {
            let words = "a task can be changed in user tasks only, while they wait: in a task listener";
            return Err(EvaluationError::Failed(words.into()));
        }
        self.edits.push(TaskEdit::of(kind, value, self.now())?);
        Ok(())
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.around.now()
    }

    pub(crate) fn fact(&self, fact: Fact) -> Option<String> {
        self.around.fact(fact)
    }

    pub(crate) fn apply(self) {
        for (name, value) in self.made {
            self.around.set_variable(&name, value);
        }
        for edit in self.edits {
            self.around.edit_task(edit);
        }
    }
}
