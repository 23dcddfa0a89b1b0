//! The compiled form of an expression. Names of functions and methods are resolved here, so that evaluation cannot
//! meet an unknown one.

use crate::script::Fact;
use crate::script::edit::EditKind;
use serde_json::Value;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expr {
    Literal(Value),
    Variable(String),
    Fact(Fact),
    /// `task.name`: a fact inside a user task, else a property of a variable named `task`.
    TaskFact(Option<Fact>, String),
    Call(Function, Vec<Expr>),
    Path(Box<Expr>, Vec<Access>),
    Not(Box<Expr>),
    Negate(Box<Expr>),
    Empty(Box<Expr>),
    /// Operators of one precedence, from left to right; a list, so that long chains do not nest.
    Chain(Box<Expr>, Vec<(Operator, Expr)>),
    Choice(Box<[Expr; 3]>),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Access {
    Property(String),
    Index(Expr),
    Method(Method, Vec<Expr>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Operator {
    /// The operator that a sign stands for, with its precedence.
    pub(crate) fn of(sign: &str) -> Option<(Operator, u8)> {
        Some(match sign {
            "||" => (Operator::Or, 1),
            "&&" => (Operator::And, 2),
            "==" => (Operator::Equal, 3),
            "!=" => (Operator::NotEqual, 3),
            "<" => (Operator::Less, 4),
            "<=" => (Operator::LessOrEqual, 4),
            ">" => (Operator::Greater, 4),
            ">=" => (Operator::GreaterOrEqual, 4),
            "+" => (Operator::Add, 5),
            "-" => (Operator::Subtract, 5),
            "*" => (Operator::Multiply, 6),
            "/" => (Operator::Divide, 6),
            "%" => (Operator::Remainder, 6),
            _ => return None,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    CurrentUser,
    CurrentUserGroups,
    Now,
    DateTime,
    /// `S(text)` and `JSON(text)`: reads JSON.
    Json,
    GetVariable,
    SetVariable,
    HasVariable,
    /// `task.setAssignee(…)` and its kin.
    Edit(EditKind),
}

/// Functions by name, with how many arguments they take.
pub(crate) const FUNCTIONS: [(&str, usize, Function); 6] = [
    ("currentUser", 0, Function::CurrentUser),
    ("currentUserGroups", 0, Function::CurrentUserGroups),
    ("now", 0, Function::Now),
    ("dateTime", 0, Function::DateTime),
    ("S", 1, Function::Json),
    ("JSON", 1, Function::Json),
];

/// Methods of `execution` and `task` that work on variables.
pub(crate) const SCOPE_METHODS: [(&str, usize, Function); 3] = [
    ("getVariable", 1, Function::GetVariable),
    ("setVariable", 2, Function::SetVariable),
    ("hasVariable", 1, Function::HasVariable),
];

/// Properties of `execution`; `getX()` is the same as `x`.
pub(crate) const EXECUTION_FACTS: [(&str, Fact); 11] = [
    ("id", Fact::ExecutionId),
    ("processInstanceId", Fact::InstanceId),
    ("processBusinessKey", Fact::BusinessKey),
    ("businessKey", Fact::BusinessKey),
    ("processDefinitionId", Fact::DefinitionId),
    ("currentActivityId", Fact::ActivityId),
    ("currentActivityName", Fact::ActivityName),
    ("activityInstanceId", Fact::ExecutionId),
    ("tenantId", Fact::TenantId),
    ("eventName", Fact::EventName),
    ("currentTransitionId", Fact::TransitionId),
];

/// Properties of `task`.
pub(crate) const TASK_FACTS: [(&str, Fact); 9] = [
    ("id", Fact::TaskId),
    ("name", Fact::ActivityName),
    ("assignee", Fact::Assignee),
    ("taskDefinitionKey", Fact::ActivityId),
    ("executionId", Fact::ExecutionId),
    ("processInstanceId", Fact::InstanceId),
    ("processDefinitionId", Fact::DefinitionId),
    ("tenantId", Fact::TenantId),
    ("eventName", Fact::EventName),
];

/// Properties of `externalTask`, known where a report of it is looked at (`camunda:errorEventDefinition`).
pub(crate) const EXTERNAL_TASK: [&str; 12] = [
    "id",
    "activityId",
    "errorMessage",
    "errorDetails",
    "executionId",
    "priority",
    "processDefinitionId",
    "processInstanceId",
    "retries",
    "tenantId",
    "topicName",
    "workerId",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Length,
    Contains,
    StartsWith,
    EndsWith,
    Substring,
    ToLowerCase,
    ToUpperCase,
    Trim,
    Replace,
    Split,
    Equals,
    Size,
    IsEmpty,
    Get,
    ContainsKey,
    KeySet,
    Prop,
    HasProp,
    Elements,
    StringValue,
    NumberValue,
    BoolValue,
    Value,
    /// `plusDays(n)`, `minusHours(n)`, …: the sign, and the unit.
    Shift(i64, Unit),
    StartOfDay,
    HourOfDay,
    MinuteOfHour,
    SecondOfMinute,
    ToDate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Years,
    Months,
    Weeks,
    Days,
    Hours,
    Minutes,
    Seconds,
    Millis,
}

/// Methods by name, with the least and greatest number of arguments.
pub(crate) const METHODS: [(&str, usize, usize, Method); 44] = [
    ("length", 0, 0, Method::Length),
    ("contains", 1, 1, Method::Contains),
    ("startsWith", 1, 1, Method::StartsWith),
    ("endsWith", 1, 1, Method::EndsWith),
    ("substring", 1, 2, Method::Substring),
    ("toLowerCase", 0, 0, Method::ToLowerCase),
    ("toUpperCase", 0, 0, Method::ToUpperCase),
    ("trim", 0, 0, Method::Trim),
    ("replace", 2, 2, Method::Replace),
    ("split", 1, 1, Method::Split),
    ("equals", 1, 1, Method::Equals),
    ("size", 0, 0, Method::Size),
    ("isEmpty", 0, 0, Method::IsEmpty),
    ("get", 1, 1, Method::Get),
    ("containsKey", 1, 1, Method::ContainsKey),
    ("keySet", 0, 0, Method::KeySet),
    ("prop", 1, 1, Method::Prop),
    ("hasProp", 1, 1, Method::HasProp),
    ("elements", 0, 0, Method::Elements),
    ("stringValue", 0, 0, Method::StringValue),
    ("numberValue", 0, 0, Method::NumberValue),
    ("boolValue", 0, 0, Method::BoolValue),
    ("value", 0, 0, Method::Value),
    ("plusYears", 1, 1, Method::Shift(1, Unit::Years)),
    ("plusMonths", 1, 1, Method::Shift(1, Unit::Months)),
    ("plusWeeks", 1, 1, Method::Shift(1, Unit::Weeks)),
    ("plusDays", 1, 1, Method::Shift(1, Unit::Days)),
    ("plusHours", 1, 1, Method::Shift(1, Unit::Hours)),
    ("plusMinutes", 1, 1, Method::Shift(1, Unit::Minutes)),
    ("plusSeconds", 1, 1, Method::Shift(1, Unit::Seconds)),
    ("plusMillis", 1, 1, Method::Shift(1, Unit::Millis)),
    ("minusYears", 1, 1, Method::Shift(-1, Unit::Years)),
    ("minusMonths", 1, 1, Method::Shift(-1, Unit::Months)),
    ("minusWeeks", 1, 1, Method::Shift(-1, Unit::Weeks)),
    ("minusDays", 1, 1, Method::Shift(-1, Unit::Days)),
    ("minusHours", 1, 1, Method::Shift(-1, Unit::Hours)),
    ("minusMinutes", 1, 1, Method::Shift(-1, Unit::Minutes)),
    ("minusSeconds", 1, 1, Method::Shift(-1, Unit::Seconds)),
    ("minusMillis", 1, 1, Method::Shift(-1, Unit::Millis)),
    ("withTimeAtStartOfDay", 0, 0, Method::StartOfDay),
    ("withHourOfDay", 1, 1, Method::HourOfDay),
    ("withMinuteOfHour", 1, 1, Method::MinuteOfHour),
    ("withSecondOfMinute", 1, 1, Method::SecondOfMinute),
    ("toDate", 0, 0, Method::ToDate),
];
