//! Floor 5: topics and the outside world. A service task opens a job with a topic; the topic's handler does the work.
//!
//! | Where | What |
//! |---|---|
//! | here | [`Handler`], [`Outcome`], and how a failure on the way becomes one |
//! | [`job`] | what a handler is told, and reading its inputs |
//! | [`context`] | what it may use: connections, secrets, addresses, the clock |
//! | [`registry`] | topic to handler, with policy and time limit |
//! | [`net`], [`secret`], [`connection`] | the fences: where to, with which secret, as whom |
//! | the others | one file or folder per outside system |
//!
//! Three kinds of failure, never turned into each other: a [`BpmnError`] is modelled and goes to a boundary event; a
//! [`Trouble::Transport`] is tried again by the element's [`Policy`]; a [`Trouble::Wrong`] needs a person. A handler
//! never reports success for something that it did not see happen.

mod client;
pub mod connection;
pub mod context;
mod gateway;
mod http;
pub mod input;
pub mod job;
mod mail;
pub mod net;
mod probe;
pub mod registry;
pub mod secret;
mod softlayer;
mod ssh;
mod vcenter;
mod vr;

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use crate::base::time::Timestamp;
use crate::base::variable::Variables;

pub use connection::{Connection, Connections, Kind};
pub use context::{Clock, Cx};
pub use job::Job;
pub use registry::{Config, Registry};
pub use secret::{Secret, Secrets};

/// Does the work of one topic. The runtime leases the job, calls this, and submits what comes back as a command.
#[async_trait]
pub trait Handler: Send + Sync {
    async fn run(&self, job: Job, cx: Cx) -> Outcome;

    /// What to do when an attempt ended without a word (lease lost, node killed), and when its effect is unknown.
    fn policy(&self, job: &Job) -> Policy {
        job.policy().unwrap_or(Policy::Retry)
    }
}

/// What became of one attempt.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Complete(Variables),
    /// A modelled failure: goes to the catching boundary event, uncaught to an incident.
    Error(BpmnError),
    /// Costs an attempt; `after` from the other side's own word, else the element's cycle counts.
    Retry {
        after: Option<Duration>,
        reason: String,
    },
    /// Repeating does not help: an incident at once.
    Fail(String),
    /// It may have happened, and must not be repeated unseen. An incident, and a person decides.
    Unknown(String),
}

#[derive(Clone, Debug, PartialEq)]
pub struct BpmnError {
    pub code: String,
    pub message: Option<String>,
    pub variables: Variables,
}

/// What may be done after an attempt whose effect is not known; `transhume.policy` of the element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// The work can be repeated: it reads, or the other side honours our key.
    Retry,
    /// The handler looks first whether the earlier attempt took effect.
    Confirm,
    /// Never repeated by the engine once it may have begun.
    AtMostOnce,
}

impl Policy {
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "retry" => Some(Self::Retry),
            "confirm" => Some(Self::Confirm),
            "at_most_once" => Some(Self::AtMostOnce),
            _ => None,
        }
    }
}

/// How far a failed attempt came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// Nothing was asked of the other side.
    Nothing,
    /// The other side may have done it.
    Perhaps,
}

/// Why a handler stopped on the way; `?` passes it on unchanged.
#[derive(Clone, Debug, PartialEq)]
pub enum Trouble {
    Modelled(BpmnError),
    Transport {
        reason: String,
        after: Option<Duration>,
        reached: Reached,
    },
    Wrong(String),
    /// It began, and nobody can find out how it ended: a person decides, whatever the policy.
    Unknown(String),
}

impl Trouble {
    pub fn error(code: &str, message: impl Into<String>) -> Self {
        Self::error_with(code, message, Variables::new())
    }

    pub fn error_with(code: &str, message: impl Into<String>, variables: Variables) -> Self {
        Self::Modelled(BpmnError { code: code.to_owned(), message: Some(message.into()), variables })
    }

    pub fn wrong(reason: impl Into<String>) -> Self {
        Self::Wrong(reason.into())
    }

    /// The other side was not reached.
    pub fn unreached(reason: impl Into<String>) -> Self {
        Self::Transport { reason: reason.into(), after: None, reached: Reached::Nothing }
    }

    /// The other side was reached; what it did is not known.
    pub fn broken(reason: impl Into<String>) -> Self {
        Self::Transport { reason: reason.into(), after: None, reached: Reached::Perhaps }
    }

    /// The attempt's outcome under the element's policy.
    pub(crate) fn settle(self, policy: Policy) -> Outcome {
        match self {
            Self::Modelled(error) => Outcome::Error(error),
            Self::Wrong(reason) => Outcome::Fail(reason),
            Self::Unknown(reason) => Outcome::Unknown(reason),
            Self::Transport { reason, after, reached } => match (policy, reached) {
                (Policy::AtMostOnce, Reached::Perhaps) => Outcome::Unknown(reason),
                (Policy::AtMostOnce, Reached::Nothing)
                | (Policy::Retry | Policy::Confirm, Reached::Nothing | Reached::Perhaps) => {
                    Outcome::Retry { after, reason }
                }
            },
        }
    }
}

/// An instant as models read it: RFC 3339 in UTC.
pub(crate) fn instant(at: Timestamp) -> Value {
    let instant = jiff::Timestamp::from_millisecond(at.0);
    instant.map_or(Value::Null, |instant| Value::String(instant.to_string()))
}

/// What the functions of handlers return.
pub type Answer<T = Variables> = Result<T, Trouble>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_attempt_that_may_have_begun_is_unknown() {
        let broken = Trouble::broken("cut");
        let retry = Outcome::Retry { after: None, reason: "cut".into() };
        assert_eq!(broken.clone().settle(Policy::Retry), retry);
        assert_eq!(broken.clone().settle(Policy::Confirm), retry);
        assert_eq!(broken.settle(Policy::AtMostOnce), Outcome::Unknown("cut".into()));
        assert_eq!(Trouble::unreached("cut").settle(Policy::AtMostOnce), retry);
    }
}
