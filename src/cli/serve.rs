//! `transhume serve`: the server. Safe as unpacked: loopback only, nobody gets in before the first administrator is made.

use clap::Args;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use transhume::api::{self, ApiState, Options};
use transhume::base::limits::HISTORY_DAYS_DEFAULT;
use transhume::demo::catalogue::SCRIPTS;
use transhume::handlers::{Connections, Registry, Secrets, registry};
use transhume::runtime::clock::{self, Clock};
use transhume::runtime::node::{Config, Node};
use transhume::store::{Store, StoreError};

/// Requests under way have so long to be answered; service managers kill after 30 seconds or later.
const LAST_ANSWERS: Duration = Duration::from_secs(20);

/// As a host's name has at most.
const NODE_NAME_MAX: usize = 63;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Serve {
    /// Where everything is stored: sqlite:FILE, or postgres://USER@HOST[,HOST…]/NAME
    #[arg(long, default_value = "sqlite:transhume.db", env = "TRANSHUME_DATABASE")]
    database: String,
    /// Address to listen on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8080", env = "TRANSHUME_LISTEN")]
    listen: SocketAddr,
    /// A proxy with TLS stands in front: another address than loopback is allowed
    #[arg(long, env = "TRANSHUME_BEHIND_PROXY")]
    behind_proxy: bool,
    /// File with the token that makes the first administrator, instead of one that is printed
    #[arg(long, value_name = "FILE", env = "TRANSHUME_SETUP_TOKEN_FILE")]
    setup_token_file: Option<PathBuf>,
    /// File (JSON) with the named connections that models use
    #[arg(long, value_name = "FILE", env = "TRANSHUME_CONNECTIONS")]
    connections: Option<PathBuf>,
    /// Names this node among those that share a PostgreSQL: letters, digits, "-", "_" and "."; leases of its handlers carry it
    #[arg(long, default_value = "local", value_parser = node_name, env = "TRANSHUME_NODE")]
    node: String,
    /// Origins of other pages that may call with credentials
    #[arg(long, value_name = "ORIGIN", value_delimiter = ',', env = "TRANSHUME_ORIGINS")]
    origins: Vec<String>,
    /// Days that the history of an ended instance is kept, where its model does not say
    #[arg(long, value_name = "DAYS", default_value_t = HISTORY_DAYS_DEFAULT, env = "TRANSHUME_HISTORY_TTL")]
    history_ttl: u32,
    /// How log lines are written, to standard error; RUST_LOG chooses which (info: also each job and request)
    #[arg(long, value_enum, default_value_t = super::LogFormat::Text, env = "TRANSHUME_LOG")]
    log: super::LogFormat,
    /// Serve what a Prometheus scrapes, without sign-in, at /metrics of this address; a port alone is on loopback
    #[arg(long, value_name = "ADDRESS", value_parser = metrics_address, env = "TRANSHUME_METRICS")]
    metrics: Option<SocketAddr>,
}

const EXAMPLE: &str = "\
Example:
  $ transhume serve --database sqlite:transhume.db --log json --metrics 9464
  set-up token: 3vX…
  listening on http://127.0.0.1:8080

  curl http://127.0.0.1:8080/api/health/live     the process answers
  curl http://127.0.0.1:8080/api/health/ready    its database answers and it takes work; else 503
  curl http://127.0.0.1:9464/metrics             Prometheus text; also /api/metrics for administrators

At the first start the set-up token makes the first administrator (POST /api/setup). SIGTERM ends it
gracefully: requests under way are answered, who waits for jobs gets an empty answer at once.

Exit status: 0 stopped, 1 failed, 2 wrong usage or tables of another version.";

fn metrics_address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.parse::<u16>() {
        return Ok(SocketAddr::from(([127, 0, 0, 1], port)));
    }
    text.parse().map_err(|_| "a port, or an address with its port, such as 10.0.0.5:9464".to_owned())
}

pub(crate) fn execute(arguments: Serve) -> ExitCode {
    if !arguments.listen.ip().is_loopback() && !arguments.behind_proxy {
        eprintln!(
            "{}: only loopback is served without a proxy with TLS; say --behind-proxy where one stands in front",
            arguments.listen
        );
        return ExitCode::from(2);
    }
    super::block_on(async {
        match serve(arguments).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error:#}");
                match error.downcast_ref::<StoreError>() {
                    Some(StoreError::Older { .. } | StoreError::Newer { .. }) => ExitCode::from(2),
                    _other => ExitCode::FAILURE,
                }
            }
        }
    })
}

async fn serve(arguments: Serve) -> anyhow::Result<()> {
    super::log(arguments.log);
    let store = Store::open(&arguments.database).await.map_err(|error| match error {
        StoreError::Away(_) => anyhow::anyhow!("{error}; start it, or name another one with --database"),
        other => other.into(),
    })?;
    store.keep_reserve();
    // Nodes that share a database agree on its time.
    let clock: Arc<dyn Clock> =
        if store.is_shared() { Arc::new(clock::DatabaseClock::default()) } else { clock::system() };
    let installation = store.installation(&random(16)?, clock.now()).await?;
    anyhow::ensure!(
        installation.mark != "demo",
        "{}: this database belongs to a demo; name another one",
        arguments.database
    );
    let node = Node::start(Config {
        store: store.clone(),
        clock,
        registry: Arc::new(Registry::standard(registry_config(&arguments)?)),
        name: arguments.node,
        installation: installation.name,
    })
    .await?;
    node.clean_history(arguments.history_ttl);
    let token = match &arguments.setup_token_file {
        Some(file) => Some(std::fs::read_to_string(file)?.trim().to_owned()),
        None => Some(random(24)?),
    };
    let needs_setup = !store.has_accounts().await?;
    let printed = token.clone().filter(|_| needs_setup && arguments.setup_token_file.is_none());
    let options = Options {
        setup_token: token.filter(|_| needs_setup),
        secure: arguments.behind_proxy,
        origins: arguments.origins,
        ..Options::new(node.clone())
    };
    let state = ApiState::new(options);
    let listener = tokio::net::TcpListener::bind(arguments.listen)
        .await
        .map_err(|error| anyhow::anyhow!("{}: {error}; choose another address with --listen", arguments.listen))?;
    let mut out = std::io::stdout();
    if let Some(token) = printed {
        writeln!(out, "set-up token: {token}")?;
    }
    writeln!(out, "listening on http://{}", listener.local_addr()?)?;
    out.flush()?;
    let stopping = node.clone();
    if let Some(address) = arguments.metrics {
        let words = |error| anyhow::anyhow!("{address}: {error}; choose another address with --metrics");
        let listener = tokio::net::TcpListener::bind(address).await.map_err(words)?;
        tokio::spawn(api::serve_metrics(listener, node.clone()));
    }
    served(api::serve(listener, state, stop_signal(stopping)), &node).await?;
    let taken = node.is_stopped();
    node.shutdown().await;
    anyhow::ensure!(!taken, "{}: another process has taken this database; this one has stopped", arguments.database);
    Ok(())
}

/// What handlers may use.
fn registry_config(arguments: &Serve) -> anyhow::Result<registry::Config> {
    Ok(registry::Config {
        connections: match &arguments.connections {
            Some(file) => Connections::from_file(file)?,
            None => Connections::default(),
        },
        secrets: Secrets::from_environment(),
        scripts: SCRIPTS.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect(),
        ..registry::Config::default()
    })
}

/// Until the last answer is given; who does not read his answer does not keep the process.
async fn served(serving: impl Future<Output = std::io::Result<()>>, node: &Node) -> anyhow::Result<()> {
    let too_late = async {
        node.closing().await;
        tokio::time::sleep(LAST_ANSWERS).await;
    };
    tokio::select! {
        ended = serving => Ok(ended?),
        () = too_late => {
            tracing::warn!("some requests were not answered before the end");
            Ok(())
        }
    }
}

/// Ctrl-C, SIGTERM, or the loss of the database; parked requests are answered first.
async fn stop_signal(node: Node) {
    let interrupted = tokio::signal::ctrl_c();
    let mut terminated = match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(signal) => signal,
        Err(_) => return,
    };
    tokio::select! {
        _ = interrupted => {}
        _ = terminated.recv() => {}
        () = node.stopped() => {}
    }
    node.close();
}

/// It stands in rows and words that are split at spaces.
fn node_name(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    match text.chars().all(fits) && (1..=NODE_NAME_MAX).contains(&text.len()) {
        true => Ok(text.to_owned()),
        false => Err(format!("1 to {NODE_NAME_MAX} of letters, digits, \"-\", \"_\" and \".\"")),
    }
}

fn random(bytes: usize) -> anyhow::Result<String> {
    let mut drawn = vec![0_u8; bytes];
    aws_lc_rs::rand::fill(&mut drawn).map_err(|_| anyhow::anyhow!("the system gives no random numbers"))?;
    Ok(data_encoding::BASE64URL_NOPAD.encode(&drawn))
}
