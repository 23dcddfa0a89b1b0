//! `softlayer.verify-order`, `place-order`, `cancel`.
//!
//! An order is known by its key: the host name, or the VLAN's name. Before placing, the key is searched among resources and
//! orders, so an order whose answer was lost is found (`alreadyPlaced`) and not placed again. Placed but not yet listed is
//! asked again. A refusal of the service is the BPMN error `ORDER_REJECTED`.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Api, Failed, Ware, first, id};
use crate::base::variable::from_json;
use crate::handlers::input::{Count, Name};
use crate::handlers::{Answer, Cx, Job, Trouble};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Order {
    connection: String,
    kind: Ware,
    name: String,
    #[serde(default = "one")]
    quantity: Count,
    #[serde(default)]
    options: Map<String, Value>,
}

fn one() -> Count {
    Count(1)
}

impl Ware {
    /// Of the order's container.
    fn complex_type(self) -> &'static str {
        match self {
            Self::Gateway => "SoftLayer_Container_Product_Order_Hardware_Server_Gateway_Appliance",
            Self::Host => "SoftLayer_Container_Product_Order_Hardware_Server",
            Self::VirtualServer => "SoftLayer_Container_Product_Order_Virtual_Guest",
            Self::Vlan => "SoftLayer_Container_Product_Order_Network_Vlan",
        }
    }

    /// The catalogue's package, unless the options name another.
    fn package(self) -> &'static str {
        match self {
            Self::Gateway => "NETWORK_GATEWAY_APPLIANCE",
            Self::Host => "BARE_METAL_SERVER",
            Self::VirtualServer => "PUBLIC_CLOUD_SERVER",
            Self::Vlan => "NETWORK_VLAN",
        }
    }

    /// Where the account lists it, under which word of the filter, and which field holds the key.
    fn list(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Gateway => ("getNetworkGateways", "networkGateways", "name"),
            Self::Host => ("getHardware", "hardware", "hostname"),
            Self::VirtualServer => ("getVirtualGuests", "virtualGuests", "hostname"),
            Self::Vlan => ("getNetworkVlans", "networkVlans", "name"),
        }
    }

    pub(super) fn service(self) -> &'static str {
        match self {
            Self::Gateway => "SoftLayer_Network_Gateway",
            Self::Host => "SoftLayer_Hardware_Server",
            Self::VirtualServer => "SoftLayer_Virtual_Guest",
            Self::Vlan => "SoftLayer_Network_Vlan",
        }
    }
}

pub(super) async fn verify(job: Job, cx: Cx) -> Answer {
    let order: Order = job.input()?;
    let api = Api::new(&cx, &order.connection)?;
    let container = container(&api, &order).await?;
    let told = api.post("SoftLayer_Product_Order/verifyOrder", json!([container])).await;
    let told = told.map_err(|failed| rejected(failed, &order))?;
    Ok(from_json(json!({
        "valid": true,
        "price": price(&told, order.quantity.0),
        "currency": told["currencyShortName"].as_str().unwrap_or("USD"),
    })))
}

pub(super) async fn place(job: Job, cx: Cx) -> Answer {
    let order: Order = job.input()?;
    let api = Api::new(&cx, &order.connection)?;
    if let Some(placed) = find(&api, &order).await? {
        return Ok(told(placed, true));
    }
    if let Some(number) = pending(&api, &order).await? {
        return Err(not_listed(&order, number));
    }
    let container = container(&api, &order).await?;
    let receipt = api.post("SoftLayer_Product_Order/placeOrder", json!([container])).await;
    let receipt = receipt.map_err(|failed| rejected(failed, &order))?;
    let number = receipt["orderId"]
        .as_u64()
        .ok_or_else(|| Trouble::broken(format!("the receipt for {} has no order number", order.name)))?;
    match find(&api, &order).await? {
        Some(placed) => Ok(told(placed, false)),
        None => Err(not_listed(&order, number)),
    }
}

/// The next attempt finds the order by its key.
fn not_listed(order: &Order, number: u64) -> Trouble {
    Trouble::broken(format!("order {number} for {} is placed; what was ordered is not listed yet", order.name))
}

struct Placed {
    order: Option<u64>,
    resource: u64,
}

fn told(placed: Placed, already: bool) -> crate::base::variable::Variables {
    from_json(json!({
        "orderId": placed.order,
        "resourceId": placed.resource,
        "alreadyPlaced": already,
    }))
}

/// The resource of this key.
async fn find(api: &Api, order: &Order) -> Answer<Option<Placed>> {
    let (method, word, field) = order.kind.list();
    let billing = "billingItem[id,orderItem[order[id]]]";
    let mask = match order.kind {
        Ware::Gateway => format!("id,name,members[hardware[id,{billing}]]"),
        Ware::Host | Ware::VirtualServer => format!("id,hostname,{billing}"),
        Ware::Vlan => format!("id,name,{billing}"),
    };
    let filter = json!({word: {field: {"operation": order.name}}});
    let list = api.get(&format!("SoftLayer_Account/{method}"), &mask, Some(filter)).await;
    let list = list.map_err(|failed| failed.trouble("the search for an earlier order"))?;
    let Some(found) = first(list) else {
        return Ok(None);
    };
    let resource = found["id"].as_u64();
    let resource = resource.ok_or_else(|| Trouble::broken("a listed resource has no id"))?;
    let billed = match order.kind {
        Ware::Gateway => &found["members"][0]["hardware"],
        Ware::Host | Ware::VirtualServer | Ware::Vlan => &found,
    };
    Ok(Some(Placed { order: billed["billingItem"]["orderItem"]["order"]["id"].as_u64(), resource }))
}

/// The number of an order of this key whose resource is not listed yet; a VLAN is listed with its order.
async fn pending(api: &Api, order: &Order) -> Answer<Option<u64>> {
    if order.kind == Ware::Vlan {
        return Ok(None);
    }
    let filter = json!({"orders": {"items": {"hostName": {"operation": order.name}}}});
    let list = api.get("SoftLayer_Account/getOrders", "id,status,items[hostName]", Some(filter)).await;
    let list = list.map_err(|failed| failed.trouble("the search for an earlier order"))?;
    Ok(first(list).and_then(|found| found["id"].as_u64()))
}

/// The order as the service wants it; options beside ours are passed on as they are.
async fn container(api: &Api, order: &Order) -> Answer<Value> {
    let mut container = order.options.clone();
    let take = |container: &mut Map<String, Value>, name: &str| container.remove(name);
    let domain = take(&mut container, "domain");
    let package = match take(&mut container, "packageId") {
        Some(id) => id,
        None => {
            let key = take(&mut container, "package");
            let key = key.as_ref().and_then(Value::as_str).unwrap_or(order.kind.package());
            json!(package(api, key).await?)
        }
    };
    let prices = match take(&mut container, "prices") {
        Some(Value::Array(ids)) => {
            ids.into_iter().map(|id| if id.is_object() { id } else { json!({ "id": id }) }).collect()
        }
        Some(other) => other,
        None => Value::Array(Vec::new()),
    };
    container.insert("complexType".into(), order.kind.complex_type().into());
    container.insert("packageId".into(), package);
    container.insert("prices".into(), prices);
    container.insert("quantity".into(), order.quantity.0.into());
    let host = json!([{"hostname": order.name, "domain": domain.unwrap_or_else(|| json!("example.com"))}]);
    match order.kind {
        Ware::Gateway | Ware::Host => container.insert("hardware".into(), host),
        Ware::VirtualServer => container.insert("virtualGuests".into(), host),
        Ware::Vlan => container.insert("name".into(), json!(order.name)),
    };
    Ok(Value::Object(container))
}

async fn package(api: &Api, key: &str) -> Answer<u64> {
    let filter = json!({"keyName": {"operation": key}});
    let list = api.get("SoftLayer_Product_Package/getAllObjects", "id,keyName", Some(filter)).await;
    let list = list.map_err(|failed| failed.trouble("the search of the catalogue"))?;
    let found = first(list).and_then(|found| found["id"].as_u64());
    found.ok_or_else(|| {
        Trouble::wrong(format!("SoftLayer's catalogue has no package {key}: give options.package or options.packageId"))
    })
}

/// A month's price: the service's own sum, else of the single prices.
fn price(told: &Value, quantity: u64) -> f64 {
    let number = |value: &Value| {
        let text = value.as_str().and_then(|text| text.parse().ok());
        value.as_f64().or(text)
    };
    number(&told["postTaxRecurring"]).unwrap_or_else(|| {
        let prices = told["prices"].as_array().into_iter().flatten();
        prices.filter_map(|price| number(&price["recurringFee"])).sum::<f64>() * quantity as f64
    })
}

fn rejected(failed: Failed, order: &Order) -> Trouble {
    match failed {
        Failed::Refused { code, words } => {
            let words = format!("the order for {} was refused: {words} ({code})", order.name);
            Trouble::error("ORDER_REJECTED", words)
        }
        Failed::Absent | Failed::Trouble(_) => failed.trouble("the order"),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cancel {
    connection: String,
    kind: Ware,
    resource_id: Name,
}

/// Cancels now, not at the month's end. What is gone is cancelled; what is still being provisioned is `BUSY`.
pub(super) async fn cancel(job: Job, cx: Cx) -> Answer {
    let input: Cancel = job.input()?;
    let api = Api::new(&cx, &input.connection)?;
    let resource = id(&input.resource_id)?;
    let busy = |words: String| Trouble::error("BUSY", words);
    let what = format!("{:?} {resource}", input.kind);
    let mask = match input.kind {
        Ware::Gateway => "id,members[hardware[id,billingItem[id],activeTransaction[id]]]",
        Ware::Host | Ware::VirtualServer => "id,billingItem[id],activeTransaction[id]",
        Ware::Vlan => "id,billingItem[id]",
    };
    let path = format!("{}/{resource}/getObject", input.kind.service());
    let found = match api.get(&path, mask, None).await {
        Ok(found) => found,
        Err(Failed::Absent) => return Ok(from_json(json!({"cancelled": true}))),
        Err(failed) => return Err(failed.trouble(&what)),
    };
    let machine = match input.kind {
        Ware::Gateway => &found["members"][0]["hardware"],
        Ware::Host | Ware::VirtualServer | Ware::Vlan => &found,
    };
    if machine["activeTransaction"]["id"].is_u64() {
        return Err(busy(format!("{what} has an active transaction and cannot be cancelled yet")));
    }
    let done = match (input.kind, machine["billingItem"]["id"].as_u64()) {
        (Ware::VirtualServer, None) => {
            api.get(&format!("SoftLayer_Virtual_Guest/{resource}/deleteObject"), "", None).await
        }
        // without a billing item it is already on its way out
        (Ware::Gateway | Ware::Host | Ware::Vlan, None) => Ok(json!(true)),
        (_, Some(billing)) => {
            let path = format!("SoftLayer_Billing_Item/{billing}/cancelItem");
            api.post(&path, json!([true, true, "No longer needed", "Cancelled by its process"])).await
        }
    };
    match done {
        Ok(Value::Bool(true)) | Err(Failed::Absent) => Ok(from_json(json!({"cancelled": true}))),
        Ok(other) => Err(Trouble::broken(format!("the cancellation of {what} was answered by {other}"))),
        Err(Failed::Refused { words, .. }) => Err(busy(format!("{what} cannot be cancelled: {words}"))),
        Err(failed) => Err(failed.trouble(&what)),
    }
}
