//! `softlayer.status`, `gateway-status`: is it there, and when will it be.
//!
//! A server is ready when it has a `provisionDate` and its active transaction is not the last reload of its system; a VLAN
//! when it has its number. `expectedAt` is the transaction's beginning and its average duration; what was expected and did
//! not come has none, so the asker falls back on its own pause.

use jiff::Timestamp as Instant;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Api, Failed, Ware, id};
use crate::base::time::Timestamp;
use crate::base::variable::{Variables, from_json};
use crate::handlers::input::Name;
use crate::handlers::{Answer, Cx, Job, Trouble};

const TRANSACTION: &str = "id,createDate,elapsedSeconds,transactionStatus[name,friendlyName,averageDuration]";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    connection: String,
    kind: Ware,
    resource_id: Name,
}

pub(super) async fn status(job: Job, cx: Cx) -> Answer {
    let input: Input = job.input()?;
    let api = Api::new(&cx, &input.connection)?;
    let resource = id(&input.resource_id)?;
    let found = look(&api, input.kind, resource).await?;
    Ok(match input.kind {
        Ware::Vlan => vlan(&found, cx.now()),
        Ware::Gateway => server(&found["members"][0]["hardware"], cx.now()),
        Ware::Host | Ware::VirtualServer => server(&found, cx.now()),
    })
}

async fn look(api: &Api, kind: Ware, resource: u64) -> Answer<Value> {
    let server = format!(
        "id,hostname,provisionDate,primaryBackendIpAddress,lastOperatingSystemReload[id],activeTransaction[{TRANSACTION}]"
    );
    let mask = match kind {
        Ware::Gateway => format!("id,name,status[keyName],members[hardware[{server}]]"),
        Ware::Host | Ware::VirtualServer => server,
        Ware::Vlan => format!("id,name,vlanNumber,billingItem[id,createDate,provisionTransaction[{TRANSACTION}]]"),
    };
    let path = format!("{}/{resource}/getObject", kind.service());
    api.get(&path, &mask, None).await.map_err(|failed| match failed {
        Failed::Absent => {
            Trouble::error("FAILED", format!("{kind:?} {resource} is gone: SoftLayer does not list it any more"))
        }
        Failed::Refused { .. } | Failed::Trouble(_) => failed.trouble("the status"),
    })
}

fn server(found: &Value, now: Timestamp) -> Variables {
    let transaction = &found["activeTransaction"];
    let running = transaction["id"].as_u64();
    let reload = found["lastOperatingSystemReload"]["id"].as_u64();
    let reloading = running.is_some() && running == reload;
    let ready = found["provisionDate"].is_string() && !reloading;
    from_json(json!({
        "ready": ready,
        "status": word(ready, transaction),
        "provisionDate": found["provisionDate"],
        "expectedAt": if ready { Value::Null } else { expected(transaction, now) },
        "address": found["primaryBackendIpAddress"],
    }))
}

fn vlan(found: &Value, now: Timestamp) -> Variables {
    let transaction = &found["billingItem"]["provisionTransaction"];
    let ready = found["vlanNumber"].is_u64();
    from_json(json!({
        "ready": ready,
        "status": word(ready, transaction),
        "provisionDate": if ready { found["billingItem"]["createDate"].clone() } else { Value::Null },
        "expectedAt": if ready { Value::Null } else { expected(transaction, now) },
        "vlanNumber": found["vlanNumber"],
    }))
}

fn word(ready: bool, transaction: &Value) -> String {
    let name = &transaction["transactionStatus"];
    let running = name["friendlyName"].as_str().or(name["name"].as_str());
    match (ready, running) {
        (true, _) => "ready".to_owned(),
        (false, Some(name)) => name.to_owned(),
        (false, None) => "waiting".to_owned(),
    }
}

/// When the transaction ends, if it takes as long as such ones do; null when that is past or unknown.
fn expected(transaction: &Value, now: Timestamp) -> Value {
    let average = &transaction["transactionStatus"]["averageDuration"];
    let minutes = average.as_f64().or_else(|| average.as_str()?.parse().ok());
    let begun = transaction["createDate"].as_str().and_then(|text| text.parse::<Instant>().ok());
    let begun = begun.map(Instant::as_millisecond).or_else(|| {
        let elapsed = transaction["elapsedSeconds"].as_i64()?;
        Some(now.0 - elapsed.saturating_mul(1000))
    });
    let (Some(minutes), Some(begun)) = (minutes, begun) else {
        return Value::Null;
    };
    let ends = begun.saturating_add((minutes * 60_000.0).round() as i64);
    if ends <= now.0 {
        return Value::Null;
    }
    crate::handlers::instant(Timestamp(ends))
}

#[derive(Deserialize)]
struct Gateway {
    connection: String,
    gateway: Name,
}

pub(super) async fn gateway(job: Job, cx: Cx) -> Answer {
    let input: Gateway = job.input()?;
    let api = Api::new(&cx, &input.connection)?;
    let found = gateway_state(&api, id(&input.gateway)?, cx.now()).await?;
    Ok(found)
}

/// Ready: the machine is there and no change of routes runs.
pub(super) async fn gateway_state(api: &Api, gateway: u64, now: Timestamp) -> Answer {
    let machine = format!("id,provisionDate,activeTransaction[{TRANSACTION}]");
    let mask = format!(
        "id,name,status[keyName],members[hardware[{machine}]],insideVlans[id,networkVlanId,statusTransaction[endDate]]"
    );
    let path = format!("SoftLayer_Network_Gateway/{gateway}/getObject");
    let found = api.get(&path, &mask, None).await;
    let found = found.map_err(|failed| failed.trouble(&format!("gateway {gateway}")))?;
    let status = found["status"]["keyName"].as_str().unwrap_or("UNKNOWN");
    let ends = found["insideVlans"].as_array().into_iter().flatten();
    let ends = ends.filter_map(|vlan| vlan["statusTransaction"]["endDate"].as_str()?.parse::<Instant>().ok());
    let routed = ends.map(|end| end.as_millisecond()).max().filter(|end| *end > now.0);
    let expected = match routed {
        Some(end) => crate::handlers::instant(Timestamp(end)),
        None => expected(&found["members"][0]["hardware"]["activeTransaction"], now),
    };
    Ok(from_json(json!({
        "ready": status == "ACTIVE",
        "status": status.to_lowercase(),
        "expectedAt": if status == "ACTIVE" { Value::Null } else { expected },
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reloading_server_is_not_ready() {
        let told = |active: Value, reload: Value| {
            let found = json!({
                "provisionDate": "2026-01-01T00:00:00-06:00",
                "activeTransaction": {"id": active},
                "lastOperatingSystemReload": {"id": reload},
            });
            server(&found, Timestamp(0))["ready"].value.clone()
        };
        assert_eq!(told(json!(7), json!(7)), json!(false));
        assert_eq!(told(json!(7), json!(6)), json!(true));
        assert_eq!(told(Value::Null, Value::Null), json!(true));
    }

    #[test]
    fn what_is_expected_is_exact() {
        let transaction = |begun: &str| json!({"createDate": begun, "elapsedSeconds": 60, "transactionStatus": {"averageDuration": "240"}});
        let now = Timestamp(1_767_225_660_000);
        let at = |begun: &str| expected(&transaction(begun), now);
        assert_eq!(at("2026-01-01T00:00:00.250+00:00"), json!("2026-01-01T04:00:00.25Z"));
        assert_eq!(at("2025-12-31T18:00:00-06:00"), json!("2026-01-01T04:00:00Z"));
        assert_eq!(at("2025-12-31T00:00:00+00:00"), Value::Null, "it is past");
        assert_eq!(at("no time"), json!("2026-01-01T04:00:00Z"), "by what has elapsed");
    }
}
