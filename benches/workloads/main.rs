//! `cargo bench --bench workloads`: the workloads of the engine beside the raw limit of the same disk and database in the
//! same run.
//!
//! Absolute figures are never asserted, machines are noisy; printed is the rate and its share of the rows that the same
//! database writes in raw batches of 100. Asserted is that nothing was lost: stored rows equal answered commands.

mod growth;
#[path = "../load/mod.rs"]
#[allow(dead_code, reason = "shared with other benchmarks")]
mod load;
mod rest;

use std::path::Path;

use load::clients::Workload;
use load::database::Kind;
use load::raw::{self, BATCHES, Raw};
use load::settings::{Settings, asks_for_help, seconds};
use load::{Failure, closed, timers, waiting, wave};

/// As the binary has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A row of the history with its events has about this size.
const ROW_BYTES: usize = 200;

const HELP: &str = "\
cargo bench --bench workloads -- [WORD]...    without words: all but `sustained`

  sqlite postgres      the databases
  w1 w2 w3 w4 w5       closed loops: no-op task; four at once; a loop of ten; user task; ten external tasks
  w6a w6b w6c          many waiting instances and kill -9; many timers at once; one wide multi-instance
  r1                   over REST, at a server in a process of its own
  growth               one step against waiting instances, history, tenants: exponents
  sustained            a minute of w1 to w5 (or those named): the last third against the first

  BENCH_SECONDS 20       of one measurement (sustained: 60)
  BENCH_TIMES 3          measurements: median, least, most
  BENCH_CLIENTS 64       or a list: 1,16,64,256
  BENCH_WAITING 100000   w6a; growth goes up to it
  BENCH_TIMERS 100000    w6b
  BENCH_WIDTH 1000       w6c
  BENCH_TASKS 100000     r1: tasks that are queried
  BENCH_HISTORY 100000   growth: records of one instance
  BENCH_TENANTS 1000     growth";

const GROUPS: [&str; 11] = ["w1", "w2", "w3", "w4", "w5", "w6a", "w6b", "w6c", "r1", "growth", "sustained"];

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Failure> {
    if asks_for_help() {
        println!("{HELP}");
        return Ok(());
    }
    let settings = Settings::read();
    println!(
        "{} x {} s, {:?} clients in this process; engine, database and load share {} processors",
        settings.times,
        settings.span.as_secs_f64(),
        settings.clients,
        std::thread::available_parallelism()?
    );
    for kind in settings.databases() {
        if let Some(limit) = raw_limit(&settings, kind).await? {
            on(&settings, kind, limit).await?;
        }
    }
    Ok(())
}

async fn on(settings: &Settings, kind: Kind, limit: Raw) -> Result<(), Failure> {
    let sustained = settings.says("sustained");
    let models = Workload::ALL.map(Workload::model);
    let loops = Workload::ALL.into_iter().filter(|one| {
        let named = models.iter().any(|model| settings.says(model));
        settings.says(one.model()) || !named && (sustained || settings.wants(&GROUPS, one.model()))
    });
    for workload in loops {
        if sustained {
            closed::sustain(settings, workload, kind, seconds("BENCH_SECONDS", 60.0)).await?;
        } else {
            closed::measure(settings, workload, kind, limit).await?;
        }
    }
    if settings.wants(&GROUPS, "w6a") {
        waiting::measure(settings, kind).await?;
    }
    if settings.wants(&GROUPS, "w6b") {
        timers::measure(settings, kind).await?;
    }
    if settings.wants(&GROUPS, "w6c") {
        wave::measure(settings, kind).await?;
    }
    if settings.wants(&GROUPS, "r1") {
        rest::measure(settings, kind).await?;
    }
    if settings.wants(&GROUPS, "growth") {
        growth::measure(settings, kind).await?;
    }
    Ok(())
}

/// What the disk and the database do without an engine; none where the database is absent.
async fn raw_limit(settings: &Settings, kind: Kind) -> Result<Option<Raw>, Failure> {
    let Some(database) = kind.fresh().await? else { return Ok(None) };
    let span = (settings.span / 10).max(std::time::Duration::from_millis(200));
    let (folder, limit) = match kind {
        Kind::Sqlite => (Path::new(env!("CARGO_TARGET_TMPDIR")), raw::sqlite(&database.file(), ROW_BYTES, span).await?),
        Kind::Postgres => (Path::new("/tmp"), raw::postgres(&database.address, ROW_BYTES, span).await?),
    };
    println!("raw limits beside {}, rows of {ROW_BYTES} bytes:", kind.name());
    println!("  {:<32} {:>10.0} /s", "fdatasync of 4 KiB", raw::fdatasync(folder, span)?);
    for (batch, rate) in BATCHES.iter().zip(limit.0) {
        println!("  {:<32} {rate:>10.0} rows/s", format!("{batch} a commit"));
    }
    Ok(Some(limit))
}
