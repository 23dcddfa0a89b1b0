//! What a person does about an instance of a graph: ends one in which nothing can happen any more.

use super::model::{Act, Model};
use std::collections::{BTreeMap, BTreeSet};
use transhume::base::id::{InstanceId, LocalId};
use transhume::base::time::Timestamp;
use transhume::engine::index::{IndexKey, IndexRow};
use transhume::engine::instance::InstanceState;
use transhume::engine::job::JobKind;
use transhume::partition::memory::Memory;

/// A timer that is further away never comes in the time of a run.
const SOON_MS: i64 = 24 * 3_600_000;

pub(super) fn is_soon(at: Timestamp, now: Timestamp) -> bool {
    at < now.plus_ms(SOON_MS)
}

/// Roots that have not ended, with all that they have called, of which no row asks for anything. What is `delivered` is
/// not sent again.
pub(super) fn at_rest(
    memory: &Memory,
    model: &Model,
    delivered: &BTreeSet<(InstanceId, LocalId)>,
    now: Timestamp,
) -> BTreeMap<InstanceId, Vec<InstanceId>> {
    let mut families: BTreeMap<InstanceId, Vec<InstanceId>> = BTreeMap::new();
    for row in memory.instances.values().filter(|row| !row.head.state.is_ended()) {
        families.entry(row.head.root).or_default().push(row.head.id);
    }
    let is_active = |id: &InstanceId| memory.instances[id].head.state == InstanceState::Active;
    families.retain(|_, family| family.iter().all(is_active));
    for ((instance, key), (_, row)) in &memory.index {
        let heard = matches!(key, IndexKey::Subscription(id) if delivered.contains(&(*instance, *id)));
        if !heard && asks(model, row, now) {
            families.remove(&memory.instances[instance].head.root);
        }
    }
    families
}

/// Something will come of this row.
fn asks(model: &Model, row: &IndexRow, now: Timestamp) -> bool {
    let act = |element: &str| !matches!(model.acts.get(element), Some(Act::Never) | None);
    match row {
        IndexRow::Job(job) => job.kind != JobKind::External || act(job.element.as_str()),
        IndexRow::UserTask(task) => act(task.element.as_str()),
        IndexRow::Timer(timer) => is_soon(timer.due, now),
        IndexRow::Subscription(waits) => model.delivered.iter().any(|event| *event == *waits.element),
        IndexRow::Incident(_) => true,
        _data => false,
    }
}
