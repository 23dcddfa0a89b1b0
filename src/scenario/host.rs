//! A partition with its database under a virtual clock: the driver of process tests. It interprets the partition's words
//! one by one until there is none, as the real driver does, but time passes only when it is told so.

use crate::base::id::{DefinitionId, ElementId, InstanceId};
use crate::base::time::Timestamp;
use crate::engine::command::{Answer, Command, Rejection};
use crate::engine::definition::{Process, ProcessDefinition};
use crate::engine::document;
use crate::engine::instance::Instance;
use crate::partition::transaction::{StartRow, Told};
use crate::partition::{
    Input, Letter, LetterId, Notice, Output, Partition, Reply, Request, RequestId, Work, deployed, first_partition,
};
use crate::scenario::database::Database;
use crate::scenario::observe::Observed;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

pub struct Host {
    partition: Partition,
    database: Box<dyn Database>,
    pub now: Timestamp,
    pub observed: Observed,
    /// The next moment at which the partition wants to be woken.
    pub wake_at: Option<Timestamp>,
    /// Messages thrown by processes, not delivered yet.
    pub thrown: VecDeque<(LetterId, Letter)>,
    replies: BTreeMap<RequestId, Result<Reply, Rejection>>,
    definitions: BTreeMap<DefinitionId, Arc<ProcessDefinition>>,
    owners: BTreeMap<InstanceId, DefinitionId>,
    starts: Vec<StartRow>,
    next_request: RequestId,
    /// Compiled by whoever deploys them; the database would have to compile them again.
    deploying: Vec<Arc<Process>>,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("now", &self.now).finish_non_exhaustive()
    }
}

impl Host {
    pub fn new(database: Box<dyn Database>, now: Timestamp) -> Result<Self, String> {
        let mut host = Self {
            partition: Partition::new(first_partition()),
            database,
            now,
            observed: Observed::default(),
            wake_at: None,
            thrown: VecDeque::new(),
            replies: BTreeMap::new(),
            definitions: BTreeMap::new(),
            owners: BTreeMap::new(),
            starts: Vec::new(),
            next_request: 0,
            deploying: Vec::new(),
        };
        host.restart()?;
        Ok(host)
    }

    /// The database, for the next case.
    pub fn into_database(self) -> Box<dyn Database> {
        self.database
    }

    /// Forgets all memory and reads the database again.
    pub fn restart(&mut self) -> Result<(), String> {
        self.partition = Partition::new(first_partition());
        self.wake_at = None;
        self.thrown.clear();
        let opened = self.database.open()?;
        if let Input::Opened { starts, .. } = &opened {
            self.starts.clone_from(starts);
        }
        self.partition.handle(opened, self.now);
        self.pump()
    }

    pub fn submit(&mut self, work: Work) -> Result<Result<Reply, Rejection>, String> {
        self.next_request += 1;
        let id = self.next_request;
        if let Work::Deploy(bundle) = &work {
            self.deploying = bundle.processes.iter().map(|(_, process)| Arc::clone(process)).collect();
        }
        self.partition.handle(Input::Submit(Request { id, key: None, user: None, work }), self.now);
        self.pump()?;
        self.replies.remove(&id).ok_or_else(|| "the engine gave no answer".to_owned())
    }

    pub fn command(&mut self, instance: InstanceId, command: Command) -> Result<Result<Answer, Rejection>, String> {
        let reply = self.submit(Work::Instance { instance, command })?;
        Ok(reply.map(|reply| if let Reply::Done(answer) = reply { answer } else { Answer::default() }))
    }

    /// Time has passed: due timers fire.
    pub fn wake(&mut self) -> Result<(), String> {
        self.wake_at = self.wake_at.filter(|at| *at > self.now);
        self.partition.handle(Input::Wake, self.now);
        self.pump()
    }

    /// Every instance that has not ended, read from the database.
    pub fn live(&mut self) -> Result<Vec<Instance>, String> {
        let known: Vec<InstanceId> = self.owners.keys().copied().collect();
        let stored = self.database.stored(&known)?;
        let mut live = Vec::new();
        for row in stored.into_iter().filter(|row| !row.state.is_ended()) {
            let definition = self.definition(row.definition)?;
            live.push(document::decode(row.id, &row.body, &row.scopes, definition).map_err(|e| e.to_string())?);
        }
        Ok(live)
    }

    /// The decisions evaluated for a root instance and those that it called, read from the database.
    pub fn decided(&mut self, root: InstanceId) -> Result<Vec<(String, Told)>, String> {
        self.database.decided(root)
    }

    /// The start event that a message of this name begins a process at.
    pub fn message_start(&self, name: &str) -> Option<(DefinitionId, ElementId)> {
        let waits = self.starts.iter().find(|start| start.message.as_deref() == Some(name));
        waits.map(|start| (start.key.definition, start.key.element.clone()))
    }

    /// The start events that wait for this signal.
    pub fn signal_starts(&self, name: &str) -> Vec<(DefinitionId, ElementId)> {
        let waits = self.starts.iter().filter(|start| start.signal.as_deref() == Some(name));
        waits.map(|start| (start.key.definition, start.key.element.clone())).collect()
    }

    /// The definition whose start event with a trigger has this id.
    pub fn start_event(&self, element: &str) -> Option<DefinitionId> {
        self.starts.iter().find(|start| start.key.element.as_str() == element).map(|start| start.key.definition)
    }

    fn definition(&mut self, id: DefinitionId) -> Result<Arc<ProcessDefinition>, String> {
        if let Some(known) = self.definitions.get(&id) {
            return Ok(Arc::clone(known));
        }
        let Input::Definition(loaded) = self.read(Output::LoadDefinition(id))? else {
            return Err(format!("definition {id} is not stored"));
        };
        self.definitions.insert(id, Arc::clone(&loaded));
        Ok(loaded)
    }

    fn pump(&mut self) -> Result<(), String> {
        while let Some(output) = self.partition.poll() {
            match output {
                Output::Commit(transaction) => self.commit(transaction)?,
                Output::Reply { request, result } => {
                    self.replies.insert(request, result);
                }
                Output::Effect(Notice::Letter { id, letter }) => self.thrown.push_back((id, letter)),
                Output::Effect(_) => {}
                Output::WakeAt(at) => self.wake_at = Some(at),
                Output::StepDown => return Err("another owner took the partition".into()),
                read => {
                    let answer = self.read(read)?;
                    self.partition.handle(answer, self.now);
                }
            }
        }
        Ok(())
    }

    fn read(&mut self, question: Output) -> Result<Input, String> {
        self.database.answer(question)?.map_err(|word| format!("a word that nobody understands: {word:?}"))
    }

    fn commit(&mut self, transaction: crate::partition::transaction::Transaction) -> Result<(), String> {
        for row in &transaction.instances {
            self.owners.insert(row.head.id, row.head.definition);
        }
        for gone in &transaction.starts_gone {
            self.starts.retain(|start| start.key != *gone);
        }
        for start in &transaction.starts {
            self.starts.retain(|other| other.key != start.key);
            self.starts.push(start.clone());
        }
        for row in &transaction.definitions {
            if let Some(process) = self.deploying.iter().find(|process| *process.id == *row.key) {
                self.definitions.insert(row.id, deployed(row, Arc::clone(process)));
            }
        }
        let records = transaction.records.clone();
        let committed = self.read(Output::Commit(transaction))?;
        if let Input::CommitFailed { error, .. } = &committed {
            return Err(format!("the commit failed: {error:?}"));
        }
        for record in records {
            let definition = record.instance.and_then(|instance| self.owners.get(&instance).copied());
            let definition = definition.map(|id| self.definition(id)).transpose()?;
            self.observed.take(&record, |_| definition.clone());
        }
        self.partition.handle(committed, self.now);
        Ok(())
    }
}
