//! `kill -9` of the server under load: what it acknowledged is there afterwards, nothing is torn, no command counts twice.
//!
//! Clients start instances and complete their tasks, each command under a key of its own. What a client heard of before
//! the kill must be there after it; a command that it did not hear of is sent again under the same key and must have
//! happened once. `KILL_ROUNDS` sets the number of rounds, `KILL_SEED` repeats the moments of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection};

use crate::support::binary::has;
use crate::support::say::say;
use crate::support::serve::Served;

const CLIENTS: u64 = 8;
const PAGE: usize = 5_000;
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

type Ledger = Arc<Mutex<BTreeMap<String, Known>>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kill_9() {
    if !has("serve") {
        return;
    }
    let rounds = number("KILL_ROUNDS").unwrap_or(3);
    let fresh = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let fresh = fresh.map_or(1, |since| u64::from(since.subsec_nanos()));
    let seed = number("KILL_SEED").unwrap_or(fresh);
    let begun = Instant::now();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let database = format!("sqlite:{}", folder.path().join("kill.db").display());
    let ledger = Ledger::default();

    let mut served = Served::on(&database).await;
    let answer = served.deploy(&[("kill.bpmn", MODEL.as_bytes())]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    for round in 0..rounds {
        let moment = 40 + mix(seed ^ round) % 260;
        kill_under_load(served, &ledger, round, moment).await;
        served = Served::on(&database).await;
        let when = format!("round {round}, seed {seed}, killed after {moment} ms");
        compare(&served, &ledger, &when).await;
    }
    served.kill();
    let mut plain = SqliteConnection::connect(&database).await.expect("the file opens");
    let check = sqlx::query_scalar("PRAGMA integrity_check");
    let whole: String = check.fetch_one(&mut plain).await.expect("answers");
    assert_eq!(whole, "ok", "seed {seed}");

    let ledger = ledger.lock().expect("no client panicked");
    let (starts, seconds) = (ledger.len(), begun.elapsed().as_secs_f64());
    let completed = ledger.values().filter(|known| known.completed).count();
    say(format!(
        "kill -9: {rounds} rounds, seed {seed}, {CLIENTS} clients: {starts} starts and {completed} completions \
         acknowledged, 0 lost, 0 torn, 0 doubled ({seconds:.1} s)"
    ));
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

async fn kill_under_load(server: Served, ledger: &Ledger, round: u64, moment: u64) {
    let server = Arc::new(server);
    let client = |client| {
        let name = format!("{round}-{client}");
        tokio::spawn(load(Arc::clone(&server), Arc::clone(ledger), name))
    };
    let clients: Vec<_> = (0..CLIENTS).map(client).collect();
    tokio::time::sleep(Duration::from_millis(moment)).await;
    signal_kill(server.id());
    for client in clients {
        client.await.expect("a client ends when its server is gone");
    }
}

/// Starts and completes until the server goes away. An entry without id is a start whose answer was not heard.
async fn load(server: Arc<Served>, ledger: Ledger, name: String) {
    for number in 0.. {
        let key = format!("{name}-{number}");
        ledger.lock().expect("ours").insert(key.clone(), Known::default());
        if go_on(&server, &ledger, &key, number % 3 != 0).await.is_none() {
            return;
        }
    }
}

/// Brings one instance as far as it should go; what is known already is not asked again. `None`: the server is gone.
async fn go_on(server: &Served, ledger: &Ledger, key: &str, complete: bool) -> Option<()> {
    let mut known = ledger.lock().expect("ours").get(key).cloned().expect("an entry");
    if known.id.is_none() {
        let body = json!({"businessKey": key, "variables": {"n": {"value": 1, "type": "Integer"}}});
        let answer =
            server.keyed("/engine-rest/process-definition/key/kill/start", &body, &format!("start-{key}")).await?;
        assert_eq!(answer.status, 200, "start {key}: {answer:?}");
        known.id = Some(text(&answer.body["id"]));
        ledger.lock().expect("ours").insert(key.to_owned(), known.clone());
    }
    if !complete || known.completed {
        return Some(());
    }
    if known.task.is_none() {
        let id = known.id.as_deref().expect("started");
        let answer = server.try_get(&format!("/engine-rest/task?processInstanceId={id}")).await?;
        known.task = Some(text(&answer.body[0]["id"]));
        ledger.lock().expect("ours").insert(key.to_owned(), known.clone());
    }
    let task = known.task.as_deref().expect("asked");
    let answer =
        server.keyed(&format!("/engine-rest/task/{task}/complete"), &json!({}), &format!("done-{key}")).await?;
    assert_eq!(answer.status, 204, "complete {key}: {answer:?}");
    known.completed = true;
    ledger.lock().expect("ours").insert(key.to_owned(), known);
    Some(())
}

/// Everything a client knows against everything the server knows.
async fn compare(server: &Served, ledger: &Ledger, when: &str) {
    let entries: BTreeMap<String, Known> = ledger.lock().expect("ours").clone();
    let past = states(server).await;
    for (key, known) in entries.iter().filter(|(_, known)| known.id.is_some()) {
        let id = known.id.as_deref().expect("filtered");
        let Some((business_key, state)) = past.get(id) else { panic!("{when}: instance {id} ({key}) is lost") };
        assert_eq!(business_key, key, "{when}");
        assert!(!known.completed || state == "COMPLETED", "{when}: the completion of {key} is lost: {state}");
    }
    // an answer that was not heard: the same command again
    for (key, known) in &entries {
        let unheard = known.id.is_none() || (known.task.is_some() && !known.completed);
        if unheard {
            go_on(server, ledger, key, known.task.is_some()).await.expect("the server stays");
        }
    }
    let past = states(server).await;
    let mut seen = BTreeSet::new();
    for (id, (business_key, _)) in &past {
        assert!(seen.insert(business_key), "{when}: {business_key} was started twice, the second time as {id}");
    }
    assert_eq!(past.len(), entries.len(), "{when}: instances nobody asked for");
    let open = open_tasks(server).await;
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

/// The process itself is held by clients at that moment, so the signal goes by its number.
fn signal_kill(process: u32) {
    let ended = std::process::Command::new("kill").args(["-9", &process.to_string()]).status();
    assert!(ended.is_ok_and(|status| status.success()), "kill -9 {process}");
}

/// SplitMix64: moments that look random and repeat by their seed.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
