//! `executionListener` and `taskListener`: what a model does at moments of an element's life.

use super::{children, inside, is_extension};
use crate::base::diagnostic::Position;
use crate::bpmn::names;
use crate::xml::ElementRef;

/// One listener as the model writes it.
#[derive(Clone, Debug)]
pub struct Listener<'d> {
    pub element: ElementRef<'d>,
    pub event: Option<&'d str>,
    pub id: Option<&'d str>,
    pub code: Option<ListenerCode>,
    /// Of a `timeout` listener.
    pub timer: Option<ElementRef<'d>>,
    pub position: Position,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ListenerCode {
    Expression(String),
    Script {
        format: String,
        text: String,
        resource: Option<String>,
    },
    /// `class` or `delegateExpression`.
    Java,
}

/// The listeners of a kind (`executionListener`, `taskListener`) at a BPMN element, in the order of the model.
pub fn listeners<'d>(element: ElementRef<'d>, local: &str) -> Vec<Listener<'d>> {
    children(element, local).map(read).collect()
}

fn read(element: ElementRef<'_>) -> Listener<'_> {
    let filled = |name: &str| element.attribute(name).filter(|value| !value.is_empty());
    let script = inside(element, "script").next();
    let code = match (filled("expression"), script) {
        (Some(expression), _) => Some(ListenerCode::Expression(expression.to_owned())),
        (None, Some(script)) => Some(ListenerCode::Script {
            format: script.attribute("scriptFormat").unwrap_or_default().to_owned(),
            text: script.text().into_owned(),
            resource: script.attribute("resource").map(str::to_owned),
        }),
        (None, None) => filled("class").or_else(|| filled("delegateExpression")).map(|_| ListenerCode::Java),
    };
    // The modeler writes the timer in BPMN's namespace, hand-written models in the vocabulary's.
    let is_timer = |child: &ElementRef<'_>| {
        child.name() == "timerEventDefinition" && (child.namespace() == names::BPMN || is_extension(child.namespace()))
    };
    Listener {
        element,
        event: filled("event"),
        id: filled("id"),
        code,
        timer: element.children().find(is_timer),
        position: element.position(),
    }
}
