//! A bad network before PostgreSQL: it loses answers to commits, falls silent for ever, or is dark for a while.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

const SOCKET: &str = ".s.PGSQL.5432";

/// Forwards a PostgreSQL socket.
pub(crate) struct Proxy {
    folder: tempfile::TempDir,
    /// The answer to the next commit is lost with its connection.
    pub(crate) lose: Arc<AtomicBool>,
    /// Connections of before this moment hear nothing any more.
    pub(crate) cut: Arc<AtomicU64>,
    /// Nothing passes as long as it is set; what was sent meanwhile arrives afterwards, as packets that are sent again do.
    pub(crate) dark: Arc<AtomicBool>,
    /// Answers to commits that were lost.
    pub(crate) lost: Arc<AtomicU64>,
}

impl Proxy {
    /// Before the server of this address (`…?host=FOLDER`).
    pub(crate) fn before(address: &str) -> Self {
        let (_, host) = address.split_once("?host=").expect("the test server is reached by its socket");
        let server = Path::new(host).join(SOCKET);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let listener = UnixListener::bind(folder.path().join(SOCKET)).expect("listens");
        let proxy =
            Self { folder, lose: Arc::default(), cut: Arc::default(), dark: Arc::default(), lost: Arc::default() };
        let (lose, cuts, dark, lost) = (proxy.lose.clone(), proxy.cut.clone(), proxy.dark.clone(), proxy.lost.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let line = Line {
                    lose: lose.clone(),
                    since: cuts.load(Ordering::SeqCst),
                    cut: cuts.clone(),
                    dark: dark.clone(),
                    lost: lost.clone(),
                };
                tokio::spawn(forward(client, server.clone(), line));
            }
        });
        proxy
    }

    /// The same database, by way of this.
    pub(crate) fn address(&self, direct: &str) -> String {
        let (base, _) = direct.split_once("?host=").expect("the test server is reached by its socket");
        format!("{base}?host={}", self.folder.path().display())
    }
}

/// What can happen to one connection.
struct Line {
    lose: Arc<AtomicBool>,
    since: u64,
    cut: Arc<AtomicU64>,
    dark: Arc<AtomicBool>,
    lost: Arc<AtomicU64>,
}

impl Line {
    async fn passes(&self) {
        if self.cut.load(Ordering::SeqCst) != self.since {
            // Packets vanish: both sides wait for ever.
            std::future::pending::<()>().await;
        }
        while self.dark.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(20)).await;
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
                line.passes().await;
                asked = up[..read].windows(6).any(|word| word == b"COMMIT");
                if to_server.write_all(&up[..read]).await.is_err() {
                    return;
                }
            }
            read = from_server.read(&mut down) => {
                let Ok(read @ 1..) = read else { return };
                if asked && line.lose.swap(false, Ordering::SeqCst) {
                    line.lost.fetch_add(1, Ordering::SeqCst);
                    return;
                }
                line.passes().await;
                if to_client.write_all(&down[..read]).await.is_err() {
                    return;
                }
            }
        }
    }
}
