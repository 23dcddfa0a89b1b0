//! `/message`, `/condition`: words from outside that name no instance.

use super::definition::Named;
use super::{Words, execution, instance};
use crate::api::auth::rights::ANY;
use crate::api::call::{Call, submit_error};
use crate::api::error::{Answer, ApiError};
use crate::api::json::{Json, json, no_content};
use crate::api::value;
use crate::api::wire;
use crate::base::access::NO_TENANT;
use crate::base::variable::Variables;
use crate::runtime::correlate::{CorrelateError, Payload, Receiver, Selector};
use serde::Deserialize;
use serde_json::{Value, json as shape};
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Message {
    message_name: Option<String>,
    business_key: Option<String>,
    tenant_id: Option<String>,
    without_tenant_id: Option<bool>,
    process_instance_id: Option<String>,
    correlation_keys: Option<Value>,
    local_correlation_keys: Option<Value>,
    process_variables: Option<Value>,
    process_variables_local: Option<Value>,
    all: Option<bool>,
    result_enabled: Option<bool>,
}

fn refused(words: impl Into<String>) -> ApiError {
    ApiError::refused("RestException", words)
}

pub(super) async fn correlate(call: Call, Json(message): Json<Message>) -> Answer {
    let name = message.message_name.clone().filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| ApiError::invalid("No message name supplied"))?;
    if message.tenant_id.is_some() && message.without_tenant_id == Some(true) {
        return Err(ApiError::invalid(
            "Parameter 'tenantId' cannot be used together with parameter 'withoutTenantId'.",
        ));
    }
    if message.all == Some(true) && call.key.is_some() {
        let words = "An Idempotency-Key stands for one receiver: leave it out, or correlate without all.";
        return Err(ApiError::invalid(words));
    }
    let payload = Payload {
        variables: value::read_all(message.process_variables.as_ref())?,
        local: value::read_all(message.process_variables_local.as_ref())?,
        user: Some(call.caller.user.clone()),
        key: call.key.as_ref().map(crate::api::idempotency::Key::for_partition),
    };
    let selector = selector(&message, name)?;
    let receivers =
        deliver(&call, &selector, &tenants(&call, message.tenant_id.as_ref(), message.without_tenant_id), payload)
            .await?;
    if message.result_enabled != Some(true) {
        return no_content();
    }
    let mut results = Vec::with_capacity(receivers.len());
    for receiver in &receivers {
        results.push(result(&call, receiver).await?);
    }
    json(results)
}

fn selector(message: &Message, name: String) -> Result<Selector, ApiError> {
    let instance = match &message.process_instance_id {
        None => None,
        Some(id) => {
            let nobody = || refused(CorrelateError::Nobody(name.clone()).to_string());
            Some(wire::instance(id).ok_or_else(nobody)?)
        }
    };
    let plain = |keys: Option<&Value>| -> Result<BTreeMap<String, Value>, ApiError> {
        let read = value::read_all(keys)?;
        Ok(read.into_iter().map(|(name, variable)| (name, variable.value)).collect())
    };
    Ok(Selector {
        business_key: message.business_key.clone(),
        instance,
        variables: plain(message.correlation_keys.as_ref())?,
        local_variables: plain(message.local_correlation_keys.as_ref())?,
        all: message.all == Some(true),
        name,
        ..Selector::default()
    })
}

/// The tenants among which receivers are sought, one after the other; `None` is any.
pub(super) fn tenants(call: &Call, named: Option<&String>, without: Option<bool>) -> Vec<Option<String>> {
    if without == Some(true) {
        return vec![Some(NO_TENANT.to_owned())];
    }
    match (named, &call.caller.access.tenants) {
        (Some(tenant), _) if call.caller.access.sees(tenant) => vec![Some(tenant.clone())],
        (Some(_), _) => Vec::new(),
        (None, None) => vec![None],
        (None, Some(own)) => own.iter().cloned().chain([NO_TENANT.to_owned()]).map(Some).collect(),
    }
}

async fn deliver(
    call: &Call,
    selector: &Selector,
    tenants: &[Option<String>],
    payload: Payload,
) -> Result<Vec<Receiver>, ApiError> {
    allow_delivery(call, selector).await?;
    let mut received = Vec::new();
    for tenant in tenants {
        let within = Selector { tenant: tenant.clone(), ..selector.clone() };
        match call.state.node().correlate(&within, payload.clone()).await {
            Ok(found) => received.extend(found),
            Err(CorrelateError::Nobody(_)) => {}
            Err(error) => return Err(correlate_error(error)),
        }
        if !received.is_empty() && !selector.all {
            break;
        }
    }
    if received.is_empty() && !selector.all {
        return Err(correlate_error(CorrelateError::Nobody(selector.name.clone())));
    }
    Ok(received)
}

/// One instance that is named, or whichever it may reach or start.
async fn allow_delivery(call: &Call, selector: &Selector) -> Result<(), ApiError> {
    match selector.instance {
        Some(instance) => call.allow_update(instance).await,
        None => {
            call.allow_all_instances()?;
            call.allow_start(ANY)
        }
    }
}

fn correlate_error(error: CorrelateError) -> ApiError {
    let words = |text: String| format!("org.camunda.bpm.engine.MismatchingMessageCorrelationException: {text}");
    match error {
        CorrelateError::Condition(why) => refused(why),
        CorrelateError::Nobody(_) | CorrelateError::Several { .. } => {
            refused(words(error.to_string())).because("mismatch")
        }
        CorrelateError::Submit(error) => {
            submit_error(error, Words { kind: "RestException", attempt: "Cannot correlate the message" })
        }
        CorrelateError::Store(error) => error.into(),
    }
}

async fn result(call: &Call, receiver: &Receiver) -> Result<Value, ApiError> {
    match receiver {
        Receiver::Waiting { instance, subscription } => {
            let tenant = call.behind().instance_record(*instance).await?.map(|row| row.tenant).unwrap_or_default();
            let id = wire::inner(*instance, *subscription);
            Ok(shape!({
                "resultType": "Execution",
                "execution": execution::execution(&id, instance.0, &tenant),
                "processInstance": null,
            }))
        }
        Receiver::Started { instance, .. } => Ok(shape!({
            "resultType": "ProcessDefinition",
            "execution": null,
            "processInstance": instance::started(call, *instance).await?,
        })),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Condition {
    variables: Option<Value>,
    business_key: Option<String>,
    tenant_id: Option<String>,
    without_tenant_id: Option<bool>,
    process_definition_id: Option<String>,
}

/// Starts every process whose conditional start event holds over these variables.
pub(super) async fn condition(call: Call, Json(body): Json<Condition>) -> Answer {
    let variables: Variables = value::read_all(body.variables.as_ref())?;
    if body.tenant_id.is_some() && body.without_tenant_id == Some(true) {
        let words = "Parameter 'tenantId' cannot be used together with parameter 'withoutTenantId'.";
        return Err(ApiError::invalid(words));
    }
    if variables.is_empty() {
        return Err(ApiError::invalid("No variables supplied: a condition is evaluated over some."));
    }
    let (definition, key) = match &body.process_definition_id {
        None => (None, None),
        Some(id) => {
            let row = Named::Id(id.clone()).find(&call).await?;
            (Some(crate::base::id::DefinitionId(row.id)), Some(row.key))
        }
    };
    call.allow_start(key.as_deref().unwrap_or(ANY))?;
    let payload = Payload { variables, user: Some(call.caller.user.clone()), ..Payload::default() };
    let mut started = Vec::new();
    for tenant in tenants(&call, body.tenant_id.as_ref(), body.without_tenant_id) {
        let business_key = body.business_key.clone();
        let selector = Selector { tenant, business_key, definition, ..Selector::default() };
        let begun = call.state.node().start_by_condition(&selector, &payload).await.map_err(correlate_error)?;
        for id in begun {
            started.push(instance::started(&call, id).await?);
        }
    }
    json(started)
}
