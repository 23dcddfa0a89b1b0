//! What the partition does of itself when its time has come, and what it does about its own defects.

use super::batch::{Abandon, Batch};
use super::machine::Refusal;
use super::{Due, DueWhat, Parcel, Reply, Request, Which, Work};
use crate::base::id::{InstanceId, LocalId, PartitionId, TokenId};
use crate::base::limits::LEASE_DEFAULT_MS;
use crate::engine::command::{Answer, Command, Create, Rejection};
use crate::engine::incident::IncidentKind;
use crate::engine::index::CONTINUE;
use crate::engine::instance::Wait;
use crate::engine::job::{Claim, JobKind};

/// The holder's name of leases that the partition takes itself, for continuations.
const SELF: &str = "transhume:partition";
/// So many defects at one time, and the instance is suspended for a person to look at.
const DEFECTS_MAX: usize = 3;

impl Batch<'_> {
    pub(super) fn due(&mut self, due: &Due) -> Result<(), Abandon> {
        match &due.what {
            DueWhat::Timer(instance, subscription) => {
                let command = Command::FireTimer { subscription: *subscription, due: Some(due.at) };
                // Moved or disarmed meanwhile: the row that said so is gone too.
                let _ = self.execute(*instance, command, None)?;
            }
            DueWhat::LeaseEnd(instance, token, lease_no) => {
                let _ = self.execute(*instance, Command::ExpireLease { token: *token, lease_no: *lease_no }, None)?;
            }
            DueWhat::JobReady(instance, CONTINUE, JobKind::Continuation, _) => {
                let _ = self.execute(*instance, Command::Continue, None)?;
                let resident = self.p.cache.get(*instance);
                if resident.is_some_and(|resident| resident.instance.head.continues) {
                    return Ok(()); // its row is as before: it is due again
                }
            }
            DueWhat::JobReady(instance, token, JobKind::Continuation, _) => {
                let until = self.now.plus_ms(LEASE_DEFAULT_MS);
                let command = Command::LeaseJob { token: *token, holder: SELF.to_owned(), until };
                if let Ok(Answer { lease_no, .. }) = self.execute(*instance, command, None)? {
                    let claim = Claim { holder: SELF.to_owned(), lease_no };
                    let (variables, local) = Default::default();
                    let _ = self.execute(
                        *instance,
                        Command::CompleteJob { token: *token, claim, variables, local, decisions: Vec::new() },
                        None,
                    )?;
                }
            }
            DueWhat::JobReady(instance, token, JobKind::External | JobKind::Decision | JobKind::Script, topic) => {
                let Some(grant) = self.p.dispatch.take(topic) else {
                    return Ok(());
                }; // it waits on
                self.grants.push(grant.clone());
                self.lease_granted(*instance, *token, grant)?;
            }
            DueWhat::Start(key) => {
                let start = self.p.catalog.start(key).cloned();
                let create = Create { at: vec![key.element.clone()], ..Create::default() };
                // They take turns, so that no partition has more to do than the others.
                let to = PartitionId(self.tx.fence.next_id.rem_euclid(self.p.partitions));
                if to == self.tx.fence.partition {
                    // A process that cannot start now is not started later either; the history tells of the others.
                    let _ = self.start(&Which::Id(key.definition), create, None)?;
                } else {
                    self.parcel(to, &Parcel::Start { definition: key.definition, create: Box::new(create) });
                }
                if let Some(start) = start {
                    self.rearm_start(start);
                }
                self.record_plain("start-timer");
            }
        }
        self.spent.push(due.clone());
        Ok(())
    }

    pub(super) fn token_of(&self, due: &Due) -> Option<TokenId> {
        match &due.what {
            DueWhat::Timer(instance, subscription) => self.owner_of(*instance, *subscription),
            DueWhat::LeaseEnd(_, token, _) | DueWhat::JobReady(_, token, ..) => {
                Some(*token).filter(|token| *token != CONTINUE)
            }
            DueWhat::Start(..) => None,
        }
    }

    pub(super) fn owner_of(&self, instance: InstanceId, subscription: LocalId) -> Option<TokenId> {
        let resident = self.p.cache.get(instance)?;
        resident.instance.subscription(subscription).map(|(_, armed)| armed.owner)
    }

    /// The answer to a command that cannot be run; the instance gets an incident where the fault is ours.
    pub(super) fn refuse(
        &mut self,
        request: &Request,
        why: &Refusal,
    ) -> Result<Option<Result<Reply, Rejection>>, Abandon> {
        if let (Work::Instance { instance, command }, Refusal::Defect(_)) = (&request.work, why) {
            self.raise(*instance, command.token(), why)?;
        }
        Ok(Some(Err(why.rejection())))
    }

    pub(super) fn raise(&mut self, instance: InstanceId, token: Option<TokenId>, why: &Refusal) -> Result<(), Abandon> {
        let (kind, message) = match why {
            Refusal::Defect(message) => (IncidentKind::Bug, format!("a defect of the engine: {message}")),
            Refusal::TooLarge { .. } | Refusal::Data(_) | Refusal::Silent => {
                (IncidentKind::Limit, why.rejection().to_string())
            }
        };
        let _ = self.execute(instance, Command::RaiseIncident { token, kind, message }, None)?;
        let defects = self.p.cache.get(instance).map_or(0, |resident| {
            let is_defect =
                |wait: &Wait| matches!(wait, Wait::Incident(incident) if incident.kind == IncidentKind::Bug);
            resident.instance.tokens().filter(|(_, _, token)| is_defect(&token.wait)).count()
        });
        if defects >= DEFECTS_MAX {
            let _ = self.execute(instance, Command::Suspend, None)?;
        }
        Ok(())
    }
}
