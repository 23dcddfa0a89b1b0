//! What is done to many at once, and what is counted over many.

use serde_json::{Value, json};

use super::models;
use super::server::Server;

async fn start(server: &Server, key: &str) -> String {
    let answer =
        server.call("POST", &format!("/engine-rest/process-definition/key/{key}/start"), Some(json!({}))).await;
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.bytes));
    answer.json()["id"].as_str().expect("an id").to_owned()
}

async fn count(server: &Server, list: &str) -> Value {
    server.get(&format!("/engine-rest/{list}")).await.json()["count"].clone()
}

#[tokio::test]
async fn all_versions_of_a_key_are_suspended_with_their_instances() {
    let server = Server::start().await;
    for _ in 0..2 {
        server.deploy("a.bpmn", &models::user("a")).await;
        start(&server, "a").await;
    }
    server.deploy("b.bpmn", &models::user("b")).await;
    let put = async |suspended: bool| {
        let body = json!({ "processDefinitionKey": "a", "suspended": suspended, "includeProcessInstances": true });
        server.call("PUT", "/engine-rest/process-definition/suspended", Some(body)).await
    };
    assert_eq!(put(true).await.status, 204);
    let suspended = async |list: &str| count(&server, &format!("{list}/count?suspended=true")).await;
    assert_eq!((suspended("process-definition").await, suspended("process-instance").await), (json!(2), json!(2)));
    assert_eq!(put(false).await.status, 204);
    assert_eq!((suspended("process-definition").await, suspended("process-instance").await), (json!(0), json!(0)));
    let newest = json!({ "suspended": true });
    let path = "/engine-rest/process-definition/key/a/suspended";
    assert_eq!(server.call("PUT", path, Some(newest)).await.status, 204);
    assert_eq!(suspended("process-definition").await, 2, "by key it is every version here too");
    for wrong in [
        json!({ "suspended": true }),
        json!({ "processDefinitionKey": "a" }),
        json!({ "processDefinitionKey": "a", "suspended": true, "executionDate": "2099-01-01T00:00:00.000+0000" }),
    ] {
        assert_eq!(server.call("PUT", "/engine-rest/process-definition/suspended", Some(wrong)).await.error().0, 400);
    }
    let nobody = json!({ "processDefinitionKey": "none", "suspended": true });
    assert_eq!(server.call("PUT", "/engine-rest/process-definition/suspended", Some(nobody)).await.error().0, 404);
}

#[tokio::test]
async fn instances_are_suspended_by_any_way_of_naming_them() {
    let server = Server::start().await;
    server.deploy("a.bpmn", &models::user("a")).await;
    server.deploy("b.bpmn", &models::user("b")).await;
    let (one, two) = (start(&server, "a").await, start(&server, "b").await);
    let definition = server.get(&format!("/engine-rest/process-instance/{one}")).await.json()["definitionId"].clone();
    let path = "/engine-rest/process-instance/suspended";
    for (way, wanted) in [
        (json!({ "processInstanceIds": [one, two] }), 2),
        (json!({ "processInstanceQuery": { "processDefinitionKey": "b" } }), 1),
        (json!({ "historicProcessInstanceQuery": { "processDefinitionKey": "a" } }), 1),
        (json!({ "processDefinitionKey": "b" }), 1),
        (json!({ "processDefinitionId": definition }), 1),
        (json!({ "processDefinitionKey": "a", "processDefinitionTenantId": "north" }), 0),
    ] {
        for (suspended, then) in [(true, wanted), (false, 0)] {
            let mut body = way.clone();
            body["suspended"] = suspended.into();
            assert_eq!(server.call("PUT", path, Some(body)).await.status, 204, "{way}");
            assert_eq!(count(&server, "process-instance/count?suspended=true").await, then, "{way}");
        }
    }
    assert_eq!(server.call("PUT", path, Some(json!({ "suspended": true }))).await.error().0, 400, "of which?");
    let absent = json!({ "processInstanceIds": ["999999"], "suspended": true });
    assert_eq!(server.call("PUT", path, Some(absent)).await.error().0, 404);
}

#[tokio::test]
async fn a_message_is_delivered_to_one_execution() {
    let server = Server::start().await;
    server.deploy("m.bpmn", &models::receive("mail")).await;
    let instance = start(&server, "mail").await;
    let execution = server.get("/engine-rest/event-subscription").await.json()[0]["executionId"].clone();
    let base = format!("/engine-rest/execution/{}/messageSubscriptions", execution.as_str().expect("an id"));
    let armed = server.get(&format!("{base}/mail-go")).await.json();
    assert_eq!((&armed["eventName"], &armed["executionId"]), (&json!("mail-go"), &execution));
    assert_eq!(server.get(&format!("{base}/other")).await.error().0, 404);
    let body = json!({ "variables": { "x": { "value": 1 } } });
    assert_eq!(server.call("POST", &format!("{base}/mail-go/trigger"), Some(body.clone())).await.status, 204);
    assert_eq!(server.call("POST", &format!("{base}/mail-go/trigger"), Some(body)).await.error().0, 404);
    let past = server.get(&format!("/engine-rest/history/variable-instance?processInstanceId={instance}")).await.json();
    assert_eq!((&past[0]["name"], &past[0]["value"]), (&json!("x"), &json!(1)));
}

#[tokio::test]
async fn figures_over_many() {
    let server = Server::start().await;
    server.deploy("a.bpmn", &models::user("a")).await;
    let calls = models::calling("c", "a");
    server.deploy("c.bpmn", &calls).await;
    let (first, _) = (start(&server, "a").await, start(&server, "a").await);
    let of_first = format!("/engine-rest/task?processInstanceId={first}");
    let task = server.get(&of_first).await.json()[0]["id"].as_str().expect("an id").to_owned();
    let groups = server.get("/engine-rest/task/report/candidate-group-count").await.json();
    assert_eq!(groups, json!([{ "groupName": "crew", "taskCount": 2 }]));
    let link = json!({ "groupId": "crew", "type": "candidate" });
    let removed = server.call("POST", &format!("/engine-rest/task/{task}/identity-links/delete"), Some(link)).await;
    assert_eq!(removed.status, 204);
    let groups = server.get("/engine-rest/task/report/candidate-group-count").await.json();
    assert_eq!(groups, json!([{ "groupName": null, "taskCount": 1 }, { "groupName": "crew", "taskCount": 1 }]));
    assert_eq!(server.call("POST", &format!("/engine-rest/task/{task}/complete"), None).await.status, 204);
    let definition = server.get("/engine-rest/process-definition/key/a").await.json()["id"].clone();
    let definition = definition.as_str().expect("an id");
    let figures = format!("/engine-rest/history/process-definition/{definition}/statistics");
    let all =
        server.get(&format!("{figures}?finished=true&canceled=true&completeScope=true&incidents=true")).await.json();
    let of = |element: &str| {
        let found = all.as_array().expect("a list").iter().find(|one| one["id"] == element).expect("it is there");
        ["instances", "finished", "completeScope"].map(|name| found[name].as_i64().expect("a number"))
    };
    assert_eq!((of("work"), of("start"), of("end")), ([1, 1, 0], [0, 2, 0], [0, 1, 1]));
    let running = server.get(&format!("{figures}?sortBy=activityId&sortOrder=desc")).await.json();
    assert_eq!((running.as_array().map(Vec::len), &running[0]["id"]), (Some(1), &json!("work")));
    assert_eq!(server.get(&format!("{figures}?startedAfter=2099-01-01T00:00:00Z")).await.json(), json!([]));
    let caller = server.get("/engine-rest/process-definition/key/c").await.json()["id"].clone();
    let caller = caller.as_str().expect("an id");
    let path = format!("/engine-rest/process-definition/{caller}/static-called-process-definitions");
    let called = server.get(&path).await.json();
    assert_eq!(called.as_array().map(Vec::len), Some(1));
    assert_eq!((&called[0]["id"], &called[0]["calledFromActivityIds"]), (&json!(definition), &json!(["work"])));
    assert_eq!(called[0]["callingProcessDefinitionId"], caller);
}

#[tokio::test]
async fn the_priority_of_a_job() {
    let server = Server::start().await;
    server.deploy("t.bpmn", &models::timer("t")).await;
    start(&server, "t").await;
    let timer = server.get("/engine-rest/job").await.json()[0]["id"].as_str().expect("an id").to_owned();
    let put =
        async |id: &str, body: Value| server.call("PUT", &format!("/engine-rest/job/{id}/priority"), Some(body)).await;
    assert_eq!(put(&timer, json!({ "priority": 5 })).await.error().0, 400, "a timer has none");
    assert_eq!(put("7:7", json!({ "priority": 5 })).await.error().0, 404);
    server.deploy("c.bpmn", &models::deciding("c", "nowhere")).await;
    start(&server, "c").await;
    let path = "/engine-rest/job?processDefinitionKey=c";
    let job = server.get(path).await.json()[0]["id"].as_str().expect("an id").to_owned();
    assert_eq!(put(&job, json!({ "priority": 41 })).await.status, 204);
    assert_eq!(server.get(path).await.json()[0]["priority"], 41);
    assert_eq!(server.get(&format!("{path}&priorityHigherThanOrEquals=42")).await.json(), json!([]));
}

#[tokio::test]
async fn priorities_and_starters_of_a_process() {
    let server = Server::start().await;
    server.deploy("p.bpmn", &models::with_priorities("p")).await;
    server.deploy("u.bpmn", &models::user("u")).await;
    start(&server, "p").await;
    // The continuation before the task has run by now, or runs soon.
    let task = loop {
        let tasks = server.get("/engine-rest/external-task").await.json();
        if let Some(task) = tasks.get(0) {
            break task.clone();
        }
        let jobs = server.get("/engine-rest/job").await.json();
        assert!(jobs.as_array().is_none_or(|jobs| jobs.iter().all(|job| job["priority"] == 3)), "{jobs}");
        tokio::task::yield_now().await;
    };
    assert_eq!(task["priority"], 7);
    let of = async |user: &str| {
        let found = server.get(&format!("/engine-rest/process-definition?startableBy={user}")).await.json();
        found
            .as_array()
            .into_iter()
            .flatten()
            .map(|row| row["key"].as_str().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(of("ann").await, ["p"]);
    assert_eq!(of("bob").await, Vec::<String>::new());
}
