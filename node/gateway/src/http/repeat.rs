//! What a changing request says besides its body: why (`X-Via-Reason`), and the
//! `Idempotency-Key` under which it may be repeated. The catalog recognises a
//! repetition in the entry that makes the change, so that it holds whoever
//! leads; here it is answered as the first time, before anything is checked
//! that the change itself made untrue.

use std::ops::RangeInclusive;
use std::sync::Arc;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, MatchedPath, RawPathParams, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use ring::hmac;
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use via_catalog::{Author, Digest, Idempotency, Refusal};
use via_types::limit;

use crate::access::secret::hashed;
use crate::gate::Gate;
use crate::http::again;
use crate::problem::{Code, Problem};

/// The header that names a request, so that its repetition is recognised.
pub(crate) const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The header that says why something is changed.
pub(crate) const REASON: HeaderName = HeaderName::from_static("x-via-reason");
/// Says of an answer that it is told again.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Lengths of a key, bytes: what is shorter, two requests may have by accident.
pub(crate) const KEY_BYTES: RangeInclusive<usize> = 16..=255;

/// What a request says of the change that it asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    /// Why; may be empty.
    pub(crate) reason: String,
    /// By what its repetition is recognised.
    pub(crate) request: Option<Idempotency>,
}

/// Wraps every route that changes the catalog.
pub(crate) async fn listen(
    Extension(gate): Extension<Gate>,
    request: Request,
    next: Next,
) -> Response {
    if request.method().is_safe() {
        return Box::pin(next.run(request)).await;
    }
    let gate = gate.of(request.extensions());
    match answer(&gate, request, next).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

async fn answer(gate: &Gate, request: Request, next: Next) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let reason = reason(&parts.headers)?;
    let Some(key) = key(&parts.headers)? else {
        parts.extensions.insert(Arc::new(Said { reason, request: None }));
        return Ok(Box::pin(next.run(Request::from_parts(parts, body))).await);
    };
    let whole = Request::from_parts(parts.clone(), body);
    let bytes = Bytes::from_request(whole, &()).await.map_err(|refusal| {
        let is_long = refusal.status() == StatusCode::PAYLOAD_TOO_LARGE;
        let code = if is_long { Code::TooLarge } else { Code::BodyIncomplete };
        Problem::new(code, refusal.body_text())
    })?;
    let request = named(gate, &parts, &key, &bytes);
    // Another node may have answered the first.
    gate.control().read_barrier().await?;
    if let Some(response) = repeated(gate, request, &parts).await? {
        return Ok(response);
    }
    let mut passed = parts.clone();
    passed.extensions.insert(Arc::new(Said { reason, request: Some(request) }));
    let response = Box::pin(next.run(Request::from_parts(passed, Body::from(bytes)))).await;
    if response.status().is_client_error()
        && let Some(response) = repeated(gate, request, &parts).await?
    {
        // The same request came twice at once, and the other one was first.
        return Ok(response);
    }
    Ok(response)
}

/// Describes the two headers, for the document of the interface.
pub(crate) fn parameters() -> impl Iterator<Item = Parameter> {
    let text = |least, most| {
        ObjectBuilder::new().schema_type(Type::String).min_length(least).max_length(Some(most))
    };
    let header = |name: &str, words: &str, schema: ObjectBuilder| {
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(words))
            .schema(Some(schema))
            .build()
    };
    let again = "Names the request: sent again under the same key with the same body, it is \
        answered as the first time for a day, and changes nothing more";
    let why = "Why, in one's own words: kept in the audit log";
    let key = text(Some(*KEY_BYTES.start()), *KEY_BYTES.end());
    let reason = text(None, limit::REASON_BYTES);
    [header("Idempotency-Key", again, key), header("X-Via-Reason", why, reason)].into_iter()
}

fn reason(headers: &HeaderMap) -> Result<String, Problem> {
    let Some(value) = headers.get(REASON) else { return Ok(String::new()) };
    let text = std::str::from_utf8(value.as_bytes()).ok().map(str::trim);
    let text = text.filter(|text| text.len() <= limit::REASON_BYTES);
    text.map(str::to_owned).ok_or_else(|| {
        let most = limit::REASON_BYTES;
        let words = format!("X-Via-Reason: it must be UTF-8 of at most {most} bytes");
        Problem::new(Code::BadParameter, words)
    })
}

/// Returns the key, plain or as the text in quotes that drafts of the header
/// ask for.
fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(KEY) else { return Ok(None) };
    let text = value.to_str().unwrap_or("").trim();
    let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    if !KEY_BYTES.contains(&bare.len()) || headers.get_all(KEY).iter().count() > 1 {
        let (least, most) = (KEY_BYTES.start(), KEY_BYTES.end());
        let words =
            format!("Idempotency-Key: send one of {least} to {most} characters, such as a UUID");
        return Err(Problem::new(Code::BadParameter, words));
    }
    Ok(Some(bare.to_owned()))
}

/// Names a request by who makes it, of what, and under which key. Bodies hold
/// passwords: what is kept of one is bound to the key, which is not kept.
fn named(gate: &Gate, parts: &Parts, key: &str, body: &[u8]) -> Idempotency {
    let who = match gate.caller().author {
        Author::User { user, .. } => user.to_string(),
        Author::ApiKey { key, .. } => key.to_string(),
        Author::Node(_) | Author::Unknown | Author::Console(_) => String::new(),
    };
    let tenant = gate.tenant().to_string();
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    // None of them holds a line break.
    let words = [&who, &tenant, parts.method.as_str(), target, key].join("\n");
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()), body);
    let mut digest = [0; 32];
    digest.copy_from_slice(tag.as_ref());
    let (tenant, key) = (gate.caller().home(), hashed(words.as_bytes()));
    Idempotency { tenant, key, body: Digest::new(digest) }
}

/// Returns what the same request was answered; none when it is the first.
async fn repeated(
    gate: &Gate,
    request: Idempotency,
    parts: &Parts,
) -> Result<Option<Response>, Problem> {
    let view = gate.view();
    let there = view.answer(request.tenant, request.key).filter(|it| gate.now() < it.expires);
    let Some(there) = there else { return Ok(None) };
    if there.body != request.body {
        return Err(via_control::Error::Refused(Refusal::OtherRequest).into());
    }
    let outcome = serde_json::from_str(&there.outcome).map_err(|error| {
        Problem::new(Code::Internal, format!("the answer until now cannot be read: {error}"))
    })?;
    let route = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let names = RawPathParams::from_request_parts(&mut parts.clone(), &()).await;
    let entity = names.iter().flatten().find(|(name, _)| *name == "entity");
    let entity = entity.map_or("", |(_, value)| value);
    let mut response = again::told(gate, (&parts.method, route), entity, outcome)?;
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(Some(response))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(name: HeaderName, value: &[u8]) -> HeaderMap {
        let value = HeaderValue::from_bytes(value).expect("header");
        HeaderMap::from_iter([(name, value)])
    }

    #[test]
    fn a_key_is_long_enough_to_be_one_request_s() {
        let bare = "0190f3c2-0000-7000-8000-000000000001";
        for text in [bare.to_owned(), format!("\"{bare}\"")] {
            assert_eq!(key(&given(KEY, text.as_bytes())), Ok(Some(bare.to_owned())));
        }
        for odd in ["", "1", "order-42", &"a".repeat(256)] {
            let refused = key(&given(KEY, odd.as_bytes())).expect_err(odd);
            assert_eq!(refused.code, Code::BadParameter);
        }
        let mut two = given(KEY, bare.as_bytes());
        two.append(KEY, HeaderValue::from_static("another-key-than-that"));
        assert!(key(&two).is_err(), "which of them?");
        assert_eq!(key(&HeaderMap::new()), Ok(None));
    }

    #[test]
    fn a_reason_is_a_text_of_bounded_length() {
        assert_eq!(reason(&given(REASON, " für später".as_bytes())).as_deref(), Ok("für später"));
        assert_eq!(reason(&HeaderMap::new()).as_deref(), Ok(""));
        for odd in [&b"\xff\xfe"[..], &[b'a'; limit::REASON_BYTES + 1]] {
            assert_eq!(reason(&given(REASON, odd)).expect_err("no").code, Code::BadParameter);
        }
    }
}
