//! Collects the changes of one evaluation and applies them at its end: all or none.

use super::{Fact, Surroundings};
use crate::base::time::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

pub(crate) struct Changes<'a> {
    around: &'a mut dyn Surroundings,
    made: BTreeMap<String, Value>,
}

impl<'a> Changes<'a> {
    pub(crate) fn new(around: &'a mut dyn Surroundings) -> Self {
        Self { around, made: BTreeMap::new() }
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
    }
}
