//! `/external-task`: jobs for workers, listed and looked at.

use super::compare;
use super::filter::{self, Rule};
use super::listing::{self, Listing};
use super::{tenant, time};
use crate::api::call::Call;
use crate::api::error::{Answer, ApiError};
use crate::api::json::{json, no_content, text};
use crate::api::params::Filters;
use crate::api::wire;
use crate::base::id::{InstanceId, TokenId};
use crate::engine::instance::{Instance, Wait};
use crate::engine::job::{Job, JobKind};
use crate::store::queries::record::{JobRecord, job_kind_code};
use crate::store::queries::select::{Column, Condition, Relation, Test, column, related};
use axum::extract::Path;
use serde_json::{Value, json as shape};

pub(super) struct ExternalTasks;

impl Listing for ExternalTasks {
    type Row = JobRecord;
    const RULES: &'static [Rule] = &[
        Rule::Text("topicName", column::TOPIC),
        Rule::Text("workerId", column::HOLDER),
        Rule::After("lockExpirationAfter", column::LEASED_UNTIL),
        Rule::Before("lockExpirationBefore", column::LEASED_UNTIL),
        Rule::Text("activityId", column::ELEMENT),
        Rule::TextIn("activityIdIn", column::ELEMENT),
        Rule::Instance("processInstanceId", column::INSTANCE),
        Rule::InstanceIn("processInstanceIdIn", column::INSTANCE),
        Rule::Definition("processDefinitionId", column::DEFINITION),
        Rule::Text("processDefinitionKey", column::PROCESS),
        Rule::TextIn("processDefinitionKeyIn", column::PROCESS),
        Rule::Text("processDefinitionName", column::DEFINITION_NAME),
        Rule::Like("processDefinitionNameLike", column::DEFINITION_NAME),
        Rule::If("withRetriesLeft", || Condition::Not(Box::new(spent()))),
        Rule::If("noRetriesLeft", spent),
        Rule::Unset("active", column::SUSPENDED),
        Rule::Set("suspended", column::SUSPENDED),
        Rule::AtLeast("priorityHigherThanOrEquals", column::PRIORITY),
        Rule::AtMost("priorityLowerThanOrEquals", column::PRIORITY),
        Rule::Tenants,
    ];
    const SORTS: &'static [(&'static str, Column)] = &[
        ("id", column::INSTANCE),
        ("lockExpirationTime", column::LEASED_UNTIL),
        ("processInstanceId", column::INSTANCE),
        ("processDefinitionId", column::DEFINITION),
        ("processDefinitionKey", column::PROCESS),
        ("taskPriority", column::PRIORITY),
        ("createTime", column::CREATED_AT),
        ("tenantId", column::TENANT),
    ];

    fn base(_filters: &Filters) -> Result<Vec<Condition>, ApiError> {
        Ok(vec![external()])
    }

    async fn more(filters: &Filters, call: &Call) -> Result<Vec<Condition>, ApiError> {
        let mut all = Vec::new();
        let locked = Condition::Is(column::LEASED_UNTIL, Test::Greater, call.now().0.into());
        if filters.is_true("locked")? {
            all.push(locked.clone());
        }
        if filters.is_true("notLocked")? {
            let ended = Condition::Is(column::LEASED_UNTIL, Test::LessOrEqual, call.now().0.into());
            all.push(Condition::Any(vec![Condition::Empty(column::HOLDER), ended]));
        }
        if let Some(id) = filters.text("externalTaskId")? {
            all.push(filter::inner(&id, column::TOKEN));
        }
        if let Some(ids) = filters.list("externalTaskIdIn")? {
            all.push(filter::any_of(ids, |id| filter::inner(id, column::TOKEN)));
        }
        if let Some(id) = filters.text("executionId")? {
            all.push(filter::execution(&id, column::TOKEN));
        }
        let own = Some(Condition::Empty(related::TOKEN));
        all.extend(compare::variables(filters, "processVariables", Relation::Variable, own)?);
        Ok(all)
    }

    async fn shape(call: &Call, _filters: &Filters, rows: Vec<JobRecord>) -> Result<Vec<Value>, ApiError> {
        Ok(rows.iter().map(|row| task(call, row)).collect())
    }
}

pub(super) fn external() -> Condition {
    Condition::equal(column::KIND, job_kind_code(JobKind::External))
}

fn spent() -> Condition {
    Condition::Is(column::RETRIES, Test::LessOrEqual, 0.into())
}

/// A lock that has ended shows until somebody takes the task, as in Camunda 7.
fn task(_call: &Call, row: &JobRecord) -> Value {
    let id = format!("{}:{}", row.instance, row.token);
    shape!({
        "activityId": row.element,
        "activityInstanceId": activity(row.instance, row.token),
        "errorMessage": row.error,
        "executionId": id,
        "id": id,
        "lockExpirationTime": row.leased_until.map(time),
        "createTime": time(row.created_at),
        "processDefinitionId": wire::definition(&row.process, row.version, row.definition),
        "processDefinitionKey": row.process,
        "processDefinitionVersionTag": row.version_tag,
        "processInstanceId": row.instance.to_string(),
        "retries": row.retries,
        "suspended": row.suspended != 0,
        "workerId": row.holder,
        "topicName": row.topic,
        "tenantId": tenant(&row.tenant),
        "priority": row.priority,
        "businessKey": row.business_key,
    })
}

/// An activation, from the numbers of a row.
pub(super) fn activity(instance: i64, token: i64) -> String {
    format!("{instance}.{token}")
}

pub(super) fn absent(id: &str) -> ApiError {
    ApiError::rest_absent(format!("External task with id {id} does not exist"))
}

pub(super) async fn get(call: Call, Path(id): Path<String>) -> Answer {
    json(listing::one::<ExternalTasks>(&call, vec![filter::inner(&id, column::TOKEN)], || absent(&id)).await?)
}

pub(super) async fn topic_names(call: Call) -> Answer {
    let by = [column::TOPIC, column::TOPIC];
    let topics = call.tally::<JobRecord>(by, &[external()]).await?;
    json(topics.into_iter().map(|(topic, ..)| topic).collect::<Vec<_>>())
}

pub(super) async fn error_details(call: Call, Path(id): Path<String>) -> Answer {
    let inner = wire::Inner::parse(&id).ok_or_else(|| absent(&id))?;
    let live = call.live(inner.instance).await?.ok_or_else(|| absent(&id))?;
    let job = job_of(&live, inner.token()).ok_or_else(|| absent(&id))?;
    match job.error.as_ref().and_then(|error| error.details.clone()) {
        Some(details) => text(details),
        None => no_content(),
    }
}

/// The job at a token, also where it stands behind an incident.
pub(super) fn job_of(instance: &Instance, token: TokenId) -> Option<&Job> {
    let (_, token) = instance.find(token)?;
    let wait = match &token.wait {
        Wait::Incident(incident) => incident.held.as_deref()?,
        wait => wait,
    };
    match wait {
        Wait::Job(job) => Some(job),
        Wait::Nothing
        | Wait::Join
        | Wait::UserTask(_)
        | Wait::Trigger
        | Wait::Scope(_)
        | Wait::Called(_)
        | Wait::Incident(_) => None,
    }
}

/// A task whose instance the caller may see; whether it still waits is the engine's to say, which knows repeats.
pub(super) async fn reachable(call: &Call, id: &str) -> Result<wire::Inner, ApiError> {
    let inner = wire::Inner::parse(id).ok_or_else(|| absent(id))?;
    let known = call.instance_record(InstanceId(inner.instance.0)).await?;
    known.map(|_| inner).ok_or_else(|| absent(id))
}
