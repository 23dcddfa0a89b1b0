//! Comments, attachments and saved queries: kept, shown, changed, gone; on both databases.

use serde_json::{Value, json};

use super::models;
use super::server::Server;
use crate::support::postgres::database;

#[tokio::test]
async fn notes_on_sqlite() {
    let server = Server::bare(|_| {}).await;
    notes(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_on_postgresql() {
    let Some(address) = database("notes_on_postgresql").await else { return };
    let server = Server::on(&address, tempfile::tempdir().expect("a folder"), |_| {}).await;
    notes(&server).await;
}

async fn notes(server: &Server) {
    server.account("demo", None, true).await;
    server.account("nora", Some(&["north"]), false).await;
    let deployed =
        server.deploy_as("demo", &[("tenant-id", "south")], &[("a.bpmn", models::user("a").as_bytes())]).await;
    assert_eq!(deployed.status, 200);
    let started =
        server.call("POST", "/engine-rest/process-definition/key/a/tenant-id/south/start", Some(json!({}))).await;
    let instance = started.json()["id"].as_str().expect("an id").to_owned();
    let task = server.get("/engine-rest/task").await.json()[0]["id"].as_str().expect("an id").to_owned();
    comments(server, &task, &instance).await;
    attachments(server, &task).await;
    saved_filters(server).await;
    they_stay_with_ended_work_and_go_with_its_history(server, &task, &instance).await;
}

async fn comments(server: &Server, task: &str, instance: &str) {
    let path = format!("/engine-rest/task/{task}/comment");
    let mut ids = Vec::new();
    for message in ["first", "second"] {
        let made = server.call("POST", &format!("{path}/create"), Some(json!({ "message": message }))).await.json();
        assert_eq!(
            (&made["message"], &made["userId"], &made["taskId"]),
            (&json!(message), &json!("demo"), &json!(task))
        );
        ids.push(made["id"].as_str().expect("an id").to_owned());
    }
    assert_eq!(server.call("POST", &format!("{path}/create"), Some(json!({}))).await.error().0, 400);
    let messages = async |path: &str| -> Vec<String> {
        let all = server.get(path).await.json();
        let text = |comment: &Value| comment["message"].as_str().expect("a text").to_owned();
        all.as_array().expect("a list").iter().map(text).collect()
    };
    assert_eq!(messages(&path).await, ["first", "second"]);
    let of_instance = format!("/engine-rest/process-instance/{instance}/comment");
    assert_eq!(messages(&of_instance).await, ["first", "second"]);
    let change = json!({ "id": ids[0], "message": "other" });
    assert_eq!(server.call("PUT", &path, Some(change)).await.status, 204);
    assert_eq!(server.get(&format!("{path}/{}", ids[0])).await.json()["message"], "other");
    assert_eq!(server.call("PUT", &of_instance, Some(json!({ "id": "none", "message": "x" }))).await.error().0, 404);
    assert_eq!(server.call_as("nora", "GET", &path, None).await.error().0, 404, "of another tenant");
    let shown = server.get(&format!("/engine-rest/task/{task}?withCommentAttachmentInfo=true")).await.json();
    assert_eq!((&shown["comment"], &shown["attachment"]), (&json!(true), &json!(false)));
    assert_eq!(server.call("DELETE", &format!("{path}/{}", ids[0]), None).await.status, 204);
    assert_eq!(messages(&path).await, ["second"]);
    assert_eq!(server.call("DELETE", &of_instance, None).await.status, 204);
    assert_eq!(messages(&path).await, [""; 0]);
}

async fn attachments(server: &Server, task: &str) {
    let path = format!("/engine-rest/task/{task}/attachment");
    let fields = [("attachment-name", "plan"), ("attachment-description", "what to do"), ("attachment-type", "text")];
    let file = [("content", "plan.txt", b"\x00\xff1".as_slice())];
    let made = server.form_as("demo", &format!("{path}/create"), &fields, &file).await.json();
    assert_eq!((&made["name"], &made["type"], &made["url"]), (&json!("plan"), &json!("text"), &Value::Null));
    let id = made["id"].as_str().expect("an id");
    assert_eq!(server.get(&format!("{path}/{id}")).await.json(), made);
    assert_eq!(server.get(&format!("{path}/{id}/data")).await.bytes, b"\x00\xff1");
    let linked =
        server.form_as("demo", &format!("{path}/create"), &[("url", "https://example.org/plan")], &[]).await.json();
    let link = linked["id"].as_str().expect("an id");
    assert_eq!(linked["url"], "https://example.org/plan");
    assert_eq!(server.get(&format!("{path}/{link}/data")).await.error().0, 404, "there is no content");
    assert_eq!(server.form_as("demo", &format!("{path}/create"), &fields, &[]).await.error().0, 400);
    assert_eq!(server.get(&path).await.json(), json!([made, linked]));
    assert_eq!(server.call_as("nora", "GET", &format!("{path}/{id}/data"), None).await.error().0, 404);
    assert_eq!(server.call("DELETE", &format!("{path}/{link}"), None).await.status, 204);
    assert_eq!(server.get(&path).await.json(), json!([made]));
}

async fn saved_filters(server: &Server) {
    let base = "/engine-rest/filter";
    let body = json!({
        "resourceType": "Task", "name": "Crew", "owner": "ada", "query": { "candidateGroup": "crew" },
        "properties": { "color": "#555" },
    });
    let made = server.call("POST", &format!("{base}/create"), Some(body)).await.json();
    let path = format!("{base}/{}", made["id"].as_str().expect("an id"));
    let counted = server.get(&format!("{path}?itemCount=true")).await.json();
    assert_eq!((&counted["itemCount"], &counted["query"]["candidateGroup"]), (&json!(1), &json!("crew")));
    assert_eq!(server.get(&format!("{path}/list")).await.json().as_array().map(Vec::len), Some(1));
    let narrower = json!({ "nameLike": "X%" });
    assert_eq!(server.call("POST", &format!("{path}/count"), Some(narrower.clone())).await.json()["count"], 0);
    assert_eq!(server.call("POST", &format!("{path}/singleResult"), Some(narrower)).await.status, 204);
    assert_eq!(server.get(&format!("{path}/singleResult")).await.json()["name"], "Work");
    let seen =
        async |user: &str| server.call_as(user, "GET", &format!("{base}/count"), None).await.json()["count"].clone();
    let mine = json!({ "resourceType": "Task", "name": "Mine", "query": { "unassigned": true } });
    let own = server.call_as("nora", "POST", &format!("{base}/create"), Some(mine)).await.json();
    assert_eq!((seen("demo").await, seen("nora").await), (json!(1), json!(2)), "her own is hers only");
    let hers = format!("{base}/{}/count", own["id"].as_str().expect("an id"));
    assert_eq!(server.call_as("nora", "GET", &hers, None).await.json()["count"], 0, "the task is another tenant's");
    let renamed = json!({ "resourceType": "Task", "name": "Crew's", "query": {} });
    assert_eq!(server.call_as("nora", "PUT", &path, Some(renamed.clone())).await.error().0, 403);
    assert_eq!(server.call("PUT", &path, Some(renamed)).await.status, 204);
    let sorted = server.call_as("nora", "GET", &format!("{base}?sortBy=name&sortOrder=desc"), None).await.json();
    assert_eq!((&sorted[0]["name"], &sorted[1]["name"]), (&json!("Mine"), &json!("Crew's")));
    for wrong in [
        json!({ "resourceType": "Task", "name": "x", "query": { "assigneeExpression": "${currentUser()}" } }),
        json!({ "resourceType": "Case", "name": "x", "query": {} }),
        json!({ "resourceType": "Task", "query": {} }),
    ] {
        assert_eq!(server.call("POST", &format!("{base}/create"), Some(wrong)).await.error().0, 400);
    }
    assert_eq!(server.call("DELETE", &path, None).await.status, 204);
    assert_eq!(server.get(&path).await.error().0, 404);
}

async fn they_stay_with_ended_work_and_go_with_its_history(server: &Server, task: &str, instance: &str) {
    let comment = format!("/engine-rest/task/{task}/comment");
    let said = json!({ "message": "done" });
    assert_eq!(server.call("POST", &format!("{comment}/create"), Some(said)).await.status, 200);
    assert_eq!(server.call("POST", &format!("/engine-rest/task/{task}/complete"), None).await.status, 204);
    let kept = server.get(&comment).await.json();
    assert!(kept[0]["message"] == "done" && !kept[0]["removalTime"].is_null(), "{kept}");
    let history = format!("/engine-rest/history/process-instance/{instance}");
    assert_eq!(server.call("DELETE", &history, None).await.status, 204);
    assert_eq!(server.get(&comment).await.error().0, 404);
    let left = server.kept_comments(instance).await;
    assert_eq!(left, 0, "nothing stays behind");
}
