//! Suspending and resuming: one definition or instance, or many.

use super::definition::Named;
use super::history_instance::PastInstances;
use super::instance::{self, Instances};
use super::{Words, listing};
use crate::api::call::Call;
use crate::api::error::{Answer, ApiError};
use crate::api::json::{Json, Object, no_content};
use crate::api::params::Filters;
use crate::api::wire;
use crate::base::access::NO_TENANT;
use crate::base::id::{DefinitionId, InstanceId};
use crate::engine::command::Command;
use crate::partition::Work;
use crate::store::queries::record::{DefinitionRecord, InstanceRecord};
use crate::store::queries::select::{Condition, column};
use axum::extract::Path;
use serde::Deserialize;
use std::collections::BTreeSet;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OfDefinitions {
    suspended: Option<bool>,
    process_definition_id: Option<String>,
    process_definition_key: Option<String>,
    include_process_instances: Option<bool>,
    execution_date: Option<String>,
}

fn wanted(suspended: Option<bool>) -> Result<bool, ApiError> {
    suspended.ok_or_else(|| ApiError::invalid("suspended must be true or false."))
}

/// By id one version, by key all versions.
pub(super) async fn definition(call: Call, named: Named, Json(body): Json<OfDefinitions>) -> Answer {
    suspend_definitions(&call, &named.all(&call).await?, &body).await
}

pub(super) async fn definitions(call: Call, Json(body): Json<OfDefinitions>) -> Answer {
    let named = match (&body.process_definition_id, &body.process_definition_key) {
        (Some(id), None) => Named::Id(id.clone()),
        (None, Some(key)) => Named::Key(key.clone()),
        _ => {
            let words =
                "Either processDefinitionId or processDefinitionKey must be set to update the suspension state.";
            return Err(ApiError::invalid(words));
        }
    };
    suspend_definitions(&call, &named.all(&call).await?, &body).await
}

async fn suspend_definitions(call: &Call, rows: &[DefinitionRecord], body: &OfDefinitions) -> Answer {
    let suspended = wanted(body.suspended)?;
    if body.execution_date.is_some() {
        return Err(ApiError::invalid(
            "A suspension at a later time is not kept by this version: leave executionDate out.",
        ));
    }
    // A repeat sets the same again: no key is needed where there are several.
    let each = if rows.len() == 1 { None } else { Some(call.unkeyed()) };
    let call = each.as_ref().unwrap_or(call);
    for row in rows {
        let mut instances = Vec::new();
        if body.include_process_instances == Some(true) {
            let of = vec![Condition::equal(column::DEFINITION, row.id), Condition::Empty(column::ENDED_AT)];
            let live: Vec<InstanceRecord> = call.behind().all(of).await?;
            instances = live.iter().map(|row| InstanceId(row.id)).collect();
        }
        let work = Work::SuspendDefinition { definition: DefinitionId(row.id), suspended, instances };
        let attempt = format!("Cannot change the suspension of process definition {}", row.id);
        call.submit(work, Words { kind: "RestException", attempt: &attempt }).await?;
    }
    no_content()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OfInstances {
    suspended: Option<bool>,
    process_definition_id: Option<String>,
    process_definition_key: Option<String>,
    process_definition_tenant_id: Option<String>,
    process_definition_without_tenant_id: Option<bool>,
    process_instance_ids: Option<Vec<String>>,
    process_instance_query: Option<Object>,
    historic_process_instance_query: Option<Object>,
}

async fn suspend_instance(call: &Call, instance: InstanceId, suspended: bool) -> Result<(), ApiError> {
    let command = if suspended { Command::Suspend } else { Command::Resume };
    let attempt = format!("Cannot change the suspension of process instance {instance}");
    call.command(instance, command, Words { kind: "RestException", attempt: &attempt }).await.map(|_| ())
}

pub(super) async fn instance(call: Call, Path(id): Path<String>, Json(body): Json<OfInstances>) -> Answer {
    let instance = instance::find(&call, &id).await?;
    suspend_instance(&call, instance, wanted(body.suspended)?).await?;
    no_content()
}

/// All that one of the ways names; each instance by a command of its own.
pub(super) async fn instances(call: Call, Json(body): Json<OfInstances>) -> Answer {
    let suspended = wanted(body.suspended)?;
    let named = body.named(&call).await?;
    let each = call.unkeyed();
    for instance in named {
        suspend_instance(&each, instance, suspended).await?;
    }
    no_content()
}

impl OfInstances {
    async fn named(self, call: &Call) -> Result<BTreeSet<InstanceId>, ApiError> {
        let mut rows: Vec<InstanceRecord> = Vec::new();
        let mut found: BTreeSet<InstanceId> = BTreeSet::new();
        let mut given = false;
        if let Some(of) = self.of_definition() {
            rows.extend(call.all::<InstanceRecord>(of).await?);
            given = true;
        }
        if let Some(query) = self.process_instance_query {
            rows.extend(listing::rows::<Instances>(call, &Filters::Body(query)).await?);
            given = true;
        }
        if let Some(query) = self.historic_process_instance_query {
            rows.extend(listing::rows::<PastInstances>(call, &Filters::Body(query)).await?);
            given = true;
        }
        for id in self.process_instance_ids.into_iter().flatten() {
            found.insert(instance::find(call, &id).await?);
            given = true;
        }
        if !given {
            let words = "Name the process instances: by processInstanceIds, processInstanceQuery, \
                         historicProcessInstanceQuery, processDefinitionId or processDefinitionKey.";
            return Err(ApiError::invalid(words));
        }
        found.extend(rows.iter().filter(|row| row.ended_at.is_none()).map(|row| InstanceId(row.id)));
        Ok(found)
    }

    fn of_definition(&self) -> Option<Vec<Condition>> {
        let mut of = match (&self.process_definition_id, &self.process_definition_key) {
            (Some(id), _) => {
                let id = wire::parse_definition(id)
                    .map_or(Condition::Never, |id| Condition::equal(column::DEFINITION, id.0));
                vec![id]
            }
            (None, Some(key)) => vec![Condition::equal(column::PROCESS, key.as_str())],
            (None, None) => return None,
        };
        if self.process_definition_without_tenant_id == Some(true) {
            of.push(Condition::equal(column::DEFINITION_TENANT, NO_TENANT));
        }
        if let Some(tenant) = &self.process_definition_tenant_id {
            of.push(Condition::equal(column::DEFINITION_TENANT, tenant.as_str()));
        }
        of.push(Condition::Empty(column::ENDED_AT));
        Some(of)
    }
}
