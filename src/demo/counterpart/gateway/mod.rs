//! A router's command line over SSH, as VyOS has it: an interactive shell with prompts, operational mode, configuration mode.
//!
//! The running configuration is a set of `set` lines. A commit with automatic return goes back when nobody confirms in time; the
//! tunnel is up when a peer is committed and the customer's half is in place.

mod cli;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand;
use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::keys::{PrivateKey, decode_secret_key};
use russh::server::{self, Auth, ChannelOpenHandle, Msg, Session};
use russh::{Channel, ChannelId, Pty};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::world::World;
use super::{OnPremise, USER};
use crate::base::time::Timestamp;

type Lines = BTreeSet<String>;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct State {
    /// The host's private key: it stays the same over restarts.
    host_key: String,
    running: Lines,
    files: BTreeMap<String, Lines>,
    revisions: u64,
    pending: Option<Pending>,
    /// Since when a peer is committed.
    peer: Option<Timestamp>,
    /// Since when the customer's half is in place.
    pub(super) on_premise: Option<Timestamp>,
}

/// A commit that returns by itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Pending {
    until: Timestamp,
    before: Lines,
}

impl State {
    /// What time has done: an unconfirmed commit is taken back.
    fn settle(&mut self, now: Timestamp) {
        if let Some(pending) = self.pending.take_if(|pending| pending.until <= now) {
            let at = pending.until;
            self.put(pending.before, at);
        }
    }

    fn put(&mut self, lines: Lines, now: Timestamp) {
        let peer = lines.iter().any(|line| line.starts_with("vpn ipsec site-to-site peer "));
        self.peer = match (peer, self.peer) {
            (false, _) => None,
            (true, None) => Some(now),
            (true, since) => since,
        };
        self.running = lines;
        self.revisions += 1;
    }

    fn tunnel_is_up(&self, world: &World, now: Timestamp) -> bool {
        let in_place = match world.options.on_premise {
            OnPremise::WhenConfirmed => self.on_premise.is_some(),
            OnPremise::After(ms) => {
                self.on_premise.is_some() || self.peer.is_some_and(|since| since.plus_ms(ms) <= now)
            }
        };
        self.peer.is_some() && in_place && !world.options.failures.tunnel_down
    }
}

pub(super) async fn serve(
    world: Arc<World>,
    stop: CancellationToken,
    tasks: TaskTracker,
) -> io::Result<(SocketAddr, String)> {
    let key = host_key(&world)?;
    let public = key.public_key().to_openssh().map_err(io::Error::other)?;
    let config = Arc::new(server::Config {
        keys: vec![key],
        auth_rejection_time: Duration::from_millis(50),
        auth_rejection_time_initial: Some(Duration::ZERO),
        nodelay: true,
        ..server::Config::default()
    });
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let own = tasks.clone();
    tasks.spawn(async move {
        loop {
            let stream = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stop.cancelled() => return,
            };
            let Ok((stream, _)) = stream else { continue };
            let _ = stream.set_nodelay(true);
            let shell =
                Shell { world: world.clone(), cli: cli::Cli::new(world.clone()), typed: Vec::new(), echo: true };
            let config = config.clone();
            let stop = stop.clone();
            own.spawn(async move {
                let Ok(session) = server::run_stream(config, stream, shell).await else {
                    return;
                };
                tokio::select! {
                    _ = session => {}
                    () = stop.cancelled() => {}
                }
            });
        }
    });
    Ok((address, public))
}

fn host_key(world: &World) -> io::Result<PrivateKey> {
    let stored = world.look(|state, _| state.gateway.host_key.clone());
    if !stored.is_empty() {
        return decode_secret_key(&stored, None).map_err(io::Error::other);
    }
    let mut seed = [0; 32];
    rand::fill(&mut seed).map_err(|_| io::Error::other("the system gives no random bytes"))?;
    let key = PrivateKey::from(Ed25519Keypair::from_seed(&seed));
    let text = key.to_openssh(LineEnding::LF).map_err(io::Error::other)?;
    world.change(|state, _| state.gateway.host_key = text.to_string())?;
    Ok(key)
}

/// One connection: the bytes typed so far, and the command line behind them.
struct Shell {
    world: Arc<World>,
    cli: cli::Cli,
    typed: Vec<u8>,
    echo: bool,
}

impl server::Handler for Shell {
    type Error = russh::Error;

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Self::Error> {
        let fits = user == USER && password == self.world.password;
        Ok(if fits { Auth::Accept } else { Auth::reject() })
    }

    async fn channel_open_session(
        &mut self,
        _channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        _term: &str,
        _columns: u32,
        _rows: u32,
        _width: u32,
        _height: u32,
        modes: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.echo = !modes.contains(&(Pty::ECHO, 0));
        session.channel_success(channel)
    }

    async fn shell_request(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), Self::Error> {
        session.channel_success(channel)?;
        let welcome = format!("Welcome to VyOS\r\n\r\n{}", self.cli.prompt());
        session.data(channel, welcome.into_bytes())
    }

    async fn data(&mut self, channel: ChannelId, data: &[u8], session: &mut Session) -> Result<(), Self::Error> {
        for &byte in data {
            if !matches!(byte, b'\n' | b'\r') {
                self.typed.push(byte);
                continue;
            }
            let line = String::from_utf8_lossy(&std::mem::take(&mut self.typed)).into_owned();
            let _guard = self.world.clock.guard();
            let mut told = String::new();
            if self.echo {
                told = format!("{line}\n");
            }
            match self.cli.run(line.trim())? {
                cli::Reply::Text(text) => told.push_str(&text),
                cli::Reply::Exit => {
                    session.exit_status_request(channel, 0)?;
                    session.eof(channel)?;
                    return session.close(channel);
                }
            }
            if !told.is_empty() && !told.ends_with('\n') && !self.cli.asks() {
                told.push('\n');
            }
            told.push_str(&self.cli.prompt());
            session.data(channel, told.replace('\n', "\r\n").into_bytes())?;
        }
        Ok(())
    }
}
