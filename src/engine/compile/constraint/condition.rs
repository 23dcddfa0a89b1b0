//! Where conditions and defaults may stand: on flows out of activities and of gateways that choose (BPMN 2.0.2, 8.4).
//!
//! A parallel gateway asks no condition and has no default, so one that is drawn there promises what does not happen: an
//! error. Out of events they are asked here, as in Camunda, though the standard has none: a warning.

use super::file::{File, faulty};
use crate::base::diagnostic::{Findings, Position};
use crate::bpmn::names;
use crate::engine::compile::Element;
use std::collections::BTreeSet;

pub(super) fn check(file: &File<'_>, found: &mut Findings) {
    let faulty = faulty(found);
    for el in file.root.descendants().filter(|el| el.namespace() == names::BPMN) {
        if el.name() == "sequenceFlow" {
            condition(file, el, &faulty, found);
        } else if el.attribute("default").is_some() {
            let place = (el.attribute_position("default"), el.attribute("id"), "default-place");
            misplaced(file, el, place, "a default flow", found);
        }
    }
}

fn condition<'d>(file: &File<'d>, flow: Element<'d>, faulty: &BTreeSet<String>, found: &mut Findings) {
    let Some(condition) = flow.child(names::BPMN, "conditionExpression") else { return };
    let Some(source) = file.at(flow, "sourceRef") else { return };
    // The element's own file may have said so of the gateway or of the flow.
    let told = |el: Element<'_>| el.attribute("id").is_some_and(|id| faulty.contains(id));
    if !told(flow) && !told(source) {
        let place = (condition.position(), flow.attribute("id"), "condition-place");
        misplaced(file, source, place, "a flow with a condition", found);
    }
}

fn misplaced(
    file: &File<'_>,
    source: Element<'_>,
    place: (Position, Option<&str>, &'static str),
    what: &str,
    found: &mut Findings,
) {
    let id = source.attribute("id").unwrap_or_default();
    match source.name() {
        "parallelGateway" => {
            let words = format!(
                "{what} leaves {id:?}, and a parallel gateway takes all its flows without asking. Remove it, or use an exclusive or inclusive gateway"
            );
            file.report(source, found, place, words);
        }
        "eventBasedGateway" => {
            let words =
                format!("{what} leaves {id:?}, and at an event-based gateway the first event decides. Remove it");
            file.report(source, found, place, words);
        }
        kind if kind.ends_with("Event") => {
            let (at, owner, code) = place;
            let words = format!(
                "{what} leaves the event {id:?}, where BPMN has none: other engines may take all flows. Draw an exclusive gateway behind the event"
            );
            found.warn(at, owner, code, words);
        }
        _chooses => {}
    }
}
