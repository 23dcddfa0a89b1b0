//! Takes away the history of what ended long ago, instance by instance, in small transactions.
//!
//! An instance is marked first (revision 0), its rows go a share at a time, its own row goes last: a clean-up that was
//! broken off is taken up where it stopped. The last history row of a partition stays, whoever's it is: the next owner
//! begins with it.

use super::error::StoreError;
use super::{Bind, Store};
use crate::base::id::{InstanceId, PartitionId};
use crate::base::limits::{CLEANING_ROWS_MAX, IDEMPOTENCY_DAYS};
use crate::base::planted;
use crate::base::time::{DAY_MS, Timestamp};

/// Tables of an instance's past, each with what names a row beside the instance.
const PAST: [(&str, &str); 10] = [
    ("past_activity", "token"),
    ("past_task", "token"),
    ("past_variable", "scope, name"),
    ("past_incident", "id"),
    ("past_decision", "id"),
    ("comment", "id"),
    ("attachment", "id"),
    ("user_operation", "id"),
    ("incident_note", "id"),
    ("history", "position"),
];

/// What a sweep took away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    pub instances: u64,
    pub decisions: u64,
    pub command_keys: u64,
    /// Rows of instances and decisions, in all tables.
    pub rows: u64,
}

/// Windows of rows looked at, and where the next one begins.
type Window = (Vec<InstanceId>, Option<i64>);

impl Store {
    /// Takes away all whose time to live is over: that of its definition, else `default_days` after its end.
    pub async fn sweep(&self, now: Timestamp, default_days: u32) -> Result<Swept, StoreError> {
        let mut swept = Swept { command_keys: self.sweep_keys(now).await?, ..Swept::default() };
        self.sweep_batches(now, default_days).await?;
        self.sweep_operations(now, default_days).await?;
        let mut from = Some(-1);
        while let Some(after) = from {
            let (over, next) = self.instances_over(after, now, default_days).await?;
            for instance in over {
                swept.rows += self.take_away(instance).await?;
                swept.instances += 1;
            }
            from = next.filter(|_| !planted::is("clean-up-skips-roots-with-many-children"));
        }
        let mut from = Some(-1);
        while let Some(after) = from {
            let (over, next) = self.decisions_over(after, now, default_days).await?;
            for evaluation in over {
                swept.rows += self.take_away(evaluation).await?;
                swept.decisions += 1;
            }
            from = next;
        }
        Ok(swept)
    }

    /// Takes away one ended instance with all its rows; gives how many. One that runs stays as it is.
    pub async fn take_away(&self, instance: InstanceId) -> Result<u64, StoreError> {
        let id = || vec![Bind::Int(instance.0)];
        let live = "SELECT id FROM process_instance WHERE id = $1 AND ended_at IS NULL";
        let live: Vec<(i64,)> = self.fetch(live.to_owned(), id()).await?;
        if !live.is_empty() {
            return Ok(0);
        }
        let mark = "UPDATE process_instance SET revision = 0 WHERE id = $1 AND ended_at IS NOT NULL";
        let mut gone = 0;
        loop {
            // A share of every table: for most instances that is all, and one forced write.
            let mut statements = vec![(mark.to_owned(), id())];
            statements.extend(PAST.map(|(table, key)| (share(table, key), share_binds(table, instance))));
            let rows = self.write_each(statements).await?;
            let past = &rows[1..];
            gone += past.iter().sum::<u64>();
            if past.iter().all(|rows| *rows < CLEANING_ROWS_MAX as u64) {
                break;
            }
        }
        let head = "DELETE FROM process_instance WHERE id = $1 AND ended_at IS NOT NULL";
        Ok(gone + self.write(vec![(head.to_owned(), id())]).await?)
    }

    /// Ended ones whose time is over; a called one stays as long as what began it all runs.
    async fn instances_over(&self, after: i64, now: Timestamp, default_days: u32) -> Result<Window, StoreError> {
        let text = format!(
            "SELECT p.id, p.ended_at, d.history_ttl_days, r.id FROM (SELECT id, ended_at, definition, root FROM \
             process_instance WHERE id > $1 ORDER BY id LIMIT {CLEANING_ROWS_MAX}) p LEFT JOIN definition d ON \
             d.id = p.definition LEFT JOIN process_instance r ON r.id = p.root AND r.ended_at IS NULL ORDER BY p.id"
        );
        type Row = (i64, Option<i64>, Option<i64>, Option<i64>);
        let rows: Vec<Row> = self.fetch(text, vec![Bind::Int(after)]).await?;
        let next = next_of(rows.len(), rows.last().map(|row| row.0));
        let over = rows.into_iter().filter(|(_, ended, days, live_root)| {
            live_root.is_none() && ended.is_some_and(|ended| is_over(ended, *days, now, default_days))
        });
        Ok((over.map(|row| InstanceId(row.0)).collect(), next))
    }

    /// Decisions that were evaluated for no instance; each evaluation has a number of its own.
    async fn decisions_over(&self, after: i64, now: Timestamp, default_days: u32) -> Result<Window, StoreError> {
        let text = format!(
            "SELECT p.instance, p.at, d.history_ttl_days, p.root FROM (SELECT instance, MIN(at) AS at, MAX(root) AS root, \
             MAX(decision) AS decision FROM past_decision WHERE instance > $1 GROUP BY instance ORDER BY instance LIMIT \
             {CLEANING_ROWS_MAX}) p LEFT JOIN definition d ON d.id = p.decision ORDER BY p.instance"
        );
        let rows: Vec<(i64, i64, Option<i64>, Option<i64>)> = self.fetch(text, vec![Bind::Int(after)]).await?;
        let next = next_of(rows.len(), rows.last().map(|row| row.0));
        let over =
            rows.into_iter().filter(|(_, at, days, root)| root.is_none() && is_over(*at, *days, now, default_days));
        Ok((over.map(|row| InstanceId(row.0)).collect(), next))
    }

    /// Batches that have ended, with what was done in them.
    async fn sweep_batches(&self, now: Timestamp, default_days: u32) -> Result<(), StoreError> {
        let over = Bind::Int(now.0.saturating_sub(i64::from(default_days).saturating_mul(DAY_MS)));
        let texts = [
            "DELETE FROM batch_item WHERE batch IN (SELECT id FROM batch WHERE ended_at < $1)",
            "DELETE FROM batch WHERE ended_at < $1",
        ];
        self.write(texts.map(|text| (text.to_owned(), vec![over.clone()])).into()).await.map(|_| ())
    }

    /// What was done to no instance; the rest goes with its instance.
    async fn sweep_operations(&self, now: Timestamp, default_days: u32) -> Result<(), StoreError> {
        let over = now.0.saturating_sub(i64::from(default_days).saturating_mul(DAY_MS));
        let text = format!(
            "DELETE FROM user_operation WHERE id IN (SELECT id FROM user_operation WHERE instance IS NULL AND at < $1 \
             ORDER BY at LIMIT {CLEANING_ROWS_MAX})"
        );
        while self.write(vec![(text.clone(), vec![Bind::Int(over)])]).await? >= CLEANING_ROWS_MAX as u64 {}
        Ok(())
    }

    /// Answers are kept so long, as the promise of a repeat says. What was answered to a node that never came back, and the node
    /// itself, are as old then.
    async fn sweep_keys(&self, now: Timestamp) -> Result<u64, StoreError> {
        let over = Bind::Int(now.0.saturating_sub(IDEMPOTENCY_DAYS * DAY_MS));
        let left = ["DELETE FROM outcome WHERE at < $1", "DELETE FROM node WHERE seen_at < $1"];
        self.write(left.map(|text| (text.to_owned(), vec![over.clone()])).into()).await?;
        let text = format!(
            "DELETE FROM command_key WHERE (tenant, route, key) IN (SELECT tenant, route, key FROM command_key WHERE at < $1 \
             ORDER BY at LIMIT {CLEANING_ROWS_MAX})"
        );
        let mut gone = 0;
        loop {
            let before = Bind::Int(now.0.saturating_sub(IDEMPOTENCY_DAYS * DAY_MS));
            let rows = self.write(vec![(text.clone(), vec![before])]).await?;
            gone += rows;
            if rows < CLEANING_ROWS_MAX as u64 {
                return Ok(gone);
            }
        }
    }
}

fn next_of(rows: usize, last: Option<i64>) -> Option<i64> {
    last.filter(|_| rows >= CLEANING_ROWS_MAX)
}

fn is_over(since: i64, days: Option<i64>, now: Timestamp, default_days: u32) -> bool {
    since.saturating_add(days.unwrap_or(default_days.into()).saturating_mul(DAY_MS)) <= now.0
}

fn share(table: &str, key: &str) -> String {
    match table {
        // Positions before the partition's last one, found by the instance's own index.
        "history" => format!(
            "DELETE FROM history WHERE partition = $2 AND position IN (SELECT position FROM history WHERE instance = $1 AND \
             partition = $2 AND position < (SELECT MAX(position) FROM history WHERE partition = $2) ORDER BY position LIMIT \
             {CLEANING_ROWS_MAX})"
        ),
        _ => format!(
            "DELETE FROM {table} WHERE instance = $1 AND ({key}) IN (SELECT {key} FROM {table} WHERE instance = $1 ORDER BY \
             {key} LIMIT {CLEANING_ROWS_MAX})"
        ),
    }
}

fn share_binds(table: &str, instance: InstanceId) -> Vec<Bind> {
    let PartitionId(partition) = instance.partition();
    match table {
        "history" => vec![Bind::Int(instance.0), Bind::Int(partition)],
        _ => vec![Bind::Int(instance.0)],
    }
}
