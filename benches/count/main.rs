//! `cargo bench --bench count`: what one command costs, counted before it is timed. Statements, rows, bytes, allocations; then
//! where its time goes: the engine's run, binding and waiting for the database, by table on PostgreSQL, the commit.
//!
//! The partition is driven by hand, as the driver of a node does it, batch by batch: so that each part can be measured by itself
//! and the counts repeat exactly.

mod hand;
#[path = "../load/mod.rs"]
#[allow(dead_code, reason = "shared with other benchmarks")]
mod load;
mod report;

use std::alloc::System;

use hand::Hand;
use load::Failure;
use load::clients::Workload;
use load::database::{Database, Kind};
use load::settings::{Settings, asks_for_help, number};
use load::support::postgres::observed_database;
use report::Observer;
use stats_alloc::StatsAlloc;

/// Counts each allocation; slower than the binary's own.
#[global_allocator]
static ALLOCATOR: StatsAlloc<System> = StatsAlloc::system();

const HELP: &str = "\
cargo bench --bench count -- [WORD]...    without words: all

  sqlite postgres      the databases
  w1 w2 w3 w4 w5       workloads

  BENCH_CLIENTS 1,64   commands in one batch
  BENCH_COMMANDS 6400  instances of one run";

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Failure> {
    if asks_for_help() {
        println!("{HELP}");
        return Ok(());
    }
    let mut settings = Settings::read();
    if std::env::var_os("BENCH_CLIENTS").is_none() {
        settings.clients = vec![1, 64];
    }
    let instances = number("BENCH_COMMANDS", 6_400);
    let models = Workload::ALL.map(Workload::model);
    for kind in settings.databases() {
        for workload in Workload::ALL.into_iter().filter(|one| settings.wants(&models, one.model())) {
            for batch in &settings.clients {
                let Some(database) = fresh(kind).await? else { break };
                let rounds = (instances / batch).clamp(2, 2_000);
                run(&database, workload, *batch, rounds).await?;
            }
        }
    }
    Ok(())
}

/// On a server that counts the time of each statement, where it has that extension.
async fn fresh(kind: Kind) -> Result<Option<Database>, Failure> {
    match kind {
        Kind::Sqlite => kind.fresh().await,
        Kind::Postgres => Ok(observed_database("PostgreSQL with pg_stat_statements").await.map(Database::postgres)),
    }
}

async fn run(database: &Database, workload: Workload, batch: usize, rounds: usize) -> Result<(), Failure> {
    let mut hand = Hand::on(&database.address, workload.model()).await?;
    for _ in 0..(rounds / 10).max(1) {
        hand.round(workload, batch).await?;
    }
    let mut observer = Observer::of(database).await?;
    hand.forget();
    observer.begin().await?;
    for _ in 0..rounds {
        hand.round(workload, batch).await?;
    }
    observer.end().await?;
    let title = format!("{workload:?} on {}, {batch} commands a batch", database.kind.name());
    report::show(&title, (batch * rounds) as f64, &hand.counts, &observer);
    hand.close().await;
    Ok(())
}
