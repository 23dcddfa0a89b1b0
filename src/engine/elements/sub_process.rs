//! Embedded sub-process: a scope of its own that is done when no token is left in it.
//!
//! BPMN 2.0.2, 13.3.4: "a Sub-Process is an Activity that encapsulates a Process … a token is placed on its Start Event; the
//! Sub-Process instance completes when there are no more tokens in the Sub-Process and none of its Activities is still
//! active". An event sub-process is begun by its start event (`event_sub_process`).

use super::prelude::*;
use crate::engine::event_sub_process;
use crate::engine::instance::ScopeKind;
use crate::engine::lifecycle::start_token;
use std::sync::Arc;

#[derive(Debug)]
pub struct SubProcess {
    /// An event sub-process: begun by its start event, not by a token that arrives.
    pub by_event: bool,
}

impl SubProcess {
    pub(super) fn parse(source: &Source<'_, '_>, found: &mut Findings) -> Self {
        let by_event = source.el.attribute("triggeredByEvent") == Some("true");
        if by_event && (source.has_incoming() || source.has_outgoing()) {
            let words = "a sequence flow leads to or from this event sub-process; its start event begins it, and nothing \
                         follows it: remove the flow";
            found.error(source.position(), source.id_opt(), "flow-at-event-sub-process", words);
        }
        if by_event {
            source.refuse_around_event_sub_process(found);
        }
        Self { by_event }
    }
}

impl Behavior for SubProcess {
    fn enter(&self, step: &mut Step, at: At) -> Next {
        open(step, at, self.by_event)
    }
}

/// A scope for what is in it, with its event sub-processes armed and a token at its start.
pub(super) fn open(step: &mut Step, at: At, by_event: bool) -> Next {
    let process = Arc::clone(step.process());
    if step.depth(at) >= crate::base::limits::NESTING_DEPTH_MAX {
        return Next::Fault(Fault::new(crate::engine::incident::IncidentKind::Limit, "sub-processes nest too deeply"));
    }
    let around = step.variable_scope(at);
    let armed = match event_sub_process::prepare(step, Some(at.node), (around, Some(at))) {
        Ok(armed) => armed,
        Err(fault) => return Next::Fault(fault),
    };
    let scope = step.open_scope(ScopeKind::SubProcess, Some(around), Some(at.token), Some(at.node));
    for subscription in armed {
        step.arm(scope, subscription);
    }
    if by_event {
        let starts = process.event_starts(process.node(at.node).parent).iter();
        for start in starts.filter(|start| process.node(**start).parent == Some(at.node)) {
            subscription::place_fired(step, scope, (*start, None), Default::default(), Default::default());
        }
    }
    for start in process.starts.get(&Some(at.node)).cloned().unwrap_or_default() {
        start_token(step, scope, start, None);
    }
    // An ad-hoc sub-process begins nothing by itself, and is not done before something was.
    if process.node(at.node).element.ad_hoc().is_none() {
        step.scope_may_be_done(scope);
    }
    Next::Wait(Wait::Scope(scope))
}

#[cfg(test)]
mod tests {
    use crate::engine::testing::check;

    #[test]
    fn it_is_done_when_no_token_is_left_in_it() {
        check(
            "start > sub(s > and[A:user > e1:end | B:user > e2:end]) > C:user > end",
            "start; complete A; complete B",
            "start sub* s and A* B* e1 e2 C*",
        );
    }

    #[test]
    fn terminate_inside_ends_only_the_sub_process() {
        check(
            "start > sub(s > and[A:user > t:terminate | B:user > e2:end]) > C:user > end",
            "start; complete A",
            "start sub* s and A* B* t B- C*",
        );
    }
}
