//! Intermediate throw event: none (a marked point), message (sends), escalation (tells those around), signal (tells all); a link goes on elsewhere.
//!
//! BPMN 2.0.2, 13.5.2: "the Event handling for throw Events: the trigger of the Event is thrown, then the token is
//! passed on".

use super::implementation::Implementation;
use super::prelude::*;
use crate::engine::definition::NodeIx;

#[derive(Debug)]
pub struct IntermediateThrowEvent {
    thrown: Thrown,
}

#[derive(Debug)]
enum Thrown {
    None,
    Message(Implementation),
    Escalation(Option<Compiled>),
    Signal(Option<Compiled>),
    Link,
    /// What was completed around it, or one activity.
    Compensation(Option<NodeIx>),
}

impl IntermediateThrowEvent {
    pub(super) fn parse(source: &Source<'_, '_>, found: &mut Findings) -> Self {
        let thrown = match source.event_definition(&["message", "escalation", "signal", "compensate", "link"], found) {
            None => Thrown::None,
            Some(("link", _)) => {
                let words = "leaves this throwing link event: its token goes on at the catching event of its name";
                source.check_link(source.has_outgoing(), words, found);
                Thrown::Link
            }
            Some(("compensate", definition)) => {
                Thrown::Compensation(source.compensated(definition, found).map(NodeIx::new))
            }
            Some(("signal", definition)) => Thrown::Signal(source.signal_name(definition, found)),
            Some(("escalation", definition)) => Thrown::Escalation(source.thrown_escalation(definition, found)),
            Some((_message, definition)) => Thrown::Message(Implementation::of_message(source, definition, found)),
        };
        Self { thrown }
    }

    pub(super) fn wire_kind(&self) -> &'static str {
        match self.thrown {
            Thrown::None => "intermediateNoneThrowEvent",
            Thrown::Message(_) => "intermediateMessageThrowEvent",
            Thrown::Escalation(_) => "intermediateEscalationThrowEvent",
            Thrown::Signal(_) => "intermediateSignalThrow",
            Thrown::Link => "intermediateLinkThrow",
            Thrown::Compensation(_) => "intermediateCompensationThrowEvent",
        }
    }

    pub(super) fn compensates(&self) -> bool {
        matches!(self.thrown, Thrown::Compensation(_))
    }
}

impl Behavior for IntermediateThrowEvent {
    fn enter(&self, step: &mut Step, at: At) -> Next {
        match &self.thrown {
            Thrown::None => Next::Leave(Outgoing::All),
            Thrown::Message(implementation) => implementation.enter(step, at),
            Thrown::Escalation(code) => escalate(step, at, code.as_ref()),
            Thrown::Signal(name) => broadcast(step, at, name.as_ref()),
            Thrown::Link => Next::Leave(Outgoing::Link),
            Thrown::Compensation(activity) => Next::Compensate(*activity),
        }
    }

    fn choose(&self, _step: &mut Step, _at: At) -> Next {
        Next::Leave(if matches!(self.thrown, Thrown::Link) { Outgoing::Link } else { Outgoing::All })
    }
}

pub(super) fn broadcast(step: &mut Step, at: At, name: Option<&Compiled>) -> Next {
    match name.map(|name| step.text(at, name)).transpose() {
        Ok(name) => Next::Broadcast(name.flatten().unwrap_or_default()),
        Err(fault) => Next::Fault(fault),
    }
}

pub(super) fn escalate(step: &mut Step, at: At, code: Option<&Compiled>) -> Next {
    match code.map(|code| step.text(at, code)).transpose() {
        Ok(code) => Next::Escalate(code.flatten().unwrap_or_default()),
        Err(fault) => Next::Fault(fault),
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::testing::check;

    #[test]
    fn a_none_throw_event_is_passed() {
        check("start > mark:throw > A:user > end", "start", "start mark A*");
    }
}
