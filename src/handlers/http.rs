//! `http.request`: one HTTP exchange with an address of the model or a named connection.
//!
//! The call carries `Idempotency-Key` and the lease as `X-Transhume-Fence`. An unexpected answer is the BPMN error
//! `HTTP_STATUS`; 5xx, 429 and a broken exchange are tried again. Policy: `retry` for GET, HEAD, OPTIONS, PUT and DELETE;
//! `at_most_once` for POST and PATCH, unless the element says that the other side honours the key (`transhume.policy`).

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::client::{Client, Reply, Request};
use super::input::{Count, Name};
use super::registry::Topic;
use super::{Answer, Cx, Job, Kind, Policy, Trouble};
use crate::base::variable::{Variables, from_json};

/// The topic's limit, and so the exchange's.
const SECONDS: u64 = 60;

pub(super) fn topics() -> Vec<Topic> {
    vec![Topic::new("http.request", Policy::Retry, SECONDS, request).policy_by(policy)]
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    url: Option<String>,
    connection: Option<String>,
    path: Option<String>,
    method: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, Name>,
    #[serde(default)]
    query: BTreeMap<String, Name>,
    body: Option<Value>,
    expect_status: Option<Expected>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Expected {
    One(Count),
    Any(Vec<Count>),
}

fn policy(job: &Job) -> Policy {
    let method = job.variables.get("method").and_then(|one| one.value.as_str());
    match method.unwrap_or("GET").to_ascii_uppercase().as_str() {
        "GET" | "HEAD" | "OPTIONS" | "PUT" | "DELETE" => Policy::Retry,
        _ => Policy::AtMostOnce,
    }
}

async fn request(job: Job, cx: Cx) -> Answer {
    let input: Input = job.input()?;
    let (client, mut request) = begin(&input, &cx)?;
    request.within = job.timeout()?.unwrap_or(Duration::from_secs(SECONDS));
    request.keyed(&job)?;
    match &input.body {
        Some(Value::String(text)) => {
            request.header("content-type", "text/plain; charset=utf-8")?;
            request.body = Some(text.clone().into_bytes());
        }
        Some(body) => request.json(body),
        None => {}
    }
    for (name, value) in &input.headers {
        if name.eq_ignore_ascii_case("host") {
            return Err(Trouble::wrong("the header host is made from the address; take it out"));
        }
        request.header(name, &value.0)?;
    }
    judge(client.send(request).await?, input.expect_status.as_ref())
}

fn begin(input: &Input, cx: &Cx) -> Answer<(Client, Request)> {
    let method = input.method.as_deref().unwrap_or("GET").to_ascii_uppercase();
    let method =
        Method::from_bytes(method.as_bytes()).map_err(|_| Trouble::wrong(format!("`{method}` is no HTTP method")))?;
    let (client, mut url, connection) = match (&input.connection, &input.url) {
        (Some(name), None) => {
            let connection = cx.connection(name, &[Kind::Http])?;
            let base = connection.url().map_err(Trouble::Wrong)?;
            let url = below(&base, input.path.as_deref().unwrap_or_default())?;
            (cx.client(&connection)?, url, Some(connection))
        }
        (None, Some(text)) => {
            let url = Url::parse(text).map_err(|error| Trouble::wrong(format!("the input url is no URL: {error}")))?;
            if !url.username().is_empty() || url.password().is_some() {
                return Err(Trouble::wrong("the input url holds a password: use a connection with a secret"));
            }
            (cx.free_client(url.scheme() == "https")?, url, None)
        }
        (Some(_), Some(_)) | (None, None) => {
            return Err(Trouble::wrong("give either url, or connection and path"));
        }
    };
    if !input.query.is_empty() {
        let pairs = input.query.iter().map(|(name, value)| (name, &value.0));
        url.query_pairs_mut().extend_pairs(pairs);
    }
    let mut request = Request::new(method, url);
    if let Some(connection) = connection
        && connection.secret.is_some()
    {
        let secret = cx.secret_of(&connection)?;
        match &connection.user {
            Some(user) => request.basic(user, &secret)?,
            None => request.header("authorization", &format!("Bearer {}", secret.expose()))?,
        }
    }
    Ok((client, request))
}

/// A path below the connection's address: its secret must not go elsewhere.
fn below(base: &Url, path: &str) -> Answer<Url> {
    let folder = base.path().trim_end_matches('/').to_owned();
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut url = base.clone();
    url.set_path(&format!("{folder}/{}", path.trim_start_matches('/')));
    url.set_query((!query.is_empty()).then_some(query));
    let inside = url.path().strip_prefix(&folder);
    if inside.is_none_or(|rest| !rest.is_empty() && !rest.starts_with('/')) {
        return Err(Trouble::wrong(format!("the path `{path}` leaves the connection's address {base}")));
    }
    Ok(url)
}

fn judge(reply: Reply, expected: Option<&Expected>) -> Answer {
    let status = u64::from(reply.status);
    let fits = match expected {
        Some(Expected::One(one)) => one.0 == status,
        Some(Expected::Any(list)) => list.iter().any(|one| one.0 == status),
        None => (200..300).contains(&status),
    };
    if fits {
        return Ok(told(&reply));
    }
    let words = format!("status {status}: {}", excerpt(&reply.text()));
    match status {
        // it says of itself that it did nothing
        429 => Err(Trouble::Transport { reason: words, after: reply.retry_after(), reached: super::Reached::Nothing }),
        500.. => {
            Err(Trouble::Transport { reason: words, after: reply.retry_after(), reached: super::Reached::Perhaps })
        }
        _ => Err(Trouble::error_with("HTTP_STATUS", words, told(&reply))),
    }
}

fn told(reply: &Reply) -> Variables {
    let body = serde_json::from_slice(&reply.body).unwrap_or_else(|_| Value::String(reply.text()));
    let body = if reply.body.is_empty() { Value::Null } else { body };
    from_json(json!({"status": reply.status, "body": body, "headers": reply.headers}))
}

/// The first words of an answer, for a person to read.
pub(super) fn excerpt(text: &str) -> String {
    const CHARACTERS: usize = 300;
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(CHARACTERS).collect();
    clean.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_below_the_connection() {
        let base = Url::parse("https://api.example.com/v1/").unwrap();
        let at = |path: &str| below(&base, path).map(|url| url.to_string());
        assert_eq!(at("/a?b=c").unwrap(), "https://api.example.com/v1/a?b=c");
        assert_eq!(at("").unwrap(), "https://api.example.com/v1/");
        assert!(at("../v2/a").is_err());
        assert!(at("%2e%2e/v2").is_err());
        assert_eq!(at("//evil.example/a").unwrap(), "https://api.example.com/v1/evil.example/a");
    }
}
