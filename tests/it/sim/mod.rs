//! The fault simulator: random models and paths over a partition that crashes, judged after every commit.
//!
//! Most models are made of blocks, and their paths are known beforehand (`model`); the others are graphs without structure, in
//! which joins may block (`graph`).
//!
//! `SIM_SEEDS` says how many seeds are run (200 without it), `SIM_SEED` runs one. A failure prints the line that runs it
//! again; a seed that ever failed stands in `tests/seeds/sim.txt` and runs for ever.

mod choice;
mod graph;
mod interruption;
mod judge;
mod model;
mod nodes;
mod operator;
mod planted;
mod players;
mod post;
mod rng;
mod telling;
mod undoing;
mod world;

use crate::support::say::say;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Once, OnceLock};
use transhume::engine::definition::Process;
use transhume::partition::memory::Memory;
use transhume::verify::Violation;
use world::{Counts, CrashAt};

const SEEDS: u64 = 200;
/// Of so many seeds one is run again with a crash at each of its commits.
const CRASHED_ONE_IN: u64 = 100;
/// Of failed seeds so many are told.
const SHOWN_MAX: usize = 8;

#[test]
fn no_fault_breaks_an_invariant() {
    no_fault();
}

/// Once for this process, whoever asks first.
pub(crate) fn no_fault() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(all_seeds);
}

fn all_seeds() {
    hush();
    let seeds = seeds();
    let total = Mutex::new(Counts::default());
    let failed = Mutex::new(BTreeMap::new());
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                world::arm_poison();
                while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match run(*seed) {
                        Ok(counts) => add(&mut total.lock().expect("no panic"), counts),
                        Err(violation) => {
                            failed.lock().expect("no panic").insert(*seed, violation);
                        }
                    }
                }
            });
        }
    });
    let Counts { commits, crashes, instances, graphs, blocked, blocks } = total.into_inner().expect("no panic");
    let blocks: Vec<String> = blocks.iter().map(|(name, count)| format!("{count} {name}")).collect();
    say(format!(
        "{} simulator seeds, {instances} instances, {commits} commits, {crashes} crashes; {graphs} unstructured models, \
         {blocked} of their instances blocked ({})",
        seeds.len(),
        blocks.join(", ")
    ));
    let failed = failed.into_inner().expect("no panic");
    let shown: Vec<String> =
        failed.iter().take(SHOWN_MAX).map(|(seed, violation)| world::reproduce(*seed, violation)).collect();
    assert!(failed.is_empty(), "{} of {} seeds failed:\n{}", failed.len(), seeds.len(), shown.join("\n"));
}

#[test]
fn no_fault_of_several_nodes_loses_or_doubles_anything() {
    several_nodes();
}

/// Once for this process, whoever asks first.
pub(crate) fn several_nodes() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        hush();
        let mut total = nodes::Counts::default();
        // A run of several nodes is as long as some runs of one.
        let seeds: Vec<u64> = seeds().into_iter().take(usize::try_from(count() / 4).unwrap_or(1).max(1)).collect();
        for seed in seeds.iter().copied() {
            let run = caught(|| nodes::run(seed)).unwrap_or_else(|violation| {
                panic!("nodes, {violation}\n  again: SIM_SEED={seed} cargo test --test it several_nodes")
            });
            total.takeovers += run.takeovers;
            total.crashes += run.crashes;
            total.parcels += run.parcels;
            total.fenced += run.fenced;
        }
        say(format!(
            "{} simulator seeds of several nodes: {} crashes, {} take-overs, {} former owners refused, parcels told of {} times",
            seeds.len(),
            total.crashes,
            total.takeovers,
            total.fenced,
            total.parcels
        ));
    });
}

/// Once without a fault, then again with a crash before, and after, each of its commits.
#[test]
fn a_crash_at_any_commit_changes_no_path() {
    hush();
    let (mut runs, mut crashes) = (0, 0);
    let seeds = count() / CRASHED_ONE_IN;
    for seed in 1..=seeds {
        let calm =
            caught(|| world::run_calm(seed, None)).unwrap_or_else(|violation| panic!("seed {seed}: {violation}"));
        for (commit, stored) in (0..calm.commits).flat_map(|commit| [(commit, false), (commit, true)]) {
            let counts = caught(|| world::run_calm(seed, Some(CrashAt { commit, stored })));
            let counts = counts.unwrap_or_else(|violation| {
                let when = if stored { "after" } else { "before" };
                panic!("seed {seed}, crash {when} commit {commit}: {violation}")
            });
            runs += 1;
            crashes += counts.crashes;
        }
    }
    say(format!("{seeds} simulator seeds with a crash at each commit: {runs} runs, {crashes} crashes"));
}

/// Whether what is stored follows from what is told, by the rules and by the game of tokens.
pub(crate) fn judged(memory: &Memory, processes: Vec<Arc<Process>>) -> Result<(), Violation> {
    judge::Judge::new(processes, None).look(memory).map(|_| ())
}

fn run(seed: u64) -> Result<Counts, Violation> {
    caught(|| world::run(seed))
}

fn caught<T>(run: impl FnOnce() -> Result<T, Violation>) -> Result<T, Violation> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let what = text.unwrap_or_else(|| "a panic".into());
        Err(Violation { rule: "panic", layer: "assertion", instance: None, what })
    })
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

fn count() -> u64 {
    number("SIM_SEEDS").unwrap_or(SEEDS)
}

fn seeds() -> Vec<u64> {
    if let Some(seed) = number("SIM_SEED") {
        return vec![seed];
    }
    let kept =
        include_str!("../../seeds/sim.txt").lines().filter_map(|line| line.split_whitespace().next()?.parse().ok());
    let mut seeds: Vec<u64> = kept.collect();
    let fresh: Vec<u64> = (1..=count()).filter(|seed| !seeds.contains(seed)).collect();
    seeds.extend(fresh);
    seeds
}

fn add(total: &mut Counts, run: Counts) {
    total.commits += run.commits;
    total.crashes += run.crashes;
    total.instances += run.instances;
    total.graphs += run.graphs;
    total.blocked += run.blocked;
    for (name, count) in run.blocks {
        *total.blocks.entry(name).or_default() += count;
    }
}

/// Panics that the simulator provokes, and those it reports itself, are not printed.
fn hush() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let spoken = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let ours = std::thread::current().name().is_none();
            if !ours || std::env::var_os("SIM_SEED").is_some() {
                spoken(info);
            }
        }));
    });
}
