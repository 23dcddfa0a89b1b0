//! The board of the token game: where the pieces of one instance stand, and what may follow from that.
//!
//! Written from BPMN 2.0.2, chapter 13, not from the engine.

use crate::base::id::{ElementId, InstanceId, LocalId, ScopeId, TokenId};
use crate::engine::definition::{FlowIx, NodeIx, Process};
use crate::engine::instance::{InstanceState, ScopeKind};
use petgraph::visit::EdgeRef;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One instance's game.
#[derive(Debug)]
pub struct Game {
    pub(super) process: Arc<Process>,
    pub(super) pieces: BTreeMap<TokenId, Piece>,
    pub(super) boards: BTreeMap<ScopeId, Board>,
    pub(super) armed: BTreeMap<LocalId, Armed>,
    /// The highest number seen; numbers only grow.
    pub(super) last: u32,
    /// Flows whose tokens a join has taken, until it is left.
    pub(super) joined: BTreeMap<(ScopeId, NodeIx), Vec<FlowIx>>,
    /// Flows whose tokens a complex gateway has taken, until it is left.
    pub(super) begun: BTreeMap<(ScopeId, NodeIx), BTreeSet<FlowIx>>,
    /// Throwers that went on before all was undone: nothing follows when they leave.
    pub(super) gone_on: BTreeSet<TokenId>,
    pub(super) departure: Option<Departure>,
    /// Entries without a flow that something has announced.
    pub(super) announced: Vec<Announced>,
    /// Armed events for which a signal was thrown, and that have not heard it yet.
    pub(super) unheard: BTreeSet<LocalId>,
    /// Who threw it.
    pub(super) thrower: Option<TokenId>,
    /// Activities that are about to be left, and that can be undone from now on.
    pub(super) noted: Vec<(ScopeId, NodeIx)>,
    pub(super) state: InstanceState,
}

#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) at: NodeIx,
    pub(super) scope: ScopeId,
    pub(super) via: Option<FlowIx>,
    pub(super) work: Work,
    pub(super) incident: bool,
    /// What it waited for has happened, or it was placed by an event.
    pub(super) fired: bool,
    /// The save point before its element is behind it.
    pub(super) let_in: bool,
    /// Its join has fired, and it has not left it yet: a save point, or an incident, lies between.
    pub(super) has_joined: bool,
}

/// What someone else does for a piece; it may not leave before that is over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Work {
    None,
    Job,
    Task,
    Call(InstanceId),
}

#[derive(Clone, Debug)]
pub(super) struct Board {
    pub(super) parent: Option<ScopeId>,
    pub(super) kind: ScopeKind,
    pub(super) owner: Option<TokenId>,
    pub(super) node: Option<NodeIx>,
    /// Start nodes that have had their token.
    pub(super) started: BTreeSet<NodeIx>,
    /// Of a multi-instance body.
    pub(super) wanted: Option<u64>,
    pub(super) done: u64,
    pub(super) cut_short: bool,
    /// What was completed here and can be undone, by its number.
    pub(super) undoable: BTreeMap<LocalId, Undoable>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Undoable {
    pub(super) node: NodeIx,
    pub(super) kept: Option<ScopeId>,
}

/// A piece has left its node; the flows that follow belong to it.
#[derive(Clone, Debug)]
pub(super) struct Departure {
    pub(super) node: NodeIx,
    pub(super) scope: ScopeId,
    pub(super) inner: bool,
    pub(super) taken: Vec<FlowIx>,
    /// Taken, but its token has not arrived yet.
    pub(super) pending: Option<FlowIx>,
}

/// An event that waits: with a token, or with the scope whose event sub-process it begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Armed {
    pub(super) owner: TokenId,
    pub(super) scope: Option<ScopeId>,
    pub(super) node: NodeIx,
}

#[derive(Clone, Debug)]
pub(super) struct Announced {
    pub(super) scope: ScopeId,
    pub(super) node: NodeIx,
    /// The interrupted host, gone before the event's token is there.
    pub(super) interrupts: Option<TokenId>,
    /// An event sub-process that interrupts: nothing else is left in its scope.
    pub(super) alone: bool,
}

impl Game {
    pub(super) fn new(process: Arc<Process>) -> Self {
        Self {
            process,
            pieces: BTreeMap::new(),
            boards: BTreeMap::new(),
            armed: BTreeMap::new(),
            last: 0,
            joined: BTreeMap::new(),
            begun: BTreeMap::new(),
            gone_on: BTreeSet::new(),
            departure: None,
            announced: Vec::new(),
            unheard: BTreeSet::new(),
            thrower: None,
            noted: Vec::new(),
            state: InstanceState::Active,
        }
    }

    pub fn state(&self) -> InstanceState {
        self.state
    }

    /// The marking: each live token, its scope, its element.
    pub fn marking(&self) -> BTreeMap<TokenId, (ScopeId, ElementId)> {
        self.pieces.iter().map(|(id, piece)| (*id, (piece.scope, self.name(piece.at)))).collect()
    }

    pub(super) fn name(&self, node: NodeIx) -> ElementId {
        self.process.node(node).id.clone()
    }

    pub(super) fn kind(&self, node: NodeIx) -> &'static str {
        self.process.node(node).kind
    }

    pub(super) fn is_inner(&self, scope: ScopeId) -> bool {
        self.boards.get(&scope).is_some_and(|board| board.kind == ScopeKind::Inner)
    }

    /// Gateways that wait for several flows.
    pub(super) fn is_join(&self, node: NodeIx) -> bool {
        let node = self.process.node(node);
        node.incoming.len() > 1 && matches!(node.kind, "parallelGateway" | "inclusiveGateway")
    }

    /// Gateways that wait for several flows, all at once or in two phases.
    pub(super) fn gathers_flows(&self, node: NodeIx) -> bool {
        let of = self.process.node(node);
        self.is_join(node) || (of.kind == "complexGateway" && of.incoming.len() > 1)
    }

    /// Where tokens are taken together with others.
    pub(super) fn gathers(&self, node: NodeIx) -> bool {
        self.gathers_flows(node) || self.process.node(node).quantities.0 > 1
    }

    /// Nothing moves any more: what should have gone on by itself is stuck.
    pub fn stuck(&self) -> Option<String> {
        if self.state != InstanceState::Active {
            return None;
        }
        let empty = self.boards.iter().find(|(id, board)| {
            matches!(board.kind, ScopeKind::Process | ScopeKind::SubProcess | ScopeKind::Compensation)
                && board.node.is_none_or(|node| self.process.node(node).element.ad_hoc().is_none())
                && !self.pieces.values().any(|piece| piece.scope == **id)
        });
        if let Some((id, _)) = empty {
            return Some(format!("scope {id} holds no token and is not done"));
        }
        if let Some((id, piece)) = self.pieces.iter().find(|(id, piece)| !self.waits(**id, piece)) {
            return Some(format!("token {id} stands at {} and waits for nothing", self.name(piece.at)));
        }
        let waiting: BTreeSet<(ScopeId, NodeIx)> = self.at_joins().map(|piece| (piece.scope, piece.at)).collect();
        waiting
            .into_iter()
            .chain(self.begun.keys().copied())
            .find(|(scope, node)| self.should_fire(*scope, *node))
            .map(|(scope, node)| format!("{} in scope {scope} has what it needs and did not go on", self.name(node)))
    }

    /// All that is left waits for tokens that do not come: no work is open, no event is waited for. Who waits for what.
    pub fn blocked(&self) -> Result<Vec<String>, String> {
        let mut waiting = Vec::new();
        for (id, piece) in &self.pieces {
            let called = matches!(piece.work, Work::Call(_)) && !piece.incident;
            if self.gathers(piece.at) && piece.work == Work::None && !piece.incident {
                waiting.push(format!("token {id} at {}", self.name(piece.at)));
            } else if !called && !self.boards.values().any(|board| board.owner == Some(*id)) {
                return Err(format!("token {id} at {} waits for something that does not happen", self.name(piece.at)));
            }
        }
        Ok(waiting)
    }

    /// It waits for work, an event, a person, what is in it, or other tokens.
    fn waits(&self, id: TokenId, piece: &Piece) -> bool {
        piece.work != Work::None
            || piece.incident
            || self.process.node(piece.at).element.waits_to_be_told()
            || (self.gathers(piece.at) && !self.is_inner(piece.scope))
            || self.armed.values().any(|armed| armed.owner == id)
            || self.boards.values().any(|board| board.owner == Some(id) && board.kind != ScopeKind::Activity)
    }

    fn at_joins(&self) -> impl Iterator<Item = &Piece> {
        self.pieces.values().filter(|piece| self.is_join(piece.at) && self.is_parked(piece))
    }

    fn is_parked(&self, piece: &Piece) -> bool {
        piece.work == Work::None && !piece.incident && !piece.has_joined
    }

    fn should_fire(&self, scope: ScopeId, join: NodeIx) -> bool {
        let here = self.pieces.values().filter(|piece| (piece.scope, piece.at) == (scope, join));
        let here = here.filter(|piece| self.is_parked(piece));
        let mut full: BTreeSet<FlowIx> = here.filter_map(|piece| piece.via).collect();
        if self.kind(join) == "parallelGateway" {
            return self.process.node(join).incoming.iter().all(|flow| full.contains(flow));
        }
        full.extend(self.begun.get(&(scope, join)).into_iter().flatten());
        self.still_coming(scope, join, &full).is_none()
    }

    /// BPMN 2.0.2, 13.4.3: a token that can reach an empty flow of an inclusive join, without passing the join, and no
    /// flow that has a token. Asked of paths "formed by sequence flow", and again of those that boundary events begin: a
    /// token may come by them as well, but they excuse no token that comes by sequence flows.
    pub(super) fn still_coming(&self, scope: ScopeId, join: NodeIx, full: &BTreeSet<FlowIx>) -> Option<NodeIx> {
        let misses = |reached: BTreeSet<FlowIx>| {
            let (full, empty): (Vec<FlowIx>, Vec<FlowIx>) = reached.into_iter().partition(|flow| full.contains(flow));
            !empty.is_empty() && full.is_empty()
        };
        let here = self.pieces.iter().filter(|(_, piece)| piece.scope == scope);
        let mut coming = here.filter(|(id, piece)| {
            if piece.at == join {
                return self.is_arriving(piece) && piece.via.is_some_and(|flow| !full.contains(&flow));
            }
            let paths = [false, true].map(|events| self.reached(piece.at, join, events));
            !self.has_gone_on(**id, piece) && paths.into_iter().any(misses)
        });
        coming.next().map(|(_, piece)| piece.at)
    }

    /// It stands before its element, at a save point that is still open, or with an incident.
    fn is_arriving(&self, piece: &Piece) -> bool {
        let saved = piece.work == Work::Job && !piece.let_in && self.process.node(piece.at).async_before;
        !piece.has_joined && !piece.fired && (saved || piece.incident)
    }

    /// Its token has gone on already, and lies on no flow: a complex gateway that waits for reset (13.4.5), a throwing
    /// event that did not wait.
    fn has_gone_on(&self, id: TokenId, piece: &Piece) -> bool {
        self.gone_on.contains(&id) || (piece.fired && self.begun.contains_key(&(piece.scope, piece.at)))
    }

    /// Incoming flows of `join` to which a path leads from a node: by sequence flows and links, and by boundary `events`.
    fn reached(&self, from: NodeIx, join: NodeIx, events: bool) -> BTreeSet<FlowIx> {
        let (mut seen, mut pending, mut reached) = (BTreeSet::new(), vec![from], BTreeSet::new());
        while let Some(node) = pending.pop() {
            if !seen.insert(node) {
                continue;
            }
            if events {
                pending.extend(&self.process.node(node).boundary);
            }
            pending.extend(self.process.links.get(&node));
            for edge in self.process.graph.edges(node) {
                if edge.target() == join {
                    reached.insert(edge.id());
                } else {
                    pending.push(edge.target());
                }
            }
        }
        reached
    }
}
