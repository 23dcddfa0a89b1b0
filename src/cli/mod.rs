//! Subcommands of `transhume`. Every option can also be given as `TRANSHUME_…` in the environment. Exit status: 0 done,
//! 1 failed, 2 wrong usage.

mod backup;
mod check;
mod demo;
mod progress;
mod serve;
mod test;
mod upgrade;
mod verify;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// A BPMN 2.0 process engine and, on it, a Cloud Migration Orchestrator.
#[derive(Debug, Parser)]
#[command(name = "transhume", version, about, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve processes, tasks and the page over HTTP
    Serve(serve::Serve),
    /// Play a whole migration of 25 servers on this machine: server, outside systems, people, virtual clock
    Demo(demo::Demo),
    /// Check models without running them: what is wrong, where, and how to mend it
    Check(check::Check),
    /// Run process tests: suites (*.test.yaml, *.test.json) beside models, on the real engine with a virtual clock
    Test(test::Test),
    /// Judge a database, also while servers work with it: what must hold of every instance, and what does not
    Verify(verify::Verify),
    /// Write a whole database to one file, also while servers work with it
    Backup(backup::Backup),
    /// Fill an empty database, of either kind, from such a file
    Restore(backup::Restore),
    /// Bring the tables of a database up to date
    Upgrade(upgrade::Upgrade),
}

pub(crate) fn run() -> ExitCode {
    match Arguments::parse().command {
        Command::Serve(arguments) => serve::execute(arguments),
        Command::Demo(arguments) => demo::execute(arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Verify(arguments) => verify::run(arguments),
        Command::Backup(arguments) => backup::backup(arguments),
        Command::Restore(arguments) => backup::restore(arguments),
        Command::Upgrade(arguments) => upgrade::run(arguments),
    }
}

/// Runs a subcommand that lives in tokio. One TLS provider for the whole process, installed first.
fn block_on(work: impl Future<Output = ExitCode>) -> ExitCode {
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        eprintln!("another TLS provider was installed before");
        return ExitCode::FAILURE;
    }
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => {
            eprintln!("the runtime does not start: {error}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum LogFormat {
    /// For people
    Text,
    /// For programs: one JSON object a line
    Json,
}

/// Log lines to standard error; RUST_LOG chooses, warnings by default.
fn log(format: LogFormat) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into());
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second call (in tests) finds it set.
    let _already = match format {
        LogFormat::Text => lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
}
