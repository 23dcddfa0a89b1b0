//! The built binary as a server of its own on a free port, with an administrator; killed when it goes out of scope.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use data_encoding::BASE64;
use reqwest::Method;
use serde_json::{Value, json};

use super::binary::binary;

/// A server that is not there after this time will not come.
const PATIENCE: Duration = Duration::from_secs(20);

/// A client asks elsewhere, or again, when it hears nothing for so long.
const ANSWER: Duration = Duration::from_secs(5);

pub(crate) const USER: &str = "ada";
pub(crate) const PASSWORD: &str = "correct horse battery";

pub(crate) struct Served {
    child: Child,
    /// `http://127.0.0.1:port`
    pub(crate) base: String,
    client: reqwest::Client,
    /// Kept for its lifetime only.
    _folder: Option<tempfile::TempDir>,
}

/// What came back: the status, the body as JSON (or as a text value), and its type.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) kind: String,
    pub(crate) body: Value,
}

impl Served {
    /// A new database in a folder that goes with the server.
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut served = Self::on(&format!("sqlite:{}", folder.path().join("test.db").display())).await;
        served._folder = Some(folder);
        served
    }

    /// Serves this database; one without an administrator gets its first.
    pub(crate) async fn on(database: &str) -> Self {
        Self::node(database, "local").await
    }

    /// One of several nodes on a database.
    pub(crate) async fn node(database: &str, name: &str) -> Self {
        let mut child = Command::new(binary());
        child.args(["serve", "--database", database, "--listen", "127.0.0.1:0", "--node", name]);
        child.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child.spawn().expect("the binary starts");
        let lines = lines_of(&mut child);
        let (base, token) = ready(&mut child, &lines);
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let served = Self { child, base, client, _folder: None };
        if let Some(token) = token {
            let body = json!({"token": token, "user": USER, "password": PASSWORD});
            let answer = served.ask_as(None, Method::POST, "/api/setup", Some(&body)).await;
            assert!((200..300).contains(&answer.status), "set-up: {answer:?}");
        }
        served
    }

    /// The number of the process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, such as `STOP`. The process itself may be held by clients at that moment, so it goes by its number.
    pub(crate) fn signal(&self, name: &str) {
        let done = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(done.is_ok_and(|status| status.success()), "kill -{name} {}", self.child.id());
    }

    /// `kill -9`, and the end of the process is awaited.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask_as(Some((USER, PASSWORD)), Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask_as(Some((USER, PASSWORD)), Method::POST, path, Some(body)).await
    }

    pub(crate) async fn ask_as(
        &self,
        who: Option<(&str, &str)>,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Answer {
        let request = self.request(who, method, path, body);
        answer_of(request.send().await.expect("the server answers")).await.expect("the answer is whole")
    }

    /// A command with its key; `None` when the server went away before it had answered, or said nothing for so long.
    pub(crate) async fn keyed(&self, path: &str, body: &Value, key: &str) -> Option<Answer> {
        let request =
            self.request(Some((USER, PASSWORD)), Method::POST, path, Some(body)).header("idempotency-key", key);
        answer_of(request.timeout(ANSWER).send().await.ok()?).await
    }

    /// A question to a server that may go away.
    pub(crate) async fn try_get(&self, path: &str) -> Option<Answer> {
        let request = self.request(Some((USER, PASSWORD)), Method::GET, path, None);
        answer_of(request.timeout(ANSWER).send().await.ok()?).await
    }

    fn request(
        &self,
        who: Option<(&str, &str)>,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> reqwest::RequestBuilder {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if let Some((user, password)) = who {
            request = request.header("authorization", basic(user, password));
        }
        match body {
            Some(body) => request.json(body),
            None => request,
        }
    }

    /// A deployment of files: name and content each.
    pub(crate) async fn deploy(&self, files: &[(&str, &[u8])]) -> Answer {
        const EDGE: &str = "edge-of-a-part-7f3a";
        let mut body = Vec::new();
        let mut part = |head: String, content: &[u8]| {
            body.extend_from_slice(format!("--{EDGE}\r\nContent-Disposition: form-data; {head}\r\n\r\n").as_bytes());
            body.extend_from_slice(content);
            body.extend_from_slice(b"\r\n");
        };
        part("name=\"deployment-name\"".to_owned(), b"test");
        for (name, content) in files {
            part(format!("name=\"{name}\"; filename=\"{name}\"\r\nContent-Type: application/octet-stream"), content);
        }
        body.extend_from_slice(format!("--{EDGE}--\r\n").as_bytes());
        let request = self.client.post(format!("{}/engine-rest/deployment/create", self.base));
        let request = request.header("authorization", basic(USER, PASSWORD));
        let request = request.header("content-type", format!("multipart/form-data; boundary={EDGE}")).body(body);
        answer_of(request.send().await.expect("the server answers")).await.expect("the answer is whole")
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.kill();
    }
}

pub(crate) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64.encode(format!("{user}:{password}").as_bytes()))
}

async fn answer_of(response: reqwest::Response) -> Option<Answer> {
    let status = response.status().as_u16();
    let kind =
        response.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
    let text = response.text().await.ok()?;
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Some(Answer { status, kind, body })
}

/// Both outputs, line by line, read to their end so that the server never waits for a reader.
fn lines_of(child: &mut Child) -> Receiver<String> {
    let (send, lines) = channel();
    let errors = send.clone();
    let out = BufReader::new(child.stdout.take().expect("piped"));
    let err = BufReader::new(child.stderr.take().expect("piped"));
    thread::spawn(move || out.lines().map_while(Result::ok).for_each(|line| drop(send.send(line))));
    thread::spawn(move || err.lines().map_while(Result::ok).for_each(|line| drop(errors.send(line))));
    lines
}

/// The address, and the set-up token where the database is new.
fn ready(child: &mut Child, lines: &Receiver<String>) -> (String, Option<String>) {
    let begun = Instant::now();
    let (mut told, mut token) = (Vec::new(), None);
    while begun.elapsed() < PATIENCE {
        let Ok(line) = lines.recv_timeout(Duration::from_millis(100)) else {
            if child.try_wait().is_ok_and(|ended| ended.is_some()) {
                break;
            }
            continue;
        };
        if let Some(given) = line.split_once("set-up token: ") {
            token = Some(given.1.trim().to_owned());
        }
        if let Some(at) = line.split_once("listening on ") {
            // the token may come just after
            let rest = lines.recv_timeout(Duration::from_millis(if token.is_none() { 50 } else { 0 }));
            let late =
                rest.ok().and_then(|line| line.split_once("set-up token: ").map(|given| given.1.trim().to_owned()));
            return (at.1.trim().trim_end_matches('/').to_owned(), token.or(late));
        }
        told.push(line);
    }
    let _ = child.kill();
    panic!("the server did not say that it listens:\n{}", told.join("\n"));
}

/// A port that was free a moment ago, for a program that cannot tell which it took.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound").port()
}
