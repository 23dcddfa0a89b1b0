//! For each inclusive or complex join: on which of its incoming flows a token can still arrive that stands at a node, without
//! passing the join (BPMN 2.0.2, 13.4.3). Made once, at deployment.

use crate::engine::definition::{FlowNode, NodeIx, Reach, Reached, SequenceFlow};
use crate::engine::elements::Element;
use fixedbitset::FixedBitSet;
use petgraph::Direction;
use petgraph::algo::kosaraju_scc;
use petgraph::graph::Graph;
use petgraph::visit::NodeFiltered;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Ways that tokens go.
type Ways = Graph<(), ()>;

pub(crate) fn of_inclusive_joins(
    graph: &Graph<FlowNode, SequenceFlow>,
    links: &BTreeMap<NodeIx, NodeIx>,
) -> BTreeMap<NodeIx, Reach> {
    let joins = graph.node_indices().filter(|ix| {
        matches!(graph[*ix].element, Element::InclusiveGateway(_) | Element::ComplexGateway(_))
            && graph[*ix].incoming.len() > 1
    });
    let joins: Vec<NodeIx> = joins.collect();
    if joins.is_empty() {
        return BTreeMap::new();
    }
    let mut flows: Ways = graph.map(|_, _| (), |_, _| ());
    for (from, to) in links {
        flows.add_edge(*from, *to, ());
    }
    let mut events = flows.clone();
    let attached = graph.node_indices().flat_map(|host| graph[host].boundary.iter().map(move |event| (host, *event)));
    for (host, event) in attached {
        events.add_edge(host, event, ());
    }
    let has_events = events.edge_count() > flows.edge_count();
    let reach = |join: NodeIx| {
        let by_flows = reached(graph, &flows, join);
        let with_events = has_events.then(|| reached(graph, &events, join));
        Reach { by_flows, with_events }
    };
    joins.into_iter().map(|join| (join, reach(join))).collect()
}

/// For each node before the join the incoming flows that a way leads to. Nodes in a loop have the same, and a node whose
/// ways all lead to one next shares what that has: a long way to a wide join takes little room.
fn reached(graph: &Graph<FlowNode, SequenceFlow>, ways: &Ways, join: NodeIx) -> BTreeMap<NodeIx, Reached> {
    let incoming = &graph[join].incoming;
    let mut into: BTreeMap<NodeIx, Vec<usize>> = BTreeMap::new();
    for (position, flow) in incoming.iter().enumerate() {
        if let Some((source, _)) = graph.edge_endpoints(*flow) {
            into.entry(source).or_default().push(position);
        }
    }
    let before = before(ways, join, into.keys().copied().collect());
    let near = NodeFiltered(ways, |node: NodeIx| before.contains(&node));
    let mut all: BTreeMap<NodeIx, Reached> = BTreeMap::new();
    // Those behind come first.
    for loops in kosaraju_scc(&near) {
        let own = loops.iter().filter_map(|node| into.get(node)).flatten();
        let mut set: FixedBitSet = own.copied().collect();
        let next = loops.iter().flat_map(|node| ways.neighbors(*node)).filter_map(|next| all.get(&next));
        let mut shared: Vec<Reached> = Vec::new();
        for reached in next {
            if !shared.iter().any(|known| Arc::ptr_eq(known, reached)) {
                shared.push(Arc::clone(reached));
            }
        }
        let reached = match shared.as_slice() {
            [one] if set.is_clear() => Arc::clone(one),
            several => {
                several.iter().for_each(|one| set.union_with(one));
                Arc::new(set)
            }
        };
        all.extend(loops.into_iter().map(|node| (node, Arc::clone(&reached))));
    }
    all
}

fn before(ways: &Ways, join: NodeIx, mut pending: Vec<NodeIx>) -> BTreeSet<NodeIx> {
    let mut seen = BTreeSet::new();
    while let Some(node) = pending.pop() {
        if node != join && seen.insert(node) {
            pending.extend(ways.neighbors_directed(node, Direction::Incoming));
        }
    }
    seen
}
