//! W6c: one instance, a parallel multi-instance of external tasks, many workers; some of the tasks fail once.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use serde_json::json;
use transhume::base::id::TokenId;

use super::Failure;
use super::clients::Workload;
use super::database::{Database, Kind};
use super::engine::{Engine, Leased};
use super::figure::{Latencies, Spread, growth};
use super::settings::{Settings, number};
use super::timers;

/// Of so many tasks one fails once: 2 %.
const FAILS: usize = 50;
/// Tasks that a worker takes at once.
const FETCH: usize = 20;
const PAUSE: Duration = Duration::from_millis(1);
pub(crate) const WORKERS: usize = 50;
pub(crate) const WIDTH: usize = 1_000;
const WIDTHS: [usize; 5] = [100, 300, 1_000, 3_000, 10_000];

pub(crate) async fn measure(settings: &Settings, kind: Kind) -> Result<(), Failure> {
    let Some(database) = kind.fresh().await? else { return Ok(()) };
    let spread = waves(&database, number("BENCH_WIDTH", WIDTH), WORKERS, settings.times).await?;
    println!(
        "W6c on {:<10} {} external tasks of one instance, {WORKERS} workers, 2 % fail once: {spread} ms",
        kind.name(),
        number("BENCH_WIDTH", WIDTH)
    );
    let beside = beside(&database, settings).await?;
    println!(
        "W6c on {:<10} the same while W1 runs: {} ms; W1 start before {}, meanwhile {}",
        kind.name(),
        beside.waves,
        beside.before,
        beside.meanwhile
    );
    let (engine, mut points) = (engine(&database).await?, Vec::new());
    for width in WIDTHS {
        points.push((width as f64, wave(&engine, width, WORKERS).await?.as_secs_f64() * 1e3));
    }
    growth("a wave: tasks of one multi-instance", "ms", 1.05, &points);
    engine.stop().await;
    Ok(())
}

/// Several waves after a short one, in milliseconds.
pub(crate) async fn waves(database: &Database, width: usize, workers: usize, times: usize) -> Result<Spread, Failure> {
    let engine = engine(database).await?;
    wave(&engine, width / 5, workers).await?;
    let mut took = Vec::new();
    for _ in 0..times {
        took.push(wave(&engine, width, workers).await?.as_secs_f64() * 1e3);
    }
    engine.stop().await;
    Ok(Spread::of(took))
}

struct Beside {
    waves: Spread,
    /// Of W1 alone.
    before: Latencies,
    meanwhile: Latencies,
}

/// Waves while W1 runs: what each feels of the other.
async fn beside(database: &Database, settings: &Settings) -> Result<Beside, Failure> {
    let engine = Arc::new(Engine::on(&database.address, &["w1", "w6c"]).await?);
    let clients = settings.most_clients();
    let before = Workload::W1.run(&engine, clients, settings.span, false).await?.tally.starts;
    let done = Arc::new(AtomicBool::new(false));
    let load = tokio::spawn(timers::meanwhile(Arc::clone(&engine), clients, Arc::clone(&done)));
    let mut took = Vec::new();
    for _ in 0..settings.times {
        took.push(wave(&engine, number("BENCH_WIDTH", WIDTH), WORKERS).await?.as_secs_f64() * 1e3);
    }
    done.store(true, Ordering::SeqCst);
    let meanwhile = load.await??;
    engine.stop().await;
    Ok(Beside { waves: Spread::of(took), before, meanwhile })
}

async fn engine(database: &Database) -> Result<Arc<Engine>, Failure> {
    Ok(Arc::new(Engine::on(&database.address, &["w6c"]).await?))
}

/// What the workers of a wave share.
struct Wave {
    engine: Arc<Engine>,
    left: AtomicUsize,
    reports: AtomicUsize,
    /// Tokens whose task has failed once.
    failed: Mutex<BTreeSet<TokenId>>,
}

/// From the start of the instance to its end.
async fn wave(engine: &Arc<Engine>, width: usize, workers: usize) -> Result<Duration, Failure> {
    let wave = Arc::new(Wave {
        engine: Arc::clone(engine),
        left: AtomicUsize::new(width),
        reports: AtomicUsize::new(0),
        failed: Mutex::default(),
    });
    let begun = Instant::now();
    let instance = engine.start_with("w6c", "", Some(("width", json!(width)))).await?;
    let workers = (0..workers).map(|worker| {
        let wave = Arc::clone(&wave);
        tokio::spawn(async move { wave.work(worker).await })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await??;
    }
    let took = begun.elapsed();
    let live = engine.node.instance(instance).await?;
    assert!(live.is_none(), "the instance has ended with its last task");
    let failed = wave.failed.lock().unwrap_or_else(PoisonError::into_inner).len();
    assert!(failed > 0, "some tasks have failed once");
    Ok(took)
}

impl Wave {
    async fn work(&self, worker: usize) -> Result<(), Failure> {
        while self.left.load(Ordering::SeqCst) > 0 {
            let leased = self.engine.fetch("bench.wave", worker, FETCH).await?;
            if leased.is_empty() {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            try_join_all(leased.into_iter().map(|one| self.report(one))).await?;
        }
        Ok(())
    }

    async fn report(&self, leased: Leased) -> Result<(), Failure> {
        let fails = self.reports.fetch_add(1, Ordering::SeqCst).is_multiple_of(FAILS)
            && self.failed.lock().unwrap_or_else(PoisonError::into_inner).insert(leased.1);
        if fails {
            return self.engine.fail_job(leased).await;
        }
        self.engine.complete_job(leased).await?;
        self.left.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    }
}
