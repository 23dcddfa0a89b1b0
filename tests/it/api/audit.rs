//! What people did: each change over REST is kept with who, what and when, and never the value of a variable; on both
//! databases.

use serde_json::{Value, json};

use super::models;
use super::server::Server;
use crate::support::postgres::database;

const LOG: &str = "/engine-rest/history/user-operation";

#[tokio::test]
async fn the_log_on_sqlite() {
    let server = Server::bare(|_| {}).await;
    log(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_on_postgresql() {
    let Some(address) = database("the_log_on_postgresql").await else { return };
    let server = Server::on(&address, tempfile::tempdir().expect("a folder"), |_| {}).await;
    log(&server).await;
}

async fn rows(server: &Server, query: &str) -> Vec<Value> {
    server.get(&format!("{LOG}?{query}")).await.json().as_array().expect("a list").clone()
}

async fn done(server: &Server, method: &str, path: &str, body: Value) {
    let answer = server.call(method, &format!("/engine-rest{path}"), Some(body)).await;
    assert!(answer.status.is_success(), "{method} {path}: {}", String::from_utf8_lossy(&answer.bytes));
}

async fn log(server: &Server) {
    server.account("demo", None, true).await;
    server.account("nora", Some(&["north"]), false).await;
    server.account("sue", Some(&["south"]), false).await;
    let model = models::user("a");
    let deployed = server.deploy_as("demo", &[("tenant-id", "south")], &[("a.bpmn", model.as_bytes())]).await;
    assert_eq!(deployed.status, 200);
    let body = json!({ "variables": { "v": { "value": "first secret" } } });
    let start = "/engine-rest/process-definition/key/a/tenant-id/south/start";
    let instance = server.call("POST", start, Some(body)).await.json()["id"].as_str().expect("an id").to_owned();
    let task = server.get("/engine-rest/task").await.json()[0]["id"].as_str().expect("an id").to_owned();
    deeds(server, &instance, &task).await;
    filters_and_order(server, &instance, &task).await;
    annotations(server, &instance).await;
    a_repeat_is_told_once(server, &instance).await;
    administration(server).await;
    only_who_may_sees_it(server, &instance).await;
    it_goes_with_its_instance(server, &instance, &task).await;
}

async fn deeds(server: &Server, instance: &str, task: &str) {
    done(server, "POST", &format!("/task/{task}/assignee"), json!({ "userId": "ada" })).await;
    done(server, "POST", &format!("/task/{task}/assignee"), json!({ "userId": "bob" })).await;
    done(server, "POST", &format!("/task/{task}/identity-links"), json!({ "groupId": "crew", "type": "candidate" }))
        .await;
    let two = json!({ "modifications": { "v": { "value": "second secret" }, "w": { "value": 1 } } });
    done(server, "POST", &format!("/process-instance/{instance}/variables"), two).await;
    done(server, "PUT", &format!("/process-instance/{instance}/suspended"), json!({ "suspended": true })).await;
    done(server, "PUT", &format!("/process-instance/{instance}/suspended"), json!({ "suspended": false })).await;
    let found =
        rows(server, &format!("processInstanceId={instance}&operationType=Assign&sortBy=timestamp&sortOrder=asc"))
            .await;
    let values: Vec<(&Value, &Value)> = found.iter().map(|row| (&row["orgValue"], &row["newValue"])).collect();
    assert!(
        values.contains(&(&Value::Null, &json!("ada"))) && values.contains(&(&json!("ada"), &json!("bob"))),
        "{found:?}"
    );
    let one = &found[0];
    assert_eq!((&one["userId"], &one["entityType"]), (&json!("demo"), &json!("Task")));
    assert_eq!((&one["category"], &one["property"]), (&json!("TaskWorker"), &json!("assignee")));
    assert_eq!((&one["taskId"], &one["processDefinitionKey"]), (&json!(task), &json!("a")));
    assert_eq!(one["rootProcessInstanceId"], instance);
    let all = rows(server, "").await;
    assert!(!Value::from(all).to_string().contains("secret"), "values of variables are not told");
    let names = rows(server, &format!("processInstanceId={instance}&operationType=SetVariable")).await;
    assert_eq!(names.len(), 2, "{names:?}");
    assert_eq!(names[0]["operationId"], names[1]["operationId"], "one call, one operation");
    assert_ne!(found[0]["operationId"], found[1]["operationId"]);
}

async fn filters_and_order(server: &Server, instance: &str, task: &str) {
    let count = async |query: &str| server.get(&format!("{LOG}/count?{query}")).await.json()["count"].as_i64();
    let all = count("").await.expect("a number");
    let here = count(&format!("processInstanceId={instance}")).await.expect("a number");
    assert_eq!(here, rows(server, &format!("processInstanceId={instance}")).await.len() as i64);
    for (query, wanted) in [
        ("entityType=Deployment".to_owned(), 1),
        ("entityTypeIn=Deployment,IdentityLink".to_owned(), 2),
        (format!("operationType=Create&processInstanceId={instance}"), 1),
        ("operationType=Suspend&property=suspensionState".to_owned(), 1),
        (format!("taskId={task}&operationType=AddGroupLink"), 1),
        ("processDefinitionKey=other".to_owned(), 0),
        ("userId=nobody".to_owned(), 0),
        ("userId=demo".to_owned(), all),
        ("category=Admin".to_owned(), 0),
        ("categoryIn=Operator,TaskWorker".to_owned(), all),
        ("caseInstanceId=x".to_owned(), 0),
        ("batchId=x".to_owned(), 0),
        ("jobId=1:1".to_owned(), 0),
        ("afterTimestamp=2999-01-01T00:00:00.000%2B0000".to_owned(), 0),
        ("beforeTimestamp=2999-01-01T00:00:00.000%2B0000".to_owned(), all),
    ] {
        assert_eq!(count(&query).await, Some(wanted), "{query}");
    }
    let times = async |order: &str| -> Vec<String> {
        let found = rows(server, &format!("sortBy=timestamp&sortOrder={order}")).await;
        found.iter().map(|row| row["timestamp"].as_str().expect("a time").to_owned()).collect()
    };
    assert!(times("asc").await.is_sorted() && times("desc").await.is_sorted_by(|one, next| one >= next));
    assert_eq!(server.get(&format!("{LOG}?sortBy=userId&sortOrder=asc")).await.error().0, 400);
}

async fn annotations(server: &Server, instance: &str) {
    let of = format!("processInstanceId={instance}&operationType=SetVariable");
    let operation = rows(server, &of).await[0]["operationId"].as_str().expect("an id").to_owned();
    let path = format!("/history/user-operation/{operation}");
    done(server, "PUT", &format!("{path}/set-annotation"), json!({ "annotation": "by request of ada" })).await;
    let annotated = rows(server, &of).await;
    assert!(
        annotated.iter().all(|row| row["annotation"] == "by request of ada"),
        "all rows of the call: {annotated:?}"
    );
    done(server, "PUT", &format!("{path}/clear-annotation"), json!({})).await;
    assert!(rows(server, &of).await.iter().all(|row| row["annotation"].is_null()));
    let set = |length: usize| json!({ "annotation": "x".repeat(length) });
    let full = format!("/engine-rest{path}/set-annotation");
    assert_eq!(server.call("PUT", &full, Some(set(4_001))).await.error().0, 400);
    assert_eq!(server.call("PUT", &full, Some(set(4_000))).await.status, 204);
    assert_eq!(server.call("PUT", &full, Some(json!({}))).await.error().0, 400);
    let none = format!("{LOG}/none/set-annotation");
    assert_eq!(server.call("PUT", &none, Some(set(1))).await.error().0, 404);
    assert_eq!(server.call_as("nora", "PUT", &full, Some(set(1))).await.error().0, 404, "of another tenant");
}

async fn a_repeat_is_told_once(server: &Server, instance: &str) {
    let path = format!("/engine-rest/process-instance/{instance}/variables");
    for _ in 0..2 {
        let body = json!({ "modifications": { "once": { "value": 1 } } });
        assert_eq!(server.call_with_key("k1", &path, body).await.status, 204);
    }
    let told = rows(server, &format!("processInstanceId={instance}&operationType=SetVariable")).await;
    assert_eq!(told.iter().filter(|row| row["newValue"] == "once").count(), 1, "{told:?}");
}

async fn administration(server: &Server) {
    let body = json!({ "profile": { "id": "tess" }, "credentials": { "password": "a long pass phrase" } });
    done(server, "POST", "/user/create", body).await;
    done(server, "POST", "/group/create", json!({ "id": "staff", "name": "Staff", "type": "WORKFLOW" })).await;
    done(server, "PUT", "/group/staff/members/tess", json!({})).await;
    let told = rows(server, "category=Admin").await;
    let has = |entity: &str, id: &str| told.iter().any(|row| row["entityType"] == entity && row["newValue"] == id);
    assert!(has("User", "tess") && has("Group", "staff") && has("GroupMembership", "tess in staff"), "{told:?}");
    assert!(!Value::from(told).to_string().contains("pass phrase"));
}

/// Another tenant's rows are as if they were not there; without a right there are none.
async fn only_who_may_sees_it(server: &Server, instance: &str) {
    let of = format!("{LOG}?processInstanceId={instance}");
    let seen = async |user: &str| server.call_as(user, "GET", &of, None).await.json().as_array().map(Vec::len);
    assert_eq!(seen("nora").await, Some(0), "of another tenant");
    assert!(seen("sue").await > Some(0), "her own tenant's");
    server.bare_account("stan", Some(&["south"]), false).await;
    assert_eq!(seen("stan").await, Some(0), "without rights");
    let operation = rows(server, &format!("processInstanceId={instance}")).await[0]["operationId"].clone();
    let path = format!("{LOG}/{}/set-annotation", operation.as_str().expect("an id"));
    let body = || Some(json!({ "annotation": "x" }));
    assert_eq!(server.call_as("stan", "PUT", &path, body()).await.error().0, 404);
    server.grant("stan", 17, "*", &["READ"]).await;
    assert!(seen("stan").await > Some(0), "with READ on the category");
    assert_eq!(server.call_as("stan", "PUT", &path, body()).await.error().0, 403);
    server.grant("stan", 6, "a", &["UPDATE_HISTORY"]).await;
    assert_eq!(server.call_as("stan", "PUT", &path, body()).await.status, 204);
}

async fn it_goes_with_its_instance(server: &Server, instance: &str, task: &str) {
    done(server, "POST", &format!("/task/{task}/complete"), json!({})).await;
    let of = format!("processInstanceId={instance}");
    let told = rows(server, &format!("{of}&operationType=Complete")).await;
    assert!(told.len() == 1 && !told[0]["removalTime"].is_null(), "{told:?}");
    let history = format!("/engine-rest/history/process-instance/{instance}");
    assert_eq!(server.call("DELETE", &history, None).await.status, 204);
    assert_eq!(rows(server, &of).await, Vec::<Value>::new());
    let told = rows(server, "operationType=DeleteHistory").await;
    assert!(told.len() == 1 && told[0]["orgValue"] == instance, "that it went is told: {told:?}");
}
