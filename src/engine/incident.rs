//! Incidents: a token that stands still until someone mends what is wrong. The token keeps its place and its stage.

use crate::base::id::LocalId;
use crate::base::time::Timestamp;
use crate::engine::instance::Wait;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    pub id: LocalId,
    pub kind: IncidentKind,
    pub message: String,
    pub at: Timestamp,
    /// The job it stands for, or what else the token waited for; resolving gives it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Box<Wait>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IncidentKind {
    /// No attempts left for an external task.
    FailedExternalTask,
    /// No attempts left for an internal job.
    FailedJob,
    /// An expression, mapping or script failed.
    Expression,
    /// A BPMN error that nobody catches.
    UncaughtError,
    /// No outgoing flow to take.
    NoFlow,
    /// The called process or decision is not there.
    Call,
    /// A limit was reached.
    Limit,
    /// Lease lost under the policy "at most once".
    UnknownOutcome,
    /// A defect of the engine.
    Bug,
}

impl IncidentKind {
    const ALL: [Self; 9] = [
        Self::FailedExternalTask,
        Self::FailedJob,
        Self::Expression,
        Self::UncaughtError,
        Self::NoFlow,
        Self::Call,
        Self::Limit,
        Self::UnknownOutcome,
        Self::Bug,
    ];

    pub fn of_wire(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.wire() == word)
    }

    /// The type on the wire; Camunda 7's words where it has one.
    pub fn wire(self) -> &'static str {
        match self {
            Self::FailedExternalTask => "failedExternalTask",
            Self::FailedJob => "failedJob",
            Self::Expression => "failedExpression",
            Self::UncaughtError => "uncaughtError",
            Self::NoFlow => "noFlowToTake",
            Self::Call => "failedCall",
            Self::Limit => "limitExceeded",
            Self::UnknownOutcome => "unknownOutcome",
            Self::Bug => "bug",
        }
    }
}

/// Why an element could not go on: becomes an incident, never a rejection.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    pub kind: IncidentKind,
    pub message: String,
}

impl Fault {
    pub fn new(kind: IncidentKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    pub fn expression(message: impl Into<String>) -> Self {
        Self::new(IncidentKind::Expression, message)
    }
}

/// A modelled failure: goes to the catching event, else to an incident.
#[derive(Clone, Debug, PartialEq)]
pub struct BpmnError {
    pub code: String,
    pub message: Option<String>,
    pub variables: crate::base::variable::Variables,
}
