//! The README's page for process designers: every command in it is run here, in order, as one shell script.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::binary::{binary, copy, has, tail};
use crate::support::need::{program, skip};
use crate::support::say::say;
use crate::support::serve::free_port;

const PAGE: &str = "## From a modeler to a completed task";

#[tokio::test(flavor = "multi_thread")]
async fn each_command_of_the_readme_works() {
    if !has("serve") {
        return;
    }
    let test = "each_command_of_the_readme_works";
    if let Some(tool) = ["curl", "jq", "sed", "bash"].iter().find(|tool| program(tool, &[]).is_none()) {
        return skip(test, &format!("{tool} is not installed"));
    }
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(repository.join("README.md")).expect("the README is here");
    let blocks = shell_of(&readme);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let models = folder.path().join("processes/first");
    copy(&repository.join("processes/first"), &models).expect("the first model");

    let script = blocks.replace("127.0.0.1:8080", &format!("127.0.0.1:{}", free_port()));
    // whatever fails, the server that the page starts ends with it
    let clean = "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT";
    let script = format!("set -euo pipefail\n{clean}\n{script}\nwait || true\n");
    let mut bash = Command::new("bash");
    bash.args(["-c", &script]).current_dir(folder.path()).env("PATH", path_with_binary());
    let ended = tokio::task::spawn_blocking(move || bash.output()).await.expect("joins");
    let ended = ended.expect("bash starts");
    let out = String::from_utf8_lossy(&ended.stdout);
    let errors = String::from_utf8_lossy(&ended.stderr);
    let seen = format!("{}\n{}", tail(&out, 40), tail(&errors, 20));
    assert!(ended.status.success(), "{seen}");
    assert_eq!(out.lines().last(), Some("COMPLETED"), "{seen}");

    let changed = fs::read_to_string(folder.path().join("try/change-request.bpmn"));
    assert!(changed.expect("the copy").contains("candidateGroups=\"leads\""), "step 2 changes the model");
    let commands = blocks.lines().filter(|line| !line.trim().is_empty()).count();
    say(format!("docs: {commands} lines of shell from the README run as written"));
}

/// The shell blocks of the page, one after the other.
fn shell_of(readme: &str) -> String {
    let page = readme.split_once(PAGE).expect("the README has the page").1;
    let page = page.split_once("\n## ").map_or(page, |(page, _)| page);
    let blocks = page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
    let blocks: Vec<&str> = blocks.collect();
    assert!(blocks.len() >= 7, "the page has its seven steps");
    blocks.join("\n")
}

fn path_with_binary() -> String {
    let bin = binary();
    let folder = bin.parent().expect("a program has a folder");
    format!("{}:{}", folder.display(), std::env::var("PATH").unwrap_or_default())
}
