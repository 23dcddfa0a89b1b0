//! External tasks over REST: waiting requests, locks, fairness; messages; jobs.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::models;
use super::server::Server;

const FETCH: &str = "/engine-rest/external-task/fetchAndLock";

async fn start(server: &Server, key: &str) -> String {
    let answer =
        server.call("POST", &format!("/engine-rest/process-definition/key/{key}/start"), Some(json!({}))).await;
    answer.json()["id"].as_str().expect("an id").to_owned()
}

fn wanted(worker: &str, max: i64, wait_ms: i64) -> Value {
    let topics = json!([{ "topicName": "x", "lockDuration": 60000 }]);
    json!({ "workerId": worker, "maxTasks": max, "asyncResponseTimeout": wait_ms, "topics": topics })
}

#[tokio::test(flavor = "multi_thread")]
async fn d13_a_parked_fetch_is_answered_by_the_commit_that_opens_the_task() {
    let server = Server::start().await;
    server.deploy("x.bpmn", &models::external("x")).await;
    let fetch = async {
        // Half an hour of waiting at most: only the commit's word can answer within this test's patience.
        let parked = server.call("POST", FETCH, Some(wanted("w", 1, 1_800_000)));
        tokio::time::timeout(Duration::from_secs(60), parked).await.expect("the commit answers").json()
    };
    let begin = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        start(&server, "x").await;
    };
    let (tasks, ()) = tokio::join!(fetch, begin);
    assert_eq!(tasks.as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn d13_a_fetch_ends_at_its_deadline() {
    let server = Server::start().await;
    let begun = Instant::now();
    assert_eq!(server.call("POST", FETCH, Some(wanted("w", 1, 300))).await.json(), json!([]));
    assert!(begun.elapsed() >= Duration::from_millis(300), "it waited");
    assert_eq!(server.call("POST", FETCH, Some(wanted("w", 1, 1_800_001))).await.error().0, 400);
}

#[tokio::test]
async fn a_lock_whose_answer_nobody_takes_is_given_back() {
    let server = Server::start().await;
    server.deploy("x.bpmn", &models::external("x")).await;
    start(&server, "x").await;
    let request = axum::http::Request::builder()
        .method("POST")
        .uri(FETCH)
        .header("authorization", super::server::basic("demo"))
        .header("content-type", "application/json")
        .body(axum::body::Body::from(wanted("gone", 1, 0).to_string()))
        .expect("a request");
    let answer = tower::ServiceExt::oneshot(server.router.clone(), request).await.expect("an answer");
    drop(answer);
    for _ in 0..200 {
        let locked = server.get("/engine-rest/external-task/count?locked=true").await.json()["count"].clone();
        if locked == 0 {
            let task = server.get("/engine-rest/external-task").await.json()[0].clone();
            assert_eq!(task["retries"], Value::Null, "it cost nothing");
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the lock is still held");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_task_goes_to_two_workers() {
    let server = Server::start().await;
    server.deploy("x.bpmn", &models::external("x")).await;
    futures_util::future::join_all((0..100).map(|_| start(&server, "x"))).await;
    let work = async |number: usize| {
        let worker = format!("w{number}");
        let mut done = Vec::new();
        loop {
            let tasks = server.call("POST", FETCH, Some(wanted(&worker, 7, 0))).await.json();
            let tasks = tasks.as_array().cloned().expect("a list");
            if tasks.is_empty() {
                return done;
            }
            for task in tasks {
                let id = task["id"].as_str().expect("an id").to_owned();
                let path = format!("/engine-rest/external-task/{id}/complete");
                assert_eq!(server.call("POST", &path, Some(json!({ "workerId": worker }))).await.status, 204);
                done.push(task["processInstanceId"].as_str().expect("an id").to_owned());
            }
        }
    };
    let done = futures_util::future::join_all((0..10).map(work)).await.concat();
    let once: BTreeSet<&String> = done.iter().collect();
    assert_eq!((done.len(), once.len()), (100, 100));
}

#[tokio::test]
async fn a_failure_without_attempts_is_an_incident_and_new_attempts_close_it() {
    let server = Server::start().await;
    server.deploy("x.bpmn", &models::external("x")).await;
    start(&server, "x").await;
    let task =
        server.call("POST", FETCH, Some(wanted("w", 1, 0))).await.json()[0]["id"].as_str().expect("an id").to_owned();
    let at = |path: &str| format!("/engine-rest/external-task/{task}/{path}");
    let report = json!({ "workerId": "w", "errorMessage": "no answer", "errorDetails": "long", "retries": 0, "retryTimeout": 0 });
    assert_eq!(server.call("POST", &at("failure"), Some(report)).await.status, 204);
    let incident = server.get("/engine-rest/incident").await.json()[0].clone();
    assert_eq!(incident["incidentType"], "failedExternalTask");
    let details = server.get(&at("errorDetails")).await;
    assert_eq!((details.kind(), details.bytes.as_slice()), (Some("text/plain"), b"long".as_slice()));
    assert_eq!(server.call("PUT", &at("retries"), Some(json!({ "retries": null }))).await.error().0, 400);
    assert_eq!(server.call("PUT", &at("retries"), Some(json!({ "retries": 1 }))).await.status, 204);
    assert_eq!(server.get("/engine-rest/incident/count").await.json()["count"], 0);
}

#[tokio::test]
async fn a_message_finds_the_one_that_waits() {
    let server = Server::start().await;
    server.deploy("m.bpmn", &models::receive("mail")).await;
    let id = start(&server, "mail").await;
    let waits = server.get("/engine-rest/event-subscription").await.json();
    assert_eq!(waits[0]["eventName"], "mail-go");
    let body = json!({ "messageName": "mail-go", "processInstanceId": id, "resultEnabled": true });
    let result = server.call("POST", "/engine-rest/message", Some(body.clone())).await.json();
    assert_eq!(
        (&result[0]["resultType"], &result[0]["execution"]["processInstanceId"]),
        (&json!("Execution"), &json!(id))
    );
    let (status, kind, _) = server.call("POST", "/engine-rest/message", Some(body)).await.error();
    assert_eq!((status, kind.as_str()), (400, "RestException"));
}

#[tokio::test]
async fn a_timer_is_moved_and_fired() {
    let server = Server::start().await;
    server.deploy("t.bpmn", &models::timer("t")).await;
    start(&server, "t").await;
    let job = server.get("/engine-rest/job?timers=true").await.json()[0]["id"].as_str().expect("an id").to_owned();
    let path = |word: &str| format!("/engine-rest/job/{job}{word}");
    let due = json!({ "duedate": "2031-07-01T00:00:00.000+0000" });
    assert_eq!(server.call("PUT", &path("/duedate"), Some(due)).await.status, 204);
    assert_eq!(server.get(&path("")).await.json()["dueDate"], "2031-07-01T00:00:00.000+0000");
    assert_eq!(server.call("POST", &path("/execute"), None).await.status, 204);
    assert_eq!(server.get("/engine-rest/process-instance/count").await.json()["count"], 0);
}

#[tokio::test]
async fn a_deployment_goes_with_its_instances_only_when_asked() {
    let server = Server::start().await;
    let deployed = server.deploy("u.bpmn", &models::user("u")).await;
    start(&server, "u").await;
    let path = format!("/engine-rest/deployment/{}", deployed["id"].as_str().expect("an id"));
    assert_eq!(server.call("DELETE", &path, None).await.error().0, 400);
    assert_eq!(server.call("DELETE", &format!("{path}?cascade=true"), None).await.status, 204);
    assert_eq!(server.get("/engine-rest/history/process-instance/count").await.json()["count"], 0);
    assert_eq!(server.get(&path).await.error().0, 404);
}
