//! Questions about recorded detections, and their answers.

use serde::{Deserialize, Serialize};
use via_types::detection::State;
use via_types::{
    Detection, Detector, EntityHash, Feedback, Severity, StreamId, TenantId, Timestamp,
};

use crate::Cursor;

/// Which detections are meant; every part that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Filter {
    /// Whose: always given, so that no tenant sees another's.
    pub tenant: TenantId,
    /// Of one stream.
    pub stream: Option<StreamId>,
    /// About one entity; needs `stream`.
    pub entity: Option<String>,
    /// At least this severe.
    pub severity: Option<Severity>,
    /// At least this score, 0..1.
    pub score: Option<f64>,
    /// Strongest test.
    pub detector: Option<Detector>,
    /// Open or closed.
    pub state: Option<State>,
}

impl Filter {
    /// Says whether a detection of `tenant` passes.
    pub fn admits(&self, tenant: TenantId, detection: &Detection) -> bool {
        self.tenant == tenant
            && self.stream.is_none_or(|stream| stream == detection.stream)
            && self.entity.as_ref().is_none_or(|entity| *entity == detection.entity)
            && self.severity.is_none_or(|severity| detection.severity >= severity)
            && self.score.is_none_or(|score| detection.score >= score)
            && self.detector.is_none_or(|detector| detector == detection.detector)
            && self.state.is_none_or(|state| state == detection.state)
    }

    /// Returns the hash of the entity asked for, when stream and entity are given.
    pub fn entity_hash(&self) -> Option<EntityHash> {
        Some(EntityHash::of(self.stream?, self.entity.as_deref()?))
    }
}

/// In which order detections are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// By the time they began, newest first.
    #[default]
    Newest,
    /// By the time they began, oldest first.
    Oldest,
    /// By score, highest first.
    Score,
}

/// One page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Query {
    /// Which.
    pub filter: Filter,
    /// Began at or after.
    pub from: Option<Timestamp>,
    /// Began before.
    pub until: Option<Timestamp>,
    /// Order.
    pub sort: Sort,
    /// Most items, 1..=1000.
    pub limit: usize,
    /// Where the page before ended.
    pub after: Option<Cursor>,
}

/// A recorded detection and what was said of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// The detection.
    pub detection: Detection,
    /// What somebody said of it; none when nobody did.
    pub feedback: Option<Feedback>,
}

/// One page of detections.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// The detections.
    pub items: Vec<Recorded>,
    /// Where the next page begins; none at the end.
    pub next: Option<Cursor>,
}

/// Counts of this node since it was made (events) or now (the rest).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// Shards served here.
    pub shards: u32,
    /// Shards ready to judge.
    pub shards_ready: u32,
    /// Events applied.
    pub events: u64,
    /// Batches recognised as sent before.
    pub repeated_batches: u64,
    /// Events refused as duplicates.
    pub duplicate_events: u64,
    /// Events refused as late.
    pub late_events: u64,
    /// Profiles in memory now. Those of entities that were quiet since the
    /// node started, or for long, are on disk only and not counted.
    pub profiles: u64,
    /// Profiles changed since they were last saved.
    pub profiles_dirty: u64,
    /// Memory of the profiles, bytes.
    pub profile_bytes: u64,
    /// Detections recorded.
    pub detections: u64,
    /// State store on disk, bytes.
    pub store_bytes: u64,
}
