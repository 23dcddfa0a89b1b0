//! What an expression or script of an element sees: the variables from its token outwards, and facts of the instance.

use crate::base::id::{ScopeId, TokenId};
use crate::base::time::Timestamp;
use crate::base::variable::{Variable, Variables};
use crate::engine::definition::ProcessDefinition;
use crate::engine::elements::user_task;
use crate::engine::incident::Fault;
use crate::engine::instance::Wait;
use crate::engine::listener::Heard;
use crate::engine::step::{At, Step};
use crate::script::task::{Script, ScriptError};
use crate::script::{Budget, Compiled, EvaluationError, Fact, Surroundings, TaskEdit};
use serde_json::Value;
use std::collections::BTreeSet;

/// The view from one scope; changes go through the step, so they are recorded.
struct View<'v, 'a> {
    step: &'v mut Step<'a>,
    scope: ScopeId,
    token: Option<At>,
    /// Beside the variables, under names of their own.
    known: &'v [(&'v str, Value)],
    heard: Option<Heard>,
}

impl<'v, 'a> View<'v, 'a> {
    fn new(step: &'v mut Step<'a>, scope: ScopeId, token: Option<At>) -> Self {
        Self { step, scope, token, known: &[], heard: None }
    }
}

impl Surroundings for View<'_, '_> {
    fn variable(&self, name: &str) -> Option<Value> {
        if let Some((_, value)) = self.known.iter().find(|(known, _)| *known == name) {
            return Some(value.clone());
        }
        self.step.look_up(self.scope, name).map(|(_, variable)| variable.value.clone())
    }

    fn set_variable(&mut self, name: &str, value: Value) {
        self.step.set_outward(self.scope, name, Variable { value, tag: None });
    }

    fn names(&self) -> Vec<String> {
        let mut names: BTreeSet<String> = self.known.iter().map(|(name, _)| (*name).to_owned()).collect();
        let mut current = Some(self.scope);
        while let Some(id) = current {
            let scope = self.step.scope(id);
            names.extend(scope.variables.keys().cloned());
            current = scope.parent;
        }
        names.into_iter().collect()
    }

    fn now(&self) -> Timestamp {
        self.step.now
    }

    fn fact(&self, fact: Fact) -> Option<String> {
        let definition = &self.step.instance.definition;
        let node = self.token.map(|at| self.step.process.node(at.node));
        match fact {
            Fact::ActivityId => node.map(|node| node.id.to_string()),
            Fact::ActivityName => node.and_then(|node| node.name.clone()),
            Fact::ExecutionId => Some(match self.token {
                Some(at) => format!("{}:{}", self.step.head().id, at.token),
                None => self.step.head().id.to_string(),
            }),
            Fact::TaskId => self
                .token
                .filter(|at| self.step.process.node(at.node).kind == "userTask")
                .map(|at| format!("{}:{}", self.step.head().id, at.token)),
            Fact::Assignee => self.token.and_then(|at| match &self.step.token(at).wait {
                Wait::UserTask(task) => task.assignee.clone(),
                Wait::Nothing
                | Wait::Join
                | Wait::Job(_)
                | Wait::Trigger
                | Wait::Scope(_)
                | Wait::Called(_)
                | Wait::Incident(_) => None,
            }),
            Fact::InstanceId => Some(self.step.head().id.to_string()),
            Fact::BusinessKey => self.step.head().business_key.clone(),
            Fact::TenantId => Some(self.step.head().tenant.clone()).filter(|tenant| !tenant.is_empty()),
            Fact::DefinitionId => Some(definition.wire_id()),
            Fact::User => self.step.user.clone(),
            Fact::EventName => self.heard.map(|heard| heard.moment.name().to_owned()),
            Fact::TransitionId => {
                self.heard.and_then(|heard| heard.flow).map(|flow| self.step.process.flow(flow).id.to_string())
            }
            Fact::Groups => None,
        }
    }

    fn may_edit_task(&self) -> bool {
        self.token.is_some_and(|at| matches!(self.step.token(at).wait, Wait::UserTask(_)))
    }

    fn edit_task(&mut self, edit: TaskEdit) {
        if let Some(at) = self.token {
            user_task::edit(self.step, at, edit);
        }
    }
}

impl Step<'_> {
    /// The value of an expression as seen by a token's activity.
    pub(crate) fn value(&mut self, at: At, expression: &Compiled) -> Result<Value, Fault> {
        let scope = self.variable_scope(at);
        self.value_from(scope, Some(at), expression)
    }

    pub(crate) fn value_from(
        &mut self,
        scope: ScopeId,
        token: Option<At>,
        expression: &Compiled,
    ) -> Result<Value, Fault> {
        expression
            .evaluate(&mut View::new(self, scope, token))
            .map_err(|e| Fault::expression(format!("{}: {e}", expression.source())))
    }

    /// What a listener's expression gives.
    pub(super) fn heard_value(
        &mut self,
        scope: ScopeId,
        token: Option<At>,
        expression: &Compiled,
        heard: Heard,
    ) -> Result<Value, Fault> {
        expression
            .evaluate(&mut View { heard: Some(heard), ..View::new(self, scope, token) })
            .map_err(|e| Fault::expression(format!("{}: {e}", expression.source())))
    }

    /// Runs a listener's script within the inline budget.
    pub(super) fn heard_script(
        &mut self,
        scope: ScopeId,
        token: Option<At>,
        script: &Script,
        heard: Heard,
    ) -> Result<Value, ScriptError> {
        script.run(Budget::Inline, &mut View { heard: Some(heard), ..View::new(self, scope, token) })
    }

    /// The value as text: null gives none, numbers and booleans their words.
    pub(crate) fn text(&mut self, at: At, expression: &Compiled) -> Result<Option<String>, Fault> {
        if let Some(text) = expression.is_literal() {
            return Ok(Some(text.to_owned()));
        }
        Ok(as_text(self.value(at, expression)?))
    }

    pub(crate) fn holds(&mut self, at: At, condition: &Compiled) -> Result<bool, Fault> {
        let scope = self.variable_scope(at);
        self.holds_from(scope, at, condition)
    }

    pub(crate) fn holds_from(&mut self, scope: ScopeId, at: At, condition: &Compiled) -> Result<bool, Fault> {
        condition
            .condition(&mut View::new(self, scope, Some(at)))
            .map_err(|e| Fault::expression(format!("{}: {e}", condition.source())))
    }

    /// A condition that sees facts of its element beside the variables.
    pub(crate) fn holds_knowing(
        &mut self,
        at: At,
        condition: &Compiled,
        known: &[(&str, Value)],
    ) -> Result<bool, Fault> {
        let scope = self.variable_scope(at);
        condition
            .condition(&mut View { known, ..View::new(self, scope, Some(at)) })
            .map_err(|e| Fault::expression(format!("{}: {e}", condition.source())))
    }

    /// A conditional event's condition: what is not there yet cannot make it true.
    pub(crate) fn has_come(&mut self, scope: ScopeId, token: Option<At>, condition: &Compiled) -> Result<bool, Fault> {
        match condition.condition(&mut View::new(self, scope, token)) {
            Err(EvaluationError::UnknownVariable(_)) => Ok(false),
            result => result.map_err(|e| Fault::expression(format!("{}: {e}", condition.source()))),
        }
    }

    /// Runs a script within its inline budget.
    pub(crate) fn run_script(&mut self, at: At, script: &Script) -> Result<Value, ScriptError> {
        let scope = self.variable_scope(at);
        script.run(Budget::Inline, &mut View::new(self, scope, Some(at)))
    }
}

pub(crate) fn as_text(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => Some(other.to_string()),
    }
}

/// For expressions evaluated over plain variables, outside any instance's scopes: start events at deployment, the data of a
/// called process.
pub struct Plain<'a> {
    pub variables: &'a Variables,
    pub definition: Option<&'a ProcessDefinition>,
    pub now: Timestamp,
    pub token: Option<TokenId>,
}

impl Surroundings for Plain<'_> {
    fn variable(&self, name: &str) -> Option<Value> {
        self.variables.get(name).map(|variable| variable.value.clone())
    }

    fn set_variable(&mut self, _name: &str, _value: Value) {}

    fn names(&self) -> Vec<String> {
        self.variables.keys().cloned().collect()
    }

    fn now(&self) -> Timestamp {
        self.now
    }

    fn fact(&self, fact: Fact) -> Option<String> {
        match fact {
            Fact::DefinitionId => self.definition.map(ProcessDefinition::wire_id),
            Fact::ActivityId
            | Fact::ExecutionId
            | Fact::ActivityName
            | Fact::TaskId
            | Fact::Assignee
            | Fact::InstanceId
            | Fact::BusinessKey
            | Fact::TenantId
            | Fact::User
            | Fact::EventName
            | Fact::TransitionId
            | Fact::Groups => None,
        }
    }
}
