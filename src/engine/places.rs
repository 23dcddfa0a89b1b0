//! Where the tokens and armed events of an instance are: found again from its scopes, never stored.
//!
//! Joins ask here, so that a join of a thousand flows looks at few tokens when one more arrives.

use crate::base::id::{LocalId, ScopeId, TokenId};
use crate::engine::definition::{FlowIx, NodeIx, Process};
use crate::engine::instance::{Scope, ScopeKind, Token, Wait};
use petgraph::graph::{EdgeIndex, NodeIndex};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Places {
    /// The scope of each token and of each armed event.
    pub(in crate::engine) tokens: BTreeMap<TokenId, ScopeId>,
    pub(in crate::engine) armed: BTreeMap<LocalId, ScopeId>,
    /// Tokens that wait for others.
    waiting: Standing,
    /// All other tokens; kept only where a join asks what can still arrive.
    moving: Standing,
    /// The instances of each multi-instance body.
    inner: BTreeMap<ScopeId, BTreeSet<ScopeId>>,
    /// Where a join found last what it waits for: looked at first.
    hints: BTreeMap<ScopeId, BTreeMap<NodeIx, usize>>,
    /// Every join knows that it waits: only where something has changed it is asked again.
    pub(in crate::engine) asked: bool,
}

type Standing = BTreeSet<(ScopeId, NodeIx, Option<FlowIx>, TokenId)>;

impl Places {
    pub(in crate::engine) fn of(scopes: &BTreeMap<ScopeId, Scope>, process: &Process) -> Self {
        let mut places = Self::default();
        for scope in scopes.values() {
            places.opened(scope);
            places.armed.extend(scope.subscriptions.keys().map(|armed| (*armed, scope.id)));
            for (id, token) in &scope.tokens {
                places.placed(process, scope.id, *id, token);
            }
        }
        places
    }

    pub(in crate::engine) fn placed(&mut self, process: &Process, scope: ScopeId, id: TokenId, token: &Token) {
        self.tokens.insert(id, scope);
        self.stands(process, scope, id, token);
    }

    /// What the token waits for is another now.
    pub(in crate::engine) fn stands(&mut self, process: &Process, scope: ScopeId, id: TokenId, token: &Token) {
        let place = (scope, token.at, token.via, id);
        if token.wait == Wait::Join {
            self.moving.remove(&place);
            self.waiting.insert(place);
            return;
        }
        self.waiting.remove(&place);
        if !process.reach.is_empty() {
            self.moving.insert(place);
        }
    }

    pub(in crate::engine) fn gone(&mut self, scope: ScopeId, id: TokenId, token: &Token) {
        let place = (scope, token.at, token.via, id);
        self.tokens.remove(&id);
        self.waiting.remove(&place);
        self.moving.remove(&place);
    }

    pub(in crate::engine) fn opened(&mut self, scope: &Scope) {
        if let (ScopeKind::Inner, Some(body)) = (scope.kind, scope.parent) {
            self.inner.entry(body).or_default().insert(scope.id);
        }
    }

    /// Closed, or no longer an instance of a body.
    pub(in crate::engine) fn closed(&mut self, scope: &Scope) {
        self.hints.remove(&scope.id);
        let Some(body) = scope.parent else { return };
        if let Some(inner) = self.inner.get_mut(&body) {
            inner.remove(&scope.id);
            if inner.is_empty() {
                self.inner.remove(&body);
            }
        }
    }

    /// How many instances of a body there are.
    pub(in crate::engine) fn inner_count(&self, body: ScopeId) -> usize {
        self.inner.get(&body).map_or(0, BTreeSet::len)
    }

    pub(in crate::engine) fn inner(&self, body: ScopeId) -> impl Iterator<Item = ScopeId> {
        self.inner.get(&body).into_iter().flatten().copied()
    }

    /// Tokens that wait at a node, by the flows that they came by, oldest first.
    pub(in crate::engine) fn waiting(&self, scope: ScopeId, node: NodeIx) -> impl Iterator<Item = (FlowIx, TokenId)> {
        within(&self.waiting, scope, node).filter_map(|(_, _, via, id)| Some(((*via)?, *id)))
    }

    pub(in crate::engine) fn waiting_on(
        &self,
        scope: ScopeId,
        node: NodeIx,
        flow: FlowIx,
    ) -> impl Iterator<Item = TokenId> {
        let ends = (scope, node, Some(flow), TokenId(0))..=(scope, node, Some(flow), TokenId(u32::MAX));
        self.waiting.range(ends).map(|(_, _, _, id)| *id)
    }

    /// Tokens at a node that do not wait for others.
    pub(in crate::engine) fn moving(&self, scope: ScopeId, node: NodeIx) -> impl Iterator<Item = TokenId> {
        within(&self.moving, scope, node).map(|(_, _, _, id)| *id)
    }

    /// The first node from this one on at which tokens wait for others.
    pub(in crate::engine) fn next_waiting(&self, scope: ScopeId, from: NodeIx) -> Option<NodeIx> {
        next(&self.waiting, scope, from)
    }

    /// The first node from this one on at which there is a token.
    pub(in crate::engine) fn next_node(&self, scope: ScopeId, from: NodeIx) -> Option<NodeIx> {
        let ends = [next(&self.waiting, scope, from), next(&self.moving, scope, from)];
        ends.into_iter().flatten().min()
    }

    pub(in crate::engine) fn hint(&self, scope: ScopeId, join: NodeIx) -> usize {
        self.hints.get(&scope).and_then(|hints| hints.get(&join)).copied().unwrap_or(0)
    }

    pub(in crate::engine) fn set_hint(&mut self, scope: ScopeId, join: NodeIx, hint: usize) {
        self.hints.entry(scope).or_default().insert(join, hint);
    }

    /// The same as those that are found anew.
    pub(in crate::engine) fn are_true(&self, scopes: &BTreeMap<ScopeId, Scope>, process: &Process) -> bool {
        let anew = Self::of(scopes, process);
        (&anew.tokens, &anew.armed) == (&self.tokens, &self.armed)
            && (&anew.waiting, &anew.moving, &anew.inner) == (&self.waiting, &self.moving, &self.inner)
    }
}

fn within(
    standing: &Standing,
    scope: ScopeId,
    node: NodeIx,
) -> impl Iterator<Item = &(ScopeId, NodeIx, Option<FlowIx>, TokenId)> {
    standing.range((scope, node, None, TokenId(0))..=(scope, node, Some(EdgeIndex::end()), TokenId(u32::MAX)))
}

fn next(standing: &Standing, scope: ScopeId, from: NodeIx) -> Option<NodeIx> {
    let ends = (scope, from, None, TokenId(0))..=(scope, NodeIndex::end(), None, TokenId(0));
    standing.range(ends).next().map(|(_, node, _, _)| *node)
}
