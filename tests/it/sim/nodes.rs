//! Several partitions on several nodes in the simulator: nodes die between a commit and its answer, lose partitions without knowing
//! it, and take over from each other, while processes tell each other things and clients ask at whichever node.
//!
//! Judged is what goes across: each message reaches one receiver, each signal everybody, each start under a key happens once and is
//! answered with the same instance, whoever was asked; and nothing is left under way when the faults have ended.

use super::rng::Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use transhume::base::id::{InstanceId, PartitionId};
use transhume::base::time::Timestamp;
use transhume::engine::command::{Create, Rejection};
use transhume::engine::index::{IndexKey, IndexRow};
use transhume::engine::instance::InstanceState;
use transhume::partition::memory::Memory;
use transhume::partition::transaction::{Binding, CommandKey, ParcelRow};
use transhume::partition::{
    Asked, Bundle, Input, Letter, LetterId, Notice, Output, Parcel, Partition, Reply, Request, RequestId, Target,
    Which, Work,
};
use transhume::verify::Violation;

const MODEL: &str = r#"<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" targetNamespace="t">
<message id="m" name="go"/><signal id="s" name="all"/>
<process id="hears" isExecutable="true"><startEvent id="a"/><sequenceFlow id="f" sourceRef="a" targetRef="b"/><receiveTask id="b" messageRef="m"/><sequenceFlow id="g" sourceRef="b" targetRef="c"/><endEvent id="c"/></process>
<process id="listens" isExecutable="true"><startEvent id="la"/><sequenceFlow id="lf" sourceRef="la" targetRef="lb"/><intermediateCatchEvent id="lb"><signalEventDefinition signalRef="s"/></intermediateCatchEvent><sequenceFlow id="lg" sourceRef="lb" targetRef="lc"/><endEvent id="lc"/></process>
<process id="says" isExecutable="true"><startEvent id="sa"/><sequenceFlow id="sf" sourceRef="sa" targetRef="sb"/><endEvent id="sb"><messageEventDefinition messageRef="m"/></endEvent></process>
<process id="calls" isExecutable="true"><startEvent id="ca"/><sequenceFlow id="cf" sourceRef="ca" targetRef="cb"/><endEvent id="cb"><signalEventDefinition signalRef="s"/></endEvent></process>
</definitions>"#;
const NOW: Timestamp = Timestamp(1_000_000);
const ROUNDS: usize = 200;
/// With faults ended, so many rounds must be enough for all that is under way.
const CALM_ROUNDS: usize = 4_000;

/// What one run came to.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) takeovers: usize,
    pub(super) crashes: usize,
    pub(super) parcels: usize,
    pub(super) fenced: usize,
}

/// A client's start, repeated under its key until it is answered.
#[derive(Clone, Debug)]
struct Wish {
    process: &'static str,
    key: String,
    answered: BTreeSet<InstanceId>,
    /// Asked and not answered yet; a crash forgets it.
    asked: Option<Way>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Direct(RequestId),
    Handed(i64),
}

/// A partition object of one node; only the last that was opened is the owner.
struct Tenant {
    node: usize,
    /// None: it died, or has heard that it is not the owner.
    partition: Option<Partition>,
    id: PartitionId,
}

struct Cluster {
    rng: Rng,
    memory: Memory,
    partitions: i64,
    nodes: usize,
    tenants: Vec<Tenant>,
    owner: BTreeMap<PartitionId, usize>,
    letters: BTreeMap<LetterId, Letter>,
    wishes: Vec<Wish>,
    requests: RequestId,
    numbers: i64,
    calm: bool,
    counts: Counts,
}

/// Plays one seed.
pub(super) fn run(seed: u64) -> Result<Counts, Violation> {
    let mut cluster = Cluster::new(seed);
    cluster.deploy();
    cluster.play("hears", 4, "listens", 3);
    for _ in 0..ROUNDS {
        cluster.round()?;
    }
    // Everybody waits before anything is said: what is said to nobody is lost.
    cluster.settle()?;
    cluster.calm = false;
    cluster.play("says", 3, "calls", 1);
    for _ in 0..ROUNDS {
        cluster.round()?;
    }
    cluster.settle()?;
    cluster.judge()?;
    Ok(cluster.counts)
}

fn wrong(rule: &'static str, what: String) -> Violation {
    Violation { rule, layer: "simulator of nodes", instance: None, what }
}

impl Cluster {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let partitions = 2 + rng.ms(3);
        let mut cluster = Self {
            nodes: 1 + rng.below(3),
            memory: Memory::new(partitions),
            partitions,
            rng,
            tenants: Vec::new(),
            owner: BTreeMap::new(),
            letters: BTreeMap::new(),
            wishes: Vec::new(),
            requests: 0,
            numbers: 0,
            calm: true,
            counts: Counts::default(),
        };
        for partition in 0..partitions {
            let node = cluster.rng.below(cluster.nodes);
            cluster.open(PartitionId(partition), node);
        }
        cluster
    }

    /// A node takes a partition. Who had it goes on as if nothing had happened, until it is refused.
    fn open(&mut self, id: PartitionId, node: usize) {
        let mut partition = Partition::new(id);
        partition.handle(self.memory.open(id), NOW);
        self.tenants.push(Tenant { node, partition: Some(partition), id });
        self.owner.insert(id, self.tenants.len() - 1);
    }

    fn deploy(&mut self) {
        let files = vec![("m.bpmn".to_owned(), Arc::new(MODEL.as_bytes().to_vec()))];
        let bundle = Bundle::read(None, None, String::new(), files).expect("it compiles").bundle;
        self.submit(PartitionId(0), Work::Deploy(Box::new(bundle)), None);
        // It is answered when every partition knows of it.
        for _ in 0..100 {
            self.look_everywhere();
            self.step_all().expect("nothing goes wrong yet");
        }
        self.calm = false;
    }

    fn play(&mut self, one: &'static str, count: usize, other: &'static str, others: usize) {
        let names = std::iter::repeat_n(one, count).chain(std::iter::repeat_n(other, others));
        let from = self.wishes.len();
        let wish =
            |(ix, process)| Wish { process, key: format!("k{}", from + ix), answered: BTreeSet::new(), asked: None };
        self.wishes.extend(names.enumerate().map(wish));
    }

    fn submit(&mut self, partition: PartitionId, work: Work, key: Option<CommandKey>) -> RequestId {
        self.requests += 1;
        let request = Request { id: self.requests, key: key.map(|key| (key, "digest".into())), user: None, work };
        self.tell(partition, Input::Submit(request));
        self.requests
    }

    fn round(&mut self) -> Result<(), Violation> {
        if !self.calm && self.rng.one_in(25) {
            self.harm();
        }
        if self.rng.one_in(3) {
            self.ask();
        }
        if self.rng.one_in(4) {
            self.deliver();
        }
        if self.rng.one_in(6) {
            self.look_everywhere();
        }
        self.step_all()
    }

    fn look_everywhere(&mut self) {
        for id in 0..self.partitions {
            self.tell(PartitionId(id), Input::Look);
        }
    }

    /// To the owner.
    fn tell(&mut self, id: PartitionId, input: Input) {
        let owner = self.owner[&id];
        self.tenants[owner].partition.as_mut().expect("the owner lives").handle(input, NOW);
    }

    fn harm(&mut self) {
        let id = PartitionId(self.rng.ms(self.partitions));
        let node = self.rng.below(self.nodes);
        self.counts.takeovers += 1;
        self.open(id, node);
    }

    /// A node is gone with all that it knew; others take what was its own.
    fn crash(&mut self, node: usize) {
        self.counts.crashes += 1;
        let lost: Vec<PartitionId> =
            self.owner.iter().filter(|(_, ix)| self.tenants[**ix].node == node).map(|(id, _)| *id).collect();
        for tenant in &mut self.tenants {
            if tenant.node == node {
                tenant.partition = None;
            }
        }
        for wish in &mut self.wishes {
            wish.asked = None; // its client asks again
        }
        for id in lost {
            let next = self.rng.below(self.nodes);
            self.open(id, next);
        }
    }

    /// A client asks for what was not answered yet: at the owner, or by way of a node that is not.
    fn ask(&mut self) {
        let open: Vec<usize> = (0..self.wishes.len())
            .filter(|ix| self.wishes[*ix].asked.is_none() && (self.wishes[*ix].answered.is_empty() || !self.calm))
            .collect();
        if open.is_empty() {
            return;
        }
        let ix = *self.rng.pick(&open);
        let Wish { process, key, .. } = self.wishes[ix].clone();
        // The same key goes to the same partition.
        let home = PartitionId(i64::try_from(ix).expect("few").rem_euclid(self.partitions));
        let key = CommandKey { tenant: String::new(), route: "start".into(), key };
        let definition =
            Which::Key { key: process.into(), tenant: String::new(), binding: Binding::Latest, deployment: None };
        let work = Work::Start { definition, create: Create::default() };
        let way = if self.rng.one_in(2) {
            Way::Direct(self.submit(home, work, Some(key)))
        } else {
            self.numbers += 1;
            let number = self.numbers;
            let asked = Asked { node: "n".into(), number, key: Some((key, "digest".into())), user: None, work };
            let body = Parcel::Request(Box::new(asked)).to_json();
            self.memory.inbox.insert((home, -number), ParcelRow { to: home, id: -number, at: NOW, body });
            Way::Handed(number)
        };
        self.wishes[ix].asked = Some(way);
    }

    /// Someone hands a letter over to those who wait now, or who waited a moment ago.
    fn deliver(&mut self) {
        let ids: Vec<LetterId> = self.letters.keys().copied().collect();
        if ids.is_empty() {
            return;
        }
        let id = *self.rng.pick(&ids);
        let letter = self.letters[&id].clone();
        let waiting = self.waiting(letter.name());
        let to = match letter {
            Letter::Message { .. } if waiting.is_empty() => return,
            Letter::Message { .. } => vec![self.rng.pick(&waiting).clone()],
            Letter::Signal { .. } => waiting,
        };
        self.submit(InstanceId(id).partition(), Work::Deliver { letter: id, to, rest: Vec::new() }, None);
        if self.rng.one_in(2) || self.calm {
            self.letters.remove(&id);
        }
    }

    fn waiting(&self, name: &str) -> Vec<Target> {
        let rows = self.memory.index.iter().filter_map(|((instance, key), (_, row))| match (key, row) {
            (IndexKey::Subscription(id), IndexRow::Subscription(row)) if row.name == name => {
                Some(Target::Waiting { instance: *instance, subscription: *id })
            }
            _ => None,
        });
        rows.collect()
    }

    fn step_all(&mut self) -> Result<(), Violation> {
        for ix in 0..self.tenants.len() {
            // Few words each time, so that partitions come in between each other.
            for _ in 0..1 + self.rng.below(4) {
                let Some(word) = self.tenants[ix].partition.as_mut().and_then(Partition::poll) else { break };
                self.word(ix, word)?;
            }
        }
        Ok(())
    }

    fn word(&mut self, ix: usize, word: Output) -> Result<(), Violation> {
        let id = self.tenants[ix].id;
        match word {
            Output::Reply { request, result } => self.reply(request, result),
            Output::Effect(Notice::Letter { id, letter }) => {
                self.letters.insert(id, letter);
                Ok(())
            }
            Output::Effect(Notice::Posted { to }) => {
                self.counts.parcels += 1;
                if self.rng.one_in(2) {
                    self.tell(to, Input::Look);
                }
                Ok(())
            }
            Output::StepDown => {
                self.counts.fenced += 1;
                self.tenants[ix].partition = None;
                Ok(())
            }
            Output::Effect(_) | Output::WakeAt(_) => Ok(()),
            question => {
                let is_commit = matches!(question, Output::Commit(_));
                let answer = self.memory.answer(id, question).map_err(|word| wrong("word", format!("{word:?}")))?;
                if is_commit && !self.calm && self.rng.one_in(20) {
                    self.crash(self.tenants[ix].node);
                } else if let Some(partition) = &mut self.tenants[ix].partition {
                    partition.handle(answer, NOW);
                }
                Ok(())
            }
        }
    }

    fn reply(&mut self, request: RequestId, result: Result<Reply, Rejection>) -> Result<(), Violation> {
        let found = self.wishes.iter().position(|wish| wish.asked == Some(Way::Direct(request)));
        match found {
            Some(ix) => self.answer(ix, result),
            None => Ok(()), // nobody waits for it any more
        }
    }

    fn answer(&mut self, ix: usize, result: Result<Reply, Rejection>) -> Result<(), Violation> {
        let wish = &mut self.wishes[ix];
        wish.asked = None;
        match result {
            Ok(Reply::Started(id)) => _ = wish.answered.insert(id),
            Ok(Reply::Repeated(first)) => {
                let first: serde_json::Value = serde_json::from_str(&first).expect("JSON");
                let id = first["started"].as_str().and_then(|id| id.parse().ok());
                wish.answered.insert(InstanceId(id.ok_or_else(|| wrong("I10", format!("{first}")))?));
            }
            other => return Err(wrong("I10", format!("the start of {} was answered {other:?}", wish.process))),
        }
        match wish.answered.len() {
            1 => Ok(()),
            _ => Err(wrong("I10", format!("one key, several instances: {:?}", wish.answered))),
        }
    }

    fn read_outcomes(&mut self) -> Result<(), Violation> {
        for ((_, number), row) in std::mem::take(&mut self.memory.outcomes) {
            let result = serde_json::from_str(&row.body).map_err(|error| wrong("I10", error.to_string()))?;
            if let Some(ix) = self.wishes.iter().position(|wish| wish.asked == Some(Way::Handed(number))) {
                self.answer(ix, result)?;
            }
        }
        Ok(())
    }

    /// No more faults: everything under way comes to its end.
    fn settle(&mut self) -> Result<(), Violation> {
        self.calm = true;
        for wish in &mut self.wishes {
            wish.asked = None;
        }
        for round in 0..CALM_ROUNDS {
            self.round()?;
            self.read_outcomes()?;
            if round % 50 == 49 {
                // Whoever delivers has been told of all letters again, as after a new owner's first look.
                self.letters = self.memory.letters.values().map(|row| (row.id, row.letter.clone())).collect();
            }
            let answered = self.wishes.iter().all(|wish| !wish.answered.is_empty() && wish.asked.is_none());
            if answered && self.memory.letters.is_empty() && self.memory.inbox.is_empty() {
                return Ok(());
            }
        }
        Err(wrong(
            "I14",
            format!(
                "{} letters and {} parcels are still under way, {} starts are not answered",
                self.memory.letters.len(),
                self.memory.inbox.len(),
                self.wishes.iter().filter(|wish| wish.answered.is_empty()).count()
            ),
        ))
    }

    fn judge(&self) -> Result<(), Violation> {
        let of = |process: &str, state: InstanceState| {
            let rows = self.memory.instances.values();
            rows.filter(|row| row.process == process && row.head.state == state).count()
        };
        if self.memory.instances.len() != self.wishes.len() {
            let (there, wanted) = (self.memory.instances.len(), self.wishes.len());
            return Err(wrong("I10", format!("{wanted} starts made {there} instances")));
        }
        let told = [
            ("says", InstanceState::Completed, 3),
            ("calls", InstanceState::Completed, 1),
            ("hears", InstanceState::Completed, 3),
            ("hears", InstanceState::Active, 1),
            ("listens", InstanceState::Completed, 3),
        ];
        for (process, state, wanted) in told {
            let found = of(process, state);
            if found != wanted {
                return Err(wrong("I8", format!("{found} of {process} are {state:?}, not {wanted}")));
            }
        }
        Ok(())
    }
}
