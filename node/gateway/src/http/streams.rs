//! Streams and their configuration. Every change names the revision it was
//! based on: `If-Match` carries the `ETag` that was read (invariant C-1).

use std::sync::Arc;

use axum::Json;
use axum::extract::Path;
use axum::response::Response;
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use via_catalog::Stream;
use via_types::access::{Action, Resource};
use via_types::{Revision, StreamConfig};

use crate::gate::Gate;
use crate::http::config_schema::ConfigDocument;
use crate::http::media::{self, Document, parse};
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
    /// How its events are judged.
    #[schema(value_type = ConfigDocument)]
    config: Value,
    /// What of that it says itself; the rest are the node's defaults, as
    /// `[engine]`, `[detectors]` and `[thresholds]` in docs/CONFIGURATION set
    /// them, and changes with them.
    #[schema(value_type = ConfigDocument)]
    own: Value,
}

impl StreamView {
    fn of(stream: &Stream) -> Result<Self, Problem> {
        let read = |text: &str| {
            serde_json::from_str(text).map_err(|error| {
                Problem::new(Code::Internal, format!("the configuration cannot be shown: {error}"))
            })
        };
        Ok(Self {
            name: stream.name.clone(),
            revision: stream.revision.get(),
            created: rfc3339(stream.created),
            config: read(&stream.json)?,
            own: read(&stream.own)?,
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
pub(crate) struct NewStream<'a> {
    /// 1 to 128 characters of `[A-Za-z0-9._-]`, not beginning with a dot.
    name: String,
    /// What it says itself of how its events are judged; what is left out
    /// follows the node's defaults.
    #[serde(default, borrow)]
    #[schema(value_type = Option<ConfigDocument>)]
    config: Option<&'a RawValue>,
}

/// Answers a stream with its revision.
pub(crate) fn tagged(status: StatusCode, stream: &Stream) -> Result<Response, Problem> {
    Ok(media::tagged(status, stream.revision.get(), StreamView::of(stream)?))
}

/// Lists the streams.
#[utoipa::path(get, path = "/api/v1/streams", operation_id = "list_streams", tag = "streams",
    responses((status = 200, description = "Every stream", body = StreamList)))]
pub(crate) async fn list(gate: Gate) -> Result<Json<StreamList>, Problem> {
    gate.control().read_barrier().await?;
    let view = gate.view();
    let seen = view.streams_of(gate.tenant()).filter(|stream| gate.caller().sees(stream.id));
    let items: Result<_, _> = seen.map(|stream| StreamView::of(stream)).collect();
    Ok(Json(StreamList { items: items? }))
}

/// Creates a stream.
#[utoipa::path(post, path = "/api/v1/streams", operation_id = "create_stream", tag = "streams", request_body = NewStream,
    responses((status = 201, description = "Created", body = StreamView,
        headers(("ETag" = String, description = "The revision")))))]
pub(crate) async fn create(gate: Gate, body: Document) -> Result<Response, Problem> {
    let NewStream { name, config } = body.object(Code::BadConfig)?;
    let own = said(config.map_or("{}", RawValue::get).as_bytes())?;
    check(&gate, &own)?;
    if !gate.caller().sees_all() {
        return Err(gate.caller().lacks((Resource::Streams, Action::Write)));
    }
    let deed = gate.deed().await?;
    let created = gate.control().create_stream_by(deed, gate.tenant(), &name, &own).await?;
    if created.existed {
        return Err(exists(&created.stream));
    }
    tagged(StatusCode::CREATED, &created.stream)
}

/// Says that there is a stream of that name.
pub(crate) fn exists(stream: &Stream) -> Problem {
    let Stream { name, revision, .. } = stream;
    Problem::new(Code::StreamExists, format!("stream {name:?} exists with revision {revision}"))
}

/// Shows a stream.
#[utoipa::path(get, path = "/api/v1/streams/{stream}", operation_id = "get_stream", tag = "streams",
    params(("stream" = String, Path, description = "The stream's name")),
    responses((status = 200, description = "The stream", body = StreamView,
        headers(("ETag" = String, description = "The revision")))))]
pub(crate) async fn show(gate: Gate, Path(name): Path<String>) -> Result<Response, Problem> {
    tagged(StatusCode::OK, &*gate.newest_stream(&name).await?)
}

/// Replaces what a stream says itself of its configuration.
#[utoipa::path(put, path = "/api/v1/streams/{stream}/config", operation_id = "put_stream_config", tag = "streams",
    params(("stream" = String, Path, description = "The stream's name"),
        ("If-Match" = String, Header, description = "The ETag of the configuration that was read")),
    request_body(content = ConfigDocument, description = "All that the stream says itself; keys left out follow the node's defaults"),
    responses((status = 200, description = "The stream as it is now", body = StreamView,
        headers(("ETag" = String, description = "The new revision")))))]
pub(crate) async fn configure(
    gate: Gate,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Document,
) -> Result<Response, Problem> {
    let (stream, based_on) = unchanged_since(&gate, &name, Some(based_on(&headers)?)).await?;
    let own = said(body.bytes())?;
    let changed = replace(&gate, &stream, based_on, &own).await?;
    tagged(StatusCode::OK, &changed)
}

/// Returns a stream that is still as whoever wants to change it has read it.
pub(crate) async fn unchanged_since(
    gate: &Gate,
    name: &str,
    based_on: Option<Revision>,
) -> Result<(Arc<Stream>, Revision), Problem> {
    let based_on = based_on.ok_or_else(|| {
        let words = "send the revision of the configuration you read";
        Problem::new(Code::RevisionRequired, words)
    })?;
    let stream = gate.newest_stream(name).await?;
    if stream.revision != based_on {
        // Refused here already: a stale change costs no entry (C-1).
        let words = format!("it is at revision {}, not {based_on}", stream.revision);
        let problem = Problem::new(Code::StaleRevision, words);
        return Err(problem.with("current_revision", stream.revision.get()));
    }
    Ok((stream, based_on))
}

/// Checks what a stream is to say of its configuration, and lets it say that.
pub(crate) async fn replace(
    gate: &Gate,
    stream: &Stream,
    based_on: Revision,
    own: &Value,
) -> Result<Arc<Stream>, Problem> {
    check(gate, own)?;
    let deed = gate.deed().await?.based_on(based_on);
    Ok(gate.control().put_stream_config_by(deed, gate.tenant(), &stream.name, own).await?)
}

/// Returns the revision that whoever wants to change something has read.
pub(crate) fn based_on(headers: &HeaderMap) -> Result<Revision, Problem> {
    let Some(tag) = headers.get(header::IF_MATCH) else {
        let words = "send If-Match with the ETag of what you read";
        return Err(Problem::new(Code::RevisionRequired, words));
    };
    let text = tag.to_str().unwrap_or("").trim();
    let number = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    number.and_then(|number| number.parse().ok()).map(Revision::new).ok_or_else(|| {
        Problem::new(Code::BadParameter, "If-Match must be one ETag as it was given, like \"12\"")
    })
}

/// Reads what a stream is to say of its configuration.
pub(crate) fn said(text: &[u8]) -> Result<Value, Problem> {
    // As its own type first, which names a key that is there twice.
    let _: StreamConfig = parse(text, Code::BadConfig)?;
    parse(text, Code::BadConfig)
}

/// Checks what a stream is to say of its configuration; returns what follows.
pub(crate) fn check(gate: &Gate, own: &Value) -> Result<StreamConfig, Problem> {
    let bad = |words| Problem::new(Code::BadConfig, words);
    let config = understood(own).map_err(bad)?;
    (gate.options().check_config)(&config).map_err(bad)?;
    let refused = |refusal| Problem::from(via_control::Error::Refused(refusal));
    let whole = gate.view().in_force(&own.to_string()).map_err(refused)?;
    (gate.options().check_config)(&whole).map_err(bad)?;
    Ok(whole)
}

/// Reads `own` by itself.
fn understood(own: &Value) -> Result<StreamConfig, String> {
    let config: StreamConfig = StreamConfig::deserialize(own).map_err(|error| error.to_string())?;
    let known = serde_json::to_value(&config).map_err(|error| error.to_string())?;
    match list_for_object(own, &known, "config") {
        Some(key) => Err(format!("{key}: it must be a JSON object")),
        None => Ok(config),
    }
}

/// Finds a list where an object belongs: structures can be read from lists of
/// their fields, which nobody means.
fn list_for_object(own: &Value, known: &Value, key: &str) -> Option<String> {
    match (own, known) {
        (Value::Array(_), Value::Object(_)) => Some(key.to_owned()),
        (Value::Object(own), Value::Object(known)) => own.iter().find_map(|(word, own)| {
            list_for_object(own, known.get(word)?, &format!("{key}.{word}"))
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
        let said = understood(&json!({"treshold": {}})).expect_err("misspelt");
        assert!(said.contains("treshold") && said.contains("threshold"), "{said}");
    }

    #[test]
    fn a_list_is_no_object_at_any_depth() {
        for odd in [
            json!([]),
            json!({"timing": [30.0, 5]}),
            json!({"threshold": [{"mad": 3.0}, 1.0, 0.1]}),
            json!({"detectors": {"burst": []}}),
        ] {
            assert!(understood(&odd).is_err(), "{odd}");
        }
        let fine = json!({"mapping": {"entity_from": ["a"]}, "timing": {"lateness_secs": 5}});
        assert!(understood(&fine).is_ok());
    }
}
