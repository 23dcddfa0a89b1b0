//! What a command sets in motion: called processes, their returns, leases for jobs on offer, and words for outside.

use super::batch::{Abandon, Batch};
use super::dispatch::Grant;
use super::view::job_view;
use super::{Letter, Notice};
use crate::base::id::{InstanceId, TokenId};
use crate::base::limits::{FOLLOW_UPS_MAX, NESTING_DEPTH_MAX};
use crate::engine::command::{Answer, Call, CallResult, Command, Effect, Rejection};

/// Runs after the command that asked for it, in the same batch and before its reply.
pub(super) enum FollowUp {
    Command { to: InstanceId, command: Command },
    Call { call: Box<Call>, by: InstanceId },
    Lease { instance: InstanceId, token: TokenId, grant: Grant },
}

impl Batch<'_> {
    pub(super) fn effect(&mut self, id: InstanceId, effect: Effect) {
        match effect {
            Effect::JobOpened { token, topic } => {
                if let Some(grant) = self.slot_for(&topic) {
                    self.grants.push(grant.clone());
                    self.follow.push_back(FollowUp::Lease { instance: id, token, grant });
                }
            }
            Effect::JobAborted { token, lease_no } => {
                self.notices.push(Notice::Abort { instance: id, token, lease_no })
            }
            Effect::Call(call) => self.follow.push_back(FollowUp::Call { call, by: id }),
            Effect::ReturnToCaller { caller, result } => {
                let command = Command::CalledInstanceEnded { token: caller.token, called: id, result };
                self.follow.push_back(FollowUp::Command { to: caller.instance, command });
            }
            Effect::EscalateToCaller { caller, code } => {
                let command = Command::CalledInstanceEscalated { token: caller.token, called: id, code };
                self.follow.push_back(FollowUp::Command { to: caller.instance, command });
            }
            Effect::CancelCalled { called } => {
                let command = Command::Cancel { reason: Some("the calling instance went on without it".into()) };
                self.follow.push_back(FollowUp::Command { to: called, command });
            }
            Effect::BroadcastSignal { name, business_key, variables } => {
                self.post(Letter::Signal { name, business_key, variables, from: Some(id), tenants: None, to: None });
            }
            Effect::PublishMessage { name, business_key, variables } => {
                self.post(Letter::Message { name, business_key, variables, from: id });
            }
        }
    }

    pub(super) fn run_follow_ups(&mut self) -> Result<(), Abandon> {
        while let Some(next) = self.follow.pop_front() {
            self.followed += 1;
            match next {
                FollowUp::Command { to, command } => {
                    // Whoever has gone on meanwhile needs no answer.
                    let _ = self.execute(to, command, None)?;
                }
                FollowUp::Call { call, by } => self.call(*call, by)?,
                FollowUp::Lease { instance, token, grant } => self.lease_granted(instance, token, grant)?,
            }
        }
        Ok(())
    }

    pub(super) fn call(&mut self, call: Call, by: InstanceId) -> Result<(), Abandon> {
        let caller = call.create.caller;
        let failed = match self.start_called(&call, by)? {
            Ok(()) => return Ok(()),
            Err(why) => why,
        };
        if let Some(caller) = caller {
            let command = Command::CalledInstanceEnded {
                token: caller.token,
                called: call.instance,
                result: CallResult::Failed(failed),
            };
            self.follow.push_back(FollowUp::Command { to: caller.instance, command });
        }
        Ok(())
    }

    pub(super) fn start_called(&mut self, call: &Call, by: InstanceId) -> Result<Result<(), String>, Abandon> {
        if call.create.depth > NESTING_DEPTH_MAX {
            return Ok(Err(format!("processes call each other more than {NESTING_DEPTH_MAX} deep")));
        }
        if self.followed > FOLLOW_UPS_MAX {
            return Ok(Err(format!("one command set more than {FOLLOW_UPS_MAX} processes in motion")));
        }
        let caller = &self.p.cache.get(by).expect("the caller has just run").instance;
        let (tenant, deployment) = (caller.head.tenant.clone(), caller.definition.deployment);
        let found = self.p.catalog.called(&call.process, &tenant, call.tenant.as_deref(), &call.binding, deployment);
        let definition = match found.and_then(|id| self.startable(id)) {
            Ok(id) => id,
            Err(rejection) => return Ok(Err(rejection.to_string())),
        };
        let Some(definition) = self.definition(definition)? else {
            return Ok(Err(Rejection::DefinitionNotFound(definition.to_string()).to_string()));
        };
        Ok(self
            .create(call.instance, definition, call.create.clone(), None)?
            .map_err(|rejection| rejection.to_string()))
    }

    pub(super) fn lease_granted(&mut self, instance: InstanceId, token: TokenId, grant: Grant) -> Result<(), Abandon> {
        let until = self.now.plus_ms(grant.lease_ms);
        let command = Command::LeaseJob { token, holder: grant.holder.clone(), until };
        let leased = self.execute(instance, command, None)?;
        if let Ok(Answer { lease_no: Some(lease_no), .. }) = leased
            && self.done_inline(instance, token, lease_no, &grant)?
        {
            return Ok(());
        }
        let view = self.p.cache.get(instance).and_then(|resident| job_view(&resident.instance, token));
        match (leased, view) {
            (Ok(Answer { lease_no: Some(lease_no), .. }), Some(view)) => {
                let Grant { holder, topic, .. } = grant;
                let (kind, view) = (view.kind, Box::new(view));
                self.notices.push(Notice::Run { instance, token, lease_no, holder, kind, topic, view });
            }
            (Ok(_) | Err(_), _) => self.not_granted(&grant),
        }
        Ok(())
    }

    /// The slot is free again.
    pub(super) fn not_granted(&mut self, grant: &Grant) {
        if let Some(taken) = self.grants.iter().position(|taken| taken == grant) {
            self.grants.swap_remove(taken);
        }
        self.p.dispatch.give_back(grant);
    }
}
