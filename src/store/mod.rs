//! Floor 5: sqlx. Only here is SQL; the same files are compiled for SQLite and for PostgreSQL.
//!
//! [`Store`] is one of two databases. What differs has a name in `sqlite` or `postgres`; `shared` is compiled once inside
//! each: `commit` interprets a transaction, `load` answers a partition. `queries` are the reads of people and programs:
//! written once, each takes the [`Access`](crate::base::access::Access) of who asks.

/// Calls the database that it is, whichever.
macro_rules! on {
    ($store:expr, $database:ident => $call:expr) => {
        match $store {
            Store::Sqlite($database) => $call,
            Store::Postgres($database) => $call,
        }
    };
}

pub mod backup;
pub mod cleaning;
mod cluster;
mod code;
mod error;
pub mod inspection;
mod postgres;
pub mod queries;
pub mod raw;
mod reserve;
pub mod restore;
mod schema;
pub mod scratch;
mod sqlite;
mod table;
pub mod together;
pub mod upgrade;

use crate::base::id::{DefinitionId, DeploymentId, InstanceId, LocalId, PartitionId, TokenId};
use crate::base::time::Timestamp;
use crate::partition::transaction::{
    AnswerRow, Binding, CommandKey, DefinitionKind, DefinitionRow, Event, ProcessDefinition, StartRow, StoredInstance,
    Transaction,
};
use crate::partition::{CommitError, Input, Output, compiled, lease_outcome};
use sqlx::FromRow;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use std::collections::BTreeMap;
use std::sync::Arc;

pub use cluster::{Beat, Listener, Member};
pub use error::StoreError;

/// A database that is open; cheap to clone.
#[derive(Clone, Debug)]
pub enum Store {
    Sqlite(Arc<sqlite::shared::Database>),
    Postgres(Arc<postgres::shared::Database>),
}

/// Where a partition goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Begin {
    epoch: i64,
    position: i64,
    next_id: i64,
    clock: Timestamp,
}

/// A value bound to a parameter of a read.
#[derive(Clone, Debug, PartialEq)]
pub enum Bind {
    Int(i64),
    Real(f64),
    Text(String),
    /// Those that may be null.
    MaybeInt(Option<i64>),
    MaybeReal(Option<f64>),
    MaybeText(Option<String>),
    MaybeBytes(Option<Vec<u8>>),
}

/// Names this installation in keys that go to other systems.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    pub name: String,
    pub mark: String,
    pub created_at: Timestamp,
}

/// A job that somebody holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldJob {
    pub instance: InstanceId,
    pub token: TokenId,
    pub lease_no: i64,
    pub holder: String,
}

/// An event that waits for a message or a signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageWaiter {
    pub instance: InstanceId,
    pub subscription: LocalId,
    pub tenant: String,
}

impl Store {
    /// `sqlite:FILE`, or `postgres://USER@HOST/NAME`, also with several hosts. Makes the tables of an empty database, and brings a
    /// file's up to date; on PostgreSQL, where other nodes may run, older tables are an error that names `transhume upgrade`.
    pub async fn open(address: &str) -> Result<Self, StoreError> {
        Ok(match Self::is_sqlite(address)? {
            true => Self::Sqlite(Arc::new(sqlite::shared::Database::open(address).await?)),
            false => Self::Postgres(Arc::new(postgres::shared::Database::open(address).await?)),
        })
    }

    /// One that is there and stands at this program's step; nothing is made.
    pub async fn open_existing(address: &str) -> Result<Self, StoreError> {
        Ok(match Self::is_sqlite(address)? {
            true => Self::Sqlite(Arc::new(sqlite::shared::Database::open_existing(address).await?)),
            false => Self::Postgres(Arc::new(postgres::shared::Database::open_existing(address).await?)),
        })
    }

    fn is_sqlite(address: &str) -> Result<bool, StoreError> {
        match address.split_once(':').map(|(scheme, _)| scheme) {
            Some("sqlite") => Ok(true),
            Some("postgres" | "postgresql") => Ok(false),
            Some(_) | None => Err(StoreError::Address(address.to_owned())),
        }
    }

    /// The name of the database's kind.
    pub fn vendor(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "SQLite",
            Self::Postgres(_) => "PostgreSQL",
        }
    }

    /// The installation's own name, given at its first start, and its mark.
    pub async fn installation(&self, fresh: &str, now: Timestamp) -> Result<Installation, StoreError> {
        let text = "INSERT INTO installation (id, name, mark, created_at) VALUES (1, $1, '', $2) ON CONFLICT (id) DO \
                    NOTHING";
        self.write(vec![(text.to_owned(), vec![Bind::Text(fresh.to_owned()), Bind::Int(now.0)])]).await?;
        let text = "SELECT name, mark, created_at FROM installation WHERE id = 1";
        let rows: Vec<(String, String, i64)> = self.fetch(text.to_owned(), vec![]).await?;
        let row = rows.into_iter().next();
        row.map(|(name, mark, at)| Installation { name, mark, created_at: Timestamp(at) })
            .ok_or_else(|| StoreError::Unreadable("the installation has no row".into()))
    }

    /// What kind of installation this is, such as `demo`: for those who must not touch another kind.
    pub async fn set_mark(&self, mark: &str) -> Result<(), StoreError> {
        let text = "UPDATE installation SET mark = $1".to_owned();
        self.write(vec![(text, vec![Bind::Text(mark.to_owned())])]).await.map(|_| ())
    }

    pub async fn close(&self) {
        on!(self, database => database.close().await);
    }

    /// Takes the partition: whoever had it before can no longer write. Gives the first word to a new
    /// [`Partition`](crate::partition::Partition). `owner` names this process for its whole life.
    pub async fn open_partition(
        &self,
        partition: PartitionId,
        owner: &str,
        until: Timestamp,
    ) -> Result<Input, StoreError> {
        let Begin { epoch, position, next_id, clock } =
            on!(self, database => database.take(partition, owner, until).await)?;
        let definitions = on!(self, database => database.definitions(None).await)?;
        let starts = on!(self, database => database.starts().await)?;
        let letters = on!(self, database => database.letters(partition).await)?;
        let partitions = on!(self, database => database.partitions().await)?;
        Ok(Input::Opened { epoch, position, next_id, clock, definitions, starts, letters, partitions })
    }

    /// The database's word about an output, or none if it is not for a database. An error leaves everything as it was: ask
    /// again.
    pub async fn answer(&self, partition: PartitionId, output: &Output) -> Result<Option<Input>, StoreError> {
        let input = match output {
            Output::Load { instances, keys } => self.load(instances, keys).await?,
            Output::LoadDefinition(id) => match self.definition(*id).await? {
                Some(definition) => Input::Definition(definition),
                None => Input::NoDefinition(*id),
            },
            Output::LoadClosed { instance, token, lease_no } => self.load_closed(*instance, *token, *lease_no).await?,
            Output::LoadSchedule { until, since, topics } => {
                let entries = on!(self, database => database.schedule(partition, *until, *since, topics).await)?;
                Input::Scheduled { entries, until: *until }
            }
            Output::LoadInbox => Input::Parcels(on!(self, database => database.inbox(partition).await)?),
            Output::LoadCatalog { ask } => Input::Catalog {
                ask: *ask,
                definitions: on!(self, database => database.definitions(None).await)?,
                starts: on!(self, database => database.starts().await)?,
            },
            Output::Commit(transaction) => {
                let batch = transaction.fence.batch;
                match self.commit(Arc::new(transaction.clone())).await {
                    Ok(()) => Input::Committed { batch },
                    Err(error) => Input::CommitFailed { batch, error },
                }
            }
            Output::Reply { .. } | Output::Effect(_) | Output::WakeAt(_) | Output::StepDown => return Ok(None),
        };
        Ok(Some(input))
    }

    /// Writes wholly or not at all, and knows which: an unclear commit is looked into before this returns.
    pub async fn commit(&self, transaction: Arc<Transaction>) -> Result<(), CommitError> {
        on!(self, database => database.commit(transaction).await)
    }

    /// Keeps room on SQLite's disk, for what must be stored when it is full: `FILE-reserve`, 4 MiB.
    pub fn keep_reserve(&self) {
        on!(self, database => database.keep_reserve());
    }

    /// Whether writes meet a full disk at this time, or live on what was kept for it.
    pub fn is_full(&self) -> bool {
        on!(self, database => database.is_full())
    }

    /// Whether nobody has taken the partition since it was opened here.
    pub async fn owns(&self, partition: PartitionId) -> Result<bool, StoreError> {
        on!(self, database => database.owns(partition).await)
    }

    /// The answer to `Output::Load`.
    pub async fn load(&self, ids: &[InstanceId], keys: &[CommandKey]) -> Result<Input, StoreError> {
        let instances = self.instances(ids).await?;
        let answers = on!(self, database => database.answers(keys).await)?;
        let missing = ids.iter().filter(|id| !instances.iter().any(|found| found.id == **id)).copied().collect();
        let unanswered = keys.iter().filter(|key| !answers.iter().any(|found| found.key == **key)).cloned().collect();
        Ok(Input::Loaded { instances, missing, answers, unanswered })
    }

    /// The answers that are kept under these keys.
    pub async fn kept_answers(&self, keys: &[CommandKey]) -> Result<Vec<AnswerRow>, StoreError> {
        on!(self, database => database.answers(keys).await)
    }

    /// The instances that are stored; those not given back are missing.
    pub async fn instances(&self, ids: &[InstanceId]) -> Result<Vec<StoredInstance>, StoreError> {
        on!(self, database => database.instances(ids).await)
    }

    /// A deployed process as the engine runs it; none if it is not stored, or can no longer be compiled.
    pub async fn definition(&self, id: DefinitionId) -> Result<Option<Arc<ProcessDefinition>>, StoreError> {
        let found = on!(self, database => database.definitions(Some(id)).await)?;
        let Some(row) = found.into_iter().find(|row| row.kind == DefinitionKind::Process) else { return Ok(None) };
        let files: BTreeMap<String, Vec<u8>> = self.files(row.deployment).await?.into_iter().collect();
        let file = |name: &str| files.get(name).cloned();
        Ok(files.get(&row.resource).and_then(|bytes| compiled(&row, bytes, &file)))
    }

    /// Name and bytes of each file of a deployment.
    pub async fn files(&self, deployment: DeploymentId) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        on!(self, database => database.files(deployment).await)
    }

    async fn load_closed(&self, instance: InstanceId, token: TokenId, lease_no: i64) -> Result<Input, StoreError> {
        let text = "SELECT events FROM history WHERE instance = $1 AND (events LIKE '%\"job-closed\"%' OR events LIKE \
                    '%\"job-failed\"%') ORDER BY position";
        let rows: Vec<(String,)> = self.fetch(text.to_owned(), vec![Bind::Int(instance.0)]).await?;
        let mut events: Vec<Event> = Vec::new();
        for (row,) in rows {
            let read: Vec<Event> = serde_json::from_str(&row)
                .map_err(|error| StoreError::Unreadable(format!("the history of instance {instance}: {error}")))?;
            events.extend(read);
        }
        Ok(Input::Closed { instance, token, lease_no, how: lease_outcome(&events, token, lease_no) })
    }

    /// Rows as a struct of ours; texts are literals of this module, values are bound.
    pub(crate) async fn fetch<T>(&self, text: String, binds: Vec<Bind>) -> Result<Vec<T>, StoreError>
    where
        T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        on!(self, database => database.fetch(text, binds).await)
    }

    /// Jobs of a partition that are leased to holders whose names begin like this.
    pub async fn held_jobs(&self, partition: PartitionId, prefix: &str) -> Result<Vec<HeldJob>, StoreError> {
        on!(self, database => database.held_jobs(partition, prefix).await)
    }

    /// Armed message events of this name, oldest first; with a key only those of its instances.
    pub async fn message_waiters(
        &self,
        name: &str,
        business_key: Option<&str>,
    ) -> Result<Vec<MessageWaiter>, StoreError> {
        on!(self, database => database.waiters(false, name, business_key).await)
    }

    /// Armed signal events of this name, oldest first.
    pub async fn signal_waiters(&self, name: &str) -> Result<Vec<MessageWaiter>, StoreError> {
        on!(self, database => database.waiters(true, name, None).await)
    }

    /// Start events that wait for a condition.
    pub async fn condition_starts(&self) -> Result<Vec<StartRow>, StoreError> {
        on!(self, database => database.condition_starts().await)
    }

    /// Start events that wait for this signal.
    pub async fn signal_starts(&self, name: &str) -> Result<Vec<StartRow>, StoreError> {
        on!(self, database => database.signal_starts(name).await)
    }

    /// Start events that wait for this message.
    pub async fn message_starts(&self, name: &str) -> Result<Vec<StartRow>, StoreError> {
        on!(self, database => database.message_starts(name).await)
    }

    /// All that a deployment defines.
    pub async fn definitions_of(&self, deployment: DeploymentId) -> Result<Vec<DefinitionRow>, StoreError> {
        on!(self, database => database.definitions_of(deployment).await)
    }

    /// The version of a decision that a binding means; of a tenant, else of none. `deployment` is that of who asks.
    pub async fn decision(
        &self,
        key: &str,
        tenant: &str,
        binding: &Binding,
        deployment: Option<DeploymentId>,
    ) -> Result<Option<DefinitionRow>, StoreError> {
        on!(self, database => database.decision(key, tenant, binding, deployment).await)
    }

    /// All that transactions have written, as texts in a fixed order: equal stores give equal dumps, whichever database.
    pub async fn dump(&self) -> Result<BTreeMap<&'static str, Vec<String>>, StoreError> {
        let mut dump = BTreeMap::new();
        for table in table::ALL {
            dump.insert(table.name, on!(self, database => database.dump(table).await)?);
        }
        Ok(dump)
    }

    /// Statements of the last commit, by table.
    pub async fn counted(&self) -> BTreeMap<&'static str, usize> {
        on!(self, database => database.counted().await)
    }
}

#[cfg(test)]
mod tests;
