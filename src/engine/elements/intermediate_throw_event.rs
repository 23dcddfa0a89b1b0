//! Intermediate throw event: a marked point, or sends a message, tells those around (escalation) or all (signal), undoes (compensation), goes on elsewhere (link).
//!
//! BPMN 2.0.2, 13.5.2: "the Event handling for throw Events: the trigger of the Event is thrown, then the token is
//! passed on".
//!
//! Gaps: of several triggers one at most is waited for.

use super::implementation::Implementation;
use super::prelude::*;
use crate::engine::compile::Element;
use crate::engine::definition::{DataMapping, NodeIx};
use crate::engine::gather::has_gone_on;
use crate::engine::lifecycle::{Cause, Signal};
use crate::engine::variables;

#[derive(Debug)]
pub struct IntermediateThrowEvent {
    /// Signals and escalations that are thrown first.
    beside: Vec<Told>,
    thrown: Thrown,
}

/// What is thrown without waiting.
#[derive(Debug)]
pub enum Told {
    Escalation(Option<Compiled>),
    Signal(SignalSource),
}

#[derive(Debug)]
enum Thrown {
    None,
    Message(Implementation),
    Escalation(Option<Compiled>),
    Signal(SignalSource),
    Link,
    /// What was completed around it, or one activity; and whether its token waits until that is undone.
    Compensation(Option<NodeIx>, bool),
}

impl IntermediateThrowEvent {
    pub(super) fn parse(source: &Source<'_, '_>, found: &mut Findings) -> Self {
        let all = source.event_definitions(&["message", "escalation", "signal", "compensate", "link"], found);
        source.refuse_beside_others(&["link"], &all, found);
        let last = last_of(source, &["message", "compensate"], &all, found);
        let (beside, thrown) = match last {
            _single if all.len() < 2 => (Vec::new(), all.first().copied()),
            Some(last) => (all.iter().filter(|(kind, _)| *kind != last.0).copied().collect(), Some(last)),
            None => (all.clone(), None),
        };
        let beside =
            beside.into_iter().filter_map(|(kind, definition)| told(source, kind, definition, found)).collect();
        let thrown = match thrown {
            None => Thrown::None,
            Some(("link", _)) => {
                let words = "leaves this throwing link event: its token goes on at the catching event of its name";
                source.check_link(source.has_outgoing(), words, found);
                Thrown::Link
            }
            Some(("compensate", definition)) => {
                let waits = definition.attribute("waitForCompletion") != Some("false");
                Thrown::Compensation(source.compensated(definition, found).map(NodeIx::new), waits)
            }
            Some(("signal", definition)) => Thrown::Signal(SignalSource::parse(source, definition, found)),
            Some(("escalation", definition)) => Thrown::Escalation(source.thrown_escalation(definition, found)),
            Some((_message, definition)) => Thrown::Message(Implementation::of_message(source, definition, found)),
        };
        Self { beside, thrown }
    }

    pub(super) fn wire_kind(&self) -> &'static str {
        match self.thrown {
            Thrown::None => "intermediateNoneThrowEvent",
            Thrown::Message(_) => "intermediateMessageThrowEvent",
            Thrown::Escalation(_) => "intermediateEscalationThrowEvent",
            Thrown::Signal(_) => "intermediateSignalThrow",
            Thrown::Link => "intermediateLinkThrow",
            Thrown::Compensation(..) => "intermediateCompensationThrowEvent",
        }
    }

    pub(super) fn compensates(&self) -> bool {
        matches!(self.thrown, Thrown::Compensation(..))
    }
}

impl Behavior for IntermediateThrowEvent {
    fn enter(&self, step: &mut Step, at: At) -> Next {
        let last = match &self.thrown {
            Thrown::None => Next::Leave(Outgoing::All),
            Thrown::Message(implementation) => implementation.enter(step, at),
            Thrown::Escalation(code) => escalate(step, at, code.as_ref()),
            Thrown::Signal(signal) => signal.broadcast(step, at),
            Thrown::Link => Next::Leave(Outgoing::Link),
            Thrown::Compensation(activity, waits) => Next::Compensate { activity: *activity, waits: *waits },
        };
        also(step, at, &self.beside, last)
    }

    fn resume(&self, _step: &mut Step, _at: At, cause: Cause) -> Next {
        match (&self.thrown, cause) {
            // It has gone on already.
            (Thrown::Compensation(_, false), Cause::ScopeDone) => Next::Leave(Outgoing::These(Vec::new())),
            (_, _) => Next::Leave(Outgoing::All),
        }
    }

    fn choose(&self, step: &mut Step, at: At) -> Next {
        Next::Leave(match self.thrown {
            Thrown::Link => Outgoing::Link,
            Thrown::Compensation(..) if has_gone_on(step, at) => Outgoing::These(Vec::new()),
            Thrown::None
            | Thrown::Message(_)
            | Thrown::Escalation(_)
            | Thrown::Signal(_)
            | Thrown::Compensation(..) => Outgoing::All,
        })
    }
}

/// The trigger that its token waits for, of several; only one can.
pub(super) fn last_of<'d>(
    source: &Source<'d, '_>,
    waited_for: &[&str],
    all: &[(&'static str, Element<'d>)],
    found: &mut Findings,
) -> Option<(&'static str, Element<'d>)> {
    let mut last = all.iter().filter(|(kind, _)| waited_for.contains(kind));
    let first = last.next().copied();
    if let Some((kind, definition)) = last.next() {
        let words =
            format!("{kind} does not go together with {}: draw one event for each", first.map_or("", |(kind, _)| kind));
        found.error(definition.position(), source.id_opt(), "several-triggers", words);
    }
    first
}

pub(super) fn told<'d>(
    source: &Source<'d, '_>,
    kind: &str,
    definition: Element<'d>,
    found: &mut Findings,
) -> Option<Told> {
    match kind {
        "signal" => Some(Told::Signal(SignalSource::parse(source, definition, found))),
        "escalation" => Some(Told::Escalation(source.thrown_escalation(definition, found))),
        _waited_for => None,
    }
}

/// What is told, ready to be.
pub(crate) fn tells(step: &mut Step, at: At, told: &Told) -> Next {
    match told {
        Told::Escalation(code) => escalate(step, at, code.as_ref()),
        Told::Signal(signal) => signal.broadcast(step, at),
    }
}

/// Several triggers: what can be told at once first; none if the last could not even begin.
pub(super) fn also(step: &mut Step, at: At, beside: &[Told], last: Next) -> Next {
    if beside.is_empty() || matches!(last, Next::Fault(_)) {
        return last;
    }
    let mut others: Vec<Next> = beside.iter().map(|told| tells(step, at, told)).collect();
    match others.iter().position(|other| matches!(other, Next::Fault(_))) {
        Some(fault) => others.swap_remove(fault),
        None => Next::Also(others, Box::new(last)),
    }
}

/// A signal as the model says it, with `camunda:in`.
#[derive(Debug)]
pub struct SignalSource {
    name: Option<Compiled>,
    business_key: Option<Compiled>,
    data: Vec<DataMapping>,
}

impl SignalSource {
    pub(crate) fn parse<'d>(source: &Source<'d, '_>, definition: Element<'d>, found: &mut Findings) -> Self {
        let (data, business_key) = source.signal_data(definition, found);
        Self { name: source.signal_name(definition, found), business_key, data }
    }

    pub(super) fn broadcast(&self, step: &mut Step, at: At) -> Next {
        match self.evaluate(step, at) {
            Ok(signal) => Next::Broadcast(signal),
            Err(fault) => Next::Fault(fault),
        }
    }

    fn evaluate(&self, step: &mut Step, at: At) -> Result<Signal, Fault> {
        let name = self.name.as_ref().map(|name| step.text(at, name)).transpose()?;
        let business_key = self.business_key.as_ref().map(|key| step.text(at, key)).transpose()?;
        let variables = variables::map_in(step, at, &self.data)?;
        Ok(Signal { name: name.flatten().unwrap_or_default(), business_key: business_key.flatten(), variables })
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
