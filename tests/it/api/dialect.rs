//! The rules of the dialect, D1 to D20: each a test through the router. D12 and D13 are in `work`, D14 with the ids.

use axum::body::Body;
use axum::http::{Request, header};
use serde_json::{Value, json};

use super::models;
use super::server::{Server, basic};

async fn started(server: &Server, key: &str, body: Value) -> String {
    let answer = server.call("POST", &format!("/engine-rest/process-definition/key/{key}/start"), Some(body)).await;
    assert_eq!(answer.status, 200, "{:?}", String::from_utf8_lossy(&answer.bytes));
    answer.json()["id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn d1_json_has_exactly_its_type() {
    let server = Server::start().await;
    for path in ["/engine-rest/version", "/engine-rest/task", "/engine-rest/nothing", "/api/info"] {
        assert_eq!(server.get(path).await.kind(), Some("application/json"), "{path}");
    }
}

#[tokio::test]
async fn d2_no_result_is_204_and_no_rows_are_an_empty_list() {
    let server = Server::start().await;
    server.deploy("a.bpmn", &models::user("a")).await;
    let id = started(&server, "a", json!({})).await;
    let answer = server.call("DELETE", &format!("/engine-rest/process-instance/{id}"), None).await;
    assert_eq!((answer.status.as_u16(), answer.bytes.len()), (204, 0));
    assert_eq!(server.get("/engine-rest/process-instance").await.json(), json!([]));
}

#[tokio::test]
async fn d3_every_error_has_the_body() {
    let server = Server::start().await;
    let send = async |method: &str, path: &str, kind: &str, body: &str| {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, basic("demo"))
            .header(header::CONTENT_TYPE, kind)
            .body(Body::from(body.to_owned()))
            .expect("a request");
        let (status, kind, _) = server.send(request).await.error();
        (status, kind)
    };
    let task = "/engine-rest/task";
    let json = "application/json";
    assert_eq!(send("GET", "/engine-rest/no-such-thing", json, "").await, (404, "NotFoundException".into()));
    assert_eq!(send("GET", "/api/no-such-thing", json, "").await, (404, "NotFoundException".into()));
    assert_eq!(send("DELETE", task, json, "").await, (405, "NotAllowedException".into()));
    assert_eq!(send("POST", task, "text/plain", "{}").await, (415, "NotSupportedException".into()));
    assert_eq!(send("POST", task, json, "{").await, (400, "InvalidRequestException".into()));
    assert_eq!(send("POST", task, json, "[]").await.0, 400);
    let claim = "/engine-rest/external-task/1:2/complete";
    assert_eq!(send("POST", claim, json, "{\"workerId\": 5}").await.0, 400, "never 422");
    assert_eq!(send("POST", "/engine-rest/deployment/create", json, "{}").await.0, 400, "no form");
    let without = Request::builder().uri(task).body(Body::empty()).expect("a request");
    let answer = server.send(without).await;
    assert_eq!(answer.headers[header::WWW_AUTHENTICATE], "Basic realm=\"default\"");
    assert_eq!(answer.error().0, 401);
}

#[tokio::test]
async fn d4_unknown_fields_and_repeats_are_ignored_and_bodies_may_lack() {
    let server = Server::start().await;
    server.deploy("a.bpmn", &models::user("a")).await;
    let start = "/engine-rest/process-definition/key/a/start";
    assert_eq!(server.call("POST", start, Some(json!({ "unknown": [1], "businessKey": null }))).await.status, 200);
    assert_eq!(server.call("POST", start, None).await.status, 200, "neither body nor type");
    let count =
        server.get("/engine-rest/process-instance/count?processDefinitionKey=a&processDefinitionKey=b&what=1").await;
    assert_eq!(count.json()["count"], 2);
}

#[tokio::test]
async fn d5_nulls_are_written_and_empty_maps_stay_maps() {
    let server = Server::start().await;
    let deployed = server.deploy("a.bpmn", &models::user("a")).await;
    assert!(deployed["deployedDecisionDefinitions"].is_null() && deployed["deployedProcessDefinitions"].is_object());
    assert_eq!(deployed["links"], json!([]));
    let id = started(&server, "a", json!({})).await;
    assert_eq!(server.get(&format!("/engine-rest/process-instance/{id}/variables")).await.json(), json!({}));
    let task = &server.get("/engine-rest/task").await.json()[0];
    assert!(task.as_object().expect("an object").contains_key("assignee") && task["assignee"].is_null());
}

#[tokio::test]
async fn d6_there_is_one_engine() {
    let server = Server::start().await;
    assert_eq!(server.get("/engine-rest/engine").await.json(), json!([{ "name": "default" }]));
    assert_eq!(server.get("/engine-rest/engine/default/version").await.json(), json!({ "version": "7.24.0" }));
    assert_eq!(server.get("/engine-rest/engine/other/version").await.error().0, 404);
}

#[tokio::test]
async fn d7_dates_leave_in_one_form_and_come_in_many() {
    let server = Server::start().await;
    server.deploy("a.bpmn", &models::user("a")).await;
    started(&server, "a", json!({})).await;
    let created = server.get("/engine-rest/task").await.json()[0]["created"].as_str().expect("a time").to_owned();
    assert!(created.len() == 28 && created.ends_with("+0000"), "{created}");
    for after in ["2020-01-01T00:00:00Z", "2020-01-01T00:00:00+00:00", "2020-01-01T00:00:00.000+0000"] {
        let count = server.get(&format!("/engine-rest/task/count?createdAfter={after}")).await;
        assert_eq!(count.json()["count"], 1, "{after}");
    }
    assert_eq!(server.get("/engine-rest/task/count?createdAfter=soon").await.error().0, 400);
}

#[tokio::test]
async fn d8_types_come_in_either_case_and_leave_capitalised() {
    let server = Server::start().await;
    server.deploy("a.bpmn", &models::user("a")).await;
    let variables = json!({ "a": { "value": 1, "type": "integer" }, "b": { "value": "x" } });
    let id = started(&server, "a", json!({ "variables": variables })).await;
    let read = server.get(&format!("/engine-rest/process-instance/{id}/variables")).await.json();
    assert_eq!((&read["a"]["type"], &read["b"]["type"]), (&json!("Integer"), &json!("String")));
}

#[tokio::test]
async fn d9_variables_are_found_by_any_execution() {
    let server = Server::start().await;
    server.deploy("a.bpmn", &models::user("a")).await;
    let id = started(&server, "a", json!({ "variables": { "x": { "value": 1 } } })).await;
    let execution = server.get("/engine-rest/task").await.json()[0]["executionId"].as_str().expect("an id").to_owned();
    assert_ne!(execution, id);
    let path = format!("/engine-rest/process-instance/{execution}/variables/x");
    assert_eq!(server.get(&path).await.json()["value"], 1);
    assert_eq!(server.call("PUT", &path, Some(json!({ "value": 2 }))).await.status, 204);
    assert_eq!(server.get(&format!("/engine-rest/process-instance/{id}/variables/x")).await.json()["value"], 2);
}

#[tokio::test]
async fn d10_no_rows_wanted_and_a_probe_without_credentials() {
    let server = Server::start().await;
    server.deploy("a.bpmn", &models::user("a")).await;
    assert_eq!(server.get("/engine-rest/deployment?maxResults=0").await.json(), json!([]));
    let probe = Request::builder().uri("/engine-rest/deployment?maxResults=0").body(Body::empty()).expect("a request");
    assert_eq!(server.send(probe).await.status, 401);
    assert_eq!(server.get("/engine-rest/deployment?firstResult=x").await.error().1, "QueryParamException");
}

#[tokio::test]
async fn d11_sorting_needs_both_words() {
    let server = Server::start().await;
    for query in ["sortBy=name", "sortOrder=asc"] {
        let (status, _, words) = server.get(&format!("/engine-rest/task?{query}")).await.error();
        assert_eq!(
            (status, words.as_str()),
            (400, "Only a single sorting parameter specified. sortBy and sortOrder required")
        );
    }
    assert_eq!(server.get("/engine-rest/task?sortBy=nothing&sortOrder=asc").await.error().0, 400);
}

#[tokio::test]
async fn d12_a_large_deployment_is_taken() {
    let server = Server::start().await;
    let comment = format!("<!--{}-->", "x".repeat(3 * 1024 * 1024));
    let model = models::user("a").replace("<process", &format!("{comment}<process"));
    server.deploy("a.bpmn", &model).await;
}

#[tokio::test]
async fn d14_ids_are_plain_and_an_instance_is_its_root_execution() {
    let server = Server::start().await;
    let deployed = server.deploy("a.bpmn", &models::user("a")).await;
    let id = started(&server, "a", json!({})).await;
    let task = server.get("/engine-rest/task").await.json()[0].clone();
    let tree = server.get(&format!("/engine-rest/process-instance/{id}/activity-instances")).await.json();
    let definition =
        deployed["deployedProcessDefinitions"].as_object().expect("a map").keys().next().expect("one").clone();
    let child = &tree["childActivityInstances"][0]["id"];
    assert_ne!(child, &task["id"]);
    for id in [&json!(id), &task["id"], &task["executionId"], child, &json!(definition)] {
        let id = id.as_str().expect("a text");
        let plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":._-".contains(&byte));
        assert!(plain && id.len() <= 64, "{id}");
    }
    assert_eq!(server.get(&format!("/engine-rest/execution/{id}")).await.json()["processInstanceId"], json!(id));
}

#[tokio::test]
async fn d15_every_query_shows_what_was_answered() {
    let server = Server::start().await;
    server.deploy("a.bpmn", &models::user("a")).await;
    for number in 0..10 {
        started(&server, "a", json!({ "businessKey": format!("k-{number}") })).await;
        let count = server.get("/engine-rest/task/count").await.json()["count"].clone();
        assert_eq!(count, number + 1);
        let found =
            server.get(&format!("/engine-rest/history/process-instance?processInstanceBusinessKey=k-{number}")).await;
        assert_eq!(found.json().as_array().map(Vec::len), Some(1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d16_conflicts_are_no_errors() {
    let server = Server::start().await;
    server.deploy("a.bpmn", &models::user("a")).await;
    let id = started(&server, "a", json!({})).await;
    let set = async |number: i32| {
        let body = json!({ "value": number });
        server.call("PUT", &format!("/engine-rest/process-instance/{id}/variables/x"), Some(body)).await.status
    };
    let all = futures_util::future::join_all((0..50).map(set)).await;
    assert!(all.iter().all(|status| *status == 204), "{all:?}");
}

#[tokio::test]
async fn d17_a_form_leaves_under_both_names() {
    let server = Server::start().await;
    let (model, form) = (models::form("a"), br#"{"id": "ask", "components": []}"#);
    let files: [(&str, &[u8]); 2] = [("a.bpmn", model.as_bytes()), ("ask.form", form)];
    assert_eq!(server.deploy_as("demo", &[], &files).await.status, 200);
    started(&server, "a", json!({})).await;
    let task = server.get("/engine-rest/task").await.json()[0].clone();
    assert_eq!(task["camundaFormRef"], json!({ "key": "ask", "binding": "latest", "version": null }));
    assert_eq!(task["operatonFormRef"], task["camundaFormRef"]);
    let deployed =
        server.get(&format!("/engine-rest/task/{}/deployed-form", task["id"].as_str().expect("an id"))).await;
    assert_eq!((deployed.kind(), deployed.bytes.as_slice()), (Some("application/json"), form.as_slice()));
    // A version is counted from the oldest form of this id.
    let (model, newer) = (
        models::form("b").replace("\"latest\"", "\"version\" camunda:formRefVersion=\"1\""),
        br#"{"id": "ask", "components": [1]}"#,
    );
    let files: [(&str, &[u8]); 2] = [("b.bpmn", model.as_bytes()), ("ask.form", newer)];
    assert_eq!(server.deploy_as("demo", &[], &files).await.status, 200);
    started(&server, "b", json!({})).await;
    for (key, wanted) in [("a", newer.as_slice()), ("b", form.as_slice())] {
        let task = server.get(&format!("/engine-rest/task?processDefinitionKey={key}")).await.json()[0].clone();
        let path = format!("/engine-rest/task/{}/deployed-form", task["id"].as_str().expect("an id"));
        assert_eq!(server.get(&path).await.bytes.as_slice(), wanted, "{key}");
    }
}

#[tokio::test]
async fn d18_slips_of_the_specification_are_understood() {
    let server = Server::start().await;
    assert_eq!(server.get("/engine-rest/task?sortBy=tenantId%20&sortOrder=asc").await.status, 200);
    for tenants in [json!("north,south"), json!(["north", "south"])] {
        assert_eq!(server.call("POST", "/engine-rest/task", Some(json!({ "tenantIdIn": tenants }))).await.status, 200);
    }
}

#[tokio::test]
async fn d19_foreign_pages_may_not_call_unless_they_are_listed() {
    let page = |origin: &str| {
        Request::builder()
            .uri("/engine-rest/version")
            .header(header::ORIGIN, origin)
            .header(header::AUTHORIZATION, basic("demo"))
            .body(Body::empty())
            .expect("a request")
    };
    let closed = Server::start().await;
    let answer = closed.send(page("https://tasks.example.org")).await;
    assert!(!answer.headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
    let open = Server::bare(|options| options.origins = vec!["https://tasks.example.org".to_owned()]).await;
    open.account("demo", None, true).await;
    let answer = open.send(page("https://tasks.example.org")).await;
    assert_eq!(answer.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "https://tasks.example.org");
    assert_eq!(answer.headers[header::ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
    let answer = open.send(page("https://evil.example.org")).await;
    assert!(!answer.headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
    let ask = Request::builder()
        .method("OPTIONS")
        .uri("/engine-rest/task")
        .header(header::ORIGIN, "https://tasks.example.org")
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
        .body(Body::empty());
    assert_eq!(open.send(ask.expect("a request")).await.status, 204, "asked without credentials");
}

#[tokio::test]
async fn d20_a_failure_on_the_way_is_an_incident() {
    let server = Server::start().await;
    server.deploy("a.bpmn", &models::failing("a")).await;
    let id = started(&server, "a", json!({})).await;
    let incident = server.get(&format!("/engine-rest/incident?processInstanceId={id}")).await.json()[0].clone();
    assert_eq!((&incident["activityId"], &incident["incidentType"]), (&json!("work"), &json!("failedExpression")));
    let found = server.get("/engine-rest/process-instance?withIncident=true").await.json();
    assert_eq!(found.as_array().map(Vec::len), Some(1));
}
