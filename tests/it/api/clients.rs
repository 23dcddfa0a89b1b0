//! Clients that exist, unchanged: the desktop modeler's requests, and a worker on the npm external-task client.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;

use super::server::Server;
use crate::support::need::{program, skip, suites};
use crate::support::say::say;

/// A client that hangs is a failure.
const PATIENCE: Duration = Duration::from_secs(120);

async fn run(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).kill_on_drop(true);
    tokio::time::timeout(PATIENCE, command.output()).await.expect("the client ends").expect("the client runs")
}

fn passed(name: &str, output: &Output) {
    let words = String::from_utf8_lossy(&output.stdout);
    let last = words.lines().last().unwrap_or_default().to_owned();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && last.starts_with("PASS"), "{name}:\n{words}\n{complaints}");
    say(format!("{name}: {last}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_desktop_modeler_deploys_and_starts() {
    let test = "the_desktop_modeler_deploys_and_starts";
    let script = suites().join("clients/modeler.mjs");
    if !script.is_file() {
        return skip(test, &format!("{} is not here", script.display()));
    }
    let Some(node) = program("node", &[]) else { return skip(test, "Node.js is not installed") };
    let server = Server::start().await;
    let url = format!("{}/engine-rest", server.serve().await);
    let mut client = Command::new(node);
    client.arg(script).args(["--url", &url, "--user", "demo:demo", "--webapps"]);
    passed("desktop modeler", &run(&mut client).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_npm_worker_does_its_tasks() {
    let test = "the_npm_worker_does_its_tasks";
    let clients = suites().join("clients");
    if !clients.join("js/worker.js").is_file() {
        return skip(test, &format!("{} is not here", clients.display()));
    }
    let (Some(node), Some(npm)) = (program("node", &[]), program("npm", &[])) else {
        return skip(test, "Node.js is not installed");
    };
    let folder = tempfile::tempdir().expect("a folder");
    let js = folder.path().join("js");
    std::fs::create_dir(&js).expect("a folder");
    for file in ["js/worker.js", "js/package.json", "worker.bpmn"] {
        copy(&clients.join(file), &folder.path().join(file));
    }
    let mut install = Command::new(npm);
    install.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]).current_dir(&js);
    let installed = run(&mut install).await;
    if !installed.status.success() {
        return skip(test, "npm cannot install camunda-external-task-client-js");
    }
    let server = Server::start().await;
    let url = format!("{}/engine-rest", server.serve().await);
    let mut client = Command::new(node);
    client.arg("worker.js").args(["--url", &url, "--user", "demo:demo"]).current_dir(&js);
    passed("npm external-task worker", &run(&mut client).await);
}

fn copy(from: &Path, to: &Path) {
    std::fs::copy(from, to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
}
