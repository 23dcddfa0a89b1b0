//! Floor 5: sqlx. Only here is SQL; the same files are compiled for SQLite and for PostgreSQL.
//!
//! [`Store`] is one of two databases. What differs has a name in `sqlite` or `postgres`; `shared` is compiled once inside
//! each: `commit` interprets a transaction, `load` answers a partition. `queries` are the reads of people and programs:
//! written once, each takes the [`Access`](crate::base::access::Access) of who asks.

mod code;
mod error;
mod postgres;
mod schema;
mod sqlite;
mod table;

use crate::base::id::{InstanceId, PartitionId};
use crate::base::time::Timestamp;
use crate::partition::CommitError;
use crate::partition::transaction::{AnswerRow, CommandKey, StoredInstance, Transaction};
use std::collections::BTreeMap;
use std::sync::Arc;

pub use error::StoreError;

/// A database that is open; cheap to clone.
#[derive(Clone, Debug)]
pub enum Store {
    Sqlite(Arc<sqlite::shared::Database>),
    Postgres(Arc<postgres::shared::Database>),
}

/// Calls the database that it is, whichever.
macro_rules! on {
    ($store:expr, $database:ident => $call:expr) => {
        match $store {
            Store::Sqlite($database) => $call,
            Store::Postgres($database) => $call,
        }
    };
}

/// Where a partition goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begin {
    pub epoch: i64,
    pub position: i64,
    pub next_id: i64,
    pub clock: Timestamp,
}

impl Store {
    /// `sqlite:FILE` or `postgres://USER@HOST/NAME`; brings the tables up to date.
    pub async fn open(address: &str) -> Result<Self, StoreError> {
        if address.starts_with("sqlite:") {
            sqlite::shared::Database::open(address)
                .await
                .map(|database| Self::Sqlite(Arc::new(database)))
        } else if address.starts_with("postgres:") || address.starts_with("postgresql:") {
            postgres::shared::Database::open(address)
                .await
                .map(|database| Self::Postgres(Arc::new(database)))
        } else {
            Err(StoreError::Address(address.to_owned()))
        }
    }

    pub async fn close(&self) {
        on!(self, database => database.close().await);
    }

    /// Takes the partition: whoever had it before can no longer write. `owner` names this process for its whole life.
    pub async fn take(
        &self,
        partition: PartitionId,
        owner: &str,
        until: Timestamp,
    ) -> Result<Begin, StoreError> {
        on!(self, database => database.take(partition, owner, until).await)
    }

    /// Writes wholly or not at all, and knows which: an unclear commit is looked into before this returns.
    pub async fn commit(&self, transaction: &Transaction) -> Result<(), CommitError> {
        on!(self, database => database.commit(transaction).await)
    }

    /// The instances that are stored; those not given back are missing.
    pub async fn instances(&self, ids: &[InstanceId]) -> Result<Vec<StoredInstance>, StoreError> {
        on!(self, database => database.instances(ids).await)
    }

    pub async fn answers(&self, keys: &[CommandKey]) -> Result<Vec<AnswerRow>, StoreError> {
        on!(self, database => database.answers(keys).await)
    }

    /// Statements of the last commit, by table.
    pub async fn counted(&self) -> BTreeMap<&'static str, usize> {
        on!(self, database => database.counted().await)
    }
}

#[cfg(test)]
mod tests;
