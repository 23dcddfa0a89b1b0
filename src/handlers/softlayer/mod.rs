//! `softlayer.*`: SoftLayer (IBM Cloud Classic) REST v3.1. The connection's address ends in `/rest/v3.1`, its user is the API
//! user, its secret the API key.
//!
//! Reads have policy `retry`. What orders, routes, asks or cancels has policy `confirm`: each looks first whether an earlier
//! attempt took effect, by the order's key (host name, VLAN name), the pair of gateway and VLAN, or the ticket's title.

mod network;
mod order;
mod status;
mod ticket;

use reqwest::Method;
use serde_json::{Value, json};
use url::Url;

use super::client::{Client, Request};
use super::input::Name;
use super::registry::Topic;
use super::{Answer, Connection, Cx, Kind, Policy, Reached, Secret, Trouble};

const READ_SECONDS: u64 = 60;
const WRITE_SECONDS: u64 = 180;

pub(super) fn topics() -> Vec<Topic> {
    let (read, confirm) = (Policy::Retry, Policy::Confirm);
    vec![
        Topic::new("softlayer.verify-order", read, READ_SECONDS, order::verify),
        Topic::new("softlayer.place-order", confirm, WRITE_SECONDS, order::place),
        Topic::new("softlayer.cancel", confirm, WRITE_SECONDS, order::cancel),
        Topic::new("softlayer.status", read, READ_SECONDS, status::status),
        Topic::new("softlayer.gateway-status", read, READ_SECONDS, status::gateway),
        Topic::new("softlayer.attach-vlan", confirm, WRITE_SECONDS, network::attach),
        Topic::new("softlayer.detach-vlan", confirm, WRITE_SECONDS, network::detach),
        Topic::new("softlayer.create-ticket", confirm, WRITE_SECONDS, ticket::create),
        Topic::new("softlayer.ticket-status", read, READ_SECONDS, ticket::status),
    ]
}

/// What can be ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Ware {
    Gateway,
    Host,
    VirtualServer,
    Vlan,
}

/// The API of one connection.
struct Api {
    client: Client,
    base: Url,
    user: String,
    key: Secret,
    name: String,
}

/// Why a call failed: the service's own error, or trouble on the way.
enum Failed {
    /// The service refused; it has done nothing.
    Refused {
        code: String,
        words: String,
    },
    Absent,
    Trouble(Trouble),
}

impl From<Trouble> for Failed {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl Failed {
    /// No modelled failure is meant: the refusal needs a person.
    fn trouble(self, what: &str) -> Trouble {
        match self {
            Self::Refused { code, words } => Trouble::wrong(format!("SoftLayer refused {what}: {words} ({code})")),
            Self::Absent => Trouble::wrong(format!("SoftLayer does not know {what}")),
            Self::Trouble(trouble) => trouble,
        }
    }
}

impl Api {
    fn new(cx: &Cx, connection: &str) -> Answer<Self> {
        let connection: Connection = cx.connection(connection, &[Kind::Softlayer])?;
        let user = connection
            .user
            .clone()
            .ok_or_else(|| Trouble::wrong(format!("connection `{}` has no user: add the API user", connection.name)))?;
        Ok(Self {
            client: cx.client(&connection)?,
            base: connection.url().map_err(Trouble::Wrong)?,
            user,
            key: cx.secret_of(&connection)?,
            name: connection.name,
        })
    }

    /// Reads: `path` is service, id and method.
    async fn get(&self, path: &str, mask: &str, filter: Option<Value>) -> Result<Value, Failed> {
        let mut url = self.url(path);
        if !mask.is_empty() {
            url.query_pairs_mut().append_pair("objectMask", &format!("mask[{mask}]"));
        }
        if let Some(filter) = filter {
            url.query_pairs_mut().append_pair("objectFilter", &filter.to_string());
        }
        self.send(Request::new(Method::GET, url)).await
    }

    async fn post(&self, path: &str, parameters: Value) -> Result<Value, Failed> {
        let mut request = Request::new(Method::POST, self.url(path));
        request.json(&json!({ "parameters": parameters }));
        self.send(request).await
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        let folder = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{folder}/{path}.json"));
        url
    }

    async fn send(&self, mut request: Request) -> Result<Value, Failed> {
        request.basic(&self.user, &self.key)?;
        let reply = self.client.send(request).await?;
        let after = reply.retry_after();
        let parsed: Option<Value> = serde_json::from_slice(&reply.body).ok();
        let error = parsed.as_ref().and_then(|body| body["error"].as_str()).map(str::to_owned);
        let code = parsed.as_ref().and_then(|body| body["code"].as_str()).unwrap_or_default();
        let who = format!("SoftLayer ({})", self.name);
        let again = |reason: String, reached| Failed::Trouble(Trouble::Transport { reason, after, reached });
        match (reply.status, error) {
            (200..300, _) => parsed.ok_or_else(|| Trouble::broken(format!("{who} answered no JSON")).into()),
            (401, words) => Err(Failed::Trouble(Trouble::wrong(format!(
                "{who} does not accept the API key: {}",
                words.unwrap_or_default()
            )))),
            (404, _) => Err(Failed::Absent),
            (429, words) => Err(again(format!("{who} asks to wait: {}", words.unwrap_or_default()), Reached::Nothing)),
            // the service's exceptions come as 500, each with its code; without one nobody knows what was done
            (status, Some(words)) if status != 503 && !code.is_empty() => {
                Err(Failed::Refused { code: code.to_owned(), words })
            }
            (status, words) => {
                Err(again(format!("{who} answered status {status} {}", words.unwrap_or_default()), Reached::Perhaps))
            }
        }
    }
}

/// An id as part of a path.
fn id(value: &Name) -> Answer<u64> {
    value.0.parse().map_err(|_| Trouble::wrong(format!("`{}` is no id of SoftLayer: a number is needed", value.0)))
}

fn first(list: Value) -> Option<Value> {
    match list {
        Value::Array(list) => list.into_iter().next(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => None,
    }
}
