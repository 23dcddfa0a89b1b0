//! `/variable-instance` and `/history/variable-instance`: variables as rows.

use super::compare::Case;
use super::external_task::activity;
use super::filter::{self, Rule};
use super::listing::Listing;
use super::{removal_time, tenant, time, variable};
use crate::api::audit::Fact;
use crate::api::call::Call;
use crate::api::error::{Answer, ApiError};
use crate::api::guarded::Guarded;
use crate::api::json::{json, no_content};
use crate::api::params::{Compare, Filters, Operator, Query};
use crate::api::value::{self, Objects};
use crate::api::wire;
use crate::base::id::{InstanceId, ScopeId};
use crate::base::variable::Variable;
use crate::store::queries::record::{PastVariableRecord, VariableRecord};
use crate::store::queries::select::{Column, Condition, column};
use axum::extract::Path;
use serde_json::{Value, json as shape};

pub(super) struct VariableInstances;

impl Listing for VariableInstances {
    type Row = VariableRecord;
    const RULES: &'static [Rule] = &[
        Rule::Text("variableName", column::NAME),
        Rule::TextIn("variableNameIn", column::NAME),
        Rule::Like("variableNameLike", column::NAME),
        Rule::InstanceIn("processInstanceIdIn", column::INSTANCE),
        Rule::Nothing("caseInstanceIdIn"),
        Rule::Nothing("caseExecutionIdIn"),
        Rule::Nothing("batchIdIn"),
        Rule::Tenants,
    ];
    const SORTS: &'static [(&'static str, Column)] = &[
        ("variableName", column::NAME),
        ("variableType", column::KIND),
        ("activityInstanceId", column::TOKEN),
        ("tenantId", column::TENANT),
    ];

    async fn more(filters: &Filters, _call: &Call) -> Result<Vec<Condition>, ApiError> {
        let mut all = places(filters)?;
        all.extend(values(filters, column::CURRENT_VALUE)?);
        Ok(all)
    }

    async fn shape(_call: &Call, _filters: &Filters, rows: Vec<VariableRecord>) -> Result<Vec<Value>, ApiError> {
        // As texts: a list is no place to open objects.
        rows.iter().map(|row| current_shape(row, Objects::Text)).collect()
    }
}

fn current_shape(row: &VariableRecord, objects: Objects) -> Result<Value, ApiError> {
    let Place { id, execution, activity, task } = place(row.instance, row.scope, row.token, &row.name);
    with_value(
        row.value.as_deref(),
        objects,
        shape!({
            "id": id,
            "name": row.name,
            "processDefinitionId": wire::definition(&row.process, row.version, row.definition),
            "processInstanceId": row.instance.to_string(),
            "executionId": execution,
            "caseInstanceId": null,
            "caseExecutionId": null,
            "taskId": task,
            "batchId": null,
            "activityInstanceId": activity,
            "errorMessage": null,
            "tenantId": tenant(&row.tenant),
        }),
    )
}

/// `executionIdIn`, `activityInstanceIdIn`, `taskIdIn`.
fn places(filters: &Filters) -> Result<Vec<Condition>, ApiError> {
    let mut all = Vec::new();
    if let Some(ids) = filters.list("executionIdIn")? {
        all.push(filter::any_of(ids, |id| filter::execution(id, column::TOKEN)));
    }
    // The place itself, not what lies in it.
    if let Some(ids) = filters.list("variableScopeIdIn")? {
        all.push(filter::any_of(ids, |id| match wire::instance(id) {
            Some(root) => instance_itself(root),
            None => filter::inner(id, column::TOKEN),
        }));
    }
    if let Some(ids) = filters.list("activityInstanceIdIn")? {
        all.push(filter::any_of(ids, |id| match wire::instance(id) {
            Some(root) => instance_itself(root),
            None => filter::activity(id, column::TOKEN),
        }));
    }
    if let Some(ids) = filters.list("taskIdIn")? {
        all.push(filter::any_of(ids, |id| filter::inner(id, column::TOKEN)));
    }
    Ok(all)
}

fn instance_itself(root: InstanceId) -> Condition {
    Condition::All(vec![Condition::equal(column::INSTANCE, root.0), Condition::Empty(column::TOKEN)])
}

fn values(filters: &Filters, column: Column) -> Result<Vec<Condition>, ApiError> {
    let case = Case::of(filters)?;
    filters.compares("variableValues")?.iter().map(|compare| case.listed(column::NAME, column, compare)).collect()
}

/// Where a variable lies, in the words of the wire.
pub(super) struct Place {
    pub(super) id: String,
    pub(super) execution: String,
    pub(super) activity: String,
    pub(super) task: Option<String>,
}

pub(super) fn place(instance: i64, scope: i64, token: Option<i64>, name: &str) -> Place {
    let scope = ScopeId(u32::try_from(scope).unwrap_or(u32::MAX));
    let id = wire::variable(InstanceId(instance), scope, name);
    match token {
        None => Place { id, execution: instance.to_string(), activity: instance.to_string(), task: None },
        Some(token) => {
            Place { id, execution: format!("{instance}:{token}"), activity: activity(instance, token), task: None }
        }
    }
}

/// The row of an id on the wire; a long name stands there as its digest.
async fn found<R: Guarded>(call: &Call, id: &str, named: fn(&R) -> String) -> Result<Option<R>, ApiError> {
    let Some((instance, scope)) = wire::parse_variable(id) else {
        return Ok(None);
    };
    let of = vec![Condition::equal(column::INSTANCE, instance.0), Condition::equal(column::SCOPE, i64::from(scope.0))];
    Ok(call.all::<R>(of).await?.into_iter().find(|row| named(row) == id))
}

fn absent(what: &str, id: &str) -> ApiError {
    ApiError::absent(format!("{what} with Id '{id}' does not exist."))
}

async fn current(call: &Call, id: &str) -> Result<VariableRecord, ApiError> {
    let row = found(call, id, |row: &VariableRecord| place(row.instance, row.scope, row.token, &row.name).id).await?;
    row.ok_or_else(|| absent("Variable instance", id))
}

async fn past(call: &Call, id: &str) -> Result<PastVariableRecord, ApiError> {
    let id_of = |row: &PastVariableRecord| place(row.instance, row.scope, row.token, &row.name).id;
    let row = found(call, id, id_of).await?;
    row.ok_or_else(|| absent("Historic variable instance", id))
}

pub(super) async fn get(call: Call, Path(id): Path<String>, query: Query) -> Answer {
    json(current_shape(&current(&call, &id).await?, variable::objects(&query, "deserializeValue"))?)
}

pub(super) async fn data(call: Call, Path(id): Path<String>) -> Answer {
    variable::data(&stored(current(&call, &id).await?.value.as_deref())?)
}

pub(super) async fn get_past(call: Call, Path(id): Path<String>, query: Query) -> Answer {
    json(past_shape(&past(&call, &id).await?, variable::objects(&query, "deserializeValue"))?)
}

pub(super) async fn past_data(call: Call, Path(id): Path<String>) -> Answer {
    variable::data(&stored(past(&call, &id).await?.value.as_deref())?)
}

/// Of ended instances only: what runs needs its values.
pub(super) async fn delete_past(call: Call, Path(id): Path<String>) -> Answer {
    let row = past(&call, &id).await?;
    call.allow_forgetting(&row.process)?;
    let scope = ScopeId(u32::try_from(row.scope).unwrap_or(u32::MAX));
    let of = Some((scope, row.name.as_str()));
    remove(&call, InstanceId(row.instance), of, &format!("historic variable instance {id}")).await
}

pub(super) async fn delete_all_past(call: Call, Path(id): Path<String>) -> Answer {
    let absent = || ApiError::absent(format!("No historic process instance found with id: {id}"));
    let instance = wire::instance(&id).ok_or_else(absent)?;
    let row = call.instance_record(instance).await?.ok_or_else(absent)?;
    call.allow_forgetting(&row.process)?;
    remove(&call, instance, None, &format!("the historic variable instances of {id}")).await
}

async fn remove(call: &Call, instance: InstanceId, of: Option<(ScopeId, &str)>, what: &str) -> Answer {
    if !call.state.store().remove_past_variables(instance, of).await? {
        let words = format!("Cannot delete {what}: its process instance runs.");
        return Err(ApiError::refused("BadUserRequestException", words));
    }
    let name = of.map(|(_, name)| name.to_owned());
    let fact = Fact::new("DeleteHistory", "Variable").of("name", name, None);
    call.tell_of_note((instance.0, None), fact).await?;
    no_content()
}

fn stored(text: Option<&str>) -> Result<Variable, ApiError> {
    match text {
        Some(text) => serde_json::from_str(text).map_err(|_| ApiError::failed("A stored variable cannot be read.")),
        None => Ok(Variable::default()),
    }
}

fn with_value(text: Option<&str>, objects: Objects, mut row: Value) -> Result<Value, ApiError> {
    let wire = value::write(&stored(text)?, objects);
    for name in ["type", "value", "valueInfo"] {
        row[name] = wire[name].clone();
    }
    Ok(row)
}

pub(super) struct PastVariables;

impl Listing for PastVariables {
    type Row = PastVariableRecord;
    const RULES: &'static [Rule] = &[
        Rule::Text("variableName", column::NAME),
        Rule::TextIn("variableNameIn", column::NAME),
        Rule::Like("variableNameLike", column::NAME),
        Rule::Instance("processInstanceId", column::INSTANCE),
        Rule::InstanceIn("processInstanceIdIn", column::INSTANCE),
        Rule::Definition("processDefinitionId", column::DEFINITION),
        Rule::Text("processDefinitionKey", column::PROCESS),
        Rule::NotKept("variableTypeIn"),
        Rule::Nothing("caseInstanceId"),
        Rule::Nothing("caseExecutionIdIn"),
        Rule::Nothing("caseActivityIdIn"),
        Rule::Tenants,
    ];
    const SORTS: &'static [(&'static str, Column)] = &[
        ("instanceId", column::INSTANCE),
        ("variableId", column::INSTANCE),
        ("variableName", column::NAME),
        ("tenantId", column::TENANT),
    ];

    /// A removed variable has no value any more.
    fn base(filters: &Filters) -> Result<Vec<Condition>, ApiError> {
        let removed_too = filters.is_true("includeDeleted")?;
        Ok(if removed_too { Vec::new() } else { vec![Condition::Present(column::VALUE)] })
    }

    async fn more(filters: &Filters, _call: &Call) -> Result<Vec<Condition>, ApiError> {
        let mut all = places(filters)?;
        all.extend(values(filters, column::VALUE)?);
        if let Some(value) = filters.value("variableValue") {
            let compare = Compare { name: String::new(), operator: Operator::Equal, value };
            all.push(Case::of(filters)?.past(column::VALUE, &compare)?);
        }
        Ok(all)
    }

    async fn shape(_call: &Call, _filters: &Filters, rows: Vec<PastVariableRecord>) -> Result<Vec<Value>, ApiError> {
        rows.iter().map(|row| past_shape(row, Objects::Text)).collect()
    }
}

fn past_shape(row: &PastVariableRecord, objects: Objects) -> Result<Value, ApiError> {
    let Place { id, execution, activity, task } = place(row.instance, row.scope, row.token, &row.name);
    with_value(
        row.value.as_deref(),
        objects,
        shape!({
            "id": id,
            "name": row.name,
            "processDefinitionKey": row.process,
            "processDefinitionId": wire::definition(&row.process, row.version, row.definition),
            "processInstanceId": row.instance.to_string(),
            "executionId": execution,
            "activityInstanceId": activity,
            "caseDefinitionKey": null,
            "caseDefinitionId": null,
            "caseInstanceId": null,
            "caseExecutionId": null,
            "taskId": task,
            "errorMessage": null,
            "tenantId": tenant(&row.tenant),
            "state": if row.value.is_some() { "CREATED" } else { "DELETED" },
            "createTime": time(row.at),
            "removalTime": removal_time(row.instance_ended_at, row.history_ttl_days),
            "rootProcessInstanceId": row.root.to_string(),
        }),
    )
}
