//! `/incident`: what stands still until someone mends it.

use super::filter::{self, Rule};
use super::listing::{self, Listing};
use super::operation::Annotation;
use super::{job_definition, tenant, time};
use crate::api::audit::Fact;
use crate::api::call::Call;
use crate::api::error::{Answer, ApiError};
use crate::api::json::{Json, json, no_content};
use crate::api::params::Filters;
use crate::api::wire;
use crate::base::id::{DefinitionId, InstanceId};
use crate::store::queries::record::IncidentRecord;
use crate::store::queries::select::{Column, Condition, Relation, Test, column, related};
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

    async fn more(filters: &Filters, call: &Call) -> Result<Vec<Condition>, ApiError> {
        let mut all = named(filters, column::NUMBER, column::TOKEN)?;
        all.extend(of_job_definitions(filters, call).await?);
        Ok(all)
    }

    async fn shape(_call: &Call, _filters: &Filters, rows: Vec<IncidentRecord>) -> Result<Vec<Value>, ApiError> {
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

/// Incidents of jobs that come from these sources.
pub(super) async fn of_job_definitions(filters: &Filters, call: &Call) -> Result<Option<Condition>, ApiError> {
    let Some(ids) = filters.list("jobDefinitionIdIn")? else {
        return Ok(None);
    };
    let mut any = Vec::new();
    for id in ids {
        any.push(job_definition::source(call, &id).await?);
    }
    Ok(Some(Condition::All(vec![Condition::equal(column::KIND, FAILED_JOB), Condition::Any(any)])))
}

/// Rows with such an incident, which is found by this relation.
pub(super) fn of(filters: &Filters, relation: Relation) -> Result<Vec<Condition>, ApiError> {
    let some = |condition: Condition| Condition::Some(relation, vec![condition]);
    let mut all = Vec::new();
    if let Some(id) = filters.text("incidentId")? {
        all.push(some(by_id(&id)));
    }
    if let Some(ids) = filters.list("incidentIdIn")? {
        all.push(some(filter::any_of(ids, by_id)));
    }
    for (name, column, test) in [
        ("incidentType", related::KIND, Test::Equal),
        ("incidentMessage", related::MESSAGE, Test::Equal),
        ("incidentMessageLike", related::MESSAGE, Test::Like),
    ] {
        if let Some(text) = filters.text(name)? {
            all.push(some(Condition::Is(column, test, text.into())));
        }
    }
    Ok(all)
}

fn by_id(id: &str) -> Condition {
    match wire::Inner::parse(id) {
        Some(id) => Condition::All(vec![
            Condition::equal(related::INSTANCE, id.instance.0),
            Condition::equal(related::ID, i64::from(id.number)),
        ]),
        None => Condition::Never,
    }
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
        "annotation": row.annotation,
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

pub(super) async fn annotate(call: Call, Path(id): Path<String>, Json(body): Json<Annotation>) -> Answer {
    let text = body.text()?;
    set_annotation(&call, &id, Some(text)).await
}

pub(super) async fn clear_annotation(call: Call, Path(id): Path<String>) -> Answer {
    set_annotation(&call, &id, None).await
}

async fn set_annotation(call: &Call, id: &str, annotation: Option<String>) -> Answer {
    let row: Option<IncidentRecord> = call.one(vec![filter::inner(id, column::NUMBER)]).await?;
    let absent = || ApiError::absent(format!("No matching incident with id {id}"));
    let row = row.ok_or_else(absent)?;
    call.allow_update(InstanceId(row.instance)).await?;
    call.state.store().annotate_incident(row.instance, row.id, annotation.clone()).await?;
    let kind = if annotation.is_some() { "SetAnnotation" } else { "ClearAnnotation" };
    let fact = Fact::new(kind, "Incident").of("incidentId", None, Some(id.to_owned()));
    call.tell_of_note((row.instance, None), fact).await?;
    no_content()
}
