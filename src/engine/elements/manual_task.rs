//! Manual task: done by people without the engine's help, so the engine passes it.
//!
//! BPMN 2.0.2, 13.3.3: "Manual Task: upon activation, the manual task is distributed to the assigned person … this is a
//! conceptual model only; a Manual Task is never actually executed by an IT system."

use super::prelude::*;

#[derive(Debug)]
pub struct ManualTask;

impl ManualTask {
    pub(super) fn parse(_source: &Source<'_, '_>, _found: &mut Findings) -> Self {
        Self
    }
}

impl Behavior for ManualTask {
    fn enter(&self, _step: &mut Step, _at: At) -> Next {
        Next::Leave(Outgoing::All)
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::testing::check;

    #[test]
    fn it_is_passed() {
        check("start > A:manual > end", "start", "start A end .completed");
    }
}
