//! The gateway: rendered by a script, pushed with automatic return, up when both halves are in place, removed without a rest.

use serde_json::{Value, json};
use tempfile::tempdir;
use transhume::demo::counterpart::{Failures, OnPremise, Options};
use transhume::handlers::{Config, Connections, Outcome, Registry, registry};

use super::{Outside, TestClock, code, run, task};

fn plan() -> Value {
    json!({
        "peer": "203.0.113.1",
        "cloudAddress": "203.0.113.2",
        "psk": "secret://vpn-psk",
        "ike": {"version": 2, "encryption": "aes256", "hash": "sha256", "dhGroup": 14},
        "onPremisePrefixes": ["10.10.0.0/16"],
        "cloudPrefixes": ["10.60.0.0/16", "10.61.0.0/16"],
        "vlans": [{"onPremise": 101, "cloud": 241, "testHost": "10.10.1.11"}],
    })
}

fn rendered(part: &str, plan: &Value) -> Value {
    json!({"dialect": "vyos-1.4", "part": part, "plan": plan})
}

async fn lines(outside: &Outside, part: &str) -> Value {
    outside.done("gateway.render", rendered(part, &plan())).await["lines"].clone()
}

#[tokio::test]
async fn both_halves_and_the_bridge_are_rendered() {
    let folder = tempdir().unwrap();
    let outside = Outside::start(folder.path(), Options::default()).await;
    let text = |lines: &Value| {
        let lines = lines.as_array().unwrap().iter();
        lines.map(|line| line.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let cloud = text(&lines(&outside, "cloud").await);
    assert_eq!(cloud.len(), 29, "{cloud:#?}");
    for wanted in [
        "set interfaces ethernet eth1 vif 241 description 'customer VLAN 241'",
        "set vpn ipsec esp-group CMO-ESP pfs 'dh-group14'",
        "set vpn ipsec authentication psk CMO-PSK secret 'secret://vpn-psk'",
        "set vpn ipsec site-to-site peer ONPREM remote-address '203.0.113.1'",
        "set vpn ipsec site-to-site peer ONPREM tunnel 0 local prefix '10.61.0.0/16'",
    ] {
        assert!(cloud.contains(&wanted.to_owned()), "{wanted} is not in {cloud:#?}");
    }
    let customer = text(&lines(&outside, "on-premise").await);
    assert!(customer.contains(&"set interfaces ethernet eth1 vif 101 description 'customer VLAN 101'".to_owned()));
    assert!(customer.contains(&"set vpn ipsec site-to-site peer CLOUD remote-address '203.0.113.2'".to_owned()));
    let bridge = text(&lines(&outside, "bridge").await);
    assert_eq!(bridge[5], "set interfaces bridge br241 member interface eth1.241");
}

#[tokio::test]
async fn a_plan_that_cannot_be_is_refused() {
    let folder = tempdir().unwrap();
    let outside = Outside::start(folder.path(), Options::default()).await;
    let cases = [
        ("/peer", json!(null)),
        ("/peer", json!("203.0.113.1'; reboot; '")),
        ("/peer", json!("$(reboot)\nreboot")),
        ("/psk", json!("the key itself")),
        ("/ike", json!("strong")),
        ("/ike/dhGroup", json!("many")),
        ("/cloudPrefixes", json!([])),
        ("/vlans/0/cloud", json!(5000)),
    ];
    for (at, value) in cases {
        let mut plan = plan();
        *plan.pointer_mut(at).unwrap() = value.clone();
        let refused = outside.run("gateway.render", rendered("cloud", &plan)).await;
        assert_eq!(code(&refused), "BAD_PLAN", "{at} {value}: {refused:?}");
    }
    assert_eq!(code(&outside.run("gateway.render", rendered("all", &plan())).await), "BAD_PLAN");
    let unknown = outside.run("gateway.render", json!({"dialect": "ios", "part": "cloud", "plan": plan()})).await;
    assert!(matches!(&unknown, Outcome::Fail(words) if words.contains("gateway-ios.rhai")), "{unknown:?}");
}

#[tokio::test]
async fn a_push_is_confirmed_and_a_repeat_changes_nothing() {
    let folder = tempdir().unwrap();
    let options = Options { on_premise: OnPremise::WhenConfirmed, ..Options::default() };
    let outside = Outside::start(folder.path(), options).await;
    let push = json!({"connection": "gateway", "lines": lines(&outside, "cloud").await, "confirmWithin": "PT10M"});
    let state = json!({"connection": "gateway"});
    assert_eq!(outside.done("gateway.tunnel-state", state.clone()).await["state"], json!("none"));
    let told = outside.done("gateway.push", push.clone()).await;
    assert_eq!(told["changed"], json!(true));
    assert_eq!(told["revision"], json!("0   revision 1 by demo via cli"));
    assert_eq!(outside.done("gateway.push", push).await["changed"], json!(false));
    outside.clock.pass(3_600_000);
    let down = outside.done("gateway.tunnel-state", state.clone()).await;
    assert_eq!(down, json!({"ready": false, "state": "down", "status": "down"}), "confirmed, so still configured");
    outside.counterparts.confirm_on_premise().unwrap();
    assert_eq!(outside.done("gateway.tunnel-state", state).await["ready"], json!(true));
    let psk = std::fs::read_to_string(folder.path().join("counterparts.json")).unwrap();
    assert!(psk.contains("secret psk-"), "the device has the key itself");
    assert!(!psk.contains("secret://"));
}

#[tokio::test]
async fn a_failed_probe_returns_to_the_configuration_before() {
    let folder = tempdir().unwrap();
    let failures = Failures { tunnel_down: true, ..Failures::default() };
    let outside = Outside::start(folder.path(), Options { failures, ..Options::default() }).await;
    let mut push = json!({"connection": "gateway", "lines": lines(&outside, "cloud").await, "confirmWithin": "PT5M"});
    push["probe"] = json!({"host": "10.10.1.11"});
    let failed = outside.run("gateway.push", push.clone()).await;
    assert_eq!(code(&failed), "COMMIT_FAILED");
    let state = json!({"connection": "gateway"});
    assert_eq!(outside.done("gateway.tunnel-state", state.clone()).await["state"], json!("down"), "not yet returned");
    outside.clock.pass(5 * 60_000);
    assert_eq!(outside.done("gateway.tunnel-state", state).await["state"], json!("none"), "returned by itself");
    push["probe"] = json!({"host": "10.60.0.9"});
    assert_eq!(outside.done("gateway.push", push).await["changed"], json!(true));
}

#[tokio::test]
async fn what_the_gateway_refuses_changes_nothing() {
    let folder = tempdir().unwrap();
    let outside = Outside::start(folder.path(), Options::default()).await;
    for bad in [
        json!(["set interfaces ethernet eth1 vif 5000 description 'x'"]),
        json!(["set nonsense at all"]),
        json!(["set vpn ipsec site-to-site peer ONPREM ike-group 'CMO-IKE'"]),
    ] {
        let push = json!({"connection": "gateway", "lines": bad});
        assert_eq!(code(&outside.run("gateway.push", push).await), "COMMIT_FAILED", "{bad}");
    }
    let injected = json!({"connection": "gateway", "lines": ["set system host-name 'x'; reboot"]});
    assert!(matches!(outside.run("gateway.push", injected).await, Outcome::Fail(_)));
    assert_eq!(outside.done("gateway.tunnel-state", json!({"connection": "gateway"})).await["state"], json!("none"));
}

#[tokio::test]
async fn bridges_and_tunnel_come_and_go_without_a_rest() {
    let folder = tempdir().unwrap();
    let outside = Outside::start(folder.path(), Options::default()).await;
    let cloud = lines(&outside, "cloud").await;
    outside.done("gateway.push", json!({"connection": "gateway", "lines": cloud})).await;
    let ping = json!({"connection": "gateway", "host": "10.10.1.11", "count": "5"});
    assert_eq!(outside.done("probe.ping", ping.clone()).await, json!({"ok": true, "lossPercent": 0.0, "rttMs": 12.35}));
    let bridge = json!({"connection": "gateway", "vlan": {"onPremise": 101, "cloud": 241}, "remote": "203.0.113.1"});
    let told = outside.done("gateway.bridge", bridge.clone()).await;
    assert_eq!((&told["bridge"], &told["changed"]), (&json!("br241"), &json!(true)));
    assert_eq!(outside.done("gateway.bridge", bridge).await["changed"], json!(false));
    for part in ["bridge", "cloud"] {
        let remove = json!({"connection": "gateway", "lines": lines(&outside, part).await});
        assert_eq!(outside.done("gateway.remove", remove.clone()).await, json!({"changed": true}), "{part}");
        assert_eq!(outside.done("gateway.remove", remove).await, json!({"changed": false}), "{part}");
    }
    let stored = std::fs::read_to_string(folder.path().join("counterparts.json")).unwrap();
    let stored: Value = serde_json::from_str(&stored).unwrap();
    assert_eq!(stored["gateway"]["running"], json!([]));
    assert_eq!(outside.done("probe.ping", ping).await["ok"], json!(false));
}

#[tokio::test]
async fn the_previous_configuration_is_loaded_again() {
    let folder = tempdir().unwrap();
    let outside = Outside::start(folder.path(), Options::default()).await;
    let load = json!({"connection": "gateway"});
    assert!(matches!(outside.run("gateway.load-previous", load.clone()).await, Outcome::Fail(_)));
    let push = json!({"connection": "gateway", "lines": lines(&outside, "cloud").await});
    outside.done("gateway.push", push).await;
    for _ in 0..2 {
        outside.done("gateway.load-previous", load.clone()).await;
        assert_eq!(outside.done("gateway.tunnel-state", load.clone()).await["state"], json!("none"));
    }
}

#[tokio::test]
async fn a_false_gateway_is_told_nothing() {
    let folder = tempdir().unwrap();
    let outside = Outside::start(folder.path(), Options::default()).await;
    let mut gateway = outside.counterparts.connections().get("", "gateway").unwrap().clone();
    let other = tempdir().unwrap();
    let other = Outside::start(other.path(), Options::default()).await;
    gateway.host_keys = vec![other.counterparts.gateway_host_key.clone()];
    let registry = Registry::standard(Config {
        connections: Connections::new(vec![gateway]).unwrap(),
        secrets: outside.counterparts.secrets(""),
        scripts: registry::scripts(),
        ..Config::default()
    });
    let job = task("gateway.tunnel-state", json!({"connection": "gateway"}), "key");
    let refused = run(&registry, &TestClock::new(), job).await;
    assert!(matches!(&refused, Outcome::Fail(words) if words.starts_with("host_key_changed")), "{refused:?}");
}
