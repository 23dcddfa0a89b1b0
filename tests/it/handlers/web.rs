//! HTTP: kinds of failure are told apart, keys go along, addresses are fenced, secrets are not echoed.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use transhume::handlers::net::Allow;
use transhume::handlers::{Config, Connection, Connections, Kind, Outcome, Registry, Secrets};

use super::{TestClock, code, plain, run, task};

/// Answers each request with the bytes of its path's rule, and an echo of the request as body.
async fn server() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut bytes = vec![0; 65_536];
                let mut length = 0;
                while !bytes[..length].windows(4).any(|end| end == b"\r\n\r\n") {
                    length += stream.read(&mut bytes[length..]).await.unwrap();
                }
                let request = String::from_utf8_lossy(&bytes[..length]).into_owned();
                let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
                let head = match path.split('?').next().unwrap_or_default() {
                    "/v1/cut" => return,
                    "/v1/large" => {
                        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
                        for _ in 0..2000 {
                            if stream.write_all(&[b'x'; 1000]).await.is_err() {
                                return;
                            }
                        }
                        return;
                    }
                    "/v1/moved" => "302 Found\r\nLocation: http://127.0.0.1:1/",
                    "/v1/busy" => "503 Busy\r\nRetry-After: 7",
                    "/v1/slow-down" => "429 Too many",
                    "/v1/absent" => "404 Not found",
                    _ => "200 OK",
                };
                let body = json!({ "echo": request }).to_string();
                let whole = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                let _ = stream.write_all(whole.as_bytes()).await;
            });
        }
    });
    port
}

fn registry(port: u16) -> Registry {
    let loopback = Allow { loopback: true, ..Allow::default() };
    let mut own = Connection::new("api", Kind::Http, format!("http://127.0.0.1:{port}/v1"));
    own.allow = loopback.clone();
    own.secret = Some("secret://token".into());
    let mut secrets = Secrets::default();
    secrets.set("", "token", "the-token-itself");
    Registry::standard(Config {
        connections: Connections::new(vec![own]).unwrap(),
        secrets,
        allow: BTreeMap::from([("demo".to_owned(), loopback)]),
        scripts: BTreeMap::new(),
    })
}

async fn ask(registry: &Registry, path: &str, method: &str) -> Outcome {
    let input = json!({"connection": "api", "path": path, "method": method, "body": {"a": 1}});
    run(registry, &TestClock::new(), task("http.request", input, "key")).await
}

#[tokio::test]
async fn key_and_secret_go_along_and_the_secret_does_not_come_back() {
    let registry = registry(server().await);
    let told = ask(&registry, "/ok?x=1", "PUT").await;
    let Outcome::Complete(told) = told else { panic!("{told:?}") };
    let told = plain(&told);
    let echo = told["body"]["echo"].as_str().unwrap();
    let key = task("http.request", Value::Null, "key").key;
    for wanted in [
        "PUT /v1/ok?x=1 HTTP/1.1".to_owned(),
        format!("idempotency-key: {key}"),
        "x-transhume-fence: 1".to_owned(),
        "authorization: Bearer [secret]".to_owned(),
    ] {
        assert!(echo.contains(&wanted), "{wanted} is not in {echo}");
    }
    assert!(!told.to_string().contains("the-token-itself"));
    assert_eq!(told["status"], json!(200));
}

#[tokio::test]
async fn kinds_of_failure_are_told_apart() {
    let registry = registry(server().await);
    for path in ["/absent", "/moved"] {
        assert_eq!(code(&ask(&registry, path, "GET").await), "HTTP_STATUS", "{path}");
    }
    let seconds = |outcome: Outcome| match outcome {
        Outcome::Retry { after, .. } => after.map(|after| after.as_secs()),
        other => panic!("{other:?}"),
    };
    assert_eq!(seconds(ask(&registry, "/busy", "GET").await), Some(7));
    assert_eq!(seconds(ask(&registry, "/cut", "PUT").await), None);
    // a post may have been done; the other side's word that it was not is believed
    assert!(matches!(ask(&registry, "/busy", "POST").await, Outcome::Unknown(_)));
    assert!(matches!(ask(&registry, "/cut", "POST").await, Outcome::Unknown(_)));
    assert_eq!(seconds(ask(&registry, "/slow-down", "POST").await), None);
    let large = ask(&registry, "/large", "GET").await;
    assert!(matches!(&large, Outcome::Fail(words) if words.contains("longer")), "{large:?}");
}

#[tokio::test]
async fn an_expected_status_is_no_error() {
    let registry = registry(server().await);
    for expected in [json!("404"), json!([200, 404])] {
        let input = json!({"connection": "api", "path": "absent", "expectStatus": expected});
        let told = run(&registry, &TestClock::new(), task("http.request", input, "key")).await;
        assert!(matches!(told, Outcome::Complete(_)), "{told:?}");
    }
}

#[tokio::test]
async fn only_a_tenant_that_may_reaches_loopback() {
    let port = server().await;
    let registry = registry(port);
    for host in ["127.0.0.1", "localhost", "2130706433", "[::1]", "169.254.169.254"] {
        let input = json!({"url": format!("http://{host}:{port}/v1/ok")});
        let told = run(&registry, &TestClock::new(), task("http.request", input, "key")).await;
        assert!(matches!(&told, Outcome::Fail(words) if words.contains("refused")), "{host}: {told:?}");
    }
    let mut own = task("http.request", json!({"url": format!("http://127.0.0.1:{port}/v1/ok")}), "key");
    own.tenant = "demo".into();
    let told = run(&registry, &TestClock::new(), own).await;
    assert!(matches!(told, Outcome::Complete(_)), "{told:?}");
    let file = json!({"url": "file:///etc/passwd"});
    let told = run(&registry, &TestClock::new(), task("http.request", file, "key")).await;
    assert!(matches!(told, Outcome::Fail(_)), "{told:?}");
}

#[tokio::test]
async fn a_time_limit_ends_a_silent_exchange() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let registry = registry(listener.local_addr().unwrap().port());
    let mut job = task("http.request", json!({"connection": "api", "path": "x"}), "key");
    job.properties.insert("transhume.timeout".into(), "PT0.05S".into());
    let told = run(&registry, &TestClock::new(), job).await;
    assert!(matches!(told, Outcome::Retry { .. }), "{told:?}");
}

#[tokio::test]
async fn a_file_gives_connections_and_what_tenants_may_reach() {
    let port = server().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("connections.json");
    let file = json!({
        "connections": [{"name": "api", "kind": "http", "address": "https://api.example.com/v1", "secret": "secret://token"}],
        "allow": {"demo": {"loopback": true, "ports": [port]}},
    });
    std::fs::write(&path, file.to_string()).unwrap();
    let connections = Connections::from_file(&path).unwrap();
    assert_eq!(connections.get("any", "api").unwrap().kind, Kind::Http);
    let registry = Registry::standard(Config { connections, ..Config::default() });
    let ask = async |port: u16| {
        let mut job = task("http.request", json!({"url": format!("http://127.0.0.1:{port}/v1/ok")}), "key");
        job.tenant = "demo".into();
        run(&registry, &TestClock::new(), job).await
    };
    assert!(matches!(ask(port).await, Outcome::Complete(_)));
    assert!(matches!(ask(port.wrapping_add(1)).await, Outcome::Fail(words) if words.contains("port")));
    std::fs::write(&path, "{").unwrap();
    assert!(Connections::from_file(&path).unwrap_err().to_string().contains("connections.json"));
}
