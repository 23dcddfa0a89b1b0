//! `cargo bench`: the workloads of the engine beside the raw limit of the same disk and database in the same run.
//!
//! Absolute figures are never asserted, machines are noisy; printed is the rate and its share of the rows that the same
//! database writes in raw batches of 100. Asserted is that nothing was lost: completed rows equal answered commands.
//!
//! Settings: `BENCH_SECONDS` (20) for one measurement, `BENCH_TIMES` (3), `BENCH_CLIENTS` (64), and words of the command
//! line: `cargo bench -- w1 sqlite`.

mod engine;
mod load;
mod raw;
#[path = "../../tests/it/support/mod.rs"]
#[allow(dead_code, reason = "a benchmark needs only the database server of the tests")]
mod support;

use std::env;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use engine::Engine;
use load::Workload;
use raw::{BATCHES, Raw};
use sqlx::{Connection, PgConnection};

/// As the binary has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A row of the history with its events has about this size.
const ROW_BYTES: usize = 200;
const WARM_UP: Duration = Duration::from_secs(2);

struct Settings {
    span: Duration,
    times: usize,
    clients: usize,
    words: Vec<String>,
}

impl Settings {
    fn read() -> Self {
        let number = |name: &str, otherwise: f64| env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(otherwise);
        let words = env::args().skip(1).filter(|word| !word.starts_with('-')).map(|word| word.to_lowercase());
        Self {
            span: Duration::from_secs_f64(number("BENCH_SECONDS", 20.0)),
            times: number("BENCH_TIMES", 3.0).max(1.0) as usize,
            clients: number("BENCH_CLIENTS", 64.0).max(1.0) as usize,
            words: words.collect(),
        }
    }

    fn wants(&self, kinds: &[&str], word: &str) -> bool {
        let asked = |word: &str| self.words.iter().any(|one| one == word);
        asked(word) || !kinds.iter().any(|kind| asked(kind))
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Failure> {
    let settings = Settings::read();
    let raw_span = (settings.span / 10).max(Duration::from_millis(200));
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let (seconds, times, clients) = (settings.span.as_secs_f64(), settings.times, settings.clients);
    println!(
        "{times} x {seconds} s, {clients} clients in this process; engine, database and load share its processors"
    );
    println!("raw limits, rows of {ROW_BYTES} bytes:");
    println!("  {:<32} {:>10.0} /s", "fdatasync of 4 KiB", raw::fdatasync(folder.path(), raw_span)?);
    let databases = ["sqlite", "postgres"];
    if settings.wants(&databases, "sqlite") {
        let limit = raw::sqlite(&folder.path().join("raw.db"), ROW_BYTES, raw_span).await?;
        show("SQLite", limit);
        for workload in wanted(&settings) {
            let file = folder.path().join(format!("{}.db", workload.model()));
            measure(&settings, workload, &format!("sqlite:{}", file.display()), limit).await?;
        }
    }
    if settings.wants(&databases, "postgres")
        && let Some(url) = support::postgres::durable_database("PostgreSQL").await
    {
        println!("  {:<32} {:>10.0} /s", "fdatasync beside PostgreSQL", raw::fdatasync(Path::new("/tmp"), raw_span)?);
        let limit = raw::postgres(&url, ROW_BYTES, raw_span).await?;
        show("PostgreSQL", limit);
        for workload in wanted(&settings) {
            let Some(url) = support::postgres::durable_database("PostgreSQL").await else { break };
            measure(&settings, workload, &url, limit).await?;
        }
    }
    Ok(())
}

fn wanted(settings: &Settings) -> Vec<Workload> {
    let all = Workload::ALL.map(Workload::model);
    Workload::ALL.into_iter().filter(|one| settings.wants(&all, one.model())).collect()
}

fn show(database: &str, raw: Raw) {
    for (batch, rate) in BATCHES.iter().zip(raw.0) {
        println!("  {:<32} {rate:>10.0} rows/s", format!("{database}, {batch} a commit"));
    }
}

/// One workload on one database: warm up, measure, check that everything answered is there.
async fn measure(settings: &Settings, workload: Workload, database: &str, limit: Raw) -> Result<(), Failure> {
    let engine = Arc::new(Engine::on(database, workload.model()).await?);
    let mut answered = workload.run(&engine, settings.clients, WARM_UP.min(settings.span)).await?.instances;
    let mut rates = Vec::new();
    for _ in 0..settings.times {
        let load = workload.run(&engine, settings.clients, settings.span).await?;
        answered += load.instances;
        rates.push(workload.rate(&load));
    }
    let completed = engine.completed().await?;
    assert_eq!(completed, answered as i64, "{workload:?}: completed rows equal answered instances");
    if let Ok(engine) = Arc::try_unwrap(engine) {
        engine.stop().await;
    }
    rates.sort_by(f64::total_cmp);
    let (least, median, most) = (rates[0], rates[rates.len() / 2], rates[rates.len() - 1]);
    let (name, floor) =
        (if database.starts_with("sqlite") { "SQLite" } else { "PostgreSQL" }, workload.floor(database));
    println!(
        "{workload:?} on {name:<11} {median:>9.0} {} [{least:.0} to {most:.0}], {:.2} of the goal's floor {floor:.0}; \
         {answered} instances answered, as many stored",
        workload.counts(),
        median / floor,
    );
    match rows_per_instance(database, answered).await? {
        Some(rows) => {
            let instances = median / workload.per_instance();
            let (written, raw) = (instances * rows, limit.0[1]);
            println!("   {rows:.1} rows an instance: {written:.0} rows/s, {:.2} of the raw limit", written / raw);
        }
        None => println!("   rows an instance are counted on PostgreSQL"),
    }
    Ok(())
}

/// Rows inserted, updated and deleted, as PostgreSQL counts them; the statements are the same on both databases.
async fn rows_per_instance(database: &str, instances: u64) -> Result<Option<f64>, Failure> {
    if !database.starts_with("postgres") {
        return Ok(None);
    }
    let mut own = PgConnection::connect(database).await?;
    let sum = "SELECT CAST(SUM(n_tup_ins + n_tup_upd + n_tup_del) AS BIGINT) FROM pg_stat_user_tables";
    let rows: i64 = sqlx::query_scalar(sum).fetch_one(&mut own).await?;
    Ok(Some(rows as f64 / instances.max(1) as f64))
}
