//! Clients that exist, unchanged, against `transhume serve`: the npm worker and the requests of the desktop modeler.
//!
//! They live in the suites beside the repository; each deploys, works, checks over REST and prints PASS or FAIL.

use std::path::Path;
use std::process::{Command, Output};

use crate::support::binary::{copy, has, tail};
use crate::support::need::{program, skip, suites};
use crate::support::say::say;
use crate::support::serve::{PASSWORD, Served, USER};

#[tokio::test(flavor = "multi_thread")]
async fn the_npm_worker_works() {
    if !has("serve") {
        return;
    }
    let test = "the_npm_worker_works";
    let Some(folder) = clients(test) else { return };
    let Some(npm) = program("npm", &[]) else {
        return skip(test, "npm is not installed");
    };
    // installed once per machine: an npm registry is not asked at each run
    let home = std::env::temp_dir().join("transhume-npm-worker");
    copy(&folder, &home).expect("a copy of the client");
    let js = home.join("js");
    if !js.join("node_modules/camunda-external-task-client-js/package.json").is_file() {
        let installed = Command::new(npm).args(["install", "--no-audit", "--no-fund"]).current_dir(&js).output();
        let installed = installed.expect("npm starts");
        if !installed.status.success() {
            return skip(
                test,
                &format!("npm install failed:\n{}", tail(&String::from_utf8_lossy(&installed.stderr), 5)),
            );
        }
    }
    passes(&js, "worker.js", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_modeler_deploys_and_starts() {
    if !has("serve") {
        return;
    }
    let Some(folder) = clients("the_modeler_deploys_and_starts") else {
        return;
    };
    passes(&folder, "modeler.mjs", &["--webapps"]).await;
}

fn clients(test: &str) -> Option<std::path::PathBuf> {
    let folder = suites().join("clients");
    if program("node", &[]).is_none() {
        skip(test, "Node.js is not installed");
        return None;
    }
    if !folder.is_dir() {
        skip(test, &format!("{} is missing (TRANSHUME_SUITES names another folder)", folder.display()));
        return None;
    }
    Some(folder)
}

async fn passes(folder: &Path, script: &str, more: &[&str]) {
    let served = Served::start().await;
    let mut node = Command::new("node");
    node.arg(script).args(["--url", &format!("{}/engine-rest", served.base), "--user", &format!("{USER}:{PASSWORD}")]);
    node.args(more).current_dir(folder);
    let ended: Output = tokio::task::spawn_blocking(move || node.output()).await.expect("joins").expect("node starts");
    let out = String::from_utf8_lossy(&ended.stdout);
    let last = out.lines().last().unwrap_or_default();
    let errors = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success() && last.starts_with("PASS"), "{script}:\n{}\n{}", tail(&out, 40), tail(&errors, 20));
    say(format!("clients: {script}: {last}"));
}
