//! `ssh.exec`: a command on a host, from a template and parameters, run once per activation.
//!
//! Policy `retry`: an attempt after a lost connection finds the command that runs or has run, and waits for it (`once`). With the
//! input `bare` the command runs without that help, for devices without a shell's home; then the policy is `at_most_once`.
//! `TRANSHUME_KEY` and `TRANSHUME_FENCE` tell the command its activation and its attempt. An exit code outside `okCodes` is
//! the BPMN error `EXIT_CODE`.

mod client;
mod once;
mod quote;
mod shell;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use super::input::{Count, Flag, Name, Span};
use super::registry::Topic;
use super::{Answer, Cx, Job, Kind, Policy, Trouble};
use crate::base::variable::from_json;

pub(super) use client::Ssh;
pub(super) use quote::word;
pub(super) use shell::Shell;

const COMMAND: Duration = Duration::from_secs(300);
/// Beyond the command's own limit, so that its words are told.
const SECONDS: u64 = 3660;

pub(super) fn topics() -> Vec<Topic> {
    vec![Topic::new("ssh.exec", Policy::Retry, SECONDS, exec).policy_by(policy)]
}

fn policy(job: &Job) -> Policy {
    let bare = job.variables.get("bare").is_some_and(|one| one.value == true || one.value == "true");
    if bare { Policy::AtMostOnce } else { Policy::Retry }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    connection: String,
    command: String,
    #[serde(default)]
    parameters: BTreeMap<String, Name>,
    #[serde(default)]
    stdin: String,
    timeout: Option<Span>,
    #[serde(default = "zero")]
    ok_codes: Vec<Count>,
    #[serde(default)]
    line_breaks: Flag,
    #[serde(default)]
    bare: Flag,
}

fn zero() -> Vec<Count> {
    vec![Count(0)]
}

async fn exec(job: Job, cx: Cx) -> Answer {
    let input: Input = job.input()?;
    let parameters = input.parameters.iter().map(|(name, value)| (name.clone(), value.0.clone())).collect();
    let command = quote::fill(&input.command, &parameters, input.line_breaks.0).map_err(Trouble::Wrong)?;
    let within = input.timeout.map_or(COMMAND, |span| span.0);
    let connection = cx.connection(&input.connection, &[Kind::Ssh])?;
    let ssh = Ssh::connect(&cx, &connection).await?;
    let output = match input.bare.0 {
        true => ssh.run(&command, input.stdin.as_bytes(), within).await?,
        false => once::run(&ssh, &job, &command, input.stdin.as_bytes(), within).await?,
    };
    // a command killed by a signal has no code of its own; shells say 128 and more
    let code = output.code.unwrap_or(128);
    let told = from_json(json!({"exitCode": code, "stdout": output.stdout, "stderr": output.stderr}));
    if input.ok_codes.contains(&Count(u64::from(code))) {
        return Ok(told);
    }
    let how = output.signal.map_or_else(|| format!("exit code {code}"), |signal| format!("signal {signal}"));
    let words = format!("{how} on {}: {}", ssh.place, super::http::excerpt(&output.stderr));
    Err(Trouble::error_with("EXIT_CODE", words, told))
}
