//! Intermediate throw event: none (a marked point) and message (sends, then goes on).
//!
//! BPMN 2.0.2, 13.5.2: "the Event handling for throw Events: the trigger of the Event is thrown, then the token is
//! passed on".

use super::implementation::Implementation;
use super::prelude::*;

#[derive(Debug)]
pub struct IntermediateThrowEvent {
    message: Option<Implementation>,
}

impl IntermediateThrowEvent {
    pub(super) fn parse(source: &Source<'_, '_>, found: &mut Findings) -> Self {
        let definition = source.event_definition(&["message"], found);
        Self { message: definition.map(|(_, definition)| Implementation::of_message(source, definition, found)) }
    }

    pub(super) fn wire_kind(&self) -> &'static str {
        if self.message.is_some() { "intermediateMessageThrowEvent" } else { "intermediateNoneThrowEvent" }
    }
}

impl Behavior for IntermediateThrowEvent {
    fn enter(&self, step: &mut Step, at: At) -> Next {
        match &self.message {
            Some(implementation) => implementation.enter(step, at),
            None => Next::Leave(Outgoing::All),
        }
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
