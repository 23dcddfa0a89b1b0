//! A node on a real SQLite file: work by handlers, timers by a clock, a restart that finds everything again.

use crate::base::access::Access;
use crate::base::id::InstanceId;
use crate::base::planted::plant;
use crate::base::time::Timestamp;
use crate::base::variable::{Variables, from_json};
use crate::engine::command::{Command, Create};
use crate::engine::compile::{compile, no_resources};
use crate::engine::incident::IncidentKind;
use crate::engine::instance::{InstanceState, Wait};
use crate::engine::job::Binding;
use crate::handlers::{Cx, Handler, Job, Outcome, Policy, Registry, registry};
use crate::partition::{Bundle, Letter, Reply, Which, Work, first_partition};
use crate::runtime::clock::{Clock, Guard, system};
use crate::runtime::correlate::{Payload, Selector};
use crate::runtime::node::{Config, Node};
use crate::store::Store;
use crate::store::queries::record::JobRecord;
use async_trait::async_trait;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

struct Adds;

#[async_trait]
impl Handler for Adds {
    async fn run(&self, job: Job, _cx: Cx) -> Outcome {
        let x = job.variables.get("x").and_then(|x| x.value.as_i64()).unwrap_or(0);
        Outcome::Complete(from_json(json!({"x": x + 1})))
    }
}

/// Never comes to its end.
struct Waits;

#[async_trait]
impl Handler for Waits {
    async fn run(&self, _job: Job, _cx: Cx) -> Outcome {
        std::future::pending().await
    }
}

/// Never comes to its end, and must not begin twice.
struct Once;

#[async_trait]
impl Handler for Once {
    async fn run(&self, _job: Job, _cx: Cx) -> Outcome {
        std::future::pending().await
    }

    fn policy(&self, _job: &Job) -> Policy {
        Policy::AtMostOnce
    }
}

/// A clock that stands: a virtual one, at the moment at which a killed process left it.
#[derive(Debug)]
struct Stands;

impl Clock for Stands {
    fn now(&self) -> Timestamp {
        Timestamp(1_000)
    }

    fn guard(&self) -> Guard {
        Guard::default()
    }

    fn sleep_until(&self, _at: Timestamp) -> BoxFuture<'static, Guard> {
        std::future::pending().boxed()
    }
}

struct Panics;

#[async_trait]
impl Handler for Panics {
    async fn run(&self, _job: Job, _cx: Cx) -> Outcome {
        panic!("a defect of the handler")
    }
}

const MODEL: &str = r#"<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn" targetNamespace="t">
<message id="m" name="go"/><signal id="sig" name="told"/>
<process id="hears" isExecutable="true"><startEvent id="hs"/><sequenceFlow id="hf" sourceRef="hs" targetRef="hc"/>
<intermediateCatchEvent id="hc"><signalEventDefinition signalRef="sig"/></intermediateCatchEvent><sequenceFlow id="hg" sourceRef="hc" targetRef="he"/><endEvent id="he"/></process>
<process id="many" isExecutable="true"><startEvent id="ms"/><sequenceFlow id="mf" sourceRef="ms" targetRef="mt"/>
<userTask id="mt" camunda:asyncBefore="true"><multiInstanceLoopCharacteristics><loopCardinality>240</loopCardinality></multiInstanceLoopCharacteristics></userTask>
<sequenceFlow id="mg" sourceRef="mt" targetRef="me"/><endEvent id="me"/></process>
<process id="p" isExecutable="true">
<startEvent id="s"/><sequenceFlow id="f1" sourceRef="s" targetRef="add"/>
<serviceTask id="add" camunda:type="external" camunda:topic="add" camunda:asyncBefore="true"/><sequenceFlow id="f2" sourceRef="add" targetRef="wait"/>
<receiveTask id="wait" messageRef="m"/><sequenceFlow id="f3" sourceRef="wait" targetRef="again"/>
<serviceTask id="again" camunda:type="external" camunda:topic="add"/><sequenceFlow id="f4" sourceRef="again" targetRef="e"/>
<endEvent id="e"/>
</process></definitions>"#;

async fn node(folder: &Path) -> Node {
    node_with(folder, Arc::new(Adds)).await
}

async fn node_with(folder: &Path, handler: Arc<dyn Handler>) -> Node {
    node_at(folder, handler, system()).await
}

async fn node_at(folder: &Path, handler: Arc<dyn Handler>, clock: Arc<dyn Clock>) -> Node {
    let store = Store::open(&format!("sqlite:{}", folder.join("test.db").display())).await.expect("it opens");
    let mut registry = Registry::new(registry::Config::default());
    registry.add("add", handler);
    let config =
        Config { store, clock, registry: Arc::new(registry), name: "test".into(), installation: "test".into() };
    Node::start(config).await.expect("it starts")
}

async fn deploy(node: &Node) {
    let compiled = compile(MODEL.as_bytes(), &no_resources).expect("it compiles");
    let processes = compiled.processes.into_iter().map(|process| ("p.bpmn".to_owned(), process)).collect();
    let files = vec![("p.bpmn".to_owned(), Arc::new(MODEL.as_bytes().to_vec()))];
    let bundle = Bundle { name: None, source: None, tenant: String::new(), files, processes, decisions: Vec::new() };
    node.submit(Work::Deploy(Box::new(bundle)), None, None).await.expect("it deploys");
}

async fn start(node: &Node) -> InstanceId {
    start_of(node, "p", None).await
}

async fn start_of(node: &Node, key: &str, business_key: Option<&str>) -> InstanceId {
    let definition = Which::Key { key: key.into(), tenant: String::new(), binding: Binding::Latest, deployment: None };
    let business_key = business_key.map(str::to_owned);
    let create = Create { variables: from_json(json!({"x": 1})), business_key, ..Create::default() };
    match node.submit(Work::Start { definition, create }, None, None).await.expect("it starts") {
        Reply::Started(instance) => instance,
        other => panic!("{other:?}"),
    }
}

/// Until the instance is as wanted; bounded.
async fn until(node: &Node, id: InstanceId, wanted: impl Fn(Option<&Variables>, InstanceState) -> bool) {
    for _ in 0..2_000 {
        let stored = node.store().instances(&[id]).await.expect("it reads").pop().expect("it is stored");
        let live = node.instance(id).await.expect("it reads");
        if wanted(live.as_ref().map(|live| &live.root().variables), stored.state) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("instance {id} did not get there");
}

#[tokio::test(flavor = "multi_thread")]
async fn handlers_work_messages_arrive_and_a_restart_finds_everything_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = node(folder.path()).await;
    deploy(&first).await;
    let id = start(&first).await;
    let worked = |variables: Option<&Variables>, _| variables.is_some_and(|all| all["x"].value == json!(2));
    until(&first, id, worked).await;
    first.shutdown().await;

    let second = node(folder.path()).await;
    let selector = Selector { name: "go".into(), ..Selector::default() };
    second.correlate(&selector, Payload::default()).await.expect("it waits for the message");
    until(&second, id, |_, state| state == InstanceState::Completed).await;
    let nobody = second.correlate(&selector, Payload::default()).await;
    assert!(nobody.is_err(), "nobody waits any more");
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_panics_costs_an_attempt_not_a_slot() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node_with(folder.path(), Arc::new(Panics)).await;
    deploy(&node).await;
    let id = start(&node).await;
    let mut job = None;
    for _ in 0..2_000 {
        let live = node.instance(id).await.expect("it reads").expect("it waits");
        job = live.tokens().find_map(|(_, _, token)| match &token.wait {
            Wait::Job(job) if job.failures > 0 => Some(job.clone()),
            _ => None,
        });
        if job.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let job = job.expect("the failure is reported, long before its lease ends");
    assert_eq!(job.error.map(|error| error.message).as_deref(), Some("the handler of topic add broke off"));
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_database_is_taken_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = node(folder.path()).await;
    deploy(&first).await;
    let second = node(folder.path()).await;
    let definition = Which::Key { key: "p".into(), tenant: String::new(), binding: Binding::Latest, deployment: None };
    let refused = first.submit(Work::Start { definition, create: Create::default() }, None, None).await;
    assert!(refused.is_err(), "it owns nothing any more");
    tokio::time::timeout(Duration::from_secs(5), first.stopped()).await.expect("whoever waits for its end is told");
    assert!(first.is_closing());
    second.shutdown().await;
}

/// The killed process's job is due at the very moment at which the next one begins: it is neither lost nor left.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_a_killed_process_runs_in_the_next_though_the_clock_stands() {
    let folder = tempfile::tempdir().expect("a folder");
    let killed = node_at(folder.path(), Arc::new(Waits), Arc::new(Stands)).await;
    deploy(&killed).await;
    let id = start(&killed).await;
    until(&killed, id, |variables, _| variables.is_some_and(|all| all["x"].value == json!(1))).await;
    let next = node_at(folder.path(), Arc::new(Adds), Arc::new(Stands)).await;
    until(&next, id, |variables, _| variables.is_some_and(|all| all["x"].value == json!(2))).await;
    next.shutdown().await;
}

/// Its handler says so, not the model: a person decides, since nobody knows whether it took effect.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_process_had_begun_and_must_not_begin_twice_becomes_an_incident() {
    let folder = tempfile::tempdir().expect("a folder");
    let killed = node_with(folder.path(), Arc::new(Once)).await;
    deploy(&killed).await;
    let id = start(&killed).await;
    while killed.store().held_jobs(first_partition(), "transhume:test").await.expect("it reads").is_empty() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let next = node_with(folder.path(), Arc::new(Once)).await;
    let live = next.instance(id).await.expect("it reads").expect("it lives");
    let unknown = live.tokens().any(
        |(.., token)| matches!(&token.wait, Wait::Incident(incident) if incident.kind == IncidentKind::UnknownOutcome),
    );
    assert!(unknown, "{live:?}");
    next.shutdown().await;
}

fn signal() -> Letter {
    let (name, variables) = ("told".to_owned(), Variables::new());
    Letter::Signal { name, business_key: None, variables, from: None, tenants: None, to: None }
}

/// Said and not delivered, as when a node dies in between: the next one delivers it, once.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_before_a_kill_is_heard_after_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let killed = node(folder.path()).await;
    deploy(&killed).await;
    let id = start_of(&killed, "hears", None).await;
    let said = killed.submit(Work::Say(signal()), None, None).await.expect("it is kept").said().expect("a letter");
    // Whatever the first node has come to: it owns nothing any more.
    let next = node(folder.path()).await;
    until(&next, id, |_, state| state == InstanceState::Completed).await;
    let later = start_of(&next, "hears", None).await;
    next.deliver(said, &signal()).await;
    until(&next, later, |_, state| state == InstanceState::Active).await;
    next.shutdown().await;
}

/// Each start leaves work for three batches; who asks for something is not behind all of it.
#[tokio::test]
async fn a_command_does_not_wait_for_all_that_is_due() {
    for (bug, all_before_it) in [(Some("due-before-commands"), true), (None, false)] {
        plant(bug);
        let folder = tempfile::tempdir().expect("a folder");
        let node = node(folder.path()).await;
        deploy(&node).await;
        let other = start_of(&node, "hears", None).await;
        for _ in 0..12 {
            start_of(&node, "many", None).await;
        }
        let command = Command::SetVariables { scope: None, set: from_json(json!({"y": 1})), remove: Vec::new() };
        node.command(other, command).await.expect("it is done");
        let open = node.store().count::<JobRecord>(&Access::system(), &[]).await.expect("it reads");
        assert_eq!(open == 0, all_before_it, "{bug:?}: {open} are left");
        node.shutdown().await;
    }
}

/// One that the engine fails on does not keep a signal from the others.
#[tokio::test]
async fn a_signal_reaches_those_beside_one_that_cannot_take_it() {
    plant(Some("poison"));
    let folder = tempfile::tempdir().expect("a folder");
    let node = node(folder.path()).await;
    deploy(&node).await;
    let before = start_of(&node, "hears", None).await;
    let poisoned = start_of(&node, "hears", Some("poison")).await;
    let after = start_of(&node, "hears", None).await;
    let said = node.submit(Work::Say(signal()), None, None).await.expect("it is kept").said().expect("a letter");
    node.deliver(said, &signal()).await;
    for (id, wanted) in
        [(before, InstanceState::Completed), (poisoned, InstanceState::Active), (after, InstanceState::Completed)]
    {
        until(&node, id, |_, state| state == wanted).await;
    }
    node.shutdown().await;
    plant(None);
}
