//! What a multi-instance activity says of its instances, its data and the events it throws (BPMN 2.0.2, 10.3.8).

use super::source::{Source, compiled, expression};
use super::{Element, is_activity};
use crate::base::diagnostic::Findings;
use crate::bpmn::{extension, names};
use crate::engine::definition::{BehaviorEvent, Collection, Each, MultiInstance, Output};
use crate::engine::elements::{SignalSource, Told};
use crate::script::Language;

impl<'d> Source<'d, '_> {
    pub(super) fn multi_instance(&self, found: &mut Findings) -> Option<MultiInstance> {
        let el = self.bpmn_child("multiInstanceLoopCharacteristics").filter(|_| is_activity(self.kind()))?;
        let text = |local: &str| el.child(names::BPMN, local).map(|child| child.text().trim().to_owned());
        let mut within =
            |local: &str| el.child(names::BPMN, local).map(|child| expression(child, self.id_opt(), found));
        let (cardinality, completion) = (within("loopCardinality"), within("completionCondition"));
        let by_expression = extension::attribute(el, "collection").map(|text| {
            let text =
                if text.contains("${") || text.contains("#{") { text.to_owned() } else { format!("${{{text}}}") };
            Collection::Expression(compiled(Language::Juel, &text, el.position(), self.id_opt(), found))
        });
        let by_data = text("loopDataInputRef").map(|reference| Collection::Variable(self.data_around(&reference)));
        let collection = by_expression.or(by_data);
        if cardinality.is_none() && collection.is_none() && !found.has_errors() {
            let words = format!(
                "{:?}: a multi-instance needs a loopCardinality, a loopDataInputRef or a camunda:collection",
                self.id()
            );
            found.error(el.position(), self.id_opt(), "multi-instance-count", words);
        }
        let item =
            |local: &str| el.child(names::BPMN, local).and_then(|item| item.attribute("name").or(item.attribute("id")));
        let element_variable = extension::attribute(el, "elementVariable").or_else(|| item("inputDataItem"));
        let output = text("loopDataOutputRef").map(|reference| Output {
            list: self.data_around(&reference),
            item: item("outputDataItem").map_or_else(|| self.data_name(&reference), str::to_owned),
        });
        let flag = |local: &str| extension::attribute(el, local) == Some("true");
        Some(MultiInstance {
            sequential: el.attribute("isSequential") == Some("true"),
            cardinality,
            collection,
            element_variable: element_variable.map(str::to_owned),
            output,
            completion,
            events: self.behavior(el, found),
            async_before: flag("asyncBefore") || flag("async"),
            async_after: flag("asyncAfter"),
        })
    }

    /// Events that are thrown as instances complete, to be caught at the boundary of the activity.
    fn behavior(&self, el: Element<'d>, found: &mut Findings) -> Vec<BehaviorEvent> {
        let by_reference = |attribute: &str, each: Each, found: &mut Findings| {
            let Some(reference) = el.attribute(attribute) else {
                let words =
                    format!("{:?}: this multi-instance behavior throws an event: name it by {attribute}", self.id());
                found.error(el.position(), self.id_opt(), "multi-instance-behavior", words);
                return Vec::new();
            };
            let local = reference.rsplit(':').next().unwrap_or(reference);
            let Some(definition) = self.model.globals.get(local).copied() else {
                let words = format!("{:?}: there is no event definition {reference:?} in this file", self.id());
                found.error(el.attribute_position(attribute), self.id_opt(), "dangling-reference", words);
                return Vec::new();
            };
            self.thrown_at(definition, found).map(|throws| BehaviorEvent { each, throws }).into_iter().collect()
        };
        match el.attribute("behavior") {
            None | Some("All") => Vec::new(),
            Some("None") => by_reference("noneBehaviorEventRef", Each::Instance, found),
            Some("One") => by_reference("oneBehaviorEventRef", Each::First, found),
            Some("Complex") => {
                let all = el.children().filter(|el| el.is(names::BPMN, "complexBehaviorDefinition"));
                all.filter_map(|el| self.complex_behavior(el, found)).collect()
            }
            Some(other) => {
                let words =
                    format!("{:?}: the behavior {other:?} is not known; it is All, None, One or Complex", self.id());
                found.error(el.attribute_position("behavior"), self.id_opt(), "multi-instance-behavior", words);
                Vec::new()
            }
        }
    }

    fn complex_behavior(&self, el: Element<'d>, found: &mut Findings) -> Option<BehaviorEvent> {
        let condition = el.child(names::BPMN, "condition").map(|el| self.model.condition(el, self.id_opt(), found));
        let definition = el
            .child(names::BPMN, "event")
            .and_then(|event| event.children().find(|el| el.name().ends_with("EventDefinition")));
        match (condition, definition) {
            (Some(condition), Some(definition)) => {
                let throws = self.thrown_at(definition, found)?;
                Some(BehaviorEvent { each: Each::Condition(condition), throws })
            }
            (_, _) => {
                let words = format!(
                    "{:?}: a complexBehaviorDefinition needs a condition, and an event with what it throws",
                    self.id()
                );
                found.error(el.position(), self.id_opt(), "multi-instance-behavior", words);
                None
            }
        }
    }

    fn thrown_at(&self, definition: Element<'d>, found: &mut Findings) -> Option<Told> {
        match definition.name() {
            "signalEventDefinition" => Some(Told::Signal(SignalSource::parse(self, definition, found))),
            "escalationEventDefinition" => Some(Told::Escalation(self.thrown_escalation(definition, found))),
            other => {
                let words = format!(
                    "{:?}: a multi-instance throws signals and escalations, no {other}: draw an event behind the activity",
                    self.id()
                );
                found.error(definition.position(), self.id_opt(), "element-not-supported", words);
                None
            }
        }
    }
}
