//! A list over GET and POST, and its count: written once, each resource says what it filters, sorts and shows.

use super::filter::{self, Rule};
use crate::api::call::Call;
use crate::api::error::{Answer, ApiError};
use crate::api::json::{Json, Object, count, json};
use crate::api::params::{Filters, Query};
use crate::store::queries::record::Record;
use crate::store::queries::select::{Column, Condition};
use serde_json::Value;
use std::future::Future;

pub(super) trait Listing {
    type Row: Record;
    const RULES: &'static [Rule];
    const SORTS: &'static [(&'static str, Column)];

    /// What always holds.
    fn base() -> Vec<Condition> {
        Vec::new()
    }

    /// Filters beyond the table.
    fn more(filters: &Filters, call: &Call) -> Result<Vec<Condition>, ApiError>;

    fn shape(call: &Call, rows: Vec<Self::Row>) -> impl Future<Output = Result<Vec<Value>, ApiError>> + Send;
}

pub(super) async fn get<L: Listing>(call: Call, query: Query) -> Answer {
    answer::<L>(&call, &query, Filters::Query(query.clone())).await
}

pub(super) async fn post<L: Listing>(call: Call, query: Query, Json(body): Json<Object>) -> Answer {
    answer::<L>(&call, &query, Filters::Body(body)).await
}

pub(super) async fn get_count<L: Listing>(call: Call, query: Query) -> Answer {
    counted::<L>(&call, &Filters::Query(query)).await
}

pub(super) async fn post_count<L: Listing>(call: Call, Json(body): Json<Object>) -> Answer {
    counted::<L>(&call, &Filters::Body(body)).await
}

async fn answer<L: Listing>(call: &Call, query: &Query, filters: Filters) -> Answer {
    json(rows::<L>(call, query, filters).await?)
}

/// A page, shaped.
pub(super) async fn rows<L: Listing>(call: &Call, query: &Query, filters: Filters) -> Result<Vec<Value>, ApiError> {
    let order = filter::order(&filters, L::SORTS)?;
    let page = query.page()?;
    let rows = call.list::<L::Row>(conditions::<L>(&filters, call)?, order, page).await?;
    L::shape(call, rows).await
}

async fn counted<L: Listing>(call: &Call, filters: &Filters) -> Answer {
    count(call.count::<L::Row>(&conditions::<L>(filters, call)?).await?)
}

fn conditions<L: Listing>(filters: &Filters, call: &Call) -> Result<Vec<Condition>, ApiError> {
    let mut all = L::base();
    all.extend(filter::conditions(filters, L::RULES)?);
    all.extend(L::more(filters, call)?);
    for alternative in filters.alternatives()? {
        let mut any = filter::conditions(&alternative, L::RULES)?;
        any.extend(L::more(&alternative, call)?);
        all.push(Condition::Any(any));
    }
    Ok(all)
}

/// The one object of a path.
pub(super) async fn one<L: Listing>(
    call: &Call,
    conditions: Vec<Condition>,
    absent: impl FnOnce() -> ApiError,
) -> Result<Value, ApiError> {
    let all = L::base().into_iter().chain(conditions).collect();
    let row = call.one::<L::Row>(all).await?.ok_or_else(absent)?;
    L::shape(call, vec![row]).await?.pop().ok_or_else(|| ApiError::failed("A row has no shape."))
}
