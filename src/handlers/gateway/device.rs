//! One signed-in session with a gateway: configuration mode, compare, commit with automatic return, confirm, save. The
//! device's words are those of VyOS 1.3 and 1.4.

use super::line::Line;
use crate::handlers::http::excerpt;
use crate::handlers::ssh::{Shell, Ssh};
use crate::handlers::{Answer, Connection, Cx, Kind, Trouble};

/// Where the running configuration is kept before a change.
const PREVIOUS: &str = "/config/transhume-previous.boot";

pub(super) struct Device {
    shell: Shell,
    /// Ends with the shell.
    _ssh: Ssh,
    name: String,
}

impl Device {
    pub(super) async fn open(cx: &Cx, connection: &str) -> Answer<Self> {
        let connection: Connection = cx.connection(connection, &[Kind::Gateway])?;
        let ssh = Ssh::connect(cx, &connection).await?;
        let mut shell = Shell::open(&ssh).await?;
        // no pager: it would wait for a key
        shell.line("set terminal length 0").await?;
        Ok(Self { shell, _ssh: ssh, name: connection.name })
    }

    pub(super) async fn show(&mut self, command: &str) -> Answer<String> {
        let told = self.shell.line(command).await?;
        if told.contains("Invalid command") {
            return Err(Trouble::wrong(format!("gateway {} does not know `{command}`", self.name)));
        }
        Ok(told)
    }

    pub(super) async fn configure(&mut self) -> Answer<()> {
        self.shell.line("configure").await.map(|_| ())
    }

    /// A line that the device refuses is the BPMN error `COMMIT_FAILED`; nothing of it is in force.
    pub(super) async fn apply(&mut self, lines: &[Line], cx: &Cx) -> Answer<()> {
        for line in lines {
            let told = self.shell.line(&line.sent(cx)?).await?;
            if failed(&told) {
                self.leave().await?;
                return Err(self.refused(&format!("`{line}`"), &told));
            }
        }
        Ok(())
    }

    pub(super) async fn unchanged(&mut self) -> Answer<bool> {
        Ok(self.shell.line("compare").await?.contains("No changes between"))
    }

    /// Keeps the running configuration, to which `load_previous` returns.
    pub(super) async fn keep_previous(&mut self) -> Answer<()> {
        self.save_as(&format!("save {PREVIOUS}")).await
    }

    pub(super) async fn load_previous(&mut self) -> Answer<()> {
        let told = self.shell.line(&format!("load {PREVIOUS}")).await?;
        match told.contains("Load complete") {
            true => Ok(()),
            false => Err(Trouble::wrong(format!(
                "gateway {} has no previous configuration to load: {}",
                self.name,
                excerpt(&told)
            ))),
        }
    }

    pub(super) async fn commit(&mut self) -> Answer<()> {
        let told = self.shell.line("commit").await?;
        self.judge(&told).await
    }

    pub(super) async fn commit_confirm(&mut self, minutes: u64) -> Answer<()> {
        let told = self.shell.line_and_yes(&format!("commit-confirm {minutes}")).await?;
        self.judge(&told).await
    }

    async fn judge(&mut self, told: &str) -> Answer<()> {
        if failed(told) {
            self.leave().await?;
            return Err(self.refused("the commit", told));
        }
        Ok(())
    }

    /// Also when nothing waits for it: an earlier attempt may have been cut off before it.
    pub(super) async fn confirm(&mut self) -> Answer<()> {
        self.shell.line("confirm").await.map(|_| ())
    }

    pub(super) async fn save(&mut self) -> Answer<()> {
        self.save_as("save").await
    }

    async fn save_as(&mut self, command: &str) -> Answer<()> {
        let told = self.shell.line(command).await?;
        match told.contains("Done") {
            true => Ok(()),
            false => Err(Trouble::broken(format!("gateway {} did not save: {}", self.name, excerpt(&told)))),
        }
    }

    pub(super) async fn leave(&mut self) -> Answer<()> {
        self.shell.line("exit discard").await.map(|_| ())
    }

    /// The newest entry of the device's list of commits.
    pub(super) async fn revision(&mut self) -> Answer<String> {
        let told = self.show("show system commit").await?;
        Ok(told.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim().to_owned())
    }

    fn refused(&self, what: &str, told: &str) -> Trouble {
        Trouble::error("COMMIT_FAILED", format!("gateway {} refused {what}: {}", self.name, excerpt(told)))
    }
}

fn failed(told: &str) -> bool {
    // a line that is there already, or nothing to delete, is no failure
    ["Set failed", "Delete failed", "Commit failed", "Invalid command", "is not valid", "canceled"]
        .iter()
        .any(|word| told.contains(word))
}
