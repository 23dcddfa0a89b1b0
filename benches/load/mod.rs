//! What the benchmarks share: a node in this process, the workloads on it, and what a database says afterwards.

pub(crate) mod clients;
pub(crate) mod closed;
pub(crate) mod database;
pub(crate) mod engine;
pub(crate) mod figure;
pub(crate) mod raw;
pub(crate) mod served;
pub(crate) mod settings;
#[path = "../../tests/it/support/mod.rs"]
pub(crate) mod support;
pub(crate) mod timers;
pub(crate) mod waiting;
pub(crate) mod wave;

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;
