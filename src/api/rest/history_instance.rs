//! `/history/process-instance`: instances that run and that have ended.

use super::filter::{self, Rule};
use super::listing::{self, Listing};
use super::{compare, incident};
use super::{removal_time, tenant, time};
use crate::api::auth::Caller;
use crate::api::call::Call;
use crate::api::error::{Answer, ApiError};
use crate::api::guarded::past_instances;
use crate::api::json::{json, no_content};
use crate::api::params::{Filters, wrong};
use crate::api::wire;
use crate::base::id::InstanceId;
use crate::engine::instance::InstanceState;
use crate::engine::modify::MODIFIED;
use crate::store::queries::record::{InstanceRecord, state_code};
use crate::store::queries::select::{Column, Condition, Relation, Test, column, related};
use axum::extract::Path;
use serde_json::{Value, json as shape};

pub(super) struct PastInstances;

impl Listing for PastInstances {
    type Row = InstanceRecord;
    const RULES: &'static [Rule] = &[
        Rule::Instance("processInstanceId", column::NUMBER),
        Rule::InstanceIn("processInstanceIds", column::NUMBER),
        Rule::Instance("rootProcessInstanceId", column::ROOT),
        Rule::Instance("superProcessInstanceId", column::CALLER),
        Rule::Definition("processDefinitionId", column::DEFINITION),
        Rule::DefinitionIn("processDefinitionIdIn", column::DEFINITION),
        Rule::Text("processDefinitionKey", column::PROCESS),
        Rule::TextIn("processDefinitionKeyIn", column::PROCESS),
        Rule::TextNotIn("processDefinitionKeyNotIn", column::PROCESS),
        Rule::Text("processDefinitionName", column::DEFINITION_NAME),
        Rule::Like("processDefinitionNameLike", column::DEFINITION_NAME),
        Rule::Text("processInstanceBusinessKey", column::BUSINESS_KEY),
        Rule::TextIn("processInstanceBusinessKeyIn", column::BUSINESS_KEY),
        Rule::Like("processInstanceBusinessKeyLike", column::BUSINESS_KEY),
        Rule::Text("startedBy", column::STARTER),
        Rule::Until("startedBefore", column::STARTED_AT),
        Rule::Since("startedAfter", column::STARTED_AT),
        Rule::Until("finishedBefore", column::ENDED_AT),
        Rule::Since("finishedAfter", column::ENDED_AT),
        Rule::Present("finished", column::ENDED_AT),
        Rule::Absent("unfinished", column::ENDED_AT),
        Rule::Absent("rootProcessInstances", column::CALLER),
        Rule::If("withIncidents", || Condition::Some(Relation::PastIncident, Vec::new())),
        Rule::If("withRootIncidents", || Condition::Some(Relation::PastIncident, Vec::new())),
        Rule::If("active", || state(InstanceState::Active)),
        Rule::If("suspended", || state(InstanceState::Suspended)),
        Rule::If("completed", || {
            Condition::Any(vec![state(InstanceState::Completed), state(InstanceState::Terminated)])
        }),
        Rule::If("externallyTerminated", || {
            Condition::All(vec![state(InstanceState::Cancelled), Condition::Empty(column::CALLER)])
        }),
        Rule::If("internallyTerminated", || {
            Condition::All(vec![state(InstanceState::Cancelled), Condition::Present(column::CALLER)])
        }),
        Rule::If("withJobsRetrying", || {
            let left = Condition::Is(related::RETRIES, Test::Greater, 0.into());
            Condition::Some(Relation::Job, vec![Condition::Present(related::ERROR), left])
        }),
        Rule::InstanceNotIn("processInstanceIdNotIn", column::NUMBER),
        Rule::NotKept("executedJobAfter"),
        Rule::NotKept("executedJobBefore"),
        Rule::Nothing("caseInstanceId"),
        Rule::Nothing("superCaseInstanceId"),
        Rule::Nothing("subCaseInstanceId"),
        Rule::Tenants,
    ];
    const SORTS: &'static [(&'static str, Column)] = &[
        ("instanceId", column::NUMBER),
        ("definitionId", column::DEFINITION),
        ("definitionKey", column::PROCESS),
        ("definitionName", column::DEFINITION_NAME),
        ("definitionVersion", column::DEFINITION_VERSION),
        ("businessKey", column::BUSINESS_KEY),
        ("startTime", column::STARTED_AT),
        ("endTime", column::ENDED_AT),
        ("duration", column::DURATION),
        ("tenantId", column::TENANT),
    ];

    fn guard(caller: &Caller) -> Option<Condition> {
        Some(past_instances(caller))
    }

    async fn more(filters: &Filters, _call: &Call) -> Result<Vec<Condition>, ApiError> {
        let mut all = compare::past_variables(filters, "variables", Relation::PastVariable, None)?;
        all.extend(incident::of(filters, Relation::PastIncident)?);
        all.extend(filter::called(filters, "subProcessInstanceId")?);
        for (name, test) in
            [("executedActivityAfter", Test::GreaterOrEqual), ("executedActivityBefore", Test::LessOrEqual)]
        {
            if let Some(at) = filters.date(name)? {
                let begun = Condition::Is(related::STARTED_AT, test, at.0.into());
                all.push(Condition::Some(Relation::Activity, vec![begun]));
            }
        }
        match filters.text("incidentStatus")?.as_deref() {
            None => {}
            Some("open") => {
                all.push(Condition::Some(Relation::PastIncident, vec![Condition::Empty(related::RESOLVED_AT)]))
            }
            Some("resolved") => {
                all.push(Condition::Some(Relation::PastIncident, vec![Condition::Present(related::RESOLVED_AT)]))
            }
            Some(other) => return Err(wrong("incidentStatus", other)),
        }
        for (name, live) in [("executedActivityIdIn", false), ("activeActivityIdIn", true), ("activityIdIn", true)] {
            if let Some(elements) = filters.list(name)? {
                let mut of = vec![Condition::OneOf(related::ELEMENT, elements.into_iter().map(Into::into).collect())];
                if live {
                    of.push(Condition::Empty(related::ENDED_AT));
                }
                all.push(Condition::Some(Relation::Activity, of));
            }
        }
        Ok(all)
    }

    async fn shape(_call: &Call, _filters: &Filters, rows: Vec<InstanceRecord>) -> Result<Vec<Value>, ApiError> {
        Ok(rows.iter().map(past).collect())
    }
}

fn state(state: InstanceState) -> Condition {
    Condition::equal(column::STATE, state_code(state))
}

/// Ended by an end event, also one that terminates, is completed; else by whom.
fn state_word(row: &InstanceRecord) -> &'static str {
    match row.state() {
        Some(InstanceState::Active | InstanceState::Cancelling) | None => "ACTIVE",
        Some(InstanceState::Suspended) => "SUSPENDED",
        Some(InstanceState::Completed | InstanceState::Terminated) => "COMPLETED",
        Some(InstanceState::Cancelled) if row.caller.is_some() || row.reason.as_deref() == Some(MODIFIED) => {
            "INTERNALLY_TERMINATED"
        }
        Some(InstanceState::Cancelled) => "EXTERNALLY_TERMINATED",
    }
}

fn past(row: &InstanceRecord) -> Value {
    shape!({
        "id": row.id.to_string(),
        "businessKey": row.business_key,
        "processDefinitionId": wire::definition(&row.process, row.version, row.definition),
        "processDefinitionKey": row.process,
        "processDefinitionName": row.definition_name,
        "processDefinitionVersion": row.version,
        "startTime": time(row.started_at),
        "endTime": row.ended_at.map(time),
        "removalTime": removal_time(row.ended_at, row.history_ttl_days),
        "durationInMillis": row.ended_at.map(|ended| ended - row.started_at),
        "startUserId": row.starter,
        "startActivityId": row.start_element,
        "deleteReason": row.reason,
        "rootProcessInstanceId": row.root.to_string(),
        "superProcessInstanceId": row.caller.map(|caller| caller.to_string()),
        "superCaseInstanceId": null,
        "caseInstanceId": null,
        "tenantId": tenant(&row.tenant),
        "state": state_word(row),
        "restartedProcessInstanceId": null,
    })
}

fn absent(id: &str) -> ApiError {
    ApiError::absent(format!("Historic process instance with id {id} does not exist"))
}

fn number(id: &str) -> Result<InstanceId, ApiError> {
    wire::instance(id).ok_or_else(|| absent(id))
}

pub(super) async fn get(call: Call, Path(id): Path<String>) -> Answer {
    let wanted = vec![Condition::equal(column::NUMBER, number(&id)?.0)];
    json(listing::one::<PastInstances>(&call, wanted, || absent(&id)).await?)
}

pub(super) async fn delete(call: Call, Path(id): Path<String>) -> Answer {
    let instance = number(&id)?;
    let row = call.instance_record(instance).await?.ok_or_else(|| absent(&id))?;
    call.allow_forgetting(&row.process)?;
    if row.ended_at.is_none() || !call.state.store().remove_past(instance).await? {
        let words = format!("Process instance is still running, cannot delete historic process instance: {id}");
        return Err(ApiError::refused("BadUserRequestException", words));
    }
    call.tell_of_forgetting(&row).await?;
    no_content()
}
