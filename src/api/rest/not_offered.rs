//! Operations of the dialect that are not built. They are routed too, so that a client learns it by name and not from a
//! path that seems misspelt.

use crate::api::error::ApiError;
use crate::api::state::ApiState;
use axum::Router;
use axum::http::Method;
use axum::routing::{MethodFilter, on};

/// Method and path, as the description of Camunda 7.24 has them. A line goes when its operation is built; while both are
/// there, the router refuses to start.
const OPERATIONS: &str = include_str!("not_offered.tsv");

pub(super) fn routes() -> Router<ApiState> {
    OPERATIONS.lines().fold(Router::new(), |router, line| {
        let (method, path) = line.split_once('\t').expect("method, tab, path");
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let filter = MethodFilter::try_from(method).expect("a method that is routed");
        router.route(path, on(filter, move || async move { ApiError::not_offered(line) }))
    })
}
