//! Rows to parameters, column by column in the order of their table.

use super::super::{Arguments, Rows};
use crate::base::id::PartitionId;
use crate::base::id::{ElementId, InstanceId, ScopeId};
use crate::partition::LetterId;
use crate::partition::ParcelId;
use crate::partition::transaction::{
    AnswerRow, CommandKey, Common, DefinitionRow, DeploymentRow, Fence, IncidentRow, IndexKey, InstanceRow, JobRow,
    LetterRow, PastActivity, PastDecision, PastIncident, PastKey, PastTask, PastVariable, ResourceRow, ScopeRow,
    StartKey, StartRow, SubscriptionRow, TimerRow, UserTaskRow, VariableRow,
};
use crate::partition::transaction::{OutcomeRow, ParcelRow};
use crate::store::code;
use crate::store::table::Table;

/// Takes the values of one statement, row by row, column by column.
#[derive(Debug)]
pub(super) struct Binder(Rows);

impl Binder {
    pub(super) fn of(table: &Table, rows: usize) -> Self {
        Self(Rows::of(table, rows))
    }

    pub(super) fn next_row(&mut self) {
        self.0.next();
    }

    pub(super) fn done(self) -> Arguments {
        self.0.done()
    }

    pub(super) fn int(&mut self, value: i64) {
        self.0.int(Some(value));
    }

    pub(super) fn int_or(&mut self, value: Option<i64>) {
        self.0.int(value);
    }

    fn small(&mut self, value: i16) {
        self.0.small(Some(value));
    }

    fn flag(&mut self, value: bool) {
        self.small(value.into());
    }

    fn small_or(&mut self, value: Option<i16>) {
        self.0.small(value);
    }

    fn real_or(&mut self, value: Option<f64>) {
        self.0.real(value);
    }

    pub(super) fn text(&mut self, value: &str) {
        self.0.text(Some(value));
    }

    pub(super) fn text_or(&mut self, value: Option<&str>) {
        self.0.text(value);
    }

    fn bytes(&mut self, value: &[u8]) {
        self.0.bytes(Some(value));
    }
}

pub(super) fn instance(b: &mut Binder, row: &InstanceRow) {
    let head = &row.head;
    b.int(head.id.0);
    b.int(head.definition.0);
    b.text(&row.process);
    b.text(&head.tenant);
    b.text_or(head.business_key.as_deref());
    b.int_or(head.caller.map(|caller| caller.instance.0));
    b.int_or(head.caller.map(|caller| caller.token.0.into()));
    b.int(head.root.0);
    b.small(code::state(head.state));
    b.int(head.started_at.0);
    b.int_or(head.ended_at.map(|at| at.0));
    b.text_or(head.starter.as_deref());
    b.text_or(head.start_element.as_ref().map(ElementId::as_str));
    b.text_or(head.end_element.as_ref().map(ElementId::as_str));
    b.text_or(head.reason.as_deref());
    b.int(i64::try_from(head.revision).unwrap_or(i64::MAX));
    b.int(row.incidents);
    b.text(&row.body);
}

pub(super) fn scope(b: &mut Binder, row: &ScopeRow) {
    scope_key(b, (row.instance, row.scope));
    b.text(&row.body);
}

pub(super) fn scope_key(b: &mut Binder, (instance, scope): (InstanceId, ScopeId)) {
    b.int(instance.0);
    b.int(scope.0.into());
}

pub(super) fn index_key(b: &mut Binder, instance: InstanceId, key: &IndexKey) {
    b.int(instance.0);
    match key {
        IndexKey::Job(token) | IndexKey::UserTask(token) => b.int(token.0.into()),
        IndexKey::Candidate(token, is_group, name) => {
            b.int(token.0.into());
            b.flag(*is_group);
            b.text(name);
        }
        IndexKey::Timer(id) | IndexKey::Subscription(id) | IndexKey::Incident(id) => b.int(id.0.into()),
        IndexKey::Variable(scope, name) => {
            b.int(scope.0.into());
            b.text(name);
        }
    }
}

fn common(b: &mut Binder, common: &Common) {
    origin(b, common);
    b.text_or(common.business_key.as_deref());
    b.flag(common.suspended);
}

fn origin(b: &mut Binder, common: &Common) {
    b.int(common.root.0);
    b.int(common.definition.0);
    b.text(&common.process);
    b.text(&common.tenant);
}

pub(super) fn job(b: &mut Binder, whose: &Common, row: &JobRow) {
    common(b, whose);
    b.small(code::job_kind(row.kind));
    b.text(&row.element);
    b.text(&row.topic);
    b.int(row.lease_no);
    b.text_or(row.holder.as_deref());
    b.int_or(row.until.map(|at| at.0));
    b.int_or(row.retries);
    b.int(row.expiries);
    b.int(row.due.0);
    b.int(row.priority);
    b.int(row.created_at.0);
    b.text_or(row.error.as_deref());
    b.flag(row.incident);
}

pub(super) fn user_task(b: &mut Binder, whose: &Common, row: &UserTaskRow) {
    common(b, whose);
    b.text(&row.element);
    b.int(row.scope.0.into());
    b.text_or(row.name.as_deref());
    b.text_or(row.description.as_deref());
    b.text_or(row.assignee.as_deref());
    b.text_or(row.owner.as_deref());
    b.small_or(row.delegation.map(code::delegation));
    b.int(row.priority);
    b.int_or(row.due.map(|at| at.0));
    b.int_or(row.follow_up.map(|at| at.0));
    b.int(row.created_at.0);
    b.int_or(row.updated_at.map(|at| at.0));
}

pub(super) fn timer(b: &mut Binder, whose: &Common, row: &TimerRow) {
    common(b, whose);
    b.int(row.owner.0.into());
    b.text(&row.element);
    b.int(row.due.0);
    b.flag(row.repeats);
    b.int(row.created_at.0);
}

pub(super) fn subscription(b: &mut Binder, whose: &Common, row: &SubscriptionRow) {
    common(b, whose);
    b.int(row.owner.0.into());
    b.text(&row.element);
    b.flag(row.signal);
    b.text(&row.name);
    b.int(row.created_at.0);
}

pub(super) fn incident(b: &mut Binder, whose: &Common, row: &IncidentRow) {
    common(b, whose);
    b.int(row.token.0.into());
    b.text(&row.element);
    b.text(row.kind.wire());
    b.text(&row.message);
    b.int(row.at.0);
}

pub(super) fn variable(b: &mut Binder, whose: &Common, row: &VariableRow) {
    b.text(&whose.tenant);
    b.text(&row.kind);
    b.text_or(row.text.as_deref());
    b.real_or(row.number);
    b.int_or(row.token.map(|token| token.0.into()));
}

pub(super) fn past_key(b: &mut Binder, instance: InstanceId, key: &PastKey) {
    b.int(instance.0);
    match key {
        PastKey::Activity(token) | PastKey::Task(token) => b.int(token.0.into()),
        PastKey::Variable(scope, name) => {
            b.int(scope.0.into());
            b.text(name);
        }
        PastKey::Incident(id) | PastKey::Decision(id) => b.int(id.0.into()),
    }
}

pub(super) fn past_activity(b: &mut Binder, whose: &Common, row: &PastActivity) {
    origin(b, whose);
    b.text(&row.element);
    b.text_or(row.name.as_deref());
    b.text(row.kind);
    b.int(row.scope.0.into());
    b.int_or(row.parent.map(|token| token.0.into()));
    b.int_or(row.called.map(|instance| instance.0));
    b.text_or(row.assignee.as_deref());
    b.int(row.started_at.0);
    b.int_or(row.ended_at.map(|at| at.0));
    b.flag(row.cancelled);
}

pub(super) fn past_task(b: &mut Binder, whose: &Common, row: &PastTask) {
    origin(b, whose);
    let task = &row.task;
    b.text(&row.element);
    b.text_or(task.name.as_deref());
    b.text_or(task.description.as_deref());
    b.text_or(task.assignee.as_deref());
    b.text_or(task.owner.as_deref());
    b.small_or(task.delegation.map(code::delegation));
    b.int(task.priority);
    b.int_or(task.due.map(|at| at.0));
    b.int_or(task.follow_up.map(|at| at.0));
    b.int(task.created_at.0);
    b.int_or(task.updated_at.map(|at| at.0));
    b.int_or(row.ended_at.map(|at| at.0));
    b.text_or(row.reason.as_deref());
}

pub(super) fn past_variable(b: &mut Binder, whose: &Common, row: &PastVariable) {
    origin(b, whose);
    let value = row.value.as_ref().map(|value| serde_json::to_string(value).expect("a variable is JSON"));
    b.text_or(value.as_deref());
    b.int_or(row.token.map(|token| token.0.into()));
    b.int(row.at.0);
}

pub(super) fn past_incident(b: &mut Binder, whose: &Common, row: &PastIncident) {
    origin(b, whose);
    b.int(row.token.0.into());
    b.text(&row.element);
    b.text(row.kind.wire());
    b.text(&row.message);
    b.int(row.raised_at.0);
    b.int_or(row.resolved_at.map(|at| at.0));
    b.flag(row.deleted);
}

pub(super) fn past_decision(b: &mut Binder, whose: &Common, row: &PastDecision) {
    let task = row.task.as_ref();
    b.int_or(task.map(|_| whose.root.0));
    b.int_or(task.map(|_| whose.definition.0));
    b.text_or(task.map(|_| whose.process.as_str()));
    b.text(&whose.tenant);
    b.int_or(task.map(|(token, _)| token.0.into()));
    b.text_or(task.map(|(_, element)| element.as_str()));
    b.text_or(row.evaluator.as_deref());
    b.int(row.definition.0);
    b.text(&row.key);
    b.int(row.version.into());
    b.text(&row.name);
    b.int_or(row.asked.map(|id| id.0.into()));
    b.int(row.at.0);
    b.text(&serde_json::to_string(&row.told).expect("values are JSON"));
}

pub(super) fn command_key(b: &mut Binder, key: &CommandKey) {
    b.text(&key.tenant);
    b.text(&key.route);
    b.text(&key.key);
}

pub(super) fn answer(b: &mut Binder, row: &AnswerRow) {
    command_key(b, &row.key);
    b.text(&row.digest);
    b.text(&row.answer);
    b.int(row.at.0);
}

pub(super) fn deployment(b: &mut Binder, row: &DeploymentRow) {
    b.int(row.id.0);
    b.text(&row.tenant);
    b.text_or(row.name.as_deref());
    b.text_or(row.source.as_deref());
    b.int(row.at.0);
}

pub(super) fn resource(b: &mut Binder, row: &ResourceRow) {
    b.int(row.deployment.0);
    b.int(row.id);
    b.text(&row.name);
    b.bytes(&row.bytes);
}

pub(super) fn definition(b: &mut Binder, row: &DefinitionRow) {
    b.int(row.id.0);
    b.small(code::definition_kind(row.kind));
    b.int(row.deployment.0);
    b.text(&row.tenant);
    b.text(&row.key);
    b.int(row.version.into());
    b.text_or(row.version_tag.as_deref());
    b.text_or(row.name.as_deref());
    b.text(&row.resource);
    b.flag(row.suspended);
    b.flag(row.startable);
    b.int_or(row.history_ttl_days.map(i64::from));
    b.text_or(row.documentation.as_deref());
}

pub(super) fn letter_key(b: &mut Binder, fence: &Fence, id: LetterId) {
    b.int(fence.partition.0);
    b.int(id);
}

pub(super) fn letter(b: &mut Binder, fence: &Fence, row: &LetterRow) {
    letter_key(b, fence, row.id);
    b.int(row.at.0);
    b.text(&serde_json::to_string(&row.letter).expect("a letter is plain data"));
}

pub(super) fn parcel_key(b: &mut Binder, partition: PartitionId, id: ParcelId) {
    b.int(partition.0);
    b.int(id);
}

pub(super) fn parcel(b: &mut Binder, row: &ParcelRow) {
    parcel_key(b, row.to, row.id);
    b.int(row.at.0);
    b.text(&row.body);
}

pub(super) fn outcome(b: &mut Binder, row: &OutcomeRow) {
    b.text(&row.node);
    b.int(row.number);
    b.int(row.at.0);
    b.text(&row.body);
}

pub(super) fn start_key(b: &mut Binder, key: &StartKey) {
    b.int(key.definition.0);
    b.text(&key.element);
    b.int(i64::from(key.part));
}

pub(super) fn start(b: &mut Binder, row: &StartRow) {
    start_key(b, &row.key);
    b.text(&row.process);
    b.text(&row.tenant);
    b.text_or(row.message.as_deref());
    b.text_or(row.signal.as_deref());
    b.int_or(row.due.map(|at| at.0));
    b.text_or(row.cycle.as_deref());
}
