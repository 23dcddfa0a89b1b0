//! The commands. What the router answers is worded as VyOS 1.4 words it, as far as a client has to understand it.

use std::io;
use std::sync::Arc;

use super::{Lines, Pending, State};
use crate::base::time::Timestamp;
use crate::demo::counterpart::world::World;

pub(super) struct Cli {
    world: Arc<World>,
    /// Configuration mode: the candidate.
    candidate: Option<Lines>,
    /// A commit that asks whether to go on.
    asked: Option<i64>,
}

pub(super) enum Reply {
    Text(String),
    Exit,
}

/// First words of a configuration path.
const TOPS: &[&str] = &["interfaces", "vpn", "nat", "firewall", "protocols", "system", "service", "policy"];
const VIF_MAX: u32 = 4094;
const VNI_MAX: u32 = 16_777_214;

impl Cli {
    pub(super) fn new(world: Arc<World>) -> Self {
        Self { world, candidate: None, asked: None }
    }

    pub(super) fn prompt(&self) -> String {
        match (self.asks(), &self.candidate) {
            (true, _) => String::new(),
            (false, None) => "demo@gateway:~$ ".to_owned(),
            (false, Some(_)) => "[edit]\ndemo@gateway# ".to_owned(),
        }
    }

    pub(super) fn asks(&self) -> bool {
        self.asked.is_some()
    }

    pub(super) fn run(&mut self, line: &str) -> io::Result<Reply> {
        if let Some(minutes) = self.asked.take() {
            return Ok(Reply::Text(match line {
                "y" | "Y" | "" => self.commit(Some(minutes))?,
                _ => "commit-confirm canceled".to_owned(),
            }));
        }
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim();
        let (state, now) = self.change(|state, now| (state.clone(), now))?;
        let text = match (&self.candidate, verb) {
            (_, "") => String::new(),
            (None, "exit" | "logout") => return Ok(Reply::Exit),
            (None, "configure") => {
                self.candidate = Some(state.running);
                String::new()
            }
            (None, _) => self.operational(&state, line, now),
            (Some(_), "run") => self.operational(&state, rest, now),
            (Some(candidate), "exit") if *candidate != state.running && rest != "discard" => {
                "Cannot exit: configuration modified.\nUse 'exit discard' to discard the changes and exit.".to_owned()
            }
            (Some(_), "exit") => {
                self.candidate = None;
                "exit".to_owned()
            }
            (Some(_), verb) => self.configure(state, verb, rest)?,
        };
        Ok(Reply::Text(text))
    }

    fn operational(&self, state: &State, line: &str, now: Timestamp) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["set", "terminal", ..] | ["terminal", ..] => String::new(),
            ["show", "vpn", "ipsec", "sa"] => self.security_associations(state, now),
            ["show", "configuration", "commands"] => {
                let lines = state.running.iter();
                lines.map(|line| format!("set {line}\n")).collect()
            }
            ["show", "system", "commit"] => {
                let newest = state.revisions;
                let rows = (0..newest.min(10)).map(|at| (at, newest - at));
                rows.map(|(at, number)| format!("{at}   revision {number} by demo via cli\n")).collect()
            }
            ["ping", host, ..] => self.ping(state, host, count(&words), now),
            _ => format!("\n  Invalid command: [{line}]\n"),
        }
    }

    fn security_associations(&self, state: &State, now: Timestamp) -> String {
        let up = state.tunnel_is_up(&self.world, now);
        let peers: Lines = state
            .running
            .iter()
            .filter_map(|line| line.strip_prefix("vpn ipsec site-to-site peer "))
            .filter_map(|rest| rest.split_whitespace().next().map(str::to_owned))
            .collect();
        let head = "Connection          State    Uptime    Bytes In/Out    Packets In/Out    Remote address    Remote ID    Proposal\n------------------  -------  --------  --------------  ----------------  ----------------  -----------  ----------\n";
        let rows = peers.iter().map(|peer| match up {
            true => format!("{peer}-tunnel-0     up       1m00s     0B/0B           0/0               203.0.113.1       203.0.113.1  AES_CBC_256/HMAC_SHA2_256_128/MODP_2048\n"),
            false => format!("{peer}-tunnel-0     down     N/A       N/A             N/A               N/A               N/A          N/A\n"),
        });
        format!("{head}{}", rows.collect::<String>())
    }

    fn ping(&self, state: &State, host: &str, count: u32, now: Timestamp) -> String {
        let near = host.starts_with("10.60.") || host.starts_with("127.");
        let reached = near || state.tunnel_is_up(&self.world, now);
        let received = if reached { count } else { 0 };
        let lost = 100 * (count - received) / count.max(1);
        let times = match reached {
            true => "rtt min/avg/max/mdev = 11.201/12.350/13.902/0.741 ms\n",
            false => "",
        };
        format!(
            "PING {host} ({host}) 56(84) bytes of data.\n\n--- {host} ping statistics ---\n{count} packets transmitted, {received} received, {lost}% packet loss, time {}ms\n{times}",
            u64::from(count) * 1000
        )
    }

    fn configure(&mut self, state: State, verb: &str, rest: &str) -> io::Result<String> {
        Ok(match verb {
            "set" => self.set(rest),
            "delete" => self.delete(rest),
            "compare" => self.compare(&state.running),
            "commit" => self.commit(None)?,
            "commit-confirm" if self.candidate.as_ref() == Some(&state.running) => NOTHING_TO_COMMIT.to_owned(),
            "commit-confirm" => {
                let minutes = rest.parse().unwrap_or(10);
                self.asked = Some(minutes);
                format!(
                    "\ncommit-confirm will automatically reboot in {minutes} minutes unless changes\nare confirmed.\n\nProceed ? [Y/n] "
                )
            }
            "confirm" => self.change(|state, _| match state.pending.take() {
                Some(_) => "Reboot timer stopped".to_owned(),
                None => "No confirm pending".to_owned(),
            })?,
            "save" => {
                let file = if rest.is_empty() { "/config/config.boot" } else { rest };
                self.change(|state, _| {
                    state.files.insert(file.to_owned(), state.running.clone());
                })?;
                format!("Saving configuration to '{file}'...\nDone")
            }
            "load" => match state.files.get(rest) {
                Some(lines) => {
                    self.candidate = Some(lines.clone());
                    format!(
                        "Loading configuration from '{rest}'\nLoad complete. Use 'commit' to make changes effective."
                    )
                }
                None => format!("Specified file {rest} does not exist"),
            },
            "discard" => {
                self.candidate = Some(state.running);
                "Changes have been discarded".to_owned()
            }
            _ => format!("\n  Invalid command: [{verb}]\n"),
        })
    }

    fn set(&mut self, path: &str) -> String {
        let path = plain(path);
        if let Err(words) = check(&path) {
            return format!("\n  {words}\n\nSet failed");
        }
        let candidate = self.candidate.get_or_insert_default();
        if let Some(stem) = single(&path) {
            candidate.retain(|line| single(line) != Some(stem) || *line == path);
        }
        match candidate.insert(path.clone()) {
            true => String::new(),
            false => format!("\n  Configuration path: [{path}] already exists\n"),
        }
    }

    fn delete(&mut self, path: &str) -> String {
        let path = plain(path);
        let below = format!("{path} ");
        let candidate = self.candidate.get_or_insert_default();
        let before = candidate.len();
        candidate.retain(|line| *line != path && !line.starts_with(&below));
        match candidate.len() < before {
            true => String::new(),
            false => "\n  Nothing to delete (the specified node does not exist)\n".to_owned(),
        }
    }

    fn compare(&self, running: &Lines) -> String {
        let candidate = self.candidate.clone().unwrap_or_default();
        let gone = running.difference(&candidate).map(|line| format!("- {line}\n"));
        let new = candidate.difference(running).map(|line| format!("+ {line}\n"));
        let told: String = gone.chain(new).collect();
        match told.is_empty() {
            true => "No changes between working and active configurations.".to_owned(),
            false => told,
        }
    }

    fn commit(&mut self, minutes: Option<i64>) -> io::Result<String> {
        let candidate = self.candidate.clone().unwrap_or_default();
        if let Err(words) = whole(&candidate) {
            return Ok(format!("\n{words}\n\nCommit failed"));
        }
        let changed = self.change(|state, now| {
            if state.running == candidate {
                return false;
            }
            let before = state.running.clone();
            state.put(candidate, now);
            // a second commit before the confirmation still returns to what was confirmed last
            let before = state.pending.take().map_or(before, |earlier| earlier.before);
            state.pending =
                minutes.map(|minutes| Pending { until: now.plus_ms(minutes.saturating_mul(60_000)), before });
            true
        })?;
        Ok(match (changed, minutes) {
            (false, _) => NOTHING_TO_COMMIT.to_owned(),
            (true, Some(minutes)) => {
                format!("Initialized commit-confirm; {minutes} minutes to confirm before reboot")
            }
            (true, None) => String::new(),
        })
    }

    fn change<R>(&self, change: impl FnOnce(&mut State, Timestamp) -> R) -> io::Result<R> {
        self.world.change(|state, now| {
            state.gateway.settle(now);
            change(&mut state.gateway, now)
        })
    }
}

const NOTHING_TO_COMMIT: &str = "No configuration changes to commit";

fn count(words: &[&str]) -> u32 {
    let at = words.iter().position(|word| *word == "count");
    let word = at.and_then(|at| words.get(at + 1));
    word.and_then(|word| word.parse().ok()).unwrap_or(3)
}

/// Quotes around a value are the shell's, not the value's.
fn plain(path: &str) -> String {
    let words = path.split_whitespace().map(|word| word.trim_matches('\''));
    words.collect::<Vec<_>>().join(" ")
}

/// The path without its value, where it can have only one.
fn single(line: &str) -> Option<&str> {
    const ONE: &[&str] =
        &["secret", "vni", "mtu", "lifetime", "remote-address", "local-address", "source-address", "remote", "mode"];
    let (stem, _) = line.rsplit_once(' ')?;
    let leaf = stem.rsplit(' ').next()?;
    ONE.contains(&leaf).then_some(stem)
}

fn check(path: &str) -> Result<(), String> {
    let words: Vec<&str> = path.split(' ').collect();
    if words.len() < 2 || !TOPS.contains(&words[0]) {
        return Err(format!("Configuration path: [{path}] is not valid"));
    }
    let bounded = |name: &str, most: u32| {
        let at = words.iter().position(|word| *word == name);
        let value = at.and_then(|at| words.get(at + 1));
        value.is_none_or(|value| value.parse::<u32>().is_ok_and(|number| number <= most))
    };
    if !bounded("vif", VIF_MAX) {
        return Err(format!("VLAN ID must be between 0 and {VIF_MAX}"));
    }
    if !bounded("vni", VNI_MAX) {
        return Err(format!("VNI must be between 0 and {VNI_MAX}"));
    }
    if path.contains(" authentication pre-shared-secret") && path.contains("site-to-site") {
        return Err(format!("Configuration path: [{path}] is not valid"));
    }
    Ok(())
}

/// What a commit checks beyond the single lines.
fn whole(lines: &Lines) -> Result<(), String> {
    for line in lines {
        let Some(rest) = line.strip_prefix("vpn ipsec site-to-site peer ") else {
            continue;
        };
        let peer = rest.split(' ').next().unwrap_or_default();
        for leaf in ["remote-address", "ike-group"] {
            let wanted = format!("vpn ipsec site-to-site peer {peer} {leaf} ");
            if !lines.iter().any(|line| line.starts_with(&wanted)) {
                return Err(format!("VPN ipsec: missing {leaf} on site-to-site peer {peer}"));
            }
        }
    }
    Ok(())
}
