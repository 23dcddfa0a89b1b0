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
pub(super) const WRITERS: usize = 1;
/// How a transaction that only reads begins; the log keeps what it sees.
pub(super) const SNAPSHOT: &str = "BEGIN";
/// Whether the table of steps is there.
pub(super) const HAS_STEPS: &str = "SELECT COUNT(*) FROM sqlite_master WHERE name = '_sqlx_migrations'";
/// All tables but the steps.
pub(super) const TABLES: &str = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name <> \
                                 '_sqlx_migrations' ORDER BY name";
/// Name and type of a table's columns, in their order.
pub(super) const COLUMNS: &str = "SELECT name, lower(type) FROM pragma_table_info($1) ORDER BY cid";
pub(super) const PRIMARY_KEY: &str = "SELECT name FROM pragma_table_info($1) WHERE pk > 0 ORDER BY pk";
/// One process has the file for itself: nobody runs on the tables of before.
pub(super) const UPGRADES_BY_ITSELF: bool = true;

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

/// The same for a file that must be there.
pub(super) fn existing(options: Options) -> Options {
    options.create_if_missing(false)
}

/// Its plans are made anew with each statement's text.
pub(super) fn for_writing(options: &Options) -> Options {
    options.clone()
}

/// The writer comes first, so that the file is there when the first reader opens it.
pub(super) fn readers(options: &Options) -> Pool {
    let options = options.clone().create_if_missing(false);
    SqlitePoolOptions::new()
        .max_connections(READERS_MAX)
        .acquire_timeout(Duration::from_secs(5))
        .connect_lazy_with(options)
}

pub(super) async fn connect(options: &Options) -> Result<Conn, sqlx::Error> {
    options.connect().await
}

pub(super) async fn lend(readers: &Pool) -> Result<sqlx::pool::PoolConnection<Db>, sqlx::Error> {
    readers.acquire().await
}

/// Dropped, it goes back by itself.
pub(super) fn rest(_: sqlx::pool::PoolConnection<Db>) {}

/// A file of ours on the same disk.
pub(super) fn beside(options: &Options) -> Option<std::path::PathBuf> {
    let file = options.get_filename();
    let name = format!("{}-reserve", file.file_name()?.to_str()?);
    file.is_file().then(|| file.with_file_name(name))
}

/// A file stays where it is.
pub(super) fn turn(_: &Options) -> u64 {
    0
}

pub(super) fn doubt(_: &Options, _: u64) {}

pub(super) async fn commit(transaction: sqlx::Transaction<'_, Db>) -> Result<(), sqlx::Error> {
    transaction.commit().await
}

pub(super) fn migrator() -> Migrator {
    // The row id itself is the key: one tree instead of two.
    super::schema::migrator("sqlite", |text| text.replace("BIGINT PRIMARY KEY", "INTEGER PRIMARY KEY"))
}
