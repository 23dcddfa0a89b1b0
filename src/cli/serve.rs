//! `transhume serve`: the server. Safe as unpacked: loopback only, nobody gets in before the first administrator is made.

use clap::Args;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use transhume::api::{self, ApiState, Options};
use transhume::demo::catalogue::SCRIPTS;
use transhume::handlers::{Connections, Registry, Secrets, registry};
use transhume::runtime::clock::{self, Clock};
use transhume::runtime::node::{Config, Node};
use transhume::store::Store;

/// As a host's name has at most.
const NODE_NAME_MAX: usize = 63;

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Where everything is stored: sqlite:FILE, or postgres://USER@HOST/NAME
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
                ExitCode::FAILURE
            }
        }
    })
}

async fn serve(arguments: Serve) -> anyhow::Result<()> {
    super::log();
    let store = Store::open(&arguments.database).await?;
    // Nodes that share a database agree on its time.
    let clock: Arc<dyn Clock> =
        if store.is_shared() { Arc::new(clock::DatabaseClock::default()) } else { clock::system() };
    let installation = store.installation(&random(16)?, clock.now()).await?;
    anyhow::ensure!(
        installation.mark != "demo",
        "{}: this database belongs to a demo; name another one",
        arguments.database
    );
    let config = registry::Config {
        connections: match &arguments.connections {
            Some(file) => Connections::from_file(file)?,
            None => Connections::default(),
        },
        secrets: Secrets::from_environment(),
        scripts: SCRIPTS.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect(),
        ..registry::Config::default()
    };
    let node = Node::start(Config {
        store: store.clone(),
        clock,
        registry: Arc::new(Registry::standard(config)),
        name: arguments.node,
        installation: installation.name,
    })
    .await?;
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
    api::serve(listener, state, stop_signal(stopping)).await?;
    let taken = node.is_stopped();
    node.shutdown().await;
    anyhow::ensure!(!taken, "{}: another process has taken this database; this one has stopped", arguments.database);
    Ok(())
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
