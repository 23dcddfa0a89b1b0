//! What a partition asks of its store: its beginning, instances, answers by key, definitions, what is due.

use super::super::FOR_UPDATE;
use super::tx::Tx;
use super::{Bind, Database, Owned, arguments, locked};
use crate::base::id::{DefinitionId, DeploymentId, ElementId, InstanceId, PartitionId, ScopeId};
use crate::base::time::Timestamp;
use crate::partition::INBOX_READ_MAX;
use crate::partition::transaction::{
    AnswerRow, CommandKey, DefinitionRow, LetterRow, ParcelRow, StartKey, StartRow, StoredInstance,
};
use crate::store::error::StoreError;
use crate::store::table::size_for;
use crate::store::{Begin, code};
use std::collections::BTreeMap;

/// The rows of a query, decoded; `sqlx` says what does not fit.
type Rows<T> = Result<Vec<T>, StoreError>;

pub(super) type DefinitionColumns =
    (i64, i16, i64, String, String, i64, Option<String>, Option<String>, String, i16, i16, Option<i64>, Option<String>);
type StartColumns = (i64, String, i64, String, String, Option<String>, Option<String>, Option<i64>, Option<String>);

pub(super) const DEFINITION_COLUMNS: &str = "SELECT id, kind, deployment, tenant, key, version, version_tag, name, resource, \
                                             suspended, startable, history_ttl_days, documentation FROM definition";

impl Database {
    /// Takes the partition: whoever had it before can no longer write.
    pub(in crate::store) async fn take(
        &self,
        partition: PartitionId,
        owner: &str,
        until: Timestamp,
    ) -> Result<Begin, StoreError> {
        let mut writer = self.lend().await;
        let mut connection = writer.borrow(&self.options).await?;
        let mut tx = Tx::begin(&mut connection).await?;
        let take = "INSERT INTO partition (id, owner, epoch, lease_until) VALUES ($1, $2, 1, $3) ON CONFLICT (id) \
                    DO UPDATE SET owner = excluded.owner, epoch = partition.epoch + 1, \
                    lease_until = excluded.lease_until";
        let row = vec![Bind::Int(partition.0), Bind::Text(owner.to_owned()), Bind::Int(until.0)];
        tx.execute(take.into(), arguments(row)).await?;
        let epoch = format!("SELECT epoch FROM partition WHERE id = $1{FOR_UPDATE}");
        let epoch = tx.number(epoch.into(), arguments(vec![Bind::Int(partition.0)])).await?;
        tx.commit().await?;
        writer.connection = Some(connection);
        drop(writer);
        let last = "SELECT position, next_id, clock FROM history WHERE partition = $1 ORDER BY position DESC LIMIT 1";
        let last: Rows<(i64, Option<i64>, Option<i64>)> = self.fetch(last.into(), vec![Bind::Int(partition.0)]).await;
        let (position, next_id, clock) = last?.first().copied().unwrap_or((0, Some(1), Some(0)));
        let (Some(next_id), Some(clock)) = (next_id, clock) else {
            return Err(StoreError::Unreadable(format!("history row {position} ends no batch")));
        };
        locked(&self.owned).insert(partition.0, Owned { owner: owner.to_owned(), told: epoch, now: epoch, position });
        Ok(Begin { epoch, position, next_id, clock: Timestamp(clock) })
    }

    /// The instances that are stored; the others are missing.
    pub(in crate::store) async fn instances(&self, ids: &[InstanceId]) -> Rows<StoredInstance> {
        let mut found = Vec::with_capacity(ids.len());
        for ids in ids.chunks(256) {
            let marks = marks(ids.len());
            let heads = format!("SELECT id, definition, state, body FROM process_instance WHERE id IN ({marks})");
            let scopes = format!("SELECT instance, scope, body FROM scope WHERE instance IN ({marks}) ORDER BY 1, 2");
            let scopes: Vec<(i64, i64, String)> = self.fetch(scopes, keys(ids)).await?;
            let mut inside: BTreeMap<i64, Vec<(ScopeId, String)>> = BTreeMap::new();
            for (instance, scope, body) in scopes {
                inside.entry(instance).or_default().push((ScopeId(local(scope)?), body));
            }
            let heads: Vec<(i64, i64, i16, String)> = self.fetch(heads, keys(ids)).await?;
            for (id, definition, state, body) in heads {
                let state = code::state_of(state)
                    .ok_or_else(|| StoreError::Unreadable(format!("instance {id} is in the unknown state {state}")))?;
                let scopes = inside.remove(&id).unwrap_or_default();
                let definition = DefinitionId(definition);
                found.push(StoredInstance { id: InstanceId(id), definition, state, body, scopes });
            }
        }
        found.sort_by_key(|instance| instance.id);
        Ok(found)
    }

    pub(in crate::store) async fn answers(&self, keys: &[CommandKey]) -> Rows<AnswerRow> {
        let mut found = Vec::new();
        for key in keys {
            let text = "SELECT digest, answer, at FROM command_key WHERE tenant = $1 AND route = $2 AND key = $3";
            let binds = [&key.tenant, &key.route, &key.key].map(|part| Bind::Text(part.clone()));
            let rows: Vec<(String, String, i64)> = self.fetch(text.into(), binds.into()).await?;
            let row = |(digest, answer, at)| AnswerRow { key: key.clone(), digest, answer, at: Timestamp(at) };
            found.extend(rows.into_iter().map(row));
        }
        Ok(found)
    }

    /// All definitions, or the one with this id.
    pub(in crate::store) async fn definitions(&self, id: Option<DefinitionId>) -> Rows<DefinitionRow> {
        let rows: Vec<DefinitionColumns> = match id {
            Some(id) => self.fetch(format!("{DEFINITION_COLUMNS} WHERE id = $1"), vec![Bind::Int(id.0)]).await?,
            None => self.fetch(format!("{DEFINITION_COLUMNS} ORDER BY id"), vec![]).await?,
        };
        rows.into_iter().map(definition).collect()
    }

    pub(in crate::store) async fn starts(&self) -> Rows<StartRow> {
        let text = "SELECT definition, element, part, process, tenant, message, signal, due, cycle FROM start_event ORDER BY 1, 2, 3";
        let rows: Vec<StartColumns> = self.fetch(text.into(), vec![]).await?;
        let row = |(definition, element, part, process, tenant, message, signal, due, cycle): StartColumns| StartRow {
            key: StartKey {
                definition: DefinitionId(definition),
                element: ElementId::from(element.as_str()),
                part: u32::try_from(part).unwrap_or_default(),
            },
            process,
            tenant,
            message,
            signal,
            due: due.map(Timestamp),
            cycle,
        };
        Ok(rows.into_iter().map(row).collect())
    }

    /// How many partitions there are.
    pub(in crate::store) async fn partitions(&self) -> Result<i64, StoreError> {
        let rows: Vec<(i64,)> = self.fetch("SELECT count(*) FROM partition".into(), vec![]).await?;
        Ok(rows.first().map_or(0, |(count,)| *count))
    }

    /// The oldest of what came from elsewhere.
    pub(in crate::store) async fn inbox(&self, partition: PartitionId) -> Rows<ParcelRow> {
        let text = format!("SELECT id, at, body FROM inbox WHERE partition = $1 ORDER BY id LIMIT {INBOX_READ_MAX}");
        let rows: Vec<(i64, i64, String)> = self.fetch(text, vec![Bind::Int(partition.0)]).await?;
        let row = |(id, at, body)| ParcelRow { to: partition, id, at: Timestamp(at), body };
        Ok(rows.into_iter().map(row).collect())
    }

    /// What is not delivered yet, oldest first.
    pub(in crate::store) async fn letters(&self, partition: PartitionId) -> Rows<LetterRow> {
        let text = "SELECT id, at, body FROM letter WHERE partition = $1 ORDER BY id";
        let rows: Vec<(i64, i64, String)> = self.fetch(text.into(), vec![Bind::Int(partition.0)]).await?;
        let row = |(id, at, body): (i64, i64, String)| {
            let letter = serde_json::from_str(&body)
                .map_err(|error| StoreError::Unreadable(format!("the letter {id}: {error}")))?;
            Ok(LetterRow { id, at: Timestamp(at), letter })
        };
        rows.into_iter().map(row).collect()
    }

    /// Name and bytes of each file of a deployment.
    pub(in crate::store) async fn files(&self, deployment: DeploymentId) -> Rows<(String, Vec<u8>)> {
        let text = "SELECT name, bytes FROM resource WHERE deployment = $1 ORDER BY id";
        self.fetch(text.into(), vec![Bind::Int(deployment.0)]).await
    }
}

/// `$1, $2, …`, filled up to a size that statements share.
fn marks(keys: usize) -> String {
    let marks: Vec<String> = (1..=size_for(keys)).map(|number| format!("${number}")).collect();
    marks.join(", ")
}

fn keys(ids: &[InstanceId]) -> Vec<Bind> {
    let last = ids.last().map_or(0, |id| id.0);
    let fill = size_for(ids.len()) - ids.len();
    ids.iter().map(|id| id.0).chain(std::iter::repeat_n(last, fill)).map(Bind::Int).collect()
}

pub(super) fn definition(row: DefinitionColumns) -> Result<DefinitionRow, StoreError> {
    let (id, kind, deployment, tenant, key, version, version_tag, name, resource, suspended, startable, ttl, words) =
        row;
    Ok(DefinitionRow {
        id: DefinitionId(id),
        kind: code::definition_kind_of(kind)
            .ok_or_else(|| StoreError::Unreadable(format!("definition {id} is of the unknown kind {kind}")))?,
        deployment: DeploymentId(deployment),
        tenant,
        key,
        version: local(version)?,
        version_tag,
        name,
        resource,
        suspended: suspended != 0,
        startable: startable != 0,
        history_ttl_days: ttl.map(local).transpose()?,
        documentation: words,
    })
}

pub(super) fn local(number: i64) -> Result<u32, StoreError> {
    u32::try_from(number).map_err(|_| StoreError::Unreadable(format!("{number} is no number inside an instance")))
}
