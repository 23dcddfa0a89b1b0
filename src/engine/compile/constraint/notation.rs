//! What BPMN 2.0.2 asks of the notation and no token feels: directions of gateways, redundant lists of flows, formats and
//! names. Models in common use break these and run all the same, so each is a warning that says the rule.

use super::file::{File, Flows};
use crate::base::diagnostic::Findings;
use crate::bpmn::extension;
use crate::bpmn::names;
use crate::engine::compile::Element;

pub(super) fn check(file: &File<'_>, found: &mut Findings) {
    let services = describes_services(file.root);
    for el in file.root.descendants().filter(|el| el.namespace() == names::BPMN) {
        match el.name() {
            "textAnnotation" => text_format(el, found),
            "participantMultiplicity" => multiplicity(el, found),
            "dataObjectReference" => state_name(file, el, found),
            "messageEventDefinition" if services => operation(file, el, found),
            kind if kind.ends_with("Gateway") => direction(file, el, found),
            _others => {}
        }
    }
    listed_flows(file, found);
}

/// 10.6: a converging gateway has one outgoing flow at most, a diverging one incoming, a mixed one several of both.
fn direction(file: &File<'_>, el: Element<'_>, found: &mut Findings) {
    let Some(id) = el.attribute("id") else { return };
    let count = |flows: &Flows<'_>| flows.get(id).map_or(0, Vec::len);
    let (ins, outs) = (count(&file.arriving), count(&file.leaving));
    let words = match el.attribute("gatewayDirection") {
        Some("Converging") if outs > 1 => format!("Converging, which allows one outgoing flow, and it has {outs}"),
        Some("Diverging") if ins > 1 => format!("Diverging, which allows one incoming flow, and it has {ins}"),
        Some("Mixed") if ins < 2 || outs < 2 => {
            format!("Mixed, which asks for several flows on both sides, and it has {ins} incoming and {outs} outgoing")
        }
        _fits => return,
    };
    let words =
        format!("its gatewayDirection is {words}. It runs all the same; correct gatewayDirection, or remove it");
    found.warn(el.attribute_position("gatewayDirection"), Some(id), "gateway-direction", words);
}

/// 8.4: the format of an annotation's text is a MIME type.
fn text_format(el: Element<'_>, found: &mut Findings) {
    let Some(format) = el.attribute("textFormat") else { return };
    let word = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-._".contains(c));
    let kind = format.split(';').next().unwrap_or_default().trim();
    if !kind.split_once('/').is_some_and(|(kind, sub)| word(kind) && word(sub)) {
        let words = format!("its textFormat {format:?} is no MIME type. Write text/plain, or remove the attribute");
        found.warn(el.attribute_position("textFormat"), el.attribute("id"), "text-format", words);
    }
}

/// 9.3: a pool of many stands for at least as many as it must have.
fn multiplicity(el: Element<'_>, found: &mut Findings) {
    let number = |name: &str, otherwise: i64| el.attribute(name).map_or(Some(otherwise), |text| text.parse().ok());
    let (Some(least), Some(most)) = (number("minimum", 0), number("maximum", 1)) else { return };
    if most < least.max(1) {
        let words = format!(
            "its participantMultiplicity has the minimum {least} and the maximum {most}; the maximum is 1 at least, and not below the minimum. Correct one of them"
        );
        let pool = el.parent().and_then(|pool| pool.attribute("id"));
        found.warn(el.attribute_position("maximum"), pool, "participant-multiplicity", words);
    }
}

/// 10.4.1: a reference to a data object in a state is called by both: `Data Object Name [State]`.
fn state_name(file: &File<'_>, el: Element<'_>, found: &mut Findings) {
    let state = el.child(names::BPMN, "dataState").and_then(|state| state.attribute("name"));
    let object = file.at(el, "dataObjectRef").and_then(|object| object.attribute("name"));
    let (Some(state), Some(object)) = (state, object) else { return };
    let wanted = format!("{object} [{state}]");
    if el.attribute("name") != Some(wanted.as_str()) {
        let words = format!(
            "a reference to the data object {object:?} in the state {state:?} is named {wanted:?} in BPMN. Rename it"
        );
        found.warn(el.attribute_position("name"), el.attribute("id"), "data-object-name", words);
    }
}

/// 10.5.5: in an executable process a message event names the operation that it calls or offers. None is needed here, and
/// the dialects of Camunda and its kin have none; so only a model that describes its data as the standard does is told.
fn operation(file: &File<'_>, el: Element<'_>, found: &mut Findings) {
    let event = el.parent().filter(|event| event.name().ends_with("Event"));
    let executable =
        el.ancestors().any(|el| el.is(names::BPMN, "process") && el.attribute("isExecutable") == Some("true"));
    if event.is_some() && executable && el.child(names::BPMN, "operationRef").is_none() {
        let words = "this message event names no operationRef, which BPMN asks for in an executable process. Here the message's name alone counts; add it for other engines";
        found.warn(el.position(), file.owner(el), "message-without-operation", words);
    }
}

fn describes_services(root: Element<'_>) -> bool {
    let spoken = |el: Element<'_>| {
        extension::is_extension(el.namespace())
            || el.attributes().any(|attribute| extension::is_extension(attribute.namespace))
    };
    let described = root.children().any(|el| el.is(names::BPMN, "itemDefinition") || el.is(names::BPMN, "interface"));
    described && !root.descendants().any(spoken)
}

/// `incoming` and `outgoing` repeat what the sequence flows say; the schema lets them be left out. Where an element of a
/// process has any, all shall agree.
fn listed_flows(file: &File<'_>, found: &mut Findings) {
    for process in file.root.children().filter(|el| el.is(names::BPMN, "process")) {
        let nodes: Vec<Element<'_>> = process.descendants().filter(|el| el.namespace() == names::BPMN).collect();
        if !nodes.iter().any(|el| matches!(el.name(), "incoming" | "outgoing")) {
            continue;
        }
        for el in nodes {
            let Some(id) = el.attribute("id") else { continue };
            for (flows, local, side) in
                [(&file.arriving, "incoming", "targetRef"), (&file.leaving, "outgoing", "sourceRef")]
            {
                let listed: Vec<String> = listed(el, local);
                let unlisted = flows.get(id).into_iter().flatten().filter_map(|flow| flow.attribute("id"));
                for flow in unlisted.filter(|flow| !listed.iter().any(|known| known == flow)) {
                    let words = format!(
                        "the sequence flow {flow:?} has this element as its {side}, but the element does not list it as {local}. Add <{local}>{flow}</{local}>"
                    );
                    found.warn(el.position(), Some(id), "unlisted-flow", words);
                }
            }
        }
    }
}

fn listed(el: Element<'_>, local: &str) -> Vec<String> {
    let children = el.children().filter(|child| child.is(names::BPMN, local));
    children
        .map(|child| {
            let text = child.text();
            let text = text.trim();
            text.rsplit_once(':').map_or(text, |(_, name)| name).to_owned()
        })
        .collect()
}
