//! Tokens moved by hand over REST, what is told of waiting tokens, and the smaller operations beside them.

use serde_json::{Value, json};
use transhume::runtime::inspect::inspect;

use super::models;
use super::server::{Answer, Server};

async fn started(server: &Server, key: &str) -> String {
    let path = format!("/engine-rest/process-definition/key/{key}/start");
    let body = json!({ "variables": { "v": { "value": 1 } } });
    server.call("POST", &path, Some(body)).await.json()["id"].as_str().expect("an id").to_owned()
}

async fn modify(server: &Server, id: &str, instructions: Value) -> Answer {
    let path = format!("/engine-rest/process-instance/{id}/modification");
    server.call("POST", &path, Some(json!({ "instructions": instructions }))).await
}

/// The open tasks' elements, in their order.
async fn tasks(server: &Server, id: &str) -> String {
    let path = format!("/engine-rest/task?processInstanceId={id}&sortBy=id&sortOrder=asc");
    let all = server.get(&path).await.json();
    let names = all.as_array().expect("a list").iter().map(|task| task["taskDefinitionKey"].as_str().expect("a key"));
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names.join(" ")
}

async fn sound(server: &Server) {
    let report = inspect(server.node.store(), &mut |_| {}).await.expect("it is read");
    assert!(report.violations.is_empty(), "{:?}", report.violations);
}

#[tokio::test]
async fn tokens_are_moved_by_hand() {
    let server = Server::start().await;
    server.deploy("n.bpmn", &models::nested("n")).await;
    let id = started(&server, "n").await;
    let begin = json!([
        { "type": "cancel", "activityId": "A" },
        { "type": "startBeforeActivity", "activityId": "C", "variables": {
            "outer": { "value": "o" }, "here": { "value": "h", "local": true } } },
    ]);
    assert_eq!(modify(&server, &id, begin).await.status, 204);
    assert_eq!(tasks(&server, &id).await, "C");
    let tree = server.get(&format!("/engine-rest/process-instance/{id}/activity-instances")).await.json();
    let sub = &tree["childActivityInstances"][0];
    assert_eq!((&sub["activityId"], &sub["childActivityInstances"][0]["activityId"]), (&json!("sub"), &json!("inner")));
    let variables = server.get(&format!("/engine-rest/process-instance/{id}/variables")).await.json();
    assert_eq!((&variables["outer"]["value"], &variables["here"]), (&json!("o"), &json!(null)));
    let inner = sub["id"].as_str().expect("an id");
    let within = json!([{ "type": "startTransition", "transitionId": "f_u_0", "ancestorActivityInstanceId": inner }]);
    assert_eq!(modify(&server, &id, within).await.status, 204);
    assert_eq!(tasks(&server, &id).await, "B C");
    let task = server.get(&format!("/engine-rest/task?processInstanceId={id}&taskDefinitionKey=C")).await.json();
    let task = task[0]["id"].as_str().expect("an id").to_owned();
    let tree = server.get(&format!("/engine-rest/process-instance/{id}/activity-instances")).await.json();
    let c = tree.to_string();
    assert!(c.contains("\"activityId\":\"C\""), "{c}");
    let last = json!([{ "type": "cancel", "activityInstanceId": task.replace(':', ".") }]);
    assert_eq!(modify(&server, &id, last).await.status, 204);
    assert_eq!(tasks(&server, &id).await, "B");
    let after =
        json!([{ "type": "startAfterActivity", "activityId": "sub" }, { "type": "cancel", "activityId": "sub" }]);
    assert_eq!(modify(&server, &id, after).await.status, 204);
    assert_eq!(tasks(&server, &id).await, "D");
    sound(&server).await;
    let end = json!([{ "type": "cancel", "activityId": "D" }]);
    assert_eq!(modify(&server, &id, end).await.status, 204);
    let past = server.get(&format!("/engine-rest/history/process-instance/{id}")).await.json();
    assert_eq!(past["state"], "INTERNALLY_TERMINATED");
    sound(&server).await;
}

#[tokio::test]
async fn a_modification_that_cannot_be_done_changes_nothing() {
    let server = Server::start().await;
    server.deploy("n.bpmn", &models::nested("n")).await;
    let id = started(&server, "n").await;
    let other = started(&server, "n").await;
    let before = server.get(&format!("/engine-rest/process-instance/{id}/activity-instances")).await.json();
    for wrong in [
        json!([]),
        json!([{ "type": "jump", "activityId": "A" }]),
        json!([{ "type": "cancel" }]),
        json!([{ "type": "cancel", "activityId": "A", "activityInstanceId": "1.2" }]),
        json!([{ "type": "cancel", "activityInstanceId": format!("{other}.2") }]),
        json!([{ "type": "startBeforeActivity" }]),
        json!([{ "type": "cancel", "activityId": "A" }, { "type": "startBeforeActivity", "activityId": "nowhere" }]),
        json!([{ "type": "startBeforeActivity", "activityId": "C" }, { "type": "cancel", "activityId": "D" }]),
        json!([{ "type": "startTransition", "transitionId": "nowhere" }]),
    ] {
        let answer = modify(&server, &id, wrong.clone()).await;
        assert_eq!(answer.error().0, 400, "{wrong}");
        let now = server.get(&format!("/engine-rest/process-instance/{id}/activity-instances")).await.json();
        assert_eq!(now, before, "{wrong}");
    }
    let skip = json!({ "skipIoMappings": true, "instructions": [{ "type": "cancel", "activityId": "A" }] });
    let path = format!("/engine-rest/process-instance/{id}/modification");
    assert_eq!(server.call("POST", &path, Some(skip)).await.error().0, 400);
    let nobody = "/engine-rest/process-instance/999/modification";
    assert_eq!(server.call("POST", nobody, Some(json!({ "instructions": [] }))).await.error().0, 404);
    sound(&server).await;
}

#[tokio::test]
async fn several_instances_are_modified_alike() {
    let server = Server::start().await;
    server.deploy("n.bpmn", &models::nested("n")).await;
    let ids = [started(&server, "n").await, started(&server, "n").await];
    let instructions =
        json!([{ "type": "startBeforeActivity", "activityId": "D" }, { "type": "cancel", "activityId": "A" }]);
    let body = json!({ "processInstanceIds": [ids[0]], "processInstanceQuery": { "processDefinitionKey": "n" }, "instructions": instructions });
    assert_eq!(server.call("POST", "/engine-rest/modification/execute", Some(body)).await.status, 204);
    for id in &ids {
        assert_eq!(tasks(&server, id).await, "D");
    }
    let none = json!({ "instructions": instructions });
    assert_eq!(server.call("POST", "/engine-rest/modification/execute", Some(none)).await.error().0, 400);
    sound(&server).await;
}

/// While it rests, tokens are placed and go on when it is resumed.
#[tokio::test]
async fn a_suspended_instance_is_modified_and_rests() {
    let server = Server::start().await;
    server.deploy("n.bpmn", &models::nested("n")).await;
    let id = started(&server, "n").await;
    let suspend = async |suspended: bool| {
        let path = format!("/engine-rest/process-instance/{id}/suspended");
        assert_eq!(server.call("PUT", &path, Some(json!({ "suspended": suspended }))).await.status, 204);
    };
    suspend(true).await;
    let instructions =
        json!([{ "type": "startBeforeActivity", "activityId": "D" }, { "type": "cancel", "activityId": "A" }]);
    assert_eq!(modify(&server, &id, instructions).await.status, 204);
    assert_eq!(tasks(&server, &id).await, "", "nothing begins");
    suspend(false).await;
    assert_eq!(tasks(&server, &id).await, "D");
    sound(&server).await;
}

#[tokio::test]
async fn what_each_token_waits_for_is_told() {
    let server = Server::start().await;
    for model in
        [models::user("u"), models::external("x"), models::timer("t"), models::failing("f"), models::receive("r")]
    {
        server.deploy("model.bpmn", &model).await;
    }
    let waits = async |key: &str| {
        let id = started(&server, key).await;
        let answer = server.get(&format!("/api/instances/{id}/waits")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["items"].clone()
    };
    let user = waits("u").await;
    assert_eq!((&user[0]["activityId"], &user[0]["type"]), (&json!("work"), &json!("userTask")));
    assert_eq!(
        user[0]["waits"],
        json!({ "for": "person", "assignee": null, "candidateUsers": [], "candidateGroups": ["crew"] })
    );
    assert!(user[0]["since"].as_str().is_some_and(|since| since.ends_with('Z')), "{user}");
    let (first, second) = (waits("x").await, waits("x").await);
    assert_eq!((&first[0]["waits"]["for"], &first[0]["waits"]["topic"]), (&json!("worker"), &json!("x")));
    assert_eq!((&first[0]["placeInQueue"], &second[0]["placeInQueue"]), (&json!(1), &json!(2)));
    let timer = waits("t").await;
    assert_eq!(
        (&timer[0]["waits"]["for"], &timer[0]["waits"]["events"][0]["event"]),
        (&json!("event"), &json!("timer"))
    );
    assert!(timer[0]["waits"]["events"][0]["due"].is_string(), "{timer}");
    assert_eq!(waits("r").await[0]["waits"]["events"][0]["name"], "r-go");
    let failed = waits("f").await;
    assert_eq!(failed[0]["waits"]["for"], "operator", "{failed}");
    assert_eq!(server.get("/api/instances/999/waits").await.error().0, 404);
}

#[tokio::test]
async fn retries_are_given_to_several_tasks() {
    let server = Server::start().await;
    server.deploy("x.bpmn", &models::external("x")).await;
    let (one, _other) = (started(&server, "x").await, started(&server, "x").await);
    let count = async |retries: i64| {
        let all = server.get("/engine-rest/external-task").await.json();
        all.as_array().expect("a list").iter().filter(|task| task["retries"] == retries).count()
    };
    let set = async |body: Value| server.call("PUT", "/engine-rest/external-task/retries", Some(body)).await;
    assert_eq!(set(json!({ "retries": 4, "processInstanceIds": [one] })).await.status, 204);
    assert_eq!(count(4).await, 1);
    assert_eq!(set(json!({ "retries": 5, "externalTaskQuery": { "topicName": "x" } })).await.status, 204);
    assert_eq!(count(5).await, 2);
    for wrong in [json!({}), json!({ "retries": 1 }), json!({ "retries": -1, "processInstanceIds": [one] })] {
        assert_eq!(set(wrong.clone()).await.error().0, 400, "{wrong}");
    }
    let registered = server.get("/engine-rest/deployment/registered").await.json();
    assert_eq!(registered.as_array().map(Vec::len), Some(1));
}
