//! What elements may do with a step beside deciding: the verbs that their files use.

use crate::base::id::{InstanceId, ScopeId, TokenId};
use crate::base::time::Timestamp;
use crate::base::variable::Variable;
use crate::engine::command::Effect;
use crate::engine::definition::{FlowIx, NodeIx, Process};
use crate::engine::event::Event;
use crate::engine::gather;
use crate::engine::incident::Fault;
use crate::engine::instance::{Subscription, Trigger, UserTask, Wait};
use crate::engine::lifecycle::Work;
use crate::engine::step::{At, Step};
use crate::script::Compiled;
use serde_json::Value;
use std::sync::Arc;

impl Step<'_> {
    pub(crate) fn process(&self) -> &Arc<Process> {
        &self.process
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// The priority of the external task that an element opens.
    pub(crate) fn task_priority(&mut self, at: At) -> Result<i64, Fault> {
        let process = Arc::clone(&self.process);
        process.node(at.node).task_priority.as_ref().map_or(Ok(0), |priority| self.whole_number(at, priority))
    }

    /// The priority of any other job of an element. One that cannot be evaluated is 0, as in Camunda 7: order is not worth
    /// an incident.
    pub(crate) fn job_priority(&mut self, at: At) -> i64 {
        let process = Arc::clone(&self.process);
        let priority = process.node(at.node).job_priority.as_ref();
        priority.and_then(|priority| self.whole_number(at, priority).ok()).unwrap_or(0)
    }

    pub(crate) fn whole_number(&mut self, at: At, expression: &Compiled) -> Result<i64, Fault> {
        let value = self.value(at, expression)?;
        let number = match &value {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.trim().parse().ok(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        number.ok_or_else(|| {
            Fault::expression(format!("{}: a whole number is needed, this is {value}", expression.source()))
        })
    }

    /// A result under its name: outwards from the activity.
    pub(crate) fn set_result(&mut self, at: At, name: &str, value: Variable) {
        let scope = self.variable_scope(at);
        self.set_outward(scope, name, value);
    }

    /// A variable of this activation.
    pub(crate) fn set_own(&mut self, at: At, name: &str, value: Value) {
        let own = self.own_scope(at);
        self.set_variable(own, name, value.into());
    }

    pub(crate) fn publish(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// Arms an event that another node catches, for the token that waits.
    pub(crate) fn arm_for(&mut self, at: At, catches: NodeIx, trigger: Trigger) {
        let since = self.now;
        self.arm(at.scope, Subscription { owner: at.token, catches, trigger, interrupting: true, since });
    }

    /// How deep the scope of a token lies.
    pub(crate) fn depth(&self, at: At) -> u32 {
        let (mut depth, mut current) = (0, self.scope(at.scope).parent);
        while let Some(scope) = current {
            depth += 1;
            current = self.scope(scope).parent;
        }
        depth
    }

    pub(crate) fn scope_may_be_done(&mut self, scope: ScopeId) {
        self.agenda.push(Work::ScopeDone(scope));
    }

    pub(crate) fn new_instance(&mut self) -> InstanceId {
        (self.new_id)()
    }

    pub(crate) fn record_call(&mut self, token: TokenId, called: InstanceId, process: &str) {
        self.events.push(Event::Called { token, called, process: process.to_owned() });
    }

    pub(crate) fn task(&self, at: At) -> &UserTask {
        match &self.token(at).wait {
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

    pub(crate) fn task_of(&mut self, at: At) -> &mut UserTask {
        self.task_mut(at)
    }

    pub(crate) fn task_changed(&mut self, at: At, what: &str, value: Option<String>) {
        self.user_task_changed(at, what, value);
    }

    /// Tokens that wait for others at `at`'s node.
    pub(crate) fn waiting_at(&self, at: At) -> impl Iterator<Item = TokenId> {
        self.instance.places.waiting(at.scope, at.node).map(|(_, token)| token)
    }

    /// Whether a join waits for more, with these flows full beside those on which tokens wait.
    pub(crate) fn awaits(&mut self, at: At, had: &[FlowIx]) -> bool {
        gather::awaits(self, at, |places, flow| {
            had.contains(&flow) || places.waiting_on(at.scope, at.node, flow).next().is_some()
        })
    }

    /// As many waiting tokens as the join has flows, whatever flow they came by. Only the planted bug asks.
    pub(crate) fn any_parked(&self, at: At) -> Option<Vec<TokenId>> {
        let wanted = self.process.node(at.node).incoming.len();
        let parked: Vec<TokenId> = self
            .scope(at.scope)
            .tokens
            .iter()
            .filter(|(_, t)| t.at == at.node)
            .map(|(id, _)| *id)
            .take(wanted)
            .collect();
        (parked.len() == wanted).then_some(parked)
    }
}
