//! Call activity: starts another process and waits until it ends.
//!
//! BPMN 2.0.2, 13.3.4: "a Call Activity calls a reusable Process; the calling Process waits for its completion; data is
//! exchanged by mappings". The called instance lives in its caller's partition; its error is thrown here.

use super::prelude::*;
use crate::base::limits::NESTING_DEPTH_MAX;
use crate::engine::command::{Call, Create, Effect};
use crate::engine::definition::{CalledElement, DataMapping};
use crate::engine::incident::IncidentKind;
use crate::engine::instance::Caller;
use crate::engine::variables;

#[derive(Debug)]
pub struct CallActivity {
    pub called: CalledElement,
    pub inputs: Vec<DataMapping>,
    pub outputs: Vec<DataMapping>,
}

impl CallActivity {
    pub(super) fn parse(source: &Source<'_, '_>, found: &mut Findings) -> Self {
        let process = source.el.attribute("calledElement").unwrap_or_default();
        if process.is_empty() {
            let words = "a call activity needs the id of the process that it calls: set calledElement";
            found.error(source.position(), source.id_opt(), "no-called-element", words);
        }
        let called = CalledElement {
            process: source.compiled(process, found),
            binding: source.binding("calledElement", found),
            tenant: source.extension("calledElementTenantId").map(|text| source.compiled(text, found)),
            business_key: source.business_key_mapping(found),
        };
        let (inputs, outputs) = source.data_mappings(found);
        Self { called, inputs, outputs }
    }

    fn call(&self, step: &mut Step, at: At) -> Result<Call, Fault> {
        let process = step.text(at, &self.called.process)?.unwrap_or_default();
        let tenant = self.called.tenant.as_ref().map(|tenant| step.text(at, tenant)).transpose()?.flatten();
        let business_key = self.called.business_key.as_ref().map(|key| step.text(at, key)).transpose()?.flatten();
        let variables = variables::map_in(step, at, &self.inputs)?;
        let (instance, root, depth) = (step.head().id, step.head().root, step.head().depth + 1);
        if depth > NESTING_DEPTH_MAX {
            return Err(Fault::new(
                IncidentKind::Limit,
                format!("processes call one another more than {NESTING_DEPTH_MAX} deep"),
            ));
        }
        let caller = Some(Caller { instance, token: at.token });
        let create = Create { variables, business_key, caller, root: Some(root), depth, ..Create::default() };
        Ok(Call { instance: step.new_instance(), process, binding: self.called.binding.clone(), tenant, create })
    }
}

impl Behavior for CallActivity {
    fn enter(&self, step: &mut Step, at: At) -> Next {
        match self.call(step, at) {
            Ok(call) => {
                let called = call.instance;
                step.call(at, call);
                Next::Wait(Wait::Called(called))
            }
            Err(fault) => Next::Fault(fault),
        }
    }
}

impl Step<'_> {
    fn call(&mut self, at: At, call: Call) {
        self.record_call(at.token, call.instance, &call.process);
        self.publish(Effect::Call(Box::new(call)));
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::testing::check;

    #[test]
    fn it_waits_for_the_called_process() {
        check("start > C:call other > end", "start; returned C {}", "start C* end .completed");
    }
}
