//! SoftLayer (IBM Cloud Classic) REST v3.1: `/rest/v3.1/{Service}/{id?}/{method}.json`, Basic, GET without arguments, else POST
//! `{"parameters": […]}`, errors as `{"error", "code"}`, header `SoftLayer-Total-Items` on lists.
//!
//! Orders take the hours of the options. Every order really placed is a line of `softlayer-orders.log`: written after the
//! state that holds it and completed from there at a start, so the log has each order once, whenever the process is killed.

mod filter;
mod object;
mod order;

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State as Shared};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::httpd;
use super::world::World;
use crate::base::time::Timestamp;
use crate::demo::kept::write_whole;

const REQUESTS: &str = "softlayer-requests.log";
const ORDERS: &str = "softlayer-orders.log";

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct State {
    next: u64,
    resources: BTreeMap<u64, Resource>,
    attachments: BTreeMap<u64, Attachment>,
    tickets: BTreeMap<u64, Ticket>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Ware {
    Gateway,
    Host,
    VirtualServer,
    Vlan,
}

/// What was ordered. Its parts have ids of their own, as the real system gives them.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Resource {
    id: u64,
    ware: Ware,
    /// The host name, or the VLAN's.
    key: String,
    domain: String,
    order: u64,
    transaction: u64,
    billing: u64,
    /// Of a gateway: the machine that it runs on.
    hardware: u64,
    placed: Timestamp,
    ready: Timestamp,
    cancelled: Option<Timestamp>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Attachment {
    id: u64,
    gateway: u64,
    vlan: u64,
    bypass: bool,
    ready: Timestamp,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Ticket {
    id: u64,
    title: String,
    text: Vec<String>,
    opened: Timestamp,
    closes: Timestamp,
}

impl State {
    fn id(&mut self) -> u64 {
        // real ids are long; short ones get mistaken for counts
        self.next += 1;
        1_000_000 + self.next
    }
}

/// One call: service, object, method and what was sent along.
struct Call {
    service: String,
    id: Option<u64>,
    method: String,
    arguments: Vec<Value>,
    filter: Option<Value>,
}

enum Refusal {
    SignIn,
    Absent(String),
    /// The system's own word for it, and why.
    Error(&'static str, String),
    Store(io::Error),
}

type Answer = Result<Value, Refusal>;

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::Store(error)
    }
}

pub(super) fn router(world: Arc<World>) -> Router {
    let router = Router::new().fallback(answer).with_state(world.clone());
    httpd::guarded(router, world)
}

async fn answer(
    Shared(world): Shared<Arc<World>>,
    method: Method,
    uri: Uri,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let result = match httpd::signed_in(&headers, &world) {
        true => match call(&uri, &query, &body) {
            Ok(call) => (run(&world, &call), call.method),
            Err(refusal) => (Err(refusal), String::new()),
        },
        false => (Err(Refusal::SignIn), String::new()),
    };
    let (result, name) = result;
    let at = object::time(world.clock.now());
    let ok = result.is_ok();
    world.note(REQUESTS, &json!({"time": at, "method": method.as_str(), "path": uri.path(), "ok": ok}));
    if ok && name == "placeOrder" && world.loses_this_answer() {
        return broken_answer();
    }
    respond(result)
}

fn call(uri: &Uri, query: &BTreeMap<String, String>, body: &[u8]) -> Result<Call, Refusal> {
    let absent = || Refusal::Absent(format!("Unknown path {}", uri.path()));
    let path = uri.path().strip_prefix("/rest/v3.1/").ok_or_else(absent)?;
    let path = path.strip_suffix(".json").unwrap_or(path);
    let steps: Vec<&str> = path.split('/').collect();
    let (service, id, method) = match steps[..] {
        [service, id, method] => (service, Some(id.parse().map_err(|_| absent())?), method),
        [service, id] if id.bytes().all(|b| b.is_ascii_digit()) => {
            (service, Some(id.parse().map_err(|_| absent())?), "getObject")
        }
        [service, method] => (service, None, method),
        _ => return Err(absent()),
    };
    let wrong =
        |error: serde_json::Error| Refusal::Error("SoftLayer_Exception_Public", format!("Invalid JSON: {error}"));
    let mut arguments = Vec::new();
    if !body.is_empty() {
        let mut body: Value = serde_json::from_slice(body).map_err(wrong)?;
        if let Value::Array(list) = body["parameters"].take() {
            arguments = list;
        }
    }
    let filter = query.get("objectFilter");
    let filter = filter.map(|text| serde_json::from_str(text).map_err(wrong)).transpose()?;
    Ok(Call { service: service.to_owned(), id, method: method.to_owned(), arguments, filter })
}

fn run(world: &World, call: &Call) -> Answer {
    match (call.service.as_str(), call.method.as_str()) {
        ("SoftLayer_Product_Package" | "SoftLayer_Product_Order", _) => order::run(world, call),
        ("SoftLayer_Account", list) => account(world, call, list),
        ("SoftLayer_Network_Gateway_Vlan", method) => attachment(world, call, method),
        ("SoftLayer_Ticket", method) => ticket(world, call, method),
        ("SoftLayer_Billing_Item", "cancelItem") => cancel(world, |one| Some(one.billing) == call.id),
        ("SoftLayer_Virtual_Guest", "deleteObject") => {
            cancel(world, |one| one.ware == Ware::VirtualServer && Some(one.id) == call.id)
        }
        ("SoftLayer_Network_Vlan", "getCancelFailureReasons") => find(world, call, |_, state, _| {
            let used = state.attachments.values().any(|one| Some(one.vlan) == call.id);
            match used {
                true => json!(["The VLAN is routed by a gateway."]),
                false => json!([]),
            }
        }),
        ("SoftLayer_Network_Gateway", "getInsideVlans") => find(world, call, |one, state, now| {
            let own = state.attachments.values().filter(|vlan| vlan.gateway == one.id);
            own.map(|vlan| object::attachment(vlan, now)).collect()
        }),
        ("SoftLayer_Network_Pod", "getAllObjects") => Ok(json!([])),
        (_, "getObject") => find(world, call, object::resource),
        (service, method) => Err(Refusal::Absent(format!("{service}::{method} is not offered here"))),
    }
}

/// The resource that a call names, by the service that it is an object of.
fn find(world: &World, call: &Call, tell: impl FnOnce(&Resource, &State, Timestamp) -> Value) -> Answer {
    let of = |one: &&Resource| match call.service.as_str() {
        "SoftLayer_Hardware_Server" | "SoftLayer_Hardware" => Some(one.hardware) == call.id,
        "SoftLayer_Virtual_Guest" => one.ware == Ware::VirtualServer && Some(one.id) == call.id,
        "SoftLayer_Network_Vlan" => one.ware == Ware::Vlan && Some(one.id) == call.id,
        "SoftLayer_Network_Gateway" => one.ware == Ware::Gateway && Some(one.id) == call.id,
        _ => false,
    };
    world.look(|state, now| {
        let found = state.softlayer.resources.values().find(of);
        match found.filter(|one| one.cancelled.is_none()) {
            Some(one) => Ok(tell(one, &state.softlayer, now)),
            None => Err(missing(call.id)),
        }
    })
}

fn missing(id: Option<u64>) -> Refusal {
    let id = id.map_or_else(|| "null".to_owned(), |id| id.to_string());
    Refusal::Absent(format!("Unable to find object with id of '{id}'."))
}

fn account(world: &World, call: &Call, list: &str) -> Answer {
    let (name, all): (&str, Vec<Value>) = world.look(|state, now| {
        let state = &state.softlayer;
        let live = || state.resources.values().filter(|one| one.cancelled.is_none());
        let of = |wares: &[Ware]| -> Vec<Value> {
            live().filter(|one| wares.contains(&one.ware)).map(|one| object::resource(one, state, now)).collect()
        };
        match list {
            "getHardware" => {
                let machines = live().filter(|one| one.hardware != 0);
                ("hardware", machines.map(|one| object::machine(one, now)).collect())
            }
            "getVirtualGuests" => ("virtualGuests", of(&[Ware::VirtualServer])),
            "getNetworkVlans" => ("networkVlans", of(&[Ware::Vlan])),
            "getNetworkGateways" => ("networkGateways", of(&[Ware::Gateway])),
            "getOrders" => ("orders", live().map(object::order).collect()),
            "getTickets" | "getOpenTickets" => {
                let wanted = state.tickets.values().filter(|one| list == "getTickets" || now < one.closes);
                ("tickets", wanted.map(|one| object::ticket(one, now)).collect())
            }
            _ => ("", Vec::new()),
        }
    });
    if name.is_empty() {
        return Err(Refusal::Absent(format!("SoftLayer_Account::{list} is not offered here")));
    }
    let named = if list == "getOpenTickets" { "openTickets" } else { name };
    let wanted = call.filter.as_ref().map(|filter| &filter[named]);
    let kept = all.into_iter().filter(|one| wanted.is_none_or(|wanted| filter::matches(wanted, one)));
    Ok(kept.collect())
}

fn attachment(world: &World, call: &Call, method: &str) -> Answer {
    let template = call.arguments.first().cloned().unwrap_or_default();
    world.try_change(|state, now| {
        let delay = world.options.durations.attach;
        let state = &mut state.softlayer;
        if method == "createObject" {
            return create_attachment(state, &template, now.plus_ms(delay), now);
        }
        let Some(id) = call.id.filter(|id| state.attachments.contains_key(id)) else {
            return Err(missing(call.id));
        };
        match method {
            "deleteObject" => {
                state.attachments.remove(&id);
                return Ok(json!(true));
            }
            "bypass" | "unbypass" => {
                let one = state.attachments.get_mut(&id).expect("it was just found");
                one.bypass = method == "bypass";
                one.ready = now.plus_ms(delay);
            }
            _ => {}
        }
        Ok(object::attachment(&state.attachments[&id], now))
    })
}

fn create_attachment(state: &mut State, template: &Value, ready: Timestamp, now: Timestamp) -> Answer {
    let number = |name: &str| template[name].as_u64().unwrap_or(0);
    let (gateway, vlan) = (number("networkGatewayId"), number("networkVlanId"));
    let live = |id: u64, ware: Ware| {
        let found = state.resources.get(&id);
        found.is_some_and(|one| one.ware == ware && one.cancelled.is_none() && one.ready <= now)
    };
    let public = "SoftLayer_Exception_Public";
    if !live(gateway, Ware::Gateway) || !live(vlan, Ware::Vlan) {
        return Err(Refusal::Error(public, "The gateway or the VLAN is not ready.".into()));
    }
    if state.attachments.values().any(|one| one.vlan == vlan) {
        return Err(Refusal::Error(public, "The VLAN is already behind a gateway.".into()));
    }
    let id = state.id();
    let bypass = template["bypassFlag"].as_bool().unwrap_or(true);
    let one = Attachment { id, gateway, vlan, bypass, ready };
    let told = object::attachment(&one, now);
    state.attachments.insert(id, one);
    Ok(told)
}

fn ticket(world: &World, call: &Call, method: &str) -> Answer {
    let words = |at: usize| {
        let argument = call.arguments.get(at);
        argument.and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    if method == "getObject" {
        return world.look(|state, now| {
            let found = call.id.and_then(|id| state.softlayer.tickets.get(&id));
            found.map(|one| object::ticket(one, now)).ok_or_else(|| missing(call.id))
        });
    }
    world.try_change(|state, now| match method {
        "createStandardTicket" => {
            let template = call.arguments.first().cloned().unwrap_or_default();
            let id = state.softlayer.id();
            let one = Ticket {
                id,
                title: template["title"].as_str().unwrap_or_default().to_owned(),
                text: vec![words(1)],
                opened: now,
                closes: now.plus_ms(world.options.durations.ticket),
            };
            let told = object::ticket(&one, now);
            state.softlayer.tickets.insert(id, one);
            Ok(told)
        }
        "addUpdate" => {
            let found = call.id.and_then(|id| state.softlayer.tickets.get_mut(&id));
            let one = found.ok_or_else(|| missing(call.id))?;
            one.text.push(words(0));
            Ok(json!(true))
        }
        _ => Err(Refusal::Absent(format!("SoftLayer_Ticket::{method} is not offered here"))),
    })
}

fn cancel(world: &World, which: impl Fn(&Resource) -> bool) -> Answer {
    world.try_change(|state, now| {
        let state = &mut state.softlayer;
        let found = state.resources.values_mut().find(|one| which(one));
        let Some(one) = found.filter(|one| one.cancelled.is_none()) else {
            return Err(missing(None));
        };
        if now < one.ready {
            return Err(Refusal::Error(
                "SoftLayer_Exception_Public",
                "It has an active transaction and cannot be cancelled.".into(),
            ));
        }
        one.cancelled = Some(now);
        let id = one.id;
        state.attachments.retain(|_, held| held.gateway != id && held.vlan != id);
        Ok(json!(true))
    })
}

fn respond(answer: Answer) -> Response {
    let failed = |status: StatusCode, error: String, code: &str| {
        (status, axum::Json(json!({"error": error, "code": code}))).into_response()
    };
    match answer {
        Ok(value) => {
            let count = value.as_array().map(Vec::len);
            let mut response = axum::Json(value).into_response();
            if let Some(count) = count {
                response.headers_mut().insert("softlayer-total-items", count.into());
            }
            response
        }
        Err(Refusal::SignIn) => failed(StatusCode::UNAUTHORIZED, "Invalid API token.".into(), "SoftLayer_Exception"),
        Err(Refusal::Absent(words)) => failed(StatusCode::NOT_FOUND, words, "SoftLayer_Exception_ObjectNotFound"),
        Err(Refusal::Error(code, words)) => failed(StatusCode::INTERNAL_SERVER_ERROR, words, code),
        Err(Refusal::Store(error)) => failed(StatusCode::SERVICE_UNAVAILABLE, error.to_string(), "SoftLayer_Exception"),
    }
}

/// The head promises a body that never comes: the client sees the connection break.
fn broken_answer() -> Response {
    let parts = futures_util::stream::iter([
        Ok(Bytes::from_static(b"{")),
        Err(io::Error::from(io::ErrorKind::ConnectionReset)),
    ]);
    let mut response = Body::from_stream(parts).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}

/// One line per order really placed. Those of the state that the log lacks are added.
pub(super) fn log_missing_orders(folder: &Path, state: &State) -> io::Result<()> {
    let path = folder.join(ORDERS);
    let logged = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    let whole = |line: &&str| serde_json::from_str::<Value>(line).is_ok();
    let lines: Vec<&str> = logged.lines().filter(whole).collect();
    let has = |id: u64| {
        let mark = format!("\"id\":{id},");
        lines.iter().any(|line| line.contains(&mark))
    };
    let absent: Vec<String> = state.resources.values().filter(|one| !has(one.id)).map(order_line).collect();
    if absent.is_empty() && lines.len() == logged.lines().count() {
        return Ok(());
    }
    // a line torn by a kill is written again as a whole
    let text: String = lines.into_iter().map(|line| format!("{line}\n")).chain(absent).collect();
    write_whole(&path, text.as_bytes())
}

fn append_order(folder: &Path, one: &Resource) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(folder.join(ORDERS))?;
    file.write_all(order_line(one).as_bytes())?;
    file.sync_all()
}

fn order_line(one: &Resource) -> String {
    let line =
        json!({"time": object::time(one.placed), "kind": one.ware, "key": one.key, "id": one.id, "order": one.order});
    format!("{line}\n")
}
