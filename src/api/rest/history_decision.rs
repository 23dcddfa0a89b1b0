//! `/history/decision-instance`: decisions that were evaluated, for tasks and by themselves, also on the way to others.

use super::decision::requirements_id;
use super::external_task::activity;
use super::filter::{self, Rule};
use super::listing::{self, Listing};
use super::{removal_time, tenant, time};
use crate::api::call::Call;
use crate::api::error::{Answer, ApiError};
use crate::api::json::json;
use crate::api::params::{Filters, Query};
use crate::api::value::{self, Objects};
use crate::api::wire;
use crate::base::variable::Variable;
use crate::partition::transaction::{Kept, Told, ToldInput, ToldOutput};
use crate::store::queries::record::PastDecisionRecord;
use crate::store::queries::select::{Column, Condition, column};
use axum::extract::Path;
use serde_json::{Map, Value, json as shape};

pub(super) struct PastDecisions;

impl Listing for PastDecisions {
    type Row = PastDecisionRecord;
    const RULES: &'static [Rule] = &[
        Rule::Definition("decisionDefinitionId", column::DECISION),
        Rule::DefinitionIn("decisionDefinitionIdIn", column::DECISION),
        Rule::Text("decisionDefinitionKey", column::KEY),
        Rule::TextIn("decisionDefinitionKeyIn", column::KEY),
        Rule::Text("decisionDefinitionName", column::NAME),
        Rule::Like("decisionDefinitionNameLike", column::NAME),
        Rule::Definition("decisionRequirementsDefinitionId", column::REQUIREMENTS),
        Rule::Text("decisionRequirementsDefinitionKey", column::REQUIREMENTS_KEY),
        Rule::Definition("processDefinitionId", column::DEFINITION),
        Rule::Text("processDefinitionKey", column::PROCESS),
        Rule::TextIn("activityIdIn", column::ELEMENT),
        Rule::Text("userId", column::EVALUATOR),
        Rule::Until("evaluatedBefore", column::AT),
        Rule::Since("evaluatedAfter", column::AT),
        Rule::Absent("rootDecisionInstancesOnly", column::ASKED),
        Rule::Nothing("caseDefinitionId"),
        Rule::Nothing("caseDefinitionKey"),
        Rule::Nothing("caseInstanceId"),
        Rule::Tenants,
    ];
    const SORTS: &'static [(&'static str, Column)] = &[("evaluationTime", column::AT), ("tenantId", column::TENANT)];

    async fn more(filters: &Filters, _call: &Call) -> Result<Vec<Condition>, ApiError> {
        let mut all = Vec::new();
        if let Some(id) = filters.text("decisionInstanceId")? {
            all.push(filter::inner(&id, column::NUMBER));
        }
        if let Some(ids) = filters.list("decisionInstanceIdIn")? {
            all.push(filter::any_of(ids, |id| filter::inner(id, column::NUMBER)));
        }
        all.extend(filters.text("rootDecisionInstanceId")?.map(|id| of_root(&id)));
        if let Some(id) = filters.text("processInstanceId")? {
            // The number of an evaluation by itself is no instance's.
            all.push(filter::execution(&id, column::TOKEN));
            all.push(Condition::Present(column::TOKEN));
        }
        if let Some(ids) = filters.list("activityInstanceIdIn")? {
            all.push(filter::any_of(ids, |id| filter::activity(id, column::TOKEN)));
        }
        Ok(all)
    }

    /// With all values: who asks for less takes them away.
    async fn shape(_call: &Call, _filters: &Filters, rows: Vec<PastDecisionRecord>) -> Result<Vec<Value>, ApiError> {
        rows.iter().map(past_decision).collect()
    }
}

/// A decision that was asked for, and those on its way.
fn of_root(id: &str) -> Condition {
    Condition::Any(vec![
        filter::inner(id, column::ASKED),
        Condition::All(vec![filter::inner(id, column::NUMBER), Condition::Empty(column::ASKED)]),
    ])
}

fn past_decision(row: &PastDecisionRecord) -> Result<Value, ApiError> {
    let told: Told =
        serde_json::from_str(&row.body).map_err(|_| ApiError::failed("A stored decision cannot be read."))?;
    let id = format!("{}:{}", row.instance, row.id);
    let task = row.token.is_some();
    let process = row.process.as_deref().zip(row.definition);
    let process_id = process.map(|(key, id)| match row.process_version {
        Some(version) => wire::definition(key, version, id),
        // Its deployment has gone.
        None => id.to_string(),
    });
    let removal = match task {
        true => removal_time(row.instance_ended_at, row.process_ttl_days),
        false => removal_time(Some(row.at), row.decision_ttl_days),
    };
    let (at, root) = (time(row.at), row.root.map(|root| root.to_string()));
    let mut values = Values { id: &id, numbers: 0, at: &at, removal: &removal, root: root.as_deref() };
    Ok(shape!({
        "id": id,
        "decisionDefinitionId": wire::definition(&row.key, row.version, row.decision),
        "decisionDefinitionKey": row.key,
        "decisionDefinitionName": row.name,
        "evaluationTime": at,
        "removalTime": removal,
        "processDefinitionId": process_id,
        "processDefinitionKey": row.process,
        "processInstanceId": task.then(|| row.instance.to_string()),
        "rootProcessInstanceId": root,
        "caseDefinitionId": null,
        "caseDefinitionKey": null,
        "caseInstanceId": null,
        "activityId": row.element,
        "activityInstanceId": row.token.map(|token| activity(row.instance, token)),
        "userId": row.evaluator,
        "inputs": told.inputs.iter().map(|input| values.input(input)).collect::<Vec<_>>(),
        "outputs": told.outputs.iter().map(|output| values.output(output)).collect::<Vec<_>>(),
        "collectResultValue": told.collected.filter(Value::is_number),
        "rootDecisionInstanceId": row.asked.map(|asked| format!("{}:{asked}", row.instance)),
        "decisionRequirementsDefinitionId":
            requirements_id(row.requirements, row.requirements_key.as_deref(), row.requirements_version),
        "decisionRequirementsDefinitionKey": row.requirements_key,
        "tenantId": tenant(&row.tenant),
    }))
}

/// The values of one evaluation, each with what it repeats of it.
struct Values<'a> {
    id: &'a str,
    numbers: usize,
    at: &'a Value,
    removal: &'a Value,
    root: Option<&'a str>,
}

impl Values<'_> {
    fn input(&mut self, input: &ToldInput) -> Value {
        let mut shape = self.value(&input.kept);
        shape.extend(object(shape!({ "clauseId": input.id, "clauseName": input.name })));
        Value::Object(shape)
    }

    fn output(&mut self, output: &ToldOutput) -> Value {
        let mut shape = self.value(&output.kept);
        shape.extend(object(shape!({
            "clauseId": output.id,
            "clauseName": output.label,
            "ruleId": output.rule,
            "ruleOrder": output.number,
            "variableName": output.variable,
        })));
        Value::Object(shape)
    }

    fn value(&mut self, kept: &Kept) -> Map<String, Value> {
        self.numbers += 1;
        let mut shape = object(value::write(&Variable::from(kept.value.clone()), Objects::Open));
        if let Some(bytes) = kept.cut_from {
            shape.insert("valueInfo".to_owned(), shape!({ "cutFromBytes": bytes }));
        }
        shape.extend(object(shape!({
            "id": format!("{}:{}", self.id, self.numbers),
            "decisionInstanceId": self.id,
            "errorMessage": null,
            "createTime": self.at,
            "removalTime": self.removal,
            "rootProcessInstanceId": self.root,
        })));
        shape
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}

/// Inputs and outputs are null where they were not asked for.
fn asked_for(query: &Query, mut shape: Value) -> Value {
    for (flag, member) in [("includeInputs", "inputs"), ("includeOutputs", "outputs")] {
        if !query.flag(flag, false) {
            shape[member] = Value::Null;
        }
    }
    shape
}

pub(super) async fn list(call: Call, query: Query) -> Answer {
    let rows = listing::page::<PastDecisions>(&call, &query, &Filters::Query(query.clone())).await?;
    json(rows.into_iter().map(|row| asked_for(&query, row)).collect::<Vec<_>>())
}

pub(super) async fn get(call: Call, Path(id): Path<String>, query: Query) -> Answer {
    let absent = || ApiError::absent(format!("Historic decision instance with id '{id}' does not exist"));
    let row = listing::one::<PastDecisions>(&call, vec![filter::inner(&id, column::NUMBER)], absent).await?;
    json(asked_for(&query, row))
}

/// How often each decision of a requirements graph was evaluated, or on the way of one evaluation.
pub(super) async fn statistics(call: Call, Path(id): Path<String>, query: Query) -> Answer {
    let graph = wire::parse_definition(&id).map_or(Condition::Never, |id| Condition::equal(column::REQUIREMENTS, id.0));
    let root = query.get("decisionInstanceId").map(of_root);
    let of: Vec<Condition> = [graph].into_iter().chain(root).collect();
    let by = [column::KEY, column::KEY];
    let counts = call.tally::<PastDecisionRecord>(by, &of).await?;
    let item = |(key, _, count): &(String, String, i64)| shape!({ "decisionDefinitionKey": key, "evaluations": count });
    json(counts.iter().map(item).collect::<Vec<_>>())
}
