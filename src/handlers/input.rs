//! Reading inputs as modelers write them: a constant in a field of an element template arrives as text, so `200`, `true`
//! and `a, b` are understood as number, truth and list.

use std::time::Duration;

use jiff::SpanRelativeTo;
use jiff::fmt::temporal::SpanParser;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A span in ISO 8601 such as `PT30S` or `P1D`; a day has 24 hours.
pub fn duration(text: &str) -> Result<Duration, String> {
    let span = SpanParser::new().parse_span(text.trim());
    let length = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()));
    let length = length.map_err(|_| format!("`{text}` is no ISO 8601 duration; write for example PT30S"))?;
    Duration::try_from(length).map_err(|_| format!("`{text}` is negative; a duration here counts forward"))
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count(pub u64);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flag(pub bool);

/// A list of texts; one text is split at commas, semicolons and line ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words(pub Vec<String>);

/// A list of lines; one text is split at line ends only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines(pub Vec<String>);

/// A text; a number stands for its digits, as ids often arrive as numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(pub String);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(from)?;
        let number = match &value {
            Value::Number(number) => number.as_u64().or_else(|| whole(number.as_f64())),
            Value::String(text) => text.trim().parse().ok(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        number.map(Self).ok_or_else(|| D::Error::custom(format!("{value} is no whole number from 0")))
    }
}

fn whole(number: Option<f64>) -> Option<u64> {
    number.filter(|n| n.fract() == 0.0 && (0.0..9e15).contains(n)).map(|n| n as u64)
}

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(from)?;
        match value.as_bool().or_else(|| match value.as_str() {
            Some("true") => Some(true),
            Some("false" | "") => Some(false),
            Some(_) | None => None,
        }) {
            Some(flag) => Ok(Self(flag)),
            None => Err(D::Error::custom(format!("{value} is neither true nor false"))),
        }
    }
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        texts::<D>(Value::deserialize(from)?, &[',', ';', '\n']).map(Self)
    }
}

impl<'de> Deserialize<'de> for Lines {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        texts::<D>(Value::deserialize(from)?, &['\n']).map(Self)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match Value::deserialize(from)? {
            Value::String(text) => Ok(Self(text)),
            Value::Number(number) => Ok(Self(number.to_string())),
            other => Err(D::Error::custom(format!("{other} is no text"))),
        }
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        duration(&text).map(Self).map_err(D::Error::custom)
    }
}

fn texts<'de, D: Deserializer<'de>>(value: Value, ends: &[char]) -> Result<Vec<String>, D::Error> {
    match value {
        Value::String(text) => {
            Ok(text.split(ends).map(str::trim).filter(|one| !one.is_empty()).map(str::to_owned).collect())
        }
        Value::Array(list) => list
            .into_iter()
            .map(|one| match one {
                Value::String(text) => Ok(text),
                Value::Number(number) => Ok(number.to_string()),
                other => Err(D::Error::custom(format!("{other} in the list is no text"))),
            })
            .collect(),
        other => Err(D::Error::custom(format!("{other} is no list of texts"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json};

    #[test]
    fn constants_of_a_template_are_understood() {
        assert_eq!(from_value::<Count>(json!("200")).unwrap(), Count(200));
        assert_eq!(from_value::<Count>(json!(200.0)).unwrap(), Count(200));
        assert!(from_value::<Count>(json!(-1)).is_err());
        assert_eq!(from_value::<Flag>(json!("true")).unwrap(), Flag(true));
        assert!(from_value::<Flag>(json!("yes")).is_err());
        let words = Words(vec!["a@x".into(), "b@x".into()]);
        assert_eq!(from_value::<Words>(json!("a@x, b@x")).unwrap(), words);
        assert_eq!(from_value::<Words>(json!(["a@x", "b@x"])).unwrap(), words);
    }

    #[test]
    fn only_iso_8601_is_a_duration() {
        assert_eq!(duration("PT1M30S").unwrap(), Duration::from_secs(90));
        assert_eq!(duration("P1D").unwrap(), Duration::from_secs(86_400));
        for text in ["5 minutes", "", "-PT1S", "90"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
