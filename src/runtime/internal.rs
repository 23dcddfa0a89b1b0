//! The engine's own jobs, done off the partition's thread: continuations, decisions, scripts beyond their inline budget.

use crate::base::id::{InstanceId, TokenId};
use crate::base::time::Timestamp;
use crate::base::variable::Variables;
use crate::engine::command::{Command, Failure};
use crate::engine::job::{Claim, JobKind};
use crate::partition::run_script;
use crate::partition::view::JobView;
use crate::runtime::node::Node;
use crate::script::task::ScriptError;

pub(super) async fn run(
    node: &Node,
    instance: InstanceId,
    token: TokenId,
    claim: Claim,
    view: JobView,
    now: Timestamp,
) -> Command {
    let result = match view.kind {
        JobKind::Continuation | JobKind::External => Ok((Variables::new(), Vec::new())),
        JobKind::Decision => crate::runtime::decide::decide(node, &view, token, now).await.map_err(Trouble::Failed),
        JobKind::Script => script(view, instance, token, now).await.map(|changed| (changed, Vec::new())),
    };
    match result {
        Ok((variables, decisions)) => {
            Command::CompleteJob { token, claim, variables, local: Variables::new(), decisions }
        }
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

async fn script(view: JobView, instance: InstanceId, token: TokenId, now: Timestamp) -> Result<Variables, Trouble> {
    let done = tokio::task::spawn_blocking(move || run_script(&view, instance, token, now)).await;
    match done {
        Ok(Ok(changed)) => Ok(changed),
        Ok(Err(ScriptError::Bpmn { code, message })) => Err(Trouble::Bpmn { code, message }),
        Ok(Err(error @ (ScriptError::OverBudget | ScriptError::Failed(_)))) => Err(Trouble::Failed(error.to_string())),
        Err(_) => Err(Trouble::Failed("the script's thread broke".into())),
    }
}
