//! What a rolled-back wave undid, in the words of the outside systems' own log of calls.

use crate::demo::counterpart::Call;

/// System, call, and what it undoes there.
const UNDOES: &[(&str, &str, &str)] = &[
    ("vcenter-target", "PowerOffVM_Task", "targets switched off"),
    ("vcenter-source", "PowerOnVM_Task", "sources started again"),
    ("vr", "unconfigure", "replications taken back"),
];

/// A line for each run of equal calls, from the first target that was switched off on; none if nothing was undone.
pub(super) fn lines(calls: &[Call]) -> Vec<String> {
    let what = |call: &Call| {
        let known = UNDOES.iter().find(|(system, name, _)| call.system == *system && call.call == *name);
        known.map(|(_, _, words)| *words)
    };
    let undone = calls.iter().skip_while(|call| what(call) != Some(UNDOES[0].2));
    let undone: Vec<(&str, &Call)> = undone.filter_map(|call| Some((what(call)?, call))).collect();
    let line = |run: &[(&str, &Call)]| {
        let (words, first) = run.first()?;
        let (_, last) = run.last()?;
        let order = match run.len() {
            1 => first.server.clone(),
            _several => format!("{} first, {} last", first.server, last.server),
        };
        Some(format!("{} {words}, {order}, at {}", run.len(), last.at))
    };
    undone.chunk_by(|one, next| one.0 == next.0).filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Timestamp;

    fn call(system: &str, call: &str, server: &str) -> Call {
        Call { at: Timestamp(0), system: system.into(), call: call.into(), server: server.into() }
    }

    #[test]
    fn equal_calls_are_one_line_and_what_was_done_is_none() {
        let calls = [
            call("vr", "unconfigure", "web-01"),
            call("vcenter-target", "PowerOnVM_Task", "web-01"),
            call("vcenter-target", "PowerOffVM_Task", "web-02"),
            call("vcenter-target", "PowerOffVM_Task", "web-01"),
            call("vcenter-source", "PowerOnVM_Task", "web-01"),
        ];
        let told = [
            "2 targets switched off, web-02 first, web-01 last, at 1970-01-01T00:00:00.000Z",
            "1 sources started again, web-01, at 1970-01-01T00:00:00.000Z",
        ];
        assert_eq!(lines(&calls), told);
        assert!(lines(&calls[..2]).is_empty());
    }
}
