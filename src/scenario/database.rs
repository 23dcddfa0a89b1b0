//! Where a case's instances are stored: memory, or a real database. Both answer the same words of the partition.

use crate::base::id::InstanceId;
use crate::partition::memory::Memory;
use crate::partition::transaction::{PastDecision, PastRow, StoredInstance, Told};
use crate::partition::{Input, Output, first_partition};
use crate::scenario::StoreKind;
use crate::scenario::stored::Stored;

pub trait Database {
    /// Forgets everything: the next case begins.
    fn clear(&mut self) -> Result<(), String>;
    /// A new owner begins: what the store holds.
    fn open(&mut self) -> Result<Input, String>;
    /// The word about an output; none if it is not for a database.
    fn answer(&mut self, output: Output) -> Result<Result<Input, Output>, String>;
    /// Those of the instances that are stored.
    fn stored(&mut self, instances: &[InstanceId]) -> Result<Vec<StoredInstance>, String>;
    /// The history of decisions of a root instance and those that it called, oldest first: by their keys.
    fn decided(&mut self, root: InstanceId) -> Result<Vec<(String, Told)>, String>;
}

impl Database for Memory {
    fn clear(&mut self) -> Result<(), String> {
        *self = Self::new(1);
        Ok(())
    }

    fn open(&mut self) -> Result<Input, String> {
        Ok(Memory::open(self, first_partition()))
    }

    fn answer(&mut self, output: Output) -> Result<Result<Input, Output>, String> {
        Ok(Memory::answer(self, first_partition(), output))
    }

    fn stored(&mut self, instances: &[InstanceId]) -> Result<Vec<StoredInstance>, String> {
        Ok(instances.iter().filter_map(|id| Memory::stored(self, *id)).collect())
    }

    fn decided(&mut self, root: InstanceId) -> Result<Vec<(String, Told)>, String> {
        let of_root = self.past.values().filter(|(common, _)| common.root == root);
        let mut rows: Vec<&PastDecision> = of_root
            .filter_map(|(_, row)| if let PastRow::Decision(row) = row { Some(row.as_ref()) } else { None })
            .collect();
        rows.sort_by_key(|row| row.at);
        Ok(rows.into_iter().map(|row| (row.key.clone(), row.told.clone())).collect())
    }
}

/// An empty database of the kind that was asked for; what it holds is gone when it is dropped.
pub fn fresh(kind: &StoreKind) -> Result<Box<dyn Database>, String> {
    Ok(match kind {
        StoreKind::Memory => Box::new(Memory::new(1)),
        StoreKind::Sqlite => Box::new(Stored::sqlite()?),
        StoreKind::Postgres(server) => Box::new(Stored::postgres(server)?),
    })
}
