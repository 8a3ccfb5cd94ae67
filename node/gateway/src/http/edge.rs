//! The outermost layer: gives each request its id and its place in the queue,
//! survives panics, counts, and writes every failure as a problem document,
//! whoever refused it. Knows no resource.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Extension;
use axum::body::{Body, HttpBody};
use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use tokio::time::Instant;
use tonic::Status;

use crate::gate::Gate;
use crate::metrics;
use crate::problem::{Code, MEDIA_TYPE, Problem};
use crate::quota::headers;

/// The header by which a request's id travels, both ways.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest id taken over from a client, bytes.
const ID_BYTES: usize = 128;
/// Most of a refusal's own words that are kept, bytes.
const WORDS_BYTES: usize = 1_024;
/// How the framework begins its refusal of a query.
const QUERY_REFUSED: &str = "Failed to deserialize query string: ";
/// Largest small JSON document, bytes: above what `streams::parse` reads, so
/// that it answers.
pub(crate) const DOCUMENT_BYTES: usize = 256 << 10;

/// A request's id: the client's when it is plain, else a new UUIDv7.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(Arc<str>);

impl RequestId {
    fn of(headers: &HeaderMap) -> Self {
        let plain = |text: &&str| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            !text.is_empty() && text.len() <= ID_BYTES && text.bytes().all(allowed)
        };
        let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok()).filter(plain);
        let text = given.map_or_else(|| uuid::Uuid::now_v7().to_string(), str::to_owned);
        Self(text.into())
    }

    /// Returns it as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<S: Sync> FromRequestParts<S> for RequestId {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let known = parts.extensions.get::<Self>().cloned();
        Ok(known.unwrap_or_else(|| Self::of(&parts.headers)))
    }
}

/// Routes that answer even when the node is at its limit.
fn is_vital(path: &str) -> bool {
    matches!(path, "/livez" | "/readyz" | "/metrics")
}

/// Wraps every request.
pub(crate) async fn edge(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let id = RequestId::of(request.headers());
    request.extensions_mut().insert(id.clone());
    let is_grpc = is_grpc(request.headers());
    let method = request.method().clone();
    let matched = request.extensions().get::<MatchedPath>();
    let route = matched.map_or("unmatched", MatchedPath::as_str).to_owned();
    let started = Instant::now();
    let place = if is_vital(request.uri().path()) { Ok(None) } else { gate.enter().map(Some) };
    let mut response = match place {
        Err(problem) => problem.into_response(),
        Ok(_place) => survive(Box::pin(next.run(request))).await,
    };
    response = finish(response, is_grpc, &id).await;
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let (status, taken) = (response.status().as_u16(), started.elapsed().as_secs_f64());
    tracing::debug!(request_id = id.as_str(), %method, route, status, taken, "answered");
    metrics::answered(&route, &method, status, taken);
    response
}

/// Turns a handler's panic into a failure of its request alone.
async fn survive(handler: impl Future<Output = Response>) -> Response {
    AssertUnwindSafe(handler).catch_unwind().await.unwrap_or_else(|_| {
        metrics::panicked();
        Problem::new(Code::Internal, "the request was stopped by a defect").into_response()
    })
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("application/grpc"))
}

/// Makes every failure a problem document (or a gRPC status).
async fn finish(mut response: Response, is_grpc: bool, id: &RequestId) -> Response {
    let problem = match response.extensions_mut().remove::<Problem>() {
        Some(problem) => problem,
        None if is_grpc => return explain(response, id),
        None if !is_failure(response.status()) || is_told(response.headers()) => {
            return response;
        }
        None => return adopt(response, id).await,
    };
    if problem.code == Code::Internal {
        tracing::error!(request_id = id.as_str(), detail = problem.detail, "a request failed");
    }
    if is_grpc {
        return problem.status(id.as_str()).into_http();
    }
    let mut written = problem.respond(id.as_str());
    keep_headers(response.headers(), &mut written);
    written
}

/// Gives a status that the gRPC framework wrote by itself the details that
/// every other one has; its further headers stay.
fn explain(mut response: Response, id: &RequestId) -> Response {
    let headers = response.headers_mut();
    let is_bare = headers.contains_key(Status::GRPC_STATUS)
        && !headers.contains_key(Status::GRPC_STATUS_DETAILS);
    let status = is_bare.then(|| Status::from_header_map(headers)).flatten();
    if let Some(status) = status.filter(|status| status.code() != tonic::Code::Ok) {
        let told = Problem::of_framework(&status).status(id.as_str());
        if let Err(error) = told.add_header(headers) {
            tracing::debug!(%error, "a status is not explained");
        }
    }
    response
}

fn is_failure(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

/// Says whether the answer already speaks for itself: a problem document, or
/// the readiness report.
fn is_told(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with(MEDIA_TYPE) || kind.starts_with("application/json"))
}

/// Rewrites a refusal by the framework, keeping its words and headers.
async fn adopt(response: Response, id: &RequestId) -> Response {
    let (parts, body) = response.into_parts();
    let code = match parts.status {
        StatusCode::NOT_FOUND => Code::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => Code::MethodNotAllowed,
        StatusCode::PAYLOAD_TOO_LARGE => Code::TooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::UnsupportedMediaType,
        StatusCode::REQUEST_TIMEOUT => Code::BodyTimeout,
        StatusCode::SERVICE_UNAVAILABLE => Code::Overloaded,
        status if status.is_server_error() => Code::Internal,
        _ => Code::BadRequest,
    };
    let words = words(body).await.unwrap_or_else(|| code.help().to_owned());
    // The framework's name for what it was doing is of no use to who asked.
    let (code, words) = match words.strip_prefix(QUERY_REFUSED) {
        Some(words) => (Code::BadParameter, words.to_owned()),
        None => (code, words),
    };
    let mut written = Problem::new(code, words).respond(id.as_str());
    keep_headers(&parts.headers, &mut written);
    written
}

async fn words(body: Body) -> Option<String> {
    if body.is_end_stream() {
        return None;
    }
    let bytes = axum::body::to_bytes(body, WORDS_BYTES).await.ok()?;
    let text = String::from_utf8(bytes.to_vec()).ok()?;
    (!text.trim().is_empty()).then(|| text.trim().to_owned())
}

fn keep_headers(from: &HeaderMap, to: &mut Response) {
    let told = [header::ALLOW, header::ETAG, header::CONNECTION, headers::POLICY, headers::LIMIT];
    for name in told {
        if let Some(value) = from.get(&name) {
            to.headers_mut().insert(name, value.clone());
        }
    }
}

/// Answers addresses that lead nowhere.
pub(crate) async fn nowhere(request: Request) -> Problem {
    let path: String = request.uri().path().chars().take(200).collect();
    if is_grpc(request.headers()) {
        return Problem::new(Code::MethodNotAllowed, format!("there is no gRPC method {path}"));
    }
    let known = "/api/v1/docs shows what there is";
    Problem::new(Code::NotFound, format!("there is nothing at {path}; {known}"))
}

/// Refuses a document that announces more than [`DOCUMENT_BYTES`] before any of
/// it is read; what announces nothing is counted while it is read.
pub(crate) async fn short(request: Request, next: Next) -> Response {
    let announced = request.body().size_hint().lower();
    if announced > DOCUMENT_BYTES as u64 {
        let words = format!("{announced} bytes are announced; at most {DOCUMENT_BYTES} are taken");
        return Problem::new(Code::TooLarge, words).into_response();
    }
    Box::pin(next.run(request)).await
}

/// Bounds the time of a query.
pub(crate) async fn deadline(
    Extension(gate): Extension<Gate>,
    request: Request,
    next: Next,
) -> Response {
    let limit = gate.options().query_timeout;
    tokio::time::timeout(limit, Box::pin(next.run(request))).await.unwrap_or_else(|_| {
        let words = format!("no answer within {} s", limit.as_secs());
        Problem::new(Code::OutcomeUnknown, words).into_response()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(given: &str) -> RequestId {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID, HeaderValue::from_bytes(given.as_bytes()).expect("header"));
        RequestId::of(&headers)
    }

    #[tokio::test]
    async fn a_panic_becomes_a_problem_of_its_own_request() {
        let response = survive(async { panic!("inside words") }).await;
        let response = finish(response, false, &id("r-7")).await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.headers()[header::CONTENT_TYPE], MEDIA_TYPE);
        let body = axum::body::to_bytes(response.into_body(), 9_999).await.expect("short");
        let document: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(document["request_id"], "r-7");
        assert_eq!(document["fate"], "unknown");
        assert!(
            !String::from_utf8_lossy(&body).contains("inside words"),
            "internal words stay inside"
        );
    }

    #[tokio::test]
    async fn the_framework_s_refusals_become_problems_with_their_words() {
        let refusal = (StatusCode::UNPROCESSABLE_ENTITY, "limit: not a number").into_response();
        let response = finish(refusal, false, &id("r-8")).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        let body = axum::body::to_bytes(response.into_body(), 9_999).await.expect("short");
        let document: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(document["detail"], "limit: not a number");
    }

    #[tokio::test]
    async fn a_parameter_that_cannot_be_read_is_named_without_the_framework_s_words() {
        let words = "Failed to deserialize query string: limit: invalid digit found in string";
        let refusal = (StatusCode::BAD_REQUEST, words).into_response();
        let response = finish(refusal, false, &id("r-9")).await;
        let body = axum::body::to_bytes(response.into_body(), 9_999).await.expect("short");
        let document: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(document["code"], "bad_parameter");
        assert_eq!(document["detail"], "limit: invalid digit found in string");
    }

    #[test]
    fn a_plain_id_is_taken_over_and_any_other_replaced() {
        assert_eq!(id("order-42.b").as_str(), "order-42.b");
        for odd in ["", "a b", "x\u{e9}", "<script>", &"a".repeat(129)] {
            let made = id(odd);
            assert!(uuid::Uuid::parse_str(made.as_str()).is_ok(), "{odd:?}");
        }
    }
}
