//! The connections that write. Each is lent to one task at a time, and comes back however that ends.

use super::super as database;
use super::plan::Texts;
use super::{Conn, Database, Options, WRITE_DEADLINE_MS, locked, within};
use crate::store::error::StoreError;
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use tokio::sync::SemaphorePermit;

/// A connection, and what goes along with it. It is made anew after every failure.
#[derive(Debug, Default)]
pub(super) struct Writer {
    pub(super) connection: Option<Conn>,
    /// In which turn of the database's hosts it was made.
    pub(super) turn: u64,
    pub(super) texts: Texts,
    /// Statements of the last commit, by table.
    pub(super) counted: BTreeMap<&'static str, usize>,
}

/// A writer in the hands of one task.
pub(super) struct Lent<'d> {
    writer: Writer,
    database: &'d Database,
    _permit: SemaphorePermit<'d>,
}

impl Database {
    /// A writer that rests, or the first that comes to rest.
    pub(super) async fn lend(&self) -> Lent<'_> {
        let permit = self.permits.acquire().await.expect("the semaphore is never closed");
        let writer = locked(&self.writers).pop().unwrap_or_default();
        Lent { writer, database: self, _permit: permit }
    }
}

impl Writer {
    /// The connection, out of its place while it works: who fails or is cancelled midway does not put it back, so that no
    /// half of a transaction is left in it.
    pub(super) async fn borrow(&mut self, options: &Options) -> Result<Conn, StoreError> {
        match self.connection.take() {
            Some(connection) if self.turn == database::turn(options) => Ok(connection),
            _ => {
                let connection = within(WRITE_DEADLINE_MS, database::connect(options)).await?;
                self.turn = database::turn(options);
                Ok(connection)
            }
        }
    }
}

impl Deref for Lent<'_> {
    type Target = Writer;

    fn deref(&self) -> &Writer {
        &self.writer
    }
}

impl DerefMut for Lent<'_> {
    fn deref_mut(&mut self) -> &mut Writer {
        &mut self.writer
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        locked(&self.database.writers).push(std::mem::take(&mut self.writer));
    }
}
