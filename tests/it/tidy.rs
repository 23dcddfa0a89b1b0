//! What the compiler does not check: floors, file and function sizes, the map, fences around crates, absent things.
//!
//! One package has no crate walls, so this test reads the sources. Its words are for the one who broke a rule: each
//! finding names file, line and what to do. The rules are those of `CONTRIBUTING.md`; long files and functions that
//! still stand are listed in `tests/tidy/long.txt`, which only shrinks.

mod edges;
mod elements;
mod source;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use source::{Source, read, root, tracked};

/// Lines of a file without its tests.
const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 60;

fn nothing(found: Vec<String>) {
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn the_map_names_every_module() {
    let map = edges::floors();
    let lib = read("src/lib.rs");
    let declared =
        lib.lines().filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'));
    let declared: BTreeSet<String> = declared.map(str::to_owned).collect();
    let mapped: BTreeSet<String> = map.keys().cloned().collect();
    let mut found = Vec::new();
    for module in declared.difference(&mapped) {
        found.push(format!("src/lib.rs: `{module}` is not in the table of floors: add it there, with what it holds"));
    }
    for module in mapped.difference(&declared) {
        found.push(format!("src/lib.rs: the table names `{module}`, which is no module: take it out"));
    }
    nothing(found);
}

#[test]
fn floors_go_down_only() {
    let floors = edges::floors();
    nothing(source::product().iter().flat_map(|file| edges::check(file, &floors)).collect());
}

#[test]
fn crates_stay_behind_their_fences() {
    nothing(source::product().iter().flat_map(edges::fences).collect());
}

#[test]
fn files_and_functions_are_short() {
    let allowed = long_ones();
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for file in source::rust() {
        let mut sizes = vec![(file.path.clone(), file.body().len(), FILE_LINES_MAX)];
        let functions = file
            .functions()
            .into_iter()
            .map(|(name, lines)| (format!("{}::{name}", file.path), lines, FUNCTION_LINES_MAX));
        sizes.extend(functions);
        for (name, lines, most) in sizes {
            match allowed.get(&name) {
                Some(listed) => {
                    seen.insert(name.clone());
                    if lines > *listed {
                        found.push(format!(
                            "{name}: {lines} lines, more than the {listed} of tests/tidy/long.txt: split it"
                        ));
                    } else if lines < *listed {
                        found.push(format!(
                            "{name}: {lines} lines: lower its number in tests/tidy/long.txt, or strike it"
                        ));
                    }
                }
                None if lines > most => {
                    found.push(format!("{name}: {lines} lines, more than {most}: split it by what it says"))
                }
                None => {}
            }
        }
    }
    for name in allowed.keys().filter(|name| !seen.contains(*name)) {
        found.push(format!("tests/tidy/long.txt: {name} is gone: strike it"));
    }
    nothing(found);
}

fn long_ones() -> BTreeMap<String, usize> {
    let list = read("tests/tidy/long.txt");
    let entries = list.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    entries
        .map(|line| {
            let (name, lines) = line.rsplit_once(' ').expect("long.txt: a name, a blank, a number");
            (name.to_owned(), lines.parse().expect("long.txt: a name, a blank, a number"))
        })
        .collect()
}

#[test]
fn each_file_says_first_what_it_is() {
    let files = source::rust();
    let included: BTreeSet<String> = files.iter().flat_map(Source::includes).collect();
    let silent = files.iter().filter(|file| file.lines.len() > 2).filter(|file| {
        let first = file.lines.first().map_or("", String::as_str);
        // a file that is included cannot carry inner documentation
        let spoken = if included.contains(&file.path) { "//" } else { "//!" };
        !first.starts_with(spoken)
    });
    nothing(
        silent
            .map(|file| format!("{}:1: start with `//!`: what this file is, by whose authority", file.path))
            .collect(),
    );
}

#[test]
fn the_engine_knows_no_clock_and_no_world() {
    const ABSENT: [&str; 9] =
        ["async", "await", "tokio", "sqlx", "tracing", "Instant::now", "SystemTime", "getrandom", "std::net"];
    let mut found = Vec::new();
    for file in source::product().iter().filter(|file| ["engine", "partition"].contains(&file.module())) {
        for (number, code) in file.code() {
            for word in ABSENT.iter().filter(|word| text::has_word(&code, word)) {
                found.push(format!(
                    "{}:{number}: `{word}`: time is a parameter, the log is the events, others do the work",
                    file.path
                ));
            }
        }
    }
    nothing(found);
}

#[test]
fn only_the_store_has_sql() {
    let mut found = Vec::new();
    for file in source::product().iter().filter(|file| file.module() != "store") {
        for (number, line) in file.body().iter().enumerate().filter(|(_, line)| text::is_sql(line)) {
            found.push(format!("{}:{}: SQL belongs to `store`: {}", file.path, number + 1, line.trim()));
        }
    }
    nothing(found);
}

#[test]
fn no_stub_and_no_path_of_a_machine() {
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("unimple", "mented!"), concat!("to", "do!(")];
    let mut found = Vec::new();
    for path in tracked() {
        let Ok(content) = std::fs::read_to_string(root().join(&path)) else {
            continue;
        };
        let ours = path.ends_with(".rs") || path.ends_with(".sh") || path.ends_with(".ts") || path.ends_with(".tsx");
        for (number, line) in content.lines().enumerate() {
            if text::has_machine_path(line) {
                found.push(format!("{path}:{}: a path of one machine: {}", number + 1, line.trim()));
            }
            if ours && let Some(mark) = marks.iter().find(|mark| line.contains(*mark)) {
                found.push(format!(
                    "{path}:{}: `{mark}`: finish it, or file an issue and take the mark out",
                    number + 1
                ));
            }
        }
    }
    nothing(found);
}

#[test]
fn one_tls_backend() {
    for package in ["ring", "openssl-sys", "native-tls"] {
        let mut tree = Command::new(env!("CARGO"));
        tree.args(["tree", "--offline", "--locked", "--invert", package]).current_dir(root());
        let answer = tree.output().expect("cargo is here, it runs this test");
        let users = String::from_utf8_lossy(&answer.stdout);
        let words = String::from_utf8_lossy(&answer.stderr);
        let absent = words.contains("did not match any packages") || words.contains("nothing to print");
        assert!(absent || answer.status.success(), "cargo tree cannot answer: {words}");
        assert!(users.trim().is_empty(), "`{package}` is in the build; TLS is rustls with aws-lc-rs:\n{users}");
    }
}
