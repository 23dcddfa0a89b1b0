//! Backup and restore: one moment, whole or not at all, to either database; what follows is not done twice.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use std::io::Write;
use transhume::base::id::PartitionId;
use transhume::base::limits::RESTORE_IDS_SKIPPED;
use transhume::runtime::inspect::inspect;
use transhume::store::{Store, backup, restore};

use super::{Orders, complete, deploy, file, node, number, sample, start, until_ended};
use crate::support::binary::binary;
use crate::support::postgres;
use crate::support::serve::Served;

async fn written(address: &str, to: &Path) {
    let store = Store::open_existing(address).await.expect("it opens");
    backup::write(&store, to, transhume::base::time::Timestamp(0), &mut |_, _| {}).await.expect("it is written");
    store.close().await;
}

/// All rows of transactions, but the partition's own and the row that the restore adds.
async fn dump(address: &str) -> BTreeMap<&'static str, Vec<String>> {
    let store = Store::open_existing(address).await.expect("it opens");
    let mut dump = store.dump().await.expect("it reads");
    store.close().await;
    dump.values_mut().for_each(|rows| rows.retain(|row| !row.contains("cause=\"restore\"")));
    dump
}

/// From a file to PostgreSQL, where instances spread over its partitions, and back to a file, which then has as many.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_goes_to_either_database_and_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut from = file(folder.path());
    let first = node(&from, &Orders::default()).await;
    sample(&first).await;
    let mut waiting = vec![start(&first, "short", "north").await];
    first.shutdown().await;
    let mut stations = vec![format!("sqlite:{}", folder.path().join("second.db").display())];
    if let Some(url) = postgres::database("a_backup_goes_to_either_database_and_back").await {
        stations.insert(0, url);
    }
    for (number, to) in stations.into_iter().enumerate() {
        let backup = folder.path().join(format!("{number}.backup"));
        written(&from, &backup).await;
        restore::read(&backup, &to, &mut |_, _| {}).await.expect("it is restored");
        assert_eq!(dump(&to).await, dump(&from).await, "{to}: not the same rows");
        let full = restore::read(&backup, &to, &mut |_, _| {}).await.expect_err("there is something in it now");
        assert!(full.to_string().contains("not empty"), "{full}");
        let store = Store::open_existing(&to).await.expect("it opens");
        let report = inspect(&store, &mut |_| {}).await.expect("it reads");
        assert_eq!(report.violations, [], "{to}");
        store.close().await;
        let node = node(&to, &Orders::default()).await;
        let fresh = start(&node, "short", "north").await;
        assert!(fresh.0 > waiting[0].0 + RESTORE_IDS_SKIPPED, "{to}: numbers jump ahead");
        for id in waiting.drain(..) {
            complete(&node, id, "qt").await;
            until_ended(&node, id).await;
        }
        waiting.push(fresh);
        for _ in 0..130 {
            waiting.push(start(&node, "short", "north").await);
        }
        let partitions: BTreeSet<PartitionId> = waiting.iter().map(|id| id.partition()).collect();
        assert!(to.starts_with("sqlite:") || partitions.len() > 2, "{partitions:?}");
        node.shutdown().await;
        from = to;
    }
}

/// The lost time has ordered; the restored one orders again, under the same key, so that the other side knows it.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_lost_time_ordered_carries_the_same_key_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let address = file(folder.path());
    let lost = Orders::default();
    let node = node(&address, &lost).await;
    deploy(&node, "north").await;
    let id = start(&node, "ordering", "north").await;
    let backup = folder.path().join("one.backup");
    written(&address, &backup).await;
    complete(&node, id, "wait").await;
    until_ended(&node, id).await;
    let later = start(&node, "ordering", "north").await;
    let epoch = number(&address, "SELECT epoch FROM partition WHERE id = 0").await;
    node.shutdown().await;
    let place = format!("sqlite:{}", folder.path().join("restored.db").display());
    restore::read(&backup, &place, &mut |_, _| {}).await.expect("it is restored");
    assert!(number(&place, "SELECT epoch FROM partition WHERE id = 0").await > epoch, "the old owner is out");
    let again = Orders::default();
    let node = super::node(&place, &again).await;
    complete(&node, id, "wait").await;
    until_ended(&node, id).await;
    let keys = again.0.lock().expect("ours").clone();
    assert_eq!(keys, *lost.0.lock().expect("ours"), "the other system finds its order by this key");
    assert_eq!(keys.len(), 1);
    let new = start(&node, "ordering", "north").await;
    assert!(new > later, "no id of the lost time is given again");
    complete(&node, new, "wait").await;
    until_ended(&node, new).await;
    assert_ne!(again.0.lock().expect("ours").last(), keys.last(), "a new order has a key of its own");
    node.shutdown().await;
}

#[tokio::test]
async fn a_bad_file_is_refused_and_nothing_is_restored() {
    let folder = tempfile::tempdir().expect("a folder");
    let address = file(folder.path());
    let node = node(&address, &Orders::default()).await;
    sample(&node).await;
    node.shutdown().await;
    let good = folder.path().join("good.backup");
    written(&address, &good).await;
    let bytes = std::fs::read(&good).expect("it is there");
    let text = |lines: &[String]| {
        let mut out = b"transhume-backup 1\n".to_vec();
        let mut packer = GzEncoder::new(&mut out, Compression::fast());
        lines.iter().for_each(|line| writeln!(packer, "{line}").expect("it is packed"));
        packer.finish().expect("it is packed");
        out
    };
    let header =
        |schema: i64| json!({"schema": schema, "made_at": 0, "program": "9", "database": "sqlite"}).to_string();
    let mut flipped = bytes.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    let mut longer = bytes.clone();
    longer.extend_from_slice(b"more");
    let newer = [b"transhume-backup 2\n".as_slice(), &bytes[19..]].concat();
    let table =
        json!({"table": "scope", "columns": [["instance", "int"], ["scope", "int"], ["body", "text"]]}).to_string();
    let evil = json!({"table": "scope; DROP TABLE job", "columns": [["instance", "int"]]}).to_string();
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty", Vec::new(), "no backup"),
        ("foreign", b"PK\x03\x04 something else entirely".to_vec(), "no backup"),
        ("only the first line", bytes[..19].to_vec(), "damaged or was cut off"),
        ("cut in the middle", bytes[..bytes.len() / 2].to_vec(), "damaged or was cut off"),
        ("cut at the end", bytes[..bytes.len() - 1].to_vec(), "damaged or was cut off"),
        ("flipped", flipped, "damaged or was cut off"),
        ("longer", longer, "damaged or was cut off"),
        ("newer format", newer, "a newer program"),
        ("newer tables", text(&[header(999)]), "a newer program"),
        ("no end", text(&[header(1), table.clone(), "[1, 2, \"x\"]".into()]), "ends too early"),
        ("row of another width", text(&[header(1), table.clone(), "[1]".into()]), "does not fit"),
        ("value of another kind", text(&[header(1), table, "[1, \"2\", \"x\"]".into()]), "does not fit"),
        ("a statement as a name", text(&[header(1), evil]), "name"),
    ];
    for (name, content, words) in cases {
        let bad = folder.path().join("bad.backup");
        std::fs::write(&bad, content).expect("it is written");
        let target = folder.path().join("target.db");
        let error = restore::read(&bad, &format!("sqlite:{}", target.display()), &mut |_, _| {}).await;
        let error = error.expect_err(name).to_string();
        assert!(error.contains(words), "{name}: {error}");
        assert!(!target.exists(), "{name}: nothing is made");
    }
    assert!(restore::examine(&good).is_ok_and(|contents| contents.rows["process_instance"] == 5));
    let again = Store::open_existing(&address).await.expect("it opens");
    let error = backup::write(&again, &good, transhume::base::time::Timestamp(0), &mut |_, _| {}).await;
    assert!(error.expect_err("it is there").to_string().contains("there already"));
}

const USER: &[u8] = br#"<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" targetNamespace="t"><process id="load" isExecutable="true">
<startEvent id="s"/><sequenceFlow id="f" sourceRef="s" targetRef="t"/><userTask id="t"/><sequenceFlow id="g" sourceRef="t" targetRef="e"/><endEvent id="e"/></process></definitions>"#;

/// The program itself under load: a backup while it works, a kill, a restore elsewhere; the instances go on.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_under_load_is_backed_up_and_goes_on_elsewhere() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut places = vec![(file(folder.path()), format!("sqlite:{}", folder.path().join("new.db").display()))];
    if let (Some(from), Some(to)) = (postgres::database("under_load").await, postgres::database("under_load").await) {
        places.push((from, to));
    }
    for (round, (from, to)) in places.into_iter().enumerate() {
        let served = Arc::new(Served::on(&from).await);
        assert_eq!(served.deploy(&[("load.bpmn", USER)]).await.status, 200);
        let start = "/engine-rest/process-definition/key/load/start";
        assert_eq!(served.post(start, &json!({"businessKey": "first"})).await.status, 200);
        let clients: Vec<_> = (0..4)
            .map(|client| {
                let served = Arc::clone(&served);
                tokio::spawn(async move {
                    for number in 0.. {
                        let key = format!("{client}-{number}");
                        let Some(begun) = served.keyed(start, &json!({"businessKey": key}), &key).await else { return };
                        assert_eq!(begun.status, 200, "{begun:?}");
                    }
                })
            })
            .collect();
        let backup = folder.path().join(format!("load-{round}.backup"));
        let ran = run(&["backup", "--database", &from, "--to", &backup.display().to_string()]).await;
        assert_eq!(ran.0, Some(0), "{ran:?}");
        served.signal("KILL");
        for client in clients {
            client.await.expect("a client ends when its server is gone");
        }
        let backup = backup.display().to_string();
        let ran = run(&["restore", "--from", &backup, "--database", &to]).await;
        assert_eq!(ran.0, Some(0), "{ran:?}");
        let ran = run(&["verify", "--database", &to]).await;
        assert_eq!(ran.0, Some(0), "{ran:?}");
        let next = Served::on(&to).await;
        let found = next.get("/engine-rest/task?processInstanceBusinessKey=first").await;
        let task = found.body[0]["id"].as_str().expect("it waits").to_owned();
        let done = next.post(&format!("/engine-rest/task/{task}/complete"), &json!({})).await;
        assert_eq!(done.status, 204, "{done:?}");
    }
}

async fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut program = tokio::process::Command::new(binary());
    let done = program.args(arguments).output().await.expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (done.status.code(), text(&done.stdout), text(&done.stderr))
}
