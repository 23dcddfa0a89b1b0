//! One request of somebody who has signed in: reads with his eyes, work in his name.

use super::auth::Caller;
use super::error::ApiError;
use super::idempotency::{self, Key};
use super::params::Page;
use super::state::ApiState;
use crate::base::access::Access;
use crate::base::id::{DefinitionId, InstanceId, TokenId};
use crate::base::planted;
use crate::base::time::Timestamp;
use crate::engine::command::{Answer, Command, Rejection};
use crate::engine::definition::ProcessDefinition;
use crate::engine::instance::Instance;
use crate::partition::{Reply, Work};
use crate::runtime::node::SubmitError;
use crate::store::queries::record::{InstanceRecord, Record};
use crate::store::queries::select::{Condition, Order, Select, column};
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use std::sync::Arc;

pub(crate) struct Call {
    pub(crate) state: ApiState,
    pub(crate) caller: Caller,
    pub(crate) key: Option<Key>,
}

impl FromRequestParts<ApiState> for Call {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        let caller = parts.extensions.get::<Caller>().cloned().ok_or_else(ApiError::unauthenticated)?;
        let key = parts.extensions.get::<Key>().cloned();
        Ok(Self { state: state.clone(), caller, key })
    }
}

/// How a resource words what the engine refuses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Words<'a> {
    /// `RestException` for external tasks and messages, else `BadUserRequestException`.
    pub(crate) kind: &'static str,
    /// `Cannot complete task 7:1`
    pub(crate) attempt: &'a str,
}

impl Call {
    /// For commands that come before the one that the key stands for.
    pub(crate) fn unkeyed(&self) -> Self {
        Self { state: self.state.clone(), caller: self.caller.clone(), key: None }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.state.node().clock().now()
    }

    pub(crate) async fn list<R: Record>(
        &self,
        conditions: Vec<Condition>,
        order: Vec<(Order, bool)>,
        page: Page,
    ) -> Result<Vec<R>, ApiError> {
        let select = Select { conditions, order, first: page.first, limit: Some(page.limit()) };
        let access = match planted::is("query-without-tenant-filter") {
            false => &self.caller.access,
            true => &Access::system(),
        };
        let rows = self.state.store().list(access, &select).await?;
        page.check(rows)
    }

    /// All rows, for lists that are short by their nature.
    pub(crate) async fn all<R: Record>(&self, conditions: Vec<Condition>) -> Result<Vec<R>, ApiError> {
        self.list(conditions, Vec::new(), Page::default()).await
    }

    pub(crate) async fn one<R: Record>(&self, conditions: Vec<Condition>) -> Result<Option<R>, ApiError> {
        let page = Page { first: 0, max: Some(1) };
        Ok(self.list(conditions, Vec::new(), page).await?.pop())
    }

    pub(crate) async fn count<R: Record>(&self, conditions: &[Condition]) -> Result<i64, ApiError> {
        Ok(self.state.store().count::<R>(&self.caller.access, conditions).await?)
    }

    pub(crate) async fn instance_record(&self, id: InstanceId) -> Result<Option<InstanceRecord>, ApiError> {
        self.one(vec![Condition::equal(column::NUMBER, id.0)]).await
    }

    /// A live instance that this caller may see.
    pub(crate) async fn live(&self, id: InstanceId) -> Result<Option<Instance>, ApiError> {
        let instance = self.state.node().instance(id).await?;
        Ok(instance.filter(|instance| self.caller.access.sees(&instance.head.tenant)))
    }

    pub(crate) async fn definition(&self, id: DefinitionId) -> Result<Arc<ProcessDefinition>, ApiError> {
        let found = self.state.node().definition(id).await?;
        found.ok_or_else(|| ApiError::failed(format!("The model of definition {id} cannot be read.")))
    }

    /// Work in the caller's name. A repeat under the same key gives what the first gave.
    pub(crate) async fn submit(&self, work: Work, words: Words<'_>) -> Result<Reply, ApiError> {
        let key = self.key.as_ref().map(Key::for_partition);
        let user = Some(self.caller.user.clone());
        let reply = self.state.node().submit(work, key, user).await;
        match reply.map_err(|error| submit_error(error, words))? {
            Reply::Repeated(first) => idempotency::reply(&first),
            reply => Ok(reply),
        }
    }

    pub(crate) async fn command(
        &self,
        instance: InstanceId,
        command: Command,
        words: Words<'_>,
    ) -> Result<Answer, ApiError> {
        let reply = self.submit(Work::Instance { instance, command }, words).await?;
        reply.done().ok_or_else(|| ApiError::failed("The engine answered something else."))
    }
}

pub(crate) fn submit_error(error: SubmitError, words: Words<'_>) -> ApiError {
    match error {
        SubmitError::Rejected(rejection) => refusal(rejection, words),
        SubmitError::Busy => ApiError::away("Too many commands wait: ask again in a second."),
        SubmitError::Unanswered => ApiError::away(
            "No answer came in time: the database, or the node that owns this, is away. Whether it was done is not known: \
             repeat it under the same Idempotency-Key.",
        ),
        SubmitError::Full { shared } => ApiError::full(shared),
        SubmitError::Away => ApiError::away("The engine stops, or its database was taken over: ask again."),
    }
}

/// What the engine refuses, in the words of its resource.
fn refusal(rejection: Rejection, words: Words<'_>) -> ApiError {
    let message = format!("{}: {rejection}", words.attempt);
    match rejection {
        Rejection::InstanceNotFound(_)
        | Rejection::TokenNotWaiting(_)
        | Rejection::NotArmed(_)
        | Rejection::ScopeNotFound(_) => ApiError::new(StatusCode::NOT_FOUND, words.kind, message).because("absent"),
        Rejection::DefinitionNotFound(_) => ApiError::absent(message).engine().because("absent"),
        Rejection::AlreadyClaimed(_) => {
            ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "TaskAlreadyClaimedException", message)
                .engine()
                .because("claimed")
        }
        Rejection::LeaseLost { .. } => ApiError::refused(words.kind, message).because("lease-lost"),
        Rejection::AlreadyLeased(_) => ApiError::refused(words.kind, message).because("leased"),
        Rejection::WrongState(_) => ApiError::refused(words.kind, message).because("wrong-state"),
        Rejection::DefinitionSuspended(_) => ApiError::refused(words.kind, message).because("suspended"),
        Rejection::AlreadyExists(_) => ApiError::refused(words.kind, message).because("exists"),
        Rejection::LimitExceeded { .. } => ApiError::refused(words.kind, message).because("limit"),
        Rejection::InvalidInput(_) => ApiError::invalid(message).because("invalid"),
        Rejection::KeyReused => key_reused(),
        Rejection::ListenerFailed(_) => ApiError::failed(message).because("listener"),
        Rejection::Defect(_) => ApiError::failed(message),
    }
}

pub(crate) fn key_reused() -> ApiError {
    let words = "This Idempotency-Key was used before with another request: take a new one.";
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "InvalidRequestException", words).because("key-reused")
}

/// The rows of one token.
pub(crate) fn at_token(instance: InstanceId, token: TokenId) -> Vec<Condition> {
    vec![Condition::equal(column::INSTANCE, instance.0), Condition::equal(column::TOKEN, i64::from(token.0))]
}
