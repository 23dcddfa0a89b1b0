//! SSH to one host: its address checked, its key pinned before anything else is said, then sign-in, then commands.
//!
//! The keys that a host may show are in the connection. Only their types are offered for negotiation, so a host with another
//! type is refused like one with another key; neither sees an attempt to sign in. No certificates, no SHA-1, no agent.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::keys::ssh_key::{Algorithm, HashAlg};
use russh::keys::{PrivateKeyWithHashAlg, PublicKey, PublicKeyOrCertificate, decode_secret_key};
use russh::{AlgorithmKind, Channel, ChannelMsg, Preferred, client};
use tokio::time::timeout;

use crate::base::limits;
use crate::handlers::net;
use crate::handlers::{Answer, Connection, Cx, Trouble};

const CONNECT: Duration = Duration::from_secs(10);
const SIGN_IN: Duration = Duration::from_secs(30);
const OUTPUT_BYTES_MAX: usize = limits::VARIABLE_BYTES_MAX;

pub(crate) struct Ssh {
    handle: client::Handle<Keys>,
    pub(crate) place: String,
}

pub(crate) struct Output {
    pub(crate) code: Option<u32>,
    pub(crate) signal: Option<String>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Compares the key that the host shows.
struct Keys {
    pinned: Vec<PublicKey>,
    /// What was shown and is not pinned.
    refused: Arc<Mutex<Option<String>>>,
}

impl client::Handler for Keys {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        let key = match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => key,
            PublicKeyOrCertificate::Certificate(_) => return Ok(false),
        };
        let known = self.pinned.iter().any(|pinned| pinned.key_data() == key.key_data());
        if !known {
            let words = format!("{} {}", key.algorithm(), key.fingerprint(HashAlg::Sha256));
            *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(words);
        }
        Ok(known)
    }
}

impl Ssh {
    pub(crate) async fn connect(cx: &Cx, connection: &Connection) -> Answer<Self> {
        let (host, port) = connection.host_and_port().map_err(Trouble::Wrong)?;
        let place = format!("{host}:{port}");
        let pinned = pinned(connection)?;
        let stream =
            net::connect(&host, port, &connection.allow, CONNECT).await.map_err(|error| match error.is_refusal() {
                true => Trouble::wrong(error.to_string()),
                false => Trouble::unreached(error.to_string()),
            })?;
        let refused = Arc::default();
        let config = client::Config {
            preferred: Preferred { key: Cow::Owned(types(&pinned)), ..Preferred::default() },
            keepalive_interval: Some(Duration::from_secs(15)),
            nodelay: true,
            ..client::Config::default()
        };
        let keys = Keys { pinned, refused: Arc::clone(&refused) };
        let handshake = timeout(CONNECT, client::connect_stream(Arc::new(config), stream, keys)).await;
        let handle =
            handshake.map_err(|_| silent(&place, CONNECT))?.map_err(|error| unwelcome(&place, &refused, &error))?;
        let mut ssh = Self { handle, place };
        let signed_in = timeout(SIGN_IN, ssh.sign_in(cx, connection)).await;
        signed_in.map_err(|_| silent(&ssh.place, SIGN_IN))??;
        Ok(ssh)
    }

    async fn sign_in(&mut self, cx: &Cx, connection: &Connection) -> Answer<()> {
        let user = connection.user.clone();
        let user = user.ok_or_else(|| Trouble::wrong(format!("connection `{}` has no user", connection.name)))?;
        let secret = cx.secret_of(connection)?;
        let place = self.place.clone();
        let cut = |error: russh::Error| Trouble::unreached(format!("{place}: {error}"));
        let result = if secret.expose().trim_start().starts_with("-----BEGIN") {
            let key = decode_secret_key(secret.expose(), None).map_err(|_| {
                Trouble::wrong(format!(
                    "the secret of connection `{}` is no private key without a passphrase",
                    connection.name
                ))
            })?;
            let hash = self.handle.best_supported_rsa_hash().await.map_err(cut)?.flatten();
            // an RSA key without a SHA-2 hash would sign with SHA-1
            let hash = key.algorithm().is_rsa().then(|| hash.unwrap_or(HashAlg::Sha256));
            let key = PrivateKeyWithHashAlg::new(Arc::new(key), hash);
            self.handle.authenticate_publickey(user, key).await
        } else {
            self.handle.authenticate_password(user, secret.expose()).await
        };
        match result.map_err(cut)?.success() {
            true => Ok(()),
            false => Err(Trouble::wrong(format!(
                "{} does not accept user and secret of connection `{}`",
                self.place, connection.name
            ))),
        }
    }

    pub(crate) async fn channel(&self) -> Answer<Channel<client::Msg>> {
        let opened = timeout(SIGN_IN, self.handle.channel_open_session()).await;
        opened
            .map_err(|_| silent(&self.place, SIGN_IN))?
            .map_err(|error| Trouble::unreached(format!("{}: no session: {error}", self.place)))
    }

    /// Runs one command to its end.
    pub(crate) async fn run(&self, command: &str, stdin: &[u8], within: Duration) -> Answer<Output> {
        let mut channel = self.channel().await?;
        match timeout(within, exchange(&mut channel, command, stdin)).await {
            Ok(Ok(output)) => Ok(output),
            Ok(Err(Ended::Cut(words))) => Err(Trouble::broken(format!("{}: {words}", self.place))),
            Ok(Err(Ended::TooLong)) => Err(Trouble::wrong(format!(
                "the command's output on {} is longer than {OUTPUT_BYTES_MAX} bytes: write it to a file there",
                self.place
            ))),
            Err(_) => {
                let _ = channel.close().await;
                Err(Trouble::broken(format!(
                    "the command on {} did not end within {} s",
                    self.place,
                    within.as_secs_f32()
                )))
            }
        }
    }
}

enum Ended {
    Cut(String),
    TooLong,
}

impl From<russh::Error> for Ended {
    fn from(error: russh::Error) -> Self {
        Self::Cut(error.to_string())
    }
}

/// Reads on after the exit status: output may still come until the channel ends.
async fn exchange(channel: &mut Channel<client::Msg>, command: &str, stdin: &[u8]) -> Result<Output, Ended> {
    channel.exec(true, command).await?;
    if !stdin.is_empty() {
        channel.data(stdin).await?;
    }
    channel.eof().await?;
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let (mut code, mut signal) = (None, None);
    while let Some(message) = channel.wait().await {
        match message {
            ChannelMsg::Data { data } => stdout.extend_from_slice(&data),
            ChannelMsg::ExtendedData { data, ext: 1 } => stderr.extend_from_slice(&data),
            ChannelMsg::ExitStatus { exit_status } => code = Some(exit_status),
            ChannelMsg::ExitSignal { signal_name, .. } => signal = Some(format!("{signal_name:?}")),
            ChannelMsg::Failure => return Err(Ended::Cut("the host runs no commands for this user".to_owned())),
            _ => {}
        }
        if stdout.len().max(stderr.len()) > OUTPUT_BYTES_MAX {
            return Err(Ended::TooLong);
        }
    }
    if code.is_none() && signal.is_none() {
        return Err(Ended::Cut("the connection ended before the command did".to_owned()));
    }
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Output { code, signal, stdout: text(stdout), stderr: text(stderr) })
}

fn pinned(connection: &Connection) -> Answer<Vec<PublicKey>> {
    let keys = connection.host_keys.iter().map(|text| PublicKey::from_openssh(text.trim()));
    keys.collect::<Result<_, _>>().map_err(|error| {
        Trouble::wrong(format!("a host key of connection `{}` cannot be read: {error}", connection.name))
    })
}

/// What may be negotiated: the types of the pinned keys.
fn types(pinned: &[PublicKey]) -> Vec<Algorithm> {
    let mut types = Vec::new();
    for key in pinned {
        match key.algorithm() {
            Algorithm::Rsa { .. } => {
                types.push(Algorithm::Rsa { hash: Some(HashAlg::Sha512) });
                types.push(Algorithm::Rsa { hash: Some(HashAlg::Sha256) });
            }
            other => types.push(other),
        }
    }
    types.dedup();
    types
}

fn silent(place: &str, within: Duration) -> Trouble {
    Trouble::unreached(format!("no SSH answer from {place} within {} s", within.as_secs()))
}

/// A handshake that failed: a false host needs a person, the rest is the network's.
fn unwelcome(place: &str, refused: &Mutex<Option<String>>, error: &russh::Error) -> Trouble {
    let shown = refused.lock().unwrap_or_else(PoisonError::into_inner).take();
    let mend = "if the machine was set up anew, read its key there and change the connection";
    match (shown, error) {
        (Some(shown), _) => Trouble::wrong(format!(
            "host_key_changed: {place} shows {shown}, which is not the pinned key; nothing was sent. {mend}"
        )),
        (None, russh::Error::NoCommonAlgo { kind: AlgorithmKind::Key, theirs, .. }) => Trouble::wrong(format!(
            "host_key_changed: {place} has only keys of type {}, none is pinned; nothing was sent. {mend}",
            theirs.join(", ")
        )),
        (None, russh::Error::UnknownKey) => {
            Trouble::wrong(format!("host_key_changed: {place} shows a certificate, which is not accepted. {mend}"))
        }
        (None, error) => Trouble::unreached(format!("{place} speaks no SSH that we can: {error}")),
    }
}
