//! `cargo bench --bench size`: what a model costs by its size: deploying it, many flows into one join, long loops, deep
//! nesting. Printed is the time, the time over the size, its exponent, and the memory of a deployed model; nothing is asserted.

#[path = "../load/figure.rs"]
#[allow(dead_code, reason = "shared with other benchmarks")]
mod figure;

use std::fmt::Write;
use std::time::Instant;

use figure::{exponent, mib, resident};
use transhume::base::id::{DefinitionId, DeploymentId, InstanceId};
use transhume::base::time::Timestamp;
use transhume::engine::command::{Command, Create};
use transhume::engine::compile::{compile, no_resources};
use transhume::engine::definition::ProcessDefinition;
use transhume::engine::execute::Context;
use transhume::engine::instance::{Instance, InstanceState, Wait};

/// As the binary has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    if std::env::args().any(|word| word == "--help" || word == "-h") {
        println!("cargo bench --bench size    without words or settings");
        return;
    }
    println!("{:<44} {:>6} {:>12} {:>14}", "", "size", "ms", "us each");
    series("deploy: elements in a chain", &[250, 500, 1_000, 2_000], |size| {
        let xml = chain(size);
        let before = resident("self");
        let (held, ms) = timed(|| compile(xml.as_bytes(), &no_resources).expect("compiles"));
        let grown = mib(resident("self").saturating_sub(before));
        println!("{:<44} {size:>6} {grown:>10.1} MiB", "  memory of the compiled model, and of compiling it");
        drop(held);
        ms
    });
    for kind in ["inclusive", "parallel"] {
        let what = format!("{kind} join: parallel flows, one by one");
        series(&what, &[125, 250, 500, 1_000, 2_000, 4_000], |size| finished(&join(kind, size)));
    }
    series("loop: iterations", &[1_250, 2_500, 5_000, 10_000], |size| finished(&looped(size)));
    series("nesting: sub-processes", &[12, 25, 50, 100], |size| finished(&nested(size)));
    series("multi-instance: user tasks at once", &[125, 250, 500, 1_000], |size| finished(&many(size)));
}

/// Each size in turn, and the exponent of the time over it: at most 1.05 for what must be linear.
fn series(what: &str, sizes: &[usize], run: impl Fn(usize) -> f64) {
    let mut points = Vec::new();
    for size in sizes {
        let ms = run(*size);
        println!("{what:<44} {size:>6} {ms:>12.2} {:>14.2}", ms * 1_000.0 / *size as f64);
        points.push((*size as f64, ms));
    }
    println!("{what:<44} exponent {:.2}", exponent(&points));
}

/// Milliseconds from the start of an instance to its end.
fn finished(xml: &str) -> f64 {
    let mut run = Run::of(xml);
    timed(|| run.finish()).1
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let begun = Instant::now();
    let done = work();
    (done, begun.elapsed().as_secs_f64() * 1_000.0)
}

fn within(body: &str) -> String {
    format!(
        r#"<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" targetNamespace="size"><process id="p" isExecutable="true">{body}</process></definitions>"#
    )
}

/// Start, tasks and exclusive gateways by turns, end.
fn chain(size: usize) -> String {
    let mut body = String::from(r#"<startEvent id="e0"/>"#);
    for ix in 1..size - 1 {
        let kind = if ix % 5 == 0 { "exclusiveGateway" } else { "userTask" };
        write!(body, r#"<{kind} id="e{ix}"/><sequenceFlow id="f{ix}" sourceRef="e{}" targetRef="e{ix}"/>"#, ix - 1)
            .expect("a text");
    }
    let last = size - 1;
    write!(
        body,
        r#"<endEvent id="e{last}"/><sequenceFlow id="f{last}" sourceRef="e{}" targetRef="e{last}"/>"#,
        last - 1
    )
    .expect("a text");
    within(&body)
}

fn join(kind: &str, size: usize) -> String {
    let mut body = format!(
        r#"<startEvent id="s"/><sequenceFlow id="f" sourceRef="s" targetRef="fork"/><parallelGateway id="fork"/><{kind}Gateway id="join"/>"#,
    );
    for ix in 0..size {
        write!(
            body,
            r#"<sequenceFlow id="a{ix}" sourceRef="fork" targetRef="t{ix}"/><userTask id="t{ix}"/><sequenceFlow id="b{ix}" sourceRef="t{ix}" targetRef="join"/>"#
        )
        .expect("a text");
    }
    body += r#"<sequenceFlow id="g" sourceRef="join" targetRef="e"/><endEvent id="e"/>"#;
    within(&body)
}

fn looped(size: usize) -> String {
    within(&format!(
        r#"<startEvent id="s"/><sequenceFlow id="f1" sourceRef="s" targetRef="m"/><exclusiveGateway id="m"/>
        <sequenceFlow id="f2" sourceRef="m" targetRef="c"/><scriptTask id="c" scriptFormat="rhai"><script>n += 1</script></scriptTask>
        <sequenceFlow id="f3" sourceRef="c" targetRef="x"/><exclusiveGateway id="x" default="f5"/>
        <sequenceFlow id="f4" sourceRef="x" targetRef="m"><conditionExpression>${{n &lt; {size}}}</conditionExpression></sequenceFlow>
        <sequenceFlow id="f5" sourceRef="x" targetRef="e"/><endEvent id="e"/>"#
    ))
}

fn nested(size: usize) -> String {
    let depth = size;
    let mut body =
        String::from(r#"<startEvent id="s"/><sequenceFlow id="f" sourceRef="s" targetRef="t"/><userTask id="t"/>"#);
    for ix in 0..depth {
        body = format!(
            r#"<startEvent id="s{ix}"/><sequenceFlow id="f{ix}" sourceRef="s{ix}" targetRef="sub{ix}"/><subProcess id="sub{ix}">{body}</subProcess>"#
        );
    }
    within(&body)
}

fn many(size: usize) -> String {
    within(&format!(
        r#"<startEvent id="s"/><sequenceFlow id="f" sourceRef="s" targetRef="t"/>
        <userTask id="t"><multiInstanceLoopCharacteristics><loopCardinality>{size}</loopCardinality></multiInstanceLoopCharacteristics></userTask>"#
    ))
}

/// One instance, driven without a database.
struct Run {
    instance: Instance,
    next: i64,
}

impl Run {
    fn of(xml: &str) -> Self {
        let compiled = compile(xml.as_bytes(), &no_resources).unwrap_or_else(|found| panic!("{found:?}"));
        let process = std::sync::Arc::clone(&compiled.processes[0]);
        let definition = ProcessDefinition {
            id: DefinitionId(1),
            tenant: String::new(),
            key: process.id.to_string(),
            version: 1,
            deployment: DeploymentId(1),
            resource: "size.bpmn".into(),
            process,
        };
        Self { instance: Instance::new(InstanceId(7), std::sync::Arc::new(definition), Timestamp(1)), next: 8 }
    }

    fn execute(&mut self, command: Command) {
        let next = &mut self.next;
        let mut new_id = || {
            *next += 1;
            InstanceId(*next)
        };
        let mut cx = Context { now: Timestamp(1), new_id: &mut new_id, user: None };
        transhume::engine::execute(&mut self.instance, command, &mut cx).expect("accepted");
        while self.instance.head.continues {
            let next = &mut self.next;
            let mut new_id = || {
                *next += 1;
                InstanceId(*next)
            };
            let mut cx = Context { now: Timestamp(1), new_id: &mut new_id, user: None };
            transhume::engine::execute(&mut self.instance, Command::Continue, &mut cx).expect("accepted");
        }
        // As after a commit.
        self.instance.dirty.clear();
        self.instance.closed.clear();
    }

    /// Creates the instance and completes its user tasks, the oldest first.
    fn finish(&mut self) {
        let variables = transhume::base::variable::from_json(serde_json::json!({ "n": 0 }));
        self.execute(Command::CreateInstance(Box::new(Create { variables, ..Create::default() })));
        let waiting: Vec<_> = self
            .instance
            .tokens()
            .filter(|(_, _, token)| matches!(token.wait, Wait::UserTask(_)))
            .map(|(_, id, _)| id)
            .collect();
        for token in waiting {
            self.execute(Command::CompleteUserTask { token, variables: Default::default() });
        }
        assert_eq!(self.instance.head.state, InstanceState::Completed, "it comes to its end");
    }
}
