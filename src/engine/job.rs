//! Jobs: work that someone outside the run does for a token, under a numbered lease.

use crate::base::id::ElementId;
use crate::base::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What kind of work; the executor and the queries tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobKind {
    /// A topic: a Rust handler in this process, or a worker over REST. Shown under `/external-task`.
    External,
    /// `asyncBefore`/`asyncAfter`: the token was committed and goes on in a commit of its own. Shown under `/job`.
    Continuation,
    /// A business rule task's decision, evaluated off the partition's thread.
    Decision,
    /// A script beyond its inline budget.
    Script,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    pub kind: JobKind,
    pub topic: String,
    /// Grows with each acquisition; a result counts only under the current number.
    pub lease_no: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// Attempts left; `None` until the first failure says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<i64>,
    /// Failures reported so far: chooses the next pause of the retry cycle.
    #[serde(default)]
    pub failures: u32,
    /// Leases that ended without a word.
    #[serde(default)]
    pub expiries: i64,
    /// Not offered before this moment.
    pub due: Timestamp,
    pub priority: i64,
    pub created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<JobError>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lease {
    pub holder: String,
    pub until: Timestamp,
}

/// The last failure, kept for people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobError {
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<String>,
}

/// Who reports on a job. Without a number the holder's name decides (Camunda 7); with one it must be the current one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    pub holder: String,
    pub lease_no: Option<i64>,
}

/// The decision that a business rule task asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DecisionCall {
    pub decision: String,
    pub binding: Binding,
    pub result: MapResult,
    pub result_variable: Option<String>,
}

/// Which version of a called process or decision is meant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Binding {
    #[default]
    Latest,
    Deployment,
    Version(u32),
    VersionTag(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MapResult {
    SingleEntry,
    SingleResult,
    CollectEntries,
    ResultList,
}

/// What a job's worker is told beside its variables.
#[derive(Clone, Debug, PartialEq)]
pub struct JobNotice {
    pub element: ElementId,
    pub topic: String,
    pub kind: JobKind,
    pub lease_no: i64,
}

/// A job as it is when an element opens it.
pub(crate) fn new_job(kind: JobKind, topic: String, priority: i64, now: Timestamp) -> Job {
    Job {
        kind,
        topic,
        lease_no: 0,
        lease: None,
        retries: None,
        failures: 0,
        expiries: 0,
        due: now,
        priority,
        created_at: now,
        error: None,
    }
}
