//! The file format of process tests; YAML and JSON are the same. An unknown key is an error that names its line.

use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::Spanned;
use std::collections::BTreeMap;
use std::path::Path;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// Files beside this one, deployed together.
    #[serde(default)]
    pub deploy: Vec<String>,
    /// Files that deployment must refuse, each alone.
    #[serde(default)]
    pub refuse: Vec<String>,
    #[serde(default)]
    pub clock: Option<String>,
    #[serde(default)]
    pub cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub name: String,
    #[serde(default)]
    pub mocks: BTreeMap<String, OneOrMany>,
    pub steps: Vec<Spanned<Step>>,
    /// A refused deployment counts as a pass.
    #[serde(default, rename = "mayRefuse")]
    pub may_refuse: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany {
    Many(Vec<Mock>),
    One(Mock),
}

impl OneOrMany {
    /// The answer of the n-th attempt; the last one answers all further ones.
    pub fn nth(&self, n: usize) -> Option<&Mock> {
        match self {
            Self::One(mock) => Some(mock),
            Self::Many(mocks) => mocks.get(n).or(mocks.last()),
        }
    }
}

/// What answers a job.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mock {
    pub after: Option<String>,
    pub complete: Option<serde_json::Map<String, Value>>,
    pub fail: Option<String>,
    pub retries: Option<i64>,
    pub error: Option<String>,
    pub message: Option<String>,
    #[serde(default)]
    pub variables: serde_json::Map<String, Value>,
}

/// One step: exactly one verb, with the words that go with it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Step {
    pub start: Option<String>,
    pub complete: Option<String>,
    pub fail: Option<String>,
    pub error: Option<String>,
    pub retry: Option<String>,
    pub escalate: Option<String>,
    pub message: Option<String>,
    pub signal: Option<String>,
    pub trigger: Option<String>,
    pub advance: Option<String>,
    pub set: Option<serde_json::Map<String, Value>>,
    pub cancel: Option<bool>,
    pub expect: Option<Expect>,

    #[serde(default)]
    pub variables: serde_json::Map<String, Value>,
    pub business_key: Option<String>,
    pub tenant: Option<String>,
    pub at: Option<String>,
    pub code: Option<String>,
    pub retries: Option<i64>,
    #[serde(default)]
    pub correlate: serde_json::Map<String, Value>,
    pub scope: Option<String>,
    /// The n-th started root instance, from 1.
    pub on: Option<usize>,
    #[serde(default)]
    pub rejected: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    pub waiting: Option<Vec<String>>,
    pub subscriptions: Option<Vec<String>>,
    pub state: Option<State>,
    pub completed: Option<BTreeMap<String, usize>>,
    pub entered: Option<BTreeMap<String, usize>>,
    pub cancelled: Option<BTreeMap<String, usize>>,
    pub order: Option<Vec<String>>,
    pub trace: Option<Vec<String>>,
    pub flows: Option<BTreeMap<String, usize>>,
    pub variables: Option<serde_json::Map<String, Value>>,
    pub incidents: Option<Vec<String>>,
    pub instances: Option<BTreeMap<String, usize>>,
    /// By decision: its last evaluation for the instance, as the stored history has it.
    pub decisions: Option<BTreeMap<String, Decided>>,
    pub at: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decided {
    /// The rules that made the result, counted from 1.
    pub rules: Option<Vec<usize>>,
    /// Some of the inputs, by their labels or expressions.
    #[serde(default)]
    pub inputs: serde_json::Map<String, Value>,
    /// Some of the outputs, by their names, of the first rule.
    #[serde(default)]
    pub outputs: serde_json::Map<String, Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Active,
    Completed,
    Terminated,
    Cancelled,
    Incident,
}

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verb<'s> {
    Start(&'s str),
    Complete(&'s str),
    Fail(&'s str),
    Error(&'s str),
    Retry(&'s str),
    Escalate(&'s str),
    Message(&'s str),
    Signal(&'s str),
    Trigger(&'s str),
    Advance(&'s str),
    Set,
    Cancel,
    Expect,
}

impl Step {
    /// `message` beside `fail` or `error` is their text, alone it is a message to correlate.
    pub fn verb(&self) -> Result<Verb<'_>, String> {
        let named = [
            self.start.as_deref().map(Verb::Start),
            self.complete.as_deref().map(Verb::Complete),
            self.fail.as_deref().map(Verb::Fail),
            self.error.as_deref().map(Verb::Error),
            self.retry.as_deref().map(Verb::Retry),
            self.escalate.as_deref().map(Verb::Escalate),
            self.signal.as_deref().map(Verb::Signal),
            self.trigger.as_deref().map(Verb::Trigger),
            self.advance.as_deref().map(Verb::Advance),
            self.set.as_ref().map(|_| Verb::Set),
            self.cancel.filter(|cancel| *cancel).map(|_| Verb::Cancel),
            self.expect.as_ref().map(|_| Verb::Expect),
        ];
        let mut verbs = named.into_iter().flatten();
        match (verbs.next(), verbs.next(), self.message.as_deref()) {
            (Some(verb @ (Verb::Fail(_) | Verb::Error(_))), None, _) => Ok(verb),
            (Some(verb), None, None) => Ok(verb),
            (None, None, Some(message)) => Ok(Verb::Message(message)),
            (None, ..) => Err(format!("a step needs a verb: one of {VERBS}")),
            (Some(_), ..) => Err(format!("a step has one verb only: one of {VERBS}")),
        }
    }
}

const VERBS: &str =
    "start, complete, fail, error, retry, escalate, message, signal, trigger, advance, set, cancel, expect";

/// Reads a suite; the error names line and column.
pub fn read(path: &Path) -> Result<Suite, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let suite: Suite = parse(&text).map_err(|e| format!("{}: {e}", path.display()))?;
    if suite.deploy.is_empty() && suite.refuse.is_empty() {
        return Err(format!("{}: nothing to deploy: name the models in deploy, or in refuse", path.display()));
    }
    for case in &suite.cases {
        for step in &case.steps {
            step.value.verb().map_err(|e| format!("{}:{}: {e}", path.display(), step.referenced.line()))?;
        }
    }
    Ok(suite)
}

fn parse(text: &str) -> Result<Suite, String> {
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(text, options).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let error = parse("deploy: [a.bpmn]\ncases:\n- name: x\n  steps:\n  - strat: p\n").expect_err("refused");
        assert!(error.contains("strat") && error.contains('5'), "{error}");
    }

    #[test]
    fn a_message_beside_a_failure_is_its_text() {
        let suite = parse("deploy: [a]\ncases:\n- name: x\n  steps:\n  - {fail: A, message: no}\n  - {message: go}\n")
            .expect("read");
        let verbs: Vec<_> = suite.cases[0].steps.iter().map(|step| step.value.verb().expect("one verb")).collect();
        assert_eq!(verbs, [Verb::Fail("A"), Verb::Message("go")]);
        assert_eq!(suite.cases[0].steps[1].referenced.line(), 6);
    }
}
