//! Random processes, built block by block, together with the path an instance takes through them: which branch is chosen,
//! which boundary event happens, what each worker answers, and how often each element is left in the end.
//!
//! A block has one way in and one way out, so blocks nest freely and the number of completions is known beforehand.

use super::choice::Choices;
use super::graph::MENDED;
use super::rng::Rng;
use std::collections::BTreeMap;
use std::fmt::Write;
use transhume::base::variable::{Variable, Variables};
use transhume::engine::command::Create;
use transhume::engine::job::Binding;
use transhume::partition::{Which, Work};

/// What the world does about work that waits at an element.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Act {
    Complete,
    /// The worker throws this BPMN error.
    Throw(&'static str),
    /// Nobody touches it: an event interrupts it.
    Never,
    /// Completed after this boundary event has happened.
    After(String),
}

/// A generated file and what an instance of `p0` does.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) xml: String,
    /// Work elements; what is absent here never waits.
    pub(super) acts: BTreeMap<String, Act>,
    /// Events to which a message is delivered; other messages never come.
    pub(super) delivered: Vec<String>,
    /// How often tokens leave each element, called processes included; of a graph nobody knows.
    pub(super) left: BTreeMap<String, usize>,
    /// What blocks it is made of, for the statistics.
    pub(super) blocks: BTreeMap<&'static str, usize>,
    /// Of a graph, whose path is not known beforehand.
    pub(super) choices: Option<Choices>,
}

impl Model {
    /// Starts an instance, with all the data that its conditions ask for.
    pub(super) fn start(&self) -> Work {
        let list = |count: i64| serde_json::Value::from((0..count).collect::<Vec<_>>());
        let mut variables =
            Variables::from([("one".to_owned(), Variable::from(1)), ("seen".to_owned(), Variable::from(0))]);
        for count in 0..4 {
            variables.insert(format!("items{count}"), Variable::from(list(count)));
        }
        let numbers = self.choices.iter().flat_map(|choices| &choices.variables);
        variables.extend(numbers.map(|(name, number)| (name.clone(), Variable::from(*number))));
        let definition =
            Which::Key { key: "p0".into(), tenant: String::new(), binding: Binding::Latest, deployment: None };
        Work::Start { definition, create: Create { variables, ..Create::default() } }
    }

    /// What an operator sets where nothing could be decided.
    pub(super) fn mends(&self) -> Option<Variables> {
        self.choices.is_some().then(|| Variables::from([(MENDED.to_owned(), Variable::from(1))]))
    }
}

/// How a model is made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Shape {
    Blocks,
    Graph,
}

pub(super) fn generate(rng: &mut Rng, shape: Shape) -> Model {
    let mut pen = Pen {
        rng,
        next: 0,
        body: String::new(),
        messages: String::new(),
        processes: String::new(),
        calls: 0,
        nodes: 0,
        model: Model {
            xml: String::new(),
            acts: BTreeMap::new(),
            delivered: Vec::new(),
            left: BTreeMap::new(),
            blocks: BTreeMap::new(),
            choices: None,
        },
    };
    match shape {
        Shape::Blocks => pen.process("p0", 3, 1),
        Shape::Graph => pen.unstructured("p0"),
    }
    let Pen { messages, processes, mut model, .. } = pen;
    model.xml = format!(
        r#"<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" targetNamespace="sim"><error id="E" errorCode="E"/><escalation id="X" escalationCode="X"/>{messages}{processes}</definitions>"#
    );
    model
}

pub(super) struct Pen<'r> {
    pub(super) rng: &'r mut Rng,
    next: usize,
    /// What is inside the process or sub-process that is being drawn.
    body: String,
    messages: String,
    processes: String,
    calls: usize,
    nodes: usize,
    pub(super) model: Model,
}

/// Draws a block behind a node, at a depth, that is passed so often; gives its last node.
type Draw<'r> = fn(&mut Pen<'r>, &str, usize, usize) -> String;

/// Beyond so many nodes only tasks are added.
const NODES_MAX: usize = 40;

impl<'r> Pen<'r> {
    pub(super) fn id(&mut self, prefix: &str) -> String {
        self.next += 1;
        format!("{prefix}{}", self.next)
    }

    fn expect(&mut self, id: &str, times: usize) {
        if times > 0 {
            *self.model.left.entry(id.to_owned()).or_default() += times;
        }
    }

    /// Writes a node and expects it to be left so often.
    pub(super) fn node(&mut self, element: &str, id: &str, attributes: &str, inside: &str, times: usize) {
        self.nodes += 1;
        self.expect(id, times);
        write!(self.body, r#"<{element} id="{id}"{attributes}>{inside}</{element}>"#).expect("a text");
    }

    pub(super) fn connect(&mut self, from: &str, to: &str, condition: Option<bool>) -> String {
        let id = self.id("f");
        let condition = condition.map_or(String::new(), |holds| {
            let wanted = if holds { 1 } else { 2 };
            format!(r#"<conditionExpression xsi:type="tFormalExpression">${{one == {wanted}}}</conditionExpression>"#)
        });
        write!(self.body, r#"<sequenceFlow id="{id}" sourceRef="{from}" targetRef="{to}">{condition}</sequenceFlow>"#)
            .expect("a text");
        id
    }

    /// A node behind `from`.
    pub(super) fn after(&mut self, from: &str, element: &str, prefix: &str, inside: &str, times: usize) -> String {
        let id = self.id(prefix);
        self.node(element, &id, "", inside, times);
        self.connect(from, &id, None);
        id
    }

    fn process(&mut self, id: &str, depth: usize, times: usize) {
        let body = self.inside(|pen| pen.whole(depth, times));
        self.write_process(id, &body);
    }

    pub(super) fn write_process(&mut self, id: &str, body: &str) {
        write!(self.processes, r#"<process id="{id}" isExecutable="true">{body}</process>"#).expect("a text");
    }

    /// Start, blocks, end.
    pub(super) fn whole(&mut self, depth: usize, times: usize) {
        let start = self.id("start");
        self.node("startEvent", &start, "", "", times);
        let last = self.blocks(&start, depth, times);
        self.after(&last, "endEvent", "end", "", times);
    }

    pub(super) fn blocks(&mut self, from: &str, depth: usize, times: usize) -> String {
        let mut last = from.to_owned();
        for _ in 0..=self.rng.below(3) {
            last = self.block(&last, depth, times);
        }
        last
    }

    fn block(&mut self, from: &str, depth: usize, times: usize) -> String {
        if depth == 0 || self.nodes > NODES_MAX {
            return self.task(from, times);
        }
        let kinds: &[(&'static str, Draw<'r>)] = &[
            ("task", |pen, from, _, times| pen.task(from, times)),
            ("exclusive", Self::exclusive),
            ("parallel", Self::parallel),
            ("inclusive", Self::inclusive),
            ("loop", Self::looped),
            ("sub-process", Self::sub_process),
            ("multi-instance", Self::multi),
            ("call", Self::call),
            ("boundary", Self::boundary),
            ("error", Self::error),
            ("race", Self::race),
            ("twins", Self::twins),
            ("terminate", Self::terminate),
            ("compensation", Self::compensation),
            ("undone sub-process", Self::undone),
            ("transaction", Self::transaction),
            ("escalation", Self::escalation),
            ("event sub-process", Self::event_sub_process),
            ("signal", Self::signal),
            ("link", Self::link),
            ("conditional", Self::conditional),
            ("quantities", Self::quantities),
            ("complex", Self::complex),
            ("inclusive with a loop", Self::inclusive_loop),
            ("standard loop", Self::standard_loop),
        ];
        let (name, draw) = *self.rng.pick(kinds);
        *self.model.blocks.entry(name).or_default() += 1;
        draw(self, from, depth - 1, times)
    }

    pub(super) fn act(&mut self, id: &str, act: Act) {
        self.model.acts.insert(id.to_owned(), act);
    }

    pub(super) fn flags(&mut self) -> String {
        let mut flags = String::new();
        if self.rng.one_in(6) {
            flags += r#" camunda:asyncBefore="true""#;
        }
        if self.rng.one_in(6) {
            flags += r#" camunda:asyncAfter="true""#;
        }
        flags
    }

    pub(super) fn task(&mut self, from: &str, times: usize) -> String {
        let flags = self.flags();
        let id = self.id("t");
        match self.rng.below(8) {
            0..=2 => self.service(&id, &flags, "", times, Act::Complete),
            3 => {
                self.node("userTask", &id, &flags, "", times);
                self.act(&id, Act::Complete);
            }
            4 => {
                let script = r"<script>seen = one + 1;</script>";
                self.node("scriptTask", &id, &format!(r#"{flags} scriptFormat="rhai""#), script, times);
            }
            5 => self.node("manualTask", &id, &flags, "", times),
            6 => {
                let message = self.message();
                self.node("receiveTask", &id, &format!(r#"{flags} messageRef="{message}""#), "", times);
                self.model.delivered.push(id.clone());
            }
            _ => {
                let timer = self.timer(true);
                self.node("intermediateCatchEvent", &id, "", &timer, times);
            }
        }
        self.connect(from, &id, None);
        id
    }

    /// A task that is an activity: it may have boundary events.
    pub(super) fn activity(&mut self, from: &str, times: usize) -> String {
        let id = self.id("t");
        match self.rng.below(3) {
            0 => self.node("manualTask", &id, "", "", times),
            1 => self.service(&id, "", "", times, Act::Complete),
            _ => {
                self.node("userTask", &id, "", "", times);
                self.act(&id, Act::Complete);
            }
        }
        self.connect(from, &id, None);
        id
    }

    pub(super) fn service(&mut self, id: &str, attributes: &str, inside: &str, times: usize, act: Act) {
        let topic = if act == Act::Complete { "work" } else { "hold" };
        let attributes = format!(r#"{attributes} camunda:type="external" camunda:topic="{topic}""#);
        self.node("serviceTask", id, &attributes, inside, times);
        self.act(id, act);
    }

    pub(super) fn message(&mut self) -> String {
        let id = self.id("m");
        write!(self.messages, r#"<message id="{id}" name="{id}"/>"#).expect("a text");
        id
    }

    pub(super) fn signal_id(&mut self) -> String {
        let id = self.id("s");
        write!(self.messages, r#"<signal id="{id}" name="{id}"/>"#).expect("a text");
        id
    }

    /// What is being drawn.
    pub(super) fn body(&mut self) -> &mut String {
        &mut self.body
    }

    /// One that comes soon, or never in the time of a run.
    pub(super) fn timer(&mut self, soon: bool) -> String {
        let span = if soon { format!("PT{}S", 1 + self.rng.below(400)) } else { "P1000D".into() };
        format!("<timerEventDefinition><timeDuration>{span}</timeDuration></timerEventDefinition>")
    }

    /// A split and a merge of one kind with branches that are taken or not.
    fn branches(
        &mut self,
        from: &str,
        depth: usize,
        times: usize,
        kind: &str,
        taken: &[bool],
        conditions: bool,
    ) -> String {
        let split = self.after(from, kind, "split", "", times);
        let merge = self.id("merge");
        for taken in taken {
            let times = if *taken { times } else { 0 };
            let first = self.id("b");
            self.node("task", &first, "", "", times);
            self.connect(&split, &first, conditions.then_some(*taken));
            let last = self.blocks(&first, depth, times);
            self.connect(&last, &merge, None);
        }
        self.node(kind, &merge, "", "", times);
        merge
    }

    fn exclusive(&mut self, from: &str, depth: usize, times: usize) -> String {
        let count = 2 + self.rng.below(2);
        let chosen = self.rng.below(count);
        let taken: Vec<bool> = (0..count).map(|ix| ix == chosen).collect();
        self.branches(from, depth, times, "exclusiveGateway", &taken, true)
    }

    fn parallel(&mut self, from: &str, depth: usize, times: usize) -> String {
        let taken = vec![true; 2 + self.rng.below(2)];
        self.branches(from, depth, times, "parallelGateway", &taken, false)
    }

    fn inclusive(&mut self, from: &str, depth: usize, times: usize) -> String {
        let mut taken: Vec<bool> = (0..2 + self.rng.below(2)).map(|_| self.rng.one_in(2)).collect();
        let sure = self.rng.below(taken.len());
        taken[sure] = true;
        self.branches(from, depth, times, "inclusiveGateway", &taken, true)
    }

    /// Draws what is inside a sub-process.
    pub(super) fn inside(&mut self, draw: impl FnOnce(&mut Self)) -> String {
        let around = std::mem::take(&mut self.body);
        draw(self);
        std::mem::replace(&mut self.body, around)
    }

    pub(super) fn sub(&mut self, from: &str, attributes: &str, inside: &str, times: usize) -> String {
        let id = self.id("sub");
        self.node("subProcess", &id, attributes, inside, times);
        self.connect(from, &id, None);
        id
    }

    fn sub_process(&mut self, from: &str, depth: usize, times: usize) -> String {
        let flags = self.flags();
        let inside = self.inside(|pen| pen.whole(depth, times));
        self.sub(from, &flags, &inside, times)
    }

    /// A loop by gateways, with its own counter in a sub-process.
    fn looped(&mut self, from: &str, depth: usize, times: usize) -> String {
        let rounds = 1 + self.rng.below(3);
        let counter = self.id("n");
        let input = format!(
            r#"<extensionElements><camunda:inputOutput><camunda:inputParameter name="{counter}">${{0}}</camunda:inputParameter></camunda:inputOutput></extensionElements>"#
        );
        let inside = self.inside(|pen| {
            let start = pen.id("start");
            pen.node("startEvent", &start, "", "", times);
            let head = pen.after(&start, "exclusiveGateway", "head", "", times * rounds);
            let last = pen.blocks(&head, depth, times * rounds);
            let count = pen.id("count");
            let script = format!("<script>{counter} += 1;</script>");
            pen.node("scriptTask", &count, r#" scriptFormat="rhai""#, &script, times * rounds);
            pen.connect(&last, &count, None);
            let again = pen.after(&count, "exclusiveGateway", "again", "", times * rounds);
            let back = pen.id("f");
            write!(
                pen.body,
                r#"<sequenceFlow id="{back}" sourceRef="{again}" targetRef="{head}"><conditionExpression xsi:type="tFormalExpression">${{{counter} &lt; {rounds}}}</conditionExpression></sequenceFlow>"#
            )
            .expect("a text");
            let end = pen.id("end");
            pen.node("endEvent", &end, "", "", times);
            let out = pen.id("f");
            write!(
                pen.body,
                r#"<sequenceFlow id="{out}" sourceRef="{again}" targetRef="{end}"><conditionExpression xsi:type="tFormalExpression">${{{counter} &gt;= {rounds}}}</conditionExpression></sequenceFlow>"#
            )
            .expect("a text");
        });
        self.sub(from, "", &format!("{input}{inside}"), times)
    }

    /// Inner instances count, and the body once.
    fn multi(&mut self, from: &str, depth: usize, times: usize) -> String {
        let count = self.rng.below(4);
        let sequential = self.rng.one_in(2);
        let looping = if self.rng.one_in(2) {
            format!(
                r#"<multiInstanceLoopCharacteristics isSequential="{sequential}"><loopCardinality>{count}</loopCardinality></multiInstanceLoopCharacteristics>"#
            )
        } else {
            format!(
                r#"<multiInstanceLoopCharacteristics isSequential="{sequential}" camunda:collection="${{items{count}}}" camunda:elementVariable="item"/>"#
            )
        };
        let all = times * count + times;
        if self.rng.one_in(2) {
            let inside = self.inside(|pen| pen.whole(depth.min(1), times * count));
            return self.sub(from, "", &format!("{looping}{inside}"), all);
        }
        let id = self.id("mi");
        if self.rng.one_in(2) {
            self.service(&id, "", &looping, all, Act::Complete);
        } else {
            self.node("userTask", &id, "", &looping, all);
            self.act(&id, Act::Complete);
        }
        self.connect(from, &id, None);
        id
    }

    fn call(&mut self, from: &str, depth: usize, times: usize) -> String {
        self.calls += 1;
        let process = format!("p{}", self.calls);
        self.process(&process, depth, times);
        let id = self.id("call");
        let mapping = r#"<extensionElements><camunda:in variables="all"/></extensionElements>"#;
        self.node("callActivity", &id, &format!(r#" calledElement="{process}""#), mapping, times);
        self.connect(from, &id, None);
        id
    }
}
