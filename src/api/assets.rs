//! The web application: files that `build.rs` made from `web/`, served from memory.
//!
//! Names below `assets/` carry a hash of their content and may be kept for ever; the page itself is asked for each time. A
//! path that is no file is one of the application's own addresses and gets the page, but below `/assets`, `/api` and
//! `/engine-rest` an unknown path is a 404 with the JSON body that all errors have.

use axum::Router;
use axum::body::Body;
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{Method, StatusCode, Uri};
use axum::response::Response;

/// A built file; the table is sorted by path.
struct Asset {
    path: &'static str,
    raw: &'static [u8],
    brotli: Option<&'static [u8]>,
}

static ASSETS: &[Asset] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// No foreign request, no inline script, no frame. Styles inline: the diagram viewer positions by `style` attributes.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; \
                      object-src 'none'; base-uri 'none'; frame-ancestors 'none'";
const FOREVER: &str = "public, max-age=31536000, immutable";
const ALWAYS_ASK: &str = "no-cache";

/// A router that answers every path no other route takes.
pub fn routes<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    Router::new().fallback(serve)
}

/// The fallback itself, for a router that has routes of its own.
pub async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    let Some(asset) = find(path).or_else(|| if is_address(path) { find("index.html") } else { None }) else {
        return problem(StatusCode::NOT_FOUND, "NotFoundException", &format!("No resource at {}", uri.path()));
    };
    if method != Method::GET && method != Method::HEAD {
        let mut answer =
            problem(StatusCode::METHOD_NOT_ALLOWED, "NotAllowedException", "Only GET and HEAD are served here");
        answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return answer;
    }
    answer(asset, accepts_brotli(&headers))
}

fn find(path: &str) -> Option<&'static Asset> {
    ASSETS.binary_search_by(|asset| asset.path.cmp(path)).ok().map(|at| &ASSETS[at])
}

/// Whether a path may belong to a screen.
fn is_address(path: &str) -> bool {
    let first = path.split('/').next().unwrap_or_default();
    !matches!(first, "assets" | "api" | "engine-rest")
}

fn answer(asset: &'static Asset, brotli_accepted: bool) -> Response {
    let packed = asset.brotli.filter(|_| brotli_accepted);
    let mut answer = Response::new(Body::from(packed.unwrap_or(asset.raw)));
    let kept = if asset.path.starts_with("assets/") { FOREVER } else { ALWAYS_ASK };
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(asset.path)));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(kept));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // The address may carry a one-time token.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if packed.is_some() {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("br"));
    }
    answer
}

fn accepts_brotli(headers: &HeaderMap) -> bool {
    let lists = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let mut codings = lists.flat_map(|list| list.split(','));
    codings.any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let refused = |weight: &str| weight.strip_prefix("q=").and_then(|q| q.parse::<f32>().ok()) == Some(0.0);
        parts.next() == Some("br") && !parts.any(refused)
    })
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "woff2" => "font/woff2",
        "woff" => "font/woff",
        "json" => "application/json",
        _ => "application/octet-stream",
    }
}

fn problem(status: StatusCode, kind: &str, message: &str) -> Response {
    let body = serde_json::json!({ "type": kind, "message": message, "code": null }).to_string();
    let mut answer = Response::new(Body::from(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;
    use tower::ServiceExt;

    async fn ask(method: &str, path: &str, accepted: &str) -> (StatusCode, HeaderMap, Vec<u8>) {
        let request = Request::builder().method(method).uri(path).header("accept-encoding", accepted);
        let answer = routes::<()>().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (parts, body) = answer.into_parts();
        (parts.status, parts.headers, axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec())
    }

    #[tokio::test]
    async fn every_address_of_the_application_gets_the_page_with_its_policy() {
        for path in ["/", "/index.html", "/console/instances/4711", "/portal"] {
            let (status, headers, body) = ask("GET", path, "identity").await;
            assert_eq!(status, StatusCode::OK, "{path}");
            assert_eq!(headers["content-type"], "text/html; charset=utf-8");
            assert_eq!(headers["cache-control"], "no-cache");
            assert!(headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'self'; "));
            assert!(body.starts_with(b"<!doctype html>"), "{path}");
        }
    }

    #[tokio::test]
    async fn an_unknown_path_of_the_services_is_a_404_in_json() {
        for path in ["/api/nothing", "/engine-rest/nothing", "/assets/gone-12345678.js"] {
            let (status, headers, body) = ask("GET", path, "br").await;
            assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
            assert_eq!(headers["content-type"], "application/json");
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(body["type"], "NotFoundException");
        }
    }

    #[tokio::test]
    async fn hashed_files_are_kept_for_ever_and_come_in_brotli_on_request() {
        for asset in ASSETS.iter().filter(|asset| asset.path.starts_with("assets/")) {
            let (status, headers, body) = ask("GET", &format!("/{}", asset.path), "gzip, br;q=0.8").await;
            assert_eq!(status, StatusCode::OK);
            assert_eq!(headers["cache-control"], FOREVER);
            assert_eq!(headers.contains_key("content-encoding"), asset.brotli.is_some());
            assert_eq!(body, asset.brotli.unwrap_or(asset.raw));
            let (_, headers, body) = ask("GET", &format!("/{}", asset.path), "gzip, br;q=0").await;
            assert!(!headers.contains_key("content-encoding"));
            assert_eq!(body, asset.raw);
        }
    }

    #[tokio::test]
    async fn the_page_is_only_read() {
        let (status, headers, _) = ask("POST", "/portal", "br").await;
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(headers["allow"], "GET, HEAD");
    }

    #[test]
    fn the_table_is_sorted() {
        assert!(ASSETS.is_sorted_by_key(|asset| asset.path));
        assert!(find("index.html").is_some());
    }
}
