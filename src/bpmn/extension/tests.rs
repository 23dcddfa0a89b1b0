//! The vocabulary on small models, under every namespace that writes it.

use super::*;
use crate::base::diagnostic::{Findings, Severity};
use crate::xml::Document;

fn model(namespace: &str, body: &str) -> Document {
    let text = format!(
        "<b:definitions xmlns:b=\"{}\" xmlns:x=\"{namespace}\" xmlns:fox=\"{}\">\n{body}\n</b:definitions>",
        names::BPMN,
        names::FOX
    );
    Document::parse(text.as_bytes()).expect("a well-formed model")
}

fn first<'d>(document: &'d Document, local: &str) -> ElementRef<'d> {
    document.elements().find(|element| element.is(names::BPMN, local)).expect("the element is in the model")
}

fn findings(body: &str) -> Vec<(Severity, u32, Option<String>, String)> {
    let document = model(names::CAMUNDA, body);
    let mut found = Findings::default();
    check_vocabulary(document.root(), &mut found);
    found.list.into_iter().map(|one| (one.severity, one.at.line, one.element, one.message)).collect()
}

#[test]
fn four_namespaces_are_one_vocabulary() {
    for namespace in VOCABULARY {
        let document = model(
            namespace,
            "<b:userTask id='t' x:assignee='ada'><b:extensionElements><x:properties><x:property name='a' value='1'/>\
             </x:properties><fox:failedJobRetryTimeCycle>R3/PT1M</fox:failedJobRetryTimeCycle><fox:properties/>\
             </b:extensionElements></b:userTask>",
        );
        let task = first(&document, "userTask");
        assert_eq!(attribute(task, "assignee"), Some("ada"));
        assert_eq!(properties(task), [("a".to_owned(), "1".to_owned())]);
        assert_eq!(
            child(task, "failedJobRetryTimeCycle").map(|cycle| cycle.text().into_owned()).as_deref(),
            Some("R3/PT1M")
        );
        assert_eq!(children(task, "properties").count(), 1, "fox has no properties");
    }
    let document = model("urn:other", "<b:userTask x:assignee='ada' assignee='eve'/>");
    assert_eq!(attribute(first(&document, "userTask"), "assignee"), None);
}

#[test]
fn parameters_hold_text_scripts_lists_and_maps() {
    let document = model(
        names::CAMUNDA,
        "<b:serviceTask><b:extensionElements><x:inputOutput>\
         <x:inputParameter name='text'> ${a} </x:inputParameter>\
         <x:inputParameter name='nothing'/>\
         <x:inputParameter name='script'><x:script scriptFormat='rhai'> 1 + 1</x:script></x:inputParameter>\
         <x:inputParameter name='file'><x:script scriptFormat='rhai' resource='deployment://a.rhai'/></x:inputParameter>\
         <x:inputParameter name='list'><x:list><x:value>a</x:value><x:map><x:entry key='k'>v</x:entry></x:map></x:list></x:inputParameter>\
         <x:inputParameter name='map'><x:map><x:entry key='l'><x:list/></x:entry><x:entry key='t'>u</x:entry></x:map></x:inputParameter>\
         <x:outputParameter name='out'>${b}</x:outputParameter>\
         </x:inputOutput></b:extensionElements></b:serviceTask>",
    );
    let mapping = input_output(first(&document, "serviceTask")).expect("there are mappings");
    let text = |text: &str| ParameterValue::Text(text.to_owned());
    let script = |text: &str, resource: Option<&str>| ParameterValue::Script {
        format: "rhai".to_owned(),
        text: text.to_owned(),
        resource: resource.map(str::to_owned),
    };
    let expected = [
        ("text", text("${a}")),
        ("nothing", text("")),
        ("script", script(" 1 + 1", None)),
        ("file", script("", Some("deployment://a.rhai"))),
        ("list", ParameterValue::List(vec![text("a"), ParameterValue::Map(vec![("k".to_owned(), text("v"))])])),
        ("map", ParameterValue::Map(vec![("l".to_owned(), ParameterValue::List(vec![])), ("t".to_owned(), text("u"))])),
    ];
    assert_eq!(mapping.inputs.len(), expected.len());
    for (parameter, (name, value)) in mapping.inputs.iter().zip(expected) {
        assert_eq!((parameter.name.as_str(), &parameter.value), (name, &value));
    }
    assert_eq!(mapping.outputs[0].name, "out");
    assert_eq!(input_output(document.root()), None);
}

#[test]
fn data_goes_in_and_out_of_a_call() {
    let document = model(
        names::CAMUNDA,
        "<b:callActivity><b:extensionElements>\
         <x:in source='a' target='b'/><x:in sourceExpression='${c}' target='d' local='true'/><x:in variables='all'/>\
         <x:in businessKey='#{k}'/><x:out source='r' target='s'/>\
         </b:extensionElements></b:callActivity>",
    );
    let (ins, outs) = in_out_mappings(first(&document, "callActivity"));
    assert_eq!(ins.len(), 4);
    assert_eq!((ins[0].source.as_deref(), ins[0].target.as_deref()), (Some("a"), Some("b")));
    assert_eq!((ins[1].source_expression.as_deref(), ins[1].local), (Some("${c}"), true));
    assert!(ins[2].all && !ins[0].all);
    assert_eq!(ins[3].business_key.as_deref(), Some("#{k}"));
    assert_eq!(outs[0].source.as_deref(), Some("r"));
}

#[test]
fn what_does_not_run_is_reported_where_it_stands() {
    let found = findings(
        "<b:serviceTask id='java' name='n'\n x:class='com.A'/>\n\
         <b:throwEvent id='thrown'><b:messageEventDefinition x:delegateExpression='${a}'/></b:throwEvent>\n\
         <b:userTask id='form' x:formHandlerClass='A'><b:extensionElements>\n<x:connector/>\n<x:formProperty/>\
         </b:extensionElements></b:userTask>\n\
         <b:serviceTask id='mail' x:type='mail'/>",
    );
    let seen: Vec<_> = found.iter().map(|(severity, line, id, _)| (*severity, *line, id.as_deref())).collect();
    let (error, warning) = (Severity::Error, Severity::Warning);
    assert_eq!(
        seen,
        [
            (error, 3, Some("java")),
            (error, 4, Some("thrown")),
            (error, 5, Some("form")),
            (error, 6, Some("form")),
            (warning, 7, Some("form")),
            (error, 8, Some("mail")),
        ]
    );
    assert_eq!(
        found[0].3,
        "the attribute \"class\" of <serviceTask> is refused: Java does not run here: use camunda:type=\"external\" with a \
         topic, or camunda:expression"
    );
}

#[test]
fn what_runs_and_what_is_unknown_is_silent() {
    let found = findings(
        "<b:process id='p' x:historyTimeToLive='P30D' x:versionTag='1'><b:serviceTask id='t' x:type='external' x:topic='a' \
         x:modelerTemplate='m' x:somethingElse='1' x:asyncBefore='true'><b:extensionElements><x:unknown/>\
         <x:properties><x:property name='transhume.policy' value='retry'/></x:properties></b:extensionElements></b:serviceTask>\
         <b:scriptTask id='s' x:resultVariable='r' x:class='ignored here'/></b:process>",
    );
    assert_eq!(found, []);
}

#[test]
fn slips_in_settings_and_parameters_are_found() {
    let found = findings(
        "<b:serviceTask id='t'><b:extensionElements><x:properties><x:property name='transhume.polcy' value='retry'/></x:properties>\
         <x:inputOutput><x:inputParameter>a</x:inputParameter>\
         <x:inputParameter name='m'><x:map><x:entry>b</x:entry></x:map></x:inputParameter></x:inputOutput>\
         </b:extensionElements></b:serviceTask>",
    );
    let messages: Vec<_> = found.iter().map(|(severity, _, _, message)| (*severity, message.as_str())).collect();
    assert_eq!(messages.len(), 3);
    assert!(messages[0].0 == Severity::Warning && messages[0].1.contains("transhume.polcy"));
    assert_eq!(messages[1], (Severity::Error, "<inputParameter> needs a name: the variable that it sets"));
    assert_eq!(messages[2], (Severity::Error, "<entry> of a map needs a key"));
}

/// The rows of the published table, one sample each.
#[test]
fn verdicts_follow_the_table() {
    let supported = [
        ("process", "candidateStarterUsers"),
        ("startEvent", "initiator"),
        ("startEvent", "formKey"),
        ("userTask", "formRef"),
        ("userTask", "followUpDate"),
        ("sendTask", "topic"),
        ("messageEventDefinition", "expression"),
        ("businessRuleTask", "mapDecisionResult"),
        ("scriptTask", "resource"),
        ("callActivity", "calledElementVersionTag"),
        ("signalEventDefinition", "async"),
        ("intermediateCatchEvent", "asyncAfter"),
        ("multiInstanceLoopCharacteristics", "elementVariable"),
        ("error", "errorMessage"),
        ("errorEventDefinition", "errorCodeVariable"),
        ("escalationEventDefinition", "escalationCodeVariable"),
        ("conditionExpression", "resource"),
        ("conditionalEventDefinition", "variableName"),
    ];
    for (element, attribute) in supported {
        assert_eq!(attribute_verdict(element, attribute), Some(Verdict::Supported), "{element} {attribute}");
    }
    let refused = [
        ("serviceTask", "class"),
        ("businessRuleTask", "delegateExpression"),
        ("callActivity", "caseRef"),
        ("callActivity", "variableMappingClass"),
        ("startEvent", "formHandlerClass"),
    ];
    for (element, attribute) in refused {
        assert!(matches!(attribute_verdict(element, attribute), Some(Verdict::Refused(_))), "{element} {attribute}");
    }
    let refused = [("serviceTask", "field"), ("sendTask", "connector")];
    for (element, child) in refused {
        assert!(matches!(child_verdict(element, child), Some(Verdict::Refused(_))), "{element} {child}");
    }
    for (element, child) in [("userTask", "formProperty"), ("process", "taskListener")] {
        assert!(matches!(child_verdict(element, child), Some(Verdict::Warn(_))), "{element} {child}");
    }
    for (element, child) in [
        ("process", "executionListener"),
        ("userTask", "taskListener"),
        ("startEvent", "formData"),
        ("serviceTask", "errorEventDefinition"),
    ] {
        assert_eq!(child_verdict(element, child), Some(Verdict::Supported), "{element} {child}");
    }
    assert_eq!(child_verdict("signalEventDefinition", "in"), Some(Verdict::Supported));
    assert_eq!(attribute_verdict("userTask", "modelerTemplate"), None);
    assert_eq!(attribute_verdict("userTask", "class"), None);
}
