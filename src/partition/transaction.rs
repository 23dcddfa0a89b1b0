//! A transaction as a value: plain rows that any store can interpret (sqlx, or maps in memory).

use crate::base::id::{DefinitionId, DeploymentId, ElementId, InstanceId, PartitionId, ScopeId};
use crate::base::time::Timestamp;
// The row types of the engine: a store sees no more of it than these.
pub use crate::engine::decided::{Kept, PastDecision, Told, ToldInput, ToldOutput};
pub use crate::engine::definition::ProcessDefinition;
pub use crate::engine::event::{Event, JobEnd};
pub use crate::engine::history::{PastActivity, PastIncident, PastKey, PastRow, PastTask, PastVariable};
pub use crate::engine::incident::IncidentKind;
pub use crate::engine::index::{
    Common, IncidentRow, IndexKey, IndexRow, JobRow, SubscriptionRow, TimerRow, UserTaskRow, VariableRow,
};
pub use crate::engine::instance::{Caller, Delegation, Head, InstanceState, UserTask};
pub use crate::engine::job::Binding;
pub use crate::engine::job::JobKind;
use crate::partition::letter::{Letter, LetterId};
use crate::partition::parcel::ParcelId;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// All that one batch changes. Applied wholly or not at all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transaction {
    pub fence: Fence,
    pub instances: Vec<InstanceRow>,
    pub scopes: Vec<ScopeRow>,
    pub scopes_gone: Vec<(InstanceId, ScopeId)>,
    pub index: Vec<IndexWrite>,
    pub index_gone: Vec<(InstanceId, IndexKey)>,
    pub past: Vec<PastWrite>,
    pub answers: Vec<AnswerRow>,
    pub records: Vec<Record>,
    pub deployments: Vec<DeploymentRow>,
    pub resources: Vec<ResourceRow>,
    pub definitions: Vec<DefinitionRow>,
    pub starts: Vec<StartRow>,
    /// Start events that a newer version of their process replaces, or whose timer will not fire again.
    pub starts_gone: Vec<StartKey>,
    pub letters: Vec<LetterRow>,
    pub letters_gone: Vec<LetterId>,
    pub parcels: Vec<ParcelRow>,
    /// Out of this partition's own inbox.
    pub parcels_gone: Vec<ParcelId>,
    pub outcomes: Vec<OutcomeRow>,
    pub deployments_gone: Vec<DeploymentId>,
}

/// Who may write, and what rides in the last history row. `position` is that of the last record of this batch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fence {
    pub partition: PartitionId,
    pub epoch: i64,
    /// Names this batch, so that an ambiguous commit can be recognised.
    pub batch: i64,
    pub position: i64,
    pub next_id: i64,
    pub clock: Timestamp,
}

/// The `process_instance` row: also the historic one after the end, then with an empty body.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceRow {
    pub head: Head,
    pub process: String,
    /// Open incidents.
    pub incidents: i64,
    /// The stored form of the root scope with the head; empty when ended.
    pub body: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ScopeRow {
    pub instance: InstanceId,
    pub scope: ScopeId,
    pub body: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct IndexWrite {
    pub common: Arc<Common>,
    pub key: IndexKey,
    pub row: IndexRow,
}

#[derive(Clone, Debug, PartialEq)]
pub struct PastWrite {
    pub common: Arc<Common>,
    pub key: PastKey,
    pub row: PastRow,
}

/// The answer of a command that came with an idempotency key.
#[derive(Clone, Debug, PartialEq)]
pub struct AnswerRow {
    pub key: CommandKey,
    /// Digest of the request: the same key with another body is refused.
    pub digest: String,
    /// The reply as JSON.
    pub answer: String,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CommandKey {
    pub tenant: String,
    pub route: String,
    pub key: String,
}

/// One history row: what one command did. Positions have no gap and no double.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub position: i64,
    /// Absent for what concerns no instance (a deployment).
    pub instance: Option<InstanceId>,
    pub at: Timestamp,
    /// The command's name, such as `complete-job`.
    pub cause: &'static str,
    pub events: Vec<Event>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeploymentRow {
    pub id: DeploymentId,
    pub tenant: String,
    pub name: Option<String>,
    pub source: Option<String>,
    pub at: Timestamp,
}

/// A deployed file, byte for byte.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourceRow {
    pub deployment: DeploymentId,
    pub id: i64,
    pub name: String,
    pub bytes: Arc<Vec<u8>>,
}

/// Processes, decisions and their requirements graphs have rows of one shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DefinitionRow {
    pub id: DefinitionId,
    pub kind: DefinitionKind,
    pub deployment: DeploymentId,
    pub tenant: String,
    pub key: String,
    pub version: u32,
    pub version_tag: Option<String>,
    pub name: Option<String>,
    pub resource: String,
    pub suspended: bool,
    pub startable: bool,
    pub history_ttl_days: Option<u32>,
    pub documentation: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum DefinitionKind {
    Process,
    Decision,
    /// What several decisions of one file make together: a decision requirements graph.
    Requirements,
}

/// One trigger of a start event: it may have several.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StartKey {
    pub definition: DefinitionId,
    pub element: ElementId,
    pub part: u32,
}

/// A start event that waits for a message, a signal or a time; for a condition, if for none of them.
#[derive(Clone, Debug, PartialEq)]
pub struct StartRow {
    pub key: StartKey,
    pub process: String,
    pub tenant: String,
    pub message: Option<String>,
    pub signal: Option<String>,
    pub due: Option<Timestamp>,
    /// The cycle's state as JSON.
    pub cycle: Option<String>,
}

/// What a process says to others, until it is delivered.
#[derive(Clone, Debug, PartialEq)]
pub struct LetterRow {
    pub id: LetterId,
    pub at: Timestamp,
    pub letter: Letter,
}

/// What is in the inbox of a partition, from another partition or a node that does not own it.
#[derive(Clone, Debug, PartialEq)]
pub struct ParcelRow {
    pub to: PartitionId,
    pub id: ParcelId,
    pub at: Timestamp,
    /// A [`Parcel`](crate::partition::Parcel) as JSON.
    pub body: String,
}

/// What became of a request that came by the inbox: for the node that was asked.
#[derive(Clone, Debug, PartialEq)]
pub struct OutcomeRow {
    pub node: String,
    pub number: i64,
    pub at: Timestamp,
    /// A reply or a rejection as JSON.
    pub body: String,
}

/// What the store gives back of one instance.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredInstance {
    pub id: InstanceId,
    pub definition: DefinitionId,
    pub state: InstanceState,
    pub body: String,
    pub scopes: Vec<(ScopeId, String)>,
}
