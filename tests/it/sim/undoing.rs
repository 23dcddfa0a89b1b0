//! Blocks that undo: compensation thrown for one activity or all, sub-processes undone from outside, transactions cancelled.

use super::model::{Act, Pen};
use std::fmt::Write;

impl Pen<'_> {
    /// An activity with a compensation boundary event, and the activity that undoes it so often.
    fn undoable(&mut self, from: &str, times: usize, undone: usize) -> String {
        let activity = self.activity(from, times);
        self.handler(&activity, undone);
        activity
    }

    pub(super) fn handler(&mut self, activity: &str, undone: usize) {
        let (event, handler) = (self.id("undoes"), self.id("undo"));
        let attached = format!(r#" attachedToRef="{activity}""#);
        self.node("boundaryEvent", &event, &attached, "<compensateEventDefinition/>", 0);
        let marked = r#" isForCompensation="true""#;
        match self.rng.below(3) {
            0 => self.node("manualTask", &handler, marked, "", undone),
            1 => self.service(&handler, marked, "", undone, Act::Complete),
            _ => {
                self.node("userTask", &handler, marked, "", undone);
                self.act(&handler, Act::Complete);
            }
        }
        let id = self.id("as");
        write!(self.body(), r#"<association id="{id}" sourceRef="{event}" targetRef="{handler}"/>"#).expect("a text");
    }

    /// In a sub-process of their own: some activities, then all are undone, or the first only.
    pub(super) fn compensation(&mut self, from: &str, _depth: usize, times: usize) -> String {
        let all = self.rng.one_in(2);
        let inside = self.inside(|pen| {
            let start = pen.id("start");
            pen.node("startEvent", &start, "", "", times);
            let first = pen.undoable(&start, times, times);
            let mut last = first.clone();
            for _ in 0..=pen.rng.below(2) {
                last = pen.undoable(&last, times, if all { times } else { 0 });
            }
            let which = if all { String::new() } else { format!(r#" activityRef="{first}""#) };
            let thrown = format!("<compensateEventDefinition{which}/>");
            let end = pen.rng.one_in(2);
            let kind = if end { "endEvent" } else { "intermediateThrowEvent" };
            let throws = pen.after(&last, kind, "back", &thrown, times);
            if !end {
                pen.after(&throws, "endEvent", "end", "", times);
            }
        });
        self.sub(from, "", &inside, times)
    }

    /// A sub-process, done and then undone as a whole: by what undoes its activities, or by its event sub-process.
    pub(super) fn undone(&mut self, from: &str, _depth: usize, times: usize) -> String {
        let by_event = self.rng.one_in(3);
        let inside = self.inside(|pen| {
            let start = pen.id("start");
            pen.node("startEvent", &start, "", "", times);
            let first = pen.undoable(&start, times, times);
            let last = pen.undoable(&first, times, if by_event { 0 } else { times });
            pen.after(&last, "endEvent", "end", "", times);
            if by_event {
                let handled = pen.inside(|pen| {
                    let start = pen.id("start");
                    pen.node("startEvent", &start, "", "<compensateEventDefinition/>", times);
                    let thrown = format!(r#"<compensateEventDefinition activityRef="{first}"/>"#);
                    let throws = pen.after(&start, "intermediateThrowEvent", "back", &thrown, times);
                    pen.after(&throws, "endEvent", "end", "", times);
                });
                let event = pen.id("event");
                pen.node("subProcess", &event, r#" triggeredByEvent="true""#, &handled, times);
            }
        });
        let sub = self.sub(from, "", &inside, times);
        let thrown = format!(r#"<compensateEventDefinition activityRef="{sub}"/>"#);
        self.after(&sub, "intermediateThrowEvent", "back", &thrown, times)
    }

    /// A transaction that is cancelled, with what is under way beside, or that is done.
    pub(super) fn transaction(&mut self, from: &str, _depth: usize, times: usize) -> String {
        let cancelled = self.rng.one_in(2);
        let undone = if cancelled { times } else { 0 };
        let inside = self.inside(|pen| {
            let start = pen.id("start");
            pen.node("startEvent", &start, "", "", times);
            let first = pen.undoable(&start, times, undone);
            let last = pen.undoable(&first, times, undone);
            if cancelled {
                let fork = pen.after(&last, "parallelGateway", "fork", "", times);
                let held = pen.after(&fork, "userTask", "held", "", 0);
                pen.act(&held, Act::Never);
                pen.after(&fork, "endEvent", "cancel", "<cancelEventDefinition/>", times);
            } else {
                pen.after(&last, "endEvent", "end", "", times);
            }
        });
        let (done, left) = if cancelled { (0, times) } else { (times, 0) };
        let id = self.id("tx");
        self.node("transaction", &id, "", &inside, done);
        self.connect(from, &id, None);
        let event = self.id("bound");
        self.node("boundaryEvent", &event, &format!(r#" attachedToRef="{id}""#), "<cancelEventDefinition/>", left);
        let merge = self.after(&id, "exclusiveGateway", "merge", "", times);
        self.connect(&event, &merge, None);
        merge
    }
}
