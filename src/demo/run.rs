//! The demo: a server on loopback with a database of its own, counterparts that speak the real protocols, played people, one
//! virtual clock. The same models and handlers as in production move 25 servers from discovery to the steady state.
//!
//! All that lasts is in the data folder: the database, and the counterparts' own file and the clock. A run that was killed
//! goes on where it stood when it is started again with the same folder.

use crate::api::{self, ApiState, NewAccount, Options as ApiOptions};
use crate::base::time::Timestamp;
use crate::demo::catalogue::{FILES, SCRIPTS};
use crate::demo::client::Client;
use crate::demo::clock::VirtualClock;
use crate::demo::conductor::{Pace, Turn, settle, turn};
use crate::demo::counterpart::{Counterparts, Durations, Failures, Options as CounterpartOptions};
use crate::demo::people::People;
use crate::demo::progress::Progress;
use crate::demo::segments;
use crate::demo::undone;
use crate::demo::view::{Control, Programme, Status};
use crate::handlers::{Registry, registry};
use crate::partition::transaction::CommandKey;
use crate::partition::{Bundle, Work};
use crate::runtime::clock::Clock;
use crate::runtime::node::{Config, Node};
use crate::runtime::show::Speed;
use crate::store::Store;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A Monday: the clock of a new run begins here, so that every run has the same times.
const BEGIN: &str = "2026-03-02T00:00:00Z";
const PROGRAMME: &str = "datacentre-25";
/// The mark of a demo's database: another one is refused.
const MARK: &str = "demo";
/// Tables and progress are shown again after this real time.
const SHOW_EVERY: Duration = Duration::from_millis(250);

#[derive(Clone, Debug)]
pub struct Options {
    pub data: PathBuf,
    pub sequence: Sequence,
    pub speed: Speed,
    pub once: bool,
    pub manual: bool,
    pub fail: Option<Fail>,
    pub listen: SocketAddr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sequence {
    Paper,
    Parallel,
}

/// A failure that is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fail {
    OrderRejected,
    TunnelDown,
    /// Some servers do not come up at the target, and their wave is rolled back.
    PartialRecovery,
}

impl Sequence {
    pub fn word(self) -> &'static str {
        match self {
            Self::Paper => "paper",
            Self::Parallel => "parallel",
        }
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    Completed,
    /// In the modelled exception path: a mail has been sent, and these tasks wait for a person.
    AwaitsPerson(Vec<String>),
    /// Stopped by the person at the terminal.
    Stopped,
}

pub async fn run(options: Options) -> anyhow::Result<End> {
    std::fs::create_dir_all(&options.data)?;
    let demo = Demo::begin(&options).await?;
    let end = demo.play(&options).await?;
    demo.report(&options, &end).await?;
    if !options.once {
        println!("The page stays open at {}; end it with Ctrl-C.", demo.address);
        tokio::signal::ctrl_c().await?;
    }
    demo.node.shutdown().await;
    Ok(end)
}

struct Demo {
    node: Node,
    clock: VirtualClock,
    pace: Pace,
    client: Client,
    programme: Arc<Programme>,
    counterparts: Counterparts,
    api: ApiState,
    address: String,
    ended: Arc<AtomicBool>,
}

impl Demo {
    async fn begin(options: &Options) -> anyhow::Result<Self> {
        let begin = Timestamp::parse(BEGIN)?;
        let (clock, again) = VirtualClock::open(options.data.join("clock"), begin)?;
        let held = clock.guard();
        let counterparts = Counterparts::start(&options.data, Arc::new(clock.clone()), outside(options)).await?;
        let node = start_node(options, &counterparts, &clock).await?;
        deploy(&node).await?;
        let (pace, ended) = (Pace::new(options.speed), Arc::new(AtomicBool::new(false)));
        let listener = tokio::net::TcpListener::bind(options.listen).await.map_err(|error| {
            anyhow::anyhow!("{}: {error}; choose another address with --listen, such as 127.0.0.1:0", options.listen)
        })?;
        let address = format!("http://{}", listener.local_addr()?);
        let (user, password) = ("demo", kept_password(&options.data)?);
        let client = |address: &str| Client::new(address, user, &password).map_err(anyhow::Error::msg);
        let programme = Arc::new(Programme {
            client: client(&address)?,
            clock: clock.clone(),
            marked: segments::marked(FILES),
            instance: std::sync::OnceLock::new(),
            id: PROGRAMME.into(),
            name: "25 servers of the paper's case".into(),
        });
        let control = Control {
            clock: clock.clone(),
            pace: pace.clone(),
            started: begin,
            sequence: options.sequence.word(),
            ended: Arc::clone(&ended),
        };
        let api = ApiState::new(ApiOptions {
            programmes: Some(programme.clone()),
            demo: Some(Arc::new(control)),
            ..ApiOptions::new(node.clone())
        });
        api.add_account(account(user, &password)).await.map_err(anyhow::Error::msg)?;
        let served = api.clone();
        tokio::spawn(async move {
            if let Err(error) = api::serve(listener, served, std::future::pending()).await {
                tracing::error!("the server ended: {error}");
            }
        });
        let client = client(&address)?;
        let instance =
            client.start("cmo.end-to-end", &order(options), "demo-programme").await.map_err(anyhow::Error::msg)?;
        let _first = programme.instance.set(instance);
        drop(held);
        let demo = Self { node, clock, pace, client, programme, counterparts, api, address, ended };
        demo.announce(options, again);
        Ok(demo)
    }

    fn announce(&self, options: &Options, again: bool) {
        println!(
            "Transhume demo: 25 servers, sequence {}, data in {}",
            options.sequence.word(),
            options.data.display()
        );
        println!("Watch it at {}/?token={}", self.address, self.api.one_time_token("demo"));
        if again {
            println!("Going on where the last run of this folder stood, at {}.", self.clock.now());
        }
    }

    /// Plays until the programme has ended, or waits for a person whom nobody plays.
    async fn play(&self, options: &Options) -> anyhow::Result<End> {
        let mut people = People::new(options.manual, options.fail == Some(Fail::PartialRecovery));
        let mut progress = Progress::new(options.sequence.word());
        let mut shown = Instant::now() - SHOW_EVERY;
        loop {
            let turned = tokio::select! {
                turned = turn(&self.clock, &mut people, &self.client, &self.pace) => turned.map_err(anyhow::Error::msg)?,
                stopped = tokio::signal::ctrl_c() => {
                    stopped?;
                    return Ok(End::Stopped);
                }
            };
            if shown.elapsed() >= SHOW_EVERY || turned == Turn::Rests {
                shown = Instant::now();
                let status = self.status().await?;
                progress.show(&status, status.ended.unwrap_or_else(|| self.clock.now()));
                if status.ended.is_some() {
                    progress.finish();
                    self.ended.store(true, Ordering::Release);
                    return Ok(End::Completed);
                }
                self.api.changed("programme", "changed", PROGRAMME);
            }
            if !people.left_open.is_empty() && !options.manual {
                settle(&self.clock).await;
                progress.finish();
                let tasks = people.left_open.iter().map(|task| task.name.clone()).collect();
                return Ok(End::AwaitsPerson(tasks));
            }
            if turned == Turn::Rests && !options.manual {
                anyhow::bail!("nothing moves any more: {}", self.stuck().await?);
            }
        }
    }

    async fn status(&self) -> anyhow::Result<Status> {
        self.programme.status().await.map_err(anyhow::Error::msg)
    }

    async fn stuck(&self) -> anyhow::Result<String> {
        let status = self.status().await?;
        Ok(serde_json::to_string_pretty(&status.waiting)?)
    }

    async fn report(&self, options: &Options, end: &End) -> anyhow::Result<()> {
        settle(&self.clock).await;
        let status = self.status().await?;
        let until = status.ended.unwrap_or_else(|| self.clock.now());
        let total = status.ended.map(|_| (until.0 - status.started.0) / 1_000);
        println!("\n{}", segments::table(&status.segments, total, options.sequence.word()));
        match end {
            End::Completed => println!(
                "The programme ended in the steady state at {until}: {} of {} servers moved.",
                status.moved.len(),
                status.servers.len()
            ),
            End::AwaitsPerson(tasks) => self.tell_exception(tasks, &status)?,
            End::Stopped => println!("Stopped at {until}; the same command with this data folder goes on from here."),
        }
        Ok(())
    }

    /// The exception path: what the mails say, and which task waits for whom.
    fn tell_exception(&self, tasks: &[String], status: &Status) -> anyhow::Result<()> {
        println!("The run has come to a modelled exception.");
        let undone = undone::lines(&self.counterparts.calls()?);
        if !undone.is_empty() {
            println!("The wave was rolled back by compensation, what was done last is undone first:");
            undone.iter().for_each(|line| println!("  undo  {line}"));
        }
        let mails = self.counterparts.mails()?;
        let last = mails.last().map(|mail| mail.at);
        for mail in mails.iter().filter(|mail| Some(mail.at) == last) {
            println!("  mail  {:?} to {} at {}", mail.subject, mail.to.join(", "), mail.at);
        }
        let is_left = |entry: &&Value| tasks.iter().any(|task| entry["what"] == task.as_str());
        for entry in status.waiting.iter().filter(|entry| entry["kind"] == "person").filter(is_left) {
            let since = entry["since"].as_str().unwrap_or_default();
            println!("  task  {} waits for a person since {since}", entry["what"].as_str().unwrap_or_default());
        }
        println!("It ends in the exception path as modelled: a person decides how it goes on.");
        Ok(())
    }
}

/// The engine on the folder's database, with the handlers of production against the counterparts.
async fn start_node(options: &Options, counterparts: &Counterparts, clock: &VirtualClock) -> anyhow::Result<Node> {
    let store = open_store(&options.data).await?;
    let config = registry::Config {
        connections: counterparts.connections(),
        secrets: counterparts.secrets(""),
        scripts: SCRIPTS.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect(),
        ..registry::Config::default()
    };
    let node = Config {
        store,
        clock: Arc::new(clock.clone()),
        registry: Arc::new(Registry::standard(config)),
        name: "demo".into(),
        installation: "demo".into(),
    };
    Ok(Node::start(node).await?)
}

fn outside(options: &Options) -> CounterpartOptions {
    let failures = Failures {
        order_rejected: options.fail == Some(Fail::OrderRejected),
        tunnel_down: options.fail == Some(Fail::TunnelDown),
        partial_recovery: options.fail == Some(Fail::PartialRecovery),
        ..Failures::default()
    };
    // With the last delta's two minutes this is Table IV's cutover of five.
    let durations = Durations { shutdown: 90_000, boot: 90_000, ..Durations::default() };
    CounterpartOptions { failures, durations, ..CounterpartOptions::default() }
}

/// The database of the data folder: a new one gets the demo's mark, one without it is refused.
async fn open_store(data: &Path) -> anyhow::Result<Store> {
    let file = data.join("transhume.db");
    let is_new = !file.exists();
    let store = Store::open(&format!("sqlite:{}", file.display())).await?;
    let installation = store.installation("demo", Timestamp(0)).await?;
    if is_new {
        store.set_mark(MARK).await?;
    } else if installation.mark != MARK {
        anyhow::bail!("{}: this is no demo's database; name another folder with --data", file.display());
    }
    Ok(store)
}

/// Deploys the catalogue once, however often the folder is opened.
async fn deploy(node: &Node) -> anyhow::Result<()> {
    let files = FILES.iter().map(|(name, bytes)| ((*name).to_owned(), Arc::new(bytes.to_vec()))).collect();
    let read = Bundle::read(Some("catalogue".into()), Some("demo".into()), String::new(), files);
    let bundle = read.map(|read| read.bundle).map_err(|found| {
        let lines = found.iter().flat_map(|(name, list)| list.iter().map(move |finding| format!("{name}:{finding}")));
        anyhow::anyhow!("the catalogue cannot be deployed:\n{}", lines.collect::<Vec<_>>().join("\n"))
    })?;
    let key = CommandKey { tenant: String::new(), route: "demo".into(), key: "catalogue".into() };
    node.submit(Work::Deploy(Box::new(bundle)), Some((key, "catalogue".into())), None).await?;
    Ok(())
}

fn account(user: &str, password: &str) -> NewAccount {
    let groups = [
        "migration-lead",
        "deputy-lead",
        "network-lead",
        "cloud-network",
        "cloud-provisioning",
        "storage-dr",
        "app-owner",
        "business-approver",
        "tester",
        "security-officer",
        "sponsor",
        "consultant",
    ];
    NewAccount {
        user: user.to_owned(),
        password: password.to_owned(),
        groups: groups.map(str::to_owned).into(),
        tenants: None,
        admin: true,
    }
}

/// The password of the played people: drawn once, kept in the data folder for a run that goes on.
fn kept_password(data: &Path) -> anyhow::Result<String> {
    let file = data.join("people-password");
    if let Ok(kept) = std::fs::read_to_string(&file) {
        return Ok(kept);
    }
    let mut bytes = [0_u8; 24];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| anyhow::anyhow!("the system gives no random numbers"))?;
    let password = data_encoding::BASE64URL_NOPAD.encode(&bytes);
    std::fs::write(&file, &password)?;
    Ok(password)
}

/// What starts the programme.
fn order(options: &Options) -> Value {
    let programme = json!({
        "id": PROGRAMME, "name": "Datacentre of 25 servers", "mail": "smtp", "cloud": "softlayer", "replication": "vr",
        "gateway": "gateway", "sourceVcenter": "vcenter-source", "targetVcenter": "vcenter-target", "dialect": "vyos-1.4",
        "cloudAddress": "198.51.100.1", "cloudPrefixes": ["10.200.0.0/16"], "hostSecret": "secret://host-password"
    });
    let sources = json!([{"name": "main", "kind": "vcenter", "connection": "vcenter-source"}]);
    let demand = json!({"gateway": 1, "vlan": 1, "vcenter": 1, "hosts": 1, "bridges": 0});
    let cutover = json!({"shutdownWait": "PT0S", "stop": "PT90S", "startPause": 90});
    let settings = json!({"retention": "PT0S", "waveSize": 25, "cutover": cutover});
    let object = |value: &Value| json!({"value": value.to_string(), "type": "Json"});
    json!({
        "businessKey": PROGRAMME,
        "variables": {
            "sequence": {"value": options.sequence.word(), "type": "String"},
            "programme": object(&programme), "sources": object(&sources), "demand": object(&demand), "settings": object(&settings)
        }
    })
}
