//! `OPTIONS`: what the caller may do with a resource, as links.

use crate::api::call::Call;
use crate::api::error::Answer;
use crate::api::json::json;
use serde_json::{Value, json as shape};

/// Method, path below the base, what it is for.
pub(super) struct Link<'a>(pub(super) &'static str, pub(super) &'a str, pub(super) &'static str);

pub(super) fn answer(_call: &Call, links: &[Link<'_>]) -> Answer {
    let link = |Link(method, path, rel): &Link<'_>| shape!({ "method": method, "href": format!("/engine-rest{path}"), "rel": rel });
    json(shape!({ "links": links.iter().map(link).collect::<Vec<Value>>() }))
}

/// A list, its count, and how one is made.
pub(super) fn collection(call: &Call, path: &str, create: bool) -> Answer {
    let (count, new) = (format!("{path}/count"), format!("{path}/create"));
    let mut links = vec![Link("GET", path, "list"), Link("GET", &count, "count")];
    if create {
        links.push(Link("POST", &new, "create"));
    }
    answer(call, &links)
}

/// One object: to read, to remove, to change.
pub(super) fn object(call: &Call, path: &str, delete: bool, update: bool) -> Answer {
    let mut links = vec![Link("GET", path, "self")];
    if delete {
        links.push(Link("DELETE", path, "delete"));
    }
    if update {
        links.push(Link("PUT", path, "update"));
    }
    answer(call, &links)
}

/// Members: to add, to remove.
pub(super) fn members(call: &Call, path: &str, create: bool, delete: bool) -> Answer {
    let mut links = Vec::new();
    if create {
        links.push(Link("PUT", path, "create"));
    }
    if delete {
        links.push(Link("DELETE", path, "delete"));
    }
    answer(call, &links)
}
