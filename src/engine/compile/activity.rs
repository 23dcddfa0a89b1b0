//! What an activity's file reads: loops, retries, forms, bindings and the data of called processes.

use super::source::{Source, expression};
use super::{Element, retry_cycle};
use crate::base::diagnostic::Findings;
use crate::base::limits::QUANTITY_MAX;
use crate::bpmn::extension::{self, InOut};
use crate::bpmn::names;
use crate::engine::definition::{DataMapping, ErrorRule, Looping, RetryCycle, StandardLoop};
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
        self.business_key(&inputs, found)
    }

    fn business_key(&self, inputs: &[InOut], found: &mut Findings) -> Option<Compiled> {
        let key = inputs.iter().find_map(|mapping| mapping.business_key.as_deref())?;
        Some(self.compiled(key, found))
    }

    pub(crate) fn data_mappings(&self, found: &mut Findings) -> (Vec<DataMapping>, Vec<DataMapping>) {
        let (inputs, outputs) = extension::in_out_mappings(self.el);
        (self.converted(inputs, found), self.converted(outputs, found))
    }

    /// What a signal that is thrown takes along, and the business key of processes that it starts.
    pub(crate) fn signal_data(
        &self,
        definition: Element<'_>,
        found: &mut Findings,
    ) -> (Vec<DataMapping>, Option<Compiled>) {
        let (inputs, _) = extension::in_out_mappings(definition);
        let key = self.business_key(&inputs, found);
        (self.converted(inputs, found), key)
    }

    fn converted(&self, list: Vec<InOut>, found: &mut Findings) -> Vec<DataMapping> {
        list.into_iter().filter_map(|mapping| self.data_mapping(mapping, found)).collect()
    }

    /// `camunda:errorEventDefinition`, of the task or of its message event definition.
    pub(super) fn error_rules(&self, found: &mut Findings) -> Vec<ErrorRule> {
        let message = self.bpmn_child("messageEventDefinition");
        let holders = std::iter::once(self.el).chain(message);
        let all = holders.flat_map(|el| extension::children(el, "errorEventDefinition"));
        all.filter_map(|el| self.error_rule(el, found)).collect()
    }

    fn error_rule(&self, el: Element<'_>, found: &mut Findings) -> Option<ErrorRule> {
        let given = |local: &str| el.attribute(local).filter(|value| !value.is_empty());
        let (Some(_), Some(condition)) = (given("errorRef"), given("expression")) else {
            let words =
                "this errorEventDefinition needs an errorRef, and an expression that says which reports are this error";
            found.error(el.position(), self.id_opt(), "error-rule", words);
            return None;
        };
        let condition = self.compiled(condition, found);
        let (code, message) = self.thrown_error(el, found);
        Some(ErrorRule { code: code?, message, condition })
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
