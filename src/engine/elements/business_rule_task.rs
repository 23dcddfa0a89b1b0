//! Business rule task: evaluates a decision (DMN), as a job off the partition's thread.
//!
//! BPMN 2.0.2, 13.3.3: "Business Rule Task: upon activation, the associated business rule is called. Upon completion of the
//! business rule, the Business Rule Task completes". Without a decision it is work with a topic, as a service task.
//! The history keeps which decisions were evaluated, with their inputs, their outputs and the rules that matched.

use super::implementation::Implementation;
use super::prelude::*;
use crate::engine::job::{Binding, DecisionCall, JobKind, MapResult};
use crate::engine::step::new_job;

#[derive(Debug)]
pub enum BusinessRuleTask {
    Decision(Box<DecisionSource>),
    #[expect(private_interfaces, reason = "how the work is done concerns the elements only")]
    Work(Implementation),
}

#[derive(Debug)]
pub struct DecisionSource {
    pub decision: Compiled,
    pub binding: Binding,
    pub tenant: Option<Compiled>,
    pub result: MapResult,
    pub result_variable: Option<String>,
}

impl BusinessRuleTask {
    pub(super) fn parse(source: &Source<'_, '_>, found: &mut Findings) -> Self {
        let Some(decision) = source.extension("decisionRef") else {
            return Self::Work(Implementation::of_task(source, found));
        };
        let result = match source.extension("mapDecisionResult") {
            None | Some("resultList") => MapResult::ResultList,
            Some("singleEntry") => MapResult::SingleEntry,
            Some("singleResult") => MapResult::SingleResult,
            Some("collectEntries") => MapResult::CollectEntries,
            Some(other) => {
                let words = format!(
                    "camunda:mapDecisionResult={other:?} is not known; use singleEntry, singleResult, collectEntries or resultList"
                );
                found.error(source.position(), source.id_opt(), "map-decision-result", words);
                MapResult::ResultList
            }
        };
        Self::Decision(Box::new(DecisionSource {
            decision: source.compiled(decision, found),
            binding: source.binding("decisionRef", found),
            tenant: source.extension("decisionRefTenantId").map(|text| source.compiled(text, found)),
            result,
            result_variable: source.extension("resultVariable").map(str::to_owned),
        }))
    }

    /// The decision to evaluate, if this task asks for one. The expression of its name is evaluated by the caller.
    pub fn call(&self, decision: String) -> Option<DecisionCall> {
        match self {
            Self::Decision(source) => Some(DecisionCall {
                decision,
                binding: source.binding.clone(),
                result: source.result,
                result_variable: source.result_variable.clone(),
            }),
            Self::Work(_) => None,
        }
    }
}

impl Behavior for BusinessRuleTask {
    fn enter(&self, step: &mut Step, at: At) -> Next {
        match self {
            Self::Decision(_) => {
                let priority = step.job_priority(at);
                Next::Wait(Wait::Job(new_job(JobKind::Decision, "dmn".into(), priority, step.now())))
            }
            Self::Work(implementation) => implementation.enter(step, at),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::testing::check;

    #[test]
    fn its_decision_is_work_outside_the_run() {
        check("start > D:rule > end", "start; complete D {rate: 3}", "start D* end .completed");
    }
}
