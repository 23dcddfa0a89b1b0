//! `transhume demo`: a whole migration on this machine, with nothing to set up.

use clap::{Args, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use transhume::demo::run::{Fail, Options, Sequence, run};
use transhume::runtime::show::Speed;

const EXAMPLE: &str = "\
Example:
  $ transhume demo                            follow the printed address in a browser
  $ transhume demo --once --speed max         play it to its end, print the table, stop
  $ transhume demo --fail partial-recovery    see a wave rolled back

Everything runs on loopback: server, outside systems, people. Exit status: 0 done, 1 failed, 2 wrong usage.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Demo {
    /// Folder of the database and the counterparts; a run that was interrupted goes on there [default: a new folder]
    #[arg(long, value_name = "DIR", env = "TRANSHUME_DATA")]
    data: Option<PathBuf>,
    /// paper: one stage after the other, as the paper's Table IV; parallel: whatever can runs beside the rest
    #[arg(long, value_enum, default_value_t = SequenceWord::Parallel, env = "TRANSHUME_SEQUENCE")]
    sequence: SequenceWord,
    /// Virtual seconds per real second, or max
    #[arg(long, default_value = "1800", value_parser = speed, env = "TRANSHUME_SPEED")]
    speed: Speed,
    /// Seed of whatever is drawn by chance; the same seed gives the same run
    #[arg(long, default_value_t = 1, env = "TRANSHUME_SEED")]
    seed: u64,
    /// End after the table instead of keeping the page open
    #[arg(long, env = "TRANSHUME_ONCE")]
    once: bool,
    /// Nobody is played: you answer the tasks in the page
    #[arg(long, env = "TRANSHUME_MANUAL")]
    manual: bool,
    /// Play a failure
    #[arg(long, value_enum, env = "TRANSHUME_FAIL")]
    fail: Option<FailWord>,
    /// Address of the page, on loopback
    #[arg(long, default_value = "127.0.0.1:8080", env = "TRANSHUME_LISTEN")]
    listen: SocketAddr,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SequenceWord {
    Parallel,
    Paper,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FailWord {
    /// The supplier refuses the order of a host
    OrderRejected,
    /// The tunnel to the data centre never comes up
    TunnelDown,
    /// Some servers do not come up at the target: their wave is rolled back, the last step first
    PartialRecovery,
}

fn speed(text: &str) -> Result<Speed, String> {
    if text == "max" {
        return Ok(Speed::Max);
    }
    match text.parse::<f64>() {
        Ok(times) if times > 0.0 && times <= 1e6 => Ok(Speed::Times(times)),
        Ok(_) | Err(_) => Err("a number above 0 and up to 1000000, or max".into()),
    }
}

pub(crate) fn execute(arguments: Demo) -> ExitCode {
    if !arguments.listen.ip().is_loopback() {
        eprintln!("{}: the demo listens on loopback only", arguments.listen);
        return ExitCode::from(2);
    }
    let data =
        arguments.data.unwrap_or_else(|| std::env::temp_dir().join(format!("transhume-demo-{}", std::process::id())));
    let options = Options {
        data,
        sequence: match arguments.sequence {
            SequenceWord::Parallel => Sequence::Parallel,
            SequenceWord::Paper => Sequence::Paper,
        },
        speed: arguments.speed,
        once: arguments.once || !std::io::IsTerminal::is_terminal(&std::io::stdout()),
        manual: arguments.manual,
        fail: arguments.fail.map(|fail| match fail {
            FailWord::OrderRejected => Fail::OrderRejected,
            FailWord::TunnelDown => Fail::TunnelDown,
            FailWord::PartialRecovery => Fail::PartialRecovery,
        }),
        listen: arguments.listen,
    };
    super::block_on(async {
        match run(options).await {
            Ok(_) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error:#}");
                ExitCode::FAILURE
            }
        }
    })
}
