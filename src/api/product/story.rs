//! `/api/instances/{id}/history`: what happened in an instance, newest first, as far as its history is kept.

use crate::api::call::Call;
use crate::api::error::{Answer, ApiError};
use crate::api::json::json;
use crate::api::params::{Page, Query};
use crate::api::value::{self, Objects};
use crate::api::wire;
use crate::base::id::{InstanceId, LocalId, TokenId};
use crate::base::limits::PAGE_ROWS_MAX;
use crate::base::time::Timestamp;
use crate::engine::event::Event;
use crate::store::queries::record::StoryRecord;
use crate::store::queries::select::{Condition, Order, Test, column};
use axum::extract::Path;
use serde_json::{Value, json as shape};

/// Unless the caller asks for another number.
const LIMIT_DEFAULT: usize = 100;
/// Rows of the history that are read at once; most tell of several events.
const ROWS_AT_ONCE: i64 = 100;

/// A place in the story: a command's position, and which of its events.
type Place = (i64, usize);

pub(super) async fn history(call: Call, Path(id): Path<String>, query: Query) -> Answer {
    let absent = || ApiError::absent(format!("There is no history of a process instance {id}.")).because("absent");
    let instance = wire::instance(&id).ok_or_else(absent)?;
    let limit = limit(&query)?;
    // Before this place; all are before none.
    let before = query.get("cursor").map(cursor).transpose()?;
    // Whoever may not read it is told what is told of an instance that never was.
    if rows(&call, instance, None, 1).await?.is_empty() {
        return Err(absent());
    }
    let items = told(&call, instance, before, limit + 1).await?;
    let next = (items.len() > limit).then(|| items[limit - 1].0).map(|(position, place)| format!("{position}.{place}"));
    let items: Vec<Value> = items.into_iter().take(limit).map(|(_, item)| item).collect();
    json(shape!({ "items": items, "next": next }))
}

fn limit(query: &Query) -> Result<usize, ApiError> {
    let Some(text) = query.get("limit") else { return Ok(LIMIT_DEFAULT) };
    let fits = text.parse().ok().filter(|limit| (1..=PAGE_ROWS_MAX).contains(limit));
    fits.ok_or_else(|| ApiError::invalid(format!("limit is a number from 1 to {PAGE_ROWS_MAX}.")).because("invalid"))
}

fn cursor(text: &str) -> Result<Place, ApiError> {
    let parsed = || {
        let (position, place) = text.split_once('.')?;
        Some((wire::number(position)?, usize::try_from(wire::number(place)?).ok()?))
    };
    let wrong = || ApiError::invalid("cursor is what an earlier answer gave as next.").because("invalid");
    parsed().ok_or_else(wrong)
}

async fn rows(
    call: &Call,
    instance: InstanceId,
    most: Option<(Test, i64)>,
    max: i64,
) -> Result<Vec<StoryRecord>, ApiError> {
    let mut conditions = vec![Condition::equal(column::INSTANCE, instance.0)];
    conditions.extend(most.map(|(test, position)| Condition::Is(column::POSITION, test, position.into())));
    call.list(conditions, vec![(Order::Column(column::POSITION), true)], Page { first: 0, max: Some(max) }).await
}

/// As many as wanted, or all that there are.
async fn told(
    call: &Call,
    instance: InstanceId,
    before: Option<Place>,
    wanted: usize,
) -> Result<Vec<(Place, Value)>, ApiError> {
    let mut items = Vec::new();
    let mut most = before.map(|(position, _)| (Test::LessOrEqual, position));
    loop {
        let rows = rows(call, instance, most, ROWS_AT_ONCE).await?;
        for row in &rows {
            let unreadable = |_| ApiError::failed("A stored history cannot be read.");
            let events: Vec<Event> = serde_json::from_str(&row.events).map_err(unreadable)?;
            for (number, event) in events.iter().enumerate().rev() {
                let place = (row.position, number);
                if before.is_none_or(|before| place < before) {
                    items.extend(item(instance, row, place, event).map(|item| (place, item)));
                }
                if items.len() == wanted {
                    return Ok(items);
                }
            }
        }
        let Some(last) = rows.last() else { return Ok(items) };
        most = Some((Test::Less, last.position));
    }
}

/// `None`: of the engine's own bookkeeping, which nobody asks for.
fn item(instance: InstanceId, row: &StoryRecord, (position, place): Place, event: &Event) -> Option<Value> {
    let (token, activity, kind, more) = of_work(instance, event).or_else(|| of_course(instance, event))?;
    Some(shape!({
        "id": format!("{instance}.{position}.{place}"),
        "at": Timestamp(row.at).to_string(),
        // The command that did it.
        "cause": row.cause,
        "type": kind,
        "activityId": activity,
        "executionId": token.map(|token| wire::inner(instance, token)),
        "details": more,
    }))
}

/// The token and the element, if it is about some; what happened; what else is known.
type Told<'a> = (Option<TokenId>, Option<&'a str>, &'static str, Value);

/// Activities, variables, incidents, and the instance itself.
fn of_course(instance: InstanceId, event: &Event) -> Option<Told<'_>> {
    let none = || shape!({});
    let incident = |id: &LocalId| wire::inner(instance, *id);
    Some(match event {
        Event::InstanceCreated { .. } => (None, None, "instance-created", none()),
        Event::InstanceSuspended => (None, None, "instance-suspended", none()),
        Event::InstanceResumed => (None, None, "instance-resumed", none()),
        Event::InstanceEnded { state } => (None, None, "instance-ended", shape!({ "state": state })),
        Event::TokenEntered { token, at, .. } => (Some(*token), Some(at.as_str()), "activity-started", none()),
        Event::TokenLeft { token, at } | Event::TokenJoined { token, at } => {
            (Some(*token), Some(at.as_str()), "activity-ended", none())
        }
        Event::TokenCancelled { token, at } => (Some(*token), Some(at.as_str()), "activity-cancelled", none()),
        Event::VariableSet { scope, name, value } => {
            let more = shape!({
                "variableInstanceId": wire::variable(instance, *scope, name),
                "name": name,
                "variable": value::write(value, Objects::Open),
            });
            (None, None, "variable-set", more)
        }
        Event::VariableRemoved { scope, name } => {
            let id = wire::variable(instance, *scope, name);
            (None, None, "variable-removed", shape!({ "variableInstanceId": id, "name": name }))
        }
        Event::Called { token, called, process } => {
            let more = shape!({ "processInstanceId": called.to_string(), "processDefinitionKey": process });
            (Some(*token), None, "instance-called", more)
        }
        Event::ErrorThrown { token, code, .. } => (Some(*token), None, "error-thrown", shape!({ "code": code })),
        Event::Escalated { token, code, .. } => (Some(*token), None, "escalated", shape!({ "code": code })),
        Event::IncidentRaised { id, token, at, kind, message } => {
            let more = shape!({ "incidentId": incident(id), "incidentType": kind.wire(), "message": message });
            (Some(*token), Some(at.as_str()), "incident-raised", more)
        }
        Event::IncidentResolved { id, token, at } => {
            (Some(*token), Some(at.as_str()), "incident-resolved", shape!({ "incidentId": incident(id) }))
        }
        _is_told_elsewhere_or_not_at_all => return None,
    })
}

/// Jobs, tasks of people, and what was waited for.
fn of_work(instance: InstanceId, event: &Event) -> Option<Told<'_>> {
    let none = || shape!({});
    let (token, kind, more) = match event {
        Event::JobOpened { token, topic, .. } => (token, "job-opened", shape!({ "topic": topic })),
        Event::JobLeased { token, holder, until, .. } => {
            (token, "job-locked", shape!({ "workerId": holder, "until": until.to_string() }))
        }
        Event::LeaseReleased { token, .. } => (token, "job-unlocked", none()),
        Event::LeaseExpired { token, .. } => (token, "job-lock-expired", none()),
        Event::JobFailed { token, message, retries, due, .. } => {
            let more = shape!({ "message": message, "retries": retries, "due": due.to_string() });
            (token, "job-failed", more)
        }
        Event::RetriesSet { token, retries } => (token, "retries-set", shape!({ "retries": retries })),
        Event::JobClosed { token, how, .. } => (token, "job-closed", shape!({ "how": how })),
        Event::ResultRefused { token, holder, .. } => (token, "result-refused", shape!({ "workerId": holder })),
        Event::UserTaskCreated { token, at, links } => {
            let more = shape!({ "assignee": links.assignee });
            return Some((Some(*token), Some(at.as_str()), "task-created", more));
        }
        Event::UserTaskChanged { token, what, value } => {
            (token, "task-changed", shape!({ "what": what, "value": value }))
        }
        Event::UserTaskClosed { token, how } => (token, "task-closed", shape!({ "how": how })),
        Event::Armed { id, owner, at, due, .. } => {
            let more = shape!({ "eventId": wire::inner(instance, *id), "due": due.map(|due| due.to_string()) });
            return Some((Some(*owner), Some(at.as_str()), "event-awaited", more));
        }
        Event::Fired { id, at, .. } => {
            let more = shape!({ "eventId": wire::inner(instance, *id) });
            return Some((None, Some(at.as_str()), "event-received", more));
        }
        _is_no_work => return None,
    };
    Some((Some(*token), None, kind, more))
}
