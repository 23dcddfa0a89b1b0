//! R1: the engine over REST, at the built program in a process of its own: starts, completions, parked workers, queries.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::load::Failure;
use super::load::database::{Database, Kind};
use super::load::engine::Engine;
use super::load::figure::Latencies;
use super::load::served::{Client, Served};
use super::load::settings::{Settings, number};
use super::load::waiting::spread;

const PARKED: usize = 100;
/// Instances a second that are started for the parked workers: far from what the engine can do, so that no queue is measured.
const PACE: f64 = 200.0;
const LOCK_MS: u64 = 60_000;
const PARK_MS: u64 = 5_000;

pub(crate) async fn measure(settings: &Settings, kind: Kind) -> Result<(), Failure> {
    let Some(database) = kind.fresh().await? else { return Ok(()) };
    let tasks = number("BENCH_TASKS", 100_000);
    let engine = Arc::new(Engine::on(&database.address, &["w1", "w4", "r1"]).await?);
    spread(&engine, "w4", tasks, 256, Some("R1")).await?;
    engine.stop().await;
    drop(engine);
    database.settle().await?;
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let served = Served::on(&database.address, folder.path())?;
    served.set_up().await?;
    let client = served.client()?;
    println!("R1 on {}: {tasks} tasks wait; requests over HTTP, each signed in", kind.name());
    queries(settings, &client).await?;
    for clients in &settings.clients {
        commands(settings, &client, *clients, &database).await?;
    }
    parked(settings, &client).await
}

fn show(what: &str, clients: usize, elapsed: Duration, took: &Latencies) {
    let rate = took.len() as f64 / elapsed.as_secs_f64();
    println!("   {what:<52} {clients:>3} clients: {rate:>8.0} requests/s, {took}");
}

fn variables(number: usize) -> Value {
    json!({"variables": {
        "name": {"value": format!("order-{number:010}")}, "amount": {"value": number % 100_000}, "urgent": {"value": number.is_multiple_of(2)},
    }})
}

/// Starts for a span, then completes what was started; the store must have all of it.
async fn commands(settings: &Settings, client: &Client, clients: usize, database: &Database) -> Result<(), Failure> {
    let before = database.commands().await?;
    let (next, begun, span) = (Arc::new(AtomicUsize::new(0)), Instant::now(), settings.span);
    let starting = (0..clients).map(|_| {
        let (client, next) = (client.clone(), Arc::clone(&next));
        tokio::spawn(async move {
            let (mut took, mut started) = (Latencies::default(), Vec::new());
            while begun.elapsed() < span {
                let body = variables(next.fetch_add(1, Ordering::Relaxed));
                let asked = Instant::now();
                let answer = client.post("/engine-rest/process-definition/key/w4/start", &body).await?;
                took.add(asked.elapsed());
                started.push(answer["id"].as_str().unwrap_or_default().to_owned());
            }
            Ok::<_, Failure>((took, started))
        })
    });
    let (mut starts, mut started) = (Latencies::default(), Vec::new());
    for one in starting.collect::<Vec<_>>() {
        let (took, ids) = one.await??;
        starts.join(took);
        started.push(ids);
    }
    show("start", clients, begun.elapsed(), &starts);
    // The same model gives the same number to its task: the id is not looked up each time.
    let first = started.iter().flatten().next().ok_or("nothing was started")?;
    let task = client.get(&format!("/engine-rest/task?processInstanceId={first}")).await?;
    let task = task[0]["id"].as_str().and_then(|id| id.strip_prefix(first.as_str())).ok_or("no task waits")?.to_owned();
    let begun = Instant::now();
    let completing = started.into_iter().map(|ids| {
        let (client, task) = (client.clone(), task.clone());
        tokio::spawn(async move {
            let mut took = Latencies::default();
            for id in ids {
                let asked = Instant::now();
                client.post(&format!("/engine-rest/task/{id}{task}/complete"), &json!({})).await?;
                took.add(asked.elapsed());
            }
            Ok::<_, Failure>(took)
        })
    });
    let mut completions = Latencies::default();
    for one in completing.collect::<Vec<_>>() {
        completions.join(one.await??);
    }
    show("complete", clients, begun.elapsed(), &completions);
    let after = database.commands().await?;
    for (command, answered) in [("create-instance", starts.len()), ("complete-user-task", completions.len())] {
        let count = |commands: &BTreeMap<String, u64>| commands.get(command).copied().unwrap_or(0);
        assert_eq!(count(&after) - count(&before), answered as u64, "rows of {command} equal answered requests");
    }
    Ok(())
}

/// Workers wait for tasks; from the start of an instance to its task's arrival at one of them.
async fn parked(settings: &Settings, client: &Client) -> Result<(), Failure> {
    let begun: Arc<Mutex<BTreeMap<String, Instant>>> = Arc::default();
    let (ended, span) = (Arc::new(AtomicBool::new(false)), settings.span);
    let workers = (0..PARKED).map(|worker| {
        let (client, begun, ended) = (client.clone(), Arc::clone(&begun), Arc::clone(&ended));
        tokio::spawn(async move { work(&client, worker, &begun, &ended).await })
    });
    let workers: Vec<_> = workers.collect();
    // Until all are parked.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (first, mut started) = (Instant::now(), 0);
    let mut pace = tokio::time::interval(Duration::from_secs_f64(1.0 / PACE));
    let mut starts = Vec::new();
    while first.elapsed() < span {
        pace.tick().await;
        let key = format!("parked-{started}");
        started += 1;
        let mut body = variables(started);
        body["businessKey"] = json!(key);
        begun.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Instant::now());
        let client = client.clone();
        starts.push(tokio::spawn(async move {
            client.post("/engine-rest/process-definition/key/r1/start", &body).await.map(|_| ())
        }));
    }
    for start in starts {
        start.await??;
    }
    let elapsed = first.elapsed();
    ended.store(true, Ordering::SeqCst);
    let mut delivered = Latencies::default();
    for worker in workers {
        delivered.join(worker.await??);
    }
    assert_eq!(delivered.len(), started, "each task has come to one worker");
    show(&format!("{PARKED} parked workers: from start to delivery"), PARKED, elapsed, &delivered);
    Ok(())
}

/// One worker: waits, takes one task, completes it, until nothing comes any more.
async fn work(
    client: &Client,
    worker: usize,
    begun: &Mutex<BTreeMap<String, Instant>>,
    ended: &AtomicBool,
) -> Result<Latencies, Failure> {
    let mut took = Latencies::default();
    let name = format!("worker-{worker}");
    let fetch = json!({
        "workerId": name, "maxTasks": 1, "asyncResponseTimeout": PARK_MS,
        "topics": [{"topicName": "bench.parked", "lockDuration": LOCK_MS}],
    });
    loop {
        let tasks = client.post("/engine-rest/external-task/fetchAndLock", &fetch).await?;
        let Some(task) = tasks.get(0) else {
            if ended.load(Ordering::SeqCst) {
                return Ok(took);
            }
            continue;
        };
        let key = task["businessKey"].as_str().unwrap_or_default();
        let since = begun.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        took.add(since.ok_or_else(|| format!("{key} came twice"))?.elapsed());
        let id = task["id"].as_str().unwrap_or_default();
        client.post(&format!("/engine-rest/external-task/{id}/complete"), &json!({"workerId": name})).await?;
    }
}

/// Queries of the task list as screens ask them, one caller and several.
async fn queries(settings: &Settings, client: &Client) -> Result<(), Failure> {
    let page = "maxResults=50";
    let some = client.get("/engine-rest/task?maxResults=1").await?;
    let instance = some[0]["processInstanceId"].as_str().ok_or("no task waits")?;
    let asked = [
        ("tasks of an assignee, 50 of them", format!("/engine-rest/task?assignee=ada&{page}")),
        ("the same, by due date", format!("/engine-rest/task?assignee=ada&sortBy=dueDate&sortOrder=asc&{page}")),
        ("tasks of an instance", format!("/engine-rest/task?processInstanceId={instance}")),
        (
            "tasks where amount is 4711 and urgent is false",
            format!("/engine-rest/task?processVariables=amount_eq_4711,urgent_eq_false&{page}"),
        ),
        ("number of an assignee's tasks", "/engine-rest/task/count?assignee=ada".to_owned()),
    ];
    for (what, path) in asked {
        for clients in [1, 16] {
            let (begun, span) = (Instant::now(), settings.span / 5);
            let asking = (0..clients).map(|_| {
                let (client, path) = (client.clone(), path.clone());
                tokio::spawn(async move {
                    let (mut took, mut failed) = (Latencies::default(), None);
                    while begun.elapsed() < span {
                        let asked = Instant::now();
                        match client.get(&path).await {
                            Ok(_) => took.add(asked.elapsed()),
                            Err(error) => failed = Some(error.to_string()),
                        }
                    }
                    (took, failed)
                })
            });
            let mut all = Latencies::default();
            for one in asking.collect::<Vec<_>>() {
                let (took, failed) = one.await?;
                all.join(took);
                if let Some(error) = failed {
                    println!("   {what}: {error}");
                }
            }
            show(what, clients, begun.elapsed(), &all);
        }
    }
    Ok(())
}
