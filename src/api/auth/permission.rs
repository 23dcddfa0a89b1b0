//! Kinds of objects and what may be done with them: names and numbers of the dialect (Camunda 7.24, "Authorization
//! Service").

use std::fmt;

macro_rules! permissions {
    ($($name:ident = $word:literal),* $(,)?) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Permission {
            $($name,)*
        }

        impl Permission {
            const ALL: &'static [Self] = &[$(Self::$name,)*];

            pub(crate) fn word(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }
        }
    };
}

permissions! {
    Read = "READ", Update = "UPDATE", Create = "CREATE", Delete = "DELETE", Access = "ACCESS", Set = "SET",
    ReadTask = "READ_TASK", UpdateTask = "UPDATE_TASK", TaskWork = "TASK_WORK", TaskAssign = "TASK_ASSIGN",
    ReadTaskVariable = "READ_TASK_VARIABLE", UpdateTaskVariable = "UPDATE_TASK_VARIABLE",
    CreateInstance = "CREATE_INSTANCE", ReadInstance = "READ_INSTANCE", UpdateInstance = "UPDATE_INSTANCE",
    DeleteInstance = "DELETE_INSTANCE", MigrateInstance = "MIGRATE_INSTANCE", SuspendInstance = "SUSPEND_INSTANCE",
    ReadInstanceVariable = "READ_INSTANCE_VARIABLE", UpdateInstanceVariable = "UPDATE_INSTANCE_VARIABLE",
    Suspend = "SUSPEND", RetryJob = "RETRY_JOB", ReadVariable = "READ_VARIABLE", UpdateVariable = "UPDATE_VARIABLE",
    ReadHistory = "READ_HISTORY", UpdateHistory = "UPDATE_HISTORY", DeleteHistory = "DELETE_HISTORY",
    ReadHistoryVariable = "READ_HISTORY_VARIABLE",
    BatchMigrate = "CREATE_BATCH_MIGRATE_PROCESS_INSTANCES", BatchModify = "CREATE_BATCH_MODIFY_PROCESS_INSTANCES",
    BatchRestart = "CREATE_BATCH_RESTART_PROCESS_INSTANCES",
    BatchDeleteRunning = "CREATE_BATCH_DELETE_RUNNING_PROCESS_INSTANCES",
    BatchDeleteFinished = "CREATE_BATCH_DELETE_FINISHED_PROCESS_INSTANCES",
    BatchDeleteDecisions = "CREATE_BATCH_DELETE_DECISION_INSTANCES",
    BatchJobRetries = "CREATE_BATCH_SET_JOB_RETRIES", BatchTaskRetries = "CREATE_BATCH_SET_EXTERNAL_TASK_RETRIES",
    BatchSuspend = "CREATE_BATCH_UPDATE_PROCESS_INSTANCES_SUSPEND", BatchRemovalTime = "CREATE_BATCH_SET_REMOVAL_TIME",
    BatchVariables = "CREATE_BATCH_SET_VARIABLES",
}

/// Permissions of one kind of object.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Permissions(u64);

impl fmt::Debug for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.words()).finish()
    }
}

impl Permissions {
    pub(crate) fn of(all: &[Permission]) -> Self {
        Self(all.iter().fold(0, |bits, one| bits | 1 << *one as u32))
    }

    pub(crate) fn has(self, one: Permission) -> bool {
        self.0 & 1 << one as u32 != 0
    }

    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn each(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.iter().copied().filter(move |one| self.has(*one))
    }

    pub(crate) fn words(self) -> Vec<&'static str> {
        self.each().map(Permission::word).collect()
    }

    /// As they leave: all that an object has under one word, none under another.
    pub(crate) fn told(self, resource: Resource) -> Vec<&'static str> {
        match self {
            Self(0) => vec![NONE],
            all if all == resource.permissions() => vec![ALL],
            some => some.words(),
        }
    }

    /// The words of a rule; the one that this kind of object does not have is given back.
    pub(crate) fn read(words: &[String], resource: Resource) -> Result<Self, String> {
        let mut found = Self::default();
        for word in words {
            match word.as_str() {
                ALL => found = found.and(resource.permissions()),
                NONE => {}
                word => {
                    let known = Permission::ALL.iter().find(|one| one.word() == word);
                    let known = known.filter(|one| resource.permissions().has(**one)).ok_or_else(|| word.to_owned())?;
                    found = found.and(Self::of(&[*known]));
                }
            }
        }
        Ok(found)
    }
}

const ALL: &str = "ALL";
const NONE: &str = "NONE";

macro_rules! resources {
    ($($name:ident = $number:literal, $word:literal, [$($permission:ident),*];)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Resource {
            $($name,)*
        }

        impl Resource {
            const ALL: &'static [Self] = &[$(Self::$name,)*];

            pub(crate) fn number(self) -> i16 {
                match self {
                    $(Self::$name => $number,)*
                }
            }

            pub(crate) fn word(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }

            /// All that this kind of object has.
            pub(crate) fn permissions(self) -> Permissions {
                match self {
                    $(Self::$name => Permissions::of(&[$(Permission::$permission),*]),)*
                }
            }
        }
    };
}

resources! {
    Application = 0, "Application", [Access];
    User = 1, "User", [Read, Update, Create, Delete];
    Group = 2, "Group", [Read, Update, Create, Delete];
    GroupMembership = 3, "GroupMembership", [Create, Delete];
    Authorization = 4, "Authorization", [Read, Update, Create, Delete];
    Filter = 5, "Filter", [Read, Update, Create, Delete];
    ProcessDefinition = 6, "ProcessDefinition", [
        Read, Update, Delete, Suspend, CreateInstance, ReadInstance, UpdateInstance, RetryJob, SuspendInstance,
        DeleteInstance, MigrateInstance, ReadTask, UpdateTask, TaskAssign, TaskWork, ReadTaskVariable, UpdateTaskVariable,
        ReadHistory, ReadHistoryVariable, DeleteHistory, UpdateHistory, ReadInstanceVariable, UpdateInstanceVariable
    ];
    Task = 7, "Task", [Read, Update, Create, Delete, TaskAssign, TaskWork, ReadVariable, UpdateVariable];
    ProcessInstance = 8, "ProcessInstance", [Read, Update, Create, Delete, RetryJob, Suspend, UpdateVariable];
    Deployment = 9, "Deployment", [Read, Create, Delete];
    DecisionDefinition = 10, "DecisionDefinition", [Read, Update, CreateInstance, ReadHistory, DeleteHistory];
    Tenant = 11, "Tenant", [Read, Update, Create, Delete];
    TenantMembership = 12, "TenantMembership", [Create, Delete];
    Batch = 13, "Batch", [
        Read, Update, Create, Delete, ReadHistory, DeleteHistory, BatchMigrate, BatchModify, BatchRestart,
        BatchDeleteRunning, BatchDeleteFinished, BatchDeleteDecisions, BatchJobRetries, BatchTaskRetries, BatchSuspend,
        BatchRemovalTime, BatchVariables
    ];
    DecisionRequirementsDefinition = 14, "DecisionRequirementsDefinition", [Read];
    OperationLogCategory = 17, "OperationLogCategory", [Read, Update, Delete];
    HistoricTask = 19, "HistoricTask", [Read, ReadVariable];
    HistoricProcessInstance = 20, "HistoricProcessInstance", [Read];
    System = 21, "System", [Read, Set, Delete];
}

impl Resource {
    pub(crate) fn of_number(number: i64) -> Option<Self> {
        Self::ALL.iter().copied().find(|one| i64::from(one.number()) == number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_back() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let read = |list: &[&str], of| Permissions::read(&words(list), of);
        let two = read(&["READ", "UPDATE"], Resource::Task).expect("known");
        assert!(two.has(Permission::Read) && two.has(Permission::Update) && !two.has(Permission::Delete));
        assert_eq!(two.told(Resource::Task), ["READ", "UPDATE"]);
        assert_eq!(read(&["ALL"], Resource::Task).expect("known").told(Resource::Task), ["ALL"]);
        assert_eq!(read(&["NONE"], Resource::Task).expect("known").told(Resource::Task), ["NONE"]);
        assert_eq!(read(&["ACCESS"], Resource::Task), Err("ACCESS".to_owned()), "not a task's");
        assert_eq!(read(&["FLY"], Resource::Task), Err("FLY".to_owned()));
        assert!(Permission::ALL.len() <= 64, "a bit each");
        assert_eq!(Resource::of_number(20), Some(Resource::HistoricProcessInstance));
        assert_eq!(Resource::of_number(18), None);
    }
}
