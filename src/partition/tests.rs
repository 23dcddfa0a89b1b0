//! The partition over the in-memory database: batches, keys, leases, timers, calls, deployments, failures.

use super::memory::Memory;
use super::transaction::CommandKey;
use super::*;
use crate::base::variable::Variables;
use crate::engine::command::{CallResult, Failure};
use crate::engine::compile::{compile, no_resources};
use crate::engine::incident::IncidentKind;
use crate::engine::index::IndexRow;
use crate::engine::instance::InstanceState;
use crate::engine::job::Claim;
use crate::engine::testing::draw;

mod inline;
mod letters;
mod parcels;
mod refused;

struct World {
    memory: Memory,
    partition: Partition,
    now: Timestamp,
    requests: RequestId,
    words: Vec<Output>,
}

impl World {
    fn new() -> Self {
        let mut memory = Memory::new(1);
        let mut partition = Partition::new(first_partition());
        let now = Timestamp(1_000_000);
        partition.handle(memory.open(first_partition()), now);
        Self { memory, partition, now, requests: 0, words: Vec::new() }
    }

    fn with(pictures: &[&str]) -> Self {
        let mut world = Self::new();
        for (ix, picture) in pictures.iter().enumerate() {
            let xml = draw(picture).replace("<process id=\"p\"", &format!("<process id=\"p{ix}\""));
            world.deploy(&xml).unwrap();
        }
        world
    }

    fn restart(&mut self) {
        self.partition = Partition::new(first_partition());
        self.partition.handle(self.memory.open(first_partition()), self.now);
        self.serve();
    }

    fn serve(&mut self) {
        let words = self.memory.serve(&mut self.partition, self.now);
        self.words.extend(words);
    }

    fn send(&mut self, work: Work) -> RequestId {
        self.send_keyed(work, None)
    }

    fn send_keyed(&mut self, work: Work, key: Option<(&str, &str)>) -> RequestId {
        self.requests += 1;
        let key = key.map(|(key, digest)| {
            (CommandKey { tenant: String::new(), route: "r".into(), key: key.into() }, digest.to_owned())
        });
        let request = Request { id: self.requests, key, user: None, work };
        self.partition.handle(Input::Submit(request), self.now);
        self.requests
    }

    fn reply(&mut self, request: RequestId) -> Result<Reply, Rejection> {
        let at = self.words.iter().position(|word| matches!(word, Output::Reply { request: of, .. } if *of == request));
        match self.words.remove(at.expect("every request is answered")) {
            Output::Reply { result, .. } => result,
            other => panic!("{other:?}"),
        }
    }

    fn ask(&mut self, work: Work) -> Result<Reply, Rejection> {
        let request = self.send(work);
        self.serve();
        self.reply(request)
    }

    fn deploy(&mut self, xml: &str) -> Result<Reply, Rejection> {
        let compiled = compile(xml.as_bytes(), &no_resources).unwrap_or_else(|found| panic!("{found:#?}"));
        let name = "test.bpmn".to_owned();
        self.ask(Work::Deploy(Box::new(Bundle {
            name: None,
            source: None,
            tenant: String::new(),
            files: vec![(name.clone(), Arc::new(xml.as_bytes().to_vec()))],
            processes: compiled.processes.into_iter().map(|process| (name.clone(), process)).collect(),
            decisions: vec![],
        })))
    }

    fn start(&mut self, key: &str) -> InstanceId {
        match self.ask(start(key)) {
            Ok(Reply::Started(id)) => id,
            other => panic!("{other:?}"),
        }
    }

    fn command(&mut self, instance: InstanceId, command: Command) -> Result<Answer, Rejection> {
        match self.ask(Work::Instance { instance, command })? {
            Reply::Done(answer) => Ok(answer),
            other => panic!("{other:?}"),
        }
    }

    fn advance(&mut self, ms: i64) {
        self.now = self.now.plus_ms(ms);
        self.partition.handle(Input::Wake, self.now);
        self.serve();
    }

    /// The token of the only row that `pick` likes.
    fn token(&self, instance: InstanceId, pick: impl Fn(&IndexRow) -> bool) -> TokenId {
        let found: Vec<TokenId> = self
            .memory
            .index_of(instance)
            .filter(|(_, row)| pick(row))
            .map(|(key, _)| match key {
                crate::engine::index::IndexKey::Job(token) | crate::engine::index::IndexKey::UserTask(token) => *token,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(found.len(), 1);
        found[0]
    }

    fn job(&self, instance: InstanceId) -> TokenId {
        self.token(instance, |row| matches!(row, IndexRow::Job(_)))
    }

    fn state(&self, instance: InstanceId) -> InstanceState {
        self.memory.instances[&instance].head.state
    }

    fn runs(&mut self) -> Vec<(InstanceId, TokenId, i64)> {
        let mut runs = Vec::new();
        self.words.retain(|word| match word {
            Output::Effect(Notice::Run { instance, token, lease_no, .. }) => {
                runs.push((*instance, *token, *lease_no));
                false
            }
            _ => true,
        });
        runs
    }

    fn incidents(&self, instance: InstanceId) -> Vec<IncidentKind> {
        self.memory
            .index_of(instance)
            .filter_map(|(_, row)| if let IndexRow::Incident(incident) = row { Some(incident.kind) } else { None })
            .collect()
    }
}

fn start(key: &str) -> Work {
    let definition = Which::Key { key: key.into(), tenant: String::new(), binding: Binding::Latest, deployment: None };
    Work::Start { definition, create: Create::default() }
}

fn claim(holder: &str, lease_no: i64) -> Claim {
    Claim { holder: holder.into(), lease_no: Some(lease_no) }
}

fn complete(token: TokenId, lease_no: i64) -> Command {
    Command::CompleteJob {
        token,
        claim: claim("w", lease_no),
        variables: Variables::new(),
        local: Variables::new(),
        decisions: Vec::new(),
    }
}

fn offer(slots: usize) -> Input {
    Input::Offer(Offer { holder: "w".into(), topic: "work".into(), slots, lease_ms: 60_000 })
}

#[test]
fn waiting_commands_share_one_commit_and_an_instance_is_written_once() {
    let mut world = World::with(&["start > A:user > end"]);
    let requests: Vec<_> = (0..10).map(|_| world.send(start("p0"))).collect();
    let position = world.memory.fence().position;
    let mut commits = Vec::new();
    while let Some(output) = world.partition.poll() {
        if let Output::Commit(tx) = &output {
            commits.push((tx.records.len(), tx.instances.len()));
        }
        match world.memory.answer(first_partition(), output) {
            Ok(input) => world.partition.handle(input, world.now),
            Err(word) => world.words.push(word),
        }
    }
    assert_eq!(commits, [(10, 10)]);
    assert_eq!(world.memory.fence().position, position + 10);
    for request in requests {
        assert!(matches!(world.reply(request), Ok(Reply::Started(_))));
    }
}

#[test]
fn replies_and_effects_wait_for_the_commit() {
    let mut world = World::with(&["start > A:service > end"]);
    world.partition.handle(offer(1), world.now);
    world.serve();
    world.send(start("p0"));
    let Some(Output::Commit(tx)) = world.partition.poll() else { panic!("a commit") };
    assert_eq!(world.partition.poll(), None, "nothing else before it is stored");
    let batch = tx.fence.batch;
    world.memory.commit(tx).unwrap();
    world.partition.handle(Input::Committed { batch }, world.now);
    world.partition.handle(Input::Committed { batch }, world.now); // a doubled answer
    world.serve();
    assert_eq!(world.runs().len(), 1);
}

#[test]
fn a_restart_forgets_nothing() {
    let mut world = World::with(&["start > A:user > B:service > end"]);
    let id = world.start("p0");
    world.restart();
    let task = world.token(id, |row| matches!(row, IndexRow::UserTask(_)));
    world.command(id, Command::CompleteUserTask { token: task, variables: Variables::new() }).unwrap();
    world.restart();
    world.partition.handle(offer(1), world.now);
    world.serve();
    let [(instance, token, lease_no)] = world.runs()[..] else { panic!("the waiting job is found in the rows") };
    assert_eq!(instance, id);
    world.command(id, complete(token, lease_no)).unwrap();
    assert_eq!(world.state(id), InstanceState::Completed);
    assert_eq!(world.memory.index_of(id).count(), 0);
    assert!(world.memory.instances[&id].body.is_empty());
}

#[test]
fn a_repeated_report_gets_the_first_answer_and_a_stale_one_is_kept_as_evidence() {
    let mut world = World::with(&["start > A:service > end"]);
    let id = world.start("p0");
    let token = world.job(id);
    let lease = |world: &mut World, holder: &str| {
        let until = world.now.plus_ms(1_000);
        world.command(id, Command::LeaseJob { token, holder: holder.into(), until }).unwrap().lease_no.unwrap()
    };
    let first = lease(&mut world, "w");
    world.advance(2_000);
    let second = lease(&mut world, "w");
    assert_eq!((first, second), (1, 2));
    assert!(matches!(world.command(id, complete(token, first)), Err(Rejection::LeaseLost { .. })));
    let refused = |record: &super::transaction::Record| {
        record.events.iter().any(|event| matches!(event, crate::engine::event::Event::ResultRefused { .. }))
    };
    assert_eq!(world.memory.records_of(id).filter(|record| refused(record)).count(), 1);
    assert!(!world.command(id, complete(token, second)).unwrap().repeated);
    let position = world.memory.fence().position;
    assert!(world.command(id, complete(token, second)).unwrap().repeated);
    assert_eq!(world.memory.fence().position, position, "a repeat changes nothing");
    assert!(world.command(id, complete(token, first)).is_err());
}

#[test]
fn a_key_is_applied_once_also_when_both_wait() {
    let mut world = World::with(&["start > A:user > end"]);
    let first = world.send_keyed(start("p0"), Some(("k", "d")));
    let second = world.send_keyed(start("p0"), Some(("k", "d")));
    let other = world.send_keyed(start("p0"), Some(("k", "e")));
    world.serve();
    let Ok(Reply::Started(id)) = world.reply(first) else { panic!("started") };
    assert_eq!(world.reply(second), Ok(Reply::Repeated(Reply::Started(id).to_json())));
    assert_eq!(world.reply(other), Err(Rejection::KeyReused));
    world.restart();
    let again = world.send_keyed(start("p0"), Some(("k", "d")));
    world.serve();
    assert_eq!(world.reply(again), Ok(Reply::Repeated(Reply::Started(id).to_json())));
    assert_eq!(world.memory.instances.len(), 1);
}

#[test]
fn a_failed_commit_runs_again_and_a_fenced_one_steps_down() {
    let mut world = World::with(&["start > A:service > end"]);
    world.partition.handle(offer(1), world.now);
    world.serve();
    let request = world.send_keyed(start("p0"), Some(("k", "d")));
    let mut failures = 3;
    while let Some(output) = world.partition.poll() {
        match output {
            Output::Commit(tx) if failures > 0 => {
                failures -= 1;
                let batch = tx.fence.batch;
                world.partition.handle(Input::CommitFailed { batch, error: CommitError::Failed }, world.now);
            }
            output => match world.memory.answer(first_partition(), output) {
                Ok(input) => world.partition.handle(input, world.now),
                Err(word) => world.words.push(word),
            },
        }
    }
    assert!(world.reply(request).is_ok());
    assert_eq!(world.runs().len(), 1, "the slot was not used up by the failed attempts");
    assert_eq!(world.memory.instances.len(), 1);

    let mut successor = Partition::new(first_partition());
    successor.handle(world.memory.open(first_partition()), world.now);
    world.send(start("p0"));
    world.serve();
    assert!(world.words.contains(&Output::StepDown));
    assert_eq!(world.memory.instances.len(), 1);
}

#[test]
fn timers_fire_when_due_also_after_a_restart() {
    let mut world = World::with(&["start > T:timer PT1H > end"]);
    let (one, two) = (world.start("p0"), world.start("p0"));
    assert!(world.words.iter().any(|word| matches!(word, Output::WakeAt(_))));
    world.restart();
    world.advance(3_599_000);
    assert_eq!(world.state(one), InstanceState::Active);
    world.advance(1_000);
    assert_eq!((world.state(one), world.state(two)), (InstanceState::Completed, InstanceState::Completed));
}

#[test]
fn a_lease_without_a_word_costs_an_expiry_and_three_are_an_incident() {
    let mut world = World::with(&["start > A:service > end"]);
    let id = world.start("p0");
    world.partition.handle(offer(9), world.now);
    world.serve();
    for nth in 1..=3 {
        let [(_, _, lease_no)] = world.runs()[..] else { panic!("leased again") };
        assert_eq!(lease_no, nth);
        world.advance(60_000);
    }
    assert_eq!(world.incidents(id), [IncidentKind::FailedExternalTask]);
    assert!(world.runs().is_empty());
}

#[test]
fn a_failed_job_comes_back_after_its_pause() {
    let mut world = World::with(&["start > A:service > end"]);
    let id = world.start("p0");
    world.partition.handle(offer(9), world.now);
    world.serve();
    let [(_, token, lease_no)] = world.runs()[..] else { panic!("leased") };
    let failure = Failure {
        message: "no".into(),
        details: None,
        retries: Some(1),
        after_ms: Some(5_000),
        by_handler: false,
        unknown_outcome: false,
    };
    world.command(id, Command::FailJob { token, claim: claim("w", lease_no), failure: failure.clone() }).unwrap();
    assert!(world.command(id, Command::FailJob { token, claim: claim("w", lease_no), failure }).unwrap().repeated);
    assert!(world.runs().is_empty());
    world.advance(5_000);
    assert_eq!(world.runs(), [(id, token, lease_no + 1)]);
}

#[test]
fn a_job_without_an_offer_is_announced() {
    let mut world = World::with(&["start > A:service > end"]);
    world.start("p0");
    let open = Output::Effect(Notice::JobOpen { topic: "work".into(), kind: JobKind::External });
    assert!(world.words.contains(&open));
}

#[test]
fn a_call_and_its_return_are_one_batch() {
    let mut world = World::with(&["start > C:call p1 > end", "start > task > end", "start > C:call nowhere > end"]);
    let id = world.start("p0");
    assert_eq!(world.state(id), InstanceState::Completed);
    assert_eq!(world.memory.instances.len(), 2);
    let lost = world.start("p2");
    assert_eq!(world.incidents(lost), [IncidentKind::Call]);
}

#[test]
fn a_called_process_returns_after_days_and_is_cancelled_with_its_caller() {
    let mut world = World::with(&["start > C:call p1 > end", "start > A:user > end"]);
    let (one, two) = (world.start("p0"), world.start("p0"));
    let called = |world: &World, by: InstanceId| {
        *world.memory.instances.iter().find(|(_, row)| row.head.caller.is_some_and(|c| c.instance == by)).unwrap().0
    };
    world.restart();
    let child = called(&world, one);
    let task = world.token(child, |row| matches!(row, IndexRow::UserTask(_)));
    world.command(child, Command::CompleteUserTask { token: task, variables: Variables::new() }).unwrap();
    assert_eq!(world.state(one), InstanceState::Completed);
    world.restart();
    let child = called(&world, two);
    world.command(two, Command::Cancel { reason: None }).unwrap();
    assert_eq!((world.state(two), world.state(child)), (InstanceState::Cancelled, InstanceState::Cancelled));
}

#[test]
fn a_process_that_calls_itself_ends_in_an_incident() {
    let mut world = World::with(&["start > C:call p0 > end"]);
    world.start("p0");
    let deepest = world.memory.instances.values().max_by_key(|row| row.head.depth).unwrap().head.id;
    assert_eq!(world.incidents(deepest), [IncidentKind::Limit]);
    assert!(world.memory.instances.len() <= 102);
}

#[test]
fn versions_follow_each_other_and_unknown_keys_are_refused() {
    let mut world = World::new();
    let xml = draw("start > A:user > end");
    for version in 1..=2 {
        let Ok(Reply::Deployed { definitions, .. }) = world.deploy(&xml) else { panic!("deployed") };
        assert_eq!((definitions.len(), definitions[0].version), (1, version));
    }
    world.restart();
    let id = world.start("p");
    let definition = world.memory.instances[&id].head.definition;
    assert_eq!(world.memory.definitions[&definition].version, 2);
    assert!(matches!(world.ask(start("q")), Err(Rejection::DefinitionNotFound(_))));
    let deployment = world.memory.definitions[&definition].deployment;
    world.ask(Work::DeleteDeployment { deployment }).unwrap();
    let id = world.start("p");
    assert_eq!(world.memory.definitions[&world.memory.instances[&id].head.definition].version, 1);
}

#[test]
fn start_timers_start_their_newest_version_and_messages_are_replaced() {
    let timed = |element: &str| {
        format!(
            r#"<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" targetNamespace="t"><process id="p" isExecutable="true"><startEvent id="{element}"><timerEventDefinition><timeCycle>R2/PT1H</timeCycle></timerEventDefinition></startEvent><sequenceFlow id="f" sourceRef="{element}" targetRef="A"/><userTask id="A"/></process></definitions>"#
        )
    };
    let mut world = World::new();
    world.deploy(&timed("old")).unwrap();
    world.deploy(&timed("new")).unwrap();
    assert_eq!(world.memory.starts.len(), 1);
    world.restart();
    world.advance(3_600_000);
    assert_eq!(world.memory.instances.len(), 1);
    world.restart();
    world.advance(3_600_000);
    world.advance(36_000_000);
    assert_eq!(world.memory.instances.len(), 2, "twice, then never again");
    assert!(world.memory.starts.is_empty());
    assert!(world.memory.instances.values().all(|row| row.head.start_element.as_deref() == Some("new")));
}

#[test]
fn a_suspended_definition_starts_nothing_and_its_instances_rest() {
    let mut world = World::with(&["start > T:timer PT1H > end"]);
    let id = world.start("p0");
    let definition = world.memory.instances[&id].head.definition;
    let suspend = |suspended| Work::SuspendDefinition { definition, suspended, instances: vec![id] };
    world.ask(suspend(true)).unwrap();
    assert_eq!(world.ask(start("p0")), Err(Rejection::DefinitionSuspended(definition)));
    world.advance(7_200_000);
    assert_eq!(world.state(id), InstanceState::Suspended);
    world.ask(suspend(false)).unwrap();
    assert_eq!(world.state(id), InstanceState::Completed, "the timer was due meanwhile");
}

#[test]
fn an_unknown_instance_is_not_found() {
    let mut world = World::with(&["start > A:user > end"]);
    let id = world.start("p0");
    let result = CallResult::Failed(String::new());
    let called = Command::CalledInstanceEnded { token: TokenId(1), called: id, result };
    assert!(world.command(id, called).is_err());
    for absent in [InstanceId(1), InstanceId(id.0 + 1_000), InstanceId(1 << 50)] {
        assert_eq!(world.command(absent, Command::Suspend), Err(Rejection::InstanceNotFound(absent)));
    }
}

#[test]
fn a_long_run_goes_on_over_several_commits_and_over_a_crash() {
    let xml = r#"<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" targetNamespace="t"><process id="p" isExecutable="true"><startEvent id="s"/><sequenceFlow id="f1" sourceRef="s" targetRef="x"/><exclusiveGateway id="x"/><sequenceFlow id="f2" sourceRef="x" targetRef="n"/><scriptTask id="n" scriptFormat="rhai"><script>n += 1;</script></scriptTask><sequenceFlow id="f3" sourceRef="n" targetRef="y"/><exclusiveGateway id="y" default="f5"/><sequenceFlow id="f4" sourceRef="y" targetRef="x"><conditionExpression xsi:type="tFormalExpression">${n &lt; 1000}</conditionExpression></sequenceFlow><sequenceFlow id="f5" sourceRef="y" targetRef="e"/><endEvent id="e"/></process></definitions>"#;
    let mut world = World::new();
    world.deploy(xml).unwrap();
    let create = Create { variables: Variables::from([("n".to_owned(), 0.into())]), ..Create::default() };
    let Work::Start { definition, .. } = start("p") else { unreachable!() };
    world.send(Work::Start { definition, create });
    // The first commit is stored, then the node dies.
    let tx = loop {
        match world.partition.poll().unwrap() {
            Output::Commit(tx) => break tx,
            output => {
                let input = world.memory.answer(first_partition(), output).unwrap();
                world.partition.handle(input, world.now);
            }
        }
    };
    world.memory.commit(tx).unwrap();
    let id = *world.memory.instances.keys().next().unwrap();
    assert_eq!(world.state(id), InstanceState::Active);
    world.restart();
    assert_eq!(world.incidents(id), []);
    assert_eq!(world.state(id), InstanceState::Completed);
    assert!(world.memory.records_of(id).count() > 3);
}
