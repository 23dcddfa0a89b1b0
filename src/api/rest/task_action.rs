//! `/task/{id}/…`: what people do with a task.

use super::form;
use super::task::{Target, delegation};
use super::variable;
use crate::api::call::Call;
use crate::api::error::{Answer, ApiError};
use crate::api::json::{Json, Object, json, no_content};
use crate::api::params::{Filters, Query, wrong};
use crate::api::value::{self, Objects};
use crate::base::variable::Variables;
use crate::engine::command::{Command, Link, TaskChange, TaskFields};
use crate::partition::view::visible;
use crate::store::queries::record::CandidateRecord;
use axum::extract::Path;
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) async fn get(call: Call, Path(id): Path<String>, query: Query) -> Answer {
    let task = Target::find(&call, &id).await?;
    json(task.shape(&call, &Filters::Query(query)).await?)
}

/// Replaces every editable field.
pub(super) async fn put(call: Call, Path(id): Path<String>, Json(body): Json<Object>) -> Answer {
    let task = Target::find(&call, &id).await?;
    let fields = Filters::Body(body);
    let state = match fields.text("delegationState")? {
        None => None,
        Some(word) => Some(delegation(&word).ok_or_else(|| wrong("delegationState", &word))?),
    };
    let change = TaskFields {
        name: fields.text("name")?,
        description: fields.text("description")?,
        assignee: fields.text("assignee")?,
        owner: fields.text("owner")?,
        delegation: state,
        priority: fields.number("priority")?.unwrap_or(task.row.priority),
        due: fields.date("due")?,
        follow_up: fields.date("followUp")?,
    };
    changed(&call, &task, TaskChange::Replace(Box::new(change)), "update").await
}

/// `{"userId": …}`; null and absent are nobody.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct User {
    user_id: Option<String>,
}

pub(super) async fn claim(call: Call, Path(id): Path<String>, Json(user): Json<User>) -> Answer {
    let task = Target::find(&call, &id).await?;
    let change = match user.user_id {
        Some(user) => TaskChange::Claim(user),
        None => TaskChange::Assign(None),
    };
    changed(&call, &task, change, "claim").await
}

pub(super) async fn unclaim(call: Call, Path(id): Path<String>) -> Answer {
    let task = Target::find(&call, &id).await?;
    changed(&call, &task, TaskChange::Assign(None), "unclaim").await
}

pub(super) async fn assignee(call: Call, Path(id): Path<String>, Json(user): Json<User>) -> Answer {
    let task = Target::find(&call, &id).await?;
    changed(&call, &task, TaskChange::Assign(user.user_id), "assign").await
}

pub(super) async fn delegate(call: Call, Path(id): Path<String>, Json(user): Json<User>) -> Answer {
    let task = Target::find(&call, &id).await?;
    let user = user.user_id.ok_or_else(|| ApiError::invalid("delegate needs a userId."))?;
    changed(&call, &task, TaskChange::Delegate(user), "delegate").await
}

/// Variables in a body, and whether they are wanted back.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Done {
    variables: Option<Value>,
    with_variables_in_return: Option<bool>,
}

impl Done {
    fn given(&self, attempt: &str) -> Result<Variables, ApiError> {
        value::read_all(self.variables.as_ref()).map_err(|error| error.while_doing(attempt))
    }
}

pub(super) async fn resolve(call: Call, Path(id): Path<String>, Json(body): Json<Done>) -> Answer {
    let task = Target::find(&call, &id).await?;
    let given = body.given(&format!("Cannot resolve task {id}"))?;
    changed(&call, &task, TaskChange::Resolve(given), "resolve").await
}

async fn changed(call: &Call, task: &Target, change: TaskChange, verb: &str) -> Answer {
    let attempt = format!("Cannot {verb} task {}", task.id);
    let command = Command::ChangeUserTask { token: task.token, change };
    call.command(task.instance, command, task.words(&attempt)).await?;
    no_content()
}

/// 204, or 200 with the variables as they were when the task ended.
pub(super) async fn complete(call: Call, Path(id): Path<String>, Json(body): Json<Done>) -> Answer {
    let task = Target::find(&call, &id).await?;
    let attempt = format!("Cannot complete task {id}");
    let given = body.given(&attempt)?;
    end(&call, &task, given, &body, &attempt).await
}

/// As `complete`, with what was submitted checked by the fields of a generated form.
pub(super) async fn submit_form(call: Call, Path(id): Path<String>, Json(body): Json<Done>) -> Answer {
    let task = Target::find(&call, &id).await?;
    let attempt = format!("Cannot submit task form {id}");
    let given = body.given(&attempt)?;
    let (form, seen) = task.form(&call).await?;
    let (given, _key) = form::submitted(form, given, task.plain(&call, &seen), &attempt)?;
    end(&call, &task, given, &body, &attempt).await
}

async fn end(call: &Call, task: &Target, given: Variables, body: &Done, attempt: &str) -> Answer {
    let wanted = body.with_variables_in_return == Some(true);
    let mut seen = match wanted {
        true => {
            call.behind().live(task.instance).await?.map(|instance| visible(&instance, task.token)).unwrap_or_default()
        }
        false => Default::default(),
    };
    seen.extend(given.clone());
    let command = Command::CompleteUserTask { token: task.token, variables: given };
    call.command(task.instance, command, task.words(attempt)).await?;
    if wanted { json(value::write_all(&seen, Objects::Open)) } else { no_content() }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Thrown {
    error_code: Option<String>,
    error_message: Option<String>,
    variables: Option<Value>,
}

pub(super) async fn bpmn_error(call: Call, Path(id): Path<String>, Json(body): Json<Thrown>) -> Answer {
    let task = Target::find(&call, &id).await?;
    let attempt = format!("Cannot report an error of task {id}");
    let code = body.error_code.filter(|code| !code.is_empty());
    let code = code.ok_or_else(|| ApiError::invalid("errorCode must not be null or empty."))?;
    let variables = value::read_all(body.variables.as_ref())?;
    let command = Command::ThrowError { token: task.token, claim: None, code, message: body.error_message, variables };
    call.command(task.instance, command, task.words(&attempt)).await?;
    no_content()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Escalated {
    escalation_code: Option<String>,
    variables: Option<Value>,
}

/// The task stays, unless what catches the escalation interrupts it.
pub(super) async fn bpmn_escalation(call: Call, Path(id): Path<String>, Json(body): Json<Escalated>) -> Answer {
    let task = Target::find(&call, &id).await?;
    let attempt = format!("Cannot escalate task {id}");
    let code = body.escalation_code.filter(|code| !code.is_empty());
    let code = code.ok_or_else(|| ApiError::invalid("escalationCode must not be null or empty."))?;
    let variables = value::read_all(body.variables.as_ref())?;
    let command = Command::Escalate { token: task.token, code, variables };
    call.command(task.instance, command, task.words(&attempt)).await?;
    no_content()
}

pub(super) async fn form(call: Call, Path(id): Path<String>) -> Answer {
    let task = Target::find(&call, &id).await?;
    let definition = call.definition(crate::base::id::DefinitionId(task.row.definition)).await?;
    let form = form::of_element(&definition.process, &task.row.element);
    json(form::shape(form.as_ref(), &format!("task/{id}")))
}

pub(super) async fn deployed_form(call: Call, Path(id): Path<String>) -> Answer {
    let task = Target::find(&call, &id).await?;
    let definition = call.definition(crate::base::id::DefinitionId(task.row.definition)).await?;
    form::deployed(&call, &definition, form::of_element(&definition.process, &task.row.element).as_ref()).await
}

/// The fields of a generated form as HTML.
pub(super) async fn rendered_form(call: Call, Path(id): Path<String>) -> Answer {
    let task = Target::find(&call, &id).await?;
    let (form, seen) = task.form(&call).await?;
    form::rendered(form, task.plain(&call, &seen), &format!("Cannot render the form of task {id}"))
}

/// The variables that the task sees and the fields of its form, all or those named.
pub(super) async fn form_variables(call: Call, Path(id): Path<String>, query: Query) -> Answer {
    let task = Target::find(&call, &id).await?;
    let (form, mut seen) = task.form(&call).await?;
    let fields = form::fields(form, task.plain(&call, &seen), &format!("Cannot read the form of task {id}"))?;
    for (name, value) in fields {
        seen.entry(name).or_insert(value);
    }
    if let Some(names) = query.get("variableNames") {
        seen.retain(|name, _| names.split(',').any(|wanted| wanted == name));
    }
    json(value::write_all(&seen, variable::objects(&query, "deserializeValues")))
}

pub(super) async fn links(call: Call, Path(id): Path<String>, query: Query) -> Answer {
    let task = Target::find(&call, &id).await?;
    let link =
        |user: Option<&str>, group: Option<&str>, kind: &str| json!({ "userId": user, "groupId": group, "type": kind });
    let mut links = Vec::new();
    for row in call.behind().all::<CandidateRecord>(crate::api::call::at_token(task.instance, task.token)).await? {
        let (user, group) =
            if row.is_group == 0 { (Some(row.name.as_str()), None) } else { (None, Some(row.name.as_str())) };
        links.push(link(user, group, "candidate"));
    }
    links.extend(task.row.assignee.as_deref().map(|user| link(Some(user), None, "assignee")));
    links.extend(task.row.owner.as_deref().map(|user| link(Some(user), None, "owner")));
    if let Some(kind) = query.get("type") {
        links.retain(|link| link["type"] == kind);
    }
    json(links)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LinkBody {
    user_id: Option<String>,
    group_id: Option<String>,
    r#type: Option<String>,
}

pub(super) async fn add_link(call: Call, Path(id): Path<String>, Json(body): Json<LinkBody>) -> Answer {
    let task = Target::find(&call, &id).await?;
    let change = body.change(true)?;
    changed(&call, &task, change, "add an identity link to").await
}

pub(super) async fn remove_link(call: Call, Path(id): Path<String>, Json(body): Json<LinkBody>) -> Answer {
    let task = Target::find(&call, &id).await?;
    let change = body.change(false)?;
    changed(&call, &task, change, "remove an identity link from").await
}

impl LinkBody {
    /// `candidate` is a link of its own; `assignee` and `owner` are fields of the task.
    fn change(self, add: bool) -> Result<TaskChange, ApiError> {
        let link = match (self.user_id, self.group_id) {
            (Some(user), None) => Link::CandidateUser(user),
            (None, Some(group)) => Link::CandidateGroup(group),
            _ => return Err(ApiError::invalid("Identity Link requires userId or groupId, but not both.")),
        };
        match (self.r#type.as_deref().unwrap_or("candidate"), link, add) {
            ("candidate", link, true) => Ok(TaskChange::AddLink(link)),
            ("candidate", link, false) => Ok(TaskChange::RemoveLink(link)),
            ("assignee", Link::CandidateUser(user), true) => Ok(TaskChange::Assign(Some(user))),
            ("assignee", Link::CandidateUser(_), false) => Ok(TaskChange::Assign(None)),
            (kind, _, _) => Err(ApiError::invalid(format!(
                "The identity link type {kind:?} is not kept here: use candidate or assignee."
            ))),
        }
    }
}
