//! What PostgreSQL does its own way. The shared files below are compiled once here and once for SQLite.
//!
//! A session carries its limits, because nobody sets them otherwise: a statement that hangs, a lock that is not given, a
//! transaction left open, a network that swallows packets.

use super::error::StoreError;
use super::table::Marks;
use rows::Rows;
use sqlx::migrate::Migrator;
use sqlx::{ConnectOptions, PgConnection, Postgres};

pub(super) type Db = Postgres;
pub(super) type Conn = PgConnection;
pub(super) type Pool = readers::Readers;
pub(super) type Options = hosts::Hosts;
pub(super) type Arguments = sqlx::postgres::PgArguments;

/// How a transaction that writes begins.
pub(super) const BEGIN: &str = "BEGIN";
/// Holds the fence row until the commit, so that a new owner waits for the old one's last word.
pub(super) const FOR_UPDATE: &str = " FOR UPDATE";
pub(super) const MARKS: Marks = Marks::Arrays;
/// While one waits for the disk another fills the next commit. More of them make smaller commits.
pub(super) const WRITERS: usize = 2;
/// How a transaction that only reads begins.
pub(super) const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// Whether the table of steps is there.
pub(super) const HAS_STEPS: &str = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = current_schema() AND table_name = '_sqlx_migrations'";
/// All tables but the steps.
pub(super) const TABLES: &str = "SELECT table_name::text FROM information_schema.tables WHERE table_schema = current_schema() AND \
                                 table_type = 'BASE TABLE' AND table_name <> '_sqlx_migrations' ORDER BY 1";
/// Name and type of a table's columns, in their order.
pub(super) const COLUMNS: &str = "SELECT column_name::text, data_type::text FROM information_schema.columns WHERE table_schema \
                                  = current_schema() AND table_name = $1 ORDER BY ordinal_position";
pub(super) const PRIMARY_KEY: &str = "SELECT a.attname::text FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey) WHERE \
     i.indrelid = CAST(CAST($1 AS text) AS regclass) AND i.indisprimary ORDER BY array_position(i.indkey::int2[], a.attnum)";
/// Other nodes may still run on the tables of before: a person says when.
pub(super) const UPGRADES_BY_ITSELF: bool = false;

const READERS_MAX: u32 = 16;
const SESSION: [(&str, &str); 8] = [
    // what is answered outlives the server, and its leader where a standby is named
    ("synchronous_commit", "on"),
    ("statement_timeout", "10s"),
    ("lock_timeout", "10s"),
    ("idle_in_transaction_session_timeout", "10s"),
    ("tcp_user_timeout", "10s"),
    ("tcp_keepalives_idle", "10"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "3"),
];

pub(super) mod hosts;
mod readers;
mod rows;
#[allow(clippy::duplicate_mod, reason = "one source, two databases")]
#[path = "shared/mod.rs"]
pub(super) mod shared;
mod warned;

/// `postgres://…`, also with several hosts.
pub(super) fn options(address: &str) -> Result<Options, StoreError> {
    let prepare = |options: sqlx::postgres::PgConnectOptions| {
        options.application_name("transhume").options(SESSION).statement_cache_capacity(500).disable_statement_logging()
    };
    Ok(Options::read(address)?.with(prepare))
}

pub(super) async fn connect(options: &Options) -> Result<Conn, sqlx::Error> {
    options.connect().await
}

/// A server does not make databases.
pub(super) fn existing(options: Options) -> Options {
    options
}

/// Transactions touch rows by their keys. A plan that was made while a table was small reads all of it, and is kept when the table
/// has grown.
pub(super) fn for_writing(options: &Options) -> Options {
    let by_keys = [
        ("enable_seqscan", "off"),
        ("enable_hashjoin", "off"),
        ("enable_mergejoin", "off"),
        // Whatever the arrays hold, the plan is the same: it is made once.
        ("plan_cache_mode", "force_generic_plan"),
    ];
    options.clone().with(|options| options.options(by_keys))
}

pub(super) fn readers(options: &Options) -> Pool {
    Pool::new(options.clone(), READERS_MAX)
}

pub(super) async fn lend(readers: &Pool) -> Result<readers::Lent<'_>, sqlx::Error> {
    readers.lend().await
}

/// The session is sound: the next one has it.
pub(super) fn rest(session: readers::Lent<'_>) {
    session.rest();
}

/// The disk is the server's.
pub(super) fn beside(_: &Options) -> Option<std::path::PathBuf> {
    None
}

/// A session of an earlier turn is with a former host.
pub(super) fn turn(options: &Options) -> u64 {
    options.turn()
}

/// A session of this turn did not answer in time.
pub(super) fn doubt(options: &Options, turn: u64) {
    options.doubt(turn);
}

pub(super) use warned::commit;

pub(super) fn migrator() -> Migrator {
    super::schema::migrator("postgres", |text| text)
}
