//! Handlers against their counterparts, over real sockets. Time is a number that the tests set.

mod canary;
mod foreign;
mod gateway;
mod mail;
mod probe;
mod softlayer;
mod ssh;
mod vcenter;
mod vr;
mod web;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use transhume::base::id::{InstanceId, TokenId};
use transhume::base::time::Timestamp;
use transhume::base::variable::{Variables, from_json};
use transhume::demo::counterpart::{CounterpartClock, Counterparts, Guard, Options};
use transhume::handlers::{Config, Handler, Job, Outcome, Registry, job, registry};

pub(crate) const HOUR: i64 = 3_600_000;
/// 2026-01-05T00:00:00Z, a Monday.
pub(crate) const START: i64 = 1_767_571_200_000;

/// Stands until a test moves it; counts how often it was held.
pub(crate) struct TestClock {
    now: AtomicI64,
    held: AtomicU32,
}

impl TestClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { now: AtomicI64::new(START), held: AtomicU32::new(0) })
    }

    pub(crate) fn set(&self, at: i64) {
        self.now.store(at, Ordering::SeqCst);
    }

    pub(crate) fn pass(&self, ms: i64) {
        self.now.fetch_add(ms, Ordering::SeqCst);
    }
}

impl CounterpartClock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.now.load(Ordering::SeqCst))
    }

    fn guard(&self) -> Guard {
        self.held.fetch_add(1, Ordering::SeqCst);
        Box::new(())
    }
}

/// Counterparts in a folder, and handlers that know them.
pub(crate) struct Outside {
    pub(crate) clock: Arc<TestClock>,
    pub(crate) counterparts: Counterparts,
    registry: Registry,
}

impl Outside {
    pub(crate) async fn start(folder: &Path, options: Options) -> Self {
        Self::with_clock(folder, options, TestClock::new()).await
    }

    pub(crate) async fn with_clock(folder: &Path, options: Options, clock: Arc<TestClock>) -> Self {
        let counterparts = Counterparts::start(folder, clock.clone(), options).await.unwrap();
        let registry = Registry::standard(Config {
            connections: counterparts.connections(),
            secrets: counterparts.secrets(""),
            scripts: registry::scripts(),
            ..Config::default()
        });
        Self { clock, counterparts, registry }
    }

    pub(crate) async fn run(&self, topic: &str, input: Value) -> Outcome {
        self.attempt(topic, input, "key").await
    }

    /// An attempt of the activation that has this key.
    pub(crate) async fn attempt(&self, topic: &str, input: Value, key: &str) -> Outcome {
        run(&self.registry, &self.clock, task(topic, input, key)).await
    }

    /// As `run`, for work that must succeed.
    pub(crate) async fn done(&self, topic: &str, input: Value) -> Value {
        match self.run(topic, input).await {
            Outcome::Complete(variables) => plain(&variables),
            other => panic!("{topic}: {other:?}"),
        }
    }
}

pub(crate) async fn run(registry: &Registry, clock: &Arc<TestClock>, job: Job) -> Outcome {
    let own = clock.clone();
    let cx = registry.cx(Arc::new(move || own.now()), CancellationToken::new());
    let handler: Arc<dyn Handler> = registry.get(&job.topic).expect("a topic of ours");
    handler.run(job, cx).await
}

pub(crate) fn task(topic: &str, input: Value, key: &str) -> Job {
    Job {
        instance: InstanceId(7),
        token: TokenId(3),
        element: "task".into(),
        topic: topic.to_owned(),
        tenant: String::new(),
        process_key: "process".to_owned(),
        business_key: None,
        lease_no: 1,
        attempt: 1,
        key: job::key("test", "", InstanceId(7), TokenId(3), key),
        variables: from_json(input),
        properties: BTreeMap::new(),
    }
}

pub(crate) fn plain(variables: &Variables) -> Value {
    let pairs = variables.iter();
    pairs.map(|(name, variable)| (name.clone(), variable.value.clone())).collect()
}

pub(crate) fn code(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Error(error) => &error.code,
        other => panic!("no BPMN error: {other:?}"),
    }
}

/// RFC 3339 for this many milliseconds after the start.
pub(crate) fn at(ms: i64) -> Value {
    let instant = jiff::Timestamp::from_millisecond(START + ms).unwrap();
    json!(instant.to_string())
}
