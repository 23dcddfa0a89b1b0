//! What the runtime looks up before it hands a command to the partition, whose owner checks again: who waits for a message,
//! which version of a decision a binding means, which jobs an earlier life of a node held.

use super::load::{DEFINITION_COLUMNS, DefinitionColumns, definition, local};
use super::{Bind, Database};
use crate::base::id::{DeploymentId, InstanceId, LocalId, PartitionId, TokenId};
use crate::partition::transaction::{Binding, DefinitionRow, StartRow};
use crate::store::error::StoreError;
use crate::store::{HeldJob, MessageWaiter, code};

impl Database {
    /// Jobs of a partition that are leased to holders whose names begin like this.
    pub(in crate::store) async fn held_jobs(
        &self,
        partition: PartitionId,
        prefix: &str,
    ) -> Result<Vec<HeldJob>, StoreError> {
        let text = "SELECT instance, token, lease_no, holder FROM job WHERE holder IS NOT NULL AND instance >= $1 AND \
                    instance < $2 ORDER BY instance, token";
        let first = InstanceId::new(partition, 0);
        let beyond = InstanceId::new(PartitionId(partition.0 + 1), 0);
        let rows: Vec<(i64, i64, i64, String)> =
            self.fetch(text.into(), vec![Bind::Int(first.0), Bind::Int(beyond.0)]).await?;
        let held = rows.into_iter().filter(|(.., holder)| holder.starts_with(prefix));
        held.map(|(instance, token, lease_no, holder)| {
            Ok(HeldJob { instance: InstanceId(instance), token: TokenId(local(token)?), lease_no, holder })
        })
        .collect()
    }

    /// Armed message or signal events of this name, oldest first; with a key only those of its instances.
    pub(in crate::store) async fn waiters(
        &self,
        signal: bool,
        name: &str,
        business_key: Option<&str>,
    ) -> Result<Vec<MessageWaiter>, StoreError> {
        const COLUMNS: &str =
            "SELECT instance, id, tenant FROM subscription WHERE name = $1 AND signal = $2 AND suspended = 0";
        let mut binds = vec![Bind::Text(name.to_owned()), Bind::Int(i64::from(signal))];
        let text = match business_key {
            Some(key) => {
                binds.push(Bind::Text(key.to_owned()));
                format!("{COLUMNS} AND business_key = $3 ORDER BY instance, id")
            }
            None => format!("{COLUMNS} ORDER BY instance, id"),
        };
        let rows: Vec<(i64, i64, String)> = self.fetch(text, binds).await?;
        let row = |(instance, id, tenant)| {
            Ok(MessageWaiter { instance: InstanceId(instance), subscription: LocalId(local(id)?), tenant })
        };
        rows.into_iter().map(row).collect()
    }

    /// Start events that wait for this signal; only latest versions have rows.
    pub(in crate::store) async fn signal_starts(&self, name: &str) -> Result<Vec<StartRow>, StoreError> {
        let starts = self.starts().await?;
        Ok(starts.into_iter().filter(|start| start.signal.as_deref() == Some(name)).collect())
    }

    /// Start events that wait for a condition; only latest versions have rows.
    pub(in crate::store) async fn condition_starts(&self) -> Result<Vec<StartRow>, StoreError> {
        let waits = |start: &StartRow| start.message.is_none() && start.signal.is_none() && start.due.is_none();
        Ok(self.starts().await?.into_iter().filter(waits).collect())
    }

    /// Start events that wait for this message; only latest versions have rows.
    pub(in crate::store) async fn message_starts(&self, name: &str) -> Result<Vec<StartRow>, StoreError> {
        let starts = self.starts().await?;
        Ok(starts.into_iter().filter(|start| start.message.as_deref() == Some(name)).collect())
    }

    pub(in crate::store) async fn definitions_of(
        &self,
        deployment: DeploymentId,
    ) -> Result<Vec<DefinitionRow>, StoreError> {
        let text = format!("{DEFINITION_COLUMNS} WHERE deployment = $1 ORDER BY id");
        let rows: Vec<DefinitionColumns> = self.fetch(text, vec![Bind::Int(deployment.0)]).await?;
        rows.into_iter().map(definition).collect()
    }

    /// The version of a decision that a binding means; of a tenant, else of none.
    pub(in crate::store) async fn decision(
        &self,
        key: &str,
        tenant: &str,
        binding: &Binding,
        deployment: Option<DeploymentId>,
    ) -> Result<Option<DefinitionRow>, StoreError> {
        let kind = code::definition_kind(crate::partition::transaction::DefinitionKind::Decision);
        let mut binds = vec![Bind::Int(i64::from(kind)), Bind::Text(key.to_owned()), Bind::Text(tenant.to_owned())];
        let which = match binding {
            Binding::Latest => "",
            Binding::Deployment => {
                let Some(deployment) = deployment else { return Ok(None) };
                binds.push(Bind::Int(deployment.0));
                " AND deployment = $4"
            }
            Binding::Version(version) => {
                binds.push(Bind::Int(i64::from(*version)));
                " AND version = $4"
            }
            Binding::VersionTag(tag) => {
                binds.push(Bind::Text(tag.clone()));
                " AND version_tag = $4"
            }
        };
        let text = format!(
            "{DEFINITION_COLUMNS} WHERE kind = $1 AND key = $2 AND tenant IN ($3, ''){which} \
             ORDER BY tenant DESC, version DESC LIMIT 1"
        );
        let rows: Vec<DefinitionColumns> = self.fetch(text, binds).await?;
        rows.into_iter().next().map(definition).transpose()
    }
}
