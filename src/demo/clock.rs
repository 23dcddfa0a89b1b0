//! The demo's clock: virtual, shared by the engine's timers and the counterparts. It stands while anybody works and moves
//! only when it is told to, so that a run's times repeat exactly. Where it stands is written before anybody can see it: to a
//! process that goes on after a kill, time must not run back behind what is in its history.

use crate::base::time::{TimeError, Timestamp};
use crate::demo::kept::write_whole;
use crate::runtime::clock::{Clock, Guard};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, oneshot};

#[derive(Clone)]
pub struct VirtualClock(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    /// The last guard was dropped.
    idle: Notify,
}

struct State {
    now: Timestamp,
    held: usize,
    /// Grows with every guard: whether something happened between two looks.
    generation: u64,
    sleepers: BTreeMap<(Timestamp, u64), oneshot::Sender<Guard>>,
    next_sleeper: u64,
    /// Where it is kept, if it outlives the process.
    file: Option<PathBuf>,
}

impl VirtualClock {
    pub fn new(now: Timestamp) -> Self {
        Self::with(now, None)
    }

    fn with(now: Timestamp, file: Option<PathBuf>) -> Self {
        let state = State { now, held: 0, generation: 0, sleepers: BTreeMap::new(), next_sleeper: 0, file };
        Self(Arc::new(Inner { state: Mutex::new(state), idle: Notify::new() }))
    }

    /// The clock of a data folder, and whether it has run before; a new one begins at `begin`.
    pub fn open(file: PathBuf, begin: Timestamp) -> io::Result<(Self, bool)> {
        let broken = |error: TimeError| {
            io::Error::other(format!("{} holds no time ({error}): give another data folder", file.display()))
        };
        let kept = match fs::read_to_string(&file) {
            Ok(text) => Some(Timestamp::parse(text.trim()).map_err(broken)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        Ok((Self::with(kept.unwrap_or(begin), Some(file)), kept.is_some()))
    }

    /// Waits until nobody works.
    pub async fn idle(&self) {
        loop {
            let released = self.0.idle.notified();
            if self.0.lock().held == 0 {
                return;
            }
            released.await;
        }
    }

    pub fn generation(&self) -> u64 {
        self.0.lock().generation
    }

    pub fn is_idle(&self) -> bool {
        self.0.lock().held == 0
    }

    /// When the next sleeper wants to be woken; those that gave up are forgotten.
    pub fn next_due(&self) -> Option<Timestamp> {
        let mut state = self.0.lock();
        state.sleepers.retain(|_, sleeper| !sleeper.is_closed());
        state.sleepers.keys().next().map(|(at, _)| *at)
    }

    /// Moves the clock, never back, and wakes whoever slept until then; each gets a guard, so the clock stands again.
    pub fn advance_to(&self, at: Timestamp) -> io::Result<()> {
        let woken: Vec<oneshot::Sender<Guard>> = {
            let mut state = self.0.lock();
            if at > state.now {
                if let Some(file) = &state.file {
                    write_whole(file, at.to_string().as_bytes())?;
                }
                state.now = at;
            }
            let after = (state.now.plus_ms(1), 0);
            let later = state.sleepers.split_off(&after);
            std::mem::replace(&mut state.sleepers, later).into_values().collect()
        };
        for sleeper in woken {
            // A sleeper that gave up meanwhile returns the guard by dropping it.
            let _given = sleeper.send(self.guard());
        }
        Ok(())
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        self.0.lock().now
    }

    fn guard(&self) -> Guard {
        {
            let mut state = self.0.lock();
            state.held += 1;
            state.generation += 1;
        }
        let inner = Arc::clone(&self.0);
        Guard::new(move || {
            let mut state = inner.lock();
            state.held -= 1;
            if state.held == 0 {
                inner.idle.notify_waiters();
            }
        })
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, Guard> {
        let mut state = self.0.lock();
        if at <= state.now {
            drop(state);
            return std::future::ready(self.guard()).boxed();
        }
        let (wake, woken) = oneshot::channel();
        state.next_sleeper += 1;
        let key = (at, state.next_sleeper);
        state.sleepers.insert(key, wake);
        drop(state);
        woken.map(Result::unwrap_or_default).boxed()
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for VirtualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.lock();
        f.debug_struct("VirtualClock").field("now", &state.now).field("held", &state.held).finish_non_exhaustive()
    }
}

impl crate::demo::counterpart::CounterpartClock for VirtualClock {
    fn now(&self) -> Timestamp {
        Clock::now(self)
    }

    fn guard(&self) -> crate::demo::counterpart::Guard {
        Box::new(Clock::guard(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_stands_while_a_guard_is_held_and_wakes_who_slept() {
        let clock = VirtualClock::new(Timestamp(1_000));
        let sleeper = tokio::spawn(clock.sleep_until(Timestamp(5_000)));
        assert_eq!(clock.next_due(), Some(Timestamp(5_000)));
        let guard = Clock::guard(&clock);
        assert!(!clock.is_idle());
        drop(guard);
        clock.idle().await;
        clock.advance_to(Timestamp(5_000)).expect("it is kept nowhere");
        let woken = sleeper.await.expect("it wakes");
        assert!(!clock.is_idle(), "the woken one works");
        drop(woken);
        clock.idle().await;
        assert_eq!(Clock::now(&clock), Timestamp(5_000));
    }

    #[tokio::test]
    async fn a_sleeper_that_gave_up_does_not_hold_the_clock() {
        let clock = VirtualClock::new(Timestamp(0));
        drop(clock.sleep_until(Timestamp(10)));
        assert_eq!(clock.next_due(), None);
        clock.advance_to(Timestamp(20)).expect("it is kept nowhere");
        assert!(clock.is_idle());
    }

    #[tokio::test]
    async fn it_goes_on_where_a_killed_process_saw_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let open = || VirtualClock::open(folder.path().join("clock"), Timestamp(1_000)).expect("it opens");
        let (first, again) = open();
        assert!(!again);
        first.advance_to(Timestamp(7_250)).expect("it is kept");
        first.advance_to(Timestamp(20)).expect("it does not go back");
        let (next, again) = open();
        assert!(again);
        assert_eq!(Clock::now(&next), Timestamp(7_250));
    }
}
