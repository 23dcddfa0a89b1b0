//! Compensation: undoing what was completed, in reverse order of completion, with the data of that time.
//!
//! BPMN 2.0.2, 10.7 and 13.5.5: "Compensation is concerned with undoing steps that were already successfully completed …
//! Compensation is triggered for a completed Activity; it is done in reverse order". A handler at the boundary of an
//! activity undoes it; a sub-process is undone by its compensation event sub-process, else by its handler and then by undoing
//! what was completed in it (Camunda 7), with its variables as they were at its end. What is undone is not undone twice. Of an activity with many instances, each is undone.
//!
//! The thrower waits for a scope, the run: it holds what is still to be undone, and one handler at a time.

use crate::base::id::{ScopeId, TokenId};
use crate::engine::definition::{FlowNode, NodeIx};
use crate::engine::event::Event;
use crate::engine::instance::{Compensable, ScopeKind, Stage, Wait};
use crate::engine::lifecycle::{Cause, Work};
use crate::engine::step::{At, Step};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is done keeps its scope when that may be needed to undo it; its token takes it along until it leaves.
pub(super) fn keeps(step: &Step, scope: ScopeId) -> bool {
    let done = step.scope(scope);
    let Some(node) = done.at else { return false };
    let undoable = !step.process.node(node).for_compensation;
    undoable
        && (!done.compensables.is_empty()
            || step.process.node(node).handler.is_some()
            || step.process.undoing_event_sub_process(node).is_some())
}

/// Scopes of what is done that this token still holds.
pub(super) fn held(step: &Step, token: TokenId) -> Vec<ScopeId> {
    if !step.process.compensates {
        return Vec::new();
    }
    let kept = step.instance.scopes.values().filter(|scope| scope.kind == ScopeKind::Kept);
    kept.filter(|scope| scope.owner == Some(token)).map(|scope| scope.id).collect()
}

/// An activity is done and about to be left: from now on it can be undone.
pub(super) fn note(step: &mut Step, at: At) {
    if !step.process.compensates {
        return;
    }
    let process = Arc::clone(&step.process);
    let FlowNode { handler, for_compensation, looping, .. } = process.node(at.node);
    let inner = step.scope(at.scope).kind == ScopeKind::Inner;
    if *for_compensation || (looping.is_some() && !inner) {
        return;
    }
    let inside = held(step, at.token).first().copied();
    if handler.is_none() && inside.is_none() {
        return;
    }
    let own = step.token(at).own.filter(|own| *own != at.scope);
    if let Some(own) = own {
        step.token_mut(at).own = None;
        step.keep(own, None);
    }
    if let Some(inside) = inside {
        step.keep(inside, None);
    }
    let kept = inside.or(own).or(inner.then_some(at.scope));
    let home = if inner { step.scope(at.scope).parent.expect("an inner scope has a body") } else { at.scope };
    step.can_be_undone(home, Compensable { activity: at.node, kept, within: home });
}

/// One of many instances is done: its scope stays if it is needed to undo it.
pub(super) fn close_inner(step: &mut Step, body: ScopeId, inner: ScopeId) {
    let top = |kept: ScopeId| kept == inner || step.scope(kept).parent == Some(inner);
    let needed = step.scope(body).compensables.values().any(|compensable| compensable.kept.is_some_and(top));
    let around = step.scope(body).owner.and_then(|owner| step.at(owner)).map(|at| step.variable_scope(at));
    match around.filter(|_| needed) {
        Some(around) => step.change_scope(inner, ScopeKind::Kept, None, Some(around)),
        None => step.close_scope(inner),
    }
}

/// All instances are done: what can be undone of them now belongs to the scope around the activity.
pub(super) fn hand_up(step: &mut Step, body: ScopeId, at: At) {
    if step.scope(body).compensables.is_empty() {
        return;
    }
    step.move_compensables(body, at.scope, |_| true);
}

/// Throws compensation: what the thrower then waits for; none if there is nothing to undo.
pub(super) fn throw(step: &mut Step, at: At, activity: Option<NodeIx>) -> Option<Wait> {
    let scope = compensated_scope(step, at, activity);
    let chosen = |compensable: &Compensable| activity.is_none_or(|activity| activity == compensable.activity);
    if !step.scope(scope).compensables.values().any(chosen) {
        return None;
    }
    let run = step.open_scope(ScopeKind::Compensation, Some(scope), Some(at.token), Some(at.node));
    let activity = activity.map(|activity| step.element_id(activity));
    step.events.push(Event::CompensationThrown { token: at.token, scope, run, activity });
    step.move_compensables(scope, run, chosen);
    step.set_stage(at, Stage::Active);
    step.set_wait(at, Wait::Scope(run));
    next(step, run);
    Some(Wait::Scope(run))
}

/// The scope whose activities are undone: the thrower's; of an event sub-process the one around it, unless the activity
/// stands beside the thrower.
fn compensated_scope(step: &Step, at: At, activity: Option<NodeIx>) -> ScopeId {
    let process = &step.process;
    let level = process.node(at.node).parent;
    let beside = activity.is_some_and(|activity| process.node(activity).parent == level);
    let Some(event_sub_process) = level.filter(|level| process.is_event_sub_process(*level) && !beside) else {
        return at.scope;
    };
    let around = process.node(event_sub_process).parent;
    let mut current = at.scope;
    while let Some(parent) = step.scope(current).parent {
        current = parent;
        let scope = step.scope(current);
        if scope.at == around && matches!(scope.kind, ScopeKind::SubProcess | ScopeKind::Kept | ScopeKind::Process) {
            break;
        }
    }
    current
}

/// Undoes what was completed last of what is left; with nothing left the thrower goes on.
pub(super) fn next(step: &mut Step, run: ScopeId) {
    let owner = step.scope(run).owner.expect("a thrower waits for its run");
    loop {
        let last = if crate::base::planted::is("compensation-forward") {
            step.scope(run).compensables.keys().next().copied()
        } else {
            step.scope(run).compensables.keys().next_back().copied()
        };
        let Some(id) = last else { return over(step, run, owner) };
        let compensable = step.undoes(run, id);
        let Compensable { activity, kept, within } = compensable;
        let process = Arc::clone(&step.process);
        let handler = process.node(activity).handler;
        let inside = kept.filter(|kept| !step.scope(*kept).compensables.is_empty());
        if let (Some(handler), None) = (handler, inside) {
            return start(step, run, handler, kept.unwrap_or(within), kept.is_some());
        }
        let Some(kept) = kept else { continue };
        // It lasts until the run is over: what follows sees its variables.
        step.keep(kept, Some(owner));
        if let Some(handler) = handler {
            step.move_compensables(kept, run, |_| true);
            return start(step, run, handler, kept, false);
        }
        if let Some(event_sub_process) = step.process.undoing_event_sub_process(activity) {
            return start(step, run, event_sub_process, kept, false);
        }
        step.move_compensables(kept, run, |_| true);
    }
}

/// A token at the activity that undoes: it sees the variables of `view`, which become its own if nothing else needs them.
fn start(step: &mut Step, run: ScopeId, node: NodeIx, view: ScopeId, own: bool) {
    let at = step.place(run, node, None);
    let around = step.scope(run).parent;
    if own {
        step.token_mut(at).own = Some(view);
        step.change_scope(view, ScopeKind::Activity, Some(at.token), None);
    } else if Some(view) != around {
        let own = step.open_scope(ScopeKind::Activity, Some(view), Some(at.token), Some(node));
        step.token_mut(at).own = Some(own);
    }
    step.agenda.push(Work::Enter { token: at.token, admitted: false });
}

/// Nothing of this scope will be undone any more.
pub(super) fn forget(step: &mut Step, scope: ScopeId) {
    let all = step.instance.scopes.get(&scope).map(|scope| &scope.compensables);
    let kept: Vec<ScopeId> = all.into_iter().flat_map(BTreeMap::values).filter_map(|known| known.kept).collect();
    for scope in kept.into_iter().rev() {
        step.close_scope(scope);
    }
}

fn over(step: &mut Step, run: ScopeId, owner: TokenId) {
    step.close_scope(run);
    for kept in held(step, owner).into_iter().rev() {
        step.close_scope(kept);
    }
    if let Some(at) = step.at(owner) {
        step.wake(at);
    }
    step.agenda.push(Work::Resume { token: owner, cause: Cause::ScopeDone });
}
