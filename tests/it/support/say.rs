//! Words that reach the terminal also when a test passes: how many scenarios, seeds and crashes were run.

use std::io::Write;

/// Writes past the capture of the test harness, which holds back only the `print` macros.
pub(crate) fn say(line: impl AsRef<str>) {
    let mut out = std::io::stderr().lock();
    let _ = writeln!(out, "\n  {}", line.as_ref());
}
