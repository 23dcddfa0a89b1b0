//! Receive task: waits for a message.
//!
//! BPMN 2.0.2, 13.3.3: "Receive Task: upon activation, the Receive Task begins waiting for the associated Message. When the
//! Message arrives, … the Receive Task completes". Without a message it waits to be signalled over REST. Instantiating
//! receive tasks follow.

use super::prelude::*;

#[derive(Debug)]
pub struct ReceiveTask {
    message: Option<TriggerSource>,
}

impl ReceiveTask {
    pub(super) fn message(&self) -> Option<&TriggerSource> {
        self.message.as_ref()
    }

    pub(super) fn parse(source: &Source<'_, '_>, found: &mut Findings) -> Self {
        source.refuse_if_true(
            "instantiate",
            "a receive task that starts a process does not run yet; use a message start event",
            found,
        );
        let name = source.el.attribute("messageRef").and_then(|name| source.message_name(name, found));
        Self { message: name.map(|name| TriggerSource::Message { name }) }
    }
}

impl Behavior for ReceiveTask {
    fn enter(&self, step: &mut Step, at: At) -> Next {
        let armed = self.message.as_ref().map_or(Ok(()), |message| subscription::arm(step, at, at.node, message));
        match armed {
            Ok(()) => Next::Wait(Wait::Trigger),
            Err(fault) => Next::Fault(fault),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::testing::check;

    #[test]
    fn it_waits_for_its_message() {
        check("start > R:receive go > end", "start; message go", "start R* end .completed");
    }
}
