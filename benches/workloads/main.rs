//! `cargo bench`: the workloads of the engine beside the raw limit of the same disk and database in the same run.
//!
//! Absolute figures are never asserted, machines are noisy. `BENCH_SECONDS` sets the length of one measurement.

mod raw;
#[path = "../../tests/it/support/mod.rs"]
#[allow(dead_code, reason = "a benchmark needs only the database server of the tests")]
mod support;

use std::env;
use std::path::Path;
use std::time::Duration;

use raw::{BATCHES, Raw};

/// A row of the history with its events has about this size.
const ROW_BYTES: usize = 200;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seconds: f64 = env::var("BENCH_SECONDS").ok().and_then(|value| value.parse().ok()).unwrap_or(20.0);
    let raw_span = Duration::from_secs_f64((seconds / 10.0).max(0.2));
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    println!("raw limits, rows of {ROW_BYTES} bytes; engine, database and load share this machine's processors");
    println!("  {:<28} {:>10.0} /s", "fdatasync of 4 KiB", raw::fdatasync(folder.path(), raw_span)?);
    show("SQLite", raw::sqlite(&folder.path().join("raw.db"), ROW_BYTES, raw_span).await?);
    if let Some(url) = support::postgres::durable_database("PostgreSQL").await {
        println!("  {:<28} {:>10.0} /s", "fdatasync beside PostgreSQL", raw::fdatasync(Path::new("/tmp"), raw_span)?);
        show("PostgreSQL", raw::postgres(&url, ROW_BYTES, raw_span).await?);
    }
    Ok(())
}

fn show(database: &str, raw: Raw) {
    for (batch, rate) in BATCHES.iter().zip(raw.0) {
        println!("  {:<28} {rate:>10.0} rows/s", format!("{database}, {batch} a commit"));
    }
}
