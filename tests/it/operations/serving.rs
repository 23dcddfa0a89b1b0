//! A server under an operator's eyes: metrics, log lines, readiness, and an end that leaves nobody without an answer.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::Client;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::file;
use crate::support::binary::binary;
use crate::support::serve::{PASSWORD, USER, basic, free_port};

const MODEL: &str = r#"<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" targetNamespace="t"><process id="w" isExecutable="true">
<startEvent id="s"/><sequenceFlow id="f" sourceRef="s" targetRef="n"/><intermediateCatchEvent id="n"><timerEventDefinition><timeDuration>PT0.01S</timeDuration></timerEventDefinition></intermediateCatchEvent><sequenceFlow id="f2" sourceRef="n" targetRef="c"/>
<serviceTask id="c" camunda:type="external" camunda:topic="http.request"/><sequenceFlow id="g" sourceRef="c" targetRef="e"/><endEvent id="e"/></process></definitions>"#;

struct Program {
    child: Child,
    base: String,
    metrics: String,
    client: Client,
    _folder: tempfile::TempDir,
}

impl Program {
    async fn start(more: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("token"), "a-token").expect("it is written");
        let port = free_port().to_string();
        let mut program = Command::new(binary());
        program.args(["serve", "--database", &file(folder.path()), "--listen", "127.0.0.1:0", "--metrics", &port]);
        program.arg("--setup-token-file").arg(folder.path().join("token")).args(more).env("RUST_LOG", "info");
        let mut child = program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let line = lines.next().expect("it tells").expect("text");
        let base = line.strip_prefix("listening on ").expect("the address").to_owned();
        let client = Client::builder().no_proxy().build().expect("a client");
        let program =
            Self { child, base, metrics: format!("http://127.0.0.1:{port}/metrics"), client, _folder: folder };
        let set_up = json!({"token": "a-token", "user": USER, "password": PASSWORD});
        let answer = program.client.post(program.url("/api/setup")).json(&set_up).send().await.expect("it answers");
        assert!(answer.status().is_success());
        program
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn post(&self, path: &str, body: &Value) -> reqwest::RequestBuilder {
        self.client.post(self.url(path)).basic_auth(USER, Some(PASSWORD)).json(body)
    }

    async fn run_one(&self) {
        let part = "--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"w.bpmn\"\r\n\r\n";
        let body = format!("{part}{MODEL}\r\n--x--\r\n");
        let deploy = self.client.post(self.url("/engine-rest/deployment/create")).basic_auth(USER, Some(PASSWORD));
        let deployed = deploy.header("content-type", "multipart/form-data; boundary=x").body(body).send().await;
        assert_eq!(deployed.expect("it answers").status(), 200);
        let started = self.post("/engine-rest/process-definition/key/w/start", &json!({})).send().await;
        assert_eq!(started.expect("it answers").status(), 200);
    }

    async fn scraped(&self) -> String {
        self.client.get(&self.metrics).send().await.expect("it answers").text().await.expect("text")
    }

    fn terminate(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs").success());
    }

    /// Its exit status and its log, once it has ended; bounded.
    async fn ended(&mut self) -> (Option<i32>, String) {
        let begun = Instant::now();
        while self.child.try_wait().expect("ours").is_none() {
            assert!(begun.elapsed() < Duration::from_secs(10), "it does not end");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let status = self.child.wait().expect("ours").code();
        let mut log = String::new();
        std::io::Read::read_to_string(&mut self.child.stderr.take().expect("piped"), &mut log).expect("text");
        (status, log)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_tell_what_happened_and_no_secrets() {
    let program = Program::start(&[]).await;
    program.run_one().await;
    let wanted = [
        "transhume_commit_seconds_bucket{le=",
        "transhume_commit_records_count ",
        "transhume_commands_total{kind=\"create-instance\",result=\"ok\"} 1",
        "transhume_partition_owned{partition=\"0\"} 1",
        "transhume_queue_commands ",
        "transhume_incidents_open 1",
        "transhume_incidents_raised_total 1",
        "transhume_leases_expired_total 0",
        "transhume_timer_late_seconds_count 1",
        "transhume_job_seconds_count{topic=\"http.request\",result=\"failed\"}",
        "transhume_request_seconds_count{method=\"POST\",route=\"/engine-rest/process-definition/key/{key}/start\",status=\"200\"} 1",
    ];
    let begun = Instant::now();
    let mut text = program.scraped().await;
    while wanted.iter().any(|wanted| !text.contains(wanted)) {
        let missing: Vec<_> = wanted.iter().filter(|wanted| !text.contains(**wanted)).collect();
        assert!(begun.elapsed() < Duration::from_secs(10), "{missing:?} of:\n{text}");
        tokio::time::sleep(Duration::from_millis(20)).await;
        text = program.scraped().await;
    }
    assert!(text.ends_with("# EOF\n"), "the format's own end");
    assert!(!text.contains(PASSWORD) && !text.contains("a-token"));
    // Whatever is asked, the labels stay few.
    for number in 0..5 {
        let _ = program.client.get(program.url(&format!("/engine-rest/task/7:{number}"))).send().await;
    }
    let routes = program.scraped().await.matches("route=\"/engine-rest/task/{").count();
    assert!(routes <= 20, "one series a route, not one a path: {routes}");
    let closed = program.client.get(program.url("/api/metrics")).send().await.expect("it answers");
    assert_eq!(closed.status(), 401);
    let open = program.client.get(program.url("/api/metrics")).basic_auth(USER, Some(PASSWORD)).send().await;
    let open = open.expect("it answers");
    assert_eq!(open.status(), 200);
    let kind = open.headers()["content-type"].to_str().expect("text");
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
}

#[tokio::test(flavor = "multi_thread")]
async fn log_lines_are_objects_with_fields() {
    let mut program = Program::start(&["--log", "json"]).await;
    program.run_one().await;
    let begun = Instant::now();
    while !program.scraped().await.contains("topic=\"http.request\"") {
        assert!(begun.elapsed() < Duration::from_secs(10), "the job is not done");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    program.terminate();
    let (status, log) = program.ended().await;
    assert_eq!(status, Some(0), "{log}");
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect();
    let job = lines.iter().find(|line| line["job.topic"] == "http.request").expect("the job's line");
    assert!(job["instance.id"].is_i64() && job["duration_ms"].is_u64(), "{job}");
    assert!(lines.iter().any(|line| line["http.status"] == 200 && line["duration_ms"].is_u64()), "{log}");
    assert!(!log.contains(PASSWORD) && !log.contains("a-token"), "{log}");
}

/// At SIGTERM: who waits for jobs is answered at once, a request under way is answered, listeners are let go.
#[tokio::test(flavor = "multi_thread")]
async fn at_the_end_everybody_is_answered() {
    let mut program = Program::start(&[]).await;
    let ready = program.client.get(program.url("/api/health/ready")).send().await.expect("it answers");
    assert_eq!(ready.json::<Value>().await.expect("JSON"), json!({"ready": true, "engine": true, "store": true}));
    let fetch = json!({"workerId": "w", "maxTasks": 1, "asyncResponseTimeout": 600_000,
        "topics": [{"topicName": "none", "lockDuration": 1000}]});
    let parked = tokio::spawn(program.post("/engine-rest/external-task/fetchAndLock", &fetch).send());
    let events = program.client.get(program.url("/api/events")).basic_auth(USER, Some(PASSWORD)).send().await;
    let mut events = events.expect("it listens");
    // A request whose body is still on its way when the signal comes.
    let body = json!({"workerId": "w", "maxTasks": 1, "topics": []}).to_string();
    let mut slow = TcpStream::connect(program.base.trim_start_matches("http://")).await.expect("connects");
    let head = format!(
        "POST /engine-rest/external-task/fetchAndLock HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\nContent-Type: \
         application/json\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        basic(USER, PASSWORD),
        body.len()
    );
    slow.write_all(head.as_bytes()).await.expect("it is sent");
    let mut told = vec![0; 1_024];
    let length = slow.read(&mut told).await.expect("it answers");
    assert!(told[..length].starts_with(b"HTTP/1.1 100"), "its handler reads");
    let begun = Instant::now();
    while !program.scraped().await.contains("transhume_fetches_parked 1\n") {
        assert!(begun.elapsed() < Duration::from_secs(10), "nobody is parked");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let begun = Instant::now();
    program.terminate();
    let answer = parked.await.expect("ours").expect("it is answered");
    assert_eq!((answer.status().as_u16(), answer.text().await.expect("text")), (200, "[]".to_owned()));
    slow.write_all(body.as_bytes()).await.expect("it is still heard");
    let length = slow.read(&mut told).await.expect("what was under way is answered");
    assert!(told[..length].starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&told[..length]));
    while let Ok(Some(_)) = events.chunk().await {}
    assert!(begun.elapsed() < Duration::from_secs(8), "nobody keeps it");
    let (status, log) = program.ended().await;
    assert_eq!(status, Some(0), "{log}");
}
