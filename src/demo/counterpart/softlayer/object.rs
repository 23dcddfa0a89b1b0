//! The objects as the API shows them. Masks choose from these fields; a client must not depend on fewer coming.

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::{Attachment, Resource, State, Ticket, Ware};
use crate::base::time::Timestamp;

/// As the API writes instants, with the fraction where there is one.
pub(super) fn time(at: Timestamp) -> String {
    match jiff::Timestamp::from_millisecond(at.0) {
        Ok(instant) => {
            let zoned = instant.to_zoned(TimeZone::UTC);
            zoned.strftime("%Y-%m-%dT%H:%M:%S%.f+00:00").to_string()
        }
        Err(_) => String::new(),
    }
}

pub(super) fn resource(one: &Resource, state: &State, now: Timestamp) -> Value {
    match one.ware {
        Ware::Gateway => gateway(one, state, now),
        Ware::Host | Ware::VirtualServer => machine(one, now),
        Ware::Vlan => vlan(one, state, now),
    }
}

/// A server, bare metal or virtual; also the one under a gateway.
pub(super) fn machine(one: &Resource, now: Timestamp) -> Value {
    let ready = one.ready <= now;
    let id = if one.hardware == 0 { one.id } else { one.hardware };
    // an address of its own for each, inside one private network
    let last = (one.id % 200) + 10;
    let mut told = json!({
        "id": id,
        "hostname": one.key,
        "domain": one.domain,
        "fullyQualifiedDomainName": format!("{}.{}", one.key, one.domain),
        "createDate": time(one.placed),
        "provisionDate": ready.then(|| time(one.ready)),
        "primaryBackendIpAddress": format!("10.60.0.{last}"),
        "primaryIpAddress": format!("198.51.100.{last}"),
        "billingItem": billing(one),
    });
    if !ready {
        told["activeTransaction"] = transaction(one, now);
    }
    told
}

fn gateway(one: &Resource, state: &State, now: Timestamp) -> Value {
    let ready = one.ready <= now;
    let own = state.attachments.values().filter(|held| held.gateway == one.id);
    let routing = own.clone().any(|held| held.ready > now);
    let status = match (ready, routing) {
        (false, _) => "PROVISIONING",
        (true, true) => "UPDATING",
        (true, false) => "ACTIVE",
    };
    let vlans: Vec<Value> = own.map(|held| attachment(held, now)).collect();
    json!({
        "id": one.id,
        "name": one.key,
        "status": {"keyName": status},
        "insideVlans": vlans,
        "members": [{"id": one.hardware, "hardwareId": one.hardware, "hardware": machine(one, now)}],
    })
}

fn vlan(one: &Resource, state: &State, now: Timestamp) -> Value {
    let ready = one.ready <= now;
    let number = 1000 + one.id % 3000;
    let held = state.attachments.values().find(|held| held.vlan == one.id);
    let mut billing = billing(one);
    billing["provisionTransaction"] = match ready {
        true => {
            json!({"id": one.transaction, "transactionStatus": {"name": "COMPLETE", "averageDuration": "0"}})
        }
        false => transaction(one, now),
    };
    json!({
        "id": one.id,
        "name": one.key,
        "vlanNumber": ready.then_some(number),
        "billingItem": billing,
        "attachedNetworkGatewayVlan": held.map(|held| attachment(held, now)),
    })
}

pub(super) fn attachment(one: &Attachment, now: Timestamp) -> Value {
    json!({
        "id": one.id,
        "networkGatewayId": one.gateway,
        "networkVlanId": one.vlan,
        "bypassFlag": one.bypass,
        "statusTransaction": (one.ready > now).then(|| json!({"endDate": time(one.ready)})),
    })
}

pub(super) fn order(one: &Resource) -> Value {
    let host = (one.ware != Ware::Vlan).then_some(&one.key);
    json!({
        "id": one.order,
        "createDate": time(one.placed),
        "status": "APPROVED",
        "items": [{"id": one.billing, "hostName": host, "domainName": one.domain, "description": one.key}],
    })
}

pub(super) fn ticket(one: &Ticket, now: Timestamp) -> Value {
    let closed = one.closes <= now;
    let mut updates: Vec<Value> = one.text.iter().map(|text| json!({"entry": text, "editorType": "USER"})).collect();
    if closed {
        updates.push(json!({
            "entry": "Done as you asked.",
            "editorType": "EMPLOYEE",
            "createDate": time(one.closes),
        }));
    }
    json!({
        "id": one.id,
        "title": one.title,
        "status": {"name": if closed { "Closed" } else { "Open" }},
        "createDate": time(one.opened),
        "updates": updates,
    })
}

fn billing(one: &Resource) -> Value {
    json!({
        "id": one.billing,
        "createDate": time(one.placed),
        "orderItem": {"id": one.billing, "order": {"id": one.order}},
    })
}

fn transaction(one: &Resource, now: Timestamp) -> Value {
    let minutes = (one.ready.0 - one.placed.0) as f64 / 60_000.0;
    json!({
        "id": one.transaction,
        "createDate": time(one.placed),
        "elapsedSeconds": (now.0 - one.placed.0) / 1000,
        "transactionStatus": {
            "name": "PROVISION",
            "friendlyName": "Provisioning",
            "averageDuration": minutes.to_string(),
        },
    })
}
