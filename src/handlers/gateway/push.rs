//! `gateway.push`, `bridge`, `remove`, `load-previous`: changes of a gateway's configuration.
//!
//! In order: load the current configuration, set the lines, compare; if something changes: keep the current one, commit with automatic
//! return, verify by a second sign-in and the probe, confirm, save. Whatever breaks before the confirmation, the device goes
//! back by itself. A repeat whose lines are all in force confirms what an earlier attempt may have left unconfirmed.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::device::Device;
use super::line::{Line, parse_all};
use super::render;
use super::state::ping_from;
use crate::base::variable::{Variables, from_json};
use crate::handlers::input::{Count, Lines, Span};
use crate::handlers::net;
use crate::handlers::{Answer, Cx, Job, Kind, Trouble};

const CONFIRM_WITHIN: Duration = Duration::from_secs(600);
const PROBE: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Push {
    connection: String,
    lines: Lines,
    confirm_within: Option<Span>,
    probe: Option<Probe>,
}

#[derive(Deserialize)]
struct Probe {
    host: String,
    /// With a port: a connection from here; without: a ping from the gateway.
    port: Option<Count>,
}

pub(super) async fn push(job: Job, cx: Cx) -> Answer {
    let input: Push = job.input()?;
    let lines = parse_all(&input.lines.0).map_err(Trouble::Wrong)?;
    let within = input.confirm_within.map_or(CONFIRM_WITHIN, |span| span.0);
    change(&cx, &input.connection, &lines, within, input.probe.as_ref()).await
}

async fn change(cx: &Cx, connection: &str, lines: &[Line], within: Duration, probe: Option<&Probe>) -> Answer {
    let mut device = Device::open(cx, connection).await?;
    device.configure().await?;
    device.apply(lines, cx).await?;
    let changed = !device.unchanged().await?;
    let minutes = within.as_secs().div_ceil(60).max(1);
    if changed {
        device.keep_previous().await?;
        device.commit_confirm(minutes).await?;
    }
    if let Err(words) = verify(cx, connection, probe).await? {
        device.leave().await?;
        return Err(Trouble::error(
            "COMMIT_FAILED",
            format!("after the change {words}; the gateway returns to its previous configuration within {minutes} min"),
        ));
    }
    device.confirm().await?;
    device.save().await?;
    device.leave().await?;
    Ok(from_json(json!({"changed": changed, "revision": device.revision().await?})))
}

/// Whether the gateway can still be reached, and the probe behind it; why not.
async fn verify(cx: &Cx, connection: &str, probe: Option<&Probe>) -> Answer<Result<(), String>> {
    let mut second = match Device::open(cx, connection).await {
        Ok(second) => second,
        Err(Trouble::Transport { reason, .. }) => return Ok(Err(format!("it takes no new session ({reason})"))),
        Err(other) => return Err(other),
    };
    let Some(probe) = probe else {
        return Ok(Ok(()));
    };
    match probe.port {
        None => {
            let told = ping_from(&mut second, &probe.host, 3).await?;
            let lost = told.get("ok").is_none_or(|one| one.value != true);
            Ok(if lost { Err(format!("{} does not answer a ping", probe.host)) } else { Ok(()) })
        }
        Some(port) => {
            let port = u16::try_from(port.0).map_err(|_| Trouble::wrong(format!("{} is no port", port.0)))?;
            let allow = cx.connection(connection, &[Kind::Gateway])?.allow;
            match net::connect(&probe.host, port, &allow, PROBE).await {
                Ok(_) => Ok(Ok(())),
                Err(error) if error.is_refusal() => Err(Trouble::wrong(error.to_string())),
                Err(error) => Ok(Err(error.to_string())),
            }
        }
    }
}

#[derive(Deserialize)]
struct Bridge {
    connection: String,
    vlan: Value,
    remote: String,
}

/// The lines are those of the dialect's script, part `bridge`.
pub(super) async fn bridge(job: Job, cx: Cx) -> Answer {
    let input: Bridge = job.input()?;
    let connection = cx.connection(&input.connection, &[Kind::Gateway])?;
    let dialect = connection.options.get("dialect").map_or("vyos-1.4", String::as_str);
    let plan = json!({"peer": input.remote, "vlans": [input.vlan]});
    // a plan that cannot be rendered is refused like one that the device refuses
    let lines = render::lines(&cx, dialect, "bridge", plan).map_err(|trouble| match trouble {
        Trouble::Modelled(error) => {
            Trouble::Modelled(crate::handlers::BpmnError { code: "COMMIT_FAILED".into(), ..error })
        }
        other => other,
    })?;
    let name = lines.iter().find_map(Line::bridge);
    let name = name.map(str::to_owned).ok_or_else(|| {
        Trouble::wrong(format!("the script of dialect {dialect} renders no bridge in its part `bridge`"))
    })?;
    let mut told = change(&cx, &input.connection, &lines, CONFIRM_WITHIN, None).await?;
    told.insert("bridge".into(), name.into());
    Ok(told)
}

#[derive(Deserialize)]
struct Remove {
    connection: String,
    #[serde(default)]
    lines: Lines,
}

/// Takes away what these lines made; what is gone already is no failure.
pub(super) async fn remove(job: Job, cx: Cx) -> Answer {
    let input: Remove = job.input()?;
    let lines = parse_all(&input.lines.0).map_err(Trouble::Wrong)?;
    let mut removals: Vec<Line> = lines.iter().map(Line::removal).collect();
    // what was made last goes first, so that nothing is taken from under another
    removals.reverse();
    let mut once: Vec<Line> = Vec::new();
    for line in removals {
        if !once.contains(&line) {
            once.push(line);
        }
    }
    let mut told = change(&cx, &input.connection, &once, CONFIRM_WITHIN, None).await?;
    told.remove("revision");
    Ok(told)
}

/// Back to the configuration before the last change.
pub(super) async fn load_previous(job: Job, cx: Cx) -> Answer {
    let input: Remove = job.input()?;
    let mut device = Device::open(&cx, &input.connection).await?;
    device.configure().await?;
    device.load_previous().await?;
    if !device.unchanged().await? {
        device.commit().await?;
    }
    device.save().await?;
    device.leave().await?;
    let revision = device.revision().await?;
    Ok(Variables::from([("revision".into(), revision.into())]))
}
