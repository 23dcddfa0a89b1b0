//! The in-memory database: interprets a [`Transaction`] with maps as the SQL stores do with tables, and answers the reads
//! that a partition asks for. Tests, the simulator and the process-test runner use it; cloning it is a backup.

use super::transaction::{
    AnswerRow, CommandKey, DefinitionKind, DefinitionRow, DeploymentRow, Fence, InstanceRow, OutcomeRow, ParcelRow,
    Record, ResourceRow, StartRow, StoredInstance, Transaction,
};
use super::{
    CommitError, Due, INBOX_READ_MAX, Input, LeaseOutcome, Output, ParcelId, Partition, compiled, due_of,
    first_partition, lease_outcome,
};
use crate::base::id::{DefinitionId, DeploymentId, InstanceId, PartitionId, ScopeId, TokenId};
use crate::base::limits::SCHEDULE_WINDOW_MAX;
use crate::base::planted;
use crate::base::time::Timestamp;
use crate::engine::definition::ProcessDefinition;
use crate::engine::history::{PastKey, PastRow};
use crate::engine::index::{Common, IndexKey, IndexRow};
use crate::partition::letter::LetterId;
use crate::partition::transaction::{LetterRow, StartKey};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Every table by its primary key.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// Of each partition as its last history row tells; its epoch is that of the `partition` row.
    pub fences: BTreeMap<PartitionId, Fence>,
    pub instances: BTreeMap<InstanceId, InstanceRow>,
    pub scopes: BTreeMap<(InstanceId, ScopeId), String>,
    pub index: BTreeMap<(InstanceId, IndexKey), (Arc<Common>, IndexRow)>,
    pub past: BTreeMap<(InstanceId, PastKey), (Arc<Common>, PastRow)>,
    pub answers: BTreeMap<CommandKey, AnswerRow>,
    pub records: Vec<Record>,
    /// Which records are an instance's: the index of the history table.
    records_of: BTreeMap<InstanceId, Vec<usize>>,
    pub deployments: BTreeMap<DeploymentId, DeploymentRow>,
    pub resources: BTreeMap<(DeploymentId, String), ResourceRow>,
    pub definitions: BTreeMap<DefinitionId, DefinitionRow>,
    pub starts: BTreeMap<StartKey, StartRow>,
    pub letters: BTreeMap<LetterId, LetterRow>,
    pub inbox: BTreeMap<(PartitionId, ParcelId), ParcelRow>,
    pub outcomes: BTreeMap<(String, i64), OutcomeRow>,
}

impl Memory {
    /// With so many partitions, counted from the first.
    pub fn new(partitions: i64) -> Self {
        let all = (0..partitions).map(PartitionId);
        let fences = all.map(|partition| (partition, Fence { partition, next_id: 1, ..Fence::default() })).collect();
        Self { fences, ..Self::default() }
    }

    /// A new owner: from now on commits of the former one are refused. Gives the first word to its partition.
    ///
    /// # Panics
    /// There is no such partition.
    pub fn open(&mut self, partition: PartitionId) -> Input {
        let fence = self.fences.get_mut(&partition).expect("the partition is there");
        fence.epoch += 1;
        let Fence { epoch, position, next_id, clock, .. } = *fence;
        let own = |row: &&LetterRow| InstanceId(row.id).partition() == partition;
        Input::Opened {
            epoch,
            position,
            next_id,
            clock,
            definitions: self.definitions.values().cloned().collect(),
            starts: self.starts.values().cloned().collect(),
            letters: self.letters.values().filter(own).cloned().collect(),
            partitions: i64::try_from(self.fences.len()).expect("few"),
        }
    }

    /// Of the first partition.
    pub fn fence(&self) -> &Fence {
        &self.fences[&first_partition()]
    }

    /// Applies a transaction wholly or not at all.
    pub fn commit(&mut self, tx: Transaction) -> Result<(), CommitError> {
        let Some(fence) = self.fences.get_mut(&tx.fence.partition) else { return Err(CommitError::Fenced) };
        let next = fence.position + i64::try_from(tx.records.len()).expect("a batch is bounded");
        let fenced = tx.fence.epoch != fence.epoch || tx.fence.position != next;
        if fenced && !planted::is("fence-ignored") {
            return Err(CommitError::Fenced);
        }
        let partition = tx.fence.partition;
        *fence = tx.fence;
        for row in tx.instances {
            self.instances.insert(row.head.id, row);
        }
        for key in tx.scopes_gone {
            self.scopes.remove(&key);
        }
        for row in tx.scopes {
            self.scopes.insert((row.instance, row.scope), row.body);
        }
        for key in tx.index_gone {
            self.index.remove(&key);
        }
        for write in tx.index {
            self.index.insert((write.common.instance, write.key), (write.common, write.row));
        }
        for write in tx.past {
            self.past.insert((write.common.instance, write.key), (write.common, write.row));
        }
        for row in tx.answers {
            self.answers.insert(row.key.clone(), row);
        }
        for record in tx.records {
            if let Some(instance) = record.instance {
                self.records_of.entry(instance).or_default().push(self.records.len());
            }
            self.records.push(record);
        }
        for row in tx.deployments {
            self.deployments.insert(row.id, row);
        }
        for row in tx.resources {
            self.resources.insert((row.deployment, row.name.clone()), row);
        }
        for row in tx.definitions {
            self.definitions.insert(row.id, row);
        }
        for key in tx.starts_gone {
            self.starts.remove(&key);
        }
        for row in tx.starts {
            self.starts.insert(row.key.clone(), row);
        }
        self.post(tx.letters, &tx.letters_gone);
        self.send(partition, tx.parcels, &tx.parcels_gone);
        self.outcomes.extend(tx.outcomes.into_iter().map(|row| ((row.node.clone(), row.number), row)));
        for deployment in tx.deployments_gone {
            self.drop_deployment(deployment);
        }
        Ok(())
    }

    fn post(&mut self, letters: Vec<LetterRow>, gone: &[LetterId]) {
        for id in gone {
            self.letters.remove(id);
        }
        self.letters.extend(letters.into_iter().map(|row| (row.id, row)));
    }

    fn send(&mut self, from: PartitionId, parcels: Vec<ParcelRow>, gone: &[ParcelId]) {
        for id in gone {
            self.inbox.remove(&(from, *id));
        }
        self.inbox.extend(parcels.into_iter().map(|row| ((row.to, row.id), row)));
    }

    fn drop_deployment(&mut self, deployment: DeploymentId) {
        self.deployments.remove(&deployment);
        self.resources.retain(|(of, _), _| *of != deployment);
        self.definitions.retain(|_, row| row.deployment != deployment);
    }

    /// The answer to `Output::Load`.
    pub fn load(&self, instances: &[InstanceId], keys: &[CommandKey]) -> Input {
        let found = |id: &InstanceId| self.stored(*id).ok_or(*id);
        let (stored, missing): (Vec<_>, Vec<_>) = instances.iter().map(found).partition(Result::is_ok);
        let answers: Vec<AnswerRow> = keys.iter().filter_map(|key| self.answers.get(key)).cloned().collect();
        Input::Loaded {
            instances: stored.into_iter().filter_map(Result::ok).collect(),
            missing: missing.into_iter().filter_map(Result::err).collect(),
            answers,
            unanswered: keys.iter().filter(|key| !self.answers.contains_key(key)).cloned().collect(),
        }
    }

    pub fn stored(&self, id: InstanceId) -> Option<StoredInstance> {
        let row = self.instances.get(&id)?;
        let scopes = self.scopes.range((id, ScopeId(0))..=(id, ScopeId(u32::MAX)));
        Some(StoredInstance {
            id,
            definition: row.head.definition,
            state: row.head.state,
            body: row.body.clone(),
            scopes: scopes.map(|((_, scope), body)| (*scope, body.clone())).collect(),
        })
    }

    /// The answer to `Output::LoadDefinition`.
    pub fn load_definition(&self, id: DefinitionId) -> Input {
        self.definition(id).map_or(Input::NoDefinition(id), Input::Definition)
    }

    pub fn definition(&self, id: DefinitionId) -> Option<Arc<ProcessDefinition>> {
        let row = self.definitions.get(&id).filter(|row| row.kind == DefinitionKind::Process)?;
        let file = |name: &str| self.resources.get(&(row.deployment, name.to_owned())).map(|row| row.bytes.to_vec());
        compiled(row, &file(&row.resource)?, &file)
    }

    /// The answer to `Output::LoadClosed`.
    pub fn load_closed(&self, instance: InstanceId, token: TokenId, lease_no: i64) -> Input {
        let how: Option<LeaseOutcome> =
            lease_outcome(self.records_of(instance).flat_map(|record| &record.events), token, lease_no);
        Input::Closed { instance, token, lease_no, how }
    }

    /// An instance's history, oldest first.
    pub fn records_of(&self, instance: InstanceId) -> impl Iterator<Item = &Record> {
        self.records_of.get(&instance).into_iter().flatten().map(|ix| &self.records[*ix])
    }

    /// The answer to `Output::LoadSchedule`.
    pub fn load_schedule(
        &self,
        partition: PartitionId,
        until: Timestamp,
        since: Timestamp,
        topics: &[String],
    ) -> Input {
        let own = InstanceId::new(partition, 0)..InstanceId::new(PartitionId(partition.0 + 1), 0);
        let from = |instance| (instance, IndexKey::Job(TokenId(0)));
        let rows = self.index.range(from(own.start)..from(own.end));
        let rows = rows.filter_map(|((_, key), (common, row))| due_of(common, key, row));
        let due = rows.filter(|due| due.at < until);
        let is_backlog = |due: &Due| due.at < since && due.wanted_topic().is_some();
        let (backlog, mut entries): (Vec<Due>, Vec<Due>) = due.partition(is_backlog);
        entries.sort();
        entries.truncate(SCHEDULE_WINDOW_MAX);
        let wanted = |due: &Due| due.wanted_topic().is_some_and(|topic| topics.iter().any(|wanted| wanted == topic));
        let mut backlog: Vec<Due> = backlog.into_iter().filter(wanted).collect();
        backlog.sort();
        backlog.truncate(SCHEDULE_WINDOW_MAX);
        entries.extend(backlog);
        Input::Scheduled { entries, until }
    }

    /// The answer to `Output::LoadInbox`.
    pub fn load_inbox(&self, partition: PartitionId) -> Input {
        let own = self.inbox.range((partition, ParcelId::MIN)..=(partition, ParcelId::MAX));
        Input::Parcels(own.take(INBOX_READ_MAX).map(|(_, row)| row.clone()).collect())
    }

    /// Lets a partition run until it rests, with this as its database; gives the words that are not for a database.
    pub fn serve(&mut self, partition: &mut Partition, now: Timestamp) -> Vec<Output> {
        let mut words = Vec::new();
        while let Some(output) = partition.poll() {
            match self.answer(partition.id(), output) {
                Ok(input) => partition.handle(input, now),
                Err(word) => words.push(word),
            }
        }
        words
    }

    /// The database's word about an output, or the output if it is not for a database.
    #[expect(clippy::result_large_err, reason = "both are words on their way, neither is an error")]
    pub fn answer(&mut self, partition: PartitionId, output: Output) -> Result<Input, Output> {
        match output {
            Output::LoadInbox => Ok(self.load_inbox(partition)),
            Output::LoadCatalog { ask } => Ok(Input::Catalog {
                ask,
                definitions: self.definitions.values().cloned().collect(),
                starts: self.starts.values().cloned().collect(),
            }),
            Output::Load { instances, keys } => Ok(self.load(&instances, &keys)),
            Output::LoadDefinition(id) => Ok(self.load_definition(id)),
            Output::LoadClosed { instance, token, lease_no } => Ok(self.load_closed(instance, token, lease_no)),
            Output::LoadSchedule { until, since, topics } => Ok(self.load_schedule(partition, until, since, &topics)),
            Output::Commit(tx) => {
                let batch = tx.fence.batch;
                Ok(match self.commit(tx) {
                    Ok(()) => Input::Committed { batch },
                    Err(error) => Input::CommitFailed { batch, error },
                })
            }
            word @ (Output::Reply { .. } | Output::Effect(_) | Output::WakeAt(_) | Output::StepDown) => Err(word),
        }
    }

    /// Index rows of one instance.
    pub fn index_of(&self, instance: InstanceId) -> impl Iterator<Item = (&IndexKey, &IndexRow)> {
        let from = (instance, IndexKey::Job(TokenId(0)));
        let rows = self.index.range(from..).take_while(move |((of, _), _)| *of == instance);
        rows.map(|((_, key), (_, row))| (key, row))
    }
}
