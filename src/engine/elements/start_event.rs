//! Start event: where a process or sub-process begins.
//!
//! BPMN 2.0.2, 10.5.2: "the Start Event indicates where a particular Process will start"; 13.5.1: "each Start Event that
//! occurs creates a token on its outgoing Sequence Flows". None, message, signal and timer starts of a process; a sub-process
//! starts at a none start event, an event sub-process at one with a trigger.
//!
//! Gaps: a start event of a process that waits for all of its triggers (`parallelMultiple`).

use super::prelude::*;

#[derive(Debug)]
pub struct StartEvent {
    pub trigger: Option<TriggerSource>,
    /// Of an event sub-process: it ends the rest of the scope around it.
    pub interrupting: bool,
    pub caught: CaughtVariables,
    /// The variable that takes the starting user.
    pub initiator: Option<String>,
    pub form: Option<crate::engine::compile::Form>,
}

impl StartEvent {
    pub(super) fn parse(source: &Source<'_, '_>, found: &mut Findings) -> Self {
        let of_event = source.in_event_sub_process();
        let trigger = match of_event {
            true => {
                let kinds = ["message", "timer", "error", "escalation", "signal", "conditional", "compensate"];
                Some(source.required_trigger(&kinds, found))
            }
            false => source.trigger(&["message", "timer", "signal", "conditional"], found),
        };
        if trigger.as_ref().is_some_and(TriggerSource::is_parallel) && !of_event {
            let words = "this start event waits for all of its triggers, and nothing tells which belong together before \
                         the process is there: wait for the first, then draw catching events for the rest";
            found.error(source.position(), source.id_opt(), "several-triggers", words);
        }
        if matches!(trigger, Some(TriggerSource::Compensation)) && !source.in_nested_event_sub_process() {
            let words = "a process is not compensated: an event sub-process that undoes stands in a sub-process. Move it \
                         into the one that it undoes";
            found.error(source.position(), source.id_opt(), "compensation-of-process", words);
        }
        let interrupting = source.el.attribute("isInterrupting") != Some("false");
        if source.bpmn_child("errorEventDefinition").is_some() && !interrupting {
            let words = "an error always interrupts the scope around it: remove isInterrupting=\"false\"";
            found.error(source.position(), source.id_opt(), "error-not-interrupting", words);
        }
        if source.in_sub_process() && !of_event && trigger.is_some() {
            let words = "a start event in a sub-process has no trigger: the sub-process starts when a token enters it";
            found.error(source.position(), source.id_opt(), "start-in-sub-process", words);
        }
        if source.has_incoming() {
            found.error(
                source.position(),
                source.id_opt(),
                "flow-into-start",
                "a sequence flow leads into this start event; let it lead to the first activity",
            );
        }
        Self {
            trigger,
            interrupting,
            caught: source.caught_variables(),
            initiator: source.extension("initiator").map(str::to_owned),
            form: source.form(found),
        }
    }
}

impl Behavior for StartEvent {
    fn enter(&self, _step: &mut Step, _at: At) -> Next {
        Next::Leave(Outgoing::All)
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::testing::check;

    #[test]
    fn a_token_leaves_on_the_outgoing_flow() {
        check("start > A:user > end", "start", "start A*");
    }
}
