//! Third-party process tests beside the repository: every case passes, or its model is refused by name. Our own: `scenarios`.
//!
//! A case may only fail where its model breaks a rule of the standard, by the refusal that names the rule, or where it
//! expects otherwise than the standard: each is listed here with the sentence.

use std::path::Path;
use std::process::Command;

use crate::support::binary::{binary, tail};
use crate::support::need::{skip, suites};
use crate::support::say::say;

/// What BPMN 2.0.2 forbids though a suite does it (10.6.6: an event-based gateway has two or more outgoing flows).
const FORBIDDEN: [&str; 1] = ["an event-based gateway needs two or more outgoing flows to choose from"];

/// Cases that expect otherwise than BPMN 2.0.2, 13.3.2 and 10.5.6: events "attached to the boundary" of an activity wait as long
/// as that "is executed". There an interrupting event sub-process also disarms those of the sub-process around it, which goes on.
const OTHERWISE: [&str; 2] = ["m00229.test.json · walk 3", "m00347.test.json · walk 1"];

#[test]
fn token_simulation_gives_no_wrong_result() {
    third_party("token-simulation");
}

#[test]
fn betsy_gives_no_wrong_result() {
    third_party("betsy");
}

/// Recorded random walks: in memory; with `SCENARIOS_ALL` also restarted after each step, and on SQLite.
#[test]
fn oracle_gives_no_wrong_result() {
    third_party("oracle");
}

fn third_party(name: &str) {
    let folder = suites().join(name);
    if !folder.is_dir() {
        return skip(name, &format!("{} is missing (TRANSHUME_SUITES names another folder)", folder.display()));
    }
    let all = std::env::var_os("SCENARIOS_ALL").is_some();
    let ways: &[&[&str]] = if all { &[&[], &["--restart"], &["--store", "sqlite"]] } else { &[&[]] };
    for way in ways {
        let (code, out) = test(&folder, way);
        assert!(code.is_some_and(|code| code <= 1), "{name} cannot be read:\n{}", tail(&out, 20));
        let known = |case: &String| is_refusal(case) || OTHERWISE.iter().any(|other| case.contains(other));
        let wrong: Vec<String> = failing(&out).into_iter().filter(|case| !known(case)).collect();
        assert!(wrong.is_empty(), "{name} {way:?}: wrong results:\n{}", wrong.join("\n"));
        let (last, how) = (out.lines().last().unwrap_or_default(), way.join(" "));
        say(format!(
            "process tests: suite {name} {how}: {last}; each failing one breaks a rule of the standard, named here"
        ));
    }
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
        && lines.any(|line| FORBIDDEN.iter().any(|words| line.contains(words)))
}

#[test]
fn a_wrong_result_is_told_from_a_refusal() {
    let out = "ok    a\nFAIL  b\n        deployment refused:\n        b.bpmn:1:2: an event-based gateway needs two or more outgoing flows to choose from\n\
               FAIL  c\n        step 2: expected waiting [a], seen []\n1 passed, 2 failed\n";
    let cases = failing(out);
    assert_eq!(cases.iter().map(|case| is_refusal(case)).collect::<Vec<_>>(), [true, false]);
}
