//! A DMN file in the one form that dsntk reads: DMN 1.5, without diagram, extensions and labels, types by the standard's
//! names, no empty entries.

use super::value::Kind;
use crate::xml::{ElementRef, escaped_attribute, escaped_text};
use std::collections::BTreeSet;

const NAMESPACE: &str = "https://www.omg.org/spec/DMN/20230324/MODEL/";

/// What evaluation has no use for.
const LEFT_OUT: [&str; 19] = [
    "annotation",
    "annotationEntry",
    "association",
    "authorityRequirement",
    "decisionMaker",
    "decisionOwner",
    "description",
    "elementCollection",
    "extensionElements",
    "group",
    "impactedPerformanceIndicator",
    "knowledgeSource",
    "organizationUnit",
    "performanceIndicator",
    "question",
    "allowedAnswers",
    "supportedObjective",
    "textAnnotation",
    "usingTask",
];

const ATTRIBUTES: [&str; 14] = [
    "aggregation",
    "hitPolicy",
    "href",
    "id",
    "importType",
    "isCollection",
    "iteratorVariable",
    "kind",
    "name",
    "namespace",
    "outputTypeRef",
    "typeRef",
    "outputLabel",
    "preferredOrientation",
];

/// The name under which the model is known to the evaluator, and the text.
pub(super) struct Canonical {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) text: String,
}

pub(super) fn write(root: ElementRef<'_>) -> Canonical {
    let own_types = root.children().filter(|child| child.name() == "itemDefinition");
    let mut writer =
        Writer { text: String::new(), own_types: own_types.filter_map(|own| own.attribute("name")).collect() };
    let namespace = root.attribute("namespace").filter(|uri| !uri.is_empty()).unwrap_or("urn:decisions");
    let name = root.attribute("name").filter(|name| !name.is_empty()).unwrap_or("decisions");
    writer.open("definitions");
    for (key, value) in [("xmlns", NAMESPACE), ("namespace", namespace), ("name", name)] {
        writer.attribute(key, value);
    }
    writer.text.push('>');
    for child in root.children().filter(|child| child.namespace() == root.namespace()) {
        writer.element(child);
        if let Some(table) = children(child, "decisionTable").next().filter(|_| child.name() == "decision") {
            writer.shadows(child, table);
        }
    }
    writer.text.push_str("</definitions>");
    Canonical { namespace: namespace.into(), name: name.into(), text: writer.text }
}

/// The name of the shadow that gives the values of a table's inputs.
pub(super) fn inputs_of(decision: &str) -> String {
    format!("inputs-of-{decision}")
}

/// The name of the shadow that gives each matching rule with its outputs: contexts of `rule`, `o0`, `o1`, …
pub(super) fn rules_of(decision: &str) -> String {
    format!("rules-of-{decision}")
}

fn children<'d>(element: ElementRef<'d>, name: &'d str) -> impl Iterator<Item = ElementRef<'d>> {
    element.children().filter(move |child| child.namespace() == element.namespace() && child.name() == name)
}

struct Writer<'d> {
    text: String,
    own_types: BTreeSet<&'d str>,
}

impl<'d> Writer<'d> {
    /// Recursion is bounded by the depth limit of the XML reader.
    fn element(&mut self, element: ElementRef<'d>) {
        let name = element.name();
        if LEFT_OUT.contains(&name) {
            return;
        }
        self.open(name);
        for attribute in element.attributes() {
            if attribute.namespace.is_empty() && ATTRIBUTES.contains(&attribute.local) {
                let value = match attribute.local {
                    "typeRef" | "outputTypeRef" => self.type_name(attribute.value),
                    _ => attribute.value,
                };
                self.attribute(attribute.local, value);
            }
        }
        self.text.push('>');
        match name {
            "text" => self.expression(element),
            "typeRef" => {
                let text = element.text();
                let name = self.type_name(text.trim()).to_owned();
                self.text.push_str(&escaped_text(&name));
            }
            _ => {
                for child in element.children().filter(|child| child.namespace() == element.namespace()) {
                    self.element(child);
                }
            }
        }
        self.text.push_str("</");
        self.text.push_str(name);
        self.text.push('>');
    }

    /// Two decisions beside one with a table, which tell what the evaluator does not: the inputs, and the rules that match.
    fn shadows(&mut self, decision: ElementRef<'d>, table: ElementRef<'d>) {
        let Some(id) = decision.attribute("id").or(decision.attribute("name")) else {
            return;
        };
        self.shadow(decision, &inputs_of(id));
        self.text.push_str("<list>");
        for expression in children(table, "input").filter_map(|input| children(input, "inputExpression").next()) {
            self.text.push_str("<literalExpression>");
            children(expression, "text").for_each(|text| self.element(text));
            self.text.push_str("</literalExpression>");
        }
        self.text.push_str("</list></decision>");
        self.shadow(decision, &rules_of(id));
        self.text.push_str("<decisionTable hitPolicy=\"COLLECT\">");
        children(table, "input").for_each(|input| self.element(input));
        for (at, _) in children(table, "output").enumerate() {
            self.text.push_str(&format!("<output name=\"o{at}\"/>"));
        }
        self.text.push_str("<output name=\"rule\"/>");
        for (at, rule) in children(table, "rule").enumerate() {
            self.text.push_str("<rule>");
            children(rule, "inputEntry").chain(children(rule, "outputEntry")).for_each(|entry| self.element(entry));
            self.text.push_str(&format!("<outputEntry><text>{}</text></outputEntry></rule>", at + 1));
        }
        self.text.push_str("</decisionTable></decision>");
    }

    /// A decision with the requirements of another, up to its logic.
    fn shadow(&mut self, decision: ElementRef<'d>, name: &str) {
        self.open("decision");
        self.attribute("id", name);
        self.attribute("name", name);
        self.text.push_str("><variable name=\"told\"/>");
        let required = ["informationRequirement", "knowledgeRequirement"];
        for requirement in required.into_iter().flat_map(|name| children(decision, name)) {
            self.element(requirement);
        }
    }

    fn expression(&mut self, element: ElementRef<'d>) {
        let text = element.text();
        let text = text.trim();
        let parent = element.parent().map_or("", ElementRef::name);
        let is_test =
            ["inputEntry", "inputValues", "outputValues", "allowedValues", "typeConstraint"].contains(&parent);
        let text = match text.strip_prefix('=') {
            Some(rest) if !is_test => rest.trim(),
            _ => text,
        };
        let text = match text {
            "" if is_test => "-",
            "" => "null",
            text => text,
        };
        self.text.push_str(&escaped_text(text));
    }

    fn type_name<'n>(&self, name: &'n str) -> &'n str {
        match self.own_types.contains(name) {
            true => name,
            false => Kind::standard_name(name),
        }
    }

    fn open(&mut self, name: &str) {
        self.text.push('<');
        self.text.push_str(name);
    }

    fn attribute(&mut self, name: &str, value: &str) {
        self.text.push_str(&format!(" {name}=\"{}\"", escaped_attribute(value)));
    }
}
