//! Three nodes on one PostgreSQL under load: one after the other is killed, paused or cut off from the database, and comes back.
//!
//! `NODES_SECONDS` says how long, `NODES_CLIENTS` how many send commands, `NODES_TURN` the seconds from fault to fault; each
//! fault lasts half of its turn.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::fleet::Fleet;
use super::history::{self, History};
use super::{mix, number, seed};
use crate::support::postgres;
use crate::support::proxy::Proxy;
use crate::support::say::say;

/// With [`PAUSE`] about 60 commands a second of a debug build through all faults; 40 are about 200.
const CLIENTS: u64 = 10;
const PAUSE: Duration = Duration::from_millis(60);
const TURN: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_survive_kills_pauses_and_cuts() {
    let Some(direct) = postgres::database("three_nodes_survive_kills_pauses_and_cuts").await else { return };
    let span = Duration::from_secs(number("NODES_SECONDS").unwrap_or(6));
    let turn = number("NODES_TURN").map_or(TURN, Duration::from_secs).min(span / 2);
    let (seed, begun) = (seed(), Instant::now());
    let proxies: Vec<Proxy> = (0..3).map(|_| Proxy::before(&direct)).collect();
    let addresses: Vec<String> = proxies.iter().map(|proxy| proxy.address(&direct)).collect();
    let fleet = Fleet::of(&addresses).await;
    let history = Arc::new(History::default());
    history::deploy(&fleet.server(0).await.expect("it has started")).await;
    let clients = usize::try_from(number("NODES_CLIENTS").unwrap_or(CLIENTS)).expect("a small number");
    let load = history.load(&fleet, clients, PAUSE);
    let (started, mut faults) = (Instant::now(), BTreeMap::<&str, u32>::new());
    for round in 0.. {
        if started.elapsed() >= span {
            break;
        }
        let draw = mix(seed ^ round);
        let (node, fault) = ((draw % 3) as usize, ["kill", "pause", "cut"][((round + seed) % 3) as usize]);
        *faults.entry(fault).or_default() += 1;
        harm(&fleet, &proxies, node, fault, turn / 2).await;
        tokio::time::sleep(turn / 2).await;
    }
    load.stop().await;
    let when = format!("seed {seed}, {faults:?}");
    history::compare(&fleet, &history, &when).await;
    for ix in 0..3 {
        // Each of them answers again.
        let server = fleet.server(ix).await.expect("it is back");
        assert_eq!(server.get("/engine-rest/task/count").await.status, 200, "{when}: node {ix}");
    }
    let ((starts, completed), [median, late, last]) = (history.acknowledged(), history.times());
    let repeats = history.repeats.load(Ordering::SeqCst);
    say(format!(
        "three nodes, seed {seed}, {clients} clients: {faults:?} in {:.0} s: {starts} starts and {completed} completions acknowledged, \
         {repeats} asked again, 0 lost, 0 doubled; a command took {median} ms, 99 of 100 at most {late} ms, the longest {last} ms",
        begun.elapsed().as_secs_f64()
    ));
}

async fn harm(fleet: &Fleet, proxies: &[Proxy], node: usize, fault: &str, span: Duration) {
    match fault {
        "kill" => {
            fleet.kill(node).await;
            tokio::time::sleep(span).await;
            fleet.restart(node).await;
        }
        "pause" => {
            let server = fleet.server(node).await.expect("it runs");
            server.signal("STOP");
            tokio::time::sleep(span).await;
            server.signal("CONT");
        }
        _ => {
            proxies[node].dark.store(true, Ordering::SeqCst);
            tokio::time::sleep(span).await;
            proxies[node].dark.store(false, Ordering::SeqCst);
        }
    }
}
