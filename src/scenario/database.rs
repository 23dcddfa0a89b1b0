//! Where a case's instances are stored: memory, or a real database. Both answer the same words of the partition.

use crate::base::id::{DefinitionId, InstanceId, TokenId};
use crate::base::time::Timestamp;
use crate::engine::definition::ProcessDefinition;
use crate::partition::memory::Memory;
use crate::partition::transaction::{CommandKey, InstanceRow, StoredInstance, Transaction};
use crate::partition::{CommitError, Input, first_partition};
use std::sync::Arc;

pub trait Database {
    /// A new owner begins: what the store holds.
    fn open(&mut self) -> Result<Input, String>;
    fn commit(&mut self, transaction: Transaction) -> Result<(), CommitError>;
    fn load(&mut self, instances: &[InstanceId], keys: &[CommandKey]) -> Result<Input, String>;
    fn load_definition(&mut self, id: DefinitionId) -> Result<Input, String>;
    fn load_closed(&mut self, instance: InstanceId, token: TokenId, lease_no: i64) -> Result<Input, String>;
    fn load_schedule(&mut self, until: Timestamp, since: Timestamp, topics: &[String]) -> Result<Input, String>;
    /// Every instance that has not ended.
    fn live(&mut self) -> Result<Vec<StoredInstance>, String>;
}

impl Database for Memory {
    fn open(&mut self) -> Result<Input, String> {
        Ok(Memory::open(self))
    }

    fn commit(&mut self, transaction: Transaction) -> Result<(), CommitError> {
        Memory::commit(self, transaction)
    }

    fn load(&mut self, instances: &[InstanceId], keys: &[CommandKey]) -> Result<Input, String> {
        Ok(Memory::load(self, instances, keys))
    }

    fn load_definition(&mut self, id: DefinitionId) -> Result<Input, String> {
        Ok(Memory::load_definition(self, id))
    }

    fn load_closed(&mut self, instance: InstanceId, token: TokenId, lease_no: i64) -> Result<Input, String> {
        Ok(Memory::load_closed(self, instance, token, lease_no))
    }

    fn load_schedule(&mut self, until: Timestamp, since: Timestamp, topics: &[String]) -> Result<Input, String> {
        Ok(Memory::load_schedule(self, until, since, topics))
    }

    fn live(&mut self) -> Result<Vec<StoredInstance>, String> {
        let live = |row: &&InstanceRow| !row.head.state.is_ended();
        Ok(self.instances.values().filter(live).filter_map(|row| self.stored(row.head.id)).collect())
    }
}

pub fn memory() -> Box<dyn Database> {
    Box::new(Memory::new(first_partition()))
}

/// A definition as the database would answer it, for callers that only need the process.
pub fn definition_of(input: Input) -> Option<Arc<ProcessDefinition>> {
    if let Input::Definition(definition) = input { Some(definition) } else { None }
}
