//! Link events: pairs of a throwing and a catching event of one name in one scope, instead of a long sequence flow.
//!
//! BPMN 2.0.2, 10.5.5: "there can be multiple source Link Events, but there can only be one target Link Event"; link events
//! are "limited to a single Process level".

use super::Element;
use super::flow::{Drawn, DrawnNode};
use crate::base::diagnostic::Findings;
use crate::bpmn::names;
use crate::engine::definition::NodeIx;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn pairs(drawn: &Drawn<'_>, found: &mut Findings) -> BTreeMap<NodeIx, NodeIx> {
    let mut targets: BTreeMap<(Option<usize>, &str), usize> = BTreeMap::new();
    for (index, node, name) in links(drawn, "intermediateCatchEvent") {
        if let Some(first) = targets.insert((node.parent, name), index) {
            let words = format!(
                "{:?}: {:?} already catches the link {name:?} here, and only one event can. Give one of them another name",
                node.id, drawn.nodes[first].id
            );
            found.error(node.el.position(), Some(node.id), "several-link-targets", words);
        }
    }
    without_source(drawn, &targets, found);
    let mut pairs = BTreeMap::new();
    for (index, node, name) in links(drawn, "intermediateThrowEvent") {
        match targets.get(&(node.parent, name)) {
            Some(target) => {
                pairs.insert(NodeIx::new(index), NodeIx::new(*target));
            }
            None => {
                let words = format!(
                    "{:?}: no event catches the link {name:?} in this process or sub-process. Draw a catching link event of \
                     this name",
                    node.id
                );
                found.error(node.el.position(), Some(node.id), "link-without-target", words);
            }
        }
    }
    pairs
}

/// No token ever comes to a catching link that nobody throws. Where other links lead on, it is a left-over; where none does,
/// the one that was meant is missing.
fn without_source(drawn: &Drawn<'_>, targets: &BTreeMap<(Option<usize>, &str), usize>, found: &mut Findings) {
    let mut thrown: BTreeMap<Option<usize>, BTreeSet<&str>> = BTreeMap::new();
    for (_, node, name) in links(drawn, "intermediateThrowEvent") {
        thrown.entry(node.parent).or_default().insert(name);
    }
    for ((parent, name), index) in targets {
        let here = thrown.get(parent);
        if here.is_some_and(|names| names.contains(name)) {
            continue;
        }
        let node = &drawn.nodes[*index];
        let words = format!(
            "{:?}: no event throws the link {name:?} in this process or sub-process, so no token ever comes here. Draw a \
             throwing link event of this name, or remove this one",
            node.id
        );
        if here.is_some() {
            found.warn(node.el.position(), Some(node.id), "link-without-source", words);
        } else {
            found.error(node.el.position(), Some(node.id), "link-without-source", words);
        }
    }
}

fn links<'m, 'd>(
    drawn: &'m Drawn<'d>,
    kind: &'static str,
) -> impl Iterator<Item = (usize, &'m DrawnNode<'d>, &'d str)> {
    let name = |el: Element<'d>| el.child(names::BPMN, "linkEventDefinition")?.attribute("name");
    let nodes = drawn.nodes.iter().enumerate().filter(move |(_, node)| node.el.name() == kind);
    nodes.filter_map(move |(index, node)| Some((index, node, name(node.el)?)))
}
