//! Reads that several ask for at the same moment, made as one.
//!
//! One read is under way at a time; who comes meanwhile waits for the next, which asks for all of them. A read answers only
//! those who asked before it began: each sees what was committed before he asked, as if he had read alone.

use super::StoreError;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Reads of values by keys.
#[derive(Debug)]
pub struct Together<K, V> {
    state: Mutex<State<K, V>>,
}

#[derive(Debug)]
struct State<K, V> {
    reading: bool,
    waiting: Vec<Waiting<K, V>>,
}

#[derive(Debug)]
struct Waiting<K, V> {
    key: K,
    tell: oneshot::Sender<Told<V>>,
}

#[derive(Debug)]
enum Told<V> {
    Read(Result<Option<V>, StoreError>),
    /// Nobody reads any more: it is the turn of who hears this.
    Turn,
}

impl<K, V> Default for Together<K, V> {
    fn default() -> Self {
        Self { state: Mutex::new(State { reading: false, waiting: Vec::new() }) }
    }
}

impl<K: Clone + Ord, V: Clone> Together<K, V> {
    /// The value of this key, `None` where there is none; `read` gives those of several.
    pub async fn get<R>(&self, key: K, read: impl FnOnce(BTreeSet<K>) -> R) -> Result<Option<V>, StoreError>
    where
        R: Future<Output = Result<BTreeMap<K, V>, StoreError>>,
    {
        if let Some(told) = self.join(&key) {
            let mut place = Place { together: self, told };
            if let Ok(Told::Read(read)) = (&mut place.told).await {
                return read;
            }
        }
        let turn = Turn { together: self, asked: std::mem::take(&mut self.locked().waiting) };
        let keys = turn.asked.iter().map(|one| one.key.clone()).chain([key.clone()]).collect();
        let read = read(keys).await;
        let of = |key: &K| read.as_ref().map(|found| found.get(key).cloned()).map_err(StoreError::clone);
        turn.tell(of);
        of(&key)
    }

    /// A place among those who wait, or the turn to read.
    fn join(&self, key: &K) -> Option<oneshot::Receiver<Told<V>>> {
        let mut state = self.locked();
        if !std::mem::replace(&mut state.reading, true) {
            return None;
        }
        let (tell, told) = oneshot::channel();
        state.waiting.push(Waiting { key: key.clone(), tell });
        Some(told)
    }
}

impl<K, V> Together<K, V> {
    fn locked(&self) -> MutexGuard<'_, State<K, V>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those of this turn who were told nothing wait on; the first who still does has the next turn.
    fn pass_on(&self, untold: Vec<Waiting<K, V>>) {
        let mut state = self.locked();
        let later = std::mem::replace(&mut state.waiting, untold);
        state.waiting.extend(later);
        while !state.waiting.is_empty() {
            if state.waiting.remove(0).tell.send(Told::Turn).is_ok() {
                return;
            }
        }
        state.reading = false;
    }
}

/// Somebody who waits. Who goes away when it is his turn passes it on.
struct Place<'t, K, V> {
    together: &'t Together<K, V>,
    told: oneshot::Receiver<Told<V>>,
}

impl<K, V> Drop for Place<'_, K, V> {
    fn drop(&mut self) {
        self.told.close();
        if matches!(self.told.try_recv(), Ok(Told::Turn)) {
            self.together.pass_on(Vec::new());
        }
    }
}

/// Somebody who reads. However that ends, the next one has his turn. A failure is told to all who are in it: if each tried
/// again, the last of many would wait for as many deadlines.
struct Turn<'t, K, V> {
    together: &'t Together<K, V>,
    asked: Vec<Waiting<K, V>>,
}

impl<K, V> Turn<'_, K, V> {
    fn tell(mut self, read: impl Fn(&K) -> Result<Option<V>, StoreError>) {
        for one in self.asked.drain(..) {
            // Who has gone away needs no answer.
            let _ = one.tell.send(Told::Read(read(&one.key)));
        }
    }
}

impl<K, V> Drop for Turn<'_, K, V> {
    fn drop(&mut self) {
        self.together.pass_on(std::mem::take(&mut self.asked));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use tokio::sync::Semaphore;
    use tokio::task::yield_now;

    /// Reads that end when the test lets them, each with its number as the value of every key.
    struct Slow {
        together: Together<u8, u64>,
        reads: AtomicU64,
        keys: Mutex<Vec<BTreeSet<u8>>>,
        let_end: Semaphore,
    }

    impl Slow {
        fn new() -> Arc<Self> {
            let (together, reads, keys) = Default::default();
            Arc::new(Self { together, reads, keys, let_end: Semaphore::new(0) })
        }

        async fn ask(self: Arc<Self>, key: u8) -> Result<Option<u64>, StoreError> {
            let read = async |keys: BTreeSet<u8>| {
                let number = self.reads.fetch_add(1, Ordering::SeqCst) + 1;
                self.keys.lock().expect("free").push(keys.clone());
                self.let_end.acquire().await.expect("open").forget();
                if keys.contains(&66) {
                    return Err(StoreError::Failed("no".into()));
                }
                Ok(keys.into_iter().filter(|key| *key != 0).map(|key| (key, number)).collect())
            };
            self.together.get(key, read).await
        }

        fn begin(self: &Arc<Self>, key: u8) -> tokio::task::JoinHandle<Result<Option<u64>, StoreError>> {
            tokio::spawn(Arc::clone(self).ask(key))
        }
    }

    async fn settle() {
        for _ in 0..20 {
            yield_now().await;
        }
    }

    #[tokio::test]
    async fn who_comes_during_a_read_gets_the_next_one() {
        let slow = Slow::new();
        let first = slow.begin(1);
        settle().await;
        let later: Vec<_> = [1, 2, 2, 0].into_iter().map(|key| slow.begin(key)).collect();
        settle().await;
        assert_eq!(slow.reads.load(Ordering::SeqCst), 1, "one at a time");
        slow.let_end.add_permits(2);
        assert_eq!(first.await.expect("joined").expect("read"), Some(1));
        let mut told = Vec::new();
        for one in later {
            told.push(one.await.expect("joined").expect("read"));
        }
        assert_eq!(told, [Some(2), Some(2), Some(2), None], "never the read that had begun before");
        assert_eq!(*slow.keys.lock().expect("free"), [BTreeSet::from([1]), BTreeSet::from([0, 1, 2])]);
        slow.let_end.add_permits(1);
        assert_eq!(slow.begin(3).await.expect("joined").expect("read"), Some(3), "free again");
    }

    #[tokio::test]
    async fn who_goes_away_passes_his_turn_on() {
        let slow = Slow::new();
        let reader = slow.begin(1);
        settle().await;
        let (next, last) = (slow.begin(2), slow.begin(3));
        settle().await;
        reader.abort();
        settle().await;
        assert_eq!(slow.reads.load(Ordering::SeqCst), 2, "the next has begun");
        next.abort();
        settle().await;
        slow.let_end.add_permits(1);
        assert_eq!(last.await.expect("joined").expect("read"), Some(3));
        let (gone, waits) = (slow.begin(4), slow.begin(5));
        settle().await;
        waits.abort();
        slow.let_end.add_permits(2);
        assert_eq!(gone.await.expect("joined").expect("read"), Some(4));
        assert_eq!(slow.begin(6).await.expect("joined").expect("read"), Some(5));
    }

    /// The turn comes to somebody at the moment when he is dropped: he has not looked yet.
    #[tokio::test]
    async fn a_turn_that_nobody_takes_up_is_passed_on() {
        let slow = Slow::new();
        let mut reader = Box::pin(Arc::clone(&slow).ask(1));
        let mut next = Box::pin(Arc::clone(&slow).ask(2));
        let mut last = Box::pin(Arc::clone(&slow).ask(3));
        for one in [&mut reader, &mut next, &mut last] {
            assert!(one.now_or_never().is_none());
        }
        drop(reader);
        drop(next);
        slow.let_end.add_permits(1);
        assert_eq!(last.await.expect("read"), Some(2), "the second read is his");
    }

    #[tokio::test]
    async fn a_failure_is_told_to_those_who_are_in_it() {
        let slow = Slow::new();
        let first = slow.begin(1);
        settle().await;
        let failing = [slow.begin(66), slow.begin(2)];
        settle().await;
        slow.let_end.add_permits(1);
        assert_eq!(first.await.expect("joined").expect("read"), Some(1));
        settle().await;
        let later = slow.begin(3);
        settle().await;
        slow.let_end.add_permits(2);
        for one in failing {
            assert!(one.await.expect("joined").is_err());
        }
        assert_eq!(later.await.expect("joined").expect("read"), Some(3), "a read of its own");
    }
}
