//! What undoes what: compensation boundary events lead to their handlers by associations (BPMN 2.0.2, 10.7.1).

use super::Element;
use super::flow::{Drawn, is_activity};
use super::source::Source;
use crate::base::diagnostic::Findings;
use crate::bpmn::names;
use crate::engine::definition::NodeIx;
use std::collections::BTreeMap;

/// From each activity to the one that undoes it.
pub(super) fn handlers(process: Element<'_>, drawn: &Drawn<'_>, found: &mut Findings) -> BTreeMap<NodeIx, NodeIx> {
    let associations: Vec<Element<'_>> = process.descendants().filter(|el| el.is(names::BPMN, "association")).collect();
    let mut handlers = BTreeMap::new();
    for (event, host) in drawn.attached() {
        let node = &drawn.nodes[event];
        if node.el.child(names::BPMN, "compensateEventDefinition").is_none() {
            continue;
        }
        if let Some(flow) = drawn.outgoing(event).next() {
            let words = "a sequence flow leaves this compensation boundary event. Draw an association to the activity that undoes, and mark that for compensation";
            found.error(flow.el.position(), Some(node.id), "flow-at-compensation", words);
        }
        let ends = associations.iter().filter_map(|el| {
            let (from, to) = (el.attribute("sourceRef")?, el.attribute("targetRef")?);
            let other = if from == node.id {
                to
            } else if to == node.id {
                from
            } else {
                return None;
            };
            drawn.index_of(other)
        });
        let activity = ends.into_iter().find(|index| is_activity(drawn.nodes[*index].el.name()));
        match activity.map(|index| (index, &drawn.nodes[index])) {
            Some((index, handler)) if handler.el.attribute("isForCompensation") == Some("true") => {
                if handler.parent != node.parent {
                    let words = format!(
                        "the activity {:?} that undoes it stands in another sub-process. Move it beside the event",
                        handler.id
                    );
                    found.error(node.el.position(), Some(node.id), "compensation-handler", words);
                } else if handlers.insert(NodeIx::new(host), NodeIx::new(index)).is_some() {
                    let words = format!(
                        "{:?} has a compensation boundary event already. Keep one, and undo all in one sub-process",
                        drawn.nodes[host].id
                    );
                    found.error(node.el.position(), Some(node.id), "several-compensation-handlers", words);
                }
            }
            Some((_, handler)) => {
                let words = format!(
                    "its association leads to {:?}, which is not marked for compensation. Set isForCompensation=\"true\" on it",
                    handler.id
                );
                found.error(node.el.position(), Some(node.id), "compensation-handler", words);
            }
            None => {
                let words = "this compensation boundary event leads to nothing that undoes its activity. Draw an association to an activity marked for compensation";
                found.warn(node.el.position(), Some(node.id), "compensation-without-handler", words);
            }
        }
    }
    handlers
}

impl Source<'_, '_> {
    /// An activity that undoes others is reached by an association only.
    pub(super) fn for_compensation(&self, found: &mut Findings) -> bool {
        let marked = self.el.attribute("isForCompensation") == Some("true");
        if marked && (self.has_incoming() || self.has_outgoing()) {
            let words = "a sequence flow leads to or from this activity, which is marked for compensation: it begins when what it undoes is compensated. Remove the flow, or the mark";
            found.error(self.position(), self.id_opt(), "flow-at-compensation", words);
        }
        marked
    }

    /// The activity that a throwing compensation event names; `None`: all that was completed around it.
    pub(crate) fn compensated(&self, definition: Element<'_>, found: &mut Findings) -> Option<usize> {
        let reference = definition.attribute("activityRef").filter(|reference| !reference.is_empty())?;
        let local = reference.rsplit(':').next().unwrap_or(reference);
        let Some(index) = self.drawn.index_of(local) else {
            let words = format!(
                "{:?}: activityRef {reference:?} is not an activity of this process. Name one, or remove the attribute",
                self.id()
            );
            found.error(definition.attribute_position("activityRef"), self.id_opt(), "dangling-reference", words);
            return None;
        };
        let level = self.parent();
        let around =
            level.filter(|level| self.drawn.is_event_sub_process(*level)).map(|level| self.drawn.nodes[level].parent);
        let parent = self.drawn.nodes[index].parent;
        if !is_activity(self.drawn.nodes[index].el.name()) || (parent != level && Some(parent) != around) {
            let words = format!(
                "{:?}: {reference:?} cannot be compensated from here. Name an activity beside this event; from an event sub-process also one beside that",
                self.id()
            );
            found.error(definition.attribute_position("activityRef"), self.id_opt(), "compensated-activity", words);
            return None;
        }
        Some(index)
    }
}
