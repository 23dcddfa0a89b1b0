//! L12: very many instances that wait, timers that are due at one moment, messages, starts, one activity with very many
//! children, and the clean-up of it all. Judged by what is there: all that was started has ended or waits, and nothing is left
//! behind. Times are told, not judged.
//!
//! `LOAD_WAITING`, `LOAD_TIMERS`, `LOAD_CHILDREN`, `LOAD_MESSAGES`, `LOAD_STARTS` and `LOAD_CLEANED` are the sizes; without the
//! first of them, or RUN_SLOW_TESTS, a little of each is done.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sqlx::{Connection, SqliteConnection};
use transhume::base::id::InstanceId;
use transhume::base::time::{DAY_MS, Timestamp};
use transhume::base::variable::{Variable, Variables};
use transhume::engine::command::Create;
use transhume::engine::job::Binding;
use transhume::handlers::{Registry, registry};
use transhume::partition::transaction::CommandKey;
use transhume::partition::{Bundle, Reply, Which, Work};
use transhume::runtime::clock::system;
use transhume::runtime::correlate::{Payload, Receiver, Selector};
use transhume::runtime::inspect::inspect;
use transhume::runtime::node::{Config, Node, SubmitError};
use transhume::store::Store;

use super::number;
use super::pairs::model;
use crate::support::say::say;

/// Clients at a time: what waits together shares a commit.
const CLIENTS: usize = 128;
/// What has not ended by then never will.
const PATIENCE: Duration = Duration::from_secs(1_200);
/// Judging each history again takes its time: larger databases are judged by their rows alone.
const JUDGED_MAX: usize = 5_000;

/// A command that is not taken by then is lost.
const REPEATS_MAX: usize = 60;
static REPEATS: AtomicUsize = AtomicUsize::new(0);

struct Sizes {
    waiting: usize,
    timers: usize,
    children: usize,
    messages: usize,
    starts: usize,
    cleaned: usize,
}

impl Sizes {
    fn of_run() -> Self {
        let slow = std::env::var_os("RUN_SLOW_TESTS").is_some() || number("LOAD_WAITING").is_some();
        let size = |name: &str, slowly: usize, quickly: usize| {
            let told = number(name).and_then(|told| usize::try_from(told).ok());
            told.unwrap_or(if slow { slowly } else { quickly })
        };
        Self {
            waiting: size("LOAD_WAITING", 100_000, 60),
            timers: size("LOAD_TIMERS", 10_000, 40),
            children: size("LOAD_CHILDREN", 10_000, 120),
            messages: size("LOAD_MESSAGES", 1_000, 20),
            starts: size("LOAD_STARTS", 5_000, 40),
            cleaned: size("LOAD_CLEANED", 500, 1_000),
        }
    }
}

fn files() -> Vec<(String, Arc<Vec<u8>>)> {
    let waits = r#"<startEvent id="s"/><receiveTask id="told" messageRef="m"/><endEvent id="e1"/>"#.to_owned();
    let timer = "<timerEventDefinition><timeDate>${due}</timeDate></timerEventDefinition>";
    let timer = format!(
        r#"<startEvent id="s"/><intermediateCatchEvent id="hour">{timer}</intermediateCatchEvent><endEvent id="e1"/>"#
    );
    // Few steps each: `RUN_STEPS_MAX` of them without a word from outside are taken for an endless loop.
    let many = r#"<startEvent id="s"/><task id="each"><multiInstanceLoopCharacteristics><loopCardinality>${count}</loopCardinality></multiInstanceLoopCharacteristics>
</task><endEvent id="e1"/>"#
        .to_owned();
    let through = r#"<startEvent id="s"/><exclusiveGateway id="x"/><endEvent id="e1"/>"#.to_owned();
    let all = [("waits", waits, "told"), ("timer", timer, "hour"), ("many", many, "each"), ("through", through, "x")];
    let file = |(key, body, element): (&str, String, &str)| {
        (format!("{key}.bpmn"), Arc::new(model(key, &body, &[("s", element), (element, "e1")]).into_bytes()))
    };
    all.into_iter().map(file).collect()
}

/// A node on a file, and what it took.
struct Bed {
    node: Node,
    address: String,
    _folder: tempfile::TempDir,
}

impl Bed {
    async fn make() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let address = format!("sqlite:{}", folder.path().join("load.db").display());
        let store = Store::open(&address).await.expect("it opens");
        let registry = Arc::new(Registry::new(registry::Config::default()));
        let config = Config { store, clock: system(), registry, name: "load".into(), installation: "load".into() };
        let node = Node::start(config).await.expect("it starts");
        let read = Bundle::read(None, None, String::new(), files()).unwrap_or_else(|found| panic!("{found:#?}"));
        node.submit(Work::Deploy(Box::new(read.bundle)), None, None).await.expect("it deploys");
        Self { node, address, _folder: folder }
    }

    async fn count(&self, of: &str) -> usize {
        let mut own = SqliteConnection::connect(&self.address).await.expect("connects");
        let text = sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM {of}"));
        let count: i64 = sqlx::query_scalar(text).fetch_one(&mut own).await.expect("it answers");
        usize::try_from(count).expect("a number of rows")
    }

    /// Until so many rows are there.
    async fn until(&self, of: &str, wanted: usize) {
        let begun = Instant::now();
        while self.count(of).await != wanted {
            let found = self.count(of).await;
            assert_eq!(self.count("incident").await, 0, "{found} of {wanted} are {of}, and something is an incident");
            assert!(begun.elapsed() < PATIENCE, "{found} instead of {wanted} are {of}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// So many of these by so many clients; gives how long each took, sorted.
    async fn all<F, Fut>(&self, count: usize, one: F) -> Vec<Duration>
    where
        F: Fn(Node, usize) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let (one, next) = (Arc::new(one), Arc::new(AtomicUsize::new(0)));
        let client = |_| {
            let (node, one, next) = (self.node.clone(), Arc::clone(&one), Arc::clone(&next));
            tokio::spawn(async move {
                let mut times = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return times;
                    }
                    let begun = Instant::now();
                    one(node.clone(), number).await;
                    times.push(begun.elapsed());
                }
            })
        };
        let clients: Vec<_> = (0..CLIENTS).map(client).collect();
        let mut times = Vec::new();
        for client in clients {
            times.extend(client.await.expect("no client fails"));
        }
        times.sort();
        times
    }

    async fn start_all(&self, key: &'static str, count: usize, variables: Variables) -> Vec<Duration> {
        self.all(count, move |node, number| {
            let definition =
                Which::Key { key: key.into(), tenant: String::new(), binding: Binding::Latest, deployment: None };
            let business_key = Some(format!("{key}-{number}"));
            let create = Create { variables: variables.clone(), business_key, ..Create::default() };
            async move { started(&node, &format!("{key}-{number}"), Work::Start { definition, create }).await }
        })
        .await
    }
}

/// As clients do: who hears that it is not known, or that too many wait, asks again under the same key.
async fn started(node: &Node, key: &str, work: Work) {
    let name = CommandKey { tenant: String::new(), route: "load".into(), key: key.into() };
    for _ in 0..REPEATS_MAX {
        match node.submit(work.clone(), Some((name.clone(), "digest".into())), None).await {
            Ok(Reply::Started(_) | Reply::Repeated(_)) => return,
            Ok(other) => panic!("{key}: {other:?}"),
            Err(SubmitError::Busy | SubmitError::Unanswered) => {
                REPEATS.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(error) => panic!("{key}: {error}"),
        }
    }
    panic!("{key} was asked for {REPEATS_MAX} times, and not answered");
}

/// Median, and what 99 of 100 stay below, in milliseconds; and how many a second.
fn told(what: &str, times: &[Duration], whole: Duration) -> String {
    let at = |share: usize| times.get(times.len() * share / 100).map_or(0, Duration::as_millis);
    format!(
        "{} {what}: p50 {} ms, p99 {} ms, {:.0}/s",
        times.len(),
        at(50),
        at(99),
        times.len() as f64 / whole.as_secs_f64()
    )
}

/// A long run says what it has done so far.
fn tell(lines: &mut Vec<String>, line: String) {
    if std::env::var_os("RUN_SLOW_TESTS").is_some() || number("LOAD_WAITING").is_some() {
        say(format!("load so far: {line}"));
    }
    lines.push(line);
}

fn one(name: &str, value: impl Into<serde_json::Value>) -> Variables {
    Variables::from([(name.to_owned(), Variable::from(value.into()))])
}

const ENDED: &str = "process_instance WHERE ended_at IS NOT NULL";
const LIVE: &str = "process_instance WHERE ended_at IS NULL";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_started_ends_and_leaves_nothing_behind() {
    let sizes = Sizes::of_run();
    let bed = Bed::make().await;
    let mut lines = Vec::new();
    let (begun, memory) = (Instant::now(), memory());
    let times = bed.start_all("waits", sizes.waiting, Variables::new()).await;
    tell(&mut lines, told("that wait, starts", &times, begun.elapsed()));
    bed.until(LIVE, sizes.waiting).await;
    tell(&mut lines, format!("memory +{} MB", self::memory().saturating_sub(memory) >> 20));
    tell(&mut lines, messages(&bed, &sizes).await);
    tell(&mut lines, timers(&bed, &sizes).await);
    let begun = Instant::now();
    let count = i64::try_from(sizes.children).expect("few");
    bed.start_all("many", 1, one("count", count)).await;
    bed.until(ENDED, sizes.messages + sizes.timers + 1).await;
    tell(&mut lines, format!("{} children of one activity in {} ms", sizes.children, begun.elapsed().as_millis()));
    let begun = Instant::now();
    let times = bed.start_all("through", sizes.starts, Variables::new()).await;
    tell(&mut lines, told("starts", &times, begun.elapsed()));
    let ended = sizes.messages + sizes.timers + 1 + sizes.starts;
    assert_eq!(bed.count(ENDED).await, ended, "all that was started and can end has ended");
    assert_eq!(bed.count(LIVE).await, sizes.waiting - sizes.messages, "and what waits, waits");
    assert_eq!(bed.count("subscription").await, sizes.waiting - sizes.messages, "each with its event");
    for table in ["timer", "job", "incident", "letter"] {
        assert_eq!(bed.count(table).await, 0, "rows left in {table}");
    }
    tell(&mut lines, clean(&bed, ended, sizes.cleaned).await);
    if sizes.waiting <= JUDGED_MAX {
        let report = inspect(bed.node.store(), &mut |_| {}).await.expect("it reads");
        assert_eq!(report.violations, []);
    }
    bed.node.shutdown().await;
    let again = REPEATS.load(Ordering::Relaxed);
    say(format!("load: {}; {again} asked again; all ended that can, nothing left behind", lines.join("; ")));
}

/// Each goes to its instance, by its business key, while all the others wait.
async fn messages(bed: &Bed, sizes: &Sizes) -> String {
    let (begun, step) = (Instant::now(), (sizes.waiting / sizes.messages.max(1)).max(1));
    let times = bed.all(sizes.messages, move |node, number| async move {
        let business_key = Some(format!("waits-{}", number * step));
        let selector = Selector { name: "go".into(), business_key, ..Selector::default() };
        let received = node.correlate(&selector, Payload::default()).await.expect("somebody waits for it");
        assert!(matches!(received[..], [Receiver::Waiting { .. }]), "{received:?}");
    });
    let line = told("messages", &times.await, begun.elapsed());
    bed.until(ENDED, sizes.messages).await;
    line
}

/// All are due at one moment, which comes when all wait.
async fn timers(bed: &Bed, sizes: &Sizes) -> String {
    let ahead = 2_000 + i64::try_from(sizes.timers).expect("few") * 2;
    let due = bed.node.clock().now().plus_ms(ahead);
    bed.start_all("timer", sizes.timers, one("due", due.to_string())).await;
    let late = bed.node.clock().now() > due;
    bed.until(ENDED, sizes.messages + sizes.timers).await;
    let took = bed.node.clock().now().0 - due.0;
    let how = if late { ", the last were set when the first were due" } else { "" };
    format!("{} timers due at one moment, the last had fired {took} ms later{how}", sizes.timers)
}

/// Takes away what has ended, all of it or as much as the run has time for, and nothing else.
async fn clean(bed: &Bed, ended: usize, most: usize) -> String {
    let (begun, live) = (Instant::now(), bed.count(LIVE).await);
    let (mut rows, cleaned) = (0, ended.min(most));
    if cleaned == ended {
        let later = Timestamp(bed.node.clock().now().0 + 400 * DAY_MS);
        let swept = bed.node.store().sweep(later, 1).await.expect("it sweeps");
        assert_eq!(swept.instances, ended as u64, "all that has ended goes");
        rows = swept.rows;
    } else {
        let mut own = SqliteConnection::connect(&bed.address).await.expect("connects");
        let text = sqlx::AssertSqlSafe(format!("SELECT id FROM {ENDED} ORDER BY id LIMIT {cleaned}"));
        let ids: Vec<i64> = sqlx::query_scalar(text).fetch_all(&mut own).await.expect("it answers");
        for id in ids {
            rows += bed.node.store().take_away(InstanceId(id)).await.expect("it goes");
        }
    }
    assert_eq!((bed.count(ENDED).await, bed.count(LIVE).await), (ended - cleaned, live), "those and no others go");
    for table in ["past_activity", "past_variable", "past_task"] {
        let orphans = format!("{table} WHERE instance NOT IN (SELECT id FROM process_instance)");
        assert_eq!(bed.count(&orphans).await, 0, "rows of nobody in {table}");
    }
    format!("{cleaned} instances, {rows} rows cleaned in {} ms", begun.elapsed().as_millis())
}

/// Of this process, in bytes; 0 where the system does not say.
fn memory() -> u64 {
    super::resident(std::process::id()).unwrap_or(0)
}
