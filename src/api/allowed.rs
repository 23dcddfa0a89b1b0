//! What work needs which right. Every change of the engine's state goes through `Call::submit`, which asks here first: a
//! kind of work or a command without a rule does not compile.

use super::auth::Caller;
use super::auth::permission::Permission::{
    self, Create, CreateInstance, Delete, DeleteInstance, RetryJob, Suspend, SuspendInstance, TaskAssign, TaskWork,
    Update, UpdateInstance, UpdateInstanceVariable, UpdateTask, UpdateTaskVariable, UpdateVariable,
};
use super::auth::permission::Resource::{self, Deployment, ProcessDefinition, ProcessInstance, Task};
use super::auth::rights::{ANY, Rights};
use super::call::{Call, at_token};
use super::error::ApiError;
use super::wire;
use crate::base::id::{DefinitionId, InstanceId, TokenId};
use crate::engine::command::{Command, TaskChange};
use crate::partition::{Which, Work};
use crate::store::queries::record::{DefinitionRecord, InstanceRecord, TaskRecord};
use crate::store::queries::select::{Condition, column};
use std::sync::Arc;

/// What a command to an instance is, as far as rights go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Update,
    Variables,
    Suspend,
    Delete,
    Retry,
    Work(TokenId),
    Assign(TokenId),
    Change(TokenId),
    TaskVariables(TokenId),
}

impl Call {
    /// Whether the caller may have this done. What is not there, or another tenant's, is for the engine and the handler to say.
    pub(crate) async fn allow(&self, work: &Work) -> Result<(), ApiError> {
        if self.caller.rights.is_everything() {
            return Ok(());
        }
        match work {
            Work::Instance { instance, command } => self.allow_command(*instance, command).await,
            Work::Start { definition, .. } => self.allow_start(&self.key_of(definition).await?),
            // Which jobs may be leased was asked when they were looked up; what is decided, before it was.
            Work::Lease { .. } | Work::KeepEvaluation(_) => Ok(()),
            Work::Deliver { .. } | Work::Say(_) => self.allow_all_instances(),
            Work::Deploy(_) => self.require(Create, Deployment, ANY),
            Work::DeleteDeployment { deployment } => self.require(Delete, Deployment, &deployment.to_string()),
            Work::SuspendDefinition { definition, instances, .. } => {
                let key = self.key_of(&Which::Id(*definition)).await?;
                self.require_one(&[(Permission::Suspend, ProcessDefinition, &key), (Update, ProcessDefinition, &key)])?;
                if instances.is_empty() {
                    return Ok(());
                }
                self.require_one(&[
                    (Suspend, ProcessInstance, ANY),
                    (Update, ProcessInstance, ANY),
                    (SuspendInstance, ProcessDefinition, &key),
                    (UpdateInstance, ProcessDefinition, &key),
                ])
            }
        }
    }

    /// `CREATE_INSTANCE` on the definition and `CREATE` on instances.
    pub(crate) fn allow_start(&self, process: &str) -> Result<(), ApiError> {
        self.require(CreateInstance, ProcessDefinition, process)?;
        self.require(Create, ProcessInstance, ANY)
    }

    /// For what may reach any instance.
    pub(crate) fn allow_all_instances(&self) -> Result<(), ApiError> {
        self.require_one(&[(Update, ProcessInstance, ANY), (UpdateInstance, ProcessDefinition, ANY)])
    }

    /// For what is removed from the history of an instance.
    pub(crate) fn allow_forgetting(&self, process: &str) -> Result<(), ApiError> {
        self.require(Permission::DeleteHistory, ProcessDefinition, process)
    }

    /// For what is said about a task or hung on it.
    pub(crate) async fn allow_task_work(&self, instance: InstanceId, token: TokenId) -> Result<(), ApiError> {
        if self.caller.rights.is_everything() {
            return Ok(());
        }
        self.allow_deed(instance, Deed::Work(token)).await
    }

    /// For what is said about an instance.
    pub(crate) async fn allow_update(&self, instance: InstanceId) -> Result<(), ApiError> {
        if self.caller.rights.is_everything() {
            return Ok(());
        }
        self.allow_deed(instance, Deed::Update).await
    }

    async fn key_of(&self, which: &Which) -> Result<String, ApiError> {
        match which {
            Which::Key { key, .. } => Ok(key.clone()),
            Which::Id(DefinitionId(id)) => {
                let row: Option<DefinitionRecord> =
                    self.behind().one(vec![Condition::equal(column::NUMBER, *id)]).await?;
                Ok(row.map_or_else(|| ANY.to_owned(), |row| row.key))
            }
        }
    }

    async fn allow_command(&self, instance: InstanceId, command: &Command) -> Result<(), ApiError> {
        let deed = match (deed(command), self.task) {
            // Through the task that shows them.
            (Deed::Variables, Some((of, token))) if of == instance => Deed::TaskVariables(token),
            (deed, _) => deed,
        };
        self.allow_deed(instance, deed).await
    }

    async fn allow_deed(&self, instance: InstanceId, deed: Deed) -> Result<(), ApiError> {
        let row: Option<InstanceRecord> = self.behind().instance_record(instance).await?;
        let Some(InstanceRecord { process: key, .. }) = row else { return Ok(()) };
        let id = instance.to_string();
        let on_instance = |own: &[Permission], of: &[Permission]| {
            let own = own.iter().map(|one| (*one, ProcessInstance, id.clone()));
            own.chain(of.iter().map(|one| (*one, ProcessDefinition, key.clone()))).collect::<Vec<_>>()
        };
        let on_task = |token: TokenId, own: Permission, of: Permission| {
            let id = wire::inner(instance, token);
            let tasks = [own, Update].map(|one| (one, Task, id.clone()));
            let definitions = [of, UpdateTask].map(|one| (one, ProcessDefinition, key.clone()));
            tasks.into_iter().chain(definitions).collect::<Vec<_>>()
        };
        let (any, token) = match deed {
            Deed::Update => (on_instance(&[Update], &[UpdateInstance]), None),
            Deed::Variables => {
                (on_instance(&[UpdateVariable, Update], &[UpdateInstanceVariable, UpdateInstance]), None)
            }
            Deed::Suspend => (on_instance(&[Suspend, Update], &[SuspendInstance, UpdateInstance]), None),
            Deed::Delete => (on_instance(&[Delete], &[DeleteInstance]), None),
            Deed::Retry => (on_instance(&[RetryJob, Update], &[RetryJob, UpdateInstance]), None),
            Deed::Work(token) => (on_task(token, TaskWork, TaskWork), Some(token)),
            Deed::Assign(token) => (on_task(token, TaskAssign, TaskAssign), Some(token)),
            Deed::Change(token) => (on_task(token, Update, UpdateTask), Some(token)),
            Deed::TaskVariables(token) => (on_task(token, UpdateVariable, UpdateTaskVariable), Some(token)),
        };
        if let Some(token) = token
            && self.is_involved(instance, token).await?
        {
            return Ok(());
        }
        let any: Vec<(Permission, Resource, &str)> =
            any.iter().map(|(permission, resource, object)| (*permission, *resource, object.as_str())).collect();
        self.require_one(&any)
    }

    /// Whoever has the task, owns it or may claim it needs no further right.
    async fn is_involved(&self, instance: InstanceId, token: TokenId) -> Result<bool, ApiError> {
        let caller = Caller { rights: Arc::new(Rights::default()), ..self.caller.clone() };
        let task: Option<TaskRecord> = self.of(caller).one(at_token(instance, token)).await?;
        Ok(task.is_some())
    }
}

fn deed(command: &Command) -> Deed {
    match command {
        Command::SetVariables { .. } | Command::SetLocalVariables { .. } => Deed::Variables,
        Command::Suspend | Command::Resume => Deed::Suspend,
        Command::Cancel { .. } => Deed::Delete,
        Command::SetRetries { .. } | Command::SetDue { .. } | Command::FireTimer { .. } => Deed::Retry,
        Command::CompleteUserTask { token, .. }
        | Command::Escalate { token, .. }
        | Command::ThrowError { token, claim: None, .. } => Deed::Work(*token),
        Command::ChangeUserTask { token, change } => match change {
            TaskChange::Claim(_) | TaskChange::Resolve(_) => Deed::Work(*token),
            TaskChange::Assign(_) | TaskChange::Delegate(_) | TaskChange::AddLink(_) | TaskChange::RemoveLink(_) => {
                Deed::Assign(*token)
            }
            TaskChange::Replace(_) => Deed::Change(*token),
        },
        Command::CreateInstance(_)
        | Command::LeaseJob { .. }
        | Command::ExtendLease { .. }
        | Command::ReleaseJob { .. }
        | Command::ExpireLease { .. }
        | Command::CompleteJob { .. }
        | Command::FailJob { .. }
        | Command::ThrowError { claim: Some(_), .. }
        | Command::SetPriority { .. }
        | Command::DeliverMessage { .. }
        | Command::FireCondition { .. }
        | Command::DeliverSignal { .. }
        | Command::Activate { .. }
        | Command::Signal { .. }
        | Command::CalledInstanceEnded { .. }
        | Command::CalledInstanceEscalated { .. }
        | Command::ResolveIncident { .. }
        | Command::Modify { .. }
        | Command::Continue
        | Command::RaiseIncident { .. } => Deed::Update,
    }
}
