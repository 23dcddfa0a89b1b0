//! One HTTP exchange, as all handlers need it: to a checked address, without redirects and proxies, with a time limit, the
//! answer capped, failures told apart by whether the other side was reached.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Certificate, Method, redirect};
use url::{Host, Url};

use super::net::{self, Allow, NetError};
use super::{Answer, Job, Secret, Trouble};
use crate::base::limits;

const CONNECT: Duration = Duration::from_secs(10);
/// One exchange; a topic's own limit may be longer, as it may hold several.
pub(crate) const CALL: Duration = Duration::from_secs(30);
/// A server's `Retry-After` beyond this is a mistake.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);
/// An answer mostly becomes a variable, so it ends where they do.
const ANSWER_BYTES_MAX: usize = limits::VARIABLE_BYTES_MAX;

#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    allow: Arc<Allow>,
}

pub(crate) enum Roots {
    /// Plain HTTP: nothing is loaded, so that a machine without CA files can do it.
    None,
    Platform,
    /// PEM.
    Only(String),
}

pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) within: Duration,
    /// The answer's bytes.
    pub(crate) most: usize,
}

pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn new(method: Method, url: Url) -> Self {
        Self { method, url, headers: HeaderMap::new(), body: None, within: CALL, most: ANSWER_BYTES_MAX }
    }

    pub(crate) fn header(&mut self, name: &str, value: &str) -> Answer<()> {
        let name =
            HeaderName::try_from(name).map_err(|_| Trouble::wrong(format!("`{name}` is no name of an HTTP header")))?;
        let value = HeaderValue::try_from(value).map_err(|_| {
            Trouble::wrong(format!("the value of HTTP header {name} holds a character that cannot be sent"))
        })?;
        self.headers.insert(name, value);
        Ok(())
    }

    pub(crate) fn json(&mut self, body: &serde_json::Value) {
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.body = Some(body.to_string().into_bytes());
    }

    /// The key of the activation, the same for every attempt, and the number of this attempt's lease.
    pub(crate) fn keyed(&mut self, job: &Job) -> Answer<()> {
        self.header("idempotency-key", &job.key)?;
        self.header("x-transhume-fence", &job.lease_no.to_string())
    }

    pub(crate) fn basic(&mut self, user: &str, secret: &Secret) -> Answer<()> {
        let plain = format!("{user}:{}", secret.expose());
        let mut value = HeaderValue::try_from(format!("Basic {}", data_encoding::BASE64.encode(plain.as_bytes())))
            .expect("base64 is ASCII");
        value.set_sensitive(true);
        self.headers.insert(reqwest::header::AUTHORIZATION, value);
        Ok(())
    }
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self, who: &str) -> Answer<serde_json::Value> {
        serde_json::from_slice(&self.body).map_err(|error| Trouble::broken(format!("{who} answered no JSON: {error}")))
    }

    pub(crate) fn retry_after(&self) -> Option<Duration> {
        let seconds = self.headers.get(RETRY_AFTER.as_str())?.parse().ok()?;
        Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
    }
}

impl Client {
    pub(crate) fn new(allow: &Allow, roots: Roots) -> Result<Self, String> {
        let allow = Arc::new(allow.clone());
        let builder = reqwest::Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT)
            .dns_resolver(Arc::new(Checked(allow.clone())));
        let builder = match roots {
            Roots::Platform => builder,
            Roots::None => builder.tls_certs_only([]),
            Roots::Only(pem) => {
                let own = Certificate::from_pem_bundle(pem.as_bytes())
                    .map_err(|error| format!("the CA of the connection cannot be read: {error}"))?;
                builder.tls_certs_only(own)
            }
        };
        let http = builder.build().map_err(|error| {
            format!("no HTTP client can be made ({error}); without CA files give the connection its own CA")
        })?;
        Ok(Self { http, allow })
    }

    pub(crate) async fn send(&self, request: Request) -> Answer<Reply> {
        self.check(&request.url)?;
        let place = place(&request.url);
        let most = request.most;
        let failed = |error: reqwest::Error| failure(&place, error);
        let mut builder =
            self.http.request(request.method, request.url).headers(request.headers).timeout(request.within);
        if let Some(body) = request.body {
            builder = builder.body(body);
        }
        let mut response = builder.send().await.map_err(failed)?;
        let status = response.status().as_u16();
        let headers = response
            .headers()
            .iter()
            .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
            .collect();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > most {
                return Err(Trouble::wrong(format!(
                    "the answer of {place} is longer than {most} bytes: ask for less of it"
                )));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Reply { status, headers, body })
    }

    /// Literal addresses do not pass the resolver.
    fn check(&self, url: &Url) -> Answer<()> {
        let refused = |error: NetError| Trouble::wrong(error.to_string());
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Trouble::wrong(format!("{} is not spoken: only https and http", url.scheme())));
        }
        let port = url.port_or_known_default().unwrap_or(0);
        if !self.allow.ports.is_empty() && !self.allow.ports.contains(&port) {
            let allowed = self.allow.ports.clone();
            return Err(refused(NetError::Port { port, allowed }));
        }
        let address = match url.host() {
            Some(Host::Ipv4(address)) => address.into(),
            Some(Host::Ipv6(address)) => address.into(),
            Some(Host::Domain(_)) => return Ok(()),
            None => return Err(Trouble::wrong(format!("{url} names no host"))),
        };
        net::check(address, url.host_str().unwrap_or_default(), &self.allow).map_err(refused)
    }
}

/// Names resolve to checked addresses, and to those the client connects: a second answer of the name service is not asked.
struct Checked(Arc<Allow>);

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let allow = self.0.clone();
        Box::pin(async move {
            // the port was checked with the URL; the client puts its own in place of 0
            let any_port = Allow { ports: Vec::new(), ..(*allow).clone() };
            let found = net::resolve(name.as_str(), 0, &any_port).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

fn failure(place: &str, error: reqwest::Error) -> Trouble {
    let mut cause = error.source();
    let mut words = String::new();
    while let Some(inner) = cause {
        if let Some(refused) = inner.downcast_ref::<NetError>().filter(|one| one.is_refusal()) {
            return Trouble::wrong(refused.to_string());
        }
        words = inner.to_string();
        cause = inner.source();
    }
    if error.is_connect() {
        return Trouble::unreached(format!("cannot connect to {place}: {words}"));
    }
    if error.is_timeout() {
        return Trouble::broken(format!("{place} did not answer in time"));
    }
    if words.is_empty() {
        words = error.without_url().to_string();
    }
    Trouble::broken(format!("the exchange with {place} broke off: {words}"))
}

/// Scheme, host and port: a path may hold what nobody else should read.
pub(crate) fn place(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default())
}
