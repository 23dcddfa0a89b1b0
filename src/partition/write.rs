//! From a changed instance to rows: documents of changed scopes, and the difference of its index rows.

use super::cache::Resident;
use super::machine::Refusal;
use super::schedule::due_of;
use super::transaction::{IndexWrite, InstanceRow, PastWrite, ScopeRow, Transaction};
use super::{Due, Notice};
use crate::base::id::{InstanceId, ROOT_SCOPE, ScopeId};
use crate::base::limits::{INSTANCE_BYTES_MAX, SCOPE_BYTES_MAX};
use crate::base::time::Timestamp;
use crate::engine::document;
use crate::engine::index::{self, Common, Index, IndexKey, IndexRow};
use std::sync::Arc;

/// What the schedule and the screens learn from the rows of a batch.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) dues: Vec<Due>,
    pub(super) dues_gone: Vec<Due>,
    pub(super) notices: Vec<Notice>,
}

/// Writes one instance, once per batch, whatever number of commands it took.
pub(super) fn instance(
    resident: &mut Resident,
    tx: &mut Transaction,
    written: &mut Written,
    now: Timestamp,
) -> Result<(), Refusal> {
    let mut rows = Rows { tx, written, now, topics: Vec::new(), id: resident.instance.id() };
    let common = Arc::new(index::common(&resident.instance));
    let before = resident.common.replace(Arc::clone(&common));
    let all_anew = before.as_deref().is_none_or(|before| *before != *common);
    let before = before.unwrap_or_else(|| Arc::clone(&common));
    let ended = resident.instance.head.state.is_ended();
    if all_anew || ended {
        rows.topic("instance");
    }
    let closed = std::mem::take(&mut resident.instance.closed);
    let gone: Vec<ScopeId> =
        if ended { resident.index.keys().copied().collect() } else { closed.into_iter().collect() };
    for scope in gone {
        if let Some(old) = resident.index.remove(&scope) {
            resident.resize(scope, 0);
            resident.incidents -= rows.drop_scope(scope, &before, old);
        }
    }
    let dirty = std::mem::take(&mut resident.instance.dirty);
    let mut body = String::new();
    if !ended {
        for scope in dirty {
            let text = if scope == ROOT_SCOPE {
                document::encode_root(&resident.instance)
            } else {
                document::encode_scope(&resident.instance, scope)
            };
            if text.len() > SCOPE_BYTES_MAX {
                return Err(Refusal::TooLarge { what: "the data of one scope", limit: SCOPE_BYTES_MAX });
            }
            resident.resize(scope, text.len());
            let new = index::index(&resident.instance, scope);
            let old = resident.index.remove(&scope).unwrap_or_default();
            resident.incidents += rows.diff(&before, &common, &old, &new, all_anew);
            resident.index.insert(scope, new);
            if scope == ROOT_SCOPE {
                body = text;
            } else {
                rows.tx.scopes.push(ScopeRow { instance: rows.id, scope, body: text });
            }
        }
        if resident.bytes() > INSTANCE_BYTES_MAX {
            return Err(Refusal::TooLarge { what: "the data of one instance", limit: INSTANCE_BYTES_MAX });
        }
    }
    let past = std::mem::take(&mut resident.past);
    rows.tx.past.extend(past.into_iter().map(|(key, row)| PastWrite { common: Arc::clone(&common), key, row }));
    rows.tx.instances.push(InstanceRow {
        head: resident.instance.head.clone(),
        process: common.process.clone(),
        incidents: resident.incidents,
        body,
    });
    rows.tell();
    Ok(())
}

struct Rows<'a> {
    tx: &'a mut Transaction,
    written: &'a mut Written,
    now: Timestamp,
    /// What changed, in words that screens know.
    topics: Vec<&'static str>,
    id: InstanceId,
}

impl Rows<'_> {
    fn topic(&mut self, topic: &'static str) {
        if !self.topics.contains(&topic) {
            self.topics.push(topic);
        }
    }

    /// A stored scope is no more; answers how many incidents went with it.
    fn drop_scope(&mut self, scope: ScopeId, common: &Arc<Common>, old: Index) -> i64 {
        if scope != ROOT_SCOPE {
            self.tx.scopes_gone.push((self.id, scope));
        }
        let mut incidents = 0;
        for (key, row) in old {
            incidents += i64::from(is_incident(&key));
            self.row_gone(common, key, &row);
        }
        incidents
    }

    /// The rows that differ; answers by how many incidents more there are now. Both maps are ordered, so one walk suffices.
    fn diff(&mut self, before: &Arc<Common>, common: &Arc<Common>, old: &Index, new: &Index, all_anew: bool) -> i64 {
        let mut incidents = 0;
        let mut former = old.iter().peekable();
        for (key, row) in new {
            while let Some((gone, gone_row)) = former.next_if(|(former, _)| *former < key) {
                incidents -= i64::from(is_incident(gone));
                self.row_gone(before, gone.clone(), gone_row);
            }
            let old_row = former.next_if(|(former, _)| *former == key).map(|(_, row)| row);
            if old_row.is_none() {
                incidents += i64::from(is_incident(key));
            }
            if all_anew || old_row != Some(row) {
                self.row_written((before, old_row), common, key, row);
            }
        }
        for (gone, gone_row) in former {
            incidents -= i64::from(is_incident(gone));
            self.row_gone(before, gone.clone(), gone_row);
        }
        incidents
    }

    fn row_gone(&mut self, common: &Arc<Common>, key: IndexKey, row: &IndexRow) {
        self.written.dues_gone.extend(due_of(common, &key, row));
        self.topic(topic_of(&key));
        self.tx.index_gone.push((self.id, key));
    }

    fn row_written(
        &mut self,
        (before, old): (&Arc<Common>, Option<&IndexRow>),
        common: &Arc<Common>,
        key: &IndexKey,
        row: &IndexRow,
    ) {
        let old = old.and_then(|old| due_of(before, key, old));
        let new = due_of(common, key, row);
        if old != new {
            if let Some(new) = &new
                && new.at <= self.now
                && let Some(topic) = new.wanted_topic()
            {
                self.tell_open(topic, row);
            }
            self.written.dues_gone.extend(old);
            self.written.dues.extend(new);
        }
        self.topic(topic_of(key));
        self.tx.index.push(IndexWrite { common: Arc::clone(common), key: key.clone(), row: row.clone() });
    }

    /// A job that no offer took is told to whoever waits for one.
    fn tell_open(&mut self, topic: &str, row: &IndexRow) {
        let IndexRow::Job(job) = row else { return };
        let notice = Notice::JobOpen { topic: topic.to_owned(), kind: job.kind };
        if !self.written.notices.contains(&notice) {
            self.written.notices.push(notice);
        }
    }

    fn tell(self) {
        if !self.topics.is_empty() {
            self.written.notices.push(Notice::Changed { instance: self.id, topics: self.topics });
        }
    }
}

fn is_incident(key: &IndexKey) -> bool {
    matches!(key, IndexKey::Incident(_))
}

fn topic_of(key: &IndexKey) -> &'static str {
    match key {
        IndexKey::Job(_) => "job",
        IndexKey::UserTask(_) | IndexKey::Candidate(..) => "task",
        IndexKey::Timer(_) => "timer",
        IndexKey::Subscription(_) => "subscription",
        IndexKey::Incident(_) => "incident",
        IndexKey::Variable(..) => "variable",
    }
}
