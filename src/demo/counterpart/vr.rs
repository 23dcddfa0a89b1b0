//! vSphere Replication REST v2: sessions, pairing, capability, replications and their tasks.
//!
//! Time passes by the paper's transfer law. Each replication first compares its disks (the fixed part, all at once), then sends
//! over the one link, in the order in which they were asked for. Nothing of that is stored but the instants.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State as Shared};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::vcenter::{self, Side};
use super::world::World;
use super::{calls, httpd};
use crate::base::time::Timestamp;

const PAIRING: &str = "5c8f4a52-3f0e-4a0c-9a51-6b1f8a7d2e10";
const RPO_MIN: i64 = 5;
const RPO_MAX: i64 = 1440;
pub(super) const GB: f64 = 1e9;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct State {
    next: u64,
    replications: BTreeMap<String, Replication>,
    tasks: BTreeMap<String, Task>,
    /// The link is taken until then, in microseconds: a server's share is no whole number of milliseconds.
    link_free: i64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Replication {
    id: String,
    vm: String,
    name: String,
    rpo: i64,
    disk_bytes: u64,
    sync: Sync,
}

/// The sync that runs or ran last; instants in microseconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Sync {
    first: bool,
    bytes: u64,
    asked: i64,
    compared: i64,
    begins: i64,
    ends: i64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Task {
    id: String,
    entity: String,
    at: Timestamp,
    result: Value,
}

enum Refusal {
    Session,
    Absent(String),
    Wrong(&'static str, String),
    Store(io::Error),
}

type Answer = Result<(StatusCode, Value), Refusal>;

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
    let path = uri.path().strip_prefix("/api/rest/vr/v2/").unwrap_or_default();
    let steps: Vec<&str> = path.split('/').collect();
    let result = match steps[..] {
        ["session"] => session(&world, &method, &headers),
        _ if !given(&headers).is_some_and(|given| world.knows_session(given)) => Err(Refusal::Session),
        _ => run(&world, &method, &steps, &query, &body),
    };
    let refused = |status: StatusCode, code: &str, words: String| {
        let body = json!({"error_code": code, "message": words, "op_id": "00000000-0000-0000-0000-000000000000"});
        (status, axum::Json(body)).into_response()
    };
    match result {
        Ok((StatusCode::NO_CONTENT, _)) => StatusCode::NO_CONTENT.into_response(),
        Ok((status, value)) => (status, axum::Json(value)).into_response(),
        Err(Refusal::Session) => refused(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", "Sign in first.".into()),
        Err(Refusal::Absent(words)) => refused(StatusCode::NOT_FOUND, "NOT_FOUND", words),
        Err(Refusal::Wrong(code, words)) => refused(StatusCode::BAD_REQUEST, code, words),
        Err(Refusal::Store(error)) => refused(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", error.to_string()),
    }
}

fn given(headers: &HeaderMap) -> Option<&str> {
    headers.get("x-dr-session")?.to_str().ok()
}

fn session(world: &World, method: &Method, headers: &HeaderMap) -> Answer {
    match (method, given(headers)) {
        (&Method::POST, _) if httpd::signed_in(headers, world) => {
            let id = world.begin_session()?;
            Ok((StatusCode::OK, json!({"session_id": id})))
        }
        (&Method::DELETE, Some(given)) if world.knows_session(given) => {
            world.end_session(given);
            Ok((StatusCode::NO_CONTENT, Value::Null))
        }
        _ => Err(Refusal::Session),
    }
}

fn run(world: &World, method: &Method, steps: &[&str], query: &BTreeMap<String, String>, body: &[u8]) -> Answer {
    let get = *method == Method::GET;
    let post = *method == Method::POST;
    match *steps {
        ["pairings"] if get => Ok((StatusCode::OK, list(vec![pairing()]))),
        ["tasks", id] if get => world.look(|state, _| {
            let found = state.vr.tasks.get(id);
            let found = found.ok_or_else(|| absent("task", id))?;
            Ok((StatusCode::OK, task(found)))
        }),
        ["pairings", PAIRING, ref rest @ ..] => match *rest {
            ["vcenters", _, "datastores"] if get => Ok((StatusCode::OK, list(vec![datastore()]))),
            ["vcenters", _, "vms", vm, "capability"] if get => capability(world, vm),
            ["vcenters", _, "vms", vm, "disks"] if get => disks(world, vm),
            ["replications"] if get => world.look(|state, now| {
                let all = state.vr.replications.values();
                Ok((StatusCode::OK, list(all.map(|one| told(one, now)).collect())))
            }),
            ["replications"] if post => configure(world, body),
            ["replications", id] if get => world.look(|state, now| {
                let found = state.vr.replications.get(id);
                let found = found.ok_or_else(|| absent("replication", id))?;
                Ok((StatusCode::OK, told(found, now)))
            }),
            ["replications", id, "actions", "sync"] if post => sync(world, id),
            ["replications", id, "actions", "unconfigure"] if post => unconfigure(world, id, query),
            _ => Err(absent("path", &steps.join("/"))),
        },
        _ => Err(absent("path", &steps.join("/"))),
    }
}

fn absent(what: &str, name: &str) -> Refusal {
    Refusal::Absent(format!("There is no {what} {name}."))
}

fn list(all: Vec<Value>) -> Value {
    let total = all.len();
    json!({"list": all, "_meta": {"total": total, "offset": 0, "limit": total}})
}

fn pairing() -> Value {
    let site = |side: Side, name: &str| json!({"id": side.uuid(), "name": name, "url": "", "server_status": "OK"});
    json!({
        "pairing_id": PAIRING,
        "local_vc_server": site(Side::Source, "on-premise"),
        "remote_vc_server": site(Side::Target, "softlayer"),
    })
}

fn datastore() -> Value {
    json!({
        "id": format!("Datastore:datastore-1:{}", Side::Target.uuid()),
        "name": "target-datastore",
        "capacity": 4_000_000_000_000_i64,
        "free_space": 3_900_000_000_000_i64,
        "accessible": true,
        "overall_status": "GREEN",
    })
}

/// `VirtualMachine:vm-80:{vCenter}` to the server in the source vCenter.
fn server_of(vm: &str, state: &super::world::State) -> Option<vcenter::Server> {
    let mut parts = vm.split(':');
    let (Some("VirtualMachine"), Some(moref), Some(uuid), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let found = (uuid == Side::Source.uuid()).then(|| state.source.server(moref));
    found.flatten().cloned()
}

fn capability(world: &World, vm: &str) -> Answer {
    world.look(|state, _| {
        server_of(vm, state).ok_or_else(|| absent("virtual machine", vm))?;
        let configured = state.vr.replications.values().any(|one| one.vm == vm);
        let status = if configured { "ALREADY_CONFIGURED" } else { "OK" };
        let body = json!({
            "vm_id": vm,
            "vm_validation_status": status,
            "quiescing_supported": true,
            "network_compression_supported": true,
            "mpit_supported": true,
            "lwd_encryption_supported": true,
            "vm_encrypted": false,
            "auto_replicate_new_disks_supported": true,
            "min_rpo_mins": RPO_MIN,
        });
        Ok((StatusCode::OK, body))
    })
}

fn disks(world: &World, vm: &str) -> Answer {
    world.look(|state, _| {
        let server = server_of(vm, state).ok_or_else(|| absent("virtual machine", vm))?;
        let all = server.disks.iter().enumerate().map(|(at, bytes)| {
            json!({
                "vm_id": vm,
                "device_key": 2000 + at,
                "is_vm_home": false,
                "capacity": bytes / 1024,
                "label": format!("Hard disk {}", at + 1),
                "supported_for_replication": true,
                "source_path": {"datastore_id": "Datastore:datastore-1", "datastore_name": "source-datastore"},
            })
        });
        Ok((StatusCode::OK, list(all.collect())))
    })
}

fn configure(world: &World, body: &[u8]) -> Answer {
    let wrong = |words: &str| Refusal::Wrong("INVALID_ARGUMENT", words.to_owned());
    let specs: Vec<Value> =
        serde_json::from_slice(body).map_err(|error| wrong(&format!("No list of specifications: {error}")))?;
    for spec in &specs {
        check(spec).map_err(|words| wrong(&words))?;
    }
    let mut names = Vec::new();
    let answer = world.try_change(|state, now| {
        let mut tasks = Vec::new();
        for spec in &specs {
            let vm = spec["vm_id"].as_str().unwrap_or_default();
            let server = server_of(vm, state).ok_or_else(|| absent("virtual machine", vm))?;
            if state.vr.replications.values().any(|one| one.vm == vm) {
                return Err(Refusal::Wrong("ALREADY_CONFIGURED", format!("{vm} is replicated already.")));
            }
            let disk_bytes: u64 = server.disks.iter().sum();
            let first = state.vr.plan(world, true, disk_bytes, now);
            let id = format!("REP-{:05}", state.vr.number());
            // the replica shows at the target from now on, switched off
            state.target.adopt(&server);
            let one = Replication {
                id: id.clone(),
                vm: vm.to_owned(),
                name: server.name.clone(),
                rpo: spec["rpo"].as_i64().unwrap_or(RPO_MIN),
                disk_bytes,
                sync: first,
            };
            names.push(one.name.clone());
            state.vr.replications.insert(id.clone(), one);
            tasks.push(state.vr.task(&id, json!({"replication_id": id, "vm_id": vm}), now));
        }
        Ok((StatusCode::ACCEPTED, list(tasks)))
    })?;
    names.iter().for_each(|name| calls::note(world, "vr", "configure", name));
    Ok(answer)
}

/// What the specification of the API requires of each.
fn check(spec: &Value) -> Result<(), String> {
    let flags = ["auto_replicate_new_disks", "lwd_encryption_enabled", "mpit_enabled", "network_compression_enabled"];
    for name in flags {
        if !spec[name].is_boolean() {
            return Err(format!("{name} is required"));
        }
    }
    for name in ["target_vc_id", "vm_id"] {
        if !spec[name].is_string() {
            return Err(format!("{name} is required"));
        }
    }
    if spec["target_vc_id"] != Side::Target.uuid() {
        return Err("target_vc_id is no vCenter of the pairing".to_owned());
    }
    if !spec["rpo"].as_i64().is_some_and(|rpo| (RPO_MIN..=RPO_MAX).contains(&rpo)) {
        return Err(format!("rpo is {RPO_MIN} to {RPO_MAX} minutes"));
    }
    let disks = spec["disks"].as_array().ok_or("disks is required")?;
    for disk in disks {
        let whole = disk["destination_datastore_id"].is_string()
            && disk["destination_disk_format"].is_string()
            && disk["enabled_for_replication"].is_boolean()
            && disk["vm_disk"]["vm_id"].is_string();
        if !whole {
            return Err("a disk lacks what the specification requires".to_owned());
        }
    }
    Ok(())
}

fn sync(world: &World, id: &str) -> Answer {
    world.try_change(|state, now| {
        let found = state.vr.replications.get(id);
        let found = found.ok_or_else(|| absent("replication", id))?;
        if micros(now) < found.sync.ends {
            return Err(Refusal::Wrong("SYNC_RUNS", format!("{id} is syncing already.")));
        }
        let next = state.vr.plan(world, false, found.disk_bytes, now);
        let one = state.vr.replications.get_mut(id).expect("it was just found");
        one.sync = next;
        Ok((StatusCode::ACCEPTED, state.vr.task(id, Value::Null, now)))
    })
}

fn unconfigure(world: &World, id: &str, query: &BTreeMap<String, String>) -> Answer {
    let retain = query.get("retain_replica_disks").is_some_and(|word| word == "true");
    let mut name = String::new();
    let answer = world.try_change(|state, now| {
        let found = state.vr.replications.remove(id);
        let found = found.ok_or_else(|| absent("replication", id))?;
        name.clone_from(&found.name);
        if !retain && let Some(server) = server_of(&found.vm, state) {
            state.target.forget(&server.moref);
        }
        Ok::<_, Refusal>((StatusCode::ACCEPTED, state.vr.task(id, json!({"retained": retain}), now)))
    })?;
    calls::note(world, "vr", "unconfigure", &name);
    Ok(answer)
}

impl State {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Takes the link for what is to be sent.
    fn plan(&mut self, world: &World, first: bool, disk_bytes: u64, now: Timestamp) -> Sync {
        let law = &world.options.transfer;
        let share = if first { law.sent_share } else { law.delta_share };
        let bytes = (disk_bytes as f64 * share).round() as u64;
        let asked = micros(now);
        let compared = asked + if first { law.fixed_ms * 1000 } else { 0 };
        let begins = self.link_free.max(compared);
        let ends = begins + (bytes as f64 / GB * law.ms_per_gb * 1000.0).round() as i64;
        self.link_free = ends;
        Sync { first, bytes, asked, compared, begins, ends }
    }

    fn task(&mut self, entity: &str, result: Value, at: Timestamp) -> Value {
        let one = Task { id: format!("task-{}", self.number()), entity: entity.to_owned(), at, result };
        let told = task(&one);
        self.tasks.insert(one.id.clone(), one);
        told
    }
}

/// Configuring is done at once; the copying that follows is seen at the replication.
fn task(one: &Task) -> Value {
    json!({
        "id": one.id,
        "entity": one.entity,
        "status": "SUCCESS",
        "progress": 100,
        "result": one.result,
        "queued_time": one.at.0,
        "start_time": one.at.0,
        "complete_time": one.at.0,
    })
}

fn told(one: &Replication, now: Timestamp) -> Value {
    let now = micros(now);
    let sync = &one.sync;
    let done = now >= sync.ends;
    let part = |from: i64, to: i64| match to - from {
        0 => f64::from(u8::from(now >= to)),
        whole => ((now - from) as f64 / whole as f64).clamp(0.0, 1.0),
    };
    let compared = if sync.first { one.disk_bytes } else { 0 };
    let compared_now = (compared as f64 * part(sync.asked, sync.compared)).round() as u64;
    let sent_now = (sync.bytes as f64 * part(sync.begins, sync.ends)).round() as u64;
    let status = match (done, sync.first) {
        (true, _) => "OK",
        (false, true) => "INITIAL_FULL_SYNC",
        (false, false) => "SYNC",
    };
    let progress = 100 * (compared_now + sent_now) / (compared + sync.bytes).max(1);
    let mut told = json!({
        "id": one.id,
        "name": one.name,
        "vm_id": one.vm,
        "source_site_name": "on-premise",
        "source_vc_id": Side::Source.uuid(),
        "target_site_name": "softlayer",
        "target_vc_id": Side::Target.uuid(),
        "status": {"status": status, "rpo_violation": false},
        "rpo": one.rpo,
        "type": "VC_TO_VC",
        "configuration_state": "OK",
        "recovery_state": "NOT_STARTED",
        "last_sync_time": if done { sync.ends / 1000 } else { 0 },
        "current_rpo_violation": 0,
        "quiescing_enabled": false,
        "network_compression_enabled": true,
    });
    if done {
        told["last_sync_duration"] = json!((sync.ends - sync.asked) / 1_000_000);
        told["last_sync_size"] = json!(sync.bytes);
    }
    told["sync_progress"] = json!({
        "progress": progress,
        "checksum_current": compared_now,
        "checksum_total": compared,
        "transferred_current": sent_now,
        "transferred_total": sync.bytes,
    });
    told
}

fn micros(at: Timestamp) -> i64 {
    at.0.saturating_mul(1000)
}
