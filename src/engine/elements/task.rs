//! Task without a kind: has no work of its own and is passed.
//!
//! BPMN 2.0.2, 13.3.3: "abstract Task: upon activation, the abstract Task completes. This is a conceptual model only; an
//! abstract Task is never actually executed by an IT system."

use super::prelude::*;

#[derive(Debug)]
pub struct Task;

impl Task {
    pub(super) fn parse(_source: &Source<'_, '_>, _found: &mut Findings) -> Self {
        Self
    }
}

impl Behavior for Task {
    fn enter(&self, _step: &mut Step, _at: At) -> Next {
        Next::Leave(Outgoing::All)
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::testing::check;

    #[test]
    fn it_is_passed() {
        check("start > A:task > end", "start", "start A end .completed");
    }
}
