//! `/user`: accounts, their profiles and passwords.

use super::options::{self, Link};
use super::sheet::{self, Rule, Sheet};
use crate::api::auth::permission::{Permission, Resource};
use crate::api::auth::rights::Rights;
use crate::api::auth::{NewUser, policy};
use crate::api::call::Call;
use crate::api::error::{Answer, ApiError};
use crate::api::json::{Json, json, no_content};
use crate::api::params::{Filters, Query};
use crate::store::queries::account::{Account, Profile};
use axum::extract::Path;
use serde::Deserialize;
use serde_json::{Value, json as shape};
use std::collections::BTreeSet;

const RULES: &[Rule] = &[
    Rule::Text("id", "id"),
    Rule::TextIn("idIn", "id"),
    Rule::Text("firstName", "firstName"),
    Rule::Like("firstNameLike", "firstName"),
    Rule::Text("lastName", "lastName"),
    Rule::Like("lastNameLike", "lastName"),
    Rule::Text("email", "email"),
    Rule::Like("emailLike", "email"),
];

fn shape_of(account: &Account) -> Value {
    shape!({
        "id": account.name,
        "firstName": account.first_name,
        "lastName": account.last_name,
        "email": account.email,
    })
}

fn absent(id: &str) -> ApiError {
    ApiError::absent(format!("User with id {id} does not exist"))
}

/// Everybody sees himself.
fn may_read(call: &Call, id: &str) -> bool {
    call.caller.is(id) || call.may(Permission::Read, Resource::User, id)
}

async fn visible(call: &Call, id: &str) -> Result<Account, ApiError> {
    let account = call.state.store().account(id).await?.filter(|account| may_read(call, &account.name));
    account.ok_or_else(|| absent(id))
}

pub(super) struct Users;

impl Sheet for Users {
    const SORTS: &'static [(&'static str, &'static str)] =
        &[("userId", "id"), ("firstName", "firstName"), ("lastName", "lastName"), ("email", "email")];

    async fn found(call: &Call, filters: &Filters) -> Result<Vec<Value>, ApiError> {
        let store = call.state.store();
        let mut names: Option<BTreeSet<String>> = None;
        let mut narrow = |fitting: BTreeSet<String>| match &mut names {
            None => names = Some(fitting),
            Some(names) => names.retain(|name| fitting.contains(name)),
        };
        if let Some(group) = filters.text("memberOfGroup")? {
            let members = store.group_members().await?.into_iter().filter(|(team, _)| *team == group);
            narrow(members.map(|(_, account)| account).collect());
        }
        if let Some(tenant) = filters.text("memberOfTenant")? {
            let members =
                store.tenant_members().await?.into_iter().filter(|one| one.is_team == 0 && one.tenant == tenant);
            narrow(members.map(|one| one.member).collect());
        }
        if let Some(key) = filters.text("potentialStarter")? {
            narrow(starters(call, &key).await?);
        }
        let accounts = store.accounts().await?.into_iter().filter(|account| may_read(call, &account.name));
        let accounts = accounts.filter(|account| names.as_ref().is_none_or(|names| names.contains(&account.name)));
        sheet::fitting(filters, RULES, accounts.map(|account| shape_of(&account)).collect())
    }
}

/// Those who may start instances of the definition.
async fn starters(call: &Call, key: &str) -> Result<BTreeSet<String>, ApiError> {
    let mut fitting = BTreeSet::new();
    for account in call.state.store().accounts().await? {
        let caller = call.state.sign_in.caller_named(&account.name).await?;
        let may = |rights: &Rights| {
            rights.allow(Permission::CreateInstance, Resource::ProcessDefinition, key)
                && !rights.reach(Permission::Create, Resource::ProcessInstance).is_nothing()
        };
        fitting.extend(caller.filter(|caller| may(&caller.rights)).map(|caller| caller.user));
    }
    Ok(fitting)
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProfileBody {
    id: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    email: Option<String>,
}

impl From<ProfileBody> for Profile {
    fn from(body: ProfileBody) -> Self {
        Self { first_name: body.first_name, last_name: body.last_name, email: body.email }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Credentials {
    password: Option<String>,
    authenticated_user_password: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct NewBody {
    profile: Option<ProfileBody>,
    credentials: Option<Credentials>,
}

fn checked(password: Option<String>, user: &str, profile: &Profile) -> Result<String, ApiError> {
    let password = password.ok_or_else(|| ApiError::invalid("A password is needed."))?;
    match policy::check(&password, Some(user), profile).iter().find(|rule| !rule.kept) {
        None => Ok(password),
        Some(rule) => {
            let words = format!(
                "Password does not match policy: {}. At least {} characters, and nothing of the user's name or address.",
                rule.placeholder,
                policy::PASSWORD_CHARACTERS_MIN
            );
            Err(ApiError::invalid(words).because("weak-password"))
        }
    }
}

pub(super) async fn create(call: Call, Json(body): Json<NewBody>) -> Answer {
    call.require(Permission::Create, Resource::User, "*")?;
    let (profile, credentials) = (body.profile.unwrap_or_default(), body.credentials);
    let id = profile.id.clone().ok_or_else(|| ApiError::invalid("A user needs an id: profile.id."))?;
    let profile = Profile::from(profile);
    let password = checked(credentials.and_then(|credentials| credentials.password), &id, &profile)?;
    let (groups, tenants) = (BTreeSet::new(), Some(BTreeSet::new()));
    let new = NewUser { name: &id, password, profile, every_tenant: false, admin: false, groups, tenants };
    if call.state.sign_in.add(new, false).await? {
        tracing::info!(audit = "user-created", user.name = id, by = call.caller.user, "an account was made");
        call.tell_of_identity("Create", "User", "userId", &id).await?;
        return no_content();
    }
    Err(ApiError::refused("ProcessEngineException", format!("A user with id {id} exists already.")))
}

/// Who may do more than the caller is not his to change: else he would get hold of what he was never granted.
async fn changeable(call: &Call, id: &str, permission: Permission) -> Result<Account, ApiError> {
    let account = visible(call, id).await?;
    if !call.caller.is(id) || permission == Permission::Delete {
        call.require(permission, Resource::User, id)?;
    }
    let other = call.state.sign_in.caller_named(id).await?.filter(|other| other.user != call.caller.user);
    if other.is_some_and(|other| !call.caller.covers(&other)) {
        let words = format!("{id} may do more than you: ask somebody who may do all of it, such as an administrator.");
        return Err(ApiError::forbidden(words));
    }
    Ok(account)
}

pub(super) async fn delete(call: Call, Path(id): Path<String>) -> Answer {
    changeable(&call, &id, Permission::Delete).await?;
    call.state.store().remove_account(&id).await?;
    tracing::info!(audit = "user-deleted", user.name = id, by = call.caller.user, "an account was removed");
    call.tell_of_identity("Delete", "User", "userId", &id).await?;
    no_content()
}

pub(super) async fn profile(call: Call, Path(id): Path<String>) -> Answer {
    json(shape_of(&visible(&call, &id).await?))
}

pub(super) async fn change_profile(call: Call, Path(id): Path<String>, Json(body): Json<ProfileBody>) -> Answer {
    changeable(&call, &id, Permission::Update).await?;
    call.state.store().change_profile(&id, &body.into()).await?;
    call.tell_of_identity("Update", "User", "userId", &id).await?;
    no_content()
}

/// Whoever changes a password says his own.
pub(super) async fn change_credentials(call: Call, Path(id): Path<String>, Json(body): Json<Credentials>) -> Answer {
    let account = changeable(&call, &id, Permission::Update).await?;
    let own = body.authenticated_user_password.unwrap_or_default();
    if call.state.sign_in.verify(&call.caller.user, &own, None).await?.is_none() {
        return Err(ApiError::invalid("The given authenticated user password is not valid."));
    }
    let profile = Profile { first_name: account.first_name, last_name: account.last_name, email: account.email };
    let password = checked(body.password, &id, &profile)?;
    call.state.sign_in.change_password(&id, password).await?;
    tracing::info!(audit = "password-changed", user.name = id, by = call.caller.user, "a password was changed");
    call.tell_of_identity("Update", "User", "passwordOf", &id).await?;
    no_content()
}

pub(super) async fn unlock(call: Call, Path(id): Path<String>) -> Answer {
    if !call.caller.access.admin {
        return Err(ApiError::forbidden("Accounts are unlocked by administrators."));
    }
    call.state.sign_in.unlock(&visible(&call, &id).await?.name);
    call.tell_of_identity("Unlock", "User", "userId", &id).await?;
    no_content()
}

pub(super) async fn options(call: Call) -> Answer {
    let create = call.may(Permission::Create, Resource::User, "*");
    options::collection(&call, "/user", create)
}

pub(super) async fn options_of(call: Call, Path(id): Path<String>) -> Answer {
    let may = |permission| call.may(permission, Resource::User, &id);
    let at = format!("/user/{id}");
    let (profile, credentials) = (format!("{at}/profile"), format!("{at}/credentials"));
    let mut links = vec![Link("GET", &profile, "self")];
    if may(Permission::Delete) {
        links.push(Link("DELETE", &at, "delete"));
    }
    if may(Permission::Update) || call.caller.is(&id) {
        links.push(Link("PUT", &profile, "updateProfile"));
        links.push(Link("PUT", &credentials, "updateCredentials"));
    }
    options::answer(&call, &links)
}

#[derive(Deserialize)]
pub(super) struct PolicyBody {
    password: Option<String>,
    profile: Option<ProfileBody>,
}

fn rule_shape(rule: &policy::Kept, told: bool) -> Value {
    let parameter = rule.parameter.iter().map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str())));
    let mut shape = shape!({
        "placeholder": rule.placeholder,
        "parameter": Value::Object(parameter.collect()),
    });
    if told {
        shape["valid"] = rule.kept.into();
    }
    shape
}

pub(super) async fn password_policy(_call: Call) -> Answer {
    let rules = policy::check("", None, &Profile::default());
    json(shape!({ "rules": rules.iter().map(|rule| rule_shape(rule, false)).collect::<Vec<_>>() }))
}

pub(super) async fn check_password(_call: Call, Json(body): Json<PolicyBody>) -> Answer {
    let password = body.password.ok_or_else(|| ApiError::invalid("A password is needed."))?;
    let profile = body.profile.unwrap_or_default();
    let id = profile.id.clone();
    let rules = policy::check(&password, id.as_deref(), &profile.into());
    let valid = rules.iter().all(|rule| rule.kept);
    json(shape!({
        "valid": valid,
        "rules": rules.iter().map(|rule| rule_shape(rule, true)).collect::<Vec<_>>(),
    }))
}

/// The groups of a user, and who else is in them.
pub(super) async fn groups(call: Call, query: Query) -> Answer {
    let user = query.get("userId").ok_or_else(|| ApiError::invalid("No user id was supplied"))?;
    let known = call.state.sign_in.caller_named(user).await?.filter(|_| may_read(&call, user));
    let mine = known.map(|caller| caller.groups).unwrap_or_default();
    let store = call.state.store();
    let groups = store.groups().await?.into_iter().filter(|group| mine.contains(&group.id));
    let groups: Vec<Value> =
        groups.map(|group| shape!({ "id": group.id, "name": group.name.unwrap_or(group.id.clone()) })).collect();
    let members: BTreeSet<String> = store
        .group_members()
        .await?
        .into_iter()
        .filter(|(group, account)| mine.contains(group) && may_read(&call, account))
        .map(|(_, account)| account)
        .collect();
    let accounts = store.accounts().await?.into_iter().filter(|account| members.contains(&account.name));
    json(shape!({ "groups": groups, "groupUsers": accounts.map(|account| member_shape(&account)).collect::<Vec<_>>() }))
}

fn member_shape(account: &Account) -> Value {
    let names: Vec<&str> =
        [&account.first_name, &account.last_name].into_iter().flatten().map(String::as_str).collect();
    let shown = if names.is_empty() { account.name.clone() } else { names.join(" ") };
    shape!({
        "id": account.name,
        "firstName": account.first_name,
        "lastName": account.last_name,
        "displayName": shown,
    })
}
