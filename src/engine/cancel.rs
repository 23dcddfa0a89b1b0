//! Ending what is under way: a token with everything in it, the rest of a scope, the whole instance.
//!
//! BPMN 2.0.2, 13.3.2 (an activity is terminated) and 13.5.4 (terminate and cancel end events). What a token holds is seen
//! in what it waits for, so it is released here for all elements alike. Never recursion: depth is data.

use crate::base::id::{ROOT_SCOPE, ScopeId, TokenId};
use crate::base::variable::Variables;
use crate::engine::command::{CallResult, Effect};
use crate::engine::compensation;
use crate::engine::definition::NodeIx;
use crate::engine::event::{Event, JobEnd};
use crate::engine::instance::{InstanceState, OF_SCOPE, ScopeKind, Wait};
use crate::engine::lifecycle::Work;
use crate::engine::listener;
use crate::engine::multi_instance;
use crate::engine::step::{At, Step};
use crate::engine::subscription::{self, TriggerSource};
use std::sync::Arc;

/// BPMN 2.0.2, 13.5.4 (terminate end event): the scope's other tokens are ended; a sub-process is then done as usual.
pub(super) fn terminate(step: &mut Step, at: At) {
    let others: Vec<TokenId> = step.scope(at.scope).tokens.keys().copied().filter(|token| *token != at.token).collect();
    for token in others {
        if let Some(other) = step.at(token) {
            cancel(step, other);
        }
    }
    if at.scope == ROOT_SCOPE {
        step.instance.head.end_element = Some(step.element_id(at.node));
    }
    subscription::disarm_all(step, at.scope, at.token);
    step.consume(at);
    if step.scope(at.scope).kind == ScopeKind::Process {
        end_instance(step, InstanceState::Terminated);
    } else {
        step.agenda.push(Work::ScopeDone(at.scope));
    }
}

pub(super) fn end_instance(step: &mut Step, state: InstanceState) {
    let variables = step.instance.root().variables.clone();
    subscription::disarm_all(step, ROOT_SCOPE, OF_SCOPE);
    compensation::forget(step, ROOT_SCOPE);
    step.set_state(state);
    step.events.push(Event::ScopeClosed { scope: ROOT_SCOPE });
    let head = step.head();
    if let Some(caller) = head.caller {
        let result = match state {
            InstanceState::Completed | InstanceState::Terminated => CallResult::Completed(variables),
            InstanceState::Cancelled | InstanceState::Active | InstanceState::Suspended | InstanceState::Cancelling => {
                CallResult::Failed(head.reason.clone().unwrap_or_else(|| "the called instance was cancelled".into()))
            }
        };
        step.effects.push(Effect::ReturnToCaller { caller, result });
    }
}

/// Cancels a token with everything in it, inner ones first. An explicit stack: depth is data.
pub(super) fn cancel(step: &mut Step, at: At) {
    let (mut pending, mut doomed, mut scopes) = (vec![at], Vec::new(), Vec::new());
    while let Some(at) = pending.pop() {
        doomed.push(at);
        // Its own variables lie around what it holds.
        scopes.extend(step.token(at).own.filter(|own| *own != at.scope));
        for scope in held_scopes(step, at) {
            scopes.push(scope);
            pending.extend(step.scope(scope).tokens.iter().map(|(token, held)| At {
                node: held.at,
                token: *token,
                scope,
            }));
        }
    }
    for at in doomed.into_iter().rev() {
        release(step, at);
        listener::cancelled(step, at);
        subscription::disarm_all(step, at.scope, at.token);
        if step.token(at).own.is_some_and(|own| own != at.scope) {
            step.token_mut(at).own = None;
        }
        step.drop_cancelled(at);
    }
    for scope in scopes.into_iter().rev() {
        step.close_scope(scope);
    }
}

/// The scope a token waits for, and the inner ones of a multi-instance body; and what it keeps to undo it.
fn held_scopes(step: &Step, at: At) -> Vec<ScopeId> {
    let held = match &step.token(at).wait {
        Wait::Scope(scope) => Some(*scope),
        Wait::Incident(incident) => match incident.held.as_deref() {
            Some(Wait::Scope(scope)) => Some(*scope),
            Some(_) | None => None,
        },
        Wait::Nothing | Wait::Join | Wait::Job(_) | Wait::UserTask(_) | Wait::Trigger | Wait::Called(_) => None,
    };
    let mut scopes = compensation::held(step, at.token);
    if let Some(held) = held.filter(|id| step.instance.scopes.contains_key(id)) {
        scopes.push(held);
        if step.scope(held).kind == ScopeKind::Body {
            scopes.extend(multi_instance::inner_scopes(step, held));
        }
    }
    scopes
}

/// Gives up what a token holds, by what it waits for: the same for every element.
fn release(step: &mut Step, at: At) {
    if matches!(step.token(at).wait, Wait::Incident(_)) {
        step.settle(at, true);
    }
    match &step.token(at).wait {
        Wait::Job(job) => {
            if job.lease.is_some() {
                let lease_no = job.lease_no;
                step.effects.push(Effect::JobAborted { token: at.token, lease_no });
            }
            step.close_work(at, JobEnd::Cancelled);
        }
        Wait::UserTask(_) => {
            listener::deleted(step, at);
            step.close_work(at, JobEnd::Cancelled);
        }
        Wait::Called(called) => {
            let called = *called;
            step.effects.push(Effect::CancelCalled { called });
        }
        Wait::Nothing | Wait::Join | Wait::Trigger | Wait::Scope(_) | Wait::Incident(_) => {}
    }
}

/// BPMN 2.0.2, 13.5.4 (cancel end event): the transaction's other activities end, what was completed in it is undone, then
/// its cancel boundary event happens.
pub(super) fn cancel_transaction(step: &mut Step, at: At) {
    let others: Vec<TokenId> = step.scope(at.scope).tokens.keys().copied().filter(|token| *token != at.token).collect();
    for token in others {
        if let Some(other) = step.at(token) {
            cancel(step, other);
        }
    }
    subscription::disarm_all(step, at.scope, OF_SCOPE);
    if compensation::throw(step, at, None).is_none() {
        transaction_cancelled(step, at);
    }
}

/// Everything is undone: the transaction is left by its cancel boundary event.
pub(super) fn transaction_cancelled(step: &mut Step, at: At) {
    let process = Arc::clone(&step.process);
    let mut host = step.scope(at.scope).owner.and_then(|owner| step.at(owner)).expect("a transaction has an owner");
    if step.scope(host.scope).kind == ScopeKind::Inner {
        host = step.scope(host.scope).owner.and_then(|owner| step.at(owner)).expect("an inner scope has an owner");
    }
    let cancels = |event: &NodeIx| {
        let boundary = process.node(*event).element.boundary();
        boundary.is_some_and(|boundary| matches!(boundary.trigger, TriggerSource::Cancel))
    };
    let event = process.node(host.node).boundary.iter().copied().find(cancels);
    let caught_by = event.map(|event| step.element_id(event));
    step.events.push(Event::TransactionCancelled { token: at.token, caught_by });
    step.consume(at);
    cancel(step, host);
    match event {
        Some(event) => {
            _ = subscription::place_fired(step, host.scope, (event, None), Variables::new(), Variables::new())
        }
        None => step.agenda.push(Work::ScopeDone(host.scope)),
    }
}

#[cfg(test)]
mod tests {
    use crate::base::id::InstanceId;
    use crate::base::time::Timestamp;
    use crate::engine::command::Command;
    use crate::engine::event::Event;
    use crate::engine::execute::{Context, execute};
    use crate::engine::instance::Instance;
    use crate::engine::testing::{definition, within};

    /// Its own variables lie around the scope that a sub-process opens.
    #[test]
    fn of_a_sub_process_that_is_interrupted_the_inner_scopes_close_first() {
        let xml = within(
            r#"<startEvent id="s"/><sequenceFlow id="f" sourceRef="s" targetRef="outer"/><subProcess id="outer">
            <startEvent id="s1"/><sequenceFlow id="f1" sourceRef="s1" targetRef="inner"/><subProcess id="inner">
            <extensionElements><camunda:inputOutput><camunda:inputParameter name="n">0</camunda:inputParameter></camunda:inputOutput></extensionElements>
            <startEvent id="s2"/><sequenceFlow id="f2" sourceRef="s2" targetRef="A"/><userTask id="A"/></subProcess></subProcess>
            <boundaryEvent id="late" attachedToRef="outer"><messageEventDefinition messageRef="m"/></boundaryEvent>"#,
        );
        let xml = xml.replace("<process", r#"<message id="m" name="go"/><process"#);
        let mut instance = Instance::new(InstanceId(7), definition(&xml), Timestamp(1));
        let mut told = Vec::new();
        let mut perform = |instance: &mut Instance, command: Command| {
            let mut cx = Context { now: Timestamp(1), new_id: &mut || InstanceId(8), user: None };
            told.extend(execute(instance, command, &mut cx).expect("accepted").events);
        };
        perform(&mut instance, Command::CreateInstance(Box::default()));
        let (subscription, _) = instance.root().subscriptions.first_key_value().expect("the boundary event is armed");
        let (subscription, name) = (*subscription, "go".to_owned());
        let (variables, local) = Default::default();
        perform(&mut instance, Command::DeliverMessage { subscription, name, variables, local });
        let mut open = Vec::new();
        for event in &told {
            match event {
                Event::ScopeOpened { scope, parent, .. } => open.push((*scope, *parent)),
                Event::ScopeClosed { scope } => {
                    assert!(
                        !open.iter().any(|(_, parent)| *parent == Some(*scope)),
                        "{scope} lies around others: {told:#?}"
                    );
                    open.retain(|(id, _)| id != scope);
                }
                _other => {}
            }
        }
        assert!(open.is_empty(), "all is closed: {open:?}");
    }
}
