//! What a judge of a live database is given: instances with all that belongs to them, each page of one moment.

use super::error::StoreError;
use super::raw::{Cell, Cells, Snapshot};
use super::{Bind, Store, code};
use crate::base::id::{DefinitionId, ElementId, InstanceId, LocalId, PartitionId, ScopeId, TokenId};
use crate::base::time::Timestamp;
use crate::partition::transaction::{
    Common, Event, IncidentKind, IncidentRow, IndexKey, IndexRow, InstanceState, JobRow, StoredInstance,
    SubscriptionRow, TimerRow, UserTaskRow, VariableRow,
};
use crate::partition::{Letter, Parcel};
use std::collections::BTreeMap;

/// Instances of one page.
const PAGE: usize = 100;
/// History rows read at a time.
const RECORDS: usize = 1_000;
const HEADS: &str = "SELECT id, definition, process, tenant, business_key, caller, root, state, ended_at, revision, incidents, \
                     body FROM process_instance WHERE id > $1 AND id <= $2 ORDER BY id LIMIT ";
/// Tables of what is past, whose rows repeat their instance's tenant.
const PAST: [&str; 5] = ["past_activity", "past_task", "past_variable", "past_incident", "past_decision"];

/// An instance as its row tells.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub stored: StoredInstance,
    pub process: String,
    pub tenant: String,
    pub business_key: Option<String>,
    pub caller: Option<InstanceId>,
    pub root: InstanceId,
    pub ended_at: Option<Timestamp>,
    pub revision: i64,
    pub incidents: i64,
}

/// An index row as it is stored; of a candidate and a variable only part of what rows repeat is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Indexed {
    pub key: IndexKey,
    pub row: IndexRow,
    /// Absent for candidates.
    pub tenant: Option<String>,
    /// Absent for candidates and variables.
    pub common: Option<Common>,
}

/// All that the tables have of one instance, but its history. Without a row: something was left of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    pub row: Option<Row>,
    pub index: Vec<Indexed>,
    /// Scopes that lie about without an instance's row.
    pub scopes: Vec<(ScopeId, String)>,
    /// Rows of its past that name another tenant.
    pub foreign: Vec<(&'static str, String)>,
    /// What could not be read at all.
    pub unreadable: Vec<String>,
}

/// A history row.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub position: i64,
    pub at: Timestamp,
    pub cause: String,
    pub events: Vec<Event>,
}

/// A partition's line of records: where each stands and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    pub position: i64,
    pub at: Timestamp,
}

/// What the last history row of a partition hands on, beside what was given out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    pub partition: PartitionId,
    /// Absent: the last row ends no batch.
    pub next_id: Option<i64>,
    /// The highest number that any row has, and its table.
    pub highest: Option<(i64, &'static str)>,
}

impl Store {
    /// The instances behind `after` up to `upto`, and where the next page begins.
    pub async fn inspect(
        &self,
        snapshot: &mut Snapshot,
        after: InstanceId,
        upto: InstanceId,
    ) -> Result<(BTreeMap<InstanceId, Seen>, Option<InstanceId>), StoreError> {
        let binds = vec![Bind::Int(after.0), Bind::Int(upto.0)];
        let heads = snapshot.rows(format!("{HEADS}{PAGE}"), binds).await?;
        let mut seen: BTreeMap<InstanceId, Seen> = BTreeMap::new();
        let is_full = heads.len() == PAGE;
        for head in heads {
            let Some(Cell::Int(id)) = head.first() else { continue };
            let id = InstanceId(*id);
            match row(head) {
                Ok(row) => seen.entry(id).or_default().row = Some(row),
                Err(error) => seen.entry(id).or_default().unreadable.push(error.to_string()),
            }
        }
        let last = if is_full { seen.keys().next_back().copied() } else { None };
        let range = || vec![Bind::Int(after.0), Bind::Int(last.unwrap_or(upto).0)];
        scopes(snapshot, range(), &mut seen).await?;
        for table in INDEX {
            let text = format!(
                "SELECT instance, {} FROM {} WHERE instance > $1 AND instance <= $2 ORDER BY instance",
                table.columns, table.name
            );
            for cells in snapshot.rows(text, range()).await? {
                let Some(Cell::Int(id)) = cells.first() else { continue };
                let instance = seen.entry(InstanceId(*id)).or_default();
                match (table.read)(&mut Cells::of(cells)) {
                    Ok(row) => instance.index.push(row),
                    Err(error) => instance.unreadable.push(format!("{}: {error}", table.name)),
                }
            }
        }
        for table in PAST {
            let text = format!(
                "SELECT DISTINCT t.instance, t.tenant FROM {table} t JOIN process_instance i ON i.id = t.instance WHERE \
                 t.instance > $1 AND t.instance <= $2 AND t.tenant <> i.tenant"
            );
            for cells in snapshot.rows(text, range()).await? {
                let mut cells = Cells::of(cells);
                let (id, tenant) = (cells.int()?, cells.text()?);
                seen.entry(InstanceId(id)).or_default().foreign.push((table, tenant));
            }
        }
        Ok((seen, last))
    }

    /// The history of one instance behind this position, a share of it; none: that was all.
    pub async fn told(
        &self,
        snapshot: &mut Snapshot,
        instance: InstanceId,
        after: i64,
    ) -> Result<Vec<Entry>, StoreError> {
        let text = format!(
            "SELECT position, at, cause, events FROM history WHERE instance = $1 AND position > $2 ORDER BY position LIMIT \
             {RECORDS}"
        );
        let rows = snapshot.rows(text, vec![Bind::Int(instance.0), Bind::Int(after)]).await?;
        let entry = |row| {
            let mut cells = Cells::of(row);
            let (position, at, cause) = (cells.int()?, Timestamp(cells.int()?), cells.text()?);
            let events = serde_json::from_str(&cells.text()?)
                .map_err(|error| StoreError::Unreadable(format!("the history at position {position}: {error}")))?;
            Ok(Entry { position, at, cause, events })
        };
        rows.into_iter().map(entry).collect()
    }

    /// Whether it is over: it has ended, or its row is gone.
    pub async fn is_over(&self, snapshot: &mut Snapshot, instance: InstanceId) -> Result<bool, StoreError> {
        let text = "SELECT id FROM process_instance WHERE id = $1 AND ended_at IS NULL";
        Ok(snapshot.rows(text.to_owned(), vec![Bind::Int(instance.0)]).await?.is_empty())
    }

    pub async fn partitions(&self, snapshot: &mut Snapshot) -> Result<Vec<PartitionId>, StoreError> {
        let text = "SELECT id FROM partition UNION SELECT DISTINCT partition FROM history ORDER BY 1";
        let rows = snapshot.rows(text.to_owned(), vec![]).await?;
        rows.into_iter().map(|row| Cells::of(row).int().map(PartitionId)).collect()
    }

    /// The line of a partition behind a position, a share of it; none: that was all.
    pub async fn line(
        &self,
        snapshot: &mut Snapshot,
        partition: PartitionId,
        after: i64,
    ) -> Result<Vec<Point>, StoreError> {
        let text =
            "SELECT position, at FROM history WHERE partition = $1 AND position > $2 ORDER BY position LIMIT 5000";
        let rows = snapshot.rows(text.to_owned(), vec![Bind::Int(partition.0), Bind::Int(after)]).await?;
        let point = |row| {
            let mut cells = Cells::of(row);
            Ok(Point { position: cells.int()?, at: Timestamp(cells.int()?) })
        };
        rows.into_iter().map(point).collect()
    }

    /// What a partition hands on; nothing of one that has no history.
    pub async fn ending(&self, snapshot: &mut Snapshot, partition: PartitionId) -> Result<Option<Ending>, StoreError> {
        let text = "SELECT next_id FROM history WHERE partition = $1 ORDER BY position DESC LIMIT 1";
        let rows = snapshot.rows(text.to_owned(), vec![Bind::Int(partition.0)]).await?;
        let Some(row) = rows.into_iter().next() else { return Ok(None) };
        let next_id = Cells::of(row).int_or()?;
        let (first, beyond) = (InstanceId::new(partition, 0), InstanceId::new(PartitionId(partition.0 + 1), 0));
        let mut highest: Option<(i64, &'static str)> = None;
        for (table, column) in
            [("process_instance", "id"), ("definition", "id"), ("deployment", "id"), ("past_decision", "instance")]
        {
            let text = format!("SELECT MAX({column}) FROM {table} WHERE {column} >= $1 AND {column} < $2");
            let rows = snapshot.rows(text, vec![Bind::Int(first.0), Bind::Int(beyond.0)]).await?;
            let found = rows.into_iter().next().map(|row| Cells::of(row).int_or()).transpose()?.flatten();
            if let Some(found) =
                found.map(|found| found - first.0).filter(|id| highest.is_none_or(|(high, _)| *id > high))
            {
                highest = Some((found, table));
            }
        }
        Ok(Some(Ending { partition, next_id, highest }))
    }

    /// Letters and parcels that wait at a partition: table and number, and why one cannot be read.
    pub async fn waiting_post(
        &self,
        snapshot: &mut Snapshot,
        partition: PartitionId,
    ) -> Result<Vec<(&'static str, i64, Option<String>)>, StoreError> {
        let mut post = Vec::new();
        for table in ["letter", "inbox"] {
            let text = format!("SELECT id, body FROM {table} WHERE partition = $1 ORDER BY id");
            for row in snapshot.rows(text, vec![Bind::Int(partition.0)]).await? {
                let mut cells = Cells::of(row);
                let (id, body) = (cells.int()?, cells.text()?);
                let error = match table {
                    "letter" => serde_json::from_str::<Letter>(&body).err(),
                    _ => serde_json::from_str::<Parcel>(&body).err(),
                };
                post.push((table, id, error.map(|error| error.to_string())));
            }
        }
        Ok(post)
    }

    /// Definitions that no deployment with their file and tenant stands behind.
    pub async fn stray_definitions(&self, snapshot: &mut Snapshot) -> Result<(u64, Vec<DefinitionId>), StoreError> {
        let all = snapshot.rows("SELECT COUNT(*) FROM definition".into(), vec![]).await?;
        let all = all.into_iter().next().map_or(Ok(0), |row| Cells::of(row).int())?;
        let text = "SELECT d.id FROM definition d LEFT JOIN deployment p ON p.id = d.deployment AND p.tenant = d.tenant LEFT \
                    JOIN resource r ON r.deployment = d.deployment AND r.name = d.resource WHERE p.id IS NULL OR r.id IS NULL";
        let rows = snapshot.rows(text.to_owned(), vec![]).await?;
        let stray: Result<Vec<_>, _> = rows.into_iter().map(|row| Cells::of(row).int().map(DefinitionId)).collect();
        Ok((u64::try_from(all).unwrap_or(0), stray?))
    }
}

fn row(head: Vec<Cell>) -> Result<Row, StoreError> {
    let mut cells = Cells::of(head);
    let (id, definition, process, tenant) = (cells.int()?, cells.int()?, cells.text()?, cells.text()?);
    let (business_key, caller, root) = (cells.text_or()?, cells.int_or()?, cells.int()?);
    let state = state(cells.int()?)?;
    let (ended_at, revision, incidents, body) = (cells.int_or()?, cells.int()?, cells.int()?, cells.text()?);
    let (id, definition) = (InstanceId(id), DefinitionId(definition));
    let stored = StoredInstance { id, definition, state, body, scopes: Vec::new() };
    let (caller, root, ended_at) = (caller.map(InstanceId), InstanceId(root), ended_at.map(Timestamp));
    Ok(Row { stored, process, tenant, business_key, caller, root, ended_at, revision, incidents })
}

fn state(number: i64) -> Result<InstanceState, StoreError> {
    let state = i16::try_from(number).ok().and_then(code::state_of);
    state.ok_or_else(|| StoreError::Unreadable(format!("the state {number} is unknown")))
}

async fn scopes(
    snapshot: &mut Snapshot,
    range: Vec<Bind>,
    seen: &mut BTreeMap<InstanceId, Seen>,
) -> Result<(), StoreError> {
    let text = "SELECT instance, scope, body FROM scope WHERE instance > $1 AND instance <= $2 ORDER BY 1, 2";
    for cells in snapshot.rows(text.to_owned(), range).await? {
        let mut cells = Cells::of(cells);
        let (id, scope, body) = (InstanceId(cells.int()?), ScopeId(cells.local()?), cells.text()?);
        let instance = seen.entry(id).or_default();
        match &mut instance.row {
            Some(row) => row.stored.scopes.push((scope, body)),
            None => instance.scopes.push((scope, body)),
        }
    }
    Ok(())
}

struct IndexTable {
    name: &'static str,
    columns: &'static str,
    read: fn(&mut Cells) -> Result<Indexed, StoreError>,
}

const INDEX: [IndexTable; 7] = [
    IndexTable {
        name: "job",
        columns: "root, definition, process, tenant, business_key, suspended, token, kind, element, topic, lease_no, holder, \
                  leased_until, retries, expiries, due, priority, created_at, error, incident",
        read: job,
    },
    IndexTable {
        name: "user_task",
        columns: "root, definition, process, tenant, business_key, suspended, token, element, scope, name, description, \
                  assignee, owner, delegation, priority, due, follow_up, created_at, updated_at",
        read: user_task,
    },
    IndexTable { name: "candidate", columns: "token, is_group, name", read: candidate },
    IndexTable {
        name: "timer",
        columns: "root, definition, process, tenant, business_key, suspended, id, owner, element, due, repeats, created_at",
        read: timer,
    },
    IndexTable {
        name: "subscription",
        columns: "root, definition, process, tenant, business_key, suspended, id, owner, element, signal, name, created_at",
        read: subscription,
    },
    IndexTable {
        name: "incident",
        columns: "root, definition, process, tenant, business_key, suspended, id, token, element, kind, message, at",
        read: incident,
    },
    IndexTable { name: "variable", columns: "scope, name, tenant, kind, text, number, token", read: variable },
];

/// What every row repeats of its instance.
fn common(cells: &mut Cells) -> Result<Common, StoreError> {
    Ok(Common {
        instance: InstanceId(cells.int()?),
        root: InstanceId(cells.int()?),
        definition: DefinitionId(cells.int()?),
        process: cells.text()?,
        tenant: cells.text()?,
        business_key: cells.text_or()?,
        suspended: cells.flag()?,
    })
}

fn indexed(common: Common, key: IndexKey, row: IndexRow) -> Indexed {
    Indexed { key, row, tenant: Some(common.tenant.clone()), common: Some(common) }
}

fn element(cells: &mut Cells) -> Result<ElementId, StoreError> {
    Ok(ElementId::from(cells.text()?.as_str()))
}

fn time_or(cells: &mut Cells) -> Result<Option<Timestamp>, StoreError> {
    Ok(cells.int_or()?.map(Timestamp))
}

fn coded<T>(number: i64, of: fn(i16) -> Option<T>) -> Result<T, StoreError> {
    let found = i16::try_from(number).ok().and_then(of);
    found.ok_or_else(|| StoreError::Unreadable(format!("the number {number} stands for nothing")))
}

fn job(cells: &mut Cells) -> Result<Indexed, StoreError> {
    let common = common(cells)?;
    let key = IndexKey::Job(TokenId(cells.local()?));
    let row = JobRow {
        kind: coded(cells.int()?, code::job_kind_of)?,
        element: element(cells)?,
        topic: cells.text()?,
        lease_no: cells.int()?,
        holder: cells.text_or()?,
        until: time_or(cells)?,
        retries: cells.int_or()?,
        expiries: cells.int()?,
        due: Timestamp(cells.int()?),
        priority: cells.int()?,
        created_at: Timestamp(cells.int()?),
        error: cells.text_or()?,
        incident: cells.flag()?,
    };
    Ok(indexed(common, key, IndexRow::Job(row)))
}

fn user_task(cells: &mut Cells) -> Result<Indexed, StoreError> {
    let common = common(cells)?;
    let key = IndexKey::UserTask(TokenId(cells.local()?));
    let row = UserTaskRow {
        element: element(cells)?,
        scope: ScopeId(cells.local()?),
        name: cells.text_or()?,
        description: cells.text_or()?,
        assignee: cells.text_or()?,
        owner: cells.text_or()?,
        delegation: cells.int_or()?.map(|number| coded(number, code::delegation_of)).transpose()?,
        priority: cells.int()?,
        due: time_or(cells)?,
        follow_up: time_or(cells)?,
        created_at: Timestamp(cells.int()?),
        updated_at: time_or(cells)?,
    };
    Ok(indexed(common, key, IndexRow::UserTask(Box::new(row))))
}

fn candidate(cells: &mut Cells) -> Result<Indexed, StoreError> {
    cells.int()?;
    let key = IndexKey::Candidate(TokenId(cells.local()?), cells.flag()?, cells.text()?);
    Ok(Indexed { key, row: IndexRow::Candidate, tenant: None, common: None })
}

fn timer(cells: &mut Cells) -> Result<Indexed, StoreError> {
    let common = common(cells)?;
    let key = IndexKey::Timer(LocalId(cells.local()?));
    let row = TimerRow {
        owner: TokenId(cells.local()?),
        element: element(cells)?,
        due: Timestamp(cells.int()?),
        repeats: cells.flag()?,
        created_at: Timestamp(cells.int()?),
    };
    Ok(indexed(common, key, IndexRow::Timer(row)))
}

fn subscription(cells: &mut Cells) -> Result<Indexed, StoreError> {
    let common = common(cells)?;
    let key = IndexKey::Subscription(LocalId(cells.local()?));
    let row = SubscriptionRow {
        owner: TokenId(cells.local()?),
        element: element(cells)?,
        signal: cells.flag()?,
        name: cells.text()?,
        created_at: Timestamp(cells.int()?),
    };
    Ok(indexed(common, key, IndexRow::Subscription(row)))
}

fn incident(cells: &mut Cells) -> Result<Indexed, StoreError> {
    let common = common(cells)?;
    let key = IndexKey::Incident(LocalId(cells.local()?));
    let (token, element, kind) = (TokenId(cells.local()?), element(cells)?, cells.text()?);
    let kind = IncidentKind::of_wire(&kind)
        .ok_or_else(|| StoreError::Unreadable(format!("an incident is of the unknown kind {kind:?}")))?;
    let row = IncidentRow { token, element, kind, message: cells.text()?, at: Timestamp(cells.int()?) };
    Ok(indexed(common, key, IndexRow::Incident(row)))
}

fn variable(cells: &mut Cells) -> Result<Indexed, StoreError> {
    cells.int()?;
    let key = IndexKey::Variable(ScopeId(cells.local()?), cells.text()?);
    let tenant = cells.text()?;
    let row = VariableRow {
        kind: cells.text()?,
        text: cells.text_or()?,
        number: cells.real_or()?,
        token: cells.int_or()?.map(|token| u32::try_from(token).map_or(TokenId(u32::MAX), TokenId)),
    };
    Ok(Indexed { key, row: IndexRow::Variable(row), tenant: Some(tenant), common: None })
}
