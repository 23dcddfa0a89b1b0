//! Variables wherever they are read and written, by their ids, and every value that they had.

use serde_json::{Value, json};

use super::models;
use super::server::Server;

/// An instance that waits at a user task, and the task.
async fn started(server: &Server) -> (String, String) {
    server.deploy("a.bpmn", &models::user("a")).await;
    let body = json!({ "variables": { "x": { "value": 1 } } });
    let answer = server.call("POST", "/engine-rest/process-definition/key/a/start", Some(body)).await;
    let task = server.get("/engine-rest/task").await.json()[0]["id"].as_str().expect("an id").to_owned();
    (answer.json()["id"].as_str().expect("an id").to_owned(), task)
}

#[tokio::test]
async fn own_variables_are_apart_from_those_around() {
    let server = Server::start().await;
    let (instance, task) = started(&server).await;
    let execution = server.get(&format!("/engine-rest/task/{task}")).await.json()["executionId"].clone();
    let execution = execution.as_str().expect("an id");
    let value = async |path: &str| server.get(&format!("/engine-rest/{path}")).await.json()["value"].clone();
    for (own, name) in
        [(format!("task/{task}/localVariables"), "t"), (format!("execution/{execution}/localVariables"), "e")]
    {
        let path = format!("/engine-rest/{own}/{name}");
        assert_eq!(server.get(&path).await.error().0, 404);
        assert_eq!(server.call("PUT", &path, Some(json!({ "value": "own" }))).await.status, 204);
        assert_eq!(value(&format!("{own}/{name}")).await, "own");
        assert_eq!(server.get(&format!("/engine-rest/{own}/x")).await.error().0, 404, "x lies around it");
        let change = json!({ "modifications": { "y": { "value": 2 } }, "deletions": [name] });
        assert_eq!(server.call("POST", &format!("/engine-rest/{own}"), Some(change)).await.status, 204);
        assert_eq!(server.get(&format!("/engine-rest/{own}")).await.json()["y"]["value"], 2);
        assert_eq!(server.get(&path).await.error().0, 404);
        let data = format!("/engine-rest/{own}/f/data");
        let sent = server.form_as("demo", &data, &[("valueType", "File")], &[("data", "a.txt", b"hi")]).await;
        assert_eq!(sent.status, 204, "{sent:?}");
        assert_eq!(server.get(&data).await.bytes, b"hi");
        assert_eq!(server.call("DELETE", &format!("/engine-rest/{own}/y"), None).await.status, 204);
    }
    assert_eq!(value(&format!("task/{task}/variables/x")).await, 1);
    let put = server.call("PUT", &format!("/engine-rest/task/{task}/variables/x"), Some(json!({ "value": 5 }))).await;
    assert_eq!(
        (put.status.as_u16(), value(&format!("process-instance/{instance}/variables/x")).await),
        (204, json!(5))
    );
    assert_eq!(server.call("DELETE", &format!("/engine-rest/task/{task}/variables/x"), None).await.status, 204);
    assert_eq!(server.get(&format!("/engine-rest/process-instance/{instance}/variables/x")).await.error().0, 404);
    let root = format!("/engine-rest/execution/{instance}/localVariables/z");
    assert_eq!(server.call("PUT", &root, Some(json!({ "value": true }))).await.status, 204);
    assert_eq!(value(&format!("process-instance/{instance}/variables/z")).await, true);
}

#[tokio::test]
async fn a_variable_is_found_by_its_id() {
    let server = Server::start().await;
    let (instance, task) = started(&server).await;
    let path = format!("/engine-rest/process-instance/{instance}/variables");
    let strange = "ein Name mit Ü, länger als eine Kennung auf der Leitung sein darf, also gekürzt";
    let object = json!({ "type": "Object", "value": "{\"a\":1}", "valueInfo": { "serializationDataFormat": "application/json" } });
    let change = json!({ "modifications": { strange: { "value": "long" }, "o": object } });
    assert_eq!(server.call("POST", &path, Some(change)).await.status, 204);
    for list in ["variable-instance", "history/variable-instance"] {
        let all = server.get(&format!("/engine-rest/{list}")).await.json();
        let all = all.as_array().expect("a list");
        assert_eq!(all.len(), 3);
        for row in all {
            let one = format!("/engine-rest/{list}/{}", row["id"].as_str().expect("an id"));
            assert_eq!(server.get(&format!("{one}?deserializeValue=false")).await.json(), *row, "{list}");
            assert_eq!(server.get(&format!("{one}/data")).await.error().0, 400, "it is no file");
        }
        let object = all.iter().find(|row| row["name"] == "o").expect("it is there");
        let one = server.get(&format!("/engine-rest/{list}/{}", object["id"].as_str().expect("an id"))).await.json();
        assert_eq!(one["value"], json!({ "a": 1 }), "an object opens");
        assert_eq!(server.get(&format!("/engine-rest/{list}/7.0:none")).await.error().0, 404);
    }
    let row = server.get("/engine-rest/history/variable-instance?variableName=x").await.json()[0].clone();
    let past = format!("/engine-rest/history/variable-instance/{}", row["id"].as_str().expect("an id"));
    assert_eq!(server.call("DELETE", &past, None).await.error().0, 400, "its instance runs");
    assert_eq!(server.call("POST", &format!("/engine-rest/task/{task}/complete"), None).await.status, 204);
    assert_eq!(server.call("DELETE", &past, None).await.status, 204);
    assert_eq!(server.get(&past).await.error().0, 404);
    let rest = format!("/engine-rest/history/process-instance/{instance}/variable-instances");
    assert_eq!(server.call("DELETE", &rest, None).await.status, 204);
    assert_eq!(server.get("/engine-rest/history/variable-instance/count").await.json()["count"], 0);
}

#[tokio::test]
async fn every_value_that_a_variable_had_is_told() {
    let server = Server::start().await;
    server.account("nora", Some(&["north"]), false).await;
    let (instance, task) = started(&server).await;
    let path = format!("/engine-rest/process-instance/{instance}/variables");
    for value in [json!({ "value": "two" }), json!({ "value": 3 })] {
        assert_eq!(server.call("PUT", &format!("{path}/x"), Some(value)).await.status, 204);
    }
    let own = format!("/engine-rest/task/{task}/localVariables/own");
    assert_eq!(server.call("PUT", &own, Some(json!({ "value": true }))).await.status, 204);
    let list = format!("/engine-rest/history/detail?processInstanceId={instance}");
    let all = server.get(&list).await.json();
    let all = all.as_array().expect("a list");
    let told: Vec<Value> =
        all.iter().map(|one| json!([one["variableName"], one["value"], one["revision"], one["initial"]])).collect();
    assert_eq!(
        json!(told),
        json!([["x", 1, 0, true], ["x", "two", 1, false], ["x", 3, 2, false], ["own", true, 0, false]])
    );
    let found = async |more: &str| server.get(&format!("{list}&{more}")).await.json().as_array().map(Vec::len);
    for (more, count) in [
        ("variableTypeIn=integer", 2),
        ("variableNameLike=o%25", 1),
        ("initial=true", 1),
        ("formFields=true", 0),
        ("occurredAfter=2099-01-01T00:00:00Z", 0),
        ("maxResults=2&firstResult=1", 2),
    ] {
        assert_eq!(found(more).await, Some(count), "{more}");
    }
    let activity = &all[3]["activityInstanceId"];
    assert_ne!(activity, &json!(instance));
    let of_activity =
        format!("/engine-rest/history/detail/count?activityInstanceId={}", activity.as_str().expect("an id"));
    assert_eq!(server.get(&of_activity).await.json()["count"], 1);
    let last = server.get(&format!("{list}&sortBy=occurrence&sortOrder=desc")).await.json()[0].clone();
    assert_eq!(last, all[3]);
    let by =
        json!({ "processInstanceId": instance, "sorting": [{ "sortBy": "variableRevision", "sortOrder": "desc" }] });
    assert_eq!(server.call("POST", "/engine-rest/history/detail", Some(by)).await.json()[0]["value"], 3);
    let one = format!("/engine-rest/history/detail/{}", last["id"].as_str().expect("an id"));
    assert_eq!(server.get(&one).await.json(), last);
    assert_eq!(server.get(&format!("{one}/data")).await.error().0, 400, "it is no file");
    assert_eq!(server.get("/engine-rest/history/detail/7.7.7").await.error().0, 404);
    let (status, _, words) = server.get("/engine-rest/history/detail").await.error();
    assert!(status == 400 && words.contains("processInstanceId"), "{words}");
    let of_south =
        server.deploy_as("demo", &[("tenant-id", "south")], &[("a.bpmn", models::user("a").as_bytes())]).await;
    assert_eq!(of_south.status, 200);
    let body = Some(json!({ "variables": { "x": { "value": 1 } } }));
    let other = server.call("POST", "/engine-rest/process-definition/key/a/tenant-id/south/start", body).await.json();
    let foreign = format!("/engine-rest/history/detail?processInstanceId={}", other["id"].as_str().expect("an id"));
    assert_eq!(server.call_as("nora", "GET", &foreign, None).await.json(), json!([]), "of another tenant");
    assert_eq!(server.get(&foreign).await.json()[0]["tenantId"], "south");
}
