//! vCenter: discovery of the paper's workload, power with what was really seen, snapshots and hosts once.

use serde_json::{Value, json};
use tempfile::tempdir;
use transhume::demo::counterpart::{Counterparts, Options};
use transhume::handlers::{Config, Connections, Outcome, Registry, Secrets};

use super::{Outside, TestClock, code, run, task};

fn vm(moref: &str) -> Value {
    json!({"connection": "vcenter-source", "vm": moref})
}

#[tokio::test]
async fn discovery_sees_the_papers_workload() {
    let folder = tempdir().unwrap();
    let outside = Outside::start(folder.path(), Options::default()).await;
    let told = outside.done("vcenter.inventory", json!({"connection": "vcenter-source"})).await;
    let servers = told["servers"].as_array().unwrap();
    let gb: f64 =
        servers.iter().flat_map(|one| one["disks"].as_array().unwrap()).map(|disk| disk["gb"].as_f64().unwrap()).sum();
    assert_eq!((servers.len(), gb), (25, 750.0));
    let windows = servers.iter().filter(|one| one["os"].as_str().unwrap().contains("Windows"));
    assert_eq!(windows.count(), 15);
    assert_eq!(
        servers[0],
        json!({
            "moref": "vm-101", "name": "web-01", "os": "CentOS 7 (64-bit)", "cpu": 2, "memoryMb": 4096,
            "disks": [{"gb": 30.0}],
            "nics": [{"mac": "00:50:56:aa:00:01", "ip": "10.10.1.11", "ips": ["10.10.1.11"], "network": "VLAN-101"}],
            "powerState": "poweredOn", "tools": true, "snapshots": [], "host": "esx-01.customer.example",
        })
    );
    assert_eq!(told["hosts"], json!([{"moref": "host-1", "name": "esx-01.customer.example"}]));
    assert_eq!(told["networks"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn power_is_reported_as_it_is_seen() {
    let folder = tempdir().unwrap();
    let outside = Outside::start(folder.path(), Options::default()).await;
    let input = vm("vm-101");
    let told = outside.done("vcenter.vm-state", input.clone()).await;
    assert_eq!(told["ready"], json!(true));
    for _ in 0..2 {
        let told = outside.done("vcenter.shutdown", input.clone()).await;
        assert_eq!(told, json!({"powerState": "poweredOff"}));
    }
    for (topic, state) in [("vcenter.power-on", "poweredOn"), ("vcenter.power-off", "poweredOff")] {
        for _ in 0..2 {
            let told = outside.done(topic, input.clone()).await;
            assert_eq!(told, json!({"powerState": state}), "{topic}");
        }
    }
    let gone = outside.run("vcenter.power-on", vm("vm-999")).await;
    assert!(matches!(&gone, Outcome::Fail(words) if words.contains("vm-999")), "{gone:?}");
}

#[tokio::test]
async fn a_guest_that_does_not_stop_is_cut_only_when_allowed() {
    let folder = tempdir().unwrap();
    let mut options = Options::default();
    options.durations.shutdown = 60_000;
    let outside = Outside::start(folder.path(), options).await;
    let mut input = vm("vm-101");
    input["timeout"] = json!("PT0.05S");
    let late = outside.run("vcenter.shutdown", input.clone()).await;
    assert_eq!(code(&late), "TIMEOUT");
    assert_eq!(outside.done("vcenter.vm-state", input.clone()).await["powerState"], json!("poweredOn"));
    input["force"] = json!("true");
    let cut = outside.done("vcenter.shutdown", input).await;
    assert_eq!(cut, json!({"powerState": "poweredOff"}));
}

#[tokio::test]
async fn snapshots_and_hosts_are_made_once() {
    let folder = tempdir().unwrap();
    let outside = Outside::start(folder.path(), Options::default()).await;
    let mut input = vm("vm-101");
    input["name"] = json!("before <wave> 1 & more");
    let first = outside.done("vcenter.snapshot", input.clone()).await;
    assert_eq!(outside.done("vcenter.snapshot", input.clone()).await, first);
    input["name"] = json!("other");
    assert_ne!(outside.done("vcenter.snapshot", input).await, first);
    let host = json!({"connection": "vcenter-target", "host": "10.60.0.12", "user": "root", "secret": "secret://host-password"});
    let first = outside.done("vcenter.add-host", host.clone()).await;
    assert_eq!(outside.done("vcenter.add-host", host.clone()).await, first);
    assert_eq!(first["host"]["name"], json!("10.60.0.12"));
    let mut wrong = host;
    wrong["host"] = json!("10.60.0.13");
    wrong["secret"] = json!("secret://vpn-psk");
    let refused = outside.run("vcenter.add-host", wrong).await;
    assert!(matches!(&refused, Outcome::Fail(words) if words.contains("InvalidLogin")), "{refused:?}");
}

#[tokio::test]
async fn a_wrong_password_and_a_dead_host_are_modelled_errors_of_discovery() {
    let folder = tempdir().unwrap();
    let clock = TestClock::new();
    let counterparts = Counterparts::start(folder.path(), clock.clone(), Options::default()).await.unwrap();
    let mut source = counterparts.connections().get("", "vcenter-source").unwrap().clone();
    let mut dead = source.clone();
    dead.name = "dead".into();
    dead.address = "http://127.0.0.1:9/sdk".into();
    source.name = "wrong".into();
    let mut secrets = Secrets::default();
    secrets.set("", "demo-password", "not the password");
    let registry = Registry::standard(Config {
        connections: Connections::new(vec![source, dead]).unwrap(),
        secrets,
        ..Config::default()
    });
    for (connection, expected) in [("wrong", "AUTH"), ("dead", "UNREACHABLE")] {
        let job = task("vcenter.inventory", json!({ "connection": connection }), "key");
        assert_eq!(code(&run(&registry, &clock, job).await), expected);
    }
    let unknown = task("vcenter.inventory", json!({"connection": "other"}), "key");
    assert!(matches!(run(&registry, &clock, unknown).await, Outcome::Fail(_)));
}

#[tokio::test]
async fn a_forgotten_session_is_renewed_and_the_state_survives_a_kill() {
    let folder = tempdir().unwrap();
    let outside = Outside::start(folder.path(), Options::default()).await;
    outside.done("vcenter.power-off", vm("vm-101")).await;
    outside.counterparts.forget_sessions();
    let told = outside.done("vcenter.vm-state", vm("vm-101")).await;
    assert_eq!(told["powerState"], json!("poweredOff"));
    let clock = outside.clock.clone();
    let ended = tokio::time::timeout(std::time::Duration::from_secs(10), outside.counterparts.shutdown());
    ended.await.expect("idle connections do not hold it up");
    let outside = Outside::with_clock(folder.path(), Options::default(), clock).await;
    let told = outside.done("vcenter.vm-state", vm("vm-101")).await;
    assert_eq!(told["powerState"], json!("poweredOff"));
}
