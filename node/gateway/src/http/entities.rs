//! One entity: its profile, its recent past, and forgetting it.

use axum::Json;
use axum::extract::{Path, Query};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use via_types::limit;

use crate::gate::Gate;
use crate::http::view::{EntityView, PointView};
use crate::problem::{Code, Problem};

/// Most points of one series.
const POINTS: usize = 10_000;

/// Which points of a series are wanted.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SeriesQuery {
    /// At most so many points, 1 to 10,000; the past is decimated to fit. Default 500.
    #[serde(default = "default_points")]
    max_points: usize,
}

fn default_points() -> usize {
    500
}

/// An entity's recent past.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct SeriesView {
    /// The stream's name.
    stream: String,
    /// The entity's key.
    entity: String,
    /// Closed buckets, oldest first.
    points: Vec<PointView>,
}

fn unknown(stream: &str, entity: &str) -> Problem {
    let words = format!("stream {stream:?} has no entity {entity:?}");
    Problem::new(Code::UnknownEntity, words)
}

pub(crate) fn check(entity: &str) -> Result<(), Problem> {
    if entity.len() > limit::ENTITY_KEY_BYTES {
        return Err(Problem::new(Code::BadParameter, "entity keys have at most 256 bytes"));
    }
    Ok(())
}

/// Shows what was learned of an entity: what is normal, each detector's state,
/// counts and warm-up.
#[utoipa::path(get, path = "/api/v1/streams/{stream}/entities/{entity}", operation_id = "get_entity", tag = "query",
    params(("stream" = String, Path, description = "The stream's name"),
        ("entity" = String, Path, description = "The entity's key, percent-encoded")),
    responses((status = 200, description = "The profile", body = EntityView)))]
pub(crate) async fn show(
    gate: Gate,
    Path((stream, entity)): Path<(String, String)>,
) -> Result<Json<EntityView>, Problem> {
    check(&entity)?;
    let id = gate.any_stream(&stream).await?.id;
    let profile = gate.shard().profile(id, &entity).await?;
    let profile = profile.ok_or_else(|| unknown(&stream, &entity))?;
    Ok(Json(EntityView::of(&stream, profile)))
}

/// Shows an entity's recent values, expected band and scores.
#[utoipa::path(get, path = "/api/v1/streams/{stream}/entities/{entity}/series", operation_id = "get_series", tag = "query",
    params(("stream" = String, Path, description = "The stream's name"),
        ("entity" = String, Path, description = "The entity's key, percent-encoded"), SeriesQuery),
    responses((status = 200, description = "The series", body = SeriesView)))]
pub(crate) async fn series(
    gate: Gate,
    Path((stream, entity)): Path<(String, String)>,
    Query(SeriesQuery { max_points }): Query<SeriesQuery>,
) -> Result<Json<SeriesView>, Problem> {
    check(&entity)?;
    if !(1..=POINTS).contains(&max_points) {
        let words = format!("max_points must be from 1 to {POINTS}");
        return Err(Problem::new(Code::BadParameter, words));
    }
    let id = gate.any_stream(&stream).await?.id;
    let points = gate.shard().series(id, &entity, max_points).await?;
    let points = points.ok_or_else(|| unknown(&stream, &entity))?;
    let points = points.into_iter().map(Into::into).collect();
    Ok(Json(SeriesView { stream, entity, points }))
}

/// Forgets what was learned of an entity; its detections stay.
#[utoipa::path(delete, path = "/api/v1/streams/{stream}/entities/{entity}", operation_id = "reset_entity", tag = "query",
    params(("stream" = String, Path, description = "The stream's name"),
        ("entity" = String, Path, description = "The entity's key, percent-encoded")),
    responses((status = 204, description = "Forgotten")))]
pub(crate) async fn reset(
    gate: Gate,
    Path((stream, entity)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    check(&entity)?;
    let id = gate.any_stream(&stream).await?.id;
    let existed = gate.shard().reset(id, &entity).await?;
    if existed { Ok(StatusCode::NO_CONTENT) } else { Err(unknown(&stream, &entity)) }
}
