//! `/task`: the lists of user tasks, and one task.

use super::compare;
use super::filter::{self, Rule};
use super::listing::Listing;
use super::{Words, form, tenant, time, variable};
use crate::api::call::{Call, at_token};
use crate::api::error::ApiError;
use crate::api::params::{Filters, Sort, wrong};
use crate::api::value::{self, Objects};
use crate::api::wire;
use crate::base::id::{DefinitionId, InstanceId, TokenId};
use crate::base::variable::Variables;
use crate::engine::compile::Form;
use crate::engine::expression::Plain;
use crate::engine::instance::Delegation;
use crate::partition::view::visible;
use crate::store::queries::record::{InstanceRecord, PastTaskRecord, TaskRecord, delegation_code};
use crate::store::queries::select::{Column, Condition, Order, Relation, Test, column, related};
use serde_json::{Value, json};

pub(super) struct Tasks;

const RULES: &[Rule] = &[
    Rule::Instance("processInstanceId", column::INSTANCE),
    Rule::InstanceIn("processInstanceIdIn", column::INSTANCE),
    Rule::Instance("rootProcessInstanceId", column::ROOT),
    Rule::Text("processInstanceBusinessKey", column::BUSINESS_KEY),
    Rule::TextIn("processInstanceBusinessKeyIn", column::BUSINESS_KEY),
    Rule::Like("processInstanceBusinessKeyLike", column::BUSINESS_KEY),
    Rule::Definition("processDefinitionId", column::DEFINITION),
    Rule::Text("processDefinitionKey", column::PROCESS),
    Rule::TextIn("processDefinitionKeyIn", column::PROCESS),
    Rule::Text("processDefinitionName", column::DEFINITION_NAME),
    Rule::Like("processDefinitionNameLike", column::DEFINITION_NAME),
    Rule::Text("assignee", column::ASSIGNEE),
    Rule::Like("assigneeLike", column::ASSIGNEE),
    Rule::TextIn("assigneeIn", column::ASSIGNEE),
    Rule::TextNotIn("assigneeNotIn", column::ASSIGNEE),
    Rule::Present("assigned", column::ASSIGNEE),
    Rule::Absent("unassigned", column::ASSIGNEE),
    Rule::Text("owner", column::OWNER),
    Rule::Text("taskDefinitionKey", column::ELEMENT),
    Rule::TextIn("taskDefinitionKeyIn", column::ELEMENT),
    Rule::TextNotIn("taskDefinitionKeyNotIn", column::ELEMENT),
    Rule::Like("taskDefinitionKeyLike", column::ELEMENT),
    Rule::Text("name", column::NAME),
    Rule::NotText("nameNotEqual", column::NAME),
    Rule::Like("nameLike", column::NAME),
    Rule::NotLike("nameNotLike", column::NAME),
    Rule::Text("description", column::DESCRIPTION),
    Rule::Like("descriptionLike", column::DESCRIPTION),
    Rule::Number("priority", column::PRIORITY),
    Rule::AtLeast("minPriority", column::PRIORITY),
    Rule::AtMost("maxPriority", column::PRIORITY),
    Rule::On("dueDate", column::DUE),
    Rule::After("dueAfter", column::DUE),
    Rule::Before("dueBefore", column::DUE),
    Rule::Absent("withoutDueDate", column::DUE),
    Rule::On("followUpDate", column::FOLLOW_UP),
    Rule::After("followUpAfter", column::FOLLOW_UP),
    Rule::Before("followUpBefore", column::FOLLOW_UP),
    Rule::On("createdOn", column::CREATED_AT),
    Rule::After("createdAfter", column::CREATED_AT),
    Rule::Before("createdBefore", column::CREATED_AT),
    Rule::After("updatedAfter", column::UPDATED_AT),
    Rule::Unset("active", column::SUSPENDED),
    Rule::Set("suspended", column::SUSPENDED),
    Rule::If("withCandidateGroups", || candidate(true, None)),
    Rule::If("withoutCandidateGroups", || Condition::Not(Box::new(candidate(true, None)))),
    Rule::If("withCandidateUsers", || candidate(false, None)),
    Rule::If("withoutCandidateUsers", || Condition::Not(Box::new(candidate(false, None)))),
    Rule::Nothing("parentTaskId"),
    Rule::Nothing("caseInstanceId"),
    Rule::Nothing("caseInstanceBusinessKey"),
    Rule::Nothing("caseInstanceBusinessKeyLike"),
    Rule::Nothing("caseInstanceVariables"),
    Rule::Nothing("caseDefinitionId"),
    Rule::Nothing("caseDefinitionKey"),
    Rule::Nothing("caseDefinitionName"),
    Rule::Nothing("caseDefinitionNameLike"),
    Rule::Nothing("caseExecutionId"),
    Rule::Tenants,
];

const SORTS: &[(&str, Column)] = &[
    ("instanceId", column::INSTANCE),
    ("dueDate", column::DUE),
    ("executionId", column::TOKEN),
    ("assignee", column::ASSIGNEE),
    ("created", column::CREATED_AT),
    ("lastUpdated", column::UPDATED_AT),
    ("followUpDate", column::FOLLOW_UP),
    ("description", column::DESCRIPTION),
    ("id", column::INSTANCE),
    ("name", column::NAME),
    ("nameCaseInsensitive", column::NAME),
    ("priority", column::PRIORITY),
    ("tenantId", column::TENANT),
];

impl Listing for Tasks {
    type Row = TaskRecord;
    const RULES: &'static [Rule] = RULES;
    const SORTS: &'static [(&'static str, Column)] = SORTS;

    async fn more(filters: &Filters, _call: &Call) -> Result<Vec<Condition>, ApiError> {
        refuse_expressions(filters)?;
        let mut all = candidates(filters)?;
        if let Some(at) = filters.date("followUpBeforeOrNotExistent")? {
            let before = Condition::Is(column::FOLLOW_UP, Test::Less, at.0.into());
            all.push(Condition::Any(vec![before, Condition::Empty(column::FOLLOW_UP)]));
        }
        if let Some(id) = filters.text("taskId")? {
            all.push(filter::inner(&id, column::TOKEN));
        }
        if let Some(ids) = filters.list("taskIdIn")? {
            all.push(filter::any_of(ids, |id| filter::inner(id, column::TOKEN)));
        }
        if let Some(id) = filters.text("executionId")? {
            all.push(filter::execution(&id, column::TOKEN));
        }
        if let Some(ids) = filters.list("activityInstanceIdIn")? {
            all.push(filter::any_of(ids, |id| filter::activity(id, column::TOKEN)));
        }
        if let Some(word) = filters.text("delegationState")? {
            let state = delegation(&word).ok_or_else(|| wrong("delegationState", &word))?;
            all.push(Condition::equal(column::DELEGATION, delegation_code(state)));
        }
        if let Some(user) = filters.text("involvedUser")? {
            let named = |column| Condition::equal(column, user.as_str());
            all.push(Condition::Any(vec![
                named(column::ASSIGNEE),
                named(column::OWNER),
                candidate(false, Some(vec![user.clone()])),
            ]));
        }
        all.extend(compare::variables(
            filters,
            "processVariables",
            Relation::Variable,
            Some(Condition::Empty(related::TOKEN)),
        )?);
        all.extend(compare::variables(
            filters,
            "taskVariables",
            Relation::Variable,
            Some(Condition::Present(related::TOKEN)),
        )?);
        Ok(all)
    }

    /// By a variable of the process, or of the task's own.
    fn order(sort: &Sort) -> Result<Option<Order>, ApiError> {
        let place = match sort.by.as_str() {
            "processVariable" => Condition::Empty(related::TOKEN),
            "taskVariable" | "executionVariable" => Condition::Present(related::TOKEN),
            "caseExecutionVariable" | "caseInstanceVariable" => Condition::Never,
            _ => return Ok(None),
        };
        let Some((name, kind)) = &sort.variable else {
            let words = format!("Sorting by {} needs parameters with the variable and its type.", sort.by);
            return Err(ApiError::invalid(words));
        };
        let is_number = compare::NUMBERS.iter().any(|number| number.eq_ignore_ascii_case(kind));
        let value = if is_number { related::NUMBER } else { related::TEXT };
        let named = Condition::equal(related::NAME, name.as_str());
        Ok(Some(Order::Of(Relation::Variable, value, vec![named, place])))
    }

    async fn shape(call: &Call, filters: &Filters, rows: Vec<TaskRecord>) -> Result<Vec<Value>, ApiError> {
        let mut shaped = Vec::with_capacity(rows.len());
        for row in &rows {
            shaped.push(with_more(call, filters, row).await?);
        }
        Ok(shaped)
    }
}

/// A task with what is asked for beside it.
async fn with_more(call: &Call, filters: &Filters, row: &TaskRecord) -> Result<Value, ApiError> {
    let mut shaped = task(call, row).await?;
    let all = filters.is_true("withTaskVariablesInReturn")?;
    if all || filters.is_true("withTaskLocalVariablesInReturn")? {
        shaped["variables"] = variables(call, row, all).await?;
    }
    if filters.is_true("withCommentAttachmentInfo")? {
        let store = call.state.store();
        shaped["comment"] = (!store.comments(row.instance, Some(row.token)).await?.is_empty()).into();
        shaped["attachment"] = (!store.attachments(row.instance, Some(row.token)).await?.is_empty()).into();
    }
    Ok(shaped)
}

/// What a task sees, or its own variables only.
async fn variables(call: &Call, row: &TaskRecord, all: bool) -> Result<Value, ApiError> {
    let token = TokenId(u32::try_from(row.token).unwrap_or(u32::MAX));
    let live = call.behind().live(InstanceId(row.instance)).await?;
    let found = live.map(|live| if all { visible(&live, token) } else { variable::own(&live, token) });
    Ok(value::write_all(&found.unwrap_or_default(), Objects::Open))
}

/// Values are data, never evaluated.
fn refuse_expressions(filters: &Filters) -> Result<(), ApiError> {
    const NAMES: [&str; 20] = [
        "assigneeExpression",
        "assigneeLikeExpression",
        "ownerExpression",
        "candidateGroupExpression",
        "candidateUserExpression",
        "candidateGroupsExpression",
        "involvedUserExpression",
        "dueDateExpression",
        "dueAfterExpression",
        "dueBeforeExpression",
        "followUpDateExpression",
        "followUpAfterExpression",
        "followUpBeforeExpression",
        "followUpBeforeOrNotExistentExpression",
        "createdOnExpression",
        "createdAfterExpression",
        "createdBeforeExpression",
        "updatedAfterExpression",
        "processInstanceBusinessKeyExpression",
        "processInstanceBusinessKeyLikeExpression",
    ];
    for name in NAMES {
        if filters.text(name)?.is_some() {
            let words = format!("Expressions are not evaluated in queries: send the value in place of {name}.");
            return Err(ApiError::invalid(words));
        }
    }
    Ok(())
}

/// A candidate of this kind, one of these or any.
fn candidate(is_group: bool, names: Option<Vec<String>>) -> Condition {
    let mut all = vec![Condition::flag(related::IS_GROUP, is_group)];
    all.extend(names.map(|names| Condition::OneOf(related::NAME, names.into_iter().map(Into::into).collect())));
    Condition::Some(Relation::Candidate, all)
}

/// Who may claim: tasks that nobody has, unless asked otherwise.
fn candidates(filters: &Filters) -> Result<Vec<Condition>, ApiError> {
    let mut all = Vec::new();
    if let Some(group) = filters.text("candidateGroup")? {
        all.push(candidate(true, Some(vec![group])));
    }
    if let Some(groups) = filters.list("candidateGroups")? {
        all.push(candidate(true, Some(groups)));
    }
    if let Some(pattern) = filters.text("candidateGroupLike")? {
        let like = Condition::Is(related::NAME, Test::Like, pattern.into());
        all.push(Condition::Some(Relation::Candidate, vec![Condition::flag(related::IS_GROUP, true), like]));
    }
    if let Some(user) = filters.text("candidateUser")? {
        all.push(candidate(false, Some(vec![user])));
    }
    let with_assigned = filters.is_true("includeAssignedTasks")?;
    if !all.is_empty() && !with_assigned {
        all = vec![Condition::All(all), Condition::Empty(column::ASSIGNEE)];
        // One condition, so that it stays together among alternatives.
        all = vec![Condition::All(all)];
    }
    Ok(all)
}

pub(super) fn delegation(word: &str) -> Option<Delegation> {
    match word {
        "PENDING" => Some(Delegation::Pending),
        "RESOLVED" => Some(Delegation::Resolved),
        _ => None,
    }
}

pub(super) fn delegation_word(state: Delegation) -> &'static str {
    match state {
        Delegation::Pending => "PENDING",
        Delegation::Resolved => "RESOLVED",
    }
}

async fn task(call: &Call, row: &TaskRecord) -> Result<Value, ApiError> {
    let definition = call.definition(DefinitionId(row.definition)).await?;
    let form = form::of_element(&definition.process, &row.element);
    let id = format!("{}:{}", row.instance, row.token);
    let (form_key, form_ref) = form::key_and_ref(form.as_ref());
    Ok(json!({
        "id": id,
        "name": row.name,
        "assignee": row.assignee,
        "created": time(row.created_at),
        "due": row.due.map(time),
        "followUp": row.follow_up.map(time),
        "lastUpdated": row.updated_at.map(time),
        "delegationState": row.delegation().map(delegation_word),
        "description": row.description,
        "executionId": id,
        "owner": row.owner,
        "parentTaskId": null,
        "priority": row.priority,
        "processDefinitionId": wire::definition(&row.process, row.version, row.definition),
        "processInstanceId": row.instance.to_string(),
        "taskDefinitionKey": row.element,
        "caseExecutionId": null,
        "caseInstanceId": null,
        "caseDefinitionId": null,
        "suspended": row.suspended != 0,
        "formKey": form_key,
        "camundaFormRef": form_ref,
        "operatonFormRef": form_ref,
        "tenantId": tenant(&row.tenant),
        "taskState": if row.updated_at.is_some() { "Updated" } else { "Created" },
    }))
}

/// A task that the caller may see, open or ended, and its instance.
pub(super) async fn past_of(call: &Call, id: &str) -> Result<(wire::Inner, InstanceRecord), ApiError> {
    let absent = || ApiError::absent(format!("No task found for task id {id}"));
    let inner = wire::Inner::parse(id).ok_or_else(absent)?;
    let here = || at_token(inner.instance, inner.token());
    if call.one::<TaskRecord>(here()).await?.is_none() {
        call.one::<PastTaskRecord>(here()).await?.ok_or_else(absent)?;
    }
    let instance = call.behind().instance_record(inner.instance).await?.ok_or_else(absent)?;
    Ok((inner, instance))
}

/// A task that the caller may see.
pub(super) struct Target {
    pub(super) id: String,
    pub(super) instance: InstanceId,
    pub(super) token: TokenId,
    pub(super) row: TaskRecord,
}

impl Target {
    pub(super) async fn find(call: &Call, id: &str) -> Result<Self, ApiError> {
        let absent = || ApiError::absent(format!("No matching task with id {id}"));
        let inner = wire::Inner::parse(id).ok_or_else(absent)?;
        let (instance, token) = (inner.instance, inner.token());
        let row = call.one::<TaskRecord>(at_token(instance, token)).await?.ok_or_else(absent)?;
        Ok(Self { id: wire::inner(instance, token), instance, token, row })
    }

    pub(super) async fn shape(&self, call: &Call, filters: &Filters) -> Result<Value, ApiError> {
        with_more(call, filters, &self.row).await
    }

    /// Its form, and the variables that it sees.
    pub(super) async fn form(&self, call: &Call) -> Result<(Option<Form>, Variables), ApiError> {
        let definition = call.definition(DefinitionId(self.row.definition)).await?;
        let instance = call.behind().live(self.instance).await?;
        let seen = instance.map(|instance| visible(&instance, self.token)).unwrap_or_default();
        Ok((form::of_element(&definition.process, &self.row.element), seen))
    }

    /// What an expression of its form sees.
    pub(super) fn plain<'v>(&self, call: &Call, seen: &'v Variables) -> Plain<'v> {
        Plain { variables: seen, definition: None, now: call.state.node().clock().now(), token: Some(self.token) }
    }

    pub(super) fn words<'a>(&self, attempt: &'a str) -> Words<'a> {
        Words { kind: "RestException", attempt }
    }
}
