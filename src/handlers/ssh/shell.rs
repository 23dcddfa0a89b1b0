//! An interactive shell, for devices whose commands need one: a line is sent, its output ends at the next prompt.

use std::sync::LazyLock;
use std::time::Duration;

use regex::Regex;
use russh::{Channel, ChannelMsg, Pty, client};
use tokio::time::timeout;

use super::client::Ssh;
use crate::handlers::{Answer, Trouble};

/// One command, the longest being a commit.
const STEP: Duration = Duration::from_secs(120);
const OUTPUT_BYTES_MAX: usize = 1024 * 1024;
/// So wide that nothing is folded.
const COLUMNS: u32 = 2000;

pub(crate) struct Shell {
    channel: Channel<client::Msg>,
    place: String,
}

/// `user@host:~$ ` and `user@host# ` at the end of what was read.
static PROMPT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?:^|\n)(?:\[edit[^\]\n]*\]\n)?[\w.-]+@[\w.-]+(?::[^\n$#]*)?[$#] ?$").expect("a pattern of ours")
});
/// A command that asks before it goes on.
static QUESTION: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\[(?:[Yy]/[Nn]|confirm)\]\s*(?:\[y\]\s*)?$").expect("a pattern of ours"));
/// What a terminal would not show.
static CONTROL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>()][0-9A-B]?|[\r\x07\x08]").expect("a pattern of ours")
});

impl Shell {
    pub(crate) async fn open(ssh: &Ssh) -> Answer<Self> {
        let channel = ssh.channel().await?;
        let cut = |error: russh::Error| Trouble::unreached(format!("{}: no terminal: {error}", ssh.place));
        // a dumb terminal keeps line editors from painting
        channel.request_pty(false, "dumb", COLUMNS, 50, 0, 0, &[(Pty::ECHO, 0)]).await.map_err(cut)?;
        channel.request_shell(false).await.map_err(cut)?;
        let mut shell = Self { channel, place: ssh.place.clone() };
        shell.read(&PROMPT, "").await?;
        Ok(shell)
    }

    /// Sends a line; what it printed, without the line itself and the prompt.
    pub(crate) async fn line(&mut self, line: &str) -> Answer<String> {
        self.send(line).await?;
        self.read(&PROMPT, line).await
    }

    /// Sends a line whose question, if it asks one, is answered by yes.
    pub(crate) async fn line_and_yes(&mut self, line: &str) -> Answer<String> {
        static EITHER: LazyLock<Regex> = LazyLock::new(|| {
            Regex::new(&format!("(?:{}|{})", PROMPT.as_str(), QUESTION.as_str())).expect("a pattern of ours")
        });
        self.send(line).await?;
        let (told, whole) = self.read_whole(&EITHER, line).await?;
        if !QUESTION.is_match(&whole) {
            return Ok(told);
        }
        self.line("y").await
    }

    async fn send(&mut self, line: &str) -> Answer<()> {
        let sent = self.channel.data_bytes(format!("{line}\n").into_bytes()).await;
        sent.map_err(|error| Trouble::broken(format!("{}: {error}", self.place)))
    }

    async fn read(&mut self, end: &Regex, line: &str) -> Answer<String> {
        Ok(self.read_whole(end, line).await?.0)
    }

    /// The output, and all that was read.
    async fn read_whole(&mut self, end: &Regex, line: &str) -> Answer<(String, String)> {
        let mut bytes = Vec::new();
        let reading = async {
            loop {
                let text = String::from_utf8_lossy(&bytes);
                let text = CONTROL.replace_all(&text, "");
                if let Some(found) = end.find(&text) {
                    return Ok((text[..found.start()].to_owned(), text.clone().into_owned()));
                }
                match self.channel.wait().await {
                    Some(ChannelMsg::Data { data }) => bytes.extend_from_slice(&data),
                    Some(ChannelMsg::Close | ChannelMsg::Eof) | None => {
                        return Err(Trouble::broken(format!("{} ended the session", self.place)));
                    }
                    Some(_) => {}
                }
                if bytes.len() > OUTPUT_BYTES_MAX {
                    return Err(Trouble::wrong(format!("{} prints without end", self.place)));
                }
            }
        };
        let (told, whole) = timeout(STEP, reading).await.map_err(|_| {
            // the line may hold a secret
            let verb = line.split(' ').next().unwrap_or_default();
            Trouble::broken(format!("{} gave no prompt after `{verb}` within {} s", self.place, STEP.as_secs()))
        })??;
        // line editors echo whatever the terminal was told
        let told = told.trim_start_matches('\n');
        let told = told.strip_prefix(line).map_or(told, |rest| rest.trim_start_matches('\n'));
        Ok((told.to_owned(), whole))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_and_questions_are_recognised() {
        for text in
            ["vyos@vyos:~$ ", "Welcome\n\nvyos@gw-1:~$ ", "x\n[edit]\nvyos@gw.example# ", "[edit vpn ipsec]\nadmin@R1#"]
        {
            assert!(PROMPT.is_match(text), "{text}");
        }
        for text in ["cost: 5$ ", "vyos@vyos:~$ show", "# comment", "mail a@b\n"] {
            assert!(!PROMPT.is_match(text), "{text}");
        }
        for text in ["Proceed ? [Y/n] ", "Proceed? [confirm][y]", "Continue [y/N]"] {
            assert!(QUESTION.is_match(text), "{text}");
        }
    }
}
