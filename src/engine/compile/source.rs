//! What an element's file reads its attributes from: the XML element with its surroundings, and the file's global elements.

use super::flow::{Drawn, DrawnFlow};
use super::{Element, Resources, retry_cycle};
use crate::base::diagnostic::{Findings, Position};
use crate::base::limits::EXPRESSION_DEPTH_MAX;
use crate::base::time::{TimerKind, check_timer};
use crate::bpmn::extension::{self, InOut};
use crate::bpmn::names;
use crate::engine::definition::{
    DataMapping, MultiInstance, ParameterValue, RetryCycle, SequenceFlow,
};
use crate::engine::job::Binding;
use crate::engine::subscription::TriggerSource;
use crate::script::task::Script;
use crate::script::{Compiled, Language};
use std::collections::BTreeMap;

/// `formKey`, or `formRef` with its binding.
#[derive(Clone, Debug, PartialEq)]
pub enum Form {
    Key(String),
    Ref {
        id: String,
        binding: String,
        version: Option<u32>,
    },
}

/// Global elements of the file, by id.
pub(crate) struct Model<'d> {
    globals: BTreeMap<&'d str, Element<'d>>,
    resources: Resources<'d>,
}

impl<'d> Model<'d> {
    pub(crate) fn read(root: Element<'d>, resources: Resources<'d>, found: &mut Findings) -> Self {
        let mut ids: BTreeMap<&str, Position> = BTreeMap::new();
        for el in root
            .descendants()
            .filter(|el| el.namespace() == names::BPMN)
        {
            if let Some(id) = el.attribute("id") {
                if let Some(first) = ids.get(id) {
                    let words = format!(
                        "the id {id:?} is used twice, first in line {}; every element needs its own",
                        first.line
                    );
                    found.error(el.attribute_position("id"), Some(id), "duplicate-id", words);
                } else {
                    ids.insert(id, el.position());
                }
            }
        }
        let globals = root
            .children()
            .filter_map(|el| Some((el.attribute("id")?, el)))
            .collect();
        Self { globals, resources }
    }

    /// Looks a reference up; a prefix of a qualified name is of no weight here.
    fn global(&self, reference: &str, kind: &str) -> Option<Element<'d>> {
        let local = reference
            .rsplit_once(':')
            .map_or(reference, |(_, local)| local);
        self.globals
            .get(reference)
            .or_else(|| self.globals.get(local))
            .copied()
            .filter(|el| el.is(names::BPMN, kind))
    }

    pub(crate) fn sequence_flow(
        &self,
        line: &DrawnFlow<'_>,
        drawn: &Drawn<'_>,
        found: &mut Findings,
    ) -> SequenceFlow {
        let is_default = drawn.nodes[line.source].el.attribute("default") == Some(line.id.as_str());
        let condition = line.el.child(names::BPMN, "conditionExpression").map(|el| {
            let element = Some(line.id.as_str());
            match extension::attribute(el, "resource") {
                Some(resource) => {
                    let text = self.resource(resource, el.position(), element, found);
                    compiled(Language::Rhai, &text, el.position(), element, found)
                }
                None => expression(el, element, found),
            }
        });
        if is_default && condition.is_some() {
            let words = format!(
                "the default flow {:?} has a condition: it is taken when no other can be, so remove one of the two",
                line.id
            );
            found.error(
                line.el.position(),
                Some(&line.id),
                "default-with-condition",
                words,
            );
        }
        SequenceFlow {
            id: line.id.as_str().into(),
            name: line.el.attribute("name").map(str::to_owned),
            condition,
            is_default,
        }
    }

    fn resource(
        &self,
        reference: &str,
        at: Position,
        element: Option<&str>,
        found: &mut Findings,
    ) -> String {
        let name = reference.strip_prefix("deployment://").unwrap_or(reference);
        match (self.resources)(name).map(String::from_utf8) {
            Some(Ok(text)) => text,
            Some(Err(_)) => {
                found.error(
                    at,
                    element,
                    "resource",
                    format!("the resource {name:?} is not UTF-8"),
                );
                String::new()
            }
            None => {
                let words = format!(
                    "the resource {name:?} is not part of this deployment: deploy it together with the model"
                );
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

    pub(crate) fn position(&self) -> Position {
        self.drawn.position(self.index)
    }

    pub(super) fn parent(&self) -> Option<usize> {
        self.drawn.nodes[self.index].parent
    }

    pub(crate) fn in_sub_process(&self) -> bool {
        self.parent().is_some()
    }

    pub(crate) fn has_incoming(&self) -> bool {
        self.drawn
            .flows
            .iter()
            .any(|flow| flow.target == self.index)
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

    pub(crate) fn refuse_if_true(&self, attribute: &str, words: &str, found: &mut Findings) {
        if self.el.attribute(attribute) == Some("true") {
            found.error(
                self.el.attribute_position(attribute),
                self.id_opt(),
                "element-not-supported",
                words,
            );
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
        self.script_at(format, text, self.position(), found)
    }

    pub(crate) fn script_resource(
        &self,
        format: &str,
        resource: &str,
        found: &mut Findings,
    ) -> Script {
        let text = self
            .model
            .resource(resource, self.position(), self.id_opt(), found);
        self.script(format, &text, found)
    }

    fn script_at(&self, format: &str, text: &str, at: Position, found: &mut Findings) -> Script {
        Script::compile(format, text).unwrap_or_else(|error| {
            found.error(
                at,
                self.id_opt(),
                "script",
                format!(
                    "{:?}: the script does not compile: {}",
                    self.id(),
                    error.message
                ),
            );
            Script::compile("rhai", "()").expect("the empty script compiles")
        })
    }

    pub(super) fn parameter(
        &self,
        value: extension::ParameterValue,
        at: Position,
        depth: usize,
        found: &mut Findings,
    ) -> ParameterValue {
        if depth > EXPRESSION_DEPTH_MAX {
            found.error(
                at,
                self.id_opt(),
                "parameter-depth",
                "the parameter is nested too deeply",
            );
            return Compiled::literal("").into();
        }
        match value {
            extension::ParameterValue::Text(text) if text.is_empty() => ParameterValue::Expression(
                compiled(Language::Juel, "${null}", at, self.id_opt(), found),
            ),
            extension::ParameterValue::Text(text) => {
                compiled(Language::Juel, &text, at, self.id_opt(), found).into()
            }
            extension::ParameterValue::Script {
                format,
                text,
                resource,
            } => {
                let text = resource.map_or(text, |resource| {
                    self.model.resource(&resource, at, self.id_opt(), found)
                });
                ParameterValue::Script(self.script_at(&format, &text, at, found))
            }
            extension::ParameterValue::List(items) => ParameterValue::List(
                items
                    .into_iter()
                    .map(|item| self.parameter(item, at, depth + 1, found))
                    .collect(),
            ),
            extension::ParameterValue::Map(entries) => ParameterValue::Map(
                entries
                    .into_iter()
                    .map(|(key, item)| (key, self.parameter(item, at, depth + 1, found)))
                    .collect(),
            ),
        }
    }
}

// Events.
impl<'d> Source<'d, '_> {
    /// The single event definition, of the kinds that run in this position.
    pub(crate) fn event_definition(
        &self,
        kinds: &[&'static str],
        found: &mut Findings,
    ) -> Option<(&'static str, Element<'d>)> {
        let referenced = self
            .el
            .children()
            .filter(|el| el.is(names::BPMN, "eventDefinitionRef"))
            .filter_map(|el| {
                let reference = el.text().trim().to_owned();
                let target = self
                    .model
                    .globals
                    .iter()
                    .find(|(id, _)| reference.rsplit(':').next() == Some(**id))
                    .map(|(_, el)| *el);
                if target.is_none() {
                    found.error(
                        el.position(),
                        self.id_opt(),
                        "dangling-reference",
                        format!("there is no event definition {reference:?}"),
                    );
                }
                target
            });
        let referenced: Vec<Element<'d>> = referenced.collect();
        let own = self
            .el
            .children()
            .filter(|el| el.namespace() == names::BPMN && el.name().ends_with("EventDefinition"));
        let all: Vec<Element<'d>> = own.chain(referenced).collect();
        let [definition] = all.as_slice() else {
            if let Some(second) = all.get(1) {
                let words = format!(
                    "event {:?} has several triggers; multiple events do not run yet: draw one event for each",
                    self.id()
                );
                found.error(
                    second.position(),
                    self.id_opt(),
                    "element-not-supported",
                    words,
                );
            }
            return None;
        };
        let name = definition.name().trim_end_matches("EventDefinition");
        match kinds.iter().find(|kind| **kind == name) {
            Some(kind) => Some((kind, *definition)),
            None => {
                let words = format!(
                    "{}: a {} does not run in a {}",
                    self.id(),
                    definition.name(),
                    self.el.name()
                );
                found.error(
                    definition.position(),
                    self.id_opt(),
                    "element-not-supported",
                    words,
                );
                None
            }
        }
    }

    pub(crate) fn trigger(
        &self,
        kinds: &[&'static str],
        found: &mut Findings,
    ) -> Option<TriggerSource> {
        let (kind, definition) = self.event_definition(kinds, found)?;
        match kind {
            "timer" => self.timer(definition, found),
            "message" => {
                let reference = definition.attribute("messageRef").unwrap_or_default();
                let name = self.message_name(reference, found)?;
                Some(TriggerSource::Message { name })
            }
            _error => {
                let code = definition
                    .attribute("errorRef")
                    .and_then(|reference| self.error_code(reference, definition, found));
                Some(TriggerSource::Error { code })
            }
        }
    }

    pub(crate) fn required_trigger(
        &self,
        kinds: &[&'static str],
        found: &mut Findings,
    ) -> TriggerSource {
        let before = found.list.len();
        self.trigger(kinds, found).unwrap_or_else(|| {
            if found.list.len() == before {
                let words = format!(
                    "event {:?} waits for nothing: give it a {}",
                    self.id(),
                    kinds.join(" or a ")
                );
                found.error(
                    self.position(),
                    self.id_opt(),
                    "event-without-trigger",
                    words,
                );
            }
            TriggerSource::Error { code: None }
        })
    }

    fn timer(&self, definition: Element<'d>, found: &mut Findings) -> Option<TriggerSource> {
        let kinds = [
            ("timeDate", TimerKind::Date),
            ("timeDuration", TimerKind::Duration),
            ("timeCycle", TimerKind::Cycle),
        ];
        let given = kinds
            .iter()
            .find_map(|(local, kind)| Some((definition.child(names::BPMN, local)?, *kind)));
        let Some((el, kind)) = given else {
            let words = format!(
                "timer {:?} says no time: give it a timeDate, timeDuration or timeCycle",
                self.id()
            );
            found.error(
                definition.position(),
                self.id_opt(),
                "timer-without-time",
                words,
            );
            return None;
        };
        let text = compiled(
            Language::Juel,
            el.text().trim(),
            el.position(),
            self.id_opt(),
            found,
        );
        if let Some(literal) = text.is_literal()
            && let Err(error) = check_timer(kind, literal)
        {
            found.error(
                el.position(),
                self.id_opt(),
                "timer",
                format!("timer {:?}: {literal:?}: {error}", self.id()),
            );
        }
        Some(TriggerSource::Timer { kind, text })
    }

    /// The name behind a `messageRef`.
    pub(crate) fn message_name(&self, reference: &str, found: &mut Findings) -> Option<Compiled> {
        match self.model.global(reference, "message") {
            Some(message) => {
                let name = message.attribute("name").unwrap_or_default();
                if name.is_empty() {
                    found.error(
                        message.position(),
                        self.id_opt(),
                        "message-name",
                        format!("the message {reference:?} needs a name"),
                    );
                }
                Some(self.compiled(name, found))
            }
            None => {
                let words = format!(
                    "{:?}: there is no message {reference:?} in this file",
                    self.id()
                );
                found.error(self.position(), self.id_opt(), "dangling-reference", words);
                None
            }
        }
    }

    fn error(&self, reference: &str, at: Element<'d>, found: &mut Findings) -> Option<Element<'d>> {
        let error = self.model.global(reference, "error");
        if error.is_none() {
            let words = format!(
                "{:?}: there is no error {reference:?} in this file",
                self.id()
            );
            found.error(
                at.attribute_position("errorRef"),
                self.id_opt(),
                "dangling-reference",
                words,
            );
        }
        error
    }

    /// The code of a caught error; an error without code catches by its id, as the standard names it.
    fn error_code(&self, reference: &str, at: Element<'d>, found: &mut Findings) -> Option<String> {
        let error = self.error(reference, at, found)?;
        error
            .attribute("errorCode")
            .filter(|code| !code.is_empty())
            .or_else(|| error.attribute("id"))
            .map(str::to_owned)
    }

    /// Code and message of an error end event.
    pub(crate) fn thrown_error(
        &self,
        definition: Element<'d>,
        found: &mut Findings,
    ) -> (Option<Compiled>, Option<Compiled>) {
        let Some(reference) = definition.attribute("errorRef") else {
            return (None, None);
        };
        let Some(error) = self.error(reference, definition, found) else {
            return (None, None);
        };
        let code = error
            .attribute("errorCode")
            .filter(|code| !code.is_empty())
            .or_else(|| error.attribute("id"));
        let message = extension::attribute(error, "errorMessage");
        (
            code.map(|code| self.compiled(code, found)),
            message.map(|message| self.compiled(message, found)),
        )
    }

    pub(crate) fn error_variables(&self) -> (Option<String>, Option<String>) {
        let definition = self.bpmn_child("errorEventDefinition");
        let of = |local| {
            definition
                .and_then(|el| extension::attribute(el, local))
                .map(str::to_owned)
        };
        (of("errorCodeVariable"), of("errorMessageVariable"))
    }
}

// Activities.
impl Source<'_, '_> {
    pub(super) fn looping(&self, found: &mut Findings) -> Option<MultiInstance> {
        if let Some(el) = self.bpmn_child("standardLoopCharacteristics") {
            let words = format!(
                "{:?}: standard loops do not run yet; draw the loop with an exclusive gateway",
                self.id()
            );
            found.error(el.position(), self.id_opt(), "element-not-supported", words);
        }
        for attribute in ["startQuantity", "completionQuantity"] {
            if self
                .el
                .attribute(attribute)
                .is_some_and(|quantity| quantity != "1")
            {
                let words = format!("{:?}: {attribute} other than 1 does not run yet", self.id());
                found.error(
                    self.el.attribute_position(attribute),
                    self.id_opt(),
                    "element-not-supported",
                    words,
                );
            }
        }
        self.refuse_if_true(
            "isForCompensation",
            "compensation does not run yet; draw the undo task behind an error boundary event",
            found,
        );
        self.refuse_data_associations(found);
        let el = self.bpmn_child("multiInstanceLoopCharacteristics")?;
        for child in el.children().filter(|el| el.namespace() == names::BPMN) {
            if !matches!(
                child.name(),
                "loopCardinality" | "completionCondition" | "extensionElements" | "documentation"
            ) {
                let words = format!(
                    "{:?}: {} does not run yet; use camunda:collection and camunda:elementVariable",
                    self.id(),
                    child.name()
                );
                found.error(
                    child.position(),
                    self.id_opt(),
                    "element-not-supported",
                    words,
                );
            }
        }
        if el
            .attribute("behavior")
            .is_some_and(|behavior| behavior != "All")
        {
            let words = format!(
                "{:?}: the multi-instance behavior that throws events does not run yet",
                self.id()
            );
            found.error(
                el.attribute_position("behavior"),
                self.id_opt(),
                "element-not-supported",
                words,
            );
        }
        let within = |local: &str, found: &mut Findings| {
            el.child(names::BPMN, local)
                .map(|child| expression(child, self.id_opt(), found))
        };
        let cardinality = within("loopCardinality", found);
        let completion = within("completionCondition", found);
        let collection = extension::attribute(el, "collection").map(|text| {
            let text = if text.contains("${") || text.contains("#{") {
                text.to_owned()
            } else {
                format!("${{{text}}}")
            };
            compiled(Language::Juel, &text, el.position(), self.id_opt(), found)
        });
        if cardinality.is_none() && collection.is_none() && !found.has_errors() {
            let words = format!(
                "{:?}: a multi-instance needs a loopCardinality or a camunda:collection",
                self.id()
            );
            found.error(el.position(), self.id_opt(), "multi-instance-count", words);
        }
        Some(MultiInstance {
            sequential: el.attribute("isSequential") == Some("true"),
            cardinality,
            collection,
            element_variable: extension::attribute(el, "elementVariable").map(str::to_owned),
            completion,
        })
    }

    /// Associations that only show where data goes are drawings; those that compute would be ignored wrongly.
    fn refuse_data_associations(&self, found: &mut Findings) {
        let associations = self
            .el
            .children()
            .filter(|el| matches!(el.name(), "dataInputAssociation" | "dataOutputAssociation"));
        for child in associations.flat_map(Element::children) {
            if matches!(child.name(), "assignment" | "transformation") {
                let words = format!(
                    "{:?}: a data association with {} does not run yet; use camunda:inputOutput",
                    self.id(),
                    child.name()
                );
                found.error(
                    child.position(),
                    self.id_opt(),
                    "element-not-supported",
                    words,
                );
            }
        }
    }

    pub(super) fn retry_cycle(&self, found: &mut Findings) -> Option<RetryCycle> {
        let el = extension::child(self.el, "failedJobRetryTimeCycle")?;
        match retry_cycle(&el.text()) {
            Ok(cycle) => Some(cycle),
            Err(error) => {
                found.error(
                    el.position(),
                    self.id_opt(),
                    "retry-cycle",
                    format!("{:?}: failedJobRetryTimeCycle: {error}", self.id()),
                );
                None
            }
        }
    }

    pub(crate) fn form(&self) -> Option<Form> {
        if let Some(key) = self.extension("formKey") {
            return Some(Form::Key(key.to_owned()));
        }
        let id = self.extension("formRef")?.to_owned();
        let binding = self
            .extension("formRefBinding")
            .unwrap_or("latest")
            .to_owned();
        let version = self
            .extension("formRefVersion")
            .and_then(|version| version.parse().ok());
        Some(Form::Ref {
            id,
            binding,
            version,
        })
    }

    /// `…Binding`, `…Version`, `…VersionTag` of a called process or decision.
    pub(crate) fn binding(&self, prefix: &str, found: &mut Findings) -> Binding {
        let of = |suffix: &str| self.extension(&format!("{prefix}{suffix}"));
        match of("Binding") {
            None | Some("latest") => Binding::Latest,
            Some("deployment") => Binding::Deployment,
            Some("version") => match of("Version").and_then(|version| version.parse().ok()) {
                Some(version) => Binding::Version(version),
                None => {
                    let words = format!(
                        "{:?}: camunda:{prefix}Version must be a version number",
                        self.id()
                    );
                    found.error(self.position(), self.id_opt(), "binding", words);
                    Binding::Latest
                }
            },
            Some("versionTag") => {
                Binding::VersionTag(of("VersionTag").unwrap_or_default().to_owned())
            }
            Some(other) => {
                let words = format!(
                    "{:?}: the binding {other:?} is not known; use latest, deployment, version or versionTag",
                    self.id()
                );
                found.error(self.position(), self.id_opt(), "binding", words);
                Binding::Latest
            }
        }
    }

    pub(crate) fn business_key_mapping(&self, found: &mut Findings) -> Option<Compiled> {
        let (inputs, _) = extension::in_out_mappings(self.el);
        let key = inputs
            .into_iter()
            .find_map(|mapping| mapping.business_key)?;
        Some(self.compiled(&key, found))
    }

    pub(crate) fn data_mappings(
        &self,
        found: &mut Findings,
    ) -> (Vec<DataMapping>, Vec<DataMapping>) {
        let (inputs, outputs) = extension::in_out_mappings(self.el);
        let mut convert = |list: Vec<InOut>| {
            list.into_iter()
                .filter_map(|mapping| self.data_mapping(mapping, found))
                .collect()
        };
        let inputs = convert(inputs);
        (inputs, convert(outputs))
    }

    fn data_mapping(&self, mapping: InOut, found: &mut Findings) -> Option<DataMapping> {
        let InOut {
            source,
            source_expression,
            target,
            all,
            local,
            business_key,
            ..
        } = mapping;
        match (all, source, source_expression, target) {
            (true, ..) => Some(DataMapping::All { local }),
            (false, Some(source), None, Some(target)) => Some(DataMapping::Source {
                source,
                target,
                local,
            }),
            (false, None, Some(text), Some(target)) => Some(DataMapping::Expression {
                expression: self.compiled(&text, found),
                target,
                local,
            }),
            (false, ..) if business_key.is_some() => None,
            (false, ..) => {
                let words = format!(
                    "{:?}: a data mapping needs a source or sourceExpression, and a target",
                    self.id()
                );
                found.error(self.position(), self.id_opt(), "data-mapping", words);
                None
            }
        }
    }
}

pub(super) fn documentation(el: Element<'_>) -> Option<String> {
    el.child(names::BPMN, "documentation")
        .map(|el| el.text().trim().to_owned())
        .filter(|text| !text.is_empty())
}

/// Days, or an ISO period of days, months or years.
pub(super) fn history_ttl(el: Element<'_>, found: &mut Findings) -> Option<u32> {
    let text = extension::attribute(el, "historyTimeToLive")?.trim();
    let number = |digits: &str| digits.parse::<u32>().ok();
    let days = match text.strip_prefix('P') {
        None => number(text),
        Some(period) => match period.char_indices().last() {
            Some((end, 'D')) => number(&period[..end]),
            Some((end, 'W')) => number(&period[..end]).map(|n| n * 7),
            Some((end, 'M')) => number(&period[..end]).map(|n| n * 30),
            Some((end, 'Y')) => number(&period[..end]).map(|n| n * 365),
            Some(_) | None => None,
        },
    };
    if days.is_none() {
        let words = format!(
            "historyTimeToLive {text:?} must be a number of days, or a period such as P180D"
        );
        found.error(el.position(), el.attribute("id"), "history-ttl", words);
    }
    days
}

/// An expression element with its `language`.
fn expression(el: Element<'_>, element: Option<&str>, found: &mut Findings) -> Compiled {
    match Language::named(el.attribute("language")) {
        Some(language) => compiled(language, el.text().trim(), el.position(), element, found),
        None => {
            let words = format!(
                "the language {:?} does not run here; use ${{…}}, rhai or feel",
                el.attribute("language").unwrap_or_default()
            );
            found.error(
                el.attribute_position("language"),
                element,
                "language",
                words,
            );
            Compiled::literal("")
        }
    }
}

fn compiled(
    language: Language,
    text: &str,
    at: Position,
    element: Option<&str>,
    found: &mut Findings,
) -> Compiled {
    Compiled::compile(language, text).unwrap_or_else(|error| {
        let place = error
            .offset
            .map(|offset| format!(" (character {})", offset + 1))
            .unwrap_or_default();
        found.error(
            at,
            element,
            "expression",
            format!("{text:?} does not compile: {}{place}", error.message),
        );
        Compiled::literal(text)
    })
}
