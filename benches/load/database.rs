//! A fresh database for each measurement, and what is in it afterwards, asked directly and not through the engine.

use std::collections::BTreeMap;
use std::path::PathBuf;

use sqlx::{Connection, Executor, FromRow, PgConnection, SqliteConnection};
use tempfile::TempDir;
use transhume::engine::instance::InstanceState;
use transhume::store::queries::record::state_code;

use super::{Failure, support};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

impl Kind {
    pub(crate) const ALL: [Self; 2] = [Self::Sqlite, Self::Postgres];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }

    /// A new, empty database whose commits survive a power cut; none where PostgreSQL is absent, which is said.
    pub(crate) async fn fresh(self) -> Result<Option<Database>, Failure> {
        Ok(match self {
            Self::Sqlite => {
                let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
                let address = format!("sqlite:{}", folder.path().join("bench.db").display());
                Some(Database { kind: self, address, folder: Some(folder) })
            }
            Self::Postgres => support::postgres::durable_database("PostgreSQL").await.map(Database::postgres),
        })
    }
}

pub(crate) struct Database {
    pub(crate) kind: Kind,
    pub(crate) address: String,
    folder: Option<TempDir>,
}

impl Database {
    pub(crate) fn postgres(address: String) -> Self {
        Self { kind: Kind::Postgres, address, folder: None }
    }

    pub(crate) fn file(&self) -> PathBuf {
        PathBuf::from(self.address.trim_start_matches("sqlite:"))
    }

    /// Rows of two numbers or a text and a number, whichever database.
    pub(crate) async fn rows<T>(&self, text: &'static str) -> Result<Vec<T>, Failure>
    where
        T: for<'r> FromRow<'r, sqlx::postgres::PgRow> + for<'r> FromRow<'r, sqlx::sqlite::SqliteRow> + Send + Unpin,
    {
        Ok(match self.kind {
            Kind::Sqlite => {
                let mut own = SqliteConnection::connect(&self.address).await?;
                let rows = sqlx::query_as(text).fetch_all(&mut own).await?;
                own.close().await?;
                rows
            }
            Kind::Postgres => {
                let mut own = PgConnection::connect(&self.address).await?;
                let rows = sqlx::query_as(text).fetch_all(&mut own).await?;
                own.close().await?;
                rows
            }
        })
    }

    async fn number(&self, text: &'static str) -> Result<i64, Failure> {
        let rows: Vec<(i64,)> = self.rows(text).await?;
        Ok(rows.first().map_or(0, |row| row.0))
    }

    /// Commands by name, as the history has them: one row each.
    pub(crate) async fn commands(&self) -> Result<BTreeMap<String, u64>, Failure> {
        let text = "SELECT cause, COUNT(*) FROM history WHERE instance IS NOT NULL GROUP BY cause";
        let rows: Vec<(String, i64)> = self.rows(text).await?;
        Ok(rows.into_iter().map(|(cause, count)| (cause, count.unsigned_abs())).collect())
    }

    /// Instances that have come to their end.
    pub(crate) async fn completed(&self) -> Result<u64, Failure> {
        let rows: Vec<(i64, i64)> =
            self.rows("SELECT CAST(state AS BIGINT), COUNT(*) FROM process_instance GROUP BY state").await?;
        let completed = state_code(InstanceState::Completed);
        Ok(rows.iter().find(|row| row.0 == completed).map_or(0, |row| row.1.unsigned_abs()))
    }

    /// Bytes of all tables with their indexes; of a SQLite file when nobody has it open.
    pub(crate) async fn bytes(&self) -> Result<u64, Failure> {
        match self.kind {
            Kind::Sqlite => Ok(std::fs::metadata(self.file())?.len()),
            Kind::Postgres => {
                let text = "SELECT CAST(SUM(pg_total_relation_size(c.oid)) AS BIGINT) FROM pg_class c JOIN pg_namespace n \
                            ON n.oid = c.relnamespace WHERE n.nspname = 'public' AND c.relkind = 'r'";
                Ok(self.number(text).await?.unsigned_abs())
            }
        }
    }

    /// Rows inserted, updated and deleted so far. PostgreSQL counts by itself, SQLite by the triggers of `count_rows`.
    pub(crate) async fn rows_written(&self) -> Result<u64, Failure> {
        let text = match self.kind {
            Kind::Sqlite => "SELECT n FROM bench_rows",
            Kind::Postgres => "SELECT CAST(SUM(n_tup_ins + n_tup_upd + n_tup_del) AS BIGINT) FROM pg_stat_user_tables",
        };
        Ok(self.number(text).await?.unsigned_abs())
    }

    /// Lets SQLite count rows, which costs it a little: for a run of its own. The tables must be there.
    pub(crate) async fn count_rows(&self) -> Result<(), Failure> {
        if self.kind == Kind::Postgres {
            return Ok(());
        }
        let mut own = SqliteConnection::connect(&self.address).await?;
        let tables: Vec<(String,)> =
            sqlx::query_as("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\'")
                .fetch_all(&mut own)
                .await?;
        own.execute("CREATE TABLE bench_rows (n BIGINT NOT NULL)").await?;
        own.execute("INSERT INTO bench_rows VALUES (0)").await?;
        for (table,) in tables.iter().filter(|(table,)| !table.starts_with("sqlite_")) {
            for verb in ["INSERT", "UPDATE", "DELETE"] {
                let text = format!(
                    "CREATE TRIGGER bench_{table}_{verb} AFTER {verb} ON {table} BEGIN UPDATE bench_rows SET n = n + 1; END"
                );
                own.execute(sqlx::query(sqlx::AssertSqlSafe(text))).await?;
            }
        }
        own.close().await?;
        Ok(())
    }

    /// Folds SQLite's log into its file; the server's checkpoint of PostgreSQL.
    pub(crate) async fn settle(&self) -> Result<(), Failure> {
        match self.kind {
            Kind::Sqlite => {
                let mut own = SqliteConnection::connect(&self.address).await?;
                own.execute("PRAGMA wal_checkpoint(TRUNCATE)").await?;
                own.close().await?;
            }
            Kind::Postgres => {
                let mut own = PgConnection::connect(&self.address).await?;
                own.execute("CHECKPOINT").await?;
                own.close().await?;
            }
        }
        Ok(())
    }
}
