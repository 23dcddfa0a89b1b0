//! Clients and servers by others against ours: vcsim for the vCenter client, Python's smtplib and OpenSSH for the counterparts,
//! the vendor's specification for vSphere Replication. What is absent is said, not failed: none of it is part of the product.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::tempdir;
use transhume::demo::counterpart::Options;
use transhume::handlers::net::Allow;
use transhume::handlers::{Config, Connection, Connections, Kind, Outcome, Registry, Secrets};

use super::{Outside, TestClock, plain, run, task};
use crate::support::need::{program, specs};
use crate::support::say::say;

fn absent(test: &str, what: &str) {
    say(format!("skipped: {test}: {what}"));
}

#[tokio::test]
async fn the_vcenter_client_works_with_govmomis_simulator() {
    let Some(path) = env::var_os("TRANSHUME_VCSIM") else {
        return absent("vcsim", "TRANSHUME_VCSIM names no program (tests/it/handlers/vcsim/main.go)");
    };
    let mut child = Command::new(path).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut address = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut address).unwrap();
    let mut connection = Connection::new("vcsim", Kind::Vcenter, address.trim());
    connection.user = Some("user".into());
    connection.secret = Some("secret://vcsim".into());
    connection.allow = Allow { loopback: true, ..Allow::default() };
    let mut secrets = Secrets::default();
    secrets.set("", "vcsim", "pass");
    let connections = Connections::new(vec![connection]).unwrap();
    let registry = Registry::standard(Config { connections, secrets, ..Config::default() });
    let ask = async |topic: &str, mut input: Value| {
        input["connection"] = json!("vcsim");
        match run(&registry, &TestClock::new(), task(topic, input, "key")).await {
            Outcome::Complete(told) => plain(&told),
            other => panic!("{topic}: {other:?}"),
        }
    };
    let told = ask("vcenter.inventory", json!({})).await;
    let servers = told["servers"].as_array().unwrap();
    assert_eq!(servers.len(), 60, "more than one page");
    let one = &servers[0];
    for field in ["moref", "name", "os", "cpu", "memoryMb", "powerState", "host"] {
        assert!(!one[field].is_null(), "{field}: {one}");
    }
    assert!(one["disks"][0]["gb"].as_f64().is_some_and(|gb| gb > 0.0), "{one}");
    assert!(one["nics"][0]["mac"].is_string(), "{one}");
    assert_eq!(told["hosts"].as_array().unwrap().len(), 2);
    let vm = json!({"vm": one["moref"], "name": "before the move"});
    for (topic, state) in [("vcenter.power-off", "poweredOff"), ("vcenter.power-on", "poweredOn")] {
        for _ in 0..2 {
            assert_eq!(ask(topic, vm.clone()).await, json!({"powerState": state}));
        }
    }
    let snapshot = ask("vcenter.snapshot", vm.clone()).await;
    assert_eq!(ask("vcenter.snapshot", vm.clone()).await, snapshot);
    assert_eq!(ask("vcenter.vm-state", vm).await["powerState"], json!("poweredOn"));
    let host = json!({"host": "esx-new.example", "user": "root", "secret": "secret://vcsim"});
    let added = ask("vcenter.add-host", host.clone()).await;
    assert_eq!(ask("vcenter.add-host", host).await, added);
    drop(child.stdin.take());
    child.wait().unwrap();
}

#[tokio::test]
async fn pythons_smtplib_delivers_to_the_sink() {
    let Some(python) = program("python3", &[]) else {
        return absent("smtplib", "python3 is not installed");
    };
    let folder = tempdir().unwrap();
    let outside = Outside::start(folder.path(), Options::default()).await;
    let address = outside.counterparts.smtp_address;
    let script = format!(
        "import smtplib\nfrom email.message import EmailMessage\nm = EmailMessage()\nm['Subject'] = 'Grüße'\nm['From'] = 'a@x.example'\nm['To'] = 'b@y.example'\nm['Message-ID'] = '<1@x.example>'\nm.set_content('one\\n.\\ntwo')\nfor i in range(2):\n    with smtplib.SMTP('{}', {}) as s:\n        s.send_message(m)\n",
        address.ip(),
        address.port()
    );
    let mut child = tokio::process::Command::new(python).arg("-c").arg(script).spawn().unwrap();
    assert!(child.wait().await.unwrap().success());
    let mails = outside.counterparts.mails().unwrap();
    assert_eq!(mails.len(), 1);
    assert_eq!((mails[0].subject.as_str(), mails[0].to.as_slice()), ("Grüße", &["b@y.example".to_owned()][..]));
    assert!(mails[0].message.contains("\none\r\n.\r\ntwo"), "{}", mails[0].message);
}

#[tokio::test]
async fn openssh_signs_in_at_the_gateway() {
    let Some(ssh) = program("ssh", &[]) else {
        return absent("ssh", "OpenSSH is not installed");
    };
    let folder = tempdir().unwrap();
    let outside = Outside::start(folder.path(), Options::default()).await;
    let address = outside.counterparts.gateway_address;
    let path = |name: &str| folder.path().join(name);
    let known = format!("[127.0.0.1]:{} {}\n", address.port(), outside.counterparts.gateway_host_key);
    fs::write(path("known"), known).unwrap();
    let password = outside.counterparts.secrets("").resolve("", "secret://demo-password").unwrap();
    let mut ask = fs::File::create(path("ask")).unwrap();
    writeln!(ask, "#!/bin/sh\necho '{}'", password.expose()).unwrap();
    drop(ask);
    fs::set_permissions(path("ask"), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let mut command = tokio::process::Command::new(ssh);
    command.args(["-tt", "-F", "none", "-o", "StrictHostKeyChecking=yes", "-o"]);
    command.arg(format!("UserKnownHostsFile={}", path("known").display()));
    command.args(["-o", "PubkeyAuthentication=no", "-p", &address.port().to_string(), "demo@127.0.0.1"]);
    command.env("SSH_ASKPASS", path("ask")).env("SSH_ASKPASS_REQUIRE", "force");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stdin, b"show vpn ipsec sa\nexit\n").await.unwrap();
    let out = child.wait_with_output().await.unwrap();
    let (told, words) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(told.contains("demo@gateway:~$") && told.contains("Remote address"), "{told}\n{words}");
}

/// Answers of the counterpart against the schemas of the vendor's file, as far as those go: required fields, types, words.
#[tokio::test]
async fn answers_of_vsphere_replication_fit_the_specification() {
    let Ok(text) = fs::read_to_string(specs().join("vr-api-v2.json")) else {
        return absent("vr-api-v2.json", "TRANSHUME_SPECS does not hold it");
    };
    let specification: Value = serde_json::from_str(&text).unwrap();
    let data = tempdir().unwrap();
    let outside = Outside::start(data.path(), Options::default()).await;
    let vms = json!([{"moref": "vm-101", "name": "web-01"}]);
    let told = outside.done("vr.configure", json!({"connection": "vr", "vms": vms})).await;
    let (replication, task) = (told["replications"][0].as_str().unwrap(), told["tasks"][0].as_str().unwrap());
    let base = &outside.counterparts.vr_url;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let password = outside.counterparts.secrets("").resolve("", "secret://demo-password").unwrap();
    let session = http.post(format!("{base}/session")).basic_auth("demo", Some(password.expose()));
    let session: Value = session.send().await.unwrap().json().await.unwrap();
    let get = async |path: &str| -> Value {
        let request = http.get(format!("{base}{path}")).header("x-dr-session", session["session_id"].as_str().unwrap());
        request.send().await.unwrap().json().await.unwrap()
    };
    let pairing = get("/pairings").await["list"][0].clone();
    let (id, source, target) = (
        pairing["pairing_id"].as_str().unwrap(),
        pairing["local_vc_server"]["id"].as_str().unwrap(),
        pairing["remote_vc_server"]["id"].as_str().unwrap(),
    );
    let vm = format!("VirtualMachine:vm-102:{source}");
    let p = "/pairings/{pairing_id}";
    let cases = [
        ("/pairings".to_owned(), "/pairings".to_owned()),
        (format!("/tasks/{task}"), "/tasks/{task_id}".to_owned()),
        (format!("/pairings/{id}/replications"), format!("{p}/replications")),
        (format!("/pairings/{id}/replications/{replication}"), format!("{p}/replications/{{replication_id}}")),
        (format!("/pairings/{id}/vcenters/{target}/datastores"), format!("{p}/vcenters/{{vcenter_id}}/datastores")),
        (
            format!("/pairings/{id}/vcenters/{source}/vms/{vm}/capability"),
            format!("{p}/vcenters/{{vcenter_id}}/vms/{{vm_id}}/capability"),
        ),
        (
            format!("/pairings/{id}/vcenters/{source}/vms/{vm}/disks"),
            format!("{p}/vcenters/{{vcenter_id}}/vms/{{vm_id}}/disks"),
        ),
    ];
    for (path, template) in cases {
        let operation = &specification["paths"][&template]["get"];
        let schema = &operation["responses"]["200"]["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{template} is not in the specification");
        let mut found = Vec::new();
        judge(&specification, schema, &get(&path).await, &path, &mut found);
        assert!(found.is_empty(), "{found:#?}");
    }
}

/// Adds what does not fit. Schemas nest a few steps, and so do answers.
fn judge(whole: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        return judge(whole, whole.pointer(&reference[1..]).unwrap(), value, at, found);
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        judge(whole, part, value, at, found);
    }
    if value.is_null() {
        return;
    }
    let fits = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("boolean") => value.is_boolean(),
        _ => true,
    };
    if !fits {
        found.push(format!("{at}: {value} is no {}", schema["type"]));
    }
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        found.push(format!("{at}: {value} is none of {words:?}"));
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        if value.get(name.as_str().unwrap()).is_none() {
            found.push(format!("{at}: {name} is absent"));
        }
    }
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(value) = value.get(name) {
            judge(whole, inner, value, &format!("{at}/{name}"), found);
        }
    }
    for value in value.as_array().into_iter().flatten().filter(|_| schema["items"].is_object()) {
        judge(whole, &schema["items"], value, &format!("{at}[]"), found);
    }
}
