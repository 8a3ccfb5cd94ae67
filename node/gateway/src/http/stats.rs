//! Counts of this node, for people and for load tests.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use via_shard::Stats;

use crate::gate::Gate;

/// What the node holds and has done since it started.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct StatsView {
    /// Streams in the catalog.
    streams: u64,
    /// The catalog's revision.
    revision: u64,
    /// Shards served here.
    shards: u32,
    /// Shards ready to judge.
    shards_ready: u32,
    /// Events applied.
    events: u64,
    /// Batches recognised as sent before.
    repeated_batches: u64,
    /// Events refused as duplicates.
    duplicate_events: u64,
    /// Events refused as late.
    late_events: u64,
    /// Profiles in memory now. Those of entities that were quiet since the
    /// node started, or for long, are on disk only and not counted.
    profiles: u64,
    /// Profiles changed since they were last saved.
    profiles_dirty: u64,
    /// Memory of the profiles, bytes.
    profile_bytes: u64,
    /// Detections recorded.
    detections: u64,
    /// State store on disk, bytes.
    store_bytes: u64,
}

/// Shows the node's counts.
#[utoipa::path(get, path = "/api/v1/stats", operation_id = "get_stats", tag = "operate",
    responses((status = 200, description = "Counts", body = StatsView)))]
pub(crate) async fn show(State(gate): State<Gate>) -> Json<StatsView> {
    let view = gate.view();
    let stats: Stats = gate.shard().stats();
    Json(StatsView {
        streams: view.streams_of(gate.tenant()).count() as u64,
        revision: view.revision().get(),
        shards: stats.shards,
        shards_ready: stats.shards_ready,
        events: stats.events,
        repeated_batches: stats.repeated_batches,
        duplicate_events: stats.duplicate_events,
        late_events: stats.late_events,
        profiles: stats.profiles,
        profiles_dirty: stats.profiles_dirty,
        profile_bytes: stats.profile_bytes,
        detections: stats.detections,
        store_bytes: stats.store_bytes,
    })
}
