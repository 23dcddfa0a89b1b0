//! Imports of other DMN files: what a file imports, directly or over others, among the files that are deployed with it.
//!
//! DMN 1.5, 6.3.3: an import names the namespace of the model that it takes elements from.

use super::dmn::is_dmn;
use crate::base::diagnostic::{Findings, Position};
use crate::xml::Document;

/// Kinds of imports of the standard that are no decisions.
const FOREIGN: [&str; 2] = ["PMML", "XMLSchema"];

struct Import<'d> {
    namespace: &'d str,
    kind: &'d str,
    at: Position,
}

fn imports(document: &Document) -> impl Iterator<Item = Import<'_>> {
    let children = document.root().children().filter(|child| child.name() == "import" && is_dmn(*child));
    children.map(|import| Import {
        namespace: import.attribute("namespace").unwrap_or_default(),
        kind: import.attribute("importType").unwrap_or_default(),
        at: import.position(),
    })
}

pub(super) fn has_some(document: &Document) -> bool {
    imports(document).next().is_some()
}

fn namespace(document: &Document) -> Option<&str> {
    document.root().attribute("namespace")
}

/// The files that `document` imports, each after those that it imports itself; what is wrong goes to `found`.
pub(super) fn resolve(document: &Document, others: Vec<Document>, found: &mut Findings) -> Vec<Document> {
    let mut order: Vec<usize> = Vec::new();
    let mut path: Vec<usize> = Vec::new();
    for import in imports(document) {
        // What is wrong in an imported file shows where this one imports it.
        let at = import.at;
        follow(&import, (document, &others), &mut path, &mut order, &mut |message| {
            found.error(at, None, "dmn-import", message);
        });
    }
    let mut others: Vec<Option<Document>> = others.into_iter().map(Some).collect();
    order.into_iter().filter_map(|at| others[at].take()).collect()
}

/// Recursion is bounded: no file comes twice, and their number is that of a deployment.
fn follow(
    import: &Import<'_>,
    (document, others): (&Document, &[Document]),
    path: &mut Vec<usize>,
    order: &mut Vec<usize>,
    wrong: &mut dyn FnMut(String),
) {
    let wanted = import.namespace;
    if wanted.is_empty() {
        return wrong("an import names the namespace of another DMN file: write it, or take the import out".into());
    }
    if let Some(kind) = FOREIGN.iter().find(|kind| import.kind.contains(**kind)) {
        return wrong(format!("imports of {kind} do not run here: only DMN files can be imported"));
    }
    let mut named = others.iter().enumerate().filter(|(_, other)| namespace(other) == Some(wanted)).map(|(at, _)| at);
    let (first, second) = (named.next(), named.next());
    if namespace(document) == Some(wanted) || first.is_some_and(|at| path.contains(&at)) {
        return wrong(format!("the import of {wanted:?} leads back to the file that imports: break the circle"));
    }
    if second.is_some() {
        return wrong(format!(
            "several files of the deployment have the namespace {wanted:?}: give each one of its own"
        ));
    }
    let Some(at) = first else {
        return wrong(format!(
            "no other file of this deployment has the namespace {wanted:?}, which is imported: deploy the file with this namespace together with this one, or correct the import"
        ));
    };
    if order.contains(&at) {
        return;
    }
    path.push(at);
    for inner in imports(&others[at]) {
        follow(&inner, (document, others), path, order, wrong);
    }
    path.pop();
    order.push(at);
}
