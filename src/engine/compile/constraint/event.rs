//! Which event definitions stand where (BPMN 2.0.2, 10.5), and what belongs to them. What an element's own file has
//! refused already is not said twice.

use super::file::{File, faulty};
use super::reference::article;
use crate::base::diagnostic::Findings;
use crate::bpmn::names;
use crate::engine::compile::Element;

const START: &[&str] = &["message", "timer", "conditional", "signal"];
const START_IN_EVENT_SUB_PROCESS: &[&str] =
    &["message", "timer", "escalation", "error", "compensate", "conditional", "signal"];
const CATCH: &[&str] = &["message", "timer", "conditional", "link", "signal"];
const THROW: &[&str] = &["message", "escalation", "link", "compensate", "signal"];
const BOUNDARY: &[&str] = &["message", "timer", "escalation", "error", "cancel", "compensate", "conditional", "signal"];
const END: &[&str] = &["message", "escalation", "error", "cancel", "compensate", "signal", "terminate"];

pub(super) fn check(file: &File<'_>, found: &mut Findings) {
    let faulty = faulty(found);
    for event in file.root.descendants().filter(|el| el.namespace() == names::BPMN) {
        let (allowed, place) = match event.name() {
            "startEvent" if in_event_sub_process(event) => {
                (START_IN_EVENT_SUB_PROCESS, "the start event of an event sub-process")
            }
            "startEvent" => (START, "a start event"),
            "intermediateCatchEvent" => (CATCH, "an intermediate catch event"),
            "intermediateThrowEvent" => (THROW, "an intermediate throw event"),
            "boundaryEvent" => (BOUNDARY, "a boundary event"),
            "endEvent" => (END, "an end event"),
            _others => continue,
        };
        let id = event.attribute("id");
        if id.is_some_and(|id| faulty.contains(id)) {
            continue;
        }
        for definition in definitions(file, event) {
            let kind = definition.name().trim_end_matches("EventDefinition");
            if !allowed.contains(&kind) {
                let words = format!(
                    "{} {kind} event cannot be {place}; that may be {}. Change the trigger, or the kind of event",
                    article(kind),
                    allowed.join(", ")
                );
                file.report(event, found, (definition.position(), id, "event-definition-place"), words);
            } else if kind == "timer" {
                one_time(file, event, definition, found);
            } else if kind == "cancel" {
                cancel(file, event, definition, found);
            } else if kind == "compensate" && event.name() == "boundaryEvent" {
                compensation(file, event, found);
            }
        }
    }
}

/// Its own definitions, and those of the file that it names.
pub(super) fn definitions<'d>(file: &File<'d>, event: Element<'d>) -> Vec<Element<'d>> {
    let is_definition = |el: &Element<'_>| el.name().ends_with("EventDefinition");
    let children = event.children().filter(|el| el.namespace() == names::BPMN);
    let named = children.filter_map(|el| match el.name() {
        "eventDefinitionRef" => file.one(el.text().trim()),
        _own => Some(el),
    });
    named.filter(is_definition).collect()
}

fn in_event_sub_process(event: Element<'_>) -> bool {
    event.parent().is_some_and(|around| around.attribute("triggeredByEvent") == Some("true"))
}

/// A date, a span or a cycle, of which the others would be ignored.
fn one_time<'d>(file: &File<'d>, event: Element<'d>, definition: Element<'d>, found: &mut Findings) {
    let is_time = |el: &Element<'_>| matches!(el.name(), "timeDate" | "timeDuration" | "timeCycle");
    let times: Vec<Element<'_>> = definition.children().filter(is_time).collect();
    if let [first, second, ..] = times.as_slice() {
        let words = format!(
            "this timer has a {} and a {}, and can have one of them. Remove the other",
            first.name(),
            second.name()
        );
        file.report(event, found, (second.position(), event.attribute("id"), "several-times"), words);
    }
}

/// Only a transaction is cancelled.
fn cancel<'d>(file: &File<'d>, event: Element<'d>, definition: Element<'d>, found: &mut Findings) {
    let is_transaction = |el: Element<'_>| el.is(names::BPMN, "transaction");
    let (fits, words) = if event.name() == "boundaryEvent" {
        let host = file.at(event, "attachedToRef");
        (
            host.is_none_or(is_transaction),
            "a cancel boundary event belongs on a transaction. Use an error event elsewhere",
        )
    } else {
        let inside = event.ancestors().any(is_transaction);
        (inside, "a cancel end event belongs inside a transaction. Use a terminate or error end event elsewhere")
    };
    if !fits {
        let place = (definition.position(), event.attribute("id"), "cancel-outside-transaction");
        file.report(event, found, place, words.to_owned());
    }
}

/// What undoes an activity hangs on its compensation event by an association; no token comes out of there.
fn compensation<'d>(file: &File<'d>, event: Element<'d>, found: &mut Findings) {
    let Some(id) = event.attribute("id") else { return };
    if let Some(flow) = file.leaving.get(id).and_then(|flows| flows.first()) {
        let words = format!(
            "the sequence flow {:?} leaves this compensation event; no token ever does. Replace it by an association to the activity that undoes the work",
            flow.attribute("id").unwrap_or_default()
        );
        file.report(event, found, (flow.position(), Some(id), "flow-at-compensation"), words);
    }
}
