//! vSphere Replication: the paper's 25 servers over one link, exactly as long as the paper says.

use serde_json::{Value, json};
use tempfile::tempdir;
use transhume::demo::counterpart::Options;
use transhume::handlers::Outcome;

use super::{Outside, START, at};

/// 4:10:25.
const TRANSFER: i64 = 15_025_000;

async fn servers(outside: &Outside) -> Vec<Value> {
    let told = outside.done("vcenter.inventory", json!({"connection": "vcenter-source"})).await;
    let list = told["servers"].as_array().unwrap().clone();
    list.into_iter()
        .map(|one| {
            let gb: f64 = one["disks"].as_array().unwrap().iter().map(|disk| disk["gb"].as_f64().unwrap()).sum();
            json!({"moref": one["moref"], "name": one["name"], "gb": gb})
        })
        .collect()
}

#[tokio::test]
async fn twenty_five_servers_take_four_hours_ten_minutes_twenty_five_seconds() {
    let folder = tempdir().unwrap();
    let outside = Outside::start(folder.path(), Options::default()).await;
    let vms = servers(&outside).await;
    let input = json!({"connection": "vr", "vms": vms, "rpoMinutes": 15});
    let told = outside.done("vr.configure", input.clone()).await;
    let ids = told["replications"].clone();
    assert_eq!(ids.as_array().unwrap().len(), 25);
    let again = outside.done("vr.configure", input).await;
    assert_eq!(again["replications"], ids, "a repeat finds them");
    assert_eq!(again["tasks"], json!([]));
    let status = json!({"connection": "vr", "replications": ids});
    for passed in [0, 1000, 4_356_000, 9_999_999, TRANSFER - 1] {
        outside.clock.set(START + passed);
        let told = outside.done("vr.status", status.clone()).await;
        assert_eq!(told["ready"], json!(false), "after {passed}");
        assert_eq!(told["expectedAt"], at(TRANSFER), "after {passed}");
        assert_eq!(told["totalGb"], json!(750.0));
    }
    outside.clock.set(START + TRANSFER);
    let told = outside.done("vr.status", status.clone()).await;
    assert_eq!(told["ready"], json!(true));
    assert_eq!(told["sentGb"], json!(271.3));
    assert_eq!(told["transferredGb"], json!(750.0));
    let delta = outside.done("vr.sync", status.clone()).await;
    assert_eq!(delta["ready"], json!(false));
    assert_eq!(delta["expectedAt"], at(TRANSFER + 120_000));
    outside.clock.pass(120_000);
    assert_eq!(outside.done("vr.status", status).await["ready"], json!(true));
}

#[tokio::test]
async fn a_part_of_the_servers_waits_for_the_same_link() {
    let folder = tempdir().unwrap();
    let outside = Outside::start(folder.path(), Options::default()).await;
    let vms = servers(&outside).await;
    let mut ids = Vec::new();
    for part in vms.chunks(5) {
        let told = outside.done("vr.configure", json!({"connection": "vr", "vms": part})).await;
        ids.push(told["replications"].clone());
    }
    for (at_part, part) in ids.iter().enumerate() {
        let told = outside.done("vr.status", json!({"connection": "vr", "replications": part})).await;
        let sent = (at_part as i64 + 1) * 5 * 426_760;
        assert_eq!(told["expectedAt"], at(4_356_000 + sent), "part {at_part}");
    }
}

#[tokio::test]
async fn replicas_stay_or_go_with_their_replication() {
    let folder = tempdir().unwrap();
    let outside = Outside::start(folder.path(), Options::default()).await;
    let vms = json!([{"moref": "vm-101", "name": "web-01", "gb": 30}, {"moref": "vm-102", "name": "web-02", "gb": 30}]);
    let capable = outside.done("vr.capability", json!({"connection": "vr", "vm": "vm-101"})).await;
    assert_eq!(capable, json!({"capable": true, "reasons": []}));
    let told = outside.done("vr.configure", json!({"connection": "vr", "vms": vms})).await;
    let ids = told["replications"].as_array().unwrap().clone();
    let gone = json!({"connection": "vr", "replications": [ids[0]], "retainDisks": false});
    for _ in 0..2 {
        outside.done("vr.unconfigure", gone.clone()).await;
    }
    let kept = json!({"connection": "vr", "replications": [ids[1]], "retainDisks": "true"});
    outside.done("vr.unconfigure", kept).await;
    let target = outside.done("vcenter.inventory", json!({"connection": "vcenter-target"})).await;
    assert_eq!(target["servers"].as_array().unwrap().len(), 1);
    assert_eq!(target["servers"][0]["name"], json!("web-02"));
}

#[tokio::test]
async fn what_cannot_be_replicated_is_told_before_anything_begins() {
    let folder = tempdir().unwrap();
    let outside = Outside::start(folder.path(), Options::default()).await;
    let input = json!({"connection": "vr", "vms": [{"moref": "vm-999", "name": "gone", "gb": 1}]});
    let refused = outside.run("vr.configure", input).await;
    assert!(matches!(&refused, Outcome::Fail(words) if words.contains("404")), "{refused:?}");
    let rpo = json!({"connection": "vr", "vms": [], "rpoMinutes": 1});
    assert!(matches!(outside.run("vr.configure", rpo).await, Outcome::Fail(_)));
}

#[tokio::test]
async fn a_forgotten_session_is_renewed() {
    let folder = tempdir().unwrap();
    let outside = Outside::start(folder.path(), Options::default()).await;
    let input = json!({"connection": "vr", "vm": "vm-101"});
    outside.done("vr.capability", input.clone()).await;
    outside.counterparts.forget_sessions();
    outside.done("vr.capability", input).await;
}
