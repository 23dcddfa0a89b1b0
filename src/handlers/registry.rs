//! Topic to handler, with the policy and the time limit of each. `Registry::standard` knows all topics of this product;
//! outside workers may serve the same ones.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::context::Outside;
use super::net::Allow;
use super::{Answer, Clock, Connections, Cx, Handler, Job, Outcome, Policy, Secrets, Trouble};
use super::{gateway, http, mail, probe, softlayer, ssh, vcenter, vr};

/// What the installation gives to its handlers; read once.
#[derive(Clone, Default)]
pub struct Config {
    pub connections: Connections,
    pub secrets: Secrets,
    /// By tenant: what models may reach by an address of their own; comes before what the connections' file says.
    pub allow: BTreeMap<String, Allow>,
    /// Rhai scripts by name, such as `gateway-vyos-1.4`.
    pub scripts: BTreeMap<String, String>,
}

/// The scripts that come with the product, by name.
pub fn scripts() -> BTreeMap<String, String> {
    let gateway = ("gateway-vyos-1.4", include_str!("../../scripts/gateway-vyos-1.4.rhai"));
    [gateway].map(|(name, text)| (name.to_owned(), text.to_owned())).into()
}

pub struct Registry {
    handlers: BTreeMap<String, Arc<dyn Handler>>,
    outside: Arc<Outside>,
}

impl Registry {
    /// No topic yet.
    pub fn new(config: Config) -> Self {
        Self { handlers: BTreeMap::new(), outside: Arc::new(Outside::new(config)) }
    }

    pub fn standard(config: Config) -> Self {
        let mut registry = Self::new(config);
        let topics = [
            gateway::topics(),
            http::topics(),
            mail::topics(),
            probe::topics(),
            softlayer::topics(),
            ssh::topics(),
            vcenter::topics(),
            vr::topics(),
        ];
        for topic in topics.into_iter().flatten() {
            registry.add(topic.name, Arc::new(topic));
        }
        registry
    }

    pub fn add(&mut self, topic: &str, handler: Arc<dyn Handler>) {
        self.handlers.insert(topic.to_owned(), handler);
    }

    pub fn get(&self, topic: &str) -> Option<Arc<dyn Handler>> {
        self.handlers.get(topic).cloned()
    }

    pub fn topics(&self) -> impl Iterator<Item = &str> {
        self.handlers.keys().map(String::as_str)
    }

    /// For one run of a handler.
    pub fn cx(&self, clock: Clock, cancelled: CancellationToken) -> Cx {
        Cx::new(self.outside.clone(), clock, cancelled)
    }
}

type Work = Box<dyn Fn(Job, Cx) -> BoxFuture<'static, Answer> + Send + Sync>;

/// A handler made of one function.
pub(crate) struct Topic {
    name: &'static str,
    policy: fn(&Job) -> Policy,
    within: Duration,
    work: Work,
}

impl Topic {
    pub(crate) fn new<F, W>(name: &'static str, policy: Policy, seconds: u64, work: W) -> Self
    where
        F: Future<Output = Answer> + Send + 'static,
        W: Fn(Job, Cx) -> F + Send + Sync + 'static,
    {
        let policy = match policy {
            Policy::Retry => |_: &Job| Policy::Retry,
            Policy::Confirm => |_: &Job| Policy::Confirm,
            Policy::AtMostOnce => |_: &Job| Policy::AtMostOnce,
        };
        Self {
            name,
            policy,
            within: Duration::from_secs(seconds),
            work: Box::new(move |job, cx| Box::pin(work(job, cx))),
        }
    }

    /// The policy hangs on the job's inputs.
    pub(crate) fn policy_by(mut self, policy: fn(&Job) -> Policy) -> Self {
        self.policy = policy;
        self
    }
}

#[async_trait]
impl Handler for Topic {
    async fn run(&self, job: Job, cx: Cx) -> Outcome {
        let policy = self.policy(&job);
        let cx = cx.of(&job);
        let within = match job.timeout() {
            Ok(own) => own.unwrap_or(self.within),
            Err(trouble) => return trouble.settle(policy),
        };
        let work = timeout(within, (self.work)(job, cx.clone()));
        let answer = tokio::select! {
            answer = work => answer.unwrap_or_else(|_| {
                Err(Trouble::broken(format!("{} was not done within {} s", self.name, within.as_secs())))
            }),
            () = cx.cancelled.cancelled() => Err(Trouble::broken(format!("{} was cancelled", self.name))),
        };
        cx.redact(match answer {
            Ok(variables) => Outcome::Complete(variables),
            Err(trouble) => trouble.settle(policy),
        })
    }

    fn policy(&self, job: &Job) -> Policy {
        job.policy().unwrap_or_else(|| (self.policy)(job))
    }
}
