//! What several partitions have ready is written in one transaction; what is wrong with one of them is its own matter.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use sqlx::{Connection, PgConnection};
use transhume::base::id::PartitionId;
use transhume::base::time::Timestamp;
use transhume::partition::transaction::{Fence, Record, Transaction};
use transhume::partition::{CommitError, Input};
use transhume::store::Store;

use crate::support::postgres;

const ROUNDS: i64 = 5;

async fn open(store: &Store, partition: i64, owner: &str) -> Fence {
    let partition = PartitionId(partition);
    let opened = store.open_partition(partition, owner, Timestamp(0)).await.expect("taken");
    let Input::Opened { epoch, position, next_id, clock, .. } = opened else { panic!("{opened:?}") };
    Fence { partition, epoch, batch: 0, position, next_id, clock }
}

/// One record, under the fence of the batch before.
fn next(fence: &mut Fence, cause: &'static str) -> Arc<Transaction> {
    fence.position += 1;
    fence.batch += 1;
    let record = Record { position: fence.position, instance: None, at: Timestamp(1), cause, events: Vec::new() };
    Arc::new(Transaction { fence: fence.clone(), records: vec![record], ..Transaction::default() })
}

#[tokio::test]
async fn partitions_commit_together_and_fail_alone() {
    let Some(url) = postgres::database("partitions_commit_together_and_fail_alone").await else { return };
    let store = Store::open(&url).await.expect("opens");
    let partitions = store.divide().await.expect("is divided");
    let mut fences = Vec::new();
    for partition in 0..partitions {
        fences.push(open(&store, partition, "one").await);
    }
    // Both writers wait for these rows, and the other partitions for a writer.
    let mut admin = PgConnection::connect(&url).await.expect("connects");
    sqlx::query("BEGIN").execute(&mut admin).await.expect("begins");
    let rows = "SELECT id FROM partition WHERE id IN (0, 1) FOR UPDATE";
    sqlx::query(rows).execute(&mut admin).await.expect("they are held");
    let commits = join_all(fences.iter_mut().map(|fence| store.commit(next(fence, "test"))));
    let release = async {
        until_two_wait(&url).await;
        sqlx::query("COMMIT").execute(&mut admin).await.expect("they are free");
    };
    let (done, ()) = tokio::join!(commits, release);
    assert!(done.iter().all(Result::is_ok), "{done:?}");
    let (rows, transactions) = counted(&url).await;
    assert_eq!((rows, transactions), (partitions, 3), "one of each writer, and all others together");

    let (taken, refused) = (5, 9);
    let other = Store::open(&url).await.expect("opens");
    open(&other, taken, "two").await;
    for round in 0..ROUNDS {
        // PostgreSQL takes no text with a NUL.
        let is_refused = |partition: i64| partition == refused && round % 2 == 1;
        let before = fences.clone();
        let commits = fences.iter_mut().map(|fence| {
            let cause = if is_refused(fence.partition.0) { "no\0thing" } else { "test" };
            store.commit(next(fence, cause))
        });
        let done = join_all(commits).await;
        for (fence, (before, done)) in fences.iter_mut().zip(before.into_iter().zip(done)) {
            let partition = fence.partition.0;
            match done {
                Ok(()) => assert!(partition != taken && !is_refused(partition), "{partition} in round {round}"),
                Err(CommitError::Fenced) => assert_eq!(partition, taken, "a former owner writes nothing"),
                Err(CommitError::Refused(_)) => {
                    assert!(is_refused(partition), "{partition} in round {round}");
                    *fence = before;
                }
                Err(CommitError::Failed) => panic!("partition {partition} in round {round}"),
            }
        }
    }
    assert_eq!(counted(&url).await.0, rows + (partitions - 1) * ROUNDS - ROUNDS / 2);
}

/// Two sessions of this database wait for rows; bounded.
async fn until_two_wait(url: &str) {
    let mut own = PgConnection::connect(url).await.expect("connects");
    let text = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    for _ in 0..400 {
        let waiting: i64 = sqlx::query_scalar(text).fetch_one(&mut own).await.expect("a number");
        if waiting == 2 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no two writers wait");
}

/// Rows of the history, and the transactions that wrote them.
async fn counted(url: &str) -> (i64, i64) {
    let mut admin = PgConnection::connect(url).await.expect("connects");
    let count = "SELECT count(*), count(DISTINCT xmin::text) FROM history";
    sqlx::query_as(count).fetch_one(&mut admin).await.expect("two numbers")
}
