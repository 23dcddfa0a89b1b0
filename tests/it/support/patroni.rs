//! Three PostgreSQL under Patroni with a synchronous standby, and an etcd, in a temporary folder and on the loopback address.
//!
//! A shell watches over them: when this process ends, however it ends, the shell's input closes, and it kills all and removes the
//! folder. PostgreSQL refuses root, so root runs all of it as the user `postgres`.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::need::{program, skip};
use super::postgres::{installed, is_root};

/// Patroni's times: the shortest with which it moves at all. Its leader's key lives for `ttl`; within `retry_timeout` it must
/// reach etcd, and `ttl` must be at least `loop_wait` and twice that.
const SCRIPT: &str = r#"
set -eu
bin=$1 etcd=$2 peer=$3
shift 3
home=$(mktemp -d /tmp/transhume-ha.XXXXXX)
running() { ls "$home"/*.pid "$home"/m?/postmaster.pid 2>/dev/null || true; }
end() {
  trap '' EXIT TERM
  for file in $(running); do kill -KILL "$(head -n 1 "$file")" 2>/dev/null || true; done
  rm -rf "$home"
  # who copies a database at this moment
  kill -TERM 0
}
trap end EXIT
launch() {
  patroni "$home/m$1.yml" >>"$home/m$1.log" 2>&1 </dev/null &
  echo $! >"$home/m$1.pid"
}
harm() { kill -KILL "$(head -n 1 "$1")" 2>/dev/null || true; }
etcd --name e --data-dir "$home/etcd" --unsafe-no-fsync --initial-cluster "e=http://127.0.0.1:$peer" \
  --listen-client-urls "http://127.0.0.1:$etcd" --advertise-client-urls "http://127.0.0.1:$etcd" \
  --listen-peer-urls "http://127.0.0.1:$peer" --initial-advertise-peer-urls "http://127.0.0.1:$peer" \
  >"$home/etcd.log" 2>&1 </dev/null &
echo $! >"$home/etcd.pid"
n=0
while [ $# -gt 0 ]; do
  cat >"$home/m$n.yml" <<Y
scope: transhume
name: m$n
restapi: {listen: "127.0.0.1:$2", connect_address: "127.0.0.1:$2"}
etcd3: {host: "127.0.0.1:$etcd"}
bootstrap:
  dcs:
    ttl: 5
    loop_wait: 1
    retry_timeout: 2
    synchronous_mode: true
    synchronous_mode_strict: true
    postgresql:
      use_pg_rewind: true
      parameters: {max_connections: 100, wal_keep_size: 128MB, wal_retrieve_retry_interval: 500ms}
  initdb: [{encoding: UTF8}, {locale: C}, {auth: trust}]
postgresql:
  listen: "127.0.0.1:$1"
  connect_address: "127.0.0.1:$1"
  data_dir: $home/m$n
  bin_dir: $bin
  pgpass: $home/pass$n
  authentication: {superuser: {username: postgres}, replication: {username: postgres}}
  parameters: {unix_socket_directories: "$home", shared_buffers: 64MB}
  pg_hba: ["local all all trust", "host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust"]
Y
  launch "$n"
  n=$((n + 1))
  shift 2
done
echo "ready $home"
while read -r word member; do
  case $word in
    kill) harm "$home/m$member.pid"; harm "$home/m$member/postmaster.pid" ;;
    crash) harm "$home/m$member/postmaster.pid" ;;
    orphan) harm "$home/m$member.pid" ;;
    start) launch "$member" ;;
    log) tail -n 40 "$home/m$member.log" | sed 's/^/| /' ;;
  esac
  echo "done $word"
done
"#;

/// A cluster that is not whole after this time will not be: a member that comes back copies the database at worst.
const PATIENCE: Duration = Duration::from_secs(90);

pub(crate) struct Patroni {
    ports: Vec<u16>,
    rests: Vec<u16>,
    client: reqwest::Client,
    watch: Mutex<ChildStdin>,
    words: Mutex<BufReader<ChildStdout>>,
}

impl Patroni {
    /// A cluster that is whole; `None` where something is not installed, which is said under the test's name.
    pub(crate) async fn start(test: &str) -> Option<Self> {
        match launch() {
            Ok(cluster) => {
                cluster.whole().await;
                Some(cluster)
            }
            Err(reason) => {
                skip(test, &reason);
                None
            }
        }
    }

    /// The database, as a list of its hosts.
    pub(crate) fn address(&self) -> String {
        let hosts: Vec<String> = self.ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        format!("postgres://postgres@{}/postgres?target_session_attrs=read-write&sslmode=disable", hosts.join(","))
    }

    /// The leader, when all three run and one of the others is the synchronous standby.
    pub(crate) async fn whole(&self) -> usize {
        let begun = Instant::now();
        let mut state = Value::Null;
        while begun.elapsed() < PATIENCE {
            if let Some(now) = self.state().await {
                if let Some(leader) = leader_of_whole(&now) {
                    return leader;
                }
                state = now;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let logs: Vec<String> = (0..self.ports.len()).map(|member| self.say("log", member)).collect();
        panic!("the cluster is not whole after {PATIENCE:?}: {state}\n{}", logs.join("\n"));
    }

    /// What the first member knows that answers.
    async fn state(&self) -> Option<Value> {
        for rest in &self.rests {
            let url = format!("http://127.0.0.1:{rest}/cluster");
            let asked = self.client.get(url).timeout(Duration::from_secs(2)).send().await;
            if let Ok(answer) = asked
                && let Ok(text) = answer.text().await
            {
                return serde_json::from_str(&text).ok();
            }
        }
        None
    }

    /// `kill -9` of a member's Patroni and of its PostgreSQL.
    pub(crate) fn kill(&self, member: usize) {
        self.say("kill", member);
    }

    /// `kill -9` of its PostgreSQL alone.
    pub(crate) fn crash(&self, member: usize) {
        self.say("crash", member);
    }

    /// `kill -9` of its Patroni alone: nobody tells its PostgreSQL that it leads no more.
    pub(crate) fn orphan(&self, member: usize) {
        self.say("orphan", member);
    }

    pub(crate) fn restart(&self, member: usize) {
        self.say("start", member);
    }

    fn say(&self, word: &str, member: usize) -> String {
        writeln!(self.watch.lock().expect("ours"), "{word} {member}").expect("the shell listens");
        let (mut words, mut told) = (self.words.lock().expect("ours"), String::new());
        loop {
            let mut line = String::new();
            let read = words.read_line(&mut line).expect("the shell answers");
            assert!(read > 0, "the shell has ended: {told}");
            if line.trim() == format!("done {word}") {
                return told;
            }
            told.push_str(&line);
        }
    }
}

fn leader_of_whole(state: &Value) -> Option<usize> {
    let members = state["members"].as_array()?;
    let of = |role: &str| members.iter().find(|one| one["role"] == role && one["state"] == "running");
    let leader = of("leader")?;
    of("sync_standby")?;
    let running = members.iter().filter(|one| one["state"] == "running" && one["timeline"] == leader["timeline"]);
    let number = leader["name"].as_str()?.strip_prefix('m')?.parse().ok()?;
    (running.count() == 3).then_some(number)
}

fn launch() -> Result<Patroni, String> {
    for (name, package) in [("patroni", "patroni"), ("etcd", "etcd-server"), ("setsid", "util-linux")] {
        program(name, &[]).ok_or_else(|| format!("{name} is not installed (Debian: apt-get install {package})"))?;
    }
    let initdb = program("initdb", &installed()).filter(|file| file.with_file_name("postgres").is_file());
    let bin: PathBuf = initdb.and_then(|file| file.parent().map(PathBuf::from)).ok_or("PostgreSQL is not installed")?;
    let mut command = Command::new(if is_root() { "runuser" } else { "setsid" });
    if is_root() {
        command.args(["-u", "postgres", "--", "setsid"]);
    }
    let free = free_ports(8);
    let (own, members) = free.split_at(2);
    command.args(["--wait", "sh", "-c", SCRIPT, "sh"]).arg(bin).args(own.iter().map(u16::to_string));
    command.args(members.iter().map(u16::to_string)).current_dir("/tmp").env_remove("PGPORT");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut watch = command.spawn().map_err(|error| format!("a shell cannot be started: {error}"))?;
    let mut words = BufReader::new(watch.stdout.take().expect("piped"));
    let mut line = String::new();
    words.read_line(&mut line).map_err(|error| error.to_string())?;
    if !line.starts_with("ready ") {
        return Err(format!("the cluster did not start: {line}"));
    }
    let stdin = watch.stdin.take().expect("piped");
    Ok(Patroni {
        ports: members.iter().step_by(2).copied().collect(),
        rests: members.iter().skip(1).step_by(2).copied().collect(),
        client: reqwest::Client::builder().no_proxy().build().expect("a client"),
        watch: Mutex::new(stdin),
        words: Mutex::new(words),
    })
}

/// All held at the same time, so that they differ.
fn free_ports(count: usize) -> Vec<u16> {
    let held: Vec<TcpListener> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
    held.iter().map(|one| one.local_addr().expect("bound").port()).collect()
}
