//! Hazards of our own stack (reliability.md 5), each reproduced: H1 a cancelled begin, H4 a commit whose answer is lost,
//! H11 two writers; with RUN_SLOW_TESTS also H2, a network that swallows packets. H3, the full disk, is tested inside the
//! store.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use sqlx::{Connection, Row};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use transhume::base::id::InstanceId;
use transhume::base::time::Timestamp;
use transhume::partition::transaction::Fence;
use transhume::partition::{CommitError, Input, first_partition};
use transhume::store::Store;

use super::random::Random;
use crate::support::postgres;

async fn open(store: &Store, owner: &str) -> Fence {
    let opened = store.open_partition(first_partition(), owner, Timestamp(0)).await.expect("taken");
    let Input::Opened { epoch, position, next_id, clock, .. } = opened else { panic!("{opened:?}") };
    Fence { partition: first_partition(), epoch, batch: 0, position, next_id, clock }
}

fn address(folder: &tempfile::TempDir) -> String {
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
        assert_eq!(first.commit(&tx).await, Ok(()));
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
        match tokio::time::timeout(Duration::from_micros(round * 90), store.commit(&tx)).await {
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

/// Forwards a PostgreSQL socket; on demand the answer to the next commit is lost with its connection.
struct Proxy {
    folder: tempfile::TempDir,
    lose: Arc<AtomicBool>,
    /// Connections of before this moment hear nothing any more.
    cut: Arc<AtomicU64>,
}

impl Proxy {
    fn new(server: PathBuf) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let listener = UnixListener::bind(folder.path().join(".s.PGSQL.5432")).expect("listens");
        let lose = Arc::new(AtomicBool::new(false));
        let cut = Arc::new(AtomicU64::new(0));
        let (flag, cuts) = (Arc::clone(&lose), Arc::clone(&cut));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let line = Line { lose: Arc::clone(&flag), since: cuts.load(Ordering::SeqCst), cut: Arc::clone(&cuts) };
                tokio::spawn(forward(client, server.clone(), line));
            }
        });
        Self { folder, lose, cut }
    }
}

/// What can happen to one connection.
struct Line {
    lose: Arc<AtomicBool>,
    since: u64,
    cut: Arc<AtomicU64>,
}

impl Line {
    /// Packets vanish: both sides wait for ever.
    async fn swallowed(&self) {
        if self.cut.load(Ordering::SeqCst) != self.since {
            std::future::pending::<()>().await;
        }
    }
}

async fn forward(mut client: UnixStream, server: PathBuf, line: Line) {
    let Ok(mut server) = UnixStream::connect(server).await else { return };
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let (mut up, mut down) = (vec![0; 65_536], vec![0; 65_536]);
    let mut asked = false;
    loop {
        tokio::select! {
            read = from_client.read(&mut up) => {
                let Ok(read @ 1..) = read else { return };
                line.swallowed().await;
                asked = up[..read].windows(6).any(|word| word == b"COMMIT");
                if to_server.write_all(&up[..read]).await.is_err() {
                    return;
                }
            }
            read = from_server.read(&mut down) => {
                let Ok(read @ 1..) = read else { return };
                if asked && line.lose.swap(false, Ordering::SeqCst) {
                    return;
                }
                if to_client.write_all(&down[..read]).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// H4: the answer to a commit is lost; the batch is found by its own row, and is applied once.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_found() {
    let Some(url) = postgres::database("a_commit_whose_answer_is_lost_is_found").await else { return };
    let (base, host) = url.split_once("?host=").expect("the test server is reached by its socket");
    let proxy = Proxy::new(Path::new(host).join(".s.PGSQL.5432"));
    let through = format!("{base}?host={}", proxy.folder.path().display());
    let store = Store::open(&through).await.expect("opens");
    let mut fence = open(&store, "one").await;
    let mut random = Random::new(23);
    for _ in 0..20 {
        let tx = random.transaction(&fence);
        proxy.lose.store(true, Ordering::SeqCst);
        assert_eq!(store.commit(&tx).await, Ok(()), "it had committed");
        assert!(!proxy.lose.load(Ordering::SeqCst), "the answer was lost");
        fence = tx.fence;
    }
    let direct = Store::open(&url).await.expect("opens");
    assert_eq!(open(&direct, "two").await.position, fence.position, "each batch once");
    let late = random.transaction(&fence);
    assert_eq!(
        store.commit(&late).await,
        Err(CommitError::Fenced),
        "the old owner has heard of nothing, and is refused"
    );
    assert!(direct.instances(&[InstanceId(1)]).await.is_ok());
}

/// H2: a cut that nobody is told of. The call has a deadline of its own, which closes the connection; then it goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_network_does_not_hold_a_commit_for_ever() {
    if std::env::var("RUN_SLOW_TESTS").is_err() {
        return;
    }
    let Some(url) = postgres::database("a_silent_network_does_not_hold_a_commit_for_ever").await else { return };
    let (base, host) = url.split_once("?host=").expect("the test server is reached by its socket");
    let proxy = Proxy::new(Path::new(host).join(".s.PGSQL.5432"));
    let store = Store::open(&format!("{base}?host={}", proxy.folder.path().display())).await.expect("opens");
    let mut fence = open(&store, "one").await;
    let mut random = Random::new(31);
    for _ in 0..2 {
        let tx = random.transaction(&fence);
        proxy.cut.fetch_add(1, Ordering::SeqCst);
        // Hours pass before a silent connection ends by itself.
        match tokio::time::timeout(Duration::from_secs(60), store.commit(&tx)).await.expect("it gives up") {
            Ok(()) => fence = tx.fence,
            Err(error) => assert_eq!(error, CommitError::Failed),
        }
        let tx = random.transaction(&fence);
        assert_eq!(store.commit(&tx).await, Ok(()), "the next one goes through");
        fence = tx.fence;
    }
}
