//! Every filter that the description gives a list is heard: one that was passed over would show rows that nobody asked for.

use serde_json::{Value, json};

use super::description::{self, Parameter};
use super::lists;
use super::server::Server;
use crate::support::postgres::database;
use crate::support::say::say;

/// Negations: no word that is nowhere shows that they are heard, an object in place of a text does.
fn is_negation(name: &str) -> bool {
    ["NotIn", "NotEqual", "NotLike"].iter().any(|end| name.ends_with(end))
}

/// What says how to answer, not which rows.
const MANNERS: &[&str] = &[
    "sortBy",
    "sortOrder",
    "sorting",
    "firstResult",
    "maxResults",
    "orQueries",
    "deserializeValues",
    "withCommentAttachmentInfo",
    "withTaskVariablesInReturn",
    "withTaskLocalVariablesInReturn",
    // Whoever may see a definition may start it.
    "startablePermissionCheck",
];

#[tokio::test]
async fn filters_on_sqlite() {
    let server = Server::bare(|_| {}).await;
    filters(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_on_postgresql() {
    let Some(address) = database("filters_on_postgresql").await else { return };
    let server = Server::on(&address, tempfile::tempdir().expect("a folder"), |_| {}).await;
    filters(&server).await;
}

async fn filters(server: &Server) {
    let last = lists::fill(server).await;
    every_filter_is_heard(server).await;
    each_finds_what_it_names(server, &last).await;
    tasks_come_in_the_order_of_a_variable(server).await;
    removed_variables_are_shown_when_asked_for(server, &last).await;
}

async fn every_filter_is_heard(server: &Server) {
    let mut deaf = Vec::new();
    let mut heard = 0;
    let mut all: Vec<(&str, String)> = lists::names().map(|list| (list, String::new())).collect();
    for (log, process) in lists::LOGS {
        let of = server.get(&format!("/engine-rest/process-instance?processDefinitionKey={process}")).await.json();
        all.push((log, format!("processInstanceId={}&", of[0]["id"].as_str().expect("an id"))));
    }
    for (list, always) in all {
        let path = format!("/{list}/count");
        let all = server.get(&format!("/engine-rest{path}?{always}")).await.json()["count"].clone();
        assert_ne!(all, 0, "{list}: nothing to filter");
        for parameter in description::parameters("GET", &path) {
            if always.starts_with(&parameter.name) {
                continue;
            }
            let probe = text_probe(&parameter);
            let answer = server.get(&format!("/engine-rest{path}?{always}{}={probe}", parameter.name)).await;
            note(&mut deaf, &mut heard, &format!("GET {path}"), &parameter, answer.status.as_u16(), &answer.bytes);
        }
        for parameter in description::parameters("POST", &path) {
            let body = json!({ parameter.name.clone(): body_probe(&parameter) });
            let answer = server.call("POST", &format!("/engine-rest{path}"), Some(body)).await;
            if answer.status != 405 {
                note(&mut deaf, &mut heard, &format!("POST {path}"), &parameter, answer.status.as_u16(), &answer.bytes);
            }
        }
    }
    say(format!("filters of REST lists: {heard} are heard"));
    assert!(deaf.is_empty(), "these filters are passed over:\n{}", deaf.join("\n"));
}

/// A filter that was heard finds nothing by a word that is nowhere, and refuses one that is none of its kind.
fn note(deaf: &mut Vec<String>, heard: &mut usize, list: &str, parameter: &Parameter, status: u16, body: &[u8]) {
    if MANNERS.contains(&parameter.name.as_str()) || is_negation(&parameter.name) && list.starts_with("GET") {
        return;
    }
    let body: Value = serde_json::from_slice(body).expect("JSON");
    match status {
        200 if body["count"] == 0 => *heard += 1,
        400 => *heard += 1,
        _ => deaf.push(format!("{list} {}: {status} {body}", parameter.name)),
    }
}

fn text_probe(parameter: &Parameter) -> &'static str {
    match parameter.kind.as_str() {
        "string" | "object" if !parameter.is_date => "nowhere",
        _ => "x",
    }
}

fn body_probe(parameter: &Parameter) -> Value {
    match parameter.kind.as_str() {
        _ if is_negation(&parameter.name) => json!({ "no": "text" }),
        "array" if parameter.of_objects => json!([{ "name": "nowhere", "operator": "eq", "value": "x" }]),
        "array" => json!(["nowhere"]),
        _ => text_probe(parameter).into(),
    }
}

/// How many rows a filter leaves of those that [`lists::fill`] makes; `…` stands for the last instance, `!` for the
/// incident, `@` for the source of the timer's job.
const FOUND: &[(&str, i64)] = &[
    ("task/count?processVariables=V_eq_X", 0),
    ("task/count?processVariables=V_eq_X&variableNamesIgnoreCase=true&variableValuesIgnoreCase=true", 1),
    ("task/count?processVariables=V_like_X%25&variableNamesIgnoreCase=true&variableValuesIgnoreCase=true", 1),
    ("process-instance/count?leafProcessInstances=true", 5),
    ("process-instance/count?processDefinitionWithoutTenantId=true", 5),
    ("process-instance/count?subProcessInstance=…", 0),
    ("process-instance/count?incidentId=!", 1),
    ("process-instance/count?processDefinitionKeyNotIn=u,x", 3),
    ("process-definition/count?category=t", 5),
    ("process-definition/count?categoryLike=%25T", 0),
    ("process-definition/count?deployedAfter=2020-01-01T00:00:00Z", 5),
    ("process-definition/count?deployedAt=2020-01-01T00:00:00Z", 0),
    ("process-definition/count?incidentType=failedExpression", 1),
    ("process-definition/count?incidentId=!", 1),
    ("process-definition/count?tenantIdIn=north", 0),
    ("process-definition/count?tenantIdIn=north&includeProcessDefinitionsWithoutTenantId=true", 5),
    ("job/count?acquired=true", 0),
    ("job/count?jobDefinitionId=@", 1),
    ("execution/count?active=true", 5),
    ("execution/count?incidentMessageLike=%25missing%25", 1),
    ("execution/count?processVariables=v_eq_x", 5),
    ("execution/count?variables=v_eq_x", 0),
    ("variable-instance/count?variableScopeIdIn=…", 2),
    ("history/process-instance/count?executedActivityAfter=2020-01-01T00:00:00Z", 5),
    ("history/process-instance/count?executedActivityBefore=2020-01-01T00:00:00Z", 0),
    ("history/process-instance/count?withJobsRetrying=true", 0),
    ("history/process-instance/count?processInstanceIdNotIn=…", 4),
    ("history/process-instance/count?incidentIdIn=!,7:7", 1),
    ("history/task/count?processInstanceBusinessKey=k", 1),
    ("history/task/count?processInstanceBusinessKeyLike=%25x", 0),
    ("history/task/count?processFinished=true", 0),
    ("history/task/count?processUnfinished=true", 1),
    ("history/task/count?processVariables=v_like_X%25", 0),
    ("history/task/count?processVariables=v_like_X%25&variableValuesIgnoreCase=true", 1),
    ("history/task/count?taskVariables=v_eq_x", 0),
    ("history/incident/count?jobDefinitionIdIn=@", 0),
];

async fn each_finds_what_it_names(server: &Server, last: &str) {
    let incident = server.get("/engine-rest/incident").await.json()[0]["id"].as_str().expect("an id").to_owned();
    let job = server.get("/engine-rest/job?timers=true").await.json()[0].clone();
    let source = job["jobDefinitionId"].as_str().expect("an id");
    for (query, count) in FOUND {
        let path = query.replace('…', last).replace('!', &incident).replace('@', source);
        let answer = server.get(&format!("/engine-rest/{path}")).await;
        assert_eq!(answer.json()["count"], *count, "{path}");
    }
    let definition = server.get(&format!("/engine-rest/job-definition/{source}")).await.json();
    assert_eq!(definition["jobType"], "timer-intermediate-transition");
    assert_eq!(definition["jobConfiguration"], "DURATION: P1D");
    assert_eq!(definition["processDefinitionId"], job["processDefinitionId"]);
}

async fn tasks_come_in_the_order_of_a_variable(server: &Server) {
    for number in [20, 3, 100] {
        let variables = json!({ "rank": { "value": number } });
        let start = json!({ "businessKey": "ranked", "variables": variables });
        let answer = server.call("POST", "/engine-rest/process-definition/key/u/start", Some(start)).await;
        assert_eq!(answer.status, 200);
    }
    for (order, wanted) in [("asc", [3, 20, 100]), ("desc", [100, 20, 3])] {
        let by = json!({ "sortBy": "processVariable", "sortOrder": order, "parameters": { "variable": "rank", "type": "Integer" } });
        let query =
            json!({ "processInstanceBusinessKey": "ranked", "sorting": [by], "withTaskVariablesInReturn": true });
        let tasks = server.call("POST", "/engine-rest/task", Some(query)).await.json();
        let ranks: Vec<&Value> =
            tasks.as_array().expect("a list").iter().map(|task| &task["variables"]["rank"]["value"]).collect();
        assert_eq!(ranks, wanted, "{order}");
    }
    let without = json!({ "sorting": [{ "sortBy": "taskVariable", "sortOrder": "asc" }] });
    assert_eq!(server.call("POST", "/engine-rest/task", Some(without)).await.error().0, 400);
}

async fn removed_variables_are_shown_when_asked_for(server: &Server, last: &str) {
    let removed = server.call("DELETE", &format!("/engine-rest/process-instance/{last}/variables/n"), None).await;
    assert_eq!(removed.status, 204);
    let list = format!("/engine-rest/history/variable-instance?processInstanceId={last}&variableName=n");
    assert_eq!(server.get(&list).await.json(), json!([]));
    let all = server.get(&format!("{list}&includeDeleted=true")).await.json();
    assert_eq!((&all[0]["name"], &all[0]["state"]), (&json!("n"), &json!("DELETED")));
}
