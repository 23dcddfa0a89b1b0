//! `/api/tokens`: the tokens of whoever is signed in with his password or a session. A token makes and revokes none, so that one
//! that is lost does not bear others.

use super::strict;
use crate::api::auth::permission::{Permissions, Resource};
use crate::api::auth::token::{Grant, NewToken, grant};
use crate::api::call::Call;
use crate::api::error::{Answer, ApiError};
use crate::api::json::{Json, Object, json, no_content};
use crate::base::time::Timestamp;
use crate::runtime::clock::{Clock, SystemClock};
use crate::store::queries::token::Token;
use axum::extract::Path;
use serde::Deserialize;
use serde_json::{Value, json as shape};
use std::collections::BTreeSet;

const NAME_BYTES_MAX: usize = 255;
const LIST_MAX: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    name: String,
    expires: Option<String>,
    tenants: Option<BTreeSet<String>>,
    rights: Option<Vec<Grant>>,
}

fn by_person(call: &Call) -> Result<(), ApiError> {
    if call.caller.token.is_none() {
        return Ok(());
    }
    Err(ApiError::forbidden("A token manages no tokens: sign in with your password.").because("by-token"))
}

fn told(token: &Token) -> Value {
    let list = |text: &Option<String>| text.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let time = |ms: Option<i64>| ms.map(|ms| Timestamp(ms).to_string());
    shape!({
        "id": token.id,
        "name": token.name,
        "tenants": list(&token.tenants),
        "rights": list(&token.rights),
        "created": time(Some(token.created_at)),
        "expires": time(token.expires_at),
        "lastUsed": time(token.used_at),
    })
}

/// Without the secrets, which nobody can be told again.
pub(super) async fn list(call: Call) -> Answer {
    by_person(&call)?;
    let all = call.state.store().tokens(&call.caller.user).await?;
    json(shape!({ "items": all.iter().map(told).collect::<Vec<_>>(), "next": null }))
}

/// The answer is the only one with the token itself.
pub(super) async fn add(call: Call, Json(body): Json<Object>) -> Answer {
    by_person(&call)?;
    let New { name, expires, tenants, rights } = strict(body)?;
    if name.trim().is_empty() || name.len() > NAME_BYTES_MAX {
        return Err(ApiError::invalid("A token has a name of 1 to 255 bytes.").because("invalid"));
    }
    let expires_at = expires.map(|text| later(&text)).transpose()?;
    if tenants.as_ref().map_or(0, BTreeSet::len).max(rights.as_ref().map_or(0, Vec::len)) > LIST_MAX {
        return Err(ApiError::invalid(format!("A token names at most {LIST_MAX} tenants and rights.")).because("limit"));
    }
    for one in rights.iter().flatten() {
        let resource = Resource::of_number(one.resource_type.into()).ok_or_else(|| {
            ApiError::invalid(format!("There is no resource type {}.", one.resource_type)).because("invalid")
        })?;
        Permissions::read(&one.permissions, resource).map_err(|word| {
            ApiError::invalid(format!("{} has no permission {word:?}.", resource.word())).because("invalid")
        })?;
    }
    let rule = |one: &Grant| grant(one.resource_type, &one.resource_id, &one.permissions);
    let rights = rights.map(|all| all.iter().map(rule).collect());
    let new = NewToken { name, tenants, rights, expires_at };
    let (secret, token) = call.state.sign_in.add_token(&call.caller.user, new).await?;
    let mut answer = told(&token);
    answer["token"] = secret.into();
    json(answer)
}

fn later(text: &str) -> Result<Timestamp, ApiError> {
    let wrong = || ApiError::invalid("`expires` is a time to come, such as 2030-01-31T12:00:00Z.").because("invalid");
    Timestamp::parse(text).ok().filter(|at| *at > SystemClock.now()).ok_or_else(wrong)
}

/// Revoked: the next request with it is refused. Administrators revoke those of others, too.
pub(super) async fn remove(call: Call, Path(id): Path<String>) -> Answer {
    by_person(&call)?;
    let own = (!call.caller.access.admin).then_some(call.caller.user.as_str());
    if !call.state.store().remove_token(&id, own).await? {
        return Err(ApiError::absent("There is no such token.").because("absent"));
    }
    tracing::info!(audit = "token revoked", user.name = call.caller.user, token.id = id);
    no_content()
}
