//! Data inputs, outputs and items as BPMN 2.0.2 asks for them (10.4). The engine has variables instead and reads none of
//! this, so each is a warning that says the rule.

use super::File;
use crate::base::diagnostic::Findings;
use crate::bpmn::names;
use crate::engine::compile::Element;

pub(super) fn check(file: &File<'_>, found: &mut Findings) {
    for el in file.root.descendants().filter(|el| el.namespace() == names::BPMN) {
        match el.name() {
            "property" => property(el, found),
            "dataInput" | "dataOutput" | "dataObject" | "dataStore" => collection(file, el, found),
            "inputSet" => optional(el, ("dataInputRefs", "optionalInputRefs"), found),
            "outputSet" => optional(el, ("dataOutputRefs", "optionalOutputRefs"), found),
            "ioSpecification" => in_a_set(el, found),
            "dataInputAssociation" | "dataOutputAssociation" => process_data(file, el, found),
            "multiInstanceLoopCharacteristics" => completion(el, found),
            _others => {}
        }
    }
}

fn property(el: Element<'_>, found: &mut Findings) {
    let holder = el.parent().map_or("", Element::name);
    let may = holder == "process" || holder.ends_with("Event") || is_activity(holder) || holder.starts_with("global");
    if !may {
        let words = format!(
            "only a process, an activity or an event has properties, not {} {holder}. Move it into the process",
            super::reference::article(holder)
        );
        found.warn(el.position(), el.attribute("id"), "property-place", words);
    }
}

/// What holds an item, and the item itself, agree whether it is many.
fn collection(file: &File<'_>, el: Element<'_>, found: &mut Findings) {
    let Some(item) = file.at(el, "itemSubjectRef").filter(|item| item.name() == "itemDefinition") else { return };
    let many = |el: Element<'_>| el.attribute("isCollection").map(|text| matches!(text, "true" | "1"));
    // What neither says is a single item; a data object that says nothing leaves it to the item.
    let (Some(here), there) = (many(el), many(item).unwrap_or(false)) else { return };
    if here != there {
        let words = format!(
            "its isCollection is {here}, that of its itemDefinition {:?} is {there}; both must be the same. Correct one of them",
            item.attribute("id").unwrap_or_default()
        );
        found.warn(el.attribute_position("isCollection"), el.attribute("id"), "item-collection", words);
    }
}

/// Optional data of a set is data of that set.
fn optional(set: Element<'_>, (all, optional): (&str, &str), found: &mut Findings) {
    let members = references(set, all);
    for el in set.children().filter(|el| el.is(names::BPMN, optional)) {
        let reference = el.text().trim().to_owned();
        if !members.contains(&reference) {
            let words = format!(
                "{optional} names {reference:?}, which is not among the {all} of this {}. Add it there, or remove it here",
                set.name()
            );
            found.warn(el.position(), owner(set), "optional-data", words);
        }
    }
}

/// Each input is in an input set, each output in an output set.
fn in_a_set(specification: Element<'_>, found: &mut Findings) {
    for (kind, set, all) in [("dataInput", "inputSet", "dataInputRefs"), ("dataOutput", "outputSet", "dataOutputRefs")]
    {
        let sets = specification.children().filter(|el| el.is(names::BPMN, set));
        let members: Vec<String> = sets.flat_map(|set| references(set, all)).collect();
        for el in specification.children().filter(|el| el.is(names::BPMN, kind)) {
            let id = el.attribute("id").unwrap_or_default();
            if !members.iter().any(|member| member == id) {
                let words = format!(
                    "this {kind} is in no {set}, so it is never offered. Add <{all}>{id}</{all}> to {} {set}",
                    super::reference::article(set)
                );
                found.warn(el.position(), el.attribute("id"), "data-in-no-set", words);
            }
        }
    }
}

/// Inputs of the process come from its caller, and its outputs go there: nothing in it writes the one or reads the other.
fn process_data(file: &File<'_>, association: Element<'_>, found: &mut Findings) {
    for (end, kind, words) in [
        ("targetRef", "dataInput", "is filled by whoever starts the process; nothing in it may write there"),
        ("sourceRef", "dataOutput", "goes to whoever started the process; nothing in it may read there"),
    ] {
        for el in association.children().filter(|el| el.is(names::BPMN, end)) {
            let reference = el.text().trim().to_owned();
            let target = file.one(&reference).filter(|target| target.name() == kind);
            let specification = target.and_then(Element::parent).filter(|el| el.name() == "ioSpecification");
            let around = specification.and_then(Element::parent);
            if around.is_some_and(|around| around.is(names::BPMN, "process")) {
                let words = format!("{reference:?} is a {kind} of the process: it {words}. Use a data object");
                found.warn(el.position(), association.attribute("id"), "process-data", words);
            }
        }
    }
}

/// A completion condition is true or false. A number is neither, so here each instance would end in an incident: an error.
fn completion(el: Element<'_>, found: &mut Findings) {
    let Some(condition) = el.child(names::BPMN, "completionCondition") else { return };
    let text = condition.text().trim().to_owned();
    if text.parse::<f64>().is_ok() {
        let words = format!(
            "its completionCondition is the number {text}, and a condition is true or false. Write one such as ${{nrOfCompletedInstances >= {text}}}"
        );
        found.error(condition.position(), owner(el), "completion-condition", words);
    }
}

pub(super) fn references(el: Element<'_>, local: &str) -> Vec<String> {
    el.children().filter(|child| child.is(names::BPMN, local)).map(|child| child.text().trim().to_owned()).collect()
}

fn owner<'d>(el: Element<'d>) -> Option<&'d str> {
    std::iter::once(el).chain(el.ancestors()).find_map(|el| el.attribute("id"))
}

fn is_activity(kind: &str) -> bool {
    crate::engine::compile::flow::is_activity(kind) || matches!(kind, "transaction" | "adHocSubProcess")
}
