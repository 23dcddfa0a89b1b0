//! What an activity's file reads: loops, retries, forms, bindings and the data of called processes.

use super::source::{Form, Source, compiled, expression};
use super::{Element, retry_cycle};
use crate::base::diagnostic::Findings;
use crate::base::limits::QUANTITY_MAX;
use crate::bpmn::extension::{self, InOut};
use crate::bpmn::names;
use crate::engine::definition::{DataMapping, Looping, MultiInstance, RetryCycle, StandardLoop};
use crate::engine::job::Binding;
use crate::script::{Compiled, Language};

impl Source<'_, '_> {
    pub(super) fn looping(&self, found: &mut Findings) -> Option<Looping> {
        self.refuse_other_repetition(found);
        match self.bpmn_child("standardLoopCharacteristics") {
            Some(el) => Some(Looping::Standard(self.standard_loop(el, found))),
            None => self.multi_instance(found).map(Looping::Multi),
        }
    }

    fn standard_loop(&self, el: Element<'_>, found: &mut Findings) -> StandardLoop {
        let condition = el.child(names::BPMN, "loopCondition").map(|el| expression(el, self.id_opt(), found));
        let maximum = el.attribute("loopMaximum").and_then(|text| {
            let number = text.trim().parse().ok();
            if number.is_none() {
                let words = format!("{:?}: loopMaximum {text:?} must be a whole number", self.id());
                found.error(el.attribute_position("loopMaximum"), self.id_opt(), "loop-maximum", words);
            }
            number
        });
        if condition.is_none() && maximum.is_none() && !found.has_errors() {
            let words = format!("{:?}: this loop never ends: give it a loopCondition, or a loopMaximum", self.id());
            found.error(el.position(), self.id_opt(), "endless-loop", words);
        }
        StandardLoop { test_before: el.attribute("testBefore") == Some("true"), maximum, condition }
    }

    fn multi_instance(&self, found: &mut Findings) -> Option<MultiInstance> {
        let el = self.bpmn_child("multiInstanceLoopCharacteristics")?;
        self.refuse_in_loop(el, found);
        let within = |local: &str, found: &mut Findings| {
            el.child(names::BPMN, local).map(|child| expression(child, self.id_opt(), found))
        };
        let cardinality = within("loopCardinality", found);
        let completion = within("completionCondition", found);
        let collection = extension::attribute(el, "collection").map(|text| {
            let text =
                if text.contains("${") || text.contains("#{") { text.to_owned() } else { format!("${{{text}}}") };
            compiled(Language::Juel, &text, el.position(), self.id_opt(), found)
        });
        if cardinality.is_none() && collection.is_none() && !found.has_errors() {
            let words = format!("{:?}: a multi-instance needs a loopCardinality or a camunda:collection", self.id());
            found.error(el.position(), self.id_opt(), "multi-instance-count", words);
        }
        let flag = |local: &str| extension::attribute(el, local) == Some("true");
        Some(MultiInstance {
            sequential: el.attribute("isSequential") == Some("true"),
            cardinality,
            collection,
            element_variable: extension::attribute(el, "elementVariable").map(str::to_owned),
            completion,
            async_before: flag("asyncBefore") || flag("async"),
            async_after: flag("asyncAfter"),
        })
    }

    /// How many tokens it takes to begin, and how many it gives on each flow when it is done (BPMN 2.0.2, 10.3).
    pub(super) fn quantities(&self, found: &mut Findings) -> (usize, usize) {
        let mut quantity = |attribute: &str| {
            let Some(text) = self.el.attribute(attribute) else { return 1 };
            let number = text.trim().parse().ok().filter(|number| (1..=QUANTITY_MAX).contains(number));
            number.unwrap_or_else(|| {
                let words =
                    format!("{:?}: {attribute} {text:?} must be a number of tokens, 1 to {QUANTITY_MAX}", self.id());
                found.error(self.el.attribute_position(attribute), self.id_opt(), "quantity", words);
                1
            })
        };
        (quantity("startQuantity"), quantity("completionQuantity"))
    }

    fn refuse_other_repetition(&self, found: &mut Findings) {
        self.refuse_data_associations(found);
    }

    fn refuse_in_loop(&self, el: Element<'_>, found: &mut Findings) {
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
                found.error(child.position(), self.id_opt(), "element-not-supported", words);
            }
        }
        if el.attribute("behavior").is_some_and(|behavior| behavior != "All") {
            let words = format!("{:?}: the multi-instance behavior that throws events does not run yet", self.id());
            found.error(el.attribute_position("behavior"), self.id_opt(), "element-not-supported", words);
        }
    }

    /// Associations that only show where data goes are drawings; those that compute would be ignored wrongly.
    fn refuse_data_associations(&self, found: &mut Findings) {
        let associations =
            self.el.children().filter(|el| matches!(el.name(), "dataInputAssociation" | "dataOutputAssociation"));
        for child in associations.flat_map(Element::children) {
            if matches!(child.name(), "assignment" | "transformation") {
                let words = format!(
                    "{:?}: a data association with {} does not run yet; use camunda:inputOutput",
                    self.id(),
                    child.name()
                );
                found.error(child.position(), self.id_opt(), "element-not-supported", words);
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
        let binding = self.extension("formRefBinding").unwrap_or("latest").to_owned();
        let version = self.extension("formRefVersion").and_then(|version| version.parse().ok());
        Some(Form::Ref { id, binding, version })
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
                    let words = format!("{:?}: camunda:{prefix}Version must be a version number", self.id());
                    found.error(self.position(), self.id_opt(), "binding", words);
                    Binding::Latest
                }
            },
            Some("versionTag") => Binding::VersionTag(of("VersionTag").unwrap_or_default().to_owned()),
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
        let key = inputs.into_iter().find_map(|mapping| mapping.business_key)?;
        Some(self.compiled(&key, found))
    }

    pub(crate) fn data_mappings(&self, found: &mut Findings) -> (Vec<DataMapping>, Vec<DataMapping>) {
        let (inputs, outputs) = extension::in_out_mappings(self.el);
        let mut convert =
            |list: Vec<InOut>| list.into_iter().filter_map(|mapping| self.data_mapping(mapping, found)).collect();
        let inputs = convert(inputs);
        (inputs, convert(outputs))
    }

    fn data_mapping(&self, mapping: InOut, found: &mut Findings) -> Option<DataMapping> {
        let InOut { source, source_expression, target, all, local, business_key, .. } = mapping;
        match (all, source, source_expression, target) {
            (true, ..) => Some(DataMapping::All { local }),
            (false, Some(source), None, Some(target)) => Some(DataMapping::Source { source, target, local }),
            (false, None, Some(text), Some(target)) => {
                Some(DataMapping::Expression { expression: self.compiled(&text, found), target, local })
            }
            (false, ..) if business_key.is_some() => None,
            (false, ..) => {
                let words = format!("{:?}: a data mapping needs a source or sourceExpression, and a target", self.id());
                found.error(self.position(), self.id_opt(), "data-mapping", words);
                None
            }
        }
    }
}
