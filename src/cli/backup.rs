//! `transhume backup` and `transhume restore`: a whole database in one file, and back, to either kind.

use super::progress::Progress;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;
use transhume::runtime::clock;
use transhume::store::backup::Contents;
use transhume::store::{Store, backup, restore};

const BACKUP: &str = "\
Example:
  $ transhume backup --database sqlite:transhume.db --to monday.backup
  monday.backup: 18 214 rows of 26 tables, tables at step 2
  $ transhume restore --from monday.backup --database postgres://transhume@db/transhume

The file holds one moment, also while servers go on working, and fits SQLite and PostgreSQL alike.
It holds everything: models, instances, history, accounts (as digests). Keep it as safe as the
database itself. Sessions are left out.

Exit status: 0 written, 1 not written.";

const RESTORE: &str = "\
Example:
  $ transhume restore --from monday.backup --check
  monday.backup: 18 214 rows of 26 tables, tables at step 2
  $ transhume restore --from monday.backup --database sqlite:new.db

The database must be empty; a file that is cut off or damaged is refused before anything is written,
and nothing is ever half restored. Stop the old servers before the new ones start: what they did
after the backup is lost to the engine. Its numbers go on far ahead, so that an id of the lost time is
not given twice, and what was ordered from other systems carries the same key as before: a system
that knows keys gives its first answer again, and nothing is ordered twice.

Exit status: 0 restored, 1 not restored.";

/// Write a whole database to one file, also while servers work with it
#[derive(Debug, Args)]
#[command(after_help = BACKUP)]
pub(crate) struct Backup {
    /// sqlite:FILE, or postgres://USER@HOST[,HOST…]/NAME
    #[arg(long, default_value = "sqlite:transhume.db", env = "TRANSHUME_DATABASE")]
    database: String,
    /// The new file; one that is there is not overwritten
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

/// Fill an empty database, of either kind, from such a file
#[derive(Debug, Args)]
#[command(after_help = RESTORE)]
pub(crate) struct Restore {
    /// A file that `transhume backup` wrote
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// sqlite:FILE, or postgres://USER@HOST[,HOST…]/NAME; must be empty
    #[arg(long, required_unless_present = "check", env = "TRANSHUME_DATABASE")]
    database: Option<String>,
    /// Only look whether the file is whole
    #[arg(long)]
    check: bool,
}

pub(crate) fn backup(arguments: Backup) -> ExitCode {
    super::block_on(async {
        super::log(super::LogFormat::Text);
        let file = arguments.to.display().to_string();
        ended(&file, write(arguments).await)
    })
}

pub(crate) fn restore(arguments: Restore) -> ExitCode {
    super::block_on(async {
        super::log(super::LogFormat::Text);
        let file = arguments.from.display().to_string();
        ended(&file, read(arguments).await)
    })
}

async fn write(arguments: Backup) -> anyhow::Result<Contents> {
    let store = Store::open_existing(&arguments.database).await?;
    let progress = Progress::begin();
    let now = clock::system().now();
    let mut told = |table: &str, rows: u64| progress.tell(format!("{table}: {rows} rows"));
    let written = backup::write(&store, &arguments.to, now, &mut told).await;
    progress.end();
    store.close().await;
    Ok(written?)
}

async fn read(arguments: Restore) -> anyhow::Result<Contents> {
    let Some(database) = arguments.database.filter(|_| !arguments.check) else {
        return Ok(restore::examine(&arguments.from)?);
    };
    let progress = Progress::begin();
    let mut told = |table: &str, rows: u64| progress.tell(format!("{table}: {rows} rows"));
    let read = restore::read(&arguments.from, &database, &mut told).await;
    progress.end();
    Ok(read?)
}

fn ended(file: &str, result: anyhow::Result<Contents>) -> ExitCode {
    match result {
        Ok(contents) => {
            let (rows, tables) = (contents.row_count(), contents.rows.len());
            println!("{file}: {rows} rows of {tables} tables, tables at step {}", contents.header.schema);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
