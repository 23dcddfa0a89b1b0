//! Blocks in which events interrupt or race: boundary events, errors, event-based gateways, terminate; and twins, in
//! which a join gets two tokens by one flow.

use super::model::{Act, Pen};

impl Pen<'_> {
    /// A task that nobody completes before its event has happened, or whose event never happens.
    pub(super) fn boundary(&mut self, from: &str, depth: usize, times: usize) -> String {
        let (happens, interrupting, message) = (self.rng.one_in(2), self.rng.one_in(2), self.rng.one_in(2));
        let event = self.id("bound");
        let (completed, act) = match (happens, interrupting) {
            (true, true) => (0, Act::Never),
            (true, false) => (times, Act::After(event.clone())),
            (false, _) => (times, Act::Complete),
        };
        let host = if interrupting && happens && self.rng.one_in(2) {
            let inside = self.inside(|pen| pen.held(times));
            self.sub(from, "", &inside, 0)
        } else {
            let host = self.id("host");
            if self.rng.one_in(2) {
                self.service(&host, "", "", completed, act);
            } else {
                self.node("userTask", &host, "", "", completed);
                self.act(&host, act);
            }
            self.connect(from, &host, None);
            host
        };
        let trigger = if message { self.message_event() } else { self.timer(happens) };
        let fired = if happens { times } else { 0 };
        if message && happens {
            self.deliver(&event);
        }
        let attributes = format!(r#" attachedToRef="{host}" cancelActivity="{interrupting}""#);
        self.node("boundaryEvent", &event, &attributes, &trigger, fired);
        let handled = self.blocks(&event, depth.min(1), fired);
        if !interrupting {
            self.after(&handled, "endEvent", "end", "", fired);
            return host;
        }
        let merge = self.after(&host, "exclusiveGateway", "merge", "", times);
        self.connect(&handled, &merge, None);
        merge
    }

    /// Start, a user task that is never completed, end.
    fn held(&mut self, times: usize) {
        let start = self.id("start");
        self.node("startEvent", &start, "", "", times);
        let held = self.after(&start, "userTask", "held", "", 0);
        self.act(&held, Act::Never);
        self.after(&held, "endEvent", "end", "", 0);
    }

    /// An error of a worker, or of an error end event, that a boundary event catches.
    pub(super) fn error(&mut self, from: &str, depth: usize, times: usize) -> String {
        let host = if self.rng.one_in(2) {
            let host = self.id("host");
            self.service(&host, "", "", 0, Act::Throw("E"));
            self.connect(from, &host, None);
            host
        } else {
            let inside = self.inside(|pen| {
                let start = pen.id("start");
                pen.node("startEvent", &start, "", "", times);
                let last = pen.blocks(&start, 0, times); // nothing that may be left behind
                let end = pen.id("end");
                pen.node("endEvent", &end, "", r#"<errorEventDefinition errorRef="E"/>"#, 0);
                pen.connect(&last, &end, None);
            });
            self.sub(from, "", &inside, 0)
        };
        let event = self.id("bound");
        let code = if self.rng.one_in(2) { r#" errorRef="E""# } else { "" };
        let trigger = format!("<errorEventDefinition{code}/>");
        self.node("boundaryEvent", &event, &format!(r#" attachedToRef="{host}""#), &trigger, times);
        let handled = self.blocks(&event, depth.min(1), times);
        let merge = self.after(&host, "exclusiveGateway", "merge", "", times);
        self.connect(&handled, &merge, None);
        merge
    }

    /// An event-based gateway of which one event happens.
    pub(super) fn race(&mut self, from: &str, depth: usize, times: usize) -> String {
        let gateway = self.after(from, "eventBasedGateway", "race", "", times);
        let merge = self.id("merge");
        let count = 2 + self.rng.below(2);
        let chosen = self.rng.below(count);
        for ix in 0..count {
            let fired = if ix == chosen { times } else { 0 };
            let arm = self.id("arm");
            if self.rng.one_in(2) {
                let timer = self.timer(ix == chosen);
                self.node("intermediateCatchEvent", &arm, "", &timer, fired);
            } else {
                let message = self.message_event();
                self.node("intermediateCatchEvent", &arm, "", &message, fired);
                if ix == chosen {
                    self.deliver(&arm);
                }
            }
            self.connect(&gateway, &arm, None);
            let last = self.blocks(&arm, depth.min(1), fired);
            self.connect(&last, &merge, None);
        }
        self.node("exclusiveGateway", &merge, "", "", times);
        merge
    }

    /// Both flows of a join bring two tokens, in any order: the join must fire twice, each time with one of each.
    pub(super) fn twins(&mut self, from: &str, _depth: usize, times: usize) -> String {
        let at_once = self.rng.one_in(3);
        let inside = self.inside(|pen| {
            let start = pen.id("start");
            pen.node("startEvent", &start, "", "", times);
            let fork = pen.after(&start, "parallelGateway", "fork", "", times);
            let join = pen.id("join");
            for _ in 0..2 {
                let split = pen.after(&fork, "parallelGateway", "fork", "", times);
                let merge = pen.id("merge");
                for _ in 0..2 {
                    let last =
                        if at_once { pen.after(&split, "manualTask", "t", "", times) } else { pen.task(&split, times) };
                    pen.connect(&last, &merge, None);
                }
                pen.node("exclusiveGateway", &merge, "", "", 2 * times);
                pen.connect(&merge, &join, None);
            }
            pen.node("parallelGateway", &join, "", "", 2 * times);
            pen.after(&join, "endEvent", "end", "", 2 * times);
        });
        self.sub(from, "", &inside, times)
    }

    /// A terminate end event ends what still waits beside it in its sub-process.
    pub(super) fn terminate(&mut self, from: &str, _depth: usize, times: usize) -> String {
        let inside = self.inside(|pen| {
            let start = pen.id("start");
            pen.node("startEvent", &start, "", "", times);
            let fork = pen.after(&start, "parallelGateway", "fork", "", times);
            let held = pen.after(&fork, "userTask", "held", "", 0);
            pen.act(&held, Act::Never);
            pen.after(&held, "endEvent", "end", "", 0);
            let last = pen.task(&fork, times);
            pen.after(&last, "endEvent", "stop", "<terminateEventDefinition/>", times);
        });
        self.sub(from, "", &inside, times)
    }

    fn message_event(&mut self) -> String {
        format!(r#"<messageEventDefinition messageRef="{}"/>"#, self.message())
    }

    fn deliver(&mut self, event: &str) {
        self.model.delivered.push(event.to_owned());
    }
}
