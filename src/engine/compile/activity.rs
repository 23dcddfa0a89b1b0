//! What an activity's file reads: loops, retries, forms, bindings and the data of called processes.

use super::source::{Form, Source, expression};
use super::{Element, retry_cycle};
use crate::base::diagnostic::Findings;
use crate::base::limits::QUANTITY_MAX;
use crate::bpmn::extension::{self, InOut};
use crate::bpmn::names;
use crate::engine::definition::{DataMapping, Looping, RetryCycle, StandardLoop};
use crate::engine::job::Binding;
use crate::script::Compiled;

impl Source<'_, '_> {
    pub(super) fn looping(&self, found: &mut Findings) -> Option<Looping> {
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
