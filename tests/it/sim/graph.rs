//! Random processes without block structure: flows lead forward to any node, back by a counter, out of the middle of what
//! another branch is in; joins do not match splits, activities split and merge by themselves, there are several ends.
//!
//! Such a model may multiply tokens, or block. What is right is not known beforehand: the oracle and the conditions tell
//! (`choice`). A drawing that could visit too many nodes is thrown away and drawn anew.

use super::choice::{Choice, Rule, Test};
use super::model::{Act, Pen};
use std::fmt::Write;

/// Passages of nodes, if every split gave a token on each flow.
const VISITS_MAX: usize = 150;
/// Below it a sub-process is not worth drawing.
const VISITS_MIN: usize = 24;
const VARIABLES: usize = 4;
/// Set by the operator who mends what cannot be decided.
pub(super) const MENDED: &str = "mended";

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Start,
    Task,
    Gateway(&'static str),
    /// An event-based gateway; its events follow it.
    Race,
    Arm,
    SubProcess,
    Throw,
    /// Where a link event is thrown; the next node catches it.
    Link,
    Target,
    /// At the activity of this number.
    Boundary(usize),
    /// Catches the errors of this activity.
    Caught(usize),
    /// On the way back.
    Counter,
    End,
}

#[derive(Debug)]
struct Node {
    kind: Kind,
    id: String,
}

#[derive(Debug)]
struct Flow {
    id: String,
    from: usize,
    to: usize,
    test: Option<Test>,
}

/// What is drawn, before it is written.
#[derive(Debug)]
struct Graph {
    nodes: Vec<Node>,
    flows: Vec<Flow>,
    /// Flows that lead back, and how often: they come after all others.
    back: Vec<(Flow, i64)>,
}

impl Graph {
    /// How often each node is passed at most, without the ways back.
    fn visits(&self) -> Vec<usize> {
        let mut visits = vec![0_usize; self.nodes.len()];
        for ix in 0..self.nodes.len() {
            let by_flow = self.flows.iter().filter(|flow| flow.to == ix).map(|flow| visits[flow.from]);
            let all: usize = by_flow.sum();
            visits[ix] = match self.nodes[ix].kind {
                Kind::Start => 1,
                Kind::Boundary(host) | Kind::Caught(host) => visits[host],
                Kind::Target => visits[ix - 1],
                _by_flow => all,
            };
        }
        visits
    }

    /// Each way back may lead all tokens through once more, so often.
    fn rounds(&self) -> usize {
        self.back.iter().map(|(_, limit)| 1 + usize::try_from(*limit).expect("small")).product()
    }

    fn outgoing(&self, node: usize) -> impl Iterator<Item = &Flow> {
        let back = self.back.iter().map(|(flow, _)| flow);
        self.flows.iter().chain(back).filter(move |flow| flow.from == node)
    }

    fn incoming(&self, node: usize) -> usize {
        let back = self.back.iter().map(|(flow, _)| flow);
        self.flows.iter().chain(back).filter(|flow| flow.to == node).count()
    }

    fn catches(&self, host: usize) -> bool {
        self.nodes.iter().any(|node| node.kind == Kind::Caught(host))
    }
}

impl Pen<'_> {
    /// A process that is a graph.
    pub(super) fn unstructured(&mut self, id: &str) {
        let choices = self.model.choices.insert(Default::default());
        choices.variables.insert(MENDED.into(), 0);
        for ix in 0..VARIABLES {
            let value = i64::try_from(self.rng.below(3)).expect("small");
            choices.variables.insert(format!("v{ix}"), value);
        }
        let body = self.inside(|pen| pen.graph(2, VISITS_MAX, false));
        self.write_process(id, &body);
    }

    /// Start, nodes, ends; in a sub-process perhaps with an end that throws an error.
    fn graph(&mut self, depth: usize, budget: usize, fails: bool) {
        let mut count = 4 + self.rng.below(8);
        let (graph, left) = loop {
            let graph = self.plan(depth, count);
            let visits = graph.visits().iter().sum::<usize>() * graph.rounds();
            if visits <= budget {
                break (graph, budget - visits);
            }
            count = (count - 1).max(2);
        };
        *self.model.blocks.entry("graph").or_default() += 1;
        for ix in 0..graph.nodes.len() {
            self.write_node(&graph, ix, depth, left, fails);
        }
        for flow in graph.flows.iter().chain(graph.back.iter().map(|(flow, _)| flow)) {
            self.write_flow(&graph, flow);
        }
    }

    fn plan(&mut self, depth: usize, count: usize) -> Graph {
        let mut graph = Graph { nodes: Vec::new(), flows: Vec::new(), back: Vec::new() };
        self.place(&mut graph, Kind::Start, "start");
        for _ in 0..count {
            self.any_node(&mut graph, depth);
        }
        self.place(&mut graph, Kind::End, "end");
        self.forward(&mut graph);
        for _ in 0..self.rng.below(3) {
            self.backward(&mut graph);
        }
        self.tests(&mut graph);
        graph
    }

    fn place(&mut self, graph: &mut Graph, kind: Kind, prefix: &str) -> usize {
        graph.nodes.push(Node { kind, id: self.id(prefix) });
        graph.nodes.len() - 1
    }

    fn any_node(&mut self, graph: &mut Graph, depth: usize) {
        match self.rng.below(27) {
            0..=6 => {
                let host = self.place(graph, Kind::Task, "t");
                self.boundaries(graph, host);
            }
            7..=10 => _ = self.place(graph, Kind::Gateway("exclusiveGateway"), "xor"),
            11..=13 => _ = self.place(graph, Kind::Gateway("parallelGateway"), "and"),
            14..=16 => _ = self.place(graph, Kind::Gateway("inclusiveGateway"), "or"),
            17..=18 => _ = self.place(graph, Kind::Gateway("complexGateway"), "some"),
            19 => {
                let race = self.place(graph, Kind::Race, "race");
                for _ in 0..2 {
                    let arm = self.place(graph, Kind::Arm, "arm");
                    self.lead(graph, race, arm);
                }
            }
            20 | 21 if depth > 0 => {
                let host = self.place(graph, Kind::SubProcess, "sub");
                self.boundaries(graph, host);
            }
            22 => {
                self.place(graph, Kind::Link, "jump");
                self.place(graph, Kind::Target, "target");
            }
            23 | 24 => _ = self.place(graph, Kind::Throw, "tell"),
            25 | 26 => _ = self.place(graph, Kind::End, "end"),
            _too_deep => _ = self.place(graph, Kind::Task, "t"),
        }
    }

    fn boundaries(&mut self, graph: &mut Graph, host: usize) {
        for _ in 0..self.rng.below(4).saturating_sub(1) {
            self.place(graph, Kind::Boundary(host), "bound");
        }
        if self.rng.one_in(4) {
            self.place(graph, Kind::Caught(host), "caught");
        }
    }

    fn lead(&mut self, graph: &mut Graph, from: usize, to: usize) {
        let id = self.id("f");
        graph.flows.push(Flow { id, from, to, test: None });
    }

    /// Each node leads on to some behind it, and each is led to.
    fn forward(&mut self, graph: &mut Graph) {
        let is_target = |kind: Kind| {
            let placed = matches!(kind, Kind::Start | Kind::Arm | Kind::Target | Kind::Counter);
            !placed && !matches!(kind, Kind::Boundary(_) | Kind::Caught(_))
        };
        let targets: Vec<usize> = (0..graph.nodes.len()).filter(|ix| is_target(graph.nodes[*ix].kind)).collect();
        let leads_on = |kind: Kind| !matches!(kind, Kind::End | Kind::Link | Kind::Race);
        for from in 0..graph.nodes.len() {
            let kind = graph.nodes[from].kind;
            let count = match kind {
                Kind::End | Kind::Link | Kind::Race => 0,
                Kind::Gateway(_) => 1 + self.rng.below(3),
                Kind::Task | Kind::SubProcess => 1 + self.rng.below(6) / 4,
                _single => 1 + self.rng.below(8) / 7,
            };
            let behind: Vec<usize> = targets.iter().copied().filter(|to| *to > from).collect();
            for _ in 0..count {
                // Mostly near: what is far away skips the joins between.
                let near = behind.len().min(4);
                let to = if self.rng.one_in(5) { *self.rng.pick(&behind) } else { behind[self.rng.below(near)] };
                let known = graph.flows.iter().any(|flow| (flow.from, flow.to) == (from, to));
                if !known || self.rng.one_in(4) {
                    self.lead(graph, from, to);
                }
            }
        }
        for to in targets {
            if graph.incoming(to) == 0 {
                let before: Vec<usize> = (0..to).filter(|ix| leads_on(graph.nodes[*ix].kind)).collect();
                let from = *self.rng.pick(&before);
                self.lead(graph, from, to);
            }
        }
    }

    /// A way back from what chooses, so often as its counter allows.
    fn backward(&mut self, graph: &mut Graph) {
        let chooses = |kind: Kind| {
            matches!(kind, Kind::Task | Kind::SubProcess)
                || matches!(kind, Kind::Gateway(of) if of != "parallelGateway")
        };
        let from: Vec<usize> = (0..graph.nodes.len()).filter(|ix| chooses(graph.nodes[*ix].kind)).collect();
        if from.is_empty() {
            return;
        }
        let from = *self.rng.pick(&from);
        let is_target = |kind: Kind| {
            matches!(kind, Kind::Task | Kind::SubProcess | Kind::Gateway(_) | Kind::Race | Kind::Link | Kind::Throw)
        };
        let before: Vec<usize> = (1..=from).filter(|ix| is_target(graph.nodes[*ix].kind)).collect();
        let to = *self.rng.pick(&before);
        let limit = 1 + i64::try_from(self.rng.below(2)).expect("small");
        let counter = self.place(graph, Kind::Counter, "n");
        let name = graph.nodes[counter].id.clone();
        let test = Some(Test { variable: name, below: true, number: limit });
        let id = self.id("f");
        graph.back.push((Flow { id, from, to: counter, test }, limit));
        let id = self.id("f");
        // Behind a counter there is nothing to choose.
        graph.back.push((Flow { id, from: counter, to, test: None }, 0));
    }

    /// Conditions, where there is something to choose. The last way out has none: it is the default.
    fn tests(&mut self, graph: &mut Graph) {
        for ix in 0..graph.nodes.len() {
            let kind = graph.nodes[ix].kind;
            let some = match kind {
                Kind::Gateway("parallelGateway") => continue,
                Kind::Gateway(_) => true,
                Kind::Task | Kind::SubProcess => self.rng.one_in(3),
                _without_choice => continue,
            };
            let back = graph.back.iter().any(|(flow, _)| flow.from == ix);
            let flows: Vec<usize> = (0..graph.flows.len()).filter(|flow| graph.flows[*flow].from == ix).collect();
            if !some || (flows.len() < 2 && !back) {
                continue;
            }
            for flow in &flows[1..] {
                // Now and then one that is always taken.
                if kind == Kind::Gateway("exclusiveGateway") || !self.rng.one_in(4) {
                    graph.flows[*flow].test = Some(self.test());
                }
            }
            // Nobody can decide before it is mended.
            if self.rng.one_in(8) {
                graph.flows[flows[0]].test = Some(Test { variable: MENDED.into(), below: false, number: 1 });
            }
        }
    }

    fn test(&mut self) -> Test {
        let variable = format!("v{}", self.rng.below(VARIABLES));
        let (below, number) = (self.rng.one_in(2), i64::try_from(self.rng.below(3)).expect("small"));
        Test { variable, below, number }
    }

    /// What is chosen at a node, for the judge; gives the attribute that names the default.
    fn choice(&mut self, graph: &Graph, ix: usize) -> String {
        let node = &graph.nodes[ix];
        let rule = match node.kind {
            Kind::Gateway("exclusiveGateway") => Rule::Exclusive,
            Kind::Gateway("inclusiveGateway") => Rule::Inclusive,
            Kind::Gateway("complexGateway") => Rule::Complex,
            Kind::Task | Kind::SubProcess => Rule::Activity,
            _without_choice => return String::new(),
        };
        let flows: Vec<(String, Option<Test>)> =
            graph.outgoing(ix).map(|flow| (flow.id.clone(), flow.test.clone())).collect();
        let any = flows.iter().any(|(_, test)| test.is_some());
        let first = flows.iter().find(|(_, test)| test.is_none()).filter(|_| any);
        let default = first.map(|(id, _)| id.clone());
        let attribute = default.as_ref().map_or(String::new(), |id| format!(r#" default="{id}""#));
        let choices = self.model.choices.as_mut().expect("a graph has choices");
        choices.at.insert(node.id.clone(), Choice { rule, flows, default });
        attribute
    }

    fn write_node(&mut self, graph: &Graph, ix: usize, depth: usize, left: usize, fails: bool) {
        let id = graph.nodes[ix].id.clone();
        let default = self.choice(graph, ix);
        match graph.nodes[ix].kind {
            Kind::Start => self.node("startEvent", &id, "", "", 1),
            Kind::Task if graph.catches(ix) => {
                let act = if self.rng.one_in(2) { Act::Throw("E") } else { Act::Complete };
                self.service(&id, &default, "", 1, act);
            }
            Kind::Task => {
                self.write_task(&id, &default);
                if self.rng.one_in(6) {
                    self.handler(&id, 1);
                }
            }
            Kind::Gateway(kind) => self.write_gateway(kind, &id, &default, graph.incoming(ix)),
            Kind::Race => self.node("eventBasedGateway", &id, "", "", 1),
            Kind::Arm => self.write_catch(&id),
            Kind::SubProcess => self.write_sub_process(graph, ix, depth, left, &default),
            Kind::Throw => {
                let thrown = match self.rng.below(4) {
                    0 => "<compensateEventDefinition/>",
                    1 => r#"<compensateEventDefinition waitForCompletion="false"/>"#,
                    _told => r#"<escalationEventDefinition escalationRef="X"/>"#,
                };
                let flags = self.flags();
                self.node("intermediateThrowEvent", &id, &flags, thrown, 1);
            }
            Kind::Link | Kind::Target => {
                let of = if graph.nodes[ix].kind == Kind::Link { &id } else { &graph.nodes[ix - 1].id };
                let kind = if *of == id { "intermediateThrowEvent" } else { "intermediateCatchEvent" };
                self.node(kind, &id, "", &format!(r#"<linkEventDefinition name="{of}"/>"#), 1);
            }
            Kind::Boundary(host) => self.write_boundary(&id, graph, host),
            Kind::Caught(host) => {
                let attached = format!(r#" attachedToRef="{}""#, graph.nodes[host].id);
                self.node("boundaryEvent", &id, &attached, r#"<errorEventDefinition errorRef="E"/>"#, 1);
            }
            Kind::Counter => {
                self.model.choices.as_mut().expect("a graph has choices").variables.insert(id.clone(), 0);
                let script = format!("<script>{id} += 1;</script>");
                self.node("scriptTask", &id, r#" scriptFormat="rhai""#, &script, 1);
            }
            Kind::End => {
                let thrown = match self.rng.below(12) {
                    0 => "<terminateEventDefinition/>",
                    1 | 2 if fails => r#"<errorEventDefinition errorRef="E"/>"#,
                    3 => r#"<escalationEventDefinition escalationRef="X"/>"#,
                    _plain => "",
                };
                self.node("endEvent", &id, "", thrown, 1);
            }
        }
    }

    fn write_gateway(&mut self, kind: &str, id: &str, default: &str, incoming: usize) {
        let mut attributes = default.to_owned();
        if self.rng.one_in(2) {
            attributes += &self.flags();
        }
        let mut inside = String::new();
        if kind == "complexGateway" {
            let enough = 1 + self.rng.below(incoming);
            let choices = self.model.choices.as_mut().expect("a graph has choices");
            choices.enough.insert(id.to_owned(), if incoming > 1 { enough } else { 1 });
            let text = format!("<activationCondition>${{activationCount &gt;= {enough}}}</activationCondition>");
            inside = if incoming > 1 { text } else { String::new() };
        }
        self.node(kind, id, &attributes, &inside, 1);
    }

    fn write_task(&mut self, id: &str, default: &str) {
        let mut attributes = format!("{default}{}", self.flags());
        match self.rng.below(20) {
            0 => write!(attributes, r#" completionQuantity="2""#).expect("a text"),
            1 => write!(attributes, r#" startQuantity="2""#).expect("a text"),
            _one => {}
        }
        match self.rng.below(8) {
            0 | 1 => self.service(id, &attributes, "", 1, Act::Complete),
            2 => {
                self.node("userTask", id, &attributes, "", 1);
                self.act(id, Act::Complete);
            }
            3..=5 => {
                let variable = format!("v{}", self.rng.below(VARIABLES));
                let script = format!("<script>{variable} = ({variable} + 1) % 3;</script>");
                self.node("scriptTask", id, &format!(r#"{attributes} scriptFormat="rhai""#), &script, 1);
            }
            6 => self.node("manualTask", id, &attributes, "", 1),
            _waits => {
                let message = self.message();
                self.node("receiveTask", id, &format!(r#"{attributes} messageRef="{message}""#), "", 1);
                self.model.delivered.push(id.to_owned());
            }
        }
    }

    /// An event that comes.
    fn write_catch(&mut self, id: &str) {
        let trigger = if self.rng.one_in(2) {
            self.timer(true)
        } else {
            self.model.delivered.push(id.to_owned());
            format!(r#"<messageEventDefinition messageRef="{}"/>"#, self.message())
        };
        self.node("intermediateCatchEvent", id, "", &trigger, 1);
    }

    fn write_boundary(&mut self, id: &str, graph: &Graph, host: usize) {
        let host_id = &graph.nodes[host].id;
        let interrupting = self.rng.one_in(2);
        let inside = graph.nodes[host].kind == Kind::SubProcess;
        let trigger = match self.rng.below(if inside { 5 } else { 3 }) {
            0 => {
                let soon = self.rng.one_in(2);
                self.timer(soon)
            }
            1 | 2 => {
                if self.rng.one_in(2) {
                    self.model.delivered.push(id.to_owned());
                }
                format!(r#"<messageEventDefinition messageRef="{}"/>"#, self.message())
            }
            _told => r#"<escalationEventDefinition escalationRef="X"/>"#.to_owned(),
        };
        let attributes = format!(r#" attachedToRef="{host_id}" cancelActivity="{interrupting}""#);
        self.node("boundaryEvent", id, &attributes, &trigger, 1);
    }

    /// With a graph inside, or a block of the structured kind; perhaps many at once.
    fn write_sub_process(&mut self, graph: &Graph, ix: usize, depth: usize, left: usize, default: &str) {
        let id = &graph.nodes[ix].id;
        let attributes = format!("{default}{}", self.flags());
        let visits = graph.visits()[ix] * graph.rounds();
        let (many, fails) = (self.rng.one_in(5), graph.catches(ix));
        let budget = left / visits.max(1) / if many { 2 } else { 1 };
        let looping = match many {
            true => {
                "<multiInstanceLoopCharacteristics><loopCardinality>2</loopCardinality></multiInstanceLoopCharacteristics>"
            }
            false => "",
        };
        let inside = if budget < VISITS_MIN || self.rng.one_in(4) {
            self.inside(|pen| pen.whole(1, 2))
        } else {
            self.inside(|pen| pen.graph(depth - 1, budget, fails))
        };
        self.node("subProcess", id, &attributes, &format!("{looping}{inside}"), 1);
    }

    fn write_flow(&mut self, graph: &Graph, flow: &Flow) {
        let Flow { id, from, to, test } = flow;
        let (from, to) = (&graph.nodes[*from].id, &graph.nodes[*to].id);
        let test = test
            .as_ref()
            .map_or(String::new(), |test| format!("<conditionExpression>{}</conditionExpression>", test.text()));
        write!(self.body(), r#"<sequenceFlow id="{id}" sourceRef="{from}" targetRef="{to}">{test}</sequenceFlow>"#)
            .expect("a text");
    }
}
