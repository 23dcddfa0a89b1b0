//! The leader of a PostgreSQL under Patroni is killed under load: a standby takes its place, and has all that was acknowledged.
//!
//! `PATRONI_KILLS` says how often, each time with the Patroni beside it. After every fifth time PostgreSQL is killed alone, then
//! Patroni alone: that leader goes on until its standby is promoted, and must not say yes to anything.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::fleet::Fleet;
use super::history::{self, History};
use super::{mix, number, seed};
use crate::support::binary::{binary, tail};
use crate::support::patroni::Patroni;
use crate::support::say::say;

const CLIENTS: usize = 8;
const PAUSE: Duration = Duration::from_millis(20);
/// The rarer faults come after so many kills.
const RARER_EVERY: u64 = 5;
/// Until a command succeeds again: the leader's key runs out, a standby is promoted, sessions find it.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Default)]
struct Times {
    killed: Vec<Duration>,
    crashed: Vec<Duration>,
    orphaned: Vec<Duration>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_its_leader() {
    let by_default = std::env::var("RUN_SLOW_TESTS").ok().map(|_| 1);
    let Some(kills) = number("PATRONI_KILLS").or(by_default) else { return };
    let Some(cluster) = Patroni::start("what_was_acknowledged_survives_its_leader").await else { return };
    let (seed, begun) = (seed(), Instant::now());
    let fleet = Fleet::of(&[cluster.address(), cluster.address()]).await;
    let history = Arc::new(History::default());
    history::deploy(&fleet.server(0).await.expect("it has started")).await;
    let load = history.load(&fleet, CLIENTS, PAUSE);
    let mut times = Times::default();
    for round in 1..=kills {
        tokio::time::sleep(Duration::from_millis(500 + mix(seed ^ round) % 1_500)).await;
        let leader = cluster.whole().await;
        times.killed.push(harm(&history, || cluster.kill(leader)).await);
        cluster.restart(leader);
        if round % RARER_EVERY == 0 {
            let leader = cluster.whole().await;
            times.crashed.push(harm(&history, || cluster.crash(leader)).await);
            let leader = cluster.whole().await;
            times.orphaned.push(harm_late(&history, || cluster.orphan(leader)).await);
            cluster.restart(leader);
        }
    }
    cluster.whole().await;
    load.stop().await;
    history::compare(&fleet, &history, &format!("seed {seed}")).await;
    verified(&cluster.address());
    tell(seed, kills, &history, &times, begun.elapsed());
}

/// Time from the harm to the first success of a command that was asked after it.
async fn harm(history: &History, how: impl FnOnce()) -> Duration {
    let since = Instant::now();
    how();
    success(history, since, Duration::ZERO).await
}

/// The same where the former leader goes on for a while: what succeeds before its key has run out counts for nothing.
async fn harm_late(history: &History, how: impl FnOnce()) -> Duration {
    const KEY: Duration = Duration::from_secs(6);
    let since = Instant::now();
    how();
    success(history, since, KEY).await
}

async fn success(history: &History, since: Instant, after: Duration) -> Duration {
    while since.elapsed() < PATIENCE + after {
        if let Some(answered) = history.success_after(since + after) {
            return answered - since;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no command has succeeded for {PATIENCE:?}");
}

fn verified(address: &str) {
    let done = Command::new(binary()).args(["verify", "--database", address]).output().expect("the binary starts");
    let told = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "verify: {}", tail(&told, 20));
}

fn tell(seed: u64, kills: u64, history: &History, times: &Times, took: Duration) {
    let (starts, completed) = history.acknowledged();
    let repeats = history.repeats.load(Ordering::SeqCst);
    let (crashed, orphaned) = (&times.crashed, &times.orphaned);
    let rarer = match crashed.is_empty() {
        true => String::new(),
        false => format!(
            "; PostgreSQL alone {} times {}, Patroni alone {} times {}",
            crashed.len(),
            middle_and_last(crashed),
            orphaned.len(),
            middle_and_last(orphaned)
        ),
    };
    say(format!(
        "Patroni, seed {seed}: {kills} leaders killed, times to the next success {}{rarer}: {starts} starts and {completed} \
         completions acknowledged, {repeats} asked again, 0 lost, 0 doubled, verify clean ({:.0} s)",
        middle_and_last(&times.killed),
        took.as_secs_f64()
    ));
}

fn middle_and_last(times: &[Duration]) -> String {
    let mut times = times.to_vec();
    times.sort();
    let at = |place: usize| times.get(place).map_or(0.0, Duration::as_secs_f64);
    format!("median {:.1} s, longest {:.1} s", at(times.len() / 2), at(times.len().saturating_sub(1)))
}
