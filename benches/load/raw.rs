//! What the same disk and the same database can do without an engine: the limit beside which results are printed.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection, Executor, PgConnection, SqliteConnection};

/// Rows per commit.
pub(crate) const BATCHES: [usize; 3] = [1, 100, 1_000];
/// Rows per statement on SQLite: more do not make it faster.
const STATEMENT_ROWS: usize = 50;

/// Rows per second at each of `BATCHES`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Raw(pub(crate) [f64; 3]);

/// Writes of 4 KiB, each forced to the disk, per second.
pub(crate) fn fdatasync(folder: &Path, span: Duration) -> std::io::Result<f64> {
    let name = folder.join("fdatasync.dat");
    let mut file = File::create(&name)?;
    let block = vec![0x5a; 4096];
    let (begun, mut count) = (Instant::now(), 0u32);
    while begun.elapsed() < span {
        file.write_all(&block)?;
        file.sync_data()?;
        count += 1;
    }
    let rate = f64::from(count) / begun.elapsed().as_secs_f64();
    std::fs::remove_file(name)?;
    Ok(rate)
}

pub(crate) async fn sqlite(file: &Path, row_bytes: usize, span: Duration) -> sqlx::Result<Raw> {
    let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
    let options = options.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full);
    let body = "x".repeat(row_bytes);
    let mut rates = [0.0; 3];
    for (rate, batch) in rates.iter_mut().zip(BATCHES) {
        let mut own = SqliteConnection::connect_with(&options).await?;
        own.execute("DROP TABLE IF EXISTS raw").await?;
        own.execute("CREATE TABLE raw (id BIGINT PRIMARY KEY, body TEXT NOT NULL)").await?;
        let rows = batch.min(STATEMENT_ROWS);
        let places: Vec<String> = (0..rows).map(|row| format!("(${}, ${})", 2 * row + 1, 2 * row + 2)).collect();
        let insert = format!("INSERT INTO raw VALUES {}", places.join(", "));
        let (begun, mut id) = (Instant::now(), 0i64);
        while begun.elapsed() < span {
            let mut transaction = own.begin_with("BEGIN IMMEDIATE").await?;
            for _ in 0..batch / rows {
                let mut query = sqlx::query(sqlx::AssertSqlSafe(insert.clone()));
                for _ in 0..rows {
                    id += 1;
                    query = query.bind(id).bind(&body);
                }
                query.execute(&mut *transaction).await?;
            }
            transaction.commit().await?;
        }
        *rate = id as f64 / begun.elapsed().as_secs_f64();
        own.close().await?;
    }
    Ok(Raw(rates))
}

pub(crate) async fn postgres(url: &str, row_bytes: usize, span: Duration) -> sqlx::Result<Raw> {
    let body = "x".repeat(row_bytes);
    let mut own = PgConnection::connect(url).await?;
    let mut rates = [0.0; 3];
    for (rate, batch) in rates.iter_mut().zip(BATCHES) {
        own.execute("DROP TABLE IF EXISTS raw").await?;
        own.execute("CREATE TABLE raw (id BIGINT PRIMARY KEY, body TEXT NOT NULL)").await?;
        own.execute("CHECKPOINT").await?;
        let bodies = vec![body.clone(); batch];
        let (begun, mut id) = (Instant::now(), 0i64);
        while begun.elapsed() < span {
            let ids: Vec<i64> = (id..id + batch as i64).collect();
            id += batch as i64;
            let mut transaction = own.begin().await?;
            let insert = sqlx::query("INSERT INTO raw SELECT * FROM UNNEST($1::BIGINT[], $2::TEXT[])");
            insert.bind(ids).bind(&bodies).execute(&mut *transaction).await?;
            transaction.commit().await?;
        }
        *rate = id as f64 / begun.elapsed().as_secs_f64();
    }
    own.execute("DROP TABLE raw").await?;
    own.close().await?;
    Ok(Raw(rates))
}
