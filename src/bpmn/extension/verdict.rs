//! What of the vocabulary runs here: one table for attributes, one for children.
//!
//! Words of a refusal say what to use instead. What no row names is kept in the file and ignored.

/// What becomes of an attribute or child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Supported,
    /// Kept and without effect; the words say what to use instead.
    Warn(&'static str),
    /// Refused at deployment; the words say what to use instead.
    Refused(&'static str),
}

/// The verdict on an extension attribute of a BPMN element; `None`: unknown here, kept and ignored.
pub fn attribute_verdict(element_local: &str, attribute: &str) -> Option<Verdict> {
    look_up(ATTRIBUTES, element_local, attribute)
}

/// The verdict on an element inside the `extensionElements` of a BPMN element; `None`: unknown here, kept and ignored.
pub fn child_verdict(element_local: &str, child: &str) -> Option<Verdict> {
    look_up(CHILDREN, element_local, child)
}

/// Names of attributes that do something at this element.
pub(super) fn known_attributes(element_local: &str) -> impl Iterator<Item = &'static str> {
    let fits = move |row: &&Row| row.0.is_empty() || row.0.contains(&element_local);
    let rows = ATTRIBUTES.iter().filter(fits).filter(|row| row.2 == Verdict::Supported);
    rows.flat_map(|row| row.1.iter().copied())
}

/// Elements (empty: any), names, verdict. The first row that fits counts.
type Row = (&'static [&'static str], &'static [&'static str], Verdict);

fn look_up(table: &[Row], element: &str, name: &str) -> Option<Verdict> {
    let fits = |row: &&Row| (row.0.is_empty() || row.0.contains(&element)) && row.1.contains(&name);
    table.iter().find(fits).map(|row| row.2)
}

const ANY: &[&str] = &[];
const PROCESS: &[&str] = &["process"];
const FORMS: &[&str] = &["startEvent", "userTask"];
/// What calls out: message events carry these attributes on their definition.
const CALLS: &[&str] = &["serviceTask", "sendTask", "businessRuleTask", "messageEventDefinition"];
const CALL_ACTIVITY: &[&str] = &["callActivity"];

const JAVA: &str = "Java does not run here: use camunda:type=\"external\" with a topic, or camunda:expression";
const JAVA_MAPPING: &str = "Java does not run here: use camunda:in and camunda:out";
const CASES: &str = "cases (CMMN) do not run here: call a process with calledElement";
const CONNECTOR: &str = "connectors do not run here: use camunda:type=\"external\" with the topic http.request";
const FORM_HANDLER: &str = "Java does not run here: use camunda:formData, or camunda:formRef with a .form file";
const FORM_PROPERTY: &str = "it has no effect: use camunda:formData, or camunda:formRef with a .form file";
const TASK_LISTENER: &str = "only a user task has task listeners: use camunda:executionListener";

const ATTRIBUTES: &[Row] = &[
    (
        PROCESS,
        &[
            "historyTimeToLive",
            "versionTag",
            "isStartableInTasklist",
            "candidateStarterUsers",
            "candidateStarterGroups",
        ],
        Verdict::Supported,
    ),
    (ANY, &["jobPriority", "taskPriority"], Verdict::Supported),
    (&["startEvent"], &["initiator"], Verdict::Supported),
    (FORMS, &["formKey", "formRef", "formRefBinding", "formRefVersion"], Verdict::Supported),
    (FORMS, &["formHandlerClass"], Verdict::Refused(FORM_HANDLER)),
    (
        &["userTask"],
        &["assignee", "candidateUsers", "candidateGroups", "dueDate", "followUpDate", "priority"],
        Verdict::Supported,
    ),
    (CALLS, &["type", "topic", "expression", "resultVariable"], Verdict::Supported),
    (CALLS, &["class", "delegateExpression"], Verdict::Refused(JAVA)),
    (
        &["businessRuleTask"],
        &[
            "decisionRef",
            "decisionRefBinding",
            "decisionRefVersion",
            "decisionRefVersionTag",
            "decisionRefTenantId",
            "mapDecisionResult",
        ],
        Verdict::Supported,
    ),
    (&["scriptTask"], &["resource", "resultVariable"], Verdict::Supported),
    (
        CALL_ACTIVITY,
        &["calledElementBinding", "calledElementVersion", "calledElementVersionTag", "calledElementTenantId"],
        Verdict::Supported,
    ),
    (CALL_ACTIVITY, &["variableMappingClass", "variableMappingDelegateExpression"], Verdict::Refused(JAVA_MAPPING)),
    (CALL_ACTIVITY, &["caseRef", "caseBinding", "caseVersion", "caseTenantId"], Verdict::Refused(CASES)),
    // On flow nodes and multi-instance: a save point. On a signal that is thrown: delivery in a later commit.
    (ANY, &["asyncBefore", "asyncAfter", "async", "exclusive"], Verdict::Supported),
    (&["multiInstanceLoopCharacteristics"], &["collection", "elementVariable"], Verdict::Supported),
    (&["error"], &["errorMessage"], Verdict::Supported),
    (&["errorEventDefinition"], &["errorCodeVariable", "errorMessageVariable"], Verdict::Supported),
    (&["escalationEventDefinition"], &["escalationCodeVariable"], Verdict::Supported),
    (&["conditionalEventDefinition"], &["variableName", "variableEvents"], Verdict::Supported),
    (&["conditionExpression", "condition"], &["resource"], Verdict::Supported),
];

const CHILDREN: &[Row] = &[
    (ANY, &["properties", "inputOutput", "failedJobRetryTimeCycle"], Verdict::Supported),
    (CALL_ACTIVITY, &["in", "out"], Verdict::Supported),
    (&["signalEventDefinition"], &["in"], Verdict::Supported),
    (ANY, &["executionListener"], Verdict::Supported),
    (&["userTask"], &["taskListener"], Verdict::Supported),
    (ANY, &["taskListener"], Verdict::Warn(TASK_LISTENER)),
    (FORMS, &["formData"], Verdict::Supported),
    (FORMS, &["formProperty"], Verdict::Warn(FORM_PROPERTY)),
    (CALLS, &["errorEventDefinition"], Verdict::Supported),
    (CALLS, &["field"], Verdict::Refused(JAVA)),
    (ANY, &["connector"], Verdict::Refused(CONNECTOR)),
];
