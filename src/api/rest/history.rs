//! `/history/…`: activities, tasks and incidents, of running instances too.

use super::compare;
use super::external_task::activity;
use super::filter::{self, Rule};
use super::incident::{self, FAILED_JOB};
use super::listing::{self, Listing};
use super::{removal_time, tenant, time};
use crate::api::call::Call;
use crate::api::error::{Answer, ApiError};
use crate::api::json::json;
use crate::api::params::Filters;
use crate::api::wire;
use crate::store::queries::record::{PastActivityRecord, PastIncidentRecord, PastTaskRecord};
use crate::store::queries::select::{Column, Condition, Relation, Test, column, related};
use axum::extract::Path;
use serde_json::{Value, json as shape};

pub(super) struct PastActivities;

impl Listing for PastActivities {
    type Row = PastActivityRecord;
    const RULES: &'static [Rule] = &[
        Rule::Instance("processInstanceId", column::INSTANCE),
        Rule::InstanceIn("processInstanceIdIn", column::INSTANCE),
        Rule::Definition("processDefinitionId", column::DEFINITION),
        Rule::Text("activityId", column::ELEMENT),
        Rule::TextIn("activityIdIn", column::ELEMENT),
        Rule::Text("activityName", column::NAME),
        Rule::Like("activityNameLike", column::NAME),
        Rule::Text("activityType", column::KIND),
        Rule::TextIn("activityTypeIn", column::KIND),
        Rule::Text("taskAssignee", column::ASSIGNEE),
        Rule::Present("finished", column::ENDED_AT),
        Rule::Absent("unfinished", column::ENDED_AT),
        Rule::Set("canceled", column::CANCELLED),
        Rule::Until("startedBefore", column::STARTED_AT),
        Rule::Since("startedAfter", column::STARTED_AT),
        Rule::Until("finishedBefore", column::ENDED_AT),
        Rule::Since("finishedAfter", column::ENDED_AT),
        Rule::If("completeScope", ends),
        Rule::Tenants,
    ];
    const SORTS: &'static [(&'static str, Column)] = &[
        ("activityInstanceId", column::TOKEN),
        ("instanceId", column::INSTANCE),
        ("executionId", column::TOKEN),
        ("activityId", column::ELEMENT),
        ("activityName", column::NAME),
        ("activityType", column::KIND),
        ("startTime", column::STARTED_AT),
        ("endTime", column::ENDED_AT),
        ("duration", column::DURATION),
        ("definitionId", column::DEFINITION),
        ("occurrence", column::TOKEN),
        ("tenantId", column::TENANT),
    ];

    async fn more(filters: &Filters, _call: &Call) -> Result<Vec<Condition>, ApiError> {
        let mut all = Vec::new();
        if let Some(id) = filters.text("activityInstanceId")? {
            all.push(filter::activity(&id, column::TOKEN));
        }
        if let Some(ids) = filters.list("activityInstanceIdIn")? {
            all.push(filter::any_of(ids, |id| filter::activity(id, column::TOKEN)));
        }
        if let Some(id) = filters.text("executionId")? {
            all.push(filter::execution(&id, column::TOKEN));
        }
        Ok(all)
    }

    async fn shape(_call: &Call, _filters: &Filters, rows: Vec<PastActivityRecord>) -> Result<Vec<Value>, ApiError> {
        Ok(rows.iter().map(past_activity).collect())
    }
}

pub(super) async fn activity_instance(call: Call, Path(id): Path<String>) -> Answer {
    let absent = || ApiError::absent(format!("Historic activity instance with id '{id}' does not exist"));
    json(listing::one::<PastActivities>(&call, vec![filter::activity(&id, column::TOKEN)], absent).await?)
}

pub(super) fn ends() -> Condition {
    Condition::All(vec![
        Condition::Is(column::KIND, Test::Like, "%ndEvent".into()),
        Condition::flag(column::CANCELLED, false),
    ])
}

fn past_activity(row: &PastActivityRecord) -> Value {
    let token = format!("{}:{}", row.instance, row.token);
    let parent = row.parent.map_or_else(|| row.instance.to_string(), |parent| activity(row.instance, parent));
    let cancelled = row.cancelled != 0;
    shape!({
        "id": activity(row.instance, row.token),
        "parentActivityInstanceId": parent,
        "activityId": row.element,
        "activityName": row.name,
        "activityType": row.kind,
        "processDefinitionKey": row.process,
        "processDefinitionId": wire::definition(&row.process, row.version, row.definition),
        "processInstanceId": row.instance.to_string(),
        "executionId": token,
        "taskId": (row.kind == "userTask").then_some(token.as_str()),
        "calledProcessInstanceId": row.called.map(|called| called.to_string()),
        "calledCaseInstanceId": null,
        "assignee": row.assignee,
        "startTime": time(row.started_at),
        "endTime": row.ended_at.map(time),
        "durationInMillis": row.ended_at.map(|ended| ended - row.started_at),
        "canceled": cancelled,
        "completeScope": row.kind.ends_with("EndEvent") && !cancelled,
        "tenantId": tenant(&row.tenant),
        "removalTime": removal_time(row.instance_ended_at, row.history_ttl_days),
        "rootProcessInstanceId": row.root.to_string(),
    })
}

pub(super) struct PastTasks;

impl Listing for PastTasks {
    type Row = PastTaskRecord;
    const RULES: &'static [Rule] = &[
        Rule::Instance("processInstanceId", column::INSTANCE),
        Rule::InstanceIn("processInstanceIdIn", column::INSTANCE),
        Rule::Instance("rootProcessInstanceId", column::ROOT),
        Rule::Definition("processDefinitionId", column::DEFINITION),
        Rule::Text("processDefinitionKey", column::PROCESS),
        Rule::Text("taskDefinitionKey", column::ELEMENT),
        Rule::TextIn("taskDefinitionKeyIn", column::ELEMENT),
        Rule::Text("taskName", column::NAME),
        Rule::Like("taskNameLike", column::NAME),
        Rule::Text("taskDescription", column::DESCRIPTION),
        Rule::Like("taskDescriptionLike", column::DESCRIPTION),
        Rule::Text("taskDeleteReason", column::REASON),
        Rule::Like("taskDeleteReasonLike", column::REASON),
        Rule::Text("taskAssignee", column::ASSIGNEE),
        Rule::Like("taskAssigneeLike", column::ASSIGNEE),
        Rule::Present("assigned", column::ASSIGNEE),
        Rule::Absent("unassigned", column::ASSIGNEE),
        Rule::Text("taskOwner", column::OWNER),
        Rule::Number("taskPriority", column::PRIORITY),
        Rule::Present("finished", column::ENDED_AT),
        Rule::Absent("unfinished", column::ENDED_AT),
        Rule::Until("startedBefore", column::CREATED_AT),
        Rule::Since("startedAfter", column::CREATED_AT),
        Rule::Until("finishedBefore", column::ENDED_AT),
        Rule::Since("finishedAfter", column::ENDED_AT),
        Rule::On("taskDueDate", column::DUE),
        Rule::Before("taskDueDateBefore", column::DUE),
        Rule::After("taskDueDateAfter", column::DUE),
        Rule::Absent("withoutTaskDueDate", column::DUE),
        Rule::On("taskFollowUpDate", column::FOLLOW_UP),
        Rule::Before("taskFollowUpDateBefore", column::FOLLOW_UP),
        Rule::After("taskFollowUpDateAfter", column::FOLLOW_UP),
        Rule::Like("taskOwnerLike", column::OWNER),
        Rule::Text("processDefinitionName", column::DEFINITION_NAME),
        Rule::If("processFinished", || of_instance(Condition::Present(related::ENDED_AT))),
        Rule::If("processUnfinished", || of_instance(Condition::Empty(related::ENDED_AT))),
        Rule::NotKept("taskInvolvedUser"),
        Rule::NotKept("taskInvolvedGroup"),
        Rule::NotKept("taskHadCandidateUser"),
        Rule::NotKept("taskHadCandidateGroup"),
        Rule::NotKept("withCandidateGroups"),
        Rule::NotKept("withoutCandidateGroups"),
        Rule::Nothing("taskParentTaskId"),
        Rule::Nothing("caseInstanceId"),
        Rule::Nothing("caseExecutionId"),
        Rule::Nothing("caseDefinitionId"),
        Rule::Nothing("caseDefinitionKey"),
        Rule::Nothing("caseDefinitionName"),
        Rule::Tenants,
    ];
    const SORTS: &'static [(&'static str, Column)] = &[
        ("taskId", column::INSTANCE),
        ("activityInstanceID", column::TOKEN),
        ("processDefinitionId", column::DEFINITION),
        ("processInstanceId", column::INSTANCE),
        ("executionId", column::TOKEN),
        ("duration", column::TASK_DURATION),
        ("startTime", column::CREATED_AT),
        ("endTime", column::ENDED_AT),
        ("taskName", column::NAME),
        ("taskDescription", column::DESCRIPTION),
        ("assignee", column::ASSIGNEE),
        ("owner", column::OWNER),
        ("dueDate", column::DUE),
        ("followUpDate", column::FOLLOW_UP),
        ("deleteReason", column::REASON),
        ("taskDefinitionKey", column::ELEMENT),
        ("priority", column::PRIORITY),
        ("tenantId", column::TENANT),
    ];

    async fn more(filters: &Filters, _call: &Call) -> Result<Vec<Condition>, ApiError> {
        let mut all = Vec::new();
        if let Some(id) = filters.text("taskId")? {
            all.push(filter::inner(&id, column::TOKEN));
        }
        if let Some(ids) = filters.list("activityInstanceIdIn")? {
            all.push(filter::any_of(ids, |id| filter::activity(id, column::TOKEN)));
        }
        if let Some(id) = filters.text("executionId")? {
            all.push(filter::execution(&id, column::TOKEN));
        }
        all.extend(of_business_keys(filters)?);
        for (name, place) in [
            ("taskVariables", Condition::Present(related::TOKEN)),
            ("processVariables", Condition::Empty(related::TOKEN)),
        ] {
            all.extend(compare::past_variables(filters, name, Relation::TokenPastVariable, Some(place))?);
        }
        Ok(all)
    }

    async fn shape(_call: &Call, _filters: &Filters, rows: Vec<PastTaskRecord>) -> Result<Vec<Value>, ApiError> {
        Ok(rows.iter().map(past_task).collect())
    }
}

fn of_instance(condition: Condition) -> Condition {
    Condition::Some(Relation::Instance, vec![condition])
}

fn of_business_keys(filters: &Filters) -> Result<Vec<Condition>, ApiError> {
    let mut all = Vec::new();
    if let Some(key) = filters.text("processInstanceBusinessKey")? {
        all.push(of_instance(Condition::equal(related::BUSINESS_KEY, key)));
    }
    if let Some(pattern) = filters.text("processInstanceBusinessKeyLike")? {
        all.push(of_instance(Condition::Is(related::BUSINESS_KEY, Test::Like, pattern.into())));
    }
    if let Some(keys) = filters.list("processInstanceBusinessKeyIn")? {
        let keys = keys.into_iter().map(Into::into).collect();
        all.push(of_instance(Condition::OneOf(related::BUSINESS_KEY, keys)));
    }
    Ok(all)
}

fn past_task(row: &PastTaskRecord) -> Value {
    let id = format!("{}:{}", row.instance, row.token);
    let state = match (row.ended_at, row.reason.as_deref(), row.updated_at) {
        (Some(_), Some("completed"), _) => "Completed",
        (Some(_), ..) => "Deleted",
        (None, _, Some(_)) => "Updated",
        (None, _, None) => "Created",
    };
    shape!({
        "id": id,
        "processDefinitionKey": row.process,
        "processDefinitionId": wire::definition(&row.process, row.version, row.definition),
        "processInstanceId": row.instance.to_string(),
        "executionId": id,
        "caseDefinitionKey": null,
        "caseDefinitionId": null,
        "caseInstanceId": null,
        "caseExecutionId": null,
        "activityInstanceId": activity(row.instance, row.token),
        "name": row.name,
        "description": row.description,
        "deleteReason": row.reason,
        "owner": row.owner,
        "assignee": row.assignee,
        "startTime": time(row.created_at),
        "endTime": row.ended_at.map(time),
        "duration": row.ended_at.map(|ended| ended - row.created_at),
        "taskDefinitionKey": row.element,
        "priority": row.priority,
        "due": row.due.map(time),
        "parentTaskId": null,
        "followUp": row.follow_up.map(time),
        "tenantId": tenant(&row.tenant),
        "removalTime": removal_time(row.instance_ended_at, row.history_ttl_days),
        "rootProcessInstanceId": row.root.to_string(),
        "taskState": state,
    })
}

pub(super) struct PastIncidents;

impl Listing for PastIncidents {
    type Row = PastIncidentRecord;
    const RULES: &'static [Rule] = &[
        Rule::Text("incidentType", column::KIND),
        Rule::Text("incidentMessage", column::MESSAGE),
        Rule::Like("incidentMessageLike", column::MESSAGE),
        Rule::Definition("processDefinitionId", column::DEFINITION),
        Rule::Text("processDefinitionKey", column::PROCESS),
        Rule::TextIn("processDefinitionKeyIn", column::PROCESS),
        Rule::Instance("processInstanceId", column::INSTANCE),
        Rule::Text("activityId", column::ELEMENT),
        Rule::Text("failedActivityId", column::ELEMENT),
        Rule::Before("createTimeBefore", column::RAISED_AT),
        Rule::After("createTimeAfter", column::RAISED_AT),
        Rule::Before("endTimeBefore", column::RESOLVED_AT),
        Rule::After("endTimeAfter", column::RESOLVED_AT),
        Rule::Absent("open", column::RESOLVED_AT),
        Rule::Set("deleted", column::DELETED),
        Rule::If("resolved", || {
            Condition::All(vec![Condition::Present(column::RESOLVED_AT), Condition::flag(column::DELETED, false)])
        }),
        Rule::Tenants,
    ];
    const SORTS: &'static [(&'static str, Column)] = &[
        ("incidentId", column::INSTANCE),
        ("incidentMessage", column::MESSAGE),
        ("createTime", column::RAISED_AT),
        ("endTime", column::RESOLVED_AT),
        ("incidentType", column::KIND),
        ("executionId", column::TOKEN),
        ("activityId", column::ELEMENT),
        ("processInstanceId", column::INSTANCE),
        ("processDefinitionId", column::DEFINITION),
        ("processDefinitionKey", column::PROCESS),
        ("causeIncidentId", column::INSTANCE),
        ("rootCauseIncidentId", column::INSTANCE),
        ("configuration", column::TOKEN),
        ("incidentState", column::RESOLVED_AT),
        ("tenantId", column::TENANT),
    ];

    async fn more(filters: &Filters, call: &Call) -> Result<Vec<Condition>, ApiError> {
        let mut all = incident::named(filters, column::NUMBER, column::TOKEN)?;
        all.extend(incident::of_job_definitions(filters, call).await?);
        if let Some(log) = filters.text("historyConfiguration")? {
            let id = log.strip_suffix(".log").unwrap_or_default();
            all.push(filter::inner(id, column::NUMBER));
            all.push(Condition::equal(column::KIND, FAILED_JOB));
        }
        Ok(all)
    }

    async fn shape(_call: &Call, _filters: &Filters, rows: Vec<PastIncidentRecord>) -> Result<Vec<Value>, ApiError> {
        Ok(rows.iter().map(past_incident).collect())
    }
}

fn past_incident(row: &PastIncidentRecord) -> Value {
    let id = format!("{}:{}", row.instance, row.id);
    let token = format!("{}:{}", row.instance, row.token);
    let (open, deleted) = (row.resolved_at.is_none(), row.deleted != 0);
    shape!({
        "id": id,
        "processDefinitionKey": row.process,
        "processDefinitionId": wire::definition(&row.process, row.version, row.definition),
        "processInstanceId": row.instance.to_string(),
        "executionId": token,
        "rootProcessInstanceId": row.root.to_string(),
        "createTime": time(row.raised_at),
        "endTime": row.resolved_at.map(time),
        "removalTime": null,
        "incidentType": row.kind,
        "activityId": row.element,
        "failedActivityId": incident::failed_element(&row.kind, &row.element),
        "causeIncidentId": id,
        "rootCauseIncidentId": id,
        "configuration": token,
        "historyConfiguration": (row.kind == FAILED_JOB).then(|| format!("{id}.log")),
        "incidentMessage": row.message,
        "tenantId": tenant(&row.tenant),
        "jobDefinitionId": incident::job_definition(&row.kind, row.definition, &row.element),
        "open": open,
        "deleted": deleted,
        "resolved": !open && !deleted,
        "annotation": row.annotation,
    })
}
