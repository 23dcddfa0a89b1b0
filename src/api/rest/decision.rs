//! `/decision-definition` and `/decision-requirements-definition`: deployed versions of decisions, and of what the decisions
//! of one file make together.

use super::definition::{self, Named, category, of_category, of_versions, orders_of_versions};
use super::filter::Rule;
use super::listing::{self, Listing};
use super::{Words, tenant};
use crate::api::auth::permission::{Permission, Resource};
use crate::api::call::Call;
use crate::api::error::{Answer, ApiError};
use crate::api::json::{Json, json, no_content};
use crate::api::params::Filters;
use crate::api::value::{self, Objects};
use crate::api::wire;
use crate::base::variable::Variable;
use crate::partition::{Evaluation, Work};
use crate::runtime::decide::DecideError;
use crate::store::queries::record::{DECISION_CODE, DecisionRecord, DefinitionRecord, REQUIREMENTS_CODE};
use crate::store::queries::select::{Column, Condition, Relation, column};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json as shape};

pub(in crate::api) struct Decisions;

impl Listing for Decisions {
    type Row = DecisionRecord;
    const RULES: &'static [Rule] = of_versions![
        Rule::Definition("decisionDefinitionId", column::NUMBER),
        Rule::DefinitionIn("decisionDefinitionIdIn", column::NUMBER),
        Rule::Text("versionTag", column::VERSION_TAG),
        Rule::Like("versionTagLike", column::VERSION_TAG),
        Rule::After("deployedAfter", column::DEPLOYED_AT),
        Rule::On("deployedAt", column::DEPLOYED_AT),
        Rule::Definition("decisionRequirementsDefinitionId", column::REQUIREMENTS),
        Rule::Text("decisionRequirementsDefinitionKey", column::REQUIREMENTS_KEY),
        Rule::Absent("withoutDecisionRequirementsDefinition", column::REQUIREMENTS),
        Rule::TenantsOrNone("includeDecisionDefinitionsWithoutTenantId"),
    ];
    const SORTS: &'static [(&'static str, Column)] = orders_of_versions![
        ("decisionRequirementsDefinitionKey", column::REQUIREMENTS_KEY),
        ("versionTag", column::VERSION_TAG),
        ("deployTime", column::DEPLOYED_AT),
    ];

    fn base(_filters: &Filters) -> Result<Vec<Condition>, ApiError> {
        Ok(vec![Condition::equal(column::KIND, DECISION_CODE)])
    }

    async fn more(filters: &Filters, call: &Call) -> Result<Vec<Condition>, ApiError> {
        Ok(of_category(call, filters, DECISION_CODE).await?.into_iter().collect())
    }

    async fn shape(call: &Call, _filters: &Filters, rows: Vec<DecisionRecord>) -> Result<Vec<Value>, ApiError> {
        let mut shaped = Vec::with_capacity(rows.len());
        for row in &rows {
            shaped.push(shape!({
                "id": wire::definition(&row.key, row.version, row.id),
                "key": row.key,
                "category": category(call, row.id, row.deployment, &row.resource).await?,
                "name": row.name,
                "version": row.version,
                "resource": row.resource,
                "deploymentId": row.deployment.to_string(),
                "tenantId": tenant(&row.tenant),
                "decisionRequirementsDefinitionId":
                    requirements_id(row.requirements, row.requirements_key.as_deref(), row.requirements_version),
                "decisionRequirementsDefinitionKey": row.requirements_key,
                "historyTimeToLive": row.history_ttl_days,
                "versionTag": row.version_tag,
            }));
        }
        Ok(shaped)
    }
}

/// The id of a requirements graph that was joined to a row, if one was.
pub(super) fn requirements_id(id: Option<i64>, key: Option<&str>, version: Option<i64>) -> Option<String> {
    Some(wire::definition(key?, version?, id?))
}

pub(in crate::api) struct Requirements;

impl Listing for Requirements {
    type Row = DefinitionRecord;
    const RULES: &'static [Rule] = of_versions![
        Rule::Definition("decisionRequirementsDefinitionId", column::NUMBER),
        Rule::DefinitionIn("decisionRequirementsDefinitionIdIn", column::NUMBER),
        Rule::TenantsOrNone("includeDecisionRequirementsDefinitionsWithoutTenantId"),
    ];
    const SORTS: &'static [(&'static str, Column)] = orders_of_versions![];

    fn base(_filters: &Filters) -> Result<Vec<Condition>, ApiError> {
        Ok(vec![Condition::equal(column::KIND, REQUIREMENTS_CODE)])
    }

    async fn more(filters: &Filters, call: &Call) -> Result<Vec<Condition>, ApiError> {
        Ok(of_category(call, filters, REQUIREMENTS_CODE).await?.into_iter().collect())
    }

    async fn shape(call: &Call, _filters: &Filters, rows: Vec<DefinitionRecord>) -> Result<Vec<Value>, ApiError> {
        let mut shaped = Vec::with_capacity(rows.len());
        for row in &rows {
            shaped.push(shape!({
                "id": wire::definition(&row.key, row.version, row.id),
                "key": row.key,
                "category": category(call, row.id, row.deployment, &row.resource).await?,
                "name": row.name,
                "version": row.version,
                "resource": row.resource,
                "deploymentId": row.deployment.to_string(),
                "tenantId": tenant(&row.tenant),
            }));
        }
        Ok(shaped)
    }
}

/// A list whose paths name one version.
pub(super) trait Versions: Listing {
    const KIND: i64;
    const NOUN: &'static str;
}

impl Versions for Decisions {
    const KIND: i64 = DECISION_CODE;
    const NOUN: &'static str = "decision definition";
}

impl Versions for Requirements {
    const KIND: i64 = REQUIREMENTS_CODE;
    const NOUN: &'static str = "decision requirements definition";
}

async fn find<V: Versions>(call: &Call, named: &Named) -> Result<DefinitionRecord, ApiError> {
    named.version(call, V::KIND, V::NOUN).await
}

pub(super) async fn get<V: Versions>(call: Call, named: Named) -> Answer {
    let row = find::<V>(&call, &named).await?;
    let gone = || ApiError::absent(format!("The {} has gone.", V::NOUN));
    json(listing::one::<V>(&call, vec![Condition::equal(column::NUMBER, row.id)], gone).await?)
}

pub(super) async fn xml<V: Versions>(call: Call, named: Named) -> Answer {
    let row = find::<V>(&call, &named).await?;
    definition::model(&call, &row, "dmnXml").await
}

/// No diagram is drawn here; clients draw the model.
pub(super) async fn diagram<V: Versions>(call: Call, named: Named) -> Answer {
    find::<V>(&call, &named).await?;
    no_content()
}

#[derive(Deserialize)]
pub(super) struct Evaluate {
    variables: Option<Value>,
}

/// Evaluates over the variables of the body; the history keeps what came of it, in the caller's name.
pub(super) async fn evaluate(call: Call, named: Named, Json(body): Json<Evaluate>) -> Answer {
    let row = find::<Decisions>(&call, &named).await?;
    call.require(Permission::CreateInstance, Resource::DecisionDefinition, &row.key)?;
    let attempt = format!("Cannot evaluate decision {}", wire::definition(&row.key, row.version, row.id));
    let variables = value::read_all(body.variables.as_ref()).map_err(|error| error.while_doing(&attempt))?;
    let version = u32::try_from(row.version).map_err(|_| ApiError::failed("A version has an unreadable number."))?;
    let evaluated = call.state.node().evaluate(&row.key, version, &row.tenant, variables).await;
    let (result, decided) = evaluated.map_err(|error| match error {
        DecideError::Store(error) => error.into(),
        DecideError::Failed(words) => {
            let words = format!("{attempt}: {words}");
            ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "RestException", words).engine().because("not-evaluated")
        }
    })?;
    let entry =
        |(name, value): (&String, &Value)| (name.clone(), value::write(&Variable::from(value.clone()), Objects::Open));
    let rows: Vec<Map<String, Value>> = result.rows.iter().map(|row| row.iter().map(entry).collect()).collect();
    let answer = shape!(rows).to_string();
    let evaluation = Evaluation { tenant: row.tenant, decided, answer };
    let words = Words { kind: "RestException", attempt: &attempt };
    let reply = call.submit(Work::KeepEvaluation(Box::new(evaluation)), words).await?;
    let kept = reply.evaluated().ok_or_else(|| ApiError::failed("The engine answered something else."))?;
    json(answered(&kept)?)
}

/// What was answered, as it is kept for a repeat.
pub(in crate::api) fn answered(kept: &str) -> Result<Value, ApiError> {
    serde_json::from_str(kept).map_err(|_| ApiError::failed("The first answer to this key cannot be read."))
}
