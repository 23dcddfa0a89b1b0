//! Room for bad times: a file beside SQLite's, given up when the disk is full. What is under way is stored then, and so are sign-ins
//! and clean-up; nothing new is taken before there is room for the file again. Without it not even a delete goes through.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Some thousand pages: as much as the log holds before it is folded into the file.
const BYTES: usize = 4 * 1024 * 1024;
/// Between two tries to make it again.
const AGAIN: Duration = Duration::from_secs(1);

/// None is kept before [`Reserve::keep`].
#[derive(Debug, Default)]
pub(super) struct Reserve(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    file: Option<PathBuf>,
    /// Given up, with the time of the last try to make it again.
    spent: Option<Instant>,
}

impl Reserve {
    /// Makes the file. On a full disk it counts as given up.
    pub(super) fn keep(&self, file: PathBuf) {
        let mut state = self.state();
        match make(&file) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::StorageFull => state.spent = Some(Instant::now()),
            Err(error) => {
                tracing::warn!("no room is kept for a full disk: {}: {error}", file.display());
                return;
            }
        }
        state.file = Some(file);
    }

    /// The disk is full: what was kept is free now.
    pub(super) fn spend(&self) {
        let mut state = self.state();
        if let (Some(file), None) = (&state.file, state.spent) {
            tracing::warn!("the disk of the database is full: its reserve of {BYTES} bytes is used up now, free space");
            if let Err(error) = fs::remove_file(file) {
                tracing::warn!("{}: {error}", file.display());
            }
            state.spent = Some(Instant::now());
        }
    }

    /// Looks now and then whether there is room for it again.
    pub(super) fn is_spent(&self) -> bool {
        let mut state = self.state();
        let (Some(file), Some(tried)) = (&state.file, state.spent) else { return false };
        if tried.elapsed() < AGAIN {
            return true;
        }
        let made = make(file).is_ok();
        if made {
            tracing::warn!("the disk of the database has room again");
        }
        state.spent = (!made).then(Instant::now);
        !made
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// With as much again left over: else the disk would be full at once.
fn make(path: &Path) -> io::Result<()> {
    let made = File::create(path).and_then(|mut file| {
        let block = vec![0; BYTES];
        file.write_all(&block)?;
        file.write_all(&block)?;
        file.set_len(BYTES as u64)?;
        file.sync_data()
    });
    if made.is_err() {
        let _absent = fs::remove_file(path);
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_there_until_it_is_spent_and_comes_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("a.db-reserve");
        let reserve = Reserve::default();
        reserve.spend();
        assert!(!reserve.is_spent(), "none is kept");
        reserve.keep(file.clone());
        assert_eq!(fs::metadata(&file).expect("is there").len(), BYTES as u64);
        reserve.spend();
        assert!(reserve.is_spent() && !file.exists());
        reserve.state().spent = Instant::now().checked_sub(AGAIN);
        assert!(!reserve.is_spent() && file.exists());
    }

    #[test]
    fn a_folder_that_takes_no_file_keeps_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let reserve = Reserve::default();
        reserve.keep(folder.path().join("absent/a.db-reserve"));
        reserve.spend();
        assert!(!reserve.is_spent());
    }
}
