//! `vcenter.add-host`: a host becomes part of the vCenter, in its cluster where it has one. The host's certificate is checked
//! by the vCenter; a thumbprint that it should accept is an input, never taken over unseen.

use serde::Deserialize;
use serde_json::json;

use super::property;
use super::soap::{Content, Failed, VCenter, object};
use crate::base::variable::{Variables, from_json};
use crate::handlers::{Answer, Cx, Job, Secret, Trouble, secret};
use crate::xml::escaped_text;

#[derive(Deserialize)]
struct Input {
    connection: String,
    host: String,
    /// A name, or the reference of a secret that holds `user:password`.
    user: Option<String>,
    /// The password's reference, where `user` is a name.
    secret: Option<String>,
    thumbprint: Option<String>,
}

pub(super) async fn add(job: Job, cx: Cx) -> Answer {
    let input: Input = job.input()?;
    let vcenter = VCenter::new(&cx, &input.connection)?;
    let content = vcenter.content().await.map_err(Failed::trouble)?;
    if let Some(moref) = find(&vcenter, &content, &input.host).await? {
        return Ok(told(&input.host, &moref));
    }
    let (user, secret) = credentials(&input, &cx)?;
    let thumbprint = input
        .thumbprint
        .as_deref()
        .map_or(String::new(), |print| format!("<sslThumbprint>{}</sslThumbprint>", escaped_text(print)));
    let spec = format!(
        "<spec><hostName>{}</hostName>{thumbprint}<userName>{}</userName><password>{}</password><force>false</force></spec>",
        escaped_text(&input.host),
        escaped_text(&user),
        escaped_text(secret.expose())
    );
    let (operation, body) = place(&vcenter, &content, &spec).await?;
    let begun = vcenter.call(&content, operation, &body).await;
    let done = match begun {
        Ok(begun) => property::finished(&vcenter, &content, &begun).await,
        Err(failed) => Err(failed),
    };
    match (find(&vcenter, &content, &input.host).await?, done) {
        (Some(moref), _) => Ok(told(&input.host, &moref)),
        (None, Err(failed)) => Err(failed.trouble()),
        (None, Ok(_)) => Err(Trouble::broken(format!("{} is not listed yet", input.host))),
    }
}

/// User and password of the host.
fn credentials(input: &Input, cx: &Cx) -> Answer<(String, Secret)> {
    const ROOT: &str = "root";
    let named = input.user.as_deref().filter(|user| !secret::is_reference(user));
    let reference = input.secret.as_deref().or(input.user.as_deref().filter(|user| secret::is_reference(user)));
    let reference = reference.ok_or_else(|| {
        Trouble::wrong(
            "the input user is missing: a reference such as secret://host-user, whose secret is user:password",
        )
    })?;
    let whole = cx.secret(reference)?;
    let parts = whole.expose().split_once(':').filter(|_| named.is_none());
    Ok(match parts {
        Some((user, password)) => (user.to_owned(), cx.part_of_secret(password)),
        None => (named.unwrap_or(ROOT).to_owned(), whole),
    })
}

fn told(name: &str, moref: &str) -> Variables {
    from_json(json!({"host": {"name": name, "moref": moref}}))
}

async fn find(vcenter: &VCenter, content: &Content, name: &str) -> Answer<Option<String>> {
    let hosts = property::all(vcenter, content, "HostSystem", &["name"]).await;
    let hosts = hosts.map_err(Failed::trouble)?;
    let own = hosts.into_iter().find(|host| host.text("name").as_deref() == Some(name));
    Ok(own.map(|host| host.moref))
}

/// The first cluster, else the datacenter's folder of hosts.
async fn place(vcenter: &VCenter, content: &Content, spec: &str) -> Answer<(&'static str, String)> {
    let of = |kind, paths| property::all(vcenter, content, kind, paths);
    let clusters = of("ClusterComputeResource", &["name"]).await.map_err(Failed::trouble)?;
    if let Some(cluster) = clusters.first() {
        let this = object("_this", "ClusterComputeResource", &cluster.moref);
        let body = format!("{this}{spec}<asConnected>true</asConnected>");
        return Ok(("AddHost_Task", body));
    }
    let centers = of("Datacenter", &["hostFolder"]).await.map_err(Failed::trouble)?;
    let folder = centers.first().and_then(|center| center.text("hostFolder"));
    let folder = folder.ok_or_else(|| {
        Trouble::wrong(format!("vCenter ({}) has no datacenter: create one for the new hosts", vcenter.name))
    })?;
    let this = object("_this", "Folder", &folder);
    Ok(("AddStandaloneHost_Task", format!("{this}{spec}<addConnected>true</addConnected>")))
}
