//! The outside world's memory: one state, one file. It is written (temporary file, fsync, rename) before an answer leaves, so
//! that a killed process finds its counterparts as a real outside would be.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Clock, Options, gateway, softlayer, vcenter, vr};
use crate::base::time::Timestamp;
use crate::demo::kept::write_whole;

const FILE: &str = "counterparts.json";

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct State {
    pub(super) softlayer: softlayer::State,
    pub(super) vr: vr::State,
    pub(super) source: vcenter::State,
    pub(super) target: vcenter::State,
    pub(super) gateway: gateway::State,
}

struct Held {
    state: State,
    /// As it lies in the file.
    text: Vec<u8>,
}

pub(super) struct World {
    folder: PathBuf,
    pub(super) clock: Clock,
    pub(super) options: Options,
    /// What a client must show: user and password of everything here, made anew at each start.
    pub(super) password: String,
    state: Mutex<Held>,
    /// Sign-ins of all services; a restart forgets them.
    sessions: Mutex<BTreeSet<String>>,
    lost_answers: AtomicU32,
}

impl World {
    pub(super) fn open(folder: &Path, clock: Clock, options: Options, password: String) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let mut state = read(folder)?.unwrap_or_default();
        state.source.fill(vcenter::Side::Source, &options);
        state.target.fill(vcenter::Side::Target, &options);
        let lost_answers = AtomicU32::new(options.failures.lost_answers);
        softlayer::log_missing_orders(folder, &state.softlayer)?;
        Ok(Self {
            folder: folder.to_owned(),
            clock,
            options,
            password,
            state: Mutex::new(Held { state, text: Vec::new() }),
            sessions: Mutex::default(),
            lost_answers,
        })
    }

    pub(super) fn begin_session(&self) -> io::Result<String> {
        let session = super::password()?;
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.insert(session.clone());
        Ok(session)
    }

    pub(super) fn knows_session(&self, session: &str) -> bool {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.contains(session)
    }

    pub(super) fn end_session(&self, session: &str) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.remove(session);
    }

    pub(super) fn end_all_sessions(&self) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.clear();
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn look<R>(&self, look: impl FnOnce(&State, Timestamp) -> R) -> R {
        let now = self.clock.now();
        let held = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        look(&held.state, now)
    }

    /// Changes the state and writes it, if it is another one then; what could not be written has not happened.
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut State, Timestamp) -> R) -> io::Result<R> {
        self.try_change(|state, now| Ok(change(state, now)))
    }

    /// As `change`; what ends in an error has changed nothing.
    pub(super) fn try_change<R, E: From<io::Error>>(
        &self,
        change: impl FnOnce(&mut State, Timestamp) -> Result<R, E>,
    ) -> Result<R, E> {
        let now = self.clock.now();
        let mut held = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = held.state.clone();
        let result = change(&mut next, now)?;
        let text = |state: &State| serde_json::to_vec(state).map_err(io::Error::other);
        if text(&next)? != held.text {
            let text = text(&next)?;
            write_whole(&self.folder.join(FILE), &text)?;
            *held = Held { state: next, text };
        }
        Ok(result)
    }

    /// One line of a log; it proves nothing and is not synced.
    pub(super) fn note(&self, log: &str, line: &Value) {
        let file = OpenOptions::new().create(true).append(true).open(self.folder.join(log));
        if let Ok(mut file) = file {
            let _ = file.write_all(format!("{line}\n").as_bytes());
        }
    }

    /// A failure that was asked for: the work is done, the answer is lost on the way.
    pub(super) fn loses_this_answer(&self) -> bool {
        let less = |left: u32| left.checked_sub(1);
        self.lost_answers.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }
}

fn read(folder: &Path) -> io::Result<Option<State>> {
    let path = folder.join(FILE);
    match fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            io::Error::other(format!(
                "{} is no state of counterparts ({error}): give another data folder",
                path.display()
            ))
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
