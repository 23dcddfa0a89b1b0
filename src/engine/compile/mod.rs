//! From XML to a definition: the checked tree becomes a graph, and every finding is reported at once.
//!
//! What does not run here is refused at deployment with its place, never a surprise later (`rest.md` 8).

mod activity;
mod compensation;
mod constraint;
mod data;
mod event;
mod flow;
mod form;
mod link;
mod listener;
mod multi;
mod reach;
mod source;

pub(crate) use crate::xml::ElementRef as Element;
pub(crate) use flow::is_activity;
pub use form::Form;
pub(crate) use source::Source;
pub(crate) use source::expression;

use crate::base::diagnostic::{Diagnostic, Findings};
use crate::base::id::ElementId;
use crate::base::time::{TimerKind, check_timer};
use crate::bpmn::{extension, names};
use crate::engine::definition::{
    FlowNode, Mappings, NodeIx, Parameter, ParameterValue, Process, RetryCycle, StartKind, StartTrigger,
};
use crate::engine::elements;
use crate::engine::subscription::TriggerSource;
use crate::script::{Compiled as Expression, Language};
use crate::xml::Document;
use petgraph::graph::Graph;
use source::Model;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A file that may be deployed.
#[derive(Debug)]
pub struct Compiled {
    /// The executable processes of the file, in its order.
    pub processes: Vec<Arc<Process>>,
    pub warnings: Vec<Diagnostic>,
}

/// Other files of the same deployment, for `deployment://` resources.
pub type Resources<'a> = &'a dyn Fn(&str) -> Option<Vec<u8>>;

/// Compiles a BPMN file; all findings at once if it has errors.
pub fn compile(bytes: &[u8], resources: Resources<'_>) -> Result<Compiled, Vec<Diagnostic>> {
    // Conditions may be written in FEEL; `script` and `decision` stand side by side and meet here.
    crate::script::install_feel(crate::decision::feel::evaluator());
    let document = Document::parse(bytes).map_err(|diagnostic| vec![diagnostic])?;
    let mut found = Findings::default();
    let root = document.root();
    if !root.is(names::BPMN, "definitions") {
        let words =
            format!("this is no BPMN 2.0 file: its root is {:?}, not definitions of {}", root.name(), names::BPMN);
        found.error(root.position(), None, "not-bpmn", words);
        return Err(found.list);
    }
    extension::check_vocabulary(root, &mut found);
    let model = Model::read(root, resources, &mut found);
    let executable =
        root.children().filter(|el| el.is(names::BPMN, "process") && el.attribute("isExecutable") != Some("false"));
    let mut processes: Vec<Arc<Process>> = executable
        .map(|el| {
            let drawn = flow::read(el, &mut found);
            Arc::new(process(el, &drawn, &model, &mut found))
        })
        .collect();
    let global = root.children().filter(|el| el.namespace() == names::BPMN && flow::global_task(el.name()).is_some());
    processes.extend(global.map(|el| Arc::new(process(el, &flow::alone(el, &mut found), &model, &mut found))));
    constraint::check_file(root, &mut found);
    if processes.is_empty() && !found.has_errors() {
        let words = "no process of this file is executable: set isExecutable=\"true\" on the one that shall run";
        found.warn(root.position(), None, "nothing-executable", words);
    }
    found.list.iter_mut().for_each(name_element);
    found.list.sort_by_key(|diagnostic| (diagnostic.at, diagnostic.severity));
    if found.has_errors() { Err(found.list) } else { Ok(Compiled { processes, warnings: found.list }) }
}

/// Every finding names its element: people look for it in a diagram, not by its line.
fn name_element(diagnostic: &mut Diagnostic) {
    if let Some(element) = &diagnostic.element {
        let named = format!("{element:?}");
        if !diagnostic.message.contains(&named) {
            diagnostic.message = format!("{named}: {}", diagnostic.message);
        }
    }
}

type Priority = fn(&mut FlowNode) -> &mut Option<Expression>;

/// What a process says for all its elements that do not say it themselves.
const PRIORITIES: [(&str, Priority); 2] =
    [("taskPriority", |node| &mut node.task_priority), ("jobPriority", |node| &mut node.job_priority)];

/// A process; or a global task, which runs as a process of this one task (BPMN 2.0.2, 10.3.6).
fn process<'d>(el: Element<'d>, drawn: &flow::Drawn<'d>, model: &Model<'d>, found: &mut Findings) -> Process {
    let id = el.attribute("id").unwrap_or_default();
    if id.is_empty() {
        found.error(el.position(), None, "missing-id", "a process needs an id");
    }
    constraint::check(drawn, found);
    let mut graph: Graph<FlowNode, crate::engine::definition::SequenceFlow> = Graph::new();
    let mut by_id = BTreeMap::new();
    for (index, drawn_node) in drawn.nodes.iter().enumerate() {
        let source = Source { el: drawn_node.el, model, drawn, index };
        let node = flow_node(&source, found);
        let ix = graph.add_node(node);
        by_id.insert(ElementId::from(drawn_node.id), ix);
    }
    for (local, of) in PRIORITIES {
        let Some(text) = extension::attribute(el, local) else { continue };
        let default = source::compiled(Language::Juel, text, el.position(), Some(id), found);
        graph.node_weights_mut().for_each(|node| _ = of(node).get_or_insert_with(|| default.clone()));
    }
    for line in &drawn.flows {
        let (from, to) = (NodeIx::new(line.source), NodeIx::new(line.target));
        let ix = graph.add_edge(from, to, model.sequence_flow(line, drawn, found));
        graph[from].outgoing.push(ix);
        graph[to].incoming.push(ix);
    }
    for (index, host) in drawn.attached() {
        graph[NodeIx::new(host)].boundary.push(NodeIx::new(index));
    }
    for (activity, handler) in compensation::handlers(el, drawn, found) {
        graph[activity].handler = Some(handler);
    }
    let links = link::pairs(drawn, found);
    constraint::check_ways(drawn, &links, found);
    let reach = reach::of_inclusive_joins(&graph, &links);
    let (starts, event_starts) = (flow::starts(drawn, &graph), flow::event_starts(drawn, &graph));
    Process {
        id: ElementId::from(id),
        name: el.attribute("name").map(str::to_owned),
        documentation: source::documentation(el),
        version_tag: extension::attribute(el, "versionTag").map(str::to_owned),
        history_ttl_days: source::history_ttl(el, found),
        listeners: listener::execution(el, model, found),
        startable_in_tasklist: extension::attribute(el, "isStartableInTasklist") != Some("false"),
        starter_users: names_in(extension::attribute(el, "candidateStarterUsers")),
        starter_groups: names_in(extension::attribute(el, "candidateStarterGroups")),
        start_triggers: start_triggers(&graph),
        conditional: graph.node_weights().any(|node| node.element.trigger().is_some_and(TriggerSource::is_conditional)),
        compensates: graph.node_weights().any(|node| node.element.compensates()),
        graph,
        by_id,
        starts,
        event_starts,
        links,
        reach,
    }
}

/// A comma list.
fn names_in(list: Option<&str>) -> BTreeSet<String> {
    let names = list.unwrap_or_default().split(',').map(str::trim);
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn flow_node(source: &Source<'_, '_>, found: &mut Findings) -> FlowNode {
    let el = source.el;
    let (kind, element) = elements::parse(source, found).expect("only kinds of the table are drawn");
    let activity = flow::is_activity(kind);
    let flag = |local: &str| extension::attribute(el, local) == Some("true");
    let retry = source.retry_cycle(found);
    // A message event's work is that of its definition.
    let of_message =
        || source.bpmn_child("messageEventDefinition").and_then(|el| extension::attribute(el, "taskPriority"));
    let task_priority = source.extension("taskPriority").or_else(of_message).map(|text| source.compiled(text, found));
    let job_priority = source.extension("jobPriority").map(|text| source.compiled(text, found));
    FlowNode {
        id: ElementId::from(source.id()),
        name: el.attribute("name").map(str::to_owned),
        documentation: source.documentation(),
        kind,
        element,
        parent: source.parent().map(NodeIx::new),
        incoming: Vec::new(),
        outgoing: Vec::new(),
        boundary: Vec::new(),
        quantities: if activity { source.quantities(found) } else { (1, 1) },
        handler: None,
        for_compensation: activity && source.for_compensation(found),
        mappings: mappings(source, found),
        listeners: listener::execution(el, source.model, found),
        error_rules: source.error_rules(found),
        looping: if activity { source.looping(found) } else { None },
        async_before: flag("asyncBefore") || flag("async"),
        async_after: flag("asyncAfter"),
        retry,
        task_priority,
        job_priority,
        properties: extension::properties(el).into_iter().collect(),
    }
}

fn mappings(source: &Source<'_, '_>, found: &mut Findings) -> Mappings {
    let (moved_in, moved_out) = source.data_associations(found);
    let Some(io) = extension::input_output(source.el) else {
        return Mappings { inputs: moved_in, outputs: moved_out };
    };
    let mut convert = |list: Vec<extension::Parameter>| {
        let convert_one = |parameter: extension::Parameter| Parameter {
            value: source.parameter(parameter.value, parameter.position, 0, found),
            name: parameter.name,
        };
        list.into_iter().map(convert_one).collect::<Vec<Parameter>>()
    };
    let (mut inputs, mut outputs) = (moved_in, moved_out);
    inputs.extend(convert(io.inputs));
    outputs.extend(convert(io.outputs));
    Mappings { inputs, outputs }
}

fn start_triggers(graph: &Graph<FlowNode, crate::engine::definition::SequenceFlow>) -> Vec<StartTrigger> {
    let mut found = Vec::new();
    for node in graph.node_indices().filter(|node| graph[*node].parent.is_none()) {
        let parts = instantiating(graph, node).map(TriggerSource::parts).unwrap_or_default();
        for (part, source) in (0..).zip(parts) {
            let element = graph[node].id.clone();
            found.extend(start_kind(source).map(|kind| StartTrigger { node, element, part, kind }));
        }
    }
    found
}

fn start_kind(source: &TriggerSource) -> Option<StartKind> {
    match source {
        TriggerSource::Message { name } => Some(StartKind::Message(name.clone())),
        TriggerSource::Signal { name } => Some(StartKind::Signal(name.clone())),
        TriggerSource::Condition(_) => Some(StartKind::Condition),
        TriggerSource::Timer { kind, text } => Some(StartKind::Timer { kind: *kind, text: text.clone() }),
        TriggerSource::Error { .. }
        | TriggerSource::Escalation { .. }
        | TriggerSource::Cancel
        | TriggerSource::Multiple { .. }
        | TriggerSource::Compensation => None,
    }
}

/// What starts a process at a node: a start event, a receive task, or an event behind a gateway that instantiates.
fn instantiating(
    graph: &Graph<FlowNode, crate::engine::definition::SequenceFlow>,
    node: NodeIx,
) -> Option<&TriggerSource> {
    let behind = || {
        graph.neighbors_directed(node, petgraph::Direction::Incoming).any(
            |from| matches!(&graph[from].element, elements::Element::EventBasedGateway(gateway) if gateway.instantiates),
        )
    };
    match &graph[node].element {
        elements::Element::StartEvent(start) => start.trigger.as_ref(),
        elements::Element::ReceiveTask(task) if task.instantiates || behind() => task.message(),
        elements::Element::IntermediateCatchEvent(event) if behind() => event.trigger.as_ref(),
        _other => None,
    }
}

/// `R5/PT5M`, a list of pauses, or an expression.
pub(crate) fn retry_cycle(text: &str) -> Result<RetryCycle, String> {
    let text = text.trim();
    if text.contains("${") || text.contains("#{") {
        return Ok(RetryCycle::Expression(text.to_owned()));
    }
    let pause =
        |text: &str| check_timer(TimerKind::Duration, text).map(|()| text.to_owned()).map_err(|e| e.to_string());
    if let Some(rest) = text.strip_prefix('R') {
        let (times, span) = rest.split_once('/').ok_or("a retry cycle looks like R5/PT5M")?;
        let attempts = times.parse::<i64>().ok().filter(|n| *n > 0).ok_or("a retry cycle looks like R5/PT5M")?;
        return Ok(RetryCycle::Times { attempts, pause: if span == "PT0S" { span.to_owned() } else { pause(span)? } });
    }
    let pauses: Result<Vec<String>, String> = text.split(',').map(|span| pause(span.trim())).collect();
    pauses.map(RetryCycle::Pauses)
}

pub(crate) fn retry_expression(text: &str) -> Option<Expression> {
    Expression::compile(Language::Juel, text).ok()
}

/// Nothing beside the file itself.
pub fn no_resources(_name: &str) -> Option<Vec<u8>> {
    None
}

impl From<Expression> for ParameterValue {
    fn from(expression: Expression) -> Self {
        Self::Expression(expression)
    }
}
