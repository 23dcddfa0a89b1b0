//! Logs that are told from the history of one instance, and that history itself.

use serde_json::{Value, json};

use super::models;
use super::server::Server;

async fn started(server: &Server, key: &str, model: &str) -> String {
    server.deploy("a.bpmn", model).await;
    let answer =
        server.call("POST", &format!("/engine-rest/process-definition/key/{key}/start"), Some(json!({}))).await;
    answer.json()["id"].as_str().expect("an id").to_owned()
}

/// What each line is, in one word.
fn words(lines: &Value) -> Vec<&'static str> {
    let words =
        [("creationLog", "created"), ("failureLog", "failed"), ("successLog", "done"), ("deletionLog", "dropped")];
    let word = |line: &Value| words.iter().find(|(flag, _)| line[flag] == true).expect("a kind of line").1;
    lines.as_array().expect("a list").iter().map(word).collect()
}

#[tokio::test]
async fn the_life_of_an_external_task() {
    let server = Server::start().await;
    let instance = started(&server, "x", &models::external("x")).await;
    let fetch = json!({ "workerId": "ada", "maxTasks": 1, "topics": [{ "topicName": "x", "lockDuration": 60_000 }] });
    let locked = server.call("POST", "/engine-rest/external-task/fetchAndLock", Some(fetch)).await.json();
    let task = format!("/engine-rest/external-task/{}", locked[0]["id"].as_str().expect("an id"));
    let failed = json!({ "workerId": "ada", "errorMessage": "no disk", "retries": 2, "retryTimeout": 0 });
    assert_eq!(server.call("POST", &format!("{task}/failure"), Some(failed)).await.status, 204);
    let list = format!("/engine-rest/history/external-task-log?processInstanceId={instance}");
    let lines = server.get(&list).await.json();
    assert_eq!(words(&lines), ["created", "failed"]);
    let line = &lines[1];
    assert_eq!(
        [&line["topicName"], &line["workerId"], &line["retries"], &line["errorMessage"], &line["activityId"]],
        [&json!("x"), &json!("ada"), &json!(2), &json!("no disk"), &json!("work")]
    );
    let one = format!("/engine-rest/history/external-task-log/{}", line["id"].as_str().expect("an id"));
    assert_eq!(server.get(&one).await.json(), *line);
    assert_eq!(server.get(&format!("{one}/error-details")).await.bytes, b"no disk");
    let deleted = server.call("DELETE", &format!("/engine-rest/process-instance/{instance}"), None).await;
    assert_eq!(deleted.status, 204);
    let after = server.get(&format!("{list}&sortBy=timestamp&sortOrder=asc")).await.json();
    assert_eq!(words(&after), ["created", "failed", "dropped"]);
    let body = json!({ "externalTaskId": line["externalTaskId"], "failureLog": true });
    assert_eq!(
        server.call("POST", "/engine-rest/history/external-task-log/count", Some(body)).await.json()["count"],
        1
    );
    let jobs = format!("/engine-rest/history/job-log/count?processInstanceId={instance}");
    assert_eq!(server.get(&jobs).await.json()["count"], 0, "a worker's task is no job of the engine");
    assert_eq!(server.get("/engine-rest/history/external-task-log").await.error().0, 400);
}

#[tokio::test]
async fn the_life_of_a_timer() {
    let server = Server::start().await;
    let instance = started(&server, "t", &models::timer("t")).await;
    let list = format!("/engine-rest/history/job-log?processInstanceId={instance}");
    assert_eq!(words(&server.get(&list).await.json()), ["created"]);
    let job = server.get("/engine-rest/job").await.json()[0].clone();
    let execute = format!("/engine-rest/job/{}/execute", job["id"].as_str().expect("an id"));
    assert_eq!(server.call("POST", &execute, None).await.status, 204);
    let lines = server.get(&list).await.json();
    assert_eq!(words(&lines), ["created", "done"]);
    for line in lines.as_array().expect("a list") {
        for (name, of_job) in [("jobId", "id"), ("jobDefinitionId", "jobDefinitionId"), ("jobDueDate", "dueDate")] {
            assert_eq!(line[name], job[of_job], "{name}");
        }
        assert_eq!(line["jobDefinitionType"], "timer-intermediate-transition");
    }
    let found =
        format!("/engine-rest/history/job-log/count?jobId={}&successLog=true", job["id"].as_str().expect("an id"));
    assert_eq!(server.get(&found).await.json()["count"], 1);
    let one = format!("/engine-rest/history/job-log/{}/stacktrace", lines[1]["id"].as_str().expect("an id"));
    assert_eq!(server.get(&one).await.status, 204, "nothing failed");
    assert_eq!(server.get("/engine-rest/history/job-log/7.7.7").await.error().0, 404);
}

#[tokio::test]
async fn who_had_a_task_and_who_might_have() {
    let server = Server::start().await;
    started(&server, "u", &models::user("u")).await;
    let task = server.get("/engine-rest/task").await.json()[0]["id"].as_str().expect("an id").to_owned();
    let steps = [
        ("identity-links", json!({ "userId": "bob", "type": "candidate" })),
        ("claim", json!({ "userId": "ada" })),
        ("assignee", json!({ "userId": "bob" })),
        ("assignee", json!({ "userId": "bob" })),
        ("identity-links/delete", json!({ "groupId": "crew", "type": "candidate" })),
        ("unclaim", json!({})),
    ];
    for (verb, body) in steps {
        let answer = server.call("POST", &format!("/engine-rest/task/{task}/{verb}"), Some(body)).await;
        assert_eq!(answer.status, 204, "{verb}");
    }
    let list = format!("/engine-rest/history/identity-link-log?taskId={task}");
    let lines = server.get(&list).await.json();
    let told = |line: &Value| {
        let who = if line["userId"].is_null() { &line["groupId"] } else { &line["userId"] };
        format!("{} {} {}", line["operationType"], line["type"], who).replace('"', "")
    };
    let told: Vec<String> = lines.as_array().expect("a list").iter().map(told).collect();
    let wanted = [
        "add candidate crew",
        "add candidate bob",
        "add assignee ada",
        "delete assignee ada",
        "add assignee bob",
        "delete candidate crew",
        "delete assignee bob",
    ];
    assert_eq!(told, wanted);
    let ids: std::collections::BTreeSet<&str> =
        lines.as_array().expect("a list").iter().map(|line| line["id"].as_str().expect("an id")).collect();
    assert_eq!(ids.len(), wanted.len(), "each line has an id of its own");
    let count =
        async |more: &str| server.get(&list.replace('?', &format!("/count?{more}&"))).await.json()["count"].clone();
    assert_eq!((count("userId=bob").await, count("operationType=delete&type=assignee").await), (json!(3), json!(2)));
}

/// Newest first, whole over its pages, and only for those who may read the history.
#[tokio::test]
async fn the_story_of_an_instance() {
    let server = Server::start().await;
    server.bare_account("bob", None, false).await;
    let instance = started(&server, "u", &models::user("u")).await;
    let variable = format!("/engine-rest/process-instance/{instance}/variables/disk");
    let set = json!({ "value": 7, "type": "Integer" });
    assert_eq!(server.call("PUT", &variable, Some(set)).await.status, 204);
    let path = format!("/api/instances/{instance}/history");
    let all = server.get(&path).await.json();
    let items = all["items"].as_array().expect("a list").clone();
    assert_eq!(all["next"], Value::Null);
    assert_eq!(
        (&items[0]["type"], &items[0]["details"]["name"], &items[0]["details"]["variable"]["value"]),
        (&json!("variable-set"), &json!("disk"), &json!(7))
    );
    assert_eq!(items.last().expect("a beginning")["type"], "instance-created");
    let task = items.iter().find(|item| item["type"] == "task-created").expect("a task");
    assert_eq!(task["activityId"], "work");
    assert!(task["executionId"].as_str().is_some_and(|id| id.starts_with(&format!("{instance}:"))), "{task}");
    let (mut paged, mut next) = (Vec::new(), String::new());
    for _ in 0..=items.len() {
        let page = server.get(&format!("{path}?limit=1{next}")).await.json();
        paged.extend(page["items"].as_array().expect("a list").iter().cloned());
        let Some(cursor) = page["next"].as_str() else { break };
        next = format!("&cursor={cursor}");
    }
    assert_eq!(paged, items, "page by page it is the same");
    for (query, status) in [("limit=1000", 200), ("limit=1001", 400), ("limit=0", 400), ("cursor=x", 400)] {
        assert_eq!(server.get(&format!("{path}?{query}")).await.status, status, "{query}");
    }
    let ended = server.call("DELETE", &format!("/engine-rest/process-instance/{instance}"), None).await;
    assert_eq!(ended.status, 204);
    assert_eq!(server.get(&path).await.json()["items"][0]["type"], "instance-ended", "it outlives the instance");
    assert_eq!(server.get("/api/instances/999/history").await.error().0, 404);
    assert_eq!(server.call_as("bob", "GET", &path, None).await.error().0, 404, "no right to the history");
    server.grant("bob", 6, "u", &["READ_HISTORY"]).await;
    assert_eq!(server.call_as("bob", "GET", &path, None).await.status, 200);
}
