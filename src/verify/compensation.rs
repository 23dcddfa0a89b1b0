//! The oracle's rules for compensation: what is done is undone in reverse order, once, and nothing is forgotten.

use super::game::{Announced, Undoable};
use super::oracle::{Move, Turn};
use crate::base::id::{ElementId, LocalId, ScopeId, TokenId};
use crate::engine::definition::NodeIx;
use crate::engine::event::Event;
use crate::engine::instance::ScopeKind;
use std::sync::Arc;

impl Turn<'_> {
    pub(super) fn of_compensation(&mut self, event: &Event) -> Move {
        match event {
            Event::ScopeChanged { scope, kind, owner, parent } => self.scope_changed(*scope, *kind, *owner, *parent),
            Event::Compensable { id, scope, at, kept } => self.can_be_undone(*id, *scope, at, *kept),
            Event::CompensationThrown { token, scope, run, activity } => {
                self.compensation_thrown(*token, (*scope, *run), activity.as_ref())
            }
            Event::Compensated { id, run, at } => self.compensated(*id, *run, at),
            Event::TransactionCancelled { token, caught_by } => self.transaction_cancelled(*token, caught_by.as_ref()),
            other => Err(format!("{other:?} is none of compensation")),
        }
    }

    fn scope_changed(
        &mut self,
        scope: ScopeId,
        kind: ScopeKind,
        owner: Option<TokenId>,
        parent: Option<ScopeId>,
    ) -> Move {
        if let Some((token, _)) = self.game.pieces.iter().find(|(_, piece)| piece.scope == scope) {
            return Err(format!("scope {scope} became {kind:?} with token {token} in it"));
        }
        let board =
            self.game.boards.get_mut(&scope).ok_or_else(|| format!("scope {scope} changed, but is not open"))?;
        (board.kind, board.owner, board.parent) = (kind, owner, parent);
        Ok(())
    }

    fn can_be_undone(&mut self, id: LocalId, scope: ScopeId, at: &ElementId, kept: Option<ScopeId>) -> Move {
        self.fresh(id.0)?;
        let node = self.node(at)?;
        if kept.is_some_and(|kept| !self.game.boards.contains_key(&kept)) {
            return Err(format!("{at} is said to be kept in a scope that is not open"));
        }
        if kept.is_none() && self.game.process.node(node).handler.is_none() {
            return Err(format!("{at} is said to be undone some time, but nothing undoes it"));
        }
        let board = self.game.boards.get_mut(&scope).ok_or_else(|| format!("{at} was done in a scope not open"))?;
        board.undoable.insert(id, Undoable { node, kept });
        self.game.noted.push((scope, node));
        Ok(())
    }

    /// An activity with a handler is noted before its token leaves.
    pub(super) fn noted(&mut self, scope: ScopeId, node: NodeIx) -> Move {
        let inner = self.game.is_inner(scope);
        let home = if inner { self.game.boards.get(&scope).and_then(|board| board.parent) } else { Some(scope) };
        let told = self.game.noted.iter().position(|(place, known)| Some(*place) == home && *known == node);
        let told = told.map(|ix| self.game.noted.remove(ix)).is_some();
        let of = self.game.process.node(node);
        let must = of.handler.is_some() && !of.for_compensation && (of.looping.is_none() || inner);
        match must && !told && self.game.process.compensates {
            true => Err(format!("{} was left, and that it can be undone was not noted", of.id)),
            false => Ok(()),
        }
    }

    fn compensation_thrown(
        &mut self,
        token: TokenId,
        (scope, run): (ScopeId, ScopeId),
        activity: Option<&ElementId>,
    ) -> Move {
        let piece = self.piece(token)?.clone();
        let process = Arc::clone(&self.game.process);
        if !process.node(piece.at).element.compensates() {
            return Err(format!("{} throws no compensation", self.game.name(piece.at)));
        }
        let activity = activity.map(|activity| self.node(activity)).transpose()?;
        let level = process.node(piece.at).parent;
        let beside = activity.is_some_and(|activity| process.node(activity).parent == level);
        let of = match level.filter(|level| process.is_event_sub_process(*level) && !beside) {
            Some(event_sub_process) => process.node(event_sub_process).parent,
            None => level,
        };
        let mut current = Some(piece.scope);
        while current.is_some_and(|current| current != scope) {
            current = current.and_then(|current| self.game.boards.get(&current)?.parent);
        }
        let board = self.game.boards.get_mut(&scope).filter(|board| current.is_some() && board.node == of);
        let board =
            board.ok_or_else(|| format!("compensation was thrown for scope {scope}, which is not the thrower's"))?;
        let chosen = |undoable: &Undoable| activity.is_none_or(|activity| activity == undoable.node);
        let all = std::mem::take(&mut board.undoable);
        let (moved, left) = all.into_iter().partition(|(_, undoable)| chosen(undoable));
        board.undoable = left;
        match self
            .game
            .boards
            .get_mut(&run)
            .filter(|run| run.kind == ScopeKind::Compensation && run.owner == Some(token))
        {
            Some(run) => {
                run.undoable = moved;
                Ok(())
            }
            None => Err(format!("{run} is no scope in which token {token} undoes")),
        }
    }

    fn compensated(&mut self, id: LocalId, run: ScopeId, at: &ElementId) -> Move {
        if let Some((token, _)) = self.game.pieces.iter().find(|(_, piece)| piece.scope == run) {
            return Err(format!("{at} is undone while token {token} still undoes another"));
        }
        let board = self.game.boards.get_mut(&run).ok_or_else(|| format!("{at} is undone in a scope not open"))?;
        let (last, undoable) = board.undoable.pop_last().ok_or_else(|| format!("{at} is undone twice"))?;
        if last != id {
            let later = self.game.name(undoable.node);
            return Err(format!("{at} is undone before {later}, which was completed later"));
        }
        if self.game.name(undoable.node) != *at {
            return Err(format!("{at} is undone under the number of another activity"));
        }
        let process = Arc::clone(&self.game.process);
        let event_sub_process = process.undoing_event_sub_process(undoable.node);
        if let Some(node) = process.node(undoable.node).handler.or(event_sub_process) {
            self.game.announced.push(Announced { scope: run, node, interrupts: None, alone: false });
        }
        if event_sub_process.is_none()
            && let Some(inside) = undoable.kept.and_then(|kept| self.game.boards.get_mut(&kept))
        {
            let inside = std::mem::take(&mut inside.undoable);
            if let Some(board) = self.game.boards.get_mut(&run) {
                board.undoable.extend(inside);
            }
        }
        Ok(())
    }

    /// Nothing of the transaction is left, done or under way.
    fn transaction_cancelled(&mut self, token: TokenId, event: Option<&ElementId>) -> Move {
        let scope = self.piece(token)?.scope;
        if let Some((other, _)) = self.game.pieces.iter().find(|(id, piece)| piece.scope == scope && **id != token) {
            return Err(format!("a transaction was cancelled with token {other} still in it"));
        }
        let board = self.game.boards.get(&scope).ok_or("a transaction was cancelled that is not open")?;
        if let Some(left) = board.undoable.values().next() {
            return Err(format!("a transaction was cancelled, but {} was not undone", self.game.name(left.node)));
        }
        let Some(event) = event else { return Ok(()) };
        let node = self.node(event)?;
        let owner = self.game.boards.get(&scope).and_then(|board| board.owner).ok_or("a transaction has no owner")?;
        let host = self.piece(owner)?.scope;
        let body = self.game.boards.get(&host).filter(|board| board.kind == ScopeKind::Inner).and_then(|it| it.owner);
        let host = body.unwrap_or(owner);
        let piece = self.piece(host)?.clone();
        if !self.game.process.node(piece.at).boundary.contains(&node) {
            return Err(format!("{event} is not at the transaction that was cancelled"));
        }
        self.game.announced.push(Announced { scope: piece.scope, node, interrupts: Some(host), alone: false });
        Ok(())
    }

    /// What may be lost with a scope that ends in order, and what may not.
    pub(super) fn nothing_forgotten(&mut self, scope: ScopeId) -> Move {
        let Some(board) = self.game.boards.get(&scope) else { return Ok(()) };
        let owner = board.owner.and_then(|owner| self.game.pieces.get(&owner));
        let (Some(piece), Some(undoable)) = (owner, board.undoable.values().next()) else { return Ok(()) };
        let (around, name) = (piece.scope, self.game.name(undoable.node));
        match board.kind {
            ScopeKind::Compensation => Err(format!("undoing ended, but {name} was not undone")),
            ScopeKind::SubProcess if !self.game.process.node(piece.at).for_compensation => {
                Err(format!("scope {scope} is done, and that {name} can be undone was forgotten"))
            }
            ScopeKind::Body => {
                let all = board.undoable.clone();
                if let Some(board) = self.game.boards.get_mut(&around) {
                    board.undoable.extend(all);
                }
                Ok(())
            }
            ScopeKind::SubProcess | ScopeKind::Process | ScopeKind::Activity | ScopeKind::Inner | ScopeKind::Kept => {
                Ok(())
            }
        }
    }
}
