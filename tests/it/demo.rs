//! The demo as a user starts it: the paper's times in its own sequence, the same after kills at random moments, no order
//! placed twice, and the modelled exception paths.

use crate::support::say::say;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Kills in the quick run; `DEMO_KILLS` asks for more, `DEMO_SEED` for the same moments again.
const KILLS: u64 = 3;

fn demo(data: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_transhume"));
    command
        .args(["demo", "--speed", "max", "--once", "--seed", "1", "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .args(more);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn finished(command: &mut Command) -> (bool, String) {
    let output = command.output().expect("the demo starts");
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    (output.status.success(), text)
}

/// The rows of the printed table: segment to this run's time.
fn table(text: &str) -> BTreeMap<String, String> {
    let segments = ["user input", "provision", "transfer", "cutover", "steady state", "total"];
    let row = |name: &str| {
        let line = text.lines().find(|line| line.trim_start().starts_with(name))?;
        Some((name.to_owned(), line.split_whitespace().next_back()?.to_owned()))
    };
    segments.into_iter().filter_map(row).collect()
}

fn paper() -> BTreeMap<String, String> {
    let rows = [
        ("user input", "24h00m"),
        ("provision", "16h30m"),
        ("transfer", "4h10m"),
        ("cutover", "5m"),
        ("steady state", "30m"),
        ("total", "45h15m"),
    ];
    rows.into_iter().map(|(name, time)| (name.to_owned(), time.to_owned())).collect()
}

/// Orders really placed, by kind and key: the supplier's own log.
fn orders(data: &Path) -> BTreeMap<String, usize> {
    let log = std::fs::read_to_string(data.join("softlayer-orders.log")).expect("the supplier keeps a log");
    let mut placed = BTreeMap::new();
    for line in log.lines() {
        let order: serde_json::Value = serde_json::from_str(line).expect("a line of the log is JSON");
        *placed.entry(format!("{} {}", order["kind"], order["key"])).or_default() += 1;
    }
    placed
}

#[test]
fn the_papers_sequence_has_the_papers_times_and_kills_change_nothing() {
    let kills = number("DEMO_KILLS").unwrap_or(KILLS);
    let seed = number("DEMO_SEED").unwrap_or_else(|| u64::from(std::process::id()) * 0x9E37_79B9 + 1);
    let mut random = seed;
    let (mut killed, mut ends) = (0, 0);
    // A run that comes to its end before the next kill is judged, and the next one begins in a fresh folder.
    while ends == 0 || killed < kills {
        let data = tempfile::tempdir().expect("a folder");
        loop {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let wait = if killed < kills { Duration::from_millis(200 + random % 2_000) } else { Duration::MAX };
            if !killed_within(demo(data.path(), &["--sequence", "paper"]), wait) {
                break;
            }
            killed += 1;
        }
        judge(data.path(), &format!("seed {seed}, after {killed} kills"));
        ends += 1;
    }
    say(format!("demo: seed {seed}, killed {killed} times in {ends} runs, the paper's times, no order twice"));
}

/// A run that has ended prints its table again.
fn judge(data: &Path, what: &str) {
    let (done, text) = finished(&mut demo(data, &["--sequence", "paper"]));
    assert!(done, "{what}: {text}");
    assert_eq!(table(&text), paper(), "{what}: {text}");
    let placed = orders(data);
    assert_eq!(placed.len(), 4, "{what}: gateway, VLAN, host, vCenter: {placed:?}");
    assert!(placed.values().all(|times| *times == 1), "{what}: no order is placed twice: {placed:?}");
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// False if it came to its end by itself.
fn killed_within(mut command: Command, wait: Duration) -> bool {
    // Nobody reads what it prints: a full pipe would hold it.
    let mut running = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the demo starts");
    let begun = Instant::now();
    while begun.elapsed() < wait {
        if let Some(status) = running.try_wait().expect("it is ours") {
            assert!(status.success(), "a run that was continued failed: {status}");
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    running.kill().expect("it is ours");
    running.wait().expect("it is ours");
    true
}

#[test]
fn what_can_runs_beside_the_rest() {
    let data = tempfile::tempdir().expect("a folder");
    let (done, text) = finished(&mut demo(data.path(), &[]));
    assert!(done, "{text}");
    assert_eq!(table(&text).get("total").map(String::as_str), Some("28h45m"), "{text}");
}

#[test]
fn a_rejected_order_and_a_dead_tunnel_end_in_their_exception_paths() {
    for (failure, task) in [("order-rejected", "Decide on the exception"), ("tunnel-down", "Decide on the network")] {
        let data = tempfile::tempdir().expect("a folder");
        let (done, text) = finished(&mut demo(data.path(), &["--sequence", "paper", "--fail", failure]));
        assert!(done, "{failure}: {text}");
        assert!(text.contains(task) && text.contains("mail "), "{failure}: {text}");
    }
}

/// The servers of one call, from the outside's own log; each line is a change there.
fn calls(data: &Path) -> Vec<(String, String)> {
    let log = std::fs::read_to_string(data.join("calls.log")).expect("the outside keeps a log");
    let call = |line: &str| {
        let call: serde_json::Value = serde_json::from_str(line).expect("a line of the log is JSON");
        let of = |name: &str| call[name].as_str().expect("a text").to_owned();
        (format!("{} {}", of("system"), of("call")), of("server"))
    };
    log.lines().map(call).collect()
}

#[test]
fn a_wave_of_which_servers_do_not_come_up_is_rolled_back_in_reverse_order() {
    let data = tempfile::tempdir().expect("a folder");
    let (done, text) = finished(&mut demo(data.path(), &["--fail", "partial-recovery"]));
    assert!(done, "{text}");
    let calls = calls(data.path());
    let servers = |name: &str| -> Vec<&str> {
        calls.iter().filter(|(call, _)| call == name).map(|(_, server)| server.as_str()).collect()
    };
    let reversed = |name: &str| -> Vec<&str> { servers(name).into_iter().rev().collect() };
    let place = |name: &str| calls.iter().rposition(|(call, _)| call == name).unwrap_or_default();
    let began = |name: &str| calls.iter().position(|(call, _)| call == name).unwrap_or_default();
    // Each step is undone, the last server first, and the steps in the reverse of their order.
    assert_eq!(servers("vcenter-target PowerOffVM_Task"), reversed("vcenter-target PowerOnVM_Task"), "{text}");
    assert_eq!(servers("vr unconfigure"), reversed("vr configure"), "{text}");
    let all: BTreeSet<&str> = servers("vcenter-source ShutdownGuest").into_iter().collect();
    assert_eq!(servers("vcenter-source PowerOnVM_Task").into_iter().collect::<BTreeSet<_>>(), all);
    for name in ["vcenter-target PowerOffVM_Task", "vcenter-source PowerOnVM_Task", "vr unconfigure"] {
        assert_eq!(servers(name).len(), 25, "{name}: {text}");
    }
    assert!(place("vcenter-target PowerOffVM_Task") < began("vcenter-source PowerOnVM_Task"), "{text}");
    assert!(place("vcenter-source PowerOnVM_Task") < began("vr unconfigure"), "{text}");
    // What the people see: the rollback, its mails, and the sponsor's task.
    for words in ["rolled back by compensation", "undo  25 targets switched off", "mail ", "Decide on the unfinished"] {
        assert!(text.contains(words), "{words}: {text}");
    }
}
