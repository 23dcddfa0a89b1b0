//! Floor 6: where time passes. tokio tasks interpret what the sans-IO floors below say.
//!
//! `cleaning` takes old history away; [`inspect`] judges a live database; [`metrics`] counts; [`clock`] says what time it is; [`node`] is what everything above talks to; `submit` hands work to the partition that it
//! concerns, which `partitions` runs here or another node; `driver` runs one partition on the store; `cluster` shares them among
//! nodes; `executor` does the jobs that this process takes; [`correlate`] finds who waits for a message; `postman` delivers what
//! processes say; [`waiters`] are parked requests for jobs; [`show`] is what only some installations have to show.

mod cleaning;
pub mod clock;
mod cluster;
pub mod correlate;
pub mod decide;
mod driver;
mod executor;
pub mod inspect;
mod internal;
pub mod metrics;
pub mod node;
mod partitions;
mod postman;
pub mod show;
mod submit;
pub mod waiters;

#[cfg(test)]
mod tests;
