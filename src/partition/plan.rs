//! What the next batch is made of: requests in their order, then due work in its share, as far as what they need is here.

use super::keys::Look;
use super::machine::{Inquiry, Item, Job, Partition};
use super::transaction::CommandKey;
use super::{Due, DueWhat, Parcel, Request, Target, Work};
use crate::base::id::{DefinitionId, InstanceId};
use crate::base::limits::{BATCH_COMMANDS_MAX, DUE_PER_BATCH_MAX};
use crate::base::planted;
use crate::engine::command::Command;
use std::collections::BTreeSet;

/// Due work is sure of this share of each batch; it takes more when users leave room.
const DUE_SHARE: usize = BATCH_COMMANDS_MAX / 4;

/// What must be loaded before a batch can run.
#[derive(Clone, Debug, Default)]
pub(super) struct Needs {
    pub(super) instances: BTreeSet<InstanceId>,
    pub(super) keys: Vec<CommandKey>,
    pub(super) definitions: BTreeSet<DefinitionId>,
}

impl Needs {
    pub(super) fn instance(id: InstanceId) -> Self {
        Self { instances: BTreeSet::from([id]), ..Self::default() }
    }

    pub(super) fn definition(id: DefinitionId) -> Self {
        Self { definitions: BTreeSet::from([id]), ..Self::default() }
    }
}

impl Partition {
    /// The items of the next batch, taken out of where they wait.
    pub(super) fn plan(&mut self, needs: &mut Needs) -> Vec<Item> {
        let clock = self.clock;
        let mut dues: Vec<Due> = self.schedule.due(clock).take(DUE_PER_BATCH_MAX).collect();
        for (topic, slots) in self.dispatch.topics_with_slots() {
            dues.extend(self.schedule.ready(topic).take(slots.min(DUE_PER_BATCH_MAX)));
        }
        dues.retain(|due| self.due_ready(due, needs));
        if planted::is("timer-dropped-before-commit") {
            dues.iter().for_each(|due| self.schedule.remove(due));
        }
        let users = self.ready_requests(needs).min(BATCH_COMMANDS_MAX - dues.len().min(DUE_SHARE));
        let mut items: Vec<Item> = self.queue.drain(..users).collect();
        for due in dues.into_iter().take(BATCH_COMMANDS_MAX.saturating_sub(items.len())) {
            let refuse = self.spoilt.remove(&due);
            items.push(Item { refuse, ..Item::new(Job::Due(due)) });
        }
        items
    }

    /// How many requests from the front can run now. What the others lack is noted.
    pub(super) fn ready_requests(&self, needs: &mut Needs) -> usize {
        let mut ready = 0;
        for (ix, item) in self.queue.iter().take(BATCH_COMMANDS_MAX).enumerate() {
            let can_run = match (&item.job, &item.inquiry) {
                (Job::Request(_), Inquiry::Repeats(_)) => true,
                (Job::Request(request), Inquiry::NotAsked | Inquiry::KnowsNothing) => {
                    self.request_ready(request, needs)
                }
                (Job::Parcel { parcel, catalog, .. }, _) => self.parcel_ready(parcel, *catalog, needs),
                (Job::Due(_), _) => unreachable!("due work is not queued"),
            };
            if can_run && ready == ix {
                ready = ix + 1;
            }
        }
        ready
    }

    fn request_ready(&self, request: &Request, needs: &mut Needs) -> bool {
        if let Some((key, digest)) = &request.key {
            match self.keys.look(key, digest) {
                Look::Unknown => needs.keys.push(key.clone()),
                Look::First => {}
                Look::Repeated(_) | Look::Reused => return true,
            }
        }
        let known = match &request.work {
            Work::Instance { instance, command } => {
                let whole = !matches!(
                    command,
                    Command::LeaseJob { .. } | Command::ExtendLease { .. } | Command::SetVariables { .. }
                );
                self.instance_ready(*instance, whole, needs)
            }
            Work::Start { definition, .. } => match self.catalog.resolve(definition) {
                Ok(id) => self.definition_ready(id, needs),
                Err(_) => true,
            },
            Work::Lease { candidates, .. } => self.all_ready(candidates.iter().map(|(instance, _)| *instance), needs),
            Work::SuspendDefinition { instances, .. } => self.all_ready(instances.iter().copied(), needs),
            Work::Deliver { to, .. } => to.iter().fold(true, |ready, target| ready & self.target_ready(target, needs)),
            Work::Say(_) | Work::Deploy(_) | Work::KeepEvaluation(_) | Work::DeleteDeployment { .. } => true,
        };
        known && request.key.as_ref().is_none_or(|(key, digest)| self.keys.look(key, digest) != Look::Unknown)
    }

    fn parcel_ready(&self, parcel: &Parcel, catalog: u64, needs: &mut Needs) -> bool {
        match parcel {
            Parcel::Letter { to, .. } => to.iter().fold(true, |ready, target| ready & self.target_ready(target, needs)),
            Parcel::Command { instance, .. } => self.instance_ready(*instance, true, needs),
            Parcel::Start { definition, .. } => self.definition_ready(*definition, needs),
            Parcel::Catalog => self.inbox.has_catalog(catalog),
            Parcel::Request(_) => unreachable!("requests are queued as such"),
        }
    }

    fn target_ready(&self, target: &Target, needs: &mut Needs) -> bool {
        match target {
            Target::Waiting { instance, .. } => self.instance_ready(*instance, true, needs),
            Target::Start { definition, .. } => self.definition_ready(*definition, needs),
        }
    }

    fn all_ready(&self, instances: impl Iterator<Item = InstanceId>, needs: &mut Needs) -> bool {
        let mut ready = true;
        for instance in instances {
            ready &= self.instance_ready(instance, false, needs);
        }
        ready
    }

    /// `whole`: with those it may return to. Its callers are loaded before, since its end may be the next step.
    fn instance_ready(&self, instance: InstanceId, whole: bool, needs: &mut Needs) -> bool {
        let mut next = instance;
        loop {
            if next.partition() != self.fence.partition || next.0 >= self.first_unused().0 {
                return true; // not there, and known not to be
            }
            let Some(resident) = self.cache.get(next) else {
                if self.cache.knows(next) {
                    return true;
                }
                needs.instances.insert(next);
                return false;
            };
            match resident.instance.head.caller {
                Some(caller) if whole => next = caller.instance,
                Some(_) | None => return true,
            }
        }
    }

    /// True while what an abandoned batch lacked is still being loaded.
    pub(super) fn still_lacks(&mut self) -> bool {
        let Self { lacking, cache, .. } = self;
        lacking.instances.retain(|id| !cache.knows(*id));
        lacking.definitions.retain(|id| cache.definition(*id).is_none());
        !lacking.instances.is_empty() || !lacking.definitions.is_empty()
    }

    fn first_unused(&self) -> InstanceId {
        InstanceId::new(
            self.fence.partition,
            self.in_flight.as_ref().map_or(self.fence.next_id, |flight| flight.fence.next_id),
        )
    }

    fn definition_ready(&self, id: DefinitionId, needs: &mut Needs) -> bool {
        let known = self.cache.definition(id).is_some();
        if !known {
            needs.definitions.insert(id);
        }
        known
    }

    fn due_ready(&self, due: &Due, needs: &mut Needs) -> bool {
        match (&due.what, due.instance()) {
            (_, Some(instance)) => self.instance_ready(instance, due.wanted_topic().is_none(), needs),
            (DueWhat::Start(key), None) => self.definition_ready(key.definition, needs),
            (DueWhat::Timer(..) | DueWhat::LeaseEnd(..) | DueWhat::JobReady(..), None) => true,
        }
    }
}
