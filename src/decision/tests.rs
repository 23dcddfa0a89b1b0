//! Decisions of files: both styles of tables, every hit policy, requirements, types, and what is refused.

use super::*;
use serde_json::json;

const NOW: Timestamp = Timestamp(1_795_341_600_000); // 2026-11-22T10:00:00Z

/// A table in rows of text: `inputs -> outputs`, first the headings.
fn table(policy: &str, rows: &[&str]) -> String {
    let cells = |text: &str| text.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;");
    let split = |row: &str| {
        let (inputs, outputs) = row.split_once("->").unwrap();
        (cells(inputs), cells(outputs))
    };
    let (inputs, outputs) = split(rows[0]);
    let mut xml = format!("<decisionTable id=\"t\" {policy}>");
    for input in inputs {
        xml.push_str(&format!("<input><inputExpression><text>{}</text></inputExpression></input>", escaped(&input)));
    }
    for output in outputs {
        xml.push_str(&match output.split_once(" of ") {
            Some((name, values)) => {
                format!("<output name=\"{name}\"><outputValues><text>{values}</text></outputValues></output>")
            }
            None => format!("<output name=\"{output}\"/>"),
        });
    }
    for row in &rows[1..] {
        let (inputs, outputs) = split(row);
        let entry = |name: &str, text: &str| format!("<{name}><text>{}</text></{name}>", escaped(text));
        let inputs: String = inputs.iter().map(|text| entry("inputEntry", text)).collect();
        let outputs: String = outputs.iter().map(|text| entry("outputEntry", text)).collect();
        xml.push_str(&format!("<rule>{inputs}{outputs}</rule>"));
    }
    xml.push_str("</decisionTable>");
    xml
}

/// As modelers write single tables: nothing but the table.
fn bare(logic: &str) -> String {
    file(&format!("<decision id=\"d\" name=\"Decision\">{logic}</decision>"))
}

/// As the standard has it: inputs `amount` and `status` declared, connected and typed.
fn declared(logic: &str) -> String {
    file(&format!(
        r##"<inputData id="i1" name="amount"><variable name="amount" typeRef="number"/></inputData>
        <inputData id="i2" name="status"><variable name="status" typeRef="string"/></inputData>
        <decision id="d" name="Decision"><variable name="Decision"/>
        <informationRequirement id="r1"><requiredInput href="#i1"/></informationRequirement>
        <informationRequirement id="r2"><requiredInput href="#i2"/></informationRequirement>
        {logic}</decision>"##
    ))
}

fn file(content: &str) -> String {
    file_of("https://www.omg.org/spec/DMN/20191111/MODEL/", content)
}

fn file_of(namespace: &str, content: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="{namespace}" xmlns:camunda="http://camunda.org/schema/1.0/dmn" id="defs" name="file" namespace="urn:m">{content}</definitions>"#
    )
}

fn parse(xml: &str) -> DecisionModel {
    DecisionModel::parse(xml.as_bytes()).unwrap_or_else(|found| panic!("{found:#?}\n{xml}"))
}

fn refused(xml: &str) -> String {
    let found = DecisionModel::parse(xml.as_bytes()).expect_err(xml);
    found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn variables(object: Value) -> BTreeMap<String, Value> {
    object.as_object().unwrap().clone().into_iter().collect()
}

fn decide(xml: &str, around: Value) -> Result<Vec<Value>, DecisionError> {
    let result = parse(xml).evaluate("d", &variables(around), NOW)?;
    Ok(result.rows.into_iter().map(|row| json!(row)).collect())
}

const RISK: [&str; 4] = [
    "amount | status -> level | approve",
    "> 100 | \"ok\",\"warn\" -> \"high\" | false",
    "> 50 | - -> \"middle\" | true",
    " | -> \"low\" | true",
];

#[test]
fn both_styles_of_tables_with_each_hit_policy() {
    let high = json!({"level": "high", "approve": false});
    let middle = json!({"level": "middle", "approve": true});
    let low = json!({"level": "low", "approve": true});
    let cases = [
        ("hitPolicy=\"FIRST\"", vec![high.clone()]),
        ("hitPolicy=\"RULE ORDER\"", vec![high.clone(), middle.clone(), low.clone()]),
        ("hitPolicy=\"COLLECT\"", vec![high.clone(), middle.clone(), low.clone()]),
    ];
    for style in [bare as fn(&str) -> String, declared] {
        for (policy, wanted) in &cases {
            let xml = style(&table(policy, &RISK));
            assert_eq!(decide(&xml, json!({"amount": 150.5, "status": "warn"})).as_ref(), Ok(wanted), "{policy}");
        }
        let unique = style(&table("", &["amount | status -> r", "> 100 | - -> \"a\"", "<= 100 | - -> \"b\""]));
        assert_eq!(decide(&unique, json!({"amount": 100, "status": null})), Ok(vec![json!({"r": "b"})]));
        let unique = style(&table("hitPolicy=\"UNIQUE\"", &RISK));
        let error = decide(&unique, json!({"amount": 60, "status": ""})).unwrap_err();
        assert!(error.to_string().contains("the rules 2, 3 match at once"), "{error}");
        let any = style(&table(
            "hitPolicy=\"ANY\"",
            &["amount | status -> r", "> 1 | - -> 7", "> 2 | - -> 7", "> 3 | - -> 8"],
        ));
        assert_eq!(decide(&any, json!({"amount": 3, "status": ""})), Ok(vec![json!({"r": 7})]));
        assert!(
            decide(&any, json!({"amount": 4, "status": ""}))
                .unwrap_err()
                .to_string()
                .contains("rules 1, 2, 3 match with different")
        );
        let none = style(&table("", &["amount | status -> r", "> 1 | \"x\" -> 7"]));
        assert_eq!(decide(&none, json!({"amount": 4, "status": ""})), Ok(vec![]));
    }
}

#[test]
fn aggregations_and_priorities() {
    let rows = ["amount -> n", "> 1 -> 3", "> 2 -> 5.5", "> 3 -> 1"];
    for (aggregation, wanted) in [("SUM", json!(9.5)), ("MIN", json!(1)), ("MAX", json!(5.5)), ("COUNT", json!(3))] {
        let xml = bare(&table(&format!("hitPolicy=\"COLLECT\" aggregation=\"{aggregation}\""), &rows));
        assert_eq!(decide(&xml, json!({"amount": 9})), Ok(vec![json!({"n": wanted})]), "{aggregation}");
        assert_eq!(decide(&xml, json!({"amount": 0})), Ok(vec![]));
    }
    let rows = ["amount -> n of \"high\",\"middle\",\"low\"", "> 1 -> \"low\"", "> 2 -> \"high\"", "> 3 -> \"middle\""];
    let priority = bare(&table("hitPolicy=\"PRIORITY\"", &rows));
    assert_eq!(decide(&priority, json!({"amount": 9})), Ok(vec![json!({"n": "high"})]));
    let order = bare(&table("hitPolicy=\"OUTPUT ORDER\"", &rows));
    assert_eq!(
        decide(&order, json!({"amount": 9})),
        Ok(vec![json!({"n": "high"}), json!({"n": "middle"}), json!({"n": "low"})])
    );
}

#[test]
fn the_matched_rules_are_told() {
    let model = parse(&bare(&table("hitPolicy=\"RULE ORDER\"", &RISK)));
    let result = model.evaluate("d", &variables(json!({"amount": 60, "status": "x"})), NOW).unwrap();
    assert_eq!(result.rules, [2, 3]);
}

#[test]
fn cells_of_all_kinds() {
    let cases = [
        ("[10..20]", json!(10), true),
        ("]10..20]", json!(10), false),
        ("not(1, 2)", json!(3), true),
        ("not(1, 2)", json!(2), false),
        ("1, 2, > 100", json!(101), true),
        ("? > 5 and ? < 7", json!(6), true),
        ("? > 5 and ? < 7", json!(7), false),
        ("contains(?, \"b\")", json!("abc"), true),
        ("= 3", json!(3), true),
        ("other + 1", json!(8), true),
        ("null", json!(null), true),
        ("true", json!(true), true),
        ("true", json!(false), false),
        ("\"a?\"", json!("a?"), true),
        ("> date(\"2026-11-21\")", json!("2026-11-22"), false),
    ];
    for (cell, value, holds) in cases {
        let xml = bare(&table("", &["x -> r", &format!("{cell} -> 1")]));
        let rows = decide(&xml, json!({"x": value, "other": 7})).unwrap();
        assert_eq!(rows.len(), usize::from(holds), "{cell} with {value}");
    }
}

#[test]
fn inputs_have_expressions_and_types() {
    let xml = bare(
        &table("", &["= list[1] + order.total -> r | m", "> 3 -> order.total * 2 | \"n\" + order.name", "- -> 0 |"])
            .replace("\"t\"", "\"t\" hitPolicy=\"FIRST\""),
    );
    let around = json!({"list": [1], "order": {"total": 4, "name": "a"}});
    assert_eq!(decide(&xml, around), Ok(vec![json!({"r": 8, "m": "na"})]));
    let around = json!({"list": [1], "order": {"total": 1, "name": "a"}});
    assert_eq!(decide(&xml, around), Ok(vec![json!({"r": 0, "m": null})]));
    let dated = bare(
        &table("", &["due -> r", "> date(\"2026-11-21\") -> 1"])
            .replace("<inputExpression>", "<inputExpression typeRef=\"date\">"),
    );
    assert_eq!(decide(&dated, json!({"due": "2026-11-22"})), Ok(vec![json!({"r": 1})]));
    assert_eq!(decide(&dated, json!({"due": "2026-11-20"})), Ok(vec![]));
    let timed = dated.replace("typeRef=\"date\"", "typeRef=\"dateTime\"").replace("date(\"2026-11-21\")", "now()");
    assert_eq!(decide(&timed, json!({"due": "2026-11-22T11:00:00.000+0000"})), Ok(vec![json!({"r": 1})]));
}

#[test]
fn a_missing_variable_is_an_error_and_a_declared_one_null() {
    let rows = ["amount | status -> r", "- | - -> 1"];
    let error = decide(&bare(&table("", &rows)), json!({"status": "x"})).unwrap_err();
    assert_eq!(error.cause(), &DecisionError::MissingVariable("amount".into()));
    assert!(error.to_string().starts_with("decision \"Decision\": the decision needs the variable \"amount\""));
    assert_eq!(decide(&declared(&table("", &rows)), json!({"status": "x"})), Ok(vec![json!({"r": 1})]));
}

#[test]
fn what_the_file_does_not_mention_does_not_matter() {
    let xml = bare(&table("", &["amount -> r", "> 1 -> 1"]));
    assert_eq!(decide(&xml, json!({"amount": 2, "servers": vec![0; 5000]})), Ok(vec![json!({"r": 1})]));
    assert!(matches!(decide(&xml, json!({"amount": vec![0; 5000]})), Err(DecisionError::Limit(_))));
}

#[test]
fn literal_expressions() {
    let literal =
        "<variable name=\"sum\" typeRef=\"number\"/><literalExpression><text>amount * 2</text></literalExpression>";
    assert_eq!(decide(&bare(literal), json!({"amount": 4})), Ok(vec![json!({"sum": 8})]));
    let error = decide(&bare(&literal.replace("amount * 2", "\"x\"")), json!({})).unwrap_err();
    assert!(error.to_string().contains("not of its declared type number"), "{error}");
}

#[test]
fn decisions_require_others() {
    let xml = file(&format!(
        r##"<inputData id="i" name="Type of day"/>
        <decision id="season" name="Season"><variable name="Season of year" typeRef="string"/>{}</decision>
        <decision id="guests" name="Guests">{}</decision>
        <decision id="d" name="Dish"><informationRequirement><requiredDecision href="#season"/></informationRequirement>
        <informationRequirement><requiredDecision href="#guests"/></informationRequirement>
        <informationRequirement><requiredInput href="#i"/></informationRequirement>{}</decision>"##,
        table("", &["temperature -> season", "> 20 -> \"summer\"", "<= 20 -> \"winter\""]),
        table("", &["dayType -> count", "\"weekend\" -> 10", "not(\"weekend\") -> 4"]),
        table(
            "",
            &[
                "season | count | Season of year -> dish",
                "\"summer\" | > 8 | \"summer\" -> \"roast\"",
                "- | <= 8 | - -> \"stew\""
            ]
        ),
    ));
    assert_eq!(decide(&xml, json!({"temperature": 25, "dayType": "weekend"})), Ok(vec![json!({"dish": "roast"})]));
    assert_eq!(decide(&xml, json!({"temperature": 25, "dayType": "monday"})), Ok(vec![json!({"dish": "stew"})]));
    let model = parse(&xml);
    assert_eq!(model.decisions().iter().map(|info| info.id.as_str()).collect::<Vec<_>>(), ["season", "guests", "d"]);
    assert_eq!(model.evaluate("zzz", &BTreeMap::new(), NOW), Err(DecisionError::Unknown("zzz".into())));
}

#[test]
fn all_versions_and_the_modelers_extensions() {
    let namespaces = [
        "http://www.omg.org/spec/DMN/20151101/dmn.xsd",
        "http://www.omg.org/spec/DMN/20180521/MODEL/",
        "https://www.omg.org/spec/DMN/20211108/MODEL/",
        "https://www.omg.org/spec/DMN/20230324/MODEL/",
    ];
    for namespace in namespaces {
        let content = format!(
            r#"<decision id="d" name="D" camunda:versionTag="v2" camunda:historyTimeToLive="180"><extensionElements>
            <camunda:properties/></extensionElements><variable name="D" typeRef="feel:string"/>{}</decision>"#,
            table("hitPolicy=\"FIRST\"", &RISK)
                .replace("<input>", "<input id=\"in\" label=\"L\" camunda:inputVariable=\"v\">")
        );
        let model = parse(&file_of(namespace, &content.replace("feel:string", "Any")));
        assert_eq!(model.decisions()[0].version_tag.as_deref(), Some("v2"));
        let result = model.evaluate("d", &variables(json!({"amount": 1, "status": "x"})), NOW).unwrap();
        assert_eq!(result.rows[0]["level"], json!("low"), "{namespace}");
    }
}

#[test]
fn whole_models_of_the_standard() {
    let xml = file(
        r##"<itemDefinition name="tOrder"><itemComponent name="total"><typeRef>number</typeRef></itemComponent></itemDefinition>
        <inputData id="i" name="Order"><variable name="Order" typeRef="tOrder"/></inputData>
        <businessKnowledgeModel id="b" name="twice"><variable name="twice"/><encapsulatedLogic>
        <formalParameter name="n" typeRef="number"/><literalExpression><text>n * 2</text></literalExpression></encapsulatedLogic></businessKnowledgeModel>
        <decision id="d" name="Decision"><variable name="Decision"/>
        <informationRequirement><requiredInput href="#i"/></informationRequirement>
        <knowledgeRequirement><requiredKnowledge href="#b"/></knowledgeRequirement>
        <context><contextEntry><variable name="doubled"/><literalExpression><text>twice(Order.total)</text></literalExpression></contextEntry>
        <contextEntry><variable name="note"/><literalExpression><text>"x"</text></literalExpression></contextEntry></context></decision>"##,
    );
    assert_eq!(parse(&xml).decisions()[0].kind, DecisionKind::Boxed);
    assert_eq!(
        decide(&xml, json!({"Order": {"total": 4}})),
        Ok(vec![json!({"Decision": {"doubled": 8, "note": "x"}})])
    );
}

#[test]
fn another_file_gives_its_business_knowledge() {
    let other = |body: &str| {
        file(&format!(
            r##"<businessKnowledgeModel id="b" name="twice"><variable name="twice"/><encapsulatedLogic><formalParameter name="n"/>
            <literalExpression><text>{body}</text></literalExpression></encapsulatedLogic></businessKnowledgeModel>"##
        ))
        .replace("urn:m", "urn:other")
    };
    let main = file(
        r##"<import name="o" namespace="urn:other" importType="https://www.omg.org/spec/DMN/20191111/MODEL/"/>
        <decision id="d" name="Decision"><variable name="Decision"/>
        <knowledgeRequirement><requiredKnowledge href="urn:other#b"/></knowledgeRequirement>
        <literalExpression><text>o.twice(4)</text></literalExpression></decision>"##,
    );
    let with = |main: &str, body: &str| DecisionModel::parse_with(main.as_bytes(), &[other(body).as_bytes()]);
    let result = with(&main, "abs(n) * 2").unwrap().evaluate("d", &BTreeMap::new(), NOW);
    assert_eq!(result.unwrap().value, json!(8));
    assert!(refused(&main).contains("no other file of this deployment has the namespace \"urn:other\""));
    assert!(with(&main, "n(n)").is_err());
    assert!(with(&main.replace("o.twice(4)", "{abs: 1, r: o.twice(4)}"), "abs(n) * 2").is_err());
}

#[test]
fn texts_are_dates_where_an_own_type_says_so() {
    let xml = file(
        r##"<itemDefinition name="tDays" isCollection="true"><typeRef>date</typeRef></itemDefinition>
        <itemDefinition name="tOrder"><itemComponent name="due date"><typeRef>date</typeRef></itemComponent>
        <itemComponent name="days"><typeRef>tDays</typeRef></itemComponent>
        <itemComponent name="parts" isCollection="true"><itemComponent name="at"><typeRef>feel:dateTime</typeRef></itemComponent></itemComponent></itemDefinition>
        <inputData id="i" name="Order"><variable name="Order" typeRef="tOrder"/></inputData>
        <decision id="d" name="Decision"><variable name="Decision"/>
        <informationRequirement><requiredInput href="#i"/></informationRequirement>
        <list><literalExpression><text>Order.due date + duration("P1D")</text></literalExpression>
        <literalExpression><text>Order.days[2].day</text></literalExpression>
        <literalExpression><text>Order.parts[1].at.hour</text></literalExpression></list></decision>"##,
    );
    let order = json!({"due date": "2026-11-22", "days": ["2026-11-22", "2026-11-23"], "parts": [{"at": "2026-11-22T10:00:00Z"}]});
    assert_eq!(decide(&xml, json!({ "Order": order })), Ok(vec![json!({"Decision": ["2026-11-23", 23, 10]})]));
}

#[test]
fn variables_of_a_type_are_read_by_it() {
    let model = parse(&bare(
        "<variable name=\"r\"/><literalExpression><text>[at.hour, day of week(at)]</text></literalExpression>",
    ));
    let types = BTreeMap::from([("at".to_owned(), "Date".to_owned())]);
    let around = variables(json!({"at": "2026-11-22T11:00:00.000+0000"}));
    assert_eq!(model.evaluate_typed("d", &around, &types, NOW).unwrap().value, json!([11, "Sunday"]));
}

#[test]
fn services_are_asked_as_decisions_are() {
    let xml = file(
        r##"<inputData id="i" name="n"><variable name="n" typeRef="number"/></inputData>
        <decision id="a" name="a"><variable name="a"/><informationRequirement><requiredInput href="#i"/></informationRequirement>
        <literalExpression><text>n + 1</text></literalExpression></decision>
        <decision id="b" name="b"><variable name="b"/><informationRequirement><requiredDecision href="#a"/></informationRequirement>
        <literalExpression><text>a * 2</text></literalExpression></decision>
        <decisionService id="s" name="both"><variable name="both"/><outputDecision href="#a"/><outputDecision href="#b"/><inputData href="#i"/></decisionService>"##,
    );
    let model = parse(&xml);
    assert_eq!(model.services().iter().map(|service| service.name.as_str()).collect::<Vec<_>>(), ["both"]);
    assert_eq!(model.decisions().len(), 2, "a service is no decision to deploy");
    let result = model.evaluate("s", &variables(json!({"n": 4})), NOW).unwrap();
    assert_eq!(result.value, json!({"a": 5, "b": 10}));
    for (declared, instead) in [("n + 1", "now()"), ("n + 1", "n + function(x) own(x)")] {
        let found = DecisionModel::parse(xml.replace(declared, instead).as_bytes());
        assert!(found.is_err() || found.unwrap().services().is_empty(), "{instead}");
    }
    let undeclared = table("", &["m -> r", "> 1 -> 1"]);
    let undeclared = xml.replace("<literalExpression><text>a * 2</text></literalExpression>", &undeclared);
    assert!(parse(&undeclared).services().is_empty(), "its table would be asked about nothing");
    assert_eq!(parse(&undeclared).evaluate("b", &variables(json!({"m": 2, "n": 1})), NOW).unwrap().value, json!(1));
}

#[test]
fn a_table_in_a_whole_model_needs_declared_inputs() {
    let knowledge = |content: &str| {
        file(&format!(
            r##"<businessKnowledgeModel id="b" name="twice"><variable name="twice"/><encapsulatedLogic><formalParameter name="n"/>
            <literalExpression><text>n * 2</text></literalExpression></encapsulatedLogic></businessKnowledgeModel>
            <inputData id="i" name="amount"/><decision id="d" name="Decision"><variable name="Decision"/>{content}
            <knowledgeRequirement><requiredKnowledge href="#b"/></knowledgeRequirement>{}</decision>"##,
            table("hitPolicy=\"FIRST\"", &["amount -> r | s", "> 100 -> twice(3) | 1", "- -> 0 | 1"])
        ))
    };
    let drawn = knowledge(r##"<informationRequirement><requiredInput href="#i"/></informationRequirement>"##);
    assert_eq!(decide(&drawn, json!({"amount": 101})), Ok(vec![json!({"r": 6, "s": 1})]));
    assert!(refused(&knowledge("")).contains("\"amount\" is not declared: draw it as input data"));
}

#[test]
fn what_cannot_be_evaluated_is_refused_with_its_place() {
    let ok = table("", &["amount -> r", "> 100 -> 1"]);
    let cases = [
        (bare(&ok.replace("> 100", "> (1")), "is no FEEL"),
        (bare(&ok.replace("<text>1</text>", "<text>1 +</text>")), "is no FEEL"),
        (bare(&ok.replace("id=\"t\"", "hitPolicy=\"BEST\"")), "hitPolicy is one of"),
        (bare(&ok.replace("<text>amount</text>", "<text/>")), "an input needs an expression"),
        (bare(&ok.replace("<rule>", "<rule><inputEntry><text>1</text></inputEntry>")), "here are 2 and 1"),
        (
            bare(&ok.replace("<inputExpression>", "<inputExpression expressionLanguage=\"groovy\">")),
            "groovy does not run here",
        ),
        (file(""), "the file has no decision"),
        ("<a/>".into(), "this is no DMN file"),
        (file_of("urn:other", ""), "this is no DMN file"),
        ("<definitions>".into(), ""),
        (
            bare(&format!("<informationRequirement><requiredDecision href=\"#d\"/></informationRequirement>{ok}")),
            "requires itself",
        ),
        (
            bare(&format!("<informationRequirement><requiredDecision href=\"#zzz\"/></informationRequirement>{ok}")),
            "requires zzz, which is not in this file",
        ),
        (
            file(&format!(
                "<import namespace=\"urn:x\" name=\"x\" importType=\"dmn\"/><decision id=\"d\" name=\"D\">{ok}</decision>"
            )),
            "no other file of this deployment has the namespace \"urn:x\", which is imported: deploy the file",
        ),
        (
            file(&format!(
                "<businessKnowledgeModel id=\"b\" name=\"b\"><encapsulatedLogic kind=\"Java\"/></businessKnowledgeModel><decision id=\"d\" name=\"D\">{ok}</decision>"
            )),
            "functions in Java do not run here",
        ),
        (
            bare(
                "<context><contextEntry><variable name=\"f\"/><functionDefinition><literalExpression><text>f()</text></literalExpression></functionDefinition></contextEntry></context>",
            ),
            "a boxed function may call built-in functions only",
        ),
        (
            bare("<literalExpression><text>{f: function(n) f(n+1), r: f(1)}.r</text></literalExpression>"),
            "an own function may call built-in functions only",
        ),
        (
            bare(&format!(
                "<literalExpression><text>{}1{}</text></literalExpression>",
                "(".repeat(1000),
                ")".repeat(1000)
            )),
            "nests deeper than 64",
        ),
        (bare(&format!("{ok}</decision><decision id=\"d\" name=\"E\">{ok}")), "the id d is used twice"),
    ];
    for (xml, wanted) in cases {
        let found = refused(&xml);
        assert!(found.contains(wanted), "{found}\n{xml}");
    }
    let all = refused(&bare(&table("", &["1 + -> r", "> [ -> 1 +", "- -> (("])));
    assert_eq!(all.lines().count(), 4, "all findings come at once: {all}");
}

#[test]
fn a_decision_without_logic_is_a_sketch() {
    let error = decide(&bare("<question>?</question>"), json!({})).unwrap_err();
    assert!(error.to_string().contains("no decision logic"), "{error}");
}

#[test]
fn results_are_mapped_as_the_task_says() {
    let rows = |rows: Value| DecisionResult {
        rows: rows.as_array().unwrap().iter().map(|row| variables(row.clone())).collect(),
        ..DecisionResult::default()
    };
    let named = |name| MapDecisionResult::named(Some(name)).unwrap();
    let map = |result: &DecisionResult, how| map_result(result, named(how)).map_err(|error| error.to_string());
    let none = rows(json!([]));
    let single = rows(json!([{"a": 1}]));
    let wide = rows(json!([{"a": 1, "b": 2}]));
    let many = rows(json!([{"a": 1}, {"a": 2}]));
    assert_eq!(map(&none, "singleEntry"), Ok(json!(null)));
    assert_eq!(map(&none, "singleResult"), Ok(json!(null)));
    assert_eq!(map(&none, "collectEntries"), Ok(json!([])));
    assert_eq!(map(&none, "resultList"), Ok(json!([])));
    assert_eq!(map(&single, "singleEntry"), Ok(json!(1)));
    assert_eq!(map(&wide, "singleResult"), Ok(json!({"a": 1, "b": 2})));
    assert_eq!(map(&many, "collectEntries"), Ok(json!([1, 2])));
    assert_eq!(map(&many, "resultList"), Ok(json!([{"a": 1}, {"a": 2}])));
    assert!(map(&wide, "singleEntry").unwrap_err().contains("gives 2 outputs"));
    assert!(map(&many, "singleResult").unwrap_err().contains("gives 2 rows"));
    assert!(map(&wide, "collectEntries").is_err());
    assert_eq!(MapDecisionResult::named(None), Some(MapDecisionResult::ResultList));
    assert_eq!(MapDecisionResult::named(Some("first")), None);
}
