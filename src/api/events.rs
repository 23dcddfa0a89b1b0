//! `/api/events`: what changed, as server-sent events (`rest.md` 9).
//!
//! The hub numbers what the node commits and keeps ten minutes of it, so that a listener who lost the connection goes on
//! where it stopped; who comes later gets one `reset` and reads everything again.

use super::call::Call;
use super::error::{Answer, ApiError};
use super::guarded::Guarded;
use super::params::Query;
use crate::base::id::InstanceId;
use crate::base::time::Timestamp;
use crate::partition::Notice;
use crate::runtime::clock::{Clock, SystemClock};
use crate::runtime::node::Node;
use crate::store::queries::record::{DeploymentRecord, InstanceRecord, PastTaskRecord, TaskRecord};
use crate::store::queries::select::{Condition, column};
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use serde_json::json;
use std::collections::{BTreeSet, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::broadcast;

/// Topics of the stream that this server has news of.
const TOPICS: [&str; 9] = ["task", "instance", "incident", "job", "deployment", "programme", "wave", "server", "kpi"];
const KEPT_MS: i64 = 10 * 60 * 1_000;
const KEPT_MAX: usize = 20_000;
/// A listener that falls further behind begins anew.
const BEHIND_MAX: usize = 1_024;
const COMMENT: Duration = Duration::from_secs(15);

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change {
    number: u64,
    at: Timestamp,
    topic: &'static str,
    kind: &'static str,
    id: String,
    instance: Option<InstanceId>,
}

#[derive(Clone, Debug)]
pub(crate) struct Hub(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    news: broadcast::Sender<Arc<Change>>,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    last: u64,
    changes: VecDeque<Arc<Change>>,
}

impl Hub {
    /// Numbers and keeps what the node says until it is gone.
    pub(crate) fn follow(node: &Node) -> Self {
        let (news, _) = broadcast::channel(BEHIND_MAX);
        let hub = Self(Arc::new(Inner { news, kept: Mutex::default() }));
        let (mut notices, own) = (node.events(), hub.clone());
        tokio::spawn(async move {
            loop {
                match notices.recv().await {
                    Ok(notice) => own.hear(&notice),
                    Err(broadcast::error::RecvError::Lagged(_)) => own.forget(),
                    Err(broadcast::error::RecvError::Closed) => return,
                }
            }
        });
        hub
    }

    pub(crate) fn publish(&self, topic: &'static str, kind: &'static str, id: &str, instance: Option<InstanceId>) {
        let at = SystemClock.now();
        let mut kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.last += 1;
        let change = Arc::new(Change { number: kept.last, at, topic, kind, id: id.to_owned(), instance });
        kept.changes.push_back(Arc::clone(&change));
        while kept.changes.len() > KEPT_MAX || kept.changes.front().is_some_and(|old| old.at.plus_ms(KEPT_MS) < at) {
            kept.changes.pop_front();
        }
        // Under the lock, so that numbers leave in order. Nobody listens: nothing to tell.
        let _listeners = self.0.news.send(change);
    }

    fn hear(&self, notice: &Notice) {
        match notice {
            Notice::Changed { instance, topics } => {
                for topic in TOPICS.iter().filter(|topic| topics.contains(*topic)) {
                    self.publish(topic, "changed", &instance.to_string(), Some(*instance));
                }
            }
            Notice::Deployed { deployment } => self.publish("deployment", "created", &deployment.to_string(), None),
            Notice::Run { .. }
            | Notice::JobOpen { .. }
            | Notice::Abort { .. }
            | Notice::Letter { .. }
            | Notice::Posted { .. }
            | Notice::Answered { .. }
            | Notice::Unreadable { .. } => {}
        }
    }

    /// Some news was lost: nobody can go on from before.
    fn forget(&self) {
        let mut kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.changes.clear();
        kept.last += 1;
    }

    /// The changes since a number, `None` if not all are kept, and those to come.
    fn since(&self, last: Option<u64>) -> (Option<Vec<Arc<Change>>>, broadcast::Receiver<Arc<Change>>) {
        let kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let news = self.0.news.subscribe();
        let Some(last) = last else {
            return (Some(Vec::new()), news);
        };
        let oldest = kept.changes.front().map_or(kept.last + 1, |change| change.number);
        if last > kept.last || last + 1 < oldest {
            return (None, news);
        }
        (Some(kept.changes.iter().filter(|change| change.number > last).cloned().collect()), news)
    }
}

/// What one listener wants to hear.
struct Listener {
    call: Call,
    topics: BTreeSet<String>,
    instance: Option<InstanceId>,
    backlog: VecDeque<Arc<Change>>,
    news: broadcast::Receiver<Arc<Change>>,
    /// Told first: everything may have changed.
    reset: bool,
}

pub(crate) async fn events(call: Call, query: Query, headers: HeaderMap) -> Answer {
    let topics = match query.get("topics") {
        None | Some("") => TOPICS.iter().map(|topic| (*topic).to_owned()).collect(),
        Some(text) => text.split(',').map(|topic| topic.trim().to_owned()).collect(),
    };
    let instance = match query.get("instance") {
        None | Some("") => None,
        Some(text) => {
            let wrong = || ApiError::invalid(format!("{text:?} is no instance's id."));
            Some(super::wire::instance(text).ok_or_else(wrong)?)
        }
    };
    // The browser's own way to go on, and one for clients that cannot set the header.
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()).or_else(|| query.get("lastEventId"));
    let known = last.map(|last| last.parse::<u64>().ok());
    let (backlog, news) = call.state.hub.since(known.flatten());
    let reset = backlog.is_none() || known == Some(None);
    let listener = Listener { call, topics, instance, backlog: backlog.unwrap_or_default().into(), news, reset };
    Ok(Sse::new(stream(listener)).keep_alive(KeepAlive::new().interval(COMMENT)).into_response())
}

fn stream(listener: Listener) -> impl Stream<Item = Result<Event, Infallible>> {
    futures_util::stream::unfold(listener, |mut listener| async move {
        let event = listener.next().await?;
        Some((Ok(event), listener))
    })
}

impl Listener {
    async fn next(&mut self) -> Option<Event> {
        if std::mem::take(&mut self.reset) {
            return Some(Event::default().event("reset").data(""));
        }
        loop {
            let change = match self.backlog.pop_front() {
                Some(change) => change,
                None => match self.heard().await {
                    Ok(change) => change,
                    Err(broadcast::error::RecvError::Lagged(_)) => {
                        return Some(Event::default().event("reset").data(""));
                    }
                    Err(broadcast::error::RecvError::Closed) => return None,
                },
            };
            if self.wants(&change).await {
                return Some(event(&change));
            }
        }
    }

    /// The next change; closed also when the server is about to stop, which would wait for this stream.
    async fn heard(&mut self) -> Result<Arc<Change>, broadcast::error::RecvError> {
        tokio::select! {
            change = self.news.recv() => change,
            () = self.call.state.node().closing() => Err(broadcast::error::RecvError::Closed),
        }
    }

    async fn wants(&self, change: &Change) -> bool {
        let asked = self.topics.contains(change.topic) && (self.instance.is_none() || self.instance == change.instance);
        asked && self.may_see(change).await
    }

    /// Only what the caller may read. Programmes are asked for again, and then only his own are answered.
    async fn may_see(&self, change: &Change) -> bool {
        if self.call.caller.sees_all() {
            return true;
        }
        match (change.topic, change.instance) {
            ("deployment", None) => match super::wire::number(&change.id) {
                Some(id) => self.sees::<DeploymentRecord>(Condition::equal(column::NUMBER, id)).await,
                None => false,
            },
            (_, None) => true,
            (topic, Some(instance)) => {
                self.sees::<InstanceRecord>(Condition::equal(column::NUMBER, instance.0)).await
                    || (topic == "task" && self.is_involved(instance).await)
            }
        }
    }

    /// Who works on a task of an instance may see nothing else of it, and hears of its tasks.
    async fn is_involved(&self, instance: InstanceId) -> bool {
        let of = Condition::equal(column::INSTANCE, instance.0);
        let had = Condition::equal(column::ASSIGNEE, self.call.caller.user.as_str());
        let before = [of.clone(), had];
        self.sees::<TaskRecord>(of).await
            || self.call.caller.is(&self.call.caller.user)
                && self.call.behind().count::<PastTaskRecord>(&before).await.is_ok_and(|count| count > 0)
    }

    async fn sees<R: Guarded>(&self, which: Condition) -> bool {
        self.call.count::<R>(&[which]).await.is_ok_and(|count| count > 0)
    }
}

fn event(change: &Change) -> Event {
    let instance = change.instance.map(|instance| instance.to_string());
    let data = json!({ "kind": change.kind, "id": change.id, "instance": instance });
    Event::default().id(change.number.to_string()).event(change.topic).data(data.to_string())
}
