//! Where the database is: one server, or several of which one takes writes.
//!
//! An address may list hosts as libpq has it (PostgreSQL, "Connection URIs"): `postgres://user@a:5432,b:5433/name`, or
//! `postgres:///name?host=/folder,/other&port=5432,5433`. Of a list the first that takes writes is used, beginning with the one
//! that was found last. Whoever finds another one than before moves all: sessions of the former one are closed.

use crate::store::error::StoreError;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection, Postgres};
use std::future::Future;
use std::io;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use url::form_urlencoded;

/// A host of a list that has not answered by then is passed over. One that lives answers within milliseconds; of one that is gone
/// nothing comes back at all, and two such must not take longer than a read may wait.
const HOST_DEADLINE: Duration = Duration::from_secs(2);
const WRITABLE: &str = "SELECT NOT pg_is_in_recovery() AND NOT current_setting('transaction_read_only')::boolean";

#[derive(Clone, Debug)]
pub(in crate::store) struct Hosts {
    each: Vec<Host>,
    /// Whether one is looked for that takes writes; a single host is taken as it is.
    chosen: bool,
    now: Arc<Now>,
}

#[derive(Clone, Debug)]
struct Host {
    /// As people know it: without user and password.
    name: String,
    options: PgConnectOptions,
}

#[derive(Debug, Default)]
struct Now {
    /// The place that is tried first.
    first: AtomicUsize,
    /// The place that was found last, with the number of times that it was another one than before.
    found: watch::Sender<(usize, u64)>,
}

impl Hosts {
    pub(super) fn read(address: &str) -> Result<Self, StoreError> {
        let Listed { hosts, chosen } = listed(address)?;
        let many = hosts.len() > 1;
        let mut each = Vec::with_capacity(hosts.len());
        for (name, address) in hosts {
            let options = PgConnectOptions::from_str(&address).map_err(|error| match many {
                true => StoreError::Hosts(format!("{name}: {error}")),
                false => StoreError::Address(address.clone()),
            })?;
            each.push(Host { name, options });
        }
        Ok(Self { each, chosen, now: Arc::default() })
    }

    /// The same hosts with other options; what is found by one is known to the other.
    pub(super) fn with(mut self, change: impl Fn(PgConnectOptions) -> PgConnectOptions) -> Self {
        for host in &mut self.each {
            host.options = change(host.options.clone());
        }
        self
    }

    /// A session with the host that takes writes; else what each of them said.
    pub(super) async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        self.find().await.map(|(_, connection)| connection)
    }

    /// The options of the host that takes writes now.
    pub(in crate::store) async fn options(&self) -> Result<PgConnectOptions, sqlx::Error> {
        if !self.chosen {
            return Ok(self.each[0].options.clone());
        }
        let (place, connection) = self.find().await?;
        let _closed = sqlx::Connection::close(connection).await;
        Ok(self.each[place].options.clone())
    }

    async fn find(&self) -> Result<(usize, PgConnection), sqlx::Error> {
        if !self.chosen {
            return Ok((0, self.each[0].options.connect().await?));
        }
        let first = self.now.first.load(Ordering::SeqCst);
        let mut words = Vec::new();
        for place in (first..first + self.each.len()).map(|place| place % self.each.len()) {
            match self.each[place].writable().await {
                Ok(connection) => {
                    self.found(place);
                    return Ok((place, connection));
                }
                Err(why) => words.push(format!("{}: {why}", self.each[place].name)),
            }
        }
        Err(sqlx::Error::Io(io::Error::other(format!("no host takes writes: {}", words.join("; ")))))
    }

    fn found(&self, place: usize) {
        self.now.first.store(place, Ordering::SeqCst);
        let moved = self.now.found.send_if_modified(|(last, turn)| {
            let other = *last != place;
            if other {
                (*last, *turn) = (place, *turn + 1);
            }
            other
        });
        if moved {
            tracing::info!("the database that takes writes is at {}", self.each[place].name);
        }
    }

    /// How often the host has changed: a session of an earlier turn is with a former host.
    pub(in crate::store) fn turn(&self) -> u64 {
        self.now.found.borrow().1
    }

    /// Returns when the host is another one than in this turn.
    pub(in crate::store) async fn moved(&self, turn: u64) {
        let mut found = self.now.found.subscribe();
        // The sender lives as long as this: it is never closed.
        let _never = found.wait_for(|(_, now)| *now != turn).await.map(|_| ());
    }

    /// A session of this turn did not answer in time. It may be with a former leader that does not know yet that it is one, and
    /// takes commits that no standby confirms: the others are asked first.
    pub(in crate::store) fn doubt(&self, turn: u64) {
        let (place, now) = *self.now.found.borrow();
        if now == turn {
            self.now.first.store((place + 1) % self.each.len(), Ordering::SeqCst);
        }
    }

    /// Whether it pays to ask again after this error of [`Hosts::connect`].
    pub(super) fn may_come(&self, error: &sqlx::Error) -> bool {
        match error {
            sqlx::Error::Io(error) => self.chosen || error.kind() == io::ErrorKind::ConnectionRefused,
            sqlx::Error::Database(error) => matches!(error.code().as_deref(), Some("57P03" | "53300")),
            _ => false,
        }
    }
}

impl Host {
    async fn writable(&self) -> Result<PgConnection, String> {
        let asked = async {
            let mut connection = self.options.connect().await?;
            let question = sqlx::query_scalar::<Postgres, bool>(WRITABLE).persistent(false);
            Ok::<_, sqlx::Error>((question.fetch_one(&mut connection).await?, connection))
        };
        match within(asked).await {
            Some(Ok((true, connection))) => Ok(connection),
            Some(Ok((false, _))) => Err("it takes no writes".to_owned()),
            Some(Err(error)) => Err(error.to_string()),
            None => Err(format!("no answer within {} ms", HOST_DEADLINE.as_millis())),
        }
    }
}

async fn within<T>(call: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(HOST_DEADLINE, call).await.ok()
}

/// Name and address of each host.
#[derive(Debug, PartialEq, Eq)]
struct Listed {
    hosts: Vec<(String, String)>,
    chosen: bool,
}

fn listed(address: &str) -> Result<Listed, StoreError> {
    let parts = Parts::of(address).ok_or_else(|| StoreError::Address(address.to_owned()))?;
    let attributes = parts.value("target_session_attrs");
    if let Some(other) = attributes.as_deref().filter(|one| !["read-write", "primary"].contains(one)) {
        return Err(bad(format!("target_session_attrs is {other:?}; a server that writes needs \"read-write\"")));
    }
    let in_query = parts.value("host").filter(|hosts| hosts.contains(','));
    if in_query.is_none() && !parts.authority.contains(',') {
        let address = if attributes.is_some() { parts.single() } else { address.to_owned() };
        return Ok(Listed { hosts: vec![(parts.authority.to_owned(), address)], chosen: attributes.is_some() });
    }
    let mut hosts = match &in_query {
        Some(hosts) => hosts.split(',').map(|host| (host.to_owned(), None)).collect(),
        None => parts.authority.split(',').map(host_and_port).collect::<Result<Vec<_>, _>>()?,
    };
    let ports = match parts.value("port") {
        Some(ports) => ports.split(',').map(port).collect::<Result<Vec<_>, _>>()?,
        // the one that stands behind the host which the query's hosts replace
        None if in_query.is_some() => host_and_port(parts.authority)?.1.into_iter().collect(),
        None => Vec::new(),
    };
    if ports.len() > 1 && ports.len() != hosts.len() {
        return Err(bad(format!("{} hosts, but {} ports: one for each, or one for all", hosts.len(), ports.len())));
    }
    for (place, (host, port)) in hosts.iter_mut().enumerate() {
        if host.is_empty() {
            return Err(bad(format!("host {} has no name", place + 1)));
        }
        *port = ports.get(place).or(ports.first()).copied().or(*port);
    }
    Ok(Listed { hosts: hosts.into_iter().map(|(host, port)| parts.one(&host, port)).collect(), chosen: true })
}

fn bad(words: String) -> StoreError {
    StoreError::Hosts(words)
}

fn port(text: &str) -> Result<u16, StoreError> {
    text.parse().ok().filter(|port| *port > 0).ok_or_else(|| bad(format!("{text:?} is no port: 1 to 65535")))
}

/// `host`, `host:port`, `[IPv6]` or `[IPv6]:port`.
fn host_and_port(text: &str) -> Result<(String, Option<u16>), StoreError> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(inside) => {
            let end = inside.find(']').ok_or_else(|| bad(format!("{text:?} has no \"]\"")))? + 2;
            (&text[..end], &text[end..])
        }
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    match rest.strip_prefix(':') {
        Some(number) => Ok((host.to_owned(), Some(port(number)?))),
        None if rest.is_empty() => Ok((host.to_owned(), None)),
        None => Err(bad(format!("{rest:?} stands behind {host:?}"))),
    }
}

/// An address as its parts stand in it.
struct Parts<'a> {
    scheme: &'a str,
    /// With its `@`, or empty.
    user: &'a str,
    authority: &'a str,
    /// With its `/`, or empty.
    path: &'a str,
    query: Vec<(String, String)>,
}

impl<'a> Parts<'a> {
    fn of(address: &'a str) -> Option<Self> {
        let (scheme, rest) = address.split_once("://")?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (user, authority) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
        let query = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Some(Self { scheme, user, authority, path, query })
    }

    fn value(&self, key: &str) -> Option<String> {
        self.query.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value.clone())
    }

    /// What the driver does not know is left out.
    fn single(&self) -> String {
        self.address(self.authority, &["target_session_attrs"], &[])
    }

    fn one(&self, host: &str, port: Option<u16>) -> (String, String) {
        let number = port.map(|port| port.to_string());
        let behind = number.iter().map(|number| format!(":{number}")).collect::<String>();
        let without = ["target_session_attrs", "host", "port"];
        if host.starts_with('/') {
            let more: Vec<(&str, &str)> =
                [("host", host)].into_iter().chain(number.iter().map(|number| ("port", number.as_str()))).collect();
            return (format!("{host}{behind}"), self.address("localhost", &without, &more));
        }
        // an IPv6 in a query needs no brackets, one before a port does
        let host = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() };
        let place = format!("{host}{behind}");
        let address = self.address(&place, &without, &[]);
        (place, address)
    }

    fn address(&self, authority: &str, without: &[&str], more: &[(&str, &str)]) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.query.iter().filter(|(name, _)| !without.contains(&name.as_str())));
        query.extend_pairs(more);
        let query = query.finish();
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{}://{}{authority}{}{mark}{query}", self.scheme, self.user, self.path)
    }
}

#[cfg(test)]
mod tests;
