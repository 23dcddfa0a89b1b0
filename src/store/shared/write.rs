//! Small transactions beside the partitions' commits, such as a new session.

use super::tx::Tx;
use super::{BESIDE, Database, arguments};
use crate::store::Bind;
use crate::store::error::StoreError;

impl Database {
    /// One transaction; gives the rows that its last statement touched.
    pub(in crate::store) async fn write(&self, statements: Vec<(String, Vec<Bind>)>) -> Result<u64, StoreError> {
        let writer = self.writer(BESIDE);
        let mut writer = writer.lock().await;
        let mut connection = writer.borrow(&self.options).await?;
        let mut tx = Tx::begin(&mut connection).await?;
        let mut rows = 0;
        for (text, binds) in statements {
            rows = tx.execute(text.into(), arguments(binds)).await?;
        }
        tx.commit().await?;
        writer.connection = Some(connection);
        Ok(rows)
    }
}
