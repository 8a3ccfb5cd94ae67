//! What storage measures. Names are part of the operator's interface.

/// Entries appended to the log. Counter.
pub const LOG_APPENDS: &str = "via_log_appends_total";
/// Payload bytes appended to the log. Counter.
pub const LOG_APPENDED_BYTES: &str = "via_log_appended_bytes_total";
/// Time of one sync of the log, seconds. Histogram.
pub const LOG_SYNC_SECONDS: &str = "via_log_sync_seconds";
/// Requests that shared one sync. Histogram.
pub const LOG_BATCH: &str = "via_log_batch_requests";
/// Bytes of log segments on disk. Gauge.
pub const LOG_BYTES: &str = "via_log_bytes";
/// Bytes waiting to be written to the log. Gauge.
pub const LOG_QUEUED_BYTES: &str = "via_log_queued_bytes";
/// Requests the log refused, by `reason` (overloaded, full, poisoned). Counter.
pub const LOG_REFUSED: &str = "via_log_refused_total";
/// Time of one commit point of the state store, seconds. Histogram.
pub const STORE_COMMIT_SECONDS: &str = "via_store_commit_seconds";
/// Records written to or deleted from the state store. Counter.
pub const STORE_WRITES: &str = "via_store_writes_total";

/// Returns the `reason` label of a refusal.
pub(crate) fn reason(error: &crate::Error) -> &'static str {
    use crate::Error;
    match error {
        Error::Overloaded { .. } => "overloaded",
        Error::Full { .. } => "full",
        Error::Poisoned { .. } => "poisoned",
        Error::Gap { .. } => "gap",
        Error::TooLarge { .. } => "too_large",
        Error::Corrupt { .. } | Error::Locked { .. } | Error::Io { .. } | Error::Store { .. } => {
            "failed"
        }
    }
}
