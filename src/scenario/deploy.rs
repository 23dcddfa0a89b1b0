//! The files of a suite as one deployment.

use crate::base::diagnostic::{Diagnostic, Severity};
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
    if !errors.is_empty() {
        return Err(errors.join("\n"));
    }
    match Bundle::read(None, None, String::new(), read) {
        Ok(read) => Ok(Deployable { bundle: read.bundle, decisions: Arc::new(read.decisions) }),
        Err(found) => Err(found.iter().flat_map(|(file, list)| lines(file, list)).collect::<Vec<_>>().join("\n")),
    }
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

fn lines(file: &str, found: &[Diagnostic]) -> Vec<String> {
    found.iter().filter(|d| d.severity == Severity::Error).map(|d| format!("{file}:{d}")).collect()
}
