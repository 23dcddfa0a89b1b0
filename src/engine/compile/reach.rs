//! For each inclusive or complex join and incoming flow: from which nodes a token can still arrive on that flow without passing the
//! join (BPMN 2.0.2, 13.4.3). Made once, at deployment.

use crate::engine::definition::{FlowIx, FlowNode, NodeIx, SequenceFlow};
use crate::engine::elements::Element;
use petgraph::Direction;
use petgraph::graph::Graph;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) fn of_inclusive_joins(
    graph: &Graph<FlowNode, SequenceFlow>,
    links: &BTreeMap<NodeIx, NodeIx>,
) -> BTreeMap<(NodeIx, FlowIx), BTreeSet<NodeIx>> {
    let joins = graph.node_indices().filter(|ix| {
        matches!(graph[*ix].element, Element::InclusiveGateway(_) | Element::ComplexGateway(_))
            && graph[*ix].incoming.len() > 1
    });
    let flows = joins.flat_map(|join| graph[join].incoming.iter().map(move |flow| (join, *flow)));
    flows.map(|(join, flow)| ((join, flow), before(graph, links, join, flow))).collect()
}

fn before(
    graph: &Graph<FlowNode, SequenceFlow>,
    links: &BTreeMap<NodeIx, NodeIx>,
    join: NodeIx,
    flow: FlowIx,
) -> BTreeSet<NodeIx> {
    let hosts: BTreeMap<NodeIx, NodeIx> =
        graph.node_indices().flat_map(|host| graph[host].boundary.iter().map(move |event| (*event, host))).collect();
    let (mut seen, mut pending) = (BTreeSet::new(), Vec::new());
    pending.extend(graph.edge_endpoints(flow).map(|(source, _)| source));
    while let Some(node) = pending.pop() {
        if node == join || !seen.insert(node) {
            continue;
        }
        pending.extend(graph.neighbors_directed(node, Direction::Incoming));
        pending.extend(hosts.get(&node));
        pending.extend(links.iter().filter(|(_, target)| **target == node).map(|(source, _)| *source));
    }
    seen
}
