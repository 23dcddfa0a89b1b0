//! User task: work by a person, who is assigned or found among candidates.
//!
//! BPMN 2.0.2, 13.3.3: "User Task: upon activation, the User Task is distributed to the assigned person or group of people.
//! Upon completion of the work, the User Task completes". Assignee, candidates, due date and priority are Camunda 7's
//! attributes and may be expressions.

use super::prelude::*;
use crate::base::time::Timestamp;
use crate::engine::command::{Link, Rejection, TaskChange};
use crate::engine::compile::Form;
use crate::engine::expression::as_text;
use crate::engine::instance::{Delegation, UserTask};
use crate::engine::listener::{self, Listeners, Timeout};
use crate::engine::variables;
use crate::script::TaskEdit;
use crate::script::edit::parse_instant;
use serde_json::Value;
use std::collections::BTreeSet;

#[derive(Debug)]
pub struct UserTaskElement {
    name: Option<Compiled>,
    description: Option<Compiled>,
    assignee: Option<Compiled>,
    candidate_users: Option<Compiled>,
    candidate_groups: Option<Compiled>,
    due: Option<Compiled>,
    follow_up: Option<Compiled>,
    priority: Option<Compiled>,
    pub form: Option<Form>,
    pub listeners: Listeners,
    pub timeouts: Vec<Timeout>,
}

impl UserTaskElement {
    pub(super) fn parse(source: &Source<'_, '_>, found: &mut Findings) -> Self {
        let mut expression = |local: &str| source.extension(local).map(|text| source.compiled(text, found));
        let (assignee, candidate_users, candidate_groups) =
            (expression("assignee"), expression("candidateUsers"), expression("candidateGroups"));
        let (due, follow_up, priority) = (expression("dueDate"), expression("followUpDate"), expression("priority"));
        let (listeners, timeouts) = source.task_listeners(found);
        Self {
            listeners,
            timeouts,
            name: source.el.attribute("name").map(|text| source.compiled(text, found)),
            description: source.documentation().map(|text| source.compiled_or_literal(&text)),
            assignee,
            candidate_users,
            candidate_groups,
            due,
            follow_up,
            priority,
            form: source.form(found),
        }
    }

    fn open(&self, step: &mut Step, at: At) -> Result<UserTask, Fault> {
        Ok(UserTask {
            name: optional(step, at, self.name.as_ref())?,
            description: optional(step, at, self.description.as_ref())?,
            assignee: optional(step, at, self.assignee.as_ref())?,
            owner: None,
            delegation: None,
            candidate_users: names(step, at, self.candidate_users.as_ref())?,
            candidate_groups: names(step, at, self.candidate_groups.as_ref())?,
            priority: self.priority.as_ref().map_or(Ok(50), |priority| step.whole_number(at, priority))?,
            due: instant(step, at, self.due.as_ref())?,
            follow_up: instant(step, at, self.follow_up.as_ref())?,
            created_at: step.now(),
            updated_at: None,
        })
    }
}

impl Behavior for UserTaskElement {
    fn enter(&self, step: &mut Step, at: At) -> Next {
        match self.open(step, at) {
            Ok(task) => Next::Wait(Wait::UserTask(Box::new(task))),
            Err(fault) => Next::Fault(fault),
        }
    }
}

fn optional(step: &mut Step, at: At, expression: Option<&Compiled>) -> Result<Option<String>, Fault> {
    Ok(expression.map(|e| step.text(at, e)).transpose()?.flatten().filter(|text| !text.is_empty()))
}

/// A list, or a text with commas.
fn names(step: &mut Step, at: At, expression: Option<&Compiled>) -> Result<BTreeSet<String>, Fault> {
    let Some(expression) = expression else {
        return Ok(BTreeSet::new());
    };
    let split =
        |text: &str| text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
    match step.value(at, expression)? {
        Value::Array(items) => Ok(items.into_iter().filter_map(as_text).collect()),
        Value::String(text) => Ok(split(&text)),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) => {
            Ok(as_text(other).map(|text| split(&text)).unwrap_or_default())
        }
    }
}

/// A date, or a period from now.
fn instant(step: &mut Step, at: At, expression: Option<&Compiled>) -> Result<Option<Timestamp>, Fault> {
    let Some(text) = optional(step, at, expression)? else {
        return Ok(None);
    };
    parse_instant(&text, step.now()).map(Some).map_err(Fault::expression)
}

/// By a person: the task's listeners hear of it.
pub(crate) fn change(step: &mut Step, at: At, change: TaskChange) -> Result<(), Rejection> {
    let before = step.task(at).assignee.clone();
    apply(step, at, change)?;
    listener::changed(step, at, before.as_deref())
}

fn apply(step: &mut Step, at: At, change: TaskChange) -> Result<(), Rejection> {
    match change {
        TaskChange::Claim(user) => {
            let holder = step.task(at).assignee.clone();
            match holder {
                Some(holder) if holder != user => return Err(Rejection::AlreadyClaimed(holder)),
                Some(_) | None => assign(step, at, Some(user)),
            }
        }
        TaskChange::Assign(user) => assign(step, at, user),
        TaskChange::Delegate(user) => {
            let owner = step.task(at).owner.clone().or_else(|| step.task(at).assignee.clone());
            let task = step.task_of(at);
            task.owner = owner;
            task.delegation = Some(Delegation::Pending);
            assign(step, at, Some(user));
        }
        TaskChange::Resolve(given) => {
            variables::set_results(step, at, given, Default::default());
            let owner = step.task(at).owner.clone();
            let task = step.task_of(at);
            task.delegation = Some(Delegation::Resolved);
            assign(step, at, owner);
        }
        TaskChange::Replace(fields) => {
            let task = step.task_of(at);
            task.name = fields.name;
            task.description = fields.description;
            task.assignee.clone_from(&fields.assignee);
            task.owner = fields.owner;
            task.delegation = fields.delegation;
            task.priority = fields.priority;
            task.due = fields.due;
            task.follow_up = fields.follow_up;
            step.task_changed(at, "replaced", fields.assignee);
        }
        TaskChange::AddLink(link) => change_link(step, at, link, true),
        TaskChange::RemoveLink(link) => change_link(step, at, link, false),
    }
    Ok(())
}

/// By an expression or script of the task itself.
pub(crate) fn edit(step: &mut Step, at: At, edit: TaskEdit) {
    let what = match edit {
        TaskEdit::Assignee(user) => return assign(step, at, user),
        TaskEdit::AddCandidateUser(user) => return change_link(step, at, Link::CandidateUser(user), true),
        TaskEdit::DeleteCandidateUser(user) => return change_link(step, at, Link::CandidateUser(user), false),
        TaskEdit::AddCandidateGroup(group) => return change_link(step, at, Link::CandidateGroup(group), true),
        TaskEdit::DeleteCandidateGroup(group) => return change_link(step, at, Link::CandidateGroup(group), false),
        TaskEdit::Owner(owner) => {
            step.task_of(at).owner = owner;
            "owner"
        }
        TaskEdit::Name(name) => {
            step.task_of(at).name = name;
            "name"
        }
        TaskEdit::Description(description) => {
            step.task_of(at).description = description;
            "description"
        }
        TaskEdit::Priority(priority) => {
            step.task_of(at).priority = priority;
            "priority"
        }
        TaskEdit::Due(due) => {
            step.task_of(at).due = due;
            "due date"
        }
        TaskEdit::FollowUp(follow_up) => {
            step.task_of(at).follow_up = follow_up;
            "follow-up date"
        }
    };
    step.task_changed(at, what, None);
}

fn assign(step: &mut Step, at: At, user: Option<String>) {
    step.task_of(at).assignee.clone_from(&user);
    step.task_changed(at, "assignee", user);
}

fn change_link(step: &mut Step, at: At, link: Link, add: bool) {
    let task = step.task_of(at);
    let (set, name, what) = match link {
        Link::CandidateUser(name) => (&mut task.candidate_users, name, "candidate user"),
        Link::CandidateGroup(name) => (&mut task.candidate_groups, name, "candidate group"),
    };
    if add {
        set.insert(name.clone());
    } else {
        set.remove(&name);
    }
    let what = if add { format!("{what} added") } else { format!("{what} removed") };
    step.task_changed(at, &what, Some(name));
}

#[cfg(test)]
mod tests {
    use crate::engine::testing::check;

    #[test]
    fn it_waits_for_a_person() {
        check("start > A:user > end", "start; complete A {x: 1}", "start A* end .completed");
    }
}
