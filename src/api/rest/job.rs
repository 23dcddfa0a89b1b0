//! `/job`: timers and the engine's own jobs, which Camunda 7 shows as one kind of thing.

use super::external_task::job_of;
use super::filter::{self, Rule};
use super::listing::{self, Listing};
use super::{Words, job_definition, tenant, time};
use crate::api::call::Call;
use crate::api::error::{Answer, ApiError};
use crate::api::json::{Json, json, no_content, text};
use crate::api::params::{Filters, date, wrong};
use crate::api::wire;
use crate::base::id::{DefinitionId, InstanceId, TokenId};
use crate::base::limits::ATTEMPTS_DEFAULT;
use crate::base::time::Timestamp;
use crate::engine::command::Command;
use crate::store::queries::record::TimedRecord;
use crate::store::queries::select::{Column, Condition, Test, column};
use axum::extract::Path;
use serde::Deserialize;
use serde_json::{Value, json as shape};

pub(super) struct Jobs;

impl Listing for Jobs {
    type Row = TimedRecord;
    const RULES: &'static [Rule] = &[
        Rule::Instance("processInstanceId", column::INSTANCE),
        Rule::InstanceIn("processInstanceIds", column::INSTANCE),
        Rule::Definition("processDefinitionId", column::DEFINITION),
        Rule::Text("processDefinitionKey", column::PROCESS),
        Rule::Text("activityId", column::ELEMENT),
        Rule::Text("failedActivityId", column::ELEMENT),
        Rule::Set("timers", column::IS_TIMER),
        Rule::Unset("messages", column::IS_TIMER),
        Rule::If("withRetriesLeft", || Condition::Not(Box::new(spent()))),
        Rule::If("noRetriesLeft", spent),
        Rule::Present("withException", column::ERROR),
        Rule::Text("exceptionMessage", column::ERROR),
        Rule::AtLeast("priorityHigherThanOrEquals", column::PRIORITY),
        Rule::AtMost("priorityLowerThanOrEquals", column::PRIORITY),
        Rule::Unset("active", column::SUSPENDED),
        Rule::Set("suspended", column::SUSPENDED),
        Rule::Present("acquired", column::HOLDER),
        Rule::TenantsOrNone("includeJobsWithoutTenantId"),
    ];
    const SORTS: &'static [(&'static str, Column)] = &[
        ("jobId", column::INSTANCE),
        ("executionId", column::INSTANCE),
        ("processInstanceId", column::INSTANCE),
        ("processDefinitionId", column::DEFINITION),
        ("processDefinitionKey", column::PROCESS),
        ("jobPriority", column::PRIORITY),
        ("jobRetries", column::RETRIES),
        ("jobDueDate", column::DUE),
        ("tenantId", column::TENANT),
    ];

    async fn more(filters: &Filters, call: &Call) -> Result<Vec<Condition>, ApiError> {
        let mut all = Vec::new();
        if let Some(id) = filters.text("jobId")? {
            all.push(filter::inner(&id, column::NUMBER));
        }
        if let Some(ids) = filters.list("jobIds")? {
            all.push(filter::any_of(ids, |id| filter::inner(id, column::NUMBER)));
        }
        if let Some(id) = filters.text("executionId")? {
            all.push(filter::execution(&id, column::NUMBER));
        }
        if let Some(id) = filters.text("jobDefinitionId")? {
            all.push(job_definition::source(call, &id).await?);
        }
        if filters.is_true("executable")? {
            all.push(Condition::Is(column::DUE, Test::LessOrEqual, call.now().0.into()));
            all.push(Condition::Not(Box::new(spent())));
        }
        for (name, column) in [("dueDates", column::DUE), ("createTimes", column::CREATED_AT)] {
            all.extend(compared(filters, name, column)?);
        }
        Ok(all)
    }

    async fn shape(_call: &Call, _filters: &Filters, rows: Vec<TimedRecord>) -> Result<Vec<Value>, ApiError> {
        Ok(rows.iter().map(job).collect())
    }
}

pub(super) fn spent() -> Condition {
    Condition::Is(column::RETRIES, Test::LessOrEqual, 0.into())
}

/// `gt_2026-…,lt_2027-…`
fn compared(filters: &Filters, name: &str, column: Column) -> Result<Vec<Condition>, ApiError> {
    let list = filters.list(name)?.unwrap_or_default();
    let one = |text: &String| {
        let (operator, at) = text.split_once('_').ok_or_else(|| wrong(name, text))?;
        let at = date(at).ok_or_else(|| wrong(name, text))?;
        let test = match operator {
            "gt" => Test::Greater,
            "lt" => Test::Less,
            _ => return Err(wrong(name, text)),
        };
        Ok(Condition::Is(column, test, at.0.into()))
    };
    list.iter().map(one).collect()
}

fn job(row: &TimedRecord) -> Value {
    let id = format!("{}:{}", row.instance, row.number);
    shape!({
        "id": id,
        "jobDefinitionId": wire::job_definition(DefinitionId(row.definition), &row.element),
        "processInstanceId": row.instance.to_string(),
        "processDefinitionId": wire::definition(&row.process, row.version, row.definition),
        "processDefinitionKey": row.process,
        "executionId": id,
        "exceptionMessage": row.error,
        "failedActivityId": row.error.as_ref().map(|_| row.element.as_str()),
        "retries": row.retries.unwrap_or(ATTEMPTS_DEFAULT),
        "dueDate": time(row.due),
        "suspended": row.suspended != 0,
        "priority": row.priority,
        "tenantId": tenant(&row.tenant),
        "createTime": time(row.created_at),
        "batchId": null,
    })
}

fn absent(id: &str) -> ApiError {
    ApiError::absent(format!("Job with id {id} does not exist"))
}

async fn find(call: &Call, id: &str) -> Result<(wire::Inner, TimedRecord), ApiError> {
    let inner = wire::Inner::parse(id).ok_or_else(|| absent(id))?;
    let row = call.one(vec![filter::inner(id, column::NUMBER)]).await?.ok_or_else(|| absent(id))?;
    Ok((inner, row))
}

pub(super) async fn get(call: Call, Path(id): Path<String>) -> Answer {
    json(listing::one::<Jobs>(&call, vec![filter::inner(&id, column::NUMBER)], || absent(&id)).await?)
}

pub(super) async fn stacktrace(call: Call, Path(id): Path<String>) -> Answer {
    let (inner, row) = find(&call, &id).await?;
    let Some(message) = row.error else {
        return no_content();
    };
    let live = call.live(inner.instance).await?;
    let details = live.and_then(|live| job_of(&live, inner.token())?.error.as_ref()?.details.clone());
    text(details.unwrap_or(message))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Retries {
    retries: Option<i64>,
    due_date: Option<String>,
}

fn time_of(name: &str, text: Option<String>) -> Result<Option<Timestamp>, ApiError> {
    text.map(|text| date(&text).ok_or_else(|| wrong(name, &text))).transpose()
}

pub(super) async fn retries(call: Call, Path(id): Path<String>, Json(body): Json<Retries>) -> Answer {
    let (_, row) = find(&call, &id).await?;
    let attempt = format!("Cannot set the retries of job {id}");
    if row.is_timer != 0 {
        let words = format!("{attempt}: a timer fires without attempts that could be counted.");
        return Err(ApiError::refused("BadUserRequestException", words));
    }
    set_retries(&call, &[row], &body, &attempt).await?;
    no_content()
}

/// New attempts for these jobs, none of which is a timer.
pub(super) async fn set_retries(
    call: &Call,
    rows: &[TimedRecord],
    body: &Retries,
    attempt: &str,
) -> Result<(), ApiError> {
    let retries = body.retries.filter(|retries| *retries >= 0);
    let retries = retries.ok_or_else(|| ApiError::invalid(format!("{attempt}: a number from 0 is wanted.")))?;
    let due = time_of("dueDate", body.due_date.clone())?;
    for row in rows {
        let token = TokenId(u32::try_from(row.number).unwrap_or(u32::MAX));
        let words = Words { kind: "RestException", attempt };
        call.command(InstanceId(row.instance), Command::SetRetries { token, retries, due }, words).await?;
    }
    Ok(())
}

#[derive(Deserialize)]
pub(super) struct DueDate {
    duedate: Option<String>,
}

pub(super) async fn due_date(call: Call, Path(id): Path<String>, Json(body): Json<DueDate>) -> Answer {
    let (inner, row) = find(&call, &id).await?;
    let attempt = format!("Cannot set the due date of job {id}");
    // Without a date it is due at once.
    let due = time_of("duedate", body.duedate)?.unwrap_or_else(|| call.now());
    let command = match row.is_timer != 0 {
        true => Command::SetDue { id: inner.local(), due },
        false => {
            let retries = row.retries.unwrap_or(ATTEMPTS_DEFAULT);
            Command::SetRetries { token: inner.token(), retries, due: Some(due) }
        }
    };
    submit(&call, inner, command, &attempt).await
}

/// A timer fires now. Another job is made due: its attempts are the executor's.
pub(super) async fn execute(call: Call, Path(id): Path<String>) -> Answer {
    let (inner, row) = find(&call, &id).await?;
    let attempt = format!("Cannot execute job {id}");
    let command = match row.is_timer != 0 {
        true => Command::FireTimer { subscription: inner.local(), due: None },
        false => {
            let retries = row.retries.unwrap_or(ATTEMPTS_DEFAULT).max(1);
            Command::SetRetries { token: inner.token(), retries, due: Some(call.now()) }
        }
    };
    submit(&call, inner, command, &attempt).await
}

#[derive(Deserialize)]
pub(super) struct Priority {
    priority: Option<i64>,
}

pub(super) async fn priority(call: Call, Path(id): Path<String>, Json(body): Json<Priority>) -> Answer {
    let (inner, row) = find(&call, &id).await?;
    let attempt = format!("Cannot set the priority of job {id}");
    let priority = body.priority.ok_or_else(|| ApiError::invalid(format!("{attempt}: a number is wanted.")))?;
    if row.is_timer != 0 {
        let words = format!("{attempt}: a timer fires when it is due, whatever else waits.");
        return Err(ApiError::refused("BadUserRequestException", words));
    }
    submit(&call, inner, Command::SetPriority { token: inner.token(), priority }, &attempt).await
}

/// One job stands or runs with its instance; it cannot be suspended by itself.
pub(super) async fn suspended(call: Call, Path(id): Path<String>, Json(_body): Json<Value>) -> Answer {
    find(&call, &id).await?;
    let words = format!("Cannot change the suspension of job {id}: suspend its process instance.");
    Err(ApiError::refused("BadUserRequestException", words))
}

async fn submit(call: &Call, job: wire::Inner, command: Command, attempt: &str) -> Answer {
    call.command(job.instance, command, Words { kind: "RestException", attempt }).await?;
    no_content()
}
