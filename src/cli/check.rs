//! `transhume check`: reads models and prints what is wrong with them, as a deployment would say it.

use clap::Args;
use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use transhume::base::diagnostic::{Diagnostic, Severity};
use transhume::decision::DecisionModel;
use transhume::engine::compile::compile;

/// Characters of a source line that are shown; a longer one is cut around the place.
const SHOWN_MAX: usize = 110;

const EXAMPLE: &str = "\
Example:
  $ transhume check orders.bpmn
  orders.bpmn:16:5: warning[join-never-complete]: \"both\": this parallel gateway waits for a token
  on each of its 2 incoming flows, but at most 1 can arrive: \"large\" takes only one of its flows.
  Merge with an exclusive gateway, or split with a parallel one
    16 |     <parallelGateway id=\"both\"/>
       |     ^
  1 file checked: 1 warning

  transhume check processes/               every *.bpmn and *.dmn below a folder
  transhume check --json processes/ | jq   for editors and pipelines

An error is what a deployment refuses; a warning runs, and deserves a look.
Exit status: 0 no error, 1 errors, 2 a file cannot be read.";

/// Check models without running them: what is wrong, where, and how to mend it
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Check {
    /// Models, or folders that are searched for *.bpmn and *.dmn
    #[arg(required = true, value_name = "FILE")]
    paths: Vec<PathBuf>,
    /// Print one JSON array: of each finding file, line, column, severity, rule, element, message
    #[arg(long, env = "TRANSHUME_JSON")]
    json: bool,
}

/// A file that was read, with its findings.
struct Checked {
    name: String,
    text: String,
    found: Vec<Diagnostic>,
}

pub(crate) fn run(arguments: &Check) -> ExitCode {
    let (files, mut unreadable) = models(&arguments.paths);
    let mut checked = Vec::new();
    for file in files {
        match std::fs::read(&file) {
            Ok(bytes) => checked.push(check(&file, &bytes)),
            Err(error) => unreadable.push(format!("{}: {error}", file.display())),
        }
    }
    let out = if arguments.json { json(&checked) } else { text(&checked, in_colour()) };
    // A reader that has seen enough, such as `head`, is no failure.
    let _closed = std::io::stdout().write_all(out.as_bytes());
    unreadable.iter().for_each(|words| eprintln!("{words}"));
    let errors = checked.iter().flat_map(|file| &file.found).any(|d| d.severity == Severity::Error);
    match (unreadable.is_empty(), errors) {
        (false, _) => ExitCode::from(2),
        (true, true) => ExitCode::FAILURE,
        (true, false) => ExitCode::SUCCESS,
    }
}

/// The files to check in the order of their names, and the paths that lead to none.
fn models(paths: &[PathBuf]) -> (Vec<PathBuf>, Vec<String>) {
    let (mut files, mut wrong) = (Vec::new(), Vec::new());
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let (mut below, mut open) = (Vec::new(), vec![path.clone()]);
        while let Some(folder) = open.pop() {
            let entries = match std::fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) => {
                    wrong.push(format!("{}: {error}", folder.display()));
                    continue;
                }
            };
            for entry in entries.flatten() {
                let inner = entry.path();
                // Linked folders are not entered: they may lead back here.
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    open.push(inner);
                } else if inner.is_file() && is_model(&inner) {
                    below.push(inner);
                }
            }
        }
        if below.is_empty() {
            wrong.push(format!("{}: there is no *.bpmn or *.dmn in this folder", path.display()));
        }
        below.sort();
        files.append(&mut below);
    }
    (files, wrong)
}

fn is_model(path: &Path) -> bool {
    let name = path.to_string_lossy().to_lowercase();
    name.ends_with(".bpmn") || name.ends_with(".bpmn20.xml") || is_dmn(path)
}

fn is_dmn(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("dmn"))
}

fn check(file: &Path, bytes: &[u8]) -> Checked {
    let found = if is_dmn(file) {
        // Most import nothing, and need no other file to be read.
        let beside = if String::from_utf8_lossy(bytes).contains("import") { beside(file) } else { Vec::new() };
        let beside: Vec<&[u8]> = beside.iter().map(Vec::as_slice).collect();
        DecisionModel::parse_with(bytes, &beside).err().unwrap_or_default()
    } else {
        // A deployment takes scripts and forms from its other files; here they lie beside the model.
        let beside = |name: &str| {
            let name = Path::new(name);
            let inside = name.components().all(|part| matches!(part, std::path::Component::Normal(_)));
            let folder = file.parent().filter(|_| inside)?;
            std::fs::read(folder.join(name)).ok()
        };
        compile(bytes, &beside).map_or_else(|found| found, |compiled| compiled.warnings)
    };
    Checked { name: file.display().to_string(), text: String::from_utf8_lossy(bytes).into_owned(), found }
}

/// The other files of decisions in the folder of this one, which a deployment may bring along.
fn beside(file: &Path) -> Vec<Vec<u8>> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut others: Vec<PathBuf> =
        entries.filter(|path| is_dmn(path) && path.file_name() != file.file_name() && path.is_file()).collect();
    others.sort();
    others.iter().filter_map(|path| std::fs::read(path).ok()).collect()
}

fn json(checked: &[Checked]) -> String {
    let finding = |file: &Checked, found: &Diagnostic| {
        serde_json::json!({
            "file": file.name,
            "line": found.at.line,
            "column": found.at.column,
            "severity": severity(found),
            "rule": found.code,
            "element": found.element,
            "message": found.message,
        })
    };
    let findings = checked.iter().flat_map(|file| file.found.iter().map(move |found| finding(file, found)));
    format!("{:#}\n", serde_json::Value::Array(findings.collect()))
}

fn text(checked: &[Checked], colour: bool) -> String {
    let mut out = String::new();
    for file in checked {
        let lines: Vec<&str> = file.text.lines().collect();
        for found in &file.found {
            let source = usize::try_from(found.at.line).ok().and_then(|line| lines.get(line.checked_sub(1)?));
            // Writing to a string does not fail.
            let _done = write_finding(&mut out, &file.name, found, source.copied(), colour);
        }
    }
    out.push_str(&summary(checked));
    out
}

fn write_finding(
    out: &mut String,
    file: &str,
    found: &Diagnostic,
    source: Option<&str>,
    colour: bool,
) -> std::fmt::Result {
    let (strong, plain) = match (colour, found.severity) {
        (false, _) => ("", ""),
        (true, Severity::Error) => ("\x1b[1;31m", "\x1b[0m"),
        (true, Severity::Warning) => ("\x1b[1;33m", "\x1b[0m"),
    };
    let place = found.at;
    let severity = severity(found);
    let (rule, words) = (found.code, &found.message);
    writeln!(out, "{file}:{}:{}: {strong}{severity}[{rule}]{plain}: {words}", place.line, place.column)?;
    if let Some(source) = source {
        let (shown, column) = window(source, usize::try_from(place.column).unwrap_or(1).max(1) - 1);
        let number = place.line.to_string();
        let margin = " ".repeat(number.len());
        writeln!(out, "  {number} | {shown}")?;
        writeln!(out, "  {margin} | {}{strong}^{plain}", " ".repeat(column))?;
    }
    Ok(())
}

/// A line as a terminal shows it, one column a character, and where the place is in it.
fn window(line: &str, column: usize) -> (String, usize) {
    let plain: Vec<char> = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let column = column.min(plain.len());
    let indent = plain.iter().take_while(|c| **c == ' ').count().min(column);
    // Of a deep indentation four blanks are kept, of a long line what stands around the place.
    let indented = indent.saturating_sub(4);
    let from =
        if plain.len() - indented > SHOWN_MAX { indented.max(column.saturating_sub(SHOWN_MAX / 2)) } else { indented };
    let to = plain.len().min(from + SHOWN_MAX);
    let (before, after) = (if from > indent { "…" } else { "" }, if to < plain.len() { "…" } else { "" });
    let shown: String = plain[from..to].iter().collect();
    (format!("{before}{shown}{after}"), column - from + before.chars().count())
}

fn summary(checked: &[Checked]) -> String {
    let of =
        |severity: Severity| checked.iter().flat_map(|file| &file.found).filter(|d| d.severity == severity).count();
    let counted = |number: usize, noun: &str| format!("{number} {noun}{}", if number == 1 { "" } else { "s" });
    let found: Vec<String> = [(of(Severity::Error), "error"), (of(Severity::Warning), "warning")]
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, noun)| counted(number, noun))
        .collect();
    let found = if found.is_empty() { "nothing found".to_owned() } else { found.join(", ") };
    format!("{} checked: {found}\n", counted(checked.len(), "file"))
}

fn severity(found: &Diagnostic) -> &'static str {
    match found.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// Only for people, and not for those who say NO_COLOR.
fn in_colour() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
