//! Ad-hoc sub-process: its activities are begun from outside, in any order and as often as wanted.
//!
//! BPMN 2.0.2, 13.3.5: "a number of inner Activities … enabled … each time an inner Activity completes, the
//! completionCondition is evaluated; if it is false, the set of enabled inner Activities is updated …; if true, the
//! Ad-Hoc Sub-Process completes without executing further inner Activities; with cancelRemainingInstances running ones are
//! canceled". Without a condition it is done when what was begun is done.

use super::prelude::*;
use super::sub_process;
use crate::base::id::{ElementId, ScopeId, TokenId};
use crate::engine::cancel;
use crate::engine::command::Rejection;
use crate::engine::compile::expression;
use crate::engine::definition::NodeIx;
use crate::engine::elements::Element;
use crate::engine::lifecycle::start_token;
use std::sync::Arc;

#[derive(Debug)]
pub struct AdHocSubProcess {
    sequential: bool,
    completion: Option<Compiled>,
    cancel_remaining: bool,
}

impl AdHocSubProcess {
    pub(super) fn parse(source: &Source<'_, '_>, found: &mut Findings) -> Self {
        let completion = source.bpmn_child("completionCondition").map(|el| expression(el, source.id_opt(), found));
        for (id, position) in source.events_in_ad_hoc() {
            let words = format!(
                "{id:?} stands in it: an ad-hoc sub-process has no start or end events: its activities are begun from outside. Remove it"
            );
            found.error(position, source.id_opt(), "event-in-ad-hoc", words);
        }
        Self {
            sequential: source.el.attribute("ordering") == Some("Sequential"),
            completion,
            cancel_remaining: source.el.attribute("cancelRemainingInstances") != Some("false"),
        }
    }

    /// An inner activity is done: whether the sub-process is. `None`: it goes on.
    pub(crate) fn is_done(&self, step: &mut Step, scope: ScopeId, at: At) -> Result<bool, Fault> {
        let empty = step.scope(scope).tokens.is_empty();
        match &self.completion {
            None => Ok(empty),
            Some(condition) => {
                let holds = step.holds_from(scope, at, condition)?;
                if holds && self.cancel_remaining {
                    let tokens: Vec<TokenId> = step.scope(scope).tokens.keys().copied().collect();
                    for token in tokens {
                        if let Some(other) = step.at(token) {
                            cancel::cancel(step, other);
                        }
                    }
                    return Ok(true);
                }
                Ok(holds && empty)
            }
        }
    }

    /// Begins inner activities.
    pub(crate) fn activate(
        &self,
        step: &mut Step,
        at: At,
        scope: ScopeId,
        which: &[ElementId],
    ) -> Result<(), Rejection> {
        let process = Arc::clone(step.process());
        let mut nodes = Vec::new();
        for id in which {
            let node = process.find(id).filter(|node| enabled(&process, at.node, *node));
            nodes.push(node.ok_or_else(|| {
                Rejection::InvalidInput(format!(
                    "{id} is no activity of the ad-hoc sub-process {} that can be begun: it stands in another, or flows lead to it",
                    process.node(at.node).id
                ))
            })?);
        }
        let under_way = !step.scope(scope).tokens.is_empty();
        if self.sequential && (under_way || nodes.len() > 1) {
            return Err(Rejection::InvalidInput(format!(
                "the activities of {} are done one after the other: complete the one that is under way",
                process.node(at.node).id
            )));
        }
        for node in nodes {
            start_token(step, scope, node, None);
        }
        Ok(())
    }
}

/// Activities that nothing leads to.
pub(crate) fn enabled(process: &crate::engine::definition::Process, ad_hoc: NodeIx, node: NodeIx) -> bool {
    let of = process.node(node);
    let by_event = matches!(&of.element, Element::SubProcess(sub_process) if sub_process.by_event);
    of.parent == Some(ad_hoc)
        && of.incoming.is_empty()
        && of.element.boundary().is_none()
        && !of.for_compensation
        && !by_event
}

impl Behavior for AdHocSubProcess {
    fn enter(&self, step: &mut Step, at: At) -> Next {
        sub_process::open(step, at, false)
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::testing::{check_xml, within};

    #[test]
    fn it_begins_nothing_by_itself() {
        let xml = within(
            r#"<startEvent id="s"/><sequenceFlow id="f" sourceRef="s" targetRef="F"/>
            <adHocSubProcess id="F"><userTask id="A"/></adHocSubProcess>"#,
        );
        check_xml(&xml, "start", "s F*");
    }
}
