//! `/task/{id}/attachment`: files of a task, or addresses of such. Of ended tasks too.

use super::task::past_of;
use super::upload::{self, Part};
use super::{removal_time, time};
use crate::api::audit::Fact;
use crate::api::call::Call;
use crate::api::error::{Answer, ApiError};
use crate::api::json::{file, json, no_content};
use crate::api::wire;
use crate::base::limits::REQUEST_BYTES_MAX;
use crate::store::queries::notes::Attachment;
use crate::store::queries::record::InstanceRecord;
use axum::extract::{Multipart, Path};
use serde_json::{Value, json as shape};

fn shape_of(of: &InstanceRecord, attachment: &Attachment) -> Value {
    shape!({
        "links": [],
        "id": attachment.id,
        "name": attachment.name,
        "description": attachment.description,
        "taskId": format!("{}:{}", attachment.instance, attachment.token),
        "type": attachment.kind,
        "url": attachment.url,
        "createTime": time(attachment.at),
        "removalTime": removal_time(of.ended_at, of.history_ttl_days),
        "rootProcessInstanceId": of.root.to_string(),
    })
}

async fn all(call: &Call, id: &str) -> Result<(InstanceRecord, Vec<Attachment>), ApiError> {
    let (task, instance) = past_of(call, id).await?;
    let found = call.state.store().attachments(instance.id, Some(task.number.into())).await?;
    Ok((instance, found))
}

async fn find(call: &Call, task: &str, id: &str) -> Result<(InstanceRecord, Attachment), ApiError> {
    let (instance, all) = all(call, task).await?;
    let found = all.into_iter().find(|attachment| attachment.id == id);
    let absent = || ApiError::absent(format!("Attachment with id {id} does not exist for task id '{task}'."));
    Ok((instance, found.ok_or_else(absent)?))
}

pub(super) async fn list(call: Call, Path(id): Path<String>) -> Answer {
    let (instance, all) = all(&call, &id).await?;
    json(all.iter().map(|attachment| shape_of(&instance, attachment)).collect::<Vec<_>>())
}

pub(super) async fn get(call: Call, Path((task, id)): Path<(String, String)>) -> Answer {
    let (instance, found) = find(&call, &task, &id).await?;
    json(shape_of(&instance, &found))
}

pub(super) async fn data(call: Call, Path((task, id)): Path<(String, String)>) -> Answer {
    let (_, found) = find(&call, &task, &id).await?;
    let bytes = call.state.store().attachment_bytes(&found.id).await?;
    let absent = || {
        ApiError::absent(format!(
            "Attachment content for attachment with id '{id}' does not exist for task id '{task}'."
        ))
    };
    file(bytes.ok_or_else(absent)?, "application/octet-stream", found.name.as_deref())
}

/// A form: `content` or `url`, with `attachment-name`, `attachment-description`, `attachment-type`.
pub(super) async fn create(call: Call, Path(id): Path<String>, mut form: Multipart) -> Answer {
    let parts = upload::parts(&mut form, REQUEST_BYTES_MAX).await?;
    let (task, instance) = past_of(&call, &id).await?;
    call.allow_task_work(task.instance, task.token()).await?;
    let part = |name: &str| parts.iter().find(|part| part.name == name);
    let text = |name: &str| part(name).map(Part::text).filter(|text| !text.is_empty());
    let (content, url) = (part("content"), text("url"));
    if content.is_none() && url.is_none() {
        return Err(ApiError::invalid("No content nor url to remote content exists to create the task attachment."));
    }
    let attachment = Attachment {
        id: wire::random(),
        instance: instance.id,
        token: task.number.into(),
        author: call.caller.user.clone(),
        at: call.now().0,
        name: text("attachment-name").or_else(|| content.and_then(|content| content.file_name.clone())),
        description: text("attachment-description"),
        kind: text("attachment-type").or_else(|| content.and_then(|content| content.kind.clone())),
        url,
    };
    call.state.store().add_attachment(&attachment, content.map(|content| content.bytes.clone())).await?;
    let fact = Fact::new("AddAttachment", "Attachment").of("name", None, attachment.name.clone());
    call.tell_of_note((attachment.instance, Some(attachment.token)), fact).await?;
    json(shape_of(&instance, &attachment))
}

pub(super) async fn remove(call: Call, Path((task, id)): Path<(String, String)>) -> Answer {
    let (_, found) = find(&call, &task, &id).await?;
    if let Some(inner) = wire::Inner::parse(&task) {
        call.allow_task_work(inner.instance, inner.token()).await?;
    }
    call.state.store().remove_attachment(&found.id).await?;
    let fact = Fact::new("DeleteAttachment", "Attachment").of("name", found.name.clone(), None);
    call.tell_of_note((found.instance, Some(found.token)), fact).await?;
    no_content()
}
