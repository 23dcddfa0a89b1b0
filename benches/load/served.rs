//! The built program as a server in a process of its own, and a client of it over HTTP.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderValue, SET_COOKIE};
use serde_json::{Value, json};

use super::Failure;
use super::support::binary::binary;
use super::support::serve::{PASSWORD, USER, basic};

const TOKEN: &str = "a-token-of-the-benchmark";

pub(crate) struct Served {
    child: Child,
    pub(crate) base: String,
    /// From the start of the process to the line that says it listens.
    pub(crate) took: Duration,
}

/// A signed-in caller; cheap to clone, connections are shared.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    signed: HeaderMap,
}

impl Served {
    /// Serves this database; `folder` keeps the set-up token.
    pub(crate) fn on(database: &str, folder: &Path) -> Result<Self, Failure> {
        let token = folder.join("token");
        std::fs::write(&token, TOKEN)?;
        let begun = Instant::now();
        let mut command = Command::new(binary());
        command.args(["serve", "--database", database, "--listen", "127.0.0.1:0", "--setup-token-file"]).arg(token);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn()?;
        let out = BufReader::new(child.stdout.take().expect("piped"));
        let line = out.lines().map_while(Result::ok).find(|line| line.contains("listening on "));
        let took = begun.elapsed();
        let Some(line) = line else {
            let _ended = child.kill();
            child.wait()?;
            return Err("the server ended before it listened".into());
        };
        let base = line.split_once("listening on ").map(|at| at.1.trim().trim_end_matches('/')).unwrap_or_default();
        Ok(Self { child, base: base.to_owned(), took })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`, and the end of the process is awaited.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }

    /// Makes the first administrator.
    pub(crate) async fn set_up(&self) -> Result<(), Failure> {
        let http = reqwest::Client::builder().no_proxy().build()?;
        let body = json!({"token": TOKEN, "user": USER, "password": PASSWORD});
        let answer = http.post(format!("{}/api/setup", self.base)).json(&body).send().await?;
        if answer.status().is_success() { Ok(()) } else { Err(format!("set-up: {}", answer.status()).into()) }
    }

    /// A caller who names himself each time, as workers do.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(1_024).tcp_nodelay(true).build()?;
        let signed = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(&basic(USER, PASSWORD))?)]);
        Ok(Client { http, base: self.base.clone(), signed })
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.end();
    }
}

impl Client {
    /// The same caller with a session, which outlives the server's process.
    pub(crate) async fn with_session(&self) -> Result<Self, Failure> {
        let body = json!({"user": USER, "password": PASSWORD});
        let answer = self.http.post(format!("{}/api/session", self.base)).json(&body).send().await?;
        let lines = answer.headers().get_all(SET_COOKIE).iter().filter_map(|line| line.to_str().ok());
        let pairs: Vec<String> =
            lines.filter_map(|line| line.split(';').next()).map(|pair| pair.trim().to_owned()).collect();
        let guard = pairs.iter().find_map(|pair| pair.strip_prefix("XSRF-TOKEN=")).ok_or("no session was given")?;
        let mut signed = HeaderMap::new();
        signed.insert(COOKIE, HeaderValue::from_str(&pairs.join("; "))?);
        signed.insert("x-xsrf-token", HeaderValue::from_str(guard)?);
        Ok(Self { signed, ..self.clone() })
    }

    /// The same caller at another server.
    pub(crate) fn at(&self, served: &Served) -> Self {
        Self { base: served.base.clone(), ..self.clone() }
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.ask(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.ask(Method::POST, path, Some(body)).await
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let mut request = self.http.request(method, format!("{}{path}", self.base)).headers(self.signed.clone());
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        if !status.is_success() {
            return Err(format!("{path}: {status}: {text}").into());
        }
        Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
    }
}
