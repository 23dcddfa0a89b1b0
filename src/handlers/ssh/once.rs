//! A command that runs once per activation, however often it is asked for.
//!
//! `mkdir ~/.transhume/K` is atomic: who makes the folder starts the command, detached, with files for its output and exit code;
//! who finds it attaches and waits for them. Folders go seven days after the command's end. When the machine was started
//! anew meanwhile, or the command's process is gone without an exit code, nobody knows what it did: the outcome is unknown.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::client::{Output, Ssh};
use super::quote::word;
use crate::base::limits;
use crate::handlers::{Answer, Job, Trouble};

/// Arguments: key, fence, size of stdin, command. The folder is made when all of stdin has arrived.
const START: &str = r#"
umask 077
base="$HOME/.transhume"
own="$base/$1"
mkdir -p "$base" || exit 90
find "$base" -mindepth 2 -maxdepth 2 -name exit -mtime +7 2>/dev/null | while read -r old; do rm -rf "${old%/exit}"; done
in="$base/$1.$2.in"
cat >"$in" || exit 90
if [ "$(wc -c <"$in" | tr -d ' ')" != "$3" ]; then rm -f "$in"; exit 91; fi
if mkdir "$own" 2>/dev/null; then
  mv "$in" "$own/in"
  printf '%s\n' "$4" >"$own/command"
  cat /proc/sys/kernel/random/boot_id >"$own/boot" 2>/dev/null
  TRANSHUME_KEY="$1" TRANSHUME_FENCE="$2"
  export TRANSHUME_KEY TRANSHUME_FENCE
  cd "$HOME" || exit 90
  detach=
  command -v setsid >/dev/null 2>&1 && detach=setsid
  $detach nohup sh -c 'echo $$ >"$1/pid"; sh "$1/command" <"$1/in" >"$1/out" 2>"$1/err"; echo $? >"$1/exit.new"; mv "$1/exit.new" "$1/exit"' run "$own" >/dev/null 2>&1 </dev/null &
  echo started
else
  rm -f "$in"
  echo attached
fi
"#;

const LOOK: &str = r#"
own="$HOME/.transhume/$1"
told() { if [ -f "$own/exit" ]; then echo "ended $(cat "$own/exit")"; exit; fi; }
told
[ -d "$own" ] || { echo gone; exit; }
if [ -f "$own/boot" ] && [ -r /proc/sys/kernel/random/boot_id ] && [ "$(cat "$own/boot")" != "$(cat /proc/sys/kernel/random/boot_id)" ]; then echo lost; exit; fi
[ -s "$own/pid" ] || { echo beginning; exit; }
kill -0 "$(cat "$own/pid")" 2>/dev/null && { echo running; exit; }
told
echo lost
"#;

const READ: &str = r#"head -c "$3" "$HOME/.transhume/$1/$2""#;

/// One of our own short scripts.
const STEP: Duration = Duration::from_secs(60);
const POLL_FIRST: Duration = Duration::from_millis(10);
const POLL_MOST: Duration = Duration::from_secs(5);
/// A folder without a process for so long: who made it died before the start.
const BEGINNING: Duration = Duration::from_secs(10);
/// A command is an argument of the starting script; longer ones belong to stdin.
const COMMAND_BYTES_MAX: usize = 64 * 1024;

pub(super) async fn run(ssh: &Ssh, job: &Job, command: &str, stdin: &[u8], within: Duration) -> Answer<Output> {
    if command.len() > COMMAND_BYTES_MAX {
        return Err(Trouble::wrong(format!(
            "the command is longer than {COMMAND_BYTES_MAX} bytes: send its data as stdin"
        )));
    }
    let ends = Instant::now() + within;
    start(ssh, job, command, stdin).await?;
    let code = end(ssh, &job.key, ends).await?;
    let stdout = read(ssh, &job.key, "out").await?;
    let stderr = read(ssh, &job.key, "err").await?;
    Ok(Output { code: Some(code), signal: None, stdout, stderr })
}

async fn start(ssh: &Ssh, job: &Job, command: &str, stdin: &[u8]) -> Answer<()> {
    let (fence, size) = (job.lease_no.to_string(), stdin.len().to_string());
    let told = script(ssh, START, &[&job.key, &fence, &size, command], stdin).await?;
    match (told.code, told.stdout.trim()) {
        (Some(0), "started" | "attached") => Ok(()),
        (Some(91), _) => Err(Trouble::unreached(format!("{}: stdin did not arrive whole", ssh.place))),
        (code, _) => Err(Trouble::wrong(format!(
            "{}: the command's folder ~/.transhume cannot be made (exit {code:?}): {}",
            ssh.place,
            told.stderr.trim()
        ))),
    }
}

/// Waits for the command; its exit code.
async fn end(ssh: &Ssh, key: &str, ends: Instant) -> Answer<u32> {
    let unknown = |words: &str| {
        Trouble::Unknown(format!("{words} on {}: look there at ~/.transhume/{key}, then decide", ssh.place))
    };
    let began = Instant::now();
    let mut pause = POLL_FIRST;
    loop {
        let told = script(ssh, LOOK, &[key], b"").await?.stdout;
        match told.trim() {
            "running" => {}
            "beginning" if began.elapsed() < BEGINNING => {}
            "beginning" => return Err(unknown("the command was taken but never began")),
            "lost" => return Err(unknown("the command is gone without an exit code")),
            "gone" => return Err(unknown("the command's folder was removed")),
            other => {
                let code = other.strip_prefix("ended ").and_then(|code| code.parse().ok());
                return code.ok_or_else(|| unknown("the command left no readable exit code"));
            }
        }
        if Instant::now() + pause > ends {
            return Err(Trouble::broken(format!(
                "the command on {} still runs; the next attempt waits for the same one",
                ssh.place
            )));
        }
        sleep(pause).await;
        pause = (pause * 2).min(POLL_MOST);
    }
}

async fn read(ssh: &Ssh, key: &str, file: &str) -> Answer<String> {
    let most = limits::VARIABLE_BYTES_MAX.to_string();
    Ok(script(ssh, READ, &[key, file, &most], b"").await?.stdout)
}

async fn script(ssh: &Ssh, text: &str, arguments: &[&str], stdin: &[u8]) -> Answer<Output> {
    let words: Vec<String> = arguments.iter().map(|one| word(one)).collect();
    let command = format!("sh -c {} transhume {}", word(text), words.join(" "));
    ssh.run(&command, stdin, STEP).await
}
