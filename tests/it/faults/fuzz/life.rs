//! A model, if it can be deployed, lives: its processes are started, and whatever waits gets an answer, for up to a thousand
//! commands. Then all that is stored is judged.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;
use transhume::base::id::{InstanceId, ScopeId, TokenId};
use transhume::base::time::Timestamp;
use transhume::base::variable::{Variable, Variables};
use transhume::engine::command::{Command, Create, Failure, Rejection};
use transhume::engine::definition::{Process, ProcessDefinition};
use transhume::engine::incident::IncidentKind;
use transhume::engine::index::{IndexKey, IndexRow, JobRow};
use transhume::engine::job::{Binding, Claim};
use transhume::partition::memory::Memory;
use transhume::partition::{Bundle, Input, Output, Partition, Request, Which, Work, first_partition};

use super::{Target, seeds, way, words};
use crate::faults::number;

const NOW: Timestamp = Timestamp(1_795_341_600_000);
/// Without `FUZZ_SECONDS`.
const STEPS: usize = 40;
const STEPS_LONG: usize = 1_000;
/// A model may run for ever, and is interrupted: the partition goes on as long as it is asked to.
const WORDS_MAX: usize = 400;
/// An endless loop of a model ends by its own bound, which is far; its history would fill the memory.
const EVENTS_MAX: usize = 10_000;
/// A larger state makes no new ones, only slow ones.
const ROWS_MAX: usize = 300;

pub(super) struct Models;

impl Target for Models {
    fn name(&self) -> &'static str {
        "models"
    }

    fn seeds(&self) -> Vec<Vec<u8>> {
        seeds::models()
    }

    fn foreign(&self) -> Vec<Vec<u8>> {
        seeds::foreign("bpmn")
    }

    fn words(&self) -> Vec<&'static str> {
        [words::XML, words::BPMN].concat()
    }

    fn take(&mut self, input: &[u8]) -> Result<String, String> {
        let files = vec![("m.bpmn".to_owned(), Arc::new(input.to_vec()))];
        let bundle = match Bundle::read(None, None, String::new(), files) {
            Ok(read) => read.bundle,
            Err(found) => {
                let first = found.values().flatten().next().map(|one| one.message.clone());
                return Ok(way(&first.unwrap_or_default()));
            }
        };
        let mut life = Life::new(input);
        life.live(bundle)
    }
}

struct Life {
    memory: Memory,
    partition: Partition,
    processes: Vec<Arc<Process>>,
    now: Timestamp,
    state: u64,
    requests: u64,
    events: usize,
    /// It was interrupted while it ran.
    runs: bool,
}

impl Life {
    fn new(input: &[u8]) -> Self {
        let mut memory = Memory::new(1);
        let mut partition = Partition::new(first_partition());
        partition.handle(memory.open(first_partition()), NOW);
        let state = input.iter().fold(7, |state, byte| crate::faults::mix(state ^ u64::from(*byte)));
        Self { memory, partition, processes: vec![], now: NOW, state, requests: 0, events: 0, runs: false }
    }

    fn below(&mut self, bound: usize) -> usize {
        self.state = crate::faults::mix(self.state);
        usize::try_from(self.state % bound.max(1) as u64).expect("below a small number")
    }

    fn live(&mut self, bundle: Bundle) -> Result<String, String> {
        self.processes = bundle.processes.iter().map(|(_, process)| Arc::clone(process)).collect();
        if let Err(why) = self.ask(Work::Deploy(Box::new(bundle)))? {
            return Ok(way(&why.to_string()));
        }
        let mut told = String::new();
        for process in self.processes.clone() {
            let definition = Which::Key {
                key: process.id.to_string(),
                tenant: String::new(),
                binding: Binding::Latest,
                deployment: None,
            };
            let create = Create { variables: variables(), ..Create::default() };
            if let Err(why) = self.ask(Work::Start { definition, create })? {
                told += &way(&why.to_string());
            }
        }
        let steps = if number("FUZZ_SECONDS").is_some() { STEPS_LONG } else { STEPS };
        for step in 0..steps {
            let Some(work) = self.next() else { break };
            if let Err(why) = self.ask(work)? {
                told += &way(&why.to_string());
            }
            if step % 64 == 63 {
                self.restart()?;
            }
            if self.memory.index.len() > ROWS_MAX || self.runs {
                break;
            }
        }
        if self.runs {
            told += "it runs on"; // what is due may be late then
        } else {
            self.restart()?;
        }
        self.judged(told)
    }

    fn judged(&self, told: String) -> Result<String, String> {
        let bug = self.memory.index.values().find_map(|(_, row)| match row {
            IndexRow::Incident(incident) if incident.kind == IncidentKind::Bug => Some(incident.message.clone()),
            _row => None,
        });
        if let Some(bug) = bug {
            return Err(format!("an incident that is a bug of the engine: {bug}"));
        }
        let judged = crate::sim::judged(&self.memory, self.processes.clone()).err();
        if let Some(violation) = judged.filter(|violation| !self.runs || violation.rule != "I9") {
            return Err(violation.to_string());
        }
        let states: BTreeMap<String, usize> =
            self.memory.instances.values().fold(BTreeMap::new(), |mut states, row| {
                *states.entry(format!("{:?}", row.head.state)).or_default() += 1;
                states
            });
        let elements: Vec<&str> =
            self.processes.iter().flat_map(|process| process.by_id.keys().take(2)).map(|id| &**id).collect();
        Ok(format!("{told} {:?} {}", states.keys(), elements.len()))
    }

    /// The next owner finds what is stored.
    fn restart(&mut self) -> Result<(), String> {
        self.partition = Partition::new(first_partition());
        self.partition.handle(self.memory.open(first_partition()), self.now);
        self.serve().map(|_| ())
    }

    fn ask(&mut self, work: Work) -> Result<Result<(), Rejection>, String> {
        self.requests += 1;
        self.partition.handle(Input::Submit(Request { id: self.requests, key: None, user: None, work }), self.now);
        self.serve()
    }

    /// Until it rests; gives what the last request was answered. That the engine failed is a failure.
    fn serve(&mut self) -> Result<Result<(), Rejection>, String> {
        let mut answer = Ok(());
        for _ in 0..WORDS_MAX {
            let Some(output) = self.partition.poll() else { return Ok(answer) };
            if let Output::Commit(tx) = &output {
                self.events += tx.records.iter().map(|record| record.events.len()).sum::<usize>();
            }
            match self.memory.answer(first_partition(), output) {
                Ok(input) => self.partition.handle(input, self.now),
                Err(Output::Reply { result: Err(Rejection::Defect(why)), .. }) => {
                    return Err(format!("a defect: {why}"));
                }
                Err(Output::Reply { request, result }) if request == self.requests => answer = result.map(|_| ()),
                Err(Output::StepDown) => return Err("the only owner steps down".into()),
                Err(_word) => {}
            }
            if self.events > EVENTS_MAX {
                break;
            }
        }
        self.runs = true;
        Ok(answer)
    }

    /// An answer to something that waits, or a word that nobody expects.
    fn next(&mut self) -> Option<Work> {
        let live: Vec<InstanceId> =
            self.memory.instances.values().filter(|row| !row.head.state.is_ended()).map(|row| row.head.id).collect();
        if live.is_empty() {
            return None;
        }
        let instance = live[self.below(live.len())];
        if self.below(12) == 0 {
            return Some(self.trouble(instance));
        }
        let rows: Vec<_> =
            self.memory.index.iter().filter(|((_, key), _)| !matches!(key, IndexKey::Variable(..))).collect();
        let rows: Vec<_> = rows.into_iter().map(|((id, key), (_, row))| (*id, key.clone(), row.clone())).collect();
        if rows.is_empty() {
            return None;
        }
        let (instance, key, row) = rows[self.below(rows.len())].clone();
        self.answer(instance, &key, &row).map(|command| Work::Instance { instance, command })
    }

    fn trouble(&mut self, instance: InstanceId) -> Work {
        let command = match self.below(5) {
            0 => Command::Suspend,
            1 => Command::SetVariables { scope: None, set: variables(), remove: vec!["n".into()] },
            2 => Command::Signal { token: TokenId(2), variables: Variables::new() },
            3 if self.below(6) == 0 => Command::Cancel { reason: None },
            _ => Command::Resume,
        };
        Work::Instance { instance, command }
    }

    fn answer(&mut self, instance: InstanceId, key: &IndexKey, row: &IndexRow) -> Option<Command> {
        let (variables, local) = (variables(), Variables::new());
        Some(match (key, row) {
            (IndexKey::Job(token), IndexRow::Job(job)) => self.work(*token, job),
            (IndexKey::UserTask(token), _) if self.below(4) == 0 => {
                Command::ThrowError { token: *token, claim: None, code: "E".into(), message: None, variables }
            }
            (IndexKey::UserTask(token) | IndexKey::Candidate(token, ..), _) => {
                Command::CompleteUserTask { token: *token, variables }
            }
            (IndexKey::Timer(id), _) if self.below(2) == 0 => Command::SetDue { id: *id, due: self.now },
            (IndexKey::Timer(_), IndexRow::Timer(timer)) => {
                self.now = self.now.max(Timestamp(timer.due.0.min(self.now.0 + 86_400_000)));
                return Some(Command::Resume);
            }
            (IndexKey::Subscription(id), IndexRow::Subscription(armed)) => match armed.signal {
                true => Command::DeliverSignal { subscription: *id, name: armed.name.clone(), variables },
                false => Command::DeliverMessage { subscription: *id, name: armed.name.clone(), variables, local },
            },
            (IndexKey::Incident(_), IndexRow::Incident(incident)) => Command::ResolveIncident { token: incident.token },
            _row => Command::SetVariables { scope: Some(ScopeId(1)), set: variables, remove: vec![] },
        })
        .filter(|_| self.memory.instances.contains_key(&instance))
    }

    fn work(&mut self, token: TokenId, job: &JobRow) -> Command {
        let Some(holder) = job.holder.clone() else {
            self.now = self.now.max(Timestamp(job.due.0.min(self.now.0 + 86_400_000)));
            return Command::LeaseJob { token, holder: "w".into(), until: self.now.plus_ms(60_000) };
        };
        let claim = Claim { holder, lease_no: Some(job.lease_no) };
        let (variables, local) = (variables(), Variables::new());
        match self.below(6) {
            0 => {
                let failure = Failure {
                    message: "no".into(),
                    details: None,
                    retries: None,
                    after_ms: Some(1_000),
                    by_handler: true,
                    unknown_outcome: false,
                };
                Command::FailJob { token, claim, failure }
            }
            1 => Command::ThrowError { token, claim: Some(claim), code: "E".into(), message: None, variables },
            2 => {
                self.now = self.now.plus_ms(61_000);
                Command::ExpireLease { token, lease_no: job.lease_no }
            }
            _ => Command::CompleteJob { token, claim, variables, local, decisions: vec![] },
        }
    }
}

fn variables() -> Variables {
    let all = [
        ("n", json!(1)),
        ("one", json!(1)),
        ("yes", json!(true)),
        ("text", json!("a")),
        ("list", json!([1, 2])),
        ("items", json!(["a", "b", "c"])),
        ("map", json!({"a": [1]})),
    ];
    all.into_iter().map(|(name, value)| (name.to_owned(), Variable::from(value))).collect()
}

/// A process with scopes, jobs and armed events, and its documents as they are stored, one after the other.
pub(super) fn stored() -> (Arc<ProcessDefinition>, Vec<String>) {
    let file = ("m.bpmn".to_owned(), Arc::new(seeds::NESTED.as_bytes().to_vec()));
    let read = Bundle::read(None, None, String::new(), vec![file]).unwrap_or_else(|found| panic!("{found:#?}"));
    let mut life = Life::new(b"");
    let mut all = Vec::new();
    life.ask(Work::Deploy(Box::new(read.bundle))).expect("no defect").expect("it is deployed");
    let definition = Which::Key { key: "p".into(), tenant: String::new(), binding: Binding::Latest, deployment: None };
    let create = Create { variables: variables(), ..Create::default() };
    life.ask(Work::Start { definition, create }).expect("no defect").expect("it starts");
    let id = life.memory.instances.keys().next().copied().expect("an instance");
    let definition = life.memory.instances[&id].head.definition;
    let definition = life.memory.definition(definition).expect("it is stored");
    for _ in 0..12 {
        if let Some(stored) = life.memory.stored(id).filter(|stored| !stored.body.is_empty()) {
            let mut text = stored.body.clone();
            stored.scopes.iter().filter(|(scope, _)| scope.0 > 0).for_each(|(_, body)| text += &format!("\u{1}{body}"));
            all.push(text);
        }
        let Some(work) = life.next() else { break };
        let _refused = life.ask(work).expect("no defect");
    }
    assert!(!all.is_empty(), "nothing is stored");
    (definition, all)
}

/// What fuzzing found: the judge took a receive task that waits to be signalled for one that is stuck.
#[test]
fn a_receive_task_without_a_message_is_not_stuck() {
    let taken = Models.take(SILENT.as_bytes());
    assert!(taken.as_ref().is_ok_and(|way| way.contains("Active") || way.contains("Completed")), "{taken:?}");
}

const SILENT: &str = r#"<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" targetNamespace="t"><process id="p" isExecutable="true">
<startEvent id="s"/><sequenceFlow id="f1" sourceRef="s" targetRef="told"/><receiveTask id="told"/>
<sequenceFlow id="f2" sourceRef="told" targetRef="e1"/><endEvent id="e1"/></process></definitions>"#;
