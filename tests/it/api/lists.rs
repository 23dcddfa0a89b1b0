//! Every list with its filters and sort words, on both databases.

use serde_json::{Value, json};

use super::models;
use super::server::Server;
use crate::support::postgres::database;

/// A list, and queries that must be understood; `…` stands for an instance's id.
const LISTS: &[(&str, &[&str])] = &[
    (
        "task",
        &[
            "processVariables=v_eq_x,n_gt_1,s_like_a%25",
            "taskVariables=v_neq_x",
            "candidateGroup=crew&includeAssignedTasks=true",
            "candidateGroups=crew,other",
            "withoutCandidateUsers=true&unassigned=true",
            "involvedUser=ada",
            "dueBefore=2030-01-01T00:00:00Z&followUpBeforeOrNotExistent=2030-01-01T00:00:00Z",
            "taskDefinitionKeyIn=work,other&nameLike=W%25&minPriority=1&maxPriority=99",
            "delegationState=PENDING",
            "executionId=…&active=true",
            "sortBy=dueDate&sortOrder=desc",
            "sortBy=nameCaseInsensitive&sortOrder=asc&firstResult=1&maxResults=2",
        ],
    ),
    (
        "process-instance",
        &[
            "variables=v_eq_x,n_lteq_5",
            "processInstanceIds=…,7",
            "withIncident=true&incidentMessageLike=a%25",
            "activityIdIn=work",
            "rootProcessInstances=true&suspended=true",
            "sortBy=businessKey&sortOrder=asc",
        ],
    ),
    (
        "process-definition",
        &["latestVersion=true&keyLike=u%25", "startableInTasklist=true", "sortBy=deployTime&sortOrder=desc"],
    ),
    (
        "decision-definition",
        &[
            "latestVersion=true&nameLike=%25e%25&withoutDecisionRequirementsDefinition=true",
            "tenantIdIn=north&includeDecisionDefinitionsWithoutTenantId=true",
            "decisionRequirementsDefinitionKey=g&deployedAfter=2020-01-01T00:00:00Z",
            "sortBy=deployTime&sortOrder=desc",
            "sortBy=decisionRequirementsDefinitionKey&sortOrder=asc",
        ],
    ),
    ("decision-requirements-definition", &["latestVersion=true&key=g", "sortBy=version&sortOrder=asc"]),
    (
        "deployment",
        &["nameLike=m%25&before=2099-01-01T00:00:00Z", "withoutSource=true", "sortBy=deploymentTime&sortOrder=asc"],
    ),
    (
        "external-task",
        &[
            "locked=true",
            "notLocked=true&withRetriesLeft=true",
            "noRetriesLeft=true",
            "processVariables=v_eq_x",
            "sortBy=createTime&sortOrder=asc",
        ],
    ),
    (
        "job",
        &[
            "timers=true&executable=true",
            "messages=true&withException=true",
            "dueDates=gt_2020-01-01T00:00:00Z",
            "noRetriesLeft=true",
            "sortBy=jobRetries&sortOrder=asc",
        ],
    ),
    (
        "incident",
        &[
            "processInstanceIdIn=…",
            "incidentTimestampBefore=2099-01-01T00:00:00Z",
            "sortBy=incidentTimestamp&sortOrder=desc",
        ],
    ),
    (
        "job-definition",
        &["activityIdIn=work&jobType=timer-intermediate-transition", "active=true", "sortBy=jobType&sortOrder=desc"],
    ),
    ("execution", &["messageEventSubscriptionName=m", "businessKey=k&suspended=true", "processInstanceId=…"]),
    ("event-subscription", &["eventType=message&executionId=…", "sortBy=created&sortOrder=asc"]),
    (
        "variable-instance",
        &[
            "processInstanceIdIn=…&variableNameLike=v%25",
            "variableValues=v_eq_x",
            "activityInstanceIdIn=…",
            "sortBy=variableName&sortOrder=asc",
        ],
    ),
    (
        "history/process-instance",
        &[
            "finished=true&variables=v_eq_x,w_like_x%25",
            "withIncidents=true&incidentStatus=open",
            "executedActivityIdIn=start&activeActivityIdIn=work",
            "completed=true",
            "startedAfter=2020-01-01T00:00:00Z",
            "sortBy=duration&sortOrder=desc",
        ],
    ),
    (
        "history/activity-instance",
        &["activityType=userTask&unfinished=true", "completeScope=true", "sortBy=duration&sortOrder=asc"],
    ),
    ("history/task", &["taskAssignee=ada&finished=true", "withoutTaskDueDate=true", "sortBy=duration&sortOrder=asc"]),
    (
        "history/variable-instance",
        &["processInstanceId=…&variableName=v&variableValue=x", "sortBy=variableName&sortOrder=desc"],
    ),
    (
        "history/decision-instance",
        &[
            "includeInputs=true&includeOutputs=true&rootDecisionInstancesOnly=true",
            "processInstanceId=…&activityIdIn=work&evaluatedBefore=2099-01-01T00:00:00Z",
            "rootDecisionInstanceId=…:1&decisionRequirementsDefinitionKey=g",
            "sortBy=evaluationTime&sortOrder=desc",
        ],
    ),
    (
        "history/incident",
        &["resolved=true", "open=true&createTimeAfter=2020-01-01T00:00:00Z", "sortBy=endTime&sortOrder=asc"],
    ),
];

/// Logs that are read from one instance's history, and the process whose instance has lines there.
pub(super) const LOGS: &[(&str, &str)] = &[
    ("history/detail", "u"),
    ("history/identity-link-log", "u"),
    ("history/job-log", "t"),
    ("history/external-task-log", "x"),
];

pub(super) fn names() -> impl Iterator<Item = &'static str> {
    LISTS.iter().map(|(name, _)| *name)
}

/// Accounts and, for each list, some rows; gives the id of an instance.
pub(super) async fn fill(server: &Server) -> String {
    server.account("demo", None, true).await;
    server.account("nora", Some(&["north"]), false).await;
    let models =
        [models::user("u"), models::external("x"), models::timer("t"), models::failing("f"), models::receive("mail")];
    for model in models {
        server.deploy("model.bpmn", &model).await;
    }
    server.deploy("decisions.dmn", models::DECISIONS).await;
    let evaluate = "/engine-rest/decision-definition/key/fee/evaluate";
    let evaluated = server.call("POST", evaluate, Some(json!({ "variables": { "n": { "value": 3 } } }))).await;
    assert_eq!(evaluated.json()[0]["fee"]["value"], 7, "{evaluated:?}");
    let mut last = String::new();
    for key in ["f", "x", "t", "mail", "u"] {
        let body = json!({ "businessKey": "k", "variables": { "v": { "value": "x" }, "n": { "value": 3 } } });
        let answer = server.call("POST", &format!("/engine-rest/process-definition/key/{key}/start"), Some(body)).await;
        assert_eq!(answer.status, 200);
        last = answer.json()["id"].as_str().expect("an id").to_owned();
    }
    last
}

async fn every_list(server: &Server) {
    let last = fill(server).await;
    for (list, queries) in LISTS {
        let all = server.get(&format!("/engine-rest/{list}")).await;
        let rows = all.json().as_array().map_or(0, Vec::len);
        assert!(rows > 0, "{list}: nothing to list");
        assert_eq!(server.get(&format!("/engine-rest/{list}/count")).await.json()["count"], rows, "{list}");
        for query in *queries {
            let query = query.replace('…', &last);
            for user in ["demo", "nora"] {
                let answer = server.call_as(user, "GET", &format!("/engine-rest/{list}?{query}"), None).await;
                assert_eq!(answer.status, 200, "{list}?{query}: {}", String::from_utf8_lossy(&answer.bytes));
            }
        }
    }
    let tasks =
        async |body: Value| server.call("POST", "/engine-rest/task/count", Some(body)).await.json()["count"].clone();
    let texts = server.get("/engine-rest/task/count?processVariables=v_eq_x,n_eq_3").await;
    assert_eq!(texts.json()["count"], 0, "in an address all values are texts");
    let greater = json!({ "name": "n", "operator": "gt", "value": 2 });
    let equal = json!({ "name": "v", "operator": "eq", "value": "x" });
    assert_eq!(tasks(json!({ "processVariables": [greater, equal] })).await, 1);
    let either = json!({ "orQueries": [{ "assignee": "nobody", "name": "Work" }], "processDefinitionKey": "u" });
    assert_eq!(tasks(either).await, 1);
    for path in ["process-definition/statistics?incidents=true", "process-definition/key/f/statistics?incidents=true"] {
        assert_ne!(server.get(&format!("/engine-rest/{path}")).await.json(), json!([]), "{path}");
    }
    assert_eq!(server.get("/engine-rest/external-task/topic-names").await.json(), json!(["x"]));
}

#[tokio::test]
async fn every_list_on_sqlite() {
    let server = Server::bare(|_| {}).await;
    every_list(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_on_postgresql() {
    let Some(address) = database("every_list_on_postgresql").await else { return };
    let server = Server::on(&address, tempfile::tempdir().expect("a folder"), |_| {}).await;
    every_list(&server).await;
}
