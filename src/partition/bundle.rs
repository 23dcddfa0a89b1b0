//! The files of a deployment, compiled: all of them, or all that is wrong with them.

use super::{DecisionEntry, DecisionFile};
use crate::base::diagnostic::{Diagnostic, Position, Severity};
use crate::decision::is_dmn;
use crate::engine::compile::compile;
use crate::engine::definition::Process;
use crate::script::task::Script;
use data_encoding::BASE64;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A deployment, compiled and free of errors. Ids and versions are given by the partition.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Sent", into = "Sent")]
pub struct Bundle {
    pub name: Option<String>,
    pub source: Option<String>,
    pub tenant: String,
    pub files: Files,
    pub processes: Vec<(String, Arc<Process>)>,
    pub decisions: Vec<DecisionEntry>,
}

/// Names and bytes, as received.
pub type Files = Vec<(String, Arc<Vec<u8>>)>;
/// What was found in each file.
pub type Findings = IndexMap<String, Vec<Diagnostic>>;

/// What reading gave beside the bundle.
#[derive(Clone, Debug)]
pub struct Read {
    pub bundle: Bundle,
    pub decisions: Vec<DecisionFile>,
    pub warnings: Findings,
}

impl Bundle {
    /// Compiles files that are deployed together. What a file names is looked for by its whole name.
    pub fn read(name: Option<String>, source: Option<String>, tenant: String, files: Files) -> Result<Read, Findings> {
        let mut found = Findings::new();
        let (mut processes, mut decisions) = (Vec::new(), Vec::new());
        let file = |name: &str| files.iter().find(|(file, _)| file == name).map(|(_, bytes)| bytes.to_vec());
        let all: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
        for (name, bytes) in &files {
            let list = match Kind::of(name) {
                Kind::Bpmn => match compile(bytes, &file) {
                    Ok(compiled) => {
                        processes.extend(compiled.processes.into_iter().map(|process| (name.clone(), process)));
                        compiled.warnings
                    }
                    Err(list) => list,
                },
                Kind::Dmn => match DecisionFile::read(name, bytes, &all) {
                    Ok(file) => {
                        decisions.push(file);
                        Vec::new()
                    }
                    Err(list) => list,
                },
                Kind::Form => form(bytes).err().into_iter().collect(),
                Kind::Rhai => script(bytes).err().into_iter().collect(),
                Kind::Other => Vec::new(),
            };
            found.insert(name.clone(), list);
        }
        twice(&processes, &mut found);
        if found.values().flatten().any(|diagnostic| diagnostic.severity == Severity::Error) {
            return Err(found);
        }
        let entries = decisions.iter().flat_map(DecisionFile::entries).collect();
        let bundle = Self { name, source, tenant, files, processes, decisions: entries };
        Ok(Read { bundle, decisions, warnings: found })
    }
}

/// A bundle on its way to another node: its files, which are compiled again where it arrives.
#[derive(Serialize, Deserialize)]
struct Sent {
    name: Option<String>,
    source: Option<String>,
    tenant: String,
    /// Names and bytes, these in base64.
    files: Vec<(String, String)>,
}

impl From<Bundle> for Sent {
    fn from(bundle: Bundle) -> Self {
        let file = |(name, bytes): (String, Arc<Vec<u8>>)| (name, BASE64.encode(&bytes));
        let Bundle { name, source, tenant, files, .. } = bundle;
        Self { name, source, tenant, files: files.into_iter().map(file).collect() }
    }
}

impl TryFrom<Sent> for Bundle {
    type Error = String;

    fn try_from(sent: Sent) -> Result<Self, String> {
        let file = |(name, text): (String, String)| {
            let bytes = BASE64.decode(text.as_bytes()).map_err(|error| format!("{name}: {error}"))?;
            Ok((name, Arc::new(bytes)))
        };
        let files = sent.files.into_iter().map(file).collect::<Result<Files, String>>()?;
        let read = Self::read(sent.name, sent.source, sent.tenant, files).map_err(|found| {
            let all = found.iter().flat_map(|(name, list)| list.iter().map(move |one| format!("{name}:{one}")));
            all.collect::<Vec<_>>().join("; ")
        })?;
        Ok(read.bundle)
    }
}

enum Kind {
    Bpmn,
    Dmn,
    Form,
    Rhai,
    Other,
}

impl Kind {
    fn of(name: &str) -> Self {
        let ends = |suffix: &str| name.to_ascii_lowercase().ends_with(suffix);
        match () {
            () if ends(".bpmn") || ends(".bpmn20.xml") => Self::Bpmn,
            () if is_dmn(name) => Self::Dmn,
            () if ends(".form") => Self::Form,
            () if ends(".rhai") => Self::Rhai,
            () => Self::Other,
        }
    }
}

fn error(at: Position, code: &'static str, message: String) -> Diagnostic {
    Diagnostic { severity: Severity::Error, at, element: None, message, code }
}

fn form(bytes: &[u8]) -> Result<(), Diagnostic> {
    let place = |error: &serde_json::Error| Position {
        line: u32::try_from(error.line()).unwrap_or(u32::MAX),
        column: u32::try_from(error.column()).unwrap_or(u32::MAX),
    };
    match serde_json::from_slice::<Value>(bytes) {
        Ok(Value::Object(_)) => Ok(()),
        Ok(_) => Err(error(Position { line: 1, column: 1 }, "form", "a form is a JSON object".to_owned())),
        Err(wrong) => Err(error(place(&wrong), "form", format!("the form is no JSON: {wrong}"))),
    }
}

fn script(bytes: &[u8]) -> Result<(), Diagnostic> {
    let start = Position { line: 1, column: 1 };
    let text = std::str::from_utf8(bytes).map_err(|_| error(start, "script", "a script is UTF-8 text".to_owned()))?;
    match Script::compile("rhai", text) {
        Ok(_) => Ok(()),
        Err(wrong) => Err(error(start, "script", wrong.to_string())),
    }
}

/// A key names one process of a deployment.
fn twice(processes: &[(String, Arc<Process>)], found: &mut Findings) {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for (file, process) in processes {
        if let Some(first) = seen.insert(process.id.as_str(), file) {
            let words = format!(
                "the process {:?} stands in {first} too: a deployment has one process of a key",
                process.id.as_str()
            );
            let diagnostic = Diagnostic {
                severity: Severity::Error,
                at: Position { line: 1, column: 1 },
                element: Some(process.id.to_string()),
                message: words,
                code: "duplicate-key",
            };
            found.entry(file.clone()).or_default().push(diagnostic);
        }
    }
}
