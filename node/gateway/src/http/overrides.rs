//! What single entities have different from their stream. It is part of the
//! stream's configuration, so it has its revision (invariant C-1), comes into
//! force with it at one log index of every shard, and is checked by the same
//! schema.

use std::sync::Arc;

use axum::extract::Path;
use axum::response::Response;
use http::{HeaderMap, StatusCode, header};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use via_catalog::Stream;
use via_types::Revision;
use via_types::config::EntityConfig;

use crate::gate::Gate;
use crate::http::config_schema::EntityDocument;
use crate::http::entities::check;
use crate::http::media::{self, Document, parse};
use crate::http::streams::{based_on, replace, unchanged_since};
use crate::problem::{Code, Problem};

/// What one entity has different.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct OverrideView {
    /// The entity's key.
    entity: String,
    /// What it has different; the rest is the stream's.
    #[schema(value_type = EntityDocument)]
    config: Value,
}

/// Every entity of a stream that has something different, by key.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct OverrideList {
    /// The revision of the stream's configuration; also the `ETag`.
    revision: u64,
    /// The entities.
    items: Vec<OverrideView>,
}

/// Returns what a stream says itself.
fn own(stream: &Stream) -> Result<Value, Problem> {
    serde_json::from_str(&stream.own).map_err(|error| {
        Problem::new(Code::Internal, format!("the configuration cannot be shown: {error}"))
    })
}

fn tagged<T: Serialize>(stream: &Stream, body: T) -> Response {
    media::tagged(StatusCode::OK, stream.revision.get(), body)
}

fn nothing(entity: &str) -> Problem {
    let words = format!("entity {entity:?} has no configuration of its own");
    Problem::new(Code::UnknownEntity, words)
}

/// Returns what an entity has different.
pub(crate) fn of_entity(stream: &Stream, entity: &str) -> Result<Value, Problem> {
    check(entity)?;
    let config = own(stream)?["entities"][entity].take();
    if config.is_null() { Err(nothing(entity)) } else { Ok(config) }
}

/// Returns every entity that has something different, by key.
pub(crate) fn of_entities(stream: &Stream) -> Result<Map<String, Value>, Problem> {
    let entities = own(stream)?["entities"].take();
    Ok(if let Value::Object(entities) = entities { entities } else { Map::new() })
}

/// Sets what an entity has different, `text` as JSON, when the stream is still at
/// the revision that was read.
pub(crate) async fn set(
    gate: &Gate,
    (stream, based_on): (&str, Option<Revision>),
    entity: &str,
    text: &[u8],
) -> Result<Arc<Stream>, Problem> {
    check(entity)?;
    let (stream, based_on) = unchanged_since(gate, stream, based_on).await?;
    // As its own type first, which names a key that is there twice.
    let _: EntityConfig = parse(text, Code::BadConfig)?;
    let said: Value = parse(text, Code::BadConfig)?;
    let mut own = own(&stream)?;
    let members = own.as_object_mut().ok_or_else(|| broken("it is no object"))?;
    let entities = members.entry("entities").or_insert_with(|| json!({}));
    entities.as_object_mut().ok_or_else(|| broken("entities"))?.insert(entity.to_owned(), said);
    replace(gate, &stream, based_on, &own).await
}

/// Takes away what an entity has different, likewise.
pub(crate) async fn unset(
    gate: &Gate,
    (stream, based_on): (&str, Option<Revision>),
    entity: &str,
) -> Result<Arc<Stream>, Problem> {
    check(entity)?;
    let (stream, based_on) = unchanged_since(gate, stream, based_on).await?;
    let mut own = own(&stream)?;
    let gone = own["entities"].as_object_mut().and_then(|entities| entities.remove(entity));
    gone.ok_or_else(|| nothing(entity))?;
    replace(gate, &stream, based_on, &own).await
}

/// Answers what an entity has different.
pub(crate) fn found(stream: &Stream, entity: String) -> Result<Response, Problem> {
    let config = of_entity(stream, &entity)?;
    Ok(tagged(stream, OverrideView { entity, config }))
}

/// Lists the entities that have a configuration of their own.
#[utoipa::path(get, path = "/api/v1/streams/{stream}/overrides", operation_id = "list_entity_configs", tag = "streams",
    params(("stream" = String, Path, description = "The stream's name")),
    responses((status = 200, description = "Every entity that has something different", body = OverrideList,
        headers(("ETag" = String, description = "The stream's revision")))))]
pub(crate) async fn list(gate: Gate, Path(stream): Path<String>) -> Result<Response, Problem> {
    let stream = gate.newest_stream(&stream).await?;
    let items =
        of_entities(&stream)?.into_iter().map(|(entity, config)| OverrideView { entity, config });
    Ok(tagged(&stream, OverrideList { revision: stream.revision.get(), items: items.collect() }))
}

/// Shows what an entity has different from its stream.
#[utoipa::path(get, path = "/api/v1/streams/{stream}/entities/{entity}/config", operation_id = "get_entity_config", tag = "streams",
    params(("stream" = String, Path, description = "The stream's name"),
        ("entity" = String, Path, description = "The entity's key, percent-encoded")),
    responses((status = 200, description = "What it has different", body = OverrideView,
        headers(("ETag" = String, description = "The stream's revision")))))]
pub(crate) async fn show(
    gate: Gate,
    Path((stream, entity)): Path<(String, String)>,
) -> Result<Response, Problem> {
    found(&*gate.newest_stream(&stream).await?, entity)
}

/// Sets what an entity has different from its stream; it need not have been seen.
#[utoipa::path(put, path = "/api/v1/streams/{stream}/entities/{entity}/config", operation_id = "put_entity_config", tag = "streams",
    params(("stream" = String, Path, description = "The stream's name"),
        ("entity" = String, Path, description = "The entity's key, percent-encoded"),
        ("If-Match" = String, Header, description = "The stream's ETag that was read")),
    request_body(content = EntityDocument, description = "All that it has different"),
    responses((status = 200, description = "What it has different now", body = OverrideView,
        headers(("ETag" = String, description = "The stream's new revision")))))]
pub(crate) async fn put(
    gate: Gate,
    Path((stream, entity)): Path<(String, String)>,
    headers: HeaderMap,
    body: Document,
) -> Result<Response, Problem> {
    let based_on = based_on(&headers)?;
    let changed = set(&gate, (&stream, Some(based_on)), &entity, body.bytes()).await?;
    found(&changed, entity)
}

/// Lets an entity be judged like all others of its stream again.
#[utoipa::path(delete, path = "/api/v1/streams/{stream}/entities/{entity}/config", operation_id = "delete_entity_config", tag = "streams",
    params(("stream" = String, Path, description = "The stream's name"),
        ("entity" = String, Path, description = "The entity's key, percent-encoded"),
        ("If-Match" = String, Header, description = "The stream's ETag that was read")),
    responses((status = 204, description = "It has nothing different any more",
        headers(("ETag" = String, description = "The stream's new revision")))))]
pub(crate) async fn delete(
    gate: Gate,
    Path((stream, entity)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let based_on = based_on(&headers)?;
    Ok(taken_away(&*unset(&gate, (&stream, Some(based_on)), &entity).await?))
}

/// Answers that an entity has nothing different any more.
pub(crate) fn taken_away(stream: &Stream) -> Response {
    let mut response = tagged(stream, ());
    *response.status_mut() = StatusCode::NO_CONTENT;
    *response.body_mut() = axum::body::Body::empty();
    response.headers_mut().remove(header::CONTENT_TYPE);
    response
}

fn broken(what: &str) -> Problem {
    Problem::new(Code::Internal, format!("the stream's configuration is damaged: {what}"))
}
