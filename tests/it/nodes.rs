//! Several nodes on one PostgreSQL: each has its share of the partitions, any answers for all, and one that goes leaves its share
//! to the others.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use transhume::base::id::{InstanceId, PartitionId};
use transhume::base::variable::Variables;
use transhume::engine::command::{Command, Create};
use transhume::handlers::{Cx, Handler, Job, Outcome, Registry, registry};
use transhume::partition::transaction::{Binding, CommandKey, InstanceState};
use transhume::partition::{Bundle, Which, Work};
use transhume::runtime::clock::DatabaseClock;
use transhume::runtime::correlate::{Payload, Selector};
use transhume::runtime::node::{Config, Node};
use transhume::store::Store;

use crate::support::postgres;

const MODEL: &str = r#"<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn" targetNamespace="t">
<message id="m" name="go"/><signal id="s" name="all"/>
<process id="waits" isExecutable="true"><startEvent id="a"/><sequenceFlow id="f1" sourceRef="a" targetRef="b"/>
<receiveTask id="b" messageRef="m"/><sequenceFlow id="f2" sourceRef="b" targetRef="c"/>
<intermediateCatchEvent id="c"><signalEventDefinition signalRef="s"/></intermediateCatchEvent><sequenceFlow id="f3" sourceRef="c" targetRef="d"/><endEvent id="d"/></process>
<process id="tells" isExecutable="true"><startEvent id="ta"/><sequenceFlow id="tf" sourceRef="ta" targetRef="tb"/>
<endEvent id="tb"><signalEventDefinition signalRef="s"/></endEvent></process>
<process id="works" isExecutable="true"><startEvent id="wa"/><sequenceFlow id="wf" sourceRef="wa" targetRef="wb"/>
<serviceTask id="wb" camunda:type="external" camunda:topic="t"/><sequenceFlow id="wg" sourceRef="wb" targetRef="wc"/><endEvent id="wc"/></process>
<process id="busy" isExecutable="true"><startEvent id="ba"/><sequenceFlow id="bf" sourceRef="ba" targetRef="bb"/>
<serviceTask id="bb" camunda:type="external" camunda:topic="nothing"><multiInstanceLoopCharacteristics><loopCardinality>4</loopCardinality></multiInstanceLoopCharacteristics></serviceTask>
<sequenceFlow id="bg" sourceRef="bb" targetRef="bc"/><endEvent id="bc"/></process>
</definitions>"#;

/// A moment of work.
struct Nothing;

#[async_trait::async_trait]
impl Handler for Nothing {
    async fn run(&self, _job: Job, _cx: Cx) -> Outcome {
        tokio::time::sleep(Duration::from_millis(2)).await;
        Outcome::Complete(Variables::new())
    }
}

async fn node(address: &str, name: &str) -> Node {
    let store = Store::open(address).await.expect("PostgreSQL opens");
    let mut registry = Registry::new(registry::Config::default());
    registry.add("nothing", Arc::new(Nothing));
    let registry = Arc::new(registry);
    let clock = Arc::new(DatabaseClock::default());
    let config = Config { store, clock, registry, name: name.into(), installation: "test".into() };
    Node::start(config).await.expect("it starts")
}

/// Bounded: what does not come in this time will not come.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..1_500 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("in vain: {what}");
}

/// Each partition has one of these nodes, and none has more than its share.
async fn shared(nodes: &[&Node]) {
    until("the partitions are shared", async || {
        let all: Vec<PartitionId> = nodes.iter().flat_map(|node| node.partitions()).collect();
        let share = 16_usize.div_ceil(nodes.len());
        all.len() == 16
            && all.iter().collect::<BTreeSet<_>>().len() == 16
            && nodes.iter().all(|node| node.partitions().len() <= share)
    })
    .await;
}

async fn deploy(node: &Node) {
    let files = vec![("m.bpmn".to_owned(), Arc::new(MODEL.as_bytes().to_vec()))];
    let bundle = Bundle::read(None, None, String::new(), files).expect("it compiles").bundle;
    node.submit(Work::Deploy(Box::new(bundle)), None, None).await.expect("it is deployed");
}

fn start(key: &str) -> Work {
    let definition = Which::Key { key: key.into(), tenant: String::new(), binding: Binding::Latest, deployment: None };
    Work::Start { definition, create: Create::default() }
}

async fn started(node: &Node, key: &str, under: Option<&str>) -> InstanceId {
    let key_of = |key: &str| CommandKey { tenant: String::new(), route: "start".into(), key: key.to_owned() };
    let reply = node.submit(start(key), under.map(|under| (key_of(under), "digest".to_owned())), None).await;
    match reply.expect("it starts") {
        transhume::partition::Reply::Repeated(first) => {
            let first: serde_json::Value = serde_json::from_str(&first).expect("JSON");
            InstanceId(first["started"].as_str().expect("an id").parse().expect("a number"))
        }
        reply => reply.started().expect("an instance"),
    }
}

async fn state(node: &Node, id: InstanceId) -> InstanceState {
    node.store().instances(&[id]).await.expect("it reads").pop().expect("it is stored").state
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_share_the_partitions_and_any_answers_for_all() {
    let Some(address) = postgres::database("three_nodes_share_the_partitions_and_any_answers_for_all").await else {
        return;
    };
    let a = node(&address, "a").await;
    assert_eq!(a.partitions().len(), 16, "the first has all at once");
    let (b, c) = (node(&address, "b").await, node(&address, "c").await);
    let nodes = [&a, &b, &c];
    shared(&nodes).await;

    // Deployed at a node that does not run the first partition, and started at once at every other.
    let far = nodes.iter().find(|node| !node.partitions().contains(&PartitionId(0))).expect("one has it only");
    deploy(far).await;
    let mut waiting = Vec::new();
    for number in 0..200 {
        waiting.push(started(nodes[number % 3], "waits", None).await);
    }
    let homes: BTreeSet<PartitionId> = waiting.iter().map(|id| id.partition()).collect();
    assert!(homes.len() > 2, "instances are spread: {homes:?}");

    // The same key at every node is the same start.
    let mut same = BTreeSet::new();
    for node in nodes {
        same.insert(started(node, "waits", Some("k")).await);
    }
    assert_eq!(same.len(), 1);
    waiting.extend(same);

    // A message to each by whichever node; then a signal that one instance throws.
    for (number, id) in waiting.iter().enumerate() {
        let selector = Selector { name: "go".into(), instance: Some(*id), ..Selector::default() };
        nodes[(number + 1) % 3].correlate(&selector, Payload::default()).await.expect("it waits for the message");
    }
    let teller = started(&b, "tells", None).await;
    until("everybody hears the signal", async || {
        let mut done = state(&a, teller).await == InstanceState::Completed;
        for id in &waiting {
            done &= state(&a, *id).await == InstanceState::Completed;
        }
        done
    })
    .await;
    leases(&nodes).await;

    // One leaves, and the others have its share at once; its instances go on there.
    let last = started(&c, "waits", None).await;
    c.shutdown().await;
    shared(&[&a, &b]).await;
    let selector = Selector { name: "go".into(), instance: Some(last), ..Selector::default() };
    a.correlate(&selector, Payload::default()).await.expect("it waits for the message");
    for node in [a, b] {
        node.shutdown().await;
    }
}

/// Many more jobs than this node has hands, over all partitions: none is forgotten when hands are free again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_handlers_of_a_node_serve_all_its_partitions() {
    let Some(address) = postgres::database("the_handlers_of_a_node_serve_all_its_partitions").await else { return };
    let node = node(&address, "a").await;
    deploy(&node).await;
    let all: Vec<InstanceId> = futures_util::future::join_all((0..400).map(|_| started(&node, "busy", None))).await;
    until("every job is done", async || {
        let stored = node.store().instances(&all).await.expect("it reads");
        stored.iter().all(|instance| instance.state == InstanceState::Completed)
    })
    .await;
    node.shutdown().await;
}

/// PostgreSQL keeps no text with the character NUL: whoever makes one is refused, and nobody else waits for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_database_does_not_take_holds_nobody_up() {
    let Some(address) = postgres::database("what_the_database_does_not_take_holds_nobody_up").await else { return };
    let node = node(&address, "a").await;
    let script = r#"<process id="spoils" isExecutable="true"><startEvent id="sa"/><sequenceFlow id="sf" sourceRef="sa" targetRef="sb"/>
<scriptTask id="sb" scriptFormat="rhai"><script>set_variable("x", "a\x00b")</script></scriptTask><sequenceFlow id="sg" sourceRef="sb" targetRef="sc"/><userTask id="sc"/></process></definitions>"#;
    let files = vec![("m.bpmn".to_owned(), Arc::new(MODEL.replace("</definitions>", script).into_bytes()))];
    let bundle = Bundle::read(None, None, String::new(), files).expect("it compiles").bundle;
    node.submit(Work::Deploy(Box::new(bundle)), None, None).await.expect("it is deployed");
    let all = (0..40).map(|number| node.submit(start(if number % 4 == 0 { "spoils" } else { "waits" }), None, None));
    let all = futures_util::future::join_all(all).await;
    for (number, reply) in all.into_iter().enumerate() {
        match reply {
            Ok(_) => assert!(number % 4 != 0, "start {number}"),
            Err(error) => assert!(number % 4 == 0 && error.to_string().contains("does not take"), "{number}: {error}"),
        }
    }
    node.shutdown().await;
}

/// Jobs of every partition are leased by one request, and a repeat of it gets the same.
async fn leases(nodes: &[&Node]) {
    let mut jobs = Vec::new();
    for number in 0..30 {
        let id = started(nodes[number % 3], "works", None).await;
        let live = nodes[0].instance(id).await.expect("it reads").expect("it lives");
        jobs.push((id, *live.root().tokens.keys().next().expect("a token")));
    }
    let work = |jobs: &[_], max| Work::Lease {
        candidates: jobs.to_vec(),
        holder: "w".into(),
        until: nodes[0].clock().now().plus_ms(60_000),
        max,
    };
    let key = |key: &str| CommandKey { tenant: String::new(), route: "fetch".into(), key: key.to_owned() };
    let first = nodes[1].submit(work(&jobs[..20], 20), Some((key("f"), "d".into())), None).await;
    let first = first.expect("they are leased").leased().expect("leases");
    let again = nodes[2].submit(work(&jobs[10..], 20), Some((key("f"), "d".into())), None).await;
    let mut again = again.expect("it is a repeat").leased().expect("leases");
    let mut wanted = first.clone();
    wanted.sort();
    again.sort();
    assert_eq!((first.len(), &again), (20, &wanted));
    // Those that are taken are passed over.
    let rest = nodes[0].submit(work(&jobs, 5), None, None).await.expect("leased").leased().expect("leases");
    assert_eq!(rest.len(), 5);
    for (number, (instance, token, lease_no)) in first.into_iter().enumerate() {
        let claim = transhume::engine::job::Claim { holder: "w".into(), lease_no: Some(lease_no) };
        let command = Command::CompleteJob {
            token,
            claim,
            variables: Variables::new(),
            local: Variables::new(),
            decisions: Vec::new(),
        };
        for _ in 0..2 {
            nodes[number % 3].command(instance, command.clone()).await.expect("it is taken, and a repeat too");
        }
        assert_eq!(state(nodes[0], instance).await, InstanceState::Completed);
    }
}
