//! Boundary event: armed while its activity is active; interrupting it ends the activity, else it adds a token.
//!
//! BPMN 2.0.2, 13.5.3: "if the Event is interrupting, the Activity to which it is attached is terminated … upon occurrence
//! the token is generated on the outgoing Sequence Flows of the boundary Event". Errors always interrupt; an escalation may
//! leave its activity at work.

use super::prelude::*;

#[derive(Debug)]
pub struct BoundaryEvent {
    pub trigger: TriggerSource,
    pub interrupting: bool,
    pub caught: CaughtVariables,
}

/// Variables that take the code and the message of what was caught.
#[derive(Debug, Default)]
pub struct CaughtVariables {
    pub code: Option<String>,
    pub message: Option<String>,
}

impl BoundaryEvent {
    pub(super) fn parse(source: &Source<'_, '_>, found: &mut Findings) -> Self {
        let kinds = ["message", "timer", "error", "escalation", "signal", "conditional", "cancel", "compensate"];
        let trigger = source.required_trigger(&kinds, found);
        if matches!(trigger, TriggerSource::Cancel) && source.host_kind() != Some("transaction") {
            let words = "a cancel boundary event belongs to a transaction: attach it to one, or catch an error instead";
            found.error(source.position(), source.id_opt(), "cancel-without-transaction", words);
        }
        let interrupting = source.el.attribute("cancelActivity") != Some("false");
        if source.bpmn_child("errorEventDefinition").is_some() && !interrupting {
            let words = "an error always interrupts its activity: remove cancelActivity=\"false\"";
            found.error(source.position(), source.id_opt(), "error-not-interrupting", words);
        }
        if source.has_incoming() {
            let words = "a sequence flow leads into this boundary event; it starts when its event happens";
            found.error(source.position(), source.id_opt(), "flow-into-boundary", words);
        }
        Self { trigger, interrupting, caught: source.caught_variables() }
    }
}

impl Behavior for BoundaryEvent {
    fn enter(&self, _step: &mut Step, _at: At) -> Next {
        Next::Leave(Outgoing::All)
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::testing::check;

    #[test]
    fn an_interrupting_timer_ends_its_activity() {
        check(
            "start > A:user {late: timer PT1H > B:user > e2:end} > end",
            "start; advance PT1H",
            "start A* A- late B*",
        );
    }

    #[test]
    fn a_timer_that_does_not_interrupt_adds_a_token() {
        check(
            "start > A:user {remind: +timer PT1H > B:user > e2:end} > end",
            "start; advance PT1H",
            "start A* remind B*",
        );
    }

    #[test]
    fn an_activity_that_is_done_disarms_its_events() {
        check(
            "start > A:user {late: timer PT1H > e2:end} > B:user > end",
            "start; complete A; advance PT1H",
            "start A* B*",
        );
    }

    #[test]
    fn an_error_is_caught_by_its_code() {
        check("start > A:service {oops: error E1 > B:user > e2:end} > end", "start; error A E1", "start A* A- oops B*");
    }

    #[test]
    fn an_error_with_another_code_is_an_incident() {
        check("start > A:service {oops: error E1 > B:user > e2:end} > end", "start; error A E2", "start A* A!");
    }
}
