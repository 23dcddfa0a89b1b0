//! The oracle's rules for what takes several tokens: joins, start quantities, complex gateways.

use super::game::{Departure, Piece, Work};
use super::oracle::{Move, Turn};
use crate::base::id::{ElementId, TokenId};
use crate::engine::definition::FlowIx;
use std::collections::BTreeSet;
use std::sync::Arc;

impl Turn<'_> {
    /// A complex gateway gives tokens and waits for the rest.
    pub(super) fn gateway_begun(&mut self, token: TokenId, at: &ElementId) -> Move {
        let departure = |piece: &Piece| Departure {
            node: piece.at,
            scope: piece.scope,
            inner: false,
            taken: Vec::new(),
            pending: None,
        };
        let piece = self.piece(token)?.clone();
        if self.game.process.node(piece.at).element.compensates() {
            if !self.game.gone_on.insert(token) {
                return Err(format!("{at} went on twice"));
            }
            self.game.departure = Some(departure(&piece));
            return Ok(());
        }
        let piece = self.piece(token)?;
        if piece.fired {
            return Err(format!("{at} has begun already"));
        }
        piece.fired = true;
        let piece = piece.clone();
        if self.game.kind(piece.at) != "complexGateway" {
            return Err(format!("{at} is no complex gateway and may not begin"));
        }
        let flows = self.game.joined.remove(&(piece.scope, piece.at)).unwrap_or_default();
        let all: BTreeSet<FlowIx> = flows.iter().copied().chain(piece.via).collect();
        if all.len() != flows.len() + usize::from(piece.via.is_some()) {
            return Err(format!("{at} took two tokens of one flow"));
        }
        if self.game.begun.insert((piece.scope, piece.at), all).is_some() {
            return Err(format!("{at} has begun and was not left"));
        }
        self.game.departure = Some(departure(&piece));
        Ok(())
    }

    /// As many tokens as it needs were taken; a complex gateway is left when nothing more can come.
    pub(super) fn gathered(&mut self, piece: &Piece, at: &ElementId) -> Move {
        if !self.game.gathers(piece.at) || self.game.is_inner(piece.scope) {
            return Ok(());
        }
        let place = (piece.scope, piece.at);
        let wanted = self.game.process.node(piece.at).quantities.0 - 1;
        if self.game.kind(piece.at) != "complexGateway" {
            let taken = self.game.joined.entry(place).or_default();
            if taken.len() < wanted {
                return Err(format!("{at} was done with {} of {} tokens", taken.len() + 1, wanted + 1));
            }
            taken.drain(..wanted);
            return Ok(());
        }
        let mut full = self.game.begun.remove(&place).ok_or_else(|| format!("{at} was left and had not begun"))?;
        for flow in self.game.joined.remove(&place).unwrap_or_default() {
            if !full.insert(flow) {
                return Err(format!("{at} took two tokens of one flow"));
            }
        }
        match self.game.still_coming(piece.scope, piece.at, &full) {
            Some(from) => Err(format!("{at} was left though a token at {} may still come", self.game.name(from))),
            None => Ok(()),
        }
    }

    /// Exactly one token of each incoming flow; an inclusive join: of each that has some, when nothing more can arrive.
    pub(super) fn join_fires(&mut self, piece: &Piece, at: &ElementId) -> Move {
        let process = Arc::clone(&self.game.process);
        let mut flows = self.game.joined.remove(&(piece.scope, piece.at)).unwrap_or_default();
        let mut full: BTreeSet<FlowIx> = piece.via.into_iter().collect();
        if self.game.kind(piece.at) == "parallelGateway" {
            let incoming = &process.node(piece.at).incoming;
            for flow in incoming.iter().filter(|flow| Some(**flow) != piece.via) {
                full.extend(flows.iter().position(|taken| taken == flow).map(|ix| flows.swap_remove(ix)));
            }
            // What is left was taken for another firing, whose own token leaves next.
            if !flows.is_empty() {
                self.game.joined.insert((piece.scope, piece.at), flows);
            }
            return if full.len() == incoming.len() {
                Ok(())
            } else {
                Err(format!("the join {at} fired with {} of its {} flows", full.len(), incoming.len()))
            };
        }
        if !flows.iter().all(|flow| full.insert(*flow)) {
            return Err(format!("the join {at} took two tokens of one flow"));
        }
        match self.game.still_coming(piece.scope, piece.at, &full) {
            Some(from) => Err(format!("the join {at} fired though a token at {} may still come", self.game.name(from))),
            None => Ok(()),
        }
    }

    pub(super) fn joined(&mut self, token: TokenId, at: &ElementId) -> Move {
        let piece = self.free(token, at)?;
        if !self.game.gathers(piece.at) || piece.work != Work::None || piece.incident {
            return Err(format!("token {token} was joined at {at}, where it did not wait to be"));
        }
        self.game.pieces.remove(&token);
        let flow = piece.via.ok_or_else(|| format!("token {token} came to the join {at} by no flow"))?;
        self.game.joined.entry((piece.scope, piece.at)).or_default().push(flow);
        Ok(())
    }
}
