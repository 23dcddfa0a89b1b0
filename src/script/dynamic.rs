//! JSON to Rhai's values and back. Whole numbers stay whole, null is `()`, and what a script did not touch is recognised
//! as unchanged. The way back is bounded in depth and bytes: a script can build values that share parts, and JSON cannot.

use crate::base::limits::{JSON_DEPTH_MAX, SCOPE_BYTES_MAX, VARIABLE_BYTES_MAX};
use rhai::{Array, Dynamic, ImmutableString, Map};
use serde_json::{Number, Value};

/// Depth of values that come in is bounded where they come in.
pub(super) fn from_json(value: Value) -> Dynamic {
    match value {
        Value::Null => Dynamic::UNIT,
        Value::Bool(holds) => holds.into(),
        Value::Number(number) => from_number(&number),
        Value::String(text) => text.into(),
        Value::Array(list) => Dynamic::from_array(list.into_iter().map(from_json).collect()),
        Value::Object(map) => {
            Dynamic::from_map(map.into_iter().map(|(key, value)| (key.into(), from_json(value))).collect())
        }
    }
}

/// Whole numbers beyond `i64` become fractions; they are rare, and Rhai has no other place for them.
fn from_number(number: &Number) -> Dynamic {
    match number.as_i64() {
        Some(whole) => whole.into(),
        None => number.as_f64().unwrap_or(f64::INFINITY).into(),
    }
}

/// Whether a value is still what [`from_json`] made of `before`.
pub(super) fn is_same(before: &Value, after: &Dynamic) -> bool {
    match before {
        Value::Null => after.is_unit(),
        Value::Bool(holds) => after.as_bool() == Ok(*holds),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => after.as_int() == Ok(whole),
            None => after.as_float().is_ok_and(|after| Some(after) == number.as_f64()),
        },
        Value::String(text) => after.read_lock::<ImmutableString>().is_some_and(|after| after.as_str() == text),
        Value::Array(list) => after.read_lock::<Array>().is_some_and(|after| {
            after.len() == list.len() && list.iter().zip(after.iter()).all(|(before, after)| is_same(before, after))
        }),
        Value::Object(map) => after.read_lock::<Map>().is_some_and(|after| {
            after.len() == map.len()
                && map.iter().all(|(key, before)| after.get(key.as_str()).is_some_and(|after| is_same(before, after)))
        }),
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotJson {
    TooLarge,
    Kind(String),
}

/// Turns values back into JSON, all those of one run out of one allowance.
pub(super) struct Writer {
    bytes_left: usize,
}

impl Writer {
    pub(super) fn new() -> Self {
        Self { bytes_left: SCOPE_BYTES_MAX }
    }

    pub(super) fn write(&mut self, value: &Dynamic) -> Result<Value, NotJson> {
        let before = self.bytes_left;
        let written = self.value(value, JSON_DEPTH_MAX)?;
        match before - self.bytes_left {
            bytes if bytes > VARIABLE_BYTES_MAX => Err(NotJson::TooLarge),
            _ => Ok(written),
        }
    }

    fn value(&mut self, value: &Dynamic, depth: usize) -> Result<Value, NotJson> {
        let below = depth.checked_sub(1).ok_or(NotJson::TooLarge)?;
        self.spend(8)?;
        if value.is_unit() {
            return Ok(Value::Null);
        }
        if let Ok(holds) = value.as_bool() {
            return Ok(holds.into());
        }
        if let Ok(whole) = value.as_int() {
            return Ok(whole.into());
        }
        if let Ok(fraction) = value.as_float() {
            return match Number::from_f64(fraction) {
                Some(number) => Ok(number.into()),
                None => Err(NotJson::Kind(format!("{fraction} cannot be stored as a number"))),
            };
        }
        if let Ok(character) = value.as_char() {
            return Ok(character.to_string().into());
        }
        if let Some(text) = value.read_lock::<ImmutableString>() {
            self.spend(text.len())?;
            return Ok(text.as_str().into());
        }
        if let Some(list) = value.read_lock::<Array>() {
            return list.iter().map(|value| self.value(value, below)).collect();
        }
        if let Some(map) = value.read_lock::<Map>() {
            let mut object = serde_json::Map::new();
            for (key, value) in map.iter() {
                self.spend(key.len())?;
                object.insert(key.to_string(), self.value(value, below)?);
            }
            return Ok(object.into());
        }
        let kind = value.type_name();
        let kind = kind.rsplit("::").next().unwrap_or(kind);
        Err(NotJson::Kind(match kind {
            "BpmnError" => "a BPMN error is no value: write throw bpmn_error(…)".into(),
            _ => format!("a value of the kind {kind} cannot be stored"),
        }))
    }

    fn spend(&mut self, bytes: usize) -> Result<(), NotJson> {
        self.bytes_left = self.bytes_left.checked_sub(bytes).ok_or(NotJson::TooLarge)?;
        Ok(())
    }
}

/// Texts, list elements and map entries of a value with all that is in it, as Rhai counts them against its limits.
pub(super) fn sizes(value: &Value) -> (usize, usize, usize) {
    let sum = |(a, b, c): (usize, usize, usize), (x, y, z)| (a + x, b + y, c + z);
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => (0, 0, 0),
        Value::String(text) => (text.len(), 0, 0),
        Value::Array(list) => list.iter().map(sizes).fold((0, list.len(), 0), sum),
        Value::Object(map) => map.values().map(sizes).fold((0, 0, map.len()), sum),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn json_survives_the_way_there_and_back() {
        let value = json!({
            "n": 3, "one": 1.0, "neg": -1, "max": i64::MAX, "nul": null, "yes": true, "t": "ä'\"",
            "list": [1, 2.5, [], {}], "nested": {"a": {"b": [1, 2, 3]}}
        });
        let there = from_json(value.clone());
        assert!(is_same(&value, &there));
        let back = Writer::new().write(&there).unwrap();
        assert_eq!(back, value);
        assert_eq!(back["one"].to_string(), "1.0", "a fraction stays one");
    }

    #[test]
    fn numbers_beyond_the_range_are_unchanged_unless_touched() {
        let value = json!(u64::MAX);
        assert!(is_same(&value, &from_json(value.clone())));
        assert!(!is_same(&value, &Dynamic::from(1_i64)));
        assert!(!is_same(&json!(1), &Dynamic::from(1.0)), "1 and 1.0 differ");
    }

    #[test]
    fn the_way_back_is_bounded() {
        let mut deep = Dynamic::from(1_i64);
        for _ in 0..JSON_DEPTH_MAX {
            deep = Dynamic::from_array(vec![deep]);
        }
        assert_eq!(Writer::new().write(&deep), Err(NotJson::TooLarge));
        let long = Dynamic::from("x".repeat(100_000));
        let many = Dynamic::from_array(vec![long; 20]);
        assert_eq!(Writer::new().write(&many), Err(NotJson::TooLarge));
        assert!(matches!(Writer::new().write(&f64::NAN.into()), Err(NotJson::Kind(_))));
    }
}
