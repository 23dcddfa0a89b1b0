//! `/task/{id}/comment` and `/process-instance/{id}/comment`: what people say about their work. Of ended work too.

use super::task::past_of;
use super::{removal_time, time};
use crate::api::audit::Fact;
use crate::api::call::Call;
use crate::api::error::{Answer, ApiError};
use crate::api::json::{Json, json, no_content};
use crate::api::wire;
use crate::base::id::{InstanceId, TokenId};
use crate::store::queries::notes::Comment;
use crate::store::queries::record::InstanceRecord;
use axum::extract::Path;
use serde::Deserialize;
use serde_json::{Value, json as shape};

/// What is spoken of: a task, or an instance with all its tasks.
struct Subject {
    instance: InstanceRecord,
    token: Option<i64>,
}

async fn of_task(call: &Call, id: &str) -> Result<Subject, ApiError> {
    let (inner, instance) = past_of(call, id).await?;
    Ok(Subject { instance, token: Some(inner.number.into()) })
}

async fn of_instance(call: &Call, id: &str) -> Result<Subject, ApiError> {
    let absent = || ApiError::absent(format!("No process instance found for id {id}"));
    let instance = call.instance_record(wire::instance(id).ok_or_else(absent)?).await?.ok_or_else(absent)?;
    Ok(Subject { instance, token: None })
}

fn shape_of(subject: &Subject, comment: &Comment) -> Value {
    let row = &subject.instance;
    let task = comment.token.map(|token| format!("{}:{token}", comment.instance));
    shape!({
        "links": [],
        "id": comment.id,
        "userId": comment.author,
        "taskId": task,
        "processInstanceId": comment.instance.to_string(),
        "time": time(comment.at),
        "message": comment.message,
        "removalTime": removal_time(row.ended_at, row.history_ttl_days),
        "rootProcessInstanceId": row.root.to_string(),
    })
}

impl Subject {
    /// Whoever may work on it may say something about it.
    async fn allow(&self, call: &Call) -> Result<(), ApiError> {
        let instance = InstanceId(self.instance.id);
        match self.token.and_then(|token| u32::try_from(token).ok()) {
            Some(token) => call.allow_task_work(instance, TokenId(token)).await,
            None => call.allow_update(instance).await,
        }
    }

    /// Which comment it was, not what it says.
    async fn tell(&self, call: &Call, kind: &'static str, id: Option<&str>) -> Result<(), ApiError> {
        let fact = Fact::new(kind, "Comment").of("commentId", None, id.map(str::to_owned));
        call.tell_of_note((self.instance.id, self.token), fact).await
    }

    async fn all(&self, call: &Call) -> Result<Vec<Comment>, ApiError> {
        Ok(call.state.store().comments(self.instance.id, self.token).await?)
    }

    async fn find(&self, call: &Call, id: &str) -> Result<Comment, ApiError> {
        let found = self.all(call).await?.into_iter().find(|comment| comment.id == id);
        found.ok_or_else(|| ApiError::absent(format!("Comment with id {id} does not exist for this task or instance")))
    }

    async fn list(&self, call: &Call) -> Answer {
        let all = self.all(call).await?;
        json(all.iter().map(|comment| shape_of(self, comment)).collect::<Vec<_>>())
    }

    async fn change(&self, call: &Call, change: Change) -> Answer {
        let id = change.id.ok_or_else(|| ApiError::invalid("A comment is changed by its id: name it."))?;
        let message = said(change.message)?;
        let comment = self.find(call, &id).await?;
        self.allow(call).await?;
        call.state.store().change_comment(&comment.id, &message).await?;
        self.tell(call, "UpdateComment", Some(&comment.id)).await?;
        no_content()
    }

    async fn remove(&self, call: &Call, id: &str) -> Answer {
        self.allow(call).await?;
        call.state.store().remove_comment(&self.find(call, id).await?.id).await?;
        self.tell(call, "DeleteComment", Some(id)).await?;
        no_content()
    }

    async fn remove_all(&self, call: &Call) -> Answer {
        self.allow(call).await?;
        call.state.store().remove_comments(self.instance.id, self.token).await?;
        self.tell(call, "DeleteComment", None).await?;
        no_content()
    }
}

fn said(message: Option<String>) -> Result<String, ApiError> {
    message.filter(|message| !message.is_empty()).ok_or_else(|| ApiError::invalid("A comment needs a message."))
}

#[derive(Deserialize)]
pub(super) struct Change {
    id: Option<String>,
    message: Option<String>,
}

pub(super) async fn of_a_task(call: Call, Path(id): Path<String>) -> Answer {
    of_task(&call, &id).await?.list(&call).await
}

pub(super) async fn one(call: Call, Path((id, comment)): Path<(String, String)>) -> Answer {
    let subject = of_task(&call, &id).await?;
    json(shape_of(&subject, &subject.find(&call, &comment).await?))
}

pub(super) async fn create(call: Call, Path(id): Path<String>, Json(body): Json<Change>) -> Answer {
    let subject = of_task(&call, &id).await?;
    subject.allow(&call).await?;
    let comment = Comment {
        id: wire::random(),
        instance: subject.instance.id,
        token: subject.token,
        author: call.caller.user.clone(),
        at: call.now().0,
        message: said(body.message)?,
    };
    call.state.store().add_comment(&comment).await?;
    subject.tell(&call, "AddComment", Some(&comment.id)).await?;
    json(shape_of(&subject, &comment))
}

pub(super) async fn change(call: Call, Path(id): Path<String>, Json(body): Json<Change>) -> Answer {
    of_task(&call, &id).await?.change(&call, body).await
}

pub(super) async fn remove(call: Call, Path((id, comment)): Path<(String, String)>) -> Answer {
    of_task(&call, &id).await?.remove(&call, &comment).await
}

pub(super) async fn remove_all(call: Call, Path(id): Path<String>) -> Answer {
    of_task(&call, &id).await?.remove_all(&call).await
}

pub(super) async fn of_an_instance(call: Call, Path(id): Path<String>) -> Answer {
    of_instance(&call, &id).await?.list(&call).await
}

pub(super) async fn change_of_instance(call: Call, Path(id): Path<String>, Json(body): Json<Change>) -> Answer {
    of_instance(&call, &id).await?.change(&call, body).await
}

pub(super) async fn remove_of_instance(call: Call, Path((id, comment)): Path<(String, String)>) -> Answer {
    of_instance(&call, &id).await?.remove(&call, &comment).await
}

pub(super) async fn remove_all_of_instance(call: Call, Path(id): Path<String>) -> Answer {
    of_instance(&call, &id).await?.remove_all(&call).await
}
