//! The table beside the paper's Table IV: how long each segment took, read off the history of the activities that carry the
//! property `transhume.segment`.

use crate::base::id::ElementId;
use crate::base::time::Timestamp;
use crate::engine::compile::{compile, no_resources};
use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Name, how often it is needed, and what Table IV states, in seconds.
const SEGMENTS: &[(&str, &str, i64)] = &[
    ("user input", "once", 24 * 3_600),
    ("provision", "once", 16 * 3_600 + 1_800),
    ("transfer", "repeat", 4 * 3_600),
    ("cutover", "repeat", 300),
    ("steady state", "once", 1_800),
];

/// The total that the paper states.
const STATED_TOTAL: i64 = 44 * 3_600 + 300;

/// Why the paper has two totals (figures of its Tables III and IV).
pub(super) const TWO_TOTALS: &str = "Table IV's columns add up to 45h05m; the 44h05m it states is what a transfer of 3 hours gives \
                              (row 1 of Table III). With row 2 of Table III (4h10m25s for 25 servers) it is 45h15m.";

/// The paper's arithmetic with every resource at its maximum (Table II, 25 servers), by what runs beside what; seconds.
pub(super) fn variants() -> [(&'static str, i64); 6] {
    const HOUR: i64 = 3_600;
    let (gateway, vlan, host, vcenter, association) = (8 * HOUR, 4 * HOUR, 4 * HOUR, HOUR / 2, HOUR / 4);
    let (input, shorter_input) = (24 * HOUR, 8 * HOUR);
    let tail = 4 * HOUR + 300 + HOUR / 2;
    let in_sequence = gateway + vlan + host.max(vcenter);
    let together = gateway.max(vlan).max(host).max(vcenter) + association;
    [
        ("A as in Table IV, all in sequence", input + gateway + vlan + host + vcenter + tail),
        ("B vCenter beside the host", input + in_sequence + tail),
        ("C user input beside provisioning", input.max(in_sequence) + tail),
        ("D user input in 8 hours (reminders, escalation, deputy)", shorter_input.max(in_sequence) + tail),
        ("E VLAN and host ordered beside the gateway", shorter_input.max(together) + tail),
        ("F questionnaire before the start: the gateway limits", together + tail),
    ]
}

/// (process, element) to segment, from the models themselves.
pub(super) type Marked = BTreeMap<(String, ElementId), String>;

pub(super) fn marked(files: &[(&str, &[u8])]) -> Marked {
    let models = files.iter().filter(|(name, _)| name.ends_with(".bpmn"));
    let processes =
        models.filter_map(|(_, bytes)| compile(bytes, &no_resources).ok()).flat_map(|compiled| compiled.processes);
    let mut marked = Marked::new();
    for process in processes {
        for node in process.graph.node_weights() {
            if let Some(segment) = node.properties.get("transhume.segment") {
                let name = segment.rsplit_once(' ').map_or(segment.as_str(), |(name, _)| name);
                marked.insert((process.id.to_string(), node.id.clone()), name.to_owned());
            }
        }
    }
    marked
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Segment {
    pub name: &'static str,
    pub occurrence: &'static str,
    pub paper: i64,
    /// Seconds; none: not begun.
    pub measured: Option<i64>,
    pub ended: bool,
}

/// Measures the segments from rows of `/history/activity-instance`: the time that at least one activity of it was open.
pub(super) fn measure(marked: &Marked, rows: &[Value], now: Timestamp) -> Vec<Segment> {
    let mut spans: BTreeMap<&str, Vec<(i64, i64, bool)>> = BTreeMap::new();
    for row in rows {
        let of = |name: &str| row[name].as_str().unwrap_or_default();
        let element = of("activityId").split('#').next().unwrap_or_default();
        let Some(segment) = marked.get(&(of("processDefinitionKey").to_owned(), ElementId::from(element))) else {
            continue;
        };
        let at = |name: &str| Timestamp::parse(of(name)).ok().map(|at| at.0);
        if let Some(from) = at("startTime") {
            let to = at("endTime");
            spans.entry(segment).or_default().push((from, to.unwrap_or(now.0), to.is_some()));
        }
    }
    SEGMENTS
        .iter()
        .map(|(name, occurrence, paper)| {
            let spans = spans.remove(name).unwrap_or_default();
            let ended = !spans.is_empty() && spans.iter().all(|(.., ended)| *ended);
            let measured = (!spans.is_empty()).then(|| covered(spans) / 1_000);
            Segment { name, occurrence, paper: *paper, measured, ended }
        })
        .collect()
}

/// Milliseconds that the spans cover, each moment once.
fn covered(mut spans: Vec<(i64, i64, bool)>) -> i64 {
    spans.sort_unstable();
    let (mut sum, mut end) = (0, i64::MIN);
    for (from, to, _) in spans {
        let from = from.max(end);
        if to > from {
            sum += to - from;
        }
        end = end.max(to);
    }
    sum
}

/// `45h15m`, `5m`, `30m`: whole minutes, hours where there are some.
pub(super) fn clock_words(seconds: i64) -> String {
    let minutes = seconds / 60;
    if minutes < 60 { format!("{minutes}m") } else { format!("{}h{:02}m", minutes / 60, minutes % 60) }
}

pub(super) fn table(segments: &[Segment], total: Option<i64>, sequence: &str) -> String {
    let words = |seconds: Option<i64>| seconds.map_or_else(|| "–".to_owned(), clock_words);
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["Segment", "", "Table IV", &format!("this run ({sequence})")]);
    for segment in segments {
        table.add_row([
            segment.name.to_owned(),
            segment.occurrence.to_owned(),
            clock_words(segment.paper),
            words(segment.measured),
        ]);
    }
    let sum: i64 = SEGMENTS.iter().map(|(.., paper)| paper).sum();
    table.add_row([
        "total",
        "",
        &format!("{} ({} stated)", clock_words(sum), clock_words(STATED_TOTAL)),
        &words(total),
    ]);
    for column in [2, 3] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut text = format!("{table}\n\n{TWO_TOTALS}\n\nWhat runs beside what, with every resource at its maximum:\n");
    for (what, total) in variants() {
        text.push_str(&format!("  {what:<58} {:>7}\n", clock_words(total)));
    }
    text
}

/// As `Segment` of the page's types; the last row is the total.
pub(super) fn json_rows(segments: &[Segment], total: Option<(i64, bool)>) -> Vec<Value> {
    let row = |segment: &Segment| {
        json!({"id": segment.name.replace(' ', "-"), "name": segment.name, "occurrence": segment.occurrence,
               "measured": segment.measured, "final": segment.ended, "paper": segment.paper})
    };
    let mut rows: Vec<Value> = segments.iter().map(row).collect();
    let (measured, ended) = total.map_or((None, false), |(seconds, ended)| (Some(seconds), ended));
    rows.push(json!({"id": "total", "name": "total", "occurrence": null, "measured": measured, "final": ended, "paper": STATED_TOTAL}));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_counts_once() {
        assert_eq!(covered(vec![(0, 10, true), (5, 20, true), (30, 40, true)]), 30);
        assert_eq!(covered(vec![(0, 100, true), (10, 20, true), (50, 60, true)]), 100);
    }

    #[test]
    fn times_read_as_the_paper_writes_them() {
        let words: Vec<String> = [86_400, 59_400, 15_025, 300, 1_800, 162_925].map(clock_words).into();
        assert_eq!(words, ["24h00m", "16h30m", "4h10m", "5m", "30m", "45h15m"]);
    }

    #[test]
    fn the_variants_are_the_papers_arithmetic() {
        let totals = variants().map(|(_, total)| clock_words(total));
        assert_eq!(totals, ["45h05m", "44h35m", "28h35m", "20h35m", "12h50m", "12h50m"]);
    }

    #[test]
    fn the_models_mark_every_segment() {
        let marked = marked(crate::demo::catalogue::FILES);
        for (name, ..) in SEGMENTS {
            assert!(marked.values().any(|segment| segment == name), "no activity is marked {name:?}");
        }
    }
}
