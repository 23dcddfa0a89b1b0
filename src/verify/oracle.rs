//! The oracle: plays the token game of every instance from the history alone, and objects to a move that the model does
//! not allow.
//!
//! Rules from BPMN 2.0.2, chapter 13. Crash checks alone do not test BPMN: with a broken join, or boundary events left
//! armed, rows and positions are in perfect order; only the game shows it.

use super::game::{Announced, Board, Departure, Game, Piece, Work};
use super::{Told, Violation};
use crate::base::id::{DefinitionId, ElementId, InstanceId, ROOT_SCOPE, ScopeId, TokenId};
use crate::engine::definition::{FlowIx, NodeIx, Process};
use crate::engine::elements::enabled;
use crate::engine::event::{Event, JobEnd};
use crate::engine::incident::IncidentKind;
use crate::engine::instance::{InstanceState, ScopeKind};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// All instances' games, fed record by record in the order of positions.
#[derive(Debug, Default)]
pub struct Oracle {
    games: BTreeMap<InstanceId, Game>,
}

/// The command by which an operator moves tokens by hand.
const MODIFICATION: &str = "modify";

pub(super) type Move = Result<(), String>;

impl Oracle {
    pub fn game(&self, instance: InstanceId) -> Option<&Game> {
        self.games.get(&instance)
    }

    pub fn games(&self) -> impl Iterator<Item = (InstanceId, &Game)> {
        self.games.iter().map(|(id, game)| (*id, game))
    }

    /// A called instance that has ended, and whose own game is not played here.
    pub fn assume_ended(&mut self, called: InstanceId, of: &Arc<Process>) {
        let mut game = Game::new(Arc::clone(of));
        game.state = InstanceState::Completed;
        self.games.insert(called, game);
    }

    /// Plays one record.
    pub fn tell(
        &mut self,
        told: &Told<'_>,
        mut process: impl FnMut(DefinitionId) -> Option<Arc<Process>>,
    ) -> Result<(), Violation> {
        let Some(instance) = told.instance else { return Ok(()) };
        let objection = |what: String| Violation {
            rule: "I3",
            layer: "oracle",
            instance: Some(instance),
            what: format!("{what} [{} at position {}]", told.cause, told.position),
        };
        if let Some(Event::InstanceCreated { definition, .. }) = told.events.first() {
            let process = process(*definition).ok_or_else(|| objection(format!("no definition {definition}")))?;
            if self.games.insert(instance, Game::new(process)).is_some() {
                return Err(objection("created twice".into()));
            }
        }
        let mut game = self.games.remove(&instance).ok_or_else(|| objection("never created".into()))?;
        let mut turn = Turn { game: &mut game, cause: told.cause, others: &self.games };
        let played = told.events.iter().try_for_each(|event| turn.play(event)).and_then(|()| turn.end());
        self.games.insert(instance, game);
        played.map_err(objection)
    }
}

pub(super) struct Turn<'a> {
    pub(super) game: &'a mut Game,
    cause: &'a str,
    others: &'a BTreeMap<InstanceId, Game>,
}

impl Turn<'_> {
    fn play(&mut self, event: &Event) -> Move {
        if self.game.state.is_ended() && !matches!(event, Event::ScopeClosed { .. } | Event::ResultRefused { .. }) {
            return Err(format!("after its end: {event:?}"));
        }
        if !self.goes_on(event) {
            self.departed()?;
        }
        match event {
            Event::TokenEntered { token, scope, at, via } => self.entered(*token, *scope, at, via.as_ref()),
            Event::TokenLeft { token, at } => self.left(*token, at),
            Event::TokenJoined { token, at } => self.joined(*token, at),
            Event::TokenCancelled { token, at } => self.cancelled(*token, at),
            Event::FlowTaken { flow } => self.taken(flow),
            Event::ScopeOpened { scope, parent, kind, owner, at } => {
                self.opened(*scope, *parent, *kind, *owner, at.as_ref())
            }
            Event::ScopeClosed { scope } => self.closed(*scope),
            Event::VariableSet { scope, name, value } if name == "nrOfInstances" => {
                self.wanted(*scope, value.value.as_u64())
            }
            Event::JobOpened { token, .. } => self.begins(*token, Work::Job),
            Event::UserTaskCreated { token, .. } => self.begins(*token, Work::Task),
            Event::Called { token, called, .. } => self.begins(*token, Work::Call(*called)),
            Event::JobClosed { token, how, .. } => self.ends(*token, Work::Job, *how),
            Event::UserTaskClosed { token, how } => self.ends(*token, Work::Task, *how),
            Event::Armed { id, owner, scope, at, .. } => self.armed(*id, *owner, *scope, at),
            Event::Fired { id, at, .. } => self.fired(*id, at),
            Event::Disarmed { id, .. } => self.disarmed(*id),
            Event::ErrorThrown { token, caught_by: Some(event), .. }
            | Event::Escalated { token, caught_by: Some(event), .. } => self.caught(*token, event),
            Event::SignalThrown { token, name } => self.signal_thrown(*token, name),
            Event::WentOn { token, at } => self.gateway_begun(*token, at),
            Event::ScopeChanged { .. }
            | Event::Compensable { .. }
            | Event::CompensationThrown { .. }
            | Event::Compensated { .. }
            | Event::TransactionCancelled { .. } => self.of_compensation(event),
            Event::IncidentRaised { token, kind, .. } => self.stopped(*token, *kind),
            Event::IncidentResolved { token, .. } => self.piece(*token).map(|piece| piece.incident = false),
            Event::InstanceEnded { state } => self.instance_ended(*state),
            Event::InstanceSuspended => self.state(InstanceState::Suspended),
            Event::InstanceResumed => self.state(InstanceState::Active),
            Event::InstanceCreated { .. }
            | Event::VariableSet { .. }
            | Event::VariableRemoved { .. }
            | Event::JobLeased { .. }
            | Event::LeaseExtended { .. }
            | Event::LeaseReleased { .. }
            | Event::LeaseExpired { .. }
            | Event::JobFailed { .. }
            | Event::RetriesSet { .. }
            | Event::ResultRefused { .. }
            | Event::UserTaskChanged { .. }
            | Event::ListenerFailed { .. }
            | Event::DecisionEvaluated { .. }
            | Event::ErrorThrown { caught_by: None, .. }
            | Event::Escalated { caught_by: None, .. } => Ok(()),
        }
    }

    /// So many instances an activity is to have.
    fn wanted(&mut self, scope: ScopeId, count: Option<u64>) -> Move {
        if let Some(board) = self.game.boards.get_mut(&scope) {
            board.wanted = count;
        }
        Ok(())
    }

    /// What belongs to the departure of the token that has just left: its flows, and the end of its own variables.
    fn goes_on(&self, event: &Event) -> bool {
        match event {
            Event::FlowTaken { .. } | Event::TokenEntered { via: Some(_), .. } => true,
            Event::ScopeClosed { scope } => {
                self.game.boards.get(scope).is_some_and(|board| board.kind == ScopeKind::Activity)
            }
            _other => false,
        }
    }

    /// The record is over: nothing announced may be left undone.
    fn end(&mut self) -> Move {
        self.departed()?;
        self.all_heard()?;
        if let Some(missing) = self.game.announced.first() {
            return Err(format!("{} happened, but no token came of it", self.game.name(missing.node)));
        }
        let unfinished =
            |((_, node), flows): &(&(ScopeId, NodeIx), &Vec<FlowIx>)| !flows.is_empty() && self.game.is_join(*node);
        if let Some(((scope, node), _)) = self.game.joined.iter().find(unfinished) {
            return Err(format!("{} in scope {scope} took tokens and was not left", self.game.name(*node)));
        }
        Ok(())
    }

    fn state(&mut self, state: InstanceState) -> Move {
        self.game.state = state;
        Ok(())
    }

    pub(super) fn node(&self, id: &ElementId) -> Result<NodeIx, String> {
        self.game.process.find(id).ok_or_else(|| format!("there is no element {id}"))
    }

    pub(super) fn piece(&mut self, token: TokenId) -> Result<&mut Piece, String> {
        self.game.pieces.get_mut(&token).ok_or_else(|| format!("there is no token {token}"))
    }

    pub(super) fn fresh(&mut self, number: u32) -> Move {
        if number <= self.game.last {
            return Err(format!("the number {number} was given before"));
        }
        self.game.last = number;
        Ok(())
    }

    fn entered(&mut self, token: TokenId, scope: ScopeId, at: &ElementId, via: Option<&ElementId>) -> Move {
        self.fresh(token.0)?;
        let node = self.node(at)?;
        let board = self.game.boards.get(&scope).ok_or_else(|| format!("{at} entered in scope {scope}, not open"))?;
        if matches!(board.kind, ScopeKind::Activity | ScopeKind::Body | ScopeKind::Kept) {
            return Err(format!("{at} entered in scope {scope}, which holds no tokens"));
        }
        let (flow, fired) = match via {
            Some(flow) => {
                let departure = self.game.departure.as_mut().filter(|departure| departure.scope == scope);
                let pending = departure.and_then(|departure| departure.pending.take());
                let pending = pending.or_else(|| self.flow_by_hand(scope, flow));
                let pending = pending.filter(|pending| self.game.process.flow(*pending).id == *flow);
                let pending = pending.ok_or_else(|| format!("{at} entered by {flow}, which no token had taken"))?;
                if self.game.process.target(pending) != node {
                    return Err(format!("{flow} does not lead to {at}"));
                }
                // Behind an event-based gateway the flow is that of the event which has happened.
                let announced = self.game.announced.iter().position(|next| (next.scope, next.node) == (scope, node));
                let from = self.game.process.graph.edge_endpoints(pending).map(|(from, _)| from);
                let behind_gateway = from.is_some_and(|from| self.game.kind(from) == "eventBasedGateway");
                let fired = behind_gateway && announced.map(|ix| self.game.announced.remove(ix)).is_some();
                (Some(pending), fired)
            }
            None => (None, self.may_begin(scope, node, at)?),
        };
        let piece = Piece {
            at: node,
            scope,
            via: flow,
            work: Work::None,
            incident: false,
            fired,
            let_in: false,
            has_joined: false,
        };
        self.game.pieces.insert(token, piece);
        Ok(())
    }

    /// The flow on which an operator has put a token.
    fn flow_by_hand(&self, scope: ScopeId, flow: &ElementId) -> Option<FlowIx> {
        let process = &self.game.process;
        let board = self.game.boards.get(&scope).filter(|_| self.cause == MODIFICATION)?;
        let found = process.graph.edge_indices().find(|ix| process.flow(*ix).id == *flow)?;
        (process.node(process.target(found)).parent == board.node).then_some(found)
    }

    /// A token that came by no flow: announced by an event, or the first in its scope. True if an event placed it.
    fn may_begin(&mut self, scope: ScopeId, node: NodeIx, at: &ElementId) -> Result<bool, String> {
        let announced = self.game.announced.iter().position(|next| (next.scope, next.node) == (scope, node));
        if let Some(ix) = announced {
            let announced = self.game.announced.remove(ix);
            if announced.alone {
                self.alone(scope, at)?;
            }
            return match announced.interrupts.filter(|host| self.game.pieces.contains_key(host)) {
                Some(host) => Err(format!("{at} interrupts token {host}, which is still there")),
                None => Ok(true),
            };
        }
        let starts_anywhere = self.cause == "create-instance" && scope == ROOT_SCOPE;
        let process = Arc::clone(&self.game.process);
        let board = self.game.boards.get_mut(&scope).expect("checked by the caller");
        let by_hand = self.cause == MODIFICATION && process.node(node).parent == board.node;
        let fits = match board.kind {
            ScopeKind::Process | ScopeKind::SubProcess if by_hand => {
                return Ok(process.node(node).kind == "startEvent");
            }
            ScopeKind::Inner => board.node == Some(node) && board.started.is_empty(),
            ScopeKind::Process if starts_anywhere => true,
            // An event sub-process begins at its start event, whose trigger has happened.
            ScopeKind::SubProcess if board.node.is_some_and(|node| process.is_event_sub_process(node)) => {
                process.node(node).parent == board.node && process.node(node).kind == "startEvent"
            }
            ScopeKind::SubProcess if board.node.is_some_and(|node| process.node(node).element.ad_hoc().is_some()) => {
                let ad_hoc = board.node.is_some_and(|ad_hoc| enabled(&process, ad_hoc, node));
                return if ad_hoc { Ok(false) } else { Err(format!("{at} cannot be begun by hand")) };
            }
            ScopeKind::Process | ScopeKind::SubProcess => {
                process.starts.get(&board.node).is_some_and(|starts| starts.contains(&node))
            }
            ScopeKind::Activity | ScopeKind::Body | ScopeKind::Compensation | ScopeKind::Kept => false,
        };
        if !fits || !board.started.insert(node) {
            return Err(format!("{at} entered in scope {scope} without a cause"));
        }
        let instantiates = process.start_triggers.iter().any(|start| start.node == node);
        Ok(process.node(node).kind == "startEvent" || (starts_anywhere && instantiates))
    }

    /// A live piece that stands where it is said to stand, and that nothing holds.
    pub(super) fn free(&self, token: TokenId, at: &ElementId) -> Result<Piece, String> {
        let piece = self.game.pieces.get(&token).ok_or_else(|| format!("token {token} left {at}, but is not there"))?;
        if self.game.name(piece.at) != *at {
            return Err(format!("token {token} left {at}, but stands at {}", self.game.name(piece.at)));
        }
        if let Some((id, _)) = self.game.armed.iter().find(|(_, armed)| armed.owner == token) {
            return Err(format!("token {token} left {at}, but what it armed under {id} is still armed"));
        }
        let owns = |board: &&Board| board.owner == Some(token) && board.kind != ScopeKind::Activity;
        if let Some(board) = self.game.boards.values().filter(|board| board.kind != ScopeKind::Inner).find(owns) {
            return Err(format!("token {token} left {at}, but its scope ({:?}) is still open", board.kind));
        }
        Ok(piece.clone())
    }

    fn left(&mut self, token: TokenId, at: &ElementId) -> Move {
        self.heard(token)?;
        let piece = self.free(token, at)?;
        match piece.work {
            Work::None => {}
            Work::Call(called) if self.others.get(&called).is_some_and(|game| game.state.is_ended()) => {}
            Work::Call(called) => return Err(format!("{at} was left before the called instance {called} ended")),
            Work::Job | Work::Task => return Err(format!("{at} was left before its work was done")),
        }
        if piece.incident {
            return Err(format!("{at} was left with an open incident"));
        }
        let kind = self.game.kind(piece.at);
        let waits = matches!(kind, "eventBasedGateway" | "intermediateCatchEvent" | "receiveTask");
        if waits && !piece.fired && self.cause != "signal" {
            return Err(format!("{at} was left though nothing it waits for has happened"));
        }
        self.noted(piece.scope, piece.at)?;
        self.game.pieces.remove(&token);
        if !piece.has_joined {
            self.takes_others(&piece, at)?;
        }
        let inner = self.game.is_inner(piece.scope);
        if inner {
            self.count_inner(piece.scope, false);
        }
        if let Some(target) = self.game.process.links.get(&piece.at) {
            self.game.announced.push(Announced { scope: piece.scope, node: *target, interrupts: None, alone: false });
        }
        // Who went on before takes nothing now, as an inner instance does.
        let inner = inner || self.game.gone_on.remove(&token);
        self.game.departure =
            Some(Departure { node: piece.at, scope: piece.scope, inner, taken: Vec::new(), pending: None });
        Ok(())
    }

    fn cancelled(&mut self, token: TokenId, at: &ElementId) -> Move {
        let held = self.game.pieces.get(&token).map(|piece| piece.work);
        if matches!(held, Some(Work::Job | Work::Task)) {
            return Err(format!("token {token} was cancelled at {at}, but its work is still open"));
        }
        let inside: BTreeSet<ScopeId> =
            self.game.boards.iter().filter(|(_, board)| board.owner == Some(token)).map(|(id, _)| *id).collect();
        if let Some(left) = self.game.pieces.iter().find(|(_, piece)| inside.contains(&piece.scope)) {
            return Err(format!("token {token} was cancelled at {at} before token {} inside it", left.0));
        }
        if let Some((id, _)) = self.game.armed.iter().find(|(_, armed)| armed.owner == token) {
            return Err(format!("token {token} was cancelled at {at}, but what it armed under {id} is still armed"));
        }
        let piece =
            self.game.pieces.remove(&token).ok_or_else(|| format!("token {token} was cancelled, but is not there"))?;
        if self.game.is_inner(piece.scope) {
            self.count_inner(piece.scope, true);
        }
        // Only with its whole scope does a gateway lose a token.
        self.game.joined.remove(&(piece.scope, piece.at));
        self.game.begun.remove(&(piece.scope, piece.at));
        self.game.gone_on.remove(&token);
        Ok(())
    }

    fn taken(&mut self, flow: &ElementId) -> Move {
        let process = Arc::clone(&self.game.process);
        let departure = self.game.departure.as_mut().ok_or_else(|| format!("{flow} was taken by no token"))?;
        let outgoing = &process.node(departure.node).outgoing;
        let ix = outgoing.iter().copied().find(|ix| process.flow(*ix).id == *flow);
        let ix = ix.ok_or_else(|| format!("{flow} does not begin at {}", process.node(departure.node).id))?;
        let quantity = process.node(departure.node).quantities.1;
        let before = departure.taken.iter().filter(|taken| **taken == ix).count();
        if departure.pending.is_some() || before >= quantity {
            return Err(format!("{flow} was taken twice, or before the last token had arrived"));
        }
        departure.taken.push(ix);
        departure.pending = Some(ix);
        Ok(())
    }

    /// As many flows as the element allows were taken.
    fn departed(&mut self) -> Move {
        let Some(Departure { node, inner, taken, pending, .. }) = self.game.departure.take() else { return Ok(()) };
        let process = &self.game.process;
        let (id, all) = (&process.node(node).id, process.node(node).outgoing.len());
        if let Some(pending) = pending {
            return Err(format!("{} was taken, but its token did not arrive", process.flow(pending).id));
        }
        let each: BTreeSet<FlowIx> = taken.iter().copied().collect();
        let quantity = process.node(node).quantities.1;
        if taken.len() != each.len() * quantity {
            return Err(format!("{id} gave {} tokens on {} flows, not {quantity} on each", taken.len(), each.len()));
        }
        let taken = each;
        let conditions = process.node(node).outgoing.iter().any(|flow| process.flow(*flow).condition.is_some());
        let fits = match process.node(node).kind {
            _inner if inner => taken.is_empty(),
            "endEvent" => taken.is_empty(),
            "eventBasedGateway" => taken.len() == 1,
            "parallelGateway" => taken.len() == all,
            "exclusiveGateway" => taken.len() == all.min(1),
            "inclusiveGateway" => taken.len() >= all.min(1),
            "complexGateway" => true,
            _any if conditions => taken.len() >= all.min(1),
            _any => taken.len() == all,
        };
        if fits { Ok(()) } else { Err(format!("{} of {all} flows were taken out of {id}", taken.len())) }
    }

    /// A join that cannot choose has joined, and so has one that waits at the save point behind it.
    fn stopped(&mut self, token: TokenId, kind: IncidentKind) -> Move {
        let piece = self.piece(token)?;
        piece.incident = true;
        let at = piece.at;
        let choosing = matches!(kind, IncidentKind::NoFlow | IncidentKind::Expression);
        if choosing && self.game.kind(at) == "inclusiveGateway" { self.fires(token) } else { Ok(()) }
    }

    /// A join fires whose token stays for a while.
    fn fires(&mut self, token: TokenId) -> Move {
        let piece = self.piece(token)?.clone();
        if piece.has_joined || !self.game.gathers_flows(piece.at) {
            return Ok(());
        }
        self.takes_others(&piece, &self.game.name(piece.at))?;
        self.piece(token)?.has_joined = true;
        Ok(())
    }

    fn takes_others(&mut self, piece: &Piece, at: &ElementId) -> Move {
        if self.game.is_join(piece.at) { self.join_fires(piece, at) } else { self.gathered(piece, at) }
    }

    fn begins(&mut self, token: TokenId, work: Work) -> Move {
        let piece = self.piece(token)?.clone();
        if work == Work::Job && (piece.let_in || !self.game.process.node(piece.at).async_before) {
            self.fires(token)?;
        }
        let piece = self.piece(token)?;
        match piece.work {
            Work::None | Work::Call(_) => {
                piece.work = work;
                Ok(())
            }
            Work::Job | Work::Task => Err(format!("token {token} waits for two things")),
        }
    }

    fn ends(&mut self, token: TokenId, work: Work, how: JobEnd) -> Move {
        let piece = self.piece(token)?;
        if piece.work != work {
            return Err(format!("work of token {token} ended ({how:?}) that had not begun"));
        }
        piece.work = Work::None;
        piece.let_in |= how == JobEnd::Completed;
        Ok(())
    }

    fn instance_ended(&mut self, state: InstanceState) -> Move {
        if let Some((token, piece)) = self.game.pieces.iter().next() {
            return Err(format!("it ended with token {token} at {}", self.game.name(piece.at)));
        }
        if let Some(id) = self.game.armed.keys().next() {
            return Err(format!("it ended with {id} still armed"));
        }
        if let Some(open) = self.game.boards.keys().find(|scope| **scope != ROOT_SCOPE) {
            return Err(format!("it ended with scope {open} still open"));
        }
        self.game.state = state;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Timestamp;
    use crate::engine::compile::{compile, no_resources};
    use crate::engine::testing::draw;

    /// A start, a fork into two plain tasks, and a join, told by hand: `join` is what the join does.
    fn fork(join: &[Event]) -> Result<(), Violation> {
        let xml = draw("start > and[A:user | B:user] > end");
        let compiled = compile(xml.as_bytes(), &no_resources).expect("compiles");
        let process = Arc::clone(&compiled.processes[0]);
        let flow = |from: &str, to: &str| {
            let ix = process.find(from).and_then(|from| {
                process.node(from).outgoing.iter().copied().find(|flow| &*process.node(process.target(*flow)).id == to)
            });
            process.flow(ix.unwrap_or_else(|| panic!("{from} leads to {to}"))).id.clone()
        };
        let enter = |token: u32, at: &str, via: Option<ElementId>| Event::TokenEntered {
            token: TokenId(token),
            scope: ROOT_SCOPE,
            at: at.into(),
            via,
        };
        let left = |token: u32, at: &str| Event::TokenLeft { token: TokenId(token), at: at.into() };
        let mut events = vec![
            Event::InstanceCreated { definition: DefinitionId(1), caller: None },
            Event::ScopeOpened { scope: ROOT_SCOPE, parent: None, kind: ScopeKind::Process, owner: None, at: None },
            enter(1, "start", None),
            left(1, "start"),
        ];
        let go = |events: &mut Vec<Event>, token: u32, from: &str, to: &str| {
            let flow = flow(from, to);
            events.push(Event::FlowTaken { flow: flow.clone() });
            events.push(enter(token, to, Some(flow)));
        };
        go(&mut events, 2, "start", "and");
        events.push(left(2, "and"));
        go(&mut events, 3, "and", "A");
        go(&mut events, 4, "and", "B");
        events.push(left(3, "A"));
        go(&mut events, 5, "A", "and/");
        events.extend(join.iter().cloned());
        let told = Told {
            position: 1,
            instance: Some(InstanceId(1)),
            at: Timestamp(0),
            cause: "create-instance",
            events: &events,
        };
        Oracle::default().tell(&told, |_| Some(Arc::clone(&process)))
    }

    #[test]
    fn a_join_that_waits_is_fine_and_one_that_does_not_is_seen() {
        assert_eq!(fork(&[]), Ok(()));
        let early = fork(&[Event::TokenLeft { token: TokenId(5), at: "and/".into() }]).unwrap_err();
        assert!(early.what.contains("fired with 1 of its 2 flows"), "{early}");
    }

    #[test]
    fn a_token_that_comes_from_nowhere_and_an_end_with_tokens_are_seen() {
        let nowhere = Event::TokenEntered { token: TokenId(9), scope: ROOT_SCOPE, at: "end".into(), via: None };
        let mut events = vec![nowhere];
        assert!(fork(&events).is_ok(), "anywhere at the creation");
        events.push(Event::InstanceEnded { state: InstanceState::Completed });
        assert!(fork(&events).unwrap_err().what.contains("it ended with token"));
    }
}
