//! W1 to W5: closed loops of clients on one database, measured, compared with the raw limit, and checked against the store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use transhume::store::Store;

use super::Failure;
use super::clients::{Load, Tally, Workload};
use super::database::{Database, Kind};
use super::engine::Engine;
use super::figure::Spread;
use super::raw::Raw;
use super::settings::Settings;

const WARM_UP: Duration = Duration::from_secs(2);
/// Long enough for a share of rows an instance; the rate is not used.
const COUNT_ROWS: Duration = Duration::from_secs(1);

/// A workload on a database that lives as long as its measurements.
pub(crate) struct Bench {
    pub(crate) workload: Workload,
    database: Database,
    engine: Arc<Engine>,
    looks_up: bool,
    started: u64,
    completed: u64,
}

impl Bench {
    pub(crate) async fn on(database: Database, workload: Workload, looks_up: bool) -> Result<Self, Failure> {
        let engine = Arc::new(Engine::on(&database.address, &[workload.model()]).await?);
        Ok(Self { workload, database, engine, looks_up, started: 0, completed: 0 })
    }

    pub(crate) async fn run(&mut self, clients: usize, span: Duration) -> Result<Load, Failure> {
        let load = self.workload.run(&self.engine, clients, span, self.looks_up).await?;
        self.started += load.tally.starts.len() as u64;
        self.completed += load.tally.completions.len() as u64;
        Ok(load)
    }

    /// Stops the node and checks that what was answered is what is stored, no more and no less.
    ///
    /// # Panics
    /// When something was lost or doubled.
    pub(crate) async fn end(self) -> Result<Ended, Failure> {
        self.engine.stop().await;
        let workload = self.workload;
        let mut wanted = BTreeMap::from([("create-instance", self.started)]);
        match workload {
            Workload::W1 | Workload::W2 | Workload::W1L | Workload::W2L => {
                wanted.insert("complete-job", self.started * u64::from(workload.handled()));
            }
            Workload::W3 => {}
            Workload::W4 => {
                wanted.insert("complete-user-task", self.completed);
            }
            Workload::W5 => {
                wanted.insert("complete-job", self.completed);
            }
        }
        let stored = self.database.commands().await?;
        for (command, answered) in wanted {
            let rows = stored.get(command).copied().unwrap_or(0);
            assert_eq!(rows, answered, "{workload:?}: rows of {command} in the history equal answered commands");
        }
        let ended = self.database.completed().await?;
        assert_eq!(ended, self.started, "{workload:?}: completed rows equal answered instances");
        Ok(Ended { instances: self.started, database: self.database })
    }
}

pub(crate) struct Ended {
    pub(crate) instances: u64,
    database: Database,
}

/// One workload on one kind of database: for each number of clients warm up, measure; then check.
pub(crate) async fn measure(settings: &Settings, workload: Workload, kind: Kind, raw: Raw) -> Result<(), Failure> {
    let Some(database) = kind.fresh().await? else { return Ok(()) };
    let mut bench = Bench::on(database, workload, false).await?;
    let mut best = 0.0_f64;
    for clients in &settings.clients {
        bench.run(*clients, WARM_UP.min(settings.span)).await?;
        let (mut rates, mut tally) = (Vec::new(), Tally::default());
        for _ in 0..settings.times {
            let load = bench.run(*clients, settings.span).await?;
            rates.push(load.rate);
            tally.starts.join(load.tally.starts);
            tally.completions.join(load.tally.completions);
        }
        let spread = Spread::of(rates);
        best = best.max(spread.median);
        show(workload, kind, *clients, spread, &tally);
    }
    let most = settings.most_clients();
    let ended = bench.end().await?;
    let instances = ended.instances;
    let rows = match kind {
        Kind::Postgres => ended.database.rows_written().await? as f64 / instances.max(1) as f64,
        Kind::Sqlite => rows_per_instance(workload, most).await?,
    };
    let (written, limit) = (best / workload.per_instance() * rows, raw.0[1]);
    println!(
        "   {rows:.1} rows an instance: at best {written:.0} rows/s, {:.2} of the raw limit; {instances} instances \
         answered, as many stored",
        written / limit
    );
    Ok(())
}

fn show(workload: Workload, kind: Kind, clients: usize, spread: Spread, tally: &Tally) {
    let floor = floor(workload, kind);
    let completions = match tally.completions.len() {
        0 => String::new(),
        _ => format!("; complete {}", tally.completions),
    };
    println!(
        "{workload:?} on {:<10} {clients:>3} clients: {spread} {}, {:.2} of the goal's floor {floor:.0}; start {}{completions}",
        kind.name(),
        workload.counts(),
        spread.median / floor,
        tally.starts
    );
}

/// A minute at the greatest number of clients: its last third must not be slower than 0.8 of its first.
pub(crate) async fn sustain(
    settings: &Settings,
    workload: Workload,
    kind: Kind,
    span: Duration,
) -> Result<(), Failure> {
    let Some(database) = kind.fresh().await? else { return Ok(()) };
    let mut bench = Bench::on(database, workload, false).await?;
    let clients = settings.most_clients();
    bench.run(clients, WARM_UP).await?;
    let load = bench.run(clients, span).await?;
    let [first, second, last] = load.thirds;
    let ended = bench.end().await?;
    println!(
        "{workload:?} on {:<10} sustained for {:.0} s, {clients} clients: thirds {first:.0}, {second:.0}, {last:.0} {}: \
         last over first {:.2}, at least 0.8; {} instances stored",
        kind.name(),
        span.as_secs_f64(),
        workload.counts(),
        last / first,
        ended.instances
    );
    Ok(())
}

/// SQLite does not count the rows it writes: triggers do, in a short run of its own.
async fn rows_per_instance(workload: Workload, clients: usize) -> Result<f64, Failure> {
    let Some(database) = Kind::Sqlite.fresh().await? else { return Ok(0.0) };
    Store::open(&database.address).await?.close().await;
    database.count_rows().await?;
    let mut bench = Bench::on(database, workload, false).await?;
    bench.run(clients, COUNT_ROWS).await?;
    let ended = bench.end().await?;
    Ok(ended.database.rows_written().await? as f64 / ended.instances.max(1) as f64)
}

/// The least that the goals ask for.
fn floor(workload: Workload, kind: Kind) -> f64 {
    match (workload, kind) {
        (Workload::W1 | Workload::W1L, Kind::Sqlite | Kind::Postgres) | (Workload::W5, Kind::Postgres) => 10_000.0,
        (Workload::W2 | Workload::W2L, Kind::Sqlite) => 8_000.0,
        (Workload::W2 | Workload::W2L, Kind::Postgres) | (Workload::W3, Kind::Sqlite) => 6_000.0,
        (Workload::W3, Kind::Postgres) => 3_000.0,
        (Workload::W4, Kind::Sqlite | Kind::Postgres) => 5_000.0,
        (Workload::W5, Kind::Sqlite) => 25_000.0,
    }
}
