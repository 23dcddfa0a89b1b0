//! The reads of people and programs: written once for both databases, each with the [`Access`] of who asks.
//!
//! [`select`] makes the text of a list from conditions that are values; [`record`] says what a row of each list holds.

pub mod account;
pub mod batch;
pub mod identity;
pub mod notes;
pub mod operation;
pub mod record;
pub mod select;
pub mod token;

use super::error::StoreError;
use super::{Bind, Store};
use crate::base::access::Access;
use crate::base::id::{DeploymentId, InstanceId, ScopeId};
use record::Record;
use select::{Column, Condition, Select, Text};

impl Store {
    /// A page of a list.
    pub async fn list<R: Record>(&self, access: &Access, select: &Select) -> Result<Vec<R>, StoreError> {
        let Text { sql, binds } = select::rows(&R::SOURCE, access, select);
        self.fetch(sql, binds).await
    }

    pub async fn count<R: Record>(&self, access: &Access, conditions: &[Condition]) -> Result<i64, StoreError> {
        let Text { sql, binds } = select::count(&R::SOURCE, access, conditions);
        let rows: Vec<(i64,)> = self.fetch(sql, binds).await?;
        Ok(rows.first().map_or(0, |(count,)| *count))
    }

    /// Of all tenants, for the operator's graphs.
    pub async fn open_incidents(&self) -> Result<i64, StoreError> {
        let rows: Vec<(i64,)> = self.fetch("SELECT COUNT(*) FROM incident".into(), Vec::new()).await?;
        Ok(rows.first().map_or(0, |(count,)| *count))
    }

    /// How many rows of a list share these two values. A number leaves as its text.
    pub async fn tally<R: Record>(
        &self,
        access: &Access,
        by: [Column; 2],
        conditions: &[Condition],
    ) -> Result<Vec<(String, String, i64)>, StoreError> {
        let Text { sql, binds } = select::groups(&R::SOURCE, access, by, conditions);
        self.fetch(sql, binds).await
    }

    /// Takes an ended instance out of the lists; false: it runs, or is not there.
    pub async fn remove_past(&self, instance: InstanceId) -> Result<bool, StoreError> {
        Ok(self.take_away(instance).await? > 0)
    }

    /// Takes what the decisions of a deployment came to out of the lists.
    pub async fn remove_decisions_of(&self, deployment: DeploymentId) -> Result<(), StoreError> {
        let text = "DELETE FROM past_decision WHERE decision IN (SELECT id FROM definition WHERE deployment = $1)";
        self.write(vec![(text.to_owned(), vec![Bind::Int(deployment.0)])]).await.map(|_| ())
    }

    /// Takes the last values of an ended instance out of the lists, all or one; false: it runs, or is not there.
    pub async fn remove_past_variables(
        &self,
        instance: InstanceId,
        one: Option<(ScopeId, &str)>,
    ) -> Result<bool, StoreError> {
        let ended = "SELECT id FROM process_instance WHERE id = $1 AND ended_at IS NOT NULL";
        let rows: Vec<(i64,)> = self.fetch(ended.into(), vec![Bind::Int(instance.0)]).await?;
        if rows.is_empty() {
            return Ok(false);
        }
        let mut text = "DELETE FROM past_variable WHERE instance = $1".to_owned();
        let mut binds = vec![Bind::Int(instance.0)];
        if let Some((scope, name)) = one {
            text.push_str(" AND scope = $2 AND name = $3");
            binds.extend([Bind::Int(scope.0.into()), Bind::Text(name.to_owned())]);
        }
        self.write(vec![(text, binds)]).await.map(|_| true)
    }

    /// One transaction beside the partitions' commits; gives the rows that its last statement touched. It goes to its end
    /// even if the caller goes away.
    pub(in crate::store) async fn write(&self, statements: Vec<(String, Vec<Bind>)>) -> Result<u64, StoreError> {
        Ok(self.write_each(statements).await?.last().copied().unwrap_or(0))
    }

    /// The same; gives the rows that each statement touched.
    pub(in crate::store) async fn write_each(
        &self,
        statements: Vec<(String, Vec<Bind>)>,
    ) -> Result<Vec<u64>, StoreError> {
        let store = self.clone();
        let written = tokio::spawn(async move { on!(&store, database => database.write(statements).await) });
        written.await.map_err(|error| StoreError::Failed(error.to_string()))?
    }
}

#[cfg(test)]
mod tests;
