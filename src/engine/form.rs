//! Generated forms (`camunda:formData`): fields with types, defaults and constraints, for a start or a user task.
//!
//! Camunda 7's rules: what is submitted is checked and converted field by field; a field that is not submitted takes its
//! default; what belongs to no field is taken as it comes.

use crate::base::time::Timestamp;
use crate::base::variable::{Variable, Variables};
use crate::script::{Compiled, Surroundings};
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Debug)]
pub struct GeneratedForm {
    pub fields: Vec<FormField>,
    /// The field that becomes the business key of the process it starts.
    pub business_key: Option<String>,
}

#[derive(Debug)]
pub struct FormField {
    pub id: String,
    pub label: Option<Compiled>,
    pub kind: FieldKind,
    pub default: Option<Compiled>,
    pub constraints: Vec<Constraint>,
    pub properties: BTreeMap<String, String>,
}

#[derive(Debug, PartialEq)]
pub enum FieldKind {
    String,
    Long,
    Boolean,
    /// As `strftime` writes it, and as the model does.
    Date {
        pattern: String,
        written: String,
    },
    /// Keys and what people read.
    Enum(Vec<(String, String)>),
}

impl FieldKind {
    /// As the model names it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Long => "long",
            Self::Boolean => "boolean",
            Self::Date { .. } => "date",
            Self::Enum(_) => "enum",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Constraint {
    Required,
    ReadOnly,
    Min(i64),
    Max(i64),
    MinLength(usize),
    MaxLength(usize),
}

impl Constraint {
    /// As the model names it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::ReadOnly => "readonly",
            Self::Min(_) => "min",
            Self::Max(_) => "max",
            Self::MinLength(_) => "minlength",
            Self::MaxLength(_) => "maxlength",
        }
    }

    /// What is wrong with a value, or with its absence.
    fn refuses(&self, value: Option<&Value>) -> Option<String> {
        let length = value.and_then(Value::as_str).map(|text| text.chars().count());
        let number = value.and_then(whole);
        match self {
            Self::Required if value.is_none() => Some("it is required".into()),
            Self::ReadOnly if value.is_some() => Some("it can only be read".into()),
            Self::Min(least) if number.is_some_and(|number| number < *least) => {
                Some(format!("it must be {least} or more"))
            }
            Self::Max(most) if number.is_some_and(|number| number > *most) => {
                Some(format!("it must be {most} or less"))
            }
            Self::MinLength(least) if length.is_some_and(|length| length < *least) => {
                Some(format!("it must have {least} characters or more"))
            }
            Self::MaxLength(most) if length.is_some_and(|length| length > *most) => {
                Some(format!("it must have {most} characters or fewer"))
            }
            Self::Required | Self::ReadOnly | Self::Min(_) | Self::Max(_) | Self::MinLength(_) | Self::MaxLength(_) => {
                None
            }
        }
    }
}

/// A field that was filled in wrongly, in words for who did.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("the form field '{field}' is not valid: {why}")]
pub struct FormError {
    pub field: String,
    pub why: String,
}

impl GeneratedForm {
    /// Checks and converts what was submitted; gives the variables to set.
    pub fn submit(&self, mut given: Variables, around: &mut dyn Surroundings) -> Result<Variables, FormError> {
        let mut taken = Variables::new();
        for field in &self.fields {
            if let Some(value) = field.submit(given.remove(&field.id), around)? {
                taken.insert(field.id.clone(), value);
            }
        }
        taken.extend(given);
        Ok(taken)
    }

    /// What the fields show at first: the variable of their name, else their default.
    pub fn values(&self, around: &mut dyn Surroundings) -> Result<Variables, FormError> {
        let mut shown = Variables::new();
        for field in &self.fields {
            shown.insert(field.id.clone(), field.value(around)?);
        }
        Ok(shown)
    }
}

impl FormField {
    fn error(&self, why: impl Into<String>) -> FormError {
        FormError { field: self.id.clone(), why: why.into() }
    }

    fn submit(&self, given: Option<Variable>, around: &mut dyn Surroundings) -> Result<Option<Variable>, FormError> {
        let filled = given.as_ref().filter(|given| !matches!(&given.value, Value::Null) && given.value != "");
        if let Some(why) = self.constraints.iter().find_map(|rule| rule.refuses(filled.map(|given| &given.value))) {
            return Err(self.error(why));
        }
        match given {
            Some(given) if filled_in(&given) => self.convert(given).map(Some),
            Some(empty) => Ok(Some(Variable { value: Value::Null, tag: empty.tag })),
            None => self.default(around),
        }
    }

    fn default(&self, around: &mut dyn Surroundings) -> Result<Option<Variable>, FormError> {
        let Some(default) = &self.default else { return Ok(None) };
        let value = default.evaluate(around).map_err(|error| self.error(format!("its default: {error}")))?;
        if value.is_null() { Ok(None) } else { self.convert(value.into()).map(Some) }
    }

    fn value(&self, around: &mut dyn Surroundings) -> Result<Variable, FormError> {
        match around.variable(&self.id) {
            Some(Value::Null) | None => Ok(self.default(around)?.unwrap_or_default()),
            Some(value) => self.convert(value.into()),
        }
    }

    /// To the type of the field.
    fn convert(&self, given: Variable) -> Result<Variable, FormError> {
        let wrong = |what: &str| self.error(format!("{} is not {what}", given.value));
        match (&self.kind, &given.value) {
            (FieldKind::String, Value::String(_)) => Ok(given),
            (FieldKind::String, Value::Number(_) | Value::Bool(_)) => Ok(given.value.to_string().into()),
            (FieldKind::String, Value::Null | Value::Array(_) | Value::Object(_)) => Err(wrong("a text")),
            (FieldKind::Long, value) => match whole(value) {
                Some(number) => Ok(Variable::tagged(number.into(), "Long")),
                None => Err(wrong("a whole number")),
            },
            (FieldKind::Boolean, Value::Bool(_)) => Ok(given),
            (FieldKind::Boolean, Value::String(text)) if text == "true" || text == "false" => {
                Ok((text == "true").into())
            }
            (FieldKind::Boolean, _) => Err(wrong("true or false")),
            (FieldKind::Date { pattern, written }, Value::String(text)) => match date(text, pattern) {
                Some(at) => Ok(Variable::tagged(at.to_string().into(), "Date")),
                None => Err(wrong(&format!("a date like {written}"))),
            },
            (FieldKind::Date { written, .. }, _) => Err(wrong(&format!("a date like {written}"))),
            (FieldKind::Enum(values), Value::String(text)) if values.iter().any(|(key, _)| key == text) => Ok(given),
            (FieldKind::Enum(values), _) => {
                let keys: Vec<&str> = values.iter().map(|(key, _)| key.as_str()).collect();
                Err(wrong(&format!("one of {}", keys.join(", "))))
            }
        }
    }
}

fn filled_in(given: &Variable) -> bool {
    !given.value.is_null() && given.value != ""
}

fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// By the pattern of the field, in UTC; or as dates are written on the wire.
fn date(text: &str, pattern: &str) -> Option<Timestamp> {
    if let Ok(at) = Timestamp::parse(text) {
        return Some(at);
    }
    let parsed = jiff::fmt::strtime::parse(pattern, text).ok()?;
    let time = parsed.to_time().unwrap_or(jiff::civil::Time::midnight());
    let at = parsed.to_date().ok()?.to_datetime(time).to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(Timestamp(at.timestamp().as_millisecond()))
}

/// A pattern as Java writes it (`dd/MM/yyyy HH:mm`), as `strftime` does; none for letters that are not known here.
pub(crate) fn date_pattern(written: &str) -> Option<String> {
    const LETTERS: [(&str, &str); 8] = [
        ("yyyy", "%Y"),
        ("yy", "%y"),
        ("MM", "%m"),
        ("dd", "%d"),
        ("HH", "%H"),
        ("mm", "%M"),
        ("ss", "%S"),
        ("y", "%Y"),
    ];
    let (mut rest, mut pattern) = (written, String::new());
    while let Some(next) = rest.chars().next() {
        if let Some((letters, directive)) = LETTERS.iter().find(|(letters, _)| rest.starts_with(letters)) {
            pattern.push_str(directive);
            rest = &rest[letters.len()..];
        } else if next.is_ascii_alphabetic() || next == '%' || next == '\'' {
            return None;
        } else {
            pattern.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    Some(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Language;
    use crate::script::testing::Fixed;
    use serde_json::json;

    fn field(id: &str, kind: FieldKind, constraints: Vec<Constraint>, default: Option<&str>) -> FormField {
        let default = default.map(|text| Compiled::compile(Language::Juel, text).unwrap());
        FormField { id: id.into(), label: None, kind, default, constraints, properties: BTreeMap::new() }
    }

    fn form() -> GeneratedForm {
        let pattern = date_pattern("dd.MM.yyyy").unwrap();
        let date = FieldKind::Date { pattern, written: "dd.MM.yyyy".into() };
        let size = FieldKind::Enum(vec![("s".into(), "small".into()), ("l".into(), "large".into())]);
        let fields = vec![
            field("name", FieldKind::String, vec![Constraint::Required, Constraint::MinLength(2)], None),
            field("count", FieldKind::Long, vec![Constraint::Min(1), Constraint::Max(9)], Some("${n + 1}")),
            field("sure", FieldKind::Boolean, vec![], None),
            field("day", date, vec![], None),
            field("size", size, vec![], None),
            field("fixed", FieldKind::String, vec![Constraint::ReadOnly], Some("as it is")),
        ];
        GeneratedForm { fields, business_key: None }
    }

    fn submit(given: Value) -> Result<Variables, String> {
        let given = crate::base::variable::from_json(given);
        form().submit(given, &mut Fixed::new(json!({"n": 3}))).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_submitted_is_converted_and_what_is_not_takes_its_default() {
        let taken =
            submit(json!({"name": "ann", "sure": "true", "day": "06.05.2031", "size": "l", "other": [1]})).unwrap();
        assert_eq!(taken["count"], Variable::tagged(json!(4), "Long"));
        assert_eq!(taken["sure"].value, json!(true));
        assert_eq!(taken["day"], Variable::tagged(json!("2031-05-06T00:00:00.000Z"), "Date"));
        assert_eq!(taken["fixed"].value, json!("as it is"));
        assert_eq!(taken["other"].value, json!([1]), "what belongs to no field is taken as it comes");
        assert_eq!(taken.len(), 7);
        assert_eq!(submit(json!({"name": "ann", "count": "9"})).unwrap()["count"].value, json!(9));
    }

    #[test]
    fn what_is_wrong_is_told_by_its_field() {
        let cases = [
            (json!({}), "'name' is not valid: it is required"),
            (json!({"name": ""}), "'name' is not valid: it is required"),
            (json!({"name": "a"}), "it must have 2 characters or more"),
            (json!({"name": "ann", "count": 0}), "'count' is not valid: it must be 1 or more"),
            (json!({"name": "ann", "count": 10}), "it must be 9 or less"),
            (json!({"name": "ann", "count": "many"}), "\"many\" is not a whole number"),
            (json!({"name": "ann", "sure": "yes"}), "is not true or false"),
            (json!({"name": "ann", "day": "5/6/31"}), "is not a date like dd.MM.yyyy"),
            (json!({"name": "ann", "size": "m"}), "is not one of s, l"),
            (json!({"name": "ann", "fixed": "new"}), "it can only be read"),
        ];
        for (given, words) in cases {
            let error = submit(given.clone()).unwrap_err();
            assert!(error.contains(words), "{given}: {error}");
        }
    }

    #[test]
    fn values_are_the_variables_or_the_defaults() {
        let shown = form().values(&mut Fixed::new(json!({"n": 3, "name": "bob"}))).unwrap();
        assert_eq!((shown["name"].value.clone(), shown["count"].value.clone()), (json!("bob"), json!(4)));
        assert_eq!(shown["sure"].value, Value::Null);
    }

    #[test]
    fn patterns_of_dates() {
        assert_eq!(date_pattern("yyyy-MM-dd HH:mm:ss").as_deref(), Some("%Y-%m-%d %H:%M:%S"));
        assert_eq!(date_pattern("EEE dd"), None);
        assert_eq!(date("2031-05-06 07:08:09", "%Y-%m-%d %H:%M:%S"), Some(Timestamp(1_935_817_689_000)));
    }
}
