//! Plays the cases of a suite: deploys, takes the steps, answers jobs by mocks, and compares what was seen.

use crate::base::id::{ElementId, InstanceId, TokenId};
use crate::base::time::{Timestamp, parse_span, span_ms};
use crate::base::variable::{Variables, from_json};
use crate::engine::command::{Command, Create, Failure};
use crate::engine::instance::{Instance, InstanceState, Subscription, Trigger, Wait};
use crate::engine::job::{Binding, JobKind};
use crate::partition::transaction::DefinitionRow;
use crate::partition::{DecisionFile, Reply, Which, Work};
use crate::scenario::database::{self, Database};
use crate::scenario::expect::{Names, Seen};
use crate::scenario::file::{Case, Expect, State, Step, Suite, Verb};
use crate::scenario::host::Host;
use crate::scenario::look::{ad_hoc, armed, element_of, waits_for_a_choice};
use crate::scenario::report::CaseResult;
use crate::scenario::{Options, answer, decisions, deploy, expect};
use serde_json::{Map, Value};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Follow-ups of one step; more means that the model never rests.
const SETTLE_ROUNDS_MAX: usize = 10_000;
const DEFAULT_CLOCK: &str = "2026-01-01T00:00:00Z";
/// As a worker the runner signs with this name.
pub(super) const WORKER: &str = "process-test";

/// What a failed step tells.
pub(super) type Outcome = Result<(), String>;

/// Runs every case of one suite.
pub fn run(path: &Path, suite: &Suite, options: &Options) -> Vec<CaseResult> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut results = Vec::new();
    for file in &suite.refuse {
        let refused = deploy::refused(folder, file);
        let failure = if refused { None } else { Some(format!("{file} was accepted; it must be refused")) };
        results.push(CaseResult {
            suite: name.clone(),
            name: format!("refuses {file}"),
            failure,
            note: None,
            log: Vec::new(),
            millis: 0,
        });
    }
    // Compiled once for all cases.
    let deployable = deploy::bundle(folder, &suite.deploy);
    let mut spare = None;
    for case in &suite.cases {
        let begun = Instant::now();
        let (failure, note, log) =
            match empty(&mut spare, options).and_then(|database| Play::begin(database, &deployable, suite, case)) {
                Ok(mut play) => {
                    let failure = play.steps(case, options).err();
                    let log = std::mem::take(&mut play.host.observed.log);
                    spare = Some(play.host.into_database());
                    (failure, None, log)
                }
                Err(Begin::Refused(words)) if case.may_refuse => {
                    (None, Some(format!("refused: {}", words.lines().next().unwrap_or_default())), Vec::new())
                }
                Err(Begin::Refused(words)) => (Some(format!("deployment refused:\n{words}")), None, Vec::new()),
                Err(Begin::Failed(words)) => (Some(words), None, Vec::new()),
            };
        let failure = failure.map(|words| with_tail(words, &log));
        let millis = begun.elapsed().as_millis();
        results.push(CaseResult { suite: name.clone(), name: case.name.clone(), failure, note, log, millis });
    }
    results
}

fn with_tail(words: String, log: &[String]) -> String {
    if log.is_empty() {
        return words;
    }
    let tail = log[log.len().saturating_sub(12)..].join("\n  ");
    format!("{words}\nthe last events:\n  {tail}")
}

enum Begin {
    Refused(String),
    Failed(String),
}

/// The database of the case before, emptied; a new one if there is none.
fn empty(spare: &mut Option<Box<dyn Database>>, options: &Options) -> Result<Box<dyn Database>, Begin> {
    let database = match spare.take() {
        Some(mut used) => used.clear().map(|()| used),
        None => database::fresh(&options.store),
    };
    database.map_err(Begin::Failed)
}

pub(super) struct Play {
    pub(super) host: Host,
    pub(super) names: Names,
    pub(super) mocks: answer::Mocks,
    pub(super) decisions: Arc<Vec<DecisionFile>>,
    pub(super) deployed: Vec<DefinitionRow>,
}

impl Play {
    fn begin(
        database: Box<dyn Database>,
        deployable: &Result<deploy::Deployable, String>,
        suite: &Suite,
        case: &Case,
    ) -> Result<Self, Begin> {
        let now = Timestamp::parse(suite.clock.as_deref().unwrap_or(DEFAULT_CLOCK))
            .map_err(|e| Begin::Failed(e.to_string()))?;
        let deploy::Deployable { bundle, decisions } = deployable.clone().map_err(Begin::Refused)?;
        let names = deploy::names(&bundle);
        let mut host = Host::new(database, now).map_err(Begin::Failed)?;
        let deployed = match host.submit(Work::Deploy(Box::new(bundle))) {
            Ok(Ok(Reply::Deployed { definitions, .. })) => definitions,
            Ok(Ok(_other)) => return Err(Begin::Failed("the engine answered something else".into())),
            Ok(Err(rejection)) => return Err(Begin::Refused(rejection.to_string())),
            Err(words) => return Err(Begin::Failed(words)),
        };
        let mocks = answer::Mocks::new(case.mocks.clone());
        Ok(Self { host, names, mocks, decisions, deployed })
    }

    fn steps(&mut self, case: &Case, options: &Options) -> Outcome {
        for (index, spanned) in case.steps.iter().enumerate() {
            let (step, line) = (&spanned.value, spanned.referenced.line());
            let place = |words: String| format!("step {} (line {line}): {words}", index + 1);
            let verb = step.verb().map_err(place)?;
            if options.restart {
                self.host.restart().map_err(place)?;
            }
            let done = self.step(step, verb).map_err(place)?;
            match (done, step.rejected) {
                (Ok(()), false) | (Err(_), true) => {}
                (Ok(()), true) => return Err(place(format!("{verb:?} was accepted; it must be rejected"))),
                (Err(words), false) => return Err(place(words)),
            }
            self.settle().map_err(place)?;
        }
        Ok(())
    }

    /// The outer error is a broken test or engine, the inner one a rejection.
    fn step(&mut self, step: &Step, verb: Verb<'_>) -> Result<Outcome, String> {
        match verb {
            Verb::Start(process) => self.start(process, step),
            Verb::Complete(element) => self.complete(element, step),
            Verb::Fail(element) => self.with_job(element, step, |token, claim| {
                let message = step.message.clone().unwrap_or_else(|| "failed by the test".into());
                let failure = Failure {
                    message,
                    details: None,
                    retries: step.retries,
                    after_ms: None,
                    by_handler: false,
                    unknown_outcome: false,
                };
                Command::FailJob { token, claim, failure }
            }),
            Verb::Error(element) => self.error(element, step),
            Verb::Retry(element) => self.retry(element, step),
            Verb::Message(name) => {
                let (key, variables) = (step.business_key.clone(), from_json(Value::Object(step.variables.clone())));
                self.message(name, key.as_deref(), &step.correlate, variables, step.on)
            }
            Verb::Trigger(event) => self.trigger(event, step),
            Verb::Advance(span) => self.advance(span).map(Ok),
            Verb::Set => self.set(step),
            Verb::Cancel => {
                let root = self.root(step.on)?;
                self.execute(root, Command::Cancel { reason: Some("cancelled by the test".into()) })
            }
            Verb::Expect => self.expect(step.expect.as_ref().unwrap_or(&Expect::default()), step.on).map(Ok),
            Verb::Escalate(element) => self.escalate(element, step),
            Verb::Signal(name) => {
                let variables = from_json(Value::Object(step.variables.clone()));
                self.signal(name, &variables, step.on)
            }
        }
    }

    pub(super) fn execute(&mut self, instance: InstanceId, command: Command) -> Result<Outcome, String> {
        Ok(self.host.command(instance, command)?.map(|_| ()).map_err(|rejection| rejection.to_string()))
    }

    fn start(&mut self, process: &str, step: &Step) -> Result<Outcome, String> {
        let at = match &step.at {
            Some(element) => vec![ElementId::from(self.names.one(element)?.as_str())],
            None => Vec::new(),
        };
        let definition =
            Which::Key { key: process.to_owned(), tenant: String::new(), binding: Binding::Latest, deployment: None };
        let variables = from_json(Value::Object(step.variables.clone()));
        let create = Create { variables, business_key: step.business_key.clone(), at, ..Create::default() };
        let reply = self.host.submit(Work::Start { definition, create })?;
        Ok(reply.map(|_: Reply| ()).map_err(|rejection| rejection.to_string()))
    }

    fn complete(&mut self, element: &str, step: &Step) -> Result<Outcome, String> {
        let variables = from_json(Value::Object(step.variables.clone()));
        let Some((instance, token, wait)) = self.waiting_at(element, step.on)? else {
            return Ok(Err(format!("nothing waits at {element}")));
        };
        match wait {
            Wait::UserTask(_) => self.execute(instance, Command::CompleteUserTask { token, variables }),
            Wait::Trigger => self.execute(instance, Command::Signal { token, variables }),
            Wait::Job(job) => {
                let claim = match self.lease(instance, token, &job)? {
                    Ok(claim) => claim,
                    Err(words) => return Ok(Err(words)),
                };
                self.execute(
                    instance,
                    Command::CompleteJob { token, claim, variables, local: Variables::new(), decisions: Vec::new() },
                )
            }
            Wait::Nothing | Wait::Join | Wait::Scope(_) | Wait::Called(_) | Wait::Incident(_) => {
                Ok(Err(format!("nothing that could be completed waits at {element}")))
            }
        }
    }

    /// Correlates by name; to a waiting event of the latest root instance that has one, else to a message start event.
    fn message(
        &mut self,
        name: &str,
        business_key: Option<&str>,
        correlate: &Map<String, Value>,
        variables: Variables,
        on: Option<usize>,
    ) -> Result<Outcome, String> {
        let matches = |instance: &Instance| {
            let keyed = business_key.is_none_or(|key| instance.head.business_key.as_deref() == Some(key));
            let root = &instance.root().variables;
            keyed
                && correlate.iter().all(|(name, value)| root.get(name).is_some_and(|variable| variable.value == *value))
        };
        let waits = |subscription: &Subscription| matches!(&subscription.trigger, Trigger::Message { name: armed } if armed == name);
        let live = self.of_roots(on)?;
        let found = live
            .iter()
            .filter(|instance| matches(instance))
            .find_map(|instance| Some((instance.id(), armed(instance, waits)?)));
        if let Some((instance, subscription)) = found {
            let command =
                Command::DeliverMessage { subscription, name: name.to_owned(), variables, local: Variables::new() };
            return self.execute(instance, command);
        }
        match self.host.message_start(name) {
            Some((definition, element)) => {
                let create = Create {
                    variables,
                    business_key: business_key.map(str::to_owned),
                    at: vec![element],
                    ..Create::default()
                };
                let reply = self.host.submit(Work::Start { definition: Which::Id(definition), create })?;
                Ok(reply.map(|_| ()).map_err(|rejection| rejection.to_string()))
            }
            None => Ok(Err(format!("nothing waits for the message {name:?}"))),
        }
    }

    fn trigger(&mut self, event: &str, step: &Step) -> Result<Outcome, String> {
        let id = self.names.one(event)?;
        let variables = from_json(Value::Object(step.variables.clone()));
        let live = self.of_roots(step.on)?;
        let found = live.iter().find_map(|instance| {
            let local = armed(instance, |subscription| element_of(instance, subscription.catches) == id)?;
            let trigger = instance.subscription(local).map(|(_, s)| s.trigger.clone())?;
            Some((instance.id(), local, trigger))
        });
        match found {
            Some((instance, subscription, Trigger::Timer { .. })) => {
                self.execute(instance, Command::FireTimer { subscription, due: None })
            }
            Some((instance, subscription, Trigger::Message { name })) => self
                .execute(instance, Command::DeliverMessage { subscription, name, variables, local: Variables::new() }),
            Some((instance, subscription, Trigger::Signal { name })) => {
                self.execute(instance, Command::DeliverSignal { subscription, name, variables })
            }
            Some((.., Trigger::Error { .. } | Trigger::Escalation { .. })) => {
                Ok(Err(format!("{event} catches what is thrown: let an activity throw it")))
            }
            Some((instance, subscription, Trigger::Condition { .. })) => {
                self.execute(instance, Command::FireCondition { subscription })
            }
            Some((.., Trigger::Cancel)) => {
                Ok(Err(format!("{event} happens when its transaction is cancelled: reach a cancel end event")))
            }
            None if let Some((instance, token)) = ad_hoc(&live, &id) => {
                let elements = vec![ElementId::from(id.as_str())];
                self.execute(instance, Command::Activate { token, elements })
            }
            None => match self.host.start_event(&id) {
                Some(definition) => {
                    let create = Create { variables, at: vec![ElementId::from(id.as_str())], ..Create::default() };
                    let reply = self.host.submit(Work::Start { definition: Which::Id(definition), create })?;
                    Ok(reply.map(|_| ()).map_err(|rejection| rejection.to_string()))
                }
                None => Ok(Err(format!("{event} is not armed"))),
            },
        }
    }

    fn set(&mut self, step: &Step) -> Result<Outcome, String> {
        let set = from_json(Value::Object(step.set.clone().unwrap_or_default()));
        let root = self.root(step.on)?;
        let Some(element) = &step.scope else {
            return self.execute(root, Command::SetVariables { scope: None, set, remove: Vec::new() });
        };
        let id = self.names.one(element)?;
        let live = self.of_roots(step.on)?;
        let found = live.iter().find_map(|instance| {
            let held =
                instance.scopes.values().find(|scope| scope.at.is_some_and(|at| element_of(instance, at) == id))?;
            Some((instance.id(), held.id))
        });
        match found {
            Some((instance, scope)) => {
                self.execute(instance, Command::SetVariables { scope: Some(scope), set, remove: Vec::new() })
            }
            None => Ok(Err(format!("{element} has no scope of its own now"))),
        }
    }

    /// Moves the clock; due timers and delayed answers come in the order of their times.
    fn advance(&mut self, span: &str) -> Result<(), String> {
        let span = parse_span(span).map_err(|e| e.to_string())?;
        let target =
            self.host.now.plus_ms(span_ms(&span).ok_or("advance needs a span of days, hours, minutes or seconds")?);
        for _ in 0..SETTLE_ROUNDS_MAX {
            let next = [self.host.wake_at, self.mocks.next_due()].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= target) else {
                self.host.now = target;
                return self.settle();
            };
            self.host.now = self.host.now.max(next);
            self.host.wake()?;
            self.settle()?;
        }
        Err("the clock cannot advance: something is always due".into())
    }

    /// Drives the engine until nothing more can move without time passing or an outside word.
    fn settle(&mut self) -> Result<(), String> {
        for _ in 0..SETTLE_ROUNDS_MAX {
            if let Some((id, letter)) = self.host.thrown.pop_front() {
                self.deliver(id, &letter)?;
            } else if self.host.wake_at.is_some_and(|at| at <= self.host.now) {
                self.host.wake()?;
            } else if !answer::one(self)? {
                return Ok(());
            }
        }
        Err(format!("the model does not rest after {SETTLE_ROUNDS_MAX} follow-ups"))
    }

    fn expect(&mut self, expect: &Expect, on: Option<usize>) -> Result<(), String> {
        let live = self.host.live()?;
        let root = self.root(on).ok();
        let (mut waiting, mut subscriptions, mut incidents) = (Vec::new(), Vec::new(), Vec::new());
        let mut in_incident = false;
        for instance in &live {
            for (_, _, token) in instance.tokens() {
                match &token.wait {
                    Wait::Job(_) | Wait::UserTask(_) | Wait::Trigger => waiting.push(element_of(instance, token.at)),
                    Wait::Incident(_) => {
                        incidents.push(element_of(instance, token.at));
                        in_incident |= Some(instance.head.root) == root;
                    }
                    Wait::Scope(scope) if waits_for_a_choice(instance, token.at, *scope) => {
                        waiting.push(element_of(instance, token.at));
                    }
                    Wait::Nothing | Wait::Join | Wait::Scope(_) | Wait::Called(_) => {}
                }
            }
            let all = instance.scopes.values().flat_map(|scope| scope.subscriptions.values());
            let beside = all.filter(|s| instance.find(s.owner).is_none_or(|(_, owner)| owner.at != s.catches));
            subscriptions.extend(beside.map(|s| element_of(instance, s.catches)));
        }
        let state = root.and_then(|root| self.host.observed.states.get(&root)).map(|state| match state {
            InstanceState::Active | InstanceState::Suspended | InstanceState::Cancelling if in_incident => {
                State::Incident
            }
            InstanceState::Active | InstanceState::Suspended | InstanceState::Cancelling => State::Active,
            InstanceState::Completed => State::Completed,
            InstanceState::Terminated => State::Terminated,
            InstanceState::Cancelled => State::Cancelled,
        });
        let observed = &self.host.observed;
        let variables = root.and_then(|root| observed.variables.get(&root));
        let seen = Seen {
            observed,
            names: &self.names,
            waiting,
            subscriptions,
            incidents,
            state,
            variables,
            now: self.host.now,
        };
        let mut found = expect::differences(expect, &seen);
        if let (Some(wanted), Some(root)) = (&expect.decisions, root) {
            found.extend(decisions::differences(wanted, &self.host.decided(root)?));
        }
        if found.is_empty() { Ok(()) } else { Err(found.join("\n")) }
    }

    /// What waits at an element, in the latest root instance that has something there.
    pub(super) fn waiting_at(
        &mut self,
        element: &str,
        on: Option<usize>,
    ) -> Result<Option<(InstanceId, TokenId, Wait)>, String> {
        let id = self.names.one(element)?;
        let live = self.of_roots(on)?;
        Ok(live.iter().find_map(|instance| {
            let waits = |wait: &Wait| matches!(wait, Wait::UserTask(_) | Wait::Trigger | Wait::Job(_));
            let mut tokens =
                instance.tokens().filter(|(_, _, token)| element_of(instance, token.at) == id && waits(&token.wait));
            tokens.next().map(|(_, token, t)| (instance.id(), token, t.wait.clone()))
        }))
    }

    fn root(&self, on: Option<usize>) -> Result<InstanceId, String> {
        let roots = &self.host.observed.roots;
        match on {
            None => roots.last().copied().ok_or_else(|| "no instance was started yet".to_owned()),
            Some(n) => roots
                .get(n.wrapping_sub(1))
                .copied()
                .ok_or_else(|| format!("on: {n}: only {} instances were started", roots.len())),
        }
    }

    /// Live instances, those of the latest root first; with `on` those of one root only.
    pub(super) fn of_roots(&mut self, on: Option<usize>) -> Result<Vec<Instance>, String> {
        let only = on.map(|_| self.root(on)).transpose()?;
        let mut live = self.host.live()?;
        live.retain(|instance| only.is_none_or(|root| instance.head.root == root));
        live.sort_by_key(|instance| (std::cmp::Reverse(instance.head.root), instance.id()));
        Ok(live)
    }
}

/// Work the engine does by itself, off the run.
pub(super) fn is_internal(kind: JobKind) -> bool {
    match kind {
        JobKind::Continuation | JobKind::Decision | JobKind::Script => true,
        JobKind::External => false,
    }
}
