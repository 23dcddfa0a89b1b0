//! Our process tests through the library: every suite of `tests/scenarios` and `processes`, in memory, and with all memory
//! forgotten after each step. Each element that runs has a suite of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use transhume::base::diagnostic::Severity;
use transhume::base::planted::plant;
use transhume::engine::compile::{compile, no_resources};
use transhume::engine::elements::TABLE;
use transhume::scenario::report::CaseResult;
use transhume::scenario::{Options, StoreKind, file, find, runner};

use crate::support::postgres::database;
use crate::support::say::say;

/// Suites at a time: with a real database one waits more than it works.
const THREADS: usize = 3;
const FOLDERS: [&str; 2] = ["tests/scenarios", "processes"];

#[test]
fn each_passes_in_memory() {
    in_memory();
}

/// Once for this process, whoever asks first.
pub(crate) fn in_memory() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        // The models: `each_models_suite_enters_every_flow_node`.
        pass("in memory", &FOLDERS[..1], &Options { store: StoreKind::Memory, restart: false, trace: false });
    });
}

#[test]
fn each_passes_with_a_restart_after_every_step() {
    with_restart();
}

/// Once for this process, whoever asks first.
pub(crate) fn with_restart() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        // Each element; the models, which are made of them, with the long run of tests/check.
        let folders = if all() { &FOLDERS[..] } else { &FOLDERS[..1] };
        pass("with --restart", folders, &Options { store: StoreKind::Memory, restart: true, trace: false });
    });
}

#[test]
fn each_passes_on_sqlite() {
    // What the elements have in common; the elements, and the models, with the long run of tests/check.
    let folders = if all() { &FOLDERS[..] } else { &["tests/scenarios/features"][..] };
    pass("on SQLite", folders, &Options { store: StoreKind::Sqlite, restart: false, trace: false });
}

#[tokio::test]
async fn each_passes_on_postgresql() {
    let Some(server) = database("scenarios on PostgreSQL").await else { return };
    let options = Options { store: StoreKind::Postgres(server), restart: false, trace: false };
    // The elements; what they have in common, and the models, with the long run of tests/check.
    let folders: Vec<String> = match all() {
        true => FOLDERS.map(str::to_owned).to_vec(),
        false => TABLE.iter().map(|kind| format!("tests/scenarios/{kind}.test.yaml")).collect(),
    };
    // The runner blocks on a runtime of its own.
    let run = move || {
        let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
        pass("on PostgreSQL", &folders, &options);
    };
    tokio::task::spawn_blocking(run).await.expect("they pass");
}

#[test]
fn each_element_has_its_suite() {
    let missing = TABLE.iter().map(|kind| format!("tests/scenarios/{kind}.test.yaml"));
    let missing: Vec<String> = missing.filter(|suite| !root().join(suite).is_file()).collect();
    assert!(missing.is_empty(), "an element needs a suite in tests/scenarios: {missing:?}");
}

/// Defects of the engine that the suites find by themselves, as the oracle does in the simulator.
/// Each with the suite that is asked first.
const PLANTED: [(&str, &str); 5] = [
    ("join-counts-tokens", "parallelGateway"),
    ("cancelled-scope-keeps-its-subscription", "boundaryEvent"),
    ("compensation-forward", "features/compensation"),
    ("inclusive-join-ignores-loop", "inclusiveGateway"),
    ("signal-lost", "features/signal"),
];

#[test]
fn each_planted_bug_fails_a_suite() {
    let all = find(&[root().join("tests/scenarios")]).expect("the folder is there");
    let options = Options { store: StoreKind::Memory, restart: false, trace: false };
    for (bug, first) in PLANTED {
        let mut suites = all.clone();
        suites.sort_by_key(|path| !path.ends_with(format!("{first}.test.yaml")));
        plant(Some(bug));
        let failing = suites.iter().find_map(|path| {
            let suite = file::read(path).unwrap_or_else(|words| panic!("{words}"));
            // A defect may also be met by an assertion of the engine's own.
            let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| runner::run(path, &suite, &options)));
            let case = ran.ok()?.into_iter().find(|case| case.failure.is_some())?;
            Some(case.line().lines().next().unwrap_or_default().to_owned())
        });
        plant(None);
        let failing = failing.unwrap_or_else(|| panic!("no suite notices the planted bug {bug}"));
        say(format!("planted {bug}: noticed by {}", failing.trim_start_matches("FAIL").trim()));
    }
}

/// The words of every refusal, with line and column: `UPDATE_MESSAGES=1 cargo test --test it scenarios` writes them anew.
#[test]
fn each_refusal_says_where_and_what_to_do() {
    let folder = root().join("tests/scenarios/refused");
    let suite = file::read(&folder.join("refused.test.yaml")).expect("the suite is readable");
    let mut words = String::new();
    for name in &suite.refuse {
        let bytes = std::fs::read(folder.join(name)).expect("the model is there");
        let found = compile(&bytes, &no_resources).err().unwrap_or_default();
        let errors = found.iter().filter(|finding| finding.severity == Severity::Error);
        errors.for_each(|finding| words.push_str(&format!("{name}:{finding}\n")));
    }
    let path = folder.join("messages.txt");
    if std::env::var_os("UPDATE_MESSAGES").is_some() {
        std::fs::write(&path, &words).expect("the words are written");
    }
    let stored = std::fs::read_to_string(&path).expect("the words are there");
    let changed: Vec<&str> = words.lines().filter(|line| !stored.lines().any(|known| known == *line)).collect();
    assert!(stored == words, "read them, then run with UPDATE_MESSAGES=1:\n{}", changed.join("\n"));
}

/// A model is proven by its suite only where its cases have been: each flow node is entered by one of them.
#[test]
fn each_models_suite_enters_every_flow_node() {
    let options = Options { store: StoreKind::Memory, restart: false, trace: true };
    let mut missed = Vec::new();
    let mut nodes = 0;
    let suites = run("of the models", &FOLDERS[1..], &options);
    for (path, results) in &suites {
        let model = path.to_str().and_then(|path| path.strip_suffix(".test.yaml")).expect("a suite beside its model");
        let bytes = std::fs::read(format!("{model}.bpmn")).expect("a model beside its suite");
        let compiled = compile(&bytes, &no_resources).expect("it compiles");
        let entered = entered(results);
        for node in compiled.processes.iter().flat_map(|process| process.graph.node_weights()) {
            // The event that ties an activity to what undoes it has no token of its own.
            let tie = node.kind == "boundaryEvent" && node.outgoing.is_empty();
            nodes += usize::from(!tie);
            if !tie && !entered.contains(&node.id.to_string()) {
                missed.push(format!("{model}.bpmn: no case enters {}", node.id));
            }
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
    let cases: usize = suites.values().map(Vec::len).sum();
    say(format!(
        "scenarios of the models: {cases} of {} suites passed, and enter all {nodes} flow nodes",
        suites.len()
    ));
}

/// Flow nodes that the started instances of these cases have entered; called ones run other models.
fn entered(cases: &[CaseResult]) -> BTreeSet<String> {
    let mut entered = BTreeSet::new();
    for case in cases {
        let mut started = BTreeSet::new();
        for line in &case.log {
            // Instance, what it did, and the event.
            let mut parts = line.splitn(3, ' ');
            let (Some(instance), Some(_), Some(event)) = (parts.next(), parts.next(), parts.next()) else { continue };
            let event: serde_json::Value = serde_json::from_str(event).expect("an event is JSON");
            if event["e"] == "instance-created" && event["caller"].is_null() {
                started.insert(instance.to_owned());
            }
            if let (true, "token-entered", Some(at)) =
                (started.contains(instance), event["e"].as_str().unwrap_or_default(), event["at"].as_str())
            {
                entered.insert(at.to_owned());
            }
        }
    }
    entered
}

/// `SCENARIOS_ALL=1`: every suite on every database.
fn all() -> bool {
    std::env::var_os("SCENARIOS_ALL").is_some()
}

fn pass(how: &str, folders: &[&str], options: &Options) {
    let results = run(how, folders, options);
    let cases: usize = results.values().map(Vec::len).sum();
    say(format!("scenarios {how}: {cases} of {} suites passed", results.len()));
}

/// Runs the suites of some folders, which all pass; the results by suite.
fn run(how: &str, folders: &[&str], options: &Options) -> BTreeMap<PathBuf, Vec<CaseResult>> {
    let folders: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    let suites = find(&folders).expect("the folders are there");
    let (next, results) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    let work = || {
        while let Some(path) = suites.get(next.fetch_add(1, Ordering::Relaxed)) {
            let suite = file::read(path).unwrap_or_else(|words| panic!("{words}"));
            let ran = runner::run(path, &suite, options);
            results.lock().expect("no suite panics").insert(path.clone(), ran);
        }
    };
    std::thread::scope(|scope| (0..THREADS).for_each(|_| drop(scope.spawn(work))));
    let results = results.into_inner().expect("no suite panics");
    let failed = results.values().flatten().filter(|case| case.failure.is_some());
    let failed: Vec<String> = failed.map(CaseResult::line).collect();
    assert!(failed.is_empty(), "{how}:\n{}", failed.join("\n"));
    results
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
