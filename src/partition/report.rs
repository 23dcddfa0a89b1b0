//! Reports of workers: a repeated one gets the first answer, from the history; a stale one is kept as evidence.
//!
//! A completion needs no row of its own for this: (token, lease number) stands in the history.

use super::machine::{Inquiry, Item, Job, Partition};
use super::{LeaseOutcome, Output, Request, Work};
use crate::base::id::{InstanceId, TokenId};
use crate::engine::command::{Answer, Command};
use crate::engine::event::{Event, JobEnd};
use crate::engine::job::Claim;

/// A word of a job's worker about its lease.
#[derive(Clone, Copy, Debug)]
pub(super) struct Report<'a> {
    pub(super) token: TokenId,
    pub(super) claim: &'a Claim,
    /// How the job ended if this was accepted before.
    outcome: LeaseOutcome,
}

impl<'a> Report<'a> {
    pub(super) fn of(command: &'a Command) -> Option<Self> {
        match command {
            Command::CompleteJob { token, claim, .. } => {
                Some(Self { token: *token, claim, outcome: LeaseOutcome::Closed(JobEnd::Completed) })
            }
            Command::ThrowError { token, claim: Some(claim), .. } => {
                Some(Self { token: *token, claim, outcome: LeaseOutcome::Closed(JobEnd::Error) })
            }
            Command::FailJob { token, claim, .. } => Some(Self { token: *token, claim, outcome: LeaseOutcome::Failed }),
            Command::CreateInstance(_)
            | Command::LeaseJob { .. }
            | Command::ExtendLease { .. }
            | Command::ReleaseJob { .. }
            | Command::ExpireLease { .. }
            | Command::ThrowError { claim: None, .. }
            | Command::Escalate { .. }
            | Command::SetRetries { .. }
            | Command::SetPriority { .. }
            | Command::SetDue { .. }
            | Command::ChangeUserTask { .. }
            | Command::CompleteUserTask { .. }
            | Command::FireTimer { .. }
            | Command::FireCondition { .. }
            | Command::Activate { .. }
            | Command::DeliverMessage { .. }
            | Command::DeliverSignal { .. }
            | Command::Signal { .. }
            | Command::CalledInstanceEnded { .. }
            | Command::CalledInstanceEscalated { .. }
            | Command::SetVariables { .. }
            | Command::SetLocalVariables { .. }
            | Command::ResolveIncident { .. }
            | Command::Modify { .. }
            | Command::RaiseIncident { .. }
            | Command::Suspend
            | Command::Resume
            | Command::Cancel { .. }
            | Command::Continue => None,
        }
    }

    pub(super) fn refused(self) -> Event {
        Event::ResultRefused { token: self.token, lease_no: self.claim.lease_no, holder: self.claim.holder.clone() }
    }
}

/// How a job ended under a lease, as one instance's events tell it.
pub fn lease_outcome<'e>(
    events: impl IntoIterator<Item = &'e Event>,
    token: TokenId,
    lease_no: i64,
) -> Option<LeaseOutcome> {
    let about = |of: &TokenId, under: &i64| (*of, *under) == (token, lease_no);
    events.into_iter().find_map(|event| {
        if let Event::JobClosed { token, lease_no, how } = event {
            about(token, lease_no).then_some(LeaseOutcome::Closed(*how))
        } else if let Event::JobFailed { token, lease_no, .. } = event {
            about(token, lease_no).then_some(LeaseOutcome::Failed)
        } else {
            None
        }
    })
}

impl Partition {
    /// Asks the history whether a refused report repeats one that was accepted.
    pub(super) fn inquire(&mut self, request: Request) {
        if let Some((instance, token, lease_no)) = lease_of(&request) {
            self.out.push_back(Output::LoadClosed { instance, token, lease_no });
            self.doubtful.push(request);
        }
    }

    pub(super) fn closed(&mut self, instance: InstanceId, token: TokenId, lease_no: i64, how: Option<LeaseOutcome>) {
        let about = |request: &Request| lease_of(request) == Some((instance, token, lease_no));
        let (known, waiting) = std::mem::take(&mut self.doubtful).into_iter().partition(about);
        self.doubtful = waiting;
        for request in known {
            let repeats = how.is_some() && how == report_of(&request).map(|report| report.outcome);
            let inquiry = match repeats {
                true => Inquiry::Repeats(Answer { lease_no: Some(lease_no), repeated: true }),
                false => Inquiry::KnowsNothing,
            };
            self.queue.push_front(Item { job: Job::Request(request), refuse: None, inquiry });
        }
    }
}

fn report_of(request: &Request) -> Option<Report<'_>> {
    match &request.work {
        Work::Instance { command, .. } => Report::of(command),
        Work::Start { .. }
        | Work::Lease { .. }
        | Work::Deliver { .. }
        | Work::Say(_)
        | Work::Deploy(_)
        | Work::KeepEvaluation(_)
        | Work::DeleteDeployment { .. }
        | Work::SuspendDefinition { .. } => None,
    }
}

fn lease_of(request: &Request) -> Option<(InstanceId, TokenId, i64)> {
    let Work::Instance { instance, .. } = &request.work else {
        return None;
    };
    let report = report_of(request)?;
    Some((*instance, report.token, report.claim.lease_no?))
}
