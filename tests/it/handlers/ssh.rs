//! SSH against the installed OpenSSH server, with keys, port and home folder of its own.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};
use transhume::handlers::net::Allow;
use transhume::handlers::{Config, Connection, Connections, Kind, Outcome, Registry, Secrets};

use super::{TestClock, code, plain, run, task};
use crate::support::need::{program, skip};

struct Sshd {
    folder: TempDir,
    port: u16,
    child: Child,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Sshd {
    /// `None` where OpenSSH is not installed, which is said under the test's name.
    fn start(test: &str) -> Option<Self> {
        let folders = [PathBuf::from("/usr/sbin")];
        let (Some(sshd), Some(keygen)) = (program("sshd", &folders), program("ssh-keygen", &[])) else {
            skip(test, "OpenSSH is not installed (Debian: apt-get install openssh-server)");
            return None;
        };
        let folder = tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for (name, kind) in [("host", "ed25519"), ("user", "ed25519"), ("other", "ed25519"), ("ecdsa", "ecdsa")] {
            let made = Command::new(&keygen).args(["-q", "-t", kind, "-N", "", "-f"]).arg(path(name)).status();
            assert!(made.unwrap().success());
        }
        fs::create_dir(path("home")).unwrap();
        fs::copy(path("user.pub"), path("authorized")).unwrap();
        // the server separates privileges in a folder that its package makes at boot
        let _ = fs::create_dir_all("/run/sshd");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(sshd);
        command.args(["-D", "-f", "/dev/null", "-p", &port.to_string(), "-h"]).arg(path("host"));
        command.arg("-E").arg(path("log"));
        let home = path("home");
        let options = [
            format!("AuthorizedKeysFile={}", path("authorized").display()),
            format!("SetEnv=HOME={}", home.display()),
            "ListenAddress=127.0.0.1".to_owned(),
            "StrictModes=no".to_owned(),
            "UsePAM=no".to_owned(),
            "PidFile=none".to_owned(),
            "PermitRootLogin=yes".to_owned(),
            "LogLevel=DEBUG2".to_owned(),
            "MaxSessions=50".to_owned(),
        ];
        for option in options {
            command.args(["-o", &option]);
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let sshd = Self { folder, port, child };
        for _ in 0..500 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(sshd);
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("sshd did not start: {}", sshd.log());
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    fn log(&self) -> String {
        self.text("log")
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Handlers that pin this key of the folder.
    fn registry(&self, pinned: &str) -> Registry {
        let mut host = Connection::new("host", Kind::Ssh, format!("127.0.0.1:{}", self.port));
        host.user = Some(user());
        host.secret = Some("secret://user-key".into());
        host.host_keys = vec![self.text(&format!("{pinned}.pub"))];
        host.allow = Allow { loopback: true, ..Allow::default() };
        let mut secrets = Secrets::default();
        secrets.set("", "user-key", self.text("user"));
        Registry::standard(Config { connections: Connections::new(vec![host]).unwrap(), secrets, ..Config::default() })
    }

    async fn exec(&self, registry: &Registry, mut input: Value, key: &str) -> Outcome {
        input["connection"] = json!("host");
        run(registry, &TestClock::new(), task("ssh.exec", input, key)).await
    }
}

fn user() -> String {
    let id = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(id.stdout).unwrap().trim().to_owned()
}

fn done(outcome: Outcome) -> Value {
    match outcome {
        Outcome::Complete(variables) => plain(&variables),
        other => panic!("{other:?}"),
    }
}

async fn appears(path: &Path) {
    for _ in 0..1000 {
        if path.exists() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{} does not appear", path.display());
}

#[tokio::test]
async fn commands_tell_output_and_code() {
    let Some(sshd) = Sshd::start("commands_tell_output_and_code") else { return };
    let registry = sshd.registry("host");
    let input = json!({
        "command": "echo {text} $TRANSHUME_KEY $TRANSHUME_FENCE; cat; echo err >&2",
        "parameters": {"text": "it's $(id) `id`; exit 9"},
        "stdin": "from stdin",
    });
    let told = done(sshd.exec(&registry, input.clone(), "a").await);
    let key = task("ssh.exec", Value::Null, "a").key;
    let stdout = format!("it's $(id) `id`; exit 9 {key} 1\nfrom stdin");
    assert_eq!(told, json!({"exitCode": 0, "stdout": stdout, "stderr": "err\n"}));
    let mut bare = input;
    bare["bare"] = json!("true");
    assert_eq!(done(sshd.exec(&registry, bare, "b").await)["stderr"], json!("err\n"));
    let failed = sshd.exec(&registry, json!({"command": "echo no >&2; exit 3"}), "c").await;
    assert_eq!(code(&failed), "EXIT_CODE");
    let Outcome::Error(error) = failed else { unreachable!("it was one") };
    assert_eq!(error.variables["exitCode"].value, json!(3));
    let fine = sshd.exec(&registry, json!({"command": "exit 3", "okCodes": [0, "3"]}), "d").await;
    assert_eq!(done(fine)["exitCode"], json!(3));
    let wrong = sshd.exec(&registry, json!({"command": "echo '{text}'"}), "e").await;
    assert!(matches!(wrong, Outcome::Fail(_)), "{wrong:?}");
}

#[tokio::test]
async fn an_attempt_attaches_to_the_command_that_runs() {
    let Some(sshd) = Sshd::start("an_attempt_attaches_to_the_command_that_runs") else { return };
    let registry = sshd.registry("host");
    let input = json!({
        "command": "echo begun >>begun; until [ -e go ]; do sleep 0.01; done; echo finished",
        "timeout": "PT0.1S",
    });
    let cut = sshd.exec(&registry, input.clone(), "a").await;
    assert!(matches!(&cut, Outcome::Retry { reason, .. } if reason.contains("still runs")), "{cut:?}");
    appears(&sshd.home().join("begun")).await;
    fs::write(sshd.home().join("go"), "").unwrap();
    let mut again = input;
    again["timeout"] = json!("PT30S");
    for _ in 0..2 {
        let told = done(sshd.exec(&registry, again.clone(), "a").await);
        assert_eq!(told, json!({"exitCode": 0, "stdout": "finished\n", "stderr": ""}));
    }
    assert_eq!(fs::read_to_string(sshd.home().join("begun")).unwrap(), "begun\n", "it ran once");
    done(sshd.exec(&registry, again, "b").await);
    assert_eq!(fs::read_to_string(sshd.home().join("begun")).unwrap(), "begun\nbegun\n", "another activation");
}

#[tokio::test]
async fn a_command_that_was_killed_is_unknown() {
    let Some(sshd) = Sshd::start("a_command_that_was_killed_is_unknown") else { return };
    let registry = sshd.registry("host");
    // the group of the running command: its shell and the one that would note the exit code
    let told = sshd.exec(&registry, json!({"command": "kill -9 $PPID; kill -9 $$"}), "a").await;
    assert!(matches!(&told, Outcome::Unknown(words) if words.contains(".transhume")), "{told:?}");
}

#[tokio::test]
async fn a_false_host_gets_no_attempt_to_sign_in() {
    let Some(sshd) = Sshd::start("a_false_host_gets_no_attempt_to_sign_in") else { return };
    for pinned in ["other", "ecdsa"] {
        let told = sshd.exec(&sshd.registry(pinned), json!({"command": "true"}), "a").await;
        assert!(matches!(&told, Outcome::Fail(words) if words.starts_with("host_key_changed")), "{pinned}: {told:?}");
    }
    assert!(!sshd.log().contains("userauth-request"), "{}", sshd.log());
    done(sshd.exec(&sshd.registry("host"), json!({"command": "true"}), "a").await);
    assert!(sshd.log().contains("userauth-request"), "the log would have shown it");
}

#[tokio::test]
async fn a_dead_host_is_tried_again() {
    let Some(mut sshd) = Sshd::start("a_dead_host_is_tried_again") else { return };
    let registry = sshd.registry("host");
    sshd.child.kill().unwrap();
    sshd.child.wait().unwrap();
    let told = sshd.exec(&registry, json!({"command": "true"}), "a").await;
    assert!(matches!(told, Outcome::Retry { .. }), "{told:?}");
}
