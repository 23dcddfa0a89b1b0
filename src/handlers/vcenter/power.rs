//! `vcenter.vm-state`, `power-on`, `power-off`, `shutdown`, `snapshot`: one server, by its reference.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::inventory::{snapshots, tools};
use super::property::{self, Object};
use super::soap::{Content, Failed, VCenter, object};
use crate::base::variable::from_json;
use crate::handlers::input::{Flag, Span};
use crate::handlers::{Answer, Cx, Job, Trouble};
use crate::xml::escaped_text;

const STATE: &[&str] = &["name", "runtime.powerState", "guest.toolsRunningStatus", "guest.ipAddress"];
const ON: &str = "poweredOn";
const OFF: &str = "poweredOff";
/// A guest is given so long to stop, unless the input says otherwise.
const SHUTDOWN: Duration = Duration::from_secs(600);
const POLL_FIRST: Duration = Duration::from_millis(20);
const POLL_MOST: Duration = Duration::from_secs(5);

#[derive(Deserialize)]
struct Input {
    connection: String,
    vm: String,
    #[serde(default)]
    force: Flag,
    timeout: Option<Span>,
    name: Option<String>,
}

struct Vm {
    vcenter: VCenter,
    content: Content,
    moref: String,
}

impl Vm {
    async fn new(cx: &Cx, input: &Input) -> Answer<Self> {
        let vcenter = VCenter::new(cx, &input.connection)?;
        let content = vcenter.content().await.map_err(Failed::trouble)?;
        Ok(Self { vcenter, content, moref: input.vm.clone() })
    }

    async fn look(&self, paths: &[&str]) -> Answer<Object> {
        let found = property::one(&self.vcenter, &self.content, "VirtualMachine", &self.moref, paths);
        found.await.map_err(Failed::trouble)
    }

    async fn power(&self) -> Answer<String> {
        Ok(self.look(STATE).await?.text("runtime.powerState").unwrap_or_default())
    }

    async fn call(&self, operation: &str, more: &str) -> Result<crate::xml::Document, Failed> {
        let body = format!("{}{more}", object("_this", "VirtualMachine", &self.moref));
        self.vcenter.call(&self.content, operation, &body).await
    }

    async fn task(&self, operation: &str, more: &str) -> Result<Option<String>, Failed> {
        let begun = self.call(operation, more).await?;
        property::finished(&self.vcenter, &self.content, &begun).await
    }

    /// Brings the power to `wanted` and reports it only when it is seen.
    async fn bring(&self, operation: &str, wanted: &str) -> Answer {
        if self.power().await? == wanted {
            return Ok(from_json(json!({ "powerState": wanted })));
        }
        let done = self.task(operation, "").await;
        let seen = self.power().await?;
        if seen == wanted {
            return Ok(from_json(json!({ "powerState": seen })));
        }
        Err(match done {
            Ok(_) => Trouble::broken(format!("{operation} of {} has ended, but it is {seen}", self.moref)),
            Err(failed) => failed.trouble(),
        })
    }
}

pub(super) async fn state(job: Job, cx: Cx) -> Answer {
    let input: Input = job.input()?;
    let vm = Vm::new(&cx, &input).await?;
    let found = vm.look(STATE).await?;
    let power = found.text("runtime.powerState").unwrap_or_default();
    let tools = tools(&found);
    Ok(from_json(json!({
        "powerState": power,
        "tools": tools,
        "ip": found.text("guest.ipAddress"),
        // the words that waiting processes look for: a server that is up answers by its tools
        "ready": power == ON && tools,
        "status": power,
    })))
}

pub(super) async fn on(job: Job, cx: Cx) -> Answer {
    let input: Input = job.input()?;
    Vm::new(&cx, &input).await?.bring("PowerOnVM_Task", ON).await
}

pub(super) async fn off(job: Job, cx: Cx) -> Answer {
    let input: Input = job.input()?;
    Vm::new(&cx, &input).await?.bring("PowerOffVM_Task", OFF).await
}

/// Asks the guest to stop and waits for it. Beyond the time: with `force` the power is cut, else the BPMN error `TIMEOUT`.
pub(super) async fn shutdown(job: Job, cx: Cx) -> Answer {
    let input: Input = job.input()?;
    let vm = Vm::new(&cx, &input).await?;
    let ends = Instant::now() + input.timeout.map_or(SHUTDOWN, |span| span.0);
    if vm.power().await? == OFF {
        return Ok(from_json(json!({ "powerState": OFF })));
    }
    let asked = match vm.call("ShutdownGuest", "").await {
        Ok(_) => Ok(()),
        // it went off in between, or nobody in the guest can be asked
        Err(Failed::Fault(fault)) if fault.kind == "InvalidPowerState" => Ok(()),
        Err(Failed::Fault(fault)) if fault.kind == "ToolsUnavailable" => Err(fault.words),
        Err(failed) => return Err(failed.trouble()),
    };
    let reason = match asked {
        Ok(()) => {
            let mut pause = POLL_FIRST;
            loop {
                if vm.power().await? == OFF {
                    return Ok(from_json(json!({ "powerState": OFF })));
                }
                if Instant::now() + pause > ends {
                    break "the guest did not stop in time".to_owned();
                }
                sleep(pause).await;
                pause = (pause * 2).min(POLL_MOST);
            }
        }
        Err(words) => words,
    };
    if input.force.0 {
        return vm.bring("PowerOffVM_Task", OFF).await;
    }
    Err(Trouble::error("TIMEOUT", format!("{} is still on: {reason}", vm.moref)))
}

/// A snapshot of this name is made once; the one that is there already is the answer.
pub(super) async fn snapshot(job: Job, cx: Cx) -> Answer {
    let input: Input = job.input()?;
    let name = input.name.clone().ok_or_else(|| Trouble::wrong("a snapshot needs a name"))?;
    let vm = Vm::new(&cx, &input).await?;
    if let Some(found) = existing(&vm, &name).await? {
        return Ok(from_json(json!({ "snapshot": found })));
    }
    let more = format!(
        "<name>{}</name><description>{}</description><memory>false</memory><quiesce>false</quiesce>",
        escaped_text(&name),
        escaped_text(&job.key)
    );
    vm.task("CreateSnapshot_Task", &more).await.map_err(Failed::trouble)?;
    match existing(&vm, &name).await? {
        Some(found) => Ok(from_json(json!({ "snapshot": found }))),
        None => Err(Trouble::broken(format!("the snapshot {name} of {} is not listed", vm.moref))),
    }
}

async fn existing(vm: &Vm, name: &str) -> Answer<Option<Value>> {
    let found = vm.look(&["snapshot"]).await?;
    let own = snapshots(&found).into_iter().find(|one| one["name"] == name);
    Ok(own.map(|one| one["moref"].clone()))
}
