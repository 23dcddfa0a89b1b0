//! Offers meet jobs: a handler's or parked worker's free slots, so that a job is leased in the commit that opens it.

use super::Offer;
use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub(super) struct Dispatch {
    topics: BTreeMap<String, Vec<Holder>>,
}

#[derive(Debug)]
struct Holder {
    name: String,
    slots: usize,
    lease_ms: i64,
    /// Granted in the batch at hand: the holder does not know of it yet, so its next offer does not count it.
    granted: usize,
}

/// One slot, given to one job.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Grant {
    pub(super) holder: String,
    pub(super) topic: String,
    pub(super) lease_ms: i64,
}

impl Dispatch {
    /// Replaces what this holder offered for the topic before.
    pub(super) fn offer(&mut self, offer: Offer) {
        let holders = self.topics.entry(offer.topic).or_default();
        match holders.iter_mut().find(|holder| holder.name == offer.holder) {
            Some(holder) => {
                holder.slots = offer.slots.saturating_sub(holder.granted);
                holder.lease_ms = offer.lease_ms;
            }
            None => {
                holders.push(Holder { name: offer.holder, slots: offer.slots, lease_ms: offer.lease_ms, granted: 0 });
            }
        }
    }

    pub(super) fn free(&self, topic: &str) -> usize {
        self.topics.get(topic).map_or(0, |holders| holders.iter().map(|holder| holder.slots).sum())
    }

    pub(super) fn topics_with_slots(&self) -> impl Iterator<Item = (&str, usize)> {
        self.topics.keys().map(|topic| (topic.as_str(), self.free(topic))).filter(|(_, free)| *free > 0)
    }

    /// A slot for a job of this topic; holders take turns.
    pub(super) fn take(&mut self, topic: &str) -> Option<Grant> {
        let holders = self.topics.get_mut(topic)?;
        let next = holders.iter().position(|holder| holder.slots > 0)?;
        holders[next].slots -= 1;
        holders[next].granted += 1;
        let (holder, lease_ms) = (holders[next].name.clone(), holders[next].lease_ms);
        if holders.len() > 1 {
            holders[next..].rotate_left(1);
        }
        Some(Grant { holder, topic: topic.to_owned(), lease_ms })
    }

    /// The job could not be leased after all, or the batch came to nothing.
    pub(super) fn give_back(&mut self, grant: &Grant) {
        if let Some(holder) = self.holder(grant) {
            holder.slots += 1;
            holder.granted = holder.granted.saturating_sub(1);
        }
    }

    /// The holder is told of its job: from now on its own offers count it.
    pub(super) fn told(&mut self, grant: &Grant) {
        if let Some(holder) = self.holder(grant) {
            holder.granted = holder.granted.saturating_sub(1);
        }
    }

    fn holder(&mut self, grant: &Grant) -> Option<&mut Holder> {
        self.topics.get_mut(&grant.topic)?.iter_mut().find(|holder| holder.name == grant.holder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(holder: &str, slots: usize) -> Offer {
        Offer { holder: holder.into(), topic: "t".into(), slots, lease_ms: 1_000 }
    }

    #[test]
    fn holders_take_turns_until_no_slot_is_free() {
        let mut dispatch = Dispatch::default();
        dispatch.offer(offer("a", 2));
        dispatch.offer(offer("b", 1));
        let taken: Vec<_> = std::iter::from_fn(|| dispatch.take("t")).map(|grant| grant.holder).collect();
        assert_eq!(taken, ["a", "b", "a"]);
        assert_eq!(dispatch.free("t"), 0);
    }

    #[test]
    fn an_offer_made_before_the_holder_heard_of_its_job_does_not_count_the_slot_twice() {
        let mut dispatch = Dispatch::default();
        dispatch.offer(offer("a", 1));
        let grant = dispatch.take("t").expect("one slot");
        dispatch.offer(offer("a", 1));
        assert_eq!(dispatch.free("t"), 0);
        dispatch.told(&grant);
        dispatch.offer(offer("a", 1));
        assert_eq!(dispatch.free("t"), 1);
    }

    #[test]
    fn a_failed_batch_gives_its_slots_back() {
        let mut dispatch = Dispatch::default();
        dispatch.offer(offer("a", 1));
        let grant = dispatch.take("t").expect("one slot");
        dispatch.give_back(&grant);
        assert_eq!(dispatch.free("t"), 1);
    }
}
