//! The extension vocabulary of Camunda 7: finding its attributes and children, whatever prefix or fork wrote them.
//!
//! Four namespaces are one vocabulary (`names`); a fifth is known for `failedJobRetryTimeCycle` alone. What of the
//! vocabulary runs here says `verdict`; what a model says in it that does not run is found by `check`.

mod check;
mod listener;
mod mapping;
mod spelling;
mod verdict;

use super::names;
use crate::xml::ElementRef;

pub use check::check_vocabulary;
pub use listener::{Listener, ListenerCode, listeners};
pub use mapping::{InOut, InputOutput, Parameter, ParameterValue, in_out_mappings, input_output};
pub use verdict::{Verdict, attribute_verdict, child_verdict};

const VOCABULARY: [&str; 4] = [names::CAMUNDA, names::ACTIVITI, names::OPERATON, names::FLUXNOVA];
const RETRY_TIME_CYCLE: &str = "failedJobRetryTimeCycle";

/// Whether a namespace belongs to the vocabulary.
pub fn is_extension(namespace: &str) -> bool {
    VOCABULARY.contains(&namespace) || namespace == names::FOX
}

/// An extension attribute of a BPMN element.
pub fn attribute<'d>(element: ElementRef<'d>, local: &str) -> Option<&'d str> {
    VOCABULARY.iter().find_map(|namespace| element.attribute_ns(namespace, local))
}

/// The first such extension element inside the `extensionElements` of a BPMN element.
pub fn child<'d>(element: ElementRef<'d>, local: &str) -> Option<ElementRef<'d>> {
    extension_elements(element).find(|child| child.name() == local)
}

/// All such extension elements inside the `extensionElements` of a BPMN element.
pub fn children<'d>(element: ElementRef<'d>, local: &str) -> impl Iterator<Item = ElementRef<'d>> {
    extension_elements(element).filter(move |child| child.name() == local)
}

/// Every element of the vocabulary inside the `extensionElements` of a BPMN element.
pub fn extension_elements(element: ElementRef<'_>) -> impl Iterator<Item = ElementRef<'_>> {
    let holders = element.children().filter(|child| child.is(names::BPMN, "extensionElements"));
    holders.flat_map(ElementRef::children).filter(|child| belongs(*child))
}

/// `camunda:properties`: name and value, in the order of the model.
pub fn properties(element: ElementRef<'_>) -> Vec<(String, String)> {
    let pairs = property_elements(element).map(|property| {
        let of = |name| property.attribute(name).unwrap_or_default().to_owned();
        (of("name"), of("value"))
    });
    pairs.collect()
}

fn property_elements(element: ElementRef<'_>) -> impl Iterator<Item = ElementRef<'_>> {
    children(element, "properties").flat_map(|list| inside(list, "property"))
}

/// Extension elements directly in an extension element.
pub fn inside<'d>(element: ElementRef<'d>, local: &str) -> impl Iterator<Item = ElementRef<'d>> {
    element.children().filter(move |child| child.name() == local && belongs(*child))
}

fn belongs(element: ElementRef<'_>) -> bool {
    let namespace = element.namespace();
    VOCABULARY.contains(&namespace) || (namespace == names::FOX && element.name() == RETRY_TIME_CYCLE)
}

#[cfg(test)]
mod tests;
