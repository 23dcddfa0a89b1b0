//! Letters: kept until they are delivered, and delivered once.

use super::*;
use crate::engine::index::IndexKey;

fn message() -> Letter {
    Letter::Message { name: "go".into(), business_key: None, variables: Variables::new(), from: InstanceId(1) }
}

/// Its receiver has gone on between the look and the command: another may get it.
#[test]
fn a_message_that_is_refused_is_kept_for_another() {
    let mut world = World::with(&["start > A:receive go > end"]);
    let instance = world.start("p0");
    let letter = world.ask(Work::Say(message())).unwrap().said().unwrap();
    let subscription = world.memory.index_of(instance).find_map(|(key, _)| match key {
        IndexKey::Subscription(id) => Some(*id),
        _ => None,
    });
    let subscription = subscription.expect("it waits");
    let deliver =
        |subscription| Work::Deliver { letter, to: vec![Target::Waiting { instance, subscription }], rest: Vec::new() };
    assert!(matches!(world.ask(deliver(LocalId(999))), Err(Rejection::NotArmed(_))));
    assert!(world.memory.letters.contains_key(&letter));
    world.restart();
    assert!(world.ask(deliver(subscription)).is_ok());
    assert_eq!((world.state(instance), world.memory.letters.len()), (InstanceState::Completed, 0));
    assert!(world.ask(deliver(subscription)).is_ok(), "what was delivered is not delivered again");
}
