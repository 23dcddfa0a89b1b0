//! Small transactions beside the partitions' commits, such as a new session.

use super::super::{self as database, Options};
use super::tx::Tx;
use super::{BESIDE, Database, Writer, arguments};
use crate::store::Bind;
use crate::store::error::StoreError;

impl Database {
    /// One transaction; gives the rows that its last statement touched.
    pub(in crate::store) async fn write(&self, statements: Vec<(String, Vec<Bind>)>) -> Result<u64, StoreError> {
        let writer = self.writer(BESIDE);
        let mut writer = writer.lock().await;
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
    ) -> Result<u64, StoreError> {
        let mut connection = self.borrow(options).await?;
        let mut tx = Tx::begin(&mut connection).await?;
        let mut rows = 0;
        for (text, binds) in statements {
            rows = tx.execute(text.into(), arguments(binds)).await?;
        }
        tx.commit().await?;
        self.connection = Some(connection);
        Ok(rows)
    }
}
