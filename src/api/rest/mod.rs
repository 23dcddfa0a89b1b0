//! `/engine-rest`: the Camunda 7 dialect (`rest.md` 1 to 7, 12). A file per resource; `routes` says which path is whose.

pub(super) mod decision;
pub(super) mod deployment;
pub(super) mod fetch;
pub(super) mod instance;
pub(super) mod modification;

mod attachment;
mod authorization;
pub(super) mod batch;
mod comment;
mod compare;
pub(super) mod definition;
mod definition_start;
mod deploy;
mod detail;
mod engine;
mod execution;
mod external_task;
mod external_task_report;
mod filter;
mod form;
mod group;
mod history;
mod history_decision;
mod history_instance;
mod incident;
mod job;
mod job_definition;
mod job_log;
mod link_log;
mod listing;
mod message;
mod not_offered;
mod operation;
mod options;
mod places;
mod retention;
mod routes;
mod saved;
mod sheet;
mod signal;
mod statistics;
mod story;
mod suspension;
mod task;
mod task_action;
mod telemetry;
mod tenant;
mod tree;
mod upload;
mod user;
mod variable;
mod variable_instance;

pub(super) use routes::routes;

use super::call::Words;
use crate::base::access::NO_TENANT;
use crate::base::limits::HISTORY_DAYS_DEFAULT;
use crate::base::time::{DAY_MS, Timestamp};
use crate::engine::instance::InstanceState;
use crate::store::queries::record::state_code;
use crate::store::queries::select::{Condition, related};
use serde_json::Value;

/// Milliseconds as the wire has them (D7).
fn time(ms: i64) -> Value {
    Timestamp(ms).to_camunda().into()
}

/// No tenant is null on the wire.
fn tenant(tenant: &str) -> Option<&str> {
    Some(tenant).filter(|tenant| *tenant != NO_TENANT)
}

/// When history that is complete since `ended_at` may go.
fn removal_time(ended_at: Option<i64>, days: Option<i64>) -> Value {
    ended_at.map_or(Value::Null, |at| {
        time(at.saturating_add(days.unwrap_or(HISTORY_DAYS_DEFAULT.into()).saturating_mul(DAY_MS)))
    })
}

/// Of rows whose instance is suspended.
fn suspended() -> Condition {
    Condition::equal(related::STATE, state_code(InstanceState::Suspended))
}
