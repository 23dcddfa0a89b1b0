//! How long history is kept, what operators say about incidents, and that nothing is told to anybody outside.

use serde_json::{Value, json};
use transhume::base::time::{DAY_MS, Timestamp};

use super::models;
use super::server::Server;

async fn put(server: &Server, user: &str, path: &str, body: Value) -> u16 {
    server.call_as(user, "PUT", &format!("/engine-rest{path}"), Some(body)).await.status.as_u16()
}

#[tokio::test]
async fn history_is_kept_as_long_as_its_definition_says() {
    let server = Server::start().await;
    for key in ["u", "w"] {
        server.deploy("model.bpmn", &models::user(key)).await;
        server.call("POST", &format!("/engine-rest/process-definition/key/{key}/start"), Some(json!({}))).await;
    }
    for task in server.get("/engine-rest/task").await.json().as_array().expect("a list") {
        let path = format!("/engine-rest/task/{}/complete", task["id"].as_str().expect("an id"));
        assert_eq!(server.call("POST", &path, Some(json!({}))).await.status, 204);
    }
    let kept = async |key: &str| {
        let path = format!("/engine-rest/process-definition/key/{key}");
        server.get(&path).await.json()["historyTimeToLive"].clone()
    };
    let path = "/process-definition/key/u/history-time-to-live";
    assert_eq!(put(&server, "demo", path, json!({ "historyTimeToLive": 5 })).await, 204);
    // A change of the version by the engine leaves it.
    for suspended in [true, false] {
        assert_eq!(
            put(&server, "demo", "/process-definition/key/u/suspended", json!({ "suspended": suspended })).await,
            204
        );
    }
    assert_eq!((kept("u").await, kept("w").await), (json!(5), Value::Null));
    let days = async |days: i64| {
        let now = server.node.clock().now();
        server.node.store().sweep(Timestamp(now.0 + days * DAY_MS + 1_000), 180).await.expect("it sweeps");
        let all = server.get("/engine-rest/history/process-instance").await.json();
        all.as_array().expect("a list").iter().map(|one| one["processDefinitionKey"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(days(4).await.len(), 2);
    assert_eq!(days(6).await, [json!("w")], "its five days are over");
    assert_eq!(put(&server, "demo", path, json!({ "historyTimeToLive": null })).await, 204);
    assert_eq!(kept("u").await, Value::Null);
}

#[tokio::test]
async fn how_long_is_a_right_of_its_own_and_has_bounds() {
    let server = Server::start().await;
    server.bare_account("bob", None, false).await;
    server.account("nora", Some(&["north"]), false).await;
    let model = models::user("u");
    server.deploy_as("demo", &[("tenant-id", "south")], &[("u.bpmn", model.as_bytes())]).await;
    let path = "/process-definition/key/u/tenant-id/south/history-time-to-live";
    let days = |days: i64| json!({ "historyTimeToLive": days });
    assert_eq!(put(&server, "nora", path, days(1)).await, 404, "of another tenant");
    assert_eq!(put(&server, "bob", path, days(1)).await, 404, "he may not read it");
    server.grant("bob", 6, "u", &["READ"]).await;
    assert_eq!(put(&server, "bob", path, days(1)).await, 403);
    server.grant("bob", 6, "u", &["UPDATE"]).await;
    assert_eq!(put(&server, "bob", path, days(1)).await, 204);
    for (wrong, status) in [(-1, 400), (0, 204), (i64::from(i32::MAX), 204), (i64::from(i32::MAX) + 1, 400)] {
        assert_eq!(put(&server, "demo", path, days(wrong)).await, status, "{wrong}");
    }
    let none = "/decision-definition/key/none/history-time-to-live";
    assert_eq!(put(&server, "demo", none, days(1)).await, 404);
}

#[tokio::test]
async fn an_incident_is_annotated_while_it_is_open_and_afterwards() {
    let server = Server::start().await;
    server.bare_account("bob", None, false).await;
    server.deploy("f.bpmn", &models::failing("f")).await;
    let start = server.call("POST", "/engine-rest/process-definition/key/f/start", Some(json!({}))).await.json();
    let incident = server.get("/engine-rest/incident").await.json()[0]["id"].as_str().expect("an id").to_owned();
    let path = format!("/incident/{incident}/annotation");
    let text = |length: usize| json!({ "annotation": "é".repeat(length) });
    assert_eq!(put(&server, "bob", &path, text(1)).await, 404, "he may not see it");
    server.grant("bob", 6, "*", &["READ_INSTANCE"]).await;
    assert_eq!(put(&server, "bob", &path, text(1)).await, 403);
    for (length, status) in [(4_001, 400), (4_000, 204)] {
        assert_eq!(put(&server, "demo", &path, text(length)).await, status, "{length}");
    }
    assert_eq!(put(&server, "demo", "/incident/1:99/annotation", text(1)).await, 404);
    let told = async || {
        let open = server.get(&format!("/engine-rest/incident/{incident}")).await.json()["annotation"].clone();
        let past = server.get("/engine-rest/history/incident").await.json()[0]["annotation"].clone();
        (open, past)
    };
    let whole = json!("é".repeat(4_000));
    assert_eq!(told().await, (whole.clone(), whole.clone()));
    let gone = format!("/engine-rest/process-instance/{}", start["id"].as_str().expect("an id"));
    assert_eq!(server.call("DELETE", &gone, None).await.status, 204);
    assert_eq!(server.get("/engine-rest/history/incident").await.json()[0]["annotation"], whole);
}

#[tokio::test]
async fn an_annotation_is_taken_back() {
    let server = Server::start().await;
    server.deploy("f.bpmn", &models::failing("f")).await;
    server.call("POST", "/engine-rest/process-definition/key/f/start", Some(json!({}))).await;
    let incident = server.get("/engine-rest/incident").await.json()[0]["id"].as_str().expect("an id").to_owned();
    let path = format!("/incident/{incident}/annotation");
    for text in ["first", "second"] {
        assert_eq!(put(&server, "demo", &path, json!({ "annotation": text })).await, 204);
    }
    assert_eq!(server.get("/engine-rest/incident").await.json()[0]["annotation"], "second");
    assert_eq!(server.call("DELETE", &format!("/engine-rest{path}"), None).await.status, 204);
    assert_eq!(server.get("/engine-rest/incident").await.json()[0]["annotation"], Value::Null);
}

#[tokio::test]
async fn nothing_is_told_to_anybody() {
    let server = Server::start().await;
    server.bare_account("bob", None, false).await;
    let path = "/engine-rest/telemetry/configuration";
    assert_eq!(server.get(path).await.json(), json!({ "enableTelemetry": false }));
    assert_eq!(server.call("POST", path, Some(json!({ "enableTelemetry": false }))).await.status, 204);
    let wish = server.call("POST", path, Some(json!({ "enableTelemetry": true }))).await.error();
    assert_eq!(wish.0, 400);
    assert!(wish.2.contains("sends nothing"), "{}", wish.2);
    let data = server.get("/engine-rest/telemetry/data").await.json();
    assert_eq!(data["product"]["name"], "Transhume");
    for path in [path, "/engine-rest/telemetry/data"] {
        assert_eq!(server.call_as("bob", "GET", path, None).await.error().0, 403, "{path}");
    }
}
