//! Clients that remember: what each asked for and what it heard. Afterwards the server is asked for everything, and both must agree.
//!
//! A client starts instances and completes their tasks, each command under a key of its own. What it heard of must be there;
//! what it did not hear of is asked again under the same key, and must have happened once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::fleet::Fleet;
use crate::support::serve::Served;

const PAGE: usize = 5_000;
/// A client that gets no answer anywhere asks again after this pause.
const AGAIN: Duration = Duration::from_millis(50);
/// A command that no server takes for so long is a command that is lost.
const PATIENCE: Duration = Duration::from_secs(60);
const MODEL: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" id="d" targetNamespace="urn:transhume:test">
  <bpmn:process id="kill" isExecutable="true">
    <bpmn:startEvent id="start" />
    <bpmn:sequenceFlow id="f1" sourceRef="start" targetRef="check" />
    <bpmn:userTask id="check" />
    <bpmn:sequenceFlow id="f2" sourceRef="check" targetRef="end" />
    <bpmn:endEvent id="end" />
  </bpmn:process>
</bpmn:definitions>
"#;

/// One instance as its client knows it; the business key is also the key of its start.
#[derive(Clone, Default)]
struct Known {
    id: Option<String>,
    task: Option<String>,
    completed: bool,
}

/// What all clients of a run know.
#[derive(Default)]
pub(super) struct History {
    entries: Mutex<BTreeMap<String, Known>>,
    /// How long each command took from its first try to its answer.
    times: Mutex<Vec<Duration>>,
    /// Of commands: when the try began that was answered, and when its answer came.
    answered: Mutex<Vec<(Instant, Instant)>>,
    names: AtomicUsize,
    pub(super) repeats: AtomicUsize,
}

/// Clients at work.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<tokio::task::JoinHandle<()>>,
}

pub(super) async fn deploy(server: &Served) {
    let answer = server.deploy(&[("kill.bpmn", MODEL.as_bytes())]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

impl History {
    /// So many clients, each with this pause between two instances.
    pub(super) fn load(self: &Arc<Self>, fleet: &Arc<Fleet>, clients: usize, pause: Duration) -> Load {
        self.load_with(fleet, clients, pause, false)
    }

    /// The same; `all`: none is left open.
    pub(super) fn load_with(self: &Arc<Self>, fleet: &Arc<Fleet>, clients: usize, pause: Duration, all: bool) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let client = |_| {
            let name = self.names.fetch_add(1, Ordering::SeqCst);
            let one = Client { history: self.clone(), fleet: fleet.clone(), stop: stop.clone(), name, pause, all };
            tokio::spawn(one.work())
        };
        let clients = (0..clients).map(client).collect();
        Load { stop, clients }
    }

    /// Starts and completions that were acknowledged.
    pub(super) fn acknowledged(&self) -> (usize, usize) {
        let entries = self.entries.lock().expect("no client panicked");
        let started = entries.values().filter(|known| known.id.is_some()).count();
        (started, entries.values().filter(|known| known.completed).count())
    }

    /// Median, 99th of 100 and longest time of a command, in milliseconds.
    pub(super) fn times(&self) -> [u128; 3] {
        let mut times = self.times.lock().expect("no client panicked").clone();
        times.sort();
        let at = |share: f64| {
            let last = times.len().saturating_sub(1);
            times.get((last as f64 * share) as usize).map_or(0, Duration::as_millis)
        };
        [at(0.5), at(0.99), at(1.0)]
    }

    /// The first answer to a command that was asked after this moment.
    pub(super) fn success_after(&self, moment: Instant) -> Option<Instant> {
        let answered = self.answered.lock().expect("no client panicked");
        answered.iter().filter(|(asked, _)| *asked > moment).map(|(_, done)| *done).min()
    }

    fn entry(&self, key: &str) -> Known {
        self.entries.lock().expect("ours").get(key).cloned().unwrap_or_default()
    }

    fn keep(&self, key: &str, known: &Known) {
        self.entries.lock().expect("ours").insert(key.to_owned(), known.clone());
    }
}

impl Load {
    /// What was asked and not answered at that moment is left open.
    pub(super) async fn stop(self) {
        self.stop.store(true, Ordering::SeqCst);
        for client in self.clients {
            client.await.expect("a client ends when it is told to");
        }
    }
}

struct Client {
    history: Arc<History>,
    fleet: Arc<Fleet>,
    stop: Arc<AtomicBool>,
    name: usize,
    pause: Duration,
    all: bool,
}

impl Client {
    async fn work(self) {
        for number in 0_usize.. {
            let key = format!("{}-{number}", self.name);
            self.history.keep(&key, &Known::default());
            if self.go_on(&key, self.all || number % 3 != 0, self.name + number).await.is_none() {
                return;
            }
            tokio::time::sleep(self.pause).await;
        }
    }

    /// Brings one instance as far as it should go; what is known already is not asked again. `None`: it was stopped.
    async fn go_on(&self, key: &str, complete: bool, first: usize) -> Option<()> {
        let mut known = self.history.entry(key);
        if known.id.is_none() {
            let body = json!({"businessKey": key, "variables": {"n": {"value": 1, "type": "Integer"}}});
            let under = format!("start-{key}");
            let path = "/engine-rest/process-definition/key/kill/start";
            let answer = self.command(first, path, &body, &under).await?;
            known.id = Some(text(&answer["id"]));
            self.history.keep(key, &known);
        }
        if !complete || known.completed {
            return Some(());
        }
        if known.task.is_none() {
            let id = known.id.clone().expect("started");
            let path = format!("/engine-rest/task?processInstanceId={id}");
            let found = self.until(first + 1, &Ask::Question { path }).await?;
            known.task = Some(text(&found[0]["id"]));
            self.history.keep(key, &known);
        }
        let path = format!("/engine-rest/task/{}/complete", known.task.as_deref().expect("asked"));
        self.command(first + 2, &path, &json!({}), &format!("done-{key}")).await?;
        known.completed = true;
        self.history.keep(key, &known);
        Some(())
    }

    async fn command(&self, first: usize, path: &str, body: &Value, key: &str) -> Option<Value> {
        let begun = Instant::now();
        let ask = Ask::Command { path: path.to_owned(), body: body.clone(), key: key.to_owned() };
        let done = self.until(first, &ask).await?;
        self.history.times.lock().expect("ours").push(begun.elapsed());
        Some(done)
    }

    /// Asks one server after the other, a command always under the same key, until one has done it.
    async fn until(&self, first: usize, ask: &Ask) -> Option<Value> {
        let begun = Instant::now();
        for turn in first.. {
            if self.stop.load(Ordering::SeqCst) {
                return None;
            }
            let asked = Instant::now();
            if let Some(server) = self.fleet.server(turn).await
                && let Some(answer) = ask.once(&server).await
            {
                if let Ask::Command { .. } = ask {
                    self.history.answered.lock().expect("ours").push((asked, Instant::now()));
                }
                return Some(answer);
            }
            self.history.repeats.fetch_add(1, Ordering::SeqCst);
            assert!(begun.elapsed() < PATIENCE, "no server has answered client {} for {PATIENCE:?}", self.name);
            if turn % self.fleet.len() == 0 {
                tokio::time::sleep(AGAIN).await;
            }
        }
        None
    }
}

enum Ask {
    Command { path: String, body: Value, key: String },
    Question { path: String },
}

impl Ask {
    /// None: no answer, or one that says "later".
    async fn once(&self, server: &Served) -> Option<Value> {
        let (path, answer) = match self {
            Self::Command { path, body, key } => (path, server.keyed(path, body, key).await?),
            Self::Question { path } => (path, server.try_get(path).await?),
        };
        match answer.status {
            200 | 204 => Some(answer.body),
            503 => None,
            _ => panic!("{path}: {answer:?}"),
        }
    }
}

/// Everything the clients know against everything the servers know. Nobody else asks meanwhile.
pub(super) async fn compare(fleet: &Arc<Fleet>, history: &Arc<History>, when: &str) {
    let server = fleet.server(0).await.expect("it is there");
    let entries = history.entries.lock().expect("ours").clone();
    let past = states(&server).await;
    for (key, known) in entries.iter().filter(|(_, known)| known.id.is_some()) {
        let id = known.id.as_deref().expect("filtered");
        let (business_key, state) = past.get(id).unwrap_or_else(|| panic!("{when}: start {key} is lost ({id})"));
        assert_eq!(business_key, key, "{when}: instance {id}");
        if known.completed {
            assert_eq!(state, "COMPLETED", "{when}: the completion of {key} is lost ({id})");
        }
    }
    // An answer that was not heard: the same command again.
    let stop = Arc::new(AtomicBool::new(false));
    let again =
        Client { history: history.clone(), fleet: fleet.clone(), stop, name: usize::MAX, pause: AGAIN, all: false };
    for (key, known) in &entries {
        if known.id.is_none() || (known.task.is_some() && !known.completed) {
            again.go_on(key, known.task.is_some(), 0).await.expect("it is not stopped");
        }
    }
    let past = states(&server).await;
    let mut seen = BTreeSet::new();
    for (id, (business_key, _)) in &past {
        assert!(seen.insert(business_key), "{when}: {business_key} was started twice, the second time as {id}");
    }
    assert_eq!(past.len(), entries.len(), "{when}: instances nobody asked for");
    let open = open_tasks(&server).await;
    let active: BTreeSet<String> =
        past.iter().filter(|(_, (_, state))| state == "ACTIVE").map(|(id, _)| id.clone()).collect();
    assert_eq!(open, active, "{when}: each active instance has its task, and no other has one");
}

/// Business key and state of every instance, by id, read in pages: an answer without end is refused.
async fn states(server: &Served) -> BTreeMap<String, (String, String)> {
    let mut all = BTreeMap::new();
    loop {
        let page = format!("sortBy=instanceId&sortOrder=asc&firstResult={}&maxResults={PAGE}", all.len());
        let answer =
            server.get(&format!("/engine-rest/history/process-instance?processDefinitionKey=kill&{page}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let read = |row: &Value| (text(&row["id"]), (text(&row["businessKey"]), text(&row["state"])));
        let page = rows(&answer.body);
        all.extend(page.iter().map(read));
        if page.len() < PAGE {
            return all;
        }
    }
}

/// Instances with an open task.
async fn open_tasks(server: &Served) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for first in (0..).step_by(PAGE) {
        let page = format!("sortBy=id&sortOrder=asc&firstResult={first}&maxResults={PAGE}");
        let answer = server.get(&format!("/engine-rest/task?processDefinitionKey=kill&{page}")).await;
        let page = rows(&answer.body);
        all.extend(page.iter().map(|task| text(&task["processInstanceId"])));
        if page.len() < PAGE {
            break;
        }
    }
    all
}

fn rows(body: &Value) -> &[Value] {
    body.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a text is expected here, not {value}")).to_owned()
}
