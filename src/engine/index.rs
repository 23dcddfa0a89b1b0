//! Index rows: what queries and schedules need, a pure function of the stored state. The store writes the difference of
//! two calls, so they cannot drift.

use crate::base::id::{DefinitionId, ElementId, InstanceId, LocalId, ROOT_SCOPE, ScopeId, TokenId};
use crate::base::time::Timestamp;
use crate::base::variable::Variable;
use crate::engine::definition::NodeIx;
use crate::engine::incident::IncidentKind;
use crate::engine::instance::{Delegation, Instance, InstanceState, OF_SCOPE, ScopeKind, Trigger, UserTask, Wait};
use crate::engine::job::{Job, JobKind};
use crate::engine::step::new_job;
use serde_json::Value;
use std::collections::BTreeMap;

/// The primary key of an index row; the instance is known from where the map lies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IndexKey {
    Job(TokenId),
    UserTask(TokenId),
    /// Candidate user (`false`) or group (`true`) of a user task.
    Candidate(TokenId, bool, String),
    Timer(LocalId),
    Subscription(LocalId),
    Incident(LocalId),
    Variable(ScopeId, String),
}

#[derive(Clone, Debug, PartialEq)]
pub enum IndexRow {
    Job(JobRow),
    UserTask(Box<UserTaskRow>),
    Candidate,
    Timer(TimerRow),
    Subscription(SubscriptionRow),
    Incident(IncidentRow),
    Variable(VariableRow),
}

pub type Index = BTreeMap<IndexKey, IndexRow>;

/// What every row repeats of its instance, so that queries need no join.
#[derive(Clone, Debug, PartialEq)]
pub struct Common {
    pub instance: InstanceId,
    pub root: InstanceId,
    pub definition: DefinitionId,
    pub process: String,
    pub tenant: String,
    pub business_key: Option<String>,
    pub suspended: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct JobRow {
    pub kind: JobKind,
    pub element: ElementId,
    pub topic: String,
    pub lease_no: i64,
    pub holder: Option<String>,
    pub until: Option<Timestamp>,
    pub retries: Option<i64>,
    pub expiries: i64,
    pub due: Timestamp,
    pub priority: i64,
    pub created_at: Timestamp,
    pub error: Option<String>,
    /// The job stands still behind an open incident.
    pub incident: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct UserTaskRow {
    pub element: ElementId,
    pub scope: ScopeId,
    pub name: Option<String>,
    pub description: Option<String>,
    pub assignee: Option<String>,
    pub owner: Option<String>,
    pub delegation: Option<Delegation>,
    pub priority: i64,
    pub due: Option<Timestamp>,
    pub follow_up: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct TimerRow {
    pub owner: TokenId,
    pub element: ElementId,
    pub due: Timestamp,
    pub repeats: bool,
    pub created_at: Timestamp,
}

/// A message or a signal that is waited for.
#[derive(Clone, Debug, PartialEq)]
pub struct SubscriptionRow {
    pub owner: TokenId,
    pub element: ElementId,
    /// A signal, not a message.
    pub signal: bool,
    pub name: String,
    pub created_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq)]
pub struct IncidentRow {
    pub token: TokenId,
    pub element: ElementId,
    pub kind: IncidentKind,
    pub message: String,
    pub at: Timestamp,
}

/// Short values as text and number, for filters; longer ones keep their type only.
#[derive(Clone, Debug, PartialEq)]
pub struct VariableRow {
    pub kind: String,
    pub text: Option<String>,
    pub number: Option<f64>,
    /// The activation whose own variable it is, if any.
    pub token: Option<TokenId>,
}

/// What the rows of this instance have in common.
pub fn common(instance: &Instance) -> Common {
    let head = &instance.head;
    Common {
        instance: head.id,
        root: head.root,
        definition: head.definition,
        process: instance.definition.key.clone(),
        tenant: head.tenant.clone(),
        business_key: head.business_key.clone(),
        suspended: head.state == InstanceState::Suspended,
    }
}

/// The rows of one scope; none of a scope that is not there, none of an ended instance.
pub fn index(instance: &Instance, scope: ScopeId) -> Index {
    let mut rows = Index::new();
    let Some(scope) = instance.scopes.get(&scope).filter(|_| !instance.head.state.is_ended()) else {
        return rows;
    };
    let process = &instance.definition.process;
    if scope.id == ROOT_SCOPE && instance.head.continues {
        rows.insert(IndexKey::Job(CONTINUE), IndexRow::Job(continue_row(instance)));
    }
    let element = |node: NodeIx| process.node(node).id.clone();
    for (id, token) in &scope.tokens {
        token_rows(&mut rows, scope.id, *id, &token.wait, &element(token.at));
    }
    for (id, subscription) in &scope.subscriptions {
        // What the scope itself waits for is told of the token that waits for the scope.
        let owner = if subscription.owner == OF_SCOPE { scope.owner.unwrap_or(OF_SCOPE) } else { subscription.owner };
        let (element, created_at) = (element(subscription.catches), subscription.since);
        match &subscription.trigger {
            Trigger::Timer { due, cycle, .. } => {
                let row = TimerRow { owner, element, due: *due, repeats: cycle.is_some(), created_at };
                rows.insert(IndexKey::Timer(*id), IndexRow::Timer(row));
            }
            Trigger::Message { name } => {
                let row = SubscriptionRow { owner, element, signal: false, name: name.clone(), created_at };
                rows.insert(IndexKey::Subscription(*id), IndexRow::Subscription(row));
            }
            Trigger::Signal { name } => {
                let row = SubscriptionRow { owner, element, signal: true, name: name.clone(), created_at };
                rows.insert(IndexKey::Subscription(*id), IndexRow::Subscription(row));
            }
            Trigger::Error { .. } | Trigger::Escalation { .. } | Trigger::Condition { .. } | Trigger::Cancel => {}
        }
    }
    let token = match scope.kind {
        ScopeKind::Activity => scope.owner,
        ScopeKind::Inner => scope.tokens.keys().next().copied(),
        ScopeKind::Process | ScopeKind::SubProcess | ScopeKind::Body | ScopeKind::Compensation | ScopeKind::Kept => {
            None
        }
    };
    for (name, variable) in scope.variables.iter().filter(|(name, _)| !is_internal(name)) {
        rows.insert(IndexKey::Variable(scope.id, name.clone()), IndexRow::Variable(variable_row(variable, token)));
    }
    rows
}

/// The key of the row that stands for the whole instance: its last run was bounded and goes on. No token has this number.
pub const CONTINUE: TokenId = TokenId(0);

fn continue_row(instance: &Instance) -> JobRow {
    let (element, since) = (instance.definition.process.id.clone(), instance.head.started_at);
    let job = new_job(JobKind::Continuation, "continue".into(), 0, since);
    job_row(&job, &element, false)
}

fn token_rows(rows: &mut Index, scope: ScopeId, id: TokenId, wait: &Wait, element: &ElementId) {
    match wait {
        Wait::Job(job) => {
            rows.insert(IndexKey::Job(id), IndexRow::Job(job_row(job, element, false)));
        }
        Wait::UserTask(task) => {
            rows.insert(IndexKey::UserTask(id), IndexRow::UserTask(Box::new(task_row(task, scope, element))));
            for user in &task.candidate_users {
                rows.insert(IndexKey::Candidate(id, false, user.clone()), IndexRow::Candidate);
            }
            for group in &task.candidate_groups {
                rows.insert(IndexKey::Candidate(id, true, group.clone()), IndexRow::Candidate);
            }
        }
        Wait::Incident(incident) => {
            let row = IncidentRow {
                token: id,
                element: element.clone(),
                kind: incident.kind,
                message: incident.message.clone(),
                at: incident.at,
            };
            rows.insert(IndexKey::Incident(incident.id), IndexRow::Incident(row));
            match incident.held.as_deref() {
                Some(Wait::Job(job)) => {
                    rows.insert(IndexKey::Job(id), IndexRow::Job(job_row(job, element, true)));
                }
                Some(held @ Wait::UserTask(_)) => token_rows(rows, scope, id, held, element),
                Some(
                    Wait::Nothing | Wait::Join | Wait::Trigger | Wait::Scope(_) | Wait::Called(_) | Wait::Incident(_),
                )
                | None => {}
            }
        }
        Wait::Nothing | Wait::Join | Wait::Trigger | Wait::Scope(_) | Wait::Called(_) => {}
    }
}

fn job_row(job: &Job, element: &ElementId, incident: bool) -> JobRow {
    JobRow {
        kind: job.kind,
        element: element.clone(),
        topic: job.topic.clone(),
        lease_no: job.lease_no,
        holder: job.lease.as_ref().map(|lease| lease.holder.clone()),
        until: job.lease.as_ref().map(|lease| lease.until),
        retries: job.retries,
        expiries: job.expiries,
        due: job.due,
        priority: job.priority,
        created_at: job.created_at,
        error: job.error.as_ref().map(|error| error.message.clone()),
        incident,
    }
}

fn task_row(task: &UserTask, scope: ScopeId, element: &ElementId) -> UserTaskRow {
    UserTaskRow {
        element: element.clone(),
        scope,
        name: task.name.clone(),
        description: task.description.clone(),
        assignee: task.assignee.clone(),
        owner: task.owner.clone(),
        delegation: task.delegation,
        priority: task.priority,
        due: task.due,
        follow_up: task.follow_up,
        created_at: task.created_at,
        updated_at: task.updated_at,
    }
}

/// Variables that the engine keeps for itself, such as the list of a multi-instance: nobody looks for them.
pub(in crate::engine) fn is_internal(name: &str) -> bool {
    name.starts_with("transhume.")
}

/// Longer values are found by their name and type only.
const INDEXED_TEXT_MAX: usize = 256;

fn variable_row(variable: &Variable, token: Option<TokenId>) -> VariableRow {
    let (inferred, text, number) = match &variable.value {
        Value::Null => ("Null", None, None),
        Value::Bool(value) => ("Boolean", Some(value.to_string()), None),
        Value::Number(number) => {
            let kind = match number.as_i64() {
                Some(n) if i32::try_from(n).is_ok() => "Integer",
                Some(_) => "Long",
                None => "Double",
            };
            (kind, Some(number.to_string()), number.as_f64())
        }
        Value::String(text) => ("String", Some(text.clone()).filter(|text| text.len() <= INDEXED_TEXT_MAX), None),
        Value::Array(_) | Value::Object(_) => ("Json", None, None),
    };
    let kind = variable.tag.as_ref().map_or_else(|| inferred.to_owned(), |tag| tag.kind.clone());
    VariableRow { kind, text, number, token }
}
