//! A node's wall clock: the simulation's time, and how far the node is off.

use std::sync::atomic::{AtomicI64, Ordering};

use tokio::time::Instant;
use via_types::{Clock, Timestamp};

/// What all clocks show when the simulation begins: late in 2023.
const EPOCH: Timestamp = Timestamp::from_nanos(1_700_000_000_000_000_000);

/// A wall clock that may be wrong.
#[derive(Debug)]
pub(crate) struct WallClock {
    began: Instant,
    skew_millis: AtomicI64,
}

impl WallClock {
    /// Makes one that is right.
    pub(crate) fn begin(began: Instant) -> Self {
        Self { began, skew_millis: AtomicI64::new(0) }
    }

    /// Puts it off by so many milliseconds.
    pub(crate) fn skew(&self, millis: i64) {
        self.skew_millis.store(millis, Ordering::SeqCst);
    }
}

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        let right = EPOCH.saturating_add(self.began.elapsed());
        let skew = self.skew_millis.load(Ordering::SeqCst).saturating_mul(1_000_000);
        Timestamp::from_nanos(right.as_nanos().saturating_add(skew))
    }
}
