//! Which version of a decision a business rule task evaluates, and what its failure says.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::server::Server;

/// A table without inputs that gives this version.
fn decision(version: u32) -> String {
    format!(
        r#"<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" xmlns:camunda="http://camunda.org/schema/1.0/dmn" id="f" name="f" namespace="urn:f">
<decision id="which" name="Which one" camunda:versionTag="tag{version}"><decisionTable><input><inputExpression><text>n</text></inputExpression></input>
<output name="version"/><rule><inputEntry><text>&gt; 0</text></inputEntry><outputEntry><text>{version}</text></outputEntry></rule>
<rule><inputEntry><text>&gt; 100</text></inputEntry><outputEntry><text>0</text></outputEntry></rule></decisionTable></decision></definitions>"#
    )
}

const BINDINGS: [(&str, &str, u32); 4] = [
    ("latest", "", 2),
    ("deployment", r#"camunda:decisionRefBinding="deployment""#, 1),
    ("version", r#"camunda:decisionRefBinding="version" camunda:decisionRefVersion="1""#, 1),
    ("tag", r#"camunda:decisionRefBinding="versionTag" camunda:decisionRefVersionTag="tag2""#, 2),
];

fn process() -> String {
    let processes = BINDINGS.map(|(key, binding, _)| {
        format!(
            r#"<process id="{key}" isExecutable="true"><startEvent id="s{key}"/><sequenceFlow id="f{key}" sourceRef="s{key}" targetRef="d{key}"/>
<businessRuleTask id="d{key}" camunda:decisionRef="which" {binding} camunda:mapDecisionResult="singleEntry" camunda:resultVariable="version"/>
<sequenceFlow id="g{key}" sourceRef="d{key}" targetRef="u{key}"/><userTask id="u{key}"/></process>"#
        )
    });
    format!(
        r#"<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn" targetNamespace="t">{}</definitions>"#,
        processes.concat()
    )
}

async fn server() -> Server {
    let server = Server::start().await;
    let first = decision(1);
    let process = process();
    let files = [("which.dmn", first.as_bytes()), ("which.bpmn", process.as_bytes())];
    let answer = server.deploy_as("demo", &[("deployment-name", "one")], &files).await;
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.bytes));
    server.deploy("which.dmn", &decision(2)).await;
    server
}

async fn start(server: &Server, key: &str, n: u32) -> String {
    let body = json!({ "variables": { "n": { "value": n, "type": "Integer" } } });
    let answer = server.call("POST", &format!("/engine-rest/process-definition/key/{key}/start"), Some(body)).await;
    answer.json()["id"].as_str().expect("an id").to_owned()
}

/// Asks until the answer is no empty list: a decision is awaited for a time, then it goes on by itself.
async fn first(server: &Server, path: &str) -> Value {
    let begun = Instant::now();
    loop {
        let found = server.get(path).await.json();
        if found.get(0).is_some() || begun.elapsed() > Duration::from_secs(30) {
            return found[0].clone();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_binding_finds_its_version() {
    let server = server().await;
    for (key, _, wanted) in BINDINGS {
        let id = start(&server, key, 1).await;
        let query = format!("/engine-rest/variable-instance?processInstanceIdIn={id}&variableName=version");
        assert_eq!(first(&server, &query).await["value"], json!(wanted), "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_names_the_decision_and_the_rules() {
    let server = server().await;
    let id = start(&server, "latest", 101).await;
    let incident = first(&server, &format!("/engine-rest/incident?processInstanceId={id}")).await;
    let words = incident["incidentMessage"].as_str().unwrap_or_default();
    assert!(words.contains("decision \"Which one\": hit policy UNIQUE: the rules 1, 2 match at once"), "{incident}");
}
