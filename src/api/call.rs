//! One request of somebody who has signed in: reads with his eyes, work in his name.

use super::auth::Caller;
use super::auth::permission::{Permission, Resource};
use super::auth::rights::Rights;
use super::error::ApiError;
use super::guarded::{Guarded, running_instances};
use super::idempotency::{self, Key};
use super::params::Page;
use super::state::ApiState;
use super::wire;
use crate::base::access::Access;
use crate::base::id::{DefinitionId, InstanceId, TokenId};
use crate::base::planted;
use crate::base::time::Timestamp;
use crate::engine::command::{Answer, Command, Rejection};
use crate::engine::definition::ProcessDefinition;
use crate::engine::instance::Instance;
use crate::partition::{Reply, Work};
use crate::runtime::node::SubmitError;
use crate::store::Bind;
use crate::store::queries::record::InstanceRecord;
use crate::store::queries::select::{Column, Condition, Order, Select, column};
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use std::collections::BTreeSet;
use std::sync::Arc;

pub(crate) struct Call {
    pub(crate) state: ApiState,
    pub(crate) caller: Caller,
    pub(crate) key: Option<Key>,
    /// The task through which it came here, if any.
    pub(crate) task: Option<(InstanceId, TokenId)>,
    /// Names what this request does in the log of operations; `None`: nothing of it is logged.
    pub(crate) operation: Option<String>,
}

impl FromRequestParts<ApiState> for Call {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        let caller = parts.extensions.get::<Caller>().cloned().ok_or_else(ApiError::unauthenticated)?;
        let key = parts.extensions.get::<Key>().cloned();
        let operation = (!parts.method.is_safe()).then(|| key.as_ref().map_or_else(wire::random, Key::id));
        Ok(Self { state: state.clone(), caller, key, task: None, operation })
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
        Self { key: None, ..self.of(self.caller.clone()) }
    }

    /// One of several commands that the call consists of: a repeat of the call finds each of them done.
    pub(crate) fn part(&self, part: &str) -> Self {
        Self { key: self.key.as_ref().map(|key| key.part(part)), ..self.of(self.caller.clone()) }
    }

    pub(crate) fn of(&self, caller: Caller) -> Self {
        let (key, operation) = (self.key.clone(), self.operation.clone());
        Self { state: self.state.clone(), caller, key, task: self.task, operation }
    }

    /// For reads that an answer needs, after it is known that the caller may have it: of his tenants, whatever his rights.
    pub(crate) fn behind(&self) -> Self {
        self.of(Caller { rights: Arc::new(Rights::everything()), ..self.caller.clone() })
    }

    /// Through this task, which the caller may see.
    pub(crate) fn through(&self, instance: InstanceId, token: TokenId) -> Self {
        Self { task: Some((instance, token)), ..self.of(self.caller.clone()) }
    }

    pub(crate) fn may(&self, permission: Permission, resource: Resource, object: &str) -> bool {
        self.caller.rights.allow(permission, resource, object)
    }

    pub(crate) fn require(&self, permission: Permission, resource: Resource, object: &str) -> Result<(), ApiError> {
        self.require_one(&[(permission, resource, object)])
    }

    /// One of these is enough.
    pub(crate) fn require_one(&self, any: &[(Permission, Resource, &str)]) -> Result<(), ApiError> {
        if any.iter().any(|(permission, resource, object)| self.may(*permission, *resource, object)) {
            return Ok(());
        }
        Err(ApiError::lacks(&self.caller.user, any))
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.state.node().clock().now()
    }

    pub(crate) async fn list<R: Guarded>(
        &self,
        mut conditions: Vec<Condition>,
        order: Vec<(Order, bool)>,
        page: Page,
    ) -> Result<Vec<R>, ApiError> {
        conditions.extend(guard::<R>(&self.caller));
        let select = Select { conditions, order, first: page.first, limit: Some(page.limit()) };
        let access = match planted::is("query-without-tenant-filter") {
            false => &self.caller.access,
            true => &Access::system(),
        };
        let rows = self.state.store().list(access, &select).await?;
        page.check(rows)
    }

    /// All rows, for lists that are short by their nature.
    pub(crate) async fn all<R: Guarded>(&self, conditions: Vec<Condition>) -> Result<Vec<R>, ApiError> {
        self.list(conditions, Vec::new(), Page::default()).await
    }

    pub(crate) async fn one<R: Guarded>(&self, conditions: Vec<Condition>) -> Result<Option<R>, ApiError> {
        let page = Page { first: 0, max: Some(1) };
        Ok(self.list(conditions, Vec::new(), page).await?.pop())
    }

    pub(crate) async fn count<R: Guarded>(&self, conditions: &[Condition]) -> Result<i64, ApiError> {
        let conditions = guarded::<R>(&self.caller, conditions);
        Ok(self.state.store().count::<R>(&self.caller.access, &conditions).await?)
    }

    /// How many rows share these two values.
    pub(crate) async fn tally<R: Guarded>(
        &self,
        by: [Column; 2],
        conditions: &[Condition],
    ) -> Result<Vec<(String, String, i64)>, ApiError> {
        let conditions = guarded::<R>(&self.caller, conditions);
        Ok(self.state.store().tally::<R>(&self.caller.access, by, &conditions).await?)
    }

    pub(crate) async fn instance_record(&self, id: InstanceId) -> Result<Option<InstanceRecord>, ApiError> {
        self.one(vec![Condition::equal(column::NUMBER, id.0)]).await
    }

    /// An instance that the caller has just started: read together with those of others.
    pub(crate) async fn started(&self, id: InstanceId) -> Result<Option<InstanceRecord>, ApiError> {
        let store = self.state.store();
        let read = async |ids: BTreeSet<InstanceId>| {
            let one_of = Condition::OneOf(column::NUMBER, ids.into_iter().map(|id| Bind::from(id.0)).collect());
            let select = Select { conditions: vec![one_of], ..Select::default() };
            let rows: Vec<InstanceRecord> = store.list(&Access::system(), &select).await?;
            Ok(rows.into_iter().map(|row| (InstanceId(row.id), row)).collect())
        };
        Ok(self.state.started.get(id, read).await?)
    }

    /// A live instance that this caller may see.
    pub(crate) async fn live(&self, id: InstanceId) -> Result<Option<Instance>, ApiError> {
        if !self.caller.rights.is_everything() {
            let here = [Condition::equal(column::NUMBER, id.0), running_instances(&self.caller)];
            if self.count::<InstanceRecord>(&here).await? == 0 {
                return Ok(None);
            }
        }
        let instance = self.state.node().instance(id).await?;
        Ok(instance.filter(|instance| self.caller.access.sees(&instance.head.tenant)))
    }

    pub(crate) async fn definition(&self, id: DefinitionId) -> Result<Arc<ProcessDefinition>, ApiError> {
        let found = self.state.node().definition(id).await?;
        found.ok_or_else(|| ApiError::failed(format!("The model of definition {id} cannot be read.")))
    }

    /// Work in the caller's name. A repeat under the same key gives what the first gave.
    pub(crate) async fn submit(&self, work: Work, words: Words<'_>) -> Result<Reply, ApiError> {
        self.allow(&work).await?;
        let told = self.before(&work).await?;
        let key = self.key.as_ref().map(Key::for_partition);
        let user = Some(self.caller.user.clone());
        let reply = self.state.node().submit(work, key, user).await;
        let reply = match reply.map_err(|error| submit_error(error, words))? {
            Reply::Repeated(first) => idempotency::reply(&first)?,
            reply => reply,
        };
        if let Some(told) = told {
            self.after(told, &reply).await?;
        }
        Ok(reply)
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

fn guarded<R: Guarded>(caller: &Caller, conditions: &[Condition]) -> Vec<Condition> {
    conditions.iter().cloned().chain(guard::<R>(caller)).collect()
}

fn guard<R: Guarded>(caller: &Caller) -> Option<Condition> {
    (!caller.rights.is_everything()).then(|| R::guard(caller))
}

/// The rows of one token.
pub(crate) fn at_token(instance: InstanceId, token: TokenId) -> Vec<Condition> {
    vec![Condition::equal(column::INSTANCE, instance.0), Condition::equal(column::TOKEN, i64::from(token.0))]
}
