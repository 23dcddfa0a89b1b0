//! `/external-task/{id}/…`: what workers report, and what operators set.

use super::batch::Named;
use super::external_task::{absent, reachable};
use super::{Words, variable};
use crate::api::call::Call;
use crate::api::error::{Answer, ApiError};
use crate::api::json::{Json, no_content};
use crate::api::value;
use crate::api::wire::Inner;
use crate::engine::command::{Command, Failure};
use crate::engine::job::Claim;
use axum::extract::Path;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

/// What a worker sends; each report looks at its own members.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    worker_id: Option<String>,
    variables: Option<Value>,
    local_variables: Option<Value>,
    error_message: Option<String>,
    error_details: Option<String>,
    retries: Option<i64>,
    retry_timeout: Option<i64>,
    error_code: Option<String>,
    new_duration: Option<i64>,
    lock_duration: Option<i64>,
}

impl Report {
    /// The worker, and the lease where the id names one.
    fn claim(&self, task: Inner) -> Result<Claim, ApiError> {
        Ok(Claim { holder: self.worker()?, lease_no: task.lease })
    }

    fn worker(&self) -> Result<String, ApiError> {
        let worker = self.worker_id.clone().filter(|worker| !worker.is_empty());
        worker.ok_or_else(|| {
            ApiError::new(StatusCode::BAD_REQUEST, "RestException", "workerId must not be null or empty.").engine()
        })
    }
}

async fn told(call: &Call, id: &str, task: Inner, command: Command, attempt: &str) -> Answer {
    let done = call.command(task.instance, command, Words { kind: "RestException", attempt }).await;
    match done {
        Err(error) if error.status == StatusCode::NOT_FOUND => Err(absent(id)),
        Err(error) => Err(error),
        Ok(_) => no_content(),
    }
}

pub(super) async fn complete(call: Call, Path(id): Path<String>, Json(report): Json<Report>) -> Answer {
    let task = reachable(&call, &id).await?;
    let claim = report.claim(task)?;
    let attempt = format!("External Task {id} cannot be completed by worker '{}'", claim.holder);
    let command = Command::CompleteJob {
        token: task.token(),
        claim,
        variables: value::read_all(report.variables.as_ref())?,
        local: value::read_all(report.local_variables.as_ref())?,
        decisions: Vec::new(),
    };
    told(&call, &id, task, command, &attempt).await
}

pub(super) async fn failure(call: Call, Path(id): Path<String>, Json(report): Json<Report>) -> Answer {
    let task = reachable(&call, &id).await?;
    let claim = report.claim(task)?;
    let attempt = format!("Failure of External Task {id} cannot be reported by worker '{}'", claim.holder);
    if report.retries.is_some_and(|retries| retries < 0) {
        return Err(ApiError::refused("RestException", format!("{attempt}: retries must be 0 or more.")));
    }
    if report.retry_timeout.is_some_and(|pause| pause < 0) {
        return Err(ApiError::refused("RestException", format!("{attempt}: retryTimeout must be 0 or more.")));
    }
    let set = value::read_all(report.variables.as_ref())?;
    if !set.is_empty() && call.behind().live(task.instance).await?.is_some() {
        variable::set_from(&call.unkeyed(), task.instance, task.token(), set, Vec::new(), &attempt).await?;
    }
    let failure = Failure {
        message: report.error_message.unwrap_or_default(),
        details: report.error_details,
        retries: report.retries,
        after_ms: report.retry_timeout,
        by_handler: false,
        unknown_outcome: false,
    };
    told(&call, &id, task, Command::FailJob { token: task.token(), claim, failure }, &attempt).await
}

pub(super) async fn bpmn_error(call: Call, Path(id): Path<String>, Json(report): Json<Report>) -> Answer {
    let task = reachable(&call, &id).await?;
    let claim = report.claim(task)?;
    let attempt = format!("BPMN error of External Task {id} cannot be reported by worker '{}'", claim.holder);
    let code = report.error_code.filter(|code| !code.is_empty());
    let code = code.ok_or_else(|| ApiError::refused("RestException", "errorCode must not be null or empty."))?;
    let command = Command::ThrowError {
        token: task.token(),
        claim: Some(claim),
        code,
        message: report.error_message,
        variables: value::read_all(report.variables.as_ref())?,
    };
    told(&call, &id, task, command, &attempt).await
}

fn duration(given: Option<i64>, name: &str) -> Result<i64, ApiError> {
    let given = given.filter(|ms| *ms > 0);
    given.ok_or_else(|| ApiError::refused("RestException", format!("{name} must be greater than 0.")))
}

pub(super) async fn extend_lock(call: Call, Path(id): Path<String>, Json(report): Json<Report>) -> Answer {
    let task = reachable(&call, &id).await?;
    let claim = report.claim(task)?;
    let until = call.now().plus_ms(duration(report.new_duration, "newDuration")?);
    let attempt = format!("Lock of External Task {id} cannot be extended by worker '{}'", claim.holder);
    told(&call, &id, task, Command::ExtendLease { token: task.token(), claim, until }, &attempt).await
}

/// By who holds it already it is an extension and keeps its number.
pub(super) async fn lock(call: Call, Path(id): Path<String>, Json(report): Json<Report>) -> Answer {
    let task = reachable(&call, &id).await?;
    let holder = report.worker()?;
    let until = call.now().plus_ms(duration(report.lock_duration, "lockDuration")?);
    let attempt = format!("External Task {id} cannot be locked by worker '{holder}'");
    let live = call.behind().live(task.instance).await?.ok_or_else(|| absent(&id))?;
    let job = super::external_task::job_of(&live, task.token()).ok_or_else(|| absent(&id))?;
    let held = job.lease.as_ref().is_some_and(|lease| lease.holder == holder && lease.until > call.now());
    let command = match held {
        true => Command::ExtendLease { token: task.token(), claim: Claim { holder, lease_no: task.lease }, until },
        false => Command::LeaseJob { token: task.token(), holder, until },
    };
    told(&call, &id, task, command, &attempt).await
}

pub(super) async fn unlock(call: Call, Path(id): Path<String>) -> Answer {
    let task = reachable(&call, &id).await?;
    let attempt = format!("External Task {id} cannot be unlocked");
    told(&call, &id, task, Command::ReleaseJob { token: task.token(), claim: None }, &attempt).await
}

pub(super) async fn retries(call: Call, Path(id): Path<String>, Json(report): Json<Report>) -> Answer {
    let task = reachable(&call, &id).await?;
    let retries = report.retries.ok_or_else(|| ApiError::invalid("The number of retries cannot be null."))?;
    if retries < 0 {
        return Err(ApiError::refused("BadUserRequestException", "The number of retries cannot be negative"));
    }
    let attempt = format!("Retries of External Task {id} cannot be set");
    told(&call, &id, task, Command::SetRetries { token: task.token(), retries, due: None }, &attempt).await
}

/// All that the ids and queries name; each task by a command of its own.
pub(super) async fn retries_of_several(call: Call, Json(mut body): Json<Named>) -> Answer {
    let retries = body.attempts()?;
    let ids = body.external_tasks(&call).await?;
    if ids.is_empty() {
        return Err(ApiError::refused("BadUserRequestException", "externalTaskIds is empty"));
    }
    for id in ids {
        let each = call.part(&id);
        let task = reachable(&each, &id).await?;
        let attempt = format!("Retries of External Task {id} cannot be set");
        told(&each, &id, task, Command::SetRetries { token: task.token(), retries, due: None }, &attempt).await?;
    }
    no_content()
}

#[derive(Deserialize)]
pub(super) struct Priority {
    priority: Option<i64>,
}

pub(super) async fn priority(call: Call, Path(id): Path<String>, Json(body): Json<Priority>) -> Answer {
    let task = reachable(&call, &id).await?;
    let priority = body.priority.ok_or_else(|| ApiError::invalid("The priority cannot be null."))?;
    let attempt = format!("Priority of External Task {id} cannot be set");
    told(&call, &id, task, Command::SetPriority { token: task.token(), priority }, &attempt).await
}
