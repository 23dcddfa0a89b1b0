//! The engine's one function: a command and an instance in; events, effects and the changed instance out.
//!
//! Everything is checked first; below the check nothing can reject, so a rejection has changed nothing.

use crate::base::id::{InstanceId, ROOT_SCOPE, ScopeId, TokenId};
use crate::base::time::Timestamp;
use crate::engine::command::{Answer, Command, Create, Effect, Rejection, TaskChange};
use crate::engine::definition::{NodeIx, ProcessDefinition};
use crate::engine::event::Event;
use crate::engine::history::Past;
use crate::engine::incident::Fault;
use crate::engine::instance::{Head, Instance, InstanceState, ScopeKind, Stage, Token, Trigger, Wait};
use crate::engine::lifecycle::{self, Agenda, Cause, Work};
use crate::engine::listener::{self, Moment};
use crate::engine::places::Places;
use crate::engine::step::{At, Step};
use crate::engine::{cancel, event_sub_process, modify, subscription, throw, variables, work};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub struct Context<'a> {
    pub now: Timestamp,
    /// Numbers for called instances.
    pub new_id: &'a mut dyn FnMut() -> InstanceId,
    /// The user behind the command, for expressions.
    pub user: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    pub events: Vec<Event>,
    pub effects: Vec<Effect>,
    pub past: Past,
    pub answer: Answer,
}

impl Instance {
    /// An instance as it is before `CreateInstance`.
    pub fn new(id: InstanceId, definition: Arc<ProcessDefinition>, now: Timestamp) -> Self {
        let head = Head {
            id,
            definition: definition.id,
            tenant: definition.tenant.clone(),
            business_key: None,
            caller: None,
            root: id,
            state: InstanceState::Active,
            started_at: now,
            ended_at: None,
            starter: None,
            start_element: None,
            end_element: None,
            reason: None,
            revision: 0,
            next: 0,
            steps: 0,
            depth: 0,
            continues: false,
        };
        let (scopes, places) = (BTreeMap::new(), Places::default());
        Self { head, definition, scopes, dirty: BTreeSet::new(), closed: BTreeSet::new(), places }
    }
}

pub fn execute(instance: &mut Instance, command: Command, cx: &mut Context<'_>) -> Result<Outcome, Rejection> {
    let process = Arc::clone(&instance.definition.process);
    let mut step = Step {
        instance,
        process,
        now: cx.now,
        new_id: &mut *cx.new_id,
        events: Vec::new(),
        effects: Vec::new(),
        past: Past::new(),
        answer: Answer::default(),
        agenda: Agenda::default(),
        conditions: Vec::new(),
        user: cx.user.clone(),
    };
    check_state(&step, &command)?;
    let goes_on = command == Command::Continue;
    let rebuilt = matches!(command, Command::Continue | Command::Resume);
    // What these reject may have changed something before.
    let late = matches!(command, Command::Modify { .. }) || listener::may_refuse(&step, &command);
    let as_it_was = late.then(|| step.instance.clone());
    if let Err(rejection) = perform(&mut step, command) {
        if let Some(as_it_was) = as_it_was {
            *step.instance = as_it_was;
        }
        return Err(rejection);
    }
    step.instance.head.revision += 1;
    step.instance.dirty.insert(ROOT_SCOPE);
    if !goes_on {
        step.instance.head.steps = 0;
    }
    if step.head().state == InstanceState::Active {
        // Tokens of an earlier bounded run rest on: what came between does not move them.
        let others_rest = step.head().continues && !rebuilt;
        lifecycle::run(&mut step);
        step.instance.head.continues |= others_rest && !step.head().state.is_ended();
    } else {
        step.instance.places.asked = false;
    }
    let instance = &step.instance;
    debug_assert!(instance.places.tokens.len() > 50 || instance.places.are_true(&instance.scopes, &step.process));
    let Step { events, effects, past, answer, .. } = step;
    Ok(Outcome { events, effects, past, answer })
}

/// What the instance's state allows at all.
fn check_state(step: &Step, command: &Command) -> Result<(), Rejection> {
    let created = !step.instance.scopes.is_empty();
    match (command, step.head().state) {
        (Command::CreateInstance(_), _) if created => Err(Rejection::AlreadyExists(step.head().id)),
        (Command::CreateInstance(_), _) => Ok(()),
        (_, _) if !created => Err(Rejection::InstanceNotFound(step.head().id)),
        (_, InstanceState::Completed | InstanceState::Terminated | InstanceState::Cancelled) => {
            Err(Rejection::WrongState("ended".into()))
        }
        (Command::Cancel { .. }, _) => Ok(()),
        (_, InstanceState::Cancelling) => Err(Rejection::WrongState("being cancelled".into())),
        (command, InstanceState::Suspended) if !allowed_while_suspended(command) => {
            Err(Rejection::WrongState("suspended".into()))
        }
        (_, InstanceState::Active | InstanceState::Suspended) => Ok(()),
    }
}

/// Results of work that was leased already are taken, since refusing them would do real work twice; data may be mended.
fn allowed_while_suspended(command: &Command) -> bool {
    match command {
        Command::ExtendLease { .. }
        | Command::ReleaseJob { .. }
        | Command::ExpireLease { .. }
        | Command::CompleteJob { .. }
        | Command::FailJob { .. }
        | Command::ThrowError { claim: Some(_), .. }
        | Command::SetRetries { .. }
        | Command::SetPriority { .. }
        | Command::SetDue { .. }
        | Command::CalledInstanceEnded { .. }
        | Command::CalledInstanceEscalated { .. }
        | Command::SetVariables { .. }
        | Command::SetLocalVariables { .. }
        | Command::Modify { .. }
        | Command::Suspend
        | Command::Resume
        | Command::Cancel { .. }
        | Command::Continue
        | Command::RaiseIncident { .. } => true,
        Command::CreateInstance(_)
        | Command::LeaseJob { .. }
        | Command::ThrowError { claim: None, .. }
        | Command::Escalate { .. }
        | Command::ChangeUserTask { .. }
        | Command::CompleteUserTask { .. }
        | Command::FireTimer { .. }
        | Command::DeliverMessage { .. }
        | Command::DeliverSignal { .. }
        | Command::FireCondition { .. }
        | Command::Activate { .. }
        | Command::Signal { .. }
        | Command::ResolveIncident { .. } => false,
    }
}

fn perform(step: &mut Step, command: Command) -> Result<(), Rejection> {
    match command {
        Command::CreateInstance(create) => create_instance(step, *create),
        Command::LeaseJob { token, holder, until } => work::lease(step, token, holder, until),
        Command::ExtendLease { token, claim, until } => work::extend(step, token, &claim, until),
        Command::ReleaseJob { token, claim } => work::release(step, token, claim.as_ref()),
        Command::ExpireLease { token, lease_no } => work::expire(step, token, lease_no),
        Command::CompleteJob { token, claim, variables, local, decisions } => {
            work::complete(step, token, &claim, variables, local, decisions)
        }
        Command::FailJob { token, claim, failure } => work::fail(step, token, &claim, failure),
        Command::ThrowError { token, claim, code, message, variables } => work::throw_error(
            step,
            token,
            claim.as_ref(),
            crate::engine::incident::BpmnError { code, message, variables },
        ),
        Command::Escalate { token, code, variables } => {
            waiting_task(step, token).map(|at| throw::escalate(step, at, code, variables))
        }
        Command::SetRetries { token, retries, due } => work::set_retries(step, token, retries, due),
        Command::SetPriority { token, priority } => work::set_priority(step, token, priority),
        Command::SetDue { id, due } => set_due(step, id, due),
        Command::ChangeUserTask { token, change } => change_task(step, token, change),
        Command::CompleteUserTask { token, variables } => complete_task(step, token, variables),
        Command::FireTimer { .. }
        | Command::DeliverMessage { .. }
        | Command::DeliverSignal { .. }
        | Command::FireCondition { .. } => happen(step, command),
        Command::Activate { token, elements } => activate(step, token, &elements),
        Command::Signal { token, variables } => signal(step, token, variables),
        Command::CalledInstanceEnded { token, called, result } => work::returned(step, token, called, result),
        Command::CalledInstanceEscalated { token, called, code } => throw::escalated(step, token, called, code),
        Command::SetVariables { scope, set, remove } => set_variables(step, scope.unwrap_or(ROOT_SCOPE), set, &remove),
        Command::SetLocalVariables { token, set, remove } => {
            let at = step.at(token).ok_or(Rejection::TokenNotWaiting(token))?;
            let own = step.own_scope(at);
            set_variables(step, own, set, &remove)?;
            match &step.token(at).wait {
                // Variables of a task are part of it.
                Wait::UserTask(_) => {
                    let assignee = step.task(at).assignee.clone();
                    listener::changed(step, at, assignee.as_deref())
                }
                _other => Ok(()),
            }
        }
        Command::ResolveIncident { token } => work::resolve(step, token),
        Command::Modify { instructions } => modify::modify(step, instructions),
        Command::RaiseIncident { token, kind, message } => raise_incident(step, token, Fault::new(kind, message)),
        Command::Suspend | Command::Resume | Command::Cancel { .. } | Command::Continue => {
            of_the_whole(step, command);
            Ok(())
        }
    }
}

/// What is said of the instance, not of something in it.
fn of_the_whole(step: &mut Step, command: Command) {
    match (command, step.head().state) {
        (Command::Suspend, InstanceState::Active) => {
            step.set_state(InstanceState::Suspended);
            touch_all(step);
        }
        (Command::Resume, InstanceState::Suspended) => {
            step.set_state(InstanceState::Active);
            touch_all(step);
            lifecycle::rebuild_agenda(step);
        }
        (Command::Cancel { reason }, _) => {
            step.instance.head.reason = reason;
            throw::end_all(step);
            listener::process_is_ended(step);
            cancel::end_instance(step, InstanceState::Cancelled);
        }
        (Command::Continue, InstanceState::Active) => lifecycle::rebuild_agenda(step),
        (_already, _) => {}
    }
}

/// What an armed event waits for has come.
fn happen(step: &mut Step, command: Command) -> Result<(), Rejection> {
    let (id, variables, local) = match command {
        Command::FireTimer { subscription, due } => {
            subscription::check_timer(step, subscription, due)?;
            (subscription, Default::default(), Default::default())
        }
        Command::DeliverMessage { subscription, name, variables, local } => {
            subscription::check_message(step, subscription, &name)?;
            (subscription, variables, local)
        }
        Command::DeliverSignal { subscription, name, variables } => {
            subscription::check_signal(step, subscription, &name)?;
            (subscription, variables, Default::default())
        }
        Command::FireCondition { subscription } => {
            subscription::check_condition(step, subscription)?;
            (subscription, Default::default(), Default::default())
        }
        other => unreachable!("no event: {other:?}"),
    };
    subscription::fire(step, id, variables, local);
    Ok(())
}

/// Every index row repeats whether its instance is suspended.
fn touch_all(step: &mut Step) {
    let all: Vec<ScopeId> = step.instance.scopes.keys().copied().collect();
    step.instance.dirty.extend(all);
}

fn create_instance(step: &mut Step, create: Create) -> Result<(), Rejection> {
    let nodes = start_nodes(step, &create)?;
    let head = &mut step.instance.head;
    head.business_key = create.business_key;
    head.caller = create.caller;
    head.root = create.root.unwrap_or(head.id);
    head.depth = create.depth;
    head.starter = create.starter;
    let definition = head.definition;
    step.events.push(Event::InstanceCreated { definition, caller: create.caller });
    let root = step.open_scope(ScopeKind::Process, None, None, None);
    for (name, variable) in create.variables {
        step.set_variable(root, &name, variable);
    }
    let armed = event_sub_process::prepare(step, None, (root, None));
    let armed = armed.map_err(|fault| Rejection::InvalidInput(format!("an event sub-process: {}", fault.message)))?;
    for subscription in armed {
        step.arm(root, subscription);
    }
    step.instance.head.start_element = nodes.first().map(|node| step.element_id(*node));
    if let (Some(initiator), Some(starter)) = (initiator(step, &nodes), step.head().starter.clone()) {
        step.set_variable(root, &initiator, starter.into());
    }
    listener::of_process(step, None, Moment::Start).map_err(|fault| Rejection::ListenerFailed(fault.message))?;
    for node in nodes {
        begin_at(step, root, node);
    }
    if create.suspended {
        step.set_state(InstanceState::Suspended);
        step.instance
            .scopes
            .get_mut(&root)
            .expect("just opened")
            .tokens
            .values_mut()
            .for_each(|token| token.stage = Stage::Entering);
    }
    Ok(())
}

/// A token at a start; one that instantiates (a receive task, an event behind a gateway) has had its event.
fn begin_at(step: &mut Step, root: ScopeId, node: NodeIx) {
    let process = Arc::clone(&step.process);
    let instantiates = process.start_triggers.iter().any(|start| start.node == node);
    if !instantiates || process.node(node).element.start().is_some() {
        return lifecycle::start_token(step, root, node, None);
    }
    subscription::place_fired(step, root, (node, None), Default::default(), Default::default());
    // BPMN 2.0.2, 10.6.6 (parallel): "all of the Events are required": the others are waited for.
    for other in process.awaited_with(node) {
        lifecycle::start_token(step, root, other, None);
    }
}

/// The elements named, else the none start events, else a single start event of another kind.
fn start_nodes(step: &Step, create: &Create) -> Result<Vec<NodeIx>, Rejection> {
    let process = &step.process;
    if !create.at.is_empty() {
        let found = create.at.iter().map(|id| {
            process.find(id).filter(|node| process.node(*node).parent.is_none()).ok_or_else(|| {
                Rejection::InvalidInput(format!(
                    "the process {} has no element {id} at which it could start",
                    process.id
                ))
            })
        });
        return found.collect();
    }
    let starts = process.starts.get(&None).cloned().unwrap_or_default();
    if !starts.is_empty() {
        return Ok(starts);
    }
    let triggered: BTreeSet<NodeIx> = process.start_triggers.iter().map(|start| start.node).collect();
    match triggered.into_iter().collect::<Vec<_>>().as_slice() {
        [only] => Ok(vec![*only]),
        [] => {
            Err(Rejection::InvalidInput(format!("the process {} has no element at which it could start", process.id)))
        }
        [_, _, ..] => Err(Rejection::InvalidInput(format!(
            "the process {} has several start events, none of them without a trigger",
            process.id
        ))),
    }
}

fn initiator(step: &Step, nodes: &[NodeIx]) -> Option<String> {
    nodes.iter().find_map(|node| step.process.node(*node).element.start().and_then(|start| start.initiator.clone()))
}

/// Of a defect or limit that was met outside the run.
fn raise_incident(step: &mut Step, token: Option<TokenId>, fault: Fault) -> Result<(), Rejection> {
    // What others go on with (a scope, a called process, a join) cannot be held up at this token.
    let can_stand = |token: &Token| matches!(token.wait, Wait::Job(_) | Wait::UserTask(_) | Wait::Trigger);
    let oldest = step.instance.tokens().filter(|(_, _, token)| can_stand(token)).map(|(_, id, _)| id).min();
    let named = token.filter(|id| step.instance.find(*id).is_some_and(|(_, token)| can_stand(token)));
    match named.or(oldest).and_then(|token| step.at(token)) {
        Some(at) => {
            step.raise(at, fault);
            Ok(())
        }
        None => Err(Rejection::WrongState("without a token to raise an incident at".into())),
    }
}

fn change_task(step: &mut Step, token: TokenId, change: TaskChange) -> Result<(), Rejection> {
    let at = waiting_task(step, token)?;
    crate::engine::elements::user_task::change(step, at, change)
}

fn complete_task(step: &mut Step, token: TokenId, given: crate::base::variable::Variables) -> Result<(), Rejection> {
    let at = waiting_task(step, token)?;
    variables::set_results(step, at, given, Default::default());
    if listener::completed(step, at)? {
        work::done(step, at);
    }
    Ok(())
}

fn waiting_task(step: &Step, token: TokenId) -> Result<At, Rejection> {
    let at = step.at(token).ok_or(Rejection::TokenNotWaiting(token))?;
    match step.token(at).wait {
        Wait::UserTask(_) => Ok(at),
        Wait::Nothing
        | Wait::Join
        | Wait::Job(_)
        | Wait::Trigger
        | Wait::Scope(_)
        | Wait::Called(_)
        | Wait::Incident(_) => Err(Rejection::TokenNotWaiting(token)),
    }
}

/// A receive task, a catch event or a user task goes on without being named what it waits for.
fn signal(step: &mut Step, token: TokenId, given: crate::base::variable::Variables) -> Result<(), Rejection> {
    let at = step.at(token).ok_or(Rejection::TokenNotWaiting(token))?;
    let is_gateway = step.process.node(at.node).kind == "eventBasedGateway";
    match step.token(at).wait {
        Wait::UserTask(_) => complete_task(step, token, given),
        Wait::Trigger if !is_gateway => {
            variables::set_results(step, at, given, Default::default());
            subscription::disarm_all(step, at.scope, token);
            step.wait_for(at, Wait::Nothing);
            step.agenda.push(Work::Resume { token, cause: Cause::Fired });
            Ok(())
        }
        Wait::Trigger
        | Wait::Nothing
        | Wait::Join
        | Wait::Job(_)
        | Wait::Scope(_)
        | Wait::Called(_)
        | Wait::Incident(_) => Err(Rejection::TokenNotWaiting(token)),
    }
}

fn activate(step: &mut Step, token: TokenId, elements: &[crate::base::id::ElementId]) -> Result<(), Rejection> {
    let at = step.at(token).ok_or(Rejection::TokenNotWaiting(token))?;
    let process = Arc::clone(&step.process);
    match (process.node(at.node).element.ad_hoc(), &step.token(at).wait) {
        (Some(ad_hoc), Wait::Scope(scope)) if step.scope(*scope).kind == ScopeKind::SubProcess => {
            let scope = *scope;
            ad_hoc.activate(step, at, scope, elements)
        }
        (_, _) => Err(Rejection::TokenNotWaiting(token)),
    }
}

fn set_variables(
    step: &mut Step,
    scope: ScopeId,
    set: crate::base::variable::Variables,
    remove: &[String],
) -> Result<(), Rejection> {
    if !step.instance.scopes.contains_key(&scope) {
        return Err(Rejection::ScopeNotFound(scope));
    }
    for name in remove {
        step.remove_variable(scope, name);
    }
    for (name, variable) in set {
        step.set_variable(scope, &name, variable);
    }
    Ok(())
}

fn set_due(step: &mut Step, id: crate::base::id::LocalId, due: Timestamp) -> Result<(), Rejection> {
    let (scope, subscription) = step.instance.subscription(id).ok_or(Rejection::NotArmed(id))?;
    match subscription.trigger.clone() {
        Trigger::Timer { cycle, part, .. } => {
            step.rearm(scope, id, Trigger::Timer { due, cycle, part });
            Ok(())
        }
        Trigger::Message { .. }
        | Trigger::Error { .. }
        | Trigger::Escalation { .. }
        | Trigger::Signal { .. }
        | Trigger::Condition { .. }
        | Trigger::Cancel => Err(Rejection::NotArmed(id)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::testing::{definition, within};

    /// Five hundred tokens: more steps than one commit takes.
    const MANY: &str = r#"<startEvent id="s"/><sequenceFlow id="f1" sourceRef="s" targetRef="A"/>
        <task id="A"><multiInstanceLoopCharacteristics><loopCardinality>500</loopCardinality></multiInstanceLoopCharacteristics></task>
        <sequenceFlow id="f2" sourceRef="A" targetRef="B"/><userTask id="B"/>"#;

    fn run(instance: &mut Instance, command: Command) {
        let mut new_id = || InstanceId(8);
        let mut cx = Context { now: Timestamp(1), new_id: &mut new_id, user: None };
        execute(instance, command, &mut cx).expect("accepted");
    }

    #[test]
    fn a_bounded_run_goes_on_though_another_command_came_between() {
        let mut instance = Instance::new(InstanceId(7), definition(&within(MANY)), Timestamp(1));
        run(&mut instance, Command::CreateInstance(Box::default()));
        assert!(instance.head.continues);
        run(&mut instance, Command::SetVariables { scope: None, set: Default::default(), remove: Vec::new() });
        assert!(instance.head.continues, "tokens rest still");
        run(&mut instance, Command::Suspend);
        run(&mut instance, Command::Resume);
        while instance.head.continues {
            run(&mut instance, Command::Continue);
        }
        assert!(instance.tokens().all(|(_, _, token)| matches!(token.wait, Wait::UserTask(_))));
    }
}
