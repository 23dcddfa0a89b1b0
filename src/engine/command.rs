//! Words in: commands, what they answer, and why they are rejected. A rejection has changed nothing.

use crate::base::id::{DefinitionId, ElementId, InstanceId, LocalId, ScopeId, TokenId};
use crate::base::time::Timestamp;
use crate::base::variable::Variables;
use crate::engine::decided::Decided;
use crate::engine::incident::IncidentKind;
use crate::engine::instance::{Caller, Delegation};
use crate::engine::job::{Binding, Claim};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    CreateInstance(Box<Create>),
    LeaseJob {
        token: TokenId,
        holder: String,
        until: Timestamp,
    },
    ExtendLease {
        token: TokenId,
        claim: Claim,
        until: Timestamp,
    },
    /// Gives a lease back without cost (`unlock`, an answer that could not be delivered, a node that shuts down).
    ReleaseJob {
        token: TokenId,
        claim: Option<Claim>,
    },
    ExpireLease {
        token: TokenId,
        lease_no: i64,
    },
    CompleteJob {
        token: TokenId,
        claim: Claim,
        variables: Variables,
        local: Variables,
        /// What a business rule task evaluated on the way to its result.
        decisions: Vec<Decided>,
    },
    FailJob {
        token: TokenId,
        claim: Claim,
        failure: Failure,
    },
    /// By a job's worker (with its claim) or by a user task (without).
    ThrowError {
        token: TokenId,
        claim: Option<Claim>,
        code: String,
        message: Option<String>,
        variables: Variables,
    },
    /// By a user task: those around are told, the task stays unless what catches it interrupts.
    Escalate {
        token: TokenId,
        code: String,
        variables: Variables,
    },
    /// New attempts for a job; above zero it closes the job's incident.
    SetRetries {
        token: TokenId,
        retries: i64,
        due: Option<Timestamp>,
    },
    SetPriority {
        token: TokenId,
        priority: i64,
    },
    SetDue {
        id: LocalId,
        due: Timestamp,
    },
    ChangeUserTask {
        token: TokenId,
        change: TaskChange,
    },
    CompleteUserTask {
        token: TokenId,
        variables: Variables,
    },
    /// `due` as it was when the timer was read: a timer that was moved meanwhile does not fire. `None`: fire now.
    FireTimer {
        subscription: LocalId,
        due: Option<Timestamp>,
    },
    DeliverMessage {
        subscription: LocalId,
        name: String,
        variables: Variables,
        local: Variables,
    },
    /// Lets a conditional event happen, whatever its condition says.
    FireCondition {
        subscription: LocalId,
    },
    DeliverSignal {
        subscription: LocalId,
        name: String,
        variables: Variables,
    },
    /// Begins activities of the ad-hoc sub-process at which this token waits.
    Activate {
        token: TokenId,
        elements: Vec<ElementId>,
    },
    /// Moves a token on that waits for a trigger or at a user task without naming what it waits for.
    Signal {
        token: TokenId,
        variables: Variables,
    },
    CalledInstanceEnded {
        token: TokenId,
        called: InstanceId,
        result: CallResult,
    },
    CalledInstanceEscalated {
        token: TokenId,
        called: InstanceId,
        code: String,
    },
    SetVariables {
        scope: Option<ScopeId>,
        set: Variables,
        remove: Vec<String>,
    },
    /// Variables of one activation (a task's own).
    SetLocalVariables {
        token: TokenId,
        set: Variables,
        remove: Vec<String>,
    },
    ResolveIncident {
        token: TokenId,
    },
    /// Tokens are moved by hand, in this order; all of it or nothing.
    Modify {
        instructions: Vec<Instruction>,
    },
    Suspend,
    Resume,
    Cancel {
        reason: Option<String>,
    },
    /// Goes on where a bounded run stopped.
    Continue,
    /// A defect or limit met outside the run: this token, or the oldest that has none, gets an incident.
    RaiseIncident {
        token: Option<TokenId>,
        kind: IncidentKind,
        message: String,
    },
}

impl Command {
    /// As records name the cause of what they tell.
    pub fn name(&self) -> &'static str {
        match self {
            Self::CreateInstance(_) => "create-instance",
            Self::LeaseJob { .. } => "lease-job",
            Self::ExtendLease { .. } => "extend-lease",
            Self::ReleaseJob { .. } => "release-job",
            Self::ExpireLease { .. } => "expire-lease",
            Self::CompleteJob { .. } => "complete-job",
            Self::FailJob { .. } => "fail-job",
            Self::ThrowError { .. } => "throw-error",
            Self::Escalate { .. } => "escalate",
            Self::SetRetries { .. } => "set-retries",
            Self::SetPriority { .. } => "set-priority",
            Self::SetDue { .. } => "set-due",
            Self::ChangeUserTask { .. } => "change-user-task",
            Self::CompleteUserTask { .. } => "complete-user-task",
            Self::FireTimer { .. } => "fire-timer",
            Self::DeliverMessage { .. } => "deliver-message",
            Self::FireCondition { .. } => "fire-condition",
            Self::DeliverSignal { .. } => "deliver-signal",
            Self::Activate { .. } => "activate",
            Self::Signal { .. } => "signal",
            Self::CalledInstanceEnded { .. } => "called-instance-ended",
            Self::CalledInstanceEscalated { .. } => "called-instance-escalated",
            Self::SetVariables { .. } => "set-variables",
            Self::SetLocalVariables { .. } => "set-local-variables",
            Self::ResolveIncident { .. } => "resolve-incident",
            Self::Modify { .. } => "modify",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::Cancel { .. } => "cancel",
            Self::Continue => "continue",
            Self::RaiseIncident { .. } => "raise-incident",
        }
    }

    /// The token it speaks of.
    pub fn token(&self) -> Option<TokenId> {
        match self {
            Self::LeaseJob { token, .. }
            | Self::ExtendLease { token, .. }
            | Self::ReleaseJob { token, .. }
            | Self::ExpireLease { token, .. }
            | Self::CompleteJob { token, .. }
            | Self::FailJob { token, .. }
            | Self::ThrowError { token, .. }
            | Self::Escalate { token, .. }
            | Self::SetRetries { token, .. }
            | Self::SetPriority { token, .. }
            | Self::ChangeUserTask { token, .. }
            | Self::CompleteUserTask { token, .. }
            | Self::Signal { token, .. }
            | Self::Activate { token, .. }
            | Self::CalledInstanceEnded { token, .. }
            | Self::CalledInstanceEscalated { token, .. }
            | Self::SetLocalVariables { token, .. }
            | Self::ResolveIncident { token } => Some(*token),
            Self::RaiseIncident { token, .. } => *token,
            Self::CreateInstance(_)
            | Self::SetDue { .. }
            | Self::FireTimer { .. }
            | Self::DeliverMessage { .. }
            | Self::DeliverSignal { .. }
            | Self::FireCondition { .. }
            | Self::SetVariables { .. }
            | Self::Modify { .. }
            | Self::Suspend
            | Self::Resume
            | Self::Cancel { .. }
            | Self::Continue => None,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Create {
    pub variables: Variables,
    pub business_key: Option<String>,
    pub caller: Option<Caller>,
    /// The outermost caller; absent for an instance that was not called.
    pub root: Option<InstanceId>,
    pub depth: u32,
    pub starter: Option<String>,
    /// Start at these elements instead of the none start event.
    pub at: Vec<ElementId>,
    /// Create suspended (its definition is).
    pub suspended: bool,
}

/// One step of a modification.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Instruction {
    Cancel(Doomed),
    Begin {
        placing: Placing,
        /// The activation of a sub-process around it; without, the one that is under way, or new ones.
        within: Option<TokenId>,
        /// Set as from there outwards.
        variables: Variables,
        /// Set there.
        local: Variables,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Doomed {
    Token(TokenId),
    /// Every activation of it.
    Element(ElementId),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Placing {
    Before(ElementId),
    /// On the only sequence flow that leads out of it.
    After(ElementId),
    Flow(ElementId),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    pub message: String,
    pub details: Option<String>,
    /// As the worker says; absent: the element's retry cycle decides.
    pub retries: Option<i64>,
    pub after_ms: Option<i64>,
    /// Of a handler in this process: without a cycle it has three attempts.
    pub by_handler: bool,
    /// Policy "at most once": the outcome is not known; an incident at once.
    pub unknown_outcome: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum CallResult {
    /// The called instance's variables at its end.
    Completed(Variables),
    Error {
        code: String,
        message: Option<String>,
        variables: Variables,
    },
    /// Cancelled from outside, or not startable.
    Failed(String),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum TaskChange {
    /// Rejected when someone else has it.
    Claim(String),
    Assign(Option<String>),
    Delegate(String),
    /// The delegate gives it back to its owner.
    Resolve(Variables),
    /// Every editable field, as `PUT /task/{id}` replaces them.
    Replace(Box<TaskFields>),
    AddLink(Link),
    RemoveLink(Link),
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskFields {
    pub name: Option<String>,
    pub description: Option<String>,
    pub assignee: Option<String>,
    pub owner: Option<String>,
    pub delegation: Option<Delegation>,
    pub priority: i64,
    pub due: Option<Timestamp>,
    pub follow_up: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Link {
    CandidateUser(String),
    CandidateGroup(String),
}

/// What a command gives back to its caller.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Of `LeaseJob`.
    pub lease_no: Option<i64>,
    /// The same result under the same lease had been accepted before: nothing changed now.
    pub repeated: bool,
}

/// Words out that are not facts of the instance: released after the commit.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// A job was opened; an executor or a parked worker may want it.
    JobOpened { token: TokenId, topic: String },
    /// A lease was taken away (the activity was cancelled): the handler should stop.
    JobAborted { token: TokenId, lease_no: i64 },
    /// Start a process for a call activity, in the same partition and batch.
    Call(Box<Call>),
    /// Tell the caller that this instance has ended.
    ReturnToCaller { caller: Caller, result: CallResult },
    /// Tell the caller what this instance escalated.
    EscalateToCaller { caller: Caller, code: String },
    /// Cancel a called instance, because its caller was.
    CancelCalled { called: InstanceId },
    /// A signal was thrown: deliver it to everybody else who waits for it, and start processes.
    BroadcastSignal { name: String, business_key: Option<String>, variables: Variables },
    /// A message was thrown by the process itself: deliver to whoever waits for it, or start a process.
    PublishMessage { name: String, business_key: Option<String>, variables: Variables },
}

#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    pub instance: InstanceId,
    pub process: String,
    pub binding: Binding,
    pub tenant: Option<String>,
    pub create: Create,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
pub enum Rejection {
    #[error("there is no process instance {0}")]
    InstanceNotFound(InstanceId),
    #[error("instance {0} exists already")]
    AlreadyExists(InstanceId),
    #[error("nothing waits there any more: token {0}")]
    TokenNotWaiting(TokenId),
    #[error("nothing is armed under {0} any more")]
    NotArmed(LocalId),
    #[error("the job is held by {holder:?} under lease {lease_no}; this report came from {from:?}")]
    LeaseLost { holder: Option<String>, lease_no: i64, from: String },
    #[error("the job is leased to {0}")]
    AlreadyLeased(String),
    #[error("the task is claimed by {0}")]
    AlreadyClaimed(String),
    #[error("the instance is {0}")]
    WrongState(Cow<'static, str>),
    #[error("there is no definition {0}")]
    DefinitionNotFound(String),
    #[error("the definition {0} is suspended")]
    DefinitionSuspended(DefinitionId),
    #[error("there is no scope {0}")]
    ScopeNotFound(ScopeId),
    #[error("the key was used before with another request")]
    KeyReused,
    #[error("{what} is beyond the limit of {limit}")]
    LimitExceeded { what: Cow<'static, str>, limit: usize },
    #[error("{0}")]
    InvalidInput(String),
    /// A task listener of the model refused what a person did.
    #[error("{0}")]
    ListenerFailed(String),
    /// Ours, not the caller's; an incident at the instance tells of it.
    #[error("the engine failed on this command and left everything as it was: {0}")]
    Defect(String),
}
