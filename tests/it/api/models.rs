//! Models of these tests.

/// `fee` requires `base`, which asks for `n`.
pub(super) const DECISIONS: &str = r##"<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id="g" name="Graph" namespace="urn:g">
<decision id="base" name="Base"><variable name="base"/><literalExpression><text>n * 2</text></literalExpression></decision>
<decision id="fee" name="Fee"><variable name="fee"/><informationRequirement><requiredDecision href="#base"/></informationRequirement>
<literalExpression><text>base + 1</text></literalExpression></decision></definitions>"##;

fn model(key: &str, body: &str) -> String {
    format!(
        r#"<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" targetNamespace="t">
<message id="m" name="{key}-go"/>
<process id="{key}" name="Name of {key}" isExecutable="true">{body}</process></definitions>"#
    )
}

/// start > one task of this XML > end
fn line(key: &str, task: &str) -> String {
    let flows = r#"<startEvent id="start"/><sequenceFlow id="f1" sourceRef="start" targetRef="work"/>
<sequenceFlow id="f2" sourceRef="work" targetRef="end"/><endEvent id="end"/>"#;
    model(key, &format!("{flows}{task}"))
}

pub(super) fn user(key: &str) -> String {
    line(key, r#"<userTask id="work" name="Work" camunda:candidateGroups="crew"/>"#)
}

pub(super) fn external(key: &str) -> String {
    line(key, &format!(r#"<serviceTask id="work" camunda:type="external" camunda:topic="{key}"/>"#))
}

/// start > A > sub(start > B > inner(start > C > end) > end) > D > end, all but the sub-processes done by people.
pub(super) fn nested(key: &str) -> String {
    let line = |id: &str, inside: &[String]| {
        let names: Vec<String> = (0..=inside.len() + 1).map(|ix| format!("{id}_{ix}")).collect();
        let of = |node: &str| {
            node.split_once("id=\"").and_then(|(_, rest)| rest.split_once('"')).expect("an id").0.to_owned()
        };
        let mut ids = vec![format!("{id}_s")];
        ids.extend(inside.iter().map(|node| of(node)));
        ids.push(format!("{id}_e"));
        let flows = ids.windows(2).zip(names).map(|(pair, name)| {
            format!(r#"<sequenceFlow id="f_{name}" sourceRef="{}" targetRef="{}"/>"#, pair[0], pair[1])
        });
        format!(
            r#"<startEvent id="{id}_s"/>{}{}<endEvent id="{id}_e"/>"#,
            inside.concat(),
            flows.collect::<Vec<_>>().concat()
        )
    };
    let user = |id: &str| format!(r#"<userTask id="{id}" name="Do {id}"/>"#);
    let inner = format!(r#"<subProcess id="inner">{}</subProcess>"#, line("i", &[user("C")]));
    let sub = format!(r#"<subProcess id="sub">{}</subProcess>"#, line("u", &[user("B"), inner]));
    model(key, &line("p", &[user("A"), sub, user("D")]))
}

/// Calls another process.
pub(super) fn calling(key: &str, other: &str) -> String {
    line(key, &format!(r#"<callActivity id="work" calledElement="{other}"/>"#))
}

pub(super) fn receive(key: &str) -> String {
    line(key, r#"<receiveTask id="work" messageRef="m"/>"#)
}

/// A signal starts it.
pub(super) fn started_by_signal(key: &str) -> String {
    let start = r#"<startEvent id="start"><signalEventDefinition signalRef="told"/></startEvent>"#;
    user(key)
        .replace(r#"<startEvent id="start"/>"#, start)
        .replace("<process ", &format!("<signal id=\"told\" name=\"{key}-told\"/><process "))
}

/// Priorities of the process, one of a task of its own, and people who may start it.
pub(super) fn with_priorities(key: &str) -> String {
    let attributes = r#"camunda:taskPriority="${5 + 2}" camunda:jobPriority="3" camunda:candidateStarterUsers="ann" camunda:candidateStarterGroups="crew" isExecutable"#;
    external(key)
        .replace("isExecutable", attributes)
        .replace("camunda:topic", "camunda:asyncBefore=\"true\" camunda:topic")
}

/// The form is deployed beside it.
pub(super) fn form(key: &str) -> String {
    line(key, r#"<userTask id="work" camunda:formRef="ask" camunda:formRefBinding="latest"/>"#)
}

/// The expression names a variable that is not there.
pub(super) fn failing(key: &str) -> String {
    line(key, r#"<serviceTask id="work" camunda:expression="${missing + 1}"/>"#)
}

/// Asks a decision.
pub(super) fn deciding(key: &str, decision: &str) -> String {
    line(key, &format!(r#"<businessRuleTask id="work" camunda:decisionRef="{decision}" camunda:jobPriority="3"/>"#))
}

/// A timer far away.
pub(super) fn timer(key: &str) -> String {
    line(
        key,
        r#"<intermediateCatchEvent id="work"><timerEventDefinition><timeDuration>P1D</timeDuration></timerEventDefinition></intermediateCatchEvent>"#,
    )
}
