//! How work is done that a task or message event asks for: an external topic, an expression, a message inside the engine.
//!
//! `rest.md` 6: without an implementation the topic is the element's id, with a warning (Camunda 7 refuses). A message
//! throw event or send task that names a message and no topic publishes it to whoever waits in this engine.

use super::prelude::*;
use crate::base::variable::Variable;
use crate::engine::command::Effect;
use crate::engine::compile::Element as XmlElement;
use crate::engine::job::JobKind;
use crate::engine::step::new_job;

#[derive(Debug)]
pub(crate) enum Implementation {
    Topic(Compiled),
    Expression { expression: Compiled, result_variable: Option<String> },
    Message(Compiled),
}

impl Implementation {
    /// Of a service or send task: its own attributes.
    pub(crate) fn of_task(source: &Source<'_, '_>, found: &mut Findings) -> Self {
        let message = source.el.attribute("messageRef").and_then(|name| source.message_name(name, found));
        Self::parse(source, source.el, message, found)
    }

    /// Of a message event: attributes of its event definition.
    pub(crate) fn of_message(source: &Source<'_, '_>, definition: XmlElement<'_>, found: &mut Findings) -> Self {
        let message = definition.attribute("messageRef").and_then(|name| source.message_name(name, found));
        Self::parse(source, definition, message, found)
    }

    fn parse(source: &Source<'_, '_>, el: XmlElement<'_>, message: Option<Compiled>, found: &mut Findings) -> Self {
        let attribute = |local| crate::bpmn::extension::attribute(el, local);
        if attribute("type").is_some_and(|kind| kind == "external") || attribute("topic").is_some() {
            let topic = attribute("topic").unwrap_or_default();
            if topic.is_empty() {
                found.error(
                    source.position(),
                    source.id_opt(),
                    "no-topic",
                    "an external task needs a topic: set camunda:topic",
                );
            }
            return Self::Topic(source.compiled(topic, found));
        }
        if let Some(expression) = attribute("expression") {
            let result_variable = attribute("resultVariable").map(str::to_owned);
            return Self::Expression { expression: source.compiled(expression, found), result_variable };
        }
        if let Some(message) = message {
            return Self::Message(message);
        }
        let words = format!(
            "nothing says who does this work, so a worker must fetch the topic {:?}, its id: set camunda:type=\"external\" and camunda:topic",
            source.id()
        );
        found.warn(source.position(), source.id_opt(), "no-implementation", words);
        Self::Topic(Compiled::literal(source.id()))
    }

    pub(crate) fn enter(&self, step: &mut Step, at: At) -> Next {
        match self.start(step, at) {
            Ok(next) => next,
            Err(fault) => Next::Fault(fault),
        }
    }

    fn start(&self, step: &mut Step, at: At) -> Result<Next, Fault> {
        match self {
            Self::Topic(topic) => {
                let topic = step.text(at, topic)?.unwrap_or_default();
                if topic.is_empty() {
                    return Err(Fault::expression("the topic is empty"));
                }
                let priority = step.task_priority(at)?;
                Ok(Next::Wait(Wait::Job(new_job(JobKind::External, topic, priority, step.now()))))
            }
            Self::Expression { expression, result_variable } => {
                let value = step.value(at, expression)?;
                if let Some(name) = result_variable {
                    step.set_result(at, name, Variable::from(value));
                }
                Ok(Next::Leave(Outgoing::All))
            }
            Self::Message(name) => {
                let name = step.text(at, name)?.unwrap_or_default();
                let business_key = step.head().business_key.clone();
                step.publish(Effect::PublishMessage { name, business_key, variables: Default::default() });
                Ok(Next::Leave(Outgoing::All))
            }
        }
    }
}
