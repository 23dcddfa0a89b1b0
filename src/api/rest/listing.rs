//! A list over GET and POST, and its count: written once, each resource says what it filters, sorts and shows.

use super::filter::{self, Rule};
use crate::api::auth::Caller;
use crate::api::call::Call;
use crate::api::error::{Answer, ApiError};
use crate::api::guarded::Guarded;
use crate::api::json::{Json, Object, count, json};
use crate::api::params::{Filters, Query, Sort};
use crate::store::queries::select::{Column, Condition, Order};
use serde_json::Value;
use std::future::Future;

/// Rows as they leave.
pub(super) type Shaped = Result<Vec<Value>, ApiError>;

pub(super) trait Listing {
    type Row: Guarded;
    const RULES: &'static [Rule];
    const SORTS: &'static [(&'static str, Column)];

    /// What always holds, beside alternatives too.
    fn base(_filters: &Filters) -> Result<Vec<Condition>, ApiError> {
        Ok(Vec::new())
    }

    /// What the caller may see of these rows, where several lists show them.
    fn guard(_caller: &Caller) -> Option<Condition> {
        None
    }

    /// Filters beyond the table.
    fn more(filters: &Filters, call: &Call) -> impl Future<Output = Result<Vec<Condition>, ApiError>> + Send;

    /// Orders beyond the table.
    fn order(_sort: &Sort) -> Result<Option<Order>, ApiError> {
        Ok(None)
    }

    /// Rows as they leave; the filters say how much of them is wanted.
    fn shape(call: &Call, filters: &Filters, rows: Vec<Self::Row>) -> impl Future<Output = Shaped> + Send;
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

pub(super) async fn answer<L: Listing>(call: &Call, query: &Query, filters: Filters) -> Answer {
    json(page::<L>(call, query, &filters).await?)
}

pub(super) async fn page<L: Listing>(call: &Call, query: &Query, filters: &Filters) -> Result<Vec<Value>, ApiError> {
    let order = filter::order(filters, L::SORTS, L::order)?;
    let page = query.page()?;
    let rows = call.list::<L::Row>(conditions::<L>(filters, call).await?, order, page).await?;
    L::shape(call, filters, rows).await
}

/// All rows that fit, for work on each of them.
pub(super) async fn rows<L: Listing>(call: &Call, filters: &Filters) -> Result<Vec<L::Row>, ApiError> {
    call.all(conditions::<L>(filters, call).await?).await
}

pub(super) async fn counted<L: Listing>(call: &Call, filters: &Filters) -> Answer {
    count(number::<L>(call, filters).await?)
}

pub(super) async fn number<L: Listing>(call: &Call, filters: &Filters) -> Result<i64, ApiError> {
    call.count::<L::Row>(&conditions::<L>(filters, call).await?).await
}

/// Whether filters and order are understood.
pub(super) async fn check<L: Listing>(call: &Call, filters: &Filters) -> Result<(), ApiError> {
    filter::order(filters, L::SORTS, L::order)?;
    conditions::<L>(filters, call).await.map(|_| ())
}

async fn conditions<L: Listing>(filters: &Filters, call: &Call) -> Result<Vec<Condition>, ApiError> {
    let mut all = L::base(filters)?;
    all.extend(L::guard(&call.caller));
    all.extend(filter::conditions(filters, L::RULES)?);
    all.extend(L::more(filters, call).await?);
    for alternative in filters.alternatives()? {
        let mut any = filter::conditions(&alternative, L::RULES)?;
        any.extend(L::more(&alternative, call).await?);
        all.push(Condition::Any(any));
    }
    Ok(all)
}

/// The objects that fulfil these, beside what always holds.
pub(super) async fn of<L: Listing>(call: &Call, conditions: Vec<Condition>) -> Shaped {
    let nothing = Filters::Query(Query::default());
    let all = L::base(&nothing)?.into_iter().chain(L::guard(&call.caller)).chain(conditions).collect();
    L::shape(call, &nothing, call.all(all).await?).await
}

/// The one object of a path.
pub(super) async fn one<L: Listing>(
    call: &Call,
    conditions: Vec<Condition>,
    absent: impl FnOnce() -> ApiError,
) -> Result<Value, ApiError> {
    of::<L>(call, conditions).await?.pop().ok_or_else(absent)
}
