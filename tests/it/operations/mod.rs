//! What an operator does with a database: judging, backup and restore, clean-up, upgrade, watching, stopping.

mod backup;
mod cleaning;
mod serving;
mod upgrade;
mod verify;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use sqlx::{Connection, Executor, PgConnection, SqliteConnection};
use transhume::base::id::{InstanceId, TokenId};
use transhume::base::variable::{Variables, from_json};
use transhume::engine::command::{Command, Create};
use transhume::engine::instance::{Instance, Wait};
use transhume::engine::job::{Binding, Claim};
use transhume::handlers::{Cx, Handler, Job, Outcome, Registry, registry};
use transhume::partition::{Bundle, Reply, Which, Work};
use transhume::runtime::clock::system;
use transhume::runtime::node::{Config, Node};
use transhume::store::Store;

const MODEL: &str = r#"<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" targetNamespace="t">
<message id="m" name="go"/>
<process id="many" isExecutable="true"><startEvent id="s"/><sequenceFlow id="f0" sourceRef="s" targetRef="fork"/><parallelGateway id="fork"/>
<sequenceFlow id="f1" sourceRef="fork" targetRef="check"/><userTask id="check" camunda:candidateGroups="crew"/><sequenceFlow id="g1" sourceRef="check" targetRef="e1"/><endEvent id="e1"/>
<boundaryEvent id="late" attachedToRef="check" cancelActivity="false"><timerEventDefinition><timeDuration>PT2H</timeDuration></timerEventDefinition></boundaryEvent><sequenceFlow id="g6" sourceRef="late" targetRef="e6"/><endEvent id="e6"/>
<sequenceFlow id="f2" sourceRef="fork" targetRef="order"/><serviceTask id="order" camunda:type="external" camunda:topic="worker"/><sequenceFlow id="g2" sourceRef="order" targetRef="e2"/><endEvent id="e2"/>
<sequenceFlow id="f3" sourceRef="fork" targetRef="hear"/><receiveTask id="hear" messageRef="m"/><sequenceFlow id="g3" sourceRef="hear" targetRef="e3"/><endEvent id="e3"/>
<sequenceFlow id="f4" sourceRef="fork" targetRef="call"/><callActivity id="call" calledElement="inner"/><sequenceFlow id="g4" sourceRef="call" targetRef="e4"/><endEvent id="e4"/>
<sequenceFlow id="f5" sourceRef="fork" targetRef="fork2"/><exclusiveGateway id="fork2"/><sequenceFlow id="g5" sourceRef="fork2" targetRef="e5"><conditionExpression xsi:type="tFormalExpression">${absent}</conditionExpression></sequenceFlow><endEvent id="e5"/>
<sequenceFlow id="f7" sourceRef="fork" targetRef="sub"/><subProcess id="sub"><startEvent id="ss"/><sequenceFlow id="sf" sourceRef="ss" targetRef="hold"/><userTask id="hold"/></subProcess>
</process>
<process id="inner" isExecutable="true"><startEvent id="is"/><sequenceFlow id="if" sourceRef="is" targetRef="it"/><userTask id="it"/><sequenceFlow id="ig" sourceRef="it" targetRef="ie"/><endEvent id="ie"/></process>
<process id="short" isExecutable="true"><startEvent id="qs"/><sequenceFlow id="qf" sourceRef="qs" targetRef="qt"/><userTask id="qt"/><sequenceFlow id="qg" sourceRef="qt" targetRef="qw"/>
<intermediateCatchEvent id="qw"><timerEventDefinition><timeDuration>PT0.01S</timeDuration></timerEventDefinition></intermediateCatchEvent><sequenceFlow id="qh" sourceRef="qw" targetRef="qe"/><endEvent id="qe"/></process>
<process id="ordering" isExecutable="true" camunda:historyTimeToLive="2"><startEvent id="os"/><sequenceFlow id="of" sourceRef="os" targetRef="wait"/><userTask id="wait"/><sequenceFlow id="og" sourceRef="wait" targetRef="place"/>
<serviceTask id="place" camunda:type="external" camunda:topic="place"/><sequenceFlow id="oh" sourceRef="place" targetRef="oe"/><endEvent id="oe"/></process>
</definitions>"#;

/// Keeps the keys under which it was asked to order.
#[derive(Clone, Default)]
struct Orders(Arc<Mutex<Vec<String>>>);

#[async_trait]
impl Handler for Orders {
    async fn run(&self, job: Job, _cx: Cx) -> Outcome {
        self.0.lock().expect("ours").push(job.key);
        Outcome::Complete(Variables::new())
    }
}

fn file(folder: &Path) -> String {
    format!("sqlite:{}", folder.join("test.db").display())
}

/// A node with the name of the database's installation, as `serve` makes it.
async fn node(address: &str, orders: &Orders) -> Node {
    let store = Store::open(address).await.expect("it opens");
    let clock = system();
    let installation = store.installation("here", clock.now()).await.expect("it has a name").name;
    let mut registry = Registry::new(registry::Config::default());
    registry.add("place", Arc::new(orders.clone()));
    let config = Config { store, clock, registry: Arc::new(registry), name: "test".into(), installation };
    Node::start(config).await.expect("it starts")
}

async fn deploy(node: &Node, tenant: &str) {
    let files = vec![("m.bpmn".to_owned(), Arc::new(MODEL.as_bytes().to_vec()))];
    let bundle = Bundle::read(None, None, tenant.to_owned(), files).expect("it compiles").bundle;
    node.submit(Work::Deploy(Box::new(bundle)), None, None).await.expect("it deploys");
}

async fn start(node: &Node, key: &str, tenant: &str) -> InstanceId {
    let definition = Which::Key { key: key.into(), tenant: tenant.into(), binding: Binding::Latest, deployment: None };
    let create = Create { variables: from_json(json!({"n": 1.5, "word": "x"})), ..Create::default() };
    match node.submit(Work::Start { definition, create }, None, None).await.expect("it starts") {
        Reply::Started(instance) => instance,
        other => panic!("{other:?}"),
    }
}

async fn live(node: &Node, id: InstanceId) -> Instance {
    node.instance(id).await.expect("it reads").expect("it runs")
}

/// The token that waits at this element.
async fn at(node: &Node, id: InstanceId, element: &str) -> TokenId {
    let instance = live(node, id).await;
    let process = &instance.definition.process;
    let found = instance.tokens().find(|(_, _, token)| &*process.node(token.at).id == element);
    found.map(|(_, id, _)| id).unwrap_or_else(|| panic!("nothing waits at {element}"))
}

async fn complete(node: &Node, id: InstanceId, element: &str) {
    let token = at(node, id, element).await;
    let command = Command::CompleteUserTask { token, variables: from_json(json!({"done": true})) };
    node.command(id, command).await.expect("it is completed");
}

async fn until_ended(node: &Node, id: InstanceId) {
    for _ in 0..2_000 {
        let stored = node.store().instances(&[id]).await.expect("it reads").pop().expect("it is stored");
        if stored.state.is_ended() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("instance {id} does not end");
}

/// One instance that waits in every way, one called, one that has ended after a task and a timer.
struct Sample {
    waiting: InstanceId,
    called: InstanceId,
    ended: InstanceId,
    worked: InstanceId,
}

async fn sample(node: &Node) -> Sample {
    deploy(node, "north").await;
    let waiting = start(node, "many", "north").await;
    let call = live(node, waiting).await;
    let called = call.tokens().find_map(|(_, _, token)| match token.wait {
        Wait::Called(called) => Some(called),
        _ => None,
    });
    let ended = start(node, "short", "north").await;
    complete(node, ended, "qt").await;
    until_ended(node, ended).await;
    let token = at(node, waiting, "order").await;
    lease(node, waiting, token, "one").await;
    let worked = start(node, "many", "north").await;
    let token = at(node, worked, "order").await;
    lease(node, worked, token, "two").await;
    let claim = Claim { holder: "two".into(), lease_no: Some(1) };
    let (variables, local) = (Variables::new(), Variables::new());
    let done = Command::CompleteJob { token, claim, variables, local, decisions: Vec::new() };
    node.command(worked, done).await.expect("it is taken");
    Sample { waiting, called: called.expect("it called"), ended, worked }
}

async fn lease(node: &Node, instance: InstanceId, token: TokenId, holder: &str) {
    let until = node.clock().now().plus_ms(600_000);
    let work = Work::Lease { candidates: vec![(instance, token)], holder: holder.into(), until, max: 1 };
    node.submit(work, None, None).await.expect("it is leased");
}

/// A statement beside the engine, as only a fault would make it.
async fn sql(address: &str, text: &str) {
    let text = sqlx::AssertSqlSafe(text.to_owned());
    if address.starts_with("sqlite:") {
        let mut own = SqliteConnection::connect(address).await.expect("connects");
        own.execute(sqlx::query(text)).await.expect("it runs");
        own.close().await.expect("it closes");
    } else {
        let mut own = PgConnection::connect(address).await.expect("connects");
        own.execute(sqlx::query(text)).await.expect("it runs");
        own.close().await.expect("it closes");
    }
}

async fn number(address: &str, text: &str) -> i64 {
    let text = sqlx::AssertSqlSafe(text.to_owned());
    if address.starts_with("sqlite:") {
        let mut own = SqliteConnection::connect(address).await.expect("connects");
        sqlx::query_scalar(text).fetch_one(&mut own).await.expect("it answers")
    } else {
        let mut own = PgConnection::connect(address).await.expect("connects");
        sqlx::query_scalar(text).fetch_one(&mut own).await.expect("it answers")
    }
}
