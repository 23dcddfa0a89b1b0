//! Markers of activities, and what an ad-hoc sub-process may hold (BPMN 2.0.2, 10.3.8, 10.3.5).

use super::File;
use crate::base::diagnostic::Findings;
use crate::bpmn::names;
use crate::engine::compile::Element;

pub(super) fn check(file: &File<'_>, found: &mut Findings) {
    for el in file.root.descendants().filter(|el| el.namespace() == names::BPMN) {
        match el.name() {
            "multiInstanceLoopCharacteristics" => one_marker(file, el, found),
            "adHocSubProcess" => content(file, el, found),
            _others if el.attribute("isForCompensation") == Some("true") => undo(file, el, found),
            _others => {}
        }
    }
}

/// What undoes another activity is begun by its compensation event alone.
fn undo<'d>(file: &File<'d>, activity: Element<'d>, found: &mut Findings) {
    let Some(id) = activity.attribute("id") else { return };
    let mut flows = [&file.arriving, &file.leaving].into_iter().filter_map(|ends| ends.get(id)?.first().copied());
    if let Some(flow) = flows.next() {
        let words = format!(
            "it is for compensation, and the sequence flow {:?} leads to or from it. Remove the flow, or isForCompensation",
            flow.attribute("id").unwrap_or_default()
        );
        file.report(activity, found, (flow.position(), Some(id), "flow-at-compensation"), words);
    }
}

/// An activity loops, or it has many instances.
fn one_marker<'d>(file: &File<'d>, marker: Element<'d>, found: &mut Findings) {
    let Some(activity) = marker.parent() else { return };
    if activity.child(names::BPMN, "standardLoopCharacteristics").is_some() {
        let words = "it is marked both as a loop and as multi-instance, and can be one of them. Remove one marker; to have both, put the activity into a sub-process with the other";
        file.report(activity, found, (marker.position(), activity.attribute("id"), "two-markers"), words.to_owned());
    }
}

/// Activities in it begin as people choose, so nothing in it begins or ends it.
fn content<'d>(file: &File<'d>, sub_process: Element<'d>, found: &mut Findings) {
    let members = sub_process.children().filter(|el| el.namespace() == names::BPMN);
    for el in members {
        let words = match el.name() {
            "startEvent" => "a start event, but its activities begin in any order",
            "endEvent" => "an end event, but it is done when its completion condition holds",
            "choreographyTask" | "subChoreography" | "callChoreography" => "a choreography, which is no work to do",
            _others => continue,
        };
        let words = format!(
            "the ad-hoc sub-process {:?} holds {words}. Remove it, or use a plain sub-process",
            sub_process.attribute("id").unwrap_or_default()
        );
        file.report(el, found, (el.position(), el.attribute("id"), "ad-hoc-content"), words);
    }
}
