//! What is deployed: definitions by id, versions by key, and the start events that wait. All of it in memory, since it is
//! as small as the models are few.

use super::Which;
use super::transaction::{DefinitionKind, DefinitionRow, StartKey, StartRow};
use crate::base::access::NO_TENANT;
use crate::base::id::{DefinitionId, DeploymentId};
use crate::base::time::Timestamp;
use crate::engine::command::Rejection;
use crate::engine::compile::{self, Resources};
use crate::engine::definition::{Process, ProcessDefinition};
use crate::engine::job::Binding;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Tenant, key, version: looked up without making a text.
type Versions = BTreeMap<String, BTreeMap<String, BTreeMap<u32, DefinitionId>>>;

#[derive(Clone, Debug, Default)]
pub(super) struct Catalog {
    rows: BTreeMap<DefinitionId, DefinitionRow>,
    processes: Versions,
    decisions: Versions,
    requirements: Versions,
    starts: BTreeMap<StartKey, StartRow>,
}

impl Catalog {
    pub(super) fn new(definitions: Vec<DefinitionRow>, starts: Vec<StartRow>) -> Self {
        let mut catalog = Self::default();
        for row in definitions {
            catalog.add(row);
        }
        for start in starts {
            catalog.arm(start);
        }
        catalog
    }

    pub(super) fn row(&self, id: DefinitionId) -> Option<&DefinitionRow> {
        self.rows.get(&id)
    }

    pub(super) fn of_deployment(&self, deployment: DeploymentId) -> impl Iterator<Item = &DefinitionRow> {
        self.rows.values().filter(move |row| row.deployment == deployment)
    }

    pub(super) fn add(&mut self, row: DefinitionRow) {
        let keys = self.versions_mut(row.kind).entry(row.tenant.clone()).or_default();
        keys.entry(row.key.clone()).or_default().insert(row.version, row.id);
        self.rows.insert(row.id, row);
    }

    pub(super) fn remove(&mut self, id: DefinitionId) {
        let Some(row) = self.rows.remove(&id) else {
            return;
        };
        if let Some(versions) = self.versions_mut(row.kind).get_mut(&row.tenant).and_then(|keys| keys.get_mut(&row.key))
        {
            versions.remove(&row.version);
        }
    }

    pub(super) fn set_suspended(&mut self, id: DefinitionId, suspended: bool) -> Option<DefinitionRow> {
        let row = self.rows.get_mut(&id)?;
        row.suspended = suspended;
        Some(row.clone())
    }

    pub(super) fn next_version(&self, kind: DefinitionKind, tenant: &str, key: &str) -> u32 {
        let last = self.versions(kind, tenant, key).and_then(|versions| versions.last_key_value());
        last.map_or(1, |(version, _)| version + 1)
    }

    pub(super) fn latest(&self, kind: DefinitionKind, tenant: &str, key: &str) -> Option<DefinitionId> {
        self.versions(kind, tenant, key)?.last_key_value().map(|(_, id)| *id)
    }

    /// The process that is meant.
    pub(super) fn resolve(&self, which: &Which) -> Result<DefinitionId, Rejection> {
        match which {
            Which::Id(id) => match self.rows.get(id) {
                Some(row) if row.kind == DefinitionKind::Process => Ok(*id),
                Some(_) | None => Err(Rejection::DefinitionNotFound(id.to_string())),
            },
            Which::Key { key, tenant, binding, deployment } => self
                .bound(key, tenant, binding, *deployment)
                .ok_or_else(|| Rejection::DefinitionNotFound(describe(key, tenant, binding))),
        }
    }

    /// The process that a call activity of this tenant names: its own, else one that belongs to no tenant.
    pub(super) fn called(
        &self,
        key: &str,
        tenant: &str,
        named: Option<&str>,
        binding: &Binding,
        deployment: DeploymentId,
    ) -> Result<DefinitionId, Rejection> {
        let deployment = Some(deployment);
        let found = match named {
            Some(named) => self.bound(key, named, binding, deployment),
            None => {
                self.bound(key, tenant, binding, deployment).or_else(|| self.bound(key, NO_TENANT, binding, deployment))
            }
        };
        found.ok_or_else(|| Rejection::DefinitionNotFound(describe(key, named.unwrap_or(tenant), binding)))
    }

    fn bound(
        &self,
        key: &str,
        tenant: &str,
        binding: &Binding,
        deployment: Option<DeploymentId>,
    ) -> Option<DefinitionId> {
        let versions = self.versions(DefinitionKind::Process, tenant, key)?;
        let newest_with = |wanted: &dyn Fn(&DefinitionRow) -> bool| {
            versions.values().rev().copied().find(|id| self.rows.get(id).is_some_and(wanted))
        };
        match binding {
            Binding::Latest => versions.last_key_value().map(|(_, id)| *id),
            Binding::Version(version) => versions.get(version).copied(),
            Binding::VersionTag(tag) => newest_with(&|row| row.version_tag.as_ref() == Some(tag)),
            Binding::Deployment => newest_with(&|row| Some(row.deployment) == deployment),
        }
    }

    pub(super) fn arm(&mut self, start: StartRow) {
        self.starts.insert(start.key.clone(), start);
    }

    pub(super) fn disarm(&mut self, key: &StartKey) {
        self.starts.remove(key);
    }

    pub(super) fn start(&self, key: &StartKey) -> Option<&StartRow> {
        self.starts.get(key)
    }

    pub(super) fn starts_of(&self, definition: DefinitionId) -> Vec<StartKey> {
        self.starts.keys().filter(|key| key.definition == definition).cloned().collect()
    }

    /// The start timers that may fire.
    pub(super) fn start_timers(&self) -> impl Iterator<Item = (Timestamp, StartKey)> {
        let active = |start: &&StartRow| self.rows.get(&start.key.definition).is_some_and(|row| !row.suspended);
        self.starts.values().filter(active).filter_map(|start| start.due.map(|due| (due, start.key.clone())))
    }

    fn versions(&self, kind: DefinitionKind, tenant: &str, key: &str) -> Option<&BTreeMap<u32, DefinitionId>> {
        let all = match kind {
            DefinitionKind::Process => &self.processes,
            DefinitionKind::Decision => &self.decisions,
            DefinitionKind::Requirements => &self.requirements,
        };
        all.get(tenant)?.get(key)
    }

    fn versions_mut(&mut self, kind: DefinitionKind) -> &mut Versions {
        match kind {
            DefinitionKind::Process => &mut self.processes,
            DefinitionKind::Decision => &mut self.decisions,
            DefinitionKind::Requirements => &mut self.requirements,
        }
    }
}

fn describe(key: &str, tenant: &str, binding: &Binding) -> String {
    let which = match binding {
        Binding::Latest => String::new(),
        Binding::Version(version) => format!(", version {version}"),
        Binding::VersionTag(tag) => format!(", version tag {tag}"),
        Binding::Deployment => ", in the same deployment".into(),
    };
    let tenant = if tenant == NO_TENANT { String::new() } else { format!(" of tenant {tenant}") };
    format!("with key {key}{which}{tenant}")
}

/// A stored definition as the engine runs it: its deployed bytes, compiled again with the other files of its deployment.
/// `None` if the file cannot be compiled, or no longer holds it.
pub fn compiled(row: &DefinitionRow, bytes: &[u8], files: Resources<'_>) -> Option<Arc<ProcessDefinition>> {
    let compiled = compile::compile(bytes, files).ok()?;
    let process = compiled.processes.into_iter().find(|process| *process.id == *row.key)?;
    Some(deployed(row, process))
}

/// A compiled process as the version that the row makes of it.
pub fn deployed(row: &DefinitionRow, process: Arc<Process>) -> Arc<ProcessDefinition> {
    Arc::new(ProcessDefinition {
        id: row.id,
        tenant: row.tenant.clone(),
        key: row.key.clone(),
        version: row.version,
        deployment: row.deployment,
        resource: row.resource.clone(),
        process,
    })
}
