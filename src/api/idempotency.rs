//! `Idempotency-Key`: a state-changing call that is repeated gets the first answer and changes nothing (7 days).
//!
//! The partition keeps its reply with the command, in one transaction. A repeat is found here before its route looks for
//! things that the first call has used up, and two calls at the same time meet in the partition.

use super::call::key_reused;
use super::error::ApiError;
use super::json::{json, no_content, whole};
use super::state::ApiState;
use super::{auth::Caller, rest};
use crate::base::access::NO_TENANT;
use crate::base::id::{DeploymentId, InstanceId};
use crate::base::limits::DEPLOYMENT_BYTES_MAX;
use crate::engine::command::Answer as Done;
use crate::partition::transaction::{AnswerRow, CommandKey};
use crate::partition::{Input, Reply};
use aws_lc_rs::digest::{Context, SHA256, digest};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use data_encoding::{BASE32_NOPAD, HEXLOWER};
use serde_json::Value;

const HEADER: &str = "idempotency-key";
const KEY_BYTES_MAX: usize = 255;

/// The key of a call, with a digest of what it asks.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    key: CommandKey,
    digest: String,
}

impl Key {
    /// Of one item of a batch.
    pub(crate) fn for_item(batch: &str, number: i64) -> Self {
        let route = format!("batch {batch}");
        let key = CommandKey { tenant: NO_TENANT.to_owned(), route, key: number.to_string() };
        Self { key, digest: batch.to_owned() }
    }

    /// Of one part of a call that consists of several commands.
    pub(crate) fn part(&self, part: &str) -> Self {
        let key = CommandKey { key: format!("{} {part}", self.key.key), ..self.key.clone() };
        Self { key, digest: self.digest.clone() }
    }

    /// The same for each repeat of the call, as the id of what it makes.
    pub(crate) fn id(&self) -> String {
        let bytes = format!("{}\0{}", self.key.route, self.key.key);
        BASE32_NOPAD.encode(&digest(&SHA256, bytes.as_bytes()).as_ref()[..15])
    }

    /// Of what the call asks.
    pub(crate) fn digest(&self) -> &str {
        &self.digest
    }

    pub(crate) fn for_partition(&self) -> (CommandKey, String) {
        (self.key.clone(), self.digest.clone())
    }
}

/// Answers repeats; else lets the call through with its key.
pub(crate) async fn layer(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    match keyed(&state, request).await {
        Ok(Found::Repeat(answer)) => answer,
        Ok(Found::Unkeyed(request)) => next.run(request).await,
        Ok(Found::First(request, key)) => {
            let caller = request.extensions().get::<Caller>().cloned();
            let answer = next.run(request).await;
            if !answer.status().is_client_error() {
                return answer;
            }
            // The first call may have come through since its answer was looked for, and what this one is about is used up.
            let first = match answered(&state, &key).await {
                Ok(Some(first)) => again(&state, &caller, &first).await.map(Some),
                Ok(None) => rest::batch::begun_before(&state, &key).await,
                Err(_) => Ok(None),
            };
            first.unwrap_or_else(|error| Some(error.into_response())).unwrap_or(answer)
        }
        Err(error) => error.into_response(),
    }
}

enum Found {
    Repeat(Response),
    Unkeyed(Request),
    First(Request, Key),
}

async fn keyed(state: &ApiState, request: Request) -> Result<Found, ApiError> {
    let Some(word) = request.headers().get(HEADER).filter(|_| !request.method().is_safe()) else {
        return Ok(Found::Unkeyed(request));
    };
    let word = word.to_str().ok().filter(|word| !word.is_empty() && word.len() <= KEY_BYTES_MAX);
    let word = word.ok_or_else(|| ApiError::invalid("An Idempotency-Key has 1 to 255 plain characters."))?.to_owned();
    let user = request.extensions().get::<Caller>().map(|caller| caller.user.clone()).unwrap_or_default();
    let (mut parts, body) = request.into_parts();
    let bytes = whole(&parts.headers, body, DEPLOYMENT_BYTES_MAX).await?;
    let mut digest = Context::new(&SHA256);
    for part in [parts.uri.to_string().as_bytes(), b"\0", &bytes] {
        digest.update(part);
    }
    let key = CommandKey {
        tenant: NO_TENANT.to_owned(),
        route: format!("{user} {} {}", parts.method, parts.uri.path()),
        key: word,
    };
    let key = Key { key, digest: HEXLOWER.encode(digest.finish().as_ref()) };
    if let Some(first) = answered(state, &key).await? {
        return again(state, &parts.extensions.get::<Caller>().cloned(), &first).await.map(Found::Repeat);
    }
    parts.extensions.insert(key.clone());
    Ok(Found::First(Request::from_parts(parts, Body::from(bytes)), key))
}

async fn answered(state: &ApiState, key: &Key) -> Result<Option<AnswerRow>, ApiError> {
    let Input::Loaded { answers, .. } = state.store().load(&[], std::slice::from_ref(&key.key)).await? else {
        return Ok(None);
    };
    match answers.into_iter().next() {
        Some(row) if row.digest != key.digest => Err(key_reused()),
        found => Ok(found),
    }
}

/// The first answer, told again.
async fn again(state: &ApiState, caller: &Option<Caller>, first: &AnswerRow) -> Result<Response, ApiError> {
    let Some(caller) = caller.clone() else {
        return Err(ApiError::unauthenticated());
    };
    let call = super::call::Call { state: state.clone(), caller, key: None, task: None, operation: None };
    match reply(&first.answer)? {
        Reply::Done(_) | Reply::Said(_) | Reply::Repeated(_) => no_content(),
        Reply::Started(instance) => json(rest::instance::started(&call, instance).await?),
        Reply::Leased(jobs) => json(rest::fetch::items(&call, &jobs, &rest::fetch::Wish::default()).await?),
        Reply::Deployed { deployment, .. } => json(rest::deployment::deployed(&call, deployment.id).await?),
        Reply::Evaluated(answer) => json(rest::decision::answered(&answer)?),
    }
}

/// A kept reply as a reply. Of a deployment only the id was kept.
pub(crate) fn reply(first: &str) -> Result<Reply, ApiError> {
    let kept: Value = serde_json::from_str(first).map_err(|_| unreadable())?;
    if let Some(instance) = kept.get("started").and_then(id) {
        return Ok(Reply::Started(InstanceId(instance)));
    }
    if let Some(id) = kept.get("deployed").and_then(id) {
        let deployment = crate::partition::transaction::DeploymentRow {
            id: DeploymentId(id),
            tenant: String::new(),
            name: None,
            source: None,
            at: crate::base::time::Timestamp(0),
        };
        return Ok(Reply::Deployed { deployment, definitions: Vec::new() });
    }
    if let Some(answer) = kept.get("evaluated").and_then(Value::as_str) {
        return Ok(Reply::Evaluated(answer.to_owned()));
    }
    if let Some(jobs) = Reply::kept_leases(first) {
        return Ok(Reply::Leased(jobs));
    }
    if let Some(letter) = kept.get("said").and_then(id) {
        return Ok(Reply::Said(letter));
    }
    if kept.get("done").is_some() { Ok(Reply::Done(Done::default())) } else { Err(unreadable()) }
}

fn id(value: &Value) -> Option<i64> {
    value.as_str()?.parse().ok()
}

fn unreadable() -> ApiError {
    ApiError::failed("The first answer to this key cannot be read.")
}
