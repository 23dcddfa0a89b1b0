//! `transhume verify`: judges a database and prints what does not hold.

use super::progress::Progress;
use clap::Args;
use std::fmt::Write as _;
use std::process::ExitCode;
use transhume::runtime::inspect::{RULES, Report, inspect};
use transhume::store::Store;

const EXAMPLE: &str = "\
Example:
  $ transhume verify --database sqlite:transhume.db
  rule   checked  violated
  I1          41         0  tokens: what the history leaves alive is what is stored
  I2          12         1  index rows: those that the stored state yields, each with its token
  ...
  I2: row Job(TokenId(4)) stands for nothing (instance 3)
  2 instances, 1 violation

It only reads, and servers may go on working meanwhile: an instance and its rows are read as of one
moment. Each instance's history is played again, so the time it takes grows with the history.
History that was cleaned away is told, not held against the database.

What a database cannot show is left to tests: I8 (messages applied once), I10 (answers), I13 (bounds
of a commit), I14 (delays), I15 (secrets).

Exit status: 0 all holds, 1 something does not, 2 the database cannot be read.";

/// Judge a database, also while servers work with it: what must hold of every instance, and what does not
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Verify {
    /// sqlite:FILE, or postgres://USER@HOST[,HOST…]/NAME
    #[arg(long, default_value = "sqlite:transhume.db", env = "TRANSHUME_DATABASE")]
    database: String,
    /// Print one JSON object: instances, cleaned, rules, violations
    #[arg(long, env = "TRANSHUME_JSON")]
    json: bool,
}

pub(crate) fn run(arguments: Verify) -> ExitCode {
    super::block_on(async {
        super::log(super::LogFormat::Text);
        match verify(&arguments).await {
            Ok(report) => {
                print!("{}", if arguments.json { json(&report) } else { board(&report) });
                if report.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
            }
            Err(error) => {
                eprintln!("{error}");
                ExitCode::from(2)
            }
        }
    })
}

async fn verify(arguments: &Verify) -> Result<Report, transhume::store::StoreError> {
    let store = Store::open_existing(&arguments.database).await?;
    let progress = Progress::begin();
    let report = inspect(&store, &mut |instances| progress.tell(format!("{instances} instances"))).await;
    progress.end();
    store.close().await;
    report
}

fn board(report: &Report) -> String {
    let mut out = "rule    checked  violated\n".to_owned();
    for (rule, asks) in RULES {
        let checked = report.checked.get(rule).copied().unwrap_or(0);
        let _ = writeln!(out, "{rule:<5}{checked:>10}{:>10}  {asks}", report.violated(rule));
    }
    for violation in &report.violations {
        let _ = writeln!(out, "{violation}");
    }
    let violations = report.violations.len() as u64 + report.unlisted;
    let _ = write!(out, "{}, {}", many(report.instances, "instance"), many(violations, "violation"));
    let _ = match report.cleaned {
        0 => writeln!(out),
        cleaned => writeln!(out, "; {} of the history cleaned away", many(cleaned, "row")),
    };
    out
}

fn many(count: u64, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

fn json(report: &Report) -> String {
    let rules: Vec<_> = RULES
        .iter()
        .map(|(rule, asks)| {
            let checked = report.checked.get(rule).copied().unwrap_or(0);
            serde_json::json!({"rule": rule, "asks": asks, "checked": checked, "violated": report.violated(rule)})
        })
        .collect();
    let violations: Vec<_> = report
        .violations
        .iter()
        .map(|violation| {
            let instance = violation.instance.map(|id| id.to_string());
            serde_json::json!({"rule": violation.rule, "layer": violation.layer, "instance": instance, "what": violation.what})
        })
        .collect();
    let all = serde_json::json!({
        "instances": report.instances, "cleaned": report.cleaned, "rules": rules, "violations": violations,
        "unlisted": report.unlisted,
    });
    format!("{all}\n")
}
