//! Receive task: waits for a message.
//!
//! BPMN 2.0.2, 13.3.3: "Receive Task: upon activation, the Receive Task begins waiting for the associated Message. When the
//! Message arrives, … the Receive Task completes". Without a message it waits to be signalled over REST. With
//! `instantiate` its message starts the process there.

use super::prelude::*;

#[derive(Debug)]
pub struct ReceiveTask {
    message: Option<TriggerSource>,
    /// Its message starts a process.
    pub instantiates: bool,
}

impl ReceiveTask {
    pub(crate) fn message(&self) -> Option<&TriggerSource> {
        self.message.as_ref()
    }

    pub(super) fn parse(source: &Source<'_, '_>, found: &mut Findings) -> Self {
        let name = source.el.attribute("messageRef").and_then(|name| source.message_name(name, found));
        let instantiates = source.el.attribute("instantiate") == Some("true");
        if instantiates {
            source.check_instantiating(found);
            if name.is_none() {
                let words = "this receive task starts a process, and says by which message not: give it a messageRef";
                found.error(source.position(), source.id_opt(), "instantiate", words);
            }
        }
        Self { instantiates, message: name.map(|name| TriggerSource::Message { name }) }
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
