//! Send task: sends a message and goes on.
//!
//! BPMN 2.0.2, 13.3.3: "Send Task: upon activation, the data in the associated Message is assigned … the Message is sent,
//! the Send Task completes".

use super::implementation::Implementation;
use super::prelude::*;

#[derive(Debug)]
pub struct SendTask(Implementation);

impl SendTask {
    pub(super) fn parse(source: &Source<'_, '_>, found: &mut Findings) -> Self {
        Self(Implementation::of_task(source, found))
    }
}

impl Behavior for SendTask {
    fn enter(&self, step: &mut Step, at: At) -> Next {
        self.0.enter(step, at)
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::testing::check;

    #[test]
    fn with_a_topic_it_is_work_for_a_worker() {
        check("start > A:send > end", "start; complete A", "start A* end .completed");
    }
}
