//! Counts of this node and of the whole cluster, for people and for load tests.
//! They are of all tenants together, so only who runs the nodes sees them (T-1).

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;
use via_shard::{Census, Pressure, Stats};
use via_types::access::{Action, Resource};

use crate::gate::Gate;

/// What there is of the tenant; for who may read nodes, what the node holds and
/// has done since it started.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct StatsView {
    /// Streams of the tenant that the caller may touch.
    streams: u64,
    /// Of all tenants together; absent for who may not read nodes.
    #[serde(flatten)]
    node: Option<NodeCounts>,
}

/// What a node holds and has done since it started, for all tenants together.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct NodeCounts {
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
    /// How short memory for profiles is on this node, and what that has led to.
    memory: MemoryView,
    /// What the nodes of the cluster say together, this one included.
    cluster: ClusterCounts,
}

/// How short memory for profiles is on a node; counts are since it started.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct MemoryView {
    /// `normal`, `elevated`, `high` or `critical`.
    level: &'static str,
    /// Bytes that profiles hold.
    held_bytes: u64,
    /// Bytes that they may hold.
    limit_bytes: u64,
    /// Profiles that left memory for the disk.
    evicted_profiles: u64,
    /// Events refused for want of room, by cause.
    refused_events: RefusedView,
}

/// Events refused for want of room.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct RefusedView {
    /// Their entities are new and of low priority.
    low_priority: u64,
    /// Their entities are new.
    new_entity: u64,
    /// Memory was full for too long.
    memory: u64,
    /// The disk is full.
    disk: u64,
}

impl From<Pressure> for MemoryView {
    fn from(pressure: Pressure) -> Self {
        Self {
            level: pressure.level.name(),
            held_bytes: pressure.held_bytes,
            limit_bytes: pressure.limit_bytes,
            evicted_profiles: pressure.evicted_profiles,
            refused_events: RefusedView {
                low_priority: pressure.refused_low_priority,
                new_entity: pressure.refused_new_entity,
                memory: pressure.refused_memory,
                disk: pressure.refused_disk,
            },
        }
    }
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

/// Shows counts: the tenant's own and, to who may read nodes, those of the node
/// and of the cluster.
#[utoipa::path(get, path = "/api/v1/stats", operation_id = "get_stats", tag = "operate",
    responses((status = 200, description = "Counts", body = StatsView)))]
pub(crate) async fn show(gate: Gate) -> Json<StatsView> {
    let (view, caller) = (gate.view(), gate.caller());
    let streams = view.streams_of(gate.tenant()).filter(|stream| caller.sees(stream.id)).count();
    let is_operator = caller.may_on_platform(Resource::Nodes, Action::Read);
    let node = if is_operator { Some(counts(&gate).await) } else { None };
    Json(StatsView { streams: streams as u64, node })
}

async fn counts(gate: &Gate) -> NodeCounts {
    let census = gate.shard().census().await;
    let stats: Stats = gate.shard().stats();
    NodeCounts {
        revision: gate.view().revision().get(),
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
        memory: gate.shard().pressure().into(),
        cluster: ClusterCounts::of(&census),
    }
}
