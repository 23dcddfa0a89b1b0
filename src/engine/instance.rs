//! A process instance as it is stored: a head, and a tree of scopes that hold variables, tokens and subscriptions.
//!
//! In memory a token knows its node by index; the stored form (`document`) names elements by their ids, so that a later
//! compiler may number nodes otherwise. Only `engine/step.rs` changes an instance.

use crate::base::id::{DefinitionId, ElementId, InstanceId, LocalId, ROOT_SCOPE, ScopeId, TokenId};
use crate::base::time::{Cycle, Timestamp};
use crate::base::variable::Variables;
use crate::engine::definition::{FlowIx, NodeIx, ProcessDefinition};
use crate::engine::incident::Incident;
use crate::engine::job::Job;
use crate::engine::places::Places;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[derive(Clone, Debug)]
pub struct Instance {
    pub head: Head,
    pub definition: Arc<ProcessDefinition>,
    pub scopes: BTreeMap<ScopeId, Scope>,
    /// Scopes changed since the last commit; the store writes these only.
    pub dirty: BTreeSet<ScopeId>,
    /// Scopes closed since the last commit.
    pub closed: BTreeSet<ScopeId>,
    /// Where each token and each armed event is; found again from the scopes, never stored.
    pub(in crate::engine) places: Places,
}

/// What the `process_instance` row tells beside the root scope.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Head {
    pub id: InstanceId,
    pub definition: DefinitionId,
    pub tenant: String,
    pub business_key: Option<String>,
    /// Where this instance was called from.
    pub caller: Option<Caller>,
    pub root: InstanceId,
    pub state: InstanceState,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub starter: Option<String>,
    pub start_element: Option<ElementId>,
    pub end_element: Option<ElementId>,
    pub reason: Option<String>,
    /// Grows with each command; never goes back.
    pub revision: u64,
    /// The next number inside this instance.
    pub next: u32,
    /// Agenda steps since the last outside word: an endless loop is found by it.
    pub steps: u32,
    /// How deep this instance was called.
    pub depth: u32,
    /// The last run was bounded: tokens rest that go on by `Continue`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub continues: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    pub instance: InstanceId,
    pub token: TokenId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InstanceState {
    Active,
    Suspended,
    /// Cancelling goes on over several commits; nothing else is accepted.
    Cancelling,
    Completed,
    /// By a terminate end event.
    Terminated,
    Cancelled,
}

impl InstanceState {
    pub fn is_ended(self) -> bool {
        matches!(self, Self::Completed | Self::Terminated | Self::Cancelled)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Scope {
    pub id: ScopeId,
    pub parent: Option<ScopeId>,
    /// The token that waits for this scope to be done; none for the root and for the variables of a single activity.
    pub owner: Option<TokenId>,
    pub kind: ScopeKind,
    /// The node whose scope it is; none for the process.
    pub at: Option<NodeIx>,
    pub variables: Variables,
    pub tokens: BTreeMap<TokenId, Token>,
    pub subscriptions: BTreeMap<LocalId, Subscription>,
    /// What was completed here and can be undone; the numbers tell the order.
    pub compensables: BTreeMap<LocalId, Compensable>,
}

/// A completed activity that can be undone.
#[derive(Clone, Debug, PartialEq)]
pub struct Compensable {
    pub activity: NodeIx,
    /// Its variables as they were at its end, and what was completed in it.
    pub kept: Option<ScopeId>,
    /// Where it was done.
    pub within: ScopeId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScopeKind {
    Process,
    SubProcess,
    /// Local variables of one activity (mappings, multi-instance variables); holds no tokens.
    Activity,
    /// All inner instances of a multi-instance activity.
    Body,
    /// One inner instance: holds exactly its token until it is done.
    Inner,
    /// What undoes is done in it, one handler at a time; the token that threw compensation waits for it.
    Compensation,
    /// Of an activity that is done: its variables, and what can be undone in it.
    Kept,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    pub at: NodeIx,
    pub via: Option<FlowIx>,
    pub stage: Stage,
    pub wait: Wait,
    /// Local variables of this activation, where it has some.
    pub own: Option<ScopeId>,
    /// The last lease number of the jobs it has had: the next job goes on from it, so that none is given twice.
    pub leases: i64,
    pub since: Timestamp,
}

/// Where to resume after an incident or a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    Entering,
    Active,
    Leaving,
    /// Leaving, and its output is mapped already: mapped twice, it would count twice.
    Mapped,
}

/// What a token waits for: exactly one thing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wait {
    Nothing,
    /// In a join, for the other incoming flows.
    Join,
    Job(Job),
    UserTask(Box<UserTask>),
    /// For one of its subscriptions.
    Trigger,
    Scope(ScopeId),
    Called(InstanceId),
    Incident(Box<Incident>),
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UserTask {
    pub name: Option<String>,
    pub description: Option<String>,
    pub assignee: Option<String>,
    pub owner: Option<String>,
    pub delegation: Option<Delegation>,
    pub candidate_users: BTreeSet<String>,
    pub candidate_groups: BTreeSet<String>,
    pub priority: i64,
    pub due: Option<Timestamp>,
    pub follow_up: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Delegation {
    Pending,
    Resolved,
}

/// An armed event: boundary, intermediate catch, an arm of an event-based gateway, or the start of an event sub-process.
#[derive(Clone, Debug, PartialEq)]
pub struct Subscription {
    /// The token that waits, or [`OF_SCOPE`].
    pub owner: TokenId,
    /// The event node that catches.
    pub catches: NodeIx,
    pub trigger: Trigger,
    pub interrupting: bool,
    pub since: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    Timer {
        due: Timestamp,
        cycle: Option<Cycle>,
        /// Which of the timeout listeners of its user task it is.
        #[serde(default, skip_serializing_if = "is_first")]
        part: usize,
    },
    Message {
        name: String,
    },
    /// `None` catches every code.
    Error {
        code: Option<String>,
    },
    /// `None` catches every code.
    Escalation {
        code: Option<String>,
    },
    Signal {
        name: String,
    },
    Condition {
        /// It was true when last asked: it must become false before it can happen again.
        held: bool,
        /// Something has changed since.
        ask: bool,
        /// Which of the triggers of its event it is.
        #[serde(default, skip_serializing_if = "is_first")]
        part: usize,
    },
    /// The transaction was cancelled.
    Cancel,
}

fn is_first(part: &usize) -> bool {
    *part == 0
}

/// The owner of what a scope itself waits for: the start events of its event sub-processes. No token has this number.
pub const OF_SCOPE: TokenId = TokenId(0);

impl Instance {
    pub fn id(&self) -> InstanceId {
        self.head.id
    }

    pub fn root(&self) -> &Scope {
        &self.scopes[&ROOT_SCOPE]
    }

    /// The scope that holds a token, and the token.
    pub fn find(&self, token: TokenId) -> Option<(ScopeId, &Token)> {
        let scope = self.scopes.get(self.places.tokens.get(&token)?)?;
        scope.tokens.get(&token).map(|found| (scope.id, found))
    }

    pub fn tokens(&self) -> impl Iterator<Item = (ScopeId, TokenId, &Token)> {
        self.scopes.values().flat_map(|scope| scope.tokens.iter().map(|(id, token)| (scope.id, *id, token)))
    }

    pub fn subscription(&self, id: LocalId) -> Option<(ScopeId, &Subscription)> {
        let scope = self.scopes.get(self.places.armed.get(&id)?)?;
        scope.subscriptions.get(&id).map(|found| (scope.id, found))
    }
}
