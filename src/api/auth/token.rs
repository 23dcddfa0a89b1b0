//! API tokens (`th_…`): what programs sign in with, in the name of an account and never with more than it has at that moment.
//!
//! A token is 256 random bits. Nobody guesses those, so a plain SHA-256 of them is kept: a slow hash protects what people
//! can remember, and would cost each request of a worker 19 MiB.

use super::password::{digest_of, random_token};
use super::{Caller, SignIn, now};
use crate::api::error::ApiError;
use crate::base::limits::TOKENS_MAX;
use crate::base::time::Timestamp;
use crate::store::queries::identity::Rule;
use crate::store::queries::token::Token;
use axum::http::header::{self, HeaderMap};
use std::collections::BTreeSet;
use std::sync::Arc;

const PREFIX: &str = "th_";
const SECRET_CHARACTERS: usize = 64;
/// When it was last used is told to this: a write now and then, not one for each request.
const USED_EVERY_MS: i64 = 10 * 60_000;

/// What a token is made of.
pub(crate) struct NewToken {
    pub(crate) name: String,
    pub(crate) tenants: Option<BTreeSet<String>>,
    /// As rules that grant.
    pub(crate) rights: Option<Vec<Rule>>,
    pub(crate) expires_at: Option<Timestamp>,
}

impl SignIn {
    /// Whoever a bearer token stands for. One that was revoked, has expired or never was is answered alike, and slowly to
    /// who goes on trying; a right one never waits for others' failures.
    pub(super) async fn bearer(&self, secret: &str, address: Option<&str>) -> Result<Caller, ApiError> {
        if let Some(caller) = self.by_token(secret).await? {
            return Ok(caller);
        }
        let names: Vec<String> = address.map(|address| format!("token@{address}")).into_iter().collect();
        let wait = self.passwords.wait(&names, now());
        self.passwords.failed(&names, now());
        tracing::info!("a bearer token was refused");
        tokio::time::sleep(wait).await;
        Err(ApiError::unauthenticated())
    }

    async fn by_token(&self, secret: &str) -> Result<Option<Caller>, ApiError> {
        let plain = secret.strip_prefix(PREFIX).is_some_and(|rest| rest.len() == SECRET_CHARACTERS);
        if !plain {
            return Ok(None);
        }
        let Some(token) = self.store.token(&digest_of(secret)).await? else { return Ok(None) };
        let at = now();
        if token.expires_at.is_some_and(|end| end <= at.0) {
            return Ok(None);
        }
        let Some(caller) = self.caller_named(&token.account).await? else { return Ok(None) };
        if token.used_at.is_none_or(|used| used + USED_EVERY_MS <= at.0) {
            self.store.token_used(&token.id, at).await?;
        }
        narrowed(caller, &token).map(Some)
    }

    /// The token, told this once, and what is kept of it.
    pub(crate) async fn add_token(&self, account: &str, new: NewToken) -> Result<(String, Token), ApiError> {
        let secret = format!("{PREFIX}{}", random_token());
        let token = Token {
            id: random_token()[..24].to_owned(),
            digest: digest_of(&secret),
            account: account.to_owned(),
            name: new.name,
            tenants: new.tenants.map(|all| serde_json::json!(all).to_string()),
            rights: new.rights.map(|all| serde_json::Value::from_iter(all.iter().map(shape)).to_string()),
            created_at: now().0,
            expires_at: new.expires_at.map(|at| at.0),
            used_at: None,
        };
        if !self.store.add_token(&token, TOKENS_MAX).await? {
            let words = format!("An account has at most {TOKENS_MAX} tokens: revoke one that is not used.");
            return Err(ApiError::invalid(words).because("limit"));
        }
        tracing::info!(audit = "token made", user.name = account, token.id = token.id);
        Ok((secret, token))
    }
}

/// A grant as it is kept and told.
fn shape(rule: &Rule) -> serde_json::Value {
    let permissions: serde_json::Value = serde_json::from_str(&rule.permissions).unwrap_or_default();
    serde_json::json!({ "resourceType": rule.resource, "resourceId": rule.object, "permissions": permissions })
}

/// One grant of a token as a rule, of nobody.
pub(crate) fn grant(resource: i16, object: &str, permissions: &[String]) -> Rule {
    let permissions = serde_json::json!(permissions).to_string();
    Rule { id: String::new(), kind: 1, account: None, team: None, resource, object: object.to_owned(), permissions }
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Grant {
    pub(crate) resource_type: i16,
    #[serde(default = "any")]
    pub(crate) resource_id: String,
    pub(crate) permissions: Vec<String>,
}

fn any() -> String {
    super::rights::ANY.to_owned()
}

/// The account with what the token leaves of it. An unreadable row leaves nothing: it is refused.
fn narrowed(mut caller: Caller, token: &Token) -> Result<Caller, ApiError> {
    let unreadable = |_| ApiError::failed("A token cannot be read: revoke it and make a new one.");
    caller.token = Some(token.tenants.is_some() || token.rights.is_some());
    if let Some(tenants) = &token.tenants {
        let only: BTreeSet<String> = serde_json::from_str(tenants).map_err(unreadable)?;
        caller.access.tenants = Some(match caller.access.tenants.take() {
            None => only,
            Some(own) => own.intersection(&only).cloned().collect(),
        });
    }
    if let Some(rights) = &token.rights {
        let grants: Vec<Grant> = serde_json::from_str(rights).map_err(unreadable)?;
        let rules: Vec<Rule> =
            grants.iter().map(|one| grant(one.resource_type, &one.resource_id, &one.permissions)).collect();
        caller.rights = Arc::new(Arc::unwrap_or_clone(caller.rights).within(&rules));
        // What he may do as the one meant by a task, or as an administrator, is not among what the token lists.
        caller.access.user = None;
        caller.access.groups.clear();
        caller.access.admin = false;
        caller.groups.clear();
    }
    Ok(caller)
}

/// The token of an `Authorization: Bearer`.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, word) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| word.trim())
}
