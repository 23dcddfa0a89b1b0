//! `vr.*`: vSphere Replication REST v2. The connection's address ends in `/api/rest/vr/v2`; user and secret sign in at the
//! session, whose id goes along as `x-dr-session`; a session that the server has forgotten is renewed once.
//!
//! Options of the connection: `pairing` (its id, where there are several), `datastore` (the target's, by name), and the
//! link's law, `fixedSeconds` and `secondsPerGb`, by which `expectedAt` is told.

mod replication;
mod status;

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::client::{Client, Reply, Request};
use super::context::Session;
use super::http::excerpt;
use super::registry::Topic;
use super::{Answer, Connection, Cx, Job, Kind, Policy, Secret, Trouble};
use crate::base::variable::from_json;

const READ_SECONDS: u64 = 60;
const WRITE_SECONDS: u64 = 300;

pub(super) fn topics() -> Vec<Topic> {
    let (read, confirm) = (Policy::Retry, Policy::Confirm);
    vec![
        Topic::new("vr.capability", read, READ_SECONDS, capability),
        Topic::new("vr.configure", confirm, WRITE_SECONDS, replication::configure),
        Topic::new("vr.status", read, READ_SECONDS, status::status),
        Topic::new("vr.sync", confirm, WRITE_SECONDS, replication::sync),
        Topic::new("vr.unconfigure", confirm, WRITE_SECONDS, replication::unconfigure),
    ]
}

/// The API of one connection, signed in.
struct Api {
    client: Client,
    base: Url,
    user: String,
    secret: Secret,
    session: Session,
    connection: Connection,
}

/// The sites of a pairing.
struct Pairing {
    id: String,
    source: String,
    target: String,
}

impl Api {
    fn new(cx: &Cx, connection: &str) -> Answer<Self> {
        let connection = cx.connection(connection, &[Kind::Vr])?;
        let user = connection
            .user
            .clone()
            .ok_or_else(|| Trouble::wrong(format!("connection `{}` has no user", connection.name)))?;
        Ok(Self {
            client: cx.client(&connection)?,
            base: connection.url().map_err(Trouble::Wrong)?,
            user,
            secret: cx.secret_of(&connection)?,
            session: cx.session(&connection),
            connection,
        })
    }

    fn option(&self, name: &str) -> Option<&str> {
        self.connection.options.get(name).map(String::as_str)
    }

    fn request(&self, method: Method, path: &str) -> Request {
        let mut url = self.base.clone();
        let folder = url.path().trim_end_matches('/').to_owned();
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        url.set_path(&format!("{folder}/{path}"));
        url.set_query((!query.is_empty()).then_some(query));
        Request::new(method, url)
    }

    async fn get(&self, path: &str) -> Answer<Value> {
        self.call(Method::GET, path, None).await
    }

    async fn post(&self, path: &str, body: Option<Value>) -> Answer<Value> {
        self.call(Method::POST, path, body).await
    }

    /// The answer's JSON; a refusal of the service needs a person.
    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer<Value> {
        let reply = self.exchange(method, path, body).await?;
        match reply.status {
            200..300 if reply.body.is_empty() => Ok(Value::Null),
            200..300 => reply.json("vSphere Replication"),
            429 | 500.. => Err(Trouble::broken(self.refusal(&reply))),
            _ => Err(Trouble::wrong(self.refusal(&reply))),
        }
    }

    fn refusal(&self, reply: &Reply) -> String {
        let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        let words = body["message"].as_str().map_or_else(|| excerpt(&reply.text()), str::to_owned);
        format!("vSphere Replication ({}) answered {}: {words}", self.connection.name, reply.status)
    }

    async fn exchange(&self, method: Method, path: &str, body: Option<Value>) -> Answer<Reply> {
        let mut session = self.session(None).await?;
        for last in [false, true] {
            let mut request = self.request(method.clone(), path);
            request.header("x-dr-session", &session)?;
            if let Some(body) = &body {
                request.json(body);
            }
            let reply = self.client.send(request).await?;
            if reply.status != 401 || last {
                return Ok(reply);
            }
            session = self.session(Some(&session)).await?;
        }
        unreachable!("the second exchange is the last")
    }

    /// The kept session, or a new one in place of the one that was refused.
    async fn session(&self, refused: Option<&str>) -> Answer<String> {
        let mut kept = self.session.lock().await;
        if let Some(session) = kept.as_deref().filter(|own| Some(*own) != refused) {
            return Ok(session.to_owned());
        }
        let mut request = self.request(Method::POST, "session");
        request.basic(&self.user, &self.secret)?;
        let reply = self.client.send(request).await?;
        if reply.status != 200 {
            return Err(match reply.status {
                429 | 500.. => Trouble::broken(self.refusal(&reply)),
                _ => Trouble::wrong(format!("{}: user and secret do not fit", self.refusal(&reply))),
            });
        }
        let body = reply.json("vSphere Replication")?;
        let session = body["session_id"].as_str().unwrap_or_default().to_owned();
        *kept = Some(session.clone());
        Ok(session)
    }

    /// The pairing that the connection names, else the only one.
    async fn pairing(&self) -> Answer<Pairing> {
        let list = self.get("pairings").await?;
        let list = list["list"].as_array().cloned().unwrap_or_default();
        let wanted = self.option("pairing");
        let mut fitting = list.iter().filter(|one| wanted.is_none_or(|id| one["pairing_id"] == id));
        let (Some(one), None) = (fitting.next(), fitting.next()) else {
            return Err(Trouble::wrong(format!(
                "vSphere Replication ({}) has {} pairings: give the connection's option `pairing`",
                self.connection.name,
                list.len()
            )));
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(Pairing {
            id: text(&one["pairing_id"]),
            source: text(&one["local_vc_server"]["id"]),
            target: text(&one["remote_vc_server"]["id"]),
        })
    }
}

impl Pairing {
    /// How the service names a server of the source.
    fn vm(&self, moref: &str) -> String {
        format!("VirtualMachine:{moref}:{}", self.source)
    }
}

#[derive(Deserialize)]
struct Capability {
    connection: String,
    vm: String,
}

async fn capability(job: Job, cx: Cx) -> Answer {
    let input: Capability = job.input()?;
    let api = Api::new(&cx, &input.connection)?;
    let pairing = api.pairing().await?;
    let verdict = verdict(&api, &pairing, &input.vm).await?;
    let capable = verdict.is_empty();
    Ok(from_json(json!({"capable": capable, "reasons": verdict})))
}

/// Why the server cannot be replicated; empty: it can. One that is replicated already can be.
async fn verdict(api: &Api, pairing: &Pairing, moref: &str) -> Answer<Vec<String>> {
    let path = format!("pairings/{}/vcenters/{}/vms/{}/capability", pairing.id, pairing.source, pairing.vm(moref));
    let told = api.get(&path).await?;
    let status = told["vm_validation_status"].as_str().unwrap_or("UNKNOWN");
    let mut reasons = Vec::new();
    if !matches!(status, "OK" | "ALREADY_CONFIGURED") {
        reasons.push(status.to_owned());
        let more = told["replication_not_supported_reasons"].as_array().into_iter().flatten();
        reasons.extend(more.filter_map(|one| one.as_str().map(str::to_owned)));
    }
    Ok(reasons)
}
