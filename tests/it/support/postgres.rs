//! One PostgreSQL server for the whole test run, in a temporary folder, reached by its socket.
//!
//! A shell watches over it: when this process ends, however it ends, the shell's input closes, and it stops the server
//! and removes the folder. `initdb` refuses root, so root runs all of it as the user `postgres`.
//! Functional tests run with `fsync=off`: nobody pulls their plug. Benchmarks measure what is durable.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

use sqlx::{Connection, Executor, PgConnection};

use super::need::{program, skip};

const SCRIPT: &str = r#"
set -eu
bin=$1
shift
home=$(mktemp -d "$PGPARENT/transhume-pg.XXXXXX")
trap 'rm -rf "$home"' EXIT
"$bin/initdb" -D "$home/data" -A trust -U postgres -E UTF8 --locale=C --no-sync $PGMORE >"$home/log" 2>&1 || { cat "$home/log"; exit 1; }
launch() {
  "$bin/postgres" -D "$home/data" -k "$home" -c listen_addresses= -c max_connections=200 "$@" >>"$home/log" 2>&1 &
  server=$!
  tries=0
  until "$bin/pg_isready" -q -h "$home" -U postgres; do
    tries=$((tries + 1))
    [ "$tries" -lt 300 ] && kill -0 "$server" 2>/dev/null || return 1
    sleep 0.1
  done
}
launch "$@" || { cat "$home/log"; exit 1; }
echo "ready $home"
while read -r word; do
  case $word in
    kill) kill -KILL "$server"; wait "$server" 2>/dev/null || true ;;
    # What the killed server's processes still hold, they give up a little later.
    start) n=0; until launch "$@"; do n=$((n + 1)); [ "$n" -lt 50 ] || exit 1; sleep 0.2; done ;;
  esac
  echo "done $word"
done
kill -QUIT "$server"
wait "$server" || true
"#;

/// PostgreSQL's own: it also names the socket's file.
const PORT: u16 = 5432;
const DURABLE: [&str; 4] = ["-c", "shared_buffers=512MB", "-c", "max_wal_size=4GB"];

struct Server {
    socket: PathBuf,
    port: u16,
    /// Closing it ends the server.
    watch: Mutex<ChildStdin>,
}

/// The address of a new, empty database; `None` where PostgreSQL is not installed, which is said under the test's name.
pub(crate) async fn database(test: &str) -> Option<String> {
    static SERVER: OnceLock<Result<Server, String>> = OnceLock::new();
    let fast = ["-c", "fsync=off", "-c", "full_page_writes=off", "-c", "shared_buffers=64MB"];
    on(test, SERVER.get_or_init(|| start(&fast, PORT))).await
}

/// The same on a server whose commits survive a power cut.
#[allow(dead_code, reason = "benchmarks use it")]
pub(crate) async fn durable_database(test: &str) -> Option<String> {
    static SERVER: OnceLock<Result<Server, String>> = OnceLock::new();
    on(test, SERVER.get_or_init(|| start(&DURABLE, PORT))).await
}

/// The same, and it counts the time of each statement and of its log.
#[allow(dead_code, reason = "a benchmark uses it")]
pub(crate) async fn observed_database(test: &str) -> Option<String> {
    static SERVER: OnceLock<Result<Server, String>> = OnceLock::new();
    let observed =
        [&DURABLE[..], &["-c", "shared_preload_libraries=pg_stat_statements", "-c", "track_wal_io_timing=on"]].concat();
    on(test, SERVER.get_or_init(|| start(&observed, PORT))).await
}

/// The same, durable, on a port of the loopback address too, for programs that do not speak by socket files.
#[allow(dead_code, reason = "a benchmark uses it")]
pub(crate) async fn loopback_database(test: &str) -> Option<String> {
    static SERVER: OnceLock<Result<Server, String>> = OnceLock::new();
    let reachable = [&DURABLE[..], &["-c", "listen_addresses=127.0.0.1"]].concat();
    let server = SERVER.get_or_init(|| start(&reachable, super::serve::free_port()));
    let (file, port) = (on(test, server).await?, server.as_ref().map_or(PORT, |server| server.port));
    let name = file.split(['/', '?']).nth(3).unwrap_or_default();
    Some(format!("postgres://postgres@127.0.0.1:{port}/{name}"))
}

async fn on(test: &str, server: &Result<Server, String>) -> Option<String> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let server = match server {
        Ok(server) => server,
        Err(reason) => {
            skip(test, reason);
            return None;
        }
    };
    let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let mut admin = PgConnection::connect(&url(server, "postgres")).await.expect("the test server takes connections");
    let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
    admin.execute(sqlx::query(create)).await.expect("a new database");
    Some(url(server, &name))
}

/// A server of one test alone, which it kills and starts again. Its commits survive that.
#[allow(dead_code, reason = "benchmarks do not kill it")]
pub(crate) struct Own {
    server: Server,
    words: Mutex<BufReader<ChildStdout>>,
}

#[allow(dead_code, reason = "benchmarks do not kill it")]
impl Own {
    pub(crate) fn start(test: &str) -> Option<Self> {
        Self::begun(test, start_with(&["-c", "shared_buffers=64MB"], PORT))
    }

    /// On a small disk: its log takes little of it.
    pub(crate) fn start_small(test: &str, disk: &Path) -> Option<Self> {
        let settings = ["shared_buffers=16MB", "min_wal_size=32MB", "max_wal_size=32MB"];
        let settings = settings.map(|setting| ["-c", setting]).concat();
        Self::begun(test, start_in(disk, "--wal-segsize=1", &settings, PORT))
    }

    fn begun(test: &str, begun: Result<(Server, BufReader<ChildStdout>), String>) -> Option<Self> {
        match begun {
            Ok((server, words)) => Some(Self { server, words: Mutex::new(words) }),
            Err(reason) => {
                skip(test, &reason);
                None
            }
        }
    }

    pub(crate) fn address(&self) -> String {
        url(&self.server, "postgres")
    }

    /// `kill -9` of the server.
    pub(crate) fn kill(&self) {
        self.say("kill");
    }

    pub(crate) fn restart(&self) {
        self.say("start");
    }

    fn say(&self, word: &str) {
        let mut watch = self.server.watch.lock().expect("ours");
        writeln!(watch, "{word}").expect("the shell listens");
        let mut answer = String::new();
        self.words.lock().expect("ours").read_line(&mut answer).expect("the shell answers");
        assert_eq!(answer.trim(), format!("done {word}"));
    }
}

fn url(server: &Server, database: &str) -> String {
    format!("postgres://postgres@localhost:{}/{database}?host={}", server.port, server.socket.display())
}

fn start(settings: &[&str], port: u16) -> Result<Server, String> {
    start_with(settings, port).map(|(server, _)| server)
}

fn start_with(settings: &[&str], port: u16) -> Result<(Server, BufReader<ChildStdout>), String> {
    start_in(Path::new("/tmp"), "", settings, port)
}

/// `more`: an option of `initdb`.
fn start_in(
    parent: &Path,
    more: &str,
    settings: &[&str],
    port: u16,
) -> Result<(Server, BufReader<ChildStdout>), String> {
    let folders = installed();
    let absent = "PostgreSQL is not installed (Debian: apt-get install postgresql)";
    let initdb = program("initdb", &folders).filter(|file| file.with_file_name("postgres").is_file()).ok_or(absent)?;
    let bin = initdb.parent().expect("a program has a folder");
    let mut command = if is_root() {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--", "sh"]);
        command
    } else {
        Command::new("sh")
    };
    command.args(["-c", SCRIPT, "sh"]).arg(bin).args(settings).current_dir("/tmp");
    command.env("PGPORT", port.to_string()).env("PGPARENT", parent).env("PGMORE", more);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut watch = command.spawn().map_err(|error| format!("PostgreSQL cannot be started: {error}"))?;
    let mut told = String::new();
    let mut words = BufReader::new(watch.stdout.take().expect("piped"));
    let mut line = String::new();
    while words.read_line(&mut line).is_ok_and(|read| read > 0) {
        if let Some(folder) = line.trim_end().strip_prefix("ready ") {
            let stdin = watch.stdin.take().expect("piped");
            return Ok((Server { socket: PathBuf::from(folder), port, watch: Mutex::new(stdin) }, words));
        }
        told.push_str(&line);
        line.clear();
    }
    Err(format!("PostgreSQL did not start: {told}"))
}

/// Debian keeps each version's programs in a folder of its own; the newest first.
pub(super) fn installed() -> Vec<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    found.sort();
    found.reverse();
    found
}

pub(super) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

#[tokio::test]
async fn each_test_gets_an_empty_database() {
    let Some(url) = database("each_test_gets_an_empty_database").await else {
        return;
    };
    let mut own = PgConnection::connect(&url).await.expect("connects");
    own.execute("CREATE TABLE t (n BIGINT)").await.expect("ours alone");
    let other = database("each_test_gets_an_empty_database").await.expect("as before");
    let mut other = PgConnection::connect(&other).await.expect("connects");
    other.execute("CREATE TABLE t (n BIGINT)").await.expect("not there yet");
}
