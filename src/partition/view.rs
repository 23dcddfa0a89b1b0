//! What a worker is told about a leased job: taken from the instance at the moment of the lease, so that no one reads it
//! again from the store.

use crate::base::id::{ElementId, TokenId};
use crate::base::variable::Variables;
use crate::engine::definition::ProcessDefinition;
use crate::engine::instance::{Instance, Wait};
use crate::engine::job::JobKind;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Clone, Debug)]
pub struct JobView {
    pub definition: Arc<ProcessDefinition>,
    pub element: ElementId,
    pub kind: JobKind,
    pub topic: String,
    pub lease_no: i64,
    /// Counted from one.
    pub attempt: u32,
    pub tenant: String,
    pub business_key: Option<String>,
    /// All variables the element sees, the nearest of each name.
    pub variables: Variables,
    /// The element has output parameters: results are local variables then.
    pub maps_outputs: bool,
    pub properties: BTreeMap<String, String>,
}

impl PartialEq for JobView {
    fn eq(&self, other: &Self) -> bool {
        (self.definition.id, &self.element, self.lease_no, &self.variables)
            == (other.definition.id, &other.element, other.lease_no, &other.variables)
    }
}

/// The job that a token waits for; none if it waits for something else.
pub fn job_view(instance: &Instance, token: TokenId) -> Option<JobView> {
    let (_, waiting) = instance.find(token)?;
    let Wait::Job(job) = &waiting.wait else { return None };
    let node = instance.definition.process.node(waiting.at);
    Some(JobView {
        definition: Arc::clone(&instance.definition),
        element: node.id.clone(),
        kind: job.kind,
        topic: job.topic.clone(),
        lease_no: job.lease_no,
        attempt: job.failures + 1,
        tenant: instance.head.tenant.clone(),
        business_key: instance.head.business_key.clone(),
        variables: visible(instance, token),
        maps_outputs: !node.mappings.outputs.is_empty(),
        properties: node.properties.clone(),
    })
}

/// All variables a token sees, the nearest of each name.
pub fn visible(instance: &Instance, token: TokenId) -> Variables {
    let mut seen = Variables::new();
    let mut current = instance.find(token).map(|(scope, token)| token.own.unwrap_or(scope));
    while let Some(scope) = current.and_then(|id| instance.scopes.get(&id)) {
        for (name, value) in &scope.variables {
            seen.entry(name.clone()).or_insert_with(|| value.clone());
        }
        current = scope.parent;
    }
    seen
}
