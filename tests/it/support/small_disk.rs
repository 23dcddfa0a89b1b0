//! A disk of a few megabytes that can be filled, and emptied again: a file system in memory.
//!
//! A shell watches over it: when this process ends, however it ends, the shell's input closes, and it is unmounted.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::postgres::is_root;
use super::say::say;

const SCRIPT: &str = r#"
set -eu
place=$(mktemp -d /tmp/transhume-disk.XXXXXX)
trap 'umount -l "$place" 2>/dev/null; rmdir "$place"' EXIT
mount -t tmpfs -o "size=$1,mode=1777" tmpfs "$place"
echo "ready $place"
read -r end || true
"#;
const BALLAST: &str = "ballast";

pub(crate) struct SmallDisk {
    pub(crate) folder: PathBuf,
    /// Ends when its input is closed.
    watch: Child,
}

impl SmallDisk {
    /// `size` as mount has it, such as `16m`; `None` where nothing may be mounted, which is said under the test's name.
    pub(crate) fn new(test: &str, size: &str) -> Option<Self> {
        match mounted(size) {
            Ok(disk) => Some(disk),
            Err(reason) => {
                // Also where nothing may be skipped: few machines let a test mount something.
                say(format!("skipped: {test}: {reason}"));
                None
            }
        }
    }

    /// Takes all that is left, but so many bytes.
    pub(crate) fn fill_but(&self, left: u64) {
        let mut file = fs::File::create(self.folder.join(BALLAST)).expect("a file");
        for size in [65_536, 4_096, 512] {
            let block = vec![7; size];
            // It ends with the disk: no more than its size goes in.
            while file.write_all(&block).is_ok() {}
        }
        let taken = file.metadata().expect("it is there").len();
        file.set_len(taken.saturating_sub(left)).expect("it is made shorter");
    }

    pub(crate) fn free(&self) {
        fs::remove_file(self.folder.join(BALLAST)).expect("it is there");
    }
}

fn mounted(size: &str) -> Result<SmallDisk, String> {
    if !is_root() {
        return Err("only root mounts a file system".to_owned());
    }
    let mut watch = Command::new("sh")
        .args(["-c", SCRIPT, "sh", size])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| error.to_string())?;
    let mut line = String::new();
    let mut words = BufReader::new(watch.stdout.take().expect("piped"));
    words.read_line(&mut line).map_err(|error| error.to_string())?;
    match line.trim().strip_prefix("ready ") {
        Some(folder) => Ok(SmallDisk { folder: Path::new(folder).to_owned(), watch }),
        None => Err("a file system in memory may not be mounted here".to_owned()),
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(self.watch.stdin.take());
        let _ = self.watch.wait();
    }
}
