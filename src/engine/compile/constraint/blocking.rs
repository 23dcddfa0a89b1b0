//! Parallel joins that wait for ever. A join needs a token on each of its incoming flows; behind an exclusive split only one
//! of them gets one.
//!
//! Judged from the drawing alone, and only where it is certain: `most` bounds the tokens that can ever arrive from above
//! (a choice gives the larger side, a fork the sum, a join inside is not counted), `least` those that surely arrive from
//! below. Where a loop forks, or an event can happen again and again, there is no bound and no finding.

use super::level::Level;
use crate::base::diagnostic::Findings;
use crate::bpmn::names;
use std::collections::{BTreeMap, BTreeSet};

/// Joins times nodes, and times forks: a larger level is not judged, rather than slowly.
const WORK_MAX: usize = 2_000_000;
/// More tokens than any join waits for.
const UNBOUNDED: usize = usize::MAX;

pub(super) fn check(level: &Level<'_, '_, '_>, found: &mut Findings) {
    let joins: Vec<usize> = level.of_kind("parallelGateway").filter(|node| level.incoming[*node].len() > 1).collect();
    let size = joins.len().saturating_mul(level.members.len());
    if size > WORK_MAX {
        return;
    }
    let forks = level.members.iter().filter(|node| is_fork(level, **node)).count();
    let swept = level.before(level.of_kind("endEvent").filter(|node| has_definition(level, *node)));
    // The second question asks for each fork.
    let swept = Some(swept).filter(|_| size.saturating_mul(forks) <= WORK_MAX);
    for join in joins {
        Before::of(level, join, swept.as_ref()).judge(found);
    }
}

/// What lies before a join.
struct Before<'l, 'w, 'm, 'd> {
    level: &'l Level<'w, 'm, 'd>,
    join: usize,
    /// Every node with a way to the join, and the join.
    nodes: BTreeSet<usize>,
    /// Against the flow, from the join on; none where there is a loop.
    order: Option<Vec<usize>>,
    /// Nodes with a way to an end event that may end the level as a whole, or whose end is not to be foreseen.
    swept: Option<&'l BTreeSet<usize>>,
}

impl<'l, 'w, 'm, 'd> Before<'l, 'w, 'm, 'd> {
    fn of(level: &'l Level<'w, 'm, 'd>, join: usize, swept: Option<&'l BTreeSet<usize>>) -> Self {
        let mut before = Self { level, join, nodes: level.before([join]), order: None, swept };
        before.order = before.against_the_flow();
        before
    }

    /// What follows a node on the way to the join; behind the join nothing counts.
    fn next(&self, node: usize) -> impl Iterator<Item = usize> {
        let behind = node == self.join;
        self.level.next(node).filter(move |next| !behind && self.nodes.contains(next))
    }

    fn against_the_flow(&self) -> Option<Vec<usize>> {
        let mut ahead: BTreeMap<usize, usize> =
            self.nodes.iter().map(|node| (*node, self.next(*node).count())).collect();
        let mut previous: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for node in &self.nodes {
            self.next(*node).for_each(|next| previous.entry(next).or_default().push(*node));
        }
        let mut order = vec![self.join];
        let mut done = 0;
        while let Some(node) = order.get(done).copied() {
            done += 1;
            for source in previous.get(&node).into_iter().flatten() {
                let left = ahead.get_mut(source)?;
                *left -= 1;
                if *left == 0 {
                    order.push(*source);
                }
            }
        }
        (order.len() == self.nodes.len()).then_some(order)
    }

    fn judge(&self, found: &mut Findings) {
        let level = self.level;
        let needed = level.incoming[self.join].len();
        let most = self.most();
        let from = |node: usize| most.get(&node).copied().unwrap_or(0);
        // Of triggered start events one begins an instance, of those without trigger all do.
        let (waiting, free): (Vec<usize>, Vec<usize>) = level.begins().into_iter().partition(|node| self.waits(*node));
        let together = free.into_iter().map(from).fold(0, usize::saturating_add);
        let arriving = waiting.into_iter().map(from).fold(together, usize::max);
        let id = level.id(self.join);
        if arriving == 0 {
            return; // no token reaches it at all: `path` says that
        }
        let split = self.nodes.iter().copied().find(|node| is_choice(level, *node) && self.next(*node).count() > 1);
        let words = match split {
            Some(split) if arriving < needed => format!(
                "{id:?}: this parallel gateway waits for a token on each of its {needed} incoming flows, but at most {arriving} can arrive: {:?} takes only one of its flows. Merge with an exclusive gateway, or split with a parallel one",
                level.id(split)
            ),
            None if arriving < needed => format!(
                "{id:?}: this parallel gateway waits for a token on each of its {needed} incoming flows, but at most {arriving} can arrive. Merge with an exclusive gateway, or split with a parallel one"
            ),
            Some(_) | None => match self.leaving(&most).filter(|_| arriving == needed) {
                Some((away, flow)) => format!(
                    "{id:?}: this parallel gateway waits for ever once {:?} takes the flow {flow:?}, which leads past it, while another path is under way to it. Lead {flow:?} to the gateway too, or let it end in a terminate end event",
                    level.id(away)
                ),
                None => return,
            },
        };
        found.warn(level.el(self.join).position(), Some(id), "join-never-complete", words);
    }

    fn waits(&self, node: usize) -> bool {
        self.level.kind(node) == "startEvent" && has_definition(self.level, node)
    }

    /// Upper bounds of the tokens that arrive at the join for one token at a node.
    fn most(&self) -> BTreeMap<usize, usize> {
        let Some(order) = &self.order else {
            // One token stays one, however often it goes around, where nothing before the join makes two of it.
            let splits = self.nodes.iter().any(|node| {
                let several = self.flows(*node).len() > 1 && !is_choice(self.level, *node);
                several || self.repeats(*node)
            });
            let bound = if splits { UNBOUNDED } else { 1 };
            return self.nodes.iter().map(|node| (*node, bound)).collect();
        };
        let mut most = BTreeMap::from([(self.join, 1)]);
        for node in order.iter().copied().filter(|node| *node != self.join) {
            let of = |next: usize| most.get(&next).copied().unwrap_or(0);
            let flows = self.flows(node).into_iter().map(of);
            let own = if is_choice(self.level, node) {
                flows.max().unwrap_or(0)
            } else {
                flows.fold(0, usize::saturating_add)
            };
            let events = self.level.boundary[node].iter().filter(|event| self.nodes.contains(event));
            let own = events.map(|event| of(*event)).fold(own, usize::max);
            most.insert(node, if self.repeats(node) { UNBOUNDED } else { own });
        }
        most
    }

    /// Targets of the flows and the link of a node, of those before the join.
    fn flows(&self, node: usize) -> Vec<usize> {
        if node == self.join {
            return Vec::new();
        }
        let level = self.level;
        let flows = level.outgoing[node].iter().map(|flow| level.drawn.flows[*flow].target);
        flows.chain(level.links.get(&node).copied()).filter(|next| self.nodes.contains(next)).collect()
    }

    /// Whether one token here can send any number on: an event that does not interrupt, a quantity, an unknown gateway.
    fn repeats(&self, node: usize) -> bool {
        let level = self.level;
        let el = level.el(node);
        let goes_on =
            |event: &usize| self.nodes.contains(event) && level.el(*event).attribute("cancelActivity") == Some("false");
        level.boundary[node].iter().any(goes_on)
            || level.kind(node) == "complexGateway"
            || el.attribute("completionQuantity").is_some_and(|quantity| quantity != "1")
    }

    /// A choice behind a fork with a way past the join, while the fork's other side surely arrives there.
    fn leaving(&self, most: &BTreeMap<usize, usize>) -> Option<(usize, String)> {
        let order = self.order.as_ref()?;
        let level = self.level;
        let least = self.least(order);
        let forks = self.nodes.iter().copied().filter(|node| *node != self.join && is_fork(level, *node));
        for fork in forks {
            let sides = self.flows(fork);
            for side in &sides {
                let surely =
                    sides.iter().any(|other| other != side && least.get(other).is_some_and(|least| *least > 0));
                if !surely || most.get(side).is_none_or(|most| *most == 0) {
                    continue;
                }
                if let Some(away) = self.way_past(*side) {
                    return Some(away);
                }
            }
        }
        None
    }

    /// Lower bounds: tokens that surely arrive at the join for one token at a node.
    fn least(&self, order: &[usize]) -> BTreeMap<usize, usize> {
        let level = self.level;
        let mut least = BTreeMap::from([(self.join, 1)]);
        for node in order.iter().copied().filter(|node| *node != self.join) {
            let of = |next: usize| least.get(&next).copied().unwrap_or(0);
            let targets = level.outgoing[node].iter().map(|flow| level.drawn.flows[*flow].target);
            let own = match level.kind(node) {
                "exclusiveGateway" | "eventBasedGateway" => targets.map(of).min().unwrap_or(0),
                "inclusiveGateway" | "complexGateway" => 0,
                "parallelGateway" if level.incoming[node].len() > 1 => 0,
                _others => {
                    let sure = level.outgoing[node].iter().filter(|flow| {
                        level.drawn.flows[**flow].el.child(names::BPMN, "conditionExpression").is_none()
                    });
                    let sure = sure.map(|flow| of(level.drawn.flows[*flow].target));
                    sure.fold(level.links.get(&node).map_or(0, |target| of(*target)), usize::saturating_add)
                }
            };
            let interrupted = level.boundary[node].iter().map(|event| of(*event));
            least.insert(node, interrupted.fold(own, usize::min));
        }
        least
    }

    /// On the ways from here to the join, the first choice with a flow that never comes there, and that nothing cleans up
    /// behind.
    fn way_past(&self, side: usize) -> Option<(usize, String)> {
        let (level, swept) = (self.level, self.swept?);
        let (mut seen, mut pending) = (BTreeSet::new(), vec![side]);
        while let Some(node) = pending.pop() {
            if node == self.join || !seen.insert(node) {
                continue;
            }
            if level.kind(node) == "parallelGateway" && level.incoming[node].len() > 1 {
                continue; // what happens there hangs on others
            }
            if matches!(level.kind(node), "exclusiveGateway" | "eventBasedGateway") {
                for flow in &level.outgoing[node] {
                    let target = level.drawn.flows[*flow].target;
                    if !self.nodes.contains(&target) && !swept.contains(&target) {
                        return Some((node, level.drawn.flows[*flow].id.clone()));
                    }
                }
            }
            pending.extend(self.next(node));
        }
        None
    }
}

/// A start event that waits for something, or an end event that is more than an end.
fn has_definition(level: &Level<'_, '_, '_>, node: usize) -> bool {
    level.el(node).children().any(|el| {
        el.namespace() == names::BPMN && (el.name().ends_with("EventDefinition") || el.name() == "eventDefinitionRef")
    })
}

fn is_choice(level: &Level<'_, '_, '_>, node: usize) -> bool {
    matches!(level.kind(node), "exclusiveGateway" | "eventBasedGateway")
}

fn is_fork(level: &Level<'_, '_, '_>, node: usize) -> bool {
    let unconditional = level.outgoing[node].iter().all(|flow| {
        let el = level.drawn.flows[*flow].el;
        el.child(names::BPMN, "conditionExpression").is_none()
    });
    let plain = !is_choice(level, node) && !matches!(level.kind(node), "inclusiveGateway" | "complexGateway");
    plain && unconditional && level.outgoing[node].len() > 1
}
