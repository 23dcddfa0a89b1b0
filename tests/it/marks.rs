//! Marks in rare branches (`seen!`): the process tests and the simulator come by every one of them.

use std::collections::BTreeSet;
use std::path::Path;

use transhume::base::mark::reached;

use crate::support::say::say;
use crate::{scenarios, sim};

#[test]
fn every_mark_is_reached() {
    let mut marks = BTreeSet::new();
    gather(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut marks);
    scenarios::in_memory();
    scenarios::with_restart();
    sim::no_fault();
    sim::several_nodes();
    let reached = reached();
    let missed: Vec<&String> = marks.iter().filter(|mark| !reached.contains(mark.as_str())).collect();
    say(format!("marks: {} of {} rare branches reached", marks.len() - missed.len(), marks.len()));
    assert!(marks.len() > 10, "the marks are found in the sources");
    assert!(missed.is_empty(), "no test enters these branches: {missed:?}");
}

/// The marks of the sources; each stands in one place.
fn gather(folder: &Path, marks: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder of the sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            gather(&path, marks);
        } else if path.extension().is_some_and(|kind| kind == "rs") && !path.ends_with("base/mark.rs") {
            let text = std::fs::read_to_string(&path).expect("a text");
            for part in text.split("seen!(\"").skip(1) {
                let name = part.split('"').next().unwrap_or_default().to_owned();
                assert!(marks.insert(name.clone()), "the mark {name:?} stands in two places");
            }
        }
    }
}
