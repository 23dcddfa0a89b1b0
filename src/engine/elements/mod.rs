//! The elements: one file each, with the standard's sentence, its attributes, validation, behaviour and tests.
//!
//! A new element is its file, one line in the table below, one suite in `tests/scenarios`.

mod ad_hoc_sub_process;
mod boundary_event;
mod business_rule_task;
mod call_activity;
mod complex_gateway;
mod end_event;
mod event_based_gateway;
mod exclusive_gateway;
mod implementation;
mod inclusive_gateway;
mod intermediate_catch_event;
mod intermediate_throw_event;
mod manual_task;
mod parallel_gateway;
mod prelude;
mod receive_task;
mod script_task;
mod send_task;
mod service_task;
mod start_event;
mod sub_process;
mod task;
mod transaction;
pub(crate) mod user_task;

pub use ad_hoc_sub_process::AdHocSubProcess;
pub(crate) use ad_hoc_sub_process::enabled;
pub use boundary_event::{BoundaryEvent, CaughtVariables};
pub use business_rule_task::BusinessRuleTask;
pub use call_activity::CallActivity;
pub use complex_gateway::ComplexGateway;
pub use end_event::EndEvent;
pub use event_based_gateway::EventBasedGateway;
pub use exclusive_gateway::ExclusiveGateway;
pub use inclusive_gateway::InclusiveGateway;
pub use intermediate_catch_event::IntermediateCatchEvent;
pub(crate) use intermediate_throw_event::tells;
pub use intermediate_throw_event::{IntermediateThrowEvent, SignalSource, Told};
pub use manual_task::ManualTask;
pub use parallel_gateway::ParallelGateway;
pub use receive_task::ReceiveTask;
pub use script_task::ScriptTask;
pub use send_task::SendTask;
pub use service_task::ServiceTask;
pub use start_event::StartEvent;
pub use sub_process::SubProcess;
pub use task::Task;
pub use transaction::Transaction;
pub use user_task::UserTaskElement;

use crate::base::diagnostic::Findings;
use crate::base::time::TimerKind;
use crate::engine::compile::Source;
use crate::engine::definition::FlowNode;
use crate::engine::lifecycle::{Cause, Next, Outgoing};
use crate::engine::step::{At, Step};
use crate::engine::subscription::TriggerSource;
use crate::script::Compiled;

/// What an element decides; the lifecycle acts on it.
pub(crate) trait Behavior {
    /// A token has arrived.
    fn enter(&self, step: &mut Step, at: At) -> Next;

    /// What the token waited for has happened.
    fn resume(&self, _step: &mut Step, _at: At, _cause: Cause) -> Next {
        Next::Leave(Outgoing::All)
    }

    /// Which flows a token takes that leaves; asked again after a pause between deciding and leaving.
    fn choose(&self, _step: &mut Step, _at: At) -> Next {
        Next::Leave(Outgoing::All)
    }
}

macro_rules! elements {
    ($($kind:literal => $variant:ident),* $(,)?) => {
        #[derive(Debug)]
        pub enum Element {
            $($variant($variant)),*
        }

        impl Behavior for Element {
            fn enter(&self, step: &mut Step, at: At) -> Next {
                match self { $(Self::$variant(element) => element.enter(step, at)),* }
            }

            fn resume(&self, step: &mut Step, at: At, cause: Cause) -> Next {
                match self { $(Self::$variant(element) => element.resume(step, at, cause)),* }
            }

            fn choose(&self, step: &mut Step, at: At) -> Next {
                match self { $(Self::$variant(element) => element.choose(step, at)),* }
            }
        }

        /// BPMN's names of the elements that run.
        pub const TABLE: &[&str] = &[$($kind),*];

        /// The element and its BPMN name; none if this kind does not run.
        pub(crate) fn parse(source: &Source<'_, '_>, found: &mut Findings) -> Option<(&'static str, Element)> {
            match source.kind() {
                $($kind => Some(($kind, Element::$variant($variant::parse(source, found)))),)*
                _unknown => None,
            }
        }
    };
}

elements! {
    "startEvent" => StartEvent,
    "endEvent" => EndEvent,
    "intermediateCatchEvent" => IntermediateCatchEvent,
    "intermediateThrowEvent" => IntermediateThrowEvent,
    "boundaryEvent" => BoundaryEvent,
    "task" => Task,
    "userTask" => UserTaskElement,
    "serviceTask" => ServiceTask,
    "sendTask" => SendTask,
    "receiveTask" => ReceiveTask,
    "scriptTask" => ScriptTask,
    "businessRuleTask" => BusinessRuleTask,
    "manualTask" => ManualTask,
    "exclusiveGateway" => ExclusiveGateway,
    "parallelGateway" => ParallelGateway,
    "inclusiveGateway" => InclusiveGateway,
    "complexGateway" => ComplexGateway,
    "eventBasedGateway" => EventBasedGateway,
    "subProcess" => SubProcess,
    "transaction" => Transaction,
    "adHocSubProcess" => AdHocSubProcess,
    "callActivity" => CallActivity,
}

impl Element {
    pub fn boundary(&self) -> Option<&BoundaryEvent> {
        if let Self::BoundaryEvent(event) = self { Some(event) } else { None }
    }

    pub fn start(&self) -> Option<&StartEvent> {
        if let Self::StartEvent(event) = self { Some(event) } else { None }
    }

    pub fn ad_hoc(&self) -> Option<&AdHocSubProcess> {
        if let Self::AdHocSubProcess(sub_process) = self { Some(sub_process) } else { None }
    }

    /// It waits for no message or event, only for somebody who moves it on.
    pub fn waits_to_be_told(&self) -> bool {
        matches!(self, Self::ReceiveTask(task) if task.message().is_none())
    }

    /// What an event waits for.
    pub fn trigger(&self) -> Option<&TriggerSource> {
        match self {
            Self::BoundaryEvent(event) => Some(&event.trigger),
            Self::StartEvent(event) => event.trigger.as_ref(),
            Self::IntermediateCatchEvent(event) => event.trigger.as_ref(),
            _waits_for_nothing => None,
        }
    }

    /// When the timer that an event waits for is due, as the model says it.
    pub fn timer(&self) -> Option<(TimerKind, &Compiled)> {
        self.trigger()?.parts().iter().find_map(|part| match part {
            TriggerSource::Timer { kind, text } => Some((*kind, text)),
            TriggerSource::Message { .. }
            | TriggerSource::Error { .. }
            | TriggerSource::Escalation { .. }
            | TriggerSource::Signal { .. }
            | TriggerSource::Condition(_)
            | TriggerSource::Cancel
            | TriggerSource::Multiple { .. }
            | TriggerSource::Compensation => None,
        })
    }

    /// It may undo what was completed around it.
    pub fn compensates(&self) -> bool {
        match self {
            Self::IntermediateThrowEvent(event) => event.compensates(),
            Self::EndEvent(event) => event.compensates(),
            _other => false,
        }
    }
}

/// The activity type as Camunda 7 names it in its history.
pub(crate) fn wire_kind(node: &FlowNode) -> &'static str {
    match &node.element {
        Element::StartEvent(event) => match &event.trigger {
            None => "startEvent",
            Some(TriggerSource::Timer { .. }) => "startTimerEvent",
            Some(TriggerSource::Message { .. }) => "messageStartEvent",
            Some(TriggerSource::Error { .. }) => "errorStartEvent",
            Some(TriggerSource::Escalation { .. }) => "escalationStartEvent",
            Some(TriggerSource::Signal { .. }) => "signalStartEvent",
            Some(TriggerSource::Condition(_)) => "conditionalStartEvent",
            Some(TriggerSource::Compensation) => "compensationStartEvent",
            Some(TriggerSource::Cancel | TriggerSource::Multiple { .. }) => "startEvent",
        },
        Element::IntermediateCatchEvent(event) => match &event.trigger {
            None => "intermediateLinkCatch",
            Some(TriggerSource::Timer { .. }) => "intermediateTimer",
            Some(TriggerSource::Message { .. }) => "intermediateMessageCatch",
            Some(TriggerSource::Signal { .. }) => "intermediateSignalCatch",
            Some(TriggerSource::Condition(_)) => "intermediateConditional",
            Some(
                TriggerSource::Error { .. }
                | TriggerSource::Escalation { .. }
                | TriggerSource::Cancel
                | TriggerSource::Multiple { .. }
                | TriggerSource::Compensation,
            ) => "intermediateCatchEvent",
        },
        Element::BoundaryEvent(event) => match &event.trigger {
            TriggerSource::Timer { .. } => "boundaryTimer",
            TriggerSource::Message { .. } => "boundaryMessage",
            TriggerSource::Error { .. } => "boundaryError",
            TriggerSource::Escalation { .. } => "boundaryEscalation",
            TriggerSource::Signal { .. } => "boundarySignal",
            TriggerSource::Condition(_) => "boundaryConditional",
            TriggerSource::Multiple { .. } => "boundaryEvent",
            TriggerSource::Cancel => "cancelBoundaryCatch",
            TriggerSource::Compensation => "compensationBoundaryCatch",
        },
        Element::SubProcess(sub_process) if sub_process.by_event => "eventSubProcess",
        Element::EndEvent(event) => event.wire_kind(),
        Element::IntermediateThrowEvent(event) => event.wire_kind(),
        Element::Task(_)
        | Element::UserTaskElement(_)
        | Element::ServiceTask(_)
        | Element::SendTask(_)
        | Element::ReceiveTask(_)
        | Element::ScriptTask(_)
        | Element::BusinessRuleTask(_)
        | Element::ManualTask(_)
        | Element::ExclusiveGateway(_)
        | Element::ParallelGateway(_)
        | Element::InclusiveGateway(_)
        | Element::ComplexGateway(_)
        | Element::EventBasedGateway(_)
        | Element::SubProcess(_)
        | Element::Transaction(_)
        | Element::AdHocSubProcess(_)
        | Element::CallActivity(_) => node.kind,
    }
}
