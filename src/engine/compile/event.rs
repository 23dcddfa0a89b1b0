//! What an event's file reads: its single event definition, and what that waits for or throws.

use super::Element;
use super::source::{Source, compiled};
use crate::base::diagnostic::Findings;
use crate::base::time::{TimerKind, check_timer};
use crate::bpmn::{extension, names};
use crate::engine::condition::{Change, Condition};
use crate::engine::elements::CaughtVariables;
use crate::engine::subscription::TriggerSource;
use crate::script::{Compiled, Language};
use std::collections::BTreeSet;

impl<'d> Source<'d, '_> {
    /// The event definitions, each of a kind that runs in this position.
    pub(crate) fn event_definitions(
        &self,
        kinds: &[&'static str],
        found: &mut Findings,
    ) -> Vec<(&'static str, Element<'d>)> {
        let referenced = self.referenced_definitions(found);
        let own =
            self.el.children().filter(|el| el.namespace() == names::BPMN && el.name().ends_with("EventDefinition"));
        let mut all = Vec::new();
        for definition in own.chain(referenced) {
            let name = definition.name().trim_end_matches("EventDefinition");
            match kinds.iter().find(|kind| **kind == name) {
                Some(kind) => all.push((*kind, definition)),
                None => {
                    let words = format!(
                        "event {:?}: {} does not run in {}; it may be {}",
                        self.id(),
                        article(definition.name()),
                        article(self.el.name()),
                        any_of(kinds)
                    );
                    found.error(definition.position(), self.id_opt(), "element-not-supported", words);
                }
            }
        }
        all
    }

    /// Triggers that stand alone: with another beside them nobody could say what happens.
    pub(crate) fn refuse_beside_others(&self, alone: &[&str], all: &[(&str, Element<'d>)], found: &mut Findings) {
        let mut lonely = all.iter().filter(|(kind, _)| alone.contains(kind));
        if all.len() > 1
            && let Some((kind, definition)) = lonely.next()
        {
            let words = format!(
                "event {:?} has several triggers, and {} event stands alone: draw one event for each",
                self.id(),
                article(kind)
            );
            found.error(definition.position(), self.id_opt(), "several-triggers", words);
        }
    }

    /// A link event has a name, and no sequence flow at its other side.
    pub(crate) fn check_link(&self, has_flow: bool, words: &str, found: &mut Findings) {
        if has_flow {
            let words = format!("a sequence flow {words}. Remove the flow");
            found.error(self.position(), self.id_opt(), "flow-at-link", words);
        }
        let name = self.bpmn_child("linkEventDefinition").and_then(|el| el.attribute("name"));
        if name.is_none_or(str::is_empty) {
            let words = "this link event has no name, so it cannot be paired: give both its ends the same name";
            found.error(self.position(), self.id_opt(), "link-without-name", words);
        }
    }

    fn referenced_definitions(&self, found: &mut Findings) -> Vec<Element<'d>> {
        let referenced = self.el.children().filter(|el| el.is(names::BPMN, "eventDefinitionRef")).filter_map(|el| {
            let reference = el.text().trim().to_owned();
            let target =
                self.model.globals.iter().find(|(id, _)| reference.rsplit(':').next() == Some(**id)).map(|(_, el)| *el);
            if target.is_none() {
                found.error(
                    el.position(),
                    self.id_opt(),
                    "dangling-reference",
                    format!(
                        "there is no event definition {reference:?} in this file; add it, or correct the reference"
                    ),
                );
            }
            target
        });
        referenced.collect()
    }

    /// What it waits for: one trigger, any of several, or with `parallelMultiple` all of them.
    pub(crate) fn trigger(&self, kinds: &[&'static str], found: &mut Findings) -> Option<TriggerSource> {
        let all = self.event_definitions(kinds, found);
        let parallel = self.el.attribute("parallelMultiple") == Some("true");
        let alone: &[&str] =
            if parallel { &["cancel", "compensate", "error", "escalation"] } else { &["cancel", "compensate"] };
        self.refuse_beside_others(alone, &all, found);
        let mut parts: Vec<TriggerSource> =
            all.into_iter().filter_map(|(kind, definition)| self.trigger_of(kind, definition, found)).collect();
        if parts.len() > 1 { Some(TriggerSource::Multiple { parts, parallel }) } else { parts.pop() }
    }

    fn trigger_of(&self, kind: &'static str, definition: Element<'d>, found: &mut Findings) -> Option<TriggerSource> {
        match kind {
            "timer" => self.timer(definition, found),
            "message" => {
                let reference = definition.attribute("messageRef").unwrap_or_default();
                let name = self.message_name(reference, found)?;
                Some(TriggerSource::Message { name })
            }
            "signal" => Some(TriggerSource::Signal { name: self.signal_name(definition, found)? }),
            "conditional" => self.condition(definition, found).map(TriggerSource::Condition),
            "cancel" => Some(TriggerSource::Cancel),
            "compensate" => Some(TriggerSource::Compensation),
            "escalation" => {
                let code = definition
                    .attribute("escalationRef")
                    .and_then(|reference| self.escalation_code(reference, definition, found));
                Some(TriggerSource::Escalation { code })
            }
            _error => {
                let code = definition
                    .attribute("errorRef")
                    .and_then(|reference| self.error_code(reference, definition, found));
                Some(TriggerSource::Error { code })
            }
        }
    }

    pub(crate) fn required_trigger(&self, kinds: &[&'static str], found: &mut Findings) -> TriggerSource {
        let before = found.list.len();
        self.trigger(kinds, found).unwrap_or_else(|| {
            if found.list.len() == before {
                let words = format!("event {:?} waits for nothing: make it {}", self.id(), any_of(kinds));
                found.error(self.position(), self.id_opt(), "event-without-trigger", words);
            }
            TriggerSource::Error { code: None }
        })
    }

    fn condition(&self, definition: Element<'d>, found: &mut Findings) -> Option<Condition> {
        let Some(el) = definition.child(names::BPMN, "condition") else {
            let words =
                format!("conditional event {:?} has no condition: give it one, such as ${{amount > 100}}", self.id());
            found.error(definition.position(), self.id_opt(), "event-without-condition", words);
            return None;
        };
        let expression = self.model.condition(el, self.id_opt(), found);
        let given = extension::attribute(definition, "variableEvents").unwrap_or_default();
        let mut changes = BTreeSet::new();
        for name in given.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            if let Some(change) = Change::named(name) {
                changes.insert(change);
            } else {
                let words =
                    format!("{name:?} is no change of a variable: variableEvents takes create, update and delete");
                found.error(definition.position(), self.id_opt(), "variable-events", words);
            }
        }
        let variable = extension::attribute(definition, "variableName").filter(|name| !name.is_empty());
        Some(Condition { expression, variable: variable.map(str::to_owned), changes })
    }

    pub(super) fn timer(&self, definition: Element<'_>, found: &mut Findings) -> Option<TriggerSource> {
        let kinds =
            [("timeDate", TimerKind::Date), ("timeDuration", TimerKind::Duration), ("timeCycle", TimerKind::Cycle)];
        let given = kinds.iter().find_map(|(local, kind)| Some((definition.child(names::BPMN, local)?, *kind)));
        let Some((el, kind)) = given else {
            let words = format!("timer {:?} says no time: give it a timeDate, timeDuration or timeCycle", self.id());
            found.error(definition.position(), self.id_opt(), "timer-without-time", words);
            return None;
        };
        let text = compiled(Language::Juel, el.text().trim(), el.position(), self.id_opt(), found);
        if let Some(literal) = text.is_literal()
            && let Err(error) = check_timer(kind, literal)
        {
            found.error(el.position(), self.id_opt(), "timer", format!("timer {:?}: {error}", self.id()));
        }
        Some(TriggerSource::Timer { kind, text })
    }

    /// The name behind a `messageRef`.
    pub(crate) fn message_name(&self, reference: &str, found: &mut Findings) -> Option<Compiled> {
        self.name_of("message", reference, found)
    }

    /// The name behind the `signalRef` of an event.
    pub(crate) fn signal_name(&self, definition: Element<'d>, found: &mut Findings) -> Option<Compiled> {
        self.name_of("signal", definition.attribute("signalRef").unwrap_or_default(), found)
    }

    /// The name of a message or signal of this file.
    fn name_of(&self, kind: &str, reference: &str, found: &mut Findings) -> Option<Compiled> {
        match self.model.global(reference, kind) {
            Some(global) => {
                let name = global.attribute("name").unwrap_or_default();
                if name.is_empty() {
                    let words = format!("the {kind} {reference:?} needs a name");
                    found.error(global.position(), self.id_opt(), "message-name", words);
                }
                Some(self.compiled(name, found))
            }
            None => {
                let id = self.id();
                let words = match reference {
                    "" => format!("{id:?} names no {kind}: give it a {kind}Ref"),
                    _some => format!(
                        "{id:?}: there is no {kind} {reference:?} in this file{}. Correct the {kind}Ref, or add the {kind}",
                        self.model.known(kind)
                    ),
                };
                found.error(self.position(), self.id_opt(), "dangling-reference", words);
                None
            }
        }
    }

    fn error(&self, reference: &str, at: Element<'_>, found: &mut Findings) -> Option<Element<'d>> {
        let error = self.model.global(reference, "error");
        if error.is_none() {
            let words = format!(
                "{:?}: there is no error {reference:?} in this file; add it, or correct the reference",
                self.id()
            );
            found.error(at.attribute_position("errorRef"), self.id_opt(), "dangling-reference", words);
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
        definition: Element<'_>,
        found: &mut Findings,
    ) -> (Option<Compiled>, Option<Compiled>) {
        let Some(reference) = definition.attribute("errorRef") else {
            return (None, None);
        };
        let Some(error) = self.error(reference, definition, found) else {
            return (None, None);
        };
        let code = error.attribute("errorCode").filter(|code| !code.is_empty()).or_else(|| error.attribute("id"));
        let message = extension::attribute(error, "errorMessage");
        (code.map(|code| self.compiled(code, found)), message.map(|message| self.compiled(message, found)))
    }

    pub(crate) fn caught_variables(&self) -> CaughtVariables {
        let of = |definition: &str, local: &str| {
            self.bpmn_child(definition).and_then(|el| extension::attribute(el, local)).map(str::to_owned)
        };
        CaughtVariables {
            code: of("errorEventDefinition", "errorCodeVariable")
                .or_else(|| of("escalationEventDefinition", "escalationCodeVariable")),
            message: of("errorEventDefinition", "errorMessageVariable"),
        }
    }

    /// The code of an escalation; one without code is known by its id.
    fn escalation_code(&self, reference: &str, at: Element<'d>, found: &mut Findings) -> Option<String> {
        let Some(escalation) = self.model.global(reference, "escalation") else {
            let words = format!(
                "{:?}: there is no escalation {reference:?} in this file; add it, or correct the reference",
                self.id()
            );
            found.error(at.attribute_position("escalationRef"), self.id_opt(), "dangling-reference", words);
            return None;
        };
        let code = escalation.attribute("escalationCode").filter(|code| !code.is_empty());
        code.or_else(|| escalation.attribute("id")).map(str::to_owned)
    }

    /// The code that an escalation throw or end event throws.
    pub(crate) fn thrown_escalation(&self, definition: Element<'d>, found: &mut Findings) -> Option<Compiled> {
        let Some(reference) = definition.attribute("escalationRef") else {
            let words = "this escalation has no code, so nobody could tell it from others: give it an escalationRef";
            found.error(definition.position(), self.id_opt(), "escalation-without-code", words);
            return None;
        };
        let code = self.escalation_code(reference, definition, found)?;
        Some(self.compiled(&code, found))
    }
}

fn article(noun: &str) -> String {
    format!("{} {noun}", if noun.starts_with(['a', 'e', 'i']) { "an" } else { "a" })
}

/// `a message, timer or error event`.
fn any_of(kinds: &[&str]) -> String {
    let all = match kinds {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        _one => kinds.concat(),
    };
    format!("{} event", article(&all))
}
