//! What groups measure. Names are part of the operator's interface.

use std::time::Duration;

/// Entries submitted by this node. Counter.
pub const PROPOSALS: &str = "via_raft_proposals_total";
/// Time from submission to the answer, seconds. Histogram.
pub const COMMIT_SECONDS: &str = "via_raft_commit_seconds";
/// Groups that stopped because their log or machine failed. Counter.
pub const FAILED: &str = "via_raft_failed_groups_total";
/// Times a group found that the log takes no more for now. Counter.
pub const STALLED: &str = "via_raft_log_stalls_total";
/// Changes of leader seen by this node's groups. Counter.
pub const LEADER_CHANGES: &str = "via_raft_leader_changes_total";
/// Bytes of snapshots sent. Counter.
pub const SNAPSHOT_SENT_BYTES: &str = "via_raft_snapshot_sent_bytes_total";
/// Bytes of snapshots received. Counter.
pub const SNAPSHOT_RECEIVED_BYTES: &str = "via_raft_snapshot_received_bytes_total";

pub(crate) fn submitted() {
    metrics::counter!(PROPOSALS).increment(1);
}

pub(crate) fn committed(after: Duration) {
    metrics::histogram!(COMMIT_SECONDS).record(after);
}

pub(crate) fn failed() {
    metrics::counter!(FAILED).increment(1);
}

pub(crate) fn stalled() {
    metrics::counter!(STALLED).increment(1);
}

pub(crate) fn leader_changed() {
    metrics::counter!(LEADER_CHANGES).increment(1);
}

pub(crate) fn snapshot_sent(bytes: usize) {
    metrics::counter!(SNAPSHOT_SENT_BYTES).increment(bytes as u64);
}

pub(crate) fn snapshot_received(bytes: usize) {
    metrics::counter!(SNAPSHOT_RECEIVED_BYTES).increment(bytes as u64);
}
