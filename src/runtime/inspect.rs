//! Judges a live database: the invariants that can be seen in it, while others work with it.
//!
//! An instance and all its rows are read in one snapshot, so that a commit in between confuses nobody. What looks wrong is
//! looked at once more before it is told. Its history is replayed: the token game, the leases, the timers.

use crate::base::id::{DefinitionId, InstanceId, PartitionId};
use crate::base::limits::EXPIRIES_MAX;
use crate::engine::definition::ProcessDefinition;
use crate::engine::document;
use crate::engine::event::Event;
use crate::engine::index::{Common, Index, IndexKey, IndexRow, common};
use crate::engine::instance::{Instance, InstanceState};
use crate::store::inspection::{Entry, Indexed, Row, Seen};
use crate::store::raw::Snapshot;
use crate::store::{Store, StoreError};
use crate::verify::invariants::{self, Ledger};
use crate::verify::oracle::Oracle;
use crate::verify::{Told, Violation};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The rules that can be seen in a database, and what each asks.
pub const RULES: [(&str, &str); 11] = [
    ("I1", "tokens: what the history leaves alive is what is stored"),
    ("I2", "index rows: those that the stored state yields, each with its token"),
    ("I3", "token game: every move of the history is allowed by the model"),
    ("I4", "ends: an ended instance has no rows, no called one outlives its caller"),
    ("I5", "history: in order, whole for each instance, documents readable"),
    ("I6", "completions: one for each activation, under the lease that counts"),
    ("I7", "leases: numbers and revisions only grow, expiries within their limit"),
    ("I9", "timers: none before it was due, none twice"),
    ("I11", "tenants: rows have their instance's, instances their definition's"),
    ("I12", "definitions: each with its deployment and file, instances with their definition"),
    ("ids", "numbers, letters, parcels: readable, none beyond what its partition has given out"),
];

/// Violations that are listed; of more only the number is told.
const LISTED_MAX: usize = 1_000;

#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Things looked at, by rule.
    pub checked: BTreeMap<&'static str, u64>,
    pub violations: Vec<Violation>,
    /// Violations beyond those listed.
    pub unlisted: u64,
    pub instances: u64,
    /// Positions whose history was cleaned away.
    pub cleaned: u64,
}

impl Report {
    /// Violations of a rule, of those listed.
    pub fn violated(&self, rule: &str) -> usize {
        self.violations.iter().filter(|violation| violation.rule == rule).count()
    }

    fn saw(&mut self, rule: &'static str, count: u64) {
        *self.checked.entry(rule).or_default() += count;
    }

    fn add(&mut self, found: Vec<Violation>) {
        let room = LISTED_MAX.saturating_sub(self.violations.len());
        self.unlisted += found.len().saturating_sub(room) as u64;
        self.violations.extend(found.into_iter().take(room));
    }
}

fn wrong(rule: &'static str, instance: Option<InstanceId>, what: impl Into<String>) -> Violation {
    Violation { rule, layer: "database", instance, what: what.into() }
}

/// Looks at everything. `told` hears how many instances were looked at. An error: the database does not answer.
pub async fn inspect(store: &Store, told: &mut (dyn FnMut(u64) + Send)) -> Result<Report, StoreError> {
    let mut inspector =
        Inspector { store, report: Report::default(), definitions: BTreeMap::new(), snapshot: store.snapshot().await? };
    inspector.lines().await?;
    let mut after = Some(InstanceId(-1));
    while let Some(from) = after {
        inspector.snapshot.renew().await?;
        let (found, next) = inspector.page(from, InstanceId(i64::MAX)).await?;
        let mut suspicious: Vec<InstanceId> = found.iter().filter_map(|violation| violation.instance).collect();
        suspicious.dedup();
        inspector.snapshot.renew().await?;
        for id in suspicious {
            let instances = inspector.report.instances;
            let checked = inspector.report.checked.clone();
            let (again, _) = inspector.page(InstanceId(id.0 - 1), id).await?;
            (inspector.report.instances, inspector.report.checked) = (instances, checked);
            inspector.report.add(again);
        }
        told(inspector.report.instances);
        after = next;
    }
    inspector.snapshot.close().await?;
    Ok(inspector.report)
}

struct Inspector<'a> {
    store: &'a Store,
    report: Report,
    definitions: BTreeMap<DefinitionId, Option<Arc<ProcessDefinition>>>,
    snapshot: Snapshot,
}

impl Inspector<'_> {
    /// Positions, ids, letters and definitions, which belong to no one instance.
    async fn lines(&mut self) -> Result<(), StoreError> {
        for partition in self.store.partitions(&mut self.snapshot).await? {
            self.line(partition).await?;
        }
        let (all, stray) = self.store.stray_definitions(&mut self.snapshot).await?;
        self.report.saw("I12", all);
        let lost = |id| wrong("I12", None, format!("definition {id} has no deployment of its tenant with its file"));
        self.report.add(stray.into_iter().map(lost).collect());
        Ok(())
    }

    async fn line(&mut self, partition: PartitionId) -> Result<(), StoreError> {
        let (mut last, mut present) = (None, 0_i64);
        let mut found = Vec::new();
        loop {
            let after = last.map_or(i64::MIN, |last: crate::store::inspection::Point| last.position);
            let points = self.store.line(&mut self.snapshot, partition, after).await?;
            if points.is_empty() {
                break;
            }
            for point in points {
                if let Some(before) = last.filter(|before| before.at > point.at) {
                    let what = format!(
                        "partition {partition}: at position {} the clock went back from {:?} to {:?}",
                        point.position, before.at, point.at
                    );
                    found.push(wrong("I5", None, what));
                }
                if point.position < 1 {
                    found.push(wrong(
                        "I5",
                        None,
                        format!("partition {partition}: there is a position {}", point.position),
                    ));
                }
                (last, present) = (Some(point), present + 1);
            }
        }
        self.report.saw("I5", u64::try_from(present).unwrap_or(0));
        let gone = last.map_or(0, |last| last.position - present);
        self.report.cleaned += u64::try_from(gone).unwrap_or(0);
        let ending = self.store.ending(&mut self.snapshot, partition).await?;
        self.report.saw("ids", 1);
        let next_id = ending.as_ref().map_or(Some(1), |ending| ending.next_id);
        let Some(next_id) = next_id else {
            found.push(wrong("ids", None, format!("partition {partition}: its last history row ends no batch")));
            self.report.add(found);
            return Ok(());
        };
        if let Some((id, table)) = ending.and_then(|ending| ending.highest).filter(|(id, _)| *id >= next_id) {
            let what =
                format!("partition {partition}: {table} has the number {id}, but the next to be given is {next_id}");
            found.push(wrong("ids", None, what));
        }
        for (table, id, unreadable) in self.store.waiting_post(&mut self.snapshot, partition).await? {
            self.report.saw("ids", 1);
            if let Some(error) = unreadable {
                found.push(wrong("ids", None, format!("partition {partition}: {table} {id} cannot be read: {error}")));
            }
            let own = InstanceId(id).partition() == partition;
            if own && id - InstanceId::new(partition, 0).0 >= next_id {
                found.push(wrong("ids", None, format!("partition {partition}: {table} {id} is beyond its numbers")));
            }
        }
        self.report.add(found);
        Ok(())
    }

    async fn page(
        &mut self,
        after: InstanceId,
        upto: InstanceId,
    ) -> Result<(Vec<Violation>, Option<InstanceId>), StoreError> {
        let (page, next) = self.store.inspect(&mut self.snapshot, after, upto).await?;
        let mut found = Vec::new();
        for (id, seen) in page {
            self.report.instances += u64::from(seen.row.is_some());
            self.instance(id, seen, &mut found).await?;
        }
        Ok((found, next))
    }

    async fn instance(&mut self, id: InstanceId, seen: Seen, found: &mut Vec<Violation>) -> Result<(), StoreError> {
        self.report.saw("I2", seen.index.len() as u64);
        self.report.saw("I4", 1);
        found.extend(seen.unreadable.iter().map(|words| wrong("I2", Some(id), words.clone())));
        let Some(row) = &seen.row else {
            if !seen.index.is_empty() || !seen.scopes.is_empty() {
                let what = format!("{} index rows and {} scopes of no instance", seen.index.len(), seen.scopes.len());
                found.push(wrong("I4", Some(id), what));
            }
            return Ok(());
        };
        self.report.saw("I11", 1);
        for (table, tenant) in &seen.foreign {
            let what = format!("{table} names the tenant {tenant:?}, its instance {:?}", row.tenant);
            found.push(wrong("I11", Some(id), what));
        }
        let (state, scopes) = (row.stored.state, row.stored.scopes.len());
        found.extend(invariants::ended(id, state, &row.stored.body, seen.index.len(), scopes).err());
        if state.is_ended() != row.ended_at.is_some() {
            found.push(wrong("I4", Some(id), format!("its state is {state:?}, its end {:?}", row.ended_at)));
        }
        let definition = self.definition(row.stored.definition).await?;
        let live = self.live(id, row, &seen.index, definition.as_deref(), found);
        if let Some(caller) = row.caller.filter(|_| !state.is_ended())
            && self.store.is_over(&mut self.snapshot, caller).await?
        {
            found.push(wrong("I4", Some(id), format!("its caller {caller} has ended")));
        }
        // Zero: it is being cleaned away.
        if row.revision != 0
            && let Some(definition) = definition
        {
            self.history(id, row, live.as_ref(), &definition, found).await?;
        }
        Ok(())
    }

    async fn definition(&mut self, id: DefinitionId) -> Result<Option<Arc<ProcessDefinition>>, StoreError> {
        if let Some(known) = self.definitions.get(&id) {
            return Ok(known.clone());
        }
        let loaded = self.store.definition(id).await?;
        self.definitions.insert(id, loaded.clone());
        Ok(loaded)
    }

    /// The stored state against its rows; gives the instance if it runs and can be read.
    fn live(
        &mut self,
        id: InstanceId,
        row: &Row,
        index: &[Indexed],
        definition: Option<&ProcessDefinition>,
        found: &mut Vec<Violation>,
    ) -> Option<Instance> {
        if row.stored.state.is_ended() {
            return None;
        }
        self.report.saw("I12", 1);
        let Some(definition) = definition else {
            let what = format!("its definition {} is not there, or can no longer be compiled", row.stored.definition);
            found.push(wrong("I12", Some(id), what));
            return None;
        };
        if definition.key != row.process {
            let what = format!("it says it is of {:?}, its definition is of {:?}", row.process, definition.key);
            found.push(wrong("I12", Some(id), what));
        }
        if !definition.tenant.is_empty() && definition.tenant != row.tenant {
            let what = format!("its tenant is {:?}, its definition's {:?}", row.tenant, definition.tenant);
            found.push(wrong("I11", Some(id), what));
        }
        self.report.saw("I5", 1);
        let decoded = document::decode(id, &row.stored.body, &row.stored.scopes, Arc::new(definition.clone()));
        let instance = match decoded {
            Ok(instance) => instance,
            Err(error) => {
                found.push(wrong("I5", Some(id), error.to_string()));
                return None;
            }
        };
        head(&instance, row, found);
        rows(&instance, row, index, found);
        self.report.saw("I7", 1);
        Some(instance)
    }

    async fn history(
        &mut self,
        id: InstanceId,
        row: &Row,
        live: Option<&Instance>,
        definition: &Arc<ProcessDefinition>,
        found: &mut Vec<Violation>,
    ) -> Result<(), StoreError> {
        let mut replay = Replay::default();
        let mut after = 0;
        loop {
            let entries = match self.store.told(&mut self.snapshot, id, after).await {
                Ok(entries) => entries,
                Err(StoreError::Unreadable(words)) => {
                    found.push(wrong("I5", Some(id), words));
                    return Ok(());
                }
                Err(error) => return Err(error),
            };
            let Some(last) = entries.last() else { break };
            after = last.position;
            for entry in &entries {
                for called in entry.events.iter().filter_map(called) {
                    if self.store.is_over(&mut self.snapshot, called).await? {
                        replay.oracle.assume_ended(called, &definition.process);
                    }
                }
                replay.play(id, entry, definition, found);
            }
        }
        for rule in ["I1", "I3", "I6", "I7", "I9"] {
            self.report.saw(rule, replay.records);
        }
        if i64::try_from(replay.counted) != Ok(row.revision) {
            let what = format!("{} history rows tell of it, its revision is {}", replay.counted, row.revision);
            found.push(wrong("I5", Some(id), what));
            return Ok(());
        }
        let Some(game) = replay.oracle.game(id).filter(|_| replay.sound) else { return Ok(()) };
        if let Some(instance) = live {
            found.extend(
                invariants::marking(instance, game).err().map(|violation| Violation { rule: "I1", ..violation }),
            );
            let rests = instance.head.state == InstanceState::Active && !instance.head.continues;
            found.extend(game.stuck().filter(|_| rests).map(|what| wrong("I3", Some(id), what)));
        } else if row.stored.state.is_ended() && !game.state().is_ended() {
            found.push(wrong("I1", Some(id), "it has ended, but its history does not tell so"));
        }
        Ok(())
    }
}

fn called(event: &Event) -> Option<InstanceId> {
    match event {
        Event::Called { called, .. } => Some(*called),
        _other => None,
    }
}

/// What the document says of the instance, and what its row says.
fn head(instance: &Instance, row: &Row, found: &mut Vec<Violation>) {
    let (id, head) = (instance.id(), &instance.head);
    if head.tenant != row.tenant {
        let what = format!("its state has the tenant {:?}, its row {:?}", head.tenant, row.tenant);
        found.push(wrong("I11", Some(id), what));
    }
    if u64::try_from(row.revision) != Ok(head.revision) && row.revision != 0 {
        found.push(wrong(
            "I7",
            Some(id),
            format!("its state has revision {}, its row {}", head.revision, row.revision),
        ));
    }
    let same = head.definition == row.stored.definition
        && head.state == row.stored.state
        && head.business_key == row.business_key
        && head.root == row.root
        && head.caller.map(|caller| caller.instance) == row.caller;
    if !same {
        found.push(wrong(
            "I2",
            Some(id),
            "its row tells another state, definition, key, caller or root than its document",
        ));
    }
}

fn rows(instance: &Instance, row: &Row, index: &[Indexed], found: &mut Vec<Violation>) {
    let id = instance.id();
    let stored: Index = index.iter().map(|indexed| (indexed.key.clone(), indexed.row.clone())).collect();
    found.extend(invariants::rows(instance, &stored).err());
    let incidents = stored.keys().filter(|key| matches!(key, IndexKey::Incident(_))).count();
    if usize::try_from(row.incidents) != Ok(incidents) {
        found.push(wrong("I2", Some(id), format!("{incidents} incidents are open, its row says {}", row.incidents)));
    }
    let wanted = common(instance);
    for indexed in index {
        if let Some(tenant) = indexed.tenant.as_ref().filter(|tenant| **tenant != wanted.tenant) {
            let what = format!("row {:?} has the tenant {tenant:?}, its instance {:?}", indexed.key, wanted.tenant);
            found.push(wrong("I11", Some(id), what));
        }
        let of_tenant = |common: &Common| Common { tenant: wanted.tenant.clone(), ..common.clone() };
        if indexed.common.as_ref().is_some_and(|common| of_tenant(common) != wanted) {
            let what = format!("row {:?} repeats {:?}, but its instance is {wanted:?}", indexed.key, indexed.common);
            found.push(wrong("I2", Some(id), what));
        }
        if let IndexRow::Job(job) = &indexed.row
            && job.expiries > EXPIRIES_MAX
        {
            let what = format!(
                "{} leases of row {:?} ended without a word, the limit is {EXPIRIES_MAX}",
                job.expiries, indexed.key
            );
            found.push(wrong("I7", Some(id), what));
        }
    }
}

/// One instance's history, played again.
#[derive(Default)]
struct Replay {
    oracle: Oracle,
    ledger: Ledger,
    records: u64,
    /// Those that count as a revision: evidence of a late result changes nothing.
    counted: u64,
    broken: bool,
    sound: bool,
}

impl Replay {
    fn play(&mut self, id: InstanceId, entry: &Entry, definition: &ProcessDefinition, found: &mut Vec<Violation>) {
        self.records += 1;
        self.counted += u64::from(!matches!(entry.events[..], [Event::ResultRefused { .. }]));
        if self.broken {
            return;
        }
        let told = Told {
            position: entry.position,
            instance: Some(id),
            at: entry.at,
            cause: &entry.cause,
            events: &entry.events,
        };
        let process = |of: DefinitionId| (of == definition.id).then(|| Arc::clone(&definition.process));
        let played = self.ledger.tell(&told).and_then(|()| self.oracle.tell(&told, process));
        // What follows a wrong move follows from it.
        self.broken = played.is_err();
        self.sound = played.is_ok();
        found.extend(played.err());
    }
}
