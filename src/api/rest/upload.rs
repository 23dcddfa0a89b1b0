//! `POST …/variables/{name}/data`: a File or Bytes as a form with the parts `data` and `valueType`.

use crate::api::error::ApiError;
use crate::api::value;
use crate::base::limits::REQUEST_BYTES_MAX;
use crate::base::variable::Variable;
use axum::extract::Multipart;
use axum::extract::multipart::{Field, MultipartError};

/// One part of a form, whole.
pub(super) struct Part {
    pub(super) name: String,
    pub(super) file_name: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) bytes: Vec<u8>,
}

impl Part {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// All parts of a form, within a limit on their sum.
pub(super) async fn parts(form: &mut Multipart, limit: usize) -> Result<Vec<Part>, ApiError> {
    let mut parts = Vec::new();
    let mut left = limit;
    while let Some(field) = form.next_field().await.map_err(|error| broken(&error, limit))? {
        let part = part(field, &mut left, limit).await?;
        parts.push(part);
    }
    Ok(parts)
}

async fn part(mut field: Field<'_>, left: &mut usize, limit: usize) -> Result<Part, ApiError> {
    let name = field.name().unwrap_or_default().to_owned();
    let file_name = field.file_name().map(str::to_owned).filter(|name| !name.is_empty());
    let kind = field.content_type().map(str::to_owned);
    let mut bytes = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(|error| broken(&error, limit))? {
        *left = left.checked_sub(chunk.len()).ok_or_else(|| ApiError::too_large(limit))?;
        bytes.extend_from_slice(&chunk);
    }
    Ok(Part { name, file_name, kind, bytes })
}

pub(super) fn broken(error: &MultipartError, limit: usize) -> ApiError {
    if error.status() == axum::http::StatusCode::PAYLOAD_TOO_LARGE {
        return ApiError::too_large(limit);
    }
    ApiError::invalid(format!("The multipart body cannot be read: {}", error.body_text()))
}

pub(super) async fn variable(mut form: Multipart) -> Result<Variable, ApiError> {
    let parts = parts(&mut form, REQUEST_BYTES_MAX).await?;
    let find = |name: &str| parts.iter().find(|part| part.name == name);
    let data = find("data").ok_or_else(|| ApiError::invalid("The form has no part named data."))?;
    let kind = find("valueType").map(Part::text);
    match kind.as_deref().unwrap_or("File") {
        word if word.eq_ignore_ascii_case("bytes") => Ok(value::uploaded_bytes(&data.bytes)),
        word if word.eq_ignore_ascii_case("file") => {
            let mime = data.kind.as_deref().map(|kind| kind.split(';').next().unwrap_or_default().trim().to_owned());
            let encoding = data.kind.as_deref().and_then(|kind| {
                kind.split(';').find_map(|part| part.trim().strip_prefix("charset=")).map(str::to_owned)
            });
            let name = data.file_name.clone().unwrap_or_else(|| "data".to_owned());
            Ok(value::uploaded_file(&data.bytes, name, mime, encoding))
        }
        other => Err(ApiError::invalid(format!("valueType {other:?} is not known: use File or Bytes."))),
    }
}
