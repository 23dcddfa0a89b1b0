//! Floor 6: process tests. A designer proves a model before deploying it: the real engine, a virtual clock, no server.
//!
//! [`mod@file`] is the format, [`runner`] plays a case on a partition and a database, [`observe`] is what a case has seen,
//! [`expect`] compares, [`report`] tells people and machines. The database is memory, SQLite or PostgreSQL.

mod answer;
pub mod database;
mod decisions;
mod deploy;
pub mod expect;
pub mod file;
pub mod host;
mod letter;
mod look;
pub mod observe;
pub mod report;
pub mod runner;
mod stored;
mod work;

use std::path::{Path, PathBuf};

/// What to run, and how.
#[derive(Clone, Debug)]
pub struct Options {
    pub store: StoreKind,
    /// Forget all memory after every step and read the database again.
    pub restart: bool,
    /// Keep the event log of each case.
    pub trace: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreKind {
    Memory,
    /// A database file of its own for each case.
    Sqlite,
    /// The server behind this address; each case gets a database of its own.
    Postgres(String),
}

/// Every suite at or below the paths, in the order of their names.
pub fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    let mut pending: Vec<PathBuf> = paths.to_vec();
    for path in paths {
        if !path.exists() {
            return Err(format!("{}: there is no such file or folder", path.display()));
        }
    }
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            let entries = std::fs::read_dir(&path).map_err(|e| format!("{}: {e}", path.display()))?;
            pending.extend(entries.filter_map(Result::ok).map(|entry| entry.path()));
        } else if is_suite(&path) || paths.contains(&path) {
            found.push(path);
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn is_suite(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.ends_with(".test.yaml") || name.ends_with(".test.yml") || name.ends_with(".test.json")
}
