//! Generated forms over REST: what they show, what they take, and what they refuse; and task listeners that refuse a person.

use super::server::Server;
use serde_json::{Value, json};

const MODEL: &str = r#"<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn" targetNamespace="t">
<process id="asks" isExecutable="true">
  <startEvent id="start"><extensionElements><camunda:formData businessKey="order">
    <camunda:formField id="order" label="Order" type="string"><camunda:validation><camunda:constraint name="required"/></camunda:validation></camunda:formField>
    <camunda:formField id="servers" label="Servers &lt;25&gt;" type="long" defaultValue="${20 + 5}"><camunda:validation><camunda:constraint name="max" config="100"/></camunda:validation></camunda:formField>
  </camunda:formData></extensionElements></startEvent>
  <sequenceFlow id="f1" sourceRef="start" targetRef="work"/>
  <userTask id="work" name="Choose">
    <extensionElements>
      <camunda:formData>
        <camunda:formField id="day" label="Day" type="date" datePattern="dd.MM.yyyy"/>
        <camunda:formField id="size" type="enum" defaultValue="s"><camunda:value id="s" name="small"/><camunda:value id="l" name="large"/></camunda:formField>
        <camunda:formField id="sure" type="boolean"/>
      </camunda:formData>
      <camunda:taskListener event="assignment"><camunda:script scriptFormat="rhai">if task.assignee == "eve" { throw "eve has left" } set_variable("assigned", task.assignee)</camunda:script></camunda:taskListener>
      <camunda:taskListener event="update" expression="${execution.setVariable('updates', updates + 1)}"/>
    </extensionElements>
  </userTask>
  <sequenceFlow id="f2" sourceRef="work" targetRef="end"/><endEvent id="end"/>
</process></definitions>"#;

const START: &str = "/engine-rest/process-definition/key/asks";

async fn submitted(server: &Server, variables: Value) -> (u16, Value) {
    let body = json!({ "variables": variables });
    let answer = server.call("POST", &format!("{START}/submit-form"), Some(body)).await;
    (answer.status.as_u16(), answer.json())
}

/// An instance that waits at its task, and the task's path.
async fn task(server: &Server) -> (String, String) {
    let given = json!({ "order": { "value": "A-7" }, "updates": { "value": 0, "type": "Integer" } });
    let (status, instance) = submitted(server, given).await;
    assert_eq!((status, &instance["businessKey"]), (200, &json!("A-7")));
    let id = instance["id"].as_str().expect("an id").to_owned();
    let tasks = server.get(&format!("/engine-rest/task?processInstanceId={id}")).await.json();
    (id, format!("/engine-rest/task/{}", tasks[0]["id"].as_str().expect("a task")))
}

async fn server() -> Server {
    let server = Server::start().await;
    server.deploy("asks.bpmn", MODEL).await;
    server
}

#[tokio::test]
async fn a_start_form_checks_what_is_submitted() {
    let server = server().await;
    let form = server.get(&format!("{START}/startForm")).await.json();
    let key = form["key"].as_str().expect("a key");
    assert!(key.starts_with("embedded:engine://engine/:engine/process-definition/asks:1:"), "{key}");
    assert!(key.ends_with("/rendered-form"), "{key}");
    let fields = server.get(&format!("{START}/form-variables")).await.json();
    assert_eq!(fields["servers"], json!({ "type": "Long", "value": 25, "valueInfo": {} }));
    assert_eq!(fields["order"]["value"], Value::Null);

    let (status, error) = submitted(&server, json!({})).await;
    let words = error["message"].as_str().expect("words");
    assert_eq!((status, &error["type"], &error["field"]), (400, &json!("RestException"), &json!("order")));
    assert!(words.ends_with("the form field 'order' is not valid: it is required"), "{words}");
    let (status, error) = submitted(&server, json!({ "order": { "value": "B" }, "servers": { "value": 101 } })).await;
    assert_eq!((status, &error["field"]), (400, &json!("servers")));
    let count = server.get("/engine-rest/process-instance/count").await.json();
    assert_eq!(count, json!({ "count": 0 }), "what was refused has begun nothing");

    let (id, _task) = task(&server).await;
    let variables = server.get(&format!("/engine-rest/process-instance/{id}/variables")).await.json();
    assert_eq!((&variables["order"]["value"], &variables["servers"]["value"]), (&json!("A-7"), &json!(25)));
}

#[tokio::test]
async fn a_task_form_is_drawn_and_checked() {
    let server = server().await;
    let (id, task) = task(&server).await;
    let drawn = server.get(&format!("{task}/rendered-form")).await;
    assert_eq!(drawn.kind(), Some("application/xhtml+xml"));
    let html = String::from_utf8(drawn.bytes.to_vec()).expect("text");
    for part in [
        r#"<label for="day">Day</label>"#,
        r#"cam-variable-name="size" cam-variable-type="String""#,
        r#"<option value="s" selected="selected">small</option><option value="l">large</option>"#,
        r#"<input type="checkbox" id="sure""#,
    ] {
        assert!(html.contains(part), "{part} is missing in {html}");
    }
    let fields = server.get(&format!("{task}/form-variables?variableNames=size,order")).await.json();
    assert_eq!((&fields["size"]["value"], &fields["order"]["value"]), (&json!("s"), &json!("A-7")));
    assert_eq!(fields.as_object().map(serde_json::Map::len), Some(2));

    let submit = format!("{task}/submit-form");
    let wrong = json!({ "variables": { "day": { "value": "31.02.2031" } } });
    let (status, kind, words) = server.call("POST", &submit, Some(wrong)).await.error();
    assert_eq!((status, kind.as_str()), (400, "RestException"));
    assert!(words.contains("\"31.02.2031\" is not a date like dd.MM.yyyy"), "{words}");
    let right = json!({ "variables": { "day": { "value": "28.02.2031" }, "sure": { "value": "true" }, "more": { "value": 1 } } });
    assert_eq!(server.call("POST", &submit, Some(right)).await.status, 204);
    let path =
        format!("/engine-rest/history/variable-instance?processInstanceId={id}&sortBy=variableName&sortOrder=asc");
    let past = server.get(&path).await.json();
    let names: Vec<(&str, &Value)> =
        past.as_array().into_iter().flatten().map(|v| (v["name"].as_str().unwrap_or_default(), &v["value"])).collect();
    assert!(names.contains(&("day", &json!("2031-02-28T00:00:00.000+0000"))), "{names:?}");
    assert!(names.contains(&("sure", &json!(true))) && names.contains(&("size", &json!("s"))), "{names:?}");
}

#[tokio::test]
async fn the_start_form_is_drawn_with_what_people_wrote_escaped() {
    let server = server().await;
    let drawn = server.get(&format!("{START}/rendered-form")).await;
    let html = String::from_utf8(drawn.bytes.to_vec()).expect("text");
    assert!(html.contains(r#"<label for="servers">Servers &lt;25&gt;</label><input type="number""#), "{html}");
    assert!(html.contains(r#"max="100" value="25""#), "{html}");
}

#[tokio::test]
async fn a_listener_refuses_an_assignment_and_nothing_has_changed() {
    let server = server().await;
    let (id, task) = task(&server).await;
    let claim = |user: &str| json!({ "userId": user });
    let (status, kind, words) = server.call("POST", &format!("{task}/claim"), Some(claim("eve"))).await.error();
    assert_eq!((status, kind.as_str()), (500, "ProcessEngineException"));
    assert!(words.contains("eve has left"), "{words}");
    assert_eq!(server.get(&task).await.json()["assignee"], Value::Null);
    let updates = format!("/engine-rest/process-instance/{id}/variables/updates");
    assert_eq!(server.get(&updates).await.json()["value"], json!(0), "the update that was heard first is undone");

    assert_eq!(server.call("POST", &format!("{task}/claim"), Some(claim("ann"))).await.status, 204);
    let variables = server.get(&format!("/engine-rest/process-instance/{id}/variables")).await.json();
    assert_eq!((&variables["assigned"]["value"], &variables["updates"]["value"]), (&json!("ann"), &json!(1)));
}
