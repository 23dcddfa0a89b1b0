//! The demo as a user starts it: the paper's times in its own sequence, the same after kills at random moments, no order
//! placed twice, and the modelled exception paths.

use crate::support::say::say;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Kills in the quick run; `DEMO_KILLS` asks for more.
const KILLS: u32 = 3;

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
    let data = tempfile::tempdir().expect("a folder");
    let kills = std::env::var("DEMO_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(KILLS);
    let mut random = 0x2545_F491_4F6C_DD1D_u64;
    let mut killed = 0;
    for _ in 0..kills {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let mut running = demo(data.path(), &["--sequence", "paper"]).spawn().expect("the demo starts");
        std::thread::sleep(Duration::from_millis(300 + random % 2_500));
        killed += u32::from(kill(&mut running));
    }
    let (done, text) = finished(&mut demo(data.path(), &["--sequence", "paper"]));
    assert!(done, "{text}");
    assert_eq!(table(&text), paper(), "{text}");
    let placed = orders(data.path());
    assert_eq!(placed.len(), 4, "gateway, VLAN, host, vCenter: {placed:?}");
    assert!(placed.values().all(|times| *times == 1), "no order is placed twice: {placed:?}");
    let (again, text) = finished(&mut demo(data.path(), &["--sequence", "paper"]));
    assert!(again, "{text}");
    assert_eq!(table(&text), paper(), "a run that has ended prints the same table: {text}");
    say(format!("demo: killed {killed} times, the paper's times, {} orders, none twice", placed.len()));
}

/// True if it still ran.
fn kill(running: &mut Child) -> bool {
    let ran = running.try_wait().expect("it is ours").is_none();
    running.kill().expect("it is ours");
    running.wait().expect("it is ours");
    ran
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
