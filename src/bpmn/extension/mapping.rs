//! Data in and out: `inputOutput` of flow nodes, `in` and `out` of call activities and signals.

use super::{child, children, inside};
use crate::base::diagnostic::Position;
use crate::xml::ElementRef;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct InputOutput {
    pub inputs: Vec<Parameter>,
    pub outputs: Vec<Parameter>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    pub name: String,
    pub value: ParameterValue,
    pub position: Position,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ParameterValue {
    /// Without the blanks around it; may hold expressions. Empty means null, as in Camunda 7.
    Text(String),
    Script {
        format: String,
        text: String,
        resource: Option<String>,
    },
    List(Vec<ParameterValue>),
    /// Keys may hold expressions.
    Map(Vec<(String, ParameterValue)>),
}

/// One `camunda:in` or `camunda:out`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InOut {
    pub source: Option<String>,
    pub source_expression: Option<String>,
    pub target: Option<String>,
    /// `variables="all"`.
    pub all: bool,
    /// `local="true"`: read from, or written to, the activity's own scope only.
    pub local: bool,
    pub business_key: Option<String>,
    pub position: Position,
}

/// The mappings of a flow node; `None` without `inputOutput`.
pub fn input_output(element: ElementRef<'_>) -> Option<InputOutput> {
    let mapping = child(element, "inputOutput")?;
    let read = |local| inside(mapping, local).map(parameter).collect();
    Some(InputOutput { inputs: read("inputParameter"), outputs: read("outputParameter") })
}

/// `camunda:in` and `camunda:out`, each in the order of the model.
pub fn in_out_mappings(element: ElementRef<'_>) -> (Vec<InOut>, Vec<InOut>) {
    let read = |local| children(element, local).map(in_out).collect();
    (read("in"), read("out"))
}

fn in_out(element: ElementRef<'_>) -> InOut {
    let of = |name| element.attribute(name).map(str::to_owned);
    InOut {
        source: of("source"),
        source_expression: of("sourceExpression"),
        target: of("target"),
        all: element.attribute("variables") == Some("all"),
        local: element.attribute("local") == Some("true"),
        business_key: of("businessKey"),
        position: element.position(),
    }
}

fn parameter(element: ElementRef<'_>) -> Parameter {
    let name = element.attribute("name").unwrap_or_default().to_owned();
    Parameter { name, value: content(element), position: element.position() }
}

/// What a parameter, an entry or a value holds. The reader's limit on depth bounds the recursion.
fn content(element: ElementRef<'_>) -> ParameterValue {
    let structured = element.children().find_map(structured);
    structured.unwrap_or_else(|| ParameterValue::Text(element.text().trim().to_owned()))
}

fn structured(element: ElementRef<'_>) -> Option<ParameterValue> {
    if !super::is_extension(element.namespace()) {
        return None;
    }
    match element.name() {
        "script" => Some(ParameterValue::Script {
            format: element.attribute("scriptFormat").unwrap_or_default().to_owned(),
            text: element.text().into_owned(),
            resource: element.attribute("resource").map(str::to_owned),
        }),
        "list" => {
            let items = element.children().map(|item| structured(item).unwrap_or_else(|| content(item)));
            Some(ParameterValue::List(items.collect()))
        }
        "map" => {
            let key = |entry: ElementRef<'_>| entry.attribute("key").unwrap_or_default().to_owned();
            let entries = inside(element, "entry").map(|entry| (key(entry), content(entry)));
            Some(ParameterValue::Map(entries.collect()))
        }
        _ => None,
    }
}
