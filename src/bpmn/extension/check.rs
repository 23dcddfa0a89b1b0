//! Walks a model and reports what it says in the vocabulary that does not run here, at its place, with what to use instead.

use super::spelling;
use super::verdict::{Verdict, attribute_verdict, child_verdict};
use super::{extension_elements, inside, is_extension, property_elements};
use crate::base::diagnostic::{Findings, Position};
use crate::bpmn::names;
use crate::xml::{Attribute, ElementRef};

const REFUSED: &str = "unsupported-vocabulary";
const IGNORED: &str = "ignored-vocabulary";
const UNNAMED: &str = "unnamed-parameter";
const UNKNOWN_SETTING: &str = "unknown-setting";

/// Settings of an element that this product reads, without their prefix.
pub(super) const SETTINGS: [&str; 6] = ["pool", "policy", "probe", "timeout", "segment", "catchUp"];
const SETTING_PREFIX: &str = "transhume.";

/// Adds a finding for every refused or ignored attribute and child below `root`.
pub fn check_vocabulary(root: ElementRef<'_>, found: &mut Findings) {
    for element in root.descendants().filter(|element| element.namespace() == names::BPMN) {
        for attribute in element.attributes() {
            if is_extension(attribute.namespace) {
                check_attribute(element, &attribute, found);
                spelling::check_prefixed(element, &attribute, found);
            } else if attribute.namespace.is_empty() {
                spelling::check_bare(element, &attribute, found);
            }
        }
        for child in extension_elements(element) {
            let verdict = child_verdict(element.name(), child.name());
            report(element, &format!("<{}>", child.name()), child.position(), verdict, found);
        }
        check_settings(element, found);
        check_parameters(element, found);
    }
}

fn check_attribute(element: ElementRef<'_>, attribute: &Attribute<'_>, found: &mut Findings) {
    let mut verdict = attribute_verdict(element.name(), attribute.local);
    let mut name = format!("the attribute {:?}", attribute.local);
    if attribute.local == "type" && verdict == Some(Verdict::Supported) && attribute.value != "external" {
        name = format!("type={:?}", attribute.value);
        verdict = Some(Verdict::Refused("use type=\"external\" with a topic, such as notify.mail or ssh.exec"));
    }
    report(element, &name, attribute.position, verdict, found);
}

fn report(element: ElementRef<'_>, what: &str, at: Position, verdict: Option<Verdict>, found: &mut Findings) {
    let kind = element.name();
    match verdict {
        None | Some(Verdict::Supported) => {}
        Some(Verdict::Warn(words)) => {
            found.warn(at, owner(element), IGNORED, format!("{what} of <{kind}>: {words}"));
        }
        Some(Verdict::Refused(words)) => {
            found.error(at, owner(element), REFUSED, format!("{what} of <{kind}> is refused: {words}"));
        }
    }
}

fn check_settings(element: ElementRef<'_>, found: &mut Findings) {
    for property in property_elements(element) {
        let name = property.attribute("name").unwrap_or_default();
        let Some(setting) = name.strip_prefix(SETTING_PREFIX) else {
            continue;
        };
        if !SETTINGS.contains(&setting) {
            let known = SETTINGS.map(|known| format!("{SETTING_PREFIX}{known}")).join(", ");
            let message = format!("the setting {name:?} is unknown and ignored: known are {known}");
            found.warn(property.position(), owner(element), UNKNOWN_SETTING, message);
        }
    }
}

/// A parameter without name, or an entry without key, would be lost without a word.
fn check_parameters(element: ElementRef<'_>, found: &mut Findings) {
    let mappings = super::children(element, "inputOutput");
    for mapping in mappings {
        for local in ["inputParameter", "outputParameter"] {
            for parameter in inside(mapping, local).filter(|parameter| is_blank(*parameter, "name")) {
                let message = format!("<{local}> needs a name: the variable that it sets");
                found.error(parameter.position(), owner(element), UNNAMED, message);
            }
        }
        let entries = mapping.descendants().filter(|inner| inner.name() == "entry" && is_extension(inner.namespace()));
        for entry in entries.filter(|entry| is_blank(*entry, "key")) {
            found.error(entry.position(), owner(element), UNNAMED, "<entry> of a map needs a key");
        }
    }
}

fn is_blank(element: ElementRef<'_>, attribute: &str) -> bool {
    element.attribute(attribute).is_none_or(|value| value.trim().is_empty())
}

/// The id to show: the element's own, else that of the BPMN element around it.
pub(super) fn owner(element: ElementRef<'_>) -> Option<&str> {
    element.attribute("id").or_else(|| element.ancestors().find_map(|outer| outer.attribute("id")))
}
