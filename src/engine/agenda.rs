//! What is to be done in a run, in its order; bounded, so that one commit does not grow for ever.

use crate::base::id::{ScopeId, TokenId};
use crate::base::limits::AGENDA_STEPS_MAX;
use crate::engine::lifecycle::{Cause, Outgoing};
use std::collections::VecDeque;

#[derive(Debug)]
pub(crate) enum Work {
    /// `admitted`: its asynchronous continuation has run.
    Enter {
        token: TokenId,
        admitted: bool,
    },
    Resume {
        token: TokenId,
        cause: Cause,
    },
    Leave {
        token: TokenId,
        outgoing: Outgoing,
        admitted: bool,
    },
    ScopeDone(ScopeId),
}

#[derive(Debug, Default)]
pub(crate) struct Agenda {
    queue: VecDeque<Work>,
    taken: usize,
}

impl Agenda {
    pub(crate) fn push(&mut self, work: Work) {
        self.queue.push_back(work);
    }

    /// The next entry; beyond the budget only what is not stored is drained.
    pub(super) fn next(&mut self) -> Option<Work> {
        self.taken += 1;
        if self.taken <= AGENDA_STEPS_MAX {
            return self.queue.pop_front();
        }
        let drained = self.queue.iter().position(|work| !matches!(work, Work::Enter { admitted: false, .. }))?;
        self.queue.remove(drained)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}
