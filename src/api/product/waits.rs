//! `/api/instances/{id}/waits`: what each token of a running instance waits for, since when and until when.

use crate::api::call::Call;
use crate::api::error::{Answer, ApiError};
use crate::api::json::json;
use crate::api::wire;
use crate::base::id::{InstanceId, TokenId};
use crate::base::time::Timestamp;
use crate::engine::instance::{Instance, Subscription, Token, Trigger, Wait};
use crate::engine::job::{Job, JobKind};
use crate::store::queries::record::{JobRecord, job_kind_code};
use crate::store::queries::select::{Condition, Test, column};
use axum::extract::Path;
use serde_json::{Value, json as shape};

pub(super) async fn waits(call: Call, Path(id): Path<String>) -> Answer {
    let absent = || ApiError::absent(format!("There is no running process instance {id}.")).because("absent");
    let live = call.live(wire::instance(&id).ok_or_else(absent)?).await?.ok_or_else(absent)?;
    let mut tokens: Vec<(TokenId, &Token)> =
        live.tokens().filter(|(_, _, token)| !is_around(&token.wait)).map(|(_, id, token)| (id, token)).collect();
    tokens.sort_unstable_by_key(|(id, _)| *id);
    let mut items = Vec::with_capacity(tokens.len());
    for (id, token) in tokens {
        items.push(item(&call, &live, id, token).await?);
    }
    json(shape!({ "items": items, "next": null }))
}

/// It waits for what is in it, which is told itself.
fn is_around(wait: &Wait) -> bool {
    matches!(wait, Wait::Scope(_))
}

fn time(at: Timestamp) -> String {
    at.to_string()
}

async fn item(call: &Call, live: &Instance, id: TokenId, token: &Token) -> Result<Value, ApiError> {
    let node = live.definition.process.node(token.at);
    let own: Vec<&Subscription> =
        live.scopes.values().flat_map(|scope| scope.subscriptions.values()).filter(|armed| armed.owner == id).collect();
    let mut shaped = shape!({
        "executionId": wire::inner(live.id(), id),
        "activityId": node.id.as_str(),
        "name": node.name,
        "type": node.kind,
        "since": time(token.since),
        "until": null,
        "placeInQueue": null,
    });
    let told = match &token.wait {
        Wait::UserTask(task) => {
            shaped["until"] = task.due.map(time).into();
            let who = task.assignee.as_deref();
            shape!({
                "for": "person",
                "assignee": who,
                "candidateUsers": task.candidate_users,
                "candidateGroups": task.candidate_groups,
            })
        }
        Wait::Job(job) => {
            shaped["until"] = until(call, job).map(time).into();
            shaped["placeInQueue"] = place_in_queue(call, live.id(), id, job).await?.into();
            of_job(job)
        }
        Wait::Trigger => {
            shape!({ "for": "event", "events": own.iter().map(|armed| event(live, armed)).collect::<Vec<_>>() })
        }
        Wait::Called(called) => shape!({ "for": "instance", "processInstanceId": called.to_string() }),
        Wait::Join => shape!({ "for": "other tokens" }),
        Wait::Incident(incident) => shape!({
            "for": "operator",
            "incidentId": wire::inner(live.id(), incident.id),
            "incidentType": incident.kind.wire(),
            "message": incident.message,
        }),
        Wait::Nothing | Wait::Scope(_) => shape!({ "for": "engine" }),
    };
    // What interrupts it or happens beside it meanwhile.
    let beside: Vec<Value> = match token.wait {
        Wait::Trigger => Vec::new(),
        _ => own.iter().map(|armed| event(live, armed)).collect(),
    };
    shaped["waits"] = told;
    shaped["armed"] = beside.into();
    Ok(shaped)
}

fn of_job(job: &Job) -> Value {
    let worker = job.lease.as_ref().map(|lease| lease.holder.as_str());
    match job.kind {
        JobKind::External => {
            shape!({ "for": "worker", "topic": job.topic, "workerId": worker, "retries": job.retries })
        }
        _ => shape!({ "for": "engine", "job": job.topic, "retries": job.retries }),
    }
}

/// The end of its lock, or of the pause before its next attempt.
fn until(call: &Call, job: &Job) -> Option<Timestamp> {
    match &job.lease {
        Some(lease) => Some(lease.until),
        None => Some(job.due).filter(|due| *due > call.now()),
    }
}

fn event(live: &Instance, armed: &Subscription) -> Value {
    let node = live.definition.process.node(armed.catches);
    let (kind, name, due) = match &armed.trigger {
        Trigger::Timer { due, .. } => ("timer", None, Some(time(*due))),
        Trigger::Message { name } => ("message", Some(name.clone()), None),
        Trigger::Signal { name } => ("signal", Some(name.clone()), None),
        Trigger::Error { code } => ("error", code.clone(), None),
        Trigger::Escalation { code } => ("escalation", code.clone(), None),
        Trigger::Condition { .. } => ("condition", None, None),
        Trigger::Cancel => ("cancel", None, None),
    };
    shape!({
        "activityId": node.id.as_str(),
        "event": kind,
        "name": name,
        "due": due,
        "interrupting": armed.interrupting,
        "since": time(armed.since),
    })
}

/// How many open jobs of its topic a worker gets before it, in the order of `fetchAndLock` with priorities; only one that
/// is open has a place.
async fn place_in_queue(call: &Call, instance: InstanceId, token: TokenId, job: &Job) -> Result<Option<i64>, ApiError> {
    if job.kind != JobKind::External || job.lease.is_some() || job.due > call.now() {
        return Ok(None);
    }
    let same = |column, value: i64| Condition::equal(column, value);
    let less = |column, value: i64| Condition::Is(column, Test::Less, value.into());
    let before = Condition::Any(vec![
        Condition::Is(column::PRIORITY, Test::Greater, job.priority.into()),
        Condition::All(vec![same(column::PRIORITY, job.priority), less(column::INSTANCE, instance.0)]),
        Condition::All(vec![
            same(column::PRIORITY, job.priority),
            same(column::INSTANCE, instance.0),
            less(column::TOKEN, token.0.into()),
        ]),
    ]);
    let open = [
        Condition::equal(column::TOPIC, job.topic.as_str()),
        Condition::equal(column::KIND, job_kind_code(JobKind::External)),
        Condition::Empty(column::HOLDER),
        Condition::flag(column::FAILED, false),
        Condition::flag(column::SUSPENDED, false),
        before,
    ];
    Ok(Some(call.count::<JobRecord>(&open).await? + 1))
}
