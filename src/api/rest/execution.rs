//! `/execution` and `/event-subscription`: tokens, and what they wait for.

use super::filter::{self, Rule};
use super::listing::Listing;
use super::{Words, compare, incident, tenant, time};
use crate::api::call::Call;
use crate::api::error::{Answer, ApiError};
use crate::api::json::{Json, json, no_content};
use crate::api::params::{Filters, Query};
use crate::api::value;
use crate::api::wire::Execution;
use crate::base::id::{InstanceId, LocalId, TokenId};
use crate::engine::command::Command;
use crate::engine::instance::{InstanceState, Wait};
use crate::store::queries::record::{PastActivityRecord, SubscriptionRecord, state_code};
use crate::store::queries::select::{Column, Condition, Relation, column, related};
use axum::extract::Path;
use serde::Deserialize;
use serde_json::{Value, json as shape};

pub(super) struct Executions;

impl Listing for Executions {
    type Row = PastActivityRecord;
    const RULES: &'static [Rule] = &[
        Rule::Instance("processInstanceId", column::INSTANCE),
        Rule::Definition("processDefinitionId", column::DEFINITION),
        Rule::Text("processDefinitionKey", column::PROCESS),
        Rule::Text("activityId", column::ELEMENT),
        Rule::Tenants,
    ];
    const SORTS: &'static [(&'static str, Column)] = &[
        ("instanceId", column::INSTANCE),
        ("definitionKey", column::PROCESS),
        ("definitionId", column::DEFINITION),
        ("tenantId", column::TENANT),
    ];

    fn base(_filters: &Filters) -> Result<Vec<Condition>, ApiError> {
        Ok(vec![Condition::Empty(column::ENDED_AT)])
    }

    async fn more(filters: &Filters, _call: &Call) -> Result<Vec<Condition>, ApiError> {
        let mut all = Vec::new();
        if let Some(name) = filters.text("messageEventSubscriptionName")? {
            all.push(subscribed(name, false));
        }
        if let Some(name) = filters.text("signalEventSubscriptionName")? {
            all.push(subscribed(name, true));
        }
        if let Some(key) = filters.text("businessKey")? {
            all.push(Condition::Some(Relation::Instance, vec![Condition::equal(related::BUSINESS_KEY, key)]));
        }
        if filters.is_true("suspended")? {
            all.push(Condition::Some(Relation::Instance, vec![super::suspended()]));
        }
        if filters.is_true("active")? {
            let active = Condition::equal(related::STATE, state_code(InstanceState::Active));
            all.push(Condition::Some(Relation::Instance, vec![active]));
        }
        all.extend(incident::of(filters, Relation::TokenIncident)?);
        for (name, place) in
            [("variables", Condition::Present(related::TOKEN)), ("processVariables", Condition::Empty(related::TOKEN))]
        {
            all.extend(compare::variables(filters, name, Relation::Variable, Some(place))?);
        }
        Ok(all)
    }

    async fn shape(_call: &Call, _filters: &Filters, rows: Vec<PastActivityRecord>) -> Result<Vec<Value>, ApiError> {
        Ok(rows
            .iter()
            .map(|row| execution(&format!("{}:{}", row.instance, row.token), row.instance, &row.tenant))
            .collect())
    }
}

pub(super) fn execution(id: &str, instance: i64, of_tenant: &str) -> Value {
    shape!({ "id": id, "processInstanceId": instance.to_string(), "ended": false, "tenantId": tenant(of_tenant) })
}

fn absent(id: &str) -> ApiError {
    ApiError::absent(format!("Execution with id {id} does not exist"))
}

pub(super) async fn get(call: Call, Path(id): Path<String>) -> Answer {
    let found = Execution::parse(&id).ok_or_else(|| absent(&id))?;
    let live = call.live(found.instance()).await?.ok_or_else(|| absent(&id))?;
    if let Execution::Token(_, token) = found {
        live.find(token).ok_or_else(|| absent(&id))?;
    }
    json(execution(&id, live.id().0, &live.head.tenant))
}

fn subscribed(name: String, signal: bool) -> Condition {
    let armed = vec![Condition::equal(related::NAME, name), Condition::flag(related::SIGNAL, signal)];
    Condition::Some(Relation::Subscription, armed)
}

#[derive(Deserialize)]
pub(super) struct Signal {
    variables: Option<Value>,
}

/// Moves a waiting token on without naming what it waits for. A root stands for its only waiting token.
pub(super) async fn signal(call: Call, Path(id): Path<String>, Json(body): Json<Signal>) -> Answer {
    let attempt = format!("Cannot signal execution {id}");
    let variables = value::read_all(body.variables.as_ref()).map_err(|error| error.while_doing(&attempt))?;
    let (instance, token) = waiting(&call, &id).await?;
    let words = Words { kind: "RestException", attempt: &attempt };
    call.command(instance, Command::Signal { token, variables }, words).await?;
    no_content()
}

async fn waiting(call: &Call, id: &str) -> Result<(InstanceId, TokenId), ApiError> {
    let nothing =
        || ApiError::refused("BadUserRequestException", format!("Cannot signal execution {id}: nothing waits there."));
    let found = Execution::parse(id).ok_or_else(nothing)?;
    let live = call.live(found.instance()).await?.ok_or_else(nothing)?;
    match found {
        Execution::Token(instance, token) => live.find(token).map(|_| (instance, token)).ok_or_else(nothing),
        Execution::Root(instance) => {
            let waits = |wait: &Wait| matches!(wait, Wait::Trigger | Wait::UserTask(_));
            let mut tokens = live.tokens().filter(|(.., token)| waits(&token.wait));
            match (tokens.next(), tokens.next()) {
                (Some((_, token, _)), None) => Ok((instance, token)),
                _ => Err(nothing()),
            }
        }
    }
}

pub(super) struct Subscriptions;

impl Listing for Subscriptions {
    type Row = SubscriptionRecord;
    const RULES: &'static [Rule] = &[
        Rule::Text("eventName", column::NAME),
        Rule::Instance("processInstanceId", column::INSTANCE),
        Rule::Text("activityId", column::ELEMENT),
        Rule::TenantsOrNone("includeEventSubscriptionsWithoutTenantId"),
    ];
    const SORTS: &'static [(&'static str, Column)] = &[("created", column::CREATED_AT), ("tenantId", column::TENANT)];

    async fn more(filters: &Filters, _call: &Call) -> Result<Vec<Condition>, ApiError> {
        let mut all = Vec::new();
        if let Some(id) = filters.text("eventSubscriptionId")? {
            all.push(filter::inner(&id, column::NUMBER));
        }
        if let Some(id) = filters.text("executionId")? {
            all.push(filter::execution(&id, column::OWNING_TOKEN));
        }
        match filters.text("eventType")?.as_deref() {
            None => {}
            Some("message") => all.push(Condition::flag(column::SIGNAL, false)),
            Some("signal") => all.push(Condition::flag(column::SIGNAL, true)),
            Some(_) => all.push(Condition::Never),
        }
        Ok(all)
    }

    async fn shape(_call: &Call, _filters: &Filters, rows: Vec<SubscriptionRecord>) -> Result<Vec<Value>, ApiError> {
        let shape = |row: &SubscriptionRecord| {
            shape!({
                "id": format!("{}:{}", row.instance, row.id),
                "eventType": if row.signal == 0 { "message" } else { "signal" },
                "eventName": row.name,
                "executionId": match row.owner {
                    0 => row.instance.to_string(),
                    owner => format!("{}:{owner}", row.instance),
                },
                "processInstanceId": row.instance.to_string(),
                "activityId": row.element,
                "createdDate": time(row.created_at),
                "tenantId": tenant(&row.tenant),
            })
        };
        Ok(rows.iter().map(shape).collect())
    }
}

/// The armed message event of this name at an execution; a root stands for all of its instance.
async fn armed(call: &Call, id: &str, name: &str) -> Result<SubscriptionRecord, ApiError> {
    let wanted = vec![
        filter::execution(id, column::OWNING_TOKEN),
        Condition::equal(column::NAME, name),
        Condition::flag(column::SIGNAL, false),
    ];
    call.one(wanted).await?.ok_or_else(|| {
        ApiError::absent(format!("Message event subscription for execution {id} named {name} does not exist"))
    })
}

pub(super) async fn message_subscription(call: Call, Path((id, name)): Path<(String, String)>) -> Answer {
    let row = armed(&call, &id, &name).await?;
    let nothing = Filters::Query(Query::default());
    json(Subscriptions::shape(&call, &nothing, vec![row]).await?.pop())
}

pub(super) async fn deliver_message(
    call: Call,
    Path((id, name)): Path<(String, String)>,
    Json(body): Json<Signal>,
) -> Answer {
    let attempt = format!("Cannot trigger message {name} for execution {id}");
    let variables = value::read_all(body.variables.as_ref()).map_err(|error| error.while_doing(&attempt))?;
    let row = armed(&call, &id, &name).await?;
    let subscription = LocalId(u32::try_from(row.id).unwrap_or(u32::MAX));
    let command = Command::DeliverMessage { subscription, name, variables, local: Default::default() };
    let words = Words { kind: "RestException", attempt: &attempt };
    call.command(InstanceId(row.instance), command, words).await?;
    no_content()
}
