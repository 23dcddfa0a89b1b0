//! Models of other people, from the suites beside the repository: `TRANSHUME_SUITES`, by default `../shared/suites`.

use crate::xml::{Document, Edit, code};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The same elements with the same names, attributes and texts, as the independent reader sees them.
pub(super) fn compare(ours: &Document, judge: &roxmltree::Document<'_>) -> Result<(), String> {
    let theirs = judge.descendants().filter(roxmltree::Node::is_element);
    let mut left = ours.elements();
    for their in theirs {
        let our = left.next().ok_or("an element is missing")?;
        let name = their.tag_name();
        if !our.is(name.namespace().unwrap_or_default(), name.name()) {
            return Err(format!("{our:?} should be {name:?}"));
        }
        if our.span() != their.range() {
            return Err(format!("{our:?}: span {:?}, not {:?}", our.span(), their.range()));
        }
        let attributes: Vec<_> = our.attributes().map(|one| (one.namespace, one.local, one.value)).collect();
        let expected: Vec<_> =
            their.attributes().map(|one| (one.namespace().unwrap_or_default(), one.name(), one.value())).collect();
        if attributes != expected {
            return Err(format!("{our:?}: {attributes:?}, not {expected:?}"));
        }
        let text: String = their.children().filter(roxmltree::Node::is_text).filter_map(|node| node.text()).collect();
        if our.text() != text {
            return Err(format!("{our:?}: text {:?}, not {text:?}", our.text()));
        }
    }
    match left.next() {
        Some(more) => Err(format!("{more:?} is not there")),
        None => Ok(()),
    }
}

fn suites() -> PathBuf {
    let set = std::env::var_os("TRANSHUME_SUITES").map(PathBuf::from);
    set.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/suites"))
}

/// Every model below a folder, in a fixed order.
fn models(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let entries = std::fs::read_dir(&folder).expect("the folder can be read");
        for entry in entries {
            let path = entry.expect("the folder can be read").path();
            let kind = path.extension().and_then(|kind| kind.to_str()).unwrap_or_default();
            if path.is_dir() {
                open.push(path);
            } else if matches!(kind, "bpmn" | "bpmn2" | "dmn" | "xml") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Each is read as the independent reader reads it, or refused for a reason that it does not check.
#[test]
fn models_of_the_suites_are_read_alike() {
    for suite in ["miwg", "betsy", "dmn", "constraints", "token-simulation", "rest", "oracle"] {
        let folder = suites().join(suite);
        if !folder.is_dir() {
            println!("  skipped: {} is not there (set TRANSHUME_SUITES)", folder.display());
            continue;
        }
        let mut count: BTreeMap<&str, usize> = BTreeMap::new();
        for path in models(&folder) {
            let bytes = std::fs::read(&path).expect("a model can be read");
            let judge = std::str::from_utf8(&bytes).ok().map(roxmltree::Document::parse);
            let place = path.display();
            let verdict = match (Document::parse(&bytes), judge) {
                (Ok(ours), Some(Ok(judge))) => {
                    compare(&ours, &judge).unwrap_or_else(|difference| panic!("{place}: {difference}"));
                    let same = Edit::new(&ours).finish().expect("nothing to do");
                    assert!(same.as_bytes() == bytes, "{place}: an empty edit changes bytes");
                    "read"
                }
                (Err(refusal), Some(Err(_)) | None) => refusal.code,
                (Err(refusal), Some(Ok(_))) if matches!(refusal.code, code::ENCODING | code::LIMIT) => refusal.code,
                (Err(refusal), Some(Ok(_))) => panic!("{place}: only we refuse it: {refusal}"),
                (Ok(_), Some(Err(error))) => panic!("{place}: only we accept it: {error}"),
                (Ok(_), None) => panic!("{place}: not UTF-8, and accepted"),
            };
            *count.entry(verdict).or_default() += 1;
        }
        println!("  {suite}: {count:?}");
    }
}
