//! A line on the terminal that tells how far a long command is; nothing where nobody watches.

use indicatif::ProgressBar;
use std::io::IsTerminal as _;
use std::time::Duration;

pub(crate) struct Progress(ProgressBar);

impl Progress {
    pub(crate) fn begin() -> Self {
        let bar = if std::io::stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        bar.enable_steady_tick(Duration::from_millis(100));
        Self(bar)
    }

    pub(crate) fn tell(&self, words: String) {
        self.0.set_message(words);
    }

    pub(crate) fn end(&self) {
        self.0.finish_and_clear();
    }
}
