//! SoftLayer: orders take their hours, are found again after a lost answer, and are placed once.

use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use tempfile::tempdir;
use transhume::demo::counterpart::{Failures, Options};
use transhume::handlers::Outcome;

use super::{HOUR, Outside, at, code, plain};

fn order(kind: &str, name: &str) -> Value {
    json!({"connection": "softlayer", "kind": kind, "name": name, "options": {"location": "FRANKFURT02"}})
}

fn placed(folder: &Path) -> Vec<Value> {
    let log = fs::read_to_string(folder.join("softlayer-orders.log")).unwrap_or_default();
    log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn the_maxima_in_sequence_are_sixteen_and_a_half_hours() {
    let folder = tempdir().unwrap();
    let outside = Outside::start(folder.path(), Options::default()).await;
    let mut passed = 0;
    for (kind, takes) in [("gateway", 8 * HOUR), ("vlan", 4 * HOUR), ("host", 4 * HOUR), ("virtual-server", HOUR / 2)] {
        let told = outside.done("softlayer.place-order", order(kind, kind)).await;
        assert_eq!(told["alreadyPlaced"], json!(false));
        let input = json!({"connection": "softlayer", "kind": kind, "resourceId": told["resourceId"]});
        let waiting = outside.done("softlayer.status", input.clone()).await;
        assert_eq!(waiting["ready"], json!(false), "{kind}");
        assert_eq!(waiting["expectedAt"], at(passed + takes), "{kind}");
        outside.clock.pass(takes - 1);
        let early = outside.done("softlayer.status", input.clone()).await;
        assert_eq!(early["ready"], json!(false), "{kind}");
        outside.clock.pass(1);
        let ready = outside.done("softlayer.status", input).await;
        assert_eq!(ready["ready"], json!(true), "{kind}");
        assert_eq!(ready["expectedAt"], Value::Null);
        passed += takes;
    }
    assert_eq!(passed, 16 * HOUR + HOUR / 2);
    let keys: Vec<Value> = placed(folder.path()).iter().map(|one| one["key"].clone()).collect();
    assert_eq!(keys, ["gateway", "vlan", "host", "virtual-server"]);
}

#[tokio::test]
async fn an_order_whose_answer_was_lost_is_found_and_not_placed_again() {
    let folder = tempdir().unwrap();
    let failures = Failures { lost_answers: 1, ..Failures::default() };
    let options = Options { failures, ..Options::default() };
    let outside = Outside::start(folder.path(), options).await;
    let lost = outside.run("softlayer.place-order", order("host", "esx-1")).await;
    assert!(matches!(lost, Outcome::Retry { .. }), "{lost:?}");
    assert_eq!(placed(folder.path()).len(), 1);
    let again = outside.done("softlayer.place-order", order("host", "esx-1")).await;
    assert_eq!(again["alreadyPlaced"], json!(true));
    assert_eq!(again["orderId"], placed(folder.path())[0]["order"]);
    let third = outside.done("softlayer.place-order", order("host", "esx-1")).await;
    assert_eq!(third["resourceId"], again["resourceId"]);
    assert_eq!(placed(folder.path()).len(), 1);
}

#[tokio::test]
async fn a_refused_order_is_a_modelled_error() {
    let folder = tempdir().unwrap();
    let failures = Failures { order_rejected: true, ..Failures::default() };
    let options = Options { failures, ..Options::default() };
    let outside = Outside::start(folder.path(), options).await;
    let refused = outside.run("softlayer.place-order", order("host", "esx-1")).await;
    assert_eq!(code(&refused), "ORDER_REJECTED");
    let wrong = json!({"connection": "softlayer", "kind": "host", "name": "esx-1", "options": {"packageId": 1}});
    assert_eq!(code(&outside.run("softlayer.verify-order", wrong).await), "ORDER_REJECTED");
    assert!(placed(folder.path()).is_empty());
    let other = outside.done("softlayer.place-order", order("gateway", "gw-1")).await;
    assert_eq!(other["alreadyPlaced"], json!(false));
}

#[tokio::test]
async fn an_order_is_verified_with_its_price() {
    let folder = tempdir().unwrap();
    let outside = Outside::start(folder.path(), Options::default()).await;
    let mut input = order("host", "esx");
    input["quantity"] = json!("2");
    let told = outside.done("softlayer.verify-order", input).await;
    assert_eq!(told, json!({"valid": true, "price": 1700.0, "currency": "USD"}));
}

#[tokio::test]
async fn a_vlan_is_routed_once_and_cancelled_when_it_is_free() {
    let folder = tempdir().unwrap();
    let mut options = Options::default();
    options.durations.attach = HOUR / 4;
    let outside = Outside::start(folder.path(), options).await;
    let gateway = outside.done("softlayer.place-order", order("gateway", "gw-1")).await;
    let vlan = outside.done("softlayer.place-order", order("vlan", "customer-101")).await;
    let cancel = |kind: &str, id: &Value| json!({"connection": "softlayer", "kind": kind, "resourceId": id});
    let busy = outside.run("softlayer.cancel", cancel("gateway", &gateway["resourceId"])).await;
    assert_eq!(code(&busy), "BUSY");
    outside.clock.pass(8 * HOUR);
    let pair = json!({"connection": "softlayer", "gateway": gateway["resourceId"], "vlan": vlan["resourceId"], "vlanNumber": 101});
    let first = outside.done("softlayer.attach-vlan", pair.clone()).await;
    assert_eq!(first["ready"], json!(false));
    assert_eq!(first["expectedAt"], at(8 * HOUR + HOUR / 4));
    let again = outside.done("softlayer.attach-vlan", pair).await;
    assert_eq!(again["attachment"], first["attachment"], "the same attachment");
    outside.clock.pass(HOUR / 4);
    let input = json!({"connection": "softlayer", "gateway": gateway["resourceId"]});
    let told = outside.done("softlayer.gateway-status", input).await;
    assert_eq!(told, json!({"ready": true, "status": "active", "expectedAt": null}));
    let attachment = json!({"connection": "softlayer", "attachment": first["attachment"]});
    for _ in 0..2 {
        outside.done("softlayer.detach-vlan", attachment.clone()).await;
        let gone = outside.done("softlayer.cancel", cancel("vlan", &vlan["resourceId"])).await;
        assert_eq!(gone, json!({"cancelled": true}));
    }
}

#[tokio::test]
async fn a_ticket_is_opened_once_per_activation() {
    let folder = tempdir().unwrap();
    let outside = Outside::start(folder.path(), Options::default()).await;
    let input = json!({"connection": "softlayer", "subject": "VLAN 101", "text": "Please"});
    let open = |key: &'static str| outside.attempt("softlayer.create-ticket", input.clone(), key);
    let Outcome::Complete(first) = open("a").await else { panic!("opened") };
    assert_eq!(open("a").await, Outcome::Complete(first.clone()));
    assert_ne!(open("b").await, Outcome::Complete(first.clone()));
    let status = json!({"connection": "softlayer", "ticket": plain(&first)["ticket"]});
    let told = outside.done("softlayer.ticket-status", status.clone()).await;
    assert_eq!(told["closed"], json!(false));
    outside.clock.pass(4 * HOUR);
    let told = outside.done("softlayer.ticket-status", status).await;
    assert_eq!(told["closed"], json!(true));
    assert_eq!(told["answer"], json!("Done as you asked."));
}

#[tokio::test]
async fn the_outside_keeps_its_state_over_a_kill() {
    let folder = tempdir().unwrap();
    let outside = Outside::start(folder.path(), Options::default()).await;
    let told = outside.done("softlayer.place-order", order("host", "esx-1")).await;
    let clock = outside.clock.clone();
    clock.pass(HOUR);
    drop(outside);
    // killed after the state was written and before the log was: the log is completed from the state
    fs::write(folder.path().join("softlayer-orders.log"), "{\"time\":\"20").unwrap();
    let outside = Outside::with_clock(folder.path(), Options::default(), clock).await;
    assert_eq!(placed(folder.path()).len(), 1);
    let again = outside.done("softlayer.place-order", order("host", "esx-1")).await;
    assert_eq!(again["resourceId"], told["resourceId"]);
    let input = json!({"connection": "softlayer", "kind": "host", "resourceId": told["resourceId"]});
    let waiting = outside.done("softlayer.status", input).await;
    assert_eq!(waiting["expectedAt"], at(4 * HOUR));
    assert_eq!(placed(folder.path()).len(), 1);
}
