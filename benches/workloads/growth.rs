//! What one step costs as the surroundings grow: waiting instances, the history of an instance, tenants. The exponent of the
//! cost over the size is 0 for what must not grow. Waves by their width are in `wave`, models by their size in `benches/size`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::try_join_all;
use serde_json::json;
use transhume::base::variable::from_json;
use transhume::engine::command::Command;

use super::load::Failure;
use super::load::database::Kind;
use super::load::engine::Engine;
use super::load::figure::{Spread, growth};
use super::load::settings::{Settings, number};
use super::load::waiting::spread;

/// Instances of W4 for one point, by so many clients at once.
const STEPS: usize = 2_000;
const CLIENTS: usize = 64;
/// Commands for one point of what grows one by one.
const ALONE: usize = 200;

pub(crate) async fn measure(settings: &Settings, kind: Kind) -> Result<(), Failure> {
    println!("growth on {}:", kind.name());
    waiting(settings, kind).await?;
    history(kind).await?;
    tenants(kind).await
}

/// The greatest size, a tenth and a hundredth of it, after some smaller ones.
fn sizes(smaller: &[usize], name: &str, most: usize) -> BTreeSet<usize> {
    let greatest = number(name, most);
    smaller.iter().copied().chain([100, 10, 1].map(|part| greatest / part)).filter(|size| *size > 0).collect()
}

async fn waiting(settings: &Settings, kind: Kind) -> Result<(), Failure> {
    let Some(database) = kind.fresh().await? else { return Ok(()) };
    let engine = Arc::new(Engine::on(&database.address, &["w4"]).await?);
    let (mut there, mut points, mut alone) = (0, Vec::new(), Vec::new());
    for size in sizes(&[], "BENCH_WAITING", 100_000) {
        spread(&engine, "w4", size - there, 256, Some("growth")).await?;
        there = size;
        step(&engine, STEPS / 4, CLIENTS).await?;
        let mut runs = Vec::new();
        for _ in 0..settings.times {
            runs.push(step(&engine, STEPS, CLIENTS).await?);
        }
        points.push((size as f64, Spread::of(runs).median));
        alone.push((size as f64, step(&engine, ALONE, 1).await?));
    }
    growth("start and complete against waiting instances, 64 clients", "us", 0.0, &points);
    growth("the same, one client", "us", 0.0, &alone);
    engine.stop().await;
    Ok(())
}

/// Starts and completes so many instances of W4: microseconds each.
async fn step(engine: &Arc<Engine>, count: usize, clients: usize) -> Result<f64, Failure> {
    let begun = Instant::now();
    let clients = (0..clients).map(|client| {
        let engine = Arc::clone(engine);
        let own = (client..count).step_by(clients).len();
        tokio::spawn(async move {
            let mut known = None;
            for _ in 0..own {
                let instance = engine.start("w4").await?;
                let token = match known {
                    Some(token) => token,
                    None => *known.insert(engine.waiting(instance).await?),
                };
                engine.complete_task(instance, token).await?;
            }
            Ok::<_, Failure>(())
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await??;
    }
    Ok(begun.elapsed().as_secs_f64() * 1e6 / count as f64)
}

/// One instance whose variables are set again and again.
async fn history(kind: Kind) -> Result<(), Failure> {
    let Some(database) = kind.fresh().await? else { return Ok(()) };
    let engine = Engine::on(&database.address, &["w4"]).await?;
    let instance = engine.start("w4").await?;
    let set = |number: usize| {
        let command =
            Command::SetVariables { scope: None, set: from_json(json!({"amount": number})), remove: Vec::new() };
        engine.command(instance, command)
    };
    let (mut there, mut points) = (1, Vec::new());
    for size in sizes(&[10, 100], "BENCH_HISTORY", 100_000) {
        while there < size {
            let next = (there + 256).min(size);
            try_join_all((there..next).map(set)).await?;
            there = next;
        }
        let begun = Instant::now();
        for number in 0..ALONE {
            set(number).await?;
        }
        there += ALONE;
        points.push((size as f64, begun.elapsed().as_secs_f64() * 1e6 / ALONE as f64));
    }
    growth("one command against records of its instance, one client", "us", 0.0, &points);
    engine.stop().await;
    Ok(())
}

/// The same model deployed in many tenants, whose instances take turns.
async fn tenants(kind: Kind) -> Result<(), Failure> {
    let Some(database) = kind.fresh().await? else { return Ok(()) };
    let engine = Arc::new(Engine::on(&database.address, &[]).await?);
    let (mut there, mut points) = (0, Vec::new());
    for size in sizes(&[1], "BENCH_TENANTS", 1_000) {
        while there < size {
            let next = (there + 50).min(size);
            let names: Vec<String> = (there..next).map(|number| format!("tenant-{number}")).collect();
            try_join_all(names.iter().map(|tenant| engine.deploy("w3", tenant))).await?;
            there = next;
        }
        let begun = Instant::now();
        let clients = (0..CLIENTS).map(|client| {
            let engine = Arc::clone(&engine);
            tokio::spawn(async move {
                for number in (client..STEPS).step_by(CLIENTS) {
                    engine.start_with("w3", &format!("tenant-{}", number % size), None).await?;
                }
                Ok::<_, Failure>(())
            })
        });
        for client in clients.collect::<Vec<_>>() {
            client.await??;
        }
        points.push((size as f64, begun.elapsed().as_secs_f64() * 1e6 / STEPS as f64));
    }
    growth("a start (W3) against tenants, 64 clients", "us", 0.0, &points);
    engine.stop().await;
    Ok(())
}
