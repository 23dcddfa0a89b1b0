//! What a test needs from its machine. Absent, it is skipped and says so; with `REQUIRE_ALL=1` it fails instead.

use std::env;
use std::path::{Path, PathBuf};

use super::say::say;

/// True when nothing may be skipped: the setting of the one machine that has it all.
pub(crate) fn require_all() -> bool {
    env::var("REQUIRE_ALL").is_ok_and(|value| value == "1")
}

/// Says why a test does not run here; where everything is required, this is its failure.
pub(crate) fn skip(test: &str, reason: &str) {
    assert!(!require_all(), "{test} cannot run: {reason}");
    say(format!("skipped: {test}: {reason}"));
}

/// Finds a program, first in the given folders, then on the path.
pub(crate) fn program(name: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&path).collect::<Vec<_>>();
    folders.iter().chain(&on_path).map(|folder| folder.join(name)).find(|file| file.is_file())
}
/// The folder of third-party suites, which is not part of this repository.
pub(crate) fn suites() -> PathBuf {
    match env::var_os("TRANSHUME_SUITES") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/suites"),
    }
}

/// The folder of descriptions of other products' interfaces, which is not part of this repository either.
pub(crate) fn specs() -> PathBuf {
    match env::var_os("TRANSHUME_SPECS") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/specs"),
    }
}
