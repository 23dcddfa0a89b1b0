//! The disk of the database runs full under a server: it says so, takes nothing new, leases no job, and when there is room goes on
//! by itself. What it acknowledged is there, what it did not is there once. (Every page at which SQLite can run full: `store::tests`.)

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use crate::support::binary::{binary, tail};
use crate::support::postgres;
use crate::support::say::say;
use crate::support::serve::{Answer, PASSWORD, Served, USER};
use crate::support::small_disk::SmallDisk;

const START: &str = "/engine-rest/process-definition/key/full/start";
const FETCH: &str = "/engine-rest/external-task/fetchAndLock";
/// More than a disk of these tests holds.
const STARTS_MAX: usize = 2_000;
/// In bytes: some commands still fit.
const LEFT: u64 = 400_000;
/// Polls until there is room again, a quarter of a second each.
const POLLS: usize = 120;
const MODEL: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn"
    id="d" targetNamespace="urn:transhume:test">
  <bpmn:process id="full" isExecutable="true">
    <bpmn:startEvent id="start" />
    <bpmn:sequenceFlow id="f1" sourceRef="start" targetRef="work" />
    <bpmn:serviceTask id="work" camunda:type="external" camunda:topic="full" />
    <bpmn:sequenceFlow id="f2" sourceRef="work" targetRef="end" />
    <bpmn:endEvent id="end" />
  </bpmn:process>
</bpmn:definitions>
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_under_sqlite_is_told_and_survived() {
    let Some(disk) = SmallDisk::new("a_full_disk_under_sqlite_is_told_and_survived", "20m") else { return };
    let address = format!("sqlite:{}", disk.folder.join("full.db").display());
    let served = Served::on(&address).await;
    let reserve = disk.folder.join("full.db-reserve");
    assert!(reserve.is_file(), "room is kept");
    let told = filled_and_freed(&served, &disk, 507, || assert!(!reserve.exists(), "it is given up")).await;
    assert!(reserve.is_file(), "room is kept again");
    drop(served);
    verified(&address);
    say(format!("SQLite on a full disk: {told}, verify clean"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_under_postgresql_is_told_and_survived() {
    if std::env::var("RUN_SLOW_TESTS").is_err() {
        return;
    }
    let test = "a_full_disk_under_postgresql_is_told_and_survived";
    let Some(disk) = SmallDisk::new(test, "160m") else { return };
    let Some(server) = postgres::Own::start_small(test, &disk.folder) else { return };
    let served = Served::on(&server.address()).await;
    let is_there = async || PgConnection::connect(&server.address()).await.is_ok();
    let survived = std::cell::Cell::new(true);
    let revive = || {
        // A server whose log met the full disk has ended itself: whoever watches over it starts it again.
        let alive = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(is_there()));
        if !alive {
            survived.set(false);
            server.restart();
        }
    };
    let told = filled_and_freed(&served, &disk, 503, revive).await;
    drop(served);
    verified(&server.address());
    let how = if survived.get() { "went on" } else { "ended itself and was started again" };
    say(format!("PostgreSQL on a full disk {how}: {told}, verify clean"));
}

/// Fills the disk, hears that it is full, frees it, and looks whether all is there.
async fn filled_and_freed(served: &Served, disk: &SmallDisk, status: u16, revive: impl Fn()) -> String {
    let deployed = served.deploy(&[("full.bpmn", MODEL.as_bytes())]).await;
    assert_eq!(deployed.status, 200, "{deployed:?}");
    let mut acknowledged: Vec<String> = Vec::new();
    for _ in 0..10 {
        acknowledged.extend(started(&start(served, acknowledged.len()).await));
    }
    disk.fill_but(LEFT);
    let mut refused = None;
    for _ in 0..STARTS_MAX {
        let answer = start(served, acknowledged.len()).await;
        match started(&answer) {
            Some(id) => acknowledged.push(id),
            None => {
                refused = Some(answer);
                break;
            }
        }
    }
    let refused = refused.expect("the disk is full at some time");
    assert_eq!(refused.status, status, "{refused:?}");
    let words = refused.body["message"].as_str().unwrap_or_default();
    assert!(words.contains("disk of the database is full"), "{words}");
    // It lives, answers from what is stored, and gives no job away.
    assert_eq!(served.get("/api/health/live").await.status, 200);
    assert_eq!(served.get("/engine-rest/process-instance/count").await.status, 200);
    let fetch = json!({"workerId": "w", "maxTasks": 1, "topics": [{"topicName": "full", "lockDuration": 60_000}]});
    let leased = served.post(FETCH, &fetch).await;
    assert_eq!(leased.status, status, "no lease while nothing can be written: {leased:?}");
    if status == 507 {
        // What was kept for this lets small things through.
        let signed_in = served.post("/api/session", &json!({"user": USER, "password": PASSWORD})).await;
        assert_eq!(signed_in.status, 200, "{signed_in:?}");
    }
    disk.free();
    revive();
    let (number, begun) = (acknowledged.len(), Instant::now());
    // The refused one may have been stored since, by what was kept; the next one is new.
    for number in [number, number + 1] {
        acknowledged.push(started_at_last(served, number).await);
    }
    let waited = begun.elapsed();
    assert_eq!(served.post(FETCH, &fetch).await.body.as_array().map(Vec::len), Some(1), "jobs are leased again");
    compare(served, &acknowledged).await;
    format!(
        "{number} starts, then {status}; room again, the next success after {:.1} s, 0 lost, 0 doubled",
        waited.as_secs_f64()
    )
}

async fn started_at_last(served: &Served, number: usize) -> String {
    for _ in 0..POLLS {
        if let Some(id) = started(&start(served, number).await) {
            return id;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    panic!("with room work goes on");
}

/// Under its own key; a value that cannot be made smaller fills the disk soon.
async fn start(served: &Served, number: usize) -> Answer {
    let mut seed = number as u64;
    let mut word = || {
        seed = super::mix(seed);
        format!("{seed:016x}")
    };
    let value: String = (0..256).map(|_| word()).collect();
    let body = json!({"businessKey": number.to_string(), "variables": {"v": {"value": value, "type": "String"}}});
    let answer = served.keyed(START, &body, &format!("start-{number}")).await;
    answer.unwrap_or_else(|| Answer { status: 0, kind: String::new(), body: Value::Null })
}

fn started(answer: &Answer) -> Option<String> {
    (answer.status == 200).then(|| answer.body["id"].as_str().expect("an instance").to_owned())
}

async fn compare(served: &Served, acknowledged: &[String]) {
    let rows = served.get("/engine-rest/history/process-instance?processDefinitionKey=full&maxResults=5000").await;
    let rows = rows.body.as_array().cloned().expect("a list");
    let of = |key: &str| rows.iter().filter(|row| row["businessKey"] == key).collect::<Vec<_>>();
    for (number, id) in acknowledged.iter().enumerate() {
        let found = of(&number.to_string());
        assert_eq!(found.len(), 1, "start {number}");
        assert_eq!(found[0]["id"], **id, "start {number}");
    }
    assert_eq!(rows.len(), acknowledged.len(), "instances nobody asked for");
}

fn verified(address: &str) {
    let done = Command::new(binary()).args(["verify", "--database", address]).output().expect("the binary starts");
    let told = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "verify: {}", tail(&told, 20));
}
