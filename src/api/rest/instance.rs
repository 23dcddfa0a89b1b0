//! `/process-instance`: running instances.

use super::filter::{self, Rule};
use super::listing::{self, Listing};
use super::{Words, tenant, tree};
use super::{compare, incident};
use crate::api::auth::Caller;
use crate::api::call::Call;
use crate::api::error::{Answer, ApiError};
use crate::api::guarded::running_instances;
use crate::api::json::{json, no_content};
use crate::api::params::{Filters, Query};
use crate::api::wire::{self};
use crate::base::access::NO_TENANT;
use crate::base::id::InstanceId;
use crate::engine::command::Command;
use crate::engine::instance::InstanceState;
use crate::store::queries::record::{InstanceRecord, state_code};
use crate::store::queries::select::{Column, Condition, Relation, column, related};
use axum::extract::Path;
use serde_json::Value;

pub(super) struct Instances;

impl Listing for Instances {
    type Row = InstanceRecord;
    const RULES: &'static [Rule] = &[
        Rule::InstanceIn("processInstanceIds", column::NUMBER),
        Rule::Text("businessKey", column::BUSINESS_KEY),
        Rule::Like("businessKeyLike", column::BUSINESS_KEY),
        Rule::Definition("processDefinitionId", column::DEFINITION),
        Rule::Text("processDefinitionKey", column::PROCESS),
        Rule::TextIn("processDefinitionKeyIn", column::PROCESS),
        Rule::TextNotIn("processDefinitionKeyNotIn", column::PROCESS),
        Rule::Instance("deploymentId", column::DEFINITION_DEPLOYMENT),
        Rule::Instance("superProcessInstance", column::CALLER),
        Rule::Instance("rootProcessInstanceId", column::ROOT),
        Rule::If("active", || Condition::equal(column::STATE, state_code(InstanceState::Active))),
        Rule::If("suspended", || Condition::equal(column::STATE, state_code(InstanceState::Suspended))),
        Rule::If("withIncident", || Condition::Some(Relation::Incident, Vec::new())),
        Rule::Absent("rootProcessInstances", column::CALLER),
        Rule::If("leafProcessInstances", || {
            Condition::Not(Box::new(Condition::Some(Relation::Called, vec![Condition::Empty(related::ENDED_AT)])))
        }),
        Rule::If("processDefinitionWithoutTenantId", || Condition::equal(column::DEFINITION_TENANT, NO_TENANT)),
        Rule::Nothing("caseInstanceId"),
        Rule::Nothing("superCaseInstance"),
        Rule::Nothing("subCaseInstance"),
        Rule::Tenants,
    ];
    const SORTS: &'static [(&'static str, Column)] = &[
        ("instanceId", column::NUMBER),
        ("definitionKey", column::PROCESS),
        ("definitionId", column::DEFINITION),
        ("tenantId", column::TENANT),
        ("businessKey", column::BUSINESS_KEY),
    ];

    fn base(_filters: &Filters) -> Result<Vec<Condition>, ApiError> {
        Ok(vec![Condition::Empty(column::ENDED_AT)])
    }

    fn guard(caller: &Caller) -> Option<Condition> {
        Some(running_instances(caller))
    }

    async fn more(filters: &Filters, _call: &Call) -> Result<Vec<Condition>, ApiError> {
        let mut all = compare::variables(filters, "variables", Relation::InstanceVariable, None)?;
        all.extend(incident::of(filters, Relation::Incident)?);
        all.extend(filter::called(filters, "subProcessInstance")?);
        if let Some(elements) = filters.list("activityIdIn")? {
            let named = Condition::OneOf(related::ELEMENT, elements.into_iter().map(Into::into).collect());
            all.push(Condition::Some(Relation::Activity, vec![named, Condition::Empty(related::ENDED_AT)]));
        }
        Ok(all)
    }

    async fn shape(_call: &Call, _filters: &Filters, rows: Vec<InstanceRecord>) -> Result<Vec<Value>, ApiError> {
        Ok(rows.iter().map(instance).collect())
    }
}

pub(super) fn instance(row: &InstanceRecord) -> Value {
    serde_json::json!({
        "links": [],
        "id": row.id.to_string(),
        "definitionId": wire::definition(&row.process, row.version, row.definition),
        "definitionKey": row.process,
        "businessKey": row.business_key,
        "caseInstanceId": null,
        "ended": row.ended_at.is_some(),
        "suspended": row.state() == Some(InstanceState::Suspended),
        "tenantId": tenant(&row.tenant),
    })
}

/// An instance that the caller has just started; it may have ended already.
pub(in crate::api) async fn started(call: &Call, id: InstanceId) -> Result<Value, ApiError> {
    let row = call.started(id).await?;
    row.as_ref().map(instance).ok_or_else(|| ApiError::failed(format!("The started instance {id} is not stored.")))
}

fn absent(id: &str) -> ApiError {
    ApiError::absent(format!("Process instance with id {id} does not exist"))
}

/// A running instance that the caller may see.
pub(super) async fn find(call: &Call, id: &str) -> Result<InstanceId, ApiError> {
    let instance = wire::instance(id).ok_or_else(|| absent(id))?;
    let row = call.instance_record(instance).await?;
    row.filter(|row| row.ended_at.is_none()).map(|_| instance).ok_or_else(|| absent(id))
}

pub(super) async fn get(call: Call, Path(id): Path<String>) -> Answer {
    let instance = wire::instance(&id).ok_or_else(|| absent(&id))?;
    let wanted = vec![Condition::equal(column::NUMBER, instance.0)];
    json(listing::one::<Instances>(&call, wanted, || absent(&id)).await?)
}

pub(super) async fn delete(call: Call, Path(id): Path<String>, query: Query) -> Answer {
    let found = find(&call, &id).await;
    if found.is_err() && !query.flag("failIfNotExists", true) {
        return no_content();
    }
    let instance = found?;
    let attempt = format!("Cannot delete process instance {id}");
    let command = Command::Cancel { reason: query.get("deleteReason").map(str::to_owned) };
    call.command(instance, command, Words { kind: "RestException", attempt: &attempt }).await?;
    no_content()
}

pub(super) async fn activity_instances(call: Call, Path(id): Path<String>) -> Answer {
    let instance = find(&call, &id).await?;
    let live = call.live(instance).await?.ok_or_else(|| absent(&id))?;
    json(tree::of(&live))
}
