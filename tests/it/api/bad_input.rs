//! Bad input: each mistake gets the clear error that `rest.md` names, and nothing is stored.

use axum::body::Body;
use axum::http::{Request, header};
use serde_json::{Value, json};

use super::models;
use super::server::{Server, basic};

/// What deployment says of a file, and that it kept nothing.
async fn refused(name: &str, content: &[u8]) -> Value {
    let server = Server::start().await;
    let answer = server.deploy_as("demo", &[("deployment-name", "bad")], &[(name, content)]).await;
    let (status, kind, message) = answer.error();
    assert_eq!((status, kind.as_str()), (400, "ParseException"), "{message}");
    assert!(message.starts_with("ENGINE-09005 Could not parse BPMN process. Errors: \n* "), "{message}");
    assert_eq!(server.get("/engine-rest/deployment/count").await.json()["count"], 0, "nothing is stored");
    let error = answer.json()["details"][name]["errors"][0].clone();
    assert!(error["line"].is_u64() && error["column"].is_u64() && error["elementIds"].is_array(), "{error}");
    error
}

#[tokio::test]
async fn a_truncated_model() {
    let model = models::user("a");
    refused("a.bpmn", &model.as_bytes()[..model.len() - 20]).await;
}

#[tokio::test]
async fn a_dtd() {
    let model = format!("<!DOCTYPE x [<!ENTITY a \"b\">]>{}", models::user("a"));
    let error = refused("a.bpmn", model.as_bytes()).await;
    assert!(error["message"].as_str().expect("words").to_uppercase().contains("DOCTYPE"), "{error}");
}

#[tokio::test]
async fn a_dangling_reference() {
    let model = models::user("a").replace("targetRef=\"end\"", "targetRef=\"nowhere\"");
    let error = refused("a.bpmn", model.as_bytes()).await;
    assert!(error["message"].as_str().expect("words").contains("nowhere"), "{error}");
}

#[tokio::test]
async fn an_unknown_element() {
    let model = models::user("a").replace("<userTask", "<magicTask").replace("</userTask", "</magicTask");
    let error = refused("a.bpmn", model.as_bytes()).await;
    assert!(error["message"].as_str().expect("words").contains("magicTask"), "{error}");
}

#[tokio::test]
async fn a_script_that_does_not_compile() {
    let script = r#"<scriptTask id="work" scriptFormat="rhai"><script>let x = ;</script></scriptTask>"#;
    let model = models::user("a");
    let task = &model[model.find("<userTask").expect("a task")..];
    let task = &task[..task.find("/>").expect("its end") + 2];
    refused("a.bpmn", model.replace(task, script).as_bytes()).await;
    refused("a.rhai", b"fn (").await;
}

#[tokio::test]
async fn a_form_that_is_no_json_and_a_decision_that_is_none() {
    refused("a.form", b"{\"id\": ").await;
    refused("a.dmn", b"<definitions/>").await;
}

#[tokio::test]
async fn all_files_are_told_at_once() {
    let server = Server::start().await;
    let dangling = models::user("a").replace("targetRef=\"end\"", "targetRef=\"nowhere\"");
    let files: [(&str, &[u8]); 3] = [("a.bpmn", dangling.as_bytes()), ("b.form", b"["), ("c.txt", b"kept")];
    let answer = server.deploy_as("demo", &[], &files).await;
    let details = answer.json()["details"].clone();
    assert_eq!(details.as_object().map(serde_json::Map::len), Some(2), "{details}");
}

#[tokio::test]
async fn a_value_of_another_type() {
    let server = Server::start().await;
    server.deploy("a.bpmn", &models::user("a")).await;
    let body = json!({ "variables": { "n": { "value": "abc", "type": "Integer" } } });
    let answer = server.call("POST", "/engine-rest/process-definition/key/a/start", Some(body)).await;
    let (status, kind, message) = answer.error();
    assert_eq!((status, kind.as_str()), (400, "InvalidRequestException"));
    assert!(
        message.ends_with("Cannot convert value 'abc' of type 'Integer' to java type java.lang.Integer"),
        "{message}"
    );
    assert_eq!(server.get("/engine-rest/process-instance/count").await.json()["count"], 0);
}

#[tokio::test]
async fn a_body_of_10_mb() {
    let server = Server::start().await;
    server.deploy("a.bpmn", &models::user("a")).await;
    let text = "x".repeat(10 * 1024 * 1024);
    let body = json!({ "variables": { "n": { "value": text } } });
    let answer = server.call("POST", "/engine-rest/process-definition/key/a/start", Some(body)).await;
    assert_eq!(answer.error().0, 413);
    assert_eq!(server.get("/engine-rest/process-instance/count").await.json()["count"], 0);
    let model = format!("{}<!--{text}-->", models::user("b"));
    let answer = server.deploy_as("demo", &[], &[("b.bpmn", model.as_bytes())]).await;
    assert_eq!(answer.error().0, 400, "a model is limited by itself");
}

#[tokio::test]
async fn json_that_nests_too_deep_or_holds_what_no_database_keeps() {
    let server = Server::start().await;
    for body in ["[".repeat(1_000_000), "{\"name\": \"a\\u0000b\"}".to_owned()] {
        let request = Request::builder()
            .method("POST")
            .uri("/engine-rest/task")
            .header(header::AUTHORIZATION, basic("demo"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body));
        assert_eq!(server.send(request.expect("a request")).await.error().0, 400);
    }
}

#[tokio::test]
async fn a_task_completed_twice() {
    let server = Server::start().await;
    server.deploy("a.bpmn", &models::user("a")).await;
    server.call("POST", "/engine-rest/process-definition/key/a/start", Some(json!({}))).await;
    let task = server.get("/engine-rest/task").await.json()[0]["id"].as_str().expect("an id").to_owned();
    let path = format!("/engine-rest/task/{task}/complete");
    assert_eq!(server.call("POST", &path, Some(json!({}))).await.status, 204);
    let (status, _, message) = server.call("POST", &path, Some(json!({}))).await.error();
    assert_eq!((status, message), (404, format!("No matching task with id {task}")));
}

#[tokio::test]
async fn unknown_ids() {
    let server = Server::start().await;
    for (path, words) in [
        ("task/7:1", "No matching task with id 7:1"),
        ("task/x", "No matching task with id x"),
        ("process-instance/7", "Process instance with id 7 does not exist"),
        ("process-instance/7/variables/x", "execution 7 doesn't exist"),
        ("process-definition/a:1:7", "No matching definition with id a:1:7"),
        ("process-definition/key/a", "No matching process definition with key: a and no tenant-id"),
        ("external-task/7:1", "External task with id 7:1 does not exist"),
        ("job/7:1", "Job with id 7:1 does not exist"),
        ("incident/7:1", "No matching incident with id 7:1"),
        ("deployment/7", "Deployment with id '7' does not exist"),
        ("execution/7", "Execution with id 7 does not exist"),
        ("history/process-instance/7", "Historic process instance with id 7 does not exist"),
    ] {
        let (status, _, message) = server.get(&format!("/engine-rest/{path}")).await.error();
        assert_eq!((status, message.as_str()), (404, words), "{path}");
    }
}
