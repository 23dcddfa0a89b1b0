//! Variables: JSON values, with the wire type where it is more than the value tells (Date, File, Long, Object, …).
//!
//! Expressions and scripts see the value only. Shapes on the wire: `api`.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

pub type Variables = BTreeMap<String, Variable>;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Variable {
    #[serde(rename = "v")]
    pub value: Value,
    /// Absent: the type that the value itself shows.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<Box<Tag>>,
}

/// The declared type and its facts, as `{"type": "Date", "valueInfo": {…}}` on the wire.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tag {
    #[serde(rename = "k")]
    pub kind: String,
    #[serde(rename = "i", default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub info: serde_json::Map<String, Value>,
}

impl Variable {
    pub fn tagged(value: Value, kind: &str) -> Self {
        Self { value, tag: Some(Box::new(Tag { kind: kind.into(), info: serde_json::Map::new() })) }
    }
}

impl<T: Into<Value>> From<T> for Variable {
    fn from(value: T) -> Self {
        Self { value: value.into(), tag: None }
    }
}

/// Untyped variables from a JSON object; anything else gives none.
pub fn from_json(object: Value) -> Variables {
    match object {
        Value::Object(map) => map.into_iter().map(|(name, value)| (name, Variable { value, tag: None })).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Variables::new(),
    }
}
