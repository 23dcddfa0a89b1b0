//! One look at the whole database: rows as they were at one moment, whatever is committed meanwhile.

use super::super::{Arguments, COLUMNS, Conn, Db, PRIMARY_KEY, SNAPSHOT, TABLES};
use super::{Database, DbRow, READ_DEADLINE_MS, WRITE_DEADLINE_MS, arguments, within};
use crate::store::Bind;
use crate::store::error::StoreError;
use crate::store::raw::Cell;
use sqlx::{Connection, Row};

/// Holds a connection of its own, inside a transaction that only reads.
#[derive(Debug)]
pub(in crate::store) struct Snapshot {
    connection: Conn,
}

impl Database {
    pub(in crate::store) async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let mut connection = within(WRITE_DEADLINE_MS, super::super::connect(&self.options)).await?;
        begin(&mut connection).await?;
        Ok(Snapshot { connection })
    }
}

/// The moment is that of the first read.
async fn begin(connection: &mut Conn) -> Result<(), StoreError> {
    within(WRITE_DEADLINE_MS, sqlx::query::<Db>(SNAPSHOT).execute(&mut *connection)).await?;
    within(READ_DEADLINE_MS, sqlx::query::<Db>("SELECT id FROM installation").fetch_all(connection)).await?;
    Ok(())
}

impl Snapshot {
    /// From now on a later moment: an old one makes the database keep all that was since.
    pub(in crate::store) async fn renew(&mut self) -> Result<(), StoreError> {
        within(WRITE_DEADLINE_MS, sqlx::query::<Db>("COMMIT").execute(&mut self.connection)).await?;
        begin(&mut self.connection).await
    }

    pub(in crate::store) async fn rows(
        &mut self,
        text: String,
        binds: Vec<Bind>,
    ) -> Result<Vec<Vec<Cell>>, StoreError> {
        let query = sqlx::query_with::<Db, Arguments>(sqlx::AssertSqlSafe(text), arguments(binds));
        let rows = within(READ_DEADLINE_MS, query.fetch_all(&mut self.connection)).await?;
        rows.iter().map(|row| (0..row.len()).map(|column| cell(row, column)).collect()).collect()
    }

    pub(in crate::store) async fn tables(&mut self) -> Result<Vec<Vec<Cell>>, StoreError> {
        self.rows(TABLES.to_owned(), vec![]).await
    }

    pub(in crate::store) async fn columns(&mut self, table: &str) -> Result<Vec<Vec<Cell>>, StoreError> {
        self.rows(COLUMNS.to_owned(), vec![Bind::Text(table.to_owned())]).await
    }

    pub(in crate::store) async fn primary_key(&mut self, table: &str) -> Result<Vec<Vec<Cell>>, StoreError> {
        self.rows(PRIMARY_KEY.to_owned(), vec![Bind::Text(table.to_owned())]).await
    }

    pub(in crate::store) async fn close(self) -> Result<(), StoreError> {
        within(WRITE_DEADLINE_MS, self.connection.close()).await
    }
}

/// Whatever is in it: columns of a kind differ in their width only.
fn cell(row: &DbRow, column: usize) -> Result<Cell, StoreError> {
    if let Ok(value) = row.try_get::<Option<i64>, _>(column) {
        return Ok(value.map_or(Cell::Null, Cell::Int));
    }
    if let Ok(value) = row.try_get::<Option<String>, _>(column) {
        return Ok(value.map_or(Cell::Null, Cell::Text));
    }
    if let Ok(value) = row.try_get::<Option<i16>, _>(column) {
        return Ok(value.map_or(Cell::Null, |value| Cell::Int(value.into())));
    }
    if let Ok(value) = row.try_get::<Option<f64>, _>(column) {
        return Ok(value.map_or(Cell::Null, Cell::Real));
    }
    let value = row.try_get::<Option<Vec<u8>>, _>(column)?;
    Ok(value.map_or(Cell::Null, Cell::Bytes))
}
