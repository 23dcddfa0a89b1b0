//! Deployments: numbers and versions are given here, all or nothing; the newest version's start events replace older ones.

use super::batch::{Abandon, Batch};
use super::transaction::{DefinitionKind, DefinitionRow, DeploymentRow, ResourceRow, StartKey, StartRow};
use super::{Bundle, Notice, Reply};
use crate::base::id::{DefinitionId, DeploymentId, ElementId};
use crate::base::planted;
use crate::base::time::{Cycle, Timestamp, first_due, next_due};
use crate::base::variable::Variables;
use crate::engine::command::Rejection;
use crate::engine::definition::{Process, ProcessDefinition, StartKind, StartTrigger};
use crate::engine::expression::{Plain, as_text};
use std::sync::Arc;

impl Batch<'_> {
    /// Duplicates are the caller's to find: what comes here becomes a deployment.
    pub(super) fn deploy(&mut self, bundle: &Bundle) -> Result<Reply, Rejection> {
        let starts = match evaluate_starts(bundle, self.now) {
            Ok(starts) => starts,
            Err(why) => {
                if planted::is("rejected-deployment-writes") {
                    let row = self.deployment_row(bundle);
                    self.tx.deployments.push(row);
                    self.record_plain("deploy");
                }
                return Err(why);
            }
        };
        let deployment = self.deployment_row(bundle);
        for (name, bytes) in &bundle.files {
            let id = self.new_id().0;
            let row = ResourceRow { deployment: deployment.id, id, name: name.clone(), bytes: Arc::clone(bytes) };
            self.tx.resources.push(row);
        }
        self.keep_catalog();
        let mut definitions = Vec::new();
        for ((resource, process), starts) in bundle.processes.iter().zip(starts) {
            definitions.push(self.deploy_process(&deployment, resource, process, starts));
        }
        for decision in &bundle.decisions {
            let row = DefinitionRow {
                version_tag: decision.version_tag.clone(),
                name: decision.name.clone(),
                startable: false,
                history_ttl_days: decision.history_ttl_days,
                ..self.definition_row(decision.kind, &deployment, &decision.resource, &decision.key)
            };
            self.catalog().add(row.clone());
            definitions.push(row);
        }
        self.tx.definitions.extend(definitions.iter().cloned());
        self.tx.deployments.push(deployment.clone());
        self.tell_catalog();
        self.record_plain("deploy");
        self.notices.push(Notice::Deployed { deployment: deployment.id });
        Ok(Reply::Deployed { deployment, definitions })
    }

    fn deployment_row(&mut self, bundle: &Bundle) -> DeploymentRow {
        DeploymentRow {
            id: DeploymentId(self.new_id().0),
            tenant: bundle.tenant.clone(),
            name: bundle.name.clone(),
            source: bundle.source.clone(),
            at: self.now,
        }
    }

    fn deploy_process(
        &mut self,
        deployment: &DeploymentRow,
        resource: &str,
        process: &Arc<Process>,
        starts: Vec<Start>,
    ) -> DefinitionRow {
        let former = self.catalog().latest(DefinitionKind::Process, &deployment.tenant, &process.id);
        let row = DefinitionRow {
            version_tag: process.version_tag.clone(),
            name: process.name.clone(),
            startable: process.startable_in_tasklist,
            history_ttl_days: process.history_ttl_days,
            documentation: process.documentation.clone(),
            ..self.definition_row(DefinitionKind::Process, deployment, resource, &process.id)
        };
        if let Some(former) = former {
            self.disarm_starts(former);
        }
        self.arm_starts(&row, starts);
        self.catalog().add(row.clone());
        self.learn(Arc::new(ProcessDefinition {
            id: row.id,
            tenant: row.tenant.clone(),
            key: row.key.clone(),
            version: row.version,
            deployment: row.deployment,
            resource: row.resource.clone(),
            process: Arc::clone(process),
        }));
        row
    }

    fn definition_row(
        &mut self,
        kind: DefinitionKind,
        deployment: &DeploymentRow,
        resource: &str,
        key: &str,
    ) -> DefinitionRow {
        DefinitionRow {
            id: DefinitionId(self.new_id().0),
            kind,
            deployment: deployment.id,
            tenant: deployment.tenant.clone(),
            key: key.to_owned(),
            version: self.catalog().next_version(kind, &deployment.tenant, key),
            version_tag: None,
            name: None,
            resource: resource.to_owned(),
            suspended: false,
            startable: true,
            history_ttl_days: None,
            documentation: None,
        }
    }

    fn disarm_starts(&mut self, definition: DefinitionId) {
        for key in self.catalog().starts_of(definition) {
            self.catalog().disarm(&key);
            self.drop_start(key);
        }
    }

    fn arm_starts(&mut self, row: &DefinitionRow, starts: Vec<Start>) {
        for start in starts {
            let start = StartRow {
                key: StartKey { definition: row.id, element: start.element, part: start.part },
                process: row.key.clone(),
                tenant: row.tenant.clone(),
                message: start.message,
                signal: start.signal,
                due: start.due,
                cycle: start.cycle,
            };
            self.catalog().arm(start.clone());
            self.put_start(start);
        }
    }

    /// Running instances are the caller's to end before. The version before the deleted one is the latest again, and its
    /// start events wait again.
    pub(super) fn delete_deployment(&mut self, deployment: DeploymentId) -> Result<Result<Reply, Rejection>, Abandon> {
        let doomed: Vec<DefinitionRow> = self.catalog().of_deployment(deployment).cloned().collect();
        self.keep_catalog();
        for row in &doomed {
            self.disarm_starts(row.id);
            self.catalog().remove(row.id);
            self.forget(row.id);
        }
        for row in doomed.iter().filter(|row| row.kind == DefinitionKind::Process) {
            let Some(latest) = self.catalog().latest(row.kind, &row.tenant, &row.key) else {
                continue;
            };
            let newest = self.catalog().row(latest).cloned().expect("the latest is there");
            if newest.version > row.version {
                continue;
            }
            if let Some(definition) = self.definition(latest)? {
                let starts = starts_of(&definition.process, self.now).unwrap_or_default();
                self.arm_starts(&newest, starts);
            }
        }
        self.tx.deployments_gone.push(deployment);
        self.tell_catalog();
        self.record_plain("delete-deployment");
        Ok(Ok(Reply::Done(Default::default())))
    }

    /// The start timer after it has fired: its next time, or gone.
    pub(super) fn rearm_start(&mut self, start: StartRow) {
        self.keep_catalog();
        let cycle: Option<Cycle> = start.cycle.as_deref().and_then(|text| serde_json::from_str(text).ok());
        let next = cycle.and_then(|cycle| next_due(&cycle, self.now, false).ok().flatten());
        match next {
            Some((due, cycle)) => {
                let start = StartRow { due: Some(due), cycle: Some(to_json(&cycle)), ..start };
                self.catalog().arm(start.clone());
                self.put_start(start);
            }
            None => {
                self.catalog().disarm(&start.key);
                self.drop_start(start.key);
            }
        }
    }
}

/// What a start event waits for, evaluated.
#[derive(Debug)]
struct Start {
    element: ElementId,
    part: u32,
    message: Option<String>,
    signal: Option<String>,
    due: Option<Timestamp>,
    cycle: Option<String>,
}

/// Before anything is changed, so that a deployment is all or nothing.
fn evaluate_starts(bundle: &Bundle, now: Timestamp) -> Result<Vec<Vec<Start>>, Rejection> {
    bundle.processes.iter().map(|(_, process)| starts_of(process, now)).collect()
}

fn starts_of(process: &Process, now: Timestamp) -> Result<Vec<Start>, Rejection> {
    process.start_triggers.iter().map(|trigger| evaluate(trigger, now)).collect()
}

fn evaluate(trigger: &StartTrigger, now: Timestamp) -> Result<Start, Rejection> {
    let (element, part) = (trigger.element.clone(), trigger.part);
    let wrong = |why: String| Rejection::InvalidInput(format!("start event {element}: {why}"));
    let mut plain = Plain { variables: &Variables::new(), definition: None, now, token: None };
    match &trigger.kind {
        StartKind::Message(name) => {
            let name = name.evaluate(&mut plain).map_err(|error| wrong(error.to_string()))?;
            let message = as_text(name).ok_or_else(|| wrong("the message's name is null".into()))?;
            Ok(Start { element, part, message: Some(message), signal: None, due: None, cycle: None })
        }
        StartKind::Signal(name) => {
            let name = name.evaluate(&mut plain).map_err(|error| wrong(error.to_string()))?;
            let signal = as_text(name).ok_or_else(|| wrong("the signal's name is null".into()))?;
            Ok(Start { element, part, message: None, signal: Some(signal), due: None, cycle: None })
        }
        // Its row names nothing: it is asked when data is told.
        StartKind::Condition => Ok(Start { element, part, message: None, signal: None, due: None, cycle: None }),
        StartKind::Timer { kind, text } => {
            let text = text.evaluate(&mut plain).map_err(|error| wrong(error.to_string()))?;
            let text = as_text(text).unwrap_or_default();
            let (due, cycle) =
                first_due(*kind, &text, now).map_err(|error| wrong(format!("timer {text:?}: {error}")))?;
            Ok(Start { element, part, message: None, signal: None, due: Some(due), cycle: cycle.as_ref().map(to_json) })
        }
    }
}

fn to_json(cycle: &Cycle) -> String {
    serde_json::to_string(cycle).expect("a cycle is plain data")
}
