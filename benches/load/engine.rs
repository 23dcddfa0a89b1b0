//! One node in this process, on its own database, as the binary starts it; without HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use transhume::base::access::Access;
use transhume::base::id::{InstanceId, TokenId};
use transhume::base::variable::{Variables, from_json};
use transhume::engine::command::{Answer, Command, Create, Failure as JobFailure};
use transhume::engine::job::{Binding, Claim};
use transhume::handlers::{Cx, Handler, Job, Outcome, Registry, registry};
use transhume::partition::view::JobView;
use transhume::partition::{Bundle, Done, Inline, Inlines, Reply, Which, Work};
use transhume::runtime::clock::{Clock, system};
use transhume::runtime::node::{Config, Node, SubmitError};
use transhume::store::Store;
use transhume::store::queries::record::{JobRecord, TaskRecord};
use transhume::store::queries::select::{Condition, Select, column};

use super::Failure;

pub(crate) struct Engine {
    pub(crate) node: Node,
    /// One permit for each no-op task that has been handed to its handler.
    pub(crate) handled: Arc<Semaphore>,
    sequence: AtomicU64,
    picking: tokio::sync::Mutex<()>,
    /// Tasks that have been picked and not leased yet.
    picked: AtomicUsize,
}

/// A leased external task.
pub(crate) type Leased = (InstanceId, TokenId, Claim);

/// The topic of no-op tasks in the models, and that of those under a lease.
const NOOP: &str = "bench.noop";
pub(crate) const LEASED: &str = "bench.leased";

struct Noop(Arc<Semaphore>);

#[async_trait]
impl Handler for Noop {
    async fn run(&self, _job: Job, _cx: Cx) -> Outcome {
        self.0.add_permits(1);
        Outcome::Complete(Variables::new())
    }
}

#[derive(Debug)]
struct InStep;

impl Inline for InStep {
    fn run(&self, _job: &JobView) -> Done {
        Done::Complete(Variables::new())
    }
}

impl Engine {
    pub(crate) async fn on(database: &str, models: &[&str]) -> Result<Self, Failure> {
        Self::with_clock(database, models, system()).await
    }

    pub(crate) async fn with_clock(database: &str, models: &[&str], clock: Arc<dyn Clock>) -> Result<Self, Failure> {
        let handled = Arc::new(Semaphore::new(0));
        let mut registry = Registry::new(registry::Config::default());
        registry.add(LEASED, Arc::new(Noop(Arc::clone(&handled))));
        let store = Store::open(database).await?;
        let (name, installation) = ("bench".to_owned(), "bench".to_owned());
        let config = Config { store, clock, registry: Arc::new(registry), name, installation };
        let node = Node::start_with(config, in_step()).await?;
        let (sequence, picking, picked) = (AtomicU64::new(0), tokio::sync::Mutex::default(), AtomicUsize::new(0));
        let engine = Self { node, handled, sequence, picking, picked };
        for model in models {
            engine.deploy(model, "").await?;
        }
        Ok(engine)
    }

    pub(crate) async fn deploy(&self, model: &str, tenant: &str) -> Result<(), Failure> {
        self.node.submit(Work::Deploy(Box::new(bundle(model, tenant)?)), None, None).await?;
        Ok(())
    }

    /// Starts an instance with three small variables; the answer comes when that is durable.
    pub(crate) async fn start(&self, model: &str) -> Result<InstanceId, Failure> {
        self.start_with(model, "", None).await
    }

    /// The same in a tenant, with one more variable.
    pub(crate) async fn start_with(
        &self,
        model: &str,
        tenant: &str,
        more: Option<(&str, Value)>,
    ) -> Result<InstanceId, Failure> {
        let number = self.sequence.fetch_add(1, Ordering::Relaxed);
        match self.node.submit(starting(model, tenant, number, more), None, None).await? {
            Reply::Started(instance) => Ok(instance),
            other => Err(format!("a start is answered by {other:?}").into()),
        }
    }

    pub(crate) async fn command(&self, instance: InstanceId, command: Command) -> Result<Answer, SubmitError> {
        self.node.command(instance, command).await
    }

    pub(crate) async fn complete_task(&self, instance: InstanceId, token: TokenId) -> Result<(), Failure> {
        self.command(instance, Command::CompleteUserTask { token, variables: Variables::new() }).await?;
        Ok(())
    }

    pub(crate) async fn complete_job(&self, (instance, token, claim): Leased) -> Result<(), Failure> {
        let (variables, local) = (Variables::new(), Variables::new());
        let complete = Command::CompleteJob { token, claim, variables, local, decisions: Vec::new() };
        self.command(instance, complete).await?;
        Ok(())
    }

    /// A worker's failure with one attempt left, at once.
    pub(crate) async fn fail_job(&self, (instance, token, claim): Leased) -> Result<(), Failure> {
        let failure = JobFailure {
            message: "it fails once".to_owned(),
            details: None,
            retries: Some(1),
            after_ms: Some(0),
            by_handler: false,
            unknown_outcome: false,
        };
        self.command(instance, Command::FailJob { token, claim, failure }).await?;
        Ok(())
    }

    /// The one token that waits in a new instance.
    pub(crate) async fn waiting(&self, instance: InstanceId) -> Result<TokenId, Failure> {
        let live = self.node.instance(instance).await?.ok_or("the instance has ended already")?;
        Ok(*live.root().tokens.keys().next().ok_or("nothing waits")?)
    }

    /// The user task of an instance, as a client finds it who knows the instance only.
    pub(crate) async fn task_of(&self, instance: InstanceId) -> Result<TokenId, Failure> {
        let conditions = vec![Condition::equal(column::INSTANCE, instance.0)];
        let select = Select { conditions, limit: Some(1), ..Select::default() };
        let rows: Vec<TaskRecord> = self.node.store().list(&Access::system(), &select).await?;
        let row = rows.first().ok_or("the instance has no task")?;
        Ok(TokenId(row.token.try_into()?))
    }

    /// What a worker does: looks for open tasks, leases those that can still be had.
    pub(crate) async fn fetch(&self, topic: &str, worker: usize, max: usize) -> Result<Vec<Leased>, Failure> {
        let candidates = self.pick(topic, max).await?;
        if candidates.is_empty() {
            return Ok(Vec::new());
        }
        let picked = candidates.len();
        let leased = self.lease(candidates, worker, max).await;
        self.picked.fetch_sub(picked, Ordering::SeqCst);
        leased
    }

    /// One looks at a time, and passes over what others are about to lease: two workers never want the same task.
    async fn pick(&self, topic: &str, max: usize) -> Result<Vec<(InstanceId, TokenId)>, Failure> {
        let _alone = self.picking.lock().await;
        let conditions = vec![
            Condition::equal(column::TOPIC, topic),
            Condition::Empty(column::HOLDER),
            Condition::flag(column::FAILED, false),
        ];
        let first = self.picked.load(Ordering::SeqCst) as i64;
        // As `fetchAndLock` asks: the order of the index of open jobs.
        let order = vec![(column::PRIORITY.into(), true)];
        let select = Select { conditions, order, first, limit: Some(max as i64) };
        let rows: Vec<JobRecord> = self.node.store().list(&Access::system(), &select).await?;
        self.picked.fetch_add(rows.len(), Ordering::SeqCst);
        Ok(rows.iter().map(|row| (InstanceId(row.instance), TokenId(row.token.try_into().unwrap_or(0)))).collect())
    }

    async fn lease(
        &self,
        candidates: Vec<(InstanceId, TokenId)>,
        worker: usize,
        max: usize,
    ) -> Result<Vec<Leased>, Failure> {
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

    /// External tasks that are open, of handlers in this process too.
    pub(crate) async fn open_jobs(&self) -> Result<i64, Failure> {
        Ok(self.node.store().count::<JobRecord>(&Access::system(), &[]).await?)
    }

    /// Gives back what this node holds, and ends.
    pub(crate) async fn stop(&self) {
        self.node.shutdown().await;
    }
}

/// What does no-op tasks inside the step.
pub(crate) fn in_step() -> Inlines {
    let no_op: Arc<dyn Inline> = Arc::new(InStep);
    Inlines::from([(NOOP.to_owned(), no_op)])
}

/// A model of `benches/models` as a deployment; with an `l` at its end that with tasks under a lease.
pub(crate) fn bundle(model: &str, tenant: &str) -> Result<Bundle, Failure> {
    let (base, leased) = model.strip_suffix('l').map_or((model, false), |base| (base, true));
    let file = model_file(base);
    let mut bytes = std::fs::read(&file)?;
    if leased {
        let text = String::from_utf8(bytes)?.replace(NOOP, LEASED);
        bytes = text.replace(&format!("process id=\"{base}\""), &format!("process id=\"{model}\"")).into();
    }
    let files = vec![(file.clone(), Arc::new(bytes))];
    let read = Bundle::read(None, None, tenant.to_owned(), files);
    Ok(read.map_err(|found| format!("{file}: {found:?}"))?.bundle)
}

pub(crate) fn model_file(model: &str) -> String {
    format!("{}/benches/models/{model}.bpmn", env!("CARGO_MANIFEST_DIR"))
}

/// The start of an instance with three small variables: a text, a number and a truth value.
pub(crate) fn starting(model: &str, tenant: &str, number: u64, more: Option<(&str, Value)>) -> Work {
    let (key, tenant) = (model.to_owned(), tenant.to_owned());
    let definition = Which::Key { key, tenant, binding: Binding::Latest, deployment: None };
    let mut variables = json!({
        "name": format!("order-{number:010}"), "amount": number % 100_000, "urgent": number.is_multiple_of(2),
    });
    if let Some((name, value)) = more {
        variables[name] = value;
    }
    Work::Start { definition, create: Create { variables: from_json(variables), ..Create::default() } }
}
