//! What one input costs: time of this thread's processor, and how far the process's memory rose. Where the system does not
//! say, nothing is measured.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::say::say;

/// Twice what an input may take, so that a busy machine makes no failures.
pub(super) const CPU_MAX: Duration = Duration::from_secs(2);
/// In bytes.
pub(super) const MEMORY_MAX: u64 = 64 << 20;

/// An input that takes so long, or so much of the machine, will not end.
const NEVER_ENDS: Duration = Duration::from_secs(30);
const EATS: u64 = 2 << 30;

/// The input at hand, since when, and where it is kept if it fails.
type Hand = Mutex<Option<(Instant, PathBuf, Vec<u8>)>>;

/// A thread cannot be ended from outside: what does not end is kept, told, and ends the whole run.
pub(super) struct Watch(Arc<Hand>);

impl Watch {
    pub(super) fn over(target: &'static str) -> Self {
        let hand: Arc<Hand> = Arc::default();
        let watched = Arc::downgrade(&hand);
        thread::spawn(move || watch(target, &watched));
        Self(hand)
    }

    pub(super) fn begin(&self, folder: &Path, input: &[u8]) {
        *self.0.lock().expect("ours") = Some((Instant::now(), folder.to_owned(), input.to_vec()));
    }

    pub(super) fn end(&self) {
        *self.0.lock().expect("ours") = None;
    }
}

fn watch(target: &'static str, hand: &Weak<Hand>) {
    while let Some(hand) = hand.upgrade() {
        let memory = status("VmRSS:").unwrap_or(0);
        if let Some((since, folder, input)) = &*hand.lock().expect("ours")
            && (since.elapsed() > NEVER_ENDS || (memory > EATS && since.elapsed() > CPU_MAX))
        {
            let file = super::keep(folder, input);
            say(format!("fuzz {target}: {} does not end, {} MB", file.display(), memory >> 20));
            std::process::abort();
        }
        drop(hand);
        thread::sleep(Duration::from_millis(200));
    }
}

#[derive(Clone, Copy)]
pub(super) struct Cost {
    pub(super) cpu: Duration,
    /// In bytes.
    pub(super) memory: u64,
}

impl Cost {
    /// The time of this thread so far, and the memory of the process now. From here its greatest memory is measured anew.
    pub(super) fn now() -> Self {
        // Refused in some containers: then only the greatest memory of all times is known, which says nothing of this input.
        let is_reset = fs::write("/proc/self/clear_refs", "5").is_ok();
        Self { cpu: cpu(), memory: status("VmRSS:").filter(|_| is_reset).unwrap_or(u64::MAX) }
    }

    pub(super) fn since(self) -> Self {
        let most = status("VmHWM:").unwrap_or(0);
        Self { cpu: cpu().saturating_sub(self.cpu), memory: most.saturating_sub(self.memory) }
    }
}

fn cpu() -> Duration {
    let told = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(told.split(' ').next().and_then(|text| text.parse().ok()).unwrap_or(0))
}

fn status(name: &str) -> Option<u64> {
    let told = fs::read_to_string("/proc/self/status").ok()?;
    let line = told.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
}
