//! Instants in expressions: texts in ISO 8601, in UTC with milliseconds, such as `2026-11-22T10:00:00.000Z`.
//!
//! `now()` and `dateTime()` give such a text, and the methods of time (`plusDays`, `withHourOfDay`, …) read one, so a
//! date from a variable can be reckoned with as well. Days and hours are those of UTC.

use super::tree::{Method, Unit};
use crate::base::time::Timestamp;
use crate::script::{EvaluationError, describe};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, Zoned};
use serde_json::Value;

/// Reads an instant: with `Z` or an offset, with or without colon in it.
pub(super) fn read(text: &str) -> Option<jiff::Timestamp> {
    // The shortest, `2026-11-22T10:00Z`; a guard that keeps ordinary texts from the reader.
    if text.len() < 17 || text.len() > 64 || !text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

pub(super) fn text(at: Timestamp) -> Result<Value, EvaluationError> {
    let at = jiff::Timestamp::from_millisecond(at.0).map_err(|_| out_of_range())?;
    Ok(written(at))
}

/// A method of time on a text that reads as an instant.
pub(super) fn call(method: Method, value: &Value, argument: Option<i64>) -> Result<Value, EvaluationError> {
    let at = value.as_str().and_then(read).ok_or_else(|| {
        EvaluationError::Type(format!("{} is no date and time, such as 2026-11-22T10:00:00Z", describe(value)))
    })?;
    if method == Method::ToDate {
        return Ok(written(at));
    }
    let zoned = at.to_zoned(TimeZone::UTC);
    let moved = match (method, argument) {
        (Method::Shift(sign, unit), Some(n)) => shift(&zoned, sign, unit, n),
        (Method::StartOfDay, None) => zoned.start_of_day().ok(),
        (Method::HourOfDay, Some(n)) => set(&zoned, |at, n| at.with().hour(n).build().ok(), n),
        (Method::MinuteOfHour, Some(n)) => set(&zoned, |at, n| at.with().minute(n).build().ok(), n),
        (Method::SecondOfMinute, Some(n)) => set(&zoned, |at, n| at.with().second(n).build().ok(), n),
        (method, argument) => unreachable!("no method of time: {method:?} with {argument:?}"),
    };
    moved.map(|zoned| written(zoned.timestamp())).ok_or_else(out_of_range)
}

fn shift(at: &Zoned, sign: i64, unit: Unit, n: i64) -> Option<Zoned> {
    let n = n.checked_mul(sign)?;
    let span = Span::new();
    let span = match unit {
        Unit::Years => span.try_years(n),
        Unit::Months => span.try_months(n),
        Unit::Weeks => span.try_weeks(n),
        Unit::Days => span.try_days(n),
        Unit::Hours => span.try_hours(n),
        Unit::Minutes => span.try_minutes(n),
        Unit::Seconds => span.try_seconds(n),
        Unit::Millis => span.try_milliseconds(n),
    };
    at.checked_add(span.ok()?).ok()
}

fn set(at: &Zoned, change: fn(DateTime, i8) -> Option<DateTime>, n: i64) -> Option<Zoned> {
    let changed = change(at.datetime(), i8::try_from(n).ok()?)?;
    changed.to_zoned(TimeZone::UTC).ok()
}

fn written(at: jiff::Timestamp) -> Value {
    Value::String(format!("{at:.3}"))
}

fn out_of_range() -> EvaluationError {
    EvaluationError::Failed("the date leaves the calendar".into())
}
