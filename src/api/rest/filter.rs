//! Filters to conditions: a table per resource, one line for each filter.

use crate::api::error::ApiError;
use crate::api::params::{Filters, Sort, unknown_sort};
use crate::api::wire;
use crate::base::access::NO_TENANT;
use crate::store::Bind;
use crate::store::queries::select::{Column, Condition, Order, Relation, Test, column, related};

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
    InstanceNotIn(&'static str, Column),
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
    /// The same; when this is true, rows without tenant are wanted beside those named.
    TenantsOrNone(&'static str),
    /// Cases, batches and the like: nothing here belongs to one.
    Nothing(&'static str),
    /// What it asks for is not kept. Passing it over would show rows that nobody asked for.
    NotKept(&'static str),
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
        Rule::InstanceNotIn(name, column) => Ok(filters
            .list(name)?
            .map(|list| Condition::NoneOf(column, list.iter().filter_map(|text| instance(text)).collect()))),
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
        Rule::Tenants => tenants(filters, false),
        Rule::TenantsOrNone(name) => tenants(filters, filters.is_true(name)?),
        Rule::Nothing(name) => Ok(filters.has(name).then_some(Condition::Never)),
        Rule::NotKept(name) if filters.has(name) => {
            Err(ApiError::invalid(format!("The filter {name} asks for what is not kept here: leave it out.")))
        }
        Rule::NotKept(_) => Ok(None),
    }
}

fn tenants(filters: &Filters, or_none: bool) -> Result<Option<Condition>, ApiError> {
    let none = Condition::equal(column::TENANT, NO_TENANT);
    if filters.is_true("withoutTenantId")? {
        return Ok(Some(none));
    }
    let Some(named) = filters.list("tenantIdIn")? else {
        return Ok(None);
    };
    // No tenant is not one of the named ones, though it is stored as an empty text.
    let named = Condition::OneOf(column::TENANT, texts(named.into_iter().filter(|one| !one.is_empty()).collect()));
    Ok(Some(if or_none { Condition::Any(vec![named, none]) } else { named }))
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

/// Instances that called this one.
pub(super) fn called(filters: &Filters, name: &str) -> Result<Option<Condition>, ApiError> {
    Ok(filters.text(name)?.map(|text| match wire::instance(&text) {
        Some(id) => Condition::Some(Relation::Called, vec![Condition::equal(related::ID, id.0)]),
        None => Condition::Never,
    }))
}

pub(super) fn any_of(texts: Vec<String>, one: impl Fn(&str) -> Condition) -> Condition {
    Condition::Any(texts.iter().map(|text| one(text)).collect())
}

/// A pattern as the database reads it: `%` and `_` stand for anything, `\` takes their meaning away.
pub(super) fn is_like(text: &str, pattern: &str) -> bool {
    let (text, mut pattern): (Vec<char>, _) = (text.chars().collect(), pattern.chars());
    // How far into the text each way of reading the pattern has come.
    let mut reached = std::collections::BTreeSet::from([0]);
    while let Some(letter) = pattern.next() {
        let step = |fits: &dyn Fn(char) -> bool| {
            let next = |at: &usize| text.get(*at).filter(|letter| fits(**letter)).map(|_| at + 1);
            reached.iter().filter_map(next).collect()
        };
        reached = match letter {
            '%' => (reached.first().copied().unwrap_or(text.len() + 1)..=text.len()).collect(),
            '_' => step(&|_| true),
            '\\' => {
                let plain = pattern.next();
                step(&|letter| Some(letter) == plain)
            }
            plain => step(&|letter| letter == plain),
        };
    }
    reached.contains(&text.len())
}

/// The order that is asked for: by a table of words, or by what a resource finds beyond it.
pub(super) fn order(
    filters: &Filters,
    words: &[(&str, Column)],
    beyond: fn(&Sort) -> Result<Option<Order>, ApiError>,
) -> Result<Vec<(Order, bool)>, ApiError> {
    let by = |sort: &Sort| match words.iter().find(|(word, _)| *word == sort.by) {
        Some((_, column)) => Ok(Order::Column(*column)),
        None => beyond(sort)?.ok_or_else(|| unknown_sort(&sort.by)),
    };
    filters.sorts()?.iter().map(|sort| Ok((by(sort)?, sort.descending))).collect()
}

#[cfg(test)]
mod tests {
    use super::is_like;

    #[test]
    fn a_pattern_reads_as_the_database_does() {
        for (text, pattern) in
            [("abc", "abc"), ("abc", "%"), ("abc", "a%"), ("abc", "%b_"), ("a%c", "a\\%c"), ("", "%")]
        {
            assert!(is_like(text, pattern), "{text} {pattern}");
        }
        for (text, pattern) in
            [("abc", "ab"), ("abc", "b%"), ("abc", "____"), ("abc", "a\\%"), ("", "_"), ("ABC", "abc")]
        {
            assert!(!is_like(text, pattern), "{text} {pattern}");
        }
    }
}
