//! No secret leaves a handler: not by what it answers, not by logs at the lowest level (invariant I15).

use std::io::Write;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tempfile::tempdir;
use tracing::Level;
use tracing_subscriber::util::SubscriberInitExt;
use transhume::demo::counterpart::{Failures, Options};
use transhume::handlers::{Config, Connections, Kind, Outcome, Registry, Secrets, registry};

use super::{Outside, TestClock, run, task};

/// All that is logged while it is set.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Work of every connection, some of it failing.
fn work() -> Vec<(&'static str, Value)> {
    let lines = json!(["set vpn ipsec authentication psk CMO-PSK secret 'secret://vpn-psk'"]);
    let refused = json!(["set nonsense 'secret://vpn-psk'"]);
    vec![
        ("vcenter.inventory", json!({"connection": "vcenter-source"})),
        ("vcenter.add-host", json!({"connection": "vcenter-target", "host": "h", "user": "secret://host-user"})),
        ("vcenter.add-host", json!({"connection": "vcenter-target", "host": "i", "user": "secret://vpn-psk"})),
        ("vr.capability", json!({"connection": "vr", "vm": "vm-101"})),
        ("softlayer.place-order", json!({"connection": "softlayer", "kind": "host", "name": "secret://vpn-psk"})),
        ("gateway.push", json!({"connection": "gateway", "lines": lines})),
        ("gateway.push", json!({"connection": "gateway", "lines": refused})),
        ("gateway.tunnel-state", json!({"connection": "gateway"})),
        ("notify.mail", json!({"to": "a@b.example", "subject": "s", "text": "t"})),
        ("http.request", json!({"connection": "softlayer-as-http", "path": "nothing"})),
    ]
}

#[tokio::test]
async fn no_secret_is_answered_or_logged() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_max_level(Level::TRACE).with_writer(move || writer.clone());
    let _logged = subscriber.finish().set_default();
    let folder = tempdir().unwrap();
    let failures = Failures { order_rejected: true, ..Failures::default() };
    let outside = Outside::start(folder.path(), Options { failures, ..Options::default() }).await;
    let secrets = outside.counterparts.secrets("");
    let text = |secrets: &Secrets, name: &str| secrets.resolve("", name).unwrap().expose().to_owned();
    let mut canaries = vec![text(&secrets, "secret://demo-password"), text(&secrets, "secret://vpn-psk")];
    // the same connections once with what fits and once with a secret that does not
    let mut wrong = outside.counterparts.secrets("");
    wrong.set("", "demo-password", "canary-that-does-not-fit");
    canaries.push("canary-that-does-not-fit".to_owned());
    for secrets in [secrets, wrong] {
        let mut all: Vec<_> = outside.counterparts.connections().iter().cloned().collect();
        let mut http = all.iter().find(|one| one.name == "softlayer").unwrap().clone();
        (http.name, http.kind) = ("softlayer-as-http".into(), Kind::Http);
        all.push(http);
        all.iter_mut().filter(|one| one.kind == Kind::Smtp).for_each(|smtp| smtp.user = Some("demo".into()));
        let connections = Connections::new(all).unwrap();
        let config = Config { connections, secrets, scripts: registry::scripts(), ..Config::default() };
        let registry = Registry::standard(config);
        for (topic, input) in work() {
            let told: Outcome = run(&registry, &TestClock::new(), task(topic, input, topic)).await;
            let told = format!("{told:?}");
            for canary in &canaries {
                assert!(!told.contains(canary.as_str()), "{topic} answers a secret: {told}");
            }
        }
    }
    let log = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(log.contains("russh") && log.contains("lettre"), "the log has everything");
    for canary in canaries {
        let encoded = data_encoding::BASE64.encode(format!("demo:{canary}").as_bytes());
        let plain = data_encoding::BASE64.encode(format!("\0demo\0{canary}").as_bytes());
        for text in [canary, encoded, plain] {
            let line = log.lines().find(|line| line.contains(&text));
            assert_eq!(line, None, "a secret is in the log");
        }
    }
}
