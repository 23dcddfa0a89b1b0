//! W6a: many instances wait at a user task. What each costs to create, on the disk and in memory; and how soon a process
//! that takes over after `kill -9` answers, with every timer armed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use transhume::base::time::Timestamp;

use super::Failure;
use super::database::{Database, Kind};
use super::engine::Engine;
use super::figure::{mib, resident};
use super::served::Served;
use super::settings::{Settings, number};

/// Instances beside, with timers that come due while nobody serves.
const TIMERS: usize = 1_000;
/// From the creation of the last timer until they are due: time to kill the first server and to start the second.
const TIMERS_AFTER_MS: i64 = 3_000;
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Created {
    pub(crate) per_second: f64,
    pub(crate) bytes_each: f64,
    memory: [u64; 2],
}

pub(crate) async fn measure(settings: &Settings, kind: Kind) -> Result<(), Failure> {
    let Some(database) = kind.fresh().await? else { return Ok(()) };
    let count = number("BENCH_WAITING", 100_000);
    let clients = settings.most_clients().max(256);
    let created = create(&database, count, clients).await?;
    let [before, after] = created.memory;
    println!(
        "W6a on {:<10} {count} waiting: {:.0} created/s, {:.0} bytes each on disk; memory of the process {:.0} MiB before, \
         {:.0} MiB after",
        kind.name(),
        created.per_second,
        created.bytes_each,
        mib(before),
        mib(after)
    );
    restart(&database).await
}

/// Creates the instances with a node of this process.
pub(crate) async fn create(database: &Database, count: usize, clients: usize) -> Result<Created, Failure> {
    let engine = Arc::new(Engine::on(&database.address, &["w4", "w6b"]).await?);
    let empty = if database.kind == Kind::Sqlite { 0 } else { database.bytes().await? };
    let before = resident("self");
    let begun = Instant::now();
    spread(&engine, "w4", count, clients, Some("W6a")).await?;
    let elapsed = begun.elapsed().as_secs_f64();
    let after = resident("self");
    engine.stop().await;
    database.settle().await?;
    let bytes_each = database.bytes().await?.saturating_sub(empty) as f64 / count as f64;
    Ok(Created { per_second: count as f64 / elapsed, bytes_each, memory: [before, after] })
}

/// Starts so many instances; with a name it prints how far it is.
pub(crate) async fn spread(
    engine: &Arc<Engine>,
    model: &'static str,
    count: usize,
    clients: usize,
    tells: Option<&'static str>,
) -> Result<(), Failure> {
    let (next, step) = (Arc::new(AtomicUsize::new(0)), (count / 5).max(20_000));
    let clients = (0..clients).map(|_| {
        let (engine, next) = (Arc::clone(engine), Arc::clone(&next));
        tokio::spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return Ok::<_, Failure>(());
                }
                if let Some(name) = tells.filter(|_| number > 0 && number.is_multiple_of(step)) {
                    println!("   {name}: {number} of {count} created");
                }
                engine.start(model).await?;
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await??;
    }
    Ok(())
}

/// Serves the database from a process of its own, kills it, serves it again.
async fn restart(database: &Database) -> Result<(), Failure> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let first = Served::on(&database.address, folder.path())?;
    first.set_up().await?;
    let client = first.client()?.with_session().await?;
    let due = timers(&client, database).await?;
    let task = client.get("/engine-rest/task?processDefinitionKey=w4&maxResults=1").await?;
    let task = task[0]["id"].as_str().ok_or("no task waits")?.to_owned();
    first.kill();
    let second = Served::on(&database.address, folder.path())?;
    let client = client.at(&second);
    let asked = Instant::now();
    client.post(&format!("/engine-rest/task/{task}/complete"), &json!({})).await?;
    let answered = asked.elapsed();
    let memory = resident(&second.id().to_string());
    let late = fired(database, due).await?;
    println!(
        "   kill -9: {:.1} ms from the start of the process to listening, {:.1} ms from there to the first command answered; \
         {:.0} MiB in memory; {TIMERS} timers armed, the last fired {late} ms after it was due",
        second.took.as_secs_f64() * 1e3,
        answered.as_secs_f64() * 1e3,
        mib(memory),
    );
    Ok(())
}

/// Instances with a timer each, all due at one time: that time.
async fn timers(client: &super::served::Client, database: &Database) -> Result<Timestamp, Failure> {
    let now = transhume::runtime::clock::system().now();
    // Creating them over REST takes a part of a second to a few.
    let due = now.plus_ms(TIMERS_AFTER_MS + TIMERS as i64);
    let text = jiff::Timestamp::from_millisecond(due.0)?.to_string();
    let body = json!({"variables": {"due": {"value": text}}});
    let starts = (0..TIMERS).map(|_| client.post("/engine-rest/process-definition/key/w6b/start", &body));
    let mut starts: Vec<_> = starts.collect();
    while !starts.is_empty() {
        let some = starts.split_off(starts.len().saturating_sub(64));
        futures_util::future::try_join_all(some).await?;
    }
    let armed: Vec<(i64,)> = database.rows("SELECT COUNT(*) FROM timer").await?;
    assert_eq!(armed.first().map(|row| row.0), Some(TIMERS as i64), "a timer of each instance is stored");
    Ok(due)
}

/// Waits until no timer is left: how late the last instance ended, in milliseconds.
async fn fired(database: &Database, due: Timestamp) -> Result<i64, Failure> {
    let begun = Instant::now();
    loop {
        let left: Vec<(i64,)> = database.rows("SELECT COUNT(*) FROM timer").await?;
        if left.first().is_some_and(|row| row.0 == 0) {
            break;
        }
        if begun.elapsed() > PATIENCE {
            return Err(format!("{left:?} timers have not fired").into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let last: Vec<(i64,)> = database.rows("SELECT MAX(ended_at) FROM process_instance WHERE process = 'w6b'").await?;
    Ok(last.first().map_or(0, |row| row.0) - due.0)
}
