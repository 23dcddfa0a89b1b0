//! What an element's file reads its attributes from: the XML element with its surroundings, and the file's global elements.

use super::flow::{Drawn, DrawnFlow};
use super::{Element, Resources};
use crate::base::diagnostic::{Findings, Position};
use crate::base::limits::EXPRESSION_DEPTH_MAX;
use crate::base::time::days_to_live;
use crate::bpmn::extension;
use crate::bpmn::names;
use crate::engine::definition::{ParameterValue, SequenceFlow};
use crate::script::task::Script;
use crate::script::{Compiled, Language};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Global elements of the file, by id.
pub(crate) struct Model<'d> {
    pub(super) globals: BTreeMap<&'d str, Element<'d>>,
    /// Names of data elements, by their ids.
    pub(super) data: BTreeMap<&'d str, String>,
    resources: Resources<'d>,
}

impl<'d> Model<'d> {
    pub(crate) fn read(root: Element<'d>, resources: Resources<'d>, found: &mut Findings) -> Self {
        let mut ids: BTreeMap<&str, Position> = BTreeMap::new();
        for el in root.descendants().filter(|el| el.namespace() == names::BPMN) {
            if let Some(id) = el.attribute("id") {
                if let Some(first) = ids.get(id) {
                    let words = format!(
                        "the id {id:?} is used twice, first in line {}. Give one of the two elements another id",
                        first.line
                    );
                    found.error(el.attribute_position("id"), Some(id), "duplicate-id", words);
                } else {
                    ids.insert(id, el.position());
                }
            }
        }
        let globals = root.children().filter_map(|el| Some((el.attribute("id")?, el))).collect();
        Self { globals, data: super::data::names(root), resources }
    }

    /// Looks a reference up; a prefix of a qualified name is of no weight here.
    pub(super) fn global(&self, reference: &str, kind: &str) -> Option<Element<'d>> {
        let local = reference.rsplit_once(':').map_or(reference, |(_, local)| local);
        self.globals.get(reference).or_else(|| self.globals.get(local)).copied().filter(|el| el.is(names::BPMN, kind))
    }

    /// The ids of a kind that the file does have, of many the first ones: one of them may have been meant.
    pub(super) fn known(&self, kind: &str) -> String {
        let ids = self.globals.iter().filter(|(_, el)| el.is(names::BPMN, kind)).map(|(id, _)| format!("{id:?}"));
        match ids.take(5).collect::<Vec<_>>().as_slice() {
            [] => String::new(),
            some => format!(", only {}", some.join(", ")),
        }
    }

    pub(crate) fn sequence_flow(&self, line: &DrawnFlow<'_>, drawn: &Drawn<'_>, found: &mut Findings) -> SequenceFlow {
        let is_default = drawn.nodes[line.source].el.attribute("default") == Some(line.id.as_str());
        let condition = line
            .el
            .child(names::BPMN, "conditionExpression")
            .map(|el| self.condition(el, Some(line.id.as_str()), found));
        if is_default && condition.is_some() {
            let words = format!(
                "the default flow {:?} has a condition: it is taken when no other can be, so remove one of the two",
                line.id
            );
            found.error(line.el.position(), Some(&line.id), "default-with-condition", words);
        }
        SequenceFlow {
            listeners: super::listener::execution(line.el, self, found),
            id: line.id.as_str().into(),
            name: line.el.attribute("name").map(str::to_owned),
            condition,
            is_default,
        }
    }

    /// An expression, or a script in a file of its own.
    pub(super) fn condition(&self, el: Element<'_>, element: Option<&str>, found: &mut Findings) -> Compiled {
        match extension::attribute(el, "resource") {
            Some(resource) => {
                let text = self.resource(resource, el.position(), element, found);
                compiled(Language::Rhai, &text, el.position(), element, found)
            }
            None => expression(el, element, found),
        }
    }

    /// A script in the model, or in a file of its own.
    pub(super) fn script(
        &self,
        format: &str,
        text: &str,
        resource: Option<&str>,
        (at, element): (Position, Option<&str>),
        found: &mut Findings,
    ) -> Script {
        let text = match resource {
            Some(resource) => Cow::Owned(self.resource(resource, at, element, found)),
            None => Cow::Borrowed(text),
        };
        Script::compile(format, &text).unwrap_or_else(|error| {
            let place = error.offset.map(|offset| place_in(&text, offset)).unwrap_or_default();
            let words =
                format!("{:?}: the script does not compile{place}: {}", element.unwrap_or_default(), error.message);
            found.error(at, element, "script", words);
            Script::compile("rhai", "()").expect("the empty script compiles")
        })
    }

    fn resource(&self, reference: &str, at: Position, element: Option<&str>, found: &mut Findings) -> String {
        let name = reference.strip_prefix("deployment://").unwrap_or(reference);
        match (self.resources)(name).map(String::from_utf8) {
            Some(Ok(text)) => text,
            Some(Err(_)) => {
                found.error(at, element, "resource", format!("the resource {name:?} is not UTF-8"));
                String::new()
            }
            None => {
                let words =
                    format!("the resource {name:?} is not part of this deployment: deploy it together with the model");
                found.error(at, element, "resource", words);
                String::new()
            }
        }
    }
}

/// An outgoing flow as an element file checks it.
pub(crate) struct Outgoing {
    pub(crate) id: String,
    pub(crate) position: Position,
    pub(crate) has_condition: bool,
    pub(crate) is_default: bool,
    pub(crate) target: String,
    pub(crate) target_kind: String,
}

pub(crate) struct Source<'d, 'm> {
    pub(crate) el: Element<'d>,
    pub(super) model: &'m Model<'d>,
    pub(super) drawn: &'m Drawn<'d>,
    pub(super) index: usize,
}

// Where it stands.
impl<'d> Source<'d, '_> {
    pub(crate) fn id(&self) -> &'d str {
        self.drawn.nodes[self.index].id
    }

    pub(crate) fn id_opt(&self) -> Option<&'d str> {
        Some(self.id())
    }

    /// Its BPMN name; of a global task that of the task.
    pub(crate) fn kind(&self) -> &'d str {
        super::flow::global_task(self.el.name()).unwrap_or(self.el.name())
    }

    pub(crate) fn position(&self) -> Position {
        self.drawn.position(self.index)
    }

    pub(super) fn parent(&self) -> Option<usize> {
        self.drawn.nodes[self.index].parent
    }

    pub(crate) fn in_sub_process(&self) -> bool {
        self.parent().is_some()
    }

    pub(crate) fn in_event_sub_process(&self) -> bool {
        self.parent().is_some_and(|parent| self.drawn.is_event_sub_process(parent))
    }

    /// What starts a process by its message or event stands at the beginning of one.
    pub(crate) fn check_instantiating(&self, found: &mut Findings) {
        if self.has_incoming() || self.in_sub_process() {
            let words = "this element starts a process, so no sequence flow leads to it, and it stands in no sub-process. \
                         Remove instantiate, or the flow";
            found.error(self.position(), self.id_opt(), "instantiate", words);
        }
    }

    /// Start and end events of an ad-hoc sub-process, which has none.
    pub(crate) fn events_in_ad_hoc(&self) -> Vec<(&'d str, Position)> {
        let inside = self.drawn.nodes.iter().filter(|node| node.parent == Some(self.index));
        let events = inside.filter(|node| matches!(node.el.name(), "startEvent" | "endEvent"));
        events.map(|node| (node.id, node.el.position())).collect()
    }

    /// In an event sub-process that stands in a sub-process.
    pub(crate) fn in_nested_event_sub_process(&self) -> bool {
        self.parent().is_some_and(|parent| self.drawn.nodes[parent].parent.is_some())
    }

    /// The BPMN name of the sub-process around it.
    pub(crate) fn parent_kind(&self) -> Option<&'d str> {
        self.parent().map(|parent| self.drawn.nodes[parent].el.name())
    }

    /// Of a boundary event: the BPMN name of its activity.
    pub(crate) fn host_kind(&self) -> Option<&'d str> {
        let host = self.drawn.index_of(self.el.attribute("attachedToRef")?)?;
        Some(self.drawn.nodes[host].el.name())
    }

    /// A transaction that cancels says how it goes on.
    pub(crate) fn check_cancelling(&self, found: &mut Findings) {
        let cancels = |el: Element<'_>| el.child(names::BPMN, "cancelEventDefinition").is_some();
        let ends = self.el.children().any(|el| el.is(names::BPMN, "endEvent") && cancels(el));
        let boundary =
            self.drawn.attached().any(|(event, host)| host == self.index && cancels(self.drawn.nodes[event].el));
        if ends && !boundary {
            let words = "this transaction can be cancelled, but has no cancel boundary event, so nothing says how it goes on: attach one";
            found.warn(self.position(), self.id_opt(), "cancel-leads-nowhere", words);
        }
    }

    pub(crate) fn incoming_count(&self) -> usize {
        self.drawn.flows.iter().filter(|flow| flow.target == self.index).count()
    }

    pub(crate) fn has_incoming(&self) -> bool {
        self.drawn.flows.iter().any(|flow| flow.target == self.index)
    }

    pub(crate) fn has_outgoing(&self) -> bool {
        self.drawn.outgoing(self.index).next().is_some()
    }

    pub(crate) fn outgoing(&self) -> Vec<Outgoing> {
        let default = self.el.attribute("default");
        let of = |flow: &DrawnFlow<'_>| Outgoing {
            id: flow.id.clone(),
            position: flow.el.position(),
            has_condition: flow.el.child(names::BPMN, "conditionExpression").is_some(),
            is_default: default == Some(flow.id.as_str()),
            target: self.drawn.nodes[flow.target].id.to_owned(),
            target_kind: self.drawn.nodes[flow.target].el.name().to_owned(),
        };
        self.drawn.outgoing(self.index).map(of).collect()
    }

    pub(crate) fn bpmn_child(&self, local: &str) -> Option<Element<'d>> {
        self.el.child(names::BPMN, local)
    }

    pub(crate) fn extension(&self, local: &str) -> Option<&'d str> {
        extension::attribute(self.el, local)
    }

    pub(crate) fn documentation(&self) -> Option<String> {
        documentation(self.el)
    }

    /// What a token that arrives would meet: nothing arrives at an event sub-process.
    pub(crate) fn refuse_around_event_sub_process(&self, found: &mut Findings) {
        let loops = ["multiInstanceLoopCharacteristics", "standardLoopCharacteristics"];
        let looping = loops.iter().find_map(|local| self.bpmn_child(local));
        let mapping = extension::child(self.el, "inputOutput");
        for (el, words) in [
            (looping, "an event sub-process does not loop: it begins each time its event happens. Remove the marker"),
            (mapping, "an event sub-process maps no data: put the mapping on an activity in it"),
        ] {
            if let Some(el) = el {
                found.error(el.position(), self.id_opt(), "at-event-sub-process", words);
            }
        }
        if ["asyncBefore", "asyncAfter", "async"].iter().any(|local| self.extension(local) == Some("true")) {
            let words = "an event sub-process has no save point of its own: set asyncBefore on its start event";
            found.error(self.position(), self.id_opt(), "at-event-sub-process", words);
        }
    }
}

// Expressions and scripts.
impl Source<'_, '_> {
    pub(crate) fn compiled(&self, text: &str, found: &mut Findings) -> Compiled {
        compiled(Language::Juel, text, self.position(), self.id_opt(), found)
    }

    /// Of texts for people, where a broken expression is only text.
    pub(crate) fn compiled_or_literal(&self, text: &str) -> Compiled {
        Compiled::compile(Language::Juel, text).unwrap_or_else(|_| Compiled::literal(text))
    }

    pub(crate) fn script(&self, format: &str, text: &str, found: &mut Findings) -> Script {
        let at = self.bpmn_child("script").map_or(self.position(), Element::position);
        self.model.script(format, text, None, (at, self.id_opt()), found)
    }

    pub(crate) fn script_resource(&self, format: &str, resource: &str, found: &mut Findings) -> Script {
        self.model.script(format, "", Some(resource), (self.position(), self.id_opt()), found)
    }

    pub(super) fn parameter(
        &self,
        value: extension::ParameterValue,
        at: Position,
        depth: usize,
        found: &mut Findings,
    ) -> ParameterValue {
        if depth > EXPRESSION_DEPTH_MAX {
            found.error(at, self.id_opt(), "parameter-depth", "the parameter is nested too deeply");
            return Compiled::literal("").into();
        }
        match value {
            extension::ParameterValue::Text(text) if text.is_empty() => {
                ParameterValue::Expression(compiled(Language::Juel, "${null}", at, self.id_opt(), found))
            }
            extension::ParameterValue::Text(text) => compiled(Language::Juel, &text, at, self.id_opt(), found).into(),
            extension::ParameterValue::Script { format, text, resource } => {
                let place = (at, self.id_opt());
                ParameterValue::Script(self.model.script(&format, &text, resource.as_deref(), place, found))
            }
            extension::ParameterValue::List(items) => {
                ParameterValue::List(items.into_iter().map(|item| self.parameter(item, at, depth + 1, found)).collect())
            }
            extension::ParameterValue::Map(entries) => ParameterValue::Map(
                entries.into_iter().map(|(key, item)| (key, self.parameter(item, at, depth + 1, found))).collect(),
            ),
        }
    }
}

pub(super) fn documentation(el: Element<'_>) -> Option<String> {
    el.child(names::BPMN, "documentation").map(|el| el.text().trim().to_owned()).filter(|text| !text.is_empty())
}

/// How long the history of this process is kept.
pub(super) fn history_ttl(el: Element<'_>, found: &mut Findings) -> Option<u32> {
    let days = days_to_live(extension::attribute(el, "historyTimeToLive")?);
    days.map_err(|words| found.error(el.position(), el.attribute("id"), "history-ttl", words)).ok()
}

/// Where in a script: it may have many lines.
fn place_in(text: &str, offset: usize) -> String {
    let before: String = text.chars().take(offset).collect();
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    format!(" (line {line} of it, character {column})")
}

/// An expression element with its `language`.
pub(crate) fn expression(el: Element<'_>, element: Option<&str>, found: &mut Findings) -> Compiled {
    match Language::named(el.attribute("language")) {
        Some(language) => compiled(language, el.text().trim(), el.position(), element, found),
        None => {
            let words = format!(
                "the language {:?} does not run here; use ${{…}}, rhai or feel",
                el.attribute("language").unwrap_or_default()
            );
            found.error(el.attribute_position("language"), element, "language", words);
            Compiled::literal("")
        }
    }
}

pub(super) fn compiled(
    language: Language,
    text: &str,
    at: Position,
    element: Option<&str>,
    found: &mut Findings,
) -> Compiled {
    Compiled::compile(language, text).unwrap_or_else(|error| {
        let place = error.offset.map(|offset| format!(" (character {})", offset + 1)).unwrap_or_default();
        found.error(at, element, "expression", format!("{text:?} does not compile: {}{place}", error.message));
        Compiled::literal(text)
    })
}
