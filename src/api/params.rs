//! Parameters of a query, in one form wherever they stand: the address of a GET, the body of a POST (`rest.md` 2.3).
//!
//! Unknown ones are ignored, of a repeated one the first counts (D4); a date may have a blank for an unescaped `+` (D7).

use super::error::ApiError;
use super::json::Object;
use crate::base::limits::QUERY_RESULTS_MAX;
use crate::base::time::Timestamp;
use axum::extract::{FromRequestParts, RawQuery};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde_json::Value;
use std::collections::BTreeMap;

/// What stands behind the `?`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Query(BTreeMap<String, String>);

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let RawQuery(query) = RawQuery::from_request_parts(parts, state).await.unwrap_or(RawQuery(None));
        Ok(Self::parse(query.as_deref().unwrap_or_default()))
    }
}

impl Query {
    pub(crate) fn parse(text: &str) -> Self {
        let mut found = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
            found.entry(name.into_owned()).or_insert_with(|| value.into_owned());
        }
        Self(found)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Absent: `default`. Anything but `true` is false, as in Camunda 7.
    pub(crate) fn flag(&self, name: &str, default: bool) -> bool {
        self.get(name).map_or(default, |text| text.eq_ignore_ascii_case("true"))
    }

    pub(crate) fn page(&self) -> Result<Page, ApiError> {
        let number = |name: &str| match self.get(name) {
            None | Some("") => Ok(None),
            Some(text) => text.parse::<i64>().ok().filter(|number| *number >= 0).map(Some).ok_or_else(|| {
                let words = format!("Cannot set query parameter '{name}' to value '{text}': a number from 0 is wanted");
                ApiError::new(StatusCode::NOT_FOUND, "QueryParamException", words)
            }),
        };
        let first = number("firstResult")?.unwrap_or(0);
        Ok(Page { first, max: number("maxResults")? })
    }
}

/// A window on the sorted rows. Without `max` it is all of them, unless they are too many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) first: i64,
    pub(crate) max: Option<i64>,
}

impl Page {
    /// How many rows to ask for: one more than may be answered, so that too many are noticed.
    pub(crate) fn limit(self) -> i64 {
        let most = i64::try_from(QUERY_RESULTS_MAX).expect("a small number");
        self.max.map_or(most + 1, |max| max.min(most + 1))
    }

    /// The same window on what is no table.
    pub(crate) fn of<T>(self, all: Vec<T>) -> Result<Vec<T>, ApiError> {
        let size = |number: i64| usize::try_from(number).unwrap_or(usize::MAX);
        self.check(all.into_iter().skip(size(self.first)).take(size(self.limit())).collect())
    }

    /// More than the limit is refused, never cut (D10).
    pub(crate) fn check<T>(self, rows: Vec<T>) -> Result<Vec<T>, ApiError> {
        if rows.len() > QUERY_RESULTS_MAX {
            let words = format!("Max results limit of {QUERY_RESULTS_MAX} exceeded!");
            return Err(ApiError::refused("BadUserRequestException", words));
        }
        Ok(rows)
    }
}

/// The filters of a query, from an address or from a body.
#[derive(Clone, Debug)]
pub(crate) enum Filters {
    Query(Query),
    Body(Object),
}

/// One direction of one word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sort {
    pub(crate) by: String,
    pub(crate) descending: bool,
    /// The name and type of a variable, where it is sorted by one.
    pub(crate) variable: Option<(String, String)>,
}

/// A comparison of a variable: `name_op_value` or `{"name", "operator", "value"}`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Compare {
    pub(crate) name: String,
    pub(crate) operator: Operator,
    pub(crate) value: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Like,
    NotLike,
}

impl Operator {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "eq" => Self::Equal,
            "neq" => Self::NotEqual,
            "gt" => Self::Greater,
            "gteq" => Self::GreaterOrEqual,
            "lt" => Self::Less,
            "lteq" => Self::LessOrEqual,
            "like" => Self::Like,
            "notLike" => Self::NotLike,
            _ => return None,
        })
    }
}

impl Filters {
    /// Whether anything is asked under this name; an empty array asks for nothing.
    pub(crate) fn has(&self, name: &str) -> bool {
        match self {
            Self::Query(query) => query.get(name).is_some(),
            Self::Body(body) => match body.get(name) {
                None | Some(Value::Null) => false,
                Some(Value::Array(items)) => !items.is_empty(),
                Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => true,
            },
        }
    }

    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, ApiError> {
        match self {
            Self::Query(query) => Ok(query.get(name).map(str::to_owned)),
            Self::Body(body) => match body.get(name) {
                None | Some(Value::Null) => Ok(None),
                Some(Value::String(text)) => Ok(Some(text.clone())),
                Some(scalar @ (Value::Bool(_) | Value::Number(_))) => Ok(Some(scalar.to_string())),
                Some(other) => Err(wrong(name, &other.to_string())),
            },
        }
    }

    /// As it came: a text in an address, JSON in a body.
    pub(crate) fn value(&self, name: &str) -> Option<Value> {
        match self {
            Self::Query(query) => query.get(name).map(Value::from),
            Self::Body(body) => body.get(name).filter(|value| !value.is_null()).cloned(),
        }
    }

    /// Comma separated in an address, an array in a body; each is understood in both (D18).
    pub(crate) fn list(&self, name: &str) -> Result<Option<Vec<String>>, ApiError> {
        let split = |text: &str| text.split(',').map(str::to_owned).collect();
        match self {
            Self::Query(query) => Ok(query.get(name).map(split)),
            Self::Body(body) => match body.get(name) {
                None | Some(Value::Null) => Ok(None),
                Some(Value::String(text)) => Ok(Some(split(text))),
                Some(Value::Array(items)) => items
                    .iter()
                    .map(|item| match item {
                        Value::String(text) => Ok(text.clone()),
                        Value::Number(number) => Ok(number.to_string()),
                        other => Err(wrong(name, &other.to_string())),
                    })
                    .collect::<Result<Vec<_>, _>>()
                    .map(Some),
                Some(other) => Err(wrong(name, &other.to_string())),
            },
        }
    }

    /// Absent is not false: many filters only narrow when they are true.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.text(name)? {
            None => Ok(None),
            Some(text) if text.is_empty() || text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(text) => Err(wrong(name, &text)),
        }
    }

    pub(crate) fn is_true(&self, name: &str) -> Result<bool, ApiError> {
        Ok(self.flag(name)? == Some(true))
    }

    pub(crate) fn number(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|_| wrong(name, &text))
    }

    pub(crate) fn date(&self, name: &str) -> Result<Option<Timestamp>, ApiError> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        date(&text).map(Some).ok_or_else(|| wrong(name, &text))
    }

    pub(crate) fn compares(&self, name: &str) -> Result<Vec<Compare>, ApiError> {
        match self {
            Self::Query(query) => query
                .get(name)
                .map_or(Ok(Vec::new()), |text| text.split(',').map(|one| compare_of_text(name, one)).collect()),
            Self::Body(body) => match body.get(name) {
                None | Some(Value::Null) => Ok(Vec::new()),
                Some(Value::Array(items)) => items.iter().map(|item| compare_of_value(name, item)).collect(),
                Some(other) => Err(wrong(name, &other.to_string())),
            },
        }
    }

    /// Alternatives of a POST query, each a set of filters of which one must hold.
    pub(crate) fn alternatives(&self) -> Result<Vec<Self>, ApiError> {
        let Self::Body(body) = self else {
            return Ok(Vec::new());
        };
        match body.get("orQueries") {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| match item {
                    Value::Object(body) => Ok(Self::Body(body.clone())),
                    other => Err(wrong("orQueries", &other.to_string())),
                })
                .collect(),
            Some(other) => Err(wrong("orQueries", &other.to_string())),
        }
    }

    /// In an address `sortBy` and `sortOrder` together or neither (D11); in a body `sorting`.
    pub(crate) fn sorts(&self) -> Result<Vec<Sort>, ApiError> {
        match self {
            Self::Query(query) => match (query.get("sortBy"), query.get("sortOrder")) {
                (None, None) => Ok(Vec::new()),
                (Some(by), Some(order)) => {
                    sort(by, order).map(|sort| vec![sort]).ok_or_else(|| wrong("sortOrder", order))
                }
                _ => {
                    let words = "Only a single sorting parameter specified. sortBy and sortOrder required";
                    Err(ApiError::invalid(words))
                }
            },
            Self::Body(body) => match body.get("sorting") {
                None | Some(Value::Null) => Ok(Vec::new()),
                Some(Value::Array(items)) => items.iter().map(sort_of_value).collect(),
                Some(other) => Err(not_valid(&format!("sorting is {other}: an array is wanted"))),
            },
        }
    }
}

/// A sort word that a resource does not know.
pub(crate) fn unknown_sort(word: &str) -> ApiError {
    wrong("sortBy", word)
}

pub(crate) fn wrong(name: &str, value: &str) -> ApiError {
    let value: String = value.chars().take(200).collect();
    ApiError::invalid(format!("Cannot set query parameter '{name}' to value '{value}'"))
}

fn not_valid(words: &str) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "NotValidException", words).engine()
}

fn sort(by: &str, order: &str) -> Option<Sort> {
    let descending = match order {
        "asc" => false,
        "desc" => true,
        _ => return None,
    };
    // The specification has a sort word with a trailing blank (D18).
    Some(Sort { by: by.trim().to_owned(), descending, variable: None })
}

fn sort_of_value(item: &Value) -> Result<Sort, ApiError> {
    let word = |name: &str| item.get(name).and_then(Value::as_str);
    let (Some(by), Some(order)) = (word("sortBy"), word("sortOrder")) else {
        let words = "Only a single sorting parameter specified. sortBy and sortOrder required";
        return Err(ApiError::invalid(words));
    };
    let mut sort =
        sort(by, order).ok_or_else(|| not_valid(&format!("sortOrder is {order:?}: asc or desc is wanted")))?;
    let fact = |name: &str| item["parameters"][name].as_str().map(str::to_owned);
    sort.variable = fact("variable").map(|name| (name, fact("type").unwrap_or_default()));
    Ok(sort)
}

pub(crate) fn date(text: &str) -> Option<Timestamp> {
    let date = Timestamp::parse(text);
    // A `+` that was not escaped has become a blank, five or six characters before the end.
    let mended = || text.rsplit_once(' ').map(|(time, offset)| format!("{time}+{offset}"));
    date.ok().or_else(|| Timestamp::parse(&mended()?).ok())
}

/// `name_op_value`; the value may hold further `_`. In an address all values are texts, as in Camunda 7.
fn compare_of_text(parameter: &str, text: &str) -> Result<Compare, ApiError> {
    let mut parts = text.splitn(3, '_');
    let (Some(name), Some(operator), Some(value)) = (parts.next(), parts.next(), parts.next()) else {
        let words = format!("{parameter} query parameter has to have format KEY_OPERATOR_VALUE.");
        return Err(ApiError::invalid(words));
    };
    Ok(Compare { name: name.to_owned(), operator: operator_of(operator)?, value: Value::String(value.to_owned()) })
}

fn compare_of_value(parameter: &str, item: &Value) -> Result<Compare, ApiError> {
    let word = |name: &str| item.get(name).and_then(Value::as_str);
    let name = word("name").ok_or_else(|| wrong(parameter, &item.to_string()))?;
    Ok(Compare {
        name: name.to_owned(),
        operator: operator_of(word("operator").unwrap_or("eq"))?,
        value: item.get("value").cloned().unwrap_or(Value::Null),
    })
}

fn operator_of(word: &str) -> Result<Operator, ApiError> {
    Operator::parse(word).ok_or_else(|| ApiError::invalid(format!("Invalid variable comparator specified: {word}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn query(text: &str) -> Filters {
        Filters::Query(Query::parse(text))
    }

    fn body(value: Value) -> Filters {
        Filters::Body(value.as_object().expect("an object").clone())
    }

    #[test]
    fn of_a_repeated_parameter_the_first_counts() {
        assert_eq!(query("a=1&a=2&b").text("a").expect("text"), Some("1".to_owned()));
    }

    #[test]
    fn dates_come_in_all_their_forms() {
        let wanted = Some(Timestamp::parse("2026-11-22T08:00:00Z").expect("a time"));
        for text in [
            "2026-11-22T08:00:00.000+0000",
            "2026-11-22T08:00:00Z",
            "2026-11-22T09:00:00+01:00",
            "2026-11-22T08:00:00.000%2B0000",
        ] {
            assert_eq!(query(&format!("at={text}")).date("at").expect("a date"), wanted, "{text}");
        }
        assert!(query("at=tomorrow").date("at").is_err());
    }

    #[test]
    fn sorting_needs_both_words() {
        assert_eq!(query("sortBy=tenantId%20&sortOrder=asc").sorts().expect("sorts")[0].by, "tenantId");
        for wrong in ["sortBy=name", "sortOrder=asc"] {
            let error = query(wrong).sorts().expect_err("refused");
            assert_eq!(error.message, "Only a single sorting parameter specified. sortBy and sortOrder required");
        }
        let error = body(json!({ "sorting": "name" })).sorts().expect_err("refused");
        assert_eq!((error.status.as_u16(), &*error.kind), (400, "NotValidException"));
        assert!(body(json!({ "sorting": null })).sorts().expect("sorts").is_empty());
    }

    #[test]
    fn lists_are_understood_in_both_forms() {
        let wanted = Some(vec!["a".to_owned(), "b".to_owned()]);
        assert_eq!(query("t=a,b").list("t").expect("a list"), wanted);
        assert_eq!(body(json!({ "t": ["a", "b"] })).list("t").expect("a list"), wanted);
        assert_eq!(body(json!({ "t": "a,b" })).list("t").expect("a list"), wanted);
        assert_eq!(body(json!({ "t": null })).list("t").expect("a list"), None);
        assert!(body(json!({ "t": {} })).list("t").is_err());
    }

    #[test]
    fn values_of_comparisons_are_texts_in_an_address_and_typed_in_a_body() {
        let found = query("variables=a_eq_1,b_like_x_y").compares("variables").expect("comparisons");
        assert_eq!(found[0].value, json!("1"));
        assert_eq!((found[1].operator, &found[1].value), (Operator::Like, &json!("x_y")));
        let found = body(json!({ "variables": [{ "name": "a", "operator": "gt", "value": 1 }] }))
            .compares("variables")
            .expect("comparisons");
        assert_eq!(found[0].value, json!(1));
        assert!(query("variables=a").compares("variables").is_err());
        assert!(query("variables=a_is_1").compares("variables").is_err());
    }

    #[test]
    fn a_page_is_refused_rather_than_cut() {
        assert_eq!(query_page("firstResult=x").expect_err("refused").status, 404);
        assert_eq!(query_page("maxResults=0").expect("a page").limit(), 0);
        let all = Page::default();
        assert!(all.check(vec![(); all.limit() as usize]).is_err());
    }

    fn query_page(text: &str) -> Result<Page, ApiError> {
        Query::parse(text).page()
    }
}
