//! What answers jobs in a process test: mocks by element or topic, and the engine's own work (continuations, decisions,
//! scripts beyond their inline budget).

use crate::base::id::{InstanceId, TokenId};
use crate::base::time::{Timestamp, parse_span, span_ms};
use crate::base::variable::{Variables, from_json};
use crate::decision::{MapDecisionResult, map_result};
use crate::engine::command::{Command, Failure};
use crate::engine::decided::Decided;
use crate::engine::elements::{BusinessRuleTask, Element};
use crate::engine::expression::{Plain, as_text};
use crate::engine::instance::{Instance, Wait};
use crate::engine::job::{Claim, Job, JobKind, MapResult};
use crate::partition::run_script;
use crate::partition::view::{job_view, visible};
use crate::scenario::file::{Mock, OneOrMany};
use crate::scenario::look::element_of;
use crate::scenario::runner::{Play, is_internal};
use crate::script::task::ScriptError;
use serde_json::Value;
use std::collections::BTreeMap;

/// The mocks of a case and what they have yet to answer.
#[derive(Debug, Default)]
pub(super) struct Mocks {
    given: BTreeMap<String, OneOrMany>,
    /// Attempts answered, by activation.
    attempts: BTreeMap<(InstanceId, TokenId), usize>,
    /// Answers that come later.
    later: BTreeMap<(InstanceId, TokenId), (Timestamp, Mock)>,
}

impl Mocks {
    pub(super) fn new(given: BTreeMap<String, OneOrMany>) -> Self {
        Self { given, ..Self::default() }
    }

    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.later.values().map(|(due, _)| *due).min()
    }

    fn answer_for(&self, element: &str, topic: &str, attempt: usize) -> Option<Mock> {
        self.given.get(element).or_else(|| self.given.get(topic)).and_then(|mocks| mocks.nth(attempt)).cloned()
    }
}

/// Answers one job that can be answered now; false if there is none.
pub(super) fn one(play: &mut Play) -> Result<bool, String> {
    let now = play.host.now;
    let live = play.host.live()?;
    let alive = |key: &(InstanceId, TokenId)| {
        live.iter().any(|i| i.id() == key.0 && i.find(key.1).is_some_and(|(_, t)| matches!(t.wait, Wait::Job(_))))
    };
    play.mocks.later.retain(|key, _| alive(key));
    let due = play.mocks.later.iter().filter(|(_, (due, _))| *due <= now).min_by_key(|(key, (due, _))| (*due, **key));
    if let Some((key, mock)) = due.map(|(key, (_, mock))| (*key, mock.clone())) {
        play.mocks.later.remove(&key);
        return give(play, key.0, key.1, mock).map(|()| true);
    }
    for instance in live.iter().filter(|instance| instance.head.state == crate::engine::instance::InstanceState::Active)
    {
        for (_, token, t) in instance.tokens() {
            let Wait::Job(job) = &t.wait else { continue };
            if job.lease.is_some() || job.due > now {
                continue;
            }
            if is_internal(job.kind) {
                internal(play, instance, token, job)?;
                return Ok(true);
            }
            let element = element_of(instance, t.at);
            let attempt = play.mocks.attempts.get(&(instance.id(), token)).copied().unwrap_or(0);
            if let Some(mock) = play.mocks.answer_for(&element, &job.topic, attempt) {
                return begin(play, instance.id(), token, job, mock).map(|()| true);
            }
        }
    }
    Ok(false)
}

/// A mock takes a job: it answers at once, or after its time.
fn begin(play: &mut Play, instance: InstanceId, token: TokenId, job: &Job, mock: Mock) -> Result<(), String> {
    *play.mocks.attempts.entry((instance, token)).or_default() += 1;
    play.lease(instance, token, job)??;
    match &mock.after {
        None => give(play, instance, token, mock),
        Some(span) => {
            let ms = parse_span(span)
                .ok()
                .as_ref()
                .and_then(span_ms)
                .ok_or_else(|| format!("after: {span:?} is no span of time"))?;
            play.mocks.later.insert((instance, token), (play.host.now.plus_ms(ms), mock));
            Ok(())
        }
    }
}

fn give(play: &mut Play, instance: InstanceId, token: TokenId, mock: Mock) -> Result<(), String> {
    let claim = Claim { holder: crate::scenario::runner::WORKER.into(), lease_no: None };
    let variables = from_json(Value::Object(mock.variables));
    let command = match (mock.error, mock.fail, mock.complete) {
        (Some(code), ..) => Command::ThrowError { token, claim: Some(claim), code, message: mock.message, variables },
        (None, Some(message), _) => {
            let failure = Failure {
                message,
                details: None,
                retries: mock.retries,
                after_ms: None,
                by_handler: true,
                unknown_outcome: false,
            };
            Command::FailJob { token, claim, failure }
        }
        (None, None, complete) => {
            let mut results = from_json(Value::Object(complete.unwrap_or_default()));
            results.extend(variables);
            if maps_outputs(play, instance, token)? {
                Command::CompleteJob {
                    token,
                    claim,
                    variables: Variables::new(),
                    local: results,
                    decisions: Vec::new(),
                }
            } else {
                Command::CompleteJob {
                    token,
                    claim,
                    variables: results,
                    local: Variables::new(),
                    decisions: Vec::new(),
                }
            }
        }
    };
    play.execute(instance, command)?.map_err(|words| format!("the mock's answer was rejected: {words}"))
}

/// As for handlers: results are local variables of an element that has output parameters.
fn maps_outputs(play: &mut Play, instance: InstanceId, token: TokenId) -> Result<bool, String> {
    let live = play.host.live()?;
    Ok(live.iter().find(|i| i.id() == instance).is_some_and(|i| {
        i.find(token).is_some_and(|(_, t)| !i.definition.process.node(t.at).mappings.outputs.is_empty())
    }))
}

fn internal(play: &mut Play, instance: &Instance, token: TokenId, job: &Job) -> Result<(), String> {
    let claim = play.lease(instance.id(), token, job)??;
    let result = match job.kind {
        JobKind::Continuation | JobKind::External => Ok((Variables::new(), Vec::new())),
        JobKind::Decision => decide(play, instance, token),
        JobKind::Script => script(instance, token, play.host.now).map(|changed| (changed, Vec::new())),
    };
    let command = match result {
        Ok((variables, decisions)) => {
            Command::CompleteJob { token, claim, variables, local: Variables::new(), decisions }
        }
        Err(Trouble::Bpmn { code, message }) => {
            Command::ThrowError { token, claim: Some(claim), code, message, variables: Variables::new() }
        }
        Err(Trouble::Failed(message)) => {
            let failure = Failure {
                message,
                details: None,
                retries: Some(0),
                after_ms: None,
                by_handler: true,
                unknown_outcome: false,
            };
            Command::FailJob { token, claim, failure }
        }
    };
    play.execute(instance.id(), command)?.map_err(|words| format!("internal work was rejected: {words}"))
}

enum Trouble {
    Bpmn { code: String, message: Option<String> },
    Failed(String),
}

/// The decision of the deployed files that the task names, over the variables it sees.
fn decide(play: &Play, instance: &Instance, token: TokenId) -> Result<(Variables, Vec<Decided>), Trouble> {
    let failed = |words: String| Trouble::Failed(words);
    let (_, at) = instance.find(token).ok_or_else(|| failed("the token is gone".into()))?;
    let element = &instance.definition.process.node(at.at).element;
    let Element::BusinessRuleTask(BusinessRuleTask::Decision(source)) = element else {
        return Err(failed("the element asks for no decision".into()));
    };
    let (variables, now) = (visible(instance, token), play.host.now);
    let mut plain = Plain { variables: &variables, definition: Some(&instance.definition), now, token: Some(token) };
    let id = source.decision.evaluate(&mut plain).map_err(|e| failed(e.to_string()))?;
    let id = as_text(id).unwrap_or_default();
    let file = play.decisions.iter().find(|file| file.model.decisions().iter().any(|decision| decision.id == id));
    let absent = || failed(format!("there is no decision {id:?}: add its file to `deploy`, or correct the reference"));
    let file = file.ok_or_else(absent)?;
    let result = file.model.evaluate_over(&id, &variables, now).map_err(|e| failed(e.to_string()))?;
    let how = match source.result {
        MapResult::SingleEntry => MapDecisionResult::SingleEntry,
        MapResult::SingleResult => MapDecisionResult::SingleResult,
        MapResult::CollectEntries => MapDecisionResult::CollectEntries,
        MapResult::ResultList => MapDecisionResult::ResultList,
    };
    let value = map_result(&result, how).map_err(|e| failed(e.to_string()))?;
    let variables = source.result_variable.iter().map(|name| (name.clone(), value.clone().into())).collect();
    Ok((variables, file.decided(result.evaluated, &play.deployed)))
}

/// A script beyond its inline budget, under the full one.
fn script(instance: &Instance, token: TokenId, now: Timestamp) -> Result<Variables, Trouble> {
    let view = job_view(instance, token).ok_or_else(|| Trouble::Failed("the token waits for no job".into()))?;
    run_script(&view, instance.id(), token, now).map_err(|error| match error {
        ScriptError::Bpmn { code, message } => Trouble::Bpmn { code, message },
        error @ (ScriptError::OverBudget | ScriptError::Failed(_)) => Trouble::Failed(error.to_string()),
    })
}
