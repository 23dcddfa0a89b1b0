//! Probes: an answer, no answer, and an address that may not be asked.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde_json::json;
use tokio::net::TcpListener;
use transhume::handlers::net::Allow;
use transhume::handlers::{Config, Outcome, Registry};

use super::{TestClock, plain, run, task};

#[tokio::test]
async fn silence_is_a_result_and_a_forbidden_address_is_none() {
    let loopback = Allow { loopback: true, ..Allow::default() };
    let allow = BTreeMap::from([("demo".to_owned(), loopback)]);
    let registry = Registry::standard(Config { allow, ..Config::default() });
    let open = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let (port, dead) = (open.local_addr().unwrap().port(), closed.local_addr().unwrap().port());
    drop(closed);
    let ask = async |topic: &str, input, tenant: &str| {
        let mut job = task(topic, input, "key");
        job.tenant = tenant.into();
        run(&registry, &TestClock::new(), job).await
    };
    for (port, expected) in [(port, true), (dead, false)] {
        let told = ask("probe.tcp", json!({"host": "127.0.0.1", "port": port.to_string()}), "demo").await;
        let Outcome::Complete(told) = told else { panic!("{told:?}") };
        assert_eq!(plain(&told)["open"], json!(expected));
    }
    let refused = ask("probe.tcp", json!({"host": "127.0.0.1", "port": port}), "other").await;
    assert!(matches!(refused, Outcome::Fail(_)), "{refused:?}");
    let silent = json!({"url": format!("http://127.0.0.1:{port}/"), "timeout": "PT0.05S"});
    let told = ask("probe.http", silent, "demo").await;
    let Outcome::Complete(told) = told else { panic!("{told:?}") };
    assert_eq!((&plain(&told)["ok"], &plain(&told)["status"]), (&json!(false), &json!(null)));
    let metadata = ask("probe.http", json!({"url": "http://169.254.169.254/"}), "demo").await;
    assert!(matches!(metadata, Outcome::Fail(_)), "{metadata:?}");
}
