//! A mail sink: takes every mail and keeps it as a file, once per message id, so that a repeat is no second mail.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::{BASE64, HEXLOWER, HEXUPPER_PERMISSIVE};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::USER;
use super::world::World;
use crate::base::time::Timestamp;
use crate::demo::kept::write_whole;

const FOLDER: &str = "mails";
const MAIL_BYTES_MAX: usize = 4 * 1024 * 1024;
const LINE_BYTES_MAX: u64 = 4096;

/// A mail that arrived.
#[derive(Clone, Debug, PartialEq)]
pub struct Mail {
    pub at: Timestamp,
    /// From the dialogue, not from the headers.
    pub to: Vec<String>,
    pub subject: String,
    /// The whole message as it came.
    pub message: String,
}

pub(super) async fn serve(world: Arc<World>, stop: CancellationToken, tasks: TaskTracker) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let own = tasks.clone();
    tasks.spawn(async move {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stop.cancelled() => return,
            };
            let Ok((stream, _)) = accepted else { continue };
            let (world, stop) = (world.clone(), stop.clone());
            own.spawn(async move {
                tokio::select! {
                    _ = dialogue(stream, &world) => {}
                    () = stop.cancelled() => {}
                }
            });
        }
    });
    Ok(address)
}

async fn dialogue(stream: TcpStream, world: &World) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    write.write_all(b"220 sink ESMTP\r\n").await?;
    let mut to: Vec<String> = Vec::new();
    loop {
        let mut line = String::new();
        let taken = (&mut read).take(LINE_BYTES_MAX).read_line(&mut line).await?;
        if taken == 0 {
            return Ok(());
        }
        let _guard = world.clock.guard();
        let verb = line.trim().to_ascii_uppercase();
        let answer: &[u8] = if verb.starts_with("EHLO") {
            b"250-sink\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-AUTH PLAIN\r\n250 SIZE 4194304\r\n"
        } else if verb.starts_with("AUTH PLAIN") {
            match signs_in(line.trim(), world) {
                true => b"235 welcome\r\n",
                false => b"535 not known\r\n",
            }
        } else if verb.starts_with("RCPT TO:") {
            to.push(address(&line));
            b"250 ok\r\n"
        } else if verb.starts_with("MAIL FROM:") || verb == "RSET" {
            to.clear();
            b"250 ok\r\n"
        } else if verb == "DATA" && to.is_empty() {
            b"503 no receiver\r\n"
        } else if verb == "DATA" {
            write.write_all(b"354 go on\r\n").await?;
            let message = message(&mut read).await?;
            match keep(world, &to, &message) {
                Ok(()) => b"250 kept\r\n",
                Err(_) => b"452 cannot be kept now\r\n",
            }
        } else if verb == "QUIT" {
            write.write_all(b"221 bye\r\n").await?;
            return Ok(());
        } else if verb.starts_with("HELO") || verb == "NOOP" {
            b"250 ok\r\n"
        } else {
            b"502 not known\r\n"
        };
        write.write_all(answer).await?;
    }
}

/// RFC 4616: nothing, user and password, parted by NUL. Nobody has to sign in here.
fn signs_in(line: &str, world: &World) -> bool {
    let given = line.rsplit(' ').next().and_then(|text| BASE64.decode(text.as_bytes()).ok());
    given.is_some_and(|given| given == format!("\0{USER}\0{}", world.password).as_bytes())
}

/// The address between the angle brackets.
fn address(line: &str) -> String {
    let inner = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inner.map_or("", |(address, _)| address).to_owned()
}

async fn message(read: &mut (impl AsyncBufReadExt + Unpin)) -> io::Result<Vec<u8>> {
    let mut message = Vec::new();
    loop {
        let mut line = Vec::new();
        if read.read_until(b'\n', &mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line == b".\r\n" || line == b".\n" {
            return Ok(message);
        }
        let line = line.strip_prefix(b".").unwrap_or(&line);
        if message.len() + line.len() > MAIL_BYTES_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        message.extend_from_slice(line);
    }
}

fn keep(world: &World, to: &[String], message: &[u8]) -> io::Result<()> {
    let folder = world.folder().join(FOLDER);
    fs::create_dir_all(&folder)?;
    let text = String::from_utf8_lossy(message);
    let id = header(&text, "message-id").unwrap_or_else(|| text.to_string());
    let name = HEXLOWER.encode(&digest(&SHA256, id.as_bytes()).as_ref()[..12]);
    let ending = format!("-{name}.eml");
    let mut arrived = 0;
    for entry in fs::read_dir(&folder)? {
        arrived += 1;
        if entry?.file_name().to_string_lossy().ends_with(&ending) {
            return Ok(());
        }
    }
    let now = world.clock.now();
    let envelope = format!("X-Envelope-To: {}\r\n", to.join(", "));
    let whole = [envelope.as_bytes(), message].concat();
    // Those of one instant in the order in which they came.
    write_whole(&folder.join(format!("{:015}-{arrived:06}{ending}", now.0)), &whole)
}

pub(super) fn mails(folder: &Path) -> io::Result<Vec<Mail>> {
    let mut names = match fs::read_dir(folder.join(FOLDER)) {
        Ok(list) => list.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    names.retain(|path| path.extension().is_some_and(|end| end == "eml"));
    names.sort();
    let mut mails = Vec::new();
    for path in names {
        let text = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let at = name.split('-').next().and_then(|at| at.parse().ok()).unwrap_or(0);
        let to = header(&text, "x-envelope-to").unwrap_or_default();
        mails.push(Mail {
            at: Timestamp(at),
            to: to.split(", ").map(str::to_owned).collect(),
            subject: decoded(&header(&text, "subject").unwrap_or_default()),
            message: text,
        });
    }
    Ok(mails)
}

/// A header's value, with its folded lines joined.
fn header(message: &str, name: &str) -> Option<String> {
    let mut value: Option<String> = None;
    for line in message.lines().take_while(|line| !line.is_empty()) {
        match &mut value {
            Some(value) if line.starts_with([' ', '\t']) => value.push_str(line),
            Some(_) => break,
            None => {
                let own = line.split_once(':').filter(|(own, _)| own.eq_ignore_ascii_case(name));
                value = own.map(|(_, value)| value.trim().to_owned());
            }
        }
    }
    value
}

/// A header with RFC 2047's encoded words; the blank between two of them is no part of the text.
fn decoded(value: &str) -> String {
    let mut told = String::new();
    let mut after_encoded = false;
    for word in value.split_whitespace() {
        let plain = encoded_word(word);
        let joined = after_encoded && plain.is_some();
        if !joined && !told.is_empty() {
            told.push(' ');
        }
        after_encoded = plain.is_some();
        told.push_str(plain.as_deref().unwrap_or(word));
    }
    told
}

fn encoded_word(word: &str) -> Option<String> {
    let inner = word.strip_prefix("=?")?.strip_suffix("?=")?;
    let mut parts = inner.splitn(3, '?');
    let (charset, encoding, text) = (parts.next()?, parts.next()?, parts.next()?);
    let bytes = match encoding.to_ascii_lowercase().as_str() {
        "b" => BASE64.decode(text.as_bytes()).ok()?,
        "q" => quoted(text)?,
        _ => return None,
    };
    charset.eq_ignore_ascii_case("utf-8").then(|| String::from_utf8_lossy(&bytes).into_owned())
}

fn quoted(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'_' => b' ',
            b'=' => {
                let digits = [rest.next()?, rest.next()?];
                *HEXUPPER_PERMISSIVE.decode(&digits).ok()?.first()?
            }
            byte => byte,
        });
    }
    Some(bytes)
}
