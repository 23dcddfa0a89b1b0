//! The oracle's rules for what is around tokens: scopes, multi-instance bodies, armed events and errors.

use super::game::{Announced, Armed, Board};
use super::oracle::{Move, Turn};
use crate::base::id::{ElementId, LocalId, ROOT_SCOPE, ScopeId, TokenId};
use crate::engine::definition::{Looping, NodeIx};
use crate::engine::instance::ScopeKind;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

impl Turn<'_> {
    pub(super) fn opened(
        &mut self,
        scope: ScopeId,
        parent: Option<ScopeId>,
        kind: ScopeKind,
        owner: Option<TokenId>,
        at: Option<&ElementId>,
    ) -> Move {
        if scope != ROOT_SCOPE {
            self.fresh(scope.0)?;
        }
        if parent.is_some_and(|parent| !self.game.boards.contains_key(&parent)) {
            return Err(format!("scope {scope} was opened in a scope that is not open"));
        }
        if owner.is_some_and(|owner| !self.game.pieces.contains_key(&owner)) {
            return Err(format!("scope {scope} was opened for a token that is not there"));
        }
        let node = at.map(|at| self.node(at)).transpose()?;
        let (started, undoable) = (BTreeSet::new(), BTreeMap::new());
        let board = Board { parent, kind, owner, node, started, wanted: None, done: 0, cut_short: false, undoable };
        if kind == ScopeKind::Inner {
            self.one_at_a_time(parent, node)?;
        }
        self.game.boards.insert(scope, board);
        Ok(())
    }

    pub(super) fn one_at_a_time(&self, body: Option<ScopeId>, node: Option<NodeIx>) -> Move {
        let looping = node.and_then(|node| self.game.process.node(node).looping.as_ref());
        let open = self.game.boards.values().any(|board| board.kind == ScopeKind::Inner && board.parent == body);
        match looping {
            Some(looping) if looping.is_sequential() && open => {
                Err("an activity that is repeated one after the other runs two at once".to_owned())
            }
            Some(_) => Ok(()),
            None => Err("an inner instance of an activity that does not loop".to_owned()),
        }
    }

    pub(super) fn closed(&mut self, scope: ScopeId) -> Move {
        if let Some((token, _)) = self.game.pieces.iter().find(|(_, piece)| piece.scope == scope) {
            return Err(format!("scope {scope} was closed with token {token} in it"));
        }
        if let Some((inner, _)) = self.game.boards.iter().find(|(_, board)| board.parent == Some(scope))
            && !self.game.state.is_ended()
        {
            return Err(format!("scope {scope} was closed before scope {inner} in it"));
        }
        self.nothing_forgotten(scope)?;
        let board = self.game.boards.remove(&scope).ok_or_else(|| format!("scope {scope} was closed, but not open"))?;
        if let Some((id, _)) = self.game.armed.iter().find(|(_, armed)| armed.scope == Some(scope)) {
            return Err(format!("scope {scope} was closed, but {id} is still armed in it"));
        }
        let owner_lives = board.owner.is_some_and(|owner| self.game.pieces.contains_key(&owner));
        let looping = board.node.and_then(|node| self.game.process.node(node).looping.as_ref());
        let counted = board.kind == ScopeKind::Body && matches!(looping, Some(Looping::Multi(_)));
        if counted && owner_lives && !board.cut_short && board.wanted != Some(board.done) {
            return Err(format!("{} of {:?} inner instances were done", board.done, board.wanted));
        }
        Ok(())
    }

    pub(super) fn count_inner(&mut self, scope: ScopeId, cancelled: bool) {
        let body = self.game.boards.get(&scope).and_then(|board| board.parent);
        if let Some(body) = body.and_then(|body| self.game.boards.get_mut(&body)) {
            body.cut_short |= cancelled;
            body.done += u64::from(!cancelled);
        }
    }

    pub(super) fn armed(&mut self, id: LocalId, owner: TokenId, scope: Option<ScopeId>, at: &ElementId) -> Move {
        let node = self.node(at)?;
        if let Some(scope) = scope {
            self.armed_by_scope(scope, node, at)?;
            return self.note_armed(id, Armed { owner, scope: Some(scope), node });
        }
        let host = self.piece(owner)?.at;
        let process = &self.game.process;
        let behind = process.node(host).outgoing.iter().any(|flow| process.target(*flow) == node);
        let fits = node == host
            || process.node(host).boundary.contains(&node)
            || (behind && process.node(host).kind == "eventBasedGateway");
        if !fits {
            return Err(format!("{at} was armed by a token at {}", process.node(host).id));
        }
        self.note_armed(id, Armed { owner, scope: None, node })
    }

    /// The start event of an event sub-process that stands in this scope.
    fn armed_by_scope(&self, scope: ScopeId, node: NodeIx, at: &ElementId) -> Move {
        let process = &self.game.process;
        let board =
            self.game.boards.get(&scope).ok_or_else(|| format!("{at} was armed by a scope that is not open"))?;
        let around = process.node(node).parent.filter(|around| process.is_event_sub_process(*around));
        match around.map(|around| process.node(around).parent) {
            Some(container) if container == board.node => Ok(()),
            Some(_) | None => Err(format!("{at} begins no event sub-process of scope {scope}")),
        }
    }

    fn note_armed(&mut self, id: LocalId, armed: Armed) -> Move {
        match self.game.armed.insert(id, armed) {
            Some(before) if before != armed => Err(format!("the number {id} was given before")),
            Some(_) => Ok(()),
            None => self.fresh(id.0),
        }
    }

    pub(super) fn fired(&mut self, id: LocalId, at: &ElementId) -> Move {
        self.game.unheard.remove(&id);
        let Armed { owner, scope, node } =
            *self.game.armed.get(&id).ok_or_else(|| format!("{at} fired, but is not armed"))?;
        if node != self.node(at)? {
            return Err(format!("{at} fired under the number of another event"));
        }
        if let Some(scope) = scope {
            let more = self.waits_for_more(id, Armed { owner, scope: Some(scope), node });
            return if more { Ok(()) } else { self.begins_event_sub_process(scope, node) };
        }
        let host = self.piece(owner)?.clone();
        if self.waits_for_more(id, Armed { owner, scope, node }) {
            return Ok(());
        }
        if node == host.at {
            self.piece(owner)?.fired = true;
            return Ok(());
        }
        let boundary = self.game.process.node(node).element.boundary();
        let interrupts = boundary.is_some_and(|boundary| boundary.interrupting).then_some(owner);
        if boundary.is_none() {
            if host.fired {
                return Err(format!("{at} fired at a gateway that had chosen already"));
            }
            self.piece(owner)?.fired = true;
        }
        self.game.announced.push(Announced { scope: host.scope, node, interrupts, alone: false });
        Ok(())
    }

    pub(super) fn disarmed(&mut self, id: LocalId) -> Move {
        self.game.unheard.remove(&id);
        match self.game.armed.remove(&id) {
            Some(_) => Ok(()),
            None => Err(format!("disarmed {id}, which was not armed")),
        }
    }

    /// BPMN 2.0.2, 10.5.4: everybody who waits for a signal hears it, or is ended by another who did.
    pub(super) fn signal_thrown(&mut self, token: TokenId, name: &str) -> Move {
        self.game.thrower = Some(token);
        let process = Arc::clone(&self.game.process);
        let waits = |armed: &Armed| {
            let source = process.node(armed.node).element.trigger();
            source.is_some_and(|source| source.waits_for_signal(name))
        };
        let hearing = self.game.armed.iter().filter(|(_, armed)| waits(armed)).map(|(id, _)| *id);
        self.game.unheard.extend(hearing);
        Ok(())
    }

    /// The thrower goes on when everybody has heard.
    pub(super) fn heard(&self, thrower: TokenId) -> Move {
        if self.game.thrower == Some(thrower) { self.all_heard() } else { Ok(()) }
    }

    pub(super) fn all_heard(&self) -> Move {
        match self.game.unheard.first() {
            Some(id) => Err(format!("a signal was thrown, and {id}, which waits for it, did not hear it")),
            None => Ok(()),
        }
    }

    /// An event that waits for all its triggers.
    fn waits_for_more(&self, id: LocalId, one: Armed) -> bool {
        let parallel = self.game.process.node(one.node).element.trigger().is_some_and(|trigger| trigger.is_parallel());
        let same = |(other, armed): (&LocalId, &Armed)| *other != id && *armed == one;
        parallel && self.game.armed.iter().any(same)
    }

    fn begins_event_sub_process(&mut self, scope: ScopeId, start: NodeIx) -> Move {
        let process = Arc::clone(&self.game.process);
        let node = process.node(start).parent.ok_or("an event sub-process stands in no sub-process")?;
        let alone = process.node(start).element.start().is_some_and(|event| event.interrupting);
        self.game.announced.push(Announced { scope, node, interrupts: None, alone });
        Ok(())
    }

    /// What interrupts a scope is alone in it, and nothing can interrupt it again.
    pub(super) fn alone(&self, scope: ScopeId, at: &ElementId) -> Move {
        if let Some((token, _)) = self.game.pieces.iter().find(|(_, piece)| piece.scope == scope) {
            return Err(format!("{at} interrupts its scope, but token {token} is still in it"));
        }
        match self.game.armed.iter().find(|(_, armed)| armed.scope == Some(scope)) {
            Some((id, _)) => Err(format!("{at} interrupts its scope, but {id} is still armed in it")),
            None => Ok(()),
        }
    }

    /// The host is the thrower or an activity around it; of a multi-instance its body. Or the start event of an event
    /// sub-process in a scope around it.
    pub(super) fn caught(&mut self, token: TokenId, event: &ElementId) -> Move {
        let node = self.node(event)?;
        let mut current = Some(token);
        while let Some(host) = current {
            let piece = self.piece(host)?.clone();
            let is_host = self.game.process.node(piece.at).boundary.contains(&node);
            if is_host && !self.game.is_inner(piece.scope) {
                let boundary = self.game.process.node(node).element.boundary();
                let interrupts = boundary.is_some_and(|event| event.interrupting).then_some(host);
                self.game.announced.push(Announced { scope: piece.scope, node, interrupts, alone: false });
                return Ok(());
            }
            let waits = |armed: &Armed| armed.scope == Some(piece.scope) && armed.node == node;
            if self.game.armed.values().any(waits) {
                return self.begins_event_sub_process(piece.scope, node);
            }
            current = self.game.boards.get(&piece.scope).and_then(|board| board.owner);
        }
        Err(format!("{event} is not at an activity around token {token}"))
    }
}
