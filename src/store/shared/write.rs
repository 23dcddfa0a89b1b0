//! Small transactions beside the partitions' commits, such as a new session.

use super::super::{self as database, Options};
use super::tx::Tx;
use super::writers::Writer;
use super::{Database, arguments};
use crate::store::Bind;
use crate::store::error::StoreError;

impl Database {
    /// One transaction; gives the rows that each of its statements touched.
    pub(in crate::store) async fn write(&self, statements: Vec<(String, Vec<Bind>)>) -> Result<Vec<u64>, StoreError> {
        match &self.beside {
            Some(beside) => self.write_by(&mut *beside.lock().await, statements).await,
            None => self.write_by(&mut *self.lend().await, statements).await,
        }
    }

    async fn write_by(
        &self,
        writer: &mut Writer,
        statements: Vec<(String, Vec<Bind>)>,
    ) -> Result<Vec<u64>, StoreError> {
        let written = writer.write_beside(&self.options, statements).await;
        self.noticed(written.as_ref().err());
        if let Err(StoreError::Deadline(_)) = &written {
            database::doubt(&self.options, writer.turn);
        }
        written
    }
}

impl Writer {
    async fn write_beside(
        &mut self,
        options: &Options,
        statements: Vec<(String, Vec<Bind>)>,
    ) -> Result<Vec<u64>, StoreError> {
        let mut connection = self.borrow(options).await?;
        let mut tx = Tx::begin(&mut connection).await?;
        let mut rows = Vec::with_capacity(statements.len());
        for (text, binds) in statements {
            rows.push(tx.execute(text.into(), arguments(binds)).await?);
        }
        tx.commit().await?;
        self.connection = Some(connection);
        Ok(rows)
    }
}
