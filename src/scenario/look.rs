//! What a live instance shows: where something waits, is armed, or can be begun.

use crate::base::id::{InstanceId, LocalId, ScopeId, TokenId};
use crate::engine::definition::NodeIx;
use crate::engine::elements::enabled;
use crate::engine::instance::{Instance, Subscription, Token, Wait};

/// The ad-hoc sub-process under way in which an activity can be begun.
pub(super) fn ad_hoc(live: &[Instance], id: &str) -> Option<(InstanceId, TokenId)> {
    live.iter().find_map(|instance| {
        let process = &instance.definition.process;
        let node = process.find(id)?;
        let waits = |token: &Token| matches!(token.wait, Wait::Scope(_)) && enabled(process, token.at, node);
        let of = |at| process.node(at).element.ad_hoc().is_some();
        let found = instance.tokens().find(|(_, _, token)| of(token.at) && waits(token))?;
        Some((instance.id(), found.1))
    })
}

/// An ad-hoc sub-process in which nothing is under way waits for somebody to begin something.
pub(super) fn waits_for_a_choice(instance: &Instance, at: NodeIx, scope: ScopeId) -> bool {
    instance.definition.process.node(at).element.ad_hoc().is_some()
        && instance.scopes.get(&scope).is_some_and(|scope| scope.tokens.is_empty())
}

pub(super) fn armed(instance: &Instance, wanted: impl Fn(&Subscription) -> bool) -> Option<LocalId> {
    let all = instance.scopes.values().flat_map(|scope| scope.subscriptions.iter());
    all.filter(|(_, subscription)| wanted(subscription)).map(|(id, _)| *id).min()
}

pub(super) fn element_of(instance: &Instance, node: NodeIx) -> String {
    instance.definition.process.node(node).id.to_string()
}
