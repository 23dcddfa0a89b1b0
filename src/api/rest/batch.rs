//! `/batch`, `/history/batch` and the operations that begin one: work on many objects, item by item in the background.
//!
//! Camunda 7 counts jobs; here an item is a job. A batch whose items are all done is in the history only; one with failed items
//! stays until they are done again (`PUT /batch/{id}/suspended` to hold it, `DELETE` to end it).

use super::external_task::{ExternalTasks, external};
use super::history_instance::PastInstances;
use super::instance::{self, Instances};
use super::job::Jobs;
use super::modification::nothing_skipped;
use super::sheet::{self, Rule, Sheet};
use super::{listing, tenant, time};
use crate::api::audit::Fact;
use crate::api::auth::permission::{Permission, Resource};
use crate::api::auth::rights::ANY;
use crate::api::batch::{self, Deed};
use crate::api::call::Call;
use crate::api::error::{Answer, ApiError};
use crate::api::idempotency::Key;
use crate::api::json::{Json, Object, json, no_content};
use crate::api::params::{Filters, date};
use crate::api::state::ApiState;
use crate::api::value;
use crate::api::wire;
use crate::base::id::InstanceId;
use crate::store::Bind;
use crate::store::queries::batch::{Batch, DONE, FAILED};
use crate::store::queries::record::{InstanceRecord, JobRecord, TimedRecord};
use crate::store::queries::select::{Condition, column};
use axum::extract::Path;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json as shape};
use std::collections::{BTreeMap, BTreeSet};

const RULES: &[Rule] = &[
    Rule::Text("batchId", "id"),
    Rule::Text("type", "type"),
    Rule::TextIn("tenantIdIn", "tenantId"),
    Rule::Absent("withoutTenantId", "tenantId"),
    Rule::Text("createdBy", "createUserId"),
    Rule::Until("startedBefore", "startTime"),
    Rule::Since("startedAfter", "startTime"),
];

type Sorts = &'static [(&'static str, &'static str)];
const SORTS: Sorts = &[("batchId", "id"), ("tenantId", "tenantId"), ("startTime", "startTime"), ("endTime", "endTime")];

/// Items that are done and that have failed.
type Counts = BTreeMap<String, (i64, i64)>;

async fn counts(call: &Call) -> Result<Counts, ApiError> {
    let mut counts = Counts::new();
    for (id, state, count) in call.state.store().batch_counts().await? {
        let of = counts.entry(id).or_default();
        match state {
            DONE => of.0 = count,
            FAILED => of.1 = count,
            _ => {}
        }
    }
    Ok(counts)
}

/// Whoever began one sees it.
fn may(call: &Call, batch: &Batch, permission: Permission) -> bool {
    call.caller.is(&batch.creator) || call.may(permission, Resource::Batch, &batch.id)
}

fn shape_of(batch: &Batch) -> Value {
    shape!({
        "id": batch.id,
        "type": batch.kind,
        "totalJobs": batch.total,
        "jobsCreated": batch.total,
        "batchJobsPerSeed": batch.total,
        "invocationsPerBatchJob": 1,
        "seedJobDefinitionId": null,
        "monitorJobDefinitionId": null,
        "batchJobDefinitionId": null,
        "suspended": batch.suspended != 0,
        "tenantId": tenant(&batch.tenant),
        "createUserId": batch.creator,
        "startTime": time(batch.created_at),
        "executionStartTime": batch.started_at.map(time),
    })
}

fn counted(batch: &Batch, counts: &Counts) -> Value {
    let (done, failed) = counts.get(&batch.id).copied().unwrap_or_default();
    let mut shaped = shape_of(batch);
    shaped["remainingJobs"] = (batch.total - done).into();
    shaped["completedJobs"] = done.into();
    shaped["failedJobs"] = failed.into();
    shaped
}

fn past_shape(batch: &Batch) -> Value {
    let mut shaped = shape_of(batch);
    shaped["endTime"] = batch.ended_at.map(time).into();
    shaped["removalTime"] = Value::Null;
    if let Value::Object(members) = &mut shaped {
        members.remove("suspended");
        members.remove("jobsCreated");
    }
    shaped
}

fn absent(id: &str) -> ApiError {
    ApiError::absent(format!("Batch with id '{id}' does not exist"))
}

async fn found(call: &Call, filters: &Filters, with_counts: bool) -> Result<Vec<Value>, ApiError> {
    let counts = counts(call).await?;
    let suspended = filters.flag("suspended")?;
    let (with, without) = (filters.is_true("withFailures")?, filters.is_true("withoutFailures")?);
    let fits = |batch: &Batch| {
        let failed = counts.get(&batch.id).is_some_and(|(_, failed)| *failed > 0);
        batch.ended_at.is_none()
            && may(call, batch, Permission::Read)
            && suspended.is_none_or(|suspended| (batch.suspended != 0) == suspended)
            && (!with || failed)
            && (!without || !failed)
    };
    let batches = call.state.store().batches().await?.into_iter().filter(fits);
    let rows = batches.map(|batch| if with_counts { counted(&batch, &counts) } else { shape_of(&batch) });
    sheet::fitting(filters, RULES, rows.collect())
}

/// Batches under way.
pub(super) struct Batches;

impl Sheet for Batches {
    const SORTS: Sorts = SORTS;

    async fn found(call: &Call, filters: &Filters) -> Result<Vec<Value>, ApiError> {
        found(call, filters, false).await
    }
}

/// The same with how far each is.
pub(super) struct Statistics;

impl Sheet for Statistics {
    const SORTS: Sorts = SORTS;

    async fn found(call: &Call, filters: &Filters) -> Result<Vec<Value>, ApiError> {
        found(call, filters, true).await
    }
}

/// All of them, those that have ended too.
pub(super) struct PastBatches;

impl Sheet for PastBatches {
    const SORTS: Sorts = SORTS;

    async fn found(call: &Call, filters: &Filters) -> Result<Vec<Value>, ApiError> {
        let completed = filters.flag("completed")?;
        let mut batches = call.state.store().batches().await?;
        batches.retain(|batch| may(call, batch, Permission::ReadHistory));
        batches.retain(|batch| completed.is_none_or(|completed| batch.ended_at.is_some() == completed));
        sheet::fitting(filters, RULES, batches.iter().map(past_shape).collect())
    }
}

async fn one(call: &Call, id: &str) -> Result<Batch, ApiError> {
    let batch = call.state.store().batch(id).await?.filter(|batch| may(call, batch, Permission::Read));
    batch.ok_or_else(|| absent(id))
}

async fn under_way(call: &Call, id: &str) -> Result<Batch, ApiError> {
    Some(one(call, id).await?).filter(|batch| batch.ended_at.is_none()).ok_or_else(|| absent(id))
}

pub(super) async fn get(call: Call, Path(id): Path<String>) -> Answer {
    json(shape_of(&under_way(&call, &id).await?))
}

/// What is not done yet stays undone.
pub(super) async fn delete(call: Call, Path(id): Path<String>) -> Answer {
    let batch = under_way(&call, &id).await?;
    if !may(&call, &batch, Permission::Delete) {
        call.require(Permission::Delete, Resource::Batch, &id)?;
    }
    call.state.store().remove_batch(&id).await?;
    call.tell_of_batch(&id, Fact::new("Delete", "Batch")).await?;
    tracing::info!(audit = "batch-deleted", id, by = call.caller.user, "a batch was ended");
    no_content()
}

#[derive(Deserialize)]
pub(super) struct Suspension {
    suspended: Option<bool>,
}

/// With `false` also what has failed is done again.
pub(super) async fn suspended(call: Call, Path(id): Path<String>, Json(body): Json<Suspension>) -> Answer {
    let batch = under_way(&call, &id).await?;
    if !may(&call, &batch, Permission::Update) {
        call.require(Permission::Update, Resource::Batch, &id)?;
    }
    let suspended = body.suspended.ok_or_else(|| ApiError::invalid("suspended is true or false."))?;
    call.state.store().suspend_batch(&id, suspended).await?;
    if !suspended {
        call.state.store().retry_batch(&id).await?;
        call.state.batches.notify_one();
    }
    call.tell_of_batch(&id, Fact::new(if suspended { "SuspendBatch" } else { "ActivateBatch" }, "Batch")).await?;
    no_content()
}

async fn past_batch(call: &Call, id: &str) -> Result<Batch, ApiError> {
    let absent = || ApiError::absent(format!("Historic batch with id '{id}' does not exist"));
    let batch = call.state.store().batch(id).await?.filter(|batch| may(call, batch, Permission::ReadHistory));
    batch.ok_or_else(absent)
}

pub(super) async fn past_one(call: Call, Path(id): Path<String>) -> Answer {
    json(past_shape(&past_batch(&call, &id).await?))
}

pub(super) async fn delete_past(call: Call, Path(id): Path<String>) -> Answer {
    let batch = past_batch(&call, &id).await?;
    call.require(Permission::DeleteHistory, Resource::Batch, &id)?;
    if batch.ended_at.is_none() {
        let words = format!("Batch {id} is under way: end it first, with DELETE /batch/{id}.");
        return Err(ApiError::refused("BadUserRequestException", words));
    }
    call.state.store().remove_batch(&id).await?;
    call.tell_of_batch(&id, Fact::new("DeleteHistory", "Batch")).await?;
    no_content()
}

/// Keeps the batch and answers it.
pub(super) async fn begun(call: &Call, kind: &str, own: Permission, deed: &Deed, subjects: BTreeSet<String>) -> Answer {
    call.require_one(&[(Permission::Create, Resource::Batch, ANY), (own, Resource::Batch, ANY)])?;
    json(shape_of(&batch::begin(call, kind, deed, subjects).await?))
}

/// The batch that a call under this key began when it was made before: what it was about may have gone since.
pub(in crate::api) async fn begun_before(state: &ApiState, key: &Key) -> Result<Option<Response>, ApiError> {
    let first = batch::begun_before(state, key).await?;
    first.map(|batch| json(shape_of(&batch))).transpose()
}

/// What is done to, however it is named.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Named {
    process_instance_ids: Option<Vec<String>>,
    /// The same under the name that another operation has for it.
    process_instances: Option<Vec<String>>,
    historic_process_instance_ids: Option<Vec<String>>,
    process_instance_query: Option<Object>,
    historic_process_instance_query: Option<Object>,
    job_ids: Option<Vec<String>>,
    job_query: Option<Object>,
    external_task_ids: Option<Vec<String>>,
    external_task_query: Option<Object>,
    delete_reason: Option<String>,
    suspended: Option<bool>,
    retries: Option<i64>,
    due_date: Option<String>,
    variables: Option<Value>,
    skip_custom_listeners: Option<bool>,
    skip_io_mappings: Option<bool>,
}

impl Named {
    /// Running instances.
    async fn running(&mut self, call: &Call) -> Result<BTreeSet<InstanceId>, ApiError> {
        let mut found = BTreeSet::new();
        for id in self.process_instance_ids.take().into_iter().chain(self.process_instances.take()).flatten() {
            found.insert(instance::find(call, &id).await?);
        }
        let mut rows: Vec<InstanceRecord> = Vec::new();
        if let Some(query) = self.process_instance_query.take() {
            rows.extend(listing::rows::<Instances>(call, &Filters::Body(query)).await?);
        }
        if let Some(query) = self.historic_process_instance_query.take() {
            rows.extend(listing::rows::<PastInstances>(call, &Filters::Body(query)).await?);
        }
        found.extend(rows.iter().filter(|row| row.ended_at.is_none()).map(|row| InstanceId(row.id)));
        Ok(found)
    }

    /// External tasks, and those of the instances.
    pub(super) async fn external_tasks(&mut self, call: &Call) -> Result<BTreeSet<String>, ApiError> {
        let mut found: BTreeSet<String> = self.external_task_ids.take().into_iter().flatten().collect();
        let mut jobs: Vec<JobRecord> = Vec::new();
        if let Some(query) = self.external_task_query.take() {
            jobs.extend(listing::rows::<ExternalTasks>(call, &Filters::Body(query)).await?);
        }
        let instances = self.running(call).await?;
        if !instances.is_empty() {
            jobs.extend(call.all::<JobRecord>(vec![external(), inside(&instances)]).await?);
        }
        found.extend(jobs.iter().map(|job| format!("{}:{}", job.instance, job.token)));
        Ok(found)
    }

    pub(super) fn attempts(&self) -> Result<i64, ApiError> {
        let retries = self.retries.ok_or_else(|| ApiError::invalid("The number of retries cannot be null."))?;
        if retries < 0 {
            return Err(ApiError::refused("BadUserRequestException", "The number of retries cannot be negative"));
        }
        Ok(retries)
    }

    fn retries(&self) -> Result<Deed, ApiError> {
        let retries = self.attempts()?;
        let due = match &self.due_date {
            None => None,
            Some(text) => {
                Some(date(text).ok_or_else(|| ApiError::invalid(format!("dueDate is {text}: a date is wanted.")))?.0)
            }
        };
        Ok(Deed::Retries { retries, due })
    }
}

fn inside(instances: &BTreeSet<InstanceId>) -> Condition {
    Condition::OneOf(column::INSTANCE, instances.iter().map(|id| Bind::from(id.0)).collect())
}

fn texts(instances: &BTreeSet<InstanceId>) -> BTreeSet<String> {
    instances.iter().map(ToString::to_string).collect()
}

pub(super) async fn delete_instances(call: Call, Json(mut body): Json<Named>) -> Answer {
    nothing_skipped(body.skip_custom_listeners, body.skip_io_mappings)?;
    let deed = Deed::Delete { reason: body.delete_reason.take() };
    let subjects = texts(&body.running(&call).await?);
    begun(&call, "instance-deletion", Permission::BatchDeleteRunning, &deed, subjects).await
}

pub(super) async fn suspend_instances(call: Call, Json(mut body): Json<Named>) -> Answer {
    let suspended = body.suspended.ok_or_else(|| ApiError::invalid("suspended is true or false."))?;
    let subjects = texts(&body.running(&call).await?);
    let deed = Deed::Suspend { suspended };
    begun(&call, "instance-update-suspension-state", Permission::BatchSuspend, &deed, subjects).await
}

pub(super) async fn set_variables(call: Call, Json(mut body): Json<Named>) -> Answer {
    let set = body.variables.take().filter(|set| set.as_object().is_some_and(|set| !set.is_empty()));
    let set = set.ok_or_else(|| ApiError::refused("BadUserRequestException", "variables is empty"))?;
    // What is wrong with them is said at once.
    value::read_all(Some(&set))?;
    let subjects = texts(&body.running(&call).await?);
    begun(&call, "set-variables", Permission::BatchVariables, &Deed::Variables { set }, subjects).await
}

/// Jobs of the engine in these instances; a timer has no attempts.
async fn jobs_of(call: &Call, instances: &BTreeSet<InstanceId>) -> Result<BTreeSet<String>, ApiError> {
    if instances.is_empty() {
        return Ok(BTreeSet::new());
    }
    Ok(job_ids(&call.all::<TimedRecord>(vec![inside(instances)]).await?))
}

fn job_ids(rows: &[TimedRecord]) -> BTreeSet<String> {
    rows.iter().filter(|row| row.is_timer == 0).map(|row| format!("{}:{}", row.instance, row.number)).collect()
}

pub(super) async fn retries_of_instances(call: Call, Json(mut body): Json<Named>) -> Answer {
    let deed = body.retries()?;
    let instances = body.running(&call).await?;
    let subjects = jobs_of(&call, &instances).await?;
    begun(&call, "set-job-retries", Permission::BatchJobRetries, &deed, subjects).await
}

pub(super) async fn job_retries(call: Call, Json(mut body): Json<Named>) -> Answer {
    let deed = body.retries()?;
    let mut subjects: BTreeSet<String> = body.job_ids.take().into_iter().flatten().collect();
    if let Some(query) = body.job_query.take() {
        subjects.extend(job_ids(&listing::rows::<Jobs>(&call, &Filters::Body(query)).await?));
    }
    begun(&call, "set-job-retries", Permission::BatchJobRetries, &deed, subjects).await
}

pub(super) async fn external_task_retries(call: Call, Json(mut body): Json<Named>) -> Answer {
    let deed = body.retries()?;
    let subjects = body.external_tasks(&call).await?;
    begun(&call, "set-external-task-retries", Permission::BatchTaskRetries, &deed, subjects).await
}

pub(super) async fn forget_instances(call: Call, Json(mut body): Json<Named>) -> Answer {
    let mut subjects = BTreeSet::new();
    for id in body.historic_process_instance_ids.take().into_iter().flatten() {
        let absent = || ApiError::absent(format!("Historic process instance with id {id} does not exist"));
        let row = call.instance_record(wire::instance(&id).ok_or_else(absent)?).await?.ok_or_else(absent)?;
        subjects.insert(row.id.to_string());
    }
    if let Some(query) = body.historic_process_instance_query.take() {
        let rows = listing::rows::<PastInstances>(&call, &Filters::Body(query)).await?;
        subjects.extend(rows.iter().filter(|row| row.ended_at.is_some()).map(|row| row.id.to_string()));
    }
    begun(&call, "historic-instance-deletion", Permission::BatchDeleteFinished, &Deed::Forget, subjects).await
}
