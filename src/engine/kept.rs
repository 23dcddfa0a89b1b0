//! Primitives for what outlasts its activity: kept scopes, what can be undone, and what a condition was when last asked.

use crate::base::id::{LocalId, ScopeId, TokenId};
use crate::engine::event::Event;
use crate::engine::instance::{Compensable, Instance, ScopeKind, Trigger};
use crate::engine::step::Step;
use std::collections::BTreeMap;

impl Step<'_> {
    /// A scope whose activity is done, kept to undo it; held by the token that is about to leave, or that undoes.
    pub(super) fn keep(&mut self, scope: ScopeId, owner: Option<TokenId>) {
        self.change_scope(scope, ScopeKind::Kept, owner, None);
    }

    pub(super) fn change_scope(
        &mut self,
        id: ScopeId,
        kind: ScopeKind,
        owner: Option<TokenId>,
        parent: Option<ScopeId>,
    ) {
        self.touch(id);
        let Instance { scopes, places, .. } = &mut *self.instance;
        let scope = scopes.get_mut(&id).expect("just touched");
        places.closed(scope);
        (scope.kind, scope.owner) = (kind, owner);
        scope.parent = parent.or(scope.parent);
        places.opened(scope);
        let parent = scope.parent;
        self.events.push(Event::ScopeChanged { scope: id, kind, owner, parent });
    }

    pub(super) fn can_be_undone(&mut self, scope: ScopeId, compensable: Compensable) {
        let id = LocalId(self.fresh());
        let (at, kept) = (self.element_id(compensable.activity), compensable.kept);
        self.touch(scope).compensables.insert(id, compensable);
        self.events.push(Event::Compensable { id, scope, at, kept });
    }

    /// Hands on what can be undone, under its numbers, which tell the order of completion.
    pub(super) fn move_compensables(&mut self, from: ScopeId, to: ScopeId, which: impl Fn(&Compensable) -> bool) {
        let all = std::mem::take(&mut self.touch(from).compensables);
        let (moved, left): (BTreeMap<_, _>, BTreeMap<_, _>) = all.into_iter().partition(|(_, known)| which(known));
        self.touch(from).compensables = left;
        self.touch(to).compensables.extend(moved);
    }

    /// Takes one out of a run, to undo it now.
    pub(super) fn undoes(&mut self, run: ScopeId, id: LocalId) -> Compensable {
        let compensable = self.touch(run).compensables.remove(&id).expect("chosen from those that are there");
        let at = self.element_id(compensable.activity);
        self.events.push(Event::Compensated { id, run, at });
        compensable
    }

    /// What a condition was when it was asked, and whether it is to be asked again.
    pub(super) fn asked(&mut self, id: LocalId, held: bool, ask: bool) {
        let Some((scope, armed)) = self.instance.subscription(id) else { return };
        let Trigger::Condition { part, .. } = armed.trigger else { return };
        let now = Trigger::Condition { held, ask, part };
        if armed.trigger == now {
            return;
        }
        if let Some(armed) = self.touch(scope).subscriptions.get_mut(&id) {
            armed.trigger = now;
        }
    }
}
