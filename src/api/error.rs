//! The one error of every route: status, Camunda 7's type, words, code (`rest.md` 2.2 and 12).
//!
//! Kinds are never mixed: a rejection is the caller's, a store failure is ours, and each gets its status in this file only.

use super::auth::permission::{Permission, Resource};
use crate::store::StoreError;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use std::borrow::Cow;

/// A code of the engine where no other fits; the REST layer's own errors have none.
const ENGINE_CODE: i64 = 0;
/// After so many seconds it is worth asking again.
const RETRY_AFTER: &str = "1";

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    /// Camunda 7 names its exceptions; clients compare these words.
    pub(crate) kind: Cow<'static, str>,
    pub(crate) message: String,
    pub(crate) code: Option<i64>,
    /// A stable word, under `/api` only.
    pub(crate) reason: Option<&'static str>,
    /// Further members, such as `details` of a refused deployment.
    pub(crate) more: Map<String, Value>,
}

pub(crate) type Answer = Result<Response, ApiError>;

impl ApiError {
    pub(crate) fn new(status: StatusCode, kind: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { status, kind: kind.into(), message: message.into(), code: None, reason: None, more: Map::new() }
    }

    /// A parameter, body or value that cannot be understood.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "InvalidRequestException", message)
    }

    /// An object that is not there, or not for this caller.
    pub(crate) fn absent(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "InvalidRequestException", message)
    }

    /// The same in the words of those resources whose absent objects are `RestException`s.
    pub(crate) fn rest_absent(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "RestException", message)
    }

    /// The engine refuses: the caller's mistake in the state of things.
    pub(crate) fn refused(kind: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, kind, message).engine()
    }

    /// Nobody takes this path.
    pub(crate) fn unknown_path() -> Self {
        Self::new(StatusCode::NOT_FOUND, "NotFoundException", "HTTP 404 Not Found")
    }

    /// An operation of the dialect (`GET\t/batch`) that is not built.
    pub(crate) fn not_offered(operation: &str) -> Self {
        let operation = operation.replace('\t', " ");
        let words =
            format!("{operation} is not offered: this server does not have that operation of the Camunda 7 REST API.");
        Self::new(StatusCode::NOT_FOUND, "NotFoundException", words).because("not-offered")
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "NotAllowedException", "HTTP 405 Method Not Allowed")
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        let words = format!("The body is larger than {limit} bytes: send less, or a file at a time.");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "InvalidRequestException", words).because("too-large")
    }

    /// The store or its partition cannot be reached; asking again helps.
    pub(crate) fn away(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "ProcessEngineException", message).engine().because("away")
    }

    /// No write goes through: 507 (RFC 4918, 11.5) where the disk is this server's own.
    pub(crate) fn full(shared: bool) -> Self {
        let status = if shared { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::INSUFFICIENT_STORAGE };
        let words = "The disk of the database is full, and this is not stored yet. Free space: the server then goes on by itself. \
                     Repeat it under the same Idempotency-Key.";
        Self::new(status, "ProcessEngineException", words).engine().because("full")
    }

    /// Ours.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "ProcessEngineException", message).engine().because("failed")
    }

    pub(crate) fn unauthenticated() -> Self {
        let words = "Sign in: with Basic credentials, an API token as Bearer, or with a session of POST /api/session.";
        Self::new(StatusCode::UNAUTHORIZED, "AuthenticationException", words).because("unauthenticated")
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "AuthorizationException", message).because("forbidden")
    }

    /// None of these permissions is there: on one of these kinds of objects and this one.
    pub(crate) fn lacks(user: &str, missing: &[(Permission, Resource, &str)]) -> Self {
        let word = |(permission, resource, object): &(Permission, Resource, &str)| {
            format!("'{}' permission on resource '{object}' of type '{}'", permission.word(), resource.word())
        };
        let shape = |(permission, resource, object): &(Permission, Resource, &str)| json!({ "permissionName": permission.word(), "resourceName": resource.word(), "resourceId": object });
        let words = missing.iter().map(word).collect::<Vec<_>>().join(" or ");
        let mut error = Self::forbidden(format!("The user with id '{user}' does not have {words}.")).engine();
        error.more.insert("userId".to_owned(), user.into());
        if let [one] = missing {
            let Value::Object(one) = shape(one) else { unreachable!("an object was made") };
            error.more.extend(one);
        }
        error.with("missingAuthorizations", missing.iter().map(shape).collect())
    }

    /// Marks it as the engine's word, which always has a code.
    pub(crate) fn engine(mut self) -> Self {
        self.code = Some(ENGINE_CODE);
        self
    }

    pub(crate) fn because(mut self, reason: &'static str) -> Self {
        self.reason = Some(reason);
        self
    }

    pub(crate) fn with(mut self, name: &str, value: Value) -> Self {
        self.more.insert(name.to_owned(), value);
        self
    }

    /// The same error about something that was attempted: `Cannot complete task 7:1: …`.
    pub(crate) fn while_doing(mut self, attempt: &str) -> Self {
        self.message = format!("{attempt}: {}", self.message);
        self
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut body = self.more;
        body.insert("type".to_owned(), self.kind.into());
        body.insert("message".to_owned(), self.message.into());
        body.insert("code".to_owned(), json!(self.code));
        if let Some(reason) = self.reason {
            body.insert("reason".to_owned(), reason.into());
        }
        let mut answer = (self.status, axum::Json(Value::Object(body))).into_response();
        let headers = answer.headers_mut();
        match self.status {
            StatusCode::UNAUTHORIZED => {
                let scheme = HeaderValue::from_static("Basic realm=\"default\"");
                headers.insert(header::WWW_AUTHENTICATE, scheme);
            }
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS | StatusCode::INSUFFICIENT_STORAGE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
            }
            _ => {}
        }
        answer
    }
}

/// The store could not answer.
impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        tracing::warn!(%error, "a read failed");
        match error {
            StoreError::Away(_) | StoreError::Deadline(_) | StoreError::Fenced => {
                Self::away("The database does not answer at the moment: ask again.")
            }
            StoreError::Full { shared } => Self::full(shared),
            StoreError::Refused(words) => Self::invalid(words),
            StoreError::Address(_)
            | StoreError::Hosts(_)
            | StoreError::File
            | StoreError::Unreadable(_)
            | StoreError::Migration(_)
            | StoreError::Older { .. }
            | StoreError::Newer { .. }
            | StoreError::Empty
            | StoreError::Backup(_)
            | StoreError::Failed(_) => Self::failed("The database failed on this request. It is logged."),
        }
    }
}

/// What the framework answers with text becomes our shape (D3); our own answers pass.
pub(crate) async fn reshaped(answer: Response) -> Response {
    let status = answer.status();
    let is_ours = answer.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if is_ours || !(status.is_client_error() || status.is_server_error()) {
        return answer;
    }
    let words = format!("HTTP {} {}", status.as_u16(), status.canonical_reason().unwrap_or_default());
    let error = match status {
        StatusCode::NOT_FOUND => ApiError::unknown_path(),
        StatusCode::METHOD_NOT_ALLOWED => ApiError::method_not_allowed(),
        StatusCode::NOT_ACCEPTABLE => ApiError::new(status, "NotAcceptableException", words),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => ApiError::new(status, "NotSupportedException", words),
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::new(status, "InvalidRequestException", words),
        StatusCode::UNPROCESSABLE_ENTITY => ApiError::invalid(words),
        other if other.is_server_error() => ApiError::failed("The server failed on this request. It is logged."),
        other => ApiError::new(other, "InvalidRequestException", words),
    };
    let mut shaped = error.into_response();
    if let Some(allow) = answer.headers().get(header::ALLOW) {
        shaped.headers_mut().insert(header::ALLOW, allow.clone());
    }
    shaped
}

/// For `CatchPanicLayer`: a panic is our bug, the caller gets the same shape as always.
pub(crate) fn panicked(_panic: Box<dyn std::any::Any + Send + 'static>) -> Response {
    ApiError::failed("The server failed on this request. It is logged.").into_response()
}
