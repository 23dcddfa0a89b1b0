//! Work that is done inside the step that opens it: its result is in the same commit, so that no lease is ever stored.
//!
//! Only for what leaves no trace outside: a batch that comes to nothing runs again, and with it this work. What reaches
//! for the outside world is a handler of the runtime, which runs under a stored lease.

use super::batch::{Abandon, Batch};
use super::dispatch::{Dispatch, Grant};
use super::schedule::Schedule;
use super::view::{JobView, job_view};
use super::{Offer, Partition};
use crate::base::id::{InstanceId, PartitionId, TokenId};
use crate::base::limits::{INLINE_RUNS_MAX, LEASE_DEFAULT_MS};
use crate::base::variable::Variables;
use crate::engine::command::{Command, Failure};
use crate::engine::job::Claim;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// The holder's name of the leases under which such work is done.
const HOLDER: &str = "transhume:inline";

/// Does the work of a topic inside the engine's step: from its inputs alone, without effects, in microseconds.
pub trait Inline: Debug + Send + Sync {
    fn run(&self, job: &JobView) -> Done;
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Done {
    Complete(Variables),
    /// Goes to the boundary event that catches it.
    Error {
        code: String,
        message: Option<String>,
        variables: Variables,
    },
    /// An incident: from the same inputs the same would come again.
    Fail(String),
}

/// By topic.
pub type Inlines = BTreeMap<String, Arc<dyn Inline>>;

impl Partition {
    /// One that does this work by itself.
    pub fn with_inline(id: PartitionId, inline: Arc<Inlines>) -> Self {
        let mut partition = Self::new(id);
        for topic in inline.keys() {
            offer(&mut partition.dispatch, &mut partition.schedule, topic);
        }
        partition.inline = inline;
        partition
    }
}

/// As if a holder took whatever there is.
fn offer(dispatch: &mut Dispatch, schedule: &mut Schedule, topic: &str) {
    let (holder, topic) = (HOLDER.to_owned(), topic.to_owned());
    schedule.offered(&topic);
    dispatch.offer(Offer { holder, topic, slots: usize::MAX / 2, lease_ms: LEASE_DEFAULT_MS });
}

impl Batch<'_> {
    /// A slot for a job that has just opened. One command has so much work done by itself, and the rest waits for the next
    /// batches: a loop holds nobody up.
    pub(super) fn slot_for(&mut self, topic: &str) -> Option<Grant> {
        if self.followed >= INLINE_RUNS_MAX && self.p.inline.contains_key(topic) {
            return None;
        }
        self.p.dispatch.take(topic)
    }

    /// Does the work of a job that has just been leased, if it is of this kind.
    pub(super) fn done_inline(
        &mut self,
        instance: InstanceId,
        token: TokenId,
        lease_no: i64,
        grant: &Grant,
    ) -> Result<bool, Abandon> {
        if grant.holder != HOLDER {
            return Ok(false);
        }
        self.not_granted(grant);
        let leased = self.tx.records.len();
        let Some(inline) = self.p.inline.get(&grant.topic).cloned() else { return Ok(false) };
        let view = self.p.cache.get(instance).and_then(|resident| job_view(&resident.instance, token));
        if let Some(view) = view {
            let done = catch_unwind(AssertUnwindSafe(|| inline.run(&view)))
                .unwrap_or_else(|_| Done::Fail(format!("the handler of topic {} broke off", grant.topic)));
            let claim = Claim { holder: HOLDER.to_owned(), lease_no: Some(lease_no) };
            if let Err(rejection) = self.execute(instance, command(token, claim.clone(), done, &view), None)? {
                let failed = failed(format!("what came of it cannot be kept: {rejection}"));
                let _ = self.execute(instance, Command::FailJob { token, claim, failure: failed }, None)?;
            }
            if self.tx.records.len() > leased {
                self.join_records();
            }
        }
        Ok(true)
    }
}

impl Batch<'_> {
    /// The lease and what came of it are one step: one record tells of both.
    fn join_records(&mut self) {
        let done = self.tx.records.pop().expect("just recorded");
        let lease = self.tx.records.last_mut().expect("recorded before");
        lease.cause = done.cause;
        lease.events.extend(done.events);
        self.tx.fence.position -= 1;
    }
}

/// A result in the engine's words. Where outputs are mapped, results are local.
fn command(token: TokenId, claim: Claim, done: Done, view: &JobView) -> Command {
    match done {
        Done::Complete(results) => {
            let (variables, local) = match view.maps_outputs {
                true => (Variables::new(), results),
                false => (results, Variables::new()),
            };
            Command::CompleteJob { token, claim, variables, local, decisions: Vec::new() }
        }
        Done::Error { code, message, variables } => {
            Command::ThrowError { token, claim: Some(claim), code, message, variables }
        }
        Done::Fail(why) => Command::FailJob { token, claim, failure: failed(why) },
    }
}

fn failed(message: String) -> Failure {
    Failure { message, details: None, retries: Some(0), after_ms: None, by_handler: true, unknown_outcome: false }
}
