//! Planted bugs of the store, each hunted with and without the bug on a SQLite file that two processes share.

use std::sync::Arc;

use sqlx::{Connection, SqliteConnection};
use transhume::base::planted::plant;
use transhume::base::time::{DAY_MS, Timestamp};
use transhume::partition::CommitError;
use transhume::store::Store;

use super::hazards::{address, open};
use super::random::Random;
use crate::support::say::say;

type Found = Result<(), String>;

/// Two writers meet in so many commits at the latest.
const ROUNDS: usize = 300;

async fn two(folder: &tempfile::TempDir) -> (Store, Store) {
    let address = address(folder);
    (Store::open(&address).await.expect("opens"), Store::open(&address).await.expect("opens"))
}

/// I5: a former owner writes nothing.
async fn fence(folder: &tempfile::TempDir) -> Found {
    let (first, second) = two(folder).await;
    let mut former = open(&first, "one").await;
    open(&second, "two").await;
    for seed in 1..6 {
        let tx = Random::new(seed).transaction(&former);
        match first.commit(Arc::new(tx.clone())).await {
            Err(CommitError::Fenced) => {}
            Ok(()) => return Err("I5, a former owner has written".into()),
            Err(_) => former = open(&first, "one").await,
        }
    }
    Ok(())
}

/// I10: a batch whose statement fails is not stored in half.
async fn statement(folder: &tempfile::TempDir) -> Found {
    let (store, _) = two(folder).await;
    let fence = open(&store, "one").await;
    let before = store.dump().await.expect("is read");
    let mut tx = Random::new(3).transaction(&fence);
    // A position that comes twice is refused by the last statement of all.
    tx.records.push(tx.records[0].clone());
    tx.fence.position += 1;
    let done = store.commit(Arc::new(tx)).await;
    match (done, store.dump().await.expect("is read") == before) {
        (Err(_), true) => Ok(()),
        (done, unchanged) => Err(format!("I10, answered {done:?}, and what is stored is as it was: {unchanged}")),
    }
}

/// H11: two writers wait for each other.
async fn begin(folder: &tempfile::TempDir) -> Found {
    let (first, second) = two(folder).await;
    let mut fence = open(&first, "one").await;
    let mut random = Random::new(5);
    for round in 0..ROUNDS {
        let tx = random.transaction(&fence);
        let (mark, done) = tokio::join!(second.set_mark("test"), first.commit(Arc::new(tx.clone())));
        if mark.is_err() || done != Ok(()) {
            return Err(format!("H11, one of two writers was refused in round {round}: {done:?}"));
        }
        fence = tx.fence;
    }
    Ok(())
}

/// All that a root has called goes with it, however many they are.
async fn children(folder: &tempfile::TempDir) -> Found {
    let (store, _) = two(folder).await;
    open(&store, "one").await;
    let mut own = SqliteConnection::connect(&address(folder)).await.expect("connects");
    let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200) INSERT INTO process_instance \
                (id, definition, process, tenant, root, state, started_at, ended_at, revision, incidents, body) \
                SELECT i, 1, 'p', '', 1, 3, 0, 0, 1, 0, '' FROM n";
    sqlx::query(many).execute(&mut own).await.expect("they are written");
    store.sweep(Timestamp(400 * DAY_MS), 1).await.expect("it sweeps");
    let left: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM process_instance").fetch_one(&mut own).await.expect("a number");
    if left == 0 { Ok(()) } else { Err(format!("L12, {left} of 1200 that have ended are left")) }
}

const BUGS: [&str; 4] = [
    "row-count-of-the-fence-ignored",
    "going-on-after-a-failed-statement",
    "begin-deferred",
    "clean-up-skips-roots-with-many-children",
];

async fn hunt(bug: &str) -> Found {
    let folder = tempfile::tempdir().expect("a folder");
    match bug {
        "row-count-of-the-fence-ignored" => fence(&folder).await,
        "going-on-after-a-failed-statement" => statement(&folder).await,
        "begin-deferred" => begin(&folder).await,
        _ => children(&folder).await,
    }
}

#[tokio::test]
async fn planted_bugs_of_the_store_are_caught() {
    for bug in BUGS {
        assert_eq!(hunt(bug).await, Ok(()), "without {bug}");
        plant(Some(bug));
        let found = hunt(bug).await;
        plant(None);
        say(format!("planted {bug}: caught by two processes on one file, rule {}", found.expect_err(bug)));
    }
}
