//! `transhume upgrade`: brings the tables of a database up to date, and says by which steps.

use clap::Args;
use std::process::ExitCode;
use transhume::store::{StoreError, upgrade};

const EXAMPLE: &str = "\
Example:
  $ transhume upgrade --database postgres://transhume@db/transhume --check
  step 3, cluster: to be made
  the tables stand at step 2, this program's at 3
  $ transhume upgrade --database postgres://transhume@db/transhume
  step 3, cluster: made
  the tables stand at step 3

Stop every server of the older program first, and take a backup. Each step is made wholly or not at
all. `serve` does this by itself for an empty database and for SQLite; on PostgreSQL it asks for it.

Exit status: 0 up to date (with --check: nothing to do), 1 failed (with --check: steps are missing),
2 not possible: no such database, or a newer program made it.";

/// Bring the tables of a database up to date
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Upgrade {
    /// sqlite:FILE, or postgres://USER@HOST[,HOST…]/NAME
    #[arg(long, default_value = "sqlite:transhume.db", env = "TRANSHUME_DATABASE")]
    database: String,
    /// Say what would be done, and do nothing
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(arguments: Upgrade) -> ExitCode {
    super::block_on(async {
        let done = if arguments.check {
            upgrade::plan(&arguments.database).await
        } else {
            upgrade::run(&arguments.database).await
        };
        match done {
            Ok(upgrade) => told(&upgrade, arguments.check),
            Err(error @ StoreError::Migration(_)) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
            Err(error) => {
                eprintln!("{error}");
                ExitCode::from(2)
            }
        }
    })
}

fn told(upgrade: &upgrade::Upgrade, check: bool) -> ExitCode {
    for (number, name) in &upgrade.steps {
        println!("step {number}, {name}: {}", if check { "to be made" } else { "made" });
    }
    if !check || upgrade.steps.is_empty() {
        println!("the tables stand at step {}", upgrade.to);
        return ExitCode::SUCCESS;
    }
    match upgrade.from {
        Some(from) => println!("the tables stand at step {from}, this program's at {}", upgrade.to),
        None => println!("the database is empty"),
    }
    ExitCode::FAILURE
}
