//! This engine's figures, in a node of this process, over the same TCP connection to the same server as the peers.

use super::load::Failure;
use super::load::clients::Workload;
use super::load::closed::Bench;
use super::load::database::Database;
use super::load::settings::{Settings, number};
use super::load::support::postgres::loopback_database;
use super::load::{timers, waiting, wave};
use super::table::Figure;
use std::time::Duration;

const WARM_UP: Duration = Duration::from_secs(3);

pub(crate) async fn run(settings: &Settings, workload: &str) -> Result<Vec<Figure>, Failure> {
    let database = Database::postgres(loopback_database("side by side").await.ok_or("PostgreSQL is absent")?);
    Ok(match workload {
        "w6a" => {
            let made = waiting::create(&database, number("BENCH_WAITING", 20_000), settings.most_clients()).await?;
            vec![
                Figure::rate("w6a created/s", made.per_second),
                Figure::cost("w6a bytes each on disk", made.bytes_each),
            ]
        }
        "w6b" => {
            let count = number("BENCH_TIMERS", 20_000);
            // Without W1 beside it, as the peers have it.
            let fired = timers::alone(&database, count).await?;
            vec![Figure::cost("w6b s until the last timer", fired)]
        }
        "w6c" => {
            let width = number("BENCH_WIDTH", wave::WIDTH);
            let took = wave::waves(&database, width, wave::WORKERS, settings.times).await?;
            vec![Figure::cost("w6c ms for the wave", took.least)]
        }
        closed => {
            let workload = Workload::ALL.into_iter().find(|one| one.model() == closed).ok_or("no such workload")?;
            closed_loop(settings, database, workload).await?
        }
    })
}

/// The best of all runs, with the median latency of the answers in it.
async fn closed_loop(settings: &Settings, database: Database, workload: Workload) -> Result<Vec<Figure>, Failure> {
    // A client of the peers looks its user task up: so does ours here.
    let mut bench = Bench::on(database, workload, true).await?;
    let mut best = 0.0_f64;
    for clients in &settings.clients {
        bench.run(*clients, WARM_UP).await?;
        for _ in 0..settings.times {
            best = best.max(bench.run(*clients, settings.span).await?.rate);
        }
    }
    bench.run(1, WARM_UP.min(settings.span)).await?;
    let alone = bench.run(1, settings.span).await?;
    bench.end().await?;
    let [rate, one] = names(workload);
    Ok(vec![Figure::rate(rate, best), Figure::rate(one, alone.rate)])
}

/// What the best run and that of one client count.
pub(crate) fn names(workload: Workload) -> [&'static str; 2] {
    match workload {
        Workload::W1 => ["w1 instances/s", "w1 instances/s, one client"],
        Workload::W2 => ["w2 instances/s", "w2 instances/s, one client"],
        Workload::W3 => ["w3 instances/s", "w3 instances/s, one client"],
        Workload::W4 => ["w4 instances/s", "w4 instances/s, one client"],
        Workload::W5 => ["w5 durable commands/s", "w5 durable commands/s, one client"],
        Workload::W1L => ["w1 under a lease, instances/s", "w1 under a lease, instances/s, one client"],
        Workload::W2L => ["w2 under a lease, instances/s", "w2 under a lease, instances/s, one client"],
    }
}
