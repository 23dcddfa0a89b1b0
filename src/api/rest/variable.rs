//! Variables of instances, tasks and executions: read where they are seen, written where they are.

use crate::api::call::{Call, Words};
use crate::api::error::{Answer, ApiError};
use crate::api::json::file;
use crate::api::params::Query;
use crate::api::value::{self, Objects};
use crate::base::id::{InstanceId, ROOT_SCOPE, ScopeId, TokenId};
use crate::base::variable::{Variable, Variables};
use crate::engine::command::Command;
use crate::engine::instance::Instance;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// `deserializeValue`: true unless asked otherwise.
pub(super) fn objects(query: &Query, name: &str) -> Objects {
    if query.flag(name, true) { Objects::Open } else { Objects::Text }
}

/// The content of a File or Bytes.
pub(super) fn data(variable: &Variable) -> Answer {
    let content = value::content(variable).ok_or_else(|| {
        let words = format!("Value of variable with type {} is not a binary value", value::kind(variable));
        ApiError::invalid(words)
    })?;
    file(content.bytes, &content.kind, content.name.as_deref())
}

/// `{"modifications": {…}, "deletions": […]}`
#[derive(Deserialize)]
pub(super) struct Changes {
    modifications: Option<Value>,
    deletions: Option<Vec<String>>,
}

impl Changes {
    pub(super) fn read(self, attempt: &str) -> Result<(Variables, Vec<String>), ApiError> {
        let set = value::read_all(self.modifications.as_ref()).map_err(|error| error.while_doing(attempt))?;
        Ok((set, self.deletions.unwrap_or_default()))
    }
}

/// Sets each variable where it is seen from a token, else at the instance.
pub(super) async fn set_from(
    call: &Call,
    instance: InstanceId,
    token: TokenId,
    set: Variables,
    remove: Vec<String>,
    attempt: &str,
) -> Result<(), ApiError> {
    let words = Words { kind: "RestException", attempt };
    let gone = || ApiError::absent(format!("{attempt}: there is no process instance {instance}"));
    let live = call.behind().live(instance).await?.ok_or_else(gone)?;
    let mut changes: BTreeMap<ScopeId, (Variables, Vec<String>)> = BTreeMap::new();
    for (name, variable) in set {
        let scope = holder(&live, token, &name).unwrap_or(ROOT_SCOPE);
        changes.entry(scope).or_default().0.insert(name, variable);
    }
    for name in remove {
        if let Some(scope) = holder(&live, token, &name) {
            changes.entry(scope).or_default().1.push(name);
        }
    }
    let last = changes.pop_last();
    // The key stands for the last command: before it a repeat does all again, which sets the same.
    let before = call.unkeyed();
    for (scope, (set, remove)) in changes {
        before.command(instance, Command::SetVariables { scope: Some(scope), set, remove }, words).await?;
    }
    if let Some((scope, (set, remove))) = last {
        call.command(instance, Command::SetVariables { scope: Some(scope), set, remove }, words).await?;
    }
    Ok(())
}

/// The variables of a token's own.
pub(super) fn own(instance: &Instance, token: TokenId) -> Variables {
    let own = instance.find(token).and_then(|(_, token)| instance.scopes.get(&token.own?));
    own.map(|scope| scope.variables.clone()).unwrap_or_default()
}

/// The nearest scope around a token that has this variable.
fn holder(instance: &Instance, token: TokenId, name: &str) -> Option<ScopeId> {
    let mut current = instance.find(token).map(|(scope, token)| token.own.unwrap_or(scope));
    while let Some(scope) = current.and_then(|id| instance.scopes.get(&id)) {
        if scope.variables.contains_key(name) {
            return Some(scope.id);
        }
        current = scope.parent;
    }
    None
}
