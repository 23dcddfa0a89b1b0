//! `/api`: health, metrics, set-up, sign-in, what changes, programmes, the demo (`rest.md` 9 and 10).

mod ad_hoc;
mod programme;
mod session;
mod story;
mod token;
mod waits;

use super::call::Call;
use super::error::{Answer, ApiError};
use super::events;
use super::json::json;
use super::state::ApiState;
use crate::base::limits;
use crate::runtime::metrics::CONTENT_TYPE;
use crate::runtime::node::Node;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use serde_json::json as shape;
use std::time::Duration;

/// Without sign-in: health, set-up and sign-in itself.
pub(super) fn open() -> Router<ApiState> {
    Router::new()
        .route("/health", get(ready))
        .route("/api/health", get(ready))
        .route("/api/health/live", get(live))
        .route("/api/health/ready", get(ready))
        .route("/api/info", get(info))
        .route("/api/setup", post(session::set_up))
        .route("/api/session", get(session::get).post(session::begin).delete(session::end))
        .route("/.well-known/camunda-automation-platform/webapps", get(webapps))
}

pub(super) fn closed() -> Router<ApiState> {
    Router::new()
        .route("/api/ad-hoc/{id}", get(ad_hoc::list).post(ad_hoc::activate))
        .route("/api/events", get(events::events))
        .route("/api/metrics", get(metrics))
        .route("/api/instances/{id}/history", get(story::history))
        .route("/api/instances/{id}/waits", get(waits::waits))
        .route("/api/tokens", get(token::list).post(token::add))
        .route("/api/tokens/{id}", delete(token::remove))
        .route("/api/programmes", get(programme::list))
        .route("/api/programmes/{id}/stages", get(programme::stages))
        .route("/api/demo", get(programme::demo).patch(programme::change_demo))
}

/// The process answers.
async fn live() -> Answer {
    json(shape!({ "live": true }))
}

/// Longer than this, and a balancer had better ask another node.
const READY_WITHIN: Duration = Duration::from_secs(2);

/// It takes work: the node owns what it should and does not stop, and its database answers in time.
async fn ready(State(state): State<ApiState>) -> Answer {
    let runs = state.node().is_working();
    let store = tokio::time::timeout(READY_WITHIN, state.store().has_accounts()).await;
    let store = matches!(store, Ok(Ok(_)));
    let status = if runs && store { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok((status, axum::Json(shape!({ "ready": runs && store, "engine": runs, "store": store }))).into_response())
}

/// What a scraper reads, for administrators; `serve --metrics` gives it without sign-in on an address of its own.
async fn metrics(call: Call) -> Answer {
    if !call.caller.access.admin {
        return Err(ApiError::forbidden("Metrics are for administrators."));
    }
    Ok(scraped(call.state.node()).await)
}

pub(super) async fn scraped(node: &Node) -> Response {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], node.metrics_text().await).into_response()
}

async fn info(State(state): State<ApiState>) -> Answer {
    json(shape!({
        "version": env!("CARGO_PKG_VERSION"),
        "setupNeeded": state.sign_in.setup_needed().await?,
        "demo": state.demo.is_some(),
        "limits": {
            "requestBytes": limits::REQUEST_BYTES_MAX,
            "deploymentBytes": limits::DEPLOYMENT_BYTES_MAX,
            "modelBytes": limits::XML_BYTES_MAX,
            "variableBytes": limits::VARIABLE_BYTES_MAX,
            "jsonDepth": limits::JSON_DEPTH_MAX,
            "queryResults": limits::QUERY_RESULTS_MAX,
            "longPollMs": limits::LONG_POLL_MAX_MS,
        },
    }))
}

/// Where a desktop modeler leads after a deployment.
async fn webapps(headers: axum::http::HeaderMap) -> Answer {
    let text = |name| headers.get(name).and_then(|value: &axum::http::HeaderValue| value.to_str().ok());
    let host = text(header::HOST).unwrap_or("localhost");
    let scheme = text(axum::http::HeaderName::from_static("x-forwarded-proto")).unwrap_or("http");
    let at = |place: &str| format!("{scheme}://{host}/{place}");
    json(shape!({ "adminUrl": at("console"), "cockpitUrl": at("console"), "tasklistUrl": at("portal") }))
}

/// Under `/api` a member that is not known is a mistake.
fn strict<T: serde::de::DeserializeOwned>(body: super::json::Object) -> Result<T, ApiError> {
    serde_json::from_value(body.into())
        .map_err(|error| ApiError::invalid(format!("The body does not fit: {error}")).because("invalid"))
}
