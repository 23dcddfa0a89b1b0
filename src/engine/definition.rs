//! What a model becomes: an immutable graph of flow nodes and sequence flows, shared by all its instances.

use crate::base::id::{DefinitionId, DeploymentId, ElementId};
use crate::engine::elements::Element;
use crate::engine::job::Binding;
use crate::engine::listener::Listeners;
use crate::script::Compiled;
use crate::script::task::Script;
use fixedbitset::FixedBitSet;
use petgraph::graph::{EdgeIndex, Graph, NodeIndex};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub type NodeIx = NodeIndex<u32>;
pub type FlowIx = EdgeIndex<u32>;

/// A deployed version of a process.
#[derive(Clone, Debug)]
pub struct ProcessDefinition {
    pub id: DefinitionId,
    pub tenant: String,
    pub key: String,
    pub version: u32,
    pub deployment: DeploymentId,
    pub resource: String,
    pub process: Arc<Process>,
}

impl ProcessDefinition {
    /// `key:version:id`, the id on the wire.
    pub fn wire_id(&self) -> String {
        format!("{}:{}:{}", self.key, self.version, self.id)
    }
}

/// One `process` element, compiled.
#[derive(Debug)]
pub struct Process {
    pub id: ElementId,
    pub name: Option<String>,
    pub documentation: Option<String>,
    pub version_tag: Option<String>,
    /// Days its history is kept; absent: the setting.
    pub history_ttl_days: Option<u32>,
    pub startable_in_tasklist: bool,
    /// Who is expected to start it; everybody where none are named.
    pub starter_users: BTreeSet<String>,
    pub starter_groups: BTreeSet<String>,
    pub listeners: Listeners,
    pub graph: Graph<FlowNode, SequenceFlow>,
    pub by_id: BTreeMap<ElementId, NodeIx>,
    /// Where a token may start inside the process (`None`) or a sub-process.
    pub starts: BTreeMap<Option<NodeIx>, Vec<NodeIx>>,
    /// Start events of the event sub-processes in the process (`None`) or a sub-process.
    pub event_starts: BTreeMap<Option<NodeIx>, Vec<NodeIx>>,
    /// From a throwing link event to the catching one of its name and scope.
    pub links: BTreeMap<NodeIx, NodeIx>,
    /// Start events of the process that wait for a message or a time.
    pub start_triggers: Vec<StartTrigger>,
    /// For inclusive and complex joins: what a token may still arrive on, without passing the join.
    pub reach: BTreeMap<NodeIx, Reach>,
    /// It has conditional events.
    pub conditional: bool,
    /// Something in it throws compensation.
    pub compensates: bool,
}

/// For each node before a join the incoming flows, by their positions, to which a way leads from it.
#[derive(Debug)]
pub struct Reach {
    /// BPMN 2.0.2, 13.4.3: paths "formed by sequence flow", links among them.
    pub by_flows: BTreeMap<NodeIx, Reached>,
    /// And those that boundary events begin; none if the process has no boundary events.
    pub with_events: Option<BTreeMap<NodeIx, Reached>>,
}

pub type Reached = Arc<FixedBitSet>;

#[derive(Clone, Debug)]
pub struct StartTrigger {
    pub node: NodeIx,
    pub element: ElementId,
    /// Which of its triggers: any of them starts the process.
    pub part: u32,
    pub kind: StartKind,
}

#[derive(Clone, Debug)]
pub enum StartKind {
    Message(Compiled),
    Signal(Compiled),
    /// Asked when somebody tells of data (`POST /condition`).
    Condition,
    Timer {
        kind: crate::base::time::TimerKind,
        text: Compiled,
    },
}

#[derive(Debug)]
pub struct FlowNode {
    pub id: ElementId,
    pub name: Option<String>,
    pub documentation: Option<String>,
    /// As BPMN names it: `userTask`, `boundaryEvent`, …
    pub kind: &'static str,
    pub element: Element,
    /// The sub-process around it.
    pub parent: Option<NodeIx>,
    pub incoming: Vec<FlowIx>,
    pub outgoing: Vec<FlowIx>,
    pub boundary: Vec<NodeIx>,
    /// Tokens that it takes to begin, and that it gives on each flow when it is done.
    pub quantities: (usize, usize),
    /// The activity that undoes this one.
    pub handler: Option<NodeIx>,
    /// It undoes others: no flow leads to it.
    pub for_compensation: bool,
    pub mappings: Mappings,
    pub listeners: Listeners,
    /// Reports of its external task that are a BPMN error.
    pub error_rules: Vec<ErrorRule>,
    pub looping: Option<Looping>,
    pub async_before: bool,
    pub async_after: bool,
    pub retry: Option<RetryCycle>,
    /// Of its external task; its own, else that of the process.
    pub task_priority: Option<Compiled>,
    /// Of its other jobs; its own, else that of the process.
    pub job_priority: Option<Compiled>,
    /// `camunda:properties`, `transhume.*` among them.
    pub properties: BTreeMap<String, String>,
}

impl FlowNode {
    /// Whether a token is committed before and behind it. Of a multi-instance activity its own flags are those of each
    /// `inner` instance; the body has those of its loop characteristics, as in Camunda 7.
    pub fn save_points(&self, inner: bool) -> (bool, bool) {
        match &self.looping {
            Some(Looping::Multi(looping)) if !inner => (looping.async_before, looping.async_after),
            Some(Looping::Standard(_)) if !inner => (false, false),
            Some(_) | None => (self.async_before, self.async_after),
        }
    }

    pub fn is_activity(&self) -> bool {
        crate::engine::compile::is_activity(self.kind)
    }
}

#[derive(Debug)]
pub struct SequenceFlow {
    pub listeners: Listeners,
    pub id: ElementId,
    pub name: Option<String>,
    pub condition: Option<Compiled>,
    pub is_default: bool,
}

/// `camunda:errorEventDefinition` of an external task: a report for which the condition holds is this error.
#[derive(Debug)]
pub struct ErrorRule {
    pub code: Compiled,
    /// Of the error, when the worker gives none.
    pub message: Option<Compiled>,
    pub condition: Compiled,
}

/// `camunda:inputOutput`.
#[derive(Debug, Default)]
pub struct Mappings {
    pub inputs: Vec<Parameter>,
    pub outputs: Vec<Parameter>,
}

#[derive(Debug)]
pub struct Parameter {
    pub name: String,
    pub value: ParameterValue,
}

#[derive(Debug)]
pub enum ParameterValue {
    Expression(Compiled),
    /// A variable by its name; null if it is not there.
    Variable(String),
    Script(Script),
    List(Vec<ParameterValue>),
    Map(Vec<(String, ParameterValue)>),
}

/// An activity that is done more than once.
#[derive(Debug)]
pub enum Looping {
    Multi(MultiInstance),
    Standard(StandardLoop),
}

impl Looping {
    /// One instance at a time.
    pub fn is_sequential(&self) -> bool {
        match self {
            Self::Multi(multi) => multi.sequential,
            Self::Standard(_) => true,
        }
    }
}

/// BPMN 2.0.2, 10.3.8 (standard loop characteristics): again while the condition holds.
#[derive(Debug)]
pub struct StandardLoop {
    /// Asked before the first time as well.
    pub test_before: bool,
    pub maximum: Option<usize>,
    pub condition: Option<Compiled>,
}

/// BPMN 2.0.2, 10.3.8 (multi-instance characteristics).
#[derive(Debug)]
pub struct MultiInstance {
    pub sequential: bool,
    pub cardinality: Option<Compiled>,
    pub collection: Option<Collection>,
    pub element_variable: Option<String>,
    /// What the instances give.
    pub output: Option<Output>,
    pub completion: Option<Compiled>,
    /// Thrown as instances complete.
    pub events: Vec<BehaviorEvent>,
    pub async_before: bool,
    pub async_after: bool,
}

/// The list with one item for each instance.
#[derive(Debug)]
pub enum Collection {
    Expression(Compiled),
    Variable(String),
}

/// `loopDataOutputRef` and `outputDataItem`: the list that takes the item of each instance, in their order.
#[derive(Debug)]
pub struct Output {
    pub list: String,
    pub item: String,
}

/// BPMN 2.0.2, 10.3.8 (behavior): an event that the activity throws when an instance is done.
#[derive(Debug)]
pub struct BehaviorEvent {
    pub each: Each,
    pub throws: crate::engine::elements::Told,
}

#[derive(Debug)]
pub enum Each {
    Instance,
    First,
    Condition(Compiled),
}

/// `failedJobRetryTimeCycle`: `R5/PT5M`, or a list of pauses.
#[derive(Clone, Debug, PartialEq)]
pub enum RetryCycle {
    Times {
        attempts: i64,
        pause: String,
    },
    Pauses(Vec<String>),
    /// Evaluated when it is needed.
    Expression(String),
}

/// `camunda:in` and `camunda:out` of a call activity.
#[derive(Debug)]
pub enum DataMapping {
    All { local: bool },
    Source { source: String, target: String, local: bool },
    Expression { expression: Compiled, target: String, local: bool },
}

/// Which process a call activity starts.
#[derive(Debug)]
pub struct CalledElement {
    pub process: Compiled,
    pub binding: Binding,
    pub tenant: Option<Compiled>,
    pub business_key: Option<Compiled>,
}

impl Reach {
    /// A token at this node may come on a flow that is not full and cannot come on one that is: by sequence flows, or, with
    /// the ways that boundary events begin, by any. Boundary events excuse no token that comes by sequence flows.
    pub(crate) fn misses(&self, node: NodeIx, is_full: impl Fn(usize) -> bool) -> bool {
        let ways = [Some(&self.by_flows), self.with_events.as_ref()];
        ways.into_iter().flatten().filter_map(|ways| ways.get(&node)).any(|reached| !reached.ones().any(&is_full))
    }
}

impl Process {
    pub fn node(&self, ix: NodeIx) -> &FlowNode {
        &self.graph[ix]
    }

    pub fn flow(&self, ix: FlowIx) -> &SequenceFlow {
        &self.graph[ix]
    }

    pub fn target(&self, flow: FlowIx) -> NodeIx {
        self.graph.edge_endpoints(flow).expect("a flow has two ends").1
    }

    pub fn event_starts(&self, container: Option<NodeIx>) -> &[NodeIx] {
        self.event_starts.get(&container).map_or(&[], Vec::as_slice)
    }

    /// Of an event behind an instantiating parallel gateway: the other events.
    pub fn awaited_with(&self, event: NodeIx) -> Vec<NodeIx> {
        let gateways = self.node(event).incoming.iter().filter_map(|flow| self.graph.edge_endpoints(*flow));
        let parallel = gateways.map(|(from, _)| from).find(|from| {
            matches!(&self.node(*from).element, Element::EventBasedGateway(gateway) if gateway.instantiates_parallel())
        });
        let flows = parallel.map(|gateway| self.node(gateway).outgoing.as_slice()).unwrap_or_default();
        flows.iter().map(|flow| self.target(*flow)).filter(|other| *other != event).collect()
    }

    /// The event sub-process in a sub-process that undoes it once it is done.
    pub fn undoing_event_sub_process(&self, sub_process: NodeIx) -> Option<NodeIx> {
        let undoes = |start: &&NodeIx| {
            matches!(
                self.node(**start).element.trigger(),
                Some(crate::engine::subscription::TriggerSource::Compensation)
            )
        };
        let start = self.event_starts(Some(sub_process)).iter().find(undoes)?;
        self.node(*start).parent
    }

    /// Begun by its start event, not by a token that arrives.
    pub fn is_event_sub_process(&self, node: NodeIx) -> bool {
        matches!(&self.node(node).element, Element::SubProcess(sub_process) if sub_process.by_event)
    }

    pub fn find(&self, id: &str) -> Option<NodeIx> {
        self.by_id.get(id).copied()
    }
}
