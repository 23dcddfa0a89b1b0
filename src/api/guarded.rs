//! Which rows of each list a caller may see: a condition made of his rights, which goes into the statement with all others.
//!
//! A list without a guard does not compile. Rows that are denied are as if they were not there, as those of another tenant.

use super::auth::Caller;
use super::auth::permission::{Permission, Resource};
use super::auth::rights::{Reach, Rights};
use super::wire::Inner;
use crate::store::queries::record::{
    CandidateRecord, ContentRecord, DECISION_CODE, DecisionRecord, DefinitionRecord, DeploymentRecord, IncidentRecord,
    InstanceRecord, JobRecord, OperationRecord, PROCESS_CODE, PastActivityRecord, PastDecisionRecord,
    PastIncidentRecord, PastTaskRecord, PastVariableRecord, REQUIREMENTS_CODE, Record, ResourceRecord, StartRecord,
    StoryRecord, SubscriptionRecord, TaskRecord, TimedRecord, VariableRecord,
};
use crate::store::queries::select::{Column, Condition, Relation, column, related};
use std::collections::BTreeSet;

pub(crate) trait Guarded: Record {
    /// What holds for the rows that this caller may see.
    fn guard(caller: &Caller) -> Condition;
}

/// Of rows that belong to an instance: by its number, and by the key of its process.
#[derive(Clone, Copy)]
struct Place {
    instance: Column,
    process: Column,
}

const INSTANCE: Place = Place { instance: column::NUMBER, process: column::PROCESS };
const INSIDE: Place = Place { instance: column::INSTANCE, process: column::PROCESS };
const VARIABLE: Place = Place { instance: column::INSTANCE, process: column::VARIABLE_PROCESS };
const STORY: Place = Place { instance: column::STORY_INSTANCE, process: column::STORY_PROCESS };

impl Place {
    /// `READ` on the instance, or `READ_INSTANCE` on its definition.
    fn running(self, rights: &Rights) -> Condition {
        either(
            numbers(self.instance, &rights.reach(Permission::Read, Resource::ProcessInstance)),
            names(self.process, &rights.reach(Permission::ReadInstance, Resource::ProcessDefinition)),
        )
    }

    /// `READ_HISTORY` on its definition, or `READ` on the historic instance.
    fn past(self, rights: &Rights) -> Condition {
        either(
            numbers(self.instance, &rights.reach(Permission::Read, Resource::HistoricProcessInstance)),
            names(self.process, &rights.reach(Permission::ReadHistory, Resource::ProcessDefinition)),
        )
    }
}

/// Jobs that the caller may take: he may change their instances.
pub(crate) fn workable(caller: &Caller) -> Condition {
    either(
        numbers(column::INSTANCE, &caller.rights.reach(Permission::Update, Resource::ProcessInstance)),
        names(column::PROCESS, &caller.rights.reach(Permission::UpdateInstance, Resource::ProcessDefinition)),
    )
}

const EVERYTHING: Condition = Condition::All(Vec::new());

fn is_everything(condition: &Condition) -> bool {
    matches!(condition, Condition::All(all) if all.is_empty())
}

fn either(one: Condition, other: Condition) -> Condition {
    if is_everything(&one) || is_everything(&other) {
        return EVERYTHING;
    }
    Condition::Any(vec![one, other])
}

fn names(column: Column, reach: &Reach) -> Condition {
    among(column, reach, |names| names.iter().map(|name| name.as_str().into()).collect())
}

/// Ids that are no number name nothing.
fn numbers(column: Column, reach: &Reach) -> Condition {
    among(column, reach, |names| names.iter().filter_map(|name| name.parse::<i64>().ok()).map(Into::into).collect())
}

fn among(column: Column, reach: &Reach, binds: impl Fn(&BTreeSet<String>) -> Vec<crate::store::Bind>) -> Condition {
    match reach {
        reach if reach.is_all() => EVERYTHING,
        Reach::Only(few) => Condition::OneOf(column, binds(few)),
        Reach::AllBut(few) => Condition::NoneOf(column, binds(few)),
    }
}

impl Guarded for TaskRecord {
    /// `READ` on the task, `READ_TASK` on its definition; whoever has it or may claim it.
    fn guard(caller: &Caller) -> Condition {
        let rights = &caller.rights;
        let tasks = task_ids(&rights.reach(Permission::Read, Resource::Task));
        let by_process = names(column::PROCESS, &rights.reach(Permission::ReadTask, Resource::ProcessDefinition));
        let granted = either(tasks, by_process);
        if is_everything(&granted) || !caller.is(&caller.user) {
            return granted;
        }
        let user = caller.user.as_str();
        let named = |is_group: bool, names: Vec<crate::store::Bind>| {
            let who = vec![Condition::flag(related::IS_GROUP, is_group), Condition::OneOf(related::NAME, names)];
            Condition::Some(Relation::Candidate, who)
        };
        let groups = caller.groups.iter().map(|group| group.as_str().into()).collect();
        Condition::Any(vec![
            granted,
            Condition::equal(column::ASSIGNEE, user),
            Condition::equal(column::OWNER, user),
            named(false, vec![user.into()]),
            named(true, groups),
        ])
    }
}

fn task_ids(reach: &Reach) -> Condition {
    let one = |id: &String| {
        let inner = Inner::parse(id)?;
        let here = [(column::INSTANCE, inner.instance.0), (column::TOKEN, inner.number.into())];
        Some(Condition::All(here.map(|(column, value)| Condition::equal(column, value)).into()))
    };
    match reach {
        reach if reach.is_all() => EVERYTHING,
        Reach::Only(few) => Condition::Any(few.iter().filter_map(one).collect()),
        Reach::AllBut(few) => Condition::Not(Box::new(Condition::Any(few.iter().filter_map(one).collect()))),
    }
}

impl Guarded for InstanceRecord {
    /// Both lists of instances read these rows; each adds [`running_instances`] or [`past_instances`].
    fn guard(caller: &Caller) -> Condition {
        either(INSTANCE.running(&caller.rights), INSTANCE.past(&caller.rights))
    }
}

pub(crate) fn running_instances(caller: &Caller) -> Condition {
    INSTANCE.running(&caller.rights)
}

pub(crate) fn past_instances(caller: &Caller) -> Condition {
    INSTANCE.past(&caller.rights)
}

macro_rules! guarded {
    ($($record:ident: $place:ident.$how:ident;)*) => {
        $(impl Guarded for $record {
            fn guard(caller: &Caller) -> Condition {
                $place.$how(&caller.rights)
            }
        })*
    };
}

guarded! {
    JobRecord: INSIDE.running;
    TimedRecord: INSIDE.running;
    IncidentRecord: INSIDE.running;
    SubscriptionRecord: INSIDE.running;
    VariableRecord: VARIABLE.running;
    PastActivityRecord: INSIDE.past;
    PastTaskRecord: INSIDE.past;
    PastVariableRecord: INSIDE.past;
    PastIncidentRecord: INSIDE.past;
    StoryRecord: STORY.past;
}

impl Guarded for OperationRecord {
    /// `READ` on its category, or `READ_HISTORY` on its definition if it has one.
    fn guard(caller: &Caller) -> Condition {
        let by_category =
            names(column::CATEGORY, &caller.rights.reach(Permission::Read, Resource::OperationLogCategory));
        if is_everything(&by_category) {
            return by_category;
        }
        let history =
            names(column::PROCESS, &caller.rights.reach(Permission::ReadHistory, Resource::ProcessDefinition));
        Condition::Any(vec![by_category, Condition::All(vec![Condition::Present(column::PROCESS), history])])
    }
}

impl Guarded for CandidateRecord {
    /// Read with its task only, or counted for reports about all tasks.
    fn guard(caller: &Caller) -> Condition {
        let may = |permission, resource| caller.rights.reach(permission, resource).is_all();
        let all = may(Permission::Read, Resource::Task) || may(Permission::ReadTask, Resource::ProcessDefinition);
        if all { EVERYTHING } else { Condition::Never }
    }
}

impl Guarded for DefinitionRecord {
    fn guard(caller: &Caller) -> Condition {
        let kinds = [
            (PROCESS_CODE, Resource::ProcessDefinition),
            (DECISION_CODE, Resource::DecisionDefinition),
            (REQUIREMENTS_CODE, Resource::DecisionRequirementsDefinition),
        ];
        let mut any = Vec::new();
        let mut all = true;
        for (kind, resource) in kinds {
            let reach = caller.rights.reach(Permission::Read, resource);
            all &= reach.is_all();
            any.push(Condition::All(vec![Condition::equal(column::KIND, kind), names(column::KEY, &reach)]));
        }
        if all { EVERYTHING } else { Condition::Any(any) }
    }
}

impl Guarded for DecisionRecord {
    fn guard(caller: &Caller) -> Condition {
        names(column::KEY, &caller.rights.reach(Permission::Read, Resource::DecisionDefinition))
    }
}

impl Guarded for PastDecisionRecord {
    fn guard(caller: &Caller) -> Condition {
        names(column::KEY, &caller.rights.reach(Permission::ReadHistory, Resource::DecisionDefinition))
    }
}

impl Guarded for StartRecord {
    fn guard(caller: &Caller) -> Condition {
        names(column::PROCESS, &caller.rights.reach(Permission::Read, Resource::ProcessDefinition))
    }
}

impl Guarded for DeploymentRecord {
    fn guard(caller: &Caller) -> Condition {
        numbers(column::NUMBER, &caller.rights.reach(Permission::Read, Resource::Deployment))
    }
}

impl Guarded for ResourceRecord {
    fn guard(caller: &Caller) -> Condition {
        numbers(column::DEPLOYMENT, &caller.rights.reach(Permission::Read, Resource::Deployment))
    }
}

impl Guarded for ContentRecord {
    fn guard(caller: &Caller) -> Condition {
        numbers(column::DEPLOYMENT, &caller.rights.reach(Permission::Read, Resource::Deployment))
    }
}
