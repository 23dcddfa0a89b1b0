//! Floor 7: REST. `/engine-rest` speaks the Camunda 7 dialect, `/api` is the product's own, everything else is the page.
//!
//! | Where | What |
//! |---|---|
//! | `state`, `call` | what a route may use; one request of somebody who has signed in |
//! | `auth` | Basic, sessions, set-up; what an account may do |
//! | `guarded`, `allowed` | which rows of a list a caller sees; what work needs which right |
//! | `error`, `json`, `params`, `value`, `wire` | the shapes of the dialect: errors, bodies, queries, variables, ids |
//! | `idempotency`, `batch` | repeats of a call under one key; work on many objects |
//! | `rest` | `/engine-rest`, a file per resource |
//! | `product`, `events` | `/api` |
//! | [`assets`] | the page |

mod allowed;
pub mod assets;
mod audit;
mod auth;
mod batch;
mod call;
mod error;
mod events;
mod guard;
mod guarded;
mod idempotency;
mod json;
mod params;
mod product;
mod rest;
mod state;
mod value;
mod wire;

pub use state::{ApiState, NewAccount, Options};

use crate::runtime::node::Node;
use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::response::Redirect;
use axum::routing::get;
use tokio::net::TcpListener;
use tower_http::catch_panic::CatchPanicLayer;

/// Answers on this address until `stop` ends; requests under way are finished.
pub async fn serve(
    listener: TcpListener,
    state: ApiState,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    axum::serve(listener, router(state)).with_graceful_shutdown(stop).await
}

/// All that a server answers.
pub fn router(state: ApiState) -> Router {
    let signed_in = from_fn_with_state(state.clone(), guard::signed_in);
    let keyed = from_fn_with_state(state.clone(), idempotency::layer);
    let closed = Router::new()
        .nest("/engine-rest", rest::routes())
        .nest("/engine-rest/engine/default", rest::routes())
        .merge(product::closed())
        .route_layer(keyed)
        .route_layer(signed_in);
    let to_console = get(|| async { Redirect::temporary("/console") });
    Router::new()
        .merge(closed)
        .merge(product::open())
        .route("/camunda/app/cockpit/default/", to_console)
        .fallback(assets::serve)
        .layer(from_fn_with_state(state.clone(), guard::foreign_pages))
        .layer(map_response(error::reshaped))
        .layer(from_fn(guard::headers))
        .layer(CatchPanicLayer::custom(error::panicked))
        .layer(from_fn_with_state(state.clone(), guard::counted))
        .with_state(state)
}

/// Metrics alone, without sign-in, at `/metrics` of an address that the operator chose.
pub async fn serve_metrics(listener: TcpListener, node: Node) -> std::io::Result<()> {
    let stop = node.clone();
    let scrape = get(move || async move { product::scraped(&node).await });
    let router = Router::new().route("/metrics", scrape);
    axum::serve(listener, router).with_graceful_shutdown(async move { stop.closing().await }).await
}
