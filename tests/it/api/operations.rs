//! The operations of the dialect: each is routed, or its answer says by name that it is not offered.

use std::fs;

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::server::Server;
use crate::support::need::{skip, specs};
use crate::support::say::say;

const NOT_OFFERED: &str = include_str!("../../../src/api/rest/not_offered.tsv");

#[tokio::test]
async fn every_operation_is_routed_or_says_that_it_is_not_offered() {
    let file = specs().join("endpoints.tsv");
    let Ok(table) = fs::read_to_string(&file) else {
        let reason = format!("{} is not here", file.display());
        return skip("every_operation_is_routed_or_says_that_it_is_not_offered", &reason);
    };
    let server = Server::start().await;
    let (mut listed, mut routed) = ([0; 4], [0; 4]);
    for line in table.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [_, method, path, _, tier] = columns[..] else { panic!("not five columns: {line}") };
        let tier: usize = tier.trim().parse().expect("a tier");
        listed[tier] += 1;
        routed[tier] += usize::from(is_routed(&server, method, path).await);
    }
    let counts: Vec<String> = (0..4).map(|tier| format!("T{tier} {} of {}", routed[tier], listed[tier])).collect();
    say(format!("REST operations that are routed: {}", counts.join(", ")));
    assert_eq!(routed[..2], listed[..2], "an operation of the first two tiers is not routed");
    let left: usize = listed.iter().sum::<usize>() - routed.iter().sum::<usize>();
    assert_eq!(NOT_OFFERED.lines().count(), left, "not_offered.tsv has a line that is no operation of the dialect");
}

async fn is_routed(server: &Server, method: &str, path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').map(|part| if part.starts_with('{') { "x" } else { part }).collect();
    let body = matches!(method, "POST" | "PUT").then(|| json!({}));
    let answer = server.call(method, &format!("/engine-rest{}", parts.join("/")), body).await;
    assert_ne!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path} is neither routed nor in the table");
    let body = serde_json::from_slice::<Value>(&answer.bytes).unwrap_or_default();
    if body["type"] != "NotFoundException" {
        return true;
    }
    let (status, _, message) = answer.error();
    assert!(
        status == 404 && message.starts_with(&format!("{method} {path} is not offered")),
        "{method} {path} is neither routed nor in the table: {message}"
    );
    false
}
