//! `notify.mail`: one message to people, as text and HTML, in the programme's thread.
//!
//! The message's id is made from the activation's key, so a repeat is the same mail, which receivers show once; the outbox
//! is the engine's own job, tried again until the server takes it. Policy: `retry`. Headers: `Auto-Submitted` (RFC 3834), so
//! that nobody's absence notice answers it, and `References` to the programme's root, so that clients show one thread.
//!
//! The connection (kind `smtp`, by default named `smtp`) holds in its options: `from`; `security` (`starttls` by default,
//! `tls`, or `none` on loopback); `group.NAME` with the addresses of a group, and `groupDomain` for groups not listed.

use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart, header::ContentType};
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Message, transport::smtp};
use serde::Deserialize;
use serde_json::json;
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;

use super::input::Words;
use super::net::{self, NetError};
use super::registry::Topic;
use super::{Answer, Connection, Cx, Job, Kind, Policy, Trouble};
use crate::base::variable::from_json;

const SECONDS: u64 = 60;
/// One command of the SMTP dialogue.
const STEP: Duration = Duration::from_secs(20);

pub(super) fn topics() -> Vec<Topic> {
    vec![Topic::new("notify.mail", Policy::Retry, SECONDS, send)]
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    connection: Option<String>,
    #[serde(default)]
    to: Words,
    #[serde(default)]
    groups: Words,
    subject: String,
    text: String,
    html: Option<String>,
    /// The programme; all its mails are one thread.
    thread: Option<String>,
    kind: Option<String>,
}

async fn send(job: Job, cx: Cx) -> Answer {
    let input: Input = job.input()?;
    let name = input.connection.as_deref().unwrap_or("smtp");
    let connection = cx.connection(name, &[Kind::Smtp])?;
    let (message, id) = compose(&input, &job, &connection, &cx)?;
    deliver(&message, &connection, &cx).await?;
    Ok(from_json(json!({ "messageId": id })))
}

fn compose(input: &Input, job: &Job, connection: &Connection, cx: &Cx) -> Answer<(Message, String)> {
    let from = option(connection, "from").ok_or_else(|| {
        Trouble::wrong(format!("connection `{}` has no option `from`: add the sender's address", connection.name))
    })?;
    let from = mailbox(from)?;
    let domain = from.email.domain().to_owned();
    let id = format!("<{}@{domain}>", job.key);
    let at = SystemTime::UNIX_EPOCH + Duration::from_millis(cx.now().0.max(0) as u64);
    let mut message =
        Message::builder().from(from).subject(one_line(&input.subject)).date(at).message_id(Some(id.clone()));
    for address in receivers(input, connection)? {
        message = message.to(mailbox(&address)?);
    }
    if let Some(thread) = &input.thread {
        let root = thread_root(&job.tenant, thread, &domain);
        message = message.references(root.clone()).in_reply_to(root);
    }
    message = message.raw_header(raw("Auto-Submitted", "auto-generated"));
    if let Some(kind) = &input.kind {
        message = message.raw_header(raw("X-Transhume-Kind", &one_line(kind)));
    }
    let part = |kind: ContentType, text: String| SinglePart::builder().header(kind).body(text);
    let html = input.html.clone().unwrap_or_else(|| page(&input.text));
    let body = MultiPart::alternative()
        .singlepart(part(ContentType::TEXT_PLAIN, input.text.clone()))
        .singlepart(part(ContentType::TEXT_HTML, html));
    let message =
        message.multipart(body).map_err(|error| Trouble::wrong(format!("the mail cannot be written: {error}")))?;
    Ok((message, id))
}

/// The addresses given, and those of the groups; each once.
fn receivers(input: &Input, connection: &Connection) -> Answer<Vec<String>> {
    let mut all = input.to.0.clone();
    for group in &input.groups.0 {
        let listed = option(connection, &format!("group.{group}"));
        let domain = option(connection, "groupDomain");
        match (listed, domain) {
            (Some(list), _) => all.extend(list.split(',').map(|one| one.trim().to_owned())),
            (None, Some(domain)) => all.push(format!("{group}@{domain}")),
            (None, None) => {
                return Err(Trouble::wrong(format!(
                    "nobody knows the addresses of group `{group}`: add option group.{group} to connection `{}`",
                    connection.name
                )));
            }
        }
    }
    let mut once = Vec::new();
    for address in all {
        if !address.is_empty() && !once.contains(&address) {
            once.push(address);
        }
    }
    if once.is_empty() {
        return Err(Trouble::wrong("the mail has no receiver: give to or groups"));
    }
    Ok(once)
}

async fn deliver(message: &Message, connection: &Connection, cx: &Cx) -> Answer<()> {
    let (host, port) = connection.host_and_port().map_err(Trouble::Wrong)?;
    let security = security(&host, connection)?;
    let refused = |error: NetError| match error.is_refusal() {
        true => Trouble::wrong(error.to_string()),
        false => Trouble::unreached(error.to_string()),
    };
    let addresses = net::resolve(&host, port, &connection.allow).await.map_err(refused)?;
    let failed = |error: smtp::Error| failure(&host, &error);
    let hello = ClientId::default();
    let (implicit, upgrade) = match security {
        Security::Tls(tls) => (Some(tls), None),
        Security::StartTls(tls) => (None, Some(tls)),
        Security::None => (None, None),
    };
    let mut session = AsyncSmtpConnection::connect_tokio1(&addresses[..], Some(STEP), &hello, implicit, None)
        .await
        .map_err(|error| Trouble::unreached(format!("mail server {host}: {}", words(&error))))?;
    if let Some(tls) = upgrade {
        session.starttls(tls, &hello).await.map_err(failed)?;
    }
    if let Some(user) = &connection.user {
        let secret = cx.secret_of(connection)?;
        let credentials = Credentials::new(user.clone(), secret.expose().to_owned());
        // the library logs what it writes, and here that is the password
        let signing_in = session.auth(DEFAULT_MECHANISMS, &credentials).with_subscriber(NoSubscriber::new());
        signing_in.await.map_err(failed)?;
    }
    let sent = session.send(message.envelope(), &message.formatted()).await;
    sent.map_err(failed)?;
    // the mail is taken; how the line ends does not matter
    let _ = session.quit().await;
    Ok(())
}

enum Security {
    None,
    StartTls(TlsParameters),
    Tls(TlsParameters),
}

fn security(host: &str, connection: &Connection) -> Answer<Security> {
    let wrong = |words: String| Trouble::wrong(format!("connection `{}`: {words}", connection.name));
    let word = option(connection, "security").unwrap_or("starttls");
    match word {
        "none" if connection.allow.loopback => return Ok(Security::None),
        "none" => {
            return Err(wrong("mail would go unprotected: use security starttls or tls".into()));
        }
        "starttls" | "tls" => {}
        other => {
            return Err(wrong(format!("security `{other}` is not known; write starttls, tls or none")));
        }
    }
    let mut builder = TlsParameters::builder(host.to_owned());
    if let Some(pem) = &connection.ca {
        let own = Certificate::from_pem(pem.as_bytes());
        let own = own.map_err(|error| wrong(format!("its CA cannot be read: {error}")))?;
        builder = builder.certificate_store(CertificateStore::None).add_root_certificate(own);
    }
    let tls = builder.build().map_err(|error| wrong(error.to_string()))?;
    Ok(match word {
        "tls" => Security::Tls(tls),
        _ => Security::StartTls(tls),
    })
}

fn failure(host: &str, error: &smtp::Error) -> Trouble {
    let text = format!("mail server {host}: {}", words(error));
    if error.is_permanent() || error.is_client() {
        // an address that does not exist, a refused sign-in, a feature that is not there: the same again next time
        return Trouble::wrong(text);
    }
    Trouble::broken(text)
}

fn words(error: &smtp::Error) -> String {
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        words = format!("{words}: {inner}");
        cause = inner.source();
    }
    words
}

fn option<'a>(connection: &'a Connection, name: &str) -> Option<&'a str> {
    connection.options.get(name).map(String::as_str)
}

fn mailbox(address: &str) -> Answer<Mailbox> {
    address.parse().map_err(|error| Trouble::wrong(format!("`{address}` is no mail address: {error}")))
}

/// The programme's root, which is no mail itself: all its mails refer to it.
fn thread_root(tenant: &str, thread: &str, domain: &str) -> String {
    let name = digest(&SHA256, format!("{}:{tenant}:{thread}", tenant.len()).as_bytes());
    format!("<thread-{}@{domain}>", HEXLOWER.encode(&name.as_ref()[..16]))
}

fn raw(name: &'static str, value: &str) -> HeaderValue {
    let name = HeaderName::new_from_ascii_str(name);
    HeaderValue::new(name, value.to_owned())
}

/// A header ends at a line break: what follows one would be a header of the model's own.
fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_control() || c == ' ');
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The plain text as a page, for those who write no HTML.
fn page(text: &str) -> String {
    let mut body = String::with_capacity(text.len() + 64);
    for c in text.chars() {
        match c {
            '&' => body.push_str("&amp;"),
            '<' => body.push_str("&lt;"),
            '>' => body.push_str("&gt;"),
            '"' => body.push_str("&quot;"),
            '\n' => body.push_str("<br>\n"),
            c => body.push(c),
        }
    }
    format!("<!doctype html><html><body><p>{body}</p></body></html>")
}
