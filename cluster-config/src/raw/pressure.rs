//! The section about memory that is short: `[pressure]`. Shares are of the memory
//! for profiles, which is what the buffers leave of `node.memory_limit`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::Span;

/// What a node does when its memory for profiles becomes short. Shares are of
/// what the buffers leave of `node.memory_limit`; each level ends 0.05 below
/// where it began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PressureSection {
    /// Share from which on profiles that are saved and not in use leave memory for
    /// the disk, in the order of `policy`. They come back with their next event,
    /// as they were.
    #[schemars(range(min = 0.1, max = 0.99))]
    pub(crate) elevated: f64,
    /// Share from which on changed profiles are saved at once, so that they can
    /// leave, and no entity gets a forest that has none.
    #[schemars(range(min = 0.1, max = 0.99))]
    pub(crate) high: f64,
    /// Share from which on new entities are refused, to be sent again later: first
    /// those of low priority; a third of the way from here to full those of
    /// normal priority, too; two thirds of the way all. Entities known go on.
    #[schemars(range(min = 0.1, max = 0.99))]
    pub(crate) critical: f64,
    /// Which profiles leave first.
    pub(crate) policy: LeaveFirst,
    /// How long an entity without events is stale, by the time of events; for
    /// `ttl` and `hybrid`.
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "366d"))]
    pub(crate) ttl: Span,
    /// What gives way first.
    pub(crate) strategy: GivesWay,
}

impl Default for PressureSection {
    fn default() -> Self {
        Self {
            elevated: 0.70,
            high: 0.85,
            critical: 0.95,
            policy: LeaveFirst::Lru,
            ttl: Span::from_secs(3_600),
            strategy: GivesWay::EvictStale,
        }
    }
}

/// Which profiles leave memory first, as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub(crate) enum LeaveFirst {
    /// Those not used for the longest time.
    Lru,
    /// Those without an event for the time of `ttl`, and no others.
    Ttl,
    /// Those without an event for the time of `ttl`, then as `lru`.
    Hybrid,
    /// Those of low priority, then of normal, then of high; of each as `lru`.
    Priority,
}

/// What gives way first when memory is short, as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub(crate) enum GivesWay {
    /// Profiles that are not in use, as the levels say.
    EvictStale,
    /// New entities: those of low priority are refused from `elevated` on, of
    /// normal from `high`, all from `critical`; profiles leave only from `high` on.
    RejectNew,
    /// The tests of the course of buckets and the forests, from `high` on: of
    /// entities of low priority, and of those of normal priority with fewer than
    /// 1,024 events. They begin anew afterwards; detections and the entity's state
    /// say so.
    DowngradeSensitivity,
    /// Profiles in the large form that they have in memory: from `elevated` on they
    /// are saved, those changed longest ago first, and leave.
    CompressOldest,
}
