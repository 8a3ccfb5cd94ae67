//! What a body says it is, and the small JSON documents that requests carry:
//! read strictly, so that what is not understood is refused, not guessed.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use via_types::limit;

use crate::problem::{Code, Problem};

/// Returns the media type in lower case; empty when none is said. Texts are
/// UTF-8: another charset is refused.
pub(crate) fn media(headers: &HeaderMap) -> Result<String, Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let mut pieces = kind.unwrap_or("").split(';').map(str::trim);
    let essence = pieces.next().unwrap_or("").to_ascii_lowercase();
    for piece in pieces {
        let Some((name, value)) = piece.split_once('=') else { continue };
        let charset = value.trim().trim_matches('"');
        let is_other =
            !["utf-8", "utf8", "us-ascii"].iter().any(|known| charset.eq_ignore_ascii_case(known));
        if name.trim().eq_ignore_ascii_case("charset") && is_other {
            let words = format!("charset {charset:?} is not supported; send UTF-8");
            return Err(Problem::new(Code::UnsupportedMediaType, words));
        }
    }
    Ok(essence)
}

/// Answers with an object as of a revision, on which its next change is based.
pub(crate) fn tagged(status: StatusCode, revision: u64, object: impl Serialize) -> Response {
    let tag = HeaderValue::from_str(&format!("\"{revision}\""));
    let tag = [(header::ETAG, tag.expect("a quoted number is a header"))];
    (status, tag, Json(object)).into_response()
}

/// Keeps an answer from being stored on its way: it may hold a secret.
pub(crate) fn unstored(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The bytes of a body that says it is JSON.
pub(crate) struct Document(Bytes);

impl<S: Send + Sync> FromRequest<S> for Document {
    type Rejection = axum::response::Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        use axum::response::IntoResponse;
        let essence = media(request.headers()).map_err(IntoResponse::into_response)?;
        if essence != "application/json" {
            let words =
                format!("Content-Type {essence:?} is not supported here; send application/json");
            return Err(Problem::new(Code::UnsupportedMediaType, words).into_response());
        }
        Bytes::from_request(request, state).await.map(Self).map_err(IntoResponse::into_response)
    }
}

impl Document {
    /// Returns its text.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Reads an object; what is not JSON and what is not the right JSON, told
    /// as `misfit`, are told apart.
    pub(crate) fn object<'a, T: Deserialize<'a>>(&'a self, misfit: Code) -> Result<T, Problem> {
        parse(&self.0, misfit)
    }
}

/// Reads an object, as [`Document::object`] does.
pub(crate) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8], misfit: Code) -> Result<T, Problem> {
    if body.len() > limit::CONFIG_BYTES {
        let words = format!("at most {} bytes are read here", limit::CONFIG_BYTES);
        return Err(Problem::new(Code::TooLarge, words));
    }
    let bad_json = |error: &serde_json::Error| Problem::new(Code::BadJson, error.to_string());
    let read = serde_json::from_slice(body);
    // Structures could be read from lists of their fields, which nobody means.
    if body.trim_ascii_start().first() != Some(&b'{') {
        let whole: Result<Value, _> = serde_json::from_slice(body);
        return Err(match whole {
            Ok(_) => Problem::new(misfit, "it must be a JSON object"),
            Err(error) => bad_json(&error),
        });
    }
    read.map_err(|error| {
        if error.is_data() { Problem::new(misfit, error.to_string()) } else { bad_json(&error) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(value: &str) -> Result<String, Problem> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, value.parse().expect("header"));
        media(&headers)
    }

    #[test]
    fn only_utf_8_is_read() {
        for plain in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/json;charset=\"UTF-8\"",
        ] {
            assert_eq!(kind(plain).as_deref(), Ok("application/json"), "{plain}");
        }
        for other in ["application/json; charset=utf-16", "application/json;Charset=latin1"] {
            assert_eq!(kind(other).expect_err(other).code, Code::UnsupportedMediaType);
        }
        assert_eq!(media(&HeaderMap::new()).as_deref(), Ok(""));
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Named {
        #[expect(dead_code, reason = "only whether it reads matters")]
        name: String,
    }

    #[test]
    fn only_an_object_is_an_object() {
        let code =
            |body: &str| parse::<Named>(body.as_bytes(), Code::BadConfig).expect_err(body).code;
        for odd in ["[]", r#"["x"]"#, "5", "null", r#"{"name":5}"#, r#"{"nam":"x"}"#] {
            assert_eq!(code(odd), Code::BadConfig, "{odd}");
        }
        for broken in ["", "{", "[", r#"{"name":"x"} tail"#] {
            assert_eq!(code(broken), Code::BadJson, "{broken}");
        }
        assert!(parse::<Named>(br#" {"name":"x"}"#, Code::BadConfig).is_ok());
    }
}
