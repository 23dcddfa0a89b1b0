//! The tree of activity instances: scopes with the tokens in them.
//!
//! A token at an activity that opened a scope is the activity around the tokens of that scope. A token between two commits
//! (`asyncBefore`) is a transition instance: it is not in the element yet.

use crate::api::wire;
use crate::base::id::{ROOT_SCOPE, ScopeId, TokenId};
use crate::engine::instance::{Instance, Scope, ScopeKind, Stage, Token, Wait};
use crate::engine::job::JobKind;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A node of the tree while it is built.
#[derive(Default)]
struct Children {
    activities: Vec<Value>,
    transitions: Vec<Value>,
}

pub(super) fn of(instance: &Instance) -> Value {
    let mut below: BTreeMap<ScopeId, Children> = BTreeMap::new();
    // Inner scopes have greater numbers than those around them: the deepest come first, so no recursion is needed.
    for scope in instance.scopes.values().rev() {
        let mut children = Children::default();
        for (id, token) in &scope.tokens {
            let inner = inner_scope(instance, *id, token).and_then(|inner| below.remove(&inner));
            match is_transition(token) {
                true => children.transitions.push(transition(instance, scope, *id, token)),
                false => children.activities.push(activity(instance, scope, *id, token, inner.unwrap_or_default())),
            }
        }
        if scope.kind == ScopeKind::Body {
            // The inner instances of a body are scopes below it, each with its one token.
            for inner in instance.scopes.values().filter(|inner| inner.parent == Some(scope.id)) {
                if let Some(found) = below.remove(&inner.id) {
                    children.activities.extend(found.activities);
                    children.transitions.extend(found.transitions);
                }
            }
        }
        below.insert(scope.id, children);
    }
    root(instance, below.remove(&ROOT_SCOPE).unwrap_or_default())
}

fn root(instance: &Instance, children: Children) -> Value {
    let definition = &instance.definition;
    let (id, name) = (instance.id().to_string(), definition.process.name.clone());
    json!({
        "id": id,
        "parentActivityInstanceId": null,
        "activityId": definition.wire_id(),
        "activityName": name,
        "name": name,
        "activityType": "processDefinition",
        "processInstanceId": id,
        "processDefinitionId": definition.wire_id(),
        "childActivityInstances": children.activities,
        "childTransitionInstances": children.transitions,
        "executionIds": [id],
        "incidentIds": [],
        "incidents": [],
    })
}

fn activity(instance: &Instance, scope: &Scope, id: TokenId, token: &Token, children: Children) -> Value {
    let node = instance.definition.process.node(token.at);
    let is_body = scope_of(instance, token).is_some_and(|inner| inner.kind == ScopeKind::Body);
    let (element, kind) = match is_body {
        true => (format!("{}#multiInstanceBody", node.id), "multiInstanceBody"),
        false => (node.id.to_string(), kind_of(instance, token)),
    };
    let incidents = incidents(instance, id, token);
    json!({
        "id": wire::activity(instance.id(), id),
        "parentActivityInstanceId": parent(instance, scope),
        "activityId": element,
        "activityName": node.name,
        "name": node.name,
        "activityType": kind,
        "processInstanceId": instance.id().to_string(),
        "processDefinitionId": instance.definition.wire_id(),
        "childActivityInstances": children.activities,
        "childTransitionInstances": children.transitions,
        "executionIds": [wire::inner(instance.id(), id)],
        "incidentIds": incidents.iter().map(|incident| incident["id"].clone()).collect::<Vec<_>>(),
        "incidents": incidents,
    })
}

fn transition(instance: &Instance, scope: &Scope, id: TokenId, token: &Token) -> Value {
    let node = instance.definition.process.node(token.at);
    let execution = wire::inner(instance.id(), id);
    let incidents = incidents(instance, id, token);
    json!({
        "id": execution,
        "parentActivityInstanceId": parent(instance, scope),
        "processInstanceId": instance.id().to_string(),
        "processDefinitionId": instance.definition.wire_id(),
        "activityId": node.id.as_str(),
        "activityName": node.name,
        "activityType": kind_of(instance, token),
        "executionId": execution,
        "targetActivityId": node.id.as_str(),
        "incidentIds": incidents.iter().map(|incident| incident["id"].clone()).collect::<Vec<_>>(),
        "incidents": incidents,
    })
}

fn incidents(instance: &Instance, id: TokenId, token: &Token) -> Vec<Value> {
    match &token.wait {
        Wait::Incident(incident) => {
            let node = instance.definition.process.node(token.at);
            vec![
                json!({ "id": wire::inner(instance.id(), incident.id), "activityId": node.id.as_str(), "parentActivityInstanceId": wire::activity(instance.id(), id) }),
            ]
        }
        Wait::Nothing
        | Wait::Join
        | Wait::Job(_)
        | Wait::UserTask(_)
        | Wait::Trigger
        | Wait::Scope(_)
        | Wait::Called(_) => Vec::new(),
    }
}

fn kind_of(instance: &Instance, token: &Token) -> &'static str {
    instance.definition.process.node(token.at).kind
}

/// The activity around this scope's tokens: the token that waits for it, through scopes that are none of an activity's.
fn parent(instance: &Instance, scope: &Scope) -> String {
    let mut current = Some(scope);
    while let Some(scope) = current {
        match (scope.kind, scope.owner) {
            (ScopeKind::SubProcess | ScopeKind::Body | ScopeKind::Compensation, Some(owner)) => {
                return wire::activity(instance.id(), owner);
            }
            _ => current = scope.parent.and_then(|id| instance.scopes.get(&id)),
        }
    }
    instance.id().to_string()
}

fn scope_of<'a>(instance: &'a Instance, token: &Token) -> Option<&'a Scope> {
    match &token.wait {
        Wait::Scope(scope) => instance.scopes.get(scope),
        Wait::Incident(incident) => match incident.held.as_deref() {
            Some(Wait::Scope(scope)) => instance.scopes.get(scope),
            _ => None,
        },
        Wait::Nothing | Wait::Join | Wait::Job(_) | Wait::UserTask(_) | Wait::Trigger | Wait::Called(_) => None,
    }
}

fn inner_scope(instance: &Instance, _id: TokenId, token: &Token) -> Option<ScopeId> {
    scope_of(instance, token).map(|scope| scope.id)
}

/// Before its element, or after it: the token goes on in a commit of its own.
fn is_transition(token: &Token) -> bool {
    let continues = |wait: &Wait| matches!(wait, Wait::Job(job) if job.kind == JobKind::Continuation);
    let waits = match &token.wait {
        Wait::Incident(incident) => incident.held.as_deref().is_some_and(continues),
        wait => continues(wait),
    };
    waits && token.stage != Stage::Active
}
