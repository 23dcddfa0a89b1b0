//! What happened in an instance, told event by event: where the logs come from that no list of rows holds.
//!
//! They are read for instances that a filter names, by their own id or by that of something inside them: the history of
//! everything is too long to be gone through for one answer.

use super::listing::Shaped;
use super::sheet::{self, Rule};
use crate::api::call::Call;
use crate::api::error::{Answer, ApiError};
use crate::api::json::{Json, Object, json};
use crate::api::params::{Filters, Query};
use crate::api::state::ApiState;
use crate::api::wire;
use crate::engine::event::Event;
use crate::store::queries::record::StoryRecord;
use crate::store::queries::select::{Condition, Test, column};
use axum::Router;
use axum::extract::Path;
use axum::routing::{get, post};
use serde_json::Value;
use std::collections::BTreeSet;

/// A command of an instance, with its events.
pub(super) struct Chapter {
    pub(super) row: StoryRecord,
    /// With their places.
    pub(super) events: Vec<(usize, Event)>,
}

impl Chapter {
    /// Names one event, for good.
    pub(super) fn line_id(&self, place: usize) -> String {
        format!("{}.{}.{place}", self.row.instance, self.row.position)
    }
}

/// A log: which events it tells of, and how.
pub(super) trait Log: 'static {
    /// In words: `Historic detail`.
    const WHAT: &'static str;
    /// Filters whose ids begin with an instance's.
    const NAMES: &'static [&'static str];
    /// The events that count, as they are written.
    const WORDS: &'static [&'static str];
    const RULES: &'static [Rule];
    const SORTS: &'static [(&'static str, &'static str)];

    /// As they happened; each has its `id`.
    fn lines(call: &Call, query: &Query, chapters: &[Chapter]) -> impl Future<Output = Shaped> + Send;
}

/// A log by GET and POST, its count, and each of its lines.
pub(super) fn routes<L: Log>(path: &str) -> Router<ApiState> {
    Router::new()
        .route(path, get(list::<L>).post(post_list::<L>))
        .route(&format!("{path}/count"), get(count::<L>).merge(post(post_count::<L>)))
        .route(&format!("{path}/{{id}}"), get(one::<L>))
}

async fn found<L: Log>(call: &Call, query: &Query, filters: &Filters) -> Result<Vec<Value>, ApiError> {
    let instances = named(filters, L::NAMES)?.ok_or_else(|| {
        let names = L::NAMES.join(" or ");
        ApiError::invalid(format!("This list is read from the history of an instance: name one, by {names}."))
    })?;
    let chapters = of::<L>(call, instances).await?;
    sheet::fitting(filters, L::RULES, L::lines(call, query, &chapters).await?)
}

pub(super) async fn list<L: Log>(call: Call, query: Query) -> Answer {
    let filters = Filters::Query(query.clone());
    sheet::answer(&query, &filters, L::SORTS, found::<L>(&call, &query, &filters).await?)
}

async fn post_list<L: Log>(call: Call, query: Query, Json(body): Json<Object>) -> Answer {
    let filters = Filters::Body(body);
    sheet::answer(&query, &filters, L::SORTS, found::<L>(&call, &query, &filters).await?)
}

pub(super) async fn count<L: Log>(call: Call, query: Query) -> Answer {
    sheet::count(&found::<L>(&call, &query, &Filters::Query(query.clone())).await?)
}

async fn post_count<L: Log>(call: Call, query: Query, Json(body): Json<Object>) -> Answer {
    sheet::count(&found::<L>(&call, &query, &Filters::Body(body)).await?)
}

async fn one<L: Log>(call: Call, Path(id): Path<String>, query: Query) -> Answer {
    json(line::<L>(&call, &id, &query).await?)
}

/// The line of this id.
pub(super) async fn line<L: Log>(call: &Call, id: &str, query: &Query) -> Result<Value, ApiError> {
    let chapters = of_line::<L>(call, id).await?;
    let lines = L::lines(call, query, &chapters).await?;
    lines.into_iter().find(|line| line["id"] == id).ok_or_else(|| absent::<L>(id))
}

pub(super) fn absent<L: Log>(id: &str) -> ApiError {
    ApiError::absent(format!("{} with id '{id}' does not exist", L::WHAT))
}

/// The chapters of the instance in which this line is told.
pub(super) async fn of_line<L: Log>(call: &Call, id: &str) -> Result<Vec<Chapter>, ApiError> {
    let instance = instance_of(id).ok_or_else(|| absent::<L>(id))?;
    of::<L>(call, BTreeSet::from([instance])).await
}

async fn of<L: Log>(call: &Call, instances: BTreeSet<i64>) -> Result<Vec<Chapter>, ApiError> {
    let speaks = |word: &&str| Condition::Is(column::EVENTS, Test::Like, format!("%\"e\":\"{word}\"%").into());
    let conditions = vec![
        Condition::OneOf(column::INSTANCE, instances.into_iter().map(Into::into).collect()),
        Condition::Any(L::WORDS.iter().map(speaks).collect()),
    ];
    let rows: Vec<StoryRecord> = call.all(conditions).await?;
    rows.into_iter()
        .map(|row| {
            let unreadable = |_| ApiError::failed("A stored history cannot be read.");
            let events: Vec<Event> = serde_json::from_str(&row.events).map_err(unreadable)?;
            Ok(Chapter { row, events: events.into_iter().enumerate().collect() })
        })
        .collect()
}

/// The instances in which the named things are, where any filter names some: all filters must agree.
fn named(filters: &Filters, names: &[&str]) -> Result<Option<BTreeSet<i64>>, ApiError> {
    let mut found: Option<BTreeSet<i64>> = None;
    for name in names {
        let ids = if name.ends_with("In") { filters.list(name)? } else { filters.text(name)?.map(|id| vec![id]) };
        let Some(ids) = ids else { continue };
        let of: BTreeSet<i64> = ids.iter().filter_map(|id| instance_of(id)).collect();
        found = Some(match found {
            Some(before) => before.intersection(&of).copied().collect(),
            None => of,
        });
    }
    Ok(found)
}

/// Every id of something inside an instance begins with the instance's.
fn instance_of(id: &str) -> Option<i64> {
    wire::number(id.split([':', '.']).next()?)
}
