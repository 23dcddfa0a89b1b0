//! A called process begins at a start event without trigger (BPMN 2.0.2, 10.5.2): a call is no message, time or signal.

use super::File;
use crate::base::diagnostic::Findings;
use crate::bpmn::names;
use crate::engine::compile::Element;

pub(super) fn check(file: &File<'_>, found: &mut Findings) {
    for call in file.root.descendants().filter(|el| el.is(names::BPMN, "callActivity")) {
        // Another file may hold a process of this id; one of this file is what the designer sees.
        let called = call.attribute("calledElement").map_or(&[][..], |reference| file.named(reference));
        let Some(process) = called.iter().find(|el| el.is(names::BPMN, "process")) else { continue };
        let starts: Vec<Element<'_>> = process.children().filter(|el| el.is(names::BPMN, "startEvent")).collect();
        if !starts.is_empty() && !starts.iter().any(|start| is_none(*start)) {
            let words = format!(
                "it calls the process {:?}, whose start events all wait for a trigger, so a call cannot begin it. Give that process a start event without trigger",
                process.attribute("id").unwrap_or_default()
            );
            let place = (call.attribute_position("calledElement"), call.attribute("id"), "called-process-start");
            file.report(call, found, place, words);
        }
    }
}

fn is_none(start: Element<'_>) -> bool {
    !start.children().any(|el| {
        el.namespace() == names::BPMN && (el.name().ends_with("EventDefinition") || el.name() == "eventDefinitionRef")
    })
}
