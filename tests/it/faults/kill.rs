//! `kill -9` of a server under load: what it acknowledged is there afterwards, nothing is torn, no command counts twice.
//!
//! `KILL_ROUNDS` and `KILL_ROUNDS_POSTGRES` set the numbers of rounds, `KILL_SEED` repeats the moments of a run.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use sqlx::{Connection, SqliteConnection};

use super::fleet::Fleet;
use super::history::{self, History};
use super::{mix, number, seed};
use crate::support::postgres;
use crate::support::say::say;

const CLIENTS: usize = 8;
/// What clients know is compared after so many rounds, and at the end.
const COMPARE_EVERY: u64 = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kill_9() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let database = format!("sqlite:{}", folder.path().join("kill.db").display());
    rounds("SQLite", &database, number("KILL_ROUNDS").unwrap_or(3)).await;
    let mut plain = SqliteConnection::connect(&database).await.expect("the file opens");
    let check = sqlx::query_scalar("PRAGMA integrity_check");
    let whole: String = check.fetch_one(&mut plain).await.expect("answers");
    assert_eq!(whole, "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_on_postgresql_survives_kill_9() {
    let Some(database) = postgres::database("what_was_acknowledged_on_postgresql_survives_kill_9").await else {
        return;
    };
    rounds("PostgreSQL", &database, number("KILL_ROUNDS_POSTGRES").unwrap_or(2)).await;
}

async fn rounds(kind: &str, database: &str, rounds: u64) {
    let (seed, begun) = (seed(), Instant::now());
    let fleet = Fleet::one(database).await;
    let history = Arc::new(History::default());
    history::deploy(&fleet.server(0).await.expect("it has started")).await;
    let mut load = Some(history.load(&fleet, CLIENTS, Duration::ZERO));
    for round in 0..rounds {
        let moment = 40 + mix(seed ^ round) % 260;
        tokio::time::sleep(Duration::from_millis(moment)).await;
        fleet.kill(0).await;
        let is_last = round + 1 == rounds;
        if is_last || (round + 1) % COMPARE_EVERY == 0 {
            load.take().expect("clients work").stop().await;
            fleet.restart(0).await;
            let when = format!("{kind}, round {round}, seed {seed}, killed after {moment} ms");
            history::compare(&fleet, &history, &when).await;
            load = (!is_last).then(|| history.load(&fleet, CLIENTS, Duration::ZERO));
        } else {
            fleet.restart(0).await;
        }
    }
    fleet.kill(0).await;
    let ((starts, completed), seconds) = (history.acknowledged(), begun.elapsed().as_secs_f64());
    let repeats = history.repeats.load(Ordering::SeqCst);
    say(format!(
        "kill -9 on {kind}: {rounds} rounds, seed {seed}, {CLIENTS} clients: {starts} starts and {completed} completions \
         acknowledged, {repeats} asked again, 0 lost, 0 torn, 0 doubled ({seconds:.1} s)"
    ));
}
