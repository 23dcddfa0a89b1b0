//! Variables on the wire (`rest.md` 2.1): `{"type", "value", "valueInfo"}` in both directions.
//!
//! Inside, a variable is a JSON value that expressions see, with a tag where the wire's type is more than the value tells.
//! Json, Xml and Object travel as texts; Json and Object are kept as values, so that models can look into them.

use super::error::ApiError;
use crate::base::limits::VARIABLE_BYTES_MAX;
use crate::base::time::Timestamp;
use crate::base::variable::{Tag, Variable, Variables};
use data_encoding::BASE64;
use serde_json::{Map, Number, Value, json};

/// The types of the wire, as they leave (D8).
const KINDS: [&str; 13] = [
    "Null", "Boolean", "Short", "Integer", "Long", "Double", "String", "Date", "Bytes", "File", "Json", "Xml", "Object",
];
const JSON_FORMAT: &str = "application/json";

/// How an object leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Objects {
    /// As a value (`deserializeValue=true`, the default of reads).
    Open,
    /// As a text (the default of fetchAndLock).
    Text,
}

/// A member `variables` of a body: absent and null are none.
pub(crate) fn read_all(variables: Option<&Value>) -> Result<Variables, ApiError> {
    let Some(variables) = variables.filter(|value| !value.is_null()) else {
        return Ok(Variables::new());
    };
    let Value::Object(members) = variables else {
        return Err(ApiError::invalid("variables must be an object of {\"name\": {\"value\": …, \"type\": …}}."));
    };
    members.iter().map(|(name, wire)| Ok((name.clone(), read(wire)?))).collect()
}

/// One `{"type", "value", "valueInfo"}`.
pub(crate) fn read(wire: &Value) -> Result<Variable, ApiError> {
    let Value::Object(members) = wire else {
        return Err(ApiError::invalid("A variable is an object: {\"value\": …, \"type\": …}."));
    };
    let value = members.get("value").cloned().unwrap_or(Value::Null);
    let info = match members.get("valueInfo") {
        Some(Value::Object(info)) => info.clone(),
        _ => Map::new(),
    };
    if info.get("transient") == Some(&Value::Bool(true)) {
        let words = "Variables that are transient are not taken by this version: it would store them.";
        return Err(ApiError::invalid(words));
    }
    let variable = match members.get("type") {
        None | Some(Value::Null) => inferred(value),
        Some(Value::String(kind)) => typed(kind_of(kind)?, value, &info)?,
        Some(_) => return Err(ApiError::invalid("The type of a variable is a text.")),
    };
    let size = serde_json::to_string(&variable.value).map_or(0, |text| text.len());
    if size > VARIABLE_BYTES_MAX {
        let words = format!(
            "A variable of {size} bytes is above the limit of {VARIABLE_BYTES_MAX}: keep it outside and store its address."
        );
        return Err(ApiError::invalid(words));
    }
    Ok(variable)
}

/// Either case of the first letter, no other.
fn kind_of(word: &str) -> Result<&'static str, ApiError> {
    let fits =
        |kind: &&&str| kind.len() == word.len() && kind[1..] == word[1..] && kind[..1].eq_ignore_ascii_case(&word[..1]);
    if !word.is_ascii() || word.is_empty() {
        return Err(ApiError::invalid(format!("Unsupported value type '{word}'")));
    }
    KINDS.iter().find(fits).copied().ok_or_else(|| ApiError::invalid(format!("Unsupported value type '{word}'")))
}

/// Without a type: what the value itself shows. Numbers beyond 64 bits become a Double.
fn inferred(value: Value) -> Variable {
    match value {
        Value::Number(number) if number.as_i64().is_none() => real(number.as_f64().unwrap_or(0.0)),
        other => Variable { value: other, tag: None },
    }
}

fn typed(kind: &'static str, value: Value, info: &Map<String, Value>) -> Result<Variable, ApiError> {
    if value.is_null() && kind != "File" {
        return Ok(if kind == "Null" { Variable::from(Value::Null) } else { Variable::tagged(Value::Null, kind) });
    }
    match kind {
        "Null" => Err(not_of(kind, &value)),
        "Boolean" => boolean(&value).map(Variable::from).ok_or_else(|| not_of(kind, &value)),
        "String" => match value {
            Value::String(text) => Ok(Variable::from(text)),
            other => Err(not_of(kind, &other)),
        },
        "Short" | "Integer" | "Long" => whole(kind, value),
        "Double" => match real_of(&value) {
            Some(number) => Ok(real(number)),
            None => Err(not_of(kind, &value)),
        },
        "Date" => date(value),
        "Bytes" => bytes(value),
        "File" => stored_file(value, info),
        "Json" => from_text(kind, value).map(|value| match value {
            open @ (Value::Array(_) | Value::Object(_)) => Variable::from(open),
            closed => Variable::tagged(closed, "Json"),
        }),
        "Xml" => match value {
            text @ Value::String(_) => Ok(Variable::tagged(text, "Xml")),
            other => Err(not_of(kind, &other)),
        },
        "Object" => object(value, info),
        other => Err(ApiError::invalid(format!("Unsupported value type '{other}'"))),
    }
}

fn whole(kind: &'static str, value: Value) -> Result<Variable, ApiError> {
    let number = match &value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    let (least, most) = match kind {
        "Short" => (i16::MIN.into(), i16::MAX.into()),
        "Integer" => (i32::MIN.into(), i32::MAX.into()),
        _ => (i64::MIN, i64::MAX),
    };
    let number = number.filter(|number| (least..=most).contains(number)).ok_or_else(|| not_of(kind, &value))?;
    let shows = if i32::try_from(number).is_ok() { "Integer" } else { "Long" };
    Ok(if shows == kind { Variable::from(number) } else { Variable::tagged(number.into(), kind) })
}

fn real_of(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse().ok().filter(|number: &f64| number.is_finite()),
        _ => None,
    }
}

/// Always with a fraction, so that the value shows that it is a Double.
fn real(number: f64) -> Variable {
    Variable::from(Number::from_f64(number).map_or(Value::Null, Value::Number))
}

fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(*value),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// Kept as the text that expressions reckon with.
fn date(value: Value) -> Result<Variable, ApiError> {
    let at = match &value {
        Value::String(text) => Timestamp::parse(text).ok(),
        _ => None,
    };
    let at = at.ok_or_else(|| not_of("Date", &value))?;
    Ok(Variable::tagged(at.to_string().into(), "Date"))
}

fn bytes(value: Value) -> Result<Variable, ApiError> {
    let fits = value.as_str().is_some_and(|text| BASE64.decode(text.as_bytes()).is_ok());
    if fits { Ok(Variable::tagged(value, "Bytes")) } else { Err(not_of("Bytes", &value)) }
}

fn stored_file(value: Value, info: &Map<String, Value>) -> Result<Variable, ApiError> {
    let text = |names: &[&str]| names.iter().find_map(|name| info.get(*name)?.as_str()).map(str::to_owned);
    let Some(name) = text(&["filename"]) else {
        return Err(ApiError::invalid("Cannot create file variable without a name: valueInfo.filename is required."));
    };
    let content = match value {
        Value::Null => Value::String(String::new()),
        content => content,
    };
    file_variable(content, name, text(&["mimeType", "mimetype"]), text(&["encoding"]))
        .ok_or_else(|| ApiError::invalid("The value of a File is its content in base64."))
}

/// A file as a variable: its content in base64. `None` if it is no base64.
fn file_variable(content: Value, name: String, mime: Option<String>, encoding: Option<String>) -> Option<Variable> {
    BASE64.decode(content.as_str()?.as_bytes()).ok()?;
    let mut facts = Map::new();
    facts.insert("filename".to_owned(), name.into());
    facts.extend(mime.map(|mime| ("mimeType".to_owned(), mime.into())));
    facts.extend(encoding.map(|encoding| ("encoding".to_owned(), encoding.into())));
    Some(Variable { value: content, tag: Some(Box::new(Tag { kind: "File".to_owned(), info: facts })) })
}

/// From an upload.
pub(crate) fn uploaded_file(content: &[u8], name: String, mime: Option<String>, encoding: Option<String>) -> Variable {
    file_variable(BASE64.encode(content).into(), name, mime, encoding).expect("encoded here")
}

pub(crate) fn uploaded_bytes(content: &[u8]) -> Variable {
    Variable::tagged(BASE64.encode(content).into(), "Bytes")
}

fn object(value: Value, info: &Map<String, Value>) -> Result<Variable, ApiError> {
    let fact = |name: &str| info.get(name).and_then(Value::as_str);
    let format = fact("serializationDataFormat");
    if format.is_some_and(|format| format != JSON_FORMAT) || (format.is_none() && value.is_string()) {
        let words =
            "Objects are taken with valueInfo.serializationDataFormat application/json only: there is no Java here.";
        return Err(ApiError::invalid(words));
    }
    if format.is_none() {
        return Ok(Variable::from(value));
    }
    let open = from_text("Object", value)?;
    let kept = ["objectTypeName", "serializationDataFormat"];
    let facts = kept.iter().filter_map(|name| Some(((*name).to_owned(), fact(name)?.into()))).collect();
    Ok(Variable { value: open, tag: Some(Box::new(Tag { kind: "Object".to_owned(), info: facts })) })
}

/// Json and Object travel as texts; a client that sends the value itself is understood too.
fn from_text(kind: &str, value: Value) -> Result<Value, ApiError> {
    match value {
        Value::String(text) => super::json::parse_value(&text)
            .map_err(|error| ApiError::invalid(format!("The text of a {kind} is no JSON: {}", error.message))),
        open => Ok(open),
    }
}

fn not_of(kind: &str, value: &Value) -> ApiError {
    let java = match kind {
        "Boolean" => "java.lang.Boolean",
        "Short" => "java.lang.Short",
        "Integer" => "java.lang.Integer",
        "Long" => "java.lang.Long",
        "Double" => "java.lang.Double",
        "Date" => "java.util.Date",
        "String" => "java.lang.String",
        _ => "java.lang.Object",
    };
    let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let shown: String = shown.chars().take(100).collect();
    ApiError::invalid(format!("Cannot convert value '{shown}' of type '{kind}' to java type {java}"))
}

/// The type that leaves: the tag's, else what the value shows.
pub(crate) fn kind(variable: &Variable) -> &str {
    if let Some(tag) = &variable.tag {
        return &tag.kind;
    }
    match &variable.value {
        Value::Null => "Null",
        Value::Bool(_) => "Boolean",
        Value::Number(number) => match number.as_i64() {
            Some(number) if i32::try_from(number).is_ok() => "Integer",
            Some(_) => "Long",
            None => "Double",
        },
        Value::String(_) => "String",
        Value::Array(_) | Value::Object(_) => "Json",
    }
}

pub(crate) fn write_all(variables: &Variables, objects: Objects) -> Value {
    let members = variables.iter().map(|(name, variable)| (name.clone(), write(variable, objects)));
    Value::Object(members.collect())
}

pub(crate) fn write(variable: &Variable, objects: Objects) -> Value {
    let kind = kind(variable);
    let info = variable.tag.as_ref().map(|tag| tag.info.clone()).unwrap_or_default();
    let value = match (kind, &variable.value) {
        ("File", _) => Value::Null,
        (_, Value::Null) => Value::Null,
        ("Date", Value::String(text)) => {
            Timestamp::parse(text).map_or_else(|_| text.clone(), Timestamp::to_camunda).into()
        }
        ("Json", value) => value.to_string().into(),
        ("Object", value) if objects == Objects::Text => value.to_string().into(),
        (_, value) => value.clone(),
    };
    json!({ "type": kind, "value": value, "valueInfo": info })
}

/// What `…/data` sends: content, type of content, and a file's name.
pub(crate) struct Content {
    pub(crate) bytes: Vec<u8>,
    pub(crate) kind: String,
    pub(crate) name: Option<String>,
}

/// The content of a File or Bytes; `None` for other types.
pub(crate) fn content(variable: &Variable) -> Option<Content> {
    let tag = variable.tag.as_ref()?;
    let fact = |name: &str| tag.info.get(name).and_then(Value::as_str);
    let bytes = BASE64.decode(variable.value.as_str().unwrap_or_default().as_bytes()).ok()?;
    match tag.kind.as_str() {
        "Bytes" => Some(Content { bytes, kind: "application/octet-stream".to_owned(), name: None }),
        "File" => {
            let mime = fact("mimeType").unwrap_or("application/octet-stream");
            let kind = match fact("encoding") {
                Some(encoding) => format!("{mime};charset={encoding}"),
                None => mime.to_owned(),
            };
            Some(Content { bytes, kind, name: Some(fact("filename").unwrap_or("file").to_owned()) })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(wire: Value) -> Value {
        write(&read(&wire).expect("is taken"), Objects::Text)
    }

    #[test]
    fn each_type_comes_back_as_it_went() {
        for (kind, value) in [
            ("Boolean", json!(true)),
            ("Short", json!(7)),
            ("Integer", json!(2_147_483_647)),
            ("Long", json!(7)),
            ("Long", json!(9_007_199_254_740_991_i64)),
            ("Double", json!(0.25)),
            ("String", json!("grün")),
            ("Date", json!("2031-05-06T05:08:09.010+0000")),
            ("Bytes", json!("AAEC")),
            ("Json", json!("{\"a\":[1,2],\"b\":null}")),
            ("Json", json!("\"text\"")),
            ("Xml", json!("<a/>")),
            ("Null", Value::Null),
            ("Integer", Value::Null),
        ] {
            let wire = json!({ "type": kind, "value": value, "valueInfo": {} });
            assert_eq!(there_and_back(wire.clone()), wire);
        }
    }

    #[test]
    fn types_come_in_either_case_of_the_first_letter_only() {
        assert_eq!(there_and_back(json!({ "type": "integer", "value": 1 }))["type"], "Integer");
        for wrong in ["JSON", "INTEGER", "", "Größe", "int"] {
            assert!(read(&json!({ "type": wrong, "value": 1 })).is_err(), "{wrong}");
        }
    }

    #[test]
    fn without_a_type_it_is_inferred() {
        for (value, kind) in [
            (json!(1), "Integer"),
            (json!(3_000_000_000_i64), "Long"),
            (json!(1.5), "Double"),
            (json!(1.0), "Double"),
            (json!(u64::MAX), "Double"),
            (json!("x"), "String"),
            (json!([1]), "Json"),
            (json!({}), "Json"),
            (Value::Null, "Null"),
        ] {
            assert_eq!(there_and_back(json!({ "value": value }))["type"], kind, "{value}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_in_words_that_clients_know() {
        let error = read(&json!({ "type": "Integer", "value": "abc" })).expect_err("no number");
        assert_eq!(error.message, "Cannot convert value 'abc' of type 'Integer' to java type java.lang.Integer");
        for wire in [
            json!({ "type": "Integer", "value": 3_000_000_000_i64 }),
            json!({ "type": "Short", "value": 40_000 }),
            json!({ "type": "Integer", "value": 1.5 }),
            json!({ "type": "String", "value": 1 }),
            json!({ "type": "Date", "value": "tomorrow" }),
            json!({ "type": "Bytes", "value": "%" }),
            json!({ "type": "Json", "value": "{" }),
            json!({ "type": "File", "value": "AAEC" }),
            json!({ "type": "Object", "value": "rO0A", "valueInfo": { "serializationDataFormat": "application/x-java-serialized-object" } }),
            json!({ "type": 5, "value": 1 }),
            json!([]),
        ] {
            assert!(read(&wire).is_err(), "{wire}");
        }
    }

    #[test]
    fn dates_leave_in_utc_with_three_digits() {
        let wire = there_and_back(json!({ "type": "Date", "value": "2031-05-06T07:08:09.010+0200" }));
        assert_eq!(wire["value"], "2031-05-06T05:08:09.010+0000");
        let wire = there_and_back(json!({ "type": "date", "value": "2031-05-06T07:08:09Z" }));
        assert_eq!(wire["value"], "2031-05-06T07:08:09.000+0000");
    }

    #[test]
    fn a_file_leaves_without_its_content() {
        let info = json!({ "filename": "a.txt", "mimetype": "text/plain", "encoding": "UTF-8" });
        let file = read(&json!({ "type": "File", "value": "aGk=", "valueInfo": info })).expect("a file");
        let wire = write(&file, Objects::Open);
        assert_eq!(
            wire,
            json!({ "type": "File", "value": null, "valueInfo": { "filename": "a.txt", "mimeType": "text/plain", "encoding": "UTF-8" } })
        );
        let content = content(&file).expect("content");
        assert_eq!((content.bytes.as_slice(), content.kind.as_str()), (b"hi".as_slice(), "text/plain;charset=UTF-8"));
    }

    #[test]
    fn an_object_opens_on_reads() {
        let info = json!({ "objectTypeName": "a.B", "serializationDataFormat": "application/json" });
        let object = read(&json!({ "type": "Object", "value": "{\"a\":1}", "valueInfo": info })).expect("an object");
        assert_eq!(write(&object, Objects::Open)["value"], json!({ "a": 1 }));
        assert_eq!(write(&object, Objects::Text)["value"], json!("{\"a\":1}"));
        assert_eq!(write(&object, Objects::Text)["valueInfo"], info);
    }

    #[test]
    fn a_transient_variable_is_refused_rather_than_stored() {
        let secret = json!({ "a": { "value": 1, "valueInfo": { "transient": true } } });
        assert!(read_all(Some(&secret)).expect_err("refused").message.contains("transient"));
        assert_eq!(read_all(Some(&json!({ "b": { "value": 2 } }))).expect("taken").len(), 1);
        assert!(read_all(Some(&json!([]))).is_err());
    }
}
