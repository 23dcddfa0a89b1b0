//! Brings the tables of a database to this program's step, and says by which steps.

use super::schema::{self, LAST};
use super::{Store, StoreError, postgres, sqlite};

/// What an upgrade does, or has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// The step before; none of an empty database.
    pub from: Option<i64>,
    pub to: i64,
    /// Number and name of each step on the way.
    pub steps: Vec<(i64, &'static str)>,
}

/// What is missing. Errors: no address, no database, a newer program's tables.
pub async fn plan(address: &str) -> Result<Upgrade, StoreError> {
    let from = match Store::is_sqlite(address)? {
        true => sqlite::shared::Database::step(address).await?,
        false => postgres::shared::Database::step(address).await?,
    };
    let steps = schema::steps().filter(|(number, _)| from.is_none_or(|from| *number > from)).collect();
    Ok(Upgrade { from, to: LAST, steps })
}

/// Makes what is missing; each step wholly or not at all.
pub async fn run(address: &str) -> Result<Upgrade, StoreError> {
    let plan = plan(address).await?;
    bring_to(address, LAST).await?;
    Ok(plan)
}

/// The same up to an earlier step, as an older program would have left it.
pub async fn bring_to(address: &str, last: i64) -> Result<(), StoreError> {
    match Store::is_sqlite(address)? {
        true => sqlite::shared::Database::bring_to(address, last).await,
        false => postgres::shared::Database::bring_to(address, last).await,
    }
}
