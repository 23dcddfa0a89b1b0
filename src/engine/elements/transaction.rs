//! Transaction: a sub-process that can be cancelled: what was completed in it is undone, then it is left another way.
//!
//! BPMN 2.0.2, 13.3.4 and 10.3.5: "a Transaction is a specialized type of Sub-Process … three outcomes: successful
//! completion; failed completion (Cancel), the Activities inside will be subjected to the cancellation actions, including
//! compensation; hazard: the flow continues from the Error Intermediate Event", without compensation.

use super::prelude::*;
use super::sub_process::open;

#[derive(Debug)]
pub struct Transaction;

impl Transaction {
    pub(super) fn parse(source: &Source<'_, '_>, found: &mut Findings) -> Self {
        source.check_cancelling(found);
        Self
    }
}

impl Behavior for Transaction {
    fn enter(&self, step: &mut Step, at: At) -> Next {
        open(step, at, false)
    }
}
