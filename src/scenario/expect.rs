//! Compares what a case expects with what was seen; every difference is a sentence.

use crate::base::time::Timestamp;
use crate::base::variable::Variable;
use crate::scenario::file::{Expect, State};
use crate::scenario::observe::Observed;
use serde_json::Value;
use std::collections::BTreeMap;

/// What an expectation is compared with.
pub struct Seen<'s> {
    pub observed: &'s Observed,
    pub names: &'s Names,
    pub waiting: Vec<String>,
    pub subscriptions: Vec<String>,
    pub incidents: Vec<String>,
    pub state: Option<State>,
    pub variables: Option<&'s BTreeMap<String, Variable>>,
    pub now: Timestamp,
}

/// Elements by id, and by name.
#[derive(Debug, Default)]
pub struct Names {
    pub(super) known: BTreeMap<String, Option<String>>,
}

impl Names {
    /// The ids a word stands for: an id, or every element of that name.
    pub fn ids(&self, word: &str) -> Vec<String> {
        if self.known.contains_key(word) {
            return vec![word.to_owned()];
        }
        self.known.iter().filter(|(_, name)| name.as_deref() == Some(word)).map(|(id, _)| id.clone()).collect()
    }

    /// One id for each word, so that ids and names compare.
    pub fn display(&self, word: &str) -> String {
        match self.ids(word).as_slice() {
            [id] => id.clone(),
            [] | [_, ..] => word.to_owned(),
        }
    }

    pub(super) fn one(&self, word: &str) -> Result<String, String> {
        match self.ids(word).as_slice() {
            [id] => Ok(id.clone()),
            [] => Err(format!("no element is called {word:?}")),
            several => Err(format!("several elements are called {word:?}: {}; use an id", several.join(", "))),
        }
    }
}

/// All differences; none if the expectation holds.
pub fn differences(expect: &Expect, seen: &Seen<'_>) -> Vec<String> {
    let mut found = Vec::new();
    let multisets = [
        ("waiting", &expect.waiting, &seen.waiting),
        ("subscriptions", &expect.subscriptions, &seen.subscriptions),
        ("incidents", &expect.incidents, &seen.incidents),
    ];
    for (what, wanted, real) in multisets {
        if let Some(wanted) = wanted {
            let mut wanted: Vec<String> = wanted.iter().map(|name| seen.names.display(name)).collect();
            let mut real: Vec<String> = real.iter().map(|id| seen.names.display(id)).collect();
            wanted.sort();
            real.sort();
            if wanted != real {
                found.push(format!("{what}: expected [{}], seen [{}]", wanted.join(", "), real.join(", ")));
            }
        }
    }
    counts(
        &mut found,
        "completed",
        expect.completed.as_ref(),
        |id| seen.observed.completed.get(id).copied().unwrap_or(0),
        seen,
    );
    counts(
        &mut found,
        "cancelled",
        expect.cancelled.as_ref(),
        |id| seen.observed.cancelled.get(id).copied().unwrap_or(0),
        seen,
    );
    counts(
        &mut found,
        "entered",
        expect.entered.as_ref(),
        |id| seen.observed.entered.iter().filter(|e| e.as_str() == id).count(),
        seen,
    );
    for (flow, wanted) in expect.flows.iter().flatten() {
        let real = seen.observed.flows.get(flow.as_str()).copied().unwrap_or(0);
        if real != *wanted {
            found.push(format!("flows: {flow} expected {wanted} times, taken {real} times"));
        }
    }
    for (process, wanted) in expect.instances.iter().flatten() {
        let real = seen.observed.instances.get(process).copied().unwrap_or(0);
        if real != *wanted {
            found.push(format!("instances: {process} expected {wanted}, started {real}"));
        }
    }
    sequences(&mut found, expect, seen);
    state(&mut found, expect, seen);
    variables(&mut found, expect, seen);
    clock(&mut found, expect, seen);
    found
}

fn counts(
    found: &mut Vec<String>,
    what: &str,
    wanted: Option<&BTreeMap<String, usize>>,
    count: impl Fn(&str) -> usize,
    seen: &Seen<'_>,
) {
    for (name, wanted) in wanted.into_iter().flatten() {
        let ids = seen.names.ids(name);
        if ids.is_empty() {
            found.push(format!("{what}: no element is called {name:?}"));
            continue;
        }
        let real: usize = ids.iter().map(|id| count(id)).sum();
        if real != *wanted {
            found.push(format!("{what}: {name} expected {wanted} times, seen {real} times"));
        }
    }
}

fn sequences(found: &mut Vec<String>, expect: &Expect, seen: &Seen<'_>) {
    let entered: Vec<&str> = seen.observed.entered.iter().map(|id| id.as_str()).collect();
    if let Some(order) = &expect.order {
        let mut rest = entered.iter();
        let missing = order.iter().find(|name| {
            let ids = seen.names.ids(name);
            !rest.any(|id| ids.iter().any(|wanted| wanted == id))
        });
        if let Some(missing) = missing {
            found.push(format!("order: {missing} was not entered in its place; entered: {}", entered.join(", ")));
        }
    }
    if let Some(trace) = &expect.trace {
        let wanted: Vec<String> =
            trace.iter().map(|name| seen.names.ids(name).first().cloned().unwrap_or_else(|| name.clone())).collect();
        if wanted != entered {
            found.push(format!("trace: expected {}; entered: {}", wanted.join(", "), entered.join(", ")));
        }
    }
}

fn state(found: &mut Vec<String>, expect: &Expect, seen: &Seen<'_>) {
    if let Some(wanted) = expect.state
        && seen.state != Some(wanted)
    {
        let real = seen.state.map_or("no instance".to_owned(), |state| word(state).to_owned());
        found.push(format!("state: expected {}, seen {real}", word(wanted)));
    }
}

fn word(state: State) -> &'static str {
    match state {
        State::Active => "active",
        State::Completed => "completed",
        State::Terminated => "terminated",
        State::Cancelled => "cancelled",
        State::Incident => "incident",
    }
}

fn variables(found: &mut Vec<String>, expect: &Expect, seen: &Seen<'_>) {
    for (name, wanted) in expect.variables.iter().flatten() {
        let real = seen.variables.and_then(|variables| variables.get(name)).map(|variable| &variable.value);
        if !real.is_some_and(|real| same(real, wanted)) {
            let real = real.map_or("absent".to_owned(), Value::to_string);
            found.push(format!("variables: {name} expected {wanted}, is {real}"));
        }
    }
}

/// Numbers by value, times as instants, objects without regard to order.
pub(super) fn same(real: &Value, wanted: &Value) -> bool {
    match (real, wanted) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::String(a), Value::String(b)) if a != b => match (Timestamp::parse(a), Timestamp::parse(b)) {
            (Ok(a), Ok(b)) => a == b,
            (Ok(_) | Err(_), _) => false,
        },
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, value)| b.get(key).is_some_and(|wanted| same(value, wanted)))
        }
        (a, b) => a == b,
    }
}

fn clock(found: &mut Vec<String>, expect: &Expect, seen: &Seen<'_>) {
    if let Some(at) = &expect.at {
        match Timestamp::parse(at) {
            Ok(wanted) if wanted == seen.now => {}
            Ok(_) => found.push(format!("at: expected {at}, the clock shows {}", seen.now)),
            Err(error) => found.push(format!("at: {error}")),
        }
    }
}
