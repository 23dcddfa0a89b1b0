//! `/authorization`: who may do what with which object.

use super::options;
use super::sheet::{self, Rule as Filter, Sheet};
use crate::api::auth::permission::{Permission, Permissions, Resource};
use crate::api::auth::rights::ANY;
use crate::api::call::Call;
use crate::api::error::{Answer, ApiError};
use crate::api::json::{Json, json, no_content};
use crate::api::params::{Filters, Query};
use crate::api::wire;
use crate::store::queries::identity::Rule;
use axum::extract::Path;
use serde::Deserialize;
use serde_json::{Value, json as shape};

const FOR_ALL: i64 = 0;
const GRANT: i64 = 1;
const REVOKE: i64 = 2;

const FILTERS: &[Filter] = &[
    Filter::Text("id", "id"),
    Filter::TextIn("userIdIn", "userId"),
    Filter::TextIn("groupIdIn", "groupId"),
    Filter::Text("resourceId", "resourceId"),
];

fn shape_of(rule: &Rule) -> Result<Value, ApiError> {
    let unreadable = || ApiError::failed(format!("The stored authorization {} cannot be read.", rule.id));
    let resource = Resource::of_number(rule.resource.into()).ok_or_else(unreadable)?;
    let words: Vec<String> = serde_json::from_str(&rule.permissions).map_err(|_| unreadable())?;
    let permissions = Permissions::read(&words, resource).map_err(|_| unreadable())?;
    // A rule for all names everybody, as the dialect does.
    let user = if i64::from(rule.kind) == FOR_ALL { Some(ANY) } else { rule.account.as_deref() };
    Ok(shape!({
        "id": rule.id,
        "type": rule.kind,
        "permissions": permissions.told(resource),
        "userId": user,
        "groupId": rule.team,
        "resourceType": rule.resource,
        "resourceId": rule.object,
        "removalTime": null,
        "rootProcessInstanceId": null,
    }))
}

fn absent(id: &str) -> ApiError {
    ApiError::absent(format!("Authorization with id {id} does not exist."))
}

async fn visible(call: &Call, id: &str) -> Result<Rule, ApiError> {
    let may = call.may(Permission::Read, Resource::Authorization, id);
    call.state.store().rule(id).await?.filter(|_| may).ok_or_else(|| absent(id))
}

pub(super) struct Authorizations;

impl Sheet for Authorizations {
    const SORTS: &'static [(&'static str, &'static str)] =
        &[("resourceType", "resourceType"), ("resourceId", "resourceId")];

    async fn found(call: &Call, filters: &Filters) -> Result<Vec<Value>, ApiError> {
        let mut rules = call.state.store().rules().await?;
        rules.retain(|rule| call.may(Permission::Read, Resource::Authorization, &rule.id));
        if let Some(kind) = filters.number("type")? {
            rules.retain(|rule| i64::from(rule.kind) == kind);
        }
        if let Some(resource) = filters.number("resourceType")? {
            rules.retain(|rule| i64::from(rule.resource) == resource);
        }
        let rows = rules.iter().map(shape_of).collect::<Result<Vec<_>, _>>()?;
        sheet::fitting(filters, FILTERS, rows)
    }
}

/// Whether the caller, or for who may read authorizations somebody else, is allowed something.
pub(super) async fn check(call: Call, query: Query) -> Answer {
    let text = |name: &str| {
        query.get(name).ok_or_else(|| ApiError::invalid(format!("Query parameter '{name}' cannot be null")))
    };
    let (word, name, number) = (text("permissionName")?, text("resourceName")?, text("resourceType")?);
    let number =
        number.parse().map_err(|_| ApiError::invalid(format!("resourceType is {number}: a number is wanted")))?;
    let resource = Resource::of_number(number)
        .ok_or_else(|| ApiError::invalid(format!("There is no resource with the type {number}.")))?;
    let wanted = Permissions::read(&[word.to_owned()], resource).map_err(|word| {
        ApiError::invalid(format!("The permission '{word}' is not valid for '{name}' resource type."))
    })?;
    let object = query.get("resourceId");
    let rights = match query.get("userId").filter(|user| *user != call.caller.user) {
        None => Some(call.caller.rights.clone()),
        Some(user) => {
            call.require(Permission::Read, Resource::Authorization, ANY)?;
            call.state.sign_in.caller_named(user).await?.map(|caller| caller.rights)
        }
    };
    let allowed = rights.is_some_and(|rights| rights.allow_all(wanted, resource, object.unwrap_or(ANY)));
    json(shape!({ "permissionName": word, "resourceName": name, "resourceId": object, "authorized": allowed }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Body {
    #[serde(rename = "type")]
    kind: Option<i64>,
    permissions: Option<Vec<String>>,
    user_id: Option<String>,
    group_id: Option<String>,
    resource_type: Option<i64>,
    resource_id: Option<String>,
}

impl Body {
    fn rule(self, id: String, kind: i64) -> Result<Rule, ApiError> {
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        let (user, group) = (given(self.user_id), given(self.group_id));
        let (account, team) = match (kind, user, group) {
            (FOR_ALL, None, None) => (None, None),
            (FOR_ALL, Some(user), None) if user == ANY => (None, None),
            (FOR_ALL, _, _) => {
                return Err(ApiError::invalid(
                    "An authorization of type 0 is for all: userId is '*', groupId is null.",
                ));
            }
            (GRANT | REVOKE, Some(user), None) if user != ANY => (Some(user), None),
            (GRANT | REVOKE, None, Some(group)) => (None, Some(group)),
            (GRANT | REVOKE, _, _) => {
                return Err(ApiError::invalid("Authorization must either have a 'userId' or a 'groupId'."));
            }
            _ => {
                return Err(ApiError::invalid(format!(
                    "There is no authorization of type {kind}: 0 for all, 1 grant, 2 revoke."
                )));
            }
        };
        let number = self.resource_type.ok_or_else(|| ApiError::invalid("An authorization needs a resourceType."))?;
        let resource = Resource::of_number(number)
            .ok_or_else(|| ApiError::invalid(format!("There is no resource with the type {number}.")))?;
        let words = self.permissions.unwrap_or_default();
        let permissions = Permissions::read(&words, resource).map_err(|word| {
            ApiError::invalid(format!("The permission '{word}' is not valid for '{}' resource type.", resource.word()))
        })?;
        let permissions = serde_json::to_string(&permissions.words()).expect("a list of texts is JSON");
        let object = self.resource_id.unwrap_or_else(|| ANY.to_owned());
        let kind = i16::try_from(kind).expect("one of three");
        Ok(Rule { id, kind, account, team, resource: resource.number(), object, permissions })
    }
}

fn there_already() -> ApiError {
    ApiError::refused(
        "ProcessEngineException",
        "There is an authorization of this type for the same user or group and resource: change that.",
    )
}

/// Nobody hands on what he does not have himself: `Authorization` alone does not make an administrator.
fn has_himself(call: &Call, rule: &Rule) -> Result<(), ApiError> {
    let words: Vec<String> = serde_json::from_str(&rule.permissions).unwrap_or_default();
    let resource = Resource::of_number(rule.resource.into()).expect("it was read");
    let wanted = Permissions::read(&words, resource).expect("they were read");
    if call.caller.rights.allow_all(wanted, resource, &rule.object) {
        return Ok(());
    }
    Err(ApiError::forbidden("You can grant only what you may do yourself."))
}

pub(super) async fn create(call: Call, Json(body): Json<Body>) -> Answer {
    call.require(Permission::Create, Resource::Authorization, ANY)?;
    let kind =
        body.kind.ok_or_else(|| ApiError::invalid("An authorization needs a type: 0 for all, 1 grant, 2 revoke."))?;
    let rule = body.rule(wire::random(), kind)?;
    has_himself(&call, &rule)?;
    if !call.state.store().add_rule(&rule).await? {
        return Err(there_already());
    }
    told(&call, "authorization-created", &rule);
    call.tell_of_identity("Create", "Authorization", "authorizationId", &rule.id).await?;
    json(shape_of(&rule)?)
}

pub(super) async fn get(call: Call, Path(id): Path<String>) -> Answer {
    json(shape_of(&visible(&call, &id).await?)?)
}

pub(super) async fn put(call: Call, Path(id): Path<String>, Json(body): Json<Body>) -> Answer {
    let before = visible(&call, &id).await?;
    call.require(Permission::Update, Resource::Authorization, &id)?;
    has_himself(&call, &before)?;
    let rule = body.rule(id, before.kind.into())?;
    has_himself(&call, &rule)?;
    call.state.store().change_rule(&rule).await.map_err(|error| match error {
        crate::store::StoreError::Refused(_) => there_already(),
        other => other.into(),
    })?;
    told(&call, "authorization-changed", &rule);
    call.tell_of_identity("Update", "Authorization", "authorizationId", &rule.id).await?;
    no_content()
}

pub(super) async fn delete(call: Call, Path(id): Path<String>) -> Answer {
    let rule = visible(&call, &id).await?;
    call.require(Permission::Delete, Resource::Authorization, &id)?;
    has_himself(&call, &rule)?;
    call.state.store().remove_rule(&id).await?;
    told(&call, "authorization-deleted", &rule);
    call.tell_of_identity("Delete", "Authorization", "authorizationId", &rule.id).await?;
    no_content()
}

fn told(call: &Call, audit: &'static str, rule: &Rule) {
    tracing::info!(
        audit,
        id = rule.id,
        kind = rule.kind,
        user.name = rule.account,
        group = rule.team,
        resource = rule.resource,
        object = rule.object,
        permissions = rule.permissions,
        by = call.caller.user,
        "an authorization was changed"
    );
}

pub(super) async fn options(call: Call) -> Answer {
    options::collection(&call, "/authorization", call.may(Permission::Create, Resource::Authorization, ANY))
}

pub(super) async fn options_of(call: Call, Path(id): Path<String>) -> Answer {
    let may = |permission| call.may(permission, Resource::Authorization, &id);
    options::object(&call, &format!("/authorization/{id}"), may(Permission::Delete), may(Permission::Update))
}
