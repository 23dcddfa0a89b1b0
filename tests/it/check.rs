//! `transhume check`: mistakes that process designers make, in the words that they read; and models of other tools, where
//! every finding has its place.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::binary::{binary, tail};
use crate::support::need::{skip, suites};
use crate::support::say::say;

/// The models of `tests/scenarios/mistakes`: what is reported of each, at which line and column.
const MISTAKES: [(&str, &[&str]); 15] = [
    ("boundary-event-on-gateway", &["9:30 error attached-to"]),
    ("branch-past-the-join", &["20:5 warning join-never-complete"]),
    ("broken-condition", &["9:7 error expression"]),
    ("broken-script", &["8:7 error script"]),
    ("duplicate-id", &["9:15 error duplicate-id"]),
    ("flow-out-of-sub-process", &["11:7 error flow-across-scope"]),
    ("forgotten-task", &["9:5 warning unreachable"]),
    ("gateway-without-condition", &["8:5 warning flow-without-condition", "9:5 warning flow-without-condition"]),
    ("join-never-complete", &["16:5 warning join-never-complete"]),
    ("missing-default", &["7:5 warning no-default"]),
    ("misspelt-attribute", &["7:47 warning misspelt-attribute", "7:70 warning attribute-without-prefix"]),
    ("service-without-topic", &["7:5 warning no-implementation"]),
    ("timer-without-time", &["8:7 error timer-without-time"]),
    ("unknown-message", &["8:5 error dangling-reference"]),
    ("wrong-reference", &["10:56 error dangling-reference"]),
];

#[test]
fn each_mistake_is_found_at_its_place() {
    let (code, found) = json(&["tests/scenarios/mistakes"]);
    assert_eq!(code, Some(1), "there are errors among them");
    let mut files = BTreeSet::new();
    for (name, expected) in MISTAKES {
        let file = format!("tests/scenarios/mistakes/{name}.bpmn");
        let of_file = found.iter().filter(|finding| finding["file"] == file.as_str());
        let seen: Vec<String> = of_file
            .map(|d| {
                let word = |key: &str| d[key].as_str().unwrap_or_default().to_owned();
                format!("{}:{} {} {}", d["line"], d["column"], word("severity"), word("rule"))
            })
            .collect();
        assert_eq!(seen, expected, "{file}");
        files.insert(file);
    }
    let others = found.iter().filter_map(|finding| finding["file"].as_str()).filter(|file| !files.contains(*file));
    assert_eq!(others.count(), 0, "each model of the folder is in the list");
}

/// `UPDATE_MESSAGES=1 cargo test --test it check` writes them anew.
#[test]
fn the_words_are_those_that_were_read() {
    let path = root().join("tests/scenarios/mistakes/messages.txt");
    let words = text(&check(&["tests/scenarios/mistakes"]));
    if std::env::var_os("UPDATE_MESSAGES").is_some() {
        std::fs::write(&path, &words).expect("the words are written");
    }
    let stored = std::fs::read_to_string(&path).expect("the words are there");
    let changed: Vec<&str> = words.lines().filter(|line| !stored.lines().any(|known| known == *line)).collect();
    assert!(stored == words, "read them, then run with UPDATE_MESSAGES=1:\n{}", changed.join("\n"));
}

#[test]
fn our_own_models_have_nothing_to_report() {
    let ended = check(&["processes"]);
    assert_eq!((ended.status.code(), text(&ended).lines().count()), (Some(0), 1), "{}", text(&ended));
}

#[test]
fn what_cannot_be_read_is_told_from_what_is_wrong() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let missing = folder.path().join("missing.bpmn");
    let ended = check(&[&missing.to_string_lossy()]);
    assert_eq!(ended.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("missing.bpmn: "), "it is named");
    let empty = check(&[&folder.path().to_string_lossy()]);
    assert_eq!(empty.status.code(), Some(2), "a folder without models was hardly meant");

    // Bytes of any kind are a finding with a place, never a failure of ours.
    for (name, bytes) in
        [("a.bpmn", &b""[..]), ("b.bpmn", b"\xff\xfe\x00"), ("c.dmn", b"<x/>"), ("d.bpmn", b"<a>\n\t<b")]
    {
        let file = folder.path().join(name);
        std::fs::write(&file, bytes).expect("written");
        let (code, found) = json(&[&file.to_string_lossy()]);
        assert_eq!(code, Some(1), "{name}");
        assert!(found.iter().all(has_place) && !found.is_empty(), "{name}: {found:?}");
        let ended = check(&[&file.to_string_lossy()]);
        assert_eq!(ended.status.code(), Some(1), "{name}: {}", String::from_utf8_lossy(&ended.stderr));
    }
}

#[test]
fn the_help_teaches() {
    let help = text(&check(&["--help"]));
    for words in ["Example:", "transhume check orders.bpmn", "--json", "Exit status: 0"] {
        assert!(help.contains(words), "{words} in\n{help}");
    }
}

#[test]
fn models_of_other_tools_are_checked_to_their_end() {
    for name in ["miwg", "betsy"] {
        let folder = suites().join(name);
        if !folder.is_dir() {
            let reason = format!("{} is missing (TRANSHUME_SUITES names another folder)", folder.display());
            skip(&format!("check over {name}"), &reason);
            continue;
        }
        let (code, found) = json(&[&folder.to_string_lossy()]);
        assert!(matches!(code, Some(0 | 1)), "{name}: exit status {code:?}");
        let placeless: Vec<&Value> = found.iter().filter(|finding| !has_place(finding)).collect();
        assert!(placeless.is_empty(), "{name}: findings without a place: {placeless:?}");
        say(format!("check: {} findings in the models of {name}, each with its place", found.len()));
    }
}

/// Warnings about something else than the constraint in question.
const BESIDE: [&str; 4] = ["nothing-executable", "no-implementation", "flow-without-condition", "no-default"];

/// Models that break a constraint of BPMN are refused, the contestable ones at least warned of; their twins are accepted,
/// or name an element that does not run yet.
#[test]
fn the_constraints_of_the_standard_are_kept() {
    let folder = suites().join("constraints");
    let Ok(notes) = std::fs::read_to_string(folder.join("LEFT-OUT.md")) else {
        return skip(
            "constraints",
            &format!("{} is missing (TRANSHUME_SUITES names another folder)", folder.display()),
        );
    };
    let contestable = notes.split_once("## Must be refused, but contestable").map_or("", |(_, list)| list);
    let (_, found) = json(&[&folder.to_string_lossy()]);
    let (mut refused, mut warned, mut accepted, mut wrong) = (0, 0, 0, Vec::new());
    for file in models(&folder) {
        let of_file: Vec<&Value> = found.iter().filter(|d| d["file"] == *file.to_string_lossy()).collect();
        let errors = of_file.iter().filter(|d| d["severity"] == "error");
        let later = |d: &Value| d["rule"] == "element-not-supported" || d["message"].to_string().contains("not run");
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let constraint = file.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
        let named = of_file.iter().any(|d| !BESIDE.iter().any(|rule| d["rule"] == *rule));
        if name.starts_with("accept") {
            accepted += 1;
            wrong.extend(errors.filter(|d| !later(d)).map(|d| format!("{name}: {}", d["message"])));
        } else if errors.count() > 0 {
            refused += 1;
        } else if named && contestable.contains(&format!("`{constraint}`")) {
            warned += 1;
        } else {
            wrong.push(format!("{constraint}/{name} is accepted"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    say(format!(
        "check: constraints: {refused} refused, {warned} contestable ones warned of, {accepted} twins accepted"
    ));
}

fn models(folder: &Path) -> Vec<PathBuf> {
    let folders = std::fs::read_dir(folder).expect("the folder is there").flatten().map(|entry| entry.path());
    let files = folders.filter_map(|inner| std::fs::read_dir(inner).ok()).flatten().flatten().map(|entry| entry.path());
    files.filter(|file| file.extension().is_some_and(|kind| kind == "bpmn")).collect()
}

fn has_place(finding: &Value) -> bool {
    ["line", "column"].iter().all(|key| finding[key].as_u64().is_some_and(|number| number > 0))
        && ["file", "severity", "rule", "message"]
            .iter()
            .all(|key| finding[key].as_str().is_some_and(|word| !word.is_empty()))
}

fn json(arguments: &[&str]) -> (Option<i32>, Vec<Value>) {
    let ended = check(&[&["--json"], arguments].concat());
    let out = text(&ended);
    let errors = String::from_utf8_lossy(&ended.stderr).into_owned();
    let found = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}:\n{}\n{errors}", tail(&out, 20)));
    (ended.status.code(), found)
}

fn check(arguments: &[&str]) -> Output {
    let mut program = Command::new(binary());
    program.arg("check").args(arguments).current_dir(root()).env_remove("TRANSHUME_JSON");
    program.output().expect("the binary starts")
}

fn text(ended: &Output) -> String {
    String::from_utf8_lossy(&ended.stdout).into_owned()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
