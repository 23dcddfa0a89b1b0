//! Conversions and operators. The rules are those of the Unified Expression Language but for these, which a process
//! should not trip over: ordering with null is false; texts that are no numbers or Booleans are unequal to every number
//! or Boolean instead of failing; what leaves the range of its type is an error instead of a wrong number; two texts that
//! both read as instants are ordered by time.

use super::moment;
use super::tree::Operator;
use crate::script::{EvaluationError, describe};
use serde_json::Value;
use std::borrow::Cow;
use std::cmp::Ordering;

/// A number while it is reckoned with; wide enough for all of JSON's whole numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Whole(i128),
    Fraction(f64),
}

impl Number {
    pub(super) fn of(value: &Value) -> Option<Number> {
        let Value::Number(number) = value else {
            return None;
        };
        match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => Some(Number::Whole(whole.into())),
            (None, Some(whole)) => Some(Number::Whole(whole.into())),
            (None, None) => number.as_f64().map(Number::Fraction),
        }
    }

    fn read(text: &str) -> Option<Number> {
        let text = text.trim();
        // `f64` also reads "inf" and "nan", which are no numbers here.
        if !text.ends_with(|c: char| c.is_ascii_digit() || c == '.') {
            return None;
        }
        match text.parse::<i128>() {
            Ok(whole) => Some(Number::Whole(whole)),
            Err(_) => text.parse().ok().filter(|f: &f64| f.is_finite()).map(Number::Fraction),
        }
    }

    fn fraction(self) -> f64 {
        match self {
            Number::Whole(whole) => whole as f64,
            Number::Fraction(fraction) => fraction,
        }
    }

    pub(super) fn value(self) -> Result<Value, EvaluationError> {
        match self {
            Number::Whole(whole) => match (i64::try_from(whole), u64::try_from(whole)) {
                (Ok(whole), _) => Ok(whole.into()),
                (Err(_), Ok(whole)) => Ok(whole.into()),
                (Err(_), Err(_)) => Err(out_of_range()),
            },
            Number::Fraction(fraction) if fraction.is_finite() => Ok(fraction.into()),
            Number::Fraction(_) => Err(out_of_range()),
        }
    }

    fn compare(self, other: Number) -> Option<Ordering> {
        match (self, other) {
            (Number::Whole(left), Number::Whole(right)) => Some(left.cmp(&right)),
            (left, right) => left.fraction().partial_cmp(&right.fraction()),
        }
    }
}

fn out_of_range() -> EvaluationError {
    EvaluationError::Failed("the result is too large for a number".into())
}

/// The text of a value as it stands in a template.
pub(super) fn text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Null => Cow::Borrowed(""),
        Value::String(text) => Cow::Borrowed(text),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => Cow::Owned(value.to_string()),
    }
}

/// What a condition inside an expression takes for true: null and "" are false, texts are read.
pub(super) fn boolean(value: &Value) -> Result<bool, EvaluationError> {
    match value {
        Value::Null => Ok(false),
        Value::Bool(holds) => Ok(*holds),
        Value::String(text) => match read_boolean(text) {
            Some(holds) => Ok(holds),
            None if text.is_empty() => Ok(false),
            None => Err(not_boolean(value)),
        },
        Value::Number(_) | Value::Array(_) | Value::Object(_) => Err(not_boolean(value)),
    }
}

fn not_boolean(value: &Value) -> EvaluationError {
    EvaluationError::Type(format!("{} is neither true nor false", describe(value)))
}

fn read_boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// A whole number, also one written as a text or as `2.0`.
pub(super) fn whole(value: &Value) -> Option<i64> {
    let number = match value {
        Value::String(text) => Number::read(text)?,
        other => Number::of(other)?,
    };
    match number {
        Number::Whole(whole) => i64::try_from(whole).ok(),
        Number::Fraction(f) if f.fract() == 0.0 && f.abs() < 9e15 => Some(f as i64),
        Number::Fraction(_) => None,
    }
}

pub(super) fn negate(value: &Value) -> Result<Value, EvaluationError> {
    match operand(value)? {
        Number::Whole(whole) => Number::Whole(-whole).value(),
        Number::Fraction(fraction) => Number::Fraction(-fraction).value(),
    }
}

/// `&&` and `||` do not come here: they may leave their right side alone.
pub(super) fn apply(op: Operator, left: &Value, right: &Value) -> Result<Value, EvaluationError> {
    match op {
        Operator::Equal => Ok(Value::Bool(equal(left, right))),
        Operator::NotEqual => Ok(Value::Bool(!equal(left, right))),
        Operator::Less => ordered(left, right, Ordering::is_lt),
        Operator::LessOrEqual => ordered(left, right, Ordering::is_le),
        Operator::Greater => ordered(left, right, Ordering::is_gt),
        Operator::GreaterOrEqual => ordered(left, right, Ordering::is_ge),
        Operator::Add | Operator::Subtract | Operator::Multiply | Operator::Divide | Operator::Remainder => {
            arithmetic(op, operand(left)?, operand(right)?)
        }
        Operator::And | Operator::Or => Ok(Value::Bool(boolean(left)? && boolean(right)?)),
    }
}

/// A value as an operand of arithmetic: null and "" count as 0.
fn operand(value: &Value) -> Result<Number, EvaluationError> {
    let number = match value {
        Value::Null => Some(Number::Whole(0)),
        Value::String(text) if text.is_empty() => Some(Number::Whole(0)),
        Value::String(text) => Number::read(text),
        Value::Number(_) => Number::of(value),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    number.ok_or_else(|| {
        let hint = match value {
            Value::String(_) => "; to join texts write them side by side: ${a}${b}",
            _ => "",
        };
        EvaluationError::Type(format!("{} is no number{hint}", describe(value)))
    })
}

fn arithmetic(op: Operator, left: Number, right: Number) -> Result<Value, EvaluationError> {
    let by_zero = right.fraction() == 0.0 && matches!(op, Operator::Divide | Operator::Remainder);
    if by_zero {
        return Err(EvaluationError::Failed("division by zero".into()));
    }
    if let (Number::Whole(left), Number::Whole(right)) = (left, right) {
        let result = match op {
            Operator::Add => left.checked_add(right),
            Operator::Subtract => left.checked_sub(right),
            Operator::Multiply => left.checked_mul(right),
            Operator::Remainder => left.checked_rem(right),
            _ => return Number::Fraction(left as f64 / right as f64).value(),
        };
        return result.map(Number::Whole).ok_or_else(out_of_range)?.value();
    }
    let (left, right) = (left.fraction(), right.fraction());
    let result = match op {
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        Operator::Remainder => left % right,
        _ => left / right,
    };
    Number::Fraction(result).value()
}

pub(super) fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Null, Value::Null) => true,
        (Value::Null, _) | (_, Value::Null) => false,
        (Value::String(left), Value::String(right)) => left == right,
        (Value::String(text), Value::Bool(holds)) | (Value::Bool(holds), Value::String(text)) => {
            read_boolean(text) == Some(*holds)
        }
        (Value::String(text), number @ Value::Number(_)) | (number @ Value::Number(_), Value::String(text)) => {
            match (Number::read(text), Number::of(number)) {
                (Some(left), Some(right)) => left.compare(right) == Some(Ordering::Equal),
                _ => false,
            }
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| equal(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(key, value)| right.get(key).is_some_and(|other| equal(value, other)))
        }
        (left, right) => match (Number::of(left), Number::of(right)) {
            (Some(left), Some(right)) => left.compare(right) == Some(Ordering::Equal),
            _ => left == right,
        },
    }
}

fn ordered(left: &Value, right: &Value, holds: fn(Ordering) -> bool) -> Result<Value, EvaluationError> {
    let order = match (left, right) {
        (Value::Null, _) | (_, Value::Null) => return Ok(Value::Bool(false)),
        (Value::String(left), Value::String(right)) => Some(order_of_texts(left, right)),
        (Value::Number(_), Value::Number(_) | Value::String(_)) | (Value::String(_), Value::Number(_)) => {
            operand(left)?.compare(operand(right)?)
        }
        _ => None,
    };
    match order {
        Some(order) => Ok(Value::Bool(holds(order))),
        None => Err(EvaluationError::Type(format!("{} and {} have no order", describe(left), describe(right)))),
    }
}

fn order_of_texts(left: &str, right: &str) -> Ordering {
    match (moment::read(left), moment::read(right)) {
        (Some(left), Some(right)) => left.cmp(&right),
        _ => left.cmp(right),
    }
}
