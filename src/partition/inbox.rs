//! The inbox of a partition: what came from elsewhere is read in windows, and each parcel is taken in once.

use super::machine::{Item, Job, Partition};
use super::parcel::{Asker, Parcel, ParcelId};
use super::transaction::ParcelRow;
use super::{Notice, Output, Request, RequestId};
use std::collections::{BTreeMap, BTreeSet};

/// Parcels of one reading; more are read when these are done.
pub const INBOX_READ_MAX: usize = 1_000;

#[derive(Debug, Default)]
pub(super) struct Inbox {
    /// Taken in, and not taken out in a stored transaction.
    held: BTreeSet<ParcelId>,
    /// Taken out since the reading was asked for that is still to come: it may tell of them.
    gone: BTreeSet<ParcelId>,
    asked: bool,
    /// Something may have come after that reading.
    look: bool,
    /// The last reading was full.
    more: bool,
    /// Catalogues asked for, and the last one that came.
    catalogs_asked: u64,
    catalog_here: u64,
    requests: u64,
    pub(super) askers: BTreeMap<RequestId, Asker>,
}

impl Inbox {
    pub(super) fn look(&mut self) {
        self.look = true;
    }

    pub(super) fn ask(&mut self) -> Option<Output> {
        if !self.look || self.asked {
            return None;
        }
        (self.look, self.asked) = (false, true);
        self.gone.clear();
        Some(Output::LoadInbox)
    }

    /// Those taken out are stored as such.
    pub(super) fn taken_out(&mut self, ids: &[ParcelId]) {
        for id in ids {
            self.held.remove(id);
            if self.asked {
                self.gone.insert(*id);
            }
        }
        self.askers.retain(|_, asker| !ids.contains(&asker.parcel));
        if self.more && self.held.len() < INBOX_READ_MAX / 2 {
            (self.more, self.look) = (false, true);
        }
    }

    pub(super) fn ask_catalog(&mut self) -> Output {
        self.catalogs_asked += 1;
        Output::LoadCatalog { ask: self.catalogs_asked }
    }

    pub(super) fn catalog_came(&mut self, ask: u64) {
        self.catalog_here = self.catalog_here.max(ask);
    }

    pub(super) fn has_catalog(&self, ask: u64) -> bool {
        self.catalog_here >= ask
    }

    /// Numbers from the end, so that they meet none of the caller's.
    fn request_id(&mut self) -> RequestId {
        self.requests += 1;
        RequestId::MAX - self.requests
    }
}

impl Partition {
    /// What a reading of the inbox gave.
    pub(super) fn parcels(&mut self, rows: Vec<ParcelRow>) {
        self.inbox.asked = false;
        self.inbox.more = rows.len() >= INBOX_READ_MAX;
        for row in rows {
            if self.inbox.gone.contains(&row.id) || !self.inbox.held.insert(row.id) {
                continue;
            }
            match serde_json::from_str(&row.body) {
                Ok(parcel) => self.take_in(row.id, parcel),
                // Of a newer program, which takes it when it owns the partition.
                Err(error) => {
                    let why = format!("the parcel {} cannot be read, and is kept: {error}", row.id);
                    self.out.push_back(Output::Effect(Notice::Unreadable { why }));
                }
            }
        }
    }

    fn take_in(&mut self, id: ParcelId, parcel: Parcel) {
        let job = match parcel {
            Parcel::Request(asked) => {
                let request =
                    Request { id: self.inbox.request_id(), key: asked.key, user: asked.user, work: asked.work };
                let asker = Asker { parcel: id, node: asked.node, number: asked.number };
                self.inbox.askers.insert(request.id, asker);
                return self.enter(request);
            }
            Parcel::Catalog => {
                let ask = self.inbox.ask_catalog();
                self.out.push_back(ask);
                Job::Parcel { id, parcel: Parcel::Catalog, catalog: self.inbox.catalogs_asked }
            }
            parcel @ (Parcel::Letter { .. } | Parcel::Command { .. } | Parcel::Start { .. }) => {
                Job::Parcel { id, parcel, catalog: 0 }
            }
        };
        self.queue.push_back(Item::new(job));
    }
}
