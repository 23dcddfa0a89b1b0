//! Lists for people and programs: which rows, in which order, which page. Conditions are values; the text is made here.
//!
//! Every list takes the [`Access`] of who asks: rows of another tenant are as if they were not there. Every order ends with
//! the row's id, so that pages do not overlap.

use crate::base::access::{Access, NO_TENANT};
use crate::store::Bind;
use std::fmt::Write;

/// What a list reads: the columns of its record, where from, and what names a row.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    pub(in crate::store) columns: &'static str,
    pub(in crate::store) from: &'static str,
    pub(in crate::store) tenant: &'static str,
    pub(in crate::store) id: &'static [&'static str],
}

/// A column of a list's rows, or of rows that belong to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column(&'static str);

impl From<i64> for Bind {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<&str> for Bind {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Bind {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    /// `%` and `_` stand for anything, `\` takes their meaning away.
    Like,
    NotLike,
}

impl Test {
    fn text(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Like => "LIKE",
            Self::NotLike => "NOT LIKE",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    Is(Column, Test, Bind),
    /// The same without regard to case.
    Folded(Column, Test, Bind),
    OneOf(Column, Vec<Bind>),
    NoneOf(Column, Vec<Bind>),
    /// A column of 0 or 1. The value stands in the text, so that an index over some of the rows is found.
    Flag(Column, bool),
    Empty(Column),
    Present(Column),
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    /// Some row that belongs to this one fulfils all of these.
    Some(Relation, Vec<Condition>),
    /// No row at all.
    Never,
}

impl Condition {
    pub fn equal(column: Column, value: impl Into<Bind>) -> Self {
        Self::Is(column, Test::Equal, value.into())
    }

    pub fn flag(column: Column, value: bool) -> Self {
        Self::Flag(column, value)
    }
}

/// Rows that belong to a listed one; their columns are those of [`related`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// Variables that a token of this row may see: of its activation, and of all that lies around activations.
    Variable,
    /// Variables of the instance itself.
    InstanceVariable,
    /// The last values, of ended instances too.
    PastVariable,
    Candidate,
    Incident,
    PastIncident,
    Activity,
    Instance,
    Subscription,
    FailedJob,
    /// The engine's and the workers' jobs of an instance.
    Job,
    /// Instances that this one called.
    Called,
    /// Incidents of one token.
    TokenIncident,
    /// Incidents of a definition's instances.
    DefinitionIncident,
    /// Last values that one token could see.
    TokenPastVariable,
    Deployment,
    /// A newer version of the same key and tenant.
    Newer,
    Resource,
}

impl Relation {
    fn text(self) -> &'static str {
        match self {
            Self::Variable => "variable r WHERE r.instance = t.instance AND (r.token IS NULL OR r.token = t.token)",
            Self::InstanceVariable => "variable r WHERE r.instance = t.id AND r.scope = 0",
            Self::PastVariable => "past_variable r WHERE r.instance = t.id AND r.scope = 0",
            Self::Candidate => "candidate r WHERE r.instance = t.instance AND r.token = t.token",
            Self::Incident => "incident r WHERE r.instance = t.id",
            Self::PastIncident => "past_incident r WHERE r.instance = t.id",
            Self::Activity => "past_activity r WHERE r.instance = t.id",
            Self::Instance => "process_instance r WHERE r.id = t.instance",
            Self::Subscription => "subscription r WHERE r.instance = t.instance AND r.owner = t.token",
            Self::FailedJob => "job r WHERE r.instance = t.id AND r.incident = 1",
            Self::Job => "job r WHERE r.instance = t.id",
            Self::Called => "process_instance r WHERE r.caller = t.id",
            Self::TokenIncident => "incident r WHERE r.instance = t.instance AND r.token = t.token",
            Self::DefinitionIncident => "incident r WHERE r.definition = t.id",
            Self::TokenPastVariable => {
                "past_variable r WHERE r.instance = t.instance AND (r.token IS NULL OR r.token = t.token)"
            }
            Self::Deployment => "deployment r WHERE r.id = t.deployment",
            Self::Newer => {
                "definition r WHERE r.kind = t.kind AND r.key = t.key AND r.tenant = t.tenant AND r.version > t.version"
            }
            Self::Resource => "resource r WHERE r.deployment = t.id",
        }
    }
}

/// What rows are sorted by.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    Column(Column),
    /// A value of the related row that fulfils these; of several the outermost scope's.
    Of(Relation, Column, Vec<Condition>),
}

impl Order {
    fn is_never_null(&self) -> bool {
        matches!(self, Self::Column(column::PRIORITY | column::CREATED_AT | column::STARTED_AT))
    }
}

impl From<Column> for Order {
    fn from(column: Column) -> Self {
        Self::Column(column)
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Select {
    pub conditions: Vec<Condition>,
    /// By what, and whether the greatest comes first.
    pub order: Vec<(Order, bool)>,
    pub first: i64,
    /// `None`: all.
    pub limit: Option<i64>,
}

/// A statement and what is bound to it.
#[derive(Debug, Default)]
pub(in crate::store) struct Text {
    pub(in crate::store) sql: String,
    pub(in crate::store) binds: Vec<Bind>,
}

pub(in crate::store) fn rows(source: &Source, access: &Access, select: &Select) -> Text {
    let mut text = Text::default();
    text.push(&format!("SELECT {} FROM {}", source.columns, source.from));
    text.restrict(source, access, &select.conditions);
    text.push(" ORDER BY ");
    for (order, descending) in &select.order {
        let way = if *descending { "DESC" } else { "ASC" };
        text.order(order);
        // Where none can be null an index gives the order; with a word about them PostgreSQL sorts what it has read.
        let nulls = if order.is_never_null() { "" } else { " NULLS LAST" };
        text.push(&format!(" {way}{nulls}, "));
    }
    text.push(&source.id.join(", "));
    if let Some(limit) = select.limit {
        text.push(" LIMIT ");
        text.bind(Bind::Int(limit));
        text.push(" OFFSET ");
        text.bind(Bind::Int(select.first));
    }
    text
}

pub(in crate::store) fn count(source: &Source, access: &Access, conditions: &[Condition]) -> Text {
    let mut text = Text::default();
    text.push(&format!("SELECT COUNT(*) FROM {}", source.from));
    text.restrict(source, access, conditions);
    text
}

/// Two values of each group, as texts, with how many rows share them.
pub(in crate::store) fn groups(source: &Source, access: &Access, by: [Column; 2], conditions: &[Condition]) -> Text {
    let [one, two] = by.map(|column| format!("CAST({} AS TEXT)", column.0));
    let mut text = Text::default();
    text.push(&format!("SELECT {one}, {two}, COUNT(*) FROM {}", source.from));
    text.restrict(source, access, conditions);
    text.push(&format!(" GROUP BY {one}, {two} ORDER BY {one}, {two}"));
    text
}

impl Text {
    fn push(&mut self, text: &str) {
        self.sql.push_str(text);
    }

    fn bind(&mut self, operand: Bind) {
        self.binds.push(operand);
        write!(self.sql, "${}", self.binds.len()).expect("a string takes all");
    }

    fn restrict(&mut self, source: &Source, access: &Access, conditions: &[Condition]) {
        self.push(" WHERE 1 = 1");
        if let Some(own) = &access.tenants {
            let mut tenants = vec![Bind::from(NO_TENANT)];
            tenants.extend(own.iter().map(|tenant| Bind::from(tenant.as_str())));
            self.push(" AND ");
            self.list(source.tenant, "IN", &tenants);
        }
        for condition in conditions {
            self.push(" AND ");
            self.condition(condition);
        }
    }

    fn order(&mut self, order: &Order) {
        match order {
            Order::Column(column) => self.push(column.0),
            Order::Of(relation, column, all) => {
                self.push(&format!("(SELECT {} FROM {} AND ", column.0, relation.text()));
                self.joined(all, " AND ", "1 = 1");
                self.push(" ORDER BY r.scope LIMIT 1)");
            }
        }
    }

    /// Nests as deep as our own code built it, never as deep as a request says.
    fn condition(&mut self, condition: &Condition) {
        match condition {
            Condition::Is(column, test, operand) => {
                self.push(&format!("{} {} ", column.0, test.text()));
                self.bind(operand.clone());
                if matches!(test, Test::Like | Test::NotLike) {
                    self.push(" ESCAPE '\\'");
                }
            }
            Condition::Folded(column, test, operand) => {
                self.push(&format!("LOWER({}) {} LOWER(", column.0, test.text()));
                self.bind(operand.clone());
                self.push(")");
                if matches!(test, Test::Like | Test::NotLike) {
                    self.push(" ESCAPE '\\'");
                }
            }
            Condition::OneOf(_, operands) if operands.is_empty() => self.push("1 = 0"),
            Condition::OneOf(column, operands) => self.list(column.0, "IN", operands),
            Condition::NoneOf(_, operands) if operands.is_empty() => self.push("1 = 1"),
            Condition::NoneOf(column, operands) => self.list(column.0, "NOT IN", operands),
            Condition::Flag(column, value) => self.push(&format!("{} = {}", column.0, i16::from(*value))),
            Condition::Empty(column) => self.push(&format!("{} IS NULL", column.0)),
            Condition::Present(column) => self.push(&format!("{} IS NOT NULL", column.0)),
            Condition::All(all) => self.joined(all, " AND ", "1 = 1"),
            Condition::Any(any) => self.joined(any, " OR ", "1 = 0"),
            Condition::Not(inner) => {
                self.push("NOT (");
                self.condition(inner);
                self.push(")");
            }
            Condition::Some(relation, all) => {
                self.push(&format!("EXISTS (SELECT 1 FROM {} AND ", relation.text()));
                self.joined(all, " AND ", "1 = 1");
                self.push(")");
            }
            Condition::Never => self.push("1 = 0"),
        }
    }

    fn joined(&mut self, conditions: &[Condition], word: &str, none: &str) {
        if conditions.is_empty() {
            return self.push(none);
        }
        self.push("(");
        for (number, condition) in conditions.iter().enumerate() {
            if number > 0 {
                self.push(word);
            }
            self.condition(condition);
        }
        self.push(")");
    }

    fn list(&mut self, column: &str, word: &str, operands: &[Bind]) {
        self.push(&format!("{column} {word} ("));
        for (number, operand) in operands.iter().enumerate() {
            if number > 0 {
                self.push(", ");
            }
            self.bind(operand.clone());
        }
        self.push(")");
    }
}

macro_rules! columns {
    ($($name:ident = $text:literal),* $(,)?) => {
        $(pub const $name: Column = Column($text);)*
    };
}

/// Columns of listed rows. A list has those of its own record.
pub mod column {
    use super::Column;

    columns! {
        INSTANCE = "t.instance", TOKEN = "t.token", NUMBER = "t.id", ROOT = "t.root", DEFINITION = "t.definition",
        PROCESS = "t.process", TENANT = "t.tenant", BUSINESS_KEY = "t.business_key", SUSPENDED = "t.suspended",
        ELEMENT = "t.element", NAME = "t.name", DESCRIPTION = "t.description", ASSIGNEE = "t.assignee",
        OWNER = "t.owner", OWNING_TOKEN = "t.owner", DELEGATION = "t.delegation", PRIORITY = "t.priority", DUE = "t.due",
        FOLLOW_UP = "t.follow_up", CREATED_AT = "t.created_at", UPDATED_AT = "t.updated_at", SCOPE = "t.scope",
        CALLER = "t.caller", STATE = "t.state", STARTED_AT = "t.started_at", ENDED_AT = "t.ended_at",
        STARTER = "t.starter", INCIDENTS = "t.incidents", KIND = "t.kind", TOPIC = "t.topic", HOLDER = "t.holder",
        LEASED_UNTIL = "t.leased_until", RETRIES = "t.retries", ERROR = "t.error", FAILED = "t.incident",
        REPEATS = "t.repeats", MESSAGE = "t.message", AT = "t.at", REASON = "t.reason", CANCELLED = "t.cancelled",
        RAISED_AT = "t.raised_at", RESOLVED_AT = "t.resolved_at", DELETED = "t.deleted", VALUE = "t.value",
        KEY = "t.key", VERSION = "t.version", VERSION_TAG = "t.version_tag", RESOURCE = "t.resource",
        DEPLOYMENT = "t.deployment", STARTABLE = "t.startable", SOURCE = "t.source",
        CALLED = "t.called", SIGNAL = "t.signal", PARENT = "t.parent", IS_TIMER = "t.is_timer",
        CURRENT_VALUE = "v.value", DURATION = "(t.ended_at - t.started_at)", TASK_DURATION = "(t.ended_at - t.created_at)",
        DEFINITION_NAME = "d.name", DEFINITION_VERSION = "d.version", DEFINITION_VERSION_TAG = "d.version_tag",
        DEFINITION_DEPLOYMENT = "d.deployment", DECISION = "t.decision", ASKED = "t.asked", EVALUATOR = "t.evaluator",
        REQUIREMENTS = "q.id", REQUIREMENTS_KEY = "q.key", DEPLOYED_AT = "p.at", DEFINITION_TENANT = "d.tenant",
        EVENTS = "t.events", IS_GROUP = "t.is_group", VARIABLE_PROCESS = "v.process", STORY_PROCESS = "p.process",
        STORY_INSTANCE = "p.id", AUTHOR = "t.author", OPERATION = "t.operation", ENTITY = "t.entity", CATEGORY = "t.category",
        PROPERTY = "t.property", TASK = "t.task", EXTERNAL_TASK = "t.external_task", JOB = "t.job", BATCH = "t.batch",
        POSITION = "t.position",
    }
}

/// Columns of rows that belong to a listed one.
pub mod related {
    use super::Column;

    columns! {
        NAME = "r.name", TEXT = "r.text", NUMBER = "r.number", KIND = "r.kind", IS_GROUP = "r.is_group",
        MESSAGE = "r.message", BUSINESS_KEY = "r.business_key", ELEMENT = "r.element", ENDED_AT = "r.ended_at",
        RESOLVED_AT = "r.resolved_at", VALUE = "r.value", CALLER = "r.caller", ROOT = "r.root",
        STARTED_AT = "r.started_at", STATE = "r.state", DEPLOYMENT = "r.deployment", TOKEN = "r.token", TENANT = "r.tenant",
        CANCELLED = "r.cancelled", ID = "r.id", SIGNAL = "r.signal", INSTANCE = "r.instance", AT = "r.at", ERROR = "r.error",
        RETRIES = "r.retries",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const TASKS: Source =
        Source { columns: "t.name", from: "user_task t", tenant: "t.tenant", id: &["t.instance", "t.token"] };

    #[test]
    fn a_list_is_one_statement_with_all_that_is_asked() {
        let select = Select {
            conditions: vec![
                Condition::equal(column::ASSIGNEE, "ada"),
                Condition::OneOf(column::INSTANCE, vec![1.into(), 2.into()]),
                Condition::Some(Relation::Candidate, vec![Condition::equal(related::NAME, "bob")]),
            ],
            order: vec![(column::DUE.into(), true)],
            first: 5,
            limit: Some(10),
        };
        let own = Access {
            user: None,
            groups: BTreeSet::new(),
            tenants: Some(BTreeSet::from(["north".to_owned()])),
            admin: false,
        };
        let text = rows(&TASKS, &own, &select);
        assert_eq!(
            text.sql,
            "SELECT t.name FROM user_task t WHERE 1 = 1 AND t.tenant IN ($1, $2) AND t.assignee = $3 AND t.instance IN ($4, $5) \
             AND EXISTS (SELECT 1 FROM candidate r WHERE r.instance = t.instance AND r.token = t.token AND (r.name = $6)) \
             ORDER BY t.due DESC NULLS LAST, t.instance, t.token LIMIT $7 OFFSET $8"
        );
        assert_eq!(text.binds.len(), 8);
    }

    /// The index of open jobs is by priority, instance and token.
    #[test]
    fn what_is_never_null_is_ordered_as_its_index_is() {
        let order = vec![(column::PRIORITY.into(), true)];
        let select = Select { order, ..Select::default() };
        let text = rows(&TASKS, &Access::system(), &select);
        assert!(text.sql.ends_with(" ORDER BY t.priority DESC, t.instance, t.token"), "{}", text.sql);
    }

    #[test]
    fn an_empty_list_of_values_finds_nothing() {
        let text = count(&TASKS, &Access::system(), &[Condition::OneOf(column::NAME, Vec::new())]);
        assert_eq!(text.sql, "SELECT COUNT(*) FROM user_task t WHERE 1 = 1 AND 1 = 0");
    }
}
