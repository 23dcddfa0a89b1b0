//! Blocks in which one thing tells another: escalations, event sub-processes, signals, links, conditions, several triggers;
//! and where tokens are counted: quantities, complex gateways, standard loops.

use super::model::{Act, Pen};
use std::fmt::Write;

impl Pen<'_> {
    /// Start, a task, an event that throws, end.
    fn throwing(&mut self, thrown: &str, times: usize, goes_on: bool) {
        let after = if goes_on { times } else { 0 };
        let start = self.id("start");
        self.node("startEvent", &start, "", "", times);
        let last = self.task(&start, times);
        // What interrupts takes the thrower with it.
        let throws = self.after(&last, "intermediateThrowEvent", "tell", thrown, after);
        self.after(&throws, "endEvent", "end", "", after);
    }

    pub(super) fn escalation(&mut self, from: &str, depth: usize, times: usize) -> String {
        let interrupting = self.rng.one_in(2);
        let done = if interrupting { 0 } else { times };
        let inside =
            self.inside(|pen| pen.throwing(r#"<escalationEventDefinition escalationRef="X"/>"#, times, !interrupting));
        let host = self.sub(from, "", &inside, done);
        let event = self.id("bound");
        let code = if self.rng.one_in(2) { r#" escalationRef="X""# } else { "" };
        let attributes = format!(r#" attachedToRef="{host}" cancelActivity="{interrupting}""#);
        self.node("boundaryEvent", &event, &attributes, &format!("<escalationEventDefinition{code}/>"), times);
        let handled = self.blocks(&event, depth.min(1), times);
        if !interrupting {
            self.after(&handled, "endEvent", "end", "", times);
            return host;
        }
        let merge = self.after(&host, "exclusiveGateway", "merge", "", times);
        self.connect(&handled, &merge, None);
        merge
    }

    /// An event sub-process that takes over after an error, or runs beside an escalation.
    pub(super) fn event_sub_process(&mut self, from: &str, depth: usize, times: usize) -> String {
        let error = self.rng.one_in(2);
        let inside = self.inside(|pen| {
            if error {
                let start = pen.id("start");
                pen.node("startEvent", &start, "", "", times);
                let fork = pen.after(&start, "parallelGateway", "fork", "", times);
                let held = pen.after(&fork, "userTask", "held", "", 0);
                pen.act(&held, Act::Never);
                let broken = pen.id("broken");
                pen.service(&broken, "", "", 0, Act::Throw("E"));
                pen.connect(&fork, &broken, None);
            } else {
                pen.throwing(r#"<escalationEventDefinition escalationRef="X"/>"#, times, true);
            }
            let handled = pen.inside(|pen| {
                let start = pen.id("start");
                let (flag, trigger) = if error {
                    ("", r#"<errorEventDefinition errorRef="E"/>"#)
                } else {
                    (r#" isInterrupting="false""#, r#"<escalationEventDefinition escalationRef="X"/>"#)
                };
                pen.node("startEvent", &start, flag, trigger, times);
                let last = pen.blocks(&start, depth.min(1), times);
                pen.after(&last, "endEvent", "end", "", times);
            });
            let event = pen.id("event");
            pen.node("subProcess", &event, r#" triggeredByEvent="true""#, &handled, times);
        });
        self.sub(from, "", &inside, times)
    }

    /// A signal thrown in one branch begins an event sub-process beside. It is heard wherever it is waited for: only where
    /// there is one thrower and one hearer can their times be known.
    pub(super) fn signal(&mut self, from: &str, _depth: usize, times: usize) -> String {
        if times != 1 {
            return self.task(from, times);
        }
        let signal = self.signal_id();
        let inside = self.inside(|pen| {
            let thrown = format!(r#"<signalEventDefinition signalRef="{signal}"/>"#);
            pen.throwing(&thrown, times, true);
            let handled = pen.inside(|pen| {
                let start = pen.id("start");
                pen.node("startEvent", &start, r#" isInterrupting="false""#, &thrown, times);
                let last = pen.task(&start, times);
                pen.after(&last, "endEvent", "end", "", times);
            });
            let event = pen.id("event");
            pen.node("subProcess", &event, r#" triggeredByEvent="true""#, &handled, times);
        });
        self.sub(from, "", &inside, times)
    }

    pub(super) fn link(&mut self, from: &str, _depth: usize, times: usize) -> String {
        let (name, catch) = (self.id("link"), self.id("target"));
        let link = format!(r#"<linkEventDefinition name="{name}"/>"#);
        self.after(from, "intermediateThrowEvent", "jump", &link, times);
        self.node("intermediateCatchEvent", &catch, "", &link, times);
        catch
    }

    /// A condition that holds, one that does not come, and an event with a trigger that comes beside one that does not.
    pub(super) fn conditional(&mut self, from: &str, _depth: usize, times: usize) -> String {
        let holds = |wanted: usize| {
            format!(
                "<conditionalEventDefinition><condition>${{one == {wanted}}}</condition></conditionalEventDefinition>"
            )
        };
        let caught = self.after(from, "intermediateCatchEvent", "holds", &holds(1), times);
        let host = self.activity(&caught, times);
        let event = self.id("bound");
        self.node("boundaryEvent", &event, &format!(r#" attachedToRef="{host}""#), &holds(2), 0);
        self.after(&event, "endEvent", "end", "", 0);
        let either = format!("{}{}", self.timer(true), holds(2));
        self.after(&host, "intermediateCatchEvent", "any", &either, times)
    }

    /// Two tokens made of one, and one of two.
    pub(super) fn quantities(&mut self, from: &str, _depth: usize, times: usize) -> String {
        let count = 2 + self.rng.below(2);
        let inside = self.inside(|pen| {
            let start = pen.id("start");
            pen.node("startEvent", &start, "", "", times);
            let makes = pen.id("makes");
            pen.node("manualTask", &makes, &format!(r#" completionQuantity="{count}""#), "", times);
            pen.connect(&start, &makes, None);
            let each = pen.task(&makes, times * count);
            let takes = pen.id("takes");
            pen.service(&takes, &format!(r#" startQuantity="{count}""#), "", times, Act::Complete);
            pen.connect(&each, &takes, None);
            pen.after(&takes, "endEvent", "end", "", times);
        });
        self.sub(from, "", &inside, times)
    }

    /// Some of several branches are enough; the others reset the gateway.
    pub(super) fn complex(&mut self, from: &str, _depth: usize, times: usize) -> String {
        let count = 2 + self.rng.below(3);
        let enough = 1 + self.rng.below(count);
        let inside = self.inside(|pen| {
            let start = pen.id("start");
            pen.node("startEvent", &start, "", "", times);
            let fork = pen.after(&start, "parallelGateway", "fork", "", times);
            let gateway = pen.id("some");
            for _ in 0..count {
                let last = pen.task(&fork, times);
                pen.connect(&last, &gateway, None);
            }
            let condition = format!("<activationCondition>${{activationCount &gt;= {enough}}}</activationCondition>");
            pen.node("complexGateway", &gateway, "", &condition, times);
            let last = pen.task(&gateway, times);
            pen.after(&last, "endEvent", "end", "", times);
        });
        self.sub(from, "", &inside, times)
    }

    /// An inclusive join that waits for a branch in which a token goes round.
    pub(super) fn inclusive_loop(&mut self, from: &str, _depth: usize, times: usize) -> String {
        let (rounds, counter) = (2 + self.rng.below(2), self.id("n"));
        let input = format!(
            r#"<extensionElements><camunda:inputOutput><camunda:inputParameter name="{counter}">${{0}}</camunda:inputParameter></camunda:inputOutput></extensionElements>"#
        );
        let inside = self.inside(|pen| {
            let start = pen.id("start");
            pen.node("startEvent", &start, "", "", times);
            let split = pen.after(&start, "inclusiveGateway", "split", "", times);
            let merge = pen.id("merge");
            let short = pen.id("b");
            pen.node("manualTask", &short, "", "", times);
            pen.connect(&split, &short, Some(true));
            pen.connect(&short, &merge, None);
            let head = pen.id("head");
            pen.node("exclusiveGateway", &head, "", "", times * rounds);
            pen.connect(&split, &head, Some(true));
            let work = pen.task(&head, times * rounds);
            let count = pen.id("count");
            let script = format!("<script>{counter} += 1;</script>");
            pen.node("scriptTask", &count, r#" scriptFormat="rhai""#, &script, times * rounds);
            pen.connect(&work, &count, None);
            let again = pen.after(&count, "exclusiveGateway", "again", "", times * rounds);
            pen.guarded(&again, &head, &format!("{counter} &lt; {rounds}"));
            pen.guarded(&again, &merge, &format!("{counter} &gt;= {rounds}"));
            pen.node("inclusiveGateway", &merge, "", "", times);
            pen.after(&merge, "endEvent", "end", "", times);
        });
        self.sub(from, "", &format!("{input}{inside}"), times)
    }

    /// A flow under a condition of its own.
    fn guarded(&mut self, from: &str, to: &str, condition: &str) {
        let id = self.id("f");
        write!(
            self.body(),
            r#"<sequenceFlow id="{id}" sourceRef="{from}" targetRef="{to}"><conditionExpression>${{{condition}}}</conditionExpression></sequenceFlow>"#
        )
        .expect("a text");
    }

    /// Inner instances count, and the body once.
    pub(super) fn standard_loop(&mut self, from: &str, depth: usize, times: usize) -> String {
        let rounds = 1 + self.rng.below(3);
        let looping = format!(r#"<standardLoopCharacteristics loopMaximum="{rounds}"/>"#);
        let all = times * rounds + times;
        if self.rng.one_in(2) {
            let inside = self.inside(|pen| pen.whole(depth.min(1), times * rounds));
            return self.sub(from, "", &format!("{looping}{inside}"), all);
        }
        let id = self.id("again");
        self.service(&id, "", &looping, all, Act::Complete);
        self.connect(from, &id, None);
        id
    }
}
