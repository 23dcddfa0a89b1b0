//! W6b: many timers come due within one second while W1 runs. How long until the last has fired, and what W1 feels of it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::json;
use tokio::sync::watch;
use transhume::base::time::Timestamp;
use transhume::runtime::clock::{Clock, Guard, system};

use super::Failure;
use super::clients::Workload;
use super::database::{Database, Kind};
use super::engine::Engine;
use super::figure::Latencies;
use super::settings::{Settings, number};

/// The timers are made for so much later that none comes due before all are there.
const LATER_MS: i64 = 24 * 3_600_000;
const LOOK: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(300);

/// The system's clock, set forward once.
#[derive(Clone)]
struct SetForward {
    by: Arc<AtomicI64>,
    told: watch::Sender<()>,
}

impl SetForward {
    fn jump(&self, ms: i64) {
        self.by.fetch_add(ms, Ordering::SeqCst);
        self.told.send_replace(());
    }
}

impl fmt::Debug for SetForward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SetForward({} ms)", self.by.load(Ordering::SeqCst))
    }
}

impl Clock for SetForward {
    fn now(&self) -> Timestamp {
        system().now().plus_ms(self.by.load(Ordering::SeqCst))
    }

    fn guard(&self) -> Guard {
        Guard::default()
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, Guard> {
        let (own, mut told) = (self.clone(), self.told.subscribe());
        async move {
            loop {
                let wait = u64::try_from(at.0.saturating_sub(own.now().0)).unwrap_or(0);
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_millis(wait)) => return Guard::default(),
                    _ = told.changed() => {}
                }
            }
        }
        .boxed()
    }
}

struct Fired {
    seconds: f64,
    before: Latencies,
    meanwhile: Latencies,
    late_ms: i64,
}

pub(crate) async fn measure(settings: &Settings, kind: Kind) -> Result<(), Failure> {
    let Some(database) = kind.fresh().await? else { return Ok(()) };
    let count = number("BENCH_TIMERS", 100_000);
    let fired = run(&database, count, settings.most_clients(), settings.span).await?;
    println!(
        "W6b on {:<10} {count} timers within a second: {:.2} s until the last had fired ({} ms late); W1 start before {}, \
         meanwhile {}",
        kind.name(),
        fired.seconds,
        fired.late_ms,
        fired.before,
        fired.meanwhile
    );
    Ok(())
}

/// A node whose timers have all been made, and wait.
struct Armed {
    engine: Arc<Engine>,
    clock: SetForward,
    due: Timestamp,
}

impl Armed {
    async fn on(database: &Database, count: usize) -> Result<Self, Failure> {
        let clock = SetForward { by: Arc::default(), told: watch::Sender::new(()) };
        let engine = Arc::new(Engine::with_clock(&database.address, &["w1", "w6b"], Arc::new(clock.clone())).await?);
        let due = clock.now().plus_ms(LATER_MS);
        create(&engine, count, due).await?;
        Ok(Self { engine, clock, due })
    }

    /// Lets the second come, and waits for the last timer: seconds.
    async fn fire(&self, database: &Database) -> Result<f64, Failure> {
        // No job is under way now, so that the jump ends no lease.
        self.clock.jump(self.due.0 - self.clock.now().0);
        let begun = Instant::now();
        while !database.rows::<(i64,)>("SELECT due FROM timer ORDER BY due DESC LIMIT 1").await?.is_empty() {
            if begun.elapsed() > PATIENCE {
                return Err("timers have not fired".into());
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(begun.elapsed().as_secs_f64())
    }

    /// How late the last instance has ended, in milliseconds.
    async fn end(self, database: &Database, count: usize) -> Result<i64, Failure> {
        let text = "SELECT MAX(ended_at), COUNT(ended_at) FROM process_instance WHERE process = 'w6b' AND ended_at IS NOT NULL";
        let last: Vec<(i64, i64)> = database.rows(text).await?;
        let (ended_at, ended) = last.first().copied().unwrap_or_default();
        assert_eq!(ended, count as i64, "each timer has fired once");
        self.engine.stop().await;
        Ok(ended_at - self.due.plus_ms(1_000).0)
    }
}

/// `span`: of W1 alone, before.
async fn run(database: &Database, count: usize, clients: usize, span: Duration) -> Result<Fired, Failure> {
    let armed = Armed::on(database, count).await?;
    let before = Workload::W1.run(&armed.engine, clients, span, false).await?.tally.starts;
    let done = Arc::new(AtomicBool::new(false));
    let load = tokio::spawn(meanwhile(Arc::clone(&armed.engine), clients, Arc::clone(&done)));
    let seconds = armed.fire(database).await?;
    done.store(true, Ordering::SeqCst);
    let meanwhile = load.await??;
    let late_ms = armed.end(database, count).await?;
    Ok(Fired { seconds, before, meanwhile, late_ms })
}

/// Nothing else runs beside: seconds until the last has fired.
pub(crate) async fn alone(database: &Database, count: usize) -> Result<f64, Failure> {
    let armed = Armed::on(database, count).await?;
    let seconds = armed.fire(database).await?;
    armed.end(database, count).await?;
    Ok(seconds)
}

/// One timer each, evenly within a second from `due` on.
async fn create(engine: &Arc<Engine>, count: usize, due: Timestamp) -> Result<(), Failure> {
    /// Clients that create: their commands share commits.
    const CLIENTS: usize = 256;
    let next = Arc::new(AtomicUsize::new(0));
    let clients = (0..CLIENTS).map(|_| {
        let (engine, next) = (Arc::clone(engine), Arc::clone(&next));
        tokio::spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return Ok::<_, Failure>(());
                }
                let at = due.plus_ms((number * 1_000 / count) as i64);
                let at = jiff::Timestamp::from_millisecond(at.0)?.to_string();
                engine.start_with("w6b", "", Some(("due", json!(at)))).await?;
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await??;
    }
    println!("   W6b: {count} timers are armed");
    Ok(())
}

/// W1 in short runs, one after the other, until what it runs beside is done.
pub(crate) async fn meanwhile(
    engine: Arc<Engine>,
    clients: usize,
    done: Arc<AtomicBool>,
) -> Result<Latencies, Failure> {
    const SLICE: Duration = Duration::from_millis(500);
    let mut all = Latencies::default();
    while !done.load(Ordering::SeqCst) {
        all.join(Workload::W1.run(&engine, clients, SLICE, false).await?.tally.starts);
    }
    Ok(all)
}
