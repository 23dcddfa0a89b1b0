//! Work on many objects in somebody's name: what is done to each, and the worker that does it.
//!
//! A batch is kept before it is answered. Each item is a command of its own under a key of its own, so that an item that was
//! done when its node died is not done twice; the rights of whoever made the batch are asked for each item as they are then.

use super::audit::{Fact, Told};
use super::auth::Caller;
use super::call::{Call, Words, key_reused};
use super::error::ApiError;
use super::idempotency::Key;
use super::rest::modification::Modification;
use super::state::ApiState;
use super::wire::{self, Inner};
use crate::base::access::NO_TENANT;
use crate::base::id::InstanceId;
use crate::base::time::Timestamp;
use crate::engine::command::Command;
use crate::runtime::clock::{Clock, SystemClock};
use crate::store::queries::batch::{Batch, BatchItem, DONE, FAILED, OPEN};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

/// More are refused: name fewer, or several batches.
pub(crate) const BATCH_ITEMS_MAX: usize = 100_000;
/// A node that holds a batch says so again at least each half of this.
const HELD_MS: i64 = 30_000;
/// A batch that another node has left is found after so long.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// Items read at a time.
const PAGE: i64 = 50;
const MESSAGE_BYTES_MAX: usize = 1_000;

/// What is done to each item.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub(crate) enum Deed {
    Delete { reason: Option<String> },
    Suspend { suspended: bool },
    Retries { retries: i64, due: Option<i64> },
    Variables { set: Value },
    Modify { modification: Box<Modification> },
    Forget,
}

/// What is kept of the call that began a batch.
#[derive(Serialize, Deserialize)]
struct Order<D> {
    #[serde(flatten)]
    deed: D,
    /// Of what the call asked, where it had a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
}

impl Deed {
    async fn perform(&self, call: &Call, subject: &str) -> Result<(), ApiError> {
        let attempt = format!("Item {subject}");
        let words = Words { kind: "RestException", attempt: &attempt };
        let absent = || ApiError::absent(format!("{subject} is not there any more"));
        let command = match self {
            Self::Delete { reason } => Command::Cancel { reason: reason.clone() },
            Self::Suspend { suspended: true } => Command::Suspend,
            Self::Suspend { suspended: false } => Command::Resume,
            Self::Retries { retries, due } => {
                let inner = Inner::parse(subject).ok_or_else(absent)?;
                let command = Command::SetRetries { token: inner.token(), retries: *retries, due: due.map(Timestamp) };
                return call.command(inner.instance, command, words).await.map(|_| ());
            }
            Self::Variables { set } => {
                let set = super::value::read_all(Some(set))?;
                Command::SetVariables { scope: None, set, remove: Vec::new() }
            }
            Self::Modify { modification } => {
                return modification.perform(call, wire::instance(subject).ok_or_else(absent)?).await;
            }
            Self::Forget => return forget(call, wire::instance(subject).ok_or_else(absent)?).await,
        };
        let instance = wire::instance(subject).ok_or_else(absent)?;
        call.command(instance, command, words).await.map(|_| ())
    }
}

/// An ended instance leaves the history.
async fn forget(call: &Call, instance: InstanceId) -> Result<(), ApiError> {
    let Some(row) = call.instance_record(instance).await? else { return Ok(()) };
    call.allow_forgetting(&row.process)?;
    if row.ended_at.is_none() || !call.state.store().remove_past(instance).await? {
        return Err(ApiError::refused(
            "BadUserRequestException",
            format!("Process instance {instance} is still running"),
        ));
    }
    Ok(())
}

/// Keeps a batch and wakes its worker. Subjects that stand there twice are one item.
pub(crate) async fn begin(call: &Call, kind: &str, deed: &Deed, subjects: BTreeSet<String>) -> Result<Batch, ApiError> {
    // Its items are done with the rights of the account, which a narrowed token does not have.
    if call.caller.token == Some(true) {
        return Err(ApiError::forbidden("A token that is narrowed makes no batch.").because("narrowed"));
    }
    if subjects.is_empty() {
        return Err(ApiError::refused(
            "BadUserRequestException",
            "Nothing fits: name at least one by its id or by a query.",
        ));
    }
    if subjects.len() > BATCH_ITEMS_MAX {
        let words =
            format!("A batch has at most {BATCH_ITEMS_MAX} items, these are {}: narrow the query.", subjects.len());
        return Err(ApiError::invalid(words).because("limit"));
    }
    let order = Order { deed, digest: call.key.as_ref().map(|key| key.digest().to_owned()) };
    let body = serde_json::to_string(&order).map_err(|_| ApiError::failed("What is to be done cannot be written."))?;
    let batch = Batch {
        id: call.key.as_ref().map_or_else(wire::random, Key::id),
        kind: kind.to_owned(),
        tenant: NO_TENANT.to_owned(),
        creator: call.caller.user.clone(),
        created_at: SystemClock.now().0,
        started_at: None,
        ended_at: None,
        total: i64::try_from(subjects.len()).unwrap_or(i64::MAX),
        suspended: 0,
        body,
    };
    let subjects: Vec<String> = subjects.into_iter().collect();
    if !call.state.store().add_batch(&batch, &subjects).await? {
        let gone = || ApiError::away("The batch of this key was removed meanwhile: take a new key.");
        let key = call.key.as_ref().ok_or_else(gone)?;
        return begun_before(&call.state, key).await?.ok_or_else(gone);
    }
    tracing::info!(
        audit = "batch-begun",
        id = batch.id,
        kind,
        items = batch.total,
        by = batch.creator,
        "a batch was begun"
    );
    call.state.batches.notify_one();
    call.tell(told(deed, &batch)).await?;
    Ok(batch)
}

/// A batch is one operation; what became of each item stands with the batch.
fn told(deed: &Deed, batch: &Batch) -> Told {
    let fact = match deed {
        Deed::Delete { .. } => Fact::new("Delete", "ProcessInstance"),
        Deed::Suspend { suspended: true } => Fact::new("Suspend", "ProcessInstance"),
        Deed::Suspend { suspended: false } => Fact::new("Activate", "ProcessInstance"),
        Deed::Retries { .. } if batch.kind.contains("external") => Fact::new("SetExternalTaskRetries", "ExternalTask"),
        Deed::Retries { .. } => Fact::new("SetJobRetries", "Job"),
        Deed::Variables { .. } => Fact::new("SetVariables", "ProcessInstance"),
        Deed::Modify { .. } => Fact::new("ModifyProcessInstance", "ProcessInstance"),
        Deed::Forget => Fact::new("DeleteHistory", "ProcessInstance"),
    };
    let facts = vec![
        fact.clone().of("nrOfInstances", None, Some(batch.total.to_string())),
        fact.of("async", None, Some("true".to_owned())),
    ];
    Told::operator(facts).of_batch(&batch.id)
}

/// What a call under this key began when it was made before.
pub(crate) async fn begun_before(state: &ApiState, key: &Key) -> Result<Option<Batch>, ApiError> {
    let Some(first) = state.store().batch(&key.id()).await? else { return Ok(None) };
    let order: Option<Order<Deed>> = serde_json::from_str(&first.body).ok();
    let asked = order.and_then(|order| order.digest);
    if asked.as_deref() == Some(key.digest()) { Ok(Some(first)) } else { Err(key_reused()) }
}

/// Does what is to do until the node stops.
pub(crate) async fn work(state: ApiState) {
    // Of this process: after a restart another one.
    let holder = wire::random();
    tokio::select! {
        () = state.node().closing() => {}
        () = work_on(&state, &holder) => {}
    }
}

async fn work_on(state: &ApiState, holder: &str) {
    loop {
        let now = SystemClock.now();
        let held = state.store().hold_batch(holder, now, now.plus_ms(HELD_MS)).await;
        match held {
            Ok(Some(batch)) => {
                if let Err(error) = advance(state, &batch).await {
                    tracing::warn!(id = batch.id, error = error.message, "a batch rests for a while");
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
            }
            Ok(None) | Err(_) => rest(state).await,
        }
    }
}

async fn rest(state: &ApiState) {
    tokio::select! {
        () = state.batches.notified() => {}
        () = tokio::time::sleep(LOOK_AGAIN) => {}
    }
}

/// One page of a batch.
async fn advance(state: &ApiState, batch: &Batch) -> Result<(), ApiError> {
    let items = state.store().batch_items(&batch.id, OPEN, 0, PAGE).await?;
    let caller = state.sign_in.caller_named(&batch.creator).await?;
    let order: Result<Order<Deed>, _> = serde_json::from_str(&batch.body);
    for item in items {
        // It may have been held or ended since: what is not begun yet is left alone at once.
        if state.store().batch(&batch.id).await?.is_none_or(|batch| batch.suspended != 0) {
            break;
        }
        let done = match (&caller, &order) {
            (Some(caller), Ok(order)) => perform(state, caller, &order.deed, &item).await?,
            (None, _) => Err(format!("the account {} that began it is not there any more", batch.creator)),
            (_, Err(error)) => Err(format!("what is to be done cannot be read: {error}")),
        };
        let (state_code, message) = match done {
            Ok(()) => (DONE, None),
            Err(words) => (FAILED, Some(cut(words))),
        };
        let item = BatchItem { state: state_code, message, ..item };
        state.store().batch_item_done(&item, SystemClock.now()).await?;
    }
    Ok(())
}

/// The outer error: not now, the same item again later.
async fn perform(
    state: &ApiState,
    caller: &Caller,
    deed: &Deed,
    item: &BatchItem,
) -> Result<Result<(), String>, ApiError> {
    let key = Some(Key::for_item(&item.batch, item.number));
    let call = Call { state: state.clone(), caller: caller.clone(), key, task: None, operation: None };
    match deed.perform(&call, &item.subject).await {
        Ok(()) => Ok(Ok(())),
        Err(error) if error.status.is_client_error() => Ok(Err(error.message)),
        Err(error) => match error.status.as_u16() {
            503 | 507 => Err(error),
            _ => Ok(Err(error.message)),
        },
    }
}

fn cut(mut words: String) -> String {
    let mut end = words.len().min(MESSAGE_BYTES_MAX);
    while !words.is_char_boundary(end) {
        end -= 1;
    }
    words.truncate(end);
    words
}

#[cfg(test)]
mod tests {
    use super::{Deed, MESSAGE_BYTES_MAX, Order, cut};

    #[test]
    fn a_message_is_cut_between_characters() {
        let long = |first: &str| cut(format!("{first}{}", "é".repeat(MESSAGE_BYTES_MAX)));
        assert_eq!((long("").len(), long("a").len()), (MESSAGE_BYTES_MAX, MESSAGE_BYTES_MAX - 1));
        assert_eq!(cut("short".into()), "short");
        let exact = "a".repeat(MESSAGE_BYTES_MAX);
        assert_eq!(cut(exact.clone()), exact);
    }

    #[test]
    fn an_order_is_read_as_it_was_written() {
        let digest = Some("d".to_owned());
        for deed in [Deed::Forget, Deed::Suspend { suspended: true }, Deed::Retries { retries: 2, due: Some(5) }] {
            let body = serde_json::to_string(&Order { deed: &deed, digest: digest.clone() }).expect("JSON");
            let read: Order<Deed> = serde_json::from_str(&body).expect("an order");
            assert_eq!((format!("{:?}", read.deed), &read.digest), (format!("{deed:?}"), &digest));
        }
        let without: Order<Deed> = serde_json::from_str(r#"{"do":"forget"}"#).expect("an order");
        assert!(matches!(without, Order { deed: Deed::Forget, digest: None }));
    }
}
