//! `/telemetry`: what this installation is. Nothing of it is sent to anybody, and no setting changes that.

use crate::api::auth::permission::{Permission, Resource};
use crate::api::auth::rights::ANY;
use crate::api::call::Call;
use crate::api::error::{Answer, ApiError};
use crate::api::json::{Json, json, no_content};
use serde::Deserialize;
use serde_json::json as shape;

pub(super) async fn configuration(call: Call) -> Answer {
    call.require(Permission::Read, Resource::System, ANY)?;
    json(shape!({ "enableTelemetry": false }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Configuration {
    enable_telemetry: Option<bool>,
}

pub(super) async fn configure(call: Call, Json(body): Json<Configuration>) -> Answer {
    call.require(Permission::Set, Resource::System, ANY)?;
    if body.enable_telemetry == Some(true) {
        let words = "Telemetry cannot be enabled: this server sends nothing about itself to anybody.";
        return Err(ApiError::refused("BadUserRequestException", words));
    }
    no_content()
}

pub(super) async fn data(call: Call) -> Answer {
    call.require(Permission::Read, Resource::System, ANY)?;
    let installation = call.state.store().installation(&crate::api::wire::random(), call.now()).await?;
    json(shape!({
        "installation": installation.name,
        "product": {
            "name": "Transhume",
            "version": env!("CARGO_PKG_VERSION"),
            "edition": "community",
            "internals": {
                "database": { "vendor": call.state.store().vendor(), "version": null },
                "application-server": { "vendor": "Transhume", "version": env!("CARGO_PKG_VERSION") },
                "license-key": { "customer": null, "type": null, "valid-until": null, "unlimited": true, "features": {}, "raw": null },
                "camunda-integration": [],
                "commands": {},
                "metrics": {},
                "webapps": [],
                "jdk": { "vendor": null, "version": null },
                "data-collection-start-date": installation.created_at.to_camunda(),
            },
        },
    }))
}
