//! `/deployment`: files deployed together, read back and deleted.

use super::decision::{Decisions, Requirements};
use super::definition::Definitions;
use super::filter::Rule;
use super::listing::{self, Listing};
use super::{Words, tenant, time};
use crate::api::auth::permission::{Permission, Resource};
use crate::api::call::{Call, submit_error};
use crate::api::error::{Answer, ApiError};
use crate::api::json::{file, json, no_content};
use crate::api::params::{Filters, Page, Query};
use crate::api::wire;
use crate::base::id::{DeploymentId, InstanceId};
use crate::engine::command::Command;
use crate::partition::Work;
use crate::runtime::node::SubmitError;
use crate::store::queries::record::{ContentRecord, DeploymentRecord, InstanceRecord, ResourceRecord};
use crate::store::queries::select::{Column, Condition, column};
use axum::extract::Path;
use serde_json::{Map, Value, json as shape};

pub(super) struct Deployments;

impl Listing for Deployments {
    type Row = DeploymentRecord;
    const RULES: &'static [Rule] = &[
        Rule::Instance("id", column::NUMBER),
        Rule::Text("name", column::NAME),
        Rule::Like("nameLike", column::NAME),
        Rule::Text("source", column::SOURCE),
        Rule::Absent("withoutSource", column::SOURCE),
        Rule::Before("before", column::AT),
        Rule::After("after", column::AT),
        Rule::TenantsOrNone("includeDeploymentsWithoutTenantId"),
    ];
    const SORTS: &'static [(&'static str, Column)] =
        &[("id", column::NUMBER), ("name", column::NAME), ("deploymentTime", column::AT), ("tenantId", column::TENANT)];

    async fn more(_filters: &Filters, _call: &Call) -> Result<Vec<Condition>, ApiError> {
        Ok(Vec::new())
    }

    async fn shape(_call: &Call, _filters: &Filters, rows: Vec<DeploymentRecord>) -> Result<Vec<Value>, ApiError> {
        Ok(rows.iter().map(deployment).collect())
    }
}

fn deployment(row: &DeploymentRecord) -> Value {
    shape!({
        "links": [],
        "id": row.id.to_string(),
        "name": row.name,
        "source": row.source,
        "deploymentTime": time(row.at),
        "tenantId": tenant(&row.tenant),
    })
}

pub(super) fn absent(id: &str) -> ApiError {
    ApiError::absent(format!("Deployment with id '{id}' does not exist"))
}

pub(super) async fn find(call: &Call, id: &str) -> Result<DeploymentRecord, ApiError> {
    let number = wire::number(id).ok_or_else(|| absent(id))?;
    call.one(vec![Condition::equal(column::NUMBER, number)]).await?.ok_or_else(|| absent(id))
}

pub(super) async fn get(call: Call, Path(id): Path<String>) -> Answer {
    json(deployment(&find(&call, &id).await?))
}

/// A deployment with its definitions by id; the maps are null where it has none (D5).
pub(in crate::api) async fn deployed(call: &Call, id: DeploymentId) -> Result<Value, ApiError> {
    let call = &call.behind();
    let row = find(call, &id.to_string()).await?;
    let processes = by_id::<Definitions>(call, id).await?;
    let decisions = by_id::<Decisions>(call, id).await?;
    let requirements = by_id::<Requirements>(call, id).await?;
    Ok(with_definitions(&row, processes, decisions, requirements))
}

/// What the deployment has of one kind.
async fn by_id<L: Listing>(call: &Call, id: DeploymentId) -> Result<Map<String, Value>, ApiError> {
    let shapes = listing::of::<L>(call, vec![Condition::equal(column::DEPLOYMENT, id.0)]).await?;
    Ok(shapes.into_iter().filter_map(|shape| Some((shape["id"].as_str()?.to_owned(), shape))).collect())
}

/// The same deployment found again: nothing was deployed.
pub(super) fn unchanged(row: &DeploymentRecord) -> Value {
    with_definitions(row, Map::new(), Map::new(), Map::new())
}

fn with_definitions(
    row: &DeploymentRecord,
    processes: Map<String, Value>,
    decisions: Map<String, Value>,
    requirements: Map<String, Value>,
) -> Value {
    let or_null = |map: Map<String, Value>| if map.is_empty() { Value::Null } else { Value::Object(map) };
    let mut shape = deployment(row);
    shape["deployedProcessDefinitions"] = or_null(processes);
    shape["deployedCaseDefinitions"] = Value::Null;
    shape["deployedDecisionDefinitions"] = or_null(decisions);
    shape["deployedDecisionRequirementsDefinitions"] = or_null(requirements);
    shape
}

pub(super) async fn resources(call: Call, Path(id): Path<String>) -> Answer {
    let row = find(&call, &id).await?;
    let files: Vec<ResourceRecord> = call.all(vec![Condition::equal(column::DEPLOYMENT, row.id)]).await?;
    if files.is_empty() {
        return Err(ApiError::absent(format!("Deployment resources for deployment id '{id}' do not exist.")));
    }
    json(files.iter().map(resource).collect::<Vec<_>>())
}

fn resource(row: &ResourceRecord) -> Value {
    shape!({ "id": row.id.to_string(), "name": row.name, "deploymentId": row.deployment.to_string() })
}

async fn content(call: &Call, deployment: &str, resource: &str) -> Result<ContentRecord, ApiError> {
    let absent = || {
        let words = format!("Deployment resource '{resource}' for deployment id '{deployment}' does not exist.");
        ApiError::absent(words)
    };
    let (deployment, resource) = (wire::number(deployment), wire::number(resource));
    let (Some(deployment), Some(resource)) = (deployment, resource) else {
        return Err(absent());
    };
    let of = vec![Condition::equal(column::DEPLOYMENT, deployment), Condition::equal(column::NUMBER, resource)];
    call.one(of).await?.ok_or_else(absent)
}

pub(super) async fn resource_one(call: Call, Path((id, resource_id)): Path<(String, String)>) -> Answer {
    let found = content(&call, &id, &resource_id).await?;
    json(resource(&ResourceRecord { deployment: found.deployment, id: found.id, name: found.name }))
}

/// The bytes as they were sent.
pub(super) async fn resource_data(call: Call, Path((id, resource_id)): Path<(String, String)>) -> Answer {
    let found = content(&call, &id, &resource_id).await?;
    let name = found.name.rsplit('/').next().unwrap_or(&found.name).to_owned();
    file(found.bytes, kind_of(&name), Some(&name))
}

fn kind_of(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase().as_str() {
        "bpmn" | "dmn" | "cmmn" | "xml" => "application/xml",
        "txt" | "rhai" | "md" => "text/plain",
        "form" | "json" => "application/json",
        "html" | "htm" => "text/html",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "pdf" => "application/pdf",
        "js" => "text/javascript",
        "css" => "text/css",
        _ => "application/octet-stream",
    }
}

/// With `cascade` its instances go too, running and ended; without it running ones are in the way.
pub(super) async fn delete(call: Call, Path(id): Path<String>, query: Query) -> Answer {
    let row = find(&call, &id).await?;
    call.require(Permission::Delete, Resource::Deployment, &id)?;
    let attempt = format!("Cannot delete deployment {id}");
    let words = Words { kind: "RestException", attempt: &attempt };
    let of = Condition::equal(column::DEFINITION_DEPLOYMENT, row.id);
    if query.flag("cascade", false) {
        cancel_all(&call.behind(), &of, words).await?;
        remove_all(&call.behind(), &of).await?;
        call.state.store().remove_decisions_of(DeploymentId(row.id)).await?;
    } else {
        let running = call.behind().count::<InstanceRecord>(&[of, Condition::Empty(column::ENDED_AT)]).await?;
        if running > 0 {
            let words =
                format!("{attempt}: {running} instances run on it. End them first, or delete with cascade=true.");
            return Err(ApiError::refused("RestException", words).because("running"));
        }
    }
    call.submit(Work::DeleteDeployment { deployment: DeploymentId(row.id) }, words).await?;
    no_content()
}

/// Rounds after which the caller is asked to come again.
const ROUNDS_MAX: usize = 1_000;
/// Instances taken at a time.
const PAGE: Page = Page { first: 0, max: Some(500) };

async fn cancel_all(call: &Call, of: &Condition, words: Words<'_>) -> Result<(), ApiError> {
    for _ in 0..ROUNDS_MAX {
        let live = vec![of.clone(), Condition::Empty(column::ENDED_AT)];
        let rows: Vec<InstanceRecord> = call.list(live, Vec::new(), PAGE).await?;
        if rows.is_empty() {
            return Ok(());
        }
        for row in rows {
            let command = Command::Cancel { reason: Some("deployment deleted".to_owned()) };
            let work = Work::Instance { instance: InstanceId(row.id), command };
            let ended = call.state.node().submit(work, None, Some(call.caller.user.clone())).await;
            match ended {
                Ok(_) | Err(SubmitError::Rejected(_)) => {}
                Err(error) => return Err(submit_error(error, words)),
            }
        }
        // Large instances take several commits to end.
        tokio::task::yield_now().await;
    }
    Err(ApiError::away(format!("{}: its instances are still ending. Ask again.", words.attempt)))
}

async fn remove_all(call: &Call, of: &Condition) -> Result<(), ApiError> {
    loop {
        let ended = vec![of.clone(), Condition::Present(column::ENDED_AT)];
        let rows: Vec<InstanceRecord> = call.list(ended, Vec::new(), PAGE).await?;
        if rows.is_empty() {
            return Ok(());
        }
        for row in rows {
            call.state.store().remove_past(InstanceId(row.id)).await?;
        }
    }
}

/// Ids of the deployments that the engine works with: all of them, as it needs no application around it.
pub(super) async fn registered(call: Call) -> Answer {
    let rows: Vec<DeploymentRecord> = call.all(Vec::new()).await?;
    json(rows.iter().map(|row| row.id.to_string()).collect::<Vec<_>>())
}
