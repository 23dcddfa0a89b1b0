//! What reads texts: XML, expressions, FEEL, decisions, scripts, times, and what is stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use transhume::base::id::{InstanceId, PartitionId, ScopeId};
use transhume::base::time::{
    TimeZone, TimerKind, Timestamp, add_span, check_timer, days_to_live, first_due, next_due, parse_span,
};
use transhume::decision::DecisionModel;
use transhume::decision::feel::evaluator;
use transhume::engine::command::Command;
use transhume::engine::definition::ProcessDefinition;
use transhume::engine::document;
use transhume::engine::execute::{Context, execute};
use transhume::engine::index::{common, index};
use transhume::partition::memory::Memory;
use transhume::partition::transaction::{Event, ParcelRow};
use transhume::partition::{Input, Output, Partition, first_partition};
use transhume::script::task::Script;
use transhume::script::{Budget, Compiled, Fact, Language, Surroundings, TaskEdit};
use transhume::xml::Document;

use super::{Target, life, seeds, way, words};

const NOW: Timestamp = Timestamp(1_795_341_600_000);

fn text(input: &[u8]) -> String {
    String::from_utf8_lossy(input).into_owned()
}

pub(super) struct Xml;

impl Target for Xml {
    fn name(&self) -> &'static str {
        "xml"
    }

    fn seeds(&self) -> Vec<Vec<u8>> {
        seeds::models()
    }

    fn foreign(&self) -> Vec<Vec<u8>> {
        seeds::foreign("bpmn")
    }

    fn words(&self) -> Vec<&'static str> {
        words::XML.to_vec()
    }

    fn share(&self) -> usize {
        4
    }

    fn take(&mut self, input: &[u8]) -> Result<String, String> {
        let document = match Document::parse(input) {
            Ok(document) => document,
            Err(why) => return Ok(way(&why.message)),
        };
        let mut seen = 0;
        for element in document.elements() {
            let span = element.span();
            if document.text().get(span.clone()).is_none_or(|text| !text.starts_with('<')) {
                return Err(format!("the element at {span:?} does not begin there"));
            }
            seen += element.text().len() + element.attributes().count() + element.children().count();
        }
        Ok(format!("{} elements", if seen == 0 { "empty" } else { "some" }))
    }
}

/// Variables of every kind.
struct Around {
    variables: BTreeMap<String, Value>,
}

impl Around {
    fn new() -> Self {
        let all = json!({
            "n": 3, "x": 2.5, "big": 9_007_199_254_740_993_i64, "text": "abc Äé漢", "yes": true, "none": null,
            "list": [3, 1, 2], "words": ["a", "b"], "map": {"a": 1, "b": {"c": [1, {"d": "e"}]}}, "date": "2026-11-22T10:00:00Z",
            "empty": [], "with blank": 7
        });
        let Value::Object(all) = all else { unreachable!("an object") };
        Self { variables: all.into_iter().collect() }
    }
}

impl Surroundings for Around {
    fn variable(&self, name: &str) -> Option<Value> {
        self.variables.get(name).cloned()
    }

    fn set_variable(&mut self, name: &str, value: Value) {
        self.variables.insert(name.to_owned(), value);
    }

    fn names(&self) -> Vec<String> {
        self.variables.keys().cloned().collect()
    }

    fn now(&self) -> Timestamp {
        NOW
    }

    fn fact(&self, fact: Fact) -> Option<String> {
        Some(format!("{fact:?}"))
    }

    fn may_edit_task(&self) -> bool {
        true
    }

    fn edit_task(&mut self, _edit: TaskEdit) {}
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

pub(super) struct Expressions;

impl Target for Expressions {
    fn name(&self) -> &'static str {
        "expressions"
    }

    fn seeds(&self) -> Vec<Vec<u8>> {
        seeds::texts(seeds::EXPRESSIONS)
    }

    fn words(&self) -> Vec<&'static str> {
        words::WORDS.to_vec()
    }

    fn share(&self) -> usize {
        6
    }

    /// As JUEL and as a condition of Rhai.
    fn take(&mut self, input: &[u8]) -> Result<String, String> {
        let text = text(input);
        let mut told = String::new();
        for language in [Language::Juel, Language::Rhai] {
            told += &match Compiled::compile(language, &text) {
                Err(why) => way(&why.message),
                Ok(compiled) => match compiled.evaluate(&mut Around::new()) {
                    Ok(value) => kind(&value).to_owned(),
                    Err(why) => way(&why.to_string()),
                },
            };
        }
        Ok(told)
    }
}

pub(super) struct FeelTexts;

impl Target for FeelTexts {
    fn name(&self) -> &'static str {
        "feel"
    }

    fn seeds(&self) -> Vec<Vec<u8>> {
        seeds::texts(seeds::FEEL)
    }

    fn words(&self) -> Vec<&'static str> {
        words::FEEL_WORDS.to_vec()
    }

    fn take(&mut self, input: &[u8]) -> Result<String, String> {
        let told = match evaluator().compile(&text(input)) {
            Err(why) => why.to_string(),
            Ok(compiled) => match compiled.evaluate(&Around::new().variables, NOW) {
                Ok(value) => kind(&value).to_owned(),
                Err(why) => why.to_string(),
            },
        };
        overdue(&told)?;
        Ok(way(&told))
    }
}

/// Threads that are abandoned burn the processor: what brings them about is a failure.
fn overdue(told: &str) -> Result<(), String> {
    if told.contains("overdue") { Err(told.to_owned()) } else { Ok(()) }
}

pub(super) struct Decisions;

impl Target for Decisions {
    fn name(&self) -> &'static str {
        "decisions"
    }

    fn seeds(&self) -> Vec<Vec<u8>> {
        seeds::decisions()
    }

    fn foreign(&self) -> Vec<Vec<u8>> {
        seeds::foreign("dmn")
    }

    fn words(&self) -> Vec<&'static str> {
        [words::XML, words::FEEL_WORDS, words::DMN].concat()
    }

    fn take(&mut self, input: &[u8]) -> Result<String, String> {
        let model = match DecisionModel::parse(input) {
            Ok(model) => model,
            Err(found) => {
                let words: Vec<String> = found.iter().map(|one| one.message.clone()).collect();
                overdue(&words.concat())?;
                return Ok(way(&words.first().cloned().unwrap_or_default()));
            }
        };
        let mut told = String::new();
        for decision in model.decisions().iter().chain(&model.services()).take(8) {
            let answer = model.evaluate(&decision.id, &Around::new().variables, NOW);
            let words = answer.map_or_else(|why| why.to_string(), |_| "an answer".to_owned());
            overdue(&words)?;
            told += &words;
        }
        Ok(way(&told))
    }
}

pub(super) struct Scripts;

impl Target for Scripts {
    fn name(&self) -> &'static str {
        "scripts"
    }

    fn seeds(&self) -> Vec<Vec<u8>> {
        seeds::texts(seeds::SCRIPTS)
    }

    fn words(&self) -> Vec<&'static str> {
        [words::WORDS, words::SCRIPT_WORDS].concat()
    }

    fn share(&self) -> usize {
        2
    }

    fn take(&mut self, input: &[u8]) -> Result<String, String> {
        let script = match Script::compile("rhai", &text(input)) {
            Ok(script) => script,
            Err(why) => return Ok(way(&why.message)),
        };
        let told = |budget| match script.run(budget, &mut Around::new()) {
            Ok(value) => kind(&value).to_owned(),
            Err(why) => way(&why.to_string()),
        };
        Ok(format!("{} {}", told(Budget::Inline), told(Budget::Full)))
    }
}

pub(super) struct Timers;

impl Timers {
    fn follow(kind: TimerKind, text: &str) -> Result<String, String> {
        let (mut due, mut cycle) = match first_due(kind, text, NOW) {
            Ok((due, cycle)) => (due, cycle),
            Err(why) => return Ok(way(&why.to_string())),
        };
        if matches!(kind, TimerKind::Duration) && due < NOW {
            return Err(format!("a duration leads back to {due}"));
        }
        for catch_up in [false, true, false] {
            let Some(before) = cycle else { return Ok("once".into()) };
            match next_due(&before, due, catch_up) {
                Ok(Some((next, _))) if next <= due && !catch_up => {
                    return Err(format!("a cycle goes from {due} to {next}"));
                }
                Ok(Some((next, after))) => (due, cycle) = (due.max(next), Some(after)),
                Ok(None) => return Ok("it ends".into()),
                Err(why) => return Ok(way(&why.to_string())),
            }
        }
        Ok("again and again".into())
    }
}

impl Target for Timers {
    fn name(&self) -> &'static str {
        "timers"
    }

    fn seeds(&self) -> Vec<Vec<u8>> {
        seeds::texts(seeds::TIMES)
    }

    fn words(&self) -> Vec<&'static str> {
        words::TIME_WORDS.to_vec()
    }

    fn share(&self) -> usize {
        6
    }

    fn take(&mut self, input: &[u8]) -> Result<String, String> {
        let text = text(input);
        let mut told = String::new();
        for kind in [TimerKind::Date, TimerKind::Duration, TimerKind::Cycle] {
            told += &Self::follow(kind, &text)?;
            if first_due(kind, &text, NOW).is_ok() && check_timer(kind, &text).is_err() {
                return Err(format!("{kind:?} is refused by the check, and works"));
            }
        }
        if let Ok(at) = Timestamp::parse(&text) {
            let again = Timestamp::parse(&at.to_string());
            if again.as_ref() != Ok(&at) {
                return Err(format!("{at} is read as {again:?}"));
            }
        }
        if let Ok(span) = parse_span(&text) {
            told += if add_span(NOW, &span, &TimeZone::UTC).is_ok() { "a span" } else { "too long" };
        }
        told += if days_to_live(&text).is_ok() { "days" } else { "" };
        Ok(told)
    }
}

/// What is read back from the database: documents of instances, parcels, events.
#[derive(Default)]
pub(super) struct Documents {
    definition: Option<Arc<ProcessDefinition>>,
}

impl Documents {
    fn definition(&mut self) -> Arc<ProcessDefinition> {
        Arc::clone(self.definition.get_or_insert_with(|| life::stored().0))
    }

    fn document(&mut self, text: &str) -> Result<String, String> {
        let mut parts = text.split('\u{1}');
        let root = parts.next().unwrap_or_default();
        let scopes: Vec<(ScopeId, String)> = parts.zip(2..).map(|(body, id)| (ScopeId(id), body.to_owned())).collect();
        let id = InstanceId::new(first_partition(), 1);
        let mut instance = match document::decode(id, root, &scopes, self.definition()) {
            Ok(instance) => instance,
            Err(why) => return Ok(way(&why.to_string())),
        };
        common(&instance);
        let ids: Vec<ScopeId> = instance.scopes.keys().copied().collect();
        for scope in ids {
            index(&instance, scope);
            document::encode_scope(&instance, scope);
        }
        document::encode_root(&instance);
        // A batch takes a panic of the engine for a defect of that instance, and goes on: here it need only end.
        let mut new_id = || id;
        let mut cx = Context { now: NOW, new_id: &mut new_id, user: None };
        let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            execute(&mut instance, Command::Cancel { reason: None }, &mut cx).is_ok()
        }));
        Ok(format!("read, {}", if ran.is_ok_and(|done| done) { "cancelled" } else { "refused" }))
    }

    /// A partition that finds this in its inbox.
    fn parcel(body: &str) -> Result<String, String> {
        let mut memory = Memory::new(2);
        let mut partition = Partition::new(PartitionId(1));
        partition.handle(memory.open(PartitionId(1)), NOW);
        let row = ParcelRow { to: PartitionId(1), id: 7, at: NOW, body: body.to_owned() };
        memory.inbox.insert((PartitionId(1), 7), row);
        let mut told = String::new();
        for _ in 0..200 {
            let Some(output) = partition.poll() else { return Ok(way(&told)) };
            match memory.answer(PartitionId(1), output) {
                Ok(input) => partition.handle(input, NOW),
                Err(Output::StepDown) => return Err("it steps down".into()),
                Err(Output::Effect(notice)) => told += &format!("{notice:?}"),
                Err(_word) => {}
            }
        }
        Err("a parcel brings it to no rest".into())
    }
}

impl Target for Documents {
    fn name(&self) -> &'static str {
        "documents"
    }

    fn seeds(&self) -> Vec<Vec<u8>> {
        let documents = life::stored().1.into_iter().map(|text| format!("d{text}"));
        let others = seeds::PARCELS.iter().map(|text| format!("p{text}"));
        let events = seeds::EVENTS.iter().map(|text| format!("e{text}"));
        documents.chain(others).chain(events).map(String::into_bytes).collect()
    }

    fn words(&self) -> Vec<&'static str> {
        words::JSON.to_vec()
    }

    fn share(&self) -> usize {
        4
    }

    fn take(&mut self, input: &[u8]) -> Result<String, String> {
        let text = text(input);
        let mut letters = text.chars();
        match letters.next() {
            Some('p') => Self::parcel(letters.as_str()),
            Some('e') => Ok(match serde_json::from_str::<Vec<Event>>(letters.as_str()) {
                Ok(events) => format!("{} events", events.len().min(3)),
                Err(why) => way(&why.to_string()),
            }),
            Some(_) | None => self.document(letters.as_str()),
        }
    }
}

/// The inputs of a partition that is asked for what is not there.
#[test]
fn a_partition_hears_answers_that_it_did_not_ask_for() {
    let mut memory = Memory::new(1);
    let mut partition = Partition::new(first_partition());
    partition.handle(memory.open(first_partition()), NOW);
    let loaded = memory.load(&[InstanceId(77)], &[]);
    for input in [loaded, Input::Parcels(vec![]), Input::Committed { batch: 9 }, Input::Wake] {
        partition.handle(input, NOW);
    }
    let words = memory.serve(&mut partition, NOW);
    assert!(!words.iter().any(|word| matches!(word, Output::StepDown)), "{words:?}");
}
