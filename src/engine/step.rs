//! The primitives: the only code that changes an instance. Each changes the state and records the event in one place, so
//! the audit is complete by construction.

use crate::base::id::{ElementId, InstanceId, LocalId, ROOT_SCOPE, ScopeId, TokenId};
use crate::base::mark::seen;
use crate::base::time::Timestamp;
use crate::base::variable::{Variable, Variables};
use crate::engine::command::{Answer, Effect};
use crate::engine::condition::{self, Change};
use crate::engine::definition::{FlowIx, NodeIx, Process};
use crate::engine::event::{Event, JobEnd, UserTaskLinks};
use crate::engine::history::{Past, PastKey, PastRow, PastVariable};
use crate::engine::incident::{Fault, Incident};
use crate::engine::index::is_internal;
use crate::engine::instance::{
    Head, Instance, InstanceState, OF_SCOPE, Scope, ScopeKind, Stage, Subscription, Token, Trigger, UserTask, Wait,
};
use crate::engine::job::Job;
pub(crate) use crate::engine::job::new_job;
use crate::engine::lifecycle::Agenda;
use crate::engine::subscription::disarm_all;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where a token stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct At {
    pub(crate) node: NodeIx,
    pub(crate) token: TokenId,
    pub(crate) scope: ScopeId,
}

pub(crate) struct Step<'a> {
    pub(super) instance: &'a mut Instance,
    pub(super) process: Arc<Process>,
    pub(super) now: Timestamp,
    pub(super) new_id: &'a mut dyn FnMut() -> InstanceId,
    pub(super) events: Vec<Event>,
    pub(super) effects: Vec<Effect>,
    pub(super) past: Past,
    pub(super) answer: Answer,
    pub(super) agenda: Agenda,
    /// Armed in this run and not asked yet.
    pub(super) conditions: Vec<LocalId>,
    /// The user behind the command, for expressions.
    pub(super) user: Option<String>,
}

// Reading.
impl Step<'_> {
    pub(crate) fn at(&self, token: TokenId) -> Option<At> {
        self.instance.find(token).map(|(scope, found)| At { node: found.at, token, scope })
    }

    pub(crate) fn token(&self, at: At) -> &Token {
        &self.instance.scopes[&at.scope].tokens[&at.token]
    }

    pub(crate) fn scope(&self, scope: ScopeId) -> &Scope {
        &self.instance.scopes[&scope]
    }

    pub(crate) fn head(&self) -> &Head {
        &self.instance.head
    }

    pub(crate) fn element_id(&self, node: NodeIx) -> ElementId {
        self.process.node(node).id.clone()
    }

    /// The scope whose variables a token sees first.
    pub(crate) fn variable_scope(&self, at: At) -> ScopeId {
        self.token(at).own.unwrap_or(at.scope)
    }

    /// The value of a variable as seen from a scope.
    pub(crate) fn look_up(&self, scope: ScopeId, name: &str) -> Option<(ScopeId, &Variable)> {
        let mut current = Some(scope);
        while let Some(id) = current {
            let scope = &self.instance.scopes[&id];
            if let Some(found) = scope.variables.get(name) {
                return Some((id, found));
            }
            current = scope.parent;
        }
        None
    }
}

// Tokens and scopes.
impl Step<'_> {
    pub(super) fn fresh(&mut self) -> u32 {
        self.instance.head.next += 1;
        self.instance.head.next
    }

    pub(super) fn touch(&mut self, scope: ScopeId) -> &mut Scope {
        self.instance.dirty.insert(scope);
        self.instance.scopes.get_mut(&scope).expect("a touched scope is open")
    }

    pub(super) fn token_mut(&mut self, at: At) -> &mut Token {
        self.touch(at.scope).tokens.get_mut(&at.token).expect("a changed token is live")
    }

    pub(super) fn place(&mut self, scope: ScopeId, node: NodeIx, via: Option<FlowIx>) -> At {
        let token = TokenId(self.fresh());
        let since = self.now;
        self.touch(scope).tokens.insert(
            token,
            Token { at: node, via, stage: Stage::Entering, wait: Wait::Nothing, own: None, leases: 0, since },
        );
        let placed = &self.instance.scopes[&scope].tokens[&token];
        self.instance.places.placed(&self.process, scope, token, placed);
        let at = At { node, token, scope };
        let via = via.map(|flow| self.process.flow(flow).id.clone());
        self.events.push(Event::TokenEntered { token, scope, at: self.element_id(node), via });
        self.note_activity(at, None, false);
        at
    }

    pub(super) fn take(&mut self, flow: FlowIx) {
        let flow = self.process.flow(flow).id.clone();
        self.events.push(Event::FlowTaken { flow });
    }

    /// Removes a token that is done with its element.
    pub(super) fn consume(&mut self, at: At) {
        self.note_activity(at, Some(self.now), false);
        let event = Event::TokenLeft { token: at.token, at: self.element_id(at.node) };
        self.remove(at, event);
    }

    /// Removes a token that a join takes together with others.
    pub(crate) fn join(&mut self, at: At) {
        self.note_activity(at, Some(self.now), false);
        let event = Event::TokenJoined { token: at.token, at: self.element_id(at.node) };
        self.remove(at, event);
    }

    pub(super) fn drop_cancelled(&mut self, at: At) {
        self.note_activity(at, Some(self.now), true);
        let event = Event::TokenCancelled { token: at.token, at: self.element_id(at.node) };
        self.remove(at, event);
    }

    fn remove(&mut self, at: At, event: Event) {
        let gone = self.touch(at.scope).tokens.remove(&at.token).expect("a removed token is live");
        self.instance.places.gone(at.scope, at.token, &gone);
        self.events.push(event);
        if let Some(own) = gone.own.filter(|own| *own != at.scope) {
            self.close_scope(own);
        }
    }

    pub(super) fn open_scope(
        &mut self,
        kind: ScopeKind,
        parent: Option<ScopeId>,
        owner: Option<TokenId>,
        at: Option<NodeIx>,
    ) -> ScopeId {
        let id = if parent.is_none() { ROOT_SCOPE } else { ScopeId(self.fresh()) };
        let scope = Scope {
            id,
            parent,
            owner,
            kind,
            at,
            variables: Variables::new(),
            tokens: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            compensables: BTreeMap::new(),
        };
        self.instance.places.opened(&scope);
        self.instance.scopes.insert(id, scope);
        self.instance.dirty.insert(id);
        let at = at.map(|node| self.element_id(node));
        self.events.push(Event::ScopeOpened { scope: id, parent, kind, owner, at });
        id
    }

    /// The scope of one activation's own variables, opened when first needed.
    pub(super) fn own_scope(&mut self, at: At) -> ScopeId {
        if let Some(own) = self.token(at).own {
            return own;
        }
        let own = match self.scope(at.scope).kind {
            ScopeKind::Inner => at.scope,
            ScopeKind::Process
            | ScopeKind::SubProcess
            | ScopeKind::Activity
            | ScopeKind::Body
            | ScopeKind::Compensation
            | ScopeKind::Kept => self.open_scope(ScopeKind::Activity, Some(at.scope), Some(at.token), Some(at.node)),
        };
        self.token_mut(at).own = Some(own);
        own
    }

    /// Ends a scope, and with it what was kept to undo what is done in it, innermost first. Its event sub-processes wait
    /// no more.
    pub(super) fn close_scope(&mut self, scope: ScopeId) {
        let (mut pending, mut doomed) = (vec![scope], Vec::new());
        while let Some(id) = pending.pop() {
            let Some(open) = self.instance.scopes.get(&id) else { continue };
            // The kept variables of the same activity lie around it.
            let around = open.parent.filter(|around| {
                self.instance.scopes.get(around).is_some_and(|s| s.kind == ScopeKind::Kept && s.at == open.at)
            });
            doomed.extend(around);
            doomed.push(id);
            pending.extend(open.compensables.values().filter_map(|compensable| compensable.kept));
        }
        for id in doomed.into_iter().rev() {
            disarm_all(self, id, OF_SCOPE);
            let Some(closed) = self.instance.scopes.remove(&id) else { continue };
            debug_assert!(closed.tokens.is_empty() && closed.subscriptions.is_empty(), "a closed scope holds nothing");
            self.instance.dirty.remove(&id);
            self.instance.places.closed(&closed);
            self.instance.closed.insert(id);
            self.events.push(Event::ScopeClosed { scope: id });
        }
    }
}

// Variables.
impl Step<'_> {
    pub(super) fn set_variable(&mut self, scope: ScopeId, name: &str, value: Variable) {
        let open = self.touch(scope);
        let change = match open.variables.get(name) {
            Some(before) if *before == value => return,
            Some(_) => Change::Update,
            None => Change::Create,
        };
        open.variables.insert(name.to_owned(), value.clone());
        let token = match open.kind {
            ScopeKind::Activity => open.owner,
            ScopeKind::Inner => open.tokens.keys().next().copied(),
            ScopeKind::Process
            | ScopeKind::SubProcess
            | ScopeKind::Body
            | ScopeKind::Compensation
            | ScopeKind::Kept => None,
        };
        if !is_internal(name) {
            let row = PastVariable { value: Some(value.clone()), token, at: self.now };
            self.past.insert(PastKey::Variable(scope, name.to_owned()), PastRow::Variable(row));
        }
        self.events.push(Event::VariableSet { scope, name: name.to_owned(), value });
        condition::changed(self, name, change);
    }

    /// Sets a variable where it is visible from `scope`, else in the process.
    pub(super) fn set_outward(&mut self, scope: ScopeId, name: &str, value: Variable) {
        let holder = self.look_up(scope, name).map_or(ROOT_SCOPE, |(holder, _)| holder);
        self.set_variable(holder, name, value);
    }

    pub(super) fn remove_variable(&mut self, scope: ScopeId, name: &str) {
        if self.touch(scope).variables.remove(name).is_some() {
            if !is_internal(name) {
                let row = PastVariable { value: None, token: None, at: self.now };
                self.past.insert(PastKey::Variable(scope, name.to_owned()), PastRow::Variable(row));
            }
            self.events.push(Event::VariableRemoved { scope, name: name.to_owned() });
            condition::changed(self, name, Change::Delete);
        }
    }
}

// Waiting.
impl Step<'_> {
    pub(super) fn set_stage(&mut self, at: At, stage: Stage) {
        self.token_mut(at).stage = stage;
    }

    /// What a token waited for has come: it waits no more, and an incident that stood before it is over.
    pub(super) fn wake(&mut self, at: At) {
        if matches!(self.token(at).wait, Wait::Incident(_)) {
            self.settle(at, false);
        }
        self.wait_for(at, Wait::Nothing);
    }

    /// What a token waits for, and where joins look for it; gives what it waited for before.
    pub(super) fn wait_for(&mut self, at: At, wait: Wait) -> Wait {
        let token = self.touch(at.scope).tokens.get_mut(&at.token).expect("a changed token is live");
        let before = std::mem::replace(&mut token.wait, wait);
        if (before == Wait::Join) != (token.wait == Wait::Join) {
            let token = &self.instance.scopes[&at.scope].tokens[&at.token];
            self.instance.places.stands(&self.process, at.scope, at.token, token);
        }
        before
    }

    /// Lets a token wait, and records what for.
    pub(super) fn set_wait(&mut self, at: At, mut wait: Wait) {
        match &mut wait {
            Wait::Job(job) => {
                job.lease_no = self.token(at).leases;
                self.job_opened(at.token, job);
            }
            Wait::UserTask(task) => {
                let links = UserTaskLinks {
                    assignee: task.assignee.clone(),
                    candidate_users: task.candidate_users.clone(),
                    candidate_groups: task.candidate_groups.clone(),
                };
                let event = Event::UserTaskCreated { token: at.token, at: self.element_id(at.node), links };
                self.events.push(event);
            }
            Wait::Nothing | Wait::Join | Wait::Trigger | Wait::Scope(_) | Wait::Called(_) | Wait::Incident(_) => {}
        }
        let called = if let Wait::Called(called) = wait { Some(called) } else { None };
        self.wait_for(at, wait);
        if called.is_some() {
            self.note_activity(at, None, false);
        }
        self.note_task(at, None);
    }

    fn job_opened(&mut self, token: TokenId, job: &Job) {
        self.events.push(Event::JobOpened { token, topic: job.topic.clone(), kind: job.kind });
        self.effects.push(Effect::JobOpened { token, topic: job.topic.clone() });
    }

    /// Ends the job or user task a token holds, before the token goes on.
    pub(super) fn close_work(&mut self, at: At, how: JobEnd) {
        let token = at.token;
        match &self.token(at).wait {
            Wait::Job(job) => {
                let lease_no = job.lease_no;
                self.events.push(Event::JobClosed { token, lease_no, how });
                self.token_mut(at).leases = lease_no;
            }
            Wait::UserTask(_) => {
                self.events.push(Event::UserTaskClosed { token, how });
                let reason = if how == JobEnd::Completed { "completed" } else { "deleted" };
                self.note_task(at, Some(reason));
            }
            Wait::Nothing | Wait::Join | Wait::Trigger | Wait::Scope(_) | Wait::Called(_) | Wait::Incident(_) => return,
        }
        self.wait_for(at, Wait::Nothing);
    }

    pub(super) fn job_mut(&mut self, at: At) -> &mut Job {
        match &mut self.token_mut(at).wait {
            Wait::Job(job) => job,
            Wait::Incident(incident) => match incident.held.as_deref_mut() {
                Some(Wait::Job(job)) => job,
                Some(_) | None => unreachable!("checked: the incident stands for a job"),
            },
            Wait::Nothing | Wait::Join | Wait::UserTask(_) | Wait::Trigger | Wait::Scope(_) | Wait::Called(_) => {
                unreachable!("checked: the token waits for a job")
            }
        }
    }

    pub(super) fn task_mut(&mut self, at: At) -> &mut UserTask {
        match &mut self.token_mut(at).wait {
            Wait::UserTask(task) => task,
            Wait::Nothing
            | Wait::Join
            | Wait::Job(_)
            | Wait::Trigger
            | Wait::Scope(_)
            | Wait::Called(_)
            | Wait::Incident(_) => {
                unreachable!("checked: the token waits at a user task")
            }
        }
    }

    pub(super) fn user_task_changed(&mut self, at: At, what: &str, value: Option<String>) {
        let now = self.now;
        self.task_mut(at).updated_at = Some(now);
        self.events.push(Event::UserTaskChanged { token: at.token, what: what.to_owned(), value });
        self.note_task(at, None);
    }
}

// Subscriptions.
impl Step<'_> {
    pub(super) fn arm(&mut self, scope: ScopeId, subscription: Subscription) -> LocalId {
        let id = LocalId(self.fresh());
        if matches!(subscription.trigger, Trigger::Condition { .. }) {
            self.conditions.push(id);
        }
        self.touch(scope).subscriptions.insert(id, subscription);
        self.instance.places.armed.insert(id, scope);
        self.note_armed(scope, id);
        id
    }

    pub(super) fn rearm(&mut self, scope: ScopeId, id: LocalId, trigger: Trigger) {
        self.touch(scope).subscriptions.get_mut(&id).expect("a rearmed subscription is there").trigger = trigger;
        self.note_armed(scope, id);
    }

    fn note_armed(&mut self, scope: ScopeId, id: LocalId) {
        let Subscription { owner, catches, trigger, .. } = &self.instance.scopes[&scope].subscriptions[&id];
        let (owner, at, due) = (*owner, self.element_id(*catches), due(trigger));
        let scope = (owner == OF_SCOPE).then_some(scope);
        self.events.push(Event::Armed { id, owner, scope, at, due });
    }

    pub(super) fn fired(&mut self, id: LocalId, subscription: &Subscription) {
        let at = self.element_id(subscription.catches);
        self.events.push(Event::Fired { id, at, due: due(&subscription.trigger) });
    }

    pub(super) fn disarm(&mut self, scope: ScopeId, id: LocalId) {
        let gone = self.touch(scope).subscriptions.remove(&id).expect("a disarmed subscription is there");
        self.instance.places.armed.remove(&id);
        let at = self.element_id(gone.catches);
        self.events.push(Event::Disarmed { id, at });
    }
}

fn due(trigger: &Trigger) -> Option<Timestamp> {
    match trigger {
        Trigger::Timer { due, .. } => Some(*due),
        Trigger::Message { .. }
        | Trigger::Error { .. }
        | Trigger::Escalation { .. }
        | Trigger::Signal { .. }
        | Trigger::Condition { .. }
        | Trigger::Cancel => None,
    }
}

// Incidents and the instance.
impl Step<'_> {
    pub(super) fn raise(&mut self, at: At, fault: Fault) {
        if matches!(self.token(at).wait, Wait::Incident(_)) {
            seen!("incident-after-incident");
            self.settle(at, false); // the new one takes its place: incidents do not nest
        }
        let id = LocalId(self.fresh());
        let held = match self.wait_for(at, Wait::Nothing) {
            Wait::Nothing => None,
            held @ (Wait::Join
            | Wait::Job(_)
            | Wait::UserTask(_)
            | Wait::Trigger
            | Wait::Scope(_)
            | Wait::Called(_)
            | Wait::Incident(_)) => Some(Box::new(held)),
        };
        let Fault { kind, message } = fault;
        let element = self.element_id(at.node);
        self.events.push(Event::IncidentRaised {
            id,
            token: at.token,
            at: element.clone(),
            kind,
            message: message.clone(),
        });
        self.note_incident(id, at.token, element, kind, &message, (self.now, None), false);
        self.wait_for(at, Wait::Incident(Box::new(Incident { id, kind, message, at: self.now, held })));
    }

    /// Ends the incident of a token and gives back what it held. `deleted`: gone with its activity, not mended.
    pub(super) fn settle(&mut self, at: At, deleted: bool) {
        let wait = self.wait_for(at, Wait::Nothing);
        let Wait::Incident(incident) = wait else { unreachable!("checked: the token has an incident") };
        let Incident { id, kind, message, at: raised_at, held } = *incident;
        let element = self.element_id(at.node);
        self.events.push(Event::IncidentResolved { id, token: at.token, at: element.clone() });
        self.note_incident(id, at.token, element, kind, &message, (raised_at, Some(self.now)), deleted);
        if let Some(held) = held {
            self.wait_for(at, *held);
        }
    }

    pub(super) fn set_state(&mut self, state: InstanceState) {
        self.instance.head.state = state;
        self.touch(ROOT_SCOPE);
        match state {
            InstanceState::Suspended => self.events.push(Event::InstanceSuspended),
            InstanceState::Active => self.events.push(Event::InstanceResumed),
            InstanceState::Cancelling => {}
            InstanceState::Completed | InstanceState::Terminated | InstanceState::Cancelled => {
                self.instance.head.ended_at = Some(self.now);
                self.events.push(Event::InstanceEnded { state });
            }
        }
    }
}
