//! What control measures. Every name is documented here and nowhere else.

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

/// Commands by kind and outcome (`applied`, `refused`), counter.
pub const COMMANDS: &str = "via_control_commands_total";
/// The catalog's revision on this node, gauge.
pub const REVISION: &str = "via_catalog_revision";
/// Streams in the catalog, gauge.
pub const STREAMS: &str = "via_catalog_streams";
/// Time to make the catalog durable, seconds, histogram.
pub const COMMIT_SECONDS: &str = "via_control_commit_seconds";
/// Times that making the catalog durable failed, counter.
pub const COMMIT_FAILURES: &str = "via_control_commit_failures_total";

/// Tells the recorder what each name means.
pub fn describe() {
    describe_counter!(COMMANDS, "catalog commands by kind and outcome");
    describe_gauge!(REVISION, "catalog revision on this node");
    describe_gauge!(STREAMS, "streams in the catalog");
    describe_histogram!(COMMIT_SECONDS, metrics::Unit::Seconds, "time to make the catalog durable");
    describe_counter!(COMMIT_FAILURES, "times that making the catalog durable failed");
}

pub(crate) fn command(kind: &'static str, outcome: &'static str) {
    counter!(COMMANDS, "command" => kind, "outcome" => outcome).increment(1);
}

pub(crate) fn published(revision: u64, streams: usize) {
    gauge!(REVISION).set(revision as f64);
    gauge!(STREAMS).set(streams as f64);
}

pub(crate) fn committed(seconds: f64) {
    histogram!(COMMIT_SECONDS).record(seconds);
}

pub(crate) fn commit_failed() {
    counter!(COMMIT_FAILURES).increment(1);
}
