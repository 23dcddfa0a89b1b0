//! Work on many objects: a batch and its items. A node holds a batch for a while and does its items in their order.

use super::identity::text;
use crate::base::time::Timestamp;
use crate::store::error::StoreError;
use crate::store::{Bind, Store};
use sqlx::FromRow;

#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Batch {
    pub id: String,
    /// The dialect's word for what is done.
    pub kind: String,
    pub tenant: String,
    /// In whose name.
    pub creator: String,
    pub created_at: i64,
    pub started_at: Option<i64>,
    /// All items are done: none is left that has failed.
    pub ended_at: Option<i64>,
    pub total: i64,
    pub suspended: i16,
    /// JSON: what is done to each.
    pub body: String,
}

#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct BatchItem {
    pub batch: String,
    pub number: i64,
    /// The id of what it is done to.
    pub subject: String,
    pub state: i16,
    pub message: Option<String>,
}

pub const OPEN: i16 = 0;
pub const DONE: i16 = 1;
pub const FAILED: i16 = 2;

const BATCHES: &str =
    "SELECT id, kind, tenant, creator, created_at, started_at, ended_at, total, suspended, body FROM batch";
const ITEMS: &str = "SELECT batch, number, subject, state, message FROM batch_item WHERE batch = $1";
/// Items in one statement.
const ITEMS_AT_ONCE: usize = 100;

impl Store {
    /// With an item for each subject, all of it in one transaction. False: there is one of this id.
    pub async fn add_batch(&self, batch: &Batch, subjects: &[String]) -> Result<bool, StoreError> {
        let insert =
            "INSERT INTO batch (id, kind, tenant, creator, created_at, started_at, ended_at, total, suspended, body) \
                      VALUES ($1, $2, $3, $4, $5, NULL, NULL, $6, $7, $8) ON CONFLICT (id) DO NOTHING"
                .to_owned();
        let binds = vec![
            text(&batch.id),
            text(&batch.kind),
            text(&batch.tenant),
            text(&batch.creator),
            Bind::Int(batch.created_at),
            Bind::Int(batch.total),
            Bind::Int(batch.suspended.into()),
            text(&batch.body),
        ];
        let mut statements = vec![(insert, binds)];
        for (page, subjects) in subjects.chunks(ITEMS_AT_ONCE).enumerate() {
            let first = page * ITEMS_AT_ONCE;
            let mut binds = vec![text(&batch.id)];
            let mut rows = Vec::with_capacity(subjects.len());
            for (ix, subject) in subjects.iter().enumerate() {
                binds.push(text(subject));
                rows.push(format!("($1, {}, ${}, {OPEN})", first + ix + 1, binds.len()));
            }
            let insert = format!(
                "INSERT INTO batch_item (batch, number, subject, state) VALUES {} ON CONFLICT (batch, number) DO NOTHING",
                rows.join(", ")
            );
            statements.push((insert, binds));
        }
        Ok(self.write_each(statements).await?.first().is_some_and(|rows| *rows > 0))
    }

    /// All of them, oldest first.
    pub async fn batches(&self) -> Result<Vec<Batch>, StoreError> {
        self.fetch(format!("{BATCHES} ORDER BY created_at, id"), Vec::new()).await
    }

    pub async fn batch(&self, id: &str) -> Result<Option<Batch>, StoreError> {
        let rows: Vec<Batch> = self.fetch(format!("{BATCHES} WHERE id = $1"), vec![text(id)]).await?;
        Ok(rows.into_iter().next())
    }

    /// How many items each batch has in each state.
    pub async fn batch_counts(&self) -> Result<Vec<(String, i16, i64)>, StoreError> {
        let select = "SELECT batch, state, COUNT(*) FROM batch_item GROUP BY batch, state";
        self.fetch(select.into(), Vec::new()).await
    }

    /// Items of one state in their order, behind a number.
    pub async fn batch_items(&self, id: &str, state: i16, after: i64, most: i64) -> Result<Vec<BatchItem>, StoreError> {
        let select = format!("{ITEMS} AND state = $2 AND number > $3 ORDER BY number LIMIT $4");
        self.fetch(select, vec![text(id), Bind::Int(state.into()), Bind::Int(after), Bind::Int(most)]).await
    }

    /// The oldest batch with open items that nobody else holds, for `holder` until then.
    pub async fn hold_batch(
        &self,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<Batch>, StoreError> {
        let free = "(holder IS NULL OR holder = $1 OR held_until < $2)";
        let select = format!(
            "{BATCHES} WHERE ended_at IS NULL AND suspended = 0 AND {free} \
             AND EXISTS (SELECT 1 FROM batch_item i WHERE i.batch = batch.id AND i.state = {OPEN}) ORDER BY created_at LIMIT 1"
        );
        let found: Vec<Batch> = self.fetch(select, vec![text(holder), Bind::Int(now.0)]).await?;
        let Some(batch) = found.into_iter().next() else { return Ok(None) };
        let update = format!(
            "UPDATE batch SET holder = $1, held_until = $3, started_at = COALESCE(started_at, $2) WHERE id = $4 AND {free}"
        );
        let binds = vec![text(holder), Bind::Int(now.0), Bind::Int(until.0), text(&batch.id)];
        Ok((self.write(vec![(update, binds)]).await? > 0).then_some(batch))
    }

    /// What became of an item; with the last one done the batch has ended.
    pub async fn batch_item_done(&self, item: &BatchItem, now: Timestamp) -> Result<(), StoreError> {
        let update = "UPDATE batch_item SET state = $3, message = $4 WHERE batch = $1 AND number = $2".to_owned();
        let binds = vec![
            text(&item.batch),
            Bind::Int(item.number),
            Bind::Int(item.state.into()),
            Bind::MaybeText(item.message.clone()),
        ];
        let end = format!(
            "UPDATE batch SET ended_at = $2 WHERE id = $1 AND ended_at IS NULL \
             AND NOT EXISTS (SELECT 1 FROM batch_item WHERE batch = $1 AND state <> {DONE})"
        );
        let ended = vec![text(&item.batch), Bind::Int(now.0)];
        self.write(vec![(update, binds), (end, ended)]).await.map(|_| ())
    }

    /// Items that have failed are done again.
    pub async fn retry_batch(&self, id: &str) -> Result<(), StoreError> {
        let update =
            format!("UPDATE batch_item SET state = {OPEN}, message = NULL WHERE batch = $1 AND state = {FAILED}");
        self.write(vec![(update, vec![text(id)])]).await.map(|_| ())
    }

    pub async fn suspend_batch(&self, id: &str, suspended: bool) -> Result<(), StoreError> {
        let update = "UPDATE batch SET suspended = $2 WHERE id = $1".to_owned();
        self.write(vec![(update, vec![text(id), Bind::Int(suspended.into())])]).await.map(|_| ())
    }

    /// With its items. What was done stays done.
    pub async fn remove_batch(&self, id: &str) -> Result<(), StoreError> {
        let texts = ["DELETE FROM batch WHERE id = $1", "DELETE FROM batch_item WHERE batch = $1"];
        self.write(texts.map(|one| (one.to_owned(), vec![text(id)])).into()).await.map(|_| ())
    }
}
