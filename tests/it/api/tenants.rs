//! What belongs to another tenant is as if it were not there, whatever is asked of it.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use serde_json::{Value, json};
use transhume::base::planted::plant;

use super::models;
use super::server::Server;
use crate::support::say::say;

async fn server() -> Server {
    let server = Server::start().await;
    server.account("nora", Some(&["north"]), false).await;
    server.account("sue", Some(&["south"]), false).await;
    for (file, model) in
        [("u.bpmn", models::user("u")), ("x.bpmn", models::external("x")), ("t.bpmn", models::timer("t"))]
    {
        let fields = [("deployment-name", file), ("tenant-id", "north")];
        assert_eq!(server.deploy_as("nora", &fields, &[(file, model.as_bytes())]).await.status, 200);
        let key = &file[..1];
        let start = format!("/engine-rest/process-definition/key/{key}/tenant-id/north/start");
        let body = json!({ "businessKey": "k", "variables": { "v": { "value": 1 } } });
        assert_eq!(server.call_as("nora", "POST", &start, Some(body)).await.status, 200);
    }
    server
}

/// Every list and its first object, as the owner and as somebody else.
#[tokio::test]
async fn a_foreign_object_is_absent() {
    foreign_objects().await;
}

/// A list that is asked for without the caller's tenants is noticed by the same test.
#[tokio::test]
async fn a_planted_query_without_tenant_filter_is_caught() {
    let bug = "query-without-tenant-filter";
    plant(Some(bug));
    let found = AssertUnwindSafe(foreign_objects()).catch_unwind().await;
    plant(None);
    assert!(found.is_err(), "planted {bug}: not caught");
    say(format!("planted {bug}: caught by the lists of two tenants, rule I11"));
}

async fn foreign_objects() {
    let server = server().await;
    for list in [
        "process-definition",
        "deployment",
        "process-instance",
        "task",
        "external-task",
        "job",
        "execution",
        "history/process-instance",
    ] {
        let path = format!("/engine-rest/{list}");
        let own = server.call_as("nora", "GET", &path, None).await.json();
        let first = own[0]["id"].as_str().unwrap_or_else(|| panic!("{list}: {own}")).to_owned();
        assert_eq!(server.call_as("sue", "GET", &path, None).await.json(), json!([]), "{list}");
        assert_eq!(server.call_as("sue", "GET", &format!("{path}/count"), None).await.json()["count"], 0, "{list}");
        let one = format!("{path}/{first}");
        assert_eq!(server.call_as("nora", "GET", &one, None).await.status, 200, "{one}");
        assert_eq!(server.call_as("sue", "GET", &one, None).await.error().0, 404, "{one}");
        assert_eq!(server.call("GET", &one, None).await.status, 200, "an administrator of all: {one}");
    }
    for list in ["variable-instance", "history/activity-instance", "history/task", "history/variable-instance"] {
        let path = format!("/engine-rest/{list}");
        assert_ne!(server.call_as("nora", "GET", &path, None).await.json(), json!([]), "{list}");
        assert_eq!(server.call_as("sue", "GET", &path, None).await.json(), json!([]), "{list}");
    }
}

#[tokio::test]
async fn a_foreign_object_is_not_worked_on() {
    let server = server().await;
    let first = async |list: &str| {
        let all = server.call_as("nora", "GET", &format!("/engine-rest/{list}"), None).await.json();
        all[0]["id"].as_str().expect("an id").to_owned()
    };
    let (task, external, job) = (first("task").await, first("external-task").await, first("job").await);
    let (instance, definition) = (first("process-instance").await, first("process-definition").await);
    let calls: Vec<(&str, String, Value)> = vec![
        ("POST", format!("task/{task}/claim"), json!({ "userId": "sue" })),
        ("POST", format!("task/{task}/complete"), json!({})),
        ("GET", format!("task/{task}/variables"), Value::Null),
        ("POST", format!("external-task/{external}/lock"), json!({ "workerId": "w", "lockDuration": 1000 })),
        ("POST", format!("external-task/{external}/complete"), json!({ "workerId": "w" })),
        ("POST", format!("external-task/{external}/unlock"), Value::Null),
        ("POST", format!("job/{job}/execute"), Value::Null),
        ("PUT", format!("process-instance/{instance}/variables/v"), json!({ "value": 2 })),
        ("GET", format!("process-instance/{instance}/variables/v"), Value::Null),
        ("GET", format!("process-instance/{instance}/activity-instances"), Value::Null),
        ("PUT", format!("process-instance/{instance}/suspended"), json!({ "suspended": true })),
        ("DELETE", format!("process-instance/{instance}"), Value::Null),
        ("POST", format!("process-definition/{definition}/start"), json!({})),
        ("GET", format!("process-definition/{definition}/xml"), Value::Null),
    ];
    for (method, path, body) in calls {
        let body = Some(body).filter(|body| !body.is_null());
        let answer = server.call_as("sue", method, &format!("/engine-rest/{path}"), body).await;
        assert_eq!(answer.error().0, 404, "{method} {path}");
    }
    let fetch = json!({ "workerId": "w", "maxTasks": 5, "topics": [{ "topicName": "x", "lockDuration": 1000 }] });
    let path = "/engine-rest/external-task/fetchAndLock";
    assert_eq!(server.call_as("sue", "POST", path, Some(fetch.clone())).await.json(), json!([]));
    assert_eq!(server.call_as("nora", "POST", path, Some(fetch)).await.json().as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn deploying_needs_a_tenant_of_ones_own() {
    let server = server().await;
    let model = models::user("b");
    for fields in [vec![], vec![("tenant-id", "north")]] {
        let answer = server.deploy_as("sue", &fields, &[("b.bpmn", model.as_bytes())]).await;
        assert_eq!(answer.error().0, 403);
    }
}

#[tokio::test]
async fn filters_tell_tenants_apart() {
    let server = server().await;
    server.deploy("u.bpmn", &models::user("u")).await;
    let count = async |query: &str| {
        server.get(&format!("/engine-rest/process-definition/count?key=u&{query}")).await.json()["count"].clone()
    };
    assert_eq!(count("").await, 2);
    assert_eq!(count("tenantIdIn=north").await, 1);
    assert_eq!(count("tenantIdIn=south").await, 0);
    assert_eq!(count("withoutTenantId=true").await, 1);
}
