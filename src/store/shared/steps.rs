//! The steps that the tables were made by: which a database stands at, and how it comes to the last one.

use super::super::{self as database, Conn, Db, HAS_STEPS, Options, UPGRADES_BY_ITSELF, existing, migrator, options};
use super::{Database, READ_DEADLINE_MS, WRITE_DEADLINE_MS, within};
use crate::store::error::StoreError;
use crate::store::schema::LAST;
use sqlx::Connection;

/// For a server: an empty database is made ready; an older one too where one process has it for itself.
pub(super) async fn make_ready(connection: &mut Conn) -> Result<(), StoreError> {
    match known(connection).await? {
        Some(step) if step < LAST && !UPGRADES_BY_ITSELF => Err(StoreError::Older { step, last: LAST }),
        Some(_) | None => bring(connection, LAST).await,
    }
}

/// For those who look at what is there: it stands at this program's step already.
pub(super) async fn be_ready(connection: &mut Conn) -> Result<(), StoreError> {
    match known(connection).await? {
        Some(LAST) => Ok(()),
        Some(step) => Err(StoreError::Older { step, last: LAST }),
        None => Err(StoreError::Empty),
    }
}

impl Database {
    /// The step that the tables stand at; none of an empty database.
    pub(in crate::store) async fn step(address: &str) -> Result<Option<i64>, StoreError> {
        let mut connection = connect(&existing(options(address)?)).await?;
        let step = known(&mut connection).await?;
        within(WRITE_DEADLINE_MS, connection.close()).await?;
        Ok(step)
    }

    /// Makes what is missing up to this step.
    pub(in crate::store) async fn bring_to(address: &str, last: i64) -> Result<(), StoreError> {
        let mut connection = connect(&options(address)?).await?;
        known(&mut connection).await?;
        bring(&mut connection, last).await?;
        within(WRITE_DEADLINE_MS, connection.close()).await
    }
}

pub(super) async fn connect(options: &Options) -> Result<Conn, StoreError> {
    database::connect(options).await.map_err(|error| match StoreError::from(error) {
        StoreError::Failed(words) | StoreError::Refused(words) => StoreError::Away(words),
        known => known,
    })
}

/// A step of ours, or none; a newer program's is refused.
async fn known(connection: &mut Conn) -> Result<Option<i64>, StoreError> {
    let kept = sqlx::query_scalar::<Db, i64>(HAS_STEPS).fetch_one(&mut *connection);
    if within(READ_DEADLINE_MS, kept).await? == 0 {
        return Ok(None);
    }
    let last = sqlx::query_scalar::<Db, Option<i64>>("SELECT MAX(version) FROM _sqlx_migrations");
    match within(READ_DEADLINE_MS, last.fetch_one(connection)).await? {
        Some(step) if step > LAST => Err(StoreError::Newer { step, last: LAST }),
        step => Ok(step),
    }
}

async fn bring(connection: &mut Conn, last: i64) -> Result<(), StoreError> {
    let done = migrator().run_direct(Some(last), connection, false).await;
    done.map_err(|error| StoreError::Migration(error.to_string()))
}
