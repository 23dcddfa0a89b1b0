//! `/api`: set-up, sign-in, health, events; and the page's headers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Request, header};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tower::ServiceExt;
use transhume::base::access::Access;
use transhume::runtime::show::{DemoChange, DemoControl, ProgrammeView, Speed};

use super::models;
use super::server::{Answer, SETUP, Server, basic};

async fn plain(server: &Server, method: &str, path: &str, body: Option<Value>, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header(header::HOST, "localhost:1");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if body.is_some() {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    server.send(request.body(body).expect("a request")).await
}

/// What a browser sends back: `Cookie`, and the guard's value.
fn cookies(headers: &HeaderMap) -> (String, String) {
    let set: Vec<&str> = headers.get_all(header::SET_COOKIE).iter().map(|line| line.to_str().expect("text")).collect();
    let pairs: Vec<&str> = set.iter().map(|line| line.split(';').next().expect("a pair")).collect();
    let guard = pairs.iter().find_map(|pair| pair.strip_prefix("XSRF-TOKEN=")).expect("a guard");
    assert!(set.iter().all(|line| line.contains("SameSite=Strict")), "{set:?}");
    assert!(set.iter().any(|line| line.contains("HttpOnly")) && !set.iter().all(|line| line.contains("HttpOnly")));
    (pairs.join("; "), guard.to_owned())
}

#[tokio::test]
async fn the_first_administrator_is_made_with_the_set_up_token_once() {
    let server = Server::bare(|_| {}).await;
    let info = plain(&server, "GET", "/api/info", None, &[]).await.json();
    assert_eq!((&info["setupNeeded"], &info["demo"]), (&json!(true), &json!(false)));
    let wrong = json!({ "token": "guess", "user": "ada", "password": "secret" });
    assert_eq!(plain(&server, "POST", "/api/setup", Some(wrong), &[]).await.error().0, 403);
    let right = json!({ "token": SETUP, "user": "ada", "password": "secret" });
    let made = plain(&server, "POST", "/api/setup", Some(right.clone()), &[]).await;
    assert_eq!(made.status, 204);
    let (cookie, _) = cookies(&made.headers);
    let session = plain(&server, "GET", "/api/session", None, &[("cookie", &cookie)]).await.json();
    assert_eq!(session["user"], "ada");
    assert_eq!(plain(&server, "POST", "/api/setup", Some(right), &[]).await.error().0, 403, "used up");
    assert_eq!(plain(&server, "GET", "/api/info", None, &[]).await.json()["setupNeeded"], false);
}

#[tokio::test]
async fn a_session_changes_things_only_from_its_own_page() {
    let server = Server::start().await;
    server.deploy("a.bpmn", &models::user("a")).await;
    let begun = plain(&server, "POST", "/api/session", Some(json!({ "user": "demo", "password": "demo" })), &[]).await;
    assert_eq!(begun.json()["user"], "demo");
    let (cookie, guard) = cookies(&begun.headers);
    let start = "/engine-rest/process-definition/key/a/start";
    let send =
        async |headers: &[(&str, &str)]| plain(&server, "POST", start, Some(json!({})), headers).await.status.as_u16();
    assert_eq!(send(&[("cookie", &cookie)]).await, 403, "no token");
    assert_eq!(send(&[("cookie", &cookie), ("x-xsrf-token", "guess")]).await, 403);
    let own = [("cookie", cookie.as_str()), ("x-xsrf-token", guard.as_str())];
    assert_eq!(send(&own).await, 200);
    assert_eq!(send(&[own[0], own[1], ("origin", "http://localhost:1")]).await, 200);
    assert_eq!(send(&[own[0], own[1], ("origin", "http://evil:1")]).await, 403);
    let read = plain(&server, "GET", "/engine-rest/task/count", None, &[("cookie", &cookie)]).await;
    assert_eq!(read.json()["count"], 2);
    assert_eq!(plain(&server, "DELETE", "/api/session", None, &own).await.status, 204);
    assert_eq!(plain(&server, "GET", "/engine-rest/task", None, &[("cookie", &cookie)]).await.status, 401);
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_are_answered_alike() {
    let server = Server::start().await;
    let mut answers = Vec::new();
    for user in ["demo", "nobody"] {
        let body = json!({ "user": user, "password": "wrong" });
        let answer = plain(&server, "POST", "/api/session", Some(body), &[]).await;
        assert!(!answer.headers.contains_key(header::WWW_AUTHENTICATE), "the page asks itself");
        answers.push(answer.error());
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0].0, 401);
    let nobody = plain(&server, "GET", "/api/session", None, &[]).await;
    assert_eq!((nobody.status.as_u16(), &nobody.json()["user"]), (200, &Value::Null));
    let verify = json!({ "username": "demo", "password": "wrong" });
    let answer = server.call("POST", "/engine-rest/identity/verify", Some(verify)).await.json();
    assert_eq!((&answer["authenticated"], &answer["authenticatedUser"]), (&json!(false), &json!("demo")));
}

#[tokio::test]
async fn a_one_time_token_signs_in_once() {
    let server = Server::start().await;
    let token = server.state.one_time_token("demo");
    let body = json!({ "token": token });
    let first = plain(&server, "POST", "/api/session", Some(body.clone()), &[]).await;
    assert_eq!((first.status.as_u16(), &first.json()["user"]), (200, &json!("demo")));
    assert_eq!(plain(&server, "POST", "/api/session", Some(body), &[]).await.error().0, 401);
}

/// Ready means that work is taken: not while it stops, not without its database. It lives all the same.
#[tokio::test]
async fn who_stops_or_has_no_database_is_not_ready() {
    let server = Server::start().await;
    let ready = async || {
        let answer = plain(&server, "GET", "/api/health/ready", None, &[]).await;
        (answer.status.as_u16(), answer.json())
    };
    assert_eq!(ready().await, (200, json!({ "ready": true, "engine": true, "store": true })));
    server.node.close();
    assert_eq!(ready().await, (503, json!({ "ready": false, "engine": false, "store": true })));
    server.node.shutdown().await;
    assert_eq!(ready().await, (503, json!({ "ready": false, "engine": false, "store": false })));
    assert_eq!(plain(&server, "GET", "/api/health/live", None, &[]).await.status, 200);
}

#[tokio::test]
async fn metrics_are_for_administrators() {
    let server = Server::start().await;
    server.account("bob", None, false).await;
    let mine = [("authorization", basic("bob"))];
    let mine = mine.each_ref().map(|(name, value)| (*name, value.as_str()));
    assert_eq!(plain(&server, "GET", "/api/metrics", None, &mine).await.error().0, 403);
    let admin = [("authorization", basic("demo"))];
    let admin = admin.each_ref().map(|(name, value)| (*name, value.as_str()));
    let told = plain(&server, "GET", "/api/metrics", None, &admin).await;
    assert_eq!(told.status, 200);
    let text = String::from_utf8(told.bytes).expect("text");
    assert!(text.contains("route=\"/api/metrics\",status=\"403\"") && text.ends_with("# EOF\n"), "{text}");
}

#[tokio::test]
async fn without_sign_in_only_health_and_the_page_answer() {
    let server = Server::start().await;
    for path in ["/health", "/api/health", "/api/health/live", "/api/health/ready", "/api/info", "/api/session", "/"] {
        assert_eq!(plain(&server, "GET", path, None, &[]).await.status, 200, "{path}");
    }
    for path in
        ["/engine-rest/version", "/engine-rest/engine", "/api/events", "/api/metrics", "/api/programmes", "/api/demo"]
    {
        assert_eq!(plain(&server, "GET", path, None, &[]).await.error().0, 401, "{path}");
    }
    let page = plain(&server, "GET", "/portal", None, &[]).await;
    assert!(page.headers.contains_key(header::CONTENT_SECURITY_POLICY));
    assert_eq!(page.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    let links = plain(&server, "GET", "/.well-known/camunda-automation-platform/webapps", None, &[]).await.json();
    assert_eq!(links["tasklistUrl"], "http://localhost:1/portal");
}

/// Reads events until one of this topic has come.
async fn topic(
    stream: &mut (impl futures_util::Stream<Item = Result<axum::body::Bytes, axum::Error>> + Unpin),
    wanted: &str,
) -> String {
    let read = async {
        let mut text = String::new();
        while let Some(chunk) = stream.next().await {
            text.push_str(std::str::from_utf8(&chunk.expect("a chunk")).expect("text"));
            if let Some(at) = text.find(&format!("event: {wanted}\n")) {
                let rest = &text[at..];
                if rest.contains("\n\n") {
                    return text;
                }
            }
        }
        panic!("the stream ended: {text}");
    };
    tokio::time::timeout(Duration::from_secs(10), read).await.expect("an event in time")
}

async fn listen(
    server: &Server,
    user: &str,
    last: Option<&str>,
) -> impl futures_util::Stream<Item = Result<axum::body::Bytes, axum::Error>> + Unpin + use<> {
    let mut request =
        Request::builder().uri("/api/events?topics=task,instance").header(header::AUTHORIZATION, basic(user));
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    let answer =
        server.router.clone().oneshot(request.body(Body::empty()).expect("a request")).await.expect("an answer");
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/event-stream");
    answer.into_body().into_data_stream()
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_told_and_a_listener_goes_on_where_it_stopped() {
    let server = Server::start().await;
    server.deploy("a.bpmn", &models::user("a")).await;
    let mut stream = listen(&server, "demo", None).await;
    let start = "/engine-rest/process-definition/key/a/start";
    let id = server.call("POST", start, Some(json!({}))).await.json()["id"].as_str().expect("an id").to_owned();
    let heard = topic(&mut stream, "task").await;
    assert!(heard.contains(&format!("\"instance\":\"{id}\"")), "{heard}");
    drop(stream);
    let number = heard.lines().find_map(|line| line.strip_prefix("id: ")).expect("a number").to_owned();
    server.call("POST", start, Some(json!({}))).await;
    let mut again = listen(&server, "demo", Some(&number)).await;
    let heard = topic(&mut again, "task").await;
    assert!(!heard.contains("event: reset"), "{heard}");
    let mut lost = listen(&server, "demo", Some("999999")).await;
    topic(&mut lost, "reset").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_other_tenants_are_not_told() {
    let server = Server::start().await;
    server.account("sue", Some(&["south"]), false).await;
    let model = models::user("a");
    server.deploy_as("demo", &[("tenant-id", "north")], &[("a.bpmn", model.as_bytes())]).await;
    server.deploy("b.bpmn", &models::user("b")).await;
    let mut stream = listen(&server, "sue", None).await;
    let hidden =
        server.call("POST", "/engine-rest/process-definition/key/a/tenant-id/north/start", Some(json!({}))).await;
    let hidden = hidden.json()["id"].as_str().expect("an id").to_owned();
    server.call("POST", "/engine-rest/process-definition/key/b/start", Some(json!({}))).await;
    let heard = topic(&mut stream, "instance").await;
    assert!(!heard.contains(&format!("\"{hidden}\"")), "{heard}");
}

/// Who may see nothing of an instance hears of the tasks that are his, and of nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_hears_of_his_tasks_only() {
    let server = Server::start().await;
    server.bare_account("eve", None, false).await;
    server.deploy("a.bpmn", &models::user("a")).await;
    let mut stream = listen(&server, "eve", None).await;
    let start = "/engine-rest/process-definition/key/a/start";
    for _ in 0..2 {
        assert_eq!(server.call("POST", start, Some(json!({}))).await.status, 200);
    }
    let tasks = server.get("/engine-rest/task").await.json();
    let (hidden, own) = (tasks[0]["processInstanceId"].clone(), tasks[1]["processInstanceId"].clone());
    let path = format!("/engine-rest/task/{}/assignee", tasks[1]["id"].as_str().expect("an id"));
    assert_eq!(server.call("POST", &path, Some(json!({ "userId": "eve" }))).await.status, 204);
    let heard = topic(&mut stream, "task").await;
    assert!(heard.contains(&format!("\"instance\":{own}")), "{heard}");
    assert!(!heard.contains(&format!("\"instance\":{hidden}")), "{heard}");
    assert!(!heard.contains("event: instance"), "{heard}");
}

#[derive(Default)]
struct Shown(Mutex<Option<DemoChange>>);

impl ProgrammeView for Shown {
    fn programmes<'a>(&'a self, _access: &'a Access) -> BoxFuture<'a, Vec<Value>> {
        Box::pin(async { vec![json!({ "id": "p1" })] })
    }

    fn stages<'a>(&'a self, _access: &'a Access, programme: &'a str) -> BoxFuture<'a, Option<Value>> {
        Box::pin(async move { (programme == "p1").then(|| json!({ "stages": [] })) })
    }
}

impl DemoControl for Shown {
    fn state(&self) -> Value {
        json!({ "paused": self.0.lock().expect("free").and_then(|change| change.paused) })
    }

    fn change(&self, change: DemoChange) -> Result<(), String> {
        *self.0.lock().expect("free") = Some(change);
        Ok(())
    }
}

#[tokio::test]
async fn programmes_and_the_demo_are_shown_where_there_are_some() {
    let none = Server::start().await;
    assert_eq!(none.get("/api/programmes").await.json(), json!({ "items": [], "next": null }));
    assert_eq!(none.get("/api/demo").await.error().0, 404);
    let shown = Arc::new(Shown::default());
    let (programmes, demo) = (Arc::clone(&shown), Arc::clone(&shown));
    let server = Server::bare(move |options| {
        options.programmes = Some(programmes);
        options.demo = Some(demo);
    })
    .await;
    server.account("demo", None, true).await;
    assert_eq!(server.get("/api/programmes").await.json()["items"][0]["id"], "p1");
    assert_eq!(server.get("/api/programmes/p1/stages").await.json(), json!({ "stages": [] }));
    assert_eq!(server.get("/api/programmes/p2/stages").await.error().0, 404);
    let change = json!({ "speed": "max", "paused": true });
    assert_eq!(server.call("PATCH", "/api/demo", Some(change)).await.json(), json!({ "paused": true }));
    let seen = shown.0.lock().expect("free").expect("a change");
    assert_eq!(seen, DemoChange { speed: Some(Speed::Max), paused: Some(true) });
    for wrong in [json!({ "speed": 0 }), json!({ "speed": "fast" }), json!({ "unknown": 1 })] {
        assert_eq!(server.call("PATCH", "/api/demo", Some(wrong)).await.error().0, 400);
    }
}
