//! `softlayer.attach-vlan`, `detach-vlan`: a VLAN behind a gateway, all its traffic routed there.

use serde::Deserialize;
use serde_json::{Value, json};

use super::status::gateway_state;
use super::{Api, Failed, id};
use crate::base::variable::{Variable, from_json};
use crate::handlers::input::Name;
use crate::handlers::{Answer, Cx, Job, Trouble};

#[derive(Deserialize)]
struct Attach {
    connection: String,
    gateway: Name,
    vlan: Name,
}

/// Routes come asynchronously: `ready` tells whether the gateway has them yet.
pub(super) async fn attach(job: Job, cx: Cx) -> Answer {
    let input: Attach = job.input()?;
    let api = Api::new(&cx, &input.connection)?;
    let (gateway, vlan) = (id(&input.gateway)?, id(&input.vlan)?);
    let attachment = match attached(&api, gateway, vlan).await? {
        Some((attachment, false)) => attachment,
        Some((attachment, true)) => {
            let path = format!("SoftLayer_Network_Gateway_Vlan/{attachment}/unbypass");
            let done = api.get(&path, "", None).await;
            done.map_err(|failed| failed.trouble(&format!("routing of VLAN {vlan}")))?;
            attachment
        }
        None => {
            let template = json!([{"networkGatewayId": gateway, "networkVlanId": vlan, "bypassFlag": false}]);
            let made = api.post("SoftLayer_Network_Gateway_Vlan/createObject", template).await;
            let made = made.map_err(|failed| failed.trouble(&format!("attaching VLAN {vlan}")))?;
            made["id"].as_u64().ok_or_else(|| Trouble::broken("the new attachment has no id"))?
        }
    };
    let mut told = gateway_state(&api, gateway, cx.now()).await?;
    told.insert("attachment".into(), Variable::from(attachment));
    Ok(told)
}

/// The attachment's id, and whether it is bypassed.
async fn attached(api: &Api, gateway: u64, vlan: u64) -> Answer<Option<(u64, bool)>> {
    let path = format!("SoftLayer_Network_Gateway/{gateway}/getInsideVlans");
    let list = api.get(&path, "id,networkVlanId,bypassFlag", None).await;
    let list = list.map_err(|failed| failed.trouble(&format!("gateway {gateway}")))?;
    let list = list.as_array().into_iter().flatten();
    let own = list.filter(|one| one["networkVlanId"].as_u64() == Some(vlan));
    let mut found = own.filter_map(|one| Some((one["id"].as_u64()?, one["bypassFlag"].as_bool()?)));
    Ok(found.next())
}

#[derive(Deserialize)]
struct Detach {
    connection: String,
    attachment: Name,
}

/// What is gone is detached.
pub(super) async fn detach(job: Job, cx: Cx) -> Answer {
    let input: Detach = job.input()?;
    let api = Api::new(&cx, &input.connection)?;
    let attachment = id(&input.attachment)?;
    let path = format!("SoftLayer_Network_Gateway_Vlan/{attachment}/deleteObject");
    match api.get(&path, "", None).await {
        Ok(Value::Bool(true)) | Err(Failed::Absent) => Ok(from_json(json!({}))),
        Ok(other) => Err(Trouble::broken(format!("detaching {attachment} was answered by {other}"))),
        Err(failed) => Err(failed.trouble(&format!("detaching {attachment}"))),
    }
}
