//! `/signal`: to everybody who waits for it, or to one execution.

use super::Words;
use super::message::tenants;
use crate::api::call::Call;
use crate::api::error::{Answer, ApiError};
use crate::api::json::{Json, no_content};
use crate::api::value;
use crate::api::wire::Execution;
use crate::base::variable::Variables;
use crate::engine::command::Command;
use crate::engine::instance::{Instance, OF_SCOPE, Subscription, Trigger};
use crate::partition::{Letter, Work};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Signal {
    name: Option<String>,
    execution_id: Option<String>,
    tenant_id: Option<String>,
    without_tenant_id: Option<bool>,
    variables: Option<Value>,
}

pub(super) async fn signal(call: Call, Json(signal): Json<Signal>) -> Answer {
    let name = signal.name.clone().filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| ApiError::invalid("No signal name given"))?;
    let variables = value::read_all(signal.variables.as_ref())?;
    if let Some(id) = &signal.execution_id {
        return to_one(&call, &name, id, variables).await;
    }
    let among = tenants(&call, signal.tenant_id.as_ref(), signal.without_tenant_id);
    if among.is_empty() {
        return no_content(); // nobody of a tenant that the caller does not see
    }
    let letter = Letter::Signal {
        name,
        business_key: None,
        variables,
        from: None,
        tenants: among.into_iter().collect(),
        to: None,
    };
    // Kept before anybody hears it: all of them do, or none.
    let words = Words { kind: "RestException", attempt: "Cannot deliver the signal" };
    let said = call.submit(Work::Say(letter.clone()), words).await?.said();
    let id = said.ok_or_else(|| ApiError::failed("The engine answered something else."))?;
    call.state.node().deliver(id, &letter).await;
    no_content()
}

async fn to_one(call: &Call, name: &str, id: &str, variables: Variables) -> Answer {
    let attempt = format!("Cannot signal execution {id}");
    let nobody = || {
        let words = format!("{attempt}: it has not subscribed to the signal '{name}'.");
        ApiError::refused("BadUserRequestException", words)
    };
    let found = Execution::parse(id).ok_or_else(nobody)?;
    let live = call.live(found.instance()).await?.ok_or_else(nobody)?;
    let all = live.scopes.values().flat_map(|scope| scope.subscriptions.iter());
    let mut own = all.filter(|(_, armed)| waits(armed, name) && is_of(&live, armed, &found));
    let subscription = own.next().map(|(id, _)| *id).ok_or_else(nobody)?;
    let command = Command::DeliverSignal { subscription, name: name.to_owned(), variables };
    call.command(live.id(), command, Words { kind: "RestException", attempt: &attempt }).await?;
    no_content()
}

fn waits(armed: &Subscription, name: &str) -> bool {
    matches!(&armed.trigger, Trigger::Signal { name: wanted } if wanted == name)
}

/// Of the execution itself; a root stands for what the process waits for and for its only token.
fn is_of(live: &Instance, armed: &Subscription, execution: &Execution) -> bool {
    match execution {
        Execution::Token(_, token) => armed.owner == *token,
        Execution::Root(_) => {
            armed.owner == OF_SCOPE || live.root().tokens.len() == 1 && live.root().tokens.contains_key(&armed.owner)
        }
    }
}
