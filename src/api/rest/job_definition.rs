//! `/job-definition`: where a definition's jobs come from. They are read off the models, nothing is stored of them.

use super::definition::process;
use super::filter::{self, Rule};
use super::job::{self, Retries};
use super::sheet::{self, Sheet};
use super::tenant;
use crate::api::call::Call;
use crate::api::error::{Answer, ApiError};
use crate::api::json::{Json, json, no_content};
use crate::api::params::Filters;
use crate::api::wire;
use crate::base::id::DefinitionId;
use crate::base::time::TimerKind;
use crate::engine::definition::{FlowNode, Process};
use crate::engine::elements::{BusinessRuleTask, Element};
use crate::store::queries::record::{DefinitionRecord, TimedRecord};
use crate::store::queries::select::{Condition, column};
use axum::extract::Path;
use serde_json::{Value, json as shape};

/// Filters of the definitions.
const RULES: &[Rule] = &[
    Rule::Definition("processDefinitionId", column::NUMBER),
    Rule::Text("processDefinitionKey", column::KEY),
    Rule::Unset("active", column::SUSPENDED),
    Rule::Set("suspended", column::SUSPENDED),
    // A priority is the model's, or one job's.
    Rule::If("withOverridingJobPriority", || Condition::Never),
    Rule::TenantsOrNone("includeJobDefinitionsWithoutTenantId"),
];

/// What a node's jobs are, and how the model asks for them; none where it never waits for the engine.
pub(super) fn jobs_of(node: &FlowNode) -> Option<(&'static str, String)> {
    if let Some((kind, text)) = node.element.timer() {
        let word = match kind {
            TimerKind::Date => "DATE",
            TimerKind::Duration => "DURATION",
            TimerKind::Cycle => "CYCLE",
        };
        let job = match &node.element {
            Element::StartEvent(_) if node.parent.is_none() => "timer-start-event",
            Element::StartEvent(_) => "timer-start-event-subprocess",
            Element::BoundaryEvent(_) => "timer-transition",
            _catches => "timer-intermediate-transition",
        };
        return Some((job, format!("{word}: {}", text.source())));
    }
    let (before, after) = node.save_points(false);
    let (inner_before, inner_after) = node.save_points(true);
    match &node.element {
        _ if before || inner_before => Some(("async-continuation", "async-before".to_owned())),
        _ if after || inner_after => Some(("async-continuation", "async-after".to_owned())),
        Element::BusinessRuleTask(BusinessRuleTask::Decision(asked)) => {
            Some(("decision", asked.decision.source().to_owned()))
        }
        Element::ScriptTask(_) => Some(("script", "rhai".to_owned())),
        _never_waits => None,
    }
}

fn all_of(row: &DefinitionRecord, process: &Process) -> Vec<Value> {
    let of = |node: &FlowNode| {
        let (kind, configuration) = jobs_of(node)?;
        Some(shape!({
            "id": wire::job_definition(DefinitionId(row.id), &node.id),
            "processDefinitionId": wire::definition(&row.key, row.version, row.id),
            "processDefinitionKey": row.key,
            "activityId": *node.id,
            "jobType": kind,
            "jobConfiguration": configuration,
            "overridingJobPriority": null,
            "suspended": row.suspended != 0,
            "tenantId": tenant(&row.tenant),
            "deploymentId": row.deployment.to_string(),
        }))
    };
    process.by_id.values().filter_map(|ix| of(process.node(*ix))).collect()
}

/// Filters of the sources themselves.
const OF_SOURCES: &[sheet::Rule] = &[
    sheet::Rule::Text("jobDefinitionId", "id"),
    sheet::Rule::TextIn("activityIdIn", "activityId"),
    sheet::Rule::Text("jobType", "jobType"),
    sheet::Rule::Text("jobConfiguration", "jobConfiguration"),
];

pub(super) struct JobDefinitions;

impl Sheet for JobDefinitions {
    const SORTS: &'static [(&'static str, &'static str)] = &[
        ("jobDefinitionId", "id"),
        ("activityId", "activityId"),
        ("processDefinitionId", "processDefinitionId"),
        ("processDefinitionKey", "processDefinitionKey"),
        ("jobType", "jobType"),
        ("jobConfiguration", "jobConfiguration"),
        ("tenantId", "tenantId"),
    ];

    /// In the order of their definitions.
    async fn found(call: &Call, filters: &Filters) -> Result<Vec<Value>, ApiError> {
        let mut conditions = vec![process()];
        conditions.extend(filter::conditions(filters, RULES)?);
        let mut all = Vec::new();
        for row in call.all::<DefinitionRecord>(conditions).await? {
            let definition = call.definition(DefinitionId(row.id)).await?;
            all.extend(all_of(&row, &definition.process));
        }
        sheet::fitting(filters, OF_SOURCES, all)
    }
}

/// The definition and element that an id names, if the caller may see them.
async fn find(call: &Call, id: &str) -> Result<Option<(DefinitionRecord, Value)>, ApiError> {
    let Some(number) = id.split(':').next().and_then(wire::number) else {
        return Ok(None);
    };
    let wanted = vec![process(), Condition::equal(column::NUMBER, number)];
    let Some(row) = call.one::<DefinitionRecord>(wanted).await? else {
        return Ok(None);
    };
    let definition = call.definition(DefinitionId(row.id)).await?;
    let found = all_of(&row, &definition.process).into_iter().find(|one| one["id"] == id);
    Ok(found.map(|found| (row, found)))
}

/// Rows at the element that an id names.
pub(super) async fn source(call: &Call, id: &str) -> Result<Condition, ApiError> {
    Ok(match find(call, id).await? {
        Some((row, found)) => Condition::All(vec![
            Condition::equal(column::DEFINITION, row.id),
            Condition::equal(column::ELEMENT, found["activityId"].as_str().unwrap_or_default()),
        ]),
        None => Condition::Never,
    })
}

fn absent(id: &str) -> ApiError {
    ApiError::absent(format!("Job Definition with id '{id}' does not exist"))
}

pub(super) async fn get(call: Call, Path(id): Path<String>) -> Answer {
    let (_, found) = find(&call, &id).await?.ok_or_else(|| absent(&id))?;
    json(found)
}

/// New attempts for each of its jobs that has none left.
pub(super) async fn retries(call: Call, Path(id): Path<String>, Json(body): Json<Retries>) -> Answer {
    find(&call, &id).await?.ok_or_else(|| absent(&id))?;
    let spent = vec![source(&call, &id).await?, job::spent(), Condition::flag(column::IS_TIMER, false)];
    let rows: Vec<TimedRecord> = call.all(spent).await?;
    job::set_retries(&call.unkeyed(), &rows, &body, &format!("Cannot set the retries of job definition {id}")).await?;
    no_content()
}
