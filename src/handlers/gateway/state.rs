//! `gateway.tunnel-state`: what the gateway says of its tunnels; and a ping from it.

use std::sync::LazyLock;

use regex::Regex;
use serde::Deserialize;
use serde_json::json;

use super::device::Device;
use crate::base::variable::{Variables, from_json};
use crate::handlers::{Answer, Cx, Job, Trouble};

#[derive(Deserialize)]
struct Input {
    connection: String,
    /// The peer's name, where there are several.
    peer: Option<String>,
}

pub(super) async fn tunnel(job: Job, cx: Cx) -> Answer {
    let input: Input = job.input()?;
    let mut device = Device::open(&cx, &input.connection).await?;
    let told = device.show("show vpn ipsec sa").await?;
    let rows = rows(&told).into_iter();
    let own = rows.filter(|(name, _)| input.peer.as_deref().is_none_or(|peer| name.starts_with(peer)));
    let states: Vec<String> = own.map(|(_, state)| state.to_owned()).collect();
    let ready = !states.is_empty() && states.iter().all(|state| state == "up");
    let state = match (ready, states.is_empty()) {
        (true, _) => "up",
        (false, true) => "none",
        (false, false) => "down",
    };
    Ok(from_json(json!({"ready": ready, "state": state, "status": state})))
}

/// Name and state of each row below the line of dashes.
fn rows(told: &str) -> Vec<(&str, &str)> {
    let below = told.lines().skip_while(|line| !line.trim_start().starts_with("---")).skip(1);
    let rows = below.filter_map(|line| {
        let mut words = line.split_whitespace();
        Some((words.next()?, words.next()?))
    });
    rows.collect()
}

/// `probe.ping` from a gateway.
pub(in crate::handlers) async fn ping(cx: &Cx, connection: &str, host: &str, count: u64) -> Answer {
    let mut device = Device::open(cx, connection).await?;
    ping_from(&mut device, host, count).await
}

pub(super) async fn ping_from(device: &mut Device, host: &str, count: u64) -> Answer {
    let harmless = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '-');
    if host.is_empty() || host.starts_with('-') || !host.chars().all(harmless) {
        return Err(Trouble::wrong(format!("`{host}` is no host")));
    }
    measured(&device.show(&format!("ping {host} count {count}")).await?)
}

/// What the last lines of a ping say.
pub(in crate::handlers) fn measured(told: &str) -> Answer<Variables> {
    static LOSS: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"([0-9.]+)% packet loss").expect("a pattern of ours"));
    static TIMES: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"= [0-9.]+/([0-9.]+)/[0-9.]+").expect("a pattern of ours"));
    let number = |pattern: &Regex| pattern.captures(told)?[1].parse::<f64>().ok();
    let loss = number(&LOSS).ok_or_else(|| Trouble::wrong("the ping told no loss: is ping installed there?"))?;
    Ok(from_json(json!({"ok": loss == 0.0, "lossPercent": loss, "rttMs": number(&TIMES)})))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_and_pings_are_read() {
        let table =
            "Connection    State    Uptime\n----------  -------  ------\nONPREM-tunnel-0   up   5m\nOTHER  down N/A\n";
        assert_eq!(rows(table), [("ONPREM-tunnel-0", "up"), ("OTHER", "down")]);
        let ping = "5 packets transmitted, 4 received, 20% packet loss, time 4005ms\nrtt min/avg/max/mdev = 0.1/12.35/0.3/0.0 ms";
        let told = measured(ping).unwrap();
        assert_eq!(told["ok"].value, json!(false));
        assert_eq!((&told["lossPercent"].value, &told["rttMs"].value), (&json!(20.0), &json!(12.35)));
        assert!(measured("ping: not found").is_err());
    }
}
