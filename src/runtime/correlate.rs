//! Messages: find who waits, let the owner check again, deliver.
//!
//! Camunda 7's rules: by name, and by business key, instance or equal variables where given; exactly one waiting activity, or
//! a message start event; else an error. What a process itself throws goes to the first that waits, or is lost.

use crate::base::id::{DefinitionId, ElementId, InstanceId, LocalId};
use crate::base::variable::Variables;
use crate::engine::command::{Command, Create, Rejection};
use crate::engine::condition;
use crate::engine::instance::{Instance, OF_SCOPE};
use crate::partition::transaction::CommandKey;
use crate::partition::{Which, Work};
use crate::runtime::node::{Node, SubmitError};
use crate::store::StoreError;
use serde_json::Value;
use std::collections::BTreeMap;

/// What selects the receivers.
#[derive(Clone, Debug, Default)]
pub struct Selector {
    pub name: String,
    pub business_key: Option<String>,
    pub instance: Option<InstanceId>,
    /// Equal variables, as seen by the process.
    pub variables: BTreeMap<String, Value>,
    /// Equal variables of the waiting activity's own scope.
    pub local_variables: BTreeMap<String, Value>,
    /// Only of this tenant; absent: any.
    pub tenant: Option<String>,
    /// Every receiver instead of exactly one.
    pub all: bool,
    /// Only start events.
    pub start_only: bool,
    /// A start event of this definition.
    pub definition: Option<DefinitionId>,
}

/// One that took the message.
#[derive(Clone, Debug, PartialEq)]
pub enum Receiver {
    Waiting { instance: InstanceId, subscription: LocalId },
    Started { instance: InstanceId, definition: DefinitionId },
}

#[derive(Debug, thiserror::Error)]
pub enum CorrelateError {
    #[error("Cannot correlate message '{0}': No process definition or execution matches the parameters")]
    Nobody(String),
    #[error("Cannot correlate message '{name}': {count} executions match the correlation keys")]
    Several { name: String, count: usize },
    #[error("{0}")]
    Condition(String),
    #[error(transparent)]
    Submit(#[from] SubmitError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What goes along.
#[derive(Clone, Debug, Default)]
pub struct Payload {
    pub variables: Variables,
    pub local: Variables,
    pub user: Option<String>,
    pub key: Option<(CommandKey, String)>,
}

impl Node {
    pub async fn correlate(&self, selector: &Selector, payload: Payload) -> Result<Vec<Receiver>, CorrelateError> {
        let waiting = if selector.start_only { Vec::new() } else { self.waiting_for(selector).await? };
        if waiting.len() > 1 && !selector.all {
            return Err(CorrelateError::Several { name: selector.name.clone(), count: waiting.len() });
        }
        let mut received = Vec::new();
        for (instance, subscription) in waiting {
            let command = Command::DeliverMessage {
                subscription,
                name: selector.name.clone(),
                variables: payload.variables.clone(),
                local: payload.local.clone(),
            };
            match self.submit(Work::Instance { instance, command }, payload.key.clone(), payload.user.clone()).await {
                Ok(_) => received.push(Receiver::Waiting { instance, subscription }),
                // It went on between the look and the command; nobody else waits for it.
                Err(SubmitError::Rejected(Rejection::NotArmed(_) | Rejection::WrongState(_))) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if (received.is_empty() || selector.all) && selector.instance.is_none() {
            received.extend(self.start_by(selector, &payload).await?);
        }
        if received.is_empty() { Err(CorrelateError::Nobody(selector.name.clone())) } else { Ok(received) }
    }

    /// Starts the processes whose conditional start events hold over this data: of one tenant, or of one definition.
    pub async fn start_by_condition(
        &self,
        selector: &Selector,
        payload: &Payload,
    ) -> Result<Vec<InstanceId>, CorrelateError> {
        let mut begun = Vec::new();
        for start in self.store().condition_starts().await? {
            let of = selector.tenant.as_ref().is_none_or(|tenant| *tenant == start.tenant)
                && selector.definition.is_none_or(|definition| definition == start.key.definition);
            if !of {
                continue;
            }
            let Some(definition) = self.definition(start.key.definition).await? else { continue };
            let holds = condition::starts(&definition, &payload.variables, self.clock().now());
            let holds = holds.map_err(|fault| CorrelateError::Condition(fault.message))?;
            if holds.contains(&start.key.element) {
                let key = selector.business_key.clone();
                begun.extend(self.start_at(start.key.definition, start.key.element, key, payload).await?);
            }
        }
        Ok(begun)
    }

    /// Armed subscriptions that fit, oldest first; the owner checks again when the message comes.
    async fn waiting_for(&self, selector: &Selector) -> Result<Vec<(InstanceId, LocalId)>, CorrelateError> {
        let rows = self.store().message_waiters(&selector.name, selector.business_key.as_deref()).await?;
        let mut found = Vec::new();
        for row in rows {
            let tenant = selector.tenant.as_ref().is_none_or(|tenant| *tenant == row.tenant);
            let instance = selector.instance.is_none_or(|instance| instance == row.instance);
            if tenant && instance && self.variables_fit(selector, row.instance, row.subscription).await? {
                found.push((row.instance, row.subscription));
            }
        }
        Ok(found)
    }

    async fn variables_fit(
        &self,
        selector: &Selector,
        id: InstanceId,
        subscription: LocalId,
    ) -> Result<bool, CorrelateError> {
        if selector.variables.is_empty() && selector.local_variables.is_empty() {
            return Ok(true);
        }
        let Some(instance) = self.instance(id).await? else { return Ok(false) };
        let root = &instance.root().variables;
        let seen = selector.variables.iter().all(|(name, value)| root.get(name).is_some_and(|v| v.value == *value));
        Ok(seen && local_fits(selector, &instance, subscription))
    }

    async fn start_by(&self, selector: &Selector, payload: &Payload) -> Result<Vec<Receiver>, CorrelateError> {
        let starts = self.store().message_starts(&selector.name).await?;
        let wanted = |start: &crate::partition::transaction::StartRow| {
            selector.tenant.as_ref().is_none_or(|tenant| *tenant == start.tenant)
                && selector.definition.is_none_or(|definition| definition == start.key.definition)
        };
        let starts: Vec<_> = starts.into_iter().filter(wanted).collect();
        if starts.len() > 1 && !selector.all {
            return Err(CorrelateError::Several { name: selector.name.clone(), count: starts.len() });
        }
        let mut started = Vec::new();
        for start in starts {
            let instance =
                self.start_at(start.key.definition, start.key.element, selector.business_key.clone(), payload).await?;
            started.extend(instance.map(|instance| Receiver::Started { instance, definition: start.key.definition }));
        }
        Ok(started)
    }

    async fn start_at(
        &self,
        definition: DefinitionId,
        element: ElementId,
        business_key: Option<String>,
        payload: &Payload,
    ) -> Result<Option<InstanceId>, CorrelateError> {
        let mut variables = payload.variables.clone();
        variables.extend(payload.local.clone());
        let create =
            Create { variables, business_key, at: vec![element], starter: payload.user.clone(), ..Create::default() };
        let work = Work::Start { definition: Which::Id(definition), create };
        let reply = self.submit(work, payload.key.clone(), payload.user.clone()).await?;
        Ok(reply.started())
    }
}

fn local_fits(selector: &Selector, instance: &Instance, subscription: LocalId) -> bool {
    let own = instance.subscription(subscription).and_then(|(scope, armed)| match armed.owner {
        OF_SCOPE => Some(scope),
        owner => instance.find(owner).and_then(|(_, token)| token.own),
    });
    let own = own.and_then(|own| instance.scopes.get(&own));
    selector.local_variables.iter().all(|(name, value)| {
        own.is_some_and(|scope| scope.variables.get(name).is_some_and(|variable| variable.value == *value))
    })
}
