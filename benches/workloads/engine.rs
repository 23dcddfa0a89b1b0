//! One node in this process, on its own database, as the binary starts it; without HTTP.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;
use tokio::sync::Semaphore;
use transhume::base::access::Access;
use transhume::base::id::{InstanceId, TokenId};
use transhume::base::variable::{Variables, from_json};
use transhume::engine::command::{Answer, Command, Create};
use transhume::engine::compile::{compile, no_resources};
use transhume::engine::instance::InstanceState;
use transhume::engine::job::{Binding, Claim};
use transhume::handlers::{Cx, Handler, Job, Outcome, Registry, registry};
use transhume::partition::{Bundle, Reply, Which, Work};
use transhume::runtime::clock::system;
use transhume::runtime::node::{Config, Node, SubmitError};
use transhume::store::Store;
use transhume::store::queries::record::{InstanceRecord, JobRecord, state_code};
use transhume::store::queries::select::{Condition, Select, column};

use crate::Failure;

pub(crate) struct Engine {
    node: Node,
    /// One permit for each no-op task that has been handed to its handler.
    pub(crate) handled: Arc<Semaphore>,
}

struct Noop(Arc<Semaphore>);

#[async_trait]
impl Handler for Noop {
    async fn run(&self, _job: Job, _cx: Cx) -> Outcome {
        self.0.add_permits(1);
        Outcome::Complete(Variables::new())
    }
}

impl Engine {
    pub(crate) async fn on(database: &str, model: &str) -> Result<Self, Failure> {
        let handled = Arc::new(Semaphore::new(0));
        let mut registry = Registry::new(registry::Config::default());
        registry.add("bench.noop", Arc::new(Noop(Arc::clone(&handled))));
        let store = Store::open(database).await?;
        let (name, installation) = ("bench".to_owned(), "bench".to_owned());
        let config = Config { store, clock: system(), registry: Arc::new(registry), name, installation };
        let engine = Self { node: Node::start(config).await?, handled };
        engine.deploy(model).await?;
        Ok(engine)
    }

    async fn deploy(&self, model: &str) -> Result<(), Failure> {
        let file = format!("{}/benches/models/{model}.bpmn", env!("CARGO_MANIFEST_DIR"));
        let bytes = std::fs::read(&file)?;
        let compiled = compile(&bytes, &no_resources).map_err(|found| format!("{file}: {found:?}"))?;
        let processes = compiled.processes.into_iter().map(|process| (file.clone(), process)).collect();
        let files = vec![(file.clone(), Arc::new(bytes))];
        let (tenant, decisions) = (String::new(), Vec::new());
        let bundle = Bundle { name: None, source: None, tenant, files, processes, decisions };
        self.node.submit(Work::Deploy(Box::new(bundle)), None, None).await?;
        Ok(())
    }

    /// Starts an instance with three small variables; the answer comes when that is durable.
    pub(crate) async fn start(&self, model: &str) -> Result<InstanceId, Failure> {
        let (key, tenant) = (model.to_owned(), String::new());
        let definition = Which::Key { key, tenant, binding: Binding::Latest, deployment: None };
        let variables = from_json(json!({"name": "order-0000000001", "amount": 42, "urgent": true}));
        let create = Create { variables, ..Create::default() };
        match self.node.submit(Work::Start { definition, create }, None, None).await? {
            Reply::Started(instance) => Ok(instance),
            other => Err(format!("a start is answered by {other:?}").into()),
        }
    }

    pub(crate) async fn command(&self, instance: InstanceId, command: Command) -> Result<Answer, SubmitError> {
        self.node.command(instance, command).await
    }

    /// The one token that waits in a new instance.
    pub(crate) async fn waiting(&self, instance: InstanceId) -> Result<TokenId, Failure> {
        let live = self.node.instance(instance).await?.ok_or("the instance has ended already")?;
        Ok(*live.root().tokens.keys().next().ok_or("nothing waits")?)
    }

    /// What a worker does: looks for open tasks, leases those that can still be had.
    pub(crate) async fn fetch(&self, worker: usize, max: usize) -> Result<Vec<(InstanceId, TokenId, Claim)>, Failure> {
        let conditions = vec![Condition::equal(column::TOPIC, "bench.step"), Condition::Empty(column::HOLDER)];
        let first = (worker * max) as i64;
        let select = Select { conditions, order: Vec::new(), first, limit: Some(max as i64) };
        let rows: Vec<JobRecord> = self.node.store().list(&Access::system(), &select).await?;
        let candidates: Vec<_> =
            rows.iter().map(|row| (InstanceId(row.instance), TokenId(row.token.try_into().unwrap_or(0)))).collect();
        if candidates.is_empty() {
            return Ok(Vec::new());
        }
        let holder = format!("worker-{worker}");
        let until = self.node.clock().now().plus_ms(60_000);
        let lease = Work::Lease { candidates, holder: holder.clone(), until, max };
        match self.node.submit(lease, None, None).await? {
            Reply::Leased(leased) => Ok(leased
                .into_iter()
                .map(|(instance, token, lease_no)| {
                    let claim = Claim { holder: holder.clone(), lease_no: Some(lease_no) };
                    (instance, token, claim)
                })
                .collect()),
            other => Err(format!("a lease is answered by {other:?}").into()),
        }
    }

    /// Instances that have come to their end, as the database counts them.
    pub(crate) async fn completed(&self) -> Result<i64, Failure> {
        let done = Condition::equal(column::STATE, state_code(InstanceState::Completed));
        Ok(self.node.store().count::<InstanceRecord>(&Access::system(), &[done]).await?)
    }

    pub(crate) async fn stop(self) {
        self.node.shutdown().await;
    }
}
