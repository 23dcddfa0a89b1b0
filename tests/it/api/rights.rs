//! Rights: nothing without a grant, each thing with its own, nothing after it was taken away; and for each route that names an
//! object, an object of another tenant is answered as one that is not there.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::models;
use super::server::{Answer, Server};
use crate::support::say::say;

const DEFINITION: i16 = 6;
const TASK: i16 = 7;
const INSTANCE: i16 = 8;
const DEPLOYMENT: i16 = 9;
const DECISION: i16 = 10;

/// What there is of each kind, by the word that its paths begin with.
struct World {
    server: Server,
    ids: BTreeMap<&'static str, String>,
}

/// Instances that wait, of a tenant or of none; `bob` may do nothing yet.
async fn world(tenant: Option<&str>) -> World {
    let server = Server::start().await;
    server.bare_account("bob", Some(&["east"]), false).await;
    let files = [
        ("u.bpmn", models::user("u")),
        ("x.bpmn", models::external("x")),
        ("t.bpmn", models::timer("t")),
        ("f.bpmn", models::failing("f")),
        ("d.dmn", models::DECISIONS.to_owned()),
    ];
    let mut at = String::new();
    for (name, text) in &files {
        let fields: Vec<(&str, &str)> = tenant.iter().map(|tenant| ("tenant-id", *tenant)).collect();
        assert_eq!(server.deploy_as("demo", &fields, &[(name, text.as_bytes())]).await.status, 200, "{name}");
        if let Some(tenant) = tenant {
            at = format!("/tenant-id/{tenant}");
        }
    }
    for key in ["u", "x", "t", "f"] {
        let body = json!({ "businessKey": "k", "variables": { "v": { "value": 1 } } });
        let path = format!("/engine-rest/process-definition/key/{key}{at}/start");
        assert_eq!(server.call("POST", &path, Some(body)).await.status, 200);
    }
    let evaluate = format!("/engine-rest/decision-definition/key/fee{at}/evaluate");
    let evaluated = server.call("POST", &evaluate, Some(json!({ "variables": { "n": { "value": 3 } } }))).await;
    assert_eq!(evaluated.status, 200, "{evaluated:?}");
    let task = first(&server, "task").await;
    let comment = json!({ "message": "said" });
    let commented = server.call("POST", &format!("/engine-rest/task/{task}/comment/create"), Some(comment)).await;
    assert_eq!(commented.status, 200);
    let mut ids = BTreeMap::new();
    for list in LISTS {
        ids.insert(*list, first(&server, list).await);
    }
    World { server, ids }
}

const LISTS: &[&str] = &[
    "deployment",
    "process-definition",
    "decision-definition",
    "decision-requirements-definition",
    "process-instance",
    "execution",
    "task",
    "external-task",
    "job",
    "job-definition",
    "incident",
    "variable-instance",
    "history/process-instance",
    "history/activity-instance",
    "history/task",
    "history/variable-instance",
    "history/decision-instance",
    "history/incident",
    "history/detail",
    "history/job-log",
    "history/external-task-log",
];

/// These are read from the history of one instance.
const STORIES: &[&str] = &["history/detail", "history/job-log", "history/external-task-log"];

async fn first(server: &Server, list: &str) -> String {
    let ids = server.get("/engine-rest/process-instance").await.json();
    let mut ids = ids.as_array().expect("a list").iter();
    loop {
        let path = match STORIES.contains(&list) {
            false => format!("/engine-rest/{list}"),
            true => {
                let instance = ids.next().unwrap_or_else(|| panic!("{list}: no instance has any"));
                format!("/engine-rest/{list}?processInstanceId={}", instance["id"].as_str().expect("an id"))
            }
        };
        let all = server.get(&path).await.json();
        match all[0]["id"].as_str() {
            Some(id) => return id.to_owned(),
            None => assert!(STORIES.contains(&list), "{list}: {all}"),
        }
    }
}

impl World {
    async fn bob(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.server.call_as("bob", method, &format!("/engine-rest/{path}"), body).await
    }

    async fn counts(&self, list: &str) -> u64 {
        let instance = &self.ids["process-instance"];
        let path =
            if STORIES.contains(&list) { format!("{list}?processInstanceId={instance}") } else { list.to_owned() };
        let answer = self.bob("GET", &path, None).await;
        assert_eq!(answer.status, 200, "{list}: {answer:?}");
        answer.json().as_array().map_or(0, Vec::len) as u64
    }

    async fn has(&self, resource: i16, permission: &str) -> bool {
        let rules = self.server.node.store().memberships("bob").await.expect("read").rules;
        let word = format!("\"{permission}\"");
        rules.iter().any(|rule| rule.resource == resource && rule.permissions.contains(&word))
    }

    /// 403, and the answer names the right that is missing.
    async fn is_refused(&self, method: &str, path: &str, body: Option<Value>, permission: &str) {
        let answer = self.bob(method, path, body).await;
        let (status, kind, words) = answer.error();
        assert_eq!((status, kind.as_str()), (403, "AuthorizationException"), "{method} {path}");
        assert!(words.contains(permission), "{method} {path}: {words}");
        assert_eq!(answer.json()["userId"], "bob");
        let missing = answer.json()["missingAuthorizations"].clone();
        let named = |one: &Value| one["permissionName"] == permission;
        assert!(missing.as_array().is_some_and(|all| all.iter().any(named)), "{missing}");
    }

    async fn grant(&self, resource: i16, object: &str, permissions: &[&str]) {
        self.server.grant("bob", resource, object, permissions).await;
    }
}

#[tokio::test]
async fn without_rights_nothing_is_seen() {
    let world = world(None).await;
    for list in LISTS {
        assert_eq!(world.counts(list).await, 0, "{list}");
        let one = world.bob("GET", &format!("{list}/{}", world.ids[list]), None).await;
        assert!(one.status == 404 || one.status == 405, "{list}: {one:?}");
    }
    for report in ["process-definition/statistics", "history/process-definition/key/u/statistics"] {
        let answer = world.bob("GET", report, None).await;
        assert!(answer.status == 404 || answer.json() == json!([]), "{report}: {answer:?}");
    }
}

#[tokio::test]
async fn each_list_needs_its_own_right() {
    let world = world(None).await;
    world.grant(DEFINITION, "u", &["READ"]).await;
    assert_eq!(world.counts("process-definition").await, 1);
    assert_eq!(world.counts("process-instance").await, 0);
    world.grant(DEFINITION, "u", &["READ_INSTANCE"]).await;
    assert_eq!(world.counts("process-instance").await, 1);
    assert_eq!(world.counts("variable-instance").await, 1);
    assert_eq!(world.counts("history/process-instance").await, 0, "the past is a right of its own");
    world.grant(DEFINITION, "u", &["READ_HISTORY"]).await;
    assert_eq!(world.counts("history/process-instance").await, 1);
    assert!(world.counts("history/activity-instance").await > 0);
    assert_eq!(world.counts("task").await, 0);
    world.grant(DEFINITION, "u", &["READ_TASK"]).await;
    assert_eq!(world.counts("task").await, 1);
    world.grant(DEPLOYMENT, "*", &["READ"]).await;
    assert_eq!(world.counts("deployment").await, 5);
    world.grant(DECISION, "fee", &["READ"]).await;
    assert_eq!(world.counts("decision-definition").await, 1);
    assert_eq!(world.counts("history/decision-instance").await, 0);
    world.grant(DECISION, "fee", &["READ_HISTORY"]).await;
    assert_eq!(world.counts("history/decision-instance").await, 1);
    let job = world.bob("GET", "job", None).await.json();
    assert_eq!(job, json!([]), "of other processes");
}

/// One object by its id, all but one by a revocation.
#[tokio::test]
async fn single_objects_are_granted_and_revoked() {
    let world = world(None).await;
    let all = world.server.get("/engine-rest/process-instance").await.json();
    let id = all[0]["id"].as_str().expect("an id");
    world.grant(INSTANCE, id, &["READ"]).await;
    assert_eq!(world.bob("GET", "process-instance", None).await.json()[0]["id"], id);
    assert_eq!(world.counts("process-instance").await, 1);
    world.grant(INSTANCE, "*", &["READ"]).await;
    assert_eq!(world.counts("process-instance").await, 4);
    let not = json!({ "type": 2, "userId": "bob", "resourceType": 8, "resourceId": id, "permissions": ["READ"] });
    assert_eq!(world.server.call("POST", "/engine-rest/authorization/create", Some(not)).await.status, 200);
    assert_eq!(world.counts("process-instance").await, 3);
    assert_eq!(world.bob("GET", &format!("process-instance/{id}"), None).await.status, 404);
    let task = &world.ids["task"];
    world.grant(TASK, task, &["READ"]).await;
    assert_eq!(world.counts("task").await, 1);
}

/// Method, path (a list's name stands for the id of its first object), body, and the right that it needs. Each is of a kind of
/// object that what was granted before does not allow.
const CHANGES: &[(&str, &str, &str, i16, &str)] = &[
    (
        "PUT",
        "process-instance/{process-instance}/variables/v",
        r#"{"value":2}"#,
        DEFINITION,
        "UPDATE_INSTANCE_VARIABLE",
    ),
    ("PUT", "process-instance/{process-instance}/suspended", r#"{"suspended":true}"#, INSTANCE, "SUSPEND"),
    ("PUT", "process-instance/{process-instance}/suspended", r#"{"suspended":false}"#, INSTANCE, "SUSPEND"),
    ("PUT", "task/{task}/variables/w", r#"{"value":2}"#, TASK, "UPDATE_VARIABLE"),
    ("POST", "task/{task}/assignee", r#"{"userId":"ann"}"#, DEFINITION, "TASK_ASSIGN"),
    ("POST", "task/{task}/comment/create", r#"{"message":"x"}"#, DEFINITION, "TASK_WORK"),
    ("PUT", "task/{task}", r#"{"name":"n","priority":7}"#, DEFINITION, "UPDATE_TASK"),
    ("POST", "task/{task}/complete", "{}", DEFINITION, "TASK_WORK"),
    ("PUT", "job/{job}/duedate", r#"{"duedate":"2030-01-01T00:00:00.000+0000"}"#, INSTANCE, "RETRY_JOB"),
    ("POST", "external-task/{external-task}/lock", LOCK, DEFINITION, "UPDATE_INSTANCE"),
    (
        "POST",
        "decision-definition/key/base/evaluate",
        r#"{"variables":{"n":{"value":3}}}"#,
        DECISION,
        "CREATE_INSTANCE",
    ),
    ("PUT", "process-definition/key/t/suspended", r#"{"suspended":true}"#, DEFINITION, "SUSPEND"),
    ("DELETE", "process-instance/{last}", "null", INSTANCE, "DELETE"),
];
const LOCK: &str = r#"{"workerId":"w","lockDuration":10000}"#;

/// Each change, refused without its right and done with it.
#[tokio::test]
async fn each_change_needs_its_right() {
    let world = world(None).await;
    for (resource, words) in [
        (DEFINITION, ["READ", "READ_INSTANCE", "READ_TASK", "READ_HISTORY"].as_slice()),
        (DEPLOYMENT, &["READ"]),
        (DECISION, &["READ"]),
    ] {
        world.grant(resource, "*", words).await;
    }
    for (method, path, body, resource, permission) in CHANGES {
        let last = world.ids["job"].split(':').next().expect("an id");
        let ids = world.ids.iter().map(|(list, id)| (*list, id.as_str())).chain([("last", last)]);
        let path = ids.fold((*path).to_owned(), |path, (list, id)| path.replace(&format!("{{{list}}}"), id));
        let body = Some(serde_json::from_str(body).expect("JSON")).filter(|body: &Value| !body.is_null());
        if !world.has(*resource, permission).await {
            world.is_refused(method, &path, body.clone(), permission).await;
            world.grant(*resource, "*", &[permission]).await;
        }
        let answer = world.bob(method, &path, body).await;
        assert!(answer.status.is_success(), "{method} {path}: {}", String::from_utf8_lossy(&answer.bytes));
    }
}

#[tokio::test]
async fn starting_needs_two_rights_and_deploying_one() {
    let world = world(None).await;
    let start = "process-definition/key/u/start";
    assert_eq!(world.bob("POST", start, Some(json!({}))).await.error().0, 403);
    world.grant(DEFINITION, "u", &["CREATE_INSTANCE"]).await;
    assert_eq!(world.bob("POST", start, Some(json!({}))).await.error().0, 403);
    world.grant(INSTANCE, "*", &["CREATE"]).await;
    let started = world.bob("POST", start, Some(json!({}))).await;
    assert_eq!(started.status, 200, "also without the right to read it: {started:?}");
    let model = models::user("b");
    let files = [("b.bpmn", model.as_bytes())];
    let own = [("tenant-id", "east")];
    assert_eq!(world.server.deploy_as("bob", &own, &files).await.error().0, 403);
    world.grant(DEPLOYMENT, "*", &["CREATE"]).await;
    assert_eq!(world.server.deploy_as("bob", &own, &files).await.status, 200);
    let path = format!("deployment/{}", world.ids["deployment"]);
    assert_eq!(world.bob("DELETE", &format!("{path}?cascade=true"), None).await.status, 404, "he does not see it");
    world.grant(DEPLOYMENT, "*", &["READ"]).await;
    assert_eq!(world.bob("DELETE", &format!("{path}?cascade=true"), None).await.error().0, 403);
    world.grant(DEPLOYMENT, "*", &["DELETE"]).await;
    assert_eq!(world.bob("DELETE", &format!("{path}?cascade=true"), None).await.status, 204);
}

/// Messages and signals may reach anybody, so they need the right to all; to one instance, that to it.
#[tokio::test]
async fn what_may_reach_all_needs_a_right_to_all() {
    let world = world(None).await;
    let signal = Some(json!({ "name": "s" }));
    assert_eq!(world.bob("POST", "signal", signal.clone()).await.error().0, 403);
    let message = Some(json!({ "messageName": "m" }));
    assert_eq!(world.bob("POST", "message", message.clone()).await.error().0, 403);
    world.grant(INSTANCE, "*", &["UPDATE"]).await;
    assert_eq!(world.bob("POST", "signal", signal).await.status, 204);
    assert_eq!(world.bob("POST", "message", message.clone()).await.error().0, 403, "it might start one");
    world.grant(INSTANCE, "*", &["CREATE"]).await;
    world.grant(DEFINITION, "*", &["CREATE_INSTANCE"]).await;
    assert_eq!(world.bob("POST", "message", message).await.error().0, 400, "nobody waits for it");
}

/// Who has a task or may claim it works on it without any further right; others do not even see it.
#[tokio::test]
async fn those_who_are_meant_work_on_their_task() {
    let world = world(None).await;
    let task = world.ids["task"].clone();
    let of = |what: &str| format!("task/{task}/{what}");
    assert_eq!(world.bob("POST", &of("claim"), Some(json!({ "userId": "bob" }))).await.status, 404);
    let link = json!({ "userId": "bob", "type": "candidate" });
    assert_eq!(
        world.server.call("POST", &format!("/engine-rest/{}", of("identity-links")), Some(link)).await.status,
        204
    );
    assert_eq!(world.counts("task").await, 1);
    assert_eq!(world.bob("POST", &of("claim"), Some(json!({ "userId": "bob" }))).await.status, 204);
    assert_eq!(world.bob("GET", &of("variables"), None).await.json()["v"]["value"], 1);
    assert_eq!(world.bob("PUT", &of("variables/w"), Some(json!({ "value": 2 }))).await.status, 204);
    assert_eq!(world.bob("GET", &of("form-variables"), None).await.status, 200);
    assert_eq!(world.bob("POST", &of("comment/create"), Some(json!({ "message": "x" }))).await.status, 200);
    let instance = world.ids["task"].split(':').next().expect("an id").to_owned();
    assert_eq!(world.bob("GET", &format!("process-instance/{instance}/variables"), None).await.status, 404);
    let set = world.bob("PUT", &format!("process-instance/{instance}/variables/v"), Some(json!({ "value": 2 }))).await;
    assert_eq!(set.status, 404, "not past the task");
    assert_eq!(world.bob("POST", &of("complete"), Some(json!({}))).await.status, 204);
    assert_eq!(world.counts("task").await, 0);
}

#[tokio::test]
async fn a_worker_gets_the_jobs_that_he_may_change() {
    let world = world(None).await;
    let fetch = json!({ "workerId": "w", "maxTasks": 5, "topics": [{ "topicName": "x", "lockDuration": 1000 }] });
    let path = "external-task/fetchAndLock";
    assert_eq!(world.bob("POST", path, Some(fetch.clone())).await.json(), json!([]));
    world.grant(DEFINITION, "x", &["READ_INSTANCE"]).await;
    assert_eq!(world.bob("POST", path, Some(fetch.clone())).await.json(), json!([]), "to see them is not to take them");
    world.grant(DEFINITION, "x", &["UPDATE_INSTANCE"]).await;
    let taken = world.bob("POST", path, Some(fetch)).await.json();
    assert_eq!(taken[0]["variables"]["v"]["value"], 1);
    let id = taken[0]["id"].as_str().expect("an id");
    let done = world.bob("POST", &format!("external-task/{id}/complete"), Some(json!({ "workerId": "w" }))).await;
    assert_eq!(done.status, 204);
}

/// Method and path of each operation that the dialect has and this server too.
fn operations() -> Option<Vec<(String, String)>> {
    let specs = std::env::var_os("TRANSHUME_SPECS")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/specs"), PathBuf::from);
    let Ok(text) = std::fs::read_to_string(specs.join("endpoints.tsv")) else {
        say(format!("skipped: {} has no endpoints.tsv", specs.display()));
        assert!(std::env::var_os("REQUIRE_ALL").is_none(), "nothing may be skipped here");
        return None;
    };
    let line = |line: &str| {
        let mut fields = line.split('\t').skip(1).map(str::to_owned);
        Some((fields.next()?, fields.next()?))
    };
    Some(text.lines().skip(1).filter_map(line).collect())
}

/// The ids of a path: real ones and some that name nothing.
fn filled(path: &str, ids: &BTreeMap<&'static str, String>) -> Option<(String, String)> {
    let mut lists: Vec<&str> = LISTS.iter().copied().filter(|list| path.starts_with(&format!("/{list}/{{"))).collect();
    lists.sort_by_key(|list| list.len());
    let list = lists.pop()?;
    let real = &ids[list];
    // As long, and of the same shape.
    let absent: String = real.chars().map(|one| if one.is_ascii_digit() { '9' } else { one }).collect();
    let rest = path.strip_prefix(&format!("/{list}/{{"))?.split_once('}')?.1;
    let rest = rest.replace("{varName}", "v").replace("{messageName}", "m").replace("{commentId}", "none");
    let rest = rest.replace("{attachmentId}", "none").replace("{resourceId}", "none");
    if rest.contains('{') {
        return None;
    }
    Some((format!("/engine-rest/{list}/{real}{rest}"), format!("/engine-rest/{list}/{absent}{rest}")))
}

/// A body that each operation understands.
fn body(method: &str, path: &str) -> Option<Value> {
    if method == "GET" || method == "DELETE" || method == "OPTIONS" {
        return None;
    }
    let all = json!({
        "workerId": "w", "lockDuration": 1000, "newDuration": 1000, "retries": 2, "priority": 1, "errorCode": "e",
        "userId": "eve", "type": "candidate", "suspended": true, "value": 1, "message": "m", "name": "n",
        "escalationCode": "e", "duedate": null, "id": "none",
    });
    // These take maps of variables under a name that stands for something else above.
    let plain = path.ends_with("/variables") || path.ends_with("/localVariables");
    Some(if plain { json!({ "modifications": {} }) } else { all })
}

/// As the owner of another tenant, of none, and as one without any right: all are told the same as about an absent object.
#[tokio::test]
async fn no_route_tells_a_foreign_object_from_an_absent_one() {
    let Some(operations) = operations() else { return };
    let world = world(Some("north")).await;
    world.server.account("sue", Some(&["south"]), false).await;
    world.server.account("nick", Some(&[]), false).await;
    let (mut tried, mut left) = (0, Vec::new());
    for (method, path) in &operations {
        let Some((real, absent)) = filled(path, &world.ids) else {
            if path.contains('{') {
                left.push(format!("{method} {path}"));
            }
            continue;
        };
        for who in ["sue", "nick"] {
            let ask = async |path: &str| {
                let answer = world.server.call_as(who, method, path, body(method, path)).await;
                let words = String::from_utf8_lossy(&answer.bytes).into_owned();
                (answer.status.as_u16(), words)
            };
            let (status, words) = ask(&real).await;
            let (nothing, nothing_words) = ask(&absent).await;
            let id = |path: &str| {
                path.split('/').find(|part| part.chars().any(|one| one.is_ascii_digit())).unwrap_or("").to_owned()
            };
            let told = words.replace(&id(&real), "ID");
            let told_of_nothing = nothing_words.replace(&id(&absent), "ID");
            let digits = |text: &str| text.replace(|one: char| one.is_ascii_digit(), "9");
            assert_eq!(
                (status, digits(&told)),
                (nothing, digits(&told_of_nothing)),
                "{who}: {method} {real} is not answered as {absent}"
            );
            assert!(
                status != 200 || words == "[]" || words.contains("\"count\":0") || method == "OPTIONS",
                "{who}: {method} {real}: {words}"
            );
            tried += 1;
        }
    }
    // Nothing was changed by all of that.
    for list in LISTS {
        let one = first(&world.server, list).await;
        assert!(!one.is_empty(), "{list}");
    }
    say(format!(
        "rights: {tried} calls of foreign objects, none told from an absent one; {} paths of other kinds",
        left.len()
    ));
    assert!(tried > 200, "{tried}: {left:?}");
}
