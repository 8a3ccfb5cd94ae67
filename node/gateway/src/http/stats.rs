//! Counts of this node and of the whole cluster, for people and for load tests.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use via_shard::{Census, Stats};

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
    /// What the nodes of the cluster say together, this one included.
    cluster: ClusterCounts,
}

/// Counts of all nodes that answered: each event is counted by the node that
/// leads its shard, so that the sum counts it once.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub(crate) struct ClusterCounts {
    /// Nodes that answered.
    nodes: u32,
    /// Nodes that did not answer in time: what they lead is missing here.
    silent: Vec<String>,
    /// Events applied.
    events: u64,
    /// Batches recognised as sent before.
    repeated_batches: u64,
    /// Events refused as duplicates.
    duplicate_events: u64,
    /// Events refused as late.
    late_events: u64,
    /// Profiles in memory now.
    profiles: u64,
}

impl ClusterCounts {
    fn of(census: &Census) -> Self {
        let mut counts = Self::default();
        for (node, stats) in &census.nodes {
            let Some(stats) = stats else {
                counts.silent.push(node.to_string());
                continue;
            };
            counts.nodes += 1;
            counts.events += stats.events;
            counts.repeated_batches += stats.repeated_batches;
            counts.duplicate_events += stats.duplicate_events;
            counts.late_events += stats.late_events;
            counts.profiles += stats.profiles;
        }
        counts
    }
}

/// Shows the counts of the node and of the cluster.
#[utoipa::path(get, path = "/api/v1/stats", operation_id = "get_stats", tag = "operate",
    responses((status = 200, description = "Counts", body = StatsView)))]
pub(crate) async fn show(State(gate): State<Gate>) -> Json<StatsView> {
    let view = gate.view();
    let census = gate.shard().census().await;
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
        cluster: ClusterCounts::of(&census),
    })
}
