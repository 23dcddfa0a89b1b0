//! The texts of a whole model: each within the guards, and no function that could call itself (see `functions`).
//!
//! A text that cannot be read here, because it needs names that only the model's own scope has, counts as if it called
//! what it is given and handed on all that it names; the evaluator reads it again.

use super::dmn::{Model, is_dmn};
use super::functions::{self, Uses};
use super::{feel, names};
use crate::base::diagnostic::Findings;
use crate::base::feel::FeelError;
use crate::xml::{Document, ElementRef};
use dsntk_feel::context::FeelContext;
use dsntk_feel::{FeelScope, Name};
use std::collections::{BTreeMap, BTreeSet};

/// What gives names to values, beside functions of the model.
const GIVEN: [&str; 3] = ["inputData", "decision", "formalParameter"];

struct Text<'d> {
    element: ElementRef<'d>,
    /// None where it cannot be read.
    uses: Option<Uses>,
    /// What its parameters, entries and variables are called.
    borne: BTreeSet<Name>,
}

pub(super) fn check(document: &Document, imported: &[(usize, Document)], model: &Model, found: &mut Findings) {
    let texts = read(document, found);
    boxed_functions(document, &texts, found);
    let names = Names::of(document, &texts);
    imported.iter().for_each(|(_, other)| check_imported(other, &names, found));
    for name in higher(&texts, &names, document, model) {
        for text in texts.iter().filter(|text| text.hands_on(&name)) {
            let message = format!("\"{name}\" calls what it is given, so it can only be called here, not be handed on");
            found.error(text.element.position(), owner(text.element), "dmn-function", message);
        }
    }
}

/// Business knowledge of another file calls nothing but what that file fixes, whoever calls it.
fn check_imported(other: &Document, names: &Names<'_>, found: &mut Findings) {
    let texts = read(other, found);
    boxed_functions(other, &texts, found);
    let own = Names::of(other, &texts);
    for text in &texts {
        let called = text.called();
        let unclear = called
            .iter()
            .find(|name| !own.is_fixed(name) || names.all.contains(name.as_str()) || names.given.contains(*name));
        if text.calls_values() || unclear.is_some() {
            let message = "imported business knowledge calls built-in functions and its own by their names only, and the file that imports may give these names to nothing else";
            found.error(text.element.position(), None, "dmn-import", message);
        }
    }
}

impl Text<'_> {
    fn hands_on(&self, name: &str) -> bool {
        match &self.uses {
            Some(uses) => uses.named.contains(name) && !is_called_function(self.element),
            None => names::contains(&self.element.text(), name),
        }
    }

    fn calls_values(&self) -> bool {
        self.uses.as_ref().is_none_or(|uses| uses.calls_values)
    }

    /// The functions that it calls by name.
    fn called(&self) -> BTreeSet<String> {
        let Some(uses) = &self.uses else {
            return BTreeSet::new();
        };
        let mut called = uses.called.clone();
        if is_called_function(self.element) {
            called.extend(uses.named.iter().cloned());
        }
        called
    }
}

fn read<'d>(document: &'d Document, found: &mut Findings) -> Vec<Text<'d>> {
    let scope = FeelScope::default();
    let mut known = FeelContext::default();
    for name in document.elements().filter_map(|element| element.attribute("name")) {
        known.set_null(Name::from(name));
    }
    scope.push(known);
    let texts = document.elements().filter(|element| element.name() == "text" && is_dmn(*element));
    texts.map(|element| text(element, &scope, found)).collect()
}

fn text<'d>(element: ElementRef<'d>, scope: &FeelScope, found: &mut Findings) -> Text<'d> {
    let text = element.text();
    let words = names::words(&text);
    if ["now", "today"].iter().any(|clock| words.contains(clock) && text.contains(&format!("{clock}("))) {
        let message =
            "now() and today() are not known in boxed expressions and business knowledge: take the time as an input";
        found.error(element.position(), owner(element), "feel", message);
    }
    let read = feel::expression(scope, &text).or_else(|error| match error {
        FeelError::Syntax(_) if !words.contains(&"function") => feel::tests(scope, &text),
        error => Err(error),
    });
    let mut read_as = Text { element, uses: Some(Uses::default()), borne: BTreeSet::new() };
    match read {
        Ok(tree) => {
            read_as.borne = functions::borne(&tree);
            read_as.uses = Some(functions::uses(&tree, &read_as.borne));
        }
        Err(FeelError::Syntax(_)) if !words.contains(&"function") => {
            read_as.borne = words.iter().map(|word| Name::from(*word)).collect();
            read_as.uses = None;
        }
        Err(error) => found.error(element.position(), owner(element), "feel", error.to_string()),
    }
    read_as
}

fn owner(element: ElementRef<'_>) -> Option<&str> {
    element.ancestors().find(|above| above.name() == "decision").and_then(|decision| decision.attribute("id"))
}

/// A boxed function is held to the same as one in a text.
fn boxed_functions(document: &Document, texts: &[Text<'_>], found: &mut Findings) {
    let names: BTreeSet<&str> = document.elements().filter_map(|element| element.attribute("name")).collect();
    for function in document.elements().filter(|element| element.name() == "functionDefinition" && is_dmn(*element)) {
        let inside = |text: &&Text<'_>| text.element.ancestors().any(|above| above.index() == function.index());
        let own = |name: &String| !functions::is_built_in(name) || names.contains(name.as_str());
        let calls = |text: &Text<'_>| text.calls_values() || text.called().iter().any(own);
        let invokes = function.descendants().any(|below| below.name() == "invocation");
        if invokes || texts.iter().filter(inside).any(calls) {
            let message = "a boxed function may call built-in functions only, so that none can call itself: make it a business knowledge model";
            found.error(function.position(), owner(function), "dmn-function", message);
        }
    }
}

/// Names by what they stand for.
struct Names<'d> {
    /// Values, which may be functions. The evaluator looks for them before it looks for a function of the model.
    given: BTreeSet<String>,
    /// All of them.
    all: BTreeSet<&'d str>,
}

impl<'d> Names<'d> {
    fn of(document: &'d Document, texts: &[Text<'_>]) -> Self {
        let elements = || document.elements().filter(|element| is_dmn(*element));
        let is_given = |element: &ElementRef<'_>| {
            let entry = element.name() == "variable"
                && element
                    .parent()
                    .is_some_and(|above| [GIVEN.as_slice(), &["contextEntry"]].concat().contains(&above.name()));
            entry || GIVEN.contains(&element.name())
        };
        let iterators = elements().filter_map(|element| element.attribute("iteratorVariable"));
        Names {
            given: (elements().filter(is_given).filter_map(|element| element.attribute("name")).chain(iterators))
                .map(str::to_owned)
                .chain(texts.iter().flat_map(|text| text.borne.iter().map(Name::to_string)))
                .collect(),
            all: elements().filter_map(|element| element.attribute("name")).collect(),
        }
    }

    fn is_fixed(&self, name: &str) -> bool {
        !self.given.contains(name) && (functions::is_built_in(name) || self.all.contains(name))
    }
}

/// Whether the text names the function of an invocation.
fn is_called_function(text: ElementRef<'_>) -> bool {
    let literal = text.parent();
    literal.and_then(ElementRef::parent).is_some_and(|above| above.name() == "invocation")
}

/// The names of business knowledge and services that call what they are given.
fn higher(texts: &[Text<'_>], names: &Names<'_>, document: &Document, model: &Model) -> BTreeSet<String> {
    // Two of one name count as one that does what both do.
    let mut calls: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut higher: BTreeSet<String> = BTreeSet::new();
    for element in document.elements().filter(|element| is_dmn(*element)) {
        let units = match element.name() {
            "businessKnowledgeModel" => vec![element.index()],
            "decisionService" => decisions_of(element, document, model),
            _ => continue,
        };
        let named = element.children().find(|child| child.name() == "variable").unwrap_or(element);
        let name = named.attribute("name").or(element.attribute("name")).unwrap_or_default().trim().to_owned();
        for text in texts.iter().filter(|text| text.element.ancestors().any(|above| units.contains(&above.index()))) {
            let called = text.called();
            if text.calls_values() || !called.iter().all(|name| names.is_fixed(name)) {
                higher.insert(name.clone());
            }
            calls.entry(name.clone()).or_default().extend(called);
        }
    }
    loop {
        let more = calls.iter().filter(|(name, called)| !higher.contains(*name) && !called.is_disjoint(&higher));
        let more: Vec<String> = more.map(|(name, _)| name.clone()).collect();
        if more.is_empty() {
            return higher;
        }
        higher.extend(more);
    }
}

/// The elements of all decisions that a service evaluates.
fn decisions_of(service: ElementRef<'_>, document: &Document, model: &Model) -> Vec<usize> {
    let id = service.attribute("id").or(service.attribute("name"));
    let service = model.services.iter().find(|service| Some(service.id.as_str()) == id);
    let mut open: Vec<&String> = service.into_iter().flat_map(|service| &service.decisions).collect();
    let mut seen: BTreeSet<&String> = BTreeSet::new();
    while let Some(id) = open.pop() {
        if seen.insert(id) {
            open.extend(
                model.decisions.iter().filter(|decision| decision.id == *id).flat_map(|decision| &decision.decisions),
            );
        }
    }
    let decisions = document.elements().filter(|element| element.name() == "decision" && is_dmn(*element));
    let of_ids = decisions.filter(|element| {
        let id = element.attribute("id").or(element.attribute("name")).unwrap_or_default();
        seen.iter().any(|seen| *seen == id)
    });
    of_ids.map(ElementRef::index).collect()
}

#[cfg(test)]
mod tests {
    use crate::base::time::Timestamp;
    use crate::decision::DecisionModel;
    use serde_json::{Value, json};
    use std::collections::BTreeMap;

    fn function(name: &str, parameters: &str, body: &str) -> String {
        let parameters: String =
            parameters.split_whitespace().map(|name| format!("<formalParameter name=\"{name}\"/>")).collect();
        format!(
            "<businessKnowledgeModel id=\"{name}\" name=\"{name}\"><variable name=\"{name}\"/><encapsulatedLogic>{parameters}\
             {}</encapsulatedLogic></businessKnowledgeModel>",
            literal(body)
        )
    }

    fn literal(text: &str) -> String {
        format!("<literalExpression><text>{}</text></literalExpression>", text.replace('<', "&lt;"))
    }

    /// A decision with this logic over the functions, which it requires.
    fn value(functions: &[String], logic: &str) -> Result<Value, String> {
        let ids = functions.iter().map(|function| function.split('"').nth(1).unwrap());
        let required: String = ids
            .map(|id| format!("<knowledgeRequirement><requiredKnowledge href=\"#{id}\"/></knowledgeRequirement>"))
            .collect();
        let file = format!(
            "<definitions xmlns=\"https://www.omg.org/spec/DMN/20230324/MODEL/\" id=\"f\" name=\"f\" namespace=\"urn:f\">{}\
             <decision id=\"d\" name=\"d\"><variable name=\"d\"/>{required}{logic}</decision></definitions>",
            functions.concat()
        );
        let model = DecisionModel::parse(file.as_bytes());
        let model = model.map_err(|found| found.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
        let result = model.evaluate("d", &BTreeMap::new(), Timestamp(0)).map_err(|error| error.to_string())?;
        Ok(result.value)
    }

    #[test]
    fn functions_are_given_to_business_knowledge_and_made_by_it() {
        let twice = function("twice", "n", "n * 2");
        let apply = function("apply", "f n", "f(n) + 1");
        let adder = function("adder", "a", "function(b) a + b");
        let sorted = function("sorted", "l f", "sort(l, f)");
        let all = [twice, apply, adder, sorted];
        let cases = [
            ("apply(twice, 3)", json!(7)),
            ("apply(function(n) abs(n), -3)", json!(4)),
            ("apply(adder(5), 1)", json!(7)),
            ("apply(sqrt, 9)", json!(4)),
            ("adder(1)(2)", json!(3)),
            ("sorted([1, 3, 2], function(a, b) a > b)", json!([3, 2, 1])),
            ("sort([1, 3, 2], function(a, b) twice(a) > twice(b))", json!([3, 2, 1])),
        ];
        for (text, wanted) in cases {
            assert_eq!(value(&all, &literal(text)), Ok(wanted), "{text}");
        }
        let boxed = "<context><contextEntry><variable name=\"f\"/><functionDefinition><formalParameter name=\"n\"/>\
             <literalExpression><text>n + 1</text></literalExpression></functionDefinition></contextEntry>\
             <contextEntry><literalExpression><text>f(1)</text></literalExpression></contextEntry></context>";
        assert_eq!(value(&[], boxed), Ok(json!(2)));
    }

    #[test]
    fn what_could_call_itself_is_refused() {
        let own = function("own", "f", "f(f)");
        let by_way = function("byWay", "f", "own(f)").replace(
            "</encapsulatedLogic>",
            "</encapsulatedLogic><knowledgeRequirement><requiredKnowledge href=\"#own\"/></knowledgeRequirement>",
        );
        let sorting = function("sorting", "l f", "sort(l, f)");
        // `a` calls what is called `g` where it is called itself.
        let around = vec![function("g", "n", "n"), function("a", "n", "g(n)"), function("k", "n", "a(n)")];
        let handed_on = "calls what it is given, so it can only be called here";
        let cases = [
            (vec![own.clone()], literal("own(own)"), handed_on),
            (vec![own.clone()], literal("{o: own, r: o(o)}.r"), handed_on),
            (vec![own.clone(), by_way.clone()], literal("own(byWay)"), handed_on),
            (vec![sorting], literal("sorting([sorting], sorting)"), handed_on),
            (vec![own.clone()], literal("own(function(x) own(x))"), "may call built-in functions only"),
            (vec![own.clone()], literal("own(function(x) x(x))"), "may call built-in functions only"),
            (around.clone(), literal("{g: k, r: a(1)}.r"), handed_on),
            (around.clone(), literal("(for g in [k] return a(1))"), handed_on),
            (vec![own], literal("append([], function(x) x(x))"), "may call built-in functions only"),
            (vec![function("abs", "n", "n")], literal("{f: function(n) abs(n)}"), "may call built-in functions only"),
        ];
        for (functions, logic, wanted) in cases {
            let refused = value(&functions, &logic).expect_err(&logic);
            assert!(refused.contains(wanted), "{logic}: {refused}");
        }
    }
}
