//! Those who wait for jobs of a topic: parked `fetchAndLock` requests. A commit that opens a job wakes them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

#[derive(Debug, Default)]
pub struct Waiters {
    parked: Mutex<Parked>,
}

#[derive(Debug, Default)]
struct Parked {
    next: u64,
    by_topic: BTreeMap<String, BTreeMap<u64, Arc<Notify>>>,
}

/// One that waits; forgotten when it is dropped.
#[derive(Debug)]
pub struct Waiting<'w> {
    waiters: &'w Waiters,
    topics: Vec<String>,
    id: u64,
    woken: Arc<Notify>,
}

impl Waiters {
    /// Waits from now on: what opens between this call and the look at the store is not missed.
    pub fn park(&self, topics: &[String]) -> Waiting<'_> {
        let mut parked = self.lock();
        parked.next += 1;
        let (id, woken) = (parked.next, Arc::new(Notify::new()));
        for topic in topics {
            parked.by_topic.entry(topic.clone()).or_default().insert(id, Arc::clone(&woken));
        }
        Waiting { waiters: self, topics: topics.to_vec(), id, woken }
    }

    /// How many wait now; one that waits for several topics counts once.
    pub fn count(&self) -> usize {
        self.lock().by_topic.values().flat_map(BTreeMap::keys).collect::<BTreeSet<_>>().len()
    }

    pub fn wake(&self, topic: &str) {
        if let Some(waiting) = self.lock().by_topic.get(topic) {
            waiting.values().for_each(|woken| woken.notify_one());
        }
    }

    pub fn wake_all(&self) {
        self.lock().by_topic.values().flat_map(BTreeMap::values).for_each(|woken| woken.notify_one());
    }

    fn lock(&self) -> MutexGuard<'_, Parked> {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting<'_> {
    /// Ends when a job of one of the topics may be had.
    pub async fn woken(&self) {
        self.woken.notified().await;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut parked = self.waiters.lock();
        for topic in &self.topics {
            if let Some(waiting) = parked.by_topic.get_mut(topic) {
                waiting.remove(&self.id);
                if waiting.is_empty() {
                    parked.by_topic.remove(topic);
                }
            }
        }
    }
}
