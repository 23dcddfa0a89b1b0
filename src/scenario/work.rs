//! Steps of a process test that speak for work: a job or a user task fails, throws, escalates, is tried again.

use crate::base::id::{InstanceId, TokenId};
use crate::base::variable::{Variables, from_json};
use crate::engine::command::{Command, Create, Rejection};
use crate::engine::instance::{Trigger, Wait};
use crate::engine::job::{Claim, Job};
use crate::partition::{Which, Work};
use crate::scenario::file::Step;
use crate::scenario::look::element_of;
use crate::scenario::runner::{Outcome, Play, WORKER};
use serde_json::Value;

/// Leases of the runner never end by themselves: only steps and mocks answer.
const LEASE_MS: i64 = 100 * 365 * 86_400_000;

impl Play {
    pub(super) fn error(&mut self, element: &str, step: &Step) -> Result<Outcome, String> {
        let variables = from_json(Value::Object(step.variables.clone()));
        let (code, message) = (step.code.clone().unwrap_or_default(), step.message.clone());
        if let Some((instance, token, Wait::UserTask(_))) = self.waiting_at(element, step.on)? {
            return self.execute(instance, Command::ThrowError { token, claim: None, code, message, variables });
        }
        self.with_job(element, step, |token, claim| Command::ThrowError {
            token,
            claim: Some(claim),
            code,
            message,
            variables,
        })
    }

    pub(super) fn escalate(&mut self, element: &str, step: &Step) -> Result<Outcome, String> {
        let variables = from_json(Value::Object(step.variables.clone()));
        match self.waiting_at(element, step.on)? {
            Some((instance, token, Wait::UserTask(_))) => {
                let code = step.code.clone().unwrap_or_default();
                self.execute(instance, Command::Escalate { token, code, variables })
            }
            Some(_) | None => Ok(Err(format!("no user task waits at {element}"))),
        }
    }

    pub(super) fn with_job(
        &mut self,
        element: &str,
        step: &Step,
        command: impl FnOnce(TokenId, Claim) -> Command,
    ) -> Result<Outcome, String> {
        match self.waiting_at(element, step.on)? {
            Some((instance, token, Wait::Job(job))) => match self.lease(instance, token, &job)? {
                Ok(claim) => self.execute(instance, command(token, claim)),
                Err(words) => Ok(Err(words)),
            },
            Some(_) | None => Ok(Err(format!("no job waits at {element}"))),
        }
    }

    /// The runner's claim on a job; a mock that answers later may hold it already.
    pub(super) fn lease(
        &mut self,
        instance: InstanceId,
        token: TokenId,
        job: &Job,
    ) -> Result<Result<Claim, String>, String> {
        if job.lease.is_some() {
            return Ok(Ok(Claim { holder: WORKER.into(), lease_no: Some(job.lease_no) }));
        }
        let until = self.host.now.plus_ms(LEASE_MS);
        let answer = self.host.command(instance, Command::LeaseJob { token, holder: WORKER.into(), until })?;
        Ok(answer
            .map(|answer| Claim { holder: WORKER.into(), lease_no: answer.lease_no })
            .map_err(|r: Rejection| r.to_string()))
    }

    pub(super) fn retry(&mut self, element: &str, step: &Step) -> Result<Outcome, String> {
        let id = self.names.one(element)?;
        let live = self.of_roots(step.on)?;
        let found = live.iter().find_map(|instance| {
            let stuck = |(_, token, t): &(_, TokenId, &crate::engine::instance::Token)| {
                (matches!(t.wait, Wait::Incident(_)) && element_of(instance, t.at) == id).then_some(*token)
            };
            instance.tokens().find_map(|entry| stuck(&entry)).map(|token| (instance.id(), token))
        });
        match found {
            Some((instance, token)) => self.execute(instance, Command::ResolveIncident { token }),
            None => Ok(Err(format!("{element} has no open incident"))),
        }
    }

    /// Everybody who waits for it gets it; and it starts processes.
    pub(super) fn signal(&mut self, name: &str, variables: &Variables, on: Option<usize>) -> Result<Outcome, String> {
        let waits = |trigger: &Trigger| matches!(trigger, Trigger::Signal { name: armed } if armed == name);
        let mut reached = Vec::new();
        for instance in &self.of_roots(on)? {
            let all = instance.scopes.values().flat_map(|scope| scope.subscriptions.iter());
            reached.extend(all.filter(|(_, armed)| waits(&armed.trigger)).map(|(id, _)| (instance.id(), *id)));
        }
        let starts = if on.is_none() { self.host.signal_starts(name) } else { Vec::new() };
        let heard = !reached.is_empty() || !starts.is_empty();
        for (instance, subscription) in reached {
            // An earlier one may have ended it.
            let command = Command::DeliverSignal { subscription, name: name.to_owned(), variables: variables.clone() };
            let _ended = self.execute(instance, command)?;
        }
        for (definition, element) in starts {
            let create = Create { variables: variables.clone(), at: vec![element], ..Create::default() };
            let reply = self.host.submit(Work::Start { definition: Which::Id(definition), create })?;
            if let Err(rejection) = reply {
                return Ok(Err(rejection.to_string()));
            }
        }
        Ok(if heard { Ok(()) } else { Err(format!("nobody waits for the signal {name}")) })
    }
}
