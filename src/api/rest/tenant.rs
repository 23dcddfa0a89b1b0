//! `/tenant`: tenants, and the users and groups that belong to them.

use super::options;
use super::sheet::{self, Rule, Sheet};
use crate::api::auth::check_name;
use crate::api::auth::permission::{Permission, Resource};
use crate::api::call::Call;
use crate::api::error::{Answer, ApiError};
use crate::api::json::{Json, json, no_content};
use crate::api::params::Filters;
use crate::store::queries::identity::{Tenant, TenantMember};
use axum::extract::Path;
use serde::Deserialize;
use serde_json::{Value, json as shape};
use std::collections::BTreeSet;

const RULES: &[Rule] = &[Rule::Text("id", "id"), Rule::Text("name", "name"), Rule::Like("nameLike", "name")];
fn shape_of(tenant: &Tenant) -> Value {
    shape!({ "id": tenant.id, "name": tenant.name })
}

fn absent(id: &str) -> ApiError {
    ApiError::absent(format!("Tenant with id {id} does not exist"))
}

/// Everybody sees the tenants he belongs to; a right alone does not show those of others.
fn may_read(call: &Call, id: &str) -> bool {
    let own = call.caller.access.tenants.as_ref().is_some_and(|own| own.contains(id));
    own || (call.caller.access.sees(id) && call.may(Permission::Read, Resource::Tenant, id))
}

async fn visible(call: &Call, id: &str) -> Result<Tenant, ApiError> {
    let found = call.state.store().tenants().await?.into_iter().find(|tenant| tenant.id == id && may_read(call, id));
    found.ok_or_else(|| absent(id))
}

pub(super) struct Tenants;

impl Sheet for Tenants {
    const SORTS: &'static [(&'static str, &'static str)] = &[("id", "id"), ("name", "name")];

    async fn found(call: &Call, filters: &Filters) -> Result<Vec<Value>, ApiError> {
        let mut tenants = call.state.store().tenants().await?;
        tenants.retain(|tenant| may_read(call, &tenant.id));
        let members = call.state.store().tenant_members().await?;
        let of = |is_team: i16, names: &BTreeSet<String>| -> BTreeSet<String> {
            let fitting = members.iter().filter(|one| one.is_team == is_team && names.contains(&one.member));
            fitting.map(|one| one.tenant.clone()).collect()
        };
        if let Some(user) = filters.text("userMember")? {
            let mut own = of(0, &BTreeSet::from([user.clone()]));
            if filters.is_true("includingGroupsOfUser")? {
                let groups =
                    call.state.store().group_members().await?.into_iter().filter(|(_, account)| *account == user);
                own.extend(of(1, &groups.map(|(group, _)| group).collect()));
            }
            tenants.retain(|tenant| own.contains(&tenant.id));
        }
        if let Some(group) = filters.text("groupMember")? {
            let own = of(1, &BTreeSet::from([group]));
            tenants.retain(|tenant| own.contains(&tenant.id));
        }
        sheet::fitting(filters, RULES, tenants.iter().map(shape_of).collect())
    }
}

#[derive(Deserialize)]
pub(super) struct Body {
    id: Option<String>,
    name: Option<String>,
}

pub(super) async fn create(call: Call, Json(body): Json<Body>) -> Answer {
    call.require(Permission::Create, Resource::Tenant, "*")?;
    let id = body.id.ok_or_else(|| ApiError::invalid("A tenant needs an id."))?;
    check_name("tenant", &id)?;
    if call.state.store().add_tenant(&Tenant { id: id.clone(), name: body.name }).await? {
        call.tell_of_identity("Create", "Tenant", "tenantId", &id).await?;
        return no_content();
    }
    Err(ApiError::refused("ProcessEngineException", format!("A tenant with id {id} exists already.")))
}

pub(super) async fn get(call: Call, Path(id): Path<String>) -> Answer {
    json(shape_of(&visible(&call, &id).await?))
}

pub(super) async fn put(call: Call, Path(id): Path<String>, Json(body): Json<Body>) -> Answer {
    visible(&call, &id).await?;
    call.require(Permission::Update, Resource::Tenant, &id)?;
    call.state.store().change_tenant(&Tenant { id: id.clone(), name: body.name }).await?;
    call.tell_of_identity("Update", "Tenant", "tenantId", &id).await?;
    no_content()
}

pub(super) async fn delete(call: Call, Path(id): Path<String>) -> Answer {
    visible(&call, &id).await?;
    call.require(Permission::Delete, Resource::Tenant, &id)?;
    call.state.store().remove_tenant(&id).await?;
    tracing::info!(audit = "tenant-deleted", tenant = id, by = call.caller.user, "a tenant was removed");
    call.tell_of_identity("Delete", "Tenant", "tenantId", &id).await?;
    no_content()
}

pub(super) async fn join_user(call: Call, Path((id, user)): Path<(String, String)>) -> Answer {
    joinable(&call, &id).await?;
    if call.state.store().account(&user).await?.is_none() {
        return Err(ApiError::absent(format!("User with id {user} does not exist")));
    }
    join(&call, id, user, 0).await
}

pub(super) async fn join_group(call: Call, Path((id, group)): Path<(String, String)>) -> Answer {
    joinable(&call, &id).await?;
    if !call.state.store().groups().await?.iter().any(|one| one.id == group) {
        return Err(ApiError::absent(format!("Group with id {group} does not exist")));
    }
    join(&call, id, group, 1).await
}

async fn joinable(call: &Call, tenant: &str) -> Result<(), ApiError> {
    visible(call, tenant).await?;
    call.require(Permission::Create, Resource::TenantMembership, tenant)
}

async fn join(call: &Call, tenant: String, member: String, is_team: i16) -> Answer {
    tracing::info!(
        audit = "tenant-joined",
        tenant,
        member,
        is_team,
        by = call.caller.user,
        "a tenant has a member more"
    );
    let told = format!("{member} in {tenant}");
    call.state.store().join_tenant(&TenantMember { tenant, is_team, member }).await?;
    call.tell_of_identity("Create", "TenantMembership", "member", &told).await?;
    no_content()
}

pub(super) async fn leave_user(call: Call, Path((id, user)): Path<(String, String)>) -> Answer {
    leave(&call, id, user, 0).await
}

pub(super) async fn leave_group(call: Call, Path((id, group)): Path<(String, String)>) -> Answer {
    leave(&call, id, group, 1).await
}

async fn leave(call: &Call, tenant: String, member: String, is_team: i16) -> Answer {
    visible(call, &tenant).await?;
    call.require(Permission::Delete, Resource::TenantMembership, &tenant)?;
    tracing::info!(audit = "tenant-left", tenant, member, is_team, by = call.caller.user, "a tenant has a member less");
    let told = format!("{member} in {tenant}");
    call.state.store().leave_tenant(&TenantMember { tenant, is_team, member }).await?;
    call.tell_of_identity("Delete", "TenantMembership", "member", &told).await?;
    no_content()
}

pub(super) async fn options(call: Call) -> Answer {
    options::collection(&call, "/tenant", call.may(Permission::Create, Resource::Tenant, "*"))
}

pub(super) async fn options_of(call: Call, Path(id): Path<String>) -> Answer {
    let may = |permission| call.may(permission, Resource::Tenant, &id);
    options::object(&call, &format!("/tenant/{id}"), may(Permission::Delete), may(Permission::Update))
}

pub(super) async fn options_of_users(call: Call, Path(id): Path<String>) -> Answer {
    options_of_members(&call, &id, "user-members")
}

pub(super) async fn options_of_groups(call: Call, Path(id): Path<String>) -> Answer {
    options_of_members(&call, &id, "group-members")
}

fn options_of_members(call: &Call, id: &str, members: &str) -> Answer {
    let may = |permission| call.may(permission, Resource::TenantMembership, id);
    options::members(call, &format!("/tenant/{id}/{members}"), may(Permission::Create), may(Permission::Delete))
}
