//! The workloads: clients that ask as fast as they are answered, and a count of what was answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use transhume::base::variable::Variables;
use transhume::engine::command::Command;

use crate::Failure;
use crate::engine::Engine;

/// Tasks that a worker takes at once.
const FETCH: usize = 8;
const STEPS: u64 = 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workload {
    W1,
    W4,
    W5,
}

/// What was answered in a span, until all that was begun had come to its end.
pub(crate) struct Load {
    pub(crate) instances: u64,
    /// Durable commands of the counted kind: starts and completions of external tasks.
    pub(crate) commands: u64,
    pub(crate) elapsed: Duration,
}

/// What the clients of one run share.
struct Plan {
    end: Instant,
    clients: usize,
    started: AtomicU64,
    /// Steps of W5.
    done: AtomicU64,
}

impl Workload {
    pub(crate) const ALL: [Self; 3] = [Self::W1, Self::W4, Self::W5];

    pub(crate) fn model(self) -> &'static str {
        match self {
            Self::W1 => "w1",
            Self::W4 => "w4",
            Self::W5 => "w5",
        }
    }

    pub(crate) fn counts(self) -> &'static str {
        match self {
            Self::W1 | Self::W4 => "instances/s",
            Self::W5 => "durable commands/s",
        }
    }

    pub(crate) fn rate(self, load: &Load) -> f64 {
        let counted = match self {
            Self::W1 | Self::W4 => load.instances,
            Self::W5 => load.commands,
        };
        counted as f64 / load.elapsed.as_secs_f64()
    }

    /// How often one instance counts.
    pub(crate) fn per_instance(self) -> f64 {
        match self {
            Self::W1 | Self::W4 => 1.0,
            Self::W5 => 11.0,
        }
    }

    /// The least that the goals ask for.
    pub(crate) fn floor(self, database: &str) -> f64 {
        match self {
            Self::W1 => 10_000.0,
            Self::W4 => 5_000.0,
            Self::W5 if database.starts_with("sqlite") => 25_000.0,
            Self::W5 => 10_000.0,
        }
    }

    pub(crate) async fn run(self, engine: &Arc<Engine>, clients: usize, span: Duration) -> Result<Load, Failure> {
        let before = engine.completed().await? as u64;
        let begun = Instant::now();
        let plan = Arc::new(Plan { end: begun + span, clients, started: AtomicU64::new(0), done: AtomicU64::new(0) });
        let mut tasks = Vec::new();
        for client in 0..clients {
            let (engine, plan) = (Arc::clone(engine), Arc::clone(&plan));
            tasks.push(tokio::spawn(async move {
                match self {
                    Self::W1 => starts_no_op_tasks(&engine, &plan).await,
                    Self::W4 => completes_user_tasks(&engine, &plan).await,
                    Self::W5 => works_on_external_tasks(&engine, client, &plan).await,
                }
            }));
        }
        let mut commands = 0;
        for task in tasks {
            commands += task.await??;
        }
        let instances = plan.started.load(Ordering::Relaxed);
        if self == Self::W1 {
            settled(engine, before + instances).await?;
        }
        Ok(Load { instances, commands, elapsed: begun.elapsed() })
    }
}

/// As many tasks are under way as there are clients: the next start waits for a task to be handed out.
async fn starts_no_op_tasks(engine: &Engine, plan: &Plan) -> Result<u64, Failure> {
    let mut commands = 0;
    while Instant::now() < plan.end {
        engine.start("w1").await?;
        plan.started.fetch_add(1, Ordering::Relaxed);
        engine.handled.acquire().await?.forget();
        commands += 1;
    }
    Ok(commands)
}

async fn completes_user_tasks(engine: &Engine, plan: &Plan) -> Result<u64, Failure> {
    let mut task = None;
    let mut commands = 0;
    while Instant::now() < plan.end {
        let instance = engine.start("w4").await?;
        plan.started.fetch_add(1, Ordering::Relaxed);
        let token = match task {
            Some(token) => token,
            // the same model gives the same number to its task
            None => *task.insert(engine.waiting(instance).await?),
        };
        engine.command(instance, Command::CompleteUserTask { token, variables: Variables::new() }).await?;
        commands += 2;
    }
    Ok(commands)
}

/// A worker, which also orders new work while there is less open than all workers can take.
async fn works_on_external_tasks(engine: &Engine, worker: usize, plan: &Plan) -> Result<u64, Failure> {
    let mut commands = 0;
    loop {
        let open = plan.started.load(Ordering::Relaxed) - plan.done.load(Ordering::Relaxed) / STEPS;
        let going = Instant::now() < plan.end;
        if going && open < (plan.clients * FETCH) as u64 {
            plan.started.fetch_add(FETCH as u64, Ordering::Relaxed);
            try_join_all((0..FETCH).map(|_| engine.start("w5"))).await?;
            commands += FETCH as u64;
        }
        let page = if going { worker } else { 0 };
        let results = engine.fetch(page, FETCH).await?.into_iter().map(|(instance, token, claim)| {
            let (variables, local) = (Variables::new(), Variables::new());
            engine.command(instance, Command::CompleteJob { token, claim, variables, local, decisions: Vec::new() })
        });
        let answered = try_join_all(results).await?.len() as u64;
        commands += answered;
        plan.done.fetch_add(answered, Ordering::Relaxed);
        if plan.done.load(Ordering::Relaxed) == plan.started.load(Ordering::Relaxed) * STEPS && !going {
            return Ok(commands);
        }
        if answered == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// Waits until the last handler's result is stored; bounded.
async fn settled(engine: &Engine, started: u64) -> Result<(), Failure> {
    for _ in 0..2_000 {
        if engine.completed().await? >= started as i64 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Err("instances stay open that were begun".into())
}
