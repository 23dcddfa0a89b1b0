//! What scripts can call beyond Rhai's basic packages: variables, BPMN errors, the engine's time, and work on texts with
//! checked lengths. Names and behaviour of the latter are Rhai's own (`trim` and `replace` change the text in place).

use crate::base::time::Timestamp;
use crate::script::dynamic::{self, NotJson, Writer};
use crate::script::edit::{EDITS, EditKind};
use rhai::{Array, Dynamic, Engine, EvalAltResult, INT, ImmutableString, NativeCallContext, Position};
use serde_json::Value;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Instant;

/// A script changes at most so many variables.
const WRITTEN_MAX: usize = 256;

/// What `throw bpmn_error("CODE", "message")` throws.
#[derive(Clone, Debug)]
pub(super) struct BpmnError {
    pub(super) code: ImmutableString,
    pub(super) message: Option<ImmutableString>,
}

pub(super) type Answer<T> = Result<T, Box<EvalAltResult>>;

thread_local! {
    /// The run on this thread. Rhai's natives see nothing but their arguments, and the engines are shared.
    static RUN: RefCell<Option<Run>> = const { RefCell::new(None) };
}

struct Run {
    variables: BTreeMap<String, Value>,
    written: BTreeMap<String, Value>,
    edits: Vec<(EditKind, Value)>,
    writer: Writer,
    now: Timestamp,
    deadline: Option<Instant>,
    /// What natives may still do; Rhai counts a call of one as one operation, however long it works.
    work_left: usize,
}

impl Run {
    fn written_value(&mut self, value: &Dynamic) -> Answer<Value> {
        self.writer.write(value).map_err(|error| match error {
            NotJson::TooLarge => too_large("value of a variable"),
            NotJson::Kind(what) => what.into(),
        })
    }
}

/// The time between the begin and the end of a run; ends it also when the run is left by a panic.
pub(super) struct Running(());

impl Running {
    pub(super) fn begin(
        variables: BTreeMap<String, Value>,
        now: Timestamp,
        deadline: Option<Instant>,
        work: usize,
    ) -> Self {
        let (written, edits, writer) = (BTreeMap::new(), Vec::new(), Writer::new());
        let run = Run { variables, written, edits, writer, now, deadline, work_left: work };
        RUN.with(|current| *current.borrow_mut() = Some(run));
        Self(())
    }

    /// What `set_variable` has written, and what was changed of the task.
    pub(super) fn end(self) -> (BTreeMap<String, Value>, Vec<(EditKind, Value)>) {
        RUN.with(|current| current.borrow_mut().take()).map(|run| (run.written, run.edits)).unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUN.with(|current| *current.borrow_mut() = None);
    }
}

pub(super) fn is_overdue() -> bool {
    RUN.with(|current| {
        let run = current.borrow();
        let deadline = run.as_ref().and_then(|run| run.deadline);
        deadline.is_some_and(|deadline| Instant::now() > deadline)
    })
}

fn in_run<T>(work: impl FnOnce(&mut Run) -> Answer<T>) -> Answer<T> {
    RUN.with(|current| match current.borrow_mut().as_mut() {
        Some(run) => work(run),
        // While compiling: nothing is called then, as the optimiser is off.
        None => Err("variables can be reached in a run only".into()),
    })
}

/// Takes from the run's allowance of native work: an element, or some characters.
pub(super) fn spend(work: usize) -> Answer<()> {
    in_run(|run| match run.work_left.checked_sub(work) {
        Some(left) => {
            run.work_left = left;
            Ok(())
        }
        None => Err(EvalAltResult::ErrorTooManyOperations(Position::NONE).into()),
    })
}

pub(super) fn register(engine: &mut Engine) {
    variables(engine);
    task(engine);
    errors(engine);
    texts(engine);
    parts_of_texts(engine);
}

fn variables(engine: &mut Engine) {
    engine.register_fn("get_variable", |name: &str| -> Answer<Dynamic> {
        let value = in_run(|run| {
            let value = run.written.get(name).or_else(|| run.variables.get(name));
            Ok(value.cloned().unwrap_or_default())
        })?;
        let (texts, elements, entries) = dynamic::sizes(&value);
        spend(texts / 16 + elements + entries)?;
        Ok(dynamic::from_json(value))
    });
    engine.register_fn("has_variable", |name: &str| -> Answer<bool> {
        in_run(|run| Ok(run.written.contains_key(name) || run.variables.contains_key(name)))
    });
    engine.register_fn("set_variable", |name: &str, value: Dynamic| -> Answer<()> {
        in_run(|run| {
            let value = run.written_value(&value)?;
            run.written.insert(name.to_owned(), value);
            if run.written.len() > WRITTEN_MAX {
                return Err(too_large("number of variables"));
            }
            Ok(())
        })
    });
    // The engine's time, as a text in ISO 8601.
    engine.register_fn("now", || -> Answer<String> {
        in_run(|run| match jiff::Timestamp::from_millisecond(run.now.0) {
            Ok(now) => Ok(format!("{now:.3}")),
            Err(error) => Err(error.to_string().into()),
        })
    });
}

/// Changes of the user task that the script stands in.
fn task(engine: &mut Engine) {
    for (_, name, kind) in EDITS {
        engine.register_fn(name, move |value: Dynamic| -> Answer<()> {
            in_run(|run| {
                let value = run.written_value(&value)?;
                run.edits.push((kind, value));
                if run.edits.len() > WRITTEN_MAX {
                    return Err(too_large("number of changes"));
                }
                Ok(())
            })
        });
    }
}

fn errors(engine: &mut Engine) {
    engine
        .register_type_with_name::<BpmnError>("BpmnError")
        .register_get("code", |error: &mut BpmnError| error.code.clone())
        .register_get("message", |error: &mut BpmnError| error.message.clone().map_or(Dynamic::UNIT, Dynamic::from))
        .register_fn("bpmn_error", |code: ImmutableString| BpmnError { code, message: None })
        .register_fn("bpmn_error", |code: ImmutableString, message: ImmutableString| BpmnError {
            code,
            message: Some(message),
        });
}

fn texts(engine: &mut Engine) {
    engine
        .register_fn("len", |this: &str| count(this.chars().count()))
        .register_get("len", |this: &mut ImmutableString| count(this.chars().count()))
        .register_fn("is_empty", |this: &str| this.is_empty())
        .register_fn("contains", |this: &str, part: &str| this.contains(part))
        .register_fn("contains", |this: &str, part: char| this.contains(part))
        .register_fn("starts_with", |this: &str, part: &str| this.starts_with(part))
        .register_fn("ends_with", |this: &str, part: &str| this.ends_with(part))
        .register_fn("to_upper", |this: &str| this.to_uppercase())
        .register_fn("to_lower", |this: &str| this.to_lowercase())
        .register_fn("trim", |this: &mut ImmutableString| *this = this.trim().into())
        .register_fn("index_of", |this: &str, part: &str| match this.find(part) {
            Some(at) => count(this[..at].chars().count()),
            None => -1,
        })
        .register_fn(
            "replace",
            |context: NativeCallContext, this: &mut ImmutableString, old: &str, new: &str| -> Answer<()> {
                let occurrences = this.matches(old).count();
                spend(occurrences + this.len() / 16)?;
                let length = this.len() + occurrences.saturating_mul(new.len());
                let kept = length - occurrences.saturating_mul(old.len()).min(length);
                if kept > context.engine().max_string_size() {
                    return Err(too_large("Length of string"));
                }
                *this = this.replace(old, new).into();
                Ok(())
            },
        );
}

fn parts_of_texts(engine: &mut Engine) {
    engine
        .register_fn("sub_string", |this: &str, start: INT| part(this, start, INT::MAX))
        .register_fn("sub_string", part)
        .register_fn("split", |context: NativeCallContext, this: &str, separator: &str| -> Answer<Array> {
            let most = context.engine().max_array_size();
            let parts: Array = if separator.is_empty() {
                this.chars().take(most + 1).map(|c| c.to_string().into()).collect()
            } else {
                this.split(separator).take(most + 1).map(|part| part.to_owned().into()).collect()
            };
            spend(parts.len() + this.len() / 16)?;
            match parts.len() > most {
                true => Err(too_large("Size of array")),
                false => Ok(parts),
            }
        });
}

/// As Rhai: a negative start counts from the end, and what lies outside is cut.
fn part(this: &str, start: INT, length: INT) -> String {
    let all = count(this.chars().count());
    let start = if start < 0 { all.saturating_add(start) } else { start };
    let start = usize::try_from(start).unwrap_or(0);
    let length = usize::try_from(length).unwrap_or(0);
    this.chars().skip(start).take(length).collect()
}

fn count(n: usize) -> INT {
    INT::try_from(n).unwrap_or(INT::MAX)
}

pub(super) fn too_large(what: &str) -> Box<EvalAltResult> {
    EvalAltResult::ErrorDataTooLarge(what.into(), Position::NONE).into()
}
