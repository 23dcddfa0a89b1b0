//! Third-party process tests beside the repository: every case passes, or its model is refused by name. Our own: `scenarios`.
//!
//! A wrong result is never acceptable: a case that fails in any other way than by the refusal of something that this
//! engine does not run yet fails here.

use std::path::Path;
use std::process::Command;

use crate::support::binary::{binary, tail};
use crate::support::need::{skip, suites};
use crate::support::say::say;

/// What is not built. A refusal that names none of these is a mistake of ours.
const NOT_BUILT: [&str; 11] = [
    "compensateEventDefinition",
    "conditionalEventDefinition",
    "cancelEventDefinition",
    "element transaction",
    "compensation",
    "complexGateway",
    "globalScriptTask",
    "adHocSubProcess",
    "several triggers",
    "startQuantity",
    "completionQuantity",
];

/// What BPMN 2.0.2 forbids though a suite does it (10.6.6: an event-based gateway has two or more outgoing flows).
const FORBIDDEN: [&str; 1] = ["an event-based gateway needs two or more outgoing flows to choose from"];

#[test]
fn token_simulation_gives_no_wrong_result() {
    third_party("token-simulation");
}

#[test]
fn betsy_gives_no_wrong_result() {
    third_party("betsy");
}

fn third_party(name: &str) {
    let folder = suites().join(name);
    if !folder.is_dir() {
        return skip(name, &format!("{} is missing (TRANSHUME_SUITES names another folder)", folder.display()));
    }
    let (code, out) = test(&folder, &[]);
    assert!(code.is_some_and(|code| code <= 1), "{name} cannot be read:\n{}", tail(&out, 20));
    let wrong: Vec<String> = failing(&out).into_iter().filter(|case| !is_refusal(case)).collect();
    assert!(wrong.is_empty(), "{name}: wrong results:\n{}", wrong.join("\n"));
    let last = out.lines().last().unwrap_or_default();
    say(format!(
        "process tests: suite {name}: {last}; each failing one is refused by the name of an element not built"
    ));
}

fn test(folder: &Path, more: &[&str]) -> (Option<i32>, String) {
    let ended = Command::new(binary()).arg("test").args(more).arg(folder).output().expect("the binary starts");
    let out = [ended.stdout, ended.stderr].concat();
    (ended.status.code(), String::from_utf8_lossy(&out).into_owned())
}

/// The failing cases with the lines that follow each.
fn failing(out: &str) -> Vec<String> {
    let mut cases: Vec<String> = Vec::new();
    let mut inside = false;
    for line in out.lines() {
        if line.starts_with("FAIL") {
            cases.push(String::new());
        }
        inside = line.starts_with("FAIL") || (inside && line.starts_with(' '));
        if let (true, Some(case)) = (inside, cases.last_mut()) {
            case.push_str(line);
            case.push('\n');
        }
    }
    cases
}

fn is_refusal(case: &str) -> bool {
    let mut lines = case.lines().skip(1);
    lines.next().is_some_and(|first| first.trim() == "deployment refused:")
        && lines.any(|line| {
            let later = line.contains("not run") && NOT_BUILT.iter().any(|name| line.contains(name));
            later || FORBIDDEN.iter().any(|words| line.contains(words))
        })
}

#[test]
fn a_wrong_result_is_told_from_a_refusal() {
    let out = "ok    a\nFAIL  b\n        deployment refused:\n        b.bpmn:1:2: a cancelEventDefinition does not run in a x\n\
               FAIL  c\n        step 2: expected waiting [a], seen []\n1 passed, 2 failed\n";
    let cases = failing(out);
    assert_eq!(cases.iter().map(|case| is_refusal(case)).collect::<Vec<_>>(), [true, false]);
}
