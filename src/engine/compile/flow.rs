//! What is drawn: flow nodes and sequence flows of a process and its sub-processes, with references checked.

use super::Element;
use crate::base::diagnostic::{Findings, Position};
use crate::bpmn::names;
use crate::engine::definition::{FlowNode, NodeIx, SequenceFlow};
use crate::engine::elements::{Element as Behaviour, TABLE};
use petgraph::graph::Graph;
use std::collections::BTreeMap;

/// Children of a process that say nothing to the engine.
const SILENT: &[&str] = &[
    "documentation",
    "extensionElements",
    "laneSet",
    "ioSpecification",
    "ioBinding",
    "supportedInterfaceRef",
    "property",
    "dataObject",
    "dataObjectReference",
    "dataStoreReference",
    "textAnnotation",
    "association",
    "group",
    "auditing",
    "monitoring",
    "supports",
    "correlationSubscription",
    "resourceRole",
    "performer",
    "humanPerformer",
    "potentialOwner",
    "incoming",
    "outgoing",
    "multiInstanceLoopCharacteristics",
    "standardLoopCharacteristics",
    "completionCondition",
    "dataInputAssociation",
    "dataOutputAssociation",
];

/// What to use instead of kinds that do not run yet.
const LATER: &[(&str, &str)] = &[
    ("choreographyTask", "choreographies do not run"),
    ("subChoreography", "choreographies do not run"),
    ("callChoreography", "choreographies do not run"),
    ("implicitThrowEvent", "use an intermediate throw event"),
    ("event", "use a start, intermediate or end event"),
];

#[derive(Debug)]
pub(crate) struct DrawnNode<'d> {
    pub(crate) el: Element<'d>,
    pub(crate) id: &'d str,
    /// Index of the sub-process around it.
    pub(crate) parent: Option<usize>,
}

#[derive(Debug)]
pub(crate) struct DrawnFlow<'d> {
    pub(crate) el: Element<'d>,
    pub(crate) id: String,
    pub(crate) source: usize,
    pub(crate) target: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Drawn<'d> {
    pub(crate) nodes: Vec<DrawnNode<'d>>,
    pub(crate) flows: Vec<DrawnFlow<'d>>,
    by_id: BTreeMap<&'d str, usize>,
    /// Elements that were refused: a flow that leads to one needs no finding of its own.
    refused: Vec<&'d str>,
}

pub(crate) fn read<'d>(process: Element<'d>, found: &mut Findings) -> Drawn<'d> {
    let mut drawn = Drawn::default();
    let mut lines = Vec::new();
    let mut containers: Vec<(Element<'d>, Option<usize>)> = vec![(process, None)];
    while let Some((container, parent)) = containers.pop() {
        let mut inner = Vec::new();
        for el in container.children().filter(|el| el.namespace() == names::BPMN) {
            match el.name() {
                "sequenceFlow" => lines.push(el),
                kind if TABLE.contains(&kind) => {
                    if let Some(index) = drawn.add(el, parent, found)
                        && matches!(kind, "subProcess" | "transaction" | "adHocSubProcess")
                    {
                        inner.push((el, Some(index)));
                    }
                }
                kind if SILENT.contains(&kind) => {}
                kind => {
                    drawn.refused.extend(el.attribute("id"));
                    refuse(el, kind, found);
                }
            }
        }
        containers.extend(inner.into_iter().rev());
    }
    lines.sort_by_key(|el| el.index());
    for el in lines {
        drawn.connect(el, found);
    }
    drawn.check_attached(found);
    drawn
}

/// A global task by the name of the task that it is.
pub(crate) fn global_task(kind: &str) -> Option<&'static str> {
    match kind {
        "globalTask" => Some("task"),
        "globalUserTask" => Some("userTask"),
        "globalScriptTask" => Some("scriptTask"),
        "globalManualTask" => Some("manualTask"),
        "globalBusinessRuleTask" => Some("businessRuleTask"),
        _other => None,
    }
}

/// A task with nothing around it.
pub(crate) fn alone<'d>(task: Element<'d>, found: &mut Findings) -> Drawn<'d> {
    let mut drawn = Drawn::default();
    drawn.add(task, None, found);
    drawn
}

fn refuse(el: Element<'_>, kind: &str, found: &mut Findings) {
    let instead =
        LATER.iter().find(|(name, _)| *name == kind).map(|(_, instead)| format!("; {instead}")).unwrap_or_default();
    let words = format!("the element {kind} does not run here{instead}");
    found.error(el.position(), el.attribute("id"), "element-not-supported", words);
}

impl<'d> Drawn<'d> {
    fn add(&mut self, el: Element<'d>, parent: Option<usize>, found: &mut Findings) -> Option<usize> {
        let Some(id) = el.attribute("id").filter(|id| !id.is_empty()) else {
            found.error(el.position(), None, "missing-id", format!("the {} needs an id", el.name()));
            return None;
        };
        let index = self.nodes.len();
        self.nodes.push(DrawnNode { el, id, parent });
        self.by_id.insert(id, index);
        Some(index)
    }

    fn connect(&mut self, el: Element<'d>, found: &mut Findings) {
        let id = el.attribute("id").unwrap_or_default().to_owned();
        let id = if id.is_empty() { format!("flow-{}", el.index()) } else { id };
        let mut end = |attribute: &str| {
            let Some(reference) = el.attribute(attribute) else {
                found.error(
                    el.position(),
                    Some(&id),
                    "dangling-reference",
                    format!("sequence flow {id:?} has no {attribute}"),
                );
                return None;
            };
            let target = self.by_id.get(reference).copied();
            if target.is_none() && !self.refused.contains(&reference) {
                let words = format!(
                    "sequence flow {id:?}: {attribute} {reference:?} is not a flow node of this process. Connect it to one, or delete the flow"
                );
                found.error(el.attribute_position(attribute), Some(&id), "dangling-reference", words);
            }
            target
        };
        let (Some(source), Some(target)) = (end("sourceRef"), end("targetRef")) else {
            return;
        };
        if self.nodes[source].parent != self.nodes[target].parent {
            let words = format!(
                "sequence flow {id:?} leads from {:?} to {:?}, across the border of a sub-process. A flow stays inside; draw it from or to the sub-process itself, or move the element",
                self.nodes[source].id, self.nodes[target].id
            );
            found.error(el.position(), Some(&id), "flow-across-scope", words);
            return;
        }
        self.flows.push(DrawnFlow { el, id, source, target });
    }

    fn check_attached(&self, found: &mut Findings) {
        for node in self.nodes.iter().filter(|node| node.el.name() == "boundaryEvent") {
            let reference = node.el.attribute("attachedToRef").unwrap_or_default();
            match self.by_id.get(reference).map(|host| &self.nodes[*host]) {
                Some(host) if host.el.attribute("triggeredByEvent") == Some("true") => {
                    let words = format!(
                        "boundary event {:?} is attached to the event sub-process {:?}, which can have none. Draw it inside, on an activity",
                        node.id, host.id
                    );
                    found.error(node.el.position(), Some(node.id), "attached-to", words);
                }
                Some(host) if host.parent == node.parent && is_activity(host.el.name()) => {}
                Some(host) => {
                    let what = if is_activity(host.el.name()) {
                        "which is in another sub-process. Attach it to an activity beside it".to_owned()
                    } else {
                        format!(
                            "which is no activity but {} {}. Only activities have boundary events: attach it to a task, sub-process or call activity",
                            super::constraint::article(host.el.name()),
                            host.el.name()
                        )
                    };
                    let words = format!("boundary event {:?} is attached to {:?}, {what}", node.id, host.id);
                    found.error(node.el.attribute_position("attachedToRef"), Some(node.id), "attached-to", words);
                }
                None if self.refused.contains(&reference) => {}
                None => {
                    let words = format!(
                        "boundary event {:?}: attachedToRef {reference:?} is not an activity of this process. Attach it to one",
                        node.id
                    );
                    found.error(node.el.position(), Some(node.id), "dangling-reference", words);
                }
            }
        }
    }

    /// Boundary events with their hosts.
    pub(crate) fn attached(&self) -> impl Iterator<Item = (usize, usize)> {
        self.nodes.iter().enumerate().filter(|(_, node)| node.el.name() == "boundaryEvent").filter_map(
            |(index, node)| {
                let host = self.by_id.get(node.el.attribute("attachedToRef")?)?;
                Some((index, *host))
            },
        )
    }

    pub(crate) fn outgoing(&self, index: usize) -> impl Iterator<Item = &DrawnFlow<'d>> {
        self.flows.iter().filter(move |flow| flow.source == index)
    }

    pub(crate) fn index_of(&self, id: &str) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    pub(crate) fn is_event_sub_process(&self, index: usize) -> bool {
        let el = self.nodes[index].el;
        el.name() == "subProcess" && el.attribute("triggeredByEvent") == Some("true")
    }

    pub(crate) fn position(&self, index: usize) -> Position {
        self.nodes[index].el.position()
    }
}

pub(crate) fn is_activity(kind: &str) -> bool {
    kind.ends_with("ask") || matches!(kind, "subProcess" | "transaction" | "adHocSubProcess" | "callActivity")
}

/// Where tokens start in the process and in each sub-process: its none start events; without any start event, every node
/// that no flow leads to (BPMN 2.0.2, 10.5.2).
pub(crate) fn starts(
    drawn: &Drawn<'_>,
    graph: &Graph<FlowNode, SequenceFlow>,
) -> BTreeMap<Option<NodeIx>, Vec<NodeIx>> {
    let mut members: BTreeMap<Option<NodeIx>, Vec<NodeIx>> = BTreeMap::new();
    for (index, node) in drawn.nodes.iter().enumerate() {
        members.entry(node.parent.map(NodeIx::new)).or_default().push(NodeIx::new(index));
    }
    let choose = |nodes: Vec<NodeIx>| {
        let events: Vec<NodeIx> = nodes.iter().copied().filter(|ix| graph[*ix].element.start().is_some()).collect();
        if events.is_empty() {
            let free = |ix: &NodeIx| {
                let by_itself = match &graph[*ix].element {
                    Behaviour::BoundaryEvent(_) => false,
                    Behaviour::IntermediateCatchEvent(event) => event.trigger.is_some(),
                    Behaviour::SubProcess(sub_process) => !sub_process.by_event,
                    Behaviour::ReceiveTask(task) => !task.instantiates,
                    Behaviour::EventBasedGateway(gateway) => !gateway.instantiates,
                    _others => true,
                };
                graph[*ix].incoming.is_empty() && by_itself && !graph[*ix].for_compensation
            };
            nodes.into_iter().filter(free).collect()
        } else {
            events
                .into_iter()
                .filter(|ix| graph[*ix].element.start().is_some_and(|start| start.trigger.is_none()))
                .collect()
        }
    };
    let by_hand = |parent: &Option<NodeIx>| parent.is_some_and(|parent| graph[parent].element.ad_hoc().is_some());
    members.into_iter().filter(|(parent, _)| !by_hand(parent)).map(|(parent, nodes)| (parent, choose(nodes))).collect()
}

/// The start events of event sub-processes, by the process (`None`) or sub-process around those.
pub(crate) fn event_starts(
    drawn: &Drawn<'_>,
    graph: &Graph<FlowNode, SequenceFlow>,
) -> BTreeMap<Option<NodeIx>, Vec<NodeIx>> {
    let mut starts: BTreeMap<Option<NodeIx>, Vec<NodeIx>> = BTreeMap::new();
    for (index, node) in drawn.nodes.iter().enumerate() {
        let around = node.parent.filter(|parent| drawn.is_event_sub_process(*parent));
        if let Some(around) = around
            && graph[NodeIx::new(index)].element.start().is_some()
        {
            starts.entry(drawn.nodes[around].parent.map(NodeIx::new)).or_default().push(NodeIx::new(index));
        }
    }
    starts
}
