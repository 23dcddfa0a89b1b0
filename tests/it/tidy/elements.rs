//! The elements that run: each has its file, its witness in the standard, its tests, and its line in the README.
//!
//! The README's table is made from the first line and the gaps of each element's file: `UPDATE_README=1 cargo test --test it tidy`
//! writes it, without that a difference is a failure.

use std::fs;

use transhume::engine::elements::TABLE;

use super::nothing;
use super::source::{read, root};

const BEGIN: &str = "<!-- elements: made from the sources by `UPDATE_README=1 cargo test --test it tidy` -->\n";
const END: &str = "<!-- /elements -->\n";

/// `src/engine/elements/user_task.rs` for `userTask`.
fn file_of(kind: &str) -> String {
    let mut name = String::new();
    for letter in kind.chars() {
        if letter.is_uppercase() {
            name.push('_');
        }
        name.extend(letter.to_lowercase());
    }
    format!("src/engine/elements/{name}.rs")
}

#[test]
fn each_element_has_its_file_its_witness_and_its_tests() {
    let mut found = Vec::new();
    for kind in TABLE {
        let path = file_of(kind);
        let Ok(text) = fs::read_to_string(root().join(&path)) else {
            found.push(format!("{path} is missing: the element `{kind}` has a file of its own"));
            continue;
        };
        let header: String = text.lines().take_while(|line| line.starts_with("//!")).collect();
        if !header.contains("BPMN 2.0.2") {
            found.push(format!("{path}:1: quote the sentence of BPMN 2.0.2 that `{kind}` implements"));
        }
        if !text.contains("#[test]") {
            found.push(format!("{path}: `{kind}` has no test of its own: add one with `check`"));
        }
    }
    nothing(found);
}

/// What an element's file says that it lacks: its paragraph `Gaps: …`.
fn gap(text: &str) -> Option<String> {
    let header: Vec<&str> = text.lines().take_while(|line| line.starts_with("//!")).collect();
    let words = header.iter().map(|line| line.trim_start_matches("//!").trim());
    let gap: Vec<&str> =
        words.skip_while(|line| !line.starts_with("Gaps: ")).take_while(|line| !line.is_empty()).collect();
    let gap = gap.join(" ");
    gap.strip_prefix("Gaps: ").map(|gap| gap.trim_end_matches('.').to_owned())
}

#[test]
fn the_readme_lists_the_elements_that_run() {
    let mut table = String::from("| Element | In BPMN | What it does | Suite | Gaps |\n|---|---|---|---|---|\n");
    for kind in TABLE {
        let text = read(&file_of(kind));
        let line = text.lines().next().unwrap_or_default().trim_start_matches("//! ");
        let (name, does) = line.split_once(": ").expect("`Name: what it does` in the first line");
        let does = does.trim_end_matches('.').replace('|', "\\|");
        let suite = format!("[suite](tests/scenarios/{kind}.test.yaml)");
        let gap = gap(&text).map_or_else(|| "none".to_owned(), |gap| gap.replace('|', "\\|"));
        table.push_str(&format!("| {name} | `{kind}` | {does} | {suite} | {gap} |\n"));
    }
    let readme = read("README.md");
    let (before, rest) = readme.split_once(BEGIN).expect("the README has the table's place");
    let (now, after) = rest.split_once(END).expect("the README has the table's end");
    if now == table {
        return;
    }
    assert!(
        std::env::var_os("UPDATE_README").is_some(),
        "README.md: the table of elements differs from the sources: UPDATE_README=1 cargo test --test it tidy"
    );
    fs::write(root().join("README.md"), format!("{before}{BEGIN}{table}{END}{after}")).expect("README.md is ours");
}
