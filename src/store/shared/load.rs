//! What a partition asks of its store: its beginning, instances, answers by key, what is due.

use super::super::FOR_UPDATE;
use super::tx::Tx;
use super::{Bind, Database, DbRow, Owned, READ_DEADLINE_MS, arguments, within};
use crate::base::id::{DefinitionId, InstanceId, PartitionId, ScopeId};
use crate::base::time::Timestamp;
use crate::partition::transaction::{AnswerRow, CommandKey, StoredInstance};
use crate::store::Begin;
use crate::store::code;
use crate::store::error::StoreError;
use crate::store::table::size_for;
use sqlx::Row;
use std::collections::BTreeMap;

impl Database {
    /// Takes the partition: whoever had it before can no longer write.
    pub(in crate::store) async fn take(
        &self,
        partition: PartitionId,
        owner: &str,
        until: Timestamp,
    ) -> Result<Begin, StoreError> {
        let mut writer = self.writer.lock().await;
        let taken = async {
            let mut tx = Tx::begin(writer.connected(&self.options).await?).await?;
            let take = "INSERT INTO partition (id, owner, epoch, lease_until) VALUES ($1, $2, 1, $3) ON CONFLICT (id) \
                        DO UPDATE SET owner = excluded.owner, epoch = partition.epoch + 1, lease_until = excluded.lease_until";
            let row = vec![
                Bind::Int(partition.0),
                Bind::Text(owner.to_owned()),
                Bind::Int(until.0),
            ];
            tx.execute(take.into(), arguments(row)).await?;
            let epoch = format!("SELECT epoch FROM partition WHERE id = $1{FOR_UPDATE}");
            let epoch = tx
                .number(epoch.into(), arguments(vec![Bind::Int(partition.0)]))
                .await?;
            tx.commit().await?;
            Ok(epoch)
        };
        let epoch = match taken.await {
            Ok(epoch) => epoch,
            Err(error) => {
                writer.connection = None;
                return Err(error);
            }
        };
        writer.owned.insert(
            partition.0,
            Owned {
                owner: owner.to_owned(),
                told: epoch,
                now: epoch,
            },
        );
        drop(writer);
        let last = "SELECT position, next_id, clock FROM history WHERE partition = $1 ORDER BY position DESC LIMIT 1";
        let last: Vec<(i64, Option<i64>, Option<i64>)> = self
            .fetch(last.into(), vec![Bind::Int(partition.0)])
            .await?;
        let (position, next_id, clock) = last.first().copied().unwrap_or((0, Some(1), Some(0)));
        let (Some(next_id), Some(clock)) = (next_id, clock) else {
            return Err(StoreError::Unreadable(format!(
                "history row {position} ends no batch"
            )));
        };
        Ok(Begin {
            epoch,
            position,
            next_id,
            clock: Timestamp(clock),
        })
    }

    /// The instances that are stored; the others are missing.
    pub(in crate::store) async fn instances(
        &self,
        ids: &[InstanceId],
    ) -> Result<Vec<StoredInstance>, StoreError> {
        let mut found = Vec::with_capacity(ids.len());
        for ids in ids.chunks(256) {
            let heads = format!(
                "SELECT id, definition, state, body FROM process_instance WHERE id IN ({})",
                marks(ids.len())
            );
            let scopes = format!(
                "SELECT instance, scope, body FROM scope WHERE instance IN ({}) ORDER BY instance, scope",
                marks(ids.len())
            );
            let mut inside: BTreeMap<i64, Vec<(ScopeId, String)>> = BTreeMap::new();
            for row in self.rows(scopes, keys(ids)).await? {
                let (instance, scope, body): (i64, i64, String) =
                    (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
                inside
                    .entry(instance)
                    .or_default()
                    .push((ScopeId(local(scope)?), body));
            }
            for row in self.rows(heads, keys(ids)).await? {
                let (id, definition, state, body): (i64, i64, i16, String) = (
                    row.try_get(0)?,
                    row.try_get(1)?,
                    row.try_get(2)?,
                    row.try_get(3)?,
                );
                let state = code::state_of(state).ok_or_else(|| {
                    StoreError::Unreadable(format!("instance {id} is in the unknown state {state}"))
                })?;
                let scopes = inside.remove(&id).unwrap_or_default();
                found.push(StoredInstance {
                    id: InstanceId(id),
                    definition: DefinitionId(definition),
                    state,
                    body,
                    scopes,
                });
            }
        }
        found.sort_by_key(|instance| instance.id);
        Ok(found)
    }

    pub(in crate::store) async fn answers(
        &self,
        keys: &[CommandKey],
    ) -> Result<Vec<AnswerRow>, StoreError> {
        let mut found = Vec::new();
        for key in keys {
            let text = "SELECT digest, answer, at FROM command_key WHERE tenant = $1 AND route = $2 AND key = $3";
            let binds = [&key.tenant, &key.route, &key.key].map(|part| Bind::Text(part.clone()));
            let rows: Vec<(String, String, i64)> = self.fetch(text.into(), binds.into()).await?;
            let row = |(digest, answer, at)| AnswerRow {
                key: key.clone(),
                digest,
                answer,
                at: Timestamp(at),
            };
            found.extend(rows.into_iter().map(row));
        }
        Ok(found)
    }

    async fn rows(&self, text: String, binds: Vec<Bind>) -> Result<Vec<DbRow>, StoreError> {
        let query =
            sqlx::query_with::<super::super::Db, _>(sqlx::AssertSqlSafe(text), arguments(binds));
        within(READ_DEADLINE_MS, query.fetch_all(&self.readers)).await
    }
}

/// `$1, $2, …`, filled up to a size that statements share.
fn marks(keys: usize) -> String {
    let marks: Vec<String> = (1..=size_for(keys))
        .map(|number| format!("${number}"))
        .collect();
    marks.join(", ")
}

fn keys(ids: &[InstanceId]) -> Vec<Bind> {
    let last = ids.last().map_or(0, |id| id.0);
    let fill = size_for(ids.len()) - ids.len();
    ids.iter()
        .map(|id| id.0)
        .chain(std::iter::repeat_n(last, fill))
        .map(Bind::Int)
        .collect()
}

fn local(number: i64) -> Result<u32, StoreError> {
    u32::try_from(number)
        .map_err(|_| StoreError::Unreadable(format!("{number} is no number inside an instance")))
}
