//! Progress at the terminal: one bar over the servers, the stages in a line, what is waited for, the virtual time. Without a
//! terminal a line for each stage that changes.

use crate::base::time::Timestamp;
use crate::demo::segments::clock_words;
use crate::demo::view::Status;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;

pub(super) struct Progress {
    bar: Option<ProgressBar>,
    /// Stage states that were told.
    told: Vec<&'static str>,
    sequence: &'static str,
}

impl Progress {
    pub(super) fn new(sequence: &'static str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(1);
            let style = ProgressStyle::with_template("{prefix}\n  [{bar:60}]\n  {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            bar.set_style(style.progress_chars("=> "));
            bar
        });
        Self { bar, told: Vec::new(), sequence }
    }

    pub(super) fn show(&mut self, status: &Status, now: Timestamp) {
        let elapsed = clock_words((now.0 - status.started.0) / 1_000);
        let waits = status.waiting.first().and_then(|entry| entry["what"].as_str()).unwrap_or("nothing");
        if let Some(bar) = &self.bar {
            let stages: Vec<String> =
                status.stages.iter().map(|stage| format!("{} {}", mark(stage.state), stage.name)).collect();
            bar.set_length(status.servers.len().max(1) as u64);
            bar.set_position(status.moved.len() as u64);
            bar.set_prefix(format!(
                "{now}  {elapsed} ({})  {} of {} servers moved, waiting for: {waits}",
                self.sequence,
                status.moved.len(),
                status.servers.len()
            ));
            bar.set_message(stages.join("  "));
            return;
        }
        for (index, stage) in status.stages.iter().enumerate() {
            if self.told.get(index) != Some(&stage.state) && stage.state != "pending" {
                println!("{now}  {elapsed:>7}  {}: {}, waiting for: {waits}", stage.name, stage.state);
            }
        }
        self.told = status.stages.iter().map(|stage| stage.state).collect();
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish();
        }
    }
}

fn mark(state: &str) -> &'static str {
    match state {
        "done" => "[x]",
        "running" => "[>]",
        "person" => "[?]",
        "failed" => "[!]",
        _pending => "[ ]",
    }
}
