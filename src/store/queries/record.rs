//! Rows as lists give them: an engine's row with what its definition adds, so that one statement answers a page.

use super::select::Source;
use crate::partition::transaction::{Delegation, InstanceState, JobKind};
use crate::store::code;
use sqlx::FromRow;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;

/// A row of a list, read from either database.
pub trait Record: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {
    const SOURCE: Source;
}

macro_rules! record {
    (
        $(#[$doc:meta])*
        $name:ident from $from:literal, tenant $tenant:literal, id [$($id:literal),*] {
            $($field:ident: $kind:ty = $column:literal),* $(,)?
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, FromRow)]
        pub struct $name {
            $(pub $field: $kind,)*
        }

        impl Record for $name {
            const SOURCE: Source = Source {
                columns: record!(@columns $($column, $field,)*),
                from: $from,
                tenant: $tenant,
                id: &[$($id),*],
            };
        }
    };
    (@columns $first:literal, $as:ident, $($column:literal, $field:ident,)*) => {
        concat!($first, " AS ", stringify!($as), $(", ", $column, " AS ", stringify!($field)),*)
    };
}

record! {
    TaskRecord from "user_task t JOIN definition d ON d.id = t.definition", tenant "t.tenant", id ["t.instance", "t.token"] {
        instance: i64 = "t.instance", token: i64 = "t.token", definition: i64 = "t.definition", process: String = "t.process",
        version: i64 = "d.version", tenant: String = "t.tenant", suspended: i16 = "t.suspended",
        element: String = "t.element", name: Option<String> = "t.name", description: Option<String> = "t.description",
        assignee: Option<String> = "t.assignee", owner: Option<String> = "t.owner", delegation: Option<i16> = "t.delegation",
        priority: i64 = "t.priority", due: Option<i64> = "t.due", follow_up: Option<i64> = "t.follow_up",
        created_at: i64 = "t.created_at", updated_at: Option<i64> = "t.updated_at",
    }
}

record! {
    /// A running instance or one that has ended.
    InstanceRecord from "process_instance t JOIN definition d ON d.id = t.definition", tenant "t.tenant", id ["t.id"] {
        id: i64 = "t.id", definition: i64 = "t.definition", process: String = "t.process", version: i64 = "d.version",
        definition_name: Option<String> = "d.name", history_ttl_days: Option<i64> = "d.history_ttl_days",
        tenant: String = "t.tenant", business_key: Option<String> = "t.business_key", caller: Option<i64> = "t.caller",
        caller_token: Option<i64> = "t.caller_token", root: i64 = "t.root", state: i16 = "t.state",
        started_at: i64 = "t.started_at", ended_at: Option<i64> = "t.ended_at", starter: Option<String> = "t.starter",
        start_element: Option<String> = "t.start_element", end_element: Option<String> = "t.end_element",
        reason: Option<String> = "t.reason", incidents: i64 = "t.incidents", revision: i64 = "t.revision",
    }
}

record! {
    JobRecord from "job t JOIN definition d ON d.id = t.definition", tenant "t.tenant", id ["t.instance", "t.token"] {
        instance: i64 = "t.instance", token: i64 = "t.token", definition: i64 = "t.definition", process: String = "t.process",
        version: i64 = "d.version", version_tag: Option<String> = "d.version_tag", tenant: String = "t.tenant",
        business_key: Option<String> = "t.business_key", suspended: i16 = "t.suspended", kind: i16 = "t.kind",
        element: String = "t.element", topic: String = "t.topic", lease_no: i64 = "t.lease_no",
        holder: Option<String> = "t.holder", leased_until: Option<i64> = "t.leased_until", retries: Option<i64> = "t.retries",
        due: i64 = "t.due", priority: i64 = "t.priority", created_at: i64 = "t.created_at", error: Option<String> = "t.error",
        incident: i16 = "t.incident",
    }
}

record! {
    /// Timers and the engine's own jobs, which Camunda 7 lists as one.
    TimedRecord from "(SELECT instance, token AS id, definition, process, tenant, suspended, element, due, retries, priority, \
                      created_at, error, incident, holder, 0 AS is_timer FROM job WHERE kind <> 0 UNION ALL \
                      SELECT instance, id, definition, process, tenant, suspended, element, due, NULL, 0, created_at, NULL, 0, NULL, 1 \
                      FROM timer) t JOIN definition d ON d.id = t.definition",
    tenant "t.tenant", id ["t.instance", "t.id"] {
        instance: i64 = "t.instance", number: i64 = "t.id", definition: i64 = "t.definition", process: String = "t.process",
        version: i64 = "d.version", tenant: String = "t.tenant", suspended: i16 = "CAST(t.suspended AS SMALLINT)",
        element: String = "t.element", due: i64 = "t.due", retries: Option<i64> = "CAST(t.retries AS BIGINT)",
        priority: i64 = "CAST(t.priority AS BIGINT)", created_at: i64 = "t.created_at",
        error: Option<String> = "CAST(t.error AS TEXT)", incident: i16 = "CAST(t.incident AS SMALLINT)",
        is_timer: i16 = "CAST(t.is_timer AS SMALLINT)",
    }
}

record! {
    IncidentRecord from "incident t JOIN definition d ON d.id = t.definition", tenant "t.tenant", id ["t.instance", "t.id"] {
        instance: i64 = "t.instance", id: i64 = "t.id", root: i64 = "t.root", definition: i64 = "t.definition",
        process: String = "t.process", version: i64 = "d.version", tenant: String = "t.tenant", token: i64 = "t.token",
        element: String = "t.element", kind: String = "t.kind", message: String = "t.message", at: i64 = "t.at",
        annotation: Option<String> = "(SELECT n.annotation FROM incident_note n WHERE n.instance = t.instance AND n.id = t.id)",
    }
}

record! {
    SubscriptionRecord from "subscription t JOIN definition d ON d.id = t.definition", tenant "t.tenant",
    id ["t.instance", "t.id"] {
        instance: i64 = "t.instance", id: i64 = "t.id", definition: i64 = "t.definition", process: String = "t.process",
        version: i64 = "d.version", tenant: String = "t.tenant", business_key: Option<String> = "t.business_key",
        owner: i64 = "t.owner", element: String = "t.element", signal: i16 = "t.signal", name: String = "t.name",
        created_at: i64 = "t.created_at",
    }
}

record! {
    /// A variable of a running instance, with its value.
    VariableRecord from "variable t JOIN past_variable v ON v.instance = t.instance AND v.scope = t.scope AND v.name = t.name \
                         JOIN definition d ON d.id = v.definition",
    tenant "t.tenant", id ["t.instance", "t.scope", "t.name"] {
        instance: i64 = "t.instance", scope: i64 = "t.scope", name: String = "t.name", tenant: String = "t.tenant",
        definition: i64 = "v.definition", process: String = "v.process", version: i64 = "d.version",
        token: Option<i64> = "t.token", value: Option<String> = "v.value",
    }
}

record! {
    PastActivityRecord from "past_activity t JOIN definition d ON d.id = t.definition", tenant "t.tenant",
    id ["t.instance", "t.token"] {
        instance: i64 = "t.instance", token: i64 = "t.token", root: i64 = "t.root", definition: i64 = "t.definition",
        process: String = "t.process", version: i64 = "d.version", tenant: String = "t.tenant", element: String = "t.element",
        name: Option<String> = "t.name", kind: String = "t.kind", scope: i64 = "t.scope", parent: Option<i64> = "t.parent",
        called: Option<i64> = "t.called", assignee: Option<String> = "t.assignee", started_at: i64 = "t.started_at",
        ended_at: Option<i64> = "t.ended_at", cancelled: i16 = "t.cancelled", history_ttl_days: Option<i64> = "d.history_ttl_days",
        instance_ended_at: Option<i64> = "(SELECT p.ended_at FROM process_instance p WHERE p.id = t.instance)",
    }
}

record! {
    PastTaskRecord from "past_task t JOIN definition d ON d.id = t.definition", tenant "t.tenant", id ["t.instance", "t.token"] {
        instance: i64 = "t.instance", token: i64 = "t.token", root: i64 = "t.root", definition: i64 = "t.definition",
        process: String = "t.process", version: i64 = "d.version", tenant: String = "t.tenant", element: String = "t.element",
        name: Option<String> = "t.name", description: Option<String> = "t.description", assignee: Option<String> = "t.assignee",
        owner: Option<String> = "t.owner", priority: i64 = "t.priority", due: Option<i64> = "t.due",
        follow_up: Option<i64> = "t.follow_up", created_at: i64 = "t.created_at", updated_at: Option<i64> = "t.updated_at",
        ended_at: Option<i64> = "t.ended_at", reason: Option<String> = "t.reason",
        history_ttl_days: Option<i64> = "d.history_ttl_days",
        instance_ended_at: Option<i64> = "(SELECT p.ended_at FROM process_instance p WHERE p.id = t.instance)",
    }
}

record! {
    PastVariableRecord from "past_variable t JOIN definition d ON d.id = t.definition", tenant "t.tenant",
    id ["t.instance", "t.scope", "t.name"] {
        instance: i64 = "t.instance", scope: i64 = "t.scope", name: String = "t.name", root: i64 = "t.root",
        definition: i64 = "t.definition", process: String = "t.process", version: i64 = "d.version",
        tenant: String = "t.tenant", value: Option<String> = "t.value", token: Option<i64> = "t.token", at: i64 = "t.at",
        history_ttl_days: Option<i64> = "d.history_ttl_days",
        instance_ended_at: Option<i64> = "(SELECT p.ended_at FROM process_instance p WHERE p.id = t.instance)",
    }
}

record! {
    PastIncidentRecord from "past_incident t JOIN definition d ON d.id = t.definition", tenant "t.tenant",
    id ["t.instance", "t.id"] {
        instance: i64 = "t.instance", id: i64 = "t.id", root: i64 = "t.root", definition: i64 = "t.definition",
        process: String = "t.process", version: i64 = "d.version", tenant: String = "t.tenant", token: i64 = "t.token",
        element: String = "t.element", kind: String = "t.kind", message: String = "t.message", raised_at: i64 = "t.raised_at",
        resolved_at: Option<i64> = "t.resolved_at", deleted: i16 = "t.deleted",
        annotation: Option<String> = "(SELECT n.annotation FROM incident_note n WHERE n.instance = t.instance AND n.id = t.id)",
    }
}

record! {
    /// What one command did to an instance: its events, as they were written.
    StoryRecord from "history t JOIN process_instance p ON p.id = t.instance JOIN definition d ON d.id = p.definition",
    tenant "p.tenant", id ["t.position"] {
        instance: i64 = "p.id", position: i64 = "t.position", at: i64 = "t.at", cause: String = "t.cause",
        events: String = "t.events", definition: i64 = "p.definition", process: String = "p.process",
        version: i64 = "d.version", deployment: i64 = "d.deployment", tenant: String = "p.tenant", root: i64 = "p.root",
        ended_at: Option<i64> = "p.ended_at", history_ttl_days: Option<i64> = "d.history_ttl_days",
    }
}

record! {
    DefinitionRecord from "definition t", tenant "t.tenant", id ["t.id"] {
        id: i64 = "t.id", kind: i16 = "t.kind", deployment: i64 = "t.deployment", tenant: String = "t.tenant", key: String = "t.key",
        version: i64 = "t.version", version_tag: Option<String> = "t.version_tag", name: Option<String> = "t.name",
        resource: String = "t.resource", suspended: i16 = "t.suspended", startable: i16 = "t.startable",
        history_ttl_days: Option<i64> = "t.history_ttl_days", documentation: Option<String> = "t.documentation",
    }
}

record! {
    /// A version of a decision, with the requirements graph of its file.
    DecisionRecord from "definition t JOIN deployment p ON p.id = t.deployment LEFT JOIN definition q ON \
                         q.deployment = t.deployment AND q.resource = t.resource AND q.kind = 2",
    tenant "t.tenant", id ["t.id"] {
        id: i64 = "t.id", deployment: i64 = "t.deployment", tenant: String = "t.tenant", key: String = "t.key",
        version: i64 = "t.version", version_tag: Option<String> = "t.version_tag", name: Option<String> = "t.name",
        resource: String = "t.resource", history_ttl_days: Option<i64> = "t.history_ttl_days",
        requirements: Option<i64> = "q.id", requirements_key: Option<String> = "q.key",
        requirements_version: Option<i64> = "q.version",
    }
}

record! {
    PastDecisionRecord from "past_decision t LEFT JOIN definition d ON d.id = t.definition LEFT JOIN definition e ON \
                             e.id = t.decision LEFT JOIN definition q ON q.deployment = e.deployment AND \
                             q.resource = e.resource AND q.kind = 2",
    tenant "t.tenant", id ["t.instance", "t.id"] {
        instance: i64 = "t.instance", id: i64 = "t.id", root: Option<i64> = "t.root", definition: Option<i64> = "t.definition",
        process: Option<String> = "t.process", process_version: Option<i64> = "d.version", tenant: String = "t.tenant",
        token: Option<i64> = "t.token", element: Option<String> = "t.element", evaluator: Option<String> = "t.evaluator",
        decision: i64 = "t.decision", key: String = "t.key", version: i64 = "t.version", name: String = "t.name",
        asked: Option<i64> = "t.asked", at: i64 = "t.at", body: String = "t.body",
        requirements: Option<i64> = "q.id", requirements_key: Option<String> = "q.key",
        requirements_version: Option<i64> = "q.version", process_ttl_days: Option<i64> = "d.history_ttl_days",
        decision_ttl_days: Option<i64> = "e.history_ttl_days",
        instance_ended_at: Option<i64> = "(SELECT p.ended_at FROM process_instance p WHERE p.id = t.instance)",
    }
}

record! {
    /// What somebody did.
    OperationRecord from "user_operation t LEFT JOIN definition d ON d.id = t.definition", tenant "t.tenant", id ["t.id"] {
        id: String = "t.id", operation: String = "t.operation", at: i64 = "t.at", author: String = "t.author",
        kind: String = "t.kind", entity: String = "t.entity", category: String = "t.category",
        property: Option<String> = "t.property", org_value: Option<String> = "t.org_value",
        new_value: Option<String> = "t.new_value", deployment: Option<i64> = "t.deployment",
        definition: Option<i64> = "t.definition", process: Option<String> = "t.process", version: Option<i64> = "d.version",
        instance: Option<i64> = "t.instance", root: Option<i64> = "t.root", task: Option<i64> = "t.task",
        external_task: Option<i64> = "t.external_task", job: Option<i64> = "t.job", element: Option<String> = "t.element",
        batch: Option<String> = "t.batch", annotation: Option<String> = "t.annotation",
        history_ttl_days: Option<i64> = "d.history_ttl_days",
        instance_ended_at: Option<i64> = "(SELECT p.ended_at FROM process_instance p WHERE p.id = t.instance)",
    }
}

record! {
    DeploymentRecord from "deployment t", tenant "t.tenant", id ["t.id"] {
        id: i64 = "t.id", tenant: String = "t.tenant", name: Option<String> = "t.name", source: Option<String> = "t.source",
        at: i64 = "t.at",
    }
}

record! {
    /// A deployed file without its bytes.
    ResourceRecord from "resource t JOIN deployment p ON p.id = t.deployment", tenant "p.tenant", id ["t.deployment", "t.id"] {
        deployment: i64 = "t.deployment", id: i64 = "t.id", name: String = "t.name",
    }
}

record! {
    ContentRecord from "resource t JOIN deployment p ON p.id = t.deployment", tenant "p.tenant", id ["t.deployment", "t.id"] {
        deployment: i64 = "t.deployment", id: i64 = "t.id", name: String = "t.name", bytes: Vec<u8> = "t.bytes",
    }
}

record! {
    /// A start event that waits for a message or a time.
    StartRecord from "start_event t JOIN definition d ON d.id = t.definition", tenant "t.tenant", id ["t.definition", "t.element", "t.part"] {
        definition: i64 = "t.definition", element: String = "t.element", process: String = "t.process",
        version: i64 = "d.version", tenant: String = "t.tenant", message: Option<String> = "t.message", due: Option<i64> = "t.due",
    }
}

record! {
    /// A user (`is_group` 0) or group that may claim a task.
    CandidateRecord from "candidate t JOIN user_task u ON u.instance = t.instance AND u.token = t.token", tenant "u.tenant",
    id ["t.instance", "t.token", "t.is_group", "t.name"] {
        instance: i64 = "t.instance", token: i64 = "t.token", is_group: i16 = "t.is_group", name: String = "t.name",
    }
}

impl TaskRecord {
    pub fn delegation(&self) -> Option<Delegation> {
        self.delegation.and_then(code::delegation_of)
    }
}

impl InstanceRecord {
    pub fn state(&self) -> Option<InstanceState> {
        code::state_of(self.state)
    }
}

impl JobRecord {
    pub fn kind(&self) -> Option<JobKind> {
        code::job_kind_of(self.kind)
    }
}

/// The numbers that stand in the rows, for conditions.
pub fn state_code(state: InstanceState) -> i64 {
    code::state(state).into()
}

pub fn job_kind_code(kind: JobKind) -> i64 {
    code::job_kind(kind).into()
}

pub fn delegation_code(delegation: Delegation) -> i64 {
    code::delegation(delegation).into()
}

/// Processes, decisions and requirements graphs among the definitions.
pub const PROCESS_CODE: i64 = 0;
pub const DECISION_CODE: i64 = 1;
pub const REQUIREMENTS_CODE: i64 = 2;
