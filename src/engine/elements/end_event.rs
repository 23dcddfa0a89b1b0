//! End event: where a token ends; with a result, what it leaves behind.
//!
//! BPMN 2.0.2, 13.5.4: "for a terminate End Event, the Process instance is abnormally terminated"; an error end event
//! throws; an escalation end event tells those around, a signal end event tells all; a message end event sends; a none end event consumes its token and no more. A terminate end event of a
//! sub-process ends the sub-process only, which then is done as usual.
//!
//! Gaps: of several triggers one at most is waited for.

use super::implementation::Implementation;
use super::intermediate_throw_event::{SignalSource, Told, also, escalate, last_of, told};
use super::prelude::*;
use crate::engine::definition::NodeIx;
use crate::engine::lifecycle::Cause;

#[derive(Debug)]
pub struct EndEvent {
    /// Signals and escalations that are thrown first.
    beside: Vec<Told>,
    result: Ending,
}

#[derive(Debug)]
enum Ending {
    None,
    Terminate,
    Error {
        code: Option<Compiled>,
        message: Option<Compiled>,
    },
    Escalation(Option<Compiled>),
    Signal(SignalSource),
    Message(Implementation),
    /// What was completed around it, or one activity.
    Compensation(Option<NodeIx>),
    Cancel,
}

impl EndEvent {
    pub(super) fn parse(source: &Source<'_, '_>, found: &mut Findings) -> Self {
        if source.has_outgoing() {
            found.error(
                source.position(),
                source.id_opt(),
                "flow-out-of-end",
                "a sequence flow leaves this end event; use an intermediate throw event",
            );
        }
        let kinds = ["error", "escalation", "signal", "terminate", "message", "compensate", "cancel"];
        let all = source.event_definitions(&kinds, found);
        let last = last_of(source, &["error", "terminate", "message", "compensate", "cancel"], &all, found);
        let (beside, last) = match last {
            _single if all.len() < 2 => (Vec::new(), all.first().copied()),
            Some(last) => (all.iter().filter(|(kind, _)| *kind != last.0).copied().collect(), Some(last)),
            None => (all.clone(), None),
        };
        let beside =
            beside.into_iter().filter_map(|(kind, definition)| told(source, kind, definition, found)).collect();
        let result = match last {
            None => Ending::None,
            Some((kind, definition)) => match kind {
                "terminate" => Ending::Terminate,
                "cancel" => {
                    if source.parent_kind() != Some("transaction") {
                        let words =
                            "a cancel end event ends a transaction: draw it directly in one, or use an error end event";
                        found.error(source.position(), source.id_opt(), "cancel-without-transaction", words);
                    }
                    Ending::Cancel
                }
                "compensate" => Ending::Compensation(source.compensated(definition, found).map(NodeIx::new)),
                "error" => {
                    let (code, message) = source.thrown_error(definition, found);
                    Ending::Error { code, message }
                }
                "signal" => Ending::Signal(SignalSource::parse(source, definition, found)),
                "escalation" => Ending::Escalation(source.thrown_escalation(definition, found)),
                _message => Ending::Message(Implementation::of_message(source, definition, found)),
            },
        };
        Self { beside, result }
    }

    pub(super) fn wire_kind(&self) -> &'static str {
        match self.result {
            Ending::None => "noneEndEvent",
            Ending::Terminate => "terminateEndEvent",
            Ending::Error { .. } => "errorEndEvent",
            Ending::Escalation(_) => "escalationEndEvent",
            Ending::Signal(_) => "signalEndEvent",
            Ending::Message(_) => "messageEndEvent",
            Ending::Compensation(_) => "compensationEndEvent",
            Ending::Cancel => "cancelEndEvent",
        }
    }

    pub(super) fn compensates(&self) -> bool {
        matches!(self.result, Ending::Compensation(_) | Ending::Cancel)
    }
}

impl Behavior for EndEvent {
    fn resume(&self, _step: &mut Step, _at: At, _cause: Cause) -> Next {
        if matches!(self.result, Ending::Cancel) { Next::TransactionCancelled } else { Next::Leave(Outgoing::All) }
    }

    fn enter(&self, step: &mut Step, at: At) -> Next {
        let last = match &self.result {
            Ending::None => Next::Leave(Outgoing::All),
            Ending::Terminate => Next::Terminate,
            Ending::Cancel => Next::CancelTransaction,
            // Nothing follows: whether it waits makes no difference.
            Ending::Compensation(activity) => Next::Compensate { activity: *activity, waits: true },
            Ending::Message(implementation) => implementation.enter(step, at),
            Ending::Escalation(code) => escalate(step, at, code.as_ref()),
            Ending::Signal(signal) => signal.broadcast(step, at),
            Ending::Error { code, message } => {
                let code = code.as_ref().map(|code| step.text(at, code)).transpose();
                let message = message.as_ref().map(|message| step.text(at, message)).transpose();
                match (code, message) {
                    (Ok(code), Ok(message)) => Next::Throw(BpmnError {
                        code: code.flatten().unwrap_or_default(),
                        message: message.flatten(),
                        variables: Default::default(),
                    }),
                    (Err(fault), _) | (_, Err(fault)) => Next::Fault(fault),
                }
            }
        };
        also(step, at, &self.beside, last)
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::testing::check;

    #[test]
    fn the_last_end_event_ends_the_instance() {
        check(
            "start > and[A:user > e1:end | B:user > e2:end]",
            "start; complete A; complete B",
            "start and A* B* e1 e2 .completed",
        );
    }

    #[test]
    fn terminate_ends_every_other_token() {
        check(
            "start > and[A:user > t:terminate | B:user > e2:end]",
            "start; complete A",
            "start and A* B* t B- .terminated",
        );
    }

    #[test]
    fn an_error_that_nobody_catches_is_an_incident() {
        check("start > oops:error", "start", "start oops!");
    }
}
