//! What a Camunda 7.24 answered to 24 stories, asked of us: `replay.py` of the third-party suites is the referee.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

use super::server::Server;
use crate::support::need::{program, skip, suites};
use crate::support::say::say;

/// A failing expression is an incident at its element, not a failed job: D20 also after `asyncBefore`.
const FAULT: &str = "failedExpression";
/// A timer fires without attempts that could be counted.
const TIMER: &str = "retries of a timer";
/// A job stands or runs with its instance.
const SUSPENDED: &str = "one job suspended";

/// Steps that differ: by story and number, and why.
const DIFFER: &[(&str, u64, &str)] = &[
    ("incident", 3, FAULT),
    ("incident", 5, FAULT),
    ("incident", 6, FAULT),
    ("incident", 7, FAULT),
    ("incident", 9, FAULT),
    ("incident", 10, FAULT),
    ("incident", 13, FAULT),
    ("incident", 14, FAULT),
    ("incident", 15, FAULT),
    ("incident", 16, FAULT),
    ("incident", 17, FAULT),
    ("job", 9, TIMER),
    ("job", 11, TIMER),
    ("job", 10, SUSPENDED),
    ("job", 13, SUSPENDED),
];

#[tokio::test(flavor = "multi_thread")]
async fn recorded_exchanges_are_answered_alike() {
    let test = "recorded_exchanges_are_answered_alike";
    let suite = suites().join("rest");
    if !suite.join("golden").is_dir() {
        return skip(test, &format!("the recorded exchanges are not at {}", suite.display()));
    }
    let Some(python) = program("python3", &[]) else {
        return skip(test, "Python 3 is not installed");
    };
    let server = Server::start().await;
    let url = format!("{}/engine-rest", server.serve().await);
    let report = tempfile::NamedTempFile::new().expect("a file");
    let golden = impatient(&suite.join("golden"));
    let mut replay = Command::new(python);
    replay.arg(suite.join("replay.py")).args(["--url", &url, "--user", "demo:demo", "--json"]);
    replay
        .arg(report.path())
        .arg("--models")
        .arg(suite.join("models"))
        .arg(golden.path())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = replay.output().await.expect("it runs");
    let words = String::from_utf8_lossy(&output.stdout);
    let read = std::fs::read(report.path()).expect("a report");
    let report: Value = serde_json::from_slice(&read).unwrap_or_else(|_| panic!("no report: {words}"));
    say(format!(
        "recorded exchanges of Camunda 7.24: {} steps alike, {} differ ({} of them known)",
        report["passed"],
        report["failed"],
        DIFFER.len()
    ));
    let wrong = unexpected(&report);
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// The same stories, with a few seconds to wait for what must come instead of thirty.
fn impatient(golden: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for file in std::fs::read_dir(golden).expect("golden files").flatten() {
        let read = std::fs::read(file.path()).expect("a file");
        let mut story: Value = serde_json::from_slice(&read).expect("JSON");
        for step in story["steps"].as_array_mut().expect("steps").iter_mut().filter(|step| step.get("wait").is_some()) {
            step["patience"] = 5.into();
        }
        std::fs::write(folder.path().join(file.file_name()), story.to_string()).expect("written");
    }
    folder
}

/// Steps that differ and should not, and such that pass though they are said to differ.
fn unexpected(report: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    for story in report["stories"].as_array().expect("stories") {
        let name = story["story"].as_str().expect("a name");
        for step in story["steps"].as_array().expect("steps") {
            let number = step["n"].as_u64().expect("a number");
            let problems = step["problems"].as_array().expect("a list");
            let known = DIFFER.iter().any(|(story, step, _)| *story == name && *step == number);
            if problems.is_empty() == known {
                let what =
                    if known { "passes now: take it out of the list".to_owned() } else { format!("{problems:?}") };
                wrong.push(format!("{name} {number} {} {}: {what}", step["method"], step["path"]));
            }
        }
    }
    wrong
}
