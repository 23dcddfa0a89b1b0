//! The engine's own jobs, done off the partition's thread: continuations, decisions, scripts beyond their inline budget.

use crate::base::id::TokenId;
use crate::base::time::Timestamp;
use crate::base::variable::{Variable, Variables};
use crate::engine::command::{Command, Failure};
use crate::engine::elements::Element;
use crate::engine::job::{Claim, JobKind};
use crate::partition::view::JobView;
use crate::runtime::node::Node;
use crate::script::task::{Script, ScriptError};
use crate::script::{Budget, Fact, Surroundings};
use serde_json::Value;

pub(super) async fn run(node: &Node, token: TokenId, claim: Claim, view: JobView, now: Timestamp) -> Command {
    let result = match view.kind {
        JobKind::Continuation | JobKind::External => Ok(Variables::new()),
        JobKind::Decision => crate::runtime::decide::decide(node, &view, token, now).await.map_err(Trouble::Failed),
        JobKind::Script => script(view, now).await,
    };
    match result {
        Ok(variables) => Command::CompleteJob { token, claim, variables, local: Variables::new() },
        Err(Trouble::Bpmn { code, message }) => {
            Command::ThrowError { token, claim: Some(claim), code, message, variables: Variables::new() }
        }
        Err(Trouble::Failed(message)) => {
            let failure = Failure {
                message,
                details: None,
                retries: Some(0),
                after_ms: None,
                by_handler: true,
                unknown_outcome: false,
            };
            Command::FailJob { token, claim, failure }
        }
    }
}

enum Trouble {
    Bpmn { code: String, message: Option<String> },
    Failed(String),
}

async fn script(view: JobView, now: Timestamp) -> Result<Variables, Trouble> {
    let process = &view.definition.process;
    let element = process.find(&view.element).map(|node| &process.node(node).element);
    let Some(Element::ScriptTask(task)) = element else {
        return Err(Trouble::Failed("the element has no script".into()));
    };
    let (script, result_variable) = (task.script.clone(), task.result_variable.clone());
    let variables = view.variables;
    let done = tokio::task::spawn_blocking(move || in_full(&script, result_variable, variables, now)).await;
    done.unwrap_or_else(|_| Err(Trouble::Failed("the script's thread broke".into())))
}

fn in_full(
    script: &Script,
    result_variable: Option<String>,
    seen: Variables,
    now: Timestamp,
) -> Result<Variables, Trouble> {
    let mut around = Changes { seen, changed: Variables::new(), now };
    match script.run(Budget::Full, &mut around) {
        Ok(value) => {
            if let Some(name) = result_variable {
                around.changed.insert(name, Variable::from(value));
            }
            Ok(around.changed)
        }
        Err(ScriptError::Bpmn { code, message }) => Err(Trouble::Bpmn { code, message }),
        Err(error @ (ScriptError::OverBudget | ScriptError::Failed(_))) => Err(Trouble::Failed(error.to_string())),
    }
}

/// Variables as they were at the lease, and what the script changes.
struct Changes {
    seen: Variables,
    changed: Variables,
    now: Timestamp,
}

impl Surroundings for Changes {
    fn variable(&self, name: &str) -> Option<Value> {
        self.changed.get(name).or_else(|| self.seen.get(name)).map(|variable| variable.value.clone())
    }

    fn set_variable(&mut self, name: &str, value: Value) {
        self.changed.insert(name.to_owned(), value.into());
    }

    fn names(&self) -> Vec<String> {
        self.seen.keys().chain(self.changed.keys()).cloned().collect()
    }

    fn now(&self) -> Timestamp {
        self.now
    }

    fn fact(&self, _fact: Fact) -> Option<String> {
        None
    }
}
