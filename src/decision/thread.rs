//! Where FEEL is read and evaluated: threads of their own, with a large stack and a deadline.
//!
//! The evaluator recurses as deep as its text nests and cannot be interrupted. So each piece of work runs on a thread that
//! is waited for and, when it is overdue, abandoned; it ends by itself some day. While [`ABANDONED_MAX`] such threads
//! still run, nothing more is begun.

use crate::base::feel::FeelError;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

/// Deep texts within the limits of `guard` need less than a tenth of it.
const STACK_BYTES: usize = 64 * 1024 * 1024;
/// Each burns a processor core until it ends.
const ABANDONED_MAX: usize = 4;
/// How long a thread may take to begin; the deadline counts from there, so that a busy machine is not taken for hard work.
const BEGIN_WITHIN: Duration = Duration::from_secs(2);

type Work = Box<dyn FnOnce() + Send>;

/// Threads that wait for work.
static IDLE: Mutex<Vec<mpsc::Sender<Work>>> = Mutex::new(Vec::new());
static ABANDONED: AtomicUsize = AtomicUsize::new(0);

enum Word<T> {
    Begun,
    Done(thread::Result<T>),
}

/// Runs `work` and waits for it; a panic in it is an error here.
pub(super) fn run<T: Send + 'static>(
    deadline: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, FeelError> {
    if ABANDONED.load(Ordering::SeqCst) >= ABANDONED_MAX {
        return Err(FeelError::Limit(format!(
            "{ABANDONED_MAX} evaluations are overdue and still running: FEEL and DMN rest until one ends"
        )));
    }
    let (say, hear) = mpsc::channel();
    // Set by whoever comes first: the thread at its end, or the caller at the deadline.
    let settled = Arc::new(AtomicBool::new(false));
    let mine = Arc::clone(&settled);
    let work: Work = Box::new(move || {
        // The caller may be gone; then nobody needs the word.
        drop(say.send(Word::Begun));
        let done = catch_unwind(AssertUnwindSafe(work));
        if mine.swap(true, Ordering::SeqCst) {
            ABANDONED.fetch_sub(1, Ordering::SeqCst);
        }
        drop(say.send(Word::Done(done)));
    });
    let worker = begin(work)?;
    let word = match hear.recv_timeout(BEGIN_WITHIN) {
        Ok(Word::Begun) => hear.recv_timeout(deadline).ok(),
        other => other.ok(),
    };
    match word {
        Some(Word::Done(Ok(value))) => {
            give_back(worker);
            Ok(value)
        }
        Some(Word::Done(Err(_)) | Word::Begun) => {
            Err(FeelError::Failed("the evaluator has failed on this expression: write it otherwise".into()))
        }
        None => {
            if !settled.swap(true, Ordering::SeqCst) {
                ABANDONED.fetch_add(1, Ordering::SeqCst);
            }
            Err(FeelError::Limit(format!(
                "the evaluation takes longer than {} ms: shorten lists and ranges",
                deadline.as_millis()
            )))
        }
    }
}

/// Hands the work to a thread that waits, or to a new one.
fn begin(work: Work) -> Result<mpsc::Sender<Work>, FeelError> {
    let mut work = work;
    while let Some(worker) = idle().pop() {
        match worker.send(work) {
            Ok(()) => return Ok(worker),
            Err(mpsc::SendError(unsent)) => work = unsent,
        }
    }
    let (worker, jobs) = mpsc::channel::<Work>();
    let thread = thread::Builder::new().name("feel".into()).stack_size(STACK_BYTES);
    let spawned = thread.spawn(move || {
        while let Ok(job) = jobs.recv() {
            job();
        }
    });
    let sent = spawned.is_ok() && worker.send(work).is_ok();
    match sent {
        true => Ok(worker),
        false => Err(FeelError::Limit("no thread can be had for FEEL: the machine is out of memory".into())),
    }
}

fn give_back(worker: mpsc::Sender<Work>) {
    idle().push(worker);
}

fn idle() -> std::sync::MutexGuard<'static, Vec<mpsc::Sender<Work>>> {
    // Nothing can panic while the lock is held, and a list of senders is never half made.
    IDLE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_done_elsewhere() {
        assert_eq!(run(Duration::from_secs(5), || 1 + 1), Ok(2));
        let name = run(Duration::from_secs(5), || thread::current().name().map(str::to_owned));
        assert_eq!(name, Ok(Some("feel".into())));
    }

    #[test]
    fn a_panic_is_an_error() {
        let outcome = run(Duration::from_secs(5), || assert!(std::hint::black_box(false), "on purpose"));
        assert!(matches!(outcome, Err(FeelError::Failed(_))));
    }

    #[test]
    fn overdue_work_is_left_and_forgotten_when_it_ends() {
        let (end, wait) = mpsc::channel::<()>();
        let outcome = run(Duration::from_millis(20), move || wait.recv().is_ok());
        assert!(matches!(outcome, Err(FeelError::Limit(_))));
        assert!(ABANDONED.load(Ordering::SeqCst) >= 1);
        drop(end);
        assert_eq!(run(Duration::from_secs(5), || 3), Ok(3), "one overdue thread does not stop others");
    }
}
