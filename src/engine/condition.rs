//! Conditional events: asked when data has changed and everything rests; one happens when its condition becomes true.
//!
//! BPMN 2.0.2, 10.5.5: a conditional event is "triggered when a condition becomes true"; its condition "MUST become false
//! and then true before the Event can be triggered again". One that is true when its event is armed happens at once.
//! `camunda:variableName` and `camunda:variableEvents` say which changes are worth asking at (Camunda 7).

use crate::base::id::{ElementId, LocalId, ScopeId};
use crate::base::time::Timestamp;
use crate::base::variable::Variables;
use crate::engine::definition::{Process, ProcessDefinition, StartKind};
use crate::engine::expression::Plain;
use crate::engine::incident::Fault;
use crate::engine::instance::{InstanceState, OF_SCOPE, Subscription, Trigger, Wait};
use crate::engine::step::{At, Step};
use crate::engine::subscription::{self, TriggerSource};
use crate::script::{Compiled, EvaluationError};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a conditional event waits for.
#[derive(Debug)]
pub struct Condition {
    pub expression: Compiled,
    /// Asked only when this variable has changed.
    pub variable: Option<String>,
    /// Asked only at changes of these kinds; empty: at all.
    pub changes: BTreeSet<Change>,
}

/// What has happened to a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    Create,
    Update,
    Delete,
}

impl Change {
    /// As `camunda:variableEvents` names it.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "create" => Some(Self::Create),
            "update" => Some(Self::Update),
            "delete" => Some(Self::Delete),
            _other => None,
        }
    }
}

impl Condition {
    fn asks_at(&self, name: &str, change: Change) -> bool {
        let named = self.variable.as_deref().is_none_or(|variable| variable == name);
        named && (self.changes.is_empty() || self.changes.contains(&change))
    }
}

/// The start events of a process whose conditions hold over this data.
pub fn starts(definition: &ProcessDefinition, variables: &Variables, now: Timestamp) -> Result<Vec<ElementId>, Fault> {
    let process = &definition.process;
    let mut begun = Vec::new();
    for start in process.start_triggers.iter().filter(|start| matches!(start.kind, StartKind::Condition)) {
        let source = process.node(start.node).element.trigger();
        let part = usize::try_from(start.part).unwrap_or_default();
        let Some(TriggerSource::Condition(condition)) = source.and_then(|source| source.parts().get(part)) else {
            continue;
        };
        let mut plain = Plain { variables, definition: Some(definition), now, token: None };
        match condition.expression.condition(&mut plain) {
            Ok(true) => begun.push(start.element.clone()),
            Ok(false) | Err(EvaluationError::UnknownVariable(_)) => {}
            Err(error) => {
                let words = format!("{}: {}: {error}", start.element, condition.expression.source());
                return Err(Fault::expression(words));
            }
        }
    }
    Ok(begun)
}

/// Notes at the armed conditions that there is something to ask about. Stored with them: a bounded run asks in a later
/// commit.
pub(super) fn changed(step: &mut Step, name: &str, change: Change) {
    if !step.process.conditional {
        return;
    }
    let process = Arc::clone(&step.process);
    let asks = |armed: &Subscription| {
        let idle = matches!(armed.trigger, Trigger::Condition { ask: false, .. });
        idle && condition_of(&process, armed).is_some_and(|condition| condition.asks_at(name, change))
    };
    for (id, armed) in armed(step, asks) {
        let Trigger::Condition { held, .. } = armed.trigger else { continue };
        step.asked(id, held, true);
    }
}

/// Asks the conditions that something has changed for, once everything rests; true if one of them happened.
pub(super) fn ask(step: &mut Step) -> bool {
    if !step.process.conditional {
        return false;
    }
    let changed = armed(step, |armed| matches!(armed.trigger, Trigger::Condition { ask: true, .. }));
    ask_these(step, changed.into_iter().map(|(id, _)| id).collect())
}

/// Asks those that have just been armed, before what is around them begins.
pub(super) fn ask_armed(step: &mut Step) {
    let fresh = std::mem::take(&mut step.conditions);
    if !fresh.is_empty() {
        ask_these(step, fresh);
    }
}

fn ask_these(step: &mut Step, conditions: Vec<LocalId>) -> bool {
    if step.head().state != InstanceState::Active {
        return false;
    }
    let process = Arc::clone(&step.process);
    let mut happened = false;
    for id in conditions {
        // An earlier one may have ended it.
        let Some((scope, armed)) = step.instance.subscription(id) else { continue };
        let armed = armed.clone();
        let Some(condition) = condition_of(&process, &armed) else { continue };
        let owner = step.at(armed.owner);
        if owner.is_some_and(|owner| matches!(step.token(owner).wait, Wait::Incident(_))) {
            continue;
        }
        let view = owner.map_or(scope, |owner| step.variable_scope(owner));
        let before = matches!(armed.trigger, Trigger::Condition { held: true, .. });
        match step.has_come(view, owner, &condition.expression) {
            Ok(holds) => {
                step.asked(id, holds, false);
                if holds && !before {
                    subscription::fire(step, id, Variables::new(), Variables::new());
                    happened = true;
                }
            }
            Err(fault) => cannot_be_asked(step, (id, scope), &armed, fault),
        }
    }
    happened
}

/// The condition that an armed event waits for.
fn condition_of<'p>(process: &'p Process, armed: &Subscription) -> Option<&'p Condition> {
    let Trigger::Condition { part, .. } = armed.trigger else { return None };
    match process.node(armed.catches).element.trigger()?.parts().get(part)? {
        TriggerSource::Condition(condition) => Some(condition),
        _other => None,
    }
}

fn armed(step: &Step, fits: impl Fn(&Subscription) -> bool) -> Vec<(LocalId, Subscription)> {
    let all = step.instance.scopes.values().flat_map(|scope| &scope.subscriptions);
    let mut found: Vec<_> = all.filter(|(_, armed)| fits(armed)).map(|(id, armed)| (*id, armed.clone())).collect();
    found.sort_unstable_by_key(|(id, _)| *id);
    found
}

/// An incident at the token that waits, else at one of the scope; it is asked again when that is resolved.
fn cannot_be_asked(step: &mut Step, (id, scope): (LocalId, ScopeId), armed: &Subscription, fault: Fault) {
    let at = if armed.owner == OF_SCOPE { standing_in(step, scope) } else { step.at(armed.owner) };
    match at {
        Some(at) => step.raise(at, fault),
        // Nobody can stand for it: asked again at the next change.
        None => step.asked(id, false, false),
    }
}

/// A token of the scope that may be held up without holding up others.
fn standing_in(step: &Step, scope: ScopeId) -> Option<At> {
    let open = step.scope(scope);
    let can_stand = |wait: &Wait| matches!(wait, Wait::Job(_) | Wait::UserTask(_) | Wait::Trigger);
    let token = open.tokens.iter().find(|(_, token)| can_stand(&token.wait)).map(|(id, _)| *id);
    token.or(open.owner).and_then(|token| step.at(token))
}
