//! Catalogue and orders. An order's container names what is wanted by its `complexType`.

use serde_json::{Value, json};

use super::{Answer, Call, Refusal, Resource, Ware, append_order, filter, object};
use crate::base::time::Timestamp;
use crate::demo::counterpart::world::World;

/// Package id, key, name, and what a month costs.
const CATALOGUE: &[(u64, &str, &str, Ware, f64)] = &[
    (200, "BARE_METAL_SERVER", "Bare Metal Server", Ware::Host, 850.0),
    (174, "NETWORK_GATEWAY_APPLIANCE", "Network Gateway Appliance", Ware::Gateway, 1260.0),
    (835, "PUBLIC_CLOUD_SERVER", "Cloud Server", Ware::VirtualServer, 118.5),
    (571, "NETWORK_VLAN", "Network VLAN", Ware::Vlan, 0.0),
];

pub(super) fn run(world: &World, call: &Call) -> Answer {
    match (call.service.as_str(), call.method.as_str()) {
        ("SoftLayer_Product_Package", "getAllObjects") => Ok(packages(call)),
        ("SoftLayer_Product_Package", "getItems" | "getItemPrices") => items(call),
        ("SoftLayer_Product_Order", "verifyOrder") => verify(container(call)?),
        ("SoftLayer_Product_Order", "placeOrder") => place(world, container(call)?),
        (service, method) => Err(Refusal::Absent(format!("{service}::{method} is not offered here"))),
    }
}

fn packages(call: &Call) -> Value {
    let all =
        CATALOGUE.iter().map(|(id, key, name, _, _)| json!({"id": id, "keyName": key, "name": name, "isActive": 1}));
    let kept = all.filter(|one| call.filter.as_ref().is_none_or(|wanted| filter::matches(wanted, one)));
    kept.collect()
}

fn items(call: &Call) -> Answer {
    let found = CATALOGUE.iter().find(|(id, ..)| Some(*id) == call.id);
    let (id, key, name, _, fee) = found.ok_or_else(|| super::missing(call.id))?;
    Ok(json!([{
        "id": id * 10,
        "keyName": format!("{key}_STANDARD"),
        "description": name,
        "prices": [{"id": id * 100, "recurringFee": fee.to_string(), "locationGroupId": null}],
    }]))
}

/// What is wanted, of one order.
struct Wanted<'a> {
    ware: Ware,
    key: &'a str,
    domain: &'a str,
    container: &'a Value,
}

fn container(call: &Call) -> Result<Wanted<'_>, Refusal> {
    let wrong = |words: &str| Refusal::Error("SoftLayer_Exception_Order_InvalidContainer", words.to_owned());
    let container = call.arguments.first().ok_or_else(|| wrong("No container was given."))?;
    let kind = container["complexType"].as_str().unwrap_or_default();
    let (ware, list) = match kind.trim_start_matches("SoftLayer_Container_Product_Order_") {
        "Hardware_Server_Gateway_Appliance" => (Ware::Gateway, "hardware"),
        "Hardware_Server" => (Ware::Host, "hardware"),
        "Virtual_Guest" => (Ware::VirtualServer, "virtualGuests"),
        "Network_Vlan" => (Ware::Vlan, ""),
        _ => return Err(wrong("The container's complexType is not offered.")),
    };
    let package = container["packageId"].as_u64();
    if !CATALOGUE.iter().any(|(id, _, _, of, _)| Some(*id) == package && *of == ware) {
        return Err(wrong("The package does not offer this."));
    }
    let (key, domain) = match list {
        "" => (container["name"].as_str(), Some("")),
        list => {
            let first = &container[list][0];
            (first["hostname"].as_str(), first["domain"].as_str())
        }
    };
    let key = key.filter(|key| !key.is_empty()).ok_or_else(|| wrong("Each item needs a host name."))?;
    Ok(Wanted { ware, key, domain: domain.unwrap_or_default(), container })
}

fn verify(wanted: Wanted<'_>) -> Answer {
    let quantity = wanted.container["quantity"].as_u64().unwrap_or(1);
    let fee = CATALOGUE.iter().find(|(_, _, _, ware, _)| *ware == wanted.ware);
    let fee = fee.map_or(0.0, |(_, _, _, _, fee)| *fee);
    let mut told = wanted.container.clone();
    told["prices"] = json!([{"recurringFee": fee.to_string(), "setupFee": "0"}]);
    told["postTaxRecurring"] = json!((fee * quantity as f64).to_string());
    told["currencyShortName"] = json!("USD");
    Ok(told)
}

fn place(world: &World, wanted: Wanted<'_>) -> Answer {
    if world.options.failures.order_rejected && wanted.ware == Ware::Host {
        return Err(Refusal::Error(
            "SoftLayer_Exception_Order_ItemUnavailable",
            "The requested server is out of stock in this data center.".to_owned(),
        ));
    }
    let placed = world.change(|state, now| {
        let state = &mut state.softlayer;
        let durations = &world.options.durations;
        let takes = match wanted.ware {
            Ware::Gateway => durations.gateway,
            Ware::Host => durations.host,
            Ware::VirtualServer => durations.virtual_server,
            Ware::Vlan => durations.vlan,
        };
        let (order, id) = (state.id(), state.id());
        let hardware = match wanted.ware {
            Ware::Gateway => state.id(),
            Ware::Host => id,
            Ware::VirtualServer | Ware::Vlan => 0,
        };
        let one = Resource {
            id,
            ware: wanted.ware,
            key: wanted.key.to_owned(),
            domain: wanted.domain.to_owned(),
            order,
            transaction: state.id(),
            billing: state.id(),
            hardware,
            placed: now,
            ready: now.plus_ms(takes),
            cancelled: None,
        };
        state.resources.insert(id, one.clone());
        one
    })?;
    append_order(world.folder(), &placed)?;
    Ok(receipt(&placed, wanted.container, placed.placed))
}

fn receipt(one: &Resource, container: &Value, at: Timestamp) -> Value {
    json!({
        "orderId": one.order,
        "orderDate": object::time(at),
        "placedOrder": {"id": one.order, "status": "PENDING_AUTO_APPROVAL"},
        "orderDetails": container,
    })
}
