//! The programme as the page shows it: servers × stages, what is waited for, the segments; and the demo's clock.
//!
//! Read from the same REST interface that anyone may ask, so that the page shows nothing of its own invention.

use crate::base::access::Access;
use crate::base::time::Timestamp;
use crate::demo::client::Client;
use crate::demo::clock::VirtualClock;
use crate::demo::conductor::Pace;
use crate::demo::segments::{self, Marked};
use crate::runtime::clock::Clock;
use crate::runtime::show::{DemoChange, DemoControl, ProgrammeView, Speed};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// The stages of the paper, and the activities of `cmo.end-to-end` that are each of them.
const STAGES: &[(&str, &str, &[&str])] = &[
    ("discovery", "Discovery", &["discover"]),
    ("planning", "Analytics and scheduling", &["plan"]),
    ("provision", "Provision", &["provision"]),
    ("network", "Network", &["gather-data", "build-network"]),
    ("migration", "Migration", &["move-wave"]),
    ("remediation", "Remediation and test", &["test-wave"]),
];

/// The process whose activities are the stages.
const PROCESS: &str = "cmo.end-to-end";
/// Rows of the history that are read at once.
const ROWS: usize = 10_000;

pub(super) struct Programme {
    pub client: Client,
    pub clock: VirtualClock,
    pub marked: Marked,
    /// The root instance, once it is started.
    pub instance: OnceLock<String>,
    pub id: String,
    pub name: String,
}

/// What is known of the programme at one moment.
#[derive(Clone, Debug)]
pub(super) struct Status {
    pub started: Timestamp,
    pub ended: Option<Timestamp>,
    pub state: String,
    pub stages: Vec<Stage>,
    pub servers: Vec<String>,
    pub moved: Vec<String>,
    pub waiting: Vec<Value>,
    pub incidents: usize,
    pub segments: Vec<segments::Segment>,
}

#[derive(Clone, Debug)]
pub(super) struct Stage {
    pub id: &'static str,
    pub name: &'static str,
    pub state: &'static str,
    pub since: Option<Timestamp>,
}

impl Programme {
    pub(super) async fn status(&self) -> Result<Status, String> {
        let past = self.client.get(&format!("/history/process-instance/{}", self.root())).await?;
        let rows = self.client.get(&format!("/history/activity-instance?maxResults={ROWS}")).await?;
        let rows = rows.as_array().cloned().unwrap_or_default();
        let tasks = self.client.get("/task?maxResults=200").await?;
        let incidents = self.client.get("/incident").await?;
        let variables = self.variables().await?;
        let ended = past["endTime"].as_str().and_then(|at| Timestamp::parse(at).ok());
        let now = self.clock.now();
        let people: Vec<&Value> = tasks.as_array().into_iter().flatten().collect();
        let failed = incidents.as_array().map_or(0, Vec::len);
        let waiting = waiting(&people, incidents.as_array().map_or(&[], Vec::as_slice), &rows);
        Ok(Status {
            started: past["startTime"].as_str().and_then(|at| Timestamp::parse(at).ok()).unwrap_or(now),
            ended,
            state: past["state"].as_str().unwrap_or("ACTIVE").to_owned(),
            stages: stages(&rows, !people.is_empty(), failed > 0),
            servers: names(&variables, "servers"),
            moved: names(&variables, "moved"),
            waiting,
            incidents: failed,
            segments: segments::measure(&self.marked, &rows, now),
        })
    }

    fn root(&self) -> &str {
        self.instance.get().map_or("", String::as_str)
    }

    /// Variables of the programme, also after its end.
    async fn variables(&self) -> Result<BTreeMap<String, Value>, String> {
        let path = format!(
            "/history/variable-instance?processInstanceId={}&deserializeValues=false&maxResults={ROWS}",
            self.root()
        );
        let list = self.client.get(&path).await?;
        let pairs = list.as_array().cloned().unwrap_or_default().into_iter().filter_map(|row| {
            let value = match &row["value"] {
                Value::String(text) if row["type"] == "Json" || row["type"] == "Object" => {
                    serde_json::from_str(text).ok()?
                }
                other => other.clone(),
            };
            Some((row["name"].as_str()?.to_owned(), value))
        });
        Ok(pairs.collect())
    }

    fn head(&self, status: &Status) -> Value {
        let state = match (status.ended, status.state.as_str(), status.incidents) {
            (Some(_), "COMPLETED", _) => "done",
            (Some(_), ..) => "aborted",
            (None, ..) => "running",
        };
        json!({"id": self.id, "name": self.name, "state": state, "startedAt": status.started.to_string(),
               "endedAt": status.ended.map(|at| at.to_string())})
    }

    fn body(&self, status: &Status) -> Value {
        let moved = |server: &String| status.moved.contains(server);
        let cell = |stage: &Stage, server: &String| {
            let done = matches!(stage.id, "migration" | "remediation") && moved(server);
            let state = if done && stage.id == "migration" { "done" } else { stage.state };
            let since = if state == "pending" { None } else { stage.since.map(|at| at.to_string()) };
            json!({"stage": stage.id, "state": state, "since": since, "instance": self.root()})
        };
        let servers: Vec<Value> = status
            .servers
            .iter()
            .map(|server| {
                json!({"name": server, "os": null, "wave": null,
                                 "cells": status.stages.iter().map(|stage| cell(stage, server)).collect::<Vec<_>>()})
            })
            .collect();
        let count = |stage: &Stage| match stage.state {
            "done" => status.servers.len(),
            _running if stage.id == "migration" => status.moved.len(),
            _running => 0,
        };
        let stages: Vec<Value> = status
            .stages
            .iter()
            .map(|stage| {
                json!({"id": stage.id, "name": stage.name, "state": stage.state, "done": count(stage), "failed": 0,
                                "total": status.servers.len()})
            })
            .collect();
        let until = status.ended.unwrap_or_else(|| self.clock.now());
        let total = (until.0 - status.started.0) / 1_000;
        json!({"programme": self.head(status), "clock": self.clock.now().to_string(), "stages": stages, "servers": servers,
               "waiting": status.waiting, "segments": segments::json_rows(&status.segments, Some((total, status.ended.is_some()))),
               "notes": [segments::TWO_TOTALS]})
    }
}

impl ProgrammeView for Programme {
    fn programmes<'a>(&'a self, _access: &'a Access) -> BoxFuture<'a, Vec<Value>> {
        async move {
            match self.status().await {
                Ok(status) => vec![self.head(&status)],
                Err(words) => {
                    tracing::warn!("the programme cannot be read: {words}");
                    Vec::new()
                }
            }
        }
        .boxed()
    }

    fn stages<'a>(&'a self, _access: &'a Access, programme: &'a str) -> BoxFuture<'a, Option<Value>> {
        async move {
            if programme != self.id {
                return None;
            }
            match self.status().await {
                Ok(status) => Some(self.body(&status)),
                Err(words) => {
                    tracing::warn!("the programme cannot be read: {words}");
                    None
                }
            }
        }
        .boxed()
    }
}

/// A stage is done when its activities have ended and none is open.
fn stages(rows: &[Value], person: bool, failed: bool) -> Vec<Stage> {
    let stage = |(id, name, elements): &(&'static str, &'static str, &'static [&'static str])| {
        let own = |row: &&Value| {
            let element = row["activityId"].as_str().unwrap_or_default();
            row["processDefinitionKey"] == PROCESS && elements.contains(&element.split('#').next().unwrap_or_default())
        };
        let rows: Vec<&Value> = rows.iter().filter(own).collect();
        let at = |row: &Value, name: &str| row[name].as_str().and_then(|at| Timestamp::parse(at).ok());
        let open = rows.iter().any(|row| row["endTime"].is_null());
        let begun = rows.iter().filter_map(|row| at(row, "startTime")).min();
        let ended = rows.iter().filter_map(|row| at(row, "endTime")).max();
        let (state, since) = match (rows.is_empty(), open) {
            (true, _) => ("pending", None),
            (false, false) => ("done", ended),
            (false, true) if failed => ("failed", begun),
            (false, true) if person => ("person", begun),
            (false, true) => ("running", begun),
        };
        Stage { id, name, state, since }
    };
    STAGES.iter().map(stage).collect()
}

fn names(variables: &BTreeMap<String, Value>, list: &str) -> Vec<String> {
    let items = variables.get(list).and_then(Value::as_array);
    let name = |item: &Value| item.as_str().or_else(|| item["name"].as_str()).map(str::to_owned);
    items.into_iter().flatten().filter_map(name).collect()
}

/// What stands still, the longest first: people's tasks, incidents, and what is asked for until it is ready. Tokens that
/// wait for the very same thing are one entry.
fn waiting(tasks: &[&Value], incidents: &[Value], rows: &[Value]) -> Vec<Value> {
    let mut found: Vec<Value> = Vec::new();
    for task in tasks {
        let (what, element) = (named(&task["name"], &task["taskDefinitionKey"]), &task["taskDefinitionKey"]);
        found.push(entry(what, "person", &task["assignee"], &task["created"], task, element, &task["id"]));
    }
    for incident in incidents {
        let (what, since) = (&incident["activityId"], &incident["incidentTimestamp"]);
        found.push(entry(what, "incident", &incident["incidentMessage"], since, incident, what, &Value::Null));
    }
    let timers = rows.iter().filter(|row| row["endTime"].is_null() && row["activityType"] == "intermediateTimer");
    for row in timers {
        let (what, element) = (named(&row["activityName"], &row["activityId"]), &row["activityId"]);
        found.push(entry(what, "timer", &Value::Null, &row["startTime"], row, element, &Value::Null));
    }
    found.sort_by_key(|entry| entry["since"].as_str().map(str::to_owned));
    let mut grouped: Vec<Value> = Vec::new();
    for next in found {
        let same = |other: &&mut Value| {
            other["kind"] == next["kind"] && other["element"] == next["element"] && next["kind"] != "person"
        };
        match grouped.iter_mut().find(same) {
            Some(first) => first["count"] = json!(first["count"].as_u64().unwrap_or(1) + 1),
            None => grouped.push(next),
        }
    }
    grouped
}

fn named<'v>(name: &'v Value, id: &'v Value) -> &'v Value {
    if name.is_null() { id } else { name }
}

fn entry(what: &Value, kind: &str, who: &Value, since: &Value, row: &Value, element: &Value, task: &Value) -> Value {
    let since = since.as_str().and_then(|at| Timestamp::parse(at).ok()).map(|at| at.to_string());
    json!({"what": what, "kind": kind, "who": who, "since": since, "until": null, "instance": row["processInstanceId"],
           "element": element, "task": task, "count": 1})
}

/// The demo's clock, for the banner of the page.
pub(super) struct Control {
    pub clock: VirtualClock,
    pub pace: Pace,
    pub started: Timestamp,
    pub sequence: &'static str,
    pub ended: Arc<std::sync::atomic::AtomicBool>,
}

impl DemoControl for Control {
    fn state(&self) -> Value {
        let speed = match self.pace.speed() {
            Speed::Max => json!("max"),
            Speed::Times(times) => json!(times),
        };
        json!({"clock": self.clock.now().to_string(), "startedAt": self.started.to_string(), "speed": speed,
               "paused": self.pace.paused(), "ended": self.ended.load(std::sync::atomic::Ordering::Acquire),
               "sequence": self.sequence})
    }

    fn change(&self, change: DemoChange) -> Result<(), String> {
        if let Some(speed) = change.speed {
            if let Speed::Times(times) = speed
                && !(times > 0.0 && times <= 1e6)
            {
                return Err("the speed is a number above 0 and up to 1000000, or max".into());
            }
            self.pace.set_speed(speed);
        }
        if let Some(paused) = change.paused {
            self.pace.set_paused(paused);
        }
        Ok(())
    }
}
