//! What the counterparts that speak HTTP share: a free port of loopback, a stop, Basic sign-in, the clock's guard.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use data_encoding::BASE64;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::USER;
use super::world::World;

pub(super) async fn serve(router: Router, stop: CancellationToken, tasks: TaskTracker) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tasks.spawn(async move {
        let _ = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await;
    });
    Ok(address)
}

/// The clock stands while a request is answered.
pub(super) fn guarded(router: Router, world: Arc<World>) -> Router {
    router.layer(from_fn_with_state(world, hold))
}

async fn hold(State(world): State<Arc<World>>, request: Request, next: Next) -> Response {
    let _guard = world.clock.guard();
    next.run(request).await
}

pub(super) fn signed_in(headers: &HeaderMap, world: &World) -> bool {
    let expected = format!("{USER}:{}", world.password);
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Basic "))
        .and_then(|text| BASE64.decode(text.as_bytes()).ok());
    given.is_some_and(|given| given == expected.as_bytes())
}
