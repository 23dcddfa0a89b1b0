//! Bad input over REST: each gets the status, type and words that the API promises, and nothing is stored.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::binary::has;
use crate::support::serve::{Answer, PASSWORD, Served, USER};

const GOOD: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" id="d" targetNamespace="urn:transhume:test">
  <bpmn:process id="good" isExecutable="true">
    <bpmn:startEvent id="start" />
    <bpmn:sequenceFlow id="f1" sourceRef="start" targetRef="check" />
    <bpmn:userTask id="check" />
    <bpmn:sequenceFlow id="f2" sourceRef="check" targetRef="end" />
    <bpmn:endEvent id="end" />
  </bpmn:process>
</bpmn:definitions>
"#;

const START: &str = "/engine-rest/process-definition/key/good/start";

/// What must not move while bad input is refused.
async fn stored(served: &Served) -> Vec<Value> {
    let mut counts = Vec::new();
    for what in ["deployment", "process-definition", "history/process-instance", "task"] {
        let answer = served.get(&format!("/engine-rest/{what}/count")).await;
        assert_eq!(answer.status, 200, "{what}: {answer:?}");
        counts.push(answer.body["count"].clone());
    }
    counts
}

/// An error as every client must be able to read it: exactly JSON, with a type and a message.
fn refused(what: &str, answer: &Answer, status: u16, kind: &str, words: &[&str]) {
    assert_eq!(answer.status, status, "{what}: {answer:?}");
    assert_eq!(answer.kind, "application/json", "{what}: {answer:?}");
    assert_eq!(answer.body["type"], kind, "{what}: {answer:?}");
    let message = answer.body["message"].as_str().unwrap_or_default();
    for word in words {
        assert!(message.contains(word), "{what}: `{word}` is missing in: {message}");
    }
}

/// The good model with another element in place of its user task.
fn instead_of_the_task(element: &str) -> String {
    GOOD.replace("<bpmn:userTask id=\"check\" />", element)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_model_is_refused_with_its_place() {
    if !has("serve") {
        return;
    }
    let served = Served::start().await;
    let script =
        r#"<bpmn:scriptTask id="check" scriptFormat="rhai"><bpmn:script>let a = (1 +;</bpmn:script></bpmn:scriptTask>"#;
    let dangling = GOOD.replace("targetRef=\"end\"", "targetRef=\"nowhere\"");
    let unknown = instead_of_the_task("<bpmn:teaBreak id=\"check\" />");
    let unbuilt = instead_of_the_task("<bpmn:choreographyTask id=\"check\" />");
    let broken = instead_of_the_task(script);
    let cases = [
        ("a dangling reference", dangling, "nowhere", 7),
        ("an unknown element", unknown, "teaBreak", 6),
        ("an element that is not built", unbuilt, "choreographyTask", 6),
        ("a script that does not compile", broken, "check", 6),
    ];
    for (what, model, word, line) in cases {
        let answer = deploy_beside_a_good_one(&served, what, &model).await;
        let line = format!("line {line}");
        let words = ["ENGINE-09005 Could not parse BPMN process. Errors: ", word, &line];
        refused(what, &answer, 400, "ParseException", &words);
        let place = &answer.body["details"]["bad.bpmn"]["errors"][0];
        assert!(place["line"].is_u64() && place["column"].is_u64(), "{what}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_xml_is_refused() {
    if !has("serve") {
        return;
    }
    let served = Served::start().await;
    let truncated = GOOD[..GOOD.len() - 80].to_owned();
    let dtd = GOOD.replacen("?>\n", "?>\n<!DOCTYPE bpmn:definitions [<!ENTITY x \"y\">]>\n", 1);
    for (what, model) in [("a truncated model", truncated), ("a DTD", dtd)] {
        let answer = deploy_beside_a_good_one(&served, what, &model).await;
        let words = ["ENGINE-09005 Could not parse BPMN process. Errors: ", "resource bad.bpmn | line "];
        refused(what, &answer, 400, "ParseException", &words);
    }
}

/// A deployment is all or nothing: the good file beside the bad one is not stored either.
async fn deploy_beside_a_good_one(served: &Served, what: &str, model: &str) -> Answer {
    let before = stored(served).await;
    let files = [("good.bpmn", GOOD.as_bytes()), ("bad.bpmn", model.as_bytes())];
    let answer = served.deploy(&files).await;
    assert_eq!(stored(served).await, before, "{what}: something was stored");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_type_starts_nothing() {
    if !has("serve") {
        return;
    }
    let served = Served::start().await;
    assert_eq!(served.deploy(&[("good.bpmn", GOOD.as_bytes())]).await.status, 200);
    let before = stored(&served).await;
    let wrong = json!({"variables": {"n": {"value": "abc", "type": "Integer"}}});
    let answer = served.post(START, &wrong).await;
    let words = ["Cannot convert value 'abc' of type 'Integer' to java type java.lang.Integer"];
    refused("a wrong type", &answer, 400, "InvalidRequestException", &words);
    let answer = served.post(START, &json!({"variables": 5})).await;
    refused("variables that are a number", &answer, 400, "InvalidRequestException", &[]);
    assert_eq!(stored(&served).await, before, "something was stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_megabytes_are_refused() {
    if !has("serve") {
        return;
    }
    let served = Served::start().await;
    assert_eq!(served.deploy(&[("good.bpmn", GOOD.as_bytes())]).await.status, 200);
    let before = stored(&served).await;
    let large = json!({"variables": {"text": {"value": "x".repeat(10 << 20), "type": "String"}}});
    let answer = served.post(START, &large).await;
    refused("a body of 10 MB", &answer, 413, "InvalidRequestException", &[]);
    let padding = format!("<!--{}--><bpmn:process", "x".repeat(10 << 20));
    let padded = GOOD.replace("<bpmn:process", &padding);
    let answer = served.deploy(&[("large.bpmn", padded.as_bytes())]).await;
    refused("a model of 10 MB", &answer, 400, "ParseException", &["large.bpmn", "4194304"]);
    assert_eq!(stored(&served).await, before, "something was stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_name_nothing_is_told() {
    if !has("serve") {
        return;
    }
    let served = Served::start().await;
    for who in [None, Some((USER, "guess")), Some(("nobody", PASSWORD))] {
        let answer = served.ask_as(who, Method::GET, "/engine-rest/task", None).await;
        assert_eq!((answer.status, answer.kind.as_str()), (401, "application/json"), "{who:?}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_completed_once() {
    if !has("serve") {
        return;
    }
    let served = Served::start().await;
    assert_eq!(served.deploy(&[("good.bpmn", GOOD.as_bytes())]).await.status, 200);
    let started = served.post(START, &json!({})).await;
    let tasks = served.get("/engine-rest/task").await;
    let task = tasks.body[0]["id"].as_str().expect("one task").to_owned();
    let complete = format!("/engine-rest/task/{task}/complete");
    assert_eq!(served.post(&complete, &json!({})).await.status, 204);
    let before = stored(&served).await;
    let late = json!({"variables": {"late": {"value": 1}}});
    let answer = served.post(&complete, &late).await;
    refused("a task completed twice", &answer, 404, "InvalidRequestException", &["No matching task with id", &task]);
    let id = started.body["id"].as_str().expect("an id");
    let past = served.get(&format!("/engine-rest/history/variable-instance?processInstanceId={id}")).await;
    assert_eq!(past.body, json!([]), "the second completion left a variable");
    assert_eq!(stored(&served).await, before, "something was stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_id_is_not_found() {
    if !has("serve") {
        return;
    }
    let served = Served::start().await;
    let before = stored(&served).await;
    let no_key = "No matching process definition with key: missing and no tenant-id";
    let cases = [
        (Method::GET, "no-such-thing", "NotFoundException", ""),
        (Method::GET, "task/404", "InvalidRequestException", "No matching task with id 404"),
        (Method::GET, "process-instance/404", "InvalidRequestException", "Process instance with id 404 does not exist"),
        (
            Method::GET,
            "process-definition/a:1:404",
            "InvalidRequestException",
            "No matching definition with id a:1:404",
        ),
        (Method::POST, "process-definition/key/missing/start", "RestException", no_key),
        (Method::POST, "external-task/404/complete", "RestException", "External task with id 404 does not exist"),
    ];
    let body = json!({"workerId": "w"});
    for (method, path, kind, words) in cases {
        let body = (method == Method::POST).then_some(&body);
        let path = format!("/engine-rest/{path}");
        let answer = served.ask_as(Some((USER, PASSWORD)), method, &path, body).await;
        refused(&path, &answer, 404, kind, &[words]);
    }
    assert_eq!(stored(&served).await, before, "something was stored");
}
