//! What inputs are made of: good ones to begin with, and words that readers know.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::need::suites;

/// Larger files make slow inputs and no new ones.
const SEED_BYTES_MAX: u64 = 32 * 1024;
const FILES_MAX: usize = 400;

pub(super) fn texts(all: &[&str]) -> Vec<Vec<u8>> {
    all.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn files(ending: &str) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    below(["processes", "tests/scenarios"].map(|folder| root.join(folder)).into(), ending)
}

/// Of the suites of others, which are read where they are and never copied.
pub(super) fn foreign(ending: &str) -> Vec<Vec<u8>> {
    below(vec![suites()], ending)
}

fn below(mut open: Vec<PathBuf>, ending: &str) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let (path, size) = (entry.path(), entry.metadata().map_or(u64::MAX, |told| told.len()));
            if path.is_dir() && !path.ends_with("node_modules") {
                open.push(path);
            } else if path.extension().is_some_and(|kind| kind == ending) && size < SEED_BYTES_MAX {
                found.push(path);
            }
        }
    }
    found.sort();
    found.truncate(FILES_MAX);
    found.iter().filter_map(|file| fs::read(file).ok()).collect()
}

pub(super) fn models() -> Vec<Vec<u8>> {
    let mut all = texts(&[NESTED, LOOPS]);
    all.extend(files("bpmn"));
    all
}

pub(super) fn decisions() -> Vec<Vec<u8>> {
    let mut all = texts(&[TABLE]);
    all.extend(files("dmn"));
    all
}

pub(super) const NESTED: &str = r#"<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" targetNamespace="t">
<message id="m" name="go"/><signal id="g" name="all"/><error id="e" errorCode="E"/>
<process id="p" isExecutable="true"><startEvent id="s"/><sequenceFlow id="f1" sourceRef="s" targetRef="fork"/><parallelGateway id="fork"/>
<sequenceFlow id="f2" sourceRef="fork" targetRef="sub"/><sequenceFlow id="f3" sourceRef="fork" targetRef="work"/>
<subProcess id="sub"><multiInstanceLoopCharacteristics camunda:collection="${list}" camunda:elementVariable="item"/>
<startEvent id="is"/><sequenceFlow id="if1" sourceRef="is" targetRef="ask"/><userTask id="ask" camunda:candidateGroups="crew"/>
<sequenceFlow id="if2" sourceRef="ask" targetRef="ie"/><endEvent id="ie"/></subProcess>
<boundaryEvent id="late" attachedToRef="sub" cancelActivity="false"><timerEventDefinition><timeCycle>R3/PT1H</timeCycle></timerEventDefinition></boundaryEvent>
<sequenceFlow id="f8" sourceRef="late" targetRef="e2"/><endEvent id="e2"/>
<serviceTask id="work" camunda:type="external" camunda:topic="t"/><boundaryEvent id="wrong" attachedToRef="work"><errorEventDefinition errorRef="e"/></boundaryEvent>
<sequenceFlow id="f9" sourceRef="wrong" targetRef="join"/><sequenceFlow id="f4" sourceRef="sub" targetRef="join"/><sequenceFlow id="f5" sourceRef="work" targetRef="told"/>
<intermediateCatchEvent id="told"><messageEventDefinition messageRef="m"/></intermediateCatchEvent><sequenceFlow id="f6" sourceRef="told" targetRef="join"/>
<inclusiveGateway id="join"/><sequenceFlow id="f7" sourceRef="join" targetRef="choice"/><exclusiveGateway id="choice" default="f11"/>
<sequenceFlow id="f10" sourceRef="choice" targetRef="script"><conditionExpression xsi:type="tFormalExpression">${n == 1}</conditionExpression></sequenceFlow>
<sequenceFlow id="f11" sourceRef="choice" targetRef="e1"/><scriptTask id="script" scriptFormat="rhai"><script>n + 1</script></scriptTask>
<sequenceFlow id="f12" sourceRef="script" targetRef="e1"/><endEvent id="e1"/></process></definitions>"#;

const LOOPS: &str = r#"<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" targetNamespace="t">
<signal id="g" name="all"/><escalation id="c" escalationCode="C"/>
<process id="q" isExecutable="true"><startEvent id="s"/><sequenceFlow id="f1" sourceRef="s" targetRef="x"/><exclusiveGateway id="x"/>
<sequenceFlow id="f2" sourceRef="x" targetRef="t"/><transaction id="t"><startEvent id="ts"/><sequenceFlow id="tf1" sourceRef="ts" targetRef="ta"/>
<userTask id="ta"/><sequenceFlow id="tf2" sourceRef="ta" targetRef="te"/><endEvent id="te"><cancelEventDefinition/></endEvent></transaction>
<boundaryEvent id="b" attachedToRef="t"><cancelEventDefinition/></boundaryEvent><sequenceFlow id="f3" sourceRef="b" targetRef="again"/>
<sequenceFlow id="f4" sourceRef="t" targetRef="e1"/><endEvent id="e1"><terminateEventDefinition/></endEvent>
<userTask id="again" camunda:asyncBefore="true"><standardLoopCharacteristics loopMaximum="2"/></userTask><sequenceFlow id="f5" sourceRef="again" targetRef="x"/>
<subProcess id="es" triggeredByEvent="true"><startEvent id="ess" isInterrupting="false"><signalEventDefinition signalRef="g"/></startEvent>
<sequenceFlow id="ef" sourceRef="ess" targetRef="ee"/><endEvent id="ee"><escalationEventDefinition escalationRef="c"/></endEvent></subProcess></process></definitions>"#;

const TABLE: &str = r##"<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id="g" name="G" namespace="urn:g">
<decision id="d" name="D"><variable name="d"/><decisionTable hitPolicy="COLLECT" aggregation="SUM"><input id="i"><inputExpression typeRef="number"><text>n</text></inputExpression></input>
<output id="o" name="out" typeRef="number"/><rule id="r1"><inputEntry><text>&gt; 2</text></inputEntry><outputEntry><text>n * 2</text></outputEntry></rule>
<rule id="r2"><inputEntry><text>[1..5]</text></inputEntry><outputEntry><text>1</text></outputEntry></rule></decisionTable></decision>
<decision id="b" name="B"><variable name="b"/><informationRequirement><requiredDecision href="#d"/></informationRequirement>
<literalExpression><text>if d > 1 then "a" else "b"</text></literalExpression></decision></definitions>"##;

pub(super) const EXPRESSIONS: &[&str] = &[
    "${n + 1}",
    "${n > 2 and yes}",
    "a ${text} b ${n}",
    "#{empty list ? 'a' : map.b.c[1].d}",
    "${execution.getVariable(\"n\") / 2}",
    "${list[0] % 2 == 1}",
    "${not yes || n lt 3}",
    "${text.substring(1).length()}",
    "n > 1 && text == \"abc\"",
    "list.len() + map.a",
    "${-n * (2 + x) div 3}",
    "if n > 1 { 2 } else { 3 }",
    "plain",
    "",
    "${dateTime()}",
    "${map['a']}",
    "${words.contains('a')}",
];

pub(super) const FEEL: &[&str] = &[
    "n + 1",
    "if n > 2 then \"a\" else \"b\"",
    "for i in [1,2,3] return i * n",
    "some i in list satisfies i > 2",
    "sum(list) / count(list)",
    "{a: n, b: {c: a + 1}}.b.c",
    "list[item > 1]",
    "n in [1..5]",
    "date(\"2026-01-31\") + duration(\"P1M\")",
    "matches(text, \"a(b|c)+\")",
    "replace(text, \"b\", \"$0$0\")",
    "sort(list, function(a, b) a < b)",
    "= with blank * 2",
    "substring(text, 2, 3)",
    "not(yes)",
    "string(n) + text",
    "every x in [1,2] satisfies x instance of number",
    "flatten([[1],[2,[3]]])",
];

pub(super) const SCRIPTS: &[&str] = &[
    "let a = n + 1; set_variable(\"m\", a); a * 2",
    "let s = \"\"; for i in 0..10 { s += i; } s",
    "fn f(x) { if x < 2 { 1 } else { f(x - 1) * x } } f(5)",
    "let l = []; for w in words { l.push(w + \"!\"); } l",
    "let m = #{a: 1, b: [1, 2]}; m.b[1] += n; m",
    "if n > 2 { throw bpmn_error(\"E\", \"no\") } else { 1 }",
    "n = n + 1; text = text + \"x\"; yes",
    "list.filter(|x| x > 1).map(|x| x * 2)",
    "switch text { \"abc\" => 1, _ => 2 }",
    "let x = 1; while x < 100 { x *= 2; } x",
    "try { map.zzz.y } catch(e) { \"caught\" }",
    "list.sort(); list.reverse(); list",
    "`a${n}b`",
    "text.sub_string(1, 2) + text.len()",
];

pub(super) const TIMES: &[&str] = &[
    "PT5M",
    "P1DT2H",
    "R3/PT10H",
    "R/PT10M",
    "R5/2026-11-22T08:00:00Z/PT1H",
    "R/PT1H/2027-01-01T00:00:00Z",
    "0 0 9 ? * MON-FRI",
    "0 0/5 * * * ?",
    "2026-11-22T08:00:00Z",
    "2026-11-22T08:00:00.000+0100",
    "2026-11-22T08:00:00[Europe/Berlin]",
    "2026-11-22",
    "P1Y2M3DT4H5M6.789S",
    "P2W",
    "-PT1H",
    "PT0S",
    "@daily",
    "0 0 0 L * ?",
    "0 0 0 29 2 ?",
    "P180D",
    "180",
];

pub(super) const PARCELS: &[&str] = &[
    r#"{"k":"catalog"}"#,
    r#"{"k":"command","instance":1,"command":"Suspend"}"#,
    r#"{"k":"start","definition":1,"create":{"variables":{},"business_key":null,"caller":null,"root":null,"depth":0,"starter":null,"at":[],"suspended":false}}"#,
    r#"{"k":"letter","letter":{"k":"message","name":"go","business_key":null,"variables":{},"from":1},"to":[{"waiting":{"instance":1,"subscription":1}}]}"#,
    r#"{"catalog":null}"#,
    r#""Catalog""#,
];

pub(super) const EVENTS: &[&str] = &[
    r#"[{"k":"flow-taken","flow":"f"},{"k":"instance-resumed"}]"#,
    r#"[{"k":"job-closed","token":1,"lease_no":1,"how":"completed"}]"#,
    r#"[{"k":"variable-set","scope":0,"name":"n","value":{"value":1}}]"#,
];
