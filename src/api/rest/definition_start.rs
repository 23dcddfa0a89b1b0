//! `…/start` and `…/submit-form`: an instance begins.

use super::Words;
use super::definition::{Named, before_start};
use super::form;
use super::instance::started;
use crate::api::call::Call;
use crate::api::error::{Answer, ApiError};
use crate::api::json::{Json, json};
use crate::api::value::{self, Objects};
use crate::api::wire;
use crate::base::id::{DefinitionId, ElementId};
use crate::base::variable::Variables;
use crate::engine::command::Create;
use crate::partition::{Reply, Which, Work};
use crate::store::queries::record::DefinitionRecord;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Start {
    business_key: Option<String>,
    variables: Option<Value>,
    start_instructions: Option<Vec<Instruction>>,
    with_variables_in_return: Option<bool>,
}

/// Where tokens begin instead of the start event.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Instruction {
    r#type: Option<String>,
    activity_id: Option<String>,
}

pub(super) async fn start(call: Call, named: Named, Json(body): Json<Start>) -> Answer {
    begin(call, named, body, false).await
}

/// As `start`, with what was submitted checked by the fields of a generated form.
pub(super) async fn submit_form(call: Call, named: Named, Json(body): Json<Start>) -> Answer {
    begin(call, named, body, true).await
}

async fn begin(call: Call, named: Named, body: Start, by_form: bool) -> Answer {
    let row = named.find_to_start(&call).await?;
    let id = wire::definition(&row.key, row.version, row.id);
    let attempt = format!("Cannot instantiate process definition {id}");
    if row.suspended != 0 {
        let words = format!("{attempt}: ENGINE-03043 Process Definition with id '{id}' is suspended.");
        return Err(ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "RestException", words)
            .engine()
            .because("suspended"));
    }
    let variables = value::read_all(body.variables.as_ref()).map_err(|error| error.while_doing(&attempt))?;
    let (variables, key) = match by_form {
        true => {
            let definition = call.definition(DefinitionId(row.id)).await?;
            let none = Variables::new();
            let seen = before_start(&call, &definition, &none);
            form::submitted(form::of_start(&definition.process), variables, seen, &attempt)?
        }
        false => (variables, None),
    };
    let at = elements(&call, &row, body.start_instructions.unwrap_or_default(), &attempt).await?;
    let create = Create {
        variables,
        business_key: body.business_key.or(key),
        starter: Some(call.caller.user.clone()),
        at,
        ..Create::default()
    };
    let work = Work::Start { definition: Which::Id(DefinitionId(row.id)), create };
    let reply = call.submit(work, Words { kind: "RestException", attempt: &attempt }).await?;
    let Reply::Started(instance) = reply else {
        return Err(ApiError::failed("The engine answered something else."));
    };
    let mut shape = started(&call, instance).await?;
    if body.with_variables_in_return == Some(true) {
        let live = call.behind().live(instance).await?;
        let variables = live.map(|live| live.root().variables.clone()).unwrap_or_default();
        shape["variables"] = value::write_all(&variables, Objects::Open);
    }
    json(shape)
}

async fn elements(
    call: &Call,
    row: &DefinitionRecord,
    instructions: Vec<Instruction>,
    attempt: &str,
) -> Result<Vec<ElementId>, ApiError> {
    let mut at = Vec::new();
    if instructions.is_empty() {
        return Ok(at);
    }
    let definition = call.definition(DefinitionId(row.id)).await?;
    for instruction in instructions {
        let kind = instruction.r#type.unwrap_or_default();
        let element = match (kind.as_str(), instruction.activity_id) {
            ("startBeforeActivity", Some(element)) => element,
            ("startBeforeActivity", None) => {
                return Err(ApiError::invalid(format!("{attempt}: activityId must be set")));
            }
            (other, _) => {
                let words =
                    format!("{attempt}: the start instruction {other:?} is not known here: use startBeforeActivity");
                return Err(ApiError::invalid(words));
            }
        };
        if definition.process.find(&element).is_none() {
            let words = format!("{attempt}: element '{element}' does not exist in process '{}'", row.key);
            return Err(ApiError::refused("InvalidRequestException", words));
        }
        at.push(ElementId::from(element.as_str()));
    }
    Ok(at)
}
