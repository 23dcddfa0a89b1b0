//! Owners of a partition that stand still where a test says: before they hear a reading, before they write, after they have
//! written and before they hear of it. Beside them are the databases: of maps, SQLite, PostgreSQL.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use transhume::base::id::{InstanceId, LocalId, TokenId};
use transhume::base::time::Timestamp;
use transhume::engine::command::Rejection;
use transhume::engine::compile::{compile, no_resources};
use transhume::engine::definition::Process;
use transhume::engine::document;
use transhume::engine::instance::{Instance, Wait};
use transhume::partition::memory::Memory;
use transhume::partition::transaction::{CommandKey, DefinitionRow};
use transhume::partition::{Bundle, Input, Output, Partition, Reply, Request, RequestId, Work, first_partition};
use transhume::runtime::inspect::inspect;
use transhume::store::Store;

pub(super) const BEGIN: Timestamp = Timestamp(1_700_000_000_000);
/// An owner that has said so much is caught in a circle.
const WORDS_MAX: usize = 10_000;

/// A database, as two processes see it.
pub(super) enum Base {
    Memory(RefCell<Box<Memory>>),
    Stores([Store; 2]),
}

impl Base {
    pub(super) fn memory() -> Self {
        Self::Memory(RefCell::new(Box::new(Memory::new(1))))
    }

    pub(super) async fn store(address: &str) -> Self {
        let first = Store::open(address).await.expect("it opens");
        Self::Stores([first, Store::open(address).await.expect("it opens again")])
    }

    async fn open(&self, process: usize) -> Input {
        match self {
            Self::Memory(memory) => memory.borrow_mut().open(first_partition()),
            Self::Stores(stores) => {
                let opened = stores[process].open_partition(first_partition(), &format!("p{process}"), BEGIN).await;
                opened.expect("the partition is taken")
            }
        }
    }

    /// The word of the database, or none: it is not for a database.
    async fn answer(&self, process: usize, output: Output) -> Result<Input, Output> {
        match self {
            Self::Memory(memory) => memory.borrow_mut().answer(first_partition(), output),
            Self::Stores(stores) => {
                let answer = stores[process].answer(first_partition(), &output).await;
                answer.expect("the database answers").ok_or(output)
            }
        }
    }

    pub(super) async fn definitions(&self) -> Vec<DefinitionRow> {
        match self.answer(0, Output::LoadCatalog { ask: 0 }).await {
            Ok(Input::Catalog { definitions, .. }) => definitions,
            other => panic!("{other:?}"),
        }
    }

    /// How many rows say that something was deployed.
    pub(super) async fn deployments(&self) -> usize {
        match self {
            Self::Memory(memory) => memory.borrow().deployments.len(),
            Self::Stores(stores) => stores[0].dump().await.expect("it is read")["deployment"].len(),
        }
    }

    /// An instance as it is stored; an ended one has no scopes, and its state as the only word.
    pub(super) async fn instance(&self, id: InstanceId) -> Seen {
        let (stored, definition) = match self {
            Self::Memory(memory) => {
                let memory = memory.borrow();
                let stored = memory.stored(id).expect("it is stored");
                let definition = memory.definition(stored.definition);
                (stored, definition)
            }
            Self::Stores(stores) => {
                let mut found = stores[0].instances(&[id]).await.expect("it is read");
                let stored = found.pop().expect("it is stored");
                let definition = stores[0].definition(stored.definition).await.expect("it is read");
                (stored, definition)
            }
        };
        let definition = definition.expect("its definition is stored");
        let version = definition.version;
        let live = (!stored.state.is_ended())
            .then(|| document::decode(id, &stored.body, &stored.scopes, definition).expect("its document is readable"));
        Seen { state: format!("{:?}", stored.state).to_lowercase(), version, live }
    }

    /// Judges all that is stored.
    pub(super) async fn judge(&self, processes: &[Arc<Process>], when: &str) {
        match self {
            Self::Memory(memory) => {
                let judged = crate::sim::judged(&memory.borrow(), processes.to_vec());
                judged.unwrap_or_else(|violation| panic!("{when}: {violation}"));
            }
            Self::Stores(stores) => {
                let report = inspect(&stores[0], &mut |_| {}).await.expect("it is read");
                assert_eq!(report.violations, [], "{when}");
            }
        }
    }
}

/// What is stored of an instance.
pub(super) struct Seen {
    state: String,
    pub(super) version: u32,
    live: Option<Instance>,
}

impl Seen {
    /// The state and where its tokens are, such as `active done`; a leased job has a star, an incident a mark.
    pub(super) fn words(&self) -> String {
        let mut words = vec![self.state.clone()];
        if let Some(live) = &self.live {
            let place = |token: &transhume::engine::instance::Token| {
                let mark = match &token.wait {
                    Wait::Job(job) if job.lease.is_some() => "*",
                    Wait::Incident(_) => "!",
                    _ => "",
                };
                format!("{}{mark}", live.definition.process.node(token.at).id)
            };
            let mut places: Vec<String> = live.tokens().map(|(.., token)| place(token)).collect();
            places.sort();
            words.extend(places);
        }
        words.join(" ")
    }

    pub(super) fn token(&self, element: &str) -> TokenId {
        let live = self.live.as_ref().expect("it lives");
        let mut at = live.tokens().filter(|(.., token)| *live.definition.process.node(token.at).id == *element);
        at.next().unwrap_or_else(|| panic!("no token at {element}: {}", self.words())).1
    }

    pub(super) fn armed(&self, element: &str) -> LocalId {
        let live = self.live.as_ref().expect("it lives");
        let all = live.scopes.values().flat_map(|scope| &scope.subscriptions);
        let mut at = all.filter(|(_, armed)| *live.definition.process.node(armed.catches).id == *element);
        *at.next().unwrap_or_else(|| panic!("nothing is armed at {element}: {}", self.words())).0
    }
}

/// Where an owner stands still.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Point {
    /// The instance has been read, the owner has not heard it yet.
    Read,
    /// The transaction is ready, the database has not heard of it.
    Write,
    /// It is stored, the owner has not heard so.
    Reply,
}

enum Stopped {
    Asking(Output),
    Hearing(Input),
}

pub(super) struct Owner {
    partition: Partition,
    process: usize,
    pub(super) now: Timestamp,
    requests: RequestId,
    replies: BTreeMap<RequestId, Result<Reply, Rejection>>,
    stopped: Option<Stopped>,
    /// It has heard that the partition is another's.
    pub(super) down: bool,
    pub(super) runs: usize,
}

impl Owner {
    pub(super) async fn open(base: &Base, process: usize, now: Timestamp) -> Self {
        let mut partition = Partition::new(first_partition());
        partition.handle(base.open(process).await, now);
        let replies = BTreeMap::new();
        Self { partition, process, now, requests: 0, replies, stopped: None, down: false, runs: 0 }
    }

    pub(super) fn hear(&mut self, input: Input) {
        self.partition.handle(input, self.now);
    }

    pub(super) fn submit(&mut self, work: Work, key: Option<&str>) -> RequestId {
        self.requests += 1;
        let named = |key: &str| CommandKey { tenant: String::new(), route: "r".into(), key: key.into() };
        let key = key.map(|key| (named(key), "digest".to_owned()));
        self.hear(Input::Submit(Request { id: self.requests, key, user: None, work }));
        self.requests
    }

    pub(super) fn pass(&mut self, ms: i64) {
        self.now = self.now.plus_ms(ms);
        self.hear(Input::Wake);
    }

    /// Works until it rests, or until it comes to this point.
    pub(super) async fn serve(&mut self, base: &Base, stop: Option<Point>) {
        for _ in 0..WORDS_MAX {
            let Some(output) = self.partition.poll() else { return };
            match (&output, stop) {
                (Output::Load { .. }, Some(Point::Read)) => {
                    self.stopped = base.answer(self.process, output).await.ok().map(Stopped::Hearing);
                    return;
                }
                (Output::Commit(_), Some(Point::Write)) => {
                    self.stopped = Some(Stopped::Asking(output));
                    return;
                }
                (Output::Commit(_), Some(Point::Reply)) => {
                    self.stopped = base.answer(self.process, output).await.ok().map(Stopped::Hearing);
                    return;
                }
                _word => self.say(base, output).await,
            }
        }
        panic!("an owner does not come to rest");
    }

    async fn say(&mut self, base: &Base, output: Output) {
        match base.answer(self.process, output).await {
            Ok(input) => self.hear(input),
            Err(Output::Reply { request, result }) => {
                self.replies.insert(request, result);
            }
            Err(Output::StepDown) => self.down = true,
            Err(Output::Effect(transhume::partition::Notice::Run { .. })) => self.runs += 1,
            Err(_word) => {}
        }
    }

    /// Goes on from where it stands, to its rest. False: it had not come to its point.
    pub(super) async fn release(&mut self, base: &Base) -> bool {
        match self.stopped.take() {
            Some(Stopped::Asking(output)) => self.say(base, output).await,
            Some(Stopped::Hearing(input)) => self.hear(input),
            None => return false,
        }
        self.serve(base, None).await;
        true
    }

    pub(super) fn reply(&mut self, request: RequestId) -> Option<Result<Reply, Rejection>> {
        self.replies.remove(&request)
    }

    pub(super) async fn ask(&mut self, base: &Base, work: Work, key: Option<&str>) -> Result<Reply, Rejection> {
        let request = self.submit(work, key);
        self.serve(base, None).await;
        self.reply(request).expect("an owner at rest has answered")
    }
}

pub(super) fn compiled(xml: &str) -> Vec<Arc<Process>> {
    compile(xml.as_bytes(), &no_resources).unwrap_or_else(|found| panic!("{found:#?}\n{xml}")).processes
}

pub(super) fn bundle(file: &str, xml: &str) -> Work {
    Work::Deploy(Box::new(Bundle {
        name: None,
        source: None,
        tenant: String::new(),
        files: vec![(file.to_owned(), Arc::new(xml.as_bytes().to_vec()))],
        processes: compiled(xml).into_iter().map(|process| (file.to_owned(), process)).collect(),
        decisions: vec![],
    }))
}
