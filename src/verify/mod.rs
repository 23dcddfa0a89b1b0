//! Floor 4: the judge. Checks what is stored and what is told of it, and shares no decision with what it judges: it uses
//! only the engine's data types and `index`.
//!
//! [`invariants`] looks at rows and at the ledger of leases, timers and work; [`oracle`] plays the token game of each
//! process on its own and compares. Every harness uses both.
//!
//! | Invariant (`reliability.md` 3) | Checked by |
//! |---|---|
//! | I1 tokens are conserved, I5 the replayed marking is the stored one | [`invariants::marking`] |
//! | I2 one cause of waiting per token, one token per row | [`invariants::rows`], the oracle |
//! | I3 joins count per flow | the oracle |
//! | I4 an ended instance holds nothing | [`invariants::ended`], [`invariants::family`] |
//! | I5 positions have no gap and no double | [`invariants::Line`] |
//! | I6 one accepted completion per activation, I7 lease numbers and expiries, I8, I9 | [`invariants::Ledger`] |
//! | I10 answered is durable, refused changed nothing | [`invariants::answers`], in the simulator (`tests/it/sim`) |

#[cfg(test)]
mod by_hand;
mod compensation;
mod game;
mod gathering;
pub mod invariants;
pub mod oracle;
mod surroundings;

use crate::base::id::InstanceId;
use crate::base::time::Timestamp;
use crate::engine::event::Event;

/// One history row, as the judge reads it.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    pub position: i64,
    pub instance: Option<InstanceId>,
    pub at: Timestamp,
    pub cause: &'a str,
    pub events: &'a [Event],
}

/// What must not be.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{rule}: {what}{}", .instance.map(|id| format!(" (instance {id})")).unwrap_or_default())]
pub struct Violation {
    /// The invariant, such as `I3`.
    pub rule: &'static str,
    /// Who noticed: `oracle` or `invariants`.
    pub layer: &'static str,
    pub instance: Option<InstanceId>,
    pub what: String,
}
