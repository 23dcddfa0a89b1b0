//! Clients of a workload: each asks as fast as it is answered, and counts what was answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use transhume::base::id::TokenId;

use super::Failure;
use super::engine::Engine;
use super::figure::Latencies;

/// Tasks that a worker takes at once.
const FETCH: usize = 10;
const STEPS: u64 = 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workload {
    /// The no-op is done inside the engine's step, as a peer's delegate is.
    W1,
    W2,
    W3,
    W4,
    W5,
    /// W1 and W2 with the no-op under a stored lease, as handlers that reach outside have it.
    W1L,
    W2L,
}

/// What was answered to one client, or to all.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Instances begun.
    pub(crate) starts: Latencies,
    /// User tasks or external tasks completed by a client.
    pub(crate) completions: Latencies,
}

/// What was answered in a span, until all that was begun had come to its end.
pub(crate) struct Load {
    pub(crate) tally: Tally,
    pub(crate) elapsed: Duration,
    /// Counted units a second in each third of the span.
    pub(crate) thirds: [f64; 3],
    pub(crate) rate: f64,
}

/// What the clients of one run share.
struct Plan {
    engine: Arc<Engine>,
    begun: Instant,
    span: Duration,
    clients: usize,
    /// A client of W4 looks its task up, as who knows no more than the instance must.
    looks_up: bool,
    /// Units of the workload, as they are answered.
    counted: AtomicU64,
    /// Instances and steps of W5.
    started: AtomicU64,
    done: AtomicU64,
}

impl Workload {
    pub(crate) const ALL: [Self; 7] = [Self::W1, Self::W2, Self::W3, Self::W4, Self::W5, Self::W1L, Self::W2L];

    pub(crate) fn model(self) -> &'static str {
        match self {
            Self::W1 => "w1",
            Self::W2 => "w2",
            Self::W3 => "w3",
            Self::W4 => "w4",
            Self::W5 => "w5",
            Self::W1L => "w1l",
            Self::W2L => "w2l",
        }
    }

    pub(crate) fn counts(self) -> &'static str {
        match self {
            Self::W1 | Self::W2 | Self::W3 | Self::W4 | Self::W1L | Self::W2L => "instances/s",
            Self::W5 => "durable commands/s",
        }
    }

    /// How often one instance counts.
    pub(crate) fn per_instance(self) -> f64 {
        match self {
            Self::W1 | Self::W2 | Self::W3 | Self::W4 | Self::W1L | Self::W2L => 1.0,
            Self::W5 => (STEPS + 1) as f64,
        }
    }

    /// No-op tasks of one instance that are done in this process.
    pub(crate) fn handled(self) -> u32 {
        match self {
            Self::W1 | Self::W1L => 1,
            Self::W2 | Self::W2L => 4,
            Self::W3 | Self::W4 | Self::W5 => 0,
        }
    }

    /// They are done by a handler, under a lease.
    pub(crate) fn is_leased(self) -> bool {
        matches!(self, Self::W1L | Self::W2L)
    }

    /// Runs for a span, then waits for the end of all that was begun.
    pub(crate) async fn run(
        self,
        engine: &Arc<Engine>,
        clients: usize,
        span: Duration,
        looks_up: bool,
    ) -> Result<Load, Failure> {
        let (counted, started, done) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        let (engine, begun) = (Arc::clone(engine), Instant::now());
        let plan = Arc::new(Plan { engine, begun, span, clients, looks_up, counted, started, done });
        let sampler = tokio::spawn(thirds(Arc::clone(&plan)));
        let clients: Vec<_> = (0..clients).map(|client| tokio::spawn(self.client(client, Arc::clone(&plan)))).collect();
        let mut tally = Tally::default();
        for client in clients {
            let own = client.await??;
            tally.starts.join(own.starts);
            tally.completions.join(own.completions);
        }
        plan.ended(self, tally.starts.len() as u64).await?;
        let elapsed = begun.elapsed();
        let rate = plan.counted.load(Ordering::Relaxed) as f64 / elapsed.as_secs_f64();
        Ok(Load { tally, elapsed, thirds: sampler.await?, rate })
    }

    async fn client(self, client: usize, plan: Arc<Plan>) -> Result<Tally, Failure> {
        match self {
            Self::W1L | Self::W2L => plan.handled_in_process(self).await,
            Self::W1 | Self::W2 | Self::W3 => plan.ends_at_once(self).await,
            Self::W4 => plan.completes_user_tasks().await,
            Self::W5 => plan.works_on_external_tasks(client).await,
        }
    }
}

async fn thirds(plan: Arc<Plan>) -> [f64; 3] {
    let mut rates = [0.0; 3];
    let mut before = 0;
    for (third, rate) in (1u32..).zip(&mut rates) {
        tokio::time::sleep_until((plan.begun + plan.span * third / 3).into()).await;
        let now = plan.counted.load(Ordering::Relaxed);
        *rate = (now - before) as f64 / (plan.span / 3).as_secs_f64();
        before = now;
    }
    rates
}

impl Plan {
    fn goes_on(&self) -> bool {
        self.begun.elapsed() < self.span
    }

    fn count(&self) {
        self.counted.fetch_add(1, Ordering::Relaxed);
    }

    async fn start(&self, model: &str, tally: &mut Tally) -> Result<transhume::base::id::InstanceId, Failure> {
        let asked = Instant::now();
        let instance = self.engine.start(model).await?;
        tally.starts.add(asked.elapsed());
        Ok(instance)
    }

    /// As many instances are under way as there are clients: the next start waits until tasks have been handed out.
    async fn handled_in_process(&self, workload: Workload) -> Result<Tally, Failure> {
        let mut tally = Tally::default();
        while self.goes_on() {
            self.start(workload.model(), &mut tally).await?;
            self.engine.handled.acquire_many(workload.handled()).await?.forget();
            self.count();
        }
        Ok(tally)
    }

    async fn ends_at_once(&self, workload: Workload) -> Result<Tally, Failure> {
        let mut tally = Tally::default();
        while self.goes_on() {
            self.start(workload.model(), &mut tally).await?;
            self.count();
        }
        Ok(tally)
    }

    async fn completes_user_tasks(&self) -> Result<Tally, Failure> {
        let mut tally = Tally::default();
        let mut known: Option<TokenId> = None;
        while self.goes_on() {
            let instance = self.start("w4", &mut tally).await?;
            let token = match known {
                // the same model gives the same number to its task
                Some(token) if !self.looks_up => token,
                Some(_) | None => *known.insert(self.engine.task_of(instance).await?),
            };
            let asked = Instant::now();
            self.engine.complete_task(instance, token).await?;
            tally.completions.add(asked.elapsed());
            self.count();
        }
        Ok(tally)
    }

    /// A worker, which also orders new work while there is less open than all workers can take.
    async fn works_on_external_tasks(&self, worker: usize) -> Result<Tally, Failure> {
        let mut tally = Tally::default();
        loop {
            let open = self.started.load(Ordering::Relaxed) - self.done.load(Ordering::Relaxed) / STEPS;
            let going = self.goes_on();
            if going && open < (self.clients * FETCH) as u64 {
                self.started.fetch_add(FETCH as u64, Ordering::Relaxed);
                for took in try_join_all((0..FETCH).map(|_| timed(self.engine.start("w5")))).await? {
                    tally.starts.add(took);
                    self.count();
                }
            }
            let leased = self.engine.fetch("bench.step", worker, FETCH).await?;
            let answers = try_join_all(leased.into_iter().map(|one| timed(self.engine.complete_job(one)))).await?;
            let answered = answers.len() as u64;
            for took in answers {
                tally.completions.add(took);
                self.count();
            }
            self.done.fetch_add(answered, Ordering::Relaxed);
            if self.done.load(Ordering::Relaxed) == self.started.load(Ordering::Relaxed) * STEPS && !going {
                return Ok(tally);
            }
            if answered == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }

    /// Waits until the last handler's result is stored; bounded.
    async fn ended(&self, workload: Workload, started: u64) -> Result<(), Failure> {
        if !workload.is_leased() || started == 0 {
            return Ok(());
        }
        for _ in 0..6_000 {
            if self.engine.open_jobs().await? == 0 {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Err("instances stay open that were begun".into())
    }
}

/// How long an answer took.
async fn timed<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<Duration, Failure> {
    let asked = Instant::now();
    work.await?;
    Ok(asked.elapsed())
}
