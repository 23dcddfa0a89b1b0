//! The oracle's rules for what takes several tokens and is no plain join: start quantities and complex gateways.

use super::game::{Departure, Piece};
use super::oracle::{Move, Turn};
use crate::base::id::{ElementId, TokenId};
use crate::engine::definition::FlowIx;
use std::collections::BTreeSet;

impl Turn<'_> {
    /// A complex gateway gives tokens and waits for the rest.
    pub(super) fn gateway_begun(&mut self, token: TokenId, at: &ElementId) -> Move {
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
        self.game.departure =
            Some(Departure { node: piece.at, scope: piece.scope, inner: false, taken: Vec::new(), pending: None });
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
}
