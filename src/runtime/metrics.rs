//! What an operator's graphs are made of: counters, gauges and histograms, as text for a scraper (OpenMetrics, which
//! Prometheus reads).
//!
//! Label values are bounded: names of commands, of this process's own topics, of routes; never ids, users or texts of a model.

use crate::engine::command::Rejection;
use crate::engine::event::Event;
use crate::partition::Work;
use crate::partition::transaction::Transaction;
use crate::runtime::node::{Node, SubmitError};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How the body of a scrape names itself.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// A scrape does not wait longer for the database.
const COUNT_DEADLINE: Duration = Duration::from_secs(2);

type Labels<const N: usize> = [(&'static str, String); N];
type Durations<const N: usize> = Family<Labels<N>, Histogram, fn() -> Histogram>;

/// Cheap to clone; all clones count together.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    commit_seconds: Histogram,
    commit_records: Histogram,
    commits_failed: Counter,
    commands: Family<Labels<2>, Counter>,
    leases_expired: Counter,
    incidents_raised: Counter,
    timer_late_seconds: Histogram,
    job_seconds: Durations<2>,
    request_seconds: Durations<3>,
    partition_owned: Family<Labels<1>, Gauge>,
    queue: Gauge,
    fetches_parked: Gauge,
    incidents_open: Gauge,
}

/// From a tenth of a millisecond to about 13 seconds.
fn short() -> Histogram {
    Histogram::new(exponential_buckets(0.000_1, 2.5, 14))
}

/// From a hundredth of a second to about 4.5 hours.
fn long() -> Histogram {
    Histogram::new(exponential_buckets(0.01, 4.0, 11))
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Arc::default(),
            commit_seconds: short(),
            commit_records: Histogram::new(exponential_buckets(1.0, 2.0, 11)),
            commits_failed: Counter::default(),
            commands: Family::default(),
            leases_expired: Counter::default(),
            incidents_raised: Counter::default(),
            timer_late_seconds: long(),
            job_seconds: Family::new_with_constructor(long),
            request_seconds: Family::new_with_constructor(short),
            partition_owned: Family::default(),
            queue: Gauge::default(),
            fetches_parked: Gauge::default(),
            incidents_open: Gauge::default(),
        };
        metrics.registry = Arc::new(metrics.registered());
        metrics
    }
}

impl Metrics {
    fn registered(&self) -> Registry {
        let mut all = Registry::with_prefix("transhume");
        all.register_with_unit("commit", "Time a commit takes", Unit::Seconds, self.commit_seconds.clone());
        all.register("commit_records", "Commands written by one commit", self.commit_records.clone());
        all.register(
            "commits_failed",
            "Commits that were not written, or to a partition that was lost",
            self.commits_failed.clone(),
        );
        all.register("commands", "Commands by kind and result", self.commands.clone());
        all.register("leases_expired", "Leases that ended without a word", self.leases_expired.clone());
        all.register("incidents_raised", "Incidents raised", self.incidents_raised.clone());
        all.register_with_unit("timer_late", "How late timers fired", Unit::Seconds, self.timer_late_seconds.clone());
        all.register_with_unit(
            "job",
            "Time jobs of this process take, by topic and result",
            Unit::Seconds,
            self.job_seconds.clone(),
        );
        all.register_with_unit(
            "request",
            "Time requests take, by method, route and status",
            Unit::Seconds,
            self.request_seconds.clone(),
        );
        all.register("partition_owned", "1 for each partition that this node owns", self.partition_owned.clone());
        all.register("queue_commands", "Commands that wait for a commit", self.queue.clone());
        all.register("fetches_parked", "Workers that wait for jobs", self.fetches_parked.clone());
        all.register("incidents_open", "Open incidents in the database", self.incidents_open.clone());
        all
    }

    /// A commit has been tried.
    pub(super) fn committed(&self, transaction: &Transaction, took: Duration, is_stored: bool) {
        if !is_stored {
            self.commits_failed.inc();
            return;
        }
        self.commit_seconds.observe(took.as_secs_f64());
        self.commit_records.observe(transaction.records.len() as f64);
        for record in &transaction.records {
            for event in &record.events {
                match event {
                    Event::LeaseExpired { .. } => {
                        self.leases_expired.inc();
                    }
                    Event::IncidentRaised { .. } => {
                        self.incidents_raised.inc();
                    }
                    Event::Fired { due: Some(due), .. } => {
                        let late = u64::try_from(record.at.0 - due.0).unwrap_or(0);
                        self.timer_late_seconds.observe(Duration::from_millis(late).as_secs_f64());
                    }
                    _other => {}
                }
            }
        }
    }

    pub(super) fn command<T>(&self, kind: &'static str, result: &Result<T, SubmitError>) {
        let result = match result {
            Ok(_) => "ok",
            Err(SubmitError::Rejected(Rejection::LeaseLost { .. })) => "lease-lost",
            Err(SubmitError::Rejected(_)) => "rejected",
            Err(SubmitError::Busy) => "busy",
            Err(SubmitError::Away) => "away",
            Err(SubmitError::Unanswered) => "unanswered",
            Err(SubmitError::Full { .. }) => "full",
        };
        self.commands.get_or_create(&[("kind", kind.to_owned()), ("result", result.to_owned())]).inc();
    }

    /// Of a topic that this process has a handler for, so that topics are few.
    pub(super) fn job(&self, topic: &str, result: &'static str, took: Duration) {
        let labels = [("topic", topic.to_owned()), ("result", result.to_owned())];
        self.job_seconds.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// The route is the pattern that matched, not the path that was asked.
    pub fn request(&self, method: &'static str, route: &str, status: u16, took: Duration) {
        let labels = [("method", method.to_owned()), ("route", route.to_owned()), ("status", status.to_string())];
        self.request_seconds.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// What is counted by looking, and then all as text.
    pub(super) async fn text(&self, node: &Node, waiting: usize) -> String {
        self.queue.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        self.partition_owned.clear();
        for partition in node.partitions() {
            self.partition_owned.get_or_create(&[("partition", partition.to_string())]).set(1);
        }
        self.fetches_parked.set(i64::try_from(node.waiters().count()).unwrap_or(i64::MAX));
        if let Ok(Ok(count)) = tokio::time::timeout(COUNT_DEADLINE, node.store().open_incidents()).await {
            self.incidents_open.set(count);
        }
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a text takes what is written");
        text
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

/// What kind of work this is, in the words of the history.
pub(super) fn kind(work: &Work) -> &'static str {
    match work {
        Work::Instance { command, .. } => command.name(),
        Work::Start { .. } => "create-instance",
        Work::Lease { .. } => "lease",
        Work::Deliver { .. } => "deliver",
        Work::Say(_) => "say",
        Work::Deploy(_) => "deploy",
        Work::KeepEvaluation(_) => "keep-evaluation",
        Work::DeleteDeployment { .. } => "delete-deployment",
        Work::SuspendDefinition { .. } => "suspend-definition",
    }
}
