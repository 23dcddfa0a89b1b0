//! `/history/identity-link-log`: who had a task, and who might have taken it. Who made it so is not recorded.

use super::sheet::Rule;
use super::story::{Chapter, Log};
use super::{removal_time, tenant, time};
use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::params::Query;
use crate::api::wire;
use crate::engine::event::{Event, UserTaskLinks};
use serde_json::{Value, json as shape};
use std::collections::BTreeMap;

pub(super) struct LinkLog;

impl Log for LinkLog {
    const WHAT: &'static str = "Historic identity link";
    const NAMES: &'static [&'static str] = &["taskId", "processInstanceId"];
    const WORDS: &'static [&'static str] = &["user-task-created", "user-task-changed"];
    const RULES: &'static [Rule] = &[
        Rule::Text("taskId", "taskId"),
        Rule::Text("type", "type"),
        Rule::Text("userId", "userId"),
        Rule::Text("groupId", "groupId"),
        Rule::Text("operationType", "operationType"),
        Rule::Text("processDefinitionId", "processDefinitionId"),
        Rule::Text("processDefinitionKey", "processDefinitionKey"),
        Rule::Until("dateBefore", "time"),
        Rule::Since("dateAfter", "time"),
        Rule::TextIn("tenantIdIn", "tenantId"),
        Rule::Absent("withoutTenantId", "tenantId"),
        Rule::Nothing("assignerId"),
    ];
    const SORTS: &'static [(&'static str, &'static str)] = &[
        ("time", "time"),
        ("type", "type"),
        ("userId", "userId"),
        ("groupId", "groupId"),
        ("taskId", "taskId"),
        ("processDefinitionId", "processDefinitionId"),
        ("processDefinitionKey", "processDefinitionKey"),
        ("operationType", "operationType"),
        ("assignerId", "assignerId"),
        ("tenantId", "tenantId"),
    ];

    async fn lines(_call: &Call, _query: &Query, chapters: &[Chapter]) -> Result<Vec<Value>, ApiError> {
        let mut assignees: BTreeMap<(i64, u32), String> = BTreeMap::new();
        let mut shaped = Vec::new();
        for chapter in chapters {
            for (place, event) in &chapter.events {
                let Some((token, links)) = told(&mut assignees, chapter.row.instance, event) else { continue };
                let base = chapter.line_id(*place);
                let shape = |(number, link): (usize, Link)| link.shape(chapter, token, format!("{base}.{number}"));
                shaped.extend(links.into_iter().enumerate().map(shape));
            }
        }
        Ok(shaped)
    }
}

struct Link {
    kind: &'static str,
    is_group: bool,
    name: String,
    added: bool,
}

impl Link {
    fn assignee(name: String, added: bool) -> Self {
        Self { kind: "assignee", is_group: false, name, added }
    }

    fn candidate(name: &str, is_group: bool, added: bool) -> Self {
        Self { kind: "candidate", is_group, name: name.to_owned(), added }
    }

    fn shape(self, chapter: &Chapter, token: u32, id: String) -> Value {
        let row = &chapter.row;
        shape!({
            "id": id,
            "time": time(row.at),
            "type": self.kind,
            "userId": (!self.is_group).then_some(&self.name),
            "groupId": self.is_group.then_some(&self.name),
            "taskId": format!("{}:{token}", row.instance),
            "processDefinitionId": wire::definition(&row.process, row.version, row.definition),
            "processDefinitionKey": row.process,
            "operationType": if self.added { "add" } else { "delete" },
            "assignerId": null,
            "tenantId": tenant(&row.tenant),
            "removalTime": removal_time(row.ended_at, row.history_ttl_days),
            "rootProcessInstanceId": row.root.to_string(),
        })
    }
}

/// The links that an event makes or ends, and the task's token.
fn told(assignees: &mut BTreeMap<(i64, u32), String>, instance: i64, event: &Event) -> Option<(u32, Vec<Link>)> {
    let mut assign = |token: u32, user: Option<&String>| {
        let before = match user {
            Some(user) => assignees.insert((instance, token), user.clone()),
            None => assignees.remove(&(instance, token)),
        };
        if before.as_ref() == user {
            return Vec::new();
        }
        let gone = before.map(|before| Link::assignee(before, false));
        gone.into_iter().chain(user.map(|user| Link::assignee(user.clone(), true))).collect()
    };
    match event {
        Event::UserTaskCreated { token, links, .. } => {
            let UserTaskLinks { assignee, candidate_users, candidate_groups } = links;
            let mut all = assign(token.0, assignee.as_ref());
            all.extend(candidate_users.iter().map(|user| Link::candidate(user, false, true)));
            all.extend(candidate_groups.iter().map(|group| Link::candidate(group, true, true)));
            Some((token.0, all))
        }
        Event::UserTaskChanged { token, what, value } => {
            let candidate = |is_group, added| value.iter().map(|name| Link::candidate(name, is_group, added)).collect();
            let links = match what.as_str() {
                "assignee" | "replaced" => assign(token.0, value.as_ref()),
                "candidate user added" => candidate(false, true),
                "candidate user removed" => candidate(false, false),
                "candidate group added" => candidate(true, true),
                "candidate group removed" => candidate(true, false),
                _no_link => return None,
            };
            Some((token.0, links))
        }
        _tells_of_no_link => None,
    }
}
