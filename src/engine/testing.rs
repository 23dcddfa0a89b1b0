//! Test support: a process in a line, commands in a line, and what must have happened in a line.
//!
//! ```text
//! start > A:user {late: timer PT1H > B:user > e2:end} > end     a path; `name:kind words`, boundary events in braces
//! xor[a: x > 1 > A:user | B:user] > C:user                      a split by conditions, its last arm the default; `and`, `or`, `race`
//! sub(s > A:user)                                                a sub-process
//! ```
//!
//! The trace names elements as tokens enter them: `A*` rests there, `A!` has an incident, `A-` was cancelled, `j/` entered a join
//! that split the name before it, `.completed` the end of the instance.

use crate::base::id::{DefinitionId, DeploymentId, InstanceId, LocalId, TokenId};
use crate::base::time::{Timestamp, parse_span, span_ms};
use crate::base::variable::{Variables, from_json};
use crate::engine::command::{CallResult, Command, Create, Failure, Rejection};
use crate::engine::compile::{compile, no_resources};
use crate::engine::definition::ProcessDefinition;
use crate::engine::document;
use crate::engine::event::Event;
use crate::engine::execute::{Context, Outcome, execute};
use crate::engine::instance::{Instance, Trigger, Wait};
use crate::engine::job::Claim;
use std::sync::Arc;

/// Runs `commands` on the process `picture` and compares the trace.
pub(crate) fn check(picture: &str, commands: &str, trace: &str) {
    check_xml(&draw(picture), commands, trace);
}

/// As `check`, on a process written out.
pub(crate) fn check_xml(xml: &str, commands: &str, trace: &str) {
    let mut world = World::new(xml);
    for command in commands.split(';').map(str::trim).filter(|command| !command.is_empty()) {
        world.perform(command);
    }
    assert_eq!(world.trace.join(" "), trace, "{commands}\n{xml}");
}

pub(crate) fn definition(xml: &str) -> Arc<ProcessDefinition> {
    let compiled = compile(xml.as_bytes(), &no_resources).unwrap_or_else(|found| panic!("{found:#?}\n{xml}"));
    let process = Arc::clone(&compiled.processes[0]);
    Arc::new(ProcessDefinition {
        id: DefinitionId(1),
        tenant: String::new(),
        key: process.id.to_string(),
        version: 1,
        deployment: DeploymentId(1),
        resource: "test.bpmn".into(),
        process,
    })
}

struct World {
    instance: Instance,
    now: Timestamp,
    trace: Vec<String>,
    next_id: i64,
}

impl World {
    fn new(xml: &str) -> Self {
        let now = Timestamp(1_000_000);
        Self { instance: Instance::new(InstanceId(7), definition(xml), now), now, trace: Vec::new(), next_id: 100 }
    }

    fn execute(&mut self, command: Command) -> Result<Outcome, Rejection> {
        let mut next_id = self.next_id;
        let mut new_id = || {
            next_id += 1;
            InstanceId(next_id)
        };
        let mut cx = Context { now: self.now, new_id: &mut new_id, user: None };
        let outcome = execute(&mut self.instance, command, &mut cx)?;
        self.next_id = next_id;
        self.reload();
        self.note(&outcome.events);
        Ok(outcome)
    }

    /// Every step goes through the stored form, so that what is not stored is found missing.
    fn reload(&mut self) {
        if self.instance.head.state.is_ended() {
            return;
        }
        let scopes: Vec<_> = self
            .instance
            .scopes
            .keys()
            .filter(|id| id.0 != 0)
            .map(|id| (*id, document::encode_scope(&self.instance, *id)))
            .collect();
        let body = document::encode_root(&self.instance);
        let again = document::decode(self.instance.id(), &body, &scopes, Arc::clone(&self.instance.definition));
        let again = again.expect("the stored form is read back");
        assert_eq!(again.scopes, self.instance.scopes, "the stored form is the whole state");
        self.instance = again;
    }

    fn note(&mut self, events: &[Event]) {
        let process = Arc::clone(&self.instance.definition.process);
        for event in events {
            match event {
                Event::TokenEntered { token, at, .. } => {
                    let node = process.find(at).expect("known");
                    let join = process.node(node).incoming.len() > 1 && at.contains('/');
                    let mark = match self.instance.find(*token).map(|(_, token)| &token.wait) {
                        Some(Wait::Incident(_) | Wait::Join | Wait::Nothing) | None => "",
                        Some(_) if join => "",
                        Some(_) => "*",
                    };
                    self.trace.push(format!("{at}{mark}"));
                    if matches!(self.instance.find(*token).map(|(_, token)| &token.wait), Some(Wait::Incident(_))) {
                        self.trace.pop();
                    }
                }
                Event::IncidentRaised { at, .. } => self.trace.push(format!("{at}!")),
                Event::IncidentResolved { token, at, .. } => {
                    let waits = self.instance.find(*token).is_some_and(|(_, t)| !matches!(t.wait, Wait::Nothing));
                    self.trace.push(format!("{at}{}", if waits { "*" } else { "" }));
                }
                Event::TokenCancelled { at, .. } => self.trace.push(format!("{at}-")),
                Event::InstanceEnded { state } => self.trace.push(format!(".{}", format!("{state:?}").to_lowercase())),
                _other => {}
            }
        }
    }

    fn perform(&mut self, line: &str) {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let (words, data) = match rest.find('{') {
            Some(at) => (rest[..at].trim(), variables(&rest[at..])),
            None => (rest.trim(), Variables::new()),
        };
        let mut words = words.split(' ');
        let first = words.next().unwrap_or_default().to_owned();
        let second = words.next().unwrap_or_default().to_owned();
        match verb {
            "start" => {
                let create = Create { variables: data, ..Create::default() };
                self.execute(Command::CreateInstance(Box::new(create))).expect("it starts");
            }
            "complete" => self.complete(&first, data),
            "fail" => {
                let (token, claim) = self.leased(&first);
                let retries = second.parse().ok();
                let failure = Failure {
                    message: "failed".into(),
                    details: None,
                    retries,
                    after_ms: None,
                    by_handler: false,
                    unknown_outcome: false,
                };
                self.execute(Command::FailJob { token, claim, failure }).expect("it fails");
            }
            "error" => {
                let (token, claim) = self.leased(&first);
                let command =
                    Command::ThrowError { token, claim: Some(claim), code: second, message: None, variables: data };
                self.execute(command).expect("it throws");
            }
            "retry" => {
                let token = self.token_at(&first);
                self.execute(Command::ResolveIncident { token }).expect("it is retried");
            }
            "set" => {
                self.execute(Command::SetVariables { scope: None, set: data, remove: Vec::new() }).expect("it is set");
            }
            "message" => self.message(&first, data),
            "advance" => self.advance(&first),
            "returned" => {
                let token = self.token_at(&first);
                let called = match self.instance.find(token).map(|(_, token)| &token.wait) {
                    Some(Wait::Called(called)) => *called,
                    other => panic!("{first} calls nothing: {other:?}"),
                };
                self.execute(Command::CalledInstanceEnded { token, called, result: CallResult::Completed(data) })
                    .expect("it returns");
            }
            "suspend" => {
                self.execute(Command::Suspend).expect("it is suspended");
            }
            "resume" => {
                self.execute(Command::Resume).expect("it is resumed");
            }
            "cancel" => {
                self.execute(Command::Cancel { reason: None }).expect("it is cancelled");
            }
            other => panic!("no such command: {other}"),
        }
    }

    fn complete(&mut self, element: &str, data: Variables) {
        let token = self.token_at(element);
        if matches!(self.instance.find(token).map(|(_, token)| &token.wait), Some(Wait::UserTask(_))) {
            self.execute(Command::CompleteUserTask { token, variables: data }).expect("it completes");
        } else {
            let (token, claim) = self.leased(element);
            self.execute(Command::CompleteJob {
                token,
                claim,
                variables: data,
                local: Variables::new(),
                decisions: Vec::new(),
            })
            .expect("it completes");
        }
    }

    fn leased(&mut self, element: &str) -> (TokenId, Claim) {
        let token = self.token_at(element);
        let until = self.now.plus_ms(60_000);
        let answer =
            self.execute(Command::LeaseJob { token, holder: "tester".into(), until }).expect("it is leased").answer;
        (token, Claim { holder: "tester".into(), lease_no: answer.lease_no })
    }

    fn token_at(&self, element: &str) -> TokenId {
        let process = &self.instance.definition.process;
        let waits = |wait: &Wait| !matches!(wait, Wait::Nothing | Wait::Join | Wait::Scope(_));
        let at = self
            .instance
            .tokens()
            .find(|(_, _, token)| process.node(token.at).id.as_str() == element && waits(&token.wait));
        at.map(|(_, id, _)| id).unwrap_or_else(|| panic!("nothing waits at {element}"))
    }

    fn message(&mut self, name: &str, data: Variables) {
        let found: Option<LocalId> = self.instance.scopes.values().find_map(|scope| {
            let armed =
                scope.subscriptions.iter().find(|(_, s)| s.trigger == Trigger::Message { name: name.to_owned() });
            armed.map(|(id, _)| *id)
        });
        if let Some(subscription) = found {
            let command = Command::DeliverMessage {
                subscription,
                name: name.to_owned(),
                variables: data,
                local: Variables::new(),
            };
            self.execute(command).expect("it is delivered");
        }
    }

    fn advance(&mut self, span: &str) {
        let until = self.now.plus_ms(span_ms(&parse_span(span).expect("a span")).expect("exact"));
        loop {
            let due = self.instance.scopes.values().flat_map(|scope| scope.subscriptions.iter()).filter_map(
                |(id, s)| match &s.trigger {
                    Trigger::Timer { due, .. } if *due <= until => Some((*due, *id)),
                    _later_or_no_timer => None,
                },
            );
            let Some((due, subscription)) = due.min() else {
                break;
            };
            self.now = self.now.max(due);
            self.execute(Command::FireTimer { subscription, due: Some(due) }).expect("it fires");
        }
        self.now = until;
    }
}

fn variables(text: &str) -> Variables {
    let quoted: String = text.replace('{', "{\"").replace(": ", "\": ").replace(", ", ", \"").replace("{\"}", "{}");
    from_json(serde_json::from_str(&quoted).unwrap_or_else(|e| panic!("{text}: {e}")))
}

/// The XML of a picture.
pub(crate) fn draw(picture: &str) -> String {
    let mut pen = Pen { rest: picture, nodes: String::new(), globals: String::new(), flows: 0, joins: 0 };
    pen.path(None);
    assert!(pen.rest.trim().is_empty(), "not understood: {}", pen.rest);
    document(&pen.globals, &pen.nodes)
}

/// A process with these elements.
pub(crate) fn within(elements: &str) -> String {
    document("", elements)
}

fn document(globals: &str, elements: &str) -> String {
    format!(
        r#"<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" targetNamespace="test">{globals}<process id="p" isExecutable="true">{elements}</process></definitions>"#
    )
}

struct Pen<'t> {
    rest: &'t str,
    nodes: String,
    globals: String,
    flows: usize,
    joins: usize,
}

impl Pen<'_> {
    /// `a > b > c`; gives the last node, if a flow may go on from it.
    fn path(&mut self, mut from: Option<String>) -> Option<String> {
        let mut condition = None;
        loop {
            let (first, last) = self.node();
            if let Some(from) = from {
                self.connect(&from, &first, condition.take());
            }
            from = last;
            if !self.eat(">") {
                return from;
            }
        }
    }

    fn connect(&mut self, from: &str, to: &str, condition: Option<String>) -> String {
        self.flows += 1;
        let id = format!("f{}", self.flows);
        let condition = condition
            .map(|text| {
                format!(
                    "<conditionExpression xsi:type=\"tFormalExpression\">${{{}}}</conditionExpression>",
                    text.replace('<', "&lt;").replace('>', "&gt;")
                )
            })
            .unwrap_or_default();
        self.nodes +=
            &format!(r#"<sequenceFlow id="{id}" sourceRef="{from}" targetRef="{to}">{condition}</sequenceFlow>"#);
        id
    }

    /// One node, or a block; its first and last node.
    fn node(&mut self) -> (String, Option<String>) {
        self.rest = self.rest.trim_start();
        let end = self.rest.find([':', ' ', '[', '(', '|', ']', ')', '}', '{']).unwrap_or(self.rest.len());
        let name = self.rest[..end].to_owned();
        self.rest = &self.rest[end..];
        if self.rest.starts_with('[') {
            return self.split(&name);
        }
        if self.rest.starts_with('(') {
            self.rest = &self.rest[1..];
            let outside = std::mem::take(&mut self.nodes);
            self.path(None);
            assert!(self.eat(")"), "a sub-process ends with )");
            let inside = std::mem::replace(&mut self.nodes, outside);
            self.nodes += &format!(r#"<subProcess id="{name}">{inside}</subProcess>"#);
            return (name.clone(), Some(name));
        }
        let words = if self.rest.starts_with(':') {
            let end = self.rest.find([' ', '{', '|', ']', ')', '}']).unwrap_or(self.rest.len());
            let kind = self.rest[1..end].to_owned();
            self.rest = &self.rest[end..];
            let takes_words = matches!(kind.as_str(), "timer" | "message" | "receive" | "script" | "call");
            let end = if takes_words { earliest(self.rest, &[" >", " {", " |", "]"]) } else { 0 };
            let words = self.rest[..end].trim().to_owned();
            self.rest = &self.rest[end..];
            (kind, words)
        } else {
            (name.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned(), String::new())
        };
        let open = self.draw_node(&name, &words.0, &words.1);
        self.boundaries(&name);
        (name.clone(), open.then_some(name))
    }

    fn draw_node(&mut self, id: &str, kind: &str, words: &str) -> bool {
        let (element, attributes, inside) = match kind {
            "start" | "s" => ("startEvent", String::new(), String::new()),
            "end" => ("endEvent", String::new(), String::new()),
            "terminate" => ("endEvent", String::new(), "<terminateEventDefinition/>".into()),
            "error" => ("endEvent", String::new(), "<errorEventDefinition/>".into()),
            "throw" => ("intermediateThrowEvent", String::new(), String::new()),
            "user" => ("userTask", String::new(), String::new()),
            "task" => ("task", String::new(), String::new()),
            "manual" => ("manualTask", String::new(), String::new()),
            "rule" => ("businessRuleTask", r#" camunda:decisionRef="d""#.into(), String::new()),
            "service" => ("serviceTask", r#" camunda:type="external" camunda:topic="work""#.into(), String::new()),
            "send" => ("sendTask", r#" camunda:type="external" camunda:topic="work""#.into(), String::new()),
            "call" => ("callActivity", format!(r#" calledElement="{words}""#), String::new()),
            "script" => ("scriptTask", r#" scriptFormat="rhai""#.into(), format!("<script>{words}</script>")),
            "receive" => ("receiveTask", format!(r#" messageRef="{}""#, self.global("message", words)), String::new()),
            "timer" | "message" => ("intermediateCatchEvent", String::new(), self.trigger(kind, words)),
            other => panic!("no such kind: {other}"),
        };
        self.nodes += &format!(r#"<{element} id="{id}"{attributes}>{inside}</{element}>"#);
        element != "endEvent"
    }

    fn trigger(&mut self, kind: &str, words: &str) -> String {
        match kind {
            "timer" => format!("<timerEventDefinition><timeDuration>{words}</timeDuration></timerEventDefinition>"),
            "message" => format!(r#"<messageEventDefinition messageRef="{}"/>"#, self.global("message", words)),
            "error" => format!(r#"<errorEventDefinition errorRef="{}"/>"#, self.global("error", words)),
            other => panic!("no such trigger: {other}"),
        }
    }

    fn global(&mut self, kind: &str, name: &str) -> String {
        let id = format!("{kind}-{name}");
        let facts = if kind == "error" { format!(r#"errorCode="{name}""#) } else { format!(r#"name="{name}""#) };
        if !self.globals.contains(&format!(r#"id="{id}""#)) {
            self.globals += &format!(r#"<{kind} id="{id}" {facts}/>"#);
        }
        id
    }

    /// `{late: timer PT1H > B:user | oops: error E1 > …}` behind an activity; `+` does not interrupt.
    fn boundaries(&mut self, host: &str) {
        if !self.eat("{") {
            return;
        }
        loop {
            self.rest = self.rest.trim_start();
            let (id, rest) = self.rest.split_once(": ").expect("an event's name");
            let (words, rest) = rest.split_once(" > ").expect("an event leads on");
            self.rest = rest;
            let (plus, words) = (words.starts_with('+'), words.trim_start_matches('+'));
            let (kind, words) = words.split_once(' ').expect("a kind and its words");
            let trigger = self.trigger(kind, words);
            self.nodes += &format!(
                r#"<boundaryEvent id="{id}" attachedToRef="{host}" cancelActivity="{}">{trigger}</boundaryEvent>"#,
                !plus
            );
            self.path(Some(id.to_owned()));
            if self.eat("}") {
                return;
            }
            assert!(self.eat("|"), "boundary events are parted by |");
        }
    }

    fn split(&mut self, name: &str) -> (String, Option<String>) {
        self.rest = &self.rest[1..];
        let element = match name.trim_end_matches(|c: char| c.is_ascii_digit()) {
            "xor" => "exclusiveGateway",
            "and" => "parallelGateway",
            "or" => "inclusiveGateway",
            "race" => "eventBasedGateway",
            other => panic!("no such gateway: {other}"),
        };
        let (mut ends, mut default) = (Vec::new(), None);
        loop {
            let condition = self.condition(element);
            let (first, last) = self.node();
            let id = self.connect(name, &first, condition.clone());
            if condition.is_none() && matches!(element, "exclusiveGateway" | "inclusiveGateway") {
                default = Some(id);
            }
            let last = if self.eat(">") { self.path(last) } else { last };
            ends.extend(last);
            if self.eat("]") {
                break;
            }
            assert!(self.eat("|"), "arms are parted by |: {}", self.rest);
        }
        let default = default.map(|id| format!(r#" default="{id}""#)).unwrap_or_default();
        self.nodes += &format!(r#"<{element} id="{name}"{default}/>"#);
        if ends.is_empty() {
            return (name.to_owned(), None);
        }
        self.joins += 1;
        let join = format!("{name}/");
        let element = if element == "eventBasedGateway" { "exclusiveGateway" } else { element };
        self.nodes += &format!(r#"<{element} id="{join}"/>"#);
        for end in ends {
            self.connect(&end, &join, None);
        }
        (name.to_owned(), Some(join))
    }

    /// `a: x > 1 > …` in front of an arm.
    fn condition(&mut self, element: &str) -> Option<String> {
        if !matches!(element, "exclusiveGateway" | "inclusiveGateway") {
            return None;
        }
        let rest = self.rest.trim_start();
        let (_, words) = rest.split_once(": ").filter(|(name, _)| name.chars().all(char::is_alphanumeric))?;
        let end = condition_end(words);
        self.rest = &words[end..];
        Some(words[..end - 3].to_owned())
    }

    fn eat(&mut self, mark: &str) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(mark) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
}

fn earliest(text: &str, marks: &[&str]) -> usize {
    marks.iter().filter_map(|mark| text.find(mark)).min().unwrap_or(text.len())
}

/// Behind the first ` > ` that a node follows, not a number.
fn condition_end(text: &str) -> usize {
    let starts_node = |rest: &str| {
        let name = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
        name > 0 && rest[name..].starts_with([':', '[', '('])
    };
    let ends = text.match_indices(" > ").map(|(at, mark)| at + mark.len());
    ends.filter(|at| starts_node(&text[*at..])).min().expect("a condition leads to a node")
}
