//! Figures: percentiles, the spread of several runs, the exponent of a growth, what a process uses.

use std::fmt;
use std::time::Duration;

/// How long each answer took, in microseconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latencies(Vec<u32>);

impl Latencies {
    pub(crate) fn add(&mut self, took: Duration) {
        self.0.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
    }

    pub(crate) fn join(&mut self, mut others: Self) {
        self.0.append(&mut others.0);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The least value that this share of all does not exceed, in milliseconds.
    pub(crate) fn percentile(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let last = sorted.len().saturating_sub(1);
        let place = (sorted.len() as f64 * share).ceil() as usize;
        sorted.get(place.saturating_sub(1).min(last)).map_or(0.0, |micros| f64::from(*micros) / 1_000.0)
    }
}

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p50 {:.2} ms, p99 {:.2} ms", self.percentile(0.5), self.percentile(0.99))
    }
}

/// Median, least and most of several runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    pub(crate) fn of(mut runs: Vec<f64>) -> Self {
        runs.sort_by(f64::total_cmp);
        let at = |place: usize| runs.get(place).copied().unwrap_or(0.0);
        Self { median: at(runs.len() / 2), least: at(0), most: at(runs.len().saturating_sub(1)) }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0} [{:.0} to {:.0}]", self.median, self.least, self.most)
    }
}

/// The exponent of a cost over a size: the slope of the straight line through the logarithms, by least squares.
pub(crate) fn exponent(points: &[(f64, f64)]) -> f64 {
    let logs: Vec<(f64, f64)> = points.iter().map(|(size, cost)| (size.ln(), cost.ln())).collect();
    let count = logs.len() as f64;
    let (x, y) = (logs.iter().map(|at| at.0).sum::<f64>() / count, logs.iter().map(|at| at.1).sum::<f64>() / count);
    let across: f64 = logs.iter().map(|at| (at.0 - x) * (at.1 - y)).sum();
    let along: f64 = logs.iter().map(|at| (at.0 - x).powi(2)).sum();
    across / along
}

/// Prints a growth line by line and its exponent.
pub(crate) fn growth(what: &str, unit: &str, most: f64, points: &[(f64, f64)]) {
    for (size, cost) in points {
        println!("  {what:<58} {size:>9.0} {cost:>12.2} {unit}");
    }
    println!("  {what:<58} exponent {:.2}, at most {most}", exponent(points));
}

/// Bytes of a process in memory, as Linux tells them; 0 elsewhere.
pub(crate) fn resident(process: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1_024
}

/// Processor time of a process and of the children it has waited for, or of those whose parent it is.
pub(crate) fn processor(process: u32, with_children: bool) -> Duration {
    /// Linux counts it in hundredths of a second.
    const TICK: Duration = Duration::from_millis(10);
    let mut ticks = 0;
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(number) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // The name in brackets may have anything in it.
        let fields: Vec<&str> =
            stat.rsplit_once(')').map(|rest| rest.1.split_whitespace().collect()).unwrap_or_default();
        let field = |place: usize| fields.get(place).and_then(|word| word.parse::<u32>().ok()).unwrap_or(0);
        if number == process {
            let until = if with_children { 15 } else { 13 };
            ticks += (11..until).map(field).sum::<u32>();
        } else if with_children && field(1) == process {
            ticks += field(11) + field(12);
        }
    }
    TICK * ticks
}

pub(crate) fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
