//! What is due, as [`due_of`](crate::partition::due_of) names it: timers, leases that end, jobs without a lease.
//!
//! A job that never rested is due since it was made, never later than now; such ones are read with the backlog of their
//! topic, so that an index holds only those that rest. Of topics that nobody offers they are left out.

use super::load::local;
use super::{Bind, Database};
use crate::base::id::{InstanceId, LocalId, PartitionId, TokenId};
use crate::base::limits::SCHEDULE_WINDOW_MAX;
use crate::base::time::Timestamp;
use crate::partition::{Due, DueWhat};
use crate::store::code;
use crate::store::error::StoreError;

const OPEN: &str = "holder IS NULL AND incident = 0 AND suspended = 0 AND (retries IS NULL OR retries > 0)";
const MINE: &str = "instance >= $1 AND instance < $2";

type JobColumns = (i64, i64, i16, String, i64);

impl Database {
    pub(in crate::store) async fn schedule(
        &self,
        partition: PartitionId,
        until: Timestamp,
        since: Timestamp,
        topics: &[String],
    ) -> Result<Vec<Due>, StoreError> {
        let mut entries = self.timers(partition, until).await?;
        entries.extend(self.lease_ends(partition, until).await?);
        entries.extend(self.resting(partition, until, since).await?);
        entries.extend(self.continuations(partition, until).await?);
        entries.sort();
        entries.truncate(SCHEDULE_WINDOW_MAX);
        if !topics.is_empty() {
            entries.extend(self.backlog(partition, until, since, topics).await?);
        }
        Ok(entries)
    }

    async fn timers(&self, partition: PartitionId, until: Timestamp) -> Result<Vec<Due>, StoreError> {
        let text = format!(
            "SELECT instance, id, due FROM timer WHERE {MINE} AND due < $3 AND suspended = 0 ORDER BY due, instance, id \
             LIMIT {SCHEDULE_WINDOW_MAX}"
        );
        let rows: Vec<(i64, i64, i64)> = self.fetch(text, reach(partition, until)).await?;
        let entry = |(instance, id, due)| {
            let what = DueWhat::Timer(InstanceId(instance), LocalId(local(id)?));
            Ok(Due { at: Timestamp(due), what })
        };
        rows.into_iter().map(entry).collect()
    }

    async fn lease_ends(&self, partition: PartitionId, until: Timestamp) -> Result<Vec<Due>, StoreError> {
        let text = format!(
            "SELECT instance, token, lease_no, leased_until FROM job WHERE {MINE} AND holder IS NOT NULL AND \
             incident = 0 AND leased_until < $3 ORDER BY leased_until, instance, token LIMIT {SCHEDULE_WINDOW_MAX}"
        );
        let rows: Vec<(i64, i64, i64, i64)> = self.fetch(text, reach(partition, until)).await?;
        let entry = |(instance, token, lease_no, at)| {
            let what = DueWhat::LeaseEnd(InstanceId(instance), TokenId(local(token)?), lease_no);
            Ok(Due { at: Timestamp(at), what })
        };
        rows.into_iter().map(entry).collect()
    }

    async fn resting(
        &self,
        partition: PartitionId,
        until: Timestamp,
        since: Timestamp,
    ) -> Result<Vec<Due>, StoreError> {
        let text = format!(
            "SELECT instance, token, kind, topic, due FROM job WHERE {MINE} AND {OPEN} AND due > created_at AND \
             kind <> 1 AND due < $3 AND due >= $4 ORDER BY due, instance, token LIMIT {SCHEDULE_WINDOW_MAX}"
        );
        let mut binds = reach(partition, until);
        binds.push(Bind::Int(since.0));
        self.jobs(text, binds).await
    }

    async fn continuations(&self, partition: PartitionId, until: Timestamp) -> Result<Vec<Due>, StoreError> {
        let text = format!(
            "SELECT instance, token, kind, topic, due FROM job WHERE {MINE} AND {OPEN} AND kind = 1 AND due < $3 \
             ORDER BY due, instance, token LIMIT {SCHEDULE_WINDOW_MAX}"
        );
        self.jobs(text, reach(partition, until)).await
    }

    async fn backlog(
        &self,
        partition: PartitionId,
        until: Timestamp,
        since: Timestamp,
        topics: &[String],
    ) -> Result<Vec<Due>, StoreError> {
        // One that never rested may be due at this very moment: a process that was killed left it, and its clock stands.
        let marks: Vec<String> = (0..topics.len()).map(|number| format!("${}", number + 5)).collect();
        let text = format!(
            "SELECT instance, token, kind, topic, due FROM job WHERE {MINE} AND {OPEN} AND kind <> 1 AND due < $3 AND \
             (due < $4 OR due <= created_at) AND topic IN ({}) ORDER BY due, instance, token LIMIT {SCHEDULE_WINDOW_MAX}",
            marks.join(", ")
        );
        let mut binds = reach(partition, until);
        binds.push(Bind::Int(since.0));
        binds.extend(topics.iter().cloned().map(Bind::Text));
        self.jobs(text, binds).await
    }

    async fn jobs(&self, text: String, binds: Vec<Bind>) -> Result<Vec<Due>, StoreError> {
        let rows: Vec<JobColumns> = self.fetch(text, binds).await?;
        let entry = |(instance, token, kind, topic, due): JobColumns| {
            let kind = code::job_kind_of(kind)
                .ok_or_else(|| StoreError::Unreadable(format!("a job of instance {instance} is of kind {kind}")))?;
            let what = DueWhat::JobReady(InstanceId(instance), TokenId(local(token)?), kind, topic);
            Ok(Due { at: Timestamp(due), what })
        };
        rows.into_iter().map(entry).collect()
    }
}

/// The instances of a partition, and a time.
fn reach(partition: PartitionId, until: Timestamp) -> Vec<Bind> {
    let first = InstanceId::new(partition, 0);
    let beyond = InstanceId::new(PartitionId(partition.0 + 1), 0);
    vec![Bind::Int(first.0), Bind::Int(beyond.0), Bind::Int(until.0)]
}
