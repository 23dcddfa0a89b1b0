//! Message flows join two pools, from something that sends to something that receives (BPMN 2.0.2, 7.6.2).

use super::File;
use crate::base::diagnostic::Findings;
use crate::bpmn::names;
use crate::engine::compile::Element;

pub(super) fn check(file: &File<'_>, found: &mut Findings) {
    for flow in file.root.descendants().filter(|el| el.is(names::BPMN, "messageFlow")) {
        let (source, target) = (file.at(flow, "sourceRef"), file.at(flow, "targetRef"));
        if let Some(source) = source {
            sends(file, flow, source, found);
        }
        if let Some(target) = target {
            receives(file, flow, target, found);
        }
        if let (Some(source), Some(target)) = (source, target) {
            between_pools(file, flow, (source, target), found);
        }
    }
}

fn sends(file: &File<'_>, flow: Element<'_>, source: Element<'_>, found: &mut Findings) {
    let words = match source.name() {
        "startEvent" => {
            "start event, which receives messages and sends none. Draw it from an activity or a throw event"
        }
        "intermediateCatchEvent" | "boundaryEvent" => {
            "catching event, which receives messages and sends none. Turn the flow around, or use a throw event"
        }
        _others => return,
    };
    let words = format!("this message flow comes from {:?}, a {words}", id(source));
    file.report(flow, found, (flow.attribute_position("sourceRef"), flow.attribute("id"), "message-flow"), words);
}

fn receives(file: &File<'_>, flow: Element<'_>, target: Element<'_>, found: &mut Findings) {
    let words = match target.name() {
        "endEvent" => "an end event, which sends messages and receives none. Draw it to an activity or a catch event",
        "intermediateThrowEvent" => {
            "a throw event, which sends messages and receives none. Turn the flow around, or use a catch event"
        }
        _others => return,
    };
    let words = format!("this message flow leads to {:?}, {words}", id(target));
    file.report(flow, found, (flow.attribute_position("targetRef"), flow.attribute("id"), "message-flow"), words);
}

fn between_pools<'d>(
    file: &File<'d>,
    flow: Element<'d>,
    (source, target): (Element<'d>, Element<'d>),
    found: &mut Findings,
) {
    let (from, to) = (pool(file, source), pool(file, target));
    if from.is_some() && from == to {
        let words = format!(
            "this message flow leads from {:?} to {:?} within one pool; a message flow joins two pools. Use a sequence flow",
            id(source),
            id(target)
        );
        file.report(flow, found, (flow.position(), flow.attribute("id"), "message-flow"), words);
    }
}

/// The process around an element; of a pool, the one it shows. A pool without process is its own.
fn pool<'d>(file: &File<'d>, el: Element<'d>) -> Option<Element<'d>> {
    if el.name() == "participant" {
        return file.at(el, "processRef").or(Some(el));
    }
    el.ancestors().find(|outer| outer.is(names::BPMN, "process"))
}

fn id<'d>(el: Element<'d>) -> &'d str {
    el.attribute("id").unwrap_or_default()
}
