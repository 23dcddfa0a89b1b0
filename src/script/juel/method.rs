//! Methods on values: the whole list. Each works on the kinds that Java's method of this name works on.

use super::operator::{equal, is_empty, text, whole};
use super::tree::Method;
use super::{moment, too_long};
use crate::base::limits::{JSON_DEPTH_MAX, VARIABLE_BYTES_MAX};
use crate::script::{EvaluationError, describe};
use serde_json::Value;

type Outcome = Result<Value, EvaluationError>;

/// More parts are a mistake in the separator.
const SPLIT_PARTS_MAX: usize = 10_000;
/// A pattern compiles to at most this; larger ones are attacks.
const PATTERN_BYTES_MAX: usize = 256 * 1024;

pub(super) fn call(method: Method, value: Value, arguments: &[Value]) -> Outcome {
    if value.is_null() {
        return Err(EvaluationError::Type("a method of null: ask first, as in ${x != null && x.contains('a')}".into()));
    }
    match method {
        Method::Length
        | Method::StartsWith
        | Method::EndsWith
        | Method::Substring
        | Method::ToLowerCase
        | Method::ToUpperCase
        | Method::Trim
        | Method::Replace
        | Method::Split => of_text(method, &value, arguments),
        Method::Contains => contains(&value, &arguments[0]),
        Method::Equals => Ok(Value::Bool(equal(&value, &arguments[0]))),
        Method::Size | Method::IsEmpty | Method::Get | Method::ContainsKey | Method::KeySet => {
            of_collection(method, value, arguments)
        }
        Method::Prop
        | Method::HasProp
        | Method::Elements
        | Method::StringValue
        | Method::NumberValue
        | Method::BoolValue
        | Method::Value => of_json(method, value, arguments),
        Method::Shift(..)
        | Method::StartOfDay
        | Method::HourOfDay
        | Method::MinuteOfHour
        | Method::SecondOfMinute
        | Method::ToDate => {
            let argument = arguments.first().map(count).transpose()?;
            moment::call(method, &value, argument)
        }
    }
}

/// A name of a variable or key.
pub(super) fn key(value: &Value) -> Result<&str, EvaluationError> {
    value.as_str().ok_or_else(|| EvaluationError::Type(format!("a name is expected, not {}", describe(value))))
}

/// `S(…)` and `JSON(…)`: reads a text; what is JSON already stays.
pub(super) fn read_json(value: &Value) -> Outcome {
    let Value::String(text) = value else {
        return Ok(value.clone());
    };
    let read: Value =
        serde_json::from_str(text).map_err(|error| EvaluationError::Failed(format!("this is no JSON: {error}")))?;
    if deeper_than(&read, JSON_DEPTH_MAX) {
        return Err(EvaluationError::Budget(format!("the JSON nests deeper than {JSON_DEPTH_MAX}")));
    }
    Ok(read)
}

fn deeper_than(value: &Value, depth: usize) -> bool {
    let Some(below) = depth.checked_sub(1) else {
        return true;
    };
    match value {
        Value::Array(list) => list.iter().any(|value| deeper_than(value, below)),
        Value::Object(map) => map.values().any(|value| deeper_than(value, below)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Characters are counted as Unicode scalar values.
fn of_text(method: Method, value: &Value, arguments: &[Value]) -> Outcome {
    let Value::String(this) = value else {
        return Err(EvaluationError::Type(format!("{} is no text", describe(value))));
    };
    let argument = |at: usize| arguments.get(at).map(text).unwrap_or_default();
    Ok(match method {
        Method::Length => this.chars().count().into(),
        Method::StartsWith => this.starts_with(argument(0).as_ref()).into(),
        Method::EndsWith => this.ends_with(argument(0).as_ref()).into(),
        Method::ToLowerCase => this.to_lowercase().into(),
        Method::ToUpperCase => this.to_uppercase().into(),
        Method::Trim => this.trim().into(),
        Method::Substring => {
            let from = count(&arguments[0])?;
            let to = arguments.get(1).map(count).transpose()?;
            return substring(this, from, to);
        }
        Method::Replace => return replace(this, &argument(0), &argument(1)),
        Method::Split => return split(this, &argument(0)),
        other => unreachable!("no method of texts: {other:?}"),
    })
}

fn substring(this: &str, from: i64, to: Option<i64>) -> Outcome {
    let length = this.chars().count();
    let end = match to {
        Some(to) => usize::try_from(to).ok(),
        None => Some(length),
    };
    match (usize::try_from(from).ok(), end) {
        (Some(from), Some(end)) if from <= end && end <= length => {
            Ok(this.chars().skip(from).take(end - from).collect::<String>().into())
        }
        _ => Err(EvaluationError::Failed(format!("substring: the text has {length} characters"))),
    }
}

/// Every occurrence, literally. The length is reckoned before the text is made.
fn replace(this: &str, old: &str, new: &str) -> Outcome {
    let occurrences = this.matches(old).count();
    let length = this.len() + occurrences.saturating_mul(new.len());
    if length > VARIABLE_BYTES_MAX + this.len() {
        return Err(too_long());
    }
    Ok(this.replace(old, new).into())
}

/// As Java: a separator with a backslash or `[` is a regular expression (`'\\|'`, `',\\s*'`), and empty parts at the end
/// are left out.
fn split(this: &str, separator: &str) -> Outcome {
    let mut parts: Vec<&str> = if separator.contains(['\\', '[']) {
        let pattern = regex::RegexBuilder::new(separator)
            .size_limit(PATTERN_BYTES_MAX)
            .build()
            .map_err(|error| EvaluationError::Failed(format!("split: {error}")))?;
        pattern.splitn(this, SPLIT_PARTS_MAX + 1).collect()
    } else if separator.is_empty() {
        let ends = this.char_indices().map(|(at, c)| &this[at..at + c.len_utf8()]);
        ends.take(SPLIT_PARTS_MAX + 1).collect()
    } else {
        this.splitn(SPLIT_PARTS_MAX + 1, separator).collect()
    };
    if parts.len() > SPLIT_PARTS_MAX {
        return Err(EvaluationError::Budget(format!("split gives more than {SPLIT_PARTS_MAX} parts")));
    }
    while parts.len() > 1 && parts.last().is_some_and(|part| part.is_empty()) {
        parts.pop();
    }
    Ok(parts.into_iter().map(Value::from).collect())
}

fn contains(value: &Value, wanted: &Value) -> Outcome {
    match value {
        Value::String(this) => Ok(this.contains(text(wanted).as_ref()).into()),
        Value::Array(list) => Ok(list.iter().any(|element| equal(element, wanted)).into()),
        Value::Object(map) => Ok(map.contains_key(text(wanted).as_ref()).into()),
        Value::Null | Value::Bool(_) | Value::Number(_) => Err(EvaluationError::Type(format!(
            "{} contains nothing: it is neither text nor list nor map",
            describe(value)
        ))),
    }
}

fn of_collection(method: Method, value: Value, arguments: &[Value]) -> Outcome {
    match (method, value) {
        (Method::IsEmpty, value @ (Value::String(_) | Value::Array(_) | Value::Object(_))) => {
            Ok(is_empty(&value).into())
        }
        (Method::Size, Value::Array(list)) => Ok(list.len().into()),
        (Method::Size, Value::Object(map)) => Ok(map.len().into()),
        (Method::Get, Value::Array(mut list)) => match usize::try_from(count(&arguments[0])?) {
            Ok(at) if at < list.len() => Ok(list.swap_remove(at)),
            _ => Err(EvaluationError::Failed(format!("get: the list has {} elements, counted from 0", list.len()))),
        },
        (Method::Get, Value::Object(mut map)) => Ok(map.remove(text(&arguments[0]).as_ref()).unwrap_or(Value::Null)),
        (Method::ContainsKey, Value::Object(map)) => Ok(map.contains_key(text(&arguments[0]).as_ref()).into()),
        (Method::KeySet, Value::Object(map)) => Ok(map.keys().map(|key| Value::from(key.as_str())).collect()),
        (Method::ContainsKey | Method::KeySet, other) => {
            Err(EvaluationError::Type(format!("{} is no map", describe(&other))))
        }
        (_, other) => Err(EvaluationError::Type(format!("{} is neither list nor map", describe(&other)))),
    }
}

/// Reading JSON as Camunda's Spin does: what is not there, or of another kind, is an error.
fn of_json(method: Method, value: Value, arguments: &[Value]) -> Outcome {
    match (method, value) {
        (Method::Prop, Value::Object(mut map)) => {
            let name = key(&arguments[0])?;
            map.remove(name)
                .ok_or_else(|| EvaluationError::Failed(format!("there is no property \"{name}\": ask with hasProp")))
        }
        (Method::HasProp, Value::Object(map)) => Ok(map.contains_key(key(&arguments[0])?).into()),
        (Method::Elements, list @ Value::Array(_))
        | (Method::StringValue, list @ Value::String(_))
        | (Method::NumberValue, list @ Value::Number(_))
        | (Method::BoolValue, list @ Value::Bool(_))
        | (Method::Value, list @ (Value::String(_) | Value::Number(_) | Value::Bool(_))) => Ok(list),
        (method, other) => {
            let wanted = match method {
                Method::Prop | Method::HasProp => "map",
                Method::Elements => "list",
                Method::StringValue => "text",
                Method::NumberValue => "number",
                Method::BoolValue => "Boolean",
                _ => "text, number or Boolean",
            };
            Err(EvaluationError::Type(format!("{} is no {wanted}", describe(&other))))
        }
    }
}

fn count(value: &Value) -> Result<i64, EvaluationError> {
    whole(value).ok_or_else(|| EvaluationError::Type(format!("a whole number is expected, not {}", describe(value))))
}
