//! What the model sees in a worker's report: with `camunda:errorEventDefinition` a failure or a completion can be a BPMN error.

use crate::base::mark::seen;
use crate::base::variable::Variables;
use crate::engine::incident::{BpmnError, Fault};
use crate::engine::job::Claim;
use crate::engine::step::{At, Step};
use serde_json::{Value, json};
use std::sync::Arc;

/// The BPMN error that the model sees in a worker's report (`camunda:errorEventDefinition`).
pub(super) fn error(step: &mut Step, at: At, claim: &Claim) -> Result<Option<BpmnError>, Fault> {
    let process = Arc::clone(&step.process);
    let rules = &process.node(at.node).error_rules;
    if rules.is_empty() {
        return Ok(None);
    }
    let told = step.job_mut(at).error.as_ref().map(|error| error.message.clone());
    let known = [("externalTask", external_task(step, at, claim))];
    for rule in rules {
        if step.holds_knowing(at, &rule.condition, &known)? {
            seen!("report-is-an-error");
            let code = step.text(at, &rule.code)?.unwrap_or_default();
            let named = rule.message.as_ref().map(|message| step.text(at, message)).transpose()?.flatten();
            return Ok(Some(BpmnError { code, message: told.or(named), variables: Variables::new() }));
        }
    }
    Ok(None)
}

pub(super) fn throw(step: &mut Step, at: At, error: BpmnError) {
    step.job_mut(at).lease = None;
    crate::engine::throw::throw(step, at, error);
}

/// `externalTask` of an expression.
fn external_task(step: &mut Step, at: At, claim: &Claim) -> Value {
    let head = step.head();
    let instance = head.id.to_string();
    let tenant = Some(head.tenant.clone()).filter(|tenant| !tenant.is_empty());
    let (definition, activity) = (step.instance.definition.wire_id(), step.element_id(at.node));
    let job = step.job_mut(at);
    json!({
        "id": format!("{instance}:{}", at.token),
        "executionId": format!("{instance}:{}", at.token),
        "processInstanceId": instance,
        "processDefinitionId": definition,
        "activityId": activity.as_str(),
        "tenantId": tenant,
        "topicName": job.topic,
        "workerId": claim.holder,
        "retries": job.retries,
        "priority": job.priority,
        "errorMessage": job.error.as_ref().map(|error| &error.message),
        "errorDetails": job.error.as_ref().and_then(|error| error.details.as_ref()),
    })
}
