//! Rows of any table as plain values: for those who look at a database as a whole.

use super::error::StoreError;
use super::{Bind, Store, postgres, sqlite};

/// A value of a row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Null,
    Int(i64),
    Real(f64),
    Text(String),
    Bytes(Vec<u8>),
}

/// The database as it was at one moment.
#[derive(Debug)]
pub struct Snapshot(Of);

#[derive(Debug)]
enum Of {
    Sqlite(sqlite::shared::snapshot::Snapshot),
    Postgres(postgres::shared::snapshot::Snapshot),
}

impl Store {
    /// Everything read through it is of one moment. It holds a connection until it is closed.
    pub async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        Ok(Snapshot(match self {
            Self::Sqlite(database) => Of::Sqlite(database.snapshot().await?),
            Self::Postgres(database) => Of::Postgres(database.snapshot().await?),
        }))
    }
}

impl Snapshot {
    pub(super) async fn rows(&mut self, text: String, binds: Vec<Bind>) -> Result<Vec<Vec<Cell>>, StoreError> {
        match &mut self.0 {
            Of::Sqlite(inner) => inner.rows(text, binds).await,
            Of::Postgres(inner) => inner.rows(text, binds).await,
        }
    }

    pub(super) async fn tables(&mut self) -> Result<Vec<String>, StoreError> {
        let rows = match &mut self.0 {
            Of::Sqlite(inner) => inner.tables().await?,
            Of::Postgres(inner) => inner.tables().await?,
        };
        rows.into_iter().map(|row| Cells::of(row).text()).collect()
    }

    /// Name and declared type, in their order.
    pub(super) async fn columns(&mut self, table: &str) -> Result<Vec<(String, String)>, StoreError> {
        let rows = match &mut self.0 {
            Of::Sqlite(inner) => inner.columns(table).await?,
            Of::Postgres(inner) => inner.columns(table).await?,
        };
        let pair = |row| {
            let mut cells = Cells::of(row);
            Ok((cells.text()?, cells.text()?))
        };
        rows.into_iter().map(pair).collect()
    }

    pub(super) async fn primary_key(&mut self, table: &str) -> Result<Vec<String>, StoreError> {
        let rows = match &mut self.0 {
            Of::Sqlite(inner) => inner.primary_key(table).await?,
            Of::Postgres(inner) => inner.primary_key(table).await?,
        };
        rows.into_iter().map(|row| Cells::of(row).text()).collect()
    }

    /// From now on a later moment.
    pub async fn renew(&mut self) -> Result<(), StoreError> {
        match &mut self.0 {
            Of::Sqlite(inner) => inner.renew().await,
            Of::Postgres(inner) => inner.renew().await,
        }
    }

    pub(super) fn is_sqlite(&self) -> bool {
        matches!(self.0, Of::Sqlite(_))
    }

    pub async fn close(self) -> Result<(), StoreError> {
        match self.0 {
            Of::Sqlite(inner) => inner.close().await,
            Of::Postgres(inner) => inner.close().await,
        }
    }
}

/// Takes a row apart, column by column; says where something else is than should be.
pub(super) struct Cells(std::vec::IntoIter<Cell>);

impl Cells {
    pub(super) fn of(row: Vec<Cell>) -> Self {
        Self(row.into_iter())
    }

    pub(super) fn int_or(&mut self) -> Result<Option<i64>, StoreError> {
        match self.0.next() {
            Some(Cell::Int(value)) => Ok(Some(value)),
            Some(Cell::Null) => Ok(None),
            other => Err(wrong("a number", other.as_ref())),
        }
    }

    pub(super) fn int(&mut self) -> Result<i64, StoreError> {
        self.int_or()?.ok_or_else(|| wrong("a number", None))
    }

    pub(super) fn text_or(&mut self) -> Result<Option<String>, StoreError> {
        match self.0.next() {
            Some(Cell::Text(value)) => Ok(Some(value)),
            Some(Cell::Null) => Ok(None),
            other => Err(wrong("a text", other.as_ref())),
        }
    }

    pub(super) fn text(&mut self) -> Result<String, StoreError> {
        self.text_or()?.ok_or_else(|| wrong("a text", None))
    }

    pub(super) fn real_or(&mut self) -> Result<Option<f64>, StoreError> {
        match self.0.next() {
            Some(Cell::Real(value)) => Ok(Some(value)),
            #[expect(clippy::cast_precision_loss, reason = "it was stored as a real number")]
            Some(Cell::Int(value)) => Ok(Some(value as f64)),
            Some(Cell::Null) => Ok(None),
            other => Err(wrong("a real number", other.as_ref())),
        }
    }

    pub(super) fn flag(&mut self) -> Result<bool, StoreError> {
        Ok(self.int()? != 0)
    }

    /// A number inside of an instance.
    pub(super) fn local(&mut self) -> Result<u32, StoreError> {
        let number = self.int()?;
        u32::try_from(number).map_err(|_| StoreError::Unreadable(format!("{number} is no number inside an instance")))
    }
}

fn wrong(wanted: &str, found: Option<&Cell>) -> StoreError {
    StoreError::Unreadable(match found {
        Some(found) => format!("{found:?} stands where {wanted} should be"),
        None => format!("nothing stands where {wanted} should be"),
    })
}
