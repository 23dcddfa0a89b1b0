//! JSON to the evaluator's values and back. Dates and durations are texts in JSON; they become dates where the model
//! declares the type.

use crate::base::feel::FeelError;
use crate::base::time::Timestamp;
use dsntk_feel::closure::Closure;
use dsntk_feel::context::FeelContext;
use dsntk_feel::values::Value as Feel;
use dsntk_feel::{Evaluator, FeelNumber, FeelScope, FeelType, FunctionBody, Name};
use serde_json::{Number, Value};
use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

/// Depth is checked by `guard` before.
pub(super) fn from_json(value: &Value) -> Feel {
    match value {
        Value::Null => Feel::Null(None),
        Value::Bool(holds) => Feel::Boolean(*holds),
        Value::Number(number) => match FeelNumber::from_str(&number.to_string()) {
            Ok(number) => Feel::Number(number),
            Err(_) => Feel::Null(Some(format!("{number} is beyond the numbers of FEEL"))),
        },
        Value::String(text) => Feel::String(text.clone()),
        Value::Array(list) => Feel::List(list.iter().map(from_json).collect()),
        Value::Object(map) => {
            let mut context = FeelContext::default();
            for (key, value) in map {
                context.set_entry(&Name::from(key.as_str()), from_json(value));
            }
            Feel::Context(context)
        }
    }
}

pub(super) fn context(variables: &BTreeMap<String, Value>, types: &BTreeMap<String, Kind>) -> FeelContext {
    let mut context = FeelContext::default();
    for (name, value) in variables {
        let kind = types.get(name).copied().unwrap_or(Kind::Any);
        context.set_entry(&Name::from(name.as_str()), typed(from_json(value), kind));
    }
    context
}

/// A value of a declared type: texts are read where the type is one of time.
pub(super) fn typed(value: Feel, kind: Kind) -> Feel {
    let read = match (&value, kind) {
        (Feel::String(text), Kind::Date) => Feel::try_from_xsd_date(text.get(..10).unwrap_or(text)).ok(),
        (Feel::String(text), Kind::Time) => Feel::try_from_xsd_time(text).ok(),
        (Feel::String(text), Kind::DateTime) => instant(text),
        (Feel::String(text), Kind::Duration) => Feel::try_from_xsd_duration(text).ok(),
        _ => None,
    };
    read.unwrap_or(value)
}

/// Also the wire form of dates, whose offset has no colon.
fn instant(text: &str) -> Option<Feel> {
    if let Ok(read) = Feel::try_from_xsd_date_time(text) {
        return Some(read);
    }
    let at: jiff::Timestamp = text.parse().ok()?;
    Feel::try_from_xsd_date_time(&at.to_string()).ok()
}

/// The types that a model can declare and that change how a value is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Any,
    Number,
    Text,
    Boolean,
    Date,
    Time,
    DateTime,
    Duration,
}

impl Kind {
    /// Names of the standard, and those of Camunda's modeler; none for a type that the model defines itself.
    pub(super) fn named(name: &str) -> Option<Kind> {
        Some(match name.strip_prefix("feel:").unwrap_or(name).trim() {
            "" | "Any" | "any" | "context" | "Context" | "list" | "List" => Kind::Any,
            "number" | "integer" | "long" | "double" => Kind::Number,
            "string" => Kind::Text,
            "boolean" => Kind::Boolean,
            "date" => Kind::Date,
            "time" => Kind::Time,
            // "Date" is the type of a variable, which is an instant.
            "dateTime" | "date and time" | "datetime" | "Date" => Kind::DateTime,
            "duration"
            | "days and time duration"
            | "dayTimeDuration"
            | "years and months duration"
            | "yearMonthDuration" => Kind::Duration,
            _ => return None,
        })
    }

    /// The type by the name that the standard gives it.
    pub(super) fn standard_name(name: &str) -> &str {
        match name.strip_prefix("feel:").unwrap_or(name).trim() {
            "any" | "context" | "Context" | "list" | "List" => "Any",
            "integer" | "long" | "double" => "number",
            "datetime" => "dateTime",
            other => other,
        }
    }
}

pub(super) fn to_json(value: &Feel) -> Result<Value, FeelError> {
    match value {
        Feel::Null(_) => Ok(Value::Null),
        Feel::Boolean(holds) => Ok(Value::Bool(*holds)),
        Feel::Number(number) => to_number(number),
        Feel::String(text) => Ok(Value::String(text.clone())),
        Feel::List(list) | Feel::ExpressionList(list) => list.iter().map(to_json).collect(),
        Feel::Context(context) => {
            let entries = context.iter().map(|(name, value)| Ok((name.to_string(), to_json(value)?)));
            Ok(Value::Object(entries.collect::<Result<_, FeelError>>()?))
        }
        Feel::Date(_)
        | Feel::Time(_)
        | Feel::DateTime(_)
        | Feel::DaysAndTimeDuration(_)
        | Feel::YearsAndMonthsDuration(_)
        | Feel::Range(..) => Ok(Value::String(value.to_string())),
        other => Err(FeelError::Failed(format!("the result is a {}, which is no value", other.type_of()))),
    }
}

/// Whole numbers are whole, however they were written: FEEL knows one kind of number.
fn to_number(number: &FeelNumber) -> Result<Value, FeelError> {
    let text = number.to_string();
    if let Ok(whole) = text.parse::<i64>() {
        return Ok(whole.into());
    }
    match text.parse::<f64>() {
        Ok(whole) if whole.fract() == 0.0 && whole.abs() < 9e15 => Ok((whole as i64).into()),
        Ok(fraction) => Number::from_f64(fraction)
            .map(Value::Number)
            .ok_or_else(|| FeelError::Failed("the result is too large for a number".into())),
        Err(_) => Err(FeelError::Failed(format!("the result {text} is no number"))),
    }
}

/// The scope of every evaluation: a few functions that FEEL's standard lacks and modelers offer, the engine's time in
/// place of the machine's, and above them the variables.
pub(super) fn scope(now: Timestamp, variables: FeelContext) -> Result<FeelScope, FeelError> {
    let scope = library_scope();
    scope.push(time(now)?);
    scope.push(variables);
    Ok(scope)
}

/// The scope to parse in: names of functions with blanks in them must be known.
pub(super) fn library_scope() -> FeelScope {
    static LIBRARY: OnceLock<FeelContext> = OnceLock::new();
    let library = LIBRARY.get_or_init(|| {
        let functions = r#"{
            is defined: function(value) value != null,
            get or else: function(value, other) if value = null then other else value,
            is empty: function(list) list = null or count(list) = 0,
            is blank: function(text) text = null or matches(text, "^\s*$"),
            trim: function(text) replace(text, "^\s+|\s+$", "")
        }"#;
        let read = dsntk_feel_evaluator::evaluate_context(&FeelScope::default(), functions);
        let mut library = read.expect("the library is FEEL");
        for name in ["round down", "round half down", "round half up", "round up"] {
            library.set_entry(&Name::from(name), rounding(name));
        }
        for (name, function) in super::pattern::functions() {
            library.set_entry(&name, function);
        }
        library
    });
    FeelScope::from(library.clone())
}

/// The built-in function, but that a number stays as it is where the scale has more places than its digits fill: there
/// the evaluator's own gives null. DMN 1.5, 10.3.4.3: a scale is in [-6111..6176].
fn rounding(name: &'static str) -> Feel {
    let (built_in, parameters) = arguments(name, &["n", "scale"]);
    let evaluator: Evaluator = Box::new(move |scope: &FeelScope| {
        let [n, scale] = ["n", "scale"].map(|name| scope.get_value(&Name::from(name)).unwrap_or(Feel::Null(None)));
        let mut arguments = FeelContext::default();
        arguments.set_entry(&Name::from("n"), n.clone());
        arguments.set_entry(&Name::from("scale"), scale.clone());
        let rounded = built_in(&FeelScope::from(arguments));
        match (&n, &scale) {
            (Feel::Number(_), Feel::Number(places))
                if rounded.is_null() && *places > FeelNumber::from(0) && *places <= FeelNumber::from(6176) =>
            {
                n
            }
            _ => rounded,
        }
    });
    native(parameters, evaluator)
}

/// A function's parameters, each of any type.
pub(super) type Parameters = Vec<(Name, FeelType)>;

/// The built-in function of this name, to be called on a scope with these parameters.
pub(super) fn arguments(name: &str, parameters: &[&str]) -> (Evaluator, Parameters) {
    let names: Parameters = parameters.iter().map(|name| (Name::from(*name), FeelType::Any)).collect();
    let outside = FeelScope::default();
    names.iter().for_each(|(parameter, _)| outside.set_value(parameter, Feel::Null(None)));
    let call = format!("{name}({})", parameters.join(", "));
    let tree = dsntk_feel_parser::parse_expression(&outside, &call, false);
    (dsntk_feel_evaluator::prepare(&tree.expect("a call is FEEL")), names)
}

/// A function of ours.
pub(super) fn native(parameters: Parameters, evaluator: Evaluator) -> Feel {
    let body = FunctionBody::LiteralExpression(Arc::new(evaluator));
    Feel::FunctionDefinition(parameters, body, false, Closure::default(), FeelContext::default(), FeelType::Any)
}

fn time(now: Timestamp) -> Result<FeelContext, FeelError> {
    let out_of_range = |_| FeelError::Failed("the time is beyond the calendar".into());
    let at = jiff::Timestamp::from_millisecond(now.0).map_err(out_of_range)?;
    let text = format!("{at:.3}");
    let beyond = || FeelError::Failed("the time is beyond FEEL's calendar".into());
    let instant = Feel::try_from_xsd_date_time(&text).map_err(|_| beyond())?;
    let day = Feel::try_from_xsd_date(text.get(..10).unwrap_or_default()).map_err(|_| beyond())?;
    let mut context = FeelContext::default();
    context.set_entry(&Name::from("now"), constant(instant));
    context.set_entry(&Name::from("today"), constant(day));
    Ok(context)
}

/// A function without parameters.
fn constant(value: Feel) -> Feel {
    native(vec![], Box::new(move |_| value.clone()))
}
