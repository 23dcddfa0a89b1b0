//! What several tests need: a served instance, a PostgreSQL of their own, words that reach the terminal.

pub(crate) mod binary;
pub(crate) mod need;
pub(crate) mod patroni;
pub(crate) mod postgres;
pub(crate) mod proxy;
pub(crate) mod say;
pub(crate) mod serve;
pub(crate) mod small_disk;
