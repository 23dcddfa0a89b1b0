//! Between partitions: what one sends is done once at the other, and what was asked elsewhere is answered there.

use super::*;
use crate::engine::index::IndexKey;
use crate::partition::transaction::ParcelRow;

/// Two partitions over one database.
struct Pair {
    memory: Memory,
    partitions: Vec<Partition>,
    words: Vec<Output>,
    requests: RequestId,
}

const NOW: Timestamp = Timestamp(1_000_000);

impl Pair {
    fn new() -> Self {
        let mut memory = Memory::new(2);
        let partitions = (0..2).map(|id| opened(&mut memory, id)).collect();
        Self { memory, partitions, words: Vec::new(), requests: 0 }
    }

    fn with(xml: String) -> Self {
        let mut pair = Self::new();
        let files = vec![("test.bpmn".to_owned(), Arc::new(xml.into_bytes()))];
        let read = Bundle::read(None, None, String::new(), files).unwrap_or_else(|found| panic!("{found:#?}"));
        pair.ask(0, Work::Deploy(Box::new(read.bundle))).unwrap();
        pair
    }

    /// Both run until they rest; each looks into its inbox when something was posted to it.
    fn serve(&mut self) {
        loop {
            for partition in &mut self.partitions {
                self.words.extend(self.memory.serve(partition, NOW));
            }
            let is_post = |word: &Output| matches!(word, Output::Effect(Notice::Posted { .. }));
            let (posts, words) = std::mem::take(&mut self.words).into_iter().partition(is_post);
            self.words = words;
            if Vec::is_empty(&posts) {
                return;
            }
            self.look();
        }
    }

    fn look(&mut self) {
        for partition in &mut self.partitions {
            partition.handle(Input::Look, NOW);
        }
    }

    fn restart(&mut self, id: i64) {
        self.partitions[usize::try_from(id).unwrap()] = opened(&mut self.memory, id);
    }

    fn ask(&mut self, partition: usize, work: Work) -> Result<Reply, Rejection> {
        self.requests += 1;
        let request = Request { id: self.requests, key: None, user: None, work };
        self.partitions[partition].handle(Input::Submit(request), NOW);
        self.serve();
        let own = self.requests;
        let at = self.words.iter().position(|word| matches!(word, Output::Reply { request, .. } if *request == own));
        match self.words.remove(at.expect("it is answered")) {
            Output::Reply { result, .. } => result,
            other => panic!("{other:?}"),
        }
    }

    fn start(&mut self, partition: usize, key: &str) -> InstanceId {
        self.ask(partition, start(key)).unwrap().started().unwrap()
    }

    fn waiting(&self, instance: InstanceId) -> Target {
        let mut rows = self.memory.index_of(instance);
        let found = rows.find_map(|(key, _)| if let IndexKey::Subscription(id) = key { Some(*id) } else { None });
        Target::Waiting { instance, subscription: found.expect("it waits") }
    }

    fn state(&self, instance: InstanceId) -> InstanceState {
        self.memory.instances[&instance].head.state
    }
}

fn opened(memory: &mut Memory, id: i64) -> Partition {
    let mut partition = Partition::new(PartitionId(id));
    partition.handle(memory.open(PartitionId(id)), NOW);
    partition
}

fn message() -> Letter {
    Letter::Message { name: "go".into(), business_key: None, variables: Variables::new(), from: InstanceId(1) }
}

const RECEIVES: &str = "start > A:receive go > end";

#[test]
fn what_is_deployed_at_one_can_be_started_at_the_other_and_ids_are_their_own() {
    let mut pair = Pair::with(draw(RECEIVES));
    let (first, second) = (pair.start(0, "p"), pair.start(1, "p"));
    assert_eq!((first.partition(), second.partition()), (PartitionId(0), PartitionId(1)));
    assert!(pair.memory.inbox.is_empty(), "what was told is taken out");
}

#[test]
fn a_letter_reaches_an_instance_of_another_partition_once() {
    let mut pair = Pair::with(draw(RECEIVES));
    let instance = pair.start(1, "p");
    let letter = pair.ask(0, Work::Say(message())).unwrap().said().unwrap();
    let deliver = Work::Deliver { letter, to: vec![pair.waiting(instance)], rest: Vec::new() };
    // The sender's transaction is stored, and both die before the receiver has looked.
    pair.partitions[0].handle(Input::Submit(Request { id: 99, key: None, user: None, work: deliver }), NOW);
    pair.memory.serve(&mut pair.partitions[0], NOW);
    assert_eq!((pair.memory.letters.len(), pair.memory.inbox.len()), (0, 1));
    pair.restart(0);
    pair.restart(1);
    pair.serve();
    assert_eq!((pair.state(instance), pair.memory.inbox.len()), (InstanceState::Completed, 0));
}

#[test]
fn a_message_whose_receiver_has_gone_on_waits_for_another_where_it_arrived() {
    let mut pair = Pair::with(draw(RECEIVES));
    let instance = pair.start(1, "p");
    let letter = pair.ask(0, Work::Say(message())).unwrap().said().unwrap();
    let gone = Target::Waiting { instance, subscription: LocalId(999) };
    pair.ask(0, Work::Deliver { letter, to: vec![gone], rest: Vec::new() }).unwrap();
    let kept: Vec<PartitionId> = pair.memory.letters.keys().map(|id| InstanceId(*id).partition()).collect();
    assert_eq!(kept, [PartitionId(1)]);
    assert_eq!(pair.state(instance), InstanceState::Active);
}

fn asked(number: i64, work: Work) -> ParcelRow {
    let asked = Asked { node: "n".into(), number, key: None, user: None, work };
    ParcelRow { to: PartitionId(1), id: -number, at: NOW, body: Parcel::Request(Box::new(asked)).to_json() }
}

#[test]
fn a_request_of_another_node_is_answered_by_its_outcome_and_a_crash_does_it_no_second_time() {
    let mut pair = Pair::with(draw(RECEIVES));
    let unknown = Work::Instance { instance: InstanceId::new(PartitionId(1), 77), command: Command::Suspend };
    for row in [asked(5, start("p")), asked(6, unknown)] {
        pair.memory.inbox.insert((row.to, row.id), row);
    }
    pair.look();
    pair.serve();
    pair.restart(1);
    pair.serve();
    assert_eq!((pair.memory.instances.len(), pair.memory.inbox.len()), (1, 0));
    let outcome = |number| -> Result<Reply, Rejection> {
        serde_json::from_str(&pair.memory.outcomes[&("n".to_owned(), number)].body).unwrap()
    };
    assert!(matches!(outcome(5), Ok(Reply::Started(id)) if id.partition() == PartitionId(1)));
    assert!(matches!(outcome(6), Err(Rejection::InstanceNotFound(_))));
}

#[test]
fn files_that_are_deployed_by_way_of_another_node_are_kept_byte_for_byte() {
    let mut pair = Pair::new();
    let files = vec![
        ("a.bpmn".to_owned(), Arc::new(draw(RECEIVES).into_bytes())),
        ("b.bin".to_owned(), Arc::new(vec![0_u8, 255, 10])),
    ];
    let bundle = Bundle::read(None, None, String::new(), files.clone()).unwrap().bundle;
    let row = ParcelRow { to: PartitionId(0), ..asked(5, Work::Deploy(Box::new(bundle))) };
    pair.memory.inbox.insert((row.to, row.id), row);
    pair.look();
    pair.serve();
    let kept: Vec<_> = pair.memory.resources.values().map(|row| (row.name.clone(), Arc::clone(&row.bytes))).collect();
    assert_eq!(kept, files);
    assert_eq!(pair.start(1, "p").partition(), PartitionId(1));
}

#[test]
fn suspending_a_version_reaches_its_instances_wherever_they_are() {
    let mut pair = Pair::with(draw(RECEIVES));
    let instances = vec![pair.start(0, "p"), pair.start(1, "p")];
    let definition = pair.memory.instances[&instances[0]].head.definition;
    pair.ask(0, Work::SuspendDefinition { definition, suspended: true, instances: instances.clone() }).unwrap();
    assert!(instances.iter().all(|id| pair.state(*id) == InstanceState::Suspended));
    assert!(matches!(pair.ask(1, start("p")), Err(Rejection::DefinitionSuspended(_))));
}

fn hourly() -> String {
    let timer = r#"<startEvent id="start"><timerEventDefinition><timeCycle>R/PT1H</timeCycle></timerEventDefinition>"#;
    let drawn = draw("start > A:user > end");
    drawn.replace(r#"<startEvent id="start">"#, timer)
}

#[test]
fn start_timers_hand_their_instances_round() {
    let mut pair = Pair::with(hourly());
    for hour in 1..=4 {
        for partition in &mut pair.partitions {
            partition.handle(Input::Wake, NOW.plus_ms(hour * 3_600_000));
        }
        pair.serve();
    }
    let homes: std::collections::BTreeSet<PartitionId> =
        pair.memory.instances.keys().map(|id| id.partition()).collect();
    assert_eq!((pair.memory.instances.len(), homes.len()), (4, 2));
}
