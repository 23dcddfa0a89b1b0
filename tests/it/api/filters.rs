//! Every filter that the description gives a list is heard: one that was passed over would show rows that nobody asked for.

use serde_json::{Value, json};

use super::description::{self, Parameter};
use super::lists;
use super::server::Server;
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
async fn every_filter_is_heard() {
    let server = Server::bare(|_| {}).await;
    lists::fill(&server).await;
    let mut deaf = Vec::new();
    let mut heard = 0;
    for list in lists::names() {
        let path = format!("/{list}/count");
        let all = server.get(&format!("/engine-rest{path}")).await.json()["count"].clone();
        assert_ne!(all, 0, "{list}: nothing to filter");
        for parameter in description::parameters("GET", &path) {
            let probe = text_probe(&parameter);
            let answer = server.get(&format!("/engine-rest{path}?{}={probe}", parameter.name)).await;
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
