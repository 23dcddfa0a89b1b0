//! Bodies: read within limits, answered with exactly the types that clients expect (D1 to D4).

use super::error::{Answer, ApiError};
use crate::base::limits::{DEPLOYMENT_BYTES_MAX, JSON_DEPTH_MAX, REQUEST_BYTES_MAX};
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::BytesMut;
use futures_util::StreamExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// A body as its route's type. Nothing at all is `{}` (D4).
pub(crate) struct Json<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let bytes = whole(&parts.headers, body, REQUEST_BYTES_MAX).await?;
        if !bytes.is_empty() && !is_json(&parts.headers) {
            return Err(ApiError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "NotSupportedException",
                "HTTP 415 Unsupported Media Type: send application/json",
            ));
        }
        parse(&bytes).map(Json)
    }
}

/// A body whose members are looked at one by one.
pub(crate) type Object = Map<String, Value>;

/// What is too large is still read up to here: a client that sends on does not see an answer.
const PASSED_OVER_MAX: usize = 2 * DEPLOYMENT_BYTES_MAX;

/// The whole body, or 413.
pub(crate) async fn whole(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, ApiError> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(ApiError::too_large(limit));
    }
    let mut chunks = body.into_data_stream();
    let mut bytes = BytesMut::new();
    let mut passed = 0_usize;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| ApiError::invalid("The body broke off: send it again."))?;
        passed = passed.saturating_add(chunk.len());
        if passed <= limit {
            bytes.extend_from_slice(&chunk);
        } else if passed > PASSED_OVER_MAX {
            break;
        }
    }
    if passed > limit { Err(ApiError::too_large(limit)) } else { Ok(bytes.freeze()) }
}

pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let bytes = if bytes.trim_ascii().is_empty() { b"{}" } else { bytes };
    if depth(bytes) > JSON_DEPTH_MAX {
        let words = format!("The body nests deeper than {JSON_DEPTH_MAX} levels: send a flatter one.");
        return Err(ApiError::invalid(words));
    }
    let value: Value =
        serde_json::from_slice(bytes).map_err(|error| ApiError::invalid(format!("The body is no JSON: {error}")))?;
    if has_nul(&value) {
        let words = "The body holds a text with the character U+0000, which no database keeps: leave it out.";
        return Err(ApiError::invalid(words));
    }
    serde_json::from_value(value).map_err(|error| ApiError::invalid(format!("The body does not fit: {error}")))
}

/// A JSON text inside of JSON.
pub(crate) fn parse_value(text: &str) -> Result<Value, ApiError> {
    if text.trim().is_empty() {
        return Err(ApiError::invalid("it is empty"));
    }
    parse(text.as_bytes())
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    kind.and_then(|kind| kind.to_str().ok()).is_some_and(|kind| {
        let name = kind.split(';').next().unwrap_or_default().trim();
        name.eq_ignore_ascii_case("application/json") || name.to_ascii_lowercase().ends_with("+json")
    })
}

/// How deep brackets nest; texts are passed over. Found before the reader recurses.
fn depth(bytes: &[u8]) -> usize {
    let (mut now, mut most, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in bytes {
        if in_text {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_text = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b'{' | b'[' => {
                now += 1;
                most = most.max(now);
            }
            b'}' | b']' => now = now.saturating_sub(1),
            _ => {}
        }
    }
    most
}

/// PostgreSQL cannot hold U+0000. The depth is bounded before.
fn has_nul(value: &Value) -> bool {
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        match value {
            Value::String(text) if text.contains('\0') => return true,
            Value::Array(items) => open.extend(items),
            Value::Object(members) => {
                if members.keys().any(|name| name.contains('\0')) {
                    return true;
                }
                open.extend(members.values());
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    false
}

pub(crate) fn json(body: impl Serialize) -> Answer {
    Ok(axum::Json(body).into_response())
}

pub(crate) fn count(count: i64) -> Answer {
    json(serde_json::json!({ "count": count }))
}

pub(crate) fn no_content() -> Answer {
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `text/plain` without a parameter, as the recordings have it.
pub(crate) fn text(body: String) -> Answer {
    Ok(([(header::CONTENT_TYPE, "text/plain")], body).into_response())
}

/// A file to be saved. `kind` and `name` come from outside: what cannot stand in a header is left out.
pub(crate) fn file(bytes: Vec<u8>, kind: &str, name: Option<&str>) -> Answer {
    let mut answer = Response::new(Body::from(bytes));
    let kind = HeaderValue::from_str(kind).unwrap_or_else(|_| HeaderValue::from_static("application/octet-stream"));
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    if let Some(name) = name {
        let plain: String = name
            .chars()
            .map(|letter| {
                if letter.is_ascii_graphic() && letter != '"' && letter != '\\' || letter == ' ' { letter } else { '_' }
            })
            .collect();
        let disposition = format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{}", percent(name));
        if let Ok(value) = HeaderValue::from_str(&disposition) {
            answer.headers_mut().insert(header::CONTENT_DISPOSITION, value);
        }
    }
    // A stored page must not run as one of ours.
    answer.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(answer)
}

/// RFC 5987.
fn percent(name: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("a string takes all");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_an_empty_object() {
        assert_eq!(parse::<Object>(b" \n").expect("fits"), Object::new());
    }

    #[test]
    fn deep_json_is_refused_before_it_is_read() {
        let deep = "[".repeat(100_000);
        let error = parse::<Value>(deep.as_bytes()).expect_err("too deep");
        assert_eq!(error.status, StatusCode::BAD_REQUEST);
        assert!(error.message.contains("deeper"), "{}", error.message);
        assert!(parse::<Value>(b"{\"a\": \"[[[[\\\"[[\"}").is_ok());
    }

    #[test]
    fn the_character_that_no_database_keeps_is_refused() {
        let error = parse::<Value>(b"{\"a\": [\"x\\u0000\"]}").expect_err("refused");
        assert!(error.message.contains("U+0000"));
        assert!(parse::<Value>(b"{\"a\": \"\\\\u0000\"}").is_ok());
    }

    #[test]
    fn a_file_name_is_told_twice() {
        let answer = file(Vec::new(), "text/plain", Some("grün\".txt")).expect("an answer");
        let told = answer.headers()[header::CONTENT_DISPOSITION].to_str().expect("text");
        assert_eq!(told, "attachment; filename=\"gr_n_.txt\"; filename*=UTF-8''gr%C3%BCn%22.txt");
    }
}
