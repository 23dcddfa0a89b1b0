//! What SQLite does its own way. The shared files below are compiled once here and once for PostgreSQL.
//!
//! One writer connection, a pool of readers; write-ahead log, `synchronous=FULL`: with less, an answered commit dies with
//! the power. A transaction that writes takes its lock at the start (`BEGIN IMMEDIATE`): one that takes it late is refused
//! under contention whatever the timeout.

use super::error::StoreError;
use super::table::Marks;
use rows::Rows;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Sqlite, SqliteConnection, SqlitePool};
use std::str::FromStr;
use std::time::Duration;

pub(super) type Db = Sqlite;
pub(super) type Conn = SqliteConnection;
pub(super) type Pool = SqlitePool;
pub(super) type Options = SqliteConnectOptions;
pub(super) type Arguments = sqlx::sqlite::SqliteArguments;

/// How a transaction that writes begins.
pub(super) const BEGIN: &str = "BEGIN IMMEDIATE";
/// The writer's lock is the whole database's.
pub(super) const FOR_UPDATE: &str = "";
pub(super) const MARKS: Marks = Marks::Plain;
/// Only one transaction writes at a time.
pub(super) const ONE_WRITER: bool = true;

const READERS_MAX: u32 = 8;
/// Pages of the write-ahead log before it is copied into the file; larger steps write a page once for many commits.
const CHECKPOINT_PAGES: &str = "4000";
/// 16 MiB, in KiB and negative as SQLite wants it. Commits walk through all of it now and then; the system caches the file.
const CACHE: &str = "-16384";

mod rows;
#[allow(clippy::duplicate_mod, reason = "one source, two databases")]
#[path = "shared/mod.rs"]
pub(super) mod shared;

/// `sqlite:FILE`
pub(super) fn options(address: &str) -> Result<Options, StoreError> {
    let options = SqliteConnectOptions::from_str(address).map_err(|_| StoreError::Address(address.to_owned()))?;
    Ok(options
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .auto_vacuum(SqliteAutoVacuum::None)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(5))
        .statement_cache_capacity(500)
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        .pragma("cache_size", CACHE)
        // the journals of statements that touch many pages, else files
        .pragma("temp_store", "MEMORY")
        // as PostgreSQL has it
        .pragma("case_sensitive_like", "ON")
        .disable_statement_logging())
}

/// The writer comes first, so that the file is there when the first reader opens it.
pub(super) fn readers(options: &Options) -> Pool {
    let options = options.clone().create_if_missing(false);
    SqlitePoolOptions::new()
        .max_connections(READERS_MAX)
        .acquire_timeout(Duration::from_secs(5))
        .connect_lazy_with(options)
}

pub(super) fn migrator() -> Migrator {
    // The row id itself is the key: one tree instead of two.
    super::schema::migrator("sqlite", |text| text.replace("BIGINT PRIMARY KEY", "INTEGER PRIMARY KEY"))
}
