//! Random transactions from a seed: every table, every optional column, keys that come, change, go and come again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use transhume::base::id::{DefinitionId, DeploymentId, ElementId, InstanceId, LocalId, PartitionId, ScopeId, TokenId};
use transhume::base::time::Timestamp;
use transhume::base::variable::{Tag, Variable, Variables};
use transhume::partition::Letter;
use transhume::partition::transaction::{
    AnswerRow, Caller, CommandKey, Common, DefinitionKind, DefinitionRow, Delegation, DeploymentRow, Event, Fence,
    Head, IncidentKind, IncidentRow, IndexKey, IndexRow, IndexWrite, InstanceRow, InstanceState, JobEnd, JobKind,
    JobRow, Kept, LetterRow, OutcomeRow, ParcelRow, PastActivity, PastDecision, PastIncident, PastKey, PastRow,
    PastTask, PastVariable, PastWrite, Record, ResourceRow, ScopeRow, StartKey, StartRow, SubscriptionRow, TimerRow,
    Told, ToldInput, ToldOutput, Transaction, UserTask, UserTaskRow, VariableRow,
};

/// Jobs that never rested are due at this moment at the latest, often at it; schedules are asked from about it on.
pub(super) const NOW: i64 = 1_000;
pub(super) const INSTANCES: i64 = 12;

pub(super) struct Random {
    state: u64,
    next_deployment: i64,
}

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, next_deployment: 1 }
    }

    pub(super) fn below(&mut self, bound: i64) -> i64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        i64::try_from(self.state >> 33).expect("31 bits") % bound
    }

    fn yes(&mut self) -> bool {
        self.below(2) == 0
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.yes() { Some(make(self)) } else { None }
    }

    pub(super) fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(i64::try_from(of.len()).expect("few"))).expect("not negative")].clone()
    }

    fn text(&mut self) -> String {
        self.one(&["a", "Ärger", "o'clock", "", "100 %_\\", "\"quoted\"", "漢字", "line\nbreak"]).to_owned()
    }

    fn at(&mut self) -> Timestamp {
        Timestamp(self.below(3 * NOW))
    }

    fn small(&mut self) -> u32 {
        u32::try_from(self.below(4)).expect("small")
    }

    pub(super) fn instance(&mut self) -> InstanceId {
        InstanceId(1 + self.below(INSTANCES))
    }

    fn element(&mut self) -> ElementId {
        ElementId::from(self.one(&["start", "task", "gäte"]))
    }

    pub(super) fn key(&mut self) -> CommandKey {
        CommandKey { tenant: self.text(), route: self.one(&["start", "complete"]).to_owned(), key: self.text() }
    }

    /// The batch after this position.
    pub(super) fn transaction(&mut self, before: &Fence) -> Transaction {
        let mut tx = Transaction::default();
        let mut heads: BTreeMap<InstanceId, Head> = BTreeMap::new();
        for _ in 0..self.below(6) {
            let head = self.head();
            heads.insert(head.id, head);
        }
        for (_, head) in heads {
            let body = if head.state.is_ended() { String::new() } else { format!("{{\"b\":{:?}}}", self.text()) };
            tx.instances.push(InstanceRow { head, process: self.text(), incidents: self.below(3), body });
        }
        self.scopes(&mut tx);
        self.index(&mut tx);
        self.past(&mut tx);
        self.answers(&mut tx);
        self.models(&mut tx);
        self.records(&mut tx, before);
        tx
    }

    fn head(&mut self) -> Head {
        Head {
            id: self.instance(),
            definition: DefinitionId(self.below(5)),
            tenant: self.text(),
            business_key: self.maybe(Self::text),
            caller: self.maybe(|r| Caller { instance: r.instance(), token: TokenId(r.small()) }),
            root: self.instance(),
            state: self.one(&[
                InstanceState::Active,
                InstanceState::Suspended,
                InstanceState::Cancelling,
                InstanceState::Completed,
                InstanceState::Terminated,
                InstanceState::Cancelled,
            ]),
            started_at: self.at(),
            ended_at: self.maybe(Self::at),
            starter: self.maybe(Self::text),
            start_element: self.maybe(Self::element),
            end_element: self.maybe(Self::element),
            reason: self.maybe(Self::text),
            revision: u64::try_from(self.below(100)).expect("not negative"),
            next: 1,
            steps: 0,
            depth: 0,
            continues: false,
        }
    }

    fn scopes(&mut self, tx: &mut Transaction) {
        let mut rows = BTreeMap::new();
        for _ in 0..self.below(8) {
            rows.insert((self.instance(), ScopeId(self.small())), self.text());
        }
        for _ in 0..self.below(4) {
            tx.scopes_gone.push((self.instance(), ScopeId(self.small())));
        }
        tx.scopes = rows.into_iter().map(|((instance, scope), body)| ScopeRow { instance, scope, body }).collect();
    }

    fn common(&mut self, instance: InstanceId) -> Arc<Common> {
        Arc::new(Common {
            instance,
            root: self.instance(),
            definition: DefinitionId(self.below(5)),
            process: self.text(),
            tenant: self.text(),
            business_key: self.maybe(Self::text),
            suspended: self.below(5) == 0,
        })
    }

    fn index(&mut self, tx: &mut Transaction) {
        let mut rows = BTreeMap::new();
        for _ in 0..self.below(90) {
            let (key, row) = self.index_row();
            rows.insert((self.instance(), key), row);
        }
        for _ in 0..self.below(40) {
            let (key, _) = self.index_row();
            tx.index_gone.push((self.instance(), key));
        }
        for ((instance, key), row) in rows {
            tx.index.push(IndexWrite { common: self.common(instance), key, row });
        }
    }

    fn index_row(&mut self) -> (IndexKey, IndexRow) {
        let (token, id) = (TokenId(self.small()), LocalId(self.small()));
        match self.below(7) {
            0 => (IndexKey::Job(token), IndexRow::Job(self.job())),
            1 => (IndexKey::UserTask(token), IndexRow::UserTask(Box::new(self.user_task()))),
            2 => (IndexKey::Candidate(token, self.yes(), self.text()), IndexRow::Candidate),
            3 => {
                let (owner, element, due, created_at) = (token, self.element(), self.at(), self.at());
                (
                    IndexKey::Timer(id),
                    IndexRow::Timer(TimerRow { owner, element, due, repeats: self.yes(), created_at }),
                )
            }
            4 => {
                let (owner, element, name, created_at) = (token, self.element(), self.text(), self.at());
                let row = SubscriptionRow { owner, element, signal: self.yes(), name, created_at };
                (IndexKey::Subscription(id), IndexRow::Subscription(row))
            }
            5 => {
                let (element, message, at) = (self.element(), self.text(), self.at());
                let row = IncidentRow { token, element, kind: self.incident_kind(), message, at };
                (IndexKey::Incident(id), IndexRow::Incident(row))
            }
            _ => {
                let key = IndexKey::Variable(ScopeId(self.small()), self.text());
                let number = self.maybe(|r| r.one(&[0.0, -1.5, 3.0, 1e300]));
                let (kind, text) = (self.one(&["String", "Long"]).to_owned(), self.maybe(Self::text));
                (key, IndexRow::Variable(VariableRow { kind, text, number, token: self.maybe(|_| token) }))
            }
        }
    }

    fn incident_kind(&mut self) -> IncidentKind {
        self.one(&[IncidentKind::FailedExternalTask, IncidentKind::Bug, IncidentKind::UncaughtError])
    }

    fn job(&mut self) -> JobRow {
        let holder = self.maybe(Self::text);
        let rested = self.yes();
        let created_at = if self.yes() { Timestamp(NOW) } else { Timestamp(self.below(NOW)) };
        JobRow {
            kind: self.one(&[JobKind::External, JobKind::Continuation, JobKind::Decision, JobKind::Script]),
            element: self.element(),
            topic: self.one(&["one", "two", "three"]).to_owned(),
            lease_no: self.below(4),
            until: holder.as_ref().map(|_| Timestamp(self.below(3 * NOW))),
            holder,
            retries: self.maybe(|r| r.below(3)),
            expiries: self.below(3),
            due: if rested { created_at.plus_ms(1 + self.below(2 * NOW)) } else { created_at },
            priority: self.below(100) - 50,
            created_at,
            error: self.maybe(Self::text),
            incident: self.below(4) == 0,
        }
    }

    fn delegation(&mut self) -> Option<Delegation> {
        self.maybe(|r| r.one(&[Delegation::Pending, Delegation::Resolved]))
    }

    fn user_task(&mut self) -> UserTaskRow {
        UserTaskRow {
            element: self.element(),
            scope: ScopeId(self.small()),
            name: self.maybe(Self::text),
            description: self.maybe(Self::text),
            assignee: self.maybe(Self::text),
            owner: self.maybe(Self::text),
            delegation: self.delegation(),
            priority: self.below(100),
            due: self.maybe(Self::at),
            follow_up: self.maybe(Self::at),
            created_at: self.at(),
            updated_at: self.maybe(Self::at),
        }
    }

    fn past(&mut self, tx: &mut Transaction) {
        let mut rows = BTreeMap::new();
        for _ in 0..self.below(40) {
            let (key, row) = self.past_row();
            rows.insert((self.instance(), key), row);
        }
        for ((instance, key), row) in rows {
            tx.past.push(PastWrite { common: self.common(instance), key, row });
        }
    }

    fn past_row(&mut self) -> (PastKey, PastRow) {
        let token = TokenId(self.small());
        match self.below(5) {
            0 => {
                let row = PastActivity {
                    element: self.element(),
                    name: self.maybe(Self::text),
                    kind: self.one(&["userTask", "startEvent"]),
                    scope: ScopeId(self.small()),
                    parent: self.maybe(|_| token),
                    called: self.maybe(Self::instance),
                    assignee: self.maybe(Self::text),
                    started_at: self.at(),
                    ended_at: self.maybe(Self::at),
                    cancelled: self.yes(),
                };
                (PastKey::Activity(token), PastRow::Activity(row))
            }
            1 => {
                let task = UserTask {
                    name: self.maybe(Self::text),
                    description: self.maybe(Self::text),
                    assignee: self.maybe(Self::text),
                    owner: self.maybe(Self::text),
                    delegation: self.delegation(),
                    candidate_users: BTreeSet::new(),
                    candidate_groups: BTreeSet::new(),
                    priority: self.below(100),
                    due: self.maybe(Self::at),
                    follow_up: self.maybe(Self::at),
                    created_at: self.at(),
                    updated_at: self.maybe(Self::at),
                };
                let (element, ended_at, reason) = (self.element(), self.maybe(Self::at), self.maybe(Self::text));
                (PastKey::Task(token), PastRow::Task(Box::new(PastTask { element, task, ended_at, reason })))
            }
            2 => {
                let tag = self.maybe(|r| Box::new(Tag { kind: r.text(), info: serde_json::Map::new() }));
                let value = serde_json::json!({"n": self.below(9), "t": self.text()});
                let value = self.maybe(|_| Variable { value, tag });
                let row = PastVariable { value, token: self.maybe(|_| token), at: self.at() };
                (PastKey::Variable(ScopeId(self.small()), self.text()), PastRow::Variable(row))
            }
            3 => (PastKey::Decision(LocalId(self.small())), PastRow::Decision(Box::new(self.past_decision()))),
            _ => {
                let row = PastIncident {
                    token,
                    element: self.element(),
                    kind: self.incident_kind(),
                    message: self.text(),
                    raised_at: self.at(),
                    resolved_at: self.maybe(Self::at),
                    deleted: self.yes(),
                };
                (PastKey::Incident(LocalId(self.small())), PastRow::Incident(row))
            }
        }
    }

    fn past_decision(&mut self) -> PastDecision {
        let kept = Kept { value: serde_json::json!([self.text(), self.below(9)]), cut_from: self.maybe(|_| 5_000) };
        let input = ToldInput { id: self.maybe(Self::text), name: self.text(), kept: kept.clone() };
        let output = ToldOutput {
            id: self.maybe(Self::text),
            label: self.maybe(Self::text),
            rule: self.maybe(Self::text),
            number: self.maybe(|_| 3),
            variable: self.text(),
            kept,
        };
        PastDecision {
            task: self.maybe(|r| (TokenId(r.small()), r.element())),
            evaluator: self.maybe(Self::text),
            definition: DefinitionId(self.below(99)),
            key: self.text(),
            version: self.small(),
            name: self.text(),
            asked: self.maybe(|r| LocalId(r.small())),
            at: self.at(),
            told: Told { inputs: vec![input], outputs: vec![output], collected: self.maybe(|r| r.below(9).into()) },
        }
    }

    fn answers(&mut self, tx: &mut Transaction) {
        let mut rows = BTreeMap::new();
        for _ in 0..self.below(3) {
            let row = AnswerRow { key: self.key(), digest: self.text(), answer: self.text(), at: self.at() };
            rows.insert(row.key.clone(), row);
        }
        tx.answers = rows.into_values().collect();
    }

    /// A deployment now and then; an old one goes with its start events.
    fn models(&mut self, tx: &mut Transaction) {
        if self.below(3) > 0 {
            return;
        }
        let number = self.next_deployment;
        self.next_deployment += 1;
        let id = DeploymentId(number);
        let tenant = self.one(&["", "north"]).to_owned();
        let (name, source, at) = (self.maybe(Self::text), self.maybe(Self::text), self.at());
        tx.deployments.push(DeploymentRow { id, tenant: tenant.clone(), name, source, at });
        for (file, name) in ["a.bpmn", "b.dmn"].into_iter().enumerate() {
            let id_of_file = number * 10 + i64::try_from(file).expect("few");
            let bytes = Arc::new(vec![0, 0xff, u8::try_from(number % 256).expect("a byte")]);
            tx.resources.push(ResourceRow { deployment: id, id: id_of_file, name: name.to_owned(), bytes });
        }
        let kinds = [DefinitionKind::Process, DefinitionKind::Decision, DefinitionKind::Requirements];
        for (place, kind) in kinds.into_iter().enumerate() {
            tx.definitions.push(DefinitionRow {
                id: DefinitionId(number * 10 + i64::try_from(place).expect("few")),
                kind,
                deployment: id,
                tenant: tenant.clone(),
                key: "order".to_owned(),
                version: u32::try_from(number).expect("small"),
                version_tag: self.maybe(Self::text),
                name: self.maybe(Self::text),
                resource: "a.bpmn".to_owned(),
                suspended: self.yes(),
                startable: self.yes(),
                history_ttl_days: self.maybe(Self::small),
                documentation: self.maybe(Self::text),
            });
        }
        tx.starts.push(StartRow {
            key: StartKey { definition: DefinitionId(number * 10), element: self.element(), part: 0 },
            process: "order".to_owned(),
            tenant,
            message: self.maybe(Self::text),
            signal: self.maybe(Self::text),
            due: self.maybe(Self::at),
            cycle: self.maybe(Self::text),
        });
        let (name, business_key, from) = (self.text(), self.maybe(Self::text), InstanceId(number));
        let letter = Letter::Message { name, business_key, variables: Variables::new(), from };
        tx.letters.push(LetterRow { id: number, at: self.at(), letter });
        tx.letters_gone.push(number - 2);
        let partition = PartitionId(self.below(2));
        tx.parcels.push(ParcelRow { to: partition, id: self.one(&[-1, 1]) * number, at: self.at(), body: self.text() });
        tx.parcels_gone.push(number - 2);
        tx.outcomes.push(OutcomeRow { node: self.text(), number, at: self.at(), body: self.text() });
        for element in ["start", "task", "gäte"] {
            let (definition, element) = (DefinitionId((number - 2) * 10), ElementId::from(element));
            tx.starts_gone.push(StartKey { definition, element, part: 0 });
        }
        if number % 3 == 0 {
            tx.deployments_gone.push(DeploymentId(number - 2));
        }
    }

    fn records(&mut self, tx: &mut Transaction, before: &Fence) {
        let count = 1 + self.below(5);
        for number in 1..=count {
            let token = TokenId(self.small());
            let events = vec![
                self.one(&[
                    Event::FlowTaken { flow: "f".into() },
                    Event::JobClosed { token, lease_no: 1, how: JobEnd::Completed },
                    Event::JobClosed { token, lease_no: 2, how: JobEnd::Error },
                    Event::VariableSet { scope: ScopeId(0), name: "n".into(), value: Variable::from(1) },
                ]),
                Event::InstanceResumed,
            ];
            tx.records.push(Record {
                position: before.position + number,
                instance: self.maybe(Self::instance),
                at: self.at(),
                cause: "complete-job",
                events,
            });
        }
        tx.fence = Fence {
            batch: before.batch + 1,
            position: before.position + count,
            next_id: before.next_id + self.below(3),
            clock: before.clock.plus_ms(self.below(50)),
            ..before.clone()
        };
    }
}
