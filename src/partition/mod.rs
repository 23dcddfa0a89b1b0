//! Floor 4: a partition turns waiting commands into transactions, sans-IO.
//!
//! `handle` takes a word from outside, `poll` gives the next word out until there is none. Replies and effects leave only
//! after `Committed`; memory is a cache that any failure drops. The tokio driver and the simulator interpret the same
//! words.

pub mod transaction;

use crate::base::id::{
    DefinitionId, DeploymentId, ElementId, InstanceId, LocalId, PartitionId, TokenId,
};
use crate::base::time::Timestamp;
use crate::base::variable::Variables;
use crate::engine::command::{Answer, Command, Create, Rejection};
use crate::engine::definition::{Process, ProcessDefinition};
use crate::engine::job::{Binding, JobKind};
use std::sync::Arc;
use transaction::{
    AnswerRow, CommandKey, DefinitionRow, DeploymentRow, StartRow, StoredInstance, Transaction,
};

/// The caller's own number of a request; comes back with the reply.
pub type RequestId = u64;

#[derive(Clone, Debug)]
pub struct Request {
    pub id: RequestId,
    /// With it the command is applied once, and a repeat gets the first answer.
    pub key: Option<(CommandKey, String)>,
    pub work: Work,
}

#[derive(Clone, Debug)]
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
    Deploy(Box<Bundle>),
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

#[derive(Clone, Debug, PartialEq)]
pub enum Which {
    Id(DefinitionId),
    Key {
        key: String,
        tenant: String,
        binding: Binding,
        deployment: Option<DeploymentId>,
    },
}

/// A deployment, compiled and free of errors. Ids and versions are given by the partition.
#[derive(Clone, Debug)]
pub struct Bundle {
    pub name: Option<String>,
    pub source: Option<String>,
    pub tenant: String,
    pub files: Vec<(String, Arc<Vec<u8>>)>,
    pub processes: Vec<(String, Arc<Process>)>,
    pub decisions: Vec<DecisionEntry>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct DecisionEntry {
    pub resource: String,
    pub key: String,
    pub name: Option<String>,
    pub version_tag: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    Done(Answer),
    Started(InstanceId),
    /// In the order of the candidates: (instance, token, lease number).
    Leased(Vec<(InstanceId, TokenId, i64)>),
    Deployed {
        deployment: DeploymentRow,
        definitions: Vec<DefinitionRow>,
    },
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

#[derive(Debug)]
pub enum Input {
    /// First word: what the store holds of the fence, the definitions and the waiting start events.
    Opened {
        epoch: i64,
        position: i64,
        next_id: i64,
        clock: Timestamp,
        definitions: Vec<DefinitionRow>,
        starts: Vec<StartRow>,
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
    /// A job that may be offered again: after a pause, or never leased.
    JobReady(InstanceId, TokenId, String),
    Start(DefinitionId, ElementId),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitError {
    /// Nothing was written: run the batch again.
    Failed,
    /// Another owner took the partition.
    Fenced,
}

#[derive(Debug, PartialEq)]
pub enum Output {
    Load {
        instances: Vec<InstanceId>,
        keys: Vec<CommandKey>,
    },
    LoadDefinition(DefinitionId),
    LoadSchedule {
        until: Timestamp,
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
    /// A message thrown by a process: deliver it to whoever waits.
    Message {
        name: String,
        business_key: Option<String>,
        variables: Variables,
        from: InstanceId,
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
