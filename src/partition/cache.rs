//! Instances in memory. A cache: the rows are the truth, any failure drops it, and idle instances leave when it is full.

use super::transaction::StoredInstance;
use crate::base::id::{DefinitionId, InstanceId, ScopeId};
use crate::base::limits::{RESIDENT_BYTES_MAX, RESIDENT_INSTANCES_MAX};
use crate::engine::command::{Command, Rejection};
use crate::engine::definition::ProcessDefinition;
use crate::engine::document;
use crate::engine::history::Past;
use crate::engine::index::{self, Common, Index, IndexKey};
use crate::engine::instance::Instance;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// An instance with what is known of its rows, so that the next transaction writes differences only.
#[derive(Debug)]
pub(super) struct Resident {
    pub(super) instance: Instance,
    /// As the stored rows repeat it; none before the first row.
    pub(super) common: Option<Arc<Common>>,
    /// The stored index rows by scope; a scope is in it as soon as it is stored.
    pub(super) index: BTreeMap<ScopeId, Index>,
    /// Bytes of each stored document, and of all.
    sizes: BTreeMap<ScopeId, usize>,
    bytes: usize,
    /// Bytes of the documents that have changed, as far as the batch at hand has counted them, and how many they were.
    weighed: (usize, usize),
    /// Open incidents among the stored rows.
    pub(super) incidents: i64,
    /// History rows of the batch at hand.
    pub(super) past: Past,
    /// The last item of the batch that changed it; none while it rests.
    pub(super) changed_by: Option<usize>,
    stamp: u64,
}

/// Why an instance cannot take commands. Ended stays ended, so this may be kept.
#[derive(Clone, Debug, PartialEq)]
enum Gone {
    Absent,
    Ended,
    Unreadable(String),
}

#[derive(Debug)]
pub(super) enum Found<'a> {
    Resident(&'a mut Resident),
    Refused(Rejection),
    /// Not known yet: it must be loaded.
    Unknown,
}

#[derive(Debug, Default)]
pub(super) struct Cache {
    /// Never iterated towards an output.
    residents: HashMap<InstanceId, Box<Resident>>,
    /// Least recently used first.
    idle: BTreeMap<u64, InstanceId>,
    stamp: u64,
    bytes: usize,
    /// Into so many parts the room of a node is divided; 0 is 1.
    shares: usize,
    gone: BTreeMap<InstanceId, Gone>,
    loading: BTreeSet<InstanceId>,
    /// Loaded, but their definition is not here yet.
    undecoded: BTreeMap<InstanceId, StoredInstance>,
    definitions: BTreeMap<DefinitionId, Option<Arc<ProcessDefinition>>>,
    definitions_loading: BTreeSet<DefinitionId>,
}

impl Resident {
    pub(super) fn new(instance: Instance) -> Self {
        Self {
            instance,
            common: None,
            index: BTreeMap::new(),
            sizes: BTreeMap::new(),
            bytes: 0,
            weighed: (0, 0),
            incidents: 0,
            past: Past::new(),
            changed_by: None,
            stamp: 0,
        }
    }

    fn loaded(stored: StoredInstance, definition: Arc<ProcessDefinition>) -> Result<Self, String> {
        let mut sizes: BTreeMap<ScopeId, usize> =
            stored.scopes.iter().map(|(scope, body)| (*scope, body.len())).collect();
        sizes.insert(crate::base::id::ROOT_SCOPE, stored.body.len());
        let instance =
            document::decode(stored.id, &stored.body, &stored.scopes, definition).map_err(|error| error.to_string())?;
        let index: BTreeMap<ScopeId, Index> =
            instance.scopes.keys().map(|scope| (*scope, index::index(&instance, *scope))).collect();
        let is_incident = |key: &&IndexKey| matches!(key, IndexKey::Incident(_));
        let incidents = index.values().flat_map(BTreeMap::keys).filter(is_incident).count();
        let incidents = i64::try_from(incidents).expect("fewer incidents than tokens");
        let common = Some(Arc::new(index::common(&instance)));
        let bytes = sizes.values().sum();
        Ok(Self { common, index, sizes, bytes, incidents, ..Self::new(instance) })
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// A document is stored with so many bytes; 0: it is no more.
    pub(super) fn resize(&mut self, scope: ScopeId, bytes: usize) {
        let before = if bytes > 0 { self.sizes.insert(scope, bytes) } else { self.sizes.remove(&scope) };
        self.bytes = (self.bytes + bytes).saturating_sub(before.unwrap_or(0));
    }

    /// What the batch has to write more of since it was last asked: by the size that changed documents had before.
    pub(super) fn weigh(&mut self) -> usize {
        let dirty = &self.instance.dirty;
        if dirty.len() == self.weighed.1 {
            return 0;
        }
        let bytes: usize = dirty.iter().filter_map(|scope| self.sizes.get(scope)).sum();
        let more = bytes.saturating_sub(self.weighed.0);
        self.weighed = (bytes, dirty.len());
        more
    }

    /// Its documents are in the transaction.
    pub(super) fn weighed(&mut self) {
        self.weighed = (0, 0);
    }
}

impl Cache {
    pub(super) fn find(&mut self, id: InstanceId, command: &Command) -> Found<'_> {
        if let Some(gone) = self.gone.get(&id) {
            return Found::Refused(gone.refuse(id, command));
        }
        match self.residents.get_mut(&id) {
            Some(resident) => Found::Resident(resident),
            None => Found::Unknown,
        }
    }

    pub(super) fn get(&self, id: InstanceId) -> Option<&Resident> {
        self.residents.get(&id).map(Box::as_ref)
    }

    pub(super) fn get_mut(&mut self, id: InstanceId) -> Option<&mut Resident> {
        self.residents.get_mut(&id).map(Box::as_mut)
    }

    /// True if a command for it can be executed or refused now.
    pub(super) fn knows(&self, id: InstanceId) -> bool {
        self.residents.contains_key(&id) || self.gone.contains_key(&id)
    }

    /// Marks it as being loaded; true if it was not before.
    pub(super) fn ask(&mut self, id: InstanceId) -> bool {
        !self.undecoded.contains_key(&id) && self.loading.insert(id)
    }

    pub(super) fn insert(&mut self, id: InstanceId, resident: Resident) {
        self.gone.remove(&id);
        self.residents.insert(id, Box::new(resident));
    }

    pub(super) fn missing(&mut self, id: InstanceId) {
        self.loading.remove(&id);
        self.gone.insert(id, Gone::Absent);
    }

    /// Takes what the store knows of an instance. Answers the definition that is needed to understand it, if any.
    pub(super) fn loaded(&mut self, stored: StoredInstance) -> Option<DefinitionId> {
        if !self.loading.remove(&stored.id) || self.residents.contains_key(&stored.id) {
            return None; // a doubled answer
        }
        if stored.state.is_ended() {
            self.gone.insert(stored.id, Gone::Ended);
            return None;
        }
        let definition = stored.definition;
        match self.definitions.get(&definition) {
            Some(Some(known)) => {
                let known = Arc::clone(known);
                self.decode(stored, known);
                None
            }
            Some(None) => {
                self.gone.insert(stored.id, Gone::Unreadable(format!("its definition {definition} is not there")));
                None
            }
            None => {
                self.undecoded.insert(stored.id, stored);
                Some(definition)
            }
        }
    }

    fn decode(&mut self, stored: StoredInstance, definition: Arc<ProcessDefinition>) {
        let id = stored.id;
        match Resident::loaded(stored, definition) {
            Ok(mut resident) => {
                self.bytes += resident.bytes();
                self.stamp += 1;
                resident.stamp = self.stamp;
                self.idle.insert(self.stamp, id);
                self.residents.insert(id, Box::new(resident));
            }
            Err(error) => {
                self.gone.insert(id, Gone::Unreadable(error));
            }
        }
    }

    /// `None` if it has to be loaded, `Some(None)` if it cannot be.
    pub(super) fn definition(&self, id: DefinitionId) -> Option<Option<&Arc<ProcessDefinition>>> {
        self.definitions.get(&id).map(Option::as_ref)
    }

    pub(super) fn ask_definition(&mut self, id: DefinitionId) -> bool {
        !self.definitions.contains_key(&id) && self.definitions_loading.insert(id)
    }

    pub(super) fn learn_definition(&mut self, id: DefinitionId, definition: Option<Arc<ProcessDefinition>>) {
        self.definitions_loading.remove(&id);
        self.definitions.insert(id, definition.clone());
        let waiting: Vec<InstanceId> =
            self.undecoded.values().filter(|stored| stored.definition == id).map(|stored| stored.id).collect();
        for waiting in waiting {
            let stored = self.undecoded.remove(&waiting).expect("just seen");
            match &definition {
                Some(definition) => self.decode(stored, Arc::clone(definition)),
                None => {
                    self.gone.insert(waiting, Gone::Unreadable(format!("its definition {id} is not there")));
                }
            }
        }
    }

    pub(super) fn forget_definition(&mut self, id: DefinitionId) {
        self.definitions.remove(&id);
    }

    /// The instances of a batch are stored: they may leave from now on, and those that ended do.
    pub(super) fn committed(&mut self, touched: &[InstanceId]) {
        for id in touched {
            let Some(resident) = self.residents.get_mut(id) else {
                continue;
            };
            resident.changed_by = None;
            self.idle.remove(&resident.stamp);
            if resident.instance.head.state.is_ended() {
                self.remove(*id);
                self.gone.insert(*id, Gone::Ended);
                continue;
            }
            self.stamp += 1;
            resident.stamp = self.stamp;
            self.idle.insert(self.stamp, *id);
        }
        let shares = self.shares.max(1);
        let (most, bytes) = (RESIDENT_INSTANCES_MAX / shares, RESIDENT_BYTES_MAX / shares);
        while self.residents.len() > most || self.bytes > bytes {
            let Some((_, oldest)) = self.idle.pop_first() else {
                break;
            };
            self.remove(oldest);
        }
        if self.gone.len() > most {
            self.gone.clear();
        }
    }

    /// One of so many partitions, which may all be in one process.
    pub(super) fn share(&mut self, partitions: i64) {
        self.shares = usize::try_from(partitions).unwrap_or(1);
    }

    /// The size of an instance's documents has changed.
    pub(super) fn resized(&mut self, before: usize, after: usize) {
        self.bytes = (self.bytes + after).saturating_sub(before);
    }

    /// Forgets an instance whose changes are void.
    pub(super) fn remove(&mut self, id: InstanceId) {
        if let Some(resident) = self.residents.remove(&id) {
            self.idle.remove(&resident.stamp);
            self.bytes = self.bytes.saturating_sub(resident.bytes());
        }
    }

    /// After a failure nothing in memory is believed. Definitions never change and stay.
    pub(super) fn clear(&mut self) {
        self.residents.clear();
        self.idle.clear();
        self.bytes = 0;
        self.gone.clear();
    }
}

impl Gone {
    /// Why a command cannot be taken; what it names decides how it is told.
    fn refuse(&self, id: InstanceId, command: &Command) -> Rejection {
        match self {
            Self::Absent => Rejection::InstanceNotFound(id),
            Self::Unreadable(why) => Rejection::InvalidInput(format!("instance {id} cannot be read: {why}")),
            Self::Ended => refuse_ended(command),
        }
    }
}

fn refuse_ended(command: &Command) -> Rejection {
    match command {
        Command::LeaseJob { token, .. }
        | Command::ExtendLease { token, .. }
        | Command::ReleaseJob { token, .. }
        | Command::ExpireLease { token, .. }
        | Command::CompleteJob { token, .. }
        | Command::FailJob { token, .. }
        | Command::ThrowError { token, .. }
        | Command::Escalate { token, .. }
        | Command::SetRetries { token, .. }
        | Command::SetPriority { token, .. }
        | Command::ChangeUserTask { token, .. }
        | Command::CompleteUserTask { token, .. }
        | Command::Signal { token, .. }
        | Command::Activate { token, .. }
        | Command::CalledInstanceEnded { token, .. }
        | Command::CalledInstanceEscalated { token, .. }
        | Command::SetLocalVariables { token, .. }
        | Command::ResolveIncident { token } => Rejection::TokenNotWaiting(*token),
        Command::SetDue { id, .. } => Rejection::NotArmed(*id),
        Command::FireTimer { subscription, .. }
        | Command::FireCondition { subscription }
        | Command::DeliverMessage { subscription, .. }
        | Command::DeliverSignal { subscription, .. } => Rejection::NotArmed(*subscription),
        Command::CreateInstance(_)
        | Command::SetVariables { .. }
        | Command::Modify { .. }
        | Command::Suspend
        | Command::Resume
        | Command::Cancel { .. }
        | Command::Continue
        | Command::RaiseIncident { .. } => Rejection::WrongState("ended".into()),
    }
}
