//! Fills an empty database in one transaction.

use super::super::{BEGIN, Conn, Db, HAS_STEPS, TABLES, options};
use super::{Database, READ_DEADLINE_MS, WRITE_DEADLINE_MS, arguments, steps, within};
use crate::store::Bind;
use crate::store::error::StoreError;
use sqlx::Connection;

/// Holds a connection inside a transaction that writes; dropped without [`Loader::commit`], it leaves nothing.
#[derive(Debug)]
pub(in crate::store) struct Loader {
    connection: Conn,
}

impl Database {
    pub(in crate::store) async fn loader(address: &str) -> Result<Loader, StoreError> {
        let mut connection = steps::connect(&options(address)?).await?;
        within(WRITE_DEADLINE_MS, sqlx::query::<Db>(BEGIN).execute(&mut connection)).await?;
        Ok(Loader { connection })
    }

    /// A table of somebody else, in a database where none of ours are.
    pub(in crate::store) async fn foreign_table(address: &str) -> Result<Option<String>, StoreError> {
        let mut connection = steps::connect(&options(address)?).await?;
        let ours = sqlx::query_scalar::<Db, i64>(HAS_STEPS).fetch_one(&mut connection);
        if within(READ_DEADLINE_MS, ours).await? > 0 {
            return Ok(None);
        }
        let tables = sqlx::query_scalar::<Db, String>(TABLES).fetch_optional(&mut connection);
        let found = within(READ_DEADLINE_MS, tables).await?;
        within(WRITE_DEADLINE_MS, connection.close()).await?;
        Ok(found)
    }
}

impl Loader {
    pub(in crate::store) async fn run(&mut self, text: String, binds: Vec<Bind>) -> Result<u64, StoreError> {
        let query = sqlx::query_with(sqlx::AssertSqlSafe(text), arguments(binds));
        Ok(within(WRITE_DEADLINE_MS, query.execute(&mut self.connection)).await?.rows_affected())
    }

    pub(in crate::store) async fn count(&mut self, text: String) -> Result<i64, StoreError> {
        let query = sqlx::query_scalar::<Db, i64>(sqlx::AssertSqlSafe(text));
        within(READ_DEADLINE_MS, query.fetch_one(&mut self.connection)).await
    }

    pub(in crate::store) async fn commit(mut self) -> Result<(), StoreError> {
        within(WRITE_DEADLINE_MS, sqlx::query::<Db>("COMMIT").execute(&mut self.connection)).await?;
        within(WRITE_DEADLINE_MS, self.connection.close()).await
    }
}
