//! Markers of activities: loops, and compensation (BPMN 2.0.2, 10.3.8, 10.7).

use super::file::{File, faulty};
use crate::base::diagnostic::Findings;
use crate::bpmn::names;
use crate::engine::compile::Element;

pub(super) fn check(file: &File<'_>, found: &mut Findings) {
    let faulty = faulty(found);
    for el in file.root.descendants().filter(|el| el.namespace() == names::BPMN) {
        match el.name() {
            "multiInstanceLoopCharacteristics" => one_marker(file, el, found),
            _others
                if el.attribute("isForCompensation") == Some("true")
                    && el.attribute("id").is_some_and(|id| !faulty.contains(id)) =>
            {
                undo(file, el, found);
            }
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
