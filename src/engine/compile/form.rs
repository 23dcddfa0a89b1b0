//! Forms of starts and user tasks: by key, by reference, or generated from `camunda:formData`.

use super::Element;
use super::source::Source;
use crate::base::diagnostic::Findings;
use crate::bpmn::extension;
use crate::engine::form::{Constraint, FieldKind, FormField, GeneratedForm, date_pattern};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Camunda 7's pattern of a date field that has none.
const DATE_PATTERN: &str = "dd/MM/yyyy";

/// `formKey`, `formRef` with its binding, or fields.
#[derive(Clone, Debug)]
pub enum Form {
    Key(String),
    Ref { id: String, binding: String, version: Option<u32> },
    Generated(Arc<GeneratedForm>),
}

impl Source<'_, '_> {
    pub(crate) fn form(&self, found: &mut Findings) -> Option<Form> {
        if let Some(key) = self.extension("formKey") {
            return Some(Form::Key(key.to_owned()));
        }
        if let Some(id) = self.extension("formRef") {
            let binding = self.extension("formRefBinding").unwrap_or("latest").to_owned();
            let version = self.extension("formRefVersion").and_then(|version| version.parse().ok());
            return Some(Form::Ref { id: id.to_owned(), binding, version });
        }
        let data = extension::child(self.el, "formData")?;
        Some(Form::Generated(Arc::new(self.generated(data, found))))
    }

    fn generated(&self, data: Element<'_>, found: &mut Findings) -> GeneratedForm {
        let mut ids = BTreeSet::new();
        let mut fields = Vec::new();
        for el in extension::inside(data, "formField") {
            let id = el.attribute("id").unwrap_or_default();
            if id.is_empty() || !ids.insert(id) {
                let words = "each form field needs an id of its own: it names the variable that the field sets";
                found.error(el.position(), self.id_opt(), "form-field", words);
            }
            fields.extend(self.form_field(el, id, found));
        }
        let business_key = data.attribute("businessKey").filter(|key| !key.is_empty());
        if let Some(key) = business_key.filter(|key| !ids.contains(key)) {
            let words = format!("the business key is taken from the field {key:?}, which this form has not");
            found.error(data.position(), self.id_opt(), "form-field", words);
        }
        GeneratedForm { fields, business_key: business_key.map(str::to_owned) }
    }

    fn form_field(&self, el: Element<'_>, id: &str, found: &mut Findings) -> Option<FormField> {
        let kind = self.field_kind(el, id, found)?;
        let constraints = extension::inside(el, "validation").flat_map(|list| extension::inside(list, "constraint"));
        let constraints: Vec<Constraint> =
            constraints.filter_map(|constraint| self.constraint(constraint, id, found)).collect();
        let properties = extension::inside(el, "properties").flat_map(|list| extension::inside(list, "property"));
        let of = |el: Element<'_>, name: &str| el.attribute(name).unwrap_or_default().to_owned();
        Some(FormField {
            id: id.to_owned(),
            label: el.attribute("label").map(|label| self.compiled_or_literal(label)),
            kind,
            default: el.attribute("defaultValue").map(|text| self.compiled(text, found)),
            constraints,
            properties: properties.map(|property| (of(property, "id"), of(property, "value"))).collect(),
        })
    }

    fn field_kind(&self, el: Element<'_>, id: &str, found: &mut Findings) -> Option<FieldKind> {
        match el.attribute("type").unwrap_or_default() {
            "string" | "" => Some(FieldKind::String),
            "long" => Some(FieldKind::Long),
            "boolean" => Some(FieldKind::Boolean),
            "date" => {
                let written = el.attribute("datePattern").filter(|text| !text.is_empty()).unwrap_or(DATE_PATTERN);
                let pattern = date_pattern(written);
                if pattern.is_none() {
                    let words = format!(
                        "form field {id:?}: the date pattern {written:?} is not known here; write it with dd MM yyyy HH mm ss"
                    );
                    found.error(el.position(), self.id_opt(), "form-field", words);
                }
                Some(FieldKind::Date { pattern: pattern?, written: written.to_owned() })
            }
            "enum" => {
                let of = |value: Element<'_>, name: &str| value.attribute(name).unwrap_or_default().to_owned();
                let values: Vec<_> =
                    extension::inside(el, "value").map(|value| (of(value, "id"), of(value, "name"))).collect();
                if values.is_empty() {
                    let words = format!("form field {id:?}: an enum needs values to choose from");
                    found.error(el.position(), self.id_opt(), "form-field", words);
                }
                Some(FieldKind::Enum(values))
            }
            other => {
                let words = format!(
                    "form field {id:?}: the type {other:?} is not known here; use string, long, boolean, date or enum"
                );
                found.error(el.position(), self.id_opt(), "form-field", words);
                None
            }
        }
    }

    fn constraint(&self, el: Element<'_>, field: &str, found: &mut Findings) -> Option<Constraint> {
        let name = el.attribute("name").unwrap_or_default();
        let config = el.attribute("config").unwrap_or_default().trim();
        let known = match name {
            "required" if config == "false" => return None,
            "readonly" if config == "false" => return None,
            "required" => Some(Constraint::Required),
            "readonly" => Some(Constraint::ReadOnly),
            "min" => config.parse().ok().map(Constraint::Min),
            "max" => config.parse().ok().map(Constraint::Max),
            "minlength" => config.parse().ok().map(Constraint::MinLength),
            "maxlength" => config.parse().ok().map(Constraint::MaxLength),
            _unknown => {
                let words = format!(
                    "form field {field:?}: the constraint {name:?} does not run here; use required, readonly, min, max, minlength or maxlength"
                );
                found.error(el.position(), self.id_opt(), "form-field", words);
                return None;
            }
        };
        if known.is_none() {
            let words = format!("form field {field:?}: {name} takes a whole number, not {config:?}");
            found.error(el.position(), self.id_opt(), "form-field", words);
        }
        known
    }
}
