//! The flow nodes of one level (a process, or one sub-process in it) as a graph, for rules about ways through it.

use crate::bpmn::names;
use crate::engine::compile::Element;
use crate::engine::compile::flow::Drawn;
use crate::engine::definition::NodeIx;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

/// What all levels of a process share.
pub(super) struct Ways<'m, 'd> {
    pub(super) drawn: &'m Drawn<'d>,
    /// Of every node: the flows that leave it (index in `drawn.flows`).
    pub(super) outgoing: Vec<Vec<usize>>,
    pub(super) incoming: Vec<Vec<usize>>,
    /// Of every node: the boundary events on it.
    pub(super) boundary: Vec<Vec<usize>>,
    /// The activity that a boundary event is on.
    hosts: BTreeMap<usize, usize>,
    /// Throwing link events with the event that catches them.
    pub(super) links: BTreeMap<usize, usize>,
    /// Catching link events with those that throw to them.
    pub(super) linked: BTreeMap<usize, Vec<usize>>,
}

pub(super) struct Level<'w, 'm, 'd> {
    ways: &'w Ways<'m, 'd>,
    /// The nodes of the level.
    pub(super) members: Vec<usize>,
    /// The sub-process that the level is in.
    pub(super) parent: Option<usize>,
}

impl<'m, 'd> Deref for Level<'_, 'm, 'd> {
    type Target = Ways<'m, 'd>;

    fn deref(&self) -> &Self::Target {
        self.ways
    }
}

impl<'m, 'd> Ways<'m, 'd> {
    pub(super) fn of(drawn: &'m Drawn<'d>, pairs: &BTreeMap<NodeIx, NodeIx>) -> Self {
        let empty = || vec![Vec::new(); drawn.nodes.len()];
        let (mut outgoing, mut incoming, mut boundary) = (empty(), empty(), empty());
        for (index, flow) in drawn.flows.iter().enumerate() {
            outgoing[flow.source].push(index);
            incoming[flow.target].push(index);
        }
        drawn.attached().for_each(|(event, host)| boundary[host].push(event));
        let links: BTreeMap<usize, usize> = pairs.iter().map(|(from, to)| (from.index(), to.index())).collect();
        let mut linked: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        links.iter().for_each(|(from, to)| linked.entry(*to).or_default().push(*from));
        let hosts = drawn.attached().collect();
        Self { drawn, outgoing, incoming, boundary, hosts, links, linked }
    }

    pub(super) fn levels(&self) -> Vec<Level<'_, 'm, 'd>> {
        let mut members: BTreeMap<Option<usize>, Vec<usize>> = BTreeMap::new();
        for (index, node) in self.drawn.nodes.iter().enumerate() {
            members.entry(node.parent).or_default().push(index);
        }
        members.into_iter().map(|(parent, members)| Level { ways: self, members, parent }).collect()
    }
}

impl<'d> Level<'_, '_, 'd> {
    pub(super) fn el(&self, node: usize) -> Element<'d> {
        self.drawn.nodes[node].el
    }

    pub(super) fn kind(&self, node: usize) -> &'d str {
        self.el(node).name()
    }

    pub(super) fn id(&self, node: usize) -> &'d str {
        self.drawn.nodes[node].id
    }

    /// Where a token that leaves a node may come next, on flows, links and boundary events.
    pub(super) fn next(&self, node: usize) -> impl Iterator<Item = usize> {
        let flows = self.outgoing[node].iter().map(|flow| self.drawn.flows[*flow].target);
        flows.chain(self.links.get(&node).copied()).chain(self.boundary[node].iter().copied())
    }

    /// Where a token at a node may have come from.
    fn previous(&self, node: usize) -> impl Iterator<Item = usize> {
        let flows = self.incoming[node].iter().map(|flow| self.drawn.flows[*flow].source);
        flows.chain(self.hosts.get(&node).copied()).chain(self.linked.get(&node).into_iter().flatten().copied())
    }

    /// Nodes where tokens of this level begin: its start events; without any, what no flow leads to.
    pub(super) fn begins(&self) -> Vec<usize> {
        let starts: Vec<usize> = self.of_kind("startEvent").collect();
        if !starts.is_empty() {
            return starts;
        }
        let free = |node: &usize| self.incoming[*node].is_empty() && !self.stands_alone(*node) && !self.is_link(*node);
        self.members.iter().copied().filter(free).collect()
    }

    pub(super) fn of_kind(&self, kind: &str) -> impl Iterator<Item = usize> {
        self.members.iter().copied().filter(move |node| self.kind(*node) == kind)
    }

    /// What needs no flow that leads to it: something else begins it.
    pub(super) fn stands_alone(&self, node: usize) -> bool {
        self.kind(node) == "boundaryEvent"
            || self.drawn.is_event_sub_process(node)
            || self.el(node).attribute("isForCompensation") == Some("true")
    }

    pub(super) fn is_link(&self, node: usize) -> bool {
        self.el(node).child(names::BPMN, "linkEventDefinition").is_some()
    }

    /// Adds every node on a way from these ones, with them.
    pub(super) fn reach(&self, from: impl IntoIterator<Item = usize>, seen: &mut BTreeSet<usize>) {
        let mut pending = Vec::from_iter(from);
        while let Some(node) = pending.pop() {
            if seen.insert(node) {
                pending.extend(self.next(node));
            }
        }
    }

    /// Every node with a way to one of these, with them.
    pub(super) fn before(&self, to: impl IntoIterator<Item = usize>) -> BTreeSet<usize> {
        let (mut seen, mut pending) = (BTreeSet::new(), Vec::from_iter(to));
        while let Some(node) = pending.pop() {
            if seen.insert(node) {
                pending.extend(self.previous(node));
            }
        }
        seen
    }

    /// In an ad-hoc sub-process activities begin in any order, led by no flow.
    pub(super) fn is_ad_hoc(&self) -> bool {
        self.parent.is_some_and(|parent| self.kind(parent) == "adHocSubProcess")
    }

    /// `process` or `sub-process`, as people say it.
    pub(super) fn called(&self) -> &'static str {
        if self.parent.is_some() { "sub-process" } else { "process" }
    }
}
