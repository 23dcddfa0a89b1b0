//! `cargo bench --bench side-by-side`: Camunda 7 and Flowable, embedded in a small Java program, and this engine in turn,
//! on the same PostgreSQL in the same session; a table with the ratios. Needs Java 17; Maven builds the program once.

#[path = "../load/mod.rs"]
#[allow(dead_code, reason = "shared with other benchmarks")]
mod load;
mod ours;
mod peer;
mod table;

use load::Failure;
use load::settings::{Settings, asks_for_help, number};
use peer::Peers;
use table::Table;

/// As the binary has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Each is one figure of a workload.
pub(crate) const WORKLOADS: [&str; 8] = ["w1", "w2", "w3", "w4", "w5", "w6a", "w6b", "w6c"];

const HELP: &str = "\
cargo bench --bench side-by-side -- [WORD]...    without words: all

  w1 w2 w3 w4 w5 w6a w6b w6c
  camunda flowable

  BENCH_PEERS ../shared/peers   the Java program's folder (with pom.xml)
  BENCH_ROUNDS 2                how often they take turns
  BENCH_SECONDS 20, BENCH_TIMES 3
  BENCH_WARMUP 120              seconds in which the Java program warms up
  BENCH_CLIENTS 8,64            of ours; the peers probe 1, 8, 16 and take their best
  BENCH_WAITING 20000, BENCH_TIMERS 20000, BENCH_WIDTH 1000";

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Failure> {
    if asks_for_help() {
        println!("{HELP}");
        return Ok(());
    }
    let mut settings = Settings::read();
    if std::env::var_os("BENCH_CLIENTS").is_none() {
        settings.clients = vec![8, 64];
    }
    let peers = match Peers::find(&settings) {
        Ok(peers) => peers,
        Err(reason) => {
            println!("skipped: the peers cannot be run: {reason}");
            return Ok(());
        }
    };
    let mut table = Table::default();
    for round in 1..=number("BENCH_ROUNDS", 2) {
        for workload in WORKLOADS.into_iter().filter(|word| settings.wants(&WORKLOADS, word)) {
            println!("round {round}, {workload}");
            for engine in peers.engines() {
                let Some(figures) = peers.run(engine, workload).await? else { return Ok(()) };
                table.add(engine, figures);
            }
            table.add("transhume", ours::run(&settings, workload).await?);
        }
    }
    table.show(&peers.engines());
    Ok(())
}
