//! What a case has seen since it began, read off the records of every commit: counts, order, variables, states.

use crate::base::id::{ElementId, InstanceId, ROOT_SCOPE, ScopeId, TokenId};
use crate::base::variable::Variable;
use crate::engine::definition::ProcessDefinition;
use crate::engine::event::Event;
use crate::engine::instance::{InstanceState, ScopeKind};
use crate::partition::transaction::Record;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[derive(Debug, Default)]
pub struct Observed {
    pub entered: Vec<ElementId>,
    pub completed: BTreeMap<ElementId, usize>,
    pub cancelled: BTreeMap<ElementId, usize>,
    pub flows: BTreeMap<ElementId, usize>,
    pub instances: BTreeMap<String, usize>,
    /// Root instances in the order of their start.
    pub roots: Vec<InstanceId>,
    pub states: BTreeMap<InstanceId, InstanceState>,
    /// Variables of each instance's root scope, kept beyond its end.
    pub variables: BTreeMap<InstanceId, BTreeMap<String, Variable>>,
    pub log: Vec<String>,
    kinds: BTreeMap<(InstanceId, ScopeId), ScopeKind>,
    /// Bodies of multi-instance activities are not counted.
    bodies: BTreeSet<(InstanceId, TokenId)>,
}

impl Observed {
    pub fn take(&mut self, record: &Record, definition: impl Fn(InstanceId) -> Option<Arc<ProcessDefinition>>) {
        let Some(instance) = record.instance else { return };
        let mut known = None;
        for event in &record.events {
            self.log.push(format!("{instance} {} {}", record.cause, serde_json::to_string(event).unwrap_or_default()));
            match event {
                Event::InstanceCreated { caller, .. } => {
                    known = definition(instance);
                    if let Some(known) = &known {
                        *self.instances.entry(known.key.clone()).or_default() += 1;
                    }
                    if caller.is_none() {
                        self.roots.push(instance);
                    }
                    self.states.insert(instance, InstanceState::Active);
                }
                Event::ScopeOpened { scope, kind, .. } => {
                    self.kinds.insert((instance, *scope), *kind);
                }
                Event::TokenEntered { token, scope, at, .. } => {
                    if known.is_none() {
                        known = definition(instance);
                    }
                    let loops = known.as_ref().is_some_and(|definition| {
                        let process = &definition.process;
                        process.find(at).is_some_and(|node| process.node(node).looping.is_some())
                    });
                    if loops && self.kinds.get(&(instance, *scope)) != Some(&ScopeKind::Inner) {
                        self.bodies.insert((instance, *token));
                    } else {
                        self.entered.push(at.clone());
                    }
                }
                Event::TokenLeft { token, at } if !self.bodies.contains(&(instance, *token)) => {
                    *self.completed.entry(at.clone()).or_default() += 1;
                }
                Event::TokenCancelled { token, at } if !self.bodies.contains(&(instance, *token)) => {
                    *self.cancelled.entry(at.clone()).or_default() += 1;
                }
                Event::FlowTaken { flow } => *self.flows.entry(flow.clone()).or_default() += 1,
                Event::VariableSet { scope: ROOT_SCOPE, name, value } => {
                    self.variables.entry(instance).or_default().insert(name.clone(), value.clone());
                }
                Event::VariableRemoved { scope: ROOT_SCOPE, name } => {
                    self.variables.entry(instance).or_default().remove(name);
                }
                Event::InstanceEnded { state } => {
                    self.states.insert(instance, *state);
                }
                _not_counted => {}
            }
        }
    }
}
