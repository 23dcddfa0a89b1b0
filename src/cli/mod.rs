//! Subcommands of `transhume`. Every option can also be given as `TRANSHUME_…` in the environment. Exit status: 0 done,
//! 1 failed, 2 wrong usage.

mod test;

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
    /// Run process tests: suites (*.test.yaml, *.test.json) beside models, on the real engine with a virtual clock
    Test(test::Test),
}

pub(crate) fn run() -> ExitCode {
    match Arguments::parse().command {
        Command::Test(arguments) => test::run(&arguments),
    }
}
