//! Filters that compare variables: of running instances by what is indexed of them, of the history by its whole text.

use crate::api::error::ApiError;
use crate::api::params::{Compare, Filters, Operator, wrong};
use crate::base::time::Timestamp;
use crate::base::variable::Variable;
use crate::store::Bind;
use crate::store::queries::select::{Column, Condition, Relation, Test, related};
use serde_json::Value;

/// Whether names and values of variables are compared without regard to case.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case {
    ignore_names: bool,
    ignore_values: bool,
}

impl Case {
    pub(super) fn of(filters: &Filters) -> Result<Self, ApiError> {
        let ignore_names = filters.is_true("variableNamesIgnoreCase")?;
        Ok(Self { ignore_names, ignore_values: filters.is_true("variableValuesIgnoreCase")? })
    }

    fn name(self, column: Column, name: &str) -> Condition {
        is(self.ignore_names, column, Test::Equal, name)
    }

    /// A variable of this name with such a value, in a list of variables.
    pub(super) fn listed(self, name: Column, value: Column, compare: &Compare) -> Result<Condition, ApiError> {
        Ok(Condition::All(vec![self.name(name, &compare.name), self.past(value, compare)?]))
    }

    /// The kept text of a value begins with the value itself; what follows is its type.
    pub(super) fn past(self, column: Column, compare: &Compare) -> Result<Condition, ApiError> {
        let same = |value: &Value| serde_json::to_string(&Variable::from(value.clone())).unwrap_or_default();
        let test = match (compare.operator, &compare.value) {
            (Operator::Equal, _) => Test::Equal,
            (Operator::NotEqual, _) => Test::NotEqual,
            (Operator::Like, Value::String(_)) => Test::Like,
            (Operator::NotLike, Value::String(_)) => Test::NotLike,
            _ => {
                let words = "The history compares variables by eq, neq, like and notLike: take another operator.";
                return Err(ApiError::invalid(words));
            }
        };
        Ok(is(self.ignore_values, column, test, &same(&compare.value)))
    }

    /// A value compares with variables of its own kind; a text that reads as a date compares with dates.
    fn current(self, compare: &Compare) -> Result<Vec<Condition>, ApiError> {
        let test = test(compare.operator);
        let of_kind =
            |kinds: &[&str]| Condition::OneOf(related::KIND, kinds.iter().map(|kind| Bind::from(*kind)).collect());
        let is_pattern = matches!(test, Test::Like | Test::NotLike);
        Ok(match &compare.value {
            Value::String(text) => match Timestamp::parse(text) {
                Ok(at) if !is_pattern && text.len() > "2026-11-22".len() => {
                    vec![of_kind(&["Date"]), Condition::Is(related::TEXT, test, at.to_string().into())]
                }
                _ => vec![of_kind(&["String"]), is(self.ignore_values, related::TEXT, test, text)],
            },
            _ if is_pattern => return Err(wrong("variables", &compare.value.to_string())),
            Value::Number(number) => {
                let value = number.as_f64().unwrap_or(f64::NAN);
                vec![of_kind(&NUMBERS), Condition::Is(related::NUMBER, test, Bind::Real(value))]
            }
            Value::Bool(value) => {
                vec![of_kind(&["Boolean"]), Condition::Is(related::TEXT, test, value.to_string().into())]
            }
            Value::Null => vec![Condition::Is(related::KIND, test, "Null".into())],
            Value::Array(_) | Value::Object(_) => return Err(wrong("variables", &compare.value.to_string())),
        })
    }
}

/// Types whose values are numbers.
pub(super) const NUMBERS: [&str; 4] = ["Short", "Integer", "Long", "Double"];

fn is(ignore_case: bool, column: Column, test: Test, text: &str) -> Condition {
    if ignore_case { Condition::Folded(column, test, text.into()) } else { Condition::Is(column, test, text.into()) }
}

/// Comparisons of variables of running instances; `place` says which of them.
pub(super) fn variables(
    filters: &Filters,
    name: &str,
    relation: Relation,
    place: Option<Condition>,
) -> Result<Vec<Condition>, ApiError> {
    compared(filters, name, (relation, place), Case::current)
}

/// Comparisons of last values, of which the whole text is kept.
pub(super) fn past_variables(
    filters: &Filters,
    name: &str,
    relation: Relation,
    place: Option<Condition>,
) -> Result<Vec<Condition>, ApiError> {
    compared(filters, name, (relation, place), |case, compare| Ok(vec![case.past(related::VALUE, compare)?]))
}

fn compared(
    filters: &Filters,
    name: &str,
    (relation, place): (Relation, Option<Condition>),
    value: impl Fn(Case, &Compare) -> Result<Vec<Condition>, ApiError>,
) -> Result<Vec<Condition>, ApiError> {
    let case = Case::of(filters)?;
    let one = |compare: &Compare| {
        let mut all = vec![case.name(related::NAME, &compare.name)];
        all.extend(place.clone());
        all.extend(value(case, compare)?);
        Ok(Condition::Some(relation, all))
    };
    filters.compares(name)?.iter().map(one).collect()
}

fn test(operator: Operator) -> Test {
    match operator {
        Operator::Equal => Test::Equal,
        Operator::NotEqual => Test::NotEqual,
        Operator::Greater => Test::Greater,
        Operator::GreaterOrEqual => Test::GreaterOrEqual,
        Operator::Less => Test::Less,
        Operator::LessOrEqual => Test::LessOrEqual,
        Operator::Like => Test::Like,
        Operator::NotLike => Test::NotLike,
    }
}
