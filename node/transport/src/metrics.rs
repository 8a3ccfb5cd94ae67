//! What links measure. Names are part of the operator's interface.

/// Connections to peers that were opened. Counter.
pub const CONNECTED: &str = "via_link_connections_total";
/// Attempts to reach or answer a peer that failed. Counter.
pub const REFUSED: &str = "via_link_failures_total";
/// Calls answered or not, by `outcome` (`ok`, `error`). Counter.
pub const CALLS: &str = "via_link_calls_total";
/// Bytes sent to peers, before encryption. Counter.
pub const SENT_BYTES: &str = "via_link_sent_bytes_total";
/// Bytes received from peers, after decryption. Counter.
pub const RECEIVED_BYTES: &str = "via_link_received_bytes_total";

pub(crate) fn connected() {
    metrics::counter!(CONNECTED).increment(1);
}

pub(crate) fn refused() {
    metrics::counter!(REFUSED).increment(1);
}

pub(crate) fn called<T, E>(outcome: &Result<T, E>) {
    let outcome = if outcome.is_ok() { "ok" } else { "error" };
    metrics::counter!(CALLS, "outcome" => outcome).increment(1);
}

pub(crate) fn sent(bytes: usize) {
    metrics::counter!(SENT_BYTES).increment(bytes as u64);
}

pub(crate) fn received(bytes: usize) {
    metrics::counter!(RECEIVED_BYTES).increment(bytes as u64);
}
