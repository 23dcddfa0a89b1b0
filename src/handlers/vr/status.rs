//! `vr.status`: how far the replications are, and when they are in sync.
//!
//! `expectedAt` follows the link's law, whose two numbers are options of the connection: first each server compares its disks
//! (`fixedSeconds`, all at once), then the link sends one after the other (`secondsPerGb`). Without them it is null. An error of
//! a replication, or one that violates its RPO while it keeps sending, is the BPMN error `NOT_CONVERGING`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Api, Pairing};
use crate::base::time::Timestamp;
use crate::base::variable::from_json;
use crate::handlers::input::Words;
use crate::handlers::{Answer, Cx, Job, Trouble};

const GB: f64 = 1e9;

#[derive(Deserialize)]
struct Input {
    connection: String,
    replications: Words,
}

pub(super) async fn status(job: Job, cx: Cx) -> Answer {
    let input: Input = job.input()?;
    let api = Api::new(&cx, &input.connection)?;
    let pairing = api.pairing().await?;
    told(&api, &pairing, &input.replications.0, cx.now()).await
}

/// A replication as the service tells it.
pub(super) struct Replication {
    pub(super) id: String,
    status: String,
    told: Value,
}

impl Replication {
    pub(super) fn is_syncing(&self) -> bool {
        matches!(
            self.status.as_str(),
            "FULL_SYNC"
                | "SYNC"
                | "INITIAL_FULL_SYNC"
                | "FULL_SYNC_RPO_VIOLATION"
                | "SYNC_RPO_VIOLATION"
                | "CONFIGURING"
                | "MOVING"
                | "DISK_RESIZING"
        )
    }

    /// In sync: what was asked for has been sent.
    fn is_ready(&self) -> bool {
        matches!(self.status.as_str(), "OK" | "RPO_VIOLATION" | "RECOVERED")
    }

    fn progress(&self, name: &str) -> f64 {
        self.told["sync_progress"][name].as_f64().unwrap_or(0.0)
    }

    /// Bytes sent so far and to be sent in all, of the sync that runs or ran last.
    fn sent(&self) -> (f64, f64) {
        if self.told["sync_progress"].is_object() {
            return (self.progress("transferred_current"), self.progress("transferred_total"));
        }
        let whole = self.told["last_sync_size"].as_f64().unwrap_or(0.0);
        (whole, whole)
    }
}

/// All replications of the pairing, in the service's order.
async fn all(api: &Api, pairing: &Pairing) -> Answer<Vec<Replication>> {
    let list = api.get(&format!("pairings/{}/replications?extended_info=true", pairing.id)).await?;
    let list = list["list"].as_array().cloned().unwrap_or_default();
    let list = list.into_iter().map(|told| Replication {
        id: told["id"].as_str().unwrap_or_default().to_owned(),
        status: told["status"]["status"].as_str().unwrap_or("UNKNOWN").to_owned(),
        told,
    });
    Ok(list.collect())
}

pub(super) async fn read(api: &Api, pairing: &Pairing, ids: &[String]) -> Answer<Vec<Replication>> {
    let mut all = all(api, pairing).await?;
    all.retain(|one| ids.contains(&one.id));
    present(&all, ids)?;
    Ok(all)
}

fn present(all: &[Replication], ids: &[String]) -> Answer<()> {
    match ids.iter().find(|id| !all.iter().any(|one| one.id == **id)) {
        Some(gone) => Err(Trouble::wrong(format!("vSphere Replication does not list {gone} any more"))),
        None => Ok(()),
    }
}

/// The status of these replications as variables.
pub(super) async fn told(api: &Api, pairing: &Pairing, ids: &[String], now: Timestamp) -> Answer {
    let everything = all(api, pairing).await?;
    present(&everything, ids)?;
    let own: Vec<&Replication> = everything.iter().filter(|one| ids.contains(&one.id)).collect();
    for one in &own {
        failure(one)?;
    }
    let ready = own.iter().all(|one| one.is_ready());
    let (sent, whole) = own.iter().fold((0.0, 0.0), |(sent, whole), one| {
        let (own_sent, own_whole) = one.sent();
        (sent + own_sent, whole + own_whole)
    });
    // a delta compares nothing, so it is its own whole
    let disks = own.iter().map(|one| one.progress("checksum_total")).sum::<f64>();
    let total = if disks > 0.0 { disks } else { whole };
    let share = if whole > 0.0 { sent / whole } else { 0.0 };
    let expected = match ready {
        true => Value::Null,
        false => expected(api, &everything, ids, now),
    };
    let per_vm: Vec<Value> =
        own.iter().map(|one| json!({"replication": one.id, "status": one.status, "vm": one.told["vm_id"]})).collect();
    let gb = |bytes: f64| (bytes / GB * 1000.0).round() / 1000.0;
    Ok(from_json(json!({
        "ready": ready,
        "status": if ready { "in sync" } else { "syncing" },
        "transferredGb": gb(total * share),
        "sentGb": gb(sent),
        "totalGb": gb(total),
        "expectedAt": expected,
        "perVm": per_vm,
    })))
}

fn failure(one: &Replication) -> Answer<()> {
    let words = one.told["last_group_error"]["message"].as_str();
    let words = words.or(one.told["configuration_error"]["message"].as_str()).unwrap_or("no reason given");
    match one.status.as_str() {
        "ERROR" | "ERROR_RPO_VIOLATION" => {
            Err(Trouble::error("NOT_CONVERGING", format!("replication {} failed: {words}", one.id)))
        }
        "SYNC_RPO_VIOLATION" => Err(Trouble::error(
            "NOT_CONVERGING",
            format!("replication {} cannot keep its RPO: more changes than the link carries", one.id),
        )),
        _ => Ok(()),
    }
}

/// When the last of these is done, by the link's law. Others on the same link take their turn.
fn expected(api: &Api, all: &[Replication], ids: &[String], now: Timestamp) -> Value {
    let number = |name: &str| api.option(name).and_then(|text| text.parse::<f64>().ok());
    let (Some(fixed), Some(per_gb)) = (number("fixedSeconds"), number("secondsPerGb")) else {
        return Value::Null;
    };
    let mut waiting: Vec<(f64, f64, bool)> = all
        .iter()
        .filter(|one| one.is_syncing())
        .map(|one| {
            let compared = one.progress("checksum_total");
            let left = match compared > 0.0 {
                true => fixed * (1.0 - one.progress("checksum_current") / compared),
                false => 0.0,
            };
            let (sent, whole) = one.sent();
            (left, (whole - sent).max(0.0) / GB * per_gb, ids.contains(&one.id))
        })
        .collect();
    waiting.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut clock = 0.0_f64;
    let mut last = 0.0_f64;
    for (compared, sending, own) in waiting {
        clock = clock.max(compared) + sending;
        if own {
            last = clock;
        }
    }
    // rounded up, so that the asker does not come a moment early; a thousandth of a millisecond is the sums' own error
    let ms = (last * 1000.0 - 0.001).ceil().max(1.0);
    crate::handlers::instant(now.plus_ms(ms as i64))
}
