//! Words out: facts, recorded in the same primitive that changes the instance. The history is these.

use crate::base::id::{DefinitionId, ElementId, InstanceId, LocalId, ScopeId, TokenId};
use crate::base::time::Timestamp;
use crate::base::variable::Variable;
use crate::engine::incident::IncidentKind;
use crate::engine::instance::{Caller, InstanceState, ScopeKind};
use crate::engine::job::JobKind;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "e", rename_all = "kebab-case")]
pub enum Event {
    InstanceCreated {
        definition: DefinitionId,
        caller: Option<Caller>,
    },
    /// A token arrived at an element.
    TokenEntered {
        token: TokenId,
        scope: ScopeId,
        at: ElementId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        via: Option<ElementId>,
    },
    /// The element is done with its token.
    TokenLeft {
        token: TokenId,
        at: ElementId,
    },
    /// Consumed by a join together with one token of each other incoming flow.
    TokenJoined {
        token: TokenId,
        at: ElementId,
    },
    TokenCancelled {
        token: TokenId,
        at: ElementId,
    },
    /// Tokens go on from here, and this one stays: until the rest has come (complex gateway), or all is undone.
    WentOn {
        token: TokenId,
        at: ElementId,
    },
    FlowTaken {
        flow: ElementId,
    },
    /// `owner` waits for this scope; none for the root and for an activity's local variables.
    ScopeOpened {
        scope: ScopeId,
        parent: Option<ScopeId>,
        kind: ScopeKind,
        owner: Option<TokenId>,
        at: Option<ElementId>,
    },
    ScopeClosed {
        scope: ScopeId,
    },
    /// What was done is kept, or serves to undo it.
    ScopeChanged {
        scope: ScopeId,
        kind: ScopeKind,
        owner: Option<TokenId>,
        parent: Option<ScopeId>,
    },
    /// An activity is done that can be undone.
    Compensable {
        id: LocalId,
        scope: ScopeId,
        at: ElementId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kept: Option<ScopeId>,
    },
    /// What was completed in `scope` (of this activity only) is undone in `run`.
    CompensationThrown {
        token: TokenId,
        scope: ScopeId,
        run: ScopeId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        activity: Option<ElementId>,
    },
    /// Its undoing begins.
    Compensated {
        id: LocalId,
        run: ScopeId,
        at: ElementId,
    },
    TransactionCancelled {
        token: TokenId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        caught_by: Option<ElementId>,
    },
    VariableSet {
        scope: ScopeId,
        name: String,
        value: Variable,
    },
    VariableRemoved {
        scope: ScopeId,
        name: String,
    },
    JobOpened {
        token: TokenId,
        topic: String,
        kind: JobKind,
    },
    JobLeased {
        token: TokenId,
        lease_no: i64,
        holder: String,
        until: Timestamp,
    },
    LeaseExtended {
        token: TokenId,
        lease_no: i64,
        until: Timestamp,
    },
    LeaseReleased {
        token: TokenId,
        lease_no: i64,
    },
    LeaseExpired {
        token: TokenId,
        lease_no: i64,
        expiries: i64,
    },
    JobFailed {
        token: TokenId,
        lease_no: i64,
        message: String,
        retries: i64,
        due: Timestamp,
    },
    RetriesSet {
        token: TokenId,
        retries: i64,
    },
    JobClosed {
        token: TokenId,
        lease_no: i64,
        how: JobEnd,
    },
    /// A result that came too late; kept as evidence.
    ResultRefused {
        token: TokenId,
        lease_no: Option<i64>,
        holder: String,
    },
    UserTaskCreated {
        token: TokenId,
        at: ElementId,
        #[serde(default, skip_serializing_if = "UserTaskLinks::is_empty")]
        links: UserTaskLinks,
    },
    UserTaskChanged {
        token: TokenId,
        what: String,
        value: Option<String>,
    },
    UserTaskClosed {
        token: TokenId,
        how: JobEnd,
    },
    Armed {
        id: LocalId,
        owner: TokenId,
        /// Of what a scope itself waits for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        scope: Option<ScopeId>,
        at: ElementId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        due: Option<Timestamp>,
    },
    Fired {
        id: LocalId,
        at: ElementId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        due: Option<Timestamp>,
    },
    Disarmed {
        id: LocalId,
        at: ElementId,
    },
    Called {
        token: TokenId,
        called: InstanceId,
        process: String,
    },
    ErrorThrown {
        token: TokenId,
        code: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        caught_by: Option<ElementId>,
    },
    Escalated {
        token: TokenId,
        code: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        caught_by: Option<ElementId>,
    },
    /// For the task at `at`; its inputs and outputs stand in the history's row of this id. `rules`: those that made the
    /// result, counted from 1.
    DecisionEvaluated {
        id: LocalId,
        token: TokenId,
        at: ElementId,
        decision: String,
        definition: DefinitionId,
        rules: Vec<usize>,
    },
    /// Everybody of this instance who waits for it hears it now.
    SignalThrown {
        token: TokenId,
        name: String,
    },
    /// A listener of something that was being cancelled.
    ListenerFailed {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<ElementId>,
        message: String,
    },
    IncidentRaised {
        id: LocalId,
        token: TokenId,
        at: ElementId,
        kind: IncidentKind,
        message: String,
    },
    IncidentResolved {
        id: LocalId,
        token: TokenId,
        at: ElementId,
    },
    InstanceSuspended,
    InstanceResumed,
    InstanceEnded {
        state: InstanceState,
    },
}

/// Who has a task, and who may take it, when it is made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UserTaskLinks {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assignee: Option<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub candidate_users: BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub candidate_groups: BTreeSet<String>,
}

impl UserTaskLinks {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobEnd {
    Completed,
    Error,
    Cancelled,
}
