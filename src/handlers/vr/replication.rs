//! `vr.configure`, `sync`, `unconfigure`. Policy `confirm`: the replications that exist are read first, and only what is
//! missing is asked for, so a repeat after a lost answer makes none twice.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::sleep;

use super::status::{self, told};
use super::{Api, Pairing, verdict};
use crate::base::variable::from_json;
use crate::handlers::input::{Count, Flag, Words};
use crate::handlers::{Answer, Cx, Job, Trouble};

const RPO_MINUTES: std::ops::RangeInclusive<u64> = 5..=1440;
/// Between two looks at a task; the topic's time limit ends it.
const POLL_FIRST: Duration = Duration::from_millis(20);
const POLL_MOST: Duration = Duration::from_secs(2);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configure {
    connection: String,
    vms: Vec<Vm>,
    #[serde(default = "quarter")]
    rpo_minutes: Count,
    #[serde(default)]
    options: Map<String, Value>,
}

fn quarter() -> Count {
    Count(15)
}

#[derive(Deserialize)]
struct Vm {
    moref: String,
    #[serde(default)]
    name: String,
}

/// Checks every server first: one that cannot be replicated is the BPMN error `NOT_CAPABLE`, and nothing was begun.
pub(super) async fn configure(job: Job, cx: Cx) -> Answer {
    let input: Configure = job.input()?;
    if !RPO_MINUTES.contains(&input.rpo_minutes.0) {
        return Err(Trouble::wrong(format!(
            "rpoMinutes is {}: it must be from {} to {}",
            input.rpo_minutes.0,
            RPO_MINUTES.start(),
            RPO_MINUTES.end()
        )));
    }
    let api = Api::new(&cx, &input.connection)?;
    let pairing = api.pairing().await?;
    let existing = by_vm(&api, &pairing).await?;
    let missing = || input.vms.iter().filter(|vm| !existing.contains_key(&pairing.vm(&vm.moref)));
    let mut refused = Vec::new();
    for vm in missing() {
        let reasons = verdict(&api, &pairing, &vm.moref).await?;
        if !reasons.is_empty() {
            refused.push(format!("{} {}: {}", vm.moref, vm.name, reasons.join(", ")));
        }
    }
    if !refused.is_empty() {
        return Err(Trouble::error("NOT_CAPABLE", refused.join("; ")));
    }
    let datastore = datastore(&api, &pairing).await?;
    let mut specifications = Vec::new();
    for vm in missing() {
        specifications.push(specification(&api, &pairing, vm, &datastore, &input).await?);
    }
    let mut tasks = Vec::new();
    if !specifications.is_empty() {
        let path = format!("pairings/{}/replications", pairing.id);
        let begun = api.post(&path, Some(Value::Array(specifications))).await?;
        for task in begun["list"].as_array().into_iter().flatten() {
            tasks.push(finished(&api, task).await?);
        }
    }
    let now = by_vm(&api, &pairing).await?;
    let ids = input.vms.iter().map(|vm| {
        let id = now.get(&pairing.vm(&vm.moref));
        id.cloned().ok_or_else(|| Trouble::broken(format!("the replication of {} is not listed yet", vm.moref)))
    });
    let ids = ids.collect::<Answer<Vec<String>>>()?;
    Ok(from_json(json!({"replications": ids, "tasks": tasks})))
}

/// Replications by the server that they copy.
async fn by_vm(api: &Api, pairing: &Pairing) -> Answer<BTreeMap<String, String>> {
    let list = api.get(&format!("pairings/{}/replications", pairing.id)).await?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let list = list["list"].as_array().into_iter().flatten();
    Ok(list.filter_map(|one| Some((text(&one["vm_id"])?, text(&one["id"])?))).collect())
}

/// The target's datastore: of the name that the connection gives, else the one with most room.
async fn datastore(api: &Api, pairing: &Pairing) -> Answer<String> {
    let path = format!("pairings/{}/vcenters/{}/datastores", pairing.id, pairing.target);
    let list = api.get(&path).await?;
    let list = list["list"].as_array().into_iter().flatten();
    let wanted = api.option("datastore");
    let fitting = list.filter(|one| wanted.is_none_or(|name| one["name"] == name));
    let best = fitting.max_by_key(|one| one["free_space"].as_i64());
    best.and_then(|one| one["id"].as_str()).map(str::to_owned).ok_or_else(|| {
        Trouble::wrong("the target site shows no datastore for replicas: add one, or name it in the connection's option `datastore`")
    })
}

async fn specification(api: &Api, pairing: &Pairing, vm: &Vm, datastore: &str, input: &Configure) -> Answer<Value> {
    let id = pairing.vm(&vm.moref);
    let path = format!("pairings/{}/vcenters/{}/vms/{id}/disks", pairing.id, pairing.source);
    let disks = api.get(&path).await?;
    let disks = disks["list"].as_array().into_iter().flatten();
    let disks: Vec<Value> = disks
        .map(|disk| {
            json!({
                "vm_disk": disk,
                "enabled_for_replication": disk["supported_for_replication"] != false,
                "destination_datastore_id": datastore,
                "destination_disk_format": "SAME_AS_SOURCE",
            })
        })
        .collect();
    let mut specification = json!({
        "vm_id": id,
        "target_vc_id": pairing.target,
        "rpo": input.rpo_minutes.0,
        "disks": disks,
        "quiesce_enabled": false,
        "network_compression_enabled": true,
        "mpit_enabled": false,
        "auto_replicate_new_disks": true,
        "lwd_encryption_enabled": true,
    });
    for (name, value) in &input.options {
        specification[name] = value.clone();
    }
    Ok(specification)
}

/// Waits until the task has ended; its id.
async fn finished(api: &Api, task: &Value) -> Answer<String> {
    let id = task["id"].as_str().unwrap_or_default().to_owned();
    let mut task = task.clone();
    let mut pause = POLL_FIRST;
    loop {
        match task["status"].as_str().unwrap_or_default() {
            "SUCCESS" => return Ok(id),
            "ERROR" | "CANCELLED" => {
                let words = task["error"]["message"].as_str().unwrap_or("it was cancelled");
                return Err(Trouble::wrong(format!("task {id} of vSphere Replication failed: {words}")));
            }
            _ => {
                sleep(pause).await;
                pause = (pause * 2).min(POLL_MOST);
                task = api.get(&format!("tasks/{id}")).await?;
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Replications {
    connection: String,
    replications: Words,
    #[serde(default)]
    retain_disks: Flag,
}

/// Asks for a delta of each that does not sync already. A repeat by the same activation asks again, which copies only
/// what has changed since.
pub(super) async fn sync(job: Job, cx: Cx) -> Answer {
    let input: Replications = job.input()?;
    let api = Api::new(&cx, &input.connection)?;
    let pairing = api.pairing().await?;
    for one in status::read(&api, &pairing, &input.replications.0).await? {
        if one.is_syncing() {
            continue;
        }
        let path = format!("pairings/{}/replications/{}/actions/sync", pairing.id, one.id);
        let task = api.post(&path, None).await?;
        finished(&api, &task).await?;
    }
    told(&api, &pairing, &input.replications.0, cx.now()).await
}

/// What is gone is not configured.
pub(super) async fn unconfigure(job: Job, cx: Cx) -> Answer {
    let input: Replications = job.input()?;
    let api = Api::new(&cx, &input.connection)?;
    let pairing = api.pairing().await?;
    let existing: Vec<String> = by_vm(&api, &pairing).await?.into_values().collect();
    for id in input.replications.0.iter().filter(|id| existing.contains(id)) {
        let path = format!(
            "pairings/{}/replications/{id}/actions/unconfigure?retain_replica_disks={}",
            pairing.id, input.retain_disks.0
        );
        let task = api.post(&path, None).await?;
        finished(&api, &task).await?;
    }
    Ok(from_json(json!({})))
}
