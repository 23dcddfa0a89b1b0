//! References: each names an element of this file, of the kind that the schema of BPMN 2.0.2 asks for.
//!
//! What the engine itself looks up it has reported before, in its own words; this finds the others, and those in parts that
//! nothing runs. A name of another file's namespace (an `import`) cannot be checked here.

use super::File;
use crate::base::diagnostic::{Findings, Position};
use crate::bpmn::names;
use crate::engine::compile::Element;
use std::collections::{BTreeMap, BTreeSet};

const CODE: &str = "dangling-reference";

/// How a reference is written: as an attribute, or as the text of a child.
#[derive(Clone, Copy)]
enum As {
    Attribute,
    Child,
}
use As::{Attribute, Child};

/// Elements that refer (empty: any), the reference, what it names, and the kinds of that.
type Row = (&'static [&'static str], As, &'static str, &'static str, &'static [&'static [&'static str]]);

const ANY: &[&str] = &[];
const TASKS: &[&str] =
    &["task", "sendTask", "receiveTask", "userTask", "manualTask", "serviceTask", "scriptTask", "businessRuleTask"];
const SUB_PROCESSES: &[&str] = &["subProcess", "transaction", "adHocSubProcess", "callActivity"];
const EVENTS: &[&str] = &[
    "startEvent",
    "endEvent",
    "intermediateCatchEvent",
    "intermediateThrowEvent",
    "boundaryEvent",
    "implicitThrowEvent",
    "event",
];
const GATEWAYS: &[&str] =
    &["exclusiveGateway", "inclusiveGateway", "parallelGateway", "complexGateway", "eventBasedGateway"];
const CHOREOGRAPHY: &[&str] = &["choreographyTask", "subChoreography", "callChoreography"];
const POOLS: &[&str] = &["participant", "conversation", "subConversation", "callConversation"];
const DATA: &[&str] = &[
    "dataObject",
    "dataObjectReference",
    "dataStore",
    "dataStoreReference",
    "dataInput",
    "dataOutput",
    "property",
    "inputDataItem",
    "outputDataItem",
];
const DEFINITIONS: &[&str] = &[
    "cancelEventDefinition",
    "compensateEventDefinition",
    "conditionalEventDefinition",
    "errorEventDefinition",
    "escalationEventDefinition",
    "linkEventDefinition",
    "messageEventDefinition",
    "signalEventDefinition",
    "terminateEventDefinition",
    "timerEventDefinition",
];
const COLLABORATIONS: &[&str] = &["collaboration", "globalConversation", "choreography", "globalChoreographyTask"];
const INPUTS: &[&str] = &["dataInput", "inputDataItem"];
const OUTPUTS: &[&str] = &["dataOutput", "outputDataItem"];
const CALLERS: &[&str] = &["sendTask", "receiveTask", "serviceTask"];

const ROWS: &[Row] = &[
    (ANY, Attribute, "itemSubjectRef", "an itemDefinition", &[&["itemDefinition"]]),
    (&["message"], Attribute, "itemRef", "an itemDefinition", &[&["itemDefinition"]]),
    (&["error", "escalation", "signal"], Attribute, "structureRef", "an itemDefinition", &[&["itemDefinition"]]),
    (
        &["messageFlow"],
        Attribute,
        "sourceRef",
        "a pool, an activity or an event",
        &[POOLS, TASKS, SUB_PROCESSES, EVENTS],
    ),
    (
        &["messageFlow"],
        Attribute,
        "targetRef",
        "a pool, an activity or an event",
        &[POOLS, TASKS, SUB_PROCESSES, EVENTS],
    ),
    (ANY, Attribute, "messageRef", "a message", &[&["message"]]),
    (&["messageFlowAssociation"], Attribute, "innerMessageFlowRef", "a messageFlow", &[&["messageFlow"]]),
    (&["messageFlowAssociation"], Attribute, "outerMessageFlowRef", "a messageFlow", &[&["messageFlow"]]),
    (&["participant"], Attribute, "processRef", "a process", &[&["process"]]),
    (&["process"], Attribute, "definitionalCollaborationRef", "a collaboration", &[COLLABORATIONS]),
    (&["sequenceFlow"], Attribute, "sourceRef", "a flow node", &[TASKS, SUB_PROCESSES, EVENTS, GATEWAYS, CHOREOGRAPHY]),
    (&["sequenceFlow"], Attribute, "targetRef", "a flow node", &[TASKS, SUB_PROCESSES, EVENTS, GATEWAYS, CHOREOGRAPHY]),
    (&["association"], Attribute, "sourceRef", "an element", &[]),
    (&["association"], Attribute, "targetRef", "an element", &[]),
    (ANY, Attribute, "default", "a sequenceFlow", &[&["sequenceFlow"]]),
    (&["boundaryEvent"], Attribute, "attachedToRef", "an activity", &[TASKS, SUB_PROCESSES]),
    (ANY, Attribute, "signalRef", "a signal", &[&["signal"]]),
    (ANY, Attribute, "escalationRef", "an escalation", &[&["escalation"]]),
    (&["errorEventDefinition"], Attribute, "errorRef", "an error", &[&["error"]]),
    (&["compensateEventDefinition"], Attribute, "activityRef", "an activity", &[TASKS, SUB_PROCESSES]),
    (CALLERS, Attribute, "operationRef", "an operation", &[&["operation"]]),
    (&["ioBinding"], Attribute, "operationRef", "an operation", &[&["operation"]]),
    (&["ioBinding"], Attribute, "inputDataRef", "a data input or an inputSet", &[INPUTS, &["inputSet"]]),
    (&["ioBinding"], Attribute, "outputDataRef", "a data output or an outputSet", &[OUTPUTS, &["outputSet"]]),
    (&["dataObjectReference"], Attribute, "dataObjectRef", "a dataObject", &[&["dataObject"]]),
    (&["dataStoreReference"], Attribute, "dataStoreRef", "a dataStore", &[&["dataStore"]]),
    (&["group"], Attribute, "categoryValueRef", "a categoryValue", &[&["categoryValue"]]),
    (&["lane"], Attribute, "partitionElementRef", "an element", &[]),
    (&["correlationSubscription"], Attribute, "correlationKeyRef", "a correlationKey", &[&["correlationKey"]]),
    (
        &["correlationPropertyBinding"],
        Attribute,
        "correlationPropertyRef",
        "a correlationProperty",
        &[&["correlationProperty"]],
    ),
    (&["resourceParameterBinding"], Attribute, "parameterRef", "a resourceParameter", &[&["resourceParameter"]]),
    (&["multiInstanceLoopCharacteristics"], Attribute, "oneBehaviorEventRef", "an event definition", &[DEFINITIONS]),
    (&["multiInstanceLoopCharacteristics"], Attribute, "noneBehaviorEventRef", "an event definition", &[DEFINITIONS]),
    (ANY, Child, "incoming", "a sequenceFlow", &[&["sequenceFlow"]]),
    (ANY, Child, "outgoing", "a sequenceFlow", &[&["sequenceFlow"]]),
    (&["messageEventDefinition"], Child, "operationRef", "an operation", &[&["operation"]]),
    (&["operation"], Child, "inMessageRef", "a message", &[&["message"]]),
    (&["operation"], Child, "outMessageRef", "a message", &[&["message"]]),
    (&["operation"], Child, "errorRef", "an error", &[&["error"]]),
    (&["participant"], Child, "interfaceRef", "an interface", &[&["interface"]]),
    (&["participant"], Child, "endPointRef", "an endPoint", &[&["endPoint"]]),
    (&["partnerEntity", "partnerRole"], Child, "participantRef", "a participant", &[&["participant"]]),
    (
        &["conversation", "subConversation", "callConversation"],
        Child,
        "participantRef",
        "a participant",
        &[&["participant"]],
    ),
    (
        &["conversation", "subConversation", "callConversation"],
        Child,
        "messageFlowRef",
        "a messageFlow",
        &[&["messageFlow"]],
    ),
    (&["participantAssociation"], Child, "innerParticipantRef", "a participant", &[&["participant"]]),
    (&["participantAssociation"], Child, "outerParticipantRef", "a participant", &[&["participant"]]),
    (ANY, Child, "supportedInterfaceRef", "an interface", &[&["interface"]]),
    (&["process"], Child, "supports", "a process", &[&["process"]]),
    (&["lane"], Child, "flowNodeRef", "a flow node", &[TASKS, SUB_PROCESSES, EVENTS, GATEWAYS, CHOREOGRAPHY]),
    (ANY, Child, "categoryValueRef", "a categoryValue", &[&["categoryValue"]]),
    (ANY, Child, "resourceRef", "a resource", &[&["resource"]]),
    (ANY, Child, "eventDefinitionRef", "an event definition", &[DEFINITIONS]),
    (&["linkEventDefinition"], Child, "source", "a linkEventDefinition", &[&["linkEventDefinition"]]),
    (&["linkEventDefinition"], Child, "target", "a linkEventDefinition", &[&["linkEventDefinition"]]),
    (&["correlationKey"], Child, "correlationPropertyRef", "a correlationProperty", &[&["correlationProperty"]]),
    (&["inputSet"], Child, "dataInputRefs", "a data input", &[INPUTS]),
    (&["inputSet"], Child, "optionalInputRefs", "a data input", &[INPUTS]),
    (&["inputSet"], Child, "whileExecutingInputRefs", "a data input", &[INPUTS]),
    (&["inputSet"], Child, "outputSetRefs", "an outputSet", &[&["outputSet"]]),
    (&["outputSet"], Child, "dataOutputRefs", "a data output", &[OUTPUTS]),
    (&["outputSet"], Child, "optionalOutputRefs", "a data output", &[OUTPUTS]),
    (&["outputSet"], Child, "whileExecutingOutputRefs", "a data output", &[OUTPUTS]),
    (&["outputSet"], Child, "inputSetRefs", "an inputSet", &[&["inputSet"]]),
    (
        &["dataInputAssociation", "dataOutputAssociation"],
        Child,
        "sourceRef",
        "a data object, input, output or property",
        &[DATA],
    ),
    (
        &["dataInputAssociation", "dataOutputAssociation"],
        Child,
        "targetRef",
        "a data object, input, output or property",
        &[DATA],
    ),
    (
        &["multiInstanceLoopCharacteristics"],
        Child,
        "loopDataInputRef",
        "a data object, input, output or property",
        &[DATA],
    ),
    (
        &["multiInstanceLoopCharacteristics"],
        Child,
        "loopDataOutputRef",
        "a data object, input, output or property",
        &[DATA],
    ),
];

pub(super) fn check(file: &File<'_>, found: &mut Findings) {
    let said = Said::before(found);
    for el in file.root.descendants().filter(|el| el.namespace() == names::BPMN) {
        for row in ROWS.iter().filter(|(holders, ..)| holders.is_empty() || holders.contains(&el.name())) {
            let (_, how, name, _, _) = row;
            match how {
                Attribute => {
                    if let Some(reference) = el.attribute(name) {
                        resolve(file, el, (row, &said), reference, el.attribute_position(name), found);
                    }
                }
                Child => {
                    for child in el.children().filter(|child| child.is(names::BPMN, name)) {
                        resolve(file, el, (row, &said), child.text().trim(), child.position(), found);
                    }
                }
            }
        }
    }
}

fn resolve(
    file: &File<'_>,
    el: Element<'_>,
    (row, said): (&Row, &Said),
    reference: &str,
    at: Position,
    found: &mut Findings,
) {
    let (_, _, name, wanted, kinds) = row;
    if reference.is_empty() || file.is_foreign(el, reference) {
        return;
    }
    let named = file.named(reference);
    let fits = |target: &Element<'_>| kinds.is_empty() || kinds.iter().any(|list| list.contains(&target.name()));
    if named.iter().any(fits) {
        return;
    }
    let owner = file.owner(el);
    if said.covers(owner, reference) {
        return;
    }
    let place = if owner == el.attribute("id") { String::new() } else { format!(" of its {}", el.name()) };
    let words = match named.first() {
        Some(other) => format!(
            "{name}{place} names {reference:?}, which is {} {}; it must name {wanted}. Correct the reference, or remove it",
            article(other.name()),
            other.name()
        ),
        None => format!(
            "{name}{place} names {reference:?}, but no element of this file has that id; it must name {wanted}. Correct the reference, or remove it"
        ),
    };
    file.report(el, found, (at, owner, CODE), words);
}

/// What was said before these rules: the engine's own look-ups, by the element that refers, and what it refused.
#[derive(Default)]
struct Said {
    of: BTreeMap<String, Vec<String>>,
    refused: BTreeSet<String>,
}

impl Said {
    fn before(found: &Findings) -> Self {
        let mut said = Self::default();
        for (d, element) in found.list.iter().filter_map(|d| Some((d, d.element.clone()?))) {
            match d.code {
                CODE | "attached-to" | "flow-across-scope" => {
                    said.of.entry(element).or_default().push(d.message.clone());
                }
                "element-not-supported" => {
                    said.refused.insert(element);
                }
                _others => {}
            }
        }
        said
    }

    fn covers(&self, owner: Option<&str>, reference: &str) -> bool {
        let quoted = format!("{reference:?}");
        let told = owner.and_then(|owner| self.of.get(owner)).into_iter().flatten();
        self.refused.contains(reference) || told.into_iter().any(|message| message.contains(&quoted))
    }
}

pub(in crate::engine::compile) fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" }
}
