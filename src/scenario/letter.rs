//! What processes say to others, delivered as the product does: to who waits for it now.

use crate::base::id::InstanceId;
use crate::engine::instance::{Instance, Trigger};
use crate::partition::{Letter, LetterId, Target, Work};
use crate::scenario::runner::Play;

impl Play {
    pub(super) fn deliver(&mut self, letter: LetterId, said: &Letter) -> Result<(), String> {
        let to = match said {
            Letter::Message { name, business_key, .. } => self.receiver(name, business_key.as_deref())?,
            Letter::Signal { to: Some(rest), .. } => rest.clone(),
            Letter::Signal { name, from, to: None, .. } => self.hearers(name, *from)?,
        };
        // A message that nobody waits for is lost, as the standard's throw event has it.
        let _refused = self.host.submit(Work::Deliver { letter, to, rest: Vec::new() })?;
        Ok(())
    }

    /// The first that waits under the business key, else the first of all, else a process that it starts.
    fn receiver(&mut self, name: &str, business_key: Option<&str>) -> Result<Vec<Target>, String> {
        let live = self.of_roots(None)?;
        let armed = |instance: &Instance| {
            waiting(instance, |trigger| matches!(trigger, Trigger::Message { name: armed } if armed == name))
        };
        let keyed =
            |instance: &&Instance| business_key.is_some() && instance.head.business_key.as_deref() == business_key;
        let found = live.iter().filter(keyed).flat_map(armed).next();
        let found = found.or_else(|| live.iter().flat_map(armed).next());
        let start = || self.host.message_start(name);
        let start = || start().map(|(definition, element)| Target::Start { definition, element });
        Ok(found.or_else(start).into_iter().collect())
    }

    fn hearers(&mut self, name: &str, from: Option<InstanceId>) -> Result<Vec<Target>, String> {
        let live = self.of_roots(None)?;
        let others = live.iter().filter(|instance| Some(instance.id()) != from);
        let mut all: Vec<Target> = others
            .flat_map(|instance| {
                waiting(instance, |trigger| matches!(trigger, Trigger::Signal { name: armed } if armed == name))
            })
            .collect();
        all.extend(
            self.host
                .signal_starts(name)
                .into_iter()
                .map(|(definition, element)| Target::Start { definition, element }),
        );
        Ok(all)
    }
}

fn waiting(instance: &Instance, fits: impl Fn(&Trigger) -> bool) -> Vec<Target> {
    let all = instance.scopes.values().flat_map(|scope| scope.subscriptions.iter());
    let fitting = all.filter(|(_, armed)| fits(&armed.trigger));
    fitting.map(|(subscription, _)| Target::Waiting { instance: instance.id(), subscription: *subscription }).collect()
}
