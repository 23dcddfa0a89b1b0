//! L13: a server under steady load for a long time. Its memory and its open files stay as they are, its tables come to a
//! plateau under the clean-up of history, and all that was started has ended when the load ends.
//!
//! `SOAK_SECONDS` says how long (a few without it); from half an hour on, growth of memory is judged by the hour.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::{Connection, SqliteConnection};
use transhume::base::time::{DAY_MS, Timestamp};
use transhume::runtime::clock::system;
use transhume::store::Store;

use super::fleet::Fleet;
use super::history::{self, History};
use super::{number, resident};
use crate::support::say::say;

const CLIENTS: usize = 4;
const PAUSE: Duration = Duration::from_millis(10);
const SHORT: u64 = 4;
/// From here on the hour is judged; before it, warming up is most of what is seen.
const HOUR_JUDGED_FROM: u64 = 1_800;
const GROWTH_MAX: f64 = 1.0;
/// Two halves, however busy the machine is.
const SAMPLES_MIN: usize = 4;
/// How much is started between two clean-ups is chance where there are few; that each takes all that had ended is judged always.
const PLATEAU_FROM: usize = 20;
/// Connections of clients come and go.
const FILES_SLACK: usize = 16;

/// What was started since the last clean-up.
const ROWS_SLACK: i64 = 2_000;

/// The server at one moment.
#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Duration,
    /// In bytes.
    memory: u64,
    files: usize,
    /// Of history, after a clean-up.
    rows: i64,
}

async fn rows(address: &str) -> i64 {
    let mut own = SqliteConnection::connect(address).await.expect("connects");
    let mut all = 0;
    for table in ["process_instance", "history", "past_activity", "past_task", "past_variable", "command_key"] {
        let text = sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
        let count: i64 = sqlx::query_scalar(text).fetch_one(&mut own).await.expect("it answers");
        all += count;
    }
    all
}

async fn ended(address: &str) -> BTreeSet<i64> {
    let mut own = SqliteConnection::connect(address).await.expect("connects");
    let text = "SELECT id FROM process_instance WHERE ended_at IS NOT NULL";
    let ids: Vec<i64> = sqlx::query_scalar(text).fetch_all(&mut own).await.expect("it answers");
    ids.into_iter().collect()
}

fn files(process: u32) -> usize {
    std::fs::read_dir(format!("/proc/{process}/fd")).map_or(0, Iterator::count)
}

/// By the least squares of the second half, in percent an hour.
fn growth(samples: &[Sample]) -> f64 {
    let late = &samples[samples.len() / 2..];
    let count = late.len() as f64;
    let (x, y) = (|one: &Sample| one.at.as_secs_f64() / 3_600.0, |one: &Sample| one.memory as f64);
    let mean = |of: &dyn Fn(&Sample) -> f64| late.iter().map(of).sum::<f64>() / count;
    let (mean_x, mean_y) = (mean(&x), mean(&y));
    let above: f64 = late.iter().map(|one| (x(one) - mean_x) * (y(one) - mean_y)).sum();
    let below: f64 = late.iter().map(|one| (x(one) - mean_x).powi(2)).sum();
    if below == 0.0 || mean_y == 0.0 { 0.0 } else { above / below / mean_y * 100.0 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_under_steady_load_stays_as_it_is() {
    let seconds = number("SOAK_SECONDS").unwrap_or(SHORT);
    let folder = tempfile::tempdir().expect("a folder");
    let address = format!("sqlite:{}", folder.path().join("soak.db").display());
    let fleet = Fleet::one(&address).await;
    let server = fleet.server(0).await.expect("it has started");
    let history = Arc::new(History::default());
    history::deploy(&server).await;
    let load = history.load_with(&fleet, CLIENTS, PAUSE, true);
    let cleaner = Store::open(&address).await.expect("it opens beside the server");
    let later = || Timestamp(system().now().0 + 400 * DAY_MS);
    let (begun, mut samples) = (Instant::now(), Vec::new());
    let every = Duration::from_millis((seconds * 1_000 / 120).clamp(500, 30_000));
    while begun.elapsed() < Duration::from_secs(seconds) || samples.len() < SAMPLES_MIN {
        tokio::time::sleep(every).await;
        let over = ended(&address).await;
        cleaner.sweep(later(), 1).await.expect("it sweeps");
        let left = ended(&address).await.intersection(&over).count();
        assert_eq!(left, 0, "of {} that had ended before a clean-up", over.len());
        let (memory, files) = (resident(server.pid()).unwrap_or(0), files(server.pid()));
        samples.push(Sample { at: begun.elapsed(), memory, files, rows: rows(&address).await });
    }
    load.stop().await;
    judge(&samples, seconds);
    let (started, completed) = history.acknowledged();
    let open = server.get("/engine-rest/process-instance/count").await.body["count"].as_u64().expect("a number");
    // Whoever was stopped between a command and its answer knows less than the server.
    let unknown = u64::try_from(started - completed).expect("not more are completed than started");
    assert!(open.abs_diff(unknown) <= CLIENTS as u64, "{started} started, {completed} completed, {open} are open");
    cleaner.sweep(later(), 1).await.expect("it sweeps");
    let mut own = SqliteConnection::connect(&address).await.expect("connects");
    let left = "SELECT COUNT(*) FROM past_activity WHERE instance NOT IN (SELECT id FROM process_instance WHERE ended_at IS NULL)";
    let left: i64 = sqlx::query_scalar(left).fetch_one(&mut own).await.expect("it answers");
    assert_eq!(left, 0, "rows of what has ended");
    let (last, [p50, p99, most]) = (samples.last().expect("a sample"), history.times());
    say(format!(
        "soak: {seconds} s, {started} started, {completed} completed, {open} open; memory {} MB, {:+.1} %/h; {} files open, \
         {} rows; p50 {p50} ms, p99 {p99} ms, longest {most} ms",
        last.memory >> 20,
        growth(&samples),
        last.files,
        last.rows
    ));
}

fn judge(samples: &[Sample], seconds: u64) {
    let half = samples.len() / 2;
    let (early, late) = samples.split_at(half);
    let most = |part: &[Sample], of: fn(&Sample) -> i64| part.iter().map(of).max().unwrap_or(0);
    let files = |one: &Sample| i64::try_from(one.files).expect("few");
    let (before, after) = (most(early, files), most(late, files));
    assert!(after <= before + FILES_SLACK as i64, "open files rise from {before} to {after}");
    let rows = |one: &Sample| one.rows;
    let (before, after) = (most(early, rows), most(late, rows));
    let few = samples.len() < PLATEAU_FROM;
    assert!(few || after <= before * 2 + ROWS_SLACK, "after each clean-up {before} rows were left, and then {after}");
    if seconds >= HOUR_JUDGED_FROM {
        assert!(growth(samples) < GROWTH_MAX, "memory grows by {:.1} %/h: {samples:?}", growth(samples));
    }
}
