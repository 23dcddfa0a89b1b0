//! Floor 6: where time passes. tokio tasks interpret what the sans-IO floors below say.
//!
//! [`clock`] says what time it is; [`node`] is what everything above talks to; `driver` runs the partition on the store;
//! `executor` does the jobs that this process takes; [`correlate`] finds who waits for a message; `postman` delivers what processes say; [`waiters`] are parked
//! requests for jobs; [`show`] is what only some installations have to show.

pub mod clock;
pub mod correlate;
pub mod decide;
mod driver;
mod executor;
mod internal;
pub mod node;
mod postman;
pub mod show;
pub mod waiters;

#[cfg(test)]
mod tests;
