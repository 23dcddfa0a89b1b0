//! Parcels: what goes from one partition to another, or comes from a node that does not own this one.
//!
//! A parcel is written in the sender's transaction and taken out in the receiver's, so that it is applied once whatever dies
//! in between, and nobody has to send it again.

use super::batch::{Abandon, Batch};
use super::letter::Letter;
use super::machine::Refusal;
use super::transaction::{CommandKey, OutcomeRow, ParcelRow};
use super::{Target, Which, Work, first_partition};
use crate::base::id::{DefinitionId, InstanceId, PartitionId};
use crate::base::mark::seen;
use crate::base::planted;
use crate::engine::command::{Command, Create, Rejection};
use crate::partition::Reply;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Unique in an inbox: from a partition an id of its own, from a node a negative number of chance.
pub type ParcelId = i64;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Parcel {
    /// The share of a letter that is for instances of this partition.
    Letter {
        letter: Letter,
        to: Vec<Target>,
    },
    Command {
        instance: InstanceId,
        command: Box<Command>,
    },
    Start {
        definition: DefinitionId,
        create: Box<Create>,
    },
    /// What is deployed has changed.
    Catalog,
    /// What was asked at a node that does not own the partition.
    Request(Box<Asked>),
}

/// A request, and where its answer goes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Asked {
    pub node: String,
    /// The node's own number of it.
    pub number: i64,
    pub key: Option<(CommandKey, String)>,
    pub user: Option<String>,
    pub work: Work,
}

/// Who waits for the answer to a request that came as a parcel.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    pub(super) parcel: ParcelId,
    pub(super) node: String,
    pub(super) number: i64,
}

impl Parcel {
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a parcel is plain data")
    }
}

impl Batch<'_> {
    pub(super) fn parcel(&mut self, to: PartitionId, parcel: &Parcel) {
        let id = self.new_id().0;
        if planted::is("parcel-lost") {
            return;
        }
        self.tx.parcels.push(ParcelRow { to, id, at: self.now, body: parcel.to_json() });
    }

    /// Hands a letter to those of this partition, and a parcel to every other in which somebody gets it. Gives why the last
    /// one here refused it.
    pub(super) fn distribute(&mut self, letter: &Letter, to: &[Target]) -> Result<Option<Rejection>, Abandon> {
        let here = self.tx.fence.partition;
        let mut elsewhere: BTreeMap<PartitionId, Vec<Target>> = BTreeMap::new();
        let mut refused = None;
        for target in to {
            match target.partition() {
                Some(partition) if partition != here => elsewhere.entry(partition).or_default().push(target.clone()),
                Some(_) | None => refused = self.hand(letter, target)?,
            }
        }
        for (partition, to) in elsewhere {
            seen!("letter-to-another-partition");
            self.parcel(partition, &Parcel::Letter { letter: letter.clone(), to });
        }
        Ok(refused)
    }

    fn hand(&mut self, letter: &Letter, target: &Target) -> Result<Option<Rejection>, Abandon> {
        let heard = match target {
            Target::Waiting { instance, subscription } => {
                self.execute(*instance, letter.command(*subscription), None)?.map(|_| ())
            }
            Target::Start { definition, element } => {
                self.start(&Which::Id(*definition), letter.create(element.clone()), None)?.map(|_| ())
            }
        };
        Ok(heard.err())
    }

    /// Does what a parcel says, and takes it out of the inbox.
    pub(super) fn open(&mut self, id: ParcelId, parcel: &Parcel) -> Result<(), Abandon> {
        match parcel {
            Parcel::Letter { letter, to } => {
                let refused = self.distribute(letter, to)?;
                if refused.is_some() && matches!(letter, Letter::Message { .. }) {
                    seen!("message-looks-for-another");
                    // Its receiver has gone on: whoever delivers letters here looks for another.
                    self.post(letter.clone());
                }
            }
            Parcel::Command { instance, command } => {
                // Whoever has ended meanwhile needs it no more.
                let _ = self.execute(*instance, (**command).clone(), None)?;
            }
            Parcel::Start { definition, create } => {
                // As a start timer here: a process that cannot start now is not started later either.
                let _ = self.start(&Which::Id(*definition), (**create).clone(), None)?;
            }
            Parcel::Catalog => {}
            Parcel::Request(_) => unreachable!("requests are queued as such"),
        }
        self.take_out(id);
        Ok(())
    }

    /// A parcel at which the engine failed: where several instances are meant, each gets its own, so that one of them does not
    /// keep it from the others.
    pub(super) fn refuse_parcel(&mut self, id: ParcelId, parcel: &Parcel, why: &Refusal) -> Result<(), Abandon> {
        match parcel {
            Parcel::Letter { letter, to } if to.len() > 1 => {
                let here = self.tx.fence.partition;
                for target in to {
                    self.parcel(here, &Parcel::Letter { letter: letter.clone(), to: vec![target.clone()] });
                }
            }
            Parcel::Letter { to, .. } => {
                if let Some(Target::Waiting { instance, subscription }) = to.first() {
                    let token = self.owner_of(*instance, *subscription);
                    self.raise(*instance, token, why)?;
                }
            }
            Parcel::Command { instance, command } => self.raise(*instance, command.token(), why)?,
            Parcel::Start { .. } | Parcel::Catalog | Parcel::Request(_) => {}
        }
        self.take_out(id);
        Ok(())
    }

    pub(super) fn take_out(&mut self, id: ParcelId) {
        if !planted::is("parcel-stays") {
            self.tx.parcels_gone.push(id);
        }
    }

    /// The answer to a request that came as a parcel leaves with the transaction that takes it out.
    pub(super) fn answer_asker(&mut self, asker: Asker, result: &Result<Reply, Rejection>) {
        let body = serde_json::to_string(result).expect("an answer is plain data");
        self.tx.outcomes.push(OutcomeRow { node: asker.node, number: asker.number, at: self.now, body });
        self.take_out(asker.parcel);
    }

    /// What is deployed has changed: the other partitions hear of it.
    pub(super) fn tell_catalog(&mut self) {
        let all = (0..self.p.partitions).map(PartitionId);
        for partition in all.filter(|partition| *partition != first_partition()).collect::<Vec<_>>() {
            self.parcel(partition, &Parcel::Catalog);
        }
    }
}

impl Target {
    /// Where it lives; a process is started by whoever tells it.
    fn partition(&self) -> Option<PartitionId> {
        match self {
            Self::Waiting { instance, .. } => Some(instance.partition()),
            Self::Start { .. } => None,
        }
    }
}
