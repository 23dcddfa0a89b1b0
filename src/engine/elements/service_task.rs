//! Service task: work by software. It opens a job with a topic; a handler in this process or a worker over REST does it.
//!
//! BPMN 2.0.2, 13.3.3: "Service Task: upon activation, the data in the inputSet is … passed to the service. Upon completion
//! of the service, the Service Task completes; if the service ends in an error, the Activity is treated as failing".
//!
//! Gaps: `errorEventDefinition` inside an external task; the worker reports the error itself.

use super::implementation::Implementation;
use super::prelude::*;

#[derive(Debug)]
pub struct ServiceTask(Implementation);

impl ServiceTask {
    pub(super) fn parse(source: &Source<'_, '_>, found: &mut Findings) -> Self {
        Self(Implementation::of_task(source, found))
    }
}

impl Behavior for ServiceTask {
    fn enter(&self, step: &mut Step, at: At) -> Next {
        self.0.enter(step, at)
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::testing::check;

    #[test]
    fn it_waits_for_its_result() {
        check("start > A:service > end", "start; complete A {x: 1}", "start A* end .completed");
    }

    #[test]
    fn without_attempts_left_it_is_an_incident_that_can_be_retried() {
        check("start > A:service > end", "start; fail A 0; retry A; complete A", "start A* A! A* end .completed");
    }
}
