//! What a handler may use: the clock, named connections, secrets, HTTP clients that connect to checked addresses only.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::client::{Client, Roots};
use super::net::Allow;
use super::registry::Config;
use super::{Answer, BpmnError, Connection, Job, Kind, Outcome, Secret, Trouble};
use crate::base::time::Timestamp;
use crate::base::variable::Variables;

/// The demo's time is virtual, a server's is the partition's.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Given to one run of a handler; clones share what the run has seen.
#[derive(Clone)]
pub struct Cx {
    clock: Clock,
    /// The executor sets it on `AbortJob`, on a lost lease and at shutdown.
    pub cancelled: CancellationToken,
    outside: Arc<Outside>,
    tenant: String,
    seen: Arc<Mutex<Vec<Secret>>>,
}

/// What all runs share.
pub(crate) struct Outside {
    pub(crate) config: Config,
    clients: Mutex<BTreeMap<(String, String), Client>>,
    sessions: Mutex<BTreeMap<(String, String), Session>>,
}

/// A sign-in kept between runs: empty until the first, and again when the other side has forgotten it.
pub(crate) type Session = Arc<tokio::sync::Mutex<Option<String>>>;

impl Outside {
    pub(crate) fn new(config: Config) -> Self {
        Self { config, clients: Mutex::default(), sessions: Mutex::default() }
    }
}

impl Cx {
    pub(crate) fn new(outside: Arc<Outside>, clock: Clock, cancelled: CancellationToken) -> Self {
        Self { clock, cancelled, outside, tenant: String::new(), seen: Arc::default() }
    }

    /// For this job: secrets and connections are its tenant's. Our own topics do it first; another handler has to.
    pub fn of(mut self, job: &Job) -> Self {
        self.tenant.clone_from(&job.tenant);
        self
    }

    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    pub(crate) fn config(&self) -> &Config {
        &self.outside.config
    }

    /// The connection of this name, which must be of one of the kinds that the topic speaks.
    pub fn connection(&self, name: &str, kinds: &[Kind]) -> Answer<Connection> {
        let found = self.outside.config.connections.get(&self.tenant, name);
        let found = found.ok_or_else(|| {
            Trouble::wrong(format!("there is no connection `{name}` for this tenant: an administrator can add it"))
        })?;
        if !kinds.contains(&found.kind) {
            return Err(Trouble::wrong(format!(
                "connection `{name}` is of kind {:?}, this topic needs {kinds:?}",
                found.kind
            )));
        }
        Ok(found.clone())
    }

    /// A secret that the job's inputs name.
    pub fn secret(&self, reference: &str) -> Answer<Secret> {
        self.fetch(&self.tenant, reference)
    }

    /// The secret of a connection: its own tenant's, for it may be shared.
    pub fn secret_of(&self, connection: &Connection) -> Answer<Secret> {
        let Some(reference) = &connection.secret else {
            return Err(Trouble::wrong(format!(
                "connection `{}` has no secret: add a reference such as secret://name",
                connection.name
            )));
        };
        self.fetch(&connection.tenant, reference)
    }

    /// A part of a secret that was fetched, such as the password in `user:password`; as secret as the whole.
    pub(crate) fn part_of_secret(&self, part: &str) -> Secret {
        let secret = Secret::new(part);
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(secret.clone());
        secret
    }

    fn fetch(&self, tenant: &str, reference: &str) -> Answer<Secret> {
        let secret = self.outside.config.secrets.resolve(tenant, reference);
        let secret = secret.map_err(Trouble::Wrong)?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.push(secret.clone());
        Ok(secret)
    }

    /// What the tenant may reach without a named connection.
    pub(crate) fn allowed(&self) -> Allow {
        let config = &self.outside.config;
        let given = config.allow.get(&self.tenant).or_else(|| config.connections.allowed(&self.tenant));
        given.cloned().unwrap_or_default()
    }

    /// The client of a connection; kept, so that its sockets are used again.
    pub(crate) fn client(&self, connection: &Connection) -> Answer<Client> {
        let roots = match &connection.ca {
            _ if connection.address.starts_with("http:") => Roots::None,
            Some(pem) => Roots::Only(pem.clone()),
            None => Roots::Platform,
        };
        let key = (connection.tenant.clone(), connection.name.clone());
        self.kept_client(key, &connection.allow, roots)
    }

    /// The client for addresses given in a model.
    pub(crate) fn free_client(&self, secured: bool) -> Answer<Client> {
        let roots = if secured { Roots::Platform } else { Roots::None };
        // a connection's name is never empty or a scheme with a colon
        let name = if secured { "https:" } else { "http:" };
        self.kept_client((self.tenant.clone(), name.into()), &self.allowed(), roots)
    }

    fn kept_client(&self, key: (String, String), allow: &Allow, roots: Roots) -> Answer<Client> {
        let clients = &self.outside.clients;
        let mut clients = clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        let client = Client::new(allow, roots).map_err(Trouble::Wrong)?;
        clients.insert(key, client.clone());
        Ok(client)
    }

    pub(crate) fn session(&self, connection: &Connection) -> Session {
        let sessions = &self.outside.sessions;
        let mut sessions = sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (connection.tenant.clone(), connection.name.clone());
        sessions.entry(key).or_default().clone()
    }

    /// Takes every secret that this run has fetched out of what it answers: other systems echo what they are sent.
    pub(crate) fn redact(&self, outcome: Outcome) -> Outcome {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.is_empty() {
            return outcome;
        }
        let text = |text: String| redacted(text, &seen);
        match outcome {
            Outcome::Complete(variables) => Outcome::Complete(redacted_all(variables, &seen)),
            Outcome::Error(error) => Outcome::Error(BpmnError {
                code: error.code,
                message: error.message.map(text),
                variables: redacted_all(error.variables, &seen),
            }),
            Outcome::Retry { after, reason } => Outcome::Retry { after, reason: text(reason) },
            Outcome::Fail(reason) => Outcome::Fail(text(reason)),
            Outcome::Unknown(reason) => Outcome::Unknown(text(reason)),
        }
    }
}

fn redacted(mut text: String, secrets: &[Secret]) -> String {
    for secret in secrets {
        let secret = secret.expose();
        if !secret.is_empty() && text.contains(secret) {
            text = text.replace(secret, "[secret]");
        }
    }
    text
}

fn redacted_all(variables: Variables, secrets: &[Secret]) -> Variables {
    let mut variables = variables;
    let mut open: Vec<&mut Value> = variables.values_mut().map(|one| &mut one.value).collect();
    while let Some(value) = open.pop() {
        match value {
            Value::String(text) => *text = redacted(std::mem::take(text), secrets),
            Value::Array(list) => open.extend(list),
            Value::Object(map) => open.extend(map.values_mut()),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    variables
}
