//! The log of what was done at servers and replications, and undone: one line a change, in the order in which it happened.
//! It proves nothing to the counterparts themselves and is not synced.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::world::World;
use crate::base::time::Timestamp;

const FILE: &str = "calls.log";

/// One change at an outside system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    pub at: Timestamp,
    /// As the connection is named: `vcenter-source`, `vcenter-target` or `vr`.
    pub system: String,
    pub call: String,
    /// The server, by its name.
    pub server: String,
}

pub(super) fn note(world: &World, system: &str, call: &str, server: &str) {
    let call =
        Call { at: world.clock.now(), system: system.to_owned(), call: call.to_owned(), server: server.to_owned() };
    if let Ok(line) = serde_json::to_value(call) {
        world.note(FILE, &line);
    }
}

/// Oldest first; none before the first change.
pub(super) fn read(folder: &Path) -> io::Result<Vec<Call>> {
    match fs::read_to_string(folder.join(FILE)) {
        // A killed process may have left half a line.
        Ok(text) => Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
