//! Filters to conditions: a table per resource, one line for each filter.

use crate::api::error::ApiError;
use crate::api::params::{Compare, Filters, Operator, unknown_sort, wrong};
use crate::api::wire;
use crate::base::access::NO_TENANT;
use crate::base::time::Timestamp;
use crate::base::variable::Variable;
use crate::store::Bind;
use crate::store::queries::select::{Column, Condition, Relation, Test, column, related};
use serde_json::Value;

/// The filter's name, and what it does.
#[derive(Clone, Copy)]
pub(super) enum Rule {
    Text(&'static str, Column),
    NotText(&'static str, Column),
    TextIn(&'static str, Column),
    TextNotIn(&'static str, Column),
    Like(&'static str, Column),
    NotLike(&'static str, Column),
    /// An instance's id.
    Instance(&'static str, Column),
    InstanceIn(&'static str, Column),
    /// `key:version:id`
    Definition(&'static str, Column),
    DefinitionIn(&'static str, Column),
    Number(&'static str, Column),
    AtLeast(&'static str, Column),
    AtMost(&'static str, Column),
    On(&'static str, Column),
    After(&'static str, Column),
    Before(&'static str, Column),
    /// At this moment or later, earlier: the history's way.
    Since(&'static str, Column),
    Until(&'static str, Column),
    /// When true: there is a value, there is none, it is set, it is not set.
    Present(&'static str, Column),
    Absent(&'static str, Column),
    Set(&'static str, Column),
    Unset(&'static str, Column),
    /// When true.
    If(&'static str, fn() -> Condition),
    /// `tenantIdIn`, `withoutTenantId`.
    Tenants,
    /// The same; when this one is true, those without a tenant stand beside those of the named ones.
    TenantsOrNone(&'static str),
}

pub(super) fn conditions(filters: &Filters, rules: &[Rule]) -> Result<Vec<Condition>, ApiError> {
    let mut all = Vec::new();
    for rule in rules {
        all.extend(condition(filters, *rule)?);
    }
    Ok(all)
}

fn condition(filters: &Filters, rule: Rule) -> Result<Option<Condition>, ApiError> {
    let text = |name: &str, column: Column, test: Test| {
        Ok(filters.text(name)?.map(|text| Condition::Is(column, test, text.into())))
    };
    let date = |name: &str, column: Column, test: Test| {
        Ok(filters.date(name)?.map(|at| Condition::Is(column, test, at.0.into())))
    };
    let number = |name: &str, column: Column, test: Test| {
        Ok(filters.number(name)?.map(|number| Condition::Is(column, test, number.into())))
    };
    let when = |name: &str, condition: Condition| Ok(filters.is_true(name)?.then_some(condition));
    match rule {
        Rule::Text(name, column) => text(name, column, Test::Equal),
        Rule::NotText(name, column) => text(name, column, Test::NotEqual),
        Rule::Like(name, column) => text(name, column, Test::Like),
        Rule::NotLike(name, column) => text(name, column, Test::NotLike),
        Rule::TextIn(name, column) => Ok(filters.list(name)?.map(|list| Condition::OneOf(column, texts(list)))),
        Rule::TextNotIn(name, column) => Ok(filters.list(name)?.map(|list| Condition::NoneOf(column, texts(list)))),
        Rule::Instance(name, column) => {
            Ok(filters.text(name)?.map(|text| Condition::OneOf(column, instance(&text).into_iter().collect())))
        }
        Rule::InstanceIn(name, column) => Ok(filters
            .list(name)?
            .map(|list| Condition::OneOf(column, list.iter().filter_map(|text| instance(text)).collect()))),
        Rule::Definition(name, column) => {
            Ok(filters.text(name)?.map(|text| Condition::OneOf(column, definition(&text).into_iter().collect())))
        }
        Rule::DefinitionIn(name, column) => Ok(filters
            .list(name)?
            .map(|list| Condition::OneOf(column, list.iter().filter_map(|text| definition(text)).collect()))),
        Rule::Number(name, column) => number(name, column, Test::Equal),
        Rule::AtLeast(name, column) => number(name, column, Test::GreaterOrEqual),
        Rule::AtMost(name, column) => number(name, column, Test::LessOrEqual),
        Rule::On(name, column) => date(name, column, Test::Equal),
        Rule::After(name, column) => date(name, column, Test::Greater),
        Rule::Before(name, column) => date(name, column, Test::Less),
        Rule::Since(name, column) => date(name, column, Test::GreaterOrEqual),
        Rule::Until(name, column) => date(name, column, Test::LessOrEqual),
        Rule::Present(name, column) => when(name, Condition::Present(column)),
        Rule::Absent(name, column) => when(name, Condition::Empty(column)),
        Rule::Set(name, column) => when(name, Condition::flag(column, true)),
        Rule::Unset(name, column) => when(name, Condition::flag(column, false)),
        Rule::If(name, make) => when(name, make()),
        Rule::Tenants => tenants(filters),
        Rule::TenantsOrNone(name) => {
            let none = filters.is_true(name)?.then(|| Condition::equal(column::TENANT, NO_TENANT));
            Ok(tenants(filters)?.map(|named| Condition::Any(none.into_iter().chain([named]).collect())))
        }
    }
}

fn tenants(filters: &Filters) -> Result<Option<Condition>, ApiError> {
    if filters.is_true("withoutTenantId")? {
        return Ok(Some(Condition::equal(column::TENANT, NO_TENANT)));
    }
    // No tenant is not one of the named ones, though it is stored as an empty text.
    let named = filters.list("tenantIdIn")?;
    Ok(named
        .map(|list| Condition::OneOf(column::TENANT, texts(list.into_iter().filter(|one| !one.is_empty()).collect()))))
}

fn texts(list: Vec<String>) -> Vec<Bind> {
    list.into_iter().map(Bind::from).collect()
}

fn instance(text: &str) -> Option<Bind> {
    wire::instance(text).map(|id| Bind::Int(id.0))
}

fn definition(text: &str) -> Option<Bind> {
    wire::parse_definition(text).map(|id| Bind::Int(id.0))
}

/// A row of one token, by its id on the wire.
pub(super) fn inner(text: &str, number: Column) -> Condition {
    match wire::Inner::parse(text) {
        Some(id) => Condition::All(vec![
            Condition::equal(column::INSTANCE, id.instance.0),
            Condition::equal(number, i64::from(id.number)),
        ]),
        None => Condition::Never,
    }
}

/// An execution's rows: a root's id stands for all of its instance.
pub(super) fn execution(text: &str, number: Column) -> Condition {
    match wire::Execution::parse(text) {
        Some(wire::Execution::Root(instance)) => Condition::equal(column::INSTANCE, instance.0),
        Some(wire::Execution::Token(..)) => inner(text, number),
        None => Condition::Never,
    }
}

/// An activation, as activity instances are named.
pub(super) fn activity(text: &str, number: Column) -> Condition {
    match wire::parse_activity(text) {
        Some((instance, token)) => Condition::All(vec![
            Condition::equal(column::INSTANCE, instance.0),
            Condition::equal(number, i64::from(token.0)),
        ]),
        None => Condition::Never,
    }
}

pub(super) fn any_of(texts: Vec<String>, one: impl Fn(&str) -> Condition) -> Condition {
    Condition::Any(texts.iter().map(|text| one(text)).collect())
}

/// The order that is asked for, by a table of words.
pub(super) fn order(filters: &Filters, words: &[(&str, Column)]) -> Result<Vec<(Column, bool)>, ApiError> {
    let sorts = filters.sorts()?;
    let find = |by: &str| words.iter().find(|(word, _)| *word == by).map(|(_, column)| *column);
    sorts.iter().map(|sort| Ok((find(&sort.by).ok_or_else(|| unknown_sort(&sort.by))?, sort.descending))).collect()
}

/// Comparisons of variables of running instances.
pub(super) fn variables(
    filters: &Filters,
    name: &str,
    relation: Relation,
    more: Option<Condition>,
) -> Result<Vec<Condition>, ApiError> {
    let compares = filters.compares(name)?;
    compares
        .into_iter()
        .map(|compare| {
            let mut all = vec![Condition::equal(related::NAME, compare.name.as_str())];
            all.extend(more.clone());
            all.extend(compared(&compare)?);
            Ok(Condition::Some(relation, all))
        })
        .collect()
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

/// A value compares with variables of its own kind; a text that reads as a date compares with dates.
fn compared(compare: &Compare) -> Result<Vec<Condition>, ApiError> {
    let test = test(compare.operator);
    let of_kind =
        |kinds: &[&str]| Condition::OneOf(related::KIND, kinds.iter().map(|kind| Bind::from(*kind)).collect());
    let is_pattern = matches!(test, Test::Like | Test::NotLike);
    Ok(match &compare.value {
        Value::String(text) => match Timestamp::parse(text) {
            Ok(at) if !is_pattern && text.len() > "2026-11-22".len() => {
                vec![of_kind(&["Date"]), Condition::Is(related::TEXT, test, at.to_string().into())]
            }
            _ => vec![of_kind(&["String"]), Condition::Is(related::TEXT, test, text.as_str().into())],
        },
        _ if is_pattern => return Err(wrong("variables", &compare.value.to_string())),
        Value::Number(number) => {
            let value = number.as_f64().unwrap_or(f64::NAN);
            vec![
                of_kind(&["Short", "Integer", "Long", "Double"]),
                Condition::Is(related::NUMBER, test, Bind::Real(value)),
            ]
        }
        Value::Bool(value) => vec![of_kind(&["Boolean"]), Condition::Is(related::TEXT, test, value.to_string().into())],
        Value::Null => vec![Condition::Is(related::KIND, test, "Null".into())],
        Value::Array(_) | Value::Object(_) => return Err(wrong("variables", &compare.value.to_string())),
    })
}

/// Comparisons of last values, of which the whole text is kept: equality and patterns.
pub(super) fn past_variables(filters: &Filters, name: &str) -> Result<Vec<Condition>, ApiError> {
    let compares = filters.compares(name)?;
    compares
        .into_iter()
        .map(|compare| {
            let value = past_value(related::VALUE, &compare)?;
            let named = Condition::equal(related::NAME, compare.name.as_str());
            Ok(Condition::Some(Relation::PastVariable, vec![named, value]))
        })
        .collect()
}

/// The kept text of a value begins with the value itself; what follows is its type.
pub(super) fn past_value(column: Column, compare: &Compare) -> Result<Condition, ApiError> {
    let same = |value: &Value| serde_json::to_string(&Variable::from(value.clone())).unwrap_or_default();
    match (compare.operator, &compare.value) {
        (Operator::Equal, value) => Ok(Condition::equal(column, same(value))),
        (Operator::NotEqual, value) => Ok(Condition::Is(column, Test::NotEqual, same(value).into())),
        (Operator::Like, Value::String(pattern)) => {
            let text = serde_json::to_string(pattern).unwrap_or_default();
            Ok(Condition::Is(column, Test::Like, format!("{{\"v\":{text}}}").into()))
        }
        _ => {
            let words = "The history compares variables by eq, neq and like: take another operator.";
            Err(ApiError::invalid(words))
        }
    }
}
