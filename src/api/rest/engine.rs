//! `/engine`, `/version`, `/identity/verify`: who answers here, and who asks.

use crate::api::call::Call;
use crate::api::error::Answer;
use crate::api::json::{Json, json};
use serde::Deserialize;
use serde_json::json as shape;

/// The version whose REST interface is spoken.
const VERSION: &str = "7.24.0";

pub(super) async fn engines(_call: Call) -> Answer {
    json(shape!([{ "name": "default" }]))
}

pub(super) async fn version(_call: Call) -> Answer {
    json(shape!({ "version": VERSION }))
}

#[derive(Deserialize)]
pub(super) struct Credentials {
    username: Option<String>,
    password: Option<String>,
}

/// A wrong password is an answer, not an error.
pub(super) async fn verify(call: Call, Json(body): Json<Credentials>) -> Answer {
    let (Some(user), Some(password)) = (body.username, body.password) else {
        return Err(crate::api::error::ApiError::invalid("Username and password are required"));
    };
    let known = call.state.sign_in.verify(&user, &password, None).await?.is_some();
    json(shape!({ "authenticatedUser": user, "authenticated": known, "groups": null, "tenants": null }))
}
