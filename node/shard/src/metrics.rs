//! The names of what this room counts. Each is documented in `docs/OPERATIONS.md`.

/// Events executed by this node as leader.
pub(crate) const EVENTS: &str = "via_shard_events_total";
/// Detections opened and recorded by this node as leader.
pub(crate) const DETECTIONS: &str = "via_detections_total";
/// Detections no longer kept.
pub(crate) const DETECTIONS_FORGOTTEN: &str = "via_detections_forgotten_total";
/// Entries proposed, by kind.
pub(crate) const ENTRIES: &str = "via_shard_entries_total";
/// Time from a batch's arrival to its commit and execution.
pub(crate) const WRITE_SECONDS: &str = "via_shard_write_seconds";
/// Checkpoint rounds finished.
pub(crate) const CHECKPOINTS: &str = "via_checkpoints_total";
/// Time from a round's beginning to its boundary on disk.
pub(crate) const CHECKPOINT_SECONDS: &str = "via_checkpoint_seconds";

/// Batches sent on to the node that leads their shard.
pub(crate) const FORWARDED: &str = "via_shard_forwarded_batches_total";
/// Steps of the placement taken for shards led here, by step and outcome.
pub(crate) const STEPS: &str = "via_shard_steps_total";

/// How short memory for profiles is: 0 normal to 3 critical.
pub(crate) const PRESSURE: &str = "via_memory_pressure_level";
/// Bytes that profiles hold.
pub(crate) const HELD: &str = "via_profile_memory_bytes";
/// Bytes that they may hold.
pub(crate) const LIMIT: &str = "via_profile_memory_limit_bytes";
/// Profiles that left memory for the store.
pub(crate) const EVICTED: &str = "via_profiles_evicted_total";
/// Events refused for want of room, by cause.
pub(crate) const PRESSURE_REFUSED: &str = "via_pressure_refused_events_total";

/// Describes them to the recorder.
pub(crate) fn describe() {
    use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
    describe_counter!(EVENTS, Unit::Count, "Events executed by this node as leader");
    describe_counter!(DETECTIONS, Unit::Count, "Detections opened and recorded");
    describe_counter!(
        DETECTIONS_FORGOTTEN,
        Unit::Count,
        "Detections deleted by age or because there were too many"
    );
    describe_counter!(ENTRIES, Unit::Count, "Log entries proposed, by kind");
    describe_histogram!(
        WRITE_SECONDS,
        Unit::Seconds,
        "From a batch's arrival to its commit and execution"
    );
    describe_counter!(CHECKPOINTS, Unit::Count, "Checkpoint rounds finished");
    describe_counter!(FORWARDED, Unit::Count, "Batches sent on to the node that leads their shard");
    describe_counter!(STEPS, Unit::Count, "Steps of the placement, by step and outcome");
    describe_gauge!(PRESSURE, "How short memory for profiles is: 0 normal to 3 critical");
    describe_gauge!(HELD, Unit::Bytes, "Memory that profiles hold");
    describe_gauge!(LIMIT, Unit::Bytes, "Memory that profiles may hold");
    describe_counter!(EVICTED, Unit::Count, "Profiles that left memory for the store");
    describe_counter!(PRESSURE_REFUSED, Unit::Count, "Events refused for want of room, by cause");
    describe_histogram!(
        CHECKPOINT_SECONDS,
        Unit::Seconds,
        "From a round's beginning to its boundary on disk"
    );
}
