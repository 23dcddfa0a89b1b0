//! `transhume test`: runs process tests and prints one line a case.

use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::process::ExitCode;
use transhume::scenario::report::{CaseResult, junit};
use transhume::scenario::{Options, StoreKind, file, find, runner};

const EXAMPLE: &str = "\
Example:
  $ transhume test processes/first
  ok    change-request · an approved change gets its window
  ...
  3 passed, 0 failed

  transhume test --restart --store sqlite processes/   forget all memory after every step
  transhume test --junit report.xml processes/         for a pipeline

A case that fails says which step, what was expected and what was seen.
Exit status: 0 all passed, 1 some failed, 2 a suite cannot be read.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Test {
    /// Suites, or folders that are searched for *.test.yaml and *.test.json
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Where instances are stored; postgres needs DATABASE_URL
    #[arg(long, value_enum, default_value_t = Store::Memory, env = "TRANSHUME_STORE")]
    store: Store,
    /// After every step forget all memory and read the store again
    #[arg(long, env = "TRANSHUME_RESTART")]
    restart: bool,
    /// Write the results as JUnit XML too
    #[arg(long, value_name = "FILE", env = "TRANSHUME_JUNIT")]
    junit: Option<PathBuf>,
    /// Print the event log of each case
    #[arg(long, env = "TRANSHUME_TRACE")]
    trace: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Store {
    Memory,
    Sqlite,
    Postgres,
}

pub(crate) fn run(arguments: &Test) -> ExitCode {
    let options = match options(arguments) {
        Ok(options) => options,
        Err(words) => return unusable(&words),
    };
    let suites = match find(&arguments.paths) {
        Ok(suites) => suites,
        Err(words) => return unusable(&words),
    };
    if suites.is_empty() {
        return unusable("no suites found: they are files that end in .test.yaml or .test.json");
    }
    let (mut results, mut unreadable) = (Vec::new(), false);
    for path in suites {
        match file::read(&path) {
            Ok(suite) => {
                let ran = runner::run(&path, &suite, &options);
                ran.iter().for_each(|result| print(result, arguments.trace));
                results.extend(ran);
            }
            Err(words) => {
                eprintln!("{words}");
                unreadable = true;
            }
        }
    }
    if let Some(target) = &arguments.junit
        && let Err(error) = std::fs::write(target, junit(&results))
    {
        return unusable(&format!("{}: {error}", target.display()));
    }
    let failed = results.iter().filter(|result| result.failure.is_some()).count();
    println!("{} passed, {failed} failed", results.len() - failed);
    match (unreadable, failed) {
        (true, _) => ExitCode::from(2),
        (false, 0) => ExitCode::SUCCESS,
        (false, _) => ExitCode::FAILURE,
    }
}

fn options(arguments: &Test) -> Result<Options, String> {
    let store = match arguments.store {
        Store::Memory => StoreKind::Memory,
        Store::Sqlite => StoreKind::Sqlite,
        Store::Postgres => match std::env::var("DATABASE_URL") {
            Ok(url) => StoreKind::Postgres(url),
            Err(_) => return Err("--store postgres needs the server's address in DATABASE_URL".into()),
        },
    };
    Ok(Options { store, restart: arguments.restart, trace: arguments.trace })
}

fn print(result: &CaseResult, trace: bool) {
    println!("{}", result.line());
    if trace {
        result.log.iter().for_each(|line| println!("      {line}"));
    }
}

fn unusable(words: &str) -> ExitCode {
    eprintln!("{words}");
    ExitCode::from(2)
}
