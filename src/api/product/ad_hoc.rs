//! `/api/ad-hoc/{executionId}`: what can be begun in an ad-hoc sub-process, and beginning it.
//!
//! The execution id is that of the sub-process, as the activity instance tree tells it.

use super::strict;
use crate::api::call::{Call, Words};
use crate::api::error::{Answer, ApiError};
use crate::api::json::{Json, Object, json, no_content};
use crate::api::wire::Execution;
use crate::base::id::{ElementId, TokenId};
use crate::engine::command::Command;
use crate::engine::elements::enabled;
use crate::engine::instance::{Instance, Wait};
use axum::extract::Path;
use serde::Deserialize;
use serde_json::{Value, json as shape};

pub(super) async fn list(call: Call, Path(id): Path<String>) -> Answer {
    let (live, token) = find(&call, &id).await?;
    let process = &live.definition.process;
    let ad_hoc = live.find(token).map(|(_, token)| token.at).ok_or_else(|| nobody(&id))?;
    let nodes = process.graph.node_indices().filter(|node| enabled(process, ad_hoc, *node));
    let items: Vec<Value> = nodes
        .map(|node| {
            let of = process.node(node);
            shape!({ "activityId": of.id.to_string(), "name": of.name, "type": of.kind })
        })
        .collect();
    json(shape!({ "items": items, "next": null }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Activate {
    activity_ids: Vec<String>,
}

pub(super) async fn activate(call: Call, Path(id): Path<String>, Json(body): Json<Object>) -> Answer {
    let Activate { activity_ids } = strict(body)?;
    if activity_ids.is_empty() {
        return Err(ApiError::invalid("activityIds names no activity.").because("invalid"));
    }
    let (live, token) = find(&call, &id).await?;
    let elements = activity_ids.iter().map(|id| ElementId::from(id.as_str())).collect();
    let words = Words { kind: "InvalidRequestException", attempt: "Cannot begin the activities" };
    call.command(live.id(), Command::Activate { token, elements }, words).await?;
    no_content()
}

/// The token that waits at the ad-hoc sub-process.
async fn find(call: &Call, id: &str) -> Result<(Instance, TokenId), ApiError> {
    let Some(Execution::Token(instance, token)) = Execution::parse(id) else { return Err(nobody(id)) };
    let live = call.live(instance).await?.ok_or_else(|| nobody(id))?;
    let waits = live.find(token).is_some_and(|(_, found)| {
        matches!(found.wait, Wait::Scope(_)) && live.definition.process.node(found.at).element.ad_hoc().is_some()
    });
    if waits { Ok((live, token)) } else { Err(nobody(id)) }
}

fn nobody(id: &str) -> ApiError {
    ApiError::absent(format!("There is no ad-hoc sub-process under way with the execution id {id}.")).because("absent")
}
