//! Decisions over REST: deployed versions, evaluation, and what the history keeps of it, beyond a restart too.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::server::Server;
use crate::support::need::suites;

const DISH: &str = r##"<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" xmlns:camunda="http://camunda.org/schema/1.0/dmn" id="dish" name="Dish" namespace="urn:dish">
<decision id="season" name="Season" camunda:historyTimeToLive="P2W" camunda:versionTag="v1"><variable name="season"/><decisionTable hitPolicy="FIRST">
<input id="i_celsius" label="Degrees"><inputExpression><text>celsius</text></inputExpression></input><output id="o_season" label="Time of year" name="season"/>
<rule id="cold"><inputEntry><text>&lt; 10</text></inputEntry><outputEntry><text>"winter"</text></outputEntry></rule>
<rule id="warm"><inputEntry><text>-</text></inputEntry><outputEntry><text>"summer"</text></outputEntry></rule></decisionTable></decision>
<decision id="guests" name="Guests"><variable name="total"/><literalExpression><text>adults + children</text></literalExpression></decision>
<decision id="price" name="Price"><variable name="price"/><informationRequirement><requiredDecision href="#season"/></informationRequirement>
<informationRequirement><requiredDecision href="#guests"/></informationRequirement><decisionTable hitPolicy="COLLECT" aggregation="SUM">
<input><inputExpression><text>season</text></inputExpression></input><input><inputExpression><text>note</text></inputExpression></input><output name="price"/>
<rule id="each"><inputEntry><text>-</text></inputEntry><inputEntry><text>-</text></inputEntry><outputEntry><text>total * 2.5</text></outputEntry></rule>
<rule id="none"><inputEntry><text>"winter", "summer"</text></inputEntry><inputEntry><text>"no such note"</text></inputEntry><outputEntry><text>100</text></outputEntry></rule>
<rule id="fire"><inputEntry><text>"winter"</text></inputEntry><inputEntry><text>-</text></inputEntry><outputEntry><text>7</text></outputEntry></rule></decisionTable></decision>
</definitions>"##;

const LONE: &str = r#"<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id="lone" name="Lone" namespace="urn:lone"><decision id="double" name="Double"><variable name="twice"/><literalExpression><text>n * 2</text></literalExpression></decision></definitions>"#;

const PROCESS: &str = r#"<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn" targetNamespace="t">
<process id="dinner" isExecutable="true"><startEvent id="s"/><sequenceFlow id="f" sourceRef="s" targetRef="rule"/>
<businessRuleTask id="rule" camunda:decisionRef="price" camunda:mapDecisionResult="singleEntry" camunda:resultVariable="price"/>
<sequenceFlow id="g" sourceRef="rule" targetRef="e"/><endEvent id="e"/></process></definitions>"#;

const EVALUATE: &str = "/engine-rest/decision-definition/key/price/evaluate";
const HISTORY: &str = "/engine-rest/history/decision-instance";

async fn deploy(server: &Server) -> Value {
    let files = [("dish.dmn", DISH.as_bytes()), ("lone.dmn", LONE.as_bytes()), ("dinner.bpmn", PROCESS.as_bytes())];
    let answer = server.deploy_as("demo", &[("deployment-name", "dinner")], &files).await;
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.bytes));
    answer.json()
}

fn variables(celsius: i64, note: &str) -> Value {
    json!({ "variables": {
        "celsius": { "value": celsius }, "adults": { "value": 2 }, "children": { "value": 1 }, "note": { "value": note },
    } })
}

/// Runs the process to its end, and gives the instance.
async fn dine(server: &Server, celsius: i64, note: &str) -> String {
    let start = "/engine-rest/process-definition/key/dinner/start";
    let started = server.call("POST", start, Some(variables(celsius, note))).await;
    assert_eq!(started.status, 200, "{}", String::from_utf8_lossy(&started.bytes));
    let id = started.json()["id"].as_str().expect("an id").to_owned();
    let begun = Instant::now();
    // A decision is awaited for a time, then it goes on by itself.
    while server.get(&format!("/engine-rest/history/process-instance/{id}")).await.json()["state"] != "COMPLETED" {
        assert!(begun.elapsed() < Duration::from_secs(30), "the process does not end");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    id
}

async fn list(server: &Server, query: &str) -> Vec<Value> {
    let answer = server.get(&format!("{HISTORY}?{query}")).await;
    assert_eq!(answer.status, 200, "{query}: {}", String::from_utf8_lossy(&answer.bytes));
    answer.json().as_array().expect("a list").clone()
}

/// The members of an object of the description of the interface, or of several.
fn assert_members(value: &Value, schema: &str) {
    let file = suites().join("../specs/camunda-7.24-openapi.json");
    let Ok(text) = std::fs::read(&file) else { return };
    let spec: Value = serde_json::from_slice(&text).expect("JSON");
    let of = &spec["components"]["schemas"][schema]["properties"];
    let wanted: Vec<&String> = of.as_object().unwrap_or_else(|| panic!("no {schema}")).keys().collect();
    let members: Vec<&String> = value.as_object().unwrap_or_else(|| panic!("no object: {value}")).keys().collect();
    let sorted = |mut names: Vec<&String>| {
        names.sort();
        names.into_iter().cloned().collect::<Vec<_>>()
    };
    assert_eq!(sorted(members), sorted(wanted), "{schema}");
    for (name, member) in value.as_object().expect("an object") {
        let fits = match of[name]["type"].as_str() {
            Some("string") => member.is_string(),
            Some("integer") => member.is_i64(),
            Some("number") => member.is_number(),
            Some("array") => member.is_array(),
            Some(_) | None => true,
        };
        assert!(fits || member.is_null(), "{schema}.{name}: {member}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_leaves_each_decision_with_inputs_outputs_and_rules_beyond_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let address = format!("sqlite:{}", folder.path().join("kept.db").display());
    let server = Server::on(&address, folder, |_| {}).await;
    server.account("demo", None, true).await;
    deploy(&server).await;
    let note = "n".repeat(5_000);
    let id = dine(&server, 5, &note).await;
    let query = format!("processInstanceId={id}&includeInputs=true&includeOutputs=true");
    let rows = list(&server, &query).await;
    assert_dinner(&rows, &id, &note);
    let server = server.restarted(&address).await;
    assert_eq!(list(&server, &query).await, rows, "after a restart");
    let gone = server.call("DELETE", &format!("/engine-rest/history/process-instance/{id}"), None).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    assert_eq!(list(&server, &query).await, Vec::<Value>::new(), "it goes with its instance");
}

fn assert_dinner(rows: &[Value], instance: &str, note: &str) {
    let row = |key: &str| rows.iter().find(|row| row["decisionDefinitionKey"] == key).expect(key);
    assert_eq!(rows.len(), 3, "{rows:#?}");
    for row in rows {
        assert_members(row, "HistoricDecisionInstanceDto");
        row["inputs"]
            .as_array()
            .expect("inputs")
            .iter()
            .for_each(|one| assert_members(one, "HistoricDecisionInputInstanceDto"));
        row["outputs"]
            .as_array()
            .expect("outputs")
            .iter()
            .for_each(|one| assert_members(one, "HistoricDecisionOutputInstanceDto"));
        assert_eq!((&row["processInstanceId"], &row["rootProcessInstanceId"]), (&json!(instance), &json!(instance)));
        assert_eq!((&row["activityId"], &row["processDefinitionKey"]), (&json!("rule"), &json!("dinner")));
        assert_eq!((&row["decisionRequirementsDefinitionKey"], &row["userId"]), (&json!("dish"), &Value::Null));
        assert!(row["removalTime"].is_string(), "the instance has ended");
    }
    let (season, guests, price) = (row("season"), row("guests"), row("price"));
    assert_eq!(price["rootDecisionInstanceId"], Value::Null);
    assert_eq!((&season["rootDecisionInstanceId"], &guests["rootDecisionInstanceId"]), (&price["id"], &price["id"]));
    let input = &season["inputs"][0];
    assert_eq!(
        (&input["clauseId"], &input["clauseName"], &input["type"], &input["value"]),
        (&json!("i_celsius"), &json!("Degrees"), &json!("Integer"), &json!(5))
    );
    let output = &season["outputs"][0];
    assert_eq!((&output["clauseId"], &output["clauseName"]), (&json!("o_season"), &json!("Time of year")));
    assert_eq!(
        (&output["ruleId"], &output["ruleOrder"], &output["variableName"]),
        (&json!("cold"), &json!(1), &json!("season"))
    );
    assert_eq!((&output["type"], &output["value"]), (&json!("String"), &json!("winter")));
    assert_eq!(guests["inputs"], json!([]));
    let output = &guests["outputs"][0];
    assert_eq!(
        (&output["variableName"], &output["value"], &output["ruleId"]),
        (&json!("total"), &json!(3), &Value::Null)
    );
    let rules: Vec<&Value> = price["outputs"].as_array().expect("outputs").iter().map(|one| &one["ruleId"]).collect();
    assert_eq!(rules, ["each", "fire"]);
    assert_eq!((&price["collectResultValue"], &season["collectResultValue"]), (&json!(14.5), &Value::Null));
    let cut = &price["inputs"][1];
    let text = cut["value"].as_str().expect("a text");
    assert!(
        text.len() < 4_200 && text.ends_with("n… (cut: the whole has 5000 bytes)") && note.starts_with(&text[..4_096])
    );
    assert_eq!((&cut["type"], &cut["valueInfo"]), (&json!("String"), &json!({ "cutFromBytes": 5_000 })));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_evaluation_by_itself_answers_and_is_kept_in_the_callers_name() {
    let server = Server::start().await;
    deploy(&server).await;
    let answer = server.call("POST", EVALUATE, Some(variables(20, "x"))).await;
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.bytes));
    assert_eq!(answer.json(), json!([{ "price": { "type": "Double", "value": 7.5, "valueInfo": {} } }]));
    let rows = list(&server, "rootDecisionInstancesOnly=true").await;
    let [price] = rows.as_slice() else { panic!("{rows:#?}") };
    assert_members(price, "HistoricDecisionInstanceDto");
    assert_eq!((&price["inputs"], &price["outputs"]), (&Value::Null, &Value::Null), "nobody asked for them");
    assert_eq!((&price["userId"], &price["decisionDefinitionKey"]), (&json!("demo"), &json!("price")));
    for absent in [
        "processInstanceId",
        "processDefinitionId",
        "processDefinitionKey",
        "activityId",
        "activityInstanceId",
        "rootProcessInstanceId",
    ] {
        assert_eq!(price[absent], Value::Null, "{absent}");
    }
    let id = price["id"].as_str().expect("an id");
    let one = server.get(&format!("{HISTORY}/{id}?includeOutputs=true")).await.json();
    assert_eq!((&one["inputs"], &one["outputs"][0]["value"]), (&Value::Null, &json!(7.5)));
    let whole = list(&server, &format!("rootDecisionInstanceId={id}&includeInputs=true")).await;
    assert_eq!(whole.len(), 3);
    assert!(whole.iter().all(|row| row["userId"] == "demo" && row["outputs"].is_null() && row["inputs"].is_array()));
    let season = whole.iter().find(|row| row["decisionDefinitionKey"] == "season").expect("it is required");
    let day = |row: &Value, name: &str| row[name].as_str().expect("a date")[..10].to_owned();
    assert_ne!(day(season, "evaluationTime"), day(season, "removalTime"), "kept for two weeks");
    // The number of the evaluation is no process instance's.
    let number = id.split(':').next().expect("a number");
    assert_eq!(list(&server, &format!("processInstanceId={number}")).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_evaluated_says_why_and_leaves_nothing() {
    let server = Server::start().await;
    deploy(&server).await;
    let (status, kind, words) = server.call("POST", EVALUATE, Some(json!({}))).await.error();
    assert_eq!((status, kind.as_str()), (500, "RestException"));
    assert!(
        words.starts_with("Cannot evaluate decision price:1:")
            && words.contains("\"Season\"")
            && words.contains("celsius"),
        "{words}"
    );
    let bad = json!({ "variables": { "celsius": { "value": "x", "type": "Integer" } } });
    let (status, kind, words) = server.call("POST", EVALUATE, Some(bad)).await.error();
    assert_eq!((status, kind.as_str()), (400, "InvalidRequestException"));
    assert!(words.starts_with("Cannot evaluate decision price:1:"), "{words}");
    let nobody = "/engine-rest/decision-definition/key/nobody/evaluate";
    let (status, kind, words) = server.call("POST", nobody, Some(json!({}))).await.error();
    assert_eq!((status, kind.as_str()), (404, "RestException"));
    assert_eq!(words, "No matching decision definition with key: nobody and no tenant-id");
    assert_eq!(list(&server, "").await.len(), 0);
    assert_eq!(server.get(&format!("{HISTORY}/7:1")).await.error().0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_evaluation_is_kept_once() {
    let server = Server::start().await;
    deploy(&server).await;
    let mut answers = Vec::new();
    for celsius in [20, 20, 5] {
        answers.push(server.call_with_key("one", EVALUATE, variables(celsius, "x")).await);
    }
    assert_eq!(answers[0].status, 200);
    assert_eq!(answers[0].json(), answers[1].json());
    assert_eq!(answers[2].status, StatusCode::UNPROCESSABLE_ENTITY, "another question under the same key");
    assert_eq!(list(&server, "").await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_is_filtered_sorted_and_paged() {
    let server = Server::start().await;
    deploy(&server).await;
    let instance = dine(&server, 5, "x").await;
    let evaluated = server.call("POST", EVALUATE, Some(variables(20, "x"))).await;
    assert_eq!(evaluated.status, 200);
    let rows = list(&server, &format!("processInstanceId={instance}")).await;
    let text = |row: &Value, name: &str| row[name].as_str().expect("a text").to_owned();
    let (first, activity) = (text(&rows[0], "id"), text(&rows[0], "activityInstanceId"));
    let (definition, graph) =
        (text(&rows[0], "decisionDefinitionId"), text(&rows[0], "decisionRequirementsDefinitionId"));
    let process = text(&rows[0], "processDefinitionId");
    let cases = [
        (String::new(), 6),
        (format!("decisionInstanceId={first}"), 1),
        (format!("decisionInstanceIdIn={first},7:1"), 1),
        (format!("decisionDefinitionId={definition}"), 2),
        (format!("decisionDefinitionIdIn={definition},x:1:1"), 2),
        ("decisionDefinitionKey=season".into(), 2),
        ("decisionDefinitionKeyIn=season,price".into(), 4),
        ("decisionDefinitionName=Price".into(), 2),
        ("decisionDefinitionNameLike=%25e%25".into(), 6),
        ("decisionDefinitionNameLike=Gu%25".into(), 2),
        (format!("processDefinitionId={process}"), 3),
        ("processDefinitionKey=dinner".into(), 3),
        ("processDefinitionKey=other".into(), 0),
        ("activityIdIn=rule,other".into(), 3),
        (format!("activityInstanceIdIn={activity}"), 3),
        ("userId=demo".into(), 3),
        ("evaluatedAfter=2020-01-01T00:00:00Z".into(), 6),
        ("evaluatedBefore=2020-01-01T00:00:00Z".into(), 0),
        ("rootDecisionInstancesOnly=true".into(), 2),
        (format!("decisionRequirementsDefinitionId={graph}"), 6),
        ("decisionRequirementsDefinitionKey=dish".into(), 6),
        ("decisionRequirementsDefinitionKey=lone".into(), 0),
        ("caseInstanceId=1".into(), 0),
        ("tenantIdIn=north".into(), 0),
        ("withoutTenantId=true".into(), 6),
        ("sortBy=evaluationTime&sortOrder=desc&firstResult=4".into(), 2),
        ("sortBy=tenantId&sortOrder=asc&maxResults=1".into(), 1),
    ];
    for (query, wanted) in cases {
        assert_eq!(list(&server, &query).await.len(), wanted, "{query}");
        if !query.contains("sortBy") {
            let count = server.get(&format!("{HISTORY}/count?{query}")).await.json();
            assert_eq!(count, json!({ "count": wanted }), "{query}");
        }
    }
    let sorted = list(&server, "sortBy=evaluationTime&sortOrder=desc").await;
    assert_eq!(sorted[0]["userId"], "demo", "the last comes first");
    assert_eq!(server.get(&format!("{HISTORY}?sortBy=name&sortOrder=asc")).await.error().0, 400);
}

const LIBRARY: &str = r##"<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id="library" name="Library" namespace="urn:library">
<inputData id="n" name="n"><variable name="n" typeRef="number"/></inputData>
<businessKnowledgeModel id="half" name="half"><variable name="half"/><encapsulatedLogic><formalParameter name="x"/><literalExpression><text>x / 2</text></literalExpression></encapsulatedLogic></businessKnowledgeModel>
<decision id="size" name="Size"><variable name="Size"/><informationRequirement><requiredInput href="#n"/></informationRequirement>
<decisionTable><input><inputExpression><text>n</text></inputExpression></input><output name="Size"/>
<rule id="few"><inputEntry><text>&lt; 10</text></inputEntry><outputEntry><text>1</text></outputEntry></rule>
<rule id="many"><inputEntry><text>&gt;= 10</text></inputEntry><outputEntry><text>100</text></outputEntry></rule></decisionTable></decision></definitions>"##;

const IMPORTER: &str = r##"<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id="importer" name="Importer" namespace="urn:importer">
<import name="lib" namespace="urn:library" importType="https://www.omg.org/spec/DMN/20191111/MODEL/"/>
<decision id="sum" name="Sum"><variable name="Sum"/><informationRequirement><requiredDecision href="urn:library#size"/></informationRequirement>
<knowledgeRequirement><requiredKnowledge href="urn:library#half"/></knowledgeRequirement>
<literalExpression><text>lib.half(lib.Size)</text></literalExpression></decision></definitions>"##;

#[tokio::test(flavor = "multi_thread")]
async fn evaluations_are_counted_by_decision() {
    let server = Server::start().await;
    deploy(&server).await;
    for celsius in [5, 20] {
        assert_eq!(server.call("POST", EVALUATE, Some(variables(celsius, "x"))).await.status, 200);
    }
    let rows = list(&server, "rootDecisionInstancesOnly=true").await;
    let text = |name: &str| rows[0][name].as_str().expect("a text");
    let (graph, root) = (text("decisionRequirementsDefinitionId"), text("id"));
    let statistics = async |query: &str| {
        let path = format!("/engine-rest/history/decision-requirements-definition/{graph}/statistics?{query}");
        let mut items = server.get(&path).await.json().as_array().expect("a list").clone();
        items.iter().for_each(|item| assert_members(item, "HistoricDecisionInstanceStatisticsDto"));
        items.sort_by_key(|item| item["decisionDefinitionKey"].to_string());
        items.iter().map(|item| item["evaluations"].as_i64()).collect::<Vec<_>>()
    };
    assert_eq!(statistics("").await, [Some(2), Some(2), Some(2)]);
    assert_eq!(statistics(&format!("decisionInstanceId={root}")).await, [Some(1), Some(1), Some(1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_is_found_in_the_same_deployment_only() {
    let server = Server::start().await;
    server.deploy("library.dmn", LIBRARY).await;
    let alone = server.deploy_as("demo", &[], &[("importer.dmn", IMPORTER.as_bytes())]).await;
    let (status, kind, words) = alone.error();
    assert_eq!((status, kind.as_str()), (400, "ParseException"));
    let wanted = "no other file of this deployment has the namespace \"urn:library\", which is imported: deploy the file with \
                  this namespace together with this one";
    assert!(words.contains(wanted) && words.contains("importer.dmn | line 2"), "{words}");
    let both = [("importer.dmn", IMPORTER.as_bytes()), ("library.dmn", LIBRARY.as_bytes())];
    assert_eq!(server.deploy_as("demo", &[], &both).await.status, 200);
    let body = json!({ "variables": { "n": { "value": 12 } } });
    let answer = server.call("POST", "/engine-rest/decision-definition/key/sum/evaluate", Some(body)).await;
    assert_eq!(answer.json(), json!([{ "Sum": { "type": "Integer", "value": 50, "valueInfo": {} } }]));
    let rows = list(&server, "includeOutputs=true&sortBy=evaluationTime&sortOrder=asc").await;
    let size = rows.iter().find(|row| row["decisionDefinitionKey"] == "size").expect("the imported one is kept too");
    assert_eq!((rows.len(), &size["outputs"][0]["ruleId"]), (2, &json!("many")));
    let version = size["decisionDefinitionId"].as_str().expect("an id");
    assert!(version.starts_with("size:2:"), "the version of the same deployment: {version}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_changed_file_imports_is_deployed_with_it() {
    let server = Server::start().await;
    for (text, deployed) in [("lib.Size)", 3), ("lib.Size + 2)", 2)] {
        let importer = IMPORTER.replace("lib.Size)", text);
        let files =
            [("importer.dmn", importer.as_bytes()), ("library.dmn", LIBRARY.as_bytes()), ("lone.dmn", LONE.as_bytes())];
        let answer = server.deploy_as("demo", &[("deploy-changed-only", "true")], &files).await;
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.bytes));
        let decisions = answer.json()["deployedDecisionDefinitions"].as_object().expect("decisions").clone();
        assert_eq!(decisions.len(), deployed, "{decisions:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deployed_decisions_and_their_graphs_are_listed_and_read() {
    let server = Server::start().await;
    let deployed = deploy(&server).await;
    assert_eq!(deployed["deployedDecisionDefinitions"].as_object().map_or(0, |map| map.len()), 4);
    let graphs = deployed["deployedDecisionRequirementsDefinitions"].as_object().expect("graphs");
    assert_eq!(
        graphs.values().map(|graph| graph["key"].clone()).collect::<Vec<_>>(),
        ["dish"],
        "a lone decision makes none"
    );
    let rest = |path: &str| format!("/engine-rest/{path}");
    let season = server.get(&rest("decision-definition/key/season")).await.json();
    assert_members(&season, "DecisionDefinitionDto");
    let id = season["id"].as_str().expect("an id");
    let graph = server.get(&rest("decision-requirements-definition/key/dish")).await.json();
    assert_members(&graph, "DecisionRequirementsDefinitionDto");
    assert_eq!(
        (&graph["name"], &graph["category"], &graph["version"]),
        (&json!("Dish"), &json!("urn:dish"), &json!(1))
    );
    let (graph_id, key) = (&season["decisionRequirementsDefinitionId"], &season["decisionRequirementsDefinitionKey"]);
    assert_eq!((graph_id, key), (&graph["id"], &json!("dish")));
    assert_eq!((&season["historyTimeToLive"], &season["versionTag"]), (&json!(14), &json!("v1")));
    assert_eq!(deployed["deployedDecisionDefinitions"][id], season);
    let lone = server.get(&rest("decision-definition/key/double")).await.json();
    assert_eq!(lone["decisionRequirementsDefinitionId"], Value::Null);
    for at in [
        format!("decision-definition/{id}"),
        "decision-definition/key/season".into(),
        format!("decision-requirements-definition/{}", graph["id"].as_str().expect("an id")),
    ] {
        let xml = server.get(&rest(&format!("{at}/xml"))).await.json();
        assert_eq!(xml["dmnXml"], DISH, "{at}");
        assert_eq!(xml.as_object().map(|map| map.len()), Some(2));
        let diagram = server.get(&rest(&format!("{at}/diagram"))).await;
        assert_eq!((diagram.status, diagram.bytes.len()), (StatusCode::NO_CONTENT, 0), "{at}");
    }
    for (path, kind) in [
        ("decision-definition/season:1:99", "InvalidRequestException"),
        ("decision-definition/season:1:99/diagram", "InvalidRequestException"),
        ("decision-definition/key/dinner", "RestException"),
        ("decision-definition/key/season/tenant-id/north/xml", "RestException"),
        ("decision-requirements-definition/key/lone", "RestException"),
        ("decision-requirements-definition/key/season/diagram", "RestException"),
    ] {
        let (status, found, _) = server.get(&rest(path)).await.error();
        assert_eq!((status, found.as_str()), (404, kind), "{path}");
    }
    let by_id =
        server.call("POST", &rest(&format!("decision-definition/{id}/evaluate")), Some(variables(5, "x"))).await;
    assert_eq!(by_id.json(), json!([{ "season": { "type": "String", "value": "winter", "valueInfo": {} } }]));
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_are_filtered_by_version_deployment_graph_and_tenant() {
    let server = Server::start().await;
    let deployment = deploy(&server).await["id"].as_str().expect("an id").to_owned();
    server.deploy("dish.dmn", DISH).await;
    let north = server.deploy_as("demo", &[("tenant-id", "north")], &[("dish.dmn", DISH.as_bytes())]).await;
    assert_eq!(north.status, 200);
    let cases = [
        ("decision-definition", "", 10),
        ("decision-definition", "key=season", 3),
        ("decision-definition", "key=season&latestVersion=true", 2),
        ("decision-definition", "version=2", 3),
        ("decision-definition", "keyLike=gu%25&nameLike=%25s", 3),
        ("decision-definition", "versionTag=v1", 3),
        ("decision-definition", "resourceName=lone.dmn", 1),
        ("decision-definition", "withoutDecisionRequirementsDefinition=true", 1),
        ("decision-definition", "decisionRequirementsDefinitionKey=dish", 9),
        ("decision-definition", "tenantIdIn=north", 3),
        ("decision-definition", "tenantIdIn=north&includeDecisionDefinitionsWithoutTenantId=true", 10),
        ("decision-definition", "withoutTenantId=true", 7),
        ("decision-definition", "deployedAfter=2020-01-01T00:00:00Z", 10),
        ("decision-definition", "deployedAt=2020-01-01T00:00:00Z", 0),
        ("decision-definition", "deploymentId=…", 4),
        ("decision-requirements-definition", "", 3),
        ("decision-requirements-definition", "latestVersion=true&withoutTenantId=true", 1),
        ("decision-requirements-definition", "deploymentId=…&name=Dish", 1),
        ("decision-requirements-definition", "tenantIdIn=north", 1),
    ];
    for (list, query, wanted) in cases {
        let query = query.replace('…', &deployment);
        let answer = server.get(&format!("/engine-rest/{list}?{query}")).await;
        assert_eq!(answer.json().as_array().map(Vec::len), Some(wanted), "{list}?{query}");
        let count = server.get(&format!("/engine-rest/{list}/count?{query}")).await.json();
        assert_eq!(count, json!({ "count": wanted }), "{list}?{query}");
    }
    let tenant = "/engine-rest/decision-definition/key/season/tenant-id/north";
    assert_eq!(server.get(tenant).await.json()["tenantId"], "north");
    let evaluated = server.call("POST", &format!("{tenant}/evaluate"), Some(variables(5, "x"))).await;
    assert_eq!(evaluated.status, 200);
    assert_eq!(list(&server, "tenantIdIn=north").await.len(), 1);
    server.account("sue", Some(&["south"]), false).await;
    let hidden = server.call_as("sue", "GET", HISTORY, None).await;
    assert_eq!(hidden.json(), json!([]), "another tenant's");
    assert_eq!(server.call_as("sue", "POST", &format!("{tenant}/evaluate"), Some(variables(5, "x"))).await.status, 404);
    let gone = server
        .call(
            "DELETE",
            &format!("/engine-rest/deployment/{}?cascade=true", north.json()["id"].as_str().expect("an id")),
            None,
        )
        .await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    assert_eq!(list(&server, "tenantIdIn=north").await.len(), 0, "it goes with the deployment of its decision");
}
