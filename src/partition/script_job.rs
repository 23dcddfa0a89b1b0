//! A script beyond its inline budget: a job of the engine's own, run off the partition's thread under the full budget.

use crate::base::id::{InstanceId, TokenId};
use crate::base::time::Timestamp;
use crate::base::variable::Variables;
use crate::engine::elements::Element;
use crate::partition::view::JobView;
use crate::script::task::ScriptError;
use crate::script::{Budget, Fact, Surroundings};
use serde_json::Value;

/// Runs it; gives the variables that it changed. It sees them, and the facts of its activation, as they were at the lease.
pub fn run_script(
    view: &JobView,
    instance: InstanceId,
    token: TokenId,
    now: Timestamp,
) -> Result<Variables, ScriptError> {
    let process = &view.definition.process;
    let element = process.find(&view.element).map(|node| &process.node(node).element);
    let Some(Element::ScriptTask(task)) = element else {
        return Err(ScriptError::Failed("the element has no script".into()));
    };
    let mut around = Leased { view, instance, token, changed: Variables::new(), now };
    let value = task.script.run(Budget::Full, &mut around)?;
    if let Some(name) = &task.result_variable {
        around.changed.insert(name.clone(), value.into());
    }
    Ok(around.changed)
}

/// What the script sees, and what it changes.
struct Leased<'a> {
    view: &'a JobView,
    instance: InstanceId,
    token: TokenId,
    changed: Variables,
    now: Timestamp,
}

impl Surroundings for Leased<'_> {
    fn variable(&self, name: &str) -> Option<Value> {
        let seen = self.changed.get(name).or_else(|| self.view.variables.get(name));
        seen.map(|variable| variable.value.clone())
    }

    fn set_variable(&mut self, name: &str, value: Value) {
        self.changed.insert(name.to_owned(), value.into());
    }

    fn names(&self) -> Vec<String> {
        self.view.variables.keys().chain(self.changed.keys()).cloned().collect()
    }

    fn now(&self) -> Timestamp {
        self.now
    }

    fn fact(&self, fact: Fact) -> Option<String> {
        let process = &self.view.definition.process;
        match fact {
            Fact::InstanceId => Some(self.instance.to_string()),
            Fact::ExecutionId => Some(format!("{}:{}", self.instance, self.token)),
            Fact::BusinessKey => self.view.business_key.clone(),
            Fact::DefinitionId => Some(self.view.definition.wire_id()),
            Fact::ActivityId => Some(self.view.element.to_string()),
            Fact::ActivityName => process.find(&self.view.element).and_then(|node| process.node(node).name.clone()),
            Fact::TenantId => Some(self.view.tenant.clone()).filter(|tenant| !tenant.is_empty()),
            // A script task is no user task, and nobody is signed in where a job runs.
            Fact::TaskId | Fact::Assignee | Fact::User | Fact::Groups | Fact::EventName | Fact::TransitionId => None,
        }
    }
}
