//! `/incident`: what stands still until someone mends it.

use super::filter::{self, Rule};
use super::listing::{self, Listing};
use super::{tenant, time};
use crate::api::call::Call;
use crate::api::error::{Answer, ApiError};
use crate::api::json::json;
use crate::api::params::Filters;
use crate::api::wire;
use crate::base::id::DefinitionId;
use crate::store::queries::record::IncidentRecord;
use crate::store::queries::select::{Column, Condition, column};
use axum::extract::Path;
use serde_json::{Value, json as shape};

pub(super) const FAILED_JOB: &str = "failedJob";
pub(super) const FAILED_EXTERNAL_TASK: &str = "failedExternalTask";

pub(super) struct Incidents;

impl Listing for Incidents {
    type Row = IncidentRecord;
    const RULES: &'static [Rule] = &[
        Rule::Text("incidentType", column::KIND),
        Rule::Text("incidentMessage", column::MESSAGE),
        Rule::Like("incidentMessageLike", column::MESSAGE),
        Rule::Definition("processDefinitionId", column::DEFINITION),
        Rule::Text("processDefinitionKey", column::PROCESS),
        Rule::TextIn("processDefinitionKeyIn", column::PROCESS),
        Rule::Instance("processInstanceId", column::INSTANCE),
        Rule::InstanceIn("processInstanceIdIn", column::INSTANCE),
        Rule::Text("activityId", column::ELEMENT),
        Rule::Text("failedActivityId", column::ELEMENT),
        Rule::Before("incidentTimestampBefore", column::AT),
        Rule::After("incidentTimestampAfter", column::AT),
        Rule::Tenants,
    ];
    const SORTS: &'static [(&'static str, Column)] = &[
        ("incidentId", column::INSTANCE),
        ("incidentMessage", column::MESSAGE),
        ("incidentTimestamp", column::AT),
        ("incidentType", column::KIND),
        ("executionId", column::TOKEN),
        ("activityId", column::ELEMENT),
        ("processInstanceId", column::INSTANCE),
        ("processDefinitionId", column::DEFINITION),
        ("causeIncidentId", column::INSTANCE),
        ("rootCauseIncidentId", column::INSTANCE),
        ("configuration", column::TOKEN),
        ("tenantId", column::TENANT),
    ];

    fn more(filters: &Filters, _call: &Call) -> Result<Vec<Condition>, ApiError> {
        named(filters, column::NUMBER, column::TOKEN)
    }

    async fn shape(_call: &Call, rows: Vec<IncidentRecord>) -> Result<Vec<Value>, ApiError> {
        Ok(rows.iter().map(incident).collect())
    }
}

/// Filters by the ids of an incident and of what it stands for.
pub(super) fn named(filters: &Filters, number: Column, token: Column) -> Result<Vec<Condition>, ApiError> {
    let mut all = Vec::new();
    for name in ["incidentId", "causeIncidentId", "rootCauseIncidentId"] {
        if let Some(id) = filters.text(name)? {
            all.push(filter::inner(&id, number));
        }
    }
    if let Some(id) = filters.text("executionId")? {
        all.push(filter::execution(&id, token));
    }
    if let Some(id) = filters.text("configuration")? {
        all.push(filter::inner(&id, token));
    }
    Ok(all)
}

fn incident(row: &IncidentRecord) -> Value {
    let id = format!("{}:{}", row.instance, row.id);
    let token = format!("{}:{}", row.instance, row.token);
    shape!({
        "id": id,
        "processDefinitionId": wire::definition(&row.process, row.version, row.definition),
        "processInstanceId": row.instance.to_string(),
        "executionId": token,
        "incidentTimestamp": time(row.at),
        "incidentType": row.kind,
        "activityId": row.element,
        "failedActivityId": failed_element(&row.kind, &row.element),
        "causeIncidentId": id,
        "rootCauseIncidentId": id,
        "configuration": token,
        "incidentMessage": row.message,
        "tenantId": tenant(&row.tenant),
        "jobDefinitionId": job_definition(&row.kind, row.definition, &row.element),
        "annotation": null,
    })
}

/// Where it failed; a worker's failure is no element's.
pub(super) fn failed_element<'a>(kind: &str, element: &'a str) -> Option<&'a str> {
    Some(element).filter(|_| kind != FAILED_EXTERNAL_TASK)
}

pub(super) fn job_definition(kind: &str, definition: i64, element: &str) -> Option<String> {
    (kind == FAILED_JOB).then(|| wire::job_definition(DefinitionId(definition), element))
}

pub(super) async fn get(call: Call, Path(id): Path<String>) -> Answer {
    let absent = || ApiError::absent(format!("No matching incident with id {id}"));
    json(listing::one::<Incidents>(&call, vec![filter::inner(&id, column::NUMBER)], absent).await?)
}
