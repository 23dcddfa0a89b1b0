//! Data as BPMN draws it: data objects, properties and stores are variables of their name; associations move them.
//!
//! BPMN 2.0.2, 10.4: "Data Associations are used to move data between Data Objects, Properties, and inputs and outputs of
//! Activities"; with a transformation or assignments what is moved is computed.

use super::Element;
use super::source::Source;
use crate::base::diagnostic::Findings;
use crate::bpmn::names;
use crate::engine::definition::{Parameter, ParameterValue};
use std::collections::BTreeMap;

/// Where the data of an association is.
const NAMED: [&str; 8] = [
    "dataObject",
    "dataObjectReference",
    "dataStore",
    "dataStoreReference",
    "property",
    "dataInput",
    "dataOutput",
    "inputDataItem",
];

/// Names of all data elements of a file, by their ids.
pub(super) fn names(root: Element<'_>) -> BTreeMap<&str, String> {
    let mut named = BTreeMap::new();
    let mut references = Vec::new();
    for el in root.descendants().filter(|el| el.namespace() == names::BPMN && NAMED.contains(&el.name())) {
        let Some(id) = el.attribute("id") else { continue };
        let own = el.attribute("name").filter(|name| !name.is_empty()).unwrap_or(id);
        named.insert(id, own.to_owned());
        if let Some(of) = el.attribute("dataObjectRef").or_else(|| el.attribute("dataStoreRef")) {
            references.push((id, of.rsplit(':').next().unwrap_or(of)));
        }
    }
    // A reference stands for its object, under the object's name if that has one of its own, else under its own.
    for (id, of) in references {
        if let Some(name) = named.get(of).filter(|name| *name != of).cloned() {
            named.insert(id, name);
        }
    }
    named
}

impl<'d> Source<'d, '_> {
    /// The variable behind the id of a data element.
    pub(super) fn data_name(&self, reference: &str) -> String {
        let local = reference.trim().rsplit(':').next().unwrap_or_default();
        self.model.data.get(local).cloned().unwrap_or_else(|| local.to_owned())
    }

    /// The variable that feeds a data input, or takes a data output, of this activity; else one of its own name.
    pub(super) fn data_around(&self, reference: &str) -> String {
        let local = reference.trim();
        let feeds = self.associations("dataInputAssociation").find_map(|el| {
            let target = el.child(names::BPMN, "targetRef")?;
            (target.text().trim() == local).then(|| el.child(names::BPMN, "sourceRef"))?
        });
        let takes = self.associations("dataOutputAssociation").find_map(|el| {
            let source = el.child(names::BPMN, "sourceRef")?;
            (source.text().trim() == local).then(|| el.child(names::BPMN, "targetRef"))?
        });
        match feeds.or(takes) {
            Some(other) => self.data_name(&other.text()),
            None => self.data_name(local),
        }
    }

    fn associations(&self, kind: &'static str) -> impl Iterator<Item = Element<'d>> + use<'d> {
        self.el.children().filter(move |el| el.is(names::BPMN, kind))
    }

    /// What its data associations move in and out.
    pub(super) fn data_associations(&self, found: &mut Findings) -> (Vec<Parameter>, Vec<Parameter>) {
        let mut read = |kind| {
            let all = self.associations(kind);
            all.flat_map(|el| self.data_association(el, found)).collect::<Vec<Parameter>>()
        };
        (read("dataInputAssociation"), read("dataOutputAssociation"))
    }

    fn data_association(&self, el: Element<'d>, found: &mut Findings) -> Vec<Parameter> {
        let assignments: Vec<Element<'d>> = el.children().filter(|el| el.is(names::BPMN, "assignment")).collect();
        let target = el.child(names::BPMN, "targetRef").map(|el| el.text().trim().to_owned()).unwrap_or_default();
        if !assignments.is_empty() {
            return assignments.into_iter().filter_map(|assignment| self.assignment(assignment, found)).collect();
        }
        if let Some(transformation) = el.child(names::BPMN, "transformation") {
            let value = self.model.condition(transformation, self.id_opt(), found);
            if target.is_empty() {
                let words = "this transformation has no target: give the association a targetRef";
                found.error(el.position(), self.id_opt(), "data-association", words);
            }
            return vec![Parameter { name: self.data_name(&target), value: value.into() }];
        }
        let source = el.child(names::BPMN, "sourceRef").map(|el| el.text().trim().to_owned()).unwrap_or_default();
        // Modelers draw associations to nothing: only where both ends are data something moves.
        let both = [&source, &target].map(|id| self.model.data.contains_key(id.as_str()));
        let placeholder = target.is_empty() || self.is_placeholder(&target) || self.is_placeholder(&source);
        let (from, to) = (self.data_name(&source), self.data_name(&target));
        if both != [true, true] || placeholder || from == to {
            return Vec::new();
        }
        vec![Parameter { name: to, value: ParameterValue::Variable(from) }]
    }

    /// A property that a modeler adds because the schema wants a target.
    fn is_placeholder(&self, id: &str) -> bool {
        self.data_name(id).starts_with("__")
    }

    fn assignment(&self, el: Element<'d>, found: &mut Findings) -> Option<Parameter> {
        let (from, to) = (el.child(names::BPMN, "from"), el.child(names::BPMN, "to"));
        let (Some(from), Some(to)) = (from, to) else {
            let words = "this assignment needs a from and a to";
            found.error(el.position(), self.id_opt(), "data-association", words);
            return None;
        };
        let text = to.text();
        let name = text.trim().trim_start_matches(['$', '#']).trim_matches(['{', '}']).trim();
        if name.is_empty() || !name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.')) {
            let words = format!("{text:?} names no variable: say in <to> which one the assignment sets");
            found.error(to.position(), self.id_opt(), "data-association", words);
            return None;
        }
        let value = self.model.condition(from, self.id_opt(), found);
        Some(Parameter { name: self.data_name(name), value: value.into() })
    }
}
