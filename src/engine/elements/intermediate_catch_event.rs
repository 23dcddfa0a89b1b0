//! Intermediate catch event: holds its token until its time, message, signal or condition comes; a link is passed.
//!
//! BPMN 2.0.2, 13.5.2: "for Intermediate Events, the handling consists of waiting for the Event to occur. Waiting starts
//! when the Intermediate Event is reached". A message that came before is not waited for (it may be kept by the sender's side).

use super::prelude::*;

#[derive(Debug)]
pub struct IntermediateCatchEvent {
    /// None: a link, whose token comes from the throwing event of its name.
    pub trigger: Option<TriggerSource>,
}

impl IntermediateCatchEvent {
    pub(super) fn parse(source: &Source<'_, '_>, found: &mut Findings) -> Self {
        if source.bpmn_child("linkEventDefinition").is_some() {
            source.check_link(
                source.has_incoming(),
                "leads into this catching link event: it is reached by its name only",
                found,
            );
            return Self { trigger: None };
        }
        Self { trigger: Some(source.required_trigger(&["message", "timer", "signal", "conditional"], found)) }
    }
}

impl Behavior for IntermediateCatchEvent {
    fn enter(&self, step: &mut Step, at: At) -> Next {
        let Some(trigger) = &self.trigger else { return Next::Leave(Outgoing::All) };
        match subscription::arm(step, at, at.node, trigger) {
            Ok(()) => Next::Wait(Wait::Trigger),
            Err(fault) => Next::Fault(fault),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::testing::check;

    #[test]
    fn a_timer_holds_its_token_until_due() {
        check("start > T:timer PT1H > end", "start; advance PT59M; advance PT1M", "start T* end .completed");
    }

    #[test]
    fn a_message_moves_its_token_on() {
        check("start > M:message go > end", "start; message stop; message go", "start M* end .completed");
    }
}
