//! A node on a temporary SQLite file with its router: called in process, or served on a port of its own.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use data_encoding::BASE64;
use serde_json::{Value, from_str, json};
use tower::ServiceExt;
use transhume::api::{ApiState, NewAccount, Options, router};
use transhume::handlers::{Registry, registry};
use transhume::runtime::clock::system;
use transhume::runtime::node::{Config, Node};
use transhume::store::Store;
use transhume::store::queries::identity::Rule;

use super::description;

pub(super) const SETUP: &str = "set-up token of the tests";

/// The numbers of the kinds of objects that rights are about.
const RESOURCES: [i16; 19] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 17, 19, 20, 21];

pub(super) struct Server {
    pub(super) node: Node,
    pub(super) state: ApiState,
    pub(super) router: Router,
    folder: tempfile::TempDir,
}

/// An answer, read whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) bytes: Vec<u8>,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub(super) fn kind(&self) -> Option<&str> {
        self.headers.get(header::CONTENT_TYPE).map(|kind| kind.to_str().expect("text"))
    }

    /// The body of every error: D3.
    pub(super) fn error(&self) -> (u16, String, String) {
        assert_eq!(self.kind(), Some("application/json"), "{self:?}");
        let body = self.json();
        assert!(body.get("code").is_some_and(|code| code.is_null() || code.is_number()), "{body}");
        let text = |name: &str| body[name].as_str().unwrap_or_else(|| panic!("no {name}: {body}")).to_owned();
        (self.status.as_u16(), text("type"), text("message"))
    }
}

impl Server {
    /// With the administrator `demo`, password `demo`.
    pub(super) async fn start() -> Self {
        let server = Self::bare(|_| {}).await;
        server.account("demo", None, true).await;
        server
    }

    /// Nobody can sign in yet.
    pub(super) async fn bare(adjust: impl FnOnce(&mut Options)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("test.db");
        Self::on(&format!("sqlite:{}", file.display()), folder, adjust).await
    }

    /// On this database.
    pub(super) async fn on(address: &str, folder: tempfile::TempDir, adjust: impl FnOnce(&mut Options)) -> Self {
        let store = Store::open(address).await.expect("it opens");
        let config = Config {
            store,
            clock: system(),
            registry: Arc::new(Registry::new(registry::Config::default())),
            name: "test".into(),
            installation: "test".into(),
        };
        let node = Node::start(config).await.expect("it starts");
        let mut options = Options::new(node.clone());
        options.setup_token = Some(SETUP.to_owned());
        adjust(&mut options);
        let state = ApiState::new(options);
        let router = router(state.clone());
        Self { node, state, router, folder }
    }

    /// The same database under a new node, after this one has stopped.
    pub(super) async fn restarted(self, address: &str) -> Self {
        self.node.shutdown().await;
        Self::on(address, self.folder, |_| {}).await
    }

    /// An account whose password is its name; it may do everything, within its tenants.
    pub(super) async fn account(&self, user: &str, tenants: Option<&[&str]>, admin: bool) {
        self.bare_account(user, tenants, admin).await;
        if !admin {
            for resource in RESOURCES {
                self.grant(user, resource, "*", &["ALL"]).await;
            }
        }
    }

    /// One right more.
    pub(super) async fn grant(&self, user: &str, resource: i16, object: &str, permissions: &[&str]) {
        let store = self.node.store();
        let id = format!("{user}-{resource}-{object}");
        let known = store.rule(&id).await.expect("read");
        let mut words: Vec<String> =
            known.iter().flat_map(|rule| from_str::<Vec<String>>(&rule.permissions).expect("words")).collect();
        words.extend(permissions.iter().map(|word| (*word).to_owned()));
        let (kind, account, object, permissions) =
            (1, Some(user.to_owned()), object.to_owned(), json!(words).to_string());
        let rule = Rule { id, kind, account, team: None, resource, object, permissions };
        let kept = if known.is_some() { store.change_rule(&rule).await } else { store.add_rule(&rule).await };
        assert!(kept.expect("it is stored"), "{rule:?}");
    }

    /// An account that may do nothing yet, unless it is an administrator's.
    pub(super) async fn bare_account(&self, user: &str, tenants: Option<&[&str]>, admin: bool) {
        let tenants = tenants.map(|tenants| tenants.iter().map(|tenant| (*tenant).to_owned()).collect());
        let account = NewAccount { user: user.into(), password: user.into(), groups: BTreeSet::new(), tenants, admin };
        assert!(self.state.add_account(account).await.expect("it is added"));
    }

    /// The answer, which fits the description of the dialect.
    pub(super) async fn send(&self, request: Request<Body>) -> Answer {
        let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
        let answer = self.router.clone().oneshot(request).await.expect("a router never fails");
        let (parts, body) = answer.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.expect("the body ends").to_vec();
        let answer = Answer { status: parts.status, headers: parts.headers, bytes };
        description::check(&method, &path, &answer);
        answer
    }

    /// As `demo`; a body is sent as JSON.
    pub(super) async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.call_as("demo", method, path, body).await
    }

    pub(super) async fn call_as(&self, user: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.call_with_password(user, user, method, path, body).await
    }

    pub(super) async fn call_with_password(
        &self,
        user: &str,
        password: &str,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let credentials = format!("Basic {}", BASE64.encode(format!("{user}:{password}").as_bytes()));
        let mut request = Request::builder().method(method).uri(path).header(header::AUTHORIZATION, credentials);
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        self.send(request.body(body).expect("a request")).await
    }

    /// The cookie of a session that begins.
    pub(super) async fn session(&self, who: Value) -> String {
        let request =
            Request::builder().method("POST").uri("/api/session").header(header::CONTENT_TYPE, "application/json");
        let answer = self.send(request.body(Body::from(who.to_string())).expect("a request")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let lines = answer.headers.get_all(header::SET_COOKIE).iter();
        let pairs = lines.map(|line| line.to_str().expect("text").split(';').next().expect("a pair"));
        pairs.collect::<Vec<_>>().join("; ")
    }

    pub(super) async fn as_session(&self, cookie: &str, path: &str) -> Answer {
        let request = Request::builder().uri(path).header(header::COOKIE, cookie);
        self.send(request.body(Body::empty()).expect("a request")).await
    }

    /// A `POST` under this idempotency key.
    pub(super) async fn call_with_key(&self, key: &str, path: &str, body: Value) -> Answer {
        let request = Request::builder()
            .method("POST")
            .uri(path)
            .header(header::AUTHORIZATION, basic("demo"))
            .header(header::CONTENT_TYPE, "application/json")
            .header("idempotency-key", key)
            .body(Body::from(body.to_string()));
        self.send(request.expect("a request")).await
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, None).await
    }

    pub(super) async fn deploy_as(&self, user: &str, fields: &[(&str, &str)], files: &[(&str, &[u8])]) -> Answer {
        let files: Vec<_> = files.iter().map(|(name, bytes)| (*name, *name, *bytes)).collect();
        self.form_as(user, "/engine-rest/deployment/create", fields, &files).await
    }

    /// Fields, and files with their part's name and their own, as a form.
    pub(super) async fn form_as(
        &self,
        user: &str,
        path: &str,
        fields: &[(&str, &str)],
        files: &[(&str, &str, &[u8])],
    ) -> Answer {
        let mut body = Vec::new();
        for (name, value) in fields {
            let part = format!("--edge\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
            body.extend_from_slice(part.as_bytes());
        }
        for (name, file, bytes) in files {
            let head = format!(
                "--edge\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{file}\"\r\nContent-Type: text/xml\r\n\r\n"
            );
            body.extend_from_slice(head.as_bytes());
            body.extend_from_slice(bytes);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--edge--\r\n");
        let request = Request::builder()
            .method("POST")
            .uri(path)
            .header(header::AUTHORIZATION, basic(user))
            .header(header::CONTENT_TYPE, "multipart/form-data; boundary=edge")
            .body(Body::from(body));
        self.send(request.expect("a request")).await
    }

    pub(super) async fn deploy(&self, name: &str, model: &str) -> Value {
        let answer = self.deploy_as("demo", &[("deployment-name", name)], &[(name, model.as_bytes())]).await;
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.bytes));
        answer.json()
    }

    /// Comments that the store still has of an instance.
    pub(super) async fn kept_comments(&self, instance: &str) -> usize {
        let instance = instance.parse().expect("a number");
        self.node.store().comments(instance, None).await.expect("they are read").len()
    }

    /// The base address of a port that answers as long as the test runs.
    pub(super) async fn serve(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let service = self.router.clone().into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        format!("http://{address}")
    }
}

pub(super) fn basic(user: &str) -> String {
    format!("Basic {}", BASE64.encode(format!("{user}:{user}").as_bytes()))
}
