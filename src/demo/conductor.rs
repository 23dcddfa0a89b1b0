//! The demo's conductor: lets everybody finish, lets people look, and only then moves the clock to what comes next.

use crate::base::time::Timestamp;
use crate::demo::client::Client;
use crate::demo::clock::VirtualClock;
use crate::demo::people::People;
use crate::runtime::clock::Clock;
use crate::runtime::show::Speed;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long nobody may have worked before the clock moves: work is handed on without a gap, so this is only a margin.
const SETTLED: Duration = Duration::from_millis(2);
/// Between two small steps of a clock that runs at a speed.
const TICK: Duration = Duration::from_millis(50);
/// The clock does not run on for ever where nothing is due any more.
const NOTHING_DUE_PAUSE: Duration = Duration::from_millis(20);

/// How fast the clock runs; the page and the command line change it.
#[derive(Clone, Debug)]
pub(super) struct Pace(Arc<Mutex<Setting>>);

#[derive(Clone, Copy, Debug)]
struct Setting {
    speed: Speed,
    paused: bool,
}

impl Pace {
    pub(super) fn new(speed: Speed) -> Self {
        Self(Arc::new(Mutex::new(Setting { speed, paused: false })))
    }

    pub(super) fn speed(&self) -> Speed {
        self.lock().speed
    }

    pub(super) fn paused(&self) -> bool {
        self.lock().paused
    }

    pub(super) fn set_speed(&self, speed: Speed) {
        self.lock().speed = speed;
    }

    pub(super) fn set_paused(&self, paused: bool) {
        self.lock().paused = paused;
    }

    fn lock(&self) -> MutexGuard<'_, Setting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one turn came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Somebody acted, or the clock moved.
    Went,
    /// Nothing will happen by itself any more.
    Rests,
}

/// One turn: everybody finishes, people look, the clock moves.
pub(super) async fn turn(
    clock: &VirtualClock,
    people: &mut People,
    client: &Client,
    pace: &Pace,
) -> Result<Turn, String> {
    settle(clock).await;
    if people.look(client, clock.now()).await? {
        return Ok(Turn::Went);
    }
    settle(clock).await;
    let next = [clock.next_due(), people.next_due()].into_iter().flatten().min();
    let Some(next) = next else {
        tokio::time::sleep(NOTHING_DUE_PAUSE).await;
        return Ok(if clock.is_idle() { Turn::Rests } else { Turn::Went });
    };
    run_to(clock, next, pace).await.map_err(|error| format!("the clock cannot be kept: {error}"))?;
    Ok(Turn::Went)
}

/// Until nobody has worked for a moment.
pub(super) async fn settle(clock: &VirtualClock) {
    loop {
        clock.idle().await;
        let before = clock.generation();
        tokio::time::sleep(SETTLED).await;
        if clock.is_idle() && clock.generation() == before {
            return;
        }
    }
}

/// Moves the clock to a time, at once or at its speed; who begins to work meanwhile stops it.
async fn run_to(clock: &VirtualClock, at: Timestamp, pace: &Pace) -> io::Result<()> {
    while clock.now() < at {
        if pace.paused() {
            tokio::time::sleep(TICK).await;
            continue;
        }
        match pace.speed() {
            Speed::Max => clock.advance_to(at)?,
            Speed::Times(times) => {
                tokio::time::sleep(TICK).await;
                #[expect(clippy::cast_possible_truncation, reason = "milliseconds of a step")]
                let step = (TICK.as_secs_f64() * 1_000.0 * times).max(1.0) as i64;
                clock.advance_to(clock.now().plus_ms(step).min(at))?;
            }
        }
        if !clock.is_idle() {
            return Ok(());
        }
    }
    clock.advance_to(at)
}
