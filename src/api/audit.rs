//! The log of what people do over REST. Each change that goes through [`Call::submit`] is told here and nowhere else: what
//! it was, of what, from which value to which. Values of variables are never told.
//!
//! What workers report about their jobs is no person's deed and stands in the jobs' own logs; what a batch does to its items
//! stands in the batch.

use super::call::{Call, at_token};
use super::error::ApiError;
use super::idempotency::Key;
use super::wire;
use crate::base::access::NO_TENANT;
use crate::base::id::{InstanceId, TokenId};
use crate::base::limits::AUDIT_ROWS_MAX;
use crate::base::time::Timestamp;
use crate::engine::command::{Answer, Command, Link, TaskChange};
use crate::partition::transaction::JobKind;
use crate::partition::{Letter, Reply, Work};
use crate::store::Store;
use crate::store::queries::operation::Operation;
use crate::store::queries::record::{
    DefinitionRecord, DeploymentRecord, InstanceRecord, JobRecord, PROCESS_CODE, TaskRecord, TimedRecord,
};
use crate::store::queries::select::{Condition, column};
use tokio::sync::{mpsc, oneshot};

const OPERATOR: &str = "Operator";
const ADMIN: &str = "Admin";
const TASK_WORKER: &str = "TaskWorker";

type Word = &'static str;
type Kept = Result<(), ApiError>;
type Entry = (Vec<Operation>, oneshot::Sender<bool>);

/// Writes the rows of many calls that come together in one transaction.
pub(crate) struct Audit(mpsc::Sender<Entry>);

impl Audit {
    /// Must be called inside of tokio.
    pub(crate) fn new(store: Store) -> Self {
        let (sender, receiver) = mpsc::channel(AUDIT_ROWS_MAX);
        tokio::spawn(write(store, receiver));
        Self(sender)
    }

    async fn keep(&self, rows: Vec<Operation>) -> Result<(), ApiError> {
        let away = || {
            ApiError::away(
                "It was done, but could not be written into the log of operations: repeat it under the same Idempotency-Key.",
            )
        };
        let (sender, kept) = oneshot::channel();
        self.0.send((rows, sender)).await.map_err(|_| away())?;
        if kept.await.unwrap_or(false) { Ok(()) } else { Err(away()) }
    }
}

async fn write(store: Store, mut receiver: mpsc::Receiver<Entry>) {
    let mut entries = Vec::new();
    while receiver.recv_many(&mut entries, AUDIT_ROWS_MAX).await > 0 {
        let (rows, waiting): (Vec<_>, Vec<_>) = entries.drain(..).unzip();
        let kept = store.add_operations(rows.into_iter().flatten().collect()).await;
        if let Err(error) = &kept {
            tracing::error!(%error, "what people did could not be written into the log of operations");
        }
        for one in waiting {
            // Whoever asked may have gone away.
            let _ = one.send(kept.is_ok());
        }
    }
}

/// What was done, of what, and which property it changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fact {
    kind: &'static str,
    entity: &'static str,
    property: Option<&'static str>,
    org_value: Option<String>,
    new_value: Option<String>,
}

impl Fact {
    pub(crate) fn new(kind: &'static str, entity: &'static str) -> Self {
        Self { kind, entity, ..Self::default() }
    }

    pub(crate) fn of(self, property: &'static str, org_value: Option<String>, new_value: Option<String>) -> Self {
        Self { property: Some(property), org_value, new_value, ..self }
    }
}

/// What a call is about to do, seen before it is done, so that the values that go are known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    facts: Vec<Fact>,
    row: Operation,
}

impl Call {
    /// `None`: nothing to tell.
    pub(crate) async fn before(&self, work: &Work) -> Result<Option<Told>, ApiError> {
        if self.operation.is_none() {
            return Ok(None);
        }
        let told = match work {
            Work::Instance { instance, command } => self.before_command(*instance, command).await?,
            Work::Start { .. } => Told::operator(vec![Fact::new("Create", "ProcessInstance")]),
            Work::Deploy(_) => Told::operator(vec![Fact::new("Create", "Deployment")]),
            Work::DeleteDeployment { deployment } => {
                let mut told = Told::operator(vec![Fact::new("Delete", "Deployment")]);
                told.row.deployment = Some(deployment.0);
                told.row.tenant = self.tenant_of_deployment(deployment.0).await?;
                told
            }
            Work::SuspendDefinition { definition, suspended, .. } => {
                let kind = if *suspended { "SuspendProcessDefinition" } else { "ActivateProcessDefinition" };
                let of = vec![Condition::equal(column::NUMBER, definition.0)];
                let row: Option<DefinitionRecord> = self.behind().one(of).await?;
                let was = row.as_ref().map(|row| state(row.suspended != 0));
                let fact = Fact::new(kind, "ProcessDefinition").of("suspensionState", was, Some(state(*suspended)));
                let mut told = Told::operator(vec![fact]);
                told.of_definition(row);
                told
            }
            Work::Say(Letter::Signal { name, .. }) => {
                Told::operator(vec![Fact::new("Signal", "ProcessInstance").of("signalName", None, Some(name.clone()))])
            }
            Work::Say(Letter::Message { name, .. }) => {
                Told::operator(vec![Fact::new("CorrelateMessage", "ProcessInstance").of(
                    "messageName",
                    None,
                    Some(name.clone()),
                )])
            }
            Work::KeepEvaluation(_) => Told::operator(vec![Fact::new("Evaluate", "DecisionDefinition")]),
            Work::Lease { .. } | Work::Deliver { .. } => return Ok(None),
        };
        Ok((!told.facts.is_empty()).then_some(told))
    }

    /// Of work that is done.
    pub(crate) async fn after(&self, mut told: Told, reply: &Reply) -> Result<(), ApiError> {
        match reply {
            Reply::Started(instance) => told.row.instance = Some(instance.0),
            Reply::Deployed { deployment, .. } => {
                let name = deployment.name.clone();
                told.facts = vec![Fact::new("Create", "Deployment").of("name", None, name)];
                told.row.deployment = Some(deployment.id.0);
                told.row.tenant = self.tenant_of_deployment(deployment.id.0).await?;
            }
            Reply::Done(_) | Reply::Said(_) | Reply::Leased(_) | Reply::Evaluated(_) | Reply::Repeated(_) => {}
        }
        if let Some(instance) = told.row.instance {
            let row = match reply {
                Reply::Started(instance) => self.started(*instance).await?,
                _ => self.behind().instance_record(InstanceId(instance)).await?,
            };
            if let Some(row) = row {
                told.row = Operation {
                    tenant: row.tenant,
                    definition: Some(row.definition),
                    process: Some(row.process),
                    root: Some(row.root),
                    ..told.row
                };
            }
        }
        self.tell(told).await
    }

    /// Of what no partition does, such as a change of what stands beside the engine.
    pub(crate) async fn tell(&self, told: Told) -> Result<(), ApiError> {
        let Some(operation) = &self.operation else { return Ok(()) };
        let id = self.key.as_ref().map_or_else(wire::random, Key::id);
        let (facts, at) = (told.facts, self.now().0);
        let rows = facts.into_iter().enumerate().map(|(number, fact)| Operation {
            id: format!("{id}.{number}"),
            operation: operation.clone(),
            at,
            author: self.caller.user.clone(),
            kind: fact.kind.to_owned(),
            entity: fact.entity.to_owned(),
            property: fact.property.map(str::to_owned),
            org_value: fact.org_value,
            new_value: fact.new_value,
            ..told.row.clone()
        });
        self.state.audit.keep(rows.collect()).await
    }

    /// A change of accounts and what they may do, by the id of the object.
    pub(crate) async fn tell_of_identity(&self, kind: Word, entity: Word, property: Word, id: &str) -> Kept {
        self.tell_of_object(ADMIN, kind, entity, property, id).await
    }

    pub(crate) async fn tell_of_filter(&self, kind: Word, entity: Word, property: Word, id: &str) -> Kept {
        self.tell_of_object(TASK_WORKER, kind, entity, property, id).await
    }

    async fn tell_of_object(&self, category: &str, kind: Word, entity: Word, property: Word, id: &str) -> Kept {
        let mut told = Told::operator(vec![Fact::new(kind, entity).of(property, None, Some(id.to_owned()))]);
        category.clone_into(&mut told.row.category);
        self.tell(told).await
    }

    pub(crate) async fn tell_of_batch(&self, batch: &str, fact: Fact) -> Kept {
        self.tell(Told::operator(vec![fact]).of_batch(batch)).await
    }

    /// A change of what people keep beside an instance or one of its tasks.
    pub(crate) async fn tell_of_note(&self, (instance, task): (i64, Option<i64>), fact: Fact) -> Result<(), ApiError> {
        let mut told = Told::operator(vec![fact]);
        told.row.instance = Some(instance);
        if task.is_some() {
            told.row.task = task;
            told.row.category = TASK_WORKER.to_owned();
        }
        self.after(told, &Reply::Done(Answer::default())).await
    }

    /// History that somebody took away: nothing that is about the instance stays, so the entry is about its definition.
    pub(crate) async fn tell_of_forgetting(&self, row: &InstanceRecord) -> Result<(), ApiError> {
        let fact = Fact::new("DeleteHistory", "ProcessInstance");
        let mut told = Told::operator(vec![fact.of("processInstanceId", Some(row.id.to_string()), None)]);
        told.row.tenant.clone_from(&row.tenant);
        told.row.definition = Some(row.definition);
        told.row.process = Some(row.process.clone());
        self.tell(told).await
    }

    /// The history of a definition is kept for so many days from now on; the clean-up reads that anew each time.
    pub(crate) async fn keep_history(&self, row: &DefinitionRecord, days: Option<i64>) -> Result<(), ApiError> {
        self.state.store().keep_history(row.id, days).await?;
        let text = |days: Option<i64>| days.map(|days| days.to_string());
        let is_process = i64::from(row.kind) == PROCESS_CODE;
        let entity = if is_process { "ProcessDefinition" } else { "DecisionDefinition" };
        let fact = Fact::new("UpdateHistoryTimeToLive", entity);
        let mut told = Told::operator(vec![fact.of("historyTimeToLive", text(row.history_ttl_days), text(days))]);
        match is_process {
            true => told.of_definition(Some(row.clone())),
            false => {
                told.row.tenant.clone_from(&row.tenant);
                told.row.deployment = Some(row.deployment);
            }
        }
        self.tell(told).await
    }

    async fn tenant_of_deployment(&self, deployment: i64) -> Result<String, ApiError> {
        let of = vec![Condition::equal(column::NUMBER, deployment)];
        let row: Option<DeploymentRecord> = self.behind().one(of).await?;
        Ok(row.map_or_else(|| NO_TENANT.to_owned(), |row| row.tenant))
    }

    async fn before_command(&self, instance: InstanceId, command: &Command) -> Result<Told, ApiError> {
        let mut told = match command {
            Command::ChangeUserTask { token, change } => self.before_change(instance, *token, change).await?,
            Command::CompleteUserTask { token, .. } => of_task(*token, Fact::new("Complete", "Task")),
            Command::Escalate { token, code, .. } => {
                of_task(*token, Fact::new("HandleEscalation", "Task").of("escalationCode", None, Some(code.clone())))
            }
            Command::ThrowError { token, claim: None, code, .. } => {
                of_task(*token, Fact::new("HandleBpmnError", "Task").of("errorCode", None, Some(code.clone())))
            }
            Command::SetRetries { token, .. } | Command::SetPriority { token, .. } => {
                self.before_job(instance, *token, command).await?
            }
            Command::SetDue { id, .. } | Command::FireTimer { subscription: id, .. } => {
                self.before_timer(instance, id.0, command).await?
            }
            Command::SetVariables { set, remove, .. } | Command::SetLocalVariables { set, remove, .. } => {
                self.before_variables(instance, command, set.keys(), remove)
            }
            other => Told::operator(plain(other)),
        };
        told.row.instance = Some(instance.0);
        Ok(told)
    }

    async fn before_change(&self, instance: InstanceId, token: TokenId, change: &TaskChange) -> Result<Told, ApiError> {
        let row: Option<TaskRecord> = self.behind().one(at_token(instance, token)).await?;
        let facts = row.map(|row| changed(&row, change)).unwrap_or_default();
        let row = Operation { task: Some(token.0.into()), category: TASK_WORKER.to_owned(), ..Operation::default() };
        Ok(Told { facts, row })
    }

    async fn before_job(&self, instance: InstanceId, token: TokenId, command: &Command) -> Result<Told, ApiError> {
        let row: Option<JobRecord> = self.behind().one(at_token(instance, token)).await?;
        let Some(row) = row else { return Ok(Told::default()) };
        let is_external = row.kind() == Some(JobKind::External);
        let (entity, set_retries) = match is_external {
            true => ("ExternalTask", "SetExternalTaskRetries"),
            false => ("Job", "SetJobRetries"),
        };
        let text = |number: i64| Some(number.to_string());
        let mut facts = Vec::new();
        if let Command::SetPriority { priority, .. } = command {
            facts.push(Fact::new("SetPriority", entity).of("priority", text(row.priority), text(*priority)));
        }
        if let Command::SetRetries { retries, due, .. } = command {
            facts.push(Fact::new(set_retries, entity).of("retries", row.retries.and_then(text), text(*retries)));
            facts.extend(due.map(|due| Fact::new("SetDueDate", entity).of("duedate", text(row.due), text(due.0))));
        }
        let mut told = Told::operator(facts);
        let number = Some(token.0.into());
        (told.row.external_task, told.row.job) = if is_external { (number, None) } else { (None, number) };
        told.row.element = Some(row.element);
        Ok(told)
    }

    async fn before_timer(&self, instance: InstanceId, id: u32, command: &Command) -> Result<Told, ApiError> {
        let of = vec![Condition::equal(column::INSTANCE, instance.0), Condition::equal(column::NUMBER, i64::from(id))];
        let row: Option<TimedRecord> = self.behind().one(of).await?;
        let fact = match command {
            Command::SetDue { due, .. } => {
                let was = row.as_ref().map(|row| row.due.to_string());
                Fact::new("SetDueDate", "Job").of("duedate", was, Some(due.0.to_string()))
            }
            _fires => Fact::new("Execute", "Job"),
        };
        let mut told = Told::operator(vec![fact]);
        told.row.job = Some(id.into());
        told.row.element = row.map(|row| row.element);
        Ok(told)
    }

    /// Their names only.
    fn before_variables<'a>(
        &self,
        instance: InstanceId,
        command: &Command,
        set: impl Iterator<Item = &'a String>,
        removed: &[String],
    ) -> Told {
        let fact = |kind, name: &String| Fact::new(kind, "Variable").of("name", None, Some(name.clone()));
        let facts = set.map(|name| fact("SetVariable", name));
        let mut told = Told::operator(facts.chain(removed.iter().map(|name| fact("RemoveVariable", name))).collect());
        let task = self.task.filter(|(of, _)| *of == instance).map(|(_, token)| token).or_else(|| command.token());
        if let Some(token) = task {
            told.row.task = Some(token.0.into());
            told.row.category = TASK_WORKER.to_owned();
        }
        told
    }
}

impl Told {
    pub(crate) fn operator(facts: Vec<Fact>) -> Self {
        let tenant = NO_TENANT.to_owned();
        Self { facts, row: Operation { category: OPERATOR.to_owned(), tenant, ..Operation::default() } }
    }

    pub(crate) fn of_definition(&mut self, row: Option<DefinitionRecord>) {
        if let Some(row) = row {
            self.row.tenant = row.tenant;
            self.row.definition = Some(row.id);
            self.row.process = Some(row.key);
            self.row.deployment = Some(row.deployment);
        }
    }

    pub(crate) fn of_batch(mut self, batch: &str) -> Self {
        self.row.batch = Some(batch.to_owned());
        self
    }
}

fn of_task(token: TokenId, fact: Fact) -> Told {
    let row = Operation { task: Some(token.0.into()), category: TASK_WORKER.to_owned(), ..Operation::default() };
    Told { facts: vec![fact], row }
}

fn state(suspended: bool) -> String {
    if suspended { "suspended" } else { "active" }.to_owned()
}

/// Commands that change nothing with a value of its own; none for what workers and the engine itself say.
fn plain(command: &Command) -> Vec<Fact> {
    let instance = |kind| Fact::new(kind, "ProcessInstance");
    let fact = match command {
        Command::Cancel { reason } => instance("Delete").of("deleteReason", None, reason.clone()),
        Command::Suspend => instance("Suspend").of("suspensionState", Some(state(false)), Some(state(true))),
        Command::Resume => instance("Activate").of("suspensionState", Some(state(true)), Some(state(false))),
        Command::Modify { .. } => instance("ModifyProcessInstance"),
        Command::DeliverMessage { name, .. } => {
            instance("CorrelateMessage").of("messageName", None, Some(name.clone()))
        }
        Command::DeliverSignal { name, .. } => instance("Signal").of("signalName", None, Some(name.clone())),
        Command::Signal { .. } => instance("Signal"),
        Command::FireCondition { .. } => instance("EvaluateCondition"),
        Command::Activate { .. } => instance("StartActivity"),
        Command::ResolveIncident { .. } => Fact::new("Resolve", "Incident"),
        _of_workers => return Vec::new(),
    };
    vec![fact]
}

fn changed(row: &TaskRecord, change: &TaskChange) -> Vec<Fact> {
    let fact = |kind| Fact::new(kind, "Task");
    let assignee = |kind, to: Option<String>| fact(kind).of("assignee", row.assignee.clone(), to);
    match change {
        TaskChange::Claim(user) => vec![assignee("Claim", Some(user.clone()))],
        TaskChange::Assign(to) => vec![assignee("Assign", to.clone())],
        TaskChange::Delegate(to) => {
            let owner = row.owner.clone().or_else(|| row.assignee.clone());
            vec![
                fact("Delegate").of("delegation", None, Some("PENDING".to_owned())),
                fact("Delegate").of("owner", row.owner.clone(), owner),
                assignee("Delegate", Some(to.clone())),
            ]
        }
        TaskChange::Resolve(_) => vec![
            fact("Resolve").of("delegation", Some("PENDING".to_owned()), Some("RESOLVED".to_owned())),
            assignee("Resolve", row.owner.clone()),
        ],
        TaskChange::AddLink(link) => vec![linked("Add", link)],
        TaskChange::RemoveLink(link) => vec![linked("Delete", link)],
        TaskChange::Replace(fields) => {
            let date = |at: Option<i64>| at.map(|at| at.to_string());
            let time = |at: Option<Timestamp>| at.map(|at| at.0.to_string());
            let all = [
                ("name", row.name.clone(), fields.name.clone()),
                ("description", row.description.clone(), fields.description.clone()),
                ("assignee", row.assignee.clone(), fields.assignee.clone()),
                ("owner", row.owner.clone(), fields.owner.clone()),
                ("priority", Some(row.priority.to_string()), Some(fields.priority.to_string())),
                ("dueDate", date(row.due), time(fields.due)),
                ("followUpDate", date(row.follow_up), time(fields.follow_up)),
            ];
            let differing = all.into_iter().filter(|(_, was, is)| was != is);
            differing.map(|(name, was, is)| fact("Update").of(name, was, is)).collect()
        }
    }
}

fn linked(way: &str, link: &Link) -> Fact {
    let (kind, name) = match (way, link) {
        ("Add", Link::CandidateUser(user)) => ("AddUserLink", user),
        ("Add", Link::CandidateGroup(group)) => ("AddGroupLink", group),
        (_, Link::CandidateUser(user)) => ("DeleteUserLink", user),
        (_, Link::CandidateGroup(group)) => ("DeleteGroupLink", group),
    };
    let (was, is) = if way == "Add" { (None, Some(name.clone())) } else { (Some(name.clone()), None) };
    Fact::new(kind, "IdentityLink").of("candidate", was, is)
}
