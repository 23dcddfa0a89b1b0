//! Work on many objects over REST: each item is done once, in its creator's name; what fails is told and can be done again.

use serde_json::{Value, json};

use super::models;
use super::server::Server;

async fn started(server: &Server, key: &str, count: usize) -> Vec<String> {
    let path = format!("/engine-rest/process-definition/key/{key}/start");
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.push(server.call("POST", &path, Some(json!({}))).await.json()["id"].as_str().expect("an id").to_owned());
    }
    ids
}

async fn begin(server: &Server, path: &str, body: Value) -> Value {
    let answer = server.call("POST", &format!("/engine-rest{path}"), Some(body)).await;
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.json()
}

/// The batch as the history has it, when nothing of it is open any more.
async fn settled(server: &Server, batch: &Value) -> Value {
    let id = batch["id"].as_str().expect("an id");
    for _ in 0..600 {
        let of = server.get(&format!("/engine-rest/batch/statistics?batchId={id}")).await.json();
        let failed = of[0]["failedJobs"].as_i64();
        if of == json!([]) || failed == of[0]["remainingJobs"].as_i64() {
            return server.get(&format!("/engine-rest/history/batch/{id}")).await.json();
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the batch {id} is not done");
}

async fn count(server: &Server, path: &str) -> Value {
    server.get(&format!("/engine-rest/{path}")).await.json()["count"].clone()
}

#[tokio::test]
async fn many_instances_are_suspended_changed_and_deleted() {
    let server = Server::start().await;
    server.deploy("u.bpmn", &models::user("u")).await;
    started(&server, "u", 60).await;
    let query = json!({ "processDefinitionKey": "u" });
    let batch = begin(
        &server,
        "/process-instance/suspended-async",
        json!({ "suspended": true, "processInstanceQuery": query }),
    )
    .await;
    assert_eq!((&batch["type"], &batch["totalJobs"]), (&json!("instance-update-suspension-state"), &json!(60)));
    assert!(settled(&server, &batch).await["endTime"].is_string());
    assert_eq!(count(&server, "process-instance/count?suspended=true").await, 60);
    let set = json!({ "variables": { "n": { "value": 5, "type": "Integer" } }, "processInstanceQuery": query });
    settled(&server, &begin(&server, "/process-instance/variables-async", set).await).await;
    let n = server.get("/engine-rest/variable-instance/count?variableName=n").await.json();
    assert_eq!(n["count"], 60);
    let delete = json!({ "deleteReason": "no longer", "processInstanceQuery": query });
    settled(&server, &begin(&server, "/process-instance/delete", delete).await).await;
    assert_eq!(count(&server, "process-instance/count").await, 0);
    assert_eq!(count(&server, "batch/count").await, 0, "all are done");
    assert_eq!(count(&server, "history/batch/count?completed=true").await, 3);
    let forget = json!({ "historicProcessInstanceQuery": { "processDefinitionKey": "u" } });
    let last = begin(&server, "/history/process-instance/delete", forget).await;
    settled(&server, &last).await;
    assert_eq!(count(&server, "history/process-instance/count").await, 0);
    let path = format!("/engine-rest/history/batch/{}", last["id"].as_str().expect("an id"));
    assert_eq!(server.call("DELETE", &path, None).await.status, 204);
    assert_eq!(server.get(&path).await.error().0, 404);
}

#[tokio::test]
async fn jobs_and_tasks_get_new_attempts_and_tokens_are_moved() {
    let server = Server::start().await;
    for (key, model) in [("f", models::failing("f")), ("x", models::external("x")), ("n", models::nested("n"))] {
        server.deploy("model.bpmn", &model).await;
        started(&server, key, 3).await;
    }
    let tasks = json!({ "retries": 7, "externalTaskQuery": { "topicName": "x" } });
    settled(&server, &begin(&server, "/external-task/retries-async", tasks).await).await;
    let all = server.get("/engine-rest/external-task?topicName=x").await.json();
    assert!(all.as_array().expect("a list").iter().all(|task| task["retries"] == 7), "{all}");
    let move_all = json!({
        "processInstanceQuery": { "processDefinitionKey": "n" },
        "instructions": [{ "type": "startBeforeActivity", "activityId": "D" }, { "type": "cancel", "activityId": "A" }],
    });
    settled(&server, &begin(&server, "/modification/executeAsync", move_all).await).await;
    assert_eq!(count(&server, "task/count?taskDefinitionKey=D").await, 3);
    let one = server.get("/engine-rest/process-instance?processDefinitionKey=n&maxResults=1").await.json();
    let path = format!("/process-instance/{}/modification-async", one[0]["id"].as_str().expect("an id"));
    let back = json!({ "instructions": [{ "type": "startBeforeActivity", "activityId": "B" }] });
    settled(&server, &begin(&server, &path, back).await).await;
    assert_eq!(count(&server, "task/count?taskDefinitionKey=B").await, 1);
}

/// An item that cannot be done is told; the others are done, and it is done again when its cause is gone.
#[tokio::test]
async fn what_fails_is_told_and_done_again() {
    let server = Server::start().await;
    server.deploy("n.bpmn", &models::nested("n")).await;
    let ids = started(&server, "n", 3).await;
    let early = json!({ "instructions": [{ "type": "startBeforeActivity", "activityId": "D" }] });
    let path = format!("/engine-rest/process-instance/{}/modification", ids[0]);
    assert_eq!(server.call("POST", &path, Some(early)).await.status, 204);
    let end_d = json!({ "processInstanceIds": ids, "instructions": [{ "type": "cancel", "activityId": "D" }] });
    let batch = begin(&server, "/modification/executeAsync", end_d).await;
    assert_eq!(settled(&server, &batch).await["endTime"], Value::Null);
    let id = batch["id"].as_str().expect("an id");
    let of = server.get(&format!("/engine-rest/batch/statistics?batchId={id}&withFailures=true")).await.json();
    assert_eq!(
        (&of[0]["completedJobs"], &of[0]["failedJobs"], &of[0]["remainingJobs"]),
        (&json!(1), &json!(2), &json!(2))
    );
    for id in &ids[1..] {
        let path = format!("/engine-rest/process-instance/{id}/modification");
        let begin = json!({ "instructions": [{ "type": "startBeforeActivity", "activityId": "D" }] });
        assert_eq!(server.call("POST", &path, Some(begin)).await.status, 204);
    }
    let again =
        server.call("PUT", &format!("/engine-rest/batch/{id}/suspended"), Some(json!({ "suspended": false }))).await;
    assert_eq!(again.status, 204);
    for _ in 0..600 {
        if server.get(&format!("/engine-rest/batch/{id}")).await.status == 404 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(count(&server, "task/count?taskDefinitionKey=D").await, 0);
    assert_eq!(server.get(&format!("/engine-rest/batch/{id}")).await.error().0, 404, "it has ended");
}

/// The rights of whoever began it are asked for each item, and who may not read a batch does not see it.
#[tokio::test]
async fn a_batch_does_no_more_than_its_creator_may() {
    let server = Server::start().await;
    server.bare_account("bob", Some(&[]), false).await;
    server.deploy("u.bpmn", &models::user("u")).await;
    server.deploy("w.bpmn", &models::user("w")).await;
    started(&server, "u", 2).await;
    started(&server, "w", 2).await;
    server.grant("bob", 6, "*", &["READ_INSTANCE"]).await;
    server.grant("bob", 6, "u", &["DELETE_INSTANCE"]).await;
    let all = json!({ "processInstanceQuery": {} });
    let path = "/engine-rest/process-instance/delete";
    assert_eq!(server.call_as("bob", "POST", path, Some(all.clone())).await.error().0, 403);
    server.grant("bob", 13, "*", &["CREATE_BATCH_DELETE_RUNNING_PROCESS_INSTANCES"]).await;
    let batch = server.call_as("bob", "POST", path, Some(all)).await.json();
    settled(&server, &batch).await;
    assert_eq!(count(&server, "process-instance/count?processDefinitionKey=u").await, 0);
    assert_eq!(count(&server, "process-instance/count?processDefinitionKey=w").await, 2, "not his to end");
    server.bare_account("eve", Some(&[]), false).await;
    let one = format!("/engine-rest/batch/{}", batch["id"].as_str().expect("an id"));
    assert_eq!(server.call_as("eve", "GET", &one, None).await.error().0, 404);
    assert_eq!(server.call_as("eve", "GET", "/engine-rest/batch", None).await.json(), json!([]));
    assert_eq!(server.call_as("bob", "GET", &one, None).await.status, 200);
    assert_eq!(server.call_as("bob", "DELETE", &one, None).await.status, 204);
}

#[tokio::test]
async fn nothing_is_begun_with_nothing_to_do() {
    let server = Server::start().await;
    for (path, body) in [
        ("process-instance/delete", json!({})),
        ("process-instance/suspended-async", json!({ "suspended": true })),
        ("process-instance/suspended-async", json!({ "processInstanceQuery": {} })),
        ("process-instance/variables-async", json!({ "processInstanceQuery": {} })),
        ("job/retries", json!({ "retries": 1 })),
        ("job/retries", json!({ "jobIds": ["1:2"] })),
        ("external-task/retries-async", json!({ "retries": -1, "externalTaskIds": ["1:2"] })),
        ("process-instance/job-retries", json!({ "retries": 1 })),
        ("history/process-instance/delete", json!({})),
        ("modification/executeAsync", json!({ "instructions": [] })),
    ] {
        let answer = server.call("POST", &format!("/engine-rest/{path}"), Some(body.clone())).await;
        assert_eq!(answer.error().0, 400, "{path} {body}");
    }
    assert_eq!(count(&server, "history/batch/count").await, 0);
}

/// Work that is held stops before its next item.
#[tokio::test]
async fn a_held_batch_does_not_go_on() {
    const ITEMS: i64 = 300;
    let server = Server::start().await;
    server.deploy("u.bpmn", &models::user("u")).await;
    started(&server, "u", 300).await;
    let set = json!({ "variables": { "n": { "value": 1, "type": "Integer" } }, "processInstanceQuery": {} });
    let batch = begin(&server, "/process-instance/variables-async", set).await;
    let path = format!("/engine-rest/batch/{}/suspended", batch["id"].as_str().expect("an id"));
    let hold = async |held: bool| {
        assert_eq!(server.call("PUT", &path, Some(json!({ "suspended": held }))).await.status, 204);
    };
    let set = async || count(&server, "variable-instance/count?variableName=n").await.as_i64().expect("a number");
    hold(true).await;
    let done = set().await;
    assert!(done < ITEMS, "it was held before its end");
    for _ in 0..10 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        assert!(set().await <= done + 1, "only what was under way is done");
    }
    hold(false).await;
    assert!(settled(&server, &batch).await["endTime"].is_string());
    assert_eq!(set().await, ITEMS);
}

#[tokio::test]
async fn a_batch_has_a_bounded_number_of_items() {
    let server = Server::start().await;
    let ids: Vec<String> = (0..100_001).map(|number| format!("1:{number}")).collect();
    let path = "/engine-rest/job/retries";
    let many = server.call("POST", path, Some(json!({ "retries": 1, "jobIds": ids }))).await.error();
    assert_eq!(many.0, 400);
    assert!(many.2.contains("at most 100000 items, these are 100001"), "{}", many.2);
    assert_eq!(count(&server, "history/batch/count").await, 0);
    let batch = begin(&server, "/job/retries", json!({ "retries": 1, "jobIds": ids[1..] })).await;
    assert_eq!(batch["totalJobs"], 100_000);
    let path = format!("/engine-rest/batch/{}?cascade=true", batch["id"].as_str().expect("an id"));
    assert_eq!(server.call("DELETE", &path, None).await.status, 204);
    assert_eq!(count(&server, "history/batch/count").await, 0);
}
