//! API tokens: what signs in with one may do what its account may, or less; and nothing once it is revoked or over.

use axum::body::Body;
use axum::http::{Request, header};
use serde_json::{Value, json};

use super::models;
use super::server::{Answer, Server};

async fn bearer(server: &Server, token: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
    let mut request =
        Request::builder().method(method).uri(path).header(header::AUTHORIZATION, format!("Bearer {token}"));
    if body.is_some() {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    server.send(request.body(body).expect("a request")).await
}

/// Id and secret.
async fn made(server: &Server, user: &str, body: Value) -> (String, String) {
    let answer = server.call_as(user, "POST", "/api/tokens", Some(body)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let text = |name: &str| answer.json()[name].as_str().expect("a text").to_owned();
    (text("id"), text("token"))
}

#[tokio::test]
async fn a_token_signs_in_until_it_is_revoked() {
    let server = Server::start().await;
    server.deploy("a.bpmn", &models::user("a")).await;
    server.account("bob", None, false).await;
    let (id, token) = made(&server, "demo", json!({ "name": "worker" })).await;
    assert!(token.starts_with("th_") && token.len() == 67, "256 bits");
    let start = "/engine-rest/process-definition/key/a/start";
    assert_eq!(bearer(&server, &token, "POST", start, Some(json!({}))).await.status, 200, "no page, so no guard");
    let listed = server.get("/api/tokens").await;
    let words = String::from_utf8_lossy(&listed.bytes);
    assert!(!words.contains(&token) && !words.contains("digest"), "shown once: {words}");
    assert_eq!(
        (&listed.json()["items"][0]["name"], listed.json()["items"][0]["lastUsed"].is_string()),
        (&json!("worker"), true)
    );
    assert_eq!(server.call_as("bob", "GET", "/api/tokens", None).await.json()["items"], json!([]));
    let own = format!("/api/tokens/{id}");
    assert_eq!(server.call_as("bob", "DELETE", &own, None).await.error().0, 404, "another's");
    for (method, path) in [("GET", "/api/tokens"), ("DELETE", own.as_str())] {
        assert_eq!(bearer(&server, &token, method, path, None).await.error().0, 403, "a token manages no tokens");
    }
    assert_eq!(server.call("DELETE", &own, None).await.status, 204);
    let revoked = bearer(&server, &token, "GET", "/engine-rest/task", None).await.error();
    let unknown = bearer(&server, &format!("th_{}", "0".repeat(64)), "GET", "/engine-rest/task", None).await.error();
    let none = bearer(&server, "", "GET", "/engine-rest/task", None).await.error();
    assert_eq!((revoked.0, &revoked, &revoked), (401, &unknown, &none), "answered alike");
}

#[tokio::test]
async fn a_token_that_is_over_or_whose_account_is_gone_is_unknown() {
    let server = Server::start().await;
    server.account("bob", None, false).await;
    let (id, token) = made(&server, "demo", json!({ "name": "n", "expires": "2200-01-01T00:00:00Z" })).await;
    assert_eq!(bearer(&server, &token, "GET", "/engine-rest/task", None).await.status, 200);
    let mut row = server.node.store().tokens("demo").await.expect("read").remove(0);
    assert!(server.node.store().remove_token(&id, None).await.expect("removed"));
    row.expires_at = Some(1);
    assert!(server.node.store().add_token(&row, 100).await.expect("added"));
    assert_eq!(bearer(&server, &token, "GET", "/engine-rest/task", None).await.error().0, 401);
    let (_, bobs) = made(&server, "bob", json!({ "name": "n" })).await;
    assert_eq!(bearer(&server, &bobs, "GET", "/engine-rest/task", None).await.status, 200);
    assert_eq!(server.call("DELETE", "/engine-rest/user/bob", None).await.status, 204);
    assert_eq!(bearer(&server, &bobs, "GET", "/engine-rest/task", None).await.error().0, 401);
    server.account("bob", None, false).await;
    assert_eq!(bearer(&server, &bobs, "GET", "/engine-rest/task", None).await.error().0, 401, "another bob");
}

#[tokio::test]
async fn a_token_may_do_less_than_its_account_and_never_more() {
    let server = Server::start().await;
    server.account("bob", Some(&["north", "south"]), false).await;
    for tenant in ["north", "south"] {
        let model = models::user("a");
        let deployed = server.deploy_as("demo", &[("tenant-id", tenant)], &[("a.bpmn", model.as_bytes())]).await;
        assert_eq!(deployed.status, 200);
    }
    let count = async |token: &str| {
        let answer = bearer(&server, token, "GET", "/engine-rest/process-definition/count", None).await;
        answer.json()["count"].clone()
    };
    let (_, north) = made(&server, "bob", json!({ "name": "n", "tenants": ["north", "west"] })).await;
    assert_eq!(count(&north).await, 1);
    let start = |tenant: &str| format!("/engine-rest/process-definition/key/a/tenant-id/{tenant}/start");
    assert_eq!(bearer(&server, &north, "POST", &start("north"), Some(json!({}))).await.status, 200);
    assert_eq!(bearer(&server, &north, "POST", &start("south"), Some(json!({}))).await.error().0, 404);

    let rights = json!([{ "resourceType": 6, "resourceId": "*", "permissions": ["READ"] }]);
    let (_, reader) = made(&server, "demo", json!({ "name": "r", "rights": rights })).await;
    assert_eq!(count(&reader).await, 2, "an administrator's, narrowed");
    assert_eq!(bearer(&server, &reader, "POST", &start("north"), Some(json!({}))).await.error().0, 403);
    assert_eq!(bearer(&server, &reader, "GET", "/engine-rest/task", None).await.json(), json!([]));
    assert_eq!(bearer(&server, &reader, "GET", "/api/metrics", None).await.error().0, 403);

    let started = server.call("POST", &start("north"), Some(json!({}))).await.json();
    let id = started["id"].as_str().expect("an id");
    let tasks = server.get(&format!("/engine-rest/task?processInstanceId={id}")).await.json();
    let path = format!("/engine-rest/task/{}", tasks[0]["id"].as_str().expect("an id"));
    assert_eq!(server.call("POST", &format!("{path}/assignee"), Some(json!({ "userId": "demo" }))).await.status, 204);
    assert_eq!(bearer(&server, &reader, "GET", &path, None).await.error().0, 404, "also not what he is meant for");
    let batch = json!({ "processInstanceIds": [id], "deleteReason": "x" });
    let deleted = "/engine-rest/process-instance/delete";
    assert_eq!(
        bearer(&server, &north, "POST", deleted, Some(batch)).await.error().0,
        403,
        "it would be done unnarrowed"
    );

    server.bare_account("eve", None, false).await;
    let all = json!([{ "resourceType": 6, "permissions": ["ALL"] }]);
    let (_, eves) = made(&server, "eve", json!({ "name": "e", "rights": all })).await;
    assert_eq!(count(&eves).await, 0, "she has nothing to narrow");
}

#[tokio::test]
async fn what_makes_no_token_is_refused() {
    let server = Server::start().await;
    for body in [
        json!({}),
        json!({ "name": " " }),
        json!({ "name": "n", "account": "demo" }),
        json!({ "name": "n", "expires": "2001-01-01T00:00:00Z" }),
        json!({ "name": "n", "rights": [{ "resourceType": 99, "permissions": ["READ"] }] }),
        json!({ "name": "n", "rights": [{ "resourceType": 6, "permissions": ["FLY"] }] }),
    ] {
        assert_eq!(server.call("POST", "/api/tokens", Some(body.clone())).await.error().0, 400, "{body}");
    }
    let store = server.node.store();
    let (_, _) = made(&server, "demo", json!({ "name": "n" })).await;
    let row = store.tokens("demo").await.expect("read").remove(0);
    for number in 1..99 {
        let row = transhume::store::queries::token::Token {
            id: format!("{number}"),
            digest: format!("{number}"),
            ..row.clone()
        };
        assert!(store.add_token(&row, 100).await.expect("added"));
    }
    let (_, _) = made(&server, "demo", json!({ "name": "the hundredth" })).await;
    assert_eq!(server.call("POST", "/api/tokens", Some(json!({ "name": "n" }))).await.error().0, 400);
}
