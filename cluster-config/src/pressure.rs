//! What a node does when memory is short, as the program uses it.

use std::time::Duration;

use via_types::pressure::{Bounds, Order, Strategy};

use crate::raw::{GivesWay, LeaveFirst, PressureSection};

/// What is done when memory for profiles is short.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pressure {
    /// Shares of the memory for profiles at which levels begin; they ascend.
    pub bounds: Bounds,
    /// Which profiles leave memory first.
    pub policy: Order,
    /// How long an entity without events is stale.
    pub ttl: Duration,
    /// What gives way first.
    pub strategy: Strategy,
}

impl Pressure {
    /// Converts what was written.
    pub(crate) fn of(raw: &PressureSection) -> Self {
        let PressureSection { elevated, high, critical, .. } = *raw;
        Self {
            bounds: Bounds { elevated, high, critical },
            policy: match raw.policy {
                LeaveFirst::Lru => Order::Lru,
                LeaveFirst::Ttl => Order::Ttl,
                LeaveFirst::Hybrid => Order::Hybrid,
                LeaveFirst::Priority => Order::Priority,
            },
            ttl: raw.ttl.duration(),
            strategy: match raw.strategy {
                GivesWay::EvictStale => Strategy::EvictStale,
                GivesWay::RejectNew => Strategy::RejectNew,
                GivesWay::DowngradeSensitivity => Strategy::DowngradeSensitivity,
                GivesWay::CompressOldest => Strategy::CompressOldest,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use via_types::pressure::Policy;

    use super::*;

    #[test]
    fn the_default_is_the_node_s_own() {
        let meant = Pressure::of(&PressureSection::default());
        let (bounds, strategy) = Default::default();
        let Policy { order, ttl } = Policy::default();
        assert_eq!(meant, Pressure { bounds, policy: order, ttl, strategy });
    }
}
