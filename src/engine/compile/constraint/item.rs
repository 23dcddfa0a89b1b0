//! Items that must be the same on both sides: of a task and its message or operation, a call and what it calls, an event
//! and what it throws or catches (BPMN 2.0.2, 10.3 to 10.5). The engine reads none of it: warnings.

use super::File;
use crate::base::diagnostic::Findings;
use crate::bpmn::names;
use crate::engine::compile::Element;

const CODE: &str = "item-mismatch";

pub(super) fn check(file: &File<'_>, found: &mut Findings) {
    for el in file.root.descendants().filter(|el| el.namespace() == names::BPMN) {
        match el.name() {
            "serviceTask" => service_task(file, el, found),
            "sendTask" => message_task(file, el, ("inputSet", "dataInput"), found),
            "receiveTask" => message_task(file, el, ("outputSet", "dataOutput"), found),
            "callActivity" => call(file, el, found),
            kind if kind.ends_with("Event") => event(file, el, found),
            _others => {}
        }
        if el.name() == "process" || el.name().starts_with("global") {
            offered(el, found);
        }
    }
}

/// The input of a service task is its operation's incoming message, its output the outgoing one.
fn service_task(file: &File<'_>, el: Element<'_>, found: &mut Findings) {
    let Some(operation) = file.at(el, "operationRef").filter(|el| el.name() == "operation") else { return };
    for (message, kind) in [("inMessageRef", "dataInput"), ("outMessageRef", "dataOutput")] {
        let Some(message) = operation.child(names::BPMN, message) else { continue };
        let Some(message) = file.one(message.text().trim()).filter(|el| el.name() == "message") else { continue };
        let data = data_of(el, kind);
        let fits = matches!(data.as_slice(), [only] if same(item(file, *only, "itemSubjectRef"), item(file, message, "itemRef")));
        if !fits {
            let words = format!(
                "a service task with an operation has one {kind}, with the item of the operation's message {:?}; this one has {}. Correct its ioSpecification, or remove the operationRef",
                id(message),
                counted(&data)
            );
            found.warn(el.position(), el.attribute("id"), CODE, words);
        }
    }
}

/// A send task has one input at most, of its message's item; a receive task so an output.
fn message_task(file: &File<'_>, el: Element<'_>, (set, kind): (&str, &str), found: &mut Findings) {
    let specification = el.child(names::BPMN, "ioSpecification");
    let sets = specification.map_or(0, |el| el.children().filter(|el| el.is(names::BPMN, set)).count());
    let data = data_of(el, kind);
    let words = if sets > 1 {
        format!("a {} has one {set} at most, and this one has {sets}. Remove the others", el.name())
    } else if data.len() > 1 {
        format!("a {} has one {kind} at most, and this one has {}. Remove the others", el.name(), data.len())
    } else {
        let message = file.at(el, "messageRef").filter(|message| message.name() == "message");
        let (Some(message), [data]) = (message, data.as_slice()) else { return };
        if same(item(file, *data, "itemSubjectRef"), item(file, message, "itemRef")) {
            return;
        }
        format!(
            "its {kind} {:?} and its message {:?} must have the same item. Correct itemSubjectRef or itemRef",
            id(*data),
            id(message)
        )
    };
    found.warn(el.position(), el.attribute("id"), CODE, words);
}

/// A call that lists inputs and outputs lists those of the process or task that it calls.
fn call(file: &File<'_>, el: Element<'_>, found: &mut Findings) {
    let called = el.attribute("calledElement").map_or(&[][..], |reference| file.named(reference));
    let callable = |el: &&Element<'_>| el.name() == "process" || el.name().starts_with("global");
    let Some(called) = called.iter().find(callable) else { return };
    for kind in ["dataInput", "dataOutput"] {
        let (here, there) = (data_of(el, kind), data_of(*called, kind));
        let pairs = here.iter().zip(&there);
        let mut items =
            pairs.map(|(here, there)| (item(file, *here, "itemSubjectRef"), item(file, *there, "itemSubjectRef")));
        if here.len() != there.len() || !items.all(|(here, there)| same(here, there)) {
            let words = format!(
                "a call activity has the same inputs and outputs as what it calls: it has {}, and {:?} has {}, or their items differ. Make the ioSpecification of both the same",
                counted_as(&here, kind),
                id(*called),
                counted_as(&there, kind)
            );
            found.warn(el.position(), el.attribute("id"), CODE, words);
        }
    }
}

/// What offers an interface says which data each operation takes and gives.
fn offered(el: Element<'_>, found: &mut Findings) {
    let interface = el.child(names::BPMN, "supportedInterfaceRef");
    if let Some(interface) = interface
        && el.child(names::BPMN, "ioBinding").is_none()
    {
        let words = format!(
            "it offers the interface {:?} and binds no data to its operations. Add an ioBinding for each, or remove the supportedInterfaceRef",
            interface.text().trim()
        );
        found.warn(interface.position(), el.attribute("id"), "interface-without-binding", words);
    }
}

/// An event's data is of the item that its message, signal, error or escalation carries.
fn event(file: &File<'_>, el: Element<'_>, found: &mut Findings) {
    let carried = el.children().filter(|el| el.namespace() == names::BPMN).filter_map(|definition| {
        let (reference, item_of) = match definition.name() {
            "messageEventDefinition" => ("messageRef", "itemRef"),
            "signalEventDefinition" => ("signalRef", "structureRef"),
            "errorEventDefinition" => ("errorRef", "structureRef"),
            "escalationEventDefinition" => ("escalationRef", "structureRef"),
            _others => return None,
        };
        let named = file.at(definition, reference)?;
        Some((named, item(file, named, item_of)?))
    });
    let carried: Vec<_> = carried.collect();
    let data: Vec<Element<'_>> =
        el.children().filter(|el| el.is(names::BPMN, "dataInput") || el.is(names::BPMN, "dataOutput")).collect();
    if data.is_empty() {
        return;
    }
    for (named, item_of) in carried {
        if !data.iter().any(|data| same(item(file, *data, "itemSubjectRef"), Some(item_of))) {
            let words = format!(
                "its data must have the item of the {} {:?}, and has another. Correct itemSubjectRef, or the item of the {}",
                named.name(),
                id(named),
                named.name()
            );
            found.warn(data[0].position(), el.attribute("id"), CODE, words);
        }
    }
}

/// Inputs or outputs: in the `ioSpecification`.
fn data_of<'d>(el: Element<'d>, kind: &str) -> Vec<Element<'d>> {
    let specification = el.child(names::BPMN, "ioSpecification");
    specification.into_iter().flat_map(Element::children).filter(|el| el.is(names::BPMN, kind)).collect()
}

fn item<'d>(file: &File<'d>, el: Element<'d>, attribute: &str) -> Option<Element<'d>> {
    file.at(el, attribute).filter(|item| item.name() == "itemDefinition")
}

/// The same definition, or two of one structure. Where one side says none, nothing contradicts.
fn same(one: Option<Element<'_>>, other: Option<Element<'_>>) -> bool {
    let (Some(one), Some(other)) = (one, other) else { return true };
    let structure = |el: Element<'_>| el.attribute("structureRef").map(str::to_owned);
    one == other || (structure(one).is_some() && structure(one) == structure(other))
}

fn counted(data: &[Element<'_>]) -> String {
    match data {
        [] => "none".into(),
        [only] => format!("{:?}, of another item", id(*only)),
        more => more.len().to_string(),
    }
}

fn counted_as(data: &[Element<'_>], kind: &str) -> String {
    format!("{} {kind}{}", data.len(), if data.len() == 1 { "" } else { "s" })
}

fn id<'d>(el: Element<'d>) -> &'d str {
    el.attribute("id").unwrap_or_default()
}
