//! The built program, and small things around running it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use super::say::say;

/// `TRANSHUME_BINARY` names another build of it, such as the release build for load.
pub(crate) fn binary() -> PathBuf {
    std::env::var_os("TRANSHUME_BINARY").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_transhume")), PathBuf::from)
}

/// Whether the program has this subcommand; one that is not built yet is said, and its tests wait for it.
pub(crate) fn has(subcommand: &str) -> bool {
    static HELP: LazyLock<String> = LazyLock::new(|| {
        let help = Command::new(binary()).arg("--help").output().expect("the binary starts");
        String::from_utf8_lossy(&help.stdout).into_owned()
    });
    let named = HELP.lines().any(|line| line.split_whitespace().next() == Some(subcommand));
    if !named {
        say(format!("skipped: this program has no `{subcommand}` yet"));
    }
    named
}

/// The last lines of a long output, for a failure that a person reads.
pub(crate) fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// Copies the files of a folder, and of the folders in it.
pub(crate) fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::write(&target, std::fs::read(entry.path())?)?;
        }
    }
    Ok(())
}
