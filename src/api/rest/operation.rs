//! `/history/user-operation`: what people did over REST, and what others say about it.

use super::filter::{self, Rule};
use super::listing::Listing;
use super::{job_definition, removal_time, time};
use crate::api::auth::permission::{Permission, Resource};
use crate::api::call::Call;
use crate::api::error::{Answer, ApiError};
use crate::api::json::{Json, no_content};
use crate::api::params::Filters;
use crate::api::wire;
use crate::base::id::DefinitionId;
use crate::base::limits::ANNOTATION_CHARACTERS_MAX;
use crate::store::queries::record::OperationRecord;
use crate::store::queries::select::{Column, Condition, column};
use axum::extract::Path;
use serde::Deserialize;
use serde_json::{Value, json as shape};

pub(super) struct Operations;

impl Listing for Operations {
    type Row = OperationRecord;
    const RULES: &'static [Rule] = &[
        Rule::Instance("deploymentId", column::DEPLOYMENT),
        Rule::Definition("processDefinitionId", column::DEFINITION),
        Rule::Text("processDefinitionKey", column::PROCESS),
        Rule::Instance("processInstanceId", column::INSTANCE),
        Rule::Nothing("caseDefinitionId"),
        Rule::Nothing("caseInstanceId"),
        Rule::Nothing("caseExecutionId"),
        Rule::Text("batchId", column::BATCH),
        Rule::Text("userId", column::AUTHOR),
        Rule::Text("operationId", column::OPERATION),
        Rule::Text("operationType", column::KIND),
        Rule::Text("entityType", column::ENTITY),
        Rule::TextIn("entityTypeIn", column::ENTITY),
        Rule::Text("category", column::CATEGORY),
        Rule::TextIn("categoryIn", column::CATEGORY),
        Rule::Text("property", column::PROPERTY),
        Rule::Since("afterTimestamp", column::AT),
        Rule::Until("beforeTimestamp", column::AT),
    ];
    const SORTS: &'static [(&'static str, Column)] = &[("timestamp", column::AT)];

    async fn more(filters: &Filters, call: &Call) -> Result<Vec<Condition>, ApiError> {
        let mut all = Vec::new();
        for (name, number) in
            [("taskId", column::TASK), ("externalTaskId", column::EXTERNAL_TASK), ("jobId", column::JOB)]
        {
            if let Some(id) = filters.text(name)? {
                all.push(filter::inner(&id, number));
            }
        }
        if let Some(id) = filters.text("executionId")? {
            all.push(filter::execution(&id, column::TASK));
        }
        if let Some(id) = filters.text("jobDefinitionId")? {
            all.push(job_definition::source(call, &id).await?);
            all.push(Condition::Present(column::JOB));
        }
        Ok(all)
    }

    async fn shape(_call: &Call, _filters: &Filters, rows: Vec<OperationRecord>) -> Result<Vec<Value>, ApiError> {
        Ok(rows.iter().map(operation).collect())
    }
}

fn operation(row: &OperationRecord) -> Value {
    let instance = row.instance.map(|instance| instance.to_string());
    let inner = |number: Option<i64>| Some(format!("{}:{}", row.instance?, number?));
    let definition = match (&row.process, row.version, row.definition) {
        (Some(key), Some(version), Some(id)) => Some(wire::definition(key, version, id)),
        _ => None,
    };
    let job_definition = match (row.job, row.definition, &row.element) {
        (Some(_), Some(definition), Some(element)) => Some(wire::job_definition(DefinitionId(definition), element)),
        _ => None,
    };
    shape!({
        "id": row.id,
        "userId": row.author,
        "timestamp": time(row.at),
        "operationId": row.operation,
        "operationType": row.kind,
        "entityType": row.entity,
        "category": row.category,
        "annotation": row.annotation,
        "property": row.property,
        "orgValue": row.org_value,
        "newValue": row.new_value,
        "deploymentId": row.deployment.map(|id| id.to_string()),
        "processDefinitionId": definition,
        "processDefinitionKey": row.process,
        "processInstanceId": instance,
        "executionId": inner(row.task).or_else(|| instance.clone()),
        "caseDefinitionId": null,
        "caseInstanceId": null,
        "caseExecutionId": null,
        "taskId": inner(row.task),
        "externalTaskId": inner(row.external_task),
        "batchId": row.batch,
        "jobId": inner(row.job),
        "jobDefinitionId": job_definition,
        "removalTime": removal_time(row.instance_ended_at, row.history_ttl_days),
        "rootProcessInstanceId": row.root.map(|root| root.to_string()),
    })
}

#[derive(Deserialize)]
pub(super) struct Annotation {
    annotation: Option<String>,
}

impl Annotation {
    pub(super) fn text(self) -> Result<String, ApiError> {
        let text = self.annotation.ok_or_else(|| ApiError::invalid("An annotation needs its text."))?;
        if text.chars().count() > ANNOTATION_CHARACTERS_MAX {
            let words = format!("An annotation has at most {ANNOTATION_CHARACTERS_MAX} characters.");
            return Err(ApiError::invalid(words).because("limit"));
        }
        Ok(text)
    }
}

pub(super) async fn annotate(call: Call, Path(id): Path<String>, Json(body): Json<Annotation>) -> Answer {
    let text = body.text()?;
    set(&call, &id, Some(text)).await
}

pub(super) async fn clear(call: Call, Path(id): Path<String>) -> Answer {
    set(&call, &id, None).await
}

/// `UPDATE` on its category, or `UPDATE_HISTORY` on its definition.
async fn set(call: &Call, operation: &str, annotation: Option<String>) -> Answer {
    let rows: Vec<OperationRecord> = call.all(vec![Condition::equal(column::OPERATION, operation)]).await?;
    if rows.is_empty() {
        let words = format!("Cannot set annotation: there is no operation with id {operation}");
        return Err(ApiError::new(axum::http::StatusCode::NOT_FOUND, "BadUserRequestException", words).engine());
    }
    for row in &rows {
        let mut any = vec![(Permission::Update, Resource::OperationLogCategory, row.category.as_str())];
        any.extend(row.process.as_deref().map(|key| (Permission::UpdateHistory, Resource::ProcessDefinition, key)));
        call.require_one(&any)?;
    }
    call.state.store().annotate_operation(operation, annotation).await?;
    no_content()
}
