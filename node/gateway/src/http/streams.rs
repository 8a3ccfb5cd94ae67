//! Streams and their configuration. Every change names the revision it was
//! based on: `If-Match` carries the `ETag` that was read (invariant C-1).

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use via_catalog::Stream;
use via_types::{Revision, StreamConfig, limit};

use crate::gate::Gate;
use crate::http::view::rfc3339;
use crate::problem::{Code, Problem};

/// A stream.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct StreamView {
    /// Its name.
    name: String,
    /// The revision of its configuration; also the `ETag`.
    revision: u64,
    /// When it was created, RFC 3339.
    created: String,
    /// How its events are judged; docs/CONFIGURATION describes each key.
    #[schema(value_type = Object)]
    config: Value,
}

impl StreamView {
    fn of(stream: &Stream) -> Result<Self, Problem> {
        let config = serde_json::from_str(&stream.json).map_err(|error| {
            Problem::new(Code::Internal, format!("the configuration cannot be shown: {error}"))
        })?;
        Ok(Self {
            name: stream.name.clone(),
            revision: stream.revision.get(),
            created: rfc3339(stream.created),
            config,
        })
    }
}

/// Every stream, by name.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct StreamList {
    /// The streams.
    items: Vec<StreamView>,
}

/// Asks for a stream.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewStream {
    /// 1 to 128 characters of `[A-Za-z0-9._-]`, not beginning with a dot.
    name: String,
    /// Left out: the node's defaults. Keys left out have theirs.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    config: Option<StreamConfig>,
}

fn tagged(status: StatusCode, stream: &Stream) -> Result<Response, Problem> {
    let view = StreamView::of(stream)?;
    let tag = format!("\"{}\"", stream.revision.get());
    let mut response = (status, Json(view)).into_response();
    let tag = HeaderValue::from_str(&tag).expect("a quoted number is a header");
    response.headers_mut().insert(header::ETAG, tag);
    Ok(response)
}

/// Lists the streams.
#[utoipa::path(get, path = "/api/v1/streams", operation_id = "list_streams", tag = "streams",
    responses((status = 200, description = "Every stream", body = StreamList)))]
pub(crate) async fn list(State(gate): State<Gate>) -> Result<Json<StreamList>, Problem> {
    let view = gate.view();
    let items: Result<_, _> =
        view.streams_of(gate.tenant()).map(|stream| StreamView::of(stream)).collect();
    Ok(Json(StreamList { items: items? }))
}

/// Creates a stream.
#[utoipa::path(post, path = "/api/v1/streams", operation_id = "create_stream", tag = "streams", request_body = NewStream,
    responses((status = 201, description = "Created", body = StreamView,
        headers(("ETag" = String, description = "The revision")))))]
pub(crate) async fn create(State(gate): State<Gate>, body: Bytes) -> Result<Response, Problem> {
    let NewStream { name, config } = parse(&body, Code::BadConfig)?;
    let config = config.unwrap_or_else(|| gate.options().stream_defaults.clone());
    check(&gate, &config)?;
    let created = gate.control().create_stream(gate.tenant(), &name, config).await?;
    if created.existed {
        let words = format!("stream {name:?} exists with revision {}", created.stream.revision);
        return Err(Problem::new(Code::StreamExists, words));
    }
    tagged(StatusCode::CREATED, &created.stream)
}

/// Shows a stream.
#[utoipa::path(get, path = "/api/v1/streams/{stream}", operation_id = "get_stream", tag = "streams",
    params(("stream" = String, Path, description = "The stream's name")),
    responses((status = 200, description = "The stream", body = StreamView,
        headers(("ETag" = String, description = "The revision")))))]
pub(crate) async fn show(
    State(gate): State<Gate>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    tagged(StatusCode::OK, &*gate.stream(&name)?)
}

/// Replaces a stream's configuration.
#[utoipa::path(put, path = "/api/v1/streams/{stream}/config", operation_id = "put_stream_config", tag = "streams",
    params(("stream" = String, Path, description = "The stream's name"),
        ("If-Match" = String, Header, description = "The ETag of the configuration that was read")),
    request_body(content = Object, description = "The whole new configuration; keys left out get their defaults"),
    responses((status = 200, description = "The stream as it is now", body = StreamView,
        headers(("ETag" = String, description = "The new revision")))))]
pub(crate) async fn configure(
    State(gate): State<Gate>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let based_on = based_on(&headers)?;
    let stream = gate.stream(&name)?;
    if stream.revision != based_on {
        // Refused here already: a stale change costs no entry (C-1).
        let words = format!("it is at revision {}, not {based_on}", stream.revision);
        let problem = Problem::new(Code::StaleRevision, words);
        return Err(problem.with("current_revision", stream.revision.get()));
    }
    let config: StreamConfig = parse(&body, Code::BadConfig)?;
    check(&gate, &config)?;
    let changed = gate.control().put_stream_config(gate.tenant(), &name, based_on, config).await?;
    tagged(StatusCode::OK, &changed)
}

fn based_on(headers: &HeaderMap) -> Result<Revision, Problem> {
    let Some(tag) = headers.get(header::IF_MATCH) else {
        let words = "send If-Match with the ETag of the configuration you read";
        return Err(Problem::new(Code::RevisionRequired, words));
    };
    let text = tag.to_str().unwrap_or("").trim();
    let number = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    number.and_then(|number| number.parse().ok()).map(Revision::new).ok_or_else(|| {
        Problem::new(Code::BadParameter, "If-Match must be one ETag as it was given, like \"12\"")
    })
}

fn check(gate: &Gate, config: &StreamConfig) -> Result<(), Problem> {
    (gate.options().check_config)(config).map_err(|words| Problem::new(Code::BadConfig, words))
}

/// Reads a small JSON document; what is not JSON and what is not the right JSON,
/// told as `misfit`, are told apart.
pub(crate) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8], misfit: Code) -> Result<T, Problem> {
    if body.len() > limit::CONFIG_BYTES {
        let words = format!("at most {} bytes are read here", limit::CONFIG_BYTES);
        return Err(Problem::new(Code::TooLarge, words));
    }
    serde_json::from_slice(body).map_err(|error| {
        let code = if error.is_data() { misfit } else { Code::BadJson };
        Problem::new(code, error.to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn if_match(value: &str) -> Result<Revision, Problem> {
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_MATCH, value.parse().expect("header"));
        based_on(&headers)
    }

    #[test]
    fn a_change_must_name_one_revision() {
        assert_eq!(if_match("\"12\""), Ok(Revision::new(12)));
        for odd in ["12", "*", "\"1\", \"2\"", "W/\"1\"", "\"x\""] {
            assert_eq!(if_match(odd).expect_err(odd).code, Code::BadParameter);
        }
        let none = based_on(&HeaderMap::new()).expect_err("none");
        assert_eq!(none.code, Code::RevisionRequired);
    }

    #[test]
    fn a_misspelt_key_is_named() {
        let problem =
            parse::<NewStream>(br#"{"name":"a","config":{"treshold":{}}}"#, Code::BadConfig)
                .expect_err("misspelt");
        assert_eq!(problem.code, Code::BadConfig);
        assert!(problem.detail.contains("treshold"));
        assert_eq!(parse::<NewStream>(b"{", Code::BadConfig).expect_err("cut").code, Code::BadJson);
    }
}
