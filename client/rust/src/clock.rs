//! The time of capture: the only clock of the wall that the client reads.

use std::time::{SystemTime, UNIX_EPOCH};

/// Returns the whole microseconds since 1970 as nanoseconds.
#[expect(clippy::disallowed_methods, reason = "a client stamps events by its own machine's clock")]
pub(crate) fn now_nanos() -> i64 {
    nanos_of(SystemTime::now()) / 1_000 * 1_000
}

/// Returns the nanoseconds since 1970 of a time, at the bounds where it is beyond.
pub(crate) fn nanos_of(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |nanos| -nanos),
    }
}
