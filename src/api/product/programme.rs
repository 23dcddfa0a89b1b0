//! `/api/programmes` and `/api/demo`: what only some installations have, asked through the views that they put in.

use super::strict;
use crate::api::call::Call;
use crate::api::error::{Answer, ApiError};
use crate::api::json::{Json, Object, json};
use crate::runtime::show::{DemoChange, DemoControl, Speed};
use axum::extract::Path;
use serde::Deserialize;
use serde_json::{Value, json as shape};
use std::sync::Arc;

pub(super) async fn list(call: Call) -> Answer {
    let items = match &call.state.programmes {
        Some(view) => view.programmes(&call.caller.access).await,
        None => Vec::new(),
    };
    json(shape!({ "items": items, "next": null }))
}

pub(super) async fn stages(call: Call, Path(id): Path<String>) -> Answer {
    let found = match &call.state.programmes {
        Some(view) => view.stages(&call.caller.access, &id).await,
        None => None,
    };
    json(found.ok_or_else(|| ApiError::absent(format!("There is no programme {id}.")).because("absent"))?)
}

fn control(call: &Call) -> Result<&Arc<dyn DemoControl>, ApiError> {
    call.state.demo.as_ref().ok_or_else(ApiError::unknown_path)
}

pub(super) async fn demo(call: Call) -> Answer {
    json(control(&call)?.state())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    speed: Option<Value>,
    paused: Option<bool>,
}

pub(super) async fn change_demo(call: Call, Json(body): Json<Object>) -> Answer {
    let control = control(&call)?;
    if !call.caller.access.admin {
        return Err(ApiError::forbidden("The demo is steered by administrators."));
    }
    let Change { speed, paused } = strict(body)?;
    let wrong = || ApiError::invalid("speed is a number above 0, or \"max\".").because("invalid");
    let speed = match speed {
        None | Some(Value::Null) => None,
        Some(Value::String(word)) if word == "max" => Some(Speed::Max),
        Some(Value::Number(times)) => {
            Some(Speed::Times(times.as_f64().filter(|times| times.is_finite() && *times > 0.0).ok_or_else(wrong)?))
        }
        Some(_) => return Err(wrong()),
    };
    control.change(DemoChange { speed, paused }).map_err(|words| ApiError::invalid(words).because("invalid"))?;
    json(control.state())
}
