//! `/filter`: queries of tasks under a name. Whoever sees every tenant makes them for everybody, others for themselves.

use super::listing;
use super::options;
use super::sheet::{self, Rule};
use super::task::Tasks;
use crate::api::call::Call;
use crate::api::error::{Answer, ApiError};
use crate::api::json::{Json, Object, json, no_content};
use crate::api::params::{Filters, Query};
use crate::api::wire;
use crate::store::queries::notes::SavedFilter;
use axum::extract::Path;
use serde::Deserialize;
use serde_json::{Value, json as shape};

/// The only kind of query that is kept.
const TASK: &str = "Task";

const RULES: &[Rule] = &[
    Rule::Text("filterId", "id"),
    Rule::Text("resourceType", "resourceType"),
    Rule::Text("name", "name"),
    Rule::Like("nameLike", "name"),
    Rule::Text("owner", "owner"),
];

const SORTS: &[(&str, &str)] =
    &[("filterId", "id"), ("resourceType", "resourceType"), ("name", "name"), ("owner", "owner")];

async fn visible(call: &Call) -> Result<Vec<SavedFilter>, ApiError> {
    let mut all = call.state.store().saved_filters().await?;
    all.retain(|filter| filter.shared != 0 || call.caller.is(&filter.maker));
    Ok(all)
}

fn absent(id: &str) -> ApiError {
    ApiError::absent(format!("Filter with id '{id}' does not exist."))
}

async fn find(call: &Call, id: &str) -> Result<SavedFilter, ApiError> {
    visible(call).await?.into_iter().find(|filter| filter.id == id).ok_or_else(|| absent(id))
}

/// One that the caller may change: a shared one belongs to those who see every tenant.
async fn own(call: &Call, id: &str) -> Result<SavedFilter, ApiError> {
    let filter = find(call, id).await?;
    if filter.shared != 0 && call.caller.access.tenants.is_some() {
        return Err(ApiError::forbidden(format!("Filter {id} is everybody's: ask an administrator to change it.")));
    }
    Ok(filter)
}

fn object(text: &str) -> Result<Object, ApiError> {
    serde_json::from_str(text).map_err(|_| ApiError::failed("A stored filter cannot be read."))
}

async fn shape_of(call: &Call, filter: &SavedFilter, counted: bool) -> Result<Value, ApiError> {
    let query = object(&filter.query)?;
    let count = match counted {
        true => Some(listing::number::<Tasks>(call, &Filters::Body(query.clone())).await?),
        false => None,
    };
    Ok(shape!({
        "id": filter.id,
        "resourceType": filter.resource,
        "name": filter.name,
        "owner": filter.owner,
        "query": query,
        "properties": object(&filter.properties)?,
        "itemCount": count,
    }))
}

async fn found(call: &Call, query: &Query) -> Result<Vec<Value>, ApiError> {
    let mut rows = Vec::new();
    for filter in visible(call).await? {
        rows.push(shape_of(call, &filter, query.flag("itemCount", false)).await?);
    }
    sheet::fitting(&Filters::Query(query.clone()), RULES, rows)
}

pub(super) async fn list(call: Call, query: Query) -> Answer {
    sheet::answer(&query, &Filters::Query(query.clone()), SORTS, found(&call, &query).await?)
}

pub(super) async fn count(call: Call, query: Query) -> Answer {
    sheet::count(&found(&call, &query).await?)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Body {
    resource_type: Option<String>,
    name: Option<String>,
    owner: Option<String>,
    query: Option<Object>,
    properties: Option<Object>,
}

impl Body {
    /// What is wrong with a query is said when it is saved, not when it is asked.
    async fn kept(self, call: &Call, id: String, maker: String, shared: i16) -> Result<SavedFilter, ApiError> {
        let resource = self.resource_type.unwrap_or_else(|| TASK.to_owned());
        if resource != TASK {
            return Err(ApiError::invalid(format!("Filters of {resource} are not kept here: use {TASK}.")));
        }
        let name = self.name.filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| ApiError::invalid("A filter needs a name."))?;
        let query = self.query.unwrap_or_default();
        listing::check::<Tasks>(call, &Filters::Body(query.clone())).await?;
        let query = Value::Object(query).to_string();
        let properties = Value::Object(self.properties.unwrap_or_default()).to_string();
        Ok(SavedFilter { id, maker, shared, resource, name, owner: self.owner, query, properties })
    }
}

pub(super) async fn create(call: Call, Json(body): Json<Body>) -> Answer {
    let shared = call.caller.access.tenants.is_none().into();
    let filter = body.kept(&call, wire::random(), call.caller.user.clone(), shared).await?;
    call.state.store().save_filter(&filter).await?;
    call.tell_of_filter("Create", "Filter", "filterId", &filter.id).await?;
    json(shape_of(&call, &filter, false).await?)
}

pub(super) async fn get(call: Call, Path(id): Path<String>, query: Query) -> Answer {
    json(shape_of(&call, &find(&call, &id).await?, query.flag("itemCount", false)).await?)
}

pub(super) async fn put(call: Call, Path(id): Path<String>, Json(body): Json<Body>) -> Answer {
    let before = own(&call, &id).await?;
    let filter = body.kept(&call, before.id, before.maker, before.shared).await?;
    call.state.store().save_filter(&filter).await?;
    call.tell_of_filter("Update", "Filter", "filterId", &filter.id).await?;
    no_content()
}

pub(super) async fn delete(call: Call, Path(id): Path<String>) -> Answer {
    call.state.store().remove_filter(&own(&call, &id).await?.id).await?;
    call.tell_of_filter("Delete", "Filter", "filterId", &id).await?;
    no_content()
}

/// The saved query; what a request adds goes before what is saved.
async fn extended(call: &Call, id: &str, more: Object) -> Result<Filters, ApiError> {
    let mut query = object(&find(call, id).await?.query)?;
    query.extend(more);
    Ok(Filters::Body(query))
}

pub(super) async fn items(call: Call, Path(id): Path<String>, query: Query) -> Answer {
    listing::answer::<Tasks>(&call, &query, extended(&call, &id, Object::new()).await?).await
}

pub(super) async fn post_items(call: Call, Path(id): Path<String>, query: Query, Json(more): Json<Object>) -> Answer {
    listing::answer::<Tasks>(&call, &query, extended(&call, &id, more).await?).await
}

pub(super) async fn item_count(call: Call, Path(id): Path<String>) -> Answer {
    listing::counted::<Tasks>(&call, &extended(&call, &id, Object::new()).await?).await
}

pub(super) async fn post_item_count(call: Call, Path(id): Path<String>, Json(more): Json<Object>) -> Answer {
    listing::counted::<Tasks>(&call, &extended(&call, &id, more).await?).await
}

pub(super) async fn single(call: Call, Path(id): Path<String>) -> Answer {
    only(&call, extended(&call, &id, Object::new()).await?).await
}

pub(super) async fn post_single(call: Call, Path(id): Path<String>, Json(more): Json<Object>) -> Answer {
    only(&call, extended(&call, &id, more).await?).await
}

/// The only task that fits; nothing if there is none.
async fn only(call: &Call, filters: Filters) -> Answer {
    let mut found = listing::page::<Tasks>(call, &Query::parse("maxResults=2"), &filters).await?;
    match (found.pop(), found.pop()) {
        (None, _) => no_content(),
        (Some(task), None) => json(task),
        (Some(_), Some(_)) => {
            let words = "Filter contains more than one result: narrow it, or ask for its list.";
            Err(ApiError::refused("BadUserRequestException", words))
        }
    }
}

/// Everybody may keep filters of his own.
pub(super) async fn options(call: Call) -> Answer {
    options::collection(&call, "/filter", true)
}

pub(super) async fn options_of(call: Call, Path(id): Path<String>) -> Answer {
    let filter = find(&call, &id).await?;
    let changes = filter.shared == 0 || call.caller.access.tenants.is_none();
    options::object(&call, &format!("/filter/{id}"), changes, changes)
}
