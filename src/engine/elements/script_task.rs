//! Script task: runs a Rhai script in the engine's run, within a budget that needs no clock.
//!
//! BPMN 2.0.2, 13.3.3: "Script Task: upon activation, the associated script is invoked. Upon completion of the script, the
//! Script Task completes". A script beyond its inline budget has changed nothing and becomes a job (topic `rhai`) that runs
//! off the partition's thread under the full limits. `throw bpmn_error("CODE", "message")` is a BPMN error.
//!
//! Gaps: scripts are Rhai, no other language runs.

use super::prelude::*;
use crate::base::variable::Variable;
use crate::engine::job::JobKind;
use crate::engine::step::new_job;
use crate::script::task::{Script, ScriptError};

#[derive(Debug)]
pub struct ScriptTask {
    pub script: Script,
    pub result_variable: Option<String>,
}

impl ScriptTask {
    pub(super) fn parse(source: &Source<'_, '_>, found: &mut Findings) -> Self {
        let format =
            source.el.attribute("scriptFormat").or_else(|| source.el.attribute("scriptLanguage")).unwrap_or("rhai");
        let text = source.bpmn_child("script").map(|script| script.text().into_owned());
        let resource = source.extension("resource");
        let script = match (text, resource) {
            (_, Some(resource)) => source.script_resource(format, resource, found),
            (Some(text), None) => source.script(format, &text, found),
            (None, None) => {
                found.error(source.position(), source.id_opt(), "no-script", "a script task needs a script");
                source.script("rhai", "()", found)
            }
        };
        Self { script, result_variable: source.extension("resultVariable").map(str::to_owned) }
    }
}

impl Behavior for ScriptTask {
    fn enter(&self, step: &mut Step, at: At) -> Next {
        match step.run_script(at, &self.script) {
            Ok(value) => {
                if let Some(name) = &self.result_variable {
                    step.set_result(at, name, Variable::from(value));
                }
                Next::Leave(Outgoing::All)
            }
            Err(ScriptError::Bpmn { code, message }) => {
                Next::Throw(BpmnError { code, message, variables: Default::default() })
            }
            Err(ScriptError::OverBudget) => {
                let priority = step.job_priority(at);
                Next::Wait(Wait::Job(new_job(JobKind::Script, "rhai".into(), priority, step.now())))
            }
            Err(ScriptError::Failed(message)) => Next::Fault(Fault::expression(message)),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::testing::check;

    #[test]
    fn it_changes_variables_and_goes_on() {
        check("start > S:script x = x + 1 > xor[a: x == 3 > A:user | e2:end]", "start {x: 2}", "start S xor A*");
    }

    #[test]
    fn a_script_that_fails_is_an_incident() {
        check("start > S:script y + 1 > end", "start", "start S!");
    }
}
