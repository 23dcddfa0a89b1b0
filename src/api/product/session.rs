//! `/api/setup` and `/api/session`: the first administrator, sign-in and sign-out of the page.

use super::strict;
use crate::api::auth::{Caller, Cookies, is_own_origin};
use crate::api::error::{Answer, ApiError};
use crate::api::json::{Json, Object};
use crate::api::state::ApiState;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use std::net::SocketAddr;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetUp {
    token: String,
    user: String,
    password: String,
}

/// 204 and the session of the new administrator.
pub(super) async fn set_up(State(state): State<ApiState>, headers: HeaderMap, Json(body): Json<Object>) -> Answer {
    own_page(&headers)?;
    let SetUp { token, user, password } = strict(body)?;
    let cookies = state.sign_in.set_up(&token, &user, password).await?;
    Ok(with(StatusCode::NO_CONTENT.into_response(), cookies))
}

fn shape(caller: Option<&Caller>) -> Value {
    let tenants = caller.and_then(|caller| caller.access.tenants.clone()).unwrap_or_default();
    json!({
        "user": caller.map(|caller| &caller.user),
        "name": caller.map(|caller| &caller.user),
        "groups": caller.map(|caller| caller.groups.clone()).unwrap_or_default(),
        "tenants": tenants,
    })
}

/// Always 200: the page asks before it knows whether somebody is signed in.
pub(super) async fn get(State(state): State<ApiState>, headers: HeaderMap) -> Answer {
    let caller = state.sign_in.caller(&Method::GET, &headers, None).await;
    let caller = match caller {
        Ok(caller) => caller,
        Err(error) if error.status == StatusCode::UNAUTHORIZED => None,
        Err(error) => return Err(error),
    };
    Ok(axum::Json(shape(caller.as_ref())).into_response())
}

/// `{"user", "password"}`, or `{"token"}` for a token that works once.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignIn {
    user: Option<String>,
    password: Option<String>,
    token: Option<String>,
}

pub(super) async fn begin(State(state): State<ApiState>, request: Request) -> Answer {
    own_page(request.headers())?;
    let address = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_string());
    let Json(body) = <Json<Object> as axum::extract::FromRequest<ApiState>>::from_request(request, &state).await?;
    let caller = match strict(body)? {
        SignIn { token: Some(token), user: None, password: None } => state.sign_in.redeem(&token).await?,
        SignIn { user: Some(user), password: Some(password), token: None } => {
            state.sign_in.verify(&user, &password, address.as_deref()).await?
        }
        _ => return Err(ApiError::invalid("Send user and password, or a token.").because("invalid")),
    };
    let Some(caller) = caller else {
        let mut refused = ApiError::unauthenticated();
        refused.message = "Name and password do not fit, or the token was used before.".to_owned();
        // The page asks again itself; a challenge would open the browser's own window.
        let mut answer = refused.into_response();
        answer.headers_mut().remove(header::WWW_AUTHENTICATE);
        return Ok(answer);
    };
    let cookies = state.sign_in.begin(&caller.user).await?;
    Ok(with(axum::Json(shape(Some(&caller))).into_response(), cookies))
}

pub(super) async fn end(State(state): State<ApiState>, headers: HeaderMap) -> Answer {
    // Signing somebody out from a foreign page is a forgery as well.
    state.sign_in.caller(&Method::DELETE, &headers, None).await?;
    let cookies = state.sign_in.end(&headers).await?;
    Ok(with(StatusCode::NO_CONTENT.into_response(), cookies))
}

fn own_page(headers: &HeaderMap) -> Result<(), ApiError> {
    if is_own_origin(headers) {
        return Ok(());
    }
    Err(ApiError::forbidden("Sign in from this server's own page.").because("forged"))
}

fn with(mut answer: Response, cookies: Cookies) -> Response {
    for cookie in cookies {
        answer.headers_mut().append(header::SET_COOKIE, cookie);
    }
    answer
}
