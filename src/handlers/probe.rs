//! `probe.tcp`, `probe.http`, `probe.ping`: does something answer. That it does not is a result, no failure; only an address that
//! may not be reached, or a place to ask from that cannot be used, is one. Policy: `retry`.

use std::time::Duration;

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;
use url::Url;

use super::client::Request;
use super::gateway;
use super::input::{Count, Span};
use super::net;
use super::registry::Topic;
use super::ssh::{Ssh, word};
use super::{Answer, Cx, Job, Kind, Policy, Trouble};
use crate::base::variable::from_json;

const SECONDS: u64 = 120;
const ANSWER: Duration = Duration::from_secs(10);
const PINGS: u64 = 3;
const PINGS_MAX: u64 = 60;

pub(super) fn topics() -> Vec<Topic> {
    vec![
        Topic::new("probe.tcp", Policy::Retry, SECONDS, tcp),
        Topic::new("probe.http", Policy::Retry, SECONDS, http),
        Topic::new("probe.ping", Policy::Retry, SECONDS, ping),
    ]
}

#[derive(Deserialize)]
struct Tcp {
    host: String,
    port: Count,
    timeout: Option<Span>,
}

async fn tcp(job: Job, cx: Cx) -> Answer {
    let input: Tcp = job.input()?;
    let port = u16::try_from(input.port.0).map_err(|_| Trouble::wrong(format!("{} is no port", input.port.0)))?;
    let within = input.timeout.map_or(ANSWER, |span| span.0);
    let begun = Instant::now();
    let open = match net::connect(&input.host, port, &cx.allowed(), within).await {
        Ok(_) => true,
        Err(error) if error.is_refusal() => return Err(Trouble::wrong(error.to_string())),
        Err(_) => false,
    };
    Ok(from_json(json!({"open": open, "ms": elapsed(begun)})))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Http {
    url: String,
    expect_status: Option<Count>,
    timeout: Option<Span>,
}

async fn http(job: Job, cx: Cx) -> Answer {
    let input: Http = job.input()?;
    let url = Url::parse(&input.url).map_err(|error| Trouble::wrong(format!("the input url is no URL: {error}")))?;
    let client = cx.free_client(url.scheme() == "https")?;
    let mut request = Request::new(Method::GET, url);
    request.within = input.timeout.map_or(ANSWER, |span| span.0);
    let begun = Instant::now();
    let status = match client.send(request).await {
        Ok(reply) => Some(u64::from(reply.status)),
        Err(Trouble::Transport { .. }) => None,
        Err(other) => return Err(other),
    };
    let ok = match (status, input.expect_status) {
        (Some(status), Some(expected)) => status == expected.0,
        (Some(status), None) => (200..400).contains(&status),
        (None, _) => false,
    };
    let status = status.map_or(Value::Null, Value::from);
    Ok(from_json(json!({"ok": ok, "status": status, "ms": elapsed(begun)})))
}

#[derive(Deserialize)]
struct Ping {
    connection: String,
    host: String,
    count: Option<Count>,
}

async fn ping(job: Job, cx: Cx) -> Answer {
    let input: Ping = job.input()?;
    let count = input.count.map_or(PINGS, |count| count.0).clamp(1, PINGS_MAX);
    let connection = cx.connection(&input.connection, &[Kind::Ssh, Kind::Gateway])?;
    if connection.kind == Kind::Gateway {
        return gateway::ping(&cx, &input.connection, &input.host, count).await;
    }
    let ssh = Ssh::connect(&cx, &connection).await?;
    let command = format!("ping -c {count} -- {}", word(&input.host));
    let output = ssh.run(&command, b"", Duration::from_secs(SECONDS)).await?;
    gateway::measured(&format!("{}\n{}", output.stdout, output.stderr))
}

fn elapsed(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}
