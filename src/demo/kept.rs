//! Files of the data folder that a kill, or a power cut, leaves whole.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// The whole file or the one before it, whenever the power goes.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let partial = path.with_extension("partial");
    let mut file = File::create(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&partial, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
