//! Rows of the history as a step changes them, whole each time.

use crate::base::id::{ElementId, LocalId, TokenId};
use crate::base::time::Timestamp;
use crate::engine::decided::{self, Asked, Decided};
use crate::engine::event::Event;
use crate::engine::history::{PastActivity, PastIncident, PastKey, PastRow, PastTask};
use crate::engine::incident::IncidentKind;
use crate::engine::instance::{ScopeKind, Wait};
use crate::engine::step::{At, Step};

impl Step<'_> {
    pub(super) fn note_activity(&mut self, at: At, ended_at: Option<Timestamp>, cancelled: bool) {
        let node = self.process.node(at.node);
        let scope = self.scope(at.scope);
        let token = self.token(at);
        let body = node.looping.is_some() && scope.kind != ScopeKind::Inner;
        let (element, kind) = if body {
            (ElementId::from(format!("{}#multiInstanceBody", node.id).as_str()), "multiInstanceBody")
        } else {
            (node.id.clone(), crate::engine::elements::wire_kind(node))
        };
        let row = PastActivity {
            element,
            name: node.name.clone(),
            kind,
            scope: at.scope,
            parent: scope.owner,
            called: if let Wait::Called(called) = &token.wait { Some(*called) } else { None },
            assignee: if let Wait::UserTask(task) = &token.wait { task.assignee.clone() } else { None },
            started_at: token.since,
            ended_at,
            cancelled,
        };
        let (called, assignee) = match self.past.get(&PastKey::Activity(at.token)) {
            Some(PastRow::Activity(earlier)) => (earlier.called, earlier.assignee.clone()),
            Some(PastRow::Task(_) | PastRow::Variable(_) | PastRow::Incident(_) | PastRow::Decision(_)) | None => {
                (None, None)
            }
        };
        let row = PastActivity { called: row.called.or(called), assignee: row.assignee.or(assignee), ..row };
        self.past.insert(PastKey::Activity(at.token), PastRow::Activity(row));
    }

    /// Writes the row of the user task a token waits at, if it does.
    pub(super) fn note_task(&mut self, at: At, reason: Option<&str>) {
        let Wait::UserTask(task) = &self.token(at).wait else {
            return;
        };
        let row = PastTask {
            element: self.element_id(at.node),
            task: (**task).clone(),
            ended_at: reason.map(|_| self.now),
            reason: reason.map(str::to_owned),
        };
        self.past.insert(PastKey::Task(at.token), PastRow::Task(Box::new(row)));
        self.note_activity(at, None, false);
    }

    #[expect(clippy::too_many_arguments, reason = "one row, written in two places")]
    pub(super) fn note_incident(
        &mut self,
        id: LocalId,
        token: TokenId,
        element: ElementId,
        kind: IncidentKind,
        message: &str,
        (raised_at, resolved_at): (Timestamp, Option<Timestamp>),
        deleted: bool,
    ) {
        let row = PastIncident { token, element, kind, message: message.to_owned(), raised_at, resolved_at, deleted };
        self.past.insert(PastKey::Incident(id), PastRow::Incident(row));
    }

    /// The decisions that a task's work came to.
    pub(super) fn note_decisions(&mut self, at: At, decided: Vec<Decided>) {
        let task = Some((at.token, self.element_id(at.node)));
        let asked = Asked { task, evaluator: None, at: self.now };
        for (id, row) in decided::rows(decided, &asked, || LocalId(self.fresh())) {
            self.events.push(Event::DecisionEvaluated {
                id,
                token: at.token,
                at: self.element_id(at.node),
                decision: row.key.clone(),
                definition: row.definition,
                rules: row.told.rules(),
            });
            self.past.insert(PastKey::Decision(id), PastRow::Decision(Box::new(row)));
        }
    }
}
