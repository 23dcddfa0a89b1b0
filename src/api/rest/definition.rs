//! `/process-definition`: deployed versions of processes.

use super::filter::{self, Rule};
use super::form;
use super::listing::Listing;
use super::{incident, tenant, variable};
use crate::api::call::Call;
use crate::api::error::{Answer, ApiError};
use crate::api::json::{json, no_content};
use crate::api::params::{Filters, Page, Query};
use crate::api::state::ApiState;
use crate::api::value;
use crate::api::wire;
use crate::base::access::{Access, NO_TENANT};
use crate::base::id::DefinitionId;
use crate::base::variable::Variables;
use crate::engine::definition::ProcessDefinition;
use crate::engine::expression::Plain;
use crate::store::StoreError;
use crate::store::queries::record::{
    ContentRecord, DefinitionRecord, IncidentRecord, InstanceRecord, PROCESS_CODE, PastActivityRecord, TimedRecord,
};
use crate::store::queries::select::{Column, Condition, Order, Relation, Select, Test, column, related};
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use futures_util::future::try_join_all;
use serde_json::{Value, json as shape};
use std::collections::{BTreeMap, BTreeSet};

/// The filters that all lists of deployed versions have, and those of one list.
macro_rules! of_versions {
    ($($own:expr),* $(,)?) => {
        &[
            Rule::Text("key", column::KEY),
            Rule::Like("keyLike", column::KEY),
            Rule::Text("name", column::NAME),
            Rule::Like("nameLike", column::NAME),
            Rule::Number("version", column::VERSION),
            Rule::Text("resourceName", column::RESOURCE),
            Rule::Like("resourceNameLike", column::RESOURCE),
            Rule::Instance("deploymentId", column::DEPLOYMENT),
            Rule::If("latestVersion", || Condition::Not(Box::new(Condition::Some(Relation::Newer, Vec::new())))),
            $($own),*
        ]
    };
}

/// The orders that all lists of deployed versions have, and those of one list.
macro_rules! orders_of_versions {
    ($($own:expr),* $(,)?) => {
        &[
            ("key", column::KEY),
            ("name", column::NAME),
            ("version", column::VERSION),
            ("id", column::NUMBER),
            ("deploymentId", column::DEPLOYMENT),
            ("tenantId", column::TENANT),
            $($own),*
        ]
    };
}

pub(super) use {of_versions, orders_of_versions};

pub(super) struct Definitions;

impl Listing for Definitions {
    type Row = DefinitionRecord;
    const RULES: &'static [Rule] = of_versions![
        Rule::Definition("processDefinitionId", column::NUMBER),
        Rule::DefinitionIn("processDefinitionIdIn", column::NUMBER),
        Rule::TextIn("keysIn", column::KEY),
        Rule::Text("versionTag", column::VERSION_TAG),
        Rule::Like("versionTagLike", column::VERSION_TAG),
        Rule::Absent("withoutVersionTag", column::VERSION_TAG),
        Rule::Unset("active", column::SUSPENDED),
        Rule::Set("suspended", column::SUSPENDED),
        Rule::Set("startableInTasklist", column::STARTABLE),
        Rule::Unset("notStartableInTasklist", column::STARTABLE),
        Rule::TenantsOrNone("includeProcessDefinitionsWithoutTenantId"),
    ];
    const SORTS: &'static [(&'static str, Column)] =
        orders_of_versions![("versionTag", column::VERSION_TAG), ("deployTime", column::DEPLOYMENT)];

    fn base(_filters: &Filters) -> Result<Vec<Condition>, ApiError> {
        Ok(vec![process()])
    }

    async fn more(filters: &Filters, call: &Call) -> Result<Vec<Condition>, ApiError> {
        let mut all = incident::of(filters, Relation::DefinitionIncident)?;
        for (name, test) in [("deployedAfter", Test::Greater), ("deployedAt", Test::Equal)] {
            if let Some(at) = filters.date(name)? {
                let deployed = Condition::Is(related::AT, test, at.0.into());
                all.push(Condition::Some(Relation::Deployment, vec![deployed]));
            }
        }
        all.extend(of_category(call, filters, PROCESS_CODE).await?);
        if let Some(user) = filters.text("startableBy")? {
            all.push(startable_by(call, &user).await?);
        }
        Ok(all)
    }

    async fn shape(call: &Call, _filters: &Filters, rows: Vec<DefinitionRecord>) -> Result<Vec<Value>, ApiError> {
        let mut shaped = Vec::with_capacity(rows.len());
        for row in &rows {
            shaped.push(definition(call, row).await?);
        }
        Ok(shaped)
    }
}

/// Processes, not decisions.
pub(super) fn process() -> Condition {
    Condition::equal(column::KIND, PROCESS_CODE)
}

pub(super) async fn definition(call: &Call, row: &DefinitionRecord) -> Result<Value, ApiError> {
    Ok(shape!({
        "id": wire::definition(&row.key, row.version, row.id),
        "key": row.key,
        "category": category(call, row.id, row.deployment, &row.resource).await?,
        "description": row.documentation,
        "name": row.name,
        "version": row.version,
        "resource": row.resource,
        "deploymentId": row.deployment.to_string(),
        "diagram": null,
        "suspended": row.suspended != 0,
        "tenantId": tenant(&row.tenant),
        "versionTag": row.version_tag,
        "historyTimeToLive": row.history_ttl_days,
        "startableInTasklist": row.startable != 0,
    }))
}

/// Those whose model names the user, or a group of the user, as one who starts it (`candidateStarterUsers`, `…Groups`).
async fn startable_by(call: &Call, user: &str) -> Result<Condition, ApiError> {
    let groups = call.state.sign_in.caller_named(user).await?.map(|caller| caller.groups).unwrap_or_default();
    let rows: Vec<DefinitionRecord> = call.all(vec![process()]).await?;
    let mut fitting = Vec::new();
    for row in &rows {
        let definition = call.definition(DefinitionId(row.id)).await?;
        let named =
            definition.process.starter_users.contains(user) || !definition.process.starter_groups.is_disjoint(&groups);
        fitting.extend(named.then_some(row.id.into()));
    }
    Ok(Condition::OneOf(column::NUMBER, fitting))
}

/// `category`, `categoryLike` of definitions of this kind: the category stands in the files.
pub(super) async fn of_category(call: &Call, filters: &Filters, kind: i64) -> Result<Option<Condition>, ApiError> {
    let (equal, like) = (filters.text("category")?, filters.text("categoryLike")?);
    if equal.is_none() && like.is_none() {
        return Ok(None);
    }
    let rows: Vec<DefinitionRecord> = call.all(vec![Condition::equal(column::KIND, kind)]).await?;
    let mut fitting = Vec::new();
    for row in &rows {
        let category = category(call, row.id, row.deployment, &row.resource).await?.unwrap_or_default();
        let fits = equal.as_ref().is_none_or(|equal| *equal == category)
            && like.as_ref().is_none_or(|pattern| filter::is_like(&category, pattern));
        fitting.extend(fits.then_some(row.id.into()));
    }
    Ok(Some(Condition::OneOf(column::NUMBER, fitting)))
}

/// The file's own namespace, which no column holds. Files do not change, so it is read once and kept.
pub(super) async fn category(
    call: &Call,
    definition: i64,
    deployment: i64,
    resource: &str,
) -> Result<Option<String>, ApiError> {
    let id = DefinitionId(definition);
    if let Some(known) = call.state.categories.get(id) {
        return Ok(known);
    }
    let found = file(call, deployment, resource).await?.and_then(|file| namespace(&file.bytes));
    call.state.categories.keep(id, found.clone());
    Ok(found)
}

fn namespace(bytes: &[u8]) -> Option<String> {
    let document = crate::xml::Document::parse(bytes).ok()?;
    let root = document.root();
    root.attribute("targetNamespace").or_else(|| root.attribute("namespace")).map(str::to_owned)
}

async fn content(call: &Call, row: &DefinitionRecord) -> Result<Option<ContentRecord>, ApiError> {
    file(call, row.deployment, &row.resource).await
}

async fn file(call: &Call, deployment: i64, name: &str) -> Result<Option<ContentRecord>, ApiError> {
    let of = vec![Condition::equal(column::DEPLOYMENT, deployment), Condition::equal(column::NAME, name)];
    call.behind().one(of).await
}

/// A version that somebody of these tenants wants to start.
pub(crate) type Asked = (Option<BTreeSet<String>>, Named);

fn newest() -> Vec<(Order, bool)> {
    vec![(column::VERSION.into(), true)]
}

/// How a path names a definition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Named {
    Id(String),
    Key(String),
    KeyAndTenant(String, String),
}

impl FromRequestParts<ApiState> for Named {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        let found = RawPathParams::from_request_parts(parts, state).await;
        let found = found.map_err(|_| ApiError::unknown_path())?;
        let of = |wanted: &str| found.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.to_owned());
        match (of("id"), of("key"), of("tenant-id")) {
            (Some(id), ..) => Ok(Self::Id(id)),
            (None, Some(key), None) => Ok(Self::Key(key)),
            (None, Some(key), Some(tenant)) => Ok(Self::KeyAndTenant(key, tenant)),
            (None, None, _) => Err(ApiError::unknown_path()),
        }
    }
}

impl Named {
    /// By id that very version, by key the latest.
    pub(super) async fn find(&self, call: &Call) -> Result<DefinitionRecord, ApiError> {
        self.version(call, PROCESS_CODE, "process definition").await
    }

    /// The same whatever the caller's rights, within his tenants. Those who ask at the same moment share one read.
    pub(super) async fn find_to_start(&self, call: &Call) -> Result<DefinitionRecord, ApiError> {
        let store = call.state.store();
        let one = async |asked: Asked| {
            let select = Select { conditions: asked.1.wanted(PROCESS_CODE), order: newest(), first: 0, limit: Some(1) };
            let access = Access { tenants: asked.0.clone(), ..Access::system() };
            let found = store.list(&access, &select).await?.pop();
            Ok::<_, StoreError>(found.filter(|row| asked.1.is(row)).map(|row| (asked, row)))
        };
        let read = async |asked: BTreeSet<Asked>| {
            let found = try_join_all(asked.into_iter().map(one)).await?;
            Ok(found.into_iter().flatten().collect())
        };
        let asked = (call.caller.access.tenants.clone(), self.clone());
        call.state.starts.get(asked, read).await?.ok_or_else(|| self.absent("process definition"))
    }

    /// A version of this kind, and what the wire calls it.
    pub(super) async fn version(&self, call: &Call, kind: i64, noun: &str) -> Result<DefinitionRecord, ApiError> {
        let page = Page { first: 0, max: Some(1) };
        let mut found = self.versions(call, kind, page).await?;
        found.pop().ok_or_else(|| self.absent(noun))
    }

    /// By id that very version, by key all of them.
    pub(super) async fn all(&self, call: &Call) -> Result<Vec<DefinitionRecord>, ApiError> {
        let found = self.versions(call, PROCESS_CODE, Page::default()).await?;
        if found.is_empty() { Err(self.absent("process definition")) } else { Ok(found) }
    }

    /// The newest first.
    async fn versions(&self, call: &Call, kind: i64, page: Page) -> Result<Vec<DefinitionRecord>, ApiError> {
        let mut found: Vec<DefinitionRecord> = call.list(self.wanted(kind), newest(), page).await?;
        found.retain(|row| self.is(row));
        Ok(found)
    }

    fn wanted(&self, kind: i64) -> Vec<Condition> {
        let mut wanted = vec![Condition::equal(column::KIND, kind)];
        match self {
            Self::Id(id) => {
                let number =
                    wire::parse_definition(id).map_or(Condition::Never, |id| Condition::equal(column::NUMBER, id.0));
                wanted.push(number);
            }
            Self::Key(key) => {
                wanted.push(Condition::equal(column::KEY, key.as_str()));
                wanted.push(Condition::equal(column::TENANT, NO_TENANT));
            }
            Self::KeyAndTenant(key, tenant) => {
                wanted.push(Condition::equal(column::KEY, key.as_str()));
                wanted.push(Condition::equal(column::TENANT, tenant.as_str()));
            }
        }
        wanted
    }

    /// An id names the key and the version too: they must be the row's.
    fn is(&self, row: &DefinitionRecord) -> bool {
        match self {
            Self::Id(id) => wire::definition(&row.key, row.version, row.id) == *id || row.id.to_string() == *id,
            Self::Key(_) | Self::KeyAndTenant(..) => true,
        }
    }

    fn absent(&self, noun: &str) -> ApiError {
        match self {
            Self::Id(id) => ApiError::absent(format!("No matching definition with id {id}")).engine(),
            Self::Key(key) => ApiError::rest_absent(format!("No matching {noun} with key: {key} and no tenant-id")),
            Self::KeyAndTenant(key, tenant) => {
                ApiError::rest_absent(format!("No matching {noun} with key: {key} and tenant-id: {tenant}"))
            }
        }
    }
}

pub(super) async fn get(call: Call, named: Named) -> Answer {
    json(definition(&call, &named.find(&call).await?).await?)
}

pub(super) async fn xml(call: Call, named: Named) -> Answer {
    let row = named.find(&call).await?;
    model(&call, &row, "bpmn20Xml").await
}

/// A version's id, and its file under this name.
pub(super) async fn model(call: &Call, row: &DefinitionRecord, name: &str) -> Answer {
    let file = content(call, row).await?.ok_or_else(|| ApiError::absent("The model's file is gone."))?;
    let xml = String::from_utf8_lossy(&file.bytes).into_owned();
    json(shape!({ "id": wire::definition(&row.key, row.version, row.id), name: xml }))
}

pub(super) async fn start_form(call: Call, named: Named) -> Answer {
    let row = named.find(&call).await?;
    let definition = call.definition(DefinitionId(row.id)).await?;
    let of = format!("process-definition/{}", definition.wire_id());
    json(form::shape(form::of_start(&definition.process).as_ref(), &of))
}

pub(super) async fn deployed_start_form(call: Call, named: Named) -> Answer {
    let row = named.find(&call).await?;
    let definition = call.definition(DefinitionId(row.id)).await?;
    form::deployed(&call, &definition, form::of_start(&definition.process).as_ref()).await
}

/// The fields of a generated form with their defaults: no other variable is known before the start.
pub(super) async fn form_variables(call: Call, named: Named, query: Query) -> Answer {
    let row = named.find(&call).await?;
    let definition = call.definition(DefinitionId(row.id)).await?;
    let (none, attempt) = (Variables::new(), format!("Cannot read the start form of {}", row.key));
    let seen = before_start(&call, &definition, &none);
    let mut fields = form::fields(form::of_start(&definition.process), seen, &attempt)?;
    if let Some(names) = query.get("variableNames") {
        fields.retain(|name, _| names.split(',').any(|wanted| wanted == name));
    }
    json(value::write_all(&fields, variable::objects(&query, "deserializeValues")))
}

/// The fields of a generated form as HTML.
pub(super) async fn rendered_form(call: Call, named: Named) -> Answer {
    let row = named.find(&call).await?;
    let definition = call.definition(DefinitionId(row.id)).await?;
    let none = Variables::new();
    let attempt = format!("Cannot render the start form of {}", row.key);
    form::rendered(form::of_start(&definition.process), before_start(&call, &definition, &none), &attempt)
}

/// What an expression of a start form sees.
pub(super) fn before_start<'v>(call: &Call, definition: &'v ProcessDefinition, variables: &'v Variables) -> Plain<'v> {
    Plain { variables, definition: Some(definition), now: call.state.node().clock().now(), token: None }
}

/// No diagram is drawn here; clients draw the model.
pub(super) async fn diagram(call: Call, named: Named) -> Answer {
    named.find(&call).await?;
    no_content()
}

/// Which incidents a statistics item counts.
fn wants_incidents(query: &Query) -> bool {
    query.flag("incidents", false) || query.get("incidentsForType").is_some()
}

fn incident_counts(query: &Query, counts: &[(String, String, i64)], of: &str) -> Value {
    let kind = query.get("incidentsForType");
    let counts = counts.iter().filter(|(one, which, _)| one == of && kind.is_none_or(|kind| kind == which));
    counts.map(|(_, kind, count)| shape!({ "incidentType": kind, "incidentCount": count })).collect()
}

/// Instances of each definition.
pub(super) async fn statistics(call: Call, query: Query) -> Answer {
    let live = [Condition::Empty(column::ENDED_AT)];
    let by = [column::DEFINITION, column::DEFINITION];
    let instances = call.tally::<InstanceRecord>(by, &live).await?;
    let failed = call.tally::<TimedRecord>(by, &[Condition::flag(column::FAILED, true)]).await?;
    let incidents = match wants_incidents(&query) {
        true => call.tally::<IncidentRecord>([column::DEFINITION, column::KIND], &[]).await?,
        false => Vec::new(),
    };
    let of =
        |counts: &[(String, String, i64)], id: &str| counts.iter().find(|(one, ..)| one == id).map_or(0, |(.., n)| *n);
    let rows: Vec<DefinitionRecord> = call.all(vec![process()]).await?;
    let mut items = Vec::with_capacity(rows.len());
    for row in &rows {
        let id = row.id.to_string();
        items.push(shape!({
            "@class": "org.camunda.bpm.engine.rest.dto.repository.ProcessDefinitionStatisticsResultDto",
            "id": wire::definition(&row.key, row.version, row.id),
            "instances": of(&instances, &id),
            "failedJobs": of(&failed, &id),
            "incidents": incident_counts(&query, &incidents, &id),
            "definition": definition(&call, row).await?,
        }));
    }
    json(items)
}

/// Tokens at each element of one definition.
pub(super) async fn activity_statistics(call: Call, named: Named, query: Query) -> Answer {
    let row = named.find(&call).await?;
    let of = Condition::equal(column::DEFINITION, row.id);
    let by = [column::ELEMENT, column::ELEMENT];
    let live = [of.clone(), Condition::Empty(column::ENDED_AT)];
    let failed = [of.clone(), Condition::flag(column::FAILED, true)];
    let mut items: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for (element, _, count) in call.tally::<PastActivityRecord>(by, &live).await? {
        items.entry(element).or_default().0 = count;
    }
    for (element, _, count) in call.tally::<TimedRecord>(by, &failed).await? {
        items.entry(element).or_default().1 = count;
    }
    let incidents = match wants_incidents(&query) {
        true => call.tally::<IncidentRecord>([column::ELEMENT, column::KIND], &[of]).await?,
        false => Vec::new(),
    };
    let item = |(element, (instances, failed)): (&String, &(i64, i64))| {
        shape!({
            "@class": "org.camunda.bpm.engine.rest.dto.repository.ActivityStatisticsResultDto",
            "id": element,
            "instances": instances,
            "failedJobs": failed,
            "incidents": incident_counts(&query, &incidents, element),
        })
    };
    json(items.iter().map(item).collect::<Vec<_>>())
}
