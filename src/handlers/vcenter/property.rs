//! Reading properties: all objects of a kind below the root, page by page, or one object; and waiting for a task.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::soap::{Content, Failed, Fault, VCenter, VIM, child_text, object, returned, returned_maybe, type_of};
use crate::handlers::Trouble;
use crate::xml::{Document, ElementRef, escaped_text};

/// Objects per page: a server shows some hundred elements, and the reader takes 50 000.
const PAGE: u32 = 50;
/// More servers than any vCenter holds.
const OBJECTS_MAX: usize = 50_000;
const POLL_FIRST: Duration = Duration::from_millis(20);
const POLL_MOST: Duration = Duration::from_secs(2);

/// An object with the properties that were asked for and are set.
pub(super) struct Object {
    pub(super) moref: String,
    pub(super) properties: BTreeMap<String, Property>,
}

/// A property's value: an element of the page that brought it, where its prefixes are bound.
pub(super) struct Property {
    page: Arc<Document>,
    at: usize,
}

impl Property {
    pub(super) fn root(&self) -> ElementRef<'_> {
        self.page.element_by_index(self.at)
    }

    pub(super) fn text(&self) -> String {
        self.root().text().into_owned()
    }
}

impl Object {
    pub(super) fn text(&self, path: &str) -> Option<String> {
        self.properties.get(path).map(Property::text)
    }

    pub(super) fn root(&self, path: &str) -> Option<ElementRef<'_>> {
        self.properties.get(path).map(Property::root)
    }
}

/// All objects of this kind.
pub(super) async fn all(
    vcenter: &VCenter,
    content: &Content,
    kind: &str,
    paths: &[&str],
) -> Result<Vec<Object>, Failed> {
    let body = format!(
        "{}{}<type>{kind}</type><recursive>true</recursive>",
        object("_this", "ViewManager", &content.views),
        object("container", "Folder", &content.root)
    );
    let made = vcenter.call(content, "CreateContainerView", &body).await?;
    let view = returned(&made)?.text().into_owned();
    let selected = "<skip>true</skip><selectSet xsi:type=\"TraversalSpec\"><name>view</name><type>ContainerView</type><path>view</path><skip>false</skip></selectSet>";
    let found = pages(vcenter, content, &specification(kind, paths, "ContainerView", &view, selected)).await;
    let body = object("_this", "ContainerView", &view);
    // the session ends some time, and the view with it
    let _ = vcenter.call(content, "DestroyView", &body).await;
    found
}

/// One object, which must exist.
pub(super) async fn one(
    vcenter: &VCenter,
    content: &Content,
    kind: &str,
    moref: &str,
    paths: &[&str],
) -> Result<Object, Failed> {
    let specification = specification(kind, paths, kind, moref, "<skip>false</skip>");
    let found = pages(vcenter, content, &specification).await?;
    found
        .into_iter()
        .next()
        .ok_or_else(|| Trouble::wrong(format!("vCenter ({}) does not know {kind} {moref}", vcenter.name)).into())
}

fn specification(kind: &str, paths: &[&str], from: &str, moref: &str, selected: &str) -> String {
    let paths: String = paths.iter().map(|path| format!("<pathSet>{}</pathSet>", escaped_text(path))).collect();
    format!(
        "<specSet><propSet><type>{kind}</type><all>false</all>{paths}</propSet><objectSet>{}{selected}</objectSet></specSet><options><maxObjects>{PAGE}</maxObjects></options>",
        object("obj", from, moref)
    )
}

async fn pages(vcenter: &VCenter, content: &Content, specification: &str) -> Result<Vec<Object>, Failed> {
    let this = object("_this", "PropertyCollector", &content.collector);
    let mut page = vcenter.call(content, "RetrievePropertiesEx", &format!("{this}{specification}")).await?;
    let mut found = Vec::new();
    loop {
        let shared = Arc::new(page);
        let told = returned_maybe(&shared);
        if let Some(told) = told {
            read(told, &shared, &mut found);
        }
        let Some(token) = told.and_then(|told| child_text(told, "token")) else {
            return Ok(found);
        };
        if found.len() > OBJECTS_MAX {
            let words = format!(
                "vCenter ({}) shows more than {OBJECTS_MAX} objects: sign in as a user who sees less",
                vcenter.name
            );
            return Err(Trouble::wrong(words).into());
        }
        let body = format!("{this}<token>{}</token>", escaped_text(&token));
        page = vcenter.call(content, "ContinueRetrievePropertiesEx", &body).await?;
    }
}

fn read(told: ElementRef<'_>, page: &Arc<Document>, into: &mut Vec<Object>) {
    for found in told.children().filter(|child| child.is(VIM, "objects")) {
        let sets = found.children().filter(|child| child.is(VIM, "propSet"));
        let properties = sets.filter_map(|set| {
            let value = set.child(VIM, "val")?;
            Some((child_text(set, "name")?, Property { page: Arc::clone(page), at: value.index() }))
        });
        into.push(Object { moref: child_text(found, "obj").unwrap_or_default(), properties: properties.collect() });
    }
}

/// Waits until the task that an operation answered has ended; the reference of what it made.
pub(super) async fn finished(vcenter: &VCenter, content: &Content, begun: &Document) -> Result<Option<String>, Failed> {
    let task = returned(begun)?.text().into_owned();
    let mut pause = POLL_FIRST;
    loop {
        let told = one(vcenter, content, "Task", &task, &["info"]).await?;
        let info = told.root("info");
        let info = info.ok_or_else(|| Trouble::broken(format!("task {task} has no state")))?;
        match child_text(info, "state").as_deref() {
            Some("success") => return Ok(child_text(info, "result")),
            Some("error") => return Err(Failed::Fault(fault(info))),
            Some(_) | None => {}
        }
        sleep(pause).await;
        pause = (pause * 2).min(POLL_MOST);
    }
}

fn fault(info: ElementRef<'_>) -> Fault {
    let error = info.child(VIM, "error");
    let kind = error.and_then(|error| error.child(VIM, "fault")).map(type_of);
    Fault {
        kind: kind.unwrap_or("SystemError").to_owned(),
        words: error.and_then(|error| child_text(error, "localizedMessage")).unwrap_or_default(),
    }
}
