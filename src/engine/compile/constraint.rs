//! Set-ups that BPMN 2.0.2 forbids and that would run otherwise than they look: each finding says what to draw instead.

mod blocking;
mod call;
mod choice;
mod condition;
mod data;
mod event;
mod file;
mod item;
mod level;
mod marker;
mod message_flow;
mod notation;
mod path;
mod reference;
#[cfg(test)]
mod tests;

use super::Element;
use super::flow::{Drawn, DrawnFlow, DrawnNode, is_activity};
use crate::base::diagnostic::Findings;
use crate::bpmn::names;
use crate::engine::definition::NodeIx;
use file::File;
use level::Ways;
pub(super) use reference::article;
use std::collections::{BTreeMap, BTreeSet};

/// Rules of the file as a whole, also of what nothing runs. After the engine's own look-ups, whose words are nearer.
pub(super) fn check_file(root: Element<'_>, found: &mut Findings) {
    let file = File::read(root);
    reference::check(&file, found);
    message_flow::check(&file, found);
    call::check(&file, found);
    condition::check(&file, found);
    event::check(&file, found);
    marker::check(&file, found);
    notation::check(&file, found);
    data::check(&file, found);
    item::check(&file, found);
}

/// Rules about ways through a process. Of a drawing with errors they would say what the errors say.
pub(super) fn check_ways(drawn: &Drawn<'_>, links: &BTreeMap<NodeIx, NodeIx>, found: &mut Findings) {
    if found.has_errors() {
        return;
    }
    let ways = Ways::of(drawn, links);
    for level in ways.levels() {
        path::check(&level, found);
        blocking::check(&level, found);
    }
}

pub(super) fn check(drawn: &Drawn<'_>, found: &mut Findings) {
    let (mut outgoing, mut incoming) = (vec![Vec::new(); drawn.nodes.len()], vec![0; drawn.nodes.len()]);
    for flow in &drawn.flows {
        outgoing[flow.source].push(flow);
        incoming[flow.target] += 1;
    }
    let left = sources(drawn);
    for (node, flows) in drawn.nodes.iter().zip(&outgoing) {
        default(node, flows, found);
        if !left.contains(node.id) {
            intermediate_event(node, found);
        }
        lone_condition(node, flows, found);
        choice::check(node, flows, found);
    }
    starts_and_ends(drawn, found);
    let hosts: BTreeSet<usize> = drawn.attached().map(|(_, host)| host).collect();
    let gateways = drawn.nodes.iter().zip(&outgoing).filter(|(node, _)| node.el.name() == "eventBasedGateway");
    for flows in gateways.map(|(_, flows)| flows) {
        let targets: Vec<usize> = flows.iter().map(|flow| flow.target).collect();
        event_gateway(drawn, &targets, (&incoming, &hosts), found);
    }
}

/// What some sequence flow names as its source, also where the other end was refused and the flow is not drawn.
fn sources<'d>(drawn: &Drawn<'d>) -> BTreeSet<&'d str> {
    let containers: BTreeMap<usize, Element<'d>> =
        drawn.nodes.iter().filter_map(|node| node.el.parent()).map(|el| (el.index(), el)).collect();
    let flows = containers.into_values().flat_map(Element::children).filter(|el| el.is(names::BPMN, "sequenceFlow"));
    flows.filter_map(|flow| flow.attribute("sourceRef")).collect()
}

/// A default that is no outgoing flow of its element would leave the token without a way, silently.
fn default(node: &DrawnNode<'_>, outgoing: &[&DrawnFlow<'_>], found: &mut Findings) {
    let Some(default) = node.el.attribute("default") else { return };
    if !outgoing.iter().any(|flow| flow.id == default) {
        let words = format!(
            "{:?}: the default flow {default:?} does not leave this element. Choose one of its outgoing flows, or remove the attribute",
            node.id
        );
        found.error(node.el.attribute_position("default"), Some(node.id), "dangling-reference", words);
    }
}

/// 10.5.4: an intermediate event "MUST be a source for a Sequence Flow", but for links: a path ends in an end event.
fn intermediate_event(node: &DrawnNode<'_>, found: &mut Findings) {
    let intermediate = matches!(node.el.name(), "intermediateCatchEvent" | "intermediateThrowEvent");
    if intermediate && node.el.child(names::BPMN, "linkEventDefinition").is_none() {
        let words =
            format!("{:?}: no flow leaves this intermediate event. Lead it on, to an end event at least", node.id);
        found.error(node.el.position(), Some(node.id), "event-leads-nowhere", words);
    }
}

/// 8.3.13: a conditional flow out of an activity has at least one other beside it, else its token may have no way.
fn lone_condition(node: &DrawnNode<'_>, outgoing: &[&DrawnFlow<'_>], found: &mut Findings) {
    if let [only] = outgoing
        && is_activity(node.el.name())
        && only.el.child(names::BPMN, "conditionExpression").is_some()
    {
        let words = format!(
            "{:?}: its only outgoing flow {:?} has a condition. Add another flow, best as the default, or remove the condition",
            node.id, only.id
        );
        found.error(only.el.position(), Some(node.id), "lone-condition", words);
    }
}

/// A sub-process begins at one place: a token enters it, no trigger chooses among several. And 10.5.3: "If there is an End
/// Event, then there MUST be at least one Start Event", on each level.
fn starts_and_ends(drawn: &Drawn<'_>, found: &mut Findings) {
    let (mut begun, mut ended) = (BTreeMap::new(), BTreeMap::new());
    for node in &drawn.nodes {
        match (node.el.name(), node.parent) {
            ("startEvent", parent) => match (begun.get(&parent), parent) {
                (Some(first), Some(parent)) => {
                    let words = format!(
                        "{:?}: the sub-process {:?} has the start event {first:?} already. Keep one, and fork behind it with a parallel gateway",
                        node.id, drawn.nodes[parent].id
                    );
                    found.error(node.el.position(), Some(node.id), "several-starts", words);
                }
                (Some(_) | None, _) => {
                    begun.insert(parent, node.id);
                }
            },
            ("endEvent", parent) => {
                ended.entry(parent).or_insert(node);
            }
            _others => {}
        }
    }
    let event_sub_processes = (0..drawn.nodes.len()).filter(|index| drawn.is_event_sub_process(*index));
    for index in event_sub_processes.filter(|index| !begun.contains_key(&Some(*index))) {
        let words = format!(
            "{:?}: this event sub-process has no start event, so nothing can begin it. Draw one with a trigger",
            drawn.nodes[index].id
        );
        found.error(drawn.position(index), Some(drawn.nodes[index].id), "event-sub-process-without-start", words);
    }
    for (_, node) in ended.iter().filter(|(parent, _)| !begun.contains_key(*parent)) {
        let words =
            format!("{:?}: there is an end event here and no start event. Draw the start event as well", node.id);
        found.error(node.el.position(), Some(node.id), "end-without-start", words);
    }
}

/// 10.6.6: what follows an event-based gateway waits there only, all for messages by events or all by tasks, unbounded.
fn event_gateway(
    drawn: &Drawn<'_>,
    targets: &[usize],
    (incoming, hosts): (&[usize], &BTreeSet<usize>),
    found: &mut Findings,
) {
    let has_message = |el: Element<'_>| el.child(names::BPMN, "messageEventDefinition").is_some();
    let by_event = targets.iter().any(|target| has_message(drawn.nodes[*target].el));
    for target in targets {
        let node = &drawn.nodes[*target];
        let words = if incoming[*target] > 1 {
            "other flows lead to it as well. Lead those to an event of their own"
        } else if node.el.name() == "receiveTask" && by_event {
            "other messages are awaited by events. Make it a message event as well"
        } else if hosts.contains(target) {
            "it has a boundary event. Draw that time or message as another event behind the gateway"
        } else {
            continue;
        };
        let words = format!("{:?} follows an event-based gateway, and {words}", node.id);
        found.error(node.el.position(), Some(node.id), "event-gateway-target", words);
    }
}
