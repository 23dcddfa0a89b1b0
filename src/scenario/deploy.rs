//! The files of a suite as one deployment.

use crate::base::diagnostic::{Diagnostic, Severity};
use crate::decision::is_dmn;
use crate::engine::compile::compile;
use crate::partition::{Bundle, DecisionFile};
use crate::scenario::expect::Names;
use std::path::Path;
use std::sync::Arc;

/// A deployment and what its decision files say.
#[derive(Clone)]
pub(super) struct Deployable {
    pub(super) bundle: Bundle,
    pub(super) decisions: Arc<Vec<DecisionFile>>,
}

/// Reads and compiles the files; all errors of all files at once.
pub(super) fn bundle(folder: &Path, files: &[String]) -> Result<Deployable, String> {
    let mut errors = Vec::new();
    let mut read = Vec::new();
    for file in files {
        match std::fs::read(folder.join(file)) {
            Ok(bytes) => read.push((file.clone(), Arc::new(bytes))),
            Err(error) => errors.push(format!("{file}: {error}")),
        }
    }
    let resource = |name: &str| {
        let named = |file: &str| file == name || file.rsplit('/').next() == Some(name);
        read.iter().find(|(file, _)| named(file)).map(|(_, bytes)| bytes.to_vec())
    };
    let all: Vec<(&str, &[u8])> = read.iter().map(|(file, bytes)| (file.as_str(), bytes.as_slice())).collect();
    let (mut processes, mut decisions, mut entries) = (Vec::new(), Vec::new(), Vec::new());
    for (file, bytes) in &read {
        if is_bpmn(file) {
            match compile(bytes, &resource) {
                Ok(compiled) => processes.extend(compiled.processes.into_iter().map(|process| (file.clone(), process))),
                Err(found) => errors.extend(lines(file, &found)),
            }
        } else if is_dmn(file) {
            match DecisionFile::read(file, bytes, &all) {
                Ok(read) => {
                    entries.extend(read.entries());
                    decisions.push(read);
                }
                Err(found) => errors.extend(lines(file, &found)),
            }
        }
    }
    if !errors.is_empty() {
        return Err(errors.join("\n"));
    }
    let bundle = Bundle { name: None, source: None, tenant: String::new(), files: read, processes, decisions: entries };
    Ok(Deployable { bundle, decisions: Arc::new(decisions) })
}

/// Whether deployment refuses this file.
pub(super) fn refused(folder: &Path, file: &str) -> bool {
    bundle(folder, &[file.to_owned()]).is_err()
}

/// Every element of the deployed models, with its name.
pub(super) fn names(bundle: &Bundle) -> Names {
    let mut names = Names::default();
    for (_, process) in &bundle.processes {
        names.known.extend(process.graph.node_weights().map(|node| (node.id.to_string(), node.name.clone())));
        let flows = process.graph.edge_weights().map(|flow| (flow.id.to_string(), None));
        names.known.extend(flows);
    }
    names
}

fn is_bpmn(file: &str) -> bool {
    file.ends_with(".bpmn") || file.ends_with(".bpmn20.xml")
}

fn lines(file: &str, found: &[Diagnostic]) -> Vec<String> {
    found.iter().filter(|d| d.severity == Severity::Error).map(|d| format!("{file}:{d}")).collect()
}
