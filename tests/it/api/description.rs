//! What the OpenAPI description of Camunda 7.24 says of an answer: every answer that a test gets is held against it.
//!
//! Beyond the description, every property that it names must be there, null or not (D5), and dates have the one form of D7.

use std::collections::BTreeMap;
use std::fs;
use std::sync::OnceLock;

use serde_json::{Map, Value};

use super::server::Answer;
use crate::support::need::{skip, specs};

/// What the recordings of a real server leave out or null, though the description does not say so.
const OPTIONAL: &[(&str, &str)] = &[
    // Only when they are asked for.
    ("ProcessInstanceWithVariablesDto", "variables"),
    ("MessageCorrelationResultWithVariableDto", "variables"),
    ("TaskWithAttachmentAndCommentDto", "variables"),
    ("TaskWithAttachmentAndCommentDto", "comment"),
    ("TaskWithAttachmentAndCommentDto", "attachment"),
    ("TaskWithAttachmentAndCommentDto", "camundaFormRef"),
    ("TaskDto", "camundaFormRef"),
    ("FormDto", "camundaFormRef"),
    // Of form fields.
    ("HistoricDetailDto", "fieldId"),
    ("HistoricDetailDto", "fieldValue"),
];

struct Description {
    /// Templates with their operations, those with the fewest variables first.
    paths: Vec<(Vec<String>, Value)>,
    schemas: Map<String, Value>,
}

/// `None` where the description is not at hand, which is said once.
fn description() -> Option<&'static Description> {
    static READ: OnceLock<Option<Description>> = OnceLock::new();
    READ.get_or_init(|| {
        let file = specs().join("camunda-7.24-openapi.json");
        let Ok(text) = fs::read_to_string(&file) else {
            skip("answers against the OpenAPI description", &format!("{} is not here", file.display()));
            return None;
        };
        let mut whole: Value = serde_json::from_str(&text).expect("the description is JSON");
        let object = |value: Value| match value {
            Value::Object(members) => members,
            other => panic!("no object: {other}"),
        };
        let mut paths: Vec<(Vec<String>, Value)> = object(whole["paths"].take())
            .into_iter()
            .map(|(path, operations)| (path.split('/').map(str::to_owned).collect(), operations))
            .collect();
        paths.sort_by_key(|(parts, _)| parts.iter().filter(|part| part.starts_with('{')).count());
        Some(Description { paths, schemas: object(whole["components"]["schemas"].take()) })
    })
    .as_ref()
}

/// Panics if this answer of the dialect is none that the description allows.
pub(super) fn check(method: &str, path: &str, answer: &Answer) {
    let Some(path) = path.strip_prefix("/engine-rest") else { return };
    let path = path.strip_prefix("/engine/default").unwrap_or(path);
    let Some(description) = description() else { return };
    let Some(operation) = description.operation(method, path) else { return };
    let problems = description.problems(operation, answer);
    assert!(problems.is_empty(), "{method} {path}: {}: {}", answer.status, problems.join("; "));
}

/// A filter of a list: a query parameter, or a member of the body.
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) is_date: bool,
    /// An array whose items are objects.
    pub(super) of_objects: bool,
}

/// Those of one operation; none where the description is not at hand.
pub(super) fn parameters(method: &str, path: &str) -> Vec<Parameter> {
    let Some(description) = description() else { return Vec::new() };
    let Some(operation) = description.operation(method, path) else { return Vec::new() };
    let parameter = |name: &str, schema: &Value| {
        let (_, schema) = description.resolved(schema);
        let (_, items) = description.resolved(&schema["items"]);
        Parameter {
            name: name.to_owned(),
            kind: schema["type"].as_str().unwrap_or("object").to_owned(),
            is_date: schema["format"] == "date-time",
            of_objects: items.get("properties").is_some(),
        }
    };
    if let Some(body) = operation.pointer("/requestBody/content/application~1json/schema") {
        let mut properties = BTreeMap::new();
        description.properties(body, &mut properties);
        return properties.into_iter().map(|(name, schema)| parameter(name, schema)).collect();
    }
    let of_query = operation["parameters"].as_array().into_iter().flatten().filter(|one| one["in"] == "query");
    of_query.map(|one| parameter(one["name"].as_str().expect("a name"), &one["schema"])).collect()
}

impl Description {
    fn operation(&self, method: &str, path: &str) -> Option<&Value> {
        let parts: Vec<&str> = path.split('/').collect();
        let fits = |template: &[String]| {
            template.len() == parts.len()
                && template.iter().zip(&parts).all(|(of, part)| of.starts_with('{') || of == part)
        };
        let method = method.to_ascii_lowercase();
        self.paths.iter().filter(|(template, _)| fits(template)).find_map(|(_, operations)| operations.get(&method))
    }

    fn problems(&self, operation: &Value, answer: &Answer) -> Vec<String> {
        if answer.status.as_u16() >= 400 {
            // Which errors there are is the recordings' matter; every one has this body (D3).
            answer.error();
            return Vec::new();
        }
        // Text that is null leaves as no content.
        let is_text = operation.pointer("/responses/200/content/text~1plain").is_some();
        if answer.status == 204 && is_text {
            return Vec::new();
        }
        let Some(response) = operation["responses"].get(answer.status.as_str()) else {
            return vec!["this status is not described".to_owned()];
        };
        let Some(schema) = response.pointer("/content/application~1json/schema") else {
            return Vec::new();
        };
        if answer.kind() != Some("application/json") {
            let other = response["content"].as_object().is_some_and(|content| content.len() > 1);
            return if other { Vec::new() } else { vec![format!("JSON is described, not {:?}", answer.kind())] };
        }
        let mut problems = Vec::new();
        self.value(schema, &answer.json(), "", &mut problems);
        problems
    }

    fn value(&self, schema: &Value, value: &Value, at: &str, problems: &mut Vec<String>) {
        let (name, schema) = self.resolved(schema);
        if schema["format"] == "binary" {
            return;
        }
        if value.is_null() {
            if schema["nullable"] != true && schema.get("type").is_some() {
                problems.push(format!("{at} is null"));
            }
            return;
        }
        if let Some(allowed) = schema["enum"].as_array()
            && !allowed.contains(value)
        {
            problems.push(format!("{at} is {value}, which is none of {allowed:?}"));
        }
        let is_object = schema.get("properties").is_some() || schema.get("allOf").is_some();
        let fits = match schema["type"].as_str() {
            None if is_object => value.is_object(),
            None => true,
            Some("object") => value.is_object() || !is_object && schema.get("additionalProperties").is_none(),
            Some("array") => value.is_array(),
            Some("string") => value.is_string(),
            Some("boolean") => value.is_boolean(),
            Some("integer") => value.is_i64(),
            Some("number") => value.is_number(),
            Some(other) => panic!("the description has a type {other}"),
        };
        if !fits {
            return problems.push(format!("{at} is {value}, not of type {}", schema["type"]));
        }
        match value {
            Value::Object(members) if is_object => self.members(name, schema, members, at, problems),
            Value::Object(members) => {
                if let Some(each) = schema.get("additionalProperties").filter(|each| each.is_object()) {
                    for (key, member) in members {
                        self.value(each, member, &format!("{at}/{key}"), problems);
                    }
                }
            }
            Value::Array(items) => {
                for (number, item) in items.iter().enumerate() {
                    self.value(&schema["items"], item, &format!("{at}/{number}"), problems);
                }
            }
            Value::String(text) if schema["format"] == "date-time" && !is_date(text) => {
                problems.push(format!("{at} is {text:?}, no date of D7"));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn members(&self, name: &str, schema: &Value, members: &Map<String, Value>, at: &str, problems: &mut Vec<String>) {
        let mut properties = BTreeMap::new();
        self.properties(schema, &mut properties);
        for (property, schema) in properties {
            let is_optional = OPTIONAL.contains(&(name, property));
            match members.get(property) {
                None | Some(Value::Null) if is_optional => {}
                Some(member) => self.value(schema, member, &format!("{at}/{property}"), problems),
                None => problems.push(format!("{at} ({name}) has no {property}")),
            }
        }
    }

    /// Of all parts of a schema.
    fn properties<'a>(&'a self, schema: &'a Value, found: &mut BTreeMap<&'a str, &'a Value>) {
        let (_, schema) = self.resolved(schema);
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.properties(part, found);
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            found.insert(name, property);
        }
    }

    fn resolved<'a>(&'a self, schema: &'a Value) -> (&'a str, &'a Value) {
        match schema["$ref"].as_str() {
            Some(reference) => {
                let name = reference.rsplit('/').next().expect("a reference has a name");
                (name, self.schemas.get(name).unwrap_or_else(|| panic!("no schema {name}")))
            }
            None => ("", schema),
        }
    }
}

/// `2026-11-22T08:00:00.000+0000`
fn is_date(text: &str) -> bool {
    let form = b"0000-00-00T00:00:00.000+0000";
    let fits = |(letter, of): (u8, &u8)| if *of == b'0' { letter.is_ascii_digit() } else { letter == *of };
    text.len() == form.len() && text.ends_with("+0000") && text.bytes().zip(form).all(fits)
}

#[test]
fn an_answer_that_does_not_fit_is_noticed() {
    let Some(description) = description() else { return };
    let operation = description.operation("GET", "/process-instance/count").expect("it is described");
    let answer = |status: u16, body: &str| Answer {
        status: axum::http::StatusCode::from_u16(status).expect("a status"),
        headers: [(axum::http::header::CONTENT_TYPE, "application/json".parse().expect("a value"))]
            .into_iter()
            .collect(),
        bytes: body.as_bytes().to_vec(),
    };
    assert!(description.problems(operation, &answer(200, r#"{"count": 1}"#)).is_empty());
    for wrong in [r#"{"count": "1"}"#, "{}", "[]"] {
        assert_eq!(description.problems(operation, &answer(200, wrong)).len(), 1, "{wrong}");
    }
    assert_eq!(description.problems(operation, &answer(204, "")).len(), 1);
    let operation = description.operation("GET", "/task/7").expect("it is described");
    let problems = description.problems(operation, &answer(200, r#"{"created": "2026-11-22T08:00:00Z"}"#));
    assert!(problems.iter().any(|problem| problem.contains("D7")), "{problems:?}");
    assert!(problems.iter().any(|problem| problem.contains("has no assignee")), "{problems:?}");
}
