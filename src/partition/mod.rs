//! Floor 4: a partition turns waiting commands into transactions, sans-IO.
//!
//! `handle` takes a word from outside, `poll` gives the next word out until there is none. Replies and effects leave only
//! after `Committed`; memory is a cache that any failure drops. The tokio driver and the simulator interpret the same
//! words. Reading order: the words (this file), `machine` (what each input does), `plan` (what the next batch is), `batch`
//! (commands to changes), `effect` and `due` (what follows of itself), `write` (changes to rows), `cache`, `schedule`,
//! `dispatch` (offers meet jobs), `inline` (work inside the step), `letter`, `inbox` and `parcel` (between partitions), `script_job`, `keys` and `report` (repeats), `catalog`, `bundle`, `deploy` and `decisions`, [`memory`] (a database of maps).

mod batch;
mod bundle;
mod cache;
mod catalog;
mod decisions;
mod deploy;
mod dispatch;
mod due;
mod effect;
mod inbox;
mod inline;
mod keys;
mod letter;
mod machine;
pub mod memory;
mod parcel;
mod plan;
mod report;
mod schedule;
mod script_job;
#[cfg(test)]
mod tests;
pub mod transaction;
pub mod view;
mod write;

pub use bundle::{Bundle, Files, Findings, Read};
pub use catalog::{compiled, deployed};
pub use decisions::DecisionFile;
pub use inbox::INBOX_READ_MAX;
pub use inline::{Done, Inline, Inlines};
pub use letter::{Letter, LetterId, Target};
pub use machine::Partition;
pub use parcel::{Asked, Parcel, ParcelId};
pub use report::lease_outcome;
pub use schedule::due_of;
pub use script_job::run_script;

use self::transaction::StartKey;
use crate::base::id::{DefinitionId, DeploymentId, InstanceId, LocalId, PartitionId, TokenId};
use crate::base::time::Timestamp;
use crate::engine::command::{Answer, Command, Create, Rejection};
use crate::engine::decided::Decided;
use crate::engine::definition::ProcessDefinition;
use crate::engine::event::JobEnd;
use crate::engine::job::{Binding, JobKind};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use transaction::{
    AnswerRow, CommandKey, DefinitionKind, DefinitionRow, DeploymentRow, LetterRow, ParcelRow, StartRow,
    StoredInstance, Transaction,
};

/// The caller's own number of a request; comes back with the reply.
pub type RequestId = u64;

#[derive(Clone, Debug)]
pub struct Request {
    pub id: RequestId,
    /// With it the command is applied once, and a repeat gets the first answer.
    pub key: Option<(CommandKey, String)>,
    /// Who asks, for expressions.
    pub user: Option<String>,
    pub work: Work,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Work {
    Instance {
        instance: InstanceId,
        command: Command,
    },
    Start {
        definition: Which,
        create: Create,
    },
    /// Leases those of the candidates that can still be had, in this order, up to `max`.
    Lease {
        candidates: Vec<(InstanceId, TokenId)>,
        holder: String,
        until: Timestamp,
        max: usize,
    },
    /// Ends a letter with its delivery to these; a letter for the `rest` takes its place.
    Deliver {
        letter: LetterId,
        to: Vec<Target>,
        rest: Vec<Target>,
    },
    /// Keeps a letter, to be delivered.
    Say(Letter),
    Deploy(Box<Bundle>),
    /// Keeps in the history what was decided outside of instances.
    KeepEvaluation(Box<Evaluation>),
    DeleteDeployment {
        deployment: DeploymentId,
    },
    /// With `instances`, these running instances follow (the caller has looked them up).
    SuspendDefinition {
        definition: DefinitionId,
        suspended: bool,
        instances: Vec<InstanceId>,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Which {
    Id(DefinitionId),
    Key { key: String, tenant: String, binding: Binding, deployment: Option<DeploymentId> },
}

/// A decision of a file, or the requirements graph that its decisions make.
#[derive(Clone, Debug, PartialEq)]
pub struct DecisionEntry {
    pub kind: DefinitionKind,
    pub resource: String,
    pub key: String,
    pub name: Option<String>,
    pub version_tag: Option<String>,
    pub history_ttl_days: Option<u32>,
}

/// A decision that was evaluated by itself, not for a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    pub tenant: String,
    pub decided: Vec<Decided>,
    /// What the caller is answered, for a repeat under the same key.
    pub answer: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    Done(Answer),
    Started(InstanceId),
    Said(LetterId),
    /// In the order of the candidates: (instance, token, lease number).
    Leased(Vec<(InstanceId, TokenId, i64)>),
    Deployed {
        deployment: DeploymentRow,
        definitions: Vec<DefinitionRow>,
    },
    /// The answer that came with the evaluation.
    Evaluated(String),
    /// From `command_key`: the first answer, as stored.
    Repeated(String),
}

/// A handler's free slots: a job of its topic that opens is leased in the same commit.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    pub holder: String,
    pub topic: String,
    pub slots: usize,
    pub lease_ms: i64,
}

#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "words are moved once, never kept in numbers")]
pub enum Input {
    /// First word: what the store holds of the fence, the definitions and the waiting start events.
    Opened {
        epoch: i64,
        position: i64,
        next_id: i64,
        clock: Timestamp,
        definitions: Vec<DefinitionRow>,
        starts: Vec<StartRow>,
        /// Not delivered yet.
        letters: Vec<LetterRow>,
        /// How many partitions there are, counted from the first.
        partitions: i64,
    },
    Submit(Request),
    /// Replaces the earlier offer of this holder and topic.
    Offer(Offer),
    Loaded {
        instances: Vec<StoredInstance>,
        missing: Vec<InstanceId>,
        answers: Vec<AnswerRow>,
        unanswered: Vec<CommandKey>,
    },
    Definition(Arc<ProcessDefinition>),
    /// It is not stored, or can no longer be compiled.
    NoDefinition(DefinitionId),
    /// The answer to `LoadClosed`: how the job ended under that lease, if it did.
    Closed {
        instance: InstanceId,
        token: TokenId,
        lease_no: i64,
        how: Option<LeaseOutcome>,
    },
    /// The owner raised its own epoch, because nobody knows what became of its last commit; what became of it follows.
    Epoch(i64),
    /// Entries due before `until`, at most a window full.
    Scheduled {
        entries: Vec<Due>,
        until: Timestamp,
    },
    Committed {
        batch: i64,
    },
    CommitFailed {
        batch: i64,
        error: CommitError,
    },
    /// Something may have come into the inbox.
    Look,
    /// The answer to `LoadInbox`.
    Parcels(Vec<ParcelRow>),
    /// The answer to `LoadCatalog`.
    Catalog {
        ask: u64,
        definitions: Vec<DefinitionRow>,
        starts: Vec<StartRow>,
    },
    /// Time has passed.
    Wake,
}

/// Something that is due at a time; the rows are the truth, this is a window on them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    pub at: Timestamp,
    pub what: DueWhat,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DueWhat {
    Timer(InstanceId, LocalId),
    LeaseEnd(InstanceId, TokenId, i64),
    /// A job without a lease, by topic: after a pause, or never leased.
    JobReady(InstanceId, TokenId, JobKind, String),
    Start(StartKey),
}

/// What the history says of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseOutcome {
    Closed(JobEnd),
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitError {
    /// Nothing was written: run the batch again.
    Failed,
    /// Nothing was written, and never will be: the database does not take some of the data, for this reason.
    Refused(String),
    /// Another owner took the partition.
    Fenced,
}

#[derive(Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "words are moved once, never kept in numbers")]
pub enum Output {
    Load {
        instances: Vec<InstanceId>,
        keys: Vec<CommandKey>,
    },
    LoadDefinition(DefinitionId),
    /// Did this job end under this lease? The history tells, so that a repeated report gets the first answer.
    LoadClosed {
        instance: InstanceId,
        token: TokenId,
        lease_no: i64,
    },
    /// The rows that `due_of` names and that are due before `until`, earliest first, at most `SCHEDULE_WINDOW_MAX`. Of jobs
    /// for workers that were ready before `since` only those of `topics`, and these at most as many again.
    LoadSchedule {
        until: Timestamp,
        since: Timestamp,
        topics: Vec<String>,
    },
    /// The oldest of the inbox, at most `INBOX_READ_MAX`.
    LoadInbox,
    /// All that is deployed.
    LoadCatalog {
        ask: u64,
    },
    Commit(Transaction),
    Reply {
        request: RequestId,
        result: Result<Reply, Rejection>,
    },
    Effect(Notice),
    /// Call `Wake` at this time at the latest.
    WakeAt(Timestamp),
    StepDown,
}

/// What leaves after the commit beside the replies.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// Leased by an offer: run it.
    Run {
        instance: InstanceId,
        token: TokenId,
        lease_no: i64,
        holder: String,
        kind: JobKind,
        topic: String,
        view: Box<view::JobView>,
    },
    /// A job of this topic can be had.
    JobOpen {
        topic: String,
        kind: JobKind,
    },
    Abort {
        instance: InstanceId,
        token: TokenId,
        lease_no: i64,
    },
    /// Look up who gets it, and deliver it to them (`Work::Deliver`).
    Letter {
        id: LetterId,
        letter: Letter,
    },
    /// Something is in the inbox of another partition.
    Posted {
        to: PartitionId,
    },
    /// A request of this node has its answer.
    Answered {
        node: String,
    },
    /// Something that is stored, and that this program does not understand.
    Unreadable {
        why: String,
    },
    /// Something changed that a screen may show.
    Changed {
        instance: InstanceId,
        topics: Vec<&'static str>,
    },
    Deployed {
        deployment: DeploymentId,
    },
}

/// Where a partition begins when its store is empty.
pub fn first_partition() -> PartitionId {
    PartitionId(0)
}
