//! The database itself goes away under load: its sessions are ended, answers to commits are lost, and it is killed and comes back.
//!
//! `SERVER_ROUNDS` says how often each.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use sqlx::{Connection, Executor, PgConnection};

use super::fleet::Fleet;
use super::history::{self, History};
use super::{mix, number, seed};
use crate::support::postgres;
use crate::support::proxy::Proxy;
use crate::support::say::say;

const CLIENTS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ended_sessions_and_lost_answers_lose_nothing() {
    let Some(direct) = postgres::database("ended_sessions_and_lost_answers_lose_nothing").await else { return };
    let rounds = number("SERVER_ROUNDS").unwrap_or(4);
    let (seed, begun) = (seed(), Instant::now());
    let proxy = Proxy::before(&direct);
    let fleet = Fleet::one(&proxy.address(&direct)).await;
    let history = Arc::new(History::default());
    history::deploy(&fleet.server(0).await.expect("it has started")).await;
    let load = history.load(&fleet, CLIENTS, Duration::ZERO);
    let mut admin = PgConnection::connect(&direct).await.expect("connects");
    for round in 0..rounds {
        tokio::time::sleep(Duration::from_millis(50 + mix(seed ^ round) % 200)).await;
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> \
                   pg_backend_pid()";
        admin.execute(end).await.expect("sessions end");
        tokio::time::sleep(Duration::from_millis(50 + mix(!seed ^ round) % 200)).await;
        proxy.lose.store(true, Ordering::SeqCst);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    proxy.lose.store(false, Ordering::SeqCst);
    load.stop().await;
    history::compare(&fleet, &history, &format!("seed {seed}")).await;
    let ((starts, completed), [median, late, last]) = (history.acknowledged(), history.times());
    let (lost, repeats) = (proxy.lost.load(Ordering::SeqCst), history.repeats.load(Ordering::SeqCst));
    say(format!(
        "PostgreSQL's sessions ended {rounds} times, {lost} answers to COMMIT lost, seed {seed}: {starts} starts and {completed} \
         completions acknowledged, {repeats} asked again, 0 lost, 0 doubled; a command took {median} ms, 99 of 100 at most \
         {late} ms, the longest {last} ms ({:.1} s)",
        begun.elapsed().as_secs_f64()
    ));
}

/// Nobody waits without end for a database that does not come back; when it does, the same key finds out what became of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_stays_away_is_told_to_who_asks() {
    if std::env::var("RUN_SLOW_TESTS").is_err() {
        return;
    }
    let Some(server) = postgres::Own::start("a_database_that_stays_away_is_told_to_who_asks") else { return };
    let fleet = Fleet::one(&server.address()).await;
    let served = fleet.server(0).await.expect("it has started");
    history::deploy(&served).await;
    server.kill();
    let path = "/engine-rest/process-definition/key/kill/start";
    let answer = served.post(path, &serde_json::json!({})).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    server.restart();
    let mut done = None;
    for _ in 0..50 {
        done = served.keyed(path, &serde_json::json!({}), "again").await.filter(|answer| answer.status == 200);
        if done.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(done.is_some(), "it goes on when the database is back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_database_that_comes_back_has_everything() {
    let rounds = number("SERVER_ROUNDS").map_or(1, |rounds| rounds / 4);
    let Some(server) = postgres::Own::start("a_killed_database_that_comes_back_has_everything") else { return };
    let (seed, begun) = (seed(), Instant::now());
    let fleet = Fleet::one(&server.address()).await;
    let history = Arc::new(History::default());
    history::deploy(&fleet.server(0).await.expect("it has started")).await;
    let load = history.load(&fleet, CLIENTS, Duration::ZERO);
    for round in 0..rounds {
        tokio::time::sleep(Duration::from_millis(300 + mix(seed ^ round) % 500)).await;
        server.kill();
        tokio::time::sleep(Duration::from_millis(mix(!seed ^ round) % 2_000)).await;
        server.restart();
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    load.stop().await;
    history::compare(&fleet, &history, &format!("seed {seed}")).await;
    let ((starts, completed), [median, late, last]) = (history.acknowledged(), history.times());
    say(format!(
        "PostgreSQL killed {rounds} times and started again, seed {seed}: {starts} starts and {completed} completions acknowledged, 0 \
         lost, 0 doubled; a command took {median} ms, 99 of 100 at most {late} ms, the longest {last} ms ({:.1} s)",
        begun.elapsed().as_secs_f64()
    ));
}
