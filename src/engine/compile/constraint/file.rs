//! What the rules of a whole file share: its elements by id, and how strict to be where.

use crate::base::diagnostic::{Findings, Position};
use crate::bpmn::names;
use crate::engine::compile::Element;
use std::collections::{BTreeMap, BTreeSet};

pub(super) struct File<'d> {
    pub(super) root: Element<'d>,
    by_id: BTreeMap<&'d str, Vec<Element<'d>>>,
    /// Sequence flows by the id of the element that they leave, and of the one that they lead to.
    pub(super) leaving: Flows<'d>,
    pub(super) arriving: Flows<'d>,
    has_executable: bool,
}

pub(super) type Flows<'d> = BTreeMap<&'d str, Vec<Element<'d>>>;

impl<'d> File<'d> {
    pub(super) fn read(root: Element<'d>) -> Self {
        let mut by_id: BTreeMap<&str, Vec<Element<'_>>> = BTreeMap::new();
        let (mut leaving, mut arriving) = (Flows::new(), Flows::new());
        for el in root.descendants().filter(|el| el.namespace() == names::BPMN) {
            if let Some(id) = el.attribute("id") {
                by_id.entry(id).or_default().push(el);
            }
            for (ends, attribute) in [(&mut leaving, "sourceRef"), (&mut arriving, "targetRef")] {
                if let Some(reference) = el.attribute(attribute).filter(|_| el.name() == "sequenceFlow") {
                    ends.entry(reference).or_default().push(el);
                }
            }
        }
        let has_executable = root.children().any(is_executable);
        Self { root, by_id, leaving, arriving, has_executable }
    }

    /// The elements with this id: more than one only where ids are not unique. A prefix is of no weight, as elsewhere.
    pub(super) fn named(&self, reference: &str) -> &[Element<'d>] {
        let local = reference.rsplit_once(':').map_or(reference, |(_, local)| local);
        self.by_id.get(reference).or_else(|| self.by_id.get(local)).map_or(&[], Vec::as_slice)
    }

    pub(super) fn one(&self, reference: &str) -> Option<Element<'d>> {
        self.named(reference).first().copied()
    }

    /// The element that an attribute names.
    pub(super) fn at(&self, el: Element<'d>, attribute: &str) -> Option<Element<'d>> {
        self.one(el.attribute(attribute)?)
    }

    /// Whether the prefix stands for the namespace of another file.
    pub(super) fn is_foreign(&self, el: Element<'_>, reference: &str) -> bool {
        let Some((prefix, _)) = reference.split_once(':') else { return false };
        let own = self.root.attribute("targetNamespace").unwrap_or_default();
        el.resolve_prefix(prefix).is_some_and(|namespace| namespace != own)
    }

    /// The id that people find in a diagram: of parts that are not drawn, that of the element around them.
    pub(super) fn owner(&self, el: Element<'d>) -> Option<&'d str> {
        let drawn = |el: &Element<'_>| {
            let part = el.name().ends_with("EventDefinition")
                || matches!(el.name(), "dataInput" | "dataOutput" | "inputSet" | "outputSet" | "ioSpecification");
            !part || el.parent() == Some(self.root)
        };
        let mut outwards = std::iter::once(el).chain(el.ancestors()).filter(drawn);
        outwards.find_map(|el| el.attribute("id"))
    }

    /// An error where something executable may depend on it; in a mere drawing, a warning.
    pub(super) fn report(
        &self,
        el: Element<'_>,
        found: &mut Findings,
        (at, owner, code): (Position, Option<&str>, &'static str),
        words: String,
    ) {
        if self.runs(el) {
            found.error(at, owner, code, words);
        } else {
            found.warn(at, owner, code, words);
        }
    }

    fn runs(&self, el: Element<'_>) -> bool {
        let around = std::iter::once(el).chain(el.ancestors()).find(|el| el.is(names::BPMN, "process"));
        around.map_or(self.has_executable, is_executable)
    }
}

/// Elements of which an error was found before: what else is wrong with them can wait.
pub(super) fn faulty(found: &Findings) -> BTreeSet<String> {
    found.errors().filter_map(|d| d.element.clone()).collect()
}

fn is_executable(el: Element<'_>) -> bool {
    el.is(names::BPMN, "process") && el.attribute("isExecutable") != Some("false")
}
