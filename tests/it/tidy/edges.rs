//! Which module uses which: the table of floors in `src/lib.rs`, what is narrower than it, fences around crates.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;

use super::source::{Source, read};
use super::text::{code_of, has_word};

/// Modules that may use less than their floor allows: a judge shares no decision with the judged, a pure one no world.
const NARROWER: &[(&str, &[&str])] = &[
    ("verify", &["base", "engine"]),
    ("insight", &["base", "engine"]),
    ("programme", &["base"]),
    ("center", &["base", "xml", "bpmn", "engine"]),
    (
        "simulate",
        &["base", "bpmn", "script", "decision", "xml", "engine", "partition", "verify", "insight", "programme"],
    ),
    (
        "scenario",
        &[
            "base",
            "bpmn",
            "script",
            "decision",
            "xml",
            "engine",
            "partition",
            "verify",
            "insight",
            "programme",
            "store",
        ],
    ),
    ("handlers", &["base", "xml", "script", "decision", "programme", "engine"]),
    ("store", &["base", "partition", "verify", "insight", "programme"]),
];

/// Of `engine`, these modules see only the named parts.
const ENGINE_PARTS: &[(&str, &[&str])] =
    &[("insight", &["event", "definition"]), ("handlers", &["job"]), ("center", &["compile"])];

/// Crates that one part of the product owns.
const FENCES: &[(&str, &[&str])] = &[
    ("quick_xml", &["xml"]),
    ("sqlx", &["store"]),
    ("rhai", &["script"]),
    ("dsntk_common", &["decision"]),
    ("dsntk_feel", &["decision"]),
    ("dsntk_feel_parser", &["decision"]),
    ("dsntk_feel_evaluator", &["decision"]),
    ("dsntk_model", &["decision"]),
    ("dsntk_model_evaluator", &["decision"]),
    ("axum", &["api", "demo"]),
    ("reqwest", &["handlers", "demo"]),
    ("russh", &["handlers", "demo"]),
    ("lettre", &["handlers"]),
    ("clap", &["main", "cli"]),
    ("prometheus_client", &["runtime"]),
    ("flate2", &["store"]),
];

/// Module to floor, as the table in `src/lib.rs` says.
pub(super) fn floors() -> BTreeMap<String, u32> {
    static ROW: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^//! \| (\d) \| (.*)\|$").expect("a pattern of ours"));
    static NAME: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\[`(\w+)`\]").expect("a pattern of ours"));
    let mut floors = BTreeMap::new();
    for line in read("src/lib.rs").lines() {
        let Some(row) = ROW.captures(line) else {
            continue;
        };
        let floor = row[1].parse().expect("a digit");
        floors.extend(NAME.captures_iter(&row[2]).map(|name| (name[1].to_owned(), floor)));
    }
    assert!(!floors.is_empty(), "src/lib.rs: the table of floors cannot be read");
    floors
}

/// Every edge of the file that goes up, sideways, or past what is allowed to it.
pub(super) fn check(file: &Source, floors: &BTreeMap<String, u32>) -> Vec<String> {
    let own = file.module();
    let Some(floor) = floors.get(own) else {
        return Vec::new();
    };
    let narrow = NARROWER.iter().find(|(module, _)| *module == own).map(|(_, allowed)| *allowed);
    let parts = ENGINE_PARTS.iter().find(|(module, _)| *module == own).map(|(_, allowed)| *allowed);
    let mut found = Vec::new();
    for (line, path) in uses(file) {
        let mut steps = path.split("::");
        let used = steps.next().unwrap_or_default();
        let part = steps.next();
        let Some(other) = floors.get(used).filter(|_| used != own) else {
            continue;
        };
        let place = format!("{}:{line}: `{own}` (floor {floor}) uses `{used}` (floor {other})", file.path);
        if other >= floor {
            found.push(format!("{place}: floors go down only; move what both need below, or pass it in"));
        } else if narrow.is_some_and(|allowed| !allowed.contains(&used)) {
            found.push(format!("{place}: it may use only {}", narrow.unwrap_or_default().join(", ")));
        } else if used == "engine"
            && let (Some(allowed), Some(part)) = (parts, part)
            && !allowed.contains(&part)
        {
            found.push(format!("{place}: of the engine it may see only {}", allowed.join(", ")));
        }
    }
    found
}

/// `crate::` paths of the file, two steps of each, with their line; braces are opened, `super::` up to the root counts.
fn uses(file: &Source) -> BTreeSet<(usize, String)> {
    static PATH: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\bcrate::(?:(\w+)(?:::(\w+))?|(\{))").expect("a pattern of ours"));
    static SUPER: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\b((?:super::)+)(\w+)").expect("a pattern of ours"));
    let lines: Vec<String> = file.lines.iter().map(|line| code_of(line)).collect();
    let code = lines.join("\n");
    let line_of = |at: usize| code[..at].matches('\n').count() + 1;
    let mut found = BTreeSet::new();
    for path in PATH.captures_iter(&code) {
        let at = path.get(0).expect("the whole").start();
        match (path.get(1), path.get(2)) {
            (Some(module), Some(part)) => {
                found.insert((line_of(at), format!("{}::{}", module.as_str(), part.as_str())))
            }
            (Some(module), None) => {
                let after = &code[module.end()..];
                match after.strip_prefix("::{") {
                    Some(group) => {
                        for name in group_names(group) {
                            found.insert((line_of(at), format!("{}::{name}", module.as_str())));
                        }
                        true
                    }
                    None => found.insert((line_of(at), module.as_str().to_owned())),
                }
            }
            (None, _) => {
                let open = path.get(3).expect("the brace").end();
                for name in group_names(&code[open..]) {
                    found.insert((line_of(at), name));
                }
                true
            }
        };
    }
    let body = file.body().len();
    for chain in SUPER.captures_iter(&code) {
        let at = line_of(chain.get(0).expect("the whole").start());
        if at <= body && chain[1].matches("super").count() >= file.depth() {
            found.insert((at, chain[2].to_owned()));
        }
    }
    found
}

/// The first steps of the paths in a `{…}` group, whose opening brace has been read.
fn group_names(rest: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut depth = 0;
    let mut name = String::new();
    let mut done = false;
    for letter in rest.chars() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(std::mem::take(&mut name));
                done = false;
            }
            _ if depth > 0 || done => {}
            _ if letter.is_alphanumeric() || letter == '_' => name.push(letter),
            _ if name.is_empty() => {}
            _ => done = true,
        }
    }
    names.push(name);
    names.retain(|name| !name.is_empty());
    names
}

/// Uses of a crate outside the part that owns it.
pub(super) fn fences(file: &Source) -> Vec<String> {
    let mut found = Vec::new();
    for (number, code) in file.code() {
        for (name, owners) in FENCES {
            let path = format!("{name}::");
            if !owners.contains(&file.module()) && code.contains(&path) && has_word(&code, name) {
                let owners = owners.join(" and ");
                found
                    .push(format!("{}:{number}: `{name}` belongs to {owners}: ask there for what you need", file.path));
            }
        }
    }
    found
}

#[test]
fn groups_are_opened() {
    assert_eq!(group_names("a::b, c::{d, e}, f}; use crate::g;"), ["a", "c", "f"]);
}

#[test]
fn an_upward_edge_is_found() {
    let file = |path: &str, lines: &[&str]| Source {
        path: path.to_owned(),
        lines: lines.iter().map(|one| (*one).to_owned()).collect(),
    };
    let floors = floors();
    let seen = |path: &str, line: &str| check(&file(path, &[line]), &floors).len();
    assert_eq!(seen("src/engine/step.rs", "use crate::partition::Batch;"), 1);
    assert_eq!(seen("src/engine/step.rs", "use crate::{base::id, store::Store};"), 1);
    assert_eq!(seen("src/engine/mod.rs", "use super::runtime::Node;"), 1);
    assert_eq!(seen("src/engine/step.rs", "use super::instance::Token; // crate::store"), 0);
    assert_eq!(seen("src/partition/batch.rs", "let a = crate::verify::check(&b);"), 1, "sideways");
    assert_eq!(seen("src/handlers/mail.rs", "use crate::engine::{instance, job};"), 1, "of the engine only job");
}
