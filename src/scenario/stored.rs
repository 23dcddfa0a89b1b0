//! A case's instances in a real database: the store that the server runs on, emptied before each case.

use crate::base::access::Access;
use crate::base::id::InstanceId;
use crate::base::time::Timestamp;
use crate::partition::transaction::{StoredInstance, Told};
use crate::partition::{Input, Output, first_partition};
use crate::scenario::database::Database;
use crate::store::queries::record::PastDecisionRecord;
use crate::store::queries::select::{Condition, Select, column};
use crate::store::{Store, StoreError, scratch};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// Names the owner of the partition; there is no other.
const OWNER: &str = "process-test";

/// The runner is no asynchronous program: each call runs to its end on a runtime of its own.
pub(super) struct Stored {
    runtime: Runtime,
    store: Store,
    /// What is to be removed in the end.
    place: Place,
}

enum Place {
    Folder(#[expect(dead_code, reason = "dropping it removes it")] TempDir),
    Database(String),
}

impl Stored {
    pub(super) fn sqlite() -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
        let address = format!("sqlite:{}", folder.path().join("case.db").display());
        let runtime = runtime()?;
        let store = runtime.block_on(Store::open(&address)).map_err(words)?;
        Ok(Self { runtime, store, place: Place::Folder(folder) })
    }

    pub(super) fn postgres(server: &str) -> Result<Self, String> {
        let runtime = runtime()?;
        let address = runtime.block_on(scratch::create(server)).map_err(words)?;
        let store = runtime.block_on(Store::open(&address)).map_err(words)?;
        Ok(Self { runtime, store, place: Place::Database(address) })
    }
}

impl Database for Stored {
    fn clear(&mut self) -> Result<(), String> {
        self.runtime.block_on(self.store.clear()).map_err(words)
    }

    fn open(&mut self) -> Result<Input, String> {
        let opened = self.store.open_partition(first_partition(), OWNER, Timestamp(0));
        self.runtime.block_on(opened).map_err(words)
    }

    fn answer(&mut self, output: Output) -> Result<Result<Input, Output>, String> {
        let answer = self.runtime.block_on(self.store.answer(first_partition(), &output)).map_err(words)?;
        Ok(answer.ok_or(output))
    }

    fn stored(&mut self, instances: &[InstanceId]) -> Result<Vec<StoredInstance>, String> {
        self.runtime.block_on(self.store.instances(instances)).map_err(words)
    }

    fn decided(&mut self, root: InstanceId) -> Result<Vec<(String, Told)>, String> {
        let conditions = vec![Condition::equal(column::ROOT, root.0)];
        let select = Select { conditions, order: vec![(column::AT.into(), false)], ..Select::default() };
        let rows = self.runtime.block_on(self.store.list(&Access::system(), &select)).map_err(words)?;
        let told = |row: PastDecisionRecord| Ok((row.key, serde_json::from_str(&row.body).map_err(|e| e.to_string())?));
        rows.into_iter().map(told).collect()
    }
}

impl Drop for Stored {
    fn drop(&mut self) {
        self.runtime.block_on(self.store.close());
        if let Place::Database(address) = &self.place
            && let Err(error) = self.runtime.block_on(scratch::remove(address))
        {
            tracing::warn!("a database of a process test was not removed: {error}");
        }
    }
}

fn runtime() -> Result<Runtime, String> {
    Builder::new_current_thread().enable_all().build().map_err(|error| format!("the runtime does not start: {error}"))
}

#[expect(clippy::needless_pass_by_value, reason = "given to map_err")]
fn words(error: StoreError) -> String {
    error.to_string()
}
