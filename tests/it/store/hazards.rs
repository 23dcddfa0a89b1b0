//! Hazards of our own stack (reliability.md 5), each reproduced: H1 a cancelled begin, H4 a commit whose answer is lost,
//! H11 two writers; with RUN_SLOW_TESTS also H2, a network that swallows packets. H3, the full disk, is tested inside the
//! store.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sqlx::{Connection, Row};
use transhume::base::id::InstanceId;
use transhume::base::time::Timestamp;
use transhume::partition::transaction::Fence;
use transhume::partition::{CommitError, Input, first_partition};
use transhume::store::Store;

use super::random::Random;
use crate::support::postgres;
use crate::support::proxy::Proxy;

pub(super) async fn open(store: &Store, owner: &str) -> Fence {
    let opened = store.open_partition(first_partition(), owner, Timestamp(0)).await.expect("taken");
    let Input::Opened { epoch, position, next_id, clock, .. } = opened else { panic!("{opened:?}") };
    Fence { partition: first_partition(), epoch, batch: 0, position, next_id, clock }
}

pub(super) fn address(folder: &tempfile::TempDir) -> String {
    format!("sqlite:{}", folder.path().join("test.db").display())
}

/// H11: two processes write to one file; the lock is taken at the start, so nobody fails for being late.
#[tokio::test(flavor = "multi_thread")]
async fn two_writers_wait_for_each_other() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let first = Store::open(&address(&folder)).await.expect("opens");
    let second = Store::open(&address(&folder)).await.expect("opens");
    let mut fence = open(&first, "one").await;
    let marks = tokio::spawn(async move {
        for _ in 0..100 {
            second.set_mark("test").await.expect("the other writer gets its turn");
        }
    });
    let mut random = Random::new(5);
    for _ in 0..100 {
        let tx = random.transaction(&fence);
        assert_eq!(first.commit(Arc::new(tx.clone())).await, Ok(()));
        fence = tx.fence;
    }
    marks.await.expect("ends");
}

/// H1: whoever goes away in the middle of a write leaves no open transaction behind.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_write_leaves_no_transaction_open() {
    let Some(url) = postgres::database("a_cancelled_write_leaves_no_transaction_open").await else { return };
    let store = Store::open(&url).await.expect("opens");
    let mut fence = open(&store, "one").await;
    let mut random = Random::new(3);
    let mut cancelled = 0;
    for round in 0..60_u64 {
        let tx = random.transaction(&fence);
        match tokio::time::timeout(Duration::from_micros(round * 90), store.commit(Arc::new(tx.clone()))).await {
            Ok(done) => {
                assert_eq!(done, Ok(()));
                fence = tx.fence;
            }
            Err(_) => {
                cancelled += 1;
                // as a driver does that was cut off: a new life looks how far the old one came
                fence = open(&store, "one").await;
            }
        }
    }
    assert!(cancelled > 0, "nothing was cancelled");
    let mut admin = sqlx::PgConnection::connect(&url).await.expect("connects");
    let text = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'";
    // The server sees a closed connection when it next reads from it: until then its session is listed. One that a living
    // connection holds would stay for ever.
    let mut open = i64::MAX;
    for _ in 0..400 {
        open = sqlx::query(text).fetch_one(&mut admin).await.expect("is read").get(0);
        if open == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert_eq!(open, 0, "sessions are idle in a transaction");
    drop(store);
}

/// H4: the answer to a commit is lost; the batch is found by its own row, and is applied once.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_found() {
    let Some(url) = postgres::database("a_commit_whose_answer_is_lost_is_found").await else { return };
    let proxy = Proxy::before(&url);
    let through = proxy.address(&url);
    let store = Store::open(&through).await.expect("opens");
    let mut fence = open(&store, "one").await;
    let mut random = Random::new(23);
    for _ in 0..20 {
        let tx = random.transaction(&fence);
        proxy.lose.store(true, Ordering::SeqCst);
        assert_eq!(store.commit(Arc::new(tx.clone())).await, Ok(()), "it had committed");
        assert!(!proxy.lose.load(Ordering::SeqCst), "the answer was lost");
        fence = tx.fence;
    }
    let direct = Store::open(&url).await.expect("opens");
    assert_eq!(open(&direct, "two").await.position, fence.position, "each batch once");
    let late = random.transaction(&fence);
    assert_eq!(
        store.commit(Arc::new(late.clone())).await,
        Err(CommitError::Fenced),
        "the old owner has heard of nothing, and is refused"
    );
    assert!(direct.instances(&[InstanceId(1)]).await.is_ok());
}

/// The server says yes to a commit whose wait for its standby was cancelled; that yes is not believed, nor the next one.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_no_standby_has_is_not_believed() {
    let Some(server) = postgres::Own::start("a_commit_that_no_standby_has_is_not_believed") else { return };
    let store = Store::open(&server.address()).await.expect("opens");
    let mut fence = open(&store, "one").await;
    let mut admin = sqlx::PgConnection::connect(&server.address()).await.expect("connects");
    set_standby(&mut admin, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'").await;
    let mut random = Random::new(41);
    let mut waiting = None;
    // The setting is heard of a little later.
    for _ in 0..200 {
        let (own, tx) = (store.clone(), random.transaction(&fence));
        let commit = tokio::spawn(async move { (own.commit(Arc::new(tx.clone())).await, tx.fence) });
        while !commit.is_finished() && waiting_sessions(&mut admin).await.is_empty() {}
        if !commit.is_finished() {
            waiting = Some(commit);
            break;
        }
        fence = commit.await.expect("ends").1;
    }
    let commit = waiting.expect("a commit waits for the standby");
    for _ in 0..2 {
        let before = waiting_sessions(&mut admin).await;
        let cancel = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        sqlx::query(cancel).fetch_all(&mut admin).await.expect("is cancelled");
        let mut asks_again = false;
        for _ in 0..400 {
            let now = waiting_sessions(&mut admin).await;
            asks_again = now.iter().any(|pid| !before.contains(pid));
            if asks_again {
                break;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        assert!(asks_again && !commit.is_finished(), "it is looked into by a transaction that waits as well");
    }
    set_standby(&mut admin, "ALTER SYSTEM RESET synchronous_standby_names").await;
    let (done, fence) = commit.await.expect("ends");
    assert_eq!(done, Ok(()), "now it is safe");
    let next = random.transaction(&fence);
    assert_eq!(store.commit(Arc::new(next)).await, Ok(()));
}

async fn set_standby(admin: &mut sqlx::PgConnection, text: &'static str) {
    sqlx::query(text).execute(&mut *admin).await.expect("is set");
    sqlx::query("SELECT pg_reload_conf()").execute(admin).await.expect("is read");
}

async fn waiting_sessions(admin: &mut sqlx::PgConnection) -> Vec<i32> {
    let text = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    sqlx::query_scalar(text).fetch_all(admin).await.expect("is read")
}

/// H2: a cut that nobody is told of. The call has a deadline of its own, which closes the connection; then it goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_network_does_not_hold_a_commit_for_ever() {
    if std::env::var("RUN_SLOW_TESTS").is_err() {
        return;
    }
    let Some(url) = postgres::database("a_silent_network_does_not_hold_a_commit_for_ever").await else { return };
    let proxy = Proxy::before(&url);
    let store = Store::open(&proxy.address(&url)).await.expect("opens");
    let mut fence = open(&store, "one").await;
    let mut random = Random::new(31);
    for _ in 0..2 {
        let tx = random.transaction(&fence);
        proxy.cut.fetch_add(1, Ordering::SeqCst);
        // Hours pass before a silent connection ends by itself.
        match tokio::time::timeout(Duration::from_secs(60), store.commit(Arc::new(tx.clone())))
            .await
            .expect("it gives up")
        {
            Ok(()) => fence = tx.fence,
            Err(error) => assert_eq!(error, CommitError::Failed),
        }
        let tx = random.transaction(&fence);
        assert_eq!(store.commit(Arc::new(tx.clone())).await, Ok(()), "the next one goes through");
        fence = tx.fence;
    }
}
