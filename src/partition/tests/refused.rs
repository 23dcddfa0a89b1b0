//! What the database does not take: the one that gives it is refused, and everything beside it goes on.

use super::*;
use crate::base::variable::from_json;
use serde_json::json;

impl World {
    /// As a database that takes no text with this word.
    fn serve_without(&mut self, word: &str) {
        while let Some(output) = self.partition.poll() {
            match output {
                Output::Commit(tx) if tx.instances.iter().any(|row| row.body.contains(word)) => {
                    let error = CommitError::Refused("it cannot be kept".into());
                    self.partition.handle(Input::CommitFailed { batch: tx.fence.batch, error }, self.now);
                }
                output => match self.memory.answer(first_partition(), output) {
                    Ok(input) => self.partition.handle(input, self.now),
                    Err(word) => self.words.push(word),
                },
            }
        }
    }
}

fn start_with(value: &str) -> Work {
    let create = Create { variables: from_json(json!({"x": value})), ..Create::default() };
    match start("p0") {
        Work::Start { definition, .. } => Work::Start { definition, create },
        other => other,
    }
}

#[test]
fn one_command_is_refused_and_those_beside_it_are_done() {
    let mut world = World::with(&["start > A:user > end"]);
    let requests: Vec<RequestId> =
        ["good", "bad", "fine", "bad"].iter().map(|value| world.send(start_with(value))).collect();
    world.serve_without("bad");
    let replies: Vec<bool> = requests.into_iter().map(|request| world.reply(request).is_ok()).collect();
    assert_eq!((replies, world.memory.instances.len()), (vec![true, false, true, false], 2));
}

#[test]
fn due_work_that_is_refused_becomes_an_incident_and_is_not_due_again() {
    let mut world =
        World::with(&["start > wait:timer PT1H > S:script set_variable(\"y\", \"b\" + \"ad\") > B:user > end"]);
    let instance = world.start("p0");
    world.now = world.now.plus_ms(3_600_000);
    world.partition.handle(Input::Wake, world.now);
    world.serve_without("bad");
    assert_eq!(world.incidents(instance), [IncidentKind::Limit]);
    world.serve_without("bad");
}
