//! `…/variables` and `…/localVariables`: written once; each resource says where its variables lie.

use super::task::Target;
use super::variable::{self, Changes};
use super::{Words, upload};
use crate::api::call::Call;
use crate::api::error::{Answer, ApiError};
use crate::api::json::{Json, json, no_content};
use crate::api::params::Query;
use crate::api::state::ApiState;
use crate::api::value;
use crate::api::wire::Execution;
use crate::base::id::{InstanceId, TokenId};
use crate::base::limits::REQUEST_BYTES_MAX;
use crate::base::variable::{Variable, Variables};
use crate::engine::command::Command;
use crate::partition::view::visible;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Multipart, Path};
use axum::routing::get;
use serde_json::Value;

/// Where variables are read and written.
pub(super) struct Place {
    /// In words: `task`.
    what: &'static str,
    instance: InstanceId,
    /// `None`: the instance itself.
    token: Option<TokenId>,
    /// Only those of the token's own are read and written, not all that it sees.
    own: bool,
    found: Variables,
    /// The task through which they are seen.
    task: Option<(InstanceId, TokenId)>,
}

pub(super) trait Holder: 'static {
    fn find(call: &Call, id: &str) -> impl Future<Output = Result<Place, ApiError>> + Send;
}

/// `/process-instance/{id}/variables`; the id may be any execution's (D9).
pub(super) struct OfInstance;

impl Holder for OfInstance {
    async fn find(call: &Call, id: &str) -> Result<Place, ApiError> {
        of_execution(call, id, false, "process instance", || ApiError::absent(format!("execution {id} doesn't exist")))
            .await
    }
}

/// `/execution/{id}/localVariables`
pub(super) struct OfExecution;

impl Holder for OfExecution {
    async fn find(call: &Call, id: &str) -> Result<Place, ApiError> {
        of_execution(call, id, true, "execution", || ApiError::absent(format!("Execution with id {id} does not exist")))
            .await
    }
}

/// `/task/{id}/variables`
pub(super) struct OfTask;

impl Holder for OfTask {
    async fn find(call: &Call, id: &str) -> Result<Place, ApiError> {
        of_task(call, id, false).await
    }
}

/// `/task/{id}/localVariables`
pub(super) struct OfTaskOnly;

impl Holder for OfTaskOnly {
    async fn find(call: &Call, id: &str) -> Result<Place, ApiError> {
        of_task(call, id, true).await
    }
}

async fn of_task(call: &Call, id: &str, own: bool) -> Result<Place, ApiError> {
    let task = Target::find(call, id).await?;
    let absent = || ApiError::absent(format!("No matching task with id {id}"));
    let place = of_execution(&call.behind(), &task.id, own, "task", absent).await?;
    Ok(Place { task: Some((task.instance, task.token)), ..place })
}

async fn of_execution(
    call: &Call,
    id: &str,
    own: bool,
    what: &'static str,
    absent: impl Fn() -> ApiError,
) -> Result<Place, ApiError> {
    let execution = Execution::parse(id).ok_or_else(&absent)?;
    let live = call.live(execution.instance()).await?.ok_or_else(&absent)?;
    let (token, found) = match execution {
        Execution::Root(_) => (None, live.root().variables.clone()),
        Execution::Token(_, token) => {
            live.find(token).ok_or_else(&absent)?;
            (Some(token), if own { variable::own(&live, token) } else { visible(&live, token) })
        }
    };
    Ok(Place { what, instance: execution.instance(), token, own, found, task: None })
}

impl Place {
    fn one(mut self, name: &str) -> Result<Variable, ApiError> {
        let absent = || ApiError::absent(format!("{} variable with name {name} does not exist", self.what));
        self.found.remove(name).ok_or_else(absent)
    }

    async fn change(&self, call: &Call, set: Variables, remove: Vec<String>, attempt: &str) -> Answer {
        let through = self.task.map(|(instance, token)| call.through(instance, token));
        let call = through.as_ref().unwrap_or(call);
        let words = Words { kind: "RestException", attempt };
        let command = match self.token {
            None => Command::SetVariables { scope: None, set, remove },
            Some(token) if self.own => Command::SetLocalVariables { token, set, remove },
            Some(token) => {
                variable::set_from(call, self.instance, token, set, remove, attempt).await?;
                return no_content();
            }
        };
        call.command(self.instance, command, words).await?;
        no_content()
    }
}

/// All operations on the variables of one resource.
pub(super) fn routes<H: Holder>(path: &str) -> Router<ApiState> {
    let data = get(data::<H>).post(upload::<H>).layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX));
    Router::new()
        .route(path, get(all::<H>).post(change::<H>))
        .route(&format!("{path}/{{varName}}"), get(one::<H>).put(put::<H>).delete(delete::<H>))
        .route(&format!("{path}/{{varName}}/data"), data)
}

async fn all<H: Holder>(call: Call, Path(id): Path<String>, query: Query) -> Answer {
    let place = H::find(&call, &id).await?;
    json(value::write_all(&place.found, variable::objects(&query, "deserializeValues")))
}

async fn change<H: Holder>(call: Call, Path(id): Path<String>, Json(body): Json<Changes>) -> Answer {
    let place = H::find(&call, &id).await?;
    let attempt = format!("Cannot modify variables for {} {id}", place.what);
    let (set, remove) = body.read(&attempt)?;
    place.change(&call, set, remove, &attempt).await
}

async fn one<H: Holder>(call: Call, Path((id, name)): Path<(String, String)>, query: Query) -> Answer {
    let found = H::find(&call, &id).await?.one(&name)?;
    json(value::write(&found, variable::objects(&query, "deserializeValue")))
}

async fn put<H: Holder>(call: Call, Path((id, name)): Path<(String, String)>, Json(body): Json<Value>) -> Answer {
    let place = H::find(&call, &id).await?;
    let attempt = format!("Cannot put {} variable {name}", place.what);
    let variable = value::read(&body).map_err(|error| error.while_doing(&attempt))?;
    place.change(&call, Variables::from([(name, variable)]), Vec::new(), &attempt).await
}

async fn delete<H: Holder>(call: Call, Path((id, name)): Path<(String, String)>) -> Answer {
    let place = H::find(&call, &id).await?;
    let attempt = format!("Cannot delete {} variable {name}", place.what);
    place.change(&call, Variables::new(), vec![name], &attempt).await
}

async fn data<H: Holder>(call: Call, Path((id, name)): Path<(String, String)>) -> Answer {
    variable::data(&H::find(&call, &id).await?.one(&name)?)
}

async fn upload<H: Holder>(call: Call, Path((id, name)): Path<(String, String)>, form: Multipart) -> Answer {
    let variable = upload::variable(form).await?;
    let place = H::find(&call, &id).await?;
    let attempt = format!("Cannot put {} variable {name}", place.what);
    place.change(&call, Variables::from([(name, variable)]), Vec::new(), &attempt).await
}
