//! A database: a few connections that write, a pool that reads. These files are compiled once for each database.

mod bind;
mod commit;
mod load;
mod lookup;
mod plan;
pub(in crate::store) mod restore;
mod schedule;
pub(in crate::store) mod snapshot;
mod steps;
mod tx;
mod write;
mod writers;

use super::{Arguments, Conn, Db, Options, Pool};
use crate::store::Bind;
use crate::store::error::StoreError;
use crate::store::reserve::Reserve;
use crate::store::table::Table;
use commit::Waiting;
use sqlx::{FromRow, Row};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::PoisonError;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, Semaphore};
use writers::Writer;

/// A read that takes longer is an attack or a missing index.
const READ_DEADLINE_MS: u64 = 5_000;
/// After it the connection is closed: its transaction ends at the server, which knows the same limit.
const WRITE_DEADLINE_MS: u64 = 10_000;

/// A batch that met a full disk is tried again several times a second: as long as one waits, this is renewed. When none does, the
/// next write tries whether there is room.
const FULL_FOR: Duration = Duration::from_secs(2);

type DbRow = <Db as sqlx::Database>::Row;

#[derive(Debug)]
pub struct Database {
    options: Options,
    pub(in crate::store) readers: Pool,
    /// Those that rest, the one that worked last on top: what it has prepared is warm.
    writers: std::sync::Mutex<Vec<Writer>>,
    permits: Semaphore,
    /// What is to be written by whoever gets the next writer.
    waiting: std::sync::Mutex<Vec<Waiting>>,
    owned: std::sync::Mutex<BTreeMap<i64, Owned>>,
    /// For what is written beside the partitions' commits, which it need not wait for.
    beside: Option<Mutex<Writer>>,
    /// When a write last met a full disk, and none has gone through since.
    full: std::sync::Mutex<Option<Instant>>,
    reserve: Reserve,
}

/// A partition that was opened here.
#[derive(Debug)]
struct Owned {
    owner: String,
    /// The epoch that its owner was told, and the one in force since an unclear commit was looked into.
    told: i64,
    now: i64,
    /// Of its last history row.
    position: i64,
}

impl Database {
    pub(in crate::store) async fn open(address: &str) -> Result<Self, StoreError> {
        let options = super::options(address)?;
        let mut connection = steps::connect(&options).await?;
        steps::make_ready(&mut connection).await?;
        Ok(Self::with(options, connection).await)
    }

    /// One that is there, as it is: nothing is made and nothing brought up to date.
    pub(in crate::store) async fn open_existing(address: &str) -> Result<Self, StoreError> {
        let options = super::existing(super::options(address)?);
        let mut connection = steps::connect(&options).await?;
        steps::be_ready(&mut connection).await?;
        Ok(Self::with(options, connection).await)
    }

    async fn with(options: Options, connection: Conn) -> Self {
        let readers = super::readers(&options);
        let options = super::for_writing(&options);
        let turn = super::turn(&options);
        // One that made the tables ready knows nothing of how writers plan, where that is another way.
        let first = (super::WRITERS == 1).then(|| Writer { connection: Some(connection), turn, ..Writer::default() });
        let (waiting, owned, full, reserve) = Default::default();
        Self {
            options,
            readers,
            writers: std::sync::Mutex::new(first.into_iter().collect()),
            permits: Semaphore::new(super::WRITERS),
            waiting,
            owned,
            beside: (super::WRITERS > 1).then(Mutex::default),
            full,
            reserve,
        }
    }

    /// What a write has met: a full disk, or room.
    fn noticed(&self, error: Option<&StoreError>) {
        let full = match error {
            None => None,
            Some(StoreError::Full { .. }) => {
                self.reserve.spend();
                Some(Instant::now())
            }
            Some(_) => return,
        };
        *locked(&self.full) = full;
    }

    pub(in crate::store) fn is_full(&self) -> bool {
        let full = *locked(&self.full);
        full.is_some_and(|since| since.elapsed() < FULL_FOR) || self.reserve.is_spent()
    }

    /// Keeps room on the disk for when it is full, where the disk is this program's own.
    pub(in crate::store) fn keep_reserve(&self) {
        if let Some(file) = super::beside(&self.options) {
            self.reserve.keep(file);
        }
    }

    /// Ends all connections, so that SQLite folds its log into the file.
    pub(in crate::store) async fn close(&self) {
        self.readers.close().await;
        let _all = self.permits.acquire_many(super::WRITERS as u32).await;
        let mut connections: Vec<Conn> =
            locked(&self.writers).drain(..).filter_map(|writer| writer.connection).collect();
        if let Some(beside) = &self.beside {
            connections.extend(beside.lock().await.connection.take());
        }
        for connection in connections {
            let _ = sqlx::Connection::close(connection).await;
        }
    }

    pub(in crate::store) async fn fetch<T>(&self, sql: String, binds: Vec<Bind>) -> Result<Vec<T>, StoreError>
    where
        T: for<'r> FromRow<'r, DbRow> + Send + Unpin,
    {
        let ask = async || {
            let query =
                sqlx::query_as_with::<Db, T, Arguments>(sqlx::AssertSqlSafe(sql.clone()), arguments(binds.clone()));
            let mut session = super::lend(&self.readers).await?;
            let read = query.fetch_all(&mut *session).await;
            if read.is_ok() {
                super::rest(session);
            }
            read
        };
        let read = async {
            // A server that was away has ended every connection that rests here: each is found out by its first use.
            for _ in 0..super::READERS_MAX {
                match ask().await {
                    Err(error) if was_ended(&error) => {}
                    read => return read,
                }
            }
            ask().await
        };
        within(READ_DEADLINE_MS, read).await
    }

    /// The rows of a table as texts, sorted: for comparing whole tables, whatever orders texts in a database.
    pub(in crate::store) async fn dump(&self, table: &Table) -> Result<Vec<String>, StoreError> {
        let columns = [table.key, table.rest].concat();
        let text = format!("SELECT {} FROM {}", columns.join(", "), table.name);
        let query = sqlx::query_with::<Db, Arguments>(sqlx::AssertSqlSafe(text), Arguments::default());
        let mut session = within(READ_DEADLINE_MS, super::lend(&self.readers)).await?;
        let rows = within(READ_DEADLINE_MS, query.fetch_all(&mut *session)).await?;
        super::rest(session);
        let line = |row: &DbRow| {
            let cells = columns.iter().enumerate().map(|(place, name)| format!("{name}={}", cell(row, place)));
            cells.collect::<Vec<_>>().join(" ")
        };
        let mut lines: Vec<String> = rows.iter().map(line).collect();
        lines.sort();
        Ok(lines)
    }

    /// Statements of the last commit, by table.
    pub(in crate::store) async fn counted(&self) -> BTreeMap<&'static str, usize> {
        self.lend().await.counted.clone()
    }
}

#[cfg(test)]
#[allow(dead_code, reason = "the tests of SQLite use it")]
impl Database {
    /// A statement on the writer's own connection, such as a limit of it.
    pub(in crate::store) async fn on_writer(&self, text: &'static str) -> i64 {
        let mut writer = self.lend().await;
        let mut connection = writer.borrow(&self.options).await.expect("connects");
        let row = sqlx::query_scalar::<Db, i64>(text).fetch_one(&mut connection).await.expect("is answered");
        writer.connection = Some(connection);
        row
    }

    pub(in crate::store) async fn on_writer_with(&self, text: String) {
        let mut writer = self.lend().await;
        let mut connection = writer.borrow(&self.options).await.expect("connects");
        sqlx::query::<Db>(sqlx::AssertSqlSafe(text)).execute(&mut connection).await.expect("is done");
        writer.connection = Some(connection);
    }
}

/// What a panic left is whole: nothing panics while it holds one of these.
fn locked<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The connection is no more, and another one may be had.
fn was_ended(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        // PostgreSQL: admin_shutdown, crash_shutdown; read_only_sql_transaction: it is with a standby
        sqlx::Error::Database(inside) => matches!(inside.code().as_deref(), Some("57P01" | "57P02" | "25006")),
        _ => false,
    }
}

/// A call that does not come back in time fails; who called drops the connection.
async fn within<T>(ms: u64, call: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, StoreError> {
    match tokio::time::timeout(Duration::from_millis(ms), call).await {
        Ok(result) => result.map_err(StoreError::from),
        Err(_) => Err(StoreError::Deadline(ms)),
    }
}

fn arguments(binds: Vec<Bind>) -> Arguments {
    let mut arguments = Arguments::default();
    for bind in binds {
        let added = match bind {
            Bind::Int(value) => sqlx::Arguments::add(&mut arguments, value),
            Bind::Real(value) => sqlx::Arguments::add(&mut arguments, value),
            Bind::MaybeReal(value) => sqlx::Arguments::add(&mut arguments, value),
            Bind::MaybeInt(value) => sqlx::Arguments::add(&mut arguments, value),
            Bind::MaybeText(value) => sqlx::Arguments::add(&mut arguments, value),
            Bind::MaybeBytes(value) => sqlx::Arguments::add(&mut arguments, value),
            Bind::Text(value) => sqlx::Arguments::add(&mut arguments, value),
        };
        added.expect("numbers and texts can be sent");
    }
    arguments
}

fn cell(row: &DbRow, column: usize) -> String {
    if let Ok(value) = row.try_get::<Option<i64>, _>(column) {
        return value.map_or_else(|| "-".to_owned(), |value| value.to_string());
    }
    if let Ok(value) = row.try_get::<Option<i16>, _>(column) {
        return value.map_or_else(|| "-".to_owned(), |value| value.to_string());
    }
    if let Ok(value) = row.try_get::<Option<f64>, _>(column) {
        return value.map_or_else(|| "-".to_owned(), |value| value.to_string());
    }
    if let Ok(value) = row.try_get::<Option<String>, _>(column) {
        return value.map_or_else(|| "-".to_owned(), |value| format!("{value:?}"));
    }
    row.try_get::<Vec<u8>, _>(column).map_or_else(|_| "?".to_owned(), |value| format!("{value:?}"))
}
