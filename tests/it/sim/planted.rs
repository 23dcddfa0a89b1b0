//! Planted bugs: each deliberate defect must be caught, and by which layer is printed.

use super::{hush, run};
use crate::support::say::say;
use transhume::base::planted::plant;

/// Defects of the engine and the partition (`reliability.md` 7), by their names in the code.
const BUGS: &[&str] = &[
    "join-counts-tokens",
    "lease-number-not-compared",
    "expiry-never-counted",
    "effect-before-commit",
    "cancelled-scope-keeps-its-subscription",
    "timer-dropped-before-commit",
    "fence-ignored",
    "wake-up-lost",
    "compensation-forward",
    "inclusive-join-ignores-loop",
    "signal-lost",
    "letter-lost",
    "letter-never-ends",
    "in-flight-kept-in-memory",
];
const SEEDS_MAX: u64 = 400;

#[test]
fn every_planted_bug_is_caught() {
    hush();
    let caught: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = BUGS.iter().map(|bug| scope.spawn(move || hunt(bug))).collect();
        threads.into_iter().map(|thread| thread.join().expect("the hunt ends")).collect()
    });
    for (bug, found) in BUGS.iter().zip(&caught) {
        match found {
            Some((seed, rule, layer)) => say(format!("planted {bug}: caught by the {layer}, rule {rule}, seed {seed}")),
            None => say(format!("planted {bug}: NOT caught in {SEEDS_MAX} seeds")),
        }
    }
    assert!(caught.iter().all(Option::is_some), "a planted bug was not caught");
}

/// Defects between partitions, which the simulator of several nodes catches.
const NODE_BUGS: &[&str] = &["parcel-stays", "parcel-lost", "letter-never-ends"];

#[test]
fn every_planted_bug_between_nodes_is_caught() {
    hush();
    for bug in NODE_BUGS {
        plant(Some(bug));
        let found = (1..=SEEDS_MAX).find_map(|seed| {
            let run = super::caught(|| super::nodes::run(seed));
            run.err().map(|violation| (seed, violation.rule))
        });
        plant(None);
        let (seed, rule) = found.unwrap_or_else(|| panic!("planted {bug}: not caught in {SEEDS_MAX} seeds"));
        say(format!("planted {bug}: caught by the simulator of nodes, rule {rule}, seed {seed}"));
    }
}

fn hunt(bug: &'static str) -> Option<(u64, &'static str, &'static str)> {
    plant(Some(bug));
    let found =
        (1..=SEEDS_MAX).find_map(|seed| run(seed).err().map(|violation| (seed, violation.rule, violation.layer)));
    plant(None);
    found
}
