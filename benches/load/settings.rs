//! What is measured and how long: words of the command line, and the environment.

use std::env;
use std::time::Duration;

use super::database::Kind;

pub(crate) struct Settings {
    /// Of one measurement.
    pub(crate) span: Duration,
    pub(crate) times: usize,
    /// Each of these numbers of clients is measured by itself.
    pub(crate) clients: Vec<usize>,
    words: Vec<String>,
}

impl Settings {
    pub(crate) fn read() -> Self {
        let clients = text("BENCH_CLIENTS").unwrap_or_else(|| "64".to_owned());
        let clients = clients.split(',').filter_map(|one| one.trim().parse().ok()).filter(|one| *one > 0).collect();
        Self {
            span: seconds("BENCH_SECONDS", 20.0),
            times: number("BENCH_TIMES", 3).max(1),
            clients,
            words: env::args().skip(1).filter(|word| !word.starts_with('-')).map(|word| word.to_lowercase()).collect(),
        }
    }

    /// Whether this word was said, or none of its kind.
    pub(crate) fn wants(&self, kinds: &[&str], word: &str) -> bool {
        self.says(word) || !kinds.iter().any(|kind| self.says(kind))
    }

    pub(crate) fn says(&self, word: &str) -> bool {
        self.words.iter().any(|one| one == word)
    }

    pub(crate) fn databases(&self) -> Vec<Kind> {
        let kinds = Kind::ALL.map(Kind::word);
        Kind::ALL.into_iter().filter(|kind| self.wants(&kinds, kind.word())).collect()
    }

    /// For what measures one number of clients only.
    pub(crate) fn most_clients(&self) -> usize {
        self.clients.iter().copied().max().unwrap_or(64)
    }
}

/// Whether the command line asks for the words it knows.
pub(crate) fn asks_for_help() -> bool {
    env::args().any(|word| word == "--help" || word == "-h")
}

fn text(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

pub(crate) fn number(name: &str, otherwise: usize) -> usize {
    text(name).and_then(|value| value.replace('_', "").parse().ok()).unwrap_or(otherwise)
}

pub(crate) fn seconds(name: &str, otherwise: f64) -> Duration {
    Duration::from_secs_f64(text(name).and_then(|value| value.parse().ok()).unwrap_or(otherwise))
}
