//! `/process-instance/{id}/modification`, `/modification/execute`: tokens moved by hand.

use super::instance::{self, Instances};
use super::{Words, listing};
use crate::api::auth::permission::Permission;
use crate::api::batch::Deed;
use crate::api::call::Call;
use crate::api::error::{Answer, ApiError};
use crate::api::json::{Json, Object, no_content};
use crate::api::params::Filters;
use crate::api::value;
use crate::api::wire::{self, Execution};
use crate::base::id::{InstanceId, TokenId};
use crate::base::variable::Variables;
use crate::engine::command::{Command, Doomed, Instruction, Placing};
use axum::extract::Path;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;

/// The body of a multi-instance activity has the activity's id and this.
const BODY: &str = "#multiInstanceBody";

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct Modification {
    instructions: Option<Vec<Told>>,
    skip_custom_listeners: Option<bool>,
    skip_io_mappings: Option<bool>,
    process_instance_ids: Option<Vec<String>>,
    process_instance_query: Option<Object>,
    process_definition_id: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    #[serde(rename = "type")]
    kind: Option<String>,
    activity_id: Option<String>,
    transition_id: Option<String>,
    activity_instance_id: Option<String>,
    transition_instance_id: Option<String>,
    ancestor_activity_instance_id: Option<String>,
    variables: Option<Value>,
}

/// Listeners and mappings always run here.
pub(super) fn nothing_skipped(listeners: Option<bool>, mappings: Option<bool>) -> Result<(), ApiError> {
    if listeners == Some(true) || mappings == Some(true) {
        let words = "Listeners and mappings always run here: leave skipCustomListeners and skipIoMappings out.";
        return Err(ApiError::invalid(words));
    }
    Ok(())
}

/// The token of an activity instance or a transition instance of this instance.
fn token_of(instance: InstanceId, id: &str) -> Result<TokenId, ApiError> {
    let found = wire::parse_activity(id).or_else(|| match Execution::parse(id) {
        Some(Execution::Token(instance, token)) => Some((instance, token)),
        _ => None,
    });
    let own = found.filter(|(of, _)| *of == instance).map(|(_, token)| token);
    own.ok_or_else(|| ApiError::invalid(format!("There is no activity instance {id} in process instance {instance}.")))
}

/// `{"value", "type", "local"}` by name: those for the place itself and those from there outwards.
fn variables(told: Option<&Value>) -> Result<(Variables, Variables), ApiError> {
    let mut all = value::read_all(told)?;
    let is_local = |name: &String| told.is_some_and(|told| told[name.as_str()]["local"] == true);
    let local: BTreeSet<String> = all.keys().filter(|name| is_local(name)).cloned().collect();
    let own = local.into_iter().filter_map(|name| all.remove_entry(&name)).collect();
    Ok((all, own))
}

impl Told {
    fn instruction(&self, instance: InstanceId) -> Result<Instruction, ApiError> {
        let kind = self.kind.as_deref().unwrap_or_default();
        let element = |id: &Option<String>, what: &str| {
            let id = id.as_deref().map(|id| id.strip_suffix(BODY).unwrap_or(id));
            id.map(Into::into)
                .ok_or_else(|| ApiError::invalid(format!("An instruction of type '{kind}' needs '{what}'.")))
        };
        let placing = match kind {
            "cancel" => return self.cancel(instance),
            "startBeforeActivity" => Placing::Before(element(&self.activity_id, "activityId")?),
            "startAfterActivity" => Placing::After(element(&self.activity_id, "activityId")?),
            "startTransition" => Placing::Flow(element(&self.transition_id, "transitionId")?),
            other => {
                let words = format!(
                    "There is no instruction of type '{other}': cancel, startBeforeActivity, startAfterActivity, startTransition."
                );
                return Err(ApiError::invalid(words));
            }
        };
        let ancestor = self.ancestor_activity_instance_id.as_deref().filter(|id| *id != instance.to_string());
        let within = ancestor.map(|id| token_of(instance, id)).transpose()?;
        let (variables, local) = variables(self.variables.as_ref())?;
        Ok(Instruction::Begin { placing, within, variables, local })
    }

    fn cancel(&self, instance: InstanceId) -> Result<Instruction, ApiError> {
        let doomed = match (&self.activity_id, &self.activity_instance_id, &self.transition_instance_id) {
            (Some(id), None, None) => Doomed::Element(id.strip_suffix(BODY).unwrap_or(id).into()),
            (None, Some(id), None) | (None, None, Some(id)) => Doomed::Token(token_of(instance, id)?),
            _ => {
                let words = "For instruction type 'cancel': exactly one, 'activityId', 'activityInstanceId', or \
                             'transitionInstanceId', is required.";
                return Err(ApiError::invalid(words));
            }
        };
        Ok(Instruction::Cancel(doomed))
    }
}

impl Modification {
    fn instructions(&self, instance: InstanceId) -> Result<Vec<Instruction>, ApiError> {
        nothing_skipped(self.skip_custom_listeners, self.skip_io_mappings)?;
        let told = self.instructions.as_deref().unwrap_or_default();
        told.iter().map(|told| told.instruction(instance)).collect()
    }

    /// The instances that its ids and its query name.
    async fn named(&mut self, call: &Call) -> Result<BTreeSet<InstanceId>, ApiError> {
        let mut found = BTreeSet::new();
        for id in self.process_instance_ids.take().iter().flatten() {
            found.insert(instance::find(call, id).await?);
        }
        if let Some(mut query) = self.process_instance_query.take() {
            if let Some(definition) = &self.process_definition_id {
                query.entry("processDefinitionId").or_insert_with(|| definition.as_str().into());
            }
            let rows = listing::rows::<Instances>(call, &Filters::Body(query)).await?;
            found.extend(rows.iter().map(|row| InstanceId(row.id)));
        }
        if found.is_empty() {
            return Err(ApiError::invalid("Process instance ids is empty"));
        }
        Ok(found)
    }

    /// What is wrong with the instructions for one of the instances is said at once.
    async fn later(self, call: &Call, instances: BTreeSet<InstanceId>) -> Answer {
        if self.instructions.as_ref().is_none_or(Vec::is_empty) {
            return Err(ApiError::invalid("A modification has at least one instruction."));
        }
        for instance in &instances {
            self.instructions(*instance)?;
        }
        let subjects = instances.iter().map(ToString::to_string).collect();
        let deed = Deed::Modify { modification: Box::new(self) };
        super::batch::begun(call, "instance-modification", Permission::BatchModify, &deed, subjects).await
    }

    pub(in crate::api) async fn perform(&self, call: &Call, instance: InstanceId) -> Result<(), ApiError> {
        let instructions = self.instructions(instance)?;
        let attempt = format!("Cannot modify process instance {instance}");
        let words = Words { kind: "RestException", attempt: &attempt };
        call.command(instance, Command::Modify { instructions }, words).await.map(|_| ())
    }
}

pub(super) async fn one(call: Call, Path(id): Path<String>, Json(body): Json<Modification>) -> Answer {
    let instance = instance::find(&call, &id).await?;
    body.perform(&call, instance).await?;
    no_content()
}

pub(super) async fn one_later(call: Call, Path(id): Path<String>, Json(body): Json<Modification>) -> Answer {
    let instance = instance::find(&call, &id).await?;
    body.later(&call, [instance].into()).await
}

/// As a batch.
pub(super) async fn several_later(call: Call, Json(mut body): Json<Modification>) -> Answer {
    let found = body.named(&call).await?;
    body.later(&call, found).await
}

/// Each instance by a command of its own: one that refuses stops the rest, and those before it are done.
pub(super) async fn several(call: Call, Json(mut body): Json<Modification>) -> Answer {
    let found = body.named(&call).await?;
    for instance in found {
        body.perform(&call.part(&instance.to_string()), instance).await?;
    }
    no_content()
}
