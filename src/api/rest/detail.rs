//! `/history/detail`: every value that a variable had.

use super::sheet::Rule;
use super::story::{self, Chapter, Log};
use super::variable_instance::{Place, place};
use super::{removal_time, tenant, time, variable};
use crate::api::call::Call;
use crate::api::error::{Answer, ApiError};
use crate::api::params::Query;
use crate::api::value::{self, Objects};
use crate::api::wire;
use crate::base::id::ScopeId;
use crate::base::variable::Variable;
use crate::engine::event::Event;
use crate::store::queries::record::PastVariableRecord;
use crate::store::queries::select::{Condition, column};
use axum::extract::Path;
use serde_json::{Value, json as shape};
use std::collections::{BTreeMap, BTreeSet};

pub(super) struct Details;

impl Log for Details {
    const WHAT: &'static str = "Historic detail";
    const NAMES: &'static [&'static str] = &[
        "processInstanceId",
        "processInstanceIdIn",
        "executionId",
        "taskId",
        "activityInstanceId",
        "variableInstanceId",
    ];
    const WORDS: &'static [&'static str] = &["variable-set", "variable-removed"];
    const RULES: &'static [Rule] = RULES;
    const SORTS: &'static [(&'static str, &'static str)] = SORTS;

    async fn lines(call: &Call, query: &Query, chapters: &[Chapter]) -> Result<Vec<Value>, ApiError> {
        let owners = owners(call, chapters.iter().map(|chapter| chapter.row.instance).collect()).await?;
        // Lists and single ones have a name each for this.
        let closed = ["deserializeValues", "deserializeValue"].iter().any(|name| !query.flag(name, true));
        let objects = if closed { Objects::Text } else { Objects::Open };
        Ok(updates(chapters).iter().map(|update| shape_of(update, &owners, objects)).collect())
    }
}

const RULES: &[Rule] = &[
    Rule::Text("processInstanceId", "processInstanceId"),
    Rule::TextIn("processInstanceIdIn", "processInstanceId"),
    Rule::Text("executionId", "executionId"),
    Rule::Text("taskId", "taskId"),
    Rule::Text("activityInstanceId", "activityInstanceId"),
    Rule::Text("variableInstanceId", "variableInstanceId"),
    Rule::TypeIn("variableTypeIn", "variableType"),
    Rule::Like("variableNameLike", "variableName"),
    Rule::TextIn("tenantIdIn", "tenantId"),
    Rule::Absent("withoutTenantId", "tenantId"),
    Rule::Absent("excludeTaskDetails", "taskId"),
    Rule::Set("initial", "initial"),
    Rule::Until("occurredBefore", "time"),
    Rule::Since("occurredAfter", "time"),
    Rule::Always("variableUpdates"),
    // Fields of a form are variables, and told as such.
    Rule::Never("formFields"),
    Rule::Nothing("userOperationId"),
    Rule::Nothing("caseInstanceId"),
    Rule::Nothing("caseExecutionId"),
];

const SORTS: &[(&str, &str)] = &[
    ("processInstanceId", "processInstanceId"),
    ("variableName", "variableName"),
    ("variableType", "variableType"),
    ("variableRevision", "revision"),
    ("formPropertyId", "fieldId"),
    ("time", "time"),
    ("occurrence", ""),
    ("tenantId", "tenantId"),
];

/// A variable's place: instance, scope, name.
type Whose = (i64, i64, String);

/// What is told of one value.
struct Update<'a> {
    chapter: &'a Chapter,
    id: String,
    scope: ScopeId,
    name: &'a str,
    value: &'a Variable,
    revision: i64,
}

fn updates(chapters: &[Chapter]) -> Vec<Update<'_>> {
    let mut revisions: BTreeMap<(i64, ScopeId, &str), i64> = BTreeMap::new();
    let mut all = Vec::new();
    for chapter in chapters {
        for (number, event) in &chapter.events {
            match event {
                Event::VariableSet { scope, name, value } => {
                    let next = revisions.entry((chapter.row.instance, *scope, name)).or_insert(0);
                    let (id, revision) = (chapter.line_id(*number), *next);
                    *next += 1;
                    all.push(Update { chapter, id, scope: *scope, name, value, revision });
                }
                // Set again it is another variable.
                Event::VariableRemoved { scope, name } => {
                    revisions.remove(&(chapter.row.instance, *scope, name.as_str()));
                }
                _tells_of_no_variable => {}
            }
        }
    }
    all
}

/// The activations to which variables belong.
async fn owners(call: &Call, instances: BTreeSet<i64>) -> Result<BTreeMap<Whose, Option<i64>>, ApiError> {
    let of = Condition::OneOf(column::INSTANCE, instances.into_iter().map(Into::into).collect());
    let rows: Vec<PastVariableRecord> = call.all(vec![of]).await?;
    Ok(rows.into_iter().map(|row| ((row.instance, row.scope, row.name), row.token)).collect())
}

fn shape_of(update: &Update<'_>, owners: &BTreeMap<Whose, Option<i64>>, objects: Objects) -> Value {
    let row = &update.chapter.row;
    let scope = i64::from(update.scope.0);
    let token = owners.get(&(row.instance, scope, update.name.to_owned())).copied().flatten();
    let Place { id, execution, activity, task } = place(row.instance, scope, token, update.name);
    let wire = value::write(update.value, objects);
    shape!({
        "type": "variableUpdate",
        "id": update.id,
        "processDefinitionKey": row.process,
        "processDefinitionId": wire::definition(&row.process, row.version, row.definition),
        "processInstanceId": row.instance.to_string(),
        "activityInstanceId": activity,
        "executionId": execution,
        "caseDefinitionKey": null,
        "caseDefinitionId": null,
        "caseInstanceId": null,
        "caseExecutionId": null,
        "taskId": task,
        "tenantId": tenant(&row.tenant),
        "userOperationId": null,
        "time": time(row.at),
        "removalTime": removal_time(row.ended_at, row.history_ttl_days),
        "rootProcessInstanceId": row.root.to_string(),
        "variableName": update.name,
        "variableInstanceId": id,
        "variableType": wire["type"],
        "value": wire["value"],
        "valueInfo": wire["valueInfo"],
        "initial": row.cause == "create-instance",
        "revision": update.revision,
        "errorMessage": null,
    })
}

/// The content of a File or Bytes.
pub(super) async fn data(call: Call, Path(id): Path<String>) -> Answer {
    let absent = || story::absent::<Details>(&id);
    let chapters = story::of_line::<Details>(&call, &id).await?;
    variable::data(updates(&chapters).iter().find(|update| update.id == id).ok_or_else(absent)?.value)
}
