//! After every commit: rows, positions, leases, timers and the token game are checked.

use super::choice::{Choices, Follower};
use super::model::Model;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use transhume::base::id::{DefinitionId, InstanceId, LocalId, TokenId};
use transhume::base::time::Timestamp;
use transhume::engine::compile::{compile, no_resources};
use transhume::engine::definition::{Process, ProcessDefinition};
use transhume::engine::document;
use transhume::engine::event::Event;
use transhume::engine::index::{Index, IndexKey};
use transhume::engine::instance::InstanceState;
use transhume::partition::memory::Memory;
use transhume::verify::invariants::{self, Ledger, Line};
use transhume::verify::oracle::Oracle;
use transhume::verify::{Told, Violation};

/// No fault of a run holds a due timer back so long.
const LATE_MS: i64 = 20 * 60_000;

#[derive(Default)]
pub(super) struct Judge {
    told: usize,
    line: Line,
    ledger: Ledger,
    oracle: Oracle,
    /// Of the model, compiled once.
    processes: Vec<Arc<Process>>,
    definitions: BTreeMap<DefinitionId, Arc<ProcessDefinition>>,
    revisions: BTreeMap<InstanceId, u64>,
    armed: BTreeMap<(InstanceId, LocalId), TokenId>,
    /// Their timers may be late.
    suspended: BTreeSet<InstanceId>,
    /// Of a graph.
    choices: Option<Choices>,
    follower: Follower,
}

thread_local! {
    /// Reading XML is most of a run, and the runs of one seed have one model.
    static LAST: RefCell<Option<(String, Vec<Arc<Process>>)>> = const { RefCell::new(None) };
}

pub(super) fn compiled(model: &Model) -> Result<Vec<Arc<Process>>, Violation> {
    let known =
        LAST.with_borrow(|last| last.as_ref().filter(|(xml, _)| *xml == model.xml).map(|(_, known)| known.clone()));
    if let Some(known) = known {
        return Ok(known);
    }
    let compiled = compile(model.xml.as_bytes(), &no_resources).map_err(|found| Violation {
        rule: "I12",
        layer: "simulator",
        instance: None,
        what: format!("the model does not compile: {found:?}\n{}", model.xml),
    })?;
    LAST.set(Some((model.xml.clone(), compiled.processes.clone())));
    Ok(compiled.processes)
}

/// A stored definition, without compiling its file anew.
pub(super) fn definition(
    memory: &Memory,
    processes: &[Arc<Process>],
    id: DefinitionId,
) -> Option<Arc<ProcessDefinition>> {
    let row = memory.definitions.get(&id)?;
    let process = processes.iter().find(|process| *process.id == *row.key)?;
    Some(Arc::new(ProcessDefinition {
        id,
        tenant: row.tenant.clone(),
        key: row.key.clone(),
        version: row.version,
        deployment: row.deployment,
        resource: row.resource.clone(),
        process: Arc::clone(process),
    }))
}

impl Judge {
    pub(super) fn new(processes: Vec<Arc<Process>>, choices: Option<Choices>) -> Self {
        Self { processes, choices, ..Self::default() }
    }

    /// Nothing happens in this instance any more, and nothing can: it waits for tokens that do not come.
    pub(super) fn is_blocked(&self, id: InstanceId) -> Result<(), Violation> {
        let game = self.oracle.game(id).expect("every instance has a game");
        let wrong = |what| Violation { rule: "I14", layer: "oracle", instance: Some(id), what };
        game.blocked().map(|_| ()).map_err(wrong)
    }

    /// Looks at what is new, and at every instance that it touches. Answers which hosts saw an event of theirs happen.
    pub(super) fn look(&mut self, memory: &Memory) -> Result<Vec<(InstanceId, TokenId)>, Violation> {
        let mut touched = BTreeSet::new();
        let mut happened = Vec::new();
        for record in &memory.records[self.told..] {
            let told = Told {
                position: record.position,
                instance: record.instance,
                at: record.at,
                cause: record.cause,
                events: &record.events,
            };
            self.line.next(&told)?;
            self.ledger.tell(&told)?;
            let Self { oracle, definitions, processes, .. } = self;
            oracle.tell(&told, |id| {
                let known = definitions.get(&id).cloned().or_else(|| definition(memory, processes, id))?;
                definitions.insert(id, Arc::clone(&known));
                Some(Arc::clone(&known.process))
            })?;
            if let Some(choices) = &self.choices {
                let wrong = |what| Violation { rule: "choice", layer: "simulator", instance: record.instance, what };
                self.follower.tell(choices, &told).map_err(wrong)?;
            }
            let Some(instance) = record.instance else { continue };
            touched.insert(instance);
            for event in &record.events {
                match event {
                    Event::Armed { id, owner, .. } => {
                        self.armed.insert((instance, *id), *owner);
                    }
                    Event::Fired { id, .. } => {
                        happened.extend(self.armed.get(&(instance, *id)).map(|owner| (instance, *owner)));
                    }
                    Event::InstanceSuspended => {
                        self.suspended.insert(instance);
                    }
                    _other => {}
                }
            }
        }
        self.told = memory.records.len();
        for instance in touched {
            self.instance(memory, instance)?;
        }
        invariants::family(memory.instances.values().map(|row| &row.head))?;
        self.in_time(memory.fence().clock)?;
        Ok(happened)
    }

    fn instance(&mut self, memory: &Memory, id: InstanceId) -> Result<(), Violation> {
        let wrong = |rule, what: String| Violation { rule, layer: "simulator", instance: Some(id), what };
        let row = memory.instances.get(&id).ok_or_else(|| wrong("I10", "has a history and no row".into()))?;
        if let Some(before) = self.revisions.insert(id, row.head.revision)
            && before > row.head.revision
        {
            return Err(wrong("I7", format!("revision {} follows {before}", row.head.revision)));
        }
        let stored = memory.stored(id).expect("just seen");
        let rows: Index = memory.index_of(id).map(|(key, row)| (key.clone(), row.clone())).collect();
        invariants::ended(id, row.head.state, &row.body, rows.len(), stored.scopes.len())?;
        if row.head.state.is_ended() {
            return Ok(());
        }
        let definition = Arc::clone(&self.definitions[&row.head.definition]);
        let instance = document::decode(id, &stored.body, &stored.scopes, definition)
            .map_err(|error| wrong("I5", error.to_string()))?;
        invariants::rows(&instance, &rows)?;
        let incidents = rows.keys().filter(|key| matches!(key, IndexKey::Incident(_))).count();
        if usize::try_from(row.incidents) != Ok(incidents) {
            return Err(wrong("I2", format!("{incidents} incidents are open, the row says {}", row.incidents)));
        }
        let game = self.oracle.game(id).expect("every instance has a game");
        invariants::marking(&instance, game)?;
        if instance.head.continues || instance.head.state != InstanceState::Active {
            return Ok(());
        }
        if let Some(what) = game.stuck() {
            return Err(Violation { rule: "I3", layer: "oracle", instance: Some(id), what });
        }
        self.choices.iter().try_for_each(|choices| self.follower.rests(choices, id)).map_err(|what| wrong("I3", what))
    }

    fn in_time(&self, now: Timestamp) -> Result<(), Violation> {
        match self.ledger.overdue(now, LATE_MS).find(|(instance, _)| !self.suspended.contains(instance)) {
            Some((instance, due)) => {
                let what = format!("a timer due at {due:?} has not fired at {now:?}");
                Err(Violation { rule: "I9", layer: "invariants", instance: Some(instance), what })
            }
            None => Ok(()),
        }
    }
}
