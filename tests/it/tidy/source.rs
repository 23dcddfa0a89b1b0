//! Reads the repository's files for tidy: which are ours, where tests begin, what is code and what is comment.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(super) struct Source {
    /// Relative to the repository.
    pub(super) path: String,
    pub(super) lines: Vec<String>,
}

pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(super) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What git keeps; in an unpacked archive without git there is nothing to compare with.
pub(super) fn tracked() -> Vec<String> {
    let answer = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output();
    let Ok(answer) = answer else {
        return Vec::new();
    };
    let names = String::from_utf8_lossy(&answer.stdout).into_owned();
    names.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// Every Rust file of the package.
pub(super) fn rust() -> Vec<Source> {
    ["src", "tests/it", "benches"].into_iter().flat_map(below).collect()
}

/// The library and the binary.
pub(super) fn product() -> Vec<Source> {
    below("src")
}

fn below(folder: &str) -> Vec<Source> {
    let mut open = vec![root().join(folder)];
    let mut files: Vec<PathBuf> = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files.iter().map(|file| Source::open(file)).collect()
}

impl Source {
    fn open(file: &Path) -> Self {
        let path = file.strip_prefix(root()).expect("below the repository").to_string_lossy().into_owned();
        let lines = read(&path).lines().map(str::to_owned).collect();
        Self { path, lines }
    }

    /// The top-level module: `engine` for `src/engine/step.rs`, `main` for `src/main.rs`.
    pub(super) fn module(&self) -> &str {
        let inside = self.path.split('/').nth(1).unwrap_or_default();
        inside.strip_suffix(".rs").unwrap_or(inside)
    }

    /// How many modules deep the file is: 1 for `src/engine/mod.rs`, 2 for `src/engine/step.rs`.
    pub(super) fn depth(&self) -> usize {
        let parts = self.path.split('/').count() - 1;
        if self.path.ends_with("/mod.rs") { parts - 1 } else { parts }
    }

    fn is_test(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name == "tests.rs" || name.ends_with("_tests.rs") || name == "testing.rs" || self.path.contains("/tests/")
    }

    /// The lines before the tests at its end; none of a file that is all tests of a module.
    pub(super) fn body(&self) -> &[String] {
        if self.path.starts_with("src") && self.is_test() {
            return &[];
        }
        let tests = (0..self.lines.len()).find(|at| {
            let next = self.lines.get(at + 1).map_or("", String::as_str);
            self.lines[*at] == "#[cfg(test)]" && next.starts_with("mod ") && next.ends_with('{')
        });
        &self.lines[..tests.unwrap_or(self.lines.len())]
    }

    /// Numbered lines of the body without comments and the inside of texts.
    pub(super) fn code(&self) -> Vec<(usize, String)> {
        let body = self.body().iter().enumerate();
        body.map(|(number, line)| (number + 1, super::text::code_of(line))).collect()
    }

    /// Functions of the body with their length; formatted code ends a function at the column in which it began.
    pub(super) fn functions(&self) -> Vec<(String, usize)> {
        let mut found = Vec::new();
        let body = self.body();
        for (at, line) in body.iter().enumerate() {
            let Some(name) = super::text::function_name(line) else {
                continue;
            };
            let indent = line.len() - line.trim_start().len();
            let closing = format!("{}}}", " ".repeat(indent));
            let declared = format!("{};", " ".repeat(indent));
            if line.ends_with('}') || line.ends_with(';') {
                continue;
            }
            let end = body[at..].iter().position(|line| *line == closing || line.starts_with(&declared));
            if let Some(length) = end {
                found.push((name, length + 1));
            }
        }
        found
    }

    /// Files that this one takes in by `include!`, relative to the repository.
    pub(super) fn includes(&self) -> Vec<String> {
        let folder = self.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let names = self.lines.iter().filter_map(|line| line.split_once("include!(\"")?.1.split_once('"'));
        names.map(|(name, _)| format!("{folder}/{name}")).collect()
    }
}
