//! Forms of tasks and of starts: the key, the reference, and the deployed form itself.

use crate::api::call::Call;
use crate::api::error::{Answer, ApiError};
use crate::api::json::file;
use crate::base::id::DeploymentId;
use crate::engine::compile::Form;
use crate::engine::definition::{Process, ProcessDefinition};
use crate::engine::elements::Element;
use crate::store::queries::record::ContentRecord;
use crate::store::queries::select::{Condition, column};
use serde_json::{Value, json};

/// Forms named by a `formKey` of this deployment.
const DEPLOYED: [&str; 3] = ["camunda-forms:deployment:", "operaton-forms:deployment:", "embedded:deployment:"];

pub(super) fn of_element(process: &Process, element: &str) -> Option<Form> {
    match &process.node(process.find(element)?).element {
        Element::UserTaskElement(task) => task.form.clone(),
        Element::StartEvent(start) => start.form.clone(),
        _ => None,
    }
}

/// Of the start event without a trigger.
pub(super) fn of_start(process: &Process) -> Option<Form> {
    let starts = process.starts.get(&None)?;
    starts.iter().find_map(|start| match &process.node(*start).element {
        Element::StartEvent(event) if event.trigger.is_none() => event.form.clone(),
        _ => None,
    })
}

/// `formKey` and `camundaFormRef`.
pub(super) fn key_and_ref(form: Option<&Form>) -> (Option<String>, Option<Value>) {
    match form {
        None => (None, None),
        Some(Form::Key(key)) => (Some(key.clone()), None),
        Some(Form::Ref { id, binding, version }) => {
            (None, Some(json!({ "key": id, "binding": binding, "version": version })))
        }
    }
}

pub(super) fn shape(form: Option<&Form>) -> Value {
    let (key, reference) = key_and_ref(form);
    json!({ "key": key, "camundaFormRef": reference, "operatonFormRef": reference, "contextPath": null })
}

/// The form as it was deployed: beside the model by its file's name, by reference as the newest with this id.
pub(super) async fn deployed(call: &Call, definition: &ProcessDefinition, form: Option<&Form>) -> Answer {
    let absent = |what: &str| ApiError::absent(format!("The form with the resource name '{what}' cannot be found."));
    match form {
        None => Err(ApiError::refused("BadUserRequestException", "The element names no form.")),
        Some(Form::Key(key)) => {
            let name = DEPLOYED.iter().find_map(|prefix| key.strip_prefix(prefix)).ok_or_else(|| {
                ApiError::refused(
                    "BadUserRequestException",
                    format!("The form {key:?} does not lie in the deployment."),
                )
            })?;
            let found = call.one::<ContentRecord>(vec![in_deployment(definition.deployment), named(name)]).await?;
            answer(found.ok_or_else(|| absent(name))?)
        }
        Some(Form::Ref { id, binding, .. }) => {
            let suffix = Condition::Is(column::NAME, crate::store::queries::select::Test::Like, "%.form".into());
            let mut conditions = vec![suffix];
            if binding == "deployment" {
                conditions.push(in_deployment(definition.deployment));
            }
            let order = vec![(column::DEPLOYMENT, true)];
            let forms: Vec<ContentRecord> = call.list(conditions, order, crate::api::params::Page::default()).await?;
            let found = forms.into_iter().find(|form| form_id(&form.bytes).as_deref() == Some(id.as_str()));
            answer(found.ok_or_else(|| absent(id))?)
        }
    }
}

/// The id that a form gives itself.
pub(super) fn form_id(bytes: &[u8]) -> Option<String> {
    let form: Value = serde_json::from_slice(bytes).ok()?;
    form.get("id")?.as_str().map(str::to_owned)
}

fn in_deployment(deployment: DeploymentId) -> Condition {
    Condition::equal(column::DEPLOYMENT, deployment.0)
}

fn named(name: &str) -> Condition {
    Condition::equal(column::NAME, name)
}

fn answer(form: ContentRecord) -> Answer {
    let kind = if form.name.ends_with(".html") { "application/xhtml+xml" } else { "application/json" };
    file(form.bytes, kind, None)
}
