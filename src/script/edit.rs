//! What an expression or script at a user task may change of the task: `task.setAssignee('ann')` in JUEL,
//! `set_assignee("ann")` in Rhai.

use super::{EvaluationError, describe};
use crate::base::time::{TimerKind, Timestamp, first_due};
use serde_json::Value;

/// One change. An absent value clears the field.
#[derive(Clone, Debug, PartialEq)]
pub enum TaskEdit {
    Assignee(Option<String>),
    Owner(Option<String>),
    Name(Option<String>),
    Description(Option<String>),
    Priority(i64),
    Due(Option<Timestamp>),
    FollowUp(Option<Timestamp>),
    AddCandidateUser(String),
    DeleteCandidateUser(String),
    AddCandidateGroup(String),
    DeleteCandidateGroup(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EditKind {
    Assignee,
    Owner,
    Name,
    Description,
    Priority,
    Due,
    FollowUp,
    AddCandidateUser,
    DeleteCandidateUser,
    AddCandidateGroup,
    DeleteCandidateGroup,
}

/// The method of `task` in JUEL, the function in Rhai; each takes one value.
pub(crate) const EDITS: [(&str, &str, EditKind); 11] = [
    ("setAssignee", "set_assignee", EditKind::Assignee),
    ("setOwner", "set_owner", EditKind::Owner),
    ("setName", "set_name", EditKind::Name),
    ("setDescription", "set_description", EditKind::Description),
    ("setPriority", "set_priority", EditKind::Priority),
    ("setDueDate", "set_due_date", EditKind::Due),
    ("setFollowUpDate", "set_follow_up_date", EditKind::FollowUp),
    ("addCandidateUser", "add_candidate_user", EditKind::AddCandidateUser),
    ("deleteCandidateUser", "delete_candidate_user", EditKind::DeleteCandidateUser),
    ("addCandidateGroup", "add_candidate_group", EditKind::AddCandidateGroup),
    ("deleteCandidateGroup", "delete_candidate_group", EditKind::DeleteCandidateGroup),
];

impl TaskEdit {
    /// Dates are ISO 8601, or a period from `now`.
    pub(crate) fn of(kind: EditKind, value: &Value, now: Timestamp) -> Result<TaskEdit, EvaluationError> {
        Ok(match kind {
            EditKind::Assignee => Self::Assignee(text(value)?),
            EditKind::Owner => Self::Owner(text(value)?),
            EditKind::Name => Self::Name(text(value)?),
            EditKind::Description => Self::Description(text(value)?),
            EditKind::Priority => Self::Priority(whole(value)?),
            EditKind::Due => Self::Due(instant(value, now)?),
            EditKind::FollowUp => Self::FollowUp(instant(value, now)?),
            EditKind::AddCandidateUser => Self::AddCandidateUser(name(value)?),
            EditKind::DeleteCandidateUser => Self::DeleteCandidateUser(name(value)?),
            EditKind::AddCandidateGroup => Self::AddCandidateGroup(name(value)?),
            EditKind::DeleteCandidateGroup => Self::DeleteCandidateGroup(name(value)?),
        })
    }
}

/// Null and the empty text are nothing.
fn text(value: &Value) -> Result<Option<String>, EvaluationError> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        Value::Number(number) => Ok(Some(number.to_string())),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            Err(EvaluationError::Type(format!("a text is expected, not {}", describe(value))))
        }
    }
}

fn name(value: &Value) -> Result<String, EvaluationError> {
    text(value)?.ok_or_else(|| EvaluationError::Type("a name is expected, this is empty".into()))
}

fn whole(value: &Value) -> Result<i64, EvaluationError> {
    let number = match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    number.ok_or_else(|| EvaluationError::Type(format!("a whole number is expected, not {}", describe(value))))
}

fn instant(value: &Value, now: Timestamp) -> Result<Option<Timestamp>, EvaluationError> {
    let Some(text) = text(value)? else { return Ok(None) };
    parse_instant(&text, now).map(Some).map_err(EvaluationError::Type)
}

/// A date, or a period from now.
pub(crate) fn parse_instant(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let parsed = if text.starts_with('P') {
        first_due(TimerKind::Duration, text, now).map(|(due, _)| due)
    } else {
        Timestamp::parse(text)
    };
    parsed.map_err(|error| format!("{text:?} is neither a date nor a period: {error}"))
}
