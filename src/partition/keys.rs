//! Idempotency keys of the requests at hand: a command with a key is applied once, a repeat gets the first answer.
//!
//! The truth is the `command_key` row, written in the command's own transaction. Here is only what waiting requests need
//! to know: a slot lives as long as a request with its key waits. A repeat that arrives while the first one runs waits
//! with it in the queue and finds the answer there.

use super::transaction::{AnswerRow, CommandKey, DeploymentRow};
use super::{LetterId, Reply, RequestId};
use crate::base::id::{InstanceId, TokenId};
use crate::engine::command::{Answer, Rejection};
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub(super) struct Keys {
    slots: BTreeMap<CommandKey, Slot>,
    /// Answered in the batch at hand, not yet committed.
    uncommitted: Vec<CommandKey>,
}

#[derive(Debug)]
struct Slot {
    waiting: Vec<RequestId>,
    state: State,
}

#[derive(Debug, PartialEq)]
enum State {
    Unknown { asked: bool },
    Unused,
    Used { digest: String, answer: String },
}

#[derive(Debug, PartialEq)]
pub(super) enum Look {
    Unknown,
    First,
    Repeated(String),
    Reused,
}

impl Keys {
    pub(super) fn enter(&mut self, key: &CommandKey, request: RequestId) {
        let fresh = || Slot { waiting: Vec::new(), state: State::Unknown { asked: false } };
        self.slots.entry(key.clone()).or_insert_with(fresh).waiting.push(request);
    }

    /// The request has its answer.
    pub(super) fn leave(&mut self, key: &CommandKey, request: RequestId) {
        if let Some(slot) = self.slots.get_mut(key) {
            slot.waiting.retain(|waiting| *waiting != request);
            if slot.waiting.is_empty() {
                self.slots.remove(key);
            }
        }
    }

    pub(super) fn look(&self, key: &CommandKey, digest: &str) -> Look {
        match self.slots.get(key).map(|slot| &slot.state) {
            None | Some(State::Unknown { .. }) => Look::Unknown,
            Some(State::Unused) => Look::First,
            Some(State::Used { digest: first, answer }) if first == digest => Look::Repeated(answer.clone()),
            Some(State::Used { .. }) => Look::Reused,
        }
    }

    /// True once per key: the caller then asks the store.
    pub(super) fn ask(&mut self, key: &CommandKey) -> bool {
        match self.slots.get_mut(key).map(|slot| &mut slot.state) {
            Some(State::Unknown { asked }) => !std::mem::replace(asked, true),
            Some(State::Unused | State::Used { .. }) | None => false,
        }
    }

    /// What the store knows; a slot that knows better, because the answer was committed meanwhile, stays.
    pub(super) fn loaded(&mut self, answers: Vec<AnswerRow>, unanswered: &[CommandKey]) {
        for row in answers {
            if let Some(slot) = self.slots.get_mut(&row.key).filter(|slot| matches!(slot.state, State::Unknown { .. }))
            {
                slot.state = State::Used { digest: row.digest, answer: row.answer };
            }
        }
        for key in unanswered {
            if let Some(slot) = self.slots.get_mut(key).filter(|slot| matches!(slot.state, State::Unknown { .. })) {
                slot.state = State::Unused;
            }
        }
    }

    pub(super) fn answered(&mut self, row: &AnswerRow) {
        if let Some(slot) = self.slots.get_mut(&row.key) {
            slot.state = State::Used { digest: row.digest.clone(), answer: row.answer.clone() };
            self.uncommitted.push(row.key.clone());
        }
    }

    pub(super) fn commit(&mut self) {
        self.uncommitted.clear();
    }

    pub(super) fn roll_back(&mut self) {
        for key in self.uncommitted.drain(..) {
            if let Some(slot) = self.slots.get_mut(&key) {
                slot.state = State::Unused;
            }
        }
    }
}

// What was asked for, if this is it.
impl Reply {
    pub fn done(self) -> Option<Answer> {
        if let Self::Done(answer) = self { Some(answer) } else { None }
    }

    pub fn started(self) -> Option<InstanceId> {
        if let Self::Started(instance) = self { Some(instance) } else { None }
    }

    pub fn said(self) -> Option<LetterId> {
        if let Self::Said(letter) = self { Some(letter) } else { None }
    }

    pub fn leased(self) -> Option<Vec<(InstanceId, TokenId, i64)>> {
        if let Self::Leased(jobs) = self { Some(jobs) } else { None }
    }

    pub fn evaluated(self) -> Option<String> {
        if let Self::Evaluated(answer) = self { Some(answer) } else { None }
    }

    pub fn deployed(self) -> Option<DeploymentRow> {
        if let Self::Deployed { deployment, .. } = self { Some(deployment) } else { None }
    }
}

impl Reply {
    /// As it is kept for repeats. Ids are texts, as on the wire.
    pub fn to_json(&self) -> String {
        let value = match self {
            Self::Done(answer) => {
                json!({"done": {"leaseNo": answer.lease_no, "repeated": answer.repeated}})
            }
            Self::Started(instance) => json!({"started": instance.to_string()}),
            Self::Leased(jobs) => {
                let jobs: Vec<_> =
                    jobs.iter().map(|(instance, token, no)| json!([instance.to_string(), token, no])).collect();
                json!({"leased": jobs})
            }
            Self::Deployed { deployment, definitions } => {
                let definitions: Vec<_> = definitions.iter().map(|row| row.id.to_string()).collect();
                json!({"deployed": deployment.id.to_string(), "definitions": definitions})
            }
            Self::Said(letter) => json!({"said": letter.to_string()}),
            Self::Evaluated(answer) => json!({"evaluated": answer}),
            Self::Repeated(first) => return first.clone(),
        };
        value.to_string()
    }
}

impl Reply {
    /// The leases that a kept answer tells of.
    pub fn kept_leases(answer: &str) -> Option<Vec<(InstanceId, TokenId, i64)>> {
        let kept: Value = serde_json::from_str(answer).ok()?;
        let job = |job: &Value| {
            let token = u32::try_from(job.get(1)?.as_i64()?).ok()?;
            Some((InstanceId(job.get(0)?.as_str()?.parse().ok()?), TokenId(token), job.get(2)?.as_i64()?))
        };
        kept.get("leased")?.as_array()?.iter().map(job).collect()
    }
}

impl Look {
    pub(super) fn reply(self) -> Option<Result<Reply, Rejection>> {
        match self {
            Self::Repeated(answer) => Some(Ok(Reply::Repeated(answer))),
            Self::Reused => Some(Err(Rejection::KeyReused)),
            Self::Unknown | Self::First => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Timestamp;

    fn key() -> CommandKey {
        CommandKey { tenant: String::new(), route: "start".into(), key: "k1".into() }
    }

    fn row() -> AnswerRow {
        AnswerRow { key: key(), digest: "d".into(), answer: "{}".into(), at: Timestamp(0) }
    }

    #[test]
    fn a_repeat_waits_for_the_first_and_gets_its_answer() {
        let mut keys = Keys::default();
        keys.enter(&key(), 1);
        keys.enter(&key(), 2);
        assert_eq!(keys.look(&key(), "d"), Look::Unknown);
        assert!(keys.ask(&key()) && !keys.ask(&key()), "asked once");
        keys.loaded(vec![], &[key()]);
        assert_eq!(keys.look(&key(), "d"), Look::First);
        keys.answered(&row());
        keys.leave(&key(), 1);
        assert_eq!(keys.look(&key(), "d"), Look::Repeated("{}".into()));
        assert_eq!(keys.look(&key(), "other"), Look::Reused);
    }

    #[test]
    fn a_failed_commit_forgets_the_answer() {
        let mut keys = Keys::default();
        keys.enter(&key(), 1);
        keys.loaded(vec![], &[key()]);
        keys.answered(&row());
        keys.roll_back();
        assert_eq!(keys.look(&key(), "d"), Look::First);
    }

    #[test]
    fn a_late_reading_does_not_undo_what_was_committed() {
        let mut keys = Keys::default();
        keys.enter(&key(), 1);
        keys.answered(&row());
        keys.commit();
        keys.loaded(vec![], &[key()]);
        assert_eq!(keys.look(&key(), "d"), Look::Repeated("{}".into()));
    }
}
