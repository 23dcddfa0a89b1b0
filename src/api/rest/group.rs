//! `/group`: groups and their members.

use super::options;
use super::sheet::{self, Rule, Sheet};
use crate::api::auth::check_name;
use crate::api::auth::permission::{Permission, Resource};
use crate::api::call::Call;
use crate::api::error::{Answer, ApiError};
use crate::api::json::{Json, json, no_content};
use crate::api::params::Filters;
use crate::store::queries::identity::Group;
use axum::extract::Path;
use serde::Deserialize;
use serde_json::{Value, json as shape};
use std::collections::BTreeSet;

const RULES: &[Rule] = &[
    Rule::Text("id", "id"),
    Rule::TextIn("idIn", "id"),
    Rule::Text("name", "name"),
    Rule::Like("nameLike", "name"),
    Rule::Text("type", "type"),
];

fn shape_of(group: &Group) -> Value {
    shape!({ "id": group.id, "name": group.name, "type": group.kind })
}

fn absent(id: &str) -> ApiError {
    ApiError::absent(format!("Group with id {id} does not exist"))
}

/// Everybody sees the groups he is in.
fn may_read(call: &Call, id: &str) -> bool {
    call.caller.groups.contains(id) || call.may(Permission::Read, Resource::Group, id)
}

async fn visible(call: &Call, id: &str) -> Result<Group, ApiError> {
    let found = call.state.store().groups().await?.into_iter().find(|group| group.id == id && may_read(call, id));
    found.ok_or_else(|| absent(id))
}

pub(super) struct Groups;

impl Sheet for Groups {
    const SORTS: &'static [(&'static str, &'static str)] = &[("id", "id"), ("name", "name"), ("type", "type")];

    async fn found(call: &Call, filters: &Filters) -> Result<Vec<Value>, ApiError> {
        let store = call.state.store();
        let mut groups = store.groups().await?;
        groups.retain(|group| may_read(call, &group.id));
        if let Some(member) = filters.text("member")? {
            let of = store.group_members().await?.into_iter().filter(|(_, account)| *account == member);
            let of: BTreeSet<String> = of.map(|(group, _)| group).collect();
            groups.retain(|group| of.contains(&group.id));
        }
        if let Some(tenant) = filters.text("memberOfTenant")? {
            let of = store.tenant_members().await?.into_iter().filter(|one| one.is_team == 1 && one.tenant == tenant);
            let of: BTreeSet<String> = of.map(|one| one.member).collect();
            groups.retain(|group| of.contains(&group.id));
        }
        sheet::fitting(filters, RULES, groups.iter().map(shape_of).collect())
    }
}

#[derive(Deserialize)]
pub(super) struct Body {
    id: Option<String>,
    name: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

pub(super) async fn create(call: Call, Json(body): Json<Body>) -> Answer {
    call.require(Permission::Create, Resource::Group, "*")?;
    let id = body.id.ok_or_else(|| ApiError::invalid("A group needs an id."))?;
    check_name("group", &id)?;
    if call.state.store().add_group(&Group { id: id.clone(), name: body.name, kind: body.kind }).await? {
        call.tell_of_identity("Create", "Group", "groupId", &id).await?;
        return no_content();
    }
    Err(ApiError::refused("ProcessEngineException", format!("A group with id {id} exists already.")))
}

pub(super) async fn get(call: Call, Path(id): Path<String>) -> Answer {
    json(shape_of(&visible(&call, &id).await?))
}

pub(super) async fn put(call: Call, Path(id): Path<String>, Json(body): Json<Body>) -> Answer {
    visible(&call, &id).await?;
    call.require(Permission::Update, Resource::Group, &id)?;
    changeable(&call, &id).await?;
    call.state.store().change_group(&Group { id: id.clone(), name: body.name, kind: body.kind }).await?;
    call.tell_of_identity("Update", "Group", "groupId", &id).await?;
    no_content()
}

pub(super) async fn delete(call: Call, Path(id): Path<String>) -> Answer {
    visible(&call, &id).await?;
    call.require(Permission::Delete, Resource::Group, &id)?;
    changeable(&call, &id).await?;
    call.state.store().remove_group(&id).await?;
    tracing::info!(audit = "group-deleted", group = id, by = call.caller.user, "a group was removed");
    call.tell_of_identity("Delete", "Group", "groupId", &id).await?;
    no_content()
}

/// A group whose members may do more than the caller is not his to change, nor to choose its members.
async fn changeable(call: &Call, id: &str) -> Result<(), ApiError> {
    if call.caller.covers(&call.state.sign_in.member_of(id).await?) {
        return Ok(());
    }
    let words =
        format!("Members of {id} may do more than you: ask somebody who may do all of it, such as an administrator.");
    Err(ApiError::forbidden(words))
}

pub(super) async fn join(call: Call, Path((id, user)): Path<(String, String)>) -> Answer {
    visible(&call, &id).await?;
    call.require(Permission::Create, Resource::GroupMembership, &id)?;
    changeable(&call, &id).await?;
    if call.state.store().account(&user).await?.is_none() {
        return Err(ApiError::absent(format!("User with id {user} does not exist")));
    }
    call.state.store().join_group(&id, &user).await?;
    call.tell_of_identity("Create", "GroupMembership", "userId", &format!("{user} in {id}")).await?;
    tracing::info!(
        audit = "group-joined",
        group = id,
        user.name = user,
        by = call.caller.user,
        "a group has a member more"
    );
    no_content()
}

pub(super) async fn leave(call: Call, Path((id, user)): Path<(String, String)>) -> Answer {
    visible(&call, &id).await?;
    call.require(Permission::Delete, Resource::GroupMembership, &id)?;
    changeable(&call, &id).await?;
    call.state.store().leave_group(&id, &user).await?;
    call.tell_of_identity("Delete", "GroupMembership", "userId", &format!("{user} in {id}")).await?;
    tracing::info!(
        audit = "group-left",
        group = id,
        user.name = user,
        by = call.caller.user,
        "a group has a member less"
    );
    no_content()
}

pub(super) async fn options(call: Call) -> Answer {
    options::collection(&call, "/group", call.may(Permission::Create, Resource::Group, "*"))
}

pub(super) async fn options_of(call: Call, Path(id): Path<String>) -> Answer {
    let may = |permission| call.may(permission, Resource::Group, &id);
    options::object(&call, &format!("/group/{id}"), may(Permission::Delete), may(Permission::Update))
}

pub(super) async fn options_of_members(call: Call, Path(id): Path<String>) -> Answer {
    let may = |permission| call.may(permission, Resource::GroupMembership, &id);
    options::members(&call, &format!("/group/{id}/members"), may(Permission::Create), may(Permission::Delete))
}
