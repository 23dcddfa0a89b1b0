//! Ways through a level: nodes that no token reaches, and paths that stop short of an end event (BPMN 2.0.2, 10.5.2 and
//! 10.5.3: where start and end events are drawn, every other node has flows on both sides). A token may live with either,
//! so these are warnings.

use super::level::Level;
use crate::base::diagnostic::Findings;
use crate::bpmn::names;
use std::collections::BTreeSet;

pub(super) fn check(level: &Level<'_, '_, '_>, found: &mut Findings) {
    if level.is_ad_hoc() {
        return;
    }
    let reached = unreachable(level, found);
    ends_short(level, &reached, found);
}

/// Of nodes that follow one another only the first is reported: what leads on from it is mended with it. Gives those that
/// tokens do reach.
fn unreachable(level: &Level<'_, '_, '_>, found: &mut Findings) -> BTreeSet<usize> {
    let alone = level.members.iter().copied().filter(|node| level.stands_alone(*node) && !is_boundary(level, *node));
    let mut reachable = BTreeSet::new();
    level.reach(level.begins().into_iter().chain(alone), &mut reachable);
    let mut reached = reachable.clone();
    let lost = |node: &usize, reached: &BTreeSet<usize>| !reached.contains(node) && !is_boundary(level, *node);
    let (heads, circles): (Vec<usize>, Vec<usize>) = level
        .members
        .iter()
        .copied()
        .filter(|node| lost(node, &reached))
        .partition(|node| level.incoming[*node].is_empty() && !level.linked.contains_key(node));
    for node in heads.into_iter().chain(circles) {
        if !lost(&node, &reached) {
            continue;
        }
        let way = if level.incoming[node].is_empty() {
            "no sequence flow leads to it".to_owned()
        } else {
            format!("no way leads to it from a start of this {}", level.called())
        };
        let words = format!(
            "{:?}: no token can reach this element: {way}. Draw a sequence flow to it, or delete it",
            level.id(node)
        );
        found.warn(level.el(node).position(), Some(level.id(node)), "unreachable", words);
        level.reach([node], &mut reached);
    }
    reachable
}

fn is_boundary(level: &Level<'_, '_, '_>, node: usize) -> bool {
    level.kind(node) == "boundaryEvent"
}

fn ends_short(level: &Level<'_, '_, '_>, reached: &BTreeSet<usize>, found: &mut Findings) {
    if level.of_kind("endEvent").next().is_none() {
        return;
    }
    for node in reached.iter().copied().filter(|node| level.outgoing[*node].is_empty()) {
        let el = level.el(node);
        let compensates = el.attribute("isForCompensation") == Some("true")
            || el.child(names::BPMN, "compensateEventDefinition").is_some();
        let ends = match level.kind(node) {
            "endEvent" => true,
            // these have an error of their own
            "intermediateCatchEvent" | "intermediateThrowEvent" => true,
            _others => level.drawn.is_event_sub_process(node),
        };
        if !ends && !compensates {
            let words = format!(
                "{:?}: no sequence flow leaves this element, so its path ends here, though this {} has an end event. Draw a sequence flow on to an end event",
                level.id(node),
                level.called()
            );
            found.warn(el.position(), Some(level.id(node)), "path-without-end", words);
        }
    }
}
