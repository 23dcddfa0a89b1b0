//! Repeats: a call under one key, and a report under one lease, happen once.

use serde_json::json;

use super::models;
use super::server::Server;

#[tokio::test]
async fn a_start_under_one_key_starts_once() {
    let server = Server::start().await;
    server.deploy("a.bpmn", &models::user("a")).await;
    let path = "/engine-rest/process-definition/key/a/start";
    let first = server.call_with_key("k1", path, json!({ "businessKey": "b" })).await;
    let again = server.call_with_key("k1", path, json!({ "businessKey": "b" })).await;
    assert_eq!((first.status.as_u16(), again.status.as_u16()), (200, 200));
    assert_eq!(first.json(), again.json());
    assert_eq!(server.get("/engine-rest/process-instance/count").await.json()["count"], 1);
    let other = server.call_with_key("k1", path, json!({ "businessKey": "c" })).await;
    assert_eq!(other.error().0, 422, "the same key with another body");
    assert_eq!(server.call_with_key("k2", path, json!({ "businessKey": "b" })).await.status, 200);
    assert_eq!(server.get("/engine-rest/process-instance/count").await.json()["count"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_at_the_same_time_are_one() {
    let server = Server::start().await;
    server.deploy("a.bpmn", &models::user("a")).await;
    let path = "/engine-rest/process-definition/key/a/start";
    let all = futures_util::future::join_all((0..8).map(|_| server.call_with_key("k", path, json!({})))).await;
    let ids: std::collections::BTreeSet<String> = all.iter().map(|answer| answer.json()["id"].to_string()).collect();
    assert_eq!(ids.len(), 1);
}

#[tokio::test]
async fn a_completion_under_one_key_is_answered_again() {
    let server = Server::start().await;
    server.deploy("a.bpmn", &models::user("a")).await;
    server.call("POST", "/engine-rest/process-definition/key/a/start", Some(json!({}))).await;
    let task = server.get("/engine-rest/task").await.json()[0]["id"].as_str().expect("an id").to_owned();
    let path = format!("/engine-rest/task/{task}/complete");
    for _ in 0..2 {
        assert_eq!(server.call_with_key("done", &path, json!({})).await.status, 204);
    }
}

/// One may look for the task just after another has completed it.
#[tokio::test(flavor = "multi_thread")]
async fn completions_at_the_same_time_under_one_key_are_all_answered() {
    let server = Server::start().await;
    server.deploy("a.bpmn", &models::user("a")).await;
    for round in 0..20 {
        server.call("POST", "/engine-rest/process-definition/key/a/start", Some(json!({}))).await;
        let task = server.get("/engine-rest/task").await.json()[0]["id"].as_str().expect("an id").to_owned();
        let (path, key) = (format!("/engine-rest/task/{task}/complete"), format!("k{round}"));
        let all = (0..24).map(|_| server.call_with_key(&key, &path, json!({})));
        for answer in futures_util::future::join_all(all).await {
            assert_eq!(answer.status, 204, "round {round}: {}", String::from_utf8_lossy(&answer.bytes));
        }
    }
}

#[tokio::test]
async fn a_fetch_under_one_key_gives_the_same_leases() {
    let server = Server::start().await;
    server.deploy("x.bpmn", &models::external("x")).await;
    for _ in 0..2 {
        server.call("POST", "/engine-rest/process-definition/key/x/start", Some(json!({}))).await;
    }
    let body = json!({ "workerId": "w", "maxTasks": 1, "topics": [{ "topicName": "x", "lockDuration": 60000 }] });
    let path = "/engine-rest/external-task/fetchAndLock";
    let first = server.call_with_key("f", path, body.clone()).await.json();
    let again = server.call_with_key("f", path, body).await.json();
    assert_eq!(first[0]["id"], again[0]["id"]);
    assert_eq!(server.get("/engine-rest/external-task/count?locked=true").await.json()["count"], 1);
}

#[tokio::test]
async fn a_report_under_one_lease_is_taken_once_and_answered_again() {
    let server = Server::start().await;
    server.deploy("x.bpmn", &models::external("x")).await;
    server.call("POST", "/engine-rest/process-definition/key/x/start", Some(json!({}))).await;
    let body = json!({ "workerId": "w", "maxTasks": 1, "topics": [{ "topicName": "x", "lockDuration": 60000 }] });
    let fetched = server.call("POST", "/engine-rest/external-task/fetchAndLock", Some(body)).await.json();
    let id = fetched[0]["id"].as_str().expect("an id").to_owned();
    let path = format!("/engine-rest/external-task/{id}/complete");
    for _ in 0..2 {
        let answer = server.call("POST", &path, Some(json!({ "workerId": "w" }))).await;
        assert_eq!(answer.status, 204, "{}", String::from_utf8_lossy(&answer.bytes));
    }
    let ended = server.get("/engine-rest/history/process-instance/count?finished=true").await;
    assert_eq!(ended.json()["count"], 1);
}

#[tokio::test]
async fn a_signal_under_one_key_is_told_once() {
    let server = Server::start().await;
    server.deploy("s.bpmn", &models::started_by_signal("s")).await;
    for _ in 0..2 {
        let answer = server.call_with_key("told", "/engine-rest/signal", json!({ "name": "s-told" })).await;
        assert_eq!(answer.status, 204, "{}", String::from_utf8_lossy(&answer.bytes));
    }
    assert_eq!(server.get("/engine-rest/process-instance/count").await.json()["count"], 1);
}

/// The repeat of what ended the instances, or moved their tokens, finds them gone or moved: it is the same batch, or done.
#[tokio::test]
async fn many_under_one_key_are_done_once() {
    let server = Server::start().await;
    server.deploy("n.bpmn", &models::nested("n")).await;
    for _ in 0..3 {
        server.call("POST", "/engine-rest/process-definition/key/n/start", Some(json!({}))).await;
    }
    let tasks = async |activity: &str| {
        let path = format!("/engine-rest/task/count?taskDefinitionKey={activity}");
        server.get(&path).await.json()["count"].as_i64().expect("a number")
    };
    let begin_d = json!([{ "type": "startBeforeActivity", "activityId": "D" }]);
    let body = json!({ "processInstanceQuery": { "processDefinitionKey": "n" }, "instructions": begin_d });
    for _ in 0..2 {
        assert_eq!(server.call_with_key("m", "/engine-rest/modification/execute", body.clone()).await.status, 204);
    }
    assert_eq!(tasks("D").await, 3);
    let path = "/engine-rest/modification/executeAsync";
    let first = server.call_with_key("later", path, body.clone()).await.json();
    let again = server.call_with_key("later", path, body.clone()).await.json();
    assert_eq!(first["id"], again["id"]);
    let mut other = body;
    other["processInstanceQuery"] = json!({});
    assert_eq!(server.call_with_key("later", path, other).await.error().0, 422);
    let id = first["id"].as_str().expect("an id");
    let ended = async |id: &str| {
        for _ in 0..600 {
            if server.get(&format!("/engine-rest/batch/{id}")).await.status == 404 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("the batch {id} does not end");
    };
    ended(id).await;
    assert_eq!(tasks("D").await, 6);
    let delete = json!({ "processInstanceQuery": { "processDefinitionKey": "n" } });
    let path = "/engine-rest/process-instance/delete";
    let first = server.call_with_key("gone", path, delete.clone()).await.json();
    ended(first["id"].as_str().expect("an id")).await;
    let again = server.call_with_key("gone", path, delete).await;
    assert_eq!((again.status.as_u16(), &again.json()["id"]), (200, &first["id"]), "nothing fits any more");
    assert_eq!(server.get("/engine-rest/history/batch/count").await.json()["count"], 2);
}
