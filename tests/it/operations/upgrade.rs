//! `transhume upgrade`: says what it does, and who must not run on the tables that are there.

use std::process::{Command, Output};

use transhume::store::{Store, upgrade};

use super::{file, sql};
use crate::support::binary::binary;
use crate::support::postgres;

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = Command::new(binary()).args(arguments).output().expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (status.code(), text(stdout), text(stderr))
}

/// As an older program left it: without the last step, which is given back.
async fn aged(address: &str) -> i64 {
    upgrade::bring_to(address, 1).await.expect("it is made");
    let plan = upgrade::plan(address).await.expect("it is read");
    assert_eq!(plan.from, Some(1));
    let last_but_one = plan.steps[plan.steps.len() - 1].0 - 1;
    upgrade::bring_to(address, last_but_one).await.expect("it is made");
    plan.to
}

#[tokio::test]
async fn an_upgrade_says_what_it_does_and_does_it_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut addresses = vec![file(folder.path())];
    addresses.extend(postgres::database("an_upgrade_says_what_it_does_and_does_it_once").await);
    for address in addresses {
        let last = aged(&address).await;
        let check = run(&["upgrade", "--check", "--database", &address]);
        assert_eq!((check.0, check.1.contains("to be made")), (Some(1), true), "{check:?}");
        let verify = run(&["verify", "--database", &address]);
        assert_eq!((verify.0, verify.2.contains("transhume upgrade")), (Some(2), true), "{verify:?}");
        if address.starts_with("postgres") {
            let serve = run(&["serve", "--listen", "127.0.0.1:0", "--database", &address]);
            assert_eq!((serve.0, serve.2.contains("run `transhume upgrade")), (Some(2), true), "{serve:?}");
        }
        let done = run(&["upgrade", "--database", &address]);
        assert_eq!((done.0, done.1.contains(": made")), (Some(0), true), "{done:?}");
        let again = run(&["upgrade", "--check", "--database", &address]);
        assert_eq!((again.0, again.1), (Some(0), format!("the tables stand at step {last}\n")));
    }
}

/// A server has a file for itself, so it upgrades it without being asked.
#[tokio::test]
async fn a_file_is_brought_up_to_date_when_it_is_opened() {
    let folder = tempfile::tempdir().expect("a folder");
    let address = file(folder.path());
    aged(&address).await;
    Store::open(&address).await.expect("it is brought up to date").close().await;
    assert!(upgrade::plan(&address).await.is_ok_and(|plan| plan.steps.is_empty()));
}

#[tokio::test]
async fn a_newer_programs_tables_are_refused_with_a_sentence() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut addresses = vec![file(folder.path())];
    addresses.extend(postgres::database("a_newer_programs_tables_are_refused_with_a_sentence").await);
    for address in addresses {
        Store::open(&address).await.expect("it is made").close().await;
        sql(
            &address,
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) SELECT 999, 'later', success, \
             checksum, 0 FROM _sqlx_migrations WHERE version = 1",
        )
        .await;
        for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["upgrade"], &["verify"]] {
            let told = run(&[command, &["--database", &address]].concat());
            assert_eq!((told.0, told.2.contains("a newer program")), (Some(2), true), "{command:?}: {told:?}");
        }
    }
}

#[test]
fn every_command_teaches_with_an_example() {
    let help = run(&["--help"]).1;
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names: Vec<&str> = commands.filter_map(|line| line.strip_prefix("  ")?.split(' ').next()).collect();
    let named: Vec<&str> = names.into_iter().filter(|name| !name.is_empty() && *name != "help").collect();
    assert!(named.contains(&"verify") && named.contains(&"serve"), "{named:?}");
    for name in named {
        let (status, text, _) = run(&[name, "--help"]);
        assert_eq!(status, Some(0));
        assert!(text.contains("Example") && text.contains(&format!("transhume {name}")), "{name}:\n{text}");
    }
}
