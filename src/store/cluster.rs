//! Who lives, and who owns which partition. Several nodes share a PostgreSQL; a SQLite file has one node and one partition.
//!
//! Leases run by the database's clock: they say when a partition may be taken. Whether its former owner still writes, its
//! epoch decides. A partition's `owner` is the node's name, with the batch of an unclear commit behind it.

use super::postgres::shared::Database;
use super::{Bind, Store, StoreError};
use crate::base::id::PartitionId;
use crate::base::limits::{PARTITION_LEASE_MS, PARTITIONS};
use crate::base::time::Timestamp;
use crate::partition::ParcelId;
use crate::partition::transaction::ParcelRow;
use sqlx::postgres::{PgListener, PgPoolOptions};
use std::sync::Arc;
use std::time::Duration;

/// The channel on which nodes tell each other.
const CHANNEL: &str = "transhume";
/// As long as a read waits.
const LISTEN_DEADLINE: Duration = Duration::from_secs(5);
/// The database's clock, in milliseconds.
const NOW: &str = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint";
/// Whether `$1` owns the partition.
const OWN: &str = "(owner = $1 OR starts_with(owner, $1 || ' '))";

/// A node among those that share a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub name: String,
    /// This process: a later one of the same name takes its place.
    pub life: String,
}

/// What a node learns when it says that it lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beat {
    pub now: Timestamp,
    /// Nodes that live, by name.
    pub alive: Vec<String>,
    /// Partitions that are its own by their rows.
    pub own: Vec<PartitionId>,
    /// Of all partitions those that nobody owns, or whose lease is over.
    pub free: i64,
}

/// Hears what other nodes tell.
#[derive(Debug)]
pub struct Listener {
    database: Arc<Database>,
    /// With the turn of the hosts in which it began.
    ear: Option<(PgListener, u64)>,
}

impl Store {
    /// Whether several nodes may share it.
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Divides the database, at its first start; gives the number of partitions.
    pub async fn divide(&self) -> Result<i64, StoreError> {
        let partitions = if self.is_shared() { PARTITIONS } else { 1 };
        let text =
            "INSERT INTO partition (id, owner, epoch, lease_until) VALUES ($1, '', 0, 0) ON CONFLICT (id) DO NOTHING";
        let rows = (0..partitions).map(|id| (text.to_owned(), vec![Bind::Int(id)])).collect();
        self.write(rows).await?;
        let rows: Vec<(i64,)> = self.fetch("SELECT count(*) FROM partition".into(), vec![]).await?;
        Ok(rows.first().map_or(partitions, |(count,)| *count))
    }

    /// From now on the name is this process's.
    pub async fn join(&self, member: &Member) -> Result<(), StoreError> {
        let text = format!(
            "INSERT INTO node (name, life, version, started_at, seen_at) VALUES ($1, $2, $3, {NOW}, {NOW}) \
             ON CONFLICT (name) DO UPDATE SET life = excluded.life, version = excluded.version, \
             started_at = excluded.started_at, seen_at = excluded.seen_at"
        );
        let version = Bind::Text(env!("CARGO_PKG_VERSION").to_owned());
        let binds = vec![Bind::Text(member.name.clone()), Bind::Text(member.life.clone()), version];
        self.write(vec![(text, binds)]).await.map(|_| ())
    }

    /// Says that it lives, and keeps what it owns. None: another process has taken the name.
    pub async fn beat(&self, member: &Member) -> Result<Option<Beat>, StoreError> {
        let (name, life) = (Bind::Text(member.name.clone()), Bind::Text(member.life.clone()));
        let seen = format!("UPDATE node SET seen_at = {NOW} WHERE name = $1 AND life = $2");
        if self.write(vec![(seen, vec![name.clone(), life])]).await? == 0 {
            return Ok(None);
        }
        let keep = format!("UPDATE partition SET lease_until = {NOW} + {PARTITION_LEASE_MS} WHERE {OWN} RETURNING id");
        let own: Vec<(i64,)> = self.fetch(keep, vec![name]).await?;
        let alive = format!("SELECT name, {NOW} FROM node WHERE seen_at > {NOW} - {PARTITION_LEASE_MS} ORDER BY name");
        let alive: Vec<(String, i64)> = self.fetch(alive, vec![]).await?;
        let now = alive.first().map(|(_, now)| Timestamp(*now));
        let now = now.ok_or_else(|| StoreError::Failed("a node that lives has no row".into()))?;
        let free = format!("SELECT count(*) FROM partition WHERE owner = '' OR lease_until < {NOW}");
        let free: Vec<(i64,)> = self.fetch(free, vec![]).await?;
        Ok(Some(Beat {
            now,
            alive: alive.into_iter().map(|(name, _)| name).collect(),
            own: own.into_iter().map(|(id,)| PartitionId(id)).collect(),
            free: free.first().map_or(0, |(count,)| *count),
        }))
    }

    /// Takes so many partitions that are free, and all that an earlier life of this node has left. Those that it `runs` stay as
    /// they are.
    pub async fn claim(
        &self,
        member: &Member,
        runs: &[PartitionId],
        most: usize,
    ) -> Result<Vec<PartitionId>, StoreError> {
        let mut claimed = Vec::new();
        let own = format!("SELECT id FROM partition WHERE {OWN} ORDER BY id");
        let own: Vec<(i64,)> = self.fetch(own, vec![Bind::Text(member.name.clone())]).await?;
        claimed.extend(own.into_iter().map(|(id,)| PartitionId(id)).filter(|id| !runs.contains(id)));
        let most = most.saturating_sub(claimed.len());
        if most > 0 {
            let take = format!(
                "UPDATE partition SET owner = $1, epoch = epoch + 1, lease_until = {NOW} + {PARTITION_LEASE_MS} \
                 WHERE id IN (SELECT id FROM partition WHERE (owner = '' OR lease_until < {NOW}) AND NOT {OWN} \
                 ORDER BY id LIMIT {most} FOR UPDATE SKIP LOCKED) RETURNING id"
            );
            let taken: Vec<(i64,)> = self.fetch(take, vec![Bind::Text(member.name.clone())]).await?;
            claimed.extend(taken.into_iter().map(|(id,)| PartitionId(id)));
        }
        Ok(claimed)
    }

    /// Gives a partition back, for whoever wants it.
    pub async fn release(&self, member: &Member, partition: PartitionId) -> Result<(), StoreError> {
        let text = format!("UPDATE partition SET owner = '', lease_until = 0 WHERE id = $2 AND {OWN}");
        let binds = vec![Bind::Text(member.name.clone()), Bind::Int(partition.0)];
        self.write(vec![(text, binds)]).await.map(|_| ())
    }

    /// The process ends: nobody waits for it.
    pub async fn leave(&self, member: &Member) -> Result<(), StoreError> {
        let text = "DELETE FROM node WHERE name = $1 AND life = $2".to_owned();
        let binds = vec![Bind::Text(member.name.clone()), Bind::Text(member.life.clone())];
        self.write(vec![(text, binds)]).await.map(|_| ())
    }

    /// Puts a parcel into the inbox of a partition that another node owns.
    pub async fn post(&self, row: &ParcelRow) -> Result<(), StoreError> {
        let text = "INSERT INTO inbox (partition, id, at, body) VALUES ($1, $2, $3, $4)".to_owned();
        let binds = vec![Bind::Int(row.to.0), Bind::Int(row.id), Bind::Int(row.at.0), Bind::Text(row.body.clone())];
        self.write(vec![(text, binds)]).await.map(|_| ())
    }

    /// Takes a parcel back; false: it has been opened.
    pub async fn withdraw(&self, to: PartitionId, id: ParcelId) -> Result<bool, StoreError> {
        let text = "DELETE FROM inbox WHERE partition = $1 AND id = $2".to_owned();
        Ok(self.write(vec![(text, vec![Bind::Int(to.0), Bind::Int(id)])]).await? > 0)
    }

    /// The newest parcel that this partition has posted, until it is opened.
    pub async fn last_posted(
        &self,
        from: PartitionId,
        until: Option<ParcelId>,
    ) -> Result<Option<ParcelId>, StoreError> {
        let text = "SELECT max(id) FROM inbox WHERE id >= $1 AND id < $2".to_owned();
        let first = crate::base::id::InstanceId::new(from, 0).0;
        let beyond = until.map_or(crate::base::id::InstanceId::new(PartitionId(from.0 + 1), 0).0, |id| id + 1);
        let rows: Vec<(Option<i64>,)> = self.fetch(text, vec![Bind::Int(first), Bind::Int(beyond)]).await?;
        Ok(rows.first().and_then(|(id,)| *id))
    }

    /// What became of requests that this node handed on: number and answer. Each is given once.
    pub async fn outcomes(&self, node: &str) -> Result<Vec<(i64, String)>, StoreError> {
        let text = "DELETE FROM outcome WHERE node = $1 RETURNING number, body".to_owned();
        self.fetch(text, vec![Bind::Text(node.to_owned())]).await
    }

    /// Tells all nodes; those that do not hear it find out a little later by themselves.
    pub async fn tell(&self, words: &[String]) -> Result<(), StoreError> {
        let marks: Vec<String> = (1..=words.len()).map(|number| format!("(${number})")).collect();
        let text =
            format!("SELECT pg_notify('{CHANNEL}', word)::text FROM (VALUES {}) AS told (word)", marks.join(", "));
        let _told: Vec<(Option<String>,)> = self.fetch(text, words.iter().cloned().map(Bind::Text).collect()).await?;
        Ok(())
    }

    /// Hears what other nodes tell; none where there are no others.
    pub async fn listen(&self) -> Result<Option<Listener>, StoreError> {
        let Self::Postgres(database) = self else { return Ok(None) };
        let mut listener = Listener { database: Arc::clone(database), ear: None };
        listener.listen().await?;
        Ok(Some(listener))
    }
}

impl Listener {
    /// The next word; none after the connection was lost and made again: something may have been missed.
    pub async fn next(&mut self) -> Result<Option<String>, StoreError> {
        if let Some((ear, turn)) = &mut self.ear {
            let hosts = &self.database.readers.hosts;
            let heard = tokio::select! {
                heard = ear.try_recv() => heard,
                () = hosts.moved(*turn) => Ok(None),
            };
            match heard {
                Ok(Some(told)) => return Ok(Some(told.payload().to_owned())),
                Ok(None) => self.ear = None,
                Err(error) => {
                    self.ear = None;
                    return Err(error.into());
                }
            }
        }
        self.listen().await.map(|()| None)
    }

    async fn listen(&mut self) -> Result<(), StoreError> {
        let hosts = &self.database.readers.hosts;
        let turn = hosts.turn();
        let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(LISTEN_DEADLINE);
        let mut ear = PgListener::connect_with(&pool.connect_lazy_with(hosts.options().await?)).await?;
        ear.eager_reconnect(false);
        ear.listen(CHANNEL).await?;
        self.ear = Some((ear, turn));
        Ok(())
    }
}
