//! Forms of tasks and of starts: the key, the reference, the deployed form itself, and fields that the model lists.

use crate::api::call::Call;
use crate::api::error::{Answer, ApiError};
use crate::api::json::file;
use crate::base::id::DeploymentId;
use crate::base::variable::{Variable, Variables};
use crate::engine::compile::Form;
use crate::engine::definition::{Process, ProcessDefinition};
use crate::engine::elements::Element;
use crate::engine::expression::{Plain, as_text};
use crate::engine::form::{Constraint, FieldKind, FormError, FormField, GeneratedForm};
use crate::store::queries::record::ContentRecord;
use crate::store::queries::select::{Condition, column};
use serde_json::{Value, json};
use std::fmt::Write;
use std::sync::Arc;

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
        None | Some(Form::Generated(_)) => (None, None),
        Some(Form::Key(key)) => (Some(key.clone()), None),
        Some(Form::Ref { id, binding, version }) => {
            (None, Some(json!({ "key": id, "binding": binding, "version": version })))
        }
    }
}

/// `of`: the task or definition as a path, under which a generated form is drawn.
pub(super) fn shape(form: Option<&Form>, of: &str) -> Value {
    let (mut key, reference) = key_and_ref(form);
    if let Some(Form::Generated(_)) = form {
        key = Some(format!("embedded:engine://engine/:engine/{of}/rendered-form"));
    }
    json!({ "key": key, "camundaFormRef": reference, "operatonFormRef": reference, "contextPath": null })
}

/// The form as it was deployed: beside the model by its file's name, by reference as its binding says.
pub(super) async fn deployed(call: &Call, definition: &ProcessDefinition, form: Option<&Form>) -> Answer {
    let absent = |what: &str| ApiError::absent(format!("The form with the resource name '{what}' cannot be found."));
    match form {
        None => Err(ApiError::refused("BadUserRequestException", "The element names no form.")),
        Some(Form::Generated(_)) => Err(ApiError::refused(
            "BadUserRequestException",
            "The model lists the fields of this form: ask for rendered-form.",
        )),
        Some(Form::Key(key)) => {
            let name = DEPLOYED.iter().find_map(|prefix| key.strip_prefix(prefix)).ok_or_else(|| {
                ApiError::refused(
                    "BadUserRequestException",
                    format!("The form {key:?} does not lie in the deployment."),
                )
            })?;
            let found =
                call.behind().one::<ContentRecord>(vec![in_deployment(definition.deployment), named(name)]).await?;
            answer(found.ok_or_else(|| absent(name))?)
        }
        Some(Form::Ref { id, binding, version }) => {
            let suffix = Condition::Is(column::NAME, crate::store::queries::select::Test::Like, "%.form".into());
            let mut conditions = vec![suffix];
            if binding == "deployment" {
                conditions.push(in_deployment(definition.deployment));
            }
            // Versions are counted from the oldest; the newest is the latest.
            let numbered = version.filter(|_| binding == "version");
            let order = vec![(column::DEPLOYMENT.into(), numbered.is_none())];
            let forms: Vec<ContentRecord> =
                call.behind().list(conditions, order, crate::api::params::Page::default()).await?;
            let mut forms = forms.into_iter().filter(|form| form_id(&form.bytes).as_deref() == Some(id.as_str()));
            let found = match numbered {
                Some(0) => None,
                Some(number) => forms.nth(usize::try_from(number - 1).unwrap_or(usize::MAX)),
                None => forms.next(),
            };
            answer(found.ok_or_else(|| absent(id))?)
        }
    }
}

fn generated(form: Option<Form>) -> Option<Arc<GeneratedForm>> {
    if let Some(Form::Generated(form)) = form { Some(form) } else { None }
}

/// What was submitted, checked by the fields of a generated form; and the business key that one of them gives.
pub(super) fn submitted(
    form: Option<Form>,
    given: Variables,
    seen: Plain<'_>,
    attempt: &str,
) -> Result<(Variables, Option<String>), ApiError> {
    let Some(form) = generated(form) else { return Ok((given, None)) };
    let mut seen = seen;
    let taken = form.submit(given, &mut seen).map_err(|error| refused(&error, attempt))?;
    let key = form.business_key.as_ref().and_then(|field| taken.get(field));
    let key = key.and_then(|key| as_text(key.value.clone()));
    Ok((taken, key))
}

fn refused(error: &FormError, attempt: &str) -> ApiError {
    ApiError::refused("RestException", format!("{attempt}: {error}")).because("form").with("field", json!(error.field))
}

/// The fields with what they show at first; none for another kind of form.
pub(super) fn fields(form: Option<Form>, mut seen: Plain<'_>, attempt: &str) -> Result<Variables, ApiError> {
    match generated(form) {
        Some(form) => form.values(&mut seen).map_err(|error| refused(&error, attempt)),
        None => Ok(Variables::new()),
    }
}

/// A generated form as HTML, with the attributes that Camunda's form library binds (`cam-variable-name`, `-type`).
pub(super) fn rendered(form: Option<Form>, mut seen: Plain<'_>, attempt: &str) -> Answer {
    let Some(form) = generated(form) else {
        return Err(ApiError::absent(format!("{attempt}: the model lists no fields (camunda:formData).")));
    };
    let values = form.values(&mut seen).map_err(|error| refused(&error, attempt))?;
    let mut html = String::from("<form name=\"generatedForm\" role=\"form\">");
    for field in &form.fields {
        let label = field.label.as_ref().and_then(|label| label.evaluate(&mut seen).ok()).and_then(as_text);
        let label = label.unwrap_or_else(|| field.id.clone());
        html.push_str("<div class=\"form-group\">");
        let _infallible = write!(html, "<label for=\"{0}\">{1}</label>", escaped(&field.id), escaped(&label));
        control(&mut html, field, values.get(&field.id));
        html.push_str("</div>");
    }
    html.push_str("</form>");
    file(html.into_bytes(), "application/xhtml+xml", None)
}

fn control(html: &mut String, field: &FormField, value: Option<&Variable>) {
    let kind = match field.kind {
        FieldKind::String | FieldKind::Enum(_) => "String",
        FieldKind::Long => "Long",
        FieldKind::Boolean => "Boolean",
        FieldKind::Date { .. } => "Date",
    };
    let id = escaped(&field.id);
    let mut rules = String::new();
    for rule in &field.constraints {
        let _infallible = match rule {
            Constraint::Required | Constraint::ReadOnly => write!(rules, " {0}=\"{0}\"", rule.name()),
            Constraint::Min(limit) | Constraint::Max(limit) => write!(rules, " {}=\"{limit}\"", rule.name()),
            Constraint::MinLength(limit) | Constraint::MaxLength(limit) => {
                write!(rules, " {}=\"{limit}\"", rule.name())
            }
        };
    }
    let shown = value.map(|variable| variable.value.clone()).and_then(as_text).unwrap_or_default();
    let bound = format!(
        "id=\"{id}\" name=\"{id}\" class=\"form-control\" cam-variable-name=\"{id}\" cam-variable-type=\"{kind}\"{rules}"
    );
    let _infallible = match &field.kind {
        FieldKind::Enum(values) => {
            let option = |(key, name): &(String, String)| {
                let chosen = if *key == shown { " selected=\"selected\"" } else { "" };
                format!("<option value=\"{}\"{chosen}>{}</option>", escaped(key), escaped(name))
            };
            write!(html, "<select {bound}>{}</select>", values.iter().map(option).collect::<String>())
        }
        FieldKind::Boolean => {
            let checked = if shown == "true" { " checked=\"checked\"" } else { "" };
            write!(html, "<input type=\"checkbox\" {bound}{checked} />")
        }
        FieldKind::Long => write!(html, "<input type=\"number\" step=\"1\" {bound} value=\"{}\" />", escaped(&shown)),
        FieldKind::String | FieldKind::Date { .. } => {
            write!(html, "<input type=\"text\" {bound} value=\"{}\" />", escaped(&shown))
        }
    };
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
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
