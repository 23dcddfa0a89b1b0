//! Query rows of the history, made from the state while events are recorded. Each row is whole, so the last write of a
//! batch wins and a row is written by primary key.

use crate::base::id::{ElementId, LocalId, ScopeId, TokenId};
use crate::base::time::Timestamp;
use crate::base::variable::Variable;
use crate::engine::decided::PastDecision;
use crate::engine::incident::IncidentKind;
use crate::engine::instance::UserTask;
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PastKey {
    Activity(TokenId),
    Task(TokenId),
    Variable(ScopeId, String),
    Incident(LocalId),
    Decision(LocalId),
}

#[derive(Clone, Debug, PartialEq)]
pub enum PastRow {
    Activity(PastActivity),
    Task(Box<PastTask>),
    Variable(PastVariable),
    Incident(PastIncident),
    Decision(Box<PastDecision>),
}

pub type Past = BTreeMap<PastKey, PastRow>;

#[derive(Clone, Debug, PartialEq)]
pub struct PastActivity {
    pub element: ElementId,
    pub name: Option<String>,
    /// The element's kind as BPMN names it, such as `userTask`.
    pub kind: &'static str,
    pub scope: ScopeId,
    /// The token that owns the scope: the activity around this one.
    pub parent: Option<TokenId>,
    pub called: Option<crate::base::id::InstanceId>,
    pub assignee: Option<String>,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub cancelled: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct PastTask {
    pub element: ElementId,
    pub task: UserTask,
    pub ended_at: Option<Timestamp>,
    /// `completed`, or why it was deleted.
    pub reason: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct PastVariable {
    pub value: Option<Variable>,
    /// The activation whose own variable it is, if any.
    pub token: Option<TokenId>,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq)]
pub struct PastIncident {
    pub token: TokenId,
    pub element: ElementId,
    pub kind: IncidentKind,
    pub message: String,
    pub raised_at: Timestamp,
    pub resolved_at: Option<Timestamp>,
    /// Resolved, or gone with its activity.
    pub deleted: bool,
}
