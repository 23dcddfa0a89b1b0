//! Letters in the simulator: each signal that is thrown is delivered once, whatever crashes in between.
//!
//! Nobody else hears it there: what another instance says would change the path that this one has to take.

use super::rng::Rng;
use std::collections::BTreeSet;
use transhume::engine::event::Event;
use transhume::partition::memory::Memory;
use transhume::partition::{LetterId, Work};

#[derive(Debug, Default)]
pub(super) struct Post {
    /// Told by the node that lives now.
    waiting: BTreeSet<LetterId>,
}

impl Post {
    /// The node is gone: the next one tells of what is stored.
    pub(super) fn cut_off(&mut self) {
        self.waiting.clear();
    }

    pub(super) fn told(&mut self, memory: &Memory, letter: LetterId) -> Result<(), String> {
        self.waiting.insert(letter);
        match memory.letters.contains_key(&letter) {
            true => Ok(()),
            false => Err(format!("the letter {letter} was told of and is not stored")),
        }
    }

    /// Some are delivered now, the impatient twice.
    pub(super) fn deliveries(&mut self, rng: &mut Rng, calm: bool) -> Vec<Work> {
        let mut works = Vec::new();
        for letter in self.waiting.clone() {
            if rng.one_in(3) {
                let again = !calm && rng.one_in(4);
                if !again {
                    self.waiting.remove(&letter);
                }
                works.push(Work::Deliver { letter, to: Vec::new(), rest: Vec::new() });
            }
        }
        works
    }
}

/// Each letter has ended, and once.
pub(super) fn all_delivered(memory: &Memory) -> Result<(), String> {
    let thrown = memory.records.iter().flat_map(|record| &record.events);
    let thrown = thrown.filter(|event| matches!(event, Event::SignalThrown { .. })).count();
    let delivered = memory.records.iter().filter(|record| record.cause == "deliver").count();
    if !memory.letters.is_empty() {
        return Err(format!("{} letters are never delivered", memory.letters.len()));
    }
    if thrown == delivered { Ok(()) } else { Err(format!("{thrown} signals were thrown, {delivered} delivered")) }
}
