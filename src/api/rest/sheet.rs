//! Lists that no table holds: rows made in memory, then filtered, sorted and paged as those of the database are.

use super::filter::is_like;
use super::listing::Shaped;
use crate::api::call::Call;
use crate::api::error::{Answer, ApiError};
use crate::api::json::{Json, Object, count as counted, json};
use crate::api::params::{Filters, Query, unknown_sort};
use crate::base::time::Timestamp;
use serde_json::Value;
use std::cmp::Ordering;

/// The filter's name, and the member that it looks at.
#[derive(Clone, Copy)]
pub(super) enum Rule {
    Text(&'static str, &'static str),
    TextIn(&'static str, &'static str),
    Like(&'static str, &'static str),
    /// Types begin with a letter of either case (D8).
    TypeIn(&'static str, &'static str),
    AtLeast(&'static str, &'static str),
    AtMost(&'static str, &'static str),
    /// At this moment or later, earlier.
    Since(&'static str, &'static str),
    Until(&'static str, &'static str),
    /// When true, the member is true.
    Set(&'static str, &'static str),
    /// When true, the member is null.
    Absent(&'static str, &'static str),
    /// Nothing here belongs to such a thing.
    Nothing(&'static str),
    /// When true, it asks for rows that are not here.
    Never(&'static str),
    /// When true, it asks for all rows that are here.
    Always(&'static str),
}

/// A list whose rows are made in memory; each resource says which and in what orders.
pub(super) trait Sheet: 'static {
    /// Sort words with the members they mean.
    const SORTS: &'static [(&'static str, &'static str)];

    /// Those that the caller may see and that fit all filters.
    fn found(call: &Call, filters: &Filters) -> impl Future<Output = Shaped> + Send;
}

pub(super) async fn get<S: Sheet>(call: Call, query: Query) -> Answer {
    page::<S>(&call, &query, &Filters::Query(query.clone())).await
}

pub(super) async fn post<S: Sheet>(call: Call, query: Query, Json(body): Json<Object>) -> Answer {
    page::<S>(&call, &query, &Filters::Body(body)).await
}

async fn page<S: Sheet>(call: &Call, query: &Query, filters: &Filters) -> Answer {
    answer(query, filters, S::SORTS, S::found(call, filters).await?)
}

pub(super) async fn get_count<S: Sheet>(call: Call, query: Query) -> Answer {
    count(&S::found(&call, &Filters::Query(query)).await?)
}

pub(super) async fn post_count<S: Sheet>(call: Call, Json(body): Json<Object>) -> Answer {
    count(&S::found(&call, &Filters::Body(body)).await?)
}

/// Rows that fit all filters.
pub(super) fn fitting(filters: &Filters, rules: &[Rule], mut rows: Vec<Value>) -> Result<Vec<Value>, ApiError> {
    for rule in rules {
        keep(filters, *rule, &mut rows)?;
    }
    Ok(rows)
}

fn keep(filters: &Filters, rule: Rule, rows: &mut Vec<Value>) -> Result<(), ApiError> {
    let text = |row: &Value, member: &str| row[member].as_str().map(str::to_owned);
    match rule {
        Rule::Text(name, member) => {
            if let Some(wanted) = filters.text(name)? {
                rows.retain(|row| row[member] == wanted);
            }
        }
        Rule::TextIn(name, member) => {
            if let Some(wanted) = filters.list(name)? {
                rows.retain(|row| wanted.iter().any(|wanted| row[member] == *wanted));
            }
        }
        Rule::TypeIn(name, member) => {
            if let Some(wanted) = filters.list(name)? {
                let fits = |kind: String| wanted.iter().any(|wanted| kind.eq_ignore_ascii_case(wanted));
                rows.retain(|row| text(row, member).is_some_and(fits));
            }
        }
        Rule::Like(name, member) => {
            if let Some(pattern) = filters.text(name)? {
                rows.retain(|row| text(row, member).is_some_and(|text| is_like(&text, &pattern)));
            }
        }
        Rule::AtLeast(name, member) => bounded(filters.number(name)?, rows, member, |found, least| found >= least),
        Rule::AtMost(name, member) => bounded(filters.number(name)?, rows, member, |found, most| found <= most),
        Rule::Since(name, member) => timed(filters.date(name)?, rows, member, |found, from| found >= from),
        Rule::Until(name, member) => timed(filters.date(name)?, rows, member, |found, to| found <= to),
        Rule::Set(name, member) if filters.is_true(name)? => rows.retain(|row| row[member] == true),
        Rule::Absent(name, member) if filters.is_true(name)? => rows.retain(|row| row[member].is_null()),
        Rule::Nothing(name) if filters.has(name) => rows.clear(),
        Rule::Never(name) if filters.is_true(name)? => rows.clear(),
        Rule::Always(name) => {
            filters.is_true(name)?;
        }
        Rule::Set(..) | Rule::Absent(..) | Rule::Nothing(_) | Rule::Never(_) => {}
    }
    Ok(())
}

fn bounded(bound: Option<i64>, rows: &mut Vec<Value>, member: &str, fits: fn(i64, i64) -> bool) {
    if let Some(bound) = bound {
        rows.retain(|row| row[member].as_i64().is_some_and(|found| fits(found, bound)));
    }
}

fn timed(bound: Option<Timestamp>, rows: &mut Vec<Value>, member: &str, fits: fn(Timestamp, Timestamp) -> bool) {
    let time = |row: &Value| Timestamp::parse(row[member].as_str()?).ok();
    if let Some(bound) = bound {
        rows.retain(|row| time(row).is_some_and(|found| fits(found, bound)));
    }
}

/// A page in the order that is asked for; sort words with the members they mean.
pub(super) fn answer(query: &Query, filters: &Filters, sorts: &[(&str, &str)], mut rows: Vec<Value>) -> Answer {
    let page = query.page()?;
    // The last word sorts first, so that the others order what it leaves equal.
    for sort in filters.sorts()?.iter().rev() {
        let (_, member) = sorts.iter().find(|(word, _)| *word == sort.by).ok_or_else(|| unknown_sort(&sort.by))?;
        // As they happened: so they come.
        if member.is_empty() && sort.descending {
            rows.reverse();
        }
        rows.sort_by(|one, other| in_order(&one[*member], &other[*member], sort.descending));
    }
    json(page.of(rows)?)
}

/// What has no value comes last either way.
fn in_order(one: &Value, other: &Value, descending: bool) -> Ordering {
    let order = match (one, other) {
        (Value::Null, _) | (_, Value::Null) => return one.is_null().cmp(&other.is_null()),
        (Value::Number(one), Value::Number(other)) => {
            one.as_f64().partial_cmp(&other.as_f64()).unwrap_or(Ordering::Equal)
        }
        (one, other) => one.as_str().cmp(&other.as_str()),
    };
    if descending { order.reverse() } else { order }
}

pub(super) fn count(rows: &[Value]) -> Answer {
    counted(i64::try_from(rows.len()).expect("rows that were counted"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rows() -> Vec<Value> {
        vec![
            json!({ "name": "b", "rank": 20, "at": "2026-11-22T08:00:00.000+0000", "is": true }),
            json!({ "name": "a", "rank": 3, "at": "2026-11-23T08:00:00.000+0000", "is": false }),
            json!({ "name": null, "rank": null, "at": null, "is": null }),
        ]
    }

    fn found(query: &str, rule: Rule) -> usize {
        fitting(&Filters::Query(Query::parse(query)), &[rule], rows()).expect("it is understood").len()
    }

    #[test]
    fn each_rule_keeps_what_fits() {
        assert_eq!(found("n=b", Rule::Text("n", "name")), 1);
        assert_eq!(found("n=a,b", Rule::TextIn("n", "name")), 2);
        assert_eq!(found("n=A", Rule::TypeIn("n", "name")), 1);
        assert_eq!(found("n=%25", Rule::Like("n", "name")), 2);
        assert_eq!(found("n=4", Rule::AtLeast("n", "rank")), 1);
        assert_eq!(found("n=4", Rule::AtMost("n", "rank")), 1);
        assert_eq!(found("n=2026-11-22T08:00:00Z", Rule::Since("n", "at")), 2);
        assert_eq!(found("n=2026-11-22T08:00:00Z", Rule::Until("n", "at")), 1);
        assert_eq!(found("n=true", Rule::Set("n", "is")), 1);
        assert_eq!(found("n=false", Rule::Set("n", "is")), 3);
        assert_eq!(found("n=true", Rule::Absent("n", "is")), 1);
        assert_eq!(found("n=x", Rule::Nothing("n")), 0);
        assert_eq!(found("n=false", Rule::Never("n")), 3);
        assert_eq!(found("n=true", Rule::Never("n")), 0);
        assert_eq!(found("n=true", Rule::Always("n")), 3);
        assert_eq!(found("", Rule::Nothing("n")), 3);
        let wrong = Filters::Query(Query::parse("n=x"));
        assert!(fitting(&wrong, &[Rule::AtLeast("n", "rank")], rows()).is_err());
        assert!(fitting(&wrong, &[Rule::Always("n")], rows()).is_err());
    }

    #[test]
    fn numbers_are_sorted_as_numbers_and_nothing_comes_last() {
        for (descending, wanted) in [(false, [3, 20]), (true, [20, 3])] {
            let mut rows = rows();
            rows.sort_by(|one, other| in_order(&one["rank"], &other["rank"], descending));
            assert_eq!([&rows[0]["rank"], &rows[1]["rank"]], wanted);
            assert!(rows[2]["rank"].is_null());
        }
    }
}
