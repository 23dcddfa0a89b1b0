//! Where time comes from: the system's clock in production, a virtual one in the demo. Nothing above or below asks the
//! operating system for the time by itself.
//!
//! Whoever works holds a [`Guard`]: a virtual clock stands while one is held, so that its times repeat exactly. The driver
//! holds one from the input to the last output, the executor one for each handler run (taken before the driver lets go of
//! its own), a request one until it is answered. The system's clock gives guards that hold nothing.

use crate::base::time::Timestamp;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub trait Clock: Send + Sync + fmt::Debug {
    fn now(&self) -> Timestamp;

    /// Something is being done: a virtual clock stands until it is dropped.
    fn guard(&self) -> Guard;

    /// What the database's clock says now, for a clock that follows it.
    fn tie(&self, _now: Timestamp) {}

    /// Ends at this time, with a guard for the one who was woken.
    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, Guard>;
}

/// Held while something is being done.
#[derive(Default)]
pub struct Guard {
    released: Option<Box<dyn FnOnce() + Send + Sync>>,
}

impl Guard {
    /// Calls `release` when it is dropped.
    pub fn new(release: impl FnOnce() + Send + Sync + 'static) -> Self {
        Self { released: Some(Box::new(release)) }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(release) = self.released.take() {
            release();
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.released.is_some() { "Guard(held)" } else { "Guard(nothing)" })
    }
}

/// The operating system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn guard(&self) -> Guard {
        Guard::default()
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, Guard> {
        let wait = u64::try_from(at.0.saturating_sub(self.now().0)).unwrap_or(0);
        tokio::time::sleep(Duration::from_millis(wait)).map(|()| Guard::default()).boxed()
    }
}

pub fn system() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// The clock of the database, as far as this process knows it: its own monotonic one, set by the database's now and then. A
/// machine whose clock is wrong does no harm, and nodes agree on what is due.
#[derive(Debug)]
pub struct DatabaseClock {
    began: Instant,
    /// The time at which this process began, by the database's clock.
    at: AtomicI64,
}

impl DatabaseClock {
    fn elapsed(&self) -> i64 {
        i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}

impl Default for DatabaseClock {
    /// By the system's clock, until the database has said its time.
    fn default() -> Self {
        Self { began: Instant::now(), at: AtomicI64::new(SystemClock.now().0) }
    }
}

impl Clock for DatabaseClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.at.load(Ordering::Relaxed) + self.elapsed())
    }

    fn guard(&self) -> Guard {
        Guard::default()
    }

    fn tie(&self, now: Timestamp) {
        self.at.store(now.0 - self.elapsed(), Ordering::Relaxed);
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, Guard> {
        let wait = u64::try_from(at.0.saturating_sub(self.now().0)).unwrap_or(0);
        tokio::time::sleep(Duration::from_millis(wait)).map(|()| Guard::default()).boxed()
    }
}
