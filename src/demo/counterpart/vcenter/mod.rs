//! vCenter, SOAP vim25 at `/sdk`: the operations that discovery, cutover and host set-up use, with sessions, tasks, views and
//! the property collector. Unknown operations are refused as the real one does, by a fault.

mod inventory;
mod property;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};

use super::world::World;
use super::{Options, USER, calls, httpd};
use crate::base::time::Timestamp;
use crate::xml::{Document, ElementRef, escaped_text};

const VIM: &str = "urn:vim25";
const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const COOKIE: &str = "vmware_soap_session";
/// A guest that does not come up.
const NEVER: i64 = 10 * 365 * 24 * super::HOUR;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Source,
    Target,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct State {
    next: u64,
    hosts: Vec<Host>,
    servers: BTreeMap<String, Server>,
    tasks: BTreeMap<String, Task>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Host {
    moref: String,
    name: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Server {
    pub(super) moref: String,
    pub(super) name: String,
    os: String,
    cpu: u32,
    memory_mb: u32,
    /// Bytes.
    pub(super) disks: Vec<u64>,
    mac: String,
    ip: String,
    network: String,
    host: String,
    power: Power,
    snapshots: Vec<Snapshot>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Power {
    Off,
    On {
        /// From then on the guest's tools answer.
        tools: Timestamp,
    },
    /// The guest shuts down.
    Until(Timestamp),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Snapshot {
    moref: String,
    name: String,
    at: Timestamp,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Task {
    moref: String,
    entity: String,
    /// What was made, as type and reference.
    result: Option<(String, String)>,
    fault: Option<(String, String)>,
}

impl Side {
    /// The vCenter's own id, as other systems name it.
    pub(super) fn uuid(self) -> &'static str {
        match self {
            Self::Source => "e594ad24-5f75-41e3-a276-88a2116dbed0",
            Self::Target => "ff4a23e7-2fed-4be0-be39-479ae372badd",
        }
    }

    /// As the models name it.
    fn connection(self) -> &'static str {
        match self {
            Self::Source => "vcenter-source",
            Self::Target => "vcenter-target",
        }
    }

    fn of(self, state: &super::world::State) -> &State {
        match self {
            Self::Source => &state.source,
            Self::Target => &state.target,
        }
    }

    fn of_mut(self, state: &mut super::world::State) -> &mut State {
        match self {
            Self::Source => &mut state.source,
            Self::Target => &mut state.target,
        }
    }
}

impl State {
    /// The inventory of a new world.
    pub(super) fn fill(&mut self, side: Side, _options: &Options) {
        if side == Side::Source && self.hosts.is_empty() {
            self.hosts = vec![inventory::host()];
            self.servers = inventory::servers();
        }
    }

    pub(super) fn server(&self, moref: &str) -> Option<&Server> {
        self.servers.get(moref)
    }

    /// A replica appears, switched off, under the reference that it had at the source.
    pub(super) fn adopt(&mut self, server: &Server) {
        let mut replica = server.clone();
        replica.power = Power::Off;
        replica.snapshots.clear();
        replica.host = self.hosts.first().map_or_else(String::new, |host| host.moref.clone());
        self.servers.entry(server.moref.clone()).or_insert(replica);
    }

    /// A replica that never ran goes with its replication.
    pub(super) fn forget(&mut self, moref: &str) {
        if self.servers.get(moref).is_some_and(|one| one.power == Power::Off) {
            self.servers.remove(moref);
        }
    }

    fn id(&mut self, kind: &str) -> String {
        self.next += 1;
        format!("{kind}-{}", self.next)
    }
}

impl Server {
    fn is_on(&self, now: Timestamp) -> bool {
        match self.power {
            Power::Off => false,
            Power::On { .. } => true,
            Power::Until(off) => now < off,
        }
    }

    fn tools_run(&self, now: Timestamp) -> bool {
        matches!(self.power, Power::On { tools } if tools <= now)
    }
}

#[derive(Clone)]
struct Service {
    world: Arc<World>,
    side: Side,
    /// What a restart forgets: views, pages, and which tasks have been asked for.
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    views: BTreeMap<String, Vec<String>>,
    pages: BTreeMap<String, Vec<String>>,
    asked: BTreeSet<String>,
    next: u64,
}

/// Inner XML of the answer, or a fault: its type and words.
type Answer = Result<String, Fault>;

struct Fault {
    kind: &'static str,
    words: String,
}

impl Fault {
    fn new(kind: &'static str, words: impl Into<String>) -> Self {
        Self { kind, words: words.into() }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::new("SystemError", error.to_string())
    }
}

pub(super) fn router(world: Arc<World>, side: Side) -> Router {
    let service = Service { world: world.clone(), side, kept: Arc::default() };
    let router = Router::new()
        .route("/sdk", post(answer))
        .route("/sdk/", post(answer))
        .route("/sdk/vimServiceVersions.xml", get(versions))
        .with_state(service);
    httpd::guarded(router, world)
}

async fn versions() -> Response {
    let body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><namespaces version=\"1.0\"><namespace><name>urn:vim25</name><version>6.5</version></namespace></namespaces>";
    ([(header::CONTENT_TYPE, "text/xml")], body).into_response()
}

async fn answer(Shared(service): Shared<Service>, headers: HeaderMap, body: Bytes) -> Response {
    let mut cookie = None;
    let (name, result) = match Document::parse(&body) {
        Ok(document) => match operation(&document) {
            Some(asked) => (asked.name().to_owned(), service.run(asked, session_of(&headers), &mut cookie)),
            None => (String::new(), Err(Fault::new("InvalidRequest", "no operation"))),
        },
        Err(found) => (String::new(), Err(Fault::new("InvalidRequest", found.to_string()))),
    };
    let (status, inner) = match result {
        Ok(inner) => (StatusCode::OK, format!("<{name}Response xmlns=\"{VIM}\">{inner}</{name}Response>")),
        Err(fault) => (StatusCode::INTERNAL_SERVER_ERROR, fault_xml(&fault)),
    };
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<soapenv:Envelope xmlns:soapenv=\"{SOAP}\" xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body>{inner}</soapenv:Body></soapenv:Envelope>"
    );
    let mut response = (status, [(header::CONTENT_TYPE, "text/xml; charset=utf-8")], body).into_response();
    if let Some(cookie) = cookie {
        let value = format!("{COOKIE}=\"{cookie}\"; Path=/; HttpOnly");
        let value = value.parse().expect("hexadecimal is a header's value");
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    response
}

fn fault_xml(fault: &Fault) -> String {
    let Fault { kind, words } = fault;
    let words = escaped_text(words);
    format!(
        "<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>{words}</faultstring><detail><{kind}Fault xmlns=\"{VIM}\" xsi:type=\"{kind}\"/></detail></soapenv:Fault>"
    )
}

fn operation(document: &Document) -> Option<ElementRef<'_>> {
    document.root().child(SOAP, "Body")?.children().next()
}

fn session_of(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get(header::COOKIE)?.to_str().ok()?;
    let own = cookies.split(';').find_map(|one| one.trim().strip_prefix(COOKIE)?.strip_prefix('='));
    own.map(|value| value.trim_matches('"').to_owned())
}

impl Service {
    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, asked: ElementRef<'_>, session: Option<String>, cookie: &mut Option<String>) -> Answer {
        match asked.name() {
            "RetrieveServiceContent" => return Ok(self.content()),
            "Login" => return self.login(asked, cookie),
            _ => {}
        }
        let known = session.filter(|session| self.world.knows_session(session));
        let Some(session) = known else {
            return Err(Fault::new("NotAuthenticated", "The session is not authenticated."));
        };
        match asked.name() {
            "Logout" => {
                self.world.end_session(&session);
                Ok(String::new())
            }
            "CreateContainerView" => Ok(self.create_view(asked)),
            "DestroyView" => {
                self.kept().views.remove(text(asked, "_this"));
                Ok(String::new())
            }
            "RetrievePropertiesEx" => self.retrieve(asked),
            "ContinueRetrievePropertiesEx" => self.go_on(text(asked, "token")),
            "PowerOnVM_Task" => self.power(asked, true),
            "PowerOffVM_Task" => self.power(asked, false),
            "ShutdownGuest" => self.shutdown(asked),
            "CreateSnapshot_Task" => self.snapshot(asked),
            "AddStandaloneHost_Task" => self.add_host(asked),
            other => Err(Fault::new("NotSupported", format!("{other} is not offered here"))),
        }
    }

    fn content(&self) -> String {
        let name = match self.side {
            Side::Source => "on-premise",
            Side::Target => "softlayer",
        };
        let part = |tag: &str, kind: &str| format!("<{tag} type=\"{kind}\">{kind}</{tag}>");
        format!(
            "<returnval><rootFolder type=\"Folder\">group-d1</rootFolder>{}{}<about><name>VMware vCenter Server</name><fullName>VMware vCenter Server (counterpart {name})</fullName><vendor>VMware, Inc.</vendor><version>6.5.0</version><build>0</build><osType>linux-x64</osType><productLineId>vpx</productLineId><apiType>VirtualCenter</apiType><apiVersion>6.5</apiVersion><instanceUuid>{}</instanceUuid></about>{}</returnval>",
            part("propertyCollector", "PropertyCollector"),
            part("viewManager", "ViewManager"),
            self.side.uuid(),
            part("sessionManager", "SessionManager"),
        )
    }

    fn login(&self, asked: ElementRef<'_>, cookie: &mut Option<String>) -> Answer {
        if text(asked, "userName") != USER || text(asked, "password") != self.world.password {
            return Err(Fault::new("InvalidLogin", "Cannot complete login due to an incorrect user name or password."));
        }
        let session = self.world.begin_session()?;
        *cookie = Some(session.clone());
        Ok(format!(
            "<returnval><key>{session}</key><userName>{USER}</userName><fullName>{USER}</fullName><loginTime>2016-01-01T00:00:00Z</loginTime><lastActiveTime>2016-01-01T00:00:00Z</lastActiveTime><locale>en</locale><messageLocale>en</messageLocale></returnval>"
        ))
    }

    fn power(&self, asked: ElementRef<'_>, on: bool) -> Answer {
        let boot = self.world.options.durations.boot;
        let fails = self.world.options.failures.partial_recovery && self.side == Side::Target;
        let mut changed = None;
        let answer = self.task(asked, |state, server, now| {
            let one = state.servers.get_mut(server).expect("it was just found");
            if one.is_on(now) == on {
                return Err(("InvalidPowerState", "The attempted operation cannot be performed in the current state."));
            }
            let boot = if fails && one.name.starts_with("sql-") { NEVER } else { boot };
            one.power = match on {
                true => Power::On { tools: now.plus_ms(boot) },
                false => Power::Off,
            };
            changed = Some(one.name.clone());
            Ok(None)
        });
        self.noted(asked.name(), changed, answer)
    }

    /// Notes at which server the call has changed something, if it was answered.
    fn noted(&self, call: &str, changed: Option<String>, answer: Answer) -> Answer {
        if let (Ok(_), Some(server)) = (&answer, changed) {
            calls::note(&self.world, self.side.connection(), call, &server);
        }
        answer
    }

    fn shutdown(&self, asked: ElementRef<'_>) -> Answer {
        let takes = self.world.options.durations.shutdown;
        let moref = text(asked, "_this").to_owned();
        let mut changed = None;
        let answer = self.world.try_change(|state, now| {
            let found = self.side.of_mut(state).servers.get_mut(&moref);
            let one = found.ok_or_else(|| gone(&moref))?;
            match one.power {
                Power::On { .. } if one.tools_run(now) => {
                    one.power = Power::Until(now.plus_ms(takes));
                    changed = Some(one.name.clone());
                    Ok(String::new())
                }
                Power::Until(_) if one.is_on(now) => Ok(String::new()),
                Power::On { .. } => Err(Fault::new("ToolsUnavailable", "VMware Tools is not running.")),
                Power::Off | Power::Until(_) => Err(Fault::new("InvalidPowerState", "The server is not powered on.")),
            }
        });
        self.noted("ShutdownGuest", changed, answer)
    }

    fn snapshot(&self, asked: ElementRef<'_>) -> Answer {
        let name = text(asked, "name").to_owned();
        self.task(asked, |state, server, now| {
            let moref = state.id("snapshot");
            let one = state.servers.get_mut(server).expect("it was just found");
            one.snapshots.push(Snapshot { moref: moref.clone(), name: name.clone(), at: now });
            Ok(Some(("VirtualMachineSnapshot".to_owned(), moref)))
        })
    }

    fn add_host(&self, asked: ElementRef<'_>) -> Answer {
        let spec = asked.child(VIM, "spec");
        let name = spec.map(|spec| text(spec, "hostName")).unwrap_or_default().to_owned();
        let password = spec.map(|spec| text(spec, "password")).unwrap_or_default();
        let fault = if name.is_empty() {
            Some(("InvalidArgument", "No host was named."))
        } else if password != self.world.password {
            Some(("InvalidLogin", "The host refuses this user and password."))
        } else {
            None
        };
        self.world.try_change(|state, _| {
            let state = self.side.of_mut(state);
            let known = state.hosts.iter().any(|host| host.name == name);
            let fault = fault.or(known.then_some(("DuplicateName", "The host is there already.")));
            let result = match fault {
                Some(fault) => Err(fault),
                None => {
                    let moref = state.id("host");
                    state.hosts.push(Host { moref: moref.clone(), name: name.clone() });
                    Ok(Some(("ComputeResource".to_owned(), format!("domain-{moref}"))))
                }
            };
            Ok(note_task(state, "group-h4", result))
        })
    }

    /// Runs work on a server as a task, whose reference is the answer.
    fn task(&self, asked: ElementRef<'_>, work: impl FnOnce(&mut State, &str, Timestamp) -> Work) -> Answer {
        let moref = text(asked, "_this").to_owned();
        self.world.try_change(|state, now| {
            let state = self.side.of_mut(state);
            if !state.servers.contains_key(&moref) {
                return Err(gone(&moref));
            }
            let result = work(state, &moref, now);
            Ok(note_task(state, &moref, result))
        })
    }
}

type Work = Result<Option<(String, String)>, (&'static str, &'static str)>;

fn note_task(state: &mut State, entity: &str, result: Work) -> String {
    let moref = state.id("task");
    let (result, fault) = match result {
        Ok(made) => (made, None),
        Err((kind, words)) => (None, Some((kind.to_owned(), words.to_owned()))),
    };
    let one = Task { moref: moref.clone(), entity: entity.to_owned(), result, fault };
    state.tasks.insert(moref.clone(), one);
    format!("<returnval type=\"Task\">{moref}</returnval>")
}

fn gone(moref: &str) -> Fault {
    Fault::new(
        "ManagedObjectNotFound",
        format!("The object '{moref}' has already been deleted or has not been completely created."),
    )
}

/// The text of a child; the reader's own copy lives in the document.
fn text<'d>(element: ElementRef<'d>, child: &str) -> &'d str {
    element
        .child(VIM, child)
        .map(|child| match child.text() {
            std::borrow::Cow::Borrowed(text) => text,
            std::borrow::Cow::Owned(_) => "",
        })
        .unwrap_or_default()
}
