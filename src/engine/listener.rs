//! Listeners: what a model does at moments of an element's life, without a place in the flow.
//!
//! Camunda 7's `executionListener` (`start`, `end`, `take`) and `taskListener` (`create`, `assignment`, `update`,
//! `complete`, `delete`, `timeout`). A `start` is heard when the inputs are mapped and the work is about to begin, an `end`
//! before the outputs are mapped; of an activity with many instances each instance is heard. One that fails holds its token
//! up with an incident; what a person does to a task is refused instead, and nothing has changed. What is being cancelled
//! cannot be held up: there a failure is recorded only. A BPMN error that a script throws is thrown by the activity. What
//! heard its moment once is not called again when its incident is mended: a timeout, the start of an event that had happened.

use crate::base::id::{ROOT_SCOPE, ScopeId};
use crate::base::limits::LISTENER_ROUNDS_MAX;
use crate::base::mark::seen;
use crate::engine::command::{Command, Rejection};
use crate::engine::definition::FlowIx;
use crate::engine::elements::Element;
use crate::engine::event::Event;
use crate::engine::incident::{BpmnError, Fault, IncidentKind};
use crate::engine::instance::{Stage, Wait};
use crate::engine::lifecycle::Next;
use crate::engine::step::{At, Step};
use crate::engine::subscription::TriggerSource;
use crate::engine::throw;
use crate::script::Compiled;
use crate::script::task::{Script, ScriptError};
use std::collections::VecDeque;
use std::sync::Arc;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    Start,
    End,
    Take,
    Create,
    Assignment,
    Update,
    Complete,
    Delete,
    Timeout,
}

impl Moment {
    /// As the model names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::End => "end",
            Self::Take => "take",
            Self::Create => "create",
            Self::Assignment => "assignment",
            Self::Update => "update",
            Self::Complete => "complete",
            Self::Delete => "delete",
            Self::Timeout => "timeout",
        }
    }
}

#[derive(Debug)]
pub enum Code {
    Expression(Compiled),
    Script(Script),
}

#[derive(Debug)]
pub struct Listener {
    pub moment: Moment,
    pub code: Code,
}

/// Of one element, in the order of the model.
#[derive(Debug, Default)]
pub struct Listeners(Box<[Listener]>);

impl Listeners {
    pub(crate) fn new(list: Vec<Listener>) -> Self {
        Self(list.into())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn of(&self, moment: Moment) -> impl Iterator<Item = &Listener> {
        self.0.iter().filter(move |listener| listener.moment == moment)
    }
}

/// A task listener that hears a time, while its task waits.
#[derive(Debug)]
pub struct Timeout {
    pub id: String,
    pub timer: TriggerSource,
    pub code: Code,
}

/// What a listener stands in.
#[derive(Clone, Copy)]
pub(crate) struct Heard {
    pub(crate) moment: Moment,
    pub(crate) flow: Option<FlowIx>,
}

/// Why a listener does not let its element go on.
#[derive(Debug)]
pub(super) enum Trouble {
    Fault(Fault),
    /// A script threw it.
    Error(BpmnError),
}

impl Trouble {
    /// Nothing is around it that could catch an error.
    pub(super) fn within_its_end(self) -> Fault {
        match self {
            Self::Fault(fault) => fault,
            Self::Error(error) => {
                let words =
                    format!("a listener throws {} where what is around it ends: nothing can catch it", error.code);
                Fault::new(IncidentKind::UncaughtError, words)
            }
        }
    }
}

impl From<Trouble> for Next {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Fault(fault) => Self::Fault(fault),
            Trouble::Error(error) => Self::Throw(error),
        }
    }
}

pub(super) type Outcome = Result<(), Trouble>;

fn run(step: &mut Step, scope: ScopeId, at: Option<At>, code: &Code, heard: Heard) -> Outcome {
    let words = |what: String| format!("the {} listener failed: {what}", heard.moment.name());
    match code {
        Code::Expression(expression) => match step.heard_value(scope, at, expression, heard) {
            Ok(_) => Ok(()),
            Err(fault) => Err(Trouble::Fault(Fault { message: words(fault.message), ..fault })),
        },
        Code::Script(script) => match step.heard_script(scope, at, script, heard) {
            Ok(_) => Ok(()),
            Err(ScriptError::Bpmn { code, message }) => {
                Err(Trouble::Error(BpmnError { code, message, variables: Default::default() }))
            }
            Err(error @ (ScriptError::OverBudget | ScriptError::Failed(_))) => {
                Err(Trouble::Fault(Fault::expression(words(error.to_string()))))
            }
        },
    }
}

fn run_all(step: &mut Step, scope: ScopeId, at: Option<At>, listeners: &Listeners, moment: Moment) -> Outcome {
    for listener in listeners.of(moment) {
        run(step, scope, at, &listener.code, Heard { moment, flow: None })?;
    }
    Ok(())
}

fn of_node(step: &mut Step, at: At, moment: Moment) -> Outcome {
    let process = Arc::clone(&step.process);
    let listeners = &process.node(at.node).listeners;
    if listeners.is_empty() {
        return Ok(());
    }
    let scope = step.variable_scope(at);
    run_all(step, scope, Some(at), listeners, moment)
}

/// An element is about to begin.
pub(super) fn start(step: &mut Step, at: At) -> Outcome {
    of_node(step, at, Moment::Start)
}

/// An element is done.
pub(super) fn end(step: &mut Step, at: At) -> Outcome {
    of_node(step, at, Moment::End)
}

/// Flows are about to be taken; the token is still there.
pub(super) fn take(step: &mut Step, at: At, flows: &[FlowIx]) -> Outcome {
    let process = Arc::clone(&step.process);
    for flow in flows {
        for listener in process.flow(*flow).listeners.of(Moment::Take) {
            run(step, at.scope, Some(at), &listener.code, Heard { moment: Moment::Take, flow: Some(*flow) })?;
        }
    }
    Ok(())
}

/// The process begins, or is about to end at a token.
pub(super) fn of_process(step: &mut Step, at: Option<At>, moment: Moment) -> Result<(), Fault> {
    let process = Arc::clone(&step.process);
    run_all(step, ROOT_SCOPE, at, &process.listeners, moment).map_err(Trouble::within_its_end)
}

/// The process is ended from outside, or by an error.
pub(super) fn process_is_ended(step: &mut Step) {
    if let Err(fault) = of_process(step, None, Moment::End) {
        record(step, None, Moment::End, Trouble::Fault(fault));
    }
}

/// An element is cancelled that had begun.
pub(super) fn cancelled(step: &mut Step, at: At) {
    let token = step.token(at);
    let had_begun = token.stage == Stage::Active || (token.stage == Stage::Leaving && token.wait == Wait::Nothing);
    if had_begun && let Err(trouble) = end(step, at) {
        record(step, Some(at), Moment::End, trouble);
    }
}

/// A user task ends without being completed; it is still there.
pub(super) fn deleted(step: &mut Step, at: At) {
    if matches!(step.token(at).wait, Wait::UserTask(_))
        && let Err(trouble) = of_task(step, at, [Moment::Delete].into())
    {
        record(step, Some(at), Moment::Delete, trouble);
    }
}

fn record(step: &mut Step, at: Option<At>, moment: Moment, trouble: Trouble) {
    seen!("listener-failed-unheld");
    let message = match trouble {
        Trouble::Error(error) => format!("the {} listener threw the BPMN error {}", moment.name(), error.code),
        Trouble::Fault(fault) => fault.message,
    };
    let element = at.map(|at| step.element_id(at.node));
    step.events.push(Event::ListenerFailed { at: element, message });
}

fn task_listeners(element: &Element) -> Option<&Listeners> {
    match element {
        Element::UserTaskElement(task) => Some(&task.listeners).filter(|listeners| !listeners.is_empty()),
        _other => None,
    }
}

/// Runs the task's listeners for these moments; one that assigns the task calls those of the assignment.
fn of_task(step: &mut Step, at: At, mut moments: VecDeque<Moment>) -> Outcome {
    let process = Arc::clone(&step.process);
    let Some(listeners) = task_listeners(&process.node(at.node).element) else { return Ok(()) };
    let scope = step.variable_scope(at);
    let mut rounds = 0;
    while let Some(moment) = moments.pop_front() {
        rounds += 1;
        if rounds > LISTENER_ROUNDS_MAX {
            seen!("listeners-in-a-circle");
            let words =
                format!("listeners have assigned the task {LISTENER_ROUNDS_MAX} times: they call one another for ever");
            return Err(Trouble::Fault(Fault::new(IncidentKind::Limit, words)));
        }
        let before = step.task(at).assignee.clone();
        run_all(step, scope, Some(at), listeners, moment)?;
        if step.task(at).assignee != before {
            moments.push_back(Moment::Assignment);
        }
    }
    Ok(())
}

/// A user task has been made.
pub(super) fn created(step: &mut Step, at: At) -> Outcome {
    let process = Arc::clone(&step.process);
    let Some(listeners) = task_listeners(&process.node(at.node).element) else { return Ok(()) };
    let scope = step.variable_scope(at);
    run_all(step, scope, Some(at), listeners, Moment::Create)?;
    // Assigned by the model or by a listener: heard once.
    if step.task(at).assignee.is_some() { of_task(step, at, [Moment::Assignment].into()) } else { Ok(()) }
}

/// A person has changed a task that was assigned so before.
pub(crate) fn changed(step: &mut Step, at: At, before: Option<&str>) -> Result<(), Rejection> {
    let mut moments = VecDeque::from([Moment::Update]);
    if step.task(at).assignee.as_deref() != before {
        moments.push_back(Moment::Assignment);
    }
    let outcome = of_task(step, at, moments);
    by_person(step, at, outcome)
}

/// A person completes a task; false: a listener threw a BPMN error instead.
pub(super) fn completed(step: &mut Step, at: At) -> Result<bool, Rejection> {
    let outcome = of_task(step, at, [Moment::Complete].into());
    let goes_on = outcome.is_ok();
    by_person(step, at, outcome).map(|()| goes_on)
}

fn by_person(step: &mut Step, at: At, outcome: Outcome) -> Result<(), Rejection> {
    match outcome {
        Ok(()) => Ok(()),
        Err(Trouble::Error(error)) => {
            throw::throw(step, at, error);
            Ok(())
        }
        Err(Trouble::Fault(fault)) => {
            seen!("listener-refuses");
            Err(Rejection::ListenerFailed(fault.message))
        }
    }
}

/// The time of a timeout listener has come: which one tells `part`.
pub(super) fn timed_out(step: &mut Step, at: At, part: usize) {
    let process = Arc::clone(&step.process);
    let Element::UserTaskElement(task) = &process.node(at.node).element else { return };
    let Some(timeout) = task.timeouts.get(part) else { return };
    if !matches!(step.token(at).wait, Wait::UserTask(_)) {
        seen!("timeout-during-incident");
        let words =
            format!("the timeout listener {:?} was due while its task had an incident: it was not run", timeout.id);
        return record(step, Some(at), Moment::Timeout, Trouble::Fault(Fault::expression(words)));
    }
    let scope = step.variable_scope(at);
    let before = step.task(at).assignee.clone();
    let heard = Heard { moment: Moment::Timeout, flow: None };
    let outcome = run(step, scope, Some(at), &timeout.code, heard).and_then(|()| {
        if step.task(at).assignee == before { Ok(()) } else { of_task(step, at, [Moment::Assignment].into()) }
    });
    match outcome {
        Ok(()) => {}
        Err(Trouble::Error(error)) => throw::throw(step, at, error),
        Err(Trouble::Fault(fault)) => step.raise(at, fault),
    }
}

/// A person's command at a task with listeners: they may refuse it when much has changed already.
pub(super) fn may_refuse(step: &Step, command: &Command) -> bool {
    let by_person = match command {
        Command::ChangeUserTask { token, .. }
        | Command::CompleteUserTask { token, .. }
        | Command::SetLocalVariables { token, .. }
        | Command::Signal { token, .. } => step.at(*token),
        _other => None,
    };
    by_person.is_some_and(|at| task_listeners(&step.process.node(at.node).element).is_some())
}
