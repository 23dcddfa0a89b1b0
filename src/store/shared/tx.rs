//! A transaction that its first error poisons: after that it can only be rolled back.
//!
//! SQLite rolls back by itself when the disk is full, and sqlx then goes on without a transaction: half would be stored.

use super::super::{Arguments, BEGIN, Conn, Db};
use super::plan::Statement;
use super::{WRITE_DEADLINE_MS, within};
use crate::base::planted;
use crate::store::error::StoreError;
use sqlx::{Connection, Transaction};
use std::sync::Arc;

pub(super) struct Tx<'c> {
    inner: Transaction<'c, Db>,
    poisoned: bool,
}

impl<'c> Tx<'c> {
    pub(super) async fn begin(connection: &'c mut Conn) -> Result<Self, StoreError> {
        let begin = if planted::is("begin-deferred") { "BEGIN" } else { BEGIN };
        let inner = within(WRITE_DEADLINE_MS, connection.begin_with(begin)).await?;
        Ok(Self { inner, poisoned: false })
    }

    /// Rows touched.
    pub(super) async fn run(&mut self, statement: Statement) -> Result<u64, StoreError> {
        let exactly = statement.exactly;
        let rows = self.execute(statement.text, statement.arguments).await?;
        match exactly {
            Some(wanted) if rows != wanted as u64 => {
                self.poison(StoreError::Failed(format!("{rows} rows of {wanted} were written")))
            }
            Some(_) | None => Ok(rows),
        }
    }

    pub(super) async fn execute(&mut self, text: Arc<str>, arguments: Arguments) -> Result<u64, StoreError> {
        self.sound()?;
        let query = sqlx::query_with::<Db, Arguments>(sqlx::AssertSqlSafe(text), arguments);
        match within(WRITE_DEADLINE_MS, query.execute(&mut *self.inner)).await {
            Ok(done) => Ok(done.rows_affected()),
            Err(error) => self.poison(error),
        }
    }

    pub(super) async fn found(&mut self, text: Arc<str>, arguments: Arguments) -> Result<bool, StoreError> {
        Ok(self.rows(text, arguments).await? > 0)
    }

    /// How many rows it finds.
    pub(super) async fn rows(&mut self, text: Arc<str>, arguments: Arguments) -> Result<usize, StoreError> {
        self.sound()?;
        let query = sqlx::query_with::<Db, Arguments>(sqlx::AssertSqlSafe(text), arguments);
        match within(WRITE_DEADLINE_MS, query.fetch_all(&mut *self.inner)).await {
            Ok(rows) => Ok(rows.len()),
            Err(error) => self.poison(error),
        }
    }

    pub(super) async fn number(&mut self, text: Arc<str>, arguments: Arguments) -> Result<i64, StoreError> {
        self.sound()?;
        let query = sqlx::query_scalar_with::<Db, i64, Arguments>(sqlx::AssertSqlSafe(text), arguments);
        match within(WRITE_DEADLINE_MS, query.fetch_one(&mut *self.inner)).await {
            Ok(number) => Ok(number),
            Err(error) => self.poison(error),
        }
    }

    pub(super) async fn commit(self) -> Result<(), StoreError> {
        self.sound()?;
        within(WRITE_DEADLINE_MS, super::super::commit(self.inner)).await
    }

    fn sound(&self) -> Result<(), StoreError> {
        match self.poisoned {
            true => Err(StoreError::Failed("the transaction has failed before; it can only be rolled back".into())),
            false => Ok(()),
        }
    }

    fn poison<T>(&mut self, error: StoreError) -> Result<T, StoreError> {
        self.poisoned = !planted::is("going-on-after-a-failed-statement");
        Err(error)
    }
}
