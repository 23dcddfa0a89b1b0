//! Embedded sub-process: a scope of its own that is done when no token is left in it.
//!
//! BPMN 2.0.2, 13.3.4: "a Sub-Process is an Activity that encapsulates a Process … a token is placed on its Start Event; the
//! Sub-Process instance completes when there are no more tokens in the Sub-Process and none of its Activities is still
//! active". Event sub-processes and ad-hoc sub-processes follow.

use super::prelude::*;
use crate::engine::instance::ScopeKind;
use crate::engine::lifecycle::start_token;
use std::sync::Arc;

#[derive(Debug)]
pub struct SubProcess;

impl SubProcess {
    pub(super) fn parse(source: &Source<'_, '_>, found: &mut Findings) -> Self {
        source.refuse_if_true(
            "triggeredByEvent",
            "event sub-processes do not run yet; use a boundary event of a sub-process around the part",
            found,
        );
        Self
    }
}

impl Behavior for SubProcess {
    fn enter(&self, step: &mut Step, at: At) -> Next {
        let process = Arc::clone(step.process());
        if step.depth(at) >= crate::base::limits::NESTING_DEPTH_MAX {
            return Next::Fault(Fault::new(
                crate::engine::incident::IncidentKind::Limit,
                "sub-processes nest too deeply",
            ));
        }
        let around = step.variable_scope(at);
        let scope = step.open_scope(ScopeKind::SubProcess, Some(around), Some(at.token), Some(at.node));
        for start in process.starts.get(&Some(at.node)).cloned().unwrap_or_default() {
            start_token(step, scope, start, None);
        }
        step.scope_may_be_done(scope);
        Next::Wait(Wait::Scope(scope))
    }
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
