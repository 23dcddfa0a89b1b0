//! One run: a partition over the in-memory database, players around it, and the faults that a seed chooses.
//!
//! Faults: crash before a commit, crash after it and before its replies, a failed commit, an unknown outcome (it was done,
//! or not), another owner, answers of the database in any order and doubled, late timers, steps of the clock, commands
//! that make the engine panic; and among the players, workers that die, repeat themselves or speak too late.

use super::judge::{Judge, compiled, definition};
use super::model::{self, Model, Shape};
use super::operator::{at_rest, is_soon};
use super::players::{Players, is_leased};
use super::post::{self, Post};
use super::rng::Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use transhume::base::id::InstanceId;
use transhume::base::planted;
use transhume::base::time::Timestamp;
use transhume::engine::command::Command;
use transhume::engine::definition::Process;
use transhume::engine::event::Event;
use transhume::partition::memory::Memory;
use transhume::partition::transaction::Transaction;
use transhume::partition::{Bundle, CommitError, Input, Notice, Output, Partition, Work, first_partition};
use transhume::verify::Violation;
use transhume::verify::invariants::answers;

/// After so many rounds the faults stop; an instance that has not ended after as many again will never end.
const ROUNDS_MAX: usize = 3_000;
const FAULTY_ROUNDS: usize = 250;
/// One of so many seeds makes a graph without block structure.
const GRAPH_ONE_IN: u64 = 3;
/// An instance that was at rest in so many rounds is blocked.
const QUIET_ROUNDS: usize = 20;

#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) commits: usize,
    pub(super) crashes: usize,
    pub(super) instances: usize,
    /// Models without block structure, and their instances that blocked.
    pub(super) graphs: usize,
    pub(super) blocked: usize,
    pub(super) blocks: BTreeMap<&'static str, usize>,
}

struct World {
    rng: Rng,
    model: Model,
    deploy: Work,
    memory: Memory,
    node: Partition,
    /// A former owner that does not know it yet.
    former: Option<Partition>,
    /// Answers of the database on their way.
    answers: Vec<Input>,
    /// A commit on its way.
    commit: Option<Transaction>,
    players: Players,
    post: Post,
    judge: Judge,
    processes: Vec<Arc<Process>>,
    now: Timestamp,
    wake: Option<Timestamp>,
    calm: bool,
    /// Rounds without a word in which a root was at rest.
    quiet: BTreeMap<InstanceId, usize>,
    /// Roots that were ended because they are blocked.
    blocked: BTreeSet<InstanceId>,
    /// The only fault of an otherwise calm run.
    crash_at: Option<CrashAt>,
    counts: Counts,
}

/// Before or after which commit the node dies.
#[derive(Clone, Copy, Debug)]
pub(super) struct CrashAt {
    pub(super) commit: usize,
    pub(super) stored: bool,
}

/// A run with every fault that the seed chooses.
pub(super) fn run(seed: u64) -> Result<Counts, Violation> {
    World::new(seed)?.run()
}

/// A run without faults, or with one crash.
pub(super) fn run_calm(seed: u64, crash_at: Option<CrashAt>) -> Result<Counts, Violation> {
    let mut world = World::new(seed)?;
    (world.calm, world.players.calm, world.crash_at) = (true, true, crash_at);
    world.run()
}

impl World {
    fn run(mut self) -> Result<Counts, Violation> {
        let world = &mut self;
        let ran = world.rounds().and_then(|()| world.finish());
        if ran.is_err() && std::env::var_os("SIM_TRACE").is_some() {
            world.trace();
        }
        ran.map(|()| self.counts)
    }

    fn rounds(&mut self) -> Result<(), Violation> {
        for round in 0..ROUNDS_MAX {
            if round == FAULTY_ROUNDS {
                self.calm = true;
                self.players.calm = true;
            }
            self.round()?;
            if self.is_done() {
                return Ok(());
            }
        }
        Err(self.violation("I14", format!("no progress: {}", self.unfinished())))
    }

    /// Everything that a person needs to understand a failure.
    fn trace(&self) {
        eprintln!("{}", self.model.xml.replace("><", ">\n<"));
        for record in &self.memory.records {
            eprintln!("{} {:?} {:?} {}", record.position, record.instance, record.at, record.cause);
            for event in &record.events {
                eprintln!("    {event:?}");
            }
        }
    }

    fn new(seed: u64) -> Result<Self, Violation> {
        let mut rng = Rng::new(seed);
        let shape = if seed % GRAPH_ONE_IN == 1 { Shape::Graph } else { Shape::Blocks };
        let model = model::generate(&mut rng, shape);
        let processes = compiled(&model)?;
        let name = "model.bpmn".to_owned();
        let deploy = Work::Deploy(Box::new(Bundle {
            name: None,
            source: None,
            tenant: String::new(),
            files: vec![(name.clone(), Arc::new(model.xml.clone().into_bytes()))],
            processes: processes.iter().map(|process| (name.clone(), Arc::clone(process))).collect(),
            decisions: vec![],
        }));
        let starts = 1 + rng.below(3);
        let (blocks, choices) = (model.blocks.clone(), model.choices.clone());
        let graphs = usize::from(shape == Shape::Graph);
        let mut memory = Memory::new(1);
        let mut node = Partition::new(first_partition());
        let now = Timestamp(1_700_000_000_000);
        node.handle(memory.open(first_partition()), now);
        Ok(Self {
            rng,
            model,
            deploy,
            memory,
            node,
            former: None,
            answers: Vec::new(),
            commit: None,
            players: Players::new(starts),
            post: Post::default(),
            judge: Judge::new(processes.clone(), choices),
            processes,
            now,
            wake: None,
            calm: false,
            quiet: BTreeMap::new(),
            blocked: BTreeSet::new(),
            crash_at: None,
            counts: Counts { instances: starts, graphs, blocks, ..Counts::default() },
        })
    }

    fn violation(&self, rule: &'static str, what: String) -> Violation {
        Violation { rule, layer: "simulator", instance: None, what }
    }

    fn is_done(&self) -> bool {
        self.players.all_started()
            && self.commit.is_none()
            && self.memory.letters.is_empty()
            && self.memory.instances.values().all(|row| row.head.state.is_ended())
    }

    fn unfinished(&self) -> String {
        let open: Vec<_> =
            self.memory.index.iter().map(|((id, key), (_, row))| format!("{id} {key:?} {row:?}")).collect();
        open.join("\n")
    }

    fn round(&mut self) -> Result<(), Violation> {
        let mut requests = self.players.act(&mut self.rng, &self.memory, &self.model, &self.deploy, self.now);
        let deliveries = self.post.deliveries(&mut self.rng, self.calm);
        requests.extend(deliveries.into_iter().map(|work| self.players.other(work)));
        let mut idle = requests.is_empty() && self.answers.is_empty() && self.commit.is_none();
        for request in requests {
            self.handle(Input::Submit(request));
        }
        if self.rng.one_in(12) {
            let offer = self.players.offer(&mut self.rng);
            self.handle(Input::Offer(offer));
        }
        self.deliver();
        idle &= !self.pump()?;
        self.settle_commit()?;
        self.pump_former()?;
        if !self.calm && self.rng.one_in(120) {
            self.take_over();
        }
        if !self.calm && self.rng.one_in(200) {
            self.crash();
        }
        self.pass_time(idle);
        if idle && self.model.choices.is_some() { self.end_blocked() } else { Ok(()) }
    }

    /// A graph may block. Then everything in it waits for tokens, as the oracle sees it too, and a person ends it.
    fn end_blocked(&mut self) -> Result<(), Violation> {
        let families = at_rest(&self.memory, &self.model, &self.players.delivered, self.now);
        self.quiet.retain(|root, _| families.contains_key(root));
        for (root, family) in families {
            let rounds = self.quiet.entry(root).or_default();
            *rounds += 1;
            if rounds.is_multiple_of(QUIET_ROUNDS) {
                family.iter().try_for_each(|instance| self.judge.is_blocked(*instance))?;
                self.blocked.insert(root);
                let end = self.players.of(root, Command::Cancel { reason: None });
                self.handle(Input::Submit(end));
            }
        }
        Ok(())
    }

    /// The clock that the node sees: now and then a wrong one.
    fn handle(&mut self, input: Input) {
        let step = if !self.calm && self.rng.one_in(50) { self.rng.ms(7_200_000) - 3_600_000 } else { 0 };
        // A step forward is not undone: the partition's clock never goes back.
        self.now = self.now.max(self.now.plus_ms(step.min(60_000)));
        self.node.handle(input, self.now.plus_ms(step.min(0)));
    }

    /// Answers arrive in any order, some of them twice.
    fn deliver(&mut self) {
        while !self.answers.is_empty() && (self.calm || !self.rng.one_in(4)) {
            let next = self.rng.below(self.answers.len());
            let answer = self.answers.swap_remove(next);
            if !self.calm && self.rng.one_in(10) {
                self.handle(answer.clone());
            }
            self.handle(answer);
        }
    }

    /// Takes the node's words; true if there were any.
    fn pump(&mut self) -> Result<bool, Violation> {
        let mut any = false;
        while let Some(output) = self.node.poll() {
            any = true;
            match output {
                Output::Commit(tx) => {
                    assert!(self.commit.is_none(), "at most one commit is in flight");
                    self.commit = Some(tx);
                }
                Output::Reply { request, result } => {
                    let told = self.players.answered(&self.memory, request, result);
                    told.map_err(|what| self.violation("I10", what))?;
                }
                Output::Effect(Notice::Run { instance, token, lease_no, holder, .. }) => {
                    let stored = is_leased(&self.memory, instance, token, lease_no, &holder);
                    stored.map_err(|what| self.violation("I10", what))?;
                    self.players.leased(&self.memory, instance, token, lease_no, holder);
                }
                Output::Effect(Notice::Letter { id, .. }) => {
                    self.post.told(&self.memory, id).map_err(|what| self.violation("I10", what))?;
                }
                Output::Effect(_) => {}
                Output::WakeAt(at) => self.wake = Some(at),
                Output::StepDown => return Err(self.violation("I5", "the owner was refused its own commit".into())),
                Output::LoadDefinition(id) => {
                    let found = definition(&self.memory, &self.processes, id);
                    self.answers.push(found.map_or(Input::NoDefinition(id), Input::Definition));
                }
                read => match self.memory.answer(first_partition(), read) {
                    Ok(answer) => self.answers.push(answer),
                    Err(output) => unreachable!("every other word is a read: {output:?}"),
                },
            }
        }
        Ok(any)
    }

    /// What becomes of a commit: mostly it is stored and said so.
    fn settle_commit(&mut self) -> Result<(), Violation> {
        let fate = match self.crash_at {
            Some(CrashAt { commit, stored }) if self.commit.is_some() && commit == self.counts.commits => {
                self.crash_at = None;
                if stored { 2 } else { 1 }
            }
            _calm if self.calm => 9,
            _faulty => self.rng.below(24),
        };
        if fate == 0 {
            return Ok(()); // it takes its time
        }
        let Some(tx) = self.commit.take() else { return Ok(()) };
        let batch = tx.fence.batch;
        match fate {
            1 => self.crash(),
            2 => {
                self.store(tx)?;
                self.crash();
            }
            3 => self.handle(Input::CommitFailed { batch, error: CommitError::Failed }),
            4 | 5 => {
                // Nobody knows: a new epoch bars the old attempt, then the history tells.
                if fate == 4 {
                    self.store(tx)?;
                }
                let done = self.memory.fence().batch == batch;
                let Input::Opened { epoch, .. } = self.memory.open(first_partition()) else {
                    unreachable!("opening opens")
                };
                self.handle(Input::Epoch(epoch));
                if done {
                    self.handle(Input::Committed { batch });
                } else {
                    self.handle(Input::CommitFailed { batch, error: CommitError::Failed });
                }
            }
            _stored => {
                self.store(tx)?;
                self.handle(Input::Committed { batch });
                if fate == 6 {
                    self.handle(Input::Committed { batch });
                }
            }
        }
        self.pump().map(|_| ())
    }

    fn store(&mut self, tx: Transaction) -> Result<(), Violation> {
        self.counts.commits += 1;
        self.memory.commit(tx).map_err(|error| self.violation("I5", format!("the owner's commit: {error:?}")))?;
        for host in self.judge.look(&self.memory)? {
            self.players.happened.insert(host);
        }
        Ok(())
    }

    fn open(&mut self) -> Partition {
        self.answers.clear();
        self.commit = None;
        self.wake = None;
        self.players.cut_off();
        self.post.cut_off();
        self.counts.crashes += 1;
        let mut node = Partition::new(first_partition());
        node.handle(self.memory.open(first_partition()), self.now);
        std::mem::replace(&mut self.node, node)
    }

    fn crash(&mut self) {
        self.open();
    }

    /// Another node takes the partition while the former owner still works on what it has.
    fn take_over(&mut self) {
        let pending = self.commit.take();
        let reads = std::mem::take(&mut self.answers);
        let mut former = self.open();
        for answer in reads {
            former.handle(answer, self.now);
        }
        if let Some(tx) = pending {
            let batch = tx.fence.batch;
            if let Err(error) = self.memory.commit(tx) {
                former.handle(Input::CommitFailed { batch, error }, self.now);
            }
        }
        self.former = Some(former);
    }

    /// A former owner may read and try; what it writes must be refused, and then it steps down.
    fn pump_former(&mut self) -> Result<(), Violation> {
        let Some(mut former) = self.former.take() else { return Ok(()) };
        let before = self.memory.records.len();
        let words = self.memory.serve(&mut former, self.now);
        if self.memory.records.len() != before {
            return self.judge.look(&self.memory).map(|_| ());
        }
        let down = words.iter().any(|word| matches!(word, Output::StepDown));
        if !down && self.rng.one_in(2) {
            let offer = self.players.offer(&mut self.rng);
            former.handle(Input::Offer(offer), self.now);
            self.former = Some(former);
        }
        Ok(())
    }

    /// Nothing to do: the next thing that happens is a wake-up, perhaps a late one.
    fn pass_time(&mut self, idle: bool) {
        if !idle {
            self.now = self.now.plus_ms(self.rng.ms(2_000));
            return;
        }
        // A timer that never comes in the time of a run would take everything else with it.
        if let Some(at) = self.wake.take_if(|at| is_soon(*at, self.now)) {
            let late = if !self.calm && self.rng.one_in(5) { self.rng.ms(60_000) } else { 0 };
            self.now = self.now.max(at).plus_ms(late);
            self.handle(Input::Wake);
        }
    }

    /// The end: every instance took its path, and every answer was true.
    fn finish(&mut self) -> Result<(), Violation> {
        self.judge.look(&self.memory)?;
        post::all_delivered(&self.memory).map_err(|what| self.violation("I8", what))?;
        let mut marks: BTreeMap<String, usize> = BTreeMap::new();
        let mut left: BTreeMap<_, BTreeMap<String, usize>> = BTreeMap::new();
        for record in &self.memory.records {
            let Some(instance) = record.instance else { continue };
            let root = self.memory.instances[&instance].head.root;
            for event in &record.events {
                match event {
                    Event::VariableSet { name, .. }
                        if name.starts_with("mark-") && record.cause != "create-instance" =>
                    {
                        *marks.entry(name.clone()).or_default() += usize::from(is_answer(record.cause));
                    }
                    Event::TokenLeft { at, .. } => {
                        *left.entry(root).or_default().entry(at.to_string()).or_default() += 1;
                    }
                    _other => {}
                }
            }
        }
        answers(self.players.book(), &marks)?;
        self.counts.blocked = self.blocked.len();
        if self.model.choices.is_some() {
            return Ok(());
        }
        for root in self.players.starts.iter().flatten() {
            let seen = left.remove(root).unwrap_or_default();
            if seen != self.model.left {
                let what =
                    format!("it left other elements than its path says: {}", difference(&self.model.left, &seen));
                return Err(Violation { rule: "path", layer: "simulator", instance: Some(*root), what });
            }
        }
        match left.keys().next() {
            Some(root) => Err(self.violation("I10", format!("instance {root} was started by nobody"))),
            None => Ok(()),
        }
    }
}

/// A mark is set by the call itself; called processes copy it, and their ends bring it back.
fn is_answer(cause: &str) -> bool {
    !matches!(cause, "called-instance-ended" | "continue")
}

fn difference(wanted: &BTreeMap<String, usize>, seen: &BTreeMap<String, usize>) -> String {
    let mut words = Vec::new();
    for id in wanted.keys().chain(seen.keys()) {
        let (wanted, seen) = (wanted.get(id).unwrap_or(&0), seen.get(id).unwrap_or(&0));
        if wanted != seen {
            words.push(format!("{id} {seen} times, not {wanted}"));
        }
    }
    words.dedup();
    words.join(", ")
}

/// The words with which a seed's failure can be had again.
pub(super) fn reproduce(seed: u64, violation: &Violation) -> String {
    format!(
        "SIM_SEED={seed} cargo test --test it sim:: -- --nocapture\n  {violation} (found by the {})",
        violation.layer
    )
}

/// In this thread, commands of the user `poison` make the engine panic, unless another defect is planted.
pub(super) fn arm_poison() {
    planted::plant(Some("poison"));
}
