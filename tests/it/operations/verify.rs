//! `transhume verify`: a sound database is found sound, also under load; each kind of damage is found by its rule.

use std::collections::BTreeSet;
use std::process::Command as Program;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use transhume::runtime::inspect::{RULES, Report, inspect};
use transhume::store::Store;

use super::{Orders, Sample, complete, deploy, file, node, sample, sql, start};
use crate::support::binary::binary;
use crate::support::postgres;

async fn judged(address: &str) -> Report {
    let store = Store::open_existing(address).await.expect("it opens");
    let report = inspect(&store, &mut |_| {}).await.expect("it reads");
    store.close().await;
    report
}

fn rules(report: &Report) -> BTreeSet<&'static str> {
    report.violations.iter().map(|violation| violation.rule).collect()
}

/// A name, the rule that sees it, and the statements that do it.
type Damage = (&'static str, &'static str, &'static [&'static str]);

const DAMAGES: &[Damage] = &[
    ("topic", "I2", &["UPDATE job SET topic = 'x' WHERE instance = {waiting}"]),
    ("timer", "I2", &["DELETE FROM timer WHERE instance = {waiting}"]),
    ("candidate", "I2", &["UPDATE candidate SET name = 'others' WHERE instance = {waiting}"]),
    ("variable", "I2", &["UPDATE variable SET number = 7 WHERE instance = {waiting} AND name = 'n'"]),
    ("subscription", "I2", &["UPDATE subscription SET name = 'stay' WHERE instance = {waiting}"]),
    ("incident", "I2", &["UPDATE incident SET message = 'x' WHERE instance = {waiting}"]),
    ("task", "I2", &["UPDATE user_task SET priority = 7 WHERE instance = {waiting}"]),
    ("definition of a row", "I2", &["UPDATE user_task SET definition = 1 WHERE instance = {waiting}"]),
    ("count of incidents", "I2", &["UPDATE process_instance SET incidents = 7 WHERE id = {waiting}"]),
    (
        "move",
        "I3",
        &[r#"UPDATE history SET events = REPLACE(events, '"at":"check"', '"at":"e1"') WHERE instance = {waiting}"#],
    ),
    ("scope of an ended one", "I4", &["INSERT INTO scope (instance, scope, body) VALUES ({ended}, 7, 'x')"]),
    (
        "row of no instance",
        "I4",
        &["INSERT INTO candidate (instance, token, is_group, name) VALUES (999999, 1, 0, 'x')"],
    ),
    (
        "caller that ended",
        "I4",
        &[
            "UPDATE process_instance SET state = 4, ended_at = 9, body = '' WHERE id = {waiting}",
            "DELETE FROM scope WHERE instance = {waiting}",
        ],
    ),
    (
        "end that nobody told",
        "I1",
        &[
            "UPDATE process_instance SET state = 4, ended_at = 9, body = '' WHERE id = {called}",
            "DELETE FROM user_task WHERE instance = {called}",
            "DELETE FROM variable WHERE instance = {called}",
        ],
    ),
    ("document", "I5", &["UPDATE process_instance SET body = '[' WHERE id = {waiting}"]),
    ("lost history row", "I5", &["DELETE FROM history WHERE instance = {ended} AND cause = 'fire-timer'"]),
    ("torn history row", "I5", &["UPDATE history SET events = '[' WHERE instance = {ended}"]),
    ("clock", "I5", &["UPDATE history SET at = 1 WHERE instance = {ended} AND cause = 'fire-timer'"]),
    (
        "completion",
        "I6",
        &[
            r#"UPDATE history SET events = REPLACE(events, '"lease_no":1', '"lease_no":7') WHERE instance = {worked} AND cause = 'complete-job'"#,
        ],
    ),
    ("expiries", "I7", &["UPDATE job SET expiries = 99 WHERE instance = {waiting}"]),
    (
        "lease number",
        "I7",
        &[r#"UPDATE history SET events = REPLACE(events, '"lease_no":1', '"lease_no":3') WHERE instance = {waiting}"#],
    ),
    ("revision", "I7", &["UPDATE process_instance SET revision = revision + 1 WHERE id = {waiting}"]),
    (
        "early timer",
        "I9",
        &[
            r#"UPDATE history SET events = REPLACE(events, '"due":', '"due":9') WHERE instance = {ended} AND cause = 'fire-timer'"#,
        ],
    ),
    ("tenant of a row", "I11", &["UPDATE job SET tenant = 'south' WHERE instance = {waiting}"]),
    ("tenant of a variable", "I11", &["UPDATE variable SET tenant = 'south' WHERE instance = {waiting}"]),
    ("tenant of the past", "I11", &["UPDATE past_activity SET tenant = 'south' WHERE instance = {ended}"]),
    ("tenant of an instance", "I11", &["UPDATE process_instance SET tenant = 'south' WHERE id = {waiting}"]),
    ("file", "I12", &["UPDATE resource SET name = 'other'"]),
    ("deployment", "I12", &["UPDATE deployment SET tenant = 'south'"]),
    ("process", "I12", &["UPDATE process_instance SET process = 'other' WHERE id = {waiting}"]),
    ("next number", "ids", &["UPDATE history SET next_id = 1 WHERE next_id IS NOT NULL"]),
    ("last row", "ids", &["UPDATE history SET next_id = NULL"]),
    ("letter", "ids", &["INSERT INTO letter (partition, id, at, body) VALUES (0, 1, 0, 'x')"]),
];

async fn damage(address: &str, texts: &[&str], sample: &Sample) {
    let Sample { waiting, called, ended, worked } = sample;
    for text in texts {
        let mut text = (*text).to_owned();
        for (name, id) in [("{waiting}", waiting), ("{called}", called), ("{ended}", ended), ("{worked}", worked)] {
            text = text.replace(name, &id.to_string());
        }
        sql(address, &text).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_damage_is_found_by_its_rule() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node(&file(folder.path()), &Orders::default()).await;
    let sample = sample(&node).await;
    node.shutdown().await;
    let sound = judged(&file(folder.path())).await;
    assert_eq!(sound.violations, [], "{sound:?}");
    assert!(RULES.iter().all(|(rule, _)| sound.checked.get(rule).is_some_and(|count| *count > 0)), "{sound:?}");
    assert_eq!((sound.instances, sound.cleaned), (5, 0));
    for (name, rule, texts) in DAMAGES {
        let own = tempfile::tempdir().expect("a folder");
        std::fs::copy(folder.path().join("test.db"), own.path().join("test.db")).expect("a copy");
        damage(&file(own.path()), texts, &sample).await;
        let report = judged(&file(own.path())).await;
        assert!(rules(&report).contains(rule), "{name}: {rule} sees nothing: {:?}", report.violations);
        // What concerns one instance says which.
        let known = [sample.waiting, sample.called, sample.ended, sample.worked].map(Some);
        let told = report.violations.iter().filter(|violation| violation.rule == *rule);
        let general = ["ids", "I12", "I5", "I4"].contains(rule);
        assert!(general || told.clone().any(|violation| known.contains(&violation.instance)), "{name}: {report:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_found_on_postgresql_too() {
    let Some(url) = postgres::database("damage_is_found_on_postgresql_too").await else { return };
    let node = node(&url, &Orders::default()).await;
    let sample = sample(&node).await;
    node.shutdown().await;
    let sound = judged(&url).await;
    assert_eq!(sound.violations, [], "{sound:?}");
    let mut found = BTreeSet::new();
    // In small groups, since one damage may hide another: each on what the ones before have left.
    for (name, rule, texts) in DAMAGES {
        if ["document", "move", "lost history row", "torn history row", "caller that ended", "process", "file"]
            .contains(name)
        {
            continue;
        }
        damage(&url, texts, &sample).await;
        let report = judged(&url).await;
        found.extend(rules(&report));
        assert!(rules(&report).contains(rule), "{name}: {rule} sees nothing: {:?}", report.violations);
    }
    assert!(["I1", "I2", "I4", "I5", "I7", "I11", "ids"].iter().all(|rule| found.contains(rule)), "{found:?}");
}

/// Commits that happen while it reads are no violations.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_under_load_is_sound() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut addresses = vec![file(folder.path())];
    addresses.extend(postgres::database("a_database_under_load_is_sound").await);
    for address in addresses {
        let node = node(&address, &Orders::default()).await;
        deploy(&node, "north").await;
        let stop = Arc::new(AtomicBool::new(false));
        let clients: Vec<_> = (0..4)
            .map(|_| {
                let (node, stop) = (node.clone(), Arc::clone(&stop));
                tokio::spawn(async move {
                    while !stop.load(Ordering::Relaxed) {
                        let id = start(&node, "short", "north").await;
                        complete(&node, id, "qt").await;
                        start(&node, "many", "north").await;
                    }
                })
            })
            .collect();
        // Until it has judged what came while it read.
        let (mut rounds, mut first) = (0, None);
        loop {
            let report = judged(&address).await;
            assert_eq!(report.violations, [], "{address}");
            let begun = *first.get_or_insert(report.instances);
            rounds += 1;
            if rounds >= 3 && report.instances > begun + 10 {
                break;
            }
            assert!(rounds < 100, "{address}: nothing happens meanwhile");
        }
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            client.await.expect("no client fails");
        }
        node.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_prints_a_board_and_its_exit_status_tells() {
    let folder = tempfile::tempdir().expect("a folder");
    let address = file(folder.path());
    let verify = |more: &[&str]| {
        let mut program = Program::new(binary());
        program.args(["verify", "--database", &address]).args(more);
        program.output().expect("it runs")
    };
    assert_eq!(verify(&[]).status.code(), Some(2), "there is no such file");
    assert!(!folder.path().join("test.db").exists(), "and it makes none");
    let node = node(&address, &Orders::default()).await;
    let sample = sample(&node).await;
    let sound = verify(&[]);
    let text = String::from_utf8_lossy(&sound.stdout).into_owned();
    assert_eq!(sound.status.code(), Some(0), "{text}");
    assert!(text.ends_with("5 instances, 0 violations\n"), "{text}");
    sql(&address, &format!("UPDATE job SET topic = 'x' WHERE instance = {}", sample.waiting)).await;
    let damaged = verify(&["--json"]);
    assert_eq!(damaged.status.code(), Some(1));
    let told: Value = serde_json::from_slice(&damaged.stdout).expect("JSON");
    assert_eq!(told["violations"][0]["rule"], "I2");
    assert_eq!(told["violations"][0]["instance"], sample.waiting.to_string());
    node.shutdown().await;
}
