//! `vcenter.inventory`: servers, hosts and networks, as far as a migration needs them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::property::{self, Object};
use super::soap::{Content, Failed, VCenter, VIM, child_text, type_of};
use crate::base::variable::from_json;
use crate::handlers::{Answer, Cx, Job, Reached, Trouble};
use crate::xml::ElementRef;

const SERVER: &[&str] = &[
    "name",
    "config.guestFullName",
    "config.hardware.numCPU",
    "config.hardware.memoryMB",
    "config.hardware.device",
    "runtime.powerState",
    "runtime.host",
    "guest.toolsRunningStatus",
    "guest.net",
    "snapshot",
];
const GB: f64 = 1e9;

#[derive(Deserialize)]
struct Input {
    connection: String,
}

pub(super) async fn inventory(job: Job, cx: Cx) -> Answer {
    let input: Input = job.input()?;
    let vcenter = VCenter::new(&cx, &input.connection)?;
    let found = read(&vcenter).await.map_err(|failed| match failed {
        Failed::Fault(fault) if matches!(fault.kind.as_str(), "InvalidLogin" | "NoPermission") => {
            Trouble::error("AUTH", format!("vCenter ({}): {}", vcenter.name, fault.words))
        }
        Failed::Trouble(Trouble::Transport { reason, reached: Reached::Nothing, .. }) => {
            Trouble::error("UNREACHABLE", reason)
        }
        Failed::Fault(_) | Failed::Trouble(_) => failed.trouble(),
    })?;
    Ok(from_json(found))
}

async fn read(vcenter: &VCenter) -> Result<Value, Failed> {
    let content = vcenter.content().await?;
    let servers = property::all(vcenter, &content, "VirtualMachine", SERVER).await?;
    let hosts = hosts(vcenter, &content).await?;
    let networks = property::all(vcenter, &content, "Network", &["name"]).await?;
    let names = networks.iter().map(|network| json!({"moref": network.moref, "name": network.text("name")}));
    Ok(json!({
        "servers": servers.iter().map(|one| server(one, &hosts)).collect::<Vec<_>>(),
        "hosts": hosts.iter().map(|(moref, name)| json!({"moref": moref, "name": name})).collect::<Vec<_>>(),
        "networks": names.collect::<Vec<_>>(),
    }))
}

async fn hosts(vcenter: &VCenter, content: &Content) -> Result<BTreeMap<String, String>, Failed> {
    let found = property::all(vcenter, content, "HostSystem", &["name"]).await?;
    let named = found.into_iter().map(|host| {
        let name = host.text("name").unwrap_or_default();
        (host.moref, name)
    });
    Ok(named.collect())
}

fn server(one: &Object, hosts: &BTreeMap<String, String>) -> Value {
    let number = |path: &str| one.text(path).and_then(|text| text.parse::<u64>().ok());
    let devices = one.root("config.hardware.device");
    let disks: Vec<Value> = devices
        .into_iter()
        .flat_map(ElementRef::children)
        .filter(|device| type_of(*device) == "VirtualDisk")
        .filter_map(|disk| capacity(disk).map(|bytes| json!({"gb": bytes / GB})))
        .collect();
    let host = one.text("runtime.host").unwrap_or_default();
    json!({
        "moref": one.moref,
        "name": one.text("name"),
        "os": one.text("config.guestFullName"),
        "cpu": number("config.hardware.numCPU"),
        "memoryMb": number("config.hardware.memoryMB"),
        "disks": disks,
        "nics": nics(one),
        "powerState": one.text("runtime.powerState"),
        "tools": tools(one),
        "snapshots": snapshots(one),
        "host": hosts.get(&host),
    })
}

pub(super) fn tools(one: &Object) -> bool {
    one.text("guest.toolsRunningStatus").as_deref() == Some("guestToolsRunning")
}

fn capacity(disk: ElementRef<'_>) -> Option<f64> {
    let bytes = child_text(disk, "capacityInBytes").and_then(|text| text.parse::<f64>().ok());
    let kb = || child_text(disk, "capacityInKB")?.parse::<f64>().ok().map(|kb| kb * 1024.0);
    bytes.or_else(kb)
}

/// Cards with their addresses: those that the guest tells, else those that the hardware shows.
fn nics(one: &Object) -> Vec<Value> {
    let told = one.root("guest.net").into_iter().flat_map(ElementRef::children);
    let told: Vec<Value> = told
        .map(|nic| {
            let ips: Vec<String> =
                nic.children().filter(|child| child.is(VIM, "ipAddress")).map(|ip| ip.text().into_owned()).collect();
            json!({
                "mac": child_text(nic, "macAddress"),
                "ip": ips.first(),
                "ips": ips,
                "network": child_text(nic, "network"),
            })
        })
        .collect();
    if !told.is_empty() {
        return told;
    }
    let devices = one.root("config.hardware.device").into_iter().flat_map(ElementRef::children);
    devices
        .filter_map(|device| {
            let mac = child_text(device, "macAddress")?;
            let network = device.child(VIM, "backing").and_then(|backing| child_text(backing, "deviceName"));
            Some(json!({"mac": mac, "ip": null, "ips": [], "network": network}))
        })
        .collect()
}

/// All of them, whatever hangs on what; the page that brought them is bounded.
pub(super) fn snapshots(one: &Object) -> Vec<Value> {
    let Some(root) = one.root("snapshot") else {
        return Vec::new();
    };
    let mut open: Vec<ElementRef<'_>> = root.children().filter(|child| child.is(VIM, "rootSnapshotList")).collect();
    let mut found = Vec::new();
    while let Some(snapshot) = open.pop() {
        found.push(json!({
            "name": child_text(snapshot, "name"),
            "moref": child_text(snapshot, "snapshot"),
            "createdAt": child_text(snapshot, "createTime"),
        }));
        open.extend(snapshot.children().filter(|child| child.is(VIM, "childSnapshotList")));
    }
    found
}
