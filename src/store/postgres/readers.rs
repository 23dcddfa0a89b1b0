//! Sessions for reading, for single statements: whoever fails or is cancelled midway does not give his back.
//!
//! Whether a session still lives shows when it is used: a question before each read would double its time.

use super::hosts::Hosts;
use sqlx::PgConnection;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Older sessions are made anew: what a server keeps for one only grows.
const AGE_MAX: Duration = Duration::from_secs(30 * 60);
/// Between two tries of a host that is not there, doubled each time.
const AGAIN: Duration = Duration::from_millis(10);
const AGAIN_MAX: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(in crate::store) struct Readers {
    pub(in crate::store) hosts: Hosts,
    places: Semaphore,
    resting: Mutex<Vec<Session>>,
}

#[derive(Debug)]
struct Session {
    connection: PgConnection,
    since: Instant,
    turn: u64,
}

/// Dropped, its session ends; [`Lent::rest`] keeps it for the next one.
#[derive(Debug)]
pub(in crate::store) struct Lent<'r> {
    session: Session,
    readers: &'r Readers,
    _place: SemaphorePermit<'r>,
}

impl Readers {
    pub(super) fn new(hosts: Hosts, most: u32) -> Self {
        Self { hosts, places: Semaphore::new(most as usize), resting: Mutex::default() }
    }

    /// Waits for a place, and for a database that is not there yet: who calls sets the bound.
    pub(super) async fn lend(&self) -> Result<Lent<'_>, sqlx::Error> {
        let place = self.places.acquire().await.map_err(|_| sqlx::Error::PoolClosed)?;
        let turn = self.hosts.turn();
        while let Some(session) = self.resting().pop() {
            if session.turn == turn && session.since.elapsed() < AGE_MAX {
                return Ok(Lent { session, readers: self, _place: place });
            }
        }
        let mut pause = AGAIN;
        loop {
            match self.hosts.connect().await {
                Ok(connection) => {
                    let session = Session { connection, since: Instant::now(), turn: self.hosts.turn() };
                    return Ok(Lent { session, readers: self, _place: place });
                }
                Err(error) if self.hosts.may_come(&error) => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(AGAIN_MAX);
                }
                Err(error) => return Err(error),
            }
        }
    }

    pub(in crate::store) async fn close(&self) {
        self.places.close();
        let resting = std::mem::take(&mut *self.resting());
        for session in resting {
            let _ = sqlx::Connection::close(session.connection).await;
        }
    }

    fn resting(&self) -> std::sync::MutexGuard<'_, Vec<Session>> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lent<'_> {
    pub(super) fn rest(self) {
        if !self.readers.places.is_closed() {
            self.readers.resting().push(self.session);
        }
    }
}

impl Deref for Lent<'_> {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.session.connection
    }
}

impl DerefMut for Lent<'_> {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.session.connection
    }
}
