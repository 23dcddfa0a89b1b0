//! The stored form of an instance: JSON, one document per scope; the root scope's document also holds the head.
//!
//! Elements are named by their ids, never by graph index. A document carries a format number; an older one is upgraded by
//! small functions, one for each step.

use crate::base::id::{InstanceId, LocalId, ROOT_SCOPE, ScopeId, TokenId};
use crate::base::time::Timestamp;
use crate::base::variable::Variables;
use crate::engine::definition::{FlowIx, NodeIx, Process, ProcessDefinition};
use crate::engine::instance::{
    Compensable, Head, Instance, Scope, ScopeKind, Stage, Subscription, Token, Trigger, Wait,
};
use crate::engine::places::Places;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const FORMAT: u32 = 1;

#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    #[error("instance {instance}: the stored document cannot be read: {error}")]
    Json { instance: InstanceId, error: serde_json::Error },
    #[error("instance {instance}: its definition has no element {id:?}")]
    UnknownElement { instance: InstanceId, id: String },
    #[error("instance {instance}: the document has format {format}, this program reads up to {FORMAT}")]
    Newer { instance: InstanceId, format: u32 },
}

#[derive(Serialize, Deserialize)]
struct RootDocument<'a> {
    format: u32,
    head: Cow<'a, Head>,
    scope: ScopeDocument<'a>,
}

#[derive(Serialize, Deserialize)]
struct ScopeDocument<'a> {
    id: ScopeId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent: Option<ScopeId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<TokenId>,
    kind: ScopeKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Variables::is_empty")]
    variables: Cow<'a, Variables>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    tokens: BTreeMap<TokenId, TokenDocument<'a>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    subscriptions: BTreeMap<LocalId, SubscriptionDocument<'a>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    compensables: BTreeMap<LocalId, CompensableDocument<'a>>,
}

#[derive(Serialize, Deserialize)]
struct CompensableDocument<'a> {
    activity: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kept: Option<ScopeId>,
    within: ScopeId,
}

#[derive(Serialize, Deserialize)]
struct TokenDocument<'a> {
    at: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    via: Option<Cow<'a, str>>,
    stage: Stage,
    wait: Cow<'a, Wait>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    own: Option<ScopeId>,
    #[serde(default, skip_serializing_if = "is_zero")]
    leases: i64,
    since: Timestamp,
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

#[derive(Serialize, Deserialize)]
struct SubscriptionDocument<'a> {
    owner: TokenId,
    catches: Cow<'a, str>,
    trigger: Cow<'a, Trigger>,
    interrupting: bool,
    since: Timestamp,
}

/// The root scope with the head; empty for an ended instance.
pub fn encode_root(instance: &Instance) -> String {
    if instance.head.state.is_ended() {
        return String::new();
    }
    let scope = scope_document(instance, &instance.scopes[&ROOT_SCOPE]);
    to_json(&RootDocument { format: FORMAT, head: Cow::Borrowed(&instance.head), scope })
}

pub fn encode_scope(instance: &Instance, scope: ScopeId) -> String {
    to_json(&scope_document(instance, &instance.scopes[&scope]))
}

fn to_json(document: &impl Serialize) -> String {
    serde_json::to_string(document).expect("a document is JSON")
}

fn scope_document<'a>(instance: &'a Instance, scope: &'a Scope) -> ScopeDocument<'a> {
    let process = &instance.definition.process;
    let node = |ix: NodeIx| Cow::Borrowed(process.node(ix).id.as_str());
    let token = |token: &'a Token| TokenDocument {
        at: node(token.at),
        via: token.via.map(|flow| Cow::Borrowed(process.flow(flow).id.as_str())),
        stage: token.stage,
        wait: Cow::Borrowed(&token.wait),
        own: token.own,
        leases: token.leases,
        since: token.since,
    };
    let subscription = |subscription: &'a Subscription| SubscriptionDocument {
        owner: subscription.owner,
        catches: node(subscription.catches),
        trigger: Cow::Borrowed(&subscription.trigger),
        interrupting: subscription.interrupting,
        since: subscription.since,
    };
    let compensable = |known: &Compensable| CompensableDocument {
        activity: node(known.activity),
        kept: known.kept,
        within: known.within,
    };
    ScopeDocument {
        id: scope.id,
        parent: scope.parent,
        owner: scope.owner,
        kind: scope.kind,
        at: scope.at.map(node),
        variables: Cow::Borrowed(&scope.variables),
        tokens: scope.tokens.iter().map(|(id, t)| (*id, token(t))).collect(),
        subscriptions: scope.subscriptions.iter().map(|(id, s)| (*id, subscription(s))).collect(),
        compensables: scope.compensables.iter().map(|(id, known)| (*id, compensable(known))).collect(),
    }
}

/// Reads an instance back; the definition must be the one that the head names.
pub fn decode(
    id: InstanceId,
    body: &str,
    scopes: &[(ScopeId, String)],
    definition: Arc<ProcessDefinition>,
) -> Result<Instance, DocumentError> {
    let json = |error| DocumentError::Json { instance: id, error };
    let root: RootDocument<'_> = serde_json::from_str(body).map_err(json)?;
    if root.format > FORMAT {
        return Err(DocumentError::Newer { instance: id, format: root.format });
    }
    let names = Names { instance: id, process: &definition.process, flows: flows_by_id(&definition.process) };
    let mut all = BTreeMap::new();
    let first = names.scope(root.scope)?;
    all.insert(first.id, first);
    for (_, text) in scopes {
        let scope = names.scope(serde_json::from_str(text).map_err(json)?)?;
        all.insert(scope.id, scope);
    }
    let head = root.head.into_owned();
    let places = Places::of(&all, &definition.process);
    Ok(Instance { head, definition, scopes: all, dirty: BTreeSet::new(), closed: BTreeSet::new(), places })
}

fn flows_by_id(process: &Process) -> BTreeMap<&str, FlowIx> {
    process.graph.edge_indices().map(|ix| (process.flow(ix).id.as_str(), ix)).collect()
}

struct Names<'p> {
    instance: InstanceId,
    process: &'p Process,
    flows: BTreeMap<&'p str, FlowIx>,
}

impl Names<'_> {
    fn node(&self, id: &str) -> Result<NodeIx, DocumentError> {
        self.process.find(id).ok_or_else(|| self.unknown(id))
    }

    fn unknown(&self, id: &str) -> DocumentError {
        DocumentError::UnknownElement { instance: self.instance, id: id.to_owned() }
    }

    fn scope(&self, stored: ScopeDocument<'_>) -> Result<Scope, DocumentError> {
        let mut tokens = BTreeMap::new();
        for (id, token) in stored.tokens {
            let via = token.via.map(|id| self.flows.get(&*id).copied().ok_or_else(|| self.unknown(&id))).transpose()?;
            let TokenDocument { at, wait, stage, own, leases, since, .. } = token;
            let (at, wait) = (self.node(&at)?, wait.into_owned());
            tokens.insert(id, Token { at, via, stage, wait, own, leases, since });
        }
        let mut subscriptions = BTreeMap::new();
        for (id, s) in stored.subscriptions {
            let (catches, trigger) = (self.node(&s.catches)?, s.trigger.into_owned());
            subscriptions.insert(
                id,
                Subscription { owner: s.owner, catches, trigger, interrupting: s.interrupting, since: s.since },
            );
        }
        let mut compensables = BTreeMap::new();
        for (id, known) in stored.compensables {
            let activity = self.node(&known.activity)?;
            compensables.insert(id, Compensable { activity, kept: known.kept, within: known.within });
        }
        Ok(Scope {
            id: stored.id,
            parent: stored.parent,
            owner: stored.owner,
            kind: stored.kind,
            at: stored.at.map(|id| self.node(&id)).transpose()?,
            variables: stored.variables.into_owned(),
            tokens,
            subscriptions,
            compensables,
        })
    }
}
