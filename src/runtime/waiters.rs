//! Those who wait for jobs of a topic: parked `fetchAndLock` requests. A commit that opens jobs wakes one of them.
//!
//! Whoever is woken looks for jobs, and hands the word on to the next when it is done: a commit may have opened several
//! jobs, and not all may be for it. The word ends with one that could have taken any job and found none. So a job costs
//! about two looks, however many wait. Nobody is woken twice by the same word.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

#[derive(Debug, Default)]
pub struct Waiters {
    parked: Mutex<Parked>,
}

#[derive(Debug, Default)]
struct Parked {
    next: u64,
    by_topic: BTreeMap<String, Topic>,
}

#[derive(Debug, Default)]
struct Topic {
    /// How often something has opened.
    opened: u64,
    /// The longest waiting first.
    waiting: BTreeMap<u64, One>,
}

#[derive(Debug)]
struct One {
    /// What `opened` was when it last looked, or was told to.
    seen: u64,
    bell: Arc<Bell>,
}

#[derive(Debug, Default)]
struct Bell {
    rings: Notify,
    /// How often it was told.
    told: AtomicU64,
}

/// One that waits. When it is dropped, it hands on what it was told.
#[derive(Debug)]
pub struct Waiting<'w> {
    waiters: &'w Waiters,
    topics: Vec<String>,
    id: u64,
    bell: Arc<Bell>,
    /// So many words need not be handed on: nothing was left, or they were.
    settled: AtomicU64,
}

/// What one had been told when it began to look.
#[derive(Clone, Copy, Debug)]
pub struct Look(u64);

impl Waiters {
    /// Waits from now on: what opens between this call and the look at the store is not missed.
    pub fn park(&self, topics: &[String]) -> Waiting<'_> {
        let mut parked = self.lock();
        parked.next += 1;
        let (id, bell) = (parked.next, Arc::new(Bell::default()));
        for name in topics {
            let topic = parked.by_topic.entry(name.clone()).or_default();
            topic.waiting.insert(id, One { seen: topic.opened, bell: Arc::clone(&bell) });
        }
        Waiting { waiters: self, topics: topics.to_vec(), id, bell, settled: AtomicU64::new(0) }
    }

    /// How many wait now; one that waits for several topics counts once.
    pub fn count(&self) -> usize {
        self.lock().by_topic.values().flat_map(|topic| topic.waiting.keys()).collect::<BTreeSet<_>>().len()
    }

    /// Something has opened.
    pub fn wake(&self, topic: &str) {
        if let Some(topic) = self.lock().by_topic.get_mut(topic) {
            topic.opened += 1;
            topic.wake_next();
        }
    }

    /// Nobody knows what has opened.
    pub fn wake_all(&self) {
        for topic in self.lock().by_topic.values_mut() {
            topic.opened += 1;
            while topic.wake_next() {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, Parked> {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Topic {
    /// The longest waiting one that has not looked since something opened; false: there is none.
    fn wake_next(&mut self) -> bool {
        let opened = self.opened;
        let next = self.waiting.values_mut().find(|one| one.seen < opened);
        if let Some(one) = next {
            one.seen = opened;
            one.bell.told.fetch_add(1, Ordering::Relaxed);
            one.bell.rings.notify_one();
            return true;
        }
        false
    }
}

impl Waiting<'_> {
    /// Before a look at the store.
    pub fn look(&self) -> Look {
        Look(self.bell.told.load(Ordering::Relaxed))
    }

    /// Ends when a job of one of the topics may be had.
    pub async fn woken(&self) {
        self.bell.rings.notified().await;
    }

    /// It would have taken any job of its topics and found none: the others need not look.
    pub fn found_nothing(&self, look: Look) {
        self.settled.store(look.0, Ordering::Relaxed);
    }

    /// It found nothing that was for it; the next one may.
    pub fn hand_on(&self, look: Look) {
        if look.0 != self.settled.swap(look.0, Ordering::Relaxed) {
            let mut parked = self.waiters.lock();
            for name in &self.topics {
                parked.by_topic.get_mut(name).map(Topic::wake_next);
            }
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut parked = self.waiters.lock();
        let is_settled = self.bell.told.load(Ordering::Relaxed) == self.settled.load(Ordering::Relaxed);
        for name in &self.topics {
            let Some(topic) = parked.by_topic.get_mut(name) else { continue };
            topic.waiting.remove(&self.id);
            if !is_settled {
                topic.wake_next();
            }
            if topic.waiting.is_empty() {
                parked.by_topic.remove(name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_woken(waiting: &Waiting<'_>) -> bool {
        let mut woken = std::pin::pin!(waiting.woken());
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        woken.as_mut().poll(&mut cx).is_ready()
    }

    fn topics(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn one_job_wakes_one_and_the_word_goes_round_once() {
        let waiters = Waiters::default();
        let [first, second, third] = std::array::from_fn(|_| waiters.park(&topics(&["a"])));
        waiters.wake("a");
        assert_eq!([is_woken(&first), is_woken(&second), is_woken(&third)], [true, false, false]);
        drop(first); // it has found something: there may be more
        assert_eq!([is_woken(&second), is_woken(&third)], [true, false]);
        second.found_nothing(second.look());
        drop(second);
        assert!(!is_woken(&third), "nothing was left");
        assert_eq!(waiters.count(), 1);
        waiters.wake("a");
        assert!(is_woken(&third));
    }

    #[test]
    fn who_looks_while_something_opens_is_not_told_of_what_was_before() {
        let waiters = Waiters::default();
        let first = waiters.park(&topics(&["a", "b"]));
        waiters.wake("a");
        let second = waiters.park(&topics(&["a"]));
        drop(first);
        assert!(!is_woken(&second), "it has parked after the opening, and looks by itself");
        waiters.wake_all();
        assert!(is_woken(&second));
    }

    #[test]
    fn who_wants_only_some_hands_the_word_on_and_waits() {
        let waiters = Waiters::default();
        let [first, second] = std::array::from_fn(|_| waiters.park(&topics(&["a"])));
        waiters.wake("a");
        assert!(is_woken(&first));
        first.hand_on(first.look());
        assert!(is_woken(&second));
        second.hand_on(second.look());
        assert!(!is_woken(&first), "it has looked");
        waiters.wake("a");
        assert!(is_woken(&first));
    }

    #[test]
    fn who_goes_away_unheard_hands_the_word_on() {
        let waiters = Waiters::default();
        let [first, second] = std::array::from_fn(|_| waiters.park(&topics(&["a"])));
        waiters.wake("a");
        drop(first);
        assert!(is_woken(&second));
    }
}
